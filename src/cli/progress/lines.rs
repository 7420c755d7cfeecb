use std::time::{Duration, Instant};

use super::{StepView, ended, org, step_of};
use crate::{
    event::{Event, Road},
    report::{duration, grouped, plural},
};

/// At most one line a step in this time, so that a log of a build stays readable.
const PERIOD: Duration = Duration::from_secs(5);

/// Progress as plain lines.
#[derive(Default)]
pub(in crate::cli) struct Lines {
    steps: Vec<(StepView, Option<Instant>)>,
}

impl Lines {
    /// The lines that an event is worth.
    pub(in crate::cli) fn apply(&mut self, event: &Event, now: Instant) -> Vec<String> {
        if let Some((view, said)) = step_of(event).and_then(|at| self.steps.get_mut(at)) {
            view.apply(event, now);
            return step_line(view, said, event, now).into_iter().collect();
        }
        match event {
            Event::SignedIn {
                credential,
                org_id,
                org_name,
                api_version,
            } => {
                let who = org(org_id, org_name.as_deref(), api_version);
                vec![if who.is_empty() {
                    format!("signed in to {credential}")
                } else {
                    format!("signed in to {credential}: {who}")
                }]
            }
            Event::Planned { steps } => {
                self.steps = StepView::all(steps)
                    .into_iter()
                    .map(|view| (view, None))
                    .collect();
                Vec::new()
            }
            Event::Noted { text } => vec![format!("note: {text}")],
            Event::Stopping => vec!["finishing what is in flight".to_owned()],
            _ => Vec::new(),
        }
    }
}

fn step_line(view: &StepView, said: &mut Option<Instant>, event: &Event, now: Instant) -> Option<String> {
    let name = &view.planned.name;
    let line = match event {
        Event::StepStarted { .. } => {
            let rows = view
                .planned
                .total
                .map_or_else(|| "rows".to_owned(), |total| plural(total, "row"));
            let (read, write) = (by(view.planned.read), by(view.planned.write));
            let object = &view.planned.object;
            let does = match view.planned.operation {
                "match" => format!("finding {object}"),
                "delete" | "hard_delete" => format!("deleting {object} by {write}"),
                _ => format!("writing {object} by {write}"),
            };
            Some(format!(
                "{name}: reading {rows} of {} by {read}, {does}",
                view.planned.source
            ))
        }
        Event::StepEnded { counts, elapsed, .. } => {
            Some(format!("{name}: done, {}", ended(counts, *elapsed)))
        }
        Event::StepResumed { counts, .. } => Some(format!(
            "{name}: {} done before, going on",
            plural(counts.done(), "row")
        )),
        Event::Reattached { jobs, .. } if *jobs > 0 => Some(format!(
            "{name}: asking what has become of {}",
            plural(*jobs, "Bulk job")
        )),
        Event::SecondPassStarted { rows, .. } => Some(format!(
            "{name}: second pass for {} of {}",
            view.planned.second_pass.join(", "),
            plural(*rows, "row")
        )),
        Event::Retrying { rows, code, wait, .. } => Some(format!(
            "{name}: {} sent again in {} after {code}",
            plural(*rows, "row"),
            duration(wait.as_secs_f64())
        )),
        Event::CursorRestarted { .. } => Some(format!(
            "{name}: the query's cursor has expired, reading on from its place"
        )),
        Event::Checked { check, .. } => Some(format!(
            "{name}: check {}: {}: {}",
            check.words,
            if check.passed { "passed" } else { "failed" },
            check.found
        )),
        Event::RowsEnded { .. } | Event::SecondPassRows { .. } => {
            let due = said.is_some_and(|last| now.duration_since(last) >= PERIOD);
            due.then(|| under_way(view, now))
        }
        _ => None,
    };
    if line.is_some() {
        *said = Some(now);
    }
    line
}

fn under_way(view: &StepView, now: Instant) -> String {
    let mut line = match (view.second_pass, view.planned.total) {
        (Some((done, total)), _) => {
            return format!(
                "{}: second pass, {} of {}",
                view.planned.name,
                grouped(done),
                plural(total, "row")
            );
        }
        (None, Some(total)) => format!(
            "{}: {} of {} done",
            view.planned.name,
            grouped(view.counts.done()),
            plural(total, "row")
        ),
        (None, None) => format!(
            "{}: {} done",
            view.planned.name,
            plural(view.counts.done(), "row")
        ),
    };
    if view.parked() > 0 {
        line.push_str(&format!(", {} parked", grouped(view.parked())));
    }
    if let Some(rate) = view.rate(now) {
        line.push_str(&format!(", {} rows/s", grouped(rate)));
    }
    line
}

fn by(road: Road) -> &'static str {
    match road {
        Road::Rest => "REST",
        Road::Bulk => "Bulk 2.0",
        Road::Http => "HTTP",
        Road::File => "file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Counts, PlannedStep},
        record::Outcome,
    };

    fn plan() -> Event {
        Event::Planned {
            steps: vec![PlannedStep {
                name: "accounts".into(),
                source: "Account".into(),
                object: "Account".into(),
                operation: "upsert",
                total: Some(2000),
                since: None,
                read: Road::Rest,
                write: Road::Bulk,
                second_pass: vec!["ParentId".into()],
                after: Vec::new(),
            }],
        }
    }

    fn rows(created: u64, parked: u64) -> Event {
        let mut counts = Counts::default();
        counts.ended[Outcome::Created as usize] = created;
        counts.ended[Outcome::Parked as usize] = parked;
        Event::RowsEnded { step: 0, counts }
    }

    #[test]
    fn a_run_is_a_few_lines() {
        let begun = Instant::now();
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for (second, event) in [
            (
                0,
                Event::SignedIn {
                    credential: "hq".into(),
                    org_id: "00D000000000001AAA".into(),
                    org_name: Some("Harbour HQ".into()),
                    api_version: "66.0".into(),
                },
            ),
            (0, plan()),
            (0, Event::StepStarted { step: 0 }),
            (1, rows(200, 0)),
            (4, rows(200, 1)),
            (5, rows(200, 1)),
            (6, rows(200, 0)),
            (
                7,
                Event::Retrying {
                    step: 0,
                    rows: 1,
                    code: "UNABLE_TO_LOCK_ROW".into(),
                    wait: Duration::from_millis(1500),
                },
            ),
            (13, rows(1198, 0)),
            (14, Event::SecondPassStarted { step: 0, rows: 900 }),
            (20, Event::SecondPassRows { step: 0, rows: 400 }),
            (
                21,
                Event::Reparked {
                    step: 0,
                    from: Outcome::Created,
                },
            ),
            (
                22,
                Event::StepEnded {
                    step: 0,
                    counts: Counts {
                        read: 2000,
                        ended: [1997, 0, 0, 0, 0, 3],
                    },
                    elapsed: Duration::from_secs(22),
                },
            ),
            (22, Event::Stopping),
        ] {
            all.extend(lines.apply(&event, begun + Duration::from_secs(second)));
        }
        insta::assert_snapshot!(all.join("\n"));
    }
}
