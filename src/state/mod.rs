//! What is remembered between rows, runs and crashes: runs, row outcomes, the id map.
//!
//! One trait, so that another database can stand in for SQLite. Its methods block; the engine calls them from
//! blocking threads, a batch at a time. Nothing here grows in memory with the number of rows.

mod journal;
mod postgres;
mod sqlite;
mod store;
#[cfg(test)]
mod suite;

pub use journal::{
    ClaimedKey, Ended, NewUnit, RetryOf, StartedWith, StepPlace, StepStage, UnitId, UnitRecord,
};
pub use postgres::{Postgres, ServerError};
pub use sqlite::{Sqlite, project_folder};
pub use store::{
    ClaimedValue, CursorMove, CursorRecord, Deferred, Expected, LinkSet, ParkedRow, RunLock, RunRecord,
    RunStatus, SentMark, StateError, StepCounts, StepRun, Store, WaitingRow,
};
