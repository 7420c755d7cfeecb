//! `orgferry test`: what it says of tests that fail, what stands for the orgs, what it leaves for CI.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use quick_xml::{Reader, events::Event};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::Ran;

const CREDENTIALS: &str = "version: 1
external_credentials:
  EC:
    protocol: oauth2
    flow: access_token
    principals: { Admin: { access_token: { env: TOKEN } } }
named_credentials:
  hq: { url: https://hq.example.com, external_credential: EC }
  emea: { url: https://emea.example.com, external_credential: EC }
";

const CUSTOMERS: &str = "version: 1
from: hq
to: emea
steps:
  accounts:
    source: { object: Account }
    target: { object: Account, key: Legacy_Id__c }
    copy: [Phone]
    map:
      Legacy_Id__c: Id
      Name: Name | trim
      NumberOfEmployees: Size__c | decimal
      Industry: { table: { Agri: Agriculture }, of: Sector__c }
      Description: Notes__c
      OwnerId: { lookup: User, by: [Email, Department], of: [Owner.Email, Region__c] }
    tests:
      - name: everything is off
        given: { Id: 001A, Name: ' Acme ', Size__c: '12', Phone: '030', Notes__c: LONG-found }
        expect:
          Name: ' Acme '
          NumberOfEmployees: '12.0'
          Phone: null
          Description: LONG-expected
      - name: an unknown sector
        given: { Id: 001A, Sector__c: Fish }
        expect: { Name: null }
      - name: a known sector
        given: { Id: 001A, Sector__c: Agri }
        expect: parked
      - name: no row
        given: { Id: 001A }
        expect: filtered
      - name: all is well
        given: { Id: 001A, Name: Acme }
        expect: { Name: Acme, Legacy_Id__c: 001A }
  contacts:
    source: { object: Contact }
    target: { object: Contact, key: Legacy_Id__c }
    map:
      Legacy_Id__c: Id
      AccountId: { ref: accounts, of: AccountId }
      OwnerId: { lookup: User, by: [Email, Department], of: [Owner.Email, Region__c], otherwise: null }
    tests:
      - name: nobody answers
        given: { Id: 003A, AccountId: 001A, Owner: { Email: 'ann@x.example' }, Region__c: EMEA }
        expect: { AccountId: 001T }
";

fn folder(pipeline: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("pipelines")).expect("a folder");
    fs::write(folder.path().join("credentials.yaml"), CREDENTIALS).expect("written");
    let long = "x".repeat(80);
    let text = pipeline.replace("LONG", &long);
    fs::write(folder.path().join("pipelines/customers.yaml"), text).expect("written");
    folder
}

fn orgferry(folder: &Path, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    Ran::new(output, args)
}

#[test]
fn failing_tests_say_what_differs_and_where() {
    let folder = folder(CUSTOMERS);
    let ran = orgferry(folder.path(), &["test"]);
    ran.exits(1);
    assert!(!ran.stdout.contains('\u{1b}'), "no colours in a pipe");
    insta::assert_snapshot!("failing_tests", ran.stdout.replace('\\', "/"));
    insta::assert_snapshot!("failing_tests_summary", ran.stderr);
    let coloured = orgferry(folder.path(), &["test", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}[32m"), "{}", coloured.stdout);
}

/// What the hint says to add makes the test pass, as far as the answers go.
#[test]
fn what_a_test_does_not_answer_can_be_copied_into_it() {
    let folder = folder(CUSTOMERS);
    let json = orgferry(
        folder.path(),
        &["test", "--format", "json", "--name", "nobody answers"],
    );
    let json: Json = serde_json::from_str(&json.stdout).expect("JSON");
    let missing = json["tests"][0]["missing_answers"].as_str().expect("a text");
    assert_eq!(missing, "refs: { accounts: { 001A: ID } }");
    let mended = CUSTOMERS.replace(
        "        expect: { AccountId: 001T }",
        &format!(
            "        {}\n        expect: {{ AccountId: ID, OwnerId: 005T }}",
            missing.replace('\n', "\n        ")
        ),
    );
    let folder = self::folder(&mended);
    let json = orgferry(
        folder.path(),
        &["test", "--format", "json", "--name", "nobody answers"],
    );
    let json: Json = serde_json::from_str(&json.stdout).expect("JSON");
    let test = &json["tests"][0];
    assert_eq!(
        test["missing_answers"],
        "lookups: { User: { \"ann@x.example, EMEA\": ID } }"
    );
    assert_eq!(test["differences"][0]["field"], "OwnerId");
    let mended = mended.replace("005T", "ID").replace(
        "        refs:",
        &format!(
            "        {}\n        refs:",
            test["missing_answers"].as_str().expect("a text")
        ),
    );
    let folder = self::folder(&mended);
    orgferry(folder.path(), &["test", "--name", "nobody answers"])
        .exits(0)
        .says("ok      customers contacts: nobody answers");
}

#[test]
fn the_answers_of_right_files_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = orgferry(root, &["test", "tests/fixtures/right", "--format", "json"]);
    ran.exits(0);
    let json: Json = serde_json::from_str(&ran.stdout).expect("JSON");
    let tests = json["tests"].as_array().expect("tests");
    let of = |pipeline: &str| tests.iter().filter(|test| test["pipeline"] == pipeline).count();
    assert_eq!(of("test_answers"), 7, "{json:#}");
    assert_eq!(json["failed"], 0);
}

#[test]
fn tests_are_chosen_by_name() {
    let folder = folder(CUSTOMERS);
    let ran = orgferry(folder.path(), &["test", "--name", "accounts: all*WELL"]);
    ran.exits(0);
    assert_eq!(ran.stdout, "ok      customers accounts: all is well\n");
    // Nothing is said about coverage: the other tests may look at what these leave out.
    assert_eq!(ran.stderr, "1 test passed\n");
    let ran = orgferry(folder.path(), &["test", "--name", "all is wel1"]);
    ran.exits(2);
    insta::assert_snapshot!("no_such_test", ran.stderr);
    orgferry(folder.path(), &["test", "--name", "all", "--min-coverage", "50"]).exits(2);
}

/// An element of a JUnit file: its name, its attributes, its text.
type Element = (String, Vec<(String, String)>, String);

/// What a JUnit file says: suites with their counts, and cases with their attributes and failures.
fn parse(xml: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(xml);
    let mut found: Vec<Element> = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e}: {xml}")) {
            Event::Start(start) | Event::Empty(start) => {
                let name = start.name().as_ref().to_owned();
                let attributes = start
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.expect("an attribute");
                        let value = attribute
                            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                            .expect("a value");
                        let key = attribute.key.as_ref().to_owned();
                        (key, value.into_owned())
                    })
                    .collect();
                found.push((name, attributes, String::new()));
            }
            Event::Text(text) => {
                if let Some(last) = found.last_mut() {
                    last.2.push_str(&text);
                }
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn results_go_to_ci_as_junit() {
    let folder = folder(&CUSTOMERS.replace("name: no row", "name: 'no <row> & \"none\" \u{fdd0}'"));
    // A second pipeline, all of whose tests pass.
    fs::write(
        folder.path().join("pipelines/more.yaml"),
        "version: 1\nfrom: hq\nto: emea\nsteps:\n  leads:\n    source: { object: Lead }\n    target: { object: Lead, key: Legacy_Id__c }\n    map: { Legacy_Id__c: Id }\n    tests:\n      - name: the id\n        given: { Id: 00QA }\n        expect: { Legacy_Id__c: 00QA }\n",
    )
    .expect("written");
    orgferry(folder.path(), &["test", "--junit", "out/ci/tests.xml"]).exits(1);
    let xml = fs::read_to_string(folder.path().join("out/ci/tests.xml")).expect("a file");
    assert!(
        xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "),
        "{xml}"
    );
    let parsed = parse(&xml);
    let all = |name: &str| {
        parsed
            .iter()
            .filter(|(found, _, _)| found == name)
            .collect::<Vec<_>>()
    };
    let attribute = |element: &Element, key: &str| {
        let found = element.1.iter().find(|(name, _)| name == key);
        found
            .unwrap_or_else(|| panic!("no {key} in {element:?}"))
            .1
            .clone()
    };
    let counts = |element| (attribute(element, "tests"), attribute(element, "failures"));
    let (suites, cases, failures) = (all("testsuite"), all("testcase"), all("failure"));
    assert_eq!(counts(all("testsuites")[0]), ("7".into(), "5".into()));
    let of: Vec<_> = suites
        .iter()
        .map(|suite| (attribute(suite, "name"), counts(suite)))
        .collect();
    assert_eq!(
        of,
        [
            ("customers".to_owned(), ("6".to_owned(), "5".to_owned())),
            ("more".to_owned(), ("1".to_owned(), "0".to_owned())),
        ]
    );
    assert_eq!((cases.len(), failures.len()), (7, 5));
    assert_eq!(attribute(cases[0], "classname"), "customers.accounts");
    assert_eq!(attribute(cases[0], "file"), "pipelines/customers.yaml");
    assert_eq!(attribute(cases[0], "line"), "17");
    assert_eq!(attribute(cases[3], "name"), "no <row> & \"none\" \u{fdd0}");
    assert_eq!(attribute(failures[0], "type"), "difference");
    assert_eq!(
        attribute(failures[0], "message"),
        "Name: expected \" Acme \", found \"Acme\", and 3 more"
    );
    for words in [
        "NumberOfEmployees",
        "pipelines/customers.yaml:21:30",
        "pipelines/customers.yaml:12:7",
    ] {
        assert!(failures[0].2.contains(words), "{words}: {}", failures[0].2);
    }
    assert_eq!(attribute(failures[1], "type"), "not_in_table");
}

#[test]
fn what_no_test_looks_at_is_told() {
    let folder = folder(CUSTOMERS);
    let ran = orgferry(folder.path(), &["test", "--coverage", "--name", "all"]);
    ran.exits(2);
    let ran = orgferry(folder.path(), &["test", "--coverage"]);
    let listed = ran
        .stdout
        .split("fields that no test expects")
        .nth(1)
        .expect("a list");
    insta::assert_snapshot!("coverage", listed.replace('\\', "/"));
    let json = orgferry(folder.path(), &["test", "--format", "json"]);
    let json: Json = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["coverage"]["fields"], 10);
    assert_eq!(json["coverage"]["expected"], 6);
    assert_eq!(
        json["coverage"]["steps"][1]["untouched"][0]["field"],
        "Legacy_Id__c"
    );

    // Of the tests that pass, so that only the share decides.
    let passing = CUSTOMERS.replace(
        &CUSTOMERS[CUSTOMERS.find("      - name: everything").expect("a test")
            ..CUSTOMERS.find("      - name: all is well").expect("a test")],
        "",
    );
    let passing = passing
        .split("    tests:\n      - name: nobody")
        .next()
        .expect("a part");
    let folder = self::folder(passing);
    let ran = orgferry(folder.path(), &["test"]);
    ran.exits(0).says("steps without a test: customers contacts\n");
    for (least, code) in [("20", 0), ("20%", 0), ("20.1", 1), ("100", 1)] {
        let ran = orgferry(folder.path(), &["test", "--min-coverage", least]);
        ran.exits(code);
        let listed = ran.stdout.contains("customers contacts: 3 fields, no test");
        assert_eq!(listed, code == 1, "{least}: {}", ran.stdout);
    }
    let ran = orgferry(folder.path(), &["test", "--min-coverage", "50"]);
    insta::assert_snapshot!("too_little_coverage", ran.stderr);
}

/// Rows of a list, filters, checks and `only`, as the page about tests tells them.
#[test]
fn each_when_checks_and_only_are_tested_too() {
    let folder = folder(
        "version: 1
from: hq
to: emea
steps:
  skills:
    source: { object: Contact, each: Skills__c | split_multi }
    target: { object: Skill__c, key: Legacy_Id__c }
    when: item != 'SECRET'
    map:
      Legacy_Id__c: \"{{ Id }}/{{ item_number }}\"
      Name: item
      Since__c: { value: 2026-01-31, only: create }
      Level__c: Level__c
    checks:
      - expr: Level__c >= 0
    tests:
      - name: the second entry
        given: { Id: 003A, Skills__c: SQL;JAVA, item_number: 2, Level__c: 1 }
        expect: { Legacy_Id__c: 003A/2, Name: JAVA, Since__c: 2026-01-31 }
      - name: an entry of its own
        action: update
        given: { Id: 003A, item: SQL, Level__c: 1 }
        expect: { Name: SQL, Since__c: null }
      - name: no third entry
        given: { Id: 003A, Skills__c: SQL;JAVA, item_number: 3 }
        expect: filtered
      - name: no entry at all
        given: { Id: 003A }
        expect: filtered
      - name: what is filtered
        given: { Id: 003A, item: SECRET }
        expect: filtered
      - name: what a check refuses
        given: { Id: 003A, item: SQL, Level__c: -1 }
        expect: parked
",
    );
    orgferry(folder.path(), &["test"]).exits(0).says("6 tests passed");
}
