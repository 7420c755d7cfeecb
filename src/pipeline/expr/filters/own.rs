//! Filters that minijinja does not have, or has with another meaning.

use rust_decimal::{Decimal, RoundingStrategy};
use sha2::{Digest, Sha256};

use super::{
    super::{
        eval::room,
        ops::{absent, truthy},
    },
    Call, EvalError,
    number::rounded,
};
use crate::record::{self, Id, Number, Value};

type Result = std::result::Result<Value, EvalError>;

/// `decimal`, `decimal(2)`: a text as an exact number, rounded to so many places when asked (halves away from zero).
///
/// `" 1234.50 " | decimal` -> `1234.5`; `"1,234.50"` is refused: which sign is the point is for
/// `| replace(',', '') | decimal` to say.
pub(super) fn decimal(call: &mut Call<'_, '_>) -> Result {
    let number = match call.input {
        Value::Number(n) => n.clone(),
        Value::Text(text) => Number::canonical(text.trim()).map_err(|_| call.unreadable("a number"))?,
        _ => return Err(call.takes("a text or a number")),
    };
    let Some(scale) = call.whole_arg(0)? else {
        return Ok(Value::Number(number));
    };
    let exact: Decimal = super::decimal(&number)?;
    rounded(exact, scale, RoundingStrategy::MidpointAwayFromZero)
        .map(|d| Value::Number(d.into()))
        .ok_or(EvalError::TooManyDigits("decimal"))
}

/// `bool`: `true`, `yes`, `y`, `on`, `x`, `1` and their opposites, in any case, as true or false.
///
/// `"Yes" | bool` -> `true`; `"maybe" | bool` parks the row.
pub(super) fn bool(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?.trim();
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "yes", "y", "on", "x", "t"]) {
        return Ok(Value::Bool(true));
    }
    if is(&["false", "no", "n", "off", "f"]) {
        return Ok(Value::Bool(false));
    }
    match Number::canonical(text) {
        Ok(n) if n.as_str() == "1" => Ok(Value::Bool(true)),
        Ok(n) if n.as_str() == "0" => Ok(Value::Bool(false)),
        _ => Err(call.unreadable("true or false")),
    }
}

/// `id18`: a Salesforce Id of 15 characters as one of 18; one of 18 has its capitals checked.
///
/// `"001D000000K0fXO" | id18` -> `001D000000K0fXOIAZ`.
pub(super) fn id18(call: &mut Call<'_, '_>) -> Result {
    match call.text()?.trim().parse::<Id>() {
        Ok(id) => Ok(Value::text(id.as_str())),
        Err(record::IdError::Shape(_) | record::IdError::Suffix(_)) => {
            Err(call.unreadable("a Salesforce Id"))
        }
    }
}

/// `truncate(80)`, `truncate(80, end='...')`: at most so many characters, the end included.
///
/// `"Acme Incorporated" | truncate(4)` -> `Acme`.
pub(super) fn truncate(call: &mut Call<'_, '_>) -> Result {
    let text = call.text()?;
    let most = match call.whole_arg(0)? {
        Some(n) => usize::try_from(n).map_err(|_| call.wrong(0, "a number of characters"))?,
        None => return Ok(call.input.clone()),
    };
    let Some((cut, _)) = text.char_indices().nth(most) else {
        return Ok(Value::text(text));
    };
    let end = call.text_arg(1)?.unwrap_or_default();
    if end.is_empty() {
        return Ok(Value::text(&text[..cut]));
    }
    let kept = most.saturating_sub(end.chars().count());
    let whole: String = text.chars().take(kept).chain(end.chars()).take(most).collect();
    Ok(Value::text(whole))
}

/// `split_multi`: the values of a multi-select picklist as a list.
///
/// `"Java;SQL" | split_multi` -> `["Java", "SQL"]`.
pub(super) fn split_multi(call: &mut Call<'_, '_>) -> Result {
    if let Value::Json(json) = call.input
        && json.is_array()
    {
        return Ok(call.input.clone());
    }
    super::texts(
        call.text()?
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty()),
    )
}

/// `join_multi`: a list as the text of a multi-select picklist; nulls are left out.
///
/// `["Java", "SQL"] | join_multi` -> `Java;SQL`.
pub(super) fn join_multi(call: &mut Call<'_, '_>) -> Result {
    let Value::Json(_) = call.input else {
        return Ok(Value::text(call.text()?));
    };
    let mut out = String::new();
    for entry in call.entries()? {
        let entry = Value::from_json(entry);
        if absent(&entry) {
            continue;
        }
        let text = entry.as_text().ok_or(EvalError::NoText(entry.kind()))?;
        room(out.len() + text.len() + 1)?;
        if !out.is_empty() {
            out.push(';');
        }
        out.push_str(text);
    }
    Ok(Value::text(out))
}

/// `hash`: SHA-256 of the text in UTF-8, as 64 hexadecimal digits. Not a disguise for personal data: see `mask`.
///
/// `"abc" | hash` -> `ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad`.
pub(super) fn hash(call: &mut Call<'_, '_>) -> Result {
    let digest = Sha256::digest(call.text()?.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    Ok(Value::text(hex))
}

/// `default('x')`: x where the value is null; `default('x', true)`: also where it is false, zero or an empty list.
pub(super) fn default(call: &mut Call<'_, '_>) -> Result {
    let missing = absent(call.input) || (call.flag_arg(1)? && !truthy(call.input));
    if !missing {
        return Ok(call.input.clone());
    }
    Ok(call.arg(0).cloned().unwrap_or(Value::Text("".into())))
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(Number::exact(text).expect(text))
    }

    #[test]
    fn conversions() {
        for (name, input, args, expected) in [
            ("decimal", " 1234.50 ".into(), vec![], number("1234.5")),
            ("decimal", "1E3".into(), vec![], number("1000")),
            ("decimal", "2.345".into(), vec![number("2")], number("2.35")),
            ("decimal", "-2.345".into(), vec![number("2")], number("-2.35")),
            ("bool", "Yes".into(), vec![], true.into()),
            ("bool", "OFF".into(), vec![], false.into()),
            ("bool", number("1.0"), vec![], true.into()),
            ("bool", false.into(), vec![], false.into()),
            (
                "id18",
                "001D000000K0fXO".into(),
                vec![],
                "001D000000K0fXOIAZ".into(),
            ),
            (
                "id18",
                "001D000000K0fXOIAZ".into(),
                vec![],
                "001D000000K0fXOIAZ".into(),
            ),
            ("truncate", "Grüße".into(), vec![number("3")], "Grü".into()),
            ("truncate", "Grüße".into(), vec![number("5")], "Grüße".into()),
            (
                "truncate",
                "Grüße!".into(),
                vec![number("5"), "...".into()],
                "Gr...".into(),
            ),
            (
                "truncate",
                "Grüße!".into(),
                vec![number("2"), "...".into()],
                "..".into(),
            ),
            ("truncate", "abc".into(), vec![number("0")], Value::Null),
            ("join_multi", "a;b".into(), vec![], "a;b".into()),
            (
                "hash",
                "abc".into(),
                vec![],
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(),
            ),
        ] {
            assert_eq!(
                apply(name, input.clone(), &args),
                Ok(expected),
                "{name} of {input:?}"
            );
        }
    }

    #[test]
    fn multi_selects_go_there_and_back() {
        let list = apply("split_multi", "Java; SQL ;;".into(), &[]).expect("a list");
        assert_eq!(list.to_json(), serde_json::json!(["Java", "SQL"]));
        assert_eq!(apply("join_multi", list, &[]), Ok("Java;SQL".into()));
    }

    #[test]
    fn what_cannot_be_read_is_quoted() {
        for (name, input, message) in [
            (
                "decimal",
                "abc",
                "the filter `decimal` cannot read `abc` as a number",
            ),
            (
                "decimal",
                "1,234.50",
                "the filter `decimal` cannot read `1,234.50` as a number",
            ),
            (
                "bool",
                "maybe",
                "the filter `bool` cannot read `maybe` as true or false",
            ),
            (
                "id18",
                "001",
                "the filter `id18` cannot read `001` as a Salesforce Id",
            ),
        ] {
            assert_eq!(
                apply(name, input.into(), &[]).map_err(|e| e.to_string()),
                Err(message.into())
            );
        }
    }
}
