//! Whole runs between two emulated orgs, through the real binary and the real HTTP API: source and target are compared
//! field by field.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value as Json;

use crate::{
    resume,
    support::{Org, Project, Report, runtime},
};

/// The source's own fields and its records, generated.
fn source(accounts: usize, contacts: usize, opportunities: usize) -> String {
    format!(
        r#"seed: 11
sobjects:
  Account:
    fields:
      Sector__c: {{ type: Picklist, values: [Agri, Fin, Mfg] }}
      Score__c: {{ type: "Number(12, 4)" }}
      Active__c: {{ type: Checkbox }}
      Founded__c: {{ type: Date }}
      Seen__c: {{ type: Date/Time }}
records:
  - object: Account
    generate:
      count: {accounts}
      fields:
        Name: {{ company: }}
        Sector__c: {{ pick: [Agri, Fin, Mfg] }}
        ParentId: {{ parent: {{ share: 50%, depth: 4 }} }}
        AnnualRevenue: {{ decimal: {{ min: 0, max: 999000000, scale: 2 }} }}
        Score__c: {{ decimal: {{ min: -50, max: 50, scale: 4 }} }}
        Active__c: {{ bool: 40% }}
        Founded__c: {{ date: {{ from: 1950-01-01, to: 2026-01-01 }} }}
        Seen__c: {{ datetime: {{ from: 2020-01-01, to: 2026-01-01 }} }}
        Phone: {{ phone: }}
        Description: {{ text: {{ words: 8, newlines: 20%, quotes: 20%, emoji: 20% }} }}
        OwnerId: {{ owner: {{ ann@src.example: 1, ben@src.example: 1 }} }}
      nulls: {{ Phone: 30%, Score__c: 10%, Founded__c: 10%, Seen__c: 10%, Description: 20% }}
  - object: Contact
    generate:
      count: {contacts}
      fields:
        FirstName: {{ first_name: }}
        LastName: {{ last_name: }}
        Email: {{ email: people.example }}
        AccountId: {{ reference: Account }}
        Birthdate: {{ date: {{ from: 1950-01-01, to: 2005-01-01 }} }}
      nulls: {{ FirstName: 20%, AccountId: 5%, Birthdate: 30% }}
  - object: Opportunity
    generate:
      count: {opportunities}
      fields:
        Name: "Deal {{n:06}}"
        AccountId: {{ reference: Account }}
        StageName: {{ pick: [Prospecting, Closed Won] }}
        CloseDate: {{ date: {{ from: 2025-01-01, to: 2027-01-01 }} }}
        Amount: {{ decimal: {{ min: 1, max: 100000, scale: 2 }} }}
      nulls: {{ Amount: 10% }}
"#
    )
}

const TARGET: &str = r#"seed: 12
sobjects:
  Account:
    fields:
      Legacy_Id__c: { type: Text(18), external_id: true, unique: true, case_sensitive: true }
      Score__c: { type: "Number(12, 4)" }
      Active__c: { type: Checkbox }
      Founded__c: { type: Date }
      Seen__c: { type: Date/Time }
  Contact:
    fields:
      Legacy_Id__c: { type: Text(18), external_id: true, unique: true, case_sensitive: true }
  Opportunity:
    fields:
      Legacy_Id__c: { type: Text(18), external_id: true, unique: true, case_sensitive: true }
"#;

/// The pipeline; `api` is used for reading and writing.
fn pipeline(api: &str) -> String {
    format!(
        r#"version: 1
name: crossing
from: src
to: dst
tables:
  industry: {{ Agri: Agriculture, Fin: Banking, Mfg: Manufacturing }}
steps:
  contacts:
    source: {{ object: Contact, api: {api} }}
    target: {{ object: Contact, key: Legacy_Id__c, api: {api} }}
    copy: [FirstName, LastName, Email, Birthdate, AccountId]
    map:
      Legacy_Id__c: Id
  accounts:
    source:
      soql: SELECT Id, Name, Sector__c, ParentId, AnnualRevenue, Score__c, Active__c, Founded__c, Seen__c, Phone, Description, Owner.Email FROM Account
      api: {api}
    target: {{ object: Account, key: Legacy_Id__c, api: {api} }}
    copy: [AnnualRevenue, Score__c, Active__c, Founded__c, Seen__c, Phone, Description]
    map:
      Legacy_Id__c: Id
      Name: "{{{{ Name }}}}"
      Industry: {{ table: industry, of: Sector__c }}
      ParentId: {{ ref: accounts, of: ParentId }}
      OwnerId: {{ lookup: User, by: Email, of: Owner.Email }}
  opportunities:
    source: {{ object: Opportunity, api: {api} }}
    target: {{ object: Opportunity, key: Legacy_Id__c, api: {api} }}
    copy: [Name, StageName, CloseDate, Amount]
    map:
      Legacy_Id__c: Id
      Account.Legacy_Id__c: AccountId
"#
    )
}

/// Compares every field of every record of both orgs.
fn compare(src: &Org, dst: &Org) {
    let industry = BTreeMap::from([
        ("Agri", "Agriculture"),
        ("Fin", "Banking"),
        ("Mfg", "Manufacturing"),
    ]);
    let get = |row: &BTreeMap<String, Option<String>>, field: &str| row.get(field).cloned().flatten();
    let accounts = (src.dump("Account", "Id"), dst.dump("Account", "Legacy_Id__c"));
    let target_id = |legacy: Option<String>| {
        legacy.map(|l| {
            get(
                accounts
                    .1
                    .get(&l)
                    .unwrap_or_else(|| panic!("account {l} is missing")),
                "Id",
            )
        })
    };
    let emails = |org: &Org| -> BTreeMap<String, Option<String>> {
        org.dump("User", "Id")
            .into_iter()
            .map(|(id, user)| (id, get(&user, "Email")))
            .collect()
    };
    let (src_users, dst_users) = (emails(src), emails(dst));
    assert_eq!(accounts.0.len(), accounts.1.len());
    for (id, ours) in &accounts.0 {
        let theirs = &accounts.1[id];
        for field in [
            "Name",
            "AnnualRevenue",
            "Score__c",
            "Active__c",
            "Founded__c",
            "Seen__c",
            "Phone",
            "Description",
        ] {
            assert_eq!(get(ours, field), get(theirs, field), "{field} of account {id}");
        }
        let sector = get(ours, "Sector__c").expect("a sector");
        assert_eq!(
            get(theirs, "Industry").as_deref(),
            Some(industry[sector.as_str()]),
            "account {id}"
        );
        assert_eq!(
            target_id(get(ours, "ParentId")),
            get(theirs, "ParentId").map(Some),
            "parent of account {id}"
        );
        let owner = |row, users: &BTreeMap<String, Option<String>>| {
            users[&get(row, "OwnerId").expect("owned")].clone()
        };
        assert_eq!(
            owner(ours, &src_users),
            owner(theirs, &dst_users),
            "owner of account {id}"
        );
    }
    for (object, fields) in [
        ("Contact", &["FirstName", "LastName", "Email", "Birthdate"][..]),
        ("Opportunity", &["Name", "StageName", "CloseDate", "Amount"][..]),
    ] {
        let (ours, theirs) = (src.dump(object, "Id"), dst.dump(object, "Legacy_Id__c"));
        assert_eq!(ours.len(), theirs.len(), "{object}");
        for (id, ours) in &ours {
            for field in fields {
                assert_eq!(
                    get(ours, field),
                    get(&theirs[id], field),
                    "{field} of {object} {id}"
                );
            }
            assert_eq!(
                target_id(get(ours, "AccountId")),
                get(&theirs[id], "AccountId").map(Some),
                "{object} {id}"
            );
        }
    }
}

fn cross(api: &str, [accounts, contacts, opportunities]: [usize; 3]) -> Report {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(accounts, contacts, opportunities));
    let dst = Org::start(&runtime, "dst", TARGET);
    let project = Project::new(&src, &dst);
    project.write("crossing.yaml", &pipeline(api));
    let report = project.run_pipeline("crossing.yaml", &[], 0);
    report.adds_up();
    for (step, rows) in [
        ("accounts", accounts),
        ("contacts", contacts),
        ("opportunities", opportunities),
    ] {
        assert_eq!(report.count(step, "created"), rows as u64, "{step}");
    }
    compare(&src, &dst);
    // Again: nothing is created twice, and nobody loses a parent.
    let again = project.run_pipeline("crossing.yaml", &[], 0);
    again.adds_up();
    assert_eq!(again.count("accounts", "updated"), accounts as u64);
    compare(&src, &dst);
    report
}

#[test]
fn a_hundred_thousand_rows_cross_by_bulk() {
    let report = cross("bulk", [10_000, 60_000, 30_000]);
    assert_eq!(report.step("contacts")["read_by"], "bulk");
    assert_eq!(report.step("contacts")["written_by"], "bulk");
}

#[test]
fn a_hundred_thousand_rows_cross_by_rest() {
    let report = cross("rest", [10_000, 60_000, 30_000]);
    assert_eq!(report.step("contacts")["read_by"], "rest");
    assert_eq!(report.step("contacts")["written_by"], "rest");
}

#[test]
fn a_large_step_begins_and_ends_with_small_jobs() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &resume::people(46_000));
    let dst = Org::start(&runtime, "dst", &resume::target());
    let project = Project::new(&src, &dst);
    let step = "key: Legacy_Id__c, api: bulk";
    project.write("c.yaml", &resume::contacts("", "", step, ""));
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.count("contacts", "created"), 46_000);
    let jobs = dst.ask(&runtime, Method::GET, "/jobs/ingest", &Json::Null);
    let jobs = jobs["records"].as_array().expect("jobs");
    let mut sizes: Vec<u64> = jobs
        .iter()
        .map(|job| {
            let path = format!("/jobs/ingest/{}", job["id"].as_str().expect("an id"));
            let info = dst.ask(&runtime, Method::GET, &path, &Json::Null);
            info["numberRecordsProcessed"].as_u64().expect("a number")
        })
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5_000, 8_000, 8_000, 10_000, 15_000]);
}

#[test]
fn the_road_is_chosen_by_size() {
    let report = cross("auto", [300, 11_000, 2_500]);
    assert_eq!(
        (
            &report.step("accounts")["read_by"],
            &report.step("accounts")["written_by"]
        ),
        (&"rest".into(), &"rest".into())
    );
    assert_eq!(
        (
            &report.step("contacts")["read_by"],
            &report.step("contacts")["written_by"]
        ),
        (&"bulk".into(), &"bulk".into())
    );
    assert_eq!(
        (
            &report.step("opportunities")["read_by"],
            &report.step("opportunities")["written_by"]
        ),
        (&"rest".into(), &"bulk".into())
    );
}

/// Of the accounts only what has changed is read: their links are those of the first run.
#[test]
fn parents_of_an_earlier_run_are_found_for_thousands_of_rows() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(4_000, 12_000, 0));
    let dst = Org::start(&runtime, "dst", TARGET);
    let project = Project::new(&src, &dst);
    let with_cursor = pipeline("bulk")
        .replace("to: dst\n", "to: dst\npolicy: { changes: { overlap: 0s } }\n")
        .replace(" FROM Account\n", " FROM Account\n      cursor: SystemModstamp\n");
    project.write("crossing.yaml", &with_cursor);
    src.emulator.advance_clock(std::time::Duration::from_secs(3600));
    let touched = src.dump("Account", "Id").into_keys().next().expect("an account");
    src.ask(
        &runtime,
        reqwest::Method::PATCH,
        &format!("/sobjects/Account/{touched}"),
        &serde_json::json!({ "Phone": "1" }),
    );
    project.run_pipeline("crossing.yaml", &[], 0).adds_up();
    compare(&src, &dst);
    let again = project.run_pipeline("crossing.yaml", &[], 0);
    again.adds_up();
    assert_eq!(
        (
            again.count("accounts", "read"),
            again.count("contacts", "updated")
        ),
        (1, 12_000)
    );
    compare(&src, &dst);
}
