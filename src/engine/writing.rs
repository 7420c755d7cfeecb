//! Rows are sent, and it is written down what became of them.

use std::sync::Arc;

use compact_str::CompactString;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    EngineError,
    find::by_key,
    first_pass::joined,
    gone, into_file,
    mapped::parked,
    recall, reconcile, sent,
    shared::{Halting, Phase, Shared, blocking},
};
use crate::{
    event::Event,
    load::{Journal, Loader, Plain, Remembered, Unit, WriteRow, Written},
    plan::Write,
    record::{Outcome, RowResult},
    state::{Deferred, ParkedRow, UnitId},
};

/// Rows that the loader takes at a time, at most.
const PIECE: usize = 200;

/// Rows on their way to whoever writes.
pub(super) enum Ready {
    /// Rows to be sent.
    Rows(Vec<WriteRow>),
    /// Rows that an earlier sitting had sent.
    Remembered(Vec<(WriteRow, Remembered)>),
}

/// Sends the rows of a step's first pass as they come, and writes down what became of them.
pub(super) async fn load(
    shared: &Arc<Shared>,
    step: usize,
    mut outgoing: mpsc::Receiver<Ready>,
) -> Result<(), EngineError> {
    let halting = Halting::new(shared);
    let plan = &shared.plan.steps[step];
    if let Some(file) = &plan.write.file {
        return halting.end(into_file::load(shared, step, file, outgoing).await);
    }
    let write = Arc::new(plan.write.clone());
    let client = shared.org(&write.connection)?.clone();
    let retrying = retrying(shared, step);
    let source = shared.org(&plan.read.connection).ok().cloned();
    let journal = Journal::new(Arc::clone(&shared.store), shared.books[step].step, 1);
    let mut loader = Loader::new(
        client,
        source,
        Arc::clone(&write),
        &plan.policy,
        journal,
        plan.read.total,
        retrying,
    );
    let mut recording = Recording::new(shared, step);
    loop {
        let ready = tokio::select! {
            // A unit that has ended is written down at once, whether rows come or not.
            Some(unit) = loader.next() => {
                recording.take(vec![unit]).await;
                None
            }
            ready = outgoing.recv() => match ready {
                Some(ready) => Some(ready),
                None => break,
            },
        };
        if shared.halted() || recording.failed() {
            break;
        }
        match ready {
            None => {}
            // What has ended is written down soon, not when the whole batch is on its way.
            Some(Ready::Rows(rows)) => {
                for piece in pieces(rows, &write) {
                    if shared.halted() || recording.failed() {
                        break;
                    }
                    recording.take(loader.push(piece).await).await;
                }
            }
            Some(Ready::Remembered(rows)) => recording.take(loader.push_remembered(rows).await).await,
        }
        if recording.failed() {
            break;
        }
    }
    // Whoever still sends hears that nobody listens.
    drop(outgoing);
    if !shared.halted() && !recording.failed() {
        recording.take(loader.flush().await).await;
    }
    while let Some(unit) = loader.next().await {
        recording.take(vec![unit]).await;
    }
    halting.end(recording.end().await)
}

/// Writes down what became of units, one after the other, while others are gathered and sent.
struct Recording<'s> {
    shared: &'s Arc<Shared>,
    step: usize,
    under_way: Option<JoinHandle<Result<(), EngineError>>>,
    /// The first error counts.
    result: Result<(), EngineError>,
}

impl<'s> Recording<'s> {
    fn new(shared: &'s Arc<Shared>, step: usize) -> Self {
        Recording {
            shared,
            step,
            under_way: None,
            result: Ok(()),
        }
    }

    /// Takes units; waits while another one is under way, for the rows of each are in memory still.
    async fn take(&mut self, units: Vec<Unit>) {
        for unit in units {
            self.wait().await;
            let (shared, step) = (Arc::clone(self.shared), self.step);
            self.under_way = Some(tokio::spawn(async move { record(&shared, step, unit).await }));
        }
        // An error is known as soon as there is one.
        if self.under_way.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait().await;
        }
    }

    /// Whether a unit could not be written down, as far as is known.
    fn failed(&self) -> bool {
        self.result.is_err()
    }

    /// Waits until everything is written down.
    async fn end(mut self) -> Result<(), EngineError> {
        self.wait().await;
        self.result
    }

    async fn wait(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            let ended = joined(under_way.await);
            if self.result.is_ok() {
                self.result = ended;
            }
        }
    }
}

/// Rows in pieces of as many as a collections call of the step takes.
pub(super) fn pieces(rows: Vec<WriteRow>, write: &Write) -> impl Iterator<Item = Vec<WriteRow>> + use<> {
    let most = write.batch.unwrap_or(PIECE).clamp(1, PIECE);
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let piece: Vec<WriteRow> = rows.by_ref().take(most).collect();
        (!piece.is_empty()).then_some(piece)
    })
}

/// Tells the user that rows are sent again.
pub(super) fn retrying(
    shared: &Arc<Shared>,
    step: usize,
) -> impl Fn(u64, &str, std::time::Duration) + Send + Sync + 'static {
    let events = shared.events.clone();
    move |rows, code, wait| {
        events.send(Event::Retrying {
            step,
            rows,
            code: code.to_owned(),
            wait,
        })
    }
}

/// Turns what the org said of a unit into outcomes.
async fn record(shared: &Arc<Shared>, step: usize, unit: Unit) -> Result<(), EngineError> {
    let mut rows = unit.rows;
    // Whatever comes of the question, the unit's rows are written down.
    let asked = found_again(shared, step, &mut rows).await;
    let suspects = gone::suspects(shared, step, &rows);
    if unit.remembered {
        // The parent that is known now was still under way when the row was sent: it went without.
        let fields = &shared.plan.steps[step].mapping.fields;
        for (row, _) in &mut rows {
            let mut cells = row.cells.iter().zip(fields);
            row.later |= cells.any(|(cell, field)| field.looping && matches!(cell, Plain::Value(_)));
        }
    }
    let shared_too = Arc::clone(shared);
    let (ended, aside, marks) = blocking(move || {
        let marks = match unit.remembered {
            // The row may be another one now than the one that was sent.
            true => Vec::new(),
            false => sent::marks(&shared_too, step, &rows),
        };
        let (mut ended, mut aside, mut deferred) = (Vec::new(), Vec::new(), Vec::new());
        let there = rows
            .iter()
            .filter_map(|(row, written)| Some((row, written.record()?, true)));
        reconcile::note(&shared_too, step, there)?;
        for (row, written) in rows {
            ended.push(end_of(&shared_too, step, row, written, &mut aside, &mut deferred));
        }
        if !deferred.is_empty() {
            shared_too.store.defer(shared_too.books[step].step, &deferred)?;
        }
        Ok((ended, aside, marks))
    })
    .await?;
    let mut recorded = shared.record(step, Phase::Written, ended, aside).await;
    // Even when too many rows have failed: those that have not are in the target.
    recorded = recorded.and(sent::set(shared, step, marks).await);
    if recorded.is_ok() {
        recorded = end_units(shared, unit.journaled).await;
    }
    if recorded.is_ok() && unit.error.is_none() {
        recorded = gone::forget(shared, suspects).await;
    }
    recorded.and(asked).and(match unit.error {
        None => Ok(()),
        Some(error) => Err(recall::of_target(shared, step, error)),
    })
}

/// Forgets units whose outcomes are recorded.
pub(super) async fn end_units(shared: &Arc<Shared>, units: Vec<UnitId>) -> Result<(), EngineError> {
    if units.is_empty() {
        return Ok(());
    }
    let store = Arc::clone(&shared.store);
    blocking(move || store.end_units(&units)).await
}

/// New records of which the answer was lost: where they have a key, the target is asked whether they are there. They
/// were not before, or they would not have been sent as new ones.
async fn found_again(
    shared: &Arc<Shared>,
    step: usize,
    rows: &mut [(WriteRow, Written)],
) -> Result<(), EngineError> {
    let write = &shared.plan.steps[step].write;
    let Some(key) = write.key.as_ref().filter(|key| !key.is_id && write.look_first) else {
        return Ok(());
    };
    let lost: Vec<usize> = rows
        .iter()
        .enumerate()
        .filter(|(_, (_, written))| written.is_unknown())
        .map(|(at, _)| at)
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let asked = lost.iter().map(|at| &rows[*at].0);
    let found = by_key(shared, write, key, asked, &[]).await?;
    for (at, found) in lost.into_iter().zip(found) {
        if let [one] = found.as_slice() {
            rows[at].1 = Written::Created(one.id.clone());
        }
    }
    Ok(())
}

/// A row's end; rows that are parked or wait for the second pass leave their source values behind.
fn end_of(
    shared: &Shared,
    step: usize,
    row: WriteRow,
    written: Written,
    aside: &mut Vec<ParkedRow>,
    deferred: &mut Vec<Deferred>,
) -> RowResult {
    if let Written::Failed { .. } = written {
        aside.push(shared.parked_row(&shared.plan.steps[step], &row.source_id, &row.source));
    }
    let result = result(row.source_id, written);
    if let (true, Some(target_id), None) = (row.later, &result.target_id, &result.reason) {
        let values: Vec<_> = row.source.iter().map(crate::record::Value::to_json).collect();
        deferred.push(Deferred {
            source_id: result.source_id.clone(),
            target_id: target_id.clone(),
            outcome: result.outcome,
            payload: serde_json::Value::Array(values).to_string(),
        });
    }
    result
}

/// What a row has become.
pub(super) fn result(source_id: CompactString, written: Written) -> RowResult {
    let (outcome, target_id) = match written {
        Written::Created(id) => (Outcome::Created, Some(id)),
        Written::Updated(id) => (Outcome::Updated, Some(id)),
        Written::Unchanged(id) => (Outcome::Unchanged, Some(id)),
        Written::Deleted(id) => (Outcome::Deleted, Some(id)),
        // Nothing is left that a row could have become.
        Written::Gone => (Outcome::Unchanged, None),
        Written::Failed { id, reason } => return parked(source_id, id, reason),
    };
    RowResult {
        source_id,
        target_id,
        outcome,
        reason: None,
    }
}
