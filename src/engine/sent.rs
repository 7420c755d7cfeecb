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
    record::{Outcome, RowResult, Value, put_number},
    state::SentMark,
};

/// Makes the marks of what rows of one target send.
struct Marker<'w> {
    write: &'w Write,
    /// Knows the object and the names of all fields: a row adds the places of its fields, and their values.
    begun: Sha256,
}

impl<'w> Marker<'w> {
    fn new(write: &'w Write) -> Self {
        let mut names = Vec::new();
        put(&mut names, write.object.as_bytes());
        put_number(&mut names, write.fields.len());
        for field in &write.fields {
            put_name(&mut names, field);
        }
        Marker {
            write,
            begun: Sha256::new().chain_update(names),
        }
    }

    /// The mark of a row. Fields that the second pass may write have a mark each, joined with that of all others, so that
    /// they can be added later.
    fn mark(&self, looping: impl Fn(usize) -> bool, row: &WriteRow) -> SentMark {
        let mut all = 0;
        let mut others = Vec::with_capacity(USUAL_ROW);
        for (at, (field, cell)) in self.write.fields.iter().zip(&row.cells).enumerate() {
            if matches!(cell, Plain::Omit | Plain::Held(_)) {
                continue;
            }
            if looping(at) {
                // Of a row that waits for it the second pass adds all of these.
                if !row.later {
                    all ^= alone(self.write, field, cell);
                }
            } else {
                put_number(&mut others, at);
                put_value(&mut others, cell);
            }
        }
        if !others.is_empty() {
            all ^= half(self.begun.clone().chain_update(others));
        }
        SentMark(all)
    }
}

/// The mark of a row with what the second pass sends of it.
pub(super) fn with_second_pass(mark: SentMark, write: &Write, row: &WriteRow) -> SentMark {
    let cells = write.fields.iter().zip(&row.cells);
    let sent = cells.filter(|(_, cell)| !matches!(cell, Plain::Omit | Plain::Held(_)));
    SentMark(sent.fold(mark.0, |mark, (field, cell)| mark ^ alone(write, field, cell)))
}

/// The mark of a field by itself. Its name is in it and not its place: the second pass knows fewer fields.
fn alone(write: &Write, field: &TargetField, cell: &Plain) -> u128 {
    let mut bytes = Vec::new();
    put(&mut bytes, write.object.as_bytes());
    put_name(&mut bytes, field);
    put_value(&mut bytes, cell);
    half(Sha256::new().chain_update(bytes))
}

/// Room for what most rows add to a digest.
const USUAL_ROW: usize = 256;

fn put_name(to: &mut Vec<u8>, field: &TargetField) {
    put(to, field.name.as_bytes());
    let parent = field.parent.as_ref().map(|parent| parent.field.as_str());
    put(to, parent.unwrap_or_default().as_bytes());
}

/// The kind of a value, and its text.
fn put_value(to: &mut Vec<u8>, cell: &Plain) {
    let json;
    let (kind, text) = match cell {
        Plain::Value(Value::Json(value)) => {
            json = value.to_string();
            (b'j', json.as_str())
        }
        Plain::Value(value) => match (value, value.as_text()) {
            (_, None) => (b'0', ""),
            (Value::Bool(_), Some(text)) => (b'b', text),
            (Value::Number(_), Some(text)) => (b'n', text),
            (_, Some(text)) => (b't', text),
        },
        Plain::Clear | Plain::Omit | Plain::Held(_) => (b'0', ""),
    };
    to.push(kind);
    put(to, text.as_bytes());
}

/// Bytes behind their number, so that what follows cannot be taken for a part of them.
fn put(to: &mut Vec<u8>, part: &[u8]) {
    put_number(to, part.len());
    to.extend_from_slice(part);
}

fn half(digest: Sha256) -> u128 {
    let bytes = digest.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    u128::from_be_bytes(half)
}

/// Makes the marks of a step's rows in the first pass.
fn first_marks(shared: &Shared, step: usize) -> impl Fn(&WriteRow) -> SentMark {
    let plan = &shared.plan.steps[step];
    let marker = Marker::new(&plan.write);
    move |row| {
        let looping = |at: usize| plan.mapping.fields.get(at).is_some_and(|field| field.looping);
        marker.mark(looping, row)
    }
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
        let mark = first_marks(&shared, step);
        for (row, sent) in rows.into_iter().zip(sent) {
            match sent {
                Some((target, was)) if !shared.full && !row.later && mark(&row) == was => {
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
    let mark = first_marks(shared, step);
    rows.iter()
        .filter(|(_, written)| written.record().is_some())
        .map(|(row, _)| (row.source_id.clone(), Some(mark(row))))
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
