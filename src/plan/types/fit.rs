//! What a mapping gives, held against what its field takes.

use super::{
    super::fields::{Sides, shape},
    of::Column,
    ways::{main, operand, piped, plain},
    words::{field_words, type_words, yaml},
};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::{
        expr::{Expr, Type, TypeKind},
        model::MapValue,
    },
    record::FieldPath,
    salesforce::{Field, FieldType},
    transform::{Shape, ShapeKind},
};

/// One line of `map`, or one field of `copy`, with the field that it fills.
pub(in crate::plan) struct Line<'a> {
    /// The field that takes the value: for a relationship path the parent's.
    pub(in crate::plan) field: &'a Field,
    /// The field's object.
    pub(in crate::plan) object: &'a str,
    /// The name on the left.
    pub(in crate::plan) name: &'a str,
    /// What it gets.
    pub(in crate::plan) value: &'a MapValue,
    /// Where the value stands.
    pub(in crate::plan) span: &'a Span,
    /// The literal texts in the value, with their places.
    pub(in crate::plan) literals: &'a [(String, Span)],
    /// Whether it is from `copy`.
    pub(in crate::plan) copied: bool,
}

impl Sides<'_> {
    /// Complains about values that do not fit, or may not.
    pub(in crate::plan) fn fit(&self, line: &Line<'_>, columns: &[FieldPath], findings: &mut Vec<Finding>) {
        let Some(shape) = shape(line.field) else {
            return;
        };
        // Of what never works nothing comes out.
        if main(line.value).is_some_and(|expr| self.reads.fails(expr, columns)) {
            return;
        }
        let given = self.reads.type_of(line.value, columns);
        findings.extend(self.several_in_table(line, columns));
        // Of literals each is looked at by itself.
        let alone = given.is_constant() && !matches!(given.kind, TypeKind::List | TypeKind::Compound);
        if !alone && !converts(given.kind, shape.kind) {
            findings.push(self.mismatch(line, columns, &given, shape));
            return;
        }
        for written in &given.written {
            findings.extend(self.literal(line, written, &shape));
        }
        if given.is_constant() {
            return;
        }
        findings.extend(self.reference(line, columns, &given));
        match self.separators(line, columns, &given, shape) {
            // Several values as one are too long and not in the list besides.
            Some(finding) => findings.push(finding),
            None => {
                findings.extend(self.picklist(line, columns, &given, shape));
                findings.extend(self.length(line, columns, &given, shape));
            }
        }
        findings.extend(self.digits(line, columns, &given, shape));
        if given.kind == TypeKind::DateTime && shape.kind == ShapeKind::Date {
            let finding = Finding::warning(
                "date-loses-time",
                place(line),
                format!("`{}.{}` takes a date alone", line.object, line.field.name),
            );
            findings.push(self.ended(
                finding,
                line,
                columns,
                &given,
                "rows with a time of day are parked",
                "date",
            ));
        }
    }

    /// A finding with both sides on its label, and a filter as the way out.
    fn ended(
        &self,
        finding: Finding,
        line: &Line<'_>,
        columns: &[FieldPath],
        given: &Type,
        what: &str,
        filter: &str,
    ) -> Finding {
        let mut finding = finding.label(self.sides(line, columns, given));
        let way = piped(line, columns, filter);
        finding = finding.help(format!("{what}; {}", way.help));
        finding.fix = way.edits;
        finding
    }

    /// `source is text(255), target is text(80)`.
    pub(super) fn sides(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type) -> String {
        let source = match plain(line.value, columns).map(|path| self.reads.column(path)) {
            Some(Some(Column::Field(field))) => format!("source is {}", field_words(field)),
            Some(_) => format!("source is {}", type_words(given)),
            None => format!("this gives {}", type_words(given)),
        };
        format!("{source}, target is {}", field_words(line.field))
    }

    fn mismatch(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type, shape: Shape) -> Finding {
        let from = match plain(line.value, columns) {
            Some(path) => format!("`{path}`"),
            None => "this value".to_owned(),
        };
        let finding = Finding::error(
            "type-mismatch",
            place(line),
            format!("{from} cannot become `{}.{}`", line.object, line.field.name),
        )
        .label(self.sides(line, columns, given));
        let filter = match (given.kind, shape.kind) {
            (TypeKind::List, ShapeKind::Text) => Some("join(', ')"),
            _ => None,
        };
        match filter {
            Some(_) if matches!(line.value, MapValue::Table { .. }) => {
                finding.help("a table maps a list entry by entry; give it one of them, as in `of: E | first`")
            }
            Some(filter) => {
                let way = piped(line, columns, filter);
                let mut finding = finding.help(way.help);
                finding.fix = way.edits;
                finding
            }
            None => finding.help(format!(
                "the target takes a {}: convert it with a filter or a `table`, or map another field",
                shape.kind.noun()
            )),
        }
    }

    /// Several values in one text.
    fn separators(
        &self,
        line: &Line<'_>,
        columns: &[FieldPath],
        given: &Type,
        shape: Shape,
    ) -> Option<Finding> {
        let field = line.field;
        if let (Some(between), ShapeKind::MultiPicklist) = (&given.joined, shape.kind) {
            return Some(
                Finding::warning(
                    "multi-separator",
                    place(line),
                    format!(
                        "values joined by `{between}` are one value to `{}.{}`",
                        line.object, field.name
                    ),
                )
                .label(self.sides(line, columns, given))
                .help(
                    "values of a multi-select picklist are separated by `;`: join them with `| join_multi`",
                ),
            );
        }
        if given.kind == TypeKind::Multi && field.kind == FieldType::Picklist {
            let finding = Finding::warning(
                "several-values",
                place(line),
                format!("`{}.{}` takes one value", line.object, field.name),
            );
            return Some(self.ended(
                finding,
                line,
                columns,
                given,
                "several values would arrive as one, `a;b`",
                "split_multi | first",
            ));
        }
        None
    }

    /// A table looks a multi-select text up as one value.
    fn several_in_table(&self, line: &Line<'_>, columns: &[FieldPath]) -> Option<Finding> {
        let mut found = None;
        line.value.each(&mut |value| {
            let MapValue::Table { table, of, .. } = value else {
                return;
            };
            let several = self.reads.type_of(of, columns).kind == TypeKind::Multi;
            if several && !table.entries.is_empty() && !table.entries.keys().any(|key| key.contains(';')) {
                let end = main(of)
                    .filter(|expr| expr.is_filterable())
                    .and_then(Expr::span)
                    .map(|span| Span::new(span.file, span.range.end..span.range.end));
                found.get_or_insert_with(|| (operand(of, columns), end));
            }
        });
        let (of, end) = found?;
        let mut finding = Finding::warning(
            "several-values",
            place(line),
            format!("`{of}` may hold several values, and the table looks them up as one"),
        )
        .label("`a;b` is not in the table")
        .help(format!(
            "write `of: {of} | split_multi`: the table then maps them one by one"
        ));
        if let Some(end) = end {
            finding = finding.edit(end, " | split_multi");
        }
        Some(finding)
    }

    /// What the source's values are, beside what a restricted picklist takes.
    fn picklist(
        &self,
        line: &Line<'_>,
        columns: &[FieldPath],
        given: &Type,
        shape: Shape,
    ) -> Option<Finding> {
        let field = line.field;
        if !field.restricted_picklist || !is_text(shape.kind) {
            return None;
        }
        let known = values(field);
        if known.is_empty() {
            return None;
        }
        let of = operand(line.value, columns);
        let Some(read) = &given.read else {
            // Of a field of free text; what a file or a filter gives may well be made for this picklist.
            let field_of_org = plain(line.value, columns).and_then(|path| self.reads.column(path));
            let free = given.kind == TypeKind::Text && field_of_org.is_some();
            return free.then(|| {
                Finding::warning(
                    "not-in-picklist",
                    place(line),
                    format!(
                        "`{}.{}` takes none but its {} values",
                        line.object,
                        field.name,
                        known.len()
                    ),
                )
                .label(self.sides(line, columns, given))
                .help(format!(
                    "other texts are parked; name them: `{}: {{ table: {{ FROM: {} }}, of: {of}, otherwise: park }}`",
                    line.name,
                    yaml(known[0])
                ))
            });
        };
        let missing: Vec<&str> = read
            .iter()
            .map(String::as_str)
            .filter(|value| !has_value(field, value))
            .collect();
        let first = *missing.first()?;
        let instead = did_you_mean(first, known.iter().copied()).unwrap_or(known[0]);
        Some(
            Finding::warning(
                "not-in-picklist",
                place(line),
                format!(
                    "`{}.{}` is a restricted picklist without {}",
                    line.object,
                    field.name,
                    all_of(missing.iter().copied())
                ),
            )
            .label(format!(
                "{} of the source's {} values would be refused",
                missing.len(),
                read.len()
            ))
            .help(match line.value {
                MapValue::Table { .. } => {
                    format!("add to the table: `{}: {}`", yaml(first), yaml(instead))
                }
                _ => format!(
                    "map them: `{}: {{ table: {{ {}: {} }}, of: {of}, otherwise: keep }}`",
                    line.name,
                    yaml(first),
                    yaml(instead)
                ),
            }),
        )
    }

    fn length(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type, shape: Shape) -> Option<Finding> {
        let field = line.field;
        let most = field.length;
        let longest = given.longest()?;
        if !is_text(shape.kind) || most == 0 || longest <= most || given.length? <= most {
            return None;
        }
        let finding = Finding::warning(
            "text-too-long",
            place(line),
            format!("values may be longer than `{}.{}` takes", line.object, field.name),
        );
        Some(self.ended(
            finding,
            line,
            columns,
            given,
            "rows whose text is longer are parked",
            &format!("truncate({most})"),
        ))
    }

    fn digits(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type, shape: Shape) -> Option<Finding> {
        let field = line.field;
        if given.kind != TypeKind::Number || !matches!(shape.kind, ShapeKind::Int | ShapeKind::Decimal) {
            return None;
        }
        let scale = match shape.kind {
            ShapeKind::Int => 0,
            _ => shape.scale,
        };
        if given.scale.is_some_and(|given| given > scale) {
            let finding = Finding::warning(
                "number-loses-digits",
                place(line),
                format!(
                    "numbers may have more decimals than `{}.{}` takes",
                    line.object, field.name
                ),
            );
            return Some(self.ended(
                finding,
                line,
                columns,
                given,
                "nothing is rounded unless the file says so",
                &format!("decimal({scale})"),
            ));
        }
        let (given_whole, whole) = (given.whole?, whole_digits(field)?);
        // A condition on the same field is how larger numbers are left out.
        let bounded = match (line.value, main(line.value)) {
            (MapValue::When { condition, .. }, Some(expr)) => condition
                .columns()
                .iter()
                .any(|column| expr.columns().contains(column)),
            _ => false,
        };
        if given_whole <= whole || bounded {
            return None;
        }
        let of = operand(line.value, columns);
        let limit = format!("1{}", "0".repeat(whole as usize));
        Some(
            Finding::warning(
                "number-too-large",
                place(line),
                format!("numbers may be larger than `{}.{}` takes", line.object, field.name),
            )
            .label(self.sides(line, columns, given))
            .help(format!(
                "rows with larger numbers are parked; to leave the field out there: `{}: {{ expr: {of}, when: {of} < {limit} }}`",
                line.name
            )),
        )
    }
}

/// Where a complaint about the value points.
pub(super) fn place(line: &Line<'_>) -> Span {
    line.span.clone()
}

/// The values of a picklist that may be chosen.
pub(super) fn values(field: &Field) -> Vec<&str> {
    let active = field.picklist_values.iter().filter(|value| value.active);
    active.map(|value| value.value.as_str()).collect()
}

/// Whether a picklist has a value. Case does not count: an org takes the value that it knows.
pub(super) fn has_value(field: &Field, text: &str) -> bool {
    field
        .picklist_values
        .iter()
        .any(|value| value.active && value.value.eq_ignore_ascii_case(text))
}

/// Digits before the point that a number field takes.
pub(super) fn whole_digits(field: &Field) -> Option<u32> {
    match field.kind {
        FieldType::Int | FieldType::Long => (field.digits > 0).then_some(field.digits),
        _ => (field.precision > 0).then(|| field.precision.saturating_sub(field.scale)),
    }
}

pub(super) fn is_text(kind: ShapeKind) -> bool {
    matches!(kind, ShapeKind::Text | ShapeKind::MultiPicklist)
}

/// Whether some value of the one type can become the other.
pub(super) fn converts(from: TypeKind, to: ShapeKind) -> bool {
    use ShapeKind as S;
    use TypeKind as T;
    match from {
        T::Any | T::Null | T::Text | T::Multi => true,
        T::Bool => matches!(to, S::Text | S::Bool),
        T::Number => matches!(to, S::Text | S::Int | S::Decimal | S::Bool),
        T::Date | T::DateTime => matches!(to, S::Text | S::Date | S::DateTime),
        T::Time => matches!(to, S::Text | S::Time),
        T::Id => matches!(to, S::Text | S::Reference),
        T::List => to == S::MultiPicklist,
        T::Compound => false,
    }
}
