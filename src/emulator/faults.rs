//! Things that go wrong on purpose: in the org file under `faults`, or added while the org runs.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{Share, Span};

/// Something that goes wrong: for which requests, from when on, how often, and what happens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests; without it all of the data API. Has no meaning for effects on rows and jobs.
    #[serde(default)]
    pub on: On,
    /// So many matching requests pass first.
    #[serde(default)]
    pub after: u64,
    /// Only every so-manieth matching request, counted after `after`.
    #[serde(default)]
    pub every: Option<u64>,
    /// So many requests are hit, then the fault is over; without it there is no end.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens.
    pub then: Effect,
}

/// Which requests a fault is about. What is left out matches all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// `GET`, `POST`, ...
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the path, without the query string: `/jobs/ingest`, `/composite/sobjects`.
    #[serde(default)]
    pub path: Option<String>,
    /// A part of the decoded query string: `FROM Contact`.
    #[serde(default)]
    pub query: Option<String>,
}

/// What a fault does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Answers this instead.
    Answer(FaultAnswer),
    /// Waits before the request is looked at.
    Delay(Span),
    /// Closes the connection without looking at the request.
    DropConnection,
    /// Does what was asked, then closes the connection without an answer.
    DropAnswer,
    /// Sends half of the answer's body.
    TruncateBody,
    /// The caller's token is expired from this request on.
    ExpireToken,
    /// All query locators are expired from this request on.
    ExpireQueryLocators,
    /// Refuses a share of the rows, the same ones each time.
    RejectRows(RejectRows),
    /// Refuses a share of the rows with `UNABLE_TO_LOCK_ROW`, each once.
    LockRows(RowShare),
    /// Bulk ingest jobs end as Failed.
    FailJob(FailJob),
}

/// An answer that stands for the real one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The error code; without it the body is a page of HTML, as proxies send.
    #[serde(default)]
    pub code: Option<String>,
    /// The message.
    #[serde(default)]
    pub message: String,
    /// Seconds, for a `Retry-After` header. Salesforce sends none.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

/// Rows that are refused for good.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectRows {
    /// The object.
    pub object: String,
    /// How many of the rows.
    pub share: Share,
    /// The error code.
    #[serde(default = "validation")]
    pub code: String,
    /// The message.
    pub message: String,
    /// The fields that the error names.
    #[serde(default)]
    pub fields: Vec<String>,
}

/// A share of an object's rows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowShare {
    /// The object.
    pub object: String,
    /// How many of the rows.
    pub share: Share,
}

/// Jobs that fail.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailJob {
    /// The object.
    pub object: String,
    /// The job's `errorMessage`.
    pub message: String,
}

fn validation() -> String {
    "FIELD_CUSTOM_VALIDATION_EXCEPTION".to_owned()
}

impl Fault {
    /// A fault on all requests, without end.
    pub fn new(then: Effect) -> Self {
        Fault {
            on: On::default(),
            after: 0,
            every: None,
            times: None,
            then,
        }
    }

    /// Only requests whose path holds this text.
    #[must_use]
    pub fn on_path(mut self, path: &str) -> Self {
        self.on.path = Some(path.to_owned());
        self
    }

    /// Only requests of this method.
    #[must_use]
    pub fn on_method(mut self, method: &str) -> Self {
        self.on.method = Some(method.to_owned());
        self
    }

    /// Lets so many matching requests pass.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Hits so many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits only every so-manieth matching request.
    #[must_use]
    pub fn every(mut self, every: u64) -> Self {
        self.every = Some(every);
        self
    }

    fn about_requests(&self) -> bool {
        !matches!(
            self.then,
            Effect::RejectRows(_) | Effect::LockRows(_) | Effect::FailJob(_)
        )
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u64,
    hit: u64,
}

/// A row error that a fault asks for.
pub(crate) struct RowFault {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

/// The faults of a running org.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Armed>>,
    /// Rows that were refused for a lock already: the second try passes.
    locked: Mutex<HashSet<u64>>,
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.armed).push(Armed {
            fault,
            seen: 0,
            hit: 0,
        });
    }

    pub(crate) fn clear(&self) {
        lock(&self.armed).clear();
    }

    /// What happens to this request.
    pub(crate) fn for_request(&self, method: &str, path: &str, query: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        for armed in lock(&self.armed).iter_mut() {
            let fault = &armed.fault;
            let matches = fault.about_requests()
                && fault
                    .on
                    .method
                    .as_deref()
                    .is_none_or(|m| m.eq_ignore_ascii_case(method))
                && match &fault.on.path {
                    Some(part) => path.contains(part.as_str()),
                    // Sign-in is left alone unless it is named.
                    None => path.starts_with("/services/data"),
                }
                && fault.on.query.as_deref().is_none_or(|q| query.contains(q));
            if !matches {
                continue;
            }
            armed.seen += 1;
            let Some(counted) = armed.seen.checked_sub(fault.after + 1) else {
                continue;
            };
            if fault.every.is_some_and(|every| (counted + 1) % every.max(1) != 0)
                || fault.times.is_some_and(|times| armed.hit >= times)
            {
                continue;
            }
            armed.hit += 1;
            out.push(fault.then.clone());
        }
        out
    }

    /// What happens to a row, told by its content, so that the same row has the same fate each time.
    pub(crate) fn for_row(&self, object: &str, content: u64) -> Option<RowFault> {
        for (n, armed) in lock(&self.armed).iter().enumerate() {
            let lot = lot(content, n);
            match &armed.fault.then {
                Effect::RejectRows(r) if r.object.eq_ignore_ascii_case(object) && lot < r.share.get() => {
                    return Some(RowFault {
                        code: r.code.clone(),
                        message: r.message.clone(),
                        fields: r.fields.clone(),
                    });
                }
                Effect::LockRows(r)
                    if r.object.eq_ignore_ascii_case(object)
                        && lot < r.share.get()
                        && lock(&self.locked).insert(content) =>
                {
                    return Some(RowFault {
                        code: "UNABLE_TO_LOCK_ROW".to_owned(),
                        message: "unable to obtain exclusive access to this record".to_owned(),
                        fields: Vec::new(),
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// The message with which a job fails.
    pub(crate) fn for_job(&self, object: &str) -> Option<String> {
        lock(&self.armed).iter_mut().find_map(|a| match &a.fault.then {
            Effect::FailJob(f)
                if f.object.eq_ignore_ascii_case(object)
                    && a.fault.times.is_none_or(|times| a.hit < times) =>
            {
                a.hit += 1;
                Some(f.message.clone())
            }
            _ => None,
        })
    }
}

/// A number from 0 to 1 that depends on the row and the fault only.
fn lot(content: u64, fault: usize) -> f64 {
    let mut hasher = DefaultHasher::new();
    (content, fault).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

/// A poisoned lock still holds good data: the emulator's sections do not panic half-way through a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_hit_when_they_should() {
        let faults = Faults::default();
        faults.add(
            Fault::new(Effect::ExpireToken)
                .on_path("/query")
                .after(1)
                .times(2),
        );
        let hits: Vec<bool> = (0..5)
            .map(|_| {
                !faults
                    .for_request("GET", "/services/data/v66.0/query", "")
                    .is_empty()
            })
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(
            faults
                .for_request("GET", "/services/data/v66.0/limits", "")
                .is_empty()
        );

        let every = Faults::default();
        every.add(Fault::new(Effect::DropConnection).every(3));
        let hits: Vec<bool> = (0..7)
            .map(|_| !every.for_request("GET", "/services/data", "").is_empty())
            .collect();
        assert_eq!(hits, [false, false, true, false, false, true, false]);
        assert!(every.for_request("POST", "/services/oauth2/token", "").is_empty());
    }

    #[test]
    fn a_share_of_rows_is_the_same_share_each_time() {
        let faults = Faults::default();
        faults.add(Fault::new(Effect::RejectRows(RejectRows {
            object: "Contact".to_owned(),
            share: Share::new(0.05),
            code: validation(),
            message: "no".to_owned(),
            fields: Vec::new(),
        })));
        let hit = |n: u64| faults.for_row("Contact", n).is_some();
        let first: Vec<bool> = (0..10_000).map(hit).collect();
        let count = first.iter().filter(|h| **h).count();
        assert!((400..600).contains(&count), "{count}");
        assert_eq!(first, (0..10_000).map(hit).collect::<Vec<_>>());
    }

    #[test]
    fn a_locked_row_passes_the_second_time() {
        let faults = Faults::default();
        faults.add(Fault::new(Effect::LockRows(RowShare {
            object: "Contact".to_owned(),
            share: Share::new(1.0),
        })));
        assert!(faults.for_row("Contact", 7).is_some());
        assert!(faults.for_row("Contact", 7).is_none());
    }
}
