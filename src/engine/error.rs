use super::{budget::OutOfCalls, checks::FailedCheck};
use crate::{
    auth::AuthError,
    file::FileError,
    pipeline::credentials::Refusal,
    plan::GatherError,
    record::ParkReason,
    salesforce::{Class, ClientError},
    state::{RunStatus, StateError},
};

/// What ends a run before all its rows have an outcome.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The describes prove the file wrong; the findings say how. Nothing was written.
    #[error("the pipeline does not fit the orgs; nothing was written")]
    Findings,
    /// The permission sets do not allow it. Nothing was sent.
    #[error("access to `{connection}` refused: {refusal}")]
    Access {
        /// The named credential.
        connection: String,
        /// Why.
        refusal: Refusal,
    },
    /// A login failed.
    #[error("cannot sign in to `{connection}`: {source}")]
    Login {
        /// The named credential.
        connection: String,
        /// Why.
        source: AuthError,
    },
    /// The key of `mask` is not there, or can be guessed. Nothing was sent.
    #[error("{message}")]
    MaskKey {
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// The target may not be written to.
    #[error("`{connection}` may not be written to: {why}")]
    WritesRefused {
        /// The named credential.
        connection: String,
        /// Why.
        why: String,
    },
    /// An org did not do what it was asked.
    #[error("{connection}: {source}")]
    Org {
        /// The named credential.
        connection: String,
        /// Why.
        source: ClientError,
    },
    /// The source gave fewer or more rows than it had said.
    #[error("step `{step}`: the source announced {announced} rows, and {arrived} arrived")]
    CountDiffers {
        /// The step.
        step: String,
        /// What the org said.
        announced: u64,
        /// What came.
        arrived: u64,
    },
    /// A JSON source gave something else than rows.
    #[error("step `{step}`: {message}")]
    Source {
        /// The step.
        step: String,
        /// What is wrong.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("{}{error}", of_step(step))]
    File {
        /// The step; before the steps begin: none.
        step: Option<String>,
        /// Why.
        error: FileError,
    },
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Too many rows of a step failed.
    #[error(
        "step `{step}`: {parked} rows are parked, {share:.1}% of those done, and `stop_when` allows {percent}%"
    )]
    TooManyParked {
        /// The step.
        step: String,
        /// Rows parked.
        parked: u64,
        /// Their share of the rows done, in percent.
        share: f64,
        /// The threshold, in percent.
        percent: f64,
    },
    /// More was deleted in the source than the policy lets pass.
    #[error(
        "step `{step}`: {deleted} of the {linked} records that it has in the target were deleted in the source, and \
         `changes.stop_when` allows {percent}%; none of them was touched"
    )]
    TooManyDeletes {
        /// The step.
        step: String,
        /// Records to be deleted or marked.
        deleted: u64,
        /// Records that the step has in the target, as far as state knows.
        linked: u64,
        /// The threshold, in percent.
        percent: f64,
    },
    /// The run has carried rows between other orgs than those that its named credentials lead to now. Nothing was sent.
    #[error(
        "step `{step}`: the run has carried its rows between other orgs than those that its named credentials lead to now; nothing was sent"
    )]
    OtherOrgs {
        /// The step.
        step: String,
    },
    /// A row failed, and the policy or the mapping says that the run stops then.
    #[error("step `{step}`: row `{source_id}`: {}", reason.message)]
    RowStopped {
        /// The step.
        step: String,
        /// The source row.
        source_id: String,
        /// Why it failed.
        reason: Box<ParkReason>,
    },
    /// A check of a whole step failed.
    #[error("{0}")]
    Check(Box<FailedCheck>),
    /// The API calls that the run may make are used up, or would be.
    #[error("{0}")]
    Budget(Box<OutOfCalls>),
    /// The user asked to stop.
    #[error("stopped on request; what was in flight is finished and written down")]
    Interrupted,
    /// A part of the engine broke. A defect of orgferry.
    #[error("a part of orgferry broke: {0}")]
    Broken(String),
}

/// The kinds of [`EngineError`], each with an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Exit code 1.
    RunTime,
    /// Exit code 2.
    Findings,
    /// Exit code 3.
    Login,
    /// Exit code 5.
    Stopped,
    /// Exit code 7.
    Budget,
    /// Exit code 130.
    Interrupted,
}

impl EngineError {
    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            EngineError::Findings | EngineError::MaskKey { .. } | EngineError::OtherOrgs { .. } => {
                ErrorKind::Findings
            }
            EngineError::Access { .. } | EngineError::Login { .. } | EngineError::WritesRefused { .. } => {
                ErrorKind::Login
            }
            EngineError::Org { source, .. } if source.is_access() => ErrorKind::Login,
            EngineError::TooManyParked { .. }
            | EngineError::TooManyDeletes { .. }
            | EngineError::RowStopped { .. }
            | EngineError::Check(_) => ErrorKind::Stopped,
            EngineError::Interrupted => ErrorKind::Interrupted,
            EngineError::Budget(_) => ErrorKind::Budget,
            EngineError::Org { source, .. } if source.class() == Class::Quota => ErrorKind::Budget,
            EngineError::Org { .. }
            | EngineError::CountDiffers { .. }
            | EngineError::Source { .. }
            | EngineError::File { .. }
            | EngineError::State(_)
            | EngineError::Broken(_) => ErrorKind::RunTime,
        }
    }

    /// What the command exits with.
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            ErrorKind::RunTime => 1,
            ErrorKind::Findings => 2,
            ErrorKind::Login => 3,
            ErrorKind::Stopped => 5,
            ErrorKind::Budget => 7,
            ErrorKind::Interrupted => 130,
        }
    }

    /// How the run stands then.
    pub fn status(&self) -> RunStatus {
        match self.kind() {
            ErrorKind::Stopped => RunStatus::Stopped,
            ErrorKind::Interrupted => RunStatus::Interrupted,
            ErrorKind::Budget => RunStatus::BudgetUsed,
            ErrorKind::RunTime | ErrorKind::Findings | ErrorKind::Login => RunStatus::Failed,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            EngineError::Findings | EngineError::Interrupted => None,
            EngineError::MaskKey { help, .. } => help.clone(),
            EngineError::Access { refusal, connection } => Some(match refusal {
                Refusal::NoRunAs => "name a permission set in the pipeline: `run_as: SET`".to_owned(),
                Refusal::PipelineNotCovered { set, pipeline } => {
                    format!("add `{pipeline}` to `pipelines` of permission set `{set}`, or run as another set")
                }
                Refusal::NoPrincipal { set, external } => format!(
                    "add `{external}.PRINCIPAL` to `principals` of permission set `{set}`, or run as another set"
                ),
                Refusal::Empty { external } => {
                    format!("give `{external}` (used by `{connection}`) a principal with a `sequence`")
                }
            }),
            EngineError::Login { source, .. } => source.help().map(|h| h.to_string()),
            EngineError::WritesRefused { connection, .. } => Some(format!(
                "if rows are meant to go there, say `writes: allow` in the named credential `{connection}`"
            )),
            EngineError::Org { source, .. } => source.help().map(|h| h.to_string()),
            EngineError::CountDiffers { .. } => {
                Some("run again: rows that reached the target keep their place there".to_owned())
            }
            EngineError::Source { .. } => None,
            EngineError::File { error, step } => Some(match step {
                // All files are read for faults before the first row is carried.
                None => format!("{}; nothing was written", error.help()),
                Some(_) => error.help(),
            }),
            EngineError::State(error) => Some(
                error
                    .help()
                    .unwrap_or_else(|| "check the folder `.orgferry` and the disk".to_owned()),
            ),
            EngineError::TooManyParked { .. } => Some(
                "look at the parked rows' reasons below; raise `policy.errors.stop_when` only when they are expected"
                    .to_owned(),
            ),
            EngineError::TooManyDeletes { .. } => Some(
                "find out who deleted them; when it was meant, run once with a higher `deleted` under \
                 `policy.changes.stop_when`"
                    .to_owned(),
            ),
            EngineError::OtherOrgs { .. } => Some(
                "let the named credentials lead to the orgs of before, or `orgferry run` the pipeline anew".to_owned(),
            ),
            EngineError::RowStopped { reason, .. } => Some(reason.help.clone()),
            EngineError::Check(check) => Some(check.help.clone()),
            EngineError::Budget(out) => Some(out.help()),
            EngineError::Broken(_) => Some("please report this with the log (`--log-level debug`)".to_owned()),
        }
    }
}

fn of_step(step: &Option<String>) -> String {
    step.as_ref()
        .map(|step| format!("step `{step}`: "))
        .unwrap_or_default()
}

impl From<GatherError> for EngineError {
    fn from(error: GatherError) -> Self {
        EngineError::Org {
            connection: error.connection,
            source: error.source,
        }
    }
}
