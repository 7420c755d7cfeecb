use std::path::{Path, PathBuf};

use super::{
    Context, Problem,
    conduct::{Job, conduct, shown},
    files,
    interrupt::Interrupt,
    locks::Locks,
    project,
    run::Told,
};
use crate::{
    engine::Chosen,
    state::{RunRecord, RunStatus, StartedWith, Store},
};

/// Go on with a run that stopped before its end
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry resume last\n  \
    orgferry resume 20261123-2330 --report json=out/customers.json\n\n\
Steps that have ended are left alone; the source of the others is read once more, and rows that have an outcome in \
this run are left out. Bulk jobs that run on are waited for, jobs without their data are ended, and no row that the \
target has taken is sent again. The file, its vars and the orgs have to be those that the run was started with. \
Exit codes are those of `run`; 2 when there is nothing that could be gone on with.")]
pub(super) struct Args {
    /// The run's id, or a beginning of it that fits no other; or `last`
    run: String,
    #[command(flatten)]
    told: Told,
    /// The project folder [default: the nearest from here upwards]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let (folder, store, run) = project::run_of(context, args.project.as_deref(), &args.run)?;
    let started_with = check(context, &folder, &*store, &run)?;
    let file = shown(context, &folder.join(&started_with.file));
    let loaded = match files::load_one(context, &file, run.env.as_deref())? {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let vars = files::vars(context, &loaded, &started_with.vars)?;
    if files::fingerprint(&loaded.pipeline, &vars) != started_with.fingerprint {
        return Err(Problem::usage(format!(
            "`{}` has changed since run `{}` was started, or one of its vars has",
            file.display(),
            run.id
        ))
        .help(format!(
            "rows of one run are carried by one file: put it back as it was, with what it includes and the values of \
             its vars, or begin anew: `{}`",
            anew(&file, &run)
        )));
    }
    let retry = match &started_with.retry {
        None => None,
        // The rows that it was to take, before it took some of them.
        Some(of) => match store.run(&of.run)? {
            Some(parked_in) => Some((
                of.clone(),
                Chosen::of(&*store, &parked_in, &loaded.pipeline, of, Some(&run.id))?,
            )),
            None => {
                return Err(Problem::usage(format!(
                    "run `{}`, whose parked rows run `{}` takes, is not in the state any more",
                    of.run, run.id
                )));
            }
        },
    };
    drop(store);
    let locked = Locks::new(context, run.env.as_deref()).of(&loaded.pipeline)?;
    let interrupt = Interrupt::of_run(&context.terminal)?;
    let job = Job {
        pipeline: loaded.pipeline,
        vars,
        env: run.env.clone(),
        locked: Some(locked),
        given: started_with.vars,
        full: started_with.full,
        goes_on: Some(run),
        retry,
        files: &loaded.files,
        progress: args.told.progress(context),
        reports: &args.told.reports,
    };
    conduct(context, &interrupt, job).await
}

/// What the run was started with, when another sitting can go on with it.
fn check(
    context: &Context,
    folder: &Path,
    store: &dyn Store,
    run: &RunRecord,
) -> Result<StartedWith, Problem> {
    let id = &run.id;
    let refused = |what: String, help: String| Err(Problem::usage(what).help(help));
    match run.status {
        RunStatus::Running => {
            return refused(
                format!("run `{id}` is still running"),
                "wait for its end, or stop its process; then this command goes on with it".to_owned(),
            );
        }
        RunStatus::Done => {
            return refused(
                format!("run `{id}` is done: each of its rows has an outcome"),
                format!(
                    "to carry what has changed since, run its file again: `{}`",
                    anew(&run.file, run)
                ),
            );
        }
        RunStatus::DoneWithParked => {
            return refused(
                format!("run `{id}` is done: each of its rows has an outcome, and some are parked"),
                format!("`orgferry retry {id}` sends the parked rows again"),
            );
        }
        RunStatus::Died
        | RunStatus::Stopped
        | RunStatus::BudgetUsed
        | RunStatus::Interrupted
        | RunStatus::Failed => {}
    }
    let Some(started_with) = run.started_with.clone() else {
        return refused(
            format!("run `{id}` was made by an older orgferry, which kept no journal"),
            format!("run its file again: `{}`", anew(&run.file, run)),
        );
    };
    let last = store.last_run(&run.pipeline, run.env.as_deref())?;
    if let Some(last) = last.filter(|last| last.id != *id && (run.begun || last.started_at > run.started_at))
    {
        let help = match last.is_resumable() {
            true => format!("go on with that one: `orgferry resume {}`", last.id),
            false => format!(
                "what it has not carried is carried by the next run: `{}`",
                anew(&shown(context, &folder.join(&started_with.file)), run)
            ),
        };
        return refused(
            format!(
                "run `{}` of `{}` has begun after run `{id}`, and its rows are newer",
                last.id, run.pipeline
            ),
            help,
        );
    }
    Ok(started_with)
}

fn anew(file: &Path, run: &RunRecord) -> String {
    let env = run
        .env
        .as_ref()
        .map(|env| format!(" --env {env}"))
        .unwrap_or_default();
    format!("orgferry run {}{env}", file.display())
}
