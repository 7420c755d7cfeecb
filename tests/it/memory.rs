//! What a run holds in memory does not grow with its rows. Linux only: the figures come from `/proc`.
#![cfg(target_os = "linux")]

use crate::{
    hostile::bounded,
    resume::{contacts, people, target},
    support::{Org, Project, runtime},
};

/// The most memory that a run of so many rows had, in KiB.
fn peak(rows: usize, read: &str, written: &str) -> u64 {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &people(rows));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write("c.yaml", &contacts("", read, written, ""));
    let (ran, peak) = bounded(&project, &["run", "c.yaml"]);
    ran.exits(0);
    assert_eq!(dst.emulator.count("Contact"), rows);
    peak
}

#[test]
fn memory_does_not_grow_with_rows() {
    for (read, written) in [
        (
            ", api: bulk",
            "key: Legacy_Id__c, api: bulk, batch_size: 2000, parallel: 2",
        ),
        (", api: rest", "key: Legacy_Id__c, api: rest, batch_size: 200"),
    ] {
        let few = peak(20_000, read, written);
        let many = peak(120_000, read, written);
        // Rows of this kind take some 400 bytes each: held, they would be 40 MB more. The state's cache grows to 8 MB.
        assert!(few > 10_000, "{few} KiB is no memory of a run");
        assert!(many < few + 16_000, "{written}: {few} KiB became {many} KiB");
    }
}
