use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Number;

/// One value of a row, with Salesforce's idea of emptiness: there is no empty text, only [`Value::Null`].
///
/// Ids, dates, times and picklist values are [`Value::Text`]: a date is `2026-01-31`, a datetime
/// `2026-01-31T09:05:07.000Z` (UTC, whatever form the API used), a time `09:05:07.000Z`. What a text means is
/// known by the field that it comes from or goes to, not by the value.
///
/// Its serde form is for rows that are put aside on disk, not for users: [`Value::to_json`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing: null, an empty CSV cell, an empty text.
    #[serde(rename = "0")]
    Null,
    /// A checkbox.
    #[serde(rename = "b")]
    Bool(bool),
    /// A number as exact decimal text.
    #[serde(rename = "n")]
    Number(Number),
    /// A text; never empty when made by [`Value::text`].
    #[serde(rename = "t")]
    Text(CompactString),
    /// A list or an object of a JSON source. Never a scalar: [`Value::from_json`] unpacks those.
    #[serde(rename = "j", with = "json")]
    Json(Arc<serde_json::Value>),
}

impl Value {
    /// A text, or null when it is empty.
    pub fn text(text: impl Into<CompactString>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Value::Null
        } else {
            Value::Text(text)
        }
    }

    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a scalar as a user would write it; `None` for null and for JSON lists and objects.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Number(n) => Some(n.as_str()),
            Value::Text(t) => Some(t),
            Value::Null | Value::Json(_) => None,
        }
    }

    /// Takes a JSON value apart: scalars become ours (numbers keep their exact text), lists and objects stay JSON.
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            serde_json::Value::Number(n) => Value::Number(Number::from_json(n)),
            serde_json::Value::String(s) => Value::text(s.as_str()),
            other => Value::Json(Arc::new(other.clone())),
        }
    }

    /// The JSON form: numbers with their exact digits.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => serde_json::Value::Bool(*b),
            Value::Number(n) => n.to_json(),
            Value::Text(t) => serde_json::Value::String(t.to_string()),
            Value::Json(j) => (**j).clone(),
        }
    }

    /// The word for messages: `null`, `true or false`, `number`, `text`, `list`, `object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "number",
            Value::Text(_) => "text",
            Value::Json(j) if j.is_array() => "list",
            Value::Json(_) => "object",
        }
    }
}

/// JSON inside a value that is put aside.
mod json {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(json: &Arc<serde_json::Value>, to: S) -> Result<S::Ok, S::Error> {
        json.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Arc<serde_json::Value>, D::Error> {
        serde_json::Value::deserialize(from).map(Arc::new)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_null() {
        assert_eq!(Value::text(""), Value::Null);
        assert_eq!(Value::from_json(&serde_json::json!("")), Value::Null);
    }

    #[test]
    fn json_numbers_keep_their_digits() {
        let json: serde_json::Value = serde_json::from_str("12345678901234567.89").expect("a number");
        assert_eq!(Value::from_json(&json).as_text(), Some("12345678901234567.89"));
        assert_eq!(
            Value::from_json(&json).to_json().to_string(),
            "12345678901234567.89"
        );
    }
}
