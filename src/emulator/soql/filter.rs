//! The grammar of conditions.

use super::{
    SoqlError,
    ast::{Cond, Expr, Op},
    lexer::TokenKind,
    parser::{MAX_TEXT, Parser, Place},
};

impl Parser<'_> {
    /// Terms of one kind of operator: AND and OR never stand side by side without parentheses.
    pub(super) fn condition(&mut self) -> Result<Cond, SoqlError> {
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
        let expr = self.expr()?;
        let negated = self.take("NOT");
        if self.take("IN") {
            return self.list(expr, negated);
        }
        if negated {
            return Err(self.unexpected());
        }
        if self.take("LIKE") {
            return Ok(Cond::Like(expr, self.text()?));
        }
        for (word, negated) in [("INCLUDES", false), ("EXCLUDES", true)] {
            if self.take(word) {
                self.expect("(")?;
                let mut texts = vec![self.text()?];
                while self.sign(",") {
                    texts.push(self.text()?);
                }
                self.expect(")")?;
                return Ok(Cond::Includes(expr, negated, texts));
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
        Ok(Cond::Compare(expr, op, literal))
    }

    fn text(&mut self) -> Result<String, SoqlError> {
        if self.is_sign(":") {
            return Err(Self::bind());
        }
        match self.next().kind {
            TokenKind::Text(text) if text.chars().count() <= MAX_TEXT => Ok(text),
            TokenKind::Text(_) => Err(SoqlError::malformed(
                "a text in a WHERE clause cannot be longer than 4000 characters",
            )),
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }

    fn list(&mut self, expr: Expr, negated: bool) -> Result<Cond, SoqlError> {
        if self.is_sign(":") {
            return Err(Self::bind());
        }
        self.expect("(")?;
        if self.is("SELECT") {
            let query = self.query(Place::SemiJoin)?;
            self.expect(")")?;
            return Ok(Cond::Semi(expr, negated, Box::new(query)));
        }
        let mut list = vec![self.literal()?];
        while self.sign(",") {
            list.push(self.literal()?);
        }
        self.expect(")")?;
        Ok(Cond::In(expr, negated, list))
    }
}
