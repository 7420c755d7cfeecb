//! `policy.pii`: personal data that would reach the target unmasked.

use std::collections::{BTreeSet, HashMap};

use super::{Ctx, scope::Columns};
use crate::{
    diag::Finding,
    pipeline::model::{Copy, Each, FieldMap, Mask, Personal, Pii, Source},
    record::FieldPath,
    spec::Node,
};

/// Standard fields that hold personal data wherever they are filled.
const STANDARD: [(&str, &[&str]); 6] = [
    (
        "contact",
        &[
            "FirstName",
            "MiddleName",
            "LastName",
            "Name",
            "Email",
            "Phone",
            "MobilePhone",
            "HomePhone",
            "OtherPhone",
            "AssistantName",
            "AssistantPhone",
            "Fax",
            "Birthdate",
            "MailingStreet",
            "OtherStreet",
        ],
    ),
    (
        "lead",
        &[
            "FirstName",
            "MiddleName",
            "LastName",
            "Name",
            "Email",
            "Phone",
            "MobilePhone",
            "Fax",
            "Street",
        ],
    ),
    (
        "account",
        &[
            "FirstName",
            "MiddleName",
            "LastName",
            "PersonEmail",
            "PersonMobilePhone",
            "PersonHomePhone",
            "PersonOtherPhone",
            "PersonAssistantName",
            "PersonAssistantPhone",
            "PersonBirthdate",
            "PersonMailingStreet",
            "PersonOtherStreet",
        ],
    ),
    (
        "user",
        &[
            "FirstName",
            "MiddleName",
            "LastName",
            "Name",
            "Email",
            "Username",
            "Phone",
            "MobilePhone",
            "Fax",
            "Street",
        ],
    ),
    (
        "individual",
        &["FirstName", "MiddleName", "LastName", "Name", "BirthDate"],
    ),
    ("case", &["SuppliedEmail", "SuppliedName", "SuppliedPhone"]),
];

/// Fields that count as personal: the standard ones, and those that the files mark.
#[derive(Debug, Default)]
pub(super) struct Marks {
    fields: HashMap<String, BTreeSet<String>>,
}

impl Marks {
    /// Of project and pipeline together.
    pub(super) fn new(levels: &[Option<&Node>]) -> Self {
        let mut fields: HashMap<String, BTreeSet<String>> = HashMap::new();
        for (object, names) in STANDARD {
            fields.insert(object.to_owned(), names.iter().map(|n| (*n).to_owned()).collect());
        }
        let marked = levels.iter().flatten().filter_map(|level| level.get("pii"));
        for entry in marked.flat_map(Node::entries) {
            let names = entry
                .value
                .items()
                .iter()
                .filter_map(Node::text)
                .map(str::to_owned);
            fields
                .entry(entry.key.text.to_lowercase())
                .or_default()
                .extend(names);
        }
        Marks { fields }
    }

    /// All of them, by sobject.
    pub(super) fn all(&self) -> Vec<(String, Vec<String>)> {
        let mut all: Vec<(String, Vec<String>)> = self
            .fields
            .iter()
            .map(|(object, fields)| (object.clone(), fields.iter().cloned().collect()))
            .collect();
        all.sort();
        all
    }

    fn of(&self, object: &str) -> impl Iterator<Item = &str> {
        let marked = self.fields.get(&object.to_lowercase());
        marked.into_iter().flatten().map(String::as_str)
    }

    fn has(&self, object: &str, field: &str) -> bool {
        self.of(object).any(|marked| marked.eq_ignore_ascii_case(field))
    }
}

/// A step, as far as it is known.
pub(super) struct Looked<'s> {
    pub(super) source: Option<&'s Source>,
    /// The sobject that is written.
    pub(super) object: Option<&'s str>,
    pub(super) columns: &'s Columns,
    pub(super) each: Option<&'s Each>,
    pub(super) map: &'s [FieldMap],
    pub(super) copy: &'s Copy,
}

/// Complains about every line that carries personal data unmasked, and gives the places that it complained about.
pub(super) fn check(
    step: &Looked<'_>,
    node: &Node,
    marks: &Marks,
    pii: Pii,
    ctx: &mut Ctx<'_>,
) -> Vec<Personal> {
    let mut told = Vec::new();
    let finding = |span, message| match pii {
        Pii::Refuse => Finding::error("unmasked-pii", span, message),
        Pii::Report | Pii::Ignore => Finding::warning("unmasked-pii", span, message),
    };
    if pii == Pii::Ignore {
        return told;
    }
    let entries = node.get("map").map(Node::entries).unwrap_or_default();
    for line in step.map {
        let columns = line.value.carried(step.each);
        let target = line.field.as_str();
        let Some((what, path)) = step.personal(&columns, target, marks) else {
            continue;
        };
        told.push(Personal::Line(line.value_span.clone()));
        let typed = entries
            .iter()
            .find(|entry| entry.key.span == line.span)
            .and_then(|entry| entry.value.text())
            .filter(|text| !crate::pipeline::expr::is_template(text));
        ctx.report(
            finding(
                line.value_span.clone(),
                format!("`{what}` is personal, and would reach the target as it is"),
            )
            .label("not masked")
            .help(format!(
                "mask it: `{}`",
                masked(target, &what, typed.unwrap_or(&path))
            )),
        );
    }
    match step.copy {
        Copy::Nothing => {}
        Copy::Fields(fields) => {
            for copied in fields {
                let Some((what, path)) = step.personal(&[copied.column], &copied.field, marks) else {
                    continue;
                };
                told.push(Personal::Line(copied.span.clone()));
                ctx.report(
                    finding(
                        copied.span.clone(),
                        format!("`{what}` is personal, and would reach the target as it is"),
                    )
                    .label("not masked")
                    .help(format!(
                        "take it out of `copy` and add it to `map`: `{}`",
                        masked(&copied.field, &what, &path)
                    )),
                );
            }
        }
        Copy::All { except, span } => {
            let Some(object) = step.source.and_then(Source::object) else {
                return told;
            };
            let left_out = |field: &str| {
                except.iter().any(|(name, _)| name.eq_ignore_ascii_case(field))
                    || step
                        .map
                        .iter()
                        .any(|line| line.field.as_str().eq_ignore_ascii_case(field))
            };
            // A query copies what it selects, an object all that it has.
            let selected = |field: &str| match step.source {
                Some(Source::Soql { .. }) => step.columns.position(&FieldPath::new(field)).is_some(),
                _ => !field.eq_ignore_ascii_case("Name"),
            };
            let names: Vec<&str> = marks.of(object).filter(|f| !left_out(f) && selected(f)).collect();
            let Some(first) = names.first() else { return told };
            told.extend(names.iter().map(|name| Personal::Copied((*name).to_owned())));
            ctx.report(
                finding(
                    span.clone(),
                    format!(
                        "`copy: all` carries personal fields of `{object}`: {}",
                        crate::diag::all_of(names.clone())
                    ),
                )
                .label("not masked")
                .help(format!(
                    "write `except: [{}]`, and map those that are needed: `{}`",
                    names.join(", "),
                    masked(first, first, first)
                )),
            );
        }
    }
    told
}

impl Looked<'_> {
    /// The personal field among these columns, with the way to it. A source that is no object says nothing of its
    /// fields: there it counts what the target's field is.
    fn personal(&self, columns: &[usize], target: &str, marks: &Marks) -> Option<(String, String)> {
        let path = |column: &usize| {
            self.columns
                .columns
                .get(*column)
                .map(|c| c.path.as_str().to_owned())
        };
        let Some(object) = self.source.and_then(Source::object) else {
            let object = self.object.filter(|object| marks.has(object, target))?;
            let column = path(columns.first()?)?;
            return Some((format!("{object}.{target}"), column));
        };
        columns.iter().filter_map(path).find_map(|path| {
            let (object, field) = home(object, &path);
            marks
                .has(&object, &field)
                .then(|| (format!("{object}.{field}"), path))
        })
    }
}

/// The object that a path ends at, as far as its names tell, and the field.
fn home(object: &str, path: &str) -> (String, String) {
    let mut parts = path.rsplit('.');
    let field = parts.next().unwrap_or_default().to_owned();
    let object = match parts.next() {
        None => object,
        Some("Owner" | "CreatedBy" | "LastModifiedBy" | "Manager") => "User",
        Some("ReportsTo" | "Who" | "PersonContact") => "Contact",
        Some(parent) => parent,
    };
    (object.to_owned(), field)
}

/// The line that masks a field: `Email: { mask: email, of: Email }`. `what` is the field by whose name the mask is
/// chosen, `of` the expression as it stands there.
pub(crate) fn masked(target: &str, what: &str, of: &str) -> String {
    format!(
        "{target}: {{ mask: {}, of: {} }}",
        kind_for(what).as_str(),
        quoted(of)
    )
}

fn kind_for(field: &str) -> Mask {
    let field = field.rsplit('.').next().unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| field.contains(word));
    // `MailingStreet` is no e-mail address.
    if says(&["mail", "username"]) && !says(&["mailing"]) {
        Mask::Email
    } else if says(&["phone", "fax", "mobile"]) {
        Mask::Phone
    } else if says(&["name"]) {
        Mask::Name
    } else if says(&["date", "number", "ssn", "iban", "_id"]) {
        Mask::Digits
    } else {
        Mask::Text
    }
}

/// An expression as it may stand in braces.
fn quoted(expression: &str) -> String {
    let expression = expression.trim();
    let plain = expression
        .chars()
        .all(|c| c.is_alphanumeric() || "_. |()~".contains(c));
    match plain {
        true => expression.to_owned(),
        false => format!("'{}'", expression.replace('\'', "''")),
    }
}
