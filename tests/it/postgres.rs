//! Runs whose state is in a PostgreSQL database: the real command, on a real server.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::support::{Org, Project, Ran, Report, runtime};

#[path = "../../src/state/postgres/testing.rs"]
#[expect(dead_code, reason = "the store's own tests use the rest")]
pub(crate) mod testing;

use testing::Server;

/// A database of its own on the shared server; `None` where a developer goes without one.
fn database(name: &str) -> Option<(&'static Server, String)> {
    let server = testing::shared()?;
    server.sql("postgres", &format!("CREATE DATABASE {name}"));
    Some((server, server.url(name)))
}

const STATE: &str = "version: 1\nstate: { postgres: { env: STATE_URL } }\n";

/// A project with its state in a database.
struct Remembering {
    project: Project,
    url: String,
}

impl Remembering {
    fn new(src: &Org, dst: &Org, url: &str) -> Self {
        let project = Project::new(src, dst);
        project.write("orgferry.yaml", STATE);
        Remembering {
            project,
            url: url.to_owned(),
        }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the binary runs");
        let ran = Ran::new(output, args);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(
                !text.contains(testing::PASSWORD),
                "the password is told by {args:?}: {text}"
            );
        }
        ran
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.project.command(args);
        command.env("STATE_URL", &self.url);
        command
    }

    fn run_pipeline(&self, file: &str, expected: i32) -> Report {
        let ran = self.run(&["run", file, "--report", "json=report.json"]);
        ran.exits(expected);
        self.project.report("report.json", ran)
    }

    fn status(&self, run: Option<&str>) -> Option<String> {
        let ran = self.run(&["runs", "--format", "json"]);
        ran.exits(0);
        let runs: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let runs = runs["runs"].as_array().expect("runs").clone();
        let found = runs
            .iter()
            .find(|found| run.is_none_or(|id| found["run"] == id) && found["status"] != "done");
        found.and_then(|run| run["status"].as_str().map(str::to_owned))
    }
}

const PEOPLE: &str = "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { object: Contact }\n    target: { key: Legacy_Id__c, api: rest }\n    copy: [LastName]\n    map: { Legacy_Id__c: Id }\n";
const LEGACY: &str = "sobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: { type: Text(40), external_id: true, unique: true }\n";

#[test]
fn a_pipeline_is_run_once_at_a_time_from_all_machines() {
    let Some((server, url)) = database("machines") else {
        return;
    };
    let runtime = runtime();
    let people = "seed: 3\nrecords:\n  - object: Contact\n    rows: [{ LastName: A }, { LastName: B }]\n";
    let src = Org::start(&runtime, "src", people);
    // The first answer takes longer than the test.
    let slow = "faults:\n  - { on: { path: /composite/sobjects }, times: 1, then: { delay: 60s } }\n";
    let dst = Org::start(&runtime, "dst", &format!("seed: 4\n{slow}{LEGACY}"));
    // Two folders: nothing but the database is common.
    let (here, there) = (
        Remembering::new(&src, &dst, &url),
        Remembering::new(&src, &dst, &url),
    );
    for machine in [&here, &there] {
        machine.project.write("people.yaml", PEOPLE);
        machine.project.write("others.yaml", PEOPLE);
    }
    // A question about the history makes nothing in the database.
    here.run(&["runs"]).exits(0).says("nothing has run yet");
    assert_eq!(
        server.sql(
            "machines",
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'orgferry'"
        ),
        "0"
    );

    let mut first = here
        .command(&["run", "people.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let begun = Instant::now();
    while there.status(None).is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the run does not begin"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(there.status(None).as_deref(), Some("running"));
    there
        .run(&["run", "people.yaml"])
        .exits(1)
        .says("`people` is being run already: run 2")
        .says(&format!("process {}", first.id()))
        .says("wait until that one has ended");
    assert_eq!(there.run(&["runs"]).stdout.lines().count(), 3);

    // However it ends, its place is free at once.
    first.kill().expect("it is there");
    first.wait().expect("it ends");
    let died = Instant::now();
    while there.status(None).as_deref() == Some("running") {
        assert!(died.elapsed() < Duration::from_secs(30), "its place is not free");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(there.status(None).as_deref(), Some("died"));
    there.run(&["runs"]).exits(0).says("its process died");
    // Another machine goes on with it.
    there.run(&["resume", "last"]).exits(0).says("done");
    assert_eq!(there.status(None), None, "all are done");
    assert_eq!(dst.emulator.count("Contact"), 2);
    let report = there.run_pipeline("people.yaml", 0);
    assert_eq!(
        report.count("people", "created") + report.count("people", "updated"),
        2
    );
    assert_eq!(dst.emulator.count("Contact"), 2);
    // And its report is there for the other machine.
    here.run(&["report", "last"]).exits(0).says("people");
    assert!(!here.project.path(".orgferry/state.db").exists());
}

/// Accounts whose parents are among them, and contacts of them; some of the rows have equal keys.
fn family(accounts: usize, contacts: usize) -> String {
    format!(
        "seed: 5\nrecords:\n  - object: Account\n    generate:\n      count: {accounts}\n      fields:\n        Name: \"Acc {{n}}\"\n        ParentId: {{ parent: {{ share: 50%, depth: 4 }} }}\n  - object: Contact\n    generate:\n      count: {contacts}\n      fields:\n        LastName: \"Person {{n}}\"\n        Email: \"p{{n}}@people.example\"\n        AccountId: {{ reference: Account }}\n      nulls: {{ AccountId: 5% }}\n"
    )
}

/// Where they go.
fn target(more: &str) -> String {
    let key = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";
    format!(
        "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {key}\n  Account:\n    fields:\n      Legacy_Id__c: {key}\n{more}"
    )
}

/// Two of the contacts are parked.
const PARKS: &str = "    checks: [{ expr: \"LastName != 'Person 7' and LastName != 'Person 32'\" }]\n";

/// Every part of state has its use in it: ids, two passes, keys, checks, parked rows, cursors, marks of what was sent.
fn everything(api: &str, more: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\npolicy: {{ compare: sent, changes: {{ overlap: 0s }} }}\nsteps:\n  accounts:\n    source: {{ object: Account, cursor: SystemModstamp, api: {api} }}\n    target: {{ object: Account, key: Legacy_Id__c, api: {api} }}\n    copy: [Name]\n    map:\n      Legacy_Id__c: Id\n      ParentId: {{ ref: accounts, of: ParentId }}\n    checks: [{{ unique: Name }}, {{ reconcile: {{ count: true }} }}]\n  contacts:\n    source: {{ object: Contact, cursor: SystemModstamp, api: {api} }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: {api} }}\n    copy: [LastName, Email, AccountId]\n    map: {{ Legacy_Id__c: Id }}\n{more}"
    )
}

/// What does not depend on where state is.
fn comparable(report: &Report) -> Vec<(String, Vec<u64>, String)> {
    let steps = report.0["steps"].as_array().expect("steps");
    steps
        .iter()
        .map(|step| {
            let counts = [
                "read",
                "created",
                "updated",
                "unchanged",
                "deleted",
                "filtered",
                "parked",
            ];
            (
                step["name"].to_string(),
                counts
                    .iter()
                    .map(|what| step[*what].as_u64().expect("a count"))
                    .collect(),
                step["parked_reasons"].to_string(),
            )
        })
        .collect()
}

#[test]
fn runs_come_to_the_same_end_wherever_state_is() {
    let Some((server, url)) = database("same_end") else {
        return;
    };
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &family(400, 900));
        let mut ends = Vec::new();
        for (n, postgres) in [false, true].into_iter().enumerate() {
            let dst = Org::start(&runtime, "dst", &target(""));
            let machine = Remembering::new(&src, &dst, &url);
            let state = match postgres {
                false => "version: 1\n".to_owned(),
                true => {
                    format!("version: 1\nstate: {{ postgres: {{ env: STATE_URL }}, schema: of_{api} }}\n")
                }
            };
            machine.project.write("orgferry.yaml", &state);
            machine.project.write("all.yaml", &everything(api, PARKS));
            let first = machine.run_pipeline("all.yaml", 4);
            first.adds_up();
            // Nothing has changed since but the parked rows, which are read and refused again.
            let second = machine.run_pipeline("all.yaml", 4);
            let history = machine.run(&["runs"]).stdout.lines().count();
            let parked = machine.run(&["report", "last", "--parked", "contacts"]).stdout;
            let mut lines: Vec<String> = parked.lines().map(str::to_owned).collect();
            lines.sort();
            let there: Vec<_> = ["Account", "Contact"]
                .iter()
                .map(|object| {
                    let rows = dst.dump(object, "Legacy_Id__c");
                    let parents = rows
                        .values()
                        .filter(|row| row.get("ParentId").is_some_and(Option::is_some));
                    (rows.keys().cloned().collect::<Vec<_>>(), parents.count())
                })
                .collect();
            assert!(n == 0 || !machine.project.path(".orgferry/state.db").exists());
            ends.push((comparable(&first), comparable(&second), history, lines, there));
        }
        assert_eq!(ends[0], ends[1], "{api}");
        let rows = server.sql("same_end", &format!("SELECT count(*) FROM of_{api}.links"));
        assert!(rows.parse::<u32>().expect("a number") > 1_200, "{api}: {rows}");
        for left in ["keys", "deferred", "claimed_values", "expected", "units"] {
            let rows = server.sql("same_end", &format!("SELECT count(*) FROM of_{api}.{left}"));
            assert_eq!(rows, "0", "{api}: {left}");
        }
    }
}

/// Tells the cutter that it is over, also when the run has failed.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_run_outlives_its_connections() {
    let Some((server, url)) = database("cuts") else {
        return;
    };
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &family(2_000, 4_000));
    let dst = Org::start(&runtime, "dst", &target(""));
    let machine = Remembering::new(&src, &dst, &url);
    machine.project.write("all.yaml", &everything("rest", ""));
    let over = AtomicBool::new(false);
    let (report, cuts) = std::thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            let mut cuts = 0;
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(150));
                let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE datname = 'cuts' AND application_name = 'orgferry'";
                cuts += server.sql("postgres", cut).parse::<u32>().expect("a number");
            }
            cuts
        });
        let over = Over(&over);
        let report = machine.run_pipeline("all.yaml", 0);
        drop(over);
        (report, cutter.join().expect("the cutter ends"))
    });
    assert!(cuts >= 4, "{cuts} connections were cut");
    report.adds_up();
    assert_eq!(report.count("accounts", "created"), 2_000);
    assert_eq!(report.count("contacts", "created"), 4_000);
    let (source, there) = (src.dump("Account", "Id"), dst.dump("Account", "Legacy_Id__c"));
    for (id, row) in &source {
        let parent = row["ParentId"].as_ref().map(|parent| there[parent]["Id"].clone());
        assert_eq!(there[id]["ParentId"], parent.flatten(), "{id}");
    }
}

#[test]
fn what_stands_against_it_is_told() {
    let Some((server, url)) = database("complaints") else {
        return;
    };
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &family(1, 1));
    let dst = Org::start(&runtime, "dst", &target(""));
    let machine = Remembering::new(&src, &dst, &url);
    machine.project.write("people.yaml", PEOPLE);
    // A check of the files asks for nothing.
    machine.project.run(&["validate", "people.yaml"]).exits(0);
    for command in [&["run", "people.yaml"][..], &["runs"], &["report", "last"]] {
        machine
            .project
            .run(command)
            .exits(2)
            .says("environment variable `STATE_URL` is not set; it holds the address of the state database")
            .says("set `STATE_URL`");
        let with = |url: &str| {
            let output = machine
                .project
                .command(command)
                .env("STATE_URL", url)
                .output()
                .expect("the binary runs");
            Ran::new(output, command)
        };
        with(&server.url_of("tester", "hunter2", "complaints"))
            .exits(1)
            .says("the state database `127.0.0.1/complaints` does not let `tester` in: password authentication failed")
            .says("pg_hba.conf");
        with("postgres://tester:hunter2@127.0.0.1:1/complaints")
            .exits(1)
            .says("the state database `127.0.0.1/complaints` cannot be reached")
            .says("whether the server runs");
        let wrong = with("postgres://tester:hunter2/3@127.0.0.1/complaints");
        wrong
            .exits(2)
            .says("the address of the state database cannot be used")
            .says("%2F");
        assert!(!format!("{}{}", wrong.stdout, wrong.stderr).contains("hunter2"));
    }
    let state = format!("version: 1\nstate: {{ postgres: \"{url}\" }}\n");
    machine.project.write("orgferry.yaml", &state);
    let ran = machine.run(&["run", "people.yaml"]);
    ran.exits(2)
        .says("the password of the state database stands in the file");
    // On this machine, and without a password, the address may stand there.
    let port = server.port();
    machine.project.write(
        "orgferry.yaml",
        &format!("version: 1\nstate: {{ postgres: postgres://tester@localhost:{port}/complaints }}\n"),
    );
    machine.run(&["validate", "people.yaml"]).exits(0);
    machine
        .run(&["run", "people.yaml"])
        .exits(1)
        .says("does not let `tester` in");
}
