//! The kinds of text that files hold.

use std::time::Duration;

use crate::spec::shape::{Shape, TextKind};

pub(crate) static ANY_TEXT: TextKind = TextKind {
    noun: "text",
    pattern: "",
    allows: |_| true,
};
pub(crate) static NAME_KIND: TextKind = TextKind {
    noun: "a name of letters, digits and `_`",
    pattern: "^[A-Za-z0-9_]+$",
    allows: |text| is_name(text, "_"),
};
pub(crate) static DASHED_NAME_KIND: TextKind = TextKind {
    noun: "a name of letters, digits, `_` and `-`",
    pattern: "^[A-Za-z0-9_-]+$",
    allows: |text| is_name(text, "_-"),
};
pub(crate) static STEP_REF_KIND: TextKind = TextKind {
    noun: "a step's name, or PIPELINE/STEP for a step of another file",
    pattern: "^([A-Za-z0-9_-]+/)?[A-Za-z0-9_]+$",
    allows: |text| match text.split_once('/') {
        Some((pipeline, step)) => is_name(pipeline, "_-") && is_name(step, "_"),
        None => is_name(text, "_"),
    },
};
pub(crate) static FIELD_KIND: TextKind = TextKind {
    noun: "a field's name",
    pattern: "^[A-Za-z][A-Za-z0-9_]*$",
    allows: |text| text.starts_with(|c: char| c.is_ascii_alphabetic()) && is_name(text, "_"),
};
pub(crate) static FIELD_PATH_KIND: TextKind = TextKind {
    noun: "a field's name, or a path of names such as `Owner.Email`",
    pattern: "^[A-Za-z][A-Za-z0-9_]*(\\.[A-Za-z][A-Za-z0-9_]*)*$",
    allows: |text| text.split('.').all(FIELD_KIND.allows),
};
pub(crate) static HEADER_KIND: TextKind = TextKind {
    noun: "a header's name",
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    allows: |text| is_name(text, "!#$%&'*+.^_`|~-"),
};
/// `https://HOST`, or `http://` on this machine, with a port where there is one.
macro_rules! server {
    () => {
        "(https://(\\[[0-9A-Fa-f:.]+\\]|[^\\s\"'<>/?#@:\\[\\]]+)|http://(([A-Za-z0-9-]+\\.)*localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\]))(:[0-9]{1,5})?"
    };
}
/// The checker takes more than the pattern: what is not encrypted, holds a user or goes on behind the path is told in
/// better words by `pipeline::compile`.
static URL_KIND: TextKind = TextKind {
    noun: "an address that starts with `https://`",
    pattern: concat!("^", server!(), "(/[^\\s\"'<>?#]*)?$"),
    allows: |text| {
        ["https://", "http://"]
            .iter()
            .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
            && !text.contains(|c: char| c.is_whitespace() || "\"'<>".contains(c))
    },
};
static GLOB_KIND: TextKind = TextKind {
    noun: "a name, or a pattern such as `customers*` or `*`",
    pattern: "^[A-Za-z0-9_*?{}\\[\\],!.-]+$",
    allows: |text| is_name(text, "_*?{}[],!.-"),
};
static ADDRESS_KIND: TextKind = TextKind {
    noun: "`callout:NAMED_CREDENTIAL/path`, or an address that starts with `https://`",
    pattern: concat!(
        "^(callout:[A-Za-z0-9_-]+(/.*)?|",
        server!(),
        "([/?#][^\\s\"'<>]*)?)$"
    ),
    allows: |text| match text.strip_prefix("callout:") {
        Some(rest) => is_name(rest.split('/').next().unwrap_or_default(), "_-"),
        None => (URL_KIND.allows)(text),
    },
};
static FILE_PATH_KIND: TextKind = TextKind {
    noun: "the path of a file",
    pattern: "^.",
    allows: |text| !text.is_empty(),
};
static DELIMITER_KIND: TextKind = TextKind {
    noun: "one sign, such as `;`, `|` or `\\t`",
    pattern: "^([^\"\\r\\n\\\\A-Za-z0-9\u{80}-\u{10ffff}]|\\\\t|tab)$",
    allows: |text| delimiter(text).is_some(),
};
static ENCODING_KIND: TextKind = TextKind {
    noun: "the name of an encoding, such as `utf-8`, `utf-16` or `windows-1252`",
    pattern: "^[A-Za-z0-9_:.-]+$",
    allows: |text| is_name(text, "_:.-"),
};
static SIZE_KIND: TextKind = TextKind {
    noun: "a size such as `500KB` or `64MB`",
    pattern: "^[0-9]+(KB|MB|GB)$",
    allows: |text| size(text).is_some(),
};
static API_VERSION_KIND: TextKind = TextKind {
    noun: "an API version such as `66.0`",
    pattern: "^[0-9]{2,3}\\.0$",
    allows: |text| {
        text.strip_suffix(".0")
            .is_some_and(|n| (2..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    },
};
static PERCENT_KIND: TextKind = TextKind {
    noun: "a share such as `10%` or `0.5%`",
    pattern: "^[0-9]+(\\.[0-9]+)?%$",
    allows: |text| percent(text).is_some(),
};
static BACKOFF_KIND: TextKind = TextKind {
    noun: "two durations such as `1s..60s`",
    pattern: "^[0-9]+(ms|s|m|h)\\.\\.[0-9]+(ms|s|m|h)$",
    allows: |text| backoff(text).is_some(),
};
static DURATION_KIND: TextKind = TextKind {
    noun: "a duration such as `5m`",
    pattern: "^[0-9]+(ms|s|m|h)$",
    allows: |text| duration(text).is_some(),
};
static AMOUNT_KIND: TextKind = TextKind {
    noun: "a number that is not negative, such as `0.01`",
    pattern: "^(0|[1-9][0-9]*)(\\.[0-9]+)?$",
    allows: |text| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
    },
};
static SCHEMA_NAME_KIND: TextKind = TextKind {
    noun: "a schema's name: at most 63 small letters, digits and `_`, a letter or `_` first",
    pattern: "^[a-z_][a-z0-9_]{0,62}$",
    allows: |text| {
        text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    },
};
static CHUNK_KIND: TextKind = TextKind {
    noun: "`auto`, `off` or a number of rows",
    pattern: "^(auto|off|[1-9][0-9]{0,8})$",
    allows: |text| {
        let rows = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        matches!(text, "auto" | "off") || rows && (1..=9).contains(&text.len())
    },
};
static CALLS_KIND: TextKind = TextKind {
    // A run of fewer calls is none; somebody has left out the percent sign.
    noun: "a share of the calls that the org has left, such as `80%`, or a number of calls from 100 on",
    pattern: "^([0-9]+(\\.[0-9]+)?%|[1-9][0-9]{2,8})$",
    allows: |text| match percent(text) {
        Some(share) => share > 0.0,
        None => {
            let number = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
            number && (3..=9).contains(&text.len())
        }
    },
};
static JSONPATH_KIND: TextKind = TextKind {
    noun: "a JSONPath, which starts with `$`",
    pattern: "^\\$",
    allows: |text| text.starts_with('$'),
};
static ASSIGNMENT_RULE_KIND: TextKind = TextKind {
    noun: "`none`, `default` or the Id of an assignment rule",
    pattern: "^(none|default|01Q[A-Za-z0-9]{12}([A-Za-z0-9]{3})?)$",
    allows: |text| {
        matches!(text, "none" | "default")
            || text.starts_with("01Q") && text.parse::<crate::record::Id>().is_ok()
    },
};

pub(crate) static GLOB: Shape = Shape::Text(&GLOB_KIND);
pub(crate) static TEXT: Shape = Shape::Text(&ANY_TEXT);
pub(crate) static NAME: Shape = Shape::Text(&NAME_KIND);
pub(crate) static DASHED_NAME: Shape = Shape::Text(&DASHED_NAME_KIND);
pub(crate) static FIELD: Shape = Shape::Text(&FIELD_KIND);
pub(crate) static FIELD_PATH: Shape = Shape::Text(&FIELD_PATH_KIND);
pub(crate) static URL: Shape = Shape::Text(&URL_KIND);
pub(crate) static ADDRESS: Shape = Shape::Text(&ADDRESS_KIND);
pub(crate) static FILE_PATH: Shape = Shape::Text(&FILE_PATH_KIND);
pub(crate) static DELIMITER: Shape = Shape::Text(&DELIMITER_KIND);
pub(crate) static ENCODING: Shape = Shape::Text(&ENCODING_KIND);
pub(crate) static SIZE: Shape = Shape::Text(&SIZE_KIND);
pub(crate) static API_VERSION: Shape = Shape::Text(&API_VERSION_KIND);
pub(crate) static PERCENT: Shape = Shape::Text(&PERCENT_KIND);
pub(crate) static BACKOFF: Shape = Shape::Text(&BACKOFF_KIND);
pub(crate) static DURATION: Shape = Shape::Text(&DURATION_KIND);
pub(crate) static AMOUNT: Shape = Shape::Text(&AMOUNT_KIND);
pub(crate) static CHUNK_SIZE: Shape = Shape::Text(&CHUNK_KIND);
pub(crate) static CALLS: Shape = Shape::Text(&CALLS_KIND);
pub(crate) static SCHEMA_NAME: Shape = Shape::Text(&SCHEMA_NAME_KIND);
pub(crate) static JSONPATH: Shape = Shape::Text(&JSONPATH_KIND);
pub(crate) static ASSIGNMENT_RULE: Shape = Shape::Text(&ASSIGNMENT_RULE_KIND);
pub(crate) static SCALAR: Shape = Shape::Scalar;
pub(crate) static EXPRESSION: Shape = Shape::Expression;
pub(crate) static ANYTHING: Shape = Shape::Anything;
pub(crate) static BOOL: Shape = Shape::Bool;

fn is_name(text: &str, signs: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

/// The number in `10%`; at most 100.
pub fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?;
    let plain = !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && number.starts_with(|c: char| c.is_ascii_digit())
        && !number.ends_with('.');
    let percent: f64 = plain.then(|| number.parse().ok()).flatten()?;
    (percent <= 100.0).then_some(percent)
}

/// What stands between the cells of a CSV file: one sign of ASCII; `\t` and `tab` are the tabulator.
pub fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Some(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n\\".contains(byte) => {
            Some(*byte)
        }
        _ => None,
    }
}

/// The bytes in `64MB`; `KB`, `MB` and `GB` are powers of 1024.
pub fn size(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: usize = text[..digits].parse().ok().filter(|n| *n > 0)?;
    let unit = match &text[digits..] {
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// `500ms`, `5s`, `2m`, `1h`.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok().filter(|n| *n <= 1_000_000_000)?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        "h" => Some(Duration::from_secs(number * 3600)),
        _ => None,
    }
}

/// `1s..60s`, the shorter first.
pub fn backoff(text: &str) -> Option<(Duration, Duration)> {
    let (first, cap) = text.split_once("..")?;
    let (first, cap) = (duration(first)?, duration(cap)?);
    (first <= cap).then_some((first, cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_durations() {
        for (text, expected) in [
            ("10%", Some(10.0)),
            ("0.5%", Some(0.5)),
            ("100%", Some(100.0)),
            ("101%", None),
            ("10", None),
            ("%", None),
            ("1.%", None),
            ("-1%", None),
        ] {
            assert_eq!(percent(text), expected, "{text}");
        }
        for (text, millis) in [
            ("1s..60s", Some((1000, 60000))),
            ("500ms..2m", Some((500, 120_000))),
            ("5s..1s", None),
            ("5s", None),
            ("1..2", None),
        ] {
            let found = backoff(text).map(|(a, b)| (a.as_millis(), b.as_millis()));
            assert_eq!(found, millis, "{text}");
        }
    }

    #[test]
    fn patterns_say_what_the_checks_say() {
        for (kind, good, bad) in [
            (&NAME_KIND, &["a", "A_1"][..], &["", "a-b", "a b", "ä"][..]),
            (&FIELD_KIND, &["Name", "X__c"], &["1a", "a.b", ""]),
            (&FIELD_PATH_KIND, &["Name", "Owner.Email"], &[".a", "a.", "a..b"]),
            (
                &SCHEMA_NAME_KIND,
                &["orgferry", "_a1"],
                &["", "1a", "Orgferry", "a-b", "a\""],
            ),
            (
                &URL_KIND,
                &["https://a", "http://127.0.0.1:1"],
                &["a.com", "ftp://x"],
            ),
            (
                &ADDRESS_KIND,
                &["callout:org1/x", "callout:org1", "https://a/b"],
                &["callout:", "org1/x", "callout:/x", "ftp://a"],
            ),
            (&FILE_PATH_KIND, &["a b.csv", "-"], &[""]),
            (
                &DELIMITER_KIND,
                &[";", "|", "\t", "\\t", "tab", " ", "~", "\u{1}"],
                &["", "\"", "\n", "a", "7", ";;", "é", "\\"],
            ),
            (&ENCODING_KIND, &["utf-8", "ISO_8859-1:1987"], &["", "a b"]),
            (
                &SIZE_KIND,
                &["500KB", "64MB", "1GB"],
                &["64", "MB", "64mb", "1.5MB"],
            ),
            (&STEP_REF_KIND, &["a", "a-b/c"], &["a-b", "/a", "a/", "a/b/c"]),
            (&API_VERSION_KIND, &["66.0", "100.0"], &["66", "v66.0", "6.0"]),
            (&PERCENT_KIND, &["10%", "0.5%"], &["10", "x%", ".5%"]),
            (&BACKOFF_KIND, &["1s..60s"], &["1s", "1..2"]),
            (&DURATION_KIND, &["5m", "500ms"], &["5", "m", "1d"]),
            (
                &AMOUNT_KIND,
                &["0", "0.01", "12"],
                &["-1", ".5", "1.", "1e3", "001"],
            ),
            (&CHUNK_KIND, &["auto", "off", "250000"], &["0", "on", "1e5", ""]),
            (
                &CALLS_KIND,
                &["80%", "0.5%", "5000"],
                &["0", "080", "80", "80 %", "%", "1e3", "-100", ""],
            ),
            (&JSONPATH_KIND, &["$.a"], &["a"]),
            (
                &ASSIGNMENT_RULE_KIND,
                &["none", "default", "01Q000000000001", "01Q000000000001EAA"],
                &["", "true", "001000000000001AAA", "01Q00000000001"],
            ),
        ] {
            let schema = serde_json::json!({ "pattern": kind.pattern });
            for (texts, expected) in [(good, true), (bad, false)] {
                for text in texts {
                    assert_eq!((kind.allows)(text), expected, "{} {text}", kind.noun);
                    let valid = jsonschema::is_valid(&schema, &serde_json::json!(text));
                    assert_eq!(valid, expected, "{} {text}", kind.pattern);
                }
            }
        }
    }
}
