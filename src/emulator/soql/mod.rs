//! SOQL as the org understands it: its own lexer, parser and evaluator.
//!
//! Known: parent paths, WHERE, ORDER BY, LIMIT, OFFSET, COUNT(), FIELDS(). Aggregates, GROUP BY, sub-queries,
//! semi-joins and TYPEOF are answered with `MALFORMED_QUERY`.

mod compile;
mod eval;
mod lexer;
mod parser;
mod time;

pub(crate) use compile::{Node, Plan, compile};
pub(crate) use eval::{follow, like, run};

/// A statement that the org does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct SoqlError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl SoqlError {
    fn malformed(message: impl Into<String>) -> Self {
        SoqlError {
            code: "MALFORMED_QUERY",
            message: message.into(),
        }
    }

    /// An error with the statement, a caret under the place, and row and column.
    fn at(code: &'static str, soql: &str, offset: usize, message: &str) -> Self {
        let before = &soql[..offset.min(soql.len())];
        let row = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count();
        let line = soql[line_start..].lines().next().unwrap_or_default();
        // A long line is echoed from 32 characters before the caret on.
        let skipped = column.saturating_sub(32);
        let echo: String = line.chars().skip(skipped).take(80).collect();
        SoqlError {
            code,
            message: format!(
                "\n{echo}\n{caret:>width$}\nERROR at Row:{row}:Column:{at}\n{message}",
                caret = '^',
                width = column - skipped + 1,
                at = column + 1,
            ),
        }
    }
}
