//! An emulated org in a process of its own, and a caller of it that shares no code with the engine.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Map, Value};

use super::Fallible;

pub(super) const ORGFERRY: &str = env!("CARGO_BIN_EXE_orgferry");

/// A record as a query gives it.
pub(super) type Row = Map<String, Value>;

/// A served org. It ends with this value.
pub(super) struct Org {
    pub(super) name: &'static str,
    pub(super) url: String,
    dir: PathBuf,
    /// Whether a file keeps it, so that it can be restarted.
    kept: bool,
    process: Child,
    web: Web,
}

impl Drop for Org {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Org {
    /// Serves an org made of an org file.
    pub(super) fn start(dir: &Path, name: &'static str, yaml: &str, kept: bool) -> Fallible<Self> {
        fs::write(dir.join(format!("{name}.org.yaml")), yaml)?;
        let (process, url) = serve(dir, name, kept, None)?;
        Ok(Org {
            name,
            url,
            dir: dir.to_owned(),
            kept,
            process,
            web: Web::new()?,
        })
    }

    /// Ends the org in good order, and starts it again on its port after a while.
    pub(super) fn restart(&mut self, pause: Duration) -> Fallible<()> {
        signal("TERM", self.process.id())?;
        self.process.wait()?;
        std::thread::sleep(pause);
        let port = self.url.rsplit(':').next().unwrap_or_default().to_owned();
        let (process, _) = serve(&self.dir, self.name, self.kept, Some(&port))?;
        self.process = process;
        Ok(())
    }

    /// Asks the side door, which is never counted, logged or made to fail.
    pub(super) fn side(&self, method: &str, path: &str, body: &Value) -> Fallible<Value> {
        self.web
            .ask(method, &format!("{}/emulator/{path}", self.url), None, body)
    }

    /// Asks the API as the org's user does.
    pub(super) fn api(&self, method: &str, path: &str, body: &Value) -> Fallible<Value> {
        let url = match path.starts_with("/services") {
            true => format!("{}{path}", self.url),
            false => format!("{}/services/data/v60.0{path}", self.url),
        };
        self.web
            .ask(method, &url, Some(&format!("{}-token", self.name)), body)
    }

    /// All records of an object.
    pub(super) fn rows(&self, object: &str, fields: &[String]) -> Fallible<Vec<Row>> {
        let soql = format!("SELECT {} FROM {object} ORDER BY Id", fields.join(", "));
        let soql: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let mut next = format!("/query?q={soql}");
        let mut rows = Vec::new();
        loop {
            let page = self.api("GET", &next, &Value::Null)?;
            let Some(records) = page["records"].as_array() else {
                return Err(format!("no page of records: {page}").into());
            };
            rows.extend(records.iter().filter_map(|r| r.as_object().cloned()));
            match page["nextRecordsUrl"].as_str() {
                Some(url) => next = url.to_owned(),
                None => return Ok(rows),
            }
        }
    }

    /// The ingest jobs of the org, as their list tells them.
    pub(super) fn jobs(&self) -> Fallible<Vec<Value>> {
        let list = self.api("GET", "/jobs/ingest", &Value::Null)?;
        Ok(list["records"].as_array().cloned().unwrap_or_default())
    }

    /// The requests so far, oldest first: method and path.
    pub(super) fn requests(&self) -> Fallible<Vec<(String, String)>> {
        let list = self.side("GET", "requests?limit=100000", &Value::Null)?;
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let list = list.as_array().cloned().unwrap_or_default();
        Ok(list
            .iter()
            .rev()
            .map(|r| (text(&r["method"]), text(&r["path"])))
            .collect())
    }

    /// Whether a fault has struck.
    pub(super) fn struck(&self, fault: u64) -> Fallible<bool> {
        let list = self.side("GET", "faults", &Value::Null)?;
        let mut list = list.as_array().into_iter().flatten();
        Ok(list.any(|f| f["id"] == fault && f["hit"].as_u64().is_some_and(|hit| hit > 0)))
    }

    /// Adds a fault and tells its number.
    pub(super) fn trouble(&self, fault: &Value) -> Fallible<u64> {
        let added = self.side("POST", "faults", fault)?;
        added["added"][0]
            .as_u64()
            .ok_or_else(|| format!("{fault}: {added}").into())
    }

    /// From now on nothing goes wrong.
    pub(super) fn calm(&self) -> Fallible<()> {
        self.side("DELETE", "faults", &Value::Null).map(drop)
    }
}

/// Sends a signal to a process of ours.
pub(super) fn signal(name: &str, process: u32) -> Fallible<()> {
    let sent = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .status()?;
    match sent.success() {
        true => Ok(()),
        false => Err(format!("no process {process} for SIG{name}").into()),
    }
}

fn serve(dir: &Path, name: &str, kept: bool, port: Option<&str>) -> Fallible<(Child, String)> {
    let mut command = Command::new(ORGFERRY);
    command
        .args(["emulate", &format!("{name}.org.yaml")])
        .current_dir(dir);
    if kept {
        command.args(["--state", &format!("{name}.state")]);
    }
    if let Some(port) = port {
        command.args(["--port", port]);
    }
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = process.stdout.take().ok_or("no output")?;
    // What it prints is a credentials file, with the org's `url`.
    let url = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.trim().strip_prefix("url: ").map(str::to_owned));
    match url {
        Some(url) => Ok((process, url)),
        None => {
            let _ = process.kill();
            let _ = process.wait();
            Err(format!("the org `{name}` does not start").into())
        }
    }
}

/// Plain requests, one after the other.
struct Web {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Web {
    fn new() -> Fallible<Self> {
        // Only needed so that the client can be built: loopback speaks plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Web {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            // An org that was restarted knows no connection of before.
            client: reqwest::Client::builder().pool_max_idle_per_host(0).build()?,
        })
    }

    fn ask(&self, method: &str, url: &str, token: Option<&str>, body: &Value) -> Fallible<Value> {
        self.runtime.block_on(async {
            let mut request = self.client.request(method.parse()?, url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if !body.is_null() {
                request = request.json(body);
            }
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            if !status.is_success() {
                return Err(format!("{method} {url}: {status}: {text}").into());
            }
            Ok(serde_json::from_str(&text).unwrap_or_default())
        })
    }
}
