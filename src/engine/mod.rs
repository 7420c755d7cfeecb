//! The loop: signs in, plans, and carries rows from extraction through transformation into the target, all steps that
//! may run side by side at once, in bounded batches.
//!
//! A row that fails is an outcome; an [`EngineError`] ends the run. Outcomes and links reach the state before the
//! engine speaks of them. Work that costs processor time, and the state's own blocking calls, run on blocking
//! threads, never on the runtime's.

mod ahead;
mod answers;
mod budget;
mod checks;
mod claim;
mod connect;
mod describes;
mod disguise;
mod each;
mod error;
mod find;
mod first_pass;
mod gone;
mod handover;
mod into_file;
mod linked;
mod look_first;
mod mapped;
mod recall;
mod reconcile;
mod retry;
mod rows;
mod sample;
mod second_pass;
mod sent;
mod shared;
mod since;
mod spool;
mod steps;
mod writing;

use std::{borrow::Cow, sync::Arc};

pub use budget::{OutOfCalls, WhyNoCalls};
pub use checks::{FailedCheck, Written};
pub use connect::{check_access, orgs_of};
pub use describes::Describes;
pub use error::{EngineError, ErrorKind};
pub use retry::{Chosen, LeftOut};
pub use rows::Rows;
pub use sample::{Sample, SampleRequest, sample};

use secrecy::ExposeSecret;

use crate::{
    auth::{self, Environment},
    diag::{Finding, Severity},
    event::{Event, Events},
    pipeline::{
        Pipeline,
        expr::{RunInfo, Vars},
        model::MapValue,
    },
    plan::{self, Plan, Schemas},
    salesforce::BudgetState,
    state::{RunStatus, Store},
    transform::Masker,
};
use connect::Signed;
use shared::Shared;

/// What a run needs.
pub struct RunRequest {
    /// From [`new_run_id`].
    pub id: String,
    /// When it began: RFC 3339, UTC.
    pub started_at: String,
    /// What is run.
    pub pipeline: Arc<Pipeline>,
    /// A value for each of its vars.
    pub vars: Vars,
    /// `--env`.
    pub env: Option<String>,
    /// How many processes have worked on this run, this one included.
    pub sitting: u32,
    /// Which of its source's rows are taken; from the second sitting on not all.
    pub rows: Rows,
    /// Rows of an earlier run that are taken, and no others.
    pub retry: Option<Arc<Chosen>>,
    /// A run of the pipeline that stopped before its end and whose place this one takes: what it has under way at the
    /// orgs is ended.
    pub abandoned: Option<String>,
    /// Whether incremental steps read everything, and rows that were last sent alike are sent again.
    pub full: bool,
    /// Where secrets come from.
    pub environment: Environment,
    /// Where outcomes go. The run has been begun there.
    pub store: Arc<dyn Store>,
    /// Where facts go.
    pub events: Events,
    /// What `orgferry schema lock` saw of the orgs, where it did.
    pub locked: Option<Arc<Schemas>>,
    /// Turns true when the user wants to stop.
    pub cancel: tokio::sync::watch::Receiver<bool>,
}

/// How a run has ended.
#[derive(Debug)]
pub struct RunEnd {
    /// In one word.
    pub status: RunStatus,
    /// What ended it early.
    pub error: Option<EngineError>,
    /// What the orgs' describes proved wrong, and warnings.
    pub findings: Vec<Finding>,
    /// Calls made, by named credential.
    pub api_calls: Vec<(String, u64)>,
    /// What of the orgs' daily calls the run may use, by named credential.
    pub budgets: Vec<(String, BudgetState)>,
}

/// A run id that sorts by time: `20261123-233000-k3f9`.
pub fn new_run_id() -> String {
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let tail: String = (0..4)
        .map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())]))
        .collect();
    format!("{}-{tail}", now.strftime("%Y%m%d-%H%M%S"))
}

/// Runs a pipeline to its end.
pub async fn run(request: RunRequest) -> RunEnd {
    let mut findings = Vec::new();
    let mut signed = Signed::default();
    let result = attempt(&request, &mut signed, &mut findings)
        .await
        .map_err(|error| budget::worded(error, &request, &signed));
    let api_calls = signed.calls();
    let budgets = signed.budgets();
    let (status, error) = match result {
        Ok(parked) if parked > 0 => (RunStatus::DoneWithParked, None),
        Ok(_) => (RunStatus::Done, None),
        Err(error) => (error.status(), Some(error)),
    };
    RunEnd {
        status,
        error,
        findings,
        api_calls,
        budgets,
    }
}

/// The rows that are parked at the end.
async fn attempt(
    request: &RunRequest,
    signed: &mut Signed,
    findings: &mut Vec<Finding>,
) -> Result<u64, EngineError> {
    let masker = masker(request)?;
    let connections = connect::connect(request, true, signed).await?;
    budget::open(request, signed, &connections).await?;
    let orgs = &signed.orgs;
    let pipeline = &match request.pipeline.with_deletes() {
        // What was deleted in the source is followed by runs that read changes.
        _ if request.retry.is_some() => Arc::clone(&request.pipeline),
        Cow::Borrowed(_) => Arc::clone(&request.pipeline),
        Cow::Owned(with_deletes) => Arc::new(with_deletes),
    };
    let mut schemas = plan::gather(pipeline, orgs).await?;
    let run = RunInfo {
        id: request.id.clone(),
        pipeline: pipeline.name.clone(),
        env: request.env.clone(),
        started_at: request.started_at.clone(),
        from: pipeline.from.clone().unwrap_or_default(),
        to: pipeline.to.clone().unwrap_or_default(),
    };
    let files = survey(request, &run).await?;
    schemas.set_files(files);
    let (plan, mut found) = match plan::build(pipeline, &schemas, &request.vars, &run) {
        Ok((plan, warnings)) => (Some(plan), warnings),
        Err(all) => (None, all),
    };
    if let Some(locked) = &request.locked {
        plan::drift(pipeline, locked, &schemas, &mut found);
    }
    let wrong = found.iter().any(|finding| finding.severity == Severity::Error);
    findings.extend(found);
    let Some(mut plan) = plan.filter(|_| !wrong) else {
        return Err(EngineError::Findings);
    };
    // A later sitting goes on with what the first one has seen, and a retry has its rows.
    let looks = request.sitting == 1 && request.retry.is_none();
    let lost = looks && gone::forget_lost(request, &connections, signed, &plan).await?;
    let full = request.full || lost;
    let incremental = since::begin(request, &connections, orgs, &mut plan, full).await?;
    let mut totals = plan::totals(&plan, orgs).await?;
    let sources = totals.clone();
    if let Some(chosen) = &request.retry {
        chosen.settle(&mut plan, &mut totals);
    }
    plan.choose_roads(&totals);
    budget::fits(request, &plan, signed)?;
    request.events.send(Event::Planned {
        steps: planned(&plan),
    });
    let shared = Shared::new(
        request,
        plan,
        schemas,
        signed.clone(),
        connections,
        incremental,
        run,
        masker,
        sources,
        true,
        full,
    )
    .await?;
    let shared = Arc::new(shared);
    handover::tell_before(&shared);
    if let Some(run) = &request.abandoned {
        recall::abandon(&shared, run).await?;
    }
    let parked = steps::run_steps(Arc::clone(&shared)).await?;
    match &request.retry {
        None => shared.move_cursors().await?,
        // They wait where they are.
        Some(chosen) => {
            let missed = chosen.tell_missed(&shared.plan, &shared.events);
            return Ok(parked + u64::from(missed || chosen.leaves_rows()));
        }
    }
    Ok(parked)
}

/// What is known of the files that steps read.
async fn survey(
    request: &RunRequest,
    run: &RunInfo,
) -> Result<std::collections::BTreeMap<usize, crate::file::Survey>, EngineError> {
    let (pipeline, vars, run) = (Arc::clone(&request.pipeline), request.vars.clone(), run.clone());
    tokio::task::spawn_blocking(move || plan::survey_files(&pipeline, &vars, &run))
        .await
        .map_err(|error| EngineError::Broken(error.to_string()))?
        .map_err(|error| EngineError::File { step: None, error })
}

/// What masks values. Its key is asked for before anything is sent, and only when something is masked.
fn masker(request: &RunRequest) -> Result<Option<Arc<Masker>>, EngineError> {
    let masks = |value: &MapValue| matches!(value, MapValue::Mask { .. });
    let mut lines = request.pipeline.steps.iter().flat_map(|step| &step.map);
    match lines.any(|line| line.value.any(masks)) {
        true => project_masker(request),
        false => Ok(None),
    }
}

/// What masks under the project's key, where there is one.
fn project_masker(request: &RunRequest) -> Result<Option<Arc<Masker>>, EngineError> {
    /// Shorter keys can be guessed by trying.
    const SHORTEST_KEY: usize = 16;

    let Some(reference) = &request.pipeline.mask_key else {
        return Ok(None);
    };
    let key = auth::resolve(reference, &request.environment, "`mask_key`").map_err(|source| {
        EngineError::MaskKey {
            message: source.to_string(),
            help: source.help(),
        }
    })?;
    let key = key.expose_secret().as_bytes();
    if key.len() < SHORTEST_KEY {
        return Err(EngineError::MaskKey {
            message: format!(
                "`mask_key` has {} bytes, and {SHORTEST_KEY} are the least",
                key.len()
            ),
            help: Some("make one that nobody can guess, for example with `openssl rand -hex 32`".into()),
        });
    }
    Ok(Some(Arc::new(Masker::new(key))))
}

fn planned(plan: &Plan) -> Vec<crate::event::PlannedStep> {
    plan.steps
        .iter()
        .map(|step| crate::event::PlannedStep {
            name: step.name.clone(),
            source: step.read.source.clone(),
            object: step.write.object.clone(),
            operation: match &step.write.file {
                Some(_) => "write",
                None => step.write.operation.as_str(),
            },
            // How many entries there will be nobody can say.
            total: step.read.total.filter(|_| step.each.is_none()),
            since: step
                .read
                .cursor
                .as_ref()
                .and_then(|cursor| Some(format!("{} >= {}", cursor.field, cursor.since.as_ref()?))),
            read: match &step.read.from {
                plan::ReadFrom::Query { road, .. } => *road,
                plan::ReadFrom::Http { .. } => crate::event::Road::Http,
                plan::ReadFrom::File { .. } => crate::event::Road::File,
            },
            write: step.write.road,
            second_pass: step
                .mapping
                .fields
                .iter()
                .filter(|f| f.looping)
                .map(|f| f.name.as_str().to_owned())
                .collect(),
            after: step.after.iter().map(|i| plan.steps[*i].name.clone()).collect(),
        })
        .collect()
}
