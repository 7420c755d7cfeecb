//! Writes the rows of an upload, an inner batch at a time.
//!
//! A job is worked on in batches of 10,000 rows (Bulk API guide, "How requests are processed"): two rows of one batch
//! with the same external id fail both, while of two batches the later one updates what the earlier one made.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use foldhash::fast::RandomState;

use super::{
    super::Org,
    Job, State, Work, change,
    columns::{Columns, columns},
    csv,
    csv::{Rows, Span},
};
use crate::emulator::store::{
    Call, Cell, Done, DuplicateHeader, Op, Raw, RowError, Store, Target, Undo, fold,
};

/// Rows of an inner batch.
const BATCH: usize = 10_000;
/// The most characters of a header, and the most columns.
const MOST_OF_HEADER: usize = 32_000;
const MOST_COLUMNS: usize = 5_000;
/// Rows that are written under one hold of the store's lock, as triggers see them.
pub(super) const CHUNK: usize = 200;

/// What became of a row. There are many, and nearly all of them went well.
pub(super) type Outcome = Result<Done, Box<Refused>>;

/// A row that failed.
#[derive(Debug)]
pub(super) struct Refused {
    /// The Id that it brought, if any.
    pub(super) id: Cell,
    pub(super) error: RowError,
}

/// Texts that are looked up and never shown: a fast hash will do.
type Texts = HashSet<Cell, RandomState>;

/// A batch that was worked on, as far as there are outcomes.
pub(super) struct Batch<'a> {
    pub(super) rows: &'a Rows,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) columns: &'a Columns,
}

/// How a load ended.
pub(super) struct Loaded {
    /// Where the rows start that were not worked on.
    pub(super) rest: usize,
    /// Why the batches behind them could not be read.
    pub(super) broken: Option<String>,
}

/// Writes the rows of an upload; not more than `most`, when a fault stops it there. Each batch is told as soon as it is
/// done. An error means that nothing was done.
pub(super) fn load(
    org: &Org,
    job: &Job,
    data: &str,
    most: Option<usize>,
    mut told: impl FnMut(Batch<'_>),
) -> Result<Loaded, String> {
    let Work::Ingest { op, .. } = &job.work else {
        return Err("InvalidJob : no data".to_owned());
    };
    let op = *op;
    if data.len() > csv::MOST {
        return Err("ClientInputError : the data are too large".to_owned());
    }
    let nothing = || "InvalidBatch : Records not found".to_owned();
    let mut cells: Vec<Span> = Vec::new();
    let body = csv::read(data, 0, job.delimiter(), &mut cells).ok_or_else(nothing)?;
    let header: Vec<String> = cells.iter().map(|c| c.text(data).into_owned()).collect();
    let broken = || format!("InvalidBatch : {}", csv::UNCLOSED);
    if csv::unclosed(&cells) {
        return Err(broken());
    }
    if header.len() > MOST_COLUMNS {
        return Err(format!(
            "InvalidBatch : Exceeded max number of columns per record : {MOST_COLUMNS}"
        ));
    }
    if body > MOST_OF_HEADER && data[..body].trim_end().chars().count() > MOST_OF_HEADER {
        return Err(format!(
            "InvalidBatch : Exceeded max length of the header: {MOST_OF_HEADER}"
        ));
    }
    let columns = columns(&org.read(), job, op, &header)?;
    let folds = match op {
        Op::Upsert(field) => org.read().schema.objects[job.object].fields[field].key_folds_case(),
        _ => false,
    };
    let writer = Writer {
        org,
        job,
        data,
        op,
        columns: &columns,
        folds,
    };
    let mut rows = Rows::default();
    let mut next = rows.read(data, body, job.delimiter(), BATCH);
    if rows.len() == 0 {
        return Err(nothing());
    }
    if rows.unclosed() {
        return Err(broken());
    }
    let mut ended = None;
    let (mut processed, mut failed) = (0, 0);
    while rows.len() > 0 {
        if rows.unclosed() {
            ended = Some(broken());
            next = rows.start(0).unwrap_or(next);
            break;
        }
        org.limits.take_batches(org.time(), 1);
        let left = most.map_or(usize::MAX, |most| most - processed);
        let outcomes = writer.batch(&rows, left, |chunk| {
            processed += chunk.len();
            failed += chunk.iter().filter(|o| o.is_err()).count();
            change(org, &job.id, |job| {
                job.processed = processed as u64;
                job.failed = failed as u64;
            });
        });
        let stopped = rows.start(outcomes.len());
        told(Batch {
            rows: &rows,
            outcomes,
            columns: &columns,
        });
        if let Some(at) = stopped {
            next = at;
            break;
        }
        next = rows.read(data, next, job.delimiter(), BATCH);
    }
    org.tally(|c| {
        c.rows_written += (processed - failed) as u64;
        c.rows_refused += failed as u64;
    });
    Ok(Loaded {
        rest: next,
        broken: ended,
    })
}

/// Whether somebody aborted a job.
pub(super) fn aborted(org: &Org, id: &str) -> bool {
    super::job(org, id, false).is_ok_and(|job| job.state == State::Aborted)
}

/// What all rows of a job have in common.
struct Writer<'a> {
    org: &'a Org,
    job: &'a Job,
    data: &'a str,
    op: Op,
    columns: &'a Columns,
    /// Whether keys that differ in case only are one key.
    folds: bool,
}

/// Room that the rows of a batch use one after the other.
#[derive(Default)]
struct Room<'a> {
    values: Vec<(Target, Raw<'a>)>,
    undo: Vec<Undo>,
}

impl<'a> Writer<'a> {
    /// Writes a batch, not more than `most` rows of it. An aborted job stops between chunks; what is done stays done.
    fn batch(&self, rows: &Rows, most: usize, mut told: impl FnMut(&[Outcome])) -> Vec<Outcome> {
        let twice = self.duplicates(rows);
        let count = rows.len().min(most);
        let mut outcomes = Vec::with_capacity(count);
        let mut room = Room::default();
        while outcomes.len() < count && !aborted(self.org, &self.job.id) {
            let first = outcomes.len();
            let mut store = self.org.write();
            let now = self.org.now();
            let call = Call {
                user: &self.job.user,
                access: &self.job.access,
                now: &now,
                faults: Some(&self.org.faults),
                // The header has no effect here.
                duplicates: DuplicateHeader::default(),
                loading: false,
                lasting: true,
            };
            let mut seen = Texts::default();
            for row in first..count.min(first + CHUNK) {
                outcomes.push(self.write(&mut store, (rows, row), call, &twice, &mut seen, &mut room));
            }
            drop(store);
            told(&outcomes[first..]);
        }
        outcomes
    }

    fn key(&self, text: &str) -> Cell {
        if self.folds { fold(text) } else { Cell::new(text) }
    }

    /// The keys that more than one row of an upsert has: all these rows fail.
    fn duplicates(&self, rows: &Rows) -> Texts {
        let (Op::Upsert(_), Some(key)) = (self.op, self.columns.key) else {
            return Texts::default();
        };
        let mut twice: HashMap<Cell, bool, RandomState> =
            HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
        for row in 0..rows.len() {
            if let Some(cell) = rows.get(row).get(key) {
                let text = self.key(cell.text(self.data).trim());
                if !text.is_empty() {
                    twice
                        .entry(text)
                        .and_modify(|twice| *twice = true)
                        .or_insert(false);
                }
            }
        }
        twice
            .into_iter()
            .filter(|(_, twice)| *twice)
            .map(|(text, _)| text)
            .collect()
    }

    fn write(
        &self,
        store: &mut Store,
        (rows, row): (&Rows, usize),
        call: Call<'_>,
        twice: &Texts,
        seen: &mut Texts,
        room: &mut Room<'a>,
    ) -> Outcome {
        let columns = self.columns;
        let cells = rows.get(row);
        let key = columns
            .key
            .and_then(|at| cells.get(at))
            .map(|c| c.text(self.data));
        let key = key.as_deref().map(str::trim).unwrap_or_default();
        let key = if key == "#N/A" { "" } else { key };
        let by_id = matches!(self.op, Op::Update | Op::Delete | Op::HardDelete);
        let fail = |error: RowError| {
            // The Id of a row that fails is given back when the row brought one.
            let id = if by_id && self.job.version >= 53 {
                Cell::new(crate::record::id18(key))
            } else {
                Cell::default()
            };
            Box::new(Refused { id, error })
        };
        if let Some(flaw) = rows.flaw(self.data, row) {
            return Err(fail(RowError::new("INVALID_FIELD", flaw)));
        }
        if !key.is_empty() {
            if !twice.is_empty() && twice.contains(&self.key(key)) {
                return Err(fail(RowError::new(
                    "DUPLICATE_VALUE",
                    format!("Duplicate external id specified: {key}"),
                )));
            }
            if by_id && !seen.insert(Cell::new(key)) {
                return Err(fail(RowError::new("DUPLICATE_VALUE", "Duplicate id in list")));
            }
        }
        if cells.len() > columns.targets.len() {
            return Err(fail(RowError::new(
                "INVALID_FIELD",
                format!(
                    "Found {} values for {} columns",
                    cells.len(),
                    columns.targets.len()
                ),
            )));
        }
        room.undo.clear();
        let (object, op, undo) = (self.job.object, self.op, &mut room.undo);
        let done = if rows.is_doubled(row) {
            let texts: Vec<Cow<'_, str>> = cells.iter().map(|c| c.text(self.data)).collect();
            let mut values = Vec::with_capacity(texts.len());
            columns.values(texts.iter().map(AsRef::as_ref), &mut values);
            store.write(object, op, Some(key), &values, call, undo)
        } else {
            room.values.clear();
            columns.values(cells.iter().map(|c| c.inner(self.data)), &mut room.values);
            store.write(object, op, Some(key), &room.values, call, undo)
        };
        done.map_err(|error| {
            store.undo(std::mem::take(undo));
            fail(error)
        })
    }
}

impl Columns {
    /// Where the cells of a row go.
    fn values<'t>(&self, texts: impl Iterator<Item = &'t str>, values: &mut Vec<(Target, Raw<'t>)>) {
        for (at, (target, text)) in self.targets.iter().zip(texts).enumerate() {
            // Empty leaves a field as it is, `#N/A` empties it.
            match text {
                "" => {}
                "#N/A" => values.push((*target, Raw::Null)),
                text => values.push((*target, Raw::Csv(text, at))),
            }
        }
    }
}
