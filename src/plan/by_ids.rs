//! Reading some records of a source by their Ids.

use compact_str::CompactString;

use super::{Read, ReadFrom, Road};
use crate::pipeline::{
    model::{Api, Chunk},
    soql::{parse_query, quote},
};

/// Records that are asked for in one query.
const MOST: usize = 200;

/// Records in one query at least; a query that leaves less room reads the whole source.
const FEWEST: usize = 20;

/// Bytes of an Id in a URI, with its quotes and comma.
const ID: usize = 30;

/// Rows of a query page.
const PAGE: u64 = 2_000;

impl Read {
    /// Reads of these records alone, whatever a cursor has come to; `None` when reading the whole source is fewer calls,
    /// or when its rows are no records. `whole` is the number of rows that it has.
    pub(crate) fn of_ids(&self, records: &[CompactString], whole: Option<u64>) -> Option<Vec<Read>> {
        let ReadFrom::Query { whole: text, .. } = &self.from else {
            return None;
        };
        let parsed = parse_query(text).ok()?;
        let spelt = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        let taken: usize = spelt.map(str::len).sum();
        let room = super::LONGEST_REST_QUERY.saturating_sub(taken + 200) / ID;
        let most = room.min(MOST);
        if most < FEWEST {
            return None;
        }
        let queries = records.len().div_ceil(most) as u64;
        if whole.is_some_and(|rows| rows.div_ceil(PAGE).max(1) < queries) {
            return None;
        }
        let mut reads = Vec::new();
        for ids in records.chunks(most) {
            let list: Vec<String> = ids.iter().map(|id| quote(id)).collect();
            let condition = format!("Id IN ({})", list.join(", "));
            let narrowed = parse_query(&parsed.with_extra_condition(&condition)).ok()?;
            let mut read = self.clone();
            read.total = None;
            if let ReadFrom::Query {
                soql,
                ordered,
                count,
                api,
                road,
                chunk,
                ..
            } = &mut read.from
            {
                *ordered = ordered.as_ref().and_then(|_| narrowed.ordered_by_id());
                *count = None;
                *soql = narrowed.text;
                *api = Api::Rest;
                *road = Road::Rest;
                *chunk = Chunk::Auto;
            }
            reads.push(read);
        }
        Some(reads)
    }

    /// Reads all rows, of which there are so many.
    pub(crate) fn entire(&self, rows: Option<u64>) -> Read {
        let mut read = self.clone();
        read.total = rows;
        if let ReadFrom::Query {
            api: Api::Auto,
            bulk_can: true,
            road,
            ..
        } = &mut read.from
            && rows.is_some_and(|rows| rows >= super::READ_BULK_FROM)
        {
            *road = Road::Bulk;
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(soql: &str) -> Read {
        Read {
            connection: "hq".into(),
            source: "Account".into(),
            columns: ["Id".into()].into(),
            types: Vec::new(),
            from: ReadFrom::Query {
                soql: format!("{soql} WHERE SystemModstamp >= 2026-01-01T00:00:00Z"),
                whole: soql.to_owned(),
                all: false,
                chunk: Chunk::Rows(10),
                ordered: Some(String::new()),
                count: None,
                most: None,
                bulk_can: true,
                api: Api::Bulk,
                road: Road::Bulk,
            },
            cursor: None,
            total: None,
        }
    }

    fn ids(count: usize) -> Vec<CompactString> {
        (0..count).map(|n| format!("001{n:015}").into()).collect()
    }

    #[test]
    fn records_are_asked_for_by_their_ids_where_that_is_fewer_calls() {
        let accounts = read("SELECT Id FROM Account");
        for (records, whole, queries) in [
            (1, Some(1_000_000), Some(1)),
            (200, Some(1_000_000), Some(1)),
            (201, Some(1_000_000), Some(2)),
            (10_000, Some(1_000_000), Some(50)),
            (10_000, Some(60_000), None),
            (200, Some(10), Some(1)),
            (10_000, None, Some(50)),
        ] {
            let found = accounts.of_ids(&ids(records), whole).map(|reads| reads.len());
            assert_eq!(found, queries, "{records} of {whole:?}");
        }
        let reads = accounts.of_ids(&ids(2), None).unwrap();
        let ReadFrom::Query { soql, road, .. } = &reads[0].from else {
            panic!("a query");
        };
        assert_eq!(
            soql,
            "SELECT Id FROM Account WHERE Id IN ('001000000000000000', '001000000000000001')"
        );
        assert_eq!(*road, Road::Rest);
    }

    #[test]
    fn a_long_query_leaves_no_room_for_ids() {
        let fields: Vec<String> = (0..1_000).map(|n| format!("Field_{n:05}__c")).collect();
        let long = read(&format!("SELECT {} FROM Account", fields.join(", ")));
        assert!(long.of_ids(&ids(2), None).is_none());
    }
}
