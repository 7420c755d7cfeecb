use std::ops::Range;

use super::Files;

/// A place in one of the user's files: which file (as [`Files`] numbers them), and which bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Which of the loaded files.
    pub file: usize,
    /// Bytes from the start of that file.
    pub range: Range<usize>,
}

impl Span {
    /// Bytes `range` of file `file`.
    pub fn new(file: usize, range: Range<usize>) -> Self {
        Span { file, range }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; the file is valid.
    Warning,
    /// The file is not valid: exit code 2.
    Error,
}

/// The stable name of a kind of complaint, `unknown-key`. One complaint, one code, raised in one place.
pub type Code = &'static str;

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name, `unknown-field`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line: lowercase, values in backticks.
    pub message: String,
    /// The place, and what to say beside it.
    pub primary: Label,
    /// Further places that explain it.
    pub others: Vec<Label>,
    /// What to do now, each a line of its own.
    pub help: Vec<String>,
    /// A remedy that a program can apply; empty where the remedy takes a decision.
    pub fix: Vec<Edit>,
}

/// A change of a file's text: the span's bytes become `text`. An empty span is an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// What stands there then.
    pub text: String,
}

/// A place with words beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

impl Finding {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Finding {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Label {
                span,
                text: String::new(),
            },
            others: Vec::new(),
            help: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Finding {
            severity: Severity::Warning,
            ..Finding::error(code, span, message)
        }
    }

    /// Words beside the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// A further place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.others.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// A remedy.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// A remedy for programs: these bytes become this text. Several calls make one remedy of several edits.
    #[must_use]
    pub fn edit(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.push(Edit {
            span,
            text: text.into(),
        });
        self
    }
}

/// Puts findings in the reader's order: by file name, then by place, errors before warnings of one place. Says each
/// only once: files that several pipelines share are looked at once for each.
pub fn sort(findings: &mut Vec<Finding>, files: &Files) {
    findings.sort_by(|a, b| {
        let place = |f: &Finding| (f.primary.span.range.start, f.primary.span.range.end);
        files
            .path(a.primary.span.file)
            .cmp(files.path(b.primary.span.file))
            .then_with(|| place(a).cmp(&place(b)))
            .then_with(|| b.severity.cmp(&a.severity))
            .then_with(|| (a.code, &a.message).cmp(&(b.code, &b.message)))
    });
    findings.dedup();
}
