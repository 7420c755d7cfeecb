use std::borrow::Cow;

/// Why a row is refused: a code of Salesforce, its text, and the fields that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

impl RowError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        RowError {
            code: Cow::Borrowed(code),
            message: message.into(),
            fields: Vec::new(),
        }
    }

    pub(crate) fn on(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
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
        if self.fields.is_empty() {
            format!("{}:{}:--", self.code, self.message)
        } else {
            format!("{}:{}:{} --", self.code, self.message, self.fields.join(","))
        }
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
