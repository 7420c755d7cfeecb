//! Values that stand in the file, held against the field that gets them.

use super::{
    super::fields::Sides,
    fit::{Line, converts, has_value, is_text, place, values, whole_digits},
    words::{field_words, yaml},
};
use crate::{
    diag::{Finding, Severity, Span, all_of, did_you_mean},
    pipeline::{
        expr::{Type, Written, characters},
        model::MapValue,
    },
    record::Id,
    transform::{EncodeError, Shape, ShapeKind, encode},
};

impl Sides<'_> {
    /// A literal of the file is sent as it is: what does not fit never will. The value of a var is what is sent unless
    /// another one is given.
    pub(super) fn literal(&self, line: &Line<'_>, written: &Written, shape: &Shape) -> Option<Finding> {
        let value = &written.value;
        let text = value.as_text()?;
        let field = line.field;
        let own = |text: &str| match written.var {
            Some(_) => None,
            None => literal_span(line, text),
        };
        let said = |code, message: String, help: String| {
            let label = format!("target is {}", field_words(field));
            if let Some(name) = &written.var {
                return Some(self.of_var(
                    line,
                    name,
                    Finding::error(code, place(line), message).label(label),
                ));
            }
            let span = literal_span(line, text).unwrap_or_else(|| place(line));
            let finding = Finding::error(code, span, message).label(label).help(help);
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
                let finding = said(
                    "type-mismatch",
                    format!("`{text}` cannot become `{}.{}`", line.object, field.name),
                    format!("the target takes a {}", shape.kind.noun()),
                )?;
                // Whatever is given for the var, it is of the same kind.
                let never = !converts(Type::constant(value).kind, shape.kind);
                return Some(match written.var {
                    Some(_) if never => Finding {
                        severity: Severity::Error,
                        help: vec![format!(
                            "the target takes a {}: give the var such a default, or map another value",
                            shape.kind.noun()
                        )],
                        ..finding
                    },
                    _ => finding,
                });
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
            if let Some(span) = own(text).filter(|_| wrong == text) {
                finding = finding.edit(span, yaml(&mended));
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
        if let Some((near, span)) = near.zip(own(text)).filter(|_| wrong == text) {
            finding = finding.edit(span, yaml(near));
        }
        Some(finding)
    }

    /// A complaint about the value of a var: where nothing is sent, another one may still be given.
    pub(super) fn of_var(&self, line: &Line<'_>, name: &str, mut finding: Finding) -> Finding {
        let settled = self.reads.schemas.settled();
        if !settled {
            finding.severity = Severity::Warning;
        }
        if let Some(var) = self.reads.pipeline.vars.iter().find(|var| var.name == name) {
            finding = finding.also(
                var.span.clone(),
                format!("the var `{name}`, which `{}` gets", line.name),
            );
        }
        finding.help(match settled {
            true => format!("give a value that fits: `--var {name}=...`"),
            false => format!("give the var a default that fits, or `{name}: {{ required: true }}` for one that each run gives"),
        })
    }
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
