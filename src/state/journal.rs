//! What a run leaves behind for its next sitting: how far its steps are, and what was on its way into the target.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::LinkSet;
use crate::record::Outcome;

/// What a run was started with, so that a later sitting can start alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedWith {
    /// The pipeline's file, seen from the project's folder.
    pub file: String,
    /// `--var`, as typed.
    #[serde(default)]
    pub vars: Vec<(String, String)>,
    /// `--full`.
    #[serde(default)]
    pub full: bool,
    /// Of a retry: which parked rows of which run it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryOf>,
    /// A digest of all that the pipeline was made of: its files' texts, and the values of its vars.
    pub fingerprint: String,
}

/// Parked rows of a run that another one takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryOf {
    /// The run that has parked them.
    pub run: String,
    /// Of these steps; empty: of all.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Of these codes; empty: of all.
    #[serde(default)]
    pub codes: Vec<String>,
    /// Also rows that would be doubled if they are in the target.
    #[serde(default)]
    pub unknown: bool,
}

/// How far a step of a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepStage {
    /// It reads.
    #[default]
    Begun,
    /// Its checks of all rows have passed: rows may be written.
    Allowed,
    /// All its rows have been read, and each has an outcome.
    FirstPassEnded,
    /// It has ended.
    Ended,
}

impl StepStage {
    /// All of them, in the order of their numbers in state.
    pub const ALL: [StepStage; 4] = [
        StepStage::Begun,
        StepStage::Allowed,
        StepStage::FirstPassEnded,
        StepStage::Ended,
    ];
}

/// A step's place in its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepPlace {
    /// How far it is.
    pub stage: StepStage,
    /// The id map that it fills: of which orgs it is.
    pub links: Option<LinkSet>,
    /// The engine's own text (JSON): what a later sitting cannot find out again.
    pub note: Option<String>,
}

/// A row's end in a run, without its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub outcome: Outcome,
    /// Its record in the target.
    pub target_id: Option<CompactString>,
}

/// A key that a row of a step claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedKey {
    /// The key, as it is compared.
    pub key: CompactString,
    /// What tells the row from others.
    pub owner: CompactString,
}

/// A unit of work in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitId(pub i64);

/// A unit of work that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUnit {
    /// The step's pass, from 1.
    pub pass: u8,
    /// What is done with its rows, in the loader's word.
    pub action: CompactString,
    /// Whether it goes as a job, which gets its id later; else as one call.
    pub bulk: bool,
    /// The loader's own bytes: which rows it holds.
    pub manifest: Vec<u8>,
}

/// A unit of work whose outcomes are not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRecord {
    /// Its name in the journal. Later units have higher numbers.
    pub id: UnitId,
    /// Its step's name.
    pub step: String,
    /// What was known before it was sent.
    pub unit: NewUnit,
    /// The org's id of its job, once there is one.
    pub job: Option<CompactString>,
}
