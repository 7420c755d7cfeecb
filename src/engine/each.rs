//! `each`: one row of every entry of a list. A row has its entry and its place as two values behind its columns.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    EngineError,
    shared::{Shared, blocking},
};
use crate::{
    pipeline::expr::Context,
    plan::PlanStep,
    record::{Number, ParkReason, Row, Value},
};

/// Rows that go on together.
const CHUNK: usize = 2_000;

/// The names of the two values, in files of parked rows.
pub(super) const NAMES: [&str; 2] = ["item", "item_number"];

/// A batch of the source's rows, on its way to become rows of the step.
pub(super) struct Entries {
    rows: std::vec::IntoIter<Row>,
    open: Option<Open>,
}

/// A row in the middle of its list.
struct Open {
    row: Row,
    list: Arc<Json>,
    next: usize,
}

impl Entries {
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Entries {
            rows: rows.into_iter(),
            open: None,
        }
    }

    /// The next rows; none at the end.
    pub(super) async fn next(
        mut self,
        shared: &Arc<Shared>,
        step: usize,
    ) -> Result<(Self, Vec<Row>), EngineError> {
        if shared.plan.steps[step].each.is_none() {
            let rows = self.rows.by_ref().collect();
            return Ok((self, rows));
        }
        let shared = Arc::clone(shared);
        blocking(move || {
            let rows = self.chunk(&shared, &shared.plan.steps[step]);
            Ok((self, rows))
        })
        .await
    }

    fn chunk(&mut self, shared: &Shared, plan: &PlanStep) -> Vec<Row> {
        let mut rows = Vec::new();
        while rows.len() < CHUNK {
            if let Some(open) = &mut self.open {
                let entry = open.list.as_array().and_then(|list| list.get(open.next));
                if let Some(entry) = entry {
                    open.next += 1;
                    rows.push(with_item(&open.row, Value::from_json(entry), open.next));
                    continue;
                }
                self.open = None;
            }
            let Some(row) = self.rows.next() else { break };
            match list(shared, plan, &row) {
                Ok(None) => {}
                Ok(Some(list)) => self.open = Some(Open { row, list, next: 0 }),
                // It is no row of the step, and it is not lost either: it will be parked.
                Err(_) => rows.push(with_item(&row, Value::Null, 0)),
            }
        }
        rows
    }
}

fn with_item(row: &Row, item: Value, number: usize) -> Row {
    let number = Number::from(i64::try_from(number).unwrap_or(i64::MAX));
    row.iter().cloned().chain([item, Value::Number(number)]).collect()
}

/// The list of a source's row, where it has one.
fn list(shared: &Shared, plan: &PlanStep, row: &[Value]) -> Result<Option<Arc<Json>>, ParkReason> {
    let Some(each) = &plan.each else { return Ok(None) };
    let context = Context {
        row,
        vars: &shared.vars,
        run: &shared.run,
        item: None,
        item_number: 0,
    };
    let reason = |code: &str, message: String, help: &str| ParkReason {
        code: code.into(),
        message,
        field: None,
        help: help.to_owned(),
    };
    match each.expr.eval(&context) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::Json(json)) if json.is_array() => Ok(Some(json)),
        Ok(other) => Err(reason(
            "type",
            format!("`each` gave a {}, not a list", other.kind()),
            "let it give a list, such as `each: Skills__c | split_multi`",
        )),
        Err(error) => Err(reason(
            "expression",
            format!("`each` failed: {error}"),
            "mend the expression, or the value in the source",
        )),
    }
}

/// Why a row has no entry at all, if it has none.
pub(super) fn failure(shared: &Shared, plan: &PlanStep, row: &[Value]) -> Option<ParkReason> {
    plan.each.as_ref()?;
    match item(plan, row) {
        (_, 0) => list(shared, plan, row).err(),
        _ => None,
    }
}

/// A row's entry and place; nothing and 0 without `each`.
pub(super) fn item<'r>(plan: &PlanStep, row: &'r [Value]) -> (Option<&'r Value>, usize) {
    match (&plan.each, row) {
        (Some(_), [.., item, number]) => {
            let number = number.as_text().and_then(|text| text.parse().ok());
            (Some(item), number.unwrap_or(0))
        }
        _ => (None, 0),
    }
}
