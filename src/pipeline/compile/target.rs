use super::{Ctx, source, steps::Frame};
use crate::{
    diag::{Finding, Span},
    pipeline::model::{Api, Key, Operation, Target},
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
    let connection = frame.connection(entry, "to", ctx);
    let object = match node.get("object") {
        Some(object) => object.text().map(|name| (name.to_owned(), object.span.clone())),
        None => {
            let http = step
                .value
                .get("source")
                .is_some_and(|source| source.get("http").is_some());
            if read.is_none() && http {
                ctx.report(
                    Finding::error("missing-key", entry.key.span.clone(), "the target needs `object`")
                        .label("an `http` source has no object to take it from")
                        .help("add `object: Account`"),
                );
            }
            read
        }
    };
    let operation = match (node.get("operation"), node.get("operation").and_then(Node::text)) {
        (None, _) | (_, Some("upsert")) => Some(Operation::Upsert),
        (_, Some("insert")) => Some(Operation::Insert),
        (_, Some("update")) => Some(Operation::Update),
        _ => None,
    };
    let api = source::api(node.get("api"));
    let key = node.get("key").and_then(|key| {
        let field = key.text()?.to_owned();
        Some(Key {
            field,
            span: key.span.clone(),
        })
    });
    let mut whole = node.get("key").is_some() == key.is_some();
    if node.get("key").is_none()
        && let Some(operation) = operation
    {
        whole &= without_key(entry, operation, api, ctx);
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
        })
    })();
    CompiledTarget {
        target: target.filter(|_| whole),
        key,
    }
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
                    .help("name the target field that tells records apart: `key: Legacy_Id__c`"),
            );
            false
        }
    }
}
