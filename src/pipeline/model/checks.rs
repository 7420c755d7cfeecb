//! What a step checks before it writes.

use crate::{
    diag::Span,
    pipeline::expr::Expr,
    record::{FieldPath, Number},
};

/// One entry of `checks`.
#[derive(Clone, Debug)]
pub struct Check {
    /// As a user would write it, for messages: `unique: Email`.
    pub words: String,
    /// `FILE:LINE:COLUMN`, for messages.
    pub place: String,
    /// Where it stands.
    pub span: Span,
    /// What it wants.
    pub kind: CheckKind,
}

/// What a check wants.
#[derive(Clone, Debug)]
pub enum CheckKind {
    /// These target fields have a value in every row.
    NotNull(Vec<CheckedField>),
    /// This holds for every row.
    Expr {
        /// The expression; its columns are indexes into `fields`.
        expr: Expr,
        /// The target fields that it names.
        fields: Vec<CheckedField>,
    },
    /// No two rows share the values of these target fields.
    Unique(Vec<CheckedField>),
    /// How many rows are written.
    Rows {
        /// Not fewer.
        at_least: Option<u64>,
        /// Not more.
        at_most: Option<u64>,
    },
    /// Source and target are alike after the last write.
    Reconcile {
        /// In the number of rows.
        count: bool,
        /// In the sum of this target field.
        sum: Option<CheckedField>,
        /// In the values of these target fields, row by row.
        fields: Vec<CheckedField>,
        /// By how much they may differ.
        tolerance: Number,
    },
}

/// A target field that a check looks at.
#[derive(Clone, Debug)]
pub struct CheckedField {
    /// The field, or a relationship path.
    pub path: FieldPath,
    /// Where it is named.
    pub span: Span,
}
