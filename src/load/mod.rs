//! Rows on their way into the target: what is sent for each, by which API, and what the org says of it.

mod body;
mod bulk;
mod gathered;
mod record;
mod rest;
mod unit;

pub(crate) use record::fold;
pub use record::{Action, Plain, WriteRow, prepare};
pub use unit::{Loader, Unit, Written};
