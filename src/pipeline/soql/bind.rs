//! Values into queries, so that no value can become syntax.

use super::{Bind, BindOperator};
use crate::record::{Number, Value};

/// A value in the form in which SOQL writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `TRUE`, `FALSE`.
    Bool(bool),
    /// `12.5`.
    Number(Number),
    /// `'text'`.
    Text(String),
    /// `2026-01-31`; made by [`Literal::for_field`], which checks it.
    Date(jiff::civil::Date),
    /// `2026-01-31T09:05:07.000Z`.
    DateTime(jiff::Timestamp),
    /// `('a', 'b')`.
    List(Vec<Literal>),
}

/// How the field beside a bind variable wants its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    /// Quoted: texts, picklists, ids.
    Text,
    /// Bare: numbers, currencies, percentages.
    Number,
    /// `TRUE` or `FALSE`.
    Bool,
    /// A bare date.
    Date,
    /// A bare date and time.
    DateTime,
    /// Not known: as the value itself is, texts quoted.
    Unknown,
}

/// Why a value cannot stand where a bind variable stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// No such var, or no value for it.
    #[error("the var `{0}` has no value")]
    NoValue(String),
    /// `IN ()` is no SOQL.
    #[error("the var `{0}` is an empty list, and a query cannot ask for none of nothing")]
    EmptyList(String),
    /// A list where one value is compared.
    #[error("the var `{0}` is a list, which only IN, NOT IN, INCLUDES and EXCLUDES take")]
    ListHere(String),
    /// Null can only be asked for by `=` and `!=`.
    #[error("the var `{0}` is null, which only `=` and `!=` take")]
    NullHere(String),
    /// LIMIT and OFFSET.
    #[error("the var `{0}` is no whole number, and LIMIT and OFFSET take nothing else")]
    NotACount(String),
    /// The value cannot be read as what the field is.
    #[error("`{value}` is not {wanted}")]
    WrongKind {
        /// The value.
        value: String,
        /// `a date`.
        wanted: &'static str,
    },
}

impl Literal {
    /// A var's value as the field beside it wants it. Lists are taken entry by entry.
    pub fn for_field(value: &Value, kind: LiteralKind) -> Result<Literal, BindError> {
        if let Value::Json(json) = value {
            return match &**json {
                serde_json::Value::Array(list) => list
                    .iter()
                    .map(|entry| Literal::for_field(&Value::from_json(entry), kind))
                    .collect::<Result<_, _>>()
                    .map(Literal::List),
                _ => Err(wrong(value, "a single value")),
            };
        }
        let Some(text) = value.as_text() else {
            return Ok(Literal::Null);
        };
        match kind {
            LiteralKind::Text => Ok(Literal::Text(text.to_owned())),
            LiteralKind::Number => Number::canonical(text)
                .map(Literal::Number)
                .map_err(|_| wrong(value, "a number")),
            LiteralKind::Bool if text.eq_ignore_ascii_case("true") => Ok(Literal::Bool(true)),
            LiteralKind::Bool if text.eq_ignore_ascii_case("false") => Ok(Literal::Bool(false)),
            LiteralKind::Bool => Err(wrong(value, "true or false")),
            LiteralKind::Date => text
                .parse()
                .map(Literal::Date)
                .map_err(|_| wrong(value, "a date")),
            LiteralKind::DateTime => {
                match (text.parse::<jiff::Timestamp>(), text.parse::<jiff::civil::Date>()) {
                    (Ok(time), _) => Ok(Literal::DateTime(time)),
                    (Err(_), Ok(date)) => jiff::tz::Offset::UTC
                        .to_timestamp(date.to_datetime(jiff::civil::Time::midnight()))
                        .map(Literal::DateTime)
                        .map_err(|_| wrong(value, "a date and time")),
                    _ => Err(wrong(value, "a date and time")),
                }
            }
            LiteralKind::Unknown => Ok(match value {
                Value::Bool(flag) => Literal::Bool(*flag),
                Value::Number(number) => {
                    Literal::Number(Number::canonical(number.as_str()).unwrap_or_else(|_| number.clone()))
                }
                _ => Literal::Text(text.to_owned()),
            }),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Literal::Null => out.push_str("null"),
            Literal::Bool(true) => out.push_str("TRUE"),
            Literal::Bool(false) => out.push_str("FALSE"),
            Literal::Number(number) => out.push_str(number.as_str()),
            Literal::Text(text) => out.push_str(&quote(text)),
            Literal::Date(date) => out.push_str(&date.to_string()),
            Literal::DateTime(time) => {
                let utc = jiff::tz::Offset::UTC.to_datetime(*time);
                out.push_str(&utc.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
            }
            Literal::List(entries) => {
                out.push('(');
                write_entries(entries, out);
                out.push(')');
            }
        }
    }
}

fn write_entries(entries: &[Literal], out: &mut String) {
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        entry.write(out);
    }
}

fn wrong(value: &Value, wanted: &'static str) -> BindError {
    let value = value
        .as_text()
        .map_or_else(|| value.kind().to_owned(), str::to_owned);
    BindError::WrongKind { value, wanted }
}

/// A text as SOQL quotes it.
pub fn quote(text: &str) -> String {
    quoted(text, false)
}

/// A text for LIKE, in which `%` and `_` mean themselves.
pub fn quote_like(text: &str) -> String {
    quoted(text, true)
}

fn quoted(text: &str, like: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '%' if like => out.push_str("\\%"),
            '_' if like => out.push_str("\\_"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Puts values in the places of bind variables. The binds are those of the text, in order.
pub fn bind<E: From<BindError>>(
    text: &str,
    binds: &[Bind],
    mut values: impl FnMut(&Bind) -> Result<Literal, E>,
) -> Result<String, E> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut from = 0;
    for bind in binds {
        let literal = values(bind)?;
        fits(bind, &literal)?;
        out.push_str(text.get(from..bind.range.start).unwrap_or_default());
        from = bind.range.end;
        match (literal, bind.operator, bind.in_list) {
            (Literal::List(entries), _, false) => write_entries(&entries, &mut out),
            (literal @ Literal::List(_), _, true) => literal.write(&mut out),
            (single, _, true) => Literal::List(vec![single]).write(&mut out),
            (single, _, false) => single.write(&mut out),
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Ok(out)
}

fn fits(bind: &Bind, literal: &Literal) -> Result<(), BindError> {
    let name = || bind.name.clone();
    match (literal, bind.operator) {
        (Literal::List(_), operator) if operator != BindOperator::In => Err(BindError::ListHere(name())),
        (Literal::List(entries), _) if entries.is_empty() => Err(BindError::EmptyList(name())),
        (Literal::List(entries), _)
            if entries
                .iter()
                .any(|e| matches!(e, Literal::Null | Literal::List(_))) =>
        {
            Err(BindError::NullHere(name()))
        }
        (Literal::Number(n), BindOperator::Count) if n.as_str().bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        (_, BindOperator::Count) => Err(BindError::NotACount(name())),
        (Literal::Null, BindOperator::Equal | BindOperator::NotEqual) => Ok(()),
        (Literal::Null, _) => Err(BindError::NullHere(name())),
        _ => Ok(()),
    }
}
