//! How fast rows cross by Bulk 2.0, and how fast they could: `cargo bench --bench crossing -- 300000`.
//!
//! A third of the rows are accounts, the others contacts, ten mapped fields each: copies, two templates, a table, a null,
//! on contacts a `ref`. Each emulated org is a process of its own. In the same run the floor: the same rows carried by
//! `curl`, nothing mapped. What counts is their ratio, for machines differ. `docs/performance.md` says what was found.
//!
//! - `--again` runs a second time over what is there; `--compare` also with `compare: target` and `compare: sent`.
//! - `--changes` loads with a `cursor` into another empty org, changes a hundredth of the source, and runs again.
//! - `--peers [ROWS]` measures SFDMU, simple-salesforce, CumulusCI and the Salesforce CLI on so many rows
//!   (default: all), installed as `tests/clients` does; without a network, where the kernel lets us.
//! - `--peer NAME` measures that one only.
//! - `--runs N` repeats floor and first load, each time into empty orgs, and takes the medians.
//! - `--id-map ROWS` runs the mapping and the id map alone, without orgs.
//! - `--keep` prints where the project lies and leaves it there.

#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

mod changes;
mod data;
mod floor;
mod id_map;
mod measure;
mod org;
#[path = "../orgs/mod.rs"]
mod orgs;
mod ours;
mod peers;

use std::{error::Error, fs, path::Path};

use measure::Figures;
use orgs::Orgs;

fn main() -> Result<(), Box<dyn Error>> {
    let asked = Asked::new(std::env::args().skip(1))?;
    if asked.peers.is_some() {
        peers::install()?;
        if let Some(status) = peers::offline()? {
            return match status.success() {
                true => Ok(()),
                false => Err(format!("the benchmark ended with {status}").into()),
            };
        }
    }
    let dir = tempfile::tempdir()?;
    if let Some(rows) = asked.id_map {
        return id_map::run(dir.path(), rows);
    }
    let rows = asked.rows;
    let src = start(dir.path(), "src", rows / 3)?;
    let src = src.urls["src"].as_str();
    println!("{}", Figures::head());
    let (mut floors, mut firsts) = (Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..asked.runs.max(1) {
        drop(last.take());
        let floor = start(dir.path(), "floor", 0)?;
        floors.push(told(floor::run(dir.path(), src, &floor.urls["floor"], rows)?));
        drop(floor);
        let _ = fs::remove_dir_all(dir.path().join(".orgferry"));
        let dst = start(dir.path(), "dst", 0)?;
        firsts.push(told(ours::run(
            dir.path(),
            "first load",
            &data::pipeline("none"),
            (src, &dst.urls["dst"]),
            rows,
        )?));
        last = Some(dst);
    }
    let (floor, first) = (median(floors), median(firsts));
    println!(
        "state on disk after the first load: {} bytes a row",
        on_disk(dir.path()) / rows as u64
    );
    let mut again = Vec::new();
    if let Some(dst) = &last {
        let both = (src, dst.urls["dst"].as_str());
        let mut run = |what: &str, compare: &str| -> Result<(), Box<dyn Error>> {
            let pipeline = data::pipeline(compare);
            again.push(told(ours::run(dir.path(), what, &pipeline, both, rows)?));
            Ok(())
        };
        if asked.again || asked.compare {
            run("again, every row upserted", "none")?;
        }
        if asked.compare {
            run("again, compare: target", "target")?;
            run("again, compare: sent, setting the marks", "sent")?;
            run("again, compare: sent", "sent")?;
        }
    }
    drop(last);
    let changes = match asked.changes {
        true => Some(changes::run(dir.path(), src, rows)?),
        false => None,
    };
    println!(
        "ratio of wall times, orgferry to floor: {:.2}",
        first.wall.as_secs_f64() / floor.wall.as_secs_f64()
    );
    if let Some(peer_rows) = asked.peers {
        let found = peers::run(dir.path(), peer_rows.unwrap_or(rows), asked.peer.as_deref())?;
        let fastest = again.iter().map(Figures::rate).reduce(f64::max);
        let ours = [
            ("orgferry's first load", true, Some(first.rate())),
            ("orgferry's fastest second run over all rows", false, fastest),
            (
                "orgferry by cursor, a hundredth has changed",
                false,
                changes.as_ref().map(Figures::rate),
            ),
        ];
        for peer in &found {
            let is_first = peer.what.ends_with("first load");
            for (what, of_first, rate) in &ours {
                if let (true, Some(rate)) = (*of_first == is_first, rate) {
                    println!(
                        "{:<44} {:>9.1} times as fast as {}",
                        what,
                        rate / peer.rate(),
                        peer.what
                    );
                }
            }
        }
    }
    if asked.keep {
        println!("{}", dir.keep().display());
    }
    Ok(())
}

/// An org in a process of its own.
fn start(dir: &Path, name: &str, accounts: usize) -> Result<Orgs, Box<dyn Error>> {
    Orgs::start(dir, &[(name, data::org(name, accounts))])
}

fn told(figures: Figures) -> Figures {
    println!("{}", figures.line());
    figures
}

fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by_key(|run| run.wall);
    runs.swap_remove(runs.len() / 2)
}

/// Bytes of the state.
fn on_disk(project: &Path) -> u64 {
    let files = fs::read_dir(project.join(".orgferry"))
        .into_iter()
        .flatten()
        .flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// What the command line asks for.
struct Asked {
    rows: usize,
    runs: usize,
    again: bool,
    compare: bool,
    changes: bool,
    keep: bool,
    id_map: Option<usize>,
    /// Whether peers are measured, and with how many rows.
    peers: Option<Option<usize>>,
    peer: Option<String>,
}

impl Asked {
    fn new(words: impl Iterator<Item = String>) -> Result<Asked, Box<dyn Error>> {
        let mut asked = Asked {
            rows: 99_999,
            runs: 1,
            again: false,
            compare: false,
            changes: false,
            keep: false,
            id_map: None,
            peers: None,
            peer: None,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let number = |word: &str| word.replace('_', "").parse::<usize>().ok();
            match word.as_str() {
                // What cargo adds.
                "--bench" => {}
                "--again" => asked.again = true,
                "--compare" => asked.compare = true,
                "--changes" => asked.changes = true,
                "--keep" => asked.keep = true,
                "--id-map" => {
                    let rows = words.next().and_then(|word| number(&word));
                    asked.id_map = Some(rows.ok_or("--id-map wants a number of rows")? / 3 * 3);
                }
                "--peers" => {
                    let rows = words.peek().and_then(|word| number(word));
                    rows.is_some().then(|| words.next());
                    asked.peers = Some(rows);
                }
                "--peer" => {
                    asked.peer = Some(words.next().ok_or("--peer wants a name")?);
                    asked.peers.get_or_insert(None);
                }
                "--runs" => {
                    asked.runs = words
                        .next()
                        .and_then(|word| number(&word))
                        .ok_or("--runs wants a number")?
                }
                word => asked.rows = number(word).ok_or_else(|| format!("`{word}` is no number of rows"))?,
            }
        }
        // A third are accounts.
        asked.rows = (asked.rows / 3).max(1) * 3;
        Ok(asked)
    }
}
