use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    sync::Arc,
};

use compact_str::CompactString;
use foldhash::quality::RandomState;

use super::Masker;
use crate::{
    pipeline::model::{Lookup, StepRef},
    record::{FieldPath, Links, RefAnswer, Value, id18},
};

/// What a mapping asks of the world outside its row.
pub trait Answers {
    /// What became of the source row `id` in a step. `None`: not known yet, and the question has been noted.
    fn reference(&self, step: StepRef, id: &str) -> Option<RefAnswer>;

    /// A field of the record `id` that a step wrote; `Some(None)`: the record is not there any more. `None`: not known
    /// yet, and the question has been noted.
    fn given(&self, step: StepRef, field: &FieldPath, id: &str) -> Option<Option<Value>>;

    /// The target's record for a key. `None`: not known yet, and the question has been noted.
    fn lookup(&self, lookup: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer>;

    /// What masks values; `None`: the project has no key.
    fn masker(&self) -> Option<&Masker>;

    /// The target's record type of this developer name.
    fn record_type(&self, developer_name: &str) -> Option<CompactString>;
}

/// The values of a lookup's `by` fields as texts, in their order; `None` is null.
pub type LookupKey = Vec<Option<CompactString>>;

/// What a lookup found.
#[derive(Clone, Debug, PartialEq)]
pub enum LookupAnswer {
    /// One record: its Id, or what `give` asks for.
    Found(Value),
    /// No record.
    None,
    /// Several records; which one is meant is not ours to guess.
    Several(usize),
}

/// A question that has to be answered before a row can be mapped.
#[derive(Clone, Debug)]
pub enum Demand {
    /// What became of a source row.
    Ref {
        /// The step.
        step: StepRef,
        /// The source row's id, 18 characters where it is a Salesforce Id.
        id: CompactString,
    },
    /// A field of a record that a step wrote.
    Give {
        /// The step.
        step: StepRef,
        /// The field.
        field: FieldPath,
        /// The record's Id.
        id: CompactString,
    },
    /// A record of the target.
    Lookup {
        /// What is searched.
        lookup: Arc<Lookup>,
        /// By which values.
        key: LookupKey,
    },
}

/// Answers gathered so far, and the questions that were asked in vain.
#[derive(Default)]
pub struct Known {
    refs: HashMap<(StepRef, CompactString), RefAnswer, RandomState>,
    /// Links of whole steps.
    links: Vec<(StepRef, Arc<Links>)>,
    gives: HashMap<GiveKey, Option<Value>, RandomState>,
    lookups: HashMap<(usize, LookupKey), LookupAnswer, RandomState>,
    record_types: Arc<HashMap<String, CompactString>>,
    masker: Option<Arc<Masker>>,
    asked: RefCell<Asked>,
    missed: Cell<u64>,
}

/// Which field of which record of which step; the field in lower case.
type GiveKey = (StepRef, CompactString, CompactString);

fn give_key(step: StepRef, field: &FieldPath, id: &str) -> GiveKey {
    (step, field.as_str().to_ascii_lowercase().into(), id18(id))
}

#[derive(Default)]
struct Asked {
    refs: HashSet<(StepRef, CompactString), RandomState>,
    gives: HashMap<GiveKey, FieldPath>,
    lookups: HashMap<(usize, LookupKey), Arc<Lookup>>,
}

impl Known {
    /// Knows the target's record types (by developer name, lower case) and nothing else.
    pub fn new(record_types: Arc<HashMap<String, CompactString>>) -> Self {
        Known {
            record_types,
            ..Known::default()
        }
    }

    /// Masks with this.
    pub fn masking(self, masker: Option<Arc<Masker>>) -> Self {
        Known { masker, ..self }
    }

    /// Learns what became of a source row.
    pub fn learn_ref(&mut self, step: StepRef, id: &str, answer: RefAnswer) {
        self.refs.insert((step, id18(id)), answer);
    }

    /// Learns what became of many rows of a step at once. What is not among them is asked for.
    pub fn learn_links(&mut self, step: StepRef, links: Arc<Links>) {
        self.links.retain(|(of, _)| *of != step);
        self.links.push((step, links));
    }

    fn links_of(&self, step: StepRef) -> Option<&Links> {
        let mut links = self.links.iter();
        links.find(|(of, _)| *of == step).map(|(_, links)| links.as_ref())
    }

    /// Learns a field of a record; `None`: there is no such record.
    pub fn learn_give(&mut self, step: StepRef, field: &FieldPath, id: &str, value: Option<Value>) {
        self.gives.insert(give_key(step, field, id), value);
    }

    /// Learns what a lookup found.
    pub fn learn_lookup(&mut self, lookup: &Arc<Lookup>, key: LookupKey, answer: LookupAnswer) {
        self.lookups.insert((identity(lookup), key), answer);
    }

    /// How many questions were asked in vain so far, those that were asked again counted again.
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }

    fn miss(&self, note: impl FnOnce(&mut Asked)) {
        self.missed.set(self.missed.get() + 1);
        note(&mut self.asked.borrow_mut());
    }

    /// Takes the questions that were asked in vain.
    pub fn take_demands(&mut self) -> Vec<Demand> {
        let asked = std::mem::take(&mut *self.asked.borrow_mut());
        let refs = asked.refs.into_iter().map(|(step, id)| Demand::Ref { step, id });
        let lookups = asked
            .lookups
            .into_iter()
            .map(|((_, key), lookup)| Demand::Lookup { lookup, key });
        let gives = asked
            .gives
            .into_iter()
            .map(|((step, _, id), field)| Demand::Give { step, field, id });
        refs.chain(gives).chain(lookups).collect()
    }

    /// Forgets the refs of the batch before: the state has them, and memory must not grow with rows.
    pub fn next_batch(&mut self, most_lookups: usize) {
        self.refs.clear();
        self.gives.clear();
        *self.asked.borrow_mut() = Asked::default();
        if self.lookups.len() > most_lookups {
            self.lookups.clear();
        }
    }
}

/// Equal lookups of one step are one lookup: told apart by where they live.
fn identity(lookup: &Arc<Lookup>) -> usize {
    Arc::as_ptr(lookup) as usize
}

impl Answers for Known {
    fn reference(&self, step: StepRef, id: &str) -> Option<RefAnswer> {
        if let Some(record) = self.links_of(step).and_then(|links| links.get(id)) {
            return Some(RefAnswer::Linked(record.as_str().into()));
        }
        let key = (step, id18(id));
        let answer = self.refs.get(&key).cloned();
        if answer.is_none() {
            self.miss(|asked| {
                asked.refs.insert(key);
            });
        }
        answer
    }

    fn given(&self, step: StepRef, field: &FieldPath, id: &str) -> Option<Option<Value>> {
        let key = give_key(step, field, id);
        let answer = self.gives.get(&key).cloned();
        if answer.is_none() {
            self.miss(|asked| {
                asked.gives.insert(key, field.clone());
            });
        }
        answer
    }

    fn lookup(&self, lookup: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer> {
        let full = (identity(lookup), key.clone());
        let answer = self.lookups.get(&full).cloned();
        if answer.is_none() {
            self.miss(|asked| {
                asked.lookups.insert(full, Arc::clone(lookup));
            });
        }
        answer
    }

    fn masker(&self) -> Option<&Masker> {
        self.masker.as_deref()
    }

    fn record_type(&self, developer_name: &str) -> Option<CompactString> {
        self.record_types
            .get(&developer_name.to_ascii_lowercase())
            .cloned()
    }
}
