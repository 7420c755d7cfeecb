//! A batch is mapped: what its rows ask is answered, and each of them comes to an end or is ready to be written.

use std::{collections::HashSet, sync::Arc};

use compact_str::{CompactString, format_compact};

use super::{
    EngineError,
    answers::resolve,
    checks,
    claim::{Origin, claim, ids_may_repeat, nameless},
    each, reconcile,
    rows::{Divided, divide},
    shared::{Phase, Shared, blocking},
};
use crate::{
    load::{WriteRow, prepare},
    pipeline::{expr::Context, model::Nulls},
    plan::{PlanStep, ReadFrom, RowIdPlan},
    record::{Outcome, ParkReason, Row, RowResult},
    state::ParkedRow,
    transform::{Cell, Known, Mapping, RowEnd},
};

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
            ask_all(&shared_too, step, &mapping, &rows, &known);
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

fn ask_all(shared: &Shared, step: usize, mapping: &Mapping, rows: &[Row], known: &Known) {
    let plan = &shared.plan.steps[step];
    for row in rows {
        mapping.ask(&context(shared, plan, row), known);
    }
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

/// A batch that is being mapped.
struct InWork {
    rows: Vec<Row>,
    /// How each of them ends; `None` as long as it is open.
    ends: Vec<Option<RowEnd>>,
}

/// How far a batch has come.
enum Way {
    /// There are questions to be answered first; how often they were asked.
    Asking(InWork, Known, u64),
    Mapped(Divided, Option<(CompactString, ParkReason)>, Known),
}

/// Maps a batch. Where answers are missing they are asked for, and the rows that need them are mapped once more. With
/// `ask_first` all questions are asked before any row is mapped, which costs less where many answers are missing; whether
/// they were is put there for the next batch.
pub(super) async fn map(
    shared: &Arc<Shared>,
    step: usize,
    mapping: &Arc<Mapping>,
    rows: Vec<Row>,
    mut known: Known,
    ask_first: &mut bool,
) -> Result<(Divided, Known), EngineError> {
    let asks_first = std::mem::take(ask_first);
    let few = rows.len() as u64 / 8;
    let mut work = InWork {
        ends: vec![None; rows.len()],
        rows,
    };
    let mut rounds = mapping.rounds();
    let (mut divided, stop, known) = loop {
        let (mapping, shared_too) = (Arc::clone(mapping), Arc::clone(shared));
        let open = rounds > 0;
        // Most answers are known, and then all is done in one go: a way to another thread and back costs as much as some
        // rows.
        let way = blocking(move || {
            if open {
                let missed = work.ask(&shared_too, step, &mapping, &known, asks_first);
                if missed > 0 {
                    return Ok(Way::Asking(work, known, missed));
                }
            }
            let mut mapped = Mapped::default();
            for (row, end) in work.rows.into_iter().zip(work.ends) {
                let end = end.unwrap_or_else(|| end_of(&shared_too, step, &mapping, &row, &known));
                finish(&shared_too, step, &mapping, row, end, &known, &mut mapped);
            }
            claim(&shared_too, step, &mut mapped)?;
            let stop = mapped.stop.take();
            Ok(Way::Mapped(divide(&shared_too, step, mapped)?, stop, known))
        })
        .await?;
        match way {
            Way::Mapped(divided, stop, known) => break (divided, stop, known),
            Way::Asking(same, asked, missed) => {
                (work, known) = (same, asked);
                *ask_first |= missed > few;
                let demands = known.take_demands();
                resolve(shared, step, demands, &mut known, false).await?;
                rounds -= 1;
            }
        }
    };
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

impl InWork {
    /// Notes the answers that are missing: how often there was none. On the way rows are mapped that need no more than
    /// what is known, unless it `asks_first`.
    fn ask(
        &mut self,
        shared: &Shared,
        step: usize,
        mapping: &Mapping,
        known: &Known,
        asks_first: bool,
    ) -> u64 {
        let before = known.missed();
        if asks_first {
            ask_all(shared, step, mapping, &self.rows, known);
            return known.missed() - before;
        }
        for (row, end) in self.rows.iter().zip(&mut self.ends) {
            if end.is_some() {
                continue;
            }
            let missed = known.missed();
            let came_to = end_of(shared, step, mapping, row, known);
            if !matches!(came_to, RowEnd::Mapped(_)) {
                // It came to its end before its last field, and what it is known by, or counted with, may be behind that.
                ask_all(shared, step, mapping, std::slice::from_ref(row), known);
            }
            // What it came to without an answer may not be what it comes to with it.
            if known.missed() == missed {
                *end = Some(came_to);
            }
        }
        known.missed() - before
    }
}

fn end_of(shared: &Shared, step: usize, mapping: &Mapping, row: &Row, known: &Known) -> RowEnd {
    let plan = &shared.plan.steps[step];
    match each::failure(shared, plan, row) {
        Some(reason) => RowEnd::Parked(reason),
        None => mapping.map(&context(shared, plan, row), known, false),
    }
}

/// Puts a row that has come to its end where it belongs.
fn finish(
    shared: &Shared,
    step: usize,
    mapping: &Mapping,
    row: Row,
    end: RowEnd,
    known: &Known,
    mapped: &mut Mapped,
) {
    let plan = &shared.plan.steps[step];
    let context = context(shared, plan, &row);
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
