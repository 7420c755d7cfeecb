//! `orgferry fmt`, through the real binary.

use std::{fs, process::Stdio};

use crate::support::Ran;

fn orgferry(folder: &std::path::Path, args: &[&str]) -> Ran {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    Ran::new(output, args)
}

const ODD: &str = "# who\nversion:   1\nfrom: a   # b\nsteps:\n    s:\n        source: {object: Account}\n        target: { object: Account,   key: X__c }\n        copy: [ Name,Phone ]\n";
const GOOD: &str = "# who\nversion: 1\nfrom: a # b\nsteps:\n  s:\n    source: { object: Account }\n    target: { object: Account, key: X__c }\n    copy: [Name, Phone]\n";

#[test]
fn files_are_checked_shown_and_formatted() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    fs::write(folder.join("a.yaml"), ODD).expect("written");
    fs::write(folder.join("b.yaml"), GOOD).expect("written");
    let read = || fs::read_to_string(folder.join("a.yaml")).expect("text");

    let ran = orgferry(folder, &["fmt", "--check", "a.yaml", "b.yaml"]);
    assert_eq!(ran.exits(1).stdout, "a.yaml\n");
    let ran = orgferry(folder, &["fmt", "--diff", "a.yaml", "b.yaml"]);
    ran.exits(0);
    assert!(
        ran.stdout
            .starts_with("--- a.yaml\n+++ a.yaml\n@@ -1,8 +1,8 @@\n # who\n-version:   1\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(read(), ODD, "nothing was changed");

    orgferry(folder, &["fmt", "a.yaml", "b.yaml"])
        .exits(0)
        .says("1 of 2 files changed");
    assert_eq!(read(), GOOD);
    orgferry(folder, &["fmt", "--check", "a.yaml", "b.yaml"]).exits(0);
    assert_eq!(
        fs::read_dir(folder).expect("a folder").count(),
        2,
        "nothing is left behind"
    );
}

#[test]
fn a_broken_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "version: 1\nsteps: {{ x }}\n";
    fs::write(dir.path().join("a.yaml"), text).expect("written");
    let ran = orgferry(dir.path(), &["fmt", "a.yaml"]);
    ran.exits(2).says("a.yaml:2");
    assert_eq!(fs::read_to_string(dir.path().join("a.yaml")).expect("text"), text);
}
