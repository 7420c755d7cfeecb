//! Which rows a run reads, and whether they may be written: cursors, deleted rows, pieces, checks.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{Org, Project, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";
const HOUR: Duration = Duration::from_secs(3600);

/// A target that has keys for contacts and accounts.
fn target(more: &str) -> String {
    format!(
        "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n{more}"
    )
}

/// `count` contacts named P1, P2, ...
fn people(count: usize) -> String {
    format!(
        "seed: 3\nrecords:\n  - object: Contact\n    generate:\n      count: {count}\n      fields:\n        LastName: \"P{{n}}\"\n        Email: \"p{{n}}@people.example\"\n"
    )
}

/// Contacts given as rows.
fn rows(rows: &str) -> String {
    format!("seed: 3\nrecords:\n  - object: Contact\n    rows: [{rows}]\n")
}

/// A pipeline of one step `contacts`; `source` and `target` are more keys of those, `rest` more of the step.
fn contacts(head: &str, source: &str, target: &str, rest: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\n{head}steps:\n  contacts:\n    source: {{ object: Contact{source} }}\n    target: {{ object: Contact, key: Legacy_Id__c{target} }}\n    copy: [LastName, Email]\n    map:\n      Legacy_Id__c: Id\n{rest}"
    )
}

fn names(org: &Org) -> Vec<String> {
    let mut names: Vec<String> = org.dump("Contact", "LastName").into_keys().collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

#[test]
fn rows_that_do_not_pass_a_check_are_parked() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            &rows(
                "{ LastName: A, Email: a@x.example }, { LastName: B }, { LastName: Test, Email: t@x.example }, { LastName: D, Email: d@x.example }",
            ),
        );
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        let checks = "    checks:\n      - not_null: [Email]\n      - expr: LastName != vars.forbidden\n      - expr: Legacy_Id__c | length == 18\n";
        project.write(
            "c.yaml",
            &contacts(
                "vars: { forbidden: Test }\n",
                "",
                &format!(", api: {api}"),
                checks,
            ),
        );
        let report = project.run_pipeline("c.yaml", &[], 4);
        report.adds_up();
        assert_eq!(
            (
                report.count("contacts", "created"),
                report.count("contacts", "parked")
            ),
            (2, 2)
        );
        assert_eq!(names(&dst), ["A", "D"]);
        let step = report.step("contacts");
        let told: Vec<(bool, &str)> = step["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .map(|check| {
                (
                    check["passed"].as_bool().expect("a bool"),
                    check["found"].as_str().expect("words"),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (false, "1 row parked"),
                (false, "1 row parked"),
                (true, "every row passes")
            ]
        );
        assert!(
            step["checks"][1]["place"]
                .as_str()
                .expect("a place")
                .ends_with("c.yaml:14:9"),
            "{step}"
        );
        report
            .1
            .says("`Email` is null, and the check at c.yaml:13:9 wants a value")
            .says("`LastName != vars.forbidden` does not hold (LastName is Test), which the check at c.yaml:14:9 wants")
            .says("failed  contacts: not_null: [Email]: 1 row parked")
            .says("passed  contacts: expr: Legacy_Id__c | length == 18: every row passes");
        for group in step["parked_reasons"].as_array().expect("reasons") {
            assert_eq!(group["code"], "check");
        }
    }
}

#[test]
fn values_that_repeat_stop_the_step_before_its_first_write() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(5_000));
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        let pipeline = |name: &str| {
            contacts("", &format!(", api: {api}"), &format!(", api: {api}"), "    checks:\n      - unique: Title\n      - unique: [LastName, Title]\n      - rows: { at_least: 5000, at_most: 5000 }\n")
                .replace("      Legacy_Id__c: Id\n", &format!("      Legacy_Id__c: Id\n      Title: {name}\n"))
        };
        // The first and the last rows share a title, in another case.
        project.write("twice.yaml", &pipeline("\"'TWIN' if LastName == 'P2' else ('twin' if LastName in ['P4999', 'P5000'] else LastName)\""));
        let report = project.run_pipeline("twice.yaml", &[], 5);
        assert_eq!(dst.emulator.count("Contact"), 0, "{api}: before the damage");
        let ids = ["P2", "P4999", "P5000"].map(|name| src.id("Contact", "LastName", name));
        report
            .1
            .says("step `contacts`: the check `unique: Title` at twice.yaml:13:9 found 2 rows that repeat the value of an earlier one; nothing of this step was written")
            .says(&format!("row {} has `twin`, as row {} has", ids[1], ids[0]))
            .says(&format!("row {} has `twin`, as row {} has", ids[2], ids[0]))
            .says("help: ");
        assert_eq!(report.0["status"], "stopped");
        let checks = report.step("contacts")["checks"]
            .as_array()
            .expect("checks")
            .clone();
        let passed: Vec<bool> = checks.iter().map(|check| check["passed"] == true).collect();
        assert_eq!(passed, [false, true, true], "{checks:?}");

        project.write(
            "once.yaml",
            &pipeline("\"null if LastName in ['P1', 'P2'] else LastName\""),
        );
        let report = project.run_pipeline("once.yaml", &[], 0);
        report.adds_up();
        assert_eq!(report.count("contacts", "created"), 5_000);
        let there = dst.dump("Contact", "LastName");
        assert_eq!(there.len(), 5_000);
        assert_eq!(there["P77"]["Title"].as_deref(), Some("P77"));
        assert_eq!(there["P1"]["Title"], None);
        // What was put aside is gone.
        let left = std::fs::read_dir(project.path(".orgferry/runs"))
            .expect("runs")
            .count();
        assert_eq!(left, 2);
        for run in std::fs::read_dir(project.path(".orgferry/runs")).expect("runs") {
            let files = std::fs::read_dir(run.expect("a run").path()).expect("a folder");
            for file in files {
                let name = file.expect("a file").file_name();
                assert!(
                    !name.to_string_lossy().ends_with(".rows"),
                    "{name:?} is left behind"
                );
            }
        }
    }
}

#[test]
fn too_few_or_too_many_rows_stop_the_step_before_its_first_write() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(900));
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    for (source, rest, check, code, words) in [
        (
            "",
            "",
            "{ at_least: 901 }",
            5,
            "found 900 rows; nothing of this step was written",
        ),
        (
            "",
            "",
            "{ at_most: 899 }",
            5,
            "found more than 899 rows; nothing of this step was written",
        ),
        // Filtered and parked rows would not be written.
        (
            "",
            "    when: LastName != 'P1'\n",
            "{ at_least: 900 }",
            5,
            "found 899 rows",
        ),
        (
            ", where: \"LastName = 'Nobody'\"",
            "",
            "{ at_least: 1 }",
            5,
            "found 0 rows",
        ),
        (
            ", where: \"LastName = 'Nobody'\"",
            "",
            "{ at_least: 0, at_most: 0 }",
            0,
            "0 rows",
        ),
        ("", "", "{ at_least: 900, at_most: 900 }", 0, "900 rows"),
    ] {
        project.write(
            "r.yaml",
            &contacts(
                "",
                source,
                "",
                &format!("{rest}    checks: [{{ rows: {check} }}]\n"),
            ),
        );
        let report = project.run_pipeline("r.yaml", &[], code);
        report.1.says(words);
        let expected = if code == 0 && source.is_empty() { 900 } else { 0 };
        assert_eq!(dst.emulator.count("Contact"), expected, "{check}");
    }
}

#[test]
fn source_and_target_are_reconciled() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            "seed: 2\nrecords:\n  - object: Account\n    rows: [{ Name: A, AnnualRevenue: 100, NumberOfEmployees: 3 }, { Name: B, AnnualRevenue: 1 }, { Name: C }, { Name: D, AnnualRevenue: -50 }]\n",
        );
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        let pipeline = |key: &str, operation: &str| {
            format!(
                "version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ object: Account, key: Legacy_Id__c, api: {api}, operation: {operation} }}\n    copy: [AnnualRevenue, Name, NumberOfEmployees]\n    map: {{ Legacy_Id__c: {key} }}\n    checks:\n      - reconcile: {{ count: true }}\n      - reconcile: {{ sum: AnnualRevenue }}\n      - reconcile: {{ fields: [Name, AnnualRevenue, NumberOfEmployees] }}\n      - reconcile: {{ sum: AnnualRevenue, count: true, tolerance: 50 }}\n"
            )
        };
        project.write("a.yaml", &pipeline("Id", "upsert"));
        let report = project.run_pipeline("a.yaml", &[], 0);
        report
            .1
            .says("passed  accounts: reconcile: { count: true }: 4 rows in the source and 4 in the target")
            .says("a sum of AnnualRevenue of 51 in the source and 51 in the target")
            .says("4 rows alike");
        // A row that is parked is missing in the target, and its amount too.
        project.write("b.yaml", &pipeline("\"null if Name == 'D' else Id\"", "upsert"));
        let report = project.run_pipeline("b.yaml", &[], 5);
        report
            .1
            .says("step `accounts`: the check `reconcile: { count: true }` at b.yaml:11:9 found 4 rows in the source and 3 in the target (1 row parked); its rows are written")
            .says("failed  accounts: reconcile: { sum: AnnualRevenue }: a sum of AnnualRevenue of 51 in the source and 101 in the target (1 row parked)")
            .says("passed  accounts: reconcile: { fields: [Name, AnnualRevenue, NumberOfEmployees] }: 3 rows alike (1 row parked)")
            .says("passed  accounts: reconcile: { sum: AnnualRevenue, count: true, tolerance: 50 }");
        assert_eq!(report.0["status"], "stopped");
        // Records that an insert leaves alone are there; what they hold is nobody's matter.
        let id = dst.id("Account", "Name", "A");
        dst.ask(
            &runtime,
            Method::PATCH,
            &format!("/sobjects/Account/{id}"),
            &json!({ "AnnualRevenue": 7 }),
        );
        project.write("c.yaml", &pipeline("Id", "insert"));
        let report = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(report.count("accounts", "unchanged"), 4);
    }
}

#[test]
fn a_step_that_waits_does_not_begin_when_reconciling_fails() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "seed: 2\nrecords:\n  - object: Account\n    rows: [{ Name: A }, { Name: B }]\n  - object: Contact\n    rows: [{ LastName: K, Account: { Name: A } }]\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("a.yaml", "version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: { object: Account }\n    target: { object: Account, key: Legacy_Id__c }\n    copy: [Name]\n    map: { Legacy_Id__c: \"null if Name == 'B' else Id\" }\n    checks: [{ reconcile: { count: true } }]\n  contacts:\n    source: { object: Contact }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [LastName, AccountId]\n    map: { Legacy_Id__c: Id }\n");
    project.run_pipeline("a.yaml", &[], 5);
    assert_eq!(dst.emulator.count("Account"), 1);
    assert_eq!(dst.emulator.count("Contact"), 0);
}

#[test]
fn the_next_run_reads_what_has_changed() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(40));
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        let head = "vars: { most: 99 }\npolicy: { changes: { overlap: 0s } }\n";
        project.write(
            "c.yaml",
            &contacts(
                head,
                &format!(", cursor: SystemModstamp, where: \"LastName != 'P40'\", api: {api}"),
                "",
                "",
            ),
        );
        let run = |more: &[&str], code: i32, read: u64| {
            let report = project.run_pipeline("c.yaml", more, code);
            report.adds_up();
            assert_eq!(report.count("contacts", "read"), read, "{api} {more:?}");
            report
        };
        let edit = |name: &str, field: &str, value: Json| {
            src.emulator.advance_clock(HOUR);
            let id = src.id("Contact", "LastName", name);
            src.ask(
                &runtime,
                Method::PATCH,
                &format!("/sobjects/Contact/{id}"),
                &json!({ field: value }),
            );
        };
        // All others were made in one second, and the newest second is read again.
        edit("P1", "Email", json!("one@x.example"));
        let report = run(&[], 0, 39);
        assert_eq!(report.step("contacts")["since"], Json::Null);
        edit("P7", "Email", json!("seven@x.example"));
        let report = run(&[], 0, 2);
        report.1.says("contacts: read only SystemModstamp >= ");
        assert_eq!(report.count("contacts", "updated"), 2);
        assert_eq!(
            dst.dump("Contact", "LastName")["P7"]["Email"].as_deref(),
            Some("seven@x.example")
        );
        // The newest row is read again: others of its second may have come behind it.
        run(&[], 0, 1);
        edit("P8", "Email", json!("eight@x.example"));
        // A filter that changes has not been read before.
        edit("P40", "LastName", json!("P41"));
        run(&[], 0, 3);
        let text = project.read("c.yaml");
        project.write("c.yaml", &text.replace("'P40'", "'P39'"));
        run(&[], 0, 39);
        project.write("c.yaml", &text);
        run(&[], 0, 1);
        // P40 has another name by now, and is the newest.
        run(&["--full"], 0, 40);
        run(&[], 0, 1);
    }
}

#[test]
fn a_run_that_fails_does_not_move_the_cursor() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(10));
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    let head = "policy: { changes: { overlap: 0s }, errors: { rows: stop } }\n";
    let pipeline = |check: &str| {
        contacts(
            head,
            ", cursor: SystemModstamp",
            "",
            &format!("    checks: [{{ expr: \"{check}\" }}]\n"),
        )
    };
    src.emulator.advance_clock(HOUR);
    let id = src.id("Contact", "LastName", "P1");
    src.ask(
        &runtime,
        Method::PATCH,
        &format!("/sobjects/Contact/{id}"),
        &json!({ "Email": "one@x.example" }),
    );
    project.write("c.yaml", &pipeline("true"));
    project.run_pipeline("c.yaml", &[], 0);
    src.emulator.advance_clock(HOUR);
    let id = src.id("Contact", "LastName", "P3");
    src.ask(
        &runtime,
        Method::PATCH,
        &format!("/sobjects/Contact/{id}"),
        &json!({ "Email": "three@x.example" }),
    );
    src.emulator.advance_clock(HOUR);
    let id = src.id("Contact", "LastName", "P4");
    src.ask(
        &runtime,
        Method::PATCH,
        &format!("/sobjects/Contact/{id}"),
        &json!({ "Email": "four@x.example" }),
    );
    project.write("c.yaml", &pipeline("LastName != 'P3'"));
    let report = project.run_pipeline("c.yaml", &[], 5);
    assert_eq!(report.count("contacts", "read"), 3);
    project.write("c.yaml", &pipeline("true"));
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.count("contacts", "read"), 3, "all once more");
    let there = dst.dump("Contact", "LastName");
    assert_eq!(there["P3"]["Email"].as_deref(), Some("three@x.example"));
    assert_eq!(there["P4"]["Email"].as_deref(), Some("four@x.example"));
}

#[test]
fn rows_that_wait_are_read_again_however_old_they_are() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            "seed: 2\nrecords:\n  - object: Account\n    rows: [{ Name: A }, { Name: B, Phone: bad }]\n  - object: Contact\n    rows: [{ LastName: K, Account: { Name: A } }, { LastName: L, Account: { Name: B } }, { LastName: M, Email: gone@x.example, Account: { Name: B } }]\n",
        );
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        project.write("a.yaml", &format!("version: 1\nfrom: src\nto: dst\npolicy: {{ changes: {{ overlap: 1s }}, errors: {{ stop_when: {{ failed: 100% }} }} }}\nsteps:\n  accounts:\n    source: {{ object: Account, cursor: SystemModstamp, api: {api} }}\n    target: {{ object: Account, key: Legacy_Id__c }}\n    copy: [Name]\n    map: {{ Legacy_Id__c: Id }}\n    checks: [{{ expr: Name != 'B' }}]\n  contacts:\n    source: {{ object: Contact, cursor: SystemModstamp, api: {api} }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    copy: [LastName, AccountId]\n    map: {{ Legacy_Id__c: Id }}\n"));
        let counts = |code: i32| {
            let report = project.run_pipeline("a.yaml", &[], code);
            report.adds_up();
            ["accounts", "contacts"].map(|step| (report.count(step, "read"), report.count(step, "parked")))
        };
        assert_eq!(counts(4), [(2, 1), (3, 2)], "{api}");
        let newest = |name: &str| {
            src.emulator.advance_clock(HOUR);
            src.ask(
                &runtime,
                Method::POST,
                "/sobjects/Account",
                &json!({ "Name": name }),
            );
            src.ask(
                &runtime,
                Method::POST,
                "/sobjects/Contact",
                &json!({ "LastName": name }),
            );
        };
        newest("N1");
        // Rows of the first second are in the overlap, beside the new ones; N1 hides them from the next run.
        counts(4);
        assert_eq!(
            counts(4),
            [(2, 1), (3, 2)],
            "{api}: the new one and those that wait"
        );
        // One that waits leaves the source; another one can be written now, and with it its child.
        let gone = src.id("Contact", "LastName", "M");
        src.ask(
            &runtime,
            Method::DELETE,
            &format!("/sobjects/Contact/{gone}"),
            &Json::Null,
        );
        let text = project.read("a.yaml").replace("Name != 'B'", "Name != 'X'");
        project.write("a.yaml", &text);
        assert_eq!(counts(0), [(2, 0), (2, 0)], "{api}");
        assert_eq!(counts(0), [(1, 0), (1, 0)], "{api}: nothing waits any more");
        let (accounts, contacts) = (dst.dump("Account", "Name"), dst.dump("Contact", "LastName"));
        assert_eq!(contacts["L"]["AccountId"], accounts["B"]["Id"]);
        assert_eq!(contacts.keys().collect::<Vec<_>>(), ["K", "L", "N1"]);
    }
}

#[test]
fn deleted_rows_are_read_when_the_source_says_so() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(6));
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        for name in ["P2", "P5"] {
            let id = src.id("Contact", "LastName", name);
            src.ask(
                &runtime,
                Method::DELETE,
                &format!("/sobjects/Contact/{id}"),
                &Json::Null,
            );
        }
        let with = |source: &str| {
            contacts(
                "",
                &format!(", api: {api}{source}"),
                "",
                "      Title: \"'deleted' if IsDeleted else 'there'\"\n",
            )
        };
        project.write("c.yaml", &with(""));
        assert_eq!(
            project
                .run_pipeline("c.yaml", &[], 0)
                .count("contacts", "created"),
            4
        );
        project.write("c.yaml", &with(", include_deleted: true"));
        let report = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(
            (
                report.count("contacts", "created"),
                report.count("contacts", "updated")
            ),
            (2, 4),
            "{api}"
        );
        let there = dst.dump("Contact", "LastName");
        assert_eq!(there["P2"]["Title"].as_deref(), Some("deleted"), "{api}");
        assert_eq!(there["P3"]["Title"].as_deref(), Some("there"), "{api}");
        // The same by SOQL, in the order of the file.
        project.write("s.yaml", &format!("version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: {{ soql: \"SELECT Id, LastName FROM Contact WHERE IsDeleted = true ORDER BY LastName DESC\", include_deleted: true, api: {api} }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    map: {{ Legacy_Id__c: Id, LastName: \"LastName ~ '!'\" }}\n"));
        assert_eq!(
            project
                .run_pipeline("s.yaml", &[], 0)
                .count("contacts", "updated"),
            2
        );
        assert_eq!(names(&dst), ["P1", "P3", "P4", "P6", "P2!", "P5!"]);
    }
}

#[test]
fn a_query_is_read_in_pieces() {
    for api in ["rest", "bulk"] {
        for (chunk, pieces) in [("7", 6), ("20", 2), ("41", 1), ("off", 1), ("auto", 1)] {
            let runtime = runtime();
            let src = Org::start(&runtime, "src", &people(40));
            let dst = Org::start(&runtime, "dst", &target(""));
            let project = Project::new(&src, &dst);
            let filter = "where: \"LastName != 'P40' OR LastName = 'P1'\"";
            project.write(
                "c.yaml",
                &contacts("", &format!(", api: {api}, chunk: {chunk}, {filter}"), "", ""),
            );
            let report = project.run_pipeline("c.yaml", &[], 0);
            report.adds_up();
            assert_eq!(report.count("contacts", "created"), 39, "{api} {chunk}");
            assert_eq!(dst.emulator.count("Contact"), 39);
            let asked = src.emulator.request_log();
            let queries = asked.iter().filter(|request| match api {
                "rest" => request.path.ends_with("/query") && request.query.contains("LastName, Email"),
                _ => request.method == "POST" && request.path.ends_with("/jobs/query"),
            });
            assert_eq!(queries.count(), pieces, "{api} {chunk}");
        }
    }
}

#[test]
fn what_was_last_sent_alike_is_not_sent_again() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        // A chain of parents: its references are written in a second pass.
        let src = Org::start(
            &runtime,
            "src",
            "seed: 2\nrecords:\n  - object: Account\n    rows: [{ Name: A1, Phone: '1', Parent: { Name: A2 } }, { Name: A2, Parent: { Name: A3 } }, { Name: A3 }, { Name: A4, NumberOfEmployees: 4 }]\n",
        );
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        let pipeline = |more: &str| {
            format!(
                "version: 1\nfrom: src\nto: dst\npolicy: {{ compare: sent }}\nsteps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ object: Account, key: Legacy_Id__c, api: {api} }}\n    copy: [Name, Phone, NumberOfEmployees]\n    map:\n      Legacy_Id__c: Id\n      ParentId: {{ ref: accounts, of: ParentId }}\n{more}"
            )
        };
        let run = |more: &[&str], code: i32, expected: [u64; 4]| {
            let report = project.run_pipeline("a.yaml", more, code);
            report.adds_up();
            let found =
                ["created", "updated", "unchanged", "parked"].map(|what| report.count("accounts", what));
            assert_eq!(found, expected, "{api} {more:?}");
        };
        project.write("a.yaml", &pipeline(""));
        run(&[], 0, [4, 0, 0, 0]);
        run(&[], 0, [0, 0, 4, 0]);
        let there = dst.dump("Account", "Name");
        assert_eq!(there["A1"]["ParentId"], there["A2"]["Id"]);
        // A change is sent, and one back too.
        let id = src.id("Account", "Name", "A1");
        let path = format!("/sobjects/Account/{id}");
        for phone in ["2", "1"] {
            src.ask(&runtime, Method::PATCH, &path, &json!({ "Phone": phone }));
            run(&[], 0, [0, 1, 3, 0]);
            assert_eq!(
                dst.dump("Account", "Name")["A1"]["Phone"].as_deref(),
                Some(phone),
                "{api}"
            );
        }
        src.ask(&runtime, Method::PATCH, &path, &json!({ "Phone": null }));
        run(&[], 0, [0, 1, 3, 0]);
        assert_eq!(dst.dump("Account", "Name")["A1"]["Phone"], None);
        // What others do to the target is not seen, but for `--full`.
        let theirs = dst.id("Account", "Name", "A4");
        let theirs = format!("/sobjects/Account/{theirs}");
        dst.ask(
            &runtime,
            Method::PATCH,
            &theirs,
            &json!({ "NumberOfEmployees": 5 }),
        );
        run(&[], 0, [0, 0, 4, 0]);
        run(&["--full"], 0, [0, 4, 0, 0]);
        assert_eq!(
            dst.dump("Account", "Name")["A4"]["NumberOfEmployees"].as_deref(),
            Some("4")
        );
        run(&[], 0, [0, 0, 4, 0]);
        // Another mapping is another thing to send; a row that fails is sent again.
        project.write("a.yaml", &pipeline("      Description: \"'from ' ~ Name\"\n"));
        run(&[], 0, [0, 4, 0, 0]);
        project.write("a.yaml", &pipeline("      Description: \"'from ' ~ Name\"\n    checks: [{ expr: Name != 'A3' }]\n    policy: { errors: { stop_when: { failed: 100% } } }\n"));
        run(&[], 4, [0, 0, 3, 1]);
        project.write("a.yaml", &pipeline("      Description: \"'from ' ~ Name\"\n"));
        run(&[], 0, [0, 1, 3, 0]);
        run(&[], 0, [0, 0, 4, 0]);
        // What another policy has sent meanwhile is not what this one remembers.
        let text = project.read("a.yaml");
        project.write(
            "a.yaml",
            &text
                .replace("compare: sent", "compare: none")
                .replace("'from '", "'by '"),
        );
        run(&[], 0, [0, 4, 0, 0]);
        project.write("a.yaml", &text);
        run(&[], 0, [0, 4, 0, 0]);
        assert_eq!(
            dst.dump("Account", "Name")["A4"]["Description"].as_deref(),
            Some("from A4")
        );
    }
}

#[test]
fn what_the_target_has_already_is_not_written_whatever_its_type() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let fields = "Amount__c: { type: \"Currency(16, 2)\" }\n      Share__c: { type: \"Percent(5, 2)\" }\n      Score__c: { type: \"Number(12, 4)\" }\n      Seen__c: { type: Date/Time }\n      At__c: { type: Time }\n      Long__c: { type: \"LongTextArea(5000)\" }\n      Tags__c: { type: Picklist (Multi-Select), values: [a, b, c] }";
        let row = |name: &str| {
            json!({
                "LastName": name, "FirstName": " padded ", "Email": "Mixed.Case@X.example", "DoNotCall": true, "Birthdate": "1984-02-29",
                "Amount__c": 1500.10, "Share__c": 12.5, "Score__c": -0.0001, "Seen__c": "2026-01-31T09:05:07.000Z",
                "At__c": "09:05:07.000Z", "Long__c": "line\r\nfeed\n\u{1F600} end", "Tags__c": "c;a", "Phone": "1", "LeadSource": "Web",
            })
        };
        let yaml = |legacy: &str, records: &str| {
            format!("seed: 5\nsobjects:\n  Contact:\n    fields:\n      {legacy}{fields}\n{records}")
        };
        let full = row("Full").to_string();
        let src = Org::start(
            &runtime,
            "src",
            &yaml(
                "",
                &format!("records:\n  - object: Contact\n    rows: [{full}, {{ LastName: Empty }}]\n"),
            ),
        );
        let dst = Org::start(
            &runtime,
            "dst",
            // An org gives the values of a multi-select picklist in the order of its own list.
            &yaml(&format!("Legacy_Id__c: {LEGACY}\n      "), "").replace("[a, b, c]", "[c, b, a]"),
        );
        let project = Project::new(&src, &dst);
        let copied = "[LastName, FirstName, Email, DoNotCall, Birthdate, Amount__c, Share__c, Score__c, Seen__c, At__c, Long__c, Tags__c, Phone, LeadSource]";
        project.write("c.yaml", &format!("version: 1\nfrom: src\nto: dst\npolicy: {{ compare: target }}\nsteps:\n  contacts:\n    source: {{ object: Contact, api: {api} }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    copy: {copied}\n    map: {{ Legacy_Id__c: Id }}\n    checks: [{{ reconcile: {{ count: true, fields: {copied} }} }}]\n"));
        let run = |expected: [u64; 3]| {
            let report = project.run_pipeline("c.yaml", &[], 0);
            report.adds_up();
            let found = ["created", "updated", "unchanged"].map(|what| report.count("contacts", what));
            assert_eq!(found, expected, "{api}");
        };
        run([2, 0, 0]);
        run([0, 0, 2]);
        // Each type is seen to differ.
        let id = dst.id("Contact", "LastName", "Full");
        let path = format!("/sobjects/Contact/{id}");
        for (field, value) in [
            ("FirstName", json!("Other")),
            ("Email", json!("other@x.example")),
            ("DoNotCall", json!(false)),
            ("Birthdate", json!("1984-03-01")),
            ("Amount__c", json!(1500.11)),
            ("Share__c", json!(12)),
            ("Score__c", json!(0.0001)),
            ("Seen__c", json!("2026-01-31T09:05:08.000Z")),
            ("At__c", json!("09:05:08.000Z")),
            ("Long__c", json!("line\r\nfeed")),
            ("Tags__c", json!("a")),
            ("Phone", Json::Null),
            ("LeadSource", json!("Other")),
        ] {
            dst.ask(&runtime, Method::PATCH, &path, &json!({ field: value }));
            run([0, 1, 1]);
        }
        run([0, 0, 2]);
    }
}

#[test]
fn vars_stand_in_queries_as_the_field_beside_them_wants() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "seed: 2\nrecords:\n  - object: Contact\n    rows:\n      - { LastName: \"O'Hara\", Birthdate: 1984-02-29, DoNotCall: true, Title: \"50%\" }\n      - { LastName: 'a\\b', Birthdate: 1990-01-01, Title: \"5000\" }\n      - { LastName: \"x' OR LastName != '\", Title: \"50_\" }\n      - { LastName: \"12\" }\n      - { LastName: \"true\", DoNotCall: true }\n      - { LastName: \"line\\nfeed\" }\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    for (kind, var, condition, expected) in [
        ("text", "O'Hara", "LastName = :v", Ok(1)),
        ("text", "a\\b", "LastName = :v", Ok(1)),
        ("text", "x' OR LastName != '", "LastName = :v", Ok(1)),
        ("text", "' OR LastName != '", "LastName = :v", Ok(0)),
        ("text", "12", "LastName = :v", Ok(1)),
        ("number", "12", "LastName = :v", Ok(1)),
        ("text", "true", "LastName = :v", Ok(1)),
        ("bool", "true", "LastName = :v", Ok(1)),
        ("bool", "true", "DoNotCall = :v", Ok(2)),
        ("text", "true", "DoNotCall = :v", Ok(2)),
        ("text", "yes", "DoNotCall = :v", Err("`yes` is not true or false")),
        ("text", "1984-02-29", "Birthdate = :v", Ok(1)),
        ("text", "1984-02-29", "Birthdate >= :v", Ok(2)),
        (
            "text",
            "29.2.1984",
            "Birthdate = :v",
            Err("`29.2.1984` is not a date"),
        ),
        ("text", "2000-01-01", "CreatedDate > :v", Ok(6)),
        ("text", "2000-01-01T00:00:00+02:00", "CreatedDate > :v", Ok(6)),
        ("list", "O'Hara,12", "LastName IN :v", Ok(2)),
        ("list", "O'Hara,12", "LastName IN (:v, 'true')", Ok(3)),
        ("list", "O'Hara", "LastName NOT IN :v", Ok(5)),
        ("list", "1984-02-29,1990-01-01", "Birthdate IN :v", Ok(2)),
        ("text", "O'Hara", "LastName IN :v", Ok(1)),
        ("list", ",", "LastName IN :v", Err("empty list")),
        (
            "list",
            "a,b",
            "LastName = :v",
            Err("only IN, NOT IN, INCLUDES and EXCLUDES"),
        ),
        ("text", "5%", "Title LIKE :v", Ok(3)),
        ("text", "50\\%", "Title LIKE :v", Ok(1)),
        ("text", "50_", "Title LIKE :v", Ok(2)),
        ("text", "50\\_", "Title LIKE :v", Ok(1)),
        ("text", "", "LastName != :v", Ok(6)),
        ("text", "", "LastName > :v", Err("only `=` and `!=`")),
    ] {
        let default = match kind {
            "number" => "1",
            "bool" => "false",
            "list" => "[z]",
            _ => "z",
        };
        let operation = "operation: upsert";
        project.write("v.yaml", &format!("version: 1\nfrom: src\nto: dst\nvars: {{ v: {default} }}\nsteps:\n  contacts:\n    source: {{ object: Contact, where: {} }}\n    target: {{ object: Contact, key: Legacy_Id__c, {operation} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Id }}\n", json!(condition)));
        let given = format!("v={var}");
        let code = if expected.is_ok() { 0 } else { 2 };
        let report = project.run_pipeline("v.yaml", &["--var", &given], code);
        match expected {
            Ok(rows) => assert_eq!(report.count("contacts", "read"), rows, "{condition} {var}"),
            Err(words) => {
                report.1.says(words);
            }
        }
    }
}

#[test]
fn a_row_of_which_one_parent_waits_is_marked_whole() {
    let runtime = runtime();
    let peer = "      Peer__c: { type: Lookup(Account) }\n";
    let src = Org::start(
        &runtime,
        "src",
        &format!(
            "seed: 2\nsobjects:\n  Account:\n    fields:\n{peer}records:\n  - object: Account\n    rows: [{{ Name: A1 }}]\n"
        ),
    );
    let dst = Org::start(&runtime, "dst", &target(peer));
    let project = Project::new(&src, &dst);
    project.write(
        "a.yaml",
        "version: 1\nfrom: src\nto: dst\npolicy: { compare: sent }\nsteps:\n  accounts:\n    source: { object: Account }\n    target: { object: Account, key: Legacy_Id__c }\n    copy: [Name]\n    map:\n      Legacy_Id__c: Id\n      ParentId: { ref: accounts, of: ParentId }\n      Peer__c: { ref: accounts, of: Peer__c }\n",
    );
    let run = |expected: [u64; 3]| {
        let report = project.run_pipeline("a.yaml", &[], 0);
        let found = ["created", "updated", "unchanged"].map(|what| report.count("accounts", what));
        assert_eq!(found, expected);
    };
    run([1, 0, 0]);
    // The parent is known already, the peer comes behind the row.
    let parent = src.id("Account", "Name", "A1");
    let new = "/sobjects/Account";
    src.ask(
        &runtime,
        Method::POST,
        new,
        &json!({ "Name": "A2", "ParentId": parent }),
    );
    src.ask(&runtime, Method::POST, new, &json!({ "Name": "A3" }));
    let row = format!("{new}/{}", src.id("Account", "Name", "A2"));
    let peer = src.id("Account", "Name", "A3");
    src.ask(&runtime, Method::PATCH, &row, &json!({ "Peer__c": peer }));
    run([2, 0, 1]);
    let there = dst.dump("Account", "Name");
    assert_eq!(there["A2"]["ParentId"], there["A1"]["Id"]);
    assert_eq!(there["A2"]["Peer__c"], there["A3"]["Id"]);
    run([0, 0, 3]);
}
