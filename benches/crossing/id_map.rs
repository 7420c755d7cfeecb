//! The mapping and the id map alone, without orgs: what grows with the rows, and what does not.

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use compact_str::CompactString;
use orgferry::{
    pipeline::{
        expr::{Context, RunInfo, Vars},
        load,
        model::Only,
    },
    record::{Id, Outcome, Row, RowResult, Value},
    state::{LinkSet, Sqlite, StepRun, Store},
    transform::{BareMapping, Demand, Known, RowEnd},
};

use crate::{
    data::{FIELDS, credentials, pipeline},
    measure::own_time,
    on_disk,
    orgs::peak_memory,
};

/// Rows of a unit, as a run has them by default.
const UNIT: usize = 15_000;
/// Rows whose references are asked for together, as a run has them.
const BATCH: usize = 1_000;

/// A third of the rows are accounts, the others contacts that refer to any of them.
pub(crate) fn run(dir: &Path, rows: usize) -> Result<(), Box<dyn Error>> {
    std::fs::write(
        dir.join("credentials.yaml"),
        credentials("http://127.0.0.1:1", "http://127.0.0.1:2"),
    )?;
    let file = dir.join("bench.yaml");
    std::fs::write(&file, pipeline("none"))?;
    let loaded = load(&[file], None);
    let steps = &loaded.pipelines.first().ok_or("the pipeline is not valid")?.steps;
    let store = Sqlite::open(&dir.join(".orgferry/state.db"))?;
    println!(
        "{:>44} {:>9} {:>9} {:>8} {:>9} {:>8}",
        "rows", "rows/s", "CPU s", "µs/field", "bytes/row", "peak MB"
    );
    let (started, cpu) = (Instant::now(), own_time()?);
    let (vars, info) = (Vars::new(), RunInfo::default());
    let mut books: Vec<(StepRun, LinkSet)> = Vec::new();
    let mut done = 0;
    for (nth, step) in steps.iter().enumerate() {
        let count = if nth == 0 { rows / 3 } else { rows / 3 * 2 };
        let columns: Vec<&str> = step.columns.iter().map(|column| column.path.as_str()).collect();
        let mapping = BareMapping::new(step, Only::Create).mapping;
        let book = (
            store.begin_step("run", &step.name)?,
            store.link_set("bench", &step.name, "source", "target")?,
        );
        books.push(book);
        let mut known = Known::default();
        let mut results = Vec::with_capacity(UNIT);
        let mut at = 0;
        while at < count {
            let batch: Vec<Row> = (at..count.min(at + BATCH))
                .map(|n| {
                    columns
                        .iter()
                        .map(|column| cell(column, nth, n, rows / 3))
                        .collect()
                })
                .collect();
            let context = |row| Context {
                row,
                vars: &vars,
                run: &info,
                item: None,
                item_number: 0,
            };
            known.next_batch(50_000);
            for row in &batch {
                mapping.ask(&context(row), &known);
            }
            let (mut asked, mut ids) = (None, Vec::new());
            for demand in known.take_demands() {
                if let Demand::Ref { step, id } = demand {
                    asked = Some(step);
                    ids.push(id);
                }
            }
            if let Some(step) = asked {
                for (id, answer) in ids.iter().zip(store.refs(books[0].1, books[0].0, &ids)?) {
                    known.learn_ref(step, id, answer);
                }
            }
            for row in &batch {
                let RowEnd::Mapped(cells) = mapping.map(&context(row), &known, true) else {
                    return Err("a row was not mapped".into());
                };
                std::hint::black_box(cells);
                results.push(RowResult {
                    source_id: id(["001", "003"][nth], at),
                    target_id: Some(id(["001", "003"][nth], at * 7 + 1_000_000_007)),
                    outcome: Outcome::Created,
                    reason: None,
                });
                at += 1;
            }
            if results.len() >= UNIT || at == count {
                store.record(book.0, book.1, &results, &[])?;
                results.clear();
            }
            done += batch.len();
            // Ten lines in all.
            if done * 10 / rows > (done - batch.len()) * 10 / rows {
                let spent = own_time()?.saturating_sub(cpu);
                tell(done, started.elapsed(), spent, on_disk(dir));
            }
        }
    }
    let linked = store.linked(books[0].1)? + store.linked(books[1].1)?;
    match linked == (rows / 3 * 3) as u64 {
        true => Ok(()),
        false => Err(format!("{linked} of {rows} rows are linked").into()),
    }
}

fn tell(rows: usize, wall: Duration, cpu: Duration, bytes: u64) {
    println!(
        "{rows:>44} {:>9.0} {:>9.2} {:>8.2} {:>9.0} {:>8}",
        rows as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / (rows * FIELDS) as f64,
        bytes as f64 / rows as f64,
        peak_memory(std::process::id()) / 1000,
    );
}

/// A value for a column of the nth row.
fn cell(column: &str, step: usize, n: usize, accounts: usize) -> Value {
    match column {
        "Id" => Value::Text(id(["001", "003"][step], n)),
        // Any account: neighbours in the file are none in the id map.
        "AccountId" => Value::Text(id("001", n.wrapping_mul(2_654_435_761) % accounts.max(1))),
        "Industry" => Value::from(["Banking", "Energy", "Retail"][n % 3]),
        "LeadSource" => Value::from(["Web", "Other", "Partner Referral"][n % 3]),
        other => Value::text(format!("{other} {n:08}")),
    }
}

/// The nth Id of an object, 18 characters.
fn id(prefix: &str, mut n: usize) -> CompactString {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = *b"000000000000000";
    text[..3].copy_from_slice(prefix.as_bytes());
    for place in text[5..].iter_mut().rev() {
        *place = DIGITS[n % 62];
        n /= 62;
    }
    let id: Result<Id, _> = String::from_utf8_lossy(&text).parse();
    id.map_or_else(|_| CompactString::default(), |id| id.as_str().into())
}
