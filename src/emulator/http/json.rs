//! Records as JSON, written straight into text: a page of 2,000 records is made without a tree in between.

use std::sync::Arc;

use crate::emulator::{
    schema::Kind,
    soql::{self, Children, GroupColumn, Node, Value, follow},
    store::{Cell, Store, java_double},
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

/// A record with the keys that were selected, without children.
pub(super) fn record(out: &mut String, store: &Store, nodes: &[Node], object: usize, row: u32, version: u32) {
    let mut records = Records {
        store,
        version,
        with_deleted: false,
        page: usize::MAX,
        written: 0,
        open: &mut |_, _| String::new(),
    };
    records.record(out, nodes, object, row);
}

/// Keeps the rest of a large set of children and says where it is found.
pub(super) type Open<'a> = &'a mut dyn FnMut(&Arc<Children>, Vec<u32>) -> String;

/// Records of one answer.
pub(super) struct Records<'a> {
    pub(super) store: &'a Store,
    pub(super) version: u32,
    pub(super) with_deleted: bool,
    /// How many children of one record are given at once.
    pub(super) page: usize,
    /// The records so far, children included.
    pub(super) written: usize,
    pub(super) open: Open<'a>,
}

impl Records<'_> {
    pub(super) fn record(&mut self, out: &mut String, nodes: &[Node], object: usize, row: u32) {
        self.written += 1;
        self.object(out, nodes, object, row);
    }

    fn object(&mut self, out: &mut String, nodes: &[Node], object: usize, row: u32) {
        let store = self.store;
        out.push('{');
        attributes(out, store, object, row, self.version);
        for node in nodes {
            out.push(',');
            match node {
                Node::Leaf(key, value) => {
                    quote(out, key);
                    out.push(':');
                    self.leaf(out, value, object, row);
                }
                Node::Parent(key, hop, inner) => {
                    quote(out, key);
                    out.push(':');
                    match follow(store, object, row, std::slice::from_ref(hop)) {
                        None => out.push_str("null"),
                        Some((parent, parent_row)) => self.object(out, inner, parent, parent_row),
                    }
                }
                Node::TypeOf(key, hop, branches, otherwise) => {
                    quote(out, key);
                    out.push(':');
                    match follow(store, object, row, std::slice::from_ref(hop)) {
                        None => out.push_str("null"),
                        Some((parent, parent_row)) => {
                            let inner = branches
                                .iter()
                                .find(|(o, _)| *o == parent)
                                .map_or(otherwise, |(_, inner)| inner);
                            self.object(out, inner, parent, parent_row);
                        }
                    }
                }
                Node::Children(key, children) => {
                    quote(out, key);
                    out.push(':');
                    self.children(out, children, object, row);
                }
            }
        }
        out.push('}');
    }

    fn leaf(&self, out: &mut String, value: &Value, object: usize, row: u32) {
        let store = self.store;
        match value.kind {
            Kind::Address => address(out, store, object, row, &value.path.spec(&store.schema).name),
            Kind::Location => {
                location(out, store, object, row, &value.path.spec(&store.schema).name);
            }
            Kind::Base64 if !value.leaf_of(store, object, row).is_empty() => {
                // Contents are fetched from a place of their own.
                let owner = &store.schema.objects[object].name;
                out.push_str(&format!(
                    "\"/services/data/v{}.0/sobjects/{owner}/{}/{}\"",
                    self.version,
                    store.tables[object].get(row, 0),
                    value.path.spec(&store.schema).name
                ));
            }
            kind => cell(out, kind, &value.leaf_of(store, object, row)),
        }
    }

    fn children(&mut self, out: &mut String, children: &Arc<Children>, object: usize, row: u32) {
        let parent = self.store.tables[object].get(row, 0);
        let rows = soql::children(self.store, children, parent, self.with_deleted);
        if rows.is_empty() {
            out.push_str("null");
            return;
        }
        let plan = &children.plan;
        let end = rows.len().min(self.page);
        let done = end == rows.len();
        out.push_str(&format!("{{\"totalSize\":{},\"done\":{done}", rows.len()));
        let part = rows[..end].to_vec();
        if !done {
            let next = (self.open)(children, rows);
            out.push_str(",\"nextRecordsUrl\":");
            quote(out, &format!("{next}-{end}"));
        }
        out.push_str(",\"records\":[");
        for (n, row) in part.into_iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            self.record(out, &plan.nodes, plan.object, row);
        }
        out.push_str("]}");
    }
}

/// A row of a grouped query.
pub(super) fn group(out: &mut String, columns: &[GroupColumn], cells: &[Cell]) {
    out.push_str("{\"attributes\":{\"type\":\"AggregateResult\"}");
    for (column, text) in columns.iter().zip(cells) {
        out.push(',');
        quote(out, &column.name);
        out.push(':');
        // Where a subtotal leaves a checkbox out there is null, which no other checkbox is.
        if text.is_empty() {
            out.push_str("null");
        } else {
            cell(out, column.kind, text);
        }
    }
    out.push('}');
}

/// A geolocation; null when it has no coordinates.
fn location(out: &mut String, store: &Store, object: usize, row: u32, compound: &str) {
    let (latitude, longitude) = soql::coordinates(compound);
    let (latitude, longitude) = (
        store.text(object, row, &latitude),
        store.text(object, row, &longitude),
    );
    if latitude.is_empty() && longitude.is_empty() {
        out.push_str("null");
        return;
    }
    out.push_str("{\"latitude\":");
    cell(out, Kind::Double, latitude);
    out.push_str(",\"longitude\":");
    cell(out, Kind::Double, longitude);
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
