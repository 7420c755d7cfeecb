//! The user's files in one layout. What a file means, and every comment in it, stays as it is: the text that comes out
//! is read again and compared with the one that went in, and refused when it differs.

use std::path::Path;

use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions, LineBreak};

use super::{
    node::{Kind, Node, Style},
    yaml,
};
use crate::diag::{Files, Finding};

/// Letters of a line.
const WIDTH: usize = 120;

/// Why a text cannot be put in order.
#[derive(Debug)]
pub enum Unformatted {
    /// It is no YAML; the findings say why.
    Broken(Files, Vec<Finding>),
    /// What came out would not mean the same. A defect of the formatter, which is why nothing is changed.
    Differs(&'static str),
}

/// The text in the one layout: two spaces a level, double quotes, one space inside braces, long lines broken.
///
/// # Errors
/// When it is no YAML, or the result would not mean the same.
pub fn format(path: &Path, text: &str) -> Result<String, Unformatted> {
    let before = read(path, text)?;
    let options = FormatOptions {
        layout: LayoutOptions {
            print_width: WIDTH,
            indent_width: 2,
            line_break: match text.contains("\r\n") {
                true => LineBreak::Crlf,
                false => LineBreak::Lf,
            },
        },
        language: LanguageOptions {
            trailing_comma: false,
            // A list or map of one line stays one while it fits.
            prefer_single_line: false,
            ..LanguageOptions::default()
        },
    };
    let once = |text: &str| {
        pretty_yaml::format_text(text, &options)
            .map_err(|_| Unformatted::Differs("the formatter does not understand it"))
    };
    let formatted = once(text)?;
    let after =
        read(path, &formatted).map_err(|_| Unformatted::Differs("the formatted text would be no YAML"))?;
    if !same(&before, &after) {
        return Err(Unformatted::Differs("the formatted text would not mean the same"));
    }
    if comments(text) != comments(&formatted) {
        return Err(Unformatted::Differs("a comment would be lost or moved"));
    }
    if once(&formatted)? != formatted {
        return Err(Unformatted::Differs("it would come out otherwise a second time"));
    }
    Ok(formatted)
}

pub(super) fn read(path: &Path, text: &str) -> Result<Node, Unformatted> {
    let mut files = Files::default();
    let mut findings = Vec::new();
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = files.add(path, bare);
    let node = yaml::parse(&files, file, &mut findings);
    match node {
        Some(node) if findings.is_empty() => Ok(node),
        _ => Err(Unformatted::Broken(files, findings)),
    }
}

/// Whether two trees say the same. `'a'` and `"a"` do, `a` and `"a"` do not: one may be a number or a field.
pub(super) fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(a), Kind::Scalar(b)) => {
            let quoted = |style: Style| style != Style::Plain;
            a.text == b.text && quoted(a.style) == quoted(b.style)
        }
        (Kind::List(a), Kind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.key.text == b.key.text && same(&a.value, &b.value))
        }
        (Kind::Broken, Kind::Broken) => true,
        _ => false,
    }
}

/// Every comment, in order.
pub(super) fn comments(text: &str) -> Option<Vec<String>> {
    let syntax = yaml_parser::parse(text).ok()?;
    let found = syntax
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| token.kind() == yaml_parser::SyntaxKind::COMMENT)
        .map(|token| token.text().trim_end().to_owned())
        .collect();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        format(Path::new("a.yaml"), text).unwrap_or_else(|e| panic!("{e:?}"))
    }

    #[test]
    fn layout_changes_and_meaning_does_not() {
        for (text, expected) in [
            (
                "# head\nversion:   1\nsteps:\n    a:   # step\n        source: {object: Account,   where: 'A = 1'}\n        copy: [ A,B ]\n\n\n\n        map:\n            B:  x   # why\n",
                "# head\nversion: 1\nsteps:\n  a: # step\n    source: { object: Account, where: \"A = 1\" }\n    copy: [A, B]\n\n    map:\n      B: x # why\n",
            ),
            (
                "a: 'it''s \"x\"'\nb: \"{{ Name }}\"\nc: 001\nd: |\n  SELECT Id\n    FROM A\ne: >-\n  one\n  two\n",
                "a: 'it''s \"x\"'\nb: \"{{ Name }}\"\nc: 001\nd: |\n  SELECT Id\n    FROM A\ne: >-\n  one\n  two\n",
            ),
            ("a: 1\r\nb:   2\r\n", "a: 1\r\nb: 2\r\n"),
            ("a: &x { b: 1 }\nc: *x\n", "a: &x { b: 1 }\nc: *x\n"),
        ] {
            assert_eq!(formatted(text), expected, "{text}");
            assert_eq!(formatted(expected), expected, "twice: {text}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_told() {
        assert!(matches!(
            format(Path::new("a.yaml"), "a: {{ Name }}\n"),
            Err(Unformatted::Broken(_, findings)) if !findings.is_empty()
        ));
    }

    #[test]
    fn all_files_of_ours_can_be_formatted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut seen = 0;
        for folder in [
            "pipelines",
            "examples",
            "tests/fixtures/right",
            "tests/fixtures/wrong",
        ] {
            for entry in std::fs::read_dir(root.join(folder)).expect("a folder").flatten() {
                let path = entry.path();
                if path.extension().is_none_or(|e| e != "yaml") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("text");
                match format(&path, &text) {
                    Ok(formatted) => {
                        seen += 1;
                        assert_eq!(self::formatted(&formatted), formatted, "{}", path.display());
                    }
                    Err(Unformatted::Broken(..)) => assert!(path.to_string_lossy().contains("wrong")),
                    Err(Unformatted::Differs(why)) => panic!("{}: {why}", path.display()),
                }
            }
        }
        assert!(seen > 60, "{seen}");
    }
}
