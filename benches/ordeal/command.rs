//! The real command in a project folder, as a process that can be killed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    Fallible,
    orgs::{ORGFERRY, Org},
};

/// The pipeline's file.
pub(super) const PIPELINE: &str = "ordeal.yaml";

/// A project folder, and the command run in it.
pub(super) struct Project {
    dir: PathBuf,
}

impl Project {
    /// A pipeline, and credentials by which it reaches both orgs.
    pub(super) fn new(dir: &Path, pipeline: &str, orgs: [&Org; 2]) -> Fallible<Self> {
        let (mut external, mut named) = (String::new(), String::new());
        for Org { name, url, .. } in orgs {
            external += &format!(
                "  E_{name}: {{ protocol: oauth2, flow: client_credentials, identity_provider_url: {url}/services/oauth2/token, principals: {{ P: {{ client_id: {name}-id, client_secret: {name}-secret }} }} }}\n"
            );
            named += &format!("  {name}: {{ url: {url}, external_credential: E_{name} }}\n");
        }
        fs::write(
            dir.join("credentials.yaml"),
            format!("version: 1\nexternal_credentials:\n{external}named_credentials:\n{named}"),
        )?;
        fs::write(dir.join(PIPELINE), pipeline)?;
        Ok(Project { dir: dir.to_owned() })
    }

    /// Begins a command whose words go to a file that tells them all.
    pub(super) fn begin(&self, args: &[&str]) -> Fallible<Child> {
        use std::io::Write as _;
        let mut told = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("told.txt"))?;
        writeln!(told, "--- orgferry {}", args.join(" "))?;
        Ok(self
            .command(args)
            .stdout(told.try_clone()?)
            .stderr(told)
            .spawn()?)
    }

    /// What all commands have said.
    pub(super) fn told(&self) -> String {
        fs::read_to_string(self.dir.join("told.txt")).unwrap_or_default()
    }

    /// The runs of the project, newest first: id and status.
    pub(super) fn runs(&self) -> Fallible<Vec<(String, String)>> {
        let list: Value = serde_json::from_str(&self.ask(&["runs", "--format", "json"])?)?;
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let list = list["runs"].as_array().cloned().unwrap_or_default();
        Ok(list
            .iter()
            .map(|run| (text(&run["run"]), text(&run["status"])))
            .collect())
    }

    /// The report of a run.
    pub(super) fn report(&self, run: &str) -> Fallible<Value> {
        Ok(serde_json::from_str(
            &self.ask(&["report", run, "--format", "json"])?,
        )?)
    }

    /// The parked rows of a step: source ids and codes.
    pub(super) fn parked(&self, run: &str, step: &str) -> Fallible<BTreeMap<String, String>> {
        let text = self.ask(&["report", run, "--parked", step])?;
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        let header = csv.headers()?.clone();
        let at = |name: &str| {
            let found = header.iter().position(|h| h == name);
            found.ok_or_else(|| format!("parked rows have no {name}"))
        };
        let (id, code) = (at("orgferry_source_id")?, at("orgferry_code")?);
        let mut parked = BTreeMap::new();
        for row in csv.records() {
            let row = row?;
            parked.insert(row[id].to_owned(), row[code].to_owned());
        }
        Ok(parked)
    }

    /// Standard output of a command that ends well.
    fn ask(&self, args: &[&str]) -> Fallible<String> {
        let output = self.command(args).output()?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("orgferry {}: {error}", args.join(" ")).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(ORGFERRY);
        command
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .stdin(Stdio::null());
        command
    }
}
