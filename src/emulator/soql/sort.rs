//! ORDER BY, of rows and of groups.

use std::{cmp::Ordering, str::FromStr};

use rust_decimal::Decimal;

use super::plan::Sort;
use crate::emulator::{
    schema::Kind,
    store::{Cell, fold},
};

/// A value in the form in which it is compared; `None` is null.
pub(super) type Key = Option<Comparable>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Comparable {
    Number(Decimal),
    Text(Cell),
}

/// Sorts things by what `get` says of them.
pub(super) fn sort<P, T>(things: &mut Vec<T>, keys: &[Sort<P>], get: impl Fn(&T, &Sort<P>) -> Key) {
    if keys.is_empty() {
        return;
    }
    let mut decorated: Vec<(Vec<Key>, T)> = things
        .drain(..)
        .map(|thing| (keys.iter().map(|k| get(&thing, k)).collect(), thing))
        .collect();
    decorated.sort_by(|(a, _), (b, _)| {
        for ((a, b), sort) in a.iter().zip(b).zip(keys) {
            let ordering = match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) if sort.nulls_last => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) if sort.nulls_last => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(a), Some(b)) if sort.descending => b.cmp(a),
                (Some(a), Some(b)) => a.cmp(b),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    });
    things.extend(decorated.into_iter().map(|(_, thing)| thing));
}

/// A cell as a key.
pub(super) fn key<P>(cell: &str, sort: &Sort<P>) -> Key {
    if sort.kind == Kind::Picklist
        && let Some(at) = sort.values.iter().position(|v| v == cell)
    {
        // A picklist is sorted as its values are defined.
        return Some(Comparable::Number(Decimal::from(at)));
    }
    comparable(cell, sort.kind)
}

pub(super) fn comparable(cell: &str, kind: Kind) -> Key {
    if cell.is_empty() {
        return None;
    }
    if kind.is_number() {
        return Decimal::from_str(cell).ok().map(Comparable::Number);
    }
    Some(Comparable::Text(
        if kind.is_text() && !matches!(kind, Kind::Id | Kind::Reference) {
            fold(cell)
        } else {
            Cell::new(cell)
        },
    ))
}
