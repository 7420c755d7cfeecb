//! What users with fewer rights see and may do.

use super::{signing_in::start, *};

#[tokio::test]
async fn what_a_profile_hides_is_not_there() {
    let mut org = start().await;
    org.token = "bob!token".to_owned();
    let (_, all) = org.json("GET", "/sobjects", None).await;
    let entry = |name: &str| {
        let list = all["sobjects"].as_array().expect("a list");
        list.iter().find(|o| o["name"] == name).cloned()
    };
    assert!(entry("Opportunity").is_none() && entry("User").is_some());
    let account = entry("Account").expect("Account");
    assert_eq!(
        (
            &account["createable"],
            &account["updateable"],
            &account["deletable"]
        ),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!(entry("Contact").expect("Contact")["createable"], json!(false));
    let (_, account) = org.json("GET", "/sobjects/Account/describe", None).await;
    let field = |name: &str| {
        let list = account["fields"].as_array().expect("a list");
        list.iter().find(|f| f["name"] == name).cloned()
    };
    assert!(field("Secret__c").is_none());
    let rating = field("Rating").expect("Rating");
    assert_eq!(
        (&rating["createable"], &rating["updateable"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(field("Site").expect("Site")["updateable"], json!(true));
    assert_eq!(
        field("CreatedDate").expect("CreatedDate")["createable"],
        json!(false)
    );
    let children = account["childRelationships"].as_array().expect("a list");
    assert!(children.iter().all(|c| c["childSObject"] != "Opportunity"));
    assert_eq!(
        org.ask("GET", "/sobjects/Opportunity/describe", None)
            .await
            .status(),
        404
    );
    for (soql, code) in [
        ("SELECT Id FROM Opportunity", "INVALID_TYPE"),
        ("SELECT Secret__c FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Secret__c = '42'", "INVALID_FIELD"),
        ("SELECT Account.Secret__c FROM Contact", "INVALID_FIELD"),
    ] {
        let (status, body) = org.query(soql).await;
        assert_eq!(
            (status, &body[0]["errorCode"]),
            (400, &json!(code)),
            "{soql}: {body}"
        );
    }
    let (_, rows) = org.query("SELECT FIELDS(ALL) FROM Account LIMIT 1").await;
    assert!(rows["records"][0].get("Secret__c").is_none() && rows["records"][0].get("Rating").is_some());
    let id = rows["records"][0]["Id"].as_str().expect("an Id").to_owned();
    let (_, row) = org.json("GET", &format!("/sobjects/Account/{id}"), None).await;
    assert!(row.get("Secret__c").is_none() && row["Name"] == "Acme");
    let (info, ..) = org
        .load(
            json!({"object": "Account", "operation": "insert"}),
            "Name,Secret__c\nx,1\n",
        )
        .await;
    assert_eq!(
        (&info["state"], &info["errorMessage"]),
        (
            &json!("Failed"),
            &json!("InvalidBatch : Field name not found : Secret__c")
        )
    );
}

#[tokio::test]
async fn writing_needs_the_right_to() {
    let mut org = start().await;
    org.token = "bob!token".to_owned();
    let id = org.create("Account", json!({"Name": "Mine", "Site": "x"})).await;
    let account = format!("/sobjects/Account/{id}");
    let refused = "Unable to create/update fields: Rating. Please check the security settings of this field and verify that it is read/write for your profile or permission set.";
    org.refused(
        "PATCH",
        &account,
        json!({"Rating": "Hot"}),
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        refused,
    )
    .await;
    org.refused(
        "PATCH",
        &account,
        json!({"Secret__c": "x"}),
        400,
        "INVALID_FIELD",
        "No such column 'Secret__c'",
    )
    .await;
    org.refused(
        "DELETE",
        &account,
        json!(null),
        400,
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "insufficient access rights on object id",
    )
    .await;
    org.refused(
        "POST",
        "/sobjects/Contact",
        json!({"LastName": "x"}),
        400,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "entity type cannot be inserted: Contact",
    )
    .await;
    org.token = "cleo!token".to_owned();
    org.refused(
        "PATCH",
        &account,
        json!({"Name": "y"}),
        400,
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "insufficient",
    )
    .await;
    let (_, done) = org
        .json("DELETE", &format!("/composite/sobjects?ids={id}"), None)
        .await;
    assert_eq!(
        done[0]["errors"][0]["statusCode"],
        "INSUFFICIENT_ACCESS_OR_READONLY"
    );
}

#[tokio::test]
async fn private_records_are_their_owners() {
    let mut org = start().await;
    let theirs = org.names("SELECT Name FROM Invoice__c").await;
    assert_eq!(theirs, ["Mine"]);
    let (_, rows) = org.query("SELECT Id FROM Invoice__c").await;
    let foreign = rows["records"][0]["Id"].as_str().expect("an Id").to_owned();
    org.token = "bob!token".to_owned();
    assert!(org.names("SELECT Name FROM Invoice__c").await.is_empty());
    let own = org.create("Invoice__c", json!({"Name": "Bob's"})).await;
    assert_eq!(
        org.names("SELECT Name FROM Invoice__c WHERE Name LIKE '%'").await,
        ["Bob's"]
    );
    assert_eq!(
        org.ask("GET", &format!("/sobjects/Invoice__c/{foreign}"), None)
            .await
            .status(),
        404
    );
    assert_eq!(
        org.ask("GET", &format!("/sobjects/Invoice__c/{own}"), None)
            .await
            .status(),
        200
    );
    org.refused(
        "PATCH",
        &format!("/sobjects/Invoice__c/{foreign}"),
        json!({"Name": "x"}),
        400,
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "insufficient access rights on cross-reference id",
    )
    .await;
    assert_eq!(
        org.ask("DELETE", &format!("/sobjects/Invoice__c/{own}"), None)
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn audit_fields_are_for_those_who_may_set_them() {
    let mut org = start().await;
    let (_, account) = org.json("GET", "/sobjects/Account/describe", None).await;
    let created = account["fields"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|f| f["name"] == "CreatedDate")
        .expect("CreatedDate");
    assert_eq!(
        (&created["createable"], &created["updateable"]),
        (&json!(true), &json!(false))
    );
    let gone = org
        .emulator
        .org
        .user("gone@hq.example")
        .expect("a user")
        .to_string();
    let old = json!({
        "Name": "Old", "CreatedDate": "2011-02-03T04:05:06.000+0000", "CreatedById": gone, "OwnerId": gone,
        "LastModifiedDate": "2012-02-03T04:05:06Z", "LastModifiedById": null,
    });
    let id = org.create("Account", old.clone()).await;
    let (_, row) = org.json("GET", &format!("/sobjects/Account/{id}"), None).await;
    assert_eq!(
        (&row["CreatedDate"], &row["CreatedById"], &row["LastModifiedDate"]),
        (
            &json!("2011-02-03T04:05:06.000+0000"),
            &json!(gone),
            &json!("2012-02-03T04:05:06.000+0000")
        )
    );
    assert!(row["SystemModstamp"].as_str().is_some_and(|t| t > "2026"));
    assert!(row["LastModifiedById"].is_string());
    for (field, value, code) in [
        ("CreatedDate", "2999-01-01T00:00:00Z", "FIELD_INTEGRITY_EXCEPTION"),
        (
            "LastModifiedDate",
            "2010-01-01T00:00:00Z",
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            "SystemModstamp",
            "2010-01-01T00:00:00Z",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        ),
    ] {
        let mut body = old.clone();
        body[field] = json!(value);
        org.refused("POST", "/sobjects/Account", body, 400, code, "")
            .await;
    }
    org.refused(
        "PATCH",
        &format!("/sobjects/Account/{id}"),
        json!({"CreatedDate": "2010-01-01T00:00:00Z"}),
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "CreatedDate",
    )
    .await;
    org.token = "bob!token".to_owned();
    org.refused(
        "POST",
        "/sobjects/Account",
        old,
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "CreatedDate, CreatedById, LastModifiedDate, LastModifiedById",
    )
    .await;
    org.refused(
        "POST",
        "/sobjects/Account",
        json!({"Name": "x", "OwnerId": gone}),
        400,
        "INACTIVE_OWNER_OR_USER",
        "inactive user",
    )
    .await;
}

#[tokio::test]
async fn access_that_cannot_be_says_why() {
    for (yaml, words) in [
        (
            "users:\n  - { username: a, name: b, profile: Boss }\n",
            "no profile `Boss`",
        ),
        (
            "users:\n  - { username: a, name: b, permission_sets: [P] }\n",
            "no permission set `P`",
        ),
        (
            "profiles:\n  - { name: P, object_permissions: { Foo__c: [read] } }\n",
            "no such object",
        ),
        (
            "profiles:\n  - { name: P, object_permissions: { OpportunityLineItem: [read] } }\n",
            "permissions of `Opportunity`",
        ),
        (
            "profiles:\n  - { name: P, field_permissions: { Account: { Foo__c: read } } }\n",
            "no field `Foo__c`",
        ),
        (
            "profiles:\n  - { name: P, field_permissions: { Account: { Id: read } } }\n",
            "which everybody sees",
        ),
        (
            "connected_apps:\n  - { name: A, client_id: a, certificate: none.crt }\n",
            "cannot read",
        ),
        (
            "connected_apps:\n  - { name: A, client_id: a, certificate: \"-----BEGIN x\" }\n",
            "neither a certificate",
        ),
        (
            "connected_apps:\n  - { name: A, client_id: a, auto_approve: zed }\n",
            "no user `zed` to approve it",
        ),
    ] {
        let file = OrgFile::parse(&format!("version: 1\nname: hq\n{yaml}"), ".").expect(yaml);
        match Emulator::start(file, 0).await {
            Ok(_) => panic!("{yaml}"),
            Err(error) => assert!(error.to_string().contains(words), "{error}"),
        }
    }
}
