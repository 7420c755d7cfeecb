//! Texts as the server can hold them.
//!
//! PostgreSQL's text has no NUL, and an index entry has at most 2,700 bytes. A file of rows can have either.

use std::borrow::Cow;

use compact_str::CompactString;
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

/// A control character that hardly anybody has, and that stands for itself and for NUL with a digit behind it.
const SIGN: char = '\u{1a}';

/// The longest key that stands in an index as it is.
const LONGEST_KEY: usize = 1_000;

/// A text for the server.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', SIGN]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => kept.extend([SIGN, '0']),
            SIGN => kept.extend([SIGN, '1']),
            c => kept.push(c),
        }
    }
    Cow::Owned(kept)
}

/// The text that was kept.
pub(super) fn freed(kept: &str) -> Cow<'_, str> {
    if !kept.contains(SIGN) {
        return Cow::Borrowed(kept);
    }
    let mut text = String::with_capacity(kept.len());
    let mut chars = kept.chars();
    while let Some(c) = chars.next() {
        match c {
            SIGN if chars.next() == Some('0') => text.push('\0'),
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// A text that is only ever compared: a long one by its digest.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_KEY {
        return kept(text);
    }
    let digest = Sha256::digest(text.as_bytes());
    let mut key = format!("{SIGN}#");
    for byte in digest {
        key.push_str(&format!("{byte:02x}"));
    }
    Cow::Owned(key)
}

/// Texts for an array.
pub(super) fn all<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Cow<'a, str>> {
    texts.map(kept).collect()
}

/// A column's text.
pub(super) fn text(row: &Row, column: usize) -> CompactString {
    CompactString::new(freed(row.get(column)))
}

/// Lines of two texts.
pub(super) fn pairs(rows: &[Row]) -> Vec<(CompactString, CompactString)> {
    rows.iter().map(|row| (text(row, 0), text(row, 1))).collect()
}

/// A column's text, which may be null.
pub(super) fn optional(row: &Row, column: usize) -> Option<CompactString> {
    row.get::<_, Option<&str>>(column)
        .map(|kept| CompactString::new(freed(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_stays_apart() {
        let texts = [
            "",
            "a",
            "\0",
            "\u{1a}",
            "\u{1a}0",
            "a\0b",
            "\0\u{1a}1",
            "\u{ffff}ä\u{10ffff}",
        ];
        let mut seen = std::collections::HashSet::new();
        for text in texts {
            let kept = kept(text);
            assert!(!kept.contains('\0'), "{text:?}");
            assert_eq!(freed(&kept), text);
            assert!(seen.insert(kept.into_owned()), "{text:?}");
        }
        let long = "x".repeat(LONGEST_KEY + 1);
        assert_eq!(key(&long).len(), 66);
        assert_ne!(key(&long), key(&format!("{long}x")));
        assert_eq!(key(&long[1..]), long[1..]);
    }
}
