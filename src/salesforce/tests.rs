//! The client against a scripted org on loopback.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::*;
use crate::{
    auth::{AuthError, Environment, Sessions},
    http::{
        HttpError, Retry, Transport, TransportOptions,
        testing::{Reply, Seen, Server, closing_server},
    },
    pipeline::credentials::{
        ExternalCredential, Flow, NamedCredential, OAuth2, Principal, Protocol, ValueRef, Writes,
    },
    record::FieldPath,
};

const QUICK: Retry = Retry {
    attempts: 4,
    first: Duration::from_millis(1),
    cap: Duration::from_millis(4),
};

const TOKEN: &str = "/services/oauth2/token";

/// What every org here answers; the rest is the test's.
fn org(
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| match seen.path.as_str() {
        TOKEN => Reply::json(
            200,
            format!(
                r#"{{"access_token":"token-{}","id":"https://login.example/id/00D000000000001EAA/005000000000001AAA"}}"#,
                seen.nth + 1
            ),
        ),
        "/services/data" => Reply::json(
            200,
            r#"[{"version":"59.0"},{"version":"66.0"},{"version":"67.0"},{"version":"68.0"}]"#,
        ),
        _ => script(seen),
    }
}

fn named(url: &str, version: Option<&str>) -> NamedCredential {
    NamedCredential {
        name: "org1".into(),
        label: None,
        url: url.into(),
        external_credential: "EC".into(),
        api_version: version.map(Into::into),
        headers: BTreeMap::new(),
        generate_authorization_header: true,
        writes: Writes::Auto,
    }
}

fn external(login: &str) -> ExternalCredential {
    ExternalCredential {
        name: "EC".into(),
        label: None,
        protocol: Protocol::OAuth2(OAuth2 {
            flow: Flow::ClientCredentials,
            identity_provider_url: Some(format!("{login}{TOKEN}")),
            pass_client_credentials_in_body: true,
            scope: None,
        }),
        principals: Vec::new(),
    }
}

fn principal() -> Principal {
    let text = |t: &str| ValueRef::Text(t.into());
    Principal {
        name: "P".into(),
        sequence: 1,
        parameters: [
            ("client_id".to_owned(), text("id")),
            ("client_secret".to_owned(), text("hush")),
            ("access_token".to_owned(), text("from-elsewhere")),
        ]
        .into(),
    }
}

fn sessions() -> Sessions {
    let transport = Transport::new(TransportOptions::default()).unwrap();
    Sessions::new(Environment::default(), transport, QUICK)
}

async fn try_connect(server: &Server, version: Option<&str>) -> Result<Client, ClientError> {
    Client::connect(
        &sessions(),
        &named(server.base(), version),
        &external(server.base()),
        &principal(),
        QUICK,
    )
    .await
}

async fn connect(server: &Server) -> Client {
    try_connect(server, None).await.unwrap()
}

fn expired() -> Reply {
    Reply::json(
        401,
        r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
    )
}

fn page(records: usize) -> Reply {
    let rows = vec![r#"{"Id":"001000000000001AAA"}"#; records].join(",");
    Reply::json(
        200,
        format!(r#"{{"totalSize":{records},"done":true,"records":[{rows}]}}"#),
    )
    .header("Sforce-Limit-Info", "api-usage=18/15000")
}

fn rows(n: usize) -> Vec<Record> {
    let all: Vec<_> = (0..n)
        .map(|i| serde_json::json!({ "Ext__c": format!("K-{i}") }))
        .collect();
    serde_json::from_value(all.into()).unwrap()
}

#[tokio::test]
async fn versions_are_agreed_on() {
    let server = Server::start(org(|_| page(0))).await;
    let client = connect(&server).await;
    assert_eq!(client.version().to_string(), "67.0");
    assert_eq!(client.versions().len(), 4);
    client.query("SELECT Id FROM Account", false, None).await.unwrap();
    let older = client.clone().with_version("59.0".parse().unwrap());
    older
        .query("SELECT Id FROM Account", true, Some(50))
        .await
        .unwrap();
    let seen = server.seen();
    assert_eq!(seen[2].path, "/services/data/v67.0/query");
    assert_eq!(seen[2].query, "q=SELECT+Id+FROM+Account");
    assert_eq!(seen[2].header("authorization"), "Bearer token-1");
    assert_eq!(seen[3].path, "/services/data/v59.0/queryAll");
    assert_eq!(seen[3].header("sforce-query-options"), "batchSize=200");
    assert_eq!(client.calls(), 3);
    assert_eq!(client.api_usage(), Some(ApiUsage { used: 18, max: 15000 }));
    assert_eq!(client.identity().await.unwrap().org_id, "00D000000000001EAA");

    assert_eq!(
        try_connect(&server, Some("59.0"))
            .await
            .unwrap()
            .version()
            .major(),
        59
    );
    let Err(error) = try_connect(&server, Some("50.0")).await else {
        panic!("connected")
    };
    assert_eq!(
        error.to_string(),
        "the org at `127.0.0.1` does not offer API version 50.0; it lists 59.0 to 68.0"
    );
}

#[tokio::test]
async fn twenty_requests_renew_an_expired_token_once() {
    let server = Server::start(org(|seen| match seen.header("authorization").as_str() {
        "Bearer token-1" => expired().after(Duration::from_millis(10)),
        _ => page(1),
    }))
    .await;
    let client = connect(&server).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .query("SELECT Id FROM Account", false, None)
                    .await
                    .unwrap()
                    .total_size
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1);
    }
    assert_eq!(server.count(&format!("POST {TOKEN}")), 2);
    // Nobody was refused twice.
    assert!(server.count("GET /services/data/v67.0/query") <= 40);
}

#[tokio::test]
async fn a_refusal_that_a_new_token_does_not_cure_ends() {
    for (reply, tokens, queries) in [
        (expired(), 2, 2),
        (
            Reply::json(
                401,
                r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#,
            ),
            1,
            1,
        ),
        (
            Reply::json(
                401,
                r#"[{"message":"INVALID_HEADER_TYPE","errorCode":"INVALID_AUTH_HEADER"}]"#,
            ),
            1,
            1,
        ),
    ] {
        let server = Server::start(org(move |_| reply.clone())).await;
        let client = connect(&server).await;
        let error = client
            .query("SELECT Id FROM Account", false, None)
            .await
            .unwrap_err();
        assert!(error.is_access() && error.help().is_some(), "{error}");
        assert_eq!(server.count(&format!("POST {TOKEN}")), tokens, "{error}");
        assert_eq!(server.count("GET /services/data/v67.0/query"), queries, "{error}");
    }
}

#[tokio::test]
async fn a_token_from_elsewhere_that_expired_is_called_so() {
    let server = Server::start(org(|_| expired())).await;
    let mut credential = external(server.base());
    if let Protocol::OAuth2(oauth) = &mut credential.protocol {
        oauth.flow = Flow::AccessToken;
    }
    let client = Client::connect(
        &sessions(),
        &named(server.base(), None),
        &credential,
        &principal(),
        QUICK,
    )
    .await
    .unwrap();
    let error = client.count("SELECT COUNT() FROM Account").await.unwrap_err();
    assert!(
        matches!(error, ClientError::Auth(AuthError::Expired { .. })),
        "{error}"
    );
    assert_eq!(server.count(&format!("POST {TOKEN}")), 0);
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    let server = Server::start(org(|seen| match seen.nth {
        0 => Reply::body(503, "text/html", "<html><title>Busy</title></html>").header("Retry-After", "0"),
        1 => Reply::json(
            403,
            r#"[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
        ),
        2 => page(3).cut_at(20),
        _ => page(3),
    }))
    .await;
    let client = connect(&server).await;
    assert_eq!(
        client
            .query("SELECT Id FROM A", false, None)
            .await
            .unwrap()
            .total_size,
        3
    );
    assert_eq!(server.count("GET /services/data/v67.0/query"), 4);
}

#[tokio::test]
async fn what_does_not_pass_is_asked_once() {
    for (status, body, class) in [
        (
            400,
            r#"[{"message":"No such column","errorCode":"INVALID_FIELD"}]"#,
            Class::Never,
        ),
        (
            403,
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            Class::Quota,
        ),
        (
            400,
            r#"[{"message":"running too long","errorCode":"QUERY_TIMEOUT"}]"#,
            Class::Shrink,
        ),
    ] {
        let server = Server::start(org(move |_| Reply::json(status, body))).await;
        let error = connect(&server)
            .await
            .query("SELECT Id FROM A", false, None)
            .await
            .unwrap_err();
        assert_eq!(error.class(), class);
        assert_eq!(server.count("GET /services/data/v67.0/query"), 1);
    }
}

#[tokio::test]
async fn no_token_follows_a_redirect() {
    let other = Server::start(|_| page(1)).await;
    let target = other.url("/services/data/v67.0/query");
    let server = Server::start(org(move |_| Reply::status(302).header("Location", &target))).await;
    let error = connect(&server)
        .await
        .query("SELECT Id FROM A", false, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("redirect"));
    assert!(error.to_string().contains("redirects to `127.0.0.1`"), "{error}");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_page_instead_of_an_answer_is_called_so() {
    let server = Server::start(org(|seen| {
        let page = "<!DOCTYPE html><html><title>Welcome</title></html>";
        Reply::body(
            if seen.path.ends_with("query") { 200 } else { 404 },
            "text/html",
            page,
        )
    }))
    .await;
    let client = connect(&server).await;
    let error = client.query("SELECT Id FROM A", false, None).await.unwrap_err();
    assert!(
        error.to_string().ends_with("no JSON: an HTML page: Welcome"),
        "{error}"
    );
    let error = client.describe("Account").await.unwrap_err();
    assert_eq!(error.code(), Some("web_page"));
    assert!(error.is_not_found());
}

#[tokio::test]
async fn an_insert_is_not_sent_twice_unless_nothing_happened() {
    let good = |n| {
        let one = r#"{"id":"001000000000001AAA","success":true,"errors":[]}"#;
        Reply::json(200, format!("[{}]", vec![one; n].join(",")))
    };
    let unavailable = || Reply::json(503, r#"[{"message":"later","errorCode":"SERVER_UNAVAILABLE"}]"#);
    let gateway = || Reply::body(502, "text/html", "<html><title>Bad Gateway</title></html>");
    let internal = || {
        Reply::json(
            500,
            r#"[{"message":"ErrorId: 1","errorCode":"UNKNOWN_EXCEPTION"}]"#,
        )
    };
    for (write, first, sent, unknown) in [
        (Write::Insert, gateway(), 1, true),
        (Write::Insert, internal(), 1, true),
        (Write::Insert, good(2).cut_at(10), 1, true),
        (Write::Insert, good(1), 1, true),
        (Write::Insert, unavailable(), 2, false),
        (Write::Insert, expired(), 2, false),
        (Write::Upsert { key: "Ext__c" }, gateway(), 2, false),
        (Write::Upsert { key: "Ext__c" }, good(2).cut_at(10), 2, false),
        (Write::Upsert { key: "Id" }, gateway(), 1, true),
        (Write::Update, internal(), 2, false),
    ] {
        let server = Server::start(org(
            move |seen| if seen.nth == 0 { first.clone() } else { good(2) },
        ))
        .await;
        let client = connect(&server).await;
        let answer = client
            .write(write, "Account", &rows(2), &WriteOptions::default())
            .await;
        let calls = server
            .seen()
            .iter()
            .filter(|s| s.path.contains("/composite"))
            .count();
        assert_eq!(calls, sent, "{write:?}");
        match answer {
            Ok(answers) => assert!(!unknown && answers.len() == 2, "{write:?}"),
            Err(error) => assert!(
                unknown && matches!(error, ClientError::OutcomeUnknown { .. }),
                "{write:?} {error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_connection_lost_while_inserting_is_an_unknown_outcome() {
    let silent = closing_server().await;
    let login = Server::start(move |seen| match seen.path.as_str() {
        TOKEN if seen.nth == 0 => Reply::json(200, r#"{"access_token":"t"}"#),
        TOKEN => Reply::json(
            200,
            format!(r#"{{"access_token":"t","instance_url":"{silent}"}}"#),
        ),
        "/services/data" => Reply::json(200, r#"[{"version":"66.0"}]"#),
        _ => expired(),
    })
    .await;
    let client = connect(&login).await;
    let error = client
        .write(Write::Insert, "Account", &rows(1), &WriteOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error}");
    let error = client.query("SELECT Id FROM A", false, None).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Http(HttpError::Broken { .. })),
        "{error}"
    );
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn collections_carry_their_headers() {
    let server = Server::start(org(|_| {
        Reply::json(
            200,
            r#"[{"success":false,"errors":[{"statusCode":"DUPLICATE_VALUE","message":"m","fields":[]}],"created":false}]"#,
        )
    }))
    .await;
    let client = connect(&server).await;
    let options = WriteOptions {
        allow_duplicates: true,
        ..WriteOptions::default()
    };
    let answers = client
        .write(Write::Upsert { key: "Ext__c" }, "Account", &rows(1), &options)
        .await
        .unwrap();
    assert_eq!(answers[0].errors[0].code, "DUPLICATE_VALUE");
    let seen = server.seen().pop().unwrap();
    assert_eq!(
        seen.line(),
        "PATCH /services/data/v67.0/composite/sobjects/Account/Ext__c"
    );
    assert_eq!(
        seen.text(),
        r#"{"allOrNone":false,"records":[{"attributes":{"type":"Account"},"Ext__c":"K-0"}]}"#
    );
    assert_eq!(seen.header("sforce-auto-assign"), "FALSE");
    assert_eq!(seen.header("sforce-duplicate-rule-header"), "allowSave=true");
    assert_eq!(seen.header("content-type"), "application/json; charset=UTF-8");
    for (rule, told) in [
        (AssignmentRule::Default, "TRUE"),
        (
            AssignmentRule::Id("01Q000000000001EAA".into()),
            "01Q000000000001EAA",
        ),
    ] {
        let options = WriteOptions {
            assignment_rule: rule,
            ..WriteOptions::default()
        };
        client
            .write(Write::Insert, "Case", &rows(1), &options)
            .await
            .unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.header("sforce-auto-assign"), told);
        assert_eq!(seen.header("sforce-duplicate-rule-header"), "");
    }

    assert!(
        client
            .write(Write::Insert, "A", &[], &options)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        client
            .write(Write::Insert, "A", &rows(201), &options)
            .await
            .is_err()
    );
    assert!(
        client
            .write(Write::Delete, "A", &rows(1), &options)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn queries_page_and_lose_their_cursor() {
    let server = Server::start(org(|seen| match seen.path.as_str() {
        "/services/data/v67.0/query" => Reply::json(
            200,
            r#"{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v67.0/query/0r8-1","records":[{"Id":"1"}]}"#,
        ),
        _ => Reply::json(
            400,
            r#"[{"message":"invalid query locator","errorCode":"INVALID_QUERY_LOCATOR"}]"#,
        ),
    }))
    .await;
    let client = connect(&server).await;
    let page = client.query("SELECT Id FROM A", false, None).await.unwrap();
    let error = client.query_more(&page.next.unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::LocatorLost(_)), "{error}");

    let before = server.seen().len();
    let long = format!("SELECT Id FROM A WHERE Id IN ('{}')", "x".repeat(MAX_QUERY_URI));
    let error = client.query(&long, false, None).await.unwrap_err();
    assert!(matches!(error, ClientError::QueryTooLong { .. }) && error.class() == Class::Shrink);
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn a_bulk_query_is_read_page_by_page_and_survives_a_broken_one() {
    let job = "/services/data/v67.0/jobs/query";
    let polls = AtomicUsize::new(0);
    let server = Server::start(org(move |seen| {
        let header = "\"Id\",\"Amount\",\"Account.Name\"\n";
        let row = |n: usize| format!("\"00100000000000{n}AAA\",\"{n}.0E1\",\"a\nb\"\n");
        match seen.path.strip_prefix(job) {
            Some("") => Reply::json(200, r#"{"id":"750X","state":"UploadComplete"}"#),
            Some("/750X") if polls.fetch_add(1, Ordering::Relaxed) == 0 => {
                Reply::json(200, r#"{"id":"750X","state":"InProgress"}"#)
            }
            Some("/750X") => Reply::json(
                200,
                r#"{"id":"750X","state":"JobComplete","numberRecordsProcessed":3}"#,
            ),
            Some("/750X/results") if seen.query == "maxRecords=2" => {
                let text = format!("{header}{}{}", row(1), row(2));
                let reply = Reply::csv(text.clone())
                    .header("Sforce-NumberOfRecords", "2")
                    .header("Sforce-Locator", "Mg");
                match seen.nth {
                    0 => reply.cut_at(header.len() + 60),
                    // Ends well, but too early.
                    1 => Reply::csv(format!("{header}{}", row(1))).header("Sforce-NumberOfRecords", "2"),
                    _ => reply.gzipped(),
                }
            }
            _ => Reply::csv(format!("{header}{}", row(3)))
                .header("Sforce-NumberOfRecords", "1")
                .header("Sforce-Locator", "null"),
        }
    }))
    .await;
    let client = connect(&server).await;
    let poll = Poll {
        first: Duration::from_millis(1),
        step: Duration::from_millis(1),
        ..Poll::SOON
    };
    let info = client.bulk_query("SELECT Id FROM A", false).await.unwrap();
    let mut states = Vec::new();
    let info = client
        .bulk_wait(JobKind::Query, &info.id, poll, |i| states.push(i.state))
        .await
        .unwrap();
    assert_eq!(states, [JobState::InProgress, JobState::JobComplete]);
    assert_eq!(info.number_records_processed, Some(3));

    let columns: Arc<[FieldPath]> = ["account.name", "Id", "Amount"].map(FieldPath::new).into();
    let types: Arc<[FieldType]> = [FieldType::String, FieldType::Id, FieldType::Currency].into();
    let mut read = client.bulk_rows("750X", columns, types, None, Some(2));
    let mut all = Vec::new();
    while let Some(rows) = read.next().await.unwrap() {
        all.extend(rows);
    }
    assert_eq!(read.count(), 3);
    let texts: Vec<_> = all
        .iter()
        .map(|r| [0, 1, 2].map(|i| r[i].as_text().unwrap()))
        .collect();
    for (n, text) in texts.iter().enumerate() {
        let n = n + 1;
        assert_eq!(
            *text,
            ["a\nb", &format!("00100000000000{n}AAA"), &format!("{n}0")]
        );
    }
    assert_eq!(server.seen().last().unwrap().query, "locator=Mg&maxRecords=2");
}

#[tokio::test]
async fn an_ingest_job_from_start_to_results() {
    let job = "/services/data/v67.0/jobs/ingest";
    let server = Server::start(org(move |seen| {
        let tail = seen.path.strip_prefix(job).unwrap_or("elsewhere");
        match (seen.method.as_str(), tail) {
            ("POST", "") => Reply::json(
                200,
                format!(
                    r#"{{"id":"750{}","state":"Open","contentUrl":"services/data/v67.0/jobs/ingest/750{}/batches"}}"#,
                    seen.nth, seen.nth
                ),
            ),
            // The first upload is lost on its way.
            ("PUT", "/7500/batches") => Reply::body(502, "text/html", "<html></html>"),
            ("PUT", "/7501/batches") => Reply::status(201),
            ("PATCH", "/7500") => Reply::json(200, r#"{"id":"7500","state":"Aborted"}"#),
            ("PATCH", _) => Reply::json(
                400,
                r#"[{"message":"Closing already Completed Job not allowed","errorCode":"INVALIDJOBSTATE"}]"#,
            ),
            ("GET", "/7501") => Reply::json(200, r#"{"id":"7501","state":"InProgress"}"#),
            ("GET", "/7501/successfulResults") => {
                Reply::csv("\"sf__Id\",\"sf__Created\",EXT__C,Name\n\"001000000000001\",\"true\",\"K-2\",\"x\"\n")
            }
            ("GET", "/7501/failedResults") => Reply::csv(
                "\"sf__Id\",\"sf__Error\",EXT__C,Name\n\"\",\"REQUIRED_FIELD_MISSING:Required: [Name]:Name --\",\"K-1\",\"\"\n",
            ),
            ("GET", "/7501/unprocessedrecords") => Reply::csv("EXT__C,Name\n"),
            ("DELETE", "/7501") => Reply::json(404, r#"[{"errorCode":"NOT_FOUND","message":"gone"}]"#),
            _ => Reply::status(500),
        }
    }))
    .await;
    let client = connect(&server).await;
    let mut csv = CsvWriter::new(["Ext__c", "Name"], LineEnding::Lf);
    csv.push([Cell::Text("K-1"), Cell::Clear]).unwrap();
    let csv = Bytes::from(csv.finish());
    let ingest = IngestJob {
        object: "Account".into(),
        operation: IngestOperation::Upsert { key: "Ext__c".into() },
        line_ending: LineEnding::Lf,
        assignment_rule: AssignmentRule::None,
    };
    let open = client.bulk_ingest(&ingest).await.unwrap();
    let lost = client.bulk_upload(&open, csv.clone()).await.unwrap_err();
    assert!(matches!(lost, ClientError::OutcomeUnknown { .. }), "{lost}");
    client.bulk_abort(JobKind::Ingest, &open.id).await.unwrap();
    let open = client.bulk_ingest(&ingest).await.unwrap();
    client.bulk_upload(&open, csv.clone()).await.unwrap();
    let info = client.bulk_close(&open.id).await.unwrap();
    assert_eq!((&*info.id, info.state), ("7501", JobState::InProgress));
    let uploads: Vec<_> = server.seen().into_iter().filter(|s| s.method == "PUT").collect();
    assert_eq!(uploads.len(), 2);
    assert_eq!(uploads[1].body, csv);

    let mut all = Vec::new();
    for kind in [
        IngestRows::Successful,
        IngestRows::Failed,
        IngestRows::Unprocessed,
    ] {
        let mut rows = client.bulk_results("7501", kind, &["Ext__c"]);
        while let Some(batch) = rows.next().await.unwrap() {
            all.extend(batch);
        }
    }
    assert_eq!(
        all,
        [
            IngestRow {
                key: vec!["K-2".into()],
                id: Some("001000000000001AAA".into()),
                created: Some(true),
                error: None,
            },
            IngestRow {
                key: vec!["K-1".into()],
                id: None,
                created: None,
                error: Some(RowError {
                    code: "REQUIRED_FIELD_MISSING".into(),
                    message: "Required: [Name]".into(),
                    fields: vec!["Name".into()],
                }),
            },
        ]
    );
    let mut wrong = client.bulk_results("7501", IngestRows::Failed, &["Other__c"]);
    let error = wrong.next().await.unwrap_err();
    assert!(
        error.to_string().ends_with("it has no column `Other__c`"),
        "{error}"
    );
    assert_eq!(wrong.next().await.unwrap(), None);
    client.bulk_delete(JobKind::Ingest, "7501").await.unwrap();
}

#[tokio::test]
async fn callouts_stay_on_the_credentials_hosts() {
    let other = Server::start(|_| Reply::json(200, "{}")).await;
    let server = Server::start(org(|seen| match seen.path.as_str() {
        "/api/customers" => Reply::json(200, r#"{"data":[1.10],"next":"/api/customers/2"}"#),
        "/api/customers/2" if seen.nth == 0 => Reply::status(503),
        "/api/customers/2" => Reply::json(200, r#"{"data":[]}"#),
        _ => Reply::status(204),
    }))
    .await;
    let callout = Callout::new(
        &sessions(),
        &named(&server.url("/api"), None),
        &external(server.base()),
        &principal(),
        QUICK,
    )
    .unwrap();
    let first = callout
        .call("/customers", &[("region", "E & M")], &Ask::default())
        .await
        .unwrap();
    assert_eq!(first.body["data"][0].to_string(), "1.10");
    assert_eq!(server.seen().last().unwrap().query, "region=E+%26+M");
    assert_eq!(
        server.seen().last().unwrap().header("authorization"),
        "Bearer token-1"
    );
    let next = first.body["next"].as_str().unwrap();
    let second = callout.follow(&first.url, next, &Ask::default()).await.unwrap();
    assert_eq!(second.body["data"].as_array().map(Vec::len), Some(0));
    let none: &[(&str, &str)] = &[];
    assert!(
        callout
            .call("empty", none, &Ask::default())
            .await
            .unwrap()
            .body
            .is_null()
    );

    for foreign in [other.url("/steal"), "https://evil.example/x?sid=1".into()] {
        let error = callout.call(&foreign, none, &Ask::default()).await.unwrap_err();
        assert!(matches!(error, ClientError::Foreign { .. }), "{error}");
        assert!(!error.to_string().contains("sid"));
        let error = callout
            .follow(&first.url, &foreign, &Ask::default())
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Foreign { .. }), "{error}");
    }
    let error = callout
        .follow(&first.url, "//evil.example/x", &Ask::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Foreign { .. }), "{error}");
    assert!(other.seen().is_empty());
}
