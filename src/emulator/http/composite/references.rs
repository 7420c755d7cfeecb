//! `@{ref.path[0].x}`: what a later step takes from the answer of an earlier one.

use std::collections::HashMap;

use serde_json::Value;

use super::steps::Step;

/// Whether any step may look into the answer of another.
pub(super) fn mentioned(steps: &[Step], reference_id: &str) -> bool {
    let mark = format!("@{{{reference_id}");
    steps.iter().any(|step| {
        step.url.contains(&mark)
            || step
                .body
                .as_ref()
                .is_some_and(|body| body.to_string().contains(&mark))
    })
}

/// The reference ids that a step names.
pub(super) fn named(step: &Step) -> Vec<String> {
    let mut text = step.url.clone();
    if let Some(body) = &step.body {
        text.push_str(&body.to_string());
    }
    text.split("@{")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(path, _)| path.split(['.', '[']).next().unwrap_or_default().to_owned())
        .collect()
}

/// URL and body of a step with its references filled in; an error when one leads nowhere.
pub(super) fn resolve(step: &Step, known: &HashMap<&str, Value>) -> Result<(String, Option<Value>), String> {
    let url = fill(&step.url, known)?;
    let body = match &step.body {
        None => None,
        Some(body) => Some(filled(body, known)?),
    };
    Ok((url, body))
}

fn filled(value: &Value, known: &HashMap<&str, Value>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) if text.contains("@{") => {
            // A text that is nothing but a reference takes the value as it is, be it a number or a list.
            let alone = text.strip_prefix("@{").and_then(|t| t.strip_suffix('}'));
            match alone.filter(|path| !path.contains('}')) {
                Some(path) => look_up(path, known)?.clone(),
                None => Value::String(fill(text, known)?),
            }
        }
        Value::Array(list) => Value::Array(list.iter().map(|v| filled(v, known)).collect::<Result<_, _>>()?),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, v)| Ok((key.clone(), filled(v, known)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

fn fill(text: &str, known: &HashMap<&str, Value>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((path, after)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        match look_up(path, known)? {
            Value::String(text) => out.push_str(text),
            Value::Null => {}
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn look_up<'v>(path: &str, known: &'v HashMap<&str, Value>) -> Result<&'v Value, String> {
    let name = path.split(['.', '[']).next().unwrap_or_default();
    let lost = || format!("Invalid reference specified. No value for {path} found in {name}");
    let mut value = known.get(name).ok_or_else(lost)?;
    for part in path[name.len()..].split(['.', '[']).filter(|p| !p.is_empty()) {
        value = match part.strip_suffix(']') {
            Some(index) => index.trim().parse::<usize>().ok().and_then(|i| value.get(i)),
            None => value.as_object().and_then(|map| map.get(part)),
        }
        .ok_or_else(lost)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_into_answers() {
        let known = HashMap::from([
            ("a", json!({"id": "001", "n": 5, "none": null})),
            ("q", json!({"records": [{"Id": "003", "Owner": {"Name": "Ann"}}]})),
            ("l", json!([{"id": "00Q"}])),
        ]);
        for (text, expected) in [
            ("/x/@{a.id}/y", Ok("/x/001/y")),
            ("@{a.n}-@{q.records[0].Owner.Name}", Ok("5-Ann")),
            ("@{l[0].id}", Ok("00Q")),
            ("[@{a.none}]", Ok("[]")),
            ("plain @{ text", Ok("plain @{ text")),
            ("@{A.id}", Err("No value for A.id found in A")),
            ("@{a.Id}", Err("No value for a.Id found in a")),
            (
                "@{q.records[1].Id}",
                Err("No value for q.records[1].Id found in q"),
            ),
        ] {
            match (fill(text, &known), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.ends_with(expected), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let body = json!({"AccountId": "@{a.id}", "n": ["@{a.n}"], "whole": "@{q.records}"});
        assert_eq!(
            filled(&body, &known).expect("filled"),
            json!({"AccountId": "001", "n": [5], "whole": [{"Id": "003", "Owner": {"Name": "Ann"}}]})
        );
    }
}
