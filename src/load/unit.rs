//! Rows are gathered into units (a collections call, a Bulk job), several on their way at once, each sent again where
//! that can help, and only its failed rows.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use compact_str::CompactString;
use tokio::task::JoinSet;

use super::{
    Action, WriteRow, body, bulk,
    gathered::{Gathered, Load, Most},
    record::Breaks,
    rest,
};
use crate::{
    http::Retry,
    pipeline::model::Policy,
    plan::{Road, Write},
    record::ParkReason,
    salesforce::{Class, Client, ClientError, RowError},
};

/// The most records that a collections call takes.
const REST_ROWS: usize = 200;

/// Rows of a Bulk job by default: large enough that polling does not count, small enough to be held in memory while
/// the job runs, for its results are paired with them.
const BULK_ROWS: usize = 20_000;

/// Rows of a Bulk job whose rows travel in groups: an org cuts a job into chunks of so many, and works on several of
/// them at once.
const BULK_CHUNK: usize = 10_000;

/// Bytes of a Bulk job's values. An org takes 100 MB of CSV; half of that keeps memory small too.
const BULK_BYTES: usize = 50 << 20;

/// Bytes of a collections call's values. An org takes 50 MB of JSON.
const REST_BYTES: usize = 10 << 20;

/// Calls side by side by default. Orgs limit only calls that last 20 seconds or more.
const REST_PARALLEL: usize = 4;

/// Jobs side by side by default.
const BULK_PARALLEL: usize = 3;

/// What the org said of a row.
#[derive(Clone, Debug)]
pub enum Written {
    /// A record was made.
    Created(CompactString),
    /// A record was written.
    Updated(CompactString),
    /// There was nothing to write.
    Unchanged(CompactString),
    /// It was deleted.
    Deleted(CompactString),
    /// It was to be deleted, and was not there any more.
    Gone,
    /// It was refused.
    Failed {
        /// The target record, where one is known.
        id: Option<CompactString>,
        /// Why.
        reason: ParkReason,
    },
}

impl Written {
    /// Whether nobody knows if the row is in the target.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Written::Failed { reason, .. } if reason.code == "unknown_outcome")
    }

    /// The record, of a row that is in the target.
    pub fn record(&self) -> Option<&CompactString> {
        match self {
            Written::Created(id) | Written::Updated(id) | Written::Unchanged(id) => Some(id),
            Written::Deleted(_) | Written::Gone | Written::Failed { .. } => None,
        }
    }
}

/// Rows that were sent together and have an end.
#[derive(Debug, Default)]
pub struct Unit {
    /// Each row with what the org said.
    pub rows: Vec<(WriteRow, Written)>,
    /// An error that ends the run. Rows without an end are not listed: nothing is known of them.
    pub error: Option<ClientError>,
}

/// Rows of one kind that travel together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    action: Action,
    bulk: bool,
    crlf: bool,
    /// New records with a file's body.
    body: bool,
}

type Retrying = Arc<dyn Fn(u64, &str, Duration) + Send + Sync>;

/// Gathers rows, sends them, and tells what became of them.
pub struct Loader {
    sender: Arc<Sender>,
    parallel: usize,
    slots: BTreeMap<Slot, Gathered>,
    under_way: JoinSet<(Vec<u64>, Unit)>,
    /// Groups of rows that are under way: no two batches at once hold rows of one group.
    busy: HashSet<u64>,
}

struct Sender {
    client: Client,
    /// The org that the bodies of files come from.
    source: Option<Client>,
    write: Arc<Write>,
    /// For rows that are sent again.
    retry: Retry,
    retrying: Retrying,
}

impl Loader {
    /// A loader for one step. `retrying` hears how many rows are sent again, for which code, after which pause.
    pub fn new(
        client: Client,
        source: Option<Client>,
        write: Arc<Write>,
        policy: &Policy,
        retrying: impl Fn(u64, &str, Duration) + Send + Sync + 'static,
    ) -> Self {
        let parallel = write.parallel.unwrap_or(match write.road {
            Road::Bulk => BULK_PARALLEL,
            Road::Rest | Road::Http | Road::File => REST_PARALLEL,
        });
        let retry = Retry {
            attempts: policy.attempts,
            first: policy.backoff_first,
            cap: policy.backoff_cap,
        };
        let sender = Arc::new(Sender {
            client,
            source,
            write,
            retry,
            retrying: Arc::new(retrying),
        });
        Loader {
            sender,
            parallel: parallel.max(1),
            slots: BTreeMap::new(),
            under_way: JoinSet::new(),
            busy: HashSet::new(),
        }
    }

    /// Takes rows, and gives units that have ended meanwhile. Waits while enough units are under way.
    pub async fn push(&mut self, rows: Vec<WriteRow>) -> Vec<Unit> {
        let mut ended = Vec::new();
        let mut idle = Unit::default();
        for row in rows {
            if let (true, Some(id)) = (row.is_empty(&self.sender.write), row.record_id.clone()) {
                idle.rows.push((row, Written::Unchanged(id)));
                continue;
            }
            let slot = self.slot(&row);
            let most = self.most(slot);
            let group = row.group(&self.sender.write).map(hash);
            for load in self.slots.entry(slot).or_default().push(row, group, most) {
                self.start(slot, load, &mut ended).await;
            }
        }
        if !idle.rows.is_empty() {
            ended.push(idle);
        }
        while let Some(unit) = self.under_way.try_join_next() {
            ended.push(self.arrived(unit));
        }
        ended
    }

    /// Sends what is gathered (unless the run stops), waits for all that is under way, and gives it.
    pub async fn finish(&mut self, stop: bool) -> Vec<Unit> {
        let mut ended = Vec::new();
        for (slot, gathered) in std::mem::take(&mut self.slots) {
            if stop {
                break;
            }
            for load in gathered.finish(self.most(slot)) {
                self.start(slot, load, &mut ended).await;
            }
        }
        while let Some(unit) = self.under_way.join_next().await {
            ended.push(self.arrived(unit));
        }
        ended
    }

    fn slot(&self, row: &WriteRow) -> Slot {
        let write = &self.sender.write;
        let travels = row.traveller(write).is_some() && row.body(write).is_none();
        let breaks = if write.road == Road::Bulk && travels {
            row.breaks()
        } else {
            Breaks::Unsafe
        };
        Slot {
            action: row.action,
            bulk: breaks != Breaks::Unsafe,
            crlf: breaks == Breaks::Crlf,
            body: row.body(write).is_some(),
        }
    }

    fn most(&self, slot: Slot) -> Most {
        let write = &self.sender.write;
        Most {
            rows: match (slot.bulk, write.batch) {
                _ if slot.body => 1,
                (true, Some(batch)) => batch.max(1),
                (true, None) if write.group.is_some() => BULK_CHUNK,
                (true, None) => BULK_ROWS,
                (false, batch) => batch.unwrap_or(REST_ROWS).clamp(1, REST_ROWS),
            },
            bytes: if slot.bulk { BULK_BYTES } else { REST_BYTES },
        }
    }

    async fn start(&mut self, slot: Slot, load: Load, ended: &mut Vec<Unit>) {
        while self.under_way.len() >= self.parallel || load.groups.iter().any(|g| self.busy.contains(g)) {
            match self.under_way.join_next().await {
                Some(unit) => ended.push(self.arrived(unit)),
                None => break,
            }
        }
        self.busy.extend(&load.groups);
        let sender = Arc::clone(&self.sender);
        self.under_way
            .spawn(async move { (load.groups, sender.deliver(slot, load.rows).await) });
    }

    fn arrived(&mut self, unit: Result<(Vec<u64>, Unit), tokio::task::JoinError>) -> Unit {
        match unit {
            Ok((groups, unit)) => {
                for group in groups {
                    self.busy.remove(&group);
                }
                unit
            }
            Err(error) => Unit {
                rows: Vec::new(),
                error: Some(ClientError::NotUnderstood {
                    call: "a unit of work".into(),
                    detail: error.to_string(),
                    request_id: None,
                }),
            },
        }
    }
}

/// Two groups of one hash travel as one, which does no harm.
fn hash(group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish()
}

/// What the org said of one row, not yet judged.
pub(super) enum Answer {
    /// It was written: its record, and whether that is new.
    Written(CompactString, bool),
    /// It was refused.
    Refused(Option<CompactString>, RowError),
    /// The call's outcome is unknown: it may have been written.
    Lost,
}

/// Rows to be sent, and the how manieth time that is.
type Sending = (Slot, Vec<WriteRow>, u32);

/// Rows that have no end yet.
#[derive(Default)]
struct Judged {
    /// Another try can help them; with their code.
    again: Option<(String, Vec<WriteRow>)>,
    /// REST can do with them what Bulk cannot.
    by_rest: Vec<WriteRow>,
}

impl Sender {
    /// Sends rows until each has an end: tries again what can be retried, splits what is refused as a whole.
    async fn deliver(&self, slot: Slot, rows: Vec<WriteRow>) -> Unit {
        let mut unit = Unit::default();
        let mut waiting = vec![(slot, rows, 1u32)];
        while let Some((slot, rows, attempt)) = waiting.pop() {
            if rows.is_empty() {
                continue;
            }
            let rows = Arc::new(rows);
            let answers = match slot.bulk {
                _ if slot.body => match &self.source {
                    Some(source) => body::send(&self.client, source, &self.write, &self.retry, &rows).await,
                    None => Err(ClientError::NotUnderstood {
                        call: "streaming a file".into(),
                        detail: "its source is no org".into(),
                        request_id: None,
                    }),
                },
                true => bulk::send(&self.client, &self.write, slot.action, slot.crlf, &rows).await,
                false => rest::send(&self.client, &self.write, slot.action, &rows).await,
            };
            // Whoever borrowed the rows has given them back.
            let rows = Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
            let answers = match answers {
                Ok(answers) => answers,
                Err(error) if slot.bulk && slot.action != Action::HardDelete && no_bulk(&error) => {
                    self.by_rest(slot, rows, attempt, &mut waiting);
                    continue;
                }
                Err(error) if !slot.bulk && splits(&error) && rows.len() > 1 => {
                    let mut first = rows;
                    let second = first.split_off(first.len() / 2);
                    waiting.push((slot, second, attempt));
                    waiting.push((slot, first, attempt));
                    continue;
                }
                Err(error) if !slot.bulk && splits(&error) => {
                    let refused = whole(&error);
                    unit.rows
                        .extend(rows.into_iter().map(|row| failed(row, None, &refused)));
                    continue;
                }
                Err(error) => {
                    unit.error = Some(error);
                    return unit;
                }
            };
            let judged = self.judge(slot, rows, answers, attempt, &mut unit);
            self.by_rest(slot, judged.by_rest, attempt, &mut waiting);
            if let Some((code, rows)) = judged.again {
                let wait = self.retry.pause(attempt);
                (self.retrying)(rows.len() as u64, &code, wait);
                tokio::time::sleep(wait).await;
                // The few rows that are left need no job of their own.
                if rows.len() <= REST_ROWS && slot.action != Action::HardDelete {
                    self.by_rest(slot, rows, attempt + 1, &mut waiting);
                } else {
                    waiting.push((slot, rows, attempt + 1));
                }
            }
        }
        unit
    }

    /// Puts rows down for collections calls, whatever road they came.
    fn by_rest(&self, slot: Slot, mut rows: Vec<WriteRow>, attempt: u32, waiting: &mut Vec<Sending>) {
        let rest = Slot {
            bulk: false,
            crlf: false,
            ..slot
        };
        let most = self.write.batch.unwrap_or(REST_ROWS).clamp(1, REST_ROWS);
        while !rows.is_empty() {
            let from = rows.len().saturating_sub(most);
            waiting.push((rest, rows.split_off(from), attempt));
        }
    }

    /// Ends the rows that have an end, and gives back those that have none.
    fn judge(
        &self,
        slot: Slot,
        rows: Vec<WriteRow>,
        answers: Vec<Answer>,
        attempt: u32,
        unit: &mut Unit,
    ) -> Judged {
        let mut judged = Judged::default();
        let deletes = matches!(slot.action, Action::Delete | Action::HardDelete);
        for (row, answer) in rows.into_iter().zip(answers) {
            match answer {
                Answer::Written(id, _) if deletes => unit.rows.push((row, Written::Deleted(id))),
                Answer::Refused(_, error) if deletes && is_gone(&error) => {
                    unit.rows.push((row, Written::Gone));
                }
                // Bulk jobs have no word for it.
                Answer::Refused(_, error)
                    if slot.bulk && self.write.allow_duplicates && error.code == "DUPLICATES_DETECTED" =>
                {
                    judged.by_rest.push(row);
                }
                Answer::Written(id, true) => unit.rows.push((row, Written::Created(id))),
                Answer::Written(id, false) => unit.rows.push((row, Written::Updated(id))),
                Answer::Refused(id, error) => {
                    let transient = matches!(error.class(), Class::Transient | Class::Shrink);
                    if transient && attempt < self.retry.attempts {
                        judged
                            .again
                            .get_or_insert_with(|| (error.code.to_string(), Vec::new()))
                            .1
                            .push(row);
                    } else {
                        unit.rows.push(failed(row, id, &error));
                    }
                }
                Answer::Lost => {
                    let reason = ParkReason {
                        code: "unknown_outcome".into(),
                        message: "the connection broke after the row was sent: it may be in the target or not"
                            .into(),
                        field: None,
                        help: "look for it in the target before you send it again; with a `key` that is an external id this cannot happen"
                            .into(),
                    };
                    unit.rows.push((row, Written::Failed { id: None, reason }));
                }
            }
        }
        judged
    }
}

/// Whether a call that was refused as a whole may be refused because of one of its rows.
fn splits(error: &ClientError) -> bool {
    let ClientError::Api(api) = error else {
        return false;
    };
    matches!(api.status, 400 | 413) && !error.is_access() && error.class() != Class::Quota
}

/// Whether a record that is to be deleted was not there any more.
fn is_gone(error: &RowError) -> bool {
    matches!(
        error.code.as_str(),
        "ENTITY_IS_DELETED" | "INVALID_CROSS_REFERENCE_KEY"
    )
}

/// Whether the object cannot be loaded by Bulk jobs at all.
fn no_bulk(error: &ClientError) -> bool {
    matches!(error.code(), Some("INVALIDENTITY" | "FEATURENOTENABLED"))
}

/// A call's refusal as that of its only row.
fn whole(error: &ClientError) -> RowError {
    match error {
        ClientError::Api(api) => api.as_row(),
        other => rest::row_error("UNKNOWN", &other.to_string()),
    }
}

/// What the org says of a key, by the names that the language has for it.
fn ours(row: &WriteRow, error: &RowError) -> Option<ParkReason> {
    let (code, help) = match error.code.as_str() {
        "DUPLICATE_EXTERNAL_ID" => (
            "ambiguous_key",
            "merge the records in the target, or use a key that is unique there",
        ),
        "ENTITY_IS_DELETED" => (
            "no_match",
            "the record was deleted in the target: create it again, or leave the row out",
        ),
        "INVALID_CROSS_REFERENCE_KEY" if error.fields.is_empty() && row.action == Action::Update => (
            "no_match",
            "the target has no record with this Id: load it first, or leave the row out",
        ),
        _ => return None,
    };
    Some(ParkReason {
        code: code.into(),
        message: format!("{}: {}", error.code, error.message),
        field: None,
        help: help.into(),
    })
}

fn failed(row: WriteRow, id: Option<CompactString>, error: &RowError) -> (WriteRow, Written) {
    let help = error
        .help()
        .unwrap_or("mend the row in the source, or the mapping")
        .to_owned();
    let reason = ParkReason {
        code: error.code.clone(),
        message: error.message.clone(),
        field: error.fields.first().cloned(),
        help,
    };
    let id = id.or_else(|| row.record_id.clone());
    let reason = ours(&row, error).unwrap_or(reason);
    (row, Written::Failed { id, reason })
}
