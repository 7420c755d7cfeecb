//! Emulated orgs for the benchmarks: a process that serves them, and Bulk 2.0 jobs as a plain client runs them.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};

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
    /// Serves org files, given as names and texts; a caller of the org `x` has the token `x-token`.
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

    pub(crate) fn client<'a>(&'a self, http: &'a reqwest::Client, org: &'a str) -> Client<'a> {
        Client {
            http,
            base: format!("{}/services/data/v66.0/jobs", self.urls[org]),
            token: format!("{org}-token"),
            name: org,
        }
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

/// A caller of an org.
pub(crate) struct Client<'a> {
    http: &'a reqwest::Client,
    base: String,
    token: String,
    name: &'a str,
}

impl Client<'_> {
    /// Starts a query job and waits until it is done; the answer is its URL.
    pub(crate) async fn query(&self, soql: &str) -> Result<String, Box<dyn Error>> {
        let job = json!({ "operation": "query", "query": soql });
        let job = self.post("query", &job).await?;
        self.wait(&job).await?;
        Ok(job)
    }

    /// A page of a query job, and the locator of the next one.
    pub(crate) async fn page(
        &self,
        job: &str,
        locator: Option<&str>,
    ) -> Result<(Bytes, Option<String>), Box<dyn Error>> {
        let mut url = format!("{job}/results");
        if let Some(locator) = locator {
            url = format!("{url}?locator={locator}");
        }
        let page = self.get(&url).await?;
        let next = page.headers().get("sforce-locator");
        let next = next.and_then(|l| l.to_str().ok()).filter(|l| *l != "null");
        let next = next.map(str::to_owned);
        Ok((page.bytes().await?, next))
    }

    /// Makes an ingest job of accounts and gives it its data; an upsert goes by `Ext__c`.
    pub(crate) async fn ingest(&self, operation: &str, data: Bytes) -> Result<String, Box<dyn Error>> {
        let mut job = json!({ "object": "Account", "operation": operation });
        if operation == "upsert" {
            job["externalIdFieldName"] = json!("Ext__c");
        }
        let job = self.post("ingest", &job).await?;
        let upload = self.http.put(format!("{job}/batches")).bearer_auth(&self.token);
        let upload = upload.header("content-type", "text/csv").body(data);
        upload.send().await?.error_for_status()?;
        let close = self.http.patch(&job).bearer_auth(&self.token);
        let close = close.json(&json!({ "state": "UploadComplete" }));
        close.send().await?.error_for_status()?;
        Ok(job)
    }

    /// Waits until a job is done.
    pub(crate) async fn wait(&self, job: &str) -> Result<(), Box<dyn Error>> {
        loop {
            let info: Value = self.get(job).await?.json().await?;
            match info["state"].as_str() {
                Some("JobComplete") => return Ok(()),
                Some("Failed" | "Aborted") | None => return Err(format!("{}: {info}", self.name).into()),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<reqwest::Response, reqwest::Error> {
        let answer = self.http.get(url).bearer_auth(&self.token).send().await?;
        answer.error_for_status()
    }

    async fn post(&self, kind: &str, job: &Value) -> Result<String, Box<dyn Error>> {
        let url = format!("{}/{kind}", self.base);
        let made = self
            .http
            .post(&url)
            .bearer_auth(&self.token)
            .json(job)
            .send()
            .await?;
        let made: Value = made.error_for_status()?.json().await?;
        Ok(format!("{url}/{}", made["id"].as_str().ok_or("no job")?))
    }
}
