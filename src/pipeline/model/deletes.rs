//! `policy.changes.deletes`: what becomes of the target records of deleted source records.

use std::borrow::Cow;

use super::{
    AssignmentRule, Chunk, Column, Compare, Copy, CursorField, FieldMap, FieldRole, FieldUse, Key, MapValue,
    Missing, Operation, Pipeline, RowId, Source, Step, StepRef, Target,
};
use crate::{
    diag::Span,
    pipeline::{expr::Expr, soql::parse_condition},
    record::FieldPath,
};

/// What becomes of the target records of deleted source records.
#[derive(Clone, Debug)]
pub struct Deletes {
    /// Where it is said.
    pub span: Span,
    /// The field that tells the source's rows apart.
    pub row_id: FieldPath,
    /// What the records are marked with; `None`: they are deleted.
    pub set: Option<Vec<FieldMap>>,
}

/// What tells deleted records from others.
const DELETED: &str = "IsDeleted";

/// What moves when a record is deleted, whatever field else tells of changes.
const STAMP: &str = "SystemModstamp";

impl Pipeline {
    /// The pipeline with a step more for each one that follows deletions: it reads what the source has deleted since,
    /// finds the records that those rows became, and deletes or marks them. So deletions are read, counted, limited,
    /// parked and read again as all rows are.
    pub fn with_deletes(&self) -> Cow<'_, Pipeline> {
        let following: Vec<Step> = self
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| following(at, step))
            .collect();
        if following.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut all = self.clone();
        all.steps.extend(following);
        Cow::Owned(all)
    }
}

/// The step that follows the deletions of another one.
fn following(at: usize, of: &Step) -> Option<Step> {
    let deletes = of.deletes.as_ref()?;
    let span = &deletes.span;
    let object = of.source.object()?.to_owned();
    let mut columns: Vec<Column> = Vec::new();
    for path in [
        deletes.row_id.clone(),
        FieldPath::from("Id"),
        FieldPath::from(STAMP),
    ] {
        if !columns.iter().any(|column| column.path == path) {
            columns.push(Column {
                path,
                span: span.clone(),
                optional: false,
            });
        }
    }
    let stamp = columns
        .iter()
        .position(|column| column.path == FieldPath::from(STAMP))?;
    let mut map = vec![FieldMap {
        field: FieldPath::from("Id"),
        span: span.clone(),
        value: MapValue::Ref {
            steps: vec![StepRef::Own(at)],
            of: Box::new(MapValue::Expr(Expr::column(0))),
            give: None,
            // Most of what an org deletes never was in the target.
            missing: Missing::Skip,
            span: span.clone(),
        },
        value_span: span.clone(),
        literals: Vec::new(),
    }];
    let mut policy = of.policy.clone();
    // What bears the mark already is left alone.
    policy.compare = Compare::None;
    if let Some(set) = &deletes.set {
        map.extend(set.iter().cloned());
        policy.compare = Compare::Target;
    }
    Some(Step {
        // A name that no step can have in a file.
        name: format!("{}.deleted", of.name),
        span: of.span.clone(),
        source: Source::Object {
            object,
            span: span.clone(),
            condition: parse_condition(&format!("{DELETED} = true")).ok(),
            condition_span: span.clone(),
            order_by: None,
            limit: None,
        },
        source_connection: of.source_connection.clone(),
        source_api: of.source_api,
        include_deleted: true,
        chunk: Chunk::Auto,
        cursor: Some(CursorField {
            field: FieldPath::from(STAMP),
            column: stamp,
            span: span.clone(),
        }),
        row_id: RowId::Expr(Expr::column(0)),
        each: None,
        target: Target {
            operation: match deletes.set {
                Some(_) => Operation::Update,
                None => Operation::Delete,
            },
            key: Some(Key {
                fields: vec![("Id".to_owned(), span.clone())],
                span: span.clone(),
            }),
            assignment_rule: AssignmentRule::None,
            group_by: None,
            ..of.target.clone()
        },
        columns,
        whole_row: None,
        copy: Copy::Nothing,
        map,
        when: None,
        needs: Vec::new(),
        filters: vec![FieldUse {
            path: FieldPath::from(DELETED),
            span: span.clone(),
            role: FieldRole::Filter,
        }],
        semi_joins: Vec::new(),
        personal: Vec::new(),
        policy,
        checks: Vec::new(),
        tests: Vec::new(),
        deletes: None,
        deletes_of: Some(at),
    })
}
