//! The org over loopback, asked with hand-written requests as the wire traces of the protocol reference show them.

mod access;
mod admin;
mod batches;
mod bulk;
mod bulk_v1;
mod bulk_v2;
mod columns;
mod composite;
mod conditions;
mod describes;
mod files;
mod kept;
mod life;
mod login_page;
mod misbehaving;
mod queries;
mod records;
mod resources;
mod resources_of_objects;
mod rules;
mod sales;
mod sessions;
mod sharing;
mod signing_in;
mod soap;
mod soql;
mod standard;
mod tokens;
mod tooling;

use std::{collections::HashMap, time::Duration};

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{Effect, Emulator, EmulatorError, Fault, FaultAnswer, JobsOf, OrgFile, OrgFileError, StateError};

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
