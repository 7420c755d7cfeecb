use std::ops::Range;

/// Something wrong with a query or condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoqlFault {
    /// The bytes that are to blame.
    pub range: Range<usize>,
    /// What kind of complaint this is.
    pub kind: SoqlFaultKind,
    /// What was found, a lowercase fragment.
    pub message: String,
    /// A few words to stand under the caret.
    pub label: String,
    /// A way out.
    pub help: Option<String>,
}

/// The kinds of [`SoqlFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SoqlFaultKind {
    /// Salesforce would refuse it.
    Syntax,
    /// Salesforce would take it, a pipeline has no use for it.
    Unsupported,
    /// A bind variable inside quotes, which would be sent as that text.
    QuotedBind,
}

impl SoqlFault {
    pub(super) fn new(
        kind: SoqlFaultKind,
        range: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<Option<&'static str>>,
    ) -> Self {
        SoqlFault {
            range,
            kind,
            message: message.into(),
            label: label.into(),
            help: help.into().map(str::to_owned),
        }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
