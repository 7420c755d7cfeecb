//! Bulk queries are asked before their step's turn, where nothing that the run does can change their answer.

use crate::support::{Org, Project, runtime};

const SOURCE: &str = "seed: 5\nrecords:\n  - object: Account\n    rows: [{ Name: One }, { Name: Two }]\n  - object: Contact\n    rows: [{ LastName: First, Account: { Name: One } }]\n";
const KEYS: &str = "sobjects:\n  Account: { fields: { Legacy_Id__c: { type: Text(18), external_id: true, unique: true } } }\n  Contact: { fields: { Legacy_Id__c: { type: Text(18), external_id: true, unique: true } } }\n";

fn pipeline(to: &str, check: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: {to}\nsteps:\n  companies:\n    source: {{ object: Account, api: bulk }}\n    target: {{ object: Account, key: Legacy_Id__c, api: bulk }}\n    copy: [Name]\n    map: {{ Legacy_Id__c: Id }}\n    checks: [{{ expr: \"{check}\" }}]\n    policy: {{ errors: {{ rows: stop }} }}\n  people:\n    source: {{ object: Contact, api: bulk }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: bulk }}\n    copy: [LastName]\n    map:\n      Legacy_Id__c: Id\n      AccountId: {{ ref: companies, of: AccountId }}\n"
    )
}

/// What was asked of an org's jobs: `POST query`, `GET results`, `PATCH query`, `POST ingest`.
fn jobs(org: &Org) -> Vec<String> {
    let asked = org.emulator.request_log().into_iter();
    asked
        .filter_map(|request| {
            let kind = ["query", "ingest"]
                .into_iter()
                .find(|kind| request.path.contains(&format!("/jobs/{kind}")))?;
            let last = request.path.rsplit('/').next().unwrap_or_default();
            Some(match last {
                "results" => "GET results".to_owned(),
                _ => format!("{} {kind}", request.method),
            })
        })
        .collect()
}

fn place(jobs: &[String], what: &str, nth: usize) -> usize {
    let mut places = (0..jobs.len()).filter(|at| jobs[*at] == what);
    places
        .nth(nth)
        .unwrap_or_else(|| panic!("no {what} {nth} in {jobs:?}"))
}

#[test]
fn a_query_is_asked_while_the_step_before_is_on_its_way() {
    let runtime = runtime();
    let (src, dst) = (
        Org::start(&runtime, "src", SOURCE),
        Org::start(&runtime, "dst", KEYS),
    );
    let project = Project::new(&src, &dst);
    project.write("a.yaml", &pipeline("dst", "true"));
    project.run_pipeline("a.yaml", &[], 0).adds_up();
    let jobs = jobs(&src);
    assert_eq!(
        jobs.iter().filter(|job| *job == "POST query").count(),
        2,
        "{jobs:?}"
    );
    assert!(
        place(&jobs, "POST query", 1) < place(&jobs, "GET results", 0),
        "{jobs:?}"
    );
    let companies = dst.dump("Account", "Name");
    assert_eq!(
        dst.dump("Contact", "LastName")["First"]["AccountId"],
        companies["One"]["Id"]
    );
}

#[test]
fn an_org_that_is_written_is_asked_when_the_turn_comes() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &format!("{SOURCE}{KEYS}"));
    let dst = Org::start(&runtime, "dst", "");
    let project = Project::new(&src, &dst);
    project.write("a.yaml", &pipeline("src", "true"));
    project.run_pipeline("a.yaml", &[], 0).adds_up();
    let jobs = jobs(&src);
    assert!(
        place(&jobs, "POST ingest", 0) < place(&jobs, "POST query", 1),
        "{jobs:?}"
    );
}

#[test]
fn a_step_that_needs_another_asks_when_that_one_has_ended() {
    let runtime = runtime();
    let (src, dst) = (
        Org::start(&runtime, "src", SOURCE),
        Org::start(&runtime, "dst", KEYS),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "a.yaml",
        &format!("{}    needs: companies\n", pipeline("dst", "true")),
    );
    project.run_pipeline("a.yaml", &[], 0).adds_up();
    let jobs = jobs(&src);
    assert!(
        place(&jobs, "GET results", 0) < place(&jobs, "POST query", 1),
        "{jobs:?}"
    );
}

#[test]
fn a_query_whose_step_never_begins_is_given_up() {
    let runtime = runtime();
    let (src, dst) = (
        Org::start(&runtime, "src", SOURCE),
        Org::start(&runtime, "dst", KEYS),
    );
    let project = Project::new(&src, &dst);
    project.write("a.yaml", &pipeline("dst", "Name != 'Two'"));
    project.run_pipeline("a.yaml", &[], 5);
    let jobs = jobs(&src);
    assert_eq!(
        jobs.iter().filter(|job| *job == "POST query").count(),
        2,
        "{jobs:?}"
    );
    place(&jobs, "PATCH query", 0);
    // The next sitting begins where this one stopped.
    project.write("a.yaml", &pipeline("dst", "true"));
    project.run_pipeline("a.yaml", &[], 0).adds_up();
    assert_eq!(dst.emulator.count("Contact"), 1);
}
