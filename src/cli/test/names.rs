//! `--name`.

use super::Problem;
use crate::{diag::did_you_mean, report::plural};

/// How many names are listed when none fits.
const LISTED: usize = 20;

/// Which tests are run.
pub(super) struct Filter {
    /// As typed.
    typed: Vec<String>,
    /// In lower case, cut at each `*`.
    patterns: Vec<Vec<String>>,
}

impl Filter {
    pub(super) fn new(names: &[String]) -> Filter {
        let cut = |name: &String| name.to_lowercase().split('*').map(str::to_owned).collect();
        Filter {
            typed: names.to_vec(),
            patterns: names.iter().map(cut).collect(),
        }
    }

    /// Whether a test is run: without names every one is.
    pub(super) fn takes(&self, title: &str) -> bool {
        let title = title.to_lowercase();
        self.patterns.is_empty() || self.patterns.iter().any(|parts| holds(&title, parts))
    }

    /// What is said when no test is run.
    pub(super) fn matches_nothing(&self, titles: Vec<String>) -> Problem {
        let names: Vec<String> = self.typed.iter().map(|name| format!("`{name}`")).collect();
        let problem = Problem::usage(format!("no test has {} in its name", names.join(" or ")));
        if titles.is_empty() {
            return problem.help("there is no test in these files; a step's tests stand under its `tests`");
        }
        let mut help = String::new();
        let only_names = titles.iter().filter_map(|title| Some(title.split_once(": ")?.1));
        if let [typed] = self.typed.as_slice()
            && let Some(near) = did_you_mean(typed, only_names)
        {
            help.push_str(&format!("did you mean `{near}`?\n"));
        }
        help.push_str("the tests are:");
        for title in titles.iter().take(LISTED) {
            help.push_str(&format!("\n  {title}"));
        }
        if let Some(more) = titles.len().checked_sub(LISTED).filter(|more| *more > 0) {
            help.push_str(&format!("\n  and {} more", plural(more as u64, "test")));
        }
        problem.help(help)
    }
}

/// Whether the parts stand in the title, one behind the other.
fn holds(title: &str, parts: &[String]) -> bool {
    let mut rest = title;
    parts.iter().all(|part| match rest.find(part.as_str()) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_their_parts() {
        let title = "customers accounts: Sector becomes industry";
        for (names, expected) in [
            (&[][..], true),
            (&["sector"], true),
            (&["SECTOR BECOMES"], true),
            (&["accounts: sector"], true),
            (&["customers*industry"], true),
            (&["industry*customers"], false),
            (&["contacts"], false),
            (&["contacts", "industry"], true),
            (&["sec*sec"], false),
            (&["*"], true),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(Filter::new(&names).takes(title), expected, "{names:?}");
        }
    }
}
