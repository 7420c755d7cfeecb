//! `orgferry resume`: a run that was killed goes on, and nothing is lost, doubled or mislinked.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use orgferry::emulator::{Effect, Fault, FaultAnswer, JobsOf, Span};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{Org, Project, Ran, Report, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

/// `count` contacts named P1, P2, ...
pub(crate) fn people(count: usize) -> String {
    format!(
        "seed: 3\nrecords:\n  - object: Contact\n    generate:\n      count: {count}\n      fields:\n        LastName: \"P{{n}}\"\n        Email: \"p{{n}}@people.example\"\n"
    )
}

pub(crate) fn target() -> String {
    format!(
        "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      First__c: {{ type: Text(40) }}\n      Second__c: {{ type: Text(40) }}\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"
    )
}

/// A pipeline of one step `contacts`; `rest` is more of the step.
pub(crate) fn contacts(head: &str, source: &str, target: &str, rest: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\n{head}steps:\n  contacts:\n    source: {{ object: Contact{source} }}\n    target: {{ object: Contact, {target} }}\n    copy: [LastName, Email]\n    map: {{ Legacy_Id__c: Id }}\n{rest}"
    )
}

/// Requests of the target that have been looked at.
fn asked(org: &Org, method: &str, path: &str) -> usize {
    org.emulator
        .request_log()
        .iter()
        .filter(|request| request.method == method && request.path.contains(path))
        .count()
}

/// Whether a fault of the org has begun to strike.
pub(crate) fn struck(org: &Org) -> bool {
    org.emulator.faults().iter().any(|armed| armed.hit > 0)
}

fn wait(what: &str, until: impl Fn() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The process has to have got as far as it gets.
    std::thread::sleep(Duration::from_millis(300));
}

/// Starts a command and kills it when it has come so far.
pub(crate) fn kill(project: &Project, args: &[&str], what: &str, until: impl Fn() -> bool) {
    let mut child = project
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    wait(what, until);
    child.kill().expect("it is there");
    child.wait().expect("it ends");
}

pub(crate) fn last_run(project: &Project) -> Json {
    let ran = project.run(&["runs", "--format", "json", "--limit", "1"]);
    let runs: Json = serde_json::from_str(&ran.stdout).expect("JSON");
    runs["runs"][0].clone()
}

/// Goes on with the last run, which has died, and gives its report.
pub(crate) fn resume(project: &Project, expected: i32) -> Report {
    let died = last_run(project);
    assert_eq!(
        (&died["status"], &died["resumable"]),
        (&json!("died"), &json!(true)),
        "{died}"
    );
    let ran = project.run(&["resume", "last", "--report", "json=report.json"]);
    ran.exits(expected);
    let report = project.report("report.json", ran);
    report.adds_up();
    assert_eq!(report.0["discrepancies"], json!([]), "{}", report.0);
    let now = last_run(project);
    assert_eq!(now["run"], died["run"]);
    assert_eq!(
        now["sittings"].as_u64(),
        died["sittings"].as_u64().map(|sittings| sittings + 1)
    );
    assert_eq!(now["resumable"], json!(false));
    report
}

fn slow() -> Span {
    Span::from_millis(120_000)
}

pub(crate) fn delay(org: &Org, method: &str, path: &str, after: u64) {
    let fault = Fault::new(Effect::Delay(slow()))
        .on_method(method)
        .on_path(path)
        .after(after);
    org.emulator.add_fault(fault);
}

/// Where a run that writes one Bulk job is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// The job is there, and has no data.
    Upload,
    /// It has its data, and is not closed.
    Close,
    /// It works.
    Working,
    /// It is done, and its results are not read.
    Results,
}

#[test]
fn a_bulk_job_is_taken_up_wherever_it_is() {
    for at in [At::Upload, At::Close, At::Working, At::Results] {
        for operation in ["upsert", "insert"] {
            let told = format!("{operation}, killed at {at:?}");
            let runtime = runtime();
            let src = Org::start(&runtime, "src", &people(300));
            let dst = Org::start(&runtime, "dst", &target());
            let project = Project::new(&src, &dst);
            let step = format!("operation: {operation}, key: Legacy_Id__c, api: bulk");
            project.write("c.yaml", &contacts("", "", &step, ""));
            let jobs = || asked(&dst, "POST", "/jobs/ingest");
            let run = |what: &str, until: &dyn Fn() -> bool| kill(&project, &["run", "c.yaml"], what, until);
            match at {
                At::Upload => {
                    delay(&dst, "PUT", "/batches", 0);
                    run("a job", &|| jobs() == 1);
                }
                At::Close => {
                    delay(&dst, "PATCH", "/jobs/ingest", 0);
                    run("an upload", &|| asked(&dst, "PUT", "/batches") == 1);
                }
                At::Working => {
                    let job = JobsOf {
                        object: "Contact".into(),
                    };
                    dst.emulator.add_fault(Fault::new(Effect::HangJob(job)));
                    run("a closed job", &|| asked(&dst, "PATCH", "/jobs/ingest") == 1);
                }
                At::Results => {
                    delay(&dst, "GET", "uccessfulResults", 0);
                    run("all records", &|| dst.emulator.count("Contact") == 300);
                }
            }
            let there = dst.emulator.count("Contact");
            assert_eq!(there, if at == At::Results { 300 } else { 0 }, "{told}");
            dst.emulator.clear_faults();
            let report = resume(&project, 0);
            assert_eq!(report.count("contacts", "created"), 300, "{told}");
            assert_eq!(dst.dump("Contact", "LastName").len(), 300, "{told}");
            // A job that had its data when it was closed is not sent once more.
            let again = matches!(at, At::Upload | At::Close);
            assert_eq!(jobs(), if again { 2 } else { 1 }, "{told}");
            if again {
                // The one that was left open is ended.
                let states: Vec<_> = dst.ask(&runtime, Method::GET, "/jobs/ingest", &Json::Null)["records"]
                    .as_array()
                    .expect("jobs")
                    .iter()
                    .map(|job| job["state"].clone())
                    .collect();
                assert!(states.contains(&json!("Aborted")), "{told}: {states:?}");
                assert!(states.contains(&json!("JobComplete")), "{told}: {states:?}");
            }
            // Their links are there: a second run finds each, and makes none.
            let report = project.run_pipeline("c.yaml", &[], 0);
            assert_eq!(report.count("contacts", "created"), 0, "{told}");
        }
    }
}

#[test]
fn calls_whose_answer_was_lost_with_the_process_are_looked_into() {
    // Whether the org did what it was asked, whether rows have a key, and what comes of it: created, parked.
    for (done, key, ends) in [
        (true, ", key: Legacy_Id__c", (300, 0)),
        (false, ", key: Legacy_Id__c", (300, 0)),
        (true, "", (0, 300)),
        (false, "", (0, 300)),
    ] {
        let told = format!("done {done}, key `{key}`");
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(300));
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let step = format!("operation: insert{key}, api: rest");
        let head = "policy: { errors: { stop_when: { failed: 100% } } }\n";
        project.write("c.yaml", &contacts(head, "", &step, ""));
        let path = "/composite/sobjects";
        if done {
            let fault = Fault::new(Effect::SlowBody(slow()))
                .on_method("POST")
                .on_path(path);
            dst.emulator.add_fault(fault);
            kill(&project, &["run", "c.yaml"], "all records", || {
                dst.emulator.count("Contact") == 300
            });
        } else {
            delay(&dst, "POST", path, 0);
            kill(&project, &["run", "c.yaml"], "a call", || struck(&dst));
            assert_eq!(dst.emulator.count("Contact"), 0, "{told}");
        }
        dst.emulator.clear_faults();
        let report = resume(&project, if ends.1 > 0 { 4 } else { 0 });
        let found = (
            report.count("contacts", "created"),
            report.count("contacts", "parked"),
        );
        assert_eq!(found, ends, "{told}");
        // Without a key none is sent a second time, and each is named.
        let there = if done || !key.is_empty() { 300 } else { 0 };
        assert_eq!(dst.dump("Contact", "LastName").len(), there, "{told}");
        if key.is_empty() {
            assert_eq!(
                report.step("contacts")["parked_reasons"][0]["code"],
                "unknown_outcome"
            );
        }
    }
}

#[test]
fn rows_that_had_ended_are_left_out_and_counted() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(1000));
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let step = format!("key: Legacy_Id__c, api: {api}, batch_size: 100, parallel: 1");
        // P1, P11 ... are filtered, P2, P12 ... parked, P4 and P14 ... share a key with P3, P13 ...
        let head = "policy: { errors: { stop_when: { failed: 50% } } }\n";
        let yaml = contacts(head, "", &step, "").replace(
            "    map: { Legacy_Id__c: Id }\n",
            "    when: \"(LastName | last) != '1'\"\n    map:\n      Legacy_Id__c: \"null if (LastName | last) == '2' else (LastName | replace('4', '3'))\"\n",
        );
        project.write("c.yaml", &yaml);
        let whole = {
            let other = Org::start(&runtime, "dst", &target());
            let project = Project::new(&src, &other);
            project.write("c.yaml", &yaml);
            project.run_pipeline("c.yaml", &[], 4)
        };
        let ends = |report: &Report| {
            ["read", "created", "updated", "filtered", "parked"].map(|end| report.count("contacts", end))
        };
        // Some batches are through, one is on its way.
        match api {
            "rest" => delay(&dst, "PATCH", "/composite/sobjects", 3),
            _ => delay(&dst, "PUT", "/batches", 3),
        }
        kill(&project, &["run", "c.yaml"], "three batches", || struck(&dst));
        let before = dst.emulator.count("Contact");
        assert!(before > 0, "{api}");
        dst.emulator.clear_faults();
        let report = resume(&project, 4);
        assert_eq!(ends(&report), ends(&whole), "{api}");
        assert_eq!(
            report.step("contacts")["parked_reasons"],
            whole.step("contacts")["parked_reasons"],
            "{api}"
        );
        report.1.says("rows done before, going on");
    }
}

#[test]
fn a_second_pass_goes_on_where_it_was() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let mut rows =
            String::from("seed: 3\nrecords:\n  - object: Account\n    rows:\n      - { Name: A0 }\n");
        for at in 1..400 {
            rows += &format!("      - {{ Name: A{at}, Parent: {{ Name: A{} }} }}\n", at / 2);
        }
        let src = Org::start(&runtime, "src", &rows);
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        project.write(
            "a.yaml",
            &format!(
                "version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ key: Legacy_Id__c, api: {api}, batch_size: 50, parallel: 1 }}\n    copy: [Name]\n    map: {{ Legacy_Id__c: Id, ParentId: {{ ref: accounts, of: ParentId }} }}\n    checks: [{{ reconcile: {{ count: true }} }}]\n"
            ),
        );
        let parents = || {
            let rows = dst.emulator.rows("Account");
            rows.iter()
                .filter(|row| row.get("ParentId").cloned().flatten().is_some())
                .count()
        };
        // The first pass is through, and two batches of the second.
        match api {
            "rest" => delay(&dst, "PATCH", "/composite/sobjects", 8 + 2),
            _ => delay(&dst, "GET", "uccessfulResults", 8 + 2),
        }
        kill(&project, &["run", "a.yaml"], "some parents", || struck(&dst));
        let there = if api == "rest" { 100 } else { 150 };
        assert_eq!(parents(), there, "{api}");
        dst.emulator.clear_faults();
        let (read, written) = (src.emulator.request_log().len(), dst.emulator.request_log().len());
        let report = resume(&project, 0);
        assert_eq!(report.count("accounts", "created"), 400, "{api}");
        assert_eq!(report.step("accounts")["second_pass"]["rows"], 399, "{api}");
        assert_eq!(report.step("accounts")["checks"][0]["passed"], true, "{api}");
        let (ours, theirs) = (src.dump("Account", "Name"), dst.dump("Account", "Name"));
        assert_eq!(theirs.len(), 400);
        for (name, row) in &theirs {
            let parent = |rows: &std::collections::BTreeMap<
                String,
                std::collections::BTreeMap<String, Option<String>>,
            >,
                          id: &Option<String>| {
                id.as_ref().and_then(|id| {
                    rows.iter()
                        .find(|(_, row)| row["Id"].as_ref() == Some(id))
                        .map(|(name, _)| name.clone())
                })
            };
            assert_eq!(
                parent(&theirs, &row["ParentId"]),
                parent(&ours, &ours[name]["ParentId"]),
                "{api} {name}"
            );
        }
        // A step whose first pass has ended is not read again.
        let log = src.emulator.request_log();
        assert!(
            log[read..]
                .iter()
                .all(|request| !request.query.contains("ParentId")),
            "{api}"
        );
        // Nor is written what was written.
        let log = dst.emulator.request_log();
        let calls = log[written..]
            .iter()
            .filter(|request| match api {
                "rest" => request.method == "PATCH" && request.path.contains("/composite/sobjects"),
                _ => request.method == "POST" && request.path.ends_with("/jobs/ingest"),
            })
            .count();
        assert_eq!(calls, if api == "rest" { 6 } else { 5 }, "{api}");
    }
}

#[test]
fn composite_keys_find_their_results() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(250));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    let yaml = contacts("", "", "key: [First__c, Second__c], api: bulk", "").replace(
        "map: { Legacy_Id__c: Id }",
        "map: { First__c: LastName, Second__c: \"null if LastName == 'P7' else Email\" }",
    );
    project.write("c.yaml", &yaml);
    delay(&dst, "GET", "uccessfulResults", 0);
    kill(&project, &["run", "c.yaml"], "all records", || {
        dst.emulator.count("Contact") == 250
    });
    dst.emulator.clear_faults();
    let jobs = asked(&dst, "POST", "/jobs/ingest");
    let report = resume(&project, 0);
    assert_eq!(report.count("contacts", "created"), 250);
    assert_eq!(dst.dump("Contact", "LastName").len(), 250);
    assert_eq!(asked(&dst, "POST", "/jobs/ingest"), jobs);
}

#[test]
fn a_row_that_the_source_has_lost_meanwhile_keeps_its_record() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(100));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &contacts(
            "",
            "",
            "key: Legacy_Id__c, api: bulk",
            "    when: \"LastName != 'Gone'\"\n",
        ),
    );
    delay(&dst, "GET", "uccessfulResults", 0);
    kill(&project, &["run", "c.yaml"], "all records", || {
        dst.emulator.count("Contact") == 100
    });
    dst.emulator.clear_faults();
    let gone = src.id("Contact", "LastName", "P7");
    src.ask(
        &runtime,
        Method::DELETE,
        &format!("/sobjects/Contact/{gone}"),
        &Json::Null,
    );
    // What would be filtered now was written then.
    let other = src.id("Contact", "LastName", "P8");
    src.ask(
        &runtime,
        Method::PATCH,
        &format!("/sobjects/Contact/{other}"),
        &json!({ "LastName": "Gone" }),
    );
    let report = resume(&project, 0);
    assert_eq!(
        (
            report.count("contacts", "created"),
            report.count("contacts", "filtered")
        ),
        (100, 0)
    );
}

#[test]
fn what_changes_between_two_sittings_is_carried_by_the_next_run() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(60));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    let head = "policy: { changes: { overlap: 0s } }\n";
    project.write(
        "c.yaml",
        &contacts(
            head,
            ", cursor: SystemModstamp",
            "key: Legacy_Id__c, api: rest, batch_size: 20, parallel: 1",
            "",
        ),
    );
    // What is read within the second in which a run begins is read again: these are older.
    src.emulator.advance_clock(Duration::from_secs(60));
    delay(&dst, "PATCH", "/composite/sobjects", 2);
    kill(&project, &["run", "c.yaml"], "two batches", || struck(&dst));
    dst.emulator.clear_faults();
    src.emulator.advance_clock(Duration::from_secs(60));
    let change = |name: &str, to: &str| {
        let id = src.id("Contact", "LastName", name);
        src.ask(
            &runtime,
            Method::PATCH,
            &format!("/sobjects/Contact/{id}"),
            &json!({ "LastName": to }),
        );
    };
    let carried: Vec<String> = dst.dump("Contact", "LastName").into_keys().collect();
    assert_eq!(carried.len(), 40);
    change(&carried[0], "Changed");
    src.emulator.advance_clock(Duration::from_secs(60));
    // A newer one, which would take the cursor past the change.
    let waiting = (1..=60)
        .map(|n| format!("P{n}"))
        .find(|name| !carried.contains(name))
        .expect("one of the last batch");
    change(&waiting, "Later");
    resume(&project, 0);
    assert!(!dst.dump("Contact", "LastName").contains_key("Changed"));
    project.run_pipeline("c.yaml", &[], 0);
    let names = dst.dump("Contact", "LastName");
    assert!(names.contains_key("Changed") && names.contains_key("Later"));
    assert_eq!(names.len(), 60);
}

#[test]
fn deletions_go_on_too() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(40));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    let head = "policy: { changes: { overlap: 1h, deletes: delete, stop_when: { deleted: 60% } } }\n";
    project.write(
        "c.yaml",
        &contacts(
            head,
            ", cursor: SystemModstamp",
            "key: Legacy_Id__c, api: bulk",
            "",
        ),
    );
    project.run_pipeline("c.yaml", &[], 0);
    for n in 1..=20 {
        let id = src.id("Contact", "LastName", &format!("P{n}"));
        let path = format!("/sobjects/Contact/{id}");
        src.ask(&runtime, Method::DELETE, &path, &Json::Null);
    }
    delay(&dst, "GET", "uccessfulResults", 1);
    kill(&project, &["run", "c.yaml"], "the deletions", || {
        dst.emulator.count("Contact") == 20
    });
    dst.emulator.clear_faults();
    // Half of what is left would be too much, were it asked again.
    let report = resume(&project, 0);
    assert_eq!(report.count("contacts.deleted", "deleted"), 20);
    assert_eq!(dst.emulator.count("Contact"), 20);
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.count("contacts.deleted", "deleted"), 0);
}

#[test]
fn rows_of_a_file_are_known_again() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", "seed: 3\n");
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let mut csv = "id,name\n".to_owned();
        for n in 0..300 {
            // Every tenth id comes twice, every fiftieth thrice.
            csv += &format!("K{n},N{n}\n");
            if n % 10 == 0 {
                csv += &format!("K{n},N{n}b\n");
            }
            if n % 50 == 0 {
                csv += &format!("K{n},N{n}b\n");
            }
        }
        project.write("people.csv", &csv);
        project.write(
            "f.yaml",
            &format!("version: 1\nto: dst\npolicy: {{ errors: {{ stop_when: {{ failed: 50% }} }} }}\nsteps:\n  contacts:\n    source: {{ csv: people.csv, id: id }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: {api}, batch_size: 100, parallel: 1 }}\n    map: {{ Legacy_Id__c: id, LastName: name }}\n"),
        );
        match api {
            "rest" => delay(&dst, "PATCH", "/composite/sobjects", 1),
            _ => delay(&dst, "GET", "uccessfulResults", 1),
        }
        kill(&project, &["run", "f.yaml"], "a batch", || struck(&dst));
        dst.emulator.clear_faults();
        let report = resume(&project, 4);
        assert_eq!(
            (
                report.count("contacts", "created"),
                report.count("contacts", "parked")
            ),
            (300, 36),
            "{api}"
        );
        let names = dst.dump("Contact", "LastName");
        assert_eq!(names.len(), 300, "{api}");
        assert!(names.keys().all(|name| !name.ends_with('b')), "{api}");
    }
}

#[test]
fn a_file_target_is_written_whole_or_not_at_all() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(5000));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "out.yaml",
        "version: 1\nfrom: src\nsteps:\n  out:\n    source: { object: Contact, api: rest }\n    target: { csv: out/people.csv }\n    copy: [LastName, Email]\n",
    );
    delay(&src, "GET", "/query/", 0);
    kill(&project, &["run", "out.yaml"], "the second page", || struck(&src));
    assert!(!project.path("out/people.csv").exists());
    // None of its rows has an end as long as the file is not in place.
    let shown = project.run(&["report", "last", "--format", "json"]);
    let before: Json = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(before["totals"]["created"], 0, "{before}");
    src.emulator.clear_faults();
    let report = resume(&project, 0);
    assert_eq!(report.count("out", "created"), 5000);
    assert_eq!(project.read("out/people.csv").lines().count(), 5001);
}

#[test]
fn checks_are_told_once_and_counted_over_all_sittings() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(200));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    let checks = "    checks:\n      - unique: [Email]\n      - rows: { at_least: 100 }\n      - expr: \"LastName != 'P3'\"\n      - reconcile: { count: true, fields: [Email], tolerance: 1 }\n";
    project.write(
        "c.yaml",
        &contacts(
            "",
            "",
            "key: Legacy_Id__c, api: rest, batch_size: 50, parallel: 1",
            checks,
        ),
    );
    delay(&dst, "PATCH", "/composite/sobjects", 2);
    kill(&project, &["run", "c.yaml"], "two batches", || struck(&dst));
    dst.emulator.clear_faults();
    let report = resume(&project, 4);
    assert_eq!(report.count("contacts", "created"), 199);
    let told: Vec<String> = report.step("contacts")["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(|check| {
            format!(
                "{} {}",
                check["passed"],
                check["found"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "true 199 rows with different values",
            "true 199 rows",
            "true 200 rows in the source and 199 in the target, 199 rows alike (1 row parked)",
            "false 1 row parked",
        ]
    );
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(300));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    let yaml = contacts(
        "vars: { who: x }\n",
        ", where: \"LastName != :who\"",
        "key: Legacy_Id__c, api: rest, batch_size: 50, parallel: 1",
        "",
    );
    project.write("pipelines/c.yaml", &yaml);
    project
        .run(&["resume", "last"])
        .exits(2)
        .says("nothing has run yet");
    let file = "pipelines/c.yaml";
    project.run_pipeline(file, &["--var", "who=y"], 0);
    project
        .run(&["resume", "2"])
        .exits(2)
        .says("is done: each of its rows has an outcome");
    project
        .run(&["resume", "nope"])
        .exits(2)
        .says("there is no run `nope`");

    let die = || {
        delay(&dst, "PATCH", "/composite/sobjects", 1);
        kill(&project, &["run", file, "--var", "who=y"], "a batch", || {
            struck(&dst)
        });
        dst.emulator.clear_faults();
        last_run(&project)["run"].as_str().expect("a run").to_owned()
    };
    let first = die();
    project
        .run(&["runs"])
        .says(&format!("`orgferry resume {first}` goes on with it"));
    project
        .run(&["report", "last"])
        .says(&format!("orgferry resume {first}"));
    // Another file is another run.
    project.write(file, &yaml.replace("copy: [LastName, Email]", "copy: [LastName]"));
    project
        .run(&["resume", &first])
        .exits(2)
        .says("`pipelines/c.yaml` has changed since run")
        .says("orgferry run pipelines/c.yaml");
    project.write(file, &yaml);

    // A newer run takes its place, and says so.
    let second = die();
    project
        .run(&["resume", &first])
        .exits(2)
        .says(&format!("run `{second}` of `c` has begun after run `{first}`"))
        .says(&format!("orgferry resume {second}"));
    // From elsewhere in the project too; its vars are those that it was started with.
    std::fs::create_dir_all(project.path("elsewhere")).expect("a folder");
    let ran = project
        .command(&["resume", &second, "--progress", "none"])
        .current_dir(project.path("elsewhere"))
        .output()
        .expect("the binary runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(dst.emulator.count("Contact"), 300);

    let third = die();
    let ran = project.run(&["run", file, "--var", "who=y"]);
    ran.exits(0)
        .says(&format!("note: run {third} died before its end"))
        .says(&format!("`orgferry resume {third}` would go on with it"));
    project
        .run(&["resume", &third])
        .exits(2)
        .says("its rows are newer");
}

#[test]
fn a_new_run_ends_the_jobs_of_one_that_died() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(300));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &contacts("", "", "operation: insert, key: Legacy_Id__c, api: bulk", ""),
    );
    delay(&dst, "PATCH", "/jobs/ingest", 0);
    kill(&project, &["run", "c.yaml"], "an upload", || {
        asked(&dst, "PUT", "/batches") == 1
    });
    dst.emulator.clear_faults();
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.count("contacts", "created"), 300);
    assert_eq!(dst.dump("Contact", "LastName").len(), 300);
    let jobs = dst.ask(&runtime, Method::GET, "/jobs/ingest", &Json::Null);
    let open = jobs["records"]
        .as_array()
        .expect("jobs")
        .iter()
        .any(|job| job["state"] == "Open");
    assert!(!open, "{jobs}");
}

#[test]
fn other_orgs_are_no_place_to_go_on() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(300));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &contacts(
            "",
            "",
            "key: Legacy_Id__c, api: rest, batch_size: 50, parallel: 1",
            "",
        ),
    );
    delay(&dst, "PATCH", "/composite/sobjects", 1);
    kill(&project, &["run", "c.yaml"], "a batch", || struck(&dst));
    dst.emulator.clear_faults();
    let other = Org::start(&runtime, "dst", &target().replace("seed: 4", "seed: 99"));
    let credentials = project.read("credentials.yaml");
    project.write(
        "credentials.yaml",
        &credentials.replace(&dst.emulator.url(), &other.emulator.url()),
    );
    project
        .run(&["resume", "last"])
        .exits(2)
        .says("between other orgs than those that its named credentials lead to now; nothing was sent");
    assert_eq!(other.emulator.count("Contact"), 0);
    project.write("credentials.yaml", &credentials);
    let ran = project.run(&["resume", "last"]);
    ran.exits(0);
    assert_eq!(dst.emulator.count("Contact"), 300);
}

#[test]
fn a_job_that_the_org_has_forgotten_costs_nothing() {
    for operation in ["upsert", "insert"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(120));
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let step = format!("operation: {operation}, key: Legacy_Id__c, api: bulk");
        project.write("c.yaml", &contacts("", "", &step, ""));
        delay(&dst, "GET", "uccessfulResults", 0);
        kill(&project, &["run", "c.yaml"], "all records", || {
            dst.emulator.count("Contact") == 120
        });
        dst.emulator.clear_faults();
        let jobs = dst.ask(&runtime, Method::GET, "/jobs/ingest", &Json::Null);
        let job = jobs["records"][0]["id"].as_str().expect("a job").to_owned();
        dst.ask(
            &runtime,
            Method::DELETE,
            &format!("/jobs/ingest/{job}"),
            &Json::Null,
        );
        let report = resume(&project, 0);
        let ended = report.count("contacts", "created") + report.count("contacts", "updated");
        assert_eq!(ended, 120, "{operation}");
        assert_eq!(dst.dump("Contact", "LastName").len(), 120, "{operation}");
    }
}

#[test]
fn a_run_whose_org_goes_away_can_be_gone_on_with() {
    let answer = |status: u16, code: Option<&str>| {
        Effect::Answer(FaultAnswer {
            status,
            code: code.map(str::to_owned),
            message: "no".to_owned(),
            retry_after: None,
        })
    };
    // What fails for good, how often, and how many jobs that costs.
    for (method, path, effect, times, jobs) in [
        (
            "GET",
            "/jobs/ingest",
            answer(503, Some("SERVER_UNAVAILABLE")),
            2,
            1,
        ),
        ("GET", "uccessfulResults", Effect::DropConnection, 2, 1),
        ("PATCH", "/jobs/ingest", answer(400, Some("INVALIDJOB")), 1, 2),
        ("PUT", "/batches", answer(400, Some("INVALIDJOB")), 1, 2),
    ] {
        let told = format!("{method} {path}");
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(300));
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let head = "policy: { retry: { attempts: 2, backoff: 10ms..20ms } }\n";
        let step = "operation: insert, key: Legacy_Id__c, api: bulk";
        project.write("c.yaml", &contacts(head, "", step, ""));
        let fault = Fault::new(effect).on_method(method).on_path(path).times(times);
        dst.emulator.add_fault(fault);
        let ran = project.run(&["run", "c.yaml"]);
        ran.exits(1).says("go on with it").says("orgferry resume ");
        dst.emulator.clear_faults();
        let states: Vec<Json> = dst.ask(&runtime, Method::GET, "/jobs/ingest", &Json::Null)["records"]
            .as_array()
            .expect("jobs")
            .iter()
            .map(|job| job["state"].clone())
            .collect();
        assert!(!states.contains(&json!("Open")), "{told}: {states:?}");
        let ran = project.run(&["resume", "last", "--report", "json=report.json"]);
        ran.exits(0);
        let report = project.report("report.json", ran);
        report.adds_up();
        assert_eq!(report.count("contacts", "created"), 300, "{told}");
        assert_eq!(dst.dump("Contact", "LastName").len(), 300, "{told}");
        assert_eq!(asked(&dst, "POST", "/jobs/ingest"), jobs, "{told}");
    }
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_says_how_to_go_on() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(300));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &contacts(
            "",
            "",
            "key: Legacy_Id__c, api: rest, batch_size: 50, parallel: 1",
            "",
        ),
    );
    let fault = Fault::new(Effect::Delay(Span::from_millis(1500)))
        .on_method("PATCH")
        .on_path("/composite/sobjects")
        .after(1);
    dst.emulator.add_fault(fault);
    let child = project
        .command(&["run", "c.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    wait("a batch", || asked(&dst, "PATCH", "/composite/sobjects") == 1);
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    let ran = Ran::new(child.wait_with_output().expect("it ends"), &["run", "c.yaml"]);
    ran.exits(143).says("go on with it");
    dst.emulator.clear_faults();
    // What was in flight is recorded, and nothing more was begun.
    let before = dst.emulator.count("Contact");
    assert!((50..300).contains(&before), "{before}");
    project.run(&["resume", "last"]).exits(0);
    assert_eq!(dst.dump("Contact", "LastName").len(), 300);
    project.run(&["report", "last"]).says("2 sittings");
}
