use super::{Ctx, files, source, steps::Frame};
use crate::{
    diag::{Finding, Span},
    pipeline::model::{Api, AssignmentRule, Key, Operation, Target},
    spec::{Entry, Node},
};

/// What a step writes, as far as it can be said.
pub(super) struct CompiledTarget {
    /// `None`: something about it was complained about.
    pub(super) target: Option<Target>,
    /// The key, when there is one.
    pub(super) key: Option<Key>,
}

/// Compiles `target`. `read` is the source's object, which is the default.
pub(super) fn compile(
    step: &Entry,
    read: Option<(String, Span)>,
    frame: &mut Frame<'_, '_>,
    ctx: &mut Ctx<'_>,
) -> CompiledTarget {
    let nothing = CompiledTarget {
        target: None,
        key: None,
    };
    let Some(entry) = step
        .value
        .entry("target")
        .filter(|entry| !entry.value.is_broken())
    else {
        return nothing;
    };
    let node = &entry.value;
    if let Some((key, file)) = files::named(node) {
        let target = file_target(entry, key, file, frame, ctx);
        return CompiledTarget { target, key: None };
    }
    let connection = frame.connection(entry, "to", ctx);
    let object = match node.get("object") {
        Some(object) => object.text().map(|name| (name.to_owned(), object.span.clone())),
        None => {
            let source = frame.source_of(step);
            let none = source.and_then(|source| {
                let mut others = ["http", "csv", "jsonl"].into_iter();
                others.find(|key| source.get(key).is_some())
            });
            if let (None, Some(key)) = (&read, none) {
                let article = if key == "http" { "an" } else { "a" };
                ctx.report(
                    Finding::error("missing-key", entry.key.span.clone(), "the target needs `object`")
                        .label(format!("{article} `{key}` source has no object to take it from"))
                        .help("add `object: Account`"),
                );
            }
            read
        }
    };
    let operation = match (node.get("operation"), node.get("operation").and_then(Node::text)) {
        (None, _) => Some(Operation::Upsert),
        (_, Some(word)) => operation(word),
        _ => None,
    };
    let api = source::api(node.get("api"));
    let key = node.get("key").and_then(|key| key_of(key, ctx));
    let mut whole = node.get("key").is_some() == key.is_some();
    if let Some(key) = &key
        && key.is_id()
        && operation == Some(Operation::Insert)
    {
        ctx.report(
            Finding::error(
                "bad-key",
                key.span.clone(),
                "an `insert` cannot have `Id` as its key",
            )
            .label("the org gives new records their Ids")
            .help("name a field that tells records apart, `key: Legacy_Id__c`, or write `operation: upsert`"),
        );
        whole = false;
    }
    if node.get("key").is_none()
        && let Some(operation) = operation
    {
        whole &= without_key(entry, operation, api, ctx);
    }
    if let Some(operation) = operation {
        let object = object.as_ref().map(|(name, _)| name.as_str());
        whole &= options(node, operation, object, api, ctx);
    }
    let count = |key: &str| {
        node.get(key)
            .and_then(Node::text)
            .and_then(|text| text.parse().ok())
    };
    let target = (|| {
        let (object, span) = object?;
        Some(Target {
            file: None,
            object,
            span,
            operation: operation?,
            key: key.clone(),
            connection: connection?,
            api,
            batch_size: count("batch_size"),
            parallel: count("parallel"),
            assignment_rule: match node.get("assignment_rule").and_then(Node::text) {
                None | Some("none") => AssignmentRule::None,
                Some("default") => AssignmentRule::Default,
                Some(id) => AssignmentRule::Id(crate::record::id18(id).to_string()),
            },
            allow_duplicates: node.get("allow_duplicates").and_then(Node::text) == Some("true"),
            group_by: node
                .get("group_by")
                .and_then(|field| Some((field.text()?.to_owned(), field.span.clone()))),
        })
    })();
    CompiledTarget {
        target: target.filter(|_| whole),
        key,
    }
}

/// The operation of a word; `None` for other words, which the shape has complained about.
pub(super) fn operation(word: &str) -> Option<Operation> {
    use Operation::*;
    [Upsert, Insert, Update, Delete, HardDelete, Match]
        .into_iter()
        .find(|operation| operation.as_str() == word)
}

/// A field, or several that are a key together.
fn key_of(node: &Node, ctx: &mut Ctx<'_>) -> Option<Key> {
    let items = match node.text() {
        Some(_) => std::slice::from_ref(node),
        None => node.items(),
    };
    if items.is_empty() && !node.is_broken() {
        ctx.report(
            Finding::error(
                "bad-key",
                node.span.clone(),
                "a key of no fields tells no records apart",
            )
            .label("an empty list")
            .help("name the target field that tells records apart: `key: Legacy_Id__c`"),
        );
        return None;
    }
    let mut fields: Vec<(String, Span)> = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in items {
        let Some(name) = item.text() else {
            whole = false;
            continue;
        };
        if let Some((_, first)) = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            ctx.report(
                Finding::error(
                    "bad-key",
                    item.span.clone(),
                    format!("`{name}` is in the key twice"),
                )
                .label("again here")
                .also(first.clone(), "first here")
                .help("name each field once; field names compare without case"),
            );
            whole = false;
        } else if name.eq_ignore_ascii_case("Id") && items.len() > 1 {
            ctx.report(
                Finding::error("bad-key", item.span.clone(), "`Id` cannot be a part of a key")
                    .label("tells records apart by itself")
                    .help("write `key: Id`, or leave `Id` out of the list"),
            );
            whole = false;
        }
        fields.push((name.to_owned(), item.span.clone()));
    }
    whole.then(|| Key {
        fields,
        span: node.span.clone(),
    })
}

/// Options that contradict each other, or mean nothing for this operation.
fn options(node: &Node, operation: Operation, object: Option<&str>, api: Api, ctx: &mut Ctx<'_>) -> bool {
    let mut whole = true;
    if operation == Operation::HardDelete
        && api == Api::Rest
        && let Some(api) = node.get("api")
    {
        ctx.report(
            Finding::error(
                "conflicting-keys",
                api.span.clone(),
                "`hard_delete` cannot go by REST",
            )
            .label("REST deletes into the recycle bin")
            .help("leave `api` out: the rows then go through Bulk jobs; or write `operation: delete`"),
        );
        whole = false;
    }
    if let Some(size) = node.get("batch_size")
        && api == Api::Rest
        && size
            .text()
            .and_then(|text| text.parse::<usize>().ok())
            .is_some_and(|size| size > MOST_REST_ROWS)
    {
        ctx.report(
            Finding::error(
                "batch-too-large",
                size.span.clone(),
                format!("a REST call takes {MOST_REST_ROWS} records at most"),
            )
            .label("more than an org takes")
            .help("write `batch_size: 200`, or `api: bulk`"),
        );
        whole = false;
    }
    if let Some(rule) = node.get("assignment_rule")
        && rule.text() == Some("default")
        && api == Api::Bulk
    {
        ctx.report(
            Finding::error(
                "conflicting-keys",
                rule.span.clone(),
                "a Bulk job knows assignment rules by their Id only",
            )
            .label("the org's active rule cannot be asked for this way")
            .help("name the rule: `assignment_rule: 01Q000000000001EAA`, or write `api: rest`"),
        );
        whole = false;
    }
    for key in ["assignment_rule", "allow_duplicates"] {
        if let Some(entry) = node.entry(key).filter(|_| operation.takes_key_only()) {
            let word = operation.as_str();
            ctx.report(
                Finding::error(
                    "unused-key",
                    entry.key.span.clone(),
                    format!("`{key}` means nothing for `{word}`"),
                )
                .label("only for records that are written")
                .help(format!("leave `{key}` out")),
            );
        }
    }
    if operation == Operation::Match {
        for key in ["api", "batch_size", "parallel", "group_by"] {
            if let Some(entry) = node.entry(key) {
                ctx.report(
                    Finding::error(
                        "unused-key",
                        entry.key.span.clone(),
                        format!("`{key}` means nothing for `match`"),
                    )
                    .label("nothing is written")
                    .help(format!("leave `{key}` out")),
                );
            }
        }
    }
    const ASSIGNED: [&str; 3] = ["Case", "Lead", "Account"];
    if let (Some(entry), Some(object)) = (node.entry("assignment_rule"), object)
        && entry.value.text() != Some("none")
        && !operation.takes_key_only()
        && !ASSIGNED.iter().any(|name| name.eq_ignore_ascii_case(object))
    {
        ctx.report(
            Finding::warning(
                "unused-key",
                entry.key.span.clone(),
                format!("no assignment rule runs on `{object}`"),
            )
            .label("rules assign Cases, Leads and Accounts")
            .help("leave `assignment_rule` out"),
        );
    }
    whole
}

/// The most records that a collections call takes.
const MOST_REST_ROWS: usize = 200;

/// A file. Its lookups ask the pipeline's `to`, or the `connection` beside it.
fn file_target(
    entry: &Entry,
    key: &'static str,
    file: &Entry,
    frame: &mut Frame<'_, '_>,
    ctx: &mut Ctx<'_>,
) -> Option<Target> {
    let node = &entry.value;
    if let Some(other) = node
        .entries()
        .iter()
        .find(|e| e.key.text != key && matches!(e.key.text.as_str(), "csv" | "jsonl"))
    {
        ctx.report(
            Finding::error(
                "conflicting-keys",
                other.key.span.clone(),
                format!("`{key}` and `{}` exclude each other", other.key.text),
            )
            .label("one too many")
            .also(file.key.span.clone(), "the first")
            .help("a step writes one file: write a second step with the same source"),
        );
        return None;
    }
    let alone = files::alone("target", node, key, ctx);
    let file = files::compile(key, &file.value, frame, ctx)?;
    let connection = match node.get("connection") {
        Some(_) => frame.connection(entry, "to", ctx)?,
        None => frame.declared("to").unwrap_or_default(),
    };
    alone.then(|| Target {
        span: file.span.clone(),
        file: Some(file),
        object: String::new(),
        operation: Operation::Insert,
        key: None,
        connection,
        api: Api::Auto,
        batch_size: None,
        parallel: None,
        assignment_rule: AssignmentRule::None,
        allow_duplicates: false,
        group_by: None,
    })
}

/// Whether the target can do without a key.
fn without_key(entry: &Entry, operation: Operation, api: Api, ctx: &mut Ctx<'_>) -> bool {
    let place = match entry.value.entry("operation") {
        Some(operation) => operation.value.span.clone(),
        None => entry.key.span.clone(),
    };
    match (operation, api) {
        (Operation::Insert, Api::Bulk) => {
            let api = entry.value.get("api").map_or(place, |node| node.span.clone());
            ctx.report(
                Finding::error("missing-key", api, "a bulk `insert` needs `key`")
                    .label("bulk results come in any order")
                    .help("add a field whose value tells the rows apart: `key: Legacy_Id__c`, or write `api: rest`"),
            );
            false
        }
        (Operation::Insert, _) => {
            ctx.report(
                Finding::warning(
                    "insert-without-key",
                    place,
                    "without a key every run inserts all rows again",
                )
                .label("inserts, and cannot see what exists")
                .help("add `key: Legacy_Id__c`: records that exist are then left alone"),
            );
            true
        }
        (operation, _) => {
            let word = operation.as_str();
            ctx.report(
                Finding::error("missing-key", place, format!("`{word}` needs `key`"))
                    .label(if entry.value.get("operation").is_some() {
                        "finds records by their key"
                    } else {
                        "an `upsert`, since `operation` says nothing else"
                    })
                    .help(if operation.deletes() {
                    "name the target field that tells records apart, `key: Id` where the rows are the target's own"
                } else {
                    "name the target field that tells records apart: `key: Legacy_Id__c`"
                }),
            );
            false
        }
    }
}
