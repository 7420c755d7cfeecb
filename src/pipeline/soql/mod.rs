//! SOQL as the user's files hold it: enough of its syntax to name what is read, bind variables, and derive queries.
//!
//! [`parse_query`] and [`parse_condition`] find all that can be known without an org, with the byte ranges of each
//! complaint. What a query becomes on its way (another select list, one more condition, an order) is made by cutting
//! the user's own text, so that nothing that this room does not understand is lost. Whether objects and fields exist is
//! for the describes to say.
//!
//! Clauses that make no sense for reading rows (FOR VIEW, ALL ROWS, COUNT() and the like) are refused here with the
//! way to say the same in a pipeline.

mod bind;
mod child;
mod clauses;
mod condition;
mod fault;
mod lexer;
mod parser;
mod rewrite;
mod select;

use std::ops::Range;

pub use bind::{BindError, Literal, LiteralKind, bind, quote, quote_like};
pub use fault::{SoqlFault, SoqlFaultKind};

use crate::record::FieldPath;

/// A parsed query. All ranges are bytes of [`Query::text`].
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The query as written.
    pub text: String,
    /// What it selects, in order. `Id` is read as well, whether it stands here or not.
    pub select: Vec<SelectItem>,
    /// All items together.
    pub select_range: Range<usize>,
    /// The object after FROM.
    pub object: String,
    /// Where it stands.
    pub object_range: Range<usize>,
    /// `a` in `FROM Account a`.
    pub alias: Option<String>,
    /// The condition, without the word WHERE.
    pub where_range: Option<Range<usize>>,
    /// The fields of GROUP BY.
    pub group_by: Vec<(FieldPath, Range<usize>)>,
    /// The condition after HAVING.
    pub having_range: Option<Range<usize>>,
    /// From the word ORDER to the last field's direction.
    pub order_by: Option<Range<usize>>,
    /// LIMIT.
    pub limit: Option<Count>,
    /// OFFSET.
    pub offset: Option<Count>,
    /// The bind variables, in order.
    pub binds: Vec<Bind>,
    /// The fields that WHERE looks at, those of semi-joins left out.
    pub condition_fields: Vec<(FieldPath, Range<usize>)>,
    /// The semi-joins of WHERE.
    pub semi_joins: Vec<SemiJoin>,
    /// The fields of ORDER BY.
    pub order_fields: Vec<(FieldPath, Range<usize>)>,
    /// Where FROM ends, behind the object and its alias.
    from_end: usize,
    /// Whether GROUP BY stands, or an aggregate.
    aggregated: bool,
}

/// One item of a select list.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectItem {
    /// The field, without the object's own name or alias before it.
    pub path: FieldPath,
    /// The whole item with its alias.
    pub range: Range<usize>,
    /// The name of its value in the answer, where the query gives one.
    pub alias: Option<String>,
    /// What is selected of the field.
    pub kind: SelectKind,
}

impl SelectItem {
    /// Whether it is a field under its own name.
    pub fn is_plain(&self) -> bool {
        self.kind == SelectKind::Field && self.alias.is_none()
    }

    /// The name under which the row has it.
    pub fn name(&self) -> FieldPath {
        match &self.alias {
            Some(alias) => FieldPath::new(alias.clone()),
            None => self.path.clone(),
        }
    }
}

/// What is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectKind {
    /// The field itself.
    Field,
    /// `COUNT(Id)`, `SUM(Amount)`.
    Aggregate(String),
    /// `toLabel(Status)`, `CALENDAR_YEAR(CloseDate)`.
    Function(String),
}

/// The number after LIMIT or OFFSET.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// From the word to the number.
    pub range: Range<usize>,
    /// The number; `None` for a bind variable.
    pub value: Option<u64>,
}

/// A bind variable, `:name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// The var's name.
    pub name: String,
    /// The colon and the name.
    pub range: Range<usize>,
    /// The field beside it, whose type decides how the value is written.
    pub field: Option<FieldPath>,
    /// The object of a semi-join, when the field is one of that.
    pub object: Option<String>,
    /// Whether it stands for a whole list: `IN :ids`. In `IN (:id)` it is one entry, or several.
    pub in_list: bool,
    /// What the value is compared by.
    pub operator: BindOperator,
}

/// What stands before a bind variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindOperator {
    /// `=`.
    Equal,
    /// `!=` or `<>`.
    NotEqual,
    /// `<`, `<=`, `>` or `>=`.
    Order,
    /// LIKE.
    Like,
    /// IN, NOT IN, INCLUDES or EXCLUDES.
    In,
    /// LIMIT or OFFSET.
    Count,
}

/// A condition on its own, as `where:` holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// As written.
    pub text: String,
    /// The bind variables, in order.
    pub binds: Vec<Bind>,
    /// The fields that it looks at, those of semi-joins left out.
    pub fields: Vec<(FieldPath, Range<usize>)>,
    /// Its semi-joins.
    pub semi_joins: Vec<SemiJoin>,
}

/// `Id IN (SELECT AccountId FROM Contact WHERE ...)`, an anti-join (`NOT IN`) too.
#[derive(Clone, Debug, PartialEq)]
pub struct SemiJoin {
    /// The field before IN; `None` when a function stands there.
    pub outer: Option<(FieldPath, Range<usize>)>,
    /// The object that is searched.
    pub object: String,
    /// Where that stands.
    pub object_range: Range<usize>,
    /// The field that is selected, of that object.
    pub selected: (FieldPath, Range<usize>),
    /// The fields that its own condition looks at, of that object.
    pub fields: Vec<(FieldPath, Range<usize>)>,
}

/// Parses a whole query.
pub fn parse_query(text: &str) -> Result<Query, Vec<SoqlFault>> {
    parser::query(text)
}

/// Parses a condition, what stands after WHERE.
pub fn parse_condition(text: &str) -> Result<Condition, Vec<SoqlFault>> {
    parser::condition(text)
}

#[cfg(test)]
mod tests;
