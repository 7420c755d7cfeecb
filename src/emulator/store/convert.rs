use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use memchr::memchr2;

use super::{Cell, RowError};
use crate::{
    emulator::schema::{Field, Kind},
    record::{Id, Number},
};

/// A value as it came in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    /// Null, an empty text, `#N/A` in a CSV file.
    Null,
    Bool(bool),
    /// The digits of a JSON number.
    Number(&'a str),
    /// A text of a JSON body.
    Text(&'a str),
    /// A cell of a CSV file, and its place among the columns, from 0.
    Csv(&'a str, usize),
    /// The part of a multipart body that stands for a base64 field.
    Bytes(&'a [u8]),
}

/// Upper and lower case as one.
pub(crate) fn fold(text: &str) -> Cell {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            let mut out = Cell::new(text);
            out.make_ascii_lowercase();
            return out;
        }
        return Cell::new(text);
    }
    Cell::new(text.to_lowercase())
}

/// The canonical form of a value for a field, or why the field does not take it.
pub(crate) fn convert(field: &Field, raw: Raw<'_>) -> Result<Cell, RowError> {
    let text = match raw {
        Raw::Null => {
            return match field.kind {
                // A checkbox has no null.
                Kind::Boolean => Err(not_of_type(field, raw, "null")),
                _ => Ok(Cell::default()),
            };
        }
        Raw::Bool(flag) => {
            return match field.kind {
                Kind::Boolean => Ok(Cell::const_new(if flag { "true" } else { "false" })),
                _ if field.kind.is_text() && field.kind != Kind::Reference => {
                    Ok(Cell::const_new(if flag { "true" } else { "false" }))
                }
                _ => Err(not_of_type(field, raw, if flag { "true" } else { "false" })),
            };
        }
        Raw::Number(text) | Raw::Text(text) | Raw::Csv(text, _) => text,
        Raw::Bytes(_) => return Err(not_of_type(field, raw, "binary")),
    };
    // The storage layer trims, whatever the road.
    let text = trim(text);
    if text.is_empty() && field.kind != Kind::Boolean {
        return Ok(Cell::default());
    }
    match field.kind {
        Kind::Boolean => boolean(field, raw, text),
        Kind::Int => int(field, raw, text),
        Kind::Double | Kind::Currency | Kind::Percent => double(field, raw, text),
        Kind::Date => date(text).ok_or_else(|| not_of_type(field, raw, text)),
        Kind::DateTime => parse_datetime(text).ok_or_else(|| not_of_type(field, raw, text)),
        Kind::Time => time(text).ok_or_else(|| not_of_type(field, raw, text)),
        Kind::Id | Kind::Reference => id(field, text),
        Kind::Email => email(field, text),
        Kind::Picklist => picklist(field, text),
        Kind::MultiPicklist => multipicklist(field, text),
        Kind::Address | Kind::Location => Err(RowError::new(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            format!("{} is a compound field", field.name),
        )),
        // Its bytes are kept elsewhere: see `bytes`.
        Kind::Base64 => Ok(Cell::default()),
        Kind::Text
        | Kind::Encrypted
        | Kind::TextArea
        | Kind::LongText
        | Kind::RichText
        | Kind::Combobox
        | Kind::Phone
        | Kind::Url => {
            length(field, text)?;
            if field.kind == Kind::Text && memchr2(b'\n', b'\r', text.as_bytes()).is_some() {
                // A single line keeps its words, not its line breaks.
                return Ok(Cell::new(text.replace("\r\n", " ").replace(['\n', '\r'], " ")));
            }
            Ok(Cell::new(text))
        }
    }
}

/// [`str::trim`]; nearly every text begins and ends with what is no space for sure.
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// What a base64 field is given.
pub(crate) fn bytes(field: &Field, raw: Raw<'_>) -> Result<Option<Bytes>, RowError> {
    let text = match raw {
        Raw::Null => return Ok(None),
        Raw::Bytes(bytes) => return Ok(Some(Bytes::copy_from_slice(bytes))),
        Raw::Text(text) | Raw::Csv(text, _) | Raw::Number(text) => text,
        Raw::Bool(_) => return Err(not_of_type(field, raw, "boolean")),
    };
    if text.is_empty() {
        return Ok(None);
    }
    // Line breaks are common in base64, and mean nothing.
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    match STANDARD.decode(&packed) {
        Ok(bytes) => Ok(Some(Bytes::from(bytes))),
        Err(_) => Err(not_of_type(field, raw, text)),
    }
}

fn length(field: &Field, text: &str) -> Result<(), RowError> {
    // Characters are UTF-16 units, as in Java.
    if text.len() > field.length && text.chars().map(char::len_utf16).sum::<usize>() > field.length {
        let start: String = text.chars().take(255).collect();
        return Err(RowError::new(
            "STRING_TOO_LONG",
            format!(
                "{}: data value too large: {start} (max length={})",
                field.label, field.length
            ),
        )
        .on(&field.name));
    }
    Ok(())
}

/// The type's name in messages of the parsers.
fn xsd(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "xsd:boolean",
        Kind::Int => "xsd:int",
        Kind::Double | Kind::Currency | Kind::Percent => "xsd:double",
        Kind::Date => "xsd:date",
        Kind::DateTime => "xsd:dateTime",
        Kind::Time => "xsd:time",
        Kind::Base64 => "xsd:base64Binary",
        _ => "xsd:string",
    }
}

/// A value that the field's type cannot be read from: Bulk and JSON say it in their own words.
fn not_of_type(field: &Field, raw: Raw<'_>, text: &str) -> RowError {
    match raw {
        Raw::Csv(_, column) => RowError::new(
            "INVALID_FIELD",
            format!(
                "Failed to deserialize field at col {column}. Due to, '{text}' is not a valid value for the type {}",
                xsd(field.kind)
            ),
        )
        .on(&field.name),
        _ => {
            let found = match raw {
                Raw::Null => "VALUE_NULL",
                Raw::Bool(true) => "VALUE_TRUE",
                Raw::Bool(false) => "VALUE_FALSE",
                Raw::Number(_) => "VALUE_NUMBER",
                _ => "VALUE_STRING",
            };
            let wanted = match field.kind {
                Kind::Boolean => "boolean",
                Kind::Int => "int",
                Kind::Double | Kind::Currency | Kind::Percent => "double",
                Kind::Date => "date",
                Kind::DateTime => "datetime",
                Kind::Time => "time",
                Kind::Base64 => "base64",
                _ => "string",
            };
            RowError::new(
                "JSON_PARSER_ERROR",
                format!(
                    "Cannot deserialize instance of {wanted} from {found} value {text} or request may be missing a required field"
                ),
            )
            .on(&field.name)
        }
    }
}

fn boolean(field: &Field, raw: Raw<'_>, text: &str) -> Result<Cell, RowError> {
    let csv = matches!(raw, Raw::Csv(..));
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(Cell::const_new("true")),
        _ if text.eq_ignore_ascii_case("false") => Ok(Cell::const_new("false")),
        "1" if csv => Ok(Cell::const_new("true")),
        "0" if csv => Ok(Cell::const_new("false")),
        _ => Err(not_of_type(field, raw, text)),
    }
}

fn int(field: &Field, raw: Raw<'_>, text: &str) -> Result<Cell, RowError> {
    if text.len() <= 8 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Cell::new(text));
    }
    let number = Number::canonical(text).map_err(|_| not_of_type(field, raw, text))?;
    let whole = number.as_str().split('.').next().unwrap_or_default();
    match whole.parse::<i64>() {
        // Decimals of a JSON number are dropped; a CSV cell has to be whole.
        Ok(n) if n.abs() <= 99_999_999 || i32::try_from(n).is_ok() => {
            if matches!(raw, Raw::Csv(..)) && whole.len() != number.as_str().len() {
                return Err(not_of_type(field, raw, text));
            }
            Ok(Cell::new(if whole == "-0" { "0" } else { whole }))
        }
        _ => Err(out_of_range(field, text)),
    }
}

fn out_of_range(field: &Field, text: &str) -> RowError {
    RowError::new(
        "NUMBER_OUTSIDE_VALID_RANGE",
        format!(
            "{}: value outside of valid range on numeric field: {text}",
            field.label
        ),
    )
    .on(&field.name)
}

fn double(field: &Field, raw: Raw<'_>, text: &str) -> Result<Cell, RowError> {
    let number = Number::canonical(text).map_err(|_| not_of_type(field, raw, text))?;
    let text = number.as_str();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.trim_start_matches('-').trim_start_matches('0').len() as u32;
    if digits > field.precision - field.scale {
        return Err(out_of_range(field, text));
    }
    let scale = field.scale as usize;
    if fraction.len() <= scale {
        return Ok(Cell::new(text));
    }
    // Extra decimals are dropped in silence.
    let kept = fraction[..scale].trim_end_matches('0');
    let cut = if kept.is_empty() {
        Cell::new(whole)
    } else {
        let mut out = Cell::new(whole);
        out.push('.');
        out.push_str(kept);
        out
    };
    Ok(if cut == "-0" { Cell::const_new("0") } else { cut })
}

fn date(text: &str) -> Option<Cell> {
    // A datetime is cut to its date.
    let day = text.get(..10)?;
    if text.len() > 10 {
        parse_datetime(text)?;
    }
    let date: jiff::civil::Date = day.parse().ok()?;
    ((1_700..=4_000).contains(&date.year())).then(|| Cell::new(day))
}

/// `2026-01-31T09:05:07.000Z` from all forms that the APIs take; seconds are the finest that is kept.
pub(crate) fn parse_datetime(text: &str) -> Option<Cell> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[10] != b'T' && bytes[10] != b' ' {
        return None;
    }
    // The common form needs no arithmetic.
    let utc = text.ends_with('Z') || text.ends_with("+0000") || text.ends_with("+00:00");
    let date: jiff::civil::Date = text.get(..10)?.parse().ok()?;
    let clock: jiff::civil::Time = text.get(11..19)?.parse().ok()?;
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return None;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    if !(1_700..=4_000).contains(&date.year()) {
        return None;
    }
    let mut out = Cell::const_new("");
    if utc && matches!(zone, "Z" | "+0000" | "+00:00") {
        out.push_str(&text[..10]);
        out.push('T');
        out.push_str(&text[11..19]);
        out.push_str(".000Z");
        return Some(out);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 {
        return None;
    }
    let minutes: i64 = digits[..2].parse::<i64>().ok()? * 60 + digits[2..].parse::<i64>().ok()?;
    let moved = date
        .to_datetime(clock)
        .checked_sub(jiff::SignedDuration::from_mins(sign * minutes))
        .ok()?;
    Some(Cell::new(moved.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()))
}

/// `09:05:07.000Z`.
fn time(text: &str) -> Option<Cell> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let time: jiff::civil::Time = text.parse().ok()?;
    Some(Cell::new(format!(
        "{:02}:{:02}:{:02}.{:03}Z",
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )))
}

fn id(field: &Field, text: &str) -> Result<Cell, RowError> {
    match text.parse::<Id>() {
        Ok(id) if text.len() == 15 || id.as_str() == text => Ok(Cell::new(id.as_str())),
        _ => Err(RowError::new(
            "MALFORMED_ID",
            format!("{}: id value of incorrect type: {text}", field.label),
        )
        .on(&field.name)),
    }
}

fn email(field: &Field, text: &str) -> Result<Cell, RowError> {
    length(field, text)?;
    let valid = text.is_ascii()
        && !text.contains([' ', ',', ';', '"', '<', '>', '(', ')'])
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.starts_with('.')
                && !local.ends_with('.')
                && !domain.contains('@')
                && domain.contains('.')
                && domain.split('.').all(|part| {
                    !part.is_empty()
                        && !part.starts_with('-')
                        && !part.ends_with('-')
                        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        });
    if valid {
        let mut address = Cell::new(text);
        address.make_ascii_lowercase();
        Ok(address)
    } else {
        Err(RowError::new(
            "INVALID_EMAIL_ADDRESS",
            format!("{}: invalid email address: {text}", field.label),
        )
        .on(&field.name))
    }
}

/// A value of the list comes in the list's own case; others are kept unless the list is restricted.
fn picklist(field: &Field, text: &str) -> Result<Cell, RowError> {
    let known = field.picklist.iter().find(|p| p.value.eq_ignore_ascii_case(text));
    match known {
        Some(p) if p.active || !field.restricted_picklist => Ok(Cell::new(&p.value)),
        // A list that is not kept here is not held against anybody.
        _ if field.restricted_picklist && !field.picklist.is_empty() => Err(bad_picklist(field, text)),
        _ => {
            length(field, text)?;
            Ok(Cell::new(text))
        }
    }
}

fn bad_picklist(field: &Field, value: &str) -> RowError {
    RowError::new(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        format!(
            "{}: bad value for restricted picklist field: {value}",
            field.label
        ),
    )
    .on(&field.name)
}

/// The chosen values in the order of the list, as an org stores them.
fn multipicklist(field: &Field, text: &str) -> Result<Cell, RowError> {
    let mut chosen: Vec<(usize, &str)> = Vec::new();
    for value in text.split(';').map(str::trim).filter(|v| !v.is_empty()) {
        let at = field
            .picklist
            .iter()
            .position(|p| p.value.eq_ignore_ascii_case(value) && (p.active || !field.restricted_picklist));
        let entry = match at {
            Some(at) => (at, field.picklist[at].value.as_str()),
            None if field.restricted_picklist => return Err(bad_picklist(field, value)),
            None => (usize::MAX, value),
        };
        if !chosen.contains(&entry) {
            chosen.push(entry);
        }
    }
    if chosen.len() > 100 {
        return Err(
            RowError::new("TOO_MANY_ENUM_VALUE", format!("{}: too many values", field.label)).on(&field.name),
        );
    }
    chosen.sort_by_key(|(at, _)| *at);
    let joined = chosen.iter().map(|(_, v)| *v).collect::<Vec<_>>().join(";");
    length(field, &joined)?;
    Ok(Cell::new(joined))
}

/// A decimal as Java prints a double: `1500.0`, `9.12260031E8`, `1.0E-4`. All digits are kept.
pub(crate) fn java_double(text: &str) -> Cell {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = Cell::new(sign);
    let small = whole == "0" && (fraction.starts_with("000") && fraction.bytes().any(|b| b != b'0'));
    if whole.len() <= 7 && !small {
        out.push_str(whole);
        out.push('.');
        out.push_str(if fraction.is_empty() { "0" } else { fraction });
        return out;
    }
    let all: String = [whole, fraction].concat();
    let lead = all.find(|c| c != '0').unwrap_or(0);
    let exponent = whole.len() as i64 - 1 - lead as i64;
    let significant = all[lead..].trim_end_matches('0');
    let (first, rest) = significant.split_at(1.min(significant.len()));
    out.push_str(first);
    out.push('.');
    out.push_str(if rest.is_empty() { "0" } else { rest });
    out.push('E');
    out.push_str(&exponent.to_string());
    out
}

/// Whether a text is a number as [`java_double`] writes it, so that it need not be written again. Not all that are
/// are known here: those with an exponent are not.
pub(crate) fn is_java_double(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, fraction)) = digits.split_once('.') else {
        return false;
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() > 7 || !all_digits(whole) || !all_digits(fraction) {
        return false;
    }
    // A whole number keeps one zero, others none at their end.
    let shortest = fraction == "0" || !fraction.ends_with('0');
    match whole {
        // Zero has no sign, and what is less than a thousandth has an exponent.
        "0" => shortest && !fraction.starts_with("000") && (fraction != "0" || digits.len() == text.len()),
        _ => shortest && !whole.starts_with('0'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::schema::{DataType, PicklistValue};

    #[test]
    fn what_is_called_a_java_double_is_written_the_same_again() {
        for (text, expected) in [
            ("1.0", true),
            ("0.0", true),
            ("-0.0", false),
            ("-1.5", true),
            ("-0.5", true),
            ("0.001", true),
            ("0.0001", false),
            ("0.00", false),
            ("1.50", false),
            ("01.5", false),
            ("1", false),
            ("1.", false),
            (".5", false),
            ("9999999.25", true),
            ("10000000.5", false),
            ("1.0E7", false),
            (" 1.5", false),
            ("+1.5", false),
            ("-", false),
            ("", false),
        ] {
            assert_eq!(is_java_double(text), expected, "{text:?}");
            if expected {
                let number = Number::canonical(text).expect("a number");
                assert_eq!(java_double(number.as_str()), text);
            }
        }
    }

    fn field(data: &str) -> Field {
        Field::new("F__c", "Label", &DataType::parse(data).expect(data))
    }

    fn check(data: &str, raw: Raw<'_>, expected: Result<&str, &str>) {
        let found = convert(&field(data), raw);
        match (found, expected) {
            (Ok(cell), Ok(text)) => assert_eq!(cell, text, "{data} {raw:?}"),
            (Err(e), Err(code)) => assert_eq!(e.code, code, "{data} {raw:?}: {}", e.message),
            (found, expected) => panic!("{data} {raw:?}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn values_of_every_type() {
        use Raw::{Bool, Csv, Null, Number, Text};
        for (data, raw, expected) in [
            ("Text(5)", Text("  ab "), Ok("ab")),
            ("Text(5)", Text("abcdef"), Err("STRING_TOO_LONG")),
            (
                "Text(5)",
                Text("\u{e4}\u{f6}\u{fc}\u{df}x"),
                Ok("\u{e4}\u{f6}\u{fc}\u{df}x"),
            ),
            ("Text(5)", Text("   "), Ok("")),
            ("Text(9)", Number("12"), Ok("12")),
            ("Text(9)", Bool(true), Ok("true")),
            ("Text(20)", Text("a\r\nb"), Ok("a b")),
            ("Text Area", Text("a\nb"), Ok("a\nb")),
            ("Checkbox", Bool(true), Ok("true")),
            ("Checkbox", Text("TRUE"), Ok("true")),
            ("Checkbox", Text("1"), Err("JSON_PARSER_ERROR")),
            ("Checkbox", Csv("1", 0), Ok("true")),
            ("Checkbox", Csv("yes", 3), Err("INVALID_FIELD")),
            ("Checkbox", Null, Err("JSON_PARSER_ERROR")),
            ("Number(3, 2)", Number("12.345"), Ok("12.34")),
            ("Number(3, 2)", Number("1234"), Err("NUMBER_OUTSIDE_VALID_RANGE")),
            ("Number(3, 2)", Text("1.5E1"), Ok("15")),
            ("Number(3, 2)", Text("-0.001"), Ok("0")),
            ("Number(3, 2)", Csv("abc", 1), Err("INVALID_FIELD")),
            ("Int", Text("10000"), Ok("10000")),
            ("Int", Number("9999999999"), Err("NUMBER_OUTSIDE_VALID_RANGE")),
            ("Date", Text("2026-01-31"), Ok("2026-01-31")),
            ("Date", Csv("2026-13-99", 2), Err("INVALID_FIELD")),
            ("Date", Text("31.01.2026"), Err("JSON_PARSER_ERROR")),
            (
                "Date/Time",
                Text("2026-01-31T09:05:07Z"),
                Ok("2026-01-31T09:05:07.000Z"),
            ),
            (
                "Date/Time",
                Text("2026-01-31T09:05:07.123+0000"),
                Ok("2026-01-31T09:05:07.000Z"),
            ),
            (
                "Date/Time",
                Text("2026-01-31T09:05:07+02:00"),
                Ok("2026-01-31T07:05:07.000Z"),
            ),
            ("Date/Time", Text("2026-01-31"), Err("JSON_PARSER_ERROR")),
            ("Time", Text("09:05:07"), Ok("09:05:07.000Z")),
            ("Email", Text("Ann.Lee@Example.com"), Ok("ann.lee@example.com")),
            ("Email", Text("ann@lee"), Err("INVALID_EMAIL_ADDRESS")),
            ("Email", Text("ann lee@example.com"), Err("INVALID_EMAIL_ADDRESS")),
            (
                "Lookup(Account)",
                Text("001D000000K0fXO"),
                Ok("001D000000K0fXOIAZ"),
            ),
            ("Lookup(Account)", Text("001d000000K0fXOIAZ"), Err("MALFORMED_ID")),
            ("Lookup(Account)", Text("Acme"), Err("MALFORMED_ID")),
        ] {
            check(data, raw, expected);
        }
    }

    #[test]
    fn restricted_picklists_know_their_values() {
        let mut sector = field("Picklist");
        sector.restricted_picklist = true;
        sector.picklist = [("Agri", true), ("Fin", true), ("Old", false)]
            .map(|(value, active)| PicklistValue::new(value, active, false))
            .to_vec();
        assert_eq!(convert(&sector, Raw::Text("agri")).expect("known"), "Agri");
        for value in ["Old", "Nope"] {
            let error = convert(&sector, Raw::Text(value)).expect_err(value);
            assert_eq!(
                error.message,
                format!("Label: bad value for restricted picklist field: {value}")
            );
        }
        sector.kind = Kind::MultiPicklist;
        sector.length = 4_099;
        assert_eq!(
            convert(&sector, Raw::Text("Fin;agri;Fin")).expect("known"),
            "Agri;Fin"
        );
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (text, expected) in [
            ("1500", "1500.0"),
            ("912260031", "9.12260031E8"),
            ("9999999", "9999999.0"),
            ("10000000", "1.0E7"),
            ("0", "0.0"),
            ("-0.25", "-0.25"),
            ("0.001", "0.001"),
            ("0.0001", "1.0E-4"),
            ("12345678.25", "1.234567825E7"),
        ] {
            assert_eq!(java_double(text), expected, "{text}");
        }
    }
}
