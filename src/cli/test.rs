use std::path::PathBuf;

use owo_colors::OwoColorize;
use serde_json::json;

use super::{Context, Problem, files, runs::Format};
use crate::{
    pipeline::{Loaded, Pipeline, expr::RunInfo},
    report::plural,
    transform::{Difference, run_test},
};

/// Run the mapping tests that stand in pipeline files; no org is asked
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry test                              every pipeline of the project\n  \
    orgferry test pipelines/customers.yaml\n\n\
A test stands in a step:\n  \
    tests:\n    \
      - name: sector becomes industry\n      \
        given: { Id: 001A, Sector__c: Agri }\n      \
        expect: { Industry: Agriculture }\n\n\
Exit code 1 when a test fails, 2 when a file has errors.")]
pub(super) struct Args {
    /// Pipeline files, or folders of them [default: those of the project]
    files: Vec<PathBuf>,
    /// Environment of orgferry.yaml whose vars are used
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// How results are written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// One test's result, with its address.
struct Ran<'a> {
    pipeline: &'a str,
    step: &'a str,
    name: &'a str,
    place: String,
    differences: Vec<Difference>,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let loaded = files::load(context, &args.files, args.env.as_deref())?;
    files::tell(context, &loaded.findings, &loaded.files);
    if loaded.has_errors() {
        return Ok(2);
    }
    let ran: Vec<Ran<'_>> = loaded
        .pipelines
        .iter()
        .flat_map(|pipeline| run_all(pipeline, &loaded))
        .collect();
    let failed = ran.iter().filter(|test| !test.differences.is_empty()).count() as u64;
    match args.format {
        Format::Json => context.terminal.print(&as_json(&ran))?,
        Format::Text => {
            context.terminal.print(&as_text(&ran))?;
            let all = ran.len() as u64;
            context.terminal.say(&match (all, failed) {
                (0, _) => {
                    "there is no test in these files; a step's tests stand under its `tests`\n".to_owned()
                }
                (_, 0) => format!("{} passed\n", plural(all, "test")),
                _ => format!("{failed} of {} failed\n", plural(all, "test")),
            });
        }
    }
    Ok(u8::from(failed > 0))
}

fn run_all<'a>(pipeline: &'a Pipeline, loaded: &Loaded) -> Vec<Ran<'a>> {
    // What a test does not give is as in the file; what only a run can know is empty.
    let vars = files::declared(pipeline);
    let run = RunInfo {
        pipeline: pipeline.name.clone(),
        from: pipeline.from.clone().unwrap_or_default(),
        to: pipeline.to.clone().unwrap_or_default(),
        ..RunInfo::default()
    };
    pipeline
        .steps
        .iter()
        .flat_map(|step| step.tests.iter().map(move |test| (step, test)))
        .map(|(step, test)| Ran {
            pipeline: &pipeline.name,
            step: &step.name,
            name: &test.name,
            place: loaded.files.address(&test.span),
            differences: run_test(step, test, &vars, &run).differences,
        })
        .collect()
}

fn as_text(ran: &[Ran<'_>]) -> String {
    let mut out = String::new();
    for test in ran {
        let title = format!("{} {}: {}", test.pipeline, test.step, test.name);
        if test.differences.is_empty() {
            out.push_str(&format!("{}      {title}\n", "ok".green()));
            continue;
        }
        out.push_str(&format!("{}  {title}\n", "FAILED".red().bold()));
        out.push_str(&format!("        {}\n", format!("at {}", test.place).dimmed()));
        for difference in &test.differences {
            if !difference.field.is_empty() {
                out.push_str(&format!("        {}\n", difference.field.bold()));
            }
            out.push_str(&format!("          expected  {}\n", difference.expected.green()));
            out.push_str(&format!("          found     {}\n", difference.found.red()));
        }
    }
    out
}

fn as_json(ran: &[Ran<'_>]) -> String {
    let tests: Vec<_> = ran
        .iter()
        .map(|test| {
            let differences: Vec<_> = test
                .differences
                .iter()
                .map(|d| json!({ "field": d.field, "expected": d.expected, "found": d.found }))
                .collect();
            json!({
                "pipeline": test.pipeline,
                "step": test.step,
                "name": test.name,
                "place": test.place,
                "passed": differences.is_empty(),
                "differences": differences,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "version": 1, "tests": tests }))
}
