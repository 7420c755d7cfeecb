//! Records one by one: their life, and the codes of the rules that they break.

use super::*;

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
