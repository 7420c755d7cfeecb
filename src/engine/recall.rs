//! The answers of what an earlier sitting of the run had sent and not recorded.
//!
//! They are asked for before a step reads, and kept by row until the row comes out of the source again. What is left
//! when the source has ended belongs to rows that the source has lost meanwhile: they end by their answers alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use compact_str::CompactString;

use super::{
    EngineError,
    find::by_key,
    shared::{Phase, Shared, blocking},
    writing::{end_units, result},
};
use crate::{
    event::Event,
    load::{self, LoadError, Remembered, WriteRow, Written},
    state::{ParkedRow, UnitId, UnitRecord},
};

/// What is known of a step's rows from an earlier sitting.
#[derive(Default)]
pub(super) struct Recalled {
    rows: Mutex<HashMap<CompactString, Remembered>>,
    units: Mutex<Vec<UnitId>>,
}

impl Recalled {
    pub(super) fn knows(&self, source_id: &str) -> bool {
        self.rows().contains_key(source_id)
    }

    pub(super) fn take(&self, source_id: &str) -> Option<Remembered> {
        self.rows().remove(source_id)
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<CompactString, Remembered>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn units(&self) -> MutexGuard<'_, Vec<UnitId>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the org what has become of a step's units in one of its passes.
pub(super) async fn ask(shared: &Arc<Shared>, step: usize, pass: u8) -> Result<(), EngineError> {
    let book = &shared.books[step];
    let units: Vec<&UnitRecord> = book.units.iter().filter(|unit| unit.unit.pass == pass).collect();
    if units.is_empty() {
        return Ok(());
    }
    let write = &shared.plan.steps[step].write;
    let client = shared.org(&write.connection)?;
    let jobs = units.iter().filter(|unit| unit.job.is_some()).count() as u64;
    shared.events.send(Event::Reattached { step, jobs });
    // Later units hold rows of earlier ones that were sent again: they have the last word.
    for unit in units {
        if shared.halted() {
            return Err(EngineError::Interrupted);
        }
        let rows = load::recall(client, write, unit)
            .await
            .map_err(|error| of_target(shared, step, error))?;
        book.recalled.rows().extend(rows);
        book.recalled.units().push(unit.id);
    }
    Ok(())
}

/// Why a step's rows could not be written.
pub(super) fn of_target(shared: &Shared, step: usize, error: LoadError) -> EngineError {
    match error {
        LoadError::Org(source) => EngineError::Org {
            connection: shared.plan.steps[step].write.connection.clone(),
            source,
        },
        LoadError::State(error) => EngineError::State(error),
    }
}

/// Rows of which nobody knows whether they are in the target: where they have a key, the target is asked. Those that
/// are not there are sent as if for the first time; of those without a key nobody will ever know.
pub(super) async fn look_for_lost(
    shared: &Arc<Shared>,
    step: usize,
    remembered: Vec<(WriteRow, Remembered)>,
) -> Result<(Vec<WriteRow>, Vec<(WriteRow, Remembered)>), EngineError> {
    let write = &shared.plan.steps[step].write;
    let Some(key) = write.key.as_ref().filter(|key| !key.is_id) else {
        return Ok((Vec::new(), remembered));
    };
    let (lost, mut told): (Vec<_>, Vec<_>) = remembered.into_iter().partition(|(_, r)| r.is_lost());
    if lost.is_empty() {
        return Ok((Vec::new(), told));
    }
    let found = by_key(shared, write, key, lost.iter().map(|(row, _)| row), &[]).await?;
    let mut fresh = Vec::new();
    for ((row, remembered), found) in lost.into_iter().zip(found) {
        match found.as_slice() {
            [] => fresh.push(row),
            [one] => told.push((row, remembered.found(one.id.clone()))),
            _ => told.push((row, remembered)),
        }
    }
    Ok((fresh, told))
}

/// Ends the rows that the source did not give again, and forgets the units.
pub(super) async fn leftovers(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
    let book = &shared.books[step];
    let rows: Vec<(CompactString, Remembered)> = book.recalled.rows().drain().collect();
    let units: Vec<UnitId> = book.recalled.units().drain(..).collect();
    if units.is_empty() {
        return Ok(());
    }
    let (store, of) = (Arc::clone(&shared.store), book.step);
    let (ended, aside) = blocking(move || {
        let ids: Vec<CompactString> = rows.iter().map(|(id, _)| id.clone()).collect();
        let known = store.ended(of, &ids)?;
        let (mut ended, mut aside) = (Vec::new(), Vec::new());
        // A unit is forgotten last: some of its rows may be recorded already.
        for ((source_id, remembered), _) in rows.into_iter().zip(known).filter(|(_, known)| known.is_none()) {
            let end = remembered.end(source_id.clone());
            if let Written::Failed { .. } = &end {
                aside.push(ParkedRow {
                    source_id: source_id.clone(),
                    values: Vec::new(),
                });
            }
            ended.push(result(source_id, end));
        }
        Ok((ended, aside))
    })
    .await?;
    shared.read(step, ended.len() as u64);
    shared.record(step, Phase::Written, ended, aside).await?;
    end_units(shared, units).await
}

/// Ends the jobs that another run has under way, for nobody will read their results: their rows are sent by this run,
/// and must not meet them.
pub(super) async fn abandon(shared: &Arc<Shared>, run: &str) -> Result<(), EngineError> {
    let (store, of) = (Arc::clone(&shared.store), run.to_owned());
    let units = blocking(move || store.units(&of)).await?;
    let mut ended = Vec::with_capacity(units.len());
    for unit in units {
        let step = shared.plan.steps.iter().find(|step| step.name == unit.step);
        // Of a step that the file has no more nobody knows the org.
        let Some(step) = step else { continue };
        if let Some(job) = &unit.job {
            let connection = &step.write.connection;
            load::abandon(shared.org(connection)?, job)
                .await
                .map_err(|source| EngineError::Org {
                    connection: connection.clone(),
                    source,
                })?;
        }
        ended.push(unit.id);
    }
    end_units(shared, ended).await
}

/// Forgets a pass's units, and what they had to say of rows that did not come again.
pub(super) async fn forget(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
    let recalled = &shared.books[step].recalled;
    recalled.rows().clear();
    let units = recalled.units().drain(..).collect();
    end_units(shared, units).await
}
