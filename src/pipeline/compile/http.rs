//! `source: { http: ... }`.

use serde_json::Value as Json;
use url::Url;

use super::{Ctx, credentials::is_loopback, expressions, steps::Frame};
use crate::{
    diag::{Finding, Span},
    pipeline::model::{HttpParameter, HttpSource, NextPage},
    record::Value,
    spec::{Node, Plain, size},
};

/// The most pages, when the file does not say.
const MOST_PAGES: usize = 100_000;

/// The most bytes of a page, when the file does not say.
const PAGE_BYTES: usize = 64 << 20;

/// Compiles a JSON API.
pub(super) fn compile(node: &Node, frame: &mut Frame<'_, '_>, ctx: &mut Ctx<'_>) -> Option<HttpSource> {
    let post = node.get("post");
    let address = post.or_else(|| node.get("get"))?;
    let (credential, plain, path) = server(address, frame, ctx)?;
    let mut whole = true;
    let mut query = Vec::new();
    for entry in node.get("query").map(Node::entries).unwrap_or_default() {
        match parameter(&entry.value, frame, ctx) {
            Ok(Some(value)) => query.push((entry.key.text.clone(), value)),
            Ok(None) => {}
            Err(()) => whole = false,
        }
    }
    let body = match (post, node.get("body")) {
        (Some(_), Some(body)) => {
            whole &= vars_of_body(body, frame, ctx);
            Some(body.to_json())
        }
        (Some(_), None) => Some(Json::Object(serde_json::Map::new())),
        (None, _) => None,
    };
    let headers = headers(node, plain, ctx);
    let records = node.get("records").map(|node| expressions::jsonpath(node, ctx));
    let next = node.get("next").map(|node| next(node, ctx));
    let limit = |key: &str| node.get("limits").and_then(|l| l.get(key)).and_then(Node::text);
    whole.then_some(HttpSource {
        credential,
        plain,
        path,
        body,
        headers: headers?,
        query,
        records: match records {
            Some(path) => Some(path?),
            None => None,
        },
        next: match next {
            Some(next) => Some(next?),
            None => None,
        },
        most_pages: limit("pages").and_then(|t| t.parse().ok()).unwrap_or(MOST_PAGES),
        page_bytes: limit("page_bytes").and_then(size).unwrap_or(PAGE_BYTES),
        span: address.span.clone(),
    })
}

/// Who is called, whether without credentials, and the path.
fn server(address: &Node, frame: &mut Frame<'_, '_>, ctx: &mut Ctx<'_>) -> Option<(String, bool, String)> {
    let text = address.text()?;
    let split = |rest: &str| match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => (rest[..at].to_owned(), rest[at..].to_owned()),
        Some(at) => (rest[..at].to_owned(), format!("/{}", &rest[at..])),
        None => (rest.to_owned(), "/".to_owned()),
    };
    if let Some(rest) = text.strip_prefix("callout:") {
        let (credential, path) = split(rest);
        let start = "callout:".len();
        let here = address.part(start..start + credential.len(), ctx.files);
        frame.access.uses(&credential, &here);
        return Some((credential, false, path));
    }
    let (scheme, rest) = text.split_once("://")?;
    let (host, path) = split(rest);
    let complain = |code, message: &str, label: &str, help: &str| {
        Finding::error(code, address.span.clone(), message)
            .label(label.to_owned())
            .help(help.to_owned())
    };
    if host.contains('@') {
        ctx.report(complain(
            "secret-in-file",
            "an address holds no user and no password",
            "a secret has no place here",
            "declare a named credential and write `callout:NAME/path`",
        ));
        return None;
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            ctx.report(complain(
                "bad-address",
                &format!("`{text}` is no address"),
                &error.to_string(),
                "an address is `https://`, a host and a path: `https://api.example.com/v1/people`",
            ));
            return None;
        }
    };
    if scheme == "http" && !is_loopback(&url) {
        ctx.report(complain(
            "bad-address",
            "an address has to start with `https://`",
            "not encrypted",
            "`http://` is for this machine only (localhost, 127.0.0.1)",
        ));
        return None;
    }
    Some((format!("{scheme}://{host}"), true, path))
}

/// A query parameter; `Ok(None)` when the check of the file's shape has complained already.
fn parameter(node: &Node, frame: &mut Frame<'_, '_>, ctx: &mut Ctx<'_>) -> Result<Option<HttpParameter>, ()> {
    if let Some(var) = node.get("var") {
        let Some(name) = var.text() else { return Err(()) };
        return match expressions::var(name, var.span.clone(), frame.vars, &mut frame.usage, ctx) {
            true => Ok(Some(HttpParameter::Var(name.to_owned()))),
            false => Err(()),
        };
    }
    if let Some(first) = node.get("cursor") {
        if first.scalar().is_some_and(|scalar| scalar.text.is_empty()) {
            ctx.report(
                Finding::error("wrong-type", node.span.clone(), "`cursor` has no value")
                    .label("expected what the first run sends")
                    .help("for example `{ cursor: 2020-01-01T00:00:00Z }`")
                    .help("if the first run sends nothing, write `{ cursor: null }`"),
            );
            return Err(());
        }
        return Ok(first.scalar().map(|scalar| {
            HttpParameter::Cursor(match scalar.plain() {
                Plain::Null => Value::Null,
                _ => Value::text(scalar.text.as_str()),
            })
        }));
    }
    Ok(node.scalar().map(|scalar| {
        HttpParameter::Value(match scalar.plain() {
            Plain::Null => Value::Null,
            _ => Value::text(scalar.text.as_str()),
        })
    }))
}

/// Whether every `{ var: NAME }` in a body names a var.
fn vars_of_body(node: &Node, frame: &mut Frame<'_, '_>, ctx: &mut Ctx<'_>) -> bool {
    if let ([entry], Some(name)) = (node.entries(), node.get("var").and_then(Node::text)) {
        let span = entry.value.span.clone();
        return expressions::var(name, span, frame.vars, &mut frame.usage, ctx);
    }
    let mut good = true;
    for inner in node.items() {
        good &= vars_of_body(inner, frame, ctx);
    }
    for entry in node.entries() {
        good &= vars_of_body(&entry.value, frame, ctx);
    }
    good
}

/// Headers of the source's own. What may be a secret belongs into the named credential.
fn headers(node: &Node, plain: bool, ctx: &mut Ctx<'_>) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    let mut whole = true;
    for entry in node.get("headers").map(Node::entries).unwrap_or_default() {
        let name = entry.key.text.to_ascii_lowercase();
        let secret = ["auth", "cookie", "token", "key", "secret", "session"]
            .iter()
            .any(|word| name.contains(word));
        if secret {
            let span = Span::clone(&entry.value.span);
            ctx.report(
                Finding::error(
                    "secret-in-file",
                    span,
                    format!("the header `{}` may hold a secret", entry.key.text),
                )
                .label("written as text")
                .help(match plain {
                    true => "declare a named credential with that header, and write `callout:NAME/path`",
                    false => "send it by the named credential: `headers: { NAME: { parameter: PARAMETER } }`",
                }),
            );
            whole = false;
        }
        if let Some(text) = entry.value.text() {
            if !text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
                ctx.report(
                    Finding::error(
                        "wrong-type",
                        entry.value.span.clone(),
                        format!("the header `{}` cannot have this value", entry.key.text),
                    )
                    .label("holds letters that no header takes")
                    .help("a header's value is one line of ASCII"),
                );
                whole = false;
            }
            headers.push((entry.key.text.clone(), text.to_owned()));
        }
    }
    whole.then_some(headers)
}

fn next(node: &Node, ctx: &mut Ctx<'_>) -> Option<NextPage> {
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    if let Some(path) = node.get("url") {
        return expressions::jsonpath(path, ctx).map(NextPage::Url);
    }
    if let Some(path) = node.get("cursor") {
        return Some(NextPage::Cursor {
            path: expressions::jsonpath(path, ctx)?,
            param: text("param")?,
        });
    }
    if let Some(param) = text("page") {
        return Some(NextPage::Page(param));
    }
    if let Some(param) = text("offset") {
        return Some(NextPage::Offset {
            param,
            size: text("size")?.parse().ok()?,
        });
    }
    text("link_header").map(NextPage::LinkHeader)
}
