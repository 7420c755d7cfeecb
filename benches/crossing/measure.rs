//! What a run took: time, processor time, memory, calls. Linux only: the figures come from `/proc`.

use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{data::FIELDS, orgs::peak_memory};

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) what: String,
    pub(crate) rows: usize,
    pub(crate) wall: Duration,
    /// User and system time of the process and of those that it started.
    pub(crate) cpu: Duration,
    /// In kB; 0 where it says nothing.
    pub(crate) peak: u64,
    /// Counted by both orgs.
    pub(crate) calls: u64,
}

impl Figures {
    pub(crate) fn rate(&self) -> f64 {
        self.rows as f64 / self.wall.as_secs_f64()
    }

    pub(crate) fn head() -> String {
        format!(
            "{:<44} {:>9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>7}",
            "", "rows", "wall s", "rows/s", "CPU s", "µs/field", "peak MB", "calls"
        )
    }

    pub(crate) fn line(&self) -> String {
        let peak = match self.peak {
            0 => "-".to_owned(),
            kb => (kb / 1000).to_string(),
        };
        let a_field = self.cpu.as_secs_f64() * 1e6 / (self.rows * FIELDS) as f64;
        format!(
            "{:<44} {:>9} {:>9.2} {:>9.0} {:>8.2} {:>9.2} {:>8} {:>7}",
            self.what,
            self.rows,
            self.wall.as_secs_f64(),
            self.rate(),
            self.cpu.as_secs_f64(),
            a_field,
            peak,
            self.calls
        )
    }
}

/// Processor time of the children that have ended so far, and of theirs.
pub(crate) fn children_time() -> Result<Duration, Box<dyn Error>> {
    ticks(13)
}

/// Processor time of this process.
pub(crate) fn own_time() -> Result<Duration, Box<dyn Error>> {
    ticks(11)
}

/// User and system time, from this field on behind the name: that stands in parentheses, and may hold spaces.
fn ticks(at: usize) -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields
        .skip(at)
        .take(2)
        .filter_map(|t| t.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Runs a command to its good end; gives wall time, processor time and the most memory that it had.
pub(crate) fn watched(command: &mut Command) -> Result<(Duration, Duration, u64), Box<dyn Error>> {
    let before = children_time()?;
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = started.elapsed();
    if !status.success() {
        let said = child.wait_with_output()?.stderr;
        return Err(format!(
            "{command:?} ended with {status}: {}",
            String::from_utf8_lossy(&said)
        )
        .into());
    }
    Ok((wall, children_time()?.saturating_sub(before), peak))
}

/// What an org says of itself.
pub(crate) fn status(url: &str) -> Result<Value, Box<dyn Error>> {
    let said = Command::new("curl")
        .args(["-sS", "--fail", &format!("{url}/emulator/status")])
        .output()?;
    Ok(serde_json::from_slice(&said.stdout)?)
}

/// The calls that both orgs have counted so far.
pub(crate) fn calls(orgs: [&str; 2]) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for url in orgs {
        sum += status(url)?["counters"]["api_calls"]
            .as_u64()
            .ok_or("no counter")?;
    }
    Ok(sum)
}

/// Whether all rows are in an org.
pub(crate) fn arrived(url: &str, rows: usize) -> Result<(), Box<dyn Error>> {
    let records = &status(url)?["records"];
    let there = ["Account", "Contact"].map(|object| records[object].as_u64().unwrap_or_default());
    if there.iter().sum::<u64>() == rows as u64 {
        return Ok(());
    }
    Err(format!("of {rows} rows {there:?} accounts and contacts are in the target").into())
}
