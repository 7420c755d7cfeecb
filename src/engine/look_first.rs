//! Asks the target by key which records exist, where that has to be known before rows are written: keys that are no
//! external ids, inserts and updates by key, matches, deletes, and fields that are written only once.

use std::sync::Arc;

use super::{
    EngineError,
    find::{Found, by_key, same_value},
    mapped::parked,
    reconcile,
    shared::{Phase, Shared, blocking},
};
use crate::{
    load::{Action, Plain, WriteRow},
    pipeline::model::Operation,
    plan::{PlanStep, TargetKey},
    record::{FieldPath, Outcome, ParkReason, RowResult},
    salesforce::FieldType,
};

/// Settles what is done with each row; rows that are at their end already are recorded and not given back.
pub(super) async fn look_first(
    shared: &Arc<Shared>,
    step: usize,
    rows: Vec<WriteRow>,
) -> Result<Vec<WriteRow>, EngineError> {
    let plan = &shared.plan.steps[step];
    let Some(key) = plan.write.key.as_ref().filter(|_| plan.write.look_first) else {
        return Ok(rows);
    };
    // An upsert by Id has rows that are new by having no Id.
    let (new, asked): (Vec<WriteRow>, Vec<WriteRow>) = rows
        .into_iter()
        .partition(|row| key.is_id && row.action == Action::Insert);
    let mut ready = new;
    if asked.is_empty() {
        return Ok(ready);
    }
    let select = compared(shared, plan);
    let found = by_key(shared, &plan.write, key, asked.iter(), &select).await?;
    let (mut ended, mut aside, mut left_alone) = (Vec::new(), Vec::new(), Vec::new());
    for (mut row, found) in asked.into_iter().zip(found) {
        match settle(plan, key, &mut row, &found) {
            None => ready.push(row),
            Some(end) => {
                match end.outcome {
                    Outcome::Parked => aside.push(shared.parked_row(plan, &row.source_id, &row.source)),
                    _ => left_alone.push((row, end.clone())),
                }
                ended.push(end);
            }
        }
    }
    if !left_alone.is_empty() {
        let shared = Arc::clone(shared);
        // A record that is only matched, or that an `insert` leaves alone, may hold other values.
        let alike = matches!(plan.write.operation, Operation::Upsert | Operation::Update);
        blocking(move || {
            let left = left_alone.iter().map(|(row, end)| (row, end));
            reconcile::note_ended(&shared, step, left, alike)
        })
        .await?;
    }
    shared.record(step, Phase::Written, ended, aside).await?;
    Ok(ready)
}

/// The fields that are read from the target to be compared.
fn compared(shared: &Shared, plan: &PlanStep) -> Vec<(FieldPath, FieldType)> {
    if !plan.write.compare || plan.write.operation.takes_key_only() {
        return Vec::new();
    }
    (0..plan.write.fields.len())
        .map(|at| reconcile::readable(shared, &plan.write, at))
        .collect()
}

/// The row's end, or `None` when it is ready to be sent.
fn settle(plan: &PlanStep, key: &TargetKey, row: &mut WriteRow, found: &[Found]) -> Option<RowResult> {
    let end = |outcome: Outcome, target_id: Option<compact_str::CompactString>| RowResult {
        source_id: row.source_id.clone(),
        target_id,
        outcome,
        reason: None,
    };
    let one = match (plan.write.operation, found) {
        (_, [one]) => one,
        (Operation::Upsert | Operation::Insert, []) => {
            row.action = Action::Insert;
            row.record_id = None;
            return None;
        }
        (Operation::Match, []) => return Some(end(Outcome::Filtered, None)),
        (Operation::Delete | Operation::HardDelete, []) => return Some(end(Outcome::Unchanged, None)),
        // Nothing is left that could be marked.
        (Operation::Update, []) if plan.deletes_of.is_some() => return Some(end(Outcome::Unchanged, None)),
        (Operation::Update, []) => {
            return Some(parked(row.source_id.clone(), None, no_match(plan, key, row)));
        }
        (_, several) => return Some(parked(row.source_id.clone(), None, ambiguous(plan, key, several))),
    };
    let end = match plan.write.operation {
        Operation::Insert | Operation::Match => Some(end(Outcome::Unchanged, Some(one.id.clone()))),
        Operation::Upsert | Operation::Update if is_same(plan, row, one) && !row.later => {
            Some(end(Outcome::Unchanged, Some(one.id.clone())))
        }
        Operation::Upsert | Operation::Update | Operation::Delete | Operation::HardDelete => None,
    };
    row.record_id = Some(one.id.clone());
    if !plan.write.operation.deletes() {
        row.action = Action::Update;
    }
    end
}

/// Whether `policy.compare: target` finds nothing to write.
fn is_same(plan: &PlanStep, row: &WriteRow, found: &Found) -> bool {
    plan.write.compare
        && row
            .cells
            .iter()
            .zip(&plan.write.fields)
            .zip(&found.values)
            .all(|((cell, field), theirs)| match cell {
                Plain::Omit => true,
                _ if !field.updateable => true,
                Plain::Clear => same_value(field.shape.kind, None, theirs),
                Plain::Value(ours) => same_value(field.shape.kind, Some(ours), theirs),
                Plain::Held(_) => false,
            })
}

fn no_match(plan: &PlanStep, key: &TargetKey, row: &WriteRow) -> ParkReason {
    ParkReason {
        code: "no_match".into(),
        message: format!(
            "the target has no {} with {} `{}`",
            plan.write.object,
            key.names(),
            row.key_text(&plan.write)
        ),
        field: key.fields.first().map(|f| f.field.as_str().into()),
        help: "load the record first, or use `operation: upsert`".into(),
    }
}

fn ambiguous(plan: &PlanStep, key: &TargetKey, several: &[Found]) -> ParkReason {
    ParkReason {
        code: "ambiguous_key".into(),
        message: format!(
            "{} records of {} have this key ({} and others)",
            several.len(),
            plan.write.object,
            several.first().map_or("", |found| found.id.as_str())
        ),
        field: key.fields.first().map(|f| f.field.as_str().into()),
        help: match key.fields.as_slice() {
            [_] => "merge them in the target, or use a key that is unique there",
            _ => "merge them in the target, or add a field to the key that tells them apart",
        }
        .into(),
    }
}
