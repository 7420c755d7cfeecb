//! No file, however broken, stops `validate` from answering: soon, in words, and on a small stack.

use std::{
    sync::{LazyLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use crate::breaking::{
    Ground, OTHERS, Place, accidents, another_value, broken, corpus, keys, noise, tokens, tree,
};

/// Work on a stack as threads have it that nobody asked for more.
fn on_a_small_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(2 << 20);
        let thread = thread.spawn_scoped(scope, work).expect("a thread");
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A right pipeline whose `map` goes on with these lines.
fn mapped(lines: &str) -> String {
    format!(
        "version: 1\nfrom: hq\nto: emea\nsteps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ object: Account, key: Legacy_Id__c }}\n    map:\n      Legacy_Id__c: Id\n{lines}"
    )
}

fn expression(text: &str) -> String {
    mapped(&format!("      Name: \"{text}\"\n"))
}

fn query(text: &str) -> String {
    expression("Name").replace("{ object: Account }", &format!("{{ soql: \"{text}\" }}"))
}

/// Ten of the level before in each of the levels.
fn laughs(levels: usize) -> String {
    let mut text = "version: 1\nvars:\n  a0: &a0 [x]\n".to_owned();
    for level in 1..levels {
        let ten = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("  a{level}: &a{level} [{ten}]\n");
    }
    text + "steps: {}\n"
}

fn steps(count: usize, step: impl Fn(usize) -> String) -> String {
    let all: String = (0..count)
        .map(|at| {
            format!(
                "  s{at}: {{ target: {{ object: A, key: K }}, map: {{ K: Id }}, {} }}\n",
                step(at)
            )
        })
        .collect();
    format!("version: 1\nfrom: hq\nto: emea\nsteps:\n{all}")
}

/// What is built to do harm: the file, and a code that has to be among the findings; none: it may pass.
fn hostile() -> Vec<(&'static str, String, Option<&'static str>)> {
    const MANY: usize = 10_000;
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let yaml = Some("yaml-syntax");
    let large = Some("too-large");
    let syntax = Some("expression-syntax");
    let template = Some("template-syntax");
    let soql = Some("soql-syntax");
    vec![
        ("lists never closed", deep("[", "", "", MANY), yaml),
        ("lists", format!("a: {}", deep("[", "", "]", MANY)), yaml),
        ("maps never closed", "{a: ".repeat(MANY), yaml),
        ("maps", deep("{a: ", "1", "}", MANY), yaml),
        ("lists and maps", format!("a: {}", "[{a: ".repeat(MANY)), yaml),
        (
            "indentation",
            (0..2000).map(|at| format!("{}a:\n", " ".repeat(at))).collect(),
            yaml,
        ),
        ("dashes", "- ".repeat(MANY), yaml),
        ("questions", "? ".repeat(MANY), yaml),
        (
            "forms in forms",
            mapped(&format!(
                "      Name: {}\n",
                deep("{ first: [ ", "Name", " ] }", 1000)
            )),
            yaml,
        ),
        (
            "forms as deep as may be",
            mapped(&format!(
                "      Name: {}\n",
                deep("{ first: [ ", "Name", " ] }", 29)
            )),
            None,
        ),
        ("aliases of aliases", laughs(12), yaml),
        ("few aliases of aliases", laughs(4), Some("wrong-type")),
        ("an alias of itself", "a: &a [*a]\n".into(), yaml),
        (
            "many aliases",
            format!(
                "version: 1\nvars:\n  a: &a [x, y]\n{}steps: {{}}\n",
                (0..5000).map(|at| format!("  v{at}: *a\n")).collect::<String>()
            ),
            Some("missing-key"),
        ),
        (
            "merge keys",
            format!(
                "version: 1\na: &a {{ x: 1 }}\nb: {{ {} }}\n",
                "<<: *a, ".repeat(2000)
            ),
            Some("unknown-key"),
        ),
        ("anchors", "&a ".repeat(MANY), yaml),
        ("tags", "!!str ".repeat(MANY), yaml),
        ("documents", "---\n".repeat(MANY), yaml),
        ("parentheses", expression(&deep("(", "Name", ")", MANY)), large),
        ("parentheses never closed", expression(&"(".repeat(MANY)), large),
        ("not", expression(&format!("{}Name", "not ".repeat(MANY))), large),
        (
            "minus",
            expression(&format!("{}Score__c", "-".repeat(MANY))),
            large,
        ),
        (
            "minus, not too often",
            expression(&format!("{}Score__c", "-".repeat(90))),
            large,
        ),
        (
            "filters",
            expression(&format!("Name{}", " | trim".repeat(MANY))),
            large,
        ),
        (
            "filters, some",
            expression(&format!("Name{}", " | trim".repeat(700))),
            large,
        ),
        (
            "a chain",
            expression(&format!("Name{}", " ~ Name".repeat(MANY))),
            large,
        ),
        (
            "indices",
            expression(&format!("row{}", "['a']".repeat(MANY))),
            large,
        ),
        (
            "attributes",
            expression(&format!("row{}", ".a".repeat(MANY))),
            large,
        ),
        ("powers", expression("9**9**9**9"), None),
        (
            "a constant that takes long",
            mapped(
                "      Name: Name\n    when: \"{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}\"\n",
            ),
            None,
        ),
        (
            "loops in loops",
            expression(&deep("{% for a in [1] %}", "x", "{% endfor %}", 1000)),
            large,
        ),
        (
            "some loops in loops",
            expression(&deep("{% for a in [1] %}", "x", "{% endfor %}", 100)),
            large,
        ),
        (
            "loops never closed",
            expression(&"{% for a in [1] %}".repeat(500)),
            large,
        ),
        (
            "conditions never closed",
            expression(&"{% if Name %}".repeat(100)),
            template,
        ),
        ("prints", expression(&"{{ Name }}".repeat(MANY)), large),
        ("braces", expression(&"{{".repeat(500)), large.or(template)),
        ("comments never closed", expression(&"{#".repeat(500)), syntax),
        (
            "parentheses of SOQL",
            query(&format!(
                "SELECT Id FROM Account WHERE {}",
                deep("(", "Name = 'x'", ")", MANY)
            )),
            soql,
        ),
        (
            "NOT of SOQL",
            query(&format!(
                "SELECT Id FROM Account WHERE {}Name = 'x'",
                "NOT ".repeat(MANY)
            )),
            soql,
        ),
        (
            "functions of SOQL",
            query(&format!(
                "SELECT {} FROM Account",
                deep("COUNT(", "Id", ")", MANY)
            )),
            soql,
        ),
        ("children of SOQL", query(&"SELECT Id, (".repeat(MANY)), soql),
        (
            "semi-joins of SOQL",
            query(&format!(
                "SELECT Id FROM Account WHERE {}",
                "Id IN (SELECT Id FROM Account WHERE ".repeat(MANY)
            )),
            soql,
        ),
        (
            "fields of SOQL",
            query(&format!(
                "SELECT Id{} FROM Account",
                (0..5000).map(|at| format!(", F{at}__c")).collect::<String>()
            )),
            Some("unknown-field"),
        ),
        (
            "signs of SOQL",
            query(&format!("SELECT {}", "%".repeat(3000))),
            soql,
        ),
        (
            "digits",
            mapped(&format!("      Name: {}\n", "9".repeat(100_000))),
            None,
        ),
        (
            "exponents",
            mapped("      Name: 1e999999999\n      A: 1e-999999999\n      B: -1E+2147483648\n"),
            None,
        ),
        (
            "a version of many digits",
            format!("version: 1{}\nsteps: {{}}\n", "0".repeat(100_000)),
            Some("wrong-type"),
        ),
        (
            "a limit of many digits",
            expression("Name").replace(
                "object: Account }\n    t",
                "object: Account, limit: 99999999999999999999999999 }\n    t",
            ),
            Some("wrong-type"),
        ),
        (
            "a long key",
            format!("version: 1\n{}: 1\nsteps: {{}}\n", "k".repeat(1_000_000)),
            yaml.or(Some("unknown-key")),
        ),
        (
            "two long names alike",
            format!(
                "{}  {}: {{ needs: [{}] }}\n",
                expression("Name"),
                "k".repeat(100_000),
                "k".repeat(99_999)
            ),
            None,
        ),
        (
            "a long value",
            mapped(&format!("      Name: {}\n", "x".repeat(1_000_000))),
            large,
        ),
        (
            "a long text",
            expression(&"x".repeat(60_000)),
            Some("type-mismatch").filter(|_| false),
        ),
        (
            "a long filter",
            expression(&format!("Name | {}", "x".repeat(60_000))),
            Some("unknown-filter"),
        ),
        ("NUL", "version: 1\0\nsteps: {}\n".into(), yaml),
        ("NUL in a key", "version: 1\nsteps:\n  a\0b: {}\n".into(), yaml),
        (
            "NUL by an escape",
            expression("Name").replace("object: Account }\n    t", "object: \"A\\0\" }\n    t"),
            Some("wrong-type"),
        ),
        (
            "half a character",
            "version: 1\nsteps: { \"\\ud800\": 1 }\n".into(),
            yaml,
        ),
        (
            "control characters",
            (1..32u8).map(char::from).collect::<String>().repeat(100),
            yaml,
        ),
        (
            "many keys",
            format!(
                "version: 1\n{}steps: {{}}\n",
                (0..3000).map(|at| format!("k{at}: 1\n")).collect::<String>()
            ),
            Some("unknown-key"),
        ),
        (
            "one key often",
            format!("{}steps: {{}}\n", "version: 1\n".repeat(3000)),
            Some("duplicate-key"),
        ),
        (
            "many keys on a line",
            format!(
                "{{ version: 1, {}steps: {{}} }}\n",
                (0..2000).map(|at| format!("k{at}: 1, ")).collect::<String>()
            ),
            Some("unknown-key"),
        ),
        (
            "many templates without quotes",
            mapped(
                &(0..1000)
                    .map(|at| format!("      F{at}: {{{{ Name }}}}\n"))
                    .collect::<String>(),
            ),
            Some("unquoted-braces"),
        ),
        (
            "many steps in a row",
            steps(800, |at| format!("source: {{ object: A }}, needs: [s{}]", at + 1)),
            Some("unknown-step"),
        ),
        (
            "many steps in a circle",
            steps(800, |at| {
                format!("source: {{ object: A }}, needs: [s{}]", (at + 1) % 800)
            }),
            Some("cycle"),
        ),
        (
            "many sources alike",
            steps(500, |at| format!("source: {{ same_as: s{} }}", at + 1)),
            Some("unknown-step"),
        ),
        (
            "many sources in a circle",
            steps(500, |at| format!("source: {{ same_as: s{} }}", (at + 1) % 500)),
            Some("cycle"),
        ),
        (
            "many refs to nowhere",
            mapped(
                &(0..1000)
                    .map(|at| format!("      F{at}: {{ ref: nowhere{at}, of: Id }}\n"))
                    .collect::<String>(),
            ),
            Some("unknown-step"),
        ),
        ("quotes", "'".repeat(MANY), Some("wrong-type")),
        ("colons", ":".repeat(MANY), None),
        ("colons and blanks", ": ".repeat(MANY), yaml),
        ("returns", "version: 1\r".repeat(500), Some("duplicate-key")),
        ("tabs", "\t".repeat(MANY), None),
        (
            "empty lines",
            format!("version: 1\n{}steps: {{}}\n", "\n".repeat(200_000)),
            Some("missing-key"),
        ),
        (
            "marks of the byte order",
            format!("{}version: 1\n", "\u{feff}".repeat(1000)),
            None,
        ),
        (
            "secrets",
            format!("a: \"{}\"\n", "password: x, ".repeat(20_000)),
            Some("unknown-key"),
        ),
        (
            "JSONPath",
            mapped(&format!(
                "      Name: {{ jsonpath: \"${}\", of: Name }}\n",
                "[?(@.a[".repeat(3000)
            )),
            Some("jsonpath-syntax"),
        ),
        (
            "JSONPath in parentheses",
            mapped(&format!(
                "      Name: {{ jsonpath: \"$[?{}]\", of: Name }}\n",
                deep("(", "@.a", ")", 3000)
            )),
            Some("jsonpath-syntax"),
        ),
        (
            "a long JSONPath",
            mapped(&format!(
                "      Name: {{ jsonpath: \"${}\", of: Name }}\n",
                ".a".repeat(20_000)
            )),
            None,
        ),
    ]
}

/// So long may a hostile file take with a build that is not optimised on a machine that has other work to do. What is
/// of the square of its size or worse takes far longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn hostile_files_are_answered_soon_and_on_a_small_stack() {
    let mut wrong = Vec::new();
    for (name, text, code) in hostile() {
        let (send, receive) = mpsc::channel();
        let begun = Instant::now();
        // A thread of its own, so that a file without end fails with its name.
        let thread = thread::Builder::new().stack_size(2 << 20).spawn(move || {
            let loaded = Ground::new().survives(Place::Pipeline, text.as_bytes());
            let codes: Vec<&str> = loaded.findings.iter().map(|finding| finding.code).collect();
            // Nobody listens any more when it took too long.
            let _ = send.send(codes);
        });
        let codes = receive.recv_timeout(PATIENCE);
        let codes = codes.unwrap_or_else(|fault| panic!("{name}: {fault} after {:?}", begun.elapsed()));
        thread.expect("a thread").join().expect(name);
        let said = &codes[..codes.len().min(5)];
        match code {
            Some(code) if !codes.contains(&code) => wrong.push(format!("{name}: no {code} among {said:?}")),
            _ => {}
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn hostile_files_beside_a_pipeline_are_answered_too() {
    let nested = "[".repeat(10_000);
    let wide = format!("From,To\n{}\n", "a,".repeat(100_000));
    let header = format!(
        "{}\n1,2\n",
        (0..20_000).map(|at| format!("c{at},")).collect::<String>()
    );
    let quotes = format!("From,To\n{}", "\"".repeat(100_001));
    let long = format!("From,To\n{},x\n", "k".repeat(2_000_000));
    let twice = format!("From,To\n{}", "a,b\n".repeat(20_000));
    let keys = format!("{{ \"version\": 1, \"objects\": {} }}", "{\"a\":".repeat(10_000));
    let cases: Vec<(Place, Vec<u8>)> = vec![
        (Place::Project, nested.clone().into()),
        (Place::Credentials, nested.clone().into()),
        (Place::Mapping, nested.clone().into()),
        (Place::Lock, nested.clone().into()),
        (Place::Lock, keys.into()),
        (Place::Lock, "{\"version\": 1e999}".into()),
        (Place::Lock, vec![0xff; 1000]),
        (Place::Project, laughs(12).into()),
        (Place::Credentials, laughs(12).into()),
        (Place::Mapping, laughs(12).into()),
        (Place::Project, vec![0xff, 0xfe, 0x00]),
        (Place::Credentials, vec![0xc3, 0x28]),
        (Place::Mapping, vec![0x00]),
        (Place::Table, wide.into()),
        (Place::Table, header.into()),
        (Place::Table, quotes.into()),
        (Place::Table, long.into()),
        (Place::Table, twice.into()),
        (Place::Table, vec![0x1f, 0x8b, 0x08, 0xff]),
        (Place::Table, vec![0x00; 10_000]),
        (Place::Table, Vec::new()),
        (
            Place::Credentials,
            format!(
                "version: 1\npermission_sets: {{ a: {{ principals: [], pipelines: [\"{}\", \"{}\"] }} }}\n",
                "{a,".repeat(5000),
                "{a,b}".repeat(200)
            )
            .into(),
        ),
    ];
    for (place, bytes) in cases {
        let begun = Instant::now();
        let start: Vec<u8> = bytes.iter().copied().take(20).collect();
        on_a_small_stack(|| Ground::new().survives(place, &bytes));
        assert!(
            begun.elapsed() < PATIENCE,
            "{place:?} {start:?}: {:?}",
            begun.elapsed()
        );
    }
}

static CORPUS: LazyLock<Vec<(Place, String)>> = LazyLock::new(corpus);
static KEYS: LazyLock<Vec<String>> = LazyLock::new(keys);

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        on_a_small_stack(|| Ground::new().survives(Place::Pipeline, text.as_bytes()));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), place in prop::sample::select(&Place::ALL[..])) {
        on_a_small_stack(|| Ground::new().survives(place, &bytes));
    }

    #[test]
    fn any_mixture_of_what_files_are_made_of(parts in prop::collection::vec(prop::sample::select(OTHERS), 0..60)) {
        on_a_small_stack(|| Ground::new().survives(Place::Pipeline, parts.concat().as_bytes()));
    }

    #[test]
    fn right_files_after_accidents(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let (place, text) = which.get(&CORPUS);
        let text = accidents(&mut fastrand::Rng::with_seed(seed), text, 6);
        on_a_small_stack(|| Ground::new().survives(*place, text.as_bytes()));
    }

    #[test]
    fn right_files_with_bytes_changed(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let (place, text) = which.get(&CORPUS);
        let bytes = noise(&mut fastrand::Rng::with_seed(seed), text);
        on_a_small_stack(|| Ground::new().survives(*place, &bytes));
    }

    #[test]
    fn right_files_with_values_of_another_kind(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let (place, text) = which.get(&CORPUS);
        if let Some(text) = another_value(&mut fastrand::Rng::with_seed(seed), text, &KEYS) {
            on_a_small_stack(|| Ground::new().survives(*place, text.as_bytes()));
        }
    }

    #[test]
    fn trees_of_our_own_keys(seed in any::<u64>(), place in prop::sample::select(&Place::ALL[..])) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let text = serde_json::to_string(&tree(&mut rng, &KEYS, 7)).expect("JSON");
        on_a_small_stack(|| Ground::new().survives(place, text.as_bytes()));
    }
}

#[test]
fn tokens_are_the_whole_text() {
    for (_, text) in CORPUS.iter() {
        assert_eq!(tokens(text).concat(), *text);
    }
    // The mixture of all kinds, as the fuzzer makes it, on one project after the other.
    let mut rng = fastrand::Rng::with_seed(7);
    let mut ground = Ground::new();
    for _ in 0..200 {
        let (place, bytes) = broken(&mut rng, &CORPUS, &KEYS);
        on_a_small_stack(|| ground.survives(place, &bytes));
    }
}
