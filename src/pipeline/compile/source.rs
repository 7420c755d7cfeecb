use super::{
    Ctx,
    expressions::{self, Usage},
    files, http,
    scope::{Columns, Rows},
    steps::Frame,
};
use crate::{
    diag::{Finding, all_of, did_you_mean},
    pipeline::{
        expr::{Expr, Kind},
        model::{Api, Chunk, CursorField, FieldUse, RowId, SemiJoin, Source},
        soql::SelectItem,
    },
    record::FieldPath,
    spec::{Entry, Node},
};

/// What a step reads, and what its rows hold. `None`: it was complained about.
pub(super) struct CompiledSource {
    pub(super) source: Option<Source>,
    pub(super) connection: Option<String>,
    pub(super) api: Api,
    pub(super) include_deleted: bool,
    pub(super) chunk: Chunk,
    pub(super) columns: Columns,
    /// Fields that its filter and order look at.
    pub(super) filters: Vec<FieldUse>,
    /// The semi-joins of its filter.
    pub(super) semi_joins: Vec<SemiJoin>,
}

/// Compiles `source`; `steps` are all of the pipeline, for `same_as`.
pub(super) fn compile(
    step: &Entry,
    steps: &[Entry],
    frame: &mut Frame<'_, '_>,
    ctx: &mut Ctx<'_>,
) -> CompiledSource {
    let Some(entry) = step
        .value
        .entry("source")
        .filter(|entry| !entry.value.is_broken())
    else {
        return nothing(frame);
    };
    let Some(same_as) = entry.value.entry("same_as") else {
        return read_from(step, entry, frame, ctx);
    };
    for other in entry.value.entries() {
        let key = other.key.text.as_str();
        if !["same_as", "id", "each"].contains(&key) {
            ctx.report(
                Finding::error(
                    "conflicting-keys",
                    other.key.span.clone(),
                    format!("`{key}` cannot stand beside `same_as`"),
                )
                .label("the other step says what is read, and how")
                .help("leave it out; only `id` and `each` may differ"),
            );
        }
    }
    let Some(name) = same_as.value.text() else {
        return nothing(frame);
    };
    if !steps.iter().any(|other| other.key.text == name) {
        let names = || {
            steps
                .iter()
                .map(|other| other.key.text.as_str())
                .filter(|n| *n != step.key.text)
        };
        let finding = Finding::error(
            "unknown-step",
            same_as.value.span.clone(),
            format!("unknown step `{name}`"),
        )
        .label("no step of this file");
        ctx.report(match did_you_mean(name, names()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("this file's steps: {}", all_of(names()))),
        });
        return nothing(frame);
    }
    let Some(other) = super::steps::source_of(step, steps) else {
        let own = name == step.key.text;
        let message = match own {
            true => format!("step `{name}` reads the same as itself"),
            false => format!("no step says what `{name}` reads in the end"),
        };
        ctx.report(
            Finding::error("cycle", same_as.value.span.clone(), message)
                .label("leads back here, or to a step without a source")
                .help("write the source itself in one of these steps"),
        );
        return nothing(frame);
    };
    if other.value.is_broken() {
        return nothing(frame);
    }
    // What is wrong with the other step's source is told where it stands.
    let missed = frame.missed();
    let mut unheard = Vec::new();
    let compiled = read_from(step, other, frame, &mut Ctx::new(ctx.files, &mut unheard));
    frame.set_missed(missed);
    compiled
}

fn nothing(frame: &Frame<'_, '_>) -> CompiledSource {
    CompiledSource {
        source: None,
        connection: None,
        api: Api::Auto,
        include_deleted: false,
        chunk: Chunk::Auto,
        columns: Columns::new(Rows::Unknown, frame.var_names()),
        filters: Vec::new(),
        semi_joins: Vec::new(),
    }
}

/// What a `source` that is no `same_as` reads.
fn read_from(step: &Entry, entry: &Entry, frame: &mut Frame<'_, '_>, ctx: &mut Ctx<'_>) -> CompiledSource {
    let vars = frame.var_names();
    let mut out = nothing(frame);
    let node = &entry.value;
    out.api = api(node.get("api"));
    out.include_deleted = node.get("include_deleted").and_then(Node::text) == Some("true");
    out.chunk = match node.get("chunk").and_then(Node::text) {
        Some("off") => Chunk::Off,
        Some(rows) => rows.parse().map_or(Chunk::Auto, Chunk::Rows),
        None => Chunk::Auto,
    };
    if let Some(soql) = node.get("soql") {
        out.connection = frame.connection(entry, "from", ctx);
        if let Some(query) = expressions::query(step, soql, frame.vars, &mut frame.usage, ctx) {
            out.columns = Columns::selected(&query, &soql.parts(ctx.files), vars);
            out.filters = expressions::query_filters(soql, &query, ctx);
            out.semi_joins = expressions::semi_joins(Some(soql), &query.semi_joins, ctx);
            out.source = Some(Source::Soql {
                query,
                span: ctx.head(soql),
            });
        }
    } else if let Some(object) = node.get("object") {
        out.connection = frame.connection(entry, "from", ctx);
        out.columns = Columns::new(Rows::Derived, vars);
        out.source = object_source(node, object, frame, &mut out.filters, ctx);
        if let Some(Source::Object {
            condition: Some(condition),
            ..
        }) = &out.source
        {
            out.semi_joins = expressions::semi_joins(node.get("where"), &condition.semi_joins, ctx);
        }
    } else if let Some((key, file)) = files::named(node) {
        let alone = files::alone("source", node, key, ctx);
        let Some(file) = files::compile(key, &file.value, frame, ctx) else {
            return out;
        };
        out.columns = match key {
            "jsonl" => Columns::new(Rows::Json, vars),
            _ => match files::header(&file, frame, ctx) {
                Ok(header) => Columns::of_file(header, vars),
                Err(()) => return out,
            },
        };
        // A file is no org: nobody signs in.
        out.connection = Some(String::new());
        out.source = alone.then_some(Source::File(file));
    } else if let Some(http) = node.get("http") {
        out.columns = Columns::new(Rows::Json, vars);
        out.source = http::compile(http, frame, ctx).map(|http| {
            out.connection = Some(http.credential.clone());
            Source::Http(http)
        });
        if let Some(connection) = node.entry("connection") {
            ctx.report(
                Finding::error(
                    "conflicting-keys",
                    connection.key.span.clone(),
                    "an `http` source names its credential in the address",
                )
                .label("one too many")
                .help("leave it out: `callout:NAME/path` says who is called"),
            );
        }
    }
    chunkable(node, out.source.as_ref(), out.chunk, ctx);
    out
}

/// What is read in pieces is read in the order of its Ids, and can have no other.
fn chunkable(node: &Node, source: Option<&Source>, chunk: Chunk, ctx: &mut Ctx<'_>) {
    let (Some(source), Some(entry)) = (source, node.entry("chunk")) else {
        return;
    };
    let why = match source {
        _ if chunk == Chunk::Auto => None,
        Source::Soql { query, .. } if query.is_aggregated() => Some("rows of an aggregate have no Ids"),
        Source::Soql { query, .. } if query.order_by.is_some() => {
            Some("the query has an ORDER BY of its own")
        }
        Source::Soql { query, .. } if query.limit.is_some() || query.offset.is_some() => {
            Some("the query has a LIMIT or OFFSET")
        }
        Source::Object {
            order_by: Some(_), ..
        } => Some("`order_by` gives another order"),
        Source::Object { limit: Some(_), .. } => Some("`limit` counts rows of the whole"),
        Source::Soql { .. } | Source::Object { .. } | Source::Http(_) | Source::File(_) => None,
    };
    if let Some(why) = why {
        ctx.report(
            Finding::error(
                "conflicting-keys",
                entry.key.span.clone(),
                "`chunk` reads rows in the order of their Ids",
            )
            .label(why)
            .help("leave `chunk` out"),
        );
    }
}

/// The cursor with its column. `None`: it was complained about.
pub(super) fn cursor(
    node: Option<&Node>,
    source: &CompiledSource,
    columns: &mut Columns,
    ctx: &mut Ctx<'_>,
) -> Option<Option<CursorField>> {
    let Some(entry) = node.and_then(|node| node.entry("cursor")) else {
        return unused_cursor(source, ctx).then_some(None);
    };
    let node = &entry.value;
    let field = FieldPath::new(node.text()?);
    let refuse = |why: &str, help: &str, ctx: &mut Ctx<'_>| {
        ctx.report(
            Finding::error(
                "conflicting-keys",
                entry.key.span.clone(),
                "a `cursor` cannot tell here which rows are new",
            )
            .label(why)
            .help(help),
        );
        None
    };
    let mut selected = true;
    match source.source.as_ref()? {
        Source::Soql { query, .. } if query.is_aggregated() => {
            return refuse(
                "the query counts or groups",
                "leave it out: every run then reads all rows",
                ctx,
            );
        }
        Source::Soql { query, .. } if query.limit.is_some() || query.offset.is_some() => {
            return refuse(
                "rows beyond LIMIT or OFFSET would never be read",
                "leave LIMIT and OFFSET out, or leave `cursor` out",
                ctx,
            );
        }
        Source::Object { limit: Some(_), .. } => {
            return refuse(
                "rows beyond `limit` would never be read",
                "leave `limit` out, or leave `cursor` out",
                ctx,
            );
        }
        Source::Soql { query, .. } => {
            let plain = query.select.iter().all(SelectItem::is_plain);
            selected = plain || columns.position(&field).is_some();
        }
        Source::Http(http) if !http.asks_cursor() => {
            ctx.report(
                Finding::error(
                    "missing-key",
                    entry.key.span.clone(),
                    "nothing tells the API where the `cursor` stands",
                )
                .label("no query parameter takes it")
                .help("add `query: { since: { cursor: 2020-01-01T00:00:00Z } }` to `http`: that value in the first run, later how far the last one came"),
            );
            return None;
        }
        Source::File(_) => {
            return refuse(
                "a file says nothing of when its rows changed",
                "leave it out: every run then reads the whole file",
                ctx,
            );
        }
        Source::Object { .. } | Source::Http(_) => {}
    }
    let column = match selected {
        true => columns.read(&field, node.span.clone()),
        false => {
            ctx.report(
                Finding::error(
                    "unknown-field",
                    node.span.clone(),
                    format!("the query does not select `{field}`"),
                )
                .label("not selected")
                .help(format!("add `{field}` to the fields after SELECT")),
            );
            return None;
        }
    };
    Some(Some(CursorField {
        field,
        column,
        span: node.span.clone(),
    }))
}

/// A parameter of an `http` source that waits for a cursor that is not there. False: it was complained about.
fn unused_cursor(source: &CompiledSource, ctx: &mut Ctx<'_>) -> bool {
    let Some(Source::Http(http)) = &source.source else {
        return true;
    };
    if !http.asks_cursor() {
        return true;
    }
    ctx.report(
        Finding::error(
            "missing-key",
            http.span.clone(),
            "a query parameter takes the `cursor`, and the source has none",
        )
        .label("asks for what changed since the last run")
        .help(
            "name beside `http` the field of the records that tells when they changed: `cursor: updatedAt`",
        ),
    );
    false
}

pub(super) fn api(node: Option<&Node>) -> Api {
    match node.and_then(Node::text) {
        Some("rest") => Api::Rest,
        Some("bulk") => Api::Bulk,
        _ => Api::Auto,
    }
}

fn object_source(
    node: &Node,
    object: &Node,
    frame: &mut Frame<'_, '_>,
    filters: &mut Vec<FieldUse>,
    ctx: &mut Ctx<'_>,
) -> Option<Source> {
    let name = object.text()?.to_owned();
    let condition_node = node.get("where");
    let condition =
        condition_node.and_then(|node| expressions::condition(node, frame.vars, &mut frame.usage, ctx));
    let order_node = node.get("order_by");
    let order_by = order_node.and_then(|node| expressions::order_by(node, &name, filters, ctx));
    filters.extend(expressions::filters(condition_node, condition.as_ref(), ctx));
    let whole = condition.is_some() == condition_node.is_some() && order_by.is_some() == order_node.is_some();
    whole.then(|| Source::Object {
        span: object.span.clone(),
        condition,
        condition_span: condition_node.map_or_else(|| object.span.clone(), |node| ctx.head(node)),
        order_by,
        limit: node
            .get("limit")
            .and_then(Node::text)
            .and_then(|text| text.parse().ok()),
        object: name,
    })
}

/// What makes several rows of one; from then on `item` means something.
pub(super) fn each(
    step: &Entry,
    columns: &mut Columns,
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<Option<Expr>> {
    let Some(node) = step.value.get("source").and_then(|source| source.get("each")) else {
        return Some(None);
    };
    let expr = expressions::expression(node, columns, usage, ctx);
    columns.item = true;
    let expr = expr?;
    let from_org = matches!(columns.rows(), Rows::Selected | Rows::Derived);
    let never = matches!(expr.kind(), Kind::Bool | Kind::Number | Kind::Text)
        || from_org && expr.as_column().is_some();
    if never {
        let text = node.text().unwrap_or_default().trim();
        ctx.report(
            Finding::error(
                "wrong-type",
                ctx.head(node),
                "`each` goes through a list, and this is none",
            )
            .label(if expr.as_column().is_some() {
                "a field of an org holds one value"
            } else {
                "gives one value"
            })
            .help(format!(
                "for the values of a multi-select picklist: `each: {text} | split_multi`"
            )),
        );
        return None;
    }
    Some(Some(expr))
}

/// What tells rows apart: `id`, else `Id`, else the target's key.
pub(super) fn row_id(
    step: &Entry,
    source: &CompiledSource,
    columns: &mut Columns,
    usage: &mut Usage,
    ctx: &mut Ctx<'_>,
) -> Option<RowId> {
    let node = step.value.get("source")?;
    if let Some(id) = node.get("id") {
        let expr = expressions::expression(id, columns, usage, ctx)?;
        if expr.as_constant().is_some() {
            ctx.report(
                Finding::error("wrong-type", id.span.clone(), "`id` is the same for every row")
                    .label("tells no row from another")
                    .help("name a field, or an expression of fields"),
            );
            return None;
        }
        return Some(RowId::Expr(expr));
    }
    let span = match source.source.as_ref()? {
        Source::Soql { query, span } if query.is_aggregated() => {
            ctx.report(
                Finding::error(
                    "missing-key",
                    span.clone(),
                    "rows of an aggregate have no `Id`: `source` needs `id`",
                )
                .label("this query counts or groups")
                .help("add what tells its rows apart beside `soql`, such as `id: Region__c`"),
            );
            return None;
        }
        Source::Soql { span, .. } | Source::Object { span, .. } => span.clone(),
        Source::Http(http) => http.span.clone(),
        Source::File(file) => file.span.clone(),
    };
    if let Some(Source::File(_)) = source.source {
        return Some(columns.id_of_file(span).map_or(RowId::Key, RowId::IdOrKey));
    }
    let at = columns.column(&FieldPath::new("Id"), span)?;
    if let Some(Source::Http(_)) = source.source {
        return Some(RowId::IdOrKey(at));
    }
    Expr::compile("Id", columns).ok().map(RowId::Expr)
}
