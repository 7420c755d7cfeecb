//! The step that a sub-query among the fields is written as instead.

/// The step for `(SELECT LastName FROM Contacts)` in a query of `parent`, as flow YAML. `STEP` stands for the step of
/// the parents, `KEY` for the key of the children. `None` when the sub-query is not understood.
///
/// The object and its lookup are guessed from the relationship's name, as Salesforce names them by default.
pub(super) fn step(subquery: &str, parent: &str) -> Option<String> {
    let inner = subquery.strip_prefix('(')?.strip_suffix(')')?.trim();
    let rest = word(inner, "SELECT")?;
    let from = find_word(rest, "FROM")?;
    let behind = rest[from + "FROM".len()..].trim();
    let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
    let (relationship, clauses) = (&behind[..end], behind[end..].trim());
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !plain(relationship) || !plain(parent) || subquery.contains('"') {
        return None;
    }
    let object = child(relationship);
    let lookup = match parent.strip_suffix("__c") {
        Some(_) => parent.to_owned(),
        None => format!("{parent}Id"),
    };
    let mut fields: Vec<&str> = rest[..from]
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty() && field.chars().all(|c| c.is_alphanumeric() || "_.".contains(c)))
        .filter(|field| !field.eq_ignore_ascii_case("Id") && !field.eq_ignore_ascii_case(&lookup))
        .collect();
    fields.dedup();
    let copied: Vec<&str> = fields.iter().copied().filter(|field| plain(field)).collect();
    let copy = match copied.as_slice() {
        [] => String::new(),
        copied => format!(" copy: [{}],", copied.join(", ")),
    };
    let selected = [&["Id"], fields.as_slice(), &[lookup.as_str()]]
        .concat()
        .join(", ");
    let clauses = if clauses.is_empty() {
        String::new()
    } else {
        format!(" {clauses}")
    };
    let name = relationship.trim_end_matches("__r").to_ascii_lowercase();
    Some(format!(
        "{name}: {{ source: {{ soql: \"SELECT {selected} FROM {object}{clauses}\" }}, target: {{ key: KEY }},{copy} \
         map: {{ KEY: Id, {lookup}: {{ ref: STEP, of: {lookup} }} }} }}"
    ))
}

/// `Contacts` -> `Contact`, `Opportunities` -> `Opportunity`, `Kids__r` -> `Kid__c`.
fn child(relationship: &str) -> String {
    let (name, custom) = match relationship.strip_suffix("__r") {
        Some(name) => (name, "__c"),
        None => (relationship, ""),
    };
    let one = match name {
        _ if name.ends_with("ies") => format!("{}y", &name[..name.len() - 3]),
        _ if name.ends_with("sses") || name.ends_with("xes") => name[..name.len() - 2].to_owned(),
        _ => name.strip_suffix('s').unwrap_or(name).to_owned(),
    };
    format!("{one}{custom}")
}

/// What follows a word at the start.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then_some(rest)
}

/// Where a word stands by itself.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let upper = text.to_ascii_uppercase();
    let edge = |c: Option<char>| c.is_none_or(char::is_whitespace);
    upper
        .match_indices(word)
        .map(|(at, _)| at)
        .find(|at| edge(upper[..*at].chars().next_back()) && edge(upper[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_become_a_step() {
        for (subquery, parent, expected) in [
            (
                "(SELECT Id, LastName, Owner.Email FROM Contacts WHERE Email != null)",
                "Account",
                Some(
                    r#"contacts: { source: { soql: "SELECT Id, LastName, Owner.Email, AccountId FROM Contact WHERE Email != null" }, target: { key: KEY }, copy: [LastName], map: { KEY: Id, AccountId: { ref: STEP, of: AccountId } } }"#,
                ),
            ),
            (
                "( select Id from Kids__r )",
                "Family__c",
                Some(
                    r#"kids: { source: { soql: "SELECT Id, Family__c FROM Kid__c" }, target: { key: KEY }, map: { KEY: Id, Family__c: { ref: STEP, of: Family__c } } }"#,
                ),
            ),
            ("(SELECT Name FROM Opportunities)", "Account", Some("Opportunity")),
            ("(SELECT FROM)", "Account", None),
            ("()", "Account", None),
        ] {
            let found = step(subquery, parent);
            match expected {
                None => assert_eq!(found, None, "{subquery}"),
                Some(words) => {
                    let found = found.expect(subquery);
                    assert!(found.contains(words), "{found}");
                    serde_yaml::from_str::<serde_json::Value>(&found).expect("YAML");
                }
            }
        }
    }
}
