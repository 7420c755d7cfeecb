//! What a later sitting of a run cannot find out again of a step that it need not read again.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use serde::{Deserialize, Serialize};

use super::{
    EngineError, checks, reconcile,
    shared::{Shared, blocking},
    since,
};
use crate::{
    event::{CheckEnd, Event},
    state::{StepPlace, StepStage},
};

/// A step's note, as it is kept in state.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    /// What its checks came to.
    told: Vec<CheckEnd>,
    /// How many rows each check of single rows has parked.
    parked: Vec<u64>,
    /// What its source sums up to.
    sums: Vec<reconcile::SumNote>,
    /// How far its cursor has come.
    cursor: Option<since::CursorNote>,
    /// Rows that its second pass has to write.
    second_pass: u64,
    /// The source's time when the run began to read it: seconds since 1970.
    read_from: Option<i64>,
}

/// Takes up what an earlier sitting has noted of a step, and tells it again.
pub(super) fn take_up(shared: &Shared, step: usize) {
    let book = &shared.books[step];
    let note: Note = match &book.note {
        Some(text) => serde_json::from_str(text).unwrap_or_default(),
        None => return,
    };
    for check in note.told {
        checks::tell_end(shared, step, check);
    }
    if let (Some(incremental), Some(at)) = (&book.incremental, note.read_from) {
        incremental.began_at(at);
    }
    if book.stage < StepStage::FirstPassEnded {
        return;
    }
    book.checks.restore(&note.parked);
    book.sums.restore(&note.sums);
    if let (Some(incremental), Some(cursor)) = (&book.incremental, note.cursor) {
        incremental.restore(cursor);
    }
    book.second_pass.store(note.second_pass, Ordering::Relaxed);
}

/// Notes how far a step is.
pub(super) async fn set(shared: &Arc<Shared>, step: usize, stage: StepStage) -> Result<(), EngineError> {
    let book = &shared.books[step];
    let note = Note {
        told: book.told.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        parked: book.checks.counts(),
        sums: book.sums.note(),
        cursor: book
            .incremental
            .as_ref()
            .map(|incremental| incremental.note_down()),
        second_pass: book.second_pass.load(Ordering::Relaxed),
        read_from: book
            .incremental
            .as_ref()
            .and_then(|incremental| incremental.begun()),
    };
    let place = StepPlace {
        stage,
        links: Some(book.links),
        // Plain data with text keys: there is nothing that could fail.
        note: Some(serde_json::to_string(&note).unwrap_or_default()),
    };
    let (store, of) = (Arc::clone(&shared.store), book.step);
    blocking(move || store.set_step_place(of, &place)).await
}

/// Tells what earlier sittings have done of each step.
pub(super) fn tell_before(shared: &Shared) {
    for step in 0..shared.books.len() {
        let counts = shared.counts(step);
        if counts.done() > 0 {
            shared.events.send(Event::StepResumed { step, counts });
        }
    }
}
