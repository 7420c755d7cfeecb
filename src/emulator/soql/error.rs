use super::Asker;

/// A statement that the org does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct SoqlError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// The code of what is real, but not part of this org; the message names it.
pub(crate) const NOT_EMULATED: &str = "NOT_EMULATED";

/// The least number of characters that the echo of a statement shows before and after the place.
const AROUND: usize = 30;

impl SoqlError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        SoqlError {
            code,
            message: message.into(),
        }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        SoqlError::new("MALFORMED_QUERY", message)
    }

    /// Real, but not part of this org.
    pub(super) fn not_emulated(feature: &str) -> Self {
        SoqlError::new(NOT_EMULATED, feature)
    }

    /// A piece of the statement that the grammar has no use for. Releases after API version 51 quote it and show its
    /// place.
    pub(super) fn unexpected(asker: &Asker<'_>, soql: &str, offset: usize, token: &str) -> Self {
        if asker.version <= 51 {
            return SoqlError::malformed(format!("unexpected token: {token}"));
        }
        SoqlError::at(
            "MALFORMED_QUERY",
            soql,
            offset,
            &format!("unexpected token: '{token}'"),
        )
    }

    /// An error with the statement, a caret under the place, and row and column.
    ///
    /// The echo starts and ends at the first gap between words that is at least 30 characters away from the place:
    /// so recordings of long statements show it.
    pub(super) fn at(code: &'static str, soql: &str, offset: usize, message: &str) -> Self {
        let before = &soql[..offset.min(soql.len())];
        let row = before.matches(['\n']).count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count();
        let line: Vec<char> = soql[line_start..]
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .collect();
        let gap = |c: char| c.is_whitespace() || c == ',';
        let mut start = column.saturating_sub(AROUND);
        while start > 0 && (gap(line[start]) || !gap(line[start - 1])) {
            start -= 1;
        }
        let lead = line[start..].iter().take_while(|c| c.is_whitespace()).count();
        start = (start + lead).min(column);
        let mut end = (column + AROUND).min(line.len());
        while end < line.len() && !gap(line[end]) {
            end += 1;
        }
        let echo: String = line[start.min(end)..end].iter().collect();
        SoqlError {
            code,
            message: format!(
                "\n{echo}\n{caret:>width$}\nERROR at Row:{row}:Column:{at}\n{message}",
                caret = '^',
                width = column - start + 1,
                at = column + 1,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_statements_are_echoed_around_the_place() {
        for (soql, at, expected) in [
            (
                "SELECT Id,Name,BillingCity,IsDeleted FROM Accout",
                42,
                "\nName,BillingCity,IsDeleted FROM Accout\n                                ^\nERROR at Row:1:Column:43\nx",
            ),
            (
                "SELECT Id FROM X WHERE CreatedDate>TODAY AND A__c='1' AND LastModifiedDate=TODAY AND LastModifiedBy='0050h00000IW2Jf' AND B = 1",
                85,
                "\nAND LastModifiedDate=TODAY AND LastModifiedBy='0050h00000IW2Jf'\n                               ^\nERROR at Row:1:Column:86\nx",
            ),
            (
                "SELECT Id\n  FROM Account\n    WHERE Foo = 1",
                35,
                "\nWHERE Foo = 1\n      ^\nERROR at Row:3:Column:11\nx",
            ),
            ("SELECT", 6, "\nSELECT\n      ^\nERROR at Row:1:Column:7\nx"),
        ] {
            let error = SoqlError::at("X", soql, at, "x");
            assert_eq!(error.message, expected);
        }
    }
}
