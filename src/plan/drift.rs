//! What has changed in the orgs since `orgferry schema lock`, as far as a pipeline uses it. Pure.

use std::collections::BTreeSet;

use super::{Schemas, schemas::Resolved, types::field_words};
use crate::{
    diag::{Finding, Severity, Span, all_of},
    pipeline::{
        Pipeline,
        model::{Copy, Drift, MapValue, OnDrift, Step},
    },
    record::FieldPath,
    salesforce::{Field, FieldType, SObjectDescribe},
};

/// A field that a step uses.
struct Use<'p> {
    connection: &'p str,
    object: String,
    path: FieldPath,
    span: Span,
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// It is read or asked for.
    Read,
    /// It is written.
    Written,
}

/// What differs between the lock and the orgs as they are now. `findings` are those that the orgs' describes gave
/// already: a field that is gone is complained about once, and there it is said that the lock still has it.
pub fn drift(pipeline: &Pipeline, locked: &Schemas, now: &Schemas, findings: &mut Vec<Finding>) {
    let mut drifted = Vec::new();
    let mut objects = BTreeSet::new();
    for step in &pipeline.steps {
        let policy = step.policy.drift;
        for used in uses(step, locked) {
            changed(&used, locked, now, policy, findings, &mut drifted);
        }
        for (connection, object, span) in objects_of(step) {
            if objects.insert((connection.to_owned(), object.to_ascii_lowercase()))
                && let (Some(before), Some(after)) =
                    (locked.get(connection, object), now.get(connection, object))
            {
                drifted.extend(new_fields(connection, before, after, span, policy.new_field));
            }
        }
    }
    for finding in drifted {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}

fn objects_of(step: &Step) -> impl Iterator<Item = (&str, &str, &Span)> {
    let source = step
        .source
        .object()
        .map(|object| (step.source_connection.as_str(), object, &step.span));
    let target = (
        step.target.connection.as_str(),
        step.target.object.as_str(),
        &step.target.span,
    );
    source.into_iter().chain((!target.1.is_empty()).then_some(target))
}

fn uses<'p>(step: &'p Step, locked: &Schemas) -> Vec<Use<'p>> {
    let mut uses = Vec::new();
    let target = step.target.connection.as_str();
    let mut add = |connection: &'p str, object: &str, path: FieldPath, span: &Span, side: Side| {
        uses.push(Use {
            connection,
            object: object.to_owned(),
            path,
            span: span.clone(),
            side,
        });
    };
    if let Some(object) = step.source.object() {
        let from = step.source_connection.as_str();
        for column in &step.columns {
            add(from, object, column.path.clone(), &column.span, Side::Read);
        }
        for filter in &step.filters {
            add(from, object, filter.path.clone(), &filter.span, Side::Read);
        }
        for join in &step.semi_joins {
            for (path, span) in join.inner() {
                add(from, &join.object.0, path.clone(), span, Side::Read);
            }
        }
        if let Copy::All { except, span } = &step.copy
            && let (Some(source), Some(to)) =
                (locked.get(from, object), locked.get(target, &step.target.object))
        {
            let both = source.fields.iter().filter(|field| {
                to.field(&field.name).is_some_and(|field| !field.is_read_only())
                    && !except
                        .iter()
                        .any(|(name, _)| name.eq_ignore_ascii_case(&field.name))
            });
            for field in both {
                let path = FieldPath::new(field.name.to_string());
                add(from, object, path.clone(), span, Side::Read);
                add(target, &step.target.object, path, span, Side::Written);
            }
        }
    }
    if !step.target.object.is_empty() {
        for line in &step.map {
            add(
                target,
                &step.target.object,
                line.field.clone(),
                &line.span,
                Side::Written,
            );
        }
        if let Copy::Fields(fields) = &step.copy {
            for copied in fields {
                let path = FieldPath::new(copied.field.clone());
                add(target, &step.target.object, path, &copied.span, Side::Written);
            }
        }
    }
    for line in &step.map {
        looked_up(&line.value, &mut |object, path, span| {
            add(target, object, path.clone(), span, Side::Read);
        });
    }
    uses
}

fn looked_up(value: &MapValue, visit: &mut dyn FnMut(&str, &FieldPath, &Span)) {
    value.each(&mut |value| {
        if let MapValue::Lookup { lookup, .. } = value {
            for (path, span) in lookup.by.iter().chain(&lookup.give) {
                visit(&lookup.object, path, span);
            }
            for filter in &lookup.filters {
                visit(&lookup.object, &filter.path, &filter.span);
            }
            for join in &lookup.semi_joins {
                for (path, span) in join.inner() {
                    visit(&join.object.0, path, span);
                }
            }
        }
    });
}

fn changed(
    used: &Use<'_>,
    locked: &Schemas,
    now: &Schemas,
    policy: Drift,
    findings: &mut [Finding],
    drifted: &mut Vec<Finding>,
) {
    let Resolved::Field(before) = locked.resolve(used.connection, &used.object, &used.path) else {
        return;
    };
    let connection = used.connection;
    let after = match now.resolve(used.connection, &used.object, &used.path) {
        Resolved::Field(field) => field,
        Resolved::NoField { .. } | Resolved::NoRelationship { .. } => {
            let told = findings
                .iter_mut()
                .find(|finding| finding.severity == Severity::Error && finding.primary.span == used.span);
            match told {
                Some(finding) => {
                    let note =
                        format!("the schema lock of `{connection}` has it: it was removed or hidden since");
                    if !finding.help.contains(&note) {
                        finding.help.push(note);
                    }
                }
                None => drifted.extend(said(
                    policy.removed_field,
                    "drift-removed-field",
                    used,
                    format!("`{connection}` no longer has `{}.{}`", used.object, used.path),
                    "in the schema lock, and no longer in the org".to_owned(),
                )),
            }
            return;
        }
        Resolved::Polymorphic | Resolved::Needs(_) => return,
    };
    if let Some(less) = less(before, after, used.side) {
        drifted.extend(said(
            policy.removed_field,
            "drift-changed-field",
            used,
            format!("`{}.{}` of `{connection}` {less}", used.object, used.path),
            format!("lock: {}, org: {}", field_words(before), field_words(after)),
        ));
    }
    let (gone, new) = (values_only(before, after), values_only(after, before));
    if before.kind == after.kind && !(gone.is_empty() && new.is_empty()) {
        let mut words = Vec::new();
        if !gone.is_empty() {
            words.push(format!("without {}", all_of(gone.iter().copied())));
        }
        if !new.is_empty() {
            words.push(format!("with {}", all_of(new.iter().copied())));
        }
        drifted.extend(said(
            policy.picklist,
            "drift-picklist",
            used,
            format!(
                "the picklist `{}.{}` of `{connection}` is now {}",
                used.object,
                used.path,
                words.join(" and ")
            ),
            format!(
                "{} values in the lock, {} in the org",
                active(before),
                active(after)
            ),
        ));
    }
}

/// How a field takes or gives less than it did; more is for the type checks to judge.
fn less(before: &Field, after: &Field, side: Side) -> Option<&'static str> {
    if before.kind != after.kind {
        return Some("has another type");
    }
    let lookup = |field: &Field| {
        field
            .reference_to
            .iter()
            .map(|o| o.to_string())
            .collect::<BTreeSet<_>>()
    };
    if before.kind == FieldType::Reference && !lookup(before).is_subset(&lookup(after)) {
        return Some("refers to other objects");
    }
    if before.filterable && !after.filterable {
        return Some("can no longer be filtered by");
    }
    if before.is_match_key() && !after.is_match_key() {
        return Some("is no longer an external id");
    }
    if before.unique && !after.unique {
        return Some("is no longer unique");
    }
    if side == Side::Read {
        return None;
    }
    let whole = |field: &Field| field.precision.saturating_sub(field.scale);
    match () {
        () if after.length < before.length => Some("is shorter"),
        () if after.scale < before.scale || whole(after) < whole(before) || after.digits < before.digits => {
            Some("takes fewer digits")
        }
        () if (before.createable && !after.createable) || (before.updateable && !after.updateable) => {
            Some("can no longer be written")
        }
        () if !before.is_required_on_create() && after.is_required_on_create() => Some("is now required"),
        () if !before.restricted_picklist && after.restricted_picklist => {
            Some("is now restricted to its values")
        }
        () => None,
    }
}

fn active(field: &Field) -> usize {
    field.picklist_values.iter().filter(|value| value.active).count()
}

/// Values that the one has and the other has not.
fn values_only<'f>(one: &'f Field, other: &Field) -> Vec<&'f str> {
    one.picklist_values
        .iter()
        .filter(|value| value.active)
        .filter(|value| {
            !other
                .picklist_values
                .iter()
                .any(|o| o.active && o.value == value.value)
        })
        .map(|value| value.value.as_str())
        .collect()
}

fn new_fields(
    connection: &str,
    before: &SObjectDescribe,
    after: &SObjectDescribe,
    span: &Span,
    word: OnDrift,
) -> Option<Finding> {
    let new: Vec<&str> = after
        .fields
        .iter()
        .filter(|field| before.field(&field.name).is_none())
        .map(|field| field.name.as_str())
        .collect();
    if new.is_empty() {
        return None;
    }
    let finding = word_of(
        word,
        "drift-new-field",
        span,
        format!(
            "`{}` of `{connection}` has fields that the schema lock does not know: {}",
            after.name,
            all_of(new.iter().copied())
        ),
    )?;
    Some(
        finding
            .label(format!("{} new", new.len()))
            .help("take the org as it is: `orgferry schema lock`; or be told nothing: `policy: { drift: { new_field: ignore } }`"),
    )
}

fn said(
    word: OnDrift,
    code: crate::diag::Code,
    used: &Use<'_>,
    message: String,
    label: String,
) -> Option<Finding> {
    let key = match code {
        "drift-picklist" => "picklist",
        _ => "removed_field",
    };
    let finding = word_of(word, code, &used.span, message)?;
    Some(finding.label(label).help(format!(
        "take the org as it is: `orgferry schema lock`; or let it pass: `policy: {{ drift: {{ {key}: report }} }}`"
    )))
}

fn word_of(word: OnDrift, code: crate::diag::Code, span: &Span, message: String) -> Option<Finding> {
    match word {
        OnDrift::Fail => Some(Finding::error(code, span.clone(), message)),
        OnDrift::Report => Some(Finding::warning(code, span.clone(), message)),
        OnDrift::Ignore => None,
    }
}
