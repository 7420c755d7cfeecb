//! Upserts by external id and collections.

use super::*;

impl Org {
    /// The only Id that a query gives.
    pub(super) async fn names_of(&self, soql: &str) -> String {
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
