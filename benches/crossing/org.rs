//! An org as curl is pointed at it.

use std::{error::Error, fs, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::data::{KEY, token};

/// An org as curl is pointed at it.
pub(crate) struct Org<'o> {
    api: String,
    name: &'o str,
}

impl<'o> Org<'o> {
    pub(crate) fn new(name: &'o str, url: &str) -> Self {
        Org {
            api: format!("{url}/services/data/v66.0"),
            name,
        }
    }

    /// Writes a CSV by the key field of its rows.
    pub(crate) fn upsert(&self, dir: &Path, object: &str, csv: &str) -> Result<(), Box<dyn Error>> {
        let file = dir.join("upsert.csv");
        fs::write(&file, csv)?;
        let load = self.make_upsert(object)?;
        let data = format!("@{}", file.display());
        let words = [
            "-X",
            "PUT",
            "-H",
            "Content-Type: text/csv",
            "--data-binary",
            &data,
        ];
        if !self
            .curl(&format!("{load}/batches"))
            .args(words)
            .status()?
            .success()
        {
            return Err(format!("{} was not taken", file.display()).into());
        }
        self.close(&load)?;
        self.wait(&load)
    }

    /// How many records of an object there are with this phone.
    pub(crate) fn with_phone(&self, object: &str, phone: &str) -> Result<u64, Box<dyn Error>> {
        let soql = format!("q=SELECT COUNT() FROM {object} WHERE Phone = '{phone}'");
        let found = self.ask(&format!("{}/query", self.api), &["-G", "--data-urlencode", &soql])?;
        found["totalSize"]
            .as_u64()
            .ok_or_else(|| found.to_string().into())
    }

    pub(crate) fn make_upsert(&self, object: &str) -> Result<String, Box<dyn Error>> {
        let load = json!({ "object": object, "operation": "upsert", "externalIdFieldName": KEY });
        self.make("ingest", &load)
    }

    pub(crate) fn close(&self, load: &str) -> Result<(), Box<dyn Error>> {
        self.ask(load, &["-X", "PATCH", "-d", r#"{"state":"UploadComplete"}"#])?;
        Ok(())
    }

    pub(crate) fn curl(&self, url: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "-H"])
            .arg(format!("Authorization: Bearer {}", token(self.name)))
            .arg(url);
        curl
    }

    pub(crate) fn ask(&self, url: &str, words: &[&str]) -> Result<Value, Box<dyn Error>> {
        let mut curl = self.curl(url);
        let said = curl
            .args(["-H", "Content-Type: application/json"])
            .args(words)
            .output()?;
        serde_json::from_slice(&said.stdout)
            .map_err(|_| format!("{url}: {}", String::from_utf8_lossy(&said.stderr)).into())
    }

    /// Makes a job; gives its URL.
    pub(crate) fn make(&self, kind: &str, job: &Value) -> Result<String, Box<dyn Error>> {
        let url = format!("{}/jobs/{kind}", self.api);
        let made = self.ask(&url, &["-d", &job.to_string()])?;
        Ok(format!("{url}/{}", made["id"].as_str().ok_or("no job")?))
    }

    pub(crate) fn wait(&self, job: &str) -> Result<(), Box<dyn Error>> {
        loop {
            let info = self.ask(job, &[])?;
            match info["state"].as_str() {
                Some("JobComplete") if info["numberRecordsFailed"].as_u64().unwrap_or_default() == 0 => {
                    return Ok(());
                }
                Some("JobComplete" | "Failed" | "Aborted") | None => return Err(info.to_string().into()),
                Some(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}
