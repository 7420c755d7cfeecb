//! Which record each of many rows became, in little memory.

use std::{collections::HashMap, fmt};

use foldhash::fast::RandomState;

use super::id::{Id, suffix};

/// The characters of an Id that many Ids share: its object, its org, and the beginning of its number.
const STEM: usize = 8;

/// The characters behind the stem, and the bits that they take.
const DIGITS: usize = 7;
const DIGIT_BITS: u32 = 42;

/// Records by rows, both named by their Ids: 16 bytes a link in a table that is full to three quarters at most. Rows and
/// records with other names are not taken.
#[derive(Default)]
pub struct Links {
    /// Row and record; a free slot has no row.
    slots: Vec<(u64, u64)>,
    taken: usize,
    stems: Stems,
}

/// The stems of all Ids, in the order in which they came.
#[derive(Default)]
struct Stems {
    all: Vec<[u8; STEM]>,
    places: HashMap<[u8; STEM], u64, RandomState>,
}

impl Links {
    /// A table with room for so many links; for more it grows.
    pub fn with_room(links: usize) -> Self {
        Links {
            slots: vec![(0, 0); (links.saturating_mul(4) / 3).saturating_add(1)],
            taken: 0,
            stems: Stems::default(),
        }
    }

    /// Takes a link; false where it is left out, because one of both has no Id.
    pub fn insert(&mut self, row: &str, record: &str) -> bool {
        let (Some(row), Some(record)) = (self.stems.pack(row), self.stems.pack(record)) else {
            return false;
        };
        if (self.taken + 1).saturating_mul(4) / 3 + 1 > self.slots.len() {
            self.grow();
        }
        let at = self.slot(row);
        self.taken += usize::from(self.slots[at].0 == 0);
        self.slots[at] = (row, record);
        true
    }

    /// Twice the slots: one is always free, which ends every search.
    fn grow(&mut self) {
        let larger = vec![(0, 0); (self.slots.len() * 2).max(1024)];
        for (row, record) in std::mem::replace(&mut self.slots, larger) {
            if row != 0 {
                let at = self.slot(row);
                self.slots[at] = (row, record);
            }
        }
    }

    /// The record that a row became, where the table has it.
    pub fn get(&self, row: &str) -> Option<Id> {
        let (stem, number) = parts(row)?;
        let row = packed(*self.stems.places.get(&stem)?, number);
        // A stem that is known has a slot, or had to have one.
        if self.slots.is_empty() {
            return None;
        }
        match self.slots[self.slot(row)] {
            (0, _) => None,
            (_, record) => self.stems.unpack(record),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.taken
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// The slot of a row, or the free one that it would take: one is always free.
    fn slot(&self, row: u64) -> usize {
        // Ids count upwards: multiplied by the golden ratio, neighbours land far from each other.
        let spread = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slots = self.slots.len();
        let mut at = ((u128::from(spread) * slots as u128) >> 64) as usize;
        while self.slots[at].0 != 0 && self.slots[at].0 != row {
            at += 1;
            if at == slots {
                at = 0;
            }
        }
        at
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} links", self.taken)
    }
}

impl Stems {
    /// An Id in eight bytes, never 0; `None` for what is no Id, and when there are too many stems.
    fn pack(&mut self, id: &str) -> Option<u64> {
        let (stem, number) = parts(id)?;
        let place = match self.places.get(&stem) {
            Some(place) => *place,
            None => {
                let place = self.all.len() as u64 + 1;
                if place >> (u64::BITS - DIGIT_BITS) != 0
                    || stem.iter().any(|c| VALUE[usize::from(*c)] == NONE)
                {
                    return None;
                }
                self.all.push(stem);
                self.places.insert(stem, place);
                place
            }
        };
        Some(packed(place, number))
    }

    fn unpack(&self, packed: u64) -> Option<Id> {
        let stem = self.all.get((packed >> DIGIT_BITS) as usize - 1)?;
        let mut number = packed & ((1 << DIGIT_BITS) - 1);
        let mut id = [0; STEM + DIGITS];
        id[..STEM].copy_from_slice(stem);
        for digit in id[STEM..].iter_mut().rev() {
            *digit = DIGIT[(number % 62) as usize];
            number /= 62;
        }
        Some(Id::of_fifteen(&id))
    }
}

const DIGIT: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Each byte's place in [`DIGIT`].
const VALUE: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < DIGIT.len() {
        values[DIGIT[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// The value of what is no digit.
const NONE: u8 = u8::MAX;

fn packed(place: u64, number: u64) -> u64 {
    (place << DIGIT_BITS) | number
}

/// Stem and number of an Id of either length. Whether the stem's characters are those of an Id is for those to see who
/// meet it first.
fn parts(id: &str) -> Option<([u8; STEM], u64)> {
    let (fifteen, end) = id.as_bytes().split_first_chunk::<{ STEM + DIGITS }>()?;
    // Letters of another case name another record.
    if !end.is_empty() && !end.eq_ignore_ascii_case(&suffix(fifteen)) {
        return None;
    }
    let (stem, digits) = fifteen.split_first_chunk::<STEM>()?;
    let mut number = 0;
    for digit in digits {
        let value = VALUE[usize::from(*digit)];
        if value == NONE {
            return None;
        }
        number = number * 62 + u64::from(value);
    }
    Some((*stem, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_back_as_they_went_in() {
        let pairs = [
            ("001D000000K0fXOIAZ", "003RO0000035WQgYAM"),
            ("001D000000K0fXO", "003RO0000035WQg"),
            ("001000000000000AAA", "01gRO0000016PIAYA2"),
            ("00523000002KbrQAAS", "001000000000000AAA"),
            ("zzzzzzzzzzzzzzz", "ZZZZZZZZZZZZZZZ"),
        ];
        let mut links = Links::with_room(4);
        for (row, record) in pairs {
            assert!(links.insert(row, record), "{row}");
        }
        assert_eq!(links.len(), 4, "one row has two lengths");
        for (row, record) in pairs {
            let found = links.get(row).expect(row);
            assert_eq!(found, record.parse().expect(record));
            assert_eq!(found.as_str().len(), 18);
        }
        assert_eq!(links.get("001D000000K0fXP"), None, "a neighbour");
        assert_eq!(links.get("006D000000K0fXO"), None, "another object");
        assert!(!links.insert("K-1", "001000000000000AAA"));
        assert!(!links.insert("001000000000000AAA", "no Id"));
        assert!(!links.insert("0-1000000000000", "001000000000000AAA"));
        for other in [
            "K-1",
            "",
            "001D000000K0fXOIAA",
            "001D000000K0fXOI",
            "001d000000K0fXOIAZ",
            "ö01D000000K0fXO",
        ] {
            assert_eq!(links.get(other), None, "{other}");
        }
    }

    #[test]
    fn a_link_that_is_set_again_is_replaced() {
        let mut links = Links::with_room(1);
        assert!(links.is_empty());
        assert!(links.insert("001000000000001", "003000000000001"));
        assert!(links.insert("001000000000001", "003000000000002"));
        assert_eq!(
            links.get("001000000000001").map(|id| id.to_string()).as_deref(),
            Some("003000000000002AAA")
        );
        assert_eq!(links.len(), 1);
    }

    #[test]
    fn beyond_its_room_it_grows() {
        let id = |object: &str, n: usize| format!("{object}D0000{n:07}");
        for room in [None, Some(0), Some(3000)] {
            let mut links = room.map_or_else(Links::default, Links::with_room);
            assert_eq!(links.get(&id("001", 0)), None);
            for n in 0..10_000 {
                assert!(links.insert(&id("001", n), &id("003", n * 7)));
            }
            assert_eq!(links.len(), 10_000);
            for n in 0..10_000 {
                assert_eq!(links.get(&id("001", n)), id("003", n * 7).parse().ok(), "{n}");
            }
            assert_eq!(links.get(&id("001", 10_000)), None);
        }
    }

    #[test]
    fn a_table_of_known_size_does_not_grow() {
        let mut links = Links::with_room(1000);
        let slots = links.slots.len();
        for n in 0..1000 {
            links.insert(&format!("001D00000{n:06}"), "003000000000001");
        }
        assert_eq!(links.slots.len(), slots);
    }
}
