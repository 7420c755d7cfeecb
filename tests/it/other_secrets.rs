//! The secrets that are not an org's: keys of APIs in headers and in parameters, passwords, the key of `mask`, the
//! address of the state. Real runs, good ones and failing ones, at the most talkative log level; then every byte that they
//! printed or left behind is searched for them, however they could be written, and for every token that authorised a call.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    hostile::{Answer, Proxy},
    postgres::testing,
    support::{Org, runtime},
};

/// What no output may hold; each is used by the runs below.
const API_KEY: &str = "k3y-of-the-api/with+signs=";
const PASSWORD: &str = "p4ssw0rd of basic: ö";
const QUERY_KEY: &str = "qu3ry-secret&of=the api";
const MASK_KEY: &str = "m4sk-key-that-is-long-enough";

/// An API of one page, which has its own idea of who may read it.
fn api(status: &'static str) -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = seen.clone();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut all = Vec::new();
            let mut buffer = [0; 8192];
            while !all.windows(4).any(|window| window == b"\r\n\r\n") {
                match connection.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => all.extend_from_slice(&buffer[..n]),
                }
            }
            log.lock()
                .expect("no panic")
                .push(String::from_utf8_lossy(&all).into_owned());
            let body = "[{\"Id\":\"p1\",\"Name\":\"N1\",\"Email\":\"n1@people.example\"}]";
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    (base, seen)
}

/// What a run has to do with, in the forms in which it could be told.
#[derive(Default)]
struct Secrets(BTreeSet<(String, Vec<u8>)>);

impl Secrets {
    fn add(&mut self, name: &str, secret: &str) {
        assert!(
            secret.len() >= 8,
            "{name} is too short to be searched for: {secret}"
        );
        let encoded =
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let json = serde_json::Value::from(secret).to_string();
        for form in [
            secret,
            &encoded,
            &form,
            json.trim_matches('"'),
            &BASE64_STANDARD.encode(secret),
        ] {
            self.0.insert((name.to_owned(), form.as_bytes().to_vec()));
        }
    }

    /// Fails when bytes hold one of them.
    fn absent(&self, place: &str, bytes: &[u8]) {
        for (name, secret) in &self.0 {
            let found = bytes.windows(secret.len()).position(|window| window == secret);
            assert!(
                found.is_none(),
                "{name} is in {place}: ...{}",
                String::from_utf8_lossy(&bytes[found.unwrap_or(0).saturating_sub(80)..][..80])
            );
        }
    }
}

/// Every file below a folder, but the ones that a user wrote.
fn left_behind(folder: &Path, visit: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            left_behind(&path, visit);
        } else {
            visit(&path, &fs::read(&path).expect("the file"));
        }
    }
}

/// Whatever stands behind `Authorization:` and its like.
fn tokens(heads: &[String]) -> BTreeSet<String> {
    heads
        .iter()
        .flat_map(|head| head.lines())
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| {
            value
                .trim()
                .split_once(' ')
                .map_or(value.trim(), |(_, token)| token)
                .to_owned()
        })
        .collect()
}

const PIPELINE: &str = "version: 1\nfrom: src\nto: dst\npolicy: { retry: { attempts: 2, backoff: 1ms..5ms } }\nsteps:\n  people:\n    source: { object: Contact, api: bulk }\n    target: { key: Legacy_Id__c, api: rest }\n    copy: [LastName]\n    map:\n      Legacy_Id__c: Id\n      Email: { mask: email, of: Email }\n  others:\n    source:\n      http:\n        get: callout:keyed/people\n        query: { api_key: { var: query_key } }\n    target: { object: Contact, key: Legacy_Id__c, api: bulk }\n    map: { Legacy_Id__c: Id, LastName: Name }\n  more:\n    source: { http: { get: callout:basic/people } }\n    target: { csv: out/more.csv }\n    copy: [Id]\n";

/// The project, its credentials pointing at the given addresses.
fn write_project(folder: &Path, src: &str, dst: &str, api: &str, state: &str) {
    let credentials = format!(
        "version: 1\nexternal_credentials:\n  EC_src:\n    protocol: oauth2\n    flow: client_credentials\n    identity_provider_url: {src}/services/oauth2/token\n    pass_client_credentials_in_body: false\n    principals: {{ Main: {{ client_id: {{ env: SRC_ID }}, client_secret: {{ env: SRC_SECRET }} }} }}\n  EC_dst:\n    protocol: oauth2\n    flow: access_token\n    principals: {{ Main: {{ access_token: {{ file: token.txt }} }} }}\n  EC_key:\n    protocol: custom\n    principals: {{ Main: {{ api_key: {{ env: API_KEY }} }} }}\n  EC_basic:\n    protocol: basic\n    principals: {{ Main: {{ username: reader, password: {{ env: BASIC_PASSWORD }} }} }}\nnamed_credentials:\n  src: {{ url: {src}, external_credential: EC_src }}\n  dst: {{ url: {dst}, external_credential: EC_dst }}\n  keyed: {{ url: {api}, external_credential: EC_key, headers: {{ X-Api-Key: {{ parameter: api_key }} }} }}\n  basic: {{ url: {api}, external_credential: EC_basic }}\n"
    );
    fs::write(folder.join("credentials.yaml"), credentials).expect("written");
    let project = format!(
        "version: 1\nstate: {state}\nmask_key: {{ env: MASK_KEY }}\nvars: {{ query_key: {{ env: QUERY_KEY }} }}\n"
    );
    fs::write(folder.join("orgferry.yaml"), project).expect("written");
    fs::write(folder.join("people.yaml"), PIPELINE).expect("written");
}

#[test]
fn secrets_are_in_no_output_log_report_or_state() {
    let runtime = runtime();
    let people = "seed: 3\nrecords:\n  - object: Contact\n    rows: [{ LastName: A, Email: a@x.example }, { LastName: B, Email: b@x.example }]\n";
    let src = Org::start(&runtime, "src", people);
    let key = "Legacy_Id__c: { type: Text(40), external_id: true, unique: true, case_sensitive: true }";
    let server = testing::shared();
    if let Some(server) = server {
        server.sql("postgres", "CREATE DATABASE secrets");
    }
    let (good, good_seen) = api("200 OK");
    let (refusing, refusing_seen) = api("401 Unauthorized");

    // What goes right, what is refused, what goes wrong in the middle, and what cannot even begin.
    let refuse = "faults:\n  - then:\n      reject_rows: { object: Contact, share: 100%, code: FIELD_CUSTOM_VALIDATION_EXCEPTION, message: \"no\", fields: [Email] }\n";
    let mut searched = (0, 0);
    for (name, sqlite, faults, api, wrong, codes) in [
        ("a good run", true, "", &good, None, &[0][..]),
        ("a good run, its state on a server", false, "", &good, None, &[0]),
        ("rows that are refused", true, refuse, &good, None, &[4]),
        ("an API that refuses", true, "", &refusing, None, &[1, 3]),
        (
            "a wrong client secret",
            true,
            "",
            &good,
            Some(("SRC_SECRET", "wr0ng-client-s3cret")),
            &[3],
        ),
        (
            "a wrong token",
            true,
            "",
            &good,
            Some(("token.txt", "00Dwr0ng!t0ken-of-the-target")),
            &[3],
        ),
        (
            "a wrong password of the state",
            false,
            "",
            &good,
            Some(("STATE_URL", "wr0ng-st4te-password")),
            &[1],
        ),
        (
            "a broken address of the state",
            false,
            "",
            &good,
            Some(("STATE_URL", "br0ken/st4te#password")),
            &[2],
        ),
    ] {
        if !sqlite && server.is_none() {
            continue;
        }
        let dst = Org::start(
            &runtime,
            "dst",
            &format!("seed: 4\nsobjects:\n  Contact:\n    fields:\n      {key}\n{faults}"),
        );
        let before = Proxy::start(&src.emulator.url(), |_, _| Answer::Pass);
        let behind = Proxy::start(&dst.emulator.url(), |_, _| Answer::Pass);
        let folder = tempfile::tempdir().expect("a folder");
        let state = if sqlite {
            "{ sqlite: .orgferry/state.db }"
        } else {
            "{ postgres: { env: STATE_URL } }"
        };
        write_project(folder.path(), &before.base, &behind.base, api, state);
        let mut token = dst.emulator.access_token();
        let mut client_secret = "src-secret-5up3r".to_owned();
        let mut url = server.map(|server| server.url("secrets")).unwrap_or_default();
        let mut state_password = testing::PASSWORD.to_owned();
        match wrong {
            Some(("SRC_SECRET", secret)) => client_secret = secret.to_owned(),
            Some(("token.txt", secret)) => token = secret.to_owned(),
            Some((_, secret)) => {
                url = url.replace(testing::PASSWORD, secret);
                state_password = secret.to_owned();
            }
            None => {}
        }
        fs::write(folder.path().join("token.txt"), format!("{token}\n")).expect("written");
        let run = |args: &[&str]| {
            Command::new(env!("CARGO_BIN_EXE_orgferry"))
                .args(args)
                .current_dir(folder.path())
                .env_clear()
                .env("RUST_LOG", "trace")
                .env("SRC_ID", "src-id")
                .env("SRC_SECRET", &client_secret)
                .env("API_KEY", API_KEY)
                .env("BASIC_PASSWORD", PASSWORD)
                .env("QUERY_KEY", QUERY_KEY)
                .env("MASK_KEY", MASK_KEY)
                .env("STATE_URL", &url)
                .output()
                .expect("the binary runs")
        };
        let mut told = Vec::new();
        for args in [
            &[
                "run",
                "people.yaml",
                "--log-level",
                "trace",
                "--report",
                "json=report.json",
            ][..],
            &[
                "run",
                "people.yaml",
                "--log-level",
                "trace",
                "--log-format",
                "json",
                "--progress",
                "lines",
            ],
            &["runs", "--format", "json"],
            &["report", "last", "--format", "json"],
            &["report", "last", "--parked", "people"],
            &["validate", "--format", "json"],
        ] {
            let output = run(args);
            if args[0] == "run" {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(
                    codes.contains(&output.status.code().unwrap_or(-1)),
                    "{name}: {:?}: {text}",
                    output.status
                );
            }
            told.push((args.join(" "), [output.stdout, output.stderr].concat()));
        }
        if wrong.is_none() {
            let trace = String::from_utf8_lossy(&told[0].1).into_owned();
            assert!(
                trace.contains("TRACE"),
                "{name}: the log is not as talkative as it can be: {trace}"
            );
        }

        let mut secrets = Secrets::default();
        for (what, secret) in [
            ("the client secret", client_secret.as_str()),
            ("the token of the target", &token),
            ("the API's key", API_KEY),
            ("the password", PASSWORD),
            ("the parameter of the query", QUERY_KEY),
            ("the mask key", MASK_KEY),
            ("the state's password", &state_password),
        ] {
            secrets.add(what, secret);
        }
        let mut given = tokens(&before.heads());
        given.extend(tokens(&behind.heads()));
        for seen in [&good_seen, &refusing_seen] {
            given.extend(tokens(&seen.lock().expect("no panic")));
        }
        if wrong.is_none() {
            assert!(given.len() >= 2, "{name}: the runs used {given:?}");
        }
        for token in &given {
            secrets.add("what authorised a call", token);
        }
        for (args, bytes) in &told {
            secrets.absent(&format!("{name}: the output of `{args}`"), bytes);
            searched.0 += bytes.len();
        }
        let mut files = 0;
        left_behind(folder.path(), &mut |path, bytes| {
            if path.file_name().is_some_and(|file| file != "token.txt") {
                secrets.absent(&format!("{name}: {}", path.display()), bytes);
                files += 1;
                searched.1 += bytes.len();
            }
        });
        assert!(
            files > 3 || wrong.is_some() && files == 3,
            "{name}: {files} files"
        );
        if let Some(server) = server.filter(|_| !sqlite && wrong.is_none()) {
            let dump = server.sql("secrets", "SELECT schema_to_xml('orgferry', true, false, '')");
            assert!(dump.contains("people"), "the dump has the runs: {dump}");
            secrets.absent(&format!("{name}: the database"), dump.as_bytes());
        }
    }
    // What is searched for was there to be found.
    let heard = good_seen.lock().expect("no panic").concat();
    assert!(
        heard.contains(API_KEY) && heard.contains("qu3ry-secret"),
        "{heard}"
    );
    assert!(
        heard.contains(&BASE64_STANDARD.encode(format!("reader:{PASSWORD}"))),
        "{heard}"
    );
    println!(
        "searched {} bytes of output and {} bytes of files",
        searched.0, searched.1
    );
}
