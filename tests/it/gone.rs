//! Records that earlier runs wrote and that the target has lost: cleared, restored, refreshed, or deleted one by one.

use reqwest::Method;
use serde_json::Value as Json;

use crate::support::{Org, Project, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

fn target() -> String {
    format!(
        "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"
    )
}

/// Accounts A1 to A9, with a contact each.
fn source() -> String {
    let mut yaml = "seed: 3\nrecords:\n  - object: Account\n    rows:\n".to_owned();
    for at in 1..=9 {
        yaml += &format!("      - {{ Name: A{at} }}\n");
    }
    yaml += "  - object: Contact\n    rows:\n";
    for at in 1..=9 {
        yaml += &format!("      - {{ LastName: P{at}, Account: {{ Name: A{at} }} }}\n");
    }
    yaml
}

fn pipeline(policy: &str, cursor: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\npolicy: {{ {policy} }}\nsteps:\n  accounts:\n    source: {{ object: Account{cursor} }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [Name]\n    map: {{ Legacy_Id__c: Id }}\n  contacts:\n    source: {{ object: Contact{cursor} }}\n    target: {{ key: Legacy_Id__c }}\n    copy: [LastName, AccountId]\n    map: {{ Legacy_Id__c: Id }}\n"
    )
}

fn delete(runtime: &tokio::runtime::Runtime, org: &Org, object: &str, field: &str, value: &str) {
    let id = org.id(object, field, value);
    let path = format!("/sobjects/{object}/{id}");
    org.ask(runtime, Method::DELETE, &path, &Json::Null);
}

/// Source and target hold the same, and each contact is in its account.
fn alike(dst: &Org) {
    let accounts = dst.dump("Account", "Name");
    let contacts = dst.dump("Contact", "LastName");
    assert_eq!((accounts.len(), contacts.len()), (9, 9));
    for at in 1..=9 {
        let (account, contact) = (&accounts[&format!("A{at}")], &contacts[&format!("P{at}")]);
        assert_eq!(contact["AccountId"], account["Id"], "P{at}");
    }
}

#[test]
fn a_target_that_was_cleared_or_restored_is_filled_again() {
    for (policy, cursor) in [
        ("compare: sent", ""),
        ("compare: none", ", cursor: SystemModstamp"),
        ("compare: sent", ", cursor: SystemModstamp"),
    ] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &source());
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        project.write("c.yaml", &pipeline(policy, cursor));
        dst.emulator.snapshot("empty");
        project.run_pipeline("c.yaml", &[], 0);
        alike(&dst);
        // As long as all is there, nobody hears of it.
        let report = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(report.0["notes"], Json::Array(Vec::new()), "{policy}{cursor}");

        assert!(dst.emulator.restore("empty"));
        assert_eq!(dst.emulator.count("Account"), 0);
        let report = project.run_pipeline("c.yaml", &[], 0);
        report
            .1
            .says("`dst` has lost 9 of the 9 records that step `accounts` wrote there before: it was cleared or restored")
            .says("records that step `contacts` wrote");
        assert_eq!(report.count("accounts", "created"), 9, "{policy}{cursor}");
        assert_eq!(report.count("contacts", "created"), 9);
        alike(&dst);
    }
}

#[test]
fn a_record_that_somebody_deleted_is_written_again() {
    for cursor in ["", ", cursor: SystemModstamp"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &source());
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        project.write("c.yaml", &pipeline("compare: sent", cursor));
        project.run_pipeline("c.yaml", &[], 0);
        // With its contact, as an org deletes an account.
        delete(&runtime, &dst, "Account", "Name", "A4");
        let contact = src.id("Contact", "LastName", "P4");
        src.ask(
            &runtime,
            Method::PATCH,
            &format!("/sobjects/Contact/{contact}"),
            &serde_json::json!({ "FirstName": "Pat" }),
        );
        let yaml =
            pipeline("compare: sent", cursor).replace("copy: [LastName,", "copy: [FirstName, LastName,");
        project.write("c.yaml", &yaml);
        // The contact leads to an account that is not there; that is forgotten ...
        let report = project.run_pipeline("c.yaml", &[], 4);
        assert_eq!(
            report.0["notes"],
            Json::Array(Vec::new()),
            "one is no sign of a restore"
        );
        assert_eq!(report.count("contacts", "parked"), 1, "{cursor}");
        // ... so that the next run writes it, and the contact finds it.
        let report = project.run_pipeline("c.yaml", &[], 0);
        assert_eq!(report.count("accounts", "created"), 1, "{cursor}");
        alike(&dst);
    }
}

#[test]
fn an_org_of_another_id_is_another_target() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source());
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline("compare: sent", ", cursor: SystemModstamp"));
    project.run_pipeline("c.yaml", &[], 0);
    // A sandbox that was refreshed has a new id, and what it got before is not there.
    let fresh = Org::start(&runtime, "dst", &target().replace("seed: 4", "seed: 5"));
    assert_ne!(fresh.emulator.org_id(), dst.emulator.org_id());
    let credentials = project
        .read("credentials.yaml")
        .replace(&dst.emulator.url(), &fresh.emulator.url());
    project.write("credentials.yaml", &credentials);
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.count("accounts", "created"), 9);
    assert_eq!(report.0["notes"], Json::Array(Vec::new()));
    alike(&fresh);
    // A retry of what another org was given is refused.
    project.run(&["retry", "last"]).exits(0);
}
