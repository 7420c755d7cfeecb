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
    plan::Write,
    record::{Outcome, RowResult, Value},
    state::SentMark,
};

/// The mark of what a row sends: of each field its own, joined so that a field of the second pass can be added.
pub(super) fn mark(write: &Write, row: &WriteRow) -> SentMark {
    let mut all = 0u128;
    for (field, cell) in write.fields.iter().zip(&row.cells) {
        let (kind, text): (&[u8], String) = match cell {
            Plain::Omit | Plain::Held(_) => continue,
            Plain::Clear | Plain::Value(Value::Null) => (b"0", String::new()),
            Plain::Value(Value::Bool(flag)) => (b"b", flag.to_string()),
            Plain::Value(Value::Number(number)) => (b"n", number.as_str().to_owned()),
            Plain::Value(Value::Text(text)) => (b"t", text.to_string()),
            Plain::Value(Value::Json(json)) => (b"j", json.to_string()),
        };
        let parent = field.parent.as_ref().map_or("", |parent| parent.field.as_str());
        let mut digest = Sha256::new();
        for part in [
            write.object.as_bytes(),
            field.name.as_bytes(),
            parent.as_bytes(),
            kind,
            text.as_bytes(),
        ] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let bytes = digest.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&bytes[..16]);
        all ^= u128::from_be_bytes(half);
    }
    SentMark(all)
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
        let (write, links) = (&shared.plan.steps[step].write, shared.books[step].links);
        let ids: Vec<CompactString> = rows.iter().map(|row| row.source_id.clone()).collect();
        let sent = shared.store.sent(links, &ids)?;
        let (mut ready, mut alike, mut forget) = (Vec::new(), Vec::new(), Vec::new());
        for (row, sent) in rows.into_iter().zip(sent) {
            match sent {
                Some((target, was)) if !shared.full && !row.later && mark(write, &row) == was => {
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
    let write = &shared.plan.steps[step].write;
    if !write.compare_sent {
        return Vec::new();
    }
    rows.iter()
        .filter(|(_, written)| written.record().is_some())
        .map(|(row, _)| (row.source_id.clone(), Some(mark(write, row))))
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
