use std::path::PathBuf;

use super::{
    Context, Problem, files,
    locks::{self, Locks},
};
use crate::{
    diag::{self, Colour},
    engine::Describes,
    plan,
};

/// Check files offline, and show all findings of all of them at once
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry validate                                 every file of the project\n  \
    orgferry validate pipelines/customers.yaml\n  \
    orgferry validate pipelines --env prod --format json\n  \
    orgferry validate --online                        against the orgs themselves\n  \
    orgferry validate --format sarif > orgferry.sarif\n\n\
With the files that `orgferry schema lock` writes, every field is checked without a network: whether it is there, \
whether it can be written, and whether what a mapping gives fits. `--online` asks the orgs instead, and tells what \
has changed since the lock.\n\n\
Exit code 2 when there is an error; warnings alone give 0. With `--online` 3 when a login or access is refused.")]
pub(super) struct Args {
    /// Pipeline, credentials, mapping and project files, or folders of them [default: those of the project]
    files: Vec<PathBuf>,
    /// Environment of orgferry.yaml whose credentials, vars and policy are checked
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Ask the orgs what they have, and compare them with the schema lock
    #[arg(long)]
    online: bool,
    /// How findings are written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// `--format` of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code hosts and editors
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let env = args.env.as_deref();
    let mut loaded = files::load_to_check(context, &args.files, env)?;
    let mut locks = Locks::new(context, env);
    let mut describes = Describes::default();
    let mut found = Vec::new();
    let mut unchecked = 0;
    let mut trouble = None;
    for pipeline in &loaded.pipelines {
        let locked = locks.of(pipeline)?;
        if !args.online {
            if locks::any(pipeline, &locked) {
                found.extend(plan::check(pipeline, &locked));
            }
            unchecked += locks::unchecked(pipeline, &locked);
            continue;
        }
        match describes.of(pipeline, &context.environment).await {
            Ok(now) => {
                let mut checked = plan::check(pipeline, now);
                plan::drift(pipeline, &locked, now, &mut checked);
                found.extend(checked);
            }
            Err(error) => {
                trouble = Some(Problem::from(error));
                break;
            }
        }
    }
    loaded.findings.extend(found);
    diag::sort(&mut loaded.findings, &loaded.files);
    let (findings, files) = (&loaded.findings, &loaded.files);
    let terminal = &context.terminal;
    match args.format {
        Format::Json => terminal.print(&format!("{:#}\n", diag::render_json(findings, files)))?,
        Format::Sarif => terminal.print(&format!("{:#}\n", diag::render_sarif(findings, files)))?,
        Format::Github => terminal.print(&diag::render_github(findings, files))?,
        Format::Text => {
            terminal.print(&diag::render_text(findings, files, Colour::On))?;
            terminal.say(&format!("{}\n", diag::summary(findings, files.len())));
            if unchecked > 0 {
                let plural = if unchecked == 1 { "" } else { "s" };
                terminal.say(&format!(
                    "`orgferry schema lock` would check {unchecked} field{plural} more against the orgs\n"
                ));
            }
        }
    }
    match trouble {
        // What the files themselves get wrong is to be mended first, whatever the orgs say.
        Some(_) if loaded.has_errors() => Ok(2),
        Some(problem) => Err(problem),
        None => Ok(if loaded.has_errors() { 2 } else { 0 }),
    }
}
