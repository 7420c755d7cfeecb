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
    Action, Remembered, WriteRow, body,
    bulk::{Jobs, Pace},
    gathered::{Gathered, Load, Most},
    journal::{Journal, LoadError, Manifest},
    record::Breaks,
    rest,
};
use crate::{
    http::Retry,
    pipeline::model::Policy,
    plan::{Road, Write},
    record::ParkReason,
    salesforce::{Class, Client, ClientError, RowError},
    state::UnitId,
};

/// The most records that a collections call takes.
const REST_ROWS: usize = 200;

/// Rows of a Bulk job by default: large enough that polling does not count, small enough to be held in memory while
/// the job runs, for its results are paired with them.
const BULK_ROWS: usize = 15_000;

/// The first jobs of a step that has at least three of the usual size: the target begins while most rows are on their
/// way still, and what is wrong with all of them shows after few.
const FIRST_BULK_ROWS: [usize; 2] = [SMALL_BULK_ROWS, 2 * SMALL_BULK_ROWS];

/// The least rows of its last jobs: each takes half of what is left, so that the step does not end with waiting for
/// large ones.
const SMALL_BULK_ROWS: usize = BULK_ROWS / 3;

/// Rows of a Bulk job whose rows travel in groups: an org cuts a job into chunks of so many, and works on several of
/// them at once.
pub(super) const BULK_CHUNK: usize = 10_000;

/// Bytes of a Bulk job's values. An org takes 100 MB of CSV; half of that keeps memory small too.
const BULK_BYTES: usize = 50 << 20;

/// Bytes of a collections call's values. An org takes 50 MB of JSON.
const REST_BYTES: usize = 10 << 20;

/// Calls side by side by default. Orgs limit only calls that last 20 seconds or more.
const REST_PARALLEL: usize = 4;

/// Jobs side by side by default: some are on their way to the org or back while it works on others.
pub(super) const BULK_PARALLEL: usize = 4;

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
    pub error: Option<LoadError>,
    /// Its places in the journal, which are needed until the rows' outcomes are recorded; none after an error that
    /// leaves open what the org has taken, for then they are needed by whoever goes on.
    pub journaled: Vec<UnitId>,
    /// Whether an earlier sitting had sent the rows: then their values are perhaps not those that were sent.
    pub remembered: bool,
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
    /// Rows that are expected, where they are so many that the first and the last jobs are small ones.
    expected: Option<usize>,
    /// Bulk jobs that have been begun, and their rows.
    jobs: usize,
    rows_of_jobs: usize,
    slots: BTreeMap<Slot, Gathered>,
    under_way: JoinSet<(Vec<u64>, Unit)>,
    /// Groups of rows that are under way: no two batches at once hold rows of one group.
    busy: HashSet<u64>,
}

struct Sender {
    client: Client,
    journal: Journal,
    /// The org that the bodies of files come from.
    source: Option<Client>,
    write: Arc<Write>,
    /// For rows that are sent again.
    retry: Retry,
    retrying: Retrying,
    pace: Pace,
}

impl Loader {
    /// A loader for one pass of a step, of which so many rows are `expected`. `retrying` hears how many rows are sent again, for which code, after which pause.
    pub fn new(
        client: Client,
        source: Option<Client>,
        write: Arc<Write>,
        policy: &Policy,
        journal: Journal,
        expected: Option<u64>,
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
            journal,
            source,
            write,
            retry,
            retrying: Arc::new(retrying),
            pace: Pace::default(),
        });
        Loader {
            sender,
            parallel: parallel.max(1),
            expected: expected
                .and_then(|rows| usize::try_from(rows).ok())
                .filter(|rows| *rows >= 3 * BULK_ROWS),
            jobs: 0,
            rows_of_jobs: 0,
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

    /// Takes rows that an earlier sitting had sent, with what the org said of them. Those that another try can help are
    /// sent again.
    pub async fn push_remembered(&mut self, rows: Vec<(WriteRow, Remembered)>) -> Vec<Unit> {
        let mut slots: BTreeMap<Slot, (Vec<WriteRow>, Vec<Answer>)> = BTreeMap::new();
        for (row, remembered) in rows {
            let (row, answer) = remembered.of(row, &self.sender.write);
            let (rows, answers) = slots.entry(self.slot(&row)).or_default();
            rows.push(row);
            answers.push(answer);
        }
        let mut ended = Vec::new();
        for (slot, (rows, answers)) in slots {
            self.make_room(&[], &mut ended).await;
            let sender = Arc::clone(&self.sender);
            self.under_way
                .spawn(async move { (Vec::new(), sender.deliver(slot, rows, Some(answers)).await) });
        }
        ended
    }

    /// Sends what is gathered, and gives units that have ended meanwhile.
    pub async fn flush(&mut self) -> Vec<Unit> {
        let mut ended = Vec::new();
        for (slot, gathered) in std::mem::take(&mut self.slots) {
            for load in gathered.finish(self.most(slot)) {
                self.start(slot, load, &mut ended).await;
            }
        }
        ended
    }

    /// The next unit that ends; `None` where none is under way.
    pub async fn next(&mut self) -> Option<Unit> {
        let unit = self.under_way.join_next().await?;
        Some(self.arrived(unit))
    }

    fn slot(&self, row: &WriteRow) -> Slot {
        let write = &self.sender.write;
        let travels = row.travels(write) && row.body(write).is_none();
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
                (true, None) => self.expected.map_or(BULK_ROWS, |expected| {
                    bulk_rows(self.jobs, expected.saturating_sub(self.rows_of_jobs))
                }),
                (false, batch) => batch.unwrap_or(REST_ROWS).clamp(1, REST_ROWS),
            },
            bytes: if slot.bulk { BULK_BYTES } else { REST_BYTES },
        }
    }

    async fn start(&mut self, slot: Slot, load: Load, ended: &mut Vec<Unit>) {
        self.make_room(&load.groups, ended).await;
        self.busy.extend(&load.groups);
        if slot.bulk {
            self.jobs += 1;
            self.rows_of_jobs += load.rows.len();
        }
        let sender = Arc::clone(&self.sender);
        self.under_way
            .spawn(async move { (load.groups, sender.deliver(slot, load.rows, None).await) });
    }

    /// Waits until one more unit may be under way, and no other that holds rows of these groups is.
    async fn make_room(&mut self, groups: &[u64], ended: &mut Vec<Unit>) {
        while self.under_way.len() >= self.parallel || groups.iter().any(|g| self.busy.contains(g)) {
            match self.under_way.join_next().await {
                Some(unit) => ended.push(self.arrived(unit)),
                None => break,
            }
        }
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
                error: Some(LoadError::Org(ClientError::NotUnderstood {
                    call: "a unit of work".into(),
                    detail: error.to_string(),
                    request_id: None,
                })),
                ..Unit::default()
            },
        }
    }
}

/// Rows of the next job of a step that has many, when so many jobs are begun and so many rows are still expected.
fn bulk_rows(jobs: usize, left: usize) -> usize {
    match FIRST_BULK_ROWS.get(jobs) {
        Some(few) => *few,
        // More have come than were expected.
        None if left == 0 => BULK_ROWS,
        // The last one takes what would not be worth a job of its own.
        None if left < 2 * SMALL_BULK_ROWS => left,
        None => (left / 2).clamp(SMALL_BULK_ROWS, BULK_ROWS),
    }
}

/// Two groups of one hash travel as one, which does no harm.
fn hash(group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish()
}

/// What the org said of one row, not yet judged.
#[derive(Clone, Debug)]
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
    /// Sends rows until each has an end: tries again what can be retried, splits what is refused as a whole. Of rows
    /// that were sent before, `said` is what the org said then.
    async fn deliver(&self, slot: Slot, rows: Vec<WriteRow>, said: Option<Vec<Answer>>) -> Unit {
        let mut unit = Unit {
            remembered: said.is_some(),
            ..Unit::default()
        };
        let mut waiting = Vec::new();
        match said {
            Some(said) => self.ended(slot, rows, said, 1, &mut unit, &mut waiting).await,
            None => waiting.push((slot, rows, 1u32)),
        }
        while let Some((slot, rows, attempt)) = waiting.pop() {
            if rows.is_empty() {
                continue;
            }
            let rows = Arc::new(rows);
            let answers = self.send(slot, &rows, &mut unit.journaled).await;
            // Whoever borrowed the rows has given them back.
            let rows = Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
            let error = match answers {
                Ok(answers) => {
                    self.ended(slot, rows, answers, attempt, &mut unit, &mut waiting)
                        .await;
                    continue;
                }
                Err(error) => error,
            };
            match error {
                LoadError::Org(error)
                    if slot.bulk && slot.action != Action::HardDelete && no_bulk(&error) =>
                {
                    self.by_rest(slot, rows, attempt, &mut waiting);
                }
                LoadError::Org(error) if !slot.bulk && splits(&error) && rows.len() > 1 => {
                    let mut first = rows;
                    let second = first.split_off(first.len() / 2);
                    waiting.push((slot, second, attempt));
                    waiting.push((slot, first, attempt));
                }
                LoadError::Org(error) if !slot.bulk && splits(&error) => {
                    let refused = whole(&error);
                    unit.rows
                        .extend(rows.into_iter().map(|row| failed(row, None, &refused)));
                }
                error => {
                    if slot.bulk || may_be_taken(&error) {
                        // Whoever goes on asks what has become of the rows.
                        unit.journaled.clear();
                    }
                    unit.error = Some(error);
                    return unit;
                }
            }
        }
        unit
    }

    /// Sends rows once, and writes down before that it does so where a second time would not be the same.
    async fn send(
        &self,
        slot: Slot,
        rows: &Arc<Vec<WriteRow>>,
        journaled: &mut Vec<UnitId>,
    ) -> Result<Vec<Answer>, LoadError> {
        if slot.bulk {
            let jobs = Jobs {
                client: &self.client,
                write: &self.write,
                journal: &self.journal,
                attempts: self.retry.attempts,
                pace: &self.pace,
            };
            let (file, manifest) = jobs.file(slot.action, slot.crlf, rows).await?;
            if let Some(answers) = file.refused() {
                return Ok(answers);
            }
            let place = self.journal.begin(slot.action, true, manifest).await?;
            journaled.push(place);
            return jobs.send(slot.action, file, rows.len(), place).await;
        }
        if slot.action == Action::Insert {
            let manifest = Manifest::of(rows, &self.write);
            journaled.push(self.journal.begin(slot.action, false, manifest).await?);
        }
        match &self.source {
            Some(source) if slot.body => {
                Ok(body::send(&self.client, source, &self.write, &self.retry, rows).await?)
            }
            None if slot.body => Err(LoadError::Org(ClientError::NotUnderstood {
                call: "streaming a file".into(),
                detail: "its source is no org".into(),
                request_id: None,
            })),
            _ => Ok(rest::send(&self.client, &self.write, slot.action, rows).await?),
        }
    }

    /// Ends the rows that have an end, and puts the others down to be sent again.
    async fn ended(
        &self,
        slot: Slot,
        rows: Vec<WriteRow>,
        answers: Vec<Answer>,
        attempt: u32,
        unit: &mut Unit,
        waiting: &mut Vec<Sending>,
    ) {
        let judged = self.judge(slot, rows, answers, attempt, unit);
        self.by_rest(slot, judged.by_rest, attempt, waiting);
        let Some((code, rows)) = judged.again else { return };
        let wait = self.retry.pause(attempt);
        (self.retrying)(rows.len() as u64, &code, wait);
        tokio::time::sleep(wait).await;
        // The few rows that are left need no job of their own.
        if rows.len() <= REST_ROWS && slot.action != Action::HardDelete {
            self.by_rest(slot, rows, attempt + 1, waiting);
        } else {
            waiting.push((slot, rows, attempt + 1));
        }
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
        unit.rows.reserve(rows.len());
        for (row, answer) in rows.into_iter().zip(answers) {
            match answer {
                // Bulk jobs have no word for it.
                Answer::Refused(_, error)
                    if slot.bulk && self.write.allow_duplicates && error.code == "DUPLICATES_DETECTED" =>
                {
                    judged.by_rest.push(row);
                }
                Answer::Refused(id, error) if !(deletes(row.action) && is_gone(&error)) => {
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
                answer => unit.rows.push(settled(row, answer)),
            }
        }
        judged
    }
}

fn deletes(action: Action) -> bool {
    matches!(action, Action::Delete | Action::HardDelete)
}

/// A row whose answer is its end.
fn settled(row: WriteRow, answer: Answer) -> (WriteRow, Written) {
    match answer {
        Answer::Written(id, _) if deletes(row.action) => (row, Written::Deleted(id)),
        Answer::Refused(_, error) if deletes(row.action) && is_gone(&error) => (row, Written::Gone),
        Answer::Written(id, true) => (row, Written::Created(id)),
        Answer::Written(id, false) => (row, Written::Updated(id)),
        Answer::Refused(id, error) => failed(row, id, &error),
        Answer::Lost => {
            let reason = ParkReason {
                code: "unknown_outcome".into(),
                message: "the row was sent, and the answer never came: it may be in the target or not".into(),
                field: None,
                help: "look for it in the target before you send it again; with `operation: upsert` by an external id this cannot happen"
                    .into(),
            };
            (row, Written::Failed { id: None, reason })
        }
    }
}

/// The end of a row that nobody can send again.
pub(super) fn judged_once(row: WriteRow, answer: Answer) -> Written {
    settled(row, answer).1
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

/// Whether the org may have done what a collections call asked for, though the call failed. A refusal is one of the
/// whole call; what was lost on its way is told of each row.
fn may_be_taken(error: &LoadError) -> bool {
    match error {
        LoadError::Org(error) => matches!(
            error,
            ClientError::NotUnderstood { .. } | ClientError::OutcomeUnknown { .. }
        ),
        LoadError::State(_) => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The jobs of a step of which so many rows are expected, and so many come.
    fn jobs(expected: usize, come: usize) -> Vec<usize> {
        let mut jobs = Vec::new();
        let mut sent = 0;
        while sent < come {
            let rows = bulk_rows(jobs.len(), expected.saturating_sub(sent)).min(come - sent);
            jobs.push(rows);
            sent += rows;
        }
        jobs
    }

    #[test]
    fn jobs_are_small_at_the_beginning_and_at_the_end() {
        assert_eq!(
            jobs(100_000, 100_000),
            [
                5_000, 10_000, 15_000, 15_000, 15_000, 15_000, 12_500, 6_250, 6_250
            ]
        );
        assert_eq!(jobs(45_000, 45_000), [5_000, 10_000, 15_000, 7_500, 7_500]);
        // Fewer than were expected, and more.
        assert_eq!(jobs(100_000, 50_000), [5_000, 10_000, 15_000, 15_000, 5_000]);
        assert_eq!(
            jobs(45_000, 65_000),
            [5_000, 10_000, 15_000, 7_500, 7_500, 15_000, 5_000]
        );
        assert!(
            jobs(1_000_003, 1_000_003)
                .iter()
                .all(|rows| (5_000..=15_000).contains(rows))
        );
    }
}
