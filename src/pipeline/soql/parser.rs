//! Queries. One fault ends the parsing unless it is clear what was meant; then the parser goes on to find the next.

use std::ops::Range;

use super::{
    Bind, Condition, Query, SelectKind, SemiJoin,
    fault::{
        SoqlFault,
        SoqlFaultKind::{Syntax, Unsupported},
    },
    lexer::{Token, TokenKind, tokens},
};
use crate::{pipeline::expr::closest, record::FieldPath};

/// The words that begin a clause.
pub(super) const CLAUSES: [&str; 12] = [
    "FROM", "USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE", "ALL",
];

/// The fault at which the parser could not go on.
pub(super) struct Stop(SoqlFault);

impl Stop {
    pub(super) fn helped(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) faults: Vec<SoqlFault>,
    pub(super) binds: Vec<Bind>,
    /// The fields that the condition being parsed looks at.
    pub(super) seen: Vec<(FieldPath, Range<usize>)>,
    /// The object whose semi-join is being parsed.
    pub(super) semi_join: Option<String>,
    /// Those that have been parsed.
    pub(super) semi_joins: Vec<SemiJoin>,
    pub(super) depth: usize,
}

pub(super) fn query(text: &str) -> Result<Query, Vec<SoqlFault>> {
    let mut parser = Parser::new(text);
    let result = parser.query();
    parser.end(result)
}

pub(super) fn condition(text: &str) -> Result<Condition, Vec<SoqlFault>> {
    let mut parser = Parser::new(text);
    let result = parser.only_condition();
    parser.end(result)
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        let (tokens, faults) = tokens(text);
        Parser {
            text,
            tokens,
            at: 0,
            faults,
            binds: Vec::new(),
            seen: Vec::new(),
            semi_join: None,
            semi_joins: Vec::new(),
            depth: 0,
        }
    }

    fn end<T>(mut self, result: Result<T, Stop>) -> Result<T, Vec<SoqlFault>> {
        match result {
            Ok(value) if self.faults.is_empty() => return Ok(value),
            Ok(_) => {}
            // A token that was complained about already is no second fault.
            Err(Stop(fault)) if self.faults.iter().any(|known| known.range == fault.range) => {}
            Err(Stop(fault)) => self.faults.push(fault),
        }
        self.faults.sort_by_key(|fault| fault.range.start);
        Err(self.faults)
    }

    // What the parser looks at.

    pub(super) fn kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    pub(super) fn at(&self, kind: TokenKind) -> bool {
        self.kind() == Some(kind)
    }

    pub(super) fn at_end(&self) -> bool {
        self.kind().is_none()
    }

    pub(super) fn followed_by(&self, kind: TokenKind) -> bool {
        self.tokens
            .get(self.at + 1)
            .is_some_and(|token| token.kind == kind)
    }

    /// The current token's range; behind the last one, the empty range at the end.
    pub(super) fn here(&self) -> Range<usize> {
        match self.tokens.get(self.at) {
            Some(token) => token.range.clone(),
            None => {
                let end = self.text.trim_end().len();
                end..end
            }
        }
    }

    /// The range of the token before.
    pub(super) fn before(&self) -> Range<usize> {
        match self.at.checked_sub(1).and_then(|at| self.tokens.get(at)) {
            Some(token) => token.range.clone(),
            None => 0..0,
        }
    }

    pub(super) fn token_text(&self) -> &'t str {
        self.text.get(self.here()).unwrap_or_default()
    }

    /// The current word; nothing when it is none.
    pub(super) fn word(&self) -> &'t str {
        if self.at(TokenKind::Word) {
            self.token_text()
        } else {
            ""
        }
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        self.word().eq_ignore_ascii_case(word)
    }

    /// The clause that begins here. A word before a point is a part of a path: `Group.Name`.
    pub(super) fn clause_word(&self) -> Option<&'static str> {
        if self.followed_by(TokenKind::Dot) {
            return None;
        }
        CLAUSES.into_iter().find(|clause| self.at_word(clause))
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn stop(
        &self,
        range: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<&'static str>,
    ) -> Stop {
        Stop(SoqlFault::new(Syntax, range, message, label, help))
    }

    pub(super) fn unexpected(&self, expected: &str) -> Stop {
        let range = self.here();
        let message = match self.tokens.get(self.at) {
            Some(_) => format!("unexpected `{}`", self.token_text()),
            None => "the text ends too early".to_owned(),
        };
        self.stop(range, message, expected, None)
    }

    pub(super) fn note(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: &'static str,
    ) {
        self.faults
            .push(SoqlFault::new(Syntax, range, message, label, help));
    }

    pub(super) fn refuse(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.faults
            .push(SoqlFault::new(Unsupported, range, message, "not supported", None).with_help(help));
    }

    /// `Name`, `Owner.Email`.
    pub(super) fn path(&mut self) -> Result<(FieldPath, Range<usize>), Stop> {
        if !self.at(TokenKind::Word) {
            return Err(self.unexpected("expected a field"));
        }
        let mut path = self.word().to_owned();
        let mut range = self.here();
        self.advance();
        while self.at(TokenKind::Dot) {
            self.advance();
            if !self.at(TokenKind::Word) {
                return Err(self.unexpected("expected a field after the point"));
            }
            path.push('.');
            path.push_str(self.word());
            range.end = self.here().end;
            self.advance();
        }
        Ok((FieldPath::new(path), range))
    }

    fn only_condition(&mut self) -> Result<Condition, Stop> {
        if self.at_word("WHERE") {
            let range = self.here();
            self.note(
                range,
                "`where` is said already",
                "one too many",
                "leave the word WHERE out",
            );
            self.advance();
        }
        self.condition_tree()?;
        self.semicolon();
        if let Some(clause) = self.clause_word() {
            let range = self.here();
            return Err(self.stop(
                range,
                format!("{clause} cannot stand in a condition"),
                "not part of a condition",
                None,
            ));
        }
        if !self.at_end() {
            return Err(self.unexpected("expected AND, OR or the end"));
        }
        Ok(Condition {
            text: self.text.to_owned(),
            binds: std::mem::take(&mut self.binds),
            fields: std::mem::take(&mut self.seen),
            semi_joins: std::mem::take(&mut self.semi_joins),
        })
    }

    pub(super) fn semicolon(&mut self) {
        if self.at(TokenKind::Semicolon) {
            let range = self.here();
            self.note(
                range,
                "a query does not end with `;`",
                "one too many",
                "leave it out",
            );
            self.advance();
        }
    }

    fn query(&mut self) -> Result<Query, Stop> {
        if !self.at_word("SELECT") {
            let close = closest(self.word(), ["SELECT"]).is_some();
            let stop = self.unexpected("expected SELECT");
            return Err(if close {
                stop.helped("did you mean SELECT?")
            } else {
                stop
            });
        }
        self.advance();
        let grouped = self.tokens.iter().any(|token| {
            token.kind == TokenKind::Word && self.text[token.range.clone()].eq_ignore_ascii_case("GROUP")
        });
        let (mut select, select_range) = self.select_list(grouped)?;
        self.advance();

        if !self.at(TokenKind::Word) {
            return Err(self.unexpected("expected an object"));
        }
        let object = self.word().to_owned();
        let object_range = self.here();
        self.advance();
        let alias = self.object_alias()?;
        let from_end = self.before().end;
        if self.at(TokenKind::Comma) {
            let range = self.here();
            return Err(self.stop(
                range,
                "a query reads one object",
                "one too many",
                Some("parents are read by paths: `Owner.Email`"),
            ));
        }
        let mut query = Query {
            text: self.text.to_owned(),
            select: Vec::new(),
            select_range,
            object,
            object_range,
            alias,
            where_range: None,
            group_by: Vec::new(),
            having_range: None,
            order_by: None,
            limit: None,
            offset: None,
            binds: Vec::new(),
            condition_fields: Vec::new(),
            semi_joins: Vec::new(),
            order_fields: Vec::new(),
            from_end,
            aggregated: grouped
                || select
                    .iter()
                    .any(|item| matches!(item.kind, SelectKind::Aggregate(_))),
        };
        self.clauses(&mut query)?;

        for item in &mut select {
            item.path = query.plain(&item.path);
        }
        for fields in [
            &mut query.condition_fields,
            &mut query.order_fields,
            &mut query.group_by,
        ] {
            let mut plain = std::mem::take(fields);
            for (path, _) in &mut plain {
                *path = plain_path(&query.object, query.alias.as_deref(), path);
            }
            *fields = plain;
        }
        self.check_items(&select);
        query.select = select;
        query.semi_joins = std::mem::take(&mut self.semi_joins);
        for join in &mut query.semi_joins {
            if let Some((outer, _)) = &mut join.outer {
                *outer = plain_path(&query.object, query.alias.as_deref(), outer);
            }
        }
        query.binds = std::mem::take(&mut self.binds);
        for bind in &mut query.binds {
            if let (Some(field), None) = (&bind.field, &bind.object) {
                bind.field = Some(plain_path(&query.object, query.alias.as_deref(), field));
            }
        }
        Ok(query)
    }
}

impl Query {
    fn plain(&self, path: &FieldPath) -> FieldPath {
        plain_path(&self.object, self.alias.as_deref(), path)
    }
}

/// A path without the object's own name or alias before it.
pub(super) fn plain_path(object: &str, alias: Option<&str>, path: &FieldPath) -> FieldPath {
    match path.as_str().split_once('.') {
        Some((first, rest))
            if first.eq_ignore_ascii_case(object)
                || alias.is_some_and(|alias| first.eq_ignore_ascii_case(alias)) =>
        {
            FieldPath::new(rest)
        }
        _ => path.clone(),
    }
}
