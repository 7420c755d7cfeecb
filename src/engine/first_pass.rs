//! Extraction, transformation and loading of one step, at the same time, in bounded batches. How rows are sent is said in
//! `writing`.

use std::{collections::HashSet, sync::Arc};

use compact_str::{CompactString, format_compact};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

use super::{
    EngineError,
    answers::resolve,
    checks::{self, Gate},
    claim::{Origin, claim, ids_may_repeat, nameless},
    each::{self, Entries},
    handover,
    look_first::look_first,
    recall, reconcile, retry,
    rows::{Divided, divide},
    sent,
    shared::{Phase, Shared, blocking},
    writing::{Ready, load},
};
use crate::{
    event::Event,
    extract::{self, ExtractError},
    load::{Remembered, WriteRow, prepare},
    pipeline::{expr::Context, model::Nulls},
    plan::{PlanStep, ReadFrom, RowIdPlan},
    record::{Batch, Outcome, ParkReason, Row, RowResult},
    salesforce::JobInfo,
    state::{ParkedRow, StepStage},
    transform::{Cell, Known, Mapping, RowEnd},
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
    // All run to their end even when one fails: what is in flight has to be written down.
    let (read, transformed, settled, loaded) = tokio::join!(
        extract(shared, step, ahead, batches),
        transform(shared, step, incoming, mapped),
        pass_on(shared, settling, ready),
        load(shared, step, outgoing),
    );
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
    if end.is_err() {
        shared.halt();
    }
    end.map_err(|error| of_source(plan, error))
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
    let result = transform_all(shared, step, &mut incoming, &mapped).await;
    // Before the next stage sees the end of its channel: after a stop it sends nothing more.
    if result.is_err() {
        shared.halt();
    }
    result
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
            let mut rows = Arc::new(rows);
            known = answer(shared, step, &mapping, &rows, known, false).await?;
            if shared.retry.is_some() {
                let asked = Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
                rows = Arc::new(retry::only_chosen(shared, step, &mapping, asked, &known, true));
            }
            let count = rows.len() as u64;
            if plan.each.is_some() || shared.retry.is_some() {
                shared.read(step, count);
            }
            shared.mapped(step, count);
            let (divided, again) = map(shared, step, &mapping, rows, known).await?;
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
    result
}

/// Gathers the answers that a batch needs.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    step: usize,
    mapping: &Arc<Mapping>,
    rows: &Arc<Vec<Row>>,
    mut known: Known,
    last: bool,
) -> Result<Known, EngineError> {
    // A form inside a form asks only when the inner one is answered; each round goes one deeper.
    for _ in 0..mapping.rounds() {
        let (mapping, rows, shared_too) = (Arc::clone(mapping), Arc::clone(rows), Arc::clone(shared));
        known = blocking(move || {
            for row in rows.iter() {
                mapping.ask(&context(&shared_too, &shared_too.plan.steps[step], row), &known);
            }
            Ok(known)
        })
        .await?;
        let demands = known.take_demands();
        if demands.is_empty() {
            break;
        }
        resolve(shared, step, demands, &mut known, last).await?;
    }
    Ok(known)
}

pub(super) fn context<'a>(
    shared: &'a Shared,
    plan: &PlanStep,
    row: &'a [crate::record::Value],
) -> Context<'a> {
    let (item, item_number) = each::item(plan, row);
    Context {
        row,
        vars: &shared.vars,
        run: &shared.run,
        item,
        item_number,
    }
}

/// What mapping a batch gives.
#[derive(Default)]
pub(super) struct Mapped {
    pub(super) ready: Vec<WriteRow>,
    pub(super) ended: Vec<RowResult>,
    /// What tells the rows of `ended` apart, where their ids may not.
    pub(super) origins: Vec<Origin>,
    pub(super) parked: Vec<ParkedRow>,
    /// Ids of rows that have none of their own.
    pub(super) nameless: HashSet<CompactString>,
    stop: Option<(CompactString, ParkReason)>,
}

async fn map(
    shared: &Arc<Shared>,
    step: usize,
    mapping: &Arc<Mapping>,
    rows: Arc<Vec<Row>>,
    known: Known,
) -> Result<(Divided, Known), EngineError> {
    let (mapping, shared_too) = (Arc::clone(mapping), Arc::clone(shared));
    let (mut divided, stop, known) = blocking(move || {
        let shared = shared_too;
        let mut mapped = Mapped::default();
        // Nobody else holds the rows any more: they move into what is written.
        let rows = Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
        for row in rows {
            map_row(&shared, step, &mapping, row, &known, &mut mapped);
        }
        claim(&shared, step, &mut mapped)?;
        let stop = mapped.stop.take();
        Ok((divide(&shared, step, mapped)?, stop, known))
    })
    .await?;
    shared.skipped(step, divided.skipped);
    let (ended, parked) = (
        std::mem::take(&mut divided.ended),
        std::mem::take(&mut divided.parked),
    );
    shared.record(step, Phase::Mapped, ended, parked).await?;
    match stop {
        Some((source_id, reason)) => Err(EngineError::RowStopped {
            step: shared.plan.steps[step].name.clone(),
            source_id: source_id.to_string(),
            reason: Box::new(reason),
        }),
        None => Ok((divided, known)),
    }
}

fn map_row(shared: &Shared, step: usize, mapping: &Mapping, row: Row, known: &Known, mapped: &mut Mapped) {
    let plan = &shared.plan.steps[step];
    let context = context(shared, plan, &row);
    let end = match each::failure(shared, plan, &row) {
        Some(reason) => RowEnd::Parked(reason),
        None => mapping.map(&context, known, false),
    };
    reconcile::count(shared, step, &end, &context, known);
    let cells = match &end {
        RowEnd::Mapped(cells) => Some(cells.as_slice()),
        _ => None,
    };
    let id = row_id(plan, &context, cells, mapping, known)
        .or_else(|| line(plan, &row))
        .unwrap_or_else(|| {
            let id = nameless(&row);
            mapped.nameless.insert(id.clone());
            id
        });
    let end_here = |mapped: &mut Mapped, id: CompactString, row: &Row, reason: Option<ParkReason>| {
        if ids_may_repeat(plan) {
            mapped.origins.push(Origin::of(plan, row));
        }
        mapped.ended.push(match reason {
            Some(reason) => {
                mapped.parked.push(shared.parked_row(plan, &id, row));
                parked(id, None, reason)
            }
            None => RowResult {
                source_id: id,
                target_id: None,
                outcome: Outcome::Filtered,
                reason: None,
            },
        });
    };
    match end {
        RowEnd::Mapped(cells) if let Some(reason) = checks::look(shared, step, &cells) => {
            end_here(mapped, id, &row, Some(reason));
        }
        RowEnd::Mapped(cells) => match prepare(id, row, cells, &plan.write, nulls(plan)) {
            Ok(ready) => mapped.ready.push(ready),
            Err(refused) => {
                let (id, row, reason) = *refused;
                end_here(mapped, id, &row, Some(reason));
            }
        },
        RowEnd::Filtered => end_here(mapped, id, &row, None),
        RowEnd::Parked(reason) => end_here(mapped, id, &row, Some(reason)),
        RowEnd::Stop(reason) => {
            mapped.stop.get_or_insert((id.clone(), reason.clone()));
            end_here(mapped, id, &row, Some(reason));
        }
        RowEnd::Pending => end_here(mapped, id, &row, Some(unanswered())),
    }
}

/// In a file null is null: there is nothing to be kept.
fn nulls(plan: &PlanStep) -> Nulls {
    match plan.write.file {
        Some(_) => Nulls::Clear,
        None => plan.policy.nulls,
    }
}

/// The line of a file's row, which tells it apart where nothing else does.
pub(super) fn line(plan: &PlanStep, row: &Row) -> Option<CompactString> {
    let ReadFrom::File { line, .. } = plan.read.from else {
        return None;
    };
    Some(format_compact!("#{}", row.get(line)?.as_text()?))
}

pub(super) fn row_id(
    plan: &PlanStep,
    context: &Context<'_>,
    cells: Option<&[Cell]>,
    mapping: &Mapping,
    known: &Known,
) -> Option<CompactString> {
    let part = |at: usize| {
        // A row that is parked for another field has its key all the same.
        let cell = match cells {
            Some(cells) => cells.get(at).cloned(),
            None => mapping.one(at, context, known),
        };
        match cell? {
            Cell::Value(value) => value.as_text().map(CompactString::from),
            _ => None,
        }
    };
    let key = || {
        let fields = &plan.write.key.as_ref()?.fields;
        if let [field] = fields.as_slice() {
            return part(field.at);
        }
        let parts: Vec<CompactString> = fields
            .iter()
            .map(|field| part(field.at).unwrap_or_default())
            .collect();
        parts
            .iter()
            .any(|part| !part.is_empty())
            .then(|| parts.join("/").into())
    };
    // The target's key tells entries apart by itself.
    let placed = |id: CompactString| match &plan.each {
        Some(each) if each.placed && context.item_number > 0 => {
            format_compact!("{id}/{}", context.item_number)
        }
        _ => id,
    };
    match &plan.row_id {
        RowIdPlan::Expr(expr) => expr
            .eval(context)
            .ok()?
            .as_text()
            .map(crate::record::id18)
            .map(placed),
        RowIdPlan::Key => key(),
        RowIdPlan::ColumnOrKey(column) => context
            .row
            .get(*column)
            .and_then(|v| v.as_text())
            .map(crate::record::id18)
            .map(placed)
            .or_else(key),
    }
}

/// Rows whose mapping failed in a field that is sent only when a record is created, or only when it is updated, end
/// here if it is: what is done with each row is known now.
async fn settle_held(
    shared: &Arc<Shared>,
    step: usize,
    rows: Vec<WriteRow>,
) -> Result<Vec<WriteRow>, EngineError> {
    let plan = &shared.plan.steps[step];
    let (mut ready, mut ended, mut aside) = (Vec::with_capacity(rows.len()), Vec::new(), Vec::new());
    let mut stop = None;
    for mut row in rows {
        let reason = match row.settle_held(&plan.write) {
            None | Some(RowEnd::Mapped(_)) => {
                ready.push(row);
                continue;
            }
            Some(RowEnd::Filtered) => {
                ended.push(RowResult {
                    source_id: row.source_id,
                    target_id: None,
                    outcome: Outcome::Filtered,
                    reason: None,
                });
                continue;
            }
            Some(RowEnd::Pending) => unanswered(),
            Some(RowEnd::Parked(reason)) => reason,
            Some(RowEnd::Stop(reason)) => {
                stop.get_or_insert((row.source_id.clone(), reason.clone()));
                reason
            }
        };
        aside.push(shared.parked_row(plan, &row.source_id, &row.source));
        ended.push(parked(row.source_id, row.record_id, reason));
    }
    shared.record(step, Phase::Written, ended, aside).await?;
    match stop {
        None => Ok(ready),
        Some((source_id, reason)) => Err(EngineError::RowStopped {
            step: plan.name.clone(),
            source_id: source_id.to_string(),
            reason: Box::new(reason),
        }),
    }
}

/// A row whose questions stayed open, which is not to be.
pub(super) fn unanswered() -> ParkReason {
    ParkReason {
        code: "unanswered".into(),
        message: "a `ref` or `lookup` got no answer".into(),
        field: None,
        help: "run again; if it stays, please report it".into(),
    }
}

pub(super) fn parked(
    source_id: CompactString,
    target_id: Option<CompactString>,
    reason: ParkReason,
) -> RowResult {
    RowResult {
        source_id,
        target_id,
        outcome: Outcome::Parked,
        reason: Some(reason),
    }
}
