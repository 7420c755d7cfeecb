//! The client of Salesforce's HTTP API.
//!
//! Request builders and answer parsers are pure and stand in files of their own (`query`, `collections`, `job`,
//! `csv_out`, `describe`, `limits`); [`Client`] sends what they build. `codes` is the one table of what errors mean,
//! `canonical` the one place where REST's JSON and Bulk's CSV become the same values. What is read or written, in
//! which order and how often, is the engine's to decide.
//!
//! Promises kept here: a token is renewed once per expiry and a refused call replayed once; what may be repeated is
//! retried by error class; what must not be repeated ends as [`ClientError::OutcomeUnknown`]; no answer's place is
//! trusted where a key travels.

mod budget;
mod bulk;
mod caller;
mod callout;
mod canonical;
mod client;
mod codes;
mod collections;
mod csv_in;
mod csv_out;
mod csv_records;
mod describe;
mod error;
mod field_type;
mod files;
mod identity;
mod job;
mod limits;
mod query;
mod rows;
mod version;

#[cfg(test)]
mod tests;

pub use budget::{BudgetState, CallBudget};
pub use bulk::{BulkRows, IngestRow, IngestRows};
pub use callout::{Ask, Callout, CalloutAnswer};
pub use canonical::{cell, json};
pub use client::Client;
pub use codes::{Class, class, help_for};
pub use collections::{AssignmentRule, MAX_COLLECTION, RowAnswer, Write, WriteOptions};
pub use csv_out::{Cell, CsvWriter, NoCell};
pub use describe::{ChildRelationship, Field, PicklistValue, RecordType, SObjectDescribe, SObjectSummary};
pub use error::{ApiError, ClientError, RowError};
pub use field_type::FieldType;
pub use files::FileBody;
pub use identity::{Identity, Organization};
pub use job::{IngestJob, IngestOperation, JobInfo, JobKind, JobState, LineEnding, Poll};
pub use limits::{ApiUsage, Limit};
pub use query::{MAX_QUERY_URI, QueryPage};
pub use rows::{Record, row};
pub use version::{ApiVersion, NotAVersion};

/// The header by which Salesforce's support finds a request; give it to the transport's options.
pub const REQUEST_ID: &str = "x-sfdc-request-id";
