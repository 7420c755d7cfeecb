use std::sync::Arc;

use serde_json::json;

use super::{
    Api, Reply,
    json::{self as text, Records},
};
use crate::emulator::{
    soql::{Asker, Children, NOT_EMULATED, Output, Plan, SoqlError, compile, groups, run},
    store::Store,
};

/// A query with pages still to come, or the children of one record with pages still to come.
#[derive(Debug)]
pub(crate) struct Cursor {
    plan: Arc<Plan>,
    rows: Vec<u32>,
    page: usize,
    with_deleted: bool,
    user: compact_str::CompactString,
}

/// The largest page, and the smallest that a client may wish for.
const MAX_PAGE: usize = 2_000;
const MIN_PAGE: usize = 200;

pub(super) fn soql_error(error: &SoqlError) -> Reply {
    match error.code {
        NOT_EMULATED => Reply::not_emulated(&error.message),
        code => Reply::error(400, code, &error.message),
    }
}

/// `/query?q=` and `/queryAll?q=`.
pub(super) fn query(api: &Api<'_>, with_deleted: bool) -> Reply {
    if !matches!(api.method(), "GET" | "HEAD") {
        return api.not_allowed("GET,HEAD");
    }
    if let Some(soql) = api.call.param("explain") {
        return explain(api, soql);
    }
    match api.call.param("q") {
        Some(soql) if !soql.trim().is_empty() => ask(api, soql, with_deleted),
        _ => Reply::error(400, "MALFORMED_QUERY", "A query string has to be specified"),
    }
}

/// The answer to a statement, wherever it came from.
pub(super) fn ask(api: &Api<'_>, soql: &str, with_deleted: bool) -> Reply {
    api.org.tally(|c| c.queries += 1);
    let store = api.read();
    let asker = asker(api, &store);
    let plan = match compile(&store.schema, &asker, soql) {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            drop(store);
            let known = (error.code == "INVALID_TYPE")
                .then(|| super::catalogue::ask(api, soql))
                .flatten();
            return known.unwrap_or_else(|| soql_error(&error));
        }
    };
    if wants_columns(api) {
        return super::columns::describe(&api.session.access, &store, &plan);
    }
    match &plan.output {
        Output::Count => {
            let count = run(&store, &plan, with_deleted).len();
            Reply::text(
                200,
                format!(r#"{{"totalSize":{count},"done":true,"records":[]}}"#),
            )
        }
        Output::Groups(grouped) => match groups(&store, &plan, grouped, with_deleted) {
            Err(error) => soql_error(&error),
            Ok(rows) => {
                let mut out = format!(r#"{{"totalSize":{},"done":true,"records":["#, rows.len());
                for (n, row) in rows.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    text::group(&mut out, &grouped.columns, row);
                }
                out.push_str("]}");
                api.org.tally(|c| c.rows_read += rows.len() as u64);
                Reply::text(200, out).with_rows(rows.len())
            }
        },
        Output::Rows => {
            let mut rows = run(&store, &plan, with_deleted);
            let object = &store.schema.objects[plan.object].name;
            if !plan.is_ordered()
                && let Some(nth) = api.org.faults.shuffles(object)
            {
                fastrand::Rng::with_seed(api.org.seed.wrapping_add(nth)).shuffle(&mut rows);
            }
            let cursor = Cursor {
                rows,
                page: page_size(api, &plan),
                plan,
                with_deleted,
                user: api.session.user.clone(),
            };
            let mut locator = None;
            let reply = answer(api, &store, &cursor, 0, &mut locator);
            if let Some(locator) = locator {
                api.org.keep_cursor(locator, cursor);
            }
            reply
        }
    }
}

/// The client asks for the columns, not for the rows.
pub(super) fn wants_columns(api: &Api<'_>) -> bool {
    let wish = api.call.param("columns");
    wish.is_some_and(|v| v.eq_ignore_ascii_case("true"))
}

pub(super) fn asker<'a>(api: &'a Api<'_>, store: &Store) -> Asker<'a> {
    let session = &api.session;
    Asker::new(store, &session.access, &session.user, api.version, api.org.time())
}

/// The client's wish, within what an org gives; long texts make pages short.
fn page_size(api: &Api<'_>, plan: &Plan) -> usize {
    let wish = api
        .call
        .header("sforce-query-options")
        .and_then(|h| {
            h.split([',', ';'])
                .find_map(|o| o.trim().strip_prefix("batchSize="))
        })
        .and_then(|n| n.trim().parse::<usize>().ok())
        .map(|n| n.clamp(MIN_PAGE, MAX_PAGE));
    let most = match plan.long_texts {
        0 => MAX_PAGE,
        1 => 1_000,
        _ => 200,
    };
    wish.unwrap_or(api.org.page_size).min(most)
}

/// `/query/0r8...-2000`.
pub(super) fn more(api: &Api<'_>, locator: &str) -> Reply {
    if !matches!(api.method(), "GET" | "HEAD") {
        return api.not_allowed("GET,HEAD");
    }
    api.org.tally(|c| c.queries += 1);
    let found = locator.split_once('-').and_then(|(id, offset)| {
        let offset: usize = offset.parse().ok()?;
        let cursor = api.org.cursor(id)?;
        (offset < cursor.rows.len() && cursor.user == api.session.user).then_some((id, offset, cursor))
    });
    let Some((id, offset, cursor)) = found else {
        return Reply::error(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    };
    let store = api.read();
    answer(api, &store, &cursor, offset, &mut Some(id.to_owned()))
}

/// A page, from an offset on. It ends with the record that fills it, the records of children counted in; a locator is
/// made when it is not the last and has none yet.
fn answer(
    api: &Api<'_>,
    store: &Store,
    cursor: &Cursor,
    offset: usize,
    locator: &mut Option<String>,
) -> Reply {
    let plan = &cursor.plan;
    let most = (offset + cursor.page).min(cursor.rows.len());
    let base = format!("{}/query/", api.base());
    let mut open = |children: &Arc<Children>, rows: Vec<u32>| {
        let locator = api.org.serial_id("0r8");
        let inner = Cursor {
            plan: children.plan.clone(),
            rows,
            page: cursor.page,
            with_deleted: cursor.with_deleted,
            user: cursor.user.clone(),
        };
        api.org.keep_cursor(locator.clone(), inner);
        format!("{base}{locator}")
    };
    let mut records = Records {
        store,
        version: api.version,
        with_deleted: cursor.with_deleted,
        page: cursor.page,
        written: 0,
        open: &mut open,
    };
    let mut body = String::with_capacity(128 + (most - offset) * (96 + plan.columns.len() * 32));
    let mut end = offset;
    while end < most && records.written < cursor.page {
        if end > offset {
            body.push(',');
        }
        records.record(&mut body, &plan.nodes, plan.object, cursor.rows[end]);
        end += 1;
    }
    let written = records.written;
    let done = end == cursor.rows.len();
    let mut out = format!(r#"{{"totalSize":{},"done":{done}"#, cursor.rows.len());
    if !done {
        let locator = locator.get_or_insert_with(|| api.org.serial_id("0r8"));
        out.push_str(&format!(r#","nextRecordsUrl":"{base}{locator}-{end}""#));
    }
    out.push_str(",\"records\":[");
    out.reserve(body.len() + 2);
    out.push_str(&body);
    out.push_str("]}");
    api.org.tally(|c| c.rows_read += written as u64);
    Reply::text(200, out).with_rows(written)
}

/// `/query?explain=`: how the org would find the rows.
fn explain(api: &Api<'_>, soql: &str) -> Reply {
    let store = api.read();
    let asker = asker(api, &store);
    let plan = match compile(&store.schema, &asker, soql) {
        Ok(plan) => plan,
        Err(error) => return soql_error(&error),
    };
    let object = &store.schema.objects[plan.object].name;
    let whole = store.tables[plan.object].live();
    let cardinality = run(&store, &plan, false).len();
    let fields = plan.indexed(&store);
    let share = cardinality as f64 / whole.max(1) as f64;
    let scan = json!({
        "cardinality": cardinality,
        "fields": [],
        "leadingOperationType": "TableScan",
        "notes": [],
        "relativeCost": 0.5 + share * 2.5,
        "sobjectCardinality": whole,
        "sobjectType": object,
    });
    let mut plans = Vec::new();
    if !fields.is_empty() {
        plans.push(json!({
            "cardinality": cardinality,
            "fields": fields,
            "leadingOperationType": "Index",
            "notes": [],
            "relativeCost": share * 2.5,
            "sobjectCardinality": whole,
            "sobjectType": object,
        }));
    }
    plans.push(scan);
    Reply::json(200, &json!({"plans": plans, "sourceQuery": soql}))
}
