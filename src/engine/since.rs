//! Incremental steps: where they begin to read, what they read again, and how far they have come.
//!
//! The cursor moves only at the good end of the whole run. A row that is parked waits in the state: the next run
//! reads it again by its Id, however old it is. An API without Ids is read again from the oldest row that waits.

use std::sync::{Arc, Mutex, PoisonError};

use compact_str::CompactString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    EngineError, RunRequest,
    connect::Connections,
    shared::{blocking, links_of},
};
use crate::{
    plan::{Cursor, CursorKind, Orgs, Plan, PlanStep},
    record::{Batch, Outcome, RowResult, id18},
    salesforce::Client,
    state::{CursorMove, CursorRecord, LinkSet, ParkedRow, StateError, Store, WaitingRow},
};

/// Rows that wait and are read again by their Ids; beyond that many it is cheaper to begin earlier.
const MOST_BY_ID: usize = 2_000;

/// An incremental step while it runs.
pub(super) struct Incremental {
    cursor: Cursor,
    scope: String,
    /// How far the last good run came.
    last: Option<String>,
    /// Records of rows that wait.
    pub(super) waiting: Vec<CompactString>,
    newest: Mutex<Option<String>>,
    held: Mutex<Held>,
    /// The source's time when the run began to read it, in seconds since 1970.
    begun: Mutex<Option<i64>>,
    /// Whether rows are left out that an earlier sitting has carried.
    resumed: bool,
}

/// What a note keeps of a step's cursor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CursorNote {
    newest: Option<String>,
    held: Held,
}

/// How far the cursor may go at most, for the rows that wait and cannot be asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Held {
    #[default]
    Free,
    At(String),
    /// A row waits of which the place is not known.
    Here,
}

/// Looks up how far each incremental step has come, and narrows what it reads. One entry a step of the plan.
pub(super) async fn begin(
    request: &RunRequest,
    connections: &Connections,
    orgs: &Orgs,
    plan: &mut Plan,
    full: bool,
) -> Result<Vec<Option<Incremental>>, EngineError> {
    let mut all = Vec::with_capacity(plan.steps.len());
    for step in &mut plan.steps {
        all.push(match step.read.cursor.clone() {
            Some(cursor) => {
                let clock = orgs.get(&step.read.connection).and_then(Client::clock);
                Some(begin_step(request, connections, clock, step, cursor, full).await?)
            }
            None => None,
        });
    }
    Ok(all)
}

async fn begin_step(
    request: &RunRequest,
    connections: &Connections,
    clock: Option<i64>,
    step: &mut PlanStep,
    cursor: Cursor,
    full: bool,
) -> Result<Incremental, EngineError> {
    let scope = fingerprint(&cursor.scope);
    let links = links_of(request, connections, step).await?;
    let store = Arc::clone(&request.store);
    let asked = scope.clone();
    let (last, waiting) = blocking(move || {
        Ok((
            store.cursor(links, &asked)?,
            store.waiting(links, &asked, MOST_BY_ID + 1)?,
        ))
    })
    .await?;
    let last = last.map(|record| record.value).filter(|_| !full);
    let mut incremental = Incremental {
        cursor,
        scope,
        last: last.clone(),
        waiting: Vec::new(),
        newest: Mutex::default(),
        held: Mutex::default(),
        // Whoever tells no time: then ours, which counts only where rows are left out.
        begun: Mutex::new(clock.or_else(|| {
            let ours = request.started_at.parse::<Timestamp>().ok()?;
            (request.sitting > 1).then(|| ours.as_second())
        })),
        resumed: request.sitting > 1,
    };
    // A retry knows its rows, and the cursor stays where it is.
    let Some(last) = last.filter(|_| request.retry.is_none()) else {
        return Ok(incremental);
    };
    let start = incremental.cursor.start(&last);
    match waiting.len() {
        0..=MOST_BY_ID => {
            let records = waiting.into_iter().map(|row| row.record_id);
            incremental.waiting = records.filter(|id| !id.is_empty()).collect();
            incremental.waiting.sort();
            incremental.waiting.dedup();
            step.read.begin_at(start);
        }
        // Too many to name: everything is read, and finds them among the rest.
        _ => {
            incremental.last = None;
        }
    }
    Ok(incremental)
}

/// A short name for what is read.
fn fingerprint(scope: &str) -> String {
    let digest = Sha256::digest(scope.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Incremental {
    /// Sees what was read.
    pub(super) fn read(&self, batch: &Batch) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        for row in &batch.rows {
            if let Some(value) = row.get(self.cursor.column) {
                *newest = self.cursor.later(newest.take(), value);
            }
        }
    }

    /// Notes which rows wait, and which wait no more.
    pub(super) fn note(
        &self,
        store: &dyn Store,
        links: LinkSet,
        run: &str,
        results: &[RowResult],
        parked: &[ParkedRow],
    ) -> Result<(), StateError> {
        let value = |row: &ParkedRow, name: &str| {
            let found = row
                .values
                .iter()
                .find(|(column, _)| column.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.clone())
        };
        let by_id = self.cursor.kind != CursorKind::Json;
        let waiting: Vec<WaitingRow> = parked
            .iter()
            .map(|row| WaitingRow {
                source_id: row.source_id.clone(),
                record_id: value(row, "Id")
                    .filter(|_| by_id)
                    .map_or_else(CompactString::default, |id| id18(&id)),
                at: value(row, self.cursor.field.as_str()),
            })
            .collect();
        if !by_id {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            for row in &waiting {
                *held = self.hold(std::mem::take(&mut held), row.at.as_deref());
            }
        }
        let ended: Vec<CompactString> = results
            .iter()
            .filter(|result| result.outcome != Outcome::Parked)
            .map(|result| result.source_id.clone())
            .collect();
        store.wait(links, &self.scope, run, &waiting, &ended)
    }

    /// Notes rows that have ended, and that the next run reads again all the same.
    pub(super) fn read_again(
        &self,
        store: &dyn Store,
        links: LinkSet,
        run: &str,
        rows: &[CompactString],
    ) -> Result<(), StateError> {
        let by_id = self.cursor.kind != CursorKind::Json;
        let waiting: Vec<WaitingRow> = rows
            .iter()
            .map(|row| WaitingRow {
                source_id: row.clone(),
                record_id: match by_id {
                    // Of an entry of a list: the row that has the list.
                    true => row.split('/').next().unwrap_or_default().into(),
                    false => CompactString::default(),
                },
                at: None,
            })
            .collect();
        if !by_id && !waiting.is_empty() {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Held::Here;
        }
        store.wait(links, &self.scope, run, &waiting, &[])
    }

    /// Forgets rows that wait and never will arrive: the source has deleted them.
    pub(super) fn forget(
        &self,
        store: &dyn Store,
        links: LinkSet,
        run: &str,
        gone: &[CompactString],
    ) -> Result<(), StateError> {
        store.wait(links, &self.scope, run, &[], gone)
    }

    fn hold(&self, held: Held, at: Option<&str>) -> Held {
        match (held, at) {
            (Held::Here, _) | (_, None) => Held::Here,
            (Held::Free, Some(at)) => Held::At(at.to_owned()),
            (Held::At(held), Some(at)) if self.cursor.less(at, &held) => Held::At(at.to_owned()),
            (held, _) => held,
        }
    }

    pub(super) fn begun(&self) -> Option<i64> {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An earlier sitting began to read at that time.
    pub(super) fn began_at(&self, at: i64) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    pub(super) fn note_down(&self) -> CursorNote {
        CursorNote {
            newest: self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            held: self.held.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(super) fn restore(&self, note: CursorNote) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = note.newest;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = note.held;
    }

    /// A place that the cursor does not pass: what changes while a run reads is read again by the next one. Rows that
    /// an earlier sitting has carried may have changed since; of other runs the second in which they began counts as
    /// read.
    fn latest(&self) -> Option<String> {
        let begun = self.begun()?;
        self.cursor.at(begun + i64::from(!self.resumed))
    }

    /// Where the cursor goes when the run has ended well.
    pub(super) fn end(&self, links: LinkSet, begun_at: &str) -> CursorMove {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Rows of the overlap may be older than what the last run had seen.
        let reached = match (newest, &self.last) {
            (Some(newest), Some(last)) if self.cursor.less(&newest, last) => Some(last.clone()),
            (newest, last) => newest.or_else(|| last.clone()),
        };
        let reached = match (reached, self.latest()) {
            (Some(reached), Some(latest)) if self.cursor.is_past(&reached, &latest) => Some(
                // Never back: what an earlier run has passed stays passed.
                self.last
                    .clone()
                    .filter(|last| self.cursor.less(&latest, last))
                    .unwrap_or(latest),
            ),
            (reached, _) => reached,
        };
        let value = match held {
            Held::Free => reached,
            Held::Here => None,
            Held::At(held) => reached.map(|reached| match self.cursor.less(&held, &reached) {
                true => held,
                false => reached,
            }),
        };
        CursorMove {
            links,
            scope: self.scope.clone(),
            to: value.map(|value| CursorRecord {
                value,
                begun_at: begun_at.to_owned(),
            }),
        }
    }
}
