use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantity::rate;
use crate::{
    event::{Counts, Road},
    record::Outcome,
    state::{RunRecord, RunStatus, StepCounts},
};

/// A run's result. Its JSON form is kept in state and written for `--report json=PATH`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Of this format; grows when a reader of the old one would be led astray.
    pub version: u32,
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file.
    pub file: String,
    /// `--env`.
    pub env: Option<String>,
    /// Of a retry: the run whose parked rows it has taken.
    #[serde(default)]
    pub retry_of: Option<String>,
    /// Where rows came from.
    pub from: Side,
    /// Where they went.
    pub to: Side,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC; `None` for a run whose process died.
    pub ended_at: Option<String>,
    /// From start to end.
    pub seconds: f64,
    /// How it ended.
    pub status: RunStatus,
    /// What the command exited with.
    pub exit_code: Option<u8>,
    /// How many processes have worked on it.
    #[serde(default = "one")]
    pub sittings: u32,
    /// Whether `orgferry resume` can go on with it.
    #[serde(default)]
    pub resumable: bool,
    /// In the order in which they could start.
    pub steps: Vec<StepReport>,
    /// All steps together.
    pub totals: Tally,
    /// Calls that each org counted, by named credential.
    pub api_calls: BTreeMap<String, u64>,
    /// What the run may use of each org's daily calls, by named credential.
    #[serde(default)]
    pub api_budget: BTreeMap<String, CallsLeft>,
    /// What the user should know, and what stopped nothing.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Files of parked rows.
    pub parked_files: Vec<ParkedFile>,
    /// What ended the run, when it did not end well.
    pub error: Option<Failure>,
    /// What the orgs' describes showed about the file.
    pub findings: Vec<ReportFinding>,
    /// Numbers that should be equal and are not. Always empty, or there is a mistake in orgferry.
    pub discrepancies: Vec<String>,
}

/// A run's budget of an org's API calls, and what the org has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsLeft {
    /// Calls that the run may make.
    pub allowed: u64,
    /// Calls that the org has left, by its latest answer.
    pub left: Option<u64>,
    /// Calls that the org allows in a day.
    pub daily: Option<u64>,
}

fn one() -> u32 {
    1
}

/// One org of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The named credential.
    pub credential: String,
    /// 18-character org id, once it has answered.
    pub org_id: Option<String>,
    /// The org's name.
    pub org_name: Option<String>,
    /// The API version in use.
    pub api_version: Option<String>,
}

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Begun and not ended.
    Running,
    /// Ended.
    Ended,
}

/// One step's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its name.
    pub name: String,
    /// The source: an sobject, or an address.
    pub source: String,
    /// The target sobject.
    pub object: String,
    /// `upsert`, `insert`, `update`.
    pub operation: String,
    /// How it was read.
    pub read_by: Option<Road>,
    /// How it was written.
    pub written_by: Option<Road>,
    /// How far it came.
    pub state: StepState,
    /// Rows that the source gave.
    pub read: u64,
    /// Records made.
    pub created: u64,
    /// Records written.
    pub updated: u64,
    /// Records left as they were.
    pub unchanged: u64,
    /// Records deleted.
    pub deleted: u64,
    /// Rows left out on purpose.
    pub filtered: u64,
    /// Rows that wait.
    pub parked: u64,
    /// Rows that were read and have no outcome.
    pub unfinished: u64,
    /// From its first request to its last.
    pub seconds: f64,
    /// Rows that ended, a second.
    pub rows_per_second: Option<u64>,
    /// What was written in a second pass.
    pub second_pass: Option<SecondPass>,
    /// Rows that were sent again.
    pub retries: Vec<Retry>,
    /// Query cursors that died and were read on.
    pub cursor_restarts: u64,
    /// Of an incremental step: which rows it read; none says that it read all.
    #[serde(default)]
    pub since: Option<String>,
    /// What its checks came to, as far as the run came to them.
    #[serde(default)]
    pub checks: Vec<CheckReport>,
    /// Parked rows by reason, the most frequent first.
    pub parked_reasons: Vec<ParkedGroup>,
}

/// Rows by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows that the source gave.
    pub read: u64,
    /// Records made.
    pub created: u64,
    /// Records written.
    pub updated: u64,
    /// Records left as they were.
    pub unchanged: u64,
    /// Records deleted.
    pub deleted: u64,
    /// Rows left out on purpose.
    pub filtered: u64,
    /// Rows that wait.
    pub parked: u64,
    /// Rows that were read and have no outcome: the run did not come to them.
    pub unfinished: u64,
}

/// The second pass of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondPass {
    /// The fields that it writes.
    pub fields: Vec<String>,
    /// The rows that it wrote.
    pub rows: u64,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The check, as a user would write it.
    pub check: String,
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// Whether nothing offends it.
    pub passed: bool,
    /// What it found.
    pub found: String,
}

/// Rows that were sent again for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The org's code.
    pub code: String,
    /// How many rows, those that were sent three times counted twice.
    pub rows: u64,
}

/// Parked rows of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedGroup {
    /// Ours in lower case, the org's in capitals.
    pub code: String,
    /// The target field that is to blame.
    pub field: Option<String>,
    /// The first row's message.
    pub message: String,
    /// The first rows' source ids, five at most.
    pub source_ids: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// What to do about them.
    pub help: String,
}

/// A file of parked rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedFile {
    /// The step.
    pub step: String,
    /// The CSV file.
    pub path: String,
    /// How many rows it has.
    pub rows: u64,
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// What to do now.
    pub help: Option<String>,
}

/// A complaint about the pipeline's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFinding {
    /// Its stable name.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// What to do now.
    pub help: Vec<String>,
}

impl RunReport {
    /// The version that this code writes.
    pub const VERSION: u32 = 1;

    /// What state knows of a run whose process died before its report was written.
    pub fn of_record(run: &RunRecord, counts: &[StepCounts]) -> Self {
        let steps = RunReport::steps_of(counts);
        RunReport {
            version: RunReport::VERSION,
            run: run.id.clone(),
            pipeline: run.pipeline.clone(),
            file: run.file.display().to_string(),
            env: run.env.clone(),
            retry_of: run.retry_of().map(str::to_owned),
            from: Side::named(&run.from),
            to: Side::named(&run.to),
            started_at: run.started_at.clone(),
            ended_at: run.ended_at.clone(),
            seconds: 0.0,
            status: run.status,
            exit_code: run.exit_code,
            sittings: run.sittings,
            resumable: false,
            totals: Tally::sum(steps.iter().map(StepReport::rows)),
            steps,
            api_calls: BTreeMap::new(),
            api_budget: BTreeMap::new(),
            notes: Vec::new(),
            parked_files: Vec::new(),
            error: None,
            findings: Vec::new(),
            discrepancies: Vec::new(),
        }
    }

    /// Steps of which only the outcomes of their rows are known.
    pub(super) fn steps_of(counts: &[StepCounts]) -> Vec<StepReport> {
        let of = |step: &StepCounts| {
            let mut report = StepReport::named(&step.step);
            report.state = StepState::Running;
            report.set_rows(Tally::ended(step.ended));
            report
        };
        counts.iter().map(of).collect()
    }

    /// The step of a name.
    pub fn step_mut(&mut self, name: &str) -> Option<&mut StepReport> {
        self.steps.iter_mut().find(|step| step.name == name)
    }

    /// For files and programs.
    pub fn to_json(&self) -> String {
        // Plain data with text keys: there is nothing that could fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Side {
    /// A side of which only the credential is known.
    pub fn named(credential: &str) -> Self {
        Side {
            credential: credential.to_owned(),
            ..Side::default()
        }
    }
}

impl StepReport {
    /// A step of which only the name is known.
    pub fn named(name: &str) -> Self {
        StepReport {
            name: name.to_owned(),
            source: String::new(),
            object: String::new(),
            operation: String::new(),
            read_by: None,
            written_by: None,
            state: StepState::Waiting,
            read: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            deleted: 0,
            filtered: 0,
            parked: 0,
            unfinished: 0,
            seconds: 0.0,
            rows_per_second: None,
            second_pass: None,
            retries: Vec::new(),
            cursor_restarts: 0,
            since: None,
            checks: Vec::new(),
            parked_reasons: Vec::new(),
        }
    }

    // The numbers stand in the step itself, where programs look for them, and not in a part of it.
    /// Its rows by outcome.
    pub fn rows(&self) -> Tally {
        Tally {
            read: self.read,
            created: self.created,
            updated: self.updated,
            unchanged: self.unchanged,
            deleted: self.deleted,
            filtered: self.filtered,
            parked: self.parked,
            unfinished: self.unfinished,
        }
    }

    pub(super) fn set_rows(&mut self, rows: Tally) {
        self.read = rows.read;
        self.created = rows.created;
        self.updated = rows.updated;
        self.unchanged = rows.unchanged;
        self.deleted = rows.deleted;
        self.filtered = rows.filtered;
        self.parked = rows.parked;
        self.unfinished = rows.unfinished;
    }

    /// `before`: rows that had ended before that time began.
    pub(super) fn set_time(&mut self, seconds: f64, before: u64) {
        self.seconds = (seconds * 1000.0).round() / 1000.0;
        self.rows_per_second = rate(self.rows().done().saturating_sub(before), seconds);
    }
}

impl Tally {
    /// Outcomes in the order of [`Outcome::ALL`]; as many were read, as far as one can tell.
    pub fn ended(ended: [u64; 6]) -> Self {
        let read = ended.iter().sum();
        Tally::from(&Counts { read, ended })
    }

    /// Rows with any outcome.
    pub fn done(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.deleted + self.filtered + self.parked
    }

    /// All of several.
    pub fn sum(tallies: impl Iterator<Item = Tally>) -> Self {
        tallies.fold(Tally::default(), |sum, next| Tally {
            read: sum.read + next.read,
            created: sum.created + next.created,
            updated: sum.updated + next.updated,
            unchanged: sum.unchanged + next.unchanged,
            deleted: sum.deleted + next.deleted,
            filtered: sum.filtered + next.filtered,
            parked: sum.parked + next.parked,
            unfinished: sum.unfinished + next.unfinished,
        })
    }
}

impl From<&Counts> for Tally {
    fn from(counts: &Counts) -> Self {
        Tally {
            read: counts.read,
            created: counts.of(Outcome::Created),
            updated: counts.of(Outcome::Updated),
            unchanged: counts.of(Outcome::Unchanged),
            deleted: counts.of(Outcome::Deleted),
            filtered: counts.of(Outcome::Filtered),
            parked: counts.of(Outcome::Parked),
            unfinished: counts.read.saturating_sub(counts.done()),
        }
    }
}
