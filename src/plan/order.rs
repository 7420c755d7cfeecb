//! Which step waits for which, and which references have to wait for a second pass.

use std::collections::{BTreeSet, HashMap};

/// How a dependency may be broken when it closes a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// It cannot: `needs`, a key, a field that the target requires.
    Hard,
    /// The field is written in a second pass.
    Field(usize),
    /// A `lookup`: inside a loop it sees the target as it was before.
    Lookup,
}

/// Step `from` waits for step `to` (indexes in the pipeline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) strength: Strength,
}

/// The order of a pipeline's steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// For each step, the steps that end before it begins.
    pub(super) after: Vec<BTreeSet<usize>>,
    /// For each step, the fields (indexes) that wait for the second pass, with the steps that they wait for.
    pub(super) looping: Vec<HashMap<usize, BTreeSet<usize>>>,
    /// All steps, each behind those that it waits for; as in the file where there is a choice.
    pub(super) sequence: Vec<usize>,
}

/// Orders `count` steps. Hard dependencies are kept; of the others, those that would close a loop are broken, in the
/// order of the edges.
///
/// # Errors
/// The steps of a loop of hard dependencies, in order.
pub(super) fn order(count: usize, edges: &[Edge]) -> Result<Order, Vec<usize>> {
    let mut order = Order {
        after: vec![BTreeSet::new(); count],
        looping: vec![HashMap::new(); count],
        sequence: Vec::with_capacity(count),
    };
    for edge in edges.iter().filter(|e| e.strength == Strength::Hard) {
        if let Some(mut way) = path(&order.after, edge.to, edge.from) {
            way.insert(0, edge.from);
            return Err(way);
        }
        order.after[edge.from].insert(edge.to);
    }
    // Fields before lookups: a broken lookup is silent, a second pass is not.
    for fields in [true, false] {
        for edge in edges {
            let closes = || path(&order.after, edge.to, edge.from).is_some();
            match edge.strength {
                Strength::Field(field) if fields => {
                    if closes() {
                        order.looping[edge.from].entry(field).or_default().insert(edge.to);
                    } else {
                        order.after[edge.from].insert(edge.to);
                    }
                }
                Strength::Lookup if !fields && !closes() => {
                    order.after[edge.from].insert(edge.to);
                }
                _ => {}
            }
        }
    }
    while order.sequence.len() < count {
        let ready = (0..count).find(|step| {
            !order.sequence.contains(step) && order.after[*step].iter().all(|a| order.sequence.contains(a))
        });
        let Some(step) = ready else { break };
        order.sequence.push(step);
    }
    Ok(order)
}

/// The way from `start` to `goal` along `after`, both included; a step reaches itself.
fn path(after: &[BTreeSet<usize>], start: usize, goal: usize) -> Option<Vec<usize>> {
    let mut seen = vec![false; after.len()];
    let mut way = vec![start];
    fn walk(after: &[BTreeSet<usize>], goal: usize, seen: &mut [bool], way: &mut Vec<usize>) -> bool {
        let at = way[way.len() - 1];
        if at == goal {
            return true;
        }
        seen[at] = true;
        for next in &after[at] {
            if !seen[*next] {
                way.push(*next);
                if walk(after, goal, seen, way) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
    walk(after, goal, &mut seen, &mut way).then_some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: usize, to: usize, strength: Strength) -> Edge {
        Edge { from, to, strength }
    }

    #[test]
    fn children_wait_for_parents_and_self_references_for_the_second_pass() {
        use Strength::*;
        // 0 contacts -> 1 accounts, accounts -> accounts by field 7.
        let order = order(2, &[edge(0, 1, Field(0)), edge(1, 1, Field(7))]).expect("no hard loop");
        assert_eq!(order.sequence, [1, 0]);
        assert!(order.looping[1].contains_key(&7));
        assert!(order.looping[0].is_empty());
    }

    #[test]
    fn a_loop_breaks_where_it_may() {
        use Strength::*;
        // Accounts name a primary contact (may wait), contacts need their account (hard).
        let found = order(2, &[edge(0, 1, Field(3)), edge(1, 0, Hard)]).expect("field 3 may wait");
        assert_eq!(found.sequence, [0, 1]);
        assert_eq!(found.looping[0].keys().collect::<Vec<_>>(), [&3]);
        // A lookup in a loop waits for nothing.
        let found = order(2, &[edge(0, 1, Lookup), edge(1, 0, Hard)]).expect("lookups break");
        assert_eq!(found.sequence, [0, 1]);
        assert!(found.after[0].is_empty() && found.looping[0].is_empty());
    }

    #[test]
    fn a_loop_of_needs_is_named() {
        use Strength::Hard;
        assert_eq!(
            order(3, &[edge(0, 1, Hard), edge(1, 2, Hard), edge(2, 0, Hard)]),
            Err(vec![2, 0, 1, 2])
        );
        assert_eq!(order(1, &[edge(0, 0, Hard)]), Err(vec![0, 0]));
    }
}
