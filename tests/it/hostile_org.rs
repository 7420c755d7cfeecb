//! An org that answers what no org should: the run ends soon, with a clear error, in bounded memory, and tells no secret.

use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;

use crate::support::{Org, Project, Ran, runtime};

/// What a front answers itself, by method and path; everything else goes to the org behind it.
type Script = dyn Fn(&str, &str) -> Option<Response> + Send + Sync;

#[derive(Clone)]
struct Front {
    org: String,
    script: Arc<Script>,
    http: reqwest::Client,
}

/// Serves a front of an org; its URL.
fn front(
    runtime: &tokio::runtime::Runtime,
    org: &Org,
    script: impl Fn(&str, &str) -> Option<Response> + Send + Sync + 'static,
) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let state = Front {
        org: org.emulator.url(),
        script: Arc::new(script),
        http: reqwest::Client::new(),
    };
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let app = axum::Router::new().fallback(pass).with_state(state);
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    })
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |t| t.as_str());
    if let Some(answer) = (front.script)(parts.method.as_str(), target) {
        return answer;
    }
    let body = axum::body::to_bytes(body, 1 << 26).await.expect("a body");
    let mut asked = front
        .http
        .request(parts.method, format!("{}{target}", front.org))
        .body(body);
    for (name, value) in &parts.headers {
        if name != header::HOST && name != header::CONTENT_LENGTH {
            asked = asked.header(name, value);
        }
    }
    let answer = asked.send().await.expect("the org answers");
    let mut out = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
            out = out.header(name, value);
        }
    }
    out.body(Body::from(answer.bytes().await.expect("a body")))
        .expect("an answer")
}

fn json(text: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

/// A body of so many pieces, made as they are sent.
fn long(kind: &'static str, first: &str, piece: &'static [u8], pieces: usize) -> Response {
    let first = Bytes::from(first.to_owned());
    let pieces = std::iter::once(first).chain((0..pieces).map(move |_| Bytes::from_static(piece)));
    let body = Body::from_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)));
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// How a run ended: its words, the most memory it took (kB), and how long it took.
struct Ended {
    ran: Ran,
    memory: u64,
    time: Duration,
}

/// Runs a pipeline of one step whose source is a front.
fn run(project: &Project, source: &str, token: &str, api: &str) -> Ended {
    let org = "  EC_front: { protocol: oauth2, flow: access_token, principals: { P: { access_token: { env: FRONT } } } }\nnamed_credentials:\n";
    let credentials = project
        .read("credentials.yaml")
        .replace("named_credentials:\n", org)
        + &format!("  front: {{ url: {source}, external_credential: EC_front }}\n");
    project.write("front.yaml", &credentials);
    project.write(
        "p.yaml",
        &format!(
            "version: 1\ncredentials: front.yaml\nfrom: front\nto: dst\npolicy: {{ retry: {{ attempts: 3, backoff: 5ms..20ms }} }}\nsteps:\n  people:\n    source: {{ object: Contact, api: {api} }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [LastName, Description]\n    map: {{ Legacy_Id__c: Id }}\n"
        ),
    );
    let args = ["run", "p.yaml", "--progress", "none"];
    let mut command: Command = project.command(&args);
    command
        .env("FRONT", token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().expect("the binary runs");
    let mut memory = 0;
    while child.try_wait().expect("a process").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        memory = memory.max(peak.unwrap_or(0));
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().expect("it is there");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let time = begun.elapsed();
    Ended {
        ran: Ran::new(child.wait_with_output().expect("its words"), &args),
        memory,
        time,
    }
}

#[test]
fn answers_that_no_org_should_give_end_the_run_and_nothing_else() {
    let runtime = runtime();
    let people = "seed: 3\nquery_page_size: 20\nrecords:\n  - object: Contact\n    generate: { count: 60, fields: { LastName: \"P{n}\" } }\n";
    let src = Org::start(&runtime, "src", people);
    let legacy = "seed: 4\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: { type: Text(40), external_id: true, unique: true }\n";
    let dst = Org::start(&runtime, "dst", legacy);
    let project = Project::new(&src, &dst);
    // Who should never be asked, least of all with a token.
    let thief: Arc<Mutex<Vec<String>>> = Arc::default();
    let stolen = thief.clone();
    let den = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let app = axum::Router::new().fallback(move |request: Request| async move {
            let headers = format!("{} {:?}", request.uri(), request.headers());
            stolen.lock().expect("no panic").push(headers);
            "[]"
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    });
    type Answer = Box<dyn Fn() -> Response + Send + Sync>;
    let query = "FROM+Contact";
    let results = "/results";
    let describe = "/sobjects/Contact/describe";
    static ZEROS: [u8; 1 << 20] = [b'0'; 1 << 20];
    let redirect = move || (StatusCode::FOUND, [(header::LOCATION, den.clone())]).into_response();
    let cases: Vec<(&str, &str, &str, Answer)> = vec![
        (
            "a describe of two hundred thousand brackets",
            describe,
            "rest",
            Box::new(|| json("[".repeat(200_000))),
        ),
        (
            "a describe that is a number",
            describe,
            "rest",
            Box::new(|| json("7")),
        ),
        (
            "rows of two hundred thousand brackets",
            query,
            "rest",
            Box::new(|| {
                json(format!(
                    "{{\"totalSize\":1,\"done\":true,\"records\":[{{\"Id\":{}",
                    "[".repeat(200_000)
                ))
            }),
        ),
        (
            "pages without end",
            "/query",
            "rest",
            Box::new(|| {
                json(
                    "{\"totalSize\":60,\"done\":false,\"nextRecordsUrl\":\"/services/data/v60.0/query/01gxx0000000001AAA-20\",\"records\":[{\"attributes\":{\"type\":\"Contact\"},\"Id\":\"003xx0000000001AAA\",\"LastName\":\"P\",\"Description\":null}]}",
                )
            }),
        ),
        (
            "a page that is HTML",
            query,
            "rest",
            Box::new(|| {
                (
                    [(header::CONTENT_TYPE, "text/html")],
                    "<!DOCTYPE html><title>Sign in</title>",
                )
                    .into_response()
            }),
        ),
        (
            "a page that says it is longer",
            query,
            "rest",
            Box::new(|| {
                (
                    [(header::CONTENT_LENGTH, "5000")],
                    Body::from_stream(stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(
                        b"{\"records\":[",
                    ))])),
                )
                    .into_response()
            }),
        ),
        (
            "a page without end",
            query,
            "rest",
            Box::new(|| long("application/json", "{\"records\":[\"", &ZEROS, 3_000)),
        ),
        (
            "a redirect to another host",
            query,
            "rest",
            Box::new(redirect.clone()),
        ),
        (
            "a header of a million columns",
            results,
            "bulk",
            Box::new(|| {
                let header: String = (0..1_000_000).map(|n| format!("C{n},")).collect();
                ([(header::CONTENT_TYPE, "text/csv")], format!("{header}Id\n")).into_response()
            }),
        ),
        (
            "a cell without end",
            results,
            "bulk",
            Box::new(|| {
                long(
                    "text/csv",
                    "\"Id\",\"LastName\",\"Description\"\n\"003\",\"",
                    &ZEROS,
                    3_000,
                )
            }),
        ),
        (
            "results that are HTML",
            results,
            "bulk",
            Box::new(|| {
                (
                    [(header::CONTENT_TYPE, "text/html")],
                    "<!DOCTYPE html><title>Sign in</title>",
                )
                    .into_response()
            }),
        ),
        ("results to be had elsewhere", results, "bulk", Box::new(redirect)),
    ];
    for (what, path, api, answer) in cases {
        let token = src.emulator.access_token();
        let url = front(&runtime, &src, move |_, target| {
            let target = target.replace("%20", "+");
            (target.contains(path) || path == query && target.contains("/query/")).then(&answer)
        });
        let Ended { ran, memory, time } = run(&project, &url, &token, api);
        let code = ran.code;
        assert!(matches!(code, Some(1..=3)), "{what}: {code:?}\n{}", ran.stderr);
        assert!(ran.stderr.contains("error"), "{what}: {}", ran.stderr);
        assert!(
            ran.stderr.len() < 20_000,
            "{what}: {} bytes of words",
            ran.stderr.len()
        );
        assert!(!ran.stderr.contains(&token), "{what}: {}", ran.stderr);
        assert!(memory < 600_000, "{what}: {memory} kB");
        assert!(time < Duration::from_secs(40), "{what}: {time:?}");
        eprintln!("{what}: {code:?}, {memory} kB, {time:?}\n{}", ran.stderr);
        assert_eq!(dst.emulator.count("Contact"), 0, "{what}");
    }
    assert_eq!(thief.lock().expect("no panic").as_slice(), [] as [String; 0]);
}
