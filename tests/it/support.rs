//! What the tests share: emulated orgs on loopback, a project folder, and the real binary run in it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use orgferry::emulator::{Emulator, OrgFile};
use tempfile::TempDir;

/// An emulated org with one connected app; its client id and secret are made of its name.
pub(crate) struct Org {
    pub(crate) name: &'static str,
    pub(crate) emulator: Emulator,
}

/// A runtime for the emulators of one test; they stop with it.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

impl Org {
    /// Starts an org; `yaml` is the org file without its head (version, name, app, users).
    pub(crate) fn start(runtime: &tokio::runtime::Runtime, name: &'static str, yaml: &str) -> Org {
        let text = format!(
            "version: 1\nname: {name}\nconnected_apps:\n  - {{ name: orgferry, client_id: {name}-id, client_secret: {name}-secret-5up3r, run_as: int@{name}.example }}\nusers:\n  - {{ username: int@{name}.example, name: Int User, email: int@acme.example }}\n  - {{ username: ann@{name}.example, name: Ann Lee, email: ann@acme.example }}\n  - {{ username: ben@{name}.example, name: Ben Okafor, email: ben@acme.example }}\n{yaml}"
        );
        let file = OrgFile::parse(&text, ".").unwrap_or_else(|e| panic!("{e}\n{text}"));
        let emulator = runtime
            .block_on(Emulator::start(file, 0))
            .expect("the org starts");
        Org { name, emulator }
    }

    /// Asks the org by its API, as its integration user, and gives the answer's body (JSON; null when it is empty).
    pub(crate) fn ask(
        &self,
        runtime: &tokio::runtime::Runtime,
        method: reqwest::Method,
        path: &str,
        body: &serde_json::Value,
    ) -> serde_json::Value {
        // Only needed so that the client can be built: loopback speaks plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let url = format!("{}/services/data/v60.0{path}", self.emulator.url());
            let mut request = reqwest::Client::new()
                .request(method, &url)
                .bearer_auth(self.emulator.access_token());
            if !body.is_null() {
                request = request.json(body);
            }
            let answer = request.send().await.expect("an answer");
            let status = answer.status();
            let text = answer.text().await.expect("a body");
            assert!(status.is_success(), "{url}: {status}: {text}");
            serde_json::from_str(&text).unwrap_or_default()
        })
    }

    /// The Id of the one record of an object whose field has a value.
    pub(crate) fn id(&self, object: &str, field: &str, value: &str) -> String {
        let found: Vec<_> = self
            .emulator
            .rows(object)
            .into_iter()
            .filter(|row| row.get(field).cloned().flatten().as_deref() == Some(value))
            .filter_map(|row| row["Id"].clone())
            .collect();
        assert_eq!(found.len(), 1, "{object} with {field} {value}: {found:?}");
        found.into_iter().next().unwrap_or_default()
    }

    /// A record dump: rows by the value of `key`, each a map of field to value.
    pub(crate) fn dump(
        &self,
        object: &str,
        key: &str,
    ) -> std::collections::BTreeMap<String, std::collections::BTreeMap<String, Option<String>>> {
        let mut all = std::collections::BTreeMap::new();
        for row in self.emulator.rows(object) {
            let value = row.get(key).cloned().flatten().unwrap_or_default();
            let twin = all.insert(value.clone(), row);
            assert!(
                twin.is_none(),
                "two records of {object} with {key} `{value}` in {}",
                self.name
            );
        }
        all
    }
}

/// A project folder with credentials for two orgs, `src` and `dst`.
pub(crate) struct Project {
    dir: TempDir,
}

impl Project {
    /// Credentials point at the two orgs.
    pub(crate) fn new(src: &Org, dst: &Org) -> Project {
        let project = Project {
            dir: TempDir::new().expect("a folder"),
        };
        let mut text = "version: 1\nexternal_credentials:\n".to_owned();
        for org in [src, dst] {
            let (name, url) = (org.name, org.emulator.url());
            text += &format!(
                "  EC_{name}:\n    protocol: oauth2\n    flow: client_credentials\n    identity_provider_url: {url}/services/oauth2/token\n    principals:\n      Main: {{ sequence: 1, client_id: {{ env: {name}_ID }}, client_secret: {{ env: {name}_SECRET }} }}\n"
            );
        }
        text += "named_credentials:\n";
        for org in [src, dst] {
            text += &format!(
                "  {0}: {{ url: {1}, external_credential: EC_{0} }}\n",
                org.name,
                org.emulator.url()
            );
        }
        project.write("credentials.yaml", &text);
        project
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, text).expect("the file can be written");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The command, its environment scrubbed but for the orgs' secrets.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orgferry"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .stdin(Stdio::null());
        for name in ["src", "dst"] {
            command.env(format!("{name}_ID"), format!("{name}-id"));
            command.env(format!("{name}_SECRET"), format!("{name}-secret-5up3r"));
        }
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().expect("the binary runs"), args)
    }

    /// Runs a pipeline and gives its JSON report.
    pub(crate) fn run_pipeline(&self, file: &str, more: &[&str], expected: i32) -> Report {
        let mut args = vec!["run", file, "--report", "json=report.json"];
        args.extend(more);
        let ran = self.run(&args);
        ran.exits(expected);
        self.report("report.json", ran)
    }

    /// The JSON report that a command has written.
    pub(crate) fn report(&self, file: &str, ran: Ran) -> Report {
        Report(
            serde_json::from_str(&self.read(file)).expect("the report is JSON"),
            ran,
        )
    }
}

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
    args: String,
}

impl Ran {
    pub(crate) fn new(output: Output, args: &[&str]) -> Ran {
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
            args: args.join(" "),
        }
    }

    /// Asserts the exit code, and shows everything when it is another one. No output ever holds a secret.
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "orgferry {}\n--- stdout\n{}\n--- stderr\n{}",
            self.args,
            self.stdout,
            self.stderr
        );
        for text in [&self.stdout, &self.stderr] {
            assert!(
                !text.contains("-secret-5up3r"),
                "a secret is in the output of {}",
                self.args
            );
        }
        self
    }

    pub(crate) fn says(&self, words: &str) -> &Self {
        assert!(
            self.stdout.contains(words) || self.stderr.contains(words),
            "`{words}` is not in\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A run's JSON report.
pub(crate) struct Report(pub(crate) serde_json::Value, pub(crate) Ran);

impl Report {
    pub(crate) fn step(&self, name: &str) -> &serde_json::Value {
        self.0["steps"]
            .as_array()
            .and_then(|steps| steps.iter().find(|s| s["name"] == name))
            .unwrap_or_else(|| panic!("no step {name} in {}", self.0))
    }

    pub(crate) fn count(&self, step: &str, what: &str) -> u64 {
        self.step(step)[what]
            .as_u64()
            .unwrap_or_else(|| panic!("no {what} in {}", self.step(step)))
    }

    /// read = created + updated + unchanged + deleted + filtered + parked, in every step.
    pub(crate) fn adds_up(&self) -> &Self {
        for step in self.0["steps"].as_array().expect("steps") {
            let sum: u64 = ["created", "updated", "unchanged", "deleted", "filtered", "parked"]
                .iter()
                .map(|o| step[*o].as_u64().unwrap_or_default())
                .sum();
            assert_eq!(step["read"].as_u64(), Some(sum), "{step}");
        }
        self
    }
}
