use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Context, Problem, project, runs::Format};
use crate::{
    report::{RunReport, parked, text},
    state::{RunRecord, Store},
};

/// Show the report of a run again, or its parked rows
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry report last\n  \
    orgferry report 20261123-2330 --format json\n  \
    orgferry report last --parked contacts > to-mend.csv")]
pub(super) struct Args {
    /// The run's id, or a beginning of it that fits no other; or `last`
    run: String,
    /// How the report is written
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        conflicts_with = "parked"
    )]
    format: Format,
    /// Write the parked rows of this step as CSV instead: the source's columns, then the reasons
    #[arg(long, value_name = "STEP")]
    parked: Option<String>,
    /// The project folder [default: the nearest from here upwards]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let (folder, store, run) = project::run_of(context, args.project.as_deref(), &args.run)?;
    if let Some(step) = &args.parked {
        return print_parked(context, &*store, &run, step);
    }
    let mut report = report(&*store, &run)?;
    report.resumable = project::is_resumable(&*store, &run)?;
    let shown = match args.format {
        Format::Json => format!("{}\n", report.to_json()),
        Format::Text => {
            let project = project::flag(context, &folder);
            text::render(&report, text::Place::History, project.as_deref())
        }
    };
    context.terminal.print(&shown)?;
    Ok(0)
}

/// The report as it was written; of a run that wrote none, what state knows.
fn report(store: &dyn Store, run: &RunRecord) -> Result<RunReport, Problem> {
    let Some(text) = &run.report else {
        let mut report = RunReport::of_record(run, &store.counts(&run.id)?);
        for found in parked::survey(store, &run.id)? {
            if let Some(step) = report.step_mut(&found.step) {
                step.parked_reasons = found.groups;
            }
        }
        return Ok(report);
    };
    let version = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        value.get("version")?.as_u64()
    };
    match serde_json::from_str(text) {
        Ok(report) => Ok(report),
        Err(e) => Err(match version(text) {
            Some(found) if found > u64::from(RunReport::VERSION) => Problem::new(format!(
                "the report of run `{}` has version {found}, and this orgferry knows up to {}",
                run.id,
                RunReport::VERSION
            ))
            .help("update orgferry"),
            _ => Problem::new(format!("the report of run `{}` cannot be read: {e}", run.id)),
        }),
    }
}

fn print_parked(context: &Context, store: &dyn Store, run: &RunRecord, step: &str) -> Result<u8, Problem> {
    let steps = parked::survey(store, &run.id)?;
    if let Some(found) = steps.iter().find(|found| found.step == step) {
        return match parked::write_csv(
            store,
            &run.id,
            found,
            io::stdout().lock(),
            Path::new("standard output"),
        ) {
            Err(parked::ParkedError::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                Ok(0)
            }
            written => written.map(|()| 0).map_err(Problem::from),
        };
    }
    let known = store.counts(&run.id)?;
    if known.iter().any(|known| known.step == step) {
        context
            .terminal
            .say(&format!("step `{step}` of run `{}` has parked no row\n", run.id));
        return Ok(0);
    }
    let mut names: Vec<&str> = known.iter().map(|known| known.step.as_str()).collect();
    names.sort_unstable();
    let problem = Problem::usage(format!("run `{}` has no step `{step}`", run.id));
    Err(if names.is_empty() {
        problem.help("the run ended before a step began: see `orgferry report` without `--parked`")
    } else {
        problem.help(format!("its steps are {}", names.join(", ")))
    })
}
