//! Ids, held against the objects that a lookup may point at.

use super::{
    super::fields::Sides,
    fit::{Line, place},
    ways::plain,
    words::{field_words, objects, type_words},
};
use crate::{
    diag::{Finding, one_of},
    pipeline::{expr::Type, model::MapValue},
    record::FieldPath,
    salesforce::FieldType,
};

impl Sides<'_> {
    /// Ids have to be those of an object that the lookup may point at, in this org.
    pub(super) fn reference(&self, line: &Line<'_>, columns: &[FieldPath], given: &Type) -> Option<Finding> {
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
        let two_orgs = self.reads.step.source_connection != self.reads.step.target.connection;
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
            let step = self.reads.pipeline.steps.iter().find(|step| {
                step.target.connection == self.reads.step.target.connection
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
            .reads
            .pipeline
            .steps
            .iter()
            .filter(|step| {
                may(&step.target.object) && step.target.connection == self.reads.step.target.connection
            })
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
            (MapValue::Ref { give: Some((path, _)), .. }, _) => finding.help(format!(
                "a `ref` gives the Id of the record that it finds: leave `give: {path}` out, or give a field that holds Ids of {}",
                objects(&parents)
            )),
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
}
