//! Filters of lists, some of which take texts too. Nulls in a list are skipped where values are joined, added or compared.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    super::{
        eval::{holds_entry, json_weight, room},
        ops::{absent, arithmetic, sort_order},
        tree::BinaryOp,
    },
    Call, EvalError, list_of, texts,
};
use crate::record::{Number, Value};

type Result<T = Value> = std::result::Result<T, EvalError>;

/// `length`: characters of a text, entries of a list, keys of an object.
pub(super) fn length(call: &mut Call<'_, '_>) -> Result {
    let length = match call.input {
        Value::Json(json) => match &**json {
            Json::Array(list) => list.len(),
            Json::Object(object) => object.len(),
            _ => 0,
        },
        _ => call.text()?.chars().count(),
    };
    Ok(Value::Number(Number::from(
        i64::try_from(length).unwrap_or(i64::MAX),
    )))
}

/// `first`: the first entry of a list or character of a text; null of an empty one.
pub(super) fn first(call: &mut Call<'_, '_>) -> Result {
    match call.input {
        Value::Json(_) => entry(call, |list| list.first()),
        _ => Ok(call
            .text()?
            .chars()
            .next()
            .map_or(Value::Null, |c| Value::text(c.to_string()))),
    }
}

/// `last`: the last entry of a list or character of a text.
pub(super) fn last(call: &mut Call<'_, '_>) -> Result {
    match call.input {
        Value::Json(_) => entry(call, |list| list.last()),
        _ => Ok(call
            .text()?
            .chars()
            .next_back()
            .map_or(Value::Null, |c| Value::text(c.to_string()))),
    }
}

fn entry(call: &Call<'_, '_>, pick: impl Fn(&[Json]) -> Option<&Json>) -> Result {
    Ok(pick(call.entries()?).map_or(Value::Null, Value::from_json))
}

/// `join(', ')`, `join(', ', attribute='sku')`: nulls are left out.
pub(super) fn join(call: &mut Call<'_, '_>) -> Result {
    let by = call.text_arg(0)?.unwrap_or_default();
    let mut out = String::new();
    let mut any = false;
    for entry in attributes(call, 1)? {
        if absent(&entry) {
            continue;
        }
        let text = entry.as_text().ok_or(EvalError::NoText(entry.kind()))?;
        room(out.len() + by.len() + text.len())?;
        if any {
            out.push_str(by);
        }
        out.push_str(text);
        any = true;
    }
    Ok(Value::text(out))
}

/// `list`: the characters of a text, the keys of an object, a list as it is.
pub(super) fn list(call: &mut Call<'_, '_>) -> Result {
    match call.input {
        Value::Json(json) => match &**json {
            Json::Object(object) => texts(object.keys().map(String::as_str)),
            _ => Ok(call.input.clone()),
        },
        _ => {
            let text = call.text()?;
            texts(text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]))
        }
    }
}

/// `unique`, `unique(case_sensitive=true)`: the first of equal entries, in their order.
pub(super) fn unique(call: &mut Call<'_, '_>) -> Result {
    let case_sensitive = call.flag_arg(0)?;
    let keys = attributes(call, 1)?;
    let mut seen: Vec<Value> = Vec::new();
    let mut kept = Vec::new();
    let list = call.entries()?;
    for (entry, key) in list.iter().zip(keys) {
        let key = match key {
            Value::Text(text) if !case_sensitive => Value::text(text.to_lowercase()),
            key => key,
        };
        call.fuel.burn(1 + seen.len())?;
        if !holds_entry(&seen, &key) {
            seen.push(key);
            kept.push(entry.clone());
        }
    }
    Ok(list_of(kept))
}

/// `sort`, `sort(reverse=true)`, `sort(attribute='name')`: without case unless `case_sensitive=true`.
pub(super) fn sort(call: &mut Call<'_, '_>) -> Result {
    let (reverse, case_sensitive) = (call.flag_arg(0)?, call.flag_arg(1)?);
    let keys = attributes(call, 2)?;
    let list = call.entries()?;
    call.fuel.burn(list.len().saturating_mul(20))?;
    let mut keyed: Vec<(Value, &Json)> = keys.into_iter().zip(list).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let order = sort_order(a, b, case_sensitive);
        if reverse { order.reverse() } else { order }
    });
    Ok(list_of(
        keyed.into_iter().map(|(_, entry)| entry.clone()).collect(),
    ))
}

/// `reverse`: a list or a text backwards.
pub(super) fn reverse(call: &mut Call<'_, '_>) -> Result {
    match call.input {
        Value::Json(_) => Ok(list_of(call.entries()?.iter().rev().cloned().collect())),
        _ => Ok(Value::text(call.text()?.chars().rev().collect::<String>())),
    }
}

/// `min`: the smallest entry that is not null.
pub(super) fn min(call: &mut Call<'_, '_>) -> Result {
    extreme(call, Ordering::Less)
}

/// `max`: the largest entry.
pub(super) fn max(call: &mut Call<'_, '_>) -> Result {
    extreme(call, Ordering::Greater)
}

fn extreme(call: &mut Call<'_, '_>, wanted: Ordering) -> Result {
    let case_sensitive = call.flag_arg(0)?;
    let keys = attributes(call, 1)?;
    let mut best: Option<(Value, &Json)> = None;
    for (key, entry) in keys.into_iter().zip(call.entries()?) {
        let better = best
            .as_ref()
            .is_none_or(|(held, _)| sort_order(&key, held, case_sensitive) == wanted);
        if better && !absent(&key) {
            best = Some((key, entry));
        }
    }
    Ok(best.map_or(Value::Null, |(_, entry)| Value::from_json(entry)))
}

/// `sum`, `sum(attribute='amount')`: exact; nulls count as nothing, and so does an empty list.
pub(super) fn sum(call: &mut Call<'_, '_>) -> Result {
    let mut total = Value::Number(Number::from(0));
    for entry in attributes(call, 0)? {
        if !absent(&entry) {
            total = arithmetic(BinaryOp::Add, &total, &entry)?;
        }
    }
    Ok(total)
}

/// `items`: an object as a list of pairs, for `{% for key, value in object | items %}`.
pub(super) fn items(call: &mut Call<'_, '_>) -> Result {
    match call.input {
        Value::Json(json) => match &**json {
            Json::Object(object) => Ok(list_of(
                object
                    .iter()
                    .map(|(key, value)| Json::Array(vec![key.as_str().into(), value.clone()]))
                    .collect(),
            )),
            _ => Err(call.takes("an object")),
        },
        _ => Err(call.takes("an object")),
    }
}

/// The entries, or the field of each that the argument `attribute` names.
fn attributes(call: &mut Call<'_, '_>, slot: usize) -> Result<Vec<Value>> {
    let list = call.entries()?;
    call.fuel.burn(list.iter().map(json_weight).sum())?;
    let path = call.text_arg(slot)?;
    Ok(list
        .iter()
        .map(|entry| {
            let found = path.map_or(Some(entry), |path| {
                path.split('.').try_fold(entry, |at, name| match at {
                    Json::Array(list) => list.get(name.parse::<usize>().ok()?),
                    Json::Object(object) => object.get(name).or_else(|| {
                        object
                            .iter()
                            .find(|(key, _)| key.eq_ignore_ascii_case(name))
                            .map(|(_, v)| v)
                    }),
                    _ => None,
                })
            });
            found.map_or(Value::Null, Value::from_json)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;

    fn from(json: &str) -> Value {
        Value::from_json(&serde_json::from_str(json).expect(json))
    }

    #[test]
    fn lists() {
        for (name, input, args, expected) in [
            ("length", r#"["a", null]"#, vec![], "2"),
            ("length", r#""grün""#, vec![], "4"),
            (
                "join",
                r#"["a", null, 2.50, true]"#,
                vec![Value::from("; ")],
                r#""a; 2.50; true""#,
            ),
            ("join", r#"[null]"#, vec![Value::from("; ")], "null"),
            ("sum", r#"[0.1, 0.2, null]"#, vec![], "0.3"),
            (
                "sum",
                r#"[{"a": {"b": 1}}, {"A": {"b": 2}}, {}]"#,
                vec!["a.b".into()],
                "3",
            ),
            ("sum", "[]", vec![], "0"),
            ("min", "[null, 10, 9.5]", vec![], "9.5"),
            ("max", "[]", vec![], "null"),
            ("sort", "[10, 9.5, 1e1, 100]", vec![], "[9.5, 10, 1e1, 100]"),
            ("unique", "[1, 1.0, \"1\"]", vec![], "[1, \"1\"]"),
            ("items", r#"{"a": 1}"#, vec![], r#"[["a", 1]]"#),
            ("list", r#""ab""#, vec![], r#"["a", "b"]"#),
            ("first", "[]", vec![], "null"),
        ] {
            assert_eq!(
                apply(name, from(input), &args),
                Ok(from(expected)),
                "{name} of {input}"
            );
        }
    }

    #[test]
    fn wrong_inputs_are_named() {
        assert_eq!(
            apply("join", "abc".into(), &[]).map_err(|e| e.to_string()),
            Err("the filter `join` takes a list, not a text".to_owned())
        );
        assert_eq!(
            apply("sum", from(r#"["a"]"#), &[]).map_err(|e| e.to_string()),
            Err("`+` takes numbers, not a number and a text".to_owned())
        );
    }
}
