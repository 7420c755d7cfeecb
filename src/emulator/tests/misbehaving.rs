//! Faults, compression, seeds, and files that cannot be.

use super::*;

#[tokio::test]
async fn records_follow_from_the_seed() {
    let (a, b) = (Org::start(MANY).await, Org::start(MANY).await);
    assert_eq!(a.emulator.rows("Account"), b.emulator.rows("Account"));
    let accounts = a.emulator.rows("Account");
    let with_parent = accounts.iter().filter(|r| r["ParentId"].is_some()).count();
    assert!((1_500..2_100).contains(&with_parent), "{with_parent}");
    let without_phone = accounts.iter().filter(|r| r["Phone"].is_none()).count();
    assert!((700..1_100).contains(&without_phone), "{without_phone}");
    assert!(
        accounts
            .iter()
            .any(|r| r["Description"].as_deref().is_some_and(|d| d.contains('\n')))
    );
    assert!(accounts.iter().all(|r| r["BillingCountry"].is_some()));
}

#[tokio::test]
async fn faults_happen() {
    let org = Org::start(
        r#"
faults:
  - { on: { path: /limits }, times: 1, then: { answer: { status: 503, code: SERVER_UNAVAILABLE, message: Later } } }
  - then: { reject_rows: { object: Account, share: 50%, message: No } }
  - then: { lock_rows: { object: Contact, share: 100% } }
"#,
    )
    .await;
    let (status, body) = org.json("GET", "/limits", None).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (503, &json!("SERVER_UNAVAILABLE"))
    );
    assert_eq!(org.json("GET", "/limits", None).await.0, 200);
    let rows: Vec<Value> = (0..200)
        .map(|n| json!({"attributes": {"type": "Account"}, "Name": format!("A{n}")}))
        .collect();
    let (_, body) = org
        .json("POST", "/composite/sobjects", Some(json!({"records": rows})))
        .await;
    let refused = body
        .as_array()
        .expect("a list")
        .iter()
        .filter(|r| r["success"] == false)
        .count();
    assert!((60..140).contains(&refused), "{refused}");
    let contact = json!({"LastName": "Roe"});
    org.refused(
        "POST",
        "/sobjects/Contact",
        contact.clone(),
        400,
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain",
    )
    .await;
    org.create("Contact", contact).await;
    // A lost answer: the record is there all the same.
    org.emulator
        .add_fault(Fault::new(Effect::DropAnswer).on_path("/sobjects/Lead").times(1));
    let lost = org
        .client
        .post(format!(
            "{}/services/data/v66.0/sobjects/Lead",
            org.emulator.url()
        ))
        .bearer_auth(&org.token)
        .json(&json!({"LastName": "L", "Company": "C"}))
        .send()
        .await;
    assert!(lost.is_err());
    assert_eq!(org.emulator.count("Lead"), 1);
    org.emulator
        .add_fault(Fault::new(Effect::TruncateBody).on_path("/sobjects").times(1));
    let cut = org.ask("GET", "/sobjects", None).await;
    assert!(cut.text().await.is_err());
    org.emulator.add_fault(Fault::new(Effect::Answer(FaultAnswer {
        status: 502,
        code: None,
        message: "Bad gateway".to_owned(),
        retry_after: None,
    })));
    let page = org.ask("GET", "/limits", None).await;
    assert_eq!(page.headers()["content-type"], "text/html;charset=iso-8859-1");
    org.emulator.clear_faults();
    org.emulator
        .add_fault(Fault::new(Effect::ExpireToken).after(2).times(1));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(org.json("GET", "/limits", None).await.0);
    }
    assert_eq!(seen, [200, 200, 401, 401]);
}

#[tokio::test]
async fn a_state_that_cannot_be_written_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hq.state");
    let start = async || {
        let file = OrgFile::parse(ORG, ".").expect("the org file");
        Emulator::start_kept(file, 0, &path).await.expect("the org")
    };
    let emulator = start().await;
    let before = std::fs::read(&path).expect("the state");
    // Nothing can be written where a folder stands.
    let fresh = folder.path().join("hq.state.new");
    std::fs::create_dir(&fresh).expect("a folder");
    let error = emulator.save().await.expect_err("no room");
    assert!(matches!(error, StateError::Write { .. }), "{error}");
    assert!(error.to_string().contains("as it was"), "{error}");
    assert_eq!(std::fs::read(&path).expect("the state"), before);
    std::fs::remove_dir(&fresh).expect("it is still there");
    emulator.save().await.expect("there is room again");
    assert!(!fresh.exists());
    emulator.stop().await.expect("it is written");
    start().await.stop().await.expect("it is written");
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let org = Org::start(MANY).await;
    let plain = org
        .query("SELECT Id, Name, Description FROM Account LIMIT 1000")
        .await
        .1;
    let zipped = Client::builder().gzip(true).build().expect("a client");
    let answer = zipped
        .get(format!("{}/services/data/v66.0/query", org.emulator.url()))
        .query(&[("q", "SELECT Id, Name, Description FROM Account LIMIT 1000")])
        .bearer_auth(&org.token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.json::<Value>().await.expect("JSON"), plain);
    let raw = Client::builder().no_gzip().build().expect("a client");
    let answer = raw
        .get(format!(
            "{}/services/data/v66.0/sobjects/Account/describe",
            org.emulator.url()
        ))
        .header("Accept-Encoding", "gzip")
        .bearer_auth(&org.token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let long = "x".repeat(17_000);
    let (status, body) = org.json("GET", &format!("/query?q={long}"), None).await;
    assert_eq!(status, 414);
    assert!(body.as_str().expect("HTML").contains("URI Too Long"));
    let log = org.emulator.request_log();
    assert!(log.len() >= 3 && !format!("{log:?}").contains("fixed!token"));
    assert!(org.emulator.counters().queries >= 2);
}

#[tokio::test]
async fn a_file_that_cannot_be_says_why() {
    for (yaml, words) in [
        ("sobjects:\n  Nothing: {}\n", "no standard object `Nothing`"),
        (
            "sobjects:\n  Account: { fields: { X__c: { type: Texd(3) } } }\n",
            "`Texd(3)` is no data type",
        ),
        (
            "sobjects:\n  Account: { fields: { X__c: { type: Lookup(Foo__c) } } }\n",
            "no object `Foo__c`",
        ),
        (
            "records:\n  - { object: Account, rows: [{ Nme: x }] }\n",
            "no field `Nme`",
        ),
        (
            "records:\n  - { object: Account, rows: [{ Name: x }, { Site: y }] }\n",
            "record 2 of `Account` is refused: REQUIRED_FIELD_MISSING",
        ),
        (
            "connected_apps:\n  - { name: a, client_id: b, client_secret: c, run_as: d }\n",
            "no user `d`",
        ),
        ("org_id: 001000000000000AAA\n", "starts with 00D"),
    ] {
        let file = OrgFile::parse(&format!("version: 1\nname: hq\n{yaml}"), ".").expect(yaml);
        match Emulator::start(file, 0).await {
            Ok(_) => panic!("{yaml}"),
            Err(error) => assert!(error.to_string().contains(words), "{error}"),
        }
    }
    assert!(matches!(
        OrgFile::load("no such file"),
        Err(OrgFileError::Read { .. })
    ));
}
