//! Which of its source's rows a run takes: the one place where rows are left out that were mapped.
//!
//! A later sitting of a run reads the source of each step that had not ended once more, maps its rows once more, and
//! leaves out those that have an outcome in this run. Rows of which an org knows the answer (see [`super::recall`]) are
//! not sent either: they go to the loader with that answer.

use compact_str::CompactString;

use super::{mapped::Mapped, reconcile, shared::Shared};
use crate::{
    load::{Remembered, WriteRow},
    record::{Outcome, RowResult},
    state::{Ended, ParkedRow, StateError},
};

/// Which of its source's rows a run takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    #[default]
    All,
    /// Those that have no outcome in this run yet.
    Unfinished,
}

/// A batch of mapped rows, by what is done with them.
pub(super) struct Divided {
    /// Rows to be sent as ever.
    pub(super) fresh: Vec<WriteRow>,
    /// Rows that were sent in an earlier sitting.
    pub(super) remembered: Vec<(WriteRow, Remembered)>,
    /// Rows that have ended in the mapping, and are to be recorded.
    pub(super) ended: Vec<RowResult>,
    /// The source values of those that are parked.
    pub(super) parked: Vec<ParkedRow>,
    /// How many rows were left out.
    pub(super) skipped: u64,
}

/// Takes out of a batch what the run does not take.
pub(super) fn divide(shared: &Shared, step: usize, mapped: Mapped) -> Result<Divided, StateError> {
    match shared.rows {
        Rows::All => Ok(Divided {
            fresh: mapped.ready,
            remembered: Vec::new(),
            ended: mapped.ended,
            parked: mapped.parked,
            skipped: 0,
        }),
        Rows::Unfinished => unfinished(shared, step, mapped),
    }
}

fn unfinished(shared: &Shared, step: usize, mapped: Mapped) -> Result<Divided, StateError> {
    let plan = &shared.plan.steps[step];
    let book = &shared.books[step];
    let ids: Vec<CompactString> = mapped
        .ended
        .iter()
        .map(|result| result.source_id.clone())
        .chain(mapped.ready.iter().map(|row| row.source_id.clone()))
        .collect();
    let mut known = shared.store.ended(book.step, &ids)?.into_iter();
    let mut divided = Divided {
        fresh: Vec::with_capacity(mapped.ready.len()),
        remembered: Vec::new(),
        ended: Vec::new(),
        parked: Vec::new(),
        skipped: 0,
    };
    let (mut again, mut aside, mut written) = (Vec::new(), Vec::new(), Vec::new());
    let mut parked = mapped.parked;
    for result in mapped.ended {
        let values = parked.iter().position(|row| row.source_id == result.source_id);
        let values = values.map(|at| parked.swap_remove(at));
        match known.next().flatten() {
            Some(ended) => {
                if ended.outcome == Outcome::Parked {
                    aside.extend(values);
                }
                again.push(as_result(result.source_id, ended));
            }
            // It was sent before it became what it is now: it ends by its answer, when the source has ended.
            None if book.recalled.knows(&result.source_id) => divided.skipped += 1,
            None => {
                divided.parked.extend(values);
                divided.ended.push(result);
            }
        }
    }
    for row in mapped.ready {
        if let Some(ended) = known.next().flatten() {
            if ended.outcome == Outcome::Parked {
                aside.push(shared.parked_row(plan, &row.source_id, &row.source));
            }
            again.push(as_result(row.source_id.clone(), ended.clone()));
            written.extend(ended.target_id.map(|target| (row, target)));
        } else if let Some(remembered) = book.recalled.take(&row.source_id) {
            divided.remembered.push((row, remembered));
        } else {
            divided.fresh.push(row);
        }
    }
    divided.skipped += again.len() as u64;
    reconcile::note_again(shared, step, &written)?;
    shared.keep_again(step, &again, &aside)?;
    Ok(divided)
}

fn as_result(source_id: CompactString, ended: Ended) -> RowResult {
    RowResult {
        source_id,
        target_id: ended.target_id,
        outcome: ended.outcome,
        reason: None,
    }
}
