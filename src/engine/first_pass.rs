//! Extraction, transformation and loading of one step, at the same time, in bounded batches.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use tokio::sync::mpsc;

use super::{
    EngineError,
    answers::{Search, find, resolve},
    checks::{self, Gate},
    each::{self, Entries},
    into_file,
    look_first::look_first,
    reconcile, sent,
    shared::{Phase, Shared, blocking},
};
use crate::{
    event::Event,
    extract::{self, ExtractError},
    load::{Loader, Unit, WriteRow, Written, prepare},
    pipeline::{
        expr::Context,
        model::{Nulls, Operation},
    },
    plan::{PlanStep, ReadFrom, RowIdPlan, TargetKey},
    record::{Batch, FieldPath, Outcome, ParkReason, Row, RowResult},
    state::{Deferred, ParkedRow},
    transform::{Cell, Known, Mapping, RowEnd},
};

/// Lookups whose answers are kept between batches; beyond, they are asked again.
const MOST_LOOKUPS: usize = 50_000;

/// Records that are asked for in one query.
const READ_AGAIN: usize = 200;

/// Runs the first pass of a step: every source row ends in an outcome, or the run stops.
pub(super) async fn run(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
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
        None => Ok(()),
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
        // With `each` its rows are counted, not those that they are made of.
        if plan.each.is_none() {
            shared.read(step, batch.rows.len() as u64);
        }
        let batches = batches.clone();
        async move { batches.send(batch).await.is_ok() }
    };
    let halted = || shared.halted();
    let restarted = || shared.events.send(Event::CursorRestarted { step });
    let mut end = extract::read(&plan.read, from, &shared.vars, &halted, &restarted, &mut take).await;
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
    ready: mpsc::Sender<Vec<WriteRow>>,
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
    ready: &mpsc::Sender<Vec<WriteRow>>,
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let mapping = Arc::new(plan.mapping.clone());
    let mut known = Known::new(Arc::clone(&plan.record_types)).masking(shared.masker.clone());
    let mut ordinal = 0u64;
    let mut gate = Gate::of(shared, step).await?;
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
            let count = rows.len() as u64;
            if plan.each.is_some() {
                shared.read(step, count);
            }
            let rows = Arc::new(rows);
            known.next_batch(MOST_LOOKUPS);
            known = answer(shared, step, &mapping, &rows, known, false).await?;
            shared.mapped(step, count);
            let (rows, again) = map(shared, step, &mapping, rows, known, ordinal).await?;
            known = again;
            ordinal += count;
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
    ready: &mpsc::Sender<Vec<WriteRow>>,
) -> Result<(), EngineError> {
    let rows = sent::skip(shared, step, rows).await?;
    let rows = look_first(shared, step, rows).await?;
    let rows = settle_held(shared, step, rows).await?;
    if !rows.is_empty() && ready.send(rows).await.is_err() {
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
struct Mapped {
    ready: Vec<WriteRow>,
    ended: Vec<RowResult>,
    parked: Vec<ParkedRow>,
    stop: Option<(CompactString, ParkReason)>,
}

async fn map(
    shared: &Arc<Shared>,
    step: usize,
    mapping: &Arc<Mapping>,
    rows: Arc<Vec<Row>>,
    known: Known,
    ordinal: u64,
) -> Result<(Vec<WriteRow>, Known), EngineError> {
    let (mapping, shared_too) = (Arc::clone(mapping), Arc::clone(shared));
    let (mapped, known) = blocking(move || {
        let shared = shared_too;
        let mut mapped = Mapped::default();
        // Nobody else holds the rows any more: they move into what is written.
        let rows = Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
        for (row, nth) in rows.into_iter().zip(ordinal + 1..) {
            map_row(&shared, step, &mapping, row, nth, &known, &mut mapped);
        }
        claim(&shared, step, &mut mapped)?;
        Ok((mapped, known))
    })
    .await?;
    shared
        .record(step, Phase::Mapped, mapped.ended, mapped.parked)
        .await?;
    match mapped.stop {
        Some((source_id, reason)) => Err(EngineError::RowStopped {
            step: shared.plan.steps[step].name.clone(),
            source_id: source_id.to_string(),
            reason: Box::new(reason),
        }),
        None => Ok((mapped.ready, known)),
    }
}

fn map_row(
    shared: &Shared,
    step: usize,
    mapping: &Mapping,
    row: Row,
    nth: u64,
    known: &Known,
    mapped: &mut Mapped,
) {
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
        .unwrap_or_else(|| format_compact!("#{nth}"));
    let mut park = |id: CompactString, row: &Row, reason: ParkReason| {
        mapped.parked.push(shared.parked_row(plan, &id, row));
        mapped.ended.push(parked(id, None, reason));
    };
    match end {
        RowEnd::Mapped(cells) if let Some(reason) = checks::look(shared, step, &cells) => {
            park(id, &row, reason);
        }
        RowEnd::Mapped(cells) => match prepare(id, row, cells, &plan.write, nulls(plan)) {
            Ok(ready) => mapped.ready.push(ready),
            Err(refused) => {
                let (id, row, reason) = *refused;
                park(id, &row, reason);
            }
        },
        RowEnd::Filtered => mapped.ended.push(RowResult {
            source_id: id,
            target_id: None,
            outcome: Outcome::Filtered,
            reason: None,
        }),
        RowEnd::Parked(reason) => park(id, &row, reason),
        RowEnd::Stop(reason) => {
            mapped.stop.get_or_insert((id.clone(), reason.clone()));
            park(id, &row, reason);
        }
        RowEnd::Pending => park(id, &row, unanswered()),
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
fn line(plan: &PlanStep, row: &Row) -> Option<CompactString> {
    let ReadFrom::File { line, .. } = plan.read.from else {
        return None;
    };
    Some(format_compact!("#{}", row.get(line)?.as_text()?))
}

fn row_id(
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

/// Two rows with one key never overwrite each other: the later one is parked. Where the row id is not the org's own
/// `Id`, two rows may share that too.
fn claim(shared: &Shared, step: usize, mapped: &mut Mapped) -> Result<(), crate::state::StateError> {
    let plan = &shared.plan.steps[step];
    let book = &shared.books[step];
    let rows = std::mem::take(&mut mapped.ready);
    let mut fresh_ids = vec![true; rows.len()];
    if ids_may_repeat(plan) {
        let ended = mapped.ended.iter().map(|r| &r.source_id);
        // A character that no key begins with keeps ids and keys apart.
        let ids: Vec<CompactString> = ended
            .chain(rows.iter().map(|r| &r.source_id))
            .map(|id| format_compact!("\u{1}{id}"))
            .collect();
        let mut fresh = shared.store.claim_keys(book.step, &ids)?;
        fresh_ids = fresh.split_off(mapped.ended.len());
        for (result, _) in mapped.ended.iter_mut().zip(fresh).filter(|(_, fresh)| !fresh) {
            let own = apart(&result.source_id);
            if let Some(row) = mapped
                .parked
                .iter_mut()
                .find(|row| row.source_id == result.source_id)
            {
                row.source_id = own.clone();
            }
            result.source_id = own;
        }
    }
    // What is only matched overwrites nothing: several rows may be one record.
    let key_of = |row: &WriteRow| match plan.write.operation {
        Operation::Match => None,
        _ => row.claim(&plan.write),
    };
    let keys: Vec<CompactString> = rows
        .iter()
        .zip(&fresh_ids)
        .filter_map(|(row, fresh)| key_of(row).filter(|_| *fresh))
        .collect();
    let mut fresh_keys = shared.store.claim_keys(book.step, &keys)?.into_iter();
    for (mut row, fresh_id) in rows.into_iter().zip(fresh_ids) {
        let duplicate = if !fresh_id {
            let reason = match row.key_text(&plan.write) == row.source_id.as_str() {
                true => duplicate_key(plan, &row),
                false => ParkReason {
                    code: "duplicate_id".into(),
                    message: format!("the source gives the row id `{}` more than once", row.source_id),
                    field: None,
                    help: "name what tells the rows apart with `id` in the source".into(),
                },
            };
            row.source_id = apart(&row.source_id);
            Some(reason)
        } else if key_of(&row).is_some() && !fresh_keys.next().unwrap_or(true) {
            Some(duplicate_key(plan, &row))
        } else {
            None
        };
        match duplicate {
            None => mapped.ready.push(row),
            Some(reason) => {
                mapped
                    .parked
                    .push(shared.parked_row(plan, &row.source_id, &row.source));
                mapped.ended.push(parked(row.source_id, None, reason));
            }
        }
    }
    Ok(())
}

/// An org gives each `Id` once; what else a file names as the row id may come twice.
fn ids_may_repeat(plan: &PlanStep) -> bool {
    match (&plan.read.from, &plan.row_id) {
        (ReadFrom::Query { .. }, RowIdPlan::Expr(id)) => id
            .as_column()
            .and_then(|column| plan.read.columns.get(column))
            .is_none_or(|path| !path.as_str().eq_ignore_ascii_case("Id")),
        _ => true,
    }
}

/// A row id of its own for a row whose id is taken: the journal has one line a row.
fn apart(id: &str) -> CompactString {
    format_compact!("{id}#{:08x}", fastrand::u32(..))
}

fn duplicate_key(plan: &PlanStep, row: &WriteRow) -> ParkReason {
    let key = plan.write.key.as_ref();
    ParkReason {
        code: "duplicate_key".into(),
        message: format!(
            "an earlier row of this step has the same {} `{}`",
            key.map_or_else(|| "key".to_owned(), TargetKey::names),
            row.key_text(&plan.write)
        ),
        field: key.and_then(|k| Some(k.fields.first()?.field.as_str().into())),
        help: "make the keys differ, or let `when` choose one of the rows".into(),
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
    mut outgoing: mpsc::Receiver<Vec<WriteRow>>,
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    if let Some(file) = &plan.write.file {
        return into_file::load(shared, step, file, outgoing).await;
    }
    let write = Arc::new(plan.write.clone());
    let client = shared.org(&write.connection)?.clone();
    let retrying = retrying(shared, step);
    let source = shared.org(&plan.read.connection).ok().cloned();
    let mut loader = Loader::new(client, source, Arc::clone(&write), &plan.policy, retrying);
    let mut result = Ok(());
    while let Some(rows) = outgoing.recv().await {
        if shared.halted() {
            break;
        }
        for unit in loader.push(rows).await {
            result = result.and(settle(shared, step, unit).await);
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
    let shared_too = Arc::clone(shared);
    let (ended, aside, marks) = blocking(move || {
        let marks = sent::marks(&shared_too, step, &rows);
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
    recorded.and(asked).and(match unit.error {
        None => Ok(()),
        Some(source) => Err(EngineError::Org {
            connection: shared.plan.steps[step].write.connection.clone(),
            source,
        }),
    })
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
    let by: Vec<FieldPath> = key.fields.iter().map(|f| f.field.as_str().into()).collect();
    let search = Search {
        object: &write.object,
        by: &by,
        condition: None,
        select: &[],
    };
    let keys: Vec<_> = lost.iter().map(|at| rows[*at].0.key(write)).collect();
    let found = find(shared, &write.connection, &search, &keys).await?;
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
    let (outcome, id) = match written {
        Written::Created(id) => (Outcome::Created, id),
        Written::Updated(id) => (Outcome::Updated, id),
        Written::Unchanged(id) => (Outcome::Unchanged, id),
        Written::Deleted(id) => (Outcome::Deleted, id),
        // Nothing is left that a row could have become.
        Written::Gone => {
            return RowResult {
                source_id: row.source_id,
                target_id: None,
                outcome: Outcome::Unchanged,
                reason: None,
            };
        }
        Written::Failed { id, reason } => {
            aside.push(shared.parked_row(&shared.plan.steps[step], &row.source_id, &row.source));
            return parked(row.source_id, id, reason);
        }
    };
    if row.later {
        let values: Vec<_> = row.source.iter().map(crate::record::Value::to_json).collect();
        deferred.push(Deferred {
            source_id: row.source_id.clone(),
            target_id: id.clone(),
            outcome,
            payload: serde_json::Value::Array(values).to_string(),
        });
    }
    RowResult {
        source_id: row.source_id,
        target_id: Some(id),
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
