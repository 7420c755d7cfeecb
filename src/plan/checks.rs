//! Checks, held against the target's describe.

use super::{PlanStep, fields::Draft, types::operands_of_check};
use crate::{
    diag::{Finding, did_you_mean},
    pipeline::model::{CheckKind, CheckedField, Step},
    record::Number,
    salesforce::SObjectDescribe,
    transform::{RowCheck, ShapeKind},
};

/// A check, decided.
#[derive(Clone, Debug)]
pub struct PlanCheck {
    /// As a user would write it: `unique: Email`.
    pub words: String,
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// What it wants.
    pub kind: PlanCheckKind,
}

/// What a check wants; fields are indexes into the mapping's.
#[derive(Clone, Debug)]
pub enum PlanCheckKind {
    /// Something of each row.
    Row(RowCheck),
    /// That no two rows share these values.
    Unique {
        /// The fields.
        at: Vec<usize>,
        /// Whether texts that differ in case only differ, for each.
        case_sensitive: Vec<bool>,
    },
    /// A number of rows.
    Rows {
        /// Not fewer.
        at_least: Option<u64>,
        /// Not more.
        at_most: Option<u64>,
    },
    /// That source and target are alike.
    Reconcile(Reconcile),
}

/// What must be alike in source and target.
#[derive(Clone, Debug)]
pub struct Reconcile {
    /// The number of rows.
    pub count: bool,
    /// The sum of a field.
    pub sum: Option<usize>,
    /// The values of fields.
    pub fields: Vec<usize>,
    /// By how much.
    pub tolerance: Number,
}

/// The checks of a step; what the describes prove wrong are findings.
pub(super) fn checks(
    step: &Step,
    target: Option<&SObjectDescribe>,
    drafts: &[Draft],
    findings: &mut Vec<Finding>,
) -> Vec<PlanCheck> {
    let mut out = Vec::new();
    for check in &step.checks {
        let mut at = |field: &CheckedField| find(field, drafts, findings);
        let kind = match &check.kind {
            CheckKind::NotNull(_) => RowCheck::new(check, &mut at).map(PlanCheckKind::Row),
            CheckKind::Expr { expr, fields } => {
                let row = RowCheck::new(check, &mut at).map(PlanCheckKind::Row);
                if row.is_some() {
                    operands_of_check(expr, fields, drafts, &check.span, findings);
                }
                row
            }
            CheckKind::Unique(fields) => {
                let places: Option<Vec<usize>> = fields.iter().map(&mut at).collect();
                places.map(|at| PlanCheckKind::Unique {
                    case_sensitive: at
                        .iter()
                        .map(|at| {
                            let name = &drafts[*at].target.name;
                            target
                                .and_then(|t| t.field(name))
                                .is_some_and(|f| f.case_sensitive)
                        })
                        .collect(),
                    at,
                })
            }
            CheckKind::Rows { at_least, at_most } => Some(PlanCheckKind::Rows {
                at_least: *at_least,
                at_most: *at_most,
            }),
            CheckKind::Reconcile {
                count,
                sum,
                fields,
                tolerance,
            } => {
                let total = sum.as_ref().map(&mut at);
                let places: Option<Vec<usize>> = fields.iter().map(&mut at).collect();
                if let (Some(field), Some(Some(at))) = (sum, total) {
                    number(field, &drafts[at], findings);
                }
                match (total, places) {
                    (Some(None), _) | (_, None) => None,
                    (total, Some(fields)) => Some(PlanCheckKind::Reconcile(Reconcile {
                        count: *count,
                        sum: total.flatten(),
                        fields,
                        tolerance: tolerance.clone(),
                    })),
                }
            }
        };
        out.extend(kind.map(|kind| PlanCheck {
            words: check.words.clone(),
            place: check.place.clone(),
            kind,
        }));
    }
    out
}

/// A field that gets its value in a second pass is written after it could be noted for `reconcile`.
pub(super) fn looping(step: &Step, plan: &PlanStep, findings: &mut Vec<Finding>) {
    for check in &step.checks {
        let CheckKind::Reconcile { fields, .. } = &check.kind else {
            continue;
        };
        let looping = |field: &&CheckedField| {
            plan.mapping
                .fields
                .iter()
                .any(|mapped| mapped.looping && mapped.name == field.path)
        };
        for field in fields.iter().filter(looping) {
            findings.push(
                Finding::error(
                    "bad-check",
                    field.span.clone(),
                    format!("`{}` cannot be reconciled", field.path),
                )
                .label("a loop of references: it is written in a second pass")
                .help("leave it out of `fields`; its rows are parked when the reference is not found"),
            );
        }
    }
}

/// The place of a checked field. `copy: all` may leave out what the file hoped for.
fn find(field: &CheckedField, drafts: &[Draft], findings: &mut Vec<Finding>) -> Option<usize> {
    let found = drafts.iter().position(|draft| draft.mapped.name == field.path);
    if found.is_none() {
        let finding = Finding::error(
            "unknown-field",
            field.span.clone(),
            format!("the step does not fill `{}`", field.path),
        )
        .label("not among what `copy` and `map` fill");
        let names = drafts.iter().map(|draft| draft.mapped.name.as_str());
        findings.push(match did_you_mean(field.path.as_str(), names) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!(
                "a check looks at target fields: add `{}: ...` to `map`",
                field.path
            )),
        });
    }
    found
}

fn number(field: &CheckedField, draft: &Draft, findings: &mut Vec<Finding>) {
    let kind = draft.target.shape.kind;
    if draft.target.parent.is_none() && matches!(kind, ShapeKind::Int | ShapeKind::Decimal) {
        return;
    }
    findings.push(
        Finding::error(
            "bad-check",
            field.span.clone(),
            format!("`{}` has no sum", field.path),
        )
        .label(format!("a {}", kind.noun()))
        .help(format!(
            "compare it row by row: `reconcile: {{ fields: {} }}`",
            field.path
        )),
    );
}
