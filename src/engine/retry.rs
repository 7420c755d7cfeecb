//! `orgferry retry`: a run that takes only rows that an earlier run has parked.
//!
//! Rows are told apart by their ids, which the earlier run has kept: 60 bytes a row are held for them. Records of an
//! org are read by their Ids where that is fewer calls than reading all; every other source is read whole, and only
//! those rows go on. No cursor moves, what looks at whole steps (`rows`, `unique`, `reconcile`, `stop_when`) is not
//! asked, and no file is written: all of that would take the few rows for all.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use compact_str::CompactString;

use super::{
    EngineError, claim,
    find::by_key,
    mapped::{context, parked, row_id},
    shared::{Phase, Shared, blocking},
};
use crate::{
    event::Event,
    load::{Action, WriteRow},
    pipeline::{Pipeline, model::Operation},
    plan::{Plan, PlanCheckKind, PlanStep, Read, TargetKey},
    record::{Outcome, ParkReason, Row, id18},
    state::{LinkSet, RetryOf, RunRecord, StateError, Store},
    transform::{Known, Mapping},
};

/// Parked rows that are taken from the state at a time.
const PAGE: usize = 2_000;

/// Newer runs among which earlier retries of the run are looked for.
const RECENT: usize = 200;

/// Codes of rows of which nobody knows whether they are in the target.
const UNKNOWN: [&str; 4] = ["unknown_outcome", "no_result", "no_id", "job_failed"];

/// Why parked rows are not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// The file has no such step any more.
    NoStep,
    /// They are rows of a file, which is written whole.
    File,
    /// They follow deletions of the source.
    Deletion,
    /// They have no id that tells them apart from others.
    NoId,
    /// They may be in the target, and would be there twice.
    Unknown,
    /// An earlier retry has carried them.
    Carried,
}

/// Rows of an earlier run that are retried.
#[derive(Debug)]
pub struct Chosen {
    /// The run.
    pub of: String,
    steps: BTreeMap<String, Mutex<HashMap<CompactString, Pick>>>,
    left_out: BTreeMap<(String, LeftOut), (u64, CompactString)>,
}

#[derive(Clone, Debug)]
struct Pick {
    /// The record that the row was made of, where it was one.
    record: Option<CompactString>,
    met: bool,
}

impl Chosen {
    /// Chooses among the parked rows of a run. `own` is the retry itself, when it is gone on with: what it has carried
    /// is left out in another place.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn of(
        store: &dyn Store,
        run: &RunRecord,
        pipeline: &Pipeline,
        choice: &RetryOf,
        own: Option<&str>,
    ) -> Result<Self, StateError> {
        let mut chosen = Chosen {
            of: run.id.clone(),
            steps: BTreeMap::new(),
            left_out: BTreeMap::new(),
        };
        // Retries of it, and theirs in turn.
        let (mut family, mut retries) = (vec![run.id.clone()], Vec::new());
        for other in store.runs(RECENT)?.into_iter().rev() {
            let of = other
                .retry_of()
                .is_some_and(|of| family.iter().any(|known| known == of));
            if of && own != Some(other.id.as_str()) {
                family.push(other.id.clone());
                retries.push(other.id);
            }
        }
        let mut after: Option<(String, CompactString)> = None;
        loop {
            let place = after.as_ref().map(|(step, id)| (step.as_str(), id.as_str()));
            let page = store.parked(&run.id, place, PAGE)?;
            let Some((step, row, _)) = page.last() else { break };
            after = Some((step.clone(), row.source_id.clone()));
            for (step, row, reason) in page {
                let meant = (choice.steps.is_empty() || choice.steps.contains(&step))
                    && (choice.codes.is_empty() || choice.codes.iter().any(|code| *code == reason.code));
                if !meant {
                    continue;
                }
                let twin = match claim::first_of(&row.source_id) {
                    Some(first) => store.outcome(&run.id, &step, first)?.is_some(),
                    None => false,
                };
                let mut left_out = why_not(pipeline, &step, &row.source_id, &reason, choice, twin);
                for retry in &retries {
                    let end = store.outcome(retry, &step, &row.source_id)?;
                    if end.is_some_and(|end| end.outcome != Outcome::Parked) {
                        left_out = Some(LeftOut::Carried);
                    }
                }
                match left_out {
                    Some(why) => {
                        let (count, _) = chosen
                            .left_out
                            .entry((step, why))
                            .or_insert_with(|| (0, row.source_id.clone()));
                        *count += 1;
                    }
                    None => {
                        let id = row
                            .values
                            .iter()
                            .find(|(name, _)| name.eq_ignore_ascii_case("Id"));
                        let record = id.and_then(|(_, value)| value.as_deref()).map(id18);
                        let picks = chosen.steps.entry(step).or_default();
                        let picks = picks.get_mut().unwrap_or_else(PoisonError::into_inner);
                        picks.insert(id18(&row.source_id), Pick { record, met: false });
                    }
                }
            }
        }
        Ok(chosen)
    }

    /// Whether the rows of a step are rows of these orgs.
    pub(super) fn fits(&self, store: &dyn Store, step: &str, links: LinkSet) -> Result<bool, StateError> {
        if self.of_step(step) == 0 {
            return Ok(true);
        }
        let place = store.step_place(store.begin_step(&self.of, step)?)?;
        Ok(place.links.is_none_or(|before| before == links))
    }

    /// How many rows are retried.
    pub fn count(&self) -> u64 {
        self.steps.keys().map(|step| self.of_step(step)).sum()
    }

    /// Rows that are not retried, in words.
    pub fn left_out(&self) -> Vec<String> {
        let told = self.left_out.iter().map(|((step, why), (rows, first))| {
            let rows = match rows {
                1 => format!("1 row of `{step}` ({first})"),
                n => format!("{n} rows of `{step}` (the first: {first})"),
            };
            let why = match why {
                LeftOut::NoStep => "the file has no such step any more".to_owned(),
                LeftOut::File => "its target is a file, which is written whole: `orgferry run` writes it anew".to_owned(),
                LeftOut::Deletion => "they follow deletions in the source, which `orgferry run` reads again".to_owned(),
                LeftOut::NoId => format!(
                    "no id tells them apart from other rows: mend `id` in the source and run it again, or load the file \
                     that `orgferry report {} --parked {step}` gives",
                    self.of
                ),
                LeftOut::Unknown => {
                    "whether they are in the target is not known, and without a `key` they would be there twice: look \
                     for them in the target; when they are missing, `--unknown` sends them"
                        .to_owned()
                }
                LeftOut::Carried => "an earlier retry has carried them".to_owned(),
            };
            format!("not retried: {rows}: {why}")
        });
        told.collect()
    }

    /// Whether rows are left out that are still to be carried.
    pub fn leaves_rows(&self) -> bool {
        self.left_out.keys().any(|(_, why)| *why != LeftOut::Carried)
    }

    fn of_step(&self, step: &str) -> u64 {
        self.picks(step, |picks| picks.len() as u64).unwrap_or_default()
    }

    fn picks<T>(&self, step: &str, then: impl FnOnce(&mut HashMap<CompactString, Pick>) -> T) -> Option<T> {
        let picks = self.steps.get(step)?;
        Some(then(&mut picks.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Whether a row is retried. `last`: it goes on then, and is met once.
    fn takes(&self, step: &str, id: &str, base: &str, last: bool) -> bool {
        let taken = self.picks(step, |picks| {
            // A list that failed as a whole is parked under its row's own id: any of its entries may go on now.
            let whole = base != id && picks.get_mut(base).map(|pick| pick.met |= last).is_some();
            let own = picks.get_mut(id).is_some_and(|pick| {
                let fresh = !pick.met;
                pick.met |= last;
                fresh
            });
            whole || own
        });
        taken.unwrap_or_default()
    }

    /// Rows of a step that the source did not give: how many, and the first.
    fn missed(&self, step: &str) -> Option<(u64, CompactString)> {
        self.picks(step, |picks| {
            let missed = picks.iter().filter(|(_, pick)| !pick.met).map(|(id, _)| id);
            let first = missed.clone().min().cloned()?;
            Some((missed.count() as u64, first))
        })
        .flatten()
    }

    /// Fits the plan to the rows: how they are read, and what does not hold of a part. `totals` is what the sources have.
    pub(super) fn settle(&self, plan: &mut Plan, totals: &mut [Option<u64>]) {
        for (step, total) in plan.steps.iter_mut().zip(totals) {
            *total = Some(self.of_step(&step.name));
            step.policy.stop_failed_percent = 100.0;
            step.checks
                .retain(|check| matches!(check.kind, PlanCheckKind::Row(_)));
        }
    }

    /// How a step's rows are read, one after the other; `whole` is the number of rows that its source has.
    fn reads(&self, step: &PlanStep, whole: Option<u64>) -> Vec<Read> {
        let records: Option<BTreeSet<CompactString>> = self
            .picks(&step.name, |picks| {
                picks.values().map(|pick| pick.record.clone()).collect()
            })
            .flatten();
        if self.of_step(&step.name) == 0 {
            return Vec::new();
        }
        let records: Option<Vec<CompactString>> = records.map(|all| all.into_iter().collect());
        let by_ids = records.and_then(|records| step.read.of_ids(&records, whole));
        by_ids.unwrap_or_else(|| vec![step.read.entire(whole)])
    }

    /// Tells of rows that the sources do not give any more.
    pub(super) fn tell_missed(&self, plan: &Plan, events: &crate::event::Events) -> bool {
        let mut any = false;
        for step in &plan.steps {
            if let Some((rows, first)) = self.missed(&step.name) {
                any = true;
                let rows = match rows {
                    1 => format!("1 row ({first})"),
                    n => format!("{n} rows (the first: {first})"),
                };
                events.send(Event::Noted {
                    text: format!(
                        "step `{}`: its source does not give {rows} that run {} has parked: deleted there, or outside of \
                         the step's filter now; they are not in the target",
                        step.name, self.of
                    ),
                });
            }
        }
        any
    }
}

/// How a step is read: of a retry, so that its rows are among what comes.
pub(super) fn reads(shared: &Shared, step: usize) -> Vec<Read> {
    let plan = &shared.plan.steps[step];
    match &shared.retry {
        None => vec![plan.read.clone()],
        Some(chosen) => chosen.reads(plan, shared.sources.get(step).copied().flatten()),
    }
}

/// `twin`: another row of the run has its id.
fn why_not(
    pipeline: &Pipeline,
    step: &str,
    source_id: &str,
    reason: &ParkReason,
    choice: &RetryOf,
    twin: bool,
) -> Option<LeftOut> {
    let Some(known) = pipeline.steps.iter().find(|known| known.name == step) else {
        let of = step.strip_suffix(".deleted");
        let follows = of.is_some_and(|of| pipeline.steps.iter().any(|known| known.name == of));
        return Some(if follows {
            LeftOut::Deletion
        } else {
            LeftOut::NoStep
        });
    };
    let unknown = UNKNOWN.contains(&reason.code.as_str())
        && known.target.operation == Operation::Insert
        && known.target.key.is_none();
    if known.target.file.is_some() {
        Some(LeftOut::File)
    } else if source_id.starts_with('#') || twin {
        Some(LeftOut::NoId)
    } else if unknown && !choice.unknown {
        Some(LeftOut::Unknown)
    } else {
        None
    }
}

/// Leaves out rows that are not retried. Before the questions of a batch are answered (`last` false), those of which
/// the id is not known yet stay.
pub(super) fn only_chosen(
    shared: &Shared,
    step: usize,
    mapping: &Mapping,
    mut rows: Vec<Row>,
    known: &Known,
    last: bool,
) -> Vec<Row> {
    let Some(chosen) = &shared.retry else { return rows };
    let plan = &shared.plan.steps[step];
    rows.retain(|row| {
        let context = context(shared, plan, row);
        match row_id(plan, &context, None, mapping, known) {
            Some(id) => {
                let id = id18(&id);
                let base = match context.item_number {
                    0 => id.as_str(),
                    _ => id.rsplit_once('/').map_or(id.as_str(), |(base, _)| base),
                };
                chosen.takes(&plan.name, &id, base, last)
            }
            None => !last,
        }
    });
    rows
}

/// Parks rows whose record in the target another row of the step has become: they would overwrite it. Within a run the
/// first row of a key is the one that counts; in a retry the others are not there.
pub(super) async fn keep_apart(
    shared: &Arc<Shared>,
    step: usize,
    mut rows: Vec<WriteRow>,
) -> Result<Vec<WriteRow>, EngineError> {
    if shared.retry.is_none() || rows.is_empty() {
        return Ok(rows);
    }
    let plan = &shared.plan.steps[step];
    let Some(key) = &plan.write.key else {
        return written_before(shared, step, rows).await;
    };
    if plan.write.operation == Operation::Match {
        return Ok(rows);
    }
    let records = records(shared, plan, key, &rows).await?;
    let asked: Vec<CompactString> = records.iter().flatten().cloned().collect();
    let (store, links) = (Arc::clone(&shared.store), shared.books[step].links);
    let owners: HashMap<CompactString, CompactString> = blocking(move || store.sources(links, &asked))
        .await?
        .into_iter()
        .collect();
    let (mut ended, mut aside, mut ready) = (Vec::new(), Vec::new(), Vec::with_capacity(rows.len()));
    for (row, record) in rows.drain(..).zip(records) {
        let owner = record
            .as_ref()
            .and_then(|record| owners.get(record))
            .filter(|owner| **owner != id18(&row.source_id));
        let (Some(owner), Some(record)) = (owner, &record) else {
            ready.push(row);
            continue;
        };
        let reason = ParkReason {
            code: "duplicate_key".into(),
            message: format!(
                "the row {owner} of this step has the same {} `{}` and is the record {record}",
                key.names(),
                row.key_text(&plan.write)
            ),
            field: key.fields.first().map(|field| field.field.as_str().into()),
            help: "make the keys differ; when that row is not in the source any more, `orgferry run` takes this one"
                .into(),
        };
        aside.push(shared.parked_row(plan, &row.source_id, &row.source));
        ended.push(parked(row.source_id, None, reason));
    }
    shared.record(step, Phase::Written, ended, aside).await?;
    Ok(ready)
}

/// The target's record of each row, where it has one.
async fn records(
    shared: &Arc<Shared>,
    plan: &PlanStep,
    key: &TargetKey,
    rows: &[WriteRow],
) -> Result<Vec<Option<CompactString>>, EngineError> {
    if key.is_id || plan.write.look_first {
        return Ok(rows
            .iter()
            .map(|row| row.record_id.as_deref().map(id18))
            .collect());
    }
    let found = by_key(shared, &plan.write, key, rows.iter(), &[]).await?;
    Ok(found
        .into_iter()
        .map(|found| found.first().map(|found| found.id.clone()))
        .collect())
}

/// New records without a key: rows that are in the target already, and were parked by the second pass or by a retry
/// that was retried, are written there by their Id. They would be doubled.
async fn written_before(
    shared: &Arc<Shared>,
    step: usize,
    mut rows: Vec<WriteRow>,
) -> Result<Vec<WriteRow>, EngineError> {
    let (store, links, book) = (
        Arc::clone(&shared.store),
        shared.books[step].links,
        shared.books[step].step,
    );
    let ids: Vec<CompactString> = rows.iter().map(|row| row.source_id.clone()).collect();
    let answers = blocking(move || store.refs(links, book, &ids)).await?;
    for (row, answer) in rows.iter_mut().zip(answers) {
        if let crate::record::RefAnswer::Linked(record) = answer {
            row.record_id = Some(record);
            row.action = Action::Update;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(ids: &[&str]) -> Chosen {
        let picks = ids.iter().map(|id| {
            let pick = Pick {
                record: None,
                met: false,
            };
            (CompactString::from(*id), pick)
        });
        Chosen {
            of: "R1".into(),
            steps: BTreeMap::from([("a".to_owned(), Mutex::new(picks.collect()))]),
            left_out: BTreeMap::new(),
        }
    }

    #[test]
    fn a_row_is_taken_once_and_entries_of_a_list_that_failed_all() {
        let chosen = chosen(&["x", "y/2", "z"]);
        assert!(chosen.takes("a", "x", "x", false));
        assert!(chosen.takes("a", "x", "x", true));
        assert!(!chosen.takes("a", "x", "x", true), "the second of an id");
        assert!(!chosen.takes("a", "y/1", "y", true));
        assert!(chosen.takes("a", "y/2", "y", true));
        assert_eq!(chosen.missed("a"), Some((1, "z".into())));
        assert!(chosen.takes("a", "z/1", "z", true));
        assert!(chosen.takes("a", "z/2", "z", true));
        assert_eq!(chosen.missed("a"), None);
        assert!(!chosen.takes("b", "x", "x", true));
    }
}
