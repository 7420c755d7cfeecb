//! Tables for the language page's sentences on expressions.

use std::{borrow::Cow, ops::Range};

use proptest::prelude::*;

use super::*;
use crate::record::Number;

/// The fields of the tables.
const FIELDS: [&str; 10] = [
    "Name",
    "Amount",
    "Owner.Email",
    "Empty",
    "Flag",
    "Skills__c",
    "Data",
    "Ümlaut",
    "Client Name",
    "run",
];

struct TestScope {
    item: bool,
}

impl Scope for TestScope {
    fn field(&mut self, path: &FieldPath) -> Result<usize, UnknownField> {
        FIELDS
            .iter()
            .position(|field| FieldPath::from(*field) == *path)
            .ok_or_else(|| UnknownField {
                reason: UnknownReason::NoSuchField,
                suggestion: closest(path.as_str(), FIELDS).map(str::to_owned),
            })
    }

    fn whole_row(&mut self) -> Result<usize, UnknownField> {
        Ok(FIELDS.len())
    }

    fn var_names(&self) -> Cow<'_, [String]> {
        ["region", "regions", "limit", "unset"]
            .map(String::from)
            .to_vec()
            .into()
    }

    fn has_item(&self) -> bool {
        self.item
    }
}

fn json(text: &str) -> Value {
    Value::from_json(&serde_json::from_str(text).expect(text))
}

fn number(text: &str) -> Value {
    Value::Number(Number::exact(text).expect(text))
}

/// The row of the tables; `Empty` is null, and so is what a test names.
fn row(nulls: &[&str]) -> Vec<Value> {
    let values = [
        Value::from(" Acme "),
        number("100.10"),
        Value::from("Ada@X.org"),
        Value::Null,
        Value::from(true),
        Value::from("Java;SQL"),
        json(r#"{"lines": [{"sku": "A1", "qty": 2}, {"sku": "B2", "qty": 1.50}], "City": "Bonn"}"#),
        Value::from("ü"),
        Value::from("Client"),
        Value::from("a field named run"),
        json(r#"{"Name": " Acme "}"#),
    ];
    values
        .into_iter()
        .zip(FIELDS.iter().chain(&["row"]))
        .map(|(value, field)| if nulls.contains(field) { Value::Null } else { value })
        .collect()
}

fn eval_row(source: &str, row: &[Value]) -> Result<Value, EvalError> {
    let expr = match Expr::compile(source, &mut TestScope { item: true }) {
        Ok(expr) => expr,
        Err(faults) => panic!("{source}: {faults:#?}"),
    };
    let vars = Vars::from([
        ("region".to_owned(), Value::from("EMEA")),
        ("regions".to_owned(), json(r#"["EMEA", "APAC"]"#)),
        ("limit".to_owned(), number("10")),
    ]);
    let run = RunInfo {
        id: "r1".into(),
        pipeline: "customers".into(),
        env: None,
        started_at: "2026-01-31T09:05:07.000Z".into(),
        from: "hq".into(),
        to: "emea".into(),
    };
    let item = json(r#"{"sku": "A1"}"#);
    expr.eval(&Context {
        row,
        vars: &vars,
        run: &run,
        item: Some(&item),
        item_number: 3,
    })
}

/// Evaluates over the row of the tables.
pub(super) fn eval(source: &str, nulls: &[&str]) -> Result<Value, EvalError> {
    eval_row(source, &row(nulls))
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        let value = eval(source, &[]).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(value, json(expected), "{source}");
    }
}

#[test]
fn null_goes_through_arithmetic_and_joining() {
    check(&[
        ("Empty + 1", "null"),
        ("1 - Empty", "null"),
        ("Empty * 'abc'", "null"),
        ("-Empty", "null"),
        ("Amount / Empty", "null"),
        ("Name ~ Empty", "null"),
        ("Empty ~ 'x'", "null"),
        ("null + 1", "null"),
        ("NULL ~ 'x'", "null"),
        ("none", "null"),
    ]);
}

#[test]
fn null_goes_through_filters() {
    check(&[
        ("Empty | trim", "null"),
        ("Empty | upper | replace('a', 'b')", "null"),
        ("Empty | decimal(2)", "null"),
        ("Empty | date('%d')", "null"),
        ("Empty | length", "null"),
        ("Empty | map('upper')", "null"),
        ("Empty | string", "null"),
        ("'  ' | trim", "null"),
    ]);
}

#[test]
fn default_or_and_is_none_see_null() {
    check(&[
        ("Empty | default('x')", "\"x\""),
        ("Empty | d('x')", "\"x\""),
        ("Name | default('x')", "\" Acme \""),
        ("false | default('x')", "false"),
        ("false | default('x', true)", "\"x\""),
        ("Empty or 'x'", "\"x\""),
        ("Empty or 0 or 'x'", "\"x\""),
        ("Name and Amount", "100.10"),
        ("Empty and 1", "null"),
        ("Empty is none", "true"),
        ("Empty is null", "true"),
        ("Name is none", "false"),
        ("Name is not none", "true"),
        ("Empty is defined", "false"),
        ("not Empty", "true"),
        ("not Flag", "false"),
        ("'x' if Empty else 'y'", "\"y\""),
        ("'x' if Empty", "null"),
    ]);
}

#[test]
fn order_and_in_with_null_are_false_and_equality_compares() {
    check(&[
        ("Empty < 100", "false"),
        ("Empty > 100", "false"),
        ("Empty <= Empty", "false"),
        ("100 >= null", "false"),
        ("1 < Empty < 3", "false"),
        ("Empty in ['a']", "false"),
        ("Empty in [null]", "false"),
        ("'a' in Empty", "false"),
        ("Empty not in ['a']", "true"),
        ("Empty == null", "true"),
        ("Empty != null", "false"),
        ("Name == null", "false"),
        ("Empty == ''", "true"),
        ("Empty == 0", "false"),
        ("Empty is string", "false"),
        ("Empty is in ['a']", "false"),
    ]);
}

#[test]
fn empty_text_is_null_but_joins_as_nothing_where_it_is_written() {
    check(&[
        ("''", "null"),
        ("'' is none", "true"),
        ("Name | replace(' Acme ', '')", "null"),
        ("(Empty | default('')) ~ Name", "\" Acme \""),
        ("(Empty or '') ~ 'x'", "\"x\""),
        ("'' ~ ''", "null"),
        ("'' + 1", "null"),
        ("['', 'a']", "[null, \"a\"]"),
    ]);
}

#[test]
fn a_when_that_is_null_does_not_hold() {
    let holds = |source| {
        let expr = Expr::compile(source, &mut TestScope { item: false }).expect(source);
        expr.holds(&Context {
            row: &row(&[]),
            vars: &Vars::new(),
            run: &RunInfo::default(),
            item: None,
            item_number: 0,
        })
    };
    assert_eq!(holds("Empty"), Ok(false));
    assert_eq!(holds("Empty > 1"), Ok(false));
    assert_eq!(holds("Flag"), Ok(true));
    assert_eq!(holds("0.00"), Ok(false));
}

#[test]
fn templates() {
    check(&[
        ("{{ Name }}", "\" Acme \""),
        ("{{ Amount }}", "100.10"),
        ("{{ Empty }}", "null"),
        ("{{ Name | trim }} {{ Empty }}!", "\"Acme !\""),
        ("{{ Empty }} {{ Empty | upper }}", "null"),
        ("Moved from {{ Empty }} by {{ run.pipeline }}", "null"),
        (
            "Moved from {{ Name | trim }} by {{ run.pipeline }}",
            "\"Moved from Acme by customers\"",
        ),
        ("by {{ run.pipeline }}{{ run.env }}", "\"by customers\""),
        ("{{ vars.region }}-{{ vars.limit }}", "\"EMEA-10\""),
        ("{% raw %}{{ x }}{% endraw %}", "\"{{ x }}\""),
        ("a{# b #}c{{ '' }}", "\"ac\""),
        ("Hello {{ Empty | default('you') }}", "\"Hello you\""),
        ("{{ true }} {{ 1.50 }}", "\"true 1.5\""),
        ("{% if Empty %}a{% elif Flag %}b{% else %}c{% endif %}", "\"b\""),
        ("{% if Empty %}{{ Empty }}{% else %}none{% endif %}", "\"none\""),
        ("{% if Flag %}{% endif %}", "null"),
        (
            "{% for x in vars.regions %}{{ loop.index }}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "\"1EMEA, 2APAC\"",
        ),
        (
            "{% for l in Data['lines'] if l.qty > 1.8 %}{{ l.sku }}{% else %}none{% endfor %}",
            "\"A1\"",
        ),
        (
            "{% for l in Data['none'] %}{{ l.sku }}{% else %}none{% endfor %}",
            "\"none\"",
        ),
        ("{% for l in Data['lines'] %}{{ l.nope }}{% endfor %}", "null"),
        (
            "{% for k, v in {'a': 1} | items %}{{ k }}={{ v }}{% endfor %}",
            "\"a=1\"",
        ),
        ("{% set x = Empty %}n: {{ x }}", "null"),
        ("{% set x = 2 * 3 %}n: {{ x }}", "\"n: 6\""),
        (
            "{% set x %}<{{ Name | trim }}>{% endset %}{{ x }}{{ x }}",
            "\"<Acme><Acme>\"",
        ),
        (
            "{% set x = 1 %}{% for i in range(3) %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
            "\"1231\"",
        ),
        ("{%- if true -%}  a  {%- endif -%}", "\"a\""),
    ]);
}

#[test]
fn names() {
    check(&[
        ("name", "\" Acme \""),
        ("OWNER.email", "\"Ada@X.org\""),
        ("row.Name", "\" Acme \""),
        ("row['Client Name']", "\"Client\""),
        ("row.run", "\"a field named run\""),
        ("row['run'] | upper", "\"A FIELD NAMED RUN\""),
        ("row", r#"{"Name": " Acme "}"#),
        (
            "row[vars.region | default('x') | replace('EMEA', 'Name')]",
            "\" Acme \"",
        ),
        ("row['Ümlaut']", "\"ü\""),
        ("vars.region", "\"EMEA\""),
        ("vars['limit'] + 1", "11"),
        ("vars.regions[-1]", "\"APAC\""),
        ("run.id ~ run.from ~ run.to", "\"r1hqemea\""),
        ("run.env", "null"),
        ("item.sku", "\"A1\""),
        ("item.SKU", "\"A1\""),
        ("item_number * 2", "6"),
        ("Data['lines'][0].sku", "\"A1\""),
        ("Data['city']", "\"Bonn\""),
        ("Data['nope'].deep.er", "null"),
        ("(Data | items | first)[0]", "\"lines\""),
        ("Empty[0]", "null"),
    ]);
}

#[test]
fn operators_and_precedence() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "64"),
        ("-2 ** 2", "4"),
        ("10 - 4 - 3", "3"),
        ("7 // 2 ~ 'x'", "\"3x\""),
        ("'x' ~ 2 * 3", "\"x6\""),
        ("1 + 2 == 3 and not false", "true"),
        ("false or true and false", "false"),
        ("Amount * 1.2", "120.12"),
        ("0.1 + 0.2 == 0.3", "true"),
        ("12345678901234567.89 + 0", "12345678901234567.89"),
        ("1_000", "1000"),
        ("0x10", "16"),
        ("1.5e3", "1500"),
        ("1 < 2 < 3", "true"),
        ("1 < 3 < 2", "false"),
        ("Amount == 100.1", "true"),
        ("Amount == '100.10'", "false"),
        ("Amount != '100.10'", "true"),
        ("'2026-01-31' < '2026-02-01T00:00:00.000Z'", "true"),
        ("'b' in ['a', 'b']", "true"),
        ("100.1 in [Amount]", "true"),
        ("'cm' in Name", "true"),
        ("vars.region in vars.regions", "true"),
        ("[1] + [2]", "[1, 2]"),
        ("[1, Name | trim, Empty]", "[1, \"Acme\", null]"),
        ("Name[1:3]", "\"Ac\""),
        ("Name[1]", "\"A\""),
        ("Name[99]", "null"),
        ("[1, 2, 3][::-1]", "[3, 2, 1]"),
        ("range(1, 4)", "[1, 2, 3]"),
        ("range(4, 0, -2)", "[4, 2]"),
        ("Skills__c | split_multi", "[\"Java\", \"SQL\"]"),
        ("'SQL' in (Skills__c | split_multi)", "true"),
        ("Amount is number and Name is string and Flag is boolean", "true"),
        ("3 is odd and 4 is even and 9 is divisibleby 3", "true"),
        ("Name is startingwith ' A'", "true"),
        ("TRUE", "true"),
    ]);
}

#[test]
fn row_errors_say_what_is_wrong() {
    for (source, message) in [
        (
            "Name | decimal",
            "the filter `decimal` cannot read ` Acme ` as a number",
        ),
        ("Name + 1", "`+` takes numbers, not a text and a number"),
        ("Name > 1", "`>` cannot compare a text with a number"),
        ("Amount / 0", "`/` divides by zero"),
        ("Data ~ 'x'", "an object cannot be printed as text"),
        ("{{ vars.regions }} x", "a list cannot be printed as text"),
        ("vars.unset", "the var `unset` has no value"),
        ("Name[0].x", "a text has no field `x`"),
        ("Amount[0]", "[ ] takes a list or a text, not a number"),
        (
            "1 in 2",
            "`in` takes a list, or two texts, not a number on its right",
        ),
        (
            "vars.regions | upper",
            "the filter `upper` takes a text, not a list",
        ),
        (
            "Name | truncate(Amount)",
            "the argument `length` of the filter `truncate` is a whole number, not `100.10`",
        ),
        (
            "2 ** 0.5",
            "`**` takes a whole number from -1000 to 1000 on its right, not `0.5`",
        ),
        (
            "{% for x in Amount %}{% endfor %}{{ Name }}",
            "`for` takes a list, not a number",
        ),
        ("Name is odd", "the test `odd` takes a number, not a text"),
    ] {
        assert_eq!(
            eval(source, &[]).map_err(|e| e.to_string()),
            Err(message.to_owned()),
            "{source}"
        );
    }
}

#[test]
fn no_source_can_hang_or_fill_memory() {
    for (source, error) in [
        ("range(1000000000)", EvalError::ListTooLong(100_000)),
        ("range(0, 10, 0) | length", EvalError::ListTooLong(0)),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ Name }}",
            EvalError::TooMuchWork,
        ),
        (
            "{% for a in range(9999) %}{{ Name | replace(' ', '0123456789012345678901234567890123456789012345678901234567890123456789') }}{% endfor %}",
            EvalError::TooLong(1 << 20),
        ),
        (
            "{% set x = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}{% set x = x ~ x %}{% set x = x ~ x %}{% set x = x | replace('a', x) %}{% set x = x | replace('a', x) %}{{ x }}",
            EvalError::TooLong(1 << 20),
        ),
        ("9 ** 999", EvalError::TooManyDigits("**")),
        (
            &("{% set x = [1] %}".to_owned() + &"{% set x = [x, x] %}".repeat(40) + "{{ x | length }} "),
            EvalError::TooMuchWork,
        ),
        (
            "range(99999) | map('string') | map('replace', '1', '1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111') | map('replace', '1', '1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111') | length",
            EvalError::TooMuchWork,
        ),
    ] {
        let start = std::time::Instant::now();
        let result = eval(source, &[]);
        if source.contains("10, 0") {
            assert_eq!(result, Ok(number("0")));
        } else {
            assert_eq!(result, Err(error), "{source}");
        }
        assert!(start.elapsed().as_secs() < 5, "{source}");
    }
}

#[test]
fn deep_and_long_sources_are_refused() {
    for source in [
        "not ".repeat(5000) + "Name",
        "-".repeat(5000) + "Amount",
        "(".repeat(5000) + "Name" + &")".repeat(5000),
        "[".repeat(120) + "1" + &"]".repeat(120),
        "1+".repeat(20_000) + "1",
        "Name ".to_owned() + &"| trim ".repeat(1000),
        "Name".to_owned() + &"[0]".repeat(700),
        "1 if 2 else ".repeat(700) + "1",
        "{% if a %}".repeat(200) + "x" + &"{% endif %}".repeat(200),
        "{% if a %}x".to_owned() + &"{% elif a %}x".repeat(400) + "{% endif %}",
        "x".repeat(70_000),
    ] {
        let faults = Expr::compile(&source, &mut TestScope { item: false }).expect_err("too large");
        assert!(
            faults.iter().any(|fault| fault.kind == FaultKind::TooLarge),
            "{}: {faults:?}",
            &source[..40]
        );
    }
}

#[test]
fn a_long_chain_is_no_deep_one() {
    let sum = "1+".repeat(900) + "1";
    assert_eq!(eval(&sum, &[]), Ok(number("901")));
}

#[test]
fn plain_columns_are_known() {
    let compiled = |source: &str| Expr::compile(source, &mut TestScope { item: false }).expect(source);
    assert_eq!(compiled("Owner.Email").as_column(), Some(2));
    assert_eq!(compiled("{{ Name }}").as_column(), Some(0));
    assert!(compiled("{{ Name }}").is_template());
    assert_eq!(compiled("Name | trim").as_column(), None);
    assert_eq!(compiled("Amount ~ Name ~ name").columns(), [0, 1]);
    for (source, value) in [
        ("'x'", Some(Value::from("x"))),
        ("''", Some(Value::Null)),
        ("1 > 0", Some(Value::Bool(true))),
        ("not 'x'", Some(Value::Bool(false))),
        ("{% if 1 > 2 %}x{% else %}y{% endif %}", Some(Value::from("y"))),
        ("1 // 0", None),
        ("Name", None),
        ("Name == 'x' or 1 > 0", None),
        ("vars.region == 'EMEA'", None),
        ("run.env is none", None),
        ("row['Name'] | upper", None),
    ] {
        assert_eq!(compiled(source).as_constant(), value, "{source}");
    }
    for (source, kind) in [
        ("Name", Kind::Any),
        ("Name ~ 'x'", Kind::Text),
        ("Amount * 2", Kind::Number),
        ("Amount > 2 and Flag == true", Kind::Bool),
        ("not Flag", Kind::Bool),
        ("{{ Name }} x", Kind::Text),
        ("Skills__c | split_multi", Kind::List),
        ("Name | decimal", Kind::Number),
        ("1 if Flag else 'x'", Kind::Any),
    ] {
        assert_eq!(compiled(source).kind(), kind, "{source}");
    }
}

/// Faults as a user sees them: the marked text, the message, the help.
fn faults(source: &str) -> Vec<(String, String, String)> {
    let faults = Expr::compile(source, &mut TestScope { item: false })
        .err()
        .unwrap_or_default();
    faults
        .into_iter()
        .map(|fault| {
            (
                source[fault.range].to_owned(),
                fault.message,
                fault.help.unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn faults_point_at_what_is_wrong() {
    for (source, expected) in [
        (
            "Nme",
            vec![("Nme", "there is no field `Nme`", "did you mean `Name`?")],
        ),
        (
            "Active",
            vec![(
                "Active",
                "there is no field `Active`",
                "a text is written `{ value: Active }`",
            )],
        ),
        (
            "Name == Active",
            vec![(
                "Active",
                "there is no field `Active`",
                "a text stands in quotes: 'Active'",
            )],
        ),
        (
            "Owner.Emal | lower",
            vec![(
                "Owner.Emal",
                "there is no field `Owner.Emal`",
                "did you mean `Owner.Email`?",
            )],
        ),
        (
            "row['Clint Name']",
            vec![(
                "'Clint Name'",
                "there is no field `Clint Name`",
                "did you mean `Client Name`?",
            )],
        ),
        (
            "vars.regin",
            vec![("regin", "there is no var `regin`", "did you mean `vars.region`?")],
        ),
        ("vars", vec![("vars", "`vars` cannot stand alone", "")]),
        (
            "run.pipline",
            vec![(
                "pipline",
                "`run` has no `pipline`",
                "did you mean `run.pipeline`?",
            )],
        ),
        (
            "item.sku",
            vec![(
                "item",
                "there is no `item`: the source has no `each`",
                "a field of that name is written `row.item`",
            )],
        ),
        (
            "Name | trm",
            vec![("trm", "there is no filter `trm`", "did you mean `trim`?")],
        ),
        (
            "Name is strng",
            vec![("strng", "there is no test `strng`", "did you mean `string`?")],
        ),
        (
            "{{ Nme }} ü {{ Ünbekannt }}",
            vec![(
                "Ü",
                "unexpected character `Ü`",
                "a field whose name has other letters is written `row['Straße']`",
            )],
        ),
        (
            "{{ Nme }}\nü {{ Name | trm }} {% if Foo_Bar %}{% endif %}",
            vec![
                ("Nme", "there is no field `Nme`", "did you mean `Name`?"),
                ("trm", "there is no filter `trm`", "did you mean `trim`?"),
                (
                    "Foo_Bar",
                    "there is no field `Foo_Bar`",
                    "a text stands in quotes: 'Foo_Bar'",
                ),
            ],
        ),
        (
            "Name | truncate",
            vec![(
                "truncate",
                "the filter `truncate` needs the argument `length`",
                "it is written `| truncate(length, end=...)`",
            )],
        ),
        (
            "Name | truncate('x')",
            vec![(
                "'x'",
                "the argument `length` of the filter `truncate` is a whole number, not `x`",
                "it is written `| truncate(length, end=...)`",
            )],
        ),
        (
            "Name | trim(' ', 2)",
            vec![(
                "2",
                "the filter `trim` does not take this argument",
                "it is written `| trim(chars=...)`",
            )],
        ),
        (
            "Name | round(digits=2)",
            vec![(
                "digits",
                "the filter `round` does not take this argument",
                "it is written `| round(precision=..., method=...)`",
            )],
        ),
        (
            "Name | date('dd.mm.yyyy')",
            vec![(
                "'dd.mm.yyyy'",
                "the argument `format` of the filter `date` is a pattern like `%d.%m.%Y`, not `dd.mm.yyyy`",
                "it is written `| date(format=..., zone=...)`",
            )],
        ),
        (
            "upper(Name)",
            vec![("upper", "there is no function `upper`", "write `VALUE | upper`")],
        ),
        (
            "Name.strip()",
            vec![(
                "strip",
                "there is no method `strip`",
                "values are changed by filters: `Name | upper`",
            )],
        ),
        ("Name = 'x'", vec![("=", "unexpected `=`", "compare with `==`")]),
        (
            "Name && Flag",
            vec![("&", "unexpected character `&`", "write `and`")],
        ),
        (
            "Closed Won",
            vec![(
                "Won",
                "unexpected `Won`",
                "a text is written `{ value: Closed Won }`",
            )],
        ),
        (
            "Name ~ 'abc",
            vec![(
                "'abc",
                "no end of the string",
                "close it with ', or write a quote of the other kind around a text that holds one",
            )],
        ),
        ("Name ~", vec![("", "the text ends too early", "")]),
        (
            "{{ Name",
            vec![("", "the text ends too early", "close the braces: `{{ Name }}`")],
        ),
        (
            "",
            vec![("", "the expression is empty", "nothing at all is written `null`")],
        ),
        (
            "{% include 'x' %}{{ Nme }}",
            vec![
                (
                    "include",
                    "`{% include %}` is not supported",
                    "there are `if`, `for` and `set`; a template cannot read other files",
                ),
                ("Nme", "there is no field `Nme`", "did you mean `Name`?"),
            ],
        ),
        (
            "{% for x in Skills__c recursive %}{{ loop.indx }}{% endfor %}",
            vec![
                ("Skills__c", "loops cannot be recursive", ""),
                (
                    "indx",
                    "`loop` has no `indx`",
                    "it has: index, index0, first, last, length, revindex, revindex0",
                ),
            ],
        ),
        (
            "“Acme”",
            vec![(
                "“",
                "unexpected character `“`",
                "put texts in straight quotes: 'text'",
            )],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
            .collect();
        assert_eq!(faults(source), expected, "{source}");
    }
}

#[test]
fn ranges_are_bytes_of_the_source() {
    let range = |source: &str| -> Range<usize> {
        let faults = Expr::compile(source, &mut TestScope { item: false }).expect_err(source);
        faults[0].range.clone()
    };
    assert_eq!(range("Nme"), 0..3);
    assert_eq!(range("'ü' ~ Nme"), 7..10);
    assert_eq!(range("ü\r\n{{ Nme }}"), 7..10);
    assert_eq!(range("Name ~\n  Ownr.Email ~ 'x'"), 9..19);
    assert_eq!(range("Name | trim(Nme)"), 12..15);
    assert_eq!(range("(Name | nope(1, 2)) == 3"), 8..12);
}

/// Well-formed expressions of every operator, filter and test.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "Name",
        "Amount",
        "Empty",
        "Flag",
        "Data",
        "Skills__c",
        "vars.regions",
        "vars.region",
        "item",
        "row",
        "'ü;b'",
        "''",
        "null",
        "1",
        "0",
        "-2.50",
        "1e20",
        "[]",
        "'2026-01-31'",
        "'%d'",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = proptest::sample::select(vec![
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in",
            "and", "or",
        ]);
        let filter = proptest::sample::select(filters::names().collect::<Vec<_>>());
        let test = proptest::sample::select(test::names().collect::<Vec<_>>());
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (
                inner.clone(),
                filter.clone(),
                proptest::collection::vec(inner.clone(), 0..3)
            )
                .prop_map(|(a, filter, args)| format!("({a} | {filter}({}))", args.join(", "))),
            (inner.clone(), filter).prop_map(|(a, filter)| format!("({a} | map('{filter}'))")),
            (inner.clone(), test.clone(), inner.clone())
                .prop_map(|(a, test, b)| format!("({a} is {test}({b}))")),
            (inner.clone(), test).prop_map(|(a, test)| format!("({a} is not {test})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a}[{b}:{c}:{b}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'k': {a}, 'l': {b}}}.k")),
            inner.clone().prop_map(|a| format!("(not -{a})")),
            inner.prop_map(|a| format!("range({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn compile_never_panics(source in "\\PC{0,60}") {
        let _ = Expr::compile(&source, &mut TestScope { item: true });
    }

    #[test]
    fn well_formed_expressions_have_a_value_or_an_error(a in expressions(), b in expressions()) {
        for source in [
            a.clone(),
            format!("{{% for x in {a} %}}{{{{ loop.index ~ {b} }}}}{{% else %}}{{{{ {b} }}}}{{% endfor %}}!"),
        ] {
            let Ok(expr) = Expr::compile(&source, &mut TestScope { item: true }) else { continue };
            let values = row(&[]);
            let result = expr.eval(&Context {
                row: &values,
                vars: &Vars::from([("region".to_owned(), Value::from("EMEA")), ("regions".to_owned(), json("[1, \"a\", null]"))]),
                run: &RunInfo::default(),
                item: Some(&values[6]),
                item_number: 1,
            });
            // There is no empty text outside of an expression.
            prop_assert!(!matches!(result, Ok(Value::Text(ref text)) if text.is_empty()), "{source}");
        }
    }

    #[test]
    fn whatever_compiles_evaluates(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "Name", "Amount", "Empty", "Flag", "Data", "vars.regions", "item", "row", "'ü'", "''", "1", "0", "2.5", "-", "+",
                "*", "/", "//", "%", "**", "~", "==", "<", "in", "not", "and", "or", "is", "none", "odd", "if", "else", "(", ")",
                "[", "]", ":", ",", "|", "trim", "join", "sort", "decimal", "date", "round", "truncate(2)", "map('upper')",
                "range(3)", "{{", "}}", "{% if", "%}", "{% endif %}", "{% for x in", "{% endfor %}", "x", ".", "loop.index",
                "{% set x =", "=", "{", "}", "{#", "#}", "-%}", "{% raw %}", "\n", "é",
            ]),
            0..14,
        ),
        amount in "-?[0-9]{1,30}(\\.[0-9]{1,30})?",
        text in "\\PC{0,12}",
    ) {
        let source = words.join(" ");
        if let Ok(expr) = Expr::compile(&source, &mut TestScope { item: true }) {
            let mut values = row(&[]);
            values[0] = Value::text(text);
            values[1] = number(&amount);
            let _ = expr.eval(&Context {
                row: &values,
                vars: &Vars::new(),
                run: &RunInfo::default(),
                item: Some(&values[6]),
                item_number: 1,
            });
            // A short row is no reason to panic either.
            let _ = expr.eval(&Context {
                row: &[],
                vars: &Vars::new(),
                run: &RunInfo::default(),
                item: None,
                item_number: 0,
            });
        } else if let Err(faults) = Expr::compile(&source, &mut TestScope { item: true }) {
            for fault in faults {
                prop_assert!(source.get(fault.range.clone()).is_some(), "{source}: {fault:?}");
            }
        }
    }
}
