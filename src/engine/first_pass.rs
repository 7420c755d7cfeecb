//! Extraction, transformation and loading of one step, at the same time, in bounded batches. How rows are sent is said in
//! `writing`.

use std::sync::Arc;

use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

use super::{
    EngineError,
    checks::{self, Gate},
    each::Entries,
    handover,
    look_first::look_first,
    mapped::{answer, map, parked, unanswered},
    recall, retry, sent,
    shared::{Halting, Phase, Shared},
    writing::{Ready, load},
};
use crate::{
    event::Event,
    extract::{self, ExtractError},
    load::{Remembered, WriteRow},
    plan::PlanStep,
    record::{Batch, Outcome, RowResult},
    salesforce::JobInfo,
    state::StepStage,
    transform::{Known, RowEnd},
};

/// Lookups whose answers are kept between batches; beyond, they are asked again.
const MOST_LOOKUPS: usize = 50_000;

/// Records that are asked for in one query.
const READ_AGAIN: usize = 200;

/// Batches of which it is settled at once what is done with them: some ask the target, which takes its time.
const MOST_ASKED: usize = 4;

/// Rows of which it is being settled what is done with them.
enum Settling {
    /// Rows to be sent.
    Rows(JoinHandle<Result<Vec<WriteRow>, EngineError>>),
    /// Rows that an earlier sitting had sent.
    Remembered(Vec<(WriteRow, Remembered)>),
}

/// Runs the first pass of a step: every source row ends in an outcome, or the run stops. `ahead` is the job of its query,
/// where that was made before.
pub(super) async fn run(
    shared: &Arc<Shared>,
    step: usize,
    ahead: Option<JobInfo>,
) -> Result<(), EngineError> {
    recall::ask(shared, step, 1).await?;
    let (batches, incoming) = mpsc::channel(2);
    let (mapped, settling) = mpsc::channel(MOST_ASKED);
    let (ready, outgoing) = mpsc::channel(2);
    // Taking answers apart and packing what is sent cost time, and are tasks of their own: neither waits for the other.
    let (reading, loading) = (Arc::clone(shared), Arc::clone(shared));
    let reading = tokio::spawn(async move { extract(&reading, step, ahead, batches).await });
    let loading = tokio::spawn(async move { load(&loading, step, outgoing).await });
    // All run to their end even when one fails: what is in flight has to be written down.
    let (read, transformed, settled, loaded) = tokio::join!(
        reading,
        transform(shared, step, incoming, mapped),
        pass_on(shared, settling, ready),
        loading,
    );
    let (read, loaded) = (joined(read), joined(loaded));
    // A stage that stops because another one failed says `Interrupted`; the cause is what counts.
    let cause = [loaded, settled, transformed, read]
        .into_iter()
        .filter_map(Result::err)
        .reduce(|a, b| {
            if matches!(a, EngineError::Interrupted) {
                b
            } else {
                a
            }
        });
    match cause {
        Some(error) => Err(error),
        None if shared.halted() => Err(EngineError::Interrupted),
        None => recall::leftovers(shared, step).await,
    }
}

async fn extract(
    shared: &Arc<Shared>,
    step: usize,
    ahead: Option<JobInfo>,
    batches: mpsc::Sender<Batch>,
) -> Result<(), EngineError> {
    // Should it break, the others must not take the end of the rows for the end of the source: they hear of it before
    // their channel ends.
    let halting = Halting::new(shared);
    let plan = &shared.plan.steps[step];
    let from = shared.source(&plan.read)?;
    let mut take = |batch: Batch| {
        shared.see(step, &batch);
        // With `each` its rows are counted, not those that they are made of; of a retry, those that it takes.
        if plan.each.is_none() && shared.retry.is_none() {
            shared.read(step, batch.rows.len() as u64);
        }
        let batches = batches.clone();
        async move { batches.send(batch).await.is_ok() }
    };
    let halted = || shared.halted();
    let restarted = || shared.events.send(Event::CursorRestarted { step });
    let mut made = match (from, &ahead) {
        (extract::From::Org(client), Some(job)) => Some(extract::From::Job(client, job)),
        _ => None,
    };
    let mut end = Ok(());
    for read in retry::reads(shared, step) {
        let from = made.take().unwrap_or(from);
        end = extract::read(&read, from, &shared.vars, &halted, &restarted, &mut take).await;
        if end.is_err() {
            break;
        }
    }
    // Rows that an earlier run has parked, however old they are.
    let again = shared.books[step]
        .incremental
        .iter()
        .flat_map(|i| i.waiting.chunks(READ_AGAIN));
    for ids in again {
        let Some(read) = plan.read.of_records(ids).filter(|_| end.is_ok()) else {
            break;
        };
        end = extract::read(&read, from, &shared.vars, &halted, &restarted, &mut take).await;
    }
    halting.end(end).map_err(|error| of_source(plan, error))
}

/// Why a step's source gave no more rows.
pub(super) fn of_source(plan: &PlanStep, error: ExtractError) -> EngineError {
    match error {
        ExtractError::Org(source) => EngineError::Org {
            connection: plan.read.connection.clone(),
            source,
        },
        ExtractError::CountDiffers { announced, arrived } => EngineError::CountDiffers {
            step: plan.name.clone(),
            announced,
            arrived,
        },
        ExtractError::Json(message) => EngineError::Source {
            step: plan.name.clone(),
            message,
        },
        ExtractError::File(error) => EngineError::File {
            step: Some(plan.name.clone()),
            error,
        },
        ExtractError::Stopped => EngineError::Interrupted,
    }
}

async fn transform(
    shared: &Arc<Shared>,
    step: usize,
    mut incoming: mpsc::Receiver<Batch>,
    mapped: mpsc::Sender<Settling>,
) -> Result<(), EngineError> {
    // Before the next stage sees the end of its channel: after a stop it sends nothing more.
    let halting = Halting::new(shared);
    halting.end(transform_all(shared, step, &mut incoming, &mapped).await)
}

async fn transform_all(
    shared: &Arc<Shared>,
    step: usize,
    incoming: &mut mpsc::Receiver<Batch>,
    mapped: &mpsc::Sender<Settling>,
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let mapping = Arc::new(plan.mapping.clone());
    let mut known = Known::new(Arc::clone(&plan.record_types)).masking(shared.masker.clone());
    // What an earlier sitting has let pass is not asked again: some of it may be written.
    let mut gate = match shared.books[step].stage >= StepStage::Allowed {
        true => {
            checks::forget_spool(shared, step).await?;
            None
        }
        false => Gate::of(shared, step).await?,
    };
    let mut ask_first = false;
    while let Some(batch) = incoming.recv().await {
        let mut entries = Entries::new(batch.rows);
        loop {
            if shared.halted() {
                return Err(EngineError::Interrupted);
            }
            let (rest, rows) = entries.next(shared, step).await?;
            entries = rest;
            if rows.is_empty() {
                break;
            }
            known.next_batch(MOST_LOOKUPS);
            let rows = retry::only_chosen(shared, step, &mapping, rows, &known, false);
            if rows.is_empty() {
                continue;
            }
            let rows = match shared.retry {
                None => rows,
                // Which of them are chosen an answer may have to tell.
                Some(_) => {
                    let rows = Arc::new(rows);
                    known = answer(shared, step, &mapping, &rows, known, false).await?;
                    let rows = Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
                    retry::only_chosen(shared, step, &mapping, rows, &known, true)
                }
            };
            let count = rows.len() as u64;
            if plan.each.is_some() || shared.retry.is_some() {
                shared.read(step, count);
            }
            shared.mapped(step, count);
            let (divided, again) = map(shared, step, &mapping, rows, known, &mut ask_first).await?;
            known = again;
            let mut rows = divided.fresh;
            if !divided.remembered.is_empty() {
                let (fresh, told) = recall::look_for_lost(shared, step, divided.remembered).await?;
                rows.extend(fresh);
                if !told.is_empty() && mapped.send(Settling::Remembered(told)).await.is_err() {
                    return Err(EngineError::Interrupted);
                }
            }
            match gate.take() {
                Some(held) => gate = Some(held.take(shared, step, rows).await?),
                None => settle(shared, step, rows, mapped).await?,
            }
        }
    }
    let Some(gate) = gate else { return Ok(()) };
    // Rows that did not arrive are no rows that are missing.
    if shared.halted() {
        return Err(EngineError::Interrupted);
    }
    let mut passed = gate.open(shared, step).await?;
    handover::set(shared, step, StepStage::Allowed).await?;
    while let Some(rows) = passed.next(shared).await? {
        if shared.halted() {
            return Err(EngineError::Interrupted);
        }
        settle(shared, step, rows, mapped).await?;
    }
    Ok(())
}

/// Settles what is done with rows, while others are mapped.
async fn settle(
    shared: &Arc<Shared>,
    step: usize,
    rows: Vec<WriteRow>,
    mapped: &mpsc::Sender<Settling>,
) -> Result<(), EngineError> {
    let shared_too = Arc::clone(shared);
    let work = async move {
        let rows = sent::skip(&shared_too, step, rows).await?;
        let rows = look_first(&shared_too, step, rows).await?;
        let rows = retry::keep_apart(&shared_too, step, rows).await?;
        settle_held(&shared_too, step, rows).await
    };
    // A place is taken before the work begins, or there would be one more at once.
    let Ok(place) = mapped.reserve().await else {
        return Err(EngineError::Interrupted);
    };
    let mut work = tokio::spawn(work);
    if shared.retry.is_some() {
        // Two rows that meet in one record: the second has to see what became of the first.
        let rows = joined((&mut work).await)?;
        work = tokio::spawn(async move { Ok(rows) });
    }
    place.send(Settling::Rows(work));
    Ok(())
}

/// What a task came to.
pub(super) fn joined<T>(ended: Result<Result<T, EngineError>, JoinError>) -> Result<T, EngineError> {
    ended.unwrap_or_else(|error| Err(EngineError::Broken(error.to_string())))
}

/// Hands rows to whoever writes, in their order, as soon as it is settled what is done with them.
async fn pass_on(
    shared: &Arc<Shared>,
    mut settling: mpsc::Receiver<Settling>,
    ready: mpsc::Sender<Ready>,
) -> Result<(), EngineError> {
    let mut result = Ok(());
    let halting = Halting::new(shared);
    // To the end even after an error: what has begun writes down what becomes of its rows.
    while let Some(batch) = settling.recv().await {
        let ended = match batch {
            Settling::Remembered(rows) => Ok(Ready::Remembered(rows)),
            Settling::Rows(work) => joined(work.await).map(Ready::Rows),
        };
        let passed = match ended {
            _ if result.is_err() => continue,
            Ok(Ready::Rows(rows)) if rows.is_empty() => continue,
            Ok(batch) => ready.send(batch).await.map_err(|_| EngineError::Interrupted),
            Err(error) => Err(error),
        };
        if passed.is_err() {
            result = passed;
            // Before the next stage sees the end of its channel.
            shared.halt();
            settling.close();
        }
    }
    halting.end(result)
}

/// Rows whose mapping failed in a field that is sent only when a record is created, or only when it is updated, end
/// here if it is: what is done with each row is known now.
async fn settle_held(
    shared: &Arc<Shared>,
    step: usize,
    mut rows: Vec<WriteRow>,
) -> Result<Vec<WriteRow>, EngineError> {
    let plan = &shared.plan.steps[step];
    let mut ends = Vec::new();
    let held: Vec<WriteRow> = rows
        .extract_if(.., |row| {
            let end = row.settle_held(&plan.write);
            let is_held = end.is_some();
            ends.extend(end);
            is_held
        })
        .collect();
    let (mut ended, mut aside) = (Vec::new(), Vec::new());
    let mut stop = None;
    for (row, end) in held.into_iter().zip(ends) {
        let reason = match end {
            RowEnd::Filtered => {
                ended.push(RowResult {
                    source_id: row.source_id,
                    target_id: None,
                    outcome: Outcome::Filtered,
                    reason: None,
                });
                continue;
            }
            // A field that is mapped is not held.
            RowEnd::Pending | RowEnd::Mapped(_) => unanswered(),
            RowEnd::Parked(reason) => reason,
            RowEnd::Stop(reason) => {
                stop.get_or_insert((row.source_id.clone(), reason.clone()));
                reason
            }
        };
        aside.push(shared.parked_row(plan, &row.source_id, &row.source));
        ended.push(parked(row.source_id, row.record_id, reason));
    }
    shared.record(step, Phase::Written, ended, aside).await?;
    match stop {
        None => Ok(rows),
        Some((source_id, reason)) => Err(EngineError::RowStopped {
            step: plan.name.clone(),
            source_id: source_id.to_string(),
            reason: Box::new(reason),
        }),
    }
}
