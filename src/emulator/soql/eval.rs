use std::{borrow::Cow, cmp::Ordering, collections::HashSet, str::FromStr};

use rust_decimal::Decimal;

use super::{
    ast::Op,
    functions::Function,
    plan::{Children, Hop, Inner, Leaf, PathRef, Plan, Test, Value},
    sort::{key, sort},
};
use crate::emulator::{
    schema::Kind,
    store::{Cell, State, Store, fold},
};

/// The rows that a plan gives, in its order.
pub(crate) fn run(store: &Store, plan: &Plan, with_deleted: bool) -> Vec<u32> {
    let mut rows = matching(store, plan, with_deleted, None);
    arrange(store, plan, &mut rows);
    rows
}

/// The children of a record that a plan gives, in its order.
pub(crate) fn children(store: &Store, children: &Children, parent: &str, with_deleted: bool) -> Vec<u32> {
    let plan = &children.plan;
    let mut rows = store
        .rows_with(plan.object, children.link, &[parent])
        .unwrap_or_else(|| {
            let table = &store.tables[plan.object];
            (0..table.len())
                .filter(|row| table.get(*row, children.link) == parent)
                .collect()
        });
    rows.retain(|row| passes(store, plan, *row, with_deleted));
    arrange(store, plan, &mut rows);
    rows
}

/// The rows that pass a plan's filter, in no order, as many as `enough` or all.
pub(super) fn matching(store: &Store, plan: &Plan, with_deleted: bool, enough: Option<usize>) -> Vec<u32> {
    let table = &store.tables[plan.object];
    let found = plan
        .filter
        .as_ref()
        .and_then(|t| candidates(store, plan.object, t));
    let enough = enough.or(match (plan.order.is_empty(), plan.limit) {
        (true, Some(limit)) => usize::try_from(limit.saturating_add(plan.offset.unwrap_or(0))).ok(),
        _ => None,
    });
    match found {
        Some(rows) => rows
            .into_iter()
            .filter(|row| passes(store, plan, *row, with_deleted))
            .collect(),
        None => (0..table.len())
            .filter(|row| passes(store, plan, *row, with_deleted))
            .take(enough.unwrap_or(usize::MAX))
            .collect(),
    }
}

fn passes(store: &Store, plan: &Plan, row: u32, with_deleted: bool) -> bool {
    let visible = match store.tables[plan.object].state(row) {
        State::Live => true,
        State::Deleted => with_deleted,
        State::Gone => false,
    };
    visible
        && store.shown(&plan.access, plan.object, row)
        && plan
            .filter
            .as_ref()
            .is_none_or(|t| holds(store, t, &|v: &Value| v.get(store, plan.object, row)))
}

/// Order, offset and limit.
fn arrange(store: &Store, plan: &Plan, rows: &mut Vec<u32>) {
    match &plan.order[..] {
        // Ids grow with the rows.
        [only] if only.value.calls.is_empty() && only.value.path.hops.is_empty() && only.kind == Kind::Id => {
            let table = &store.tables[plan.object];
            rows.sort_unstable_by(|a, b| table.get(*a, 0).cmp(table.get(*b, 0)));
            if only.descending {
                rows.reverse();
            }
        }
        keys => sort(rows, keys, |row, sort| {
            key(&sort.value.get(store, plan.object, *row), sort)
        }),
    }
    cut(rows, plan.offset, plan.limit);
}

/// What OFFSET and LIMIT leave.
pub(super) fn cut<T>(things: &mut Vec<T>, offset: Option<u64>, limit: Option<u64>) {
    if let Some(offset) = offset {
        things.drain(..things.len().min(usize::try_from(offset).unwrap_or(usize::MAX)));
    }
    if let Some(limit) = limit {
        things.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
}

/// Rows to look at, when an index can tell.
fn candidates(store: &Store, object: usize, test: &Test<Value>) -> Option<Vec<u32>> {
    let direct = |value: &Value| match value.path.leaf {
        Leaf::Field(field) if value.path.hops.is_empty() && value.calls.is_empty() => Some(field),
        _ => None,
    };
    match test {
        Test::Text(value, Op::Eq, text, _) if !text.is_empty() => {
            store.rows_with(object, direct(value)?, &[text.as_str()])
        }
        Test::In(value, false, set, _) if !set.contains("") => {
            let values: Vec<&str> = set.iter().map(Cell::as_str).collect();
            store.rows_with(object, direct(value)?, &values)
        }
        Test::Semi(value, false, inner) => {
            let values: Vec<&str> = inner.ids(store).iter().map(Cell::as_str).collect();
            store.rows_with(object, direct(value)?, &values)
        }
        Test::And(terms) => terms
            .iter()
            .filter_map(|t| candidates(store, object, t))
            .min_by_key(Vec::len),
        Test::Or(terms) => {
            let mut rows = Vec::new();
            for term in terms {
                rows.extend(candidates(store, object, term)?);
            }
            rows.sort_unstable();
            rows.dedup();
            Some(rows)
        }
        _ => None,
    }
}

impl Plan {
    /// The fields whose index leads to the rows, for whoever asks for the plan.
    pub(crate) fn indexed<'s>(&self, store: &'s Store) -> Vec<&'s str> {
        fn collect<'t>(test: &'t Test<Value>, out: &mut Vec<&'t Value>) {
            match test {
                Test::And(terms) => terms.iter().for_each(|t| collect(t, out)),
                Test::Text(value, Op::Eq, ..) | Test::In(value, false, ..) | Test::Semi(value, false, _) => {
                    out.push(value);
                }
                _ => {}
            }
        }
        let mut values = Vec::new();
        if let Some(test) = &self.filter
            && candidates(store, self.object, test).is_some()
        {
            collect(test, &mut values);
        }
        values
            .into_iter()
            .map(|v| v.path.spec(&store.schema).name.as_str())
            .collect()
    }
}

impl Inner {
    /// The Ids that the query behind IN gives, without null.
    fn ids(&self, store: &Store) -> &HashSet<Cell> {
        self.ids.get_or_init(|| {
            let Some(column) = self.plan.columns.first() else {
                return HashSet::new();
            };
            matching(store, &self.plan, false, None)
                .into_iter()
                .map(|row| Cell::new(column.get(store, self.plan.object, row)))
                .filter(|id| !id.is_empty())
                .collect()
        })
    }
}

/// The parent at the end of a step.
fn step(store: &Store, at: (usize, u32), hop: &Hop) -> Option<(usize, u32)> {
    // A parent of one of several objects may lack what another has.
    if at.0 != hop.from {
        return None;
    }
    let id = store.tables[at.0].get(at.1, hop.field);
    if id.is_empty() {
        return None;
    }
    let to = match hop.to {
        Some(to) => to,
        None => store.schema.by_id(id)?,
    };
    let row = store.row(to, id)?;
    store.readable(&hop.access, to, row).then_some((to, row))
}

/// The parent at the end of some steps.
pub(crate) fn follow(store: &Store, object: usize, row: u32, hops: &[Hop]) -> Option<(usize, u32)> {
    hops.iter()
        .try_fold((object, row), |at, hop| step(store, at, hop))
}

impl PathRef {
    /// The value that a row has there; empty for null and for a missing parent.
    fn get<'s>(&self, store: &'s Store, object: usize, row: u32) -> Cow<'s, str> {
        if self.hops.is_empty()
            && let Leaf::Field(field) = self.leaf
        {
            return own(store, object, row, field, self.kind);
        }
        match follow(store, object, row, &self.hops) {
            Some((object, row)) => self.leaf_of(store, object, row),
            None => Cow::Borrowed(""),
        }
    }

    /// The value of the leaf at a parent.
    fn leaf_of<'s>(&self, store: &'s Store, object: usize, row: u32) -> Cow<'s, str> {
        match &self.leaf {
            Leaf::Field(field) => own(store, object, row, *field, self.kind),
            Leaf::OneOf(fields) => match fields.iter().find(|(o, _)| *o == object) {
                Some((_, field)) => own(store, object, row, *field, self.kind),
                None => Cow::Borrowed(""),
            },
            Leaf::TypeName => Cow::Borrowed(&store.schema.objects[object].name),
        }
    }
}

impl Value {
    /// The value that a row has, a parent's included.
    pub(crate) fn get<'s>(&self, store: &'s Store, object: usize, row: u32) -> Cow<'s, str> {
        if self.calls.is_empty() {
            return self.path.get(store, object, row);
        }
        match follow(store, object, row, &self.path.hops) {
            Some((object, row)) => self.leaf_of(store, object, row),
            None => Cow::Borrowed(""),
        }
    }

    /// The value at the object where the path ends.
    pub(crate) fn leaf_of<'s>(&self, store: &'s Store, object: usize, row: u32) -> Cow<'s, str> {
        if let Some(Function::Distance(distance)) = self.calls.first() {
            let (latitude, longitude) = coordinates(&self.path.spec(&store.schema).name);
            let get = |name: &str| store.text(object, row, name);
            return match distance.from(get(&latitude), get(&longitude)) {
                Some(way) => Cow::Owned(way),
                None => Cow::Borrowed(""),
            };
        }
        self.calls
            .iter()
            .fold(self.path.leaf_of(store, object, row), |text, call| {
                call.apply(text)
            })
    }
}

/// The fields with the coordinates of a compound field.
pub(crate) fn coordinates(compound: &str) -> (String, String) {
    match compound.strip_suffix("__c") {
        Some(custom) => (
            format!("{custom}__Latitude__s"),
            format!("{custom}__Longitude__s"),
        ),
        None => {
            let prefix = compound.strip_suffix("Address").unwrap_or(compound);
            (format!("{prefix}Latitude"), format!("{prefix}Longitude"))
        }
    }
}

/// A cell, where a checkbox without a value is false and `IsDeleted` is known by the row's state.
fn own(store: &Store, object: usize, row: u32, field: usize, kind: Kind) -> Cow<'_, str> {
    let table = &store.tables[object];
    let cell = table.get(row, field);
    if kind == Kind::Boolean {
        if store.schema.objects[object].fields[field].name == "IsDeleted" {
            return Cow::Borrowed(if table.state(row) == State::Live {
                "false"
            } else {
                "true"
            });
        }
        if cell.is_empty() {
            return Cow::Borrowed("false");
        }
    }
    Cow::Borrowed(cell)
}

fn compares(op: Op, ordering: Ordering) -> bool {
    match op {
        Op::Eq => ordering.is_eq(),
        Op::Ne => ordering.is_ne(),
        Op::Lt => ordering.is_lt(),
        Op::Le => ordering.is_le(),
        Op::Gt => ordering.is_gt(),
        Op::Ge => ordering.is_ge(),
    }
}

/// Whether a condition holds, `get` telling the values that it is about.
pub(super) fn holds<'s, P>(store: &'s Store, test: &Test<P>, get: &impl Fn(&P) -> Cow<'s, str>) -> bool {
    match test {
        Test::And(terms) => terms.iter().all(|t| holds(store, t, get)),
        Test::Or(terms) => terms.iter().any(|t| holds(store, t, get)),
        Test::Not(term) => !holds(store, term, get),
        Test::Text(value, op, text, folds) => {
            let cell = get(value);
            if op.ordered() && cell.is_empty() {
                return false;
            }
            let ordering = if *folds {
                fold(&cell).as_str().cmp(text)
            } else {
                (*cell).cmp(text.as_str())
            };
            compares(*op, ordering)
        }
        Test::In(value, negated, set, folds) => {
            let cell = get(value);
            let found = if *folds {
                set.contains(&fold(&cell))
            } else {
                set.contains(&*cell)
            };
            found != *negated
        }
        Test::Semi(value, negated, inner) => {
            let cell = get(value);
            // Null is in no list of Ids, and an anti-join keeps it.
            inner.ids(store).contains(&*cell) != *negated
        }
        Test::Number(value, op, number) => match Decimal::from_str(&get(value)) {
            Ok(found) => compares(*op, found.cmp(number)),
            Err(_) => false,
        },
        Test::Range(value, op, from, to) => {
            let cell = get(value);
            let (cell, from, to) = (&*cell, from.as_str(), to.as_str());
            if cell.is_empty() {
                return *op == Op::Ne;
            }
            match op {
                Op::Eq => cell >= from && cell < to,
                Op::Ne => cell < from || cell >= to,
                Op::Lt => cell < from,
                Op::Le => cell < to,
                Op::Gt => cell >= to,
                Op::Ge => cell >= from,
            }
        }
        Test::Bool(value, wanted) => (get(value) == "true") == *wanted,
        Test::Like(value, pattern) => {
            let cell = get(value);
            !cell.is_empty() && pattern.fits(&fold(&cell))
        }
        Test::Includes(value, negated, sets) => {
            let cell = fold(&get(value));
            let chosen: Vec<&str> = cell.split(';').collect();
            sets.iter()
                .any(|set| set.iter().all(|v| chosen.contains(&v.as_str())))
                != *negated
        }
    }
}
