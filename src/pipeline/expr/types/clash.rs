//! Operands that an operator or a filter never takes, whatever the row: a text beside `*`, a number compared with a text.
//!
//! Dates, times and Ids are texts here, as they are when expressions are evaluated. Null is no clash: it goes through.

use super::{
    super::tree::{BinaryOp, CompareOp},
    Type, TypeKind,
};
use crate::record::Value;

/// What can never work.
#[derive(Clone, Debug, PartialEq)]
pub struct Clash {
    /// The operator or filter: `*`, `round`.
    pub operator: &'static str,
    /// What stands on its left, or is filtered.
    pub left: Side,
    /// What stands on its right; `None`: a filter, or a sign.
    pub right: Option<Side>,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a clash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The row is parked, unless a side is null.
    Fails,
    /// The two are never one.
    Differs,
}

/// What stands beside an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// What is known of it.
    pub given: Type,
    /// The column that it is.
    pub column: Option<usize>,
    /// The literal that it is.
    pub literal: Option<Value>,
}

/// What values are when expressions are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Bool,
    Number,
    Text,
    List,
}

impl Side {
    pub(super) fn made(given: Type) -> Self {
        Side {
            given,
            column: None,
            literal: None,
        }
    }

    /// What it is for every row where it is not null; `None`: not known.
    fn class(&self) -> Option<Class> {
        // An empty text is null.
        if matches!(&self.literal, Some(Value::Text(text)) if text.is_empty()) {
            return None;
        }
        class(&self.given)
    }
}

fn class(of: &Type) -> Option<Class> {
    let class = match of.kind {
        TypeKind::Bool => Class::Bool,
        TypeKind::Number => Class::Number,
        TypeKind::Text
        | TypeKind::Multi
        | TypeKind::Date
        | TypeKind::DateTime
        | TypeKind::Time
        | TypeKind::Id => Class::Text,
        TypeKind::List => return Some(Class::List),
        TypeKind::Any | TypeKind::Null | TypeKind::Compound => return None,
    };
    // A literal beside what is read may be of another kind.
    let alike = of.written.iter().all(|written| {
        class
            == match written.value {
                Value::Bool(_) => Class::Bool,
                Value::Number(_) => Class::Number,
                Value::Text(_) => Class::Text,
                Value::Null | Value::Json(_) => return true,
            }
    });
    alike.then_some(class)
}

/// What is found on the way through an expression.
#[derive(Default)]
pub(super) struct Clashes {
    found: Vec<Clash>,
    /// Whether the expression asks for the type of a value.
    pub(super) guarded: bool,
}

impl Clashes {
    pub(super) fn found(self) -> Vec<Clash> {
        match self.guarded {
            true => Vec::new(),
            false => self.found,
        }
    }

    fn add(&mut self, operator: &'static str, left: &Side, right: Option<&Side>, outcome: Outcome) {
        let clash = Clash {
            operator,
            left: left.clone(),
            right: right.cloned(),
            outcome,
        };
        if !self.found.contains(&clash) {
            self.found.push(clash);
        }
    }

    /// `a + b` and its kin.
    pub(super) fn joined(&mut self, op: BinaryOp, left: &Side, right: &Side) {
        let (a, b) = (left.class(), right.class());
        let list = a == Some(Class::List) || b == Some(Class::List);
        let fails = match op {
            BinaryOp::Compare(op) => return self.compared(op, left, right),
            BinaryOp::And | BinaryOp::Or => false,
            BinaryOp::Concat => list,
            // Lists can be added to lists.
            BinaryOp::Add if list => [a, b].iter().flatten().any(|class| *class != Class::List),
            BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::FloorDiv
            | BinaryOp::Rem
            | BinaryOp::Pow => [a, b].iter().flatten().any(|class| *class != Class::Number),
        };
        if fails {
            self.add(op.symbol(), left, Some(right), Outcome::Fails);
        }
    }

    /// `a < b`, `a == b`, `a in b`.
    pub(super) fn compared(&mut self, op: CompareOp, left: &Side, right: &Side) {
        let (a, b) = (left.class(), right.class());
        let both = a.zip(b);
        let outcome = match op {
            CompareOp::Eq | CompareOp::Ne => both.filter(|(a, b)| a != b).map(|_| Outcome::Differs),
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                let ordered = |class: Class| matches!(class, Class::Number | Class::Text);
                let alone = [a, b].into_iter().flatten().any(|class| !ordered(class));
                (alone || both.is_some_and(|(a, b)| a != b)).then_some(Outcome::Fails)
            }
            CompareOp::In | CompareOp::NotIn => match (a, b) {
                (_, Some(Class::Number | Class::Bool)) => Some(Outcome::Fails),
                (Some(a), Some(Class::Text)) if a != Class::Text => Some(Outcome::Fails),
                (Some(a), Some(Class::List)) => {
                    let entries = class(&right.given.clone().entries());
                    entries.filter(|b| *b != a).map(|_| Outcome::Differs)
                }
                _ => None,
            },
        };
        if let Some(outcome) = outcome {
            self.add(op.symbol(), left, Some(right), outcome);
        }
    }

    /// `-a`.
    pub(super) fn negated(&mut self, of: &Side) {
        if of.class().is_some_and(|class| class != Class::Number) {
            self.add("-", of, None, Outcome::Fails);
        }
    }

    /// `a | filter`.
    pub(super) fn filtered(&mut self, filter: &'static str, input: &Side) {
        let Some(class) = input.class() else { return };
        let fails = match filter {
            "abs" | "round" => class != Class::Number,
            "join" | "unique" | "sort" | "min" | "max" | "sum" => class != Class::List,
            "upper" | "lower" | "trim" | "title" | "capitalize" | "replace" | "truncate" | "hash" => {
                class == Class::List
            }
            _ => false,
        };
        if fails {
            self.add(filter, input, None, Outcome::Fails);
        }
    }

    /// `a | map(...)`, `a | select(...)`.
    pub(super) fn listed(&mut self, input: &Side) {
        if input.class().is_some_and(|class| class != Class::List) {
            self.add("map", input, None, Outcome::Fails);
        }
    }
}
