//! Runs that are killed, cut off and refused, and what must be true of the orgs afterwards.
//!
//! An [`round::Ordeal`] is one round: two emulated orgs in processes of their own, a pipeline, the real command in a process that
//! is killed or troubled, `resume` until the run has ended, and a [`judge`] that knows nothing of the engine: it asks both
//! orgs by plain REST queries and compares. `benches/faults.rs` runs many, `tests/it/faults.rs` a chosen few.

mod command;
pub(crate) mod judge;
mod orgs;
pub(crate) mod round;
pub(crate) mod shape;
pub(crate) mod trouble;

use std::error::Error;

/// What an ordeal itself may fail at: a port, a folder, an org that does not answer.
pub(crate) type Fallible<T> = Result<T, Box<dyn Error>>;
