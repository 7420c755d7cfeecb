//! What `copy` gives a target's fields.

use super::{
    column_value,
    fields::{Draft, Given, Sides, shape},
};
use crate::{
    diag::{Finding, Span},
    pipeline::model::{Copy, MapValue, Missing, Source, StepRef, Table},
    record::{FieldPath, Value},
    salesforce::{Field, FieldType, SObjectDescribe},
};

impl Sides<'_> {
    pub(super) fn copied(
        &self,
        columns: &mut Vec<FieldPath>,
        drafts: &mut Vec<Draft>,
        findings: &mut Vec<Finding>,
    ) {
        match &self.reads.step.copy {
            Copy::Nothing => {}
            Copy::Fields(fields) => {
                for copied in fields {
                    let Some(field) = self.target.field(&copied.field) else {
                        findings.push(self.unknown(&copied.field, &copied.span));
                        continue;
                    };
                    let value = match self.link(field, copied.column) {
                        Some(value) => value,
                        None => {
                            findings.push(
                                Finding::error(
                                    "copied-lookup",
                                    copied.span.clone(),
                                    format!("`{}` would carry an Id of the other org", field.name),
                                )
                                .label(format!("a lookup to {}", field.reference_to.join(", ")))
                                .help(format!(
                                    "no step of this file writes {}: add one, or map it: `{}: {{ lookup: {}, by: ..., of: ... }}`",
                                    field.reference_to.join(" or "),
                                    field.name,
                                    field.reference_to.first().map_or("OBJECT", |o| o.as_str())
                                )),
                            );
                            continue;
                        }
                    };
                    drafts.extend(self.by_field(
                        &copied.field,
                        &copied.span,
                        Given::copied(&value, &copied.span),
                        columns,
                        findings,
                    ));
                }
            }
            Copy::All { except, span } => {
                if matches!(self.reads.step.source, Source::File(_))
                    && self.reads.schemas.file(self.index).is_none()
                {
                    findings.push(super::files::unknown_columns(span));
                    return;
                }
                for name in self.common(columns, except) {
                    let Some(field) = self.target.field(&name) else {
                        continue;
                    };
                    if self.unwritable(field, span).is_some() || shape(field).is_none() {
                        continue;
                    }
                    let path = FieldPath::new(name.clone());
                    let column = columns.iter().position(|c| *c == path).unwrap_or_else(|| {
                        columns.push(path);
                        columns.len() - 1
                    });
                    let Some(value) = self.link(field, column) else {
                        findings.push(
                            Finding::warning(
                                "copied-lookup",
                                span.clone(),
                                format!("`{}` is not copied", field.name),
                            )
                            .label(format!("a lookup to {}", field.reference_to.join(", ")))
                            .help(format!("map it, or list it under `except: [{}]`", field.name)),
                        );
                        continue;
                    };
                    let given = Given::copied(&value, span);
                    drafts.extend(self.by_field(&name, span, given, columns, findings));
                }
            }
        }
    }

    /// The fields of `copy: all`: what both sides have, without Id, audit fields, and what is named elsewhere.
    fn common(&self, columns: &[FieldPath], except: &[(String, Span)]) -> Vec<String> {
        const NOT_BY_ITSELF: [&str; 9] = [
            "Id",
            "CreatedById",
            "CreatedDate",
            "LastModifiedById",
            "LastModifiedDate",
            "SystemModstamp",
            "LastViewedDate",
            "LastReferencedDate",
            "IsDeleted",
        ];
        let candidates: Vec<String> = match (&self.reads.step.source, self.source) {
            (Source::Object { .. }, Some(source)) => {
                source.fields.iter().map(|f| f.name.to_string()).collect()
            }
            (Source::File(_), _) => self
                .reads
                .schemas
                .file(self.index)
                .map(|survey| survey.columns.clone())
                .unwrap_or_default(),
            _ => columns
                .iter()
                .filter(|c| !c.is_relationship() && self.reads.step.selects(c))
                .map(|c| c.as_str().to_owned())
                .collect(),
        };
        let named = |name: &str| {
            except.iter().any(|(e, _)| e.eq_ignore_ascii_case(name))
                || NOT_BY_ITSELF.iter().any(|n| n.eq_ignore_ascii_case(name))
                || self.reads.step.map.iter().any(|m| {
                    m.field.as_str().eq_ignore_ascii_case(name)
                        || m.field.is_relationship()
                            && m.field.segments().next().is_some_and(|r| {
                                self.target
                                    .by_relationship(r)
                                    .is_some_and(|f| f.name.eq_ignore_ascii_case(name))
                            })
                })
        };
        candidates
            .into_iter()
            .filter(|name| !named(name))
            .filter(|name| {
                // A base64 body is copied by name only, and a compound is written through its parts.
                self.source
                    .and_then(|s| s.field(name))
                    .is_none_or(|f| shape(f).is_some())
            })
            .collect()
    }

    /// What copying a field means: for a lookup the link, not the other org's Id.
    fn link(&self, field: &Field, column: usize) -> Option<MapValue> {
        if field.kind != FieldType::Reference
            || self.reads.step.source_connection == self.reads.step.target.connection
        {
            return Some(column_value(column));
        }
        if field.name.eq_ignore_ascii_case("RecordTypeId") {
            let source = self.source?;
            let entries = source
                .record_types
                .iter()
                .filter_map(|theirs| {
                    let ours = self.target.record_types.iter().find(|ours| {
                        ours.developer_name.eq_ignore_ascii_case(&theirs.developer_name) && !ours.master
                    })?;
                    Some((theirs.id.to_string(), Value::text(ours.id.clone())))
                })
                .collect();
            let table = Table {
                name: format!("record types of {}", self.target.name),
                entries,
                ..Table::default()
            };
            return Some(MapValue::Table {
                table: table.into(),
                of: Box::new(column_value(column)),
                otherwise: Missing::Park,
            });
        }
        let writers = |object: &str| -> Vec<usize> {
            (0..self.reads.pipeline.steps.len())
                .filter(|i| {
                    let step = &self.reads.pipeline.steps[*i];
                    let other = &step.target;
                    !other.operation.deletes()
                        && step.deletes_of.is_none()
                        && other.file.is_none()
                        && other.connection == self.reads.step.target.connection
                        && other.object.eq_ignore_ascii_case(object)
                })
                .collect()
        };
        let mut steps: Vec<usize> = field.reference_to.iter().flat_map(|o| writers(o)).collect();
        // A contact may be that of a person account, which is written with it.
        let account = self
            .reads
            .schemas
            .get(&self.reads.step.target.connection, "Account");
        if field
            .reference_to
            .iter()
            .any(|o| o.eq_ignore_ascii_case("Contact"))
            && account.is_some_and(SObjectDescribe::has_person_accounts)
        {
            steps.extend(writers("Account"));
        }
        let mut seen = std::collections::HashSet::new();
        // A step that comes behind this one by its `needs` changes what others have brought.
        let own = self
            .reads
            .pipeline
            .steps
            .iter()
            .position(|s| s.name == self.reads.step.name);
        steps.retain(|step| {
            seen.insert(*step) && own.is_none_or(|own| !super::build::waits(self.reads.pipeline, *step, own))
        });
        (!steps.is_empty()).then(|| MapValue::Ref {
            steps: steps.into_iter().map(StepRef::Own).collect(),
            of: Box::new(column_value(column)),
            give: None,
            missing: Missing::Park,
            span: self.reads.step.span.clone(),
        })
    }
}
