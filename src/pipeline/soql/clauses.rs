//! What follows the select list.

use std::ops::Range;

use super::{
    Count, Query,
    lexer::TokenKind,
    parser::{CLAUSES, Parser, Stop},
};
use crate::pipeline::expr::closest;

impl Parser<'_> {
    pub(super) fn object_alias(&mut self) -> Result<Option<String>, Stop> {
        if self.at_word("AS") {
            let range = self.here();
            self.note(
                range,
                "an alias follows without AS",
                "one too many",
                "write `FROM Account a`",
            );
            self.advance();
        }
        if !self.at(TokenKind::Word) || self.clause_word().is_some() {
            return Ok(None);
        }
        let clauses = CLAUSES.into_iter().filter(|clause| clause.len() > 3);
        if let Some(clause) = closest(self.word(), clauses).filter(|_| self.followed_by(TokenKind::Word)) {
            return Err(self
                .unexpected("expected WHERE, ORDER BY or LIMIT")
                .helped(format!("did you mean {clause}?")));
        }
        let alias = self.word().to_owned();
        self.advance();
        Ok(Some(alias))
    }

    pub(super) fn clauses(&mut self, query: &mut Query) -> Result<(), Stop> {
        let mut last = 0;
        while let Some(clause) = self.clause_word() {
            let start = self.here();
            let place = CLAUSES.iter().position(|known| *known == clause).unwrap_or(0);
            if place <= last && !matches!(clause, "FOR" | "UPDATE" | "ALL" | "WITH") {
                let (message, help) = match place == last {
                    true => (format!("{clause} stands twice"), "join the conditions with AND"),
                    false => (
                        format!("{clause} stands too late"),
                        "the order is WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET",
                    ),
                };
                return Err(self.stop(start, message, "not expected here", Some(help)));
            }
            last = place.max(last);
            self.advance();
            match clause {
                "WHERE" => {
                    query.where_range = Some(self.condition_range()?);
                    query.condition_fields = std::mem::take(&mut self.seen);
                }
                "HAVING" => {
                    query.having_range = Some(self.condition_range()?);
                    self.seen.clear();
                }
                "GROUP" => {
                    self.by()?;
                    self.group_by(query)?;
                }
                "ORDER" => {
                    self.by()?;
                    self.order_by(query)?;
                    query.order_by = Some(start.start..self.before().end);
                }
                "LIMIT" => query.limit = Some(self.count(start)?),
                "OFFSET" => query.offset = Some(self.count(start)?),
                other => self.foreign_clause(other, start),
            }
        }
        self.semicolon();
        if self.at_end() {
            return Ok(());
        }
        let close = closest(self.word(), CLAUSES);
        let stop = self.unexpected("expected WHERE, ORDER BY, LIMIT or the end");
        Err(match close {
            Some(clause) => stop.helped(format!("did you mean {clause}?")),
            None => stop,
        })
    }

    pub(super) fn condition_range(&mut self) -> Result<Range<usize>, Stop> {
        let start = self.here().start;
        self.condition_tree()?;
        Ok(start..self.before().end)
    }

    pub(super) fn by(&mut self) -> Result<(), Stop> {
        if !self.at_word("BY") {
            return Err(self.unexpected("expected BY"));
        }
        self.advance();
        Ok(())
    }

    pub(super) fn group_by(&mut self, query: &mut Query) -> Result<(), Stop> {
        loop {
            if self.at(TokenKind::Word) && self.followed_by(TokenKind::Open) {
                let start = self.here();
                let name = self.word();
                self.advance();
                let fields = self.function_arguments()?;
                if ["ROLLUP", "CUBE"]
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(name))
                {
                    let range = start.start..self.before().end;
                    self.refuse(
                        range,
                        format!("GROUP BY {name}(...) mixes rows with sums of rows"),
                        "group by plain fields",
                    );
                }
                query.group_by.extend(fields);
            } else {
                let field = self.path()?;
                query.group_by.push(field);
            }
            if !self.at(TokenKind::Comma) {
                return Ok(());
            }
            self.advance();
        }
    }

    pub(super) fn order_by(&mut self, query: &mut Query) -> Result<(), Stop> {
        loop {
            if self.at(TokenKind::Word) && self.followed_by(TokenKind::Open) {
                self.advance();
                let fields = self.function_arguments()?;
                query.order_fields.extend(fields);
            } else {
                let field = self.path()?;
                query.order_fields.push(field);
            }
            if self.at_word("ASC") || self.at_word("DESC") {
                self.advance();
            }
            if self.at_word("NULLS") {
                self.advance();
                if !self.at_word("FIRST") && !self.at_word("LAST") {
                    return Err(self.unexpected("expected FIRST or LAST"));
                }
                self.advance();
            }
            if !self.at(TokenKind::Comma) {
                return Ok(());
            }
            self.advance();
        }
    }

    pub(super) fn count(&mut self, start: Range<usize>) -> Result<Count, Stop> {
        let number = self.here();
        let range = start.start..number.end;
        match self.kind() {
            Some(TokenKind::Bind) => {
                self.count_bind()?;
                Ok(Count { range, value: None })
            }
            Some(TokenKind::Number) => match self.token_text().parse() {
                Ok(value) => {
                    self.advance();
                    Ok(Count {
                        range,
                        value: Some(value),
                    })
                }
                Err(_) => Err(self.unexpected("expected a whole number")),
            },
            _ => Err(self.unexpected("expected a whole number")),
        }
    }

    /// Clauses that have no use when rows are carried elsewhere.
    pub(super) fn foreign_clause(&mut self, clause: &str, start: Range<usize>) {
        let named = self.word().to_ascii_uppercase();
        let (length, help) = match (clause, named.as_str()) {
            ("USING", _) => (2, "say in WHERE which rows are meant"),
            ("FOR", _) => (1, "reading rows should leave no trace: leave it out"),
            ("UPDATE", _) => (1, "reading rows should leave no trace: leave it out"),
            ("ALL", _) => (1, "write `include_deleted: true` beside `soql`"),
            _ => (1, "a query by the API reads what its user may see: leave it out"),
        };
        for _ in 0..length {
            if !self.at_end() && self.clause_word().is_none() {
                self.advance();
            }
        }
        let range = start.start..self.before().end;
        let text = self.text[range.clone()].to_ascii_uppercase();
        self.refuse(range, format!("{text} is not supported"), help);
        // What belongs to it is skipped up to the next clause.
        while !self.at_end() && self.clause_word().is_none() && !self.at(TokenKind::Semicolon) {
            self.advance();
        }
    }
}
