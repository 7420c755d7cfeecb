//! How a step goes about its work.

use std::time::Duration;

/// `policy`, every key decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What an empty source value does to the target field.
    pub nulls: Nulls,
    /// Whether rows that the target has already are written again.
    pub compare: Compare,
    /// What a failed row does to the run.
    pub rows: RowErrors,
    /// More than this share of parked rows stops the run ...
    pub stop_failed_percent: f64,
    /// ... once at least this many rows of the step are done.
    pub stop_at_least: u64,
    /// How often a request is tried in all.
    pub attempts: u32,
    /// The first pause between tries.
    pub backoff_first: Duration,
    /// The longest pause between tries.
    pub backoff_cap: Duration,
    /// What a difference between the schema lock and an org does.
    pub drift: Drift,
    /// What personal data does that would reach the target unmasked.
    pub pii: Pii,
    /// How far behind the newest value of the last run the next one begins to read, where there is a cursor.
    pub overlap: Duration,
    /// More than this share of a step's records in the target that are to be deleted or marked, in percent, stops the
    /// run ...
    pub stop_deleted_percent: f64,
    /// ... when they are at least this many.
    pub stop_deleted_at_least: u64,
    /// How many API calls the run may make to each org. The same in every step.
    pub budget: Budget,
}

/// `policy.budget.daily_calls`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many percent of what the org has left when the run begins.
    Share(f64),
    /// So many calls.
    Calls(u64),
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            nulls: Nulls::Clear,
            compare: Compare::None,
            rows: RowErrors::Park,
            stop_failed_percent: 10.0,
            stop_at_least: 100,
            attempts: 5,
            pii: Pii::Ignore,
            backoff_first: Duration::from_secs(1),
            backoff_cap: Duration::from_secs(60),
            drift: Drift::default(),
            overlap: Duration::from_secs(300),
            stop_deleted_percent: 10.0,
            stop_deleted_at_least: 100,
            budget: Budget::Share(80.0),
        }
    }
}

/// `policy.drift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// A field that the pipeline uses is gone, or takes less than it did.
    pub removed_field: OnDrift,
    /// An object has a field that the lock does not know.
    pub new_field: OnDrift,
    /// The values of a picklist that the pipeline uses have changed.
    pub picklist: OnDrift,
}

impl Default for Drift {
    fn default() -> Self {
        Drift {
            removed_field: OnDrift::Fail,
            new_field: OnDrift::Report,
            picklist: OnDrift::Fail,
        }
    }
}

/// What a difference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrift {
    /// It is an error: nothing is written.
    Fail,
    /// It is a warning.
    Report,
    /// Nothing is said.
    Ignore,
}

/// `policy.pii`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pii {
    /// It is refused.
    Refuse,
    /// It is a warning.
    Report,
    /// Nobody looks.
    Ignore,
}

/// `policy.nulls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// An empty source value empties the target field.
    Clear,
    /// It leaves the target field alone.
    Keep,
}

/// `policy.compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Every row is written.
    None,
    /// The target is read first, and only what differs is written.
    Target,
    /// What was last sent alike is not sent again.
    Sent,
}

/// `policy.errors.rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowErrors {
    /// A failed row is parked.
    Park,
    /// A failed row stops the run, exit 5.
    Stop,
}
