use std::{cmp::Ordering, fmt};

use jiff::civil::{Date, DateTime, Time};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::emulator::{schema::Kind, store::Cell};

/// The kind of a value, as the formula editor names it in its complaints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Number,
    Boolean,
    Date,
    DateTime,
    Time,
    Picklist,
    MultiPicklist,
    /// `NULL`, which fits everywhere.
    Null,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Text => "Text",
            Type::Number => "Number",
            Type::Boolean => "Boolean",
            Type::Date => "Date",
            Type::DateTime => "DateTime",
            Type::Time => "Time",
            Type::Picklist => "Picklist",
            Type::MultiPicklist => "Multi-Select Picklist",
            Type::Null => "Null",
        })
    }
}

impl Type {
    /// What a field gives to a formula. Compound fields give nothing.
    pub(super) fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Picklist => Type::Picklist,
            Kind::MultiPicklist => Type::MultiPicklist,
            Kind::Boolean => Type::Boolean,
            Kind::Date => Type::Date,
            Kind::DateTime => Type::DateTime,
            Kind::Time => Type::Time,
            Kind::Address => return None,
            kind if kind.is_number() => Type::Number,
            _ => Type::Text,
        })
    }
}

/// A value in the middle of a formula.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    Date(Date),
    /// In UTC.
    DateTime(DateTime),
    Time(Time),
}

/// A formula that has no result: a division by zero, a date that does not exist. A field shows `#Error!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text: String = text.into();
        if text.is_empty() {
            Value::Null
        } else {
            Value::Text(text)
        }
    }

    /// From a cell in canonical form.
    pub(super) fn read(kind: Kind, cell: &str) -> Self {
        if kind == Kind::Boolean {
            return Value::Bool(cell == "true");
        }
        if cell.is_empty() {
            return Value::Null;
        }
        match kind {
            // A percentage of 25 is 0.25 to a formula.
            Kind::Percent => cell
                .parse::<Decimal>()
                .map_or(Value::Null, |n| Value::Number(n / Decimal::ONE_HUNDRED)),
            kind if kind.is_number() => cell.parse().map_or(Value::Null, Value::Number),
            Kind::Date => cell.parse().map_or(Value::Null, Value::Date),
            Kind::DateTime => datetime(cell).map_or(Value::Null, Value::DateTime),
            Kind::Time => cell
                .trim_end_matches('Z')
                .parse()
                .map_or(Value::Null, Value::Time),
            // Formulas see Ids of 15 characters.
            Kind::Id | Kind::Reference => Value::Text(cell.get(..15).unwrap_or(cell).to_owned()),
            _ => Value::Text(cell.to_owned()),
        }
    }

    /// A cell in canonical form, fit for a field of that kind.
    pub(crate) fn cell(&self, kind: Kind, scale: u32) -> Cell {
        match self {
            Value::Null if kind == Kind::Boolean => Cell::const_new("false"),
            Value::Null => Cell::default(),
            Value::Bool(flag) => Cell::const_new(if *flag { "true" } else { "false" }),
            Value::Number(n) => {
                let n = if kind == Kind::Percent {
                    n.checked_mul(Decimal::ONE_HUNDRED).unwrap_or(*n)
                } else {
                    *n
                };
                plain(n.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero))
            }
            Value::Text(text) => Cell::new(text.trim()),
            Value::Date(date) => Cell::new(date.to_string()),
            Value::DateTime(at) => Cell::new(at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()),
            Value::Time(at) => Cell::new(at.strftime("%H:%M:%S.%3fZ").to_string()),
        }
    }

    /// As `TEXT()` writes it.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(n) => plain(*n).to_string(),
            Value::Text(text) => text.clone(),
            Value::Date(date) => date.to_string(),
            Value::DateTime(at) => at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            Value::Time(at) => at.strftime("%H:%M:%S.%3f").to_string(),
        }
    }

    /// The order of two values of one type; none when one is null.
    pub(super) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            (Value::DateTime(a), Value::DateTime(b)) => Some(a.cmp(b)),
            (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A number without a useless tail of zeros.
fn plain(n: Decimal) -> Cell {
    let n = n.normalize();
    if n.is_zero() {
        return Cell::const_new("0");
    }
    Cell::new(n.to_string())
}

/// `2026-01-31T09:05:07.000Z` without its zone.
pub(super) fn datetime(text: &str) -> Option<DateTime> {
    text.get(..19)?.parse().ok()
}
