//! Breaks that no check of the files can find, each with the reason. A rule names the kinds of break and the places
//! that it speaks of, and nothing more: what it does not name is a hole.

use super::mutants::Mutant;

/// Why some breaks pass.
pub(crate) struct Excuse {
    /// The kinds of break.
    ops: &'static [&'static [&'static str]],
    /// The places: ends of a path, at a dot.
    roles: &'static [&'static str],
    /// What else has to be so.
    only: fn(&Mutant) -> bool,
    /// Why nobody can know.
    pub(crate) why: &'static str,
    /// Whether the describes of an org would tell: with a schema lock this is no excuse.
    org: bool,
}

/// One slip in a word.
const SPELLING: &[&str] = &[
    "a letter doubled",
    "a letter dropped",
    "another letter",
    "letters swapped",
];
/// Another word.
const WORD: &[&str] = &["an unknown name instead", "text instead"];
/// A bare value of another kind, which a text place takes as text and a data place as it is.
const BARE: &[&str] = &["a number instead", "true instead"];
/// A whole value of another kind.
const KIND: &[&str] = &["a list instead", "a map instead", "no value"];
const NUMBER: &[&str] = &["a number instead"];
const TRUE: &[&str] = &["true instead"];
const LIST: &[&str] = &["a list instead"];
const MAP: &[&str] = &["a map instead"];
const NOTHING: &[&str] = &["no value"];
/// A sign gone inside a text.
const DOT: &[&str] = &["a dot dropped"];
const OPERATOR: &[&str] = &["an operator dropped"];
const COMMA: &[&str] = &["a comma dropped"];
const PARENTHESIS: &[&str] = &["a parenthesis dropped"];
const QUOTE: &[&str] = &["a quote dropped", "a quote swapped"];
const COLON: &[&str] = &["a colon dropped", "no space behind a colon"];
const LINE: &[&str] = &["a line dropped"];
const TWICE: &[&str] = &["a line doubled"];

fn always(_: &Mutant) -> bool {
    true
}

/// Whether the break left a number or a duration that is one too.
fn still_digits(mutant: &Mutant) -> bool {
    mutant.was.bytes().any(|b| b.is_ascii_digit()) || mutant.was == "."
}

const fn rule(
    why: &'static str,
    ops: &'static [&'static [&'static str]],
    roles: &'static [&'static str],
) -> Excuse {
    Excuse {
        ops,
        roles,
        only: always,
        why,
        org: false,
    }
}

const fn org(
    why: &'static str,
    ops: &'static [&'static [&'static str]],
    roles: &'static [&'static str],
) -> Excuse {
    Excuse {
        org: true,
        ..rule(why, ops, roles)
    }
}

const fn only(rule: Excuse, only: fn(&Mutant) -> bool) -> Excuse {
    Excuse { only, ..rule }
}

/// Whether the line is an entry of a list.
fn is_entry(mutant: &Mutant) -> bool {
    mutant.was.trim_start().starts_with("- ")
}

/// Whether the line above holds no key: it is a text's last one.
fn below_a_text(mutant: &Mutant) -> bool {
    let above = mutant.text.lines().nth(mutant.line.saturating_sub(2));
    above.is_some_and(|above| !above.contains(':'))
}

/// Whether the rows are such that any word may be one of their members.
fn open_rows(mutant: &Mutant) -> bool {
    matches!(mutant.rows, "http" | "jsonl")
}

/// Whether the rows are an object's, with columns derived from the mapping.
fn object_rows(mutant: &Mutant) -> bool {
    mutant.rows == "object"
}

/// Where expressions over a row stand.
const EXPRESSIONS: &[&str] = &[
    "map.*",
    "map.*.expr",
    "map.*.of",
    "map.*.of[]",
    "map.*.when",
    "map.*.first",
    "map.*.first[]",
    "map.*.first[].of",
    "map.*.first[].of[]",
    "map.*.record_type",
    "source.id",
    "source.each",
    "steps.*.when",
];

pub(crate) const EXCUSES: &[Excuse] = &[
    // Texts for people, and names that nobody refers to.
    rule(
        "a text for people says what it says",
        &[SPELLING, WORD, BARE, DOT, COMMA, QUOTE],
        &[
            "description",
            "description 'text'",
            "label",
            "tests[].name",
            "tests[].name 'text'",
        ],
    ),
    rule("a pipeline may have any name", &[SPELLING, WORD], &["=name"]),
    rule(
        "a step, credential or the like that nobody names may have any name",
        &[SPELLING],
        &[
            "=steps.* (key)",
            "environments.* (key)",
            "principals.* (key)",
            "named_credentials.* (key)",
            "permission_sets.* (key)",
        ],
    ),
    rule(
        "a pipeline of this name may come",
        &[SPELLING, WORD, NUMBER],
        &["permission_sets.*.pipelines[]"],
    ),
    rule(
        "an environment may set a var that another pipeline has",
        &[SPELLING],
        &["environments.*.vars.* (key)"],
    ),
    // What stands outside of the files.
    rule(
        "the environment and files of secrets are read when it runs",
        &[SPELLING, WORD],
        &[
            "client_id.env",
            "client_secret.env",
            "password.env",
            "access_token.env",
            "api_key.env",
            "headers.*.env",
            "mask_key.env",
            "vars.*.env",
        ],
    ),
    rule(
        "a file may have any name",
        &[SPELLING, WORD, BARE, DOT, OPERATOR],
        &["client_secret.file", "mask_key.file", "=state.sqlite"],
    ),
    rule(
        "a file may have any name, and another step may write it",
        &[SPELLING, WORD, NUMBER, DOT, OPERATOR, QUOTE],
        &[
            "source.csv",
            "target.csv 'text'",
            "target.csv.path 'text'",
            "source.jsonl",
            "target.csv",
            "target.csv.path",
            "target.jsonl",
        ],
    ),
    rule(
        "the login server knows them",
        &[SPELLING, WORD, BARE],
        &[
            "principals.*.client_id",
            "principals.*.client_secret",
            "principals.*.username",
            "external_credentials.*.scope",
        ],
    ),
    rule(
        "only a request shows which addresses there are",
        &[SPELLING, DOT, OPERATOR],
        &[
            "named_credentials.*.url",
            "identity_provider_url",
            "source.http.get",
            "source.http.post",
        ],
    ),
    rule(
        "the other system knows its headers and parameters",
        &[SPELLING],
        &[
            "headers.* (key)",
            "http.query.* (key)",
            "body.* (key)",
            "body.*.* (key)",
            "body.*.*.* (key)",
        ],
    ),
    rule(
        "the other system knows its headers and parameters",
        &[SPELLING, WORD, BARE, COLON],
        &[
            "headers.*",
            "http.query.*",
            "http.query.*.cursor",
            "next.link_header",
            "next.offset",
            "next.page",
            "next.param",
        ],
    ),
    rule(
        "a body is any JSON",
        &[SPELLING, WORD, BARE, KIND, COLON],
        &["http.body", "body.*", "body.*.*", "body.*.*.*"],
    ),
    rule(
        "only an answer shows its members",
        &[SPELLING],
        &["http.records", "next.cursor", "next.url", "jsonpath"],
    ),
    // Data.
    rule(
        "a table's texts are data",
        &[SPELLING, DOT],
        &["tables.*.* (key)", "table.* (key)"],
    ),
    rule(
        "a table's texts are data",
        &[SPELLING, WORD, BARE, DOT, OPERATOR],
        &["tables.*.*", "table.*"],
    ),
    rule(
        "a quote may be a part of a text",
        &[QUOTE],
        &["tables.*.* (key)", "table.* (key)", "=vars.*"],
    ),
    rule(
        "a table in the file is one too",
        &[MAP],
        &[
            "=tables.*",
            "map.*.table",
            "first[].table",
            "of.table",
            "record_type.table",
        ],
    ),
    rule(
        "a literal is data",
        &[SPELLING, WORD, BARE, NOTHING],
        &[
            "map.*.value",
            "first[].value",
            "of[].value",
            "otherwise.value",
            "missing.value",
            "deletes.set.*.value",
        ],
    ),
    rule(
        "a text in quotes or in a template is data",
        &[SPELLING, DOT, OPERATOR, PARENTHESIS, COMMA, COLON],
        &[
            "map.* 'text'",
            "map.*.expr 'text'",
            "deletes.set.* 'text'",
            "steps.*.when 'text'",
            "checks[].expr 'text'",
            "source.where 'text'",
        ],
    ),
    rule(
        "a bare number or true is a literal",
        &[BARE],
        &[
            "map.*",
            "map.*.expr",
            "map.*.first",
            "map.*.first[]",
            "deletes.set.*",
        ],
    ),
    rule(
        "a var's value is data",
        &[SPELLING, WORD, BARE, COMMA, LIST],
        &["=vars.*", "=vars.*[]", "environments.*.vars.*"],
    ),
    rule(
        "a test says what it wants; `orgferry test` says whether it comes true",
        &[SPELLING, WORD, BARE, DOT, OPERATOR, PARENTHESIS, QUOTE],
        &[
            "given.*",
            "given.* 'text'",
            "given.*.*",
            "expect.*",
            "expect.* 'text'",
            "refs.*.*",
            "refs.*.*.*",
            "lookups.*.*",
            "lookups.*.*.*",
            "lookups.*.*[]",
            "tests[].vars.*",
        ],
    ),
    rule(
        "a test says what it wants; `orgferry test` says whether it comes true",
        &[SPELLING, DOT, COMMA],
        &["refs.*.* (key)", "lookups.*.* (key)"],
    ),
    rule(
        "a test may answer with no, one or several records",
        &[LIST, MAP, COMMA, NOTHING],
        &["refs.*.*", "lookups.*.*", "lookups.*.*[]"],
    ),
    org(
        "the org knows the fields of a target",
        &[SPELLING],
        &["refs.*.*.* (key)", "lookups.*.*.* (key)", "deletes.set.* (key)"],
    ),
    only(
        rule(
            "another number is a number",
            &[DOT],
            &["map.*", "map.*.expr", "checks[].expr"],
        ),
        |mutant| mutant.in_number,
    ),
    only(
        rule(
            "`>` is an operator like `>=`",
            &[OPERATOR],
            &[
                "checks[].expr",
                "steps.*.when",
                "map.*.when",
                "source.where",
                "source.soql",
            ],
        ),
        |mutant| mutant.was == "=",
    ),
    rule("a query may have a condition less", &[LINE], &["source.soql"]),
    only(
        rule(
            "a text of several lines may have one more",
            &[&["indented by 2"]],
            &["map.* (key)"],
        ),
        below_a_text,
    ),
    only(
        rule(
            "a test may give any member of a JSON row",
            &[SPELLING],
            &["given.* (key)", "given.*.* (key)"],
        ),
        open_rows,
    ),
    only(
        rule(
            "a test may give any JSON where a row is JSON",
            &[KIND, COLON],
            &["given.*", "given.*.*"],
        ),
        open_rows,
    ),
    only(
        rule(
            "another share or duration is one too",
            &[SPELLING, DOT],
            &[
                "stop_when.failed",
                "retry.backoff",
                "changes.overlap",
                "budget.daily_calls",
            ],
        ),
        still_digits,
    ),
    // Members of rows that come from somewhere else.
    only(
        rule(
            "any word may be a member of a JSON row",
            &[SPELLING, WORD, DOT],
            EXPRESSIONS,
        ),
        open_rows,
    ),
    only(
        rule(
            "any word may be a member of a JSON row",
            &[SPELLING, WORD],
            &["source.cursor"],
        ),
        open_rows,
    ),
    // What only an org knows, until its describes are locked.
    org(
        "the org knows its objects",
        &[SPELLING, WORD],
        &["source.object", "target.object", "map.*.lookup", "first[].lookup"],
    ),
    only(
        org(
            "the org knows the fields of a source",
            &[SPELLING, WORD, DOT],
            EXPRESSIONS,
        ),
        object_rows,
    ),
    org(
        "the org knows the fields of a source",
        &[SPELLING, WORD],
        &["copy[]", "except[]", "source.order_by", "source.cursor"],
    ),
    org(
        "the org knows the fields of a source",
        &[TRUE],
        &["source.order_by"],
    ),
    org("the org knows the fields of a target", &[LIST], &["target.key"]),
    org(
        "the org knows its rules",
        &[SPELLING],
        &["target.assignment_rule"],
    ),
    org(
        "the org knows the fields of a source",
        &[SPELLING, DOT],
        &["source.soql", "source.where"],
    ),
    org(
        "the org knows the fields of a target",
        &[SPELLING, WORD],
        &[
            "map.*.by",
            "map.*.by[]",
            "first[].by",
            "first[].by[]",
            "target.key",
            "target.key[]",
            "map.*.give",
        ],
    ),
    org(
        "the org knows the fields of a target",
        &[SPELLING, DOT],
        &["map.* (key)"],
    ),
    org(
        "the org knows the fields of a target",
        &[SPELLING],
        &["map.*.where", "first[].where"],
    ),
    // Other files that are as right as this one.
    rule(
        "what may be left out may have been left out",
        &[LINE],
        &[
            "label (key)",
            "description (key)",
            "=name (key)",
            "=from (key)",
            "pass_client_credentials_in_body (key)",
            "scope (key)",
            "sequence (key)",
            "environments.*.credentials (key)",
            "environments.*.policy (key)",
            "environments.*.vars (key)",
            "=state (key)",
            "=policy (key)",
            "policy.compare (key)",
            "policy.errors (key)",
            "policy.nulls (key)",
            "policy.retry (key)",
            "steps.*.checks (key)",
            "steps.*.copy (key)",
            "steps.*.except (key)",
            "steps.*.needs (key)",
            "steps.*.policy (key)",
            "steps.*.when (key)",
            "source.cursor (key)",
            "source.id (key)",
            "source.order_by (key)",
            "source.where (key)",
            "http.body (key)",
            "http.headers (key)",
            "http.limits (key)",
            "http.next (key)",
            "http.query (key)",
            "http.records (key)",
            "target.allow_duplicates (key)",
            "target.assignment_rule (key)",
            "target.batch_size (key)",
            "target.group_by (key)",
            "target.parallel (key)",
            "tests[].action (key)",
            "tests[].given (key)",
            "tests[].lookups (key)",
            "tests[].refs (key)",
            "tests[].vars (key)",
        ],
    ),
    rule(
        "a field may be left as it is",
        &[LINE],
        &["map.* (key)", "steps.*.map (key)"],
    ),
    rule(
        "a list may be shorter",
        &[NOTHING],
        &[
            "copy[]",
            "except[]",
            "needs[]",
            "ref[]",
            "target.key[]",
            "permission_sets.*.pipelines[]",
            "permission_sets.*.principals[]",
            "first[]",
            "=vars.*[]",
            "steps.*.checks[]",
            "checks[].not_null[]",
            "checks[].unique[]",
            "reconcile.fields[]",
        ],
    ),
    only(
        rule(
            "a list may be shorter",
            &[LINE],
            &["steps.*.checks", "=steps.*", "map.*", "map.*.first"],
        ),
        is_entry,
    ),
    rule(
        "one of several principals is enough",
        &[LINE],
        &["principals.* (key)"],
    ),
    only(
        rule(
            "a condition that stands twice says no more",
            &[TWICE],
            &["source.soql"],
        ),
        |mutant| mutant.was.trim_start().starts_with("AND "),
    ),
    rule("a text of data may hold a colon or not", &[COLON], &["=vars.*"]),
    only(
        rule(
            "a text may be shorter",
            &[LINE, TWICE],
            &["map.*", "map.* 'text'"],
        ),
        |mutant| !is_entry(mutant),
    ),
];

/// The first rule that a break falls under.
pub(crate) fn excuse(mutant: &Mutant, locked: bool) -> Option<usize> {
    EXCUSES.iter().position(|excuse| {
        !(excuse.org && locked)
            && excuse.ops.iter().any(|ops| ops.contains(&mutant.op))
            && excuse.roles.iter().any(|role| stands_at(&mutant.role, role))
            && (excuse.only)(mutant)
    })
}

/// Whether a place is one of a pattern: the same path, or, without `=`, the end of one.
fn stands_at(role: &str, pattern: &str) -> bool {
    match pattern.strip_prefix('=') {
        Some(whole) => role == whole,
        None => role
            .strip_suffix(pattern)
            .is_some_and(|before| before.is_empty() || before.ends_with('.')),
    }
}
