use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Files, Finding, Label, Severity};

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
    for finding in findings {
        out.push_str(&renderer.render(&[group(finding, files)]));
        out.push_str("\n\n");
    }
    out
}

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
    let mut group = Group::with_title(level.primary_title(&finding.message).id(finding.code));
    let annotation = |kind: AnnotationKind, label: &'a Label| {
        let annotation = kind.span(files.clamp(&label.span));
        if label.text.is_empty() {
            annotation
        } else {
            annotation.label(&label.text)
        }
    };
    let snippet =
        |file: usize| Snippet::source(files.text(file)).path(files.path(file).display().to_string());
    let mut own = snippet(home).annotation(annotation(AnnotationKind::Primary, &finding.primary));
    for label in finding.others.iter().filter(|l| l.span.file == home) {
        own = own.annotation(annotation(AnnotationKind::Context, label));
    }
    group = group.element(own);
    for label in finding.others.iter().filter(|l| l.span.file != home) {
        group =
            group.element(snippet(label.span.file).annotation(annotation(AnnotationKind::Context, label)));
    }
    group.elements(finding.help.iter().map(|help| Level::HELP.message(help)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

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
