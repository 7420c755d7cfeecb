/// The known name that a wrong one was probably meant to be: the same but for case, or a few letters away.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > LONGEST {
        return None;
    }
    let lower = wrong.to_lowercase();
    let allowed = (wrong.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter(|name| *name != wrong && name.len() <= LONGEST)
        .filter_map(|name| {
            let candidate = name.to_lowercase();
            let distance = distance(&lower, &candidate);
            (distance <= allowed && distance < candidate.chars().count()).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Longer words are compared with none: the comparison takes time and room of the product of both lengths.
pub(crate) const LONGEST: usize = 300;

/// Letters to change; a forgotten or needless `__c` is one slip, not three.
fn distance(a: &str, b: &str) -> usize {
    let bare = |text: &str| text.strip_suffix("__c").map(str::to_owned);
    let whole = strsim::damerau_levenshtein(a, b);
    match (bare(a), bare(b)) {
        (Some(a), None) => whole.min(1 + strsim::damerau_levenshtein(&a, b)),
        (None, Some(b)) => whole.min(1 + strsim::damerau_levenshtein(a, &b)),
        _ => whole,
    }
}

/// Names for a sentence: `` `a`, `b` or `c` ``; the first ones and how many more when they are many.
pub fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "or")
}

/// As [`one_of`], with `and`.
pub fn all_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "and")
}

fn joined<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] if names.len() <= SHOWN => format!("{} {word} {last}", first.join(", ")),
        many => format!("{} and {} more", many[..SHOWN].join(", "), many.len() - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["Name", "AnnualRevenue", "Sector__c", "ParentId", "Id"];
        for (wrong, expected) in [
            ("Nme", Some("Name")),
            ("name", Some("Name")),
            ("AnualRevenu", Some("AnnualRevenue")),
            ("Sector", Some("Sector__c")),
            ("Sectr__c", Some("Sector__c")),
            ("Name__c", Some("Name")),
            ("Phone", None),
            ("X", None),
        ] {
            assert_eq!(did_you_mean(wrong, known), expected, "{wrong}");
        }
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(all_of(["a", "b"]), "`a` and `b`");
        let many: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
        assert!(one_of(many.iter().map(String::as_str)).ends_with("`f11` and 8 more"));
    }
}
