//! What an org has, what it refuses, and how answers travel.

use std::io::{Read, Write};

use super::*;

#[tokio::test]
async fn what_is_not_emulated_is_named() {
    let org = Org::start("").await;
    let (_, list) = org.json("GET", "/services/data/v66.0", None).await;
    for name in [
        "sobjects",
        "query",
        "queryAll",
        "composite",
        "ui-api",
        "chatter",
        "analytics",
    ] {
        assert_eq!(list[name], format!("/services/data/v66.0/{name}"));
    }
    assert!(
        list["identity"]
            .as_str()
            .is_some_and(|url| url.starts_with("http://"))
    );
    for (path, feature) in [
        ("/ui-api/records/001", "ui-api"),
        ("/chatter/feeds", "chatter"),
        ("/services/apexrest/Foo", "Apex REST"),
    ] {
        let (status, answer) = org.json("GET", path, None).await;
        assert_eq!(
            (status, answer[0]["errorCode"].as_str()),
            (501, Some("NOT_EMULATED")),
            "{path}"
        );
        assert!(
            answer[0]["message"].as_str().is_some_and(|m| m.contains(feature)),
            "{answer}"
        );
    }
    let (status, answer) = org.json("GET", "/nothing/here", None).await;
    assert_eq!(
        (status, answer[0]["errorCode"].as_str()),
        (404, Some("NOT_FOUND"))
    );
    let xml = org
        .client
        .get(format!("{}/services/data/v66.0/limits", org.emulator.url()))
        .bearer_auth(&org.token)
        .header("Accept", "application/xml")
        .send()
        .await
        .expect("an answer");
    assert_eq!(xml.status(), 501);
}

#[tokio::test]
async fn bodies_travel_packed_both_ways() {
    let org = Org::start("").await;
    let json = json!({"Name": "Packed", "Description": "x".repeat(2_000)}).to_string();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(json.as_bytes()).expect("bytes");
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(json.as_bytes()).expect("bytes");
    for (coding, body, status) in [
        ("gzip", gzip.finish().expect("bytes"), 201),
        ("deflate", deflate.finish().expect("bytes"), 201),
        ("gzip", b"no gzip".to_vec(), 400),
        ("br", b"?".to_vec(), 415),
    ] {
        let answer = org
            .client
            .post(format!(
                "{}/services/data/v66.0/sobjects/Account",
                org.emulator.url()
            ))
            .bearer_auth(&org.token)
            .header("Content-Type", "application/json")
            .header("Content-Encoding", coding)
            .body(body)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), status, "{coding}");
    }
    let get = |coding: &'static str| {
        org.client
            .get(format!(
                "{}/services/data/v66.0/query?q=SELECT+Description+FROM+Account",
                org.emulator.url()
            ))
            .bearer_auth(&org.token)
            .header("Accept-Encoding", coding)
            .send()
    };
    let answer = get("deflate;q=0.5").await.expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "deflate");
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(&answer.bytes().await.expect("bytes")[..])
        .read_to_string(&mut text)
        .expect("deflate");
    assert!(text.contains("\"totalSize\":2"), "{text}");
    assert!(
        !get("identity")
            .await
            .expect("an answer")
            .headers()
            .contains_key("content-encoding")
    );
}

#[tokio::test]
async fn requests_may_be_written_in_several_ways() {
    let org = Org::start("").await;
    let id = org
        .create("Account", json!({"Name": "A", "Ext__c": "x/y z"}))
        .await;
    // A slash within a key, a trailing slash, a method in the query.
    for path in [
        "/sobjects/Account/Ext__c/x%2Fy%20z?fields=Name",
        "/SOBJECTS/account/ext__C/x%2Fy%20z/",
    ] {
        let (status, answer) = org.json("GET", path, None).await;
        assert_eq!((status, &answer["Name"]), (200, &json!("A")), "{answer}");
    }
    let (status, _) = org
        .json(
            "POST",
            &format!("/sobjects/Account/{id}?_HttpMethod=PATCH"),
            Some(json!({"Name": "B"})),
        )
        .await;
    assert_eq!(status, 204);
    let pretty = org
        .client
        .get(format!(
            "{}/services/data/v66.0/sobjects/Account/{id}?fields=Name",
            org.emulator.url()
        ))
        .bearer_auth(&org.token)
        .header("X-PrettyPrint", "1")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    assert!(
        pretty.contains("\n  \"Name\": \"B\"") || pretty.contains("\n  \"Name\" : \"B\""),
        "{pretty}"
    );
    let head = org.ask("HEAD", &format!("/sobjects/Account/{id}"), None).await;
    assert_eq!(head.status(), 200);
    assert!(head.text().await.expect("no body").is_empty());
    for (method, path, allowed) in [
        ("PUT", "/limits", "GET,HEAD"),
        ("POST", "/services/data", "GET,HEAD"),
        ("DELETE", "/composite/tree/Account", "POST"),
    ] {
        let answer = org.ask(method, path, None).await;
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], allowed);
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(
            body[0]["message"],
            format!("HTTP Method '{method}' not allowed. Allowed are {allowed}")
        );
    }
}
