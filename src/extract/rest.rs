//! Query pages. A cursor that dies on the way, as it does with its login, is taken up again behind the last row.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::{ExtractError, behind, id_column};
use crate::{
    plan::{Read, ReadFrom},
    record::{Batch, Row},
    salesforce::{Client, ClientError, Record, row},
};

/// How often a cursor may die without a single new row before the source is given up.
const MOST_RESTARTS: u32 = 3;

/// How many pages in a row may bring no new row.
const MOST_IDLE_PAGES: u32 = 20;

pub(super) async fn read<F: Future<Output = bool>>(
    read: &Read,
    soql: &str,
    by_id: bool,
    client: &Client,
    halted: &(dyn Fn() -> bool + Sync),
    restarted: &(dyn Fn() + Sync),
    take: &mut (dyn FnMut(Batch) -> F + Send),
) -> Result<(), ExtractError> {
    let id_column = id_column(read);
    let mut place = Place {
        announced: 0,
        arrived: 0,
        last_id: None,
        seen: (!by_id).then(HashSet::new),
    };
    let all = matches!(read.from, ReadFrom::Query { all: true, .. });
    let mut page = client.query(soql, all, None).await?;
    place.announced = page.total_size;
    let (mut idle_restarts, mut idle_pages) = (0, 0);
    loop {
        let mut rows = rows_of(std::mem::take(&mut page.records), read).await?;
        place.pass(&mut rows, id_column);
        // Pages that go on behind the last row, or bring none, might go on for ever.
        idle_pages = if rows.is_empty() { idle_pages + 1 } else { 0 };
        if place.arrived > place.announced || (idle_pages > MOST_IDLE_PAGES && page.next.is_some()) {
            break;
        }
        if !rows.is_empty() {
            idle_restarts = 0;
            let batch = Batch {
                columns: Arc::clone(&read.columns),
                rows,
            };
            if !take(batch).await {
                return Err(ExtractError::Stopped);
            }
        }
        if halted() {
            return Err(ExtractError::Stopped);
        }
        let Some(next) = page.next.take() else { break };
        page = match client.query_more(&next).await {
            Ok(page) => page,
            Err(error) if matches!(error, ClientError::LocatorLost(_)) && idle_restarts < MOST_RESTARTS => {
                idle_restarts += 1;
                restarted();
                let again = client.query(&place.rest_of(soql, by_id), all, None).await?;
                // Behind the last Id the org counts only what is left; else it counts everything again.
                place.announced = match by_id && place.last_id.is_some() {
                    true => place.arrived + again.total_size,
                    false => again.total_size,
                };
                again
            }
            Err(error) => return Err(error.into()),
        };
    }
    if place.arrived == place.announced {
        Ok(())
    } else {
        Err(ExtractError::CountDiffers {
            announced: place.announced,
            arrived: place.arrived,
        })
    }
}

/// The rows of a page's records, made off the runtime's threads.
async fn rows_of(records: Vec<Record>, read: &Read) -> Result<Vec<Row>, ExtractError> {
    let (columns, types) = (Arc::clone(&read.columns), read.types.clone());
    let work = tokio::task::spawn_blocking(move || {
        records
            .iter()
            .map(|record| row(record, &columns, &types))
            .collect()
    });
    work.await
        .map_err(|error| ExtractError::Json(format!("a page could not be read: {error}")))
}

/// How far the reading is.
struct Place {
    announced: u64,
    arrived: u64,
    last_id: Option<String>,
    /// Hashes of the Ids that have been given on, for queries with an order of their own: they have to be read from the
    /// start again. (Such queries are small as a rule; 8 bytes a row are kept.)
    seen: Option<HashSet<u64>>,
}

impl Place {
    /// Lets new rows pass.
    fn pass(&mut self, rows: &mut Vec<Row>, id_column: Option<usize>) {
        if let (Some(seen), Some(column)) = (&mut self.seen, id_column) {
            rows.retain(|row| {
                let mut hasher = DefaultHasher::new();
                row[column].as_text().hash(&mut hasher);
                row[column].is_null() || seen.insert(hasher.finish())
            });
        }
        self.arrived += rows.len() as u64;
        if let (Some(last), Some(column)) = (rows.last(), id_column) {
            self.last_id = last[column].as_text().map(str::to_owned);
        }
    }

    fn rest_of(&self, soql: &str, by_id: bool) -> String {
        let last = self.last_id.as_ref().filter(|_| by_id);
        last.and_then(|last| behind(soql, last))
            .unwrap_or_else(|| soql.to_owned())
    }
}
