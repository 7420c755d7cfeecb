//! The formula language of validation rules, formula fields and their like.
//!
//! A formula is read once when the org is built: names are resolved and types checked, with the complaints that the
//! formula editor has. Then it is worked out on rows. Nulls follow Salesforce: an empty text is an empty text, what is
//! made of another null is null, and a condition that is null does not hold.

mod compile;
mod eval;
mod functions;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use eval::Scope;
pub(crate) use value::{Broken, Type, Value};

use compile::{Compiler, Expr};

use super::{
    schema::{Kind, Schema},
    store::Cell,
};

/// A formula that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct FormulaError {
    /// Where, in bytes.
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl FormulaError {
    /// The message with the place in the formula's text.
    pub(crate) fn in_text(&self, text: &str) -> String {
        let before = &text[..self.at.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        if text.contains('\n') {
            format!("{} (line {line}, column {column} of the formula)", self.message)
        } else {
            format!("{} (column {column} of the formula)", self.message)
        }
    }
}

/// What a formula is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A formula field, a roll-up's filter: knows the record only.
    Field,
    /// A rule: also knows the user and the values before the change.
    Rule,
}

/// A field that a formula depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The references from the formula's record to the record that is read; empty for its own fields.
    pub(crate) via: Vec<usize>,
    pub(crate) object: usize,
    pub(crate) field: usize,
}

/// How a value changes as time goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pace {
    #[default]
    Still,
    /// It reads `TODAY()`.
    Daily,
    /// It reads `NOW()`.
    Running,
}

/// A formula, ready to be worked out.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    root: Expr,
    pub(crate) result: Type,
    /// What it depends on.
    pub(crate) reads: Vec<Read>,
    /// How its value changes with the clock.
    pub(crate) pace: Pace,
    /// Its value is HTML.
    pub(crate) html: bool,
}

/// Reads a formula of an object.
pub(crate) fn compile(
    schema: &Schema,
    object: usize,
    text: &str,
    purpose: Purpose,
    blank_is_zero: bool,
) -> Result<Formula, FormulaError> {
    let ast = syntax::parse(text)?;
    let mut compiler = Compiler {
        schema,
        object,
        purpose,
        blank_is_zero,
        reads: Vec::new(),
        pace: Pace::Still,
        html: false,
    };
    let (root, result) = compiler.typed(&ast)?;
    Ok(Formula {
        root,
        result,
        reads: compiler.reads,
        pace: compiler.pace,
        html: compiler.html,
    })
}

/// Reads a formula that has to be true or false.
pub(crate) fn condition(
    schema: &Schema,
    object: usize,
    text: &str,
    purpose: Purpose,
) -> Result<Formula, FormulaError> {
    let formula = compile(schema, object, text, purpose, false)?;
    formula.expect(&[Type::Boolean])?;
    Ok(formula)
}

impl Formula {
    /// Its value.
    pub(crate) fn value(&self, scope: &Scope<'_>) -> Result<Value, Broken> {
        eval::value(&self.root, scope)
    }

    /// Whether it is true: neither false nor null, and not broken either.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        self.value(scope) == Ok(Value::Bool(true))
    }

    /// Its value as the cell of a field; a broken formula leaves the field empty.
    pub(crate) fn cell(&self, scope: &Scope<'_>, kind: Kind, scale: u32) -> Cell {
        self.value(scope).unwrap_or(Value::Null).cell(kind, scale)
    }

    /// That its result is of one of some types.
    pub(crate) fn expect(&self, types: &[Type]) -> Result<(), FormulaError> {
        if self.result == Type::Null || types.contains(&self.result) {
            return Ok(());
        }
        let wanted: Vec<String> = types.iter().map(Type::to_string).collect();
        Err(FormulaError {
            at: 0,
            message: format!(
                "Formula result is data type ({}), incompatible with expected data type ({})",
                self.result,
                wanted.join(", ")
            ),
        })
    }

    /// The types that may fill a field of a kind.
    pub(crate) fn types_for(kind: Kind) -> Vec<Type> {
        match Type::of(kind) {
            Some(Type::Picklist | Type::MultiPicklist) | None => vec![Type::Text],
            Some(kind) => vec![kind],
        }
    }
}
