//! The queries that are sent, all vars bound.

use super::{ReadFrom, Road, Schemas, schemas::Resolved};
use crate::{
    diag::Finding,
    pipeline::{
        expr::Vars,
        model::{Chunk, Source, Step},
        soql::{
            Bind, BindError, BindOperator, Condition, Literal, LiteralKind, Query, SelectKind, bind,
            parse_query,
        },
    },
    record::{FieldPath, Value},
    salesforce::FieldType,
};

/// A condition with its vars bound, each as the field beside it wants it.
///
/// # Errors
/// Why a var cannot stand there, for people.
pub fn bind_condition(
    condition: &Condition,
    connection: &str,
    object: &str,
    schemas: &Schemas,
    vars: &Vars,
) -> Result<String, String> {
    bind::<BindError>(&condition.text, &condition.binds, |b| {
        literal(b, connection, object, schemas, vars)
    })
    .map_err(|error| error.to_string())
}

/// What a `soql` or `object` source sends; `None` when the findings say why not.
pub(super) fn source_query(
    step: &Step,
    columns: &[FieldPath],
    types: &[FieldType],
    schemas: &Schemas,
    vars: &Vars,
    findings: &mut Vec<Finding>,
) -> Option<ReadFrom> {
    let connection = &step.source_connection;
    let (text, span) = match &step.source {
        Source::Soql { query, span } => {
            let bound = bind::<BindError>(&query.text, &query.binds, |b| {
                literal(b, connection, &query.object, schemas, vars)
            });
            (bound.map_err(|e| e.to_string()), span)
        }
        Source::Object {
            object,
            condition,
            condition_span,
            order_by,
            limit,
            ..
        } => {
            let condition = condition
                .as_ref()
                .map(|c| bind_condition(c, connection, object, schemas, vars).map(|c| format!(" WHERE {c}")))
                .transpose();
            let text = condition.map(|condition| {
                let names: Vec<&str> = columns.iter().map(FieldPath::as_str).collect();
                let order = order_by
                    .as_ref()
                    .map(|o| format!(" ORDER BY {o}"))
                    .unwrap_or_default();
                let limit = limit.map(|l| format!(" LIMIT {l}")).unwrap_or_default();
                format!(
                    "SELECT {} FROM {object}{}{order}{limit}",
                    names.join(", "),
                    condition.unwrap_or_default()
                )
            });
            (text, condition_span)
        }
        Source::Http(_) | Source::File(_) => return None,
    };
    let text = match text {
        Ok(text) => text,
        Err(message) => {
            findings.push(
                Finding::error("bad-var", span.clone(), message)
                    .label("its value cannot stand in this query")
                    .help("give another value with `--var NAME=VALUE`, or mend the default under `vars`"),
            );
            return None;
        }
    };
    match parse_query(&text) {
        Ok(query) => Some(read_from(step, &query, columns, types)),
        Err(faults) => {
            for fault in faults {
                findings.push(Finding::error("soql-syntax", span.clone(), fault.message).label(fault.label));
            }
            None
        }
    }
}

fn read_from(step: &Step, query: &Query, columns: &[FieldPath], types: &[FieldType]) -> ReadFrom {
    let plain = query
        .select
        .iter()
        .all(|item| item.kind == SelectKind::Field && item.alias.is_none());
    let aggregated = query.is_aggregated();
    let selected = match plain && !aggregated {
        true => query.with_select(columns),
        false => query.text.clone(),
    };
    // Rows in the order of their Ids, so that a cursor that dies can be taken up behind the last one.
    let has_id = columns.iter().any(|c| c.as_str().eq_ignore_ascii_case("Id"));
    let by_id = match parse_query(&selected) {
        Ok(query) if has_id && query.order_by.is_none() => query.ordered_by_id(),
        _ => None,
    };
    let most = query.limit.as_ref().and_then(|limit| limit.value);
    let count = match &query.limit {
        Some(limit) if query.offset.is_none() && !aggregated => {
            let mut text = query.text.clone();
            text.replace_range(limit.range.clone(), "");
            parse_query(&text).ok().and_then(|query| query.count_query())
        }
        _ => query.count_query(),
    };
    // In the order of Ids, `off` keeps the org from cutting the query; in Bulk that order switches its own cutting off.
    let selected = match (step.chunk, &by_id) {
        (Chunk::Off, Some(ordered)) => ordered.clone(),
        _ => selected,
    };
    ReadFrom::Query {
        whole: selected.clone(),
        all: step.include_deleted,
        chunk: step.chunk,
        count,
        most,
        // Bulk refuses compounds, bodies, OFFSET, and what is no plain field; and its CSV does not tell a checkbox
        // from a text where the describe does not either.
        bulk_can: plain
            && !aggregated
            && query.offset.is_none()
            && !types
                .iter()
                .any(|t| t.is_compound() || matches!(t, FieldType::Base64 | FieldType::AnyType)),
        api: step.source_api,
        road: Road::Rest,
        ordered: by_id,
        soql: selected,
    }
}

fn literal(
    bind: &Bind,
    connection: &str,
    object: &str,
    schemas: &Schemas,
    vars: &Vars,
) -> Result<Literal, BindError> {
    let object = bind.object.as_deref().unwrap_or(object);
    let kind = match bind
        .field
        .as_ref()
        .map(|path| schemas.resolve(connection, object, path))
    {
        Some(Resolved::Field(field)) => literal_kind(field.kind),
        _ => LiteralKind::Unknown,
    };
    match vars.get(&bind.name) {
        // Where nothing is sent, a var that only a run has stands for any value that fits.
        _ if schemas.stands_for_any(&bind.name) => any(bind, kind),
        Some(value) => Literal::for_field(value, kind),
        None => Err(BindError::NoValue(bind.name.clone())),
    }
}

/// Some value of a kind.
fn any(bind: &Bind, kind: LiteralKind) -> Result<Literal, BindError> {
    let text = match kind {
        _ if bind.operator == BindOperator::Count => "1",
        LiteralKind::Text | LiteralKind::Unknown => "x",
        LiteralKind::Number => "1",
        LiteralKind::Bool => "true",
        LiteralKind::Date | LiteralKind::DateTime => "2000-01-01",
    };
    let kind = match bind.operator {
        BindOperator::Count => LiteralKind::Number,
        _ => kind,
    };
    Literal::for_field(&Value::text(text), kind)
}

fn literal_kind(kind: FieldType) -> LiteralKind {
    match kind {
        FieldType::Boolean => LiteralKind::Bool,
        FieldType::Date => LiteralKind::Date,
        FieldType::DateTime => LiteralKind::DateTime,
        kind if kind.is_number() => LiteralKind::Number,
        FieldType::Time | FieldType::AnyType | FieldType::Other => LiteralKind::Unknown,
        _ => LiteralKind::Text,
    }
}
