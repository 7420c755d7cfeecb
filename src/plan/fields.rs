//! The target's fields: what the org's describe says of each line of `copy` and `map`.

use std::collections::BTreeMap;

use super::{
    NullRule, ParentPath, TargetField, column_value,
    types::{Line, Reads, field_words},
};
use crate::{
    diag::{Finding, Span, did_you_mean},
    pipeline::model::{Copy, FieldMap, MapValue, Missing, Only, Operation, Source, StepRef, Table},
    record::{FieldPath, Value},
    salesforce::{Field, FieldType, SObjectDescribe},
    transform::{MappedField, Shape, ShapeKind},
};

/// A field of the target with what it gets, and where the file says so.
pub(super) struct Draft {
    pub(super) mapped: MappedField,
    pub(super) target: TargetField,
    pub(super) span: Span,
    /// Sobjects that a relationship path leads to: their steps come first.
    pub(super) parents: Vec<String>,
}

impl Draft {
    /// A column of a file.
    pub(super) fn of_file((mapped, target): (MappedField, TargetField)) -> Self {
        Draft {
            mapped,
            target,
            span: Span::default(),
            parents: Vec::new(),
        }
    }
}

/// What a field gets, and where that stands.
#[derive(Clone, Copy)]
struct Given<'a> {
    value: &'a MapValue,
    span: &'a Span,
    literals: &'a [(String, Span)],
    copied: bool,
}

impl<'a> Given<'a> {
    fn copied(value: &'a MapValue, span: &'a Span) -> Self {
        Given {
            value,
            span,
            literals: &[],
            copied: true,
        }
    }
}

impl<'a> From<&'a FieldMap> for Given<'a> {
    fn from(map: &'a FieldMap) -> Self {
        Given {
            value: &map.value,
            span: &map.value_span,
            literals: &map.literals,
            copied: false,
        }
    }
}

/// What the permission to set audit fields opens.
const AUDIT: [&str; 4] = [
    "CreatedById",
    "CreatedDate",
    "LastModifiedById",
    "LastModifiedDate",
];

/// What nothing opens.
const AUTOMATIC: [&str; 5] = [
    "SystemModstamp",
    "LastActivityDate",
    "LastViewedDate",
    "LastReferencedDate",
    "IsDeleted",
];

/// Both sides of a step, as far as describes tell.
pub(super) struct Sides<'a> {
    pub(super) reads: Reads<'a>,
    /// The step's index in the pipeline.
    pub(super) index: usize,
    pub(super) target: &'a SObjectDescribe,
    /// The source's describe, when it is an sobject.
    pub(super) source: Option<&'a SObjectDescribe>,
}

impl Sides<'_> {
    /// Every field that the step writes. `columns` may grow: `copy: all` of an `object` source reads what it copies.
    pub(super) fn drafts(&self, columns: &mut Vec<FieldPath>, findings: &mut Vec<Finding>) -> Vec<Draft> {
        let mut drafts = Vec::new();
        self.copied(columns, &mut drafts, findings);
        for map in &self.reads.step.map {
            for (value, on) in self.by_action(&map.value) {
                let mut own = Vec::new();
                let draft = if map.field.is_relationship() {
                    self.by_relationship(map, &value, columns, &mut own)
                } else {
                    let given = Given {
                        value: &value,
                        ..map.into()
                    };
                    self.by_field(map.field.as_str(), &map.span, given, columns, &mut own)
                };
                // What is wrong for created and for updated records is said once.
                own.retain(|finding| !findings.contains(finding));
                findings.extend(own);
                let Some(mut draft) = draft else { break };
                match on {
                    Some(Only::Create) => draft.target.updateable = false,
                    Some(Only::Update) => draft.target.createable = false,
                    None => {}
                }
                draft.mapped.partial = draft.target.createable != draft.target.updateable;
                drafts.push(draft);
            }
        }
        self.twice(&drafts, findings);
        self.required(&drafts, findings);
        let filled: Vec<(&str, &Span)> = drafts
            .iter()
            .map(|draft| (draft.target.name.as_str(), &draft.span))
            .collect();
        self.currencies(&filled, findings);
        self.tests(columns, findings);
        drafts
    }

    /// The value, or, where an `only` makes a difference, what it is for records that are created and for those that
    /// are updated.
    fn by_action(&self, value: &MapValue) -> Vec<(MapValue, Option<Only>)> {
        if !value.any(|value| matches!(value, MapValue::Only { .. })) {
            return vec![(value.clone(), None)];
        }
        let actions: &[Only] = match self.reads.step.target.operation {
            Operation::Insert => &[Only::Create],
            Operation::Update => &[Only::Update],
            _ => &[Only::Create, Only::Update],
        };
        actions
            .iter()
            .map(|action| (value.on(*action), Some(*action)))
            .filter(|(value, _)| !matches!(value, MapValue::Omit))
            .collect()
    }

    fn by_field(
        &self,
        name: &str,
        span: &Span,
        given: Given<'_>,
        columns: &[FieldPath],
        findings: &mut Vec<Finding>,
    ) -> Option<Draft> {
        let Some(field) = self.target.field(name) else {
            findings.push(self.unknown(name, span));
            return None;
        };
        if let Some(draft) = self.file_body(field, given.value, columns, span) {
            return Some(draft);
        }
        if let Some(finding) = self.unwritable(field, span) {
            findings.push(finding);
            return None;
        }
        let shape = shape(field)?;
        let line = Line {
            field,
            object: &self.target.name,
            name,
            value: given.value,
            span: given.span,
            literals: given.literals,
            copied: given.copied,
        };
        self.fit(&line, columns, findings);
        self.record_types(&line, given.value, columns, findings);
        Some(draft(
            field,
            None,
            shape,
            field.name.as_str().into(),
            given.value.clone(),
            span,
        ))
    }

    /// A file's body that is copied from org to org. It is sent when the record is made, and never again.
    fn file_body(
        &self,
        field: &Field,
        value: &MapValue,
        columns: &[FieldPath],
        span: &Span,
    ) -> Option<Draft> {
        let MapValue::Expr(expr) = value else { return None };
        let source = self.source?.field(columns.get(expr.as_column()?)?.as_str())?;
        let both = [source, field].iter().all(|f| f.kind == FieldType::Base64);
        if !both || !field.createable || !self.reads.step.target.operation.creates() {
            return None;
        }
        let shape = Shape {
            kind: ShapeKind::Text,
            scale: 0,
        };
        let mut draft = draft(
            field,
            None,
            shape,
            field.name.as_str().into(),
            value.clone(),
            span,
        );
        draft.target.updateable = false;
        draft.target.null = NullRule::LeftOut;
        draft.target.body = true;
        Some(draft)
    }

    /// A relationship path on the left: the org finds the parent by one of its fields.
    fn by_relationship(
        &self,
        map: &FieldMap,
        value: &MapValue,
        columns: &[FieldPath],
        findings: &mut Vec<Finding>,
    ) -> Option<Draft> {
        let (path, span) = (&map.field, &map.span);
        let segments: Vec<&str> = path.segments().collect();
        let [relationship, name] = segments.as_slice() else {
            findings.push(
                Finding::error("bad-relationship", span.clone(), format!("`{path}` goes too far"))
                    .label("more than one relationship")
                    .help("an org finds a parent by one of the parent's own fields: `RELATIONSHIP.FIELD`"),
            );
            return None;
        };
        let Some(lookup) = self.target.by_relationship(relationship) else {
            let known = self
                .target
                .fields
                .iter()
                .filter_map(|f| f.relationship_name.as_deref());
            let mut finding = Finding::error(
                "unknown-relationship",
                span.clone(),
                format!("`{}` has no relationship `{relationship}`", self.target.name),
            )
            .label("unknown relationship in the target");
            if let Some(close) = did_you_mean(relationship, known) {
                finding = finding.help(format!("did you mean `{close}.{name}`?"));
            }
            findings.push(finding);
            return None;
        };
        if let Some(finding) = self.unwritable(lookup, span) {
            findings.push(finding);
            return None;
        }
        let connection = &self.reads.step.target.connection;
        let parents: Vec<(&str, &Field)> = lookup
            .reference_to
            .iter()
            .filter_map(|o| Some((o.as_str(), self.reads.schemas.get(connection, o)?.field(name)?)))
            .collect();
        let keys: Vec<&(&str, &Field)> = parents
            .iter()
            .filter(|(_, f)| f.external_id || f.id_lookup)
            .collect();
        let (object, field) = match (keys.as_slice(), parents.first()) {
            ([one], _) => **one,
            ([], Some((object, field))) => {
                findings.push(
                    Finding::error(
                        "bad-key",
                        span.clone(),
                        format!("`{object}.{}` cannot find a parent", field.name),
                    )
                    .label("neither an external id nor an idLookup field")
                    .help(format!(
                        "make `{}` an external id in the target, or write `{}: {{ lookup: {object}, by: {}, of: ... }}`",
                        field.name, lookup.name, field.name
                    )),
                );
                return None;
            }
            ([], None) => {
                findings.push(
                    Finding::error(
                        "unknown-target-field",
                        span.clone(),
                        format!("`{}` has no field `{name}`", lookup.reference_to.join("` or `")),
                    )
                    .label("unknown field of the parent"),
                );
                return None;
            }
            (several, _) => {
                let objects: Vec<&str> = several.iter().map(|(o, _)| *o).collect();
                findings.push(
                    Finding::error(
                        "bad-relationship",
                        span.clone(),
                        format!("`{path}` may mean a record of {}", objects.join(" or ")),
                    )
                    .label("ambiguous")
                    .help(format!(
                        "name the object: `{}: {{ lookup: {}, by: {name}, of: ... }}`",
                        lookup.name, objects[0]
                    )),
                );
                return None;
            }
        };
        let line = Line {
            field,
            object,
            name: path.as_str(),
            value,
            span: &map.value_span,
            literals: &map.literals,
            copied: false,
        };
        self.fit(&line, columns, findings);
        let polymorphic = (lookup.reference_to.len() > 1).then(|| object.to_owned());
        let relationship = lookup.relationship_name.as_deref().unwrap_or_default().to_owned();
        let name = FieldPath::new(format!("{relationship}.{}", field.name));
        let parent = ParentPath {
            relationship,
            field: field.name.to_string(),
            polymorphic,
        };
        let mut draft = draft(lookup, Some(parent), shape(field)?, name, value.clone(), span);
        draft.parents = vec![object.to_owned()];
        Some(draft)
    }

    fn copied(&self, columns: &mut Vec<FieldPath>, drafts: &mut Vec<Draft>, findings: &mut Vec<Finding>) {
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

    fn unknown(&self, name: &str, span: &Span) -> Finding {
        let known = self.target.fields.iter().map(|f| f.name.as_str());
        let finding = Finding::error(
            "unknown-target-field",
            span.clone(),
            format!("`{}` has no field `{name}`", self.target.name),
        )
        .label("unknown field of the target");
        match did_you_mean(name, known) {
            Some(close) if span.range.len() == name.len() => {
                finding.help(format!("did you mean `{close}`?")).edit(span.clone(), close)
            }
            Some(close) => finding.help(format!("did you mean `{close}`?")),
            None => finding.help(format!(
                "create the field in `{}`, or give the user of this login access to it: a field hidden by field-level security looks as if it were not there",
                self.reads.step.target.connection
            )),
        }
    }

    /// Why a field cannot be written, if it cannot.
    fn unwritable(&self, field: &Field, span: &Span) -> Option<Finding> {
        let key = self
            .reads
            .step
            .target
            .key
            .as_ref()
            .is_some_and(|k| k.has(&field.name));
        if key {
            return None;
        }
        let say = |label: String, help: String| {
            let message = format!("`{}.{}` cannot be written", self.target.name, field.name);
            Some(
                Finding::error("unwritable-field", span.clone(), message)
                    .label(label)
                    .help(help),
            )
        };
        if field.name.eq_ignore_ascii_case("Id") {
            return say(
                "the record's own Id".into(),
                "`Id` may be mapped only as the `key`".into(),
            );
        }
        if shape(field).is_none() {
            let parts: Vec<&str> = self
                .target
                .fields
                .iter()
                .filter(|f| f.compound_field_name.as_deref() == Some(field.name.as_str()))
                .map(|f| f.name.as_str())
                .collect();
            return say(
                format!("a field of type {}", field.kind.as_str()),
                if field.kind == FieldType::Base64 {
                    let name = &field.name;
                    format!("a file's body is copied as it is, when the record is made: `{name}: {name}`")
                } else if parts.is_empty() {
                    "leave it out".into()
                } else {
                    format!("write its parts: {}", parts.join(", "))
                },
            );
        }
        let (may, word) = match self.reads.step.target.operation {
            Operation::Upsert => (field.createable || field.updateable, "read-only"),
            Operation::Insert => (field.createable, "not writable when a record is created"),
            Operation::Update => (field.updateable, "not writable once a record exists"),
            // Nothing is written but what finds the record.
            Operation::Delete | Operation::HardDelete | Operation::Match => (true, ""),
        };
        if may {
            return None;
        }
        let open = format!(
            "remove it from the step, or open it in `{}`",
            self.reads.step.target.connection
        );
        match field {
            f if f.calculated => say(
                "a formula or roll-up".to_owned(),
                "leave it out: Salesforce works it out".to_owned(),
            ),
            f if f.auto_number => say(
                "an auto number".to_owned(),
                "leave it out: Salesforce counts; keep the source's number in a text field of its own".to_owned(),
            ),
            f if AUDIT.iter().any(|name| f.name.eq_ignore_ascii_case(name)) => say(
                "an audit field, which Salesforce fills itself".to_owned(),
                "leave it out, keep it in a field of its own, or give this login the permission `Set Audit Fields upon Record Creation`"
                    .to_owned(),
            ),
            f if f.is_read_only() && AUTOMATIC.iter().any(|name| f.name.eq_ignore_ascii_case(name)) => {
                say("kept by Salesforce itself".to_owned(), "leave it out".to_owned())
            }
            _ => say(format!("{word} for this login"), open),
        }
    }

    fn twice(&self, drafts: &[Draft], findings: &mut Vec<Finding>) {
        let mut seen: BTreeMap<String, &Span> = BTreeMap::new();
        for draft in drafts {
            if let Some(first) = seen.insert(draft.target.name.to_ascii_lowercase(), &draft.span)
                // One line may have a value for new records and another for old ones.
                && *first != draft.span
            {
                findings.push(
                    Finding::error(
                        "mapped-twice",
                        draft.span.clone(),
                        format!("`{}` is written twice", draft.target.name),
                    )
                    .label("written here again")
                    .also(first.clone(), "first written here")
                    .help("keep one of the two"),
                );
            }
        }
    }

    /// Fields without which the org creates no record.
    fn required(&self, drafts: &[Draft], findings: &mut Vec<Finding>) {
        if !self.reads.step.target.operation.creates() {
            return;
        }
        // A person account has LastName where a business account has Name: one of the two is enough.
        let either = self.target.either_required_on_create().filter(|pair| {
            !pair.iter().any(|field| {
                drafts
                    .iter()
                    .any(|d| d.target.name == field.name && d.target.createable)
            })
        });
        let missing: Vec<&Field> = self
            .target
            .required_on_create()
            .into_iter()
            .chain(either.map(|pair| pair[0]))
            .filter(|f| {
                !drafts
                    .iter()
                    .any(|d| d.target.name == f.name && d.target.createable)
            })
            // What is wrong with a line was said already; one for old records alone is none for new ones.
            .filter(|f| {
                !self.reads.step.map.iter().any(|m| {
                    m.field.as_str().eq_ignore_ascii_case(&f.name)
                        && !drafts.iter().any(|d| d.target.name == f.name)
                        && !matches!(m.value.on(Only::Create), MapValue::Omit)
                })
            })
            .collect();
        if missing.is_empty() {
            return;
        }
        let names: Vec<String> = missing.iter().map(|f| format!("`{}`", f.name)).collect();
        let (plural, verb) = if names.len() == 1 {
            ("", "is")
        } else {
            ("s", "are")
        };
        let mut finding = Finding::error(
            "required-not-mapped",
            self.reads.step.target.span.clone(),
            format!(
                "required field{plural} {} of `{}` {verb} not mapped",
                names.join(", "),
                self.target.name
            ),
        )
        .label("no record can be created without");
        for field in missing {
            finding = finding.help(format!(
                "add to `map`: `{}: {}` ({})",
                field.name,
                self.way_to(field),
                field_words(field)
            ));
        }
        findings.push(finding);
    }

    /// What could fill a required field: the step that writes its parent, the source's field of that name.
    fn way_to(&self, field: &Field) -> String {
        let there = self.source.and_then(|source| source.field(&field.name));
        let name = &field.name;
        if field.is_reference() {
            let parent = self.reads.pipeline.steps.iter().find(|step| {
                step.target.connection == self.reads.step.target.connection
                    && field
                        .reference_to
                        .iter()
                        .any(|object| object.eq_ignore_ascii_case(&step.target.object))
            });
            let of = there.map_or("E", |field| field.name.as_str());
            return match parent {
                Some(step) => format!("{{ ref: {}, of: {of} }}", step.name),
                None => format!(
                    "{{ lookup: {}, by: FIELD, of: E }}",
                    field
                        .reference_to
                        .first()
                        .map_or("OBJECT", |object| object.as_str())
                ),
            };
        }
        match (there, field.picklist_values.iter().find(|value| value.active)) {
            (Some(_), _) => name.to_string(),
            (None, Some(value)) => format!("{{ value: {} }}", value.value),
            (None, None) => "FIELD".to_owned(),
        }
    }
}

fn draft(
    field: &Field,
    parent: Option<ParentPath>,
    shape: Shape,
    name: FieldPath,
    value: MapValue,
    span: &Span,
) -> Draft {
    let null = match field {
        f if f.nillable => NullRule::Clears,
        f if f.defaulted_on_create => NullRule::LeftOut,
        _ => NullRule::Parks,
    };
    Draft {
        mapped: MappedField {
            name,
            value,
            shape: Some(shape),
            looping: false,
            partial: field.createable != field.updateable,
        },
        target: TargetField {
            name: field.name.to_string(),
            parent,
            shape,
            createable: field.createable,
            updateable: field.updateable,
            null,
            body: false,
        },
        span: span.clone(),
        parents: Vec::new(),
    }
}

/// What a field takes; `None` for compounds and bodies, which are not written as one value.
pub(super) fn shape(field: &Field) -> Option<Shape> {
    let kind = match field.kind {
        FieldType::Boolean => ShapeKind::Bool,
        FieldType::Int | FieldType::Long => ShapeKind::Int,
        FieldType::Double | FieldType::Currency | FieldType::Percent => ShapeKind::Decimal,
        FieldType::Date => ShapeKind::Date,
        FieldType::DateTime => ShapeKind::DateTime,
        FieldType::Time => ShapeKind::Time,
        FieldType::Reference | FieldType::Id => ShapeKind::Reference,
        FieldType::MultiPicklist => ShapeKind::MultiPicklist,
        FieldType::Address | FieldType::Location | FieldType::Base64 | FieldType::ComplexValue => {
            return None;
        }
        _ => ShapeKind::Text,
    };
    Some(Shape {
        kind,
        scale: field.scale,
    })
}
