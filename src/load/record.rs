//! One row as the target gets it.

use std::borrow::Cow;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::{
    pipeline::model::{Nulls, Operation},
    plan::{KeyField, NullRule, TargetField, Write},
    record::{Id, ParkReason, Row, Value, any},
    transform::{Cell, LookupKey, MappedRow, RowEnd},
};

/// A row that is ready to be sent.
///
/// Its serde form is for rows that are put aside on disk until a check of the whole step has passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WriteRow {
    /// The source row's id.
    pub source_id: CompactString,
    /// The source row, for the file of parked rows and for the second pass.
    pub source: Row,
    /// The target record, where it is known before writing.
    pub record_id: Option<CompactString>,
    /// What is done.
    pub action: Action,
    /// One plain value a target field.
    pub cells: Vec<Plain>,
    /// Whether some of its references wait for the second pass.
    pub later: bool,
}

/// What is done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// The org decides by the key.
    Upsert,
    /// A record is created.
    Insert,
    /// The record of a known Id is written.
    Update,
    /// The record of a known Id is deleted.
    Delete,
    /// The record of a known Id is deleted past the recycle bin: by Bulk only.
    HardDelete,
}

impl Action {
    /// Its word in the journal.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Action::Upsert => "upsert",
            Action::Insert => "insert",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::HardDelete => "hard_delete",
        }
    }

    /// The action of a word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [
            Action::Upsert,
            Action::Insert,
            Action::Update,
            Action::Delete,
            Action::HardDelete,
        ]
        .into_iter()
        .find(|action| action.as_str() == word)
    }
}

/// A target field's value when all policies have been applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Plain {
    /// Not sent.
    Omit,
    /// Emptied.
    Clear,
    /// Written.
    Value(Value),
    /// The row ends so, if the field is sent at all; settled before rows are sent.
    Held(Box<RowEnd>),
}

/// Applies `policy.nulls` and what each field says of null, and finds key and action.
///
/// # Errors
/// Why the row cannot be sent: an empty key, a required field that is null.
pub fn prepare(
    source_id: CompactString,
    source: Row,
    cells: MappedRow,
    write: &Write,
    nulls: Nulls,
) -> Result<WriteRow, Box<(CompactString, Row, ParkReason)>> {
    let refused = refused_by_kind(write, &source, &cells);
    let (cells, later) = match plain(cells, write, nulls, refused) {
        Ok(plain) => plain,
        Err(reason) => return Err(Box::new((source_id, source, reason))),
    };
    let mut row = WriteRow {
        source_id,
        source,
        record_id: None,
        action: match write.operation {
            Operation::Upsert => Action::Upsert,
            Operation::Insert => Action::Insert,
            // What is only matched never comes to be sent.
            Operation::Update | Operation::Match => Action::Update,
            Operation::Delete => Action::Delete,
            Operation::HardDelete => Action::HardDelete,
        },
        cells,
        later,
    };
    match row.find_key(write) {
        Ok(()) => Ok(row),
        Err(reason) => Err(Box::new((row.source_id, row.source, reason))),
    }
}

/// Cells with all policies applied, and whether some wait for the second pass. Those at `refused` are left out.
fn plain(
    cells: MappedRow,
    write: &Write,
    nulls: Nulls,
    refused: &[usize],
) -> Result<(Vec<Plain>, bool), ParkReason> {
    let mut plain = Vec::with_capacity(cells.len());
    let mut later = false;
    for (at, (cell, field)) in cells.into_iter().zip(&write.fields).enumerate() {
        if refused.contains(&at) {
            plain.push(Plain::Omit);
            continue;
        }
        let is_key = || write.key.as_ref().is_some_and(|k| k.has(at));
        let null = |ordered: bool| match field.null {
            _ if is_key() => Ok(Plain::Clear),
            _ if !ordered && nulls == Nulls::Keep => Ok(Plain::Omit),
            NullRule::Clears => Ok(Plain::Clear),
            NullRule::LeftOut => Ok(Plain::Omit),
            // A field that is sent only then is required only then.
            NullRule::Parks if field.createable != field.updateable => {
                Ok(Plain::Held(Box::new(RowEnd::Parked(required(field)))))
            }
            NullRule::Parks => Err(required(field)),
        };
        plain.push(match cell {
            Cell::Value(value) => Plain::Value(value),
            Cell::Omit => Plain::Omit,
            Cell::Later => {
                later = true;
                Plain::Omit
            }
            Cell::Null => null(false)?,
            Cell::Clear => null(true)?,
            Cell::Held(end) => Plain::Held(end),
        });
    }
    Ok((plain, later))
}

/// A person account takes no `Name`, a business account no field of a person.
fn refused_by_kind<'w>(write: &'w Write, source: &Row, cells: &MappedRow) -> &'w [usize] {
    let Some(persons) = &write.persons else { return &[] };
    let told = persons
        .column
        .and_then(|column| source.get(column))
        .and_then(Value::as_text)
        .map(|text| text.eq_ignore_ascii_case("true"));
    let named = || {
        let cell = cells.get(persons.last_name?)?;
        Some(matches!(cell, Cell::Value(_)))
    };
    match told.or_else(named) {
        Some(true) => &persons.business,
        Some(false) => &persons.personal,
        // Nothing tells: the org will say.
        None => &[],
    }
}

impl WriteRow {
    /// Roughly the bytes that its values take on the wire.
    pub(super) fn size(&self) -> usize {
        let cell = |cell: &Plain| match cell {
            Plain::Value(value) => value.as_text().map_or(8, str::len) + 8,
            Plain::Clear | Plain::Omit | Plain::Held(_) => 4,
        };
        self.cells.iter().map(cell).sum::<usize>() + 32
    }

    /// Settles key and record; a key that finds nothing parks the row.
    fn find_key(&mut self, write: &Write) -> Result<(), ParkReason> {
        let Some(key) = &write.key else { return Ok(()) };
        if key.is_id {
            let id = key.fields.first().and_then(|field| self.part(field));
            let Some(id) = id.map(CompactString::from) else {
                if write.operation == Operation::Upsert {
                    self.action = Action::Insert;
                    return Ok(());
                }
                return Err(empty_key("the key `Id` is empty".to_owned(), "Id"));
            };
            own_id(&id, write)?;
            self.record_id = Some(id);
            if self.action == Action::Upsert {
                self.action = Action::Update;
            }
            return Ok(());
        }
        let mut all_empty = true;
        for field in &key.fields {
            match self.part(field) {
                Some(_) => all_empty = false,
                None if !field.nillable && key.fields.len() > 1 => {
                    let message = format!(
                        "`{}`, a part of the key, is empty, and records of {} always have one",
                        field.field, write.object
                    );
                    return Err(empty_key(message, &field.field));
                }
                None => {}
            }
        }
        if all_empty {
            let message = match key.fields.len() {
                1 => format!("the key `{}` is empty", key.names()),
                _ => format!("all parts of the key are empty: {}", key.names()),
            };
            return Err(empty_key(message, key.fields.first().map_or("", |f| &f.field)));
        }
        Ok(())
    }

    /// A part of the key, as text; `None` is null.
    fn part(&self, field: &KeyField) -> Option<&str> {
        match self.cells.get(field.at)? {
            Plain::Value(value) => value.as_text(),
            Plain::Omit | Plain::Clear | Plain::Held(_) => None,
        }
    }

    /// The parts of the key in its order, as the target is asked for them.
    pub fn key(&self, write: &Write) -> LookupKey {
        let fields = write.key.as_ref().map_or(&[][..], |key| &key.fields);
        fields
            .iter()
            .map(|field| self.part(field).map(CompactString::from))
            .collect()
    }

    /// The key for people: `K-1`, `01s..., EUR`.
    pub fn key_text(&self, write: &Write) -> String {
        let parts: Vec<String> = self
            .key(write)
            .into_iter()
            .map(|part| part.map_or_else(|| "null".to_owned(), String::from))
            .collect();
        parts.join(", ")
    }

    /// Once it is known what is done with the row: how it ends because of a field that is sent then. Fields that are
    /// not are left out.
    pub fn settle_held(&mut self, write: &Write) -> Option<RowEnd> {
        let (action, mut end) = (self.action, None);
        for (cell, field) in self.cells.iter_mut().zip(&write.fields) {
            if !matches!(cell, Plain::Held(_)) {
                continue;
            }
            if let Plain::Held(held) = std::mem::replace(cell, Plain::Omit)
                && sends(action, field)
            {
                end.get_or_insert(*held);
            }
        }
        end
    }

    /// The key as the target compares it; `None` where there is none.
    pub fn claim(&self, write: &Write) -> Option<CompactString> {
        let key = write.key.as_ref()?;
        let parts = key
            .fields
            .iter()
            .map(|field| (self.part(field), field.case_sensitive));
        let claim = joined(parts);
        (!key.is_id || !claim.is_empty()).then_some(claim)
    }

    /// Whether something travels with the row through a Bulk job that tells its result.
    pub(super) fn travels(&self, write: &Write) -> bool {
        match self.action {
            Action::Update | Action::Delete | Action::HardDelete => self.record_id.is_some(),
            Action::Insert | Action::Upsert => write.key.as_ref().is_some_and(|key| key.travels),
        }
    }

    /// What travels with the row through a Bulk job and comes back with its result, folded; `None` where nothing does.
    pub(super) fn traveller(&self, write: &Write) -> Option<CompactString> {
        match self.action {
            Action::Update | Action::Delete | Action::HardDelete => {
                self.record_id.as_deref().map(|id| joined([(Some(id), true)]))
            }
            Action::Insert | Action::Upsert => {
                write.key.as_ref().filter(|key| key.travels)?;
                self.claim(write)
            }
        }
    }

    /// Where the source org has the bytes of the file that the row brings, when it makes a new record.
    pub(super) fn body(&self, write: &Write) -> Option<&str> {
        match self.cells.get(write.body()?)? {
            Plain::Value(value) if self.action == Action::Insert => value.as_text(),
            _ => None,
        }
    }

    /// The group that the row belongs to: rows without a value belong to none.
    pub(super) fn group(&self, write: &Write) -> Option<&str> {
        match self.cells.get(write.group?)? {
            Plain::Value(value) => value.as_text(),
            Plain::Omit | Plain::Clear | Plain::Held(_) => None,
        }
    }

    /// Whether a field of the target is one that is sent with this row's action.
    pub fn sends(&self, write: &Write, at: usize) -> bool {
        let key = write.key.as_ref().filter(|key| key.has(at));
        // The org has the key of an upsert, whoever may write it.
        key.is_some_and(|key| !key.is_id) && self.action == Action::Upsert
            || write
                .fields
                .get(at)
                .is_some_and(|field| sends(self.action, field))
    }

    /// The fields that are sent, without the key of an upsert and without `Id`.
    fn sent<'r>(&'r self, write: &'r Write) -> impl Iterator<Item = (&'r TargetField, &'r Plain)> {
        let key = write.key.as_ref();
        write
            .fields
            .iter()
            .zip(&self.cells)
            .enumerate()
            .filter_map(move |(at, (field, cell))| {
                let skip = key.is_some_and(|k| k.has(at) && (k.is_id || self.action == Action::Upsert));
                (!skip && *cell != Plain::Omit && sends(self.action, field)).then_some((field, cell))
            })
    }

    /// Whether writing it would change nothing because nothing is sent.
    pub fn is_empty(&self, write: &Write) -> bool {
        self.action == Action::Update && self.sent(write).next().is_none()
    }

    /// The record of a collections call.
    pub fn to_json(&self, write: &Write) -> Map<String, Json> {
        let mut record = Map::with_capacity(self.cells.len() + 2);
        record.insert("attributes".into(), serde_json::json!({ "type": write.object }));
        match (self.action, &self.record_id, &write.key) {
            (Action::Update | Action::Delete | Action::HardDelete, Some(id), _) => {
                record.insert("id".into(), Json::String(id.to_string()));
            }
            (Action::Upsert, _, Some(key)) => {
                for field in &key.fields {
                    if let Some(Plain::Value(value)) = self.cells.get(field.at) {
                        record.insert(field.field.clone(), value.to_json());
                    }
                }
            }
            _ => {}
        }
        for (field, cell) in self.sent(write).filter(|(field, _)| !field.body) {
            match (cell, &field.parent) {
                (Plain::Value(value), Some(parent)) => {
                    let mut inner = Map::new();
                    if let Some(object) = &parent.polymorphic {
                        inner.insert("attributes".into(), serde_json::json!({ "type": object }));
                    }
                    inner.insert(parent.field.clone(), value.to_json());
                    record.insert(parent.relationship.clone(), Json::Object(inner));
                }
                (Plain::Value(value), None) => {
                    record.insert(field.name.clone(), value.to_json());
                }
                // A parent is let go through the lookup itself.
                (Plain::Clear, _) => {
                    record.insert(field.name.clone(), Json::Null);
                }
                (Plain::Omit | Plain::Held(_), _) => {}
            }
        }
        record
    }

    /// Which kind of Bulk file can carry the row without changing it.
    pub(super) fn breaks(&self) -> Breaks {
        let mut breaks = Breaks::None;
        if matches!(self.action, Action::Delete | Action::HardDelete) {
            return breaks;
        }
        for cell in &self.cells {
            let Plain::Value(Value::Text(text)) = cell else {
                continue;
            };
            if text == "#N/A" {
                return Breaks::Unsafe;
            }
            let found = if !has_breaks(text) {
                continue;
            } else {
                let bare = text.replace("\r\n", "");
                match (
                    text.contains("\r\n"),
                    bare.contains(['\r', '\n']),
                    bare.contains('\r'),
                ) {
                    (true, false, _) => Breaks::Crlf,
                    (false, true, false) => Breaks::Lf,
                    _ => return Breaks::Unsafe,
                }
            };
            breaks = match (breaks, found) {
                (Breaks::None, found) => found,
                (a, b) if a == b => a,
                _ => return Breaks::Unsafe,
            };
        }
        breaks
    }
}

fn sends(action: Action, field: &TargetField) -> bool {
    match action {
        Action::Upsert => field.createable || field.updateable,
        Action::Insert => field.createable,
        Action::Update => field.updateable,
        Action::Delete | Action::HardDelete => false,
    }
}

/// The line breaks inside a row's texts. A Bulk file has one style of line break, and breaks of another style inside
/// a cell fail the whole job; `#N/A` as a text would empty the field. Such rows travel through collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Breaks {
    /// None at all: any file will do.
    None,
    /// Line feeds.
    Lf,
    /// Carriage return and line feed.
    Crlf,
    /// Several styles, or a text that Bulk reads as a command.
    Unsafe,
}

/// The columns of a Bulk 2.0 file for an action.
pub(super) fn header(write: &Write, action: Action) -> Vec<String> {
    let mut header = Vec::with_capacity(write.fields.len() + 1);
    if by_id(action) {
        header.push("Id".to_owned());
    }
    for (at, field) in write.fields.iter().enumerate() {
        if !in_header(write, action, at, field) {
            continue;
        }
        header.push(match &field.parent {
            None => field.name.clone(),
            Some(parent) => match &parent.polymorphic {
                None => format!("{}.{}", parent.relationship, parent.field),
                Some(object) => format!("{object}:{}.{}", parent.relationship, parent.field),
            },
        });
    }
    header
}

/// Whether records are known by their Ids.
pub(super) fn by_id(action: Action) -> bool {
    matches!(action, Action::Update | Action::Delete | Action::HardDelete)
}

pub(super) fn in_header(write: &Write, action: Action, at: usize, field: &TargetField) -> bool {
    let key = write.key.as_ref().filter(|k| k.has(at));
    match (key, action) {
        (Some(key), _) if key.is_id => false,
        // The key travels with every row, so that results find their way back.
        (Some(_), Action::Upsert | Action::Insert) => true,
        (_, Action::Upsert) => field.createable || field.updateable,
        (_, Action::Insert) => field.createable,
        (_, Action::Update) => field.updateable,
        (_, Action::Delete | Action::HardDelete) => false,
    }
}

/// Stands between the parts of a key; no text of an org holds it.
const BETWEEN: char = '\u{1f}';

/// The parts of a key as one text, each as the org compares it; null is nothing.
pub(super) fn joined<'k>(parts: impl IntoIterator<Item = (Option<&'k str>, bool)>) -> CompactString {
    let mut key = CompactString::default();
    for (nth, (part, exact)) in parts.into_iter().enumerate() {
        if nth > 0 {
            key.push(BETWEEN);
        }
        if let Some(part) = part {
            key.push_str(&fold(part, exact));
        }
    }
    key
}

fn has_breaks(text: &str) -> bool {
    // Hardly any text has a control character at all.
    any(text.as_bytes(), |eight| eight.below(b' ')) && text.contains(['\r', '\n'])
}

/// An Id of another object would touch a record that nobody meant: an org's calls by Id do not ask for the object.
fn own_id(id: &str, write: &Write) -> Result<(), ParkReason> {
    let reason = |code: &str, message: String, help: &str| ParkReason {
        code: code.into(),
        message,
        field: Some("Id".into()),
        help: help.to_owned(),
    };
    match (id.parse::<Id>(), &write.prefix) {
        (Err(error), _) => Err(reason(
            "type",
            error.to_string(),
            "let the key be filled by a `ref`, or by the Id of a record of the target",
        )),
        (Ok(id), Some(prefix)) if id.prefix() != prefix.as_str() => Err(reason(
            "wrong_object",
            format!("`{id}` is the Id of another object, not of {}", write.object),
            "look at what fills the key: it has to be the Id of a record of the step's object",
        )),
        _ => Ok(()),
    }
}

fn empty_key(message: String, field: &str) -> ParkReason {
    ParkReason {
        code: "empty_key".into(),
        message,
        field: Some(field.into()),
        help: "give the row a key in the source, or map the key from a field that is never empty".into(),
    }
}

/// A key as the org compares it.
pub(crate) fn fold(key: &str, case_sensitive: bool) -> Cow<'_, str> {
    let key = key.trim();
    // Digits and small letters are a key of their own already.
    let as_it_is = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if case_sensitive || key.bytes().all(as_it_is) {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(key.to_lowercase())
    }
}

fn required(field: &TargetField) -> ParkReason {
    ParkReason {
        code: "required".into(),
        message: format!(
            "the target requires `{}`, and the row has no value for it",
            field.name
        ),
        field: Some(field.name.as_str().into()),
        help: "fill it in the source, or give it a default in the mapping: `FIELD | default('...')`".into(),
    }
}

#[cfg(test)]
mod tests;
