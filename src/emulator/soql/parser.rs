use super::{
    Asker, SoqlError,
    ast::{Call, Expr, Group, Item, Literal, Order, Path, Query, Subtotals, TypeOf},
    lexer::{Token, TokenKind, lex},
};

/// The longest statement, and the longest text in one.
const MAX_STATEMENT: usize = 100_000;
pub(super) const MAX_TEXT: usize = 4_000;

pub(super) fn parse(asker: &Asker<'_>, soql: &str) -> Result<Query, SoqlError> {
    if soql.chars().count() > MAX_STATEMENT {
        return Err(SoqlError::malformed(
            "SOQL statements cannot be longer than 100000 characters.",
        ));
    }
    let mut parser = Parser {
        asker,
        soql,
        tokens: lex(soql)?,
        at: 0,
    };
    let query = parser.query(Place::Root)?;
    match &parser.peek().kind {
        TokenKind::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

/// Where a query stands: a statement of its own, among the columns of another, or behind IN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Children,
    SemiJoin,
}

pub(super) struct Parser<'a> {
    asker: &'a Asker<'a>,
    soql: &'a str,
    tokens: Vec<Token>,
    pub(super) at: usize,
}

/// Words that cannot be an alias.
const RESERVED: &[&str] = &[
    "AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FOR", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST",
    "LIKE", "LIMIT", "NOT", "NULL", "NULLS", "OFFSET", "OR", "ORDER", "SELECT", "UPDATE", "USING", "WHERE",
    "WITH",
];

/// Filters of Apex and of other products, which the REST API has no use for.
const APEX_FILTERS: &[&str] = &["SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"];

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    pub(super) fn word(&self) -> Option<&str> {
        match &self.peek().kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is(&self, keyword: &str) -> bool {
        self.word().is_some_and(|w| w.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn take(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        self.at += usize::from(found);
        found
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek().kind, TokenKind::Sign(s) if s == sign)
    }

    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn unexpected(&self) -> SoqlError {
        let token = self.peek();
        let text = match &token.kind {
            TokenKind::Word(text) | TokenKind::Literal(text) => text.clone(),
            TokenKind::Text(text) => text.clone(),
            TokenKind::Sign(sign) => (*sign).to_owned(),
            TokenKind::End => "<EOF>".to_owned(),
        };
        SoqlError::unexpected(self.asker, self.soql, token.at, &text)
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), SoqlError> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), SoqlError> {
        if self.take(keyword) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn query(&mut self, place: Place) -> Result<Query, SoqlError> {
        self.keyword("SELECT")?;
        let mut items = vec![self.item()?];
        while self.sign(",") {
            items.push(self.item()?);
        }
        self.keyword("FROM")?;
        let from = self.path()?;
        let alias = self.alias();
        let mut aliases = Vec::new();
        while self.sign(",") {
            let path = self.path()?;
            match self.alias() {
                Some(alias) => aliases.push((alias, path)),
                None => return Err(self.unexpected()),
            }
        }
        let scope = self.scope()?;
        let filter = if self.take("WHERE") {
            Some(self.condition()?)
        } else {
            None
        };
        let mut query = Query {
            items,
            from,
            alias,
            aliases,
            scope,
            filter,
            group: None,
            having: None,
            order: Vec::new(),
            limit: None,
            offset: None,
        };
        // What stands behind IN ends with its filter.
        if place != Place::SemiJoin {
            self.clauses(&mut query, place)?;
        }
        Ok(query)
    }

    /// What may follow the filter.
    fn clauses(&mut self, query: &mut Query, place: Place) -> Result<(), SoqlError> {
        self.with()?;
        if self.is("GROUP") {
            query.group = Some(self.group()?);
        }
        if self.take("HAVING") {
            query.having = Some(self.condition()?);
        }
        if self.take("ORDER") {
            self.keyword("BY")?;
            query.order.push(self.order()?);
            while self.sign(",") {
                query.order.push(self.order()?);
            }
        }
        if self.take("LIMIT") {
            query.limit = Some(self.count()?);
        }
        if self.is("OFFSET") {
            if place == Place::Children {
                return Err(self.unexpected());
            }
            self.at += 1;
            query.offset = Some(self.count()?);
        }
        if self.take("FOR") {
            if self.is("UPDATE") {
                return Err(SoqlError::malformed("FOR UPDATE not allowed in this context"));
            }
            loop {
                if !self.take("VIEW") && !self.take("REFERENCE") {
                    return Err(self.unexpected());
                }
                if !self.sign(",") {
                    break;
                }
            }
        }
        if self.take("UPDATE") {
            loop {
                if !self.take("TRACKING") && !self.take("VIEWSTAT") {
                    return Err(self.unexpected());
                }
                if !self.sign(",") {
                    break;
                }
            }
        }
        if self.take("ALL") {
            self.keyword("ROWS")?;
            return Err(SoqlError::malformed("ALL ROWS not allowed in this context"));
        }
        Ok(())
    }

    fn alias(&mut self) -> Option<String> {
        let explicit = self.take("AS");
        match self.word() {
            Some(word)
                if explicit
                    || !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word))
                        && !word.eq_ignore_ascii_case("ALL") =>
            {
                let alias = word.to_owned();
                self.at += 1;
                Some(alias)
            }
            _ => None,
        }
    }

    fn scope(&mut self) -> Result<Option<(String, usize)>, SoqlError> {
        if !self.take("USING") {
            return Ok(None);
        }
        self.keyword("SCOPE")?;
        let at = self.peek().at;
        match self.word().map(str::to_owned) {
            Some(scope) => {
                self.at += 1;
                Ok(Some((scope, at)))
            }
            None => Err(self.unexpected()),
        }
    }

    fn with(&mut self) -> Result<(), SoqlError> {
        if !self.take("WITH") {
            return Ok(());
        }
        let word = self.word().unwrap_or_default().to_ascii_uppercase();
        if APEX_FILTERS.contains(&word.as_str()) {
            // Apex checks these; over REST they belong to the grammar and not to the context.
            return Err(SoqlError::malformed(format!(
                "WITH {word} not allowed in this context"
            )));
        }
        Err(SoqlError::not_emulated(&format!("SOQL clause WITH {word}")))
    }

    fn group(&mut self) -> Result<Group, SoqlError> {
        self.keyword("GROUP")?;
        self.keyword("BY")?;
        let subtotals = match self.word().map(str::to_ascii_uppercase).as_deref() {
            Some("ROLLUP") => Subtotals::Rollup,
            Some("CUBE") => Subtotals::Cube,
            _ => Subtotals::None,
        };
        if subtotals != Subtotals::None {
            self.at += 1;
            self.expect("(")?;
        }
        let mut keys = vec![self.expr()?];
        while self.sign(",") {
            keys.push(self.expr()?);
        }
        if subtotals != Subtotals::None {
            self.expect(")")?;
            if keys.len() > 3 {
                return Err(SoqlError::malformed(
                    "GROUP BY ROLLUP and GROUP BY CUBE take up to 3 fields",
                ));
            }
        }
        Ok(Group { keys, subtotals })
    }

    fn item(&mut self) -> Result<Item, SoqlError> {
        if self.is_sign("(") {
            let at = self.peek().at;
            self.at += 1;
            let query = self.query(Place::Children)?;
            self.expect(")")?;
            return Ok(Item::Children(Box::new(query), at));
        }
        if self.is("TYPEOF")
            && matches!(
                self.tokens.get(self.at + 1).map(|t| &t.kind),
                Some(TokenKind::Word(_))
            )
        {
            return self.type_of();
        }
        if self.is("FIELDS")
            && matches!(
                self.tokens.get(self.at + 1).map(|t| &t.kind),
                Some(TokenKind::Sign("("))
            )
        {
            self.at += 2;
            let which = self.word().unwrap_or_default().to_ascii_uppercase();
            if !matches!(which.as_str(), "ALL" | "STANDARD" | "CUSTOM") {
                return Err(self.unexpected());
            }
            self.at += 1;
            self.expect(")")?;
            return Ok(Item::Fields(which));
        }
        let expr = self.expr()?;
        let alias = self.alias();
        if let Expr::Call(call) = &expr
            && call.name == "COUNT"
            && call.args.is_empty()
            && (alias.is_some() || self.is_sign(",") || self.at > 4)
        {
            // COUNT() without a field stands alone.
            self.at -= 1 + usize::from(alias.is_some());
            return Err(self.unexpected());
        }
        Ok(Item::Expr(expr, alias))
    }

    fn type_of(&mut self) -> Result<Item, SoqlError> {
        self.at += 1;
        let path = self.path()?;
        let mut branches = Vec::new();
        while self.take("WHEN") {
            let object = self.path()?;
            self.keyword("THEN")?;
            branches.push((object, self.paths()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.take("ELSE") {
            self.paths()?
        } else {
            Vec::new()
        };
        self.keyword("END")?;
        Ok(Item::TypeOf(TypeOf {
            path,
            branches,
            otherwise,
        }))
    }

    fn paths(&mut self) -> Result<Vec<Path>, SoqlError> {
        let mut paths = vec![self.path()?];
        while self.sign(",") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    pub(super) fn path(&mut self) -> Result<Path, SoqlError> {
        let at = self.peek().at;
        let mut parts = Vec::new();
        loop {
            match self.word() {
                Some(word) => parts.push(word.to_owned()),
                None => return Err(self.unexpected()),
            }
            // A list that ends with a comma: the keyword behind it is what nobody expected.
            if parts.len() == 1 && self.is("FROM") && self.at > 0 && !self.follows_from() {
                return Err(self.unexpected());
            }
            self.at += 1;
            if !self.sign(".") {
                return Ok(Path { parts, at });
            }
        }
    }

    /// An object may be called as it likes: only a name behind FROM may be FROM.
    fn follows_from(&self) -> bool {
        matches!(&self.tokens[self.at - 1].kind, TokenKind::Word(word) if word.eq_ignore_ascii_case("FROM"))
    }

    /// A field, or a function of fields.
    pub(super) fn expr(&mut self) -> Result<Expr, SoqlError> {
        let path = self.path()?;
        if path.parts.len() != 1 || !self.sign("(") {
            return Ok(Expr::Path(path));
        }
        let mut args = Vec::new();
        if !self.sign(")") {
            loop {
                args.push(match self.peek().kind {
                    TokenKind::Text(_) | TokenKind::Literal(_) => Expr::Literal(self.literal()?),
                    _ => self.expr()?,
                });
                if !self.sign(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        Ok(Expr::Call(Call {
            name: path.parts[0].to_ascii_uppercase(),
            at: path.at,
            args,
        }))
    }

    pub(super) fn count(&mut self) -> Result<u64, SoqlError> {
        if self.is_sign(":") {
            return Err(Self::bind());
        }
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

    pub(super) fn bind() -> SoqlError {
        SoqlError::malformed("Bind variables only allowed in Apex code")
    }

    fn order(&mut self) -> Result<Order, SoqlError> {
        let expr = self.expr()?;
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
            expr,
            descending,
            nulls_last,
        })
    }

    pub(super) fn literal(&mut self) -> Result<Literal, SoqlError> {
        if self.is_sign(":") {
            return Err(Self::bind());
        }
        let token = self.next();
        Ok(match token.kind {
            TokenKind::Text(text) => {
                if text.chars().count() > MAX_TEXT {
                    return Err(SoqlError::malformed(
                        "a text in a WHERE clause cannot be longer than 4000 characters",
                    ));
                }
                Literal::Text(text)
            }
            TokenKind::Literal(text) => Literal::Plain(text),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("true") => Literal::Bool(true),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("false") => Literal::Bool(false),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("null") => Literal::Null,
            TokenKind::Word(word) => match money(&word) {
                Some((code, whole)) => {
                    let mut amount = whole.to_owned();
                    if self.is_sign(".")
                        && let Some(TokenKind::Literal(fraction)) =
                            self.tokens.get(self.at + 1).map(|t| &t.kind)
                    {
                        amount = format!("{amount}.{fraction}");
                        self.at += 2;
                    }
                    Literal::Money(code.to_ascii_uppercase(), amount)
                }
                None => {
                    let word = word.to_ascii_uppercase();
                    let n = if self.is_sign(":") {
                        self.at += 1;
                        Some(self.count()? as i64)
                    } else {
                        None
                    };
                    Literal::Date(word, n)
                }
            },
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        })
    }
}

/// `USD5000`: a currency's code and an amount.
fn money(word: &str) -> Option<(&str, &str)> {
    let (code, amount) = word.split_at_checked(3)?;
    let fits = code.bytes().all(|b| b.is_ascii_alphabetic())
        && !amount.is_empty()
        && amount.bytes().all(|b| b.is_ascii_digit());
    fits.then_some((code, amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::access::Access;

    fn read(soql: &str) -> Result<Query, SoqlError> {
        parse(&Asker::plain(&Access::default(), 66), soql)
    }

    #[test]
    fn statements_parse() {
        for soql in [
            "select Id from Account",
            "SELECT Id, Account.Owner.Name FROM Contact c WHERE c.Name = 'x' ORDER BY Name DESC NULLS LAST, Id LIMIT 10 OFFSET 5",
            "SELECT COUNT() FROM Account",
            "SELECT count() FROM Contact c, c.Account a WHERE a.Name = 'x'",
            "SELECT Id FROM A__c WHERE (X__c = 1 AND Y__c != null) OR NOT Z__c INCLUDES ('a;b','c')",
            "SELECT Id FROM Account WHERE CreatedDate >= 2026-01-31T00:00:00Z AND CloseDate = LAST_N_DAYS:30",
            "SELECT Id FROM Account WHERE Id NOT IN ('a', 'b') AND Amount > -1.5e3 AND Fee__c < USD5000.50",
            "SELECT FIELDS(STANDARD) FROM Account USING SCOPE everything",
            "SELECT Id, (SELECT Id FROM Contacts WHERE Name != null ORDER BY Id LIMIT 5) FROM Account FOR VIEW",
            "SELECT Name n, COUNT(Id) c FROM Account GROUP BY ROLLUP(Name, Type) HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC",
            "SELECT TYPEOF What WHEN Account THEN Phone, Name WHEN Opportunity THEN Amount ELSE Name END, Id FROM Event",
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Name LIKE 'a%') UPDATE VIEWSTAT",
            "SELECT Id FROM X__c WHERE DISTANCE(L__c, GEOLOCATION(37.775,-122.418), 'mi') < 20 FOR REFERENCE",
            "SELECT DAY_ONLY(convertTimezone(CreatedDate)) d, SUM(Amount) FROM Opportunity GROUP BY DAY_ONLY(convertTimezone(CreatedDate))",
            "SELECT Id FROM Group WHERE Type = 'Queue'",
            "SELECT Id FROM Order ORDER BY Id",
        ] {
            read(soql).expect(soql);
        }
    }

    #[test]
    fn what_an_org_refuses() {
        for (soql, message) in [
            (
                "SELEKT Name FROM Account",
                "\nSELEKT Name FROM Account\n^\nERROR at Row:1:Column:1\nunexpected token: 'SELEKT'",
            ),
            (
                "SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3",
                "unexpected token: 'OR'",
            ),
            ("SELECT Id FROM Account WHERE", "unexpected token: '<EOF>'"),
            ("SELECT Id, FROM Account", "Column:12\nunexpected token: 'FROM'"),
            ("SELECT Id, COUNT() FROM Account", "unexpected token: ')'"),
            ("SELECT COUNT(), Id FROM Account", "unexpected token: ')'"),
            (
                "SELECT (SELECT Id FROM Contacts OFFSET 2) FROM Account",
                "unexpected token: 'OFFSET'",
            ),
            (
                "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 5)",
                "unexpected token: 'LIMIT'",
            ),
            ("SELECT Id FROM Account LIMIT x", "unexpected token: 'x'"),
            (
                "SELECT Id FROM Account; DROP",
                "no viable alternative at character ';'",
            ),
            (
                "SELECT Id FROM Account WHERE Id = :id",
                "Bind variables only allowed in Apex code",
            ),
            ("SELECT Id FROM Account ALL ROWS", "ALL ROWS not allowed"),
            ("SELECT Id FROM Account FOR UPDATE", "FOR UPDATE not allowed"),
            (
                "SELECT Id FROM Account WITH SECURITY_ENFORCED",
                "WITH SECURITY_ENFORCED not allowed",
            ),
        ] {
            let error = read(soql).expect_err(soql);
            assert_eq!(error.code, "MALFORMED_QUERY");
            assert!(error.message.contains(message), "{soql}: {}", error.message);
        }
        let error =
            parse(&Asker::plain(&Access::default(), 51), "SELEKT Name FROM Account").expect_err("no verb");
        assert_eq!(error.message, "unexpected token: SELEKT");
        let long = format!("SELECT Id FROM Account WHERE Name = '{}'", "x".repeat(4_001));
        assert!(read(&long).is_err());
    }
}
