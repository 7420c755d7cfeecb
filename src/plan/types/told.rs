//! The values of a step's own tests: a test that gives what no row can hold, or expects what the target never takes,
//! shows nothing.

use super::{
    super::fields::Sides,
    fit::{has_value, values},
    words::{field_words, yaml},
};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::model::{Expectation, MappingTest},
    record::{FieldPath, Value},
    salesforce::{Field, FieldType},
};

impl Sides<'_> {
    /// Complains about values of tests that cannot be.
    pub(in crate::plan) fn tests(&self, columns: &[FieldPath], findings: &mut Vec<Finding>) {
        for test in &self.reads.step.tests {
            self.given(test, columns, findings);
            let Expectation::Fields(fields) = &test.expect else {
                continue;
            };
            for (path, value, span) in fields {
                if let Some(field) = self.target.field(path.as_str()) {
                    findings.extend(impossible(field, &self.target.name, value, span, "expects"));
                }
            }
        }
    }

    fn given(&self, test: &MappingTest, columns: &[FieldPath], findings: &mut Vec<Finding>) {
        let Some(source) = self.source else {
            return;
        };
        for (column, span) in &test.given_places {
            let (Some(value), Some(path)) = (test.given.get(*column), columns.get(*column)) else {
                continue;
            };
            if let Some(field) = self.copied_field(path) {
                findings.extend(impossible(field, &source.name, value, span, "gives"));
            }
        }
    }
}

fn impossible(field: &Field, object: &str, value: &Value, span: &Span, verb: &str) -> Option<Finding> {
    let text = value.as_text().filter(|text| !text.is_empty())?;
    let whole = match field.kind {
        FieldType::Picklist | FieldType::MultiPicklist if field.restricted_picklist => {
            let multi = field.kind == FieldType::MultiPicklist;
            let mut parts = text.split(';').map(str::trim);
            let wrong = match multi {
                true => parts.find(|part| !part.is_empty() && !has_value(field, part)),
                false => (!has_value(field, text)).then_some(text),
            }?;
            let known = values(field);
            let near = did_you_mean(wrong, known.iter().copied());
            let finding = Finding::warning(
                "not-in-picklist",
                span.clone(),
                format!(
                    "the test {verb} `{wrong}`, which `{object}.{}` cannot hold",
                    field.name
                ),
            )
            .label(field_words(field));
            let finding = match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("its values: {}", all_of(known))),
            };
            match near.filter(|_| !multi) {
                Some(near) => finding.edit(span.clone(), yaml(near)),
                None => finding,
            }
        }
        kind if kind.is_text() && field.length > 0 => {
            let length = text.chars().count();
            if length <= field.length as usize {
                return None;
            }
            Finding::warning(
                "text-too-long",
                span.clone(),
                format!(
                    "the test {verb} {length} characters, and `{object}.{}` holds {}",
                    field.name, field.length
                ),
            )
            .label(field_words(field))
            .help("shorten it")
        }
        _ => return None,
    };
    Some(whole)
}
