//! The org's side door, for tests and people: JSON below `/emulator`, and the pages of [`super::page`].
//!
//! It asks for no token and is never counted, limited, logged or made to fail. Since browsers can be made to send
//! requests to this machine, it only answers when it is called by a name of this machine, and changes nothing for a
//! page of another origin.
//!
//! | Request | What it does |
//! | --- | --- |
//! | `GET /emulator` | these lines |
//! | `GET /emulator/status` | name, Id, time, counters, limits, records of each object |
//! | `GET /emulator/requests?status=4xx&path=TEXT&limit=N` | the request log, newest first; no tokens, no bodies |
//! | `DELETE /emulator/requests` | empties the log and all counters |
//! | `GET`, `POST`, `DELETE /emulator/faults` | what goes wrong; one more (an entry of the file's `faults`, or a list); none |
//! | `DELETE /emulator/faults/N` | takes one away |
//! | `POST /emulator/tokens/expire`, `/emulator/locators/expire` | all tokens, all query locators are expired |
//! | `GET`, `POST /emulator/clock` | the time; `{"advance": "2d", "set": "2026-01-05T08:00:00Z", "speed": 0}` |
//! | `GET /emulator/records/OBJECT.csv?fields=A,B&order_by=A&deleted=true` | all records, as CSV |
//! | `GET`, `POST`, `DELETE /emulator/snapshots/NAME`, `POST .../NAME/restore` | records kept in memory |
//! | `POST /emulator/undelete` | brings `{"ids": [...]}` back from the recycle bin |
//! | `POST /emulator/reset` | back to the org file |

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, CsvWish, Org, Reply, page, records_csv};
use crate::emulator::{Fault, file::Span};

/// Whether a path is the emulator's own.
pub(super) fn is_private(path: &str) -> bool {
    path.is_empty() || path == "/emulator" || path.starts_with("/emulator/") || path == "/favicon.ico"
}

/// Answers a request of the side door.
pub(super) fn answer(org: &Arc<Org>, call: &Call) -> Reply {
    if let Err(why) = allowed(call) {
        return fail(403, why);
    }
    let segments: Vec<&str> = call.path.split('/').filter(|s| !s.is_empty()).skip(1).collect();
    let html = call.header("accept").is_some_and(|a| a.contains("text/html"));
    match (call.method.as_str(), &segments[..]) {
        ("GET", []) if call.path.is_empty() => page::home(org, call),
        ("GET", []) if call.path == "/favicon.ico" => Reply::empty(204),
        ("GET", ["style.css"]) => page::style(),
        ("GET", ["objects", object]) => page::object(org, call, object),
        ("GET", ["records", file]) if file.ends_with(".csv") => csv(org, call, file.trim_end_matches(".csv")),
        ("GET", ["records", id]) => page::record(org, id),
        ("GET", ["log"]) => page::log(org, call),
        ("GET", ["faults"]) if html => page::faults(org),
        ("GET", []) => done(json!({"requests": REQUESTS})),
        ("GET", ["status"]) => done(status(org)),
        ("GET", ["requests"]) => requests(org, call),
        ("DELETE", ["requests"]) => {
            org.clear_log();
            done(json!({"requests": 0}))
        }
        ("GET", ["faults"]) => done(json!(org.faults.list())),
        ("POST", ["faults"]) => add_faults(org, call),
        ("DELETE", ["faults"]) => {
            org.faults.clear();
            done(json!([]))
        }
        ("DELETE", ["faults", id]) => match id.parse().is_ok_and(|id| org.faults.remove(id)) {
            true => done(json!(org.faults.list())),
            false => fail(404, format!("there is no fault {id}")),
        },
        ("POST", ["tokens", "expire"]) => {
            org.expire_tokens();
            done(json!({"expired": "tokens"}))
        }
        ("POST", ["locators", "expire"]) => {
            org.expire_cursors();
            done(json!({"expired": "locators"}))
        }
        ("GET", ["clock"]) => done(clock(org)),
        ("POST", ["clock"]) => set_clock(org, call),
        ("GET", ["snapshots"]) => done(json!(org.snapshots())),
        ("POST", ["snapshots", name]) => {
            org.snapshot(name);
            done(json!({"kept": name}))
        }
        ("POST", ["snapshots", name, "restore"]) => match org.restore(name) {
            true => done(json!({"restored": name})),
            false => fail(404, format!("there is no snapshot `{name}`")),
        },
        ("DELETE", ["snapshots", name]) => match org.forget_snapshot(name) {
            true => done(json!({"forgotten": name})),
            false => fail(404, format!("there is no snapshot `{name}`")),
        },
        ("POST", ["undelete"]) => undelete(org, call),
        ("POST", ["reset"]) => match org.reset() {
            Ok(()) => done(status(org)),
            Err(error) => fail(500, error.to_string()),
        },
        (method, _) => fail(
            404,
            format!(
                "the emulator has no {method} {}; GET /emulator tells what it has",
                call.path
            ),
        ),
    }
}

const REQUESTS: &[&str] = &[
    "GET /emulator/status",
    "GET /emulator/requests?status=4xx&path=TEXT&limit=N",
    "DELETE /emulator/requests",
    "GET, POST, DELETE /emulator/faults",
    "DELETE /emulator/faults/N",
    "POST /emulator/tokens/expire",
    "POST /emulator/locators/expire",
    "GET, POST /emulator/clock",
    "GET /emulator/records/OBJECT.csv?fields=A,B&order_by=A&deleted=true",
    "GET /emulator/snapshots",
    "POST, DELETE /emulator/snapshots/NAME",
    "POST /emulator/snapshots/NAME/restore",
    "POST /emulator/undelete {\"ids\": [...]}",
    "POST /emulator/reset",
    "GET / (pages for people)",
];

/// The caller must mean this machine, and must not be a page of somebody else's.
fn allowed(call: &Call) -> Result<(), String> {
    let host = call.header("host").unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.chars().all(|c| c.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    if !matches!(name, "127.0.0.1" | "localhost" | "[::1]" | "") && !name.ends_with(".localhost") {
        return Err(format!("the emulator's own pages are not served to `{name}`"));
    }
    let origin = call.header("origin").unwrap_or_default();
    let own = origin.is_empty() || origin.split_once("://").is_some_and(|(_, o)| o == host);
    if call.method != "GET" && !own {
        return Err(format!("a page of {origin} may not change the org"));
    }
    Ok(())
}

fn done(value: Value) -> Reply {
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    Reply::text(200, text + "\n")
}

fn fail(status: u16, why: impl Into<String>) -> Reply {
    Reply::text(status, format!("{}\n", json!({"error": why.into()})))
}

/// The body as JSON, whatever its content type says.
fn read<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Reply> {
    serde_json::from_slice(&call.body).map_err(|e| fail(400, format!("the body is not as it should be: {e}")))
}

fn status(org: &Org) -> Value {
    let (records, bytes, files) = {
        let store = org.read();
        let records: serde_json::Map<String, Value> = store
            .schema
            .objects
            .iter()
            .zip(&store.tables)
            .filter(|(_, table)| table.live() > 0)
            .map(|(object, table)| (object.name.clone(), json!(table.live())))
            .collect();
        (records, store.bytes(), store.file_bytes())
    };
    json!({
        "name": org.name,
        "org_id": org.org_id,
        "url": org.url,
        "api_versions": {"from": org.versions.from, "to": org.versions.to},
        "clock": clock(org),
        "counters": org.counters(),
        "limits": org.limits(bytes, files),
        "records": records,
        "faults": org.faults.list().len(),
        "snapshots": org.snapshots(),
    })
}

fn clock(org: &Org) -> Value {
    json!({"now": org.time().to_string(), "speed": org.clock.speed()})
}

/// How the clock is moved; what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    #[serde(default)]
    set: Option<String>,
    #[serde(default)]
    advance: Option<Span>,
    #[serde(default)]
    speed: Option<f64>,
}

fn set_clock(org: &Org, call: &Call) -> Reply {
    let to: Move = match read(call) {
        Ok(to) => to,
        Err(reply) => return reply,
    };
    if let Some(speed) = to.speed {
        org.clock.run(speed);
    }
    if let Some(text) = &to.set {
        match text.parse() {
            Ok(time) => org.clock.set(time),
            Err(_) => {
                return fail(
                    400,
                    format!("`{text}` is no datetime such as 2026-01-05T08:00:00Z"),
                );
            }
        }
    }
    if let Some(span) = to.advance {
        org.clock.advance(span.get());
    }
    done(clock(org))
}

/// Brings records back from the recycle bin, each for itself.
fn undelete(org: &Org, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        ids: Vec<String>,
    }
    let wanted: Wanted = match read(call) {
        Ok(wanted) => wanted,
        Err(reply) => return reply,
    };
    let mut store = org.write();
    let results: Vec<Value> = wanted
        .ids
        .iter()
        .map(|id| {
            let done = org.as_first_user(|call| store.undelete(id, call, &mut Vec::new()));
            match done {
                Ok(done) => json!({"id": done.id.as_str(), "success": true}),
                Err(e) => json!({"id": id, "success": false, "error": format!("{}: {}", e.code, e.message)}),
            }
        })
        .collect();
    done(Value::Array(results))
}

fn add_faults(org: &Org, call: &Call) -> Reply {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        List(Vec<Value>),
        One(Value),
    }
    let entries = match read(call) {
        Ok(Given::List(entries)) => entries,
        Ok(Given::One(entry)) => vec![entry],
        Err(reply) => return reply,
    };
    // All are read before any is added. Numbers inside arrive as text where the grammar wants text.
    let faults: Result<Vec<Fault>, _> = entries
        .iter()
        .map(|entry| serde_json::from_str(&entry.to_string()))
        .collect();
    match faults {
        Ok(faults) => {
            let ids: Vec<u64> = faults.into_iter().map(|fault| org.faults.add(fault)).collect();
            done(json!({"added": ids}))
        }
        Err(e) => fail(400, format!("that is no fault: {e}")),
    }
}

fn requests(org: &Org, call: &Call) -> Reply {
    let limit = call.param("limit").and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let list: Vec<Value> = page::logged(org, call)
        .take(limit)
        .map(|r| {
            json!({
                "at": r.at.to_string(),
                "method": r.method,
                "path": r.path,
                "query": r.query,
                "status": r.status,
                "ms": r.took.as_secs_f64() * 1_000.0,
                "rows": r.rows,
            })
        })
        .collect();
    done(Value::Array(list))
}

fn csv(org: &Org, call: &Call, object: &str) -> Reply {
    let list = |name: &str| -> Vec<String> {
        let names = call.param(name).unwrap_or_default().split(',');
        names
            .map(|n| n.trim().to_owned())
            .filter(|n| !n.is_empty())
            .collect()
    };
    let wish = CsvWish {
        fields: list("fields"),
        order_by: list("order_by"),
        deleted: call.param("deleted") == Some("true"),
    };
    match records_csv(&org.read(), object, &wish) {
        Ok(pieces) => Reply::csv(pieces),
        Err(why) => fail(404, why),
    }
}
