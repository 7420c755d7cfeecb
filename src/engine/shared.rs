//! What all steps of a run share.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{
    EngineError, RunRequest, checks,
    connect::{Connections, Signed},
    linked::Tables,
    recall::Recalled,
    reconcile,
    retry::Chosen,
    rows::Rows,
    since::Incremental,
};
use crate::{
    event::{CheckEnd, Counts, Event, Events},
    extract,
    pipeline::{
        expr::{RunInfo, Vars},
        model::ForeignStep,
    },
    plan::{Plan, PlanStep, Read, ReadFrom, Schemas},
    record::{Batch, Outcome, RowResult},
    state::{LinkSet, ParkedRow, StateError, StepCounts, StepPlace, StepRun, StepStage, Store, UnitRecord},
    transform::Masker,
};

/// What all steps of a run share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) schemas: Schemas,
    pub(super) signed: Signed,
    pub(super) vars: Vars,
    pub(super) run: RunInfo,
    /// `--full`.
    pub(super) full: bool,
    /// How many processes have worked on this run, this one included.
    pub(super) sitting: u32,
    /// Which rows are taken.
    pub(super) rows: Rows,
    /// Of a retry: the rows of another run that are taken, and no others.
    pub(super) retry: Option<Arc<Chosen>>,
    /// How many rows the sources have, in the order of the plan's steps, where that could be asked.
    pub(super) sources: Vec<Option<u64>>,
    /// The project's folder.
    pub(super) project: std::path::PathBuf,
    pub(super) store: Arc<dyn Store>,
    pub(super) events: Events,
    /// In the order of the plan's steps.
    pub(super) books: Vec<Book>,
    /// Id maps that are asked often.
    pub(super) tables: Tables,
    /// The id maps of other files' steps that refs name, by their index and the named credential that is written.
    pub(super) foreign: HashMap<(usize, String), LinkSet>,
    /// Those steps.
    pub(super) foreign_steps: Vec<ForeignStep>,
    /// What masks values, where the project has a key.
    pub(super) masker: Option<Arc<Masker>>,
    cancel: watch::Receiver<bool>,
    halted: AtomicBool,
}

/// A step's place in the state, and its counts.
pub(super) struct Book {
    pub(super) step: StepRun,
    pub(super) links: LinkSet,
    /// What its checks have found so far.
    pub(super) checks: checks::Parked,
    /// What its source comes to, for `reconcile`.
    pub(super) sums: reconcile::Sums,
    /// Where it has a cursor.
    pub(super) incremental: Option<Incremental>,
    /// Whether what it reads is the same before the steps that it waits for have ended.
    pub(super) reads_ahead: bool,
    /// How far it was before this sitting.
    pub(super) stage: StepStage,
    /// What was noted of it then.
    pub(super) note: Option<String>,
    /// What an earlier sitting had sent and not recorded.
    pub(super) units: Vec<UnitRecord>,
    /// What has become of that.
    pub(super) recalled: Recalled,
    /// What its checks have come to.
    pub(super) told: std::sync::Mutex<Vec<CheckEnd>>,
    /// Rows that its second pass has to write, all sittings together.
    pub(super) second_pass: AtomicU64,
    tally: std::sync::Mutex<Tally>,
}

/// A step's counts.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    all: Counts,
    /// Rows that came to the mapping.
    mapped: u64,
    /// Of those, rows that ended there, and rows that were parked there.
    mapped_ended: u64,
    mapped_parked: u64,
}

/// Where rows ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In the mapping: the others of their batch are still on their way.
    Mapped,
    /// In the target, or before its door.
    Written,
}

impl Tally {
    /// What earlier sittings have done: rows that are through with everything.
    fn before(counts: &StepCounts) -> Tally {
        let mut all = Counts {
            read: 0,
            ended: counts.ended,
        };
        all.read = all.done();
        Tally {
            all,
            mapped: all.read,
            mapped_ended: all.read,
            mapped_parked: all.of(Outcome::Parked),
        }
    }

    /// The share of parked rows, from 0 to 1. Rows end in the mapping long before the others of their batch end in
    /// the target; those on their way count as failing at the rate of those that are through.
    fn parked_share(&self) -> f64 {
        // Rows are far below the 2^52 that a float counts exactly.
        let parked = self.all.of(Outcome::Parked);
        let written = self.all.done().saturating_sub(self.mapped_ended);
        let of_written = match written {
            0 => 0.0,
            _ => parked.saturating_sub(self.mapped_parked) as f64 / written as f64,
        };
        let mapped = self.mapped.max(1) as f64;
        self.mapped_parked as f64 / mapped + (1.0 - self.mapped_ended as f64 / mapped) * of_written
    }
}

impl Shared {
    #[expect(
        clippy::too_many_arguments,
        reason = "what a run has gathered meets here, once"
    )]
    pub(super) async fn new(
        request: &RunRequest,
        plan: Plan,
        schemas: Schemas,
        signed: Signed,
        connections: Connections,
        incremental: Vec<Option<Incremental>>,
        run: RunInfo,
        masker: Option<Arc<Masker>>,
        sources: Vec<Option<u64>>,
        recorded: bool,
        full: bool,
    ) -> Result<Shared, EngineError> {
        let mut books = Vec::with_capacity(plan.steps.len());
        let (mut units, counts) = before(request).await?;
        for (planned, incremental) in plan.steps.iter().zip(incremental) {
            let store = Arc::clone(&request.store);
            let (id, name) = (request.id.clone(), planned.name.clone());
            let links = links_of(request, &connections, planned).await?;
            let reads_ahead = reads_ahead(request, &connections, &plan, planned);
            // A file is in place when its step has ended, or not at all.
            let whole = planned.write.file.is_some();
            let (step, place, anew) = blocking(move || {
                // Who only looks has no run in the history.
                if !recorded {
                    return Ok((StepRun(-1), StepPlace::default(), false));
                }
                let step = store.begin_step(&id, &name)?;
                let place = store.step_place(step)?;
                let anew = whole && place.stage < StepStage::FirstPassEnded && place.links.is_some();
                if anew {
                    store.restart_step(step)?;
                }
                Ok((step, place, anew))
            })
            .await?;
            let (store, chosen, name) = (
                Arc::clone(&request.store),
                request.retry.clone(),
                planned.name.clone(),
            );
            let fits = blocking(move || match chosen {
                Some(chosen) => chosen.fits(store.as_ref(), &name, links),
                None => Ok(true),
            })
            .await?;
            if !fits || place.links.is_some_and(|before| before != links) {
                return Err(EngineError::OtherOrgs {
                    step: planned.name.clone(),
                });
            }
            let tally = counts
                .iter()
                .find(|counts| counts.step == planned.name && !anew)
                .map(Tally::before);
            let (own, others) = units.into_iter().partition(|unit| unit.step == planned.name);
            units = others;
            books.push(Book {
                step,
                links,
                checks: checks::Parked::new(planned),
                sums: reconcile::Sums::new(planned),
                incremental,
                stage: if anew { StepStage::Begun } else { place.stage },
                note: place.note.filter(|_| !anew),
                units: own,
                recalled: Recalled::default(),
                reads_ahead,
                told: std::sync::Mutex::default(),
                second_pass: AtomicU64::default(),
                tally: std::sync::Mutex::new(tally.unwrap_or_default()),
            });
        }
        let mut foreign = HashMap::new();
        let written: BTreeSet<&String> = plan.steps.iter().map(|step| &step.write.connection).collect();
        for (at, other) in request.pipeline.foreign.iter().enumerate() {
            for connection in &written {
                let store = Arc::clone(&request.store);
                let (pipeline, step) = (other.pipeline.clone(), other.step.clone());
                let source = connections.identity(other.source.connection());
                let target = connections.identity(connection);
                let links = blocking(move || store.link_set(&pipeline, &step, &source, &target)).await?;
                foreign.insert((at, (*connection).clone()), links);
            }
        }
        let tables = Tables::of(&plan);
        Ok(Shared {
            foreign,
            foreign_steps: request.pipeline.foreign.clone(),
            masker,
            plan,
            schemas,
            signed,
            vars: request.vars.clone(),
            run,
            full,
            sitting: request.sitting,
            rows: request.rows.clone(),
            retry: request.retry.clone(),
            sources,
            project: request.pipeline.project.clone(),
            store: Arc::clone(&request.store),
            events: request.events.clone(),
            books,
            tables,
            cancel: request.cancel.clone(),
            halted: AtomicBool::new(false),
        })
    }

    /// Whether no new work may begin: the user asked to stop, or a step failed.
    pub(super) fn halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || *self.cancel.borrow()
    }

    pub(super) fn cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    pub(super) fn org(&self, connection: &str) -> Result<&crate::salesforce::Client, EngineError> {
        self.signed
            .orgs
            .get(connection)
            .ok_or_else(|| EngineError::Broken(format!("no client for the named credential `{connection}`")))
    }

    pub(super) fn callout(&self, connection: &str) -> Result<&crate::salesforce::Callout, EngineError> {
        self.signed
            .callouts
            .get(connection)
            .ok_or_else(|| EngineError::Broken(format!("no client for the named credential `{connection}`")))
    }

    /// Who is asked for the rows of a source.
    pub(super) fn source(&self, read: &Read) -> Result<extract::From<'_>, EngineError> {
        Ok(match &read.from {
            ReadFrom::Query { .. } => extract::From::Org(self.org(&read.connection)?),
            ReadFrom::Http { .. } => extract::From::Callout(self.callout(&read.connection)?),
            ReadFrom::File { .. } => extract::From::File,
        })
    }

    /// The place in the plan of a step of the pipeline.
    pub(super) fn place(&self, pipeline_index: usize) -> usize {
        self.plan
            .steps
            .iter()
            .position(|s| s.index == pipeline_index)
            .unwrap_or_default()
    }

    /// Sees what came out of the source.
    pub(super) fn see(&self, step: usize, batch: &Batch) {
        if let Some(incremental) = &self.books[step].incremental {
            incremental.read(batch);
        }
    }

    /// Counts rows that came out of the source.
    pub(super) fn read(&self, step: usize, rows: u64) {
        self.with_tally(step, |tally| tally.all.read += rows);
        self.events.send(Event::RowsRead { step, rows });
    }

    /// Rows that came out of the source, came to the mapping, and are left out: they are counted already.
    pub(super) fn skipped(&self, step: usize, rows: u64) {
        if rows == 0 {
            return;
        }
        self.with_tally(step, |tally| {
            tally.all.read = tally.all.read.saturating_sub(rows);
            tally.mapped = tally.mapped.saturating_sub(rows);
        });
        self.events.send(Event::RowsSkipped { step, rows });
    }

    /// Counts rows that come to the mapping.
    pub(super) fn mapped(&self, step: usize, rows: u64) {
        self.with_tally(step, |tally| tally.mapped += rows);
    }

    /// Stores outcomes, then counts and reports them, then asks whether the step may go on.
    pub(super) async fn record(
        self: &Arc<Self>,
        step: usize,
        phase: Phase,
        results: Vec<RowResult>,
        parked: Vec<ParkedRow>,
    ) -> Result<(), EngineError> {
        if results.is_empty() {
            return Ok(());
        }
        let first = results.iter().find(|r| r.outcome == Outcome::Parked).cloned();
        let counts = counted(&results);
        self.put_down(step, results, parked).await?;
        let sum = self.add(step, phase, &counts);
        self.allowed(step, &sum, first)
    }

    /// Counts outcomes that are not certain yet, and asks whether the step may go on.
    pub(super) fn weigh(&self, step: usize, phase: Phase, results: &[RowResult]) -> Result<(), EngineError> {
        let sum = self.add(step, phase, &counted(results));
        let first = results.iter().find(|r| r.outcome == Outcome::Parked).cloned();
        self.allowed(step, &sum, first)
    }

    /// Stores outcomes and reports them.
    pub(super) async fn put_down(
        self: &Arc<Self>,
        step: usize,
        results: Vec<RowResult>,
        parked: Vec<ParkedRow>,
    ) -> Result<(), EngineError> {
        let counts = counted(&results);
        let shared = Arc::clone(self);
        blocking(move || shared.keep(step, &results, &parked)).await?;
        self.events.send(Event::RowsEnded { step, counts });
        Ok(())
    }

    fn add(&self, step: usize, phase: Phase, counts: &Counts) -> Tally {
        self.with_tally(step, |tally| {
            tally.all.merge(counts);
            if phase == Phase::Mapped {
                tally.mapped_ended += counts.done();
                tally.mapped_parked += counts.of(Outcome::Parked);
            }
            *tally
        })
    }

    /// Writes outcomes down.
    fn keep(&self, step: usize, results: &[RowResult], parked: &[ParkedRow]) -> Result<(), StateError> {
        let book = &self.books[step];
        self.store.record(book.step, book.links, results, parked)?;
        self.tables.learn(step, results);
        self.keep_again(step, results, parked)
    }

    /// Writes down what follows from outcomes; of an earlier sitting nobody knows whether it came to that.
    pub(super) fn keep_again(
        &self,
        step: usize,
        results: &[RowResult],
        parked: &[ParkedRow],
    ) -> Result<(), StateError> {
        let book = &self.books[step];
        if let Some(of) = self.plan.steps[step].deletes_of {
            self.follow(step, of, results)?;
        }
        match &book.incremental {
            Some(incremental) => {
                incremental.note(self.store.as_ref(), book.links, &self.run.id, results, parked)
            }
            None => Ok(()),
        }
    }

    /// Rows that the source has deleted lead nowhere any more, and none of them is waited for.
    fn follow(&self, step: usize, of: usize, results: &[RowResult]) -> Result<(), StateError> {
        let book = &self.books[of];
        let ended = results.iter().filter(|result| result.outcome != Outcome::Parked);
        let gone: Vec<_> = ended.map(|result| result.source_id.clone()).collect();
        // A record that is only marked is still there.
        if self.plan.steps[step].write.operation.deletes() {
            self.store.unlink(book.links, &gone)?;
        }
        match &book.incremental {
            Some(incremental) => incremental.forget(self.store.as_ref(), book.links, &self.run.id, &gone),
            None => Ok(()),
        }
    }

    /// The run has ended well: the next one begins where this one came to.
    pub(super) async fn move_cursors(self: &Arc<Self>) -> Result<(), EngineError> {
        let moves: Vec<_> = self
            .books
            .iter()
            .filter_map(|book| Some(book.incremental.as_ref()?.end(book.links, &self.run.started_at)))
            .collect();
        if moves.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(self);
        blocking(move || shared.store.move_cursors(&shared.run.id, &moves)).await
    }

    /// Moves a row that had ended otherwise to `parked`.
    pub(super) async fn repark(
        self: &Arc<Self>,
        step: usize,
        rows: Vec<(Outcome, RowResult, ParkedRow)>,
    ) -> Result<(), EngineError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut from = Vec::with_capacity(rows.len());
        let (mut results, mut parked) = (Vec::new(), Vec::new());
        for (outcome, result, row) in rows {
            from.push(outcome);
            results.push(result);
            parked.push(row);
        }
        let first = results.first().cloned();
        let shared = Arc::clone(self);
        blocking(move || shared.keep(step, &results, &parked)).await?;
        let sum = self.with_tally(step, |tally| {
            for outcome in &from {
                let ended = &mut tally.all.ended[*outcome as usize];
                *ended = ended.saturating_sub(1);
                tally.all.add(Outcome::Parked);
            }
            *tally
        });
        for outcome in from {
            self.events.send(Event::Reparked { step, from: outcome });
        }
        self.allowed(step, &sum, first)
    }

    /// Moves rows that the first pass left alone, and the second one wrote, to `updated`.
    pub(super) async fn now_updated(
        self: &Arc<Self>,
        step: usize,
        rows: Vec<(compact_str::CompactString, Option<compact_str::CompactString>)>,
    ) -> Result<(), EngineError> {
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len() as u64;
        let updated = |(source_id, target_id)| RowResult {
            source_id,
            target_id,
            outcome: Outcome::Updated,
            reason: None,
        };
        let results: Vec<RowResult> = rows.into_iter().map(updated).collect();
        let shared = Arc::clone(self);
        blocking(move || shared.keep(step, &results, &[])).await?;
        self.with_tally(step, |tally| {
            let unchanged = &mut tally.all.ended[Outcome::Unchanged as usize];
            *unchanged = unchanged.saturating_sub(count);
            tally.all.ended[Outcome::Updated as usize] += count;
        });
        Ok(())
    }

    /// `policy.errors`.
    fn allowed(&self, step: usize, sum: &Tally, parked: Option<RowResult>) -> Result<(), EngineError> {
        let plan = &self.plan.steps[step];
        let Some(parked) = parked else { return Ok(()) };
        if plan.policy.rows == crate::pipeline::model::RowErrors::Stop {
            return Err(EngineError::RowStopped {
                step: plan.name.clone(),
                source_id: parked.source_id.to_string(),
                reason: Box::new(parked.reason.unwrap_or_else(|| crate::record::ParkReason {
                    code: "parked".into(),
                    message: "the row failed".into(),
                    field: None,
                    help: String::new(),
                })),
            });
        }
        let share = sum.parked_share() * 100.0;
        if sum.all.done() >= plan.policy.stop_at_least && share > plan.policy.stop_failed_percent {
            return Err(EngineError::TooManyParked {
                step: plan.name.clone(),
                parked: sum.all.of(Outcome::Parked),
                share,
                percent: plan.policy.stop_failed_percent,
            });
        }
        Ok(())
    }

    pub(super) fn counts(&self, step: usize) -> Counts {
        self.with_tally(step, |tally| tally.all)
    }

    fn with_tally<T>(&self, step: usize, then: impl FnOnce(&mut Tally) -> T) -> T {
        let mut tally = self.books[step]
            .tally
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        then(&mut tally)
    }

    /// A source row as the file of parked rows shows it.
    pub(super) fn parked_row(
        &self,
        step: &PlanStep,
        source_id: &str,
        row: &[crate::record::Value],
    ) -> ParkedRow {
        let items: &[&str] = if step.each.is_some() {
            &super::each::NAMES
        } else {
            &[]
        };
        let names = step.read.columns.iter().map(|c| c.as_str());
        let values = names
            .chain(items.iter().copied())
            .zip(row)
            .map(|(column, value)| {
                let text = match value {
                    crate::record::Value::Json(json) => Some(json.to_string()),
                    other => other.as_text().map(str::to_owned),
                };
                (column.to_owned(), text)
            });
        ParkedRow {
            source_id: source_id.into(),
            values: values.collect(),
        }
    }
}

fn counted(results: &[RowResult]) -> Counts {
    let mut counts = Counts::default();
    for result in results {
        counts.add(result.outcome);
    }
    counts
}

/// Whether a step reads the same before its turn: no step writes into the org that it reads, and the user has not said
/// that others end first, for reasons that no file tells.
fn reads_ahead(request: &RunRequest, connections: &Connections, plan: &Plan, step: &PlanStep) -> bool {
    let source = connections.identity(&step.read.connection);
    let written = |other: &PlanStep| {
        other.write.file.is_none() && connections.identity(&other.write.connection) == source
    };
    let needs = |name: &str| {
        let typed = request.pipeline.steps.iter().find(|typed| typed.name == name);
        typed.is_some_and(|typed| !typed.needs.is_empty())
    };
    !plan.steps.iter().any(written) && !needs(&step.name)
}

/// What earlier sittings of the run have left: units whose outcomes are not recorded, and counts.
async fn before(request: &RunRequest) -> Result<(Vec<UnitRecord>, Vec<StepCounts>), EngineError> {
    if request.sitting == 1 {
        return Ok((Vec::new(), Vec::new()));
    }
    let (store, run) = (Arc::clone(&request.store), request.id.clone());
    blocking(move || Ok((store.units(&run)?, store.counts(&run)?))).await
}

/// The id map of a step between its orgs.
pub(super) async fn links_of(
    request: &RunRequest,
    connections: &Connections,
    step: &PlanStep,
) -> Result<LinkSet, EngineError> {
    let (store, pipeline, name) = (
        Arc::clone(&request.store),
        request.pipeline.name.clone(),
        step.name.clone(),
    );
    let source = connections.identity(&step.read.connection);
    let target = connections.identity(&step.write.connection);
    blocking(move || store.link_set(&pipeline, &name, &source, &target)).await
}

/// Halts a run when it is dropped, unless what it stands for has come to a good end.
pub(super) struct Halting<'s> {
    shared: &'s Shared,
    armed: bool,
}

impl<'s> Halting<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        Halting { shared, armed: true }
    }

    /// What it stands for has come to this end.
    pub(super) fn end<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        self.armed = result.is_err();
        result
    }
}

impl Drop for Halting<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared.halt();
        }
    }
}

/// Runs blocking work off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::state::StateError> + Send + 'static,
) -> Result<T, EngineError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(EngineError::Broken(error.to_string())),
    }
}
