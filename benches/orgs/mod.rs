//! Emulated orgs for the benchmarks: a process that serves them.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

pub(crate) const ORGFERRY: &str = env!("CARGO_BIN_EXE_orgferry");

/// A process that serves orgs. It ends with this value.
pub(crate) struct Orgs {
    pub(crate) child: Child,
    pub(crate) urls: BTreeMap<String, String>,
}

impl Drop for Orgs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Orgs {
    /// Serves org files, given as names and texts.
    pub(crate) fn start(dir: &Path, files: &[(&str, String)]) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(ORGFERRY);
        command.arg("emulate").current_dir(dir);
        for (name, text) in files {
            let file = format!("{name}.org.yaml");
            fs::write(dir.join(&file), text)?;
            command.arg(file);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut orgs = Orgs {
            child,
            urls: BTreeMap::new(),
        };
        // What it prints is a credentials file: a name, and below it the org's `url`.
        let mut name = String::new();
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            match line.trim().strip_prefix("url: ") {
                Some(url) => {
                    orgs.urls.insert(name.clone(), url.to_owned());
                }
                None => name = line.trim().trim_end_matches(':').to_owned(),
            }
            if orgs.urls.len() == files.len() {
                return Ok(orgs);
            }
        }
        Err("the orgs did not start".into())
    }
}

/// The most memory that a process had so far, in kB.
pub(crate) fn peak_memory(process: u32) -> u64 {
    fs::read_to_string(format!("/proc/{process}/status"))
        .unwrap_or_default()
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
