use std::{collections::BTreeSet, path::Path};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Edit, Files, Finding, Severity, Span};

/// What an address cannot hold as it is.
const NOT_IN_ADDRESS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Findings as SARIF 2.1.0, which code hosts show beside the lines of a change.
pub fn render_sarif(findings: &[Finding], files: &Files) -> Value {
    let codes: Vec<&str> = findings
        .iter()
        .map(|finding| finding.code)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(finding, &codes, files))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "orgferry",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| json!({ "id": code })).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding, codes: &[&str], files: &Files) -> Value {
    let mut text = finding.message.clone();
    if !finding.primary.text.is_empty() {
        text.push_str(": ");
        text.push_str(&finding.primary.text);
    }
    for help in &finding.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": text },
        "locations": [{ "physicalLocation": place(&finding.primary.span, files) }],
    });
    if !finding.others.is_empty() {
        let related = finding.others.iter().enumerate().map(|(at, label)| {
            json!({
                "id": at + 1,
                "message": { "text": label.text },
                "physicalLocation": place(&label.span, files),
            })
        });
        result["relatedLocations"] = related.collect();
    }
    if !finding.fix.is_empty() {
        result["fixes"] = json!([{
            "description": { "text": finding.help.first().map_or("mend it", String::as_str) },
            "artifactChanges": changes(&finding.fix, files),
        }]);
    }
    result
}

/// The edits, file by file.
fn changes(edits: &[Edit], files: &Files) -> Vec<Value> {
    let touched: BTreeSet<usize> = edits.iter().map(|edit| edit.span.file).collect();
    touched
        .into_iter()
        .map(|file| {
            let replacements: Vec<Value> = edits
                .iter()
                .filter(|edit| edit.span.file == file)
                .map(|edit| {
                    json!({
                        "deletedRegion": region(&edit.span, files),
                        "insertedContent": { "text": edit.text },
                    })
                })
                .collect();
            json!({
                "artifactLocation": { "uri": address(files.path(file)) },
                "replacements": replacements,
            })
        })
        .collect()
}

fn place(span: &Span, files: &Files) -> Value {
    json!({
        "artifactLocation": { "uri": address(files.path(span.file)) },
        "region": region(span, files),
    })
}

fn region(span: &Span, files: &Files) -> Value {
    let range = files.clamp(span);
    let start = files.place(span.file, range.start);
    let end = files.place(span.file, range.end);
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

fn address(path: &Path) -> String {
    let path = path.display().to_string().replace('\\', "/");
    utf8_percent_encode(path.strip_prefix("./").unwrap_or(&path), NOT_IN_ADDRESS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_result_with_its_places_and_its_fix() {
        let mut files = Files::default();
        let file = files.add("./my pipelines/a.yaml", "ä: Name\nb: 1\n");
        let finding = Finding::warning("text-too-long", Span::new(file, 4..8), "too long")
            .label("text(255)")
            .also(Span::new(file, 9..10), "here too")
            .help("cut it")
            .edit(Span::new(file, 8..8), " | truncate(80)");
        let sarif = render_sarif(&[finding], &files);
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!(result["message"]["text"], "too long: text(255)\nhelp: cut it");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20pipelines/a.yaml");
        assert_eq!(
            place["region"],
            json!({ "startLine": 1, "startColumn": 4, "endLine": 1, "endColumn": 8 })
        );
        assert_eq!(
            result["fixes"][0]["artifactChanges"][0]["replacements"][0],
            json!({
                "deletedRegion": { "startLine": 1, "startColumn": 8, "endLine": 1, "endColumn": 8 },
                "insertedContent": { "text": " | truncate(80)" },
            })
        );
        assert_eq!(
            sarif["runs"][0]["tool"]["driver"]["rules"],
            json!([{ "id": "text-too-long" }])
        );
    }
}
