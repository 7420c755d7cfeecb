//! `policy.budget`: what a run may use of an org's calls, and how it stops when that is used up.

use reqwest::Method;
use serde_json::Value as Json;

use crate::support::{Org, Project, Report, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

/// Contacts P1 ... and accounts A1 ...; `more` is more of the org file.
fn source(people: usize, companies: usize, more: &str) -> String {
    let mut yaml = format!("seed: 3\n{more}records:\n");
    if people > 0 {
        yaml += &format!(
            "  - object: Contact\n    generate: {{ count: {people}, fields: {{ LastName: \"P{{n}}\" }} }}\n"
        );
    }
    if companies > 0 {
        yaml += &format!(
            "  - object: Account\n    generate: {{ count: {companies}, fields: {{ Name: \"A{{n}}\" }} }}\n"
        );
    }
    yaml
}

fn target(more: &str) -> String {
    format!(
        "seed: 4\n{more}sobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"
    )
}

/// A step for contacts, and one for accounts beside it where they are asked for.
fn pipeline(policy: &str, api: &str, accounts: bool) -> String {
    let mut yaml = format!(
        "version: 1\nfrom: src\nto: dst\npolicy: {{ {policy} }}\nsteps:\n  contacts:\n    source: {{ object: Contact, api: {api} }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Id }}\n"
    );
    if accounts {
        yaml += &format!(
            "  accounts:\n    source: {{ object: Account, api: {api} }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [Name]\n    map: {{ Legacy_Id__c: Id }}\n"
        );
    }
    yaml
}

fn calls(report: &Report, org: &str) -> u64 {
    report.0["api_calls"][org].as_u64().expect("calls")
}

/// The side of the emulator that counts: calls made, and calls left.
fn left(runtime: &tokio::runtime::Runtime, org: &Org) -> i64 {
    let limits = org.ask(runtime, Method::GET, "/limits", &Json::Null);
    // The question itself is counted.
    1 + limits["DailyApiRequests"]["Remaining"]
        .as_i64()
        .expect("a number")
}

/// What state and report say of the rows must be what the target has.
fn nothing_is_lost_of_what_was_written(report: &Report, dst: &Org, step: &str, object: &str) {
    assert_eq!(
        dst.emulator.count(object) as u64,
        report.count(step, "created"),
        "{step}: what was written is written down"
    );
}

#[test]
fn a_report_tells_the_budget_and_what_is_left() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        &source(
            10,
            0,
            "limits: { daily_api_requests: 1000, used_api_requests: 200 }\n",
        ),
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline("budget: { daily_calls: 50% }", "rest", false));
    let report = project.run_pipeline("c.yaml", &[], 0);
    let budget = &report.0["api_budget"];
    let made = calls(&report, "src");
    assert!((5..12).contains(&made), "{made}");
    assert_eq!(budget["src"]["daily"], 1000);
    let allowed = budget["src"]["allowed"].as_u64().expect("a number");
    assert!((398..=402).contains(&allowed), "half of what was left: {allowed}");
    assert_eq!(budget["src"]["left"].as_i64(), Some(left(&runtime, &src)));
    report
        .1
        .says("API calls: dst ")
        .says("API budget: dst ")
        .says(&format!("src {allowed} ("))
        .says(" left of 1,000 a day)");
    assert_eq!(report.0["notes"], Json::Array(Vec::new()));
}

#[test]
fn a_run_stops_when_its_calls_are_used_up_and_writes_down_what_it_has_done() {
    for (api, side, people, day) in [
        ("rest", "src", 6_000, 24),
        ("rest", "dst", 6_000, 24),
        ("bulk", "src", 30_000, 24),
        ("bulk", "dst", 30_000, 300),
    ] {
        let runtime = runtime();
        let limits = |of: &str| match side == of {
            true => format!("limits: {{ daily_api_requests: {day} }}\n"),
            false => String::new(),
        };
        // Pages are smaller than a plan thinks, and rows may be filtered: it cannot know that it does not fit.
        let pages = "query_page_size: 200\nbulk: { result_page_rows: 1000 }\n";
        let src = Org::start(
            &runtime,
            "src",
            &source(people, 0, &format!("{pages}{}", limits("src"))),
        );
        let dst = Org::start(&runtime, "dst", &target(&limits("dst")));
        let project = Project::new(&src, &dst);
        let batch = if side == "src" && api == "bulk" { 4000 } else { 200 };
        let yaml = pipeline("budget: { daily_calls: 100% }", api, false)
            .replace("    copy:", "    when: LastName != 'P7'\n    copy:")
            .replace(
                "key: Legacy_Id__c",
                &format!("key: Legacy_Id__c, batch_size: {batch}"),
            );
        project.write("c.yaml", &yaml);
        let report = project.run_pipeline("c.yaml", &[], 7);
        assert_eq!(report.0["status"], "budget_used", "{api} {side}");
        let allowed = report.0["api_budget"][side]["allowed"]
            .as_u64()
            .expect("a number");
        let made = calls(&report, side);
        assert!(
            made <= allowed && made * 10 > allowed * 7,
            "{api} {side}: {made} of {allowed}"
        );
        assert!(left(&runtime, if side == "src" { &src } else { &dst }) >= 0);
        let run = report.0["run"].as_str().expect("a run").to_owned();
        report
            .1
            .says("the run's budget of API calls is used up")
            .says("(100% of the ")
            .says(&format!("orgferry resume {run}"))
            .says("stopped, API calls used up");
        nothing_is_lost_of_what_was_written(&report, &dst, "contacts", "Contact");
        assert!(
            report.count("contacts", "created") > 0,
            "{api} {side}: it came somewhere"
        );
        assert!(
            report.count("contacts", "created") < people as u64 - 1,
            "{api} {side}"
        );
        project
            .run(&["runs", "--format", "json"])
            .exits(0)
            .says("\"status\": \"budget_used\"")
            .says("\"exit_code\": 7");
    }
}

#[test]
fn steps_side_by_side_share_the_budget_of_an_org() {
    for (api, day, batch) in [("rest", 60, 200), ("bulk", 500, 100)] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &source(6_000, 6_000, ""));
        let limits = format!("limits: {{ daily_api_requests: {day}, used_api_requests: 4 }}\n");
        let dst = Org::start(&runtime, "dst", &target(&limits));
        let project = Project::new(&src, &dst);
        let yaml = pipeline("budget: { daily_calls: 80% }", api, true)
            .replace("    copy:", "    when: Id != null\n    copy:")
            .replace(
                "key: Legacy_Id__c",
                &format!("key: Legacy_Id__c, batch_size: {batch}"),
            );
        project.write("c.yaml", &yaml);
        let report = project.run_pipeline("c.yaml", &[], 7);
        for (step, object) in [("contacts", "Contact"), ("accounts", "Account")] {
            nothing_is_lost_of_what_was_written(&report, &dst, step, object);
        }
        assert!(
            left(&runtime, &dst) >= 10,
            "{api}: a fifth stays for others: {}",
            left(&runtime, &dst)
        );
        report.1.says("80% of the ");
    }
}

#[test]
fn what_others_use_is_not_taken_from_them() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(8_000, 0, ""));
    let dst = Org::start(
        &runtime,
        "dst",
        &target(
            "limits: { daily_api_requests: 1000 }\nfaults:\n  - { on: { path: /composite/sobjects }, then: { delay: 100ms } }\n",
        ),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "c.yaml",
        &pipeline("budget: { daily_calls: 50% }", "rest", false)
            .replace("    copy:", "    when: Id != null\n    copy:")
            .replace(
                "key: Legacy_Id__c",
                "key: Legacy_Id__c, batch_size: 20, parallel: 2",
            ),
    );
    let mut run = project
        .command(&["run", "c.yaml", "--report", "json=report.json"])
        .spawn()
        .expect("the binary runs");
    // Meanwhile somebody else asks for the greater part of what the run might use.
    let begun = std::time::Instant::now();
    while dst.emulator.count("Contact") == 0 {
        assert!(begun.elapsed().as_secs() < 60, "the run writes nothing");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for _ in 0..380 {
        dst.ask(&runtime, Method::GET, "/limits", &Json::Null);
    }
    let status = run.wait().expect("it ends");
    assert_eq!(status.code(), Some(7));
    let report: Json = serde_json::from_str(&project.read("report.json")).expect("JSON");
    let message = report["error"]["message"].as_str().expect("a message");
    assert!(message.contains("others use the org too: it has "), "{message}");
    assert!(message.contains("of its 1000 daily API calls left"), "{message}");
    assert!(left(&runtime, &dst) >= 499, "{}", left(&runtime, &dst));
}

#[test]
fn a_plan_that_cannot_fit_writes_nothing() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(30_000, 0, ""));
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline("budget: { daily_calls: 120 }", "rest", false));
    let report = project.run_pipeline("c.yaml", &[], 7);
    report
        .1
        .says("`dst`: the run takes at least 150 more API calls, and may make ")
        .says("nothing was written")
        .says("run it when more are left");
    assert_eq!(report.0["status"], "budget_used");
    assert_eq!(dst.emulator.count("Contact"), 0);
    // With a little more it may be narrow, which is said, and is done.
    project.write("c.yaml", &pipeline("budget: { daily_calls: 220 }", "rest", false));
    let report = project.run_pipeline("c.yaml", &[], 0);
    report
        .1
        .says("note: `dst`: the run takes about 150 more API calls, and `policy.budget` lets it make ");
    assert_eq!(dst.emulator.count("Contact"), 30_000);
    assert!(
        report.0["notes"][0]
            .as_str()
            .is_some_and(|note| note.contains("about 150")),
        "{}",
        report.0["notes"]
    );
}

#[test]
fn an_org_that_takes_no_more_calls_ends_the_run_the_same_way() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(2_000, 0, ""));
    let dst = Org::start(
        &runtime,
        "dst",
        &target(
            "faults:\n  - { on: { path: /composite/sobjects }, after: 4, then: { refuse: daily_limit } }\n",
        ),
    );
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline("nulls: clear", "rest", false));
    let report = project.run_pipeline("c.yaml", &[], 7);
    assert_eq!(report.0["status"], "budget_used");
    report
        .1
        .says("`dst`: the org takes no more API calls: REQUEST_LIMIT_EXCEEDED")
        .says("orgferry resume ");
    nothing_is_lost_of_what_was_written(&report, &dst, "contacts", "Contact");
    assert_eq!(report.count("contacts", "created"), 800);
}

#[test]
fn a_login_that_may_not_see_the_limits_goes_by_the_answers() {
    let runtime = runtime();
    let hidden = "  - { on: { path: /limits }, then: { answer: { status: 403, code: INSUFFICIENT_ACCESS, message: no } } }\n";
    let src = Org::start(
        &runtime,
        "src",
        &source(
            10,
            0,
            &format!("limits: {{ daily_api_requests: 500 }}\nfaults:\n{hidden}"),
        ),
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &pipeline("nulls: clear", "rest", false));
    let report = project.run_pipeline("c.yaml", &[], 0);
    assert_eq!(report.0["api_budget"]["src"]["daily"], 500);
}

#[test]
fn two_names_of_one_org_share_its_budget() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(10, 0, ""));
    let dst = Org::start(
        &runtime,
        "dst",
        &target(
            "limits: { daily_api_requests: 1000 }\nrecords:\n  - object: Account\n    generate: { count: 10, fields: { Name: \"A{n}\" } }\n",
        ),
    );
    let project = Project::new(&src, &dst);
    let credentials = project.read("credentials.yaml");
    let url = dst.emulator.url();
    project.write(
        "credentials.yaml",
        &format!("{credentials}  again: {{ url: {url}, external_credential: EC_dst }}\n"),
    );
    project.write(
        "c.yaml",
        &format!(
            "{}  copies:\n    source: {{ object: Account, connection: again }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    map: {{ Legacy_Id__c: Id, LastName: Name }}\n",
            pipeline("budget: { daily_calls: 100 }", "rest", false)
        ),
    );
    let report = project.run_pipeline("c.yaml", &[], 0);
    let budget = &report.0["api_budget"];
    assert_eq!(budget["again"], budget["dst"]);
    assert_eq!(budget["dst"]["allowed"], 100);
    assert!(calls(&report, "again") > 0 && calls(&report, "dst") > 0);
}
