use std::{collections::HashSet, path::PathBuf};

use serde_json::json;
use tabled::{
    builder::Builder,
    settings::{
        Alignment, Padding, Style,
        object::{Columns, Object, Rows, Segment},
        style::HorizontalLine,
    },
};

use super::{Context, Problem, project};
use crate::{
    report::{RunReport, duration, grouped, text},
    state::RunRecord,
};

/// List the runs of this project, newest first
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry runs\n  \
    orgferry runs --limit 100 --format json | jq -r '.runs[] | select(.status == \"failed\") | .run'")]
pub(super) struct Args {
    /// How the list is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// How many runs at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// The project folder [default: the nearest from here upwards]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// `--format` of listings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let (folder, store) = project::history(context, args.project.as_deref())?;
    let runs = match &store {
        Some(store) => store.runs(args.limit)?,
        None => Vec::new(),
    };
    let runs: Vec<(RunRecord, Option<RunReport>)> = runs
        .into_iter()
        .map(|run| {
            // A report of a newer orgferry has more to say than this one understands; the run is listed all the same.
            let report = run
                .report
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok());
            (run, report)
        })
        .collect();
    let resumable = resumable(&runs);
    match args.format {
        Format::Json => context.terminal.print(&as_json(&runs, &resumable))?,
        Format::Text if runs.is_empty() => context.terminal.say(&format!(
            "nothing has run yet in `{}`; try: orgferry run pipelines/FILE.yaml\n",
            folder.display()
        )),
        Format::Text => {
            context.terminal.print(&as_text(&runs))?;
            if let Some(((run, _), _)) = runs.iter().zip(&resumable).find(|(_, resumable)| **resumable) {
                let flag = project::flag(context, &folder);
                let flag = flag
                    .map(|folder| format!(" --project {folder}"))
                    .unwrap_or_default();
                context.terminal.say(&format!(
                    "run {} has not come to its end: `orgferry resume {0}{flag}` goes on with it\n",
                    run.id
                ));
            }
        }
    }
    Ok(0)
}

/// Which runs another sitting could go on with: the newest ones of their pipelines and environments, as far as they
/// stopped before their end.
fn resumable(runs: &[(RunRecord, Option<RunReport>)]) -> Vec<bool> {
    let mut newer = HashSet::new();
    runs.iter()
        .map(|(run, _)| {
            let newest = !run.begun || newer.insert((&run.pipeline, &run.env));
            newest && run.is_resumable()
        })
        .collect()
}

fn as_json(runs: &[(RunRecord, Option<RunReport>)], resumable: &[bool]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .zip(resumable)
        .map(|((run, report), resumable)| {
            json!({
                "run": run.id,
                "pipeline": run.pipeline,
                "file": run.file.display().to_string(),
                "env": run.env,
                "from": run.from,
                "to": run.to,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
                "status": run.status,
                "exit_code": run.exit_code,
                "sittings": run.sittings,
                "resumable": resumable,
                "totals": report.as_ref().map(|r| r.totals),
            })
        })
        .collect();
    format!("{:#}\n", json!({ "version": 1, "runs": runs }))
}

fn as_text(runs: &[(RunRecord, Option<RunReport>)]) -> String {
    let mut builder = Builder::default();
    builder.push_record([
        "run",
        "pipeline",
        "from",
        "to",
        "started (UTC)",
        "rows",
        "parked",
        "time",
        "status",
    ]);
    for (run, report) in runs {
        let total = |of: fn(&RunReport) -> u64| report.as_ref().map(|r| grouped(of(r))).unwrap_or_default();
        builder.push_record([
            run.id.clone(),
            match &run.env {
                Some(env) => format!("{} ({env})", run.pipeline),
                None => run.pipeline.clone(),
            },
            run.from.clone(),
            run.to.clone(),
            run.started_at.replace('T', " ").trim_end_matches('Z').to_owned(),
            total(|r| r.totals.read),
            total(|r| r.totals.parked),
            report.as_ref().map(|r| duration(r.seconds)).unwrap_or_default(),
            status(run),
        ]);
    }
    let mut table = builder.build();
    table
        .with(Style::empty().horizontals([(1, HorizontalLine::new('─'))]))
        .modify(Segment::all(), Padding::new(1, 1, 0, 0))
        .modify(Columns::new(5..8).intersect(Rows::new(..)), Alignment::right());
    let table = table.to_string();
    // Coloured behind the table's back, which would count the colours as letters.
    let mut lines = table.lines().map(str::trim_end);
    let head: Vec<String> = lines.by_ref().take(2).map(|line| format!("{line}\n")).collect();
    let rows = lines.zip(runs).map(|(line, (run, _))| {
        let words = text::status(run.status);
        match line.rsplit_once(words) {
            Some((before, after)) => format!("{before}{}{after}\n", text::coloured_status(run.status)),
            None => format!("{line}\n"),
        }
    });
    head.into_iter().chain(rows).collect()
}

fn status(run: &RunRecord) -> String {
    let words = text::status(run.status);
    match run.exit_code {
        Some(code) => format!("{words} ({code})"),
        None => words.to_owned(),
    }
}
