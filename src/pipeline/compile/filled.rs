//! What is wrong with the fields that a step fills, taken together: twice, never, or not all that its key needs.

use std::collections::HashMap;

use super::{Ctx, mapping::StepInfo, source::CompiledSource, target};
use crate::{
    diag::{Finding, Span},
    pipeline::model::{FieldMap, Key, MapValue, Operation, Target},
    spec::{Entry, Node},
};

/// Complains about target fields that are filled twice; gives the names of all that are filled.
pub(super) fn mapped_twice(node: &Node, ctx: &mut Ctx<'_>) -> HashMap<String, Span> {
    let mut filled: HashMap<String, Span> = HashMap::new();
    let copied = node.get("copy").map(Node::items).unwrap_or_default();
    let copied = copied.iter().filter_map(|item| Some((item.text()?, &item.span)));
    let mapped = node.get("map").map(Node::entries).unwrap_or_default();
    let mapped = mapped
        .iter()
        .map(|entry| (entry.key.text.as_str(), &entry.key.span));
    let mut all: Vec<(&str, &Span)> = copied.chain(mapped).collect();
    all.sort_by_key(|(_, span)| (span.file, span.range.start));
    for (name, span) in all {
        match filled.get(&name.to_lowercase()) {
            Some(first) => ctx.report(
                Finding::error("mapped-twice", span.clone(), format!("`{name}` is filled twice"))
                    .label("again here")
                    .also(first.clone(), "first here")
                    .help("keep one of them; field names compare without case"),
            ),
            None => {
                filled.insert(name.to_lowercase(), span.clone());
            }
        }
    }
    filled
}

/// `only` where it makes no sense: a key is always needed, and an `insert` never updates.
pub(super) fn only(node: &Node, key: Option<&Key>, ctx: &mut Ctx<'_>) {
    let operation = node.get("target").and_then(|target| target.get("operation"));
    let never = match operation.and_then(Node::text) {
        Some("insert") => Some(("update", "insert", "an `insert` only creates")),
        Some("update") => Some(("create", "update", "an `update` only updates")),
        _ => None,
    };
    for entry in node.get("map").map(Node::entries).unwrap_or_default() {
        let Some(only) = entry.value.get("only") else {
            continue;
        };
        let is_key = key.is_some_and(|key| key.has(&entry.key.text));
        if is_key {
            ctx.report(
                Finding::error(
                    "unfilled-key",
                    only.span.clone(),
                    format!("the key `{}` is needed for every row", entry.key.text),
                )
                .label("would leave it out")
                .help("leave `only` out: an upsert never changes the key of a record that it finds"),
            );
        } else if let Some((word, operation, why)) = never
            && only.text() == Some(word)
        {
            ctx.report(
                Finding::warning(
                    "never-sent",
                    only.span.clone(),
                    format!("`{}` is never sent", entry.key.text),
                )
                .label(why)
                .help(format!(
                    "leave `only` out, or take another operation than `{operation}`"
                )),
            );
        }
    }
}

/// The key has to be filled, and `Id` may be nothing but the key.
pub(super) fn key(
    step: &Entry,
    target: &target::CompiledTarget,
    filled: &HashMap<String, Span>,
    ctx: &mut Ctx<'_>,
) {
    let node = &step.value;
    let key = target.key.as_ref();
    let is_id = key.is_some_and(Key::is_id);
    let broken = |name: &str| {
        let includes_broken = |node: &Node| node.get("include").is_some_and(Node::is_broken);
        node.get(name)
            .is_some_and(|node| node.is_broken() || includes_broken(node))
    };
    let copies_all = node.get("copy").and_then(Node::text) == Some("all");
    if let Some(key) = key
        && !broken("map")
        && !broken("copy")
        && (is_id || !copies_all)
        && (node.get("map").is_some() || node.get("copy").is_some())
    {
        for (field, span) in &key.fields {
            if filled.contains_key(&field.to_lowercase()) {
                continue;
            }
            ctx.report(
                Finding::error(
                    "unfilled-key",
                    span.clone(),
                    format!("nothing fills the key `{field}`"),
                )
                .label("neither in `map` nor in `copy`")
                .help(match key.fields.len() {
                    _ if is_id => "add it to `map`: `Id: { ref: STEP, of: Id }`".to_owned(),
                    1 => format!("add it to `map`: `{field}: Id`"),
                    _ => format!("add it to `copy` or to `map`: `{field}: {field}`"),
                }),
            );
        }
    }
    let mapped = node.get("map").map(Node::entries).unwrap_or_default();
    // Of a key that was complained about, `Id` may be a part.
    let settled = key.is_some() || target.target.is_some();
    if !is_id
        && settled
        && let Some(entry) = mapped.iter().find(|e| e.key.text.eq_ignore_ascii_case("Id"))
    {
        ctx.report(
            Finding::error("id-not-key", entry.key.span.clone(), "`Id` can only be filled as the key")
                .label("the target gives its own Ids")
                .help("write `key: Id` in the target, or keep the source's Id in a field of its own: `Legacy_Id__c: Id`"),
        );
    }
}

/// `delete` and `match` look at the key alone; a `group_by` field has to have a value.
pub(super) fn target_fields(
    step: &Entry,
    target: Option<&Target>,
    filled: &HashMap<String, Span>,
    ctx: &mut Ctx<'_>,
) {
    let node = &step.value;
    let (Some(target), Some(key)) = (target, target.and_then(|t| t.key.as_ref())) else {
        return;
    };
    let copies_all = node.get("copy").filter(|copy| copy.text() == Some("all"));
    let word = target.operation.as_str();
    if target.operation.takes_key_only() {
        let names: Vec<&str> = key.fields.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        if let Some(copy) = copies_all {
            ctx.report(
                Finding::error(
                    "only-the-key",
                    copy.span.clone(),
                    format!("`{word}` takes the key only"),
                )
                .label("fills more than the key")
                .help(format!("write `copy: [{names}]`, or fill the key in `map`")),
            );
        }
        let mut extra: Vec<(&String, &Span)> = filled.iter().filter(|(name, _)| !key.has(name)).collect();
        extra.sort_by_key(|(_, span)| (span.file, span.range.start));
        for (_, span) in extra {
            let what = match target.operation {
                Operation::Match => "writes nothing, and finds records by their key",
                _ => "takes the key only",
            };
            ctx.report(
                Finding::error("only-the-key", span.clone(), format!("`{word}` {what}"))
                    .label("not a part of the key")
                    .also(key.span.clone(), "the key")
                    .help("leave this field out"),
            );
        }
    }
    if let Some((field, span)) = &target.group_by
        && copies_all.is_none()
        && !filled.contains_key(&field.to_lowercase())
        && !filled.keys().any(|name| leads_to(name, field))
    {
        ctx.report(
            Finding::error(
                "unfilled-group",
                span.clone(),
                format!("nothing fills `{field}`, by which rows are to be grouped"),
            )
            .label("neither in `map` nor in `copy`")
            .help("name a field that the step fills, such as the lookup to the parent"),
        );
    }
}

/// A key that is the same for every row makes one record of all of them.
pub(super) fn constant_key(key: Option<&Key>, map: Option<&[FieldMap]>, ctx: &mut Ctx<'_>) {
    let (Some(key), Some(map)) = (key, map) else {
        return;
    };
    let constant = |line: &&FieldMap| match &line.value {
        MapValue::Literal(_) => true,
        MapValue::Expr(expr) => expr.as_constant().is_some(),
        _ => false,
    };
    // One part that differs is enough to tell rows apart.
    let line_of = |name: &str| {
        map.iter()
            .find(|line| line.field.as_str().eq_ignore_ascii_case(name))
    };
    let lines: Option<Vec<&FieldMap>> = key
        .fields
        .iter()
        .map(|(name, _)| line_of(name).filter(constant))
        .collect();
    let Some((name, line)) = lines.and_then(|lines| Some((&key.fields.first()?.0, *lines.first()?))) else {
        return;
    };
    ctx.report(
        Finding::warning(
            "constant-key",
            line.value_span.clone(),
            format!("the key `{name}` is the same for every row"),
        )
        .label("all rows but the first are parked as `duplicate_key`")
        .also(key.span.clone(), "the key")
        .help(format!("fill it with what tells the rows apart: `{name}: Id`")),
    );
}

/// Whether a relationship path fills a lookup: `Account.Ext__c` fills `AccountId`, `Parent__r.Ext__c` `Parent__c`.
fn leads_to(path: &str, lookup: &str) -> bool {
    let Some((relationship, _)) = path.split_once('.') else {
        return false;
    };
    let field = match relationship.strip_suffix("__r") {
        Some(custom) => format!("{custom}__c"),
        None => format!("{relationship}id"),
    };
    field.eq_ignore_ascii_case(lookup)
}

/// A `lookup` asks an org, and a file is none.
pub(super) fn lookups_have_an_org(
    step: &Entry,
    map: Option<&[FieldMap]>,
    connection: &str,
    ctx: &mut Ctx<'_>,
) {
    let asks = map.unwrap_or_default().iter().find(|line| line.value.looks_up());
    let (Some(line), true) = (asks, connection.is_empty()) else {
        return;
    };
    let target = step
        .value
        .entry("target")
        .map_or_else(|| step.key.span.clone(), |entry| entry.key.span.clone());
    ctx.report(
        Finding::error(
            "missing-key",
            line.value_span.clone(),
            "the pipeline does not say which org is looked into",
        )
        .label("a `lookup` asks the target's org")
        .also(target, "this target is a file")
        .help("add `to: NAMED_CREDENTIAL` to the pipeline, or `connection: NAMED_CREDENTIAL` to the target"),
    );
}

/// `AccountId: AccountId` between two orgs writes an Id that the target does not know.
pub(super) fn lookup_copies(
    step: &Entry,
    source: &CompiledSource,
    target_connection: &str,
    infos: &[StepInfo],
    ctx: &mut Ctx<'_>,
) {
    let from_org = source
        .source
        .as_ref()
        .is_some_and(|source| source.object().is_some());
    if !from_org || source.connection.as_deref() == Some(target_connection) {
        return;
    }
    for entry in step.value.get("map").map(Node::entries).unwrap_or_default() {
        let field = &entry.key.text;
        let Some(parent) = field
            .strip_suffix("Id")
            .filter(|parent| !parent.is_empty() && !parent.contains('.'))
        else {
            continue;
        };
        if !entry
            .value
            .text()
            .is_some_and(|text| text.trim().eq_ignore_ascii_case(field))
        {
            continue;
        }
        let known = infos
            .iter()
            .find(|info| {
                !info.deletes
                    && info
                        .object
                        .as_ref()
                        .is_some_and(|object| object.eq_ignore_ascii_case(parent))
            })
            .or_else(|| {
                (parent == "Parent")
                    .then(|| infos.iter().find(|i| i.name == step.key.text))
                    .flatten()
            });
        let instead = match (parent, known) {
            ("RecordType", _) => format!("{field}: {{ record_type: RecordType.DeveloperName }}"),
            (_, Some(info)) => format!("{field}: {{ ref: {}, of: {field} }}", info.name),
            ("Owner", None) => format!("{field}: {{ lookup: User, by: Username, of: Owner.Username }}"),
            (_, None) => format!("{field}: {{ lookup: {parent}, by: FIELD, of: {parent}.FIELD }}"),
        };
        ctx.report(
            Finding::warning(
                "copied-lookup",
                entry.value.span.clone(),
                format!("`{field}` gets the source org's Id, which the target org does not know"),
            )
            .label("an Id of the other org")
            .help(format!("write `{instead}`")),
        );
    }
}
