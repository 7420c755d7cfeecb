//! What will be done, decided before anything is written.
//!
//! [`gather()`] asks the orgs for their describes and row counts; [`build()`] decides, as a pure function: columns,
//! queries, order, passes, REST or Bulk. What an org's answer proves wrong becomes a finding that points into the
//! user's file, exactly as the offline checks do.

mod build;
mod by_ids;
mod calls;
mod checks;
mod copied;
mod cursor;
mod distinct;
mod drift;
mod fields;
mod files;
mod gather;
mod keys;
mod lock;
mod lookups;
mod order;
mod personal;
mod query;
mod schemas;
mod steps;
mod types;
mod unfit;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use compact_str::CompactString;

pub use build::{build, check};
pub use calls::{Calls, calls};
pub use checks::{PlanCheck, PlanCheckKind, Reconcile};
pub use cursor::{Cursor, CursorKind};
pub use drift::drift;
pub use files::survey_files;
pub use gather::{GatherError, Orgs, gather, gather_into, totals};
pub use lock::{Lock, LockError};
pub use query::bind_condition;
pub use schemas::Schemas;

use crate::{
    file::{Format, Place},
    pipeline::{
        expr::Expr,
        model::{Api, AssignmentRule, Chunk, Each, HttpSource, MapValue, Operation, Policy},
    },
    record::FieldPath,
    salesforce::FieldType,
    transform::{Mapping, Shape},
};

/// Below this many rows REST query pages are read, from it on a Bulk 2.0 query job: five pages cost about what a
/// job costs with its polling.
pub const READ_BULK_FROM: u64 = 10_000;

/// Below this many rows sObject collections are written, from it on Bulk 2.0 ingest jobs: ten calls of 200 rows cost
/// what a job costs. (Salesforce advises the same figure.)
pub const WRITE_BULK_FROM: u64 = 2_000;

/// REST or Bulk 2.0, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Road {
    /// Query pages, sObject collections.
    Rest,
    /// Bulk 2.0 jobs.
    Bulk,
    /// A JSON API, page by page.
    Http,
    /// A file, line by line.
    File,
}

/// The column of a file's rows that holds the line on which each begins.
pub const LINE: &str = "orgferry_line";

/// Bytes of a query in a URI, of which an org takes 16,384 in all.
const LONGEST_REST_QUERY: usize = 15_000;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps, each behind those that it waits for.
    pub steps: Vec<PlanStep>,
}

/// A step, decided.
#[derive(Clone, Debug)]
pub struct PlanStep {
    /// Its index in the pipeline.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Indexes in [`Plan::steps`] of the steps that end before it begins.
    pub after: BTreeSet<usize>,
    /// How it is read.
    pub read: Read,
    /// How rows become rows.
    pub mapping: Mapping,
    /// What tells rows apart.
    pub row_id: RowIdPlan,
    /// What makes several rows of one; each has its entry and place behind the columns.
    pub each: Option<Each>,
    /// How it is written.
    pub write: Write,
    /// The policy in force.
    pub policy: Policy,
    /// What must hold of rows and of the whole, in the file's order.
    pub checks: Vec<PlanCheck>,
    /// Indexes in [`Plan::steps`] of the steps whose first pass ends before this one's second pass begins; empty when
    /// there is no second pass.
    pub second_pass_after: BTreeSet<usize>,
    /// Where refs to this step's rows are asked from the target when state does not know them: the key field, where
    /// the key is the row id alone.
    pub found_by: Option<String>,
    /// Index in [`Plan::steps`] of the step whose deleted rows this one follows.
    pub deletes_of: Option<usize>,
    /// The target's active record types, by developer name in lower case.
    pub record_types: Arc<HashMap<String, CompactString>>,
}

/// How a step is read.
#[derive(Clone, Debug)]
pub struct Read {
    /// The named credential.
    pub connection: String,
    /// The sobject or address, for people.
    pub source: String,
    /// The columns of its rows.
    pub columns: Arc<[FieldPath]>,
    /// Their types, where a describe tells; [`FieldType::String`] else.
    pub types: Vec<FieldType>,
    /// From where.
    pub from: ReadFrom,
    /// Where an incremental step begins.
    pub cursor: Option<Cursor>,
    /// How many rows there are, where it could be asked.
    pub total: Option<u64>,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum ReadFrom {
    /// A query, all vars bound.
    Query {
        /// SOQL.
        soql: String,
        /// The same before a cursor narrows it.
        whole: String,
        /// Whether deleted and archived rows are read too.
        all: bool,
        /// How it is cut into pieces.
        chunk: Chunk,
        /// The same with its rows in the order of their Ids, where nothing else limits or orders them: for REST, whose
        /// cursors can die. (On Bulk an ORDER BY switches off the org's own chunking.)
        ordered: Option<String>,
        /// The query that counts its rows, where there is one.
        count: Option<String>,
        /// Its LIMIT.
        most: Option<u64>,
        /// Whether Bulk 2.0 can run it.
        bulk_can: bool,
        /// What the file asks for.
        api: Api,
        /// REST or Bulk, decided by [`Plan::choose_roads`].
        road: Road,
    },
    /// A JSON API.
    Http {
        /// Where.
        source: HttpSource,
        /// Index of the column that takes the whole record.
        whole_row: Option<usize>,
    },
    /// A file.
    File {
        /// Which.
        file: RowsFile,
        /// Index of the column that takes the whole row.
        whole_row: Option<usize>,
        /// Index of the column that takes the line.
        line: usize,
    },
}

/// A file of rows, its path settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsFile {
    /// Where it is.
    pub place: Place,
    /// How it holds its rows.
    pub format: Format,
}

/// What tells rows apart, decided.
#[derive(Clone, Debug)]
pub enum RowIdPlan {
    /// A value of the row.
    Expr(Expr),
    /// The mapped value of the key.
    Key,
    /// A column where the row has it, else the mapped value of the key.
    ColumnOrKey(usize),
}

/// How a step is written.
#[derive(Clone, Debug)]
pub struct Write {
    /// The file, when rows go to one.
    pub file: Option<RowsFile>,
    /// The named credential; of a file's, the one that lookups ask, which may be none (empty).
    pub connection: String,
    /// The sobject's name as the org writes it; a file's path.
    pub object: String,
    /// What is done.
    pub operation: Operation,
    /// What tells target records apart.
    pub key: Option<TargetKey>,
    /// The fields, in the order of [`Mapping::fields`].
    pub fields: Vec<TargetField>,
    /// What the file asks for.
    pub api: Api,
    /// REST or Bulk, decided by [`Plan::choose_roads`].
    pub road: Road,
    /// Rows a request or a job, where the file says so.
    pub batch: Option<usize>,
    /// Requests or jobs side by side, where the file says so.
    pub parallel: Option<usize>,
    /// Whether the target is asked by key before rows are written: the operation, the key or a field that is written
    /// only on create needs to know which records exist.
    pub look_first: bool,
    /// Whether rows that the target has already are left alone (`policy.compare: target`).
    pub compare: bool,
    /// Whether rows that were last sent alike are not sent again (`policy.compare: sent`).
    pub compare_sent: bool,
    /// Which assignment rule runs.
    pub assignment_rule: AssignmentRule,
    /// Whether records are saved although a duplicate rule warns.
    pub allow_duplicates: bool,
    /// The field (index in [`Write::fields`]) whose equal values travel in one batch.
    pub group: Option<usize>,
    /// The first three characters of the object's Ids, where it has its own.
    pub prefix: Option<CompactString>,
    /// What tells person accounts from business accounts, where the target has both.
    pub persons: Option<Persons>,
}

/// The key of a target.
#[derive(Clone, Debug)]
pub struct TargetKey {
    /// Its fields, in the file's order.
    pub fields: Vec<KeyField>,
    /// Whether it is `Id`.
    pub is_id: bool,
    /// Whether the org itself finds records by it in an upsert: one external id or idLookup field.
    pub native: bool,
    /// Whether its values come back from a Bulk job as they went, those of new records too: text does, numbers and
    /// dates do not, and fields that cannot be written never go.
    pub travels: bool,
    /// Whether the source has no two rows of one key, so that nobody need look for them.
    pub distinct: bool,
}

/// A field of a key.
#[derive(Clone, Debug)]
pub struct KeyField {
    /// The field's name as the org writes it.
    pub field: String,
    /// Its index in [`Write::fields`].
    pub at: usize,
    /// Whether values that differ in case only are two values.
    pub case_sensitive: bool,
    /// Whether a new record can be given its key. Auto numbers and the like are only matched.
    pub createable: bool,
    /// Whether a record may have none.
    pub nillable: bool,
}

impl TargetKey {
    /// Whether the field at this index of [`Write::fields`] is part of it.
    pub fn has(&self, at: usize) -> bool {
        self.fields.iter().any(|field| field.at == at)
    }

    /// The names of its fields: `Pricebook2Id, Product2Id`.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.fields.iter().map(|f| f.field.as_str()).collect();
        names.join(", ")
    }
}

/// Person accounts and business accounts in one object: each takes fields that the other refuses.
#[derive(Clone, Debug, Default)]
pub struct Persons {
    /// The source column that says which a row is.
    pub column: Option<usize>,
    /// The field (index in [`Write::fields`]) that only persons have a value for.
    pub last_name: Option<usize>,
    /// Fields of business accounts alone: `Name`.
    pub business: Vec<usize>,
    /// Fields of person accounts alone.
    pub personal: Vec<usize>,
}

/// A field of the target.
#[derive(Clone, Debug)]
pub struct TargetField {
    /// Its API name; for a relationship path, the lookup field behind it (`AccountId`).
    pub name: String,
    /// The relationship path, when the org is to find the parent by an external id.
    pub parent: Option<ParentPath>,
    /// What it takes.
    pub shape: Shape,
    /// Whether it may be sent when a record is created.
    pub createable: bool,
    /// Whether it may be sent when a record is updated.
    pub updateable: bool,
    /// What a null does to it.
    pub null: NullRule,
    /// Whether it is a file's body: the row then holds the path that the source org gives for its bytes.
    pub body: bool,
}

/// A parent found by its external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentPath {
    /// `Account`, `Parent__r`.
    pub relationship: String,
    /// The parent's field.
    pub field: String,
    /// The parent's sobject, sent where the lookup may lead to several.
    pub polymorphic: Option<String>,
}

/// What a null does to a target field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullRule {
    /// It can be emptied.
    Clears,
    /// Salesforce fills it itself (OwnerId, a checkbox): the field is left out.
    LeftOut,
    /// It is required: the row is parked.
    Parks,
}

/// A mapping value that copies a column.
pub(crate) fn column_value(column: usize) -> MapValue {
    MapValue::Expr(Expr::column(column))
}

impl Plan {
    /// Decides REST or Bulk for every step, by the rows that its source has. `totals` are in the order of the steps.
    pub fn choose_roads(&mut self, totals: &[Option<u64>]) {
        for (step, total) in self.steps.iter_mut().zip(totals) {
            step.read.total = *total;
            let rows = total.unwrap_or(0);
            if let ReadFrom::Query {
                bulk_can,
                api,
                road,
                soql,
                ..
            } = &mut step.read.from
            {
                // A query beyond a URI's length can travel in a job's body only.
                let long = percent_encoding::utf8_percent_encode(soql, percent_encoding::NON_ALPHANUMERIC)
                    .map(str::len)
                    .sum::<usize>()
                    > LONGEST_REST_QUERY;
                *road = match api {
                    Api::Rest => Road::Rest,
                    Api::Bulk => Road::Bulk,
                    Api::Auto if *bulk_can && (long || rows >= READ_BULK_FROM) => Road::Bulk,
                    Api::Auto => Road::Rest,
                };
            }
            if step.write.file.is_some() {
                step.write.road = Road::File;
                continue;
            }
            step.write.road = match step.write.api {
                _ if step.write.operation == Operation::HardDelete => Road::Bulk,
                _ if step.write.operation == Operation::Match => Road::Rest,
                Api::Rest => Road::Rest,
                Api::Bulk => Road::Bulk,
                Api::Auto if step.write.bulk_can() && rows >= WRITE_BULK_FROM => Road::Bulk,
                Api::Auto => Road::Rest,
            };
        }
    }
}

impl Write {
    /// The field that is a file's body.
    pub fn body(&self) -> Option<usize> {
        self.fields.iter().position(|field| field.body)
    }

    /// Whether results of a Bulk job can be paired with their rows: by a key that travels, or by the record's Id. New
    /// records without such a key go by REST even then.
    pub fn bulk_can(&self) -> bool {
        // Neither an org's active rule nor bodies can travel in a job.
        if self.assignment_rule == AssignmentRule::Default || self.body().is_some() {
            return false;
        }
        match (&self.key, self.operation) {
            (None, _) | (_, Operation::Match) => false,
            (Some(key), Operation::Upsert) => key.travels || key.is_id,
            (Some(key), Operation::Insert) => key.travels,
            (Some(_), Operation::Update | Operation::Delete | Operation::HardDelete) => true,
        }
    }
}
