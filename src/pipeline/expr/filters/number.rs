//! Filters of numbers, exact.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{super::ops::decimal, Call, EvalError};
use crate::record::{Number, Value};

type Result<T = Value> = std::result::Result<T, EvalError>;

/// `abs`: without the sign.
pub(super) fn abs(call: &mut Call<'_, '_>) -> Result {
    Ok(Value::Number(numeric(call)?.abs().into()))
}

/// `round`, `round(2)`, `round(-3)`, `round(method='floor')`: halves go away from zero, as in Salesforce's formulas.
pub(super) fn round(call: &mut Call<'_, '_>) -> Result {
    let value = numeric(call)?;
    let places = call.whole_arg(0)?.unwrap_or(0);
    let strategy = match call.text_arg(1)? {
        None | Some("common") => RoundingStrategy::MidpointAwayFromZero,
        Some("ceil") => RoundingStrategy::ToPositiveInfinity,
        Some("floor") => RoundingStrategy::ToNegativeInfinity,
        Some(_) => return Err(call.wrong(1, "`common`, `ceil` or `floor`")),
    };
    rounded(value, places, strategy)
        .map(|d| Value::Number(d.into()))
        .ok_or(EvalError::TooManyDigits("round"))
}

/// Rounds to places after the point, or before it when negative.
pub(super) fn rounded(value: Decimal, places: i64, strategy: RoundingStrategy) -> Option<Decimal> {
    if let Ok(places) = u32::try_from(places) {
        return Some(value.round_dp_with_strategy(places.min(28), strategy));
    }
    // 10^28 is the largest power that fits; rounding to more is rounding to one digit beyond it.
    let power = u32::try_from(places.unsigned_abs().min(28)).ok()?;
    let unit = (0..power).try_fold(Decimal::ONE, |unit, _| unit.checked_mul(Decimal::TEN))?;
    value
        .checked_div(unit)?
        .round_dp_with_strategy(0, strategy)
        .checked_mul(unit)
}

/// `int`, `int(0)`: a whole number of a text or number, fractions cut off; the default where it is none.
pub(super) fn int(call: &mut Call<'_, '_>) -> Result {
    converted(call, "a whole number").map(|value| match value {
        Value::Number(n) => match decimal(&n) {
            Ok(d) => Value::Number(d.trunc().into()),
            Err(_) => Value::Number(n),
        },
        other => other,
    })
}

/// `float`, `float(0)`: a number of a text, with all its digits; the default where it is none.
pub(super) fn float(call: &mut Call<'_, '_>) -> Result {
    converted(call, "a number")
}

fn converted(call: &Call<'_, '_>, wanted: &'static str) -> Result {
    let number = match call.input {
        Value::Number(n) => Some(n.clone()),
        Value::Bool(flag) => Some(Number::from(i64::from(*flag))),
        Value::Text(text) => Number::canonical(text.trim()).ok(),
        _ => None,
    };
    match (number, call.arg(0)) {
        (Some(number), _) => Ok(Value::Number(number)),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(call.unreadable(wanted)),
    }
}

/// The input as a number; texts are not taken for numbers.
fn numeric(call: &Call<'_, '_>) -> Result<Decimal> {
    match call.input {
        Value::Number(n) => decimal(n),
        _ => Err(call.takes("a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(Number::exact(text).expect(text))
    }

    #[test]
    fn numbers() {
        for (name, input, args, expected) in [
            ("abs", number("-1.50"), vec![], "1.5"),
            ("round", number("2.5"), vec![], "3"),
            ("round", number("-2.5"), vec![], "-3"),
            ("round", number("1.005"), vec![number("2")], "1.01"),
            ("round", number("1.001"), vec![number("2"), "ceil".into()], "1.01"),
            ("round", number("1.009"), vec![number("2"), "floor".into()], "1"),
            ("round", number("1250"), vec![number("-2")], "1300"),
            (
                "round",
                number("99999999999999.9999"),
                vec![number("3")],
                "100000000000000",
            ),
            ("int", "42.9".into(), vec![], "42"),
            ("int", "-42.9".into(), vec![], "-42"),
            ("int", "x".into(), vec![number("0")], "0"),
            ("float", " 1e3 ".into(), vec![], "1000"),
            (
                "float",
                "12345678901234567.89".into(),
                vec![],
                "12345678901234567.89",
            ),
        ] {
            let result =
                apply(name, input.clone(), &args).unwrap_or_else(|e| panic!("{name} {input:?}: {e}"));
            assert_eq!(result.as_text(), Some(expected), "{name} of {input:?}");
        }
    }

    #[test]
    fn what_is_no_number_says_so() {
        assert_eq!(
            apply("int", "abc".into(), &[]).map_err(|e| e.to_string()),
            Err("the filter `int` cannot read `abc` as a whole number".into())
        );
        assert_eq!(
            apply("round", "1.5".into(), &[]).map_err(|e| e.to_string()),
            Err("the filter `round` takes a number, not a text".into())
        );
    }
}
