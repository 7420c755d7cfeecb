//! Requests about a record that hold under a condition only.

use super::*;

impl Org {
    async fn under(
        &self,
        method: &str,
        path: &str,
        header: (&str, &str),
        body: Value,
    ) -> (u16, Option<String>) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self
            .client
            .request(
                method,
                format!("{}/services/data/v66.0{path}", self.emulator.url()),
            )
            .header(header.0, header.1)
            .bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let tag = answer
            .headers()
            .get("etag")
            .map(|tag| tag.to_str().expect("text").to_owned());
        (answer.status().as_u16(), tag)
    }
}

#[tokio::test]
async fn a_record_is_read_and_written_under_conditions() {
    let org = Org::start("clock: { start: 2026-01-05T08:00:00Z, speed: 0 }\n").await;
    let account = org.create("Account", json!({"Name": "A", "Ext__c": "K"})).await;
    let contact = org.create("Contact", json!({"LastName": "B"})).await;
    let (a, c) = (
        format!("/sobjects/Account/{account}"),
        format!("/sobjects/Contact/{contact}"),
    );
    let read = org.ask("GET", &a, None).await;
    let tag = read.headers()["etag"].to_str().expect("text").to_owned();
    let modified = read.headers()["last-modified"].to_str().expect("text").to_owned();
    assert_eq!(modified, "Mon, 05 Jan 2026 08:00:00 GMT");
    let read = org.ask("GET", &c, None).await;
    assert!(!read.headers().contains_key("etag") && read.headers().contains_key("last-modified"));
    let (before, after) = ("Mon, 05 Jan 2026 07:59:59 GMT", "Mon, 05 Jan 2026 08:00:01 GMT");
    let marked = tag.replace("=\"", "=--gzip\"");
    let several = format!("\"x\", {tag}");
    let none = || Value::Null;
    for (method, path, header, value, body, expected) in [
        ("GET", &a, "If-None-Match", tag.as_str(), none(), 304),
        ("GET", &a, "If-None-Match", &marked, none(), 304),
        ("GET", &a, "If-None-Match", &several, none(), 304),
        ("GET", &a, "If-None-Match", "*", none(), 304),
        ("GET", &a, "If-None-Match", "\"x\"", none(), 200),
        ("GET", &a, "If-Match", &tag, none(), 200),
        ("GET", &a, "If-Match", "\"x\"", none(), 412),
        ("GET", &a, "If-Match", "rubbish", none(), 200),
        ("HEAD", &a, "If-None-Match", &tag, none(), 304),
        ("GET", &a, "If-Modified-Since", &modified, none(), 304),
        ("GET", &c, "If-Modified-Since", &modified, none(), 304),
        ("GET", &c, "If-Modified-Since", after, none(), 304),
        ("GET", &c, "If-Modified-Since", before, none(), 200),
        ("GET", &c, "If-Modified-Since", "soon", none(), 200),
        ("GET", &c, "If-Unmodified-Since", before, none(), 412),
        ("GET", &c, "If-Unmodified-Since", &modified, none(), 200),
        // Contacts have no tags, so none can differ.
        ("GET", &c, "If-Match", "\"x\"", none(), 200),
        ("PATCH", &a, "If-Match", "\"x\"", json!({"Phone": "1"}), 412),
        ("PATCH", &a, "If-Match", "rubbish", json!({"Phone": "1"}), 400),
        ("PATCH", &a, "If-None-Match", &tag, json!({"Phone": "1"}), 412),
        (
            "PATCH",
            &a,
            "If-Unmodified-Since",
            before,
            json!({"Phone": "1"}),
            412,
        ),
        (
            "PATCH",
            &a,
            "If-Unmodified-Since",
            "soon",
            json!({"Phone": "1"}),
            400,
        ),
        (
            "PATCH",
            &c,
            "If-Unmodified-Since",
            before,
            json!({"Phone": "1"}),
            412,
        ),
        (
            "PATCH",
            &"/sobjects/Account/Ext__c/K".to_owned(),
            "If-Match",
            "\"x\"",
            json!({"Phone": "1"}),
            412,
        ),
        (
            "PATCH",
            &"/sobjects/Account/Ext__c/new".to_owned(),
            "If-Match",
            "\"x\"",
            json!({"Name": "new"}),
            201,
        ),
        (
            "PATCH",
            &c,
            "If-Modified-Since",
            after,
            json!({"Phone": "2"}),
            204,
        ),
        (
            "PATCH",
            &c,
            "If-Unmodified-Since",
            &modified,
            json!({"Phone": "3"}),
            204,
        ),
        ("DELETE", &c, "If-Unmodified-Since", before, none(), 204),
    ] {
        let (status, _) = org.under(method, path, (header, value), body).await;
        assert_eq!(status, expected, "{method} {path} {header}: {value}");
    }
    assert_eq!(
        org.names("SELECT Name FROM Account WHERE Phone = '1'").await,
        [""; 0]
    );
    // Two clients read one state; the second one to write is told.
    let (status, fresh) = org
        .under("PATCH", &a, ("If-Match", &tag), json!({"Phone": "1"}))
        .await;
    assert_eq!(status, 204);
    let (status, _) = org
        .under("PATCH", &a, ("If-Match", &tag), json!({"Phone": "2"}))
        .await;
    assert_eq!(status, 412);
    let fresh = fresh.expect("a tag");
    assert_ne!(fresh, tag);
    assert_eq!(
        org.under("GET", &a, ("If-None-Match", &fresh), none()).await,
        (304, Some(fresh.clone()))
    );
    let steps = json!({"compositeRequest": [{
        "method": "GET", "url": format!("/services/data/v66.0{a}"), "referenceId": "r", "httpHeaders": {"If-None-Match": fresh},
    }]});
    let (_, answer) = org.json("POST", "/composite", Some(steps)).await;
    let step = &answer["compositeResponse"][0];
    assert_eq!(
        (&step["httpStatusCode"], &step["body"]),
        (&json!(304), &json!(null)),
        "{answer}"
    );
    assert_eq!(step["httpHeaders"]["ETag"], json!(fresh));
}
