use std::path::PathBuf;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{ClaimedKey, Ended, NewUnit, ServerError, StartedWith, StepPlace, UnitId, UnitRecord};
use crate::record::{Outcome, ParkReason, RefAnswer, RowResult};

/// Of each id map so many of the newest records are kept beside it: more than anybody asks for, for some of them will be
/// deleted.
pub(super) const KEPT_NEWEST: usize = 256;

/// Where runs, outcomes and links are kept.
pub trait Store: Send + Sync {
    /// Takes the place of a run's pipeline in its environment, for as long as what is given lives: two runs at once
    /// would send the same rows.
    fn hold(&self, run: &RunRecord) -> Result<RunLock, StateError>;

    /// Writes down that a run has begun.
    fn begin_run(&self, run: &RunRecord) -> Result<(), StateError>;

    /// Writes down how a run has ended, with its report (JSON).
    fn end_run(&self, id: &str, status: RunStatus, exit_code: u8, report: &str) -> Result<(), StateError>;

    /// The newest runs first, `limit` at most.
    fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StateError>;

    /// One run by its id, or by an unambiguous beginning of it.
    fn run(&self, id: &str) -> Result<Option<RunRecord>, StateError>;

    /// A run that had stopped runs again: which sitting this is, from 2. Its report and its end are forgotten.
    fn resume_run(&self, id: &str) -> Result<u32, StateError>;

    /// The newest run of a pipeline in an environment in which a step has begun.
    fn last_run(&self, pipeline: &str, env: Option<&str>) -> Result<Option<RunRecord>, StateError>;

    /// A step of a run, ready to take outcomes.
    fn begin_step(&self, run: &str, step: &str) -> Result<StepRun, StateError>;

    /// How far a step is.
    fn step_place(&self, step: StepRun) -> Result<StepPlace, StateError>;

    /// Notes how far a step is.
    fn set_step_place(&self, step: StepRun, place: &StepPlace) -> Result<(), StateError>;

    /// Forgets all that a step of a run has written down, its outcomes too: it begins anew. Links stay.
    fn restart_step(&self, step: StepRun) -> Result<(), StateError>;

    /// How rows of a step have ended so far; `None` for those that have not. One answer for each id, in their order.
    fn ended(&self, step: StepRun, ids: &[CompactString]) -> Result<Vec<Option<Ended>>, StateError>;

    /// Writes down that rows are about to be sent. A unit that is one call is on the disk when this returns.
    fn begin_unit(&self, step: StepRun, unit: &NewUnit) -> Result<UnitId, StateError>;

    /// Writes down the job of a unit: on the disk when this returns.
    fn unit_job(&self, unit: UnitId, job: &str) -> Result<(), StateError>;

    /// Forgets units whose outcomes are recorded.
    fn end_units(&self, units: &[UnitId]) -> Result<(), StateError>;

    /// The units of a run whose outcomes are not recorded, in the order in which they began.
    fn units(&self, run: &str) -> Result<Vec<UnitRecord>, StateError>;

    /// The id map of a step between two orgs; the same for every run.
    fn link_set(&self, pipeline: &str, step: &str, source: &str, target: &str)
    -> Result<LinkSet, StateError>;

    /// The target record that each source row became, in this run or an earlier one; and whether it is parked
    /// in `step` of this run. One answer for each id, in the order of `ids`.
    fn refs(
        &self,
        links: LinkSet,
        step: StepRun,
        ids: &[CompactString],
    ) -> Result<Vec<RefAnswer>, StateError>;

    /// How many rows of a step have a record in the target.
    fn linked(&self, links: LinkSet) -> Result<u64, StateError>;

    /// Which row of a step became each of these records, for those that one became: record, row. Looks through the
    /// whole id map of the step.
    fn sources(
        &self,
        links: LinkSet,
        targets: &[CompactString],
    ) -> Result<Vec<(CompactString, CompactString)>, StateError>;

    /// The newest records that rows of a step became, by their Ids: row, record; those before `before` (the last row and
    /// record of what was given last; `None`: from the newest), `limit` at most. With `before`, and where few are left of
    /// the [`KEPT_NEWEST`], the whole id map of the step is looked through.
    fn newest_links(
        &self,
        links: LinkSet,
        before: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, StateError>;

    /// Which records rows of a step became, ordered by row, those after `after` (`None`: from the start), `limit` at
    /// most: row, record.
    fn links(
        &self,
        links: LinkSet,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CompactString, CompactString)>, StateError>;

    /// Forgets which records all rows of a step became.
    fn unlink_all(&self, links: LinkSet) -> Result<(), StateError>;

    /// Forgets which records some rows became: they are there no more.
    fn unlink(&self, links: LinkSet, ids: &[CompactString]) -> Result<(), StateError>;

    /// Stores outcomes, links of rows that reached the target, and the source values of parked rows: of each row all or
    /// nothing. An outcome of a row that had one replaces it.
    fn record(
        &self,
        step: StepRun,
        links: LinkSet,
        results: &[RowResult],
        parked: &[ParkedRow],
    ) -> Result<(), StateError>;

    /// Claims keys for rows of a step: false for a key that an earlier row of the step has. A row that had claimed
    /// its key in an earlier sitting has it still.
    fn claim_keys(&self, step: StepRun, sitting: u32, keys: &[ClaimedKey]) -> Result<Vec<bool>, StateError>;

    /// Puts rows aside for the second pass.
    fn defer(&self, step: StepRun, rows: &[Deferred]) -> Result<(), StateError>;

    /// Rows put aside, ordered, those after `after` (`None`: from the start), `limit` at most.
    fn deferred(&self, step: StepRun, after: Option<&str>, limit: usize)
    -> Result<Vec<Deferred>, StateError>;

    /// Rows that were put aside are through.
    fn undefer(&self, step: StepRun, ids: &[CompactString]) -> Result<(), StateError>;

    /// How many rows were put aside.
    fn deferred_count(&self, step: StepRun) -> Result<u64, StateError>;

    /// Claims values for rows of a step, for one of its checks: the other row that had claimed a value before, if one
    /// had.
    fn claim_values(
        &self,
        step: StepRun,
        check: usize,
        values: &[ClaimedValue],
    ) -> Result<Vec<Option<CompactString>>, StateError>;

    /// Notes what the target has to hold when the step ends. A later note of a row replaces an earlier one.
    fn expect(&self, step: StepRun, rows: &[Expected]) -> Result<(), StateError>;

    /// What was noted, ordered by target record, what comes after `after` (`None`: from the start), `limit` at most.
    fn expected(
        &self,
        step: StepRun,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<Expected>, StateError>;

    /// What was noted of single rows, each named by its target record and its source id: their payloads.
    fn expected_of(
        &self,
        step: StepRun,
        rows: &[(CompactString, CompactString)],
    ) -> Result<Vec<Option<String>>, StateError>;

    /// How far an incremental step has come, for what it reads (`scope`).
    fn cursor(&self, links: LinkSet, scope: &str) -> Result<Option<CursorRecord>, StateError>;

    /// Notes how far incremental steps have come at the good end of a run, and forgets the rows that waited and that
    /// `run` has not parked again: all or nothing.
    fn move_cursors(&self, run: &str, moves: &[CursorMove]) -> Result<(), StateError>;

    /// Rows of an incremental step that are parked, ordered by source id, `limit` at most.
    fn waiting(&self, links: LinkSet, scope: &str, limit: usize) -> Result<Vec<WaitingRow>, StateError>;

    /// Notes rows of an incremental step that `run` has parked, and forgets those that have ended otherwise.
    fn wait(
        &self,
        links: LinkSet,
        scope: &str,
        run: &str,
        parked: &[WaitingRow],
        ended: &[CompactString],
    ) -> Result<(), StateError>;

    /// The target record of each row with the mark of what it was last sent; `None` when nothing is known of either.
    fn sent(
        &self,
        links: LinkSet,
        ids: &[CompactString],
    ) -> Result<Vec<Option<(CompactString, SentMark)>>, StateError>;

    /// Notes what rows were last sent; `None` forgets it. Rows without a target record have no mark.
    fn mark_sent(
        &self,
        links: LinkSet,
        marks: &[(CompactString, Option<SentMark>)],
    ) -> Result<(), StateError>;

    /// Writes down that a step has ended, and forgets what only a running step needs: its keys, the rows put aside,
    /// its units, and what its checks have noted.
    fn end_step(&self, step: StepRun) -> Result<(), StateError>;

    /// Outcomes counted by step, in the order in which steps began.
    fn counts(&self, run: &str) -> Result<Vec<StepCounts>, StateError>;

    /// Parked rows of a run, ordered by step and source id, those after `after` (step name, source id), `limit` at most.
    fn parked(
        &self,
        run: &str,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<Vec<(String, ParkedRow, ParkReason)>, StateError>;

    /// One row's end in a run.
    fn outcome(&self, run: &str, step: &str, source_id: &str) -> Result<Option<RowResult>, StateError>;
}

/// Holds a pipeline's place until it is dropped.
pub struct RunLock(#[expect(dead_code, reason = "what it does, it does when it is dropped")] Box<dyn Send>);

impl RunLock {
    pub(super) fn new(place: impl Send + 'static) -> Self {
        RunLock(Box::new(place))
    }
}

impl std::fmt::Debug for RunLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunLock")
    }
}

/// A step of a run in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRun(pub i64);

/// An id map in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSet(pub i64);

/// A row whose looping references are written in the second pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// The source row.
    pub source_id: CompactString,
    /// Its record in the target.
    pub target_id: CompactString,
    /// What it had ended as in the first pass.
    pub outcome: Outcome,
    /// The engine's own text (JSON): the references to resolve, and the row's source values.
    pub payload: String,
}

/// A value that a check wants to be the only one of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedValue {
    /// The value, as the check compares it.
    pub value: CompactString,
    /// The row that has it.
    pub source_id: CompactString,
}

/// What the target has to hold of a row when its step ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The source row.
    pub source_id: CompactString,
    /// Its record in the target.
    pub target_id: CompactString,
    /// The engine's own text (JSON): the values that were sent.
    pub payload: String,
}

/// How far an incremental step has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorRecord {
    /// The newest value that was read.
    pub value: String,
    /// When the run began that read it: RFC 3339, UTC.
    pub begun_at: String,
}

/// An incremental step's new place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorMove {
    /// Whose.
    pub links: LinkSet,
    /// What was read.
    pub scope: String,
    /// The new place; `None` leaves the old one.
    pub to: Option<CursorRecord>,
}

/// A parked row of an incremental step, which the next run reads again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRow {
    /// The source row.
    pub source_id: CompactString,
    /// The record that it was read from; empty where the source has no Ids.
    pub record_id: CompactString,
    /// Its value of the cursor's field.
    pub at: Option<String>,
}

/// A mark of the values that a row was sent with. Marks of several fields join by exclusive or, so that a field
/// that is sent later can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentMark(pub u128);

/// A parked row's source values, for the file that the user gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRow {
    /// The source row.
    pub source_id: CompactString,
    /// Column names and values, in the source's order; null is `None`.
    pub values: Vec<(String, Option<String>)>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// Its process is gone, and it had not ended. Seen, never written.
    Died,
    /// All rows have an outcome and none is parked.
    Done,
    /// All rows have an outcome; some are parked.
    DoneWithParked,
    /// A threshold stopped it.
    Stopped,
    /// The user stopped it.
    Interrupted,
    /// The API calls that it may make are used up.
    BudgetUsed,
    /// An error ended it.
    Failed,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [RunStatus; 8] = [
        RunStatus::Running,
        RunStatus::Died,
        RunStatus::Done,
        RunStatus::DoneWithParked,
        RunStatus::Stopped,
        RunStatus::Interrupted,
        RunStatus::BudgetUsed,
        RunStatus::Failed,
    ];

    /// The word in state and in JSON: `done_with_parked`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Died => "died",
            RunStatus::Done => "done",
            RunStatus::DoneWithParked => "done_with_parked",
            RunStatus::Stopped => "stopped",
            RunStatus::Interrupted => "interrupted",
            RunStatus::BudgetUsed => "budget_used",
            RunStatus::Failed => "failed",
        }
    }

    /// The status of a word.
    pub fn parse(word: &str) -> Option<Self> {
        RunStatus::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// A run in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id, `20261123-233000-k3f9`: sorts by time.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file.
    pub file: PathBuf,
    /// `--env`.
    pub env: Option<String>,
    /// Named credential of the source.
    pub from: String,
    /// Named credential of the target.
    pub to: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub ended_at: Option<String>,
    /// How it stands.
    pub status: RunStatus,
    /// What the command exited with.
    pub exit_code: Option<u8>,
    /// The report (JSON) once it has ended.
    pub report: Option<String>,
    /// What it was started with; unknown of runs of older versions.
    pub started_with: Option<StartedWith>,
    /// How many processes have worked on it.
    pub sittings: u32,
    /// Whether a step of it has begun. Seen, never written.
    pub begun: bool,
}

impl RunRecord {
    /// The run whose parked rows it takes, where it is a retry.
    pub fn retry_of(&self) -> Option<&str> {
        let retry = self.started_with.as_ref()?.retry.as_ref()?;
        Some(&retry.run)
    }

    /// Whether another sitting could go on with it, as far as the run itself tells.
    pub fn is_resumable(&self) -> bool {
        let stopped = match self.status {
            RunStatus::Died
            | RunStatus::Stopped
            | RunStatus::BudgetUsed
            | RunStatus::Interrupted
            | RunStatus::Failed => true,
            RunStatus::Running | RunStatus::Done | RunStatus::DoneWithParked => false,
        };
        stopped && self.begun && self.started_with.is_some()
    }
}

/// Outcomes of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepCounts {
    /// Its name.
    pub step: String,
    /// In the order of [`Outcome::ALL`].
    pub ended: [u64; 6],
}

/// Why state cannot be used. Nothing was written by the failed call.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The database said no.
    #[error("state `{path}`: {message}")]
    Database {
        /// The file or server.
        path: String,
        /// The database's words.
        message: String,
    },
    /// The file was made by a newer orgferry.
    #[error("state `{path}` has version {found}, and this orgferry knows up to {known}")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file cannot be read as state.
    #[error("`{path}` is no state of orgferry: {found}")]
    Foreign {
        /// The file.
        path: String,
        /// What it is instead.
        found: &'static str,
    },
    /// The folder or file cannot be made.
    #[error("cannot create state `{path}`: {source}")]
    Create {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is there and cannot be written.
    #[error("cannot write state `{path}`: {found}")]
    ReadOnly {
        /// The file.
        path: String,
        /// What stands against it.
        found: &'static str,
    },
    /// Nothing more fits on the disk.
    #[error("cannot write state `{path}`: the disk is full")]
    Full {
        /// The file.
        path: String,
    },
    /// The file may not grow, though the disk has room.
    #[error(
        "cannot write state `{path}`: nothing more may be written (a quota, or a limit on the size of files)"
    )]
    NoMore {
        /// The file.
        path: String,
    },
    /// The pipeline is being run already.
    #[error("`{pipeline}`{} is being run already{}", in_env(env), held_by(by))]
    Running {
        /// Its name.
        pipeline: String,
        /// Its environment.
        env: Option<String>,
        /// The run, since when, and the process, where it has said so.
        by: Option<String>,
    },
    /// The database is on a server, and cannot be used.
    #[error(transparent)]
    Server(ServerError),
    /// Another process writes to it and does not end.
    #[error("state `{path}` is in use by another process")]
    Busy {
        /// The file.
        path: String,
    },
    /// A beginning of a run's id that fits several.
    #[error("several runs begin with `{beginning}`: {}", runs.join(", "))]
    Ambiguous {
        /// What was asked for.
        beginning: String,
        /// The newest of those that fit.
        runs: Vec<String>,
    },
}

impl StateError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            StateError::Server(error) => return error.help(),
            StateError::Newer { .. } => {
                "update orgferry, or name another file under `state` in orgferry.yaml"
            }
            StateError::Foreign { .. } => {
                "move the file away, or name another one under `state: { sqlite: ... }` in orgferry.yaml; without the \
                 old file the history and the id map start anew"
            }
            StateError::Full { .. } | StateError::NoMore { .. } => NO_ROOM,
            StateError::Create { source, .. } if is_full(source) => NO_ROOM,
            StateError::Create { .. } | StateError::ReadOnly { .. } => {
                "make the folder writable, or name another file under `state: { sqlite: ... }` in orgferry.yaml"
            }
            StateError::Running { .. } => {
                "two runs at once would send the same rows: wait until that one has ended, or stop its process"
            }
            StateError::Busy { .. } => "wait until the other run has ended",
            StateError::Ambiguous { .. } => "write more of the id",
            StateError::Database { .. } => return None,
        };
        Some(help.to_owned())
    }
}

const NO_ROOM: &str = "make room on that disk, or name a file on another one under `state: { sqlite: ... }` in orgferry.yaml; what the state \
     held before is unharmed";

/// Whether there was no room: of the disk, or of what this user may take of it.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn in_env(env: &Option<String>) -> String {
    env.as_ref().map(|env| format!(" ({env})")).unwrap_or_default()
}

fn held_by(by: &Option<String>) -> String {
    by.as_ref().map(|by| format!(": {by}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_no_question_of_permissions() {
        let create = |kind| StateError::Create {
            path: "x/state.db".into(),
            source: Error::from(kind),
        };
        for (error, disk) in [
            (create(ErrorKind::StorageFull), true),
            (create(ErrorKind::QuotaExceeded), true),
            (create(ErrorKind::PermissionDenied), false),
            (create(ErrorKind::ReadOnlyFilesystem), false),
            (
                StateError::Full {
                    path: "x/state.db".into(),
                },
                true,
            ),
        ] {
            let help = error.help().unwrap_or_default();
            assert_eq!(help.contains("make room on that disk"), disk, "{error}: {help}");
            assert_eq!(help.contains("writable"), !disk, "{error}: {help}");
        }
    }
}
