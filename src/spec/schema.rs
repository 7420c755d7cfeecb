//! JSON Schema of every kind of file, from the shapes that files are checked against. What holds between keys stands
//! in [`rules`].

mod rules;

pub use rules::ORG_KEYS;

use serde_json::{Map, Value, json};

use super::{
    shape::{ByKind, Form, Forms, Key, Record, Shape},
    shapes,
};

/// File name and JSON Schema (draft 2020-12) of every kind of file. What this version does not support is left out.
pub fn schemas() -> Vec<(&'static str, Value)> {
    [
        ("project.schema.json", "orgferry.yaml", &shapes::PROJECT_FILE),
        (
            "credentials.schema.json",
            "credentials.yaml",
            &shapes::CREDENTIALS_FILE,
        ),
        (
            "pipeline.schema.json",
            "An orgferry pipeline",
            &shapes::PIPELINE_FILE,
        ),
        (
            "mapping.schema.json",
            "An orgferry mapping file",
            &shapes::MAPPING_FILE,
        ),
    ]
    .into_iter()
    .map(|(file, title, shape)| (file, document(title, shape)))
    .collect()
}

fn document(title: &str, shape: &'static Shape) -> Value {
    let mut definitions = Map::new();
    let root = of(shape, &mut definitions);
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
    });
    if let (Some(document), Value::Object(root)) = (document.as_object_mut(), root) {
        document.extend(root);
        document.insert("$defs".into(), Value::Object(definitions));
    }
    document
}

fn of(shape: &'static Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape {
        Shape::Anything => json!({}),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean", "null"] }),
        Shape::Expression => {
            json!({ "type": ["string", "number", "boolean", "null"], "pattern": "\\S" })
        }
        // Whoever writes a secret as text is told so by the checker; an editor need not offer it.
        Shape::Secret => json!(false),
        // What YAML reads as a number or as true stands for its text.
        Shape::Text(kind) if kind.pattern.is_empty() => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Text(kind) => {
            let mut text = json!({
                "type": "string",
                "pattern": kind.pattern,
                "patternErrorMessage": format!("expected {}", kind.noun),
                "description": capital(kind.noun),
            });
            // A number without quotes stands for its text.
            let fits = |sample: &str| (kind.allows)(sample);
            if fits("66.0") || fits("12") || fits("5000") {
                let number = if fits("66.0") || fits("0.01") {
                    "number"
                } else {
                    "integer"
                };
                text["type"] = json!(["string", number]);
                if !fits("-1") {
                    text["minimum"] = json!(if fits("0") { 0 } else { 1 });
                }
            }
            text
        }
        Shape::Words(words) => {
            let words: Vec<Value> = words
                .iter()
                .filter(|word| word.built)
                .map(|word| {
                    // `otherwise: null` is a word of ours and a null of YAML's.
                    let allowed = if word.text == "null" {
                        json!(["null", null])
                    } else {
                        json!([word.text])
                    };
                    json!({ "enum": allowed, "description": capital(word.doc) })
                })
                .collect();
            json!({ "oneOf": words })
        }
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::List(inner) => json!({ "type": "array", "items": of(inner, definitions) }),
        Shape::OneOrMore(inner) => {
            let one = of(inner, definitions);
            json!({ "anyOf": [one.clone(), { "type": "array", "items": one, "minItems": 1 }] })
        }
        Shape::Map {
            keys,
            values,
            include,
        } => {
            let mut map = json!({ "type": "object", "additionalProperties": of(values, definitions) });
            if !keys.pattern.is_empty() {
                map["propertyNames"] = json!({ "pattern": keys.pattern });
            }
            if *include {
                // A field or table of that name is none of these files.
                let other = json!({ "allOf": [{ "type": "object" }, of(values, definitions)] });
                map["properties"] = json!({ "include": {
                    "description": "Mapping files whose entries are merged in; an entry written here wins.",
                    "anyOf": [
                        { "type": "string" },
                        { "type": "array", "items": { "type": "string" } },
                        other,
                    ],
                } });
            }
            map
        }
        Shape::Record(record) => defined(record.name, definitions, |definitions| {
            of_record(record, definitions)
        }),
        Shape::OrFile(inner, record) => {
            let file = defined(record.name, definitions, |definitions| {
                of_record(record, definitions)
            });
            json!({ "anyOf": [file, of(inner, definitions)] })
        }
        Shape::Forms(forms) => defined(forms.name, definitions, |definitions| {
            of_forms(forms, definitions)
        }),
        Shape::ByKind(kinds) => of_kinds(kinds, definitions),
    }
}

/// Puts a shape with a name under `$defs`, once, and refers to it.
fn defined(
    name: &str,
    definitions: &mut Map<String, Value>,
    make: impl FnOnce(&mut Map<String, Value>) -> Value,
) -> Value {
    if !definitions.contains_key(name) {
        definitions.insert(name.to_owned(), Value::Null);
        let made = make(definitions);
        definitions.insert(name.to_owned(), made);
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn of_record(record: &'static Record, definitions: &mut Map<String, Value>) -> Value {
    let mut object = object(record.keys.iter(), definitions);
    object["description"] = json!(record.doc);
    rule(&mut object, record.name);
    if let Some(rest) = record.rest {
        object["additionalProperties"] = of(rest, definitions);
    }
    object
}

fn of_forms(forms: &'static Forms, definitions: &mut Map<String, Value>) -> Value {
    let built = forms.forms.iter().filter(|form| form.on.not_yet.is_none());
    let variants: Vec<Value> = built
        .map(|Form { on, keys }| {
            let mut object = object(std::iter::once(on).chain(*keys).chain(forms.common), definitions);
            let mut required = vec![json!(on.name)];
            required.extend(object["required"].as_array().cloned().unwrap_or_default());
            object["required"] = Value::Array(required);
            rule(&mut object, &format!("{}.{}", forms.name, on.name));
            object
        })
        .collect();
    json!({ "description": forms.doc, "oneOf": variants })
}

fn rule(object: &mut Value, name: &str) {
    let rules = rules::of(name);
    if !rules.is_empty() {
        object["allOf"] = Value::Array(rules);
    }
}

fn of_kinds(kinds: &'static ByKind, definitions: &mut Map<String, Value>) -> Value {
    let variants: Vec<Value> = [kinds.scalar, kinds.list, kinds.map]
        .into_iter()
        .flatten()
        .map(|shape| of(shape, definitions))
        .filter(|schema| *schema != Value::Bool(false))
        .collect();
    match <[Value; 1]>::try_from(variants) {
        Ok([only]) => only,
        Err(variants) => json!({ "description": capital(kinds.noun), "anyOf": variants }),
    }
}

fn object(keys: impl Iterator<Item = &'static Key>, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys.filter(|key| key.not_yet.is_none()) {
        let mut schema = of(key.shape, definitions);
        schema["description"] = json!(key.doc);
        for (word, json) in [("default", key.default), ("examples", key.example)] {
            let Some(value) = json.and_then(|json| serde_json::from_str::<Value>(json).ok()) else {
                continue;
            };
            schema[word] = if word == "examples" { json!([value]) } else { value };
        }
        properties.insert(key.name.to_owned(), schema);
        if key.required {
            required.push(json!(key.name));
        }
    }
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = Value::Array(required);
    }
    object
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An editor explains a key by its description.
    #[test]
    fn every_property_is_described() {
        fn walk(place: &str, schema: &Value, bare: &mut Vec<String>) {
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                for (name, property) in properties {
                    let text = property
                        .get("description")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    if text.is_empty() || !text.ends_with(['.', '`', ')']) {
                        bare.push(format!("{place}.{name}: {text}"));
                    }
                }
            }
            match schema {
                Value::Object(entries) => {
                    // Rules speak of keys that are described where they belong.
                    for (name, inner) in entries.iter().filter(|(name, _)| *name != "allOf") {
                        walk(&format!("{place}.{name}"), inner, bare);
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| walk(place, item, bare)),
                _ => {}
            }
        }
        let mut bare = Vec::new();
        for (file, schema) in schemas() {
            walk(file, &schema, &mut bare);
        }
        assert_eq!(bare, Vec::<String>::new());
    }

    #[test]
    fn every_schema_is_a_schema_and_every_example_and_default_fits() {
        for (file, schema) in schemas() {
            assert!(jsonschema::meta::is_valid(&schema), "{file}");
            let definitions = schema["$defs"].clone();
            for (name, definition) in definitions.as_object().expect("definitions") {
                let objects = definition["oneOf"]
                    .as_array()
                    .cloned()
                    .unwrap_or(vec![definition.clone()]);
                for (key, property) in objects
                    .iter()
                    .filter_map(|o| o["properties"].as_object())
                    .flatten()
                {
                    let mut samples = property["examples"].as_array().cloned().unwrap_or_default();
                    samples.extend(property.get("default").cloned());
                    let mut property = property.clone();
                    property["$defs"] = definitions.clone();
                    for sample in samples {
                        assert!(
                            jsonschema::is_valid(&property, &sample),
                            "{file} {name}.{key}: {sample}"
                        );
                    }
                }
            }
        }
    }
}
