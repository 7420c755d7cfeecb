//! What `validate` says of whole files. `tests/fixtures/wrong` holds a fault a file, `right` what must pass.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use orgferry::{
    diag::{Colour, Severity, render_json, render_text},
    pipeline::{Loaded, load, load_to_check, model::StatePlace},
};

use crate::types;

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/fixtures").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the fixtures' folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension() == Some(OsStr::new("yaml")))
        .collect();
    files.sort();
    files
}

fn findings(loaded: &Loaded) -> String {
    // Windows line ends would reach the snapshot by way of the snippets.
    render_text(&loaded.findings, &loaded.files, Colour::Off)
        .replace('\\', "/")
        .replace('\r', "")
}

#[test]
fn wrong_files_are_told_what_is_wrong() {
    let files = fixtures("wrong");
    assert!(files.len() >= 36, "{} files", files.len());
    for path in files {
        let loaded = load(std::slice::from_ref(&path), None);
        assert!(!loaded.findings.is_empty(), "{} passes", path.display());
        assert_eq!(
            loaded.pipelines.is_empty(),
            loaded.has_errors(),
            "{}",
            path.display()
        );
        for finding in &loaded.findings {
            assert!(
                !finding.primary.text.is_empty(),
                "{}: a place without words",
                path.display()
            );
            assert_eq!(loaded.files.path(finding.primary.span.file), path);
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("wrong__{name}"), findings(&loaded));
        });
    }
}

#[test]
fn right_files_pass_without_a_word() {
    let files = fixtures("right");
    assert!(files.len() >= 10, "{} files", files.len());
    for path in &files {
        let loaded = load(std::slice::from_ref(path), None);
        assert_eq!(findings(&loaded), "", "{}", path.display());
        let credentials = path.to_string_lossy().contains("credentials_");
        assert_eq!(
            loaded.pipelines.len(),
            usize::from(!credentials),
            "{}",
            path.display()
        );
    }
    let loaded = load(&[PathBuf::from("tests/fixtures/right")], None);
    assert_eq!(loaded.pipelines.len() + 1, files.len());
}

#[test]
fn faults_of_several_files_come_together_and_each_once() {
    let project = PathBuf::from("tests/fixtures/project");
    let loaded = load(&[project.join("pipelines")], None);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("project", findings(&loaded));
    });
    let names: Vec<&str> = loaded
        .pipelines
        .iter()
        .map(|pipeline| pipeline.name.as_str())
        .collect();
    assert_eq!(names, Vec::<&str>::new(), "their project file is wrong");
    let json = render_json(&loaded.findings, &loaded.files);
    let errors = loaded
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .count();
    assert_eq!(json["errors"], errors);
    assert_eq!(
        json["findings"].as_array().map(Vec::len),
        Some(loaded.findings.len())
    );
}

#[test]
fn environments_change_credentials_vars_and_policy() {
    let path = [PathBuf::from("tests/fixtures/environments/pipelines/orders.yaml")];
    let plain = load(&path, None);
    assert_eq!(findings(&plain), "");
    let uat = load(&path, Some("uat"));
    assert_eq!(findings(&uat), "");
    let url = |loaded: &Loaded| loaded.pipelines[0].credentials.named["hq"].url.clone();
    assert_eq!(url(&plain), "https://hq.example.com");
    assert_eq!(url(&uat), "https://hq--uat.example.com");
    let region = |loaded: &Loaded| {
        let none = |_: &str| None;
        orgferry::pipeline::apply_vars(&loaded.pipelines[0], &[], &none).expect("vars")["region"].clone()
    };
    assert_eq!(region(&plain), "HQ".into());
    assert_eq!(region(&uat), "UAT".into());
    assert_eq!(plain.pipelines[0].policy_of("orders"), (10.0, 7));
    assert_eq!(uat.pipelines[0].policy_of("orders"), (0.5, 7));
    let budget = |loaded: &Loaded| loaded.pipelines[0].steps[0].policy.budget;
    assert_eq!(budget(&plain), orgferry::pipeline::model::Budget::Share(60.0));
    assert_eq!(budget(&uat), orgferry::pipeline::model::Budget::Calls(5000));
    let StatePlace::Sqlite(state) = &plain.pipelines[0].state else {
        panic!("{:?}", plain.pipelines[0].state)
    };
    assert!(state.ends_with("run/state.db"));

    let unknown = load(&path, Some("uatt"));
    assert_eq!(unknown.findings.len(), 1);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("unknown_environment", findings(&unknown));
    });
}

trait PolicyOf {
    fn policy_of(&self, step: &str) -> (f64, u32);
}

impl PolicyOf for orgferry::pipeline::Pipeline {
    /// The share at which a step stops, and how often it tries.
    fn policy_of(&self, step: &str) -> (f64, u32) {
        let step = self.steps.iter().find(|s| s.name == step).expect("the step");
        (step.policy.stop_failed_percent, step.policy.attempts)
    }
}

#[test]
fn a_path_that_leads_nowhere_is_a_finding() {
    let loaded = load(&[PathBuf::from("tests/fixtures/nowhere.yaml")], None);
    assert_eq!(loaded.findings.len(), 1);
    assert_eq!(loaded.findings[0].code, "unreadable-file");
    assert!(loaded.has_errors());
}

#[test]
fn environments_that_lack_what_pipelines_use_are_told_once() {
    let path = [PathBuf::from("tests/fixtures/lacking/pipelines")];
    let loaded = load_to_check(&path, None);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("lacking", findings(&loaded));
    });
    assert_eq!(loaded.pipelines.len(), 2, "both can run in the usual environment");
    // A run is not held up by an environment that it does not run in.
    assert_eq!(findings(&load(&path, None)), "");
    // In the environment itself it is an error.
    let uat = load_to_check(&path, Some("uat"));
    assert!(uat.has_errors());
    assert!(
        uat.findings
            .iter()
            .all(|finding| finding.code == "unknown-credential")
    );
}

/// Codes that no file with a fault can show, and why.
const NOT_OF_A_FILE: &[(&str, &str)] = &[
    (
        "unknown-environment",
        "of `--env`: shown by `environments_change_credentials_vars_and_policy`",
    ),
    (
        "not-classified",
        "of an org that does not tell: shown by `types::an_org_that_does_not_tell_what_it_classifies_is_told_once`",
    ),
    (
        "drift-changed-field",
        "of an org that has changed: shown by `types::drift_is_told_by_policy`",
    ),
    (
        "drift-new-field",
        "of an org that has changed: shown by `types::drift_is_told_by_policy`",
    ),
    (
        "drift-picklist",
        "of an org that has changed: shown by `types::drift_is_told_by_policy`",
    ),
    (
        "drift-removed-field",
        "of an org that has changed: shown by `types::drift_is_told_by_policy`",
    ),
];

#[test]
fn every_code_has_a_file_that_shows_it_as_the_manual_says() {
    let schemas = types::locks();
    let mut shown: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut note = |found: &[orgferry::diag::Finding]| {
        for finding in found {
            let letter = if finding.severity == Severity::Error {
                "E"
            } else {
                "W"
            };
            shown.insert((finding.code.to_owned(), letter));
        }
    };
    for path in fixtures("wrong") {
        note(&load(&[path], None).findings);
    }
    for path in types::fixtures("wrong") {
        note(&types::checked(&path, &schemas).0);
    }
    note(&load_to_check(&[PathBuf::from("tests/fixtures/lacking/pipelines")], None).findings);
    let mut wanted: BTreeSet<(String, &str)> = BTreeSet::new();
    for (code, letters) in types::listed() {
        let excused = NOT_OF_A_FILE.iter().any(|(excused, _)| *excused == code);
        let is_shown = shown.iter().any(|(shown, _)| *shown == code);
        assert!(!excused || !is_shown, "`{code}` needs no excuse any more");
        for letter in ["E", "W"]
            .into_iter()
            .filter(|letter| !excused && letters.contains(*letter))
        {
            wanted.insert((code.clone(), letter));
        }
    }
    let missing: Vec<_> = wanted.difference(&shown).collect();
    assert_eq!(missing, Vec::<&(String, &str)>::new(), "shown by no file");
    let surplus: Vec<_> = shown.difference(&wanted).collect();
    assert_eq!(
        surplus,
        Vec::<&(String, &str)>::new(),
        "of another severity than the manual says"
    );
}
