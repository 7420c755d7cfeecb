//! Front coding: a text behind another one, written down by what differs. Ids that follow each other mostly differ in
//! their last characters.

use compact_str::CompactString;

/// Writes down a text: how many bytes it has in common with the beginning of the text before, how many more it has, and
/// these. `add` is added to the first number, for who keeps small ones for words of his own.
pub(crate) fn put_text(out: &mut Vec<u8>, before: &str, text: &str, add: usize) {
    let same = same_bytes(before.as_bytes(), text.as_bytes());
    put_number(out, same + add);
    put_number(out, text.len() - same);
    out.extend_from_slice(&text.as_bytes()[same..]);
}

/// How many bytes two texts have in common from their beginnings on.
fn same_bytes(a: &[u8], b: &[u8]) -> usize {
    let eights = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let mut same = 0;
    for (a, b) in eights {
        let other = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if other != 0 {
            return same + other.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = a[same..].iter().zip(&b[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// What [`put_number`] has written.
pub(crate) fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// What [`put_text`] has written, behind its first number, which the caller has taken. `text` is the text before, and
/// becomes the one that is read.
pub(crate) fn take_text(rest: &mut &[u8], text: &mut CompactString, same: usize) -> Option<()> {
    let more = take_number(rest)?;
    let (end, after) = rest.split_at_checked(more)?;
    *rest = after;
    match std::str::from_utf8(end) {
        Ok(end) if text.is_char_boundary(same) => {
            text.truncate(same);
            text.push_str(end);
        }
        // They differ inside a letter.
        _ => {
            let whole = [text.as_bytes().get(..same)?, end].concat();
            *text = CompactString::from_utf8(whole).ok()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_come_back(before in "[aäö😀]{0,24}", text in "[aäö😀]{0,24}", long in 0..300usize, add in 0..3usize) {
            // Much in common, or little.
            for (before, text) in [(before.clone(), text.clone()), ("x".repeat(long) + &before, "x".repeat(long) + &text)] {
                let mut out = Vec::new();
                put_text(&mut out, &before, &text, add);
                out.push(7);
                let mut rest = out.as_slice();
                let same = take_number(&mut rest).unwrap() - add;
                let mut read = CompactString::from(before);
                take_text(&mut rest, &mut read, same).unwrap();
                prop_assert_eq!(read, text);
                prop_assert_eq!(rest, [7]);
            }
        }

        #[test]
        fn numbers_come_back(number in any::<usize>(), bits in 0..usize::BITS) {
            let mut out = Vec::new();
            put_number(&mut out, number >> bits);
            let mut rest = out.as_slice();
            prop_assert_eq!(take_number(&mut rest), Some(number >> bits));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20), before in "[aä]{0,9}") {
            let mut rest = bytes.as_slice();
            if let Some(same) = take_number(&mut rest) {
                let _ = take_text(&mut rest, &mut CompactString::from(before), same);
            }
        }
    }

    #[test]
    fn what_is_in_common_is_told_to_the_byte() {
        for length in 0..40 {
            let a = vec![b'a'; length];
            assert_eq!(same_bytes(&a, &[b'a'; 50]), length);
            for at in 0..length {
                let mut b = a.clone();
                b[at] = b'b';
                assert_eq!(same_bytes(&a, &b), at);
            }
        }
    }
}
