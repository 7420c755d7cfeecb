//! What travels: values, rows in batches, Salesforce Ids, and what becomes of a row.
//!
//! This room knows nothing of YAML, HTTP or steps. Everything here is plain data with pure functions, so that
//! the engine and the emulator may share it without sharing their ideas of the protocol.

mod batch;
mod eight;
mod front;
mod id;
mod links;
mod number;
mod outcome;
mod path;
mod value;

pub use batch::{Batch, Row};
pub(crate) use eight::{Eight, any};
pub(crate) use front::{put_number, put_text, take_number, take_text};
pub use id::{Id, IdError, id18, same_id};
pub use links::Links;
pub use number::Number;
pub use outcome::{Outcome, ParkReason, RefAnswer, RowResult};
pub use path::FieldPath;
pub use value::Value;
