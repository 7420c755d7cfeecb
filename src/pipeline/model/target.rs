//! What a step writes.

use super::RowsFile;
use crate::diag::Span;

/// What a step writes: records of an org, or a file.
#[derive(Clone, Debug)]
pub struct Target {
    /// The file, when rows go to one. Then `object` is empty, nothing of what follows but `connection` has a meaning,
    /// and that is the org which lookups ask (empty: there is none).
    pub file: Option<RowsFile>,
    /// The sobject.
    pub object: String,
    /// Where it is named (the source's object, when it is taken from there).
    pub span: Span,
    /// What is done.
    pub operation: Operation,
    /// The target fields that tell records apart.
    pub key: Option<Key>,
    /// The named credential that is written.
    pub connection: String,
    /// REST or Bulk for writing.
    pub api: Api,
    /// Rows a request, when set.
    pub batch_size: Option<usize>,
    /// Requests side by side, when set.
    pub parallel: Option<usize>,
    /// Which assignment rule runs on new Cases and Leads.
    pub assignment_rule: AssignmentRule,
    /// Whether records are saved although a duplicate rule warns.
    pub allow_duplicates: bool,
    /// The field whose equal values travel in one batch.
    pub group_by: Option<(String, Span)>,
}

/// The key of a target.
#[derive(Clone, Debug)]
pub struct Key {
    /// The names of its fields and where each stands, in the file's order; one, but for composite keys.
    pub fields: Vec<(String, Span)>,
    /// Where it is named.
    pub span: Span,
}

impl Key {
    /// Whether it is the record's own `Id`.
    pub fn is_id(&self) -> bool {
        matches!(self.fields.as_slice(), [(name, _)] if name.eq_ignore_ascii_case("Id"))
    }

    /// Whether a field is part of it.
    pub fn has(&self, field: &str) -> bool {
        self.fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(field))
    }
}

/// `assignment_rule`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AssignmentRule {
    /// None runs.
    #[default]
    None,
    /// The one that is active in the org.
    Default,
    /// The one with this Id.
    Id(String),
}

/// What is done to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Update by key, create where there is none.
    Upsert,
    /// Create; with a key, records that exist are left alone.
    Insert,
    /// Update by key.
    Update,
    /// Delete by key.
    Delete,
    /// Delete by key, past the recycle bin.
    HardDelete,
    /// Find by key, write nothing.
    Match,
}

impl Operation {
    /// Whether records are removed.
    pub fn deletes(self) -> bool {
        matches!(self, Operation::Delete | Operation::HardDelete)
    }

    /// Whether records may come to be.
    pub fn creates(self) -> bool {
        matches!(self, Operation::Upsert | Operation::Insert)
    }

    /// Whether nothing but the key counts.
    pub fn takes_key_only(self) -> bool {
        self.deletes() || self == Operation::Match
    }

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Upsert => "upsert",
            Operation::Insert => "insert",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::HardDelete => "hard_delete",
            Operation::Match => "match",
        }
    }
}

/// Which of the org's APIs carries rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Chosen by size.
    #[default]
    Auto,
    /// REST: query pages, sObject collections.
    Rest,
    /// Bulk 2.0.
    Bulk,
}

/// `copy`.
#[derive(Clone, Debug, Default)]
pub enum Copy {
    /// No `copy` in the step.
    #[default]
    Nothing,
    /// These fields, each with the index of its column.
    Fields(Vec<CopiedField>),
    /// All that both sides have, less `except` and what `map` names. Columns of `object` sources are added by `plan`.
    All {
        /// Field names left out.
        except: Vec<(String, Span)>,
        /// Where `copy` stands.
        span: Span,
    },
}

/// A field of a `copy` list.
#[derive(Clone, Debug)]
pub struct CopiedField {
    /// The field's name on both sides.
    pub field: String,
    /// Its column.
    pub column: usize,
    /// Where it is named.
    pub span: Span,
}
