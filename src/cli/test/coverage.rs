//! Which mapped fields tests look at.
//!
//! A field counts as looked at when a test of its step names it under `expect`. What a test merely lets run past, and
//! rows that are expected to be parked or filtered, prove nothing about a field.

use owo_colors::OwoColorize;
use serde_json::{Value as Json, json};

use crate::{
    diag::{Files, Span},
    pipeline::{
        Pipeline,
        model::{Copy, Expectation, Step},
    },
    report::plural,
};

/// So many steps are named in the summary.
const FEW: usize = 6;

/// All steps of all pipelines.
pub(super) struct Coverage {
    steps: Vec<StepCoverage>,
}

struct StepCoverage {
    pipeline: String,
    step: String,
    span: Span,
    tests: usize,
    fields: usize,
    /// Fields that no test looks at.
    untouched: Vec<(String, Span)>,
    /// `copy: all`: what it copies is not known without the orgs.
    open: bool,
}

impl StepCoverage {
    fn of(pipeline: &Pipeline, step: &Step) -> StepCoverage {
        let copied: &[_] = match &step.copy {
            Copy::Fields(fields) => fields,
            Copy::Nothing | Copy::All { .. } => &[],
        };
        let copied = copied.iter().map(|copied| (copied.field.as_str(), &copied.span));
        let mapped = step.map.iter().map(|line| (line.field.as_str(), &line.span));
        let all: Vec<(&str, &Span)> = mapped.chain(copied).collect();
        let looked_at = |field: &str| {
            step.tests.iter().any(|test| match &test.expect {
                Expectation::Fields(fields) => fields
                    .iter()
                    .any(|(path, _, _)| path.as_str().eq_ignore_ascii_case(field)),
                Expectation::Parked | Expectation::Filtered => false,
            })
        };
        StepCoverage {
            pipeline: pipeline.name.clone(),
            step: step.name.clone(),
            span: step.span.clone(),
            tests: step.tests.len(),
            fields: all.len(),
            untouched: all
                .iter()
                .filter(|(field, _)| !looked_at(field))
                .map(|(field, span)| ((*field).to_owned(), (*span).clone()))
                .collect(),
            open: matches!(step.copy, Copy::All { .. }),
        }
    }

    fn expected(&self) -> usize {
        self.fields - self.untouched.len()
    }
}

impl Coverage {
    pub(super) fn of(pipelines: &[Pipeline]) -> Coverage {
        let steps = pipelines
            .iter()
            .flat_map(|pipeline| pipeline.steps.iter().map(move |step| (pipeline, step)));
        Coverage {
            steps: steps
                .map(|(pipeline, step)| StepCoverage::of(pipeline, step))
                .collect(),
        }
    }

    fn fields(&self) -> usize {
        self.steps.iter().map(|step| step.fields).sum()
    }

    fn expected(&self) -> usize {
        self.steps.iter().map(StepCoverage::expected).sum()
    }

    /// Whether there are fields to look at.
    pub(super) fn says_something(&self) -> bool {
        self.fields() > 0
    }

    /// Of no fields all are looked at.
    fn percent(&self) -> f64 {
        match self.fields() {
            0 => 100.0,
            // Fields are far below the 2^52 that a float counts exactly.
            all => self.expected() as f64 * 100.0 / all as f64,
        }
    }

    /// Rounded down, so that 100 means all.
    pub(super) fn percent_text(&self) -> String {
        let tenths = (self.percent() * 10.0).floor() / 10.0;
        format!("{tenths}")
    }

    pub(super) fn reaches(&self, least: f64) -> bool {
        self.percent() >= least
    }

    /// One line.
    pub(super) fn summary(&self, listed: bool) -> String {
        let mut line = format!(
            "fields mapped {}, expected by tests {} ({}%)",
            self.fields(),
            self.expected(),
            self.percent_text()
        );
        let open = self.steps.iter().filter(|step| step.open).count() as u64;
        if open > 0 {
            line += &format!(
                "; what `copy: all` of {} copies is not counted",
                plural(open, "step")
            );
        }
        if !listed && self.expected() < self.fields() {
            line += "; `--coverage` lists the others";
        }
        let bare: Vec<String> = self
            .steps
            .iter()
            .filter(|step| step.tests == 0 && step.fields > 0)
            .map(|step| format!("{} {}", step.pipeline, step.step))
            .collect();
        // A list of them has their places too.
        if !listed && !bare.is_empty() {
            line += &match bare.len() {
                0..=FEW => format!("\nsteps without a test: {}", bare.join(", ")),
                many => format!("\n{} have no test", plural(many as u64, "step")),
            };
        }
        line
    }

    /// Every step with the fields that no test looks at.
    pub(super) fn text(&self, files: &Files) -> String {
        let mut out = String::new();
        let mut steps = self
            .steps
            .iter()
            .filter(|step| !step.untouched.is_empty())
            .peekable();
        if steps.peek().is_some() {
            out.push_str(&format!("\n{}\n", "fields that no test expects".bold()));
        }
        for step in steps {
            let of = match step.tests {
                0 => format!("{}, no test", plural(step.fields as u64, "field")),
                _ => format!(
                    "{} of {}",
                    step.untouched.len(),
                    plural(step.fields as u64, "field")
                ),
            };
            out.push_str(&format!(
                "{} {}: {of}   {}\n",
                step.pipeline,
                step.step,
                files.address(&step.span).dimmed()
            ));
            let names = step.untouched.iter().map(|(field, _)| field.chars().count());
            let width = names.max().unwrap_or(0);
            for (field, span) in &step.untouched {
                out.push_str(&format!(
                    "        {field:width$}   {}\n",
                    files.address(span).dimmed()
                ));
            }
        }
        out
    }

    pub(super) fn json(&self, files: &Files) -> Json {
        let steps: Vec<Json> = self
            .steps
            .iter()
            .map(|step| {
                let untouched: Vec<Json> = step
                    .untouched
                    .iter()
                    .map(|(field, span)| json!({ "field": field, "place": files.address(span) }))
                    .collect();
                json!({
                    "pipeline": step.pipeline,
                    "step": step.step,
                    "place": files.address(&step.span),
                    "tests": step.tests,
                    "fields": step.fields,
                    "expected": step.expected(),
                    "copies_all": step.open,
                    "untouched": untouched,
                })
            })
            .collect();
        json!({
            "fields": self.fields(),
            "expected": self.expected(),
            "percent": (self.percent() * 10.0).floor() / 10.0,
            "steps": steps,
        })
    }
}
