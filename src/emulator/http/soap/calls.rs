use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Fault, text};
use crate::emulator::{
    http::{Api, Org, Reply, auth, composite, xml::Element, xml::tag},
    store::{RowError, Store},
};

const MOST: usize = 200;

/// `login`: gone from version 65 on.
pub(super) fn login(org: &Arc<Org>, call: &Element, partner: bool, version: u32) -> Result<String, Fault> {
    if version >= 65 {
        return Err(Fault::new(
            "UNSUPPORTED_API_VERSION",
            format!("login() is not available in API version {version}.0 and later; use OAuth"),
        ));
    }
    let get = |name: &str| call.text_of(name).unwrap_or_default();
    let (token, session) = auth::password_login(org, get("username"), get("password"))
        .map_err(|error| Fault::new(error.code(), error.message()))?;
    let store = org.read();
    let sandbox = store
        .schema
        .object("Organization")
        .is_some_and(|o| store.text(o, 0, "IsSandbox") == "true");
    let service = |kind: &str| {
        format!(
            "{}/services/Soap/{kind}/{version}.0/{}",
            org.url,
            &org.org_id[..15]
        )
    };
    let mut out = String::from("<result>");
    tag(&mut out, "metadataServerUrl", &service("m"));
    tag(&mut out, "passwordExpired", "false");
    tag(&mut out, "sandbox", if sandbox { "true" } else { "false" });
    tag(&mut out, "serverUrl", &service(if partner { "u" } else { "c" }));
    tag(&mut out, "sessionId", &token);
    tag(&mut out, "userId", &session.user);
    out.push_str(&format!(
        "<userInfo>{}</userInfo></result>",
        user_info(org, &store, &session.user)
    ));
    Ok(out)
}

/// The Metadata API: an org in the box has none.
pub(super) fn metadata(call: &Element) -> Result<String, Fault> {
    match call.name.as_str() {
        "describeMetadata" => {
            let mut out = String::from("<result>");
            tag(&mut out, "organizationNamespace", "");
            tag(&mut out, "partialSaveAllowed", "true");
            tag(&mut out, "testRequired", "false");
            out.push_str("</result>");
            Ok(out)
        }
        "listMetadata" => Ok(String::new()),
        other => Err(Fault::not_emulated(&format!("Metadata API ({other})"))),
    }
}

/// A call of the partner or the enterprise API.
pub(super) fn data(api: &Api<'_>, call: &Element, partner: bool, all_or_none: bool) -> Result<String, Fault> {
    let ids = || -> Vec<&str> { call.all("ids").map(|e| e.text().trim()).collect() };
    match call.name.as_str() {
        "getServerTimestamp" => Ok(format!(
            "<result><timestamp>{}</timestamp></result>",
            api.org.now()
        )),
        "getUserInfo" => Ok(format!(
            "<result>{}</result>",
            user_info(api.org, &api.read(), &api.session.user)
        )),
        "query" | "queryAll" => {
            let soql = call.text_of("queryString").unwrap_or_default();
            let q: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
            let answer = rest(api, "GET", &format!("{}?q={q}", call.name), None)?;
            Ok(text::result(&answer, partner))
        }
        "queryMore" => {
            let locator = call.text_of("queryLocator").unwrap_or_default().trim();
            let answer = rest(api, "GET", &format!("query/{locator}"), None)?;
            Ok(text::result(&answer, partner))
        }
        "create" | "update" => {
            let verb = if call.name == "create" { "POST" } else { "PATCH" };
            let body = records(call, all_or_none)?;
            Ok(text::saved(
                &rest(api, verb, "composite/sobjects", Some(&body))?,
                false,
            ))
        }
        "upsert" => {
            let body = records(call, all_or_none)?;
            let kind = body["records"][0]["attributes"]["type"]
                .as_str()
                .unwrap_or_default();
            let key = call.text_of("externalIDFieldName").unwrap_or("Id").trim();
            let path = format!("composite/sobjects/{kind}/{key}");
            Ok(text::saved(&rest(api, "PATCH", &path, Some(&body))?, true))
        }
        "delete" => {
            limited(ids().len())?;
            let path = format!(
                "composite/sobjects?allOrNone={all_or_none}&ids={}",
                ids().join(",")
            );
            Ok(text::saved(&rest(api, "DELETE", &path, None)?, false))
        }
        "retrieve" => {
            let kind = call.text_of("sObjectType").unwrap_or_default().trim();
            let fields: Vec<&str> = call
                .text_of("fieldList")
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .collect();
            let body = json!({"ids": ids(), "fields": fields});
            let answer = rest(api, "POST", &format!("composite/sobjects/{kind}"), Some(&body))?;
            Ok(text::retrieved(&answer, partner))
        }
        "undelete" | "emptyRecycleBin" => {
            limited(ids().len())?;
            Ok(from_bin(api, &ids(), call.name == "undelete", all_or_none))
        }
        "describeGlobal" => Ok(text::plain("result", &rest(api, "GET", "sobjects", None)?)),
        "describeSObject" | "describeSObjects" => call
            .children
            .iter()
            .map(|name| {
                let path = format!("sobjects/{}/describe", name.text().trim());
                rest(api, "GET", &path, None)
                    .map(|value| text::plain("result", &value))
                    .map_err(|fault| match fault.code.as_str() {
                        "NOT_FOUND" => Fault::new(
                            "INVALID_TYPE",
                            format!("sObject type '{}' is not supported.", name.text().trim()),
                        ),
                        _ => fault,
                    })
            })
            .collect(),
        other => Err(Fault::not_emulated(&format!("{other}() over SOAP"))),
    }
}

/// What the REST API answers; its error becomes a fault.
fn rest(api: &Api<'_>, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
    // Rows tell whether they were created since this version.
    let version = api.version.max(46).min(api.org.versions.to);
    let target = format!("/services/data/v{version}.0/{path}");
    let reply: Reply = composite::ask(api, method, &target, body);
    let value: Value = serde_json::from_slice(&reply.body()).unwrap_or(Value::Null);
    if reply.status >= 300 {
        let text = |key: &str| value[0][key].as_str().unwrap_or("UNKNOWN_EXCEPTION").to_owned();
        return Err(Fault::new(&text("errorCode"), text("message")));
    }
    Ok(value)
}

fn limited(count: usize) -> Result<(), Fault> {
    if count > MOST {
        return Err(Fault::new(
            "EXCEEDED_ID_LIMIT",
            "record limit reached. cannot submit more than 200 records into this call",
        ));
    }
    Ok(())
}

/// `<sObjects><type>Account</type><Name>A</Name></sObjects>` as the records of a collection.
fn records(call: &Element, all_or_none: bool) -> Result<Value, Fault> {
    let list: Vec<Value> = call.all("sObjects").map(record).collect();
    limited(list.len())?;
    Ok(json!({"allOrNone": all_or_none, "records": list}))
}

fn record(element: &Element) -> Value {
    let mut map = Map::new();
    let kind = element
        .text_of("type")
        // The enterprise API says it by an attribute, `xsi:type="sf:Account"`.
        .or_else(|| {
            element
                .attribute("type")
                .map(|t| t.rsplit(':').next().unwrap_or(t))
        })
        .unwrap_or_default();
    map.insert("attributes".to_owned(), json!({"type": kind.trim()}));
    for field in element.children.iter().filter(|f| f.name != "type") {
        let value = if field.name == "fieldsToNull" {
            map.insert(field.text().trim().to_owned(), Value::Null);
            continue;
        } else if !field.children.is_empty() {
            record(field)
        } else if field.is_nil() || field.name == "Id" && field.text().is_empty() {
            continue;
        } else {
            json!(field.text())
        };
        map.insert(field.name.clone(), value);
    }
    Value::Object(map)
}

/// Brings records back from the recycle bin, or takes them out of it for good.
fn from_bin(api: &Api<'_>, ids: &[&str], back: bool, all_or_none: bool) -> String {
    let now = api.org.now();
    let mut store = api.write();
    let mut undo = Vec::new();
    let mut results: Vec<Result<String, RowError>> = ids
        .iter()
        .map(|id| {
            let done = if back {
                store.undelete(id, api.writing(&now), &mut undo)
            } else {
                store.empty_bin(id, api.writing(&now), &mut undo)
            };
            done.map(|done| done.id.to_string())
        })
        .collect();
    if all_or_none && results.iter().any(Result::is_err) {
        store.undo(undo);
        for result in results.iter_mut().filter(|r| r.is_ok()) {
            *result = Err(RowError::new(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using AllOrNone header",
            ));
        }
    }
    let list: Vec<Value> = results
        .into_iter()
        .map(|result| match result {
            Ok(id) => json!({"id": id, "success": true}),
            Err(e) => json!({
                "success": false,
                "errors": [{"statusCode": e.code, "message": e.message, "fields": e.fields}],
            }),
        })
        .collect();
    text::saved(&Value::Array(list), false)
}

fn user_info(org: &Org, store: &Store, user: &str) -> String {
    let row = store.live_row(store.user, user);
    let get = |field: &str| {
        row.map(|row| store.text(store.user, row, field).to_owned())
            .unwrap_or_default()
    };
    let mut out = String::new();
    for (name, value) in [
        ("accessibilityMode", "false".to_owned()),
        ("chatterExternal", "false".to_owned()),
        ("orgAttachmentFileSizeLimit", "26214400".to_owned()),
        ("orgDisallowHtmlAttachments", "false".to_owned()),
        (
            "orgHasPersonAccounts",
            store
                .schema
                .object("Account")
                .and_then(|o| store.schema.objects[o].field("IsPersonAccount"))
                .is_some()
                .to_string(),
        ),
        ("organizationId", org.org_id.clone()),
        (
            "organizationMultiCurrency",
            store.schema.object("CurrencyType").is_some().to_string(),
        ),
        ("organizationName", org.name.clone()),
        ("profileId", get("ProfileId")),
        ("roleId", get("UserRoleId")),
        ("sessionSecondsValid", "7200".to_owned()),
        ("userEmail", get("Email")),
        ("userFullName", get("Name")),
        ("userId", user.to_owned()),
        ("userLanguage", get("LanguageLocaleKey")),
        ("userLocale", get("LocaleSidKey")),
        ("userName", get("Username")),
        ("userTimeZone", get("TimeZoneSidKey")),
        ("userType", "Standard".to_owned()),
        ("userUiSkin", "Theme3".to_owned()),
    ] {
        tag(&mut out, name, &value);
    }
    out
}
