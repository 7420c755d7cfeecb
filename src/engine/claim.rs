//! Who may have an id and a key: of rows of one step that share one, the first.
//!
//! Claims are kept in state for as long as their step runs, with who made them: a later sitting of a run meets the
//! same rows, perhaps in another order, and each is known again.

use compact_str::{CompactString, format_compact};

use super::{
    mapped::{Mapped, line, parked},
    shared::Shared,
};
use crate::{
    load::WriteRow,
    pipeline::model::Operation,
    plan::{PlanStep, ReadFrom, RowIdPlan, TargetKey},
    record::{ParkReason, Row, Value},
    state::{ClaimedKey, StateError},
};

/// Two rows with one key never overwrite each other: the later one is parked. Where the row id is not the org's own
/// `Id`, two rows may share that too.
pub(super) fn claim(shared: &Shared, step: usize, mapped: &mut Mapped) -> Result<(), StateError> {
    let plan = &shared.plan.steps[step];
    let book = &shared.books[step];
    // What is only matched overwrites nothing: several rows may be one record.
    let claims_keys =
        plan.write.operation != Operation::Match && plan.write.key.as_ref().is_some_and(|key| !key.distinct);
    if !claims_keys && !ids_may_repeat(plan) {
        return Ok(());
    }
    let rows = std::mem::take(&mut mapped.ready);
    let mut fresh_ids = vec![true; rows.len()];
    if ids_may_repeat(plan) {
        let ended = mapped.ended.iter().zip(&mapped.origins);
        let ended = ended.map(|(result, origin)| claimed_id(&result.source_id, origin.owner.clone()));
        let ready = rows
            .iter()
            .map(|row| claimed_id(&row.source_id, owner(plan, &row.source)));
        let ids: Vec<ClaimedKey> = ended.chain(ready).collect();
        let mut fresh = shared.store.claim_keys(book.step, shared.sitting, &ids)?;
        fresh_ids = fresh.split_off(mapped.ended.len());
        let taken = mapped.ended.iter_mut().zip(&mapped.origins).zip(fresh);
        for ((result, origin), _) in taken.filter(|(_, fresh)| !fresh) {
            let own = apart(shared, step, &result.source_id, origin)?;
            if let Some(row) = mapped
                .parked
                .iter_mut()
                .find(|row| row.source_id == result.source_id)
            {
                row.source_id = own.clone();
            }
            result.source_id = own;
        }
    }
    let key_of = |row: &WriteRow| claims_keys.then(|| row.claim(&plan.write)).flatten();
    let mut placed = Vec::with_capacity(rows.len());
    for (mut row, fresh) in rows.into_iter().zip(fresh_ids) {
        if fresh {
            placed.push((row, None));
            continue;
        }
        let own = apart(shared, step, &row.source_id, &Origin::of(plan, &row.source))?;
        // Rows without an id of their own may be alike in everything.
        let reason = match mapped.nameless.contains(&row.source_id) {
            true => None,
            false if row.key_text(&plan.write) == row.source_id.as_str() => Some(duplicate_key(plan, &row)),
            false => Some(ParkReason {
                code: "duplicate_id".into(),
                message: format!("the source gives the row id `{}` more than once", row.source_id),
                field: None,
                help: "name what tells the rows apart with `id` in the source".into(),
            }),
        };
        row.source_id = own;
        placed.push((row, reason));
    }
    let keys: Vec<ClaimedKey> = placed
        .iter()
        .filter(|(_, duplicate)| duplicate.is_none())
        .filter_map(|(row, _)| {
            Some(ClaimedKey {
                key: key_of(row)?,
                owner: row.source_id.clone(),
            })
        })
        .collect();
    let mut fresh_keys = match keys.is_empty() {
        true => Vec::new(),
        false => shared.store.claim_keys(book.step, shared.sitting, &keys)?,
    }
    .into_iter();
    for (row, duplicate_id) in placed {
        let duplicate = match duplicate_id {
            Some(reason) => Some(reason),
            None if key_of(&row).is_some() && !fresh_keys.next().unwrap_or(true) => {
                Some(duplicate_key(plan, &row))
            }
            None => None,
        };
        match duplicate {
            None => mapped.ready.push(row),
            Some(reason) => {
                mapped
                    .parked
                    .push(shared.parked_row(plan, &row.source_id, &row.source));
                mapped.ended.push(parked(row.source_id, None, reason));
            }
        }
    }
    Ok(())
}

/// A character that no key begins with keeps ids and keys apart.
fn claimed_id(id: &str, owner: CompactString) -> ClaimedKey {
    ClaimedKey {
        key: format_compact!("\u{1}{id}"),
        owner,
    }
}

/// An org gives each `Id` once; what else a file names as the row id may come twice.
pub(super) fn ids_may_repeat(plan: &PlanStep) -> bool {
    match (&plan.read.from, &plan.row_id) {
        (ReadFrom::Query { .. }, RowIdPlan::Expr(id)) => id
            .as_column()
            .and_then(|column| plan.read.columns.get(column))
            .is_none_or(|path| !path.as_str().eq_ignore_ascii_case("Id")),
        _ => true,
    }
}

/// What tells two rows of one id apart, in every sitting of a run alike.
pub(super) struct Origin {
    /// Who may claim the id again.
    owner: CompactString,
    /// What is put behind the id of the row that came later.
    tail: CompactString,
}

impl Origin {
    pub(super) fn of(plan: &PlanStep, row: &Row) -> Origin {
        let owner = owner(plan, row);
        let tail = match (owner.is_empty(), line(plan, row)) {
            (false, _) => format_compact!("#{owner}"),
            (true, Some(line)) => line,
            (true, None) => nameless(row),
        };
        Origin { owner, tail }
    }
}

/// The record of an org's row. A file's rows come in the same order always, so that the first one of an id is the
/// same; of what else gives rows nobody knows better.
fn owner(plan: &PlanStep, row: &[Value]) -> CompactString {
    let ReadFrom::Query { .. } = plan.read.from else {
        return CompactString::default();
    };
    let id = plan
        .read
        .columns
        .iter()
        .position(|path| path.as_str().eq_ignore_ascii_case("Id"));
    id.and_then(|at| row.get(at)?.as_text())
        .map(CompactString::from)
        .unwrap_or_default()
}

/// The name of a row that has none: by what it holds, for its place may be another one when it is read again.
pub(super) fn nameless(row: &[Value]) -> CompactString {
    // FNV-1a: the same in every version, and quick.
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for value in row {
        match value {
            Value::Json(json) => take(json.to_string().as_bytes()),
            other => take(other.as_text().unwrap_or("\u{0}").as_bytes()),
        }
        take(&[0x1f]);
    }
    format_compact!("#{hash:016x}")
}

/// A row id of its own for a row whose id is taken: the journal has one line a row.
fn apart(shared: &Shared, step: usize, id: &str, origin: &Origin) -> Result<CompactString, StateError> {
    let tail = match id == origin.tail {
        true => "",
        false => origin.tail.as_str(),
    };
    let mut nth = 1;
    loop {
        let own = match nth {
            1 => format_compact!("{id}{tail}"),
            nth => format_compact!("{id}{tail}-{nth}"),
        };
        let claimed = claimed_id(&own, origin.owner.clone());
        let fresh = shared
            .store
            .claim_keys(shared.books[step].step, shared.sitting, &[claimed])?;
        if fresh == [true] {
            return Ok(own);
        }
        nth += 1;
    }
}

/// The id that a row has lost to one that came earlier, if its own may be one that [`apart`] made: `ID#`, the record's
/// Id, a line or a hash, and a number where that was taken too. An id of the source may look the same.
pub(super) fn first_of(id: &str) -> Option<&str> {
    let (first, tail) = id.rsplit_once('#').filter(|(first, _)| !first.is_empty())?;
    let tail = tail.split_once('-').map_or(tail, |(tail, _)| tail);
    let all = |of: fn(&u8) -> bool| !tail.is_empty() && tail.bytes().all(|byte| of(&byte));
    let made = match tail.len() {
        8 | 16 => all(u8::is_ascii_hexdigit),
        18 => all(u8::is_ascii_alphanumeric),
        _ => false,
    };
    (made || all(u8::is_ascii_digit)).then_some(first)
}

fn duplicate_key(plan: &PlanStep, row: &WriteRow) -> ParkReason {
    let key = plan.write.key.as_ref();
    ParkReason {
        code: "duplicate_key".into(),
        message: format!(
            "an earlier row of this step has the same {} `{}`",
            key.map_or_else(|| "key".to_owned(), TargetKey::names),
            row.key_text(&plan.write)
        ),
        field: key.and_then(|k| Some(k.fields.first()?.field.as_str().into())),
        help: "make the keys differ, or let `when` choose one of the rows".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_engines_own_are_known() {
        for (id, apart) in [
            ("001#0a1b2c3d", true),
            ("001", false),
            ("a#b", false),
            ("a#0a1b2c3", false),
            ("#7", false),
            ("001#003aB000000000xQAA", true),
            ("Twin#0123456789abcdef-2", true),
            ("A-1#12", true),
            ("A-1#12-3", true),
            ("a#", false),
        ] {
            assert_eq!(first_of(id).is_some(), apart, "{id}");
        }
        assert_eq!(first_of("A#1#12-3"), Some("A#1"));
    }
}
