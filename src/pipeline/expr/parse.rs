//! minijinja's parser behind a fence: limits before it, our words after it.

use std::ops::Range;

use minijinja::machinery::{Token, ast, parse as parse_template, parse_expr, tokenize};

use super::{Fault, FaultKind, is_template};

/// Longer sources are refused: the parser counts in 32 bits and drops its tree recursively.
const MAX_SOURCE: usize = 64 * 1024;
/// The parser builds a tree as deep as a chain of operators is long, and so needs a stack for it.
const MAX_TOKENS: usize = 3000;
/// `not`, `-` and `elif` make the parser call itself without a guard of its own.
const MAX_REPEATED: usize = 100;

/// What the parser made of a source.
pub(super) enum Parsed<'s> {
    Expression(ast::Expr<'s>),
    Template(ast::Stmt<'s>),
}

/// Parses an expression or a template.
pub(super) fn parse(source: &str) -> Result<Parsed<'_>, Fault> {
    let template = is_template(source);
    if source.len() > MAX_SOURCE {
        return Err(too_large(
            0..source.len(),
            format!("more than {MAX_SOURCE} bytes of text"),
        ));
    }
    if source.trim().is_empty() {
        return Err(Fault {
            range: 0..source.len(),
            kind: FaultKind::Syntax,
            message: "the expression is empty".into(),
            label: "expected a field or an expression".into(),
            help: Some("nothing at all is written `null`".into()),
        });
    }
    let mut tokens = Tokens::read(source, !template)?;
    let parsed = if template {
        parse_template(source, "<template>", Default::default()).map(Parsed::Template)
    } else {
        parse_expr(source).map(Parsed::Expression)
    };
    // The parser overlooks a text that never ends when an expression is complete before it.
    let parsed = parsed.and_then(|parsed| match tokens.broken.take() {
        Some(error) => Err(error),
        None => Ok(parsed),
    });
    parsed.map_err(|error| syntax_fault(source, &error, &tokens, template))
}

/// What a first look at the tokens tells: that the parser can be let loose on them, and where they end.
struct Tokens {
    /// The end of the last good token.
    end: usize,
    /// The first `=`, where there is one.
    assign: Option<Range<usize>>,
    /// Whether all tokens are words and numbers: a text that should have been quoted.
    words_only: bool,
    /// Where there is something that is no token.
    broken: Option<minijinja::Error>,
}

impl Tokens {
    fn read(source: &str, in_expression: bool) -> Result<Tokens, Fault> {
        let mut seen = Tokens {
            end: 0,
            assign: None,
            words_only: true,
            broken: None,
        };
        let (mut count, mut signs, mut elifs) = (0, 0, 0);
        let mut after_text = false;
        for token in tokenize(source, in_expression, Default::default()) {
            let (token, span) = match token {
                Ok(token) => token,
                Err(error) => {
                    seen.broken = Some(error);
                    break;
                }
            };
            let range = span.start_offset as usize..span.end_offset as usize;
            count += 1;
            signs = match token {
                Token::Minus | Token::Ident("not") => signs + 1,
                _ => 0,
            };
            match token {
                Token::Ident("elif") => elifs += 1,
                Token::Assign if seen.assign.is_none() => seen.assign = Some(range.clone()),
                _ => {}
            }
            // The parser makes one text of two, which hides that a comma is missing.
            let is_text = matches!(token, Token::Str(_) | Token::String(_));
            if is_text && after_text {
                return Err(Fault {
                    range,
                    kind: FaultKind::Syntax,
                    message: "two texts stand side by side".into(),
                    label: "nothing joins it to the one before".into(),
                    help: Some(
                        "put a comma between the entries of a list, or `~` between texts to be joined".into(),
                    ),
                });
            }
            after_text = is_text;
            seen.words_only &= matches!(token, Token::Ident(_) | Token::Int(_));
            if count > MAX_TOKENS || signs > MAX_REPEATED || elifs > MAX_REPEATED {
                return Err(too_large(range, "too many operators".into()));
            }
            seen.end = range.end;
        }
        Ok(seen)
    }
}

/// A complaint about size, raised while parsing or compiling.
pub(super) fn too_large(range: Range<usize>, what: String) -> Fault {
    Fault {
        range,
        kind: FaultKind::TooLarge,
        message: format!("the expression is too large: {what}"),
        label: "too large".into(),
        help: Some("split it over several fields, or move it into a table".into()),
    }
}

fn syntax_fault(source: &str, error: &minijinja::Error, tokens: &Tokens, template: bool) -> Fault {
    let detail = error.detail().unwrap_or("this cannot be read");
    let mut range = on_characters(source, error.range().unwrap_or(tokens.end..source.len()));
    let mut help = None;
    let message;
    let mut label = String::new();

    if detail.contains("recursion limits") {
        return too_large(range, "nested too deeply".into());
    }
    if let Some(expected) = detail.strip_prefix("unexpected end of input, expected ") {
        let end = source.trim_end().len();
        range = end..end;
        message = "the text ends too early".to_owned();
        label = format!("expected {} here", ours(expected));
        help = match expected {
            "end of variable block" => Some("close the braces: `{{ Name }}`".to_owned()),
            "end of block" | "keyword" => Some(
                "every `{% if %}` needs its `{% endif %}`, every `{% for %}` its `{% endfor %}`".to_owned(),
            ),
            _ => None,
        };
    } else if detail.starts_with("unexpected end of") {
        // A string, comment or raw block that is never closed: it begins after the last good token.
        let begin = tokens.end + (source.len() - tokens.end - source[tokens.end..].trim_start().len());
        range = begin..source.len();
        message = detail.replace("unexpected end of", "no end of the");
        label = "begins here".into();
        help = Some(match source[begin..].chars().next() {
            Some(quote @ ('\'' | '"')) => format!(
                "close it with {quote}, or write a quote of the other kind around a text that holds one"
            ),
            _ => "close it".to_owned(),
        });
    } else if detail == "unexpected character" {
        let character = source[range.start..].chars().next().unwrap_or(' ');
        range = range.start..range.start + character.len_utf8();
        message = format!("unexpected character `{character}`");
        help = match character {
            '&' => Some("write `and`".to_owned()),
            '!' => Some("write `not`, or `!=` for is not equal".to_owned()),
            '?' => Some("write `A if CONDITION else B`".to_owned()),
            '“' | '”' | '„' | '‘' | '’' | '`' | '´' => {
                Some("put texts in straight quotes: 'text'".to_owned())
            }
            '$' => Some("there is no `${...}`; vars are written `vars.name`".to_owned()),
            '#' => Some("comments stand in templates only: `{# ... #}`".to_owned()),
            c if c.is_alphabetic() => {
                Some("a field whose name has other letters is written `row['Straße']`".to_owned())
            }
            _ => None,
        };
    } else if let Some(assign) = tokens
        .assign
        .clone()
        .filter(|assign| *assign == range && detail.starts_with("unexpected"))
    {
        range = assign;
        message = "unexpected `=`".into();
        help = Some("compare with `==`".to_owned());
    } else if detail.starts_with("unknown statement ") {
        message = format!(
            "there is no statement `{}`",
            detail.trim_start_matches("unknown statement ")
        );
        label = "expected `if`, `for` or `set`".into();
    } else if detail.starts_with("unexpected") {
        message = match source.get(range.clone()).map(str::trim) {
            Some(found) if !found.is_empty() && found.len() <= 40 => format!("unexpected `{found}`"),
            _ => "this was not expected here".to_owned(),
        };
        if let Some((_, expected)) = detail.split_once(", expected ") {
            label = format!("expected {} here", ours(expected));
        }
        if tokens.words_only && !template {
            help = Some(format!("a text is written `{{ value: {} }}`", source.trim()));
        } else if !template && source[range.start..].starts_with("}}") {
            let before = source[..range.start].trim();
            help = Some(format!(
                "write `{before}`, or the template `\"{{{{ {before} }}}}\"`"
            ));
        } else if source[range.start..].starts_with('|') {
            help = Some("write `or` between conditions; a single `|` applies a filter".to_owned());
        } else if source[..range.start].trim_end().ends_with('<') && source[range.start..].starts_with('>') {
            help = Some("write `!=`".to_owned());
        }
    } else {
        message = detail.trim_end_matches('.').to_lowercase();
    }
    if label.is_empty() {
        label = "not understood".into();
    }
    Fault {
        range,
        kind: FaultKind::Syntax,
        message,
        label,
        help,
    }
}

/// The parser's names of things, in a user's words.
fn ours(expected: &str) -> &str {
    match expected {
        "end of variable block" => "`}}`",
        "end of block" => "`%}`",
        "expression" => "a field or an expression",
        "identifier" | "identifier or integer" => "a name",
        "assignment operator" => "`=`",
        "block keyword" => "`if`, `for` or `set`",
        other => other,
    }
}

/// A range that can index the source, whatever it was before.
fn on_characters(source: &str, range: Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(range.start);
    start..floor(range.end).max(start)
}
