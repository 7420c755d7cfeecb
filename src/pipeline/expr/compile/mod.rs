//! From minijinja's syntax tree to ours: names become columns, and what the language does not have is refused.

mod calls;
mod names;
mod template;

use std::ops::Range;

use minijinja::{
    machinery::ast::{self, BinOpKind, CompareOpKind, UnaryOpKind},
    value::ValueKind,
};

use super::{
    Expr, Fault, FaultKind, Scope,
    parse::{Parsed, parse, too_large},
    tree::{BinaryOp, CompareOp, Node},
};
use crate::record::{Number, Value};

/// Evaluation recurses as deep as the tree is.
const MAX_DEPTH: usize = 80;

pub(super) fn compile(source: &str, scope: &mut dyn Scope) -> Result<Expr, Vec<Fault>> {
    let parsed = parse(source).map_err(|fault| vec![fault])?;
    let mut compiler = Compiler {
        source,
        scope,
        faults: Vec::new(),
        columns: Vec::new(),
        locals: Vec::new(),
        slots: 0,
        loop_slot: None,
        reads_row: false,
        depth: 0,
        item: false,
        place: false,
        outside: false,
        template: matches!(parsed, Parsed::Template(_)),
    };
    let node = match &parsed {
        Parsed::Expression(expr) => compiler.expr(expr),
        Parsed::Template(ast::Stmt::Template(template)) => match template.children.as_slice() {
            [ast::Stmt::EmitExpr(lone)] => compiler.expr(&lone.expr),
            children => Node::Template(compiler.block(children)),
        },
        Parsed::Template(other) => Node::Template(compiler.block(std::slice::from_ref(other))),
    };
    let node = match node {
        // A `''` on its own is null.
        Node::Const(Value::Text(text)) if text.is_empty() => Node::Const(Value::Null),
        node => node,
    };
    let template = compiler.template;
    let Compiler {
        mut faults,
        mut columns,
        slots,
        item,
        place,
        outside,
        ..
    } = compiler;
    if !faults.is_empty() {
        faults.sort_by_key(|fault| fault.range.start);
        return Err(faults);
    }
    columns.sort_unstable();
    columns.dedup();
    Ok(Expr {
        node,
        columns,
        slots,
        template,
        item,
        place,
        outside,
        span: None,
        source: source.into(),
    })
}

/// A name of `set` or `for`.
struct Local<'s> {
    name: &'s str,
    slot: usize,
    /// Whether its value came from the row.
    reads_row: bool,
}

pub(super) struct Compiler<'s, 'c> {
    source: &'s str,
    scope: &'c mut dyn Scope,
    faults: Vec<Fault>,
    columns: Vec<usize>,
    locals: Vec<Local<'s>>,
    slots: usize,
    loop_slot: Option<usize>,
    /// Set by whatever reads the row; see [`Compiler::watching`].
    reads_row: bool,
    depth: usize,
    /// Set by whatever reads the entry of `each`.
    item: bool,
    /// Set by whatever reads its place.
    place: bool,
    /// Set by whatever reads a var or the run.
    outside: bool,
    template: bool,
}

/// One step of `a.b[c]`.
enum Step<'t, 's> {
    Name(&'s str),
    Index(&'t ast::Expr<'s>),
}

impl<'s> Compiler<'s, '_> {
    fn fault(
        &mut self,
        kind: FaultKind,
        range: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) -> Node {
        let fault = Fault {
            range,
            kind,
            message: message.into(),
            label: label.into(),
            help,
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        Node::Const(Value::Null)
    }

    /// Where a name of the tree stands: the parser's names are pieces of the source.
    fn place(&self, name: &str) -> Range<usize> {
        let start = (name.as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize);
        if self.source.get(start..start + name.len()) == Some(name) {
            start..start + name.len()
        } else {
            0..self.source.len()
        }
    }

    /// The bytes of an expression, without the parentheses around it. The parser's own spans begin too early in
    /// comparisons and too late in long paths, so they are put together from the leaves.
    fn range(&self, expr: &ast::Expr<'s>) -> Range<usize> {
        let own = expr.span();
        let end = (own.end_offset as usize).min(self.source.len());
        let mut leftmost = expr;
        loop {
            leftmost = match leftmost {
                ast::Expr::Slice(e) => &e.expr,
                ast::Expr::BinOp(e) => &e.left,
                ast::Expr::Compare(e) => &e.expr,
                ast::Expr::IfExpr(e) => &e.true_expr,
                ast::Expr::Filter(e) => match &e.expr {
                    Some(input) => input,
                    None => break,
                },
                ast::Expr::Test(e) => &e.expr,
                ast::Expr::GetAttr(e) => &e.expr,
                ast::Expr::GetItem(e) => &e.expr,
                ast::Expr::Call(e) => &e.expr,
                _ => break,
            };
        }
        let start = match leftmost {
            ast::Expr::Var(var) => self.place(var.id).start,
            other => other.span().start_offset as usize,
        };
        start.min(end)..end
    }

    /// Compiles something and tells whether it reads the row.
    fn watching<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = std::mem::replace(&mut self.reads_row, false);
        let done = work(self);
        let reads = std::mem::replace(&mut self.reads_row, before);
        self.reads_row |= reads;
        (done, reads)
    }

    fn boxed(&mut self, expr: &ast::Expr<'s>) -> Box<Node> {
        Box::new(self.expr(expr))
    }

    fn expr(&mut self, expr: &ast::Expr<'s>) -> Node {
        self.depth += 1;
        let node = if self.depth > MAX_DEPTH {
            let range = self.range(expr);
            self.faults.push(too_large(range, "nested too deeply".into()));
            Node::Const(Value::Null)
        } else {
            self.expr_within(expr)
        };
        self.depth -= 1;
        node
    }

    fn expr_within(&mut self, expr: &ast::Expr<'s>) -> Node {
        match expr {
            ast::Expr::Var(_) | ast::Expr::GetAttr(_) | ast::Expr::GetItem(_) => self.path(expr),
            ast::Expr::Const(constant) => self.constant(constant),
            ast::Expr::Slice(slice) => {
                let node = self.expr(&slice.expr);
                let parts =
                    [&slice.start, &slice.stop, &slice.step].map(|part| part.as_ref().map(|e| self.expr(e)));
                Node::Slice(Box::new((node, parts)))
            }
            ast::Expr::UnaryOp(op) => match op.op {
                // The parser writes `a not in b` as `not (a in b)`; both mean the same.
                UnaryOpKind::Not => Node::Not(self.boxed(&op.expr)),
                UnaryOpKind::Neg => match self.expr(&op.expr) {
                    Node::Const(Value::Number(number)) => Node::Const(Value::Number(negated(&number))),
                    node => Node::Neg(Box::new(node)),
                },
            },
            ast::Expr::BinOp(_) => self.chain(expr),
            ast::Expr::Compare(compare) => {
                let first = self.boxed(&compare.expr);
                let rest = compare
                    .ops
                    .iter()
                    .map(|op| (comparison(op.op), self.expr(&op.expr)))
                    .collect();
                Node::Compare(first, rest)
            }
            ast::Expr::IfExpr(cond) => {
                let test = self.expr(&cond.test_expr);
                let then = self.expr(&cond.true_expr);
                let otherwise = cond.false_expr.as_ref().map(|e| self.expr(e));
                Node::If(Box::new((test, then, otherwise)))
            }
            ast::Expr::Filter(filter) => match &filter.expr {
                Some(input) => {
                    let input = self.expr(input);
                    self.filter(input, filter.name, &filter.args)
                }
                None => Node::Const(Value::Null),
            },
            ast::Expr::Test(call) => {
                let input = self.boxed(&call.expr);
                match self.test_call(call.name, &call.args) {
                    Some(test) => Node::Test(input, test),
                    None => Node::Const(Value::Null),
                }
            }
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::List(list) => Node::List(list.items.iter().map(|e| self.expr(e)).collect()),
            ast::Expr::Tuple(tuple) => Node::List(tuple.items.iter().map(|e| self.expr(e)).collect()),
            ast::Expr::Map(map) => Node::Map(
                map.keys
                    .iter()
                    .zip(&map.values)
                    .map(|(key, value)| (self.expr(key), self.expr(value)))
                    .collect(),
            ),
        }
    }

    /// `a + b - c` leans to the left in the parser's tree; here it becomes a list.
    fn chain(&mut self, expr: &ast::Expr<'s>) -> Node {
        let mut rest = Vec::new();
        let mut first = expr;
        while let ast::Expr::BinOp(op) = first {
            rest.push((binary(op.op), &op.right));
            first = &op.left;
        }
        rest.reverse();
        let first = self.boxed(first);
        Node::Chain(
            first,
            rest.into_iter()
                .map(|(op, right)| (op, self.expr(right)))
                .collect(),
        )
    }

    fn constant(&mut self, constant: &ast::Spanned<ast::Const>) -> Node {
        let value = &constant.value;
        match value.kind() {
            ValueKind::Bool => Node::Const(Value::Bool(value.is_true())),
            ValueKind::Number => {
                // The parser read `0.1` as a binary float: take the digits from the source.
                let span = constant.span();
                let range = span.start_offset as usize..span.end_offset as usize;
                let digits = self
                    .source
                    .get(range.clone())
                    .unwrap_or_default()
                    .replace('_', "");
                let decimal = Number::canonical(&digits).or_else(|_| Number::canonical(&value.to_string()));
                match decimal {
                    Ok(number) => Node::Const(Value::Number(number)),
                    Err(_) => self.fault(
                        FaultKind::Syntax,
                        range,
                        format!("`{digits}` is not a number"),
                        "not understood",
                        None,
                    ),
                }
            }
            ValueKind::String => Node::Const(Value::Text(value.as_str().unwrap_or_default().into())),
            _ => Node::Const(Value::Null),
        }
    }
}

fn negated(number: &Number) -> Number {
    let text = match number.as_str().strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{number}"),
    };
    Number::canonical(&text).unwrap_or_else(|_| number.clone())
}

fn comparison(op: CompareOpKind) -> CompareOp {
    match op {
        CompareOpKind::Eq => CompareOp::Eq,
        CompareOpKind::Ne => CompareOp::Ne,
        CompareOpKind::Lt => CompareOp::Lt,
        CompareOpKind::Lte => CompareOp::Le,
        CompareOpKind::Gt => CompareOp::Gt,
        CompareOpKind::Gte => CompareOp::Ge,
        CompareOpKind::In => CompareOp::In,
        CompareOpKind::NotIn => CompareOp::NotIn,
    }
}

fn binary(op: BinOpKind) -> BinaryOp {
    match op {
        BinOpKind::Eq => BinaryOp::Compare(CompareOp::Eq),
        BinOpKind::Ne => BinaryOp::Compare(CompareOp::Ne),
        BinOpKind::Lt => BinaryOp::Compare(CompareOp::Lt),
        BinOpKind::Lte => BinaryOp::Compare(CompareOp::Le),
        BinOpKind::Gt => BinaryOp::Compare(CompareOp::Gt),
        BinOpKind::Gte => BinaryOp::Compare(CompareOp::Ge),
        BinOpKind::In => BinaryOp::Compare(CompareOp::In),
        BinOpKind::ScAnd => BinaryOp::And,
        BinOpKind::ScOr => BinaryOp::Or,
        BinOpKind::Add => BinaryOp::Add,
        BinOpKind::Sub => BinaryOp::Sub,
        BinOpKind::Mul => BinaryOp::Mul,
        BinOpKind::Div => BinaryOp::Div,
        BinOpKind::FloorDiv => BinaryOp::FloorDiv,
        BinOpKind::Rem => BinaryOp::Rem,
        BinOpKind::Pow => BinaryOp::Pow,
        BinOpKind::Concat => BinaryOp::Concat,
    }
}
