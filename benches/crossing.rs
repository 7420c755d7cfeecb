//! How fast rows cross by Bulk 2.0, and how fast they could: `cargo bench --bench crossing -- 100000`.
//!
//! Two emulated orgs run in a process of their own. The floor is the same rows carried without orgferry: the pages of
//! one query job, as they come, put into ingest jobs of the other org, whose columns have the names that the pages
//! have. Both are measured in one run; what counts is their ratio, for machines differ.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod orgs;

use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use orgs::{Client, ORGFERRY, Orgs, peak_memory};

const COLUMNS: &str =
    "Name, Ext__c, Phone, BillingCity, BillingCountry, AnnualRevenue, NumberOfEmployees, Site";

/// An org; the source has records. `Ext__c` travels as the key.
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

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(100_000);
    let dir = tempfile::tempdir()?;
    let files = [("src", rows), ("dst", 0), ("floor", 0)].map(|(name, records)| (name, org(name, records)));
    let orgs = Orgs::start(dir.path(), &files)?;
    let floor = floor(&orgs)?;
    let (ours, memory) = ours(dir.path(), &orgs.urls["src"], &orgs.urls["dst"])?;
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
        peak = peak.max(peak_memory(child.id()));
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
fn floor(orgs: &Orgs) -> Result<Duration, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let (src, dst) = (orgs.client(&http, "src"), orgs.client(&http, "floor"));
    runtime.block_on(pipe(&src, &dst))
}

async fn pipe(src: &Client<'_>, dst: &Client<'_>) -> Result<Duration, Box<dyn Error>> {
    let started = Instant::now();
    let job = src.query(&format!("SELECT {COLUMNS} FROM Account")).await?;
    let mut loads = Vec::new();
    let mut locator = None;
    loop {
        let (page, next) = src.page(&job, locator.as_deref()).await?;
        loads.push(dst.ingest("upsert", page).await?);
        if next.is_none() {
            break;
        }
        locator = next;
    }
    for load in loads {
        dst.wait(&load).await?;
    }
    Ok(started.elapsed())
}
