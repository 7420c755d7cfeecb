use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::{Api, Reply};
use crate::emulator::store::Store;

/// A describe, with the tag and the time by which a client may ask whether it still holds.
///
/// The objects of an emulated org are as old as the org itself.
pub(super) fn described(api: &Api<'_>, store: &Store, value: &Value) -> Reply {
    let text = value.to_string();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:08x}\"", hasher.finish() & 0xffff_ffff);
    let made = store
        .schema
        .object("Organization")
        .map(|organization| store.text(organization, 0, "CreatedDate"))
        .and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let since = api
        .call
        .header("If-Modified-Since")
        .and_then(|time| jiff::fmt::rfc2822::parse(time).ok());
    let unchanged = match (since, made) {
        (Some(since), Some(made)) => since.timestamp() >= made,
        _ => false,
    } || api
        .call
        .header("If-None-Match")
        .is_some_and(|known| known.replace("--gzip", "") == tag);
    let reply = if unchanged {
        Reply::empty(304)
    } else {
        Reply::text(200, text)
    };
    let reply = reply.header("ETag", &tag);
    match made {
        Some(made) => reply.header(
            "Last-Modified",
            &made.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        ),
        None => reply,
    }
}
