//! The examples of expressions in the manual are tests, and templates cannot do harm.
//!
//! A block with the fence `expr` holds lines `EXPRESSION  ->  RESULT`. The result is what is written to the target, as
//! text; a list or object as JSON, `null`, or `parked` where the row would be. Fields are those of `FIELDS`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use orgferry::{
    pipeline::expr::{Context, Expr, RunInfo, Scope, UnknownField, UnknownReason, Vars},
    record::{FieldPath, Value},
};

/// The row that the manual's examples read.
const FIELDS: [(&str, &str); 10] = [
    ("Name", "\" Acme \""),
    ("FirstName", "\"Ada\""),
    ("LastName", "\"Lovelace\""),
    ("Phone", "null"),
    ("MobilePhone", "\"+44 20 7946 0018\""),
    ("Amount", "1234.50"),
    ("Active__c", "true"),
    ("Skills__c", "\"Java;SQL\""),
    ("CreatedDate", "\"2026-01-31T23:30:00.000Z\""),
    ("Owner.Email", "\"ann@acme.example\""),
];

struct Fields;

impl Scope for Fields {
    fn field(&mut self, path: &FieldPath) -> Result<usize, UnknownField> {
        let found = FIELDS
            .iter()
            .position(|(name, _)| FieldPath::from(*name) == *path);
        found.ok_or(UnknownField {
            reason: UnknownReason::NoSuchField,
            suggestion: None,
        })
    }

    fn var_names(&self) -> std::borrow::Cow<'_, [String]> {
        std::borrow::Cow::Owned(vec!["region".to_owned()])
    }
}

/// `parked: why`, or the value as text.
fn eval(source: &str) -> String {
    let expr = Expr::compile(source, &mut Fields).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    let row: Vec<Value> = FIELDS
        .iter()
        .map(|(_, json)| Value::from_json(&serde_json::from_str(json).expect(json)))
        .collect();
    let vars = Vars::from([("region".to_owned(), Value::text("EMEA"))]);
    let run = RunInfo {
        pipeline: "customers".to_owned(),
        ..RunInfo::default()
    };
    let context = Context {
        row: &row,
        vars: &vars,
        run: &run,
        item: None,
        item_number: 0,
    };
    match expr.eval(&context) {
        Ok(Value::Null) => "null".to_owned(),
        Ok(Value::Json(json)) => json.to_string(),
        Ok(value) => value.as_text().unwrap_or_default().to_owned(),
        Err(error) => format!("parked: {error}"),
    }
}

#[test]
fn the_manuals_examples_come_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let (mut seen, mut faults) = (0, Vec::new());
    for entry in fs::read_dir(folder).expect("the manual's folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a page");
        let mut inside = false;
        for (at, line) in text.lines().enumerate() {
            if line.starts_with("```") {
                inside = line == "```expr";
                continue;
            }
            if !inside || line.trim().is_empty() {
                continue;
            }
            let place = format!("{}:{}", path.display(), at + 1);
            let (source, expected) = line
                .split_once("  ->  ")
                .unwrap_or_else(|| panic!("{place}: no arrow"));
            let (found, expected) = (eval(source.trim()), expected.trim());
            seen += 1;
            let same = found == expected || expected == "parked" && found.starts_with("parked: ");
            if !same {
                faults.push(format!("{place}: {source}: {found}, not {expected}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 60, "{seen} examples");
}

#[test]
fn templates_that_would_not_end_park_the_row_in_time() {
    let again =
        |start: &str, more: &str| format!("{{% set x = {start} %}}{}{{{{ x | length }}}}", more.repeat(60));
    for source in [
        again("'ab'", "{% set x = x ~ x %}").as_str(),
        again("[1]", "{% set x = x + x %}").as_str(),
        again("'ab'", "{% set x = x | replace('a', 'aaaaaaaaaaaaaaaa') %}").as_str(),
        again("'ab'", "{% set x = [x, x] | tojson %}").as_str(),
        again("['a']", "{% set x = [x, x, x, x] %}").as_str(),
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{{ 'some text that is printed again and again' }}{% endfor %}",
        "range(1000000000)",
        "range(1000000000) | sum",
        "range(100000) | map('string') | join(', ') | replace('1', '11111111111111111111')",
        "'ab' * 1000000000",
        "[1, 2] * 1000000000",
        "10 ** 1000000000",
        "range(50000) | sort(reverse=true) | unique | length",
    ] {
        let begun = Instant::now();
        let found = eval(source);
        assert!(
            found.starts_with("parked: "),
            "{source}: {}",
            &found[..found.len().min(80)]
        );
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{source}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn templates_reach_no_file_and_no_function() {
    for (source, words) in [
        ("{% include '/etc/passwd' %}", "include"),
        ("{% import 'x' as x %}", "import"),
        ("{% from 'x' import y %}", "from"),
        ("{% extends 'x' %}", "extends"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "macro"),
        ("{{ Name.__class__() }}", "__class__"),
        ("{{ lipsum() }}", "lipsum"),
        ("{{ env('HOME') }}", "env"),
        (&format!("{}Name{}", "(".repeat(500), ")".repeat(500)), ""),
        (&format!("{}Name", "not ".repeat(500)), "too large"),
        (&"{% if Active__c %}".repeat(200), ""),
    ] {
        let faults = Expr::compile(source, &mut Fields)
            .err()
            .unwrap_or_else(|| panic!("{source} compiles"));
        let said: String = faults.iter().map(|fault| fault.message.clone()).collect();
        assert!(said.contains(words), "{source}: {said}");
    }
}
