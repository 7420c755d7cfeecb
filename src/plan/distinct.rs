//! Keys that need not be looked after, since the source itself has each of them once.

use super::{TargetKey, fields::Draft};
use crate::{
    pipeline::model::{MapValue, Source, Step},
    record::FieldPath,
    salesforce::SObjectDescribe,
};

/// Whether no two rows of a step can have one key: a part of it is a plain copy of the record's Id, or of a field that
/// the source org keeps unique, as the target compares it. Then a run spares itself a table of keys.
///
/// Not with `each`, which makes several rows of one, nor with a cursor: rows that were parked earlier are read again.
/// A deleted record may have the value of one that is there; its Id is its own for ever.
pub(super) fn distinct(
    step: &Step,
    source: Option<&SObjectDescribe>,
    columns: &[FieldPath],
    drafts: &[Draft],
    key: &TargetKey,
) -> bool {
    let (Source::Soql { .. } | Source::Object { .. }, Some(source)) = (&step.source, source) else {
        return false;
    };
    if step.each.is_some() || step.cursor.is_some() || step.deletes_of.is_some() {
        return false;
    }
    key.fields.iter().any(|part| {
        let MapValue::Expr(value) = &drafts[part.at].mapped.value else {
            return false;
        };
        let path = value.as_column().and_then(|column| columns.get(column));
        // A parent's field is the same for all its children.
        let field = path
            .filter(|path| path.segments().count() == 1)
            .and_then(|path| source.field(path.as_str()));
        field.is_some_and(|field| {
            let kept_unique = field.unique && (!field.case_sensitive || part.case_sensitive);
            field.name == "Id" || kept_unique && !step.include_deleted
        })
    })
}
