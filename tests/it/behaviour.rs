//! What a run does when the orgs, the rows or the user do not play along.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{Org, Project, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

/// `count` plain contacts.
fn contacts(count: usize) -> String {
    format!(
        "seed: 3\nrecords:\n  - object: Contact\n    generate:\n      count: {count}\n      fields:\n        LastName: \"Person {{n}}\"\n        FirstName: {{ first_name: }}\n        Email: \"p{{n}}@people.example\"\n"
    )
}

fn target(more: &str) -> String {
    format!(
        "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n{more}"
    )
}

const CONTACTS: &str = "version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: { object: Contact, api: API }\n    target: { object: Contact, key: Legacy_Id__c, api: API }\n    copy: [FirstName, LastName, Email]\n    map:\n      Legacy_Id__c: Id\n";

fn people(api: &str) -> String {
    CONTACTS.replace("API", api)
}

#[test]
fn rejected_rows_are_parked_and_named() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &contacts(1_000));
        let faults = "faults:\n  - then:\n      reject_rows: { object: Contact, share: 5%, code: FIELD_CUSTOM_VALIDATION_EXCEPTION, message: \"Not, \\\"here\\\": no\", fields: [Email] }\n";
        let dst = Org::start(&runtime, "dst", &target(faults));
        let project = Project::new(&src, &dst);
        project.write("people.yaml", &people(api));
        let report = project.run_pipeline("people.yaml", &[], 4);
        report.adds_up();
        let parked = report.count("contacts", "parked");
        assert!((20..=90).contains(&parked), "{api}: {parked}");
        assert_eq!(report.count("contacts", "created") + parked, 1_000, "{api}");
        let text = report.step("contacts").to_string();
        assert!(
            text.contains("FIELD_CUSTOM_VALIDATION_EXCEPTION") && text.contains("Not, \\\"here\\\": no"),
            "{text}"
        );
        // Each parked row is in the file, with its own columns, and is not in the target.
        let path = report.0["parked_files"][0]["path"]
            .as_str()
            .expect("a file of parked rows")
            .to_owned();
        let csv = project.read(&path);
        let mut lines = csv::Reader::from_reader(csv.as_bytes());
        let header = lines.headers().expect("a header").clone();
        let at = |name: &str| {
            header
                .iter()
                .position(|h| h == name)
                .unwrap_or_else(|| panic!("{name} in {header:?}"))
        };
        let there = dst.dump("Contact", "Legacy_Id__c");
        let mut rows = 0;
        for line in lines.records() {
            let line = line.expect("CSV");
            rows += 1;
            assert_eq!(&line[at("orgferry_code")], "FIELD_CUSTOM_VALIDATION_EXCEPTION");
            assert_eq!(&line[at("orgferry_field")], "Email");
            assert!(!line[at("orgferry_help")].is_empty());
            assert!(line[at("LastName")].starts_with("Person "));
            assert!(
                !there.contains_key(&line[at("Id")]),
                "{api}: a parked row is in the target"
            );
        }
        assert_eq!(rows, parked, "{api}");
        report.1.says("FIELD_CUSTOM_VALIDATION_EXCEPTION");
    }
}

#[test]
fn what_to_type_next_names_the_project_only_where_it_must() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &contacts(3));
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("pipelines/people.yaml", &people("rest"));
    let ran = project.run(&["run", "pipelines/people.yaml"]);
    ran.exits(0);
    assert!(ran.stdout.contains("orgferry report "), "{}", ran.stdout);
    assert!(!ran.stdout.contains("--project"), "{}", ran.stdout);
}

#[test]
fn a_token_that_expires_on_the_way_costs_nothing_but_time() {
    for (api, after) in [("rest", 2), ("rest", 9), ("bulk", 12)] {
        let runtime = runtime();
        let fault = format!(
            "faults:\n  - {{ after: {after}, times: 1, then: expire_token }}\n  - {{ on: {{ path: /query/ }}, after: 1, times: 1, then: expire_query_locators }}\n"
        );
        let src = Org::start(
            &runtime,
            "src",
            &format!("query_page_size: 200\n{}{fault}", contacts(3_000)),
        );
        let dst = Org::start(
            &runtime,
            "dst",
            &target("faults:\n  - { after: 9, every: 7, times: 3, then: expire_token }\n"),
        );
        let project = Project::new(&src, &dst);
        project.write("people.yaml", &people(api));
        let report = project.run_pipeline("people.yaml", &[], 0);
        report.adds_up();
        assert_eq!(report.count("contacts", "created"), 3_000, "{api} {after}");
        assert_eq!(dst.dump("Contact", "Legacy_Id__c").len(), 3_000);
    }
}

#[test]
fn lock_errors_are_tried_again_and_only_they() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &contacts(600));
        let dst = Org::start(
            &runtime,
            "dst",
            &target("faults:\n  - then: { lock_rows: { object: Contact, share: 10% } }\n"),
        );
        let project = Project::new(&src, &dst);
        let policy = "policy: { retry: { attempts: 4, backoff: 10ms..50ms } }\nsteps:";
        project.write("people.yaml", &people(api).replace("steps:", policy));
        let report = project.run_pipeline("people.yaml", &[], 0);
        assert_eq!(report.count("contacts", "created"), 600, "{api}");
        let retried = report.step("contacts").to_string();
        assert!(retried.contains("UNABLE_TO_LOCK_ROW"), "{api}: {retried}");
    }
}

#[test]
fn an_org_that_stumbles_is_asked_again() {
    let runtime = runtime();
    let faults = "faults:\n  - { on: { path: /query }, times: 2, then: { answer: { status: 503, code: SERVER_UNAVAILABLE, message: busy } } }\n  - { on: { path: /query }, after: 4, times: 1, then: drop_connection }\n";
    let src = Org::start(
        &runtime,
        "src",
        &format!("query_page_size: 200\n{}{faults}", contacts(900)),
    );
    let dst = Org::start(
        &runtime,
        "dst",
        &target(
            "faults:\n  - { on: { path: /composite }, after: 1, times: 1, then: { answer: { status: 502 } } }\n",
        ),
    );
    let project = Project::new(&src, &dst);
    let policy = "policy: { retry: { attempts: 5, backoff: 10ms..50ms } }\nsteps:";
    project.write("people.yaml", &people("rest").replace("steps:", policy));
    let report = project.run_pipeline("people.yaml", &[], 0);
    assert_eq!(report.count("contacts", "created"), 900);
}

#[test]
fn too_many_failures_stop_the_run() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &contacts(2_000));
    let faults = "faults:\n  - then: { reject_rows: { object: Contact, share: 60%, message: no } }\n";
    let dst = Org::start(&runtime, "dst", &target(faults));
    let project = Project::new(&src, &dst);
    project.write("people.yaml", &people("rest"));
    let report = project.run_pipeline("people.yaml", &[], 5);
    report.1.says("stop_when");
    assert!(dst.emulator.rows("Contact").len() < 2_000);
}

#[test]
fn the_same_values_arrive_whichever_road_is_taken() {
    let texts = [
        "plain",
        "with \"quotes\" and, commas; and 'single'",
        "line\nfeed",
        "carriage\r\nreturn",
        "mixed\r\nand\nplain",
        "#N/A",
        "émoji 😀 ünïcode ﷽ 漢字",
        "tab\tand back\\slash {{ not a template }}",
        "-1.50",
        "true",
    ];
    let rows: Vec<String> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| {
            serde_json::json!({
                "LastName": format!("P{i}"), "Description": text, "DoNotCall": i % 2 == 0,
                "Score__c": if i == 3 { serde_json::Value::Null } else { serde_json::json!(912260031.25 + i as f64) },
                "Birthdate": "1984-02-29", "Seen__c": "2026-01-31T09:05:07Z", "At__c": "09:05:07.000Z",
            })
            .to_string()
        })
        .collect();
    let fields = "Score__c: { type: \"Number(12, 4)\" }\n      Seen__c: { type: Date/Time }\n      At__c: { type: Time }";
    let src_yaml = format!(
        "seed: 5\nsobjects:\n  Contact:\n    fields:\n      {fields}\nrecords:\n  - object: Contact\n    rows: [{}]\n",
        rows.join(", ")
    );
    let dst_yaml = format!(
        "seed: 6\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      {fields}\n"
    );
    let mut dumps = Vec::new();
    for (read, write) in [
        ("rest", "rest"),
        ("rest", "bulk"),
        ("bulk", "rest"),
        ("bulk", "bulk"),
    ] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &src_yaml);
        let dst = Org::start(&runtime, "dst", &dst_yaml);
        let project = Project::new(&src, &dst);
        project.write(
            "values.yaml",
            &format!(
                "version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: {{ object: Contact, api: {read} }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: {write} }}\n    copy: [LastName, Description, DoNotCall, Score__c, Birthdate, Seen__c, At__c]\n    map:\n      Legacy_Id__c: LastName\n      Title: \"{{{{ Score__c }}}}|{{{{ Seen__c }}}}|{{{{ DoNotCall }}}}\"\n"
            ),
        );
        project.run_pipeline("values.yaml", &[], 0).adds_up();
        let (before, mut after) = (src.dump("Contact", "LastName"), dst.dump("Contact", "LastName"));
        for (name, row) in &before {
            for field in [
                "Description",
                "DoNotCall",
                "Score__c",
                "Birthdate",
                "Seen__c",
                "At__c",
            ] {
                assert_eq!(
                    row.get(field),
                    after[name].get(field),
                    "{read} to {write}: {field} of {name}"
                );
            }
        }
        for row in after.values_mut() {
            row.retain(|field, _| ["LastName", "Title", "Description", "Score__c"].contains(&field.as_str()));
        }
        dumps.push(after);
    }
    for other in &dumps[1..] {
        assert_eq!(&dumps[0], other);
    }
    let title = dumps[0]["P0"]["Title"].clone();
    assert_eq!(
        title.as_deref(),
        Some("912260031.25|2026-01-31T09:05:07.000Z|true")
    );
}

#[test]
fn nulls_clear_or_keep_as_the_policy_says() {
    for (api, nulls, expected) in [
        ("rest", "clear", None),
        ("bulk", "clear", None),
        ("rest", "keep", Some("555")),
        ("bulk", "keep", Some("555")),
    ] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            "records:\n  - object: Contact\n    rows: [{ LastName: Doe, Email: doe@x.example }]\n",
        );
        let dst = Org::start(
            &runtime,
            "dst",
            &target(
                "records:\n  - object: Contact\n    rows: [{ LastName: Old, Phone: '555', Legacy_Id__c: doe@x.example }]\n",
            ),
        );
        let project = Project::new(&src, &dst);
        project.write("nulls.yaml", &format!("version: 1\nfrom: src\nto: dst\npolicy: {{ nulls: {nulls} }}\nsteps:\n  contacts:\n    source: {{ object: Contact }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: {api} }}\n    copy: [LastName, Phone]\n    map: {{ Legacy_Id__c: Email }}\n"));
        let report = project.run_pipeline("nulls.yaml", &[], 0);
        assert_eq!(report.count("contacts", "updated"), 1);
        let row = &dst.dump("Contact", "Legacy_Id__c")["doe@x.example"];
        assert_eq!(row["Phone"].as_deref(), expected, "{api} {nulls}");
        assert_eq!(row["LastName"].as_deref(), Some("Doe"));
    }
}

/// A field that the source keeps unique need not be looked after, but for the target's own idea of equal keys, and for
/// deleted records, which leave their values to others.
#[test]
fn keys_that_the_source_keeps_unique_may_meet_all_the_same() {
    let field = |more: &str| {
        format!(
            "sobjects: {{ Contact: {{ fields: {{ Code__c: {{ type: Text(20), external_id: true, unique: true{more} }} }} }} }}\n"
        )
    };
    let exact = ", case_sensitive: true";
    for (source, target, more, expected) in [
        // As the target compares them, `k-1` and `K-1` are one key.
        (exact, "", "", (2, 1)),
        (exact, exact, "", (3, 0)),
        ("", "", "", (3, 0)),
        // A deleted record had the code of one that is there.
        (exact, exact, ", include_deleted: true", (3, 1)),
    ] {
        let runtime = runtime();
        let small = if source.is_empty() { "k-3" } else { "k-1" };
        let src = Org::start(
            &runtime,
            "src",
            &format!(
                "{}records:\n  - object: Contact\n    rows: [{{ LastName: A, Code__c: K-1 }}, {{ LastName: B, Code__c: {small} }}, {{ LastName: C, Code__c: K-2 }}]\n",
                field(source)
            ),
        );
        let dst = Org::start(&runtime, "dst", &field(target));
        let gone = src.id("Contact", "LastName", "C");
        src.ask(
            &runtime,
            Method::DELETE,
            &format!("/sobjects/Contact/{gone}"),
            &Json::Null,
        );
        let again = json!({ "LastName": "D", "Code__c": "K-2" });
        src.ask(&runtime, Method::POST, "/sobjects/Contact", &again);
        let project = Project::new(&src, &dst);
        project.write("keys.yaml", &format!("version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: {{ object: Contact{more} }}\n    target: {{ key: Code__c }}\n    copy: [LastName, Code__c]\n"));
        let report = project.run_pipeline("keys.yaml", &[], if expected.1 > 0 { 4 } else { 0 });
        report.adds_up();
        let found = (
            report.count("contacts", "created"),
            report.count("contacts", "parked"),
        );
        assert_eq!(found, expected, "{source:?} {target:?} {more:?}");
        if expected.1 > 0 {
            report.1.says("duplicate_key");
        }
    }
}

#[test]
fn keys_are_never_overwritten_in_silence() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: A, Email: same@x.example }, { LastName: B, Email: same@x.example }, { LastName: C }, { LastName: D, Email: other@x.example }]\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("keys.yaml", "version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: { soql: \"SELECT LastName, Email FROM Contact ORDER BY LastName\" }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [LastName]\n    map: { Legacy_Id__c: Email }\n");
    let report = project.run_pipeline("keys.yaml", &[], 4);
    report.adds_up();
    assert_eq!(
        (
            report.count("contacts", "created"),
            report.count("contacts", "parked")
        ),
        (2, 2)
    );
    report.1.says("duplicate_key").says("empty_key");
    assert_eq!(
        dst.dump("Contact", "Legacy_Id__c")["same@x.example"]["LastName"].as_deref(),
        Some("A")
    );
}

#[test]
fn insert_and_update_do_what_they_say() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: New1, Email: a@x.example }, { LastName: New2, Email: b@x.example }]\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        &target("records:\n  - object: Contact\n    rows: [{ LastName: Old, Legacy_Id__c: a@x.example }]\n"),
    );
    let project = Project::new(&src, &dst);
    let pipeline = |operation: &str| {
        format!(
            "version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: {{ object: Contact }}\n    target: {{ object: Contact, operation: {operation}, key: Legacy_Id__c }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Email }}\n"
        )
    };
    project.write("update.yaml", &pipeline("update"));
    let report = project.run_pipeline("update.yaml", &[], 4);
    assert_eq!(
        (
            report.count("contacts", "updated"),
            report.count("contacts", "parked")
        ),
        (1, 1)
    );
    report.1.says("no_match");
    project.write("insert.yaml", &pipeline("insert"));
    let report = project.run_pipeline("insert.yaml", &[], 0);
    assert_eq!(
        (
            report.count("contacts", "created"),
            report.count("contacts", "unchanged")
        ),
        (1, 1)
    );
    assert_eq!(dst.dump("Contact", "Legacy_Id__c").len(), 2);
}

#[test]
fn children_wait_for_parked_parents_and_skip_filtered_ones() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "sobjects: { Account: { fields: { Key__c: { type: Text(9) } } } }\nrecords:\n  - object: Account\n    rows: [{ Name: Good }, { Name: Bad }, { Name: Out }]\n  - object: Contact\n    rows: [{ LastName: OfGood, Account: { Name: Good } }, { LastName: OfBad, Account: { Name: Bad } }, { LastName: OfOut, Account: { Name: Out } }, { LastName: Free }]\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        "sobjects:\n  Account:\n    fields: { Legacy_Id__c: { type: Text(18), external_id: true, unique: true } }\n    validation_rules: [{ field: Name, must: { none_of: [Bad] }, message: no bad ones }]\n  Contact:\n    fields: { Legacy_Id__c: { type: Text(18), external_id: true, unique: true } }\n",
    );
    let project = Project::new(&src, &dst);
    project.write("family.yaml", "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { object: Contact }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [LastName]\n    map:\n      Legacy_Id__c: Id\n      AccountId: { ref: companies, of: AccountId, missing: skip }\n  companies:\n    source: { object: Account }\n    target: { object: Account, key: Legacy_Id__c }\n    when: Name != 'Out'\n    copy: [Name]\n    map: { Legacy_Id__c: Id }\n");
    let report = project.run_pipeline("family.yaml", &[], 4);
    report.adds_up();
    assert_eq!(
        (
            report.count("companies", "created"),
            report.count("companies", "filtered"),
            report.count("companies", "parked")
        ),
        (1, 1, 1)
    );
    assert_eq!(
        (
            report.count("people", "created"),
            report.count("people", "filtered"),
            report.count("people", "parked")
        ),
        (2, 1, 1)
    );
    report.1.says("waits_for_parent");
}

#[test]
fn a_cycle_between_objects_takes_a_second_pass() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "sobjects: { Account: { fields: { Main__c: { type: Lookup(Contact) } } } }\nrecords:\n  - object: Account\n    rows: [{ Name: One }, { Name: Two }]\n  - object: Contact\n    rows: [{ LastName: First, Account: { Name: One } }, { LastName: Second, Account: { Name: Two } }]\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        "sobjects:\n  Account:\n    fields: { Main__c: { type: Lookup(Contact) }, Legacy_Id__c: { type: Text(18), external_id: true, unique: true } }\n  Contact:\n    fields: { Legacy_Id__c: { type: Text(18), external_id: true, unique: true } }\n",
    );
    // The source's lookups are empty; the mapping closes the loop: each account's main contact is its first one.
    let project = Project::new(&src, &dst);
    project.write("cycle.yaml", "version: 1\nfrom: src\nto: dst\nsteps:\n  companies:\n    source: { object: Account }\n    target: { object: Account, key: Legacy_Id__c }\n    copy: [Name]\n    map:\n      Legacy_Id__c: Id\n      Main__c: { ref: people, of: { table: { One: P1, Two: P2 }, of: Name } }\n  people:\n    source: { object: Contact, id: \"'P1' if LastName == 'First' else 'P2'\" }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [LastName]\n    map:\n      Legacy_Id__c: Id\n      AccountId: { ref: companies, of: AccountId }\n");
    let report = project.run_pipeline("cycle.yaml", &[], 0);
    report.adds_up();
    let people = dst.dump("Contact", "LastName");
    let companies = dst.dump("Account", "Name");
    assert_eq!(companies["One"]["Main__c"], people["First"]["Id"]);
    assert_eq!(people["Second"]["AccountId"], companies["Two"]["Id"]);
}

#[test]
fn what_the_describes_prove_wrong_is_said_before_anything_is_written() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &contacts(3));
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    for (name, from, to, words) in [
        (
            "field",
            "copy: [FirstName",
            "copy: [Frist__c, FirstName",
            "unknown-",
        ),
        (
            "target",
            "Legacy_Id__c: Id",
            "Legacy_Id__c: Id\n      Nickname__c: FirstName",
            "unknown-target-field",
        ),
        (
            "read-only",
            "Legacy_Id__c: Id",
            "Legacy_Id__c: Id\n      CreatedDate: Birthdate",
            "unwritable-field",
        ),
        (
            "compound",
            "Legacy_Id__c: Id",
            "Legacy_Id__c: Id\n      Name: LastName",
            "unwritable-field",
        ),
        (
            "required",
            "copy: [FirstName, LastName, Email]",
            "copy: [FirstName, Email]",
            "required-not-mapped",
        ),
        (
            "key",
            "key: Legacy_Id__c, api: auto }\n    copy: [FirstName",
            "key: Description, api: auto }\n    copy: [Description, FirstName",
            "bad-key",
        ),
        (
            "type",
            "Legacy_Id__c: Id",
            "Legacy_Id__c: Id\n      Birthdate: DoNotCall",
            "type-mismatch",
        ),
        (
            "object",
            "target: { object: Contact",
            "target: { object: Contcat",
            "unknown-object",
        ),
        (
            "lookup",
            "copy: [FirstName",
            "copy: [AccountId, FirstName",
            "copied-lookup",
        ),
    ] {
        let file = format!("{name}.yaml");
        project.write(&file, &people("auto").replacen(from, to, 1));
        let ran = project.run(&["run", &file]);
        ran.exits(2).says(words).says(&file);
        assert!(dst.emulator.rows("Contact").is_empty(), "{name}");
    }
}

#[test]
fn logins_that_fail_say_so() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &contacts(3));
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("people.yaml", &people("auto"));
    let mut command = project.command(&["run", "people.yaml"]);
    command.env("dst_SECRET", "wrong-secret-5up3r");
    let ran = crate::support::Ran::new(command.output().expect("it runs"), &["run", "(wrong secret)"]);
    ran.exits(3).says("invalid_client").says("dst");
    let mut command = project.command(&["run", "people.yaml"]);
    command.env_remove("src_SECRET");
    let ran = crate::support::Ran::new(command.output().expect("it runs"), &["run", "(no secret)"]);
    ran.exits(3).says("src_SECRET");
}

#[test]
fn a_production_org_is_not_written_to_by_chance() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &contacts(3));
    let dst = Org::start(
        &runtime,
        "dst",
        &format!(
            "is_sandbox: false\norganization_type: Enterprise Edition\n{}",
            target("")
        ),
    );
    let project = Project::new(&src, &dst);
    project.write("people.yaml", &people("auto"));
    project
        .run(&["run", "people.yaml"])
        .exits(3)
        .says("writes: allow");
    let credentials = project.read("credentials.yaml").replace(
        "external_credential: EC_dst }",
        "external_credential: EC_dst, writes: allow }",
    );
    project.write("credentials.yaml", &credentials);
    project.run(&["run", "people.yaml"]).exits(0);
    assert_eq!(dst.emulator.rows("Contact").len(), 3);
}

#[test]
fn ctrl_c_finishes_what_is_in_flight_and_writes_it_down() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        &format!("query_page_size: 200\n{}", contacts(20_000)),
    );
    let dst = Org::start(
        &runtime,
        "dst",
        &target("faults:\n  - { on: { path: /composite/sobjects }, then: { delay: 40ms } }\n"),
    );
    let project = Project::new(&src, &dst);
    project.write("people.yaml", &people("rest"));
    let mut command = project.command(&["run", "people.yaml", "--report", "json=report.json"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let started = Instant::now();
    while dst.emulator.rows("Contact").len() < 400 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing arrives");
        std::thread::sleep(Duration::from_millis(20));
    }
    // SIGINT by the shell's own `kill`: the standard library has no signals.
    let killed = std::process::Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .expect("a shell");
    assert!(killed.success());
    let output = child.wait_with_output().expect("it ends");
    crate::support::Ran::new(output, &["run"]).exits(130);
    let report: serde_json::Value = serde_json::from_str(&project.read("report.json")).expect("JSON");
    let there = dst.emulator.rows("Contact").len();
    assert!(there < 20_000);
    let created = report["steps"][0]["created"].as_u64();
    assert_eq!(
        created,
        Some(there as u64),
        "what is in the target is written down: {report}"
    );
}

#[test]
fn vars_choose_the_rows() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: \"O'Hara\" }, { LastName: B }, { LastName: C }]\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("vars.yaml", "version: 1\nfrom: src\nto: dst\nvars: { names: [X], greeting: Hi }\nsteps:\n  contacts:\n    source: { object: Contact, where: \"LastName IN :names\" }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [LastName]\n    map: { Legacy_Id__c: Id, Title: \"{{ vars.greeting }} {{ LastName }}\" }\n");
    let report = project.run_pipeline("vars.yaml", &["--var", "names=O'Hara,C"], 0);
    assert_eq!(report.count("contacts", "created"), 2);
    let there = dst.dump("Contact", "LastName");
    assert_eq!(there["O'Hara"]["Title"].as_deref(), Some("Hi O'Hara"));
    project
        .run(&["run", "vars.yaml", "--var", "nmaes=x"])
        .exits(2)
        .says("names");
}

/// Accounts in a chain: each one's parent is the next one, so that every child comes before its parent.
fn chain(length: usize) -> String {
    let rows: Vec<String> = (1..=length)
        .map(|n| match n == length {
            true => format!("{{ Name: A{n} }}"),
            false => format!("{{ Name: A{n}, Parent: {{ Name: A{} }} }}", n + 1),
        })
        .collect();
    format!(
        "seed: 9\nrecords:\n  - object: Account\n    rows: [{}]\n",
        rows.join(", ")
    )
}

#[test]
fn a_child_that_comes_before_its_parent_finds_it_however_the_reference_is_written() {
    for parent in [
        "ParentId: { ref: accounts, of: ParentId }",
        "Parent.Legacy_Id__c: ParentId",
        // The spare parent is for rows without one, not for rows whose parent is still on its way.
        "ParentId: { first: [{ ref: accounts, of: ParentId }, { lookup: Account, by: Name, of: { value: Spare } }] }",
    ] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &chain(30));
        let spare = "records:\n  - object: Account\n    rows: [{ Name: Spare, Legacy_Id__c: spare }]\n";
        let dst = Org::start(&runtime, "dst", &target(spare));
        let project = Project::new(&src, &dst);
        project.write("chain.yaml", &format!("version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ object: Account, key: Legacy_Id__c, batch_size: 7 }}\n    copy: [Name]\n    map:\n      Legacy_Id__c: Id\n      {parent}\n"));
        let report = project.run_pipeline("chain.yaml", &[], 0);
        report.adds_up();
        assert_eq!(report.count("accounts", "created"), 30, "{parent}");
        let there = dst.dump("Account", "Name");
        for n in 1..30 {
            assert_eq!(
                there[&format!("A{n}")]["ParentId"],
                there[&format!("A{}", n + 1)]["Id"],
                "{parent}: A{n}"
            );
        }
    }
}

#[test]
fn a_few_bad_rows_at_the_start_do_not_stop_a_healthy_run() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &contacts(3_000));
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        // The first 100 rows have no key; they are parked long before the others of their batch are written.
        let key = "Legacy_Id__c: \"null if LastName | replace('Person ', '') | int <= 100 else Id\"";
        project.write("people.yaml", &people(api).replace("Legacy_Id__c: Id", key));
        let report = project.run_pipeline("people.yaml", &[], 4);
        report.adds_up();
        assert_eq!(
            (
                report.count("contacts", "created"),
                report.count("contacts", "parked")
            ),
            (2_900, 100),
            "{api}"
        );
    }
}

#[test]
fn a_read_that_fails_says_why() {
    let runtime = runtime();
    let faults = "faults:\n  - { on: { path: /query/ }, after: 2, then: { answer: { status: 400, code: QUERY_TOO_COMPLICATED, message: too many formulas } } }\n";
    let src = Org::start(
        &runtime,
        "src",
        &format!("query_page_size: 200\n{}{faults}", contacts(2_000)),
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("people.yaml", &people("rest"));
    let report = project.run_pipeline("people.yaml", &[], 1);
    report.1.says("QUERY_TOO_COMPLICATED").says("too many formulas");
}

#[test]
fn rows_that_share_a_row_id_are_told_apart() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: Twin, FirstName: A, Email: a@x.example }, { LastName: Twin, FirstName: B, Email: b@x.example }, { LastName: Solo, Email: c@x.example }]\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("twins.yaml", "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { object: Contact, id: LastName }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [FirstName, LastName]\n    map: { Legacy_Id__c: Email }\n");
    let report = project.run_pipeline("twins.yaml", &[], 4);
    report.adds_up();
    assert_eq!(
        (
            report.count("people", "created"),
            report.count("people", "parked")
        ),
        (2, 1)
    );
    report.1.says("duplicate_id");
}

#[test]
fn copy_all_takes_what_both_orgs_have_and_links_lookups() {
    let runtime = runtime();
    let rows = "records:\n  - object: Account\n    rows: [{ Name: One, Phone: '1', RecordTypeId: 'Partner' }]\n  - object: Contact\n    rows: [{ LastName: Doe, Title: Boss, Account: { Name: One } }]\n".replace(", RecordTypeId: 'Partner'", "");
    let src = Org::start(&runtime, "src", &rows);
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("all.yaml", "version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: { object: Account }\n    target: { object: Account, key: Legacy_Id__c }\n    copy: all\n    except: [OwnerId]\n    map: { Legacy_Id__c: Id }\n  contacts:\n    source: { object: Contact }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: all\n    except: [OwnerId]\n    map: { Legacy_Id__c: Id }\n");
    let report = project.run_pipeline("all.yaml", &[], 0);
    report.adds_up();
    let (accounts, contacts) = (dst.dump("Account", "Name"), dst.dump("Contact", "LastName"));
    assert_eq!(accounts["One"]["Phone"].as_deref(), Some("1"));
    assert_eq!(contacts["Doe"]["Title"].as_deref(), Some("Boss"));
    assert_eq!(contacts["Doe"]["AccountId"], accounts["One"]["Id"]);
}
