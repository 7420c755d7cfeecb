//! The key by which a target's records are known.

use super::{
    KeyField, TargetKey,
    fields::Draft,
    types::{field_words, tells_apart},
};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::model::{Api, Step},
    salesforce::{Field, SObjectDescribe},
    transform::ShapeKind,
};

pub(super) fn key(
    step: &Step,
    target: &SObjectDescribe,
    drafts: &[Draft],
    findings: &mut Vec<Finding>,
) -> Option<TargetKey> {
    let key = step.target.key.as_ref()?;
    let parts: Vec<Option<(KeyField, &Field, bool)>> = key
        .fields
        .iter()
        .map(|(name, span)| key_field(name, span, step, target, drafts, findings))
        .collect();
    let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    let native = matches!(parts.as_slice(), [(_, field, _)] if field.is_match_key() && !key.is_id());
    if let [(_, field, _)] = parts.as_slice()
        && !tells_apart(field)
    {
        findings.push(not_unique(field, &key.span, target));
    }
    let creates = step.target.operation.creates();
    let came_back = parts.iter().all(|(.., text)| *text);
    if !came_back && step.target.api == Api::Bulk && creates && !key.is_id() {
        for (_, field, _) in parts.iter().filter(|(.., text)| !text) {
            findings.push(
                Finding::error(
                    "bad-key",
                    key.span.clone(),
                    format!(
                        "`{}` cannot pair the results of a Bulk job with their rows",
                        field.name
                    ),
                )
                .label(format!("a {} comes back in another form", field.kind.as_str()))
                .help("use a text field as the key, or `api: rest`"),
            );
        }
    }
    Some(TargetKey {
        is_id: key.is_id(),
        native,
        travels: !key.is_id() && came_back && parts.iter().all(|(part, ..)| part.createable),
        distinct: false,
        fields: parts.into_iter().map(|(part, ..)| part).collect(),
    })
}

/// A key of which several records may have one value.
fn not_unique(field: &Field, span: &Span, target: &SObjectDescribe) -> Finding {
    let unique: Vec<&str> = target
        .fields
        .iter()
        .filter(|f| f.unique && f.external_id)
        .map(|f| f.name.as_str())
        .collect();
    let what = match field.external_id {
        true => "an external id, not unique",
        false => "no external id: records are found by a query",
    };
    let finding = Finding::warning(
        "key-not-unique",
        span.clone(),
        format!(
            "several records of `{}` may have one `{}`",
            target.name, field.name
        ),
    )
    .label(format!("{}, {what}", field_words(field)));
    match unique.as_slice() {
        [] => finding.help(format!(
            "rows that find several are parked as `ambiguous_key`; tick `Unique` of `{}` in the target, or name several fields: `key: [{}, FIELD]`",
            field.name, field.name
        )),
        [one] => finding.help(format!(
            "rows that find several are parked as `ambiguous_key`; unique is `key: {one}`"
        )),
        several => finding.help(format!(
            "rows that find several are parked as `ambiguous_key`; unique are {}",
            all_of(several.iter().copied())
        )),
    }
}

/// A field of the key, and whether its values come back from a Bulk job as they went.
fn key_field<'t>(
    name: &str,
    span: &Span,
    step: &Step,
    target: &'t SObjectDescribe,
    drafts: &[Draft],
    findings: &mut Vec<Finding>,
) -> Option<(KeyField, &'t Field, bool)> {
    let Some(field) = target.field(name) else {
        let known = target.fields.iter().map(|f| f.name.as_str());
        let mut finding = Finding::error(
            "unknown-target-field",
            span.clone(),
            format!("`{}` has no field `{name}`", target.name),
        )
        .label("unknown key");
        if let Some(close) = did_you_mean(name, known) {
            finding = finding.help(format!("did you mean `{close}`?"));
        }
        findings.push(finding);
        return None;
    };
    let is_id = field.name.eq_ignore_ascii_case("Id");
    let shape = super::fields::shape(field);
    let Some(shape) = shape.filter(|_| is_id || field.filterable || field.is_match_key()) else {
        let usable: Vec<&str> = target
            .fields
            .iter()
            .filter(|f| f.external_id && f.createable)
            .map(|f| f.name.as_str())
            .collect();
        findings.push(
            Finding::error(
                "bad-key",
                span.clone(),
                format!("`{}.{}` cannot be a key", target.name, field.name),
            )
            .label(format!("an org does not search by this {}", field.kind.as_str()))
            .help(match usable.as_slice() {
                [] => "create a text field in the target, tick `External ID` and `Unique`, and name it: `key: Legacy_Id__c`"
                    .to_owned(),
                usable => format!("external ids of `{}`: {}", target.name, usable.join(", ")),
            }),
        );
        return None;
    };
    let at = drafts
        .iter()
        .position(|d| d.target.parent.is_none() && d.target.name == field.name);
    let Some(at) = at else {
        // A line that was complained about fills nothing, and needs no second complaint.
        let named = step
            .map
            .iter()
            .any(|m| m.field.as_str().eq_ignore_ascii_case(name));
        if !named {
            findings.push(
                Finding::error(
                    "missing-key",
                    span.clone(),
                    format!("nothing fills the key `{}`", field.name),
                )
                .label("neither mapped nor copied")
                .help(format!("add to `map`:  {}: ...", field.name)),
            );
        }
        return None;
    };
    let text = matches!(
        shape.kind,
        ShapeKind::Text | ShapeKind::Reference | ShapeKind::MultiPicklist | ShapeKind::Bool
    );
    let part = KeyField {
        field: field.name.to_string(),
        at,
        case_sensitive: field.case_sensitive || shape.kind != ShapeKind::Text,
        createable: field.createable,
        nillable: field.nillable,
    };
    Some((part, field, text))
}
