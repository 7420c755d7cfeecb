use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Context, Problem,
    conduct::shown,
    files::{self, tell},
    locks,
};
use crate::{
    diag::{self, Finding, Severity},
    emulator::OrgFile,
    engine::{self, Describes},
    plan::{self, Lock},
    spec,
};

/// Print or write the JSON Schemas of all files that orgferry reads
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    orgferry schema --out schemas\n  \
    orgferry schema | jq '.[\"pipeline.schema.json\"]'\n  \
    orgferry schema lock                   keep both orgs' describes for checks without a network\n\n\
An editor with a YAML language server checks a file while it is typed when its first line says\n  \
    # yaml-language-server: $schema=../schemas/pipeline.schema.json"
)]
pub(super) struct Args {
    /// Write each schema into a file of this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    Lock(LockArgs),
}

/// Keep what both orgs have, so that `orgferry validate` checks every field without a network
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry schema lock                              for all pipelines of the project\n  \
    orgferry schema lock pipelines/customers.yaml     for one more; what others need stays\n  \
    orgferry schema lock --env uat                    of that environment's orgs, in files of their own\n  \
    orgferry schema lock --check                      changes nothing; exit code 2 when an org has changed\n\n\
Writes schemas/orgs/ORG.lock.json in the project folder, one field a line. Keep it in git.")]
struct LockArgs {
    /// Pipeline files, or folders of them [default: those of the project]
    files: Vec<PathBuf>,
    /// Environment of orgferry.yaml whose orgs are asked
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Only say whether the files are what the orgs say; exit code 2 when they are not
    #[arg(long)]
    check: bool,
}

/// File name and schema of each kind of file.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let mut all = spec::schemas();
    all.push(("org.schema.json", schemars::schema_for!(OrgFile).to_value()));
    all
}

pub(super) async fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    if let Some(Command::Lock(args)) = &args.command {
        return lock(context, args).await;
    }
    let Some(folder) = &args.out else {
        let map: serde_json::Map<String, Value> = all()
            .into_iter()
            .map(|(name, schema)| (name.to_owned(), schema))
            .collect();
        context.terminal.print(&format!("{:#}\n", json!(map)))?;
        return Ok(0);
    };
    fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))?;
    for (name, schema) in all() {
        let path = folder.join(name);
        fs::write(&path, format!("{schema:#}\n")).map_err(|e| unwritable(&path, &e))?;
        context.terminal.say(&format!("{}\n", path.display()));
    }
    Ok(0)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("cannot write `{}`: {error}", path.display()))
}

/// Asks the orgs of all pipelines, and writes or compares their locks.
async fn lock(context: &Context, args: &LockArgs) -> Result<u8, Problem> {
    let env = args.env.as_deref();
    let loaded = files::load(context, &args.files, env)?;
    if loaded.has_errors() {
        tell(context, &loaded.findings, &loaded.files);
        let summary = diag::summary(&loaded.findings, loaded.files.len());
        context.terminal.say(&format!("{summary}; no org was asked\n"));
        return Ok(2);
    }
    if loaded.pipelines.is_empty() {
        return Err(Problem::usage("there is no pipeline whose orgs could be asked")
            .help("name one, as in `orgferry schema lock pipelines/customers.yaml`"));
    }
    let mut describes = Describes::default();
    let mut wanted: BTreeMap<PathBuf, Lock> = BTreeMap::new();
    let mut absent: Vec<Finding> = Vec::new();
    for pipeline in &loaded.pipelines {
        let schemas = describes.of(pipeline, &context.environment).await?;
        let unknown = plan::check(pipeline, schemas);
        for finding in unknown {
            let tells = match finding.code {
                "unknown-object" => true,
                // Once for an org, however many pipelines read it.
                "not-classified" => !absent.iter().any(|told| told.message == finding.message),
                _ => false,
            };
            if tells {
                absent.push(finding);
            }
        }
        for connection in engine::orgs_of(pipeline) {
            let path = locks::path(&pipeline.project, &connection, env);
            let lock = wanted.entry(path).or_default();
            lock.org.clone_from(&connection);
            lock.merge(schemas.objects(&connection).cloned());
        }
    }
    // Without a file named, all that the project needs is known, and so is what it needs no longer.
    let everything = args.files.is_empty();
    let mut stale = false;
    for (path, lock) in wanted {
        stale |= one(context, args, &path, lock, everything)?;
    }
    diag::sort(&mut absent, &loaded.files);
    tell(context, &absent, &loaded.files);
    let wrong = absent.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if wrong || (args.check && stale) { 2 } else { 0 })
}

/// Writes or compares one lock file; whether it was not what the org says.
fn one(
    context: &Context,
    args: &LockArgs,
    path: &Path,
    now: Lock,
    everything: bool,
) -> Result<bool, Problem> {
    let before = locks::read(context, path)?;
    let mut after = match &before {
        Some((before, _)) if !everything => before.clone(),
        _ => Lock::default(),
    };
    after.org.clone_from(&now.org);
    after.merge(now.objects.into_values());
    let text = after.render();
    let name = shown(context, path).display().to_string();
    if before.as_ref().is_some_and(|(_, written)| *written == text) {
        context
            .terminal
            .say(&format!("{name}: as the org says ({})\n", size(&after)));
        return Ok(false);
    }
    let changes = match &before {
        Some((before, _)) => changes(before, &after),
        None => vec!["not written yet".to_owned()],
    };
    if args.check {
        for change in &changes {
            context.terminal.print(&format!("{name}: {change}\n"))?;
        }
        if changes.is_empty() {
            context
                .terminal
                .print(&format!("{name}: not as orgferry writes it\n"))?;
        }
        context
            .terminal
            .say("stale: `orgferry schema lock` takes the orgs as they are\n");
        return Ok(true);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))?;
    }
    fs::write(path, text).map_err(|e| unwritable(path, &e))?;
    context.terminal.say(&format!("{name}: {}\n", size(&after)));
    if before.is_some() {
        for change in &changes {
            context.terminal.say(&format!("  {change}\n"));
        }
    }
    Ok(true)
}

fn size(lock: &Lock) -> String {
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {}",
        plural(lock.objects.len(), "object"),
        plural(lock.fields(), "field")
    )
}

/// What differs between two locks, a line each.
fn changes(before: &Lock, after: &Lock) -> Vec<String> {
    let mut all = Vec::new();
    let names: BTreeSet<&String> = before.objects.keys().chain(after.objects.keys()).collect();
    for name in names {
        let (old, new) = match (before.objects.get(name), after.objects.get(name)) {
            (Some(old), Some(new)) => (old, new),
            (None, _) => {
                all.push(format!("+ {name}"));
                continue;
            }
            (_, None) => {
                all.push(format!("- {name}"));
                continue;
            }
        };
        for field in &old.fields {
            match new.field(&field.name) {
                None => all.push(format!("- {name}.{}", field.name)),
                Some(now) if !same(field, now) => all.push(format!("~ {name}.{}", field.name)),
                Some(_) => {}
            }
        }
        let added = new.fields.iter().filter(|field| old.field(&field.name).is_none());
        all.extend(added.map(|field| format!("+ {name}.{}", field.name)));
        let types = |of: &crate::salesforce::SObjectDescribe| {
            let names = of.record_types.iter().filter(|r| !r.master);
            names
                .map(|r| (r.developer_name.to_string(), r.active, r.available))
                .collect::<BTreeSet<_>>()
        };
        if types(old) != types(new) {
            all.push(format!("~ {name}: record types"));
        }
    }
    all
}

/// Whether a lock would say the same of both fields.
fn same(one: &crate::salesforce::Field, other: &crate::salesforce::Field) -> bool {
    Lock::field_text(one) == Lock::field_text(other)
}
