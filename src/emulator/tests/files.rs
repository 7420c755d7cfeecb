use serde_json::json;

use super::*;
use crate::emulator::store::{Call, Op, Store};

#[tokio::test]
async fn a_version_makes_its_document_and_links() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    let version = org
        .create(
            "ContentVersion",
            json!({
                "PathOnClient": "C:\\temp\\Plan.PDF",
                "VersionData": "aGVsbG8=",
                "FirstPublishLocationId": account,
            }),
        )
        .await;
    let (_, body) = org
        .json("GET", &format!("/sobjects/ContentVersion/{version}"), None)
        .await;
    for (field, expected) in [
        ("Title", json!("Plan")),
        ("FileExtension", json!("pdf")),
        ("FileType", json!("PDF")),
        ("ContentSize", json!(5)),
        ("Checksum", json!("5d41402abc4b2a76b9719d911017c592")),
        ("IsLatest", json!(true)),
        ("VersionNumber", json!("1")),
    ] {
        assert_eq!(body[field], expected, "{field}: {body}");
    }
    let document = body["ContentDocumentId"].as_str().expect("a document").to_owned();
    assert!(document.starts_with("069"));
    let (_, links) = org
        .query(&format!(
            "SELECT LinkedEntityId, ShareType FROM ContentDocumentLink WHERE ContentDocumentId = '{document}' ORDER BY ShareType"
        ))
        .await;
    assert_eq!(links["totalSize"], 2, "{links}");
    assert_eq!(links["records"][0]["LinkedEntityId"], json!(account));
    assert_eq!(links["records"][0]["ShareType"], "V");
    // The owner's link is there already.
    let owner = links["records"][1]["LinkedEntityId"].clone();
    org.refused(
        "POST",
        "/sobjects/ContentDocumentLink",
        json!({"ContentDocumentId": document, "LinkedEntityId": owner, "ShareType": "I"}),
        400,
        "DUPLICATE_VALUE",
        "duplicate value found: <unknown>",
    )
    .await;
    // A further version is the latest from now on.
    let second = org
        .create(
            "ContentVersion",
            json!({"ContentDocumentId": document, "PathOnClient": "plan2.txt", "VersionData": "aGVsbG8h", "Title": "Plan B"}),
        )
        .await;
    let (_, body) = org
        .query("SELECT Id, IsLatest, VersionNumber FROM ContentVersion ORDER BY VersionNumber")
        .await;
    assert_eq!(body["records"][0]["IsLatest"], json!(false), "{body}");
    assert_eq!(body["records"][1]["VersionNumber"], "2");
    let (_, body) = org
        .json("GET", &format!("/sobjects/ContentDocument/{document}"), None)
        .await;
    assert_eq!(body["LatestPublishedVersionId"], json!(second));
    assert_eq!(
        (&body["Title"], &body["ContentSize"]),
        (&json!("Plan B"), &json!(6))
    );
    let bytes = org.emulator.org.read().blob(&second).cloned();
    assert_eq!(bytes.as_deref(), Some(&b"hello!"[..]));
    // With the document everything goes.
    let (status, _) = org
        .json("DELETE", &format!("/sobjects/ContentDocument/{document}"), None)
        .await;
    assert_eq!(status, 204);
    for object in ["ContentVersion", "ContentDocument", "ContentDocumentLink"] {
        assert_eq!(org.emulator.count(object), 0, "{object}");
    }
}

#[tokio::test]
async fn bodies_are_measured_and_must_be_base64() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    let id = org
        .create(
            "Attachment",
            json!({"ParentId": account, "Name": "a.txt", "Body": "aGVs\nbG8="}),
        )
        .await;
    assert_eq!(
        org.emulator.rows("Attachment")[0]["BodyLength"].as_deref(),
        Some("5")
    );
    let (status, answer) = org
        .json(
            "PATCH",
            &format!("/sobjects/Attachment/{id}"),
            Some(json!({"Body": "?"})),
        )
        .await;
    assert_eq!(
        (status, answer[0]["errorCode"].as_str()),
        (400, Some("JSON_PARSER_ERROR"))
    );
    org.refused(
        "POST",
        "/sobjects/ContentVersion",
        json!({"Title": "x", "PathOnClient": "x.txt"}),
        400,
        "REQUIRED_FIELD_MISSING",
        "VersionData",
    )
    .await;
    // What one refused write had made already is taken back.
    org.refused(
        "POST",
        "/sobjects/ContentVersion",
        json!({"PathOnClient": "x.txt", "VersionData": "aGVsbG8=", "OwnerId": account}),
        400,
        "MALFORMED_ID",
        "",
    )
    .await;
    assert_eq!(org.emulator.count("ContentDocument"), 0);
}

#[tokio::test]
async fn bytes_go_when_their_record_is_gone_for_good() {
    let org = Org::start("").await;
    let file = || async {
        let body = json!({"PathOnClient": "a.txt", "VersionData": "aGVsbG8="});
        let version = org.create("ContentVersion", body).await;
        let (_, body) = org
            .json("GET", &format!("/sobjects/ContentVersion/{version}"), None)
            .await;
        (
            version,
            body["ContentDocumentId"].as_str().expect("a document").to_owned(),
        )
    };
    let kept = |id: &str| org.emulator.org.read().blob(id).is_some();
    let storage = || async { org.json("GET", "/limits", None).await.1["FileStorageMB"].clone() };
    let free = storage().await["Remaining"].as_u64().expect("a number");
    let (version, document) = file().await;
    assert_eq!(storage().await["Remaining"], json!(free - 1));
    let path = format!("/sobjects/ContentDocument/{document}");
    org.json("DELETE", &path, None).await;
    assert!(kept(&version), "it can come back from the recycle bin");
    let act = |id: &str, what: fn(&mut Store, &str, Call<'_>)| {
        org.emulator
            .org
            .as_first_user(|call| what(&mut org.emulator.org.write(), id, call));
    };
    act(&document, |store, id, call| {
        store.undelete(id, call, &mut Vec::new()).expect("it is back");
    });
    assert_eq!(org.emulator.count("ContentVersion"), 1);
    assert!(kept(&version));
    org.json("DELETE", &path, None).await;
    act(&document, |store, id, call| {
        store
            .empty_bin(id, call, &mut Vec::new())
            .expect("it was in the bin");
    });
    assert!(!kept(&version));
    assert_eq!(storage().await["Remaining"], json!(free));
    let (version, document) = file().await;
    act(&document, |store, id, call| {
        let object = store.schema.object("ContentDocument").expect("it is an object");
        store
            .write(object, Op::HardDelete, Some(id), &[], call, &mut Vec::new())
            .expect("it is gone");
    });
    assert!(!kept(&version));
}
