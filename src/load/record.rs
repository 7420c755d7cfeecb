//! One row as the target gets it.

use std::borrow::Cow;

use compact_str::CompactString;
use serde_json::{Map, Value as Json};

use crate::{
    pipeline::model::{Nulls, Operation},
    plan::{NullRule, TargetField, Write},
    record::{ParkReason, Row, Value},
    transform::{Cell, MappedRow},
};

/// A row that is ready to be sent.
#[derive(Clone, Debug)]
pub struct WriteRow {
    /// The source row's id.
    pub source_id: CompactString,
    /// The source row, for the file of parked rows and for the second pass.
    pub source: Row,
    /// The key as text, where the target has a key that is not `Id`.
    pub key: Option<CompactString>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The org decides by the key.
    Upsert,
    /// A record is created.
    Insert,
    /// The record of a known Id is written.
    Update,
}

/// A target field's value when all policies have been applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// Not sent.
    Omit,
    /// Emptied.
    Clear,
    /// Written.
    Value(Value),
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
    let mut plain = Vec::with_capacity(cells.len());
    let mut later = false;
    for (at, (cell, field)) in cells.into_iter().zip(&write.fields).enumerate() {
        let is_key = write.key.as_ref().is_some_and(|k| k.at == at);
        let null = |ordered: bool| match field.null {
            _ if is_key => Ok(Plain::Clear),
            _ if !ordered && nulls == Nulls::Keep => Ok(Plain::Omit),
            NullRule::Clears => Ok(Plain::Clear),
            NullRule::LeftOut => Ok(Plain::Omit),
            NullRule::Parks => Err(required(field)),
        };
        let cell = match cell {
            Cell::Omit => Ok(Plain::Omit),
            Cell::Later => {
                later = true;
                Ok(Plain::Omit)
            }
            Cell::Null => null(false),
            Cell::Clear => null(true),
            Cell::Value(value) => Ok(Plain::Value(value)),
        };
        match cell {
            Ok(cell) => plain.push(cell),
            Err(reason) => return Err(Box::new((source_id, source, reason))),
        }
    }
    let mut row = WriteRow {
        source_id,
        source,
        key: None,
        record_id: None,
        action: match write.operation {
            Operation::Upsert => Action::Upsert,
            Operation::Insert => Action::Insert,
            Operation::Update => Action::Update,
        },
        cells: plain,
        later,
    };
    let Some(key) = &write.key else { return Ok(row) };
    let text = match &row.cells[key.at] {
        Plain::Value(value) => value.as_text().map(CompactString::from),
        Plain::Omit | Plain::Clear => None,
    };
    match (text, key.is_id) {
        (Some(id), true) => {
            row.record_id = Some(id);
            row.action = Action::Update;
        }
        (None, true) if write.operation == Operation::Upsert => row.action = Action::Insert,
        (Some(text), false) => row.key = Some(text),
        (None, _) => {
            let reason = ParkReason {
                code: "empty_key".into(),
                message: format!("the key `{}` is empty", key.field),
                field: Some(key.field.as_str().into()),
                help: "give the row a key in the source, or map the key from a field that is never empty"
                    .into(),
            };
            return Err(Box::new((row.source_id, row.source, reason)));
        }
    }
    Ok(row)
}

impl WriteRow {
    /// Roughly the bytes that its values take on the wire.
    pub(super) fn size(&self) -> usize {
        let cell = |cell: &Plain| match cell {
            Plain::Value(value) => value.as_text().map_or(8, str::len) + 8,
            Plain::Clear | Plain::Omit => 4,
        };
        self.cells.iter().map(cell).sum::<usize>() + 32
    }

    /// The key as the target compares it.
    pub fn claim(&self, write: &Write) -> Option<CompactString> {
        let key = write.key.as_ref()?;
        let text = self.key.as_ref().or(self.record_id.as_ref())?;
        Some(fold(text, key.case_sensitive || key.is_id).into_owned().into())
    }

    /// Whether the field is sent with this row's action.
    fn sends(&self, field: &TargetField) -> bool {
        match self.action {
            Action::Upsert => field.createable || field.updateable,
            Action::Insert => field.createable,
            Action::Update => field.updateable,
        }
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
                let is_key = key.is_some_and(|k| k.at == at);
                let skip = is_key && (key.is_some_and(|k| k.is_id) || self.action == Action::Upsert);
                (!skip && *cell != Plain::Omit && self.sends(field)).then_some((field, cell))
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
        match (self.action, &self.record_id, write.key.as_ref(), &self.key) {
            (Action::Update, Some(id), _, _) => {
                record.insert("id".into(), Json::String(id.to_string()));
            }
            (Action::Upsert, _, Some(key), Some(text)) => {
                record.insert(key.field.clone(), self.key_json(key.at, text));
            }
            _ => {}
        }
        for (field, cell) in self.sent(write) {
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
                (Plain::Omit, _) => {}
            }
        }
        record
    }

    fn key_json(&self, at: usize, text: &str) -> Json {
        match &self.cells[at] {
            Plain::Value(value) => value.to_json(),
            _ => Json::String(text.to_owned()),
        }
    }

    /// Which kind of Bulk file can carry the row without changing it.
    pub(super) fn breaks(&self) -> Breaks {
        let mut breaks = Breaks::None;
        for cell in &self.cells {
            let Plain::Value(Value::Text(text)) = cell else {
                continue;
            };
            if text == "#N/A" {
                return Breaks::Unsafe;
            }
            let found = if !text.contains(['\r', '\n']) {
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
    if action == Action::Update {
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

pub(super) fn in_header(write: &Write, action: Action, at: usize, field: &TargetField) -> bool {
    let key = write.key.as_ref().filter(|k| k.at == at);
    match (key, action) {
        (Some(key), _) if key.is_id => false,
        // The key travels with every row, so that results find their way back.
        (Some(_), Action::Upsert | Action::Insert) => true,
        (_, Action::Upsert) => field.createable || field.updateable,
        (_, Action::Insert) => field.createable,
        (_, Action::Update) => field.updateable,
    }
}

/// A key as the org compares it.
pub(crate) fn fold(key: &str, case_sensitive: bool) -> Cow<'_, str> {
    if case_sensitive {
        Cow::Borrowed(key.trim())
    } else {
        Cow::Owned(key.trim().to_lowercase())
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
mod tests {
    use super::*;
    use crate::{
        pipeline::model::Api,
        plan::{KeyField, ParentPath, Road},
        transform::{Shape, ShapeKind},
    };

    fn field(name: &str, null: NullRule) -> TargetField {
        TargetField {
            name: name.into(),
            parent: None,
            shape: Shape {
                kind: ShapeKind::Text,
                scale: 0,
            },
            createable: true,
            updateable: true,
            null,
        }
    }

    /// Key__c, Name (required), OwnerId (filled by the org), Phone, Account by its external id, Since (create only).
    fn write(operation: Operation) -> Write {
        let mut account = field("AccountId", NullRule::Clears);
        account.parent = Some(ParentPath {
            relationship: "Account".into(),
            field: "Ext__c".into(),
            polymorphic: None,
        });
        let mut since = field("Since__c", NullRule::Clears);
        since.updateable = false;
        Write {
            file: None,
            connection: "dst".into(),
            object: "Contact".into(),
            operation,
            key: Some(KeyField {
                field: "Key__c".into(),
                at: 0,
                case_sensitive: false,
                is_id: false,
                travels: true,
                createable: true,
            }),
            fields: vec![
                field("Key__c", NullRule::Clears),
                field("Name", NullRule::Parks),
                field("OwnerId", NullRule::LeftOut),
                field("Phone", NullRule::Clears),
                account,
                since,
            ],
            api: Api::Auto,
            road: Road::Rest,
            batch: None,
            parallel: None,
            look_first: false,
            compare: false,
        }
    }

    fn text(text: &str) -> Cell {
        Cell::Value(Value::text(text))
    }

    fn ready(operation: Operation, cells: Vec<Cell>, nulls: Nulls) -> Result<WriteRow, String> {
        prepare("S1".into(), Row::default(), cells, &write(operation), nulls)
            .map_err(|e| e.2.code.to_string())
    }

    #[test]
    fn nulls_follow_the_policy_and_the_field() {
        let cells = |name: Cell| vec![text("K"), name, Cell::Null, Cell::Null, Cell::Null, Cell::Clear];
        let row = ready(Operation::Upsert, cells(text("A")), Nulls::Clear).expect("a row");
        assert_eq!(
            row.cells[2..],
            [Plain::Omit, Plain::Clear, Plain::Clear, Plain::Clear]
        );
        let row = ready(Operation::Upsert, cells(text("A")), Nulls::Keep).expect("a row");
        assert_eq!(
            row.cells[2..],
            [Plain::Omit, Plain::Omit, Plain::Omit, Plain::Clear]
        );
        let refused = ready(Operation::Upsert, cells(Cell::Null), Nulls::Clear);
        assert_eq!(refused.err().as_deref(), Some("required"));
        let kept = ready(Operation::Upsert, cells(Cell::Null), Nulls::Keep).expect("a row");
        assert_eq!(kept.cells[1], Plain::Omit);
    }

    #[test]
    fn an_empty_key_parks() {
        let cells = vec![
            Cell::Null,
            text("A"),
            Cell::Omit,
            Cell::Omit,
            Cell::Omit,
            Cell::Omit,
        ];
        assert_eq!(
            ready(Operation::Upsert, cells, Nulls::Clear).err().as_deref(),
            Some("empty_key")
        );
    }

    #[test]
    fn json_and_csv_say_the_same() {
        let cells = vec![
            text("K"),
            text("A"),
            Cell::Omit,
            Cell::Null,
            text("P-1"),
            text("2026"),
        ];
        let upsert = write(Operation::Upsert);
        let mut row = ready(Operation::Upsert, cells, Nulls::Clear).expect("a row");
        assert_eq!(
            serde_json::Value::Object(row.to_json(&upsert)),
            serde_json::json!({
                "attributes": { "type": "Contact" }, "Key__c": "K", "Name": "A", "Phone": null,
                "Account": { "Ext__c": "P-1" }, "Since__c": "2026"
            })
        );
        assert_eq!(
            header(&upsert, Action::Upsert),
            ["Key__c", "Name", "OwnerId", "Phone", "Account.Ext__c", "Since__c"]
        );
        // Once the record is known, what can be set only on create stays at home.
        row.action = Action::Update;
        row.record_id = Some("003000000000001AAA".into());
        row.cells[4] = Plain::Clear;
        assert_eq!(
            serde_json::Value::Object(row.to_json(&upsert)),
            serde_json::json!({
                "attributes": { "type": "Contact" }, "id": "003000000000001AAA", "Key__c": "K", "Name": "A",
                "Phone": null, "AccountId": null
            })
        );
        assert_eq!(
            header(&upsert, Action::Update),
            ["Id", "Key__c", "Name", "OwnerId", "Phone", "Account.Ext__c"]
        );
    }

    #[test]
    fn line_breaks_choose_the_file() {
        for (texts, expected) in [
            (&["plain", "also"][..], Breaks::None),
            (&["a\nb", "c"][..], Breaks::Lf),
            (&["a\r\nb", "c"][..], Breaks::Crlf),
            (&["a\r\nb", "c\nd"][..], Breaks::Unsafe),
            (&["a\r\nb\nc", "x"][..], Breaks::Unsafe),
            (&["a\rb", "x"][..], Breaks::Unsafe),
            (&["#N/A", "x"][..], Breaks::Unsafe),
            (&["#N/A!", "x"][..], Breaks::None),
        ] {
            let cells = vec![
                text("K"),
                text(texts[0]),
                Cell::Omit,
                text(texts[1]),
                Cell::Omit,
                Cell::Omit,
            ];
            let row = ready(Operation::Upsert, cells, Nulls::Clear).expect("a row");
            assert_eq!(row.breaks(), expected, "{texts:?}");
        }
    }

    #[test]
    fn keys_fold_as_the_org_compares() {
        assert_eq!(fold(" Ab ", false), "ab");
        assert_eq!(fold(" Ab ", true), "Ab");
    }
}
