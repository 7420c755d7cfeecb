//! What the emulated org costs: `cargo bench --bench emulator -- 300000`, or `-- 300000 gzip` with compressed answers.
//!
//! One process serves two orgs. Rows of ten columns leave the first by a Bulk 2.0 query and enter the second by Bulk 2.0
//! ingest jobs, once as inserts and once as upserts over what is there. Cost is the processor time of that process, so
//! `rows/s of one core` holds on a busy machine too; the floor beside it is the same bytes read and written once by the
//! csv crate, in the same run. Linux only: processor time and memory come from `/proc`.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};

const ORGFERRY: &str = env!("CARGO_BIN_EXE_orgferry");
const COLUMNS: &str = "Name, Ext__c, Phone, BillingStreet, BillingCity, BillingCountry, Industry, AnnualRevenue, NumberOfEmployees, Site";
/// Rows of an ingest job; a page of a query has as many.
const JOB: usize = 100_000;

/// An org with the key field, and with records when it is the source.
fn org(name: &str, records: usize) -> String {
    let records = match records {
        0 => String::new(),
        n => format!(
            r#"
records:
  - object: Account
    generate:
      count: {n}
      fields:
        Name: {{ company: }}
        Ext__c: "K-{{n:08}}"
        Phone: {{ phone: }}
        BillingStreet: {{ street: }}
        BillingCity: {{ city: }}
        BillingCountry: {{ country: }}
        Industry: {{ pick: {{ Banking: 2, Energy: 1, Retail: 3 }} }}
        AnnualRevenue: {{ decimal: {{ min: 0, max: 1000000, scale: 2 }} }}
        NumberOfEmployees: {{ number: {{ min: 1, max: 5000 }} }}
        Site: "site {{n}}"
"#
        ),
    };
    format!(
        "version: 1
name: {name}
access_tokens: [{{ token: {name}-token }}]
bulk: {{ result_page_rows: {JOB}, delay: 0s }}
sobjects:
  Account:
    fields:
      Ext__c: {{ type: Text(20), external_id: true, unique: true, case_sensitive: true }}
{records}"
    )
}

/// The process that serves the orgs.
struct Orgs {
    child: Child,
    urls: BTreeMap<String, String>,
}

impl Drop for Orgs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Orgs {
    fn start(dir: &std::path::Path, rows: usize) -> Result<Self, Box<dyn Error>> {
        for (name, records) in [("src", rows), ("dst", 0)] {
            fs::write(dir.join(format!("{name}.org.yaml")), org(name, records))?;
        }
        let mut child = Command::new(ORGFERRY)
            .args(["emulate", "src.org.yaml", "dst.org.yaml"])
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
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
            if orgs.urls.len() == 2 {
                return Ok(orgs);
            }
        }
        Err("the orgs did not start".into())
    }

    fn api(&self, org: &str, path: &str) -> String {
        format!("{}/services/data/v66.0{path}", self.urls[org])
    }

    /// Processor time so far.
    fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold spaces; behind it, user and system time are the 12th and 13th field.
        let ticks: u64 = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(300_000);
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Compressing answers costs more than all else: it is measured when it is asked for.
    let gzip = std::env::args().any(|a| a == "gzip");
    let http = reqwest::Client::builder().gzip(gzip).build()?;
    let orgs = Orgs::start(dir.path(), rows)?;
    println!(
        "rows      {rows}, 10 columns each, answers {}",
        if gzip { "compressed" } else { "as they are" }
    );
    println!(
        "made      {:>8.2} s of one core; peak memory {} MB",
        orgs.cpu()?.as_secs_f64(),
        orgs.peak_memory() / 1024
    );
    let told = |what: &str, cpu: Duration, wall: Duration, floor: Duration| {
        println!(
            "{what:<9} {:>8.2} s of one core {:>10.0} rows/s of one core; wall {:.2} s; {:.1} times the floor",
            cpu.as_secs_f64(),
            rows as f64 / cpu.as_secs_f64().max(0.01),
            wall.as_secs_f64(),
            cpu.as_secs_f64() / floor.as_secs_f64()
        );
    };
    let (before, started) = (orgs.cpu()?, Instant::now());
    let pages = runtime.block_on(out(&http, &orgs))?;
    let (cpu, wall) = (orgs.cpu()? - before, started.elapsed());
    let floor = floor(&pages)?;
    println!(
        "floor     {:>8.2} s of one core (the same bytes read and written by the csv crate)",
        floor.as_secs_f64()
    );
    told("query", cpu, wall, floor);
    for operation in ["insert", "upsert"] {
        let (before, started) = (orgs.cpu()?, Instant::now());
        runtime.block_on(load(&http, &orgs, operation, &pages))?;
        told(operation, orgs.cpu()? - before, started.elapsed(), floor);
    }
    println!(
        "memory    {} MB at the peak, with {} records, the uploads and the result files of {} jobs",
        orgs.peak_memory() / 1024,
        2 * rows,
        2 * pages.len()
    );
    Ok(())
}

/// All pages of one query job.
async fn out(http: &reqwest::Client, orgs: &Orgs) -> Result<Vec<Bytes>, Box<dyn Error>> {
    let query = json!({ "operation": "query", "query": format!("SELECT {COLUMNS} FROM Account") });
    let job = http
        .post(orgs.api("src", "/jobs/query"))
        .bearer_auth("src-token")
        .json(&query);
    let job: Value = job.send().await?.error_for_status()?.json().await?;
    let job = format!("/jobs/query/{}", job["id"].as_str().ok_or("no job")?);
    wait(http, &orgs.api("src", &job), "src-token").await?;
    let (mut pages, mut locator) = (Vec::new(), String::new());
    loop {
        let page = http
            .get(orgs.api("src", &format!("{job}/results{locator}")))
            .bearer_auth("src-token")
            .send()
            .await?
            .error_for_status()?;
        let next = page
            .headers()
            .get("sforce-locator")
            .and_then(|l| l.to_str().ok())
            .unwrap_or("null")
            .to_owned();
        pages.push(page.bytes().await?);
        if next == "null" {
            return Ok(pages);
        }
        locator = format!("?locator={next}");
    }
}

/// A job a page, and all of its results read.
async fn load(
    http: &reqwest::Client,
    orgs: &Orgs,
    operation: &str,
    pages: &[Bytes],
) -> Result<(), Box<dyn Error>> {
    for page in pages {
        let mut job = json!({ "object": "Account", "operation": operation });
        if operation == "upsert" {
            job["externalIdFieldName"] = json!("Ext__c");
        }
        let made = http
            .post(orgs.api("dst", "/jobs/ingest"))
            .bearer_auth("dst-token")
            .json(&job);
        let made: Value = made.send().await?.error_for_status()?.json().await?;
        let url = orgs.api(
            "dst",
            &format!("/jobs/ingest/{}", made["id"].as_str().ok_or("no job")?),
        );
        let upload = http
            .put(format!("{url}/batches"))
            .bearer_auth("dst-token")
            .header("content-type", "text/csv");
        upload.body(page.clone()).send().await?.error_for_status()?;
        let close = http
            .patch(&url)
            .bearer_auth("dst-token")
            .json(&json!({ "state": "UploadComplete" }));
        close.send().await?.error_for_status()?;
        wait(http, &url, "dst-token").await?;
        let results = http
            .get(format!("{url}/successfulResults"))
            .bearer_auth("dst-token");
        let results = results.send().await?.error_for_status()?.bytes().await?;
        let lines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
        if lines(&results) != lines(page) {
            return Err(format!("{operation}: not all rows were taken").into());
        }
    }
    Ok(())
}

async fn wait(http: &reqwest::Client, job: &str, token: &str) -> Result<(), Box<dyn Error>> {
    loop {
        let info: Value = http.get(job).bearer_auth(token).send().await?.json().await?;
        match info["state"].as_str() {
            Some("JobComplete") => return Ok(()),
            Some("Failed" | "Aborted") | None => return Err(format!("{info}").into()),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Every page read and written once, by one thread.
fn floor(pages: &[Bytes]) -> Result<Duration, Box<dyn Error>> {
    let started = Instant::now();
    for page in pages {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(&page[..]);
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .from_writer(Vec::with_capacity(page.len()));
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record)? {
            writer.write_record(&record)?;
        }
        std::hint::black_box(writer.into_inner()?);
    }
    Ok(started.elapsed())
}
