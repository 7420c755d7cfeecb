//! `orgferry test`: the tests that stand in pipeline files, and what they leave untouched.

mod coverage;
mod json;
mod junit;
mod names;
mod record;
mod text;

use std::{fs, path::PathBuf, time::Instant};

use super::{Context, Problem, files, runs::Format};
use crate::{
    pipeline::{
        Loaded, Pipeline,
        expr::RunInfo,
        model::{MappingTest, Step},
    },
    report::plural,
    transform::{TestResult, run_test},
};
use coverage::Coverage;

/// Run the mapping tests that stand in pipeline files; no org is asked
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry test                                  every pipeline of the project\n  \
    orgferry test pipelines/customers.yaml\n  \
    orgferry test --name industry                  only tests with this word in their name\n  \
    orgferry test --junit out/tests.xml            for CI\n  \
    orgferry test --coverage                       which mapped fields no test looks at\n  \
    orgferry test --min-coverage 80                exit code 1 when fewer are looked at\n  \
    orgferry test pipelines/customers.yaml --step accounts --record 5 --dry-run\n\n\
A test stands in a step:\n  \
    tests:\n    \
      - name: sector becomes industry\n      \
        given: { Id: 001A, Sector__c: Agri }\n      \
        expect: { Industry: Agriculture }\n\n\
Exit code 1 when a test fails or too few fields are looked at, 2 when a file has errors or no test has such a name.")]
pub(super) struct Args {
    /// Pipeline files, or folders of them [default: those of the project]
    files: Vec<PathBuf>,
    /// Environment of orgferry.yaml whose vars are used
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Run only tests whose line (`PIPELINE STEP: NAME`) has this in it; case does not matter, `*` stands for
    /// anything. May be given several times
    #[arg(long = "name", short = 'n', value_name = "PATTERN")]
    names: Vec<String>,
    /// How results are written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Write the results as JUnit XML to a file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// List the mapped fields that no test looks at
    #[arg(long, conflicts_with = "names")]
    coverage: bool,
    /// Exit code 1 when tests look at less than this share of the mapped fields
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "names")]
    min_coverage: Option<f64>,
    /// Read the first N rows of a step's source, mask them, and write them into the file as tests. Nothing is written
    /// to an org
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000),
        requires = "files",
        conflicts_with_all = ["names", "format", "junit", "coverage", "min_coverage"],
        help_heading = "Recording"
    )]
    record: Option<u32>,
    /// The step whose rows are recorded, where the file has several
    #[arg(long, value_name = "STEP", requires = "record", help_heading = "Recording")]
    step: Option<String>,
    /// A source field that is recorded as it is, unmasked. May be given several times
    #[arg(long, value_name = "FIELD", requires = "record", help_heading = "Recording")]
    keep: Vec<String>,
    /// Show what would be written, and write nothing
    #[arg(long, requires = "record", help_heading = "Recording")]
    dry_run: bool,
    /// Value of a var of the pipeline, as with `run`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = super::run::assignment, requires = "record", help_heading = "Recording")]
    vars: Vec<(String, String)>,
}

/// One test and what it came to.
struct Ran<'a> {
    pipeline: &'a Pipeline,
    step: &'a Step,
    test: &'a MappingTest,
    result: TestResult,
    seconds: f64,
}

impl Ran<'_> {
    /// As it is shown, and as `--name` sees it.
    fn title(&self) -> String {
        title(self.pipeline, self.step, self.test)
    }
}

fn title(pipeline: &Pipeline, step: &Step, test: &MappingTest) -> String {
    format!("{} {}: {}", pipeline.name, step.name, test.name)
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    if let Some(rows) = args.record {
        return record::execute(context, args, rows).await;
    }
    let loaded = files::load(context, &args.files, args.env.as_deref())?;
    files::tell(context, &loaded.findings, &loaded.files);
    if loaded.has_errors() {
        return Ok(2);
    }
    let filter = names::Filter::new(&args.names);
    let ran: Vec<Ran<'_>> = loaded
        .pipelines
        .iter()
        .flat_map(|pipeline| run_all(pipeline, &filter))
        .collect();
    if ran.is_empty() && !args.names.is_empty() {
        return Err(filter.matches_nothing(titles(&loaded)));
    }
    let failed = ran.iter().filter(|test| !test.result.passed()).count() as u64;
    // Of a part of the tests nothing can be said about the whole.
    let coverage = args.names.is_empty().then(|| Coverage::of(&loaded.pipelines));
    let short = match (&coverage, args.min_coverage) {
        (Some(coverage), Some(least)) => !coverage.reaches(least),
        _ => false,
    };
    let terminal = &context.terminal;
    match args.format {
        Format::Json => terminal.print(&json::render(&ran, coverage.as_ref(), &loaded.files))?,
        Format::Text => {
            terminal.print(&text::render(&ran, &loaded.files))?;
            if let Some(coverage) = coverage.as_ref().filter(|_| args.coverage || short) {
                terminal.print(&coverage.text(&loaded.files))?;
            }
        }
    }
    if let Some(path) = &args.junit {
        write(path, &junit::render(&ran, &loaded.files)?)?;
    }
    let all = ran.len() as u64;
    // JSON has it all.
    if args.format == Format::Text {
        terminal.say(&match (all, failed) {
            (0, _) => "there is no test in these files; a step's tests stand under its `tests`\n".to_owned(),
            (_, 0) => format!("{} passed\n", plural(all, "test")),
            _ => format!("{failed} of {} failed\n", plural(all, "test")),
        });
        if let Some(coverage) = coverage.as_ref().filter(|coverage| coverage.says_something()) {
            terminal.say(&format!("{}\n", coverage.summary(args.coverage || short)));
        }
    }
    if let (Some(coverage), Some(least), true) = (&coverage, args.min_coverage, short) {
        Problem::new(format!(
            "tests look at {}% of the mapped fields, and `--min-coverage` wants {least}%",
            coverage.percent_text()
        ))
        .help("name more of the listed fields under `expect` of a test of their step")
        .tell(terminal);
    }
    Ok(u8::from(failed > 0 || short))
}

fn run_all<'a>(pipeline: &'a Pipeline, filter: &names::Filter) -> Vec<Ran<'a>> {
    // What a test does not give is as in the file; what only a run can know is empty.
    let vars = files::declared(pipeline);
    let run = run_info(pipeline);
    pipeline
        .steps
        .iter()
        .flat_map(|step| step.tests.iter().map(move |test| (step, test)))
        .filter(|(step, test)| filter.takes(&title(pipeline, step, test)))
        .map(|(step, test)| {
            let begun = Instant::now();
            let result = run_test(step, test, &vars, &run);
            Ran {
                pipeline,
                step,
                test,
                result,
                seconds: begun.elapsed().as_secs_f64(),
            }
        })
        .collect()
}

/// What `run` tells in tests.
fn run_info(pipeline: &Pipeline) -> RunInfo {
    RunInfo {
        pipeline: pipeline.name.clone(),
        from: pipeline.from.clone().unwrap_or_default(),
        to: pipeline.to.clone().unwrap_or_default(),
        ..RunInfo::default()
    }
}

fn titles(loaded: &Loaded) -> Vec<String> {
    let of = |pipeline: &Pipeline| -> Vec<String> {
        let steps = pipeline.steps.iter();
        steps
            .flat_map(|step| step.tests.iter().map(|test| title(pipeline, step, test)))
            .collect()
    };
    loaded.pipelines.iter().flat_map(of).collect()
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Problem> {
    let made = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(path, text)).map_err(|e| {
        Problem::new(format!("cannot write the results to `{}`: {e}", path.display()))
            .help("name a file in a folder that can be written")
    })
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a number from 0 to 100, as in `--min-coverage 80`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_read() {
        for (text, expected) in [
            ("80", Some(80.0)),
            ("99.5%", Some(99.5)),
            ("0", Some(0.0)),
            ("101", None),
            ("-1", None),
            ("most", None),
        ] {
            assert_eq!(percent(text).ok(), expected, "{text}");
        }
    }
}
