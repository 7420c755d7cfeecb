//! No secret is anywhere but where the user put it: not in what a run says, logs, reports, or keeps.

use std::{
    fs,
    path::{Path, PathBuf},
};

use orgferry::emulator::{Effect, Fault, FaultAnswer};

use crate::support::{Org, Project, runtime};

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The words of a text that look like a Salesforce session: an org's 15-character Id, `!`, and a tail.
fn tokens(text: &str) -> Vec<&str> {
    text.match_indices('!')
        .filter_map(|(at, _)| {
            let id = text.get(at.checked_sub(15)?..at)?;
            let tail = text.get(at + 1..at + 9)?;
            let plain = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric());
            (id.starts_with("00D") && plain(id) && plain(tail)).then(|| &text[at - 15..at + 9])
        })
        .collect()
}

/// Runs of every kind of end, as talkative as they can be: good, refused, troubled, wrong.
#[test]
fn no_secret_is_said_logged_reported_or_kept() {
    let runtime = runtime();
    let people = "seed: 3\nrecords:\n  - object: Contact\n    generate: { count: 300, fields: { LastName: \"P{n}\" } }\n";
    let src = Org::start(&runtime, "src", people);
    let legacy = "sobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: { type: Text(40), external_id: true, unique: true }\n";
    let dst = Org::start(&runtime, "dst", &format!("seed: 4\n{legacy}"));
    let project = Project::new(&src, &dst);
    let given = dst.emulator.access_token();
    let credentials = project.read("credentials.yaml");
    // A third way in: a token from elsewhere, and a header of the user's own.
    let more = credentials
        .replace(
            "named_credentials:\n",
            "  EC_given: { protocol: oauth2, flow: access_token, principals: { Main: { access_token: { env: GIVEN_TOKEN } } } }\nnamed_credentials:\n",
        )
        + &format!("  given: {{ url: {}, external_credential: EC_given }}\n", dst.emulator.url());
    project.write("credentials.yaml", &more);
    let mut said: Vec<(String, String)> = Vec::new();
    let mut run = |args: &[&str], expected: i32| {
        for log in [
            &["--log-level", "trace"][..],
            &["--log-level", "trace", "--log-format", "json"],
        ] {
            let args = [args, log].concat();
            let output = project
                .command(&args)
                .env("GIVEN_TOKEN", &given)
                .output()
                .expect("the binary runs");
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(output.status.code(), Some(expected), "{args:?}\n{text}");
            assert!(text.len() > 200, "{args:?} says what it does: {text}");
            said.push((args.join(" "), text));
        }
    };
    for (name, to, api) in [
        ("rest", "dst", "rest"),
        ("bulk", "dst", "bulk"),
        ("given", "given", "bulk"),
    ] {
        let yaml = format!(
            "version: 1\nfrom: src\nto: {to}\npolicy: {{ retry: {{ attempts: 3, backoff: 10ms..20ms }} }}\nsteps:\n  people:\n    source: {{ object: Contact, api: {api} }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Id }}\n"
        );
        project.write(&format!("{name}.yaml"), &yaml);
    }
    run(&["run", "rest.yaml", "--report", "json=rest.json"], 0);
    run(&["run", "bulk.yaml"], 0);
    run(&["run", "given.yaml"], 0);
    // Sessions end; the org stumbles; it repeats what it was sent, as proxies do.
    src.emulator.add_fault(Fault::new(Effect::ExpireToken).every(3));
    run(&["run", "rest.yaml"], 0);
    src.emulator.clear_faults();
    let echo = FaultAnswer {
        status: 400,
        code: Some("INVALID_SESSION_ID".to_owned()),
        message: format!("no session Bearer {given} for client_secret=dst-secret-5up3r"),
        retry_after: None,
    };
    dst.emulator
        .add_fault(Fault::new(Effect::Answer(echo)).on_path("/composite"));
    run(&["run", "rest.yaml"], 5);
    dst.emulator.clear_faults();
    dst.emulator
        .add_fault(Fault::new(Effect::TruncateBody).on_path("/services/oauth2"));
    run(&["run", "rest.yaml"], 3);
    dst.emulator.clear_faults();
    // A token that is over cannot be renewed.
    dst.emulator.expire_tokens();
    run(&["run", "given.yaml"], 3);

    let basic = |name: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{name}-id:{name}-secret-5up3r"))
    };
    let secrets = [
        "src-secret-5up3r".to_owned(),
        "dst-secret-5up3r".to_owned(),
        basic("src"),
        basic("dst"),
        given.clone(),
        given.replace('!', "%21"),
    ];
    for path in files(&project.path("")) {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
        said.push((path.display().to_string(), text));
    }
    assert!(said.iter().any(|(place, _)| place.ends_with("state.db")));
    for (place, text) in &said {
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "a secret is in {place}: {secret}"
            );
        }
        assert_eq!(tokens(text), Vec::<&str>::new(), "a token is in {place}");
    }
}

#[test]
fn a_token_is_known_when_it_is_seen() {
    assert_eq!(
        tokens("Bearer 00Dxx0000001gPF!AQEAQabcdef"),
        ["00Dxx0000001gPF!AQEAQabc"]
    );
    assert!(tokens("Oh no! 00Dxx0000001gPF! It is over!").is_empty());
}
