/// Why an expression has no value for a row. The row is parked as `expression`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A filter met a value that it cannot convert.
    #[error("the filter `{filter}` cannot read `{value}` as {wanted}")]
    Unreadable {
        /// Its name.
        filter: &'static str,
        /// The value, shortened.
        value: String,
        /// What it should have been: `a number`.
        wanted: &'static str,
    },
    /// A filter met a value of a kind that it does not take.
    #[error("the filter `{filter}` takes {wanted}, not {}", article(found))]
    FilterInput {
        /// Its name.
        filter: &'static str,
        /// `a text`.
        wanted: &'static str,
        /// `list`.
        found: &'static str,
    },
    /// A filter's argument is of the wrong kind.
    #[error("the argument `{argument}` of the filter `{filter}` is {wanted}, not `{value}`")]
    Argument {
        /// The filter's name.
        filter: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// `a whole number`.
        wanted: &'static str,
        /// The value, shortened.
        value: String,
    },
    /// A test met a value of a kind that it does not take.
    #[error("the test `{test}` takes {wanted}, not {}", article(found))]
    TestInput {
        /// Its name.
        test: &'static str,
        /// `a number`.
        wanted: &'static str,
        /// `list`.
        found: &'static str,
    },
    /// An operator met values of kinds that it does not take.
    #[error("`{operator}` takes {wanted}, not {found}")]
    Operand {
        /// `+`.
        operator: &'static str,
        /// `numbers`.
        wanted: &'static str,
        /// What it met, `text`, or `text and number`.
        found: String,
    },
    /// `<` and its kin between values of two kinds.
    #[error("`{operator}` cannot compare {} with {}", article(left), article(right))]
    Comparison {
        /// `<`.
        operator: &'static str,
        /// The left side's kind.
        left: &'static str,
        /// The right side's kind.
        right: &'static str,
    },
    /// `/`, `//` or `%` by zero.
    #[error("`{0}` divides by zero")]
    DivisionByZero(&'static str),
    /// An exact result does not fit.
    #[error("the exact result of `{0}` has more than 28 digits")]
    TooManyDigits(&'static str),
    /// A number cannot be calculated with.
    #[error("the number `{0}` has more than 28 digits")]
    NumberTooLong(String),
    /// A list or an object where a text is made.
    #[error("{} cannot be printed as text", article(_0))]
    NoText(&'static str),
    /// `a.b` where a is a text or the like.
    #[error("{} has no field `{name}`", article(found))]
    NoAttribute {
        /// The value's kind.
        found: &'static str,
        /// The name asked for.
        name: String,
    },
    /// `a[b]` or `for x in a` where a is no list or text.
    #[error("{what} takes {wanted}, not {}", article(found))]
    NotIndexable {
        /// `[ ]`, `[ : ]` or `for`.
        what: &'static str,
        /// `a list or a text`.
        wanted: &'static str,
        /// The value's kind.
        found: &'static str,
    },
    /// `for a, b in list` whose entries are no pairs.
    #[error("`for` wants {wanted} values in every entry, and met {}", article(found))]
    Unpack {
        /// How many names stand before `in`.
        wanted: usize,
        /// The entry's kind.
        found: &'static str,
    },
    /// A declared var that this run has no value for.
    #[error("the var `{0}` has no value")]
    NoVar(String),
    /// A loop or a chain of filters that does not come to an end in time.
    #[error("the expression takes too many steps for one row")]
    TooMuchWork,
    /// A text beyond the limit.
    #[error("the text grows beyond {0} characters")]
    TooLong(usize),
    /// A list beyond the limit.
    #[error("the list grows beyond {0} entries")]
    ListTooLong(usize),
}

impl EvalError {
    /// What the pipeline's author can do.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            EvalError::FilterInput { found: "list", .. } => {
                "apply it to every entry: `| map('FILTER')`, or make a text of the list: `| join(', ')`"
            }
            EvalError::Operand { operator: "+", .. } => {
                "join texts with `~`; make a number of a text with `| decimal`"
            }
            EvalError::Operand { .. } => "make a number of a text with `| decimal`",
            EvalError::Comparison { .. } => {
                "make a number of a text with `| decimal`, a text of a number with `| string`"
            }
            EvalError::NoText(_) => "make a text of it: `| join(', ')`, `| join_multi` or `| tojson`",
            EvalError::TooManyDigits(_) => "round the parts first: `| round(2)`",
            EvalError::DivisionByZero(_) => "ask first: `A / B if B else null`",
            EvalError::NoVar(_) => "give it with `--var NAME=VALUE`, or a default under `vars`",
            _ => return None,
        })
    }
}

/// A kind of value with its article.
pub(super) fn article(kind: &str) -> String {
    match kind {
        "null" | "true or false" => kind.to_owned(),
        "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// A value for a message: its text, cut to what a line can hold.
pub(super) fn shown(value: &crate::record::Value) -> String {
    const MOST: usize = 60;
    let text = match value.as_text() {
        Some(text) => text.to_owned(),
        None if value.is_null() => "null".to_owned(),
        None => value.kind().to_owned(),
    };
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
