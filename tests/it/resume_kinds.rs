//! `orgferry resume` of runs that are not from org to org: rows of a JSON API, files' bodies, a retry, a used-up budget.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::{
    resume::{contacts, delay, kill, last_run, people, resume, struck, target},
    support::{Org, Project, runtime},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Breaks a step's second unit, whichever way it goes.
fn stuck_after_one(dst: &Org, api: &str) {
    match api {
        "rest" => delay(dst, "PATCH", "/composite/sobjects", 1),
        _ => delay(dst, "GET", "uccessfulResults", 1),
    }
}

#[test]
fn rows_of_a_json_api_are_known_again() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &format!("query_page_size: 200\n{}", people(450)));
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        project.write(
            "h.yaml",
            &format!(
                "version: 1\nto: dst\nsteps:\n  contacts:\n    source:\n      http:\n        get: callout:src/services/data/v62.0/query\n        query: {{ q: \"SELECT Id, LastName FROM Contact\" }}\n        records: $.records[*]\n        next: {{ url: $.nextRecordsUrl }}\n      id: Id\n    target: {{ object: Contact, key: Legacy_Id__c, api: {api}, batch_size: 100, parallel: 1 }}\n    map: {{ Legacy_Id__c: Id, LastName: LastName }}\n"
            ),
        );
        stuck_after_one(&dst, api);
        kill(&project, &["run", "h.yaml"], "a second unit", || struck(&dst));
        dst.emulator.clear_faults();
        let report = resume(&project, 0);
        assert_eq!(report.count("contacts", "created"), 450, "{api}");
        assert_eq!(dst.dump("Contact", "LastName").len(), 450, "{api}");
        // Their links are there: the next run finds each.
        let report = project.run_pipeline("h.yaml", &[], 0);
        assert_eq!(report.count("contacts", "updated"), 450, "{api}");
    }
}

#[test]
fn bodies_of_files_are_sent_once() {
    let titles: Vec<String> = (0..5).map(|n| format!("file {n}")).collect();
    let rows: Vec<String> = titles
        .iter()
        .map(|title| format!("      - {{ Title: {title}, PathOnClient: a.txt, VersionData: aGVsbG8= }}\n"))
        .collect();
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        &format!(
            "seed: 5\nrecords:\n  - object: ContentVersion\n    rows:\n{}",
            rows.concat()
        ),
    );
    let dst = Org::start(
        &runtime,
        "dst",
        "seed: 6\nsobjects:\n  ContentVersion:\n    fields:\n      Legacy_Id__c: { type: Text(40), external_id: true, unique: true }\n",
    );
    let project = Project::new(&src, &dst);
    project.write(
        "files.yaml",
        "version: 1\nfrom: src\nto: dst\nsteps:\n  files:\n    source: { object: ContentVersion }\n    target: { key: Legacy_Id__c, parallel: 1 }\n    copy: [Title, PathOnClient, VersionData]\n    map: { Legacy_Id__c: Id }\n",
    );
    delay(&dst, "POST", "/sobjects/ContentVersion", 2);
    kill(&project, &["run", "files.yaml"], "a third body", || struck(&dst));
    assert_eq!(dst.emulator.count("ContentVersion"), 2);
    dst.emulator.clear_faults();
    let report = resume(&project, 0);
    assert_eq!(report.count("files", "created"), 5);
    let there: Vec<_> = dst.emulator.rows("ContentVersion");
    let there: Vec<&str> = there.iter().filter_map(|row| row["Title"].as_deref()).collect();
    assert_eq!(there.len(), 5, "{there:?}");
    assert_eq!(
        there.into_iter().collect::<BTreeSet<_>>(),
        titles.iter().map(String::as_str).collect()
    );
}

#[test]
fn a_retry_that_died_goes_on_with_its_own_rows() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &people(300));
        let dst = Org::start(&runtime, "dst", &target());
        let project = Project::new(&src, &dst);
        let head = "policy: { errors: { stop_when: { failed: 100% } } }\n";
        let step = format!("key: Legacy_Id__c, api: {api}, batch_size: 100, parallel: 1");
        // A name is no address: all but a few are refused.
        let wrong = "      Email: \"LastName if LastName not in ['P1', 'P2'] else Email\"\n";
        let mended = contacts(head, "", &step, "");
        let broken = mended
            .replace("    copy: [LastName, Email]\n", "    copy: [LastName]\n")
            .replace(
                "    map: { Legacy_Id__c: Id }\n",
                &format!("    map:\n      Legacy_Id__c: Id\n{wrong}"),
            );
        project.write("c.yaml", &broken);
        let first = project.run_pipeline("c.yaml", &[], 4);
        assert_eq!(first.count("contacts", "parked"), 298, "{api}");

        project.write("c.yaml", &mended);
        stuck_after_one(&dst, api);
        kill(&project, &["retry", "last"], "a second unit", || struck(&dst));
        dst.emulator.clear_faults();
        let report = resume(&project, 0);
        assert_eq!(report.0["retry_of"], first.0["run"], "{api}");
        assert_eq!(report.count("contacts", "read"), 298, "{api}");
        assert_eq!(report.count("contacts", "created"), 298, "{api}");
        assert_eq!(dst.dump("Contact", "LastName").len(), 300, "{api}");
        // Nothing is left of what was parked.
        let run = first.0["run"].as_str().expect("a run");
        project
            .run(&["retry", run])
            .exits(0)
            .says("an earlier retry has carried them");
    }
}

#[test]
fn a_used_up_budget_is_gone_on_with_day_by_day() {
    let people = 6_000;
    for (api, batch) in [("rest", 100), ("bulk", 500)] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &self::people(people));
        let dst = Org::start(
            &runtime,
            "dst",
            &format!("limits: {{ daily_api_requests: 30 }}\n{}", target()),
        );
        let project = Project::new(&src, &dst);
        // A plan cannot know that it does not fit where rows may be filtered.
        let yaml = contacts(
            "policy: { budget: { daily_calls: 100% } }\n",
            "",
            &format!("key: Legacy_Id__c, api: {api}, batch_size: {batch}"),
            "    when: LastName != 'P7'\n",
        );
        project.write("c.yaml", &yaml);
        project.run_pipeline("c.yaml", &[], 7);
        let mut days = 0;
        let mut before = dst.emulator.count("Contact");
        let report = loop {
            days += 1;
            assert!(days < 12, "{api}: it never ends");
            for org in [&src, &dst] {
                org.emulator.advance_clock(DAY);
            }
            let ran = project.run(&["resume", "last", "--report", "json=report.json"]);
            let there = dst.emulator.count("Contact");
            assert!(there > before, "{api}, day {days}: {}", ran.stderr);
            before = there;
            let report = project.report("report.json", ran);
            if report.0["status"] != json!("budget_used") {
                report.1.exits(0);
                break report;
            }
            report.1.exits(7);
        };
        assert!(days > 1, "{api}: one day was enough");
        assert_eq!(report.count("contacts", "created"), people as u64 - 1, "{api}");
        assert_eq!(dst.dump("Contact", "LastName").len(), people - 1, "{api}");
        assert_eq!(last_run(&project)["sittings"], json!(days + 1), "{api}");
    }
}
