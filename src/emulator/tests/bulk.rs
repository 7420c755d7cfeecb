//! Bulk jobs as they look on the wire.

use super::*;

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
