//! Source ids, ordered, and what is known of each, in few bytes.
//!
//! Of each row its id, front coded behind the id before, then what is kept of it: a byte that tells its form, and the
//! target record behind the one before it.

use std::marker::PhantomData;

use compact_str::CompactString;

use crate::{
    record::{Outcome, put_text, take_number, take_text},
    state::{Ended, SentMark},
};

/// What is kept of a row.
pub(super) trait Kept: Sized {
    fn put(&self, packer: &mut Packer);

    /// `None`: the bytes are not its.
    fn take(rest: &mut Unpacker<'_>) -> Option<Self>;

    /// Goes past it, to the next row.
    fn skip(rest: &mut Unpacker<'_>) -> Option<()>;
}

/// A row's record, and the mark of what it was last sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) target_id: CompactString,
    pub(super) sent: Option<SentMark>,
}

impl Link {
    const MARKED: u8 = 1;
}

impl Kept for Link {
    fn put(&self, packer: &mut Packer) {
        packer.byte(if self.sent.is_some() { Link::MARKED } else { 0 });
        packer.record(&self.target_id);
        if let Some(mark) = self.sent {
            packer.bytes.extend_from_slice(&mark.0.to_be_bytes());
        }
    }

    fn take(rest: &mut Unpacker<'_>) -> Option<Self> {
        let form = rest.byte()?;
        Some(Link {
            target_id: rest.record()?,
            sent: match form {
                0 => None,
                Link::MARKED => Some(SentMark(u128::from_be_bytes(rest.chunk()?))),
                _ => return None,
            },
        })
    }

    fn skip(rest: &mut Unpacker<'_>) -> Option<()> {
        let form = rest.byte()?;
        rest.next_record()?;
        match form {
            0 => Some(()),
            Link::MARKED => rest.chunk::<16>().map(drop),
            _ => None,
        }
    }
}

impl Ended {
    /// Added to the outcome's number where there is a record.
    const WITH_RECORD: u8 = 0x10;

    fn form(byte: u8) -> Option<(Outcome, bool)> {
        let outcome = Outcome::ALL.get(usize::from(byte & !Ended::WITH_RECORD))?;
        Some((*outcome, byte & Ended::WITH_RECORD != 0))
    }
}

/// Counts the outcomes of a pack; `None`: its bytes are none.
pub(super) fn count_outcomes(pack: &[u8], counts: &mut [u64; Outcome::ALL.len()]) -> Option<()> {
    let mut rest = Unpacker::of(pack);
    while !rest.bytes.is_empty() {
        rest.skip_text()?;
        let (outcome, with_record) = Ended::form(rest.byte()?)?;
        if with_record {
            rest.skip_text()?;
        }
        counts[outcome as usize] += 1;
    }
    Some(())
}

impl Kept for Ended {
    fn put(&self, packer: &mut Packer) {
        let outcome = self.outcome as u8;
        match &self.target_id {
            None => packer.byte(outcome),
            Some(record) => {
                packer.byte(outcome | Ended::WITH_RECORD);
                packer.record(record);
            }
        }
    }

    fn take(rest: &mut Unpacker<'_>) -> Option<Self> {
        let (outcome, with_record) = Ended::form(rest.byte()?)?;
        Some(Ended {
            outcome,
            target_id: match with_record {
                true => Some(rest.record()?),
                false => None,
            },
        })
    }

    fn skip(rest: &mut Unpacker<'_>) -> Option<()> {
        match Ended::form(rest.byte()?)? {
            (_, true) => rest.next_record(),
            (_, false) => Some(()),
        }
    }
}

/// The row that became a record, under the record's Id.
pub(super) struct Row(pub(super) CompactString);

impl Kept for Row {
    fn put(&self, packer: &mut Packer) {
        packer.record(&self.0);
    }

    fn take(rest: &mut Unpacker<'_>) -> Option<Self> {
        rest.record().map(Row)
    }

    fn skip(rest: &mut Unpacker<'_>) -> Option<()> {
        rest.next_record()
    }
}

/// Rows on their way into a pack.
#[derive(Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    last_id: CompactString,
    last_record: CompactString,
}

impl Packer {
    pub(super) fn push(&mut self, id: &CompactString, kept: &impl Kept) {
        put_text(&mut self.bytes, &self.last_id, id, 0);
        self.last_id.clone_from(id);
        kept.put(self);
    }

    /// The pack so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins another pack.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.last_id.clear();
        self.last_record.clear();
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn record(&mut self, record: &CompactString) {
        put_text(&mut self.bytes, &self.last_record, record, 0);
        self.last_record.clone_from(record);
    }
}

/// The bytes of a pack that are still to be read.
pub(super) struct Unpacker<'p> {
    bytes: &'p [u8],
    last_id: CompactString,
    last_record: CompactString,
}

impl Unpacker<'_> {
    fn of(bytes: &[u8]) -> Unpacker<'_> {
        Unpacker {
            bytes,
            last_id: CompactString::default(),
            last_record: CompactString::default(),
        }
    }

    fn next_id(&mut self) -> Option<()> {
        next_text(&mut self.bytes, &mut self.last_id)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*byte)
    }

    fn next_record(&mut self) -> Option<()> {
        next_text(&mut self.bytes, &mut self.last_record)
    }

    fn record(&mut self) -> Option<CompactString> {
        self.next_record()?;
        Some(self.last_record.clone())
    }

    /// Goes past a text without putting it together.
    fn skip_text(&mut self) -> Option<()> {
        take_number(&mut self.bytes)?;
        let more = take_number(&mut self.bytes)?;
        self.bytes = self.bytes.get(more..)?;
        Some(())
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*chunk)
    }
}

/// Makes the next text of the one before.
fn next_text(bytes: &mut &[u8], last: &mut CompactString) -> Option<()> {
    let same = take_number(bytes)?;
    take_text(bytes, last, same)
}

/// The rows of a pack, in their order; an error where its bytes are none, and then nothing more.
pub(super) struct Rows<'p, K> {
    rest: Unpacker<'p>,
    kept: PhantomData<K>,
}

/// Bytes that are no pack.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

impl<'p, K: Kept> Rows<'p, K> {
    pub(super) fn of(pack: &'p [u8]) -> Self {
        Rows {
            rest: Unpacker::of(pack),
            kept: PhantomData,
        }
    }

    /// Goes on to the first row that is not before `id`: its id, and what is kept of it.
    pub(super) fn seek(&mut self, id: &str) -> Result<Option<(&str, K)>, Damaged> {
        let rest = &mut self.rest;
        loop {
            if rest.bytes.is_empty() {
                return Ok(None);
            }
            rest.next_id().ok_or(Damaged)?;
            if *rest.last_id >= *id {
                let kept = K::take(rest).ok_or(Damaged)?;
                return Ok(Some((&rest.last_id, kept)));
            }
            K::skip(rest).ok_or(Damaged)?;
        }
    }
}

impl<K: Kept> Iterator for Rows<'_, K> {
    type Item = Result<(CompactString, K), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.bytes.is_empty() {
            return None;
        }
        let rest = &mut self.rest;
        let kept = rest.next_id().and_then(|()| K::take(rest));
        if kept.is_none() {
            rest.bytes = &[];
        }
        Some(kept.map(|kept| (rest.last_id.clone(), kept)).ok_or(Damaged))
    }
}
