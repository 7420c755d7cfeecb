//! The side door: JSON for tests, pages for people, and the file that keeps records.

use super::*;

impl Org {
    /// A request of the side door: no token.
    async fn side(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = self
            .client
            .request(method, format!("{}{path}", self.emulator.url()))
            .body(body.to_owned())
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    async fn side_json(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, text) = self.side(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

#[tokio::test]
async fn the_side_door_tells_what_was_asked_and_is_never_counted() {
    let org = Org::start("faults:\n  - { on: { path: / }, then: drop_connection }\n").await;
    assert_eq!(org.side_json("GET", "/emulator/faults", "").await[0]["id"], 1);
    assert_eq!(org.side("DELETE", "/emulator/faults", "").await.0, 200);
    org.create("Account", json!({"Name": "Acme"})).await;
    org.query("SELECT Id FROM Account").await;
    org.ask("GET", "/sobjects/Nix", None).await;
    let status = org.side_json("GET", "/emulator/status", "").await;
    assert_eq!(status["records"]["Account"], 1);
    assert_eq!(status["counters"]["api_calls"], 3);
    assert_eq!(status["counters"]["requests"], 3);
    assert_eq!(status["counters"]["rows_read"], 1);
    let errors = org.side_json("GET", "/emulator/requests?status=4xx", "").await;
    assert_eq!(errors[0]["path"], "/services/data/v66.0/sobjects/Nix");
    assert_eq!(errors.as_array().map(Vec::len), Some(1));
    let query = org.side_json("GET", "/emulator/requests?path=/query", "").await;
    assert_eq!(
        (&query[0]["rows"], &query[0]["query"]),
        (&json!(1), &json!("SELECT Id FROM Account"))
    );
    org.side_json("DELETE", "/emulator/requests", "").await;
    let status = org.side_json("GET", "/emulator/status", "").await;
    assert_eq!(status["counters"]["requests"], 0);
    assert_eq!(org.side("GET", "/emulator/nix", "").await.0, 404);
}

#[tokio::test]
async fn faults_come_and_go_at_run_time() {
    let org = Org::start("").await;
    let fault = r#"[{"on": {"path": "/limits"}, "times": 1, "then": {"refuse": "server_unavailable"}},
        {"share": 0.0, "then": {"delay": "1h"}}]"#;
    let added = org.side_json("POST", "/emulator/faults", fault).await;
    assert_eq!(added["added"], json!([1, 2]));
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 503);
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 200);
    let list = org.side_json("GET", "/emulator/faults", "").await;
    assert_eq!((&list[0]["hit"], &list[0]["seen"]), (&json!(1), &json!(2)));
    assert_eq!(list[0]["fault"]["then"]["refuse"], "server_unavailable");
    assert_eq!(org.side("DELETE", "/emulator/faults/1", "").await.0, 200);
    assert_eq!(org.side("DELETE", "/emulator/faults/1", "").await.0, 404);
    let (status, why) = org
        .side("POST", "/emulator/faults", r#"{"then": "explode"}"#)
        .await;
    assert!(status == 400 && why.contains("explode"), "{why}");
    org.side("POST", "/emulator/tokens/expire", "").await;
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 401);
}

#[tokio::test]
async fn the_clock_is_moved_at_run_time() {
    let org = Org::start("clock: { start: 2026-01-05T08:00:00Z, frozen: true }\n").await;
    let now = org
        .side_json("POST", "/emulator/clock", r#"{"advance": "2d"}"#)
        .await;
    assert_eq!(now, json!({"now": "2026-01-07T08:00:00Z", "speed": 0.0}));
    let body = r#"{"set": "2027-01-01T00:00:00Z", "speed": 1}"#;
    let now = org.side_json("POST", "/emulator/clock", body).await;
    assert!(
        now["now"]
            .as_str()
            .is_some_and(|t| t.starts_with("2027-01-01T00:00:0"))
    );
    let (status, why) = org.side("POST", "/emulator/clock", r#"{"set": "soon"}"#).await;
    assert!(status == 400 && why.contains("soon"), "{why}");
}

#[tokio::test]
async fn records_come_as_csv_and_go_back_to_snapshots() {
    let org = Org::start("records:\n  - object: Account\n    rows:\n      - { Name: \"B, \\\"x\\\"\", AnnualRevenue: 10 }\n      - { Name: A, AnnualRevenue: 9 }\n").await;
    let csv = async |query: &str| {
        org.side("GET", &format!("/emulator/records/account.csv{query}"), "")
            .await
    };
    let (status, text) = csv("?fields=Name,AnnualRevenue&order_by=AnnualRevenue").await;
    assert_eq!(
        (status, text.as_str()),
        (200, "Name,AnnualRevenue\nA,9\n\"B, \"\"x\"\"\",10\n")
    );
    let (_, all) = csv("").await;
    assert!(all.starts_with("Id,"), "{all}");
    assert_eq!(org.emulator.csv("Account").as_deref(), Some(all.as_str()));
    assert_eq!(csv("?fields=Nix").await.0, 404);
    org.side_json("POST", "/emulator/snapshots/before", "").await;
    let id = org.create("Account", json!({"Name": "C"})).await;
    org.ask("DELETE", &format!("/sobjects/Account/{id}"), None).await;
    let (_, bin) = csv("?fields=Name,IsDeleted&deleted=true&order_by=Name").await;
    assert_eq!(bin, "Name,IsDeleted\nA,false\n\"B, \"\"x\"\"\",false\nC,true\n");
    org.create("Account", json!({"Name": "D"})).await;
    org.side_json("POST", "/emulator/snapshots/before/restore", "")
        .await;
    assert_eq!(csv("").await.1, all);
    // A number that was given before is given again: the snapshot is the org as it was.
    assert_eq!(org.create("Account", json!({"Name": "E"})).await, id);
    let status = org.side_json("POST", "/emulator/reset", "").await;
    assert_eq!(status["records"]["Account"], 2);
    assert_eq!(csv("").await.1, all);
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 200);
    assert_eq!(
        org.side_json("GET", "/emulator/snapshots", "").await,
        json!(["before"])
    );
    assert_eq!(
        org.side("POST", "/emulator/snapshots/nix/restore", "").await.0,
        404
    );
}

#[tokio::test]
async fn pages_show_the_org_and_escape_what_it_holds() {
    let org = Org::start("records:\n  - object: Account\n    rows: [{ Name: \"<script>alert(1)</script>\", Ext__c: A }]\n  - object: Contact\n    rows: [{ LastName: \"O'Hara & \\\"Co\\\"\", Account: { Ext__c: A } }]\n").await;
    org.query("SELECT Id FROM Contact WHERE LastName = '<b>'").await;
    org.ask("GET", "/sobjects/Nix", None).await;
    let accounts = org.emulator.rows("Account");
    let id = accounts[0]["Id"].as_deref().expect("an Id");
    let page = async |path: &str, parts: &[&str]| {
        let (status, text) = org.side("GET", path, "").await;
        assert_eq!(status, 200, "{path}");
        for part in parts {
            assert!(text.contains(part), "{path} lacks {part}: {text}");
        }
        assert!(!text.contains("<script>") && !text.contains("<b>'"), "{text}");
        text
    };
    let home = page("/", &["hq", org.emulator.org_id(), "/emulator/objects/Account\""]).await;
    assert!(home.find("objects/Contact\"") < home.find("objects/Campaign\""));
    let found = page("/?find=contac", &["objects/Contact\""]).await;
    assert!(!found.contains("objects/Account\""));
    page("/emulator/objects/account", &["&lt;script&gt;", id, "1 records"]).await;
    let record = page(
        &format!("/emulator/records/{id}"),
        &[
            "&lt;script&gt;",
            "by AccountId",
            "O&#39;Hara &amp; &quot;Co&quot;",
        ],
    )
    .await;
    assert!(record.contains(&format!("?by=AccountId&amp;is={id}")));
    page(
        &format!("/emulator/objects/Contact?by=AccountId&is={id}"),
        &["1 records with AccountId"],
    )
    .await;
    page("/emulator/log", &["&lt;b&gt;", "/sobjects/Nix"]).await;
    let errors = page("/emulator/log?status=4xx", &["/sobjects/Nix"]).await;
    assert!(!errors.contains("&lt;b&gt;"));
    assert_eq!(org.side("GET", "/emulator/objects/Nix", "").await.0, 404);
    assert_eq!(
        org.side("GET", "/emulator/records/001000000000001", "").await.0,
        404
    );
    assert_eq!(org.side("GET", "/emulator/style.css", "").await.0, 200);
}

#[tokio::test]
async fn strangers_cannot_use_the_side_door() {
    let org = Org::start("").await;
    let ask = async |method: Method, header: &str, value: &str| {
        org.client
            .request(method, format!("{}/emulator/reset", org.emulator.url()))
            .header(header, value)
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16()
    };
    assert_eq!(ask(Method::POST, "origin", "https://evil.example").await, 403);
    assert_eq!(ask(Method::POST, "host", "evil.example").await, 403);
    assert_eq!(ask(Method::POST, "origin", &org.emulator.url()).await, 200);
}

#[tokio::test]
async fn a_file_keeps_the_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hq.state");
    let start = async |text: &str| {
        let file = OrgFile::parse(text, ".").expect("the org file");
        Emulator::start_kept(file, 0, &path).await
    };
    let with_records = format!("{ORG}records:\n  - object: Account\n    rows: [{{ Name: A, Ext__c: A }}]\n");
    let org = Org::start("").await;
    let org = Org {
        emulator: start(&with_records).await.expect("an org"),
        ..org
    };
    assert!(path.exists(), "made at once");
    let b = org
        .create("Account", json!({"Name": "B\n\"ü\"", "Active__c": true}))
        .await;
    let c = org.create("Account", json!({"Name": "C"})).await;
    org.ask("DELETE", &format!("/sobjects/Account/{c}"), None).await;
    org.create("Invoice__c", json!({"Account__c": b, "Total__c": 12.5}))
        .await;
    let before = (org.emulator.rows("Account"), org.emulator.rows("Invoice__c"));
    // Nobody else may have it meanwhile.
    assert!(matches!(
        start(&with_records).await,
        Err(EmulatorError::State(StateError::InUse(_)))
    ));
    org.emulator.stop().await.expect("kept");

    let org = Org {
        emulator: start(&with_records).await.expect("the same org"),
        ..Org::start("").await
    };
    assert_eq!(
        (org.emulator.rows("Account"), org.emulator.rows("Invoice__c")),
        before
    );
    assert_eq!(
        org.names("SELECT Name FROM Account WHERE Ext__c = 'a'").await,
        ["A"]
    );
    let (_, all) = org.json("GET", "/queryAll?q=SELECT+Id+FROM+Account", None).await;
    assert_eq!(all["totalSize"], 3);
    let back = format!("{{\"ids\": [\"{c}\", \"{b}\"]}}");
    let back = org.side_json("POST", "/emulator/undelete", &back).await;
    assert_eq!(
        (&back[0]["success"], &back[1]["success"]),
        (&json!(true), &json!(false))
    );
    // Numbers go on where they stood, and what changes is kept without being asked.
    let invoice = org
        .create("Invoice__c", json!({"Account__c": b, "Total__c": 1}))
        .await;
    let invoices = org.names("SELECT Name FROM Invoice__c ORDER BY Name").await;
    assert_eq!(invoices, ["INV-0001", "INV-0002"]);
    let size = std::fs::metadata(&path).expect("a file").len();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if std::fs::metadata(&path).expect("a file").len() > size {
            break;
        }
    }
    drop(org);
    // A write that was under way holds the file until it is done.
    let mut again = start(&with_records).await;
    for _ in 0..100 {
        match again {
            Err(EmulatorError::State(StateError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                again = start(&with_records).await;
            }
            _ => break,
        }
    }
    let org = Org {
        emulator: again.expect("the same org"),
        ..Org::start("").await
    };
    assert_eq!(org.emulator.count("Invoice__c"), 2);
    assert_eq!(
        org.emulator.rows("Invoice__c")[1]["Id"].as_deref(),
        Some(invoice.as_str())
    );
    org.emulator.stop().await.expect("kept");

    for (text, words) in [
        (
            with_records.replace("name: hq", "name: other"),
            "belongs to the org `hq`",
        ),
        (
            with_records.replace("developer_name: Old", "developer_name: New"),
            "gained the record type `Account.New`",
        ),
        (
            with_records.replace("Active__c", "Passive__c"),
            "values of `Account.Active__c`",
        ),
        (
            with_records.replace(
                "Total__c: { type: \"Currency(16, 2)\"",
                "Total__c: { type: Text(20)",
            ),
            "values of type currency in `Invoice__c.Total__c`",
        ),
    ] {
        let error = start(&text).await.expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    let bytes = std::fs::read(&path).expect("a file");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("a file");
    assert!(matches!(
        start(&with_records).await,
        Err(EmulatorError::State(StateError::Damaged(_)))
    ));
    std::fs::write(&path, "Name\nA\n").expect("a file");
    assert!(matches!(
        start(&with_records).await,
        Err(EmulatorError::State(StateError::Foreign(_)))
    ));
}
