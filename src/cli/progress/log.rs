use crate::event::{Event, PlannedStep};

use super::step_of;

/// Progress as log lines: constant messages, structured fields.
#[derive(Default)]
pub(in crate::cli) struct Log {
    steps: Vec<PlannedStep>,
}

impl Log {
    pub(in crate::cli) fn apply(&mut self, event: &Event) {
        let step = step_of(event)
            .and_then(|at| self.steps.get(at))
            .map_or("", |step| step.name.as_str());
        macro_rules! log {
            ($($rest:tt)*) => { tracing::info!(target: "orgferry::run", $($rest)*) };
        }
        match event {
            Event::SignedIn {
                credential,
                org_id,
                org_name,
                api_version,
            } => log!(credential, org_id, org_name, api_version, "signed in"),
            Event::Planned { steps } => {
                self.steps.clone_from(steps);
                for step in steps {
                    log!(
                        step = step.name,
                        source = step.source,
                        object = step.object,
                        operation = step.operation,
                        rows = step.total,
                        read = ?step.read,
                        write = ?step.write,
                        after = step.after.join(","),
                        "step planned"
                    );
                }
            }
            Event::StepStarted { .. } => log!(step, "step started"),
            Event::RowsRead { rows, .. } => log!(step, rows, "rows read"),
            Event::StepResumed { counts, .. } => log!(step, rows = counts.done(), "step resumed"),
            Event::Reattached { jobs, .. } => log!(step, jobs, "reattached"),
            Event::RowsSkipped { rows, .. } => log!(step, rows, "rows skipped"),
            Event::RowsEnded { counts, .. } => {
                let [created, updated, unchanged, deleted, filtered, parked] = counts.ended;
                log!(
                    step,
                    created,
                    updated,
                    unchanged,
                    deleted,
                    filtered,
                    parked,
                    "rows ended"
                );
            }
            Event::SecondPassStarted { rows, .. } => log!(step, rows, "second pass started"),
            Event::SecondPassRows { rows, .. } => log!(step, rows, "second pass rows written"),
            Event::Reparked { from, .. } => log!(step, from = from.as_str(), "row parked by the second pass"),
            Event::Retrying { rows, code, wait, .. } => {
                log!(step, rows, code, wait_seconds = wait.as_secs_f64(), "retrying");
            }
            Event::CursorRestarted { .. } => log!(step, "query cursor restarted"),
            Event::Checked { check, .. } => {
                log!(
                    step,
                    check = check.words,
                    place = check.place,
                    passed = check.passed,
                    found = check.found,
                    "checked"
                );
            }
            Event::StepEnded { counts, elapsed, .. } => {
                let [created, updated, unchanged, deleted, filtered, parked] = counts.ended;
                log!(
                    step,
                    read = counts.read,
                    created,
                    updated,
                    unchanged,
                    deleted,
                    filtered,
                    parked,
                    seconds = elapsed.as_secs_f64(),
                    "step ended"
                );
            }
            Event::Noted { text } => log!(note = text, "noted"),
            Event::Stopping => log!("stopping"),
        }
    }
}
