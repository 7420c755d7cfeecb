//! The tests of `x is y`. Null passes none of them but `none`, `undefined`, `eq`, `ne` and `false`-like negations.

use super::{
    EvalError,
    ops::{absent, compare, decimal},
    tree::{CompareOp, Node},
};
use crate::record::Value;

/// A test with its argument.
#[derive(Clone, Debug)]
pub(super) struct TestCall {
    pub(super) test: Test,
    pub(super) argument: Option<Box<Node>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    None,
    Defined,
    String,
    Number,
    Integer,
    Float,
    Boolean,
    List,
    Mapping,
    Iterable,
    Odd,
    Even,
    True,
    False,
    Lower,
    Upper,
    DivisibleBy,
    StartingWith,
    EndingWith,
    Compare(CompareOp),
}

const TESTS: [(&str, Test); 31] = [
    ("none", Test::None),
    ("undefined", Test::None),
    ("defined", Test::Defined),
    ("string", Test::String),
    ("number", Test::Number),
    ("integer", Test::Integer),
    ("int", Test::Integer),
    ("float", Test::Float),
    ("boolean", Test::Boolean),
    ("sequence", Test::List),
    ("mapping", Test::Mapping),
    ("iterable", Test::Iterable),
    ("odd", Test::Odd),
    ("even", Test::Even),
    ("true", Test::True),
    ("false", Test::False),
    ("lower", Test::Lower),
    ("upper", Test::Upper),
    ("divisibleby", Test::DivisibleBy),
    ("startingwith", Test::StartingWith),
    ("endingwith", Test::EndingWith),
    ("eq", Test::Compare(CompareOp::Eq)),
    ("equalto", Test::Compare(CompareOp::Eq)),
    ("ne", Test::Compare(CompareOp::Ne)),
    ("lt", Test::Compare(CompareOp::Lt)),
    ("lessthan", Test::Compare(CompareOp::Lt)),
    ("le", Test::Compare(CompareOp::Le)),
    ("gt", Test::Compare(CompareOp::Gt)),
    ("greaterthan", Test::Compare(CompareOp::Gt)),
    ("ge", Test::Compare(CompareOp::Ge)),
    ("in", Test::Compare(CompareOp::In)),
];

/// The test of a name.
pub(super) fn find(name: &str) -> Option<Test> {
    TESTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, test)| *test)
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|(name, _)| *name)
}

impl Test {
    /// How many arguments it takes.
    pub(super) fn arguments(self) -> usize {
        usize::from(matches!(
            self,
            Test::DivisibleBy | Test::StartingWith | Test::EndingWith | Test::Compare(_)
        ))
    }

    fn name(self) -> &'static str {
        TESTS
            .iter()
            .find(|(_, test)| *test == self)
            .map_or("", |(name, _)| name)
    }
}

/// Whether a value passes.
pub(super) fn holds(test: Test, value: &Value, argument: Option<&Value>) -> Result<bool, EvalError> {
    match test {
        Test::None => return Ok(absent(value)),
        Test::Defined => return Ok(!absent(value)),
        Test::Compare(op) => return compare(op, value, argument.unwrap_or(&Value::Null)),
        _ if absent(value) => return Ok(false),
        _ => {}
    }
    let list = matches!(value, Value::Json(json) if json.is_array());
    let object = matches!(value, Value::Json(json) if json.is_object());
    Ok(match test {
        Test::String => matches!(value, Value::Text(_)),
        Test::Number => matches!(value, Value::Number(_)),
        Test::Integer => whole(value)?.is_some_and(|n| n.fract().is_zero()),
        Test::Float => whole(value)?.is_some_and(|n| !n.fract().is_zero()),
        Test::Boolean => matches!(value, Value::Bool(_)),
        Test::List => list,
        Test::Mapping => object,
        Test::Iterable => list || object,
        Test::True => *value == Value::Bool(true),
        Test::False => *value == Value::Bool(false),
        Test::Odd => number(test, value)? % rust_decimal::Decimal::TWO != rust_decimal::Decimal::ZERO,
        Test::Even => (number(test, value)? % rust_decimal::Decimal::TWO).is_zero(),
        Test::DivisibleBy => {
            let by = number(test, argument.unwrap_or(&Value::Null))?;
            let value = number(test, value)?;
            !by.is_zero() && value.checked_rem(by).is_some_and(|rest| rest.is_zero())
        }
        Test::Lower => text(test, value)?.chars().all(|c| !c.is_uppercase()),
        Test::Upper => text(test, value)?.chars().all(|c| !c.is_lowercase()),
        Test::StartingWith | Test::EndingWith => match argument {
            Some(argument) if !absent(argument) => {
                let (value, part) = (text(test, value)?, text(test, argument)?);
                if test == Test::StartingWith {
                    value.starts_with(part)
                } else {
                    value.ends_with(part)
                }
            }
            _ => false,
        },
        Test::None | Test::Defined | Test::Compare(_) => false,
    })
}

fn whole(value: &Value) -> Result<Option<rust_decimal::Decimal>, EvalError> {
    match value {
        Value::Number(n) => decimal(n).map(Some),
        _ => Ok(None),
    }
}

fn number(test: Test, value: &Value) -> Result<rust_decimal::Decimal, EvalError> {
    whole(value)?.ok_or(EvalError::TestInput {
        test: test.name(),
        wanted: "a number",
        found: value.kind(),
    })
}

fn text(test: Test, value: &Value) -> Result<&str, EvalError> {
    value.as_text().ok_or(EvalError::TestInput {
        test: test.name(),
        wanted: "a text",
        found: value.kind(),
    })
}
