//! All mapping values of one row.

use super::{
    Shape,
    answers::Answers,
    encode::encode,
    value::{Settled, eval, evaluated, reason, settle},
};
use crate::{
    pipeline::{
        expr::{Context, Expr},
        model::MapValue,
    },
    record::{FieldPath, ParkReason, Value},
};

/// What a step does to each of its rows.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Rows for which this does not hold are filtered.
    pub when: Option<Expr>,
    /// The target's fields.
    pub fields: Vec<MappedField>,
}

/// One target field.
#[derive(Clone, Debug)]
pub struct MappedField {
    /// The field, or a relationship path, as the target writes it.
    pub name: FieldPath,
    /// What it gets.
    pub value: MapValue,
    /// The target field's shape; `None` where no describe is at hand (tests of a mapping).
    pub shape: Option<Shape>,
    /// Its reference loops: what cannot be answered now is written in the second pass.
    pub looping: bool,
    /// It is sent only when the record is created, or only when it is updated: which of them it will be is not known
    /// yet, and so its failure may not count.
    pub partial: bool,
}

/// A target field's value in one row.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Cell {
    /// The field is not sent.
    Omit,
    /// Null, by the source: `policy.nulls` decides.
    Null,
    /// Null, written as such in the mapping: clears under every policy.
    Clear,
    /// A value in the target's form; never null.
    Value(Value),
    /// To be written in the second pass.
    Later,
    /// The row ends so, if the field is sent at all.
    Held(Box<RowEnd>),
}

/// What mapping a row came to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum RowEnd {
    /// It is ready to be written: one cell a field.
    Mapped(MappedRow),
    /// It is left out on purpose.
    Filtered,
    /// It cannot be mapped.
    Parked(ParkReason),
    /// It cannot be mapped, and the mapping says that the run stops then.
    Stop(ParkReason),
    /// Answers are missing; they have been asked for.
    Pending,
}

/// One cell a field.
pub type MappedRow = Vec<Cell>;

impl Mapping {
    /// In how many rounds the questions of a batch come up: none when no field asks, several when the answer to one
    /// question leads to the next.
    pub fn rounds(&self) -> usize {
        self.fields.iter().map(|f| rounds(&f.value)).max().unwrap_or(0)
    }

    /// Evaluates only what asks the state or the target, so that the questions of a batch are known before any
    /// row is mapped in full. Loops are not asked for in the first pass beyond what the state knows.
    pub fn ask(&self, context: &Context<'_>, answers: &dyn Answers) {
        if !self.holds(context).unwrap_or(false) {
            return;
        }
        for field in self.fields.iter().filter(|f| asks(&f.value)) {
            let _ = eval(&field.value, context, answers, field.name.as_str());
        }
    }

    /// The cell of one field alone, where it has one.
    pub fn one(&self, at: usize, context: &Context<'_>, answers: &dyn Answers) -> Option<Cell> {
        self.fields.get(at)?.cell(context, answers, false).ok()
    }

    /// Maps a row. In the first pass a looping field that has no answer becomes [`Cell::Later`]; with `last_pass`
    /// it is settled by its `missing`.
    pub fn map(&self, context: &Context<'_>, answers: &dyn Answers, last_pass: bool) -> RowEnd {
        match self.holds(context) {
            Ok(true) => {}
            Ok(false) => return RowEnd::Filtered,
            Err(reason) => return RowEnd::Parked(reason),
        }
        let mut cells = Vec::with_capacity(self.fields.len());
        let mut pending = false;
        for field in &self.fields {
            match field.cell(context, answers, last_pass) {
                Ok(cell) => cells.push(cell),
                Err(RowEnd::Pending) => pending = true,
                Err(end) if field.partial => cells.push(Cell::Held(Box::new(end))),
                Err(end) => return end,
            }
        }
        if pending {
            RowEnd::Pending
        } else {
            RowEnd::Mapped(cells)
        }
    }

    fn holds(&self, context: &Context<'_>) -> Result<bool, ParkReason> {
        match self.when.as_ref().map(|when| when.holds(context)) {
            None => Ok(true),
            Some(Ok(holds)) => Ok(holds),
            Some(Err(error)) => Err(reason(
                "expression",
                format!("`when` failed: {error}"),
                "",
                "mend the step's `when`, or the value in the source",
            )),
        }
    }
}

impl MappedField {
    fn cell(&self, context: &Context<'_>, answers: &dyn Answers, last_pass: bool) -> Result<Cell, RowEnd> {
        // Most fields are this: an expression needs none of what follows.
        if let MapValue::Expr(expr) = &self.value
            && !self.looping
        {
            let value = evaluated(expr, context, self.name.as_str());
            return value
                .and_then(|value| self.in_shape(value))
                .map_err(RowEnd::Parked);
        }
        let raw = eval(&self.value, context, answers, self.name.as_str());
        if self.looping && !last_pass {
            // The org finds such a parent itself, and finds none while it is on its way.
            let by_path = self.name.is_relationship() && raw.has_value();
            if raw.waits() || by_path {
                return Ok(Cell::Later);
            }
        }
        match settle(raw) {
            Settled::Value(value) => self.in_shape(value).map_err(RowEnd::Parked),
            Settled::Clear => Ok(Cell::Clear),
            Settled::Omit => Ok(Cell::Omit),
            Settled::Skip => Err(RowEnd::Filtered),
            Settled::Park(reason) => Err(RowEnd::Parked(reason)),
            Settled::Stop(reason) => Err(RowEnd::Stop(reason)),
            Settled::Unknown => Err(RowEnd::Pending),
        }
    }

    fn in_shape(&self, value: Value) -> Result<Cell, ParkReason> {
        if value.is_null() {
            return Ok(Cell::Null);
        }
        let Some(shape) = &self.shape else {
            return Ok(Cell::Value(value));
        };
        match encode(value, shape) {
            Ok(Value::Null) => Ok(Cell::Null),
            Ok(value) => Ok(Cell::Value(value)),
            Err(error) => Err(reason(
                "type",
                error.to_string(),
                self.name.as_str(),
                "convert it in the mapping with a filter (`decimal`, `date`, `datetime`, `bool`, `round`), or map it with a `table`",
            )),
        }
    }
}

impl super::value::Raw<'_> {
    fn has_value(&self) -> bool {
        matches!(self, super::value::Raw::Value(value) if !value.is_null())
    }

    /// Whether a second pass may know better: the parent is not written yet, or parked so far.
    fn waits(&self) -> bool {
        use super::value::Raw;
        match self {
            Raw::Unknown | Raw::Missing { .. } => true,
            Raw::Park(reason) => reason.code == "waits_for_parent",
            _ => false,
        }
    }
}

fn asks(value: &MapValue) -> bool {
    match value {
        // Looked at for every row: most values have no parts to be listed.
        MapValue::Expr(_) | MapValue::Literal(_) | MapValue::Omit => false,
        MapValue::Ref { .. } | MapValue::Lookup { .. } => true,
        other => other.parts().into_iter().any(asks),
    }
}

fn rounds(value: &MapValue) -> usize {
    let parts = value.parts().into_iter().map(rounds);
    match value {
        // The next value is looked at only when the one before has come to nothing.
        MapValue::First(_) => parts.sum(),
        MapValue::Ref { give, .. } => 1 + usize::from(give.is_some()) + parts.max().unwrap_or(0),
        MapValue::Lookup { .. } => 1 + parts.max().unwrap_or(0),
        _ => parts.max().unwrap_or(0),
    }
}
