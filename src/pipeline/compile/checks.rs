//! `checks` of a step.

use super::{
    Ctx,
    expressions::{self, Usage},
    scope::{Columns, Rows},
};
use crate::{
    diag::Finding,
    pipeline::model::{Check, CheckKind, CheckedField, Copy, FieldMap, Operation, Target},
    record::{FieldPath, Number},
    spec::{Entry, Node},
};

/// What checks need to know of their step.
pub(super) struct Filled<'a> {
    pub(super) map: Option<&'a [FieldMap]>,
    pub(super) copy: Option<&'a Copy>,
    pub(super) target: Option<&'a Target>,
    pub(super) vars: Vec<String>,
}

/// All checks of a step; `None` when one is faulty.
pub(super) fn compile(
    step: &Entry,
    filled: &Filled<'_>,
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<Vec<Check>> {
    let nodes = step.value.get("checks").map(Node::items).unwrap_or_default();
    let checks: Vec<Option<Check>> = nodes.iter().map(|node| filled.check(node, usage, ctx)).collect();
    let checks = checks.into_iter().collect::<Option<Vec<Check>>>()?;
    for (at, check) in checks.iter().enumerate() {
        if let Some(first) = checks[..at].iter().find(|other| other.words == check.words) {
            ctx.report(
                Finding::warning("repeated-check", check.span.clone(), "this check stands twice")
                    .label("again here")
                    .also(first.span.clone(), "first here")
                    .help("keep one of them"),
            );
        }
    }
    Some(checks)
}

impl Filled<'_> {
    fn check(&self, node: &Node, usage: &mut Usage, ctx: &mut Ctx<'_>) -> Option<Check> {
        if node.has_broken_part() {
            return None;
        }
        let entry = node.entries().first()?;
        let subject = &entry.value;
        let kind = match entry.key.text.as_str() {
            "not_null" => CheckKind::NotNull(self.fields(entry, ctx)?),
            "unique" => CheckKind::Unique(self.fields(entry, ctx)?),
            "expr" => {
                let mut columns = self.columns();
                let expr = expressions::holds(subject, "expr", &mut columns, usage, ctx)?;
                let fields = columns
                    .columns
                    .into_iter()
                    .map(|column| CheckedField {
                        path: column.path,
                        span: column.span,
                    })
                    .collect();
                CheckKind::Expr { expr, fields }
            }
            "rows" => rows(entry, ctx)?,
            "reconcile" => self.reconcile(entry, ctx)?,
            _ => return None,
        };
        Some(Check {
            words: words(entry),
            place: ctx.files.address(&entry.key.span),
            span: entry.key.span.clone(),
            kind,
        })
    }

    /// The target fields that the step fills, as far as the file tells.
    fn columns(&self) -> Columns {
        let (Some(map), Some(copy)) = (self.map, self.copy) else {
            return Columns::new(Rows::Derived, self.vars.clone());
        };
        let mapped = map.iter().map(|line| (line.field.as_str(), &line.span));
        match copy {
            Copy::Nothing => Columns::filled(mapped, self.vars.clone()),
            Copy::Fields(fields) => {
                let copied = fields.iter().map(|copied| (copied.field.as_str(), &copied.span));
                Columns::filled(mapped.chain(copied), self.vars.clone())
            }
            // What is copied is known when the orgs have been asked.
            Copy::All { .. } => Columns::new(Rows::Derived, self.vars.clone()),
        }
    }

    /// A list of target fields.
    fn fields(&self, entry: &Entry, ctx: &mut Ctx<'_>) -> Option<Vec<CheckedField>> {
        let nodes = entry.value.one_or_more();
        if nodes.is_empty() {
            let key = &entry.key.text;
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.value.span.clone(),
                    format!("`{key}` takes a target field or a list of them"),
                )
                .label("an empty list")
                .help(format!("for example `{key}: [LastName]`")),
            );
            return None;
        }
        let fields: Vec<Option<CheckedField>> = nodes.iter().map(|node| self.field(node, ctx)).collect();
        fields.into_iter().collect()
    }

    fn field(&self, node: &Node, ctx: &mut Ctx<'_>) -> Option<CheckedField> {
        let path = FieldPath::new(node.text()?);
        let mut columns = self.columns();
        if columns.column(&path, node.span.clone()).is_some() {
            return Some(CheckedField {
                path,
                span: node.span.clone(),
            });
        }
        let finding = Finding::error(
            "unknown-field",
            node.span.clone(),
            format!("the step does not fill `{path}`"),
        )
        .label("neither in `map` nor in `copy`");
        ctx.report(match columns.suggestion(&path) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!(
                "a check looks at target fields: add `{path}: ...` to `map`"
            )),
        });
        None
    }

    fn reconcile(&self, entry: &Entry, ctx: &mut Ctx<'_>) -> Option<CheckKind> {
        let node = &entry.value;
        if let Some(target) = self.target
            && let Some(why) = unreadable(target)
        {
            ctx.report(
                Finding::error(
                    "bad-check",
                    entry.key.span.clone(),
                    "`reconcile` has nothing to read back here",
                )
                .label(why)
                .help("leave it out; `rows` can bound how many rows the step takes"),
            );
            return None;
        }
        let count = node.get("count").and_then(Node::text) == Some("true");
        let sum = match node.get("sum") {
            Some(node) => Some(self.field(node, ctx)?),
            None => None,
        };
        let fields = match node.entry("fields") {
            Some(entry) => self.fields(entry, ctx)?,
            None => Vec::new(),
        };
        if !count && sum.is_none() && fields.is_empty() {
            ctx.report(
                Finding::error(
                    "missing-key",
                    entry.key.span.clone(),
                    "`reconcile` compares nothing",
                )
                .label("has none of `count: true`, `sum` and `fields`")
                .help("for example `reconcile: { count: true }`"),
            );
            return None;
        }
        let tolerance = node.get("tolerance").and_then(Node::text).unwrap_or("0");
        Some(CheckKind::Reconcile {
            count,
            sum,
            fields,
            tolerance: Number::canonical(tolerance).ok()?,
        })
    }
}

/// Why nothing can be read back from a target, if nothing can.
fn unreadable(target: &Target) -> Option<&'static str> {
    match target.operation {
        _ if target.file.is_some() => Some("rows go to a file"),
        Operation::Upsert | Operation::Insert | Operation::Update | Operation::Match => None,
        Operation::Delete | Operation::HardDelete => Some("the step deletes its records"),
    }
}

fn rows(entry: &Entry, ctx: &mut Ctx<'_>) -> Option<CheckKind> {
    let bound = |key: &str| {
        let node = entry.value.get(key)?;
        Some((node.text()?.parse::<u64>().ok()?, node))
    };
    let (least, most) = (bound("at_least"), bound("at_most"));
    let finding = match (&least, &most) {
        (None, None) => Finding::error("missing-key", entry.key.span.clone(), "`rows` has no bound")
            .label("has neither `at_least` nor `at_most`")
            .help("for example `rows: { at_least: 1, at_most: 50000 }`"),
        (Some((least, at)), Some((most, other))) if least > most => Finding::error(
            "bad-check",
            other.span.clone(),
            format!("no number of rows is at least {least} and at most {most}"),
        )
        .label("less than `at_least`")
        .also(at.span.clone(), "`at_least`")
        .help(format!("write `rows: {{ at_least: {most}, at_most: {least} }}`")),
        _ => {
            return Some(CheckKind::Rows {
                at_least: least.map(|(rows, _)| rows),
                at_most: most.map(|(rows, _)| rows),
            });
        }
    };
    ctx.report(finding);
    None
}

/// A check as a user would write it, on one line.
fn words(entry: &Entry) -> String {
    format!("{}: {}", entry.key.text, flow(&entry.value))
}

fn flow(node: &Node) -> String {
    if let Some(scalar) = node.scalar() {
        return scalar.text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    if !node.entries().is_empty() {
        let entries: Vec<String> = node.entries().iter().map(words).collect();
        return format!("{{ {} }}", entries.join(", "));
    }
    let items: Vec<String> = node.items().iter().map(flow).collect();
    format!("[{}]", items.join(", "))
}
