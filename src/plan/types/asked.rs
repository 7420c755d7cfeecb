//! What is asked of orgs: fields in conditions and orders, records found by a field, record types by name.

use super::{
    super::{Schemas, fields::Sides, schemas::Resolved, types::words::field_words},
    fit::Line,
    of::Column,
    words::yaml,
};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::{
        expr::Type,
        model::{FieldRole, FieldUse, Lookup, MapValue, Missing},
    },
    record::FieldPath,
    salesforce::{Field, FieldType, RecordType},
};

/// Fields of a filter or an order that are not there, or may not stand there.
pub(in crate::plan) fn filters(
    schemas: &Schemas,
    connection: &str,
    object: &str,
    uses: &[FieldUse],
    findings: &mut Vec<Finding>,
) {
    for used in uses {
        let field = match schemas.resolve(connection, object, &used.path) {
            Resolved::Field(field) => field,
            Resolved::NoField {
                object,
                name,
                suggestion,
            } => {
                findings.push(unknown(
                    connection, &object, "field", &name, suggestion, &used.span,
                ));
                continue;
            }
            Resolved::NoRelationship {
                object,
                name,
                suggestion,
            } => {
                findings.push(unknown(
                    connection,
                    &object,
                    "relationship",
                    &name,
                    suggestion,
                    &used.span,
                ));
                continue;
            }
            Resolved::Polymorphic | Resolved::Needs(_) => continue,
        };
        let path = &used.path;
        let (may, code, clause, help) = match used.role {
            FieldRole::Filter => (
                field.filterable,
                "unfilterable-field",
                "WHERE",
                format!("leave it out there, and filter the rows that are read: `when: {path} is none`"),
            ),
            FieldRole::Joined => (
                field.filterable,
                "unfilterable-field",
                "WHERE",
                "leave it out there, or compare another field of that object".to_owned(),
            ),
            FieldRole::Order => (
                field.sortable,
                "unsortable-field",
                "ORDER BY",
                "order by another field, or leave the order out: rows are told apart by their ids, not by their place"
                    .to_owned(),
            ),
            FieldRole::Group => continue,
        };
        if may {
            continue;
        }
        findings.push(
            Finding::error(
                code,
                used.span.clone(),
                format!("`{path}` cannot stand in {clause}"),
            )
            .label(format!("{} in `{connection}`", field_words(field)))
            .help(help),
        );
    }
}

/// The one complaint about a field that an org's describe does not have.
pub(in crate::plan) fn unknown(
    connection: &str,
    object: &str,
    what: &str,
    name: &str,
    suggestion: Option<String>,
    span: &Span,
) -> Finding {
    let finding = Finding::error(
        "unknown-source-field",
        span.clone(),
        format!("`{object}` of `{connection}` has no {what} `{name}`"),
    )
    .label(format!("unknown {what}"));
    match suggestion {
        // Where nothing but the name stands there.
        Some(close) if span.range.len() == name.len() => {
            finding.help(format!("did you mean `{close}`?")).edit(span.clone(), close)
        }
        Some(close) => finding.help(format!("did you mean `{close}`?")),
        None => finding.help("a field that field-level security hides from the user of this login looks as if it were not there"),
    }
}

/// A lookup by a field of which several records may have one value.
pub(in crate::plan) fn uniqueness(
    lookup: &Lookup,
    connection: &str,
    schemas: &Schemas,
    findings: &mut Vec<Finding>,
) {
    // Who adds a condition, or compares several fields, has thought of it.
    let ([(path, span)], None) = (lookup.by.as_slice(), &lookup.condition) else {
        return;
    };
    let Resolved::Field(field) = schemas.resolve(connection, &lookup.object, path) else {
        return;
    };
    if tells_apart(field) || path.is_relationship() {
        return;
    }
    let unique: Vec<&str> = schemas
        .get(connection, &lookup.object)
        .map(|object| {
            object
                .fields
                .iter()
                .filter(|f| f.unique)
                .map(|f| f.name.as_str())
                .collect()
        })
        .unwrap_or_default();
    let finding = Finding::warning(
        "lookup-not-unique",
        span.clone(),
        format!(
            "several records of `{}` may have one `{}`",
            lookup.object, field.name
        ),
    )
    .label(format!("{}, not unique", field_words(field)));
    findings.push(match unique.as_slice() {
        [] => finding.help(format!(
            "rows that find several are parked as `ambiguous`; narrow it down, as in `{{ lookup: {}, by: {}, of: E, where: \"CreatedDate > 2020-01-01T00:00:00Z\" }}`, or compare two fields: `by: [A, B]`",
            lookup.object, field.name
        )),
        several => finding.help(format!(
            "rows that find several are parked as `ambiguous`; unique are {}",
            all_of(several.iter().copied())
        )),
    });
}

/// Whether a value leads to one record: by rule, or by what Salesforce itself looks records up by.
pub(in crate::plan) fn tells_apart(field: &Field) -> bool {
    field.unique || field.id_lookup || field.kind == FieldType::Id
}

impl Sides<'_> {
    /// Record types by names that the target does not have.
    pub(in crate::plan) fn record_types(
        &self,
        line: &Line<'_>,
        value: &MapValue,
        columns: &[FieldPath],
        findings: &mut Vec<Finding>,
    ) {
        match value {
            MapValue::RecordType { of, otherwise, .. } => {
                findings.extend(self.record_type(line, of, otherwise, columns));
            }
            MapValue::When { then, .. } | MapValue::Only { then, .. } => {
                self.record_types(line, then, columns, findings)
            }
            MapValue::First(values) => {
                for value in values {
                    self.record_types(line, value, columns, findings);
                }
            }
            _ => {}
        }
    }

    fn record_type(
        &self,
        line: &Line<'_>,
        of: &MapValue,
        otherwise: &Missing,
        columns: &[FieldPath],
    ) -> Option<Finding> {
        let target = self.target;
        let there = |r: &&RecordType| r.active && !r.master;
        let known: Vec<&str> = target
            .record_types
            .iter()
            .filter(there)
            .map(|r| r.developer_name.as_str())
            .collect();
        let has = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        let given: Type = self.reads.type_of(of, columns);
        let wrong = given
            .written
            .iter()
            .find_map(|written| Some((written.as_text().filter(|name| !has(name))?, written)));
        let known_words = match known.as_slice() {
            [] => format!("`{}` has no record types there", target.name),
            known => format!("its record types: {}", all_of(known.iter().copied())),
        };
        if let Some((name, written)) = wrong {
            let own = line.literals.iter().find(|(text, _)| text == name);
            let span = own.filter(|_| written.var.is_none());
            let near = did_you_mean(name, known.iter().copied());
            let finding = Finding::error(
                "unknown-record-type",
                span.map_or_else(|| line.span.clone(), |(_, span)| span.clone()),
                format!(
                    "`{}` of `{}` has no record type `{name}`",
                    target.name, self.reads.step.target.connection
                ),
            )
            .label("by developer name");
            if let Some(var) = &written.var {
                return Some(self.of_var(line, var, finding.help(known_words)));
            }
            return Some(match (near, span) {
                (Some(near), Some((_, span))) => finding
                    .help(format!("did you mean `{near}`?"))
                    .edit(span.clone(), yaml(near)),
                (Some(near), None) => finding.help(format!("did you mean `{near}`?")),
                (None, _) => finding.help(known_words),
            });
        }
        // The source's own names, where it is those that are read.
        let source = self.source?;
        let copies = matches!(of, MapValue::Expr(expr) if expr
            .as_column()
            .and_then(|at| columns.get(at))
            .is_some_and(|path| path.as_str().eq_ignore_ascii_case("RecordType.DeveloperName")));
        if !copies || !matches!(otherwise, Missing::Park | Missing::Stop) {
            return None;
        }
        let missing: Vec<&str> = source
            .record_types
            .iter()
            .filter(there)
            .map(|r| r.developer_name.as_str())
            .filter(|name| !has(name))
            .collect();
        let first = *missing.first()?;
        let instead = did_you_mean(first, known.iter().copied()).or(known.first().copied());
        Some(
            Finding::warning(
                "unknown-record-type",
                line.span.clone(),
                format!(
                    "`{}` of `{}` has no record type {}",
                    target.name,
                    self.reads.step.target.connection,
                    all_of(missing.iter().copied())
                ),
            )
            .label("rows with such a record type are parked")
            .help(match instead {
                Some(instead) => format!(
                    "map them: `{}: {{ record_type: {{ table: {{ {first}: {instead} }}, of: RecordType.DeveloperName, otherwise: keep }} }}`",
                    line.name
                ),
                None => format!(
                    "`{}` has none there: `{}: {{ record_type: RecordType.DeveloperName, otherwise: omit }}`",
                    target.name, line.name
                ),
            }),
        )
    }

    /// Amounts that travel without their currency.
    pub(in crate::plan) fn currencies(&self, filled: &[(&str, &Span)], findings: &mut Vec<Finding>) {
        const CODE: &str = "CurrencyIsoCode";
        let both = self.target.field(CODE).is_some() && self.source.is_some_and(|s| s.field(CODE).is_some());
        let given = filled.iter().any(|(name, _)| name.eq_ignore_ascii_case(CODE));
        if !both || given || !self.reads.step.target.operation.creates() {
            return;
        }
        let amount = filled.iter().find(|(name, _)| {
            self.target
                .field(name)
                .is_some_and(|field| field.kind == FieldType::Currency)
        });
        if let Some((name, span)) = amount {
            findings.push(
                Finding::warning(
                    "currency-without-code",
                    (*span).clone(),
                    format!("`{name}` is an amount, and nothing says of which currency"),
                )
                .label("both orgs have several currencies")
                .help(format!(
                    "new records would get the currency of this login's user; add to `map`: `{CODE}: {CODE}`"
                )),
            );
        }
    }

    /// The field of the source that a line copies, for words.
    pub(in crate::plan) fn copied_field(&self, path: &FieldPath) -> Option<&Field> {
        match self.reads.column(path)? {
            Column::Field(field) => Some(field),
            Column::Number | Column::Text => None,
        }
    }
}
