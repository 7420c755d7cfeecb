use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{MOST, Sub, dispatch, too_many};
use crate::emulator::http::{Api, Reply};

/// `POST /composite/batch`: independent sub-requests, each of which is counted.
pub(super) fn answer(api: &Api<'_>) -> Reply {
    let body = match api.json() {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let Some(list) = body.get("batchRequests").and_then(Value::as_array) else {
        return Reply::error(400, "INVALID_INPUT", "batchRequests is required");
    };
    if list.len() > MOST {
        return too_many(&format!(
            "The request has {} subrequests. A batch can have up to {MOST}.",
            list.len()
        ));
    }
    let halt_on_error = body.get("haltOnError").and_then(Value::as_bool).unwrap_or(false);
    let mut failed = false;
    let mut results: Vec<String> = Vec::with_capacity(list.len());
    for (at, entry) in list.iter().enumerate() {
        // The call that carries them all was counted as one already.
        let counted = match at {
            0 => Ok(()),
            _ => api.org.count_call(api.app()),
        };
        let reply = if let Err(refusal) = counted {
            Reply::refusal(refusal)
        } else if failed && halt_on_error {
            Reply::json(
                412,
                &json!([{
                    "errorCode": "BATCH_PROCESSING_HALTED",
                    "message": "Batch processing halted per request",
                }]),
            )
        } else {
            one(api, entry)
        };
        failed |= reply.status >= 400;
        let body = reply.body();
        results.push(format!(
            "{{\"statusCode\":{},\"result\":{}}}",
            reply.status,
            if body.is_empty() {
                "null".into()
            } else {
                String::from_utf8_lossy(&body)
            }
        ));
    }
    Reply::text(
        200,
        format!("{{\"hasErrors\":{failed},\"results\":[{}]}}", results.join(",")),
    )
}

fn one(api: &Api<'_>, entry: &Value) -> Reply {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let (Some(method), Some(url)) = (text("method"), text("url")) else {
        return Reply::error(
            400,
            "INVALID_INPUT",
            "method and url are required in every subrequest",
        );
    };
    if entry.get("binaryPartName").is_some() {
        return Reply::not_emulated("binary parts in batch requests");
    }
    let target = if url.starts_with("/services/") {
        url.to_owned()
    } else {
        format!("/services/data/{}", url.trim_start_matches('/'))
    };
    let sub = Sub {
        method,
        target: &target,
        headers: HeaderMap::new(),
        body: entry.get("richInput"),
    };
    dispatch(api, sub, None)
}
