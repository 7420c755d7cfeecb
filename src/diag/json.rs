use serde_json::{Value, json};

use super::{Files, Finding, Label, Place, Severity, Span};

/// The version of the format of [`render_json`]. It grows when a reader of the old one would be led astray.
const VERSION: u32 = 1;

/// Findings for programs. Lines and columns count from 1 and columns count characters, bytes count from 0.
pub fn render_json(findings: &[Finding], files: &Files) -> Value {
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    json!({
        "version": VERSION,
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "findings": findings.iter().map(|f| finding(f, files)).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding, files: &Files) -> Value {
    json!({
        "code": finding.code,
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": finding.message,
        "place": place(&finding.primary.span, files),
        "label": finding.primary.text,
        "related": finding.others.iter().map(|label| related(label, files)).collect::<Vec<_>>(),
        "help": finding.help,
        "fix": finding.fix.iter().map(|edit| json!({
            "place": place(&edit.span, files),
            "text": edit.text,
        })).collect::<Vec<_>>(),
    })
}

fn related(label: &Label, files: &Files) -> Value {
    json!({ "place": place(&label.span, files), "label": label.text })
}

fn place(span: &Span, files: &Files) -> Value {
    let range = files.clamp(span);
    let point = |byte: usize| {
        let Place { line, column } = files.place(span.file, byte);
        json!({ "line": line, "column": column, "byte": byte })
    };
    json!({
        "file": files.path(span.file).display().to_string(),
        "start": point(range.start),
        "end": point(range.end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_places_in_lines_columns_and_bytes() {
        let mut files = Files::default();
        let file = files.add("p/a.yaml", "a: 1\nä: 2\n");
        let finding =
            Finding::error("unknown-key", Span::new(file, 5..7), "unknown key `ä`").help("remove it");
        let json = render_json(&[finding], &files);
        assert_eq!(json["version"], json!(1));
        assert_eq!(json["errors"], json!(1));
        assert_eq!(
            json["findings"][0]["place"],
            json!({
                "file": "p/a.yaml",
                "start": { "line": 2, "column": 1, "byte": 5 },
                "end": { "line": 2, "column": 2, "byte": 7 },
            })
        );
        assert_eq!(json["findings"][0]["help"], json!(["remove it"]));
    }
}
