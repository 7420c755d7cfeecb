//! Looking into values: `a.b`, `a[0]`, `a[1:2]`; and `range`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    super::{
        EvalError,
        ops::{absent, decimal},
        tree::Node,
    },
    MAX_LIST, Machine, Result, json_weight, weight,
};
use crate::record::Value;

impl<'a> Machine<'a> {
    pub(super) fn attribute_path(&mut self, value: Value, path: &[Box<str>]) -> Result<Value> {
        path.iter()
            .try_fold(value, |value, name| self.attribute(&value, name))
    }

    pub(super) fn attribute(&mut self, of: &Value, name: &str) -> Result<Value> {
        let found = match of {
            _ if absent(of) => return Ok(Value::Null),
            Value::Json(json) => match &**json {
                Json::Object(object) => object.get(name).or_else(|| {
                    object
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, v)| v)
                }),
                _ => return Err(no_attribute(of, name)),
            },
            _ => return Err(no_attribute(of, name)),
        };
        let Some(found) = found else {
            return Ok(Value::Null);
        };
        self.fuel.burn(json_weight(found))?;
        Ok(Value::from_json(found))
    }

    pub(super) fn index(&mut self, of: &Value, index: &Value) -> Result<Value> {
        if absent(of) || absent(index) {
            return Ok(Value::Null);
        }
        if let (Value::Text(name), Value::Json(json)) = (index, of)
            && json.is_object()
        {
            return self.attribute(of, name);
        }
        let Some(at) = whole_number("[ ]", index)? else {
            return Ok(Value::Null);
        };
        let place = |length: usize| {
            let at = if at < 0 { at + length as i64 } else { at };
            usize::try_from(at).ok()
        };
        match of {
            Value::Json(json) => match &**json {
                Json::Array(list) => {
                    let Some(entry) = place(list.len()).and_then(|at| list.get(at)) else {
                        return Ok(Value::Null);
                    };
                    self.fuel.burn(json_weight(entry))?;
                    Ok(Value::from_json(entry))
                }
                _ => Err(not_indexable(of, "[ ]")),
            },
            Value::Text(text) => {
                self.fuel.burn(text.len() / 8)?;
                let found = place(text.chars().count()).and_then(|at| text.chars().nth(at));
                Ok(found.map_or(Value::Null, |c| Value::text(c.to_string())))
            }
            _ => Err(not_indexable(of, "[ ]")),
        }
    }

    pub(super) fn slice(&mut self, of: &Value, [start, stop, step]: [Option<i64>; 3]) -> Result<Value> {
        if absent(of) {
            return Ok(Value::Null);
        }
        self.fuel.burn(weight(of))?;
        match of {
            Value::Text(text) => {
                let chars: Vec<char> = text.chars().collect();
                self.fuel.burn(chars.len())?;
                let cut: String = places(chars.len(), start, stop, step)
                    .map(|at| chars[at])
                    .collect();
                Ok(Value::text(cut))
            }
            Value::Json(json) => match &**json {
                Json::Array(list) => {
                    let cut = places(list.len(), start, stop, step)
                        .map(|at| list[at].clone())
                        .collect();
                    Ok(Value::Json(Arc::new(Json::Array(cut))))
                }
                _ => Err(not_indexable(of, "[ : ]")),
            },
            _ => Err(not_indexable(of, "[ : ]")),
        }
    }

    pub(super) fn range(&mut self, bounds: &'a [Node]) -> Result<Value> {
        let mut numbers = [0, 0, 1];
        for (number, bound) in numbers.iter_mut().zip(bounds) {
            match whole_number("range", &*self.eval(bound)?)? {
                Some(value) => *number = value,
                None => return Ok(Value::Null),
            }
        }
        if bounds.len() == 1 {
            numbers = [0, numbers[0], 1];
        }
        let [from, to, step] = numbers;
        let mut list = Vec::new();
        let mut at = from;
        while (step > 0 && at < to) || (step < 0 && at > to) {
            if list.len() >= MAX_LIST {
                return Err(EvalError::ListTooLong(MAX_LIST));
            }
            list.push(Json::from(at));
            match at.checked_add(step) {
                Some(next) => at = next,
                None => break,
            }
        }
        self.fuel.burn(list.len())?;
        Ok(Value::Json(Arc::new(Json::Array(list))))
    }
}

pub(super) fn whole_number(what: &'static str, value: &Value) -> Result<Option<i64>> {
    match value {
        value if absent(value) => Ok(None),
        Value::Number(n) => match decimal(n)?.normalize() {
            whole if whole.scale() == 0 => whole.try_into().map(Some).map_err(|_| EvalError::NotIndexable {
                what,
                wanted: "smaller numbers",
                found: "number",
            }),
            _ => Err(EvalError::NotIndexable {
                what,
                wanted: "whole numbers",
                found: "fraction",
            }),
        },
        other => Err(EvalError::NotIndexable {
            what,
            wanted: "whole numbers",
            found: other.kind(),
        }),
    }
}

/// The places that a slice takes, as Python counts them.
fn places(
    length: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
) -> impl Iterator<Item = usize> {
    let n = length as i64;
    let step = step.unwrap_or(1);
    let clamp = |at: i64, low: i64, high: i64| {
        let at = if at < 0 { at.saturating_add(n) } else { at };
        at.clamp(low, high)
    };
    let (mut at, stop) = if step >= 0 {
        (
            start.map_or(0, |s| clamp(s, 0, n)),
            stop.map_or(n, |s| clamp(s, 0, n)),
        )
    } else {
        (
            start.map_or(n - 1, |s| clamp(s, -1, n - 1)),
            stop.map_or(-1, |s| clamp(s, -1, n - 1)),
        )
    };
    std::iter::from_fn(move || {
        let inside = if step > 0 {
            at < stop
        } else {
            step < 0 && at > stop
        };
        let here = usize::try_from(at).ok().filter(|_| inside);
        at = at.saturating_add(step);
        here
    })
}

fn not_indexable(value: &Value, what: &'static str) -> EvalError {
    EvalError::NotIndexable {
        what,
        wanted: "a list or a text",
        found: value.kind(),
    }
}

fn no_attribute(value: &Value, name: &str) -> EvalError {
    EvalError::NoAttribute {
        found: value.kind(),
        name: name.to_owned(),
    }
}
