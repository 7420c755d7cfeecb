//! An org that ends and is started again: its records and its Bulk jobs are those of before.

use super::*;

/// Ends an org and starts it again from its file.
async fn again(org: Org, path: &std::path::Path, yaml: &str) -> Org {
    org.emulator.stop().await.expect("kept");
    start(path, yaml).await
}

async fn start(path: &std::path::Path, yaml: &str) -> Org {
    let file = OrgFile::parse(&format!("{ORG}{yaml}"), ".").expect("the org file");
    let emulator = Emulator::start_kept(file, 0, path).await.expect("the org");
    let plain = Org::start("").await;
    Org { emulator, ..plain }
}

/// Makes a job of a kind with an upload, open still.
async fn upload(org: &Org, job: Value, csv: &str) -> String {
    let (_, made) = org.json("POST", "/jobs/ingest", Some(job)).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    let path = format!(
        "{}/{}",
        org.emulator.url(),
        made["contentUrl"].as_str().expect("a URL")
    );
    let put = org.client.put(path).bearer_auth(&org.token);
    let put = put.header("Content-Type", "text/csv").body(csv.to_owned());
    assert_eq!(put.send().await.expect("an answer").status(), StatusCode::CREATED);
    format!("/jobs/ingest/{id}")
}

#[tokio::test]
async fn bulk_jobs_go_on_where_they_stood() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hq.state");
    let org = start(&path, "").await;
    let close = json!({"state": "UploadComplete"});
    let insert = json!({"object": "Account", "operation": "insert"});
    // One that is done, one whose rows wait, one that is open, one that failed, one that reads.
    let done = upload(&org, insert.clone(), "Name,Score__c\nA,1\nB,12345\n").await;
    org.json("PATCH", &done, Some(close.clone())).await;
    let told = org.wait(&done).await;
    let files = async |org: &Org, job: &str| {
        let mut files = Vec::new();
        for which in ["successfulResults", "failedResults", "unprocessedrecords"] {
            let answer = org.ask("GET", &format!("{job}/{which}"), None).await;
            files.push(answer.text().await.expect("CSV"));
        }
        files
    };
    let results = files(&org, &done).await;
    assert_eq!(results[0].lines().count(), 2);
    let (_, query) = org
        .json(
            "POST",
            "/jobs/query",
            Some(json!({"operation": "query", "query": "SELECT Name FROM Account"})),
        )
        .await;
    let query = format!("/jobs/query/{}", query["id"].as_str().expect("an id"));
    org.wait(&query).await;
    let rows = org.ask("GET", &format!("{query}/results"), None).await;
    let rows = rows.text().await.expect("CSV");
    let broken = upload(&org, insert.clone(), "Nothing__c\n1\n").await;
    org.json("PATCH", &broken, Some(close.clone())).await;
    org.wait(&broken).await;
    let fault = org.emulator.add_fault(Fault::new(Effect::HangJob(JobsOf {
        object: "Account".to_owned(),
    })));
    let key = json!({"object": "Account", "operation": "upsert", "externalIdFieldName": "Ext__c"});
    let waits = upload(&org, key, "Name,Ext__c\nC,X1\nD,X2\n").await;
    org.json("PATCH", &waits, Some(close.clone())).await;
    let open = upload(&org, insert, "Name\nE\n").await;
    let state = async |org: &Org, job: &str| org.json("GET", job, None).await.1["state"].clone();
    for _ in 0..400 {
        if state(&org, &waits).await == "InProgress" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(state(&org, &waits).await, "InProgress");
    assert!(org.emulator.faults().iter().any(|f| f.id == fault && f.hit == 1));

    let org = again(org, &path, "").await;
    let info = org.wait(&waits).await;
    assert_eq!(
        (&info["state"], &info["numberRecordsProcessed"]),
        (&json!("JobComplete"), &json!(2))
    );
    let names = "SELECT Name FROM Account ORDER BY Name";
    assert_eq!(org.names(names).await, ["A", "C", "D"]);
    assert_eq!(org.json("GET", &done, None).await.1, told);
    assert_eq!(files(&org, &done).await, results);
    let kept = org.ask("GET", &format!("{query}/results"), None).await;
    assert_eq!(kept.text().await.expect("CSV"), rows);
    assert_eq!(state(&org, &broken).await, "Failed");
    assert_eq!(state(&org, &open).await, "Open");
    let (status, closed) = org.json("PATCH", &open, Some(close)).await;
    assert_eq!(status, 200, "{closed}");
    org.wait(&open).await;
    assert_eq!(org.names(names).await, ["A", "C", "D", "E"]);

    // What is done is not done again, and a job of an object that is gone is forgotten.
    let org = again(org, &path, "").await;
    assert_eq!(org.wait(&waits).await["state"], "JobComplete");
    assert_eq!(org.names(names).await, ["A", "C", "D", "E"]);
    org.emulator.stop().await.expect("kept");
}

#[tokio::test]
async fn an_org_that_has_ended_takes_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hq.state");
    let org = start(&path, "").await;
    // The connection stays open, as clients keep it.
    org.create("Account", json!({"Name": "A"})).await;
    let url = format!("{}/services/data/v66.0/sobjects/Account", org.emulator.url());
    let late = org.client.post(url).bearer_auth(&org.token);
    org.emulator.stop().await.expect("kept");
    let refused = late.json(&json!({"Name": "B"})).send().await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(start(&path, "").await.emulator.count("Account"), 1);
}

#[tokio::test]
async fn a_late_answer_comes_after_the_deed() {
    let org = Org::start("").await;
    let fault: Fault =
        serde_yaml::from_str("{ on: { method: POST }, times: 1, then: { late_answer: 300ms } }")
            .expect("a fault");
    org.emulator.add_fault(fault);
    let begun = std::time::Instant::now();
    let (_, count) = tokio::join!(org.create("Account", json!({"Name": "A"})), async {
        for _ in 0..50 {
            if org.emulator.count("Account") == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (org.emulator.count("Account"), begun.elapsed())
    });
    assert_eq!(count.0, 1);
    assert!(count.1 < Duration::from_millis(300), "{:?}", count.1);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}
