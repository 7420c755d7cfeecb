//! What the fields of a target get: the values of `map`, and what they name.

use std::sync::Arc;

use super::{Each, FieldUse, SemiJoin, StepRef};
use crate::{
    diag::Span,
    pipeline::{
        expr::{Expr, Kind},
        soql::Condition,
    },
    record::{FieldPath, Value},
};

/// One line of `map`.
#[derive(Clone, Debug)]
pub struct FieldMap {
    /// The target field, or a relationship path (`Account.Legacy_Id__c`).
    pub field: FieldPath,
    /// Where the field stands.
    pub span: Span,
    /// What it gets.
    pub value: MapValue,
    /// Where the value stands.
    pub value_span: Span,
    /// Every literal text in the value (`{ value: X }`, `otherwise: { value: X }`) and where it stands.
    pub literals: Vec<(String, Span)>,
}

/// A mapping value.
#[derive(Clone, Debug)]
pub enum MapValue {
    /// An expression or a template.
    Expr(Expr),
    /// A literal: number, `true`, `null`, or the text of `{ value: ... }`.
    Literal(Value),
    /// The value where the condition holds; else the field is left out.
    When {
        /// The condition.
        condition: Expr,
        /// The value.
        then: Box<MapValue>,
    },
    /// The value where the record is created, or updated; else the field is left out.
    Only {
        /// Which of the two.
        on: Only,
        /// The value.
        then: Box<MapValue>,
    },
    /// Nothing: the field is left out. Not written by users; what `only` comes to.
    Omit,
    /// The first of several values that is neither null, nor missing, nor left out.
    First(Vec<MapValue>),
    /// A value mapping.
    Table {
        /// The table.
        table: Arc<Table>,
        /// What is looked up.
        of: Box<MapValue>,
        /// When it is not there.
        otherwise: Missing,
    },
    /// Id in the target of the row that a step wrote.
    Ref {
        /// The steps, in the order in which they are asked.
        steps: Vec<StepRef>,
        /// The source row's id.
        of: Box<MapValue>,
        /// This field of the record instead of its Id.
        give: Option<(FieldPath, Span)>,
        /// When there is no such row.
        missing: Missing,
        /// Where it stands, for findings.
        span: Span,
    },
    /// Id of a record of the target org.
    Lookup {
        /// What to look up, shared so that equal lookups share their answers.
        lookup: Arc<Lookup>,
        /// The values of `by`, in its order.
        of: Vec<MapValue>,
        /// When there is none.
        otherwise: Missing,
    },
    /// RecordTypeId by developer name.
    RecordType {
        /// The developer name.
        of: Box<MapValue>,
        /// When there is none.
        otherwise: Missing,
    },
    /// The first match of a JSONPath in a JSON value, or null.
    JsonPath {
        /// RFC 9535.
        path: String,
        /// The JSON value.
        of: Box<MapValue>,
    },
    /// Repeatable anonymisation.
    Mask {
        /// What the value looks like.
        kind: Mask,
        /// The value.
        of: Box<MapValue>,
    },
}

impl MapValue {
    /// The mapping values inside this one, one level down.
    pub fn parts(&self) -> Vec<&MapValue> {
        match self {
            MapValue::Expr(_) | MapValue::Literal(_) | MapValue::Omit => Vec::new(),
            MapValue::First(values) | MapValue::Lookup { of: values, .. } => values.iter().collect(),
            MapValue::When { then: of, .. }
            | MapValue::Only { then: of, .. }
            | MapValue::Table { of, .. }
            | MapValue::Ref { of, .. }
            | MapValue::RecordType { of, .. }
            | MapValue::JsonPath { of, .. }
            | MapValue::Mask { of, .. } => vec![of],
        }
    }

    fn parts_mut(&mut self) -> Vec<&mut MapValue> {
        match self {
            MapValue::Expr(_) | MapValue::Literal(_) | MapValue::Omit => Vec::new(),
            MapValue::First(values) | MapValue::Lookup { of: values, .. } => values.iter_mut().collect(),
            MapValue::When { then: of, .. }
            | MapValue::Only { then: of, .. }
            | MapValue::Table { of, .. }
            | MapValue::Ref { of, .. }
            | MapValue::RecordType { of, .. }
            | MapValue::JsonPath { of, .. }
            | MapValue::Mask { of, .. } => vec![of],
        }
    }

    /// Calls `visit` with this value and all inside it.
    pub fn each(&self, visit: &mut dyn FnMut(&MapValue)) {
        visit(self);
        for part in self.parts() {
            part.each(visit);
        }
    }

    /// Whether this value, or one inside it, is such a one.
    pub fn any(&self, is: impl Fn(&MapValue) -> bool) -> bool {
        let mut found = false;
        self.each(&mut |value| found |= is(value));
        found
    }

    /// The columns whose values reach the target as they are, or changed by an expression; `each` is the step's. What a
    /// table, a record or a mask gives is not what was read, and neither is whether something holds.
    pub fn carried(&self, each: Option<&Each>) -> Vec<usize> {
        let mut columns = Vec::new();
        self.carry(each, &mut columns);
        columns
    }

    fn carry(&self, each: Option<&Each>, columns: &mut Vec<usize>) {
        match self {
            MapValue::Expr(expr) => {
                if expr.kind() != Kind::Bool {
                    columns.extend(expr.columns());
                    if expr.reads_item() {
                        columns.extend(each.iter().flat_map(|each| each.expr.columns()));
                    }
                }
            }
            MapValue::When { then, .. } | MapValue::Only { then, .. } => then.carry(each, columns),
            MapValue::First(values) => values.iter().for_each(|value| value.carry(each, columns)),
            MapValue::JsonPath { of, .. }
            | MapValue::Table {
                of,
                otherwise: Missing::Keep,
                ..
            } => of.carry(each, columns),
            MapValue::Table { .. }
            | MapValue::Ref { .. }
            | MapValue::Lookup { .. }
            | MapValue::RecordType { .. }
            | MapValue::Mask { .. }
            | MapValue::Literal(_)
            | MapValue::Omit => {}
        }
    }

    /// Whether there is a `lookup` in it.
    pub fn looks_up(&self) -> bool {
        self.any(|value| matches!(value, MapValue::Lookup { .. }))
    }

    /// What is left of it for a record that is created, or for one that is updated: `only` settled.
    pub fn on(&self, action: Only) -> MapValue {
        self.changed(&|value| match value {
            MapValue::Only { on, then } if *on == action => Some(then.on(action)),
            MapValue::Only { .. } => Some(MapValue::Omit),
            _ => None,
        })
    }

    /// The same value, but where `change` gives another one for it or for a value inside it. What it gives is not
    /// looked into again.
    pub fn changed(&self, change: &dyn Fn(&MapValue) -> Option<MapValue>) -> MapValue {
        if let Some(changed) = change(self) {
            return changed;
        }
        let mut value = self.clone();
        for part in value.parts_mut() {
            *part = part.changed(change);
        }
        value
    }
}

/// `only`, and what a test's row becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    /// A record that the target does not have yet.
    #[default]
    Create,
    /// A record that it has.
    Update,
}

/// What a masked value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mask {
    /// An e-mail address that reaches nobody.
    Email,
    /// A name that can be read.
    Name,
    /// A phone number of the same shape.
    Phone,
    /// A text of the same length and shape.
    Text,
    /// As many digits.
    Digits,
}

impl Mask {
    /// All of them.
    pub const ALL: [Mask; 5] = [Mask::Email, Mask::Name, Mask::Phone, Mask::Text, Mask::Digits];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Mask::Email => "email",
            Mask::Name => "name",
            Mask::Phone => "phone",
            Mask::Text => "text",
            Mask::Digits => "digits",
        }
    }
}

/// A value mapping: texts to values, exactly.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// For messages: its name, or `inline`.
    pub name: String,
    /// Where each text leads.
    pub entries: std::collections::HashMap<String, Value>,
    /// Where the values stand, by the text that leads to them; for findings.
    pub places: std::collections::HashMap<String, Span>,
}

/// A search in the target org.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The sobject.
    pub object: String,
    /// Where it is named.
    pub object_span: Span,
    /// The fields that are compared.
    pub by: Vec<(FieldPath, Span)>,
    /// A further condition, with binds.
    pub condition: Option<Condition>,
    /// Where the condition stands.
    pub condition_span: Span,
    /// The fields that the condition looks at.
    pub filters: Vec<FieldUse>,
    /// Its semi-joins.
    pub semi_joins: Vec<SemiJoin>,
    /// This field of the record found instead of its Id.
    pub give: Option<(FieldPath, Span)>,
}

/// What a table, ref, lookup or record type does when there is no match.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Missing {
    /// The row waits.
    #[default]
    Park,
    /// The row is `filtered`.
    Skip,
    /// The field is null.
    Null,
    /// The field is left out.
    Omit,
    /// The run stops, exit 5.
    Stop,
    /// This value instead.
    Value(Value),
    /// Tables: the value as it is.
    Keep,
}
