//! Disks without room and folders that cannot be written: a clear error, and a run that goes on when there is room.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::{Org, Project, Ran, runtime};

const PIPELINE: &str = "version: 1\nfrom: src\nto: dst\nsteps:\n  people:\n    source: { object: Contact }\n    target: { key: Legacy_Id__c, api: API, batch_size: 100 }\n    copy: [LastName, Description]\n    map: { Legacy_Id__c: Id }\n";

const ROWS: usize = 1_500;

/// Two orgs, and a project whose state stands in the folder `room`.
fn stage(runtime: &tokio::runtime::Runtime, api: &str) -> (Org, Org, Project) {
    let src = Org::start(
        runtime,
        "src",
        &format!(
            "seed: 3\nrecords:\n  - object: Contact\n    generate:\n      count: {ROWS}\n      fields: {{ LastName: \"P{{n}}\", Description: {{ text: {{}} }} }}\n"
        ),
    );
    let dst = Org::start(
        runtime,
        "dst",
        "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: { type: Text(40), external_id: true, unique: true, case_sensitive: true }\n",
    );
    let project = Project::new(&src, &dst);
    project.write("people.yaml", &PIPELINE.replace("API", api));
    project.write("orgferry.yaml", "version: 1\nstate: { sqlite: room/state.db }\n");
    std::fs::create_dir(project.path("room")).expect("a folder");
    (src, dst, project)
}

/// Runs a shell script in the project, with `$0` the command and `$1` the room.
fn shell(project: &Project, before: &[&str], script: &str) -> Output {
    // The environment of the command itself: the orgs' secrets and nothing else.
    let as_is = project.command(&[]);
    let mut command = match before {
        [] => Command::new("sh"),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg("sh");
            command
        }
    };
    command
        .arg("-c")
        .arg(script)
        .arg(as_is.get_program())
        .arg(project.path("room"))
        .current_dir(project.path(""))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in as_is.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.output().expect("a shell")
}

/// Every row is there, once.
fn all_there(dst: &Org) {
    assert_eq!(dst.dump("Contact", "LastName").len(), ROWS);
}

/// A limit on the size of files stands for a quota: the write fails, and says so.
#[test]
fn a_run_that_may_not_write_on_goes_on_later() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let (_src, dst, project) = stage(&runtime, api);
        // Blocks of 512 bytes; the signal is ignored, so that the write itself fails.
        let script = "trap '' XFSZ; ulimit -f 400; exec \"$0\" run people.yaml";
        let ran = Ran::new(shell(&project, &[], script), &["run", "people.yaml"]);
        ran.exits(1)
            .says("room/state.db")
            .says("a limit on the size of files")
            .says("help: make room");
        let there = dst.emulator.count("Contact");
        assert!(there < ROWS, "{api}: the limit was met");
        project.run(&["resume", "last"]).exits(0);
        all_there(&dst);
    }
}

#[test]
fn a_full_disk_ends_a_run_that_goes_on_later() {
    // A file system of its own needs rights that not every machine gives.
    let unshare = [&["unshare", "-m"][..], &["unshare", "-rm"][..]]
        .into_iter()
        .find(|words| {
            let mount = Command::new(words[0])
                .args(&words[1..])
                .args(["sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"])
                .output();
            mount.is_ok_and(|output| output.status.success())
        });
    let Some(unshare) = unshare else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let (_src, dst, project) = stage(&runtime, api);
        let script = "mount -t tmpfs -o size=300k tmpfs \"$1\" && { \"$0\" run people.yaml; echo \"code $?\" >&2; mount -o remount,size=64m \"$1\" && exec \"$0\" resume last; }";
        let ran = Ran::new(shell(&project, unshare, script), &["run", "people.yaml"]);
        ran.exits(0)
            .says("code 1")
            .says("the disk is full")
            .says("room/state.db");
        all_there(&dst);
    }
}

/// Nothing is sent when nothing can be written down.
#[test]
fn a_folder_that_cannot_be_written_stops_a_run_before_it_begins() {
    let runtime = runtime();
    let (_src, dst, project) = stage(&runtime, "rest");
    let room = project.path("room");
    // A file where the folder should be: who runs tests as root may write into any folder.
    std::fs::remove_dir(&room).expect("it is empty");
    std::fs::write(&room, "").expect("a file");
    project
        .run(&["run", "people.yaml"])
        .exits(1)
        .says("room/state.db")
        .says("help: ");
    assert_eq!(dst.emulator.count("Contact"), 0);
    std::fs::remove_file(&room).expect("it is there");
    damaged(&project, &dst, &project.path("room/state.db"));
}

/// A state that is damaged, of another program or of a newer orgferry is refused, and left as it is.
fn damaged(project: &Project, dst: &Org, state: &Path) {
    project.run(&["run", "people.yaml"]).exits(0);
    let good = std::fs::read(state).expect("the state");
    let calls = dst.emulator.request_log().len();
    let mut torn = good.clone();
    torn[100..].fill(0xff);
    // The version that SQLite keeps for its users stands at byte 60.
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&999_u32.to_be_bytes());
    for (bytes, words) in [
        (torn, "the database is damaged"),
        (newer, "has version 999"),
        (b"no database".repeat(90), "it is not an SQLite database"),
    ] {
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", state.display()));
        }
        std::fs::write(state, &bytes).expect("it can be written");
        for args in [&["run", "people.yaml"][..], &["resume", "last"], &["runs"]] {
            project.run(args).exits(1).says(words).says("help: ");
        }
        assert_eq!(std::fs::read(state).expect("the state"), bytes, "{words}");
    }
    assert_eq!(dst.emulator.request_log().len(), calls, "nothing was sent");
    std::fs::write(state, good).expect("it can be written");
    project.run(&["runs"]).exits(0);
}
