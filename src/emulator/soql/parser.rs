use super::{
    SoqlError,
    lexer::{Token, TokenKind, lex},
};

/// A statement as written.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) items: Vec<Item>,
    pub(super) from: Path,
    pub(super) alias: Option<String>,
    pub(super) filter: Option<Cond>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
}

/// An entry of the SELECT list.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Path(Path),
    Count,
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(String),
}

/// Names with dots, and where they start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) parts: Vec<String>,
    pub(super) at: usize,
}

impl Path {
    pub(super) fn text(&self) -> String {
        self.parts.join(".")
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Cond {
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    Compare(Path, Op, Literal),
    In(Path, bool, Vec<Literal>),
    Like(Path, String),
    Includes(Path, bool, Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    /// A number, date or datetime, as written.
    Plain(String),
    Bool(bool),
    Null,
    /// `LAST_N_DAYS:30`.
    Date(String, Option<i64>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Order {
    pub(super) path: Path,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

pub(super) fn parse(soql: &str) -> Result<Query, SoqlError> {
    if soql.chars().count() > 100_000 {
        return Err(SoqlError::malformed(
            "SOQL statements cannot be longer than 100000 characters.",
        ));
    }
    let tokens = lex(soql)?;
    let mut parser = Parser { tokens, at: 0 };
    let query = parser.query()?;
    match &parser.peek().kind {
        TokenKind::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// Words that cannot be an alias.
const RESERVED: &[&str] = &[
    "AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FOR", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST",
    "LIKE", "LIMIT", "NOT", "NULL", "NULLS", "OFFSET", "OR", "ORDER", "SELECT", "UPDATE", "USING", "WHERE",
    "WITH",
];

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn word(&self) -> Option<&str> {
        match &self.peek().kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, keyword: &str) -> bool {
        self.word().is_some_and(|w| w.eq_ignore_ascii_case(keyword))
    }

    fn take(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().kind, TokenKind::Sign(s) if s == sign);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self) -> SoqlError {
        let text = match &self.peek().kind {
            TokenKind::Word(text) | TokenKind::Literal(text) => text.clone(),
            TokenKind::Text(text) => format!("'{text}'"),
            TokenKind::Sign(sign) => (*sign).to_owned(),
            TokenKind::End => "<EOF>".to_owned(),
        };
        SoqlError::malformed(format!("unexpected token: {text}"))
    }

    fn expect(&mut self, sign: &str) -> Result<(), SoqlError> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn not_here(&self, what: &str) -> SoqlError {
        SoqlError::malformed(format!("{what} is not supported by this emulated org"))
    }

    fn query(&mut self) -> Result<Query, SoqlError> {
        if !self.take("SELECT") {
            return Err(self.unexpected());
        }
        let mut items = vec![self.item()?];
        while self.sign(",") {
            items.push(self.item()?);
        }
        if !self.take("FROM") {
            return Err(self.unexpected());
        }
        let from = self.path()?;
        self.take("AS");
        let alias = match self.word() {
            Some(word) if !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word)) => {
                let alias = word.to_owned();
                self.at += 1;
                Some(alias)
            }
            _ => None,
        };
        if self.take("USING") {
            // Every scope but `mine` is the whole table here.
            if !self.take("SCOPE") || self.word().is_none() {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        let filter = if self.take("WHERE") {
            Some(self.condition()?)
        } else {
            None
        };
        for clause in ["WITH", "GROUP", "HAVING"] {
            if self.is(clause) {
                return Err(self.not_here(clause));
            }
        }
        let mut order = Vec::new();
        if self.take("ORDER") {
            if !self.take("BY") {
                return Err(self.unexpected());
            }
            order.push(self.order()?);
            while self.sign(",") {
                order.push(self.order()?);
            }
        }
        let limit = if self.take("LIMIT") {
            Some(self.count()?)
        } else {
            None
        };
        let offset = if self.take("OFFSET") {
            Some(self.count()?)
        } else {
            None
        };
        if self.take("FOR") {
            match self.word() {
                Some(w) if ["VIEW", "REFERENCE"].iter().any(|k| k.eq_ignore_ascii_case(w)) => self.at += 1,
                _ => return Err(self.unexpected()),
            }
        }
        Ok(Query {
            items,
            from,
            alias,
            filter,
            order,
            limit,
            offset,
        })
    }

    fn item(&mut self) -> Result<Item, SoqlError> {
        if matches!(self.peek().kind, TokenKind::Sign("(")) {
            return Err(self.not_here("a sub-query"));
        }
        if self.is("TYPEOF") {
            return Err(self.not_here("TYPEOF"));
        }
        let path = self.path()?;
        if !self.sign("(") {
            return Ok(Item::Path(path));
        }
        let function = path.text().to_ascii_uppercase();
        match function.as_str() {
            "COUNT" if self.sign(")") => Ok(Item::Count),
            "FIELDS" => {
                let which = self.word().unwrap_or_default().to_ascii_uppercase();
                if !matches!(which.as_str(), "ALL" | "STANDARD" | "CUSTOM") {
                    return Err(self.unexpected());
                }
                self.at += 1;
                self.expect(")")?;
                Ok(Item::Fields(which))
            }
            _ => Err(self.not_here(&format!("the function {function}()"))),
        }
    }

    fn path(&mut self) -> Result<Path, SoqlError> {
        let at = self.peek().at;
        let mut parts = Vec::new();
        loop {
            match self.word() {
                Some(word) => parts.push(word.to_owned()),
                None => return Err(self.unexpected()),
            }
            self.at += 1;
            if !self.sign(".") {
                return Ok(Path { parts, at });
            }
        }
    }

    fn count(&mut self) -> Result<u64, SoqlError> {
        match &self.peek().kind {
            TokenKind::Literal(text) => match text.parse() {
                Ok(n) => {
                    self.at += 1;
                    Ok(n)
                }
                Err(_) => Err(self.unexpected()),
            },
            _ => Err(self.unexpected()),
        }
    }

    fn order(&mut self) -> Result<Order, SoqlError> {
        let path = self.path()?;
        if matches!(self.peek().kind, TokenKind::Sign("(")) {
            return Err(self.not_here("a function in ORDER BY"));
        }
        let descending = self.take("DESC");
        if !descending {
            self.take("ASC");
        }
        let mut nulls_last = false;
        if self.take("NULLS") {
            nulls_last = self.take("LAST");
            if !nulls_last && !self.take("FIRST") {
                return Err(self.unexpected());
            }
        }
        Ok(Order {
            path,
            descending,
            nulls_last,
        })
    }

    /// Terms of one kind of operator: AND and OR never stand side by side without parentheses.
    fn condition(&mut self) -> Result<Cond, SoqlError> {
        let first = self.term()?;
        for (word, other, and) in [("AND", "OR", true), ("OR", "AND", false)] {
            if !self.is(word) {
                continue;
            }
            let mut terms = vec![first];
            while self.take(word) {
                terms.push(self.term()?);
            }
            if self.is(other) {
                return Err(self.unexpected());
            }
            return Ok(if and { Cond::And(terms) } else { Cond::Or(terms) });
        }
        Ok(first)
    }

    fn term(&mut self) -> Result<Cond, SoqlError> {
        if self.take("NOT") {
            return Ok(Cond::Not(Box::new(self.term()?)));
        }
        if self.sign("(") {
            let inner = self.condition()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        if matches!(self.peek().kind, TokenKind::Sign("(")) {
            return Err(self.not_here(&format!("the function {}()", path.text())));
        }
        let negated = self.take("NOT");
        if self.take("IN") {
            return self.list(path, negated);
        }
        if negated {
            return Err(self.unexpected());
        }
        if self.take("LIKE") {
            return match self.next().kind {
                TokenKind::Text(text) => Ok(Cond::Like(path, text)),
                _ => {
                    self.at -= 1;
                    Err(self.unexpected())
                }
            };
        }
        for (word, negated) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.take(word) {
                self.expect("(")?;
                let mut texts = Vec::new();
                loop {
                    match self.next().kind {
                        TokenKind::Text(text) => texts.push(text),
                        _ => {
                            self.at -= 1;
                            return Err(self.unexpected());
                        }
                    }
                    if !self.sign(",") {
                        break;
                    }
                }
                self.expect(")")?;
                return Ok(Cond::Includes(path, negated, texts));
            }
        }
        let op = match self.peek().kind {
            TokenKind::Sign("=") => Op::Eq,
            TokenKind::Sign("!=" | "<>") => Op::Ne,
            TokenKind::Sign("<") => Op::Lt,
            TokenKind::Sign("<=") => Op::Le,
            TokenKind::Sign(">") => Op::Gt,
            TokenKind::Sign(">=") => Op::Ge,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        let literal = self.literal()?;
        Ok(Cond::Compare(path, op, literal))
    }

    fn list(&mut self, path: Path, negated: bool) -> Result<Cond, SoqlError> {
        self.expect("(")?;
        if self.is("SELECT") {
            return Err(self.not_here("a semi-join"));
        }
        let mut list = vec![self.literal()?];
        while self.sign(",") {
            list.push(self.literal()?);
        }
        self.expect(")")?;
        Ok(Cond::In(path, negated, list))
    }

    fn literal(&mut self) -> Result<Literal, SoqlError> {
        let token = self.next();
        Ok(match token.kind {
            TokenKind::Text(text) => Literal::Text(text),
            TokenKind::Literal(text) => Literal::Plain(text),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("true") => Literal::Bool(true),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("false") => Literal::Bool(false),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("null") => Literal::Null,
            TokenKind::Word(word) => {
                let word = word.to_ascii_uppercase();
                let n = if self.sign(":") {
                    Some(self.count()? as i64)
                } else {
                    None
                };
                Literal::Date(word, n)
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_parse() {
        for soql in [
            "select Id from Account",
            "SELECT Id, Account.Owner.Name FROM Contact c WHERE c.Name = 'x' ORDER BY Name DESC NULLS LAST, Id LIMIT 10 OFFSET 5",
            "SELECT COUNT() FROM Account",
            "SELECT Id FROM A__c WHERE (X__c = 1 AND Y__c != null) OR NOT Z__c INCLUDES ('a;b','c')",
            "SELECT Id FROM Account WHERE CreatedDate >= 2026-01-31T00:00:00Z AND CloseDate = LAST_N_DAYS:30",
            "SELECT Id FROM Account WHERE Id NOT IN ('a', 'b') AND Amount > -1.5e3",
            "SELECT FIELDS(STANDARD) FROM Account USING SCOPE everything",
        ] {
            parse(soql).expect(soql);
        }
    }

    #[test]
    fn what_an_org_refuses() {
        for (soql, message) in [
            ("SELEKT Name FROM Account", "unexpected token: SELEKT"),
            (
                "SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3",
                "unexpected token: OR",
            ),
            ("SELECT Id FROM Account WHERE", "unexpected token: <EOF>"),
            ("SELECT Id, FROM Account", "unexpected token: Account"),
            (
                "SELECT (SELECT Id FROM Contacts) FROM Account",
                "a sub-query is not supported",
            ),
            (
                "SELECT MAX(Id) FROM Account",
                "the function MAX() is not supported",
            ),
            ("SELECT Id FROM Account GROUP BY Id", "GROUP is not supported"),
            (
                "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)",
                "a semi-join is not",
            ),
            ("SELECT Id FROM Account LIMIT x", "unexpected token: x"),
            (
                "SELECT Id FROM Account; DROP",
                "no viable alternative at character ';'",
            ),
        ] {
            let error = parse(soql).expect_err(soql);
            assert_eq!(error.code, "MALFORMED_QUERY");
            assert!(error.message.contains(message), "{soql}: {}", error.message);
        }
    }
}
