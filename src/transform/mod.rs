//! Rows of the source become rows of the target. Pure: answers that only an org or the state has are handed in
//! as [`Answers`], and what is not known yet is written down as a demand, so that the engine can ask for a whole
//! batch at once and come again.

mod answers;
mod check;
mod encode;
mod mapping;
mod mask;
mod test;
mod value;

pub use answers::{Answers, Demand, Known, LookupAnswer, LookupKey};
pub use check::{RowCheck, place_of};
pub use encode::{EncodeError, Shape, ShapeKind, encode};
pub use mapping::{Cell, MappedField, MappedRow, Mapping, RowEnd};
pub use mask::Masker;
pub use test::{
    BareMapping, Difference, Holder, Question, RealRow, Recorded, RecordedEnd, TEST_KEY, TestResult,
    Unrecordable, record, run_test,
};
