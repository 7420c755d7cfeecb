//! Signing in and the end of a session, versions and describes.

use super::*;

#[tokio::test]
async fn signing_in() {
    let org = Org::start("").await;
    let grant = ("grant_type", "client_credentials");
    let (status, body) = org.token(&[grant], Some(("3MVG9", "s3cr3t"))).await;
    assert_eq!(status, 200);
    assert_eq!(body["instance_url"], json!(org.emulator.url()));
    assert!(body.get("expires_in").is_none());
    assert!(body["issued_at"].is_string());
    assert_eq!(body["access_token"].as_str().expect("a token").len(), 112);
    for (id, secret, error, description) in [
        ("3MVG9", "wrong", "invalid_client", "invalid client credentials"),
        ("what", "x", "invalid_client_id", "client identifier invalid"),
        (
            "nobody",
            "x",
            "invalid_grant",
            "no client credentials user enabled",
        ),
        ("gone", "x", "invalid_grant", "inactive user"),
        ("off", "x", "invalid_grant", "client credentials flow not enabled"),
    ] {
        let form = [grant, ("client_id", id), ("client_secret", secret)];
        let (status, body) = org.token(&form, None).await;
        assert_eq!(
            (status, body),
            (400, json!({"error": error, "error_description": description})),
            "{id}"
        );
    }
    let (status, body) = org.token(&[("grant_type", "password")], None).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn sessions_end() {
    let mut org = Org::start("").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "3MVG9"),
        ("client_secret", "s3cr3t"),
    ];
    let (_, body) = org.token(&form, None).await;
    org.token = body["access_token"].as_str().expect("a token").to_owned();
    let fine = org.ask("GET", "/limits", None).await;
    assert_eq!(fine.status(), 200);
    assert!(
        fine.headers()["sforce-limit-info"]
            .to_str()
            .expect("text")
            .starts_with("api-usage=1/")
    );
    let (status, who) = org.json("GET", "/services/oauth2/userinfo", None).await;
    assert_eq!(
        (status, &who["preferred_username"]),
        (200, &json!("int@hq.example"))
    );
    org.emulator.expire_tokens();
    let late = org.ask("GET", "/limits", None).await;
    assert_eq!(late.status(), 401);
    assert_eq!(late.headers()["www-authenticate"], "Token");
    assert!(!late.headers().contains_key("sforce-limit-info"));
    assert_eq!(
        late.text().await.expect("a body"),
        r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#
    );
    let (status, body) = org.json("GET", "/services/oauth2/userinfo", None).await;
    assert_eq!((status, body), (403, json!("Bad_OAuth_Token")));
}

#[tokio::test]
async fn versions_and_describes() {
    let org = Org::start("").await;
    let (_, list) = org.json("GET", "/services/data", None).await;
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 38);
    assert_eq!(
        list[1],
        json!({"label": "Winter '15", "url": "/services/data/v32.0", "version": "32.0"})
    );
    assert_eq!(list[35]["label"], "Spring '26");
    for (path, status, code) in [
        ("/services/data/v30.0/limits", 410, "GONE"),
        ("/services/data/v99.0/limits", 404, "NOT_FOUND"),
        (
            "/services/data/viamABadVersion/sobjects/Account",
            404,
            "NOT_FOUND",
        ),
        ("/sobjects/Nothing/describe", 404, "NOT_FOUND"),
        ("/nothing", 404, "NOT_FOUND"),
    ] {
        let (found, body) = org.json("GET", path, None).await;
        assert_eq!((found, &body[0]["errorCode"]), (status, &json!(code)), "{path}");
    }
    let (_, global) = org.json("GET", "/sobjects/", None).await;
    let account = global["sobjects"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|o| o["name"] == "Account")
        .expect("Account");
    assert_eq!(account.as_object().expect("an object").len(), 28);
    let (_, describe) = org.json("GET", "/sobjects/account/describe", None).await;
    let field = |name: &str| {
        describe["fields"]
            .as_array()
            .expect("fields")
            .iter()
            .find(|f| f["name"] == name)
            .expect("the field")
            .clone()
    };
    assert_eq!(field("Ext__c").as_object().expect("an object").len(), 57);
    assert_eq!(field("Ext__c")["externalId"], true);
    assert_eq!(field("Sector__c")["restrictedPicklist"], true);
    assert_eq!(field("Score__c")["precision"], 6);
    assert_eq!(field("Active__c")["nillable"], false);
    assert_eq!(field("OwnerId")["referenceTo"], json!(["User"]));
    let types = describe["recordTypeInfos"].as_array().expect("record types");
    assert_eq!(types.len(), 3);
    assert_eq!(types[2]["recordTypeId"], "012000000000000AAA");
    let children = describe["childRelationships"].as_array().expect("children");
    assert!(
        children
            .iter()
            .any(|c| c["relationshipName"] == "Invoices__r" && c["cascadeDelete"] == true)
    );
    let (status, body) = org.json("PUT", "/limits", None).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (405, &json!("METHOD_NOT_ALLOWED"))
    );
}
