//! The org over loopback, asked with hand-written requests as the wire traces of the protocol reference show them.

mod bulk_v1;
mod bulk_v2;
mod columns;
mod composite;
mod describes;
mod files;
mod resources;
mod resources_of_objects;
mod soap;

use std::{collections::HashMap, time::Duration};

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{Effect, Emulator, EmulatorError, Fault, FaultAnswer, OrgFile, OrgFileError, StateError};

mod access;
mod admin;
mod life;
mod rules;
mod signing_in;
mod soql;
mod standard;
mod tooling;

const ORG: &str = r#"
version: 1
name: hq
seed: 7
bulk: { delay: 5ms }
connected_apps:
  - { name: App, client_id: 3MVG9, client_secret: s3cr3t, run_as: int@hq.example }
  - { name: Nobody, client_id: nobody, client_secret: x }
  - { name: Gone, client_id: gone, client_secret: x, run_as: gone@hq.example }
  - { name: Off, client_id: off, client_secret: x, run_as: int@hq.example, flows: [] }
access_tokens:
  - { token: "fixed!token", lifetime: 3650d }
users:
  - { username: int@hq.example, name: Ann Lee }
  - { username: gone@hq.example, name: Old Hand, is_active: false }
queues:
  - { name: Second Line }
sobjects:
  Account:
    fields:
      Ext__c: { type: Text(40), external_id: true, unique: true }
      Sector__c: { type: Picklist, values: [Agri, Fin], restricted: true }
      Score__c: { type: "Number(4, 2)" }
      Active__c: { type: Checkbox }
      Skills__c: { type: Multi-Select Picklist, values: [a, b, c] }
      Code__c: { type: Text(10), unique: true, case_sensitive: true }
    record_types:
      - { developer_name: Partner, default: true }
      - { developer_name: Old, active: false }
  Contact:
    fields:
      Ext__c: { type: Text(40), external_id: true }
    validation_rules:
      - { field: Email, must: { not_like: "%@blocked.example" }, message: No mail there }
  Invoice__c:
    name_field: { auto_number: "INV-{0000}" }
    fields:
      Account__c: { type: Master-Detail(Account), child_relationship: Invoices }
      Total__c: { type: "Currency(16, 2)", required: true }
      Due__c: { type: Date }
      Seen__c: { type: Date/Time }
"#;

struct Org {
    emulator: Emulator,
    client: Client,
    token: String,
}

impl Org {
    async fn start(extra: &str) -> Self {
        let file = OrgFile::parse(&format!("{ORG}{extra}"), ".").expect("the org file");
        let emulator = Emulator::start(file, 0).await.expect("the org");
        // Only needed so that the client can be built: loopback speaks plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().build().expect("a client");
        Org {
            emulator,
            client,
            token: "fixed!token".to_owned(),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Response {
        let path = if path.starts_with("/services") {
            path.to_owned()
        } else {
            format!("/services/data/v66.0{path}")
        };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.emulator.url()))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer")
    }

    async fn json(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.ask(method, path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn query(&self, soql: &str) -> (u16, Value) {
        let q: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        self.json("GET", &format!("/query?q={q}"), None).await
    }

    async fn names(&self, soql: &str) -> Vec<String> {
        let (status, body) = self.query(soql).await;
        assert_eq!(status, 200, "{soql}: {body}");
        let records = body["records"].as_array().expect("records");
        records
            .iter()
            .map(|r| r["Name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    async fn create(&self, object: &str, body: Value) -> String {
        let (status, answer) = self
            .json("POST", &format!("/sobjects/{object}"), Some(body))
            .await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    async fn refused(&self, method: &str, path: &str, body: Value, status: u16, code: &str, message: &str) {
        let (found, answer) = self.json(method, path, Some(body)).await;
        assert_eq!(
            (found, answer[0]["errorCode"].as_str()),
            (status, Some(code)),
            "{answer}"
        );
        assert!(
            answer[0]["message"].as_str().is_some_and(|m| m.contains(message)),
            "{answer}"
        );
    }

    async fn token(&self, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> (u16, Value) {
        let mut request = self
            .client
            .post(format!("{}/services/oauth2/token", self.emulator.url()))
            .form(form);
        if let Some((id, secret)) = basic {
            request = request.basic_auth(id, Some(secret));
        }
        let response = request.send().await.expect("an answer");
        assert!(!response.headers().contains_key("sforce-limit-info"));
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// Makes an ingest job, uploads, closes it and waits for its end.
    async fn load(&self, job: Value, csv: &str) -> (Value, String, String, String) {
        let (status, made) = self.json("POST", "/jobs/ingest", Some(job)).await;
        assert_eq!(status, 200, "{made}");
        let id = made["id"].as_str().expect("an id").to_owned();
        let put = self
            .client
            .put(format!(
                "{}/{}",
                self.emulator.url(),
                made["contentUrl"].as_str().expect("a URL")
            ))
            .bearer_auth(&self.token)
            .header("Content-Type", "text/csv")
            .body(csv.to_owned())
            .send()
            .await
            .expect("an answer");
        assert_eq!(put.status(), StatusCode::CREATED);
        let path = format!("/jobs/ingest/{id}");
        let (status, closed) = self
            .json("PATCH", &path, Some(json!({"state": "UploadComplete"})))
            .await;
        assert_eq!((status, &closed["state"]), (200, &json!("UploadComplete")));
        assert!(closed.get("lineEnding").is_none());
        let info = self.wait(&path).await;
        let mut files = Vec::new();
        for which in ["successfulResults", "failedResults", "unprocessedrecords"] {
            files.push(
                self.ask("GET", &format!("{path}/{which}"), None)
                    .await
                    .text()
                    .await
                    .expect("CSV"),
            );
        }
        let [a, b, c] = <[String; 3]>::try_from(files).expect("three files");
        (info, a, b, c)
    }

    async fn wait(&self, path: &str) -> Value {
        for _ in 0..2_000 {
            let (_, info) = self.json("GET", path, None).await;
            if matches!(info["state"].as_str(), Some("JobComplete" | "Failed" | "Aborted")) {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the job does not end");
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].sort_unstable();
    lines
}

#[tokio::test]
async fn signing_in() {
    let org = Org::start("").await;
    let grant = ("grant_type", "client_credentials");
    let (status, body) = org.token(&[grant], Some(("3MVG9", "s3cr3t"))).await;
    assert_eq!(status, 200);
    assert_eq!(body["instance_url"], json!(org.emulator.url()));
    assert!(body.get("expires_in").is_none());
    assert!(body["issued_at"].is_string());
    assert_eq!(body["access_token"].as_str().expect("a token").len(), 112);
    for (id, secret, error, description) in [
        ("3MVG9", "wrong", "invalid_client", "invalid client credentials"),
        ("what", "x", "invalid_client_id", "client identifier invalid"),
        (
            "nobody",
            "x",
            "invalid_grant",
            "no client credentials user enabled",
        ),
        ("gone", "x", "invalid_grant", "inactive user"),
        ("off", "x", "invalid_grant", "client credentials flow not enabled"),
    ] {
        let form = [grant, ("client_id", id), ("client_secret", secret)];
        let (status, body) = org.token(&form, None).await;
        assert_eq!(
            (status, body),
            (400, json!({"error": error, "error_description": description})),
            "{id}"
        );
    }
    let (status, body) = org.token(&[("grant_type", "password")], None).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn sessions_end() {
    let mut org = Org::start("").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "3MVG9"),
        ("client_secret", "s3cr3t"),
    ];
    let (_, body) = org.token(&form, None).await;
    org.token = body["access_token"].as_str().expect("a token").to_owned();
    let fine = org.ask("GET", "/limits", None).await;
    assert_eq!(fine.status(), 200);
    assert!(
        fine.headers()["sforce-limit-info"]
            .to_str()
            .expect("text")
            .starts_with("api-usage=1/")
    );
    let (status, who) = org.json("GET", "/services/oauth2/userinfo", None).await;
    assert_eq!(
        (status, &who["preferred_username"]),
        (200, &json!("int@hq.example"))
    );
    org.emulator.expire_tokens();
    let late = org.ask("GET", "/limits", None).await;
    assert_eq!(late.status(), 401);
    assert_eq!(late.headers()["www-authenticate"], "Token");
    assert!(!late.headers().contains_key("sforce-limit-info"));
    assert_eq!(
        late.text().await.expect("a body"),
        r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#
    );
    let (status, body) = org.json("GET", "/services/oauth2/userinfo", None).await;
    assert_eq!((status, body), (403, json!("Bad_OAuth_Token")));
}

#[tokio::test]
async fn versions_and_describes() {
    let org = Org::start("").await;
    let (_, list) = org.json("GET", "/services/data", None).await;
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 38);
    assert_eq!(
        list[1],
        json!({"label": "Winter '15", "url": "/services/data/v32.0", "version": "32.0"})
    );
    assert_eq!(list[35]["label"], "Spring '26");
    for (path, status, code) in [
        ("/services/data/v30.0/limits", 410, "GONE"),
        ("/services/data/v99.0/limits", 404, "NOT_FOUND"),
        (
            "/services/data/viamABadVersion/sobjects/Account",
            404,
            "NOT_FOUND",
        ),
        ("/sobjects/Nothing/describe", 404, "NOT_FOUND"),
        ("/nothing", 404, "NOT_FOUND"),
    ] {
        let (found, body) = org.json("GET", path, None).await;
        assert_eq!((found, &body[0]["errorCode"]), (status, &json!(code)), "{path}");
    }
    let (_, global) = org.json("GET", "/sobjects/", None).await;
    let account = global["sobjects"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|o| o["name"] == "Account")
        .expect("Account");
    assert_eq!(account.as_object().expect("an object").len(), 28);
    let (_, describe) = org.json("GET", "/sobjects/account/describe", None).await;
    let field = |name: &str| {
        describe["fields"]
            .as_array()
            .expect("fields")
            .iter()
            .find(|f| f["name"] == name)
            .expect("the field")
            .clone()
    };
    assert_eq!(field("Ext__c").as_object().expect("an object").len(), 57);
    assert_eq!(field("Ext__c")["externalId"], true);
    assert_eq!(field("Sector__c")["restrictedPicklist"], true);
    assert_eq!(field("Score__c")["precision"], 6);
    assert_eq!(field("Active__c")["nillable"], false);
    assert_eq!(field("OwnerId")["referenceTo"], json!(["User"]));
    let types = describe["recordTypeInfos"].as_array().expect("record types");
    assert_eq!(types.len(), 3);
    assert_eq!(types[2]["recordTypeId"], "012000000000000AAA");
    let children = describe["childRelationships"].as_array().expect("children");
    assert!(
        children
            .iter()
            .any(|c| c["relationshipName"] == "Invoices__r" && c["cascadeDelete"] == true)
    );
    let (status, body) = org.json("PUT", "/limits", None).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (405, &json!("METHOD_NOT_ALLOWED"))
    );
}

#[tokio::test]
async fn a_record_lives_and_dies() {
    let org = Org::start("").await;
    let created = org
        .ask(
            "POST",
            "/sobjects/Account/",
            Some(json!({"Name": " Acme ", "Active__c": true})),
        )
        .await;
    assert_eq!(created.status(), 201);
    let location = created.headers()["location"].to_str().expect("text").to_owned();
    let id = created.json::<Value>().await.expect("JSON")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(location, format!("/services/data/v66.0/sobjects/Account/{id}"));
    let (_, record) = org
        .json("GET", &format!("/sobjects/Account/{}", &id[..15]), None)
        .await;
    assert_eq!(record["Name"], "Acme");
    assert_eq!(record["Active__c"], true);
    assert_eq!(record["BillingAddress"], Value::Null);
    assert!(
        record["CreatedDate"]
            .as_str()
            .expect("a date")
            .ends_with(".000+0000")
    );
    let path = format!("/sobjects/Account/{id}");
    let change = json!({"Score__c": "12.345", "BillingCity": "Bonn", "Skills__c": "c;a"});
    assert_eq!(org.ask("PATCH", &path, Some(change)).await.status(), 204);
    let (_, record) = org
        .json(
            "GET",
            &format!("{path}?fields=Score__c,BillingAddress,Skills__c"),
            None,
        )
        .await;
    assert_eq!(record["Score__c"].to_string(), "12.34");
    assert_eq!(record["BillingAddress"]["city"], "Bonn");
    assert_eq!(record["Skills__c"], "a;c");
    assert_eq!(
        org.ask(
            "POST",
            &format!("{path}?_HttpMethod=PATCH"),
            Some(json!({"Score__c": null}))
        )
        .await
        .status(),
        204
    );
    let (_, record) = org.json("GET", &format!("{path}?fields=Score__c"), None).await;
    assert_eq!(record["Score__c"], Value::Null);
    let contact = org
        .create(
            "Contact",
            json!({"LastName": "Roe", "FirstName": "Jo", "AccountId": id}),
        )
        .await;
    assert_eq!(org.names("SELECT Name FROM Contact").await, ["Jo Roe"]);
    assert_eq!(org.ask("DELETE", &path, None).await.status(), 204);
    let (status, body) = org.json("DELETE", &path, None).await;
    assert_eq!(
        (status, body),
        (
            404,
            json!([{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}])
        )
    );
    let (status, _) = org
        .json("DELETE", &format!("/sobjects/Contact/{contact}"), None)
        .await;
    assert_eq!(status, 404);
    let (_, all) = org
        .json("GET", "/queryAll?q=SELECT+Id,IsDeleted+FROM+Contact", None)
        .await;
    assert_eq!(all["records"][0]["IsDeleted"], true);
}

#[tokio::test]
async fn rules_have_their_codes() {
    let org = Org::start("").await;
    let account = org
        .create("Account", json!({"Name": "A", "Ext__c": "K-1", "Code__c": "x"}))
        .await;
    org.create("Account", json!({"Name": "A", "Code__c": "X"})).await;
    let inactive = org.names_of("SELECT Id FROM User WHERE IsActive = false").await;
    let old = org
        .names_of("SELECT Id FROM RecordType WHERE IsActive = false")
        .await;
    for (object, body, code, message) in [
        (
            "Account",
            json!({}),
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [Name]",
        ),
        (
            "Account",
            json!({"Name": "B", "Foo__c": 1}),
            "INVALID_FIELD",
            "No such column 'Foo__c' on sobject of type Account",
        ),
        (
            "Account",
            json!({"Name": "B", "Id": account}),
            "INVALID_FIELD",
            "The Id field should not be specified",
        ),
        (
            "Account",
            json!({"Name": "B", "CreatedDate": "2026-01-01T00:00:00Z"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "Unable to create/update fields: CreatedDate.",
        ),
        (
            "Account",
            json!({"Name": "B", "Site": "x".repeat(81)}),
            "STRING_TOO_LONG",
            "(max length=80)",
        ),
        (
            "Account",
            json!({"Name": "B", "Sector__c": "Tech"}),
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Sector: bad value for restricted picklist field: Tech",
        ),
        (
            "Account",
            json!({"Name": "B", "Ext__c": "k-1"}),
            "DUPLICATE_VALUE",
            "duplicate value found: Ext__c duplicates value on record with id: 001",
        ),
        (
            "Account",
            json!({"Name": "B", "ParentId": "00500000000000A"}),
            "MALFORMED_ID",
            "Parent Account ID: id value of incorrect type",
        ),
        (
            "Account",
            json!({"Name": "B", "ParentId": "001000000000000AAA"}),
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
        ),
        (
            "Account",
            json!({"Name": "B", "OwnerId": inactive}),
            "INACTIVE_OWNER_OR_USER",
            "operation performed with inactive user [005",
        ),
        (
            "Account",
            json!({"Name": "B", "RecordTypeId": old}),
            "INVALID_CROSS_REFERENCE_KEY",
            "this ID value isn't valid for the user",
        ),
        (
            "Account",
            json!({"Name": "B", "Active__c": "1"}),
            "JSON_PARSER_ERROR",
            "boolean",
        ),
        (
            "Contact",
            json!({"LastName": "C", "Email": "nope"}),
            "INVALID_EMAIL_ADDRESS",
            "Email: invalid email address: nope",
        ),
        (
            "Contact",
            json!({"LastName": "C", "Email": "a@BLOCKED.example"}),
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "No mail there",
        ),
        (
            "Contact",
            json!({"LastName": "C", "Account": {"Ext__c": "K-9"}}),
            "INVALID_FIELD",
            "Foreign key external ID: K-9 not found for field Ext__c in entity Account",
        ),
        (
            "Invoice__c",
            json!({"Total__c": 1}),
            "REQUIRED_FIELD_MISSING",
            "[Account__c]",
        ),
        (
            "Invoice__c",
            json!({"Account__c": account, "Total__c": "1e17"}),
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Total",
        ),
    ] {
        org.refused("POST", &format!("/sobjects/{object}"), body, 400, code, message)
            .await;
    }
    let child = org
        .create(
            "Contact",
            json!({"LastName": "C", "Email": "Ann@Example.COM", "account": {"Ext__c": "K-1"}}),
        )
        .await;
    let (_, record) = org.json("GET", &format!("/sobjects/Contact/{child}"), None).await;
    assert_eq!(record["AccountId"], json!(account));
    assert_eq!(record["Email"], "ann@example.com");
    let sub = org
        .create("Account", json!({"Name": "Sub", "ParentId": account}))
        .await;
    org.refused(
        "PATCH",
        &format!("/sobjects/Account/{account}"),
        json!({"ParentId": sub}),
        400,
        "CIRCULAR_DEPENDENCY",
        "",
    )
    .await;
    org.create("Invoice__c", json!({"Account__c": account, "Total__c": 3}))
        .await;
    assert_eq!(org.names("SELECT Name FROM Invoice__c").await, ["INV-0001"]);
}

impl Org {
    /// The only Id that a query gives.
    async fn names_of(&self, soql: &str) -> String {
        let (_, body) = self.query(soql).await;
        assert_eq!(body["totalSize"], 1, "{body}");
        body["records"][0]["Id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn upserts_by_external_id() {
    let org = Org::start("").await;
    let path = "/sobjects/Account/Ext__c/K%201";
    let (status, body) = org.json("PATCH", path, Some(json!({"Name": "A"}))).await;
    assert_eq!((status, &body["created"]), (201, &json!(true)));
    let again = org.ask("PATCH", path, Some(json!({"Name": "B"}))).await;
    assert_eq!(again.status(), 200);
    assert!(again.headers().contains_key("location"));
    assert_eq!(again.json::<Value>().await.expect("JSON")["created"], false);
    let old = org
        .ask(
            "PATCH",
            "/services/data/v45.0/sobjects/Account/Ext__c/k%201",
            Some(json!({"Name": "C"})),
        )
        .await;
    assert_eq!(
        (old.status().as_u16(), old.headers().contains_key("location")),
        (204, false)
    );
    org.refused(
        "PATCH",
        path,
        json!({"Ext__c": "x"}),
        400,
        "INVALID_FIELD",
        "The Ext__c field should not be",
    )
    .await;
    org.refused(
        "PATCH",
        "/sobjects/Account/Site/x",
        json!({}),
        404,
        "NOT_FOUND",
        "is not accessible: Site",
    )
    .await;
    let (status, _) = org
        .json(
            "PATCH",
            "/sobjects/Account/Ext__c/new?updateOnly=true",
            Some(json!({"Name": "B"})),
        )
        .await;
    assert_eq!(status, 404);
    for _ in 0..2 {
        org.create("Contact", json!({"LastName": "Twin", "Ext__c": "T"}))
            .await;
    }
    let (status, body) = org
        .json(
            "PATCH",
            "/sobjects/Contact/Ext__c/T",
            Some(json!({"LastName": "X"})),
        )
        .await;
    assert_eq!(status, 300);
    assert!(
        body[1]
            .as_str()
            .expect("text")
            .starts_with("/services/data/v66.0/sobjects/Contact/003")
    );
}

#[tokio::test]
async fn collections_answer_row_by_row() {
    let org = Org::start("").await;
    let account = |body: Value| {
        let mut body = body;
        body["attributes"] = json!({"type": "Account"});
        body
    };
    let rows = json!({"allOrNone": false, "records": [
        account(json!({"Ext__c": "K-1", "Name": "Acme"})),
        account(json!({"Ext__c": "K-2"})),
        account(json!({"Ext__c": "K-1", "Name": "Again"})),
    ]});
    let path = "/composite/sobjects/Account/Ext__c";
    let (status, body) = org.json("PATCH", path, Some(rows)).await;
    assert_eq!(status, 200);
    assert_eq!(body[0]["created"], true);
    assert_eq!(
        body[1],
        json!({"success": false, "errors": [{"statusCode": "REQUIRED_FIELD_MISSING",
            "message": "Required fields are missing: [Name]", "fields": ["Name"]}], "created": false})
    );
    assert_eq!(
        body[2]["errors"][0]["message"],
        "Duplicate external id specified: K-1"
    );
    let rows = json!({"allOrNone": true, "records": [account(json!({"Name": "X"})), account(json!({}))]});
    let (_, body) = org.json("POST", "/composite/sobjects", Some(rows)).await;
    assert_eq!(
        body[0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    assert_eq!(body[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(org.emulator.count("Account"), 1);
    let (_, body) = org
        .json(
            "PATCH",
            "/composite/sobjects",
            Some(json!({"records": [account(json!({"Name": "x"}))]})),
        )
        .await;
    assert_eq!(
        body[0]["errors"][0]["message"],
        "Id not specified in an update call"
    );
    let id = org.names_of("SELECT Id FROM Account").await;
    let rows = json!({"records": [account(json!({"Id": null, "Name": "New"})), account(json!({"id": id, "Name": "Same"}))]});
    let (_, body) = org
        .json("PATCH", "/composite/sobjects/Account/Id", Some(rows))
        .await;
    assert_eq!(
        (&body[0]["created"], &body[1]["created"]),
        (&json!(true), &json!(false))
    );
    let (_, body) = org
        .json(
            "POST",
            "/composite/sobjects/Account",
            Some(json!({"ids": [id, "001000000000000AAA"], "fields": ["Name"]})),
        )
        .await;
    assert_eq!((&body[0]["Name"], &body[1]), (&json!("Same"), &Value::Null));
    let (status, body) = org
        .json("POST", "/composite/sobjects", Some(json!({"records": []})))
        .await;
    assert_eq!(
        (status, body),
        (
            400,
            json!([{"message": "At least 1 record is required", "errorCode": "REQUIRED_FIELD_MISSING"}])
        )
    );
    let many: Vec<Value> = (0..201).map(|_| account(json!({"Name": "x"}))).collect();
    org.refused(
        "POST",
        "/composite/sobjects",
        json!({"records": many}),
        400,
        "EXCEEDED_ID_LIMIT",
        "record limit reached",
    )
    .await;
    let (_, body) = org
        .json("DELETE", &format!("/composite/sobjects?ids={id},{id}"), None)
        .await;
    assert_eq!(
        (&body[0]["success"], &body[1]["success"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(org.emulator.count("Account"), 1);
}

const PEOPLE: &str = r#"
records:
  - object: Account
    rows:
      - { Name: Acme, Ext__c: A-1, Score__c: 10.5, Skills__c: a;b, Industry: Banking }
      - { Name: beta, Ext__c: A-2, Score__c: 2, Parent: { Ext__c: A-3 } }
      - { Name: "O'Hara", Ext__c: A-3, Active__c: true, Skills__c: c }
  - object: Contact
    rows:
      - { LastName: Lee, Email: lee@x.example, Account: { Ext__c: A-1 }, Birthdate: 1990-05-01 }
      - { LastName: Poe }
  - object: Case
    rows:
      - { Subject: Broken, Owner: { Username: int@hq.example } }
"#;

#[tokio::test]
async fn soql_filters_and_sorts() {
    let org = Org::start(PEOPLE).await;
    for (soql, expected) in [
        ("SELECT Name FROM Account WHERE Name = 'ACME'", "Acme"),
        (
            "SELECT Name FROM Account WHERE Name LIKE '%A' ORDER BY Name",
            "beta O'Hara",
        ),
        ("SELECT Name FROM Account WHERE Name = 'O\\'Hara'", "O'Hara"),
        ("SELECT Name FROM Account ORDER BY Name DESC", "O'Hara beta Acme"),
        (
            "SELECT Name FROM Account ORDER BY Score__c NULLS LAST, Id",
            "beta Acme O'Hara",
        ),
        ("SELECT Name FROM Account ORDER BY Score__c", "O'Hara beta Acme"),
        (
            "SELECT Name FROM Account WHERE Score__c > 1.5e0 AND Score__c <= 10.5 ORDER BY Id",
            "Acme beta",
        ),
        (
            "SELECT Name FROM Account WHERE Score__c != 2 ORDER BY Id",
            "Acme O'Hara",
        ),
        ("SELECT Name FROM Account WHERE Score__c = 10.50", "Acme"),
        (
            "SELECT Name FROM Account WHERE Ext__c IN ('a-1','A-3') ORDER BY Id",
            "Acme O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE Industry NOT IN ('Banking') ORDER BY Id",
            "beta O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE Active__c = false ORDER BY Id",
            "Acme beta",
        ),
        (
            "SELECT Name FROM Account WHERE Skills__c INCLUDES ('a;b','c') ORDER BY Id",
            "Acme O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE NOT (Name = 'Acme' OR Name = 'Beta')",
            "O'Hara",
        ),
        (
            "SELECT a.Name FROM Account a WHERE a.Parent.Ext__c = 'A-3'",
            "beta",
        ),
        ("SELECT Name FROM Account WHERE Account.Name = 'acme'", "Acme"),
        (
            "SELECT Name FROM Account WHERE Parent.Name = null ORDER BY Id",
            "Acme O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE CreatedDate = 2026-01-05T08:00:00Z LIMIT 1 OFFSET 1",
            "beta",
        ),
        (
            "SELECT Name FROM Account WHERE CreatedDate < TODAY ORDER BY Id LIMIT 2",
            "Acme beta",
        ),
        (
            "SELECT Name FROM Account WHERE RecordType.DeveloperName = 'Partner' AND Owner.Username LIKE 'int@%' ORDER BY Id",
            "Acme beta O'Hara",
        ),
        ("SELECT Name FROM Contact WHERE Birthdate >= 1990-01-01", "Lee"),
        ("SELECT Name FROM Contact WHERE Account.Name != 'Acme'", "Poe"),
    ] {
        assert_eq!(org.names(soql).await.join(" "), expected, "{soql}");
    }
    let (_, count) = org
        .query("SELECT COUNT() FROM Account WHERE Score__c != null")
        .await;
    assert_eq!(count, json!({"totalSize": 2, "done": true, "records": []}));
    let (_, body) = org
        .query("SELECT id, account.name, Account.Owner.Name, AccountId FROM contact ORDER BY Id")
        .await;
    let lee = &body["records"][0];
    assert_eq!(lee["Account"]["Name"], "Acme");
    assert_eq!(lee["Account"]["attributes"]["type"], "Account");
    assert_eq!(lee["Account"]["Owner"]["Name"], "Ann Lee");
    assert_eq!(body["records"][1]["Account"], Value::Null);
    let keys: Vec<&String> = lee.as_object().expect("a record").keys().collect();
    assert_eq!(keys, ["attributes", "Id", "Account", "AccountId"]);
    let (_, body) = org
        .query("SELECT CaseNumber, Owner.Name, Owner.Type FROM Case WHERE Owner.Type = 'User'")
        .await;
    assert_eq!(body["records"][0]["CaseNumber"], "00000001");
    assert_eq!(body["records"][0]["Owner"]["Type"], "User");
    let (_, body) = org
        .query("SELECT Name, OrganizationType, IsSandbox FROM Organization")
        .await;
    assert_eq!(body["records"][0]["IsSandbox"], true);
}

#[tokio::test]
async fn soql_errors_point_at_the_place() {
    let org = Org::start(PEOPLE).await;
    for (soql, code, message) in [
        (
            "SELEKT Name FROM Account",
            "MALFORMED_QUERY",
            "unexpected token: 'SELEKT'",
        ),
        (
            "select count() from XYZZY",
            "INVALID_TYPE",
            "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported.",
        ),
        (
            "SELECT Id, Foo FROM Account",
            "INVALID_FIELD",
            "\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo' on entity 'Account'.",
        ),
        (
            "SELECT Id,Name,BillingCity,IsDeleted FROM Accout",
            "INVALID_TYPE",
            "\nName,BillingCity,IsDeleted FROM Accout\n                                ^\nERROR at Row:1:Column:43\n",
        ),
        (
            "SELECT Foo.Name FROM Account",
            "INVALID_FIELD",
            "Didn't understand relationship 'Foo' in field path.",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE Score__c = '1'",
            "INVALID_FIELD",
            "must be of type double and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
            "can not be filtered",
        ),
        (
            "SELECT Id FROM Account WHERE Id = 'abc'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: abc",
        ),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "offset",
        ),
        (
            "SELECT Id, Id FROM Account",
            "INVALID_FIELD",
            "duplicate field selected: Id",
        ),
    ] {
        let (status, body) = org.query(soql).await;
        assert_eq!(
            (status, &body[0]["errorCode"]),
            (400, &json!(code)),
            "{soql} {body}"
        );
        assert!(
            body[0]["message"].as_str().expect("text").contains(message),
            "{soql} {body:#}"
        );
    }
}

const MANY: &str = r#"
records:
  - object: Account
    generate:
      count: 4500
      fields:
        Name: { company: }
        Ext__c: "A-{n:05}"
        BillingCity: { city: }
        BillingCountry: { country: }
        Score__c: { decimal: { min: 0, max: 99, scale: 2 } }
        ParentId: { parent: { share: 40%, depth: 3 } }
        OwnerId: { owner: }
        Phone: { phone: }
        Description: { text: { newlines: 50%, quotes: 50%, emoji: 50% } }
      nulls: { Phone: 20% }
      dirty: { Name: 5% }
  - object: Contact
    generate:
      count: 300
      fields:
        FirstName: { first_name: }
        LastName: { last_name: }
        Email: { email: example.com }
        AccountId: { reference: Account }
        Birthdate: { date: { from: 1950-01-01, to: 2005-12-31 } }
"#;

#[tokio::test]
async fn pages_follow_their_locator() {
    let org = Org::start(MANY).await;
    let (_, first) = org.query("SELECT Id, Name FROM Account ORDER BY Id").await;
    assert_eq!(
        (&first["totalSize"], &first["done"]),
        (&json!(4500), &json!(false))
    );
    let mut ids: Vec<String> = Vec::new();
    let mut page = first;
    loop {
        for record in page["records"].as_array().expect("records") {
            ids.push(record["Id"].as_str().expect("an id").to_owned());
        }
        let Some(next) = page["nextRecordsUrl"].as_str().map(str::to_owned) else {
            assert_eq!(page["done"], true);
            break;
        };
        assert!(next.starts_with("/services/data/v66.0/query/0r8"), "{next}");
        page = org.json("GET", &next, None).await.1;
    }
    assert_eq!(ids.len(), 4500);
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 4500);
    let (_, body) = org.query("SELECT Id FROM Account").await;
    let next = body["nextRecordsUrl"].as_str().expect("more").to_owned();
    org.emulator.expire_query_locators();
    let (status, body) = org.json("GET", &next, None).await;
    assert_eq!(
        (status, body),
        (
            400,
            json!([{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}])
        )
    );
}

#[tokio::test]
async fn records_follow_from_the_seed() {
    let (a, b) = (Org::start(MANY).await, Org::start(MANY).await);
    assert_eq!(a.emulator.rows("Account"), b.emulator.rows("Account"));
    let accounts = a.emulator.rows("Account");
    let with_parent = accounts.iter().filter(|r| r["ParentId"].is_some()).count();
    assert!((1_500..2_100).contains(&with_parent), "{with_parent}");
    let without_phone = accounts.iter().filter(|r| r["Phone"].is_none()).count();
    assert!((700..1_100).contains(&without_phone), "{without_phone}");
    assert!(
        accounts
            .iter()
            .any(|r| r["Description"].as_deref().is_some_and(|d| d.contains('\n')))
    );
    assert!(accounts.iter().all(|r| r["BillingCountry"].is_some()));
}

#[tokio::test]
async fn bulk_queries_give_pages_of_csv() {
    let org = Org::start(MANY).await;
    let soql = "SELECT Id, Name, Parent.Ext__c, Score__c, IsDeleted, CreatedDate, Description FROM Account";
    let (status, made) = org
        .json(
            "POST",
            "/jobs/query",
            Some(json!({"operation": "query", "query": soql})),
        )
        .await;
    assert_eq!(
        (status, &made["state"], &made["object"]),
        (200, &json!("UploadComplete"), &json!("Account"))
    );
    assert!(made.get("query").is_none() && made.get("jobType").is_none());
    assert_eq!(made["apiVersion"].to_string(), "66.0");
    let path = format!("/jobs/query/{}", made["id"].as_str().expect("an id"));
    let info = org.wait(&path).await;
    assert_eq!(
        (&info["state"], &info["numberRecordsProcessed"]),
        (&json!("JobComplete"), &json!(4500))
    );
    let mut locator = String::new();
    let mut rows: HashMap<String, csv::StringRecord> = HashMap::new();
    let mut pages = 0;
    while locator != "null" {
        let answer = org
            .ask(
                "GET",
                &format!("{path}/results?maxRecords=2000&locator={locator}"),
                None,
            )
            .await;
        assert_eq!(answer.status(), 200);
        locator = answer.headers()["sforce-locator"]
            .to_str()
            .expect("text")
            .to_owned();
        let count: usize = answer.headers()["sforce-numberofrecords"]
            .to_str()
            .expect("text")
            .parse()
            .expect("a number");
        let text = answer.text().await.expect("CSV");
        assert!(text.starts_with(
            "\"Id\",\"Name\",\"Parent.Ext__c\",\"Score__c\",\"IsDeleted\",\"CreatedDate\",\"Description\"\n"
        ));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let before = rows.len();
        for record in reader.records() {
            let record = record.expect("a row");
            rows.insert(record[0].to_owned(), record);
        }
        assert_eq!(rows.len() - before, count);
        pages += 1;
    }
    assert_eq!(pages, 3);
    let parents: HashMap<String, String> = org
        .emulator
        .rows("Account")
        .into_iter()
        .map(|r| {
            (
                r["Id"].clone().expect("an id"),
                r["Ext__c"].clone().expect("a key"),
            )
        })
        .collect();
    for record in org.emulator.rows("Account") {
        let row = &rows[record["Id"].as_deref().expect("an id")];
        assert_eq!(row[1], *record["Name"].as_deref().unwrap_or_default());
        assert_eq!(
            row[2],
            *record["ParentId"]
                .as_ref()
                .map(|p| parents[p].as_str())
                .unwrap_or_default()
        );
        assert!(row[3].contains('.'), "{}", &row[3]);
        assert_eq!(&row[4], "false");
        assert_eq!(&row[5], "2026-01-05T08:00:00.000Z");
        assert_eq!(row[6], *record["Description"].as_deref().unwrap_or_default());
    }
    let other = path.replace("/jobs", "/services/data/v65.0/jobs");
    let (status, _) = org.json("GET", &format!("{other}/results"), None).await;
    assert_eq!(status, 409);
    let (status, body) = org
        .json(
            "POST",
            "/jobs/query",
            Some(json!({"operation": "query", "query": "SELECT BillingAddress FROM Account"})),
        )
        .await;
    assert_eq!(
        (status, &body[0]["message"]),
        (400, &json!("Selecting compound data not supported in Bulk Query"))
    );
    assert_eq!(org.ask("DELETE", &path, None).await.status(), 204);
}

#[tokio::test]
async fn bulk_upsert_as_on_the_wire() {
    let org = Org::start("").await;
    org.create("Account", json!({"Name": "Acme", "Ext__c": "K-1"}))
        .await;
    let job = json!({"object": "Contact", "operation": "upsert", "externalIdFieldName": "Ext__c", "contentType": "CSV", "lineEnding": "LF"});
    let csv = "Ext__c,\"LastName\",Email,Account.Ext__c\nC-1,Doe,jane@example.com,K-1\nC-2,Roe,#N/A,K-404\nC-3,\"D\"\"oe\n2\",,\nC-4,x,,\nC-4,y,,\n";
    let (info, good, bad, rest) = org.load(job, csv).await;
    assert_eq!(info["state"], "JobComplete");
    assert_eq!(
        (&info["numberRecordsProcessed"], &info["numberRecordsFailed"]),
        (&json!(5), &json!(3))
    );
    assert_eq!(info["jobType"], "V2Ingest");
    assert!(good.starts_with("\"sf__Id\",\"sf__Created\",Ext__c,\"LastName\",Email,Account.Ext__c\n"));
    assert!(
        good.contains("\"true\",\"C-1\",\"Doe\",\"jane@example.com\",\"K-1\"\n"),
        "{good}"
    );
    assert!(
        good.contains("\"true\",\"C-3\",\"D\"\"oe\n2\",\"\",\"\"\n"),
        "{good}"
    );
    assert_eq!(
        sorted(&bad)[1..],
        [
            "\"\",\"DUPLICATE_VALUE:Duplicate external id specified: C-4:--\",\"C-4\",\"x\",\"\",\"\"",
            "\"\",\"DUPLICATE_VALUE:Duplicate external id specified: C-4:--\",\"C-4\",\"y\",\"\",\"\"",
            "\"\",\"INVALID_FIELD:Foreign key external ID: K-404 not found for field Ext__c in entity Account:--\",\"C-2\",\"Roe\",\"#N/A\",\"K-404\"",
        ]
    );
    assert_eq!(rest, "Ext__c,\"LastName\",Email,Account.Ext__c\n");
    // Keys that differ in case are two keys, unless the field is unique without regard to case.
    let job = json!({"object": "Contact", "operation": "upsert", "externalIdFieldName": "Ext__c"});
    let (info, ..) = org.load(job, "Ext__c,LastName\nz,x\nZ,y\n").await;
    assert_eq!(info["numberRecordsFailed"], 0);
    let job = json!({"object": "Account", "operation": "upsert", "externalIdFieldName": "Ext__c"});
    let (info, ..) = org.load(job, "Ext__c,Name\nz,x\nZ,y\n").await;
    assert_eq!(info["numberRecordsFailed"], 2);
    // Empty leaves a value, `#N/A` clears it.
    let job = json!({"object": "Contact", "operation": "upsert", "externalIdFieldName": "Ext__c", "lineEnding": "CRLF", "columnDelimiter": "SEMICOLON"});
    let (_, good, ..) = org
        .load(job, "Ext__c;Email;Account.Ext__c\r\nC-1;;#N/A\r\n")
        .await;
    assert!(good.starts_with("\"sf__Id\";\"sf__Created\";Ext__c;Email;Account.Ext__c\r\n"));
    assert!(good.contains("\"false\";\"C-1\""));
    let row = &org.emulator.rows("Contact")[0];
    assert_eq!(
        (row["Email"].as_deref(), row["AccountId"].as_deref()),
        (Some("jane@example.com"), None)
    );
}

#[tokio::test]
async fn bulk_rows_are_echoed_and_refused_in_bulks_own_words() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    let job = json!({"object": "Invoice__c", "operation": "insert"});
    let csv = format!(
        "Account__c,Total__c,Due__c\n{account},912260031,2026-01-31\n{account},1500,2026-13-99\n{account},,2026-01-31\n"
    );
    let (_, good, bad, _) = org.load(job, &csv).await;
    assert!(
        good.contains(&format!("\"true\",\"{account}\",\"9.12260031E8\",\"2026-01-31\"")),
        "{good}"
    );
    assert!(
        bad.contains("\"\",\"INVALID_FIELD:Failed to deserialize field at col 2. Due to, '2026-13-99' is not a valid value for the type xsd:date:Due__c --\""),
        "{bad}"
    );
    assert!(bad.contains("\"1500.0\""), "{bad}");
    assert!(
        bad.contains("\"REQUIRED_FIELD_MISSING:Required fields are missing: [Total__c]:Total__c --\""),
        "{bad}"
    );
    let (_, _, bad, _) = org
        .load(
            json!({"object": "Account", "operation": "update"}),
            &format!("Id,Name\n001000000000000AAA,x\n{account},y\n"),
        )
        .await;
    assert!(
        bad.contains("\"001000000000000AAA\",\"INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--\""),
        "{bad}"
    );
    let (info, good, ..) = org
        .load(
            json!({"object": "Account", "operation": "delete"}),
            &format!("Id\n{account}\n"),
        )
        .await;
    assert_eq!(info["numberRecordsFailed"], 0);
    assert_eq!(sorted(&good)[1], format!("\"{account}\",\"false\",\"{account}\""));
    assert_eq!(
        (org.emulator.count("Account"), org.emulator.count("Invoice__c")),
        (0, 0)
    );
}

#[tokio::test]
async fn bulk_jobs_fail_with_the_true_texts() {
    let org = Org::start("").await;
    for (csv, message) in [
        (
            "Name,Foo__c\nx,y\n",
            "InvalidBatch : Field name not found : Foo__c",
        ),
        (
            "\u{feff}Name\nx\n",
            "InvalidBatch : Field name not found : \u{feff}Name",
        ),
        (
            "Name,Boss.Ext__c\nx,y\n",
            "InvalidBatch : Unable to find relationship: Boss",
        ),
        (
            "Name,Account:Parent.Ext__c\nx,y\n",
            "InvalidBatch : type is not needed for non polymorphic foreign key references: Parent",
        ),
        ("Name\n", "InvalidBatch : Records not found"),
        (
            "Name\r\nx\r\n",
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        (
            "Name\n\"x\r\ny\"\n",
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
    ] {
        let (info, ..) = org
            .load(json!({"object": "Account", "operation": "insert"}), csv)
            .await;
        assert_eq!(
            (&info["state"], &info["errorMessage"]),
            (&json!("Failed"), &json!(message))
        );
        assert_eq!(info["numberRecordsProcessed"], 0);
    }
    assert_eq!(org.emulator.count("Account"), 0);
}

#[tokio::test]
async fn bulk_results_come_in_another_order() {
    let org = Org::start("").await;
    let mut csv = String::from("Name,Ext__c\n");
    for n in 0..500 {
        csv.push_str(&format!("A{n},{n}\n"));
    }
    let (_, good, ..) = org
        .load(json!({"object": "Account", "operation": "insert"}), &csv)
        .await;
    let keys: Vec<usize> = good
        .lines()
        .skip(1)
        .map(|l| l.rsplit('"').nth(1).expect("a cell").parse().expect("a number"))
        .collect();
    assert_eq!(keys.len(), 500);
    assert!(!keys.is_sorted());
}

#[tokio::test]
async fn faults_happen() {
    let org = Org::start(
        r#"
faults:
  - { on: { path: /limits }, times: 1, then: { answer: { status: 503, code: SERVER_UNAVAILABLE, message: Later } } }
  - then: { reject_rows: { object: Account, share: 50%, message: No } }
  - then: { lock_rows: { object: Contact, share: 100% } }
"#,
    )
    .await;
    let (status, body) = org.json("GET", "/limits", None).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (503, &json!("SERVER_UNAVAILABLE"))
    );
    assert_eq!(org.json("GET", "/limits", None).await.0, 200);
    let rows: Vec<Value> = (0..200)
        .map(|n| json!({"attributes": {"type": "Account"}, "Name": format!("A{n}")}))
        .collect();
    let (_, body) = org
        .json("POST", "/composite/sobjects", Some(json!({"records": rows})))
        .await;
    let refused = body
        .as_array()
        .expect("a list")
        .iter()
        .filter(|r| r["success"] == false)
        .count();
    assert!((60..140).contains(&refused), "{refused}");
    let contact = json!({"LastName": "Roe"});
    org.refused(
        "POST",
        "/sobjects/Contact",
        contact.clone(),
        400,
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain",
    )
    .await;
    org.create("Contact", contact).await;
    // A lost answer: the record is there all the same.
    org.emulator
        .add_fault(Fault::new(Effect::DropAnswer).on_path("/sobjects/Lead").times(1));
    let lost = org
        .client
        .post(format!(
            "{}/services/data/v66.0/sobjects/Lead",
            org.emulator.url()
        ))
        .bearer_auth(&org.token)
        .json(&json!({"LastName": "L", "Company": "C"}))
        .send()
        .await;
    assert!(lost.is_err());
    assert_eq!(org.emulator.count("Lead"), 1);
    org.emulator
        .add_fault(Fault::new(Effect::TruncateBody).on_path("/sobjects").times(1));
    let cut = org.ask("GET", "/sobjects", None).await;
    assert!(cut.text().await.is_err());
    org.emulator.add_fault(Fault::new(Effect::Answer(FaultAnswer {
        status: 502,
        code: None,
        message: "Bad gateway".to_owned(),
        retry_after: None,
    })));
    let page = org.ask("GET", "/limits", None).await;
    assert_eq!(page.headers()["content-type"], "text/html;charset=iso-8859-1");
    org.emulator.clear_faults();
    org.emulator
        .add_fault(Fault::new(Effect::ExpireToken).after(2).times(1));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(org.json("GET", "/limits", None).await.0);
    }
    assert_eq!(seen, [200, 200, 401, 401]);
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let org = Org::start(MANY).await;
    let plain = org
        .query("SELECT Id, Name, Description FROM Account LIMIT 1000")
        .await
        .1;
    let zipped = Client::builder().gzip(true).build().expect("a client");
    let answer = zipped
        .get(format!("{}/services/data/v66.0/query", org.emulator.url()))
        .query(&[("q", "SELECT Id, Name, Description FROM Account LIMIT 1000")])
        .bearer_auth(&org.token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.json::<Value>().await.expect("JSON"), plain);
    let raw = Client::builder().no_gzip().build().expect("a client");
    let answer = raw
        .get(format!(
            "{}/services/data/v66.0/sobjects/Account/describe",
            org.emulator.url()
        ))
        .header("Accept-Encoding", "gzip")
        .bearer_auth(&org.token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let long = "x".repeat(17_000);
    let (status, body) = org.json("GET", &format!("/query?q={long}"), None).await;
    assert_eq!(status, 414);
    assert!(body.as_str().expect("HTML").contains("URI Too Long"));
    let log = org.emulator.request_log();
    assert!(log.len() >= 3 && !format!("{log:?}").contains("fixed!token"));
    assert!(org.emulator.counters().queries >= 2);
}

#[tokio::test]
async fn a_file_that_cannot_be_says_why() {
    for (yaml, words) in [
        ("sobjects:\n  Nothing: {}\n", "no standard object `Nothing`"),
        (
            "sobjects:\n  Account: { fields: { X__c: { type: Texd(3) } } }\n",
            "`Texd(3)` is no data type",
        ),
        (
            "sobjects:\n  Account: { fields: { X__c: { type: Lookup(Foo__c) } } }\n",
            "no object `Foo__c`",
        ),
        (
            "records:\n  - { object: Account, rows: [{ Nme: x }] }\n",
            "no field `Nme`",
        ),
        (
            "records:\n  - { object: Account, rows: [{ Name: x }, { Site: y }] }\n",
            "record 2 of `Account` is refused: REQUIRED_FIELD_MISSING",
        ),
        (
            "connected_apps:\n  - { name: a, client_id: b, client_secret: c, run_as: d }\n",
            "no user `d`",
        ),
        ("org_id: 001000000000000AAA\n", "starts with 00D"),
    ] {
        let file = OrgFile::parse(&format!("version: 1\nname: hq\n{yaml}"), ".").expect(yaml);
        match Emulator::start(file, 0).await {
            Ok(_) => panic!("{yaml}"),
            Err(error) => assert!(error.to_string().contains(words), "{error}"),
        }
    }
    assert!(matches!(
        OrgFile::load("no such file"),
        Err(OrgFileError::Read { .. })
    ));
}
