//! Queries made from the user's, by cutting its text.

use super::Query;
use crate::record::FieldPath;

impl Query {
    /// Whether its rows are no records: it groups, or has aggregates.
    pub fn is_aggregated(&self) -> bool {
        self.aggregated
    }

    /// The query that counts its rows. `None` when a count would not tell: LIMIT, OFFSET, groups and aggregates.
    pub fn count_query(&self) -> Option<String> {
        if self.aggregated || self.limit.is_some() || self.offset.is_some() {
            return None;
        }
        let mut query = format!(
            "SELECT COUNT() FROM {}",
            self.slice(self.object_range.start..self.from_end)
        );
        if let Some(condition) = self.where_range.clone() {
            query.push_str(" WHERE ");
            query.push_str(self.slice(condition));
        }
        Some(query)
    }

    /// What it reads, whatever it selects of it: object and condition.
    pub fn scope(&self) -> String {
        let condition = self.where_range.clone().map(|range| self.slice(range));
        format!(
            "{} {}",
            self.object.to_ascii_lowercase(),
            condition.unwrap_or_default()
        )
    }

    /// The query with one more condition that must hold as well.
    pub fn with_extra_condition(&self, condition: &str) -> String {
        match self.where_range.clone() {
            Some(range) => {
                let both = format!("({}) AND ({condition})", self.slice(range.clone()));
                self.replaced(range, &both)
            }
            None => self.replaced(self.from_end..self.from_end, &format!(" WHERE {condition}")),
        }
    }

    /// The query with another select list.
    pub fn with_select(&self, columns: &[FieldPath]) -> String {
        let list: Vec<&str> = columns.iter().map(FieldPath::as_str).collect();
        self.replaced(self.select_range.clone(), &list.join(", "))
    }

    /// The query with its rows in the order of their ids, instead of any other.
    /// `None` for aggregates, and with LIMIT or OFFSET, where another order gives other rows.
    pub fn ordered_by_id(&self) -> Option<String> {
        if self.aggregated || self.limit.is_some() || self.offset.is_some() {
            return None;
        }
        Some(match self.order_by.clone() {
            Some(range) => self.replaced(range, "ORDER BY Id"),
            None => self.replaced(self.tail()..self.tail(), " ORDER BY Id"),
        })
    }

    /// The query for its first rows alone. A smaller LIMIT of its own stays.
    pub fn with_limit(&self, rows: u64) -> String {
        match &self.limit {
            Some(limit) => match limit.value {
                Some(own) if own > rows => self.replaced(limit.range.clone(), &format!("LIMIT {rows}")),
                _ => self.text.clone(),
            },
            None => {
                let at = self.offset.as_ref().map(|offset| offset.range.start);
                match at {
                    Some(at) => self.replaced(at..at, &format!("LIMIT {rows} ")),
                    None => self.replaced(self.tail()..self.tail(), &format!(" LIMIT {rows}")),
                }
            }
        }
    }

    /// Where the text ends, but for white space.
    fn tail(&self) -> usize {
        self.text.trim_end().len()
    }

    fn slice(&self, range: std::ops::Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn replaced(&self, range: std::ops::Range<usize>, with: &str) -> String {
        [
            self.slice(0..range.start),
            with,
            self.slice(range.end..self.text.len()),
        ]
        .concat()
    }
}
