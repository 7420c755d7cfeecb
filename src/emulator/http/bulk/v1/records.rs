//! Records in JSON and XML. Those that come are written as CSV, so that all batches take one way.

use serde_json::{Map, Value, json};

use super::{super::csv, BatchJob};
use crate::emulator::{
    http::xml::{Element, HEAD, tag},
    schema::Kind,
    soql::Plan,
    store::{Store, java_double},
};

/// The mark by which a cell is emptied.
const NULL: &str = "#N/A";

/// Rows of named values, written as one table; a value that a row lacks stays empty.
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<(usize, String)>>,
}

impl Table {
    fn put(&mut self, row: &mut Vec<(usize, String)>, name: &str, value: String) {
        let at = match self.header.iter().position(|h| h.eq_ignore_ascii_case(name)) {
            Some(at) => at,
            None => {
                self.header.push(name.to_owned());
                self.header.len() - 1
            }
        };
        row.push((at, value));
    }

    fn text(self) -> Result<String, String> {
        if self.rows.is_empty() || self.header.is_empty() {
            return Err("InvalidBatch : Records not found".to_owned());
        }
        let mut out = Vec::new();
        let mut line = |cells: &[&str]| {
            for (n, cell) in cells.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                csv::quote(&mut out, cell);
            }
            out.push(b'\n');
        };
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        line(&header);
        for row in &self.rows {
            let mut cells = vec![""; header.len()];
            for (at, value) in row {
                cells[*at] = value;
            }
            line(&cells);
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

/// `[{"Name": "A", "Account": {"Ext__c": "v"}}]`
pub(super) fn from_json(text: &str) -> Result<String, String> {
    let list: Vec<Map<String, Value>> = serde_json::from_str(text)
        .map_err(|e| format!("InvalidBatch : Failed to parse the batch as a list of JSON records: {e}"))?;
    let mut table = Table {
        header: Vec::new(),
        rows: Vec::new(),
    };
    for record in list {
        let mut row = Vec::new();
        for (name, value) in &record {
            match value {
                Value::Object(parent) if name != "attributes" => {
                    let kind = parent
                        .get("attributes")
                        .and_then(|a| a.get("type"))
                        .and_then(Value::as_str);
                    for (key, value) in parent.iter().filter(|(k, _)| *k != "attributes") {
                        let column = match kind {
                            Some(kind) => format!("{kind}:{name}.{key}"),
                            None => format!("{name}.{key}"),
                        };
                        table.put(&mut row, &column, scalar(value));
                    }
                }
                Value::Object(_) => {}
                value => table.put(&mut row, name, scalar(value)),
            }
        }
        table.rows.push(row);
    }
    table.text()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => NULL.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `<sObjects><sObject><Name>A</Name><Account><sObject><Ext__c>v</Ext__c></sObject></Account></sObject></sObjects>`
pub(super) fn from_xml(text: &str) -> Result<String, String> {
    let root = Element::parse(text).map_err(|e| format!("InvalidBatch : Failed to parse the batch: {e}"))?;
    let mut table = Table {
        header: Vec::new(),
        rows: Vec::new(),
    };
    for record in root.all("sObject") {
        let mut row = Vec::new();
        for field in record.children.iter().filter(|f| f.name != "type") {
            match field.child("sObject") {
                Some(parent) => {
                    let kind = parent.text_of("type");
                    for key in parent.children.iter().filter(|k| k.name != "type") {
                        let column = match kind {
                            Some(kind) => format!("{kind}:{}.{}", field.name, key.name),
                            None => format!("{}.{}", field.name, key.name),
                        };
                        table.put(&mut row, &column, key.text().to_owned());
                    }
                }
                None if field.is_nil() => table.put(&mut row, &field.name, NULL.to_owned()),
                None => table.put(&mut row, &field.name, field.text().to_owned()),
            }
        }
        table.rows.push(row);
    }
    table.text()
}

/// Query results. This API writes times as milliseconds since 1970 in JSON.
pub(super) fn as_json(store: &Store, job: &BatchJob, plan: &Plan, rows: &[u32]) -> Value {
    let object = &store.schema.objects[plan.object].name;
    let list = rows
        .iter()
        .map(|row| {
            let id = store.tables[plan.object].get(*row, 0);
            let mut record = Map::new();
            record.insert(
                "attributes".to_owned(),
                json!({
                    "type": object,
                    "url": format!("/services/data/v{}.0/sobjects/{object}/{id}", job.version),
                }),
            );
            for column in &plan.columns {
                let cell = column.get(store, plan.object, *row);
                put(&mut record, &column.written, typed(column.kind, &cell));
            }
            Value::Object(record)
        })
        .collect();
    Value::Array(list)
}

/// Hangs a value into the objects that its path names.
fn put(record: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            record.insert(path.to_owned(), value);
        }
        Some((parent, rest)) => {
            let inner = record
                .entry(parent.to_owned())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn typed(kind: Kind, cell: &str) -> Value {
    let number = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    match kind {
        Kind::Boolean => json!(cell == "true"),
        _ if cell.is_empty() => Value::Null,
        Kind::Int => number(cell),
        kind if kind.is_double() => number(&java_double(cell)),
        Kind::DateTime => cell
            .parse::<jiff::Timestamp>()
            .map_or(Value::Null, |t| json!(t.as_millisecond())),
        _ => json!(cell),
    }
}

pub(super) fn as_xml(store: &Store, _job: &BatchJob, plan: &Plan, rows: &[u32]) -> String {
    let object = &store.schema.objects[plan.object].name;
    let mut out = format!(
        "{HEAD}<queryResult xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
    );
    for row in rows {
        out.push_str("<records xsi:type=\"sObject\">");
        tag(&mut out, "type", object);
        for column in &plan.columns {
            let cell = column.get(store, plan.object, *row);
            let names: Vec<&str> = column.written.split('.').collect();
            for parent in &names[..names.len() - 1] {
                out.push_str(&format!("<{parent} xsi:type=\"sObject\">"));
            }
            let name = names[names.len() - 1];
            if cell.is_empty() && column.kind != Kind::Boolean {
                out.push_str(&format!("<{name} xsi:nil=\"true\"/>"));
            } else if column.kind.is_double() {
                tag(&mut out, name, &java_double(&cell));
            } else {
                tag(&mut out, name, &cell);
            }
            for parent in names[..names.len() - 1].iter().rev() {
                out.push_str(&format!("</{parent}>"));
            }
        }
        out.push_str("</records>");
    }
    out.push_str("</queryResult>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_tables() {
        let csv = from_json(
            r#"[{"attributes":{"type":"Contact"},"LastName":"A \"b\"","Account":{"Ext__c":"k"},"Age__c":4.5},
                {"lastname":null,"Who":{"attributes":{"type":"Lead"},"Email":"x"},"On__c":true}]"#,
        );
        assert_eq!(
            csv.expect("a table"),
            "\"LastName\",\"Account.Ext__c\",\"Age__c\",\"Lead:Who.Email\",\"On__c\"\n\
             \"A \"\"b\"\"\",\"k\",\"4.5\",\"\",\"\"\n\"#N/A\",\"\",\"\",\"x\",\"true\"\n"
        );
        let csv = from_xml(
            "<sObjects><sObject><type>Contact</type><LastName>A &amp; B</LastName><Email xsi:nil='true'/>\
             <Account><sObject><Ext__c>k</Ext__c></sObject></Account></sObject></sObjects>",
        );
        assert_eq!(
            csv.expect("a table"),
            "\"LastName\",\"Email\",\"Account.Ext__c\"\n\"A & B\",\"#N/A\",\"k\"\n"
        );
        for bad in [from_json("{}"), from_json("[]"), from_xml("<x/>"), from_xml("x")] {
            assert!(bad.is_err_and(|e| e.starts_with("InvalidBatch : ")));
        }
    }
}
