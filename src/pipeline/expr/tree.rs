use super::{
    Kind,
    filters::{FilterCall, gives},
    test::TestCall,
};
use crate::record::Value;

/// An expression whose names are resolved.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A literal. An empty text here is a `''` of the source.
    Const(Value),
    /// A column of the row.
    Column(usize),
    /// `vars.x`.
    Var(Box<str>),
    /// `run.x`.
    Run(RunField),
    /// `item`.
    Item,
    /// `item_number`.
    ItemNumber,
    /// A name of `set` or `for`, or a part of `loop`.
    Local(usize),
    /// `.name` of an object.
    Attr(Box<Node>, Box<str>),
    /// `[index]`.
    Index(Box<(Node, Node)>),
    /// `[start:stop:step]`.
    Slice(Box<(Node, [Option<Node>; 3])>),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{'a': b}`.
    Map(Vec<(Node, Node)>),
    /// `not a`.
    Not(Box<Node>),
    /// `-a`.
    Neg(Box<Node>),
    /// `a + b - c`: operators applied from left to right, in a loop, so that a long chain needs no deep stack.
    Chain(Box<Node>, Vec<(BinaryOp, Node)>),
    /// `a < b <= c`.
    Compare(Box<Node>, Vec<(CompareOp, Node)>),
    /// `a if test else b`: test, a, b.
    If(Box<(Node, Node, Option<Node>)>),
    /// `a | filter`.
    Filter(Box<Node>, Box<FilterCall>),
    /// `a is test`.
    Test(Box<Node>, TestCall),
    /// `a | map(...)` and `a | select(...)` and their kin.
    Each(Box<(Node, EachCall)>),
    /// `range(...)`.
    Range(Vec<Node>),
    /// A template.
    Template(Vec<Stmt>),
}

/// A part of `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunField {
    Id,
    Pipeline,
    Env,
    StartedAt,
    From,
    To,
}

impl RunField {
    pub(super) const ALL: [(&'static str, RunField); 6] = [
        ("id", RunField::Id),
        ("pipeline", RunField::Pipeline),
        ("env", RunField::Env),
        ("started_at", RunField::StartedAt),
        ("from", RunField::From),
        ("to", RunField::To),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Concat,
    And,
    Or,
    Compare(CompareOp),
}

impl BinaryOp {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::FloorDiv => "//",
            BinaryOp::Rem => "%",
            BinaryOp::Pow => "**",
            BinaryOp::Concat => "~",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Compare(op) => op.symbol(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

impl CompareOp {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            CompareOp::Eq => "==",
            CompareOp::Ne => "!=",
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Gt => ">",
            CompareOp::Ge => ">=",
            CompareOp::In => "in",
            CompareOp::NotIn => "not in",
        }
    }
}

/// What is done with every entry of a list.
#[derive(Clone, Debug)]
pub(super) enum EachCall {
    /// `map(attribute='a.b', default=x)`.
    Attribute(Vec<Box<str>>, Option<Node>),
    /// `map('filter', ...)`.
    Filter(FilterCall),
    /// `select`, `reject`, `selectattr`, `rejectattr`.
    Select {
        keep: bool,
        attribute: Option<Vec<Box<str>>>,
        test: Option<TestCall>,
    },
}

/// A statement of a template.
#[derive(Clone, Debug)]
pub(super) enum Stmt {
    /// Text between the braces.
    Text(Box<str>),
    /// `{{ node }}`; whether it reads the row decides whether the template can be null.
    Print { node: Node, reads_row: bool },
    /// `{% if %}`.
    If {
        test: Node,
        then: Vec<Stmt>,
        otherwise: Vec<Stmt>,
    },
    /// `{% for %}`.
    For(Box<For>),
    /// `{% set x = node %}`.
    Set(usize, Node),
    /// `{% set x %}...{% endset %}`.
    Capture(usize, Vec<Stmt>),
}

#[derive(Clone, Debug)]
pub(super) struct For {
    /// Where the entry goes; several when it is taken apart.
    pub(super) targets: Vec<usize>,
    /// Where `loop.index` goes; the other parts follow.
    pub(super) loop_slot: usize,
    pub(super) list: Node,
    pub(super) filter: Option<Node>,
    pub(super) body: Vec<Stmt>,
    pub(super) otherwise: Vec<Stmt>,
}

/// The parts of `loop`, in the order of their slots.
pub(super) const LOOP_PARTS: [&str; 7] = [
    "index",
    "index0",
    "first",
    "last",
    "length",
    "revindex",
    "revindex0",
];

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Node::Const(value) => match value {
                Value::Bool(_) => Kind::Bool,
                Value::Number(_) => Kind::Number,
                Value::Text(_) => Kind::Text,
                Value::Null | Value::Json(_) => Kind::Any,
            },
            Node::Run(_) => Kind::Text,
            Node::ItemNumber | Node::Neg(_) => Kind::Number,
            Node::Not(_) | Node::Compare(..) | Node::Test(..) => Kind::Bool,
            Node::List(_) | Node::Range(_) | Node::Each(_) => Kind::List,
            Node::Chain(first, rest) => rest.iter().fold(first.kind(), |left, (op, right)| match op {
                BinaryOp::Compare(_) => Kind::Bool,
                BinaryOp::Concat => Kind::Text,
                BinaryOp::And | BinaryOp::Or => either(left, right.kind()),
                // Lists can be added, everything else is a number.
                BinaryOp::Add if !matches!(left, Kind::Number) => Kind::Any,
                _ => Kind::Number,
            }),
            Node::If(parts) => match &parts.2 {
                Some(otherwise) => either(parts.1.kind(), otherwise.kind()),
                None => parts.1.kind(),
            },
            Node::Filter(_, call) => gives(call),
            Node::Template(_) => Kind::Text,
            Node::Column(_)
            | Node::Var(_)
            | Node::Item
            | Node::Local(_)
            | Node::Attr(..)
            | Node::Index(_)
            | Node::Slice(_)
            | Node::Map(_) => Kind::Any,
        }
    }
}

fn either(left: Kind, right: Kind) -> Kind {
    if left == right { left } else { Kind::Any }
}
