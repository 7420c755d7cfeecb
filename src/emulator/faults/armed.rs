//! The faults of a running org: which of them strike a request, a row or a job.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::Serialize;

use super::{Effect, Fault, lock};
use crate::emulator::soql::like;

/// A fault of a running org.
#[derive(Clone, Debug, Serialize)]
pub struct ArmedFault {
    /// Its number, for taking it away.
    pub id: u64,
    /// The matching requests so far.
    pub seen: u64,
    /// The requests or jobs that it struck.
    pub hit: u64,
    /// What it is.
    pub fault: Fault,
}

/// A row error that a fault asks for.
pub(crate) struct RowFault {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

/// What becomes of a job that fails.
pub(crate) struct JobFault {
    pub(crate) message: String,
    pub(crate) after_rows: usize,
}

/// The faults of a running org.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<ArmedFault>>,
    last: AtomicU64,
    /// Whether any fault is about rows: millions of rows need not ask for a lock.
    rows: AtomicBool,
    /// Rows that were refused for a lock already: the second try passes.
    locked: Mutex<HashSet<u64>>,
}

impl Faults {
    /// Adds a fault and tells its number.
    pub(crate) fn add(&self, fault: Fault) -> u64 {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut armed = lock(&self.armed);
        armed.push(ArmedFault {
            id,
            seen: 0,
            hit: 0,
            fault,
        });
        self.note_rows(&armed);
        id
    }

    /// Takes a fault away; false when there is none of this number.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut armed = lock(&self.armed);
        let before = armed.len();
        armed.retain(|a| a.id != id);
        self.note_rows(&armed);
        armed.len() < before
    }

    pub(crate) fn clear(&self) {
        let mut armed = lock(&self.armed);
        armed.clear();
        self.note_rows(&armed);
        lock(&self.locked).clear();
    }

    pub(crate) fn list(&self) -> Vec<ArmedFault> {
        lock(&self.armed).clone()
    }

    fn note_rows(&self, armed: &[ArmedFault]) {
        let any = armed
            .iter()
            .any(|a| matches!(a.fault.then, Effect::RejectRows(_) | Effect::LockRows(_)));
        self.rows.store(any, Ordering::Relaxed);
    }

    /// Whether a fault asks which object a request's job is about.
    pub(crate) fn ask_for_object(&self) -> bool {
        lock(&self.armed).iter().any(|a| a.fault.on.object.is_some())
    }

    /// What happens to this request; `object` is what the Bulk job of the path is about.
    pub(crate) fn for_request(
        &self,
        method: &str,
        path: &str,
        query: &str,
        object: Option<&str>,
    ) -> Vec<Effect> {
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
                && fault.on.query.as_deref().is_none_or(|q| query.contains(q))
                && fault
                    .on
                    .object
                    .as_deref()
                    .is_none_or(|wanted| names(wanted, path, query, object));
            if !matches {
                continue;
            }
            armed.seen += 1;
            let Some(counted) = armed.seen.checked_sub(fault.after + 1) else {
                continue;
            };
            if fault.every.is_some_and(|every| (counted + 1) % every.max(1) != 0)
                || fault.times.is_some_and(|times| armed.hit >= times)
                || fault
                    .share
                    .is_some_and(|share| lot(armed.seen, armed.id) >= share.get())
            {
                continue;
            }
            armed.hit += 1;
            out.push(fault.then.clone());
        }
        out
    }

    /// Whether there are faults that pick rows.
    pub(crate) fn pick_rows(&self) -> bool {
        self.rows.load(Ordering::Relaxed)
    }

    /// What happens to a row, told by its content, so that the same row has the same fate each time. `value` gives
    /// the row's fields by name.
    pub(crate) fn for_row(
        &self,
        object: &str,
        content: u64,
        value: impl Fn(&str) -> Option<String>,
    ) -> Option<RowFault> {
        if !self.pick_rows() {
            return None;
        }
        for armed in lock(&self.armed).iter_mut() {
            if armed.fault.times.is_some_and(|times| armed.hit >= times) {
                continue;
            }
            let lot = lot(content, armed.id);
            let found = match &armed.fault.then {
                Effect::RejectRows(r)
                    if r.object.eq_ignore_ascii_case(object)
                        && lot < r.share.get()
                        && match (&r.field, &r.like) {
                            (Some(field), pattern) => value(field).is_some_and(|v| {
                                pattern
                                    .as_deref()
                                    .is_none_or(|p| like(&p.to_lowercase(), &v.to_lowercase()))
                            }),
                            (None, _) => true,
                        } =>
                {
                    RowFault {
                        code: r.code.clone(),
                        message: r.message.clone(),
                        fields: r.fields.clone(),
                    }
                }
                Effect::LockRows(r)
                    if r.object.eq_ignore_ascii_case(object)
                        && lot < r.share.get()
                        && lock(&self.locked).insert(content) =>
                {
                    RowFault {
                        code: "UNABLE_TO_LOCK_ROW".to_owned(),
                        message: "unable to obtain exclusive access to this record".to_owned(),
                        fields: Vec::new(),
                    }
                }
                _ => continue,
            };
            armed.hit += 1;
            return Some(found);
        }
        None
    }

    /// How a job fails.
    pub(crate) fn for_job(&self, object: &str, query: bool) -> Option<JobFault> {
        self.job(|then| match then {
            Effect::FailJob(f) if f.object.eq_ignore_ascii_case(object) && (!query || f.queries) => {
                Some(JobFault {
                    message: f.message.clone(),
                    after_rows: f.after_rows,
                })
            }
            _ => None,
        })
    }

    /// Whether a job is aborted when it begins.
    pub(crate) fn aborts_job(&self, object: &str) -> bool {
        self.job(|then| match then {
            Effect::AbortJob(f) if f.object.eq_ignore_ascii_case(object) => Some(()),
            _ => None,
        })
        .is_some()
    }

    /// How many retries a job tells of.
    pub(crate) fn retries_of_job(&self, object: &str) -> u64 {
        self.job(|then| match then {
            Effect::RetryJob(f) if f.object.eq_ignore_ascii_case(object) => Some(f.retries),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// The number of the shuffle, when a query's rows are to come in no order.
    pub(crate) fn shuffles(&self, object: &str) -> Option<u64> {
        let mut armed = lock(&self.armed);
        let found = armed.iter_mut().find(|a| {
            matches!(&a.fault.then, Effect::ShuffleRows(f) if f.object.eq_ignore_ascii_case(object))
                && a.fault.times.is_none_or(|times| a.hit < times)
        })?;
        found.hit += 1;
        Some(found.hit)
    }

    /// The fault that holds a job from now on; ask `holds` whether it still does.
    pub(crate) fn hangs_job(&self, object: &str) -> Option<u64> {
        let mut armed = lock(&self.armed);
        let found = armed.iter_mut().find(|a| {
            matches!(&a.fault.then, Effect::HangJob(f) if f.object.eq_ignore_ascii_case(object))
                && a.fault.times.is_none_or(|times| a.hit < times)
        })?;
        found.hit += 1;
        Some(found.id)
    }

    /// Whether a fault is still there.
    pub(crate) fn holds(&self, id: u64) -> bool {
        lock(&self.armed).iter().any(|a| a.id == id)
    }

    fn job<T>(&self, pick: impl Fn(&Effect) -> Option<T>) -> Option<T> {
        lock(&self.armed).iter_mut().find_map(|a| {
            if a.fault.times.is_some_and(|times| a.hit >= times) {
                return None;
            }
            let found = pick(&a.fault.then)?;
            a.hit += 1;
            Some(found)
        })
    }
}

/// Whether a request is about an object: by a segment of its path, by FROM, or by its job.
fn names(wanted: &str, path: &str, query: &str, job: Option<&str>) -> bool {
    let mut words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    job.is_some_and(|object| object.eq_ignore_ascii_case(wanted))
        || path
            .split('/')
            .any(|segment| segment.eq_ignore_ascii_case(wanted))
        || words.by_ref().any(|word| word.eq_ignore_ascii_case("from"))
            && words
                .find(|word| !word.is_empty())
                .is_some_and(|word| word.eq_ignore_ascii_case(wanted))
}

/// A number from 0 to 1 that depends on the row and the fault only.
fn lot(content: u64, fault: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (content, fault).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{
        super::{RejectRows, RowShare},
        *,
    };
    use crate::emulator::file::Share;

    fn request(faults: &Faults, method: &str, path: &str) -> bool {
        !faults.for_request(method, path, "", None).is_empty()
    }

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
            .map(|_| request(&faults, "GET", "/services/data/v66.0/query"))
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(!request(&faults, "GET", "/services/data/v66.0/limits"));

        let every = Faults::default();
        every.add(Fault::new(Effect::DropConnection).every(3));
        let hits: Vec<bool> = (0..7).map(|_| request(&every, "GET", "/services/data")).collect();
        assert_eq!(hits, [false, false, true, false, false, true, false]);
        assert!(!request(&every, "POST", "/services/oauth2/token"));
    }

    #[test]
    fn a_share_of_rows_is_the_same_share_each_time() {
        let faults = Faults::default();
        faults.add(Fault::new(Effect::RejectRows(RejectRows {
            object: "Contact".to_owned(),
            share: Share::new(0.05),
            field: None,
            like: None,
            code: "X".to_owned(),
            message: "no".to_owned(),
            fields: Vec::new(),
        })));
        let hit = |n: u64| faults.for_row("Contact", n, |_| None).is_some();
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
        assert!(faults.for_row("Contact", 7, |_| None).is_some());
        assert!(faults.for_row("Contact", 7, |_| None).is_none());
    }

    #[test]
    fn rows_are_picked_by_their_values() {
        let faults = Faults::default();
        let fault = r#"{ then: { reject_rows: { object: Contact, field: Email, like: "%@Bad.example", message: no } } }"#;
        faults.add(serde_yaml::from_str(fault).expect("a fault"));
        let fate = |email: &str| {
            faults
                .for_row("contact", 1, |field| (field == "Email").then(|| email.to_owned()))
                .is_some()
        };
        assert!(fate("a@bad.example"));
        assert!(!fate("a@good.example"));
    }

    #[test]
    fn requests_are_picked_by_object_and_by_lot() {
        let faults = Faults::default();
        let fault = "{ on: { object: Contact }, share: 50%, then: { refuse: server_error } }";
        let id = faults.add(serde_yaml::from_str(fault).expect("a fault"));
        let path = "/services/data/v66.0/sobjects/contact/003";
        let hits = (0..400).filter(|_| request(&faults, "GET", path)).count();
        assert!((120..280).contains(&hits), "{hits}");
        let count = |query: &str, object: Option<&str>| {
            (0..50)
                .filter(|_| {
                    !faults
                        .for_request("GET", "/services/data/v66.0/query", query, object)
                        .is_empty()
                })
                .count()
        };
        assert!(count("SELECT Id FROM Contact LIMIT 1", None) > 0);
        assert_eq!(count("SELECT Id FROM ContactPoint", None), 0);
        assert!(count("", Some("Contact")) > 0);
        assert!(faults.remove(id) && !faults.remove(id));
        assert!(!request(&faults, "GET", path));
    }
}
