//! Semi-joins: `Id IN (SELECT AccountId FROM Contact WHERE ...)` compares Ids of one kind of object.

use super::{
    super::{Schemas, schemas::Resolved, steps::sobject},
    asked::{filters, unknown},
    words::{field_words, objects},
};
use crate::{
    diag::{Finding, Span, all_of},
    pipeline::model::SemiJoin,
    record::FieldPath,
    salesforce::{Field, FieldType, SObjectDescribe},
};

/// Complains about objects and fields of semi-joins that are not there, and about Ids that can never meet. `object` is
/// the one that is read.
pub(in crate::plan) fn semi_joins(
    schemas: &Schemas,
    connection: &str,
    object: &str,
    joins: &[SemiJoin],
    findings: &mut Vec<Finding>,
) {
    for join in joins {
        let (inner, span) = &join.object;
        let Some(describe) = sobject(schemas, connection, inner, span, findings) else {
            continue;
        };
        filters(schemas, connection, inner, &join.fields, findings);
        let selected = found(schemas, connection, inner, &join.selected, findings);
        if inner.eq_ignore_ascii_case(object) {
            findings.push(
                Finding::error(
                    "bad-semi-join",
                    span.clone(),
                    format!("a semi-join on `{object}` inside a query of `{object}`"),
                )
                .label("Salesforce takes none on the object that is read itself")
                .help("compare parents by a path, such as `Parent.Industry = 'Energy'`, or filter the rows that are read: `when: ...`"),
            );
            continue;
        }
        // What is wrong with the field before IN is told where the other fields of the condition are.
        let outer =
            join.outer
                .as_ref()
                .and_then(|(path, span)| match schemas.resolve(connection, object, path) {
                    Resolved::Field(field) => Some((path, span, field)),
                    _ => None,
                });
        if let Some((path, span, field)) = outer
            && !holds_ids(field)
        {
            findings
                .push(no_ids(path, field, span).help(
                    "the field before IN is `Id` or a lookup: `Id IN (SELECT AccountId FROM Contact)`",
                ));
            continue;
        }
        let Some(selected) = selected else { continue };
        let (path, span) = &join.selected;
        if !holds_ids(selected) {
            let lookups: Vec<&str> = lookups(describe).collect();
            findings.push(no_ids(path, selected, span).help(match lookups.as_slice() {
                [] => format!("select `Id`, the only field of `{inner}` that holds Ids"),
                several => format!(
                    "select `Id` or a lookup of `{inner}`: {}",
                    all_of(several.iter().copied())
                ),
            }));
            continue;
        }
        if let Some((outer_path, outer_span, outer)) = outer {
            let (ours, theirs) = (whose(outer, object, outer_path), whose(selected, inner, path));
            findings.extend(never_meet(
                (outer_path, outer_span, &ours),
                (path, span, &theirs),
                describe,
            ));
        }
    }
}

/// A field of the inner object, or the complaint that it is none.
fn found<'s>(
    schemas: &'s Schemas,
    connection: &str,
    object: &str,
    (path, span): &(FieldPath, Span),
    findings: &mut Vec<Finding>,
) -> Option<&'s Field> {
    let (object, name, suggestion, what) = match schemas.resolve(connection, object, path) {
        Resolved::Field(field) => return Some(field),
        Resolved::NoField {
            object,
            name,
            suggestion,
        } => (object, name, suggestion, "field"),
        Resolved::NoRelationship {
            object,
            name,
            suggestion,
        } => (object, name, suggestion, "relationship"),
        Resolved::Polymorphic | Resolved::Needs(_) => return None,
    };
    findings.push(unknown(connection, &object, what, &name, suggestion, span));
    None
}

fn holds_ids(field: &Field) -> bool {
    matches!(field.kind, FieldType::Id | FieldType::Reference)
}

fn lookups(describe: &SObjectDescribe) -> impl Iterator<Item = &str> {
    let lookups = describe.fields.iter().filter(|f| f.kind == FieldType::Reference);
    lookups.map(|field| field.name.as_str())
}

fn no_ids(path: &FieldPath, field: &Field, span: &Span) -> Finding {
    Finding::error(
        "bad-semi-join",
        span.clone(),
        format!("a semi-join compares Ids, and `{path}` holds none"),
    )
    .label(field_words(field))
}

/// The objects whose Ids a field holds; empty: not known.
fn whose(field: &Field, object: &str, path: &FieldPath) -> Vec<String> {
    match field.kind {
        FieldType::Id if path.is_relationship() => Vec::new(),
        FieldType::Id => vec![object.to_owned()],
        _ => field
            .reference_to
            .iter()
            .map(|object| object.to_string())
            .collect(),
    }
}

fn never_meet(
    (outer, outer_span, ours): (&FieldPath, &Span, &[String]),
    (selected, span, theirs): (&FieldPath, &Span, &[String]),
    inner: &SObjectDescribe,
) -> Option<Finding> {
    let common = |them: &[String]| {
        ours.iter()
            .any(|a| them.iter().any(|b| a.eq_ignore_ascii_case(b)))
    };
    if ours.is_empty() || theirs.is_empty() || common(theirs) {
        return None;
    }
    let right: Vec<&str> = inner
        .fields
        .iter()
        .filter(|field| {
            let to: Vec<String> = field
                .reference_to
                .iter()
                .map(|object| object.to_string())
                .collect();
            common(&to)
        })
        .map(|field| field.name.as_str())
        .collect();
    let finding = Finding::error(
        "bad-semi-join",
        span.clone(),
        format!(
            "`{outer}` holds Ids of {}, and `{}.{selected}` those of {}",
            objects(ours),
            inner.name,
            objects(theirs)
        ),
    )
    .label("they never meet")
    .also(outer_span.clone(), format!("Ids of {}", objects(ours)));
    Some(match right.as_slice() {
        [] => finding.help(format!(
            "no field of `{}` leads to {}: begin at another object",
            inner.name,
            objects(ours)
        )),
        [one] if span.range.len() == selected.as_str().len() => {
            finding.help(format!("select `{one}`")).edit(span.clone(), *one)
        }
        several => finding.help(format!(
            "fields of `{}` that lead to {}: {}",
            inner.name,
            objects(ours),
            all_of(several.iter().copied())
        )),
    })
}
