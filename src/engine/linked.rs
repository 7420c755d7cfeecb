//! Id maps in memory, for steps that others refer to: finding a record there costs a fiftieth of asking the state.
//!
//! What a step writes is kept while it is written. Links of earlier runs are read from the state when it has been asked
//! for them so often that reading all is cheaper. All tables together have a bound; what is beyond, the state is asked
//! for, as ever.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;
use tokio::sync::Mutex;

use super::{
    EngineError,
    shared::{Shared, blocking},
};
use crate::{
    pipeline::model::{MapValue, StepRef},
    plan::Plan,
    record::{Links, RowResult},
    state::{LinkSet, StateError, Store},
};

/// Links of all tables of a run together, at most: 32 MB.
const MOST: usize = 1_500_000;

/// So many questions are put to the state before it is asked how many links there are.
const FIRST_LOOK: u64 = 5_000;

/// Reading a table pays when there are no more links than so many for each question: reading them one after the other is
/// that much cheaper than finding one.
const CHEAPER: u64 = 8;

/// Links that are read at a time.
const PAGE: usize = 10_000;

/// The tables of a run, by the place of their steps.
pub(super) struct Tables(Mutex<HashMap<usize, Table>>);

struct Table {
    links: Kept,
    /// Whether all links of the step are there, those of earlier runs too.
    whole: bool,
    /// Questions that were put to the state all the same.
    questions: u64,
    /// When they are so many, it is looked whether reading them all pays.
    look: u64,
}

enum Kept {
    /// The step is being written.
    Growing(Links),
    Held(Arc<Links>),
}

impl Tables {
    /// A table for each step that another one refers to.
    pub(super) fn of(plan: &Plan) -> Tables {
        let mut asked = Vec::new();
        for field in plan.steps.iter().flat_map(|step| &step.mapping.fields) {
            field.value.each(&mut |value| {
                if let MapValue::Ref { steps, .. } = value {
                    asked.extend(steps.iter().copied());
                }
            });
        }
        let steps = plan.steps.iter().enumerate().filter(|(_, step)| {
            // In files rows keep their ids.
            step.write.file.is_none() && asked.contains(&StepRef::Own(step.index))
        });
        let tables = steps.map(|(place, step)| {
            let rows = step.read.total.and_then(|rows| usize::try_from(rows).ok());
            (place, Table::with_room(rows.unwrap_or_default().min(MOST)))
        });
        Tables(Mutex::new(tables.collect()))
    }

    /// Keeps what rows of a step became. Must not be called on the runtime's threads.
    pub(super) fn learn(&self, step: usize, results: &[RowResult]) {
        let mut tables = self.0.blocking_lock();
        let room = MOST.saturating_sub(tables.values().map(Table::len).sum());
        let Some(Table {
            links: Kept::Growing(links),
            ..
        }) = tables.get_mut(&step)
        else {
            return;
        };
        let most = links.len() + room;
        for result in results {
            if let Some(record) = result.link()
                && links.len() < most
            {
                links.insert(&result.source_id, record);
            }
        }
    }
}

/// The links of a step whose first pass has ended, as far as they are in memory. `questions` were not answered there by
/// what was given before. Rows that are not there may have an answer in the state.
pub(super) async fn table(
    shared: &Arc<Shared>,
    of: usize,
    questions: usize,
) -> Result<Option<Arc<Links>>, EngineError> {
    let mut tables = shared.tables.0.lock().await;
    let others = all_but(&tables, of);
    let Some(table) = tables.get_mut(&of) else {
        return Ok(None);
    };
    if let Kept::Growing(links) = &mut table.links {
        table.links = Kept::Held(Arc::new(std::mem::take(links)));
    }
    table.questions += questions as u64;
    if !table.whole && table.questions >= table.look {
        let so_far = table.questions;
        table.look = so_far * 2;
        // Steps that are being written put their links in meanwhile.
        drop(tables);
        let found = all(shared, of, so_far, MOST.saturating_sub(others)).await?;
        tables = shared.tables.0.lock().await;
        // Others may have grown meanwhile.
        let others = all_but(&tables, of);
        if let (Some(links), Some(table)) = (found, tables.get_mut(&of))
            && links.len() + others <= MOST
        {
            table.links = Kept::Held(Arc::new(links));
            table.whole = true;
        }
    }
    Ok(match tables.get(&of).map(|table| &table.links) {
        Some(Kept::Held(links)) if !links.is_empty() => Some(Arc::clone(links)),
        _ => None,
    })
}

/// Links of the tables of other steps.
fn all_but(tables: &HashMap<usize, Table>, of: usize) -> usize {
    let others = tables.iter().filter(|(step, _)| **step != of);
    others.map(|(_, table)| table.len()).sum()
}

/// All links of a step, where there are no more than `most`, and reading them pays after so many questions.
async fn all(
    shared: &Arc<Shared>,
    of: usize,
    questions: u64,
    most: usize,
) -> Result<Option<Links>, EngineError> {
    let (store, links) = (Arc::clone(&shared.store), shared.books[of].links);
    blocking(move || {
        let all = store.linked(links)?;
        match usize::try_from(all) {
            Ok(rows) if rows <= most && all <= questions * CHEAPER => {
                read(store.as_ref(), links, rows).map(Some)
            }
            _ => Ok(None),
        }
    })
    .await
}

fn read(store: &dyn Store, links: LinkSet, all: usize) -> Result<Links, StateError> {
    let mut table = Links::with_room(all);
    let mut after: Option<CompactString> = None;
    loop {
        let page = store.links(links, after.as_deref(), PAGE)?;
        for (row, record) in &page {
            table.insert(row, record);
        }
        match page.into_iter().next_back() {
            Some((row, _)) => after = Some(row),
            None => return Ok(table),
        }
    }
}

impl Table {
    fn with_room(rows: usize) -> Self {
        Table {
            links: Kept::Growing(Links::with_room(rows)),
            whole: false,
            questions: 0,
            look: FIRST_LOOK,
        }
    }

    fn len(&self) -> usize {
        match &self.links {
            Kept::Growing(links) => links.len(),
            Kept::Held(links) => links.len(),
        }
    }
}
