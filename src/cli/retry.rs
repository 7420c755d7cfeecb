use std::path::PathBuf;

use super::{
    Context, Problem,
    conduct::{Job, conduct, shown},
    files,
    interrupt::Interrupt,
    locks::Locks,
    project,
    run::{Told, assignment},
};
use crate::{
    engine::Chosen,
    report::plural,
    state::{RetryOf, RunRecord, RunStatus, StartedWith, Store},
};

/// Take the rows that a run has parked through the pipeline again
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry retry last\n  \
    orgferry retry 20261123-2330 --step contacts\n  \
    orgferry retry last --code STRING_TOO_LONG --var region=APAC\n\n\
It is a run of its own, of those rows alone: with the file and the source as they are now, and with the environment and \
the vars of that run. Rows that the source does not give any more, and rows that cannot be sent again without a risk, \
are told. Exit codes are those of `run`; 0 when nothing is parked.")]
pub(super) struct Args {
    /// The run's id, or a beginning of it that fits no other; or `last`
    run: String,
    /// Only rows of this step. May be given several times
    #[arg(long = "step", value_name = "NAME")]
    steps: Vec<String>,
    /// Only rows that were parked with this code. May be given several times
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<String>,
    /// Also rows of which nobody knows whether they are in the target: say it when you have looked that they are not
    #[arg(long)]
    unknown: bool,
    /// Another value for a var than in that run. May be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = assignment)]
    vars: Vec<(String, String)>,
    #[command(flatten)]
    told: Told,
    /// The project folder [default: the nearest from here upwards]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let (folder, store, run) = project::run_of(context, args.project.as_deref(), &args.run)?;
    let started_with = has_ended(&run)?;
    let file = shown(context, &folder.join(&started_with.file));
    let loaded = match files::load_one(context, &file, run.env.as_deref())? {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    if loaded.pipeline.name != run.pipeline {
        return Err(Problem::usage(format!(
            "`{}` is the pipeline `{}` now, and run `{}` was one of `{}`",
            file.display(),
            loaded.pipeline.name,
            run.id,
            run.pipeline
        ))
        .help("give the pipeline its name back: what it has written is known under that"));
    }
    let of = RetryOf {
        run: run.id.clone(),
        steps: args.steps.clone(),
        codes: args.codes.clone(),
        unknown: args.unknown,
    };
    known_steps(&*store, &run, &of)?;
    let chosen = Chosen::of(&*store, &run, &loaded.pipeline, &of, None)?;
    for line in chosen.left_out() {
        context.terminal.say(&format!("note: {line}\n"));
    }
    if chosen.count() == 0 {
        context.terminal.say(&match chosen.leaves_rows() {
            true => format!("none of the rows that run `{}` has parked is retried\n", run.id),
            false => format!("run `{}` has no parked row{} to retry\n", run.id, meant(&of)),
        });
        return Ok(if chosen.leaves_rows() { 4 } else { 0 });
    }
    context.terminal.say(&format!(
        "retrying {} of run {}\n",
        plural(chosen.count(), "parked row"),
        run.id
    ));
    drop(store);
    // What is given now wins over what was given then.
    let given: Vec<(String, String)> = started_with
        .vars
        .into_iter()
        .filter(|(name, _)| args.vars.iter().all(|(other, _)| other != name))
        .chain(args.vars.iter().cloned())
        .collect();
    let vars = files::vars(context, &loaded, &given)?;
    let locked = Locks::new(context, run.env.as_deref()).of(&loaded.pipeline)?;
    let interrupt = Interrupt::of_run(&context.terminal)?;
    let job = Job {
        pipeline: loaded.pipeline,
        vars,
        env: run.env,
        locked: Some(locked),
        given,
        full: started_with.full,
        goes_on: None,
        retry: Some((of, chosen)),
        files: &loaded.files,
        progress: args.told.progress(context),
        reports: &args.told.reports,
    };
    conduct(context, &interrupt, job).await
}

/// What a run was started with, when each of its rows has an outcome.
fn has_ended(run: &RunRecord) -> Result<StartedWith, Problem> {
    let id = &run.id;
    match run.status {
        RunStatus::Done | RunStatus::DoneWithParked => {}
        RunStatus::Running => {
            return Err(Problem::usage(format!("run `{id}` is still running")).help("wait for its end"));
        }
        RunStatus::Died
        | RunStatus::Stopped
        | RunStatus::Interrupted
        | RunStatus::BudgetUsed
        | RunStatus::Failed => {
            return Err(Problem::usage(format!(
                "run `{id}` has not come to its end: some of its rows have no outcome yet"
            ))
            .help(format!(
                "go on with it first: `orgferry resume {id}`; or run its file anew, and retry that run"
            )));
        }
    }
    run.started_with.clone().ok_or_else(|| {
        Problem::usage(format!(
            "run `{id}` was made by an older orgferry, which did not keep what it was started with"
        ))
        .help("run its file again, and retry that run")
    })
}

/// Complains about a step that the run has not had.
fn known_steps(store: &dyn Store, run: &RunRecord, of: &RetryOf) -> Result<(), Problem> {
    let known = store.counts(&run.id)?;
    let known: Vec<&str> = known.iter().map(|step| step.step.as_str()).collect();
    match of.steps.iter().find(|step| !known.contains(&step.as_str())) {
        None => Ok(()),
        Some(step) => Err(Problem::usage(format!("run `{}` has no step `{step}`", run.id))
            .help(format!("its steps are {}", known.join(", ")))),
    }
}

/// The choice, in words.
fn meant(of: &RetryOf) -> String {
    let mut words = String::new();
    if !of.steps.is_empty() {
        words += &format!(" of step {}", of.steps.join(", "));
    }
    if !of.codes.is_empty() {
        words += &format!(" with code {}", of.codes.join(", "));
    }
    words
}
