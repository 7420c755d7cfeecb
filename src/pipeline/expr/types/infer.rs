//! The walk over an expression that finds what comes out of it, and what in it cannot be.

use super::{
    super::{
        filters::FilterCall,
        test::Test,
        tree::{BinaryOp, EachCall, Node, RunField, Stmt},
    },
    Clash, Known, Type, TypeKind, Written, characters,
    clash::{Clashes, Side},
};
use crate::record::Value;

pub(super) struct Infer<'a> {
    known: &'a dyn Known,
    /// By slot.
    locals: Vec<Type>,
    clashes: Clashes,
}

impl<'a> Infer<'a> {
    pub(super) fn new(known: &'a dyn Known, slots: usize) -> Self {
        Infer {
            known,
            locals: vec![Type::default(); slots],
            clashes: Clashes::default(),
        }
    }

    pub(super) fn into_clashes(self) -> Vec<Clash> {
        self.clashes.found()
    }

    pub(super) fn node(&mut self, node: &Node) -> Type {
        match node {
            Node::Const(value) => Type::constant(value),
            Node::Column(column) => self.known.column(*column),
            Node::Var(name) => self.known.var(name),
            Node::Item => self.known.item(),
            Node::Run(RunField::StartedAt) => Type::of(TypeKind::DateTime),
            Node::Run(_) => Type::text(None),
            Node::ItemNumber => Type::number(None, Some(0)),
            Node::Local(slot) => self.locals.get(*slot).cloned().unwrap_or_default(),
            Node::Slice(parts) => {
                let sliced = self.node(&parts.0);
                self.slice(sliced, &parts.1)
            }
            Node::List(entries) => {
                let entries: Vec<Type> = entries.iter().map(|entry| self.node(entry)).collect();
                Type::list_of(entries.into_iter())
            }
            Node::Not(of) => {
                self.node(of);
                Type::of(TypeKind::Bool)
            }
            Node::Test(of, call) => {
                let tested = self.side(of);
                self.clashes.guarded |= matches!(
                    call.test,
                    Test::String
                        | Test::Number
                        | Test::Integer
                        | Test::Float
                        | Test::Boolean
                        | Test::List
                        | Test::Mapping
                        | Test::Iterable
                );
                if let Some(argument) = &call.argument {
                    let argument = self.side(argument);
                    if let Test::Compare(op) = call.test {
                        self.clashes.compared(op, &tested, &argument);
                    }
                }
                Type::of(TypeKind::Bool)
            }
            Node::Compare(first, rest) => {
                let mut left = self.side(first);
                for (op, right) in rest {
                    let right = self.side(right);
                    self.clashes.compared(*op, &left, &right);
                    left = right;
                }
                Type::of(TypeKind::Bool)
            }
            Node::Neg(of) => {
                let of = self.side(of);
                self.clashes.negated(&of);
                Type::number(of.given.whole, of.given.scale)
            }
            Node::Chain(first, rest) => {
                let mut left = self.side(first);
                for (op, right) in rest {
                    let right = self.side(right);
                    self.clashes.joined(*op, &left, &right);
                    left = Side::made(chained(left.given, *op, right.given));
                }
                left.given
            }
            Node::If(parts) => {
                self.node(&parts.0);
                let then = self.node(&parts.1);
                match &parts.2 {
                    Some(otherwise) => then.or(self.node(otherwise)),
                    None => then,
                }
            }
            Node::Filter(input, call) => {
                let input = self.side(input);
                self.clashes.filtered(call.filter.name, &input);
                self.filter(input.given, call)
            }
            Node::Each(parts) => {
                let list = self.side(&parts.0);
                self.clashes.listed(&list);
                let list = list.given;
                match &parts.1 {
                    EachCall::Select { .. } => list,
                    EachCall::Filter(call) => {
                        let entries = self.filter(list.entries(), call);
                        Type::list_of(std::iter::once(entries))
                    }
                    EachCall::Attribute(..) => Type::of(TypeKind::List),
                }
            }
            Node::Range(_) => Type::list_of(std::iter::once(Type::number(None, Some(0)))),
            Node::Template(statements) => self.template(statements),
            Node::Index(parts) => {
                let of = self.node(&parts.0);
                self.node(&parts.1);
                of.some_entry()
            }
            Node::Attr(..) | Node::Map(_) => Type::default(),
        }
    }

    /// What stands on one side of an operator.
    fn side(&mut self, node: &Node) -> Side {
        let given = self.node(node);
        match node {
            Node::Column(column) => Side {
                column: Some(*column),
                ..Side::made(given)
            },
            Node::Const(value) => Side {
                literal: Some(value.clone()),
                ..Side::made(given)
            },
            _ => Side::made(given),
        }
    }

    fn slice(&mut self, sliced: Type, parts: &[Option<Node>; 3]) -> Type {
        let bound = |at: usize| match &parts[at] {
            None => Some(None),
            Some(Node::Const(Value::Number(n))) => n.as_str().parse::<u32>().ok().map(Some),
            Some(_) => None,
        };
        if sliced.kind == TypeKind::List {
            return sliced;
        }
        let most = match (bound(0), bound(1), &parts[2]) {
            (Some(start), Some(Some(stop)), None) => Some(stop.saturating_sub(start.unwrap_or_default())),
            _ => None,
        };
        let all = sliced.longest();
        Type::text(match (all, most) {
            (Some(all), Some(most)) => Some(all.min(most)),
            (all, most) => most.or(all),
        })
    }

    fn filter(&mut self, input: Type, call: &FilterCall) -> Type {
        let constant = |slot: usize| match call.args.get(slot) {
            Some(Some(Node::Const(value))) => Some(value),
            _ => None,
        };
        let whole = |slot: usize| constant(slot)?.as_text()?.parse::<u32>().ok();
        let given = |slot: usize| call.args.get(slot).is_some_and(Option::is_some);
        let args: Vec<Option<Type>> = call
            .args
            .iter()
            .map(|arg| arg.as_ref().map(|arg| self.node(arg)))
            .collect();
        match call.filter.name {
            "decimal" | "round" => Type::number(
                // Rounding can add a digit: 9.99 becomes 10.0.
                input
                    .whole
                    .filter(|_| input.kind == TypeKind::Number)
                    .map(|whole| whole + 1),
                match (whole(0), given(0)) {
                    (Some(scale), _) => Some(scale),
                    (None, true) => None,
                    (None, false) if call.filter.name == "round" => Some(0),
                    (None, false) => input.scale.filter(|_| input.kind == TypeKind::Number),
                },
            ),
            "abs" => Type::number(input.whole, input.scale),
            "int" => Type::number(input.whole.filter(|_| input.kind == TypeKind::Number), Some(0)),
            "length" | "count" => Type::number(Some(10), Some(0)),
            "sum" | "float" => Type::of(TypeKind::Number),
            "date" => Type::of(TypeKind::Date),
            "datetime" => Type::of(TypeKind::DateTime),
            "bool" => Type::of(TypeKind::Bool),
            "id18" => match input.ids {
                Some(_) => input,
                None => Type::text(Some(18)),
            },
            "hash" => Type::text(Some(64)),
            "truncate" => {
                let most = whole(0);
                let all = input.longest();
                Type::text(match (all, most) {
                    (Some(all), Some(most)) => Some(all.min(most)),
                    (all, most) => most.or(all),
                })
            }
            "trim" if !given(0) => input.each(|text| text.trim().to_owned()),
            "upper" => input.each(str::to_uppercase),
            "lower" => input.each(str::to_lowercase),
            "title" | "capitalize" | "trim" => input.as_text(),
            "string" => input.as_text(),
            "replace" => {
                let shrinks = constant(0)
                    .map(characters)
                    .zip(constant(1).map(characters))
                    .is_some_and(|(from, to)| to <= from);
                Type::text(input.longest().filter(|_| shrinks))
            }
            "default" | "d" => match args.into_iter().next() {
                Some(Some(instead)) => input.or(instead),
                _ => input,
            },
            "split_multi" if input.kind == TypeKind::List => input,
            "split_multi" => Type {
                kind: TypeKind::List,
                entry: TypeKind::Text,
                length: input.read.as_ref().and_then(|read| {
                    let longest = read.iter().map(|value| value.chars().count()).max();
                    u32::try_from(longest.unwrap_or_default()).ok()
                }),
                written: input.written.iter().flat_map(parts_of).collect(),
                ..input
            },
            "join_multi" => Type {
                kind: TypeKind::Multi,
                entry: TypeKind::Any,
                length: None,
                joined: None,
                ..input
            },
            "join" => match constant(0).and_then(Value::as_text) {
                Some(";") => Type {
                    kind: TypeKind::Multi,
                    entry: TypeKind::Any,
                    length: None,
                    ..input
                },
                between => Type {
                    joined: between.map(str::to_owned),
                    ..Type::text(None)
                },
            },
            // The parts of a text are no longer than the whole.
            "split" | "lines" => Type::list_of(std::iter::once(Type::text(
                input.longest().filter(|_| input.kind != TypeKind::List),
            ))),
            "items" => Type::of(TypeKind::List),
            "list" if input.kind != TypeKind::List => Type::of(TypeKind::List),
            "list" | "unique" | "sort" => input,
            "first" | "last" if input.kind != TypeKind::List => match input.kind {
                TypeKind::Any => Type::default(),
                _ => Type::text(Some(1)),
            },
            "first" | "last" | "min" | "max" => input.some_entry(),
            "reverse" if input.kind == TypeKind::List => input,
            "reverse" => input.as_text(),
            "indent" | "tojson" | "urlencode" => Type::text(None),
            // Whatever is newer than this table.
            _ => Type::default(),
        }
    }

    /// A template: text, whose parts add up.
    fn template(&mut self, statements: &[Stmt]) -> Type {
        if let [Stmt::Text(text)] = statements {
            return Type::constant(&Value::text(&**text));
        }
        Type::text(self.block(statements))
    }

    fn block(&mut self, statements: &[Stmt]) -> Option<u32> {
        let mut length = Some(0_u32);
        for statement in statements {
            let more = match statement {
                Stmt::Text(text) => Some(u32::try_from(text.chars().count()).unwrap_or(u32::MAX)),
                Stmt::Print { node, .. } => self.node(node).longest(),
                Stmt::If {
                    test,
                    then,
                    otherwise,
                } => {
                    self.node(test);
                    let then = self.block(then);
                    let otherwise = self.block(otherwise);
                    then.zip(otherwise).map(|(a, b)| a.max(b))
                }
                Stmt::Set(slot, node) => {
                    let value = self.node(node);
                    self.set(*slot, value);
                    Some(0)
                }
                Stmt::Capture(slot, body) => {
                    let captured = Type::text(self.block(body));
                    self.set(*slot, captured);
                    Some(0)
                }
                Stmt::For(parts) => {
                    self.node(&parts.list);
                    if let Some(filter) = &parts.filter {
                        self.node(filter);
                    }
                    self.block(&parts.body);
                    self.block(&parts.otherwise);
                    None
                }
            };
            length = length.zip(more).map(|(a, b)| a.saturating_add(b));
        }
        length
    }

    fn set(&mut self, slot: usize, value: Type) {
        if let Some(local) = self.locals.get_mut(slot) {
            // Set in one branch and again in another: either may be what is printed.
            *local = match std::mem::take(local) {
                unset if unset == Type::default() => value,
                before => before.or(value),
            };
        }
    }
}

fn chained(left: Type, op: BinaryOp, right: Type) -> Type {
    let both = |a: Option<u32>, b: Option<u32>, join: fn(u32, u32) -> u32| a.zip(b).map(|(a, b)| join(a, b));
    match op {
        BinaryOp::Compare(_) => Type::of(TypeKind::Bool),
        BinaryOp::And | BinaryOp::Or => left.or(right),
        BinaryOp::Concat => Type::text(both(left.longest(), right.longest(), u32::saturating_add)),
        BinaryOp::Add if left.kind == TypeKind::List && right.kind == TypeKind::List => left.or(right),
        BinaryOp::Add | BinaryOp::Sub => {
            if left.kind == TypeKind::List || right.kind == TypeKind::List {
                return Type::of(TypeKind::List);
            }
            let (left, right) = (digits(&left), digits(&right));
            Type::number(
                both(left.0, right.0, |a, b| a.max(b) + 1),
                both(left.1, right.1, u32::max),
            )
        }
        BinaryOp::Mul => {
            let (left, right) = (digits(&left), digits(&right));
            Type::number(
                both(left.0, right.0, |a, b| a + b),
                both(left.1, right.1, |a, b| a + b),
            )
        }
        // A quotient may have as many digits as a number can.
        BinaryOp::Div => Type::number(None, Some(28)),
        BinaryOp::FloorDiv => Type::number(digits(&left).0, Some(0)),
        BinaryOp::Rem => Type::number(
            digits(&right).0,
            both(digits(&left).1, digits(&right).1, u32::max),
        ),
        BinaryOp::Pow => Type::of(TypeKind::Number),
    }
}

/// Digits before and behind the point.
fn digits(of: &Type) -> (Option<u32>, Option<u32>) {
    if of.kind != TypeKind::Number {
        return (None, None);
    }
    let written = |part: fn(&str) -> usize| {
        let most = of.written.iter().filter_map(Written::as_text).map(part).max();
        u32::try_from(most.unwrap_or_default()).unwrap_or(u32::MAX)
    };
    let whole = written(|text| {
        text.split('.')
            .next()
            .map_or(0, |w| w.trim_start_matches('-').len())
    });
    let scale = written(|text| text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
    (of.whole.map(|n| n.max(whole)), of.scale.map(|n| n.max(scale)))
}

/// The values of a multi-select text.
fn parts_of(written: &Written) -> Vec<Written> {
    let Some(text) = written.as_text() else {
        return vec![written.clone()];
    };
    text.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| Written {
            value: Value::text(part),
            var: written.var.clone(),
        })
        .collect()
}
