//! Expressions, queries and paths in scalars: compiled, and their faults shown at the exact letters.

use std::collections::HashSet;

use super::{Ctx, scope::Columns};
use crate::{
    diag::{Code, Finding, Span, all_of, did_you_mean},
    pipeline::{
        expr::{Expr, FaultKind, is_template},
        model::{FieldRole, FieldUse, SemiJoin, Var, VarKind},
        soql::{self, Bind, BindOperator, Condition, Query, SoqlFault},
    },
    record::{FieldPath, Value},
    spec::{Entry, Node, Segments},
};

/// What a pipeline makes use of, for the complaints about what it does not.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub(super) vars: HashSet<String>,
    pub(super) tables: HashSet<String>,
    /// Where something is masked first.
    pub(super) mask: Option<Span>,
    /// Whether a step follows the deletions of its source.
    pub(super) deletes: bool,
}

impl Usage {
    /// Every var whose name stands in an expression that speaks of `vars`.
    fn expression(&mut self, text: &str, vars: &[String]) {
        let words: HashSet<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        self.vars
            .extend(vars.iter().filter(|var| words.contains(var.as_str())).cloned());
    }
}

/// An expression or template.
pub(super) fn expression(
    node: &Node,
    scope: &mut Columns,
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<Expr> {
    let scalar = node.scalar()?;
    if scalar.text.trim().is_empty() {
        ctx.report(
            Finding::error("expression-syntax", node.span.clone(), "the expression is empty")
                .label("expected a field, a literal or an expression")
                .help("an empty text is null: write `null`, or leave the key out"),
        );
        return None;
    }
    let parts = node.parts(ctx.files);
    scope.stand_at(node, parts.clone());
    if scalar.text.contains("vars") {
        usage.expression(&scalar.text, &crate::pipeline::expr::Scope::var_names(scope));
    }
    match Expr::compile(&scalar.text, scope) {
        Ok(expr) => Some(match verbatim(&scalar.text, &parts, ctx) {
            Some(span) => expr.at(span),
            None => expr,
        }),
        Err(faults) => {
            for fault in faults {
                let template = is_template(&scalar.text);
                let span = visible(parts.locate(fault.range), node);
                let mut finding =
                    Finding::error(code(fault.kind, template), span, fault.message).label(fault.label);
                if let Some(help) = fault.help {
                    finding = finding.help(help);
                }
                if let (FaultKind::UnknownField, Some(list)) = (fault.kind, scope.select_list()) {
                    finding = finding.also(list.clone(), "the last field that the query selects");
                }
                ctx.report(finding);
            }
            None
        }
    }
}

/// Where a text stands in its file letter by letter, so that it can be edited there.
fn verbatim(text: &str, parts: &Segments, ctx: &Ctx<'_>) -> Option<Span> {
    let span = parts.locate(0..text.len());
    let range = ctx.files.clamp(&span);
    (ctx.files.text(span.file).get(range) == Some(text)).then_some(span)
}

/// A condition of `when`.
pub(super) fn when(node: &Node, scope: &mut Columns, usage: &mut Usage, ctx: &mut Ctx<'_>) -> Option<Expr> {
    holds(node, "when", scope, usage, ctx)
}

/// A condition behind `key`. One that looks at nothing is told: it holds always, or never.
pub(super) fn holds(
    node: &Node,
    key: &str,
    scope: &mut Columns,
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<Expr> {
    let expr = expression(node, scope, usage, ctx)?;
    if let Some(value) = expr.as_constant() {
        let says = match value {
            Value::Bool(true) => "always holds",
            Value::Bool(false) | Value::Null => "never holds",
            _ => "is no condition",
        };
        ctx.report(
            Finding::warning(
                "constant-condition",
                ctx.head(node),
                format!("this `{key}` {says}"),
            )
            .label("looks at no field and no var")
            .help(format!(
                "for example `{key}: Amount > 0`; without a condition, leave `{key}` out"
            )),
        );
    }
    Some(expr)
}

fn code(kind: FaultKind, template: bool) -> Code {
    match kind {
        FaultKind::Syntax if template => "template-syntax",
        FaultKind::Syntax => "expression-syntax",
        FaultKind::UnknownField => "unknown-field",
        FaultKind::UnknownVar => "unknown-var",
        FaultKind::UnknownName => "unknown-name",
        FaultKind::UnknownFilter => "unknown-filter",
        FaultKind::UnknownTest => "unknown-test",
        FaultKind::WrongArguments => "wrong-arguments",
        FaultKind::Unsupported => "unsupported-syntax",
        FaultKind::TooLarge => "too-large",
    }
}

/// A point is shown, but a fault at nothing at all is shown at the whole value.
fn visible(span: Span, node: &Node) -> Span {
    if span.range.is_empty() && node.span.range.is_empty() {
        node.span.clone()
    } else {
        span
    }
}

/// A whole query, its binds checked.
pub(super) fn query(
    step: &Entry,
    node: &Node,
    vars: &[Var],
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<Query> {
    let parts = node.parts(ctx.files);
    match soql::parse_query(node.text()?) {
        Ok(query) => {
            binds(&query.binds, &parts, vars, usage, ctx);
            Some(query)
        }
        Err(mut faults) => {
            // A step that is proposed refers to this one.
            let key = step.value.get("target").and_then(|target| target.get("key"));
            let key = key.and_then(Node::text).unwrap_or("Legacy_Id__c");
            let helps = faults.iter_mut().filter_map(|fault| fault.help.as_mut());
            for help in helps.filter(|help| help.contains("ref: STEP,")) {
                *help = help
                    .replace("ref: STEP,", &format!("ref: {},", step.key.text))
                    .replace("KEY", key);
            }
            report(faults, &parts, 0, ctx);
            None
        }
    }
}

/// A condition, its binds checked.
pub(super) fn condition(
    node: &Node,
    vars: &[Var],
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<Condition> {
    let parts = node.parts(ctx.files);
    match soql::parse_condition(node.text()?) {
        Ok(condition) => {
            binds(&condition.binds, &parts, vars, usage, ctx);
            Some(condition)
        }
        Err(faults) => {
            report(faults, &parts, 0, ctx);
            None
        }
    }
}

/// The fields that a condition looks at, with their places.
pub(super) fn filters(node: Option<&Node>, condition: Option<&Condition>, ctx: &Ctx<'_>) -> Vec<FieldUse> {
    let (Some(node), Some(condition)) = (node, condition) else {
        return Vec::new();
    };
    let parts = node.parts(ctx.files);
    uses(&condition.fields, FieldRole::Filter, &parts, 0).collect()
}

/// The semi-joins of a condition or a query, with their places.
pub(super) fn semi_joins(node: Option<&Node>, joins: &[soql::SemiJoin], ctx: &Ctx<'_>) -> Vec<SemiJoin> {
    let Some(node) = node.filter(|_| !joins.is_empty()) else {
        return Vec::new();
    };
    let parts = node.parts(ctx.files);
    let placed =
        |(path, range): &(FieldPath, std::ops::Range<usize>)| (path.clone(), parts.locate(range.clone()));
    joins
        .iter()
        .map(|join| SemiJoin {
            outer: join.outer.as_ref().map(placed),
            object: (join.object.clone(), parts.locate(join.object_range.clone())),
            selected: placed(&join.selected),
            fields: uses(&join.fields, FieldRole::Joined, &parts, 0).collect(),
        })
        .collect()
}

/// The fields that a query filters, sorts and groups by.
pub(super) fn query_filters(node: &Node, query: &Query, ctx: &Ctx<'_>) -> Vec<FieldUse> {
    let parts = node.parts(ctx.files);
    uses(&query.condition_fields, FieldRole::Filter, &parts, 0)
        .chain(uses(&query.order_fields, FieldRole::Order, &parts, 0))
        .chain(uses(&query.group_by, FieldRole::Group, &parts, 0))
        .collect()
}

fn uses<'a>(
    fields: &'a [(FieldPath, std::ops::Range<usize>)],
    role: FieldRole,
    parts: &'a Segments,
    skip: usize,
) -> impl Iterator<Item = FieldUse> + 'a {
    fields.iter().map(move |(path, range)| FieldUse {
        path: path.clone(),
        span: parts.locate(range.start.saturating_sub(skip)..range.end.saturating_sub(skip)),
        role,
    })
}

/// An ORDER BY list, checked as the end of a query.
pub(super) fn order_by(
    node: &Node,
    object: &str,
    filters: &mut Vec<FieldUse>,
    ctx: &mut Ctx<'_>,
) -> Option<String> {
    let text = node.text()?;
    let before = format!("SELECT Id FROM {object} ORDER BY ");
    match soql::parse_query(&format!("{before}{text}")) {
        Ok(query) if query.limit.is_none() && query.offset.is_none() => {
            let parts = node.parts(ctx.files);
            filters.extend(uses(&query.order_fields, FieldRole::Order, &parts, before.len()));
            Some(text.to_owned())
        }
        Ok(_) => {
            ctx.report(
                Finding::error("soql-syntax", ctx.head(node), "`order_by` holds fields only")
                    .label("LIMIT and OFFSET do not belong here")
                    .help("write `limit: 100` beside it"),
            );
            None
        }
        Err(faults) => {
            report(faults, &node.parts(ctx.files), before.len(), ctx);
            None
        }
    }
}

fn report(faults: Vec<SoqlFault>, parts: &Segments, skip: usize, ctx: &mut Ctx<'_>) {
    for fault in faults {
        let range = fault.range.start.saturating_sub(skip)..fault.range.end.saturating_sub(skip);
        let mut finding =
            Finding::error("soql-syntax", parts.locate(range), fault.message).label(fault.label);
        if let Some(help) = fault.help {
            finding = finding.help(help);
        }
        ctx.report(finding);
    }
}

fn binds(binds: &[Bind], parts: &Segments, vars: &[Var], usage: &mut Usage, ctx: &mut Ctx<'_>) {
    for bind in binds {
        let place = parts.locate(bind.range.clone());
        let known = var(&bind.name, place.clone(), vars, usage, ctx);
        let list = vars
            .iter()
            .find(|var| var.name == bind.name && var.kind == VarKind::List);
        if let Some(list) = list.filter(|_| known && bind.operator != BindOperator::In) {
            ctx.report(
                Finding::error("wrong-type", place, format!("the var `{}` is a list", bind.name))
                    .label("only IN, NOT IN, INCLUDES and EXCLUDES take a list")
                    .also(list.span.clone(), "declared here")
                    .help(format!("write `IN :{}`", bind.name)),
            );
        }
    }
}

/// Notes that a var is used, or complains that there is none of that name.
pub(super) fn var(name: &str, span: Span, vars: &[Var], usage: &mut Usage, ctx: &mut Ctx<'_>) -> bool {
    usage.vars.insert(name.to_owned());
    let names = || vars.iter().map(|var| var.name.as_str());
    if names().any(|known| known == name) {
        return true;
    }
    let finding =
        Finding::error("unknown-var", span, format!("there is no var `{name}`")).label("unknown var");
    ctx.report(match did_you_mean(name, names()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None if vars.is_empty() => {
            finding.help(format!("declare it in the pipeline: `vars: {{ {name}: ... }}`"))
        }
        None => finding.help(format!("declared: {}", all_of(names()))),
    });
    false
}

/// A JSONPath as RFC 9535 has it.
pub(super) fn jsonpath(node: &Node, ctx: &mut Ctx<'_>) -> Option<String> {
    let text = node.text()?;
    if jsonpath_rust::parser::parse_json_path(text).is_ok() {
        return Some(text.to_owned());
    }
    // The longest start that is a path says where it goes wrong.
    let good = (1..text.len())
        .rev()
        .filter(|end| text.is_char_boundary(*end))
        .find(|end| jsonpath_rust::parser::parse_json_path(&text[..*end]).is_ok())
        .unwrap_or(0);
    ctx.report(
        Finding::error(
            "jsonpath-syntax",
            node.part(good..text.len(), ctx.files),
            format!("`{text}` is no JSONPath"),
        )
        .label("not understood from here on")
        .help("examples: `$.records[*]`, `$.next`, `$['a b'][0]`"),
    );
    None
}
