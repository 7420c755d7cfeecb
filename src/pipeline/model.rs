//! The validated model of a pipeline: what a file means, with defaults filled in and names resolved.
//!
//! Made by `compile`, read by `plan` and `transform`. Spans are kept where an org's answer can still prove a
//! file wrong, so that such a finding points into the YAML too.

mod deletes;
mod mapping;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use deletes::Deletes;
pub use mapping::{FieldMap, Lookup, MapValue, Mask, Missing, Only, Table};

use super::{
    credentials::{Credentials, ValueRef},
    expr::Expr,
    soql::{Condition, Query},
};
use crate::{
    diag::Span,
    file::Format,
    record::{FieldPath, Number, Value},
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

/// A column of a step's rows.
#[derive(Clone, Debug)]
pub struct Column {
    /// The field that is read.
    pub path: FieldPath,
    /// Where it is first named.
    pub span: Span,
    /// Whether a file may do without it: `Id`, which tells rows apart where it is there.
    pub optional: bool,
}

/// A field that a condition or an order looks at.
#[derive(Clone, Debug)]
pub struct FieldUse {
    /// The field.
    pub path: FieldPath,
    /// Where it is named.
    pub span: Span,
    /// What for.
    pub role: FieldRole,
}

/// Personal data that reaches the target unmasked, as the files alone tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal {
    /// By the value, or the field of `copy`, that stands here.
    Line(Span),
    /// This field, by `copy: all`.
    Copied(String),
}

/// A semi-join of a condition: `Id IN (SELECT AccountId FROM Contact WHERE ...)`.
#[derive(Clone, Debug)]
pub struct SemiJoin {
    /// The field before IN, where it stands by itself.
    pub outer: Option<(FieldPath, Span)>,
    /// The object that is searched, and where it is named.
    pub object: (String, Span),
    /// The field that is selected, of that object.
    pub selected: (FieldPath, Span),
    /// The fields that its own condition looks at, of that object.
    pub fields: Vec<FieldUse>,
}

impl SemiJoin {
    /// Every field of its object that it names.
    pub fn inner(&self) -> impl Iterator<Item = (&FieldPath, &Span)> {
        let (path, span) = &self.selected;
        let fields = self.fields.iter().map(|used| (&used.path, &used.span));
        std::iter::once((path, span)).chain(fields)
    }
}

/// What a query looks at a field for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldRole {
    /// WHERE.
    Filter,
    /// ORDER BY.
    Order,
    /// GROUP BY.
    Group,
    /// WHERE of a semi-join: a field of another object than the row's.
    Joined,
}

/// The field that tells when a row last changed.
#[derive(Clone, Debug)]
pub struct CursorField {
    /// The field.
    pub field: FieldPath,
    /// Its column.
    pub column: usize,
    /// Where it is named.
    pub span: Span,
}

/// How a large query is cut into pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunk {
    /// The org decides.
    #[default]
    Auto,
    /// It is not cut: its rows come in the order of their Ids.
    Off,
    /// Queries of so many rows, one behind the other, in the order of Ids.
    Rows(u64),
}

/// What a step reads.
#[derive(Clone, Debug)]
pub enum Source {
    /// A SOQL query.
    Soql {
        /// As parsed.
        query: Query,
        /// Where the text stands.
        span: Span,
    },
    /// An sobject, its columns derived from the mapping.
    Object {
        /// The sobject.
        object: String,
        /// Where it is named.
        span: Span,
        /// `where`, with binds.
        condition: Option<Condition>,
        /// Where `where` stands.
        condition_span: Span,
        /// `order_by`, a SOQL ORDER BY list.
        order_by: Option<String>,
        /// `limit`.
        limit: Option<u64>,
    },
    /// A JSON API.
    Http(HttpSource),
    /// A file.
    File(RowsFile),
}

impl Source {
    /// The sobject that is read, if it is one.
    pub fn object(&self) -> Option<&str> {
        match self {
            Source::Soql { query, .. } => Some(&query.object),
            Source::Object { object, .. } => Some(object),
            Source::Http(_) | Source::File(_) => None,
        }
    }
}

/// A file of rows, on either side of a step.
#[derive(Clone, Debug)]
pub struct RowsFile {
    /// Where it is.
    pub path: FilePath,
    /// How it holds its rows.
    pub format: Format,
    /// Where the path stands.
    pub span: Span,
}

/// Where a file is, as far as the pipeline's file says.
#[derive(Clone, Debug)]
pub enum FilePath {
    /// `-`: standard input of a source, standard output of a target.
    Standard,
    /// A path, relative to the folder of the file that names it.
    Path {
        /// That folder.
        folder: PathBuf,
        /// When it is a template of `vars` and `run`.
        template: Option<Expr>,
        /// As typed.
        text: String,
    },
}

impl FilePath {
    /// As typed, for people.
    pub fn shown(&self) -> &str {
        match self {
            FilePath::Standard => "-",
            FilePath::Path { text, .. } => text,
        }
    }
}

/// A JSON API read page by page.
#[derive(Clone, Debug)]
pub struct HttpSource {
    /// The named credential in `callout:NAME/path`; of a plain address its server, `https://api.example.com`.
    pub credential: String,
    /// Whether the address is a plain one, which is called without credentials.
    pub plain: bool,
    /// The path after it, with its slash.
    pub path: String,
    /// The JSON that is sent, when it is a `post`. Values in it may be `{ "var": NAME }` and `{ "cursor": FIRST }`.
    pub body: Option<serde_json::Value>,
    /// Headers of the source's own; they hold no secret.
    pub headers: Vec<(String, String)>,
    /// Query parameters.
    pub query: Vec<(String, HttpParameter)>,
    /// JSONPath (RFC 9535) of the records in a page; `None`: the body is the list.
    pub records: Option<String>,
    /// How the next page is found.
    pub next: Option<NextPage>,
    /// The most pages.
    pub most_pages: usize,
    /// The most bytes of a page.
    pub page_bytes: usize,
    /// Where the address stands.
    pub span: Span,
}

impl HttpSource {
    /// Whether a parameter takes the cursor.
    pub fn asks_cursor(&self) -> bool {
        self.query
            .iter()
            .any(|(_, parameter)| matches!(parameter, HttpParameter::Cursor(_)))
    }
}

/// A query parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpParameter {
    /// As in the file.
    Value(Value),
    /// A var's value.
    Var(String),
    /// How far the last good run came; this value in the first run.
    Cursor(Value),
}

/// How the next page of a JSON API is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPage {
    /// The page holds its address, absolute or from the host's root, at this JSONPath.
    Url(String),
    /// The page holds a word at this JSONPath, which this parameter takes.
    Cursor {
        /// The JSONPath.
        path: String,
        /// The parameter.
        param: String,
    },
    /// This parameter takes the page's number.
    Page(String),
    /// This parameter takes the number of records to pass over.
    Offset {
        /// The parameter.
        param: String,
        /// How many records a page has.
        size: u64,
    },
    /// The `Link` header holds its address, under this relation.
    LinkHeader(String),
}

/// One row of every entry of a list.
#[derive(Clone, Debug)]
pub struct Each {
    /// The list.
    pub expr: Expr,
    /// Whether the row's id is the source row's with the entry's place behind it; not where `id` itself speaks of the
    /// entry.
    pub placed: bool,
}

/// What tells rows apart.
#[derive(Clone, Debug)]
pub enum RowId {
    /// A value of the row.
    Expr(Expr),
    /// The value of the target's key.
    Key,
    /// The column of `Id` where a JSON row has one, else the target's key.
    IdOrKey(usize),
}

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

/// `policy`, every key decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What an empty source value does to the target field.
    pub nulls: Nulls,
    /// Whether rows that the target has already are written again.
    pub compare: Compare,
    /// What a failed row does to the run.
    pub rows: RowErrors,
    /// More than this share of parked rows stops the run ...
    pub stop_failed_percent: f64,
    /// ... once at least this many rows of the step are done.
    pub stop_at_least: u64,
    /// How often a request is tried in all.
    pub attempts: u32,
    /// The first pause between tries.
    pub backoff_first: Duration,
    /// The longest pause between tries.
    pub backoff_cap: Duration,
    /// What a difference between the schema lock and an org does.
    pub drift: Drift,
    /// What personal data does that would reach the target unmasked.
    pub pii: Pii,
    /// How far behind the newest value of the last run the next one begins to read, where there is a cursor.
    pub overlap: Duration,
    /// More than this share of a step's records in the target that are to be deleted or marked, in percent, stops the
    /// run ...
    pub stop_deleted_percent: f64,
    /// ... when they are at least this many.
    pub stop_deleted_at_least: u64,
    /// How many API calls the run may make to each org. The same in every step.
    pub budget: Budget,
}

/// `policy.budget.daily_calls`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many percent of what the org has left when the run begins.
    Share(f64),
    /// So many calls.
    Calls(u64),
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            nulls: Nulls::Clear,
            compare: Compare::None,
            rows: RowErrors::Park,
            stop_failed_percent: 10.0,
            stop_at_least: 100,
            attempts: 5,
            pii: Pii::Ignore,
            backoff_first: Duration::from_secs(1),
            backoff_cap: Duration::from_secs(60),
            drift: Drift::default(),
            overlap: Duration::from_secs(300),
            stop_deleted_percent: 10.0,
            stop_deleted_at_least: 100,
            budget: Budget::Share(80.0),
        }
    }
}

/// `policy.drift`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// A field that the pipeline uses is gone, or takes less than it did.
    pub removed_field: OnDrift,
    /// An object has a field that the lock does not know.
    pub new_field: OnDrift,
    /// The values of a picklist that the pipeline uses have changed.
    pub picklist: OnDrift,
}

impl Default for Drift {
    fn default() -> Self {
        Drift {
            removed_field: OnDrift::Fail,
            new_field: OnDrift::Report,
            picklist: OnDrift::Fail,
        }
    }
}

/// What a difference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrift {
    /// It is an error: nothing is written.
    Fail,
    /// It is a warning.
    Report,
    /// Nothing is said.
    Ignore,
}

/// `policy.pii`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pii {
    /// It is refused.
    Refuse,
    /// It is a warning.
    Report,
    /// Nobody looks.
    Ignore,
}

/// `policy.nulls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// An empty source value empties the target field.
    Clear,
    /// It leaves the target field alone.
    Keep,
}

/// `policy.compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Every row is written.
    None,
    /// The target is read first, and only what differs is written.
    Target,
    /// What was last sent alike is not sent again.
    Sent,
}

/// `policy.errors.rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowErrors {
    /// A failed row is parked.
    Park,
    /// A failed row stops the run, exit 5.
    Stop,
}

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
