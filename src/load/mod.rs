//! Rows on their way into the target: what is sent for each, by which API, and what the org says of it.

mod body;
mod bulk;
mod gathered;
mod journal;
mod recall;
mod record;
mod rest;
mod travellers;
mod unit;

pub use journal::{Journal, LoadError};
pub use recall::{Remembered, abandon, recall};
pub(crate) use record::fold;
pub use record::{Action, Plain, WriteRow, prepare};
pub use unit::{Loader, Unit, Written};
