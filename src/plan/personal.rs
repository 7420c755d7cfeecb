//! `policy.pii` by what the source's org itself says of its fields: Setup's compliance categories.
//!
//! The standard fields of persons and those that files mark are found when files are read (`pipeline::compile::pii`);
//! what was told there is not told again.

use super::{
    Schemas,
    fields::Draft,
    types::{Column, Reads},
};
use crate::{
    diag::{Finding, Span, all_of},
    pipeline::{
        Pipeline, masked,
        model::{Copy, MapValue, Personal, Pii, Step},
    },
    record::FieldPath,
    salesforce::Field,
};

/// Complains about lines that carry a classified field unmasked.
pub(super) fn classified(
    reads: &Reads<'_>,
    columns: &[FieldPath],
    drafts: &[Draft],
    findings: &mut Vec<Finding>,
) {
    let step = reads.step;
    if !step.discloses() {
        return;
    }
    let mut say = |span: &Span, path: &FieldPath, categories: &str, help: String| {
        if !step.personal.contains(&Personal::Line(span.clone())) {
            let message =
                format!("`{path}` is classified as {categories}, and would reach the target as it is");
            findings.push(finding(step, span, message).help(help));
        }
    };
    for line in &step.map {
        if let Some((path, categories)) = carried(reads, columns, &line.value) {
            let target = line.field.as_str();
            let help = format!("mask it: `{}`", masked(target, path.as_str(), path.as_str()));
            say(&line.value_span, path, &categories, help);
        }
    }
    match &step.copy {
        Copy::Nothing => {}
        Copy::Fields(fields) => {
            for copied in fields {
                let value = super::column_value(copied.column);
                if let Some((path, categories)) = carried(reads, columns, &value) {
                    let help = format!(
                        "take it out of `copy` and add it to `map`: `{}`",
                        masked(&copied.field, path.as_str(), path.as_str())
                    );
                    say(&copied.span, path, &categories, help);
                }
            }
        }
        Copy::All { span, .. } => {
            let mapped = |draft: &Draft| step.map.iter().any(|line| line.field == draft.mapped.name);
            let told = |path: &FieldPath| {
                let told = step.personal.iter();
                told.filter_map(|personal| match personal {
                    Personal::Copied(name) => Some(name),
                    Personal::Line(_) => None,
                })
                .any(|name| name.eq_ignore_ascii_case(path.as_str()))
            };
            let names: Vec<&FieldPath> = drafts
                .iter()
                .filter(|draft| !mapped(draft))
                .filter_map(|draft| Some(carried(reads, columns, &draft.mapped.value)?.0))
                .filter(|path| !told(path))
                .collect();
            let Some(first) = names.first() else { return };
            let names: Vec<&str> = names.iter().map(|path| path.as_str()).collect();
            let message = format!(
                "`copy: all` carries fields that `{}` classifies: {}",
                step.source_connection,
                all_of(names.iter().copied())
            );
            findings.push(finding(step, span, message).help(format!(
                "write `except: [{}]`, and map those that are needed: `{}`",
                names.join(", "),
                masked(first.as_str(), first.as_str(), first.as_str())
            )));
        }
    }
}

fn finding(step: &Step, span: &Span, message: String) -> Finding {
    match step.policy.pii {
        Pii::Refuse => Finding::error("unmasked-pii", span.clone(), message),
        Pii::Report | Pii::Ignore => Finding::warning("unmasked-pii", span.clone(), message),
    }
    .label("not masked")
}

/// The first classified field whose values a mapping value carries, with its categories: `PII and GDPR`.
fn carried<'c>(
    reads: &Reads<'_>,
    columns: &'c [FieldPath],
    value: &MapValue,
) -> Option<(&'c FieldPath, String)> {
    let step = reads.step;
    value.carried(step.each.as_ref()).into_iter().find_map(|column| {
        let path = columns.get(column)?;
        let Some(Column::Field(Field {
            compliance_group: Some(group),
            ..
        })) = reads.column(path)
        else {
            return None;
        };
        let categories = group.split(';').map(str::trim).filter(|part| !part.is_empty());
        Some((path, all_of(categories).replace('`', "")))
    })
}

/// Says once of each org that it does not tell how its fields are classified, where a policy relies on that.
pub(super) fn unclassified(pipeline: &Pipeline, schemas: &Schemas, findings: &mut Vec<Finding>) {
    let mut said: Vec<&str> = Vec::new();
    for step in pipeline.steps.iter().filter(|step| step.discloses()) {
        let connection = step.source_connection.as_str();
        let Some(why) = schemas.unclassified(connection) else {
            continue;
        };
        if said.contains(&connection) {
            continue;
        }
        said.push(connection);
        findings.push(
            Finding::warning(
                "not-classified",
                step.span.clone(),
                format!("`{connection}` does not tell which of its fields are classified as personal"),
            )
            .label(format!("it answers: {why}"))
            .help("give the user of this login the permission `View Setup and Configuration`; until then `policy.pii` knows the standard fields and those under `pii`"),
        );
    }
}
