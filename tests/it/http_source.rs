//! JSON APIs as sources: a small server of our own is read, page by page, and what arrives is compared.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::support::{Org, Project, Ran, runtime};

/// A request that the server got.
#[derive(Clone, Debug)]
struct Seen {
    /// `GET /people?page=1`
    line: String,
    headers: HeaderMap,
    body: String,
}

type Script = dyn Fn(&Seen, usize) -> Response + Send + Sync;

/// A server on loopback that answers by a function of the request and of how many came before.
struct Api {
    base: String,
    seen: Log,
}

/// Every request so far.
type Log = Arc<Mutex<Vec<Seen>>>;

impl Api {
    fn start(
        runtime: &tokio::runtime::Runtime,
        script: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static,
    ) -> Api {
        let seen: Log = Arc::default();
        let state: (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let base = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port");
            let base = format!("http://{}", listener.local_addr().expect("an address"));
            let app = axum::Router::new().fallback(answer).with_state(state);
            tokio::spawn(async move { axum::serve(listener, app).await });
            base
        });
        Api { base, seen }
    }

    fn lines(&self) -> Vec<String> {
        self.seen
            .lock()
            .expect("no panic")
            .iter()
            .map(|s| s.line.clone())
            .collect()
    }
}

async fn answer(State((script, seen)): State<(Arc<Script>, Log)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let now = Seen {
        line: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let before = {
        let mut all = seen.lock().expect("no panic");
        all.push(now.clone());
        all.len() - 1
    };
    script(&now, before)
}

fn json(text: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

/// People `from..to` as a JSON list.
fn people(from: usize, to: usize) -> String {
    let all: Vec<String> = (from..to)
        .map(|n| format!("{{\"Id\":\"p{n}\",\"Name\":\"N{n}\"}}"))
        .collect();
    format!("[{}]", all.join(","))
}

/// Runs a pipeline that reads `http: { ... }` into a file; `BASE` is the server. Gives how it ended, and the Ids.
fn run(api: &Api, http: &str) -> (Ran, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = format!(
        "version: 1\nvars: {{ region: \"E & M\", ids: [1, 2] }}\npolicy: {{ retry: {{ attempts: 3, backoff: 1ms..5ms }} }}\ncredentials:\n  external_credentials:\n    EC:\n      protocol: custom\n      principals: {{ P: {{ api_key: {{ env: KEY }} }} }}\n  named_credentials:\n    api:\n      url: BASE/v1\n      external_credential: EC\n      headers: {{ X-Api-Key: {{ parameter: api_key }}, X-From: orgferry }}\nsteps:\n  people:\n    source:\n      http:\n        {http}\n    target: {{ csv: out.csv }}\n    copy: [Id]\n    map: {{ Region: vars.region, Ids: vars.ids }}\n"
    )
    .replace("BASE", &api.base);
    fs::write(folder.path().join("p.yaml"), yaml).expect("written");
    let args = ["run", "p.yaml"];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .env("KEY", "k-secret-5up3r")
        .output()
        .expect("the binary runs");
    let ran = Ran::new(output, &args);
    let text = fs::read_to_string(folder.path().join("out.csv")).unwrap_or_default();
    let ids = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .map(str::to_owned)
        .collect();
    (ran, ids)
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("p{n}")).collect()
}

/// The number of a query parameter.
fn number(seen: &Seen, name: &str) -> usize {
    let query = seen.line.split('?').nth(1).unwrap_or_default();
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {}", seen.line))
}

#[test]
fn a_plain_address_gets_no_credentials_and_a_callout_gets_its_headers() {
    let runtime = runtime();
    let api = Api::start(&runtime, |_, _| json(people(0, 3)));
    let (ran, found) = run(
        &api,
        "{ get: \"BASE/v1/people?a=1\", headers: { Accept-Language: de }, query: { region: { var: region }, ids: { var: ids }, since: 2020-01-01T00:00:00Z, none: null } }",
    );
    ran.exits(0);
    assert_eq!(found, ids(3));
    let (ran, _) = run(&api, "{ get: callout:api/people }");
    ran.exits(0);
    assert_eq!(
        api.lines(),
        [
            "GET /v1/people?a=1&region=E+%26+M&ids=1%2C2&since=2020-01-01T00%3A00%3A00Z&none=",
            "GET /v1/people",
        ]
    );
    let seen = api.seen.lock().expect("no panic").clone();
    let of = |at: usize, name: &str| {
        let value = seen[at].headers.get(name);
        value.map(|v| v.to_str().expect("text").to_owned())
    };
    assert_eq!(
        (of(0, "accept-language").as_deref(), of(0, "x-api-key")),
        (Some("de"), None)
    );
    assert_eq!(of(0, "authorization"), None);
    assert_eq!(of(1, "x-api-key").as_deref(), Some("k-secret-5up3r"));
    assert_eq!(of(1, "x-from").as_deref(), Some("orgferry"));
}

#[test]
fn pages_are_found_in_all_five_ways() {
    let runtime = runtime();
    let list = |key: &str, from: usize, to: usize, more: &str| {
        json(format!("{{\"{key}\":{}{more}}}", people(from, to)))
    };
    // By an address in the page.
    let api = Api::start(&runtime, move |_, before| match before {
        0 => list("data", 0, 2, ",\"next\":\"/v1/more?x=1\""),
        1 => list("data", 2, 4, ",\"next\":\"?x=2\""),
        _ => list("data", 4, 5, ",\"next\":null"),
    });
    let (ran, found) = run(
        &api,
        "{ get: callout:api/people, records: \"$.data[*]\", next: { url: $.next } }",
    );
    ran.exits(0);
    assert_eq!(found, ids(5));
    assert_eq!(
        api.lines(),
        ["GET /v1/people", "GET /v1/more?x=1", "GET /v1/more?x=2"]
    );

    // By a cursor.
    let api = Api::start(&runtime, move |_, before| match before {
        0 => list("data", 0, 2, ",\"paging\":{\"after\":\"a+b/c=\"}"),
        1 => list("data", 2, 3, ",\"paging\":{\"after\":77}"),
        _ => list("data", 3, 4, ",\"paging\":{}"),
    });
    let (ran, found) = run(
        &api,
        "{ get: callout:api/people, query: { limit: 2 }, records: \"$.data[*]\", next: { cursor: $.paging.after, param: after } }",
    );
    ran.exits(0);
    assert_eq!(found, ids(4));
    assert_eq!(
        api.lines(),
        [
            "GET /v1/people?limit=2",
            "GET /v1/people?limit=2&after=a%2Bb%2Fc%3D",
            "GET /v1/people?limit=2&after=77",
        ]
    );

    // By the number of the page, from 1 or from what the query says.
    for (query, first) in [("{ size: 2 }", 1), ("{ size: 2, page: 0 }", 0)] {
        let api = Api::start(&runtime, move |seen, _| {
            let page = number(seen, "page") - first;
            json(people((page * 2).min(5), (page * 2 + 2).min(5)))
        });
        let http =
            format!("{{ get: callout:api/people, query: {query}, next: {{ page: page, until: empty }} }}");
        let (ran, found) = run(&api, &http);
        ran.exits(0);
        assert_eq!(found, ids(5));
        assert_eq!(api.lines().len(), 4, "{:?}", api.lines());
    }

    // By an offset.
    let api = Api::start(&runtime, |seen, _| {
        let from = number(seen, "skip").min(5);
        json(people(from, (from + 2).min(5)))
    });
    let (ran, found) = run(
        &api,
        "{ get: callout:api/people, next: { offset: skip, size: 2 } }",
    );
    ran.exits(0);
    assert_eq!(found, ids(5));

    // By the Link header.
    let api = Api::start(&runtime, |_, before| {
        let link = match before {
            0 => "</v1/people?page=2>; rel=\"next\", </v1/people?page=3>; rel=\"last\"",
            1 => "</v1/people>; rel=\"first\", </v1/people?page=3>; rel=next",
            _ => "</v1/people>; rel=\"first\"",
        };
        ([(header::LINK, link)], json(people(before * 2, before * 2 + 2))).into_response()
    });
    let (ran, found) = run(&api, "{ get: callout:api/people, next: { link_header: next } }");
    ran.exits(0);
    assert_eq!(found, ids(6));
}

#[test]
fn a_post_searches_and_pages_in_its_body() {
    let runtime = runtime();
    let api = Api::start(&runtime, |seen, before| {
        assert!(seen.line.starts_with("POST /v1/search"), "{}", seen.line);
        assert_eq!(seen.headers["content-type"], "application/json");
        // The first one fails, and is sent again: a search changes nothing.
        match before {
            0 => StatusCode::BAD_GATEWAY.into_response(),
            _ => {
                let body: serde_json::Value = serde_json::from_str(&seen.body).expect("JSON");
                let from = body["from"].as_u64().expect("a number") as usize;
                json(format!("{{\"hits\":{}}}", people(from.min(3), (from + 2).min(3))))
            }
        }
    });
    let (ran, found) = run(
        &api,
        "{ post: callout:api/search, body: { where: [{ var: region }, { cursor: 2020-01-01 }], ids: { var: ids }, n: 1.50 }, records: \"$.hits[*]\", next: { offset: from, size: 2 } }",
    );
    ran.exits(0);
    assert_eq!(found, ids(3));
    let seen = api.seen.lock().expect("no panic").clone();
    assert_eq!(
        seen[1].body,
        "{\"where\":[\"E & M\",\"2020-01-01\"],\"ids\":[1,2],\"n\":1.50,\"from\":0}"
    );
    assert_eq!(seen.len(), 4);
}

#[test]
fn an_api_that_never_ends_is_noticed() {
    let runtime = runtime();
    let same = |_: &Seen, _: usize| json(people(0, 2));
    for (http, words) in [
        (
            "{ get: callout:api/people, next: { page: page } }",
            "the same page came twice: the API does not heed the parameter `page`",
        ),
        (
            "{ get: callout:api/people, next: { offset: offset, size: 2 } }",
            "the API does not heed the parameter `offset`",
        ),
        (
            "{ get: callout:api/people, next: { offset: offset, size: 5 } }",
            "a page had 2 records, `size` says 5, and yet there are more",
        ),
        (
            "{ get: callout:api/people, next: { offset: offset, size: 1 } }",
            "a page has 2 records, and `size` says 1",
        ),
    ] {
        let api = Api::start(&runtime, same);
        let (ran, found) = run(&api, http);
        ran.exits(1).says(words);
        assert!(found.is_empty(), "the file is not there: {found:?}");
        assert!(api.lines().len() <= 2, "{:?}", api.lines());
    }
    for (http, words, body) in [
        (
            "{ get: callout:api/people, records: \"$.d[*]\", next: { url: $.next } }",
            "leads back to an earlier page",
            "{\"d\":[{\"Id\":1}],\"next\":\"/v1/people?x=1\"}",
        ),
        (
            "{ get: callout:api/people, records: \"$.d[*]\", next: { cursor: $.next, param: after } }",
            "the cursor `again` leads back to an earlier page",
            "{\"d\":[],\"next\":\"again\"}",
        ),
    ] {
        let api = Api::start(&runtime, move |_, _| json(body));
        let (ran, _) = run(&api, http);
        ran.exits(1).says(words);
    }
    let api = Api::start(&runtime, |_, before| json(people(before, before + 1)));
    let (ran, _) = run(
        &api,
        "{ get: callout:api/people, next: { page: page }, limits: { pages: 3 } }",
    );
    ran.exits(1).says("there are more than 3 pages");
    assert!(api.lines().len() <= 4);
    let api = Api::start(&runtime, |_, _| json(people(0, 200)));
    let (ran, _) = run(&api, "{ get: callout:api/people, limits: { page_bytes: 1KB } }");
    ran.exits(1).says("is larger than 1024 bytes");
}

#[test]
fn odd_answers_are_told() {
    let runtime = runtime();
    for (answer, words) in [
        (
            json("{\"data\":[]}"),
            "the answer has no `$.rows`; it is an object with data",
        ),
        (json("{\"rows\":7}"), "`$.rows` is a number, not a list"),
        (json("{\"rows\":[1]}"), "`records` found a number, not an object"),
        (json("{\"rows\":["), "ends too early"),
        (
            (
                [(header::CONTENT_TYPE, "text/html")],
                "<!DOCTYPE html><title>Sign in</title>",
            )
                .into_response(),
            "an HTML page",
        ),
        (StatusCode::NOT_FOUND.into_response(), "404"),
        (
            (
                StatusCode::FOUND,
                [(header::LOCATION, "https://evil.example/steal")],
            )
                .into_response(),
            "the answer redirects to `evil.example`; the token was not sent there",
        ),
    ] {
        let answer = Mutex::new(Some(answer));
        let api = Api::start(&runtime, move |_, _| {
            let first = answer.lock().expect("no panic").take();
            first.unwrap_or_else(|| StatusCode::IM_A_TEAPOT.into_response())
        });
        let (ran, _) = run(&api, "{ get: callout:api/people, records: \"$.rows[*]\" }");
        let code = ran.code;
        assert!(matches!(code, Some(1)), "{words}: {code:?}\n{}", ran.stderr);
        ran.says(words);
    }
    let api = Api::start(&runtime, |_, _| {
        json("{\"next\":\"https://evil.example/2\",\"rows\":[]}")
    });
    let (ran, _) = run(
        &api,
        "{ get: callout:api/people, records: \"$.rows[*]\", next: { url: $.next } }",
    );
    ran.says("is not a place that named credential `api` may be sent to");
}

#[test]
fn a_busy_api_is_asked_again_when_it_says() {
    let runtime = runtime();
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        let api = Api::start(&runtime, move |_, before| match before {
            0 => (status, [(header::RETRY_AFTER, "1")]).into_response(),
            _ => json(people(0, 2)),
        });
        let begun = std::time::Instant::now();
        let (ran, found) = run(&api, "{ get: \"BASE/people\" }");
        ran.exits(0);
        assert_eq!(found, ids(2));
        assert!(begun.elapsed().as_millis() >= 1_000, "{status}");
        // And given up in the end.
        let api = Api::start(&runtime, move |_, _| status.into_response());
        let (ran, _) = run(&api, "{ get: \"BASE/people\" }");
        ran.exits(1).says(status.as_str());
        assert_eq!(api.lines().len(), 3);
    }
}

/// What the API's `since` was in each request, in the order in which they came.
fn since(api: &Api) -> Vec<String> {
    let lines = api.lines();
    let value = |line: &String| line.split("since=").nth(1).map(str::to_owned);
    lines.iter().filter_map(value).collect()
}

#[test]
fn an_api_fills_an_org_and_is_read_on_from_where_a_run_came_to() {
    let runtime = runtime();
    // Orders with their lines; the second run finds one that lacks its name, the third finds it mended.
    let api = Api::start(&runtime, |seen, before| {
        let first = r#"{"number":"O1","name":"Acme","updatedAt":"2026-01-01T10:00:00Z","lines":[{"sku":"a","qty":2},{"sku":"b","qty":1}]}"#;
        let second = r#"{"number":"O2","name":"Bolt","updatedAt":"2026-01-02T10:00:00Z","lines":[]}"#;
        let changed = r#"{"number":"O2","name":"Bolt & Co","updatedAt":"2026-01-03T10:00:00Z","lines":[{"sku":"c","qty":1.50}]}"#;
        let nameless = r#"{"number":"O3","updatedAt":"2026-01-04T10:00:00Z"}"#;
        let mended = r#"{"number":"O3","name":"Cog","updatedAt":"2026-01-04T10:00:00Z","lines":null}"#;
        let newest = r#"{"number":"O4","name":"Dyne","updatedAt":"2026-01-05T10:00:00Z"}"#;
        assert!(seen.line.starts_with("GET /orders?since="), "{}", seen.line);
        // Two steps read in each run.
        let orders = match before / 2 {
            0 => vec![first, second],
            1 => vec![changed, nameless, newest],
            2 => vec![mended, newest],
            _ => vec![],
        };
        json(format!("{{\"data\":[{}]}}", orders.join(",")))
    });
    let legacy = "{ type: Text(40), external_id: true, unique: true }";
    let fields = format!(
        "sobjects:\n  Account:\n    fields:\n      Legacy_Id__c: {legacy}\n  Contact:\n    fields:\n      Legacy_Id__c: {legacy}\n      Quantity__c: {{ type: \"Number(6,2)\" }}\n"
    );
    let src = Org::start(&runtime, "src", "seed: 5\n");
    let dst = Org::start(&runtime, "dst", &format!("seed: 6\n{fields}"));
    let project = Project::new(&src, &dst);
    let yaml = "version: 1
from: src
to: dst
policy: { changes: { overlap: 1h } }
steps:
  orders:
    source:
      http:
        get: BASE/orders
        query: { since: { cursor: 2020-01-01T00:00:00Z } }
        records: $.data[*]
      id: number
      cursor: updatedAt
    target: { object: Account, key: Legacy_Id__c }
    map: { Legacy_Id__c: number, Name: name }
  lines:
    source: { same_as: orders, id: number, each: lines }
    target: { object: Contact, key: Legacy_Id__c }
    map:
      Legacy_Id__c: \"{{ number }}/{{ item_number }}\"
      LastName: item.sku
      Quantity__c: item.qty
      AccountId: { ref: orders, of: number }
";
    project.write("orders.yaml", &yaml.replace("BASE", &api.base));
    let report = project.run_pipeline("orders.yaml", &[], 0);
    report.adds_up();
    assert_eq!(
        (
            report.count("orders", "created"),
            report.count("lines", "created")
        ),
        (2, 2)
    );
    let report = project.run_pipeline("orders.yaml", &[], 4);
    report.adds_up();
    let count = |what| report.count("orders", what);
    assert_eq!((count("updated"), count("created"), count("parked")), (1, 1, 1));
    assert_eq!(report.step("orders")["parked_reasons"][0]["code"], "required");
    // Not behind the order that waits, though a newer one has arrived.
    let report = project.run_pipeline("orders.yaml", &[], 0);
    assert_eq!(
        (
            report.count("orders", "created"),
            report.count("orders", "updated")
        ),
        (1, 1)
    );
    project.run_pipeline("orders.yaml", &[], 0);
    let mut asked = since(&api);
    for two in asked.chunks_mut(2) {
        two.sort();
    }
    let [first, second, third, last] = [
        "2020-01-01T00%3A00%3A00Z",
        "2026-01-02T09%3A00%3A00.000Z",
        "2026-01-04T09%3A00%3A00.000Z",
        "2026-01-05T09%3A00%3A00.000Z",
    ];
    // The lines have no row that waits.
    assert_eq!(asked, [first, first, second, second, third, last, last, last]);

    let companies = dst.dump("Account", "Legacy_Id__c");
    let names: Vec<_> = companies.values().filter_map(|c| c["Name"].as_deref()).collect();
    assert_eq!(names, ["Acme", "Bolt & Co", "Cog", "Dyne"]);
    let lines = dst.dump("Contact", "Legacy_Id__c");
    let told: Vec<_> = lines
        .iter()
        .map(|(key, line)| {
            (
                key.as_str(),
                line["LastName"].as_deref(),
                line["Quantity__c"].as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("O1/1", Some("a"), Some("2")),
            ("O1/2", Some("b"), Some("1")),
            ("O2/1", Some("c"), Some("1.5")),
        ]
    );
    for (key, line) in &lines {
        let order = key.split('/').next().unwrap_or_default();
        assert_eq!(line["AccountId"], companies[order]["Id"], "{key}");
    }
}
