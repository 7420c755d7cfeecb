//! Orgs and rows that mean no good, or went wrong: a clear error in the end, bounded memory, no secret told, nothing
//! sent elsewhere.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{Org, Project, Ran, runtime};

/// What becomes of an answer.
pub(crate) enum Answer {
    /// It goes through as the org gave it.
    Pass,
    /// These bytes instead, and the connection closes.
    Bytes(Vec<u8>),
    /// These bytes again and again, behind a head, until nobody listens.
    Endless(Vec<u8>, Vec<u8>),
}

/// A request's first line, and how many of the same tampered kind came before.
type Tamper = dyn Fn(&str, usize) -> Answer + Send + Sync;

/// Stands before an org and tampers with what it says.
pub(crate) struct Proxy {
    pub(crate) base: String,
    /// Heads of all requests.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start(org: &str, tamper: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("an address").to_string();
        let there = org.trim_start_matches("http://").to_owned();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (log, base, own) = (Arc::clone(&seen), format!("http://{here}"), here.clone());
        let tamper: Arc<Tamper> = Arc::new(tamper);
        let tampered = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (there, own, log) = (there.clone(), own.clone(), Arc::clone(&log));
                let (tamper, tampered) = (Arc::clone(&tamper), Arc::clone(&tampered));
                thread::spawn(move || {
                    // A side that goes away ends it.
                    let _ = serve(connection, &there, &own, &log, &*tamper, &tampered);
                });
            }
        });
        Proxy { base, seen }
    }

    /// First lines of all requests.
    fn lines(&self) -> Vec<String> {
        let first = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        self.heads().iter().map(first).collect()
    }

    /// Heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

fn serve(
    mut from: TcpStream,
    there: &str,
    here: &str,
    log: &Mutex<Vec<String>>,
    tamper: &Tamper,
    tampered: &AtomicUsize,
) -> std::io::Result<()> {
    let Some((head, body)) = request(&mut from)? else {
        return Ok(());
    };
    let line = head.lines().next().unwrap_or_default().to_owned();
    log.lock().expect("no panic").push(head.clone());
    match tamper(&line, tampered.load(Ordering::Relaxed)) {
        Answer::Pass => {
            let mut to = TcpStream::connect(there)?;
            // Plain, so that addresses in it can be replaced, and ending with the connection.
            let mut asked = String::new();
            for (n, line) in head.lines().filter(|line| !line.is_empty()).enumerate() {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                let left_out = [
                    "host",
                    "accept-encoding",
                    "connection",
                    "transfer-encoding",
                    "content-length",
                ];
                if n == 0 || !left_out.contains(&name.as_str()) {
                    asked += &format!("{line}\r\n");
                }
            }
            asked += &format!(
                "host: {there}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            to.write_all(asked.as_bytes())?;
            to.write_all(&body)?;
            let mut answer = Vec::new();
            to.read_to_end(&mut answer)?;
            from.write_all(&replaced(&answer, there, here))?;
        }
        Answer::Bytes(bytes) => {
            tampered.fetch_add(1, Ordering::Relaxed);
            from.write_all(&bytes)?;
        }
        Answer::Endless(head, again) => {
            tampered.fetch_add(1, Ordering::Relaxed);
            from.write_all(&head)?;
            loop {
                from.write_all(&again)?;
            }
        }
    }
    from.flush()
}

/// Addresses of the same length, so that no length changes.
fn replaced(bytes: &[u8], there: &str, here: &str) -> Vec<u8> {
    assert_eq!(there.len(), here.len(), "{there} and {here}");
    let mut all = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = all[at..]
        .windows(there.len())
        .position(|window| window == there.as_bytes())
    {
        all[at + found..at + found + here.len()].copy_from_slice(here.as_bytes());
        at += found + here.len();
    }
    all
}

/// Head and body of a request.
fn request(from: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    let mut buffer = [0; 65_536];
    let end = loop {
        if let Some(end) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(None);
        }
        all.extend_from_slice(&buffer[..n]);
    };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().to_owned())
    };
    let mut body = all[end..].to_vec();
    if let Some(length) = header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        while body.len() < length {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            body.extend_from_slice(&buffer[..n]);
        }
        return Ok(Some((head, body)));
    }
    if header("transfer-encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            body.extend_from_slice(&buffer[..n]);
        }
        return Ok(Some((head, unchunked(&body))));
    }
    Ok(Some((head, body)))
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let Some(line) = body.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&body[..line]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
        if size == 0 || body.len() < line + 2 + size {
            break;
        }
        plain.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[(line + 4 + size).min(body.len())..];
    }
    plain
}

/// An answer of status 200, its length said.
fn good(kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    with_head(
        &format!("content-type: {kind}\r\ncontent-length: {}", body.as_ref().len()),
        body,
    )
}

fn with_head(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut all = format!("HTTP/1.1 200 OK\r\n{head}\r\nconnection: close\r\n\r\n").into_bytes();
    all.extend_from_slice(body.as_ref());
    all
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("packed");
    packer.finish().expect("packed")
}

/// The most memory that a run may take, in kibibytes, whatever the org says. (Builds without optimisation included.)
const MOST_MEMORY: u64 = 600 * 1024;

/// How long a run may take until it has given up.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs a command to its end, and no further than is bearable. Gives its peak memory (KiB) where the system tells.
pub(crate) fn bounded(project: &Project, args: &[&str]) -> (Ran, u64) {
    let mut child = project
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let (id, begun) = (child.id(), Instant::now());
    let mut peak = 0;
    while child.try_wait().expect("it is there").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let high = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(high.unwrap_or(0));
        if peak > MOST_MEMORY || begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let output = child.wait_with_output().expect("it ends");
            panic!(
                "{args:?}: {peak} KiB after {:?}\n{}",
                begun.elapsed(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        thread::sleep(Duration::from_millis(10));
    }
    (Ran::new(child.wait_with_output().expect("it ends"), args), peak)
}

const KEY: &str = "Legacy_Id__c: { type: Text(40), external_id: true, unique: true, case_sensitive: true }";

fn source_org(runtime: &tokio::runtime::Runtime) -> Org {
    let people = "seed: 3\nrecords:\n  - object: Contact\n    rows: [{ LastName: A }, { LastName: B }, { LastName: C }]\n";
    Org::start(runtime, "src", people)
}

fn target_org(runtime: &tokio::runtime::Runtime) -> Org {
    Org::start(
        runtime,
        "dst",
        &format!("seed: 4\nsobjects:\n  Contact:\n    fields:\n      {KEY}\n"),
    )
}

fn people(from: &str, to: &str) -> String {
    format!(
        "version: 1\nfrom: src\nto: dst\npolicy: {{ retry: {{ attempts: 2, backoff: 1ms..5ms }} }}\nsteps:\n  people:\n    source: {{ object: Contact, api: {from} }}\n    target: {{ key: Legacy_Id__c, api: {to} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Id }}\n"
    )
}

/// Points the credentials of one org at a proxy.
pub(crate) fn behind(project: &Project, org: &Org, proxy: &Proxy) {
    let text = project
        .read("credentials.yaml")
        .replace(&org.emulator.url(), &proxy.base);
    project.write("credentials.yaml", &text);
}

/// Whether a request asks for rows: not for a count, and not for what a run asks about the org.
fn asks_rows(line: &str) -> bool {
    line.contains("/query") && line.contains("Contact") && !line.to_lowercase().contains("count")
}

fn is_results(line: &str) -> bool {
    line.contains("/jobs/query/") && line.contains("/results")
}

/// One way to be hostile: which API, which requests, what they get, and what the user reads.
struct Case {
    name: &'static str,
    api: &'static str,
    of: fn(&str) -> bool,
    answer: Box<dyn Fn(usize) -> Answer + Send + Sync>,
    says: &'static [&'static str],
    exit: i32,
}

fn case(
    name: &'static str,
    api: &'static str,
    of: fn(&str) -> bool,
    answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    exit: i32,
    says: &'static [&'static str],
) -> Case {
    Case {
        name,
        api,
        of,
        answer: Box::new(answer),
        says,
        exit,
    }
}

const HTML: &str =
    "<!DOCTYPE html><html><head><title>Welcome to the hotel</title></head><body>Please log in</body></html>";

fn bytes(answer: Vec<u8>) -> impl Fn(usize) -> Answer + Send + Sync {
    move |_| Answer::Bytes(answer.clone())
}

fn page(records: &str, next: &str, total: u32) -> Vec<u8> {
    let body = format!(
        "{{\"totalSize\":{total},\"done\":false,\"nextRecordsUrl\":\"{next}\",\"records\":[{records}]}}"
    );
    good("application/json", body)
}

fn cases(elsewhere: &str) -> Vec<Case> {
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: {elsewhere}/q\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let person = "{\"attributes\":{\"type\":\"Contact\"},\"Id\":\"003000000000001AAA\",\"LastName\":\"A\"}";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(
        "{{\"totalSize\":1,\"done\":true,\"records\":[{{\"Id\":\"003000000000001AAA\",\"LastName\":{deep}}}]}}"
    );
    let spaces = gzip(&vec![b' '; 80 << 20]);
    let packed = |kind: &str, body: &[u8]| {
        with_head(
            &format!(
                "content-type: {kind}\r\ncontent-encoding: gzip\r\ncontent-length: {}",
                body.len()
            ),
            body,
        )
    };
    let csv = |head: &str, body: &str| {
        with_head(
            &format!(
                "content-type: text/csv\r\ncontent-length: {}\r\n{head}",
                body.len()
            ),
            body,
        )
    };
    let columns: Vec<String> = (0..1_000_000).map(|n| format!("\"c{n}\"")).collect();
    let columns = columns.join(",");
    let line = "\"003000000000001AAA\",\"A\"\n";
    vec![
        case(
            "a redirect of a query",
            "rest",
            asks_rows,
            bytes(redirect.clone().into_bytes()),
            1,
            &["redirects to `localhost`", "the token was not sent there"],
        ),
        case(
            "a redirect of the results",
            "bulk",
            is_results,
            bytes(redirect.clone().into_bytes()),
            1,
            &["redirects to `localhost`", "the token was not sent there"],
        ),
        case(
            "a redirect of the login",
            "rest",
            |line| line.contains("/oauth2/token"),
            bytes(redirect.into_bytes()),
            3,
            &["src"],
        ),
        case(
            "a page instead of a token",
            "rest",
            |line| line.contains("/oauth2/token"),
            bytes(good("text/html", HTML)),
            3,
            &["Welcome to the hotel"],
        ),
        case(
            "a page instead of the versions",
            "rest",
            |line| line.contains("/services/data "),
            bytes(good("text/html", HTML)),
            1,
            &["Welcome to the hotel", "url"],
        ),
        case(
            "a page instead of a describe",
            "rest",
            |line| line.contains("/describe"),
            bytes(good("text/html", HTML)),
            1,
            &["Welcome to the hotel"],
        ),
        case(
            "a page instead of rows",
            "rest",
            asks_rows,
            bytes(good("text/html", HTML)),
            1,
            &["Welcome to the hotel"],
        ),
        case(
            "a page instead of a job",
            "bulk",
            |line| line.starts_with("POST") && line.contains("/jobs/query"),
            bytes(good("text/html", HTML)),
            1,
            &["Welcome to the hotel"],
        ),
        case(
            "a page instead of CSV",
            "bulk",
            is_results,
            bytes(good("text/html", HTML)),
            1,
            &["a web page instead of CSV"],
        ),
        case(
            "JSON of 100,000 lists in each other",
            "rest",
            asks_rows,
            bytes(good("application/json", deep)),
            1,
            &["is not understood"],
        ),
        case(
            "pages without rows, without end",
            "rest",
            asks_rows,
            move |n| Answer::Bytes(page("", &format!("/services/data/v60.0/query/Contact-{n}"), 3)),
            1,
            &["the source announced 3 rows, and 0 arrived"],
        ),
        case(
            "one page again and again",
            "rest",
            asks_rows,
            move |_| Answer::Bytes(page(person, "/services/data/v60.0/query/Contact-1", 3)),
            1,
            &["the source announced 3 rows, and 4 arrived"],
        ),
        case(
            "a body shorter than was said",
            "rest",
            asks_rows,
            bytes(with_head(
                "content-type: application/json\r\ncontent-length: 5000",
                "{\"totalSize\":1,\"done\":true,",
            )),
            1,
            &["the connection broke"],
        ),
        case(
            "a body longer than was said",
            "rest",
            asks_rows,
            bytes(with_head(
                "content-type: application/json\r\ncontent-length: 20",
                "{\"totalSize\":1,\"done\":true,\"records\":[]}",
            )),
            1,
            &["ends too early"],
        ),
        case(
            "80 MiB in 80 KiB",
            "rest",
            asks_rows,
            bytes(packed("application/json", &spaces)),
            1,
            &["is larger than", "bytes"],
        ),
        case(
            "no gzip at all",
            "rest",
            asks_rows,
            bytes(packed("application/json", b"no gzip at all")),
            1,
            &["broke"],
        ),
        case(
            "a locator that leads back",
            "bulk",
            is_results,
            bytes(csv(
                "sforce-locator: Mg\r\nsforce-numberofrecords: 1",
                &format!("\"Id\",\"LastName\"\n{line}"),
            )),
            1,
            &["would never end"],
        ),
        case(
            "pages that go on",
            "bulk",
            is_results,
            move |n| Answer::Bytes(csv_page(n)),
            1,
            &["the source announced 3 rows, and 4 arrived"],
        ),
        case(
            "a million columns, and not the right ones",
            "bulk",
            is_results,
            bytes(csv("x-a: b", &format!("{columns}\n"))),
            1,
            &["no column"],
        ),
        case(
            "a quote that never closes",
            "bulk",
            is_results,
            |_| {
                Answer::Endless(
                    with_head(
                        "content-type: text/csv",
                        "\"Id\",\"LastName\"\n\"003000000000001AAA\",\"",
                    ),
                    vec![b'x'; 1 << 16],
                )
            },
            1,
            &["is larger than"],
        ),
        case(
            "a quote that never closes, packed",
            "bulk",
            is_results,
            bytes(packed(
                "text/csv",
                &gzip(
                    &[
                        b"\"Id\",\"LastName\"\n\"003000000000001AAA\",\"".to_vec(),
                        vec![b'x'; 80 << 20],
                    ]
                    .concat(),
                ),
            )),
            1,
            &["is larger than"],
        ),
        case(
            "a line that was cut",
            "bulk",
            is_results,
            bytes(csv(
                "sforce-numberofrecords: 2",
                "\"Id\",\"LastName\"\n\"003000000000001AAA\",\"A\"\n\"003000000000002AAA\",\"B",
            )),
            1,
            &["in the middle of a line"],
        ),
        case(
            "a line with too few cells",
            "bulk",
            is_results,
            bytes(csv("x-a: b", "\"Id\",\"LastName\"\n\"003000000000001AAA\"\n")),
            1,
            &["1 cells under a header of 2"],
        ),
        case(
            "CSV that is no text",
            "bulk",
            is_results,
            bytes(with_head(
                "content-type: text/csv\r\ncontent-length: 38",
                b"\"Id\",\"LastName\"\n\"003000000000001AA\",\xff\n",
            )),
            1,
            &["not UTF-8"],
        ),
    ]
}

fn csv_page(n: usize) -> Vec<u8> {
    let body = format!("\"Id\",\"LastName\"\n\"{n:018}\",\"A\"\n");
    with_head(
        &format!(
            "content-type: text/csv\r\nsforce-locator: L{n}\r\nsforce-numberofrecords: 1\r\ncontent-length: {}",
            body.len()
        ),
        body,
    )
}

#[test]
fn hostile_sources_come_to_a_clear_end() {
    let runtime = runtime();
    let (src, dst) = (source_org(&runtime), target_org(&runtime));
    let token = src.emulator.access_token();
    // The other host: it hears nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let elsewhere = format!(
        "http://localhost:{}",
        listener.local_addr().expect("an address").port()
    );
    let heard = Arc::new(AtomicUsize::new(0));
    let ears = Arc::clone(&heard);
    thread::spawn(move || {
        listener.incoming().for_each(|_| {
            ears.fetch_add(1, Ordering::Relaxed);
        })
    });
    let mut highest = 0;
    for case in cases(&elsewhere) {
        let Case {
            name,
            api,
            of,
            answer,
            says,
            exit,
        } = case;
        let proxy = Proxy::start(&src.emulator.url(), move |line, n| {
            if of(line) { answer(n) } else { Answer::Pass }
        });
        let project = Project::new(&src, &dst);
        behind(&project, &src, &proxy);
        project.write("people.yaml", &people(api, "rest"));
        let begun = Instant::now();
        let (ran, peak) = bounded(&project, &["run", "people.yaml"]);
        highest = highest.max(peak);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            proxy.lines().iter().any(|line| of(line)),
            "{name}: {:?}",
            proxy.lines()
        );
        assert_eq!(ran.code, Some(exit), "{name}: {all}");
        for words in says {
            assert!(all.contains(words), "{name}: `{words}` is not in {all}");
        }
        assert!(all.contains("error:"), "{name}: {all}");
        assert!(
            all.len() < 6_000,
            "{name}: {} bytes are no clear words",
            all.len()
        );
        for secret in ["-secret-5up3r", token.as_str()] {
            assert!(!all.contains(secret), "{name}: {all}");
        }
        assert!(begun.elapsed() < PATIENCE, "{name}");
    }
    assert_eq!(heard.load(Ordering::Relaxed), 0, "nothing goes to another host");
    assert!(
        dst.emulator.count("Contact") <= 3,
        "no more than the org ever named"
    );
    println!("the most memory of a run: {highest} KiB");
}

#[test]
fn hostile_targets_come_to_a_clear_end() {
    let runtime = runtime();
    let src = source_org(&runtime);
    let writes: fn(&str) -> bool = |line| line.contains("/composite/sobjects");
    let uploads: fn(&str) -> bool = |line| line.starts_with("PUT") && line.contains("/jobs/ingest");
    let results: fn(&str) -> bool = |line| line.contains("/jobs/ingest/") && line.contains("Results");
    for (name, api, of, answer) in [
        ("a page instead of answers", "rest", writes, good("text/html", HTML)),
        ("answers in each other", "rest", writes, good("application/json", "[".repeat(100_000))),
        ("too few answers", "rest", writes, good("application/json", "[]")),
        ("a redirect of an upload", "bulk", uploads, b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://localhost:1/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()),
        ("a page instead of results", "bulk", results, good("text/html", HTML)),
        ("results of other rows", "bulk", results, good("text/csv", "\"sf__Id\",\"sf__Created\",\"Legacy_Id__c\"\n\"003000000000001AAA\",\"true\",\"nobody\"\n")),
        ("results that were cut", "bulk", results, good("text/csv", "\"sf__Id\",\"sf__Created\",\"Legacy_Id__c\"\n\"003000000000001AAA\",\"tr")),
    ] {
        let dst = target_org(&runtime);
        let proxy = Proxy::start(&dst.emulator.url(), move |line, _| if of(line) { Answer::Bytes(answer.clone()) } else { Answer::Pass });
        let project = Project::new(&src, &dst);
        behind(&project, &dst, &proxy);
        project.write("people.yaml", &people("rest", api));
        let (ran, _) = bounded(&project, &["run", "people.yaml", "--report", "json=report.json"]);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(proxy.lines().iter().any(|line| of(line)), "{name}: {:?}", proxy.lines());
        // Rows whose end is not known are parked, or the run ends; either way it is said.
        assert!(matches!(ran.code, Some(1 | 4)), "{name}: {:?}: {all}", ran.code);
        assert!(all.len() < 8_000, "{name}: {} bytes are no clear words", all.len());
        assert!(!all.contains("-secret-5up3r"), "{name}: {all}");
        let report: serde_json::Value = serde_json::from_str(&project.read("report.json")).expect("JSON");
        let created = report["totals"]["created"].as_u64().expect("a count");
        assert_eq!(created, 0, "{name}: nothing is taken for written that nobody said was: {all}");
    }
}

/// Texts that break what is not careful: every quoting of CSV, every plane of Unicode, and the longest field there is.
fn texts() -> Vec<(&'static str, String)> {
    let longest = |unit: &str| unit.chars().cycle().take(131_072).collect::<String>();
    // Every character that a text field keeps as it is: no controls but the tabulator and the line feed, no
    // surrogates, and no white space at the ends.
    let all: String = (0x20..0xD800)
        .chain(0xE000..0xFFFE)
        .chain((0x1_0000..0x11_0000).step_by(61))
        .filter_map(char::from_u32)
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .collect();
    vec![
        ("longest", longest("abcdefghij")),
        ("longest_wide", longest("äß€")),
        // (A quote is two characters in CSV, and an org counts those.)
        ("longest_quotes", "\"".repeat(65_000)),
        (
            "longest_lines",
            format!("a{}b", longest("\n,\"").chars().take(90_000).collect::<String>()),
        ),
        ("unicode", format!("a{all}b")),
        ("quotes", "\"".into()),
        ("two_quotes", "\"\"".into()),
        ("quote_comma", "a\",\"b".into()),
        ("comma", ",".into()),
        ("lines", "a\nb\n\nc".into()),
        ("quote_line", "\"\n\"".into()),
        ("tab", "a\tb".into()),
        ("na", "#N/A!".into()),
        ("null_word", "null".into()),
        ("backslash", "\\N\\".into()),
        ("formula", "=1+1".into()),
        ("direction", "a\u{202e}b\u{200d}c\u{feff}d".into()),
        ("combined", "e\u{301} 👩‍👩‍👧‍👦 🏳️‍🌈".into()),
        ("braces", "{{ Name }} {% raw %} ${HOME}".into()),
        ("soql", "' OR Id != '".into()),
    ]
}

#[test]
fn wide_values_and_all_of_unicode_travel_whole() {
    let runtime = runtime();
    let notes = "Notes__c: { type: LongTextArea(131072) }";
    let src = Org::start(
        &runtime,
        "src",
        &format!("seed: 3\nsobjects:\n  Contact:\n    fields:\n      {notes}\n"),
    );
    let texts = texts();
    for (name, text) in &texts {
        let body = serde_json::json!({ "LastName": name, "Notes__c": text });
        src.ask(&runtime, reqwest::Method::POST, "/sobjects/Contact", &body);
    }
    let held: BTreeMap<String, Option<String>> = src
        .dump("Contact", "LastName")
        .into_iter()
        .map(|(name, row)| (name, row["Notes__c"].clone()))
        .collect();
    for (from, to) in [
        ("rest", "rest"),
        ("bulk", "bulk"),
        ("rest", "bulk"),
        ("bulk", "rest"),
    ] {
        let dst = Org::start(
            &runtime,
            "dst",
            &format!("seed: 4\nsobjects:\n  Contact:\n    fields:\n      {KEY}\n      {notes}\n"),
        );
        let project = Project::new(&src, &dst);
        project.write(
            "people.yaml",
            &people(from, to).replace("[LastName]", "[LastName, Notes__c]"),
        );
        let (ran, _) = bounded(&project, &["run", "people.yaml"]);
        ran.exits(0);
        let there = dst.dump("Contact", "LastName");
        for (name, text) in &held {
            let found = &there[name]["Notes__c"];
            assert!(
                found == text,
                "{from} to {to}: {name}: {} bytes became {}",
                text.as_deref().map_or(0, str::len),
                found.as_deref().map_or(0, str::len)
            );
        }
    }
    // The emulated org has taken them as they were sent, so that the comparison says something.
    let longest = held["longest"].as_deref().unwrap_or_default();
    assert_eq!(longest.chars().count(), 131_072);
}
