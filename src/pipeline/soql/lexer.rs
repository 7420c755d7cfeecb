//! From text to tokens. What is almost right (`==`, double or curly quotes) becomes the token that was meant, and a fault.

use std::ops::Range;

use super::fault::{SoqlFault, SoqlFaultKind::Syntax};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    /// A text in quotes, the quotes included in its range.
    Text,
    Number,
    Date,
    DateTime,
    Time,
    /// `:name`.
    Bind,
    /// `:` before anything else.
    Colon,
    Dot,
    Comma,
    Open,
    Close,
    Equal,
    NotEqual,
    Order,
    Star,
    Semicolon,
    /// Already complained about.
    Wrong,
}

/// Splits a text; never fails, the faults say what was wrong.
pub(super) fn tokens(text: &str) -> (Vec<Token>, Vec<SoqlFault>) {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
        faults: Vec::new(),
    };
    while lexer.next() {}
    (lexer.tokens, lexer.faults)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
    faults: Vec<SoqlFault>,
}

impl Lexer<'_> {
    fn next(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start();
        self.at = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        let second = rest[first.len_utf8()..].chars().next();
        use TokenKind::*;
        match (first, second) {
            ('\'', _) => self.quoted(rest, '\'', '\''),
            ('"', _) => {
                let closing = rest[1..].find('"').map_or(rest.len(), |at| at + 2);
                self.wrongly_quoted(closing, "texts stand in single quotes");
            }
            ('“' | '”' | '„' | '‘' | '’' | '`' | '´', _) => {
                let open = first.len_utf8();
                let closing = rest[open..]
                    .char_indices()
                    .find(|(_, c)| matches!(c, '“' | '”' | '‘' | '’' | '`' | '´' | '\''))
                    .map_or(open, |(at, c)| open + at + c.len_utf8());
                self.wrongly_quoted(closing, "these are not straight quotes");
            }
            ('=', Some('=')) => {
                let range = self.at..self.at + 2;
                self.faults.push(SoqlFault::new(
                    Syntax,
                    range,
                    "SOQL has no `==`",
                    "write `=`",
                    "compare with a single `=`",
                ));
                self.push(Equal, 2);
            }
            ('=', _) => self.push(Equal, 1),
            ('!', Some('=')) | ('<', Some('>')) => self.push(NotEqual, 2),
            ('<' | '>', Some('=')) => self.push(Order, 2),
            ('<' | '>', _) => self.push(Order, 1),
            ('(', _) => self.push(Open, 1),
            (')', _) => self.push(Close, 1),
            (',', _) => self.push(Comma, 1),
            (';', _) => self.push(Semicolon, 1),
            ('*', _) => self.push(Star, 1),
            ('.', Some(c)) if c.is_ascii_digit() && !self.after_name() => self.number(rest),
            ('.', _) => self.push(Dot, 1),
            (':', _) => {
                let name = rest[1..].trim_start();
                let blanks = rest.len() - 1 - name.len();
                match word_length(name) {
                    0 => self.push(Colon, 1),
                    length => self.push(Bind, 1 + blanks + length),
                }
            }
            ('-', Some('-')) | ('/', Some('*' | '/')) => {
                let range = self.at..self.text.len();
                self.faults.push(SoqlFault::new(
                    Syntax,
                    range,
                    "SOQL has no comments",
                    "begins here",
                    "put it into a comment of the YAML file: `# ...`",
                ));
                self.at = self.text.len();
            }
            ('+' | '-', Some(c)) if c.is_ascii_digit() || c == '.' => self.number(rest),
            (c, _) if c.is_ascii_digit() => self.number(rest),
            (c, _) if c.is_ascii_alphabetic() || c == '_' => self.push(Word, word_length(rest)),
            (c, _) => {
                let help = match c {
                    '&' => Some("write AND"),
                    '|' => Some("write OR"),
                    '!' => Some("write NOT, or `!=`"),
                    '$' | '{' => Some("vars are written `:name`"),
                    _ => None,
                };
                let range = self.at..self.at + c.len_utf8();
                self.faults.push(SoqlFault::new(
                    Syntax,
                    range,
                    format!("unexpected `{c}`"),
                    "not expected",
                    help,
                ));
                self.push(Wrong, c.len_utf8());
            }
        }
        true
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        self.tokens.push(Token {
            kind,
            range: self.at..self.at + length,
        });
        self.at += length;
    }

    /// Whether a word ends right here, so that a point begins its next part.
    fn after_name(&self) -> bool {
        self.tokens
            .last()
            .is_some_and(|token| token.kind == TokenKind::Word && token.range.end == self.at)
    }

    fn quoted(&mut self, rest: &str, open: char, close: char) {
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == close {
                self.push(TokenKind::Text, at + close.len_utf8());
                return;
            }
            if c == '\\' {
                match chars.next() {
                    Some((
                        _,
                        'n' | 'N' | 'r' | 'R' | 't' | 'T' | 'b' | 'B' | 'f' | 'F' | '"' | '\'' | '\\' | '_'
                        | '%',
                    )) => {}
                    Some((from, 'u' | 'U'))
                        if rest
                            .get(from + 1..from + 5)
                            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) => {}
                    Some((after, c)) => {
                        let range = self.at + at..self.at + after + c.len_utf8();
                        self.faults.push(SoqlFault::new(
                            Syntax,
                            range,
                            format!("`\\{c}` means nothing in a text"),
                            "unknown escape",
                            "a backslash itself is written `\\\\`",
                        ));
                    }
                    None => break,
                }
            }
        }
        let range = self.at..self.text.len();
        self.faults.push(
            SoqlFault::new(Syntax, range, "this text has no end", "begins here", None).with_help(format!(
                "close it with {open}; a quote inside a text is written `\\'`"
            )),
        );
        self.push(TokenKind::Text, rest.len());
    }

    fn wrongly_quoted(&mut self, length: usize, message: &str) {
        let range = self.at..self.at + length;
        let inner: &str = self.text[range.clone()].trim_matches(|c: char| "\"“”„‘’`´'".contains(c));
        let help = format!("write '{inner}'");
        self.faults
            .push(SoqlFault::new(Syntax, range, message, "not a text of SOQL", None).with_help(help));
        self.push(TokenKind::Text, length);
    }

    fn number(&mut self, rest: &str) {
        let length = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| !c.is_ascii_alphanumeric() && !matches!(c, '.' | ':' | '+' | '-' | '_'))
            .map_or(rest.len(), |(at, _)| at);
        let literal = &rest[..length];
        let kind = classify(literal);
        if kind == TokenKind::Wrong {
            let range = self.at..self.at + length;
            let help = match literal.as_bytes() {
                bytes if bytes.iter().filter(|b| matches!(b, b'-' | b':')).count() >= 2 => {
                    "dates are written 2026-01-31, times 2026-01-31T09:05:00Z".to_owned()
                }
                _ => format!("ids and other texts stand in single quotes: '{literal}'"),
            };
            self.faults.push(
                SoqlFault::new(
                    Syntax,
                    range,
                    format!("`{literal}` is neither a number nor a date"),
                    "not understood",
                    None,
                )
                .with_help(help),
            );
        }
        self.push(kind, length);
    }
}

/// How long the word is that a text begins with.
fn word_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

fn classify(literal: &str) -> TokenKind {
    use TokenKind::*;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (literal, None),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let exponent_fits = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    if (whole.is_empty() || digits(whole))
        && (digits(fraction) || fraction.is_empty() && !whole.is_empty())
        && exponent_fits
    {
        return Number;
    }
    if literal.len() == 10 && literal.parse::<jiff::civil::Date>().is_ok() {
        return Date;
    }
    if literal.len() > 10 && literal.as_bytes()[10].eq_ignore_ascii_case(&b'T') {
        let zoned = literal.ends_with(['Z', 'z']) || literal[11..].contains(['+', '-']);
        if zoned && literal.parse::<jiff::Timestamp>().is_ok() {
            return DateTime;
        }
        return Wrong;
    }
    let time = literal.trim_end_matches(['Z', 'z']);
    if time.contains(':') && time.parse::<jiff::civil::Time>().is_ok() {
        return Time;
    }
    Wrong
}
