//! What a mapping gives, held against what its field takes.

use super::{
    super::{
        fields::{Sides, shape},
        types::words::{field_words, objects, type_words, yaml},
    },
    of::Column,
};
use crate::{
    diag::{Edit, Finding, Span, all_of, did_you_mean, one_of},
    pipeline::{
        expr::{Expr, Type, TypeKind, characters},
        model::MapValue,
    },
    record::{FieldPath, Id, Value},
    salesforce::{Field, FieldType},
    transform::{EncodeError, Shape, ShapeKind, encode},
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

/// A remedy in words, and as edits where a program can apply it.
struct Way {
    help: String,
    edits: Vec<Edit>,
}

impl Sides<'_> {
    /// Complains about values that do not fit, or may not.
    pub(in crate::plan) fn fit(&self, line: &Line<'_>, columns: &[FieldPath], findings: &mut Vec<Finding>) {
        let Some(shape) = shape(line.field) else {
            return;
        };
        let given = self.type_of(line.value, columns);
        if !converts(given.kind, shape.kind) {
            findings.push(self.mismatch(line, columns, &given, shape));
            return;
        }
        for value in &given.written {
            findings.extend(self.literal(line, value, &shape));
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
    fn sides(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type) -> String {
        let source = match plain(line.value, columns).map(|path| (path, self.column(path))) {
            Some((_, Some(Column::Field(field)))) => format!("source is {}", field_words(field)),
            _ => format!("this gives {}", type_words(given)),
        };
        format!("{source}, target is {}", field_words(line.field))
    }

    fn mismatch(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type, shape: Shape) -> Finding {
        let from = match (plain(line.value, columns), given.written.as_slice()) {
            (Some(path), _) => format!("`{path}`"),
            (None, [value]) => format!("`{}`", value.as_text().unwrap_or("null")),
            _ => "this value".to_owned(),
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

    /// A literal of the file is sent as it is: what does not fit never will.
    fn literal(&self, line: &Line<'_>, value: &Value, shape: &Shape) -> Option<Finding> {
        let text = value.as_text()?;
        let field = line.field;
        let said = |code, message: String, help: String| {
            let finding = Finding::error(code, self.literal_place(line, text), message)
                .label(format!("target is {}", field_words(field)))
                .help(help);
            let own = &finding.primary.span;
            let elsewhere = *own != place(line) && !within(own, line.span);
            Some(match elsewhere {
                true => finding.also(place(line), format!("`{}` gets it here", line.name)),
                false => finding,
            })
        };
        match encode(value.clone(), shape) {
            Ok(_) => {}
            Err(EncodeError::Not { .. }) => {
                return said(
                    "type-mismatch",
                    format!("`{text}` cannot become `{}.{}`", line.object, field.name),
                    format!("the target takes a {}", shape.kind.noun()),
                );
            }
            Err(EncodeError::Lossy { lost, .. }) => {
                let (code, help) = match shape.kind {
                    ShapeKind::Date => (
                        "date-loses-time",
                        format!(
                            "write the day alone: `{{ value: {} }}`",
                            text.split(['T', ' ']).next().unwrap_or_default()
                        ),
                    ),
                    _ => ("number-loses-digits", "write a value that fits".to_owned()),
                };
                return said(
                    code,
                    format!("`{text}` would lose {lost} in `{}.{}`", line.object, field.name),
                    help,
                );
            }
        }
        if shape.kind == ShapeKind::Reference && text.parse::<Id>().is_err() {
            return said(
                "type-mismatch",
                format!("`{text}` is no Id for `{}.{}`", line.object, field.name),
                format!(
                    "find the record: `{}: {{ lookup: {}, by: FIELD, of: E }}`",
                    line.name,
                    field
                        .reference_to
                        .first()
                        .map_or("OBJECT", |object| object.as_str())
                ),
            );
        }
        let length = field.length;
        if is_text(shape.kind) && length > 0 && characters(value) > length {
            return said(
                "text-too-long",
                format!(
                    "this text has {} characters, and `{}.{}` takes {length}",
                    characters(value),
                    line.object,
                    field.name
                ),
                "shorten it".to_owned(),
            );
        }
        let whole = whole_digits(field);
        let digits = text.trim_start_matches('-').split('.').next().map_or(0, str::len);
        if let (ShapeKind::Int | ShapeKind::Decimal, Some(whole)) = (shape.kind, whole)
            && digits > whole as usize
        {
            return said(
                "number-too-large",
                format!(
                    "`{text}` has {digits} digits before the point, and `{}.{}` takes {whole}",
                    line.object, field.name
                ),
                "write a smaller number".to_owned(),
            );
        }
        if !field.restricted_picklist {
            return None;
        }
        let parts: Vec<&str> = match shape.kind {
            ShapeKind::MultiPicklist => text.split(';').map(str::trim).collect(),
            _ => vec![text],
        };
        let wrong = parts
            .into_iter()
            .find(|part| !part.is_empty() && !has_value(field, part))?;
        let known = values(field);
        if shape.kind == ShapeKind::MultiPicklist
            && let Some(mended) = with_semicolons(wrong, &known)
        {
            let mut finding = said(
                "multi-separator",
                format!("`{wrong}` would be one value of `{}.{}`", line.object, field.name),
                format!(
                    "values of a multi-select picklist are separated by `;`: `{}`",
                    yaml(&mended)
                ),
            )?;
            if wrong == text && self.is_literal(line, text) {
                finding = finding.edit(self.literal_place(line, text), yaml(&mended));
            }
            return Some(finding);
        }
        let near = did_you_mean(wrong, known.iter().copied());
        let mut finding = said(
            "not-in-picklist",
            format!(
                "`{}.{}` is a restricted picklist without `{wrong}`",
                line.object, field.name
            ),
            match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its values: {}", all_of(known.iter().copied())),
            },
        )?;
        if let Some(near) = near.filter(|_| wrong == text && self.is_literal(line, text)) {
            finding = finding.edit(self.literal_place(line, text), yaml(near));
        }
        Some(finding)
    }

    /// Where a literal of a value stands: itself, in a table, else the line's value.
    fn literal_place(&self, line: &Line<'_>, text: &str) -> Span {
        literal_span(line, text).unwrap_or_else(|| place(line))
    }

    fn is_literal(&self, line: &Line<'_>, text: &str) -> bool {
        literal_span(line, text).is_some()
    }

    /// Ids have to be those of an object that the lookup may point at, in this org.
    fn reference(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type) -> Option<Finding> {
        let ids = given.ids.as_ref()?;
        let field = line.field;
        if field.kind != FieldType::Reference {
            return None;
        }
        let may = |object: &String| {
            field
                .reference_to
                .iter()
                .any(|to| to.eq_ignore_ascii_case(object))
        };
        let two_orgs = self.step.source_connection != self.step.target.connection;
        if ids.of_source && two_orgs {
            // The same name on both sides is complained about when the file is read.
            let same =
                plain(line.value, columns).is_some_and(|path| path.as_str().eq_ignore_ascii_case(line.name));
            if same || line.copied {
                return None;
            }
            let parent = field
                .reference_to
                .first()
                .map_or("OBJECT", |object| object.as_str());
            let of = plain(line.value, columns).map_or("E", FieldPath::as_str);
            let step = self.pipeline.steps.iter().find(|step| {
                step.target.connection == self.step.target.connection
                    && may(&step.target.object)
                    && ids
                        .objects
                        .iter()
                        .any(|object| object.eq_ignore_ascii_case(&step.target.object))
            });
            return Some(
                Finding::warning(
                    "copied-lookup",
                    place(line),
                    format!(
                        "`{}.{}` gets the source org's Id, which the target org does not know",
                        line.object, field.name
                    ),
                )
                .label(self.sides(line, columns, given))
                .help(match step {
                    Some(step) => format!("write `{}: {{ ref: {}, of: {of} }}`", line.name, step.name),
                    None => format!("write `{}: {{ lookup: {parent}, by: FIELD, of: E }}`", line.name),
                }),
            );
        }
        // Of a lookup to very many kinds (WhatId) describes name them all, of some (a group or a user) they do not.
        if ids.objects.is_empty() || field.reference_to.is_empty() || ids.objects.iter().any(may) {
            return None;
        }
        let parents: Vec<String> = field.reference_to.iter().map(|o| o.to_string()).collect();
        let right: Vec<&str> = self
            .pipeline
            .steps
            .iter()
            .filter(|step| may(&step.target.object) && step.target.connection == self.step.target.connection)
            .map(|step| step.name.as_str())
            .collect();
        let finding = Finding::error(
            "wrong-reference",
            place(line),
            format!(
                "`{}.{}` refers to {}, not to {}",
                line.object,
                field.name,
                objects(&parents),
                objects(&ids.objects)
            ),
        )
        .label(format!(
            "this gives {}, target is {}",
            type_words(given),
            field_words(field)
        ));
        Some(match (line.value, right.as_slice()) {
            (MapValue::Ref { span, .. }, [only]) => finding
                .help(format!(
                    "refer to the step that writes {}: `ref: {only}`",
                    objects(&parents)
                ))
                .edit(span.clone(), *only),
            (_, []) => finding.help(format!(
                "find it there: `{}: {{ lookup: {}, by: FIELD, of: E }}`",
                line.name, parents[0]
            )),
            (_, steps) => finding.help(format!(
                "refer to a step that writes {}: {}",
                objects(&parents),
                one_of(steps.iter().copied())
            )),
        })
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
            // Of free text it is not known; of what a table, a JSON row or a var gives neither.
            let free = given.kind == TypeKind::Text
                && matches!(main(line.value), Some(expr) if expr.as_column().is_some());
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
fn place(line: &Line<'_>) -> Span {
    line.span.clone()
}

fn within(inner: &Span, outer: &Span) -> bool {
    inner.file == outer.file && outer.range.start <= inner.range.start && inner.range.end <= outer.range.end
}

fn literal_span(line: &Line<'_>, text: &str) -> Option<Span> {
    let own = line.literals.iter().find(|(literal, _)| literal == text);
    own.map(|(_, span)| span.clone())
        .or_else(|| table_place(line.value, text))
}

/// Where a table's value stands.
fn table_place(value: &MapValue, text: &str) -> Option<Span> {
    let mut found: Option<Span> = None;
    value.each(&mut |value| {
        if let MapValue::Table { table, .. } = value {
            let places = table
                .entries
                .iter()
                .filter(|(_, value)| value.as_text() == Some(text))
                .filter_map(|(key, _)| table.places.get(key));
            let first = places.min_by_key(|span| (span.file, span.range.start));
            found = found.take().or_else(|| first.cloned());
        }
    });
    found
}

/// The expression that a value comes from, where it is one.
fn main(value: &MapValue) -> Option<&Expr> {
    match value {
        MapValue::Expr(expr) => Some(expr),
        MapValue::When { then, .. } | MapValue::Only { then, .. } => main(then),
        _ => None,
    }
}

/// The column of which a value is a plain copy.
fn plain<'c>(value: &MapValue, columns: &'c [FieldPath]) -> Option<&'c FieldPath> {
    columns.get(main(value)?.as_column()?)
}

/// The value as it can stand in a condition or in braces; `E` where it would need quotes there.
fn operand(value: &MapValue, columns: &[FieldPath]) -> String {
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
fn piped(line: &Line<'_>, columns: &[FieldPath], filter: &str) -> Way {
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

/// `a, b` as `a;b`, when that makes values of it.
fn with_semicolons(text: &str, known: &[&str]) -> Option<String> {
    [',', '|', '/']
        .into_iter()
        .filter(|between| text.contains(*between))
        .map(|between| text.split(between).map(str::trim).collect::<Vec<_>>())
        .find(|parts| {
            parts
                .iter()
                .all(|part| known.iter().any(|k| k.eq_ignore_ascii_case(part)))
        })
        .map(|parts| parts.join(";"))
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
fn whole_digits(field: &Field) -> Option<u32> {
    match field.kind {
        FieldType::Int | FieldType::Long => (field.digits > 0).then_some(field.digits),
        _ => (field.precision > 0).then(|| field.precision.saturating_sub(field.scale)),
    }
}

fn is_text(kind: ShapeKind) -> bool {
    matches!(kind, ShapeKind::Text | ShapeKind::MultiPicklist)
}

/// Whether some value of the one type can become the other.
fn converts(from: TypeKind, to: ShapeKind) -> bool {
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
