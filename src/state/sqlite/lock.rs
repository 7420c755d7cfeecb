//! One run of a pipeline at a time.
//!
//! A lock of the operating system on a file beside the state, and not a row with an expiry: it ends with its process,
//! whatever that died of, and no pause of a living one, however long, lets another run in.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::state::{RunLock, RunRecord, StateError};

/// Whoever asks whether a run is alive holds its file for a moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// A place that is taken.
struct Place(File);

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody is here any more; the lock itself goes with the file's handle.
        let _ = self.0.set_len(0);
    }
}

/// Who holds a place, for the one who waits for it.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    run: String,
    started_at: String,
    process: u32,
}

/// Takes the place of the run's pipeline and environment. `state` is the database's file; without one there is nobody
/// to share it with.
pub(super) fn hold(state: Option<&Path>, run: &RunRecord) -> Result<RunLock, StateError> {
    let Some(state) = state else {
        return Ok(RunLock::new(()));
    };
    let path = place(state, run);
    let create = |source| StateError::Create {
        path: path.display().to_string(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(create)?;
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                return Err(StateError::Running {
                    pipeline: run.pipeline.clone(),
                    env: run.env.clone(),
                    by: holder.map(|holder| {
                        format!(
                            "run {}, since {}, process {}",
                            holder.run, holder.started_at, holder.process
                        )
                    }),
                });
            }
            // Some network drives know no locks; on them SQLite is not safe either.
            Err(TryLockError::Error(source)) => return Err(create(source)),
        }
    }
    let us = Holder {
        run: run.id.clone(),
        started_at: run.started_at.clone(),
        process: std::process::id(),
    };
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all(serde_json::to_string(&us).unwrap_or_default().as_bytes()));
    written.map_err(create)?;
    Ok(RunLock::new(Place(file)))
}

/// Whether the process of a run that has not ended is still there.
pub(super) fn is_held(state: &Path, run: &RunRecord) -> bool {
    let Ok(mut file) = File::open(place(state, run)) else {
        return false;
    };
    match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => holder(&mut file).is_none_or(|holder| holder.run == run.id),
        Err(TryLockError::Error(_)) => true,
    }
}

/// Whether any run that uses the state is going on.
pub(super) fn any_is_held(state: &Path) -> bool {
    let (Some(folder), Some(name)) = (state.parent(), state.file_name()) else {
        return false;
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let beginning = format!("{}.", name.display());
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&beginning) && name.ends_with(".lock")
        })
        .filter_map(|file| File::open(file.path()).ok())
        .any(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// `state.db.customers.uat.lock`: names hold nothing that a file's name could not.
fn place(state: &Path, run: &RunRecord) -> PathBuf {
    let mut name = OsString::from(state);
    name.push(format!(".{}", run.pipeline));
    if let Some(env) = &run.env {
        name.push(format!(".{env}"));
    }
    name.push(".lock");
    PathBuf::from(name)
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::RunStatus;

    fn run(id: &str, env: Option<&str>) -> RunRecord {
        RunRecord {
            id: id.into(),
            pipeline: "customers".into(),
            file: "customers.yaml".into(),
            env: env.map(str::to_owned),
            from: "hq".into(),
            to: "emea".into(),
            started_at: "2026-01-01T00:00:00Z".into(),
            ended_at: None,
            status: RunStatus::Running,
            exit_code: None,
            report: None,
            started_with: None,
            sittings: 1,
            begun: false,
        }
    }

    #[test]
    fn a_place_is_taken_once_and_free_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state.db");
        let first = hold(Some(&state), &run("r1", None)).expect("free");
        assert!(is_held(&state, &run("r1", None)));
        assert!(any_is_held(&state));
        assert!(!any_is_held(&folder.path().join("other.db")));
        // A run of before, whose process is gone.
        assert!(!is_held(&state, &run("r0", None)));
        let refused = hold(Some(&state), &run("r2", None)).expect_err("taken");
        let said = refused.to_string();
        assert!(
            said.contains("`customers`") && said.contains("run r1, since 2026-01-01T00:00:00Z, process "),
            "{said}"
        );
        // Another environment has orgs of its own.
        hold(Some(&state), &run("r3", Some("uat"))).expect("free");
        drop(first);
        assert!(!is_held(&state, &run("r1", None)));
        assert!(!any_is_held(&state));
        hold(Some(&state), &run("r2", None)).expect("free again");
    }
}
