//! Pages for people: what the org is, its objects, records, requests and faults. Plain HTML that works without scripts.

use std::fmt::Write;

use super::{Call, LoggedRequest, Org, Reply};
use crate::emulator::{
    schema::{Kind, Object},
    store::{State, Store},
};

/// Rows on a page.
const ROWS: usize = 50;
/// Columns of a list of records, Id and name not counted.
const COLUMNS: usize = 6;
/// Children that a record's page shows of one kind.
const CHILDREN: usize = 10;

pub(super) fn style() -> Reply {
    Reply::css(include_str!("page.css"))
}

/// `/`: the org, and its objects.
pub(super) fn home(org: &Org, call: &Call) -> Reply {
    let wanted = call.param("find").unwrap_or_default().trim().to_lowercase();
    let store = org.read();
    let counters = org.counters();
    let (used, most) = org.limits.calls(org.time());
    let mut out = format!("<h1>{}</h1>", escape(&org.name));
    facts(
        &mut out,
        &[
            ("Organization Id", &org.org_id),
            ("URL", &org.url),
            ("Time", &org.now()),
            (
                "API versions",
                &format!("{}.0 to {}.0", org.versions.from, org.versions.to),
            ),
            ("Users", &store.tables[store.user].live().to_string()),
            ("Connected apps", &org.apps.len().to_string()),
            (
                "API calls in 24 hours",
                &format!("{} of {}", grouped(used), grouped(most)),
            ),
            (
                "Data storage",
                &format!("{} MB", grouped(store.bytes().div_ceil(1_048_576))),
            ),
            ("Rows written", &grouped(counters.rows_written)),
            ("Rows refused", &grouped(counters.rows_refused)),
            ("Rows read", &grouped(counters.rows_read)),
            ("Faults", &org.faults.list().len().to_string()),
        ],
    );
    out.push_str("<h2>Objects</h2>");
    let _ = write!(
        out,
        "<form><input type=search name=find value=\"{}\" placeholder=\"Name or label\" aria-label=\"Find objects\"> <button>Find</button></form>",
        escape(&wanted)
    );
    let mut objects: Vec<(&Object, usize)> = store
        .schema
        .objects
        .iter()
        .zip(&store.tables)
        .map(|(object, table)| (object, table.live()))
        .filter(|(o, _)| o.name.to_lowercase().contains(&wanted) || o.label.to_lowercase().contains(&wanted))
        .collect();
    objects.sort_by_key(|(o, live)| (*live == 0, o.name.to_lowercase()));
    out.push_str(
        "<div class=scroll><table><tr><th>Object<th>Label<th>Prefix<th class=n>Fields<th class=n>Records</tr>",
    );
    for (o, live) in &objects {
        let _ = write!(
            out,
            "<tr><td><a href=\"/emulator/objects/{0}\">{0}</a><td>{1}<td class=id>{2}<td class=n>{3}<td class=n>{4}</tr>",
            escape(&o.name),
            escape(&o.label),
            escape(&o.prefix),
            o.fields.len(),
            match live {
                0 => "<span class=dim>0</span>".to_owned(),
                n => grouped(*n as u64),
            }
        );
    }
    out.push_str("</table></div>");
    if objects.is_empty() {
        out.push_str("<p class=dim>No object is called that.</p>");
    }
    page(org, 200, "Objects", &out)
}

/// `/emulator/objects/Account`: its records, a page at a time.
pub(super) fn object(org: &Org, call: &Call, name: &str) -> Reply {
    let store = org.read();
    let Some(object) = store.schema.object(name) else {
        return missing(org, "There is no such object.");
    };
    let spec = &store.schema.objects[object];
    let table = &store.tables[object];
    let find = call.param("find").unwrap_or_default().trim();
    let by = call.param("by").and_then(|name| spec.field(name));
    let is = call.param("is").unwrap_or_default();
    let binned = call.param("deleted") == Some("true");
    let state = if binned { State::Deleted } else { State::Live };
    let name_at = spec.name_field().filter(|f| *f != 0);
    let folded = find.to_lowercase();
    let matches = |row: u32| {
        table.state(row) == state
            && by.is_none_or(|field| table.get(row, field) == is)
            && (find.is_empty()
                || table.get(row, 0).starts_with(find)
                || name_at.is_some_and(|f| holds(table.get(row, f), &folded)))
    };
    let at: usize = call
        .param("page")
        .and_then(|p| p.parse().ok())
        .unwrap_or(1)
        .max(1);
    let (mut count, mut rows) = (0usize, Vec::with_capacity(ROWS));
    for row in 0..table.len() {
        if matches(row) {
            if count / ROWS + 1 == at {
                rows.push(row);
            }
            count += 1;
        }
    }
    let fields: Vec<usize> = std::iter::once(0)
        .chain(name_at)
        .chain(
            (1..spec.fields.len())
                .filter(|f| {
                    Some(*f) != name_at
                        && table.is_used(*f)
                        && telling(&spec.fields[*f].name, spec.fields[*f].kind)
                })
                .take(COLUMNS),
        )
        .collect();
    let mut out = format!(
        "<h1>{} <span class=dim>{}</span></h1>",
        escape(&spec.plural),
        escape(&spec.name)
    );
    let _ = write!(
        out,
        "<p>{} {}{} &middot; <a href=\"/emulator/records/{name}.csv\">CSV</a> &middot; <a href=\"/emulator/objects/{name}{}</a></p>",
        grouped(count as u64),
        if binned { "in the recycle bin" } else { "records" },
        match by {
            Some(field) => format!(" with {} {}", escape(&spec.fields[field].name), escape(is)),
            None => String::new(),
        },
        if binned {
            "\">Records"
        } else {
            "?deleted=true\">Recycle bin"
        },
        name = escape(&spec.name),
    );
    let _ = write!(
        out,
        "<form><input type=search name=find value=\"{}\" placeholder=\"Name or Id\" aria-label=\"Find records\"> <button>Find</button></form>",
        escape(find)
    );
    out.push_str("<div class=scroll><table class=records><tr>");
    for field in &fields {
        let _ = write!(out, "<th>{}", escape(&spec.fields[*field].name));
    }
    out.push_str("</tr>");
    for row in rows {
        out.push_str("<tr>");
        for field in &fields {
            let text = table.get(row, *field);
            let short: String = text.chars().take(80).collect();
            let _ = match spec.fields[*field].kind {
                Kind::Id => write!(out, "<td class=id>{}", link(text, text)),
                Kind::Reference if !text.is_empty() => {
                    write!(out, "<td>{}", link(text, &called(&store, text)))
                }
                _ => write!(out, "<td>{}", escape(&short)),
            };
        }
        out.push_str("</tr>");
    }
    out.push_str("</table></div>");
    pager(&mut out, call, at, count);
    page(org, 200, &spec.plural, &out)
}

/// Whether a text holds another one, which is in lower case; case makes no difference.
fn holds(text: &str, folded: &str) -> bool {
    if !text.is_ascii() || !folded.is_ascii() {
        return text.to_lowercase().contains(folded);
    }
    // Millions of names are looked at: none of them is copied.
    let (text, wanted) = (text.as_bytes(), folded.as_bytes());
    let Some(first) = wanted.first() else {
        return true;
    };
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), text).any(|at| {
        text.get(at..at + wanted.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(wanted))
    })
}

/// Fields that tell one record from another at a glance.
fn telling(name: &str, kind: Kind) -> bool {
    !matches!(
        name,
        "OwnerId" | "IsDeleted" | "CreatedById" | "LastModifiedById" | "LastModifiedDate" | "SystemModstamp"
    ) && !matches!(kind, Kind::LongText | Kind::RichText | Kind::Address)
}

/// `/emulator/records/001...`: a record, its parents as links, its children.
pub(super) fn record(org: &Org, id: &str) -> Reply {
    let store = org.read();
    let id = crate::record::id18(id);
    let Some((object, row)) = place(&store, &id) else {
        return missing(org, "There is no such record.");
    };
    let spec = &store.schema.objects[object];
    let table = &store.tables[object];
    let mut out = format!("<h1>{}</h1>", escape(&called(&store, &id)));
    let _ = write!(
        out,
        "<p><a href=\"/emulator/objects/{0}\">{0}</a> &middot; <span class=id>{1}</span>{2}</p>",
        escape(&spec.name),
        escape(&id),
        match table.state(row) {
            State::Live => "",
            State::Deleted => " &middot; <span class=bad>in the recycle bin</span>",
            State::Gone => " &middot; <span class=bad>deleted for good</span>",
        }
    );
    out.push_str("<div class=scroll><table><tr><th>Field<th>Label<th>Type<th>Value</tr>");
    let mut empty: Vec<&str> = Vec::new();
    for (at, field) in spec.fields.iter().enumerate() {
        let text = table.get(row, at);
        if text.is_empty() {
            empty.push(&field.name);
            continue;
        }
        let _ = write!(
            out,
            "<tr><td><code>{}</code><td>{}<td class=dim>{}<td>",
            escape(&field.name),
            escape(&field.label),
            field.kind.api_name()
        );
        if field.kind == Kind::Reference {
            let _ = write!(
                out,
                "{} <span class=\"id dim\">{}</span>",
                link(text, &called(&store, text)),
                escape(text)
            );
        } else {
            let _ = write!(out, "<pre>{}</pre>", escape(text));
        }
        out.push_str("</tr>");
    }
    let _ = write!(
        out,
        "</table></div><p class=dim>Without a value: {}</p>",
        escape(&empty.join(", "))
    );
    for (child, other) in store.schema.objects.iter().enumerate() {
        for (at, field) in other.fields.iter().enumerate() {
            // Who made and changed a record is told by each; here it would be all of them.
            if field.kind != Kind::Reference
                || !store.tables[child].is_used(at)
                || !field.reference_to.contains(&spec.name)
                || matches!(field.name.as_str(), "CreatedById" | "LastModifiedById")
            {
                continue;
            }
            let (count, rows) = children(&store, child, at, &id);
            if count == 0 {
                continue;
            }
            let _ = write!(
                out,
                "<h2>{} <span class=dim>by {}</span> <a href=\"/emulator/objects/{}?by={}&amp;is={}\">{}</a></h2><ul>",
                escape(&other.plural),
                escape(&field.name),
                escape(&other.name),
                escape(&field.name),
                escape(&id),
                grouped(count)
            );
            for row in rows {
                let id = store.tables[child].get(row, 0);
                let _ = write!(out, "<li>{}", link(id, &called(&store, id)));
            }
            out.push_str("</ul>");
        }
    }
    page(org, 200, &called(&store, &id), &out)
}

/// How many live rows have a value in a field, and the first of them. A look at all of them is quick, while an index of
/// a field that nobody else asks for would stay for good.
fn children(store: &Store, object: usize, field: usize, id: &str) -> (u64, Vec<u32>) {
    let table = &store.tables[object];
    let (mut count, mut first) = (0, Vec::new());
    for row in 0..table.len() {
        if table.get(row, field) == id && table.state(row) == State::Live {
            count += 1;
            if first.len() < CHILDREN {
                first.push(row);
            }
        }
    }
    (count, first)
}

/// The logged requests that a call asks for, newest first.
pub(super) fn logged(org: &Org, call: &Call) -> impl Iterator<Item = LoggedRequest> {
    let status = call.param("status").unwrap_or_default().to_owned();
    let path = call.param("path").unwrap_or_default().to_owned();
    let mut log = org.log();
    log.reverse();
    log.into_iter().filter(move |r| {
        let wanted = match status.as_str() {
            "" => true,
            "errors" => r.status >= 400 || r.status == 0,
            "cut" => r.status == 0,
            other => match other.strip_suffix("xx") {
                Some(hundreds) => (r.status / 100).to_string() == hundreds,
                None => r.status.to_string() == other,
            },
        };
        wanted && r.path.contains(&path)
    })
}

/// `/emulator/log`: the requests, newest first.
pub(super) fn log(org: &Org, call: &Call) -> Reply {
    let status = call.param("status").unwrap_or_default();
    let mut out = "<h1>Requests</h1><form><select name=status aria-label=Status>".to_owned();
    for (value, label) in [
        ("", "All"),
        ("errors", "Errors"),
        ("2xx", "2xx"),
        ("3xx", "3xx"),
        ("4xx", "4xx"),
        ("5xx", "5xx"),
        ("cut", "Cut off"),
    ] {
        let _ = write!(
            out,
            "<option value=\"{value}\"{}>{label}</option>",
            if value == status { " selected" } else { "" }
        );
    }
    let _ = write!(
        out,
        "</select> <input type=search name=path value=\"{}\" placeholder=\"Part of the path\" aria-label=Path> <button>Filter</button></form>",
        escape(call.param("path").unwrap_or_default())
    );
    let all: Vec<LoggedRequest> = logged(org, call).collect();
    let at: usize = call
        .param("page")
        .and_then(|p| p.parse().ok())
        .unwrap_or(1)
        .max(1);
    out.push_str("<div class=scroll><table><tr><th>Time<th>Method<th>Path<th>Status<th class=n>ms<th class=n>Rows</tr>");
    for r in all.iter().skip((at - 1).saturating_mul(ROWS)).take(ROWS) {
        let query: String = r.query.chars().take(300).collect();
        let _ = write!(
            out,
            "<tr><td class=dim>{}<td>{}<td><code>{}</code>{}<td class={}>{}<td class=n>{:.1}<td class=n>{}</tr>",
            r.at.strftime("%H:%M:%S"),
            escape(&r.method),
            escape(&r.path),
            if query.is_empty() {
                String::new()
            } else {
                format!("<br><span class=dim>{}</span>", escape(&query))
            },
            if r.status == 0 || r.status >= 400 {
                "bad"
            } else {
                "good"
            },
            match r.status {
                0 => "cut".to_owned(),
                status => status.to_string(),
            },
            r.took.as_secs_f64() * 1_000.0,
            match r.rows {
                0 => String::new(),
                rows => grouped(rows),
            }
        );
    }
    out.push_str("</table></div>");
    if all.is_empty() {
        out.push_str("<p class=dim>Nothing was asked yet.</p>");
    }
    pager(&mut out, call, at, all.len());
    page(org, 200, "Requests", &out)
}

/// `/emulator/faults`: what goes wrong on purpose.
pub(super) fn faults(org: &Org) -> Reply {
    let list = org.faults.list();
    let mut out = "<h1>Faults</h1>".to_owned();
    if list.is_empty() {
        out.push_str(
            "<p>Nothing goes wrong on purpose. Add a fault to the org file, or while the org runs:</p>",
        );
    } else {
        out.push_str(
            "<div class=scroll><table><tr><th class=n>No<th>Fault<th class=n>Matched<th class=n>Struck</tr>",
        );
        for armed in &list {
            let text = serde_json::to_value(&armed.fault)
                .map(without_nulls)
                .unwrap_or_default();
            let _ = write!(
                out,
                "<tr><td class=n>{}<td><code>{}</code><td class=n>{}<td class=n>{}</tr>",
                armed.id,
                escape(&text.to_string()),
                grouped(armed.seen),
                grouped(armed.hit)
            );
        }
        out.push_str("</table></div><p>Add one while the org runs:</p>");
    }
    let _ = write!(
        out,
        "<pre><code>{}</code></pre>",
        escape(&format!(
            "curl {}/emulator/faults -d '{{\"on\": {{\"path\": \"/query\"}}, \"times\": 1, \"then\": {{\"refuse\": \"server_unavailable\"}}}}'",
            org.url
        ))
    );
    page(org, 200, "Faults", &out)
}

fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => serde_json::Value::Object(
            map.into_iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k, without_nulls(v)))
                .filter(|(_, v)| v.as_object().is_none_or(|inner| !inner.is_empty()))
                .collect(),
        ),
        other => other,
    }
}

/// Where a record is, by its Id.
fn place(store: &Store, id: &str) -> Option<(usize, u32)> {
    let prefix = id.get(..3)?;
    store
        .schema
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| object.prefix == prefix)
        .find_map(|(object, _)| store.row(object, id).map(|row| (object, row)))
}

/// What a record is called: its name, else its Id.
fn called(store: &Store, id: &str) -> String {
    let name = place(store, id).and_then(|(object, row)| {
        let field = store.schema.objects[object].name_field()?;
        Some(store.tables[object].get(row, field))
    });
    match name {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => id.to_owned(),
    }
}

fn link(id: &str, text: &str) -> String {
    format!(
        "<a href=\"/emulator/records/{}\">{}</a>",
        escape(id),
        escape(text)
    )
}

fn facts(out: &mut String, facts: &[(&str, &str)]) {
    out.push_str("<dl class=facts>");
    for (name, value) in facts {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(value));
    }
    out.push_str("</dl>");
}

/// Links to the pages around this one, with the call's other parameters.
fn pager(out: &mut String, call: &Call, at: usize, count: usize) {
    let last = count.div_ceil(ROWS).max(1);
    if last == 1 {
        return;
    }
    let to = |page: usize, text: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in call
            .query
            .iter()
            .filter(|(name, value)| name != "page" && !value.is_empty())
        {
            query.append_pair(name, value);
        }
        let query = query.append_pair("page", &page.to_string()).finish();
        format!("<a href=\"?{}\">{text}</a>", escape(&query))
    };
    out.push_str("<p class=pages>");
    if at > 1 {
        out.push_str(&to(1, "First"));
        out.push_str(&to((at - 1).min(last), "Previous"));
    }
    let _ = write!(
        out,
        "<span class=dim>Page {} of {}</span>",
        grouped(at as u64),
        grouped(last as u64)
    );
    if at < last {
        out.push_str(&to(at + 1, "Next"));
        out.push_str(&to(last, "Last"));
    }
    out.push_str("</p>");
}

fn missing(org: &Org, text: &str) -> Reply {
    page(org, 404, "Not found", &format!("<h1>Not found</h1><p>{text}</p>"))
}

fn page(org: &Org, status: u16, title: &str, body: &str) -> Reply {
    Reply::page(
        status,
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>{} - {org_name}</title><link rel=stylesheet href=\"/emulator/style.css\">\
             <header><b><a href=\"/\">{org_name}</a></b> <span class=dim>emulated org</span>\
             <nav><a href=\"/\">Objects</a> <a href=\"/emulator/log\">Requests</a> <a href=\"/emulator/faults\">Faults</a></nav></header>\
             <main>{body}</main></html>",
            escape(title),
            org_name = escape(&org.name),
        ),
    )
}

/// A text that cannot be mistaken for markup, in an element or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A number as people read it: `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        for (text, wanted, expected) in [
            ("Acme Gmbh", "gmbh", true),
            ("Acme GMBH", "e g", true),
            ("Acme", "acme inc", false),
            ("Acme", "", true),
            ("M\u{dc}LLER", "m\u{fc}ll", true),
            ("aaab", "aab", true),
        ] {
            assert_eq!(holds(text, wanted), expected, "{text} {wanted}");
        }
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
