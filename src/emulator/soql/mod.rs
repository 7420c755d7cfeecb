//! SOQL as the org understands it: its own lexer, parser and evaluator.
//!
//! `ast` is a statement as written, `plan` what it means once its names are resolved; `compile` goes from one to the
//! other, and `run`, `children` and `groups` from a plan to rows. Whatever depends on who asks (time zone, locale,
//! version) comes in by [`Asker`] when a statement is compiled, so that a plan can be run by anybody later.

mod aggregate;
mod ast;
mod calls;
mod compile;
mod condition;
mod error;
mod eval;
mod filter;
mod functions;
mod group;
mod lexer;
mod names;
mod parser;
mod pattern;
mod plan;
mod sort;
mod time;

use compact_str::CompactString;
use jiff::{Timestamp, tz::TimeZone};

pub(crate) use aggregate::groups;
pub(crate) use compile::compile;
pub(crate) use error::{NOT_EMULATED, SoqlError};
pub(crate) use eval::{children, coordinates, follow, run};
pub(crate) use pattern::like;
pub(crate) use plan::{Children, GroupColumn, Groups, Hop, Node, Output, Plan, Value};

use super::{access::Access, store::Store};

/// Who asks, and when: date literals, functions and some errors depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Asker<'a> {
    /// What the asker may see.
    access: &'a Access,
    pub(crate) version: u32,
    pub(crate) user: CompactString,
    zone: TimeZone,
    american: bool,
    now: Timestamp,
    /// Records are asked for as rows of plain cells.
    flat: bool,
}

impl<'a> Asker<'a> {
    /// Nobody in particular, in UTC, at no time in particular.
    pub(crate) fn plain(access: &'a Access, version: u32) -> Self {
        Asker {
            access,
            version,
            user: CompactString::default(),
            zone: TimeZone::UTC,
            american: true,
            now: Timestamp::UNIX_EPOCH,
            flat: false,
        }
    }

    /// Asks for rows of plain cells: FIELDS() leaves compound fields out.
    pub(crate) fn flat(mut self) -> Self {
        self.flat = true;
        self
    }

    /// A user of the org, with the time zone and locale of the user's record.
    pub(crate) fn new(store: &Store, access: &'a Access, user: &str, version: u32, now: Timestamp) -> Self {
        let mut asker = Asker::plain(access, version);
        asker.now = now;
        asker.user = CompactString::new(user);
        if let Some(row) = store.row(store.user, user) {
            // A zone that this machine does not know is UTC.
            if let Ok(zone) = TimeZone::get(store.text(store.user, row, "TimeZoneSidKey")) {
                asker.zone = zone;
            }
            asker.american = matches!(store.text(store.user, row, "LocaleSidKey"), "en_US" | "");
        }
        asker
    }

    /// The day that it is for the user.
    fn today(&self) -> jiff::civil::Date {
        self.zone.to_datetime(self.now).date()
    }
}
