//! The target's fields: what the org's describe says of each line of `copy` and `map`.

use super::{
    NullRule, ParentPath, TargetField,
    types::{Line, Reads},
};
use crate::{
    diag::{Finding, Span, did_you_mean},
    pipeline::model::{FieldMap, MapValue, Only, Operation},
    record::FieldPath,
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
pub(super) struct Given<'a> {
    value: &'a MapValue,
    span: &'a Span,
    literals: &'a [(String, Span)],
    copied: bool,
}

impl<'a> Given<'a> {
    pub(super) fn copied(value: &'a MapValue, span: &'a Span) -> Self {
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

    pub(super) fn by_field(
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
