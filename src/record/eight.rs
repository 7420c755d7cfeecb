//! Texts looked through eight bytes at a time. Most texts of rows are short: a search by vectors costs more to begin than
//! it saves, and one by single bytes costs twice as much.

/// Eight bytes of a text, the first one lowest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eight(u64);

const ONES: u64 = u64::from_ne_bytes([1; 8]);

impl Eight {
    /// Eight bytes as they lie in a text.
    pub(crate) fn new(bytes: [u8; 8]) -> Self {
        Eight(u64::from_le_bytes(bytes))
    }

    /// A bit for each byte that is this one; 0 where there is none. Bits above the lowest one may be wrong.
    pub(crate) fn is(self, byte: u8) -> u64 {
        // Such a byte becomes 0, and from a 0 nothing can be taken without a carry.
        let other = self.0 ^ (ONES * u64::from(byte));
        other.wrapping_sub(ONES) & !other & (ONES << 7)
    }

    /// A bit for each byte that is less than this one, which is at most 0x80; 0 where there is none. Bits above the lowest
    /// one may be wrong.
    pub(crate) fn below(self, byte: u8) -> u64 {
        self.0.wrapping_sub(ONES * u64::from(byte)) & !self.0 & (ONES << 7)
    }

    /// The place of the byte that the lowest of such bits stands for.
    pub(crate) fn place(bits: u64) -> Option<usize> {
        (bits != 0).then_some(bits.trailing_zeros() as usize / 8)
    }
}

/// Whether a text has a byte for which `found` gives a bit. It must not for `x`.
pub(crate) fn any(text: &[u8], found: impl Fn(Eight) -> u64) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    if eights.iter().any(|eight| found(Eight::new(*eight)) != 0) {
        return true;
    }
    // Some bytes are looked at twice; that is no loss.
    let last = text.last_chunk::<8>().copied().unwrap_or_else(|| {
        let mut padded = [b'x'; 8];
        for (to, from) in padded.iter_mut().zip(rest) {
            *to = *from;
        }
        padded
    });
    found(Eight::new(last)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_every_length_is_seen() {
        let marks = |eight: Eight| eight.is(b',') | eight.is(0x80) | eight.is(0);
        for length in 0..40 {
            for filling in [b'x', 1, 0x7f, 0x81, 0xff, b',' - 1, b',' + 1] {
                let mut text = vec![filling; length];
                assert!(!any(&text, marks), "{length} times {filling}");
                for at in 0..length {
                    for byte in [b',', 0x80, 0] {
                        text[at] = byte;
                        assert!(any(&text, marks), "{byte} at {at} of {length}");
                        text[at] = filling;
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_less_is_seen_in_every_place() {
        for limit in [1, b' ', 0x80] {
            for filling in [limit, limit + 1, 0x80, 0xff] {
                for at in 0..8 {
                    for byte in [0, limit - 1] {
                        let mut bytes = [filling; 8];
                        assert_eq!(Eight::new(bytes).below(limit), 0, "{filling} below {limit}");
                        bytes[at] = byte;
                        let found = Eight::place(Eight::new(bytes).below(limit));
                        assert_eq!(found, Some(at), "{byte} below {limit} among {filling}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_one_is_told() {
        for first in 0..8 {
            let mut bytes = [b'"' + 1; 8];
            bytes[first..].fill(b'"');
            assert_eq!(Eight::place(Eight::new(bytes).is(b'"')), Some(first));
        }
        assert_eq!(Eight::place(Eight::new(*b"no quote").is(b'"')), None);
    }
}
