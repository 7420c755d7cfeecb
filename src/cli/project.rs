use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Context, Problem};
use crate::state::{RunRecord, StateError, Store};

/// Files and folders that make a folder a project.
const MARKS: [&str; 3] = ["orgferry.yaml", "credentials.yaml", ".orgferry"];

/// The project that is meant: the folder given, else the nearest from the working folder upwards, else that itself.
pub(super) fn find(context: &Context, given: Option<&Path>) -> Result<PathBuf, Problem> {
    match given {
        Some(folder) if folder.is_dir() => Ok(folder.to_owned()),
        Some(folder) => Err(
            Problem::usage(format!("there is no folder `{}`", folder.display())).help(
                "`--project` takes the folder that holds `orgferry.yaml`, `credentials.yaml` or `.orgferry`",
            ),
        ),
        None => Ok(nearest(&context.folder).unwrap_or(&context.folder).to_owned()),
    }
}

/// What `--project` must say so that a command typed here finds that project; `None` where it needs none.
pub(super) fn flag(context: &Context, project: &Path) -> Option<String> {
    // The working folder, named by a path that begins in it.
    let project = match project.as_os_str().is_empty() {
        true => Path::new("."),
        false => project,
    };
    let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    };
    let found = nearest(&context.folder).unwrap_or(&context.folder);
    if same(found, project) {
        return None;
    }
    Some(super::conduct::shown(context, project).display().to_string())
}

/// The history of a project; `None` when nothing has run there.
pub(super) fn history(
    context: &Context,
    given: Option<&Path>,
) -> Result<(PathBuf, Option<Arc<dyn Store>>), Problem> {
    let project = find(context, given)?;
    let state = super::files::state_of(&project)?;
    let store = super::store::open_existing(context, &state)?;
    Ok((project, store))
}

/// A file of a project, seen from the project's folder: that is where it will be looked for, wherever a later command
/// is typed.
pub(super) fn inside(project: &Path, file: &Path) -> PathBuf {
    let whole = |path: &Path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    };
    let file = whole(file);
    match file.strip_prefix(whole(project)) {
        Ok(inside) => inside.to_owned(),
        Err(_) => file,
    }
}

/// The run that a user names: by its id, a beginning of it, or `last`.
pub(super) fn run_of(
    context: &Context,
    project: Option<&Path>,
    name: &str,
) -> Result<(PathBuf, Arc<dyn Store>, RunRecord), Problem> {
    let (folder, store) = history(context, project)?;
    let unknown = |what: String| {
        Problem::usage(what)
            .help("`orgferry runs` lists the runs of this project; `--project DIR` asks another")
    };
    let Some(store) = store else {
        return Err(unknown(format!("nothing has run yet in `{}`", folder.display())));
    };
    let run = match name {
        "last" => store.runs(1)?.pop(),
        id => store.run(id)?,
    };
    match run {
        Some(run) => Ok((folder, store, run)),
        None => Err(unknown(format!(
            "there is no run `{name}` in `{}`",
            folder.display()
        ))),
    }
}

/// Whether another sitting could go on with a run: it stopped before its end, and no newer one has begun to carry the
/// same rows.
pub(super) fn is_resumable(store: &dyn Store, run: &RunRecord) -> Result<bool, StateError> {
    if !run.is_resumable() {
        return Ok(false);
    }
    let last = store.last_run(&run.pipeline, run.env.as_deref())?;
    Ok(last.is_none_or(|last| last.id == run.id))
}

fn nearest(folder: &Path) -> Option<&Path> {
    folder
        .ancestors()
        .find(|folder| MARKS.iter().any(|mark| folder.join(mark).exists()))
}
