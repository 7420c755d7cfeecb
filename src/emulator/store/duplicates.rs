//! Duplicate rules: which other records a row is like, and what is said about it.

use serde_json::{Map, Value, json};

use super::{Call, RowError, State, Store, fold};
use crate::emulator::{
    file::{DuplicateAction, MatchMethod},
    formula::Scope,
    schema::{DuplicateRule, Kind},
};

/// What a request says about duplicates in `Sforce-Duplicate-Rule-Header`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DuplicateHeader {
    /// Records with duplicates are saved where the rule only alerts.
    pub(crate) allow_save: bool,
    /// The answer shows all fields of the duplicates.
    pub(crate) record_details: bool,
    /// The API version, for the URLs in the answer.
    pub(crate) version: u32,
}

impl DuplicateHeader {
    /// Reads the header: `allowSave=true; includeRecordDetails=true; runAsCurrentUser=true`.
    pub(crate) fn parse(header: Option<&str>, version: u32) -> Self {
        let says = |key: &str| {
            header.unwrap_or_default().split([';', ',']).any(|part| {
                part.split_once('=').is_some_and(|(k, v)| {
                    k.trim().eq_ignore_ascii_case(key) && v.trim().eq_ignore_ascii_case("true")
                })
            })
        };
        DuplicateHeader {
            allow_save: says("allowSave"),
            record_details: says("includeRecordDetails"),
            version,
        }
    }
}

impl Store {
    /// Asks the duplicate rules about a row.
    pub(super) fn duplicates(
        &self,
        object: usize,
        row: u32,
        new: bool,
        call: Call<'_>,
    ) -> Result<(), RowError> {
        for rule in &self.schema.rules[object].duplicates {
            let action = if new { rule.on_insert } else { rule.on_update };
            let alerts = action == DuplicateAction::Alert;
            if action == DuplicateAction::Allow || alerts && call.duplicates.allow_save {
                continue;
            }
            let scope = Scope {
                store: self,
                object,
                row,
                prior: None,
                user: call.user,
                now: call.now,
            };
            if rule.when.as_ref().is_some_and(|when| !when.holds(&scope)) {
                continue;
            }
            let found = self.like(object, row, rule);
            if !found.is_empty() {
                return Err(self.detected(object, rule, alerts, &found, call));
            }
        }
        Ok(())
    }

    /// The live rows that are like a row, each with how sure that is, in percent.
    fn like(&self, object: usize, row: u32, rule: &DuplicateRule) -> Vec<(u32, f64)> {
        let table = &self.tables[object];
        let mut wanted = Vec::with_capacity(rule.fields.len());
        for (field, method) in &rule.fields {
            let cell = table.get(row, *field);
            if cell.is_empty() {
                return Vec::new();
            }
            wanted.push((*field, *method, fold(cell), plain(cell)));
        }
        // An index spares the look at every row.
        let indexed = wanted
            .iter()
            .filter(|(_, method, ..)| *method == MatchMethod::Exact)
            .find_map(|(field, _, folded, _)| {
                let spec = &self.schema.objects[object].fields[*field];
                if spec.folds_case() || spec.kind == Kind::Reference {
                    let value = if spec.kind == Kind::Reference {
                        table.get(row, *field)
                    } else {
                        folded
                    };
                    self.rows_with(object, *field, &[value])
                } else {
                    None
                }
            });
        let rows = indexed.unwrap_or_else(|| (0..table.len()).collect());
        let mut found = Vec::new();
        for other in rows {
            if other == row || table.state(other) != State::Live {
                continue;
            }
            let mut sure = 0.0;
            let all = wanted.iter().all(|(field, method, folded, plain_text)| {
                let cell = table.get(other, *field);
                let likeness = match method {
                    MatchMethod::Exact if fold(cell) == *folded => 1.0,
                    MatchMethod::Exact => 0.0,
                    MatchMethod::Fuzzy => likeness(plain_text, &plain(cell)),
                };
                sure += likeness;
                likeness >= 0.9
            });
            if all {
                found.push((other, (sure / wanted.len() as f64 * 1_000.0).round() / 10.0));
            }
        }
        found.truncate(100);
        found
    }

    fn detected(
        &self,
        object: usize,
        rule: &DuplicateRule,
        allow_save: bool,
        found: &[(u32, f64)],
        call: Call<'_>,
    ) -> RowError {
        let spec = &self.schema.objects[object];
        let fuzzy = rule
            .fields
            .iter()
            .any(|(_, method)| *method == MatchMethod::Fuzzy);
        // Duplicates count whoever sees them, but only those that the caller sees are shown.
        let records: Vec<Value> = found
            .iter()
            .filter(|(row, _)| self.readable(call.access, object, *row))
            .map(|(row, sure)| {
                json!({
                    "additionalInformation": [],
                    "fieldDiffs": [],
                    "matchConfidence": sure,
                    "record": self.match_record(object, *row, call),
                })
            })
            .collect();
        let result = json!({
            "allowSave": allow_save,
            "duplicateRule": rule.name,
            "duplicateRuleEntityType": spec.name,
            "errorMessage": rule.message,
            "matchResults": [{
                "entityType": spec.name,
                "errors": [],
                "matchEngine": if fuzzy { "FuzzyMatchEngine" } else { "ExactMatchEngine" },
                "matchRecords": records,
                "rule": rule.matching_rule,
                "size": records.len(),
                "success": true,
            }],
        });
        RowError::new("DUPLICATES_DETECTED", rule.message.clone()).with_duplicates(result)
    }

    fn match_record(&self, object: usize, row: u32, call: Call<'_>) -> Value {
        let header = call.duplicates;
        let spec = &self.schema.objects[object];
        let table = &self.tables[object];
        let id = table.get(row, 0);
        let mut record = Map::new();
        record.insert(
            "attributes".to_owned(),
            json!({
                "type": spec.name,
                "url": format!("/services/data/v{}.0/sobjects/{}/{id}", header.version, spec.name),
            }),
        );
        record.insert("Id".to_owned(), json!(id));
        if header.record_details {
            for (at, field) in spec.fields.iter().enumerate().skip(1) {
                let cell = table.get(row, at);
                if cell.is_empty() || !call.access.sees(object, at) {
                    continue;
                }
                let value = match field.kind {
                    Kind::Boolean => json!(cell == "true"),
                    kind if kind.is_number() => cell
                        .parse::<serde_json::Number>()
                        .map_or(Value::Null, Value::Number),
                    _ => json!(cell),
                };
                record.insert(field.name.clone(), value);
            }
        }
        Value::Object(record)
    }
}

/// A text without what people write in different ways.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let kept: Vec<&str> = words
        .clone()
        .filter(|word| {
            !matches!(
                *word,
                "inc"
                    | "ltd"
                    | "llc"
                    | "corp"
                    | "corporation"
                    | "co"
                    | "company"
                    | "gmbh"
                    | "plc"
                    | "ag"
                    | "sa"
                    | "the"
            )
        })
        .collect();
    if kept.is_empty() {
        return words.collect::<Vec<_>>().join(" ");
    }
    kept.join(" ")
}

/// From 0 to 1.
fn likeness(a: &str, b: &str) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    if a == b {
        return 1.0;
    }
    strsim::jaro_winkler(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_forms_and_typing_errors_make_no_difference() {
        for (a, b, alike) in [
            ("Acme, Inc.", "ACME", true),
            ("Acme Ltd", "The Acme Company", true),
            ("Johnson", "Jonson", true),
            ("Johnson", "Smith", false),
            ("Inc", "Ltd", false),
        ] {
            assert_eq!(likeness(&plain(a), &plain(b)) >= 0.9, alike, "{a} {b}");
        }
    }

    #[test]
    fn the_header_is_read() {
        let header = DuplicateHeader::parse(Some("allowSave=true; includeRecordDetails=false"), 60);
        assert!(header.allow_save && !header.record_details);
        assert!(!DuplicateHeader::parse(None, 60).allow_save);
    }
}
