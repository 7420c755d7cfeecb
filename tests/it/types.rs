//! Types across a step, with and without a network: the schema lock, the findings that it makes possible, drift, and
//! the formats in which findings are written. `tests/fixtures/locked` is a project with locks; `wrong` holds a fault a
//! file, `right` what must pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use orgferry::{
    diag::{Colour, Edit, Files, Finding, Severity, render_text, sort},
    emulator::{Emulator, OrgFile},
    pipeline::load,
    plan::{Lock, Schemas, check},
};
use serde_json::{Value, json};

use crate::support::{Org, Project, Ran, runtime};

const LOCKED: &str = "tests/fixtures/locked";

pub(crate) fn fixtures(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(Path::new(LOCKED).join(folder))
        .expect("the fixtures' folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension() == Some(OsStr::new("yaml")))
        .collect();
    files.sort();
    files
}

pub(crate) fn locks() -> Schemas {
    let mut schemas = Schemas::default();
    for org in ["hq", "emea"] {
        let path = format!("{LOCKED}/schemas/orgs/{org}.lock.json");
        let text = fs::read_to_string(&path).expect("the lock");
        schemas.add_lock(org, &Lock::parse(&text).expect("a lock"));
    }
    schemas
}

/// What `validate` says of a file, given the locks.
pub(crate) fn checked(path: &Path, schemas: &Schemas) -> (Vec<Finding>, Files) {
    let mut loaded = load(&[path.to_owned()], None);
    for pipeline in &loaded.pipelines {
        loaded.findings.extend(check(pipeline, schemas));
    }
    sort(&mut loaded.findings, &loaded.files);
    (loaded.findings, loaded.files)
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.span.range.start);
    let mut text = text.to_owned();
    for edit in edits.into_iter().rev() {
        text.replace_range(edit.span.range.clone(), &edit.text);
    }
    text
}

#[test]
fn wrong_files_are_found_without_a_network() {
    let schemas = locks();
    let files = fixtures("wrong");
    assert!(files.len() >= 40, "{} files", files.len());
    let mut mended = 0;
    for path in &files {
        let (findings, texts) = checked(path, &schemas);
        assert!(!findings.is_empty(), "{} passes", path.display());
        for finding in &findings {
            assert!(
                !finding.primary.text.is_empty(),
                "{}: a place without words",
                path.display()
            );
            assert!(!finding.help.is_empty(), "{}: no way out", path.display());
        }
        let shown = render_text(&findings, &texts, Colour::Off).replace('\\', "/");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("locked__{name}"), shown);
        });
        // A fix that a program can apply makes the file right.
        for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
            mended += 1;
            let text = apply(texts.text(finding.primary.span.file), &finding.fix);
            let folder = tempfile::tempdir().expect("a folder");
            let copy = folder.path().join(path.file_name().expect("a name"));
            fs::copy(
                format!("{LOCKED}/credentials.yaml"),
                folder.path().join("credentials.yaml"),
            )
            .expect("the credentials");
            fs::write(&copy, &text).expect("the mended file");
            let (again, texts) = checked(&copy, &schemas);
            let left: Vec<&Finding> = again
                .iter()
                .filter(|other| other.message == finding.message)
                .collect();
            assert!(
                left.is_empty()
                    && !again
                        .iter()
                        .any(|f| f.severity == Severity::Error && finding.severity == Severity::Warning),
                "{}\n{text}\n{}",
                path.display(),
                render_text(&again, &texts, Colour::Off)
            );
        }
    }
    assert!(mended >= 12, "{mended} fixes");
}

#[test]
fn right_files_pass_with_a_lock() {
    let schemas = locks();
    let files = fixtures("right");
    assert!(files.len() >= 8, "{} files", files.len());
    for path in files {
        let (findings, texts) = checked(&path, &schemas);
        assert_eq!(
            render_text(&findings, &texts, Colour::Off),
            "",
            "{}",
            path.display()
        );
    }
}

/// An emulated org of the fixtures, changed in some words.
fn org(runtime: &tokio::runtime::Runtime, name: &'static str, changes: &[(&str, &str)]) -> Org {
    let mut text = fs::read_to_string(format!("{LOCKED}/{name}.org.yaml")).expect("the org file");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let file = OrgFile::parse(&text, ".").unwrap_or_else(|e| panic!("{e}\n{text}"));
    Org {
        name,
        emulator: runtime
            .block_on(Emulator::start(file, 0))
            .expect("the org starts"),
    }
}

/// A project between the two, with some pipelines of the fixtures.
fn project(src: &Org, dst: &Org, pipelines: &[&str]) -> Project {
    let project = Project::new(src, dst);
    for name in pipelines {
        let text = fs::read_to_string(format!("{LOCKED}/{name}.yaml")).expect("the fixture");
        let file = Path::new(name).file_name().expect("a name").to_string_lossy();
        project.write(&format!("pipelines/{file}.yaml"), &text);
    }
    project
}

fn run(project: &Project, args: &[&str]) -> Ran {
    let mut command = project.command(args);
    for name in ["hq", "emea"] {
        command.env(format!("{name}_ID"), format!("{name}-id"));
        command.env(format!("{name}_SECRET"), format!("{name}-secret-5up3r"));
    }
    Ran::new(command.output().expect("the binary runs"), args)
}

const ALL: [&str; 15] = [
    "right/plain",
    "right/ways_out",
    "right/multi_select",
    "right/currencies",
    "right/persons",
    "right/contacts",
    "right/master_detail",
    "right/vars",
    "right/semi_joins",
    "right/classified_masked",
    "right/wide",
    "right/pieces",
    "wrong/lookup_not_unique",
    "wrong/relationship_of_several_objects",
    "wrong/unwritable_object",
];

#[test]
fn locks_are_what_the_orgs_say() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let project = project(&hq, &emea, &ALL);
    run(&project, &["schema", "lock"])
        .exits(0)
        .says("schemas/orgs/hq.lock.json: ")
        .says("schemas/orgs/emea.lock.json: ");
    for org in ["hq", "emea"] {
        let name = format!("schemas/orgs/{org}.lock.json");
        let (written, committed) = (project.read(&name), format!("{LOCKED}/{name}"));
        if std::env::var_os("ORGFERRY_UPDATE_LOCKS").is_some() {
            fs::write(&committed, &written).expect("the fixture can be written");
        }
        assert!(
            fs::read_to_string(&committed).ok().as_deref() == Some(written.as_str()),
            "{committed} is not what the emulated org says; write it anew: ORGFERRY_UPDATE_LOCKS=1 cargo test --test it locks_are"
        );
    }
    // Nothing has changed, and one pipeline alone changes nothing either.
    run(&project, &["schema", "lock", "--check"]).exits(0);
    let before = project.read("schemas/orgs/emea.lock.json");
    run(&project, &["schema", "lock", "pipelines/plain.yaml"]).exits(0);
    assert_eq!(project.read("schemas/orgs/emea.lock.json"), before);
    // What the lock says is checked to the letter; a lock by hand is stale.
    let changed = before.replace(
        "\"Motto__c\": { \"type\": \"string\", \"length\": 80 }",
        "\"Motto__c\": { \"type\": \"string\", \"length\": 90 }",
    );
    assert_ne!(changed, before);
    project.write("schemas/orgs/emea.lock.json", &changed);
    run(&project, &["schema", "lock", "--check"])
        .exits(2)
        .says("schemas/orgs/emea.lock.json: ~ Account.Motto__c");
    assert_eq!(
        project.read("schemas/orgs/emea.lock.json"),
        changed,
        "--check writes nothing"
    );
    run(&project, &["schema", "lock"])
        .exits(0)
        .says("~ Account.Motto__c");
    assert_eq!(project.read("schemas/orgs/emea.lock.json"), before);
    // With an environment of its own, in a file of its own.
    project.write(
        "orgferry.yaml",
        "version: 1\nenvironments:\n  uat: { vars: { motto: x } }\n",
    );
    run(
        &project,
        &["schema", "lock", "pipelines/plain.yaml", "--env", "uat"],
    )
    .exits(0);
    assert!(project.read("schemas/orgs/emea.uat.lock.json").len() < before.len());
    // A lock that is none is an error that says what to do.
    project.write("schemas/orgs/hq.lock.json", "{ \"version\": 9 }");
    run(&project, &["validate"])
        .exits(2)
        .says("version 9")
        .says("orgferry schema lock");
}

#[test]
fn an_object_that_is_not_there_is_told_and_the_rest_locked() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let project = project(&hq, &emea, &["right/plain", "wrong/unknown_object"]);
    run(&project, &["schema", "lock"])
        .exits(2)
        .says("has no object `Acount`")
        .says("did you mean `Account`");
    assert!(project.read("schemas/orgs/hq.lock.json").contains("\"Account\""));
}

#[test]
fn an_org_that_does_not_tell_what_it_classifies_is_told_once() {
    let runtime = runtime();
    let refuses = "faults:\n  - { on: { query: FieldDefinition }, then: { answer: { status: 400, code: INVALID_FIELD, message: \"No such column 'ComplianceGroup' on entity 'FieldDefinition'\" } } }\nsobjects:";
    let hq = org(&runtime, "hq", &[("sobjects:", refuses)]);
    let emea = org(&runtime, "emea", &[]);
    let project = project(
        &hq,
        &emea,
        &["wrong/unmasked_classified", "right/classified_masked"],
    );
    let ran = run(&project, &["schema", "lock"]);
    ran.exits(0);
    let said = "warning[not-classified]: `hq` does not tell which of its fields are classified as personal";
    let output = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(output.matches(said).count(), 1, "{output}");
    ran.says("No such column 'ComplianceGroup'");
    assert!(
        !project
            .read("schemas/orgs/hq.lock.json")
            .contains("complianceGroup")
    );
    // Offline nothing is known then; online the policy says what it cannot see.
    run(&project, &["validate"]).exits(0);
    run(&project, &["validate", "--online"]).exits(0).says(said);
}

#[test]
fn what_an_org_classifies_is_held_online_too() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let project = project(&hq, &emea, &["wrong/unmasked_classified", "right/plain"]);
    for args in [
        vec!["validate", "--online"],
        vec!["run", "pipelines/unmasked_classified.yaml", "--progress", "none"],
    ] {
        run(&project, &args)
            .exits(2)
            .says("`Nick__c` is classified as PII and GDPR, and would reach the target as it is");
    }
    assert_eq!(emea.emulator.rows("Contact").len(), 0);
    // A lock keeps what it knows when a pipeline that does not ask is locked alone.
    run(&project, &["schema", "lock"]).exits(0);
    let whole = project.read("schemas/orgs/hq.lock.json");
    assert!(whole.contains("\"complianceGroup\": \"PII;GDPR\""));
    project.write("pipelines/names.yaml", &fixture("right/contacts"));
    run(&project, &["schema", "lock", "pipelines/names.yaml"]).exits(0);
    assert!(
        project
            .read("schemas/orgs/hq.lock.json")
            .contains("\"complianceGroup\": \"PII;GDPR\"")
    );
    run(&project, &["validate", "pipelines/unmasked_classified.yaml"])
        .exits(2)
        .says("mask it: `Department: { mask: text, of: Nick__c }`");
}

#[test]
fn without_a_lock_one_quiet_line_says_what_it_would_bring() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let project = project(&hq, &emea, &["wrong/text_too_long"]);
    let ran = run(&project, &["validate"]);
    ran.exits(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr.lines().last(),
        Some("`orgferry schema lock` would check 6 fields more against the orgs")
    );
    assert_eq!(run(&project, &["validate", "--quiet"]).exits(0).stderr, "");
    run(&project, &["schema", "lock"]).exits(0);
    run(&project, &["validate"])
        .exits(0)
        .says("source is text(255), target is text(80)")
        .says("write `Motto__c: Motto__c | truncate(80)`");
}

#[test]
fn orgs_are_asked_with_online() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let project = project(&hq, &emea, &["wrong/text_too_long"]);
    run(&project, &["validate", "--online"])
        .exits(0)
        .says("source is text(255), target is text(80)");
    project.write(
        "pipelines/text_too_long.yaml",
        &fixture("wrong/unknown_target_field"),
    );
    run(&project, &["validate", "--online"])
        .exits(2)
        .says("did you mean `Sector__c`?");
    // Whoever is not let in cannot ask.
    let mut command = project.command(&["validate", "--online"]);
    command.envs([
        ("hq_ID", "hq-id"),
        ("hq_SECRET", "wrong"),
        ("emea_ID", "emea-id"),
        ("emea_SECRET", "wrong"),
    ]);
    let ran = Ran::new(
        command.output().expect("the binary runs"),
        &["validate", "--online"],
    );
    ran.exits(3)
        .says("the sign-in of external credential `EC_emea` was refused");
}

fn fixture(name: &str) -> String {
    fs::read_to_string(format!("{LOCKED}/{name}.yaml")).expect("the fixture")
}

/// A pipeline over what changes, with a policy.
fn drifting(policy: &str) -> String {
    format!(
        "version: 1\nfrom: hq\nto: emea\n{policy}steps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ object: Account, key: Legacy_Id__c }}\n    map:\n      Legacy_Id__c: Id\n      Name: Name | truncate(10)\n      Motto__c: Motto__c | truncate(10)\n      Sector__c: {{ table: {{ Agri: Agriculture }}, of: Sector__c, otherwise: keep }}\n"
    )
}

#[test]
fn drift_is_told_by_policy() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let first = project(&hq, &emea, &[]);
    first.write("pipelines/d.yaml", &drifting(""));
    run(&first, &["schema", "lock"]).exits(0);
    run(&first, &["validate", "--online"]).exits(0);
    let locks = ["hq", "emea"].map(|org| (org, first.read(&format!("schemas/orgs/{org}.lock.json"))));

    // The orgs go on: a value less, a value more, a text shorter, a field more.
    let hq = org(
        &runtime,
        "hq",
        &[(
            "values: [Agri, Energy, Finance]",
            "values: [Agri, Energy, Mining]",
        )],
    );
    let emea = org(
        &runtime,
        "emea",
        &[
            (
                "Motto__c: { type: Text(80) }",
                "Motto__c: { type: Text(40) }\n      New__c: { type: Text(5) }",
            ),
            ("[Agriculture, Energy, Finance]", "[Agriculture, Energy, Mining]"),
        ],
    );
    let later = project(&hq, &emea, &[]);
    for (org, text) in &locks {
        later.write(&format!("schemas/orgs/{org}.lock.json"), text);
    }
    for (policy, code, errors, warnings) in [
        (
            "",
            2,
            vec!["drift-changed-field", "drift-picklist", "drift-picklist"],
            vec!["drift-new-field"],
        ),
        (
            "policy: { drift: { removed_field: report, picklist: ignore, new_field: fail } }\n",
            2,
            vec!["drift-new-field"],
            vec!["drift-changed-field"],
        ),
        (
            "policy: { drift: { removed_field: report, picklist: report, new_field: ignore } }\n",
            0,
            vec![],
            vec!["drift-changed-field", "drift-picklist", "drift-picklist"],
        ),
    ] {
        later.write("pipelines/d.yaml", &drifting(policy));
        let ran = run(&later, &["validate", "--online", "--format", "json"]);
        ran.exits(code);
        let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let codes = |severity: &str| {
            let mut codes: Vec<String> = json["findings"]
                .as_array()
                .expect("findings")
                .iter()
                .filter(|finding| finding["severity"] == severity)
                .map(|finding| finding["code"].as_str().expect("a code").to_owned())
                .collect();
            codes.sort();
            codes
        };
        assert_eq!(codes("error"), errors, "{policy}{}", ran.stdout);
        assert_eq!(codes("warning"), warnings, "{policy}{}", ran.stdout);
        // A run holds to the same, before anything is written.
        let ran = run(&later, &["run", "pipelines/d.yaml", "--progress", "none"]);
        ran.exits(code);
        if code == 2 {
            ran.says("nothing was written").says("drift-");
            assert_eq!(emea.emulator.rows("Account").len(), 0);
        }
    }
    // A field that is used and gone is complained about once, and the lock is named.
    let hq = org(&runtime, "hq", &[("      Motto__c: { type: Text(255) }\n", "")]);
    let gone = project(&hq, &emea, &[]);
    for (org, text) in &locks {
        gone.write(&format!("schemas/orgs/{org}.lock.json"), text);
    }
    gone.write(
        "pipelines/d.yaml",
        &drifting("policy: { drift: { removed_field: report, picklist: ignore, new_field: ignore } }\n"),
    );
    let ran = run(&gone, &["validate", "--online"]);
    ran.exits(2)
        .says("`Account` of `hq` has no field `Motto__c`")
        .says("the schema lock of `hq` has it: it was removed or hidden since");
}

#[test]
fn findings_are_written_for_programs_too() {
    let runtime = runtime();
    let (hq, emea) = (org(&runtime, "hq", &[]), org(&runtime, "emea", &[]));
    let project = project(
        &hq,
        &emea,
        &[
            "wrong/text_too_long_template",
            "wrong/picklist_table",
            "wrong/wrong_reference",
            "wrong/unknown_target_field",
        ],
    );
    for org in ["hq", "emea"] {
        let name = format!("schemas/orgs/{org}.lock.json");
        project.write(
            &name,
            &fs::read_to_string(format!("{LOCKED}/{name}")).expect("the lock"),
        );
    }
    let ran = run(&project, &["validate", "--format", "sarif"]);
    ran.exits(2);
    let sarif: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let text = fs::read_to_string("tests/fixtures/sarif/sarif-2.1.0-rtm.5.json").expect("the schema");
    // A bracket too many, which a strict reader of patterns refuses.
    let text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(&sarif)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    assert!(
        !validator.is_valid(&json!({ "version": "2.1.0", "runs": [{ "results": 7 }] })),
        "the schema bites"
    );
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    assert!(results.iter().any(|result| result["fixes"].is_array()));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        let version = env!("CARGO_PKG_VERSION");
        insta::assert_snapshot!("findings_sarif", format!("{sarif:#}").replace(version, "VERSION"));
        let ran = run(&project, &["validate", "--format", "github"]);
        ran.exits(2);
        insta::assert_snapshot!("findings_github", ran.stdout);
        let ran = run(&project, &["validate", "--format", "json"]);
        ran.exits(2);
        insta::assert_snapshot!("findings_json", ran.stdout);
    });
}

/// Words with a hyphen that are no codes.
const NO_CODES: [&str; 4] = ["read-only", "master-detail", "api-key", "a-b"];

/// Codes without one.
const ONE_WORD: [&str; 1] = ["cycle"];

/// Every code in the source is in the manual's list, and the list holds no other.
#[test]
fn the_manual_lists_every_code() {
    let mut codes = BTreeSet::new();
    for room in ["src/spec", "src/pipeline", "src/plan"] {
        source(Path::new(room), &mut |text| {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let words = code
                .split('"')
                .filter(|word| is_code(word) && !NO_CODES.contains(word));
            codes.extend(words.map(str::to_owned));
            codes.extend(
                ONE_WORD
                    .into_iter()
                    .filter(|word| code.contains(&format!("\"{word}\"")))
                    .map(str::to_owned),
            );
        });
    }
    assert!(codes.len() > 70, "{codes:?}");
    let listed: BTreeSet<String> = listed().into_keys().collect();
    let missing: Vec<&String> = codes.difference(&listed).collect();
    let surplus: Vec<&String> = listed.difference(&codes).collect();
    assert_eq!(
        missing,
        Vec::<&String>::new(),
        "not in docs/reference/validate.md"
    );
    assert_eq!(
        surplus,
        Vec::<&String>::new(),
        "in docs/reference/validate.md only"
    );
}

/// The codes of the manual, with the letters of their severities; of drift, which has none, nothing.
pub(crate) fn listed() -> BTreeMap<String, String> {
    let page = fs::read_to_string("docs/reference/validate.md").expect("the page");
    page.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` | "))
        .filter(|(code, _)| is_code(code) || ONE_WORD.contains(code))
        .map(|(code, rest)| {
            let letters = rest.split(" |").next().unwrap_or_default();
            let letters = if letters.len() <= 2 { letters } else { "" };
            (code.to_owned(), letters.to_owned())
        })
        .collect()
}

fn is_code(text: &str) -> bool {
    text.contains('-')
        && text
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

fn source(folder: &Path, visit: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            source(&path, visit);
        } else if path.extension() == Some(OsStr::new("rs")) && !path.ends_with("tests.rs") {
            visit(&fs::read_to_string(&path).expect("a source file"));
        }
    }
}
