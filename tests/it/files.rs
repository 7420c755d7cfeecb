//! Every file in `pipelines/` and `examples/` is a test: it is valid, and its own mapping tests pass.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use orgferry::emulator::{Emulator, OrgFile};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder)
            .expect("the folder can be read")
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    found
}

fn is_org(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".org.yaml")
}

fn orgferry(args: &[&str], file: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .args(args)
        .arg(file)
        .env_clear()
        .output()
        .expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn org_files_can_be_used() {
    let mut files: Vec<_> = yaml("examples").into_iter().filter(|f| is_org(f)).collect();
    assert!(files.len() >= 3, "{files:?}");
    let dir = tempfile::tempdir().expect("a folder");
    let page = std::fs::read_to_string(root().join("docs/emulator.md")).expect("the page can be read");
    for (at, block) in page.split("```yaml\n").skip(1).enumerate() {
        let path = dir.path().join(format!("{at}.org.yaml"));
        let text = block.split("```").next().expect("a block ends");
        std::fs::write(&path, text).expect("a file can be written");
        files.push(path);
    }
    assert!(files.len() >= 4, "the page has no org file");
    for file in files {
        let mut org = match OrgFile::load(&file) {
            Ok(org) => org,
            Err(error) => panic!("{error}"),
        };
        // The port of the file may be somebody's.
        org.port = None;
        if let Err(error) = Emulator::start(org, 0).await {
            panic!("{}: {error}", file.display());
        }
    }
}

#[test]
fn pipelines_and_examples_are_valid_and_their_tests_pass() {
    let mut seen = 0;
    for file in yaml("pipelines").into_iter().chain(yaml("examples")) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if is_org(&file) || name == "guide-refused.yaml" {
            continue;
        }
        seen += 1;
        let (code, text) = orgferry(&["validate"], &file);
        assert_eq!(code, Some(0), "{name}\n{text}");
        if !name.contains("credentials") {
            let (code, text) = orgferry(&["test"], &file);
            assert_eq!(code, Some(0), "{name}\n{text}");
        }
    }
    assert!(seen >= 3);
}

#[test]
fn the_guide_s_twin_is_refused() {
    let file = root().join("examples/guide-refused.yaml");
    let (code, text) = orgferry(&["validate"], &file);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("access-refused") && text.contains("EC_Org1.EC_Principal"),
        "{text}"
    );
    let (code, text) = orgferry(&["run"], &file);
    assert_eq!(code, Some(3), "{text}");
}
