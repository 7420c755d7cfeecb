//! The floor: the pages of a Bulk 2.0 query, as they come, piped by curl into ingest jobs of the other org.

use std::{
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    data::{KEY, PLAIN, token},
    measure::{Figures, arrived, calls, children_time},
};

/// An org as curl is pointed at it.
pub(crate) struct Org<'o> {
    api: String,
    name: &'o str,
}

/// Accounts, then contacts, whose parents the target finds by their keys. Nothing is mapped, no result is read.
pub(crate) fn run(dir: &Path, src: &str, dst: &str, rows: usize) -> Result<Figures, Box<dyn Error>> {
    let orgs = [src, dst];
    let [source, target] = [Org::new("src", src), Org::new("floor", dst)];
    let (before, cpu) = (calls(orgs)?, children_time()?);
    let started = Instant::now();
    for (object, columns) in PLAIN {
        let query = json!({ "operation": "query", "query": format!("SELECT {columns} FROM {object}") });
        let job = source.make("query", &query)?;
        source.wait(&job)?;
        let mut loads = Vec::new();
        let mut page = format!("{job}/results");
        loop {
            let load = target.make_upsert(object)?;
            let next = pipe(dir, &source, &page, &target, &format!("{load}/batches"))?;
            target.close(&load)?;
            loads.push(load);
            match next {
                Some(locator) => page = format!("{job}/results?locator={locator}"),
                None => break,
            }
        }
        for load in loads {
            target.wait(&load)?;
        }
    }
    let wall = started.elapsed();
    let cpu = children_time()?.saturating_sub(cpu);
    let figures = Figures {
        what: "floor: pages piped by curl, nothing mapped".into(),
        rows,
        wall,
        cpu,
        peak: 0,
        calls: calls(orgs)? - before,
    };
    arrived(dst, rows)?;
    Ok(figures)
}

/// A page from one org into a job of the other; gives the locator of the next page.
fn pipe(
    dir: &Path,
    source: &Org<'_>,
    page: &str,
    target: &Org<'_>,
    load: &str,
) -> Result<Option<String>, Box<dyn Error>> {
    let headers = dir.join("headers");
    let mut down = source.curl(page);
    let mut down = down.arg("-D").arg(&headers).stdout(Stdio::piped()).spawn()?;
    let bytes = down.stdout.take().ok_or("no output")?;
    let mut up = target.curl(load);
    up.args([
        "-X",
        "PUT",
        "-H",
        "Content-Type: text/csv",
        "-H",
        "Expect:",
        "-T",
        "-",
    ]);
    let up = up.stdin(bytes).stdout(Stdio::null()).status()?;
    if !down.wait()?.success() || !up.success() {
        return Err(format!("a page from {page} did not get to {load}").into());
    }
    let headers = fs::read_to_string(&headers)?;
    let named = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sforce-locator")
            .then(|| value.trim().to_owned())
    });
    Ok(named.filter(|locator| locator != "null"))
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

    fn make_upsert(&self, object: &str) -> Result<String, Box<dyn Error>> {
        let load = json!({ "object": object, "operation": "upsert", "externalIdFieldName": KEY });
        self.make("ingest", &load)
    }

    fn close(&self, load: &str) -> Result<(), Box<dyn Error>> {
        self.ask(load, &["-X", "PATCH", "-d", r#"{"state":"UploadComplete"}"#])?;
        Ok(())
    }

    fn curl(&self, url: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "-H"])
            .arg(format!("Authorization: Bearer {}", token(self.name)))
            .arg(url);
        curl
    }

    fn ask(&self, url: &str, words: &[&str]) -> Result<Value, Box<dyn Error>> {
        let mut curl = self.curl(url);
        let said = curl
            .args(["-H", "Content-Type: application/json"])
            .args(words)
            .output()?;
        serde_json::from_slice(&said.stdout)
            .map_err(|_| format!("{url}: {}", String::from_utf8_lossy(&said.stderr)).into())
    }

    /// Makes a job; gives its URL.
    fn make(&self, kind: &str, job: &Value) -> Result<String, Box<dyn Error>> {
        let url = format!("{}/jobs/{kind}", self.api);
        let made = self.ask(&url, &["-d", &job.to_string()])?;
        Ok(format!("{url}/{}", made["id"].as_str().ok_or("no job")?))
    }

    fn wait(&self, job: &str) -> Result<(), Box<dyn Error>> {
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
