//! The validated model of a pipeline: what a file means, with defaults filled in and names resolved.
//!
//! Made by `compile`, read by `plan` and `transform`. Spans are kept where an org's answer can still prove a
//! file wrong, so that such a finding points into the YAML too.

mod checks;
mod deletes;
mod mapping;
mod policy;
mod source;
mod target;
mod test;

use std::{path::PathBuf, sync::Arc};

pub use checks::{Check, CheckKind, CheckedField};
pub use deletes::Deletes;
pub use mapping::{FieldMap, Lookup, MapValue, Mask, Missing, Only, Table};
pub use policy::{Budget, Compare, Drift, Nulls, OnDrift, Pii, Policy, RowErrors};
pub use source::{
    Chunk, Column, CursorField, Each, FieldRole, FieldUse, FilePath, HttpParameter, HttpSource, NextPage,
    RowId, RowsFile, SemiJoin, Source,
};
pub use target::{Api, AssignmentRule, CopiedField, Copy, Key, Operation, Target};
pub use test::{Expectation, Fake, MappingTest};

use super::{
    credentials::{Credentials, ValueRef},
    expr::Expr,
};
use crate::{
    diag::Span,
    record::{FieldPath, Value},
};

/// One pipeline file, checked.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name: `name`, else the file's name without its ending.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The pipeline's file as the user named it, for messages.
    pub file: PathBuf,
    /// A digest of the texts that it is made of, but for credentials: whether it is what it was.
    pub digest: String,
    /// The project folder, which holds the state.
    pub project: PathBuf,
    /// Where its runs are remembered.
    pub state: StatePlace,
    /// The default named credential of sources.
    pub from: Option<String>,
    /// The default named credential of targets.
    pub to: Option<String>,
    /// The permission set that it runs as.
    pub run_as: Option<String>,
    /// Every credential that the file can name.
    pub credentials: Arc<Credentials>,
    /// Declared vars, in the file's order, overlays applied.
    pub vars: Vec<Var>,
    /// In the file's order, which says nothing about the order of execution.
    pub steps: Vec<Step>,
    /// Steps of other files that refs name.
    pub foreign: Vec<ForeignStep>,
    /// Where the key of `mask` comes from.
    pub mask_key: Option<ValueRef>,
    /// Fields that hold personal data, the standard ones and those that the files mark, by sobject.
    pub personal: Vec<(String, Vec<String>)>,
}

/// Where runs are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// An SQLite file: the project file's, or `.orgferry/state.db` in the project folder.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres {
        /// Where its address comes from, which may hold a password.
        url: ValueRef,
        /// The schema that holds the tables: projects that share a database have one each.
        schema: String,
    },
}

/// The schema where none is named.
pub const DEFAULT_SCHEMA: &str = "orgferry";

/// A step that a `ref` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepRef {
    /// A step of this pipeline, by index.
    Own(usize),
    /// A step of another file: an index into [`Pipeline::foreign`].
    Foreign(usize),
}

/// A step of another file, as far as refs need to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignStep {
    /// The other pipeline's name.
    pub pipeline: String,
    /// The step's name.
    pub step: String,
    /// The sobject that it writes.
    pub object: String,
    /// What it reads.
    pub source: ForeignSource,
    /// Its key, where that is the row id alone: then the target itself knows which record a row became.
    pub found_by: Option<String>,
    /// Where it is first named here.
    pub span: Span,
}

/// What a step of another file reads; state keeps its links by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignSource {
    /// The org of a named credential.
    Org(String),
    /// The system of a named credential.
    Callout(String),
    /// A file: what state knows it by.
    File(String),
}

impl ForeignSource {
    /// The named credential, or what stands for it.
    pub fn connection(&self) -> &str {
        match self {
            ForeignSource::Org(name) | ForeignSource::Callout(name) | ForeignSource::File(name) => name,
        }
    }
}

/// A declared var.
#[derive(Clone, Debug)]
pub struct Var {
    /// Its name.
    pub name: String,
    /// How `--var` is read.
    pub kind: VarKind,
    /// Its value when `--var` gives none.
    pub default: VarDefault,
    /// Where it is declared.
    pub span: Span,
}

/// The kind of a var.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarKind {
    /// Text, dates too.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list of texts and numbers.
    List,
}

/// Where a var's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum VarDefault {
    /// As in the file; a list is [`Value::Json`].
    Value(Value),
    /// An environment variable, asked for by `run`.
    Env(String),
    /// It must be given.
    Required,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its key under `steps`.
    pub name: String,
    /// Where the key stands.
    pub span: Span,
    /// What is read.
    pub source: Source,
    /// The named credential that is read.
    pub source_connection: String,
    /// REST or Bulk for reading.
    pub source_api: Api,
    /// Whether deleted and archived rows are read too.
    pub include_deleted: bool,
    /// How a large query is cut into pieces.
    pub chunk: Chunk,
    /// Only rows changed since the last good run are read.
    pub cursor: Option<CursorField>,
    /// What tells rows apart.
    pub row_id: RowId,
    /// What makes several rows of one.
    pub each: Option<Each>,
    /// What is written.
    pub target: Target,
    /// The columns of its rows. Expressions hold indexes into this. For `soql` it is what the query selects (with
    /// `Id`), for the others what the step uses.
    pub columns: Vec<Column>,
    /// Index of the column that holds the whole JSON row, when an expression asks for `row`.
    pub whole_row: Option<usize>,
    /// Fields of the same name on both sides.
    pub copy: Copy,
    /// The mapping, in the file's order.
    pub map: Vec<FieldMap>,
    /// Rows for which this does not hold are `filtered`.
    pub when: Option<Expr>,
    /// Steps (by index) that must end before this one starts, from `needs`.
    pub needs: Vec<usize>,
    /// Fields that the source's filter and order look at.
    pub filters: Vec<FieldUse>,
    /// The semi-joins of the source's filter.
    pub semi_joins: Vec<SemiJoin>,
    /// What was complained about already as personal data without a mask.
    pub personal: Vec<Personal>,
    /// The policy in force for this step.
    pub policy: Policy,
    /// What must hold of rows and of the whole.
    pub checks: Vec<Check>,
    /// Tests of the mapping.
    pub tests: Vec<MappingTest>,
    /// What becomes of the target records of deleted source records.
    pub deletes: Option<Deletes>,
    /// The step (by index) whose deleted rows this one follows: see [`Pipeline::with_deletes`].
    pub deletes_of: Option<usize>,
}

impl Step {
    /// Whether a `lookup` of its mapping asks the target's org.
    pub fn asks_target(&self) -> bool {
        self.map.iter().any(|line| line.value.looks_up())
    }

    /// Whether it is looked at for personal data: `policy.pii` says so, and rows leave their org.
    pub fn discloses(&self) -> bool {
        self.policy.pii != Pii::Ignore
            && (self.target.file.is_some() || self.source_connection != self.target.connection)
    }

    /// Whether a column is one that the file asks for: a query reads its cursor even when it does not select it.
    pub fn selects(&self, column: &FieldPath) -> bool {
        match &self.source {
            Source::Soql { query, .. } => query.select.iter().any(|item| item.name() == *column),
            Source::Object { .. } | Source::Http(_) | Source::File(_) => true,
        }
    }
}

/// Personal data that reaches the target unmasked, as the files alone tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal {
    /// By the value, or the field of `copy`, that stands here.
    Line(Span),
    /// This field, by `copy: all`.
    Copied(String),
}
