//! Conditions whose names are resolved, of rows (WHERE) and of groups (HAVING).

use std::{collections::HashSet, str::FromStr, sync::OnceLock};

use rust_decimal::Decimal;

use super::{
    SoqlError,
    ast::{Cond, Expr, Literal, Op, Query},
    compile::Compiler,
    pattern::Pattern,
    plan::{Inner, Leaf, Operand, Test, Value},
    time::date_range,
};
use crate::{
    emulator::{
        schema::Kind,
        store::{Cell, fold, parse_datetime},
    },
    record::{Id, Number},
};

/// How many semi-joins a statement may have.
const MAX_SEMI_JOINS: usize = 2;

/// Finds what an expression stands for.
pub(super) type Resolve<'r, P> = &'r dyn Fn(&Expr) -> Result<Operand<P>, SoqlError>;

impl Compiler<'_> {
    pub(super) fn condition<P>(&self, cond: &Cond, resolve: Resolve<'_, P>) -> Result<Test<P>, SoqlError> {
        let all = |terms: &[Cond]| {
            terms
                .iter()
                .map(|t| self.condition(t, resolve))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match cond {
            Cond::And(terms) => Test::And(all(terms)?),
            Cond::Or(terms) => Test::Or(all(terms)?),
            Cond::Not(term) => Test::Not(Box::new(self.condition(term, resolve)?)),
            Cond::Compare(expr, op, literal) => self.compare(resolve(expr)?, *op, literal)?,
            Cond::In(expr, negated, list) => {
                let target = resolve(expr)?;
                let one_by_one =
                    target.kind == Kind::Boolean || list.iter().any(|l| matches!(l, Literal::Date(..)));
                if one_by_one {
                    let tests: Vec<Test<P>> = list
                        .iter()
                        .map(|l| self.compare(resolve(expr)?, Op::Eq, l))
                        .collect::<Result<_, _>>()?;
                    let any = Test::Or(tests);
                    return Ok(if *negated { Test::Not(Box::new(any)) } else { any });
                }
                let mut set = HashSet::with_capacity(list.len());
                for literal in list {
                    set.insert(match literal {
                        Literal::Null => Cell::default(),
                        literal => self.cell(&target, literal)?,
                    });
                }
                let folds = target.folds && target.kind.is_text();
                Test::In(target.value, *negated, set, folds)
            }
            Cond::Semi(expr, negated, query) => self.semi_join(expr, *negated, query, resolve(expr)?)?,
            Cond::Like(expr, pattern) => {
                let target = resolve(expr)?;
                if !target.kind.is_text() || matches!(target.kind, Kind::Id | Kind::Reference) {
                    return Err(self.operator(&target, target.kind));
                }
                Test::Like(target.value, Pattern::new(&fold(pattern)))
            }
            Cond::Includes(expr, negated, texts) => {
                let target = resolve(expr)?;
                if target.kind != Kind::MultiPicklist {
                    return Err(SoqlError::at(
                        "INVALID_QUERY_FILTER_OPERATOR",
                        self.soql,
                        target.at,
                        "includes or excludes operator only valid on multipicklist field",
                    ));
                }
                let sets = texts
                    .iter()
                    .map(|t| t.split(';').map(|v| fold(v.trim())).collect())
                    .collect();
                Test::Includes(target.value, *negated, sets)
            }
        })
    }

    fn operator<P>(&self, target: &Operand<P>, kind: Kind) -> SoqlError {
        let name = match kind {
            // Lookups are told as the Ids that they hold.
            Kind::Id | Kind::Reference => "id",
            kind => kind.api_name(),
        };
        SoqlError::at(
            "INVALID_QUERY_FILTER_OPERATOR",
            self.soql,
            target.at,
            &format!("invalid operator on {name} field"),
        )
    }

    /// A literal in the form in which cells are stored; the wrong kind of literal is an error.
    fn cell<P>(&self, target: &Operand<P>, literal: &Literal) -> Result<Cell, SoqlError> {
        let wrong = |kind: &str, quoted: bool| {
            let be = if quoted { "should be" } else { "should not be" };
            self.invalid(
                target.at,
                &format!(
                    "value of filter criterion for field '{}' must be of type {kind} and {be} enclosed in quotes",
                    target.name
                ),
            )
        };
        match target.kind {
            Kind::Id | Kind::Reference => match literal {
                Literal::Text(text) => match id(text) {
                    Some(id) => Ok(id),
                    None if text.is_empty() => Ok(Cell::default()),
                    None => Err(SoqlError::at(
                        "INVALID_QUERY_FILTER_OPERATOR",
                        self.soql,
                        target.at,
                        &format!("invalid ID field: {text}"),
                    )),
                },
                _ => Err(wrong("ID", true)),
            },
            kind if kind.is_number() => {
                let plain = match literal {
                    Literal::Plain(text) => Some(text),
                    Literal::Money(_, amount) if kind == Kind::Currency => Some(amount),
                    _ => None,
                };
                // All kinds of decimals are doubles to whoever asks.
                let name = if kind == Kind::Int { "int" } else { "double" };
                plain
                    .and_then(|text| Number::canonical(text).ok())
                    .map(|number| Cell::new(number.as_str()))
                    .ok_or_else(|| wrong(name, false))
            }
            Kind::Date => match literal {
                Literal::Plain(text) if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() => {
                    Ok(Cell::new(text))
                }
                _ => Err(wrong("date", false)),
            },
            Kind::DateTime => match literal {
                Literal::Plain(text) => parse_datetime(text).ok_or_else(|| wrong("dateTime", false)),
                _ => Err(wrong("dateTime", false)),
            },
            Kind::Time => match literal {
                Literal::Plain(text) if text.contains(':') => Ok(Cell::new(if text.contains('.') {
                    text.clone()
                } else {
                    text.replace('Z', ".000Z")
                })),
                _ => Err(wrong("time", false)),
            },
            _ => match literal {
                Literal::Text(text) => Ok(target.text(&text.replace("\\%", "%").replace("\\_", "_"))),
                _ => Err(wrong("string", true)),
            },
        }
    }

    fn compare<P>(&self, target: Operand<P>, op: Op, literal: &Literal) -> Result<Test<P>, SoqlError> {
        let ordered = op.ordered();
        if *literal == Literal::Null {
            if ordered {
                return Err(SoqlError::new(
                    "INVALID_QUERY_FILTER_OPERATOR",
                    "null can only be compared with = and !=",
                ));
            }
            // A checkbox is never null.
            if target.kind == Kind::Boolean {
                return Ok(if op == Op::Eq {
                    Test::Or(Vec::new())
                } else {
                    Test::And(Vec::new())
                });
            }
            return Ok(Test::Text(target.value, op, Cell::default(), false));
        }
        if target.kind == Kind::Boolean {
            return match literal {
                Literal::Bool(value) if !ordered => Ok(Test::Bool(target.value, (op == Op::Eq) == *value)),
                Literal::Bool(_) => Err(self.operator(&target, Kind::Boolean)),
                _ => Err(self.invalid(
                    target.at,
                    &format!(
                        "value of filter criterion for field '{}' must be of type boolean and should not be enclosed in quotes",
                        target.name
                    ),
                )),
            };
        }
        if let Literal::Date(word, n) = literal {
            return self.date_literal(target, op, word, *n);
        }
        let cell = self.cell(&target, literal)?;
        if ordered && target.kind == Kind::MultiPicklist {
            return Err(self.operator(&target, target.kind));
        }
        if target.kind.is_number() && ordered {
            let number = Decimal::from_str(&cell)
                .map_err(|_| SoqlError::unexpected(self.asker, self.soql, target.at, &cell))?;
            return Ok(Test::Number(target.value, op, number));
        }
        let folds = target.folds && target.kind.is_text();
        Ok(Test::Text(target.value, op, cell, folds))
    }

    /// The days of a date literal, as the user's calendar has them.
    fn date_literal<P>(
        &self,
        target: Operand<P>,
        op: Op,
        word: &str,
        n: Option<i64>,
    ) -> Result<Test<P>, SoqlError> {
        let Some((from, to)) = date_range(word, n, self.asker.today()) else {
            let at = self.soql[target.at..]
                .to_ascii_uppercase()
                .find(word)
                .map_or(target.at, |found| target.at + found);
            return Err(SoqlError::unexpected(self.asker, self.soql, at, word));
        };
        let cell = |date: jiff::civil::Date| match target.kind {
            Kind::Date => Some(Cell::new(date.to_string())),
            Kind::DateTime => {
                let midnight = self.asker.zone.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
                Some(Cell::new(midnight.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()))
            }
            _ => None,
        };
        match (cell(from), cell(to)) {
            (Some(from), Some(to)) => Ok(Test::Range(target.value, op, from, to)),
            _ => Err(self.invalid(
                target.at,
                &format!(
                    "value of filter criterion for field '{}' must be of type {} and should {}be enclosed in quotes",
                    target.name,
                    if target.kind.is_text() { "string" } else { target.kind.api_name() },
                    if target.kind.is_text() { "" } else { "not " },
                ),
            )),
        }
    }

    fn semi_join<P>(
        &self,
        expr: &Expr,
        negated: bool,
        query: &Query,
        target: Operand<P>,
    ) -> Result<Test<P>, SoqlError> {
        if self.inner {
            return Err(SoqlError::malformed(
                "Nesting of semi join sub-selects is not supported",
            ));
        }
        self.semi_joins.set(self.semi_joins.get() + 1);
        if self.semi_joins.get() > MAX_SEMI_JOINS {
            return Err(SoqlError::malformed(format!(
                "Maximum {MAX_SEMI_JOINS} semi join sub-selects are allowed"
            )));
        }
        let refuse = |message: &str| SoqlError::at("MALFORMED_QUERY", self.soql, expr.at(), message);
        let outer = self.value(expr)?;
        if !outer.path.hops.is_empty() {
            return Err(refuse(&format!(
                "The left operand '{}' cannot have more than one level of relationships",
                outer.written
            )));
        }
        if !matches!(target.kind, Kind::Id | Kind::Reference) {
            return Err(refuse(&format!(
                "The left operand field in the where expression for outer query should be an id field, cannot use: '{}'",
                target.name
            )));
        }
        let name = query.from.text();
        let Some(object) = self.asker.access.object(self.schema, &name) else {
            return Err(SoqlError::at(
                "INVALID_TYPE",
                self.soql,
                query.from.at,
                &format!(
                    "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. {}",
                    super::names::NAMES_HINT
                ),
            ));
        };
        if object == self.object {
            return Err(refuse(
                "The inner and outer selects should not be on the same object type",
            ));
        }
        let mut within = self.within(query, object);
        within.inner = true;
        let plan = within.plan(query)?;
        let [column] = &plan.columns[..] else {
            return Err(refuse("semi join sub-selects have to select one field"));
        };
        if !matches!(column.kind, Kind::Id | Kind::Reference) || !column.path.hops.is_empty() {
            return Err(refuse(&format!(
                "Semi join sub-selects can only query id fields, cannot use: '{}'",
                column.written
            )));
        }
        let (left, right) = (self.ids_of(&outer), self.ids_of(column));
        if !left.iter().any(|o| right.contains(o)) {
            return Err(refuse(&format!(
                "The selected field '{}' in the subquery and the left operand field in the where expression in the outer query '{}' should point to the same object type",
                column.written, outer.written
            )));
        }
        Ok(Test::Semi(
            target.value,
            negated,
            Box::new(Inner {
                plan,
                ids: OnceLock::new(),
            }),
        ))
    }

    /// The objects whose Ids a field holds.
    fn ids_of(&self, value: &Value) -> Vec<usize> {
        match value.kind {
            Kind::Id => vec![value.path.field.0],
            _ => value
                .path
                .spec(self.schema)
                .reference_to
                .iter()
                .filter_map(|t| self.schema.object(t))
                .collect(),
        }
    }

    /// Rules about a whole filter.
    pub(super) fn restrict(&self, cond: &Cond) -> Result<(), SoqlError> {
        if let Cond::Or(terms) = cond
            && terms.iter().any(has_semi_join)
        {
            return Err(SoqlError::malformed(
                "Semi join sub-selects are not allowed with the 'OR' operator",
            ));
        }
        if nested_semi_join(cond, false) {
            return Err(SoqlError::malformed(
                "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions.",
            ));
        }
        if self.links() && !self.has_link_filter(cond) {
            return self.unfiltered();
        }
        Ok(())
    }

    /// A statement without a filter that its object needs.
    pub(super) fn unfiltered(&self) -> Result<(), SoqlError> {
        // Nobody in particular asks for a record whose Id is known.
        if self.depth == 0 && self.links() && !self.asker.user.is_empty() {
            return Err(SoqlError::malformed(
                "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or LinkedEntityId using the equals operator or multiple Id's using the IN operator.",
            ));
        }
        Ok(())
    }

    /// Links of files are too many to be read all together.
    fn links(&self) -> bool {
        self.schema.objects[self.object].name == "ContentDocumentLink"
    }

    fn has_link_filter(&self, cond: &Cond) -> bool {
        let is_link = |expr: &Expr| {
            self.value(expr).is_ok_and(|v| {
                v.path.hops.is_empty()
                    && matches!(v.path.leaf, Leaf::Field(_))
                    && matches!(
                        v.path.spec(self.schema).name.as_str(),
                        "Id" | "ContentDocumentId" | "LinkedEntityId"
                    )
            })
        };
        match cond {
            Cond::And(terms) => terms.iter().any(|t| self.has_link_filter(t)),
            Cond::Compare(expr, Op::Eq, _) | Cond::In(expr, false, _) | Cond::Semi(expr, false, _) => {
                is_link(expr)
            }
            _ => false,
        }
    }
}

/// An Id as a filter names it: of 18 characters only 15 count, whatever the rest says.
fn id(text: &str) -> Option<Cell> {
    let plain = matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let id: Id = text.get(..15).filter(|_| plain)?.parse().ok()?;
    Some(Cell::new(id.as_str()))
}

fn has_semi_join(cond: &Cond) -> bool {
    match cond {
        Cond::And(terms) | Cond::Or(terms) => terms.iter().any(has_semi_join),
        Cond::Not(term) => has_semi_join(term),
        Cond::Semi(..) => true,
        _ => false,
    }
}

/// Whether a semi-join stands below an OR.
fn nested_semi_join(cond: &Cond, below_or: bool) -> bool {
    match cond {
        Cond::And(terms) => terms.iter().any(|t| nested_semi_join(t, below_or)),
        Cond::Or(terms) => terms.iter().any(|t| nested_semi_join(t, true)),
        Cond::Not(term) => nested_semi_join(term, below_or),
        Cond::Semi(..) => below_or,
        _ => false,
    }
}
