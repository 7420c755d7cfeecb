//! Extraction, transformation and loading of one step, at the same time, in bounded batches.

use std::{collections::HashSet, sync::Arc};

use compact_str::{CompactString, format_compact};
use tokio::sync::mpsc;

use super::{
    EngineError,
    answers::{by_key, resolve},
    checks::{self, Gate},
    claim::{Origin, claim, ids_may_repeat, nameless},
    each::{self, Entries},
    gone, into_file,
    look_first::look_first,
    note, recall, reconcile, retry,
    rows::{Divided, divide},
    sent,
    shared::{Phase, Shared, blocking},
};
use crate::{
    event::Event,
    extract::{self, ExtractError},
    load::{Journal, Loader, Plain, Remembered, Unit, WriteRow, Written, prepare},
    pipeline::{expr::Context, model::Nulls},
    plan::{PlanStep, ReadFrom, RowIdPlan, Write},
    record::{Batch, Outcome, ParkReason, Row, RowResult},
    state::{Deferred, ParkedRow, StepStage, UnitId},
    transform::{Cell, Known, Mapping, RowEnd},
};

/// Lookups whose answers are kept between batches; beyond, they are asked again.
const MOST_LOOKUPS: usize = 50_000;

/// Rows that the loader takes at a time, at most.
const PIECE: usize = 200;

/// Records that are asked for in one query.
const READ_AGAIN: usize = 200;

/// Rows on their way to whoever writes.
pub(super) enum Ready {
    /// Rows to be sent.
    Rows(Vec<WriteRow>),
    /// Rows that an earlier sitting had sent.
    Remembered(Vec<(WriteRow, Remembered)>),
}

/// Runs the first pass of a step: every source row ends in an outcome, or the run stops.
pub(super) async fn run(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
    recall::ask(shared, step, 1).await?;
    let (batches, incoming) = mpsc::channel(2);
    let (ready, outgoing) = mpsc::channel(2);
    // All three run to their end even when one fails: what is in flight has to be written down.
    let (read, mapped, loaded) = tokio::join!(
        extract(shared, step, batches),
        transform(shared, step, incoming, ready),
        load(shared, step, outgoing),
    );
    // A stage that stops because another one failed says `Interrupted`; the cause is what counts.
    let cause = [loaded, mapped, read]
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

async fn extract(shared: &Arc<Shared>, step: usize, batches: mpsc::Sender<Batch>) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let from = match &plan.read.from {
        ReadFrom::Query { .. } => extract::From::Org(shared.org(&plan.read.connection)?),
        ReadFrom::Http { .. } => extract::From::Callout(shared.callout(&plan.read.connection)?),
        ReadFrom::File { .. } => extract::From::File,
    };
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
    let mut end = Ok(());
    for read in retry::reads(shared, step) {
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
    ready: mpsc::Sender<Ready>,
) -> Result<(), EngineError> {
    let result = transform_all(shared, step, &mut incoming, &ready).await;
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
    ready: &mpsc::Sender<Ready>,
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
                if !told.is_empty() && ready.send(Ready::Remembered(told)).await.is_err() {
                    return Err(EngineError::Interrupted);
                }
            }
            match gate.take() {
                Some(held) => gate = Some(held.take(shared, step, rows).await?),
                None => pass_on(shared, step, rows, ready).await?,
            }
        }
    }
    let Some(gate) = gate else { return Ok(()) };
    // Rows that did not arrive are no rows that are missing.
    if shared.halted() {
        return Err(EngineError::Interrupted);
    }
    let mut passed = gate.open(shared, step).await?;
    note::set(shared, step, StepStage::Allowed).await?;
    while let Some(rows) = passed.next(shared).await? {
        if shared.halted() {
            return Err(EngineError::Interrupted);
        }
        pass_on(shared, step, rows, ready).await?;
    }
    Ok(())
}

/// Settles what is done with rows, and hands them to whoever writes.
async fn pass_on(
    shared: &Arc<Shared>,
    step: usize,
    rows: Vec<WriteRow>,
    ready: &mpsc::Sender<Ready>,
) -> Result<(), EngineError> {
    let rows = sent::skip(shared, step, rows).await?;
    let rows = look_first(shared, step, rows).await?;
    let rows = retry::keep_apart(shared, step, rows).await?;
    let rows = settle_held(shared, step, rows).await?;
    if !rows.is_empty() && ready.send(Ready::Rows(rows)).await.is_err() {
        return Err(EngineError::Interrupted);
    }
    Ok(())
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

async fn load(
    shared: &Arc<Shared>,
    step: usize,
    mut outgoing: mpsc::Receiver<Ready>,
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    if let Some(file) = &plan.write.file {
        return into_file::load(shared, step, file, outgoing).await;
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
        retrying,
    );
    let mut result = Ok(());
    while let Some(ready) = outgoing.recv().await {
        if shared.halted() {
            break;
        }
        match ready {
            // What has ended is written down soon, not when the whole batch is on its way.
            Ready::Rows(rows) => {
                for piece in pieces(rows, &write) {
                    if shared.halted() || result.is_err() {
                        break;
                    }
                    for unit in loader.push(piece).await {
                        result = result.and(settle(shared, step, unit).await);
                    }
                }
            }
            Ready::Remembered(rows) => {
                for unit in loader.push_remembered(rows).await {
                    result = result.and(settle(shared, step, unit).await);
                }
            }
        }
        if result.is_err() {
            break;
        }
    }
    // Whoever still sends hears that nobody listens.
    drop(outgoing);
    let stop = shared.halted() || result.is_err();
    for unit in loader.finish(stop).await {
        result = result.and(settle(shared, step, unit).await);
    }
    if result.is_err() {
        shared.halt();
    }
    result
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
async fn settle(shared: &Arc<Shared>, step: usize, unit: Unit) -> Result<(), EngineError> {
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
