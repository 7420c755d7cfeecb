//! `orgferry retry`: parked rows once more, and nothing else.

use reqwest::Method;
use serde_json::Value as Json;

use crate::support::{Org, Project, Report, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

fn target(more: &str) -> String {
    format!(
        "seed: 4\n{more}sobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"
    )
}

/// Accounts A1 to A6, A2 below A1, with a contact each: P1 to P6.
fn source() -> String {
    let mut yaml = "seed: 3\nrecords:\n  - object: Account\n    rows:\n".to_owned();
    for at in 1..=6 {
        let parent = if at == 2 { ", Parent: { Name: A1 }" } else { "" };
        yaml += &format!("      - {{ Name: A{at}{parent} }}\n");
    }
    yaml += "  - object: Contact\n    rows:\n";
    for at in 1..=6 {
        yaml += &format!("      - {{ LastName: P{at}, Account: {{ Name: A{at} }} }}\n");
    }
    yaml
}

/// Accounts and contacts; `name` is what the accounts' names are made of.
fn pipeline(name: &str, cursor: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\nvars: {{ wrong: A3, long: {} }}\nsteps:\n  accounts:\n    source: {{ object: Account{cursor} }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [ParentId]\n    map: {{ Legacy_Id__c: Id, Name: \"{name}\" }}\n  contacts:\n    source: {{ object: Contact{cursor} }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [LastName, AccountId]\n    map: {{ Legacy_Id__c: Id }}\n",
        "x".repeat(300)
    )
}

/// The name, but for the accounts that the var names: theirs is too long.
const WRONG: &str = "Name if Name not in [vars.wrong, 'A1'] else Name ~ vars.long";

fn retry(project: &Project, args: &[&str], expected: i32) -> Report {
    let mut all = vec!["retry", "last", "--report", "json=retry.json"];
    all.extend(args);
    let ran = project.run(&all);
    ran.exits(expected);
    project.report("retry.json", ran)
}

fn ends(report: &Report, step: &str) -> [u64; 4] {
    ["read", "created", "updated", "parked"].map(|end| report.count(step, end))
}

fn names(org: &Org, object: &str, field: &str) -> Vec<String> {
    org.dump(object, field).into_keys().collect()
}

#[test]
fn a_parent_and_its_children_come_through_together() {
    for cursor in ["", ", cursor: SystemModstamp"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &source());
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        project.write("c.yaml", &pipeline(WRONG, cursor));
        let first = project.run_pipeline("c.yaml", &[], 4);
        // A2 was made without its parent, and waits for it.
        assert_eq!(first.count("accounts", "parked"), 3, "{cursor}");
        assert_eq!(first.count("contacts", "parked"), 2);
        first.1.says("orgferry retry ");

        // As it is, nothing has become better: the same rows, and only those, fail the same way.
        let again = retry(&project, &[], 4);
        again.adds_up();
        assert_eq!(ends(&again, "accounts"), [3, 0, 0, 3]);
        assert_eq!(ends(&again, "contacts"), [2, 0, 0, 2]);
        assert_eq!(again.0["retry_of"], first.0["run"]);

        project.write("c.yaml", &pipeline("Name", cursor));
        let calls = src.emulator.counters().api_calls;
        let mended = retry(&project, &[], 0);
        mended.adds_up();
        assert_eq!(ends(&mended, "accounts"), [3, 2, 1, 0], "{cursor}");
        assert_eq!(ends(&mended, "contacts"), [2, 2, 0, 0]);
        assert!(
            src.emulator.counters().api_calls - calls < 12,
            "rows are asked for by their Ids"
        );
        assert_eq!(
            names(&dst, "Account", "Name"),
            ["A1", "A2", "A3", "A4", "A5", "A6"]
        );
        let accounts = dst.dump("Account", "Name");
        assert_eq!(accounts["A2"]["ParentId"], accounts["A1"]["Id"]);
        let contacts = dst.dump("Contact", "LastName");
        assert_eq!(contacts["P3"]["AccountId"], accounts["A3"]["Id"]);

        // Nothing is left of it, and nothing waits for the next run.
        let ran = project.run(&["retry", "last"]);
        ran.exits(0).says("has no parked row to retry");
        let ran = project.run(&["retry", first.0["run"].as_str().expect("an id")]);
        ran.exits(0).says("an earlier retry has carried them");
        let after = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(
            after.count("accounts", "created") + after.count("contacts", "created"),
            0
        );
    }
}

#[test]
fn what_an_earlier_retry_has_carried_is_left_alone() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline(WRONG, ""));
    let first = project.run_pipeline("c.yaml", &[], 4);
    let first = first.0["run"].as_str().expect("an id");
    project.write("c.yaml", &pipeline("Name", ""));
    // One step, then one code: each takes its own.
    let report = retry(&project, &["--step", "accounts", "--code", "STRING_TOO_LONG"], 0);
    assert_eq!(ends(&report, "accounts"), [2, 2, 0, 0]);
    let ran = project.run(&["retry", first, "--report", "json=retry.json"]);
    ran.exits(0)
        .says("not retried: 2 rows of `accounts` (the first: ")
        .says("an earlier retry has carried them");
    let report: Json = serde_json::from_str(&project.read("retry.json")).expect("JSON");
    assert_eq!(report["steps"][0]["read"], 1);
    assert_eq!(report["steps"][1]["created"], 2);
    project
        .run(&["retry", first])
        .exits(0)
        .says("has no parked row to retry");
    project
        .run(&["retry", first, "--step", "people"])
        .exits(2)
        .says("has no step `people`")
        .says("its steps are accounts, contacts");
    project
        .run(&["retry", first, "--code", "check"])
        .exits(0)
        .says("has no parked row with code check to retry");
}

#[test]
fn vars_of_the_run_hold_and_can_be_given_anew() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &pipeline("Name if Name != vars.wrong else Name ~ vars.long", ""),
    );
    let first = project.run_pipeline("c.yaml", &["--var", "wrong=A5"], 4);
    assert_eq!(first.count("accounts", "parked"), 1);
    let again = retry(&project, &[], 4);
    assert_eq!(
        ends(&again, "accounts"),
        [1, 0, 0, 1],
        "A5 is wrong in the retry too"
    );
    let mended = retry(&project, &["--var", "wrong=none"], 0);
    assert_eq!(ends(&mended, "accounts"), [1, 1, 0, 0]);
}

#[test]
fn a_row_never_overwrites_another_of_its_key() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let rows = "seed: 3\nrecords:\n  - object: Contact\n    rows: [{ LastName: First, Title: K }, { LastName: Second, Title: K }, { LastName: Other, Title: L }]\n";
        let src = Org::start(&runtime, "src", rows);
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        let yaml = |key: &str| {
            format!(
                "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: {{ object: Contact }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: {key} }}\n"
            )
        };
        project.write("c.yaml", &yaml("Title"));
        let report = project.run_pipeline("c.yaml", &[], 4);
        assert_eq!(ends(&report, "people"), [3, 2, 0, 1], "{api}");
        let second = retry(&project, &[], 4);
        let owner = src.id("Contact", "LastName", "First");
        second.1.says("duplicate_key").says(&format!(
            "the row {owner} of this step has the same Legacy_Id__c `K`"
        ));
        assert_eq!(names(&dst, "Contact", "LastName"), ["First", "Other"]);
        // With a key of its own it goes.
        project.write("c.yaml", &yaml("Title ~ LastName"));
        let third = retry(&project, &[], 0);
        assert_eq!(ends(&third, "people"), [1, 1, 0, 0]);
        assert_eq!(names(&dst, "Contact", "LastName"), ["First", "Other", "Second"]);
    }
}

#[test]
fn rows_that_the_source_gives_no_more_are_told() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline(WRONG, ""));
    project.run_pipeline("c.yaml", &[], 4);
    let gone = src.id("Account", "Name", "A3");
    src.ask(
        &runtime,
        Method::DELETE,
        &format!("/sobjects/Account/{gone}"),
        &Json::Null,
    );
    project.write("c.yaml", &pipeline("Name", ""));
    let report = retry(&project, &[], 4);
    report
        .1
        .says(&format!(
            "step `accounts`: its source does not give 1 row ({gone}) that run "
        ))
        .says("has parked: deleted there");
    assert_eq!(ends(&report, "accounts"), [2, 1, 1, 0]);
    assert!(
        report.0["notes"]
            .as_array()
            .is_some_and(|notes| !notes.is_empty())
    );
}

#[test]
fn rows_of_unknown_outcome_are_sent_when_the_user_has_looked() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "seed: 3\nrecords:\n  - object: Contact\n    rows: [{ LastName: A }, { LastName: B }]\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        &target("faults:\n  - { on: { path: /composite/sobjects }, times: 1, then: drop_connection }\n"),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { object: Contact }\n    target: { object: Contact, operation: insert }\n    copy: [LastName]\n",
    );
    let report = project.run_pipeline("c.yaml", &[], 4);
    assert_eq!(ends(&report, "people"), [2, 0, 0, 2]);
    let ran = project.run(&["retry", "last"]);
    ran.exits(4)
        .says("not retried: 2 rows of `people`")
        .says("whether they are in the target is not known")
        .says("`--unknown` sends them")
        .says("none of the rows that run ");
    assert_eq!(dst.emulator.count("Contact"), 0);
    let report = retry(&project, &["--unknown"], 0);
    assert_eq!(ends(&report, "people"), [2, 2, 0, 0]);
    assert_eq!(dst.emulator.count("Contact"), 2);
}

#[test]
fn rows_of_a_file_are_found_by_their_id() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", "seed: 3\n");
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("people.csv", "No,Name\n1,Ann\n2,\n3,Cid\n");
    project.write(
        "c.yaml",
        "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { csv: people.csv, id: No }\n    target: { object: Contact, key: Legacy_Id__c }\n    map: { Legacy_Id__c: No, LastName: Name }\n",
    );
    let report = project.run_pipeline("c.yaml", &[], 4);
    assert_eq!(ends(&report, "people"), [3, 2, 0, 1]);
    // Mended in the file, where another line has come in before it.
    project.write("people.csv", "No,Name\n0,Zoe\n1,Ann\n2,Bob\n3,Cid\n");
    let report = retry(&project, &[], 0);
    report.adds_up();
    assert_eq!(ends(&report, "people"), [1, 1, 0, 0]);
    assert_eq!(names(&dst, "Contact", "LastName"), ["Ann", "Bob", "Cid"]);
}

#[test]
fn a_run_that_stopped_is_gone_on_with_first() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &pipeline(WRONG, "").replace("steps:", "policy: { errors: { rows: stop } }\nsteps:"),
    );
    project.run_pipeline("c.yaml", &[], 5);
    let ran = project.run(&["retry", "last"]);
    ran.exits(2)
        .says("has not come to its end")
        .says("orgferry resume ");
    project
        .run(&["retry", "nonsense"])
        .exits(2)
        .says("there is no run `nonsense`");
}

/// Their own id is another row's: nothing that is read again could be taken for them.
#[test]
fn rows_that_have_lost_their_id_to_another_are_told() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: Twin, Email: a@x.example }, { LastName: Twin, Email: b@x.example }, { LastName: \"Solo#7\", Title: Boss }]\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    let of = |source: &str| {
        format!(
            "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: {{ {source} }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Email }}\n"
        )
    };
    project.write(
        "people.csv",
        "LastName,Email\nTwin,c@x.example\nTwin,d@x.example\nSolo#7,\n",
    );
    for source in ["object: Contact, id: LastName", "csv: people.csv, id: LastName"] {
        project.write("twins.yaml", &of(source));
        let report = project.run_pipeline("twins.yaml", &[], 4);
        report.1.says("duplicate_id").says("empty_key");
        // An id that only looks like one of those is taken again.
        project
            .run(&["retry", "last"])
            .exits(4)
            .says("not retried: 1 row of `people`")
            .says("no id tells them apart from other rows")
            .says("retrying 1 parked row");
    }
}
