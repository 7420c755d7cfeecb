//! Conditional requests about one record: `If-Match`, `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since`.
//!
//! Tags are known for accounts only, as the REST guide says; the last change is known for whatever has one. A delete
//! takes no condition, and a GET with a condition that cannot be read is a GET without it.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Api, Reply};
use crate::emulator::{schema::Behaviour, store::Store};

/// By what a client may know a state of a record again.
pub(super) struct Validators {
    tag: Option<String>,
    modified: Option<Timestamp>,
}

impl Validators {
    pub(super) fn of(store: &Store, object: usize, row: u32) -> Self {
        let account = store.schema.objects[object].behaviour == Behaviour::Account;
        Validators {
            tag: account.then(|| tag(store, object, row)),
            // In whole seconds, as the headers tell it.
            modified: store
                .text(object, row, "LastModifiedDate")
                .parse::<Timestamp>()
                .ok()
                .and_then(|time| Timestamp::from_second(time.as_second()).ok()),
        }
    }

    /// An answer with the tag.
    pub(super) fn tagged(&self, reply: Reply) -> Reply {
        match &self.tag {
            Some(tag) => reply.header("ETag", tag),
            None => reply,
        }
    }

    /// An answer with all that tells the state.
    pub(super) fn told(&self, reply: Reply) -> Reply {
        let reply = self.tagged(reply);
        match self.modified {
            Some(time) => reply.header(
                "Last-Modified",
                &time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            ),
            None => reply,
        }
    }

    /// What to answer instead, when a condition of the request does not hold.
    pub(super) fn refuse(&self, api: &Api<'_>) -> Option<Reply> {
        let writes = !matches!(api.method(), "GET" | "HEAD");
        let conditions = match Conditions::read(api) {
            Ok(conditions) => conditions,
            Err(header) if writes => {
                let message = format!("The value of the header {header} is invalid");
                return Some(Reply::error(400, "INVALID_HEADER", &message));
            }
            Err(_) => return None,
        };
        let failed = || Some(Reply::error(412, "PRECONDITION_FAILED", "Precondition failed"));
        match (&self.tag, &conditions.matches) {
            (Some(tag), Some(tags)) => {
                if !tags.name(tag) {
                    return failed();
                }
            }
            _ => {
                if let (Some(modified), Some(since)) = (self.modified, conditions.unmodified)
                    && modified > since
                {
                    return failed();
                }
            }
        }
        let unchanged = match (&self.tag, &conditions.differs) {
            (Some(tag), Some(tags)) => tags.name(tag),
            _ => {
                let known = self.modified.zip(conditions.modified.filter(|_| !writes));
                known.is_some_and(|(modified, since)| modified <= since)
            }
        };
        match (unchanged, writes) {
            (false, _) => None,
            (true, true) => failed(),
            (true, false) => Some(self.told(Reply::empty(304))),
        }
    }
}

/// A number that stands for all that a record holds.
fn tag(store: &Store, object: usize, row: u32) -> String {
    let mut hash = Sha256::new();
    for field in 0..store.schema.objects[object].fields.len() {
        hash.update(store.tables[object].get(row, field));
        hash.update([0]);
    }
    format!("\"{}\"", STANDARD.encode(hash.finalize()))
}

/// What a request asks for.
struct Conditions {
    matches: Option<Tags>,
    differs: Option<Tags>,
    modified: Option<Timestamp>,
    unmodified: Option<Timestamp>,
}

impl Conditions {
    /// An error is the name of the header that cannot be read.
    fn read(api: &Api<'_>) -> Result<Self, &'static str> {
        let tags = |name: &'static str| match api.call.header(name) {
            Some(text) => Tags::read(text).map(Some).ok_or(name),
            None => Ok(None),
        };
        let time = |name: &'static str| match api.call.header(name) {
            Some(text) => match jiff::fmt::rfc2822::parse(text) {
                Ok(time) => Ok(Some(time.timestamp())),
                Err(_) => Err(name),
            },
            None => Ok(None),
        };
        Ok(Conditions {
            matches: tags("If-Match")?,
            differs: tags("If-None-Match")?,
            // The one header whose mistakes are passed over.
            modified: time("If-Modified-Since").unwrap_or_default(),
            unmodified: time("If-Unmodified-Since")?,
        })
    }
}

/// `*`, or a list of tags.
enum Tags {
    Any,
    These(Vec<String>),
}

impl Tags {
    fn read(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Tags::Any);
        }
        let mut tags = Vec::new();
        for part in text.split(',').map(str::trim) {
            let inner = part
                .strip_prefix("W/")
                .unwrap_or(part)
                .strip_prefix('"')?
                .strip_suffix('"')?;
            // A compressed answer marks its tag.
            let plain = inner.strip_suffix("-gzip").unwrap_or(inner).trim_end_matches('-');
            tags.push(format!("\"{plain}\""));
        }
        Some(Tags::These(tags))
    }

    fn name(&self, tag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|known| known == tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_with_and_without_the_mark_of_compression() {
        let tags = Tags::read("\"a+/=\", W/\"b--gzip\" ,\"c-gzip\"").expect("tags");
        for (tag, expected) in [
            ("\"a+/=\"", true),
            ("\"b\"", true),
            ("\"c\"", true),
            ("\"d\"", false),
        ] {
            assert_eq!(tags.name(tag), expected, "{tag}");
        }
        assert!(Tags::read("*").expect("any").name("\"x\""));
        for wrong in ["a", "\"a", "a\"", "\"a\",", ""] {
            assert!(Tags::read(wrong).is_none(), "{wrong}");
        }
    }
}
