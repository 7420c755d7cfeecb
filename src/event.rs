//! What the engine says while it works: facts, which `report` words and the terminal shows.
//!
//! The only bridge from the engine outwards. No event holds a secret or a record's values, but for the reasons of
//! parked rows, which are the user's to see.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::plan::Road;
use crate::record::Outcome;

/// Where events go. Sending never blocks and never fails the run.
#[derive(Clone)]
pub struct Events(tokio::sync::mpsc::UnboundedSender<Event>);

/// Where they arrive.
pub type EventReceiver = tokio::sync::mpsc::UnboundedReceiver<Event>;

impl Events {
    /// A sender and its receiver.
    pub fn channel() -> (Events, EventReceiver) {
        let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
        (Events(tx), rx)
    }

    /// Tells whoever listens; nobody may.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

/// How many rows ended in which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that the source gave.
    pub read: u64,
    /// In the order of [`Outcome::ALL`].
    pub ended: [u64; 6],
}

impl Counts {
    /// Rows with this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize]
    }

    /// Counts one row.
    pub fn add(&mut self, outcome: Outcome) {
        self.ended[outcome as usize] += 1;
    }

    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Counts) {
        self.read += other.read;
        for (mine, theirs) in self.ended.iter_mut().zip(other.ended) {
            *mine += theirs;
        }
    }

    /// Rows with any outcome; equals `read` when a step has ended.
    pub fn done(&self) -> u64 {
        self.ended.iter().sum()
    }
}

/// One fact.
#[derive(Clone, Debug)]
pub enum Event {
    /// A named credential's org answered who it is.
    SignedIn {
        /// The named credential.
        credential: String,
        /// 18-character org id; empty for what is no org.
        org_id: String,
        /// The org's name, where it could be asked.
        org_name: Option<String>,
        /// The API version in use.
        api_version: String,
    },
    /// The plan stands; nothing is written yet. Steps in the order in which they may start.
    Planned {
        /// One for each step.
        steps: Vec<PlannedStep>,
    },
    /// A step began to read.
    StepStarted {
        /// Its index in the plan.
        step: usize,
    },
    /// Rows came out of the source.
    RowsRead {
        /// The step's index in the plan.
        step: usize,
        /// How many more.
        rows: u64,
    },
    /// An earlier sitting of the run has carried rows of the step.
    StepResumed {
        /// Its index in the plan.
        step: usize,
        /// What became of them.
        counts: Counts,
    },
    /// What an earlier sitting had sent is asked for.
    Reattached {
        /// The step's index in the plan.
        step: usize,
        /// Bulk jobs that are waited for, or read.
        jobs: u64,
    },
    /// Rows came out of the source that an earlier sitting has carried.
    RowsSkipped {
        /// The step's index in the plan.
        step: usize,
        /// How many more.
        rows: u64,
    },
    /// Rows ended.
    RowsEnded {
        /// The step's index in the plan.
        step: usize,
        /// How many more, by outcome; `read` is 0 here.
        counts: Counts,
    },
    /// The second pass of a step began: rows whose references loop.
    SecondPassStarted {
        /// The step's index in the plan.
        step: usize,
        /// Rows to write.
        rows: u64,
    },
    /// Rows of a second pass were written.
    SecondPassRows {
        /// The step's index in the plan.
        step: usize,
        /// How many more.
        rows: u64,
    },
    /// A row that had ended otherwise was parked by the second pass.
    Reparked {
        /// The step's index in the plan.
        step: usize,
        /// What it had ended as.
        from: Outcome,
    },
    /// Rows of a request failed with an error that another try can mend.
    Retrying {
        /// The step's index in the plan.
        step: usize,
        /// How many rows are sent again.
        rows: u64,
        /// The org's code, `UNABLE_TO_LOCK_ROW`.
        code: String,
        /// The pause before.
        wait: Duration,
    },
    /// A query cursor died and is read again from where it was.
    CursorRestarted {
        /// The step's index in the plan.
        step: usize,
    },
    /// A check has come to its end.
    Checked {
        /// The step's index in the plan.
        step: usize,
        /// What it came to.
        check: CheckEnd,
    },
    /// A step has ended: all its rows have an outcome, or the run stops.
    StepEnded {
        /// Its index in the plan.
        step: usize,
        /// All its rows.
        counts: Counts,
        /// From its first request to its last.
        elapsed: Duration,
    },
    /// Something that the user should know, and that stops nothing.
    Noted {
        /// In one sentence, without a full stop.
        text: String,
    },
    /// The user asked to stop: what is in flight is being finished.
    Stopping,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckEnd {
    /// The check, as a user would write it.
    pub words: String,
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// Whether nothing offends it.
    pub passed: bool,
    /// What it found.
    pub found: String,
}

/// A step as planned.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// The source: an sobject, or an address.
    pub source: String,
    /// The target sobject, or the path of the file.
    pub object: String,
    /// `upsert`, `insert`, `update`; of a file `write`.
    pub operation: &'static str,
    /// How many rows the source has, where it could be asked.
    pub total: Option<u64>,
    /// Of an incremental step: which rows it reads.
    pub since: Option<String>,
    /// How it is read.
    pub read: Road,
    /// How it is written.
    pub write: Road,
    /// Fields that are written in a second pass.
    pub second_pass: Vec<String>,
    /// Names of the steps that it waits for.
    pub after: Vec<String>,
}
