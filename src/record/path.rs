use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// A field by name or by way of its parents: `Name`, `Owner.Email`. Compared without case, as Salesforce does;
/// the case that the user typed is kept for messages and for output.
#[derive(Clone, Debug)]
pub struct FieldPath(String);

impl FieldPath {
    /// A path as typed, `Owner.Email`.
    pub fn new(path: impl Into<String>) -> Self {
        FieldPath(path.into())
    }

    /// The path as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, from the row outwards.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether it goes through a parent.
    pub fn is_relationship(&self) -> bool {
        self.0.contains('.')
    }
}

impl PartialEq for FieldPath {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for FieldPath {}

impl Hash for FieldPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for FieldPath {
    fn from(path: &str) -> Self {
        FieldPath::new(path)
    }
}
