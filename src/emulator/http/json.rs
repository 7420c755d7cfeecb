//! Records as JSON, written straight into text: a page of 2,000 records is made without a tree in between.

use crate::emulator::{
    schema::Kind,
    soql::{Node, follow},
    store::{Store, java_double},
};

/// A JSON text.
pub(super) fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &str = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[start..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        start = at + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// A cell as the REST API shows it.
pub(super) fn cell(out: &mut String, kind: Kind, text: &str) {
    if kind == Kind::Boolean {
        out.push_str(if text == "true" { "true" } else { "false" });
        return;
    }
    if text.is_empty() {
        out.push_str("null");
        return;
    }
    match kind {
        Kind::Int => out.push_str(text),
        Kind::Double | Kind::Currency | Kind::Percent => out.push_str(&java_double(text)),
        Kind::DateTime => {
            out.push('"');
            out.push_str(text.strip_suffix('Z').unwrap_or(text));
            out.push_str("+0000\"");
        }
        _ => quote(out, text),
    }
}

/// `"attributes":{...}`.
fn attributes(out: &mut String, store: &Store, object: usize, row: u32, version: u32) {
    let name = &store.schema.objects[object].name;
    out.push_str("\"attributes\":{\"type\":\"");
    out.push_str(name);
    out.push_str("\",\"url\":\"/services/data/v");
    out.push_str(&version.to_string());
    out.push_str(".0/sobjects/");
    out.push_str(name);
    out.push('/');
    out.push_str(store.tables[object].get(row, 0));
    out.push_str("\"}");
}

/// A record with the keys that were selected.
pub(super) fn record(out: &mut String, store: &Store, nodes: &[Node], object: usize, row: u32, version: u32) {
    out.push('{');
    attributes(out, store, object, row, version);
    for node in nodes {
        out.push(',');
        match node {
            Node::Leaf(key, path) => {
                quote(out, key);
                out.push(':');
                if path.kind == Kind::Address {
                    address(out, store, object, row, key);
                } else {
                    cell(out, path.kind, path.leaf_of(store, object, row));
                }
            }
            Node::Parent(key, hops, inner) => {
                quote(out, key);
                out.push(':');
                let last = hops.last().map(std::slice::from_ref).unwrap_or_default();
                match follow(store, object, row, last) {
                    None => out.push_str("null"),
                    Some((parent, parent_row)) => record(out, store, inner, parent, parent_row, version),
                }
            }
        }
    }
    out.push('}');
}

/// A compound address; null when all parts are empty.
pub(super) fn address(out: &mut String, store: &Store, object: usize, row: u32, compound: &str) {
    let prefix = compound.strip_suffix("Address").unwrap_or(compound);
    let parts = [
        ("city", "City"),
        ("country", "Country"),
        ("geocodeAccuracy", "GeocodeAccuracy"),
        ("latitude", "Latitude"),
        ("longitude", "Longitude"),
        ("postalCode", "PostalCode"),
        ("state", "State"),
        ("street", "Street"),
    ];
    let get = |part: &str| store.text(object, row, &format!("{prefix}{part}"));
    if parts.iter().all(|(_, part)| get(part).is_empty()) {
        out.push_str("null");
        return;
    }
    out.push('{');
    for (n, (key, part)) in parts.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        quote(out, key);
        out.push(':');
        let kind = if matches!(*part, "Latitude" | "Longitude") {
            Kind::Double
        } else {
            Kind::Text
        };
        cell(out, kind, get(part));
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        quote(&mut out, "a\"b\\c\nd\u{1}\u{1f680}");
        assert_eq!(out, "\"a\\\"b\\\\c\\nd\\u0001\u{1f680}\"");
        assert_eq!(
            serde_json::from_str::<String>(&out).expect("JSON"),
            "a\"b\\c\nd\u{1}\u{1f680}"
        );
    }

    #[test]
    fn cells_look_as_rest_shows_them() {
        for (kind, text, expected) in [
            (Kind::Currency, "300", "300.0"),
            (Kind::Int, "8", "8"),
            (
                Kind::DateTime,
                "2026-01-31T09:05:07.000Z",
                "\"2026-01-31T09:05:07.000+0000\"",
            ),
            (Kind::Boolean, "", "false"),
            (Kind::Text, "", "null"),
        ] {
            let mut out = String::new();
            cell(&mut out, kind, text);
            assert_eq!(out, expected);
        }
    }
}
