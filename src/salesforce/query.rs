use serde::Deserialize;

use super::rows::Record;

/// The longest path and query that a query is sent with. An org takes 16,384 bytes for URI and headers together; the
/// token and the headers need the rest.
pub const MAX_QUERY_URI: usize = 16_000;

/// A page of a query's answer.
#[derive(Debug, Deserialize)]
pub struct QueryPage {
    /// Rows of the whole answer, on every page.
    #[serde(rename = "totalSize")]
    pub total_size: u64,
    /// No page follows.
    pub done: bool,
    /// Where the next page is: a path.
    #[serde(rename = "nextRecordsUrl", default)]
    pub next: Option<String>,
    /// The rows; none in the answer to `COUNT()`.
    #[serde(default)]
    pub records: Vec<Record>,
}

/// Reads an answer of `/query`, `/queryAll`, or of a following page.
pub(super) fn parse_page(body: &[u8]) -> Result<QueryPage, serde_json::Error> {
    let mut page: QueryPage = serde_json::from_slice(body)?;
    if page.done {
        page.next = None;
    }
    Ok(page)
}

/// The path of the Salesforce data API at which a page lies: `next` of a [`QueryPage`] is a path from the host's root.
/// Whatever host an absolute URL names is left out.
pub(super) fn page_path(next: &str) -> String {
    match crate::http::Url::parse(next) {
        Ok(url) => url.path().to_owned(),
        Err(_) if next.starts_with('/') => next.to_owned(),
        Err(_) => format!("/{next}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        for (body, total, next, rows) in [
            (
                r#"{"totalSize":2500,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/0r8000000000001AAA-2000",
                    "records":[{"attributes":{"type":"Account"},"Id":"001000000000001AAA","Amount":1.10}]}"#,
                2500,
                Some("/services/data/v66.0/query/0r8000000000001AAA-2000"),
                1,
            ),
            (r#"{"totalSize":7,"done":true,"records":[]}"#, 7, None, 0),
            (
                r#"{"size":7,"totalSize":7,"done":true,"queryLocator":null}"#,
                7,
                None,
                0,
            ),
        ] {
            let page = parse_page(body.as_bytes()).unwrap();
            assert_eq!(
                (page.total_size, page.next.as_deref(), page.records.len()),
                (total, next, rows)
            );
        }
        assert!(parse_page(b"[]").is_err());
    }

    #[test]
    fn amounts_keep_their_digits() {
        let page =
            parse_page(br#"{"totalSize":1,"done":true,"records":[{"A":12345678901234567.10}]}"#).unwrap();
        assert_eq!(page.records[0]["A"].to_string(), "12345678901234567.10");
    }

    #[test]
    fn pages_stay_on_the_host() {
        for (next, path) in [
            (
                "/services/data/v66.0/query/x-200",
                "/services/data/v66.0/query/x-200",
            ),
            (
                "https://evil.example/services/data/v66.0/query/x-200",
                "/services/data/v66.0/query/x-200",
            ),
        ] {
            assert_eq!(page_path(next), path);
        }
    }
}
