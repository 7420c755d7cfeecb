//! A keyed permutation of digit strings of one length, after the pattern of a Feistel network (as NIST SP 800-38G's
//! FF1 has it, with HMAC-SHA-256 in the place of AES).

use hmac::Hmac;
use sha2::Sha256;

use super::draw::Draw;

/// Rounds; an even number, so that the halves end where they began.
const ROUNDS: usize = 10;

/// The digits that these digits become. Different ones of one length become different ones of that length.
pub(super) fn permuted(mac: &Hmac<Sha256>, what: &str, bare: &str) -> String {
    let digits: Vec<u8> = bare.bytes().map(|b| b.wrapping_sub(b'0') % 10).collect();
    let out = match digits.as_slice() {
        [] => Vec::new(),
        [one] => vec![single(mac, what, *one)],
        _ => network(mac, what, &digits),
    };
    out.into_iter().map(|digit| char::from(b'0' + digit)).collect()
}

fn network(mac: &Hmac<Sha256>, what: &str, digits: &[u8]) -> Vec<u8> {
    let (mut left, mut right) = {
        let (a, b) = digits.split_at(digits.len() / 2);
        (a.to_vec(), b.to_vec())
    };
    for round in 0..ROUNDS {
        let known: String = right.iter().map(|d| char::from(b'0' + d)).collect();
        let purpose = format!("{what} {} {round}", digits.len());
        let mut draw = Draw::new(mac, &purpose, &known);
        let mut carry = 0;
        for digit in left.iter_mut().rev() {
            let drawn = draw.below(10).to_le_bytes()[0];
            let sum = *digit + drawn + carry;
            carry = sum / 10;
            *digit = sum % 10;
        }
        std::mem::swap(&mut left, &mut right);
    }
    left.extend(right);
    left
}

/// One digit has no halves: a shuffled row of ten.
fn single(mac: &Hmac<Sha256>, what: &str, digit: u8) -> u8 {
    let mut draw = Draw::new(mac, what, "one digit");
    let mut row = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    for at in (1..row.len()).rev() {
        let other = usize::try_from(draw.below(at as u64 + 1)).unwrap_or(0);
        row.swap(at, other);
    }
    row[usize::from(digit) % 10]
}
