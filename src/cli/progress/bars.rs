use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize;

use super::{StepView, ended, org, step_of};
use crate::{
    cli::terminal::Terminal,
    event::Event,
    report::{duration, grouped},
};

/// A bar for each step.
pub(in crate::cli) struct Bars {
    all: MultiProgress,
    terminal: Arc<Terminal>,
    colour: bool,
    steps: Vec<(StepView, ProgressBar)>,
    width: usize,
}

impl Bars {
    pub(in crate::cli) fn new(terminal: &Arc<Terminal>) -> Self {
        let all = terminal.bars().clone();
        all.set_draw_target(ProgressDrawTarget::stderr_with_hz(12));
        Bars {
            all,
            terminal: Arc::clone(terminal),
            colour: terminal.colours_stderr(),
            steps: Vec::new(),
            width: 0,
        }
    }

    pub(in crate::cli) fn apply(&mut self, event: &Event) {
        match event {
            Event::SignedIn {
                credential,
                org_id,
                org_name,
                api_version,
            } => {
                let who = org(org_id, org_name.as_deref(), api_version);
                self.terminal
                    .say(&format!("{} {credential}  {who}\n", "signed in to".dimmed()));
            }
            Event::Planned { steps } => self.plan(StepView::all(steps)),
            _ => {
                let now = Instant::now();
                let (width, colour) = (self.width, self.colour);
                if let Some((view, bar)) = step_of(event).and_then(|at| self.steps.get_mut(at)) {
                    view.apply(event, now);
                    show(view, bar, event, now, &Look { width, colour });
                }
            }
        }
    }

    pub(in crate::cli) fn end(&mut self) {
        for (_, bar) in self.steps.drain(..) {
            bar.finish_and_clear();
        }
        // A terminal that takes no cursor movements keeps the last picture, which is no lie.
        let _ = self.all.clear();
        self.all.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn plan(&mut self, steps: Vec<StepView>) {
        self.width = steps
            .iter()
            .map(|s| s.planned.name.chars().count())
            .max()
            .unwrap_or(0);
        let look = Look {
            width: self.width,
            colour: self.colour,
        };
        self.steps = steps
            .into_iter()
            .map(|view| {
                let bar = self.all.add(ProgressBar::new(view.planned.total.unwrap_or(0)));
                bar.set_style(look.waiting());
                bar.set_prefix(view.planned.name.clone());
                bar.set_message(if view.planned.after.is_empty() {
                    "about to start".to_owned()
                } else {
                    format!("waits for {}", view.planned.after.join(", "))
                });
                bar.tick();
                (view, bar)
            })
            .collect();
    }
}

fn show(view: &StepView, bar: &ProgressBar, event: &Event, now: Instant, look: &Look) {
    match event {
        Event::StepStarted { .. } => {
            bar.set_style(look.running(view.planned.total));
            bar.reset_elapsed();
            bar.set_message("");
            // The clock goes on while an org thinks.
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Event::SecondPassStarted { rows, .. } => {
            bar.set_style(look.running(Some(*rows)));
            bar.set_length(*rows);
            bar.set_position(0);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar.set_message(format!("second pass for {}", view.planned.second_pass.join(", ")));
        }
        Event::SecondPassRows { .. } => bar.set_position(view.second_pass.map_or(0, |(done, _)| done)),
        Event::RowsRead { .. } | Event::RowsEnded { .. } | Event::Reparked { .. }
            if view.second_pass.is_none() =>
        {
            bar.set_position(view.counts.done());
            bar.set_message(look.counts(view, now));
        }
        Event::Retrying { rows, code, wait, .. } => bar.set_message(look.warn(&format!(
            "{} again in {} after {code}",
            grouped(*rows),
            duration(wait.as_secs_f64())
        ))),
        Event::CursorRestarted { .. } => bar.set_message(look.warn("the cursor has expired, reading on")),
        Event::StepEnded { counts, elapsed, .. } => {
            bar.set_style(look.ended());
            bar.disable_steady_tick();
            bar.set_message(ended(counts, *elapsed));
            bar.abandon();
        }
        _ => {}
    }
}

/// Templates. indicatif itself looks only at the terminal for colours; we know what the user asked for.
struct Look {
    width: usize,
    colour: bool,
}

impl Look {
    fn waiting(&self) -> ProgressStyle {
        self.style(&format!(
            "  {{prefix:{}}}  {{wide_msg{}}}",
            self.width,
            self.paint(":.dim")
        ))
    }

    fn running(&self, total: Option<u64>) -> ProgressStyle {
        let width = self.width;
        let template = if total.is_some() {
            let bar = self.paint(".cyan/blue.dim");
            format!("  {{prefix:{width}}}  {{bar:28{bar}}} {{human_pos:>9}} / {{human_len}}  {{wide_msg}}")
        } else {
            format!("  {{prefix:{width}}}  {{spinner}} {{human_pos:>9}} rows  {{wide_msg}}")
        };
        self.style(&template).progress_chars("━╸─")
    }

    fn ended(&self) -> ProgressStyle {
        let tick = if self.colour {
            "✓".green().to_string()
        } else {
            "✓".to_owned()
        };
        self.style(&format!("{tick} {{prefix:{}}}  {{wide_msg}}", self.width))
    }

    fn counts(&self, view: &StepView, now: Instant) -> String {
        let mut text = match view.rate(now) {
            Some(rate) => format!("{} rows/s", grouped(rate)),
            None => String::new(),
        };
        if view.parked() > 0 {
            text.push_str("  ");
            text.push_str(&self.warn(&format!("{} parked", grouped(view.parked()))));
        }
        text
    }

    fn warn(&self, text: &str) -> String {
        if self.colour {
            text.yellow().to_string()
        } else {
            text.to_owned()
        }
    }

    fn paint(&self, colour: &'static str) -> &'static str {
        if self.colour { colour } else { "" }
    }

    fn style(&self, template: &str) -> ProgressStyle {
        // The templates stand above and are drawn in tests; a broken one would give indicatif's own bar.
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_sound() {
        for colour in [true, false] {
            let look = Look { width: 12, colour };
            for template in [
                format!("  {{prefix:12}}  {{wide_msg{}}}", look.paint(":.dim")),
                format!("  {{prefix:12}}  {{bar:28{}}}", look.paint(".cyan/blue.dim")),
            ] {
                assert!(ProgressStyle::with_template(&template).is_ok(), "{template}");
            }
            // Building each of them must not panic either.
            look.waiting();
            look.running(Some(1));
            look.running(None);
            look.ended();
        }
    }
}
