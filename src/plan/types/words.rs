//! Types in the words of Salesforce Setup.

use crate::{
    diag::one_of,
    pipeline::expr::{Type, TypeKind},
    salesforce::{Field, FieldType},
};

/// `text(255)`, `number(16, 2)`, `restricted picklist`, `lookup to Account`.
pub(in crate::plan) fn field_words(field: &Field) -> String {
    let sized = |word: &str| match field.length {
        0 => word.to_owned(),
        length => format!("{word}({length})"),
    };
    match field.kind {
        FieldType::String => sized("text"),
        FieldType::TextArea => sized("text area"),
        FieldType::Phone => sized("phone"),
        FieldType::Url => sized("URL"),
        FieldType::Email => sized("email"),
        FieldType::EncryptedString => sized("encrypted text"),
        FieldType::Combobox => sized("combo box"),
        FieldType::Picklist if field.restricted_picklist => "restricted picklist".into(),
        FieldType::Picklist => "picklist".into(),
        FieldType::MultiPicklist if field.restricted_picklist => "restricted multi-select picklist".into(),
        FieldType::MultiPicklist => "multi-select picklist".into(),
        FieldType::Int | FieldType::Long => match field.digits {
            0 => "whole number".into(),
            digits => format!("number({digits}, 0)"),
        },
        FieldType::Double | FieldType::Currency | FieldType::Percent => {
            let word = match field.kind {
                FieldType::Currency => "currency",
                FieldType::Percent => "percent",
                _ => "number",
            };
            match field.precision {
                0 => word.to_owned(),
                precision => format!(
                    "{word}({}, {})",
                    precision.saturating_sub(field.scale),
                    field.scale
                ),
            }
        }
        FieldType::Boolean => "checkbox".into(),
        FieldType::Date => "date".into(),
        FieldType::DateTime => "date/time".into(),
        FieldType::Time => "time".into(),
        FieldType::Id => "record Id".into(),
        FieldType::Reference => {
            let parents: Vec<&str> = field.reference_to.iter().map(|o| o.as_str()).collect();
            let kind = if field.is_master_detail() {
                "master-detail"
            } else {
                "lookup"
            };
            match parents.as_slice() {
                [] => kind.to_owned(),
                several if several.len() > 4 => format!("{kind} to {} kinds of objects", several.len()),
                several => format!("{kind} to {}", several.join(" or ")),
            }
        }
        other => other.as_str().to_owned(),
    }
}

/// The same of what an expression gives.
pub(in crate::plan) fn type_words(of: &Type) -> String {
    match of.kind {
        TypeKind::Any => "values of any type".into(),
        TypeKind::Null => "null".into(),
        TypeKind::Bool => "true or false".into(),
        TypeKind::Number => match (of.whole, of.scale) {
            (Some(whole), Some(scale)) => format!("number({whole}, {scale})"),
            _ => "a number".into(),
        },
        TypeKind::Text => match of.longest() {
            Some(length) => format!("text({length})"),
            None => "text".into(),
        },
        TypeKind::Multi => "several values of a picklist".into(),
        TypeKind::Date => "a date".into(),
        TypeKind::DateTime => "a date/time".into(),
        TypeKind::Time => "a time".into(),
        TypeKind::Id => match &of.ids {
            Some(ids) => format!("an Id of {}", objects(&ids.objects)),
            None => "an Id".into(),
        },
        TypeKind::List => "a list".into(),
        TypeKind::Compound => "several fields as one".into(),
    }
}

/// `Account or Contact`.
pub(in crate::plan) fn objects(names: &[String]) -> String {
    one_of(names.iter().map(String::as_str)).replace('`', "")
}

/// A text as YAML, in quotes where it needs them.
pub(in crate::plan) fn yaml(text: &str) -> String {
    const WORDS: [&str; 7] = ["true", "false", "null", "yes", "no", "on", "off"];
    let plain = text.starts_with(|c: char| c.is_alphabetic())
        && !text.ends_with(' ')
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '&' | ';' | '(' | ')'))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if plain {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_as_in_setup() {
        let field = |kind| Field {
            kind,
            length: 80,
            precision: 18,
            scale: 2,
            reference_to: vec!["Account".into(), "Lead".into()],
            ..Field::default()
        };
        for (kind, words) in [
            (FieldType::String, "text(80)"),
            (FieldType::Currency, "currency(16, 2)"),
            (FieldType::Picklist, "picklist"),
            (FieldType::Reference, "lookup to Account or Lead"),
            (FieldType::DateTime, "date/time"),
        ] {
            assert_eq!(field_words(&field(kind)), words);
        }
    }

    #[test]
    fn texts_are_quoted_where_yaml_wants_it() {
        for (text, expected) in [
            ("Agriculture", "Agriculture"),
            ("Oil & Gas", "Oil & Gas"),
            ("NO", "\"NO\""),
            ("007", "\"007\""),
            ("a: b", "\"a: b\""),
            ("say \"hi\"", "\"say \\\"hi\\\"\""),
            ("", "\"\""),
        ] {
            assert_eq!(yaml(text), expected);
        }
    }
}
