//! Expressions and templates: minijinja's syntax, Salesforce's nulls.
//!
//! A source text is parsed once by minijinja's own parser; the syntax tree is then compiled into a tree of our own in
//! which names are columns and null is settled. Evaluation never meets minijinja's values: theirs print null as
//! `none`, call it smaller than every number and keep decimals as binary floats.
//!
//! The rules of null, as this room applies them:
//! - null goes through arithmetic, `~` and filters as null; only `default` (and the operators `or` and `is none`) see it;
//! - `<`, `<=`, `>`, `>=` and `in` with null are false (so `not in` is true); `==` and `!=` compare it like any value; `not null` is true;
//! - an empty text is null. The one exception: a `''` that stands in the expression itself joins with `~` as nothing,
//!   so that `(Title | default('')) ~ Name` means what it says;
//! - in a template null prints as nothing. A template is null when it printed at least one `{{ }}` that reads the
//!   row and all of those were null; without such a print it is its text. `{% if %}` alone does not make it null.
//!
//! Numbers are exact decimals of up to 28 digits: `+`, `-`, `*` and `**` fail rather than round, `/` rounds to 28
//! digits, `//` and `%` are Euclidean as in minijinja (`-7 // 2` is -4, `-7 % 2` is 1). Text and numbers are never
//! compared by `<` nor added: that is an error of the row; by `==` they differ.
//!
//! Where to go next: `compile` for names, `eval` for meaning, `filters` for the filters. Limits stand where they are
//! enforced: `parse` (length, tokens), `compile` (depth), `eval` (steps, texts, lists).

mod compile;
mod error;
mod eval;
mod fault;
mod filters;
mod ops;
mod parse;
mod test;
mod tree;
mod types;

use std::{borrow::Cow, collections::BTreeMap};

pub use error::EvalError;
pub use fault::{Fault, FaultKind, closest};
pub use types::{Clash, Ids, Known, Outcome, Side, Type, TypeKind, Written, characters};

use crate::{
    diag::Span,
    record::{FieldPath, Value},
};
use tree::Node;

/// What names mean where an expression stands.
pub trait Scope {
    /// The column of a field in the row. Where the columns are derived from the mapping, this adds it.
    fn field(&mut self, path: &FieldPath) -> Result<usize, UnknownField>;

    /// The column that holds the whole source row as one value, for `row` on its own.
    fn whole_row(&mut self) -> Result<usize, UnknownField> {
        Err(UnknownField {
            reason: UnknownReason::NoWholeRow,
            suggestion: None,
        })
    }

    /// The declared vars.
    fn var_names(&self) -> Cow<'_, [String]>;

    /// Whether the source has an `each`, so that `item` and `item_number` mean something.
    fn has_item(&self) -> bool {
        false
    }
}

/// A field that a [`Scope`] does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Why.
    pub reason: UnknownReason,
    /// What may have been meant; [`closest`] finds it.
    pub suggestion: Option<String>,
}

/// Why a field is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownReason {
    /// The object has no such field.
    NoSuchField,
    /// The file has no such column.
    NoSuchColumn,
    /// The query does not select it.
    NotSelected,
    /// The step does not fill it: this is about a target's fields.
    NotFilled,
    /// There is no source row here at all: only `vars` and `run`.
    NoRow,
    /// `row` cannot stand alone: this source has no value for the whole row.
    NoWholeRow,
}

/// The vars of a run, by name. A list is a JSON list.
pub type Vars = BTreeMap<String, Value>;

/// What `run` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInfo {
    /// The run's id.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// `--env`; null when none was given.
    pub env: Option<String>,
    /// ISO text in UTC.
    pub started_at: String,
    /// The named credential that is read.
    pub from: String,
    /// The named credential that is written.
    pub to: String,
}

/// What an expression sees while it is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// One value a column, as the [`Scope`] numbered them.
    pub row: &'a [Value],
    /// The vars.
    pub vars: &'a Vars,
    /// The run.
    pub run: &'a RunInfo,
    /// The entry of `each`, where there is one.
    pub item: Option<&'a Value>,
    /// Its place, from 1.
    pub item_number: usize,
}

/// What is known of a result before any row is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It depends on the row.
    Any,
    /// True or false.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list.
    List,
}

/// A compiled expression or template.
#[derive(Clone, Debug)]
pub struct Expr {
    node: Node,
    columns: Vec<usize>,
    slots: usize,
    template: bool,
    item: bool,
    place: bool,
    outside: bool,
    span: Option<Span>,
    source: Box<str>,
}

impl Expr {
    /// Compiles an expression, or a template when the source [is one](is_template). Finds all unknown names at once.
    pub fn compile(source: &str, scope: &mut dyn Scope) -> Result<Expr, Vec<Fault>> {
        compile::compile(source, scope)
    }

    /// A plain copy of a column.
    pub fn column(column: usize) -> Expr {
        Expr {
            node: Node::Column(column),
            columns: vec![column],
            slots: 0,
            template: false,
            item: false,
            place: false,
            outside: false,
            span: None,
            source: Box::default(),
        }
    }

    /// The same, with the place of its text in a file, where it stands there letter by letter.
    #[must_use]
    pub fn at(mut self, span: Span) -> Expr {
        self.span = Some(span);
        self
    }

    /// Its text; empty for a plain copy that stands in no file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where its text stands in the file, letter by letter, so that it can be edited there.
    pub fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }

    /// The value for one row. An error is the row's, not the run's.
    pub fn eval(&self, ctx: &Context<'_>) -> Result<Value, EvalError> {
        if let Node::Column(column) = self.node {
            return Ok(ctx.row.get(column).cloned().unwrap_or(Value::Null));
        }
        eval::eval(&self.node, self.slots, ctx)
    }

    /// Whether it holds for a row, as a `when` does: null does not.
    pub fn holds(&self, ctx: &Context<'_>) -> Result<bool, EvalError> {
        Ok(ops::truthy(&self.eval(ctx)?))
    }

    /// The column of which this is a plain copy.
    pub fn as_column(&self) -> Option<usize> {
        match self.node {
            Node::Column(column) => Some(column),
            _ => None,
        }
    }

    /// The value of what looks at no row, no var and no run, which is the same everywhere: `1 > 0`. `None` too where
    /// such an expression can only fail.
    pub fn as_constant(&self) -> Option<Value> {
        if let Node::Const(value) = &self.node {
            return Some(value.clone());
        }
        if self.outside || self.item || self.place || !self.columns.is_empty() {
            return None;
        }
        let (vars, run) = (Vars::new(), RunInfo::default());
        let nothing = Context {
            row: &[],
            vars: &vars,
            run: &run,
            item: None,
            item_number: 0,
        };
        self.eval(&nothing).ok()
    }

    /// The columns that it reads, in ascending order.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether the source was a template.
    pub fn is_template(&self) -> bool {
        self.template
    }

    /// Whether it reads `item`.
    pub fn reads_item(&self) -> bool {
        self.item
    }

    /// Whether it reads `item` or `item_number`: it differs between the entries of one list.
    pub fn differs_by_item(&self) -> bool {
        self.item || self.place
    }

    /// What is known of the result before any row is seen. Null is possible in every kind.
    pub fn kind(&self) -> Kind {
        self.node.kind()
    }
}

/// Whether a source is read as a template: it has `{{` or `{%`.
pub fn is_template(source: &str) -> bool {
    source.contains("{{") || source.contains("{%")
}

#[cfg(test)]
mod tests;
