//! A statement as written, before its names mean anything.

#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) items: Vec<Item>,
    pub(super) from: Path,
    pub(super) alias: Option<String>,
    /// `FROM Contact c, c.Account a`: further names for parents.
    pub(super) aliases: Vec<(String, Path)>,
    pub(super) scope: Option<(String, usize)>,
    pub(super) filter: Option<Cond>,
    pub(super) group: Option<Group>,
    pub(super) having: Option<Cond>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
}

/// An entry of the SELECT list.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Expr(Expr, Option<String>),
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(String),
    Children(Box<Query>, usize),
    TypeOf(TypeOf),
}

/// `TYPEOF What WHEN Account THEN Phone ELSE Name END`.
#[derive(Debug, PartialEq)]
pub(super) struct TypeOf {
    pub(super) path: Path,
    pub(super) branches: Vec<(Path, Vec<Path>)>,
    pub(super) otherwise: Vec<Path>,
}

/// A field, or a function of fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Path(Path),
    Call(Call),
    /// An argument that is no field: a number or a text.
    Literal(Literal),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// In upper case.
    pub(super) name: String,
    pub(super) at: usize,
    pub(super) args: Vec<Expr>,
}

impl Expr {
    pub(super) fn at(&self) -> usize {
        match self {
            Expr::Path(path) => path.at,
            Expr::Call(call) => call.at,
            Expr::Literal(_) => 0,
        }
    }

    /// The first field in it, for messages.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Expr::Path(path) => Some(path),
            Expr::Call(call) => call.args.iter().find_map(Expr::path),
            Expr::Literal(_) => None,
        }
    }
}

/// Names with dots, and where they start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) parts: Vec<String>,
    pub(super) at: usize,
}

impl Path {
    pub(super) fn text(&self) -> String {
        self.parts.join(".")
    }

    pub(super) fn last(&self) -> &str {
        self.parts.last().map(String::as_str).unwrap_or_default()
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Cond {
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    Compare(Expr, Op, Literal),
    In(Expr, bool, Vec<Literal>),
    /// A semi-join, or an anti-join.
    Semi(Expr, bool, Box<Query>),
    Like(Expr, String),
    Includes(Expr, bool, Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Op {
    pub(super) fn ordered(self) -> bool {
        !matches!(self, Op::Eq | Op::Ne)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    /// A number, date or datetime, as written.
    Plain(String),
    /// `USD5000`.
    Money(String, String),
    Bool(bool),
    Null,
    /// `LAST_N_DAYS:30`.
    Date(String, Option<i64>),
}

/// GROUP BY and how.
#[derive(Debug, PartialEq)]
pub(super) struct Group {
    pub(super) keys: Vec<Expr>,
    pub(super) subtotals: Subtotals,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subtotals {
    None,
    Rollup,
    Cube,
}

#[derive(Debug, PartialEq)]
pub(super) struct Order {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}
