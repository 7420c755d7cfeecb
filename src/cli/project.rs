use std::path::{Path, PathBuf};

use super::{Context, Problem};
use crate::state::Sqlite;

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
pub(super) fn history(context: &Context, given: Option<&Path>) -> Result<(PathBuf, Option<Sqlite>), Problem> {
    let project = find(context, given)?;
    let state = super::files::state_of(&project)?;
    let store = Sqlite::open_existing(&state)?;
    Ok((project, store))
}

fn nearest(folder: &Path) -> Option<&Path> {
    folder
        .ancestors()
        .find(|folder| MARKS.iter().any(|mark| folder.join(mark).exists()))
}
