use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use owo_colors::OwoColorize;

use super::{Context, Problem, files, interrupt::Interrupt, problem, progress::Progress, project};
use crate::{
    diag::{self, Files, Finding},
    engine::{self, Chosen, Rows, RunEnd, RunRequest},
    event::{EventReceiver, Events},
    pipeline::{
        Pipeline,
        expr::Vars,
        model::{FilePath, Source},
    },
    plan::Schemas,
    report::{CallsLeft, Collector, End, Failure, ParkedFile, ReportFinding, RunReport, Start, parked, text},
    state::{self, RetryOf, RunRecord, RunStatus, StartedWith, Store},
};

/// One run from its beginning in state to its table on the screen.
pub(super) struct Job<'a> {
    /// What is run.
    pub(super) pipeline: Arc<Pipeline>,
    /// A value for each of its vars.
    pub(super) vars: Vars,
    /// `--env`.
    pub(super) env: Option<String>,
    /// What the schema locks say of its orgs.
    pub(super) locked: Option<Arc<Schemas>>,
    /// `--var`, as typed.
    pub(super) given: Vec<(String, String)>,
    /// `--full`.
    pub(super) full: bool,
    /// The run that is gone on with; `None` begins one.
    pub(super) goes_on: Option<RunRecord>,
    /// Parked rows of another run that are taken, and no others.
    pub(super) retry: Option<(RetryOf, Chosen)>,
    /// The texts of its files, for findings.
    pub(super) files: &'a Files,
    /// How progress is shown.
    pub(super) progress: Progress,
    /// Where the JSON report goes besides.
    pub(super) reports: &'a [PathBuf],
}

/// Runs a pipeline: progress on standard error, the result's table on standard output. Gives the exit code.
pub(super) async fn conduct(context: &Context, interrupt: &Interrupt, job: Job<'_>) -> Result<u8, Problem> {
    let pipeline = Arc::clone(&job.pipeline);
    let store = super::store::open(context, &pipeline.state)?;
    let (begun, (from, to)) = (Instant::now(), ends(&pipeline));
    let record = job.goes_on.clone().unwrap_or_else(|| RunRecord {
        id: engine::new_run_id(),
        pipeline: pipeline.name.clone(),
        file: pipeline.file.clone(),
        env: job.env.clone(),
        from: from.clone(),
        to: to.clone(),
        started_at: now(),
        ended_at: None,
        status: RunStatus::Running,
        exit_code: None,
        report: None,
        started_with: Some(StartedWith {
            file: project::inside(&pipeline.project, &pipeline.file)
                .display()
                .to_string(),
            vars: job.given.clone(),
            full: job.full,
            retry: job.retry.as_ref().map(|(of, _)| of.clone()),
            fingerprint: files::fingerprint(&pipeline, &job.vars),
        }),
        sittings: 1,
        begun: false,
    });
    let (id, started_at) = (record.id.clone(), record.started_at.clone());
    // Until its end is written down.
    let _held = store.hold(&record)?;
    let flag = project::flag(context, &pipeline.project);
    let in_project = flag.as_ref().map(|folder| format!(" --project {folder}"));
    let resume = |run: &str| {
        format!(
            "orgferry resume {run}{}",
            in_project.as_deref().unwrap_or_default()
        )
    };
    let (sitting, rows, abandoned) = match &job.goes_on {
        Some(_) => (store.resume_run(&id)?, Rows::Unfinished, None),
        None => {
            let last = store.last_run(&pipeline.name, job.env.as_deref())?;
            let last = last.filter(RunRecord::is_resumable);
            if let (Some(last), Some(_)) = (&last, &job.retry) {
                return Err(Problem::usage(format!(
                    "run {} of `{}` {}: a retry would take its place",
                    last.id,
                    pipeline.name,
                    stopped(last.status)
                ))
                .help(format!("go on with it first: `{}`", resume(&last.id))));
            }
            if let Some(last) = &last {
                context.terminal.say(&format!(
                    "{} run {} {}: `{}` would go on with it and send no row twice; this one reads everything anew\n",
                    "note:".yellow(),
                    last.id,
                    stopped(last.status),
                    resume(&last.id)
                ));
            }
            store.begin_run(&record)?;
            (1, Rows::All, last.map(|last| last.id))
        }
    };
    interrupt.set_last_words(Some(format!("`{}` goes on with this run\n", resume(&id))));
    let collector = Collector::new(Start {
        run: id.clone(),
        pipeline: pipeline.name.clone(),
        file: pipeline.file.display().to_string(),
        env: job.env.clone(),
        from,
        to,
        retry_of: record.retry_of().map(str::to_owned),
        started_at: started_at.clone(),
        sittings: sitting,
    });
    let (events, receiver) = Events::channel();
    let (ended, end_seen) = tokio::sync::oneshot::channel();
    let listener = tokio::spawn(listen(receiver, end_seen, collector, job.progress));
    let end = engine::run(RunRequest {
        id: id.clone(),
        started_at,
        pipeline: Arc::clone(&pipeline),
        vars: job.vars,
        env: job.env,
        full: job.full,
        sitting,
        rows,
        retry: job.retry.map(|(_, chosen)| Arc::new(chosen)),
        abandoned,
        environment: context.environment.clone(),
        store: Arc::clone(&store),
        events,
        cancel: interrupt.cancel(),
        locked: job.locked,
    })
    .await;
    let _ = ended.send(());
    interrupt.set_last_words(None);
    let collector = listener
        .await
        .map_err(|e| Problem::new(format!("the display of the run broke: {e}")))?;
    let code = exit_code(&end, interrupt);
    let folder = state::project_folder(&pipeline.project)
        .map(|folder| folder.join("runs").join(&id))
        .map_err(|e| Problem::new(format!("cannot make the folder of the run: {e}")))?;
    let (report, trouble) = finish(
        context,
        store.as_ref(),
        collector,
        &end,
        code,
        begun,
        &folder,
        job.files,
    );
    let json = report.to_json();
    store.end_run(&id, report.status, code, &json)?;
    files::tell(context, &end.findings, job.files);
    let table = text::render(&report, text::Place::EndOfRun, flag.as_deref());
    match writes_to_stdout(&pipeline) {
        // It belongs to the rows alone.
        true => context.terminal.say(&table),
        false => context.terminal.print(&table)?,
    }
    if let Some(error) = &report.error {
        problem::tell(&context.terminal, &error.message, error.help.as_deref(), code);
    }
    if let Some(trouble) = trouble {
        trouble.tell(&context.terminal);
    }
    write(&folder.join("report.json"), &json)?;
    for path in job.reports {
        write(path, &json)?;
        context
            .terminal
            .say(&format!("{} {}\n", "report written to".dimmed(), path.display()));
    }
    Ok(code)
}

/// Takes events in until the run has ended and nothing is left of them. The sender may outlive the run in a task
/// that is only being dropped, so that the channel's end is not waited for.
async fn listen(
    mut receiver: EventReceiver,
    mut ended: tokio::sync::oneshot::Receiver<()>,
    mut collector: Collector,
    mut progress: Progress,
) -> Collector {
    loop {
        tokio::select! {
            biased;
            event = receiver.recv() => match event {
                Some(event) => {
                    collector.apply(&event);
                    progress.apply(&event);
                }
                None => break,
            },
            _ = &mut ended => {
                while let Ok(event) = receiver.try_recv() {
                    collector.apply(&event);
                }
                break;
            }
        }
    }
    progress.end();
    collector
}

/// The report; and what stood in the way of the parked rows' files, since a full disk shall not hide the result.
#[expect(
    clippy::too_many_arguments,
    reason = "the ends of one run meet here, and nowhere else"
)]
fn finish(
    context: &Context,
    store: &dyn Store,
    collector: Collector,
    end: &RunEnd,
    code: u8,
    begun: Instant,
    folder: &Path,
    files: &Files,
) -> (RunReport, Option<Problem>) {
    let mut trouble = None;
    let run = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // It holds its pipeline's place until now: no newer run can have begun.
    let resumable = store.run(&run).ok().flatten().is_some_and(|record| {
        RunRecord {
            status: end.status,
            ..record
        }
        .is_resumable()
    });
    let recorded = store.counts(&run).unwrap_or_else(|e| {
        trouble = Some(Problem::from(e));
        Vec::new()
    });
    let found = parked::survey(store, &run).unwrap_or_else(|e| {
        trouble = Some(Problem::from(e));
        Vec::new()
    });
    let parked_files = parked::write_files(store, &run, &found, &folder.join("parked")).unwrap_or_else(|e| {
        trouble = Some(Problem::from(e));
        Vec::new()
    });
    let parked_files = parked_files
        .into_iter()
        .map(|file| ParkedFile {
            path: shown(context, Path::new(&file.path)).display().to_string(),
            ..file
        })
        .collect();
    let report = collector.finish(End {
        status: end.status,
        exit_code: code,
        ended_at: now(),
        seconds: begun.elapsed().as_secs_f64(),
        resumable,
        error: end.error.as_ref().map(|error| Failure {
            message: error.to_string(),
            help: error.help(),
        }),
        findings: end.findings.iter().map(|f| report_finding(f, files)).collect(),
        api_calls: end.api_calls.clone(),
        budgets: end
            .budgets
            .iter()
            .map(|(name, budget)| {
                let left = CallsLeft {
                    allowed: budget.allowed,
                    left: budget.left,
                    daily: budget.max,
                };
                (name.clone(), left)
            })
            .collect(),
        recorded,
        parked: found,
        parked_files,
    });
    (report, trouble)
}

/// What became of a run that another one takes the place of.
fn stopped(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Died => "died before its end",
        RunStatus::Interrupted => "was interrupted",
        RunStatus::Stopped => "was stopped",
        RunStatus::BudgetUsed => "ran out of API calls",
        RunStatus::Failed | RunStatus::Running | RunStatus::Done | RunStatus::DoneWithParked => {
            "failed before its end"
        }
    }
}

fn exit_code(end: &RunEnd, interrupt: &Interrupt) -> u8 {
    match (end.status, &end.error) {
        (RunStatus::Interrupted, _) => interrupt.code().unwrap_or(130),
        (_, Some(error)) => error.exit_code(),
        (RunStatus::DoneWithParked, None) => 4,
        (RunStatus::Done, None) => 0,
        (RunStatus::Stopped, None) => 5,
        (RunStatus::BudgetUsed, None) => 7,
        (RunStatus::Running | RunStatus::Died | RunStatus::Failed, None) => 1,
    }
}

fn report_finding(finding: &Finding, files: &Files) -> ReportFinding {
    ReportFinding {
        code: finding.code.to_owned(),
        severity: match finding.severity {
            diag::Severity::Error => "error".to_owned(),
            diag::Severity::Warning => "warning".to_owned(),
        },
        message: finding.message.clone(),
        place: files.address(&finding.primary.span),
        help: finding.help.clone(),
    }
}

fn writes_to_stdout(pipeline: &Pipeline) -> bool {
    pipeline.steps.iter().any(|step| {
        let file = step.target.file.as_ref();
        file.is_some_and(|file| matches!(file.path, FilePath::Standard))
    })
}

/// Source and target of a pipeline: of steps with connections of their own, the first one's.
fn ends(pipeline: &Pipeline) -> (String, String) {
    let step = pipeline.steps.first();
    let from = pipeline.from.clone().or_else(|| {
        step.map(|step| match &step.source {
            Source::Http(http) => http.credential.clone(),
            Source::File(file) => file.path.shown().to_owned(),
            Source::Soql { .. } | Source::Object { .. } => step.source_connection.clone(),
        })
    });
    let to = pipeline.to.clone().or_else(|| {
        step.map(|step| match &step.target.file {
            Some(file) => file.path.shown().to_owned(),
            None => step.target.connection.clone(),
        })
    });
    (from.unwrap_or_default(), to.unwrap_or_default())
}

/// A path as the user would type it from where they are.
pub(super) fn shown(context: &Context, path: &Path) -> PathBuf {
    let path = path.strip_prefix(&context.folder).unwrap_or(path);
    path.strip_prefix("./").unwrap_or(path).to_owned()
}

pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let made = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(path, format!("{text}\n")))
        .map_err(|e| {
            Problem::new(format!("cannot write the report to `{}`: {e}", path.display()))
                .help("the run itself is in state: `orgferry report last --format json`")
        })
}
