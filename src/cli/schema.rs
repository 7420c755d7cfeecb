use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{Context, Problem};
use crate::{emulator::OrgFile, spec};

/// Print or write the JSON Schemas of all files that orgferry reads
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry schema --out schemas\n  \
    orgferry schema | jq '.[\"pipeline.schema.json\"]'\n\n\
An editor with a YAML language server checks a file while it is typed when its first line says\n  \
    # yaml-language-server: $schema=../schemas/pipeline.schema.json")]
pub(super) struct Args {
    /// Write each schema into a file of this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// File name and schema of each kind of file.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let mut all = spec::schemas();
    all.push(("org.schema.json", schemars::schema_for!(OrgFile).to_value()));
    all
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let Some(folder) = &args.out else {
        let map: serde_json::Map<String, Value> = all()
            .into_iter()
            .map(|(name, schema)| (name.to_owned(), schema))
            .collect();
        context.terminal.print(&format!("{:#}\n", json!(map)))?;
        return Ok(0);
    };
    let fail = |path: &std::path::Path, e: &std::io::Error| {
        Problem::new(format!("cannot write `{}`: {e}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|e| fail(folder, &e))?;
    for (name, schema) in all() {
        let path = folder.join(name);
        fs::write(&path, format!("{schema:#}\n")).map_err(|e| fail(&path, &e))?;
        context.terminal.say(&format!("{}\n", path.display()));
    }
    Ok(0)
}
