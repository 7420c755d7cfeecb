//! Conditions: WHERE, HAVING, and a `where:` on its own.

use std::ops::Range;

use super::{
    Bind, BindOperator, SemiJoin,
    fault::{SoqlFault, SoqlFaultKind},
    lexer::TokenKind,
    parser::{Parser, Stop, plain_path},
};
use crate::record::FieldPath;

/// Deeper nesting of parentheses and NOT is refused.
const MAX_DEPTH: usize = 50;

/// The words that stand for a span of time.
const DATE_LITERALS: [&str; 23] = [
    "YESTERDAY",
    "TODAY",
    "TOMORROW",
    "LAST_WEEK",
    "THIS_WEEK",
    "NEXT_WEEK",
    "LAST_MONTH",
    "THIS_MONTH",
    "NEXT_MONTH",
    "LAST_90_DAYS",
    "NEXT_90_DAYS",
    "LAST_QUARTER",
    "THIS_QUARTER",
    "NEXT_QUARTER",
    "LAST_YEAR",
    "THIS_YEAR",
    "NEXT_YEAR",
    "LAST_FISCAL_QUARTER",
    "THIS_FISCAL_QUARTER",
    "NEXT_FISCAL_QUARTER",
    "LAST_FISCAL_YEAR",
    "THIS_FISCAL_YEAR",
    "NEXT_FISCAL_YEAR",
];

const COUNTED_UNITS: [&str; 7] = [
    "DAYS",
    "WEEKS",
    "MONTHS",
    "QUARTERS",
    "YEARS",
    "FISCAL_QUARTERS",
    "FISCAL_YEARS",
];

fn is_date_literal(word: &str) -> bool {
    DATE_LITERALS
        .iter()
        .any(|literal| literal.eq_ignore_ascii_case(word))
}

/// `LAST_N_DAYS`, `N_DAYS_AGO`: words that want a number after a colon.
fn is_counted_date_literal(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    let unit = word
        .strip_prefix("LAST_N_")
        .or_else(|| word.strip_prefix("NEXT_N_"))
        .or_else(|| word.strip_prefix("N_").and_then(|rest| rest.strip_suffix("_AGO")));
    unit.is_some_and(|unit| COUNTED_UNITS.contains(&unit))
}

/// What a value is compared with.
struct Side {
    field: Option<FieldPath>,
    /// Where the field stands, when it stands there by itself.
    place: Option<Range<usize>>,
}

impl Parser<'_> {
    /// `a AND b AND c` or `a OR b OR c`.
    pub(super) fn condition_tree(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let range = self.here();
            return Err(self.stop(range, "the condition is nested too deeply", "too deep", None));
        }
        self.negatable()?;
        let mut first: Option<(&'static str, Range<usize>)> = None;
        let mut complained = false;
        loop {
            let operator = match () {
                () if self.at_word("AND") => "AND",
                () if self.at_word("OR") => "OR",
                () => break,
            };
            let range = self.here();
            self.advance();
            match &first {
                Some((other, _)) if *other != operator && !complained => {
                    complained = true;
                    self.faults.push(SoqlFault::new(
                        SoqlFaultKind::Syntax,
                        range,
                        format!("{operator} after {other} needs parentheses"),
                        "which belongs together?",
                        "write `(a OR b) AND c`, or `a OR (b AND c)`",
                    ));
                }
                Some(_) => {}
                None => first = Some((operator, range)),
            }
            self.negatable()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn negatable(&mut self) -> Result<(), Stop> {
        let mut count = 0;
        while self.at_word("NOT") && !self.followed_by(TokenKind::Dot) {
            self.advance();
            count += 1;
            if count > MAX_DEPTH {
                let range = self.here();
                return Err(self.stop(range, "too many NOTs", "too many", None));
            }
        }
        if self.at(TokenKind::Open) {
            let open = self.here();
            self.advance();
            self.condition_tree()?;
            if self.at(TokenKind::Close) {
                self.advance();
                return Ok(());
            }
            if self.at_end() {
                return Err(self.stop(open, "this parenthesis is never closed", "opened here", None));
            }
            return Err(self.unexpected("expected `)`, AND or OR"));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<(), Stop> {
        let side = self.left_side()?;
        let negated = self.at_word("NOT");
        if negated {
            self.advance();
        }
        if self.at_word("IN") {
            self.advance();
            return self.list(&side, true);
        }
        if negated {
            return Err(self.unexpected("expected IN after NOT"));
        }
        if self.at_word("LIKE") {
            self.advance();
            return self.value(&side, BindOperator::Like, false);
        }
        if self.at_word("INCLUDES") || self.at_word("EXCLUDES") {
            self.advance();
            return self.list(&side, false);
        }
        let operator = match self.kind() {
            Some(TokenKind::Equal) => BindOperator::Equal,
            Some(TokenKind::NotEqual) => BindOperator::NotEqual,
            Some(TokenKind::Order) => BindOperator::Order,
            _ => {
                if self.at_word("IS") {
                    let range = self.here();
                    return Err(self.stop(
                        range,
                        "SOQL has no IS",
                        "write `=`",
                        Some("write `= null` or `!= null`"),
                    ));
                }
                if self.at_word("BETWEEN") {
                    let range = self.here();
                    return Err(self.stop(
                        range,
                        "SOQL has no BETWEEN",
                        "not known",
                        Some("write `A >= 1 AND A <= 9`"),
                    ));
                }
                if self.at_end() || self.at(TokenKind::Close) || self.at_word("AND") || self.at_word("OR") {
                    return Err(self
                        .unexpected("expected a comparison")
                        .helped("a checkbox is compared too: `IsActive = true`"));
                }
                return Err(self.unexpected("expected =, !=, <, >, LIKE, IN, INCLUDES or EXCLUDES"));
            }
        };
        self.advance();
        self.value(&side, operator, false)
    }

    /// A field, or a function of one.
    fn left_side(&mut self) -> Result<Side, Stop> {
        match self.kind() {
            Some(TokenKind::Word) if self.followed_by(TokenKind::Open) => {
                let name = self.word().to_owned();
                let range = self.here();
                self.known_function(&name, range, "compares");
                self.advance();
                let paths = self.function_arguments()?;
                let mut field = None;
                for (path, range) in paths {
                    field.get_or_insert_with(|| path.clone());
                    self.see(path, range);
                }
                // What is compared is the function's result: a year, a count. Only labels and currencies keep their field's kind.
                let keeps = ["toLabel", "convertCurrency", "MIN", "MAX", "SUM"]
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&name));
                Ok(Side {
                    field: field.filter(|_| keeps),
                    place: None,
                })
            }
            Some(TokenKind::Word) => {
                if let Some(clause) = self.clause_word() {
                    let range = self.here();
                    return Err(self.stop(
                        range,
                        format!("expected a condition before {clause}"),
                        "expected a field",
                        None,
                    ));
                }
                let (path, range) = self.path()?;
                self.see(path.clone(), range.clone());
                Ok(Side {
                    field: Some(path),
                    place: Some(range),
                })
            }
            Some(
                TokenKind::Text | TokenKind::Number | TokenKind::Bind | TokenKind::Date | TokenKind::DateTime,
            ) => Err(self
                .unexpected("expected a field")
                .helped("the field comes first: `Name = 'Acme'`")),
            _ => Err(self.unexpected("expected a field")),
        }
    }

    /// The arguments of a function: the fields among them.
    pub(super) fn function_arguments(&mut self) -> Result<Vec<(FieldPath, Range<usize>)>, Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let range = self.here();
            return Err(self.stop(range, "the functions are nested too deeply", "too deep", None));
        }
        self.advance();
        let mut fields = Vec::new();
        if self.at(TokenKind::Close) {
            self.advance();
            self.depth -= 1;
            return Ok(fields);
        }
        loop {
            match self.kind() {
                Some(TokenKind::Word) if self.followed_by(TokenKind::Open) => {
                    self.advance();
                    fields.extend(self.function_arguments()?);
                }
                Some(TokenKind::Word) => fields.push(self.path()?),
                Some(TokenKind::Number | TokenKind::Text) => self.advance(),
                _ => return Err(self.unexpected("expected a field")),
            }
            match self.kind() {
                Some(TokenKind::Comma) => self.advance(),
                Some(TokenKind::Close) => {
                    self.advance();
                    self.depth -= 1;
                    return Ok(fields);
                }
                _ => return Err(self.unexpected("expected `,` or `)`")),
            }
        }
    }

    /// `('a', 'b')`, `:ids` or a semi-join.
    fn list(&mut self, side: &Side, semi_join: bool) -> Result<(), Stop> {
        if self.at(TokenKind::Bind) {
            return self.bind(side.field.clone(), BindOperator::In, true);
        }
        if !self.at(TokenKind::Open) {
            return Err(self
                .unexpected("expected a list in parentheses")
                .helped("write `IN ('a', 'b')`, or `IN :name` for a var that is a list"));
        }
        let open = self.here();
        self.advance();
        if self.at_word("SELECT") && semi_join {
            return self.semi_join(side, open);
        }
        if self.at(TokenKind::Close) {
            let range = open.start..self.here().end;
            return Err(self.stop(range, "the list is empty", "expected a value", None));
        }
        loop {
            self.value(side, BindOperator::In, true)?;
            match self.kind() {
                Some(TokenKind::Comma) => {
                    self.advance();
                    if self.at(TokenKind::Close) {
                        let range = self.before();
                        self.faults.push(SoqlFault::new(
                            SoqlFaultKind::Syntax,
                            range,
                            "a comma without a value after it",
                            "one too many",
                            None,
                        ));
                        self.advance();
                        return Ok(());
                    }
                }
                Some(TokenKind::Close) => {
                    self.advance();
                    return Ok(());
                }
                None => return Err(self.stop(open, "this parenthesis is never closed", "opened here", None)),
                _ => return Err(self.unexpected("expected `,` or `)`")),
            }
        }
    }

    /// `(SELECT AccountId FROM Contact WHERE ...)`: its fields are another object's.
    fn semi_join(&mut self, side: &Side, open: Range<usize>) -> Result<(), Stop> {
        if let Some(outer) = &self.semi_join {
            let message = format!("a semi-join inside the one on {outer}");
            return Err(self.stop(open, message, "one level only", None));
        }
        self.advance();
        let selected = self.path()?;
        if self.at(TokenKind::Comma) {
            let range = self.here();
            return Err(self.stop(range, "a semi-join selects one field", "one too many", None));
        }
        if !self.at_word("FROM") {
            return Err(self.unexpected("expected FROM"));
        }
        self.advance();
        if !self.at(TokenKind::Word) {
            return Err(self.unexpected("expected an object"));
        }
        let object = self.word().to_owned();
        let object_range = self.here();
        self.advance();
        let mut alias = None;
        if self.at(TokenKind::Word) && self.clause_word().is_none() {
            alias = Some(self.word().to_owned());
            self.advance();
        }
        let mut join = SemiJoin {
            outer: side.field.clone().zip(side.place.clone()),
            object: object.clone(),
            object_range,
            selected,
            fields: Vec::new(),
        };
        if self.at_word("WHERE") {
            self.advance();
            let binds = self.binds.len();
            let outside = std::mem::take(&mut self.seen);
            let outer = self.semi_join.replace(object.clone());
            let result = self.condition_tree();
            self.semi_join = outer;
            join.fields = std::mem::replace(&mut self.seen, outside);
            result?;
            for bind in &mut self.binds[binds..] {
                if let Some(field) = &mut bind.field {
                    *field = plain_path(&object, alias.as_deref(), field);
                }
            }
        }
        for (path, _) in join.fields.iter_mut().chain([&mut join.selected]) {
            *path = plain_path(&object, alias.as_deref(), path);
        }
        self.semi_joins.push(join);
        if !self.at(TokenKind::Close) {
            if self.at_end() {
                return Err(self.stop(open, "this parenthesis is never closed", "opened here", None));
            }
            return Err(self
                .unexpected("expected WHERE or `)`")
                .helped("a semi-join takes neither ORDER BY nor LIMIT"));
        }
        self.advance();
        Ok(())
    }

    fn see(&mut self, path: FieldPath, range: Range<usize>) {
        self.seen.push((path, range));
    }

    fn bind(&mut self, field: Option<FieldPath>, operator: BindOperator, in_list: bool) -> Result<(), Stop> {
        let range = self.here();
        let name = self.token_text().trim_start_matches(':').trim_start().to_owned();
        self.advance();
        if self.at(TokenKind::Dot) {
            let help = match name.as_str() {
                "vars" => "write `:name` for `vars.name`",
                _ => "a bind is the name of a var: `:name`",
            };
            let range = range.start..self.here().end;
            return Err(self.stop(range, "a bind is a single name", "not a path", Some(help)));
        }
        self.binds.push(Bind {
            name,
            range,
            field,
            object: self.semi_join.clone(),
            in_list,
            operator,
        });
        Ok(())
    }

    /// The bind after LIMIT or OFFSET.
    pub(super) fn count_bind(&mut self) -> Result<(), Stop> {
        self.bind(None, BindOperator::Count, false)
    }

    fn value(&mut self, side: &Side, operator: BindOperator, entry: bool) -> Result<(), Stop> {
        let range = self.here();
        match self.kind() {
            Some(TokenKind::Bind) => self.bind(side.field.clone(), operator, false),
            Some(TokenKind::Text) => {
                self.quoted_bind(range);
                self.advance();
                Ok(())
            }
            Some(
                TokenKind::Number
                | TokenKind::Date
                | TokenKind::DateTime
                | TokenKind::Time
                | TokenKind::Wrong,
            ) => {
                if operator == BindOperator::Like {
                    return Err(self
                        .unexpected("expected a text")
                        .helped("LIKE compares texts: `LIKE 'A%'`"));
                }
                self.advance();
                Ok(())
            }
            Some(TokenKind::Open) if !entry => Err(self
                .unexpected("expected one value")
                .helped("a list follows IN: `IN ('a', 'b')`")),
            Some(TokenKind::Word) => self.value_word(range),
            _ => Err(self.unexpected("expected a value")),
        }
    }

    fn value_word(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let word = self.word().to_owned();
        if ["TRUE", "FALSE", "NULL"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&word))
            || is_date_literal(&word)
        {
            self.advance();
            return Ok(());
        }
        if is_counted_date_literal(&word) {
            self.advance();
            if self.at(TokenKind::Bind) {
                let range = self.here();
                return Err(self.stop(
                    range,
                    format!("a var cannot count the {word}"),
                    "expected a number",
                    Some("compare with a var that is a date"),
                ));
            }
            if !self.at(TokenKind::Colon) {
                return Err(self
                    .unexpected("expected `:` and a number")
                    .helped(format!("write `{word}:5`")));
            }
            self.advance();
            if !self.at(TokenKind::Number) {
                return Err(self
                    .unexpected("expected a number")
                    .helped(format!("write `{word}:5`")));
            }
            self.advance();
            return Ok(());
        }
        if is_currency(&word) {
            self.advance();
            // `USD100.50`: the lexer ends the word at the point.
            if self.at(TokenKind::Dot) && self.followed_by(TokenKind::Number) {
                self.advance();
                self.advance();
            }
            return Ok(());
        }
        if self.clause_word().is_some() || self.at_word("AND") || self.at_word("OR") {
            return Err(self.unexpected("expected a value"));
        }
        let (path, range) = self.path().unwrap_or((FieldPath::new(word), range));
        Err(self
            .stop(
                range,
                format!("`{path}` is not a value"),
                "expected a value",
                None,
            )
            .helped(format!(
                "a text stands in quotes: '{path}'; a var is written `:{}`",
                path.as_str().replace('.', "_")
            )))
    }

    /// `':region'` would be sent as that very text.
    fn quoted_bind(&mut self, range: Range<usize>) {
        let text = self.token_text();
        let inner = text.trim_matches('\'');
        let Some(name) = inner.strip_prefix(':') else {
            return;
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_name {
            let fault = SoqlFault::new(
                SoqlFaultKind::QuotedBind,
                range,
                format!("`{text}` is a text, not the var `{name}`"),
                "in quotes",
                None,
            )
            .with_help(format!(
                "write `:{name}` without quotes; they are added where they are needed"
            ));
            self.faults.push(fault);
        }
    }
}

/// `USD100`: a currency's code and an amount.
fn is_currency(word: &str) -> bool {
    word.len() > 3
        && word.bytes().take(3).all(|b| b.is_ascii_alphabetic())
        && word.bytes().skip(3).all(|b| b.is_ascii_digit())
}
