//! One mapping value of one row.

use std::sync::Arc;

use compact_str::CompactString;

use super::answers::{Answers, LookupAnswer, LookupKey};
use crate::{
    pipeline::{
        expr::{Context, Expr},
        model::{Lookup, MapValue, Missing, StepRef, Table},
    },
    record::{FieldPath, ParkReason, RefAnswer, Value},
};

/// What a mapping value came to, before its `otherwise` is applied.
pub(super) enum Raw<'m> {
    /// A value; null when the source was empty.
    Value(Value),
    /// A literal null: clears under every policy.
    Clear,
    /// The field is left out of this row.
    Omit,
    /// There is no match; the policy decides.
    Missing {
        policy: &'m Missing,
        reason: ParkReason,
        input: Value,
    },
    /// The row cannot be mapped, whatever `otherwise` says.
    Park(ParkReason),
    /// An answer is not known yet.
    Unknown,
}

/// What a mapping value comes to.
pub(super) enum Settled {
    Value(Value),
    Clear,
    Omit,
    Skip,
    Park(ParkReason),
    Stop(ParkReason),
    Unknown,
}

/// Evaluates a mapping value for `field`.
pub(super) fn eval<'m>(
    value: &'m MapValue,
    context: &Context<'_>,
    answers: &dyn Answers,
    field: &str,
) -> Raw<'m> {
    match value {
        MapValue::Expr(expr) => match evaluated(expr, context, field) {
            Ok(value) => Raw::Value(value),
            Err(reason) => Raw::Park(reason),
        },
        // Plans settle `only` beforehand: what is left of it is what holds.
        MapValue::Only { then, .. } => eval(then, context, answers, field),
        MapValue::Omit => Raw::Omit,
        MapValue::Literal(Value::Null) => Raw::Clear,
        MapValue::Literal(value) => Raw::Value(value.clone()),
        MapValue::When { condition, then } => match condition.holds(context) {
            Ok(true) => eval(then, context, answers, field),
            Ok(false) => Raw::Omit,
            Err(error) => Raw::Park(expression_reason(&error.to_string(), field)),
        },
        MapValue::First(values) => first(values, context, answers, field),
        MapValue::Table { table, of, otherwise } => with(of, context, answers, field, |input| {
            from_table(table, input, otherwise, field)
        }),
        MapValue::Ref {
            steps,
            of,
            give,
            missing,
            ..
        } => with(of, context, answers, field, |input| {
            let give = give.as_ref().map(|(path, _)| path);
            reference(steps, give, input, missing, answers, field)
        }),
        MapValue::Lookup {
            lookup,
            of,
            otherwise,
        } => search(lookup, of, otherwise, context, answers, field),
        MapValue::RecordType { of, otherwise } => with(of, context, answers, field, |input| {
            let name = input.as_text().unwrap_or_default();
            match answers.record_type(name) {
                Some(id) => Raw::Value(Value::Text(id)),
                None => Raw::Missing {
                    policy: otherwise,
                    reason: reason(
                        "no_record_type",
                        format!("the target has no active record type with the developer name `{name}`"),
                        field,
                        "create it in the target, map its name with a `table`, or say `otherwise`",
                    ),
                    input,
                },
            }
        }),
        MapValue::JsonPath { path, of } => with(of, context, answers, field, |input| {
            json_path(path, &input, field)
        }),
        MapValue::Mask { kind, of } => with(of, context, answers, field, |input| {
            let masked = match answers.masker() {
                Some(masker) => masker.mask(*kind, &input).map_err(|error| error.to_string()),
                None => Err("there is no key for `mask`".to_owned()),
            };
            match masked {
                Ok(value) => Raw::Value(value),
                Err(message) => Raw::Park(reason(
                    "type",
                    message,
                    field,
                    "make a text of it first, or leave the field out",
                )),
            }
        }),
    }
}

/// Applies `otherwise` and `missing`.
pub(super) fn settle(raw: Raw<'_>) -> Settled {
    match raw {
        Raw::Value(value) => Settled::Value(value),
        Raw::Clear => Settled::Clear,
        Raw::Omit => Settled::Omit,
        Raw::Park(reason) => Settled::Park(reason),
        Raw::Unknown => Settled::Unknown,
        Raw::Missing {
            policy,
            reason,
            input,
        } => match policy {
            Missing::Park => Settled::Park(reason),
            Missing::Skip => Settled::Skip,
            Missing::Null => Settled::Value(Value::Null),
            Missing::Omit => Settled::Omit,
            Missing::Stop => Settled::Stop(reason),
            Missing::Value(value) => Settled::Value(value.clone()),
            Missing::Keep => Settled::Value(input),
        },
    }
}

/// Evaluates `of` and goes on with its value. Null stays null: an empty source value is not a missing one.
fn with<'m>(
    of: &'m MapValue,
    context: &Context<'_>,
    answers: &dyn Answers,
    field: &str,
    then: impl FnOnce(Value) -> Raw<'m>,
) -> Raw<'m> {
    match eval(of, context, answers, field) {
        Raw::Value(Value::Null) | Raw::Clear => Raw::Value(Value::Null),
        Raw::Value(value) => then(value),
        // `otherwise` of the inner value: null and a value go on, the rest ends here as it would alone.
        Raw::Missing {
            policy: Missing::Null,
            ..
        } => Raw::Value(Value::Null),
        Raw::Missing {
            policy: Missing::Value(value),
            ..
        } => then(value.clone()),
        Raw::Missing {
            policy: Missing::Keep,
            input,
            ..
        } => then(input),
        other => other,
    }
}

fn first<'m>(values: &'m [MapValue], context: &Context<'_>, answers: &dyn Answers, field: &str) -> Raw<'m> {
    let Some((last, before)) = values.split_last() else {
        return Raw::Value(Value::Null);
    };
    for value in before {
        match eval(value, context, answers, field) {
            Raw::Value(Value::Null) | Raw::Clear | Raw::Omit | Raw::Missing { .. } => {}
            found => return found,
        }
    }
    eval(last, context, answers, field)
}

fn from_table<'m>(table: &Table, input: Value, otherwise: &'m Missing, field: &str) -> Raw<'m> {
    let missing = |text: &str, input: Value| Raw::Missing {
        policy: otherwise,
        reason: reason(
            "not_in_table",
            format!("`{text}` is not in table `{}`", table.name),
            field,
            "add it to the table, or say what to do with `otherwise`",
        ),
        input,
    };
    if let Value::Json(json) = &input
        && let Some(entries) = json.as_array()
    {
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries {
            let entry_value = Value::from_json(entry);
            // An empty entry is not a missing one.
            if entry_value.is_null() {
                continue;
            }
            let text = entry_value
                .as_text()
                .map_or_else(|| entry.to_string(), str::to_owned);
            match (table.entries.get(&text), otherwise) {
                (Some(value), _) => out.push(value.to_json()),
                (None, Missing::Keep) => out.push(entry.clone()),
                (None, Missing::Null | Missing::Omit) => {}
                (None, Missing::Value(value)) => out.push(value.to_json()),
                (None, Missing::Park | Missing::Skip | Missing::Stop) => return missing(&text, input),
            }
        }
        return Raw::Value(Value::from_json(&serde_json::Value::Array(out)));
    }
    let text = input.as_text().unwrap_or_default();
    match table.entries.get(text) {
        Some(value) => Raw::Value(value.clone()),
        None => {
            let text = text.to_owned();
            missing(&text, input)
        }
    }
}

fn reference<'m>(
    steps: &[StepRef],
    give: Option<&FieldPath>,
    input: Value,
    missing: &'m Missing,
    answers: &dyn Answers,
    field: &str,
) -> Raw<'m> {
    let Some(id) = input.as_text() else {
        return Raw::Park(reason(
            "type",
            format!("a row id was expected, and a {} was found", input.kind()),
            field,
            "let `of` give the source row's id",
        ));
    };
    let (mut unknown, mut parked) = (false, false);
    for step in steps {
        match answers.reference(*step, id) {
            None => unknown = true,
            Some(RefAnswer::Linked(target)) => {
                let Some(give) = give else {
                    return Raw::Value(Value::Text(target));
                };
                return match answers.given(*step, give, &target) {
                    None => Raw::Unknown,
                    Some(Some(value)) => Raw::Value(value),
                    Some(None) => Raw::Missing {
                        policy: missing,
                        reason: reason(
                            "missing_parent",
                            format!(
                                "the record `{target}`, which the row `{id}` became, is not in the target any more"
                            ),
                            field,
                            "load the other step again, or say what to do with `missing` (skip, null, omit)",
                        ),
                        input,
                    },
                };
            }
            Some(RefAnswer::Parked) => parked = true,
            Some(RefAnswer::Filtered | RefAnswer::Unknown) => {}
        }
    }
    if unknown {
        return Raw::Unknown;
    }
    if parked {
        return Raw::Park(reason(
            "waits_for_parent",
            format!("the row `{id}` that it refers to is parked itself"),
            field,
            "mend the parent's row first: this one can follow then",
        ));
    }
    let why = format!("no row `{id}` was carried over by the step that it refers to");
    Raw::Missing {
        policy: missing,
        reason: reason(
            "missing_parent",
            why,
            field,
            "let the other step read that row too, or say what to do with `missing` (skip, null, omit)",
        ),
        input,
    }
}

fn search<'m>(
    lookup: &Arc<Lookup>,
    of: &'m [MapValue],
    otherwise: &'m Missing,
    context: &Context<'_>,
    answers: &dyn Answers,
    field: &str,
) -> Raw<'m> {
    let mut key = LookupKey::with_capacity(of.len());
    let mut unknown = false;
    for part in of {
        match settle(eval(part, context, answers, field)) {
            Settled::Value(value) => key.push(value.as_text().map(CompactString::from)),
            Settled::Clear => key.push(None),
            // As with every other form: an inner value that is left out leaves the field out.
            Settled::Omit => return Raw::Omit,
            Settled::Park(reason) => return Raw::Park(reason),
            // The questions of the other parts are asked as well.
            Settled::Unknown => unknown = true,
            Settled::Skip => {
                return Raw::Missing {
                    policy: &Missing::Skip,
                    reason: reason("skipped", "left out by an inner `otherwise: skip`", field, ""),
                    input: Value::Null,
                };
            }
            Settled::Stop(reason) => {
                return Raw::Missing {
                    policy: &Missing::Stop,
                    reason,
                    input: Value::Null,
                };
            }
        }
    }
    if unknown {
        return Raw::Unknown;
    }
    if key.iter().all(Option::is_none) {
        return Raw::Value(Value::Null);
    }
    let shown = || {
        key.iter()
            .map(|k| k.as_deref().unwrap_or("null"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let by = || {
        lookup
            .by
            .iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match answers.lookup(lookup, &key) {
        None => Raw::Unknown,
        Some(LookupAnswer::Found(found)) => Raw::Value(found),
        Some(LookupAnswer::Several(n)) => Raw::Park(reason(
            "ambiguous",
            format!("{n} records of {} have {} `{}`", lookup.object, by(), shown()),
            field,
            "narrow the lookup with `where`, or look up by a unique field",
        )),
        Some(LookupAnswer::None) => Raw::Missing {
            policy: otherwise,
            reason: reason(
                "not_found",
                format!("no record of {} has {} `{}`", lookup.object, by(), shown()),
                field,
                "create it in the target, or say what to do with `otherwise`",
            ),
            input: key.first().cloned().flatten().map_or(Value::Null, Value::Text),
        },
    }
}

fn json_path<'m>(path: &str, input: &Value, field: &str) -> Raw<'m> {
    use jsonpath_rust::JsonPath;

    let parsed;
    let json = match input {
        Value::Json(json) => json.as_ref(),
        Value::Text(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => {
                parsed = value;
                &parsed
            }
            Err(_) => {
                return Raw::Park(reason(
                    "type",
                    "JSON was expected, and another text was found",
                    field,
                    "let `of` give a JSON value",
                ));
            }
        },
        _ => return Raw::Value(Value::Null),
    };
    match json.query(path) {
        Ok(found) => Raw::Value(found.first().map_or(Value::Null, |value| Value::from_json(value))),
        Err(error) => Raw::Park(reason(
            "expression",
            format!("the JSONPath `{path}` failed: {error}"),
            field,
            "mend the path",
        )),
    }
}

/// An expression's value for `field`, or why the row is parked.
pub(super) fn evaluated(expr: &Expr, context: &Context<'_>, field: &str) -> Result<Value, ParkReason> {
    expr.eval(context)
        .map_err(|error| expression_reason(&error.to_string(), field))
}

fn expression_reason(message: &str, field: &str) -> ParkReason {
    reason(
        "expression",
        message,
        field,
        "mend the expression, or the value in the source",
    )
}

pub(super) fn reason(code: &str, message: impl Into<String>, field: &str, help: &str) -> ParkReason {
    ParkReason {
        code: code.into(),
        message: message.into(),
        field: (!field.is_empty()).then(|| field.into()),
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests;
