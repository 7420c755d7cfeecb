//! Target fields that cannot take what a step gives them, or are not given what they need.

use std::collections::BTreeMap;

use super::{
    fields::{Draft, Sides, shape},
    types::field_words,
};
use crate::{
    diag::{Finding, Span, did_you_mean},
    pipeline::model::{MapValue, Only, Operation},
    salesforce::{Field, FieldType},
};

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

impl Sides<'_> {
    pub(super) fn unknown(&self, name: &str, span: &Span) -> Finding {
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
    pub(super) fn unwritable(&self, field: &Field, span: &Span) -> Option<Finding> {
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

    pub(super) fn twice(&self, drafts: &[Draft], findings: &mut Vec<Finding>) {
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
    pub(super) fn required(&self, drafts: &[Draft], findings: &mut Vec<Finding>) {
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
    pub(super) fn way_to(&self, field: &Field) -> String {
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
