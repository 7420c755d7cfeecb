//! What hangs below `/sobjects/X` beside its records: relationships, changes, bytes; and the Tooling API.

use super::*;

#[tokio::test]
async fn friendly_urls_follow_relationships() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    let contact = org
        .create("Contact", json!({"LastName": "Lee", "AccountId": account}))
        .await;
    let alone = org.create("Contact", json!({"LastName": "Roe"})).await;
    let (status, body) = org
        .json(
            "GET",
            &format!("/sobjects/Contact/{contact}/Account?fields=Name"),
            None,
        )
        .await;
    assert_eq!(
        (status, &body["Name"], &body["attributes"]["type"]),
        (200, &json!("Acme"), &json!("Account"))
    );
    let (status, body) = org
        .json(
            "GET",
            &format!("/sobjects/Account/{account}/Contacts?fields=LastName"),
            None,
        )
        .await;
    assert_eq!(
        (status, &body["totalSize"], &body["done"]),
        (200, &json!(1), &json!(true)),
        "{body}"
    );
    assert_eq!(body["records"][0]["LastName"], "Lee");
    let (status, _) = org
        .json(
            "PATCH",
            &format!("/sobjects/Contact/{contact}/Account"),
            Some(json!({"Name": "Other"})),
        )
        .await;
    assert_eq!(status, 204);
    assert_eq!(org.names("SELECT Name FROM Account").await, ["Other"]);
    let (status, body) = org
        .json(
            "GET",
            &format!("/sobjects/Contact/{contact}/Account/Owner?fields=Name"),
            None,
        )
        .await;
    assert_eq!((status, &body["Name"]), (200, &json!("Ann Lee")));
    for path in [
        format!("/sobjects/Contact/{alone}/Account"),
        format!("/sobjects/Contact/{contact}/Nope"),
        format!("/sobjects/Account/{account}/Contacts/Account"),
    ] {
        let (status, body) = org.json("GET", &path, None).await;
        assert_eq!(
            (status, body[0]["errorCode"].as_str()),
            (404, Some("NOT_FOUND")),
            "{path}"
        );
    }
    let (status, _) = org
        .json("DELETE", &format!("/sobjects/Contact/{contact}/Account"), None)
        .await;
    assert_eq!((status, org.emulator.count("Account")), (204, 0));
}

#[tokio::test]
async fn changes_are_listed_by_time() {
    let org = Org::start("").await;
    let kept = org.create("Account", json!({"Name": "Kept"})).await;
    let gone = org.create("Account", json!({"Name": "Gone"})).await;
    org.json("DELETE", &format!("/sobjects/Account/{gone}"), None)
        .await;
    let at = |hours: i64| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        time.strftime("%Y-%m-%dT%H:%M:%S%%2B00:00").to_string()
    };
    let ask = async |what: &str, from: i64, to: i64| {
        org.json(
            "GET",
            &format!("/sobjects/Account/{what}/?start={}&end={}", at(from), at(to)),
            None,
        )
        .await
    };
    let (status, body) = ask("updated", -1, 1).await;
    assert_eq!((status, &body["ids"]), (200, &json!([kept])), "{body}");
    assert!(
        body["latestDateCovered"]
            .as_str()
            .is_some_and(|d| d.ends_with(":00.000+0000")),
        "{body}"
    );
    let (status, body) = ask("deleted", -1, 1).await;
    assert_eq!(
        (status, &body["deletedRecords"][0]["id"]),
        (200, &json!(gone)),
        "{body}"
    );
    assert_eq!(body["deletedRecords"].as_array().map(Vec::len), Some(1));
    assert!(body["earliestDateAvailable"].is_string() && body["latestDateCovered"].is_string());
    let (_, body) = ask("updated", -5, -4).await;
    assert_eq!(body["ids"], json!([]));
    for (what, from, to) in [
        ("updated", 1, 0),
        ("updated", -31 * 24, 0),
        ("deleted", -16 * 24, 0),
        ("deleted", 0, 0),
    ] {
        let (status, body) = ask(what, from, to).await;
        assert_eq!(
            (status, &body[0]["errorCode"]),
            (400, &json!("INVALID_REPLICATION_DATE")),
            "{what} {from}"
        );
    }
}

#[tokio::test]
async fn bytes_come_and_go_as_they_are() {
    let org = Org::start("").await;
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n--b\r\n").collect();
    let send = async |method: Method, path: &str, json: &str, field: &str| {
        let mut body = format!(
            "--b1\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: application/json\r\n\r\n{json}\r\n--b1\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&bytes);
        body.extend_from_slice(b"\r\n--b1--\r\n");
        org.client
            .request(
                method,
                format!("{}/services/data/v66.0{path}", org.emulator.url()),
            )
            .bearer_auth(&org.token)
            .header("Content-Type", "multipart/form-data; boundary=b1")
            .body(body)
            .send()
            .await
            .expect("an answer")
    };
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    for (object, json, field) in [
        (
            "ContentVersion",
            json!({"Title": "A", "PathOnClient": "a.bin"}),
            "VersionData",
        ),
        (
            "Attachment",
            json!({"Name": "a.bin", "ParentId": account}),
            "Body",
        ),
    ] {
        let made = send(
            Method::POST,
            &format!("/sobjects/{object}"),
            &json.to_string(),
            field,
        )
        .await;
        assert_eq!(made.status(), 201, "{object}");
        let made: Value = made.json().await.expect("JSON");
        let id = made["id"].as_str().expect("an id");
        let path = format!("/sobjects/{object}/{id}/{field}");
        let answer = org.ask("GET", &path, None).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/octetstream");
        assert_eq!(answer.bytes().await.expect("bytes"), bytes);
        let (_, record) = org
            .json("GET", &format!("/sobjects/{object}/{id}?fields={field}"), None)
            .await;
        assert_eq!(record[field], format!("/services/data/v66.0{path}"));
        let steps =
            json!([{"method": "GET", "url": format!("/services/data/v66.0{path}"), "referenceId": "x"}]);
        let (_, composite) = org
            .json("POST", "/composite", Some(json!({"compositeRequest": steps})))
            .await;
        assert_eq!(composite["compositeResponse"][0]["httpStatusCode"], 400);
    }
    let wrong = send(Method::POST, "/sobjects/Attachment", "{\"Name\":\"x\"}", "Nope").await;
    assert_eq!(wrong.status(), 400);
    let refused = send(Method::POST, "/composite/sobjects", "{}", "Body").await;
    assert_eq!(refused.status(), 501);
}

#[tokio::test]
async fn the_tooling_api_answers_queries() {
    let org = Org::start("").await;
    let ask = async |soql: &str| {
        let q: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        org.json("GET", &format!("/tooling/query/?q={q}"), None).await
    };
    let (status, body) = ask("SELECT Id, Name FROM ApexClass WHERE Name = 'x from y'").await;
    assert_eq!(
        (status, body),
        (
            200,
            json!({"size": 0, "totalSize": 0, "done": true, "queryLocator": null, "entityTypeName": "ApexClass", "records": []})
        )
    );
    let (status, body) = ask("SELECT Username FROM User WHERE IsActive = true").await;
    assert_eq!(
        (status, &body["size"], &body["entityTypeName"]),
        (200, &json!(1), &json!("User")),
        "{body}"
    );
    let (status, body) = ask("SELECT Id FROM Nonsense").await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_TYPE")));
    let (status, body) = org
        .json("GET", "/tooling/executeAnonymous/?anonymousBody=x", None)
        .await;
    assert_eq!((status, &body[0]["errorCode"]), (501, &json!("NOT_EMULATED")));
    let (status, body) = org.json("GET", "/sobjects/Account/describe/layouts", None).await;
    assert_eq!((status, &body[0]["errorCode"]), (501, &json!("NOT_EMULATED")));
    for (path, expected) in [
        ("/recent", json!([])),
        ("/tabs", json!([])),
        ("/sobjects/Account/quickActions", json!([])),
    ] {
        assert_eq!(org.json("GET", path, None).await, (200, expected));
    }
}
