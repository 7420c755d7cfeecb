use std::path::PathBuf;

use super::{Context, Problem, files, runs::Format};
use crate::diag::{self, Colour};

/// Check files offline, and show all findings of all of them at once
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry validate                                 every file of the project\n  \
    orgferry validate pipelines/customers.yaml\n  \
    orgferry validate pipelines --env prod --format json\n\n\
Exit code 2 when there is an error; warnings alone give 0.")]
pub(super) struct Args {
    /// Pipeline, credentials, mapping and project files, or folders of them [default: those of the project]
    files: Vec<PathBuf>,
    /// Environment of orgferry.yaml whose credentials, vars and policy are checked
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let loaded = files::load(context, &args.files, args.env.as_deref())?;
    let (findings, files) = (&loaded.findings, &loaded.files);
    match args.format {
        Format::Json => context
            .terminal
            .print(&format!("{:#}\n", diag::render_json(findings, files)))?,
        Format::Text => {
            context
                .terminal
                .print(&diag::render_text(findings, files, Colour::On))?;
            context
                .terminal
                .say(&format!("{}\n", diag::summary(findings, files.len())));
        }
    }
    Ok(if loaded.has_errors() { 2 } else { 0 })
}
