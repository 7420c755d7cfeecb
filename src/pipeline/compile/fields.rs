//! The fields of a target, by `copy` and `map`.

use super::{
    Ctx,
    mapping::{Mapper, literals},
    scope::Columns,
    source::CompiledSource,
};
use crate::{
    diag::Finding,
    pipeline::model::{CopiedField, Copy, FieldMap, FilePath, Source},
    record::FieldPath,
    spec::Node,
};

/// The lines of `map`.
pub(super) fn fields(
    node: &Node,
    mapper: &mut Mapper<'_, '_>,
    to_file: bool,
    ctx: &mut Ctx<'_>,
) -> Option<Vec<FieldMap>> {
    let Some(map) = node.get("map") else {
        return Some(Vec::new());
    };
    let mut lines = Vec::new();
    let mut whole = !map.is_broken();
    for entry in map.entries() {
        let field = FieldPath::new(entry.key.text.clone());
        if field.segments().count() > 2 && !to_file {
            ctx.report(
                Finding::error(
                    "wrong-name",
                    entry.key.span.clone(),
                    format!("`{field}` is too long a path for a target"),
                )
                .label("a parent's external id is one step away")
                .help("write `PARENT.EXTERNAL_ID`, such as `Account.Legacy_Id__c`"),
            );
            whole = false;
        }
        match mapper.value(&entry.value, ctx) {
            Some(value) => lines.push(FieldMap {
                field,
                span: entry.key.span.clone(),
                value,
                value_span: ctx.head(&entry.value),
                literals: {
                    let mut found = Vec::new();
                    literals(&entry.value, &mut found);
                    found
                },
            }),
            None => whole = false,
        }
    }
    whole.then_some(lines)
}

pub(super) fn copy(
    node: &Node,
    columns: &mut Columns,
    to_file: bool,
    source: &CompiledSource,
    ctx: &mut Ctx<'_>,
) -> Option<Copy> {
    let entry = node.entry("copy");
    let all = entry.is_some_and(|entry| entry.value.text() == Some("all"));
    if let Some(except) = node.entry("except")
        && !all
    {
        ctx.report(
            Finding::error(
                "unused-key",
                except.key.span.clone(),
                "`except` means nothing without `copy: all`",
            )
            .label("leaves out of nothing")
            .help("write `copy: all`, or leave `except` out"),
        );
    }
    let Some(entry) = entry else {
        if node.get("map").is_none() {
            let place = node
                .entry("target")
                .map_or_else(|| ctx.head(node), |target| target.key.span.clone());
            ctx.report(
                Finding::error("nothing-mapped", place, "the step fills no field")
                    .label("has neither `copy` nor `map`")
                    .help("add `map: { Name: Name }` or `copy: [Name]`"),
            );
            return None;
        }
        return Some(Copy::Nothing);
    };
    if entry.value.is_broken() {
        return None;
    }
    if all {
        let unknown = match &source.source {
            Some(Source::Http(_)) => Some("JSON rows may hold anything"),
            Some(Source::File(file)) if matches!(file.path, FilePath::Standard) => {
                Some("standard input is read once, row by row")
            }
            _ => None,
        };
        if let Some(label) = unknown {
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.value.span.clone(),
                    "`copy: all` needs a source with known fields",
                )
                .label(label)
                .help("name the fields: `copy: [Name, Phone]`"),
            );
            return None;
        }
        let except = node.get("except").map(Node::items).unwrap_or_default();
        return Some(Copy::All {
            except: except
                .iter()
                .filter_map(|n| Some((n.text()?.to_owned(), n.span.clone())))
                .collect(),
            span: entry.value.span.clone(),
        });
    }
    let mut copied = Vec::new();
    let mut whole = true;
    for item in entry.value.items() {
        let Some(name) = item.text() else {
            whole = false;
            continue;
        };
        if name.eq_ignore_ascii_case("Id") && !to_file {
            ctx.report(
                Finding::error("id-not-key", item.span.clone(), "`Id` cannot be copied to an org")
                    .label("the target gives its own Ids")
                    .help("keep it in an external id field: `map: { Legacy_Id__c: Id }`"),
            );
            whole = false;
            continue;
        }
        let path = FieldPath::new(name);
        match columns.column(&path, item.span.clone()) {
            Some(column) => copied.push(CopiedField {
                field: name.to_owned(),
                column,
                span: item.span.clone(),
            }),
            None if columns.header().is_some() => {
                let finding = Finding::error(
                    "unknown-field",
                    item.span.clone(),
                    format!("the file has no column `{name}`"),
                )
                .label("not in the header line");
                ctx.report(match columns.suggestion(&path) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding,
                });
                whole = false;
            }
            None => {
                let mut finding = Finding::error(
                    "unknown-field",
                    item.span.clone(),
                    format!("the query does not select `{name}`"),
                )
                .label("not selected");
                if let Some(list) = columns.select_list() {
                    finding = finding.also(list.clone(), "the last field that the query selects");
                }
                ctx.report(match columns.suggestion(&path) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("add `{name}` to the fields after SELECT")),
                });
                whole = false;
            }
        }
    }
    whole.then_some(Copy::Fields(copied))
}
