//! From a statement as written to a plan.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    sync::Arc,
};

use super::{
    Asker, SoqlError,
    ast::{Expr, Item, Op, Path, Query, TypeOf},
    functions::Function,
    names::{NAMES_HINT, Place},
    parser::parse,
    plan::{Children, Hop, Leaf, Node, Output, PathRef, Plan, Sort, Test, Value},
};
use crate::emulator::{
    access::Permission,
    schema::{Kind, Schema},
};

/// How many queries of children a statement may have, and how deep they may stand in each other.
const MAX_CHILDREN: usize = 20;
const MAX_DEPTH: usize = 5;
/// What FIELDS(ALL) and FIELDS(CUSTOM) may give at most.
const MAX_FIELDS_ROWS: u64 = 200;
const MAX_OFFSET: u64 = 2_000;
const MAX_ORDER: usize = 32;

/// Reads a statement and resolves all its names, as far as the asker sees them.
pub(crate) fn compile(schema: &Schema, asker: &Asker<'_>, soql: &str) -> Result<Plan, SoqlError> {
    let query = parse(asker, soql)?;
    let name = query.from.text();
    let Some(object) = asker.access.object(schema, &name) else {
        return Err(SoqlError::at(
            "INVALID_TYPE",
            soql,
            query.from.at,
            &format!(
                "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. {NAMES_HINT}"
            ),
        ));
    };
    let compiler = Compiler {
        schema,
        asker,
        soql,
        object,
        alias: query.alias.as_deref(),
        aliases: aliases(&query),
        depth: 0,
        semi_joins: Cell::new(0),
        inner: false,
        parents: RefCell::default(),
    };
    compiler.plan(&query)
}

fn aliases(query: &Query) -> Vec<(String, Vec<String>)> {
    query
        .aliases
        .iter()
        .map(|(alias, path)| (alias.clone(), path.parts.clone()))
        .collect()
}

pub(super) struct Compiler<'a> {
    pub(super) schema: &'a Schema,
    pub(super) asker: &'a Asker<'a>,
    pub(super) soql: &'a str,
    pub(super) object: usize,
    pub(super) alias: Option<&'a str>,
    pub(super) aliases: Vec<(String, Vec<String>)>,
    /// 0 for the statement itself.
    pub(super) depth: usize,
    pub(super) semi_joins: Cell<usize>,
    /// The query stands behind IN.
    pub(super) inner: bool,
    pub(super) parents: RefCell<HashSet<Vec<Hop>>>,
}

impl<'a> Compiler<'a> {
    /// For a query inside this one.
    pub(super) fn within<'b>(&self, query: &'b Query, object: usize) -> Compiler<'b>
    where
        'a: 'b,
    {
        Compiler {
            schema: self.schema,
            asker: self.asker,
            soql: self.soql,
            object,
            alias: query.alias.as_deref(),
            aliases: aliases(query),
            depth: self.depth + 1,
            semi_joins: Cell::new(0),
            inner: self.inner,
            parents: RefCell::default(),
        }
    }

    pub(super) fn plan(&self, query: &Query) -> Result<Plan, SoqlError> {
        let mut plan = Plan {
            object: self.object,
            access: self.asker.access.clone(),
            output: Output::Rows,
            columns: Vec::new(),
            nodes: Vec::new(),
            filter: None,
            order: Vec::new(),
            limit: query.limit,
            offset: query.offset,
            long_texts: 0,
            unbounded: false,
        };
        if let Some((scope, at)) = &query.scope {
            plan.filter = self.scope(scope, *at)?;
        }
        if is_count(query) {
            plan.output = Output::Count;
        } else if is_grouped(query) {
            if self.depth > 0 {
                return Err(SoqlError::malformed(
                    "only root queries support aggregate expressions",
                ));
            }
            plan.output = Output::Groups(Box::new(self.groups(query)?));
        } else {
            if query.having.is_some() {
                return Err(SoqlError::malformed("HAVING needs a GROUP BY clause"));
            }
            self.select(query, &mut plan)?;
        }
        if let Some(own) = self.own_records() {
            plan.filter = Some(match plan.filter.take() {
                Some(scope) => Test::And(vec![scope, own]),
                None => own,
            });
        }
        if let Some(cond) = &query.filter {
            let test = self.condition(cond, &|expr| self.filterable(expr))?;
            self.restrict(cond)?;
            plan.filter = Some(match plan.filter.take() {
                Some(scope) => Test::And(vec![scope, test]),
                None => test,
            });
        } else {
            self.unfiltered()?;
        }
        if matches!(plan.output, Output::Rows | Output::Count) {
            for order in &query.order {
                let value = self.value(&order.expr)?;
                plan.order
                    .push(self.sort(&order.expr, value, order.descending, order.nulls_last)?);
            }
        }
        if query.order.len() > MAX_ORDER {
            return Err(SoqlError::malformed(format!(
                "a query may be ordered by up to {MAX_ORDER} fields"
            )));
        }
        if query.offset.is_some_and(|n| n > MAX_OFFSET) {
            return Err(SoqlError::new(
                "NUMBER_OUTSIDE_VALID_RANGE",
                "Maximum SOQL offset allowed is 2000",
            ));
        }
        plan.long_texts = plan
            .columns
            .iter()
            .filter(|c| matches!(c.kind, Kind::LongText | Kind::RichText))
            .count();
        Ok(plan)
    }

    /// Keeps to the asker's own records where others are private.
    fn own_records(&self) -> Option<Test<Value>> {
        let user = self.asker.access.own_records_of(self.object)?;
        let owner = self.schema.objects[self.object].field("OwnerId")?;
        let owner = plain(self.own(owner), "OwnerId");
        Some(Test::Text(owner, Op::Eq, user.into(), false))
    }

    fn sort(
        &self,
        expr: &Expr,
        value: Value,
        descending: bool,
        nulls_last: bool,
    ) -> Result<Sort<Value>, SoqlError> {
        let distance = matches!(value.calls.first(), Some(Function::Distance(_)));
        if !value.path.is_type() && !distance {
            let field = value.path.spec(self.schema);
            if !field.sortable() || field.kind.is_compound() {
                return Err(SoqlError::at(
                    "MALFORMED_QUERY",
                    self.soql,
                    expr.at(),
                    &format!("field '{}' can not be sorted in a query call", field.name),
                ));
            }
        }
        Ok(Sort {
            kind: value.kind,
            values: picklist_order(self.schema, &value),
            descending,
            nulls_last,
            value,
        })
    }

    fn select(&self, query: &Query, plan: &mut Plan) -> Result<(), SoqlError> {
        let mut children = 0;
        let mut functions = 0;
        // Columns without an alias, which may stand there once.
        let mut seen: Vec<Value> = Vec::new();
        for item in &query.items {
            match item {
                Item::Fields(which) => {
                    if which != "STANDARD" {
                        plan.unbounded = true;
                        if query.limit.is_none_or(|n| n > MAX_FIELDS_ROWS) {
                            return Err(SoqlError::malformed(
                                "The SOQL FIELDS function must have a LIMIT of at most 200",
                            ));
                        }
                    }
                    for (at, field) in self.schema.objects[self.object].fields.iter().enumerate() {
                        let wanted = which == "ALL" || (which == "CUSTOM") == field.custom;
                        let flat = !self.asker.flat || !field.kind.is_compound();
                        if wanted && flat && self.asker.access.sees(self.object, at) {
                            self.column(plan, &mut seen, plain(self.own(at), &field.name), None)?;
                        }
                    }
                }
                Item::Expr(Expr::Path(_), Some(_)) => {
                    return Err(SoqlError::malformed(
                        "only aggregate expressions use field aliasing",
                    ));
                }
                Item::Expr(expr, alias) => {
                    let value = self.value(expr)?;
                    let distance = matches!(value.calls.first(), Some(Function::Distance(_)));
                    if value
                        .calls
                        .iter()
                        .any(|c| matches!(c, Function::Date(_) | Function::DayOnly | Function::Local(_)))
                    {
                        // Parts of dates are there for grouping.
                        return Err(must_be_grouped(expr));
                    }
                    let key = alias.clone().or_else(|| {
                        distance.then(|| {
                            functions += 1;
                            format!("expr{}", functions - 1)
                        })
                    });
                    self.column(plan, &mut seen, value, key)?;
                }
                Item::Children(inner, at) => {
                    children += 1;
                    if children > MAX_CHILDREN {
                        return Err(SoqlError::malformed(format!(
                            "a query may have up to {MAX_CHILDREN} queries of children"
                        )));
                    }
                    let node = self.children(inner, *at)?;
                    plan.nodes.push(node);
                }
                Item::TypeOf(inner) => {
                    let node = self.type_of(inner)?;
                    plan.nodes.push(node);
                }
            }
        }
        Ok(())
    }

    fn column(
        &self,
        plan: &mut Plan,
        seen: &mut Vec<Value>,
        value: Value,
        alias: Option<String>,
    ) -> Result<(), SoqlError> {
        let value = self.masked(value);
        if let Some(alias) = alias {
            plan.nodes.push(Node::Leaf(alias, value.clone()));
            plan.columns.push(value);
            return Ok(());
        }
        if seen.iter().any(|c| c.path.same(&value.path)) {
            return Err(SoqlError::new(
                "INVALID_FIELD",
                format!("duplicate field selected: {}", value.written),
            ));
        }
        self.place(&mut plan.nodes, &value, 0);
        seen.push(value.clone());
        plan.columns.push(value);
        Ok(())
    }

    /// Encrypted texts are shown to few.
    fn masked(&self, mut value: Value) -> Value {
        if value.path.kind == Kind::Encrypted && !self.asker.access.may(Permission::ViewEncryptedData) {
            value.calls.insert(0, Function::Mask);
        }
        value
    }

    /// Puts a column into the tree of a record; keys carry the names of the metadata.
    fn place(&self, nodes: &mut Vec<Node>, column: &Value, depth: usize) {
        let Some(hop) = column.path.hops.get(depth) else {
            let key = match &column.path.leaf {
                Leaf::TypeName => "Type".to_owned(),
                Leaf::OneOf(_) => {
                    let written = column.written.rsplit('.').next().unwrap_or_default();
                    let name = &column.path.spec(self.schema).name;
                    if name.eq_ignore_ascii_case(written) {
                        name.clone()
                    } else {
                        written.to_owned()
                    }
                }
                Leaf::Field(_) => column.path.spec(self.schema).name.clone(),
            };
            nodes.push(Node::Leaf(key, column.clone()));
            return;
        };
        let key = self.schema.objects[hop.from].fields[hop.field]
            .relationship_name
            .clone()
            .unwrap_or_default();
        let at = match nodes
            .iter()
            .position(|n| matches!(n, Node::Parent(k, ..) if *k == key))
        {
            Some(at) => at,
            None => {
                nodes.push(Node::Parent(key, hop.clone(), Vec::new()));
                nodes.len() - 1
            }
        };
        if let Node::Parent(_, _, inner) = &mut nodes[at] {
            self.place(inner, column, depth + 1);
        }
    }

    fn children(&self, query: &Query, at: usize) -> Result<Node, SoqlError> {
        let deepest = if self.asker.version >= 58 { MAX_DEPTH } else { 1 };
        if self.depth >= deepest || self.inner {
            return Err(SoqlError::at(
                "MALFORMED_QUERY",
                self.soql,
                at,
                &format!(
                    "SOQL statements cannot query aggregate relationships more than {deepest} level{} away from the root entity object.",
                    if deepest == 1 { "" } else { "s" }
                ),
            ));
        }
        let name = query.from.last();
        let own = &self.schema.objects[self.object];
        // `FROM Account.Contacts` and `FROM a.Contacts` say whose children they are.
        let prefixed = match &query.from.parts[..] {
            [_] => true,
            [prefix, _] => {
                prefix.eq_ignore_ascii_case(&own.name)
                    || self.alias.is_some_and(|a| a.eq_ignore_ascii_case(prefix))
            }
            _ => false,
        };
        let access = self.asker.access;
        let found = self.schema.children(self.object).iter().copied().find(|(o, f)| {
            access.rights(*o).read
                && access.sees(*o, *f)
                && self.schema.objects[*o].fields[*f]
                    .child_relationship
                    .as_deref()
                    .is_some_and(|r| r.eq_ignore_ascii_case(name))
        });
        let Some((child, link)) = found.filter(|_| prefixed) else {
            return Err(SoqlError::at(
                "INVALID_TYPE",
                self.soql,
                query.from.at,
                &format!(
                    "Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. {NAMES_HINT}"
                ),
            ));
        };
        let key = self.schema.objects[child].fields[link]
            .child_relationship
            .clone()
            .unwrap_or_default();
        let plan = self.within(query, child).plan(query)?;
        Ok(Node::Children(
            key,
            Arc::new(Children {
                plan: Arc::new(plan),
                link,
            }),
        ))
    }

    fn type_of(&self, written: &TypeOf) -> Result<Node, SoqlError> {
        let (hops, place) = self.parent(&written.path)?;
        let (Place::Name(targets), [hop]) = (place, &hops[..]) else {
            return Err(self.invalid(
                written.path.at,
                &format!(
                    "TYPEOF can only be used with a polymorphic relationship: {}",
                    written.path.text()
                ),
            ));
        };
        let key = self.schema.objects[hop.from].fields[hop.field]
            .relationship_name
            .clone()
            .unwrap_or_default();
        let mut branches = Vec::new();
        for (name, fields) in &written.branches {
            let object = self
                .asker
                .access
                .object(self.schema, &name.text())
                .filter(|o| targets.contains(o))
                .ok_or_else(|| {
                    SoqlError::at(
                        "INVALID_TYPE",
                        self.soql,
                        name.at,
                        &format!("sObject type '{}' is not supported. {NAMES_HINT}", name.text()),
                    )
                })?;
            // The fields of a branch are read as those of a statement about its object.
            let branch = Compiler {
                object,
                alias: None,
                aliases: Vec::new(),
                parents: RefCell::default(),
                semi_joins: Cell::new(0),
                ..*self
            };
            let mut nodes = Vec::new();
            for path in fields {
                let value = self.masked(plain(branch.path(path)?, &path.text()));
                branch.place(&mut nodes, &value, 0);
            }
            branches.push((object, nodes));
        }
        let mut otherwise = Vec::new();
        for path in &written.otherwise {
            let value = plain(
                self.of_name(path, Vec::new(), path.last(), &targets)?,
                &path.text(),
            );
            self.place(&mut otherwise, &value, 0);
        }
        Ok(Node::TypeOf(key, hop.clone(), branches, otherwise))
    }

    /// The filter behind USING SCOPE.
    fn scope(&self, scope: &str, at: usize) -> Result<Option<Test<Value>>, SoqlError> {
        let owner = self.field(self.object, "OwnerId");
        let test = match (scope.to_ascii_lowercase().as_str(), owner) {
            ("everything", _) => return Ok(None),
            ("mine", Some(owner)) => Test::Text(
                plain(self.own(owner), "OwnerId"),
                Op::Eq,
                self.asker.user.clone(),
                false,
            ),
            ("queue_owned", Some(owner)) => Test::Like(
                plain(self.own(owner), "OwnerId"),
                super::pattern::Pattern::new("00g%"),
            ),
            ("user_owned", Some(owner)) => Test::Like(
                plain(self.own(owner), "OwnerId"),
                super::pattern::Pattern::new("005%"),
            ),
            (
                "team" | "delegated" | "scopingrule" | "mine_and_my_groups" | "my_territory"
                | "my_team_territory",
                Some(_),
            ) => {
                return Err(SoqlError::not_emulated(&format!("SOQL scope {scope}")));
            }
            _ => {
                return Err(SoqlError::at(
                    "MALFORMED_QUERY",
                    self.soql,
                    at,
                    &format!("scope '{scope}' is not supported on this entity"),
                ));
            }
        };
        Ok(Some(test))
    }
}

/// A column that is a field.
pub(super) fn plain(path: PathRef, written: &str) -> Value {
    Value {
        kind: path.kind,
        path,
        calls: Vec::new(),
        written: written.to_owned(),
    }
}

pub(super) fn is_distance(value: &Value) -> bool {
    matches!(value.calls.first(), Some(Function::Distance(_)))
}

fn is_count(query: &Query) -> bool {
    matches!(&query.items[..], [Item::Expr(Expr::Call(call), None)] if call.name == "COUNT" && call.args.is_empty())
}

/// Whether an expression is about many rows.
pub(super) fn is_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => {
            matches!(
                call.name.as_str(),
                "COUNT" | "COUNT_DISTINCT" | "SUM" | "AVG" | "MIN" | "MAX" | "GROUPING"
            ) || call.args.iter().any(is_aggregate)
        }
        _ => false,
    }
}

fn is_grouped(query: &Query) -> bool {
    query.group.is_some()
        || query
            .items
            .iter()
            .any(|i| matches!(i, Item::Expr(expr, _) if is_aggregate(expr)))
}

pub(super) fn must_be_grouped(expr: &Expr) -> SoqlError {
    let name = expr.path().map(Path::text).unwrap_or_default();
    SoqlError::malformed(format!("Field must be grouped or aggregated: {name}"))
}

/// A picklist is sorted as its values are defined.
pub(super) fn picklist_order(schema: &Schema, value: &Value) -> Vec<String> {
    if value.path.is_type() || !value.calls.is_empty() {
        return Vec::new();
    }
    let field = value.path.spec(schema);
    field.picklist.iter().map(|p| p.value.clone()).collect()
}
