use crate::{
    diag::{Files, Finding},
    spec::yaml,
};

#[test]
fn faults_have_a_place_and_words() {
    for (text, part, message) in [
        ("a:\n\tb: 1\n", "\t", "a tab is no indentation in YAML"),
        ("a: b\n\tc: d\n", "\t", "a tab is no indentation in YAML"),
        ("a: 'x\nb: 1\n", "'", "this ' has no closing '"),
        ("a: \"x\nb: 1\n", "\"", "this \" has no closing \""),
        ("a: 'it's'\n", "s'", "there is more behind the closing '"),
        (
            "a: \"x\\q\"\n",
            "\\q",
            "`\\q` is no escape of a double-quoted text",
        ),
        (
            "a: *nope\n",
            "*nope",
            "`*nope` stands for an anchor that is nowhere",
        ),
        ("a: @x\n", "@", "a value cannot start with `@`"),
        ("a: %x\n", "%", "a value cannot start with `%`"),
        ("a: {x: 1\nb: 3\n", "{", "this `{` has no closing `}`"),
        ("a: [1, 2\nb: 3\n", "[", "this `[` has no closing `]`"),
        ("a: }\n", "}", "this `}` has no partner"),
        ("a: b: c\n", ":", "a second `: ` on one line"),
        (
            "key: value\n  sub: x\n",
            ":",
            "`sub` is indented below `key`, which has a value already",
        ),
        ("a\nb: c\n", "a", "`a` is no key and no value"),
        (
            "a:\n  b: 1\n c: 2\n",
            "c: 2",
            "this line's indentation fits no line above it",
        ),
        (
            "- a\nb: c\n",
            "b: c",
            "this line's indentation fits no line above it",
        ),
        (
            "a: |x\n  y\n",
            "|",
            "text of several lines starts on the line below `|`",
        ),
        ("a: 1\n---\nb: 2\n", "b: 2", "a file holds one document"),
        ("? [a]\n: b\n", "[", "a key has to be a text"),
        ("a: {{ x\n", "{", "this `{` has no closing `}`"),
        ("a: 1\rb: @x\r", "@", "a value cannot start with `@`"),
        (
            "a: \"\\🦀\"\n",
            "\\🦀",
            "`\\🦀` is no escape of a double-quoted text",
        ),
    ] {
        let mut files = Files::default();
        let file = files.add("a.yaml", text);
        let mut findings: Vec<Finding> = Vec::new();
        assert!(yaml::parse(&files, file, &mut findings).is_none(), "{text:?}");
        let found: Vec<(&str, &str)> = findings
            .iter()
            .map(|f| (&text[f.primary.span.range.clone()], f.message.as_str()))
            .collect();
        assert_eq!(found, [(part, message)], "{text:?}");
    }
}

#[test]
fn no_word_of_the_reader_is_told() {
    for text in [
        "a: 1\nb\nc: 2\n",
        " a: 1\nb: 2\n",
        "{ a: 1 }\n{ b: 2 }\n",
        "a: 'x'#y\n",
        "a: [- x]\n",
        "a: - x\n",
        "a: [-, x]\n",
        "a: \"\\x1\"\n",
        "a: \"\\ud800\"\n",
        "a: \"\\U00110000\"\n",
        "a: \"x\n---\ny\"\n",
        "%YAML 9.9\n---\na: 1\n",
        "%\na: 1\n",
        "a: !<x y\n",
        "a: !e!x y\n",
        "a: !!binary x\n",
        "a: & x\n",
        "a: * x\n",
        "a: &x [*x]\n",
        "a: 1\n? b\nc\n",
        "a: ? b\n",
        "{ a:[1] }\n",
        "{ : , : }\n",
        "a: 1\n\u{feff}b: 2\n",
        "a: 1\n... x\n",
        "a: [\n",
        "a: {\n",
        "a: |0\n x\n",
        "a: |\n\tx\n",
        "a: |\n    x\n  y\n z\n",
        "a: >x\n  y\n",
        "a: x\ty: z\n",
        "a: \"x\ny\"\nb: 'z\n",
        "a: b # c\n  d\n",
        "- a\nb: c\n",
        "a: ,\n",
        "a: ]\n",
        "a: [}\n",
        "[a]: b\n",
        "a: 1\n---\nb: 2\n",
        "a: `x`\n",
        "a: \u{1}\n",
        "&a &b c: d\n",
        "a: *b\n",
    ] {
        let mut files = Files::default();
        let file = files.add("a.yaml", text);
        let mut findings: Vec<Finding> = Vec::new();
        if yaml::parse(&files, file, &mut findings).is_some() {
            continue;
        }
        let finding = &findings[0];
        let mut told = vec![finding.message.as_str(), finding.primary.text.as_str()];
        told.extend(finding.help.iter().map(String::as_str));
        for raw in [
            "while ",
            "did not find",
            "expected",
            "scalar",
            "mapping",
            "flow ",
            "sequence",
            "document start",
            "budget",
            "intercepting",
            "unclosed",
            "context",
            "deserialize",
        ] {
            assert!(!told.iter().any(|told| told.contains(raw)), "{text:?}: {told:?}");
        }
        assert!(
            told.len() > 2 && told.iter().all(|told| !told.is_empty()),
            "{text:?}: {told:?}"
        );
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for text in [
        format!("a: {}\n", "[".repeat(5000)),
        "- ".repeat(5000),
        "{a: ".repeat(3000),
    ] {
        assert_eq!(refusal(&text), "maps and lists are nested too deeply");
    }
    let deepest = format!(
        "a: {}x{}\n",
        "[".repeat(yaml::DEEPEST - 1),
        "]".repeat(yaml::DEEPEST - 1)
    );
    let mut files = Files::default();
    let file = files.add("a.yaml", deepest);
    assert!(yaml::parse(&files, file, &mut Vec::new()).is_some());
}

#[test]
fn aliases_of_aliases_are_refused_before_they_fill_the_memory() {
    let ten = |name: &str| vec![format!("*{name}"); 10].join(", ");
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..12 {
        text += &format!("a{level}: &a{level} [{}]\n", ten(&format!("a{}", level - 1)));
    }
    assert_eq!(refusal(&text), "aliases make too much of this file");
}

fn refusal(text: &str) -> String {
    let mut files = Files::default();
    let file = files.add("a.yaml", text);
    let mut findings = Vec::new();
    assert!(yaml::parse(&files, file, &mut findings).is_none());
    assert_eq!(findings.len(), 1);
    findings.remove(0).message
}
