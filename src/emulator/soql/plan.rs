//! A statement that is known to fit the org's objects.

use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use rust_decimal::Decimal;

use super::{
    ast::{Op, Subtotals},
    functions::Function,
    pattern::Pattern,
};
use crate::emulator::{
    access::Access,
    schema::{Field, Kind, Schema},
    store::{Cell, fold},
};

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) object: usize,
    /// What the asker sees.
    pub(super) access: Access,
    pub(crate) output: Output,
    /// What was selected, in its order, as flat columns.
    pub(crate) columns: Vec<Value>,
    /// The same as a tree: parents are objects inside the record.
    pub(crate) nodes: Vec<Node>,
    pub(super) filter: Option<Test<Value>>,
    pub(super) order: Vec<Sort<Value>>,
    pub(super) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    /// Two or more long texts make pages short.
    pub(crate) long_texts: usize,
    /// FIELDS(ALL) or FIELDS(CUSTOM) was selected.
    pub(crate) unbounded: bool,
}

impl Plan {
    /// Whether records hold the records of children.
    pub(crate) fn has_children(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n, Node::Children(..)))
    }

    /// Whether there is an ORDER BY.
    pub(crate) fn is_ordered(&self) -> bool {
        !self.order.is_empty()
    }

    pub(crate) fn has_type_of(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n, Node::TypeOf(..)))
    }
}

/// What a statement gives.
#[derive(Debug)]
pub(crate) enum Output {
    Rows,
    /// `SELECT COUNT()`.
    Count,
    /// One row for each group, or for all rows together.
    Groups(Box<Groups>),
}

/// A key of a record.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(String, Value),
    /// A parent: its key, how to reach it, and what is wanted of it.
    Parent(String, Hop, Vec<Node>),
    /// A parent of one of several objects, and what is wanted of each.
    TypeOf(String, Hop, Vec<(usize, Vec<Node>)>, Vec<Node>),
    Children(String, Arc<Children>),
}

/// A query of the children of a record.
#[derive(Debug)]
pub(crate) struct Children {
    pub(crate) plan: Arc<Plan>,
    /// The child's reference to its parent.
    pub(super) link: usize,
}

/// A step to a parent.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    /// The object that has the reference.
    pub(crate) from: usize,
    pub(crate) field: usize,
    /// The parent's object; `None` when its Id has to tell.
    pub(crate) to: Option<usize>,
    /// What the asker sees: a parent that the asker may not read is as good as none.
    pub(super) access: Access,
}

impl Hop {
    /// Where it starts, by which field, and where it leads to.
    fn place(&self) -> (usize, usize, Option<usize>) {
        (self.from, self.field, self.to)
    }
}

impl PartialEq for Hop {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Hop {}

impl Hash for Hop {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

/// A field, possibly of a parent.
#[derive(Clone, Debug)]
pub(crate) struct PathRef {
    pub(crate) hops: Vec<Hop>,
    pub(crate) leaf: Leaf,
    pub(crate) kind: Kind,
    pub(super) folds: bool,
    /// `(object, field)` of the field's definition.
    pub(crate) field: (usize, usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Field(usize),
    /// A field of one of several objects: `(object, field)`.
    OneOf(Vec<(usize, usize)>),
    /// `What.Type`.
    TypeName,
}

impl PathRef {
    pub(crate) fn spec<'s>(&self, schema: &'s Schema) -> &'s Field {
        &schema.objects[self.field.0].fields[self.field.1]
    }

    pub(super) fn is_type(&self) -> bool {
        matches!(self.leaf, Leaf::TypeName)
    }

    pub(super) fn same(&self, other: &PathRef) -> bool {
        self.hops == other.hops && self.field == other.field && self.is_type() == other.is_type()
    }
}

/// A field or a function of one.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) path: PathRef,
    pub(super) calls: Vec<Function>,
    /// The kind of the outcome.
    pub(crate) kind: Kind,
    /// As the statement wrote the field.
    pub(crate) written: String,
}

impl Value {
    pub(super) fn same(&self, other: &Value) -> bool {
        self.path.same(&other.path) && self.calls == other.calls
    }

    pub(super) fn folds(&self) -> bool {
        self.calls.is_empty() && self.path.folds
    }
}

/// A condition over values of a kind: those of a row, or those of a group.
#[derive(Debug)]
pub(super) enum Test<P> {
    And(Vec<Test<P>>),
    Or(Vec<Test<P>>),
    Not(Box<Test<P>>),
    Text(P, Op, Cell, bool),
    In(P, bool, HashSet<Cell>, bool),
    Semi(P, bool, Box<Inner>),
    Number(P, Op, Decimal),
    /// Dates and datetimes: at or after the first, before the second.
    Range(P, Op, Cell, Cell),
    Bool(P, bool),
    Like(P, Pattern),
    Includes(P, bool, Vec<Vec<Cell>>),
}

/// The query behind IN. Its Ids are looked up once.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) plan: Plan,
    pub(super) ids: OnceLock<HashSet<Cell>>,
}

/// What a condition or an order is about, whatever gives its values.
#[derive(Debug)]
pub(super) struct Operand<P> {
    pub(super) value: P,
    pub(super) kind: Kind,
    pub(super) folds: bool,
    /// The field, for messages.
    pub(super) name: String,
    pub(super) at: usize,
}

impl<P> Operand<P> {
    /// Folded when case makes no difference.
    pub(super) fn text(&self, text: &str) -> Cell {
        if self.folds { fold(text) } else { Cell::new(text) }
    }
}

#[derive(Debug)]
pub(super) struct Sort<P> {
    pub(super) value: P,
    pub(super) kind: Kind,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
    /// The order of a picklist's values.
    pub(super) values: Vec<String>,
}

/// A grouped query.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(super) keys: Vec<Value>,
    pub(super) subtotals: Subtotals,
    /// Without GROUP BY all rows are one group, even when there are none.
    pub(super) whole: bool,
    pub(super) sums: Vec<Aggregate>,
    pub(crate) columns: Vec<GroupColumn>,
    pub(super) having: Option<Test<Part>>,
    pub(super) order: Vec<Sort<Part>>,
}

impl Groups {
    /// Whether there is a GROUP BY.
    pub(crate) fn is_grouped(&self) -> bool {
        !self.whole
    }

    /// The key that a column shows.
    pub(crate) fn key(&self, column: &GroupColumn) -> Option<&Value> {
        match column.part.from {
            PartOf::Key(at) | PartOf::Grouping(at) => self.keys.get(at),
            PartOf::Sum(_) => None,
        }
    }

    /// The function that a column is the outcome of, in the org's spelling, and what it is taken of.
    pub(crate) fn function(&self, column: &GroupColumn) -> Option<(&'static str, &Value)> {
        match column.part.from {
            PartOf::Key(_) => None,
            PartOf::Grouping(at) => Some(("grouping", &self.keys[at])),
            PartOf::Sum(at) => {
                let sum = &self.sums[at];
                let name = match sum.function {
                    AggregateFunction::Count => "count",
                    AggregateFunction::CountDistinct => "count_distinct",
                    AggregateFunction::Sum => "sum",
                    AggregateFunction::Avg => "avg",
                    AggregateFunction::Min => "min",
                    AggregateFunction::Max => "max",
                };
                Some((name, &sum.value))
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) function: AggregateFunction,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AggregateFunction {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
}

/// A value of a group, and what is still done to it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) from: PartOf,
    pub(super) calls: Vec<Function>,
}

/// Places in [`Groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartOf {
    Key(usize),
    Sum(usize),
    /// 1 where a subtotal leaves a key out.
    Grouping(usize),
}

#[derive(Debug)]
pub(crate) struct GroupColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(super) part: Part,
}
