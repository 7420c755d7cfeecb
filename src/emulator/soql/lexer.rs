use super::SoqlError;

/// A piece of a statement, with the byte at which it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) at: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Word(String),
    /// A text in quotes: its value, and whether a LIKE wildcard was escaped in it.
    Text(String),
    /// A number, date or datetime: anything that starts with a digit or a sign.
    Literal(String),
    /// `( ) , .` and the operators.
    Sign(&'static str),
    End,
}

pub(super) fn lex(soql: &str) -> Result<Vec<Token>, SoqlError> {
    let bytes = soql.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'\'' => {
                let (text, end) = quoted(soql, at)?;
                at = end;
                TokenKind::Text(text)
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                {
                    at += 1;
                }
                TokenKind::Word(soql[start..at].to_owned())
            }
            b if b.is_ascii_digit()
                || matches!(b, b'-' | b'+' | b'.')
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
                    && !ends_with_word(&out, at) =>
            {
                at += 1;
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'+'))
                {
                    at += 1;
                }
                TokenKind::Literal(soql[start..at].to_owned())
            }
            _ => {
                let sign = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", ".", ":"]
                    .into_iter()
                    .find(|s| soql[at..].starts_with(s));
                match sign {
                    Some(sign) => {
                        at += sign.len();
                        TokenKind::Sign(sign)
                    }
                    None => {
                        let found = soql[at..].chars().next().unwrap_or(' ');
                        return Err(SoqlError::malformed(format!(
                            "line 1:{at} no viable alternative at character '{found}'"
                        )));
                    }
                }
            }
        };
        out.push(Token {
            kind,
            at: start,
            end: at,
        });
    }
    out.push(Token {
        kind: TokenKind::End,
        at: soql.len(),
        end: soql.len(),
    });
    Ok(out)
}

/// `Account.2x` is no path, but `a.b` must not read `.b` as a number.
fn ends_with_word(tokens: &[Token], at: usize) -> bool {
    tokens
        .last()
        .is_some_and(|t| t.end == at && matches!(t.kind, TokenKind::Word(_)))
}

/// The text after a quote, its escapes resolved. `\_` and `\%` keep their backslash for LIKE.
fn quoted(soql: &str, start: usize) -> Result<(String, usize), SoqlError> {
    let mut out = String::new();
    let mut chars = soql[start + 1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((out, start + 1 + at + 1)),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n' | 'N') => out.push('\n'),
                Some('r' | 'R') => out.push('\r'),
                Some('t' | 'T') => out.push('\t'),
                Some('b' | 'B') => out.push('\u{8}'),
                Some('f' | 'F') => out.push('\u{c}'),
                Some(c @ ('"' | '\'' | '\\')) => out.push(c),
                Some(c @ ('_' | '%')) => {
                    out.push('\\');
                    out.push(c);
                }
                Some('u') => {
                    let hex: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    match u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32) {
                        Some(c) if hex.len() == 4 => out.push(c),
                        _ => return Err(SoqlError::malformed("invalid unicode escape")),
                    }
                }
                _ => {
                    return Err(SoqlError::malformed(format!(
                        "line 1:{} no viable alternative at character '\\'",
                        start + 1 + at
                    )));
                }
            },
            _ => out.push(c),
        }
    }
    Err(SoqlError::malformed(format!(
        "line 1:{} mismatched character '<EOF>' expecting '''",
        soql.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        for (soql, expected) in [
            (r"'O\'Brien'", "O'Brien"),
            (r"'a\\b'", r"a\b"),
            (r"'\u00e4\n'", "\u{e4}\n"),
            (r"'50\%'", r"50\%"),
        ] {
            assert_eq!(
                lex(soql).expect(soql)[0].kind,
                TokenKind::Text(expected.to_owned())
            );
        }
        for soql in [r"'\x'", "'open", "Name # 1"] {
            assert!(lex(soql).is_err(), "{soql}");
        }
    }
}
