//! LIKE.

/// A pattern of `%` and `_`, in lower case.
#[derive(Debug)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Any,
    One,
    Char(char),
}

impl Pattern {
    /// A backslash takes a wildcard's meaning away.
    pub(crate) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '%' => Piece::Any,
                '_' => Piece::One,
                '\\' if matches!(chars.peek(), Some('%' | '_')) => Piece::Char(chars.next().unwrap_or('\\')),
                c => Piece::Char(c),
            });
        }
        Pattern { pieces }
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        let pieces = &self.pieces;
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while t < text.len() {
            match pieces.get(p) {
                Some(Piece::Any) => {
                    back = Some((p, t));
                    p += 1;
                }
                Some(Piece::One) => (p, t) = (p + 1, t + 1),
                Some(Piece::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
                _ => match back {
                    Some((at, from)) => {
                        back = Some((at, from + 1));
                        (p, t) = (at + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        pieces[p..].iter().all(|piece| *piece == Piece::Any)
    }
}

/// Whether a text fits a pattern, both in lower case.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).fits(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_wildcards() {
        for (pattern, text, expected) in [
            ("acme%", "acme ltd", true),
            ("%ltd", "acme ltd", true),
            ("a_me%", "acme", true),
            ("a_e", "acme", false),
            ("%c%e%", "acme", true),
            (r"50\%", "50%", true),
            (r"50\%", "505", false),
            ("", "", true),
            ("%", "", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
