//! A run's events on their way to the screen: bars, lines, or log lines.

mod bars;
mod lines;
mod log;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use super::terminal::Terminal;
use crate::{
    event::{Counts, Event, PlannedStep},
    record::Outcome,
    report::{duration, grouped, plural, rate},
};

/// `--progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressKind {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// A bar for each step
    Bars,
    /// A line when a step begins and ends, and every few seconds
    Lines,
    /// Nothing until the end
    None,
}

/// Shows events.
pub(super) enum Progress {
    Bars(bars::Bars),
    Lines(lines::Lines, Arc<Terminal>),
    Log(log::Log),
    Nothing,
}

impl Progress {
    pub(super) fn new(kind: ProgressKind, terminal: &Arc<Terminal>) -> Self {
        match kind {
            ProgressKind::None => Progress::Nothing,
            _ if terminal.json() => Progress::Log(log::Log::default()),
            _ if terminal.quiet() => Progress::Nothing,
            ProgressKind::Bars => Progress::Bars(bars::Bars::new(terminal)),
            ProgressKind::Auto if terminal.draws() => Progress::Bars(bars::Bars::new(terminal)),
            ProgressKind::Auto | ProgressKind::Lines => {
                Progress::Lines(lines::Lines::default(), Arc::clone(terminal))
            }
        }
    }

    /// Shows what an event changes.
    pub(super) fn apply(&mut self, event: &Event) {
        match self {
            Progress::Bars(bars) => bars.apply(event),
            Progress::Lines(lines, terminal) => {
                for line in lines.apply(event, Instant::now()) {
                    terminal.say(&format!("{line}\n"));
                }
            }
            Progress::Log(log) => log.apply(event),
            Progress::Nothing => {}
        }
    }

    /// Takes the bars away: the table comes.
    pub(super) fn end(&mut self) {
        if let Progress::Bars(bars) = self {
            bars.end();
        }
    }
}

/// How a step stands, for all who show it.
#[derive(Clone, Debug)]
struct StepView {
    planned: PlannedStep,
    counts: Counts,
    begun: Option<Instant>,
    second_pass: Option<(u64, u64)>,
}

impl StepView {
    fn all(steps: &[PlannedStep]) -> Vec<StepView> {
        steps
            .iter()
            .map(|planned| StepView {
                planned: planned.clone(),
                counts: Counts::default(),
                begun: None,
                second_pass: None,
            })
            .collect()
    }

    /// Takes in an event of this step.
    fn apply(&mut self, event: &Event, now: Instant) {
        match event {
            Event::StepStarted { .. } => self.begun = Some(now),
            Event::RowsRead { rows, .. } => self.counts.read += rows,
            Event::RowsEnded { counts, .. } | Event::StepResumed { counts, .. } => self.counts.merge(counts),
            Event::RowsSkipped { rows, .. } => self.counts.read = self.counts.read.saturating_sub(*rows),
            Event::SecondPassStarted { rows, .. } => self.second_pass = Some((0, *rows)),
            Event::SecondPassRows { rows, .. } => {
                self.second_pass.get_or_insert((0, *rows)).0 += rows;
            }
            Event::Reparked { from, .. } => {
                let before = &mut self.counts.ended[*from as usize];
                *before = before.saturating_sub(1);
                self.counts.add(Outcome::Parked);
            }
            Event::StepEnded { counts, .. } => self.counts = *counts,
            _ => {}
        }
    }

    fn parked(&self) -> u64 {
        self.counts.of(Outcome::Parked)
    }

    fn rate(&self, now: Instant) -> Option<u64> {
        let begun = self.begun?;
        rate(self.counts.done(), now.duration_since(begun).as_secs_f64())
    }
}

/// The step that an event speaks of.
fn step_of(event: &Event) -> Option<usize> {
    match event {
        Event::StepStarted { step }
        | Event::RowsRead { step, .. }
        | Event::RowsEnded { step, .. }
        | Event::StepResumed { step, .. }
        | Event::Reattached { step, .. }
        | Event::RowsSkipped { step, .. }
        | Event::SecondPassStarted { step, .. }
        | Event::SecondPassRows { step, .. }
        | Event::Reparked { step, .. }
        | Event::Retrying { step, .. }
        | Event::CursorRestarted { step }
        | Event::Checked { step, .. }
        | Event::StepEnded { step, .. } => Some(*step),
        Event::SignedIn { .. } | Event::Planned { .. } | Event::Noted { .. } | Event::Stopping => None,
    }
}

/// `2,000 rows in 1.2 s: 1,900 created, 100 parked`.
fn ended(counts: &Counts, elapsed: Duration) -> String {
    let parts: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|outcome| counts.of(*outcome) > 0)
        .map(|outcome| format!("{} {}", grouped(counts.of(outcome)), outcome.as_str()))
        .collect();
    let head = format!(
        "{} in {}",
        plural(counts.read, "row"),
        duration(elapsed.as_secs_f64())
    );
    if parts.is_empty() {
        head
    } else {
        format!("{head}: {}", parts.join(", "))
    }
}

/// Who an org is: `Harbour HQ (00D...), API 66.0`.
fn org(org_id: &str, org_name: Option<&str>, api_version: &str) -> String {
    let mut text = match (org_name, org_id.is_empty()) {
        (Some(name), false) => format!("{name} ({org_id})"),
        (Some(name), true) => name.to_owned(),
        (None, _) => org_id.to_owned(),
    };
    if !api_version.is_empty() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str("API ");
        text.push_str(api_version);
    }
    text
}
