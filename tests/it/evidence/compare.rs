//! Whether an emulated org answered as the recorded one did.
//!
//! Everything is compared but what cannot be equal: Ids have to stand for one another throughout a recording, times
//! have to have the same form, and the texts of errors may be worded otherwise. Each difference has a place, so that
//! a table can name the ones that are known, and why they stay.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

/// Keys whose values count even where the others are another org's.
const TELLING: &[&str] = &[
    "created",
    "done",
    "error",
    "errorCode",
    "httpStatusCode",
    "isSuccessful",
    "nextRecordsUrl",
    "state",
    "statusCode",
    "success",
    "totalSize",
    "type",
];

/// How the values of a body are compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strictness {
    /// Kinds and keys only: the values are another org's.
    pub(super) shape: bool,
    /// Ours may have more keys and elements.
    pub(super) loosely: bool,
    /// Messages have to be equal too.
    pub(super) texts: bool,
    /// The recording's Ids were masked: any Id will do.
    pub(super) masked_ids: bool,
}

/// What is known about the two orgs so far.
#[derive(Debug, Default)]
pub(super) struct Orgs {
    ids: HashMap<String, String>,
    /// The objects that the emulated org has.
    pub(super) objects: HashSet<String>,
}

impl Orgs {
    /// A recorded request with the Ids of ours.
    pub(super) fn ours(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        let mut escaped = 0;
        for c in text.chars().chain(['\0']) {
            // The two digits after a percent sign are no part of a word.
            if escaped == 0 && c.is_ascii_alphanumeric() {
                word.push(c);
                continue;
            }
            out.push_str(self.ids.get(&word).unwrap_or(&word));
            word.clear();
            if c != '\0' {
                out.push(c);
            }
            escaped = if c == '%' {
                2
            } else {
                escaped - i32::from(escaped > 0)
            };
        }
        out
    }

    fn same_id(&mut self, recorded: &str, ours: &str) -> bool {
        if let Some(known) = self.ids.get(recorded) {
            return known == ours;
        }
        self.ids.insert(recorded.to_owned(), ours.to_owned());
        if recorded.len() == 18 && ours.len() == 18 {
            self.ids.insert(recorded[..15].to_owned(), ours[..15].to_owned());
        }
        true
    }
}

/// The differences of one answer.
#[derive(Debug)]
pub(super) struct Comparison<'o> {
    orgs: &'o mut Orgs,
    pub(super) how: Strictness,
    /// Place and words.
    pub(super) found: Vec<(String, String)>,
}

impl<'o> Comparison<'o> {
    pub(super) fn new(orgs: &'o mut Orgs, how: Strictness) -> Self {
        Comparison {
            orgs,
            how,
            found: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, place: &str, words: String) {
        self.found.push((place.to_owned(), words));
    }

    /// Those headers that clients look at.
    pub(super) fn headers(
        &mut self,
        recorded: &[(String, String)],
        ours: &[(String, String)],
        all_recorded: bool,
    ) {
        const TOLD: &[&str] = &[
            "location",
            "www-authenticate",
            "sforce-limit-info",
            "last-modified",
            "etag",
            "sforce-locator",
            "sforce-numberofrecords",
            "content-type",
        ];
        let get = |list: &[(String, String)], name: &str| {
            list.iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.clone())
        };
        let mut names: Vec<String> = recorded.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
        if all_recorded {
            names.extend(TOLD.iter().map(|n| (*n).to_owned()));
        }
        names.sort();
        names.dedup();
        for name in names {
            let checked = TOLD.contains(&name.as_str())
                || matches!(name.as_str(), "cache-control" | "pragma" | "vary" | "allow");
            if !checked {
                continue;
            }
            let place = format!("headers.{name}");
            match (get(recorded, &name), get(ours, &name)) {
                (None, None) => {}
                (Some(gone), None) if gone.is_empty() => {}
                (Some(recorded), None) => self.note(&place, format!("recorded `{recorded}`, ours has none")),
                (None, Some(ours)) => self.note(&place, format!("not recorded, ours `{ours}`")),
                (Some(recorded), Some(ours)) => {
                    let plain = |v: &str| v.to_ascii_lowercase().replace(' ', "");
                    let same = match name.as_str() {
                        "location" => self.same_text(&recorded, &ours),
                        "sforce-limit-info" => {
                            let form = |v: &str| v.replace(|c: char| c.is_ascii_digit(), "");
                            form(&recorded) == form(&ours)
                        }
                        "last-modified" => ours.ends_with(" GMT") && ours.len() == recorded.len(),
                        "sforce-locator" if ours != "null" => self.orgs.same_id(&recorded, &ours),
                        "etag" => !ours.is_empty() && !recorded.is_empty(),
                        _ => plain(&recorded) == plain(&ours),
                    };
                    if !same {
                        self.note(&place, format!("recorded `{recorded}`, ours `{ours}`"));
                    }
                }
            }
        }
    }

    /// Bodies: JSON, CSV, or anything else, of which only the kind is compared.
    pub(super) fn bodies(&mut self, recorded: &str, ours: &str, csv: bool) {
        if csv {
            return self.csv(recorded, ours);
        }
        match (
            serde_json::from_str::<Value>(recorded),
            serde_json::from_str::<Value>(ours),
        ) {
            (Ok(recorded), Ok(ours)) => self.json("body", &recorded, &ours),
            (Err(_), Err(_)) => {
                if self.how.texts && recorded.trim_end() != ours.trim_end() {
                    self.note("body", format!("recorded `{recorded}`, ours `{ours}`"));
                }
            }
            (recorded, _) => {
                let kind = if recorded.is_ok() { "JSON" } else { "no JSON" };
                self.note("body", format!("recorded {kind}, ours `{ours}`"));
            }
        }
    }

    fn json(&mut self, place: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(a), Value::Object(b)) => {
                for (key, value) in a {
                    let place = format!("{place}.{key}");
                    match b.get(key) {
                        Some(other) => self.member(&place, key, value, other),
                        None => {
                            let words = format!("recorded {}, ours has no such key", short(value));
                            self.note(&format!("{place} missing"), words);
                        }
                    }
                }
                if !self.how.loosely {
                    for key in b.keys().filter(|k| !a.contains_key(*k)) {
                        let place = format!("{place}.{key} extra");
                        self.note(&place, "not recorded, but ours has it".to_owned());
                    }
                    let shared = |from: &serde_json::Map<String, Value>,
                                  other: &serde_json::Map<String, Value>| {
                        from.keys()
                            .filter(|k| other.contains_key(*k))
                            .cloned()
                            .collect::<Vec<_>>()
                    };
                    if shared(a, b) != shared(b, a) {
                        let words = format!("recorded {:?}, ours {:?}", shared(a, b), shared(b, a));
                        self.note(&format!("{place} order"), words);
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) => self.list(place, a, b),
            (Value::String(a), Value::String(b)) => {
                if !self.how.shape && !self.same_text(a, b) {
                    self.note(place, format!("recorded `{a}`, ours `{b}`"));
                }
            }
            (Value::Number(a), Value::Number(b)) => {
                let dotted = |n: &serde_json::Number| n.as_str().contains('.');
                let same = a.as_f64() == b.as_f64() && dotted(a) == dotted(b);
                if !self.how.shape && !same {
                    self.note(place, format!("recorded {a}, ours {b}"));
                }
            }
            (Value::Bool(a), Value::Bool(b)) => {
                if !self.how.shape && a != b {
                    self.note(place, format!("recorded {a}, ours {b}"));
                }
            }
            (Value::Null, Value::Null) => {}
            (Value::Null, _) | (_, Value::Null) if self.how.shape => {}
            (a, b) => self.note(place, format!("recorded {}, ours {}", short(a), short(b))),
        }
    }

    fn member(&mut self, place: &str, key: &str, recorded: &Value, ours: &Value) {
        let text = matches!(key, "message" | "error_description");
        if text && !self.how.texts && recorded.is_string() && ours.is_string() {
            return;
        }
        // What was done before says by any word which record or job of ours it is.
        if matches!(key, "id" | "Id")
            && self.how.loosely
            && let (Some(recorded), Some(ours)) = (recorded.as_str(), ours.as_str())
            && id_like(ours)
            && self.orgs.same_id(recorded, ours)
        {
            return;
        }
        let shape = self.how.shape;
        self.how.shape = shape && !TELLING.contains(&key);
        self.json(place, recorded, ours);
        self.how.shape = shape;
    }

    fn list(&mut self, place: &str, recorded: &[Value], ours: &[Value]) {
        if let Some(key) = name_of(place, recorded) {
            return self.named(place, key, recorded, ours);
        }
        if place.ends_with("referenceTo") {
            // Only those objects that an emulated org has.
            let there = |v: &&Value| v.as_str().is_some_and(|n| self.orgs.objects.contains(n));
            let wanted: Vec<&Value> = recorded.iter().filter(there).collect();
            let words = format!("recorded {wanted:?}, ours {ours:?}");
            if wanted != ours.iter().collect::<Vec<_>>() {
                self.note(place, words);
            }
            return;
        }
        let fits = if self.how.shape {
            recorded.is_empty() || !ours.is_empty()
        } else if self.how.loosely {
            recorded.len() <= ours.len()
        } else {
            recorded.len() == ours.len()
        };
        if !fits {
            let words = format!("recorded {} elements, ours {}", recorded.len(), ours.len());
            self.note(&format!("{place}.length"), words);
        }
        for (at, (recorded, ours)) in recorded.iter().zip(ours).enumerate() {
            self.json(&format!("{place}[{at}]"), recorded, ours);
        }
    }

    /// Lists whose elements have names: fields, objects, picklist values, child relationships.
    fn named(&mut self, place: &str, key: Naming, recorded: &[Value], ours: &[Value]) {
        let named = |list: &[Value]| -> BTreeMap<String, Value> {
            list.iter().map(|v| (key.name(v), v.clone())).collect()
        };
        let (a, b) = (named(recorded), named(ours));
        for (name, value) in &a {
            let place = format!("{place}[{name}]");
            match b.get(name) {
                Some(other) => self.json(&place, value, other),
                None => {
                    let object = match key {
                        Naming::Child => value["childSObject"].as_str(),
                        Naming::Name if place.starts_with("body.sobjects[") => Some("\0"),
                        _ => None,
                    };
                    if object.is_none_or(|o| o == "\0" || self.orgs.objects.contains(o)) {
                        self.note(
                            &format!("{place} missing"),
                            "recorded, but not in ours".to_owned(),
                        );
                    }
                }
            }
        }
        if !self.how.loosely {
            for name in b.keys().filter(|n| !a.contains_key(*n)) {
                let place = format!("{place}[{name}] extra");
                self.note(&place, "not recorded, but ours has it".to_owned());
            }
        }
    }

    pub(super) fn same_text(&mut self, recorded: &str, ours: &str) -> bool {
        if recorded == ours && !id_like(recorded) {
            return true;
        }
        if self.how.masked_ids && id_like(ours) {
            return true;
        }
        if id_like(ours) && (id_like(recorded) || recorded.ends_with("ACCOUNTID") || recorded == "foo") {
            return self.orgs.same_id(recorded, ours);
        }
        if recorded.contains(' ') && recorded.split_whitespace().any(id_like) {
            // A text that names records.
            let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
            let (a, b) = (words(recorded), words(ours));
            return a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| self.same_text(a, b));
        }
        if time_form(recorded).is_some() {
            return time_form(recorded) == time_form(ours);
        }
        let path = |url: &str| {
            url.split_once("://")
                .map(|(_, rest)| rest[rest.find('/').unwrap_or(0)..].to_owned())
        };
        if let (Some(recorded), Some(ours)) = (path(recorded), path(ours)) {
            // The same resource of another host.
            return recorded == ours || self.same_text(&recorded, &ours);
        }
        if recorded.starts_with("/services/")
            || recorded.starts_with("services/")
            || recorded.starts_with("/id/")
        {
            let (a, b): (Vec<&str>, Vec<&str>) = (recorded.split('/').collect(), ours.split('/').collect());
            return a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    // A query locator: LOCATOR-OFFSET.
                    match (a.split_once('-'), b.split_once('-')) {
                        (Some((x, a)), Some((y, b))) => a == b && self.orgs.same_id(x, y),
                        _ => *a == b || self.same_text(a, b),
                    }
                });
        }
        false
    }
}

#[derive(Clone, Copy)]
enum Naming {
    Name,
    Value,
    Child,
    Developer,
}

impl Naming {
    fn name(self, value: &Value) -> String {
        let get = |key: &str| value[key].as_str().unwrap_or_default();
        match self {
            Naming::Name => get("name").to_owned(),
            Naming::Value => get("value").to_owned(),
            Naming::Child => format!("{}.{}", get("childSObject"), get("field")),
            Naming::Developer => get("developerName").to_owned(),
        }
    }
}

fn name_of(place: &str, list: &[Value]) -> Option<Naming> {
    let last = place.rsplit('.').next().unwrap_or_default();
    let has = |key: &str| list.first().is_some_and(|v| v[key].is_string());
    match last {
        "fields" | "sobjects" | "supportedScopes" | "sObjects" => has("name").then_some(Naming::Name),
        "picklistValues" => Some(Naming::Value),
        "childRelationships" => Some(Naming::Child),
        "recordTypeInfos" => has("developerName").then_some(Naming::Developer),
        _ => None,
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

pub(super) fn id_like(text: &str) -> bool {
    matches!(text.len(), 15 | 18)
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && text.bytes().take(5).any(|b| b.is_ascii_digit())
}

/// `2015-06-25T21:53:43.000+0000` with its digits taken away, when it is a time.
fn time_form(text: &str) -> Option<String> {
    let form = text.replace(|c: char| c.is_ascii_digit(), "9");
    (form.starts_with("9999-99-99T99:99:99")).then_some(form)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(how: Strictness, recorded: Value, ours: Value) -> Vec<String> {
        let mut orgs = Orgs::default();
        let mut comparison = Comparison::new(&mut orgs, how);
        comparison.bodies(&recorded.to_string(), &ours.to_string(), false);
        comparison.found.into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn requests_name_our_records() {
        let mut orgs = Orgs::default();
        assert!(orgs.same_id("001B000001LntWlIAJ", "001DT0000000001YAA"));
        for (recorded, ours) in [
            (
                "/sobjects/Account/001B000001LntWlIAJ?x=1",
                "/sobjects/Account/001DT0000000001YAA?x=1",
            ),
            (
                "Id%20=%20%27001B000001LntWlIAJ%27",
                "Id%20=%20%27001DT0000000001YAA%27",
            ),
            ("{\"Id\": \"001B000001LntWl\"}", "{\"Id\": \"001DT0000000001\"}"),
            ("001B000001LwihtIAB", "001B000001LwihtIAB"),
        ] {
            assert_eq!(orgs.ours(recorded), ours);
        }
    }

    #[test]
    fn what_differs_is_found() {
        let exact = Strictness::default();
        let shape = Strictness {
            shape: true,
            ..Strictness::default()
        };
        let none: [&str; 0] = [];
        let (a, b, c) = ("001B000001LntWlIAJ", "001B000001LwihtIAB", "001B000001LwihuIAB");
        for (how, recorded, ours, expected) in [
            (exact, json!({"a": 1}), json!({"a": 1}), &none[..]),
            (exact, json!({"a": 1}), json!({"a": 2}), &["body.a"]),
            (exact, json!({"a": null}), json!({}), &["body.a missing"]),
            (exact, json!({}), json!({"a": null}), &["body.a extra"]),
            (
                exact,
                json!({"a": 1, "b": 2}),
                json!({"b": 2, "a": 1}),
                &["body order"],
            ),
            (exact, json!([1]), json!([1, 2]), &["body.length"]),
            (exact, json!([a, a]), json!([b, b]), &[]),
            (exact, json!([a, a]), json!([b, c]), &["body[1]"]),
            (exact, json!({"message": "x"}), json!({"message": "y"}), &[]),
            (
                exact,
                json!({"errorCode": "X"}),
                json!({"errorCode": "Y"}),
                &["body.errorCode"],
            ),
            (
                exact,
                json!(["2015-06-25T21:53:43.000+0000"]),
                json!(["2026-01-01T00:00:00.000Z"]),
                &["body[0]"],
            ),
            (
                exact,
                json!(["/services/data/v51.0/query/01gB000003OCxSPIA1-2000"]),
                json!(["/services/data/v51.0/query/01gXX0000000001AAA-200"]),
                &["body[0]"],
            ),
            (
                exact,
                json!({"fields": [{"name": "A", "x": 1}, {"name": "B"}]}),
                json!({"fields": [{"name": "A", "x": 2}]}),
                &["body.fields[A].x", "body.fields[B] missing"],
            ),
            (shape, json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "y"}), &[]),
            (shape, json!({"a": 1}), json!({"a": "1"}), &["body.a"]),
        ] {
            assert_eq!(
                places(how, recorded.clone(), ours.clone()),
                expected,
                "{recorded} {ours}"
            );
        }
        let real: Value = serde_json::from_str("[50000.0]").expect("JSON");
        assert_eq!(places(exact, real, json!([50000])), ["body[0]"]);
    }
}
