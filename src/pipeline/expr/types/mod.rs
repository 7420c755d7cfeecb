//! What is known of an expression's values before any row is seen: their type, how long they can be, and which they
//! can be. Where nothing is known, nothing is said: [`Type::default`] is any value at all.

mod clash;
mod infer;

pub use clash::{Clash, Outcome, Side};

use super::{Expr, tree::Node};
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
    /// Of lists: what their entries are.
    pub entry: TypeKind,
    /// Literals of the file that may come out.
    pub written: Vec<Written>,
    /// What else may come out, where that is a closed list; `None`: anything.
    pub read: Option<Vec<String>>,
    /// Of Ids: whose.
    pub ids: Option<Ids>,
    /// Of texts: made of several values with this between them.
    pub joined: Option<String>,
}

/// A literal of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The value.
    pub value: Value,
    /// The var whose value it is, when it does not stand in the expression itself.
    pub var: Option<Box<str>>,
}

impl Written {
    /// As [`Value::as_text`].
    pub fn as_text(&self) -> Option<&str> {
        self.value.as_text()
    }
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

    /// A literal; of a list, what its entries may be.
    pub fn constant(value: &Value) -> Type {
        if let Value::Json(json) = value
            && let Some(entries) = json.as_array()
        {
            let entries = entries
                .iter()
                .map(|entry| Type::constant(&Value::from_json(entry)));
            return Type::list_of(entries);
        }
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
                value => vec![Written {
                    value: value.clone(),
                    var: None,
                }],
            },
            read: (kind != TypeKind::Any).then(Vec::new),
            ..Type::default()
        }
    }

    /// A list of such entries.
    pub fn list_of(entries: impl Iterator<Item = Type>) -> Type {
        let entries = entries
            .reduce(Type::or)
            .unwrap_or_else(|| Type::constant(&Value::Null));
        Type {
            kind: TypeKind::List,
            entry: entries.kind,
            ..entries
        }
    }

    /// The same, its literals marked as those of a var.
    #[must_use]
    pub fn of_var(mut self, name: &str) -> Type {
        for written in &mut self.written {
            written.var = Some(name.into());
        }
        self
    }

    /// Whether only literals of the file can come out.
    pub fn is_constant(&self) -> bool {
        self.read.as_ref().is_some_and(Vec::is_empty)
    }

    /// Most characters of anything that can come out.
    pub fn longest(&self) -> Option<u32> {
        let written = self.written.iter().map(|written| characters(&written.value));
        let written = written.max().unwrap_or_default();
        self.length.map(|read| read.max(written))
    }

    /// Values of the one or of the other.
    #[must_use]
    pub fn or(self, other: Type) -> Type {
        let kind = match (self.kind, other.kind) {
            (a, b) if a == b => a,
            (TypeKind::Null, kind) | (kind, TypeKind::Null) => kind,
            // A literal does not make a text less of a text, nor a date less of a date: it is looked at by itself.
            (a, b) => match (self.is_constant(), other.is_constant()) {
                (true, false) => b,
                (false, true) => a,
                _ => TypeKind::Any,
            },
        };
        let entry = match (self.entry, other.entry) {
            (a, b) if a == b => a,
            (a, _) if other.kind != TypeKind::List => a,
            (_, b) if self.kind != TypeKind::List => b,
            (TypeKind::Null, entry) | (entry, TypeKind::Null) => entry,
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
            entry,
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
        let text = |written: &Written| match written.as_text() {
            Some(text) => Written {
                value: Value::text(change(text)),
                var: written.var.clone(),
            },
            None => written.clone(),
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

    /// The entries of a list, one by one.
    #[must_use]
    pub fn entries(self) -> Type {
        if self.kind != TypeKind::List {
            return Type::default();
        }
        Type {
            kind: self.entry,
            entry: TypeKind::Any,
            joined: None,
            ..self
        }
    }

    /// One of the entries, of which it is not known which: of literals then neither.
    fn some_entry(self) -> Type {
        match self.written.len() {
            0 | 1 => self.entries(),
            _ => Type::of(self.entries().kind),
        }
    }
}

/// How many characters a value has as text.
pub fn characters(value: &Value) -> u32 {
    value
        .as_text()
        .map_or(0, |text| u32::try_from(text.chars().count()).unwrap_or(u32::MAX))
}

/// What is known of the names that an expression reads.
pub trait Known {
    /// What a column of the row holds.
    fn column(&self, column: usize) -> Type;

    /// What a var holds.
    fn var(&self, _name: &str) -> Type {
        Type::default()
    }

    /// What an entry of `each` is.
    fn item(&self) -> Type {
        Type::default()
    }
}

impl Expr {
    /// What is known of its values, given what is known of its names.
    pub fn infer(&self, known: &dyn Known) -> Type {
        infer::Infer::new(known, self.slots).node(&self.node)
    }

    /// What in it can never work, given what is known of its names. An expression that asks for a value's type itself
    /// (`is number`) knows what it does.
    pub fn clashes(&self, known: &dyn Known) -> Vec<Clash> {
        let mut infer = infer::Infer::new(known, self.slots);
        infer.node(&self.node);
        infer.into_clashes()
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

#[cfg(test)]
mod tests;
