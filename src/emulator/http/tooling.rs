//! The Tooling API as far as data tools ask it: queries, and the list of objects.
//!
//! An org in the box has no metadata of its own: what a query may name but the org has none of comes back empty.

use serde_json::{Map, Value, json};

use super::{Api, Reply, query, rest};

/// Objects of the Tooling API that an org without code, flows and packages has no rows of.
const EMPTY: &[&str] = &[
    "ApexClass",
    "ApexCodeCoverage",
    "ApexCodeCoverageAggregate",
    "ApexComponent",
    "ApexEmailNotification",
    "ApexExecutionOverlayAction",
    "ApexLog",
    "ApexOrgWideCoverage",
    "ApexPage",
    "ApexTestQueueItem",
    "ApexTestResult",
    "ApexTestRunResult",
    "ApexTrigger",
    "AsyncApexJob",
    "AuraDefinition",
    "AuraDefinitionBundle",
    "CompactLayout",
    "ContainerAsyncRequest",
    "CustomApplication",
    "CustomField",
    "CustomObject",
    "CustomTab",
    "DataType",
    "DebugLevel",
    "DuplicateRule",
    "EmailTemplate",
    "EntityParticle",
    "FieldSet",
    "FlexiPage",
    "Flow",
    "FlowDefinition",
    "FlowDefinitionView",
    "GlobalValueSet",
    "InstalledSubscriberPackage",
    "Layout",
    "LightningComponentBundle",
    "LightningComponentResource",
    "LookupFilter",
    "MatchingRule",
    "MetadataComponentDependency",
    "MetadataContainer",
    "Package2",
    "Package2Member",
    "Package2Version",
    "Package2VersionCreateRequest",
    "PathAssistant",
    "PermissionSetGroup",
    "ProfileLayout",
    "Publisher",
    "QuickActionDefinition",
    "RelationshipDomain",
    "RelationshipInfo",
    "RemoteProxy",
    "SandboxInfo",
    "SandboxProcess",
    "SearchLayout",
    "SourceMember",
    "StaticResource",
    "SubscriberPackage",
    "SubscriberPackageVersion",
    "TraceFlag",
    "UserEntityAccess",
    "UserFieldAccess",
    "ValidationRule",
    "WorkflowAlert",
    "WorkflowFieldUpdate",
    "WorkflowRule",
    "WorkflowTask",
];

/// Everything below `/tooling`.
pub(super) fn route(api: &Api<'_>, rest: &[&str]) -> Reply {
    let lower: Vec<String> = rest.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    match words[..] {
        [] => api.only("GET", || list(api)),
        ["query" | "queryall"] => api.only("GET", || ask(api)),
        ["query" | "queryall", _] => query::more(api, rest[1]),
        ["sobjects"] => api.only("GET", || rest::global(api)),
        ["sobjects", name, ..] if api.read().schema.object(name).is_some() => rest::sobjects(api, &rest[1..]),
        ["sobjects", name, ..] if known(name).is_some() => {
            Reply::not_emulated(&format!("records of {} in the Tooling API", rest[1]))
        }
        ["sobjects", ..] => Reply::missing(),
        ["executeanonymous"] => Reply::not_emulated("Apex (tooling/executeAnonymous)"),
        ["runtestsasynchronous" | "runtestssynchronous"] => Reply::not_emulated("Apex tests (tooling)"),
        ["completions"] => Reply::not_emulated("code completions (tooling/completions)"),
        ["search"] => Reply::not_emulated("search in the Tooling API (tooling/search)"),
        ["composite", ..] => Reply::not_emulated("composite requests of the Tooling API"),
        _ => Reply::missing(),
    }
}

fn list(api: &Api<'_>) -> Reply {
    let mut map = Map::new();
    for name in [
        "completions",
        "executeAnonymous",
        "query",
        "runTestsAsynchronous",
        "runTestsSynchronous",
        "search",
        "sobjects",
    ] {
        map.insert(name.to_owned(), json!(format!("{}/tooling/{name}", api.base())));
    }
    Reply::json(200, &Value::Object(map))
}

fn known(name: &str) -> Option<&'static str> {
    EMPTY.iter().copied().find(|o| o.eq_ignore_ascii_case(name))
}

fn ask(api: &Api<'_>) -> Reply {
    let Some(soql) = api.call.param("q").filter(|q| !q.trim().is_empty()) else {
        return Reply::error(400, "MALFORMED_QUERY", "A query string has to be specified");
    };
    let name = from(soql).unwrap_or_default();
    let in_schema = api.session.access.object(&api.read().schema, name).is_some();
    match known(name).filter(|_| !in_schema) {
        Some(name) => {
            api.org.tally(|c| c.queries += 1);
            Reply::json(200, &wrapped(Map::new(), name))
        }
        None => {
            let reply = query::ask(api, soql, false);
            match serde_json::from_slice(&reply.body()) {
                Ok(Value::Object(answer)) if reply.status == 200 && answer.contains_key("records") => {
                    Reply::json(200, &wrapped(answer, name))
                }
                _ => reply,
            }
        }
    }
}

/// The answer to a query, with the keys that only this API adds.
fn wrapped(answer: Map<String, Value>, name: &str) -> Value {
    let records = answer.get("records").cloned().unwrap_or_else(|| json!([]));
    let mut out = Map::new();
    out.insert("size".to_owned(), json!(records.as_array().map_or(0, Vec::len)));
    out.insert(
        "totalSize".to_owned(),
        answer.get("totalSize").cloned().unwrap_or(json!(0)),
    );
    out.insert(
        "done".to_owned(),
        answer.get("done").cloned().unwrap_or(json!(true)),
    );
    if let Some(next) = answer.get("nextRecordsUrl") {
        out.insert("nextRecordsUrl".to_owned(), next.clone());
    }
    out.insert("queryLocator".to_owned(), Value::Null);
    out.insert("entityTypeName".to_owned(), json!(name));
    out.insert("records".to_owned(), records);
    Value::Object(out)
}

/// The object of a statement's own FROM clause: the first one that is not within parentheses or quotes.
fn from(soql: &str) -> Option<&str> {
    let mut depth = 0;
    let mut quoted = false;
    let mut wanted = false;
    for word in soql.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '\'')) {
        let text = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '\''));
        if depth == 0 && !quoted && !text.is_empty() {
            if wanted {
                return Some(text.trim_end_matches(','));
            }
            wanted = text.eq_ignore_ascii_case("from");
        }
        match word.chars().last() {
            Some('\'') => quoted = !quoted,
            Some('(') if !quoted => depth += 1,
            Some(')') if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_tells_its_object() {
        for (soql, expected) in [
            ("SELECT Id FROM ApexClass", Some("ApexClass")),
            (
                "select Id,(select Id from Kids) from\nFlow where x = 'a from b'",
                Some("Flow"),
            ),
            ("SELECT COUNT() FROM ApexTrigger LIMIT 1", Some("ApexTrigger")),
            ("SELECT Id", None),
        ] {
            assert_eq!(from(soql), expected, "{soql}");
        }
    }
}
