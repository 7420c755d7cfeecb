//! What lookups ask the target for.

use super::{
    Schemas,
    query::bind_condition,
    schemas::Resolved,
    steps::sobject,
    types::{filters, semi_joins, uniqueness},
};
use crate::{
    diag::{Finding, Span},
    pipeline::{
        Pipeline,
        expr::Vars,
        model::{Lookup, MapValue, Step, StepRef},
    },
    record::FieldPath,
};

/// What a lookup names has to exist in the target, and so has what a ref gives.
pub(super) fn lookups(
    pipeline: &Pipeline,
    value: &MapValue,
    step: &Step,
    schemas: &Schemas,
    vars: &Vars,
    findings: &mut Vec<Finding>,
) {
    value.each(&mut |value| match value {
        MapValue::Lookup { lookup, .. } => check_lookup(lookup, step, schemas, vars, findings),
        MapValue::Ref { steps, give, .. } => {
            for of in steps {
                let (connection, object) = match of {
                    StepRef::Own(index) => {
                        let target = &pipeline.steps[*index].target;
                        (&target.connection, &target.object)
                    }
                    StepRef::Foreign(index) => {
                        let other = &pipeline.foreign[*index];
                        let connection = &step.target.connection;
                        if sobject(schemas, connection, &other.object, &other.span, findings).is_none() {
                            continue;
                        }
                        (connection, &other.object)
                    }
                };
                if let Some((path, span)) = give {
                    check_path(
                        schemas,
                        connection,
                        object,
                        path,
                        span,
                        "given, and unknown",
                        findings,
                    );
                }
            }
        }
        _ => {}
    });
}

/// A path of names that the target has to have.
fn check_path(
    schemas: &Schemas,
    connection: &str,
    object: &str,
    path: &FieldPath,
    span: &Span,
    label: &str,
    findings: &mut Vec<Finding>,
) {
    if let Resolved::NoField {
        object,
        name,
        suggestion,
    }
    | Resolved::NoRelationship {
        object,
        name,
        suggestion,
    } = schemas.resolve(connection, object, path)
    {
        let mut finding = Finding::error(
            "unknown-target-field",
            span.clone(),
            format!("`{object}` of `{connection}` has no field `{name}`"),
        )
        .label(label);
        if let Some(close) = suggestion {
            finding = finding.help(format!("did you mean `{close}`?"));
        }
        findings.push(finding);
    }
}

fn check_lookup(lookup: &Lookup, step: &Step, schemas: &Schemas, vars: &Vars, findings: &mut Vec<Finding>) {
    let connection = &step.target.connection;
    if sobject(schemas, connection, &lookup.object, &lookup.object_span, findings).is_none() {
        return;
    }
    let bound = lookup
        .condition
        .as_ref()
        .map(|condition| bind_condition(condition, connection, &lookup.object, schemas, vars));
    if let Some(Err(message)) = bound {
        findings.push(
            Finding::error("bad-var", lookup.condition_span.clone(), message)
                .label("its value cannot stand in this condition")
                .help("give another value with `--var NAME=VALUE`, or mend the default under `vars`"),
        );
    }
    filters(schemas, connection, &lookup.object, &lookup.filters, findings);
    semi_joins(schemas, connection, &lookup.object, &lookup.semi_joins, findings);
    uniqueness(lookup, connection, schemas, findings);
    for (path, span) in &lookup.by {
        check_path(
            schemas,
            connection,
            &lookup.object,
            path,
            span,
            "looked up by an unknown field",
            findings,
        );
    }
    if let Some((path, span)) = &lookup.give {
        check_path(
            schemas,
            connection,
            &lookup.object,
            path,
            span,
            "given, and unknown",
            findings,
        );
    }
}
