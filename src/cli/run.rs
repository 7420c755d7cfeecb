use std::path::PathBuf;

use super::{
    Context, Problem,
    conduct::{Job, conduct},
    files,
    interrupt::Interrupt,
    locks::Locks,
    progress::{Progress, ProgressKind},
};

/// Carry the rows of a pipeline from its source to its target
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry run pipelines/customers.yaml\n  \
    orgferry run pipelines/customers.yaml --env uat --var region=APAC\n  \
    orgferry run pipelines/customers.yaml --report json=out/customers.json --progress none\n\n\
The file is validated first; nothing is sent when it has errors (exit code 2). A row that fails is parked, with its \
reason, in .orgferry/runs/RUN/parked/STEP.csv, and the run goes on (exit code 4). Ctrl-C finishes and records the \
batch in flight; a second Ctrl-C leaves at once. Whatever a run that did not come to its end died of, `orgferry \
resume RUN` goes on with it and sends no row twice.")]
pub(super) struct Args {
    /// The pipeline file
    file: PathBuf,
    /// Environment of orgferry.yaml whose credentials, vars and policy are used
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Value of a var of the pipeline; of a list separated by commas. May be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = assignment)]
    vars: Vec<(String, String)>,
    /// Read everything in steps with a `cursor`, and send again what `compare: sent` would skip
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    told: Told,
}

// How a run is told. (A doc comment here would take the place of the commands' own.)
#[derive(clap::Args)]
pub(super) struct Told {
    /// Write the report as JSON to a file too. May be given several times
    #[arg(long = "report", value_name = "json=PATH", value_parser = report_file)]
    pub(super) reports: Vec<PathBuf>,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    progress: ProgressKind,
}

impl Told {
    pub(super) fn progress(&self, context: &Context) -> Progress {
        Progress::new(self.progress, &context.terminal)
    }
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let loaded = match files::load_one(context, &args.file, args.env.as_deref())? {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let vars = files::vars(context, &loaded, &args.vars)?;
    let locked = Locks::new(context, args.env.as_deref()).of(&loaded.pipeline)?;
    let interrupt = Interrupt::of_run(&context.terminal)?;
    let job = Job {
        pipeline: loaded.pipeline,
        vars,
        env: args.env.clone(),
        locked: Some(locked),
        given: args.vars.clone(),
        full: args.full,
        goes_on: None,
        retry: None,
        files: &loaded.files,
        progress: args.told.progress(context),
        reports: &args.told.reports,
    };
    conduct(context, &interrupt, job).await
}

pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, as in `--var region=APAC`".to_owned()),
    }
}

fn report_file(text: &str) -> Result<PathBuf, String> {
    match text.split_once('=') {
        Some(("json", path)) if !path.is_empty() => Ok(PathBuf::from(path)),
        Some((format, _)) if format != "json" => {
            Err(format!("`{format}` is no format of reports; there is `json`"))
        }
        _ => Err("write FORMAT=PATH, as in `--report json=out/report.json`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_have_a_name() {
        for (text, expected) in [
            ("region=APAC", Some(("region", "APAC"))),
            ("query=a=b", Some(("query", "a=b"))),
            ("region=", Some(("region", ""))),
            ("=x", None),
            ("region", None),
        ] {
            let found = assignment(text).ok();
            let found = found
                .as_ref()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn reports_have_a_format_and_a_path() {
        assert_eq!(report_file("json=a/b.json"), Ok(PathBuf::from("a/b.json")));
        for (text, expected) in [
            ("junit=x.xml", "`junit` is no format of reports; there is `json`"),
            (
                "json=",
                "write FORMAT=PATH, as in `--report json=out/report.json`",
            ),
            (
                "x.json",
                "write FORMAT=PATH, as in `--report json=out/report.json`",
            ),
        ] {
            assert_eq!(report_file(text).err().as_deref(), Some(expected), "{text}");
        }
    }
}
