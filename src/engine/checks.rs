//! Checks of a step: what they found, and those that need all rows before the first one is written.

use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use compact_str::CompactString;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    EngineError,
    shared::{Shared, blocking},
    spool::{Batches, Spool},
};
use crate::{
    event::{CheckEnd, Event},
    load::{Plain, WriteRow, fold},
    plan::{PlanCheck, PlanCheckKind, PlanStep},
    record::ParkReason,
    state::{ClaimedValue, StateError},
    transform::Cell,
};

/// Offending rows that a message names.
pub(super) const EXAMPLES: usize = 5;

/// Values beyond this many bytes are compared by their digest.
const LONG: usize = 200;

/// How many rows each check of a step has parked.
pub(super) struct Parked(Vec<AtomicU64>);

impl Parked {
    pub(super) fn new(step: &PlanStep) -> Parked {
        Parked(step.checks.iter().map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    pub(super) fn restore(&self, counts: &[u64]) {
        for (count, before) in self.0.iter().zip(counts) {
            count.store(*before, Ordering::Relaxed);
        }
    }
}

/// A check that failed for the step as a whole.
#[derive(Debug)]
pub struct FailedCheck {
    /// The step.
    pub step: String,
    /// The check, as a user would write it.
    pub words: String,
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// What it found, a fragment behind "found".
    pub found: String,
    /// Offending rows, a sentence each.
    pub examples: Vec<String>,
    /// What has become of the rows.
    pub written: Written,
    /// What to do.
    pub help: String,
}

/// Whether a check came before the first write or behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Nothing of the step is written.
    Nothing,
    /// Everything is.
    All,
}

impl std::fmt::Display for FailedCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let written = match self.written {
            Written::Nothing => "nothing of this step was written",
            Written::All => "its rows are written",
        };
        write!(
            f,
            "step `{}`: the check `{}` at {} found {}; {written}",
            self.step, self.words, self.place, self.found
        )?;
        for example in &self.examples {
            write!(f, "\n  {example}")?;
        }
        Ok(())
    }
}

/// Why a mapped row does not pass the checks of single rows, if it does not.
pub(super) fn look(shared: &Shared, step: usize, cells: &[Cell]) -> Option<ParkReason> {
    let plan = &shared.plan.steps[step];
    plan.checks.iter().enumerate().find_map(|(at, check)| {
        let PlanCheckKind::Row(row) = &check.kind else {
            return None;
        };
        let reason = row.look(cells, &plan.mapping.fields, &shared.vars, &shared.run)?;
        shared.books[step].checks.0[at].fetch_add(1, Ordering::Relaxed);
        Some(reason)
    })
}

/// Tells what the checks of single rows have found, when the step has ended.
pub(super) fn tell_rows(shared: &Shared, step: usize) {
    for (check, parked) in shared.plan.steps[step]
        .checks
        .iter()
        .zip(&shared.books[step].checks.0)
    {
        if let PlanCheckKind::Row(_) = check.kind {
            let parked = parked.load(Ordering::Relaxed);
            let found = match parked {
                0 => "every row passes".to_owned(),
                n => format!("{} parked", rows(n)),
            };
            tell(shared, step, check, parked == 0, found);
        }
    }
}

pub(super) fn tell(shared: &Shared, step: usize, check: &PlanCheck, passed: bool, found: String) {
    let check = CheckEnd {
        words: check.words.clone(),
        place: check.place.clone(),
        passed,
        found,
    };
    tell_end(shared, step, check);
}

/// Tells what a check came to, and keeps it for a later sitting.
pub(super) fn tell_end(shared: &Shared, step: usize, check: CheckEnd) {
    let told = &shared.books[step].told;
    told.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(check.clone());
    shared.events.send(Event::Checked { step, check });
}

pub(super) fn rows(count: u64) -> String {
    format!("{count} row{}", if count == 1 { "" } else { "s" })
}

/// Holds a step's rows back until its checks of all rows have passed.
pub(super) struct Gate {
    spool: Spool<WriteRow>,
    count: u64,
    uniques: Vec<Unique>,
}

/// A `unique` and what has offended it so far.
struct Unique {
    check: usize,
    repeats: u64,
    examples: Vec<String>,
}

impl Gate {
    /// The gate of a step, when it has checks that need one.
    pub(super) async fn of(shared: &Arc<Shared>, step: usize) -> Result<Option<Gate>, EngineError> {
        let plan = &shared.plan.steps[step];
        let needs = |check: &PlanCheck| {
            matches!(
                check.kind,
                PlanCheckKind::Unique { .. } | PlanCheckKind::Rows { .. }
            )
        };
        if !plan.checks.iter().any(needs) && plan.deletes_of.is_none() {
            return Ok(None);
        }
        let uniques = plan
            .checks
            .iter()
            .enumerate()
            .filter(|(_, check)| matches!(check.kind, PlanCheckKind::Unique { .. }))
            .map(|(check, _)| Unique {
                check,
                repeats: 0,
                examples: Vec::new(),
            })
            .collect();
        let spool = spool(shared, rows_of(plan)).await?;
        Ok(Some(Gate {
            spool,
            count: 0,
            uniques,
        }))
    }

    /// Takes rows in.
    pub(super) async fn take(
        mut self,
        shared: &Arc<Shared>,
        step: usize,
        rows: Vec<WriteRow>,
    ) -> Result<Gate, EngineError> {
        let shared_too = Arc::clone(shared);
        let gate = blocking(move || {
            self.count += rows.len() as u64;
            for unique in &mut self.uniques {
                unique.claim(&shared_too, step, &rows)?;
            }
            self.spool
                .push(&rows)
                .map_err(|source| spooled(&shared_too.project, source))?;
            Ok(self)
        })
        .await?;
        // More rows than are allowed are not made fewer by reading on.
        gate.at_most(shared, step)?;
        Ok(gate)
    }

    /// Lets the rows pass, when all checks agree.
    pub(super) async fn open(self, shared: &Arc<Shared>, step: usize) -> Result<Passed, EngineError> {
        let plan = &shared.plan.steps[step];
        self.deletes(shared, plan).await?;
        let mut failed = None;
        for (at, check) in plan.checks.iter().enumerate() {
            let end = match &check.kind {
                PlanCheckKind::Rows { at_least, .. } => Some(self.at_least(plan, check, *at_least)),
                PlanCheckKind::Unique { .. } => Some(self.unique(plan, at)),
                PlanCheckKind::Row(_) | PlanCheckKind::Reconcile(_) => None,
            };
            match end {
                None => {}
                Some(Ok(found)) => tell(shared, step, check, true, found),
                Some(Err(found)) => {
                    tell(shared, step, check, false, found.found.clone());
                    failed.get_or_insert(found);
                }
            }
        }
        if let Some(failed) = failed {
            return Err(EngineError::Check(failed));
        }
        let project = shared.project.clone();
        let spool = self.spool;
        let batches = blocking(move || spool.batches().map_err(|source| spooled(&project, source))).await?;
        Ok(Passed(Some(batches)))
    }

    /// A source that lost its rows must not empty the target.
    async fn deletes(&self, shared: &Arc<Shared>, plan: &PlanStep) -> Result<(), EngineError> {
        let Some(of) = plan.deletes_of else { return Ok(()) };
        if self.count == 0 || self.count < plan.policy.stop_deleted_at_least {
            return Ok(());
        }
        let (store, links) = (Arc::clone(&shared.store), shared.books[of].links);
        let linked = blocking(move || store.linked(links)).await?;
        let percent = plan.policy.stop_deleted_percent;
        // Counts of rows are far below the 2^52 that a float holds exactly.
        if self.count as f64 * 100.0 > linked as f64 * percent {
            return Err(EngineError::TooManyDeletes {
                step: shared.plan.steps[of].name.clone(),
                deleted: self.count,
                linked,
                percent,
            });
        }
        Ok(())
    }

    fn at_most(&self, shared: &Shared, step: usize) -> Result<(), EngineError> {
        let plan = &shared.plan.steps[step];
        for check in &plan.checks {
            let PlanCheckKind::Rows {
                at_most: Some(most), ..
            } = &check.kind
            else {
                continue;
            };
            if self.count > *most {
                let found = format!("more than {}", rows(*most));
                tell(shared, step, check, false, found.clone());
                let help =
                    "find out why there are so many, narrow the source (`where`, `when`), or raise `at_most`";
                return Err(EngineError::Check(failed(plan, check, found, Vec::new(), help)));
            }
        }
        Ok(())
    }

    fn at_least(
        &self,
        plan: &PlanStep,
        check: &PlanCheck,
        at_least: Option<u64>,
    ) -> Result<String, Box<FailedCheck>> {
        let found = rows(self.count);
        match at_least {
            Some(least) if self.count < least => {
                let mut help =
                    "look at the source's filter, `when` and the parked rows: only rows that would be written count"
                        .to_owned();
                if plan.read.cursor.is_some() {
                    help.push_str("; this step reads only what changed since the last run");
                }
                Err(failed(plan, check, found, Vec::new(), &help))
            }
            _ => Ok(found),
        }
    }

    fn unique(&self, plan: &PlanStep, at: usize) -> Result<String, Box<FailedCheck>> {
        let check = &plan.checks[at];
        match self.uniques.iter().find(|unique| unique.check == at) {
            Some(unique) if unique.repeats > 0 => {
                let found = format!(
                    "{} that repeat{} the value of an earlier one",
                    rows(unique.repeats),
                    if unique.repeats == 1 { "s" } else { "" }
                );
                let help = "make the values differ in the source or in the mapping, filter such rows with `when`, or drop the check";
                Err(failed(plan, check, found, unique.examples.clone(), help))
            }
            _ => Ok(format!("{} with different values", rows(self.count))),
        }
    }
}

impl Unique {
    fn claim(&mut self, shared: &Shared, step: usize, rows: &[WriteRow]) -> Result<(), StateError> {
        let plan = &shared.plan.steps[step];
        let PlanCheckKind::Unique { at, case_sensitive } = &plan.checks[self.check].kind else {
            return Ok(());
        };
        let mut values = Vec::with_capacity(rows.len());
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            let parts: Vec<Option<&str>> = at.iter().map(|at| text(&row.cells[*at])).collect();
            // A row without any value repeats nothing.
            if parts.iter().all(Option::is_none) {
                continue;
            }
            values.push(ClaimedValue {
                value: joined(&parts, case_sensitive),
                source_id: row.source_id.clone(),
            });
            shown.push(parts);
        }
        let held = shared
            .store
            .claim_values(shared.books[step].step, self.check, &values)?;
        for ((claimed, earlier), parts) in values.iter().zip(held).zip(shown) {
            let Some(earlier) = earlier else { continue };
            self.repeats += 1;
            if self.examples.len() < EXAMPLES {
                let parts: Vec<&str> = parts.iter().map(|part| part.unwrap_or("null")).collect();
                self.examples.push(format!(
                    "row {} has `{}`, as row {earlier} has",
                    claimed.source_id,
                    parts.join("`, `")
                ));
            }
        }
        Ok(())
    }
}

/// Rows that may be written.
pub(super) struct Passed(Option<Batches<WriteRow>>);

impl Passed {
    pub(super) async fn next(&mut self, shared: &Shared) -> Result<Option<Vec<WriteRow>>, EngineError> {
        let Some(mut batches) = self.0.take() else {
            return Ok(None);
        };
        let project = shared.project.clone();
        let (batches, rows) = blocking(move || {
            let rows = batches.next().map_err(|source| spooled(&project, source))?;
            Ok((batches, rows))
        })
        .await?;
        self.0 = rows.is_some().then_some(batches);
        Ok(rows)
    }
}

pub(super) fn failed(
    plan: &PlanStep,
    check: &PlanCheck,
    found: String,
    examples: Vec<String>,
    help: &str,
) -> Box<FailedCheck> {
    Box::new(FailedCheck {
        step: plan.name.clone(),
        words: check.words.clone(),
        place: check.place.clone(),
        found,
        examples,
        written: Written::Nothing,
        help: help.to_owned(),
    })
}

/// A spool in the run's folder.
pub(super) async fn spool<T: Serialize + DeserializeOwned + 'static>(
    shared: &Shared,
    name: String,
) -> Result<Spool<T>, EngineError> {
    let (project, run) = (shared.project.clone(), shared.run.id.clone());
    blocking(move || {
        let path = spool_path(&project, &run, &name)?;
        Spool::create(&path).map_err(|source| spooled(&path, source))
    })
    .await
}

fn spool_path(project: &std::path::Path, run: &str, name: &str) -> Result<PathBuf, StateError> {
    let folder = crate::state::project_folder(project).map_err(|source| spooled(project, source))?;
    Ok(folder.join("runs").join(run).join(name))
}

/// Removes what a gate of an earlier sitting, which was killed, has put aside: it has let it pass, and the rows are read
/// once more.
pub(super) async fn forget_spool(shared: &Shared, step: usize) -> Result<(), EngineError> {
    let (project, run) = (shared.project.clone(), shared.run.id.clone());
    let name = rows_of(&shared.plan.steps[step]);
    blocking(move || {
        let path = spool_path(&project, &run, &name)?;
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(spooled(&path, source)),
            _ => Ok(()),
        }
    })
    .await
}

fn rows_of(plan: &PlanStep) -> String {
    format!("{}.rows", plan.name)
}

pub(super) fn spooled(path: &std::path::Path, source: std::io::Error) -> StateError {
    StateError::Create {
        path: PathBuf::from(path).display().to_string(),
        source,
    }
}

fn text(cell: &Plain) -> Option<&str> {
    match cell {
        Plain::Value(value) => value.as_text(),
        Plain::Clear | Plain::Omit | Plain::Held(_) => None,
    }
}

/// Several values as one text; each as the target compares it. A null equals a null.
fn joined(parts: &[Option<&str>], case_sensitive: &[bool]) -> CompactString {
    let mut out = String::new();
    for (part, exact) in parts.iter().zip(case_sensitive) {
        // Lengths keep `a`, `bc` and `ab`, `c` apart.
        match part {
            Some(part) => {
                let part = fold(part, *exact);
                out.push_str(&format!("{}:{part}", part.len()));
            }
            None => out.push('-'),
        }
    }
    if out.len() <= LONG {
        return out.into();
    }
    let digest = Sha256::digest(out.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart_as_the_target_does() {
        let one = |text: &str, exact: bool| joined(&[Some(text)], &[exact]);
        assert_eq!(one("A@x", false), one("a@X ", false));
        assert_ne!(one("A", true), one("a", true));
        let two = |a: Option<&str>, b: Option<&str>| joined(&[a, b], &[false, false]);
        assert_ne!(two(Some("a"), Some("bc")), two(Some("ab"), Some("c")));
        assert_ne!(two(Some("a"), None), two(None, Some("a")));
        assert_ne!(two(Some("-"), None), two(None, Some("-")));
        let long = "x".repeat(1_000);
        assert_eq!(one(&long, false), one(&long.to_uppercase(), false));
        assert_ne!(one(&long, false), one(&format!("{long}y"), false));
        assert!(one(&long, false).len() < LONG);
    }
}
