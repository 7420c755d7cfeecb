//! The real command over the same rows: a first load, then again over what is there.

use std::{error::Error, fs, path::Path, process::Command};

use crate::{
    data::credentials,
    measure::{Figures, arrived, calls, watched},
    orgs::ORGFERRY,
};

/// A run of a pipeline.
pub(crate) fn run(
    dir: &Path,
    what: &str,
    pipeline: &str,
    (src, dst): (&str, &str),
    rows: usize,
) -> Result<Figures, Box<dyn Error>> {
    fs::write(dir.join("credentials.yaml"), credentials(src, dst))?;
    fs::write(dir.join("bench.yaml"), pipeline)?;
    let before = calls([src, dst])?;
    let mut command = Command::new(ORGFERRY);
    command
        .args(["run", "bench.yaml", "--progress", "none"])
        .current_dir(dir);
    let (wall, cpu, peak) = watched(&mut command)?;
    let figures = Figures {
        what: format!("orgferry: {what}"),
        rows,
        wall,
        cpu,
        peak,
        calls: calls([src, dst])? - before,
    };
    arrived(dst, rows)?;
    Ok(figures)
}
