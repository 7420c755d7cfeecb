use std::{collections::BTreeMap, time::Instant};

use super::{
    ParkedFile,
    parked::StepParked,
    run_report::{
        CallsLeft, CheckReport, Failure, ReportFinding, Retry, RunReport, SecondPass, Side, StepReport,
        StepState, Tally,
    },
};
use crate::{
    event::{Counts, Event},
    record::Outcome,
    state::{RunStatus, StepCounts},
};

/// Folds events into a [`RunReport`].
#[derive(Debug)]
pub struct Collector {
    start: Start,
    sides: BTreeMap<String, Side>,
    steps: Vec<Folded>,
    notes: Vec<String>,
}

/// What is known before the run.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file.
    pub file: String,
    /// `--env`.
    pub env: Option<String>,
    /// Named credential of the source.
    pub from: String,
    /// Named credential of the target.
    pub to: String,
    /// The run whose parked rows it takes.
    pub retry_of: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// How many processes have worked on it, this one included.
    pub sittings: u32,
}

/// What is known after it.
#[derive(Clone, Debug)]
pub struct End {
    /// How it ended.
    pub status: RunStatus,
    /// What the command exits with.
    pub exit_code: u8,
    /// RFC 3339, UTC.
    pub ended_at: String,
    /// From start to end.
    pub seconds: f64,
    /// Whether another sitting can go on with it.
    pub resumable: bool,
    /// What ended it, when it did not end well.
    pub error: Option<Failure>,
    /// What the orgs' describes showed.
    pub findings: Vec<ReportFinding>,
    /// By named credential.
    pub api_calls: Vec<(String, u64)>,
    /// By named credential.
    pub budgets: Vec<(String, CallsLeft)>,
    /// Outcomes as state counted them.
    pub recorded: Vec<StepCounts>,
    /// Parked rows by step and reason.
    pub parked: Vec<StepParked>,
    /// Their files.
    pub parked_files: Vec<ParkedFile>,
}

#[derive(Debug)]
struct Folded {
    report: StepReport,
    counts: Counts,
    begun: Option<Instant>,
    /// Rows that earlier sittings have ended.
    before: u64,
}

impl Collector {
    /// Nothing has happened yet.
    pub fn new(start: Start) -> Self {
        Collector {
            start,
            sides: BTreeMap::new(),
            steps: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Takes in one fact. Events of steps that were never planned say nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::SignedIn {
                credential,
                org_id,
                org_name,
                api_version,
            } => {
                let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                self.sides.insert(
                    credential.clone(),
                    Side {
                        credential: credential.clone(),
                        org_id: some(org_id),
                        org_name: org_name.clone(),
                        api_version: some(api_version),
                    },
                );
            }
            Event::Planned { steps } => {
                self.steps = steps
                    .iter()
                    .map(|step| Folded {
                        counts: Counts::default(),
                        begun: None,
                        before: 0,
                        report: StepReport {
                            source: step.source.clone(),
                            object: step.object.clone(),
                            operation: step.operation.to_owned(),
                            read_by: Some(step.read),
                            written_by: Some(step.write),
                            since: step.since.clone(),
                            second_pass: (!step.second_pass.is_empty()).then(|| SecondPass {
                                fields: step.second_pass.clone(),
                                rows: 0,
                            }),
                            ..StepReport::named(&step.name)
                        },
                    })
                    .collect();
            }
            Event::StepStarted { step } => self.with(*step, |s| {
                s.report.state = StepState::Running;
                s.begun = Some(Instant::now());
            }),
            Event::RowsRead { step, rows } => self.with(*step, |s| s.counts.read += rows),
            Event::RowsEnded { step, counts } => self.with(*step, |s| s.counts.merge(counts)),
            Event::StepResumed { step, counts } => self.with(*step, |s| {
                s.counts.merge(counts);
                s.before = counts.done();
                s.report.state = StepState::Running;
            }),
            Event::RowsSkipped { step, rows } => self.with(*step, |s| {
                s.counts.read = s.counts.read.saturating_sub(*rows);
            }),
            Event::SecondPassRows { step, rows } => self.with(*step, |s| {
                s.report.second_pass.get_or_insert_default().rows += rows;
            }),
            Event::Reparked { step, from } => self.with(*step, |s| {
                let before = &mut s.counts.ended[*from as usize];
                *before = before.saturating_sub(1);
                s.counts.add(Outcome::Parked);
            }),
            Event::Retrying { step, rows, code, .. } => self.with(*step, |s| {
                match s.report.retries.iter_mut().find(|retry| retry.code == *code) {
                    Some(retry) => retry.rows += rows,
                    None => s.report.retries.push(Retry {
                        code: code.clone(),
                        rows: *rows,
                    }),
                }
            }),
            Event::Checked { step, check } => self.with(*step, |s| {
                s.report.checks.push(CheckReport {
                    check: check.words.clone(),
                    place: check.place.clone(),
                    passed: check.passed,
                    found: check.found.clone(),
                });
            }),
            Event::CursorRestarted { step } => self.with(*step, |s| s.report.cursor_restarts += 1),
            Event::StepEnded {
                step,
                counts,
                elapsed,
            } => self.with(*step, |s| {
                s.counts = *counts;
                s.report.state = StepState::Ended;
                s.report.set_rows(Tally::from(&s.counts));
                s.report.set_time(elapsed.as_secs_f64(), s.before);
            }),
            Event::Noted { text } => self.notes.push(text.clone()),
            Event::SecondPassStarted { .. } | Event::Reattached { .. } | Event::Stopping => {}
        }
    }

    /// The report, its numbers compared with each other and with what state holds.
    pub fn finish(self, end: End) -> RunReport {
        let whole = matches!(end.status, RunStatus::Done | RunStatus::DoneWithParked);
        let mut parked = end.parked;
        let mut discrepancies = Vec::new();
        let steps: Vec<StepReport> = self
            .steps
            .into_iter()
            .map(
                |Folded {
                     mut report,
                     counts,
                     begun,
                     before,
                 }| {
                    // A step that was broken off told neither its rows nor its time.
                    report.set_rows(Tally::from(&counts));
                    if let (StepState::Running, Some(begun)) = (report.state, begun) {
                        report.set_time(begun.elapsed().as_secs_f64(), before);
                    }
                    if let Some(at) = parked.iter().position(|found| found.step == report.name) {
                        report.parked_reasons = parked.swap_remove(at).groups;
                    }
                    let recorded = end.recorded.iter().find(|found| found.step == report.name);
                    discrepancies.extend(compare(&report, &counts, recorded, whole));
                    report
                },
            )
            .collect();
        // A run that stopped before it was planned has no steps of this sitting to tell of.
        let steps = match steps.is_empty() {
            true => {
                let mut steps = RunReport::steps_of(&end.recorded);
                for found in parked {
                    if let Some(step) = steps.iter_mut().find(|step| step.name == found.step) {
                        step.parked_reasons = found.groups;
                    }
                }
                steps
            }
            false => steps,
        };
        let side = |name: &str| self.sides.get(name).cloned().unwrap_or_else(|| Side::named(name));
        RunReport {
            version: RunReport::VERSION,
            from: side(&self.start.from),
            to: side(&self.start.to),
            run: self.start.run,
            pipeline: self.start.pipeline,
            file: self.start.file,
            env: self.start.env,
            retry_of: self.start.retry_of,
            started_at: self.start.started_at,
            ended_at: Some(end.ended_at),
            seconds: (end.seconds * 1000.0).round() / 1000.0,
            status: end.status,
            exit_code: Some(end.exit_code),
            sittings: self.start.sittings,
            resumable: end.resumable,
            totals: Tally::sum(steps.iter().map(StepReport::rows)),
            steps,
            api_calls: end.api_calls.into_iter().collect(),
            api_budget: end.budgets.into_iter().collect(),
            notes: self.notes,
            parked_files: end.parked_files,
            error: end.error,
            findings: end.findings,
            discrepancies,
        }
    }

    fn with(&mut self, step: usize, change: impl FnOnce(&mut Folded)) {
        if let Some(step) = self.steps.get_mut(step) {
            change(step);
        }
    }
}

/// What does not add up in one step. A run that was broken off may have rows in flight, so there only those
/// differences count that no interruption explains.
fn compare(step: &StepReport, counts: &Counts, recorded: Option<&StepCounts>, whole: bool) -> Vec<String> {
    let mut found = Vec::new();
    let (read, done) = (counts.read, counts.done());
    if done > read || (whole && done != read) {
        found.push(format!(
            "step `{}`: {read} rows were read, and {done} have an outcome",
            step.name
        ));
    }
    // After an interruption the last batch may be in state and its event lost, never the other way round.
    let recorded = recorded.map_or([0; 6], |r| r.ended);
    let differs = if whole {
        recorded != counts.ended
    } else {
        recorded.iter().sum::<u64>() < done
    };
    if differs {
        found.push(format!(
            "step `{}`: {} outcomes were reported, and state holds {}",
            step.name,
            by_outcome(counts.ended),
            by_outcome(recorded),
        ));
    }
    found
}

fn by_outcome(ended: [u64; 6]) -> String {
    let words: Vec<String> = Outcome::ALL
        .iter()
        .zip(ended)
        .filter(|(_, n)| *n > 0)
        .map(|(outcome, n)| format!("{n} {}", outcome.as_str()))
        .collect();
    if words.is_empty() {
        "0".to_owned()
    } else {
        words.join(" + ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{PlannedStep, Road};

    fn planned(names: &[&str]) -> Event {
        let steps = names
            .iter()
            .map(|name| PlannedStep {
                name: (*name).into(),
                source: "Account".into(),
                object: "Account".into(),
                operation: "upsert",
                total: Some(10),
                since: None,
                read: Road::Rest,
                write: Road::Bulk,
                second_pass: vec!["ParentId".into()],
                after: Vec::new(),
            })
            .collect();
        Event::Planned { steps }
    }

    fn end(status: RunStatus, recorded: &[(&str, [u64; 6])]) -> End {
        End {
            status,
            exit_code: 0,
            ended_at: "2026-01-01T00:00:09Z".into(),
            seconds: 9.0,
            resumable: false,
            error: None,
            findings: Vec::new(),
            api_calls: Vec::new(),
            budgets: Vec::new(),
            recorded: recorded
                .iter()
                .map(|(step, ended)| StepCounts {
                    step: (*step).into(),
                    ended: *ended,
                })
                .collect(),
            parked: Vec::new(),
            parked_files: Vec::new(),
        }
    }

    fn fold(events: &[Event], end: End) -> RunReport {
        let mut collector = Collector::new(Start {
            from: "hq".into(),
            to: "emea".into(),
            ..Start::default()
        });
        for event in events {
            collector.apply(event);
        }
        collector.finish(end)
    }

    fn ended(counts: [u64; 6]) -> Counts {
        Counts {
            read: 0,
            ended: counts,
        }
    }

    #[test]
    fn events_add_up_to_a_report() {
        let report = fold(
            &[
                Event::SignedIn {
                    credential: "hq".into(),
                    org_id: "00D000000000001AAA".into(),
                    org_name: Some("HQ".into()),
                    api_version: "66.0".into(),
                },
                planned(&["accounts", "contacts"]),
                Event::StepStarted { step: 0 },
                Event::RowsRead { step: 0, rows: 6 },
                Event::RowsEnded {
                    step: 0,
                    counts: ended([2, 1, 0, 0, 0, 0]),
                },
                Event::Retrying {
                    step: 0,
                    rows: 2,
                    code: "UNABLE_TO_LOCK_ROW".into(),
                    wait: Duration::ZERO,
                },
                Event::Retrying {
                    step: 0,
                    rows: 1,
                    code: "UNABLE_TO_LOCK_ROW".into(),
                    wait: Duration::ZERO,
                },
                Event::CursorRestarted { step: 0 },
                Event::StepEnded {
                    step: 0,
                    counts: Counts {
                        read: 6,
                        ended: [3, 1, 1, 0, 1, 0],
                    },
                    elapsed: Duration::from_millis(500),
                },
                Event::SecondPassStarted { step: 0, rows: 2 },
                Event::SecondPassRows { step: 0, rows: 2 },
                Event::Reparked {
                    step: 0,
                    from: Outcome::Created,
                },
                Event::StepStarted { step: 99 },
            ],
            end(
                RunStatus::DoneWithParked,
                &[("accounts", [2, 1, 1, 0, 1, 1]), ("contacts", [0; 6])],
            ),
        );
        assert_eq!(report.discrepancies, Vec::<String>::new());
        assert_eq!(report.from.org_name.as_deref(), Some("HQ"));
        assert_eq!(report.to, Side::named("emea"));
        let accounts = &report.steps[0];
        assert_eq!(
            accounts.rows(),
            Tally {
                read: 6,
                created: 2,
                updated: 1,
                unchanged: 1,
                filtered: 1,
                parked: 1,
                ..Tally::default()
            }
        );
        assert_eq!(accounts.rows_per_second, Some(12));
        assert_eq!(accounts.second_pass.as_ref().map(|p| p.rows), Some(2));
        assert_eq!(accounts.retries.len(), 1);
        assert_eq!(accounts.retries[0].rows, 3);
        assert_eq!(accounts.cursor_restarts, 1);
        assert_eq!(report.steps[1].state, StepState::Waiting);
        assert_eq!(report.totals.read, 6);
    }

    #[test]
    fn numbers_that_do_not_add_up_are_told() {
        let step = |read, counts: [u64; 6]| {
            [
                planned(&["a"]),
                Event::RowsRead { step: 0, rows: read },
                Event::RowsEnded {
                    step: 0,
                    counts: ended(counts),
                },
            ]
        };
        for (status, read, counts, recorded, expected) in [
            (
                RunStatus::Done,
                3,
                [3, 0, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0],
                &[][..],
            ),
            (
                RunStatus::Done,
                3,
                [2, 0, 0, 0, 0, 0],
                [2, 0, 0, 0, 0, 0],
                &["step `a`: 3 rows were read, and 2 have an outcome"],
            ),
            (
                RunStatus::Done,
                2,
                [1, 1, 0, 0, 0, 0],
                [2, 0, 0, 0, 0, 0],
                &["step `a`: 1 created + 1 updated outcomes were reported, and state holds 2 created"],
            ),
            (
                RunStatus::Interrupted,
                3,
                [2, 0, 0, 0, 0, 0],
                [2, 0, 0, 0, 0, 0],
                &[],
            ),
            (
                RunStatus::Interrupted,
                3,
                [2, 0, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0],
                &[],
            ),
            (
                RunStatus::Stopped,
                1,
                [2, 0, 0, 0, 0, 0],
                [1, 0, 0, 0, 0, 0],
                &[
                    "step `a`: 1 rows were read, and 2 have an outcome",
                    "step `a`: 2 created outcomes were reported, and state holds 1 created",
                ],
            ),
        ] {
            let report = fold(&step(read, counts), end(status, &[("a", recorded)]));
            assert_eq!(report.discrepancies, expected, "{status:?} {counts:?}");
        }
    }

    #[test]
    fn rows_in_flight_are_unfinished() {
        let report = fold(
            &[
                planned(&["a"]),
                Event::RowsRead { step: 0, rows: 5 },
                Event::RowsEnded {
                    step: 0,
                    counts: ended([2, 0, 0, 0, 0, 1]),
                },
            ],
            end(RunStatus::Interrupted, &[("a", [2, 0, 0, 0, 0, 1])]),
        );
        assert_eq!(report.totals.unfinished, 2);
    }
}
