//! References that loop: rows that were written without them get them now, and nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use compact_str::CompactString;

use super::{
    EngineError,
    mapped::{answer, context, parked, unanswered},
    recall, sent,
    shared::{Shared, blocking},
    writing::{end_units, pieces, retrying},
};
use crate::{
    event::Event,
    load::{Action, Journal, Loader, Plain, Unit, WriteRow, Written, prepare},
    pipeline::model::Operation,
    plan::{Road, WRITE_BULK_FROM, Write},
    record::{Outcome, ParkReason, Row, RowResult, Value},
    state::{Deferred, ParkedRow, SentMark, StateError},
    transform::{Known, Mapping, RowEnd},
};

/// Rows that are taken from the state at a time.
const PAGE: usize = 2_000;

/// What the row had ended as in the first pass, and the row that waits to be parked.
type Repark = (Outcome, RowResult, ParkedRow);

/// Counts what the second pass will have to write, when the first one has ended.
pub(super) async fn count(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
    if shared.plan.steps[step].second_pass_after.is_empty() {
        return Ok(());
    }
    let count = left(shared, step).await?;
    shared.books[step].second_pass.store(count, Ordering::Relaxed);
    Ok(())
}

async fn left(shared: &Arc<Shared>, step: usize) -> Result<u64, EngineError> {
    let (store, book) = (Arc::clone(&shared.store), shared.books[step].step);
    blocking(move || store.deferred_count(book)).await
}

/// Writes the looping references of all rows that were put aside.
pub(super) async fn run(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let count = shared.books[step].second_pass.load(Ordering::Relaxed);
    if count == 0 {
        return Ok(());
    }
    shared.events.send(Event::SecondPassStarted { step, rows: count });
    let before_now = count.saturating_sub(left(shared, step).await?);
    if before_now > 0 {
        shared.events.send(Event::SecondPassRows {
            step,
            rows: before_now,
        });
    }
    recall::ask(shared, step, 2).await?;
    let (mapping, write) = looping(shared, step, count);
    let client = shared.org(&write.connection)?.clone();
    let mut loader = Loader::new(
        client,
        None,
        Arc::clone(&write),
        &plan.policy,
        Journal::new(Arc::clone(&shared.store), shared.books[step].step, 2),
        Some(count),
        retrying(shared, step),
    );
    let mut before: HashMap<CompactString, Before> = HashMap::new();
    let mut after: Option<CompactString> = None;
    let mut known = Known::new(Arc::clone(&plan.record_types)).masking(shared.masker.clone());
    let mut result = Ok(());
    while result.is_ok() && !shared.halted() {
        match next_page(shared, step, &mapping, &write, &mut after, &mut known).await {
            Ok(None) => break,
            Ok(Some(page)) => {
                let mut through = page.idle;
                through.extend(page.reparked.iter().map(|(_, row, _)| row.source_id.clone()));
                result = shared.repark(step, page.reparked).await;
                result = result.and(sent::set(shared, step, page.marks).await);
                result = result.and(self::through(shared, step, through).await);
                let (mut rows, mut remembered) = (Vec::new(), Vec::new());
                for (row, was) in page.ready {
                    before.insert(row.source_id.clone(), was);
                    match shared.books[step].recalled.take(&row.source_id) {
                        Some(known) => remembered.push((row, known)),
                        None => rows.push(row),
                    }
                }
                for unit in loader.push_remembered(remembered).await {
                    result = result.and(settle(shared, step, unit, &mut before).await);
                }
                for piece in pieces(rows, &write) {
                    if shared.halted() || result.is_err() {
                        break;
                    }
                    for unit in loader.push(piece).await {
                        result = result.and(settle(shared, step, unit, &mut before).await);
                    }
                }
            }
            Err(error) => result = Err(error),
        }
    }
    // Whatever happened, what is under way is waited for and written down.
    if !shared.halted() && result.is_ok() {
        for unit in loader.flush().await {
            result = result.and(settle(shared, step, unit, &mut before).await);
        }
    }
    while let Some(unit) = loader.next().await {
        result = result.and(settle(shared, step, unit, &mut before).await);
    }
    result?;
    if shared.halted() {
        return Err(EngineError::Interrupted);
    }
    recall::forget(shared, step).await
}

/// Rows that are through, which a later sitting has not to look at.
async fn through(shared: &Arc<Shared>, step: usize, ids: Vec<CompactString>) -> Result<(), EngineError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = ids.len() as u64;
    let (store, book) = (Arc::clone(&shared.store), shared.books[step].step);
    blocking(move || store.undefer(book, &ids)).await?;
    shared.events.send(Event::SecondPassRows { step, rows });
    Ok(())
}

/// A row before the second pass: what it had ended as, and its mark once it is through.
#[derive(Clone, Copy)]
struct Before {
    outcome: Outcome,
    mark: Option<SentMark>,
}

/// A page of rows that were put aside, mapped.
#[derive(Default)]
struct Page {
    /// Rows to write, with what they had ended as.
    ready: Vec<(WriteRow, Before)>,
    /// Marks of rows that have nothing to write.
    marks: Vec<(CompactString, Option<SentMark>)>,
    /// Rows that have nothing to write.
    idle: Vec<CompactString>,
    /// Rows that cannot be mapped.
    reparked: Vec<Repark>,
    stop: Option<(CompactString, ParkReason)>,
}

async fn next_page(
    shared: &Arc<Shared>,
    step: usize,
    mapping: &Arc<Mapping>,
    write: &Arc<Write>,
    after: &mut Option<CompactString>,
    known: &mut Known,
) -> Result<Option<Page>, EngineError> {
    let (store, from, book) = (Arc::clone(&shared.store), after.clone(), shared.books[step].step);
    let shared_too = Arc::clone(shared);
    let (page, rows, settled, last) = blocking(move || {
        let page = store.deferred(book, from.as_deref(), PAGE)?;
        let last = page.last().map(|deferred| deferred.source_id.clone());
        let (page, settled) = unsettled(&shared_too, step, page)?;
        let rows: Vec<Row> = page.iter().map(|d| source_row(&d.payload)).collect();
        Ok((page, Arc::new(rows), settled, last))
    })
    .await?;
    let Some(last) = last else { return Ok(None) };
    *after = Some(last);
    known.next_batch(0);
    let answered = answer(shared, step, mapping, &rows, std::mem::take(known), true).await?;
    let (shared_too, mapping, write) = (Arc::clone(shared), Arc::clone(mapping), Arc::clone(write));
    let (page, answered) = blocking(move || {
        let mut mapped = Page {
            idle: settled,
            ..Page::default()
        };
        let marks = match write.compare_sent {
            true => {
                let ids: Vec<CompactString> = page.iter().map(|d| d.source_id.clone()).collect();
                shared_too.store.sent(shared_too.books[step].links, &ids)?
            }
            false => vec![None; page.len()],
        };
        for ((deferred, row), mark) in page.into_iter().zip(rows.iter()).zip(marks) {
            map_row(
                &shared_too,
                step,
                &mapping,
                &write,
                deferred,
                row,
                mark.map(|(_, mark)| mark),
                &answered,
                &mut mapped,
            );
        }
        Ok((mapped, answered))
    })
    .await?;
    *known = answered;
    match page.stop {
        Some((source_id, reason)) => Err(EngineError::RowStopped {
            step: shared.plan.steps[step].name.clone(),
            source_id: source_id.to_string(),
            reason: Box::new(reason),
        }),
        None => Ok(Some(page)),
    }
}

/// Leaves out the rows that an earlier sitting has settled and had no time to take off the list: their outcome is
/// another one now.
fn unsettled(
    shared: &Shared,
    step: usize,
    page: Vec<Deferred>,
) -> Result<(Vec<Deferred>, Vec<CompactString>), StateError> {
    if shared.sitting == 1 {
        return Ok((page, Vec::new()));
    }
    let plan = &shared.plan.steps[step];
    let ids: Vec<CompactString> = page.iter().map(|deferred| deferred.source_id.clone()).collect();
    let ended = shared.store.ended(shared.books[step].step, &ids)?;
    let (mut left, mut settled) = (Vec::with_capacity(page.len()), Vec::new());
    let (mut again, mut aside) = (Vec::new(), Vec::new());
    for (deferred, ended) in page.into_iter().zip(ended) {
        match ended {
            Some(ended) if ended.outcome != deferred.outcome => {
                if ended.outcome == Outcome::Parked {
                    let row = source_row(&deferred.payload);
                    aside.push(shared.parked_row(plan, &deferred.source_id, &row));
                }
                again.push(RowResult {
                    source_id: deferred.source_id.clone(),
                    target_id: ended.target_id,
                    outcome: ended.outcome,
                    reason: None,
                });
                settled.push(deferred.source_id);
            }
            _ => left.push(deferred),
        }
    }
    shared.keep_again(step, &again, &aside)?;
    Ok((left, settled))
}

/// The step with its looping fields only, as an update by Id.
fn looping(shared: &Shared, step: usize, count: u64) -> (Arc<Mapping>, Arc<Write>) {
    let plan = &shared.plan.steps[step];
    let (fields, targets): (Vec<_>, Vec<crate::plan::TargetField>) = plan
        .mapping
        .fields
        .iter()
        .zip(&plan.write.fields)
        .filter(|(mapped, _)| mapped.looping)
        .map(|(mapped, target)| (mapped.clone(), target.clone()))
        .unzip();
    let group = plan.write.group.and_then(|at| plan.write.fields.get(at));
    let group = group.and_then(|field| targets.iter().position(|t| t.name == field.name));
    let write = Write {
        operation: Operation::Update,
        key: None,
        group,
        // The first pass has looked at each row's kind; the looping fields alone do not tell it.
        persons: None,
        fields: targets,
        road: match plan.write.api {
            crate::pipeline::model::Api::Auto if count < WRITE_BULK_FROM => Road::Rest,
            crate::pipeline::model::Api::Auto => Road::Bulk,
            _ => plan.write.road,
        },
        look_first: false,
        compare: false,
        ..plan.write.clone()
    };
    (Arc::new(Mapping { when: None, fields }), Arc::new(write))
}

#[expect(clippy::too_many_arguments, reason = "one row meets all that a page has")]
fn map_row(
    shared: &Shared,
    step: usize,
    mapping: &Mapping,
    write: &Write,
    deferred: Deferred,
    row: &Row,
    was: Option<SentMark>,
    known: &Known,
    page: &mut Page,
) {
    let plan = &shared.plan.steps[step];
    let park = |reason: ParkReason| {
        let result = parked(
            deferred.source_id.clone(),
            Some(deferred.target_id.clone()),
            written(reason),
        );
        (
            deferred.outcome,
            result,
            shared.parked_row(plan, &deferred.source_id, row),
        )
    };
    match mapping.map(&context(shared, plan, row), known, true) {
        RowEnd::Mapped(cells) => {
            match prepare(
                deferred.source_id.clone(),
                row.clone(),
                cells,
                write,
                plan.policy.nulls,
            ) {
                Ok(mut row) => {
                    row.record_id = Some(deferred.target_id.clone());
                    row.action = Action::Update;
                    let mark = was.map(|was| sent::with_second_pass(was, write, &row));
                    // A record that the first pass made has nothing to clear.
                    if deferred.outcome == Outcome::Created {
                        // Nor does it get what only records that were there before get.
                        for (cell, field) in row.cells.iter_mut().zip(&write.fields) {
                            if *cell == Plain::Clear || !field.createable {
                                *cell = Plain::Omit;
                            }
                        }
                    }
                    if let Some(RowEnd::Parked(reason)) = row.settle_held(write) {
                        page.reparked.push(park(reason));
                        return;
                    }
                    if row.is_empty(write) {
                        page.marks
                            .extend(mark.map(|mark| (row.source_id.clone(), Some(mark))));
                        page.idle.push(row.source_id);
                    } else {
                        let outcome = deferred.outcome;
                        page.ready.push((row, Before { outcome, mark }));
                    }
                }
                Err(refused) => page.reparked.push(park(refused.2)),
            }
        }
        // `missing: skip` of a row that is written already can only mean: without the reference.
        RowEnd::Filtered => page.idle.push(deferred.source_id),
        RowEnd::Parked(reason) => page.reparked.push(park(reason)),
        RowEnd::Stop(reason) => {
            page.stop.get_or_insert((deferred.source_id.clone(), reason));
        }
        RowEnd::Pending => page.reparked.push(park(unanswered())),
    }
}

async fn settle(
    shared: &Arc<Shared>,
    step: usize,
    unit: Unit,
    before: &mut HashMap<CompactString, Before>,
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let (mut reparked, mut updated, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    let done = unit.rows.iter().map(|(row, _)| row.source_id.clone()).collect();
    for (row, end) in unit.rows {
        let before = before.remove(&row.source_id);
        let outcome = before.map_or(Outcome::Updated, |before| before.outcome);
        if end.record().is_some() {
            let mark = before.and_then(|before| before.mark);
            marks.extend(mark.map(|mark| (row.source_id.clone(), Some(mark))));
        }
        if outcome == Outcome::Unchanged && matches!(end, Written::Updated(_)) {
            updated.push((row.source_id.clone(), row.record_id.clone()));
        }
        if let Written::Failed { reason, .. } = end {
            let result = parked(row.source_id.clone(), row.record_id.clone(), written(reason));
            reparked.push((
                outcome,
                result,
                shared.parked_row(plan, &row.source_id, &row.source),
            ));
        }
    }
    let result = shared.repark(step, reparked).await;
    let result = result.and(shared.now_updated(step, updated).await);
    let mut result = result.and(sent::set(shared, step, marks).await);
    if result.is_ok() {
        result = through(shared, step, done).await;
    }
    if result.is_ok() {
        result = end_units(shared, unit.journaled).await;
    }
    result.and(match unit.error {
        None => Ok(()),
        Some(error) => Err(recall::of_target(shared, step, error)),
    })
}

/// The record is there; only its reference is not.
fn written(mut reason: ParkReason) -> ParkReason {
    reason
        .message
        .push_str(" (the record itself was written, without this reference)");
    reason
}

fn source_row(payload: &str) -> Row {
    match serde_json::from_str(payload) {
        Ok(serde_json::Value::Array(values)) => values.iter().map(Value::from_json).collect(),
        _ => Row::default(),
    }
}
