//! Bulk API 1.0, as jsforce, CumulusCI and simple-salesforce use it.

use super::*;

const JOB: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<jobInfo xmlns="http://www.force.com/2009/06/asyncapi/dataload">"#;

impl Org {
    async fn bulk(&self, method: &str, path: &str, kind: &str, body: impl Into<String>) -> (u16, String) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self
            .client
            .request(
                method,
                format!("{}/services/async/62.0/{path}", self.emulator.url()),
            )
            .header("X-SFDC-Session", &self.token);
        if !kind.is_empty() {
            request = request.header("Content-Type", kind);
        }
        let response = request.body(body.into()).send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.text().await.expect("a body"))
    }

    async fn bulk_job(&self, keys: &str) -> String {
        let (status, answer) = self
            .bulk("POST", "job", "application/xml", format!("{JOB}{keys}</jobInfo>"))
            .await;
        assert_eq!(status, 201, "{answer}");
        inner(&answer, "id").to_owned()
    }

    /// Sends a batch and waits for its end; the path of the batch and how it ended.
    async fn bulk_batch(&self, job: &str, kind: &str, body: &str) -> (String, String) {
        let (status, answer) = self.bulk("POST", &format!("job/{job}/batch"), kind, body).await;
        assert_eq!(status, 201, "{answer}");
        let id = match serde_json::from_str::<Value>(&answer) {
            Ok(json) => json["id"].as_str().expect("an id").to_owned(),
            Err(_) => inner(&answer, "id").to_owned(),
        };
        let path = format!("job/{job}/batch/{id}");
        for _ in 0..2_000 {
            let (_, info) = self.bulk("GET", &path, "application/xml", "").await;
            if !matches!(inner(&info, "state"), "Queued" | "InProgress") {
                return (path, info);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the batch does not end");
    }
}

fn inner<'x>(xml: &'x str, tag: &str) -> &'x str {
    xml.split_once(&format!("<{tag}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")))
        .map_or("", |(text, _)| text)
}

#[tokio::test]
async fn a_csv_job_goes_through_its_states() {
    let org = Org::start("").await;
    let job = org
        .bulk_job("<operation>upsert</operation><object>Account</object><externalIdFieldName>Ext__c</externalIdFieldName><concurrencyMode>Serial</concurrencyMode><contentType>CSV</contentType>")
        .await;
    assert!(job.starts_with("750"));
    let csv = "Ext__c,Name,Parent.Ext__c\nK-1,One,\nK-2,,\nK-3,Three,K-404\r\nK-4,\"Fo,ur\",K-1\n";
    let (path, info) = org.bulk_batch(&job, "text/csv; charset=UTF-8", csv).await;
    assert_eq!(inner(&info, "state"), "Completed", "{info}");
    assert_eq!(
        (
            inner(&info, "numberRecordsProcessed"),
            inner(&info, "numberRecordsFailed")
        ),
        ("4", "2")
    );
    assert!(inner(&info, "createdDate").ends_with(".000Z"));
    let (status, results) = org.bulk("GET", &format!("{path}/result"), "", "").await;
    assert_eq!(status, 200);
    let lines: Vec<&str> = results.lines().collect();
    assert_eq!(lines[0], "\"Id\",\"Success\",\"Created\",\"Error\"");
    assert!(
        lines[1].starts_with("\"001") && lines[1].ends_with("\",\"true\",\"true\",\"\""),
        "{results}"
    );
    assert_eq!(
        lines[2],
        "\"\",\"false\",\"false\",\"REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --\""
    );
    assert!(
        lines[3].contains("\"INVALID_FIELD:Foreign key external ID: "),
        "{results}"
    );
    assert!(lines[4].starts_with("\"001"), "in the order of the upload");
    let (_, request) = org.bulk("GET", &format!("{path}/request"), "", "").await;
    assert_eq!(request, csv);
    let (_, info) = org.bulk("GET", &format!("job/{job}"), "", "").await;
    for (tag, expected) in [
        ("state", "Open"),
        ("concurrencyMode", "Serial"),
        ("contentType", "CSV"),
        ("externalIdFieldName", "Ext__c"),
        ("numberBatchesCompleted", "1"),
        ("numberBatchesTotal", "1"),
        ("numberRecordsProcessed", "4"),
        ("apiVersion", "62.0"),
    ] {
        assert_eq!(inner(&info, tag), expected, "{info}");
    }
    let close = format!("{JOB}<state>Closed</state></jobInfo>");
    let (status, closed) = org
        .bulk("POST", &format!("job/{job}"), "application/xml", close.clone())
        .await;
    assert_eq!((status, inner(&closed, "state")), (200, "Closed"));
    for (path, kind, body, code) in [
        (
            format!("job/{job}/batch"),
            "text/csv",
            csv.to_owned(),
            "InvalidJobState",
        ),
        (format!("job/{job}"), "application/xml", close, "InvalidJobState"),
        (
            "job".to_owned(),
            "application/xml",
            format!("{JOB}<operation>insert</operation><object>Nope</object></jobInfo>"),
            "InvalidJob",
        ),
        (
            "job".to_owned(),
            "application/xml",
            "<broken".to_owned(),
            "InvalidJob",
        ),
    ] {
        let (status, answer) = org.bulk("POST", &path, kind, body).await;
        assert_eq!((status, inner(&answer, "exceptionCode")), (400, code), "{answer}");
    }
    let (_, list) = org.bulk("GET", &format!("job/{job}/batch"), "", "").await;
    assert_eq!(
        inner(inner(&list, "batchInfoList"), "state"),
        "",
        "the list has a namespace: {list}"
    );
    assert_eq!(list.matches("<batchInfo>").count(), 1);
    let (status, _) = org
        .bulk("GET", &format!("job/{job}/batch/751000000000001AAA"), "", "")
        .await;
    assert_eq!(status, 400);
    assert_eq!(org.emulator.count("Account"), 2);
}

#[tokio::test]
async fn batches_fail_for_their_headers() {
    let org = Org::start("").await;
    let job = org
        .bulk_job("<operation>insert</operation><object>Account</object><contentType>CSV</contentType>")
        .await;
    for (csv, message) in [
        (
            "Nope__c,Name\nx,y\n",
            "InvalidBatch : Field name not found : Nope__c",
        ),
        ("Name\n", "InvalidBatch : Records not found"),
        (&format!("Name\n{}", "x\n".repeat(10_001)), "10001"),
    ] {
        let (path, info) = org.bulk_batch(&job, "text/csv", csv).await;
        assert_eq!(inner(&info, "state"), "Failed");
        assert!(inner(&info, "stateMessage").contains(message), "{info}");
        let (status, _) = org.bulk("GET", &format!("{path}/result"), "", "").await;
        assert_eq!(status, 400);
    }
    assert_eq!(org.emulator.count("Account"), 0);
}

#[tokio::test]
async fn json_and_xml_batches_carry_the_same() {
    let org = Org::start("").await;
    let (status, made) = org
        .bulk(
            "POST",
            "job",
            "application/json",
            r#"{"operation":"insert","object":"Account","contentType":"JSON"}"#,
        )
        .await;
    let made: Value = serde_json::from_str(&made).expect("JSON");
    assert_eq!(
        (status, &made["state"], &made["apiVersion"].to_string()),
        (201, &json!("Open"), &"62.0".to_owned())
    );
    assert!(made["createdDate"].as_str().is_some_and(|d| d.ends_with("+0000")));
    let job = made["id"].as_str().expect("an id");
    let (path, _) = org
        .bulk_batch(
            job,
            "application/json",
            r#"[{"Name":"J \"1\"","AnnualRevenue":12.5},{"Phone":"1"}]"#,
        )
        .await;
    let (_, results) = org
        .bulk("GET", &format!("{path}/result"), "application/json", "")
        .await;
    let results: Value = serde_json::from_str(&results).expect("JSON");
    assert_eq!(
        (&results[0]["success"], &results[0]["created"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(results[1]["id"], Value::Null);
    assert_eq!(results[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(results[1]["errors"][0]["fields"], json!(["Name"]));

    let job = org
        .bulk_job("<operation>insert</operation><object>Account</object><contentType>XML</contentType>")
        .await;
    let records = r#"<sObjects xmlns="http://www.force.com/2009/06/asyncapi/dataload"><sObject><Name>X &amp; 1</Name></sObject><sObject><Phone>1</Phone></sObject></sObjects>"#;
    let (path, _) = org.bulk_batch(&job, "application/xml", records).await;
    let (_, results) = org.bulk("GET", &format!("{path}/result"), "", "").await;
    assert_eq!(results.matches("<success>true</success>").count(), 1);
    assert_eq!(inner(&results, "statusCode"), "REQUIRED_FIELD_MISSING");
    assert_eq!(
        org.names("SELECT Name FROM Account ORDER BY Name").await,
        ["J \"1\"", "X & 1"]
    );
}

#[tokio::test]
async fn queries_answer_in_all_formats() {
    let org = Org::start("").await;
    for n in 0..5 {
        org.create("Account", json!({"Name": format!("A{n}"), "AnnualRevenue": 1500}))
            .await;
    }
    let soql = "SELECT Id, Name, AnnualRevenue, CreatedDate, Owner.Name FROM Account";
    for (format, kind) in [
        ("CSV", "text/csv"),
        ("JSON", "application/json"),
        ("XML", "application/xml"),
    ] {
        let job = org
            .bulk_job(&format!(
                "<operation>query</operation><object>Account</object><contentType>{format}</contentType>"
            ))
            .await;
        let (path, info) = org.bulk_batch(&job, kind, soql).await;
        assert_eq!(
            (inner(&info, "state"), inner(&info, "numberRecordsProcessed")),
            ("Completed", "5")
        );
        let (_, list) = org.bulk("GET", &format!("{path}/result"), "", "").await;
        let id = match serde_json::from_str::<Value>(&list) {
            Ok(ids) => ids[0].as_str().expect("an id").to_owned(),
            Err(_) => inner(&list, "result").to_owned(),
        };
        assert!(id.starts_with("752"), "{list}");
        let (status, text) = org.bulk("GET", &format!("{path}/result/{id}"), "", "").await;
        assert_eq!(status, 200);
        match format {
            "CSV" => {
                assert!(
                    text.starts_with("\"Id\",\"Name\",\"AnnualRevenue\",\"CreatedDate\",\"Owner.Name\"\n")
                );
                assert_eq!(text.lines().count(), 6);
            }
            "JSON" => {
                let rows: Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(rows[0]["attributes"]["type"], "Account");
                assert_eq!(rows[0]["AnnualRevenue"].to_string(), "1500.0");
                assert!(rows[0]["CreatedDate"].is_i64(), "{text}");
                assert_eq!(rows[0]["Owner"]["Name"], "Ann Lee");
            }
            _ => assert_eq!(
                text.matches("<records xsi:type=\"sObject\">").count(),
                5,
                "{text}"
            ),
        }
    }
}

#[tokio::test]
async fn pk_chunking_splits_a_query() {
    let org = Org::start("").await;
    for n in 0..5 {
        org.create("Account", json!({"Name": format!("A{n}")})).await;
    }
    let made = org
        .client
        .post(format!("{}/services/async/62.0/job", org.emulator.url()))
        .bearer_auth(&org.token)
        .header("Content-Type", "application/xml")
        .header("Sforce-Enable-PKChunking", "chunkSize=2; parent=Account")
        .body(format!("{JOB}<operation>query</operation><object>Account</object><contentType>CSV</contentType></jobInfo>"))
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let job = inner(&made, "id");
    let (_, first) = org.bulk_batch(job, "text/csv", "SELECT Id FROM Account").await;
    assert_eq!(inner(&first, "state"), "NotProcessed");
    for _ in 0..2_000 {
        let (_, info) = org.bulk("GET", &format!("job/{job}"), "", "").await;
        if inner(&info, "numberBatchesCompleted") == "3" {
            assert_eq!(
                (
                    inner(&info, "numberBatchesTotal"),
                    inner(&info, "numberRecordsProcessed")
                ),
                ("4", "5")
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the batches do not end");
}

#[tokio::test]
async fn strangers_and_old_versions_are_told_so() {
    let org = Org::start("").await;
    for (version, token, kind, code) in [
        ("62.0", "wrong", "application/xml", "InvalidSessionId"),
        ("62.0", "wrong", "application/json", "InvalidSessionId"),
        ("20.0", "fixed!token", "application/xml", "InvalidVersion"),
    ] {
        let answer = org
            .client
            .post(format!("{}/services/async/{version}/job", org.emulator.url()))
            .header("X-SFDC-Session", token)
            .header("Content-Type", kind)
            .body("{}")
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 400);
        let text = answer.text().await.expect("text");
        let found = match serde_json::from_str::<Value>(&text) {
            Ok(json) => json["exceptionCode"].as_str().unwrap_or_default().to_owned(),
            Err(_) => inner(&text, "exceptionCode").to_owned(),
        };
        assert_eq!(found, code, "{text}");
    }
}
