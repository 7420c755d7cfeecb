//! The answers that a test gives; what it does not give is not there.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use compact_str::CompactString;

use super::super::{
    Masker,
    answers::{Answers, LookupAnswer, LookupKey},
};
use crate::{
    pipeline::model::{Fake, Lookup, MappingTest, StepRef},
    record::{FieldPath, RefAnswer, Value, same_id},
};

/// The key that tests mask under, so that what they expect is the same for everybody.
pub const TEST_KEY: &[u8] = b"orgferry test";

/// The object under which tests name record types.
pub(super) const RECORD_TYPE: &str = "RecordType";

/// What a mapping asked in vain.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// What a source row became.
    Ref {
        /// In this step.
        step: StepRef,
        /// The source row's id.
        id: String,
        /// This field of the record, where the record is there and the field is not told.
        give: Option<FieldPath>,
    },
    /// A record of the target.
    Lookup {
        /// The sobject.
        object: String,
        /// The values of `by`, as `lookups` writes them.
        key: String,
        /// This field of the record, where the record is there and the field is not told.
        give: Option<FieldPath>,
    },
}

/// The answers of one test.
pub(super) struct Fakes<'t> {
    test: &'t MappingTest,
    unanswered: RefCell<Vec<Question>>,
}

impl<'t> Fakes<'t> {
    pub(super) fn new(test: &'t MappingTest) -> Self {
        Fakes {
            test,
            unanswered: RefCell::default(),
        }
    }

    /// What was asked in vain, each once.
    pub(super) fn unanswered(self) -> Vec<Question> {
        self.unanswered.into_inner()
    }

    fn note(&self, question: Question) {
        let mut all = self.unanswered.borrow_mut();
        if !all.contains(&question) {
            all.push(question);
        }
    }

    /// What the test says of a key: as it stands, else without case, as most fields of an org compare.
    fn found(&self, object: &str, key: &str) -> Option<&'t Fake> {
        let of_object = || {
            self.test
                .lookups
                .iter()
                .filter(|(named, _, _)| named.eq_ignore_ascii_case(object))
        };
        of_object()
            .find(|(_, given, _)| given == key)
            .or_else(|| of_object().find(|(_, given, _)| given.to_lowercase() == key.to_lowercase()))
            .map(|(_, _, fake)| fake)
    }
}

/// A field of a record that a test describes; `None`: it does not say.
fn field_of(record: &[(FieldPath, Value)], field: &FieldPath) -> Option<Value> {
    record
        .iter()
        .find(|(name, _)| name == field)
        .map(|(_, value)| value.clone())
}

fn id() -> FieldPath {
    FieldPath::from("Id")
}

/// The key of a lookup, as `lookups` writes it.
pub(super) fn key_text(key: &LookupKey) -> String {
    key.iter()
        .map(|part| part.as_deref().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(", ")
}

impl Answers for Fakes<'_> {
    fn reference(&self, step: StepRef, source: &str) -> Option<RefAnswer> {
        let found = self
            .test
            .refs
            .iter()
            .find(|(s, id, _)| *s == step && same_id(id, source));
        Some(match found.map(|(_, _, fake)| fake) {
            Some(Fake::One(target)) => RefAnswer::Linked(target.as_text().unwrap_or_default().into()),
            Some(Fake::Record(fields)) => match field_of(fields, &id()) {
                Some(target) => RefAnswer::Linked(target.as_text().unwrap_or_default().into()),
                // Only `give` asks for it, which finds it by the row that it is for.
                None => RefAnswer::Linked(source.into()),
            },
            Some(Fake::Nothing | Fake::Several(_)) => RefAnswer::Unknown,
            None if matches!(step, StepRef::Own(own) if self.test.files.contains(&own)) => {
                RefAnswer::Linked(source.into())
            }
            None => {
                self.note(Question::Ref {
                    step,
                    id: source.to_owned(),
                    give: None,
                });
                RefAnswer::Unknown
            }
        })
    }

    /// One value answers for a ref whatever it gives, be it an Id or another field.
    fn given(&self, step: StepRef, field: &FieldPath, target: &str) -> Option<Option<Value>> {
        let found = self.test.refs.iter().find(|(s, source, fake)| {
            *s == step
                && match fake {
                    Fake::One(value) => value.as_text() == Some(target),
                    Fake::Record(fields) => match field_of(fields, &id()) {
                        Some(id) => id.as_text() == Some(target),
                        None => same_id(source, target),
                    },
                    Fake::Nothing | Fake::Several(_) => false,
                }
        });
        Some(match found {
            Some((_, _, Fake::One(value))) => Some(value.clone()),
            Some((_, source, Fake::Record(fields))) => {
                let value = field_of(fields, field);
                if value.is_none() {
                    self.note(Question::Ref {
                        step,
                        id: source.clone(),
                        give: Some(field.clone()),
                    });
                }
                value
            }
            _ => Some(Value::text(target)),
        })
    }

    fn masker(&self) -> Option<&Masker> {
        static MASKER: OnceLock<Masker> = OnceLock::new();
        Some(MASKER.get_or_init(|| Masker::new(TEST_KEY)))
    }

    fn lookup(&self, lookup: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer> {
        let key = key_text(key);
        let ask = |give: Option<FieldPath>| {
            self.note(Question::Lookup {
                object: lookup.object.clone(),
                key: key.clone(),
                give,
            });
            LookupAnswer::None
        };
        let wanted = lookup.give.as_ref().map_or_else(id, |(give, _)| give.clone());
        Some(match self.found(&lookup.object, &key) {
            None => ask(None),
            Some(Fake::One(target)) => LookupAnswer::Found(target.clone()),
            Some(Fake::Record(fields)) => match field_of(fields, &wanted) {
                Some(value) => LookupAnswer::Found(value),
                None => ask(Some(wanted)),
            },
            Some(Fake::Several(count)) => LookupAnswer::Several(*count),
            Some(Fake::Nothing) => LookupAnswer::None,
        })
    }

    /// Record types are named by the test's `lookups`, under `RecordType`; without any the name stands for itself.
    fn record_type(&self, developer_name: &str) -> Option<CompactString> {
        match self.found(RECORD_TYPE, developer_name) {
            Some(Fake::One(id)) => Some(id.as_text().unwrap_or_default().into()),
            Some(Fake::Record(fields)) => Some(field_of(fields, &id())?.as_text()?.into()),
            Some(Fake::Nothing | Fake::Several(_)) => None,
            None => {
                let told = |(object, _, _): &(String, String, Fake)| object.eq_ignore_ascii_case(RECORD_TYPE);
                if !self.test.lookups.iter().any(told) {
                    return Some(developer_name.into());
                }
                self.note(Question::Lookup {
                    object: RECORD_TYPE.to_owned(),
                    key: developer_name.to_owned(),
                    give: None,
                });
                None
            }
        }
    }
}
