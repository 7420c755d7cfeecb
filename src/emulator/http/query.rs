use super::{Api, Reply, json};
use crate::emulator::{
    soql::{Plan, SoqlError, compile, run},
    store::Store,
};

/// A query with pages still to come.
#[derive(Debug)]
pub(crate) struct Cursor {
    plan: Plan,
    rows: Vec<u32>,
    page: usize,
    user: compact_str::CompactString,
}

pub(super) fn soql_error(error: &SoqlError) -> Reply {
    Reply::error(400, error.code, &error.message)
}

/// `/query?q=` and `/queryAll?q=`.
pub(super) fn query(api: &Api<'_>, with_deleted: bool) -> Reply {
    if !matches!(api.method(), "GET" | "HEAD") {
        return api.not_allowed("GET,HEAD");
    }
    let Some(soql) = api.call.param("q") else {
        return Reply::error(400, "MALFORMED_QUERY", "A query string has to be specified");
    };
    api.org.tally(|c| c.queries += 1);
    let store = api.read();
    let plan = match compile(&store.schema, &api.session.access, soql) {
        Ok(plan) => plan,
        Err(error) => return soql_error(&error),
    };
    let rows = run(&store, &plan, with_deleted);
    if plan.count {
        return Reply::text(
            200,
            format!(r#"{{"totalSize":{},"done":true,"records":[]}}"#, rows.len()),
        );
    }
    let page = page_size(api, &plan);
    if rows.len() <= page {
        return answer(api, &store, &plan, &rows, 0, page, None);
    }
    let locator = api.org.serial_id("0r8");
    let reply = answer(api, &store, &plan, &rows, 0, page, Some(&locator));
    let cursor = Cursor {
        plan,
        rows,
        page,
        user: api.session.user.clone(),
    };
    api.org.keep_cursor(locator, cursor);
    reply
}

/// The client's wish, within what an org gives; long texts make pages short.
fn page_size(api: &Api<'_>, plan: &Plan) -> usize {
    let wish = api
        .call
        .header("sforce-query-options")
        .and_then(|h| h.split(',').find_map(|o| o.trim().strip_prefix("batchSize=")))
        .and_then(|n| n.trim().parse::<usize>().ok())
        .map(|n| n.clamp(200, 2_000));
    let most = match plan.long_texts {
        0 => 2_000,
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
    answer(
        api,
        &store,
        &cursor.plan,
        &cursor.rows,
        offset,
        cursor.page,
        Some(id),
    )
}

fn answer(
    api: &Api<'_>,
    store: &Store,
    plan: &Plan,
    rows: &[u32],
    offset: usize,
    page: usize,
    locator: Option<&str>,
) -> Reply {
    let end = (offset + page).min(rows.len());
    let part = &rows[offset..end];
    let mut out = String::with_capacity(128 + part.len() * (96 + plan.columns.len() * 32));
    out.push_str(&format!(
        r#"{{"totalSize":{},"done":{}"#,
        rows.len(),
        end == rows.len()
    ));
    if let (Some(locator), true) = (locator, end < rows.len()) {
        out.push_str(&format!(
            r#","nextRecordsUrl":"{}/query/{locator}-{end}""#,
            api.base()
        ));
    }
    out.push_str(",\"records\":[");
    for (n, row) in part.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        json::record(&mut out, store, &plan.nodes, plan.object, *row, api.version);
    }
    out.push_str("]}");
    api.org.tally(|c| c.rows_read += part.len() as u64);
    Reply::text(200, out).with_rows(part.len())
}
