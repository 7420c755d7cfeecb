use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// What became of a source row. Each row ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A record was made in the target.
    Created,
    /// A record of the target was written.
    Updated,
    /// The target had it already, or nothing had to be written.
    Unchanged,
    /// A record of the target is gone.
    Deleted,
    /// The pipeline left the row out on purpose.
    Filtered,
    /// The row waits; the reason says for what.
    Parked,
}

impl Outcome {
    /// All of them, in the order in which reports show them.
    pub const ALL: [Outcome; 6] = [
        Outcome::Created,
        Outcome::Updated,
        Outcome::Unchanged,
        Outcome::Deleted,
        Outcome::Filtered,
        Outcome::Parked,
    ];

    /// The word in reports and in the state: `created`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Deleted => "deleted",
            Outcome::Filtered => "filtered",
            Outcome::Parked => "parked",
        }
    }

    /// The outcome of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Outcome::ALL.into_iter().find(|o| o.as_str() == word)
    }
}

/// Why a row is parked, in words that its owner can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkReason {
    /// Ours in lower case (`empty_key`, `required`), the org's in capitals (`STRING_TOO_LONG`).
    pub code: CompactString,
    /// What happened.
    pub message: String,
    /// The target field that is to blame, where one is.
    pub field: Option<CompactString>,
    /// What to do about it.
    pub help: String,
}

/// One source row's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowResult {
    /// The source row's id.
    pub source_id: CompactString,
    /// The target record's Id, where there is one.
    pub target_id: Option<CompactString>,
    /// What became of the row.
    pub outcome: Outcome,
    /// Why, when parked.
    pub reason: Option<ParkReason>,
}

impl RowResult {
    /// The record that the row leads to from now on.
    pub fn link(&self) -> Option<&CompactString> {
        match self.outcome {
            Outcome::Created | Outcome::Updated | Outcome::Unchanged => self.target_id.as_ref(),
            Outcome::Deleted | Outcome::Filtered | Outcome::Parked => None,
        }
    }
}

/// What state knows of a source row that another row refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefAnswer {
    /// Its record in the target.
    Linked(CompactString),
    /// It is parked in this run and has no record in the target.
    Parked,
    /// This run has filtered it.
    Filtered,
    /// State does not know it.
    Unknown,
}
