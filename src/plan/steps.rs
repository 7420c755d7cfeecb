//! One step of the plan.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    LINE, Persons, PlanStep, Read, ReadFrom, Road, RowIdPlan, RowsFile, Schemas, TargetKey, Write,
    checks::checks,
    cursor::{cursor, scope},
    distinct::distinct,
    fields::{Draft, Sides},
    files,
    keys::key,
    lookups::lookups,
    personal,
    query::source_query,
    schemas::Resolved,
    types::{Reads, filters, semi_joins, unknown},
};
use crate::{
    diag::{Finding, Span, did_you_mean},
    pipeline::soql::SelectKind,
    pipeline::{
        Pipeline,
        expr::{RunInfo, Vars},
        model::{self, Compare, MapValue, Operation, RowId, Source, Step},
    },
    record::FieldPath,
    salesforce::{FieldType, SObjectDescribe},
    transform::Mapping,
};

/// A step, and what its order needs.
pub(super) struct Built {
    pub(super) step: PlanStep,
    /// For each field, the sobjects that its relationship path leads to.
    pub(super) parents: Vec<Vec<String>>,
}

/// Builds a step; `None` when the findings say why not.
pub(super) fn build_step(
    pipeline: &Pipeline,
    index: usize,
    schemas: &Schemas,
    vars: &Vars,
    run: &RunInfo,
    findings: &mut Vec<Finding>,
) -> Option<Built> {
    let step = &pipeline.steps[index];
    let before = findings.len();
    let source = source_describe(step, schemas, findings);
    if let (Some(_), Some(source), Source::Object { span, .. }) = (step.deletes_of, source, &step.source)
        && !tells_of_deletes(source)
    {
        findings.push(
            Finding::error(
                "deletes-unknown",
                span.clone(),
                format!(
                    "`{}` does not tell which records of `{}` were deleted",
                    step.source_connection, source.name
                ),
            )
            .label("deletions cannot be followed")
            .help("say `changes: { deletes: ignore }` in the step's own `policy`"),
        );
        return None;
    }
    let target = match &step.target.file {
        Some(_) => None,
        None => Some(sobject(
            schemas,
            &step.target.connection,
            &step.target.object,
            &step.target.span,
            findings,
        )),
    };
    let mut columns: Vec<FieldPath> = step.columns.iter().map(|c| c.path.clone()).collect();
    let mut types = column_types(step, schemas, findings);
    files::check_columns(step, index, schemas, findings);
    // A cursor that dies is taken up behind the last Id, so that it is read whether the file uses it or not.
    let id = FieldPath::from("Id");
    if matches!(step.source, Source::Object { .. }) && !columns.contains(&id) {
        columns.push(id);
        types.push(FieldType::Id);
    }
    if let Some(object) = step.source.object() {
        filters(schemas, &step.source_connection, object, &step.filters, findings);
        semi_joins(
            schemas,
            &step.source_connection,
            object,
            &step.semi_joins,
            findings,
        );
    }
    // Rows of a file that have nothing else to tell them apart are told by their lines.
    let line = matches!(step.source, Source::File(_)).then(|| {
        columns.push(FieldPath::from(LINE));
        types.push(FieldType::String);
        columns.len() - 1
    });
    let target = match target {
        Some(target) => Some(target?),
        None => None,
    };
    let reads = Reads {
        pipeline,
        step,
        schemas,
        vars,
    };
    let (drafts, key) = match (target, &step.target.file) {
        (Some(target), None) => {
            writable(target, step, findings);
            let drafts = Sides {
                reads,
                index,
                target,
                source,
            }
            .drafts(&mut columns, findings);
            let mut key = key(step, target, &drafts, findings);
            if let Some(key) = &mut key {
                key.distinct = distinct(step, source, &columns, &drafts, key);
            }
            (drafts, key)
        }
        _ => {
            let fields = files::fields(step, index, schemas, source, &mut columns, findings);
            (fields.into_iter().map(Draft::of_file).collect(), None)
        }
    };
    for draft in &drafts {
        lookups(pipeline, &draft.mapped.value, step, schemas, vars, findings);
    }
    let file = match &step.target.file {
        Some(file) => Some(settled(file, vars, run, findings)?),
        None => None,
    };
    if let Source::Soql { .. } | Source::Object { .. } = &step.source {
        source?;
    }
    // `copy: all` of an object source adds columns behind those that the file names.
    for path in columns.iter().skip(types.len()) {
        let field = source.and_then(|s| s.field(path.as_str()));
        types.push(field.map_or(FieldType::String, |f| f.kind));
    }
    let group = target.and_then(|target| group(step, target, &drafts, findings));
    let persons = target.and_then(|target| persons(&mut columns, &mut types, step, source, target, &drafts));
    let from = match &step.source {
        Source::Http(http) => ReadFrom::Http {
            source: http.clone(),
            whole_row: step.whole_row,
        },
        Source::File(file) => ReadFrom::File {
            file: settled(file, vars, run, findings)?,
            line: line.unwrap_or_default(),
            whole_row: step.whole_row,
        },
        _ => source_query(step, &columns, &types, schemas, vars, findings)?,
    };
    reads.operands(&columns, findings);
    personal::classified(&reads, &columns, &drafts, findings);
    let mut cursor = cursor(step, schemas, findings);
    if let Some(cursor) = &mut cursor {
        cursor.scope = scope(step, &from, vars);
    }
    let checks = checks(step, target, &drafts, findings);
    if findings[before..]
        .iter()
        .any(|f| f.severity == crate::diag::Severity::Error)
    {
        return None;
    }
    let found_by = found_by(step, &columns, &drafts, key.as_ref());
    let compare = step.policy.compare == Compare::Target;
    let partial = drafts
        .iter()
        .enumerate()
        .any(|(at, d)| d.target.createable != d.target.updateable && key.as_ref().is_none_or(|k| !k.has(at)));
    let look_first = match (step.target.operation, &key) {
        (_, None) => false,
        // What has an Id is there, and what has none is new.
        (Operation::Upsert | Operation::Update, Some(key)) if key.is_id => compare,
        (Operation::Upsert, Some(key)) => {
            partial || compare || !key.native || key.fields.iter().any(|f| !f.createable)
        }
        (Operation::Insert | Operation::Match, Some(_)) => true,
        (Operation::Update, Some(_)) => true,
        (Operation::Delete | Operation::HardDelete, Some(key)) => !key.is_id,
    };
    let (parents, fields): (Vec<_>, Vec<_>) = drafts
        .into_iter()
        .map(|d| (d.parents, (d.mapped, d.target)))
        .unzip();
    let (mapped, targets): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let record_types = target
        .iter()
        .flat_map(|target| &target.record_types)
        .filter(|r| r.active && !r.master)
        .map(|r| (r.developer_name.to_ascii_lowercase().to_string(), r.id.clone()))
        .collect::<HashMap<_, _>>();
    Some(Built {
        step: PlanStep {
            index,
            name: step.name.clone(),
            after: BTreeSet::new(),
            read: Read {
                connection: match &step.source {
                    Source::Http(http) => http.credential.clone(),
                    _ => step.source_connection.clone(),
                },
                source: match &step.source {
                    Source::Http(http) => format!("{}{}", http.credential, http.path),
                    Source::File(file) => file.path.shown().to_owned(),
                    other => other.object().unwrap_or_default().to_owned(),
                },
                columns: columns.into(),
                types,
                from,
                cursor,
                total: schemas.file(index).map(|survey| survey.rows),
            },
            mapping: Mapping {
                when: step.when.clone(),
                fields: mapped,
            },
            each: step.each.clone(),
            row_id: match &step.row_id {
                RowId::Expr(expr) => RowIdPlan::Expr(expr.clone()),
                RowId::Key => RowIdPlan::Key,
                RowId::IdOrKey(column) => RowIdPlan::ColumnOrKey(*column),
            },
            write: Write {
                connection: step.target.connection.clone(),
                object: match (target, &file) {
                    (Some(target), _) => target.name.to_string(),
                    (None, Some(file)) => file.place.written_to(),
                    (None, None) => String::new(),
                },
                file,
                operation: step.target.operation,
                key,
                fields: targets,
                api: step.target.api,
                road: Road::Rest,
                batch: step.target.batch_size,
                parallel: step.target.parallel,
                look_first,
                compare,
                compare_sent: step.policy.compare == Compare::Sent && !step.target.operation.takes_key_only(),
                assignment_rule: step.target.assignment_rule.clone(),
                allow_duplicates: step.target.allow_duplicates,
                group,
                prefix: target.and_then(|target| target.key_prefix.clone()),
                persons,
            },
            checks,
            policy: step.policy.clone(),
            second_pass_after: BTreeSet::new(),
            found_by,
            deletes_of: step.deletes_of,
            record_types: Arc::new(record_types),
        },
        parents,
    })
}

/// Whether the rows of an object say that they are deleted, and when that was.
fn tells_of_deletes(source: &SObjectDescribe) -> bool {
    ["IsDeleted", "SystemModstamp"]
        .iter()
        .all(|name| source.field(name).is_some())
}

fn settled(
    file: &model::RowsFile,
    vars: &Vars,
    run: &RunInfo,
    findings: &mut Vec<Finding>,
) -> Option<RowsFile> {
    files::settle(file, vars, run)
        .map_err(|finding| findings.push(*finding))
        .ok()
}

fn source_describe<'s>(
    step: &Step,
    schemas: &'s Schemas,
    findings: &mut Vec<Finding>,
) -> Option<&'s SObjectDescribe> {
    let (object, span) = match &step.source {
        Source::Soql { query, span } => (&query.object, span),
        Source::Object { object, span, .. } => (object, span),
        Source::Http(_) | Source::File(_) => return None,
    };
    sobject(schemas, &step.source_connection, object, span, findings)
}

pub(super) fn sobject<'s>(
    schemas: &'s Schemas,
    connection: &str,
    object: &str,
    span: &Span,
    findings: &mut Vec<Finding>,
) -> Option<&'s SObjectDescribe> {
    let describe = schemas.get(connection, object);
    if describe.is_none() && !schemas.knows(connection, object) {
        // Only checks without an org come here with describes missing.
        if schemas.is_locked(connection) {
            findings.push(not_locked(schemas, connection, object, span));
        }
        return None;
    }
    if describe.is_none() {
        let mut finding = Finding::error(
            "unknown-object",
            span.clone(),
            format!("`{connection}` has no object `{object}`"),
        )
        .label("unknown object");
        finding = match schemas.suggest_object(connection, object) {
            Some(close) => finding.help(format!("did you mean `{close}`?")),
            None => finding.help(format!(
                "create it in `{connection}`, or give the user of this login access to it: an object without access looks as if it were not there"
            )),
        };
        findings.push(finding);
    }
    describe
}

fn not_locked(schemas: &Schemas, connection: &str, object: &str, span: &Span) -> Finding {
    let finding = Finding::warning(
        "not-locked",
        span.clone(),
        format!("the schema lock of `{connection}` does not know `{object}`"),
    )
    .label("not checked");
    match schemas.suggest_object(connection, object) {
        Some(close) => finding.help(format!("did you mean `{close}`? If not: `orgferry schema lock`")),
        None => finding.help("take it in: `orgferry schema lock`"),
    }
}

/// The types of the columns that the file names; fields that the source does not have are findings.
fn column_types(step: &Step, schemas: &Schemas, findings: &mut Vec<Finding>) -> Vec<FieldType> {
    let object = step.source.object();
    let mut types = Vec::with_capacity(step.columns.len());
    for column in &step.columns {
        let (path, made) = selected(step, &column.path);
        let resolved = object.map(|object| schemas.resolve(&step.source_connection, object, path));
        types.push(match &resolved {
            _ if made.is_some() => made.unwrap_or_default(),
            Some(Resolved::Field(field)) => field.kind,
            // Which object it is depends on the row, and so does the type.
            Some(Resolved::Polymorphic) => FieldType::AnyType,
            _ => FieldType::String,
        });
        let (object, name, suggestion, what) = match resolved {
            Some(Resolved::NoField {
                object,
                name,
                suggestion,
            }) => (object, name, suggestion, "field"),
            Some(Resolved::NoRelationship {
                object,
                name,
                suggestion,
            }) => (object, name, suggestion, "relationship"),
            _ => continue,
        };
        findings.push(unknown(
            &step.source_connection,
            &object,
            what,
            &name,
            suggestion,
            &column.span,
        ));
    }
    types
}

/// The field behind a column, and the type of what the query makes of it: a count is a number.
fn selected<'s>(step: &'s Step, column: &'s FieldPath) -> (&'s FieldPath, Option<FieldType>) {
    let Source::Soql { query, .. } = &step.source else {
        return (column, None);
    };
    let Some(item) = query.select.iter().find(|item| item.name() == *column) else {
        return (column, None);
    };
    let made = match &item.kind {
        SelectKind::Field => None,
        SelectKind::Aggregate(name) => match name.to_ascii_uppercase().as_str() {
            "COUNT" | "COUNT_DISTINCT" => Some(FieldType::Int),
            "AVG" => Some(FieldType::Double),
            _ => None,
        },
        SelectKind::Function(name) => match name.to_ascii_lowercase().as_str() {
            "tolabel" | "format" => Some(FieldType::String),
            "convertcurrency" => Some(FieldType::Currency),
            _ => Some(FieldType::AnyType),
        },
    };
    (&item.path, made)
}

fn writable(target: &SObjectDescribe, step: &Step, findings: &mut Vec<Finding>) {
    let (may, verb) = match step.target.operation {
        Operation::Upsert => (target.createable || target.updateable, "written"),
        Operation::Insert => (target.createable, "created"),
        Operation::Update => (target.updateable, "updated"),
        Operation::Delete | Operation::HardDelete => (target.deletable, "deleted"),
        Operation::Match => (target.queryable, "found"),
    };
    if !may {
        findings.push(
            Finding::error(
                "unwritable-object",
                step.target.span.clone(),
                format!(
                    "records of `{}` cannot be {verb} in `{}`",
                    target.name, step.target.connection
                ),
            )
            .label("not allowed for this login")
            .help("give the user of this login the object permission, or choose another operation"),
        );
    }
}

/// The field whose equal values travel together.
fn group(
    step: &Step,
    target: &SObjectDescribe,
    drafts: &[Draft],
    findings: &mut Vec<Finding>,
) -> Option<usize> {
    let (name, span) = step.target.group_by.as_ref()?;
    let at = drafts
        .iter()
        .position(|d| d.target.name.eq_ignore_ascii_case(name));
    if at.is_none() {
        let finding = match target.field(name) {
            Some(field) => Finding::error(
                "unfilled-group",
                span.clone(),
                format!("nothing fills `{}`, by which rows are to be grouped", field.name),
            )
            .label("neither mapped nor copied")
            .help("name a field that the step fills, such as the lookup to the parent"),
            None => {
                let finding = Finding::error(
                    "unknown-target-field",
                    span.clone(),
                    format!("`{}` has no field `{name}`", target.name),
                )
                .label("unknown field of the target");
                match did_you_mean(name, target.fields.iter().map(|f| f.name.as_str())) {
                    Some(close) => finding.help(format!("did you mean `{close}`?")),
                    None => finding,
                }
            }
        };
        findings.push(finding);
    }
    at
}

/// What tells a row's kind of account, and which fields each kind refuses. An `object` source is made to read whether
/// an account is a person.
fn persons(
    columns: &mut Vec<FieldPath>,
    types: &mut Vec<FieldType>,
    step: &Step,
    source: Option<&SObjectDescribe>,
    target: &SObjectDescribe,
    drafts: &[Draft],
) -> Option<Persons> {
    if !target.has_person_accounts() || step.target.operation.takes_key_only() {
        return None;
    }
    let flag = FieldPath::from("IsPersonAccount");
    let mut column = columns.iter().position(|c| *c == flag);
    let reads =
        matches!(step.source, Source::Object { .. }) && source.is_some_and(|s| s.has_person_accounts());
    if column.is_none() && reads {
        columns.push(flag);
        types.push(FieldType::Boolean);
        column = Some(columns.len() - 1);
    }
    let at = |test: &dyn Fn(&str) -> bool| -> Vec<usize> {
        drafts
            .iter()
            .enumerate()
            .filter(|(_, d)| d.target.parent.is_none() && test(&d.target.name))
            .map(|(at, _)| at)
            .collect()
    };
    Some(Persons {
        column,
        last_name: at(&|name| name.eq_ignore_ascii_case("LastName")).first().copied(),
        business: at(&|name| name.eq_ignore_ascii_case("Name")),
        personal: at(&is_personal),
    })
}

/// Whether a field of Account is one of person accounts alone.
fn is_personal(name: &str) -> bool {
    const OF_THE_NAME: [&str; 5] = ["FirstName", "MiddleName", "LastName", "Suffix", "Salutation"];
    OF_THE_NAME.iter().any(|n| n.eq_ignore_ascii_case(name))
        || name
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case("Person"))
            && !name.to_ascii_lowercase().ends_with("__c")
        || name.to_ascii_lowercase().ends_with("__pc")
}

/// Where the key is the row id alone: then the target itself knows which record a source row became.
fn found_by(step: &Step, columns: &[FieldPath], drafts: &[Draft], key: Option<&TargetKey>) -> Option<String> {
    // The entries of a list share their row's id.
    let key = key.filter(|k| !k.is_id && step.each.is_none())?;
    let [key] = key.fields.as_slice() else { return None };
    let MapValue::Expr(value) = &drafts[key.at].mapped.value else {
        return None;
    };
    let RowId::Expr(id) = &step.row_id else {
        return None;
    };
    let same = match (value.as_column(), id.as_column()) {
        (Some(a), Some(b)) => a == b || columns.get(a) == columns.get(b),
        _ => false,
    };
    same.then(|| key.field.clone())
}
