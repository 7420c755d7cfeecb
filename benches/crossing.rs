//! How fast rows cross by Bulk 2.0, and how fast they could: `cargo bench --bench crossing -- 100000`.
//!
//! Two emulated orgs run in a process of their own. The floor is the same rows carried without orgferry: the pages of
//! one query job, as they come, put into ingest jobs of the other org, whose columns have the names that the pages
//! have. Both are measured in one run; what counts is their ratio, for machines differ.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const ORGFERRY: &str = env!("CARGO_BIN_EXE_orgferry");
const COLUMNS: &str =
    "Name, Ext__c, Phone, BillingCity, BillingCountry, AnnualRevenue, NumberOfEmployees, Site";

/// An org; the source has records. `old` is where the floor reads, `Ext__c` travels as the key in both.
fn org(name: &str, records: usize) -> String {
    let records = match records {
        0 => String::new(),
        n => format!(
            "records:\n  - object: Account\n    generate:\n      count: {n}\n      fields:\n        Name: {{ company: }}\n        Ext__c: \"K-{{n:08}}\"\n        Phone: {{ phone: }}\n        BillingCity: {{ city: }}\n        BillingCountry: {{ country: }}\n        AnnualRevenue: {{ decimal: {{ min: 0, max: 1000000, scale: 2 }} }}\n        NumberOfEmployees: {{ number: {{ min: 1, max: 5000 }} }}\n        Site: \"site {{n}}\"\n"
        ),
    };
    format!(
        "version: 1\nname: {name}\nconnected_apps: [{{ name: bench, client_id: id, client_secret: secret, run_as: u@x.example }}]\nusers: [{{ username: u@x.example, name: U U }}]\naccess_tokens: [{{ token: {name}-token }}]\nsobjects: {{ Account: {{ fields: {{ Ext__c: {{ type: Text(20), external_id: true, unique: true, case_sensitive: true }} }} }} }}\n{records}"
    )
}

struct Orgs(Child);

impl Drop for Orgs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(100_000);
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    for (name, records) in [("src", rows), ("dst", 0), ("floor", 0)] {
        fs::write(path(&format!("{name}.org.yaml")), org(name, records))?;
    }
    let mut orgs = Orgs(
        Command::new(ORGFERRY)
            .args(["emulate", "src.org.yaml", "dst.org.yaml", "floor.org.yaml"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let urls = urls(&mut orgs.0)?;
    let floor = floor(&urls["src"], &urls["floor"])?;
    let (ours, memory) = ours(dir.path(), &urls["src"], &urls["dst"])?;
    let rate = |time: Duration| rows as f64 / time.as_secs_f64();
    println!("rows      {rows}, 8 fields each, by Bulk 2.0");
    println!(
        "floor     {:>8.2} s  {:>9.0} rows/s  (pages piped from org to org)",
        floor.as_secs_f64(),
        rate(floor)
    );
    println!(
        "orgferry  {:>8.2} s  {:>9.0} rows/s  peak memory {memory} kB",
        ours.as_secs_f64(),
        rate(ours)
    );
    println!("ratio     {:>8.2}", ours.as_secs_f64() / floor.as_secs_f64());
    Ok(())
}

/// The URL of each org, from what `emulate` prints.
fn urls(emulate: &mut Child) -> Result<std::collections::BTreeMap<String, String>, Box<dyn Error>> {
    let mut urls = std::collections::BTreeMap::new();
    let stdout = emulate.stdout.take().ok_or("no output")?;
    // What it prints is a credentials file: a name, and below it the org's `url`.
    let mut name = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match line.trim().strip_prefix("url: ") {
            Some(url) => {
                urls.insert(name.clone(), url.to_owned());
            }
            None => name = line.trim().trim_end_matches(':').to_owned(),
        }
        if urls.len() == 3 {
            return Ok(urls);
        }
    }
    Err("the orgs did not start".into())
}

/// One upsert of every account, by the real command.
fn ours(dir: &std::path::Path, src: &str, dst: &str) -> Result<(Duration, u64), Box<dyn Error>> {
    let named = |name: &str, url: &str| {
        (
            format!(
                "  E_{name}: {{ protocol: oauth2, flow: access_token, principals: {{ P: {{ sequence: 1, access_token: {name}-token }} }} }}\n"
            ),
            format!("  {name}: {{ url: {url}, external_credential: E_{name} }}\n"),
        )
    };
    let (src, dst) = (named("src", src), named("dst", dst));
    fs::write(
        dir.join("credentials.yaml"),
        format!(
            "version: 1\nexternal_credentials:\n{}{}named_credentials:\n{}{}",
            src.0, dst.0, src.1, dst.1
        ),
    )?;
    fs::write(
        dir.join("bench.yaml"),
        format!(
            "version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: {{ object: Account, api: bulk }}\n    target: {{ object: Account, key: Ext__c, api: bulk }}\n    copy: [{COLUMNS}]\n"
        ),
    )?;
    let started = Instant::now();
    let mut child = Command::new(ORGFERRY)
        .args(["run", "bench.yaml", "--progress", "none"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut peak = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let now = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if !status.success() {
        return Err(format!("the run ended with {status}").into());
    }
    Ok((started.elapsed(), peak))
}

/// The same rows, page by page from a query job into ingest jobs, untouched.
fn floor(src: &str, dst: &str) -> Result<Duration, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let http = reqwest::Client::new();
        let api = |url: &str, path: &str| format!("{url}/services/data/v66.0{path}");
        let started = Instant::now();
        let query = json!({ "operation": "query", "query": format!("SELECT {COLUMNS} FROM Account") });
        let job = http
            .post(api(src, "/jobs/query"))
            .bearer_auth("src-token")
            .json(&query)
            .send()
            .await?;
        let job: Value = job.json().await?;
        let job = format!("/jobs/query/{}", job["id"].as_str().ok_or("no job")?);
        wait(&http, &api(src, &job), "src-token").await?;
        let mut locator = String::new();
        let mut loads = Vec::new();
        loop {
            let page = http
                .get(api(src, &format!("{job}/results{locator}")))
                .bearer_auth("src-token")
                .send()
                .await?;
            let next = page
                .headers()
                .get("sforce-locator")
                .and_then(|l| l.to_str().ok())
                .unwrap_or("null")
                .to_owned();
            let bytes = page.bytes().await?;
            let load = json!({ "object": "Account", "operation": "upsert", "externalIdFieldName": "Ext__c" });
            let load = http
                .post(api(dst, "/jobs/ingest"))
                .bearer_auth("floor-token")
                .json(&load)
                .send()
                .await?;
            let load: Value = load.json().await?;
            let load = api(
                dst,
                &format!("/jobs/ingest/{}", load["id"].as_str().ok_or("no job")?),
            );
            let upload = http
                .put(format!("{load}/batches"))
                .bearer_auth("floor-token")
                .header("content-type", "text/csv");
            upload.body(bytes).send().await?.error_for_status()?;
            let close = http
                .patch(&load)
                .bearer_auth("floor-token")
                .json(&json!({ "state": "UploadComplete" }));
            close.send().await?.error_for_status()?;
            loads.push(load);
            if next == "null" {
                break;
            }
            locator = format!("?locator={next}");
        }
        for load in loads {
            wait(&http, &load, "floor-token").await?;
        }
        Ok(started.elapsed())
    })
}

async fn wait(http: &reqwest::Client, job: &str, token: &str) -> Result<(), Box<dyn Error>> {
    loop {
        let info: Value = http.get(job).bearer_auth(token).send().await?.json().await?;
        match info["state"].as_str() {
            Some("JobComplete") => return Ok(()),
            Some("Failed" | "Aborted") | None => return Err(format!("{info}").into()),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
