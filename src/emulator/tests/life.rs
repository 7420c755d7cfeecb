//! Time, limits, faults, the admin endpoint and the page.

use super::*;

#[tokio::test]
async fn time_is_the_orgs_time() {
    let org = Org::start("clock: { start: 2027-03-01T10:00:00Z, frozen: true }\n").await;
    let id = org.create("Account", json!({"Name": "Acme"})).await;
    let (_, made) = org
        .json("GET", &format!("/sobjects/Account/{id}?fields=CreatedDate"), None)
        .await;
    assert_eq!(made["CreatedDate"], "2027-03-01T10:00:00.000+0000");
    // The fixed token lives for its time and no longer.
    org.emulator
        .advance_clock(Duration::from_secs(100 * 86_400 * 365));
    let (status, refused) = org.json("GET", "/limits", None).await;
    assert_eq!(
        (status, refused[0]["errorCode"].as_str()),
        (401, Some("INVALID_SESSION_ID"))
    );
}

#[tokio::test]
async fn the_calls_of_a_day_are_counted_and_refused() {
    let org = Org::start(
        "clock: { start: 2026-01-05T08:00:00Z, frozen: true }\nlimits: { daily_api_requests: 5, used_api_requests: 3, daily_api_requests_by_app: { App: 1 } }\n",
    )
    .await;
    let info = |answer: &Response| {
        answer
            .headers()
            .get("sforce-limit-info")
            .map(|v| v.to_str().expect("text").to_owned())
    };
    assert_eq!(info(&org.ask("GET", "/services/data", None).await), None);
    let (_, limits) = org.json("GET", "/limits", None).await;
    assert_eq!(limits["DailyApiRequests"], json!({"Max": 5, "Remaining": 1}));
    assert!(limits.as_object().is_some_and(|keys| keys.len() > 40));
    let last = org.ask("GET", "/sobjects/Nothing", None).await;
    assert_eq!(info(&last).as_deref(), Some("api-usage=5/5"));
    org.refused(
        "GET",
        "/limits",
        Value::Null,
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests Limit exceeded.",
    )
    .await;
    // The day rolls: what was used before the start is a day old now.
    org.emulator.advance_clock(Duration::from_secs(24 * 3_600));
    let (status, limits) = org.json("GET", "/limits", None).await;
    assert_eq!(
        (status, &limits["DailyApiRequests"]["Remaining"]),
        (200, &json!(4))
    );
    // An app has its own share.
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "3MVG9"),
        ("client_secret", "s3cr3t"),
    ];
    let (_, token) = org.token(&form, None).await;
    let as_app = Org {
        token: token["access_token"].as_str().expect("a token").to_owned(),
        ..org
    };
    let first = as_app.ask("GET", "/limits", None).await;
    assert_eq!(
        info(&first).as_deref(),
        Some("api-usage=2/5; per-app-api-usage=1/1(appName=App)")
    );
    assert_eq!(as_app.ask("GET", "/limits", None).await.status(), 403);
}

#[tokio::test]
async fn long_requests_are_limited_at_a_time() {
    let org = Org::start("limits: { concurrent_long_requests: 1, long_request: 50ms }\nfaults:\n  - { on: { path: /limits }, times: 1, then: { delay: 600ms } }\n").await;
    let (slow, refused) = tokio::join!(org.ask("GET", "/limits", None), async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        org.json("GET", "/limits", None).await
    });
    assert_eq!(slow.status(), 200);
    assert_eq!(refused.0, 403, "{}", refused.1);
    assert!(
        refused.1[0]["message"]
            .as_str()
            .is_some_and(|m| m.contains("Concurrent"))
    );
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 200);
}

#[tokio::test]
async fn an_org_can_be_full() {
    let org = Org::start("limits: { data_storage_mb: 1 }\n").await;
    let rows: String = (0..600).map(|n| format!("A{n}\n")).collect();
    let job = json!({"object": "Account", "operation": "insert"});
    let (info, _, failed, _) = org.load(job, &format!("Name\n{rows}")).await;
    let refused = info["numberRecordsFailed"].as_u64().expect("a number");
    assert!((80..100).contains(&refused), "{info}");
    assert!(failed.contains("\"STORAGE_LIMIT_EXCEEDED:storage limit exceeded:--\""));
    let (_, limits) = org.json("GET", "/limits", None).await;
    assert_eq!(limits["DataStorageMB"], json!({"Max": 1, "Remaining": 0}));
}

#[tokio::test]
async fn bulk_has_limits_of_its_own() {
    let org =
        Org::start("limits: { daily_bulk_batches: 1, daily_bulk_query_jobs: 1, bulk_job_mb: 0 }\n").await;
    let job = json!({"object": "Account", "operation": "insert"});
    let (_, made) = org.json("POST", "/jobs/ingest", Some(job.clone())).await;
    let upload = org
        .client
        .put(format!(
            "{}/{}",
            org.emulator.url(),
            made["contentUrl"].as_str().expect("a URL")
        ))
        .bearer_auth(&org.token)
        .header("content-type", "text/csv")
        .body("Name\nA\n")
        .send()
        .await
        .expect("an answer");
    assert_eq!(upload.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let query = json!({"operation": "query", "query": "SELECT Id FROM Account"});
    let (status, _) = org.json("POST", "/jobs/query", Some(query.clone())).await;
    assert_eq!(status, 200);
    org.refused(
        "POST",
        "/jobs/query",
        query,
        400,
        "EXCEEDEDQUOTA",
        "Limit exceeded",
    )
    .await;
}

#[tokio::test]
async fn locators_and_jobs_grow_old() {
    let org = Org::start("clock: { start: 2026-01-05T08:00:00Z }\nquery_page_size: 1\nrecords:\n  - object: Account\n    generate: { count: 3, fields: { Name: \"A-{n}\" } }\n").await;
    let (_, page) = org.query("SELECT Id FROM Account").await;
    let next = page["nextRecordsUrl"].as_str().expect("more").to_owned();
    let job = json!({"operation": "query", "query": "SELECT Id FROM Account"});
    let (_, made) = org.json("POST", "/jobs/query", Some(job)).await;
    let job = format!("/jobs/query/{}", made["id"].as_str().expect("an id"));
    assert_eq!(org.ask("GET", &next, None).await.status(), 200);
    org.emulator.advance_clock(Duration::from_secs(2 * 86_400));
    org.refused(
        "GET",
        &next,
        Value::Null,
        400,
        "INVALID_QUERY_LOCATOR",
        "invalid query locator",
    )
    .await;
    assert_eq!(org.ask("GET", &job, None).await.status(), 200);
    org.emulator.advance_clock(Duration::from_secs(5 * 86_400));
    assert_eq!(org.ask("GET", &job, None).await.status(), 404);
}

#[tokio::test]
async fn answers_can_be_slow_short_or_refused() {
    let org = Org::start("").await;
    let add = |fault: &str| {
        let fault: Fault = serde_yaml::from_str(fault).expect("a fault");
        org.emulator.add_fault(fault)
    };
    let slow = add("{ on: { path: /limits }, times: 1, then: { slow_body: 200ms } }");
    let begun = std::time::Instant::now();
    let (_, body) = org.json("GET", "/limits", None).await;
    assert!(body.is_object() && begun.elapsed() >= Duration::from_millis(200));
    assert!(org.emulator.remove_fault(slow));
    add("{ on: { path: /limits }, times: 1, then: short_body }");
    let text = org
        .ask("GET", "/limits", None)
        .await
        .text()
        .await
        .expect("a body that ends well");
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err());
    for (refusal, status, words) in [
        ("daily_limit", 403, "TotalRequests"),
        ("concurrent_limit", 403, "ConcurrentRequests"),
        ("server_unavailable", 503, "SERVER_UNAVAILABLE"),
        ("server_error", 500, "UNKNOWN_EXCEPTION"),
        ("bad_gateway", 502, "<h1>"),
        ("maintenance", 503, "<h1>"),
        ("invalid_locator", 400, "INVALID_QUERY_LOCATOR"),
        ("invalid_session", 401, "INVALID_SESSION_ID"),
    ] {
        add(&format!("{{ times: 1, then: {{ refuse: {refusal} }} }}"));
        let answer = org.ask("GET", "/limits", None).await;
        assert_eq!(answer.status(), status);
        let text = answer.text().await.expect("a body");
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(org.emulator.faults().len(), 9);
}

#[tokio::test]
async fn bulk_jobs_hang_fail_are_aborted_and_retried() {
    let org = Org::start("").await;
    let add = |fault: &str| {
        let fault: Fault = serde_yaml::from_str(fault).expect("a fault");
        org.emulator.add_fault(fault)
    };
    let job = json!({"object": "Account", "operation": "insert"});
    add(
        "{ times: 1, then: { fail_job: { object: Account, message: \"InternalServerError : batch failed\", after_rows: 1 } } }",
    );
    let (info, done, _, left) = org.load(job.clone(), "Name\nA\nB\n").await;
    assert_eq!(
        (info["state"].as_str(), info["errorMessage"].as_str()),
        (Some("Failed"), Some("InternalServerError : batch failed"))
    );
    assert!(
        done.contains("\"A\"") && left.contains("B") && !left.contains("A\n"),
        "{done} {left}"
    );
    add("{ times: 1, then: { abort_job: { object: Account } } }");
    let (info, ..) = org.load(job.clone(), "Name\nC\n").await;
    assert_eq!(info["state"], "Aborted");
    add("{ times: 1, then: { retry_job: { object: Account, retries: 3 } } }");
    let (info, ..) = org.load(job.clone(), "Name\nD\n").await;
    assert_eq!(
        (&info["retries"], &info["state"]),
        (&json!(3), &json!("JobComplete"))
    );
    let hang = add("{ then: { hang_job: { object: Account } } }");
    let release = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let (_, jobs) = org.json("GET", "/jobs/ingest", None).await;
        assert_eq!(jobs["records"][0]["state"], "InProgress");
        org.emulator.remove_fault(hang);
    };
    let ((info, ..), ()) = tokio::join!(org.load(job, "Name\nE\n"), release);
    assert_eq!(info["state"], "JobComplete");
    assert_eq!(org.emulator.count("Account"), 3);
}
