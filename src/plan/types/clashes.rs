//! Operators and filters that never take what stands beside them: a CSV column is a text, and `Amount * 2` of a text
//! parks every row.

use std::ops::Range;

use super::{super::fields::Draft, of::Reads};
use crate::{
    diag::{Finding, Span},
    pipeline::{
        expr::{Clash, Expr, Known, Outcome, Side, Type, TypeKind},
        model::{CheckedField, MapValue, RowId},
    },
    record::{FieldPath, Number, Value},
    transform::ShapeKind,
};

impl Reads<'_> {
    /// Complains about what can never work in the expressions of a step's rows.
    pub(in crate::plan) fn operands(&self, columns: &[FieldPath], findings: &mut Vec<Finding>) {
        let step = self.step;
        let name = |column: usize| columns.get(column).map(FieldPath::as_str);
        let mut look = |expr: &Expr, span: &Span| {
            for clash in self.clashes(expr, columns) {
                let finding = told(&clash, &name, expr.span().unwrap_or(span));
                let finding = mended(finding, &clash, &name, expr);
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        };
        if let Some(each) = &step.each {
            look(&each.expr, &step.span);
        }
        if let Some(when) = &step.when {
            look(when, &step.span);
        }
        if let RowId::Expr(id) = &step.row_id {
            look(id, &step.span);
        }
        for line in &step.map {
            line.value.each(&mut |value| match value {
                MapValue::Expr(expr) => look(expr, &line.value_span),
                MapValue::When { condition, .. } => look(condition, &line.value_span),
                _ => {}
            });
        }
    }
}

/// The fields of a target, as a check sees them: in the form in which they are sent.
struct Sent<'d> {
    fields: &'d [CheckedField],
    drafts: &'d [Draft],
}

impl Known for Sent<'_> {
    fn column(&self, column: usize) -> Type {
        let field = self.fields.get(column);
        let draft = field.and_then(|field| self.drafts.iter().find(|draft| draft.mapped.name == field.path));
        // What goes into a file keeps the form that it has.
        match draft.and_then(|draft| draft.mapped.shape) {
            None => Type::default(),
            Some(shape) => Type::of(match shape.kind {
                ShapeKind::Text => TypeKind::Text,
                ShapeKind::MultiPicklist => TypeKind::Multi,
                ShapeKind::Bool => TypeKind::Bool,
                ShapeKind::Int | ShapeKind::Decimal => TypeKind::Number,
                ShapeKind::Date => TypeKind::Date,
                ShapeKind::DateTime => TypeKind::DateTime,
                ShapeKind::Time => TypeKind::Time,
                ShapeKind::Reference => TypeKind::Id,
            }),
        }
    }
}

/// The same for the expression of a check.
pub(in crate::plan) fn operands_of_check(
    expr: &Expr,
    fields: &[CheckedField],
    drafts: &[Draft],
    span: &Span,
    findings: &mut Vec<Finding>,
) {
    let name = |column: usize| fields.get(column).map(|field| field.path.as_str());
    for clash in expr.clashes(&Sent { fields, drafts }) {
        let finding = told(&clash, &name, expr.span().unwrap_or(span));
        findings.push(mended(finding, &clash, &name, expr));
    }
}

/// Adds the remedy as an edit, where it is a filter behind a field that the expression names once, or a literal
/// without its quotes.
fn mended<'n>(
    finding: Finding,
    clash: &Clash,
    name: &dyn Fn(usize) -> Option<&'n str>,
    expr: &Expr,
) -> Finding {
    let sides = || std::iter::once(&clash.left).chain(&clash.right);
    let literal = |kind: TypeKind| sides().any(|side| side.literal.is_some() && side.given.kind == kind);
    let filter = match (&clash.right, clash.operator) {
        (None, "-" | "abs" | "round") => Some("decimal"),
        (None, _) => return finding,
        _ if literal(TypeKind::Number) => Some("decimal"),
        _ if literal(TypeKind::Bool) => Some("bool"),
        _ => None,
    };
    let of = sides().find_map(|side| Some((side.given.kind, name(side.column?)?)));
    let (Some(span), Some((kind, column))) = (expr.span(), of) else {
        return finding;
    };
    let edit = match (kind, filter) {
        (TypeKind::Text, Some(filter)) => {
            once(expr.source(), column).map(|at| (at, format!("({column} | {filter})")))
        }
        (TypeKind::Number | TypeKind::Bool, None) => sides()
            .find_map(|side| side.literal.as_ref()?.as_text())
            .filter(|text| bare(text, kind))
            .and_then(|text| Some((once(expr.source(), &format!("'{text}'"))?, text.to_lowercase()))),
        _ => None,
    };
    match edit {
        Some((at, text)) => {
            let start = span.range.start;
            finding.edit(Span::new(span.file, start + at.start..start + at.end), text)
        }
        None => finding,
    }
}

/// Whether a text without its quotes is a literal of this kind.
fn bare(text: &str, kind: TypeKind) -> bool {
    match kind {
        TypeKind::Number => Number::canonical(text).is_ok(),
        _ => ["true", "false"].contains(&text.to_lowercase().as_str()),
    }
}

/// Where a word stands in a text, if it stands there once.
fn once(text: &str, word: &str) -> Option<Range<usize>> {
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let mut found = text
        .match_indices(word)
        .map(|(at, _)| at..at + word.len())
        .filter(|range| !text[..range.start].ends_with(letter) && !text[range.end..].starts_with(letter));
    found.next().filter(|_| found.next().is_none())
}

fn told<'n>(clash: &Clash, name: &dyn Fn(usize) -> Option<&'n str>, span: &Span) -> Finding {
    let left = shown(&clash.left, name, "the left side");
    let operator = clash.operator;
    let Some(beside) = &clash.right else {
        let input = shown(&clash.left, name, "this");
        let wanted = match operator {
            "-" | "abs" | "round" => "a number",
            "upper" | "lower" | "trim" | "title" | "capitalize" | "replace" | "truncate" | "hash" => "a text",
            _ => "a list",
        };
        let what = match operator {
            "-" => "`-`".to_owned(),
            filter => format!("the filter `{filter}`"),
        };
        return Finding::error(
            "wrong-operand",
            span.clone(),
            format!("{what} takes {wanted}, and {input} is {}", words(&clash.left)),
        )
        .label("fails for every row that has a value there")
        .help(match wanted {
            "a number" => to_number(&clash.left, name),
            "a text" => format!("a list is changed entry by entry: `| map('{operator}')`; one text of it is made by `| join(', ')`"),
            _ => "of the values of a multi-select picklist `| split_multi` makes a list, of other texts `| split(',')`".to_owned(),
        });
    };
    let right = shown(beside, name, "the right side");
    let sides = format!("{left} is {}, {right} is {}", words(&clash.left), words(beside));
    match (clash.outcome, operator) {
        (Outcome::Differs, _) => {
            let always = match operator {
                "!=" | "not in" => "always true",
                _ => "never true",
            };
            Finding::warning(
                "never-equal",
                span.clone(),
                format!(
                    "`{operator}` between {} and {} is {always}",
                    kind(&clash.left),
                    kind_of_entries(beside)
                ),
            )
            .label(sides)
            .help(alike(&clash.left, beside, name))
        }
        (Outcome::Fails, "<" | "<=" | ">" | ">=") => Finding::error(
            "wrong-operand",
            span.clone(),
            format!(
                "`{operator}` compares two numbers or two texts, and not {} with {}",
                kind(&clash.left),
                kind(beside)
            ),
        )
        .label(format!("{sides}: fails for every row that has a value there"))
        .help(alike(&clash.left, beside, name)),
        (Outcome::Fails, "in" | "not in") => Finding::error(
            "wrong-operand",
            span.clone(),
            format!(
                "`{operator}` looks into a list, or for a text in a text, and not for {} in {}",
                kind(&clash.left),
                kind(beside)
            ),
        )
        .label(format!("{sides}: fails for every row that has a value there"))
        .help("write a list: `Rating in ['Hot', 'Warm']`"),
        (Outcome::Fails, "~") => Finding::error(
            "wrong-operand",
            span.clone(),
            "`~` joins texts, and a list is none",
        )
        .label(format!("{sides}: fails for every row that has a value there"))
        .help("make a text of the list first: `| join(', ')`"),
        (Outcome::Fails, _) => {
            let wrong = match is_number(&clash.left) {
                true => beside,
                false => &clash.left,
            };
            Finding::error(
                "wrong-operand",
                span.clone(),
                format!("`{operator}` takes numbers, and not {}", kind(wrong)),
            )
            .label(format!("{sides}: fails for every row that has a value there"))
            .help(match (operator, kind(wrong)) {
                ("+", "a text") if wrong.given.kind == TypeKind::Text => {
                    format!("texts are joined by `~`; {}", to_number(wrong, name))
                }
                _ => to_number(wrong, name),
            })
        }
    }
}

fn shown<'n>(side: &Side, name: &dyn Fn(usize) -> Option<&'n str>, otherwise: &str) -> String {
    match (
        side.column.and_then(name),
        side.literal.as_ref().and_then(Value::as_text),
    ) {
        (Some(column), _) => format!("`{column}`"),
        (None, Some(text)) if is_text(side) => format!("`'{text}'`"),
        (None, Some(text)) => format!("`{text}`"),
        (None, None) => otherwise.to_owned(),
    }
}

fn is_number(side: &Side) -> bool {
    side.given.kind == TypeKind::Number
}

fn is_text(side: &Side) -> bool {
    kind(side) == "a text"
}

fn kind(side: &Side) -> &'static str {
    of_kind(side.given.kind)
}

fn kind_of_entries(side: &Side) -> String {
    match side.given.kind {
        TypeKind::List => match side.given.entry {
            TypeKind::Bool => "a list of true and false".to_owned(),
            entry => format!("a list of {}s", of_kind(entry).trim_start_matches("a ")),
        },
        kind => of_kind(kind).to_owned(),
    }
}

fn of_kind(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Bool => "true or false",
        TypeKind::Number => "a number",
        TypeKind::List => "a list",
        TypeKind::Any | TypeKind::Null | TypeKind::Compound => "a value",
        TypeKind::Text
        | TypeKind::Multi
        | TypeKind::Date
        | TypeKind::DateTime
        | TypeKind::Time
        | TypeKind::Id => "a text",
    }
}

/// The kind with what a reader may not expect.
fn words(side: &Side) -> &'static str {
    match side.given.kind {
        TypeKind::Date | TypeKind::DateTime => "a text, as dates are in expressions",
        TypeKind::Time => "a text, as times are in expressions",
        TypeKind::Id => "a text, as Ids are",
        kind => of_kind(kind),
    }
}

fn operand<'n>(side: &Side, name: &dyn Fn(usize) -> Option<&'n str>) -> &'n str {
    side.column.and_then(name).unwrap_or("E")
}

/// How a side becomes a number.
fn to_number<'n>(side: &Side, name: &dyn Fn(usize) -> Option<&'n str>) -> String {
    let of = operand(side, name);
    match side.given.kind {
        TypeKind::Date | TypeKind::DateTime | TypeKind::Time => {
            "no expression counts with dates and times; compare them as texts, or count in a formula field of the org".to_owned()
        }
        TypeKind::Bool => format!("write the numbers that you mean: `1 if {of} else 0`"),
        TypeKind::List => format!("make a number of it first: `{of} | sum`, `{of} | length`"),
        _ => format!("make a number of it first: `{of} | decimal`"),
    }
}

/// How two sides become alike: the literal follows the field, else the text the other one.
fn alike<'n>(left: &Side, right: &Side, name: &dyn Fn(usize) -> Option<&'n str>) -> String {
    if right.given.kind == TypeKind::List {
        return match right.given.entry {
            TypeKind::Text if is_number(left) => {
                "write the numbers of the list without quotes: `[1, 2]`".to_owned()
            }
            TypeKind::Number if is_text(left) => {
                "write the texts of the list in quotes: `['1', '2']`".to_owned()
            }
            _ => "compare values of one kind".to_owned(),
        };
    }
    let (literal, other) = match (&left.literal, &right.literal) {
        (_, Some(literal)) => (Some(literal), left),
        (Some(literal), None) => (Some(literal), right),
        (None, None) => (None, left),
    };
    let of = operand(other, name);
    if let Some(literal) = literal {
        let text = literal.as_text().unwrap_or_default();
        match (literal, other.given.kind) {
            (Value::Text(text), TypeKind::Number) if Number::canonical(text).is_ok() => {
                return format!("write the number without quotes: `{text}`");
            }
            (Value::Text(text), TypeKind::Bool)
                if ["true", "false"].contains(&text.to_lowercase().as_str()) =>
            {
                return format!("write it without quotes: `{}`", text.to_lowercase());
            }
            (_, TypeKind::Date) => return "write a date as text: `'2026-01-31'`".to_owned(),
            (_, TypeKind::DateTime) => {
                return "write a time as text: `'2026-01-31T00:00:00.000Z'`".to_owned();
            }
            (Value::Number(_), TypeKind::Text) => {
                return format!("make a number of it: `{of} | decimal`; or compare texts: `'{text}'`");
            }
            (Value::Bool(_), _) if is_text(other) => {
                return format!("make true or false of it: `{of} | bool`");
            }
            _ if is_text(other) => return format!("compare texts: `'{text}'`"),
            _ => {}
        }
    }
    let text = if is_text(left) { left } else { right };
    let wanted = if is_text(left) { right } else { left };
    let of = operand(text, name);
    match (is_text(text), wanted.given.kind) {
        (true, TypeKind::Number) => format!("make a number of the text: `{of} | decimal`"),
        (true, TypeKind::Bool) => format!("make true or false of the text: `{of} | bool`"),
        _ => "compare values of one kind: `| string` makes a text, `| decimal` a number, `| bool` true or false"
            .to_owned(),
    }
}
