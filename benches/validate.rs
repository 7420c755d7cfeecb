//! How long `orgferry validate` takes over many pipelines with a schema lock: `cargo bench --bench validate -- 1000`.
//!
//! The aim is under two seconds for 1,000 files. The lock is that of the tests' fixtures; every file has its own names,
//! three steps, and some thirty mappings of every kind.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    error::Error,
    fmt::Write,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const ORGFERRY: &str = env!("CARGO_BIN_EXE_orgferry");
const LOCKED: &str = "tests/fixtures/locked";

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(1_000);
    let dir = tempfile::tempdir()?;
    let locks = dir.path().join("schemas/orgs");
    fs::create_dir_all(&locks)?;
    fs::create_dir_all(dir.path().join("pipelines"))?;
    for org in ["hq", "emea"] {
        let name = format!("{org}.lock.json");
        fs::copy(
            Path::new(LOCKED).join("schemas/orgs").join(&name),
            locks.join(&name),
        )?;
    }
    fs::copy(
        Path::new(LOCKED).join("credentials.yaml"),
        dir.path().join("credentials.yaml"),
    )?;
    let mut lines = 0;
    for number in 0..count {
        let text = pipeline(number)?;
        lines += text.lines().count();
        fs::write(dir.path().join(format!("pipelines/p{number:04}.yaml")), text)?;
    }
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let output = Command::new(ORGFERRY)
            .args(["validate", "--format", "json"])
            .current_dir(dir.path())
            .output()?;
        best = best.min(begun.elapsed());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        if output.status.code() != Some(0) || json["warnings"] != count {
            return Err(format!(
                "{:?}: {}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
            .into());
        }
    }
    println!(
        "{count} files, {lines} lines: {:.2} s ({:.0} files a second)",
        best.as_secs_f64(),
        count as f64 / best.as_secs_f64()
    );
    Ok(())
}

/// A pipeline with one warning, a text that may be too long.
fn pipeline(number: usize) -> Result<String, std::fmt::Error> {
    let mut out = format!(
        "version: 1\nname: p{number:04}\nfrom: hq\nto: emea\nvars: {{ since: 2020-01-01T00:00:00Z, motto: {{ env: MOTTO }} }}\ntables:\n  sectors:\n    Agri: Agriculture\n    Energy: Energy\n    Finance: Finance\nsteps:\n"
    );
    out.push_str(
        "  accounts:\n    source: { object: Account, where: \"CreatedDate > :since\" }\n    target: { object: Account, key: Legacy_Id__c }\n    copy: [Phone, Fax, Website, BillingStreet, BillingCity, BillingPostalCode, BillingCountry, ShippingCity, AnnualRevenue, CurrencyIsoCode]\n    map:\n      Legacy_Id__c: Id\n",
    );
    for line in [
        "Name: Name | trim",
        "Sector__c: { table: sectors, of: Sector__c }",
        "Motto__c: Motto__c",
        "Score__c: (Score__c * 0.5) | decimal(2)",
        "Stars__c: { expr: Score__c | round, when: Score__c < 100 }",
        "Skills__c: Skills__c",
        "Skill__c: Skills__c | split_multi | first",
        "Founded__c: Founded__c | date",
        "Budget__c: Budget__c",
        "ParentId: { ref: accounts, of: ParentId }",
        "OwnerId: { lookup: User, by: Username, of: Owner.Username, otherwise: null }",
        "Description: \"Moved from {{ Id }} by {{ run.pipeline }}{% if Website %}, see {{ Website }}{% endif %}\"",
    ] {
        writeln!(out, "      {line}")?;
    }
    writeln!(
        out,
        "    tests:\n      - name: sectors of p{number}\n        given: {{ Id: 001A, Name: \" Acme \", Sector__c: Agri }}\n        expect: {{ Name: Acme, Sector__c: Agriculture }}"
    )?;
    out.push_str(
        "  contacts:\n    source:\n      soql: |\n        SELECT Id, FirstName, LastName, Email, AccountId, Owner.Username\n        FROM Contact WHERE CreatedDate > :since ORDER BY LastName\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [FirstName, LastName]\n    map:\n      Legacy_Id__c: Id\n      Email: Email | lower\n      AccountId: { ref: accounts, of: AccountId, missing: null }\n      OwnerId: { lookup: User, by: Username, of: Owner.Username, otherwise: null }\n",
    );
    out.push_str(
        "  projects:\n    source: { object: Project__c }\n    target: { object: Project__c, key: Legacy_Id__c }\n    map:\n      Legacy_Id__c: Id\n      Name: Name\n      Stage__c: \"Stage__c | default(vars.motto | truncate(40))\"\n      Account__c: { ref: accounts, of: Account__c }\n",
    );
    Ok(out)
}
