//! `policy.changes.deletes`: what becomes of the target records of deleted source records.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::support::{Org, Project, Report, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

/// Companies A1 ... A6, A2 below A1, and two people in each: P1 and P2 in A1, P3 and P4 in A2, ...
fn source() -> String {
    let mut yaml = "seed: 3\nrecords:\n  - object: Account\n    rows:\n".to_owned();
    for at in 1..=6 {
        let parent = if at == 2 { ", Parent: { Name: A1 }" } else { "" };
        yaml += &format!("      - {{ Name: A{at}{parent} }}\n");
    }
    yaml += "  - object: Contact\n    rows:\n";
    for at in 1..=12 {
        yaml += &format!(
            "      - {{ LastName: P{at}, Account: {{ Name: A{} }} }}\n",
            (at + 1) / 2
        );
    }
    yaml
}

fn target() -> String {
    let fields = |object: &str| {
        format!(
            "  {object}:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      Gone__c: {{ type: Checkbox }}\n      Note__c: {{ type: Text(80) }}\n"
        )
    };
    let held =
        "      Held__c: { type: Lookup(Account), on_delete: restrict, child_relationship: HeldContacts }\n";
    format!(
        "seed: 4\nsobjects:\n{}{}{held}",
        fields("Account"),
        fields("Contact")
    )
}

/// Both objects, incrementally; `changes` is the policy's.
fn pipeline(changes: &str, api: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\npolicy: {{ changes: {{ overlap: 1h, {changes} }} }}\nsteps:\n  accounts:\n    source: {{ object: Account, cursor: SystemModstamp }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [Name, ParentId]\n    map: {{ Legacy_Id__c: Id }}\n  contacts:\n    source: {{ object: Contact, cursor: LastModifiedDate }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [LastName, AccountId]\n    map: {{ Legacy_Id__c: Id }}\n"
    )
}

fn delete(runtime: &tokio::runtime::Runtime, org: &Org, object: &str, field: &str, value: &str) {
    let id = org.id(object, field, value);
    let path = format!("/sobjects/{object}/{id}");
    org.ask(runtime, Method::DELETE, &path, &Json::Null);
}

fn names(org: &Org, object: &str, field: &str) -> Vec<String> {
    let mut names: Vec<String> = org.dump(object, field).into_keys().collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// What became of a step's rows: created, updated, unchanged, deleted, filtered, parked.
fn ends(report: &Report, step: &str) -> [u64; 6] {
    ["created", "updated", "unchanged", "deleted", "filtered", "parked"].map(|end| report.count(step, end))
}

#[test]
fn what_is_deleted_in_the_source_is_deleted_in_the_target() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &source());
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        // What was deleted before it could be carried is no loss.
        delete(&runtime, &src, "Contact", "LastName", "P12");
        project.write(
            "c.yaml",
            &pipeline("deletes: delete, stop_when: { deleted: 50% }", api),
        );
        let report = project.run_pipeline("c.yaml", &[], 0);
        report.adds_up();
        assert_eq!(ends(&report, "contacts"), [11, 0, 0, 0, 0, 0], "{api}");
        assert_eq!(ends(&report, "contacts.deleted"), [0, 0, 0, 0, 1, 0], "{api}");

        // A3 goes with its people. P9 leaves A5 before that goes with P10. A record of the target's own stays.
        let second = src.id("Contact", "LastName", "P2");
        delete(&runtime, &src, "Contact", "LastName", "P2");
        delete(&runtime, &src, "Account", "Name", "A3");
        let (moved, to) = (
            src.id("Contact", "LastName", "P9"),
            src.id("Account", "Name", "A6"),
        );
        src.ask(
            &runtime,
            Method::PATCH,
            &format!("/sobjects/Contact/{moved}"),
            &json!({ "AccountId": to }),
        );
        delete(&runtime, &src, "Account", "Name", "A5");
        let theirs = json!({ "LastName": "Theirs", "AccountId": dst.id("Account", "Name", "A6") });
        dst.ask(&runtime, Method::POST, "/sobjects/Contact", &theirs);
        let report = project.run_pipeline("c.yaml", &[], 0);
        report.adds_up();
        // P2, P5, P6, P10; P12 never was there.
        assert_eq!(ends(&report, "contacts.deleted"), [0, 0, 0, 4, 1, 0], "{api}");
        assert_eq!(ends(&report, "accounts.deleted"), [0, 0, 0, 2, 0, 0], "{api}");
        assert_eq!(names(&dst, "Account", "Name"), ["A1", "A2", "A4", "A6"], "{api}");
        assert_eq!(
            names(&dst, "Contact", "LastName"),
            ["P1", "P3", "P4", "P7", "P8", "P9", "P11", "Theirs"],
            "{api}"
        );
        let kept = dst.dump("Contact", "LastName");
        assert_eq!(
            kept["P9"]["AccountId"].as_deref(),
            Some(dst.id("Account", "Name", "A6").as_str())
        );

        // Once: the next run reads them again, for they are in the overlap, and finds nothing to delete.
        let before = dst.emulator.request_log().len();
        let report = project.run_pipeline("c.yaml", &[], 0);
        report.adds_up();
        assert_eq!(ends(&report, "contacts.deleted"), [0, 0, 0, 0, 5, 0], "{api}");
        assert_eq!(ends(&report, "accounts.deleted"), [0, 0, 0, 0, 2, 0], "{api}");
        let log = dst.emulator.request_log();
        assert!(
            log[before..].iter().all(|request| request.method != "DELETE"),
            "{api}"
        );
        // Whoever comes back is written again.
        src.emulator.undelete(&second).expect("in the recycle bin");
        project.run_pipeline("c.yaml", &[], 0);
        assert!(
            names(&dst, "Contact", "LastName").contains(&"P2".to_owned()),
            "{api}"
        );
        // And goes again.
        delete(&runtime, &src, "Contact", "LastName", "P2");
        let report = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(report.count("contacts.deleted", "deleted"), 1, "{api}");
        assert!(
            !names(&dst, "Contact", "LastName").contains(&"P2".to_owned()),
            "{api}"
        );
    }
}

#[test]
fn what_is_deleted_in_the_source_is_marked_in_the_target() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &source());
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let set = "deletes: { set: { Gone__c: true, Note__c: \"gone from {{ run.from }}\" } }, stop_when: { at_least: 1000 }";
        project.write("c.yaml", &pipeline(set, api));
        project.run_pipeline("c.yaml", &[], 0);
        delete(&runtime, &src, "Account", "Name", "A3");
        // Nothing of it is left to be marked.
        delete(&runtime, &src, "Contact", "LastName", "P1");
        delete(&runtime, &dst, "Contact", "LastName", "P1");
        let report = project.run_pipeline("c.yaml", &[], 0);
        report.adds_up();
        assert_eq!(ends(&report, "accounts.deleted"), [0, 1, 0, 0, 0, 0], "{api}");
        assert_eq!(ends(&report, "contacts.deleted"), [0, 2, 1, 0, 0, 0], "{api}");
        let companies = dst.dump("Account", "Name");
        assert_eq!(companies["A3"]["Gone__c"].as_deref(), Some("true"), "{api}");
        assert_eq!(
            companies["A3"]["Note__c"].as_deref(),
            Some("gone from src"),
            "{api}"
        );
        assert_eq!(companies["A4"]["Gone__c"].as_deref(), Some("false"), "{api}");
        let people = dst.dump("Contact", "LastName");
        assert_eq!(people["P5"]["Gone__c"].as_deref(), Some("true"), "{api}");
        let stamp = companies["A3"]["SystemModstamp"].clone();
        let report = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(ends(&report, "accounts.deleted"), [0, 0, 1, 0, 0, 0], "{api}");
        assert_eq!(
            dst.dump("Account", "Name")["A3"]["SystemModstamp"],
            stamp,
            "{api}"
        );
    }
}

#[test]
fn a_source_that_lost_its_rows_does_not_empty_the_target() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    let with = |stop: &str| pipeline(&format!("deletes: delete, stop_when: {stop}"), "rest");
    project.write("c.yaml", &with("{ at_least: 3 }"));
    project.run_pipeline("c.yaml", &[], 0);
    for name in ["P1", "P2", "P3"] {
        delete(&runtime, &src, "Contact", "LastName", name);
    }
    delete(&runtime, &src, "Account", "Name", "A6");
    let ran = project.run(&["run", "c.yaml"]);
    ran.exits(5).says(
        "step `contacts`: 5 of the 12 records that it has in the target were deleted in the source, and `changes.stop_when` allows 10%; none of them was touched",
    );
    assert_eq!(dst.emulator.count("Contact"), 12);
    // Children come first, and theirs was refused: nothing of the parents either.
    assert_eq!(dst.emulator.count("Account"), 6);
    // The cursor stayed where it was.
    project.write("c.yaml", &with("{ deleted: 45%, at_least: 3 }"));
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.count("contacts.deleted", "deleted"), 5);
    assert_eq!(
        (dst.emulator.count("Contact"), dst.emulator.count("Account")),
        (7, 5)
    );
}

#[test]
fn deletions_that_are_refused_are_tried_again() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &pipeline("deletes: delete", "rest").replace("overlap: 1h", "overlap: 0s"),
    );
    project.run_pipeline("c.yaml", &[], 0);
    delete(&runtime, &src, "Account", "Name", "A4");
    let held = json!({ "LastName": "Holder", "Held__c": dst.id("Account", "Name", "A4") });
    dst.ask(&runtime, Method::POST, "/sobjects/Contact", &held);
    let report = project.run_pipeline("c.yaml", &[], 4);
    report.adds_up();
    assert_eq!(ends(&report, "accounts.deleted"), [0, 0, 0, 0, 0, 1]);
    assert!(names(&dst, "Account", "Name").contains(&"A4".to_owned()));
    delete(&runtime, &dst, "Contact", "LastName", "Holder");
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(ends(&report, "accounts.deleted"), [0, 0, 0, 1, 0, 0]);
    assert!(!names(&dst, "Account", "Name").contains(&"A4".to_owned()));
}

#[test]
fn a_fault_of_the_source_hides_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let codes = |policy: &str| -> Vec<&'static str> {
        let path = folder.path().join("c.yaml");
        let yaml = format!(
            "version: 1\nfrom: src\nto: dst\n{policy}steps:\n  accounts:\n    source: {{ object: Account, where: \"Name =\", cursor: SystemModstamp }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [Name]\n    map: {{ Legacy_Id__c: Id }}\n    checks: [{{ expr: \"Name ==\" }}]\n"
        );
        std::fs::write(&path, yaml).expect("written");
        let loaded = orgferry::pipeline::load(&[path], None);
        loaded.findings.iter().map(|finding| finding.code).collect()
    };
    let without = codes("");
    assert!(
        without.contains(&"soql-syntax") && without.contains(&"expression-syntax"),
        "{without:?}"
    );
    assert_eq!(codes("policy: { changes: { deletes: delete } }\n"), without);
}
