//! `reconcile`: after the last write, source and target are held against each other.
//!
//! The source's side is counted while rows are mapped: every row that is not filtered, parked ones too. The target's
//! side is read back by the Ids of the records that the rows became. What was sent to each record stands in the state
//! meanwhile, so that nothing grows in memory.

use std::sync::{Arc, Mutex, PoisonError};

use compact_str::CompactString;
use futures_util::future::try_join_all;
use rust_decimal::Decimal;

use super::{
    EngineError,
    checks::{EXAMPLES, Written, failed, rows, tell},
    find::{Found, Search, find, same_value},
    shared::{Shared, blocking},
};
use crate::{
    load::{Plain, WriteRow},
    pipeline::expr::Context,
    plan::{PlanCheck, PlanCheckKind, PlanStep, Reconcile, Write},
    record::{FieldPath, Number, Outcome, RowResult, Value},
    salesforce::FieldType,
    state::{Expected, StateError},
    transform::{Answers, Cell, RowEnd},
};

/// Records that are read back at a time, in so many queries as that takes.
const PAGE: usize = 400;

/// Pages that are read at once.
const PARALLEL: usize = 4;

/// What the source's side sums up to, for each field that is summed.
pub(super) struct Sums {
    /// The fields that any check compares, in ascending order.
    fields: Vec<usize>,
    /// Whether anything is to be reconciled at all.
    any: bool,
    sums: Mutex<Vec<(usize, Sum)>>,
}

/// A sum, until it has more digits than are kept.
#[derive(Clone, Copy, Debug)]
enum Sum {
    Of(Decimal),
    TooLong,
}

impl Sum {
    fn add(&mut self, value: &Value) {
        self.change(value, Decimal::checked_add);
    }

    fn take(&mut self, value: &Value) {
        self.change(value, Decimal::checked_sub);
    }

    fn change(&mut self, value: &Value, how: fn(Decimal, Decimal) -> Option<Decimal>) {
        let number = match value {
            Value::Number(number) => number.to_decimal(),
            // Null adds nothing, and a field that is summed holds nothing but numbers.
            _ => return,
        };
        *self = match (*self, number) {
            (Sum::Of(sum), Some(number)) => how(sum, number).map_or(Sum::TooLong, Sum::Of),
            _ => Sum::TooLong,
        };
    }
}

impl Sums {
    pub(super) fn new(step: &PlanStep) -> Sums {
        let all: Vec<&Reconcile> = reconciles(step).map(|(_, reconcile)| reconcile).collect();
        let mut fields: Vec<usize> = all
            .iter()
            .flat_map(|reconcile| reconcile.fields.iter().copied().chain(reconcile.sum))
            .collect();
        fields.sort_unstable();
        fields.dedup();
        let mut sums: Vec<usize> = all.iter().filter_map(|reconcile| reconcile.sum).collect();
        sums.sort_unstable();
        sums.dedup();
        let zero = |at| (at, Sum::Of(Decimal::ZERO));
        Sums {
            fields,
            any: !all.is_empty(),
            sums: Mutex::new(sums.into_iter().map(zero).collect()),
        }
    }

    fn each(&self, mut change: impl FnMut(usize, &mut Sum)) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, sum) in sums.iter_mut() {
            change(*at, sum);
        }
    }
}

/// A sum as a note keeps it; none that has too many digits.
pub(super) type SumNote = (usize, Option<String>);

impl Sums {
    pub(super) fn note(&self) -> Vec<SumNote> {
        let mut sums = Vec::new();
        self.each(|at, sum| {
            sums.push(match sum {
                Sum::Of(sum) => (at, Some(sum.to_string())),
                Sum::TooLong => (at, None),
            });
        });
        sums
    }

    pub(super) fn restore(&self, noted: &[SumNote]) {
        self.each(|at, sum| {
            let noted = noted.iter().find(|(of, _)| *of == at);
            let text = noted.and_then(|(_, text)| text.as_ref());
            *sum = text
                .and_then(|text| text.parse().ok())
                .map_or(Sum::TooLong, Sum::Of);
        });
    }
}

fn reconciles(step: &PlanStep) -> impl Iterator<Item = (&PlanCheck, &Reconcile)> {
    step.checks.iter().filter_map(|check| match &check.kind {
        PlanCheckKind::Reconcile(reconcile) => Some((check, reconcile)),
        _ => None,
    })
}

/// Counts a row of the source.
pub(super) fn count(
    shared: &Shared,
    step: usize,
    end: &RowEnd,
    context: &Context<'_>,
    answers: &dyn Answers,
) {
    let sums = &shared.books[step].sums;
    if !sums.any || matches!(end, RowEnd::Filtered) {
        return;
    }
    let mapping = &shared.plan.steps[step].mapping;
    sums.each(|at, sum| {
        let cell = match end {
            RowEnd::Mapped(cells) => cells.get(at).cloned(),
            // A row that is parked for another field has its amount all the same.
            _ => mapping.one(at, context, answers),
        };
        if let Some(Cell::Value(value)) = cell {
            sum.add(&value);
        }
    });
}

/// Notes what the target has to hold of rows that are written, or that it had already. `sent` says whether their
/// values are the row's.
pub(super) fn note<'r>(
    shared: &Shared,
    step: usize,
    written: impl Iterator<Item = (&'r WriteRow, &'r CompactString, bool)>,
) -> Result<(), StateError> {
    let sums = &shared.books[step].sums;
    if !sums.any {
        return Ok(());
    }
    let write = &shared.plan.steps[step].write;
    let mut all = Vec::new();
    for (row, target, sent) in written {
        let goes = |at: usize| {
            sent && !matches!(row.cells[at], Plain::Omit | Plain::Held(_)) && row.sends(write, at)
        };
        // What is not sent is not compared, and not summed on either side.
        sums.each(|at, sum| {
            if let (false, Plain::Value(value)) = (goes(at), &row.cells[at]) {
                sum.take(value);
            }
        });
        let values: Vec<Option<Value>> = sums
            .fields
            .iter()
            .map(|at| match &row.cells[*at] {
                _ if !goes(*at) => None,
                Plain::Value(value) => Some(value.clone()),
                Plain::Clear | Plain::Omit | Plain::Held(_) => Some(Value::Null),
            })
            .collect();
        all.push(Expected {
            source_id: row.source_id.clone(),
            target_id: target.clone(),
            payload: serde_json::to_string(&values).unwrap_or_default(),
        });
    }
    shared.store.expect(shared.books[step].step, &all)
}

/// Rows that an earlier sitting has noted, and that are counted once more: what was not sent of them is not summed.
pub(super) fn note_again(
    shared: &Shared,
    step: usize,
    rows: &[(WriteRow, CompactString)],
) -> Result<(), StateError> {
    let sums = &shared.books[step].sums;
    if !sums.any || rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<(CompactString, CompactString)> = rows
        .iter()
        .map(|(row, target)| (target.clone(), row.source_id.clone()))
        .collect();
    let noted = shared.store.expected_of(shared.books[step].step, &ids)?;
    for ((row, _), payload) in rows.iter().zip(noted) {
        let Some(payload) = payload else { continue };
        let sent: Vec<Option<Value>> = serde_json::from_str(&payload).unwrap_or_default();
        let left_out = |at: usize| {
            let place = sums.fields.iter().position(|field| *field == at);
            place.is_some_and(|place| matches!(sent.get(place), Some(None)))
        };
        sums.each(|at, sum| {
            if let (true, Some(Plain::Value(value))) = (left_out(at), row.cells.get(at)) {
                sum.take(value);
            }
        });
    }
    Ok(())
}

/// As [`note`], for rows that have ended without being sent.
pub(super) fn note_ended<'r>(
    shared: &Shared,
    step: usize,
    ended: impl Iterator<Item = (&'r WriteRow, &'r RowResult)>,
    sent: bool,
) -> Result<(), StateError> {
    let unchanged = ended.filter_map(|(row, result)| match (result.outcome, &result.target_id) {
        (Outcome::Unchanged, Some(id)) => Some((row, id, sent)),
        _ => None,
    });
    note(shared, step, unchanged)
}

/// Compares, when the step's last row is written.
pub(super) async fn run(shared: &Arc<Shared>, step: usize) -> Result<(), EngineError> {
    if !shared.books[step].sums.any {
        return Ok(());
    }
    let plan = &shared.plan.steps[step];
    let there = read_back(shared, step).await?;
    let counts = shared.counts(step);
    let source = counts.done() - counts.of(Outcome::Filtered);
    let parked = counts.of(Outcome::Parked);
    let sums = shared.books[step]
        .sums
        .sums
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let sum = |sums: &[(usize, Sum)], wanted: usize| {
        sums.iter()
            .find(|(at, _)| *at == wanted)
            .map_or(Sum::TooLong, |(_, sum)| *sum)
    };
    let mut first = None;
    for (check, reconcile) in reconciles(plan) {
        let tolerance = reconcile.tolerance.to_decimal().unwrap_or_default();
        let (mut found, mut passed) = (Vec::new(), true);
        let mut examples: Vec<String> = Vec::new();
        if reconcile.count {
            passed &= Decimal::from(source.abs_diff(there.records)) <= tolerance;
            found.push(format!(
                "{} in the source and {} in the target",
                rows(source),
                there.records
            ));
        }
        if let Some(at) = reconcile.sum {
            let (ours, theirs) = (sum(&sums, at), sum(&there.sums, at));
            let name = &plan.write.fields[at].name;
            match (ours, theirs) {
                (Sum::Of(ours), Sum::Of(theirs)) => {
                    passed &= (ours - theirs).abs() <= tolerance;
                    found.push(format!(
                        "a sum of {name} of {} in the source and {} in the target",
                        Number::from(ours),
                        Number::from(theirs)
                    ));
                }
                _ => {
                    passed = false;
                    found.push(format!("a sum of {name} that has too many digits"));
                }
            }
        }
        let fields: Vec<usize> = reconcile.fields.iter().copied().chain(reconcile.sum).collect();
        let of_check = |differing: &&Differing| fields.iter().any(|at| differing.fields.contains(at));
        if !reconcile.fields.is_empty() {
            let differ = there.differ(&reconcile.fields) + there.missing;
            passed &= Decimal::from(differ) <= tolerance;
            found.push(match differ {
                0 => format!("{} alike", rows(there.records)),
                1 => "1 row that differs".to_owned(),
                n => format!("{n} rows that differ"),
            });
        }
        examples.extend(there.absent.iter().cloned());
        examples.extend(there.differing.iter().filter(of_check).map(|d| d.words.clone()));
        examples.truncate(EXAMPLES);
        let mut found = found.join(", ");
        if parked > 0 {
            found.push_str(&format!(" ({} parked)", rows(parked)));
        }
        tell(shared, step, check, passed, found.clone());
        if !passed {
            let help = match parked {
                0 => {
                    "a trigger, a flow or somebody else may have changed these records; if that is meant to be, raise `tolerance`"
                }
                _ => {
                    "parked rows count in the source: look at their reasons; if they are meant to stay behind, raise `tolerance`"
                }
            };
            let mut failed = failed(plan, check, found, examples, help);
            failed.written = Written::All;
            first.get_or_insert(failed);
        }
    }
    match first {
        Some(failed) => Err(EngineError::Check(failed)),
        None => Ok(()),
    }
}

/// The target's side.
#[derive(Default)]
struct There {
    records: u64,
    missing: u64,
    sums: Vec<(usize, Sum)>,
    /// Rows that differ, counted by the set of fields in which they do.
    by_fields: Vec<(Vec<usize>, u64)>,
    /// Some rows that are not there.
    absent: Vec<String>,
    /// Some rows that differ.
    differing: Vec<Differing>,
}

struct Differing {
    fields: Vec<usize>,
    words: String,
}

impl There {
    /// Rows that differ in any of these fields.
    fn differ(&self, fields: &[usize]) -> u64 {
        let any = |found: &[usize]| found.iter().any(|at| fields.contains(at));
        self.by_fields
            .iter()
            .filter(|(found, _)| any(found))
            .map(|(_, count)| count)
            .sum()
    }
}

async fn read_back(shared: &Arc<Shared>, step: usize) -> Result<There, EngineError> {
    let plan = &shared.plan.steps[step];
    let sums = &shared.books[step].sums;
    let select: Vec<(FieldPath, FieldType)> = sums
        .fields
        .iter()
        .map(|at| readable(shared, &plan.write, *at))
        .collect();
    let by = [FieldPath::from("Id")];
    let search = Search {
        object: &plan.write.object,
        by: &by,
        condition: None,
        select: &select,
    };
    let mut there = There::default();
    sums.each(|at, _| there.sums.push((at, Sum::Of(Decimal::ZERO))));
    let mut after: Option<(CompactString, CompactString)> = None;
    let mut last_record: Option<CompactString> = None;
    loop {
        if shared.halted() {
            return Err(EngineError::Interrupted);
        }
        let (store, book, from) = (Arc::clone(&shared.store), shared.books[step].step, after.clone());
        let page = blocking(move || {
            let from = from
                .as_ref()
                .map(|(target, source)| (target.as_str(), source.as_str()));
            store.expected(book, from, PAGE * PARALLEL)
        })
        .await?;
        let Some(last) = page.last() else { return Ok(there) };
        after = Some((last.target_id.clone(), last.source_id.clone()));
        let asked = page.chunks(PAGE).map(|rows| {
            let keys: Vec<_> = rows.iter().map(|row| vec![Some(row.target_id.clone())]).collect();
            let search = &search;
            async move { find(shared, &plan.write.connection, search, &keys).await }
        });
        let found = try_join_all(asked).await?;
        for (row, found) in page.iter().zip(found.into_iter().flatten()) {
            // Two rows may have become one record, which counts once.
            let again = last_record.as_ref() == Some(&row.target_id);
            last_record = Some(row.target_id.clone());
            there.see(row, found.first(), again, &sums.fields, &plan.write);
        }
    }
}

impl There {
    fn see(&mut self, row: &Expected, found: Option<&Found>, again: bool, fields: &[usize], write: &Write) {
        let Some(found) = found else {
            self.missing += 1;
            if self.absent.len() < EXAMPLES {
                self.absent.push(format!(
                    "row {}: its record {} is not there",
                    row.source_id, row.target_id
                ));
            }
            return;
        };
        if !again {
            self.records += 1;
        }
        let sent: Vec<Option<Value>> = serde_json::from_str(&row.payload).unwrap_or_default();
        let mut differ = Vec::new();
        let mut words = Vec::new();
        for ((at, ours), theirs) in fields.iter().zip(&sent).zip(&found.values) {
            let Some(ours) = ours else { continue };
            if let Some((_, sum)) = self.sums.iter_mut().find(|(of, _)| of == at) {
                sum.add(theirs);
            }
            if !same_value(write.fields[*at].shape.kind, Some(ours), theirs) {
                differ.push(*at);
                words.push(format!(
                    "{} is {} in the source and {} in the target",
                    write.fields[*at].name,
                    shown(ours),
                    shown(theirs)
                ));
            }
        }
        if differ.is_empty() {
            return;
        }
        match self.by_fields.iter_mut().find(|(fields, _)| *fields == differ) {
            Some((_, count)) => *count += 1,
            None => self.by_fields.push((differ.clone(), 1)),
        }
        // Some for each field, so that every check has its own.
        let few = |at: &usize| self.differing.iter().filter(|d| d.fields.contains(at)).count() < EXAMPLES;
        if differ.iter().any(few) {
            self.differing.push(Differing {
                fields: differ,
                words: format!("row {} ({}): {}", row.source_id, row.target_id, words.join(", ")),
            });
        }
    }
}

fn shown(value: &Value) -> String {
    /// Longer texts would hide the sentence.
    const MOST: usize = 60;
    let text = match value {
        Value::Null => return "null".to_owned(),
        other => other.as_text().unwrap_or_default(),
    };
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("`{}…`", &text[..at]),
        None => format!("`{text}`"),
    }
}

/// How a target field is read: by its name, or through the parent by whose field it was written.
pub(super) fn readable(shared: &Shared, write: &Write, at: usize) -> (FieldPath, FieldType) {
    let field = &write.fields[at];
    let path = match &field.parent {
        None => FieldPath::from(field.name.as_str()),
        Some(parent) => FieldPath::new(format!("{}.{}", parent.relationship, parent.field)),
    };
    let kind = shared
        .schemas
        .field_type(&write.connection, &write.object, &path)
        .0;
    (path, kind)
}
