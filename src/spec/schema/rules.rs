//! What has to hold between the keys of one map, as far as JSON Schema can say it.
//!
//! `pipeline::compile` holds files to the same and says it better; these are here so that an editor marks the place
//! while it is typed. Nothing may stand here that `compile` lets pass: `tests/it/schemas.rs` looks.

use serde_json::{Value, json};

/// Keys of a target that speak of an org, and mean nothing beside a file.
pub const ORG_KEYS: [&str; 9] = [
    "object",
    "operation",
    "key",
    "api",
    "batch_size",
    "parallel",
    "assignment_rule",
    "allow_duplicates",
    "group_by",
];

/// The parts of `allOf` for a map of ours; of one that has forms, `NAME.FORM`.
pub(super) fn of(name: &str) -> Vec<Value> {
    let mut rules = rules(name);
    rules.iter_mut().for_each(unsuggested);
    rules
}

fn rules(name: &str) -> Vec<Value> {
    match name {
        "pipeline_file" => vec![json!({ "properties": { "steps": { "minProperties": 1 } } })],
        "deletes" => vec![json!({ "properties": { "set": { "minProperties": 1 } } })],
        "step" => step(),
        "target" => target(),
        "source.soql" => vec![
            json!({ "properties": { "soql": { "pattern": format!("^\\s*({})\\s", any_case(&["select"])) } } }),
        ],
        "source.object" => vec![
            when(has("limit"), json!({ "properties": { "cursor": false } })),
            when(
                one_of_these(&["limit", "order_by"]),
                json!({ "properties": { "chunk": word(&["auto"]) } }),
            ),
        ],
        "source.csv" | "source.jsonl" | "source.same_as" => vec![without(&["connection", "cursor"])],
        "source.http" => vec![without(&["connection"])],
        "http.get" | "http.post" => vec![json!({ "properties": { "headers": {
            "propertyNames": { "not": { "pattern": any_case(&["auth", "cookie", "token", "key", "secret", "session"]) } },
        } } })],
        "rows_check" => vec![one_of_these(&["at_least", "at_most"])],
        "reconcile" => vec![json!({ "anyOf": [
            { "required": ["count"], "properties": { "count": { "const": true } } },
            has("sum"),
            has("fields"),
        ] })],
        "map_value.first" => vec![json!({ "properties": { "first": { "minItems": 1 } } })],
        "map_value.ref" => {
            let step = json!({ "pattern": "^([A-Za-z0-9_-]+/)?[A-Za-z0-9_]+$" });
            vec![json!({ "properties": { "ref": { "pattern": step["pattern"], "items": step } } })]
        }
        // One value for two fields is one too few, and the other way round.
        "map_value.lookup" => vec![
            when(several("by"), several("of")),
            when(several("of"), several("by")),
        ],
        "external_credential" => external_credential(),
        "permission_set" => vec![json!({ "properties": { "principals": {
            "items": { "pattern": "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$" },
        } } })],
        _ => Vec::new(),
    }
}

fn step() -> Vec<Value> {
    let to_file =
        json!({ "required": ["target"], "properties": { "target": one_of_these(&["csv", "jsonl"]) } });
    let to_org = json!({ "required": ["target"], "properties": { "target": {
        "type": "object", "properties": { "csv": false, "jsonl": false },
    } } });
    let id = "^[iI][dD]$";
    let key_is_id = json!({ "required": ["target"], "properties": { "target": {
        "required": ["key"],
        "properties": { "key": { "anyOf": [
            { "type": "string", "pattern": id },
            { "type": "array", "maxItems": 1, "contains": { "type": "string", "pattern": id } },
        ] } },
    } } });
    let looks_at_the_key = json!({ "required": ["target"], "properties": { "target": {
        "required": ["operation"],
        "properties": { "operation": word(&["delete", "hard_delete", "match"]) },
    } } });
    let from_no_object = json!({ "required": ["source"], "properties": { "source": one_of_these(&["csv", "jsonl", "http"]) } });
    let standard_input = json!({ "anyOf": [
        { "type": "string", "pattern": "^-$" },
        { "type": "object", "required": ["path"], "properties": { "path": { "pattern": "^-$" } } },
    ] });
    let unknown_fields = json!({ "required": ["source"], "properties": { "source": { "anyOf": [
        has("http"),
        { "required": ["csv"], "properties": { "csv": standard_input.clone() } },
        { "required": ["jsonl"], "properties": { "jsonl": standard_input } },
    ] } } });
    vec![
        one_of_these(&["map", "copy"]),
        when(
            has("except"),
            json!({ "required": ["copy"], "properties": { "copy": { "type": "string" } } }),
        ),
        when(
            to_org.clone(),
            json!({ "properties": {
                "copy": { "items": { "not": { "pattern": id } } },
                "map": { "propertyNames": { "not": { "pattern": "\\..*\\." } } },
            } }),
        ),
        when(
            json!({ "allOf": [to_org, { "not": key_is_id }] }),
            json!({ "properties": { "map": { "propertyNames": { "not": { "pattern": id } } } } }),
        ),
        when(
            json!({ "anyOf": [looks_at_the_key, unknown_fields] }),
            json!({ "properties": { "copy": { "type": "array" } } }),
        ),
        when(
            json!({ "allOf": [from_no_object, { "not": to_file }] }),
            json!({ "properties": { "target": { "required": ["object"] } } }),
        ),
    ]
}

fn target() -> Vec<Value> {
    let operation =
        |words: &[&str]| json!({ "required": ["operation"], "properties": { "operation": word(words) } });
    let api = |name: &str| json!({ "required": ["api"], "properties": { "api": word(&[name]) } });
    let mut file = without(&ORG_KEYS);
    file["oneOf"] = json!([has("csv"), has("jsonl")]);
    let to_org = json!({ "properties": { "csv": false, "jsonl": false } });
    vec![
        when(one_of_these(&["csv", "jsonl"]), file),
        when(
            json!({ "allOf": [to_org, { "not": operation(&["insert"]) }] }),
            has("key"),
        ),
        when(
            json!({ "allOf": [operation(&["insert"]), api("bulk")] }),
            has("key"),
        ),
        when(
            operation(&["insert"]),
            json!({ "properties": { "key": { "not": { "pattern": "^[iI][dD]$", "type": "string" } } } }),
        ),
        when(
            operation(&["delete", "hard_delete", "match"]),
            without(&["assignment_rule", "allow_duplicates"]),
        ),
        when(
            operation(&["match"]),
            without(&["api", "batch_size", "parallel", "group_by"]),
        ),
        when(
            operation(&["hard_delete"]),
            json!({ "properties": { "api": word(&["auto", "bulk"]) } }),
        ),
        when(
            api("rest"),
            json!({ "properties": { "batch_size": { "maximum": 200 } } }),
        ),
        when(
            api("bulk"),
            json!({ "properties": { "assignment_rule": { "not": word(&["default"]) } } }),
        ),
        json!({ "properties": { "key": {
            "minItems": 1,
            "uniqueItems": true,
            "anyOf": [{ "maxItems": 1 }, { "items": { "not": { "pattern": "^[iI][dD]$" } } }],
        } } }),
    ]
}

fn external_credential() -> Vec<Value> {
    let is = |key: &str, name: &str| json!({ "required": [key], "properties": { key: word(&[name]) } });
    let principals = |keys: &[&str]| {
        let names: Vec<&str> = keys.iter().copied().chain(["sequence"]).collect();
        json!({
            "required": ["principals"],
            "properties": { "principals": {
                "minProperties": 1,
                "additionalProperties": { "required": keys, "propertyNames": { "enum": names } },
            } },
        })
    };
    let mut client_credentials = principals(&["client_id", "client_secret"]);
    client_credentials["required"] = json!(["principals", "identity_provider_url"]);
    let not_oauth2 =
        json!({ "required": ["protocol"], "properties": { "protocol": { "not": word(&["oauth2"]) } } });
    vec![
        when(is("protocol", "oauth2"), has("flow")),
        when(
            not_oauth2,
            without(&[
                "flow",
                "identity_provider_url",
                "pass_client_credentials_in_body",
                "scope",
            ]),
        ),
        when(is("flow", "client_credentials"), client_credentials),
        when(is("flow", "access_token"), principals(&["access_token"])),
        when(is("protocol", "basic"), principals(&["username", "password"])),
        when(
            is("protocol", "custom"),
            json!({ "required": ["principals"], "properties": { "principals": { "minProperties": 1 } } }),
        ),
        when(
            is("protocol", "none"),
            json!({ "properties": { "principals": {
                "additionalProperties": { "propertyNames": { "enum": ["sequence"] } },
            } } }),
        ),
    ]
}

fn when(condition: Value, then: Value) -> Value {
    json!({ "if": condition, "then": then })
}

/// One of a few words. As a pattern, since an editor offers what stands in `enum`, and has better words for it elsewhere.
fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "pattern": format!("^({})$", words.join("|")) })
}

/// Keeps editors from offering a key by what a rule says of it: the key's own description is better.
fn unsuggested(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(unsuggested),
        Value::Object(entries) => {
            for (name, inner) in entries.iter_mut() {
                unsuggested(inner);
                let properties = inner.as_object_mut().filter(|_| name == "properties");
                for property in properties.into_iter().flat_map(|found| found.values_mut()) {
                    if let Value::Object(property) = property {
                        property.insert("doNotSuggest".into(), Value::Bool(true));
                    }
                }
            }
        }
        _ => {}
    }
}

fn has(key: &str) -> Value {
    json!({ "required": [key] })
}

/// One of the keys at least.
fn one_of_these(keys: &[&str]) -> Value {
    json!({ "anyOf": keys.iter().map(|key| has(key)).collect::<Vec<_>>() })
}

/// None of the keys.
fn without(keys: &[&str]) -> Value {
    let properties: serde_json::Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_owned(), Value::Bool(false)))
        .collect();
    json!({ "properties": properties })
}

/// A list of more than one.
fn several(key: &str) -> Value {
    json!({ "required": [key], "properties": { key: { "type": "array", "minItems": 2 } } })
}

/// A pattern that finds one of the words, in capitals or not.
fn any_case(words: &[&str]) -> String {
    let insensitive = |word: &&str| {
        word.chars()
            .map(|c| format!("[{c}{}]", c.to_ascii_uppercase()))
            .collect::<String>()
    };
    words.iter().map(insensitive).collect::<Vec<_>>().join("|")
}
