use super::{Files, Finding, Severity};

/// Findings as workflow commands of GitHub Actions, a line each, which it shows beside the lines of a change.
pub fn render_github(findings: &[Finding], files: &Files) -> String {
    let mut out = String::new();
    for finding in findings {
        let span = &finding.primary.span;
        let range = files.clamp(span);
        let start = files.place(span.file, range.start);
        let end = files.place(span.file, range.end);
        let path = files.path(span.file).display().to_string().replace('\\', "/");
        let path = path.strip_prefix("./").unwrap_or(&path);
        let mut text = finding.message.clone();
        if !finding.primary.text.is_empty() {
            text.push_str(": ");
            text.push_str(&finding.primary.text);
        }
        for help in &finding.help {
            text.push_str("\nhelp: ");
            text.push_str(help);
        }
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // A place that reaches to a line's end stops before the next line.
        let last = end.line - usize::from(end.column == 1 && end.line > start.line);
        // Columns have a meaning there only where a place is on one line.
        let columns = match start.line == end.line {
            true => format!(",col={},endColumn={}", start.column, end.column),
            false => String::new(),
        };
        out.push_str(&format!(
            "::{word} file={},line={},endLine={}{columns},title={}::{}\n",
            property(path),
            start.line,
            last,
            finding.code,
            data(&text)
        ));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    #[test]
    fn a_finding_is_one_line() {
        let mut files = Files::default();
        let file = files.add("a,b.yaml", "a: 100%\nb:\n  c: 1\n");
        let findings = [
            Finding::error("wrong", Span::new(file, 3..7), "`100%` is too much")
                .label("here")
                .help("write less"),
            Finding::warning("odd", Span::new(file, 8..18), "two lines"),
        ];
        assert_eq!(
            render_github(&findings, &files),
            "::error file=a%2Cb.yaml,line=1,endLine=1,col=4,endColumn=8,title=wrong::`100%25` is too much: here%0Ahelp: write less\n\
             ::warning file=a%2Cb.yaml,line=2,endLine=3,title=odd::two lines\n"
        );
    }
}
