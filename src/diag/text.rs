use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Files, Finding, Label, Severity, Span};

/// Whether the text carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    On,
    /// Plain text.
    Off,
}

/// Findings as rustc shows them: message, place, the lines themselves with labels, and what to do.
pub fn render_text(findings: &[Finding], files: &Files, colour: Colour) -> String {
    let renderer = match colour {
        Colour::On => Renderer::styled(),
        Colour::Off => Renderer::plain(),
    };
    let mut out = String::new();
    for finding in findings.iter().take(MOST_SHOWN) {
        out.push_str(&renderer.render(&[group(finding, files)]));
        out.push_str("\n\n");
    }
    if findings.len() > MOST_SHOWN {
        let more = findings.len() - MOST_SHOWN;
        out.push_str(&format!("... and {more} more; mend these first\n\n"));
    }
    out
}

/// More findings than these nobody reads.
const MOST_SHOWN: usize = 1000;

/// `2 errors and 1 warning in 3 files`, or that there is nothing.
pub fn summary(findings: &[Finding], checked: usize) -> String {
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let files = plural(checked, "file");
    match (errors, warnings) {
        (0, 0) => format!("{files} checked, nothing to complain about"),
        (0, w) => format!("{} in {files}", plural(w, "warning")),
        (e, 0) => format!("{} in {files}", plural(e, "error")),
        (e, w) => format!("{} and {} in {files}", plural(e, "error"), plural(w, "warning")),
    }
}

fn group<'a>(finding: &'a Finding, files: &'a Files) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let home = finding.primary.span.file;
    let own_labels = || {
        let others = finding.others.iter().filter(|label| label.span.file == home);
        others.chain([&finding.primary])
    };
    let mut group = Group::with_title(level.primary_title(&finding.message).id(finding.code));
    let annotation = |kind: AnnotationKind, label: &'a Label, window: &Window<'_>| {
        let range = files.clamp(&label.span);
        let annotation = kind.span(range.start - window.start..range.end - window.start);
        if label.text.is_empty() {
            annotation
        } else {
            annotation.label(&label.text)
        }
    };
    let snippet = |file: usize, window: &Window<'a>| {
        Snippet::source(window.text)
            .line_start(window.line)
            .path(files.path(file).display().to_string())
    };
    let window = Window::around(own_labels().map(|label| &label.span), files);
    let mut own =
        snippet(home, &window).annotation(annotation(AnnotationKind::Primary, &finding.primary, &window));
    for label in finding.others.iter().filter(|l| l.span.file == home) {
        own = own.annotation(annotation(AnnotationKind::Context, label, &window));
    }
    group = group.element(own);
    for label in finding.others.iter().filter(|l| l.span.file != home) {
        let window = Window::around([&label.span], files);
        let other = snippet(label.span.file, &window);
        group = group.element(other.annotation(annotation(AnnotationKind::Context, label, &window)));
    }
    group.elements(finding.help.iter().map(|help| Level::HELP.message(help)))
}

/// The lines of a file that a finding is about. The renderer goes through all that it is given, for each finding.
struct Window<'a> {
    text: &'a str,
    /// Its first byte in the file.
    start: usize,
    /// The number of its first line.
    line: usize,
}

impl<'a> Window<'a> {
    /// From the first line with a label to the last one; the spans stand in one file.
    fn around<'s>(spans: impl IntoIterator<Item = &'s Span>, files: &'a Files) -> Self {
        let mut spans = spans.into_iter().peekable();
        let whole = spans.peek().map_or("", |span| files.text(span.file));
        let (mut first, mut last) = (whole.len(), 0);
        for span in spans {
            let range = files.clamp(span);
            first = first.min(range.start);
            last = last.max(range.end);
        }
        // Behind the last line break there is no line to show: the end is shown at the line before.
        let shown = match first == whole.len() {
            true => whole.strip_suffix('\n').unwrap_or(whole),
            false => &whole[..first],
        };
        let start = shown.rfind('\n').map_or(0, |at| at + 1);
        let end = whole[last..].find('\n').map_or(whole.len(), |at| last + at + 1);
        Window {
            text: &whole[start..end],
            start,
            line: whole[..start].bytes().filter(|byte| *byte == b'\n').count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Vec<Finding>, Files) {
        let mut files = Files::default();
        let a = files.add("a.yaml", "version: 1\nsteps:\n  one:\n    sorce: x\n");
        let b = files.add("b.yaml", "vars:\n  x: 1\n");
        let findings = vec![
            Finding::error("unknown-key", Span::new(a, 29..34), "unknown key `sorce`")
                .label("not a key of a step")
                .also(Span::new(a, 20..23), "in this step")
                .also(Span::new(b, 8..9), "declared here")
                .help("did you mean `source`?")
                .help("the keys of a step are `source` and `target`"),
        ];
        (findings, files)
    }

    #[test]
    fn a_finding_shows_place_labels_and_help() {
        let (findings, files) = example();
        insta::assert_snapshot!(render_text(&findings, &files, Colour::Off), @"
        error[unknown-key]: unknown key `sorce`
         --> a.yaml:4:5
          |
        3 |   one:
          |   --- in this step
        4 |     sorce: x
          |     ^^^^^ not a key of a step
          |
         ::: b.yaml:2:3
          |
        2 |   x: 1
          |   - declared here
          |
          = help: did you mean `source`?
          = help: the keys of a step are `source` and `target`
        ");
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let (findings, files) = example();
        assert!(!render_text(&findings, &files, Colour::Off).contains('\u{1b}'));
        assert!(render_text(&findings, &files, Colour::On).contains('\u{1b}'));
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        let mut files = Files::default();
        let file = files.add("a.yaml", "ä");
        for range in [0..0, 1..1, 1..9, 2..2, 7..9] {
            let finding = Finding::error("x", Span::new(file, range), "m");
            assert!(render_text(&[finding], &files, Colour::Off).contains("a.yaml:1"));
        }
    }

    #[test]
    fn the_summary_counts() {
        let (mut findings, _) = example();
        assert_eq!(summary(&findings, 1), "1 error in 1 file");
        findings.push(Finding::warning("w", Span::default(), "m"));
        assert_eq!(summary(&findings, 3), "1 error and 1 warning in 3 files");
        assert_eq!(summary(&[], 2), "2 files checked, nothing to complain about");
    }
}
