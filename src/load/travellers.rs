//! Which row the result of a Bulk job speaks of, by what travelled with it.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::quality::RandomState;

/// What travelled with the rows of a job.
pub(super) struct Travellers {
    /// In the order of the rows.
    all: Vec<Option<CompactString>>,
    /// Places of the rows, once results do not come in their order.
    places: Option<HashMap<CompactString, usize, RandomState>>,
    /// The row behind the one that was found last.
    next: usize,
}

impl Travellers {
    pub(super) fn new(all: Vec<Option<CompactString>>) -> Self {
        Travellers {
            all,
            places: None,
            next: 0,
        }
    }

    /// The row that a result names. An org may give results in any order, and mostly keeps that of the rows: the row
    /// behind the last one is looked at first.
    pub(super) fn find(&mut self, named: &str) -> Option<usize> {
        let next = self.all.get(self.next).and_then(Option::as_deref);
        let found = match next == Some(named) {
            true => self.next,
            false => *self.places().get(named)?,
        };
        self.next = found + 1;
        Some(found)
    }

    fn places(&mut self) -> &HashMap<CompactString, usize, RandomState> {
        self.places.get_or_insert_with(|| {
            let all = self.all.iter().enumerate();
            all.filter_map(|(at, traveller)| Some((traveller.clone()?, at)))
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_any_order() {
        let all = ["a", "b", "", "d"].map(|text| (!text.is_empty()).then(|| text.into()));
        let mut travellers = Travellers::new(all.to_vec());
        let mut found = |names: &[&str]| -> Vec<Option<usize>> {
            names.iter().map(|name| travellers.find(name)).collect()
        };
        assert_eq!(found(&["a", "b", "d"]), [Some(0), Some(1), Some(3)]);
        assert_eq!(found(&["a", "d", "b"]), [Some(0), Some(3), Some(1)]);
        // Nothing travelled with the third row.
        assert_eq!(
            found(&["", "x", "b", "a", "b"]),
            [None, None, Some(1), Some(0), Some(1)]
        );
    }
}
