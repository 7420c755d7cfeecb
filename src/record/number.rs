use std::{fmt, str::FromStr};

use compact_str::CompactString;
use rust_decimal::Decimal;

/// A number as exact decimal text in plain notation: `1500`, `-0.25`, `912260031`.
///
/// Salesforce writes one amount in several ways (`1500.0`, `1500`, `9.12260031E8`), depending on the API that is
/// asked. [`Number::canonical`] makes them one, so that a value does not depend on the road that it took;
/// [`Number::exact`] keeps the digits as they came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Number(CompactString);

/// The text is not a decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number")]
pub struct NotANumber(pub String);

impl Number {
    /// Keeps the digits as written. Exponents and signs are allowed.
    pub fn exact(text: &str) -> Result<Self, NotANumber> {
        if parts(text).is_some() {
            Ok(Number(text.into()))
        } else {
            Err(NotANumber(text.to_owned()))
        }
    }

    /// Plain notation: no exponent, no plus sign, no needless zeros.
    pub fn canonical(text: &str) -> Result<Self, NotANumber> {
        if is_canonical(text.as_bytes()) {
            return Ok(Number(CompactString::new(text)));
        }
        // As Salesforce writes most numbers: `1500.0`.
        if let Some((negative, whole, fraction)) = plain(text) {
            return Ok(composed(negative, whole, fraction));
        }
        let (negative, digits, point) = parts(text).ok_or_else(|| NotANumber(text.to_owned()))?;
        let mut whole: String = if point > 0 {
            digits.chars().take(point as usize).collect()
        } else {
            String::new()
        };
        let mut fraction = String::new();
        if point < 0 {
            fraction.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
        }
        fraction.extend(digits.chars().skip(point.max(0) as usize));
        if point as i64 > digits.len() as i64 {
            whole.extend(std::iter::repeat_n('0', point as usize - digits.len()));
        }
        Ok(composed(negative, &whole, &fraction))
    }

    /// The digits of a JSON number as they stood in the document.
    pub fn from_json(number: &serde_json::Number) -> Self {
        Number(CompactString::from(number.as_str()))
    }

    /// A JSON number of the same digits.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_else(|_| serde_json::Value::String(self.0.to_string()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For arithmetic; `None` beyond 28 digits.
    pub fn to_decimal(&self) -> Option<Decimal> {
        Decimal::from_str(&self.0)
            .ok()
            .or_else(|| Decimal::from_scientific(&self.0).ok())
    }
}

/// The canonical form of digits before and after the point.
fn composed(negative: bool, whole: &str, fraction: &str) -> Number {
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let zero = whole.is_empty() && fraction.is_empty();
    let mut out = CompactString::default();
    if negative && !zero {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    Number(out)
}

/// Sign and digits of a number that is written with a point and without an exponent.
fn plain(text: &str) -> Option<(bool, &str, &str)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.')?;
    let fits = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    fits.then_some((digits.len() < text.len(), whole, fraction))
}

/// Sign, digits, and how many of the digits stand before the point (negative: zeros after the point).
/// Exponents beyond +-400 are refused: nobody stores them, and they would be a way to fill memory.
fn parts(text: &str) -> Option<(bool, String, i32)> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (
            &rest[..at],
            rest[at + 1..].parse::<i32>().ok().filter(|e| e.abs() <= 400)?,
        ),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    Some((negative, digits, point))
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Decimal> for Number {
    fn from(decimal: Decimal) -> Self {
        Number(decimal.normalize().to_string().into())
    }
}

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        Number(n.to_string().into())
    }
}

/// Whether a text stands in its canonical form already, as most do.
fn is_canonical(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let plain = match digits {
        [b'0'] => return text.len() == 1,
        [b'0', b'.', ..] => true,
        [first, ..] => *first != b'0' && whole > 0,
        [] => false,
    };
    plain
        && match &digits[whole..] {
            [] => true,
            [b'.', fraction @ .., last] => {
                last.is_ascii_digit() && *last != b'0' && fraction.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_amount_has_one_canonical_form() {
        for (text, expected) in [
            ("1500", "1500"),
            ("1500.0", "1500"),
            ("+1500.00", "1500"),
            ("9.12260031E8", "912260031"),
            ("912260031.0", "912260031"),
            ("1.5E-3", "0.0015"),
            ("1.0E10", "10000000000"),
            ("-0.0", "0"),
            (".5", "0.5"),
            ("007", "7"),
            ("-000.5000", "-0.5"),
            ("5.", "5"),
            ("0.00", "0"),
            ("99999999999999.9999", "99999999999999.9999"),
        ] {
            assert_eq!(Number::canonical(text).expect(text).as_str(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", ".", "1e", "1e99999", "abc", "1,5", "0x10", "NaN", "1 000", "--1",
        ] {
            assert!(Number::canonical(text).is_err(), "{text}");
            assert!(Number::exact(text).is_err(), "{text}");
        }
    }
}
