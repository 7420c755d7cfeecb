//! One run of a pipeline at a time, and what is left when its process dies.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{Org, Project, runtime};

#[test]
fn a_pipeline_is_run_once_at_a_time() {
    let runtime = runtime();
    let people = "seed: 3\nrecords:\n  - object: Contact\n    rows: [{ LastName: A }, { LastName: B }]\n";
    let src = Org::start(&runtime, "src", people);
    // The first answer takes longer than the test.
    let slow = "faults:\n  - { on: { path: /composite/sobjects }, times: 1, then: { delay: 60s } }\n";
    let legacy = "sobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: { type: Text(40), external_id: true, unique: true }\n";
    let dst = Org::start(&runtime, "dst", &format!("seed: 4\n{slow}{legacy}"));
    let project = Project::new(&src, &dst);
    let yaml = "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { object: Contact }\n    target: { key: Legacy_Id__c, api: rest }\n    copy: [LastName]\n    map: { Legacy_Id__c: Id }\n";
    project.write("people.yaml", yaml);
    project.write("others.yaml", yaml);

    let mut first = project
        .command(&["run", "people.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let begun = Instant::now();
    let status = || {
        let ran = project.run(&["runs", "--format", "json"]);
        let runs: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let runs = runs["runs"].as_array().expect("runs").clone();
        // Runs of one second stand in no order.
        let first = runs
            .iter()
            .find(|run| run["status"] == "running" || run["status"] == "died");
        first.map(|run| run["status"].clone())
    };
    while status().is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the run does not begin"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(status().expect("a run"), "running");
    let ran = project.run(&["run", "people.yaml"]);
    ran.exits(1)
        .says("`people` is being run already: run 2")
        .says(&format!("process {}", first.id()))
        .says("wait until that one has ended");
    // Nothing was written down of it, and other pipelines are not concerned.
    assert_eq!(status().expect("a run"), "running");
    let runs = project.run(&["runs"]);
    assert_eq!(runs.stdout.lines().count(), 3, "{}", runs.stdout);

    // However it ends, its place is free at once.
    first.kill().expect("it is there");
    first.wait().expect("it ends");
    assert_eq!(status().expect("a run"), "died");
    project.run(&["runs"]).says("its process died");
    let report = project.run_pipeline("people.yaml", &[], 0);
    assert_eq!(
        report.count("people", "created") + report.count("people", "updated"),
        2
    );
    assert_eq!(status().expect("a run"), "died");
    project.run_pipeline("others.yaml", &[], 0);
    assert_eq!(dst.emulator.count("Contact"), 2);
}
