//! Results for people.

use std::collections::BTreeMap;

use owo_colors::OwoColorize;

use super::Ran;
use crate::{
    diag::Files,
    pipeline::{Pipeline, model::StepRef},
    spec::emit,
    transform::{Difference, Question},
};

/// Places stand side by side while what is before them is no longer than this.
const WIDTH: usize = 60;

/// Stand for what only the user can know.
const SOME_ID: &str = "ID";
const SOME_VALUE: &str = "VALUE";

pub(super) fn render(ran: &[Ran<'_>], files: &Files) -> String {
    let mut out = String::new();
    for test in ran {
        if test.result.passed() {
            out.push_str(&format!("{}      {}\n", "ok".green(), test.title()));
            continue;
        }
        out.push_str(&format!("{}  {}\n", "FAILED".red().bold(), test.title()));
        let place = format!("at {}", files.address(&test.test.span));
        out.push_str(&format!("        {}\n", place.dimmed()));
        for difference in &test.result.differences {
            out.push_str(&one(difference, files));
        }
        if let Some(answers) = missing_answers(test.pipeline, &test.result.unanswered) {
            let hint = format!(
                "{} the mapping asks what the test does not answer; add to it:",
                "help:".cyan()
            );
            out.push_str(&format!("        {hint}\n"));
            for line in answers.lines() {
                out.push_str(&format!("          {line}\n"));
            }
            out.push_str(&format!(
                "        {}\n",
                "ID stands for the Id that the record has in the target; null says that there is none"
                    .dimmed()
            ));
        }
    }
    out
}

fn one(difference: &Difference, files: &Files) -> String {
    let mut out = String::new();
    if !difference.field.is_empty() {
        out.push_str(&format!("        {}\n", difference.field.bold()));
    }
    let long = |text: &str| text.chars().count();
    let width = long(&difference.expected).max(long(&difference.found));
    // Padded by hand: the colours would be counted as letters.
    let pad = |text: &str| match width <= WIDTH {
        true => " ".repeat(width - long(text)),
        false => String::new(),
    };
    let expected_at = files.address(&difference.expected_at);
    out.push_str(&format!(
        "          expected  {}{}   {}\n",
        difference.expected.green(),
        pad(&difference.expected),
        expected_at.dimmed()
    ));
    let made_at = difference.made_at.as_ref().map(|span| files.address(span));
    out.push_str(&format!("          found     {}", difference.found.red()));
    if let Some(made_at) = made_at {
        out.push_str(&format!("{}   {}", pad(&difference.found), made_at.dimmed()));
    }
    out.push('\n');
    if let Some(note) = &difference.note {
        out.push_str(&format!("          {}\n", note.dimmed()));
    }
    if let Some(help) = &difference.help {
        out.push_str(&format!("          {} {help}\n", "help:".cyan()));
    }
    out
}

/// The `refs` and `lookups` that would answer these questions, as YAML that can be copied.
pub(super) fn missing_answers(pipeline: &Pipeline, questions: &[Question]) -> Option<String> {
    // What is asked, by what has to be written: step or object, then key, then the fields besides the Id.
    let mut refs: BTreeMap<String, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    let mut lookups: BTreeMap<String, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for question in questions {
        let (key, give, all, name) = match question {
            Question::Ref { step, id, give } => (id, give, &mut refs, step_name(pipeline, *step)),
            Question::Lookup { object, key, give } => (key, give, &mut lookups, object.clone()),
        };
        let fields = all.entry(name).or_default().entry(key).or_default();
        fields.extend(give.iter().map(ToString::to_string));
    }
    let lines: Vec<String> = [("refs", refs), ("lookups", lookups)]
        .into_iter()
        .filter(|(_, all)| !all.is_empty())
        .map(|(word, all)| format!("{word}: {}", written(&all)))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn written(all: &BTreeMap<String, BTreeMap<&str, Vec<String>>>) -> String {
    let braces = |entries: Vec<String>| format!("{{ {} }}", entries.join(", "));
    let answer = |fields: &Vec<String>| match fields.is_empty() {
        true => SOME_ID.to_owned(),
        false => {
            let id = std::iter::once(format!("Id: {SOME_ID}"));
            let fields = fields.iter().filter(|field| *field != "Id");
            braces(
                id.chain(fields.map(|field| format!("{}: {SOME_VALUE}", emit::key(field))))
                    .collect(),
            )
        }
    };
    let by_name = all.iter().map(|(name, keys)| {
        let keys = keys
            .iter()
            .map(|(key, fields)| format!("{}: {}", emit::key(key), answer(fields)));
        format!("{name}: {}", braces(keys.collect()))
    });
    braces(by_name.collect())
}

/// A step as refs name it.
pub(super) fn step_name(pipeline: &Pipeline, step: StepRef) -> String {
    match step {
        StepRef::Own(at) => pipeline.steps.get(at).map(|step| step.name.clone()),
        StepRef::Foreign(at) => pipeline
            .foreign
            .get(at)
            .map(|other| format!("{}/{}", other.pipeline, other.step)),
    }
    .unwrap_or_default()
}
