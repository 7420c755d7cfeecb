//! What is known of an expression's values before any row is seen: their type, how long they can be, and which they
//! can be. Where nothing is known, nothing is said: [`Type::default`] is any value at all.

use super::{
    Expr,
    filters::FilterCall,
    tree::{BinaryOp, EachCall, Node, RunField, Stmt},
};
use crate::record::Value;

/// Which values can come out. Null can, always.
///
/// A value that stands in the file itself is in [`Type::written`]; all else that is said here is said of the values that
/// are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Type {
    /// What they are.
    pub kind: TypeKind,
    /// Most characters as text; `None`: not known.
    pub length: Option<u32>,
    /// Of numbers: most digits before the point.
    pub whole: Option<u32>,
    /// Of numbers: most digits behind the point.
    pub scale: Option<u32>,
    /// Literals of the file that may come out.
    pub written: Vec<Value>,
    /// What else may come out, where that is a closed list; `None`: anything.
    pub read: Option<Vec<String>>,
    /// Of Ids: whose.
    pub ids: Option<Ids>,
    /// Of texts: made of several values with this between them.
    pub joined: Option<String>,
}

/// What values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeKind {
    /// It depends on the row.
    #[default]
    Any,
    /// Nothing but null.
    Null,
    /// True or false.
    Bool,
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Several values of a picklist as one text, `a;b`.
    Multi,
    /// Days.
    Date,
    /// Moments.
    DateTime,
    /// Times of day.
    Time,
    /// Ids of records.
    Id,
    /// A list; what is said of the values is said of its entries.
    List,
    /// Several fields as one, or a file's body: no value for any one field.
    Compound,
}

/// Whose Ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The sobjects whose records they may be.
    pub objects: Vec<String>,
    /// Whether they are Ids of the source org.
    pub of_source: bool,
}

impl Type {
    /// Values of a kind, of which no more is known.
    pub fn of(kind: TypeKind) -> Type {
        Type {
            kind,
            length: match kind {
                TypeKind::Bool => Some(5),
                TypeKind::Date => Some(10),
                TypeKind::DateTime => Some(24),
                TypeKind::Time => Some(13),
                TypeKind::Id => Some(18),
                _ => None,
            },
            ..Type::default()
        }
    }

    /// Texts of at most so many characters.
    pub fn text(length: Option<u32>) -> Type {
        Type {
            length,
            ..Type::of(TypeKind::Text)
        }
    }

    /// Numbers of at most so many digits before and behind the point.
    pub fn number(whole: Option<u32>, scale: Option<u32>) -> Type {
        Type {
            whole,
            scale,
            // A sign and a point.
            length: whole.zip(scale).map(|(whole, scale)| whole + scale + 2),
            ..Type::of(TypeKind::Number)
        }
    }

    /// A literal.
    pub fn constant(value: &Value) -> Type {
        let kind = match value {
            Value::Null => TypeKind::Null,
            Value::Bool(_) => TypeKind::Bool,
            Value::Number(_) => TypeKind::Number,
            Value::Text(_) => TypeKind::Text,
            Value::Json(_) => TypeKind::Any,
        };
        Type {
            kind,
            length: Some(0),
            whole: Some(0),
            scale: Some(0),
            written: match value {
                Value::Null => Vec::new(),
                value => vec![value.clone()],
            },
            read: (kind != TypeKind::Any).then(Vec::new),
            ..Type::default()
        }
    }

    /// Whether only literals of the file can come out.
    pub fn is_constant(&self) -> bool {
        self.read.as_ref().is_some_and(Vec::is_empty)
    }

    /// Most characters of anything that can come out.
    pub fn longest(&self) -> Option<u32> {
        let written = self.written.iter().map(characters).max().unwrap_or_default();
        self.length.map(|read| read.max(written))
    }

    /// Values of the one or of the other.
    #[must_use]
    pub fn or(self, other: Type) -> Type {
        let kind = match (self.kind, other.kind) {
            (a, b) if a == b => a,
            (TypeKind::Null, kind) | (kind, TypeKind::Null) => kind,
            // A literal does not make a text less of a text, nor a date less of a date.
            (TypeKind::Text, kind) if self.is_constant() => kind,
            (kind, TypeKind::Text) if other.is_constant() => kind,
            _ => TypeKind::Any,
        };
        let most = |a: Option<u32>, b: Option<u32>| a.zip(b).map(|(a, b)| a.max(b));
        let ids = match (self.ids.clone(), other.ids.clone()) {
            (Some(mut a), Some(b)) if a.of_source == b.of_source => {
                a.objects.extend(b.objects);
                Some(a)
            }
            (Some(ids), None) if other.is_constant() => Some(ids),
            (None, Some(ids)) if self.is_constant() => Some(ids),
            _ => None,
        };
        Type {
            kind,
            length: most(self.length, other.length),
            whole: most(self.whole, other.whole),
            scale: most(self.scale, other.scale),
            written: self.written.into_iter().chain(other.written).collect(),
            read: self
                .read
                .zip(other.read)
                .map(|(a, b)| a.into_iter().chain(b).collect()),
            ids,
            joined: self.joined.or(other.joined),
        }
    }

    /// The same values as texts of which only the length is known.
    fn as_text(&self) -> Type {
        Type::text(self.longest())
    }

    /// Each value changed in the same way; the length stays.
    fn each(self, change: impl Fn(&str) -> String) -> Type {
        let text = |value: &Value| match value.as_text() {
            Some(text) => Value::text(change(text)),
            None => value.clone(),
        };
        Type {
            kind: match self.kind {
                TypeKind::Null | TypeKind::Any => self.kind,
                _ => TypeKind::Text,
            },
            written: self.written.iter().map(text).collect(),
            read: self
                .read
                .map(|read| read.iter().map(|text| change(text)).collect()),
            ids: None,
            ..self
        }
    }

    /// The entries of a list, or the values of a multi-select text, one by one.
    fn entries(self) -> Type {
        Type {
            kind: TypeKind::Any,
            joined: None,
            ..self
        }
    }
}

/// How many characters a value has as text.
pub fn characters(value: &Value) -> u32 {
    value
        .as_text()
        .map_or(0, |text| u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

impl Expr {
    /// What is known of its values, given what is known of the columns.
    pub fn infer(&self, column: &dyn Fn(usize) -> Type) -> Type {
        let mut infer = Infer {
            column,
            locals: vec![Type::default(); self.slots],
        };
        infer.node(&self.node)
    }

    /// Whether its text can take ` | filter` at its end without parentheses.
    pub fn is_filterable(&self) -> bool {
        matches!(
            self.node,
            Node::Column(_)
                | Node::Const(_)
                | Node::Var(_)
                | Node::Run(_)
                | Node::Item
                | Node::ItemNumber
                | Node::Attr(..)
                | Node::Index(_)
                | Node::Slice(_)
                | Node::Filter(..)
                | Node::Each(_)
        )
    }
}

struct Infer<'a> {
    column: &'a dyn Fn(usize) -> Type,
    /// By slot.
    locals: Vec<Type>,
}

impl Infer<'_> {
    fn node(&mut self, node: &Node) -> Type {
        match node {
            Node::Const(value) => Type::constant(value),
            Node::Column(column) => (self.column)(*column),
            Node::Run(RunField::StartedAt) => Type::of(TypeKind::DateTime),
            Node::Run(_) => Type::text(None),
            Node::ItemNumber => Type::number(None, Some(0)),
            Node::Local(slot) => self.locals.get(*slot).cloned().unwrap_or_default(),
            Node::Slice(parts) => {
                let sliced = self.node(&parts.0);
                self.slice(sliced, &parts.1)
            }
            Node::List(entries) => {
                let entries: Vec<Type> = entries.iter().map(|entry| self.node(entry)).collect();
                Type {
                    kind: TypeKind::List,
                    ..entries
                        .into_iter()
                        .reduce(Type::or)
                        .unwrap_or_else(|| Type::constant(&Value::Null))
                }
            }
            Node::Not(_) | Node::Compare(..) | Node::Test(..) => Type::of(TypeKind::Bool),
            Node::Neg(of) => {
                let of = self.node(of);
                Type::number(of.whole, of.scale)
            }
            Node::Chain(first, rest) => {
                let mut left = self.node(first);
                for (op, right) in rest {
                    let right = self.node(right);
                    left = chained(left, *op, right);
                }
                left
            }
            Node::If(parts) => {
                let then = self.node(&parts.1);
                match &parts.2 {
                    Some(otherwise) => then.or(self.node(otherwise)),
                    None => then,
                }
            }
            Node::Filter(input, call) => {
                let input = self.node(input);
                self.filter(input, call)
            }
            Node::Each(parts) => {
                let list = self.node(&parts.0);
                match &parts.1 {
                    EachCall::Select { .. } => list,
                    EachCall::Filter(call) => Type {
                        kind: TypeKind::List,
                        ..self.filter(list.entries(), call)
                    },
                    EachCall::Attribute(..) => Type::of(TypeKind::List),
                }
            }
            Node::Range(_) => Type::of(TypeKind::List),
            Node::Template(statements) => self.template(statements),
            Node::Var(_) | Node::Item | Node::Attr(..) | Node::Index(_) | Node::Map(_) => Type::default(),
        }
    }

    fn slice(&mut self, sliced: Type, parts: &[Option<Node>; 3]) -> Type {
        let bound = |at: usize| match &parts[at] {
            None => Some(None),
            Some(Node::Const(Value::Number(n))) => n.as_str().parse::<u32>().ok().map(Some),
            Some(_) => None,
        };
        if sliced.kind == TypeKind::List {
            return sliced;
        }
        let most = match (bound(0), bound(1), &parts[2]) {
            (Some(start), Some(Some(stop)), None) => Some(stop.saturating_sub(start.unwrap_or_default())),
            _ => None,
        };
        let all = sliced.longest();
        Type::text(match (all, most) {
            (Some(all), Some(most)) => Some(all.min(most)),
            (all, most) => most.or(all),
        })
    }

    fn filter(&mut self, input: Type, call: &FilterCall) -> Type {
        let constant = |slot: usize| match call.args.get(slot) {
            Some(Some(Node::Const(value))) => Some(value),
            _ => None,
        };
        let whole = |slot: usize| constant(slot)?.as_text()?.parse::<u32>().ok();
        let given = |slot: usize| call.args.get(slot).is_some_and(Option::is_some);
        match call.filter.name {
            "decimal" | "round" => Type::number(
                // Rounding can add a digit: 9.99 becomes 10.0.
                input
                    .whole
                    .filter(|_| input.kind == TypeKind::Number)
                    .map(|whole| whole + 1),
                match (whole(0), given(0)) {
                    (Some(scale), _) => Some(scale),
                    (None, true) => None,
                    (None, false) if call.filter.name == "round" => Some(0),
                    (None, false) => input.scale.filter(|_| input.kind == TypeKind::Number),
                },
            ),
            "abs" => Type::number(input.whole, input.scale),
            "int" => Type::number(input.whole.filter(|_| input.kind == TypeKind::Number), Some(0)),
            "length" | "count" => Type::number(Some(10), Some(0)),
            "sum" | "float" => Type::of(TypeKind::Number),
            "date" => Type::of(TypeKind::Date),
            "datetime" => Type::of(TypeKind::DateTime),
            "bool" => Type::of(TypeKind::Bool),
            "id18" => match input.ids {
                Some(_) => input,
                None => Type::text(Some(18)),
            },
            "hash" => Type::text(Some(64)),
            "truncate" => {
                let most = whole(0);
                let all = input.longest();
                Type::text(match (all, most) {
                    (Some(all), Some(most)) => Some(all.min(most)),
                    (all, most) => most.or(all),
                })
            }
            "trim" if !given(0) => input.each(|text| text.trim().to_owned()),
            "upper" => input.each(str::to_uppercase),
            "lower" => input.each(str::to_lowercase),
            "title" | "capitalize" | "trim" => input.as_text(),
            "string" => input.as_text(),
            "replace" => {
                let shrinks = constant(0)
                    .map(characters)
                    .zip(constant(1).map(characters))
                    .is_some_and(|(from, to)| to <= from);
                Type::text(input.longest().filter(|_| shrinks))
            }
            "default" | "d" => match call.args.first() {
                Some(Some(instead)) => {
                    let instead = self.node(instead);
                    input.or(instead)
                }
                _ => input,
            },
            "split_multi" => Type {
                kind: TypeKind::List,
                length: input.read.as_ref().and_then(|read| {
                    let longest = read.iter().map(|value| value.chars().count()).max();
                    u32::try_from(longest.unwrap_or_default()).ok()
                }),
                ..input
            },
            "join_multi" => Type {
                kind: TypeKind::Multi,
                length: None,
                joined: None,
                ..input
            },
            "join" => match constant(0).and_then(Value::as_text) {
                Some(";") => Type {
                    kind: TypeKind::Multi,
                    length: None,
                    ..input
                },
                between => Type {
                    joined: between.map(str::to_owned),
                    ..Type::text(None)
                },
            },
            "split" | "lines" | "items" => Type::of(TypeKind::List),
            "list" | "unique" | "sort" => Type {
                kind: TypeKind::List,
                ..input
            },
            "first" | "last" | "min" | "max" => input.entries(),
            "reverse" if input.kind == TypeKind::List => input,
            "reverse" => input.as_text(),
            "indent" | "tojson" | "urlencode" => Type::text(None),
            // Whatever is newer than this table.
            _ => Type::default(),
        }
    }

    /// A template: text, whose parts add up.
    fn template(&mut self, statements: &[Stmt]) -> Type {
        if let [Stmt::Text(text)] = statements {
            return Type::constant(&Value::text(&**text));
        }
        Type::text(self.block(statements))
    }

    fn block(&mut self, statements: &[Stmt]) -> Option<u32> {
        let mut length = Some(0_u32);
        for statement in statements {
            let more = match statement {
                Stmt::Text(text) => Some(u32::try_from(text.chars().count()).unwrap_or(u32::MAX)),
                Stmt::Print { node, .. } => self.node(node).longest(),
                Stmt::If { then, otherwise, .. } => {
                    let then = self.block(then);
                    let otherwise = self.block(otherwise);
                    then.zip(otherwise).map(|(a, b)| a.max(b))
                }
                Stmt::Set(slot, node) => {
                    let value = self.node(node);
                    self.set(*slot, value);
                    Some(0)
                }
                Stmt::Capture(slot, body) => {
                    let captured = Type::text(self.block(body));
                    self.set(*slot, captured);
                    Some(0)
                }
                Stmt::For(_) => None,
            };
            length = length.zip(more).map(|(a, b)| a.saturating_add(b));
        }
        length
    }

    fn set(&mut self, slot: usize, value: Type) {
        if let Some(local) = self.locals.get_mut(slot) {
            // Set in one branch and again in another: either may be what is printed.
            *local = match std::mem::take(local) {
                unset if unset == Type::default() => value,
                before => before.or(value),
            };
        }
    }
}

fn chained(left: Type, op: BinaryOp, right: Type) -> Type {
    let both = |a: Option<u32>, b: Option<u32>, join: fn(u32, u32) -> u32| a.zip(b).map(|(a, b)| join(a, b));
    match op {
        BinaryOp::Compare(_) => Type::of(TypeKind::Bool),
        BinaryOp::And | BinaryOp::Or => left.or(right),
        BinaryOp::Concat => Type::text(both(left.longest(), right.longest(), u32::saturating_add)),
        BinaryOp::Add | BinaryOp::Sub => {
            if left.kind == TypeKind::List || right.kind == TypeKind::List {
                return Type::of(TypeKind::List);
            }
            let (left, right) = (digits(&left), digits(&right));
            Type::number(
                both(left.0, right.0, |a, b| a.max(b) + 1),
                both(left.1, right.1, u32::max),
            )
        }
        BinaryOp::Mul => {
            let (left, right) = (digits(&left), digits(&right));
            Type::number(
                both(left.0, right.0, |a, b| a + b),
                both(left.1, right.1, |a, b| a + b),
            )
        }
        // A quotient may have as many digits as a number can.
        BinaryOp::Div => Type::number(None, Some(28)),
        BinaryOp::FloorDiv => Type::number(digits(&left).0, Some(0)),
        BinaryOp::Rem => Type::number(
            digits(&right).0,
            both(digits(&left).1, digits(&right).1, u32::max),
        ),
        BinaryOp::Pow => Type::of(TypeKind::Number),
    }
}

/// Digits before and behind the point.
fn digits(of: &Type) -> (Option<u32>, Option<u32>) {
    if of.kind != TypeKind::Number {
        return (None, None);
    }
    let written = |part: fn(&str) -> usize| {
        let most = of.written.iter().filter_map(Value::as_text).map(part).max();
        u32::try_from(most.unwrap_or_default()).unwrap_or(u32::MAX)
    };
    let whole = written(|text| {
        text.split('.')
            .next()
            .map_or(0, |w| w.trim_start_matches('-').len())
    });
    let scale = written(|text| text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
    (of.whole.map(|n| n.max(whole)), of.scale.map(|n| n.max(scale)))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Scope, UnknownField},
        *,
    };
    use std::borrow::Cow;

    use crate::record::FieldPath;

    /// Columns: 0 text of 40, 1 number(8,2), 2 a picklist, 3 a moment, 4 several values, 5 unknown.
    struct Six;

    impl Scope for Six {
        fn field(&mut self, path: &FieldPath) -> Result<usize, UnknownField> {
            Ok(match path.as_str() {
                "Name" => 0,
                "Amount" => 1,
                "Stage" => 2,
                "At" => 3,
                "Skills" => 4,
                _ => 5,
            })
        }

        fn var_names(&self) -> Cow<'_, [String]> {
            vec!["x".to_owned()].into()
        }
    }

    fn infer(source: &str) -> Type {
        let expr = Expr::compile(source, &mut Six).unwrap_or_else(|e| panic!("{source}: {e:?}"));
        expr.infer(&|column| match column {
            0 => Type::text(Some(40)),
            1 => Type::number(Some(6), Some(2)),
            2 => Type {
                read: Some(vec!["Open".into(), "Won".into()]),
                ..Type::text(Some(255))
            },
            3 => Type::of(TypeKind::DateTime),
            4 => Type {
                kind: TypeKind::Multi,
                read: Some(vec!["Java".into(), "SQL".into()]),
                ..Type::text(Some(4099))
            },
            _ => Type::default(),
        })
    }

    #[test]
    fn lengths_flow_through_filters_and_templates() {
        for (source, length) in [
            ("Name", Some(40)),
            ("Name | trim | upper", Some(40)),
            ("Name | truncate(10)", Some(10)),
            ("Name | truncate(100)", Some(40)),
            ("Other | truncate(10)", Some(10)),
            ("Name[:12]", Some(12)),
            ("Name ~ ' ' ~ Name", Some(81)),
            ("{{ Name }}, {{ Name }}", Some(82)),
            ("{% if Name %}{{ Name }}{% else %}none{% endif %}!", Some(41)),
            (
                "{% set all %}{{ Name }}{{ Name }}{% endset %}{{ all | truncate(50) }}",
                Some(50),
            ),
            ("{% for x in Skills | split_multi %}{{ x }}{% endfor %}", None),
            ("{{ Other }}", None),
            ("Name | replace('a', 'bc')", None),
            ("Name | replace('ab', 'c')", Some(40)),
            ("Name | default('x')", Some(40)),
            ("Name | hash", Some(64)),
            ("At ~ ''", Some(24)),
        ] {
            assert_eq!(infer(source).longest(), length, "{source}");
        }
    }

    #[test]
    fn digits_flow_through_arithmetic() {
        for (source, whole, scale) in [
            ("Amount", Some(6), Some(2)),
            ("Amount * 1.25", Some(7), Some(4)),
            ("Amount + 1", Some(7), Some(2)),
            ("-Amount", Some(6), Some(2)),
            ("Amount / 3", None, Some(28)),
            ("Amount | round", Some(7), Some(0)),
            ("Amount | decimal(1)", Some(7), Some(1)),
            ("Other * 2", None, None),
        ] {
            let found = infer(source);
            assert_eq!((found.whole, found.scale), (whole, scale), "{source}");
            assert_eq!(found.kind, TypeKind::Number, "{source}");
        }
    }

    #[test]
    fn closed_lists_stay_closed() {
        let values = |source: &str| {
            let found = infer(source);
            let written: Vec<String> = found
                .written
                .iter()
                .filter_map(|v| v.as_text().map(str::to_owned))
                .collect();
            (written.join(","), found.read.map(|read| read.join(",")))
        };
        let closed = |written: &str, read: &str| (written.to_owned(), Some(read.to_owned()));
        assert_eq!(values("Stage"), closed("", "Open,Won"));
        assert_eq!(values("Stage | upper"), closed("", "OPEN,WON"));
        assert_eq!(values("Stage | default('New')"), closed("New", "Open,Won"));
        assert_eq!(values("'A' if Name else 'B'"), closed("A,B", ""));
        assert_eq!(values("Skills | split_multi | first"), closed("", "Java,SQL"));
        assert_eq!(
            values("'A' if Name else Name"),
            ("A".to_owned(), None),
            "what is read may be anything"
        );
        assert_eq!(values("Stage | truncate(1)"), (String::new(), None));
    }

    #[test]
    fn kinds_are_told() {
        for (source, kind) in [
            ("At | date", TypeKind::Date),
            ("Name | datetime", TypeKind::DateTime),
            ("Name == 'x'", TypeKind::Bool),
            ("Skills | split_multi", TypeKind::List),
            ("Skills | split_multi | join_multi", TypeKind::Multi),
            ("Skills | split_multi | join(', ')", TypeKind::Text),
            ("At if Name else null", TypeKind::DateTime),
            ("At if Name else Amount", TypeKind::Any),
            ("Other", TypeKind::Any),
            ("vars.x", TypeKind::Any),
        ] {
            assert_eq!(infer(source).kind, kind, "{source}");
        }
        assert_eq!(
            infer("Skills | split_multi | join(', ')").joined.as_deref(),
            Some(", ")
        );
    }
}
