//! `state:` of the project file: where runs are remembered.

use std::{net::IpAddr, path::Path};

use url::Url;

use super::{Ctx, credentials::value_ref};
use crate::{
    diag::Finding,
    file::tidy,
    pipeline::model::{DEFAULT_SCHEMA, StatePlace},
    spec::Node,
};

/// What the project file says of it; `root` is that file's, where there is one. `folder` is the project's.
pub(super) fn place(root: Option<&Node>, folder: &Path) -> StatePlace {
    let state = root.and_then(|root| root.get("state"));
    let text = |key: &str| state.and_then(|state| state.get(key)).and_then(Node::text);
    let postgres = state.and_then(|state| state.get("postgres"));
    if let Some(url) = postgres.and_then(|node| value_ref(node, folder)) {
        return StatePlace::Postgres {
            url,
            schema: text("schema").unwrap_or(DEFAULT_SCHEMA).to_owned(),
        };
    }
    StatePlace::Sqlite(tidy(&folder.join(text("sqlite").unwrap_or(".orgferry/state.db"))))
}

/// Looks at an address that stands in the file as text: only one that gives nothing away may.
pub(super) fn check(root: &Node, ctx: &mut Ctx<'_>) {
    let Some(node) = root.get("state").and_then(|state| state.get("postgres")) else {
        return;
    };
    let Some(text) = node.text() else { return };
    let instead = "write `postgres: { env: ORGFERRY_STATE_URL }`, or `{ file: PATH }`";
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => url,
        _ => {
            // With a sign too few or too many it may still hold a password: then it is not shown.
            let finding = if text.contains('@') {
                let message = "the address of the state database stands in the file, and cannot be read";
                Finding::error("secret-in-file", node.span.clone(), message)
            } else {
                let message = "this is no address of a PostgreSQL database";
                Finding::error("wrong-url", node.span.clone(), message)
            };
            ctx.report(
                finding
                    .label("expected `postgres://HOST/DATABASE`, or where that comes from")
                    .help(instead),
            );
            return;
        }
    };
    let host = url.host_str().unwrap_or_default();
    let secret = if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
        Some("the password of the state database stands in the file")
    } else if !is_local(host) {
        Some("the address of a database on another machine stands in the file")
    } else {
        None
    };
    if let Some(message) = secret {
        ctx.report(
            Finding::error("secret-in-file", node.span.clone(), message)
                .label("whoever can read the file has it")
                .help(format!(
                    "{instead}; as text only an address on this machine, without a password, may stand here"
                )),
        );
    }
}

/// Whether a host is this machine. Without one it is the database's socket file.
fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty() || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
