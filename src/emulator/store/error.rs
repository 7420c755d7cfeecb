use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::emulator::faults::RowFault;

/// Why a row is refused: a code of Salesforce, its text, and the fields that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
    /// What few errors have; boxed, so that results of rows stay small.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    /// What a duplicate rule found.
    duplicates: Option<Value>,
    /// Further errors of the same row: validation rules are all asked.
    also: Vec<RowError>,
}

impl RowError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        RowError {
            code: Cow::Borrowed(code),
            message: message.into(),
            fields: Vec::new(),
            more: None,
        }
    }

    /// A row that a fault picked.
    pub(super) fn fault(fault: RowFault) -> Self {
        RowError {
            code: fault.code.into(),
            fields: fault.fields,
            ..RowError::new("", fault.message)
        }
    }

    pub(crate) fn on(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    pub(super) fn with_duplicates(mut self, result: Value) -> Self {
        self.more.get_or_insert_default().duplicates = Some(result);
        self
    }

    /// All errors of a row as one; none when there is none.
    pub(super) fn all(errors: Vec<RowError>) -> Option<Self> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        let also: Vec<RowError> = errors.collect();
        if !also.is_empty() {
            first.more.get_or_insert_default().also = also;
        }
        Some(first)
    }

    /// The entries of an error list. The key of the code is `errorCode` when the error stands alone, `statusCode`
    /// inside the result of a row.
    pub(crate) fn entries(&self, code_key: &str) -> Vec<Value> {
        let mut list = vec![self.entry(code_key)];
        list.extend(self.also().iter().map(|e| e.entry(code_key)));
        list
    }

    fn also(&self) -> &[RowError] {
        self.more.as_ref().map(|m| m.also.as_slice()).unwrap_or_default()
    }

    fn entry(&self, code_key: &str) -> Value {
        let mut entry = Map::new();
        // Recordings have the code first within the result of a row, and the text first elsewhere.
        if code_key == "statusCode" {
            entry.insert(code_key.to_owned(), json!(self.code));
        }
        entry.insert("message".to_owned(), json!(self.message));
        entry.insert(code_key.to_owned(), json!(self.code));
        // An unknown column that stands alone comes without fields.
        let unnamed = code_key == "errorCode"
            && self.code == "INVALID_FIELD"
            && self.message.starts_with("No such column");
        if !unnamed {
            entry.insert("fields".to_owned(), json!(self.fields));
        }
        if let Some(result) = self.more.as_ref().and_then(|m| m.duplicates.as_ref()) {
            entry.insert("duplicateResult".to_owned(), result.clone());
        }
        Value::Object(entry)
    }

    /// A field that the object does not have.
    pub(crate) fn no_column(field: &str, object: &str) -> Self {
        RowError::new(
            "INVALID_FIELD",
            format!("No such column '{field}' on sobject of type {object}"),
        )
    }

    /// The error cell of a Bulk result: `CODE:message:Field1,Field2 --`, or `CODE:message:--` without fields.
    pub(crate) fn bulk_cell(&self) -> String {
        let mut cell = if self.fields.is_empty() {
            format!("{}:{}:--", self.code, self.message)
        } else {
            format!("{}:{}:{} --", self.code, self.message, self.fields.join(","))
        };
        for error in self.also() {
            cell.push_str(&error.bulk_cell());
        }
        cell
    }

    /// The HTTP status when the error stands alone.
    pub(crate) fn status(&self) -> u16 {
        match self.code.as_ref() {
            "ENTITY_IS_DELETED" | "NOT_FOUND" => 404,
            "UNKNOWN_EXCEPTION" => 500,
            _ => 400,
        }
    }
}
