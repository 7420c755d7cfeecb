//! `policy.compare: sent`: a row whose values are those that it was last sent with is not sent again.
//!
//! The mark of a row is forgotten before the row is sent, and set when the org has taken it: whatever breaks in
//! between, the row is sent again.

use std::sync::Arc;

use compact_str::CompactString;
use sha2::{Digest, Sha256};

use super::{
    EngineError, reconcile,
    shared::{Phase, Shared, blocking},
};
use crate::{
    load::{Plain, WriteRow, Written},
    plan::{TargetField, Write},
    record::{Outcome, RowResult, Value},
    state::SentMark,
};

/// The mark of what a row sends. Fields that the second pass may write have a mark each, joined with that of all others,
/// so that they can be added later.
pub(super) fn mark(write: &Write, looping: impl Fn(usize) -> bool, row: &WriteRow) -> SentMark {
    let mut others = None;
    let mut all = 0;
    for (at, (field, cell)) in write.fields.iter().zip(&row.cells).enumerate() {
        if matches!(cell, Plain::Omit | Plain::Held(_)) {
            continue;
        }
        if looping(at) {
            let mut own = Sha256::new();
            add(&mut own, &write.object, field, cell);
            all ^= half(own);
        } else {
            add(others.get_or_insert_with(Sha256::new), &write.object, field, cell);
        }
    }
    SentMark(all ^ others.map_or(0, half))
}

/// Adds a field to a digest, each part behind its length.
fn add(digest: &mut Sha256, object: &str, field: &TargetField, cell: &Plain) {
    let json;
    let (kind, text): (&[u8], &str) = match cell {
        Plain::Value(Value::Json(value)) => {
            json = value.to_string();
            (b"j", &json)
        }
        Plain::Value(value) => match (value, value.as_text()) {
            (_, None) => (b"0", ""),
            (Value::Bool(_), Some(text)) => (b"b", text),
            (Value::Number(_), Some(text)) => (b"n", text),
            (_, Some(text)) => (b"t", text),
        },
        Plain::Clear | Plain::Omit | Plain::Held(_) => (b"0", ""),
    };
    let parent = field.parent.as_ref().map_or("", |parent| parent.field.as_str());
    for part in [
        object.as_bytes(),
        field.name.as_bytes(),
        parent.as_bytes(),
        kind,
        text.as_bytes(),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
}

fn half(digest: Sha256) -> u128 {
    let bytes = digest.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    u128::from_be_bytes(half)
}

/// The mark of a row of the first pass.
fn first_mark(shared: &Shared, step: usize, row: &WriteRow) -> SentMark {
    let plan = &shared.plan.steps[step];
    let looping = |at: usize| plan.mapping.fields.get(at).is_some_and(|field| field.looping);
    mark(&plan.write, looping, row)
}

/// Ends the rows that were last sent alike, and gives back the others.
pub(super) async fn skip(
    shared: &Arc<Shared>,
    step: usize,
    rows: Vec<WriteRow>,
) -> Result<Vec<WriteRow>, EngineError> {
    if !shared.plan.steps[step].write.compare_sent || rows.is_empty() {
        return Ok(rows);
    }
    let shared_too = Arc::clone(shared);
    let (ready, ended) = blocking(move || {
        let shared = shared_too;
        let links = shared.books[step].links;
        let ids: Vec<CompactString> = rows.iter().map(|row| row.source_id.clone()).collect();
        let sent = shared.store.sent(links, &ids)?;
        let (mut ready, mut alike, mut forget) = (Vec::new(), Vec::new(), Vec::new());
        for (row, sent) in rows.into_iter().zip(sent) {
            match sent {
                Some((target, was))
                    if !shared.full && !row.later && first_mark(&shared, step, &row) == was =>
                {
                    let end = RowResult {
                        source_id: row.source_id.clone(),
                        target_id: Some(target),
                        outcome: Outcome::Unchanged,
                        reason: None,
                    };
                    alike.push((row, end));
                }
                Some(_) => {
                    forget.push((row.source_id.clone(), None));
                    ready.push(row);
                }
                None => ready.push(row),
            }
        }
        if !forget.is_empty() {
            shared.store.mark_sent(links, &forget)?;
        }
        reconcile::note_ended(&shared, step, alike.iter().map(|(row, end)| (row, end)), true)?;
        let ended: Vec<RowResult> = alike.into_iter().map(|(_, end)| end).collect();
        Ok((ready, ended))
    })
    .await?;
    shared.record(step, Phase::Written, ended, Vec::new()).await?;
    Ok(ready)
}

/// The marks of rows that the org has taken.
pub(super) fn marks(
    shared: &Shared,
    step: usize,
    rows: &[(WriteRow, Written)],
) -> Vec<(CompactString, Option<SentMark>)> {
    if !shared.plan.steps[step].write.compare_sent {
        return Vec::new();
    }
    rows.iter()
        .filter(|(_, written)| written.record().is_some())
        .map(|(row, _)| (row.source_id.clone(), Some(first_mark(shared, step, row))))
        .collect()
}

/// Sets marks.
pub(super) async fn set(
    shared: &Arc<Shared>,
    step: usize,
    marks: Vec<(CompactString, Option<SentMark>)>,
) -> Result<(), EngineError> {
    if marks.is_empty() {
        return Ok(());
    }
    let shared = Arc::clone(shared);
    blocking(move || shared.store.mark_sent(shared.books[step].links, &marks)).await
}
