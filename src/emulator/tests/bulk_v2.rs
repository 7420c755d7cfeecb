//! Bulk API 2.0 as the reference tells it: what data it takes, and the list of jobs.

use super::*;

#[tokio::test]
async fn data_that_break_the_rules_of_csv_fail_the_job() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Keep"})).await;
    let columns = format!("{}\nx\n", vec!["Name"; 5_001].join(","));
    let header = format!("Name,{}\nx,y\n", "n".repeat(32_000));
    for (operation, csv, message) in [
        (
            "insert",
            "\u{feff}\"Name\"\nx\n".to_owned(),
            "InvalidBatch : Field name not found : \u{feff}\"Name\"",
        ),
        (
            "insert",
            "Name\nx\n\"y\n".to_owned(),
            "InvalidBatch : EOF reached before closing an opened quote",
        ),
        (
            "insert",
            header,
            "InvalidBatch : Exceeded max length of the header: 32000",
        ),
        (
            "insert",
            columns,
            "InvalidBatch : Exceeded max number of columns per record : 5000",
        ),
        (
            "delete",
            format!("Id,Name\n{account},Keep\n"),
            "InvalidBatch : Delete batch must only contain ids",
        ),
        (
            "delete",
            "Name\nKeep\n".to_owned(),
            "InvalidBatch : Delete batch must only contain ids",
        ),
    ] {
        let (info, done, failed, left) = org
            .load(json!({"object": "Account", "operation": operation}), &csv)
            .await;
        assert_eq!(
            (&info["state"], &info["errorMessage"]),
            (&json!("Failed"), &json!(message))
        );
        assert_eq!(
            (&info["numberRecordsProcessed"], &info["numberRecordsFailed"]),
            (&json!(0), &json!(0))
        );
        assert!(
            done.starts_with("\"sf__Id\",\"sf__Created\",")
                && failed.starts_with("\"sf__Id\",\"sf__Error\",")
        );
        assert_eq!(left, csv);
    }
    assert_eq!(org.emulator.count("Account"), 1);
}

#[tokio::test]
async fn rows_that_break_the_rules_of_csv_fail_alone() {
    let org = Org::start("").await;
    let long = "x".repeat(131_073);
    let csv = format!("Name,Phone\n\"Good\",\"1\"\nBad, \"2\"\n\"Worse\" ,3\n5\" pipe,4\n{long},5\n");
    let (info, done, failed, _) = org
        .load(json!({"object": "Account", "operation": "insert"}), &csv)
        .await;
    assert_eq!(
        (
            &info["state"],
            &info["numberRecordsProcessed"],
            &info["numberRecordsFailed"]
        ),
        (&json!("JobComplete"), &json!(5), &json!(4))
    );
    assert!(done.contains("\"Good\",\"1\""), "{done}");
    for text in [
        "INVALID_FIELD:Found unescaped quote. A value with quote should be within a quote:--",
        "INVALID_FIELD:Not expecting more text after end quote:--",
        "INVALID_FIELD:Exceeded max field size: 131073:--",
    ] {
        assert!(failed.contains(text), "{text}");
    }
}

#[tokio::test]
async fn data_that_end_in_the_third_batch_leave_two_done() {
    let org = Org::start("").await;
    let mut csv = String::from("Name\n");
    for n in 0..20_001 {
        csv.push_str(&format!("n{n}\n"));
    }
    csv.push_str("\"open");
    let (info, done, failed, left) = org
        .load(json!({"object": "Account", "operation": "insert"}), &csv)
        .await;
    assert_eq!(info["state"], "Failed");
    assert_eq!(info["numberRecordsProcessed"], 20_000);
    assert_eq!((done.lines().count(), failed.lines().count()), (20_001, 1));
    assert_eq!(left, "Name\nn20000\n\"open");
}

#[tokio::test]
async fn jobs_are_listed_in_pages() {
    let org = Org::start("").await;
    for _ in 0..1_001 {
        let (status, _) = org
            .json(
                "POST",
                "/jobs/ingest",
                Some(json!({"object": "Account", "operation": "insert"})),
            )
            .await;
        assert_eq!(status, 200);
    }
    let count = |page: &Value| page["records"].as_array().map_or(0, Vec::len);
    let (_, first) = org.json("GET", "/jobs/ingest", None).await;
    assert_eq!((count(&first), &first["done"]), (1_000, &json!(false)));
    let keys: Vec<&str> = first["records"][0]
        .as_object()
        .expect("a job")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "id",
            "operation",
            "object",
            "createdById",
            "createdDate",
            "systemModstamp",
            "state",
            "concurrencyMode",
            "contentType",
            "apiVersion",
            "jobType",
            "contentUrl",
            "lineEnding",
            "columnDelimiter"
        ]
    );
    let next = first["nextRecordsUrl"].as_str().expect("a next page");
    let (_, second) = org.json("GET", next, None).await;
    assert_eq!(
        (count(&second), &second["done"], &second["nextRecordsUrl"]),
        (1, &json!(true), &Value::Null)
    );
    let ids: std::collections::HashSet<&str> = [&first, &second]
        .iter()
        .flat_map(|page| page["records"].as_array().into_iter().flatten())
        .filter_map(|job| job["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1_001);
    for (filter, expected) in [
        ("isPkChunkingEnabled=true", 0),
        ("isPkChunkingEnabled=false", 1_000),
        ("jobType=V2Ingest", 1_000),
        ("jobType=Classic", 0),
    ] {
        let (_, page) = org.json("GET", &format!("/jobs/ingest?{filter}"), None).await;
        assert_eq!(count(&page), expected, "{filter}");
    }
    let (status, answer) = org.json("GET", "/jobs/ingest?queryLocator=nonsense", None).await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("INVALID_QUERY_LOCATOR"))
    );
}
