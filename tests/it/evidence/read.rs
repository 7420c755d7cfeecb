//! Readers of the recorders' files: WireMock mappings, vcr.py cassettes, Ruby VCR cassettes.

use std::{fs, path::Path};

use serde_json::Value;

use super::exchange::Exchange;

/// The API version that stands in for a recorder's placeholder.
const VERSION: &str = "v60.0";
/// The cassettes of 2015 were of about v29; an emulated org starts at v31.
const OLD_VERSION: &str = "v31.0";

/// All files of the folder that hold exchanges or bodies, as relative paths, sorted.
pub(super) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder of recordings") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            collect(root, &path, found);
        } else if !matches!(name.as_str(), "README.md" | "LICENSE.txt") {
            let relative = path.strip_prefix(root).expect("below the root");
            found.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
}

/// The exchanges of a recorder's file; none for a bare body.
pub(super) fn exchanges(folder: &Path, file: &str) -> Vec<Exchange> {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    if file.contains("/mappings/") {
        return vec![wiremock(&serde_json::from_str(&text).expect("a mapping"))];
    }
    if file.ends_with(".json") {
        return Vec::new();
    }
    let value: Value = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    if let Some(list) = value["http_interactions"].as_array() {
        return list.iter().map(ruby).collect();
    }
    match value["interactions"].as_array() {
        Some(list) => list.iter().filter_map(|v| included(folder, file, v)).collect(),
        None => vec![python(&value)],
    }
}

/// An exchange, or the shared one that is named in its place.
fn included(folder: &Path, file: &str, value: &Value) -> Option<Exchange> {
    let Some(name) = value["include_file"].as_str() else {
        return Some(python(value));
    };
    let start = file.find("/tasks/").or_else(|| file.find("/core/"));
    let shared = format!("{}/tests/shared_cassettes/{name}", &file[..start?]);
    // One shared file is named by a cassette but not there.
    if !folder.join(&shared).exists() {
        return None;
    }
    // Its body is compared where the shared file is replayed for itself, in an org that is set up for it.
    Some(Exchange {
        answer: None,
        ..exchanges(folder, &shared).remove(0)
    })
}

/// The placeholder filled with the version that the answer still tells, or the usual one.
fn version(response: &Value) -> String {
    let text = body(&response["body"]).unwrap_or_default();
    let told = text.split("/services/data/").skip(1).find_map(|rest| {
        let version = rest.split('/').next()?;
        (version.starts_with('v') && version.ends_with(".0") && version != "vxx.0")
            .then(|| version.to_owned())
    });
    told.unwrap_or_else(|| VERSION.to_owned())
}

fn wiremock(mapping: &Value) -> Exchange {
    let (request, response) = (&mapping["request"], &mapping["response"]);
    let mut path = request["url"]
        .as_str()
        .or(request["urlPath"].as_str())
        .expect("a path")
        .to_owned();
    if let Some(parameters) = request["queryParameters"].as_object() {
        let pairs = parameters
            .iter()
            .map(|(name, m)| (name.as_str(), m["equalTo"].as_str().unwrap_or_default()));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        path = format!("{path}?{query}");
    }
    let mut headers = Vec::new();
    if let Some(matchers) = request["headers"].as_object() {
        for (name, matcher) in matchers {
            // A pattern names many clients; any of them will do.
            let value = matcher["equalTo"]
                .as_str()
                .unwrap_or("client=sf-fx-runtime-nodejs");
            headers.push((name.clone(), value.to_owned()));
        }
    }
    let body = request["bodyPatterns"][0]["equalToJson"]
        .as_str()
        .map(str::to_owned);
    if body.is_some() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    let answer_headers: Vec<(String, String)> = pairs(&response["headers"]);
    Exchange {
        method: request["method"].as_str().unwrap_or("GET").to_owned(),
        path,
        headers,
        body,
        status: response["status"].as_u64().and_then(|s| u16::try_from(s).ok()),
        all_headers: answer_headers.iter().any(|(n, _)| n == "Date"),
        answer_headers,
        answer: match (&response["body"], &response["jsonBody"]) {
            (Value::String(text), _) => Some(text.clone()),
            (_, Value::Null) => None,
            (_, json) => Some(json.to_string()),
        },
        ..Exchange::default()
    }
}

/// Header maps with a text or a list of texts a name.
fn pairs(headers: &Value) -> Vec<(String, String)> {
    let Some(map) = headers.as_object() else {
        return Vec::new();
    };
    map.iter()
        .filter_map(|(name, value)| {
            let first = if value.is_array() { &value[0] } else { value };
            first.as_str().map(|v| (name.clone(), v.to_owned()))
        })
        .collect()
}

fn body(value: &Value) -> Option<String> {
    let text = if value.is_object() {
        &value["string"]
    } else {
        value
    };
    text.as_str().filter(|t| !t.is_empty()).map(str::to_owned)
}

fn python(value: &Value) -> Exchange {
    let (request, response) = (&value["request"], &value["response"]);
    let version = version(response);
    let uri = request["uri"].as_str().expect("a URI").replace("vxx.0", &version);
    let path = uri
        .strip_prefix("https://orgname.my.salesforce.com")
        .unwrap_or(&uri);
    let headers = match &response["headers"]["Response-Headers"] {
        Value::Object(_) => &response["headers"]["Response-Headers"],
        _ => &response["headers"],
    };
    let body_sent = body(&request["body"]).map(|b| b.replace("vxx.0", &version));
    Exchange {
        method: request["method"].as_str().unwrap_or("GET").to_owned(),
        path: path.to_owned(),
        headers: match body_sent {
            Some(_) => vec![("Content-Type".to_owned(), "application/json".to_owned())],
            None => Vec::new(),
        },
        body: body_sent,
        status: response["status"]["code"]
            .as_u64()
            .and_then(|s| u16::try_from(s).ok()),
        answer_headers: pairs(headers)
            .into_iter()
            .filter(|(n, _)| n == "Content-Type")
            .collect(),
        answer: body(&response["body"]).map(|b| b.replace("vxx.0", &version)),
        ..Exchange::default()
    }
}

fn ruby(value: &Value) -> Exchange {
    let (request, response) = (&value["request"], &value["response"]);
    let known = |text: &str| {
        text.replace("<api_version>", OLD_VERSION)
            .replace("<client_id>", "app")
            .replace("<client_secret>", "secret")
            .replace("<username>", "int%40evidence.example")
            .replace("<password>", "pass")
            .replace("<security_token>", "word")
    };
    let uri = known(request["uri"].as_str().expect("a URI"));
    Exchange {
        method: request["method"].as_str().unwrap_or("get").to_ascii_uppercase(),
        path: uri.strip_prefix("https://<host>").unwrap_or(&uri).to_owned(),
        headers: pairs(&request["headers"])
            .into_iter()
            .filter(|(n, _)| n == "Content-Type")
            .collect(),
        body: body(&request["body"]).map(|b| known(&b)),
        status: response["status"]["code"]
            .as_u64()
            .and_then(|s| u16::try_from(s).ok()),
        answer_headers: pairs(&response["headers"])
            .into_iter()
            .map(|(name, value)| (name, known(&value)))
            .collect(),
        all_headers: true,
        answer: body(&response["body"]).map(|b| known(&b)),
        ..Exchange::default()
    }
}
