//! What the emulated org costs: `cargo bench --bench emulator -- 300000`, or `-- 300000 gzip` with compressed answers.
//!
//! One process serves two orgs. Rows of ten columns leave the first by a Bulk 2.0 query and enter the second by Bulk 2.0
//! ingest jobs, once as inserts and once as upserts over what is there. Cost is the processor time of that process, so
//! `rows/s of one core` holds on a busy machine too; the floor beside it is the same bytes read and written once by the
//! csv crate, in the same run. Linux only: processor time and memory come from `/proc`.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

#[path = "orgs/client.rs"]
mod client;
mod orgs;

use std::{
    error::Error,
    fs,
    time::{Duration, Instant},
};

use bytes::Bytes;

use client::Client;
use orgs::{Orgs, peak_memory};

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

/// Processor time of a process so far.
fn processor_time(process: u32) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
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

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(300_000);
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Compressing answers costs more than all else: it is measured when it is asked for.
    let gzip = std::env::args().any(|a| a == "gzip");
    let http = reqwest::Client::builder().gzip(gzip).build()?;
    let orgs = Orgs::start(dir.path(), &[("src", org("src", rows)), ("dst", org("dst", 0))])?;
    let (src, dst) = (Client::new(&orgs, &http, "src"), Client::new(&orgs, &http, "dst"));
    println!(
        "rows      {rows}, 10 columns each, answers {}",
        if gzip { "compressed" } else { "as they are" }
    );
    println!(
        "made      {:>8.2} s of one core; peak memory {} MB",
        processor_time(orgs.child.id())?.as_secs_f64(),
        peak_memory(orgs.child.id()) / 1024
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
    let (before, started) = (processor_time(orgs.child.id())?, Instant::now());
    let pages = runtime.block_on(out(&src))?;
    let (cpu, wall) = (processor_time(orgs.child.id())? - before, started.elapsed());
    let floor = floor(&pages)?;
    println!(
        "floor     {:>8.2} s of one core (the same bytes read and written by the csv crate)",
        floor.as_secs_f64()
    );
    told("query", cpu, wall, floor);
    for operation in ["insert", "upsert"] {
        let (before, started) = (processor_time(orgs.child.id())?, Instant::now());
        runtime.block_on(load(&dst, operation, &pages))?;
        told(
            operation,
            processor_time(orgs.child.id())? - before,
            started.elapsed(),
            floor,
        );
    }
    println!(
        "memory    {} MB at the peak, with {} records, the uploads and the result files of {} jobs",
        peak_memory(orgs.child.id()) / 1024,
        2 * rows,
        2 * pages.len()
    );
    Ok(())
}

/// All pages of one query job.
async fn out(src: &Client<'_>) -> Result<Vec<Bytes>, Box<dyn Error>> {
    let job = src.query(&format!("SELECT {COLUMNS} FROM Account")).await?;
    let (mut pages, mut locator) = (Vec::new(), None);
    loop {
        let (page, next) = src.page(&job, locator.as_deref()).await?;
        pages.push(page);
        if next.is_none() {
            return Ok(pages);
        }
        locator = next;
    }
}

/// A job a page, and all of its results read.
async fn load(dst: &Client<'_>, operation: &str, pages: &[Bytes]) -> Result<(), Box<dyn Error>> {
    for page in pages {
        let job = dst.ingest(operation, page.clone()).await?;
        dst.wait(&job).await?;
        let results = dst
            .get(&format!("{job}/successfulResults"))
            .await?
            .bytes()
            .await?;
        let lines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
        if lines(&results) != lines(page) {
            return Err(format!("{operation}: not all rows were taken").into());
        }
    }
    Ok(())
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
