//! Other tools over the same rows, each as its own documentation has it, by `peers.py`.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    data::{KEY, token},
    measure::{Figures, calls, status},
    start, told,
};

/// Tools, and whether they are also run a second time over what is there.
const PEERS: [(&str, bool); 4] = [
    ("sfdmu", true),
    ("simple-salesforce", true),
    ("cumulusci", false),
    ("salesforce-cli", true),
];

/// Set when the benchmark runs without a network.
const OFFLINE: &str = "ORGFERRY_BENCH_OFFLINE";

/// Where `tests/clients` installs them.
fn clients() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("clients")
}

/// Installs them where they are missing.
pub(crate) fn install() -> Result<(), Box<dyn Error>> {
    if std::env::var_os(OFFLINE).is_some() {
        return Ok(());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/install.sh");
    match Command::new(script).status()?.success() {
        true => Ok(()),
        false => Err("the clients could not be installed".into()),
    }
}

/// Runs the whole benchmark anew where there is no network, if the kernel lets us: a tool that calls home finds nobody.
/// `None`: go on here.
pub(crate) fn offline() -> Result<Option<ExitStatus>, Box<dyn Error>> {
    let alone = ["-rn", "ip", "link", "set", "lo", "up"];
    let can = || Command::new("unshare").args(alone).stderr(Stdio::null()).status();
    if std::env::var_os(OFFLINE).is_some() || !can().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", "ip link set lo up && exec \"$@\"", "offline"]);
    command
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1));
    Ok(Some(command.env(OFFLINE, "1").status()?))
}

/// Measures all of them, or one.
pub(crate) fn run(dir: &Path, rows: usize, only: Option<&str>) -> Result<Vec<Figures>, Box<dyn Error>> {
    let rows = (rows / 3).max(1) * 3;
    let source = start(dir, "src", rows / 3)?;
    let mut found = Vec::new();
    for (peer, again) in PEERS {
        if only.is_some_and(|only| only != peer) {
            continue;
        }
        let target = start(dir, "dst", 0)?;
        for what in ["first load", "again"].into_iter().take(1 + usize::from(again)) {
            let urls = [source.urls["src"].as_str(), target.urls["dst"].as_str()];
            match one(peer, what, urls, rows) {
                Ok(figures) => found.push(told(figures)),
                // One that breaks does not take the others with it.
                Err(error) => println!("{peer}, {what}: {error}"),
            }
        }
    }
    Ok(found)
}

fn one(peer: &str, what: &str, urls: [&str; 2], rows: usize) -> Result<Figures, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clients = clients();
    let home = tempfile::tempdir()?;
    let before = calls(urls)?;
    let said = Command::new(clients.join("py/bin/python"))
        .arg(here.join("benches/crossing/peers.py"))
        .args([peer, what])
        .env("HOME", home.path())
        .env("CLIENTS", &clients)
        .env("PYTHONPATH", here.join("tests/clients/suites"))
        .env("KEY_FIELD", KEY)
        .env("SRC_URL", urls[0])
        .env("SRC_TOKEN", token("src"))
        .env("DST_URL", urls[1])
        .env("DST_TOKEN", token("dst"))
        .output()?;
    if !said.status.success() {
        let end = String::from_utf8_lossy(&said.stderr);
        let end = end.trim().lines().rev().take(12).collect::<Vec<_>>();
        return Err(end.into_iter().rev().collect::<Vec<_>>().join("\n").into());
    }
    let line = String::from_utf8_lossy(&said.stdout);
    let told: Value = serde_json::from_str(line.trim().lines().last().unwrap_or_default())?;
    let seconds = |key: &str| Duration::from_secs_f64(told[key].as_f64().unwrap_or_default());
    let there = &status(urls[1])?["records"];
    let there: u64 = ["Account", "Contact"]
        .iter()
        .filter_map(|object| there[object].as_u64())
        .sum();
    if there != rows as u64 {
        return Err(format!("{there} of {rows} rows arrived").into());
    }
    Ok(Figures {
        what: format!("{peer}: {what}"),
        rows,
        wall: seconds("wall"),
        cpu: seconds("cpu"),
        peak: told["peak_kb"].as_u64().unwrap_or_default(),
        calls: calls(urls)? - before,
    })
}
