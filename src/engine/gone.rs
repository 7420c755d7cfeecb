//! Records that earlier runs wrote and that are not in the target any more.
//!
//! The id map outlives what it leads to: a target that was cleared, or restored from a backup, has lost records that
//! `ref`s would still be given and that `compare: sent` would not send again. Before the first write a run asks each
//! step's target for the newest of them, one query a step; where most are gone, all that are gone are forgotten, and the
//! run reads everything. A single record that somebody has deleted is found when a row that leads to it is refused.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use compact_str::CompactString;

use super::{
    EngineError, RunRequest,
    connect::{Connections, Signed},
    shared::{Shared, blocking, links_of},
};
use crate::{
    event::Event,
    load::{Plain, WriteRow, Written},
    pipeline::{
        model::{MapValue, StepRef},
        soql::quote,
    },
    plan::{Plan, PlanStep},
    record::id18,
    salesforce::{Client, ClientError},
    state::{LinkSet, StateError, Store},
};

/// Records that are asked for in one query.
const SAMPLE: usize = 200;

/// Queries for a step's records, from the newest on; what is older after so many is not asked for one by one.
const MOST_QUERIES: usize = 50;

/// Codes by which an org refuses a row that leads to a record that is not there.
const DANGLING: [&str; 4] = [
    "INVALID_CROSS_REFERENCE_KEY",
    "ENTITY_IS_DELETED",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
    "no_match",
];

/// Forgets what targets have lost that were cleared or restored. Whether there are such: the run has to read everything
/// then.
pub(super) async fn forget_lost(
    request: &RunRequest,
    connections: &Connections,
    signed: &Signed,
    plan: &Plan,
) -> Result<bool, EngineError> {
    let mut any = false;
    for step in &plan.steps {
        if step.write.file.is_some() || step.deletes_of.is_some() || step.write.operation.deletes() {
            continue;
        }
        let Some(client) = signed.orgs.get(&step.write.connection) else {
            continue;
        };
        let links = links_of(request, connections, step).await?;
        let lost = lost(&request.store, links, client, step).await?;
        if let Some((gone, all)) = lost {
            any = true;
            request.events.send(Event::Noted {
                text: format!(
                    "`{}` has lost {gone} of the {all} records that step `{}` wrote there before: it was cleared or \
                     restored; this run reads everything and writes them again, as with `--full`",
                    step.write.connection, step.name
                ),
            });
        }
    }
    Ok(any)
}

/// Forgets a step's records that are gone, when most of the newest are: how many, and of how many.
async fn lost(
    store: &Arc<dyn Store>,
    links: LinkSet,
    client: &Client,
    step: &PlanStep,
) -> Result<Option<(u64, u64)>, EngineError> {
    let mut before: Option<(CompactString, CompactString)> = None;
    let (mut gone, mut all) = (0u64, 0u64);
    for query in 0..=MOST_QUERIES {
        if query == MOST_QUERIES {
            // As far as one can tell there is nothing left; what is, is found by its key again.
            let store = Arc::clone(store);
            gone += blocking(move || {
                let left = store.linked(links)?;
                store.unlink_all(links)?;
                Ok(left)
            })
            .await?;
            break;
        }
        let (asked, from) = (Arc::clone(store), before.clone());
        let page = blocking(move || {
            let from = from.as_ref().map(|(row, record)| (row.as_str(), record.as_str()));
            asked.newest_links(links, from, SAMPLE)
        })
        .await?;
        let Some(last) = page.last() else { break };
        before = Some(last.clone());
        let there = there(client, step, page.iter().map(|(_, target)| target)).await?;
        let missing: Vec<CompactString> = page
            .iter()
            .filter(|(_, target)| !there.contains(&id18(target)))
            .map(|(source, _)| source.clone())
            .collect();
        // A few that somebody has deleted are no sign of anything.
        let (few, most) = (missing.len() * 10 < page.len(), missing.len() * 2 > page.len());
        if query == 0 {
            if !most {
                return Ok(None);
            }
            let store = Arc::clone(store);
            all = blocking(move || store.linked(links)).await?;
        }
        gone += missing.len() as u64;
        let store = Arc::clone(store);
        blocking(move || store.unlink(links, &missing)).await?;
        if few {
            break;
        }
    }
    Ok((gone > 0).then_some((gone, all)))
}

/// Which of these records the target has.
async fn there(
    client: &Client,
    step: &PlanStep,
    records: impl Iterator<Item = &CompactString>,
) -> Result<HashSet<CompactString>, EngineError> {
    ask(client, &step.write.object, records)
        .await
        .map_err(|source| EngineError::Org {
            connection: step.write.connection.clone(),
            source,
        })
}

async fn ask(
    client: &Client,
    object: &str,
    records: impl Iterator<Item = &CompactString>,
) -> Result<HashSet<CompactString>, ClientError> {
    let list: Vec<String> = records.map(|id| quote(id)).collect();
    let soql = format!("SELECT Id FROM {object} WHERE Id IN ({})", list.join(","));
    let mut found = HashSet::new();
    let mut page = client.query(&soql, false, None).await?;
    loop {
        let ids = page
            .records
            .iter()
            .filter_map(|record| record.get("Id")?.as_str());
        found.extend(ids.map(id18));
        match page.next.take() {
            Some(next) => page = client.query_more(&next).await?,
            None => return Ok(found),
        }
    }
}

/// Records that rows may have been refused for, by the step (index in the plan) that wrote them.
pub(super) type Suspects = BTreeMap<usize, HashSet<CompactString>>;

/// Records that refused rows lead to and that may be gone.
pub(super) fn suspects(shared: &Shared, step: usize, rows: &[(WriteRow, Written)]) -> Suspects {
    let plan = &shared.plan.steps[step];
    let mut suspects = Suspects::new();
    for (row, written) in rows {
        let Written::Failed { reason, .. } = written else {
            continue;
        };
        if !DANGLING.contains(&reason.code.as_str()) {
            continue;
        }
        let fields = plan.mapping.fields.iter().zip(&row.cells);
        for (field, cell) in fields {
            let Plain::Value(value) = cell else { continue };
            let Some(record) = value.as_text() else { continue };
            let mut steps = Vec::new();
            field.value.each(&mut |value| {
                if let MapValue::Ref {
                    steps: of,
                    give: None,
                    ..
                } = value
                {
                    steps.extend(of.iter().copied());
                }
            });
            for of in steps {
                if let StepRef::Own(index) = of {
                    let place = shared.place(index);
                    suspects.entry(place).or_default().insert(id18(record));
                }
            }
        }
    }
    suspects
}

/// Forgets those of the suspected records that are gone, so that the next run writes them again.
pub(super) async fn forget(shared: &Arc<Shared>, suspects: Suspects) -> Result<(), EngineError> {
    for (of, records) in suspects {
        let plan = &shared.plan.steps[of];
        if plan.write.file.is_some() {
            continue;
        }
        let client = shared.org(&plan.write.connection)?;
        let records: Vec<CompactString> = records.into_iter().collect();
        for records in records.chunks(SAMPLE) {
            let there = there(client, plan, records.iter()).await?;
            let missing: Vec<CompactString> = records
                .iter()
                .filter(|record| !there.contains(*record))
                .cloned()
                .collect();
            if missing.is_empty() {
                continue;
            }
            let shared = Arc::clone(shared);
            blocking(move || forget_rows(&shared, of, &missing)).await?;
        }
    }
    Ok(())
}

fn forget_rows(shared: &Shared, of: usize, missing: &[CompactString]) -> Result<(), StateError> {
    let book = &shared.books[of];
    let sources = shared.store.sources(book.links, missing)?;
    let rows: Vec<CompactString> = sources.into_iter().map(|(_, source)| source).collect();
    tracing::info!(
        step = shared.plan.steps[of].name,
        rows = rows.len(),
        "records are gone from the target, and are written again by the next run"
    );
    shared.store.unlink(book.links, &rows)?;
    // However old they are, the next run has to read them.
    match &book.incremental {
        Some(incremental) => incremental.read_again(shared.store.as_ref(), book.links, &shared.run.id, &rows),
        None => Ok(()),
    }
}
