//! Rows with what a mapping has to make of them.

use super::{Only, StepRef};
use crate::{
    diag::Span,
    record::{FieldPath, Value},
};

/// One entry of a step's `tests`.
#[derive(Clone, Debug)]
pub struct MappingTest {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// The row: one value a column, null where the test gives none.
    pub given: Vec<Value>,
    /// Where the values stand that it gives, by column.
    pub given_places: Vec<(usize, Span)>,
    /// The entry of `each`; `None`: it is taken from the list that the given fields make.
    pub item: Option<Value>,
    /// Its place, from 1.
    pub item_number: usize,
    /// Whether the row's record is created or updated, for `only`.
    pub action: Only,
    /// Answers for `ref`: (step, source row id, what became of it).
    pub refs: Vec<(StepRef, String, Fake)>,
    /// Answers for `lookup` and `record_type`: (object, key, what is found); of several `by` fields the keys joined by
    /// `, `.
    pub lookups: Vec<(String, String, Fake)>,
    /// Steps whose targets are files: a `ref` to them gives the row's own id.
    pub files: Vec<usize>,
    /// Vars of this test, over the defaults.
    pub vars: Vec<(String, Value)>,
    /// What must come out.
    pub expect: Expectation,
    /// Where that stands.
    pub expect_span: Span,
}

/// What a test says that an org would answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Fake {
    /// This: the record's Id, and whatever `give` asks for.
    One(Value),
    /// A record with these fields, `Id` among them where the Id is asked for.
    Record(Vec<(FieldPath, Value)>),
    /// So many records.
    Several(usize),
    /// No record.
    Nothing,
}

/// What a mapping test expects.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// These fields have these values.
    Fields(Vec<(FieldPath, Value, Span)>),
    /// The row is parked.
    Parked,
    /// The row is filtered.
    Filtered,
}
