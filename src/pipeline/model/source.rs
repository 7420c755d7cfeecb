//! What a step reads.

use std::path::PathBuf;

use crate::{
    diag::Span,
    file::Format,
    pipeline::{
        expr::Expr,
        soql::{Condition, Query},
    },
    record::{FieldPath, Value},
};

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
