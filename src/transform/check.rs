//! Checks that look at each mapped row.

use super::{
    mapping::{Cell, MappedField},
    value::reason,
};
use crate::{
    pipeline::{
        expr::{Context, Expr, RunInfo, Vars},
        model::{Check, CheckKind, CheckedField},
    },
    record::{FieldPath, ParkReason, Value},
};

/// A check of single rows, its fields found among those of the mapping.
#[derive(Clone, Debug)]
pub struct RowCheck {
    /// As a user would write it.
    pub words: String,
    /// Where it stands.
    pub place: String,
    kind: RowCheckKind,
}

#[derive(Clone, Debug)]
enum RowCheckKind {
    NotNull(Vec<usize>),
    /// With the columns that it reads, each with its place in the mapping.
    Expr {
        expr: Expr,
        fields: Vec<(usize, usize)>,
    },
}

impl RowCheck {
    /// The check, when it looks at single rows. `at` finds a field's place in the mapping; `None` from it gives no
    /// check: what is not mapped cannot be looked at.
    pub fn new(check: &Check, at: &mut dyn FnMut(&CheckedField) -> Option<usize>) -> Option<RowCheck> {
        let kind = match &check.kind {
            CheckKind::NotNull(fields) => {
                RowCheckKind::NotNull(fields.iter().map(at).collect::<Option<_>>()?)
            }
            CheckKind::Expr { expr, fields } => {
                let columns = expr.columns().iter();
                let places = columns.map(|column| Some((*column, at(fields.get(*column)?)?)));
                RowCheckKind::Expr {
                    expr: expr.clone(),
                    fields: places.collect::<Option<_>>()?,
                }
            }
            CheckKind::Unique(_) | CheckKind::Rows { .. } | CheckKind::Reconcile { .. } => return None,
        };
        Some(RowCheck {
            words: check.words.clone(),
            place: check.place.clone(),
            kind,
        })
    }

    /// Whether it looks at a field that gets its value in a second pass.
    pub fn waits(&self, cells: &[Cell]) -> bool {
        let fields = match &self.kind {
            RowCheckKind::NotNull(_) => return false,
            RowCheckKind::Expr { fields, .. } => fields,
        };
        fields.iter().any(|(_, at)| cells.get(*at) == Some(&Cell::Later))
    }

    /// Why the row does not pass, if it does not. A field that is left out of the row counts as null; one that waits
    /// for the second pass has a value for `not_null`, and an expression over it is put off.
    pub fn look(
        &self,
        cells: &[Cell],
        fields: &[MappedField],
        vars: &Vars,
        run: &RunInfo,
    ) -> Option<ParkReason> {
        let place = &self.place;
        match &self.kind {
            RowCheckKind::NotNull(all) => {
                let at = *all.iter().find(|at| is_null(cells.get(**at)))?;
                let name = fields.get(at).map_or("", |field| field.name.as_str());
                Some(reason(
                    "check",
                    format!("`{name}` is null, and the check at {place} wants a value"),
                    name,
                    "fill it in the source or in the mapping, or filter such rows with `when`",
                ))
            }
            RowCheckKind::Expr { expr, fields: all } => {
                if self.waits(cells) {
                    return None;
                }
                let width = all.last().map_or(0, |(column, _)| column + 1);
                let mut row = vec![Value::Null; width];
                for (column, at) in all {
                    row[*column] = value(cells.get(*at));
                }
                let context = Context {
                    row: &row,
                    vars,
                    run,
                    item: None,
                    item_number: 0,
                };
                let words = self.words.strip_prefix("expr: ").unwrap_or(&self.words);
                let message = match expr.holds(&context) {
                    Ok(true) => return None,
                    Ok(false) => format!(
                        "`{words}` does not hold{}, which the check at {place} wants",
                        found(all, &row, fields)
                    ),
                    Err(error) => format!("the check `{words}` at {place} failed: {error}"),
                };
                let one = match all.as_slice() {
                    [(_, one)] => fields.get(*one).map_or("", |field| field.name.as_str()),
                    _ => "",
                };
                Some(reason(
                    "check",
                    message,
                    one,
                    "mend the row in the source, filter such rows with `when`, or change the check",
                ))
            }
        }
    }
}

/// The place of a field in a mapping.
pub fn place_of(fields: &[MappedField], path: &FieldPath) -> Option<usize> {
    fields.iter().position(|field| field.name == *path)
}

fn is_null(cell: Option<&Cell>) -> bool {
    match cell {
        Some(Cell::Value(_) | Cell::Later | Cell::Held(_)) => false,
        Some(Cell::Null | Cell::Clear | Cell::Omit) | None => true,
    }
}

fn value(cell: Option<&Cell>) -> Value {
    match cell {
        Some(Cell::Value(value)) => value.clone(),
        _ => Value::Null,
    }
}

/// The values that an expression saw: ` (Amount is -5)`.
fn found(places: &[(usize, usize)], row: &[Value], fields: &[MappedField]) -> String {
    /// More would hide the sentence.
    const MOST: usize = 4;
    let mut shown: Vec<String> = places
        .iter()
        .filter_map(|(column, at)| {
            let name = &fields.get(*at)?.name;
            let text = match row.get(*column)? {
                Value::Json(json) => json.to_string(),
                other => other.as_text().unwrap_or("null").to_owned(),
            };
            Some(format!("{name} is {}", super::encode::shorten(&text)))
        })
        .collect();
    shown.truncate(MOST);
    match shown.is_empty() {
        true => String::new(),
        false => format!(" ({})", shown.join(", ")),
    }
}
