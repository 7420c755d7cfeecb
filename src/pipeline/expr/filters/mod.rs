//! The filters: minijinja's that make sense for data, with its arguments, and our own.
//!
//! Written against our values rather than called through minijinja's: its numbers are binary floats, its null is the
//! text `none`, and a value would be copied twice on its way. A test holds the texts that they make against minijinja's.
//!
//! A new filter is one function and one line in [`FILTERS`].

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::{EvalError, Kind, error::shown, eval::Fuel, ops::decimal, tree::Node};
use crate::record::Value;

mod list;
mod number;
mod own;
mod text;
mod time;

/// The most parameters that a filter has.
pub(super) const MAX_PARAMS: usize = 3;

/// A filter.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    /// Whether null is handed to it; every other filter gives null for null.
    pub(super) sees_null: bool,
    /// What it gives, when not null.
    gives: Kind,
    pub(super) run: fn(&mut Call<'_, '_>) -> Result<Value, EvalError>,
}

/// A parameter of a filter.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) required: bool,
    kind: ParamKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParamKind {
    Text,
    Whole,
    Flag,
    Any,
    /// A pattern of a date or time.
    Pattern,
    /// The name of a time zone.
    Zone,
}

/// A filter with its arguments, one for each parameter.
#[derive(Clone, Debug)]
pub(super) struct FilterCall {
    pub(super) filter: &'static Filter,
    pub(super) args: Vec<Option<Node>>,
}

const fn param(name: &'static str, kind: ParamKind) -> Param {
    Param {
        name,
        required: false,
        kind,
    }
}

const fn needed(name: &'static str, kind: ParamKind) -> Param {
    Param {
        name,
        required: true,
        kind,
    }
}

type Run = fn(&mut Call<'_, '_>) -> Result<Value, EvalError>;

const fn filter(name: &'static str, gives: Kind, params: &'static [Param], run: Run) -> Filter {
    Filter {
        name,
        params,
        sees_null: false,
        gives,
        run,
    }
}

const CASE: Param = param("case_sensitive", ParamKind::Flag);
const ZONE: Param = param("zone", ParamKind::Zone);
const ATTRIBUTE: Param = param("attribute", ParamKind::Text);
const DEFAULT: [Param; 2] = [param("value", ParamKind::Any), param("boolean", ParamKind::Flag)];

/// All filters, our own first.
static FILTERS: [Filter; 38] = [
    filter(
        "decimal",
        Kind::Number,
        &[param("scale", ParamKind::Whole)],
        own::decimal,
    ),
    filter(
        "date",
        Kind::Text,
        &[param("format", ParamKind::Pattern), ZONE],
        time::date,
    ),
    filter(
        "datetime",
        Kind::Text,
        &[param("format", ParamKind::Pattern), ZONE],
        time::datetime,
    ),
    filter("bool", Kind::Bool, &[], own::bool),
    filter("id18", Kind::Text, &[], own::id18),
    filter(
        "truncate",
        Kind::Text,
        &[needed("length", ParamKind::Whole), param("end", ParamKind::Text)],
        own::truncate,
    ),
    filter("split_multi", Kind::List, &[], own::split_multi),
    filter("join_multi", Kind::Text, &[], own::join_multi),
    filter("hash", Kind::Text, &[], own::hash),
    Filter {
        sees_null: true,
        ..filter("default", Kind::Any, &DEFAULT, own::default)
    },
    Filter {
        sees_null: true,
        ..filter("d", Kind::Any, &DEFAULT, own::default)
    },
    filter("trim", Kind::Text, &[param("chars", ParamKind::Text)], text::trim),
    filter("upper", Kind::Text, &[], text::upper),
    filter("lower", Kind::Text, &[], text::lower),
    filter("title", Kind::Text, &[], text::title),
    filter("capitalize", Kind::Text, &[], text::capitalize),
    filter(
        "replace",
        Kind::Text,
        &[
            needed("from", ParamKind::Text),
            needed("to", ParamKind::Text),
            param("count", ParamKind::Whole),
        ],
        text::replace,
    ),
    filter(
        "indent",
        Kind::Text,
        &[
            param("width", ParamKind::Whole),
            param("first", ParamKind::Flag),
            param("blank", ParamKind::Flag),
        ],
        text::indent,
    ),
    filter("string", Kind::Text, &[], text::string),
    filter("tojson", Kind::Text, &[], text::tojson),
    filter("urlencode", Kind::Text, &[], text::urlencode),
    filter(
        "split",
        Kind::List,
        &[
            param("split", ParamKind::Text),
            param("maxsplits", ParamKind::Whole),
        ],
        text::split,
    ),
    filter("lines", Kind::List, &[], text::lines),
    filter("length", Kind::Number, &[], list::length),
    filter("count", Kind::Number, &[], list::length),
    filter("first", Kind::Any, &[], list::first),
    filter("last", Kind::Any, &[], list::last),
    filter(
        "join",
        Kind::Text,
        &[param("d", ParamKind::Text), ATTRIBUTE],
        list::join,
    ),
    filter("list", Kind::List, &[], list::list),
    filter("unique", Kind::List, &[CASE, ATTRIBUTE], list::unique),
    filter(
        "sort",
        Kind::List,
        &[param("reverse", ParamKind::Flag), CASE, ATTRIBUTE],
        list::sort,
    ),
    filter("reverse", Kind::Any, &[], list::reverse),
    filter("min", Kind::Any, &[CASE, ATTRIBUTE], list::min),
    filter("max", Kind::Any, &[CASE, ATTRIBUTE], list::max),
    filter("sum", Kind::Number, &[ATTRIBUTE], list::sum),
    filter("items", Kind::List, &[], list::items),
    filter("abs", Kind::Number, &[], number::abs),
    filter(
        "round",
        Kind::Number,
        &[
            param("precision", ParamKind::Whole),
            param("method", ParamKind::Text),
        ],
        number::round,
    ),
];

static CONVERSIONS: [Filter; 2] = [
    filter(
        "int",
        Kind::Number,
        &[param("default", ParamKind::Any)],
        number::int,
    ),
    filter(
        "float",
        Kind::Number,
        &[param("default", ParamKind::Any)],
        number::float,
    ),
];

/// The filter of a name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    all().find(|filter| filter.name == name)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all()
        .map(|filter| filter.name)
        .chain(["map", "select", "reject", "selectattr", "rejectattr"])
}

fn all() -> impl Iterator<Item = &'static Filter> {
    FILTERS.iter().chain(&CONVERSIONS)
}

/// What a call gives, when not null.
pub(super) fn gives(call: &FilterCall) -> Kind {
    call.filter.gives
}

/// How it is written: `truncate(length, end=...)`.
pub(super) fn usage(filter: &Filter) -> String {
    if filter.params.is_empty() {
        return format!("| {}", filter.name);
    }
    let params: Vec<String> = filter
        .params
        .iter()
        .map(|param| match param.required {
            true => param.name.to_owned(),
            false => format!("{}=...", param.name),
        })
        .collect();
    format!("| {}({})", filter.name, params.join(", "))
}

/// What is wrong with an argument that is known when the expression is compiled.
pub(super) fn wrong_argument(filter: &'static Filter, slot: usize, value: &Value) -> Option<String> {
    let param = filter.params.get(slot)?;
    let wanted = param.kind.refuses(value)?;
    let error = EvalError::Argument {
        filter: filter.name,
        argument: param.name,
        wanted,
        value: shown(value),
    };
    Some(error.to_string())
}

impl ParamKind {
    /// What a value should have been.
    fn refuses(self, value: &Value) -> Option<&'static str> {
        match (self, value) {
            (_, Value::Null) | (ParamKind::Any, _) | (ParamKind::Flag, Value::Bool(_)) => None,
            (ParamKind::Text, Value::Json(_) | Value::Bool(_)) => Some("a text"),
            (ParamKind::Text, _) => None,
            (ParamKind::Whole, Value::Number(n)) => match decimal(n) {
                Ok(n) if n.fract().is_zero() => None,
                _ => Some("a whole number"),
            },
            (ParamKind::Whole, _) => Some("a whole number"),
            (ParamKind::Flag, _) => Some("`true` or `false`"),
            (ParamKind::Pattern, Value::Text(pattern)) => {
                (!time::is_pattern(pattern)).then_some("a pattern like `%d.%m.%Y`")
            }
            (ParamKind::Zone, Value::Text(name)) => {
                (!time::is_zone(name)).then_some("a time zone like `Europe/Berlin`")
            }
            (ParamKind::Zone, _) => Some("a time zone like `Europe/Berlin`"),
            (ParamKind::Pattern, _) => Some("a pattern like `%d.%m.%Y`"),
        }
    }
}

/// A filter at work: its input, which is not null unless it asked to see that, and its arguments.
pub(super) struct Call<'c, 'v> {
    pub(super) filter: &'static Filter,
    pub(super) input: &'c Value,
    pub(super) args: &'c [Option<Cow<'v, Value>>],
    pub(super) fuel: &'c mut Fuel,
}

impl<'c> Call<'c, '_> {
    /// The input's text form.
    fn text(&self) -> Result<&'c str, EvalError> {
        self.input.as_text().ok_or_else(|| self.takes("a text"))
    }

    /// The entries of a list.
    fn entries(&self) -> Result<&'c [Json], EvalError> {
        match self.input {
            Value::Json(json) => match &**json {
                Json::Array(list) => Ok(list),
                _ => Err(self.takes("a list")),
            },
            _ => Err(self.takes("a list")),
        }
    }

    fn takes(&self, wanted: &'static str) -> EvalError {
        EvalError::FilterInput {
            filter: self.filter.name,
            wanted,
            found: self.input.kind(),
        }
    }

    fn unreadable(&self, wanted: &'static str) -> EvalError {
        EvalError::Unreadable {
            filter: self.filter.name,
            value: shown(self.input),
            wanted,
        }
    }

    /// An argument, if it is given and not null. `''` is an argument.
    fn arg(&self, slot: usize) -> Option<&'c Value> {
        let args = self.args;
        args.get(slot)?.as_deref().filter(|value| !value.is_null())
    }

    fn wrong(&self, slot: usize, wanted: &'static str) -> EvalError {
        EvalError::Argument {
            filter: self.filter.name,
            argument: self.filter.params.get(slot).map_or("", |param| param.name),
            wanted,
            value: self.arg(slot).map(shown).unwrap_or_default(),
        }
    }

    fn text_arg(&self, slot: usize) -> Result<Option<&'c str>, EvalError> {
        match self.arg(slot) {
            None => Ok(None),
            Some(value) => match value.as_text() {
                Some(text) => Ok(Some(text)),
                None => Err(self.wrong(slot, "a text")),
            },
        }
    }

    fn whole_arg(&self, slot: usize) -> Result<Option<i64>, EvalError> {
        match self.arg(slot) {
            None => Ok(None),
            Some(Value::Number(n)) => {
                let n: Decimal = decimal(n)?;
                let whole = n.fract().is_zero().then(|| n.trunc().try_into().ok()).flatten();
                whole.map(Some).ok_or_else(|| self.wrong(slot, "a whole number"))
            }
            Some(_) => Err(self.wrong(slot, "a whole number")),
        }
    }

    fn flag_arg(&self, slot: usize) -> Result<bool, EvalError> {
        match self.arg(slot) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(slot, "`true` or `false`")),
        }
    }
}

/// A list of texts; empty ones are null.
fn texts<'t>(parts: impl Iterator<Item = &'t str>) -> Result<Value, EvalError> {
    let mut list = Vec::new();
    for part in parts {
        if list.len() >= super::eval::MAX_LIST {
            return Err(EvalError::ListTooLong(super::eval::MAX_LIST));
        }
        list.push(if part.is_empty() { Json::Null } else { part.into() });
    }
    Ok(list_of(list))
}

fn list_of(entries: Vec<Json>) -> Value {
    Value::Json(std::sync::Arc::new(Json::Array(entries)))
}

/// Runs a filter on its own, for the tests of the rooms below.
#[cfg(test)]
fn apply(name: &str, input: Value, args: &[Value]) -> Result<Value, EvalError> {
    let filter = find(name).expect(name);
    if super::ops::absent(&input) && !filter.sees_null {
        return Ok(Value::Null);
    }
    let args: Vec<_> = args.iter().map(|arg| Some(Cow::Borrowed(arg))).collect();
    (filter.run)(&mut Call {
        filter,
        input: &input,
        args: &args,
        fuel: &mut Fuel::full(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_parameters_few() {
        let mut seen: Vec<_> = names().collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert!(all().all(|filter| filter.params.len() <= MAX_PARAMS));
    }

    #[test]
    fn null_goes_through_all_but_default() {
        for filter in all().filter(|filter| !filter.sees_null) {
            assert_eq!(
                apply(filter.name, Value::Null, &[]),
                Ok(Value::Null),
                "{}",
                filter.name
            );
        }
        assert_eq!(apply("default", Value::Null, &["x".into()]), Ok("x".into()));
    }

    #[test]
    fn every_filter_survives_every_kind_of_input() {
        let list: Json = serde_json::json!([1, "b", null, [2], {"a": 1}, true]);
        let inputs = [
            Value::Bool(true),
            Value::Number(crate::record::Number::exact("-12.50").expect("a number")),
            Value::Number(crate::record::Number::exact("1e300").expect("a number")),
            "ümlaut;x".into(),
            Value::from_json(&list),
            Value::from_json(&serde_json::json!({"a": [1], "b": null})),
        ];
        for filter in all() {
            for input in &inputs {
                for argument in &inputs {
                    for count in 0..=filter.params.len() {
                        let args = vec![argument.clone(); count];
                        // An error is an answer too; only a panic is not.
                        let _ = apply(filter.name, input.clone(), &args);
                    }
                }
            }
        }
    }
}
