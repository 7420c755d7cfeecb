//! The floor: the pages of a Bulk 2.0 query, as they come, piped by curl into ingest jobs of the other org.

use std::{error::Error, fs, path::Path, process::Stdio, time::Instant};

use serde_json::json;

use crate::{
    data::PLAIN,
    measure::{Figures, arrived, calls, children_time},
    org::Org,
};

/// Accounts, then contacts, whose parents the target finds by their keys. Nothing is mapped, no result is read.
pub(crate) fn run(dir: &Path, src: &str, dst: &str, rows: usize) -> Result<Figures, Box<dyn Error>> {
    let orgs = [src, dst];
    let [source, target] = [Org::new("src", src), Org::new("floor", dst)];
    let (before, cpu) = (calls(orgs)?, children_time()?);
    let started = Instant::now();
    for (object, columns) in PLAIN {
        let query = json!({ "operation": "query", "query": format!("SELECT {columns} FROM {object}") });
        let job = source.make("query", &query)?;
        source.wait(&job)?;
        let mut loads = Vec::new();
        let mut page = format!("{job}/results");
        loop {
            let load = target.make_upsert(object)?;
            let next = pipe(dir, &source, &page, &target, &format!("{load}/batches"))?;
            target.close(&load)?;
            loads.push(load);
            match next {
                Some(locator) => page = format!("{job}/results?locator={locator}"),
                None => break,
            }
        }
        for load in loads {
            target.wait(&load)?;
        }
    }
    let wall = started.elapsed();
    let cpu = children_time()?.saturating_sub(cpu);
    let figures = Figures {
        what: "floor: pages piped by curl, nothing mapped".into(),
        rows,
        wall,
        cpu,
        peak: 0,
        calls: calls(orgs)? - before,
    };
    arrived(dst, rows)?;
    Ok(figures)
}

/// A page from one org into a job of the other; gives the locator of the next page.
fn pipe(
    dir: &Path,
    source: &Org<'_>,
    page: &str,
    target: &Org<'_>,
    load: &str,
) -> Result<Option<String>, Box<dyn Error>> {
    let headers = dir.join("headers");
    let mut down = source.curl(page);
    let mut down = down.arg("-D").arg(&headers).stdout(Stdio::piped()).spawn()?;
    let bytes = down.stdout.take().ok_or("no output")?;
    let mut up = target.curl(load);
    up.args([
        "-X",
        "PUT",
        "-H",
        "Content-Type: text/csv",
        "-H",
        "Expect:",
        "-T",
        "-",
    ]);
    let up = up.stdin(bytes).stdout(Stdio::null()).status()?;
    if !down.wait()?.success() || !up.success() {
        return Err(format!("a page from {page} did not get to {load}").into());
    }
    let headers = fs::read_to_string(&headers)?;
    let named = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sforce-locator")
            .then(|| value.trim().to_owned())
    });
    Ok(named.filter(|locator| locator != "null"))
}
