use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::Lock;
use crate::{
    file::Survey,
    record::FieldPath,
    salesforce::{Field, FieldType, SObjectDescribe},
};

/// The describes of both orgs that a pipeline touches, and what is known of the files that it reads.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    by: HashMap<(String, String), Option<Arc<SObjectDescribe>>>,
    names: HashMap<String, Vec<String>>,
    /// The connections whose describes are those of a lock: what is not there is not known.
    locked: BTreeSet<String>,
    /// Where nothing is sent: the vars that have no value yet. `None` in a run, whose vars are settled.
    open_vars: Option<BTreeSet<String>>,
    files: BTreeMap<usize, Survey>,
    /// Why orgs do not tell how their fields are classified, by connection.
    unclassified: BTreeMap<String, String>,
}

/// Where a field path leads.
#[derive(Clone, Debug)]
pub(super) enum Resolved<'s> {
    /// To this field.
    Field(&'s Field),
    /// Through a lookup that may lead to several sobjects: the field depends on the row.
    Polymorphic,
    /// The describe of this sobject is needed first.
    Needs(String),
    /// The sobject has no such field.
    NoField {
        object: String,
        name: String,
        suggestion: Option<String>,
    },
    /// The sobject has no such relationship.
    NoRelationship {
        object: String,
        name: String,
        suggestion: Option<String>,
    },
}

impl Schemas {
    /// Stores a describe; `None` says that the org has no such sobject, or hides it.
    pub fn insert(&mut self, connection: &str, object: &str, describe: Option<Arc<SObjectDescribe>>) {
        self.by
            .insert((connection.to_owned(), object.to_ascii_lowercase()), describe);
    }

    /// Stores what is known of the files that steps (by their index in the pipeline) read.
    pub fn set_files(&mut self, files: BTreeMap<usize, Survey>) {
        self.files = files;
    }

    /// What is known of the file that a step reads.
    pub fn file(&self, step: usize) -> Option<&Survey> {
        self.files.get(&step)
    }

    /// Stores the names of an org's sobjects, for suggestions.
    pub fn set_names(&mut self, connection: &str, names: Vec<String>) {
        self.names.insert(connection.to_owned(), names);
    }

    /// The describes of a lock, for what `connection` names.
    pub fn add_lock(&mut self, connection: &str, lock: &Lock) {
        for (name, describe) in &lock.objects {
            self.insert(connection, name, Some(Arc::clone(describe)));
        }
        self.set_names(connection, lock.objects.keys().cloned().collect());
        self.locked.insert(connection.to_owned());
    }

    /// Whether what is known of an org comes from a lock.
    pub fn is_locked(&self, connection: &str) -> bool {
        self.locked.contains(connection)
    }

    /// The same describes, for checks before any run: vars stand at their defaults, and these have none.
    pub(super) fn without_vars(&self, vars: BTreeSet<String>) -> Schemas {
        Schemas {
            open_vars: Some(vars),
            ..self.clone()
        }
    }

    /// Whether a var has no value yet.
    pub(super) fn stands_for_any(&self, var: &str) -> bool {
        self.open_vars.as_ref().is_some_and(|open| open.contains(var))
    }

    /// Why an org does not tell how its fields are classified, if it was asked and does not.
    pub(super) fn unclassified(&self, connection: &str) -> Option<&str> {
        self.unclassified.get(connection).map(String::as_str)
    }

    /// Notes that an org does not tell how its fields are classified.
    pub(super) fn set_unclassified(&mut self, connection: &str, why: String) {
        self.unclassified.insert(connection.to_owned(), why);
    }

    /// The sobjects behind the relationships of a path, as far as they are known.
    pub(super) fn objects_on(&self, connection: &str, object: &str, path: &FieldPath) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let segments: Vec<&str> = path.segments().collect();
        for parent in &segments[..segments.len().saturating_sub(1)] {
            let at = found.last().map_or(object, String::as_str);
            let field = self.get(connection, at).and_then(|d| d.by_relationship(parent));
            match field.map(|field| field.reference_to.as_slice()) {
                Some([one]) => found.push(one.to_string()),
                _ => break,
            }
        }
        found
    }

    /// Whether vars have the values of a run.
    pub(super) fn settled(&self) -> bool {
        self.open_vars.is_none()
    }

    /// All objects of an org that it has.
    pub fn objects<'s>(&'s self, connection: &'s str) -> impl Iterator<Item = &'s Arc<SObjectDescribe>> {
        self.by
            .iter()
            .filter(move |((c, _), _)| c == connection)
            .filter_map(|(_, describe)| describe.as_ref())
    }

    /// Whether it has been asked for.
    pub(super) fn knows(&self, connection: &str, object: &str) -> bool {
        self.by
            .contains_key(&(connection.to_owned(), object.to_ascii_lowercase()))
    }

    /// Whether an org has been asked for its sobjects' names.
    pub(super) fn has_names(&self, connection: &str) -> bool {
        self.names.contains_key(connection)
    }

    /// The describe of an sobject, where the org has it.
    pub fn get(&self, connection: &str, object: &str) -> Option<&SObjectDescribe> {
        self.by
            .get(&(connection.to_owned(), object.to_ascii_lowercase()))?
            .as_deref()
    }

    /// Sobjects that were asked for and are not there.
    pub(super) fn absent(&self, connection: &str) -> bool {
        self.by.iter().any(|((c, _), d)| c == connection && d.is_none())
    }

    /// The sobject that a misspelt name meant.
    pub(super) fn suggest_object(&self, connection: &str, object: &str) -> Option<String> {
        let names = self.names.get(connection)?;
        crate::diag::did_you_mean(object, names.iter().map(String::as_str)).map(str::to_owned)
    }

    /// The type of the field that a path leads to, and whether its texts are compared with case.
    pub fn field_type(&self, connection: &str, object: &str, path: &FieldPath) -> (FieldType, bool) {
        match self.resolve(connection, object, path) {
            Resolved::Field(field) => (field.kind, field.case_sensitive),
            _ => (FieldType::String, false),
        }
    }

    /// The sobject whose field a path leads to, and the field's type; `None` where that depends on the row or is not
    /// known.
    pub fn home(&self, connection: &str, object: &str, path: &FieldPath) -> Option<(String, FieldType)> {
        let Resolved::Field(field) = self.resolve(connection, object, path) else {
            return None;
        };
        let mut home = object.to_owned();
        let segments: Vec<&str> = path.segments().collect();
        for parent in &segments[..segments.len().saturating_sub(1)] {
            let way = self
                .get(connection, &home)
                .and_then(|d| d.by_relationship(parent));
            // A path may begin with the sobject's own name.
            if let Some(parent) = way.and_then(|way| way.reference_to.first()) {
                home = parent.to_string();
            }
        }
        Some((home, field.kind))
    }

    /// Follows a path from an sobject: parents by their relationship names, then a field.
    pub(super) fn resolve<'s>(&'s self, connection: &str, object: &str, path: &FieldPath) -> Resolved<'s> {
        let mut at = object.to_owned();
        let segments: Vec<&str> = path.segments().collect();
        let Some((last, parents)) = segments.split_last() else {
            return Resolved::NoField {
                object: at,
                name: String::new(),
                suggestion: None,
            };
        };
        for (depth, parent) in parents.iter().enumerate() {
            // A path may begin with the sobject's own name.
            if depth == 0 && parent.eq_ignore_ascii_case(object) {
                let own = self.get(connection, &at).and_then(|d| d.by_relationship(parent));
                if own.is_none() {
                    continue;
                }
            }
            let Some(describe) = self.get(connection, &at) else {
                return Resolved::Needs(at);
            };
            match describe.by_relationship(parent) {
                Some(field) => match field.reference_to.as_slice() {
                    [one] => at = one.to_string(),
                    _ => return Resolved::Polymorphic,
                },
                None => {
                    let known = describe
                        .fields
                        .iter()
                        .filter_map(|f| f.relationship_name.as_deref());
                    let suggestion = crate::diag::did_you_mean(parent, known).map(str::to_owned);
                    return Resolved::NoRelationship {
                        object: at,
                        name: (*parent).to_owned(),
                        suggestion,
                    };
                }
            }
        }
        let Some(describe) = self.get(connection, &at) else {
            return Resolved::Needs(at);
        };
        match describe.field(last) {
            Some(field) => Resolved::Field(field),
            None => {
                let known = describe.fields.iter().map(|f| f.name.as_str());
                let suggestion = crate::diag::did_you_mean(last, known).map(str::to_owned);
                Resolved::NoField {
                    object: describe.name.to_string(),
                    name: (*last).to_owned(),
                    suggestion,
                }
            }
        }
    }
}
