//! Grouped statements, run.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    str::FromStr,
};

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{
    SoqlError,
    ast::Subtotals,
    eval::{cut, holds, matching},
    plan::{Aggregate, AggregateFunction, Groups, Part, PartOf, Plan},
    sort::{Comparable, Key, comparable, key, sort},
};
use crate::emulator::store::{Cell, Store};

/// The most groups that are given: there is no second page of them.
const MAX_GROUPS: usize = 2_000;

/// The rows of a grouped plan, each with the values of [`Groups::columns`].
pub(crate) fn groups(
    store: &Store,
    plan: &Plan,
    groups: &Groups,
    with_deleted: bool,
) -> Result<Vec<Vec<Cell>>, SoqlError> {
    let mut found = collect(store, plan, groups, with_deleted);
    if let Some(having) = &groups.having {
        found.retain(|g| holds(store, having, &|part: &Part| g.get(part)));
    }
    sort(&mut found, &groups.order, |g, sort| {
        key(&g.get(&sort.value), sort)
    });
    cut(&mut found, plan.offset, plan.limit);
    if found.len() > MAX_GROUPS {
        return Err(SoqlError::new(
            "EXCEEDED_ID_LIMIT",
            "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
        ));
    }
    Ok(found
        .iter()
        .map(|g| groups.columns.iter().map(|c| Cell::new(g.get(&c.part))).collect())
        .collect())
}

/// A group: its keys (none where a subtotal leaves one out) and what was summed up.
struct Group {
    keys: Vec<Option<Cell>>,
    sums: Vec<Cell>,
}

impl Group {
    fn get(&self, part: &Part) -> Cow<'static, str> {
        let text = match part.from {
            PartOf::Key(at) => self.keys[at].as_deref().unwrap_or_default().to_owned(),
            PartOf::Sum(at) => self.sums[at].to_string(),
            PartOf::Grouping(at) => u8::from(self.keys[at].is_none()).to_string(),
        };
        part.calls
            .iter()
            .fold(Cow::Owned(text), |text, call| call.apply(text))
    }
}

fn collect(store: &Store, plan: &Plan, groups: &Groups, with_deleted: bool) -> Vec<Group> {
    let rows = matching(store, plan, with_deleted, Some(usize::MAX));
    let sets = grouping_sets(groups.subtotals, groups.keys.len());
    let mut places: HashMap<Vec<Option<Cell>>, usize> = HashMap::new();
    let mut states: Vec<(Vec<Option<Cell>>, Vec<State>)> = Vec::new();
    let fresh = || groups.sums.iter().map(State::new).collect::<Vec<State>>();
    if groups.whole {
        states.push((Vec::new(), fresh()));
    }
    for row in rows {
        let cells: Vec<Cell> = groups
            .keys
            .iter()
            .map(|k| Cell::new(k.get(store, plan.object, row)))
            .collect();
        let values: Vec<Cow<'_, str>> = groups
            .sums
            .iter()
            .map(|s| s.value.get(store, plan.object, row))
            .collect();
        for set in &sets {
            let keys: Vec<Option<Cell>> = cells
                .iter()
                .zip(set)
                .map(|(cell, kept)| kept.then(|| cell.clone()))
                .collect();
            let at = if groups.whole {
                0
            } else {
                *places.entry(keys).or_insert_with_key(|keys| {
                    states.push((keys.clone(), fresh()));
                    states.len() - 1
                })
            };
            for (state, value) in states[at].1.iter_mut().zip(&values) {
                state.add(value);
            }
        }
    }
    let mut found: Vec<Group> = states
        .into_iter()
        .map(|(keys, states)| Group {
            keys,
            sums: states.into_iter().map(State::end).collect(),
        })
        .collect();
    if groups.subtotals != Subtotals::None {
        subtotals_last(&mut found, groups.keys.len());
    }
    found
}

/// Which keys a group of each kind keeps.
fn grouping_sets(subtotals: Subtotals, keys: usize) -> Vec<Vec<bool>> {
    match subtotals {
        Subtotals::None => vec![vec![true; keys]],
        Subtotals::Rollup => (0..=keys)
            .rev()
            .map(|kept| (0..keys).map(|at| at < kept).collect())
            .collect(),
        Subtotals::Cube => (0..1_u32 << keys)
            .rev()
            .map(|mask| (0..keys).map(|at| mask >> (keys - 1 - at) & 1 == 1).collect())
            .collect(),
    }
}

/// Groups in the order in which their keys were met, a subtotal behind what it sums up.
fn subtotals_last(found: &mut [Group], keys: usize) {
    let mut ranks: Vec<HashMap<Cell, usize>> = vec![HashMap::new(); keys];
    for group in found.iter() {
        for (rank, cell) in ranks.iter_mut().zip(&group.keys) {
            if let Some(cell) = cell {
                let next = rank.len();
                rank.entry(cell.clone()).or_insert(next);
            }
        }
    }
    found.sort_by_cached_key(|group| {
        ranks
            .iter()
            .zip(&group.keys)
            .map(|(rank, cell)| cell.as_ref().map_or(usize::MAX, |c| rank[c]))
            .collect::<Vec<usize>>()
    });
}

/// An aggregate on its way through the rows; null counts for none.
enum State {
    Count(u64),
    Distinct(HashSet<Cell>),
    Sum(Option<Decimal>),
    Average(Decimal, u64),
    Best(std::cmp::Ordering, crate::emulator::schema::Kind, Key, Cell),
}

impl State {
    fn new(aggregate: &Aggregate) -> Self {
        use std::cmp::Ordering::{Greater, Less};
        let kind = aggregate.value.kind;
        match aggregate.function {
            AggregateFunction::Count => State::Count(0),
            AggregateFunction::CountDistinct => State::Distinct(HashSet::new()),
            AggregateFunction::Sum => State::Sum(None),
            AggregateFunction::Avg => State::Average(Decimal::ZERO, 0),
            AggregateFunction::Min => State::Best(Less, kind, None, Cell::default()),
            AggregateFunction::Max => State::Best(Greater, kind, None, Cell::default()),
        }
    }

    fn add(&mut self, cell: &str) {
        if cell.is_empty() {
            return;
        }
        match self {
            State::Count(n) => *n += 1,
            State::Distinct(seen) => {
                if !seen.contains(cell) {
                    seen.insert(Cell::new(cell));
                }
            }
            State::Sum(sum) => {
                if let Ok(n) = Decimal::from_str(cell) {
                    *sum = Some(sum.unwrap_or_default().saturating_add(n));
                }
            }
            State::Average(sum, count) => {
                if let Ok(n) = Decimal::from_str(cell) {
                    *sum = sum.saturating_add(n);
                    *count += 1;
                }
            }
            State::Best(better, kind, best, value) => {
                let found: Option<Comparable> = comparable(cell, *kind);
                if best.is_none() || found.cmp(best) == *better {
                    *best = found;
                    *value = Cell::new(cell);
                }
            }
        }
    }

    fn end(self) -> Cell {
        match self {
            State::Count(n) => Cell::new(n.to_string()),
            State::Distinct(seen) => Cell::new(seen.len().to_string()),
            State::Sum(sum) => sum
                .map(|n| Cell::new(n.normalize().to_string()))
                .unwrap_or_default(),
            State::Average(_, 0) => Cell::default(),
            // Averages are doubles, with all the digits that a double has.
            State::Average(sum, count) => match (sum.to_f64(), count as f64) {
                (Some(sum), count) => Cell::new((sum / count).to_string()),
                (None, _) => Cell::default(),
            },
            State::Best(_, _, _, value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtotals_leave_keys_out() {
        let (t, f) = (true, false);
        assert_eq!(
            grouping_sets(Subtotals::Rollup, 2),
            [vec![t, t], vec![t, f], vec![f, f]]
        );
        assert_eq!(
            grouping_sets(Subtotals::Cube, 2),
            [vec![t, t], vec![t, f], vec![f, t], vec![f, f]]
        );
        assert_eq!(grouping_sets(Subtotals::None, 1), [vec![t]]);
    }
}
