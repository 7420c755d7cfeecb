//! Ways out: how the value that a file has could be written so that it fits.

use super::fit::Line;
use crate::{
    diag::{Edit, Span},
    pipeline::{expr::Expr, model::MapValue},
    record::FieldPath,
};

/// A remedy in words, and as edits where a program can apply it.
pub(super) struct Way {
    pub(super) help: String,
    pub(super) edits: Vec<Edit>,
}

/// The expression that a value comes from, where it is one.
pub(super) fn main(value: &MapValue) -> Option<&Expr> {
    match value {
        MapValue::Expr(expr) => Some(expr),
        MapValue::When { then, .. } | MapValue::Only { then, .. } => main(then),
        _ => None,
    }
}

/// The column of which a value is a plain copy.
pub(super) fn plain<'c>(value: &MapValue, columns: &'c [FieldPath]) -> Option<&'c FieldPath> {
    columns.get(main(value)?.as_column()?)
}

/// The value as it can stand in a condition or in braces; `E` where it would need quotes there.
pub(super) fn operand(value: &MapValue, columns: &[FieldPath]) -> String {
    if let Some(path) = plain(value, columns) {
        return path.to_string();
    }
    match main(value) {
        Some(expr)
            if !expr
                .source()
                .contains([',', '[', ']', '{', '}', '#', ':', '"', '\'', '\n']) =>
        {
            match expr.is_filterable() {
                true => expr.source().trim().to_owned(),
                false => format!("({})", expr.source().trim()),
            }
        }
        _ => "E".to_owned(),
    }
}

/// The same value with a filter behind it.
pub(super) fn piped(line: &Line<'_>, columns: &[FieldPath], filter: &str) -> Way {
    let Some(expr) = main(line.value) else {
        return Way {
            help: format!("end the values that it is made of with `| {filter}`"),
            edits: Vec::new(),
        };
    };
    let source = match (expr.source(), plain(line.value, columns)) {
        ("", Some(path)) => path.as_str(),
        (source, _) => source.trim(),
    };
    let (before, after) = match (expr.is_template(), expr.is_filterable()) {
        (true, _) => (
            "{% set text %}".to_owned(),
            format!("{{% endset %}}{{{{ text | {filter} }}}}"),
        ),
        (false, true) => (String::new(), format!(" | {filter}")),
        (false, false) => ("(".to_owned(), format!(") | {filter}")),
    };
    let mended = format!("{before}{source}{after}");
    let mended = match expr.is_template() {
        true => format!("\"{}\"", mended.replace('\\', "\\\\").replace('"', "\\\"")),
        false => mended,
    };
    let help = match (line.copied, line.value) {
        (true, _) => format!(
            "take it out of `copy`, and write `{}: {mended}` under `map`",
            line.name
        ),
        (false, MapValue::Expr(_)) => format!("write `{}: {mended}`", line.name),
        (false, _) => format!("write `{mended}` there"),
    };
    // A template without quotes would have to get some.
    let bare = expr.is_template() && expr.span() == Some(line.span);
    let edits = match expr.span() {
        Some(span) if !line.copied && !bare && !source.contains('\n') => {
            let point = |at: usize, text: String| Edit {
                span: Span::new(span.file, at..at),
                text,
            };
            let mut edits = vec![point(span.range.end, after)];
            if !before.is_empty() {
                edits.insert(0, point(span.range.start, before));
            }
            edits
        }
        _ => Vec::new(),
    };
    Way { help, edits }
}
