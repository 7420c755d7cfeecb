//! A stream of choices that a value under a key always leads to.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Without letters that are read as digits.
const LETTERS: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Choices drawn for one value: HMAC-SHA-256 over purpose, value and a counter.
pub(super) struct Draw {
    seed: Hmac<Sha256>,
    counter: u32,
    bytes: [u8; 32],
    used: usize,
}

impl Draw {
    /// `what` keeps the draws of different purposes apart.
    pub(super) fn new(mac: &Hmac<Sha256>, what: &str, value: &str) -> Draw {
        let mut seed = mac.clone();
        seed.update(what.as_bytes());
        seed.update(&[0]);
        seed.update(value.as_bytes());
        Draw {
            seed,
            counter: 0,
            bytes: [0; 32],
            used: 32,
        }
    }

    fn byte(&mut self) -> u8 {
        if self.used == self.bytes.len() {
            let mut block = self.seed.clone();
            // The length of the counter is fixed, so that no value runs into it.
            block.update(&self.counter.to_be_bytes());
            self.bytes.copy_from_slice(&block.finalize().into_bytes());
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.bytes[self.used - 1]
    }

    /// A number below `end` (from 1 to 65,536), each as likely as any other.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let end = end.clamp(1, 65_536);
        let fair = 65_536 / end * end;
        loop {
            let drawn = u64::from(u16::from_be_bytes([self.byte(), self.byte()]));
            if drawn < fair {
                return drawn % end;
            }
        }
    }

    /// An entry of a list that is not empty.
    pub(super) fn one<'l>(&mut self, list: &[&'l str]) -> &'l str {
        let at = self.below(list.len() as u64);
        usize::try_from(at)
            .ok()
            .and_then(|at| list.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// A digit.
    pub(super) fn digit(&mut self) -> char {
        char::from(b'0' + self.below(10).to_le_bytes()[0])
    }

    /// A capital.
    pub(super) fn letter(&mut self) -> char {
        char::from(b'A' + self.below(26).to_le_bytes()[0])
    }

    /// Small letters and digits, five bits each.
    pub(super) fn letters(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(LETTERS[usize::from(self.byte()) % LETTERS.len()]))
            .collect()
    }

    /// A character of the same kind: capital, letter, digit; anything else stays.
    pub(super) fn like(&mut self, c: char) -> char {
        match c {
            c if c.is_uppercase() => self.letter(),
            c if c.is_alphabetic() => self.letter().to_ascii_lowercase(),
            c if c.is_numeric() => self.digit(),
            other => other,
        }
    }
}
