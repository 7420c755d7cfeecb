//! Types across a step: what a mapping gives, beside what its field takes.
//!
//! [`of`] says what a mapping value can give, [`fit`] holds that against the target's field, [`asked`] looks at what is
//! asked of orgs (conditions, lookups, record types), [`clashes`] into the expressions themselves, [`told`] at the values of a step's own tests. Online and offline
//! take the same road: only where the describes come from differs.
//!
//! An error is what surely fails for a row that comes that far: a literal, a type of which no value fits. What depends
//! on the rows is a warning.

mod asked;
mod clashes;
mod fit;
mod literal;
mod of;
mod reference;
mod semi_join;
mod told;
mod ways;
mod words;

pub(super) use asked::{filters, tells_apart, uniqueness, unknown};
pub(super) use clashes::operands_of_check;
pub(super) use fit::Line;
pub(super) use of::{Column, Reads};
pub(super) use semi_join::semi_joins;
pub(super) use words::field_words;
