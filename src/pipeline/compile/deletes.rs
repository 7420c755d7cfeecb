//! `policy.changes.deletes`: whether and how a step follows the deletions of its source.

use super::{
    Ctx,
    mapping::Mapper,
    scope::{Columns, Rows},
};
use crate::{
    diag::Finding,
    pipeline::{
        model::{CursorField, Deletes, Each, FieldMap, Operation, RowId, Source, Target},
        soql::SelectItem,
    },
    record::FieldPath,
    spec::Node,
};

/// `changes.deletes` of a file, a project or an environment, where it is said.
pub(super) fn said(level: &Node) -> Option<&Node> {
    level.get("policy")?.get("changes")?.get("deletes")
}

/// What is known of the step.
pub(super) struct Looked<'a> {
    pub(super) source: &'a Source,
    pub(super) include_deleted: bool,
    pub(super) columns: &'a Columns,
    pub(super) row_id: &'a RowId,
    pub(super) each: Option<&'a Each>,
    pub(super) cursor: Option<&'a CursorField>,
    pub(super) target: &'a Target,
}

/// What the step does about deletions; the outer `None`: it was complained about. `own`: the step itself says so.
pub(super) fn compile(
    step: &str,
    node: &Node,
    own: bool,
    looked: &Looked<'_>,
    mapper: &mut Mapper<'_, '_>,
    ctx: &mut Ctx<'_>,
) -> Option<Option<Deletes>> {
    if node.has_broken_part() {
        return None;
    }
    if node.text() == Some("ignore") {
        return Some(None);
    }
    let row_id = match looked.followed_by() {
        Ok(row_id) => row_id,
        // A policy for many steps holds for those that it can hold for; one that reads changes is meant by it.
        Err(_) if !own && looked.cursor.is_none() => return Some(None),
        Err(why) => {
            // Its deletions come as rows; the file says what becomes of them.
            if !looked.include_deleted || own {
                ctx.report(why.into_finding(step, node));
            }
            return Some(None);
        }
    };
    let set = match node.entry("set") {
        None => None,
        Some(entry) => {
            let mut lines = Vec::new();
            for line in entry.value.entries() {
                lines.push(FieldMap {
                    field: FieldPath::new(line.key.text.clone()),
                    span: line.key.span.clone(),
                    value: mapper.value(&line.value, ctx)?,
                    value_span: ctx.head(&line.value),
                    literals: Vec::new(),
                });
            }
            if lines.is_empty() {
                ctx.report(
                    Finding::error("missing-key", entry.key.span.clone(), "`set` names no field")
                        .label("marks nothing")
                        .help("name the field that tells of it: `{ set: { Active__c: false } }`"),
                );
                return None;
            }
            Some(lines)
        }
    };
    Some(Some(Deletes {
        span: node.span.clone(),
        row_id,
        set,
    }))
}

/// No row is read for a mark: only `vars` and `run` mean something in it.
pub(super) fn nowhere(vars: Vec<String>) -> Columns {
    Columns::new(Rows::Nowhere, vars)
}

/// Why a step cannot follow deletions.
struct Unfollowed {
    label: &'static str,
    help: &'static str,
}

impl Unfollowed {
    fn into_finding(self, step: &str, node: &Node) -> Finding {
        let message = format!("step `{step}` cannot follow deletions: its records stay in the target");
        Finding::warning("deletes-not-followed", node.span.clone(), message)
            .label(self.label)
            .help(self.help)
    }
}

impl Looked<'_> {
    /// The field that tells the source's rows apart.
    fn followed_by(&self) -> Result<FieldPath, Unfollowed> {
        let refused = |label, help| Err(Unfollowed { label, help });
        if self.source.object().is_none() {
            return refused(
                "only an org tells what was deleted in it",
                "say `changes: { deletes: ignore }` in the step's own `policy`",
            );
        }
        if self.target.file.is_some() {
            return refused(
                "its rows go to a file, which every run writes anew",
                "say `changes: { deletes: ignore }` in the step's own `policy`",
            );
        }
        match self.target.operation {
            Operation::Upsert | Operation::Insert | Operation::Update => {}
            Operation::Match | Operation::Delete | Operation::HardDelete => {
                return refused(
                    "the step itself writes no record",
                    "say `changes: { deletes: ignore }` in the step's own `policy`",
                );
            }
        }
        if self.cursor.is_none() {
            return refused(
                "without a `cursor` nobody knows since when",
                "add `cursor: SystemModstamp` to the source, or leave `deletes` out",
            );
        }
        if self.include_deleted {
            return refused(
                "`include_deleted: true` reads deleted rows like all others",
                "leave one of the two out",
            );
        }
        if self.each.is_some() {
            return refused(
                "`each` makes several records of a row, and none of them was deleted in the source",
                "say `changes: { deletes: ignore }` in the step's own `policy`",
            );
        }
        let computed = || Unfollowed {
            label: "the row id is computed, and deleted rows are found by a field",
            help: "let `id` of the source name a field, or say `changes: { deletes: ignore }` in the step's own `policy`",
        };
        let RowId::Expr(id) = self.row_id else {
            return Err(computed());
        };
        let path = id
            .as_column()
            .and_then(|at| self.columns.columns.get(at))
            .map(|column| column.path.clone())
            .ok_or_else(computed)?;
        let Source::Soql { query, .. } = self.source else {
            return Ok(path);
        };
        match query.select.iter().find(|item| item.name() == path) {
            None => Ok(path),
            Some(item) if SelectItem::is_plain(item) => Ok(path),
            Some(_) => Err(computed()),
        }
    }
}
