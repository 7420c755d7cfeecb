//! What the org has below `/services/data`: its versions, its resources, and those of a real org that it refuses.

use serde_json::{Map, Value, json};

use super::{Api, Call, Org, Reply};

/// Resources that are served.
const SERVED: &[&str] = &[
    "sobjects",
    "query",
    "queryAll",
    "limits",
    "composite",
    "jobs",
    "tooling",
    "recent",
    "tabs",
    "theme",
];

/// Resources of a real org that this one has not, with the words that name them.
const REFUSED: &[(&str, &str)] = &[
    ("actions", "invocable and quick actions (actions)"),
    ("analytics", "Reports and Dashboards API (analytics)"),
    ("appMenu", "app menu (appMenu)"),
    ("async-queries", "Async SOQL (async-queries)"),
    ("chatter", "Connect REST API (chatter)"),
    ("commerce", "Commerce API (commerce)"),
    ("connect", "Connect REST API (connect)"),
    ("consent", "Consent API (consent)"),
    ("dedupe", "duplicate jobs (dedupe)"),
    ("domino", "domino resource (domino)"),
    ("eclair", "Analytics maps (eclair)"),
    ("emailConnect", "email connect (emailConnect)"),
    ("event", "event schemas (event)"),
    ("eventMonitoring", "event monitoring (eventMonitoring)"),
    ("fingerprint", "fingerprint resource (fingerprint)"),
    ("flow", "flow runtime (flow)"),
    ("folders", "report and dashboard folders (folders)"),
    ("iot", "IoT orchestrations (iot)"),
    ("jsonxform", "JSON transformation (jsonxform)"),
    (
        "knowledgeManagement",
        "Knowledge management (knowledgeManagement)",
    ),
    ("licensing", "licensing resource (licensing)"),
    ("localizedvalue", "localized values (localizedvalue)"),
    ("metadata", "Metadata REST API (metadata)"),
    ("mobile", "mobile resource (mobile)"),
    (
        "named-credentials",
        "Named Credentials of the Connect REST API (named-credentials)",
    ),
    ("nouns", "nouns resource (nouns)"),
    (
        "parameterizedSearch",
        "search language SOSL (parameterizedSearch)",
    ),
    ("payments", "payments resource (payments)"),
    ("prechatForms", "pre-chat forms (prechatForms)"),
    ("process", "approval processes and process rules (process)"),
    ("scheduling", "scheduling resource (scheduling)"),
    ("search", "search language SOSL (search)"),
    ("serviceTemplates", "service templates (serviceTemplates)"),
    ("smartdatadiscovery", "Einstein Discovery (smartdatadiscovery)"),
    ("support", "knowledge support (support)"),
    ("ui-api", "User Interface API (ui-api)"),
    ("wave", "CRM Analytics REST API (wave)"),
];

/// `GET /services/data`: everybody may ask, and it is not counted.
pub(super) fn versions(org: &Org, call: &Call) -> Reply {
    if !matches!(call.method.as_str(), "GET" | "HEAD") {
        return Reply::not_allowed(call.method.as_str(), "GET,HEAD");
    }
    let list: Vec<Value> = (org.versions.from..=org.versions.to)
        .map(|v| {
            json!({
                "label": label(v),
                "url": format!("/services/data/v{v}.0"),
                "version": format!("{v}.0"),
            })
        })
        .collect();
    Reply::json(200, &Value::Array(list))
}

/// Three releases a year; version 32 was Winter '15. One label has a typographic apostrophe, and always had.
fn label(version: u32) -> String {
    let season = ["Spring", "Summer", "Winter"][(version % 3) as usize];
    let year = 4 + (version + 1) / 3;
    let apostrophe = if version == 42 { '\u{2019}' } else { '\'' };
    format!("{season} {apostrophe}{year}")
}

/// `GET /services/data/vXX.0`: all resources, those included that answer 501.
pub(super) fn list(api: &Api<'_>) -> Reply {
    let base = api.base();
    let mut names: Vec<&str> = SERVED
        .iter()
        .copied()
        .chain(REFUSED.iter().map(|(name, _)| *name))
        // These two exist, but a real list does not name them.
        .filter(|name| !matches!(*name, "eventMonitoring" | "named-credentials" | "flow"))
        .collect();
    names.sort_unstable();
    let mut map = Map::new();
    for name in names {
        map.insert(name.to_owned(), format!("{base}/{name}").into());
    }
    map.insert(
        "identity".to_owned(),
        api.org.identity_url(&api.session.user).into(),
    );
    Reply::json(200, &Value::Object(map))
}

/// The refusal of a resource that a real org has, by the first part of its path in lower case.
pub(super) fn refused(resource: &str) -> Option<Reply> {
    REFUSED
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(resource))
        .map(|(_, feature)| Reply::not_emulated(feature))
}

/// A real org also answers and reads XML. Here it is refused when a caller would get nothing else.
pub(super) fn wants_xml(call: &Call) -> Option<Reply> {
    let is_xml = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        kind.contains("/xml") && !kind.contains("json") && !kind.contains("*/*")
    };
    if call.header("content-type").is_some_and(is_xml) && !call.body.is_empty() {
        return Some(Reply::not_emulated("XML bodies in the REST API; send JSON"));
    }
    call.header("accept")
        .is_some_and(is_xml)
        .then(|| Reply::not_emulated("XML answers in the REST API; ask for JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_labels_of_their_releases() {
        for (version, expected) in [
            (31, "Summer '14"),
            (32, "Winter '15"),
            (42, "Spring \u{2019}18"),
            (43, "Summer '18"),
            (67, "Summer '26"),
            (68, "Winter '27"),
        ] {
            assert_eq!(label(version), expected);
        }
    }

    #[test]
    fn refusals_name_the_feature() {
        for (resource, expected) in [
            ("ui-api", true),
            ("UI-API", true),
            ("search", true),
            ("parameterizedsearch", true),
            ("nonsense", false),
            ("sobjects", false),
        ] {
            assert_eq!(refused(resource).is_some(), expected, "{resource}");
        }
    }
}
