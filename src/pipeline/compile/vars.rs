use std::sync::Arc;

use super::Ctx;
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::{
        Pipeline,
        expr::Vars,
        model::{Var, VarDefault, VarKind},
    },
    record::{Number, Value},
    spec::{Entry, Kind, Node, Plain, Scalar},
};

/// The vars of project, pipeline and environment, the later ones winning, in the order of their first declaration.
pub(super) fn declared(levels: &[Option<&Node>], ctx: &mut Ctx<'_>) -> Vec<Var> {
    let mut vars: Vec<Var> = Vec::new();
    for entry in levels
        .iter()
        .flatten()
        .filter_map(|level| level.get("vars"))
        .flat_map(Node::entries)
    {
        let Some(var) = var(entry, ctx) else {
            continue;
        };
        match vars.iter_mut().find(|known| known.name == var.name) {
            Some(known) => {
                // `{ required: true }` above a value and `{ env: ... }` say nothing of the kind; what was known stays.
                let kind = match var.default {
                    VarDefault::Value(_) => var.kind,
                    VarDefault::Env(_) => VarKind::Text,
                    VarDefault::Required => known.kind,
                };
                *known = Var { kind, ..var };
            }
            None => vars.push(var),
        }
    }
    vars
}

fn var(entry: &Entry, ctx: &mut Ctx<'_>) -> Option<Var> {
    let node = &entry.value;
    let (kind, default) = if let Some(name) = node.get("env").and_then(Node::text) {
        (VarKind::Text, VarDefault::Env(name.to_owned()))
    } else if let Some(required) = node.get("required").and_then(Node::scalar) {
        if required.plain() == Plain::Bool(false) {
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.value.span.clone(),
                    format!("var `{}` has no value", entry.key.text),
                )
                .label("neither a value nor required")
                .help("give it a value, or write { required: true }"),
            );
            return None;
        }
        (VarKind::Text, VarDefault::Required)
    } else if node.is_broken() || !node.entries().is_empty() {
        // Already complained about; whoever reads it must not be told that it does not exist.
        (VarKind::Text, VarDefault::Required)
    } else {
        let value = typed(node, ctx)?;
        if value.is_null() {
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.key.span.clone(),
                    format!("var `{}` has no value", entry.key.text),
                )
                .label("expected text, a number, true or a list")
                .help(format!(
                    "for a var that has to be given by `--var`: `{}: {{ required: true }}`",
                    entry.key.text
                )),
            );
        }
        let kind = match &value {
            Value::Number(_) => VarKind::Number,
            Value::Bool(_) => VarKind::Bool,
            Value::Json(_) => VarKind::List,
            Value::Text(_) | Value::Null => VarKind::Text,
        };
        (kind, VarDefault::Value(value))
    };
    Some(Var {
        name: entry.key.text.clone(),
        kind,
        default,
        span: entry.key.span.clone(),
    })
}

/// Whether another value of a var is what its first one is: a list for a list, one value for one value.
pub(super) fn is_of_kind(entry: &Entry, kind: VarKind, declared: &Span, ctx: &mut Ctx<'_>) -> bool {
    let value = &entry.value;
    if value
        .scalar()
        .is_some_and(|scalar| scalar.text.is_empty() && scalar.plain() == Plain::Null)
    {
        ctx.report(
            Finding::error(
                "wrong-type",
                entry.key.span.clone(),
                format!("var `{}` has no value", entry.key.text),
            )
            .label("expected text, a number, true or a list")
            .help("for a var without a value, write `null`"),
        );
        return false;
    }
    let is_list = matches!(value.kind, Kind::List(_));
    if value.is_broken() || is_list == (kind == VarKind::List) {
        return true;
    }
    let (wanted, example) = match kind {
        VarKind::List => ("a list", "[A, B]"),
        VarKind::Number => ("a number", "1"),
        VarKind::Bool => ("true or false", "true"),
        VarKind::Text => ("one value", "A"),
    };
    ctx.report(
        Finding::error(
            "wrong-type",
            ctx.head(value),
            format!("the var `{}` is {wanted}", entry.key.text),
        )
        .label(format!("this is {}", value.what()))
        .also(declared.clone(), "declared here")
        .help(format!("for example `{}: {example}`", entry.key.text)),
    );
    false
}

/// The vars of every environment are such as the project declares them, also of those that nobody runs in today.
pub(super) fn of_environments(root: &Node, ctx: &mut Ctx<'_>) {
    let mut nothing = Vec::new();
    let declared: Vec<Var> = {
        let mut unheard = Ctx::new(ctx.files, &mut nothing);
        declared(&[Some(root)], &mut unheard)
    };
    for entry in root
        .get("environments")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|environment| environment.value.get("vars"))
        .flat_map(Node::entries)
    {
        let Some(var) = var(entry, ctx) else { continue };
        let plain = entry.value.entries().is_empty();
        if let Some(known) = declared.iter().find(|known| known.name == var.name)
            && plain
            && matches!(known.default, VarDefault::Value(_))
        {
            is_of_kind(entry, known.kind, &known.span, ctx);
        }
    }
}

/// A scalar or list as YAML 1.2 types it; numbers keep their digits.
pub(super) fn typed(node: &Node, ctx: &mut Ctx<'_>) -> Option<Value> {
    if let Some(scalar) = node.scalar() {
        if scalar.has_leading_zeros() {
            ctx.report(leading_zeros(node, scalar, &format!("\"{}\"", scalar.text)));
            return None;
        }
        return Some(scalar_value(scalar));
    }
    let items = node
        .items()
        .iter()
        .map(|item| typed(item, ctx).map(|value| value.to_json()))
        .collect::<Option<Vec<_>>>()?;
    Some(Value::Json(Arc::new(serde_json::Value::Array(items))))
}

pub(super) fn scalar_value(scalar: &Scalar) -> Value {
    match scalar.plain() {
        Plain::Null => Value::Null,
        Plain::Bool(flag) => Value::Bool(flag),
        Plain::Number => match Number::exact(scalar.text.trim_start_matches('+')) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::text(scalar.text.as_str()),
        },
        Plain::Text => Value::text(scalar.text.as_str()),
    }
}

pub(super) fn leading_zeros(node: &Node, scalar: &Scalar, instead: &str) -> Finding {
    Finding::error(
        "ambiguous-literal",
        node.span.clone(),
        format!("`{}` may be a number or a text", scalar.text),
    )
    .label("a number would lose its zeros")
    .help(format!(
        "for a text write `{instead}`, for a number leave the zeros out"
    ))
}

/// The vars of a run. `given` are `--var NAME=VALUE`, read as the kind of the default, a list by its commas;
/// `environment` looks a variable of the environment up.
///
/// # Errors
/// One sentence for each var that is unknown, unreadable or missing.
pub fn apply_vars(
    pipeline: &Pipeline,
    given: &[(String, String)],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vars, Vec<String>> {
    let mut errors = Vec::new();
    let names = || pipeline.vars.iter().map(|var| var.name.as_str());
    for (name, _) in given {
        if !names().any(|known| known == name) {
            errors.push(match did_you_mean(name, names()) {
                Some(near) => format!(
                    "pipeline `{}` has no var `{name}`; did you mean `{near}`?",
                    pipeline.name
                ),
                None if pipeline.vars.is_empty() => format!("pipeline `{}` has no vars", pipeline.name),
                None => format!(
                    "pipeline `{}` has no var `{name}`; it has {}",
                    pipeline.name,
                    all_of(names())
                ),
            });
        }
    }
    let mut vars = Vars::new();
    for var in &pipeline.vars {
        let value = match given.iter().rev().find(|(name, _)| *name == var.name) {
            Some((_, text)) => read(var.kind, text)
                .ok_or_else(|| format!("var `{}` takes {}, and `{text}` is none", var.name, noun(var.kind))),
            None => match &var.default {
                VarDefault::Value(value) => Ok(value.clone()),
                VarDefault::Env(variable) => environment(variable).map(Value::text).ok_or_else(|| {
                    format!("var `{}` takes its value from the environment variable `{variable}`, which is not set", var.name)
                }),
                VarDefault::Required => {
                    Err(format!("var `{}` has no value; give it one: --var {}=...", var.name, var.name))
                }
            },
        };
        match value {
            Ok(value) => {
                vars.insert(var.name.clone(), value);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(vars) } else { Err(errors) }
}

fn noun(kind: VarKind) -> &'static str {
    match kind {
        VarKind::Text => "text",
        VarKind::Number => "a number",
        VarKind::Bool => "`true` or `false`",
        VarKind::List => "a list with commas",
    }
}

fn read(kind: VarKind, text: &str) -> Option<Value> {
    match kind {
        VarKind::Text => Some(Value::text(text)),
        VarKind::Number => Number::exact(text.trim()).ok().map(Value::Number),
        VarKind::Bool => text.trim().parse().ok().map(Value::Bool),
        VarKind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Json(Arc::new(
                items.map(serde_json::Value::from).collect(),
            )))
        }
    }
}
