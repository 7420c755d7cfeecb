use std::{cmp::Ordering, str::FromStr};

use rust_decimal::Decimal;

use super::{
    compile::{Hop, Leaf, PathRef, Plan, Sort, Test},
    parser::Op,
};
use crate::emulator::{
    schema::Kind,
    store::{Cell, State, Store, fold},
};

/// The rows that a plan gives, in its order.
pub(crate) fn run(store: &Store, plan: &Plan, with_deleted: bool) -> Vec<u32> {
    let table = &store.tables[plan.object];
    let visible = |row: u32| match table.state(row) {
        State::Live => true,
        State::Deleted => with_deleted,
        State::Gone => false,
    };
    let passes = |row: u32| {
        visible(row)
            && plan
                .filter
                .as_ref()
                .is_none_or(|t| test(store, plan.object, row, t))
    };
    let mut rows: Vec<u32> = match plan
        .filter
        .as_ref()
        .and_then(|t| candidates(store, plan.object, t))
    {
        Some(rows) => rows.into_iter().filter(|row| passes(*row)).collect(),
        None => {
            let enough = match (plan.order.is_empty(), plan.limit) {
                (true, Some(limit)) => {
                    usize::try_from(limit.saturating_add(plan.offset.unwrap_or(0))).unwrap_or(usize::MAX)
                }
                _ => usize::MAX,
            };
            (0..table.len()).filter(|row| passes(*row)).take(enough).collect()
        }
    };
    sort(store, plan, &mut rows);
    if let Some(offset) = plan.offset {
        rows.drain(..rows.len().min(usize::try_from(offset).unwrap_or(usize::MAX)));
    }
    if let Some(limit) = plan.limit {
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    rows
}

/// Rows to look at, when an index can tell.
fn candidates(store: &Store, object: usize, test: &Test) -> Option<Vec<u32>> {
    let direct = |path: &PathRef| match path.leaf {
        Leaf::Field(field) if path.hops.is_empty() => Some(field),
        _ => None,
    };
    match test {
        Test::Text(path, Op::Eq, value, _) if !value.is_empty() => {
            store.rows_with(object, direct(path)?, &[value.as_str()])
        }
        Test::In(path, false, set, _) if !set.contains("") => {
            let values: Vec<&str> = set.iter().map(Cell::as_str).collect();
            store.rows_with(object, direct(path)?, &values)
        }
        Test::And(terms) => terms
            .iter()
            .filter_map(|t| candidates(store, object, t))
            .min_by_key(Vec::len),
        _ => None,
    }
}

/// The parent at the end of some hops.
pub(crate) fn follow(store: &Store, object: usize, row: u32, hops: &[Hop]) -> Option<(usize, u32)> {
    let mut at = (object, row);
    for hop in hops {
        let id = store.tables[at.0].get(at.1, hop.field);
        if id.is_empty() {
            return None;
        }
        let to = match hop.to {
            Some(to) => to,
            None => store.schema.by_id(id)?,
        };
        at = (to, store.row(to, id)?);
    }
    Some(at)
}

impl PathRef {
    /// The value that a row has there; empty for null and for a missing parent.
    pub(crate) fn get<'s>(&self, store: &'s Store, object: usize, row: u32) -> &'s str {
        if self.hops.is_empty()
            && let Leaf::Field(field) = self.leaf
        {
            return own(store, object, row, field, self.kind);
        }
        let Some((object, row)) = follow(store, object, row, &self.hops) else {
            return "";
        };
        self.leaf_of(store, object, row)
    }

    /// The value of the leaf at a parent.
    pub(crate) fn leaf_of<'s>(&self, store: &'s Store, object: usize, row: u32) -> &'s str {
        match &self.leaf {
            Leaf::Field(field) => own(store, object, row, *field, self.kind),
            Leaf::OneOf(fields) => match fields.iter().find(|(o, _)| *o == object) {
                Some((_, field)) => own(store, object, row, *field, self.kind),
                None => "",
            },
            Leaf::TypeName => &store.schema.objects[object].name,
        }
    }
}

/// A cell, where a checkbox without a value is false and `IsDeleted` is known by the row's state.
fn own(store: &Store, object: usize, row: u32, field: usize, kind: Kind) -> &str {
    let table = &store.tables[object];
    let cell = table.get(row, field);
    if kind == Kind::Boolean {
        if store.schema.objects[object].fields[field].name == "IsDeleted" {
            return if table.state(row) == State::Live {
                "false"
            } else {
                "true"
            };
        }
        if cell.is_empty() {
            return "false";
        }
    }
    cell
}

fn holds(op: Op, ordering: Ordering) -> bool {
    match op {
        Op::Eq => ordering.is_eq(),
        Op::Ne => ordering.is_ne(),
        Op::Lt => ordering.is_lt(),
        Op::Le => ordering.is_le(),
        Op::Gt => ordering.is_gt(),
        Op::Ge => ordering.is_ge(),
    }
}

fn test(store: &Store, object: usize, row: u32, t: &Test) -> bool {
    match t {
        Test::And(terms) => terms.iter().all(|t| test(store, object, row, t)),
        Test::Or(terms) => terms.iter().any(|t| test(store, object, row, t)),
        Test::Not(term) => !test(store, object, row, term),
        Test::Text(path, op, value, folds) => {
            let cell = path.get(store, object, row);
            let ordered = !matches!(op, Op::Eq | Op::Ne);
            if ordered && cell.is_empty() {
                return false;
            }
            let ordering = if *folds {
                fold(cell).as_str().cmp(value)
            } else {
                cell.cmp(value.as_str())
            };
            holds(*op, ordering)
        }
        Test::In(path, negated, set, folds) => {
            let cell = path.get(store, object, row);
            let found = if *folds {
                set.contains(&fold(cell))
            } else {
                set.contains(cell)
            };
            found != *negated
        }
        Test::Number(path, op, value) => match Decimal::from_str(path.get(store, object, row)) {
            Ok(number) => holds(*op, number.cmp(value)),
            Err(_) => false,
        },
        Test::Range(path, op, from, to) => {
            let cell = path.get(store, object, row);
            if cell.is_empty() {
                return *op == Op::Ne;
            }
            match op {
                Op::Eq => cell >= from.as_str() && cell < to.as_str(),
                Op::Ne => cell < from.as_str() || cell >= to.as_str(),
                Op::Lt => cell < from.as_str(),
                Op::Le => cell < to.as_str(),
                Op::Gt => cell >= to.as_str(),
                Op::Ge => cell >= from.as_str(),
            }
        }
        Test::Bool(path, value) => (path.get(store, object, row) == "true") == *value,
        Test::Like(path, pattern) => {
            let cell = path.get(store, object, row);
            !cell.is_empty() && like(pattern, &fold(cell))
        }
        Test::Includes(path, negated, sets) => {
            let cell = fold(path.get(store, object, row));
            let chosen: Vec<&str> = cell.split(';').collect();
            sets.iter()
                .any(|set| set.iter().all(|v| chosen.contains(&v.as_str())))
                != *negated
        }
    }
}

/// Whether a text fits a pattern of `%` and `_`, both in lower case. A backslash takes a wildcard's meaning away.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    #[derive(PartialEq)]
    enum Piece {
        Any,
        One,
        Char(char),
    }
    let mut pieces = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' if matches!(chars.peek(), Some('%' | '_')) => Piece::Char(chars.next().unwrap_or('\\')),
            c => Piece::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pieces.get(p) {
            Some(Piece::Any) => {
                back = Some((p, t));
                p += 1;
            }
            Some(Piece::One) => (p, t) = (p + 1, t + 1),
            Some(Piece::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match back {
                Some((at, from)) => {
                    back = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pieces[p..].iter().all(|piece| *piece == Piece::Any)
}

#[derive(PartialEq, Eq)]
enum Key {
    Number(Decimal),
    Text(Cell),
}

fn sort(store: &Store, plan: &Plan, rows: &mut Vec<u32>) {
    let keys = match &plan.order[..] {
        [] => return,
        // Ids grow with the rows.
        [only] if only.path.hops.is_empty() && matches!(only.path.leaf, Leaf::Field(0)) => {
            let table = &store.tables[plan.object];
            rows.sort_unstable_by(|a, b| table.get(*a, 0).cmp(table.get(*b, 0)));
            if only.descending {
                rows.reverse();
            }
            return;
        }
        keys => keys,
    };
    let mut decorated: Vec<(Vec<Option<Key>>, u32)> = rows
        .iter()
        .map(|row| {
            (
                keys.iter().map(|k| key(store, plan.object, *row, k)).collect(),
                *row,
            )
        })
        .collect();
    decorated.sort_by(|(a, _), (b, _)| {
        for ((a, b), sort) in a.iter().zip(b).zip(keys) {
            let ordering = match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) if sort.nulls_last => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) if sort.nulls_last => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(a), Some(b)) => {
                    let ordering = match (a, b) {
                        (Key::Number(a), Key::Number(b)) => a.cmp(b),
                        (Key::Text(a), Key::Text(b)) => a.cmp(b),
                        (Key::Number(_), Key::Text(_)) => Ordering::Less,
                        (Key::Text(_), Key::Number(_)) => Ordering::Greater,
                    };
                    if sort.descending {
                        ordering.reverse()
                    } else {
                        ordering
                    }
                }
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    });
    *rows = decorated.into_iter().map(|(_, row)| row).collect();
}

fn key(store: &Store, object: usize, row: u32, sort: &Sort) -> Option<Key> {
    let cell = sort.path.get(store, object, row);
    if cell.is_empty() {
        return None;
    }
    if sort.path.kind.is_number() {
        return Decimal::from_str(cell).ok().map(Key::Number);
    }
    // A picklist is sorted as its values are defined.
    if sort.path.kind == Kind::Picklist
        && let Some(at) = sort.values.iter().position(|v| v == cell)
    {
        return Some(Key::Number(Decimal::from(at)));
    }
    Some(Key::Text(
        if sort.path.kind.is_text() && !matches!(sort.path.kind, Kind::Id | Kind::Reference) {
            fold(cell)
        } else {
            Cell::new(cell)
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_wildcards() {
        for (pattern, text, expected) in [
            ("acme%", "acme ltd", true),
            ("%ltd", "acme ltd", true),
            ("a_me%", "acme", true),
            ("a_e", "acme", false),
            ("%c%e%", "acme", true),
            (r"50\%", "50%", true),
            (r"50\%", "505", false),
            ("", "", true),
            ("%", "", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
