//! The catalogue of an org, and the Tooling API's queries.

use super::*;

async fn ask(org: &Org, resource: &str, soql: &str) -> (u16, Value) {
    let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
    org.json("GET", &format!("{resource}?q={query}"), None).await
}

#[tokio::test]
async fn the_catalogue_is_queried_through_both_apis() {
    let org = Org::start("").await;
    let soql =
        "SELECT QualifiedApiName, Label, KeyPrefix FROM EntityDefinition WHERE QualifiedApiName = 'Account'";
    let (status, body) = ask(&org, "/query", soql).await;
    assert_eq!((status, &body["totalSize"]), (200, &json!(1)), "{body}");
    let record = &body["records"][0];
    assert_eq!(
        [
            &record["QualifiedApiName"],
            &record["Label"],
            &record["KeyPrefix"]
        ],
        [&json!("Account"), &json!("Account"), &json!("001")]
    );
    assert_eq!(record["attributes"]["type"], "EntityDefinition");
    let (status, body) = ask(&org, "/tooling/query", soql).await;
    assert_eq!(status, 200);
    assert_eq!(
        [
            &body["size"],
            &body["totalSize"],
            &body["queryLocator"],
            &body["entityTypeName"]
        ],
        [&json!(1), &json!(1), &Value::Null, &json!("EntityDefinition")]
    );
    let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
    let (status, body) = org
        .json("GET", &format!("/tooling/query?q={query}&columns=true"), None)
        .await;
    assert_eq!(
        (status, &body["columnMetadata"][0]["columnName"]),
        (200, &json!("QualifiedApiName"))
    );
    let (_, body) = ask(
        &org,
        "/query",
        "SELECT COUNT() FROM EntityDefinition WHERE IsDeprecatedAndHidden = false",
    )
    .await;
    assert!(body["totalSize"].as_u64().expect("a count") > 10, "{body}");
}

#[tokio::test]
async fn fields_need_a_filter_and_know_their_object() {
    let org = Org::start("").await;
    let soql = "SELECT QualifiedApiName, DataType, EntityDefinition.QualifiedApiName FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Contact' AND QualifiedApiName IN ('AccountId', 'LastName', 'Birthdate') ORDER BY QualifiedApiName";
    let (status, body) = ask(&org, "/tooling/query", soql).await;
    assert_eq!(status, 200, "{body}");
    let found: Vec<(&str, &str)> = body["records"]
        .as_array()
        .expect("records")
        .iter()
        .map(|r| {
            (
                r["QualifiedApiName"].as_str().expect("a name"),
                r["DataType"].as_str().expect("a type"),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("AccountId", "Lookup(Account)"),
            ("Birthdate", "Date"),
            ("LastName", "Text(80)")
        ]
    );
    assert_eq!(
        body["records"][0]["EntityDefinition"]["QualifiedApiName"],
        "Contact"
    );
    let (status, body) = ask(&org, "/query", "SELECT QualifiedApiName FROM FieldDefinition").await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (400, &json!("EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION"))
    );
}

#[tokio::test]
async fn fields_tell_how_they_are_classified() {
    let org = Org::start(
        "      Badge__c: { type: Text(9), compliance_group: [PII, GDPR], security_classification: Restricted }\n  Lead:\n    fields:\n      Phone: { type: Phone, compliance_group: [PII] }\n",
    )
    .await;
    for (object, field, compliance, security) in [
        ("Invoice__c", "Badge__c", json!("PII;GDPR"), json!("Restricted")),
        ("Invoice__c", "Due__c", json!(null), json!(null)),
        ("Lead", "Phone", json!("PII"), json!(null)),
    ] {
        let soql = format!(
            "SELECT QualifiedApiName, ComplianceGroup, SecurityClassification FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = '{object}' AND QualifiedApiName = '{field}'"
        );
        for road in ["/query", "/tooling/query"] {
            let (status, body) = ask(&org, road, &soql).await;
            assert_eq!(status, 200, "{body}");
            let row = &body["records"][0];
            assert_eq!(
                [
                    &row["QualifiedApiName"],
                    &row["ComplianceGroup"],
                    &row["SecurityClassification"]
                ],
                [&json!(field), &compliance, &security],
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn there_is_no_code_in_the_org() {
    let org = Org::start("").await;
    let (status, body) = ask(&org, "/tooling/query", "SELECT Id, Name FROM ApexClass").await;
    assert_eq!(
        (status, &body["size"], &body["records"]),
        (200, &json!(0), &json!([]))
    );
    let (status, body) = ask(&org, "/tooling/query", "SELECT Id FROM Nope").await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_TYPE")));
    let (status, body) = ask(&org, "/tooling/query", "SELECT Nope FROM EntityDefinition").await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_FIELD")));
    let (status, body) = org.json("GET", "/tooling/completions", None).await;
    assert_eq!((status, &body[0]["errorCode"]), (501, &json!("NOT_EMULATED")));
}
