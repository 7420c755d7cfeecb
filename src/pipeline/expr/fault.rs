use std::ops::Range;

use crate::diag::LONGEST;

/// Something wrong with an expression, found when it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The bytes of the source text that are to blame.
    pub range: Range<usize>,
    /// What kind of complaint this is.
    pub kind: FaultKind,
    /// What was found, a lowercase fragment.
    pub message: String,
    /// A few words to stand under the caret.
    pub label: String,
    /// A way out.
    pub help: Option<String>,
}

/// The kinds of [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The parser stopped here.
    Syntax,
    /// Neither a field nor a word of the language.
    UnknownField,
    /// `vars.x` without such a var.
    UnknownVar,
    /// `run.x` or `loop.x` without such a part, or `item` without an `each`.
    UnknownName,
    /// A filter that does not exist.
    UnknownFilter,
    /// A test (`is x`) that does not exist.
    UnknownTest,
    /// Too many, too few or wrongly typed arguments.
    WrongArguments,
    /// minijinja knows it, this language does not.
    Unsupported,
    /// Longer or deeper than any sensible expression.
    TooLarge,
}

/// The candidate that a misspelt name probably meant, compared without case.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= (name.chars().count().max(candidate.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_found_and_far_ones_are_not() {
        let names = ["Name", "AnnualRevenue", "OwnerId"];
        assert_eq!(closest("name", names), Some("Name"));
        assert_eq!(closest("AnualRevenu", names), Some("AnnualRevenue"));
        assert_eq!(closest("Active", names), None);
        assert_eq!(closest("x", names), None);
    }
}
