//! The select list.

use std::{collections::HashSet, ops::Range};

use super::{
    SelectItem, SelectKind, child,
    fault::{SoqlFault, SoqlFaultKind::Syntax},
    lexer::TokenKind,
    parser::{Parser, Stop},
};

/// The functions that make one row of many.
const AGGREGATES: [&str; 6] = ["COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"];

/// Every function of SOQL that a select list or a condition can hold.
const FUNCTIONS: [&str; 27] = [
    "COUNT",
    "COUNT_DISTINCT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "GROUPING",
    "FORMAT",
    "toLabel",
    "convertCurrency",
    "convertTimezone",
    "DISTANCE",
    "GEOLOCATION",
    "CALENDAR_MONTH",
    "CALENDAR_QUARTER",
    "CALENDAR_YEAR",
    "DAY_IN_MONTH",
    "DAY_IN_WEEK",
    "DAY_IN_YEAR",
    "DAY_ONLY",
    "FISCAL_MONTH",
    "FISCAL_QUARTER",
    "FISCAL_YEAR",
    "HOUR_IN_DAY",
    "WEEK_IN_MONTH",
    "WEEK_IN_YEAR",
    "FIELDS",
];

impl Parser<'_> {
    /// The items up to FROM, which is the current token afterwards.
    pub(super) fn select_list(&mut self, grouped: bool) -> Result<(Vec<SelectItem>, Range<usize>), Stop> {
        let mut items = Vec::new();
        let start = self.here().start;
        loop {
            if self.at_word("FROM") && !self.followed_by(TokenKind::Dot) {
                match items.is_empty() {
                    true => {
                        let range = self.here();
                        return Err(self.stop(range, "nothing is selected", "expected a field", None));
                    }
                    false => {
                        let range = self.before();
                        self.note(range, "a comma before FROM", "one too many", "leave it out");
                    }
                }
                break;
            }
            if let Some(item) = self.select_item(grouped)? {
                items.push(item);
            }
            match self.kind() {
                Some(TokenKind::Comma) => self.advance(),
                Some(TokenKind::Word) if self.at_word("FROM") => break,
                Some(TokenKind::Word) if self.misspelt_from() => {
                    return Err(self.unexpected("expected FROM").helped("did you mean FROM?"));
                }
                Some(TokenKind::Word) if self.clause_word().is_some() => {
                    return Err(self.unexpected("expected FROM and an object before it"));
                }
                Some(TokenKind::Word) => {
                    let end = self.before().end;
                    let help = match self.at_word("AS") {
                        true => "an alias follows without AS: `COUNT(Id) total`",
                        false => "put a comma between two fields",
                    };
                    let place = match self.text[end..self.here().start].contains('\n') {
                        // At the end of the line above, not at the start of the next.
                        true => self.before(),
                        false => end..self.here().end,
                    };
                    self.note(place, "a comma is missing here", "expected `,`", help);
                    if self.at_word("AS") {
                        self.advance();
                        self.advance();
                        if self.at(TokenKind::Comma) {
                            self.advance();
                        }
                    }
                }
                None => {
                    return Err(self
                        .unexpected("expected FROM and an object")
                        .helped("write `SELECT Id, Name FROM Account`"));
                }
                _ => return Err(self.unexpected("expected `,` or FROM")),
            }
        }
        let end = items.last().map_or(start, |item: &SelectItem| item.range.end);
        Ok((items, start..end))
    }

    /// Whether the current word was meant to be FROM: there is none, and this one looks like it.
    pub(super) fn misspelt_from(&self) -> bool {
        let rest = &self.tokens[self.at.min(self.tokens.len())..];
        let none = !rest.iter().any(|token| {
            token.kind == TokenKind::Word && self.text[token.range.clone()].eq_ignore_ascii_case("FROM")
        });
        none && self.word().len() <= 5
            && strsim::damerau_levenshtein(&self.word().to_ascii_uppercase(), "FROM") <= 1
    }

    pub(super) fn select_item(&mut self, grouped: bool) -> Result<Option<SelectItem>, Stop> {
        let start = self.here();
        match self.kind() {
            Some(TokenKind::Open) => {
                let end = self.skip_parentheses()?;
                let text = self.text.get(start.start..end).unwrap_or_default();
                let help = match self.outer_object().and_then(|parent| child::step(text, parent)) {
                    Some(step) => format!("read the children in a step of their own: `{step}`"),
                    None => "write a step for each object: the children's step refers to this one by `ref`"
                        .to_owned(),
                };
                self.refuse(start.start..end, "a sub-query among the fields", help);
                return Ok(None);
            }
            Some(TokenKind::Star) => {
                self.refuse(
                    start,
                    "SOQL has no `*`",
                    "name the fields, or write `source: { object: ... }` and have them derived",
                );
                self.advance();
                return Ok(None);
            }
            Some(TokenKind::Comma) => {
                self.note(
                    start,
                    "two commas without a field between them",
                    "expected a field",
                    "leave one out",
                );
                return Ok(None);
            }
            Some(TokenKind::Word) if self.at_word("TYPEOF") && self.followed_by(TokenKind::Word) => {
                while !self.at_end() && !self.at_word("END") {
                    self.advance();
                }
                let end = self.here().end;
                self.advance();
                self.refuse(
                    start.start..end,
                    "TYPEOF is not supported",
                    "select paths that all of its objects have: `Owner.Name`",
                );
                return Ok(None);
            }
            Some(TokenKind::Word) if self.followed_by(TokenKind::Open) => return self.function_item(start),
            Some(TokenKind::Word) => {}
            _ => return Err(self.unexpected("expected a field")),
        }
        let (path, mut range) = self.path()?;
        let mut alias = None;
        // Salesforce takes an alias of a plain field only in grouped queries; elsewhere a comma is missing.
        if grouped
            && self.at(TokenKind::Word)
            && self.clause_word().is_none()
            && !self.followed_by(TokenKind::Dot)
        {
            alias = Some(self.word().to_owned());
            range.end = self.here().end;
            self.advance();
        }
        Ok(Some(SelectItem {
            path,
            range,
            alias,
            kind: SelectKind::Field,
        }))
    }

    /// Whether SOQL has a function; if not, that is complained about. `verb` is what the query does with fields here.
    pub(super) fn known_function(&mut self, name: &str, range: Range<usize>, verb: &str) -> bool {
        if FUNCTIONS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return true;
        }
        let help = match (crate::diag::did_you_mean(&name.to_uppercase(), FUNCTIONS), verb) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, "reads") => {
                "read the field itself and compute in `map`: `Name: Name | upper`; SOQL has COUNT, SUM, MAX, toLabel, CALENDAR_YEAR and some more"
                    .to_owned()
            }
            (None, _) => {
                "leave rows out by the step's `when`, which can compute: `when: Name | length > 3`; SOQL has CALENDAR_YEAR, DISTANCE, toLabel and some more"
                    .to_owned()
            }
        };
        let fault = SoqlFault::new(
            Syntax,
            range,
            format!("`{name}` is no function of SOQL"),
            "unknown function",
            None,
        );
        self.faults.push(fault.with_help(help));
        false
    }

    pub(super) fn function_item(&mut self, start: Range<usize>) -> Result<Option<SelectItem>, Stop> {
        let name = self.word().to_owned();
        if name.eq_ignore_ascii_case("FIELDS") {
            self.advance();
            let end = self.skip_parentheses()?;
            self.refuse(
                start.start..end,
                "FIELDS(...) is not supported",
                "name the fields, or write `source: { object: ... }` and have them derived",
            );
            return Ok(None);
        }
        let known = self.known_function(&name, start.clone(), "reads");
        self.advance();
        let fields = self.function_arguments()?;
        let call = start.start..self.before().end;
        let mut range = call.clone();
        let mut alias = None;
        let names_next = self.at(TokenKind::Word) && self.clause_word().is_none() && !self.at_word("AS");
        if names_next
            && !self.misspelt_from()
            && !self.followed_by(TokenKind::Dot)
            && !self.followed_by(TokenKind::Open)
        {
            alias = Some(self.word().to_owned());
            range.end = self.here().end;
            self.advance();
        }
        let Some((path, _)) = fields.into_iter().next() else {
            if name.eq_ignore_ascii_case("COUNT") {
                self.refuse(
                    call,
                    "COUNT() gives a number and no rows",
                    "count a field: `COUNT(Id) total`",
                );
                return Ok(None);
            }
            self.note(
                call,
                format!("{name}() needs a field"),
                "expected a field",
                "write `MAX(Amount) largest`",
            );
            return Ok(None);
        };
        let aggregate = AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(&name));
        let keeps_its_name = ["toLabel", "convertCurrency", "FORMAT"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&name));
        if known && alias.is_none() && !keeps_its_name && !self.at_word("AS") {
            let word = if name.to_ascii_uppercase().starts_with("COUNT") {
                "total"
            } else {
                "result"
            };
            let fault = SoqlFault::new(
                Syntax,
                call.clone(),
                format!("{name}(...) needs an alias"),
                "has no name in the row",
                None,
            )
            .with_help(format!("give it one: `{} {word}`", &self.text[call]));
            self.faults.push(fault);
        }
        Ok(Some(SelectItem {
            path,
            range,
            alias,
            kind: match aggregate {
                true => SelectKind::Aggregate(name),
                false => SelectKind::Function(name),
            },
        }))
    }

    /// The object behind the next FROM that is in no parentheses.
    fn outer_object(&self) -> Option<&str> {
        let mut depth = 0usize;
        let rest = self.tokens.get(self.at..)?;
        let from = rest.iter().position(|token| {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            let word = self.text.get(token.range.clone()).unwrap_or_default();
            depth == 0 && token.kind == TokenKind::Word && word.eq_ignore_ascii_case("FROM")
        })?;
        self.text.get(rest.get(from + 1)?.range.clone())
    }

    /// Goes behind the parenthesis that closes the current one, and tells where that ends.
    pub(super) fn skip_parentheses(&mut self) -> Result<usize, Stop> {
        let open = self.here();
        let mut depth = 0usize;
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            let end = self.here().end;
            self.advance();
            if depth == 0 {
                return Ok(end);
            }
        }
        Err(self.stop(open, "this parenthesis is never closed", "opened here", None))
    }

    pub(super) fn check_items(&mut self, items: &[SelectItem]) {
        let mut seen = HashSet::new();
        for item in items {
            let name = item.name();
            if !seen.insert(name.clone()) {
                self.note(
                    item.range.clone(),
                    format!("`{name}` is selected twice"),
                    "again",
                    "leave one out; Salesforce refuses both",
                );
            }
        }
    }
}
