//! What operators mean between two values that are both there.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::{
    EvalError,
    error::article,
    tree::{BinaryOp, CompareOp},
};
use crate::record::{Number, Value};

/// Null, or the `''` of an expression.
pub(super) fn absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// Null, false, zero, and an empty list or object are not true.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number
            .as_str()
            .bytes()
            .take_while(|b| !matches!(b, b'e' | b'E'))
            .any(|b| matches!(b, b'1'..=b'9')),
        Value::Text(text) => !text.is_empty(),
        Value::Json(json) => match &**json {
            serde_json::Value::Array(list) => !list.is_empty(),
            serde_json::Value::Object(object) => !object.is_empty(),
            _ => true,
        },
    }
}

/// For arithmetic: every digit, or an error.
pub(super) fn decimal(number: &Number) -> Result<Decimal, EvalError> {
    Decimal::from_str_exact(number.as_str())
        .ok()
        .or_else(|| {
            let canonical = Number::canonical(number.as_str()).ok()?;
            Decimal::from_str_exact(canonical.as_str()).ok()
        })
        .ok_or_else(|| EvalError::NumberTooLong(super::error::shown(&Value::Number(number.clone()))))
}

/// `+ - * / // % **` of two values neither of which is null.
pub(super) fn arithmetic(op: BinaryOp, left: &Value, right: &Value) -> Result<Value, EvalError> {
    let (Value::Number(a), Value::Number(b)) = (left, right) else {
        return Err(EvalError::Operand {
            operator: op.symbol(),
            wanted: "numbers",
            found: format!("{} and {}", article(left.kind()), article(right.kind())),
        });
    };
    // Needless zeros would count as digits of the result.
    let (a, b) = (decimal(a)?.normalize(), decimal(b)?.normalize());
    let sign = op.symbol();
    let too_long = || EvalError::TooManyDigits(sign);
    let result = match op {
        BinaryOp::Add => exact(a.checked_add(b), a.scale().max(b.scale())),
        BinaryOp::Sub => exact(a.checked_sub(b), a.scale().max(b.scale())),
        BinaryOp::Mul => multiply(a, b),
        BinaryOp::Pow => power(a, b)?,
        BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Rem if b.is_zero() => {
            return Err(EvalError::DivisionByZero(sign));
        }
        BinaryOp::Div => a.checked_div(b),
        BinaryOp::FloorDiv | BinaryOp::Rem => {
            // Euclid's division: the remainder is never negative.
            let rest = a.checked_rem(b).ok_or_else(too_long)?;
            let rest = if rest.is_sign_negative() && !rest.is_zero() {
                rest.checked_add(b.abs()).ok_or_else(too_long)?
            } else {
                rest
            };
            if op == BinaryOp::Rem {
                Some(rest)
            } else {
                a.checked_sub(rest)
                    .and_then(|whole| whole.checked_div(b))
                    .map(|quotient| quotient.round())
            }
        }
        BinaryOp::Concat | BinaryOp::And | BinaryOp::Or | BinaryOp::Compare(_) => None,
    };
    result.map(|d| Value::Number(d.into())).ok_or_else(too_long)
}

/// The decimal type rounds when the digits do not fit, and then keeps fewer places than the exact result has.
fn exact(result: Option<Decimal>, places: u32) -> Option<Decimal> {
    result.filter(|r| r.scale() >= places || r.is_zero())
}

fn multiply(a: Decimal, b: Decimal) -> Option<Decimal> {
    if a.is_zero() || b.is_zero() {
        return Some(Decimal::ZERO);
    }
    exact(a.checked_mul(b), a.scale() + b.scale())
}

fn power(base: Decimal, exponent: Decimal) -> Result<Option<Decimal>, EvalError> {
    let wrong = || EvalError::Operand {
        operator: "**",
        wanted: "a whole number from -1000 to 1000 on its right",
        found: format!("`{exponent}`"),
    };
    if !exponent.fract().is_zero() {
        return Err(wrong());
    }
    let times: i32 = exponent.try_into().map_err(|_| wrong())?;
    if !(-1000..=1000).contains(&times) {
        return Err(wrong());
    }
    let mut result = Some(Decimal::ONE);
    for _ in 0..times.unsigned_abs() {
        result = result.and_then(|r| multiply(r, base));
    }
    if times < 0 {
        if base.is_zero() {
            return Err(EvalError::DivisionByZero("**"));
        }
        result = result.and_then(|r| Decimal::ONE.checked_div(r));
    }
    Ok(result)
}

/// `==`, null included. Values of two kinds differ.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        _ if absent(left) || absent(right) => absent(left) && absent(right),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Json(a), Value::Json(b)) => same_json(a, b),
        _ => false,
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    a == b
        || match (Number::canonical(a.as_str()), Number::canonical(b.as_str())) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
}

fn same_json(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => same_number(&Number::from_json(a), &Number::from_json(b)),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        // Empty text is null, inside lists too.
        (Json::Null, Json::String(text)) | (Json::String(text), Json::Null) => text.is_empty(),
        _ => a == b,
    }
}

/// All comparisons.
pub(super) fn compare(op: CompareOp, left: &Value, right: &Value) -> Result<bool, EvalError> {
    Ok(match op {
        CompareOp::Eq => equal(left, right),
        CompareOp::Ne => !equal(left, right),
        CompareOp::In => contains(left, right)?,
        CompareOp::NotIn => !contains(left, right)?,
        _ if absent(left) || absent(right) => false,
        CompareOp::Lt => order(op, left, right)?.is_lt(),
        CompareOp::Le => order(op, left, right)?.is_le(),
        CompareOp::Gt => order(op, left, right)?.is_gt(),
        CompareOp::Ge => order(op, left, right)?.is_ge(),
    })
}

fn order(op: CompareOp, left: &Value, right: &Value) -> Result<Ordering, EvalError> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => Ok(decimal(a)?.cmp(&decimal(b)?)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        _ => Err(EvalError::Comparison {
            operator: op.symbol(),
            left: left.kind(),
            right: right.kind(),
        }),
    }
}

fn contains(needle: &Value, hay: &Value) -> Result<bool, EvalError> {
    if absent(needle) || absent(hay) {
        return Ok(false);
    }
    let wrong = |found: String| EvalError::Operand {
        operator: "in",
        wanted: "a list, or two texts",
        found,
    };
    match hay {
        Value::Json(json) => match &**json {
            serde_json::Value::Array(list) => {
                Ok(list.iter().any(|entry| equal(needle, &Value::from_json(entry))))
            }
            serde_json::Value::Object(object) => {
                Ok(needle.as_text().is_some_and(|key| object.contains_key(key)))
            }
            _ => Err(wrong(hay.kind().to_owned())),
        },
        Value::Text(text) => match needle {
            Value::Text(part) => Ok(text.contains(part.as_str())),
            _ => Err(wrong(format!("{} and a text", article(needle.kind())))),
        },
        _ => Err(wrong(format!("{} on its right", article(hay.kind())))),
    }
}

/// An order of any two values, for sorting: null, false, true, numbers, texts, the rest.
pub(super) fn sort_order(left: &Value, right: &Value, case_sensitive: bool) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            Value::Text(_) => 3,
            Value::Json(_) => 4,
        }
    }
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => match (decimal(a), decimal(b)) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.as_str().cmp(b.as_str()),
        },
        (Value::Text(a), Value::Text(b)) if case_sensitive => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        _ => rank(left).cmp(&rank(right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(Number::exact(text).expect(text))
    }

    #[test]
    fn arithmetic_is_exact_or_fails() {
        use BinaryOp::*;
        for (a, op, b, expected) in [
            ("0.1", Add, "0.2", "0.3"),
            ("100", Sub, "0.01", "99.99"),
            ("99999999999999.9999", Mul, "1.2", "119999999999999.99988"),
            ("1E3", Add, "1", "1001"),
            ("10", Div, "4", "2.5"),
            ("1", Div, "3", "0.3333333333333333333333333333"),
            ("7", FloorDiv, "2", "3"),
            ("-7", FloorDiv, "2", "-4"),
            ("-7", Rem, "2", "1"),
            ("7.5", Rem, "2", "1.5"),
            ("2", Pow, "10", "1024"),
            ("2", Pow, "-2", "0.25"),
            ("1.1", Pow, "2", "1.21"),
        ] {
            let result = arithmetic(op, &number(a), &number(b)).expect(a);
            assert_eq!(result.as_text(), Some(expected), "{a} {} {b}", op.symbol());
        }
        for (a, op, b, expected) in [
            ("1", Div, "0", EvalError::DivisionByZero("/")),
            ("1", Rem, "0.0", EvalError::DivisionByZero("%")),
            (
                "12345678901234567890.5",
                Mul,
                "1.123456789",
                EvalError::TooManyDigits("*"),
            ),
            (
                "10000000000000000000000000000",
                Add,
                "0.5",
                EvalError::TooManyDigits("+"),
            ),
            ("10", Pow, "100", EvalError::TooManyDigits("**")),
        ] {
            assert_eq!(
                arithmetic(op, &number(a), &number(b)),
                Err(expected),
                "{a} {} {b}",
                op.symbol()
            );
        }
    }

    #[test]
    fn numbers_are_equal_by_value_and_differ_from_text() {
        assert!(equal(&number("1500.0"), &number("1.5E3")));
        assert!(!equal(&number("1"), &Value::from("1")));
        assert!(equal(&Value::Null, &Value::Text("".into())));
        assert!(!equal(&Value::Null, &Value::Bool(false)));
    }
}
