use std::{collections::HashSet, str::FromStr};

use rust_decimal::Decimal;

use super::{
    SoqlError,
    parser::{Cond, Item, Literal, Op, Path, Query, parse},
    time::date_range,
};
use crate::{
    emulator::{
        access::Access,
        schema::{Field, Kind, Schema},
        store::{Cell, fold, parse_datetime},
    },
    record::{Id, Number},
};

/// A statement that is known to fit the org's objects.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) object: usize,
    /// `SELECT COUNT()`.
    pub(crate) count: bool,
    /// What was selected, in its order, as flat columns.
    pub(crate) columns: Vec<PathRef>,
    /// The same as a tree: parents are objects inside the record.
    pub(crate) nodes: Vec<Node>,
    pub(super) filter: Option<Test>,
    pub(super) order: Vec<Sort>,
    pub(super) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    /// Two or more long texts make pages short.
    pub(crate) long_texts: usize,
}

/// A key of a record.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(String, PathRef),
    /// A parent: its key, how to reach it, and what is wanted of it.
    Parent(String, Vec<Hop>, Vec<Node>),
}

/// A step to a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) field: usize,
    /// The parent's object; `None` when its Id has to tell.
    pub(crate) to: Option<usize>,
}

/// A field, possibly of a parent.
#[derive(Clone, Debug)]
pub(crate) struct PathRef {
    pub(crate) hops: Vec<Hop>,
    pub(crate) leaf: Leaf,
    pub(crate) kind: Kind,
    /// As the statement wrote it.
    pub(crate) written: String,
    folds: bool,
    /// `(object, field)` of the field's definition.
    pub(crate) field: (usize, usize),
}

#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Field(usize),
    /// A field of one of several objects: `(object, field)`.
    OneOf(Vec<(usize, usize)>),
    /// `What.Type`.
    TypeName,
}

#[derive(Debug)]
pub(super) struct Sort {
    pub(super) path: PathRef,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
    /// The order of a picklist's values.
    pub(super) values: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Text(PathRef, Op, Cell, bool),
    In(PathRef, bool, HashSet<Cell>, bool),
    Number(PathRef, Op, Decimal),
    /// Dates and datetimes: at or after the first, before the second.
    Range(PathRef, Op, Cell, Cell),
    Bool(PathRef, bool),
    Like(PathRef, Cell),
    Includes(PathRef, bool, Vec<Vec<Cell>>),
}

struct Compiler<'a> {
    schema: &'a Schema,
    access: &'a Access,
    soql: &'a str,
    object: usize,
    alias: Option<&'a str>,
    today: jiff::civil::Date,
}

/// Reads a statement and resolves all its names, as far as the caller sees them.
pub(crate) fn compile(schema: &Schema, access: &Access, soql: &str) -> Result<Plan, SoqlError> {
    let query: Query = parse(soql)?;
    let name = query.from.text();
    let Some(object) = access.object(schema, &name) else {
        return Err(SoqlError::at(
            "INVALID_TYPE",
            soql,
            query.from.at,
            &format!(
                "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
            ),
        ));
    };
    let compiler = Compiler {
        schema,
        access,
        soql,
        object,
        alias: query.alias.as_deref(),
        today: jiff::Timestamp::now()
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .date(),
    };
    let mut columns: Vec<PathRef> = Vec::new();
    let mut nodes = Vec::new();
    let count = query.items == [Item::Count];
    for item in &query.items {
        match item {
            Item::Count if count => {}
            Item::Count => {
                return Err(SoqlError::malformed(
                    "COUNT() must be the only item of the SELECT list",
                ));
            }
            Item::Fields(which) => {
                if which != "STANDARD" && query.limit.is_none_or(|n| n > 200) {
                    return Err(SoqlError::malformed(format!(
                        "The SOQL FIELDS function must have a LIMIT of at most 200 when it is FIELDS({which})"
                    )));
                }
                for (at, field) in schema.objects[object].fields.iter().enumerate() {
                    let wanted = which == "ALL" || (which == "CUSTOM") == field.custom;
                    if wanted && access.sees(object, at) {
                        columns.push(compiler.own(at, &field.name));
                    }
                }
            }
            Item::Path(path) => {
                let column = compiler.path(path)?;
                if columns.iter().any(|c| c.same(&column)) {
                    return Err(SoqlError {
                        code: "INVALID_FIELD",
                        message: format!("duplicate field selected: {}", path.text()),
                    });
                }
                columns.push(column);
            }
        }
    }
    for column in &columns {
        place(schema, object, &mut nodes, column, 0);
    }
    let mut filter = query.filter.as_ref().map(|c| compiler.condition(c)).transpose()?;
    if let Some(own) = compiler.own_records() {
        filter = Some(Test::And(filter.into_iter().chain([own]).collect()));
    }
    let mut order = Vec::new();
    for sort in &query.order {
        let path = compiler.path(&sort.path)?;
        let field = path.spec(schema);
        if !field.sortable() || field.kind == Kind::Address {
            return Err(compiler.invalid(
                &sort.path,
                &format!("field '{}' can not be sorted in a query call", field.name),
            ));
        }
        order.push(Sort {
            values: field.picklist.iter().map(|p| p.value.clone()).collect(),
            path,
            descending: sort.descending,
            nulls_last: sort.nulls_last,
        });
    }
    if query.offset.is_some_and(|n| n > 2_000) {
        return Err(SoqlError {
            code: "NUMBER_OUTSIDE_VALID_RANGE",
            message: "Maximum SOQL offset allowed is 2000".to_owned(),
        });
    }
    let long_texts = columns
        .iter()
        .filter(|c| matches!(c.kind, Kind::LongText | Kind::RichText))
        .count();
    Ok(Plan {
        object,
        count,
        columns,
        nodes,
        filter,
        order,
        limit: query.limit,
        offset: query.offset,
        long_texts,
    })
}

/// Puts a column into the tree of a record; keys carry the names of the metadata.
fn place(schema: &Schema, object: usize, nodes: &mut Vec<Node>, column: &PathRef, depth: usize) {
    let Some(hop) = column.hops.get(depth) else {
        let key = match &column.leaf {
            Leaf::TypeName => "Type".to_owned(),
            _ => column.spec(schema).name.clone(),
        };
        nodes.push(Node::Leaf(key, column.clone()));
        return;
    };
    let key = schema.objects[object].fields[hop.field]
        .relationship_name
        .clone()
        .unwrap_or_default();
    let next = hop.to.unwrap_or(column.field.0);
    let at = match nodes
        .iter()
        .position(|n| matches!(n, Node::Parent(k, ..) if *k == key))
    {
        Some(at) => at,
        None => {
            nodes.push(Node::Parent(key, column.hops[..=depth].to_vec(), Vec::new()));
            nodes.len() - 1
        }
    };
    if let Node::Parent(_, _, inner) = &mut nodes[at] {
        place(schema, next, inner, column, depth + 1);
    }
}

impl PathRef {
    pub(crate) fn spec<'s>(&self, schema: &'s Schema) -> &'s Field {
        &schema.objects[self.field.0].fields[self.field.1]
    }

    fn same(&self, other: &PathRef) -> bool {
        self.hops == other.hops
            && self.field == other.field
            && matches!(self.leaf, Leaf::TypeName) == matches!(other.leaf, Leaf::TypeName)
    }

    /// Folded when case makes no difference.
    fn value(&self, text: &str) -> Cell {
        if self.folds { fold(text) } else { Cell::new(text) }
    }
}

/// Fields of the object `Name`, which stands for all that a polymorphic reference may point at.
const NAME_FIELDS: &[&str] = &[
    "Id",
    "Name",
    "Type",
    "FirstName",
    "LastName",
    "Email",
    "Phone",
    "Title",
    "Username",
    "Alias",
    "IsActive",
    "ProfileId",
];

impl Compiler<'_> {
    fn invalid(&self, path: &Path, message: &str) -> SoqlError {
        SoqlError::at("INVALID_FIELD", self.soql, path.at, message)
    }

    /// Keeps to the caller's own records where others are private.
    fn own_records(&self) -> Option<Test> {
        let user = self.access.own_records_of(self.object)?;
        let owner = self.schema.objects[self.object].field("OwnerId")?;
        Some(Test::Text(
            self.own(owner, "OwnerId"),
            Op::Eq,
            Cell::new(user),
            false,
        ))
    }

    fn own(&self, field: usize, written: &str) -> PathRef {
        let spec = &self.schema.objects[self.object].fields[field];
        PathRef {
            hops: Vec::new(),
            leaf: Leaf::Field(field),
            kind: spec.kind,
            written: written.to_owned(),
            folds: spec.folds_case(),
            field: (self.object, field),
        }
    }

    fn path(&self, path: &Path) -> Result<PathRef, SoqlError> {
        let mut parts: &[String] = &path.parts;
        let own = &self.schema.objects[self.object];
        // A path may start with the alias or the object's own name.
        if parts.len() > 1
            && (self.alias.is_some_and(|a| a.eq_ignore_ascii_case(&parts[0]))
                || own.name.eq_ignore_ascii_case(&parts[0]) && own.relationship(&parts[0]).is_none())
        {
            parts = &parts[1..];
        }
        let (last, relations) = parts
            .split_last()
            .ok_or_else(|| SoqlError::malformed("empty path"))?;
        if relations.len() > 5 {
            return Err(self.invalid(path, "SOQL relationships may go up to 5 levels"));
        }
        let mut object = self.object;
        let mut hops: Vec<Hop> = Vec::new();
        for (depth, relation) in relations.iter().enumerate() {
            let spec = &self.schema.objects[object];
            let Some(field) = self.access.relationship(self.schema, object, relation) else {
                return Err(self.invalid(
                    path,
                    &format!(
                        "Didn't understand relationship '{relation}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
                    ),
                ));
            };
            let targets = &spec.fields[field].reference_to;
            if let [target] = &targets[..] {
                object = self.schema.object(target).unwrap_or_default();
                hops.push(Hop {
                    field,
                    to: Some(object),
                });
                continue;
            }
            hops.push(Hop { field, to: None });
            if depth + 1 != relations.len() {
                return Err(self.invalid(path, "a path ends at a reference to several objects"));
            }
            return self.poly(path, hops, last, targets);
        }
        let spec = &self.schema.objects[object];
        let Some(field) = self.access.field(self.schema, object, last) else {
            return Err(self.no_column(path, last, &spec.name));
        };
        let f = &spec.fields[field];
        Ok(PathRef {
            hops,
            leaf: Leaf::Field(field),
            kind: f.kind,
            written: path.text(),
            folds: f.folds_case(),
            field: (object, field),
        })
    }

    fn no_column(&self, path: &Path, column: &str, entity: &str) -> SoqlError {
        self.invalid(
            path,
            &format!(
                "No such column '{column}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
            ),
        )
    }

    fn poly(
        &self,
        path: &Path,
        hops: Vec<Hop>,
        last: &str,
        targets: &[String],
    ) -> Result<PathRef, SoqlError> {
        let fields: Vec<(usize, usize)> = targets
            .iter()
            .filter_map(|t| self.access.object(self.schema, t))
            .filter_map(|o| self.access.field(self.schema, o, last).map(|f| (o, f)))
            .collect();
        if !NAME_FIELDS.iter().any(|f| f.eq_ignore_ascii_case(last)) {
            return Err(self.no_column(path, last, "Name"));
        }
        let type_name = last.eq_ignore_ascii_case("Type");
        let Some(&first) = fields.first().or(if type_name { Some(&(0, 0)) } else { None }) else {
            return Err(self.no_column(path, last, "Name"));
        };
        let spec = &self.schema.objects[first.0].fields[first.1];
        Ok(PathRef {
            hops,
            kind: if type_name { Kind::Text } else { spec.kind },
            folds: type_name || spec.folds_case(),
            written: path.text(),
            field: first,
            leaf: if type_name {
                Leaf::TypeName
            } else {
                Leaf::OneOf(fields)
            },
        })
    }

    fn condition(&self, cond: &Cond) -> Result<Test, SoqlError> {
        Ok(match cond {
            Cond::And(terms) => Test::And(
                terms
                    .iter()
                    .map(|t| self.condition(t))
                    .collect::<Result<_, _>>()?,
            ),
            Cond::Or(terms) => Test::Or(
                terms
                    .iter()
                    .map(|t| self.condition(t))
                    .collect::<Result<_, _>>()?,
            ),
            Cond::Not(term) => Test::Not(Box::new(self.condition(term)?)),
            Cond::Compare(path, op, literal) => self.compare(path, *op, literal)?,
            Cond::In(path, negated, list) => {
                let target = self.filterable(path)?;
                let folds = target.folds;
                if matches!(list[..], [Literal::Date(..)]) || target.kind == Kind::Boolean {
                    let tests: Vec<Test> = list
                        .iter()
                        .map(|l| self.compare(path, Op::Eq, l))
                        .collect::<Result<_, _>>()?;
                    let any = Test::Or(tests);
                    return Ok(if *negated { Test::Not(Box::new(any)) } else { any });
                }
                let mut set = HashSet::with_capacity(list.len());
                for literal in list {
                    set.insert(match literal {
                        Literal::Null => Cell::default(),
                        literal => self.cell(path, &target, literal)?,
                    });
                }
                Test::In(target, *negated, set, folds)
            }
            Cond::Like(path, pattern) => {
                let target = self.filterable(path)?;
                if !target.kind.is_text() || matches!(target.kind, Kind::Id | Kind::Reference) {
                    return Err(SoqlError {
                        code: "INVALID_QUERY_FILTER_OPERATOR",
                        message: format!("invalid operator on {} field", target.kind.api_name()),
                    });
                }
                Test::Like(target, fold(pattern))
            }
            Cond::Includes(path, negated, texts) => {
                let target = self.filterable(path)?;
                if target.kind != Kind::MultiPicklist {
                    return Err(SoqlError {
                        code: "INVALID_QUERY_FILTER_OPERATOR",
                        message: "includes or excludes operator only valid on multipicklist field".to_owned(),
                    });
                }
                let sets = texts
                    .iter()
                    .map(|t| t.split(';').map(|v| fold(v.trim())).collect())
                    .collect();
                Test::Includes(target, *negated, sets)
            }
        })
    }

    fn filterable(&self, path: &Path) -> Result<PathRef, SoqlError> {
        let target = self.path(path)?;
        let field = target.spec(self.schema);
        if !matches!(target.leaf, Leaf::TypeName) && (!field.filterable() || field.kind == Kind::Address) {
            return Err(self.invalid(
                path,
                &format!("field '{}' can not be filtered in a query call", field.name),
            ));
        }
        Ok(target)
    }

    /// A literal in the form in which cells are stored; the wrong kind of literal is an error.
    fn cell(&self, path: &Path, target: &PathRef, literal: &Literal) -> Result<Cell, SoqlError> {
        let name = path.parts.last().map(String::as_str).unwrap_or_default();
        let wrong = |kind: &str, quoted: bool| {
            let be = if quoted { "should be" } else { "should not be" };
            self.invalid(
                path,
                &format!("value of filter criterion for field '{name}' must be of type {kind} and {be} enclosed in quotes"),
            )
        };
        match target.kind {
            Kind::Id | Kind::Reference => match literal {
                Literal::Text(text) => match text.parse::<Id>() {
                    Ok(id) => Ok(Cell::new(id.as_str())),
                    Err(_) if text.is_empty() => Ok(Cell::default()),
                    Err(_) => Err(SoqlError {
                        code: "INVALID_QUERY_FILTER_OPERATOR",
                        message: format!("invalid ID field: {text}"),
                    }),
                },
                _ => Err(wrong("ID", true)),
            },
            kind if kind.is_number() => match literal {
                Literal::Plain(text) => match Number::canonical(text) {
                    Ok(number) => Ok(Cell::new(number.as_str())),
                    Err(_) => Err(wrong(kind.api_name(), false)),
                },
                _ => Err(wrong(kind.api_name(), false)),
            },
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
                Literal::Text(text) => Ok(target.value(&text.replace("\\%", "%").replace("\\_", "_"))),
                _ => Err(wrong("string", true)),
            },
        }
    }

    fn compare(&self, path: &Path, op: Op, literal: &Literal) -> Result<Test, SoqlError> {
        let target = self.filterable(path)?;
        let ordered = !matches!(op, Op::Eq | Op::Ne);
        if *literal == Literal::Null {
            if ordered {
                return Err(SoqlError {
                    code: "INVALID_QUERY_FILTER_OPERATOR",
                    message: "null can only be compared with = and !=".to_owned(),
                });
            }
            // A checkbox is never null.
            if target.kind == Kind::Boolean {
                return Ok(if op == Op::Eq {
                    Test::Or(Vec::new())
                } else {
                    Test::And(Vec::new())
                });
            }
            return Ok(Test::Text(target, op, Cell::default(), false));
        }
        if target.kind == Kind::Boolean {
            return match literal {
                Literal::Bool(value) if !ordered => Ok(Test::Bool(target, (op == Op::Eq) == *value)),
                _ => Err(self.invalid(
                    path,
                    &format!(
                        "value of filter criterion for field '{}' must be of type boolean and should not be enclosed in quotes",
                        path.parts.last().map(String::as_str).unwrap_or_default()
                    ),
                )),
            };
        }
        if let Literal::Date(word, n) = literal {
            let Some((from, to)) = date_range(word, *n, self.today)
                .filter(|_| matches!(target.kind, Kind::Date | Kind::DateTime))
            else {
                return Err(SoqlError::malformed(format!("unexpected token: {word}")));
            };
            let cell = |date: jiff::civil::Date| match target.kind {
                Kind::DateTime => Cell::new(format!("{date}T00:00:00.000Z")),
                _ => Cell::new(date.to_string()),
            };
            let (from, to) = (cell(from), cell(to));
            return Ok(Test::Range(target, op, from, to));
        }
        let cell = self.cell(path, &target, literal)?;
        if matches!(target.kind, Kind::Id | Kind::Reference | Kind::MultiPicklist) && ordered {
            // Ids have an order, selections have none.
            if target.kind == Kind::MultiPicklist {
                return Err(SoqlError {
                    code: "INVALID_QUERY_FILTER_OPERATOR",
                    message: "invalid operator on multipicklist field".to_owned(),
                });
            }
        }
        if target.kind.is_number() && ordered {
            let number = Decimal::from_str(&cell)
                .map_err(|_| SoqlError::malformed(format!("unexpected token: {cell}")))?;
            return Ok(Test::Number(target, op, number));
        }
        let folds = target.folds && target.kind.is_text();
        Ok(Test::Text(target, op, cell, folds))
    }
}
