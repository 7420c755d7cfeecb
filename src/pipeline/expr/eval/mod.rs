//! What a tree means for one row.

mod access;
mod template;

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;

use access::whole_number;

use super::{
    Context, EvalError,
    filters::{self, FilterCall},
    ops::{absent, arithmetic, compare, equal, truthy},
    test::{self, TestCall},
    tree::{BinaryOp, EachCall, Node, RunField},
};
use crate::record::{Number, Value};

/// Texts that an expression puts together are refused beyond this: no field of an org holds more.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// Lists that an expression puts together are refused beyond this.
pub(super) const MAX_LIST: usize = 100_000;
/// Steps for one row, of some nanoseconds each.
const FUEL: u64 = 5_000_000;
/// Room for most texts that templates make: they need not be moved while they grow.
const USUAL_TEXT: usize = 64;
/// What is kept costs more steps than what is only looked at: this bounds the memory of a row.
const KEPT: usize = 4;

type Result<T> = std::result::Result<T, EvalError>;

pub(super) fn eval(node: &Node, slots: usize, ctx: &Context<'_>) -> Result<Value> {
    let mut machine = Machine {
        ctx,
        locals: vec![Value::Null; slots],
        fuel: Fuel(FUEL),
        printed: Printed::default(),
    };
    let value = machine.eval(node)?;
    Ok(match value {
        // The `''` of an expression ends here.
        value if absent(&value) => Value::Null,
        value => value.into_owned(),
    })
}

/// What is left of the steps for this row.
#[derive(Debug)]
pub(super) struct Fuel(u64);

impl Fuel {
    /// Takes some steps off.
    pub(super) fn burn(&mut self, steps: usize) -> Result<()> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(EvalError::TooMuchWork)?;
        Ok(())
    }

    /// A fresh one, for tests of filters.
    #[cfg(test)]
    pub(super) fn full() -> Self {
        Fuel(FUEL)
    }
}

/// What the prints that read the row came to, which decides whether a template is null.
#[derive(Clone, Copy, Default)]
struct Printed {
    nulls: bool,
    values: bool,
}

struct Machine<'a> {
    ctx: &'a Context<'a>,
    locals: Vec<Value>,
    fuel: Fuel,
    printed: Printed,
}

impl<'a> Machine<'a> {
    fn eval(&mut self, node: &'a Node) -> Result<Cow<'a, Value>> {
        self.fuel.burn(1)?;
        let ctx = self.ctx;
        Ok(match node {
            Node::Const(value) => Cow::Borrowed(value),
            Node::Column(column) => Cow::Borrowed(ctx.row.get(*column).unwrap_or(&Value::Null)),
            Node::Filter(input, call) => {
                let input = self.eval(input)?;
                self.filter(call, &input)?
            }
            Node::Chain(first, rest) => {
                let mut value = self.eval(first)?;
                for (op, right) in rest {
                    value = self.binary(*op, value, right)?;
                }
                value
            }
            Node::Var(name) => match ctx.vars.get(&**name) {
                Some(value) => Cow::Borrowed(value),
                None => return Err(EvalError::NoVar(name.to_string())),
            },
            Node::Run(field) => Cow::Owned(run_field(ctx, *field)),
            Node::Item => Cow::Borrowed(ctx.item.unwrap_or(&Value::Null)),
            Node::ItemNumber => Cow::Owned(number(ctx.item_number)),
            Node::Local(slot) => Cow::Owned(self.locals.get(*slot).cloned().unwrap_or(Value::Null)),
            Node::Attr(of, name) => {
                let of = self.eval(of)?;
                Cow::Owned(self.attribute(&of, name)?)
            }
            Node::Index(parts) => {
                let of = self.eval(&parts.0)?;
                let index = self.eval(&parts.1)?;
                Cow::Owned(self.index(&of, &index)?)
            }
            Node::Slice(parts) => {
                let of = self.eval(&parts.0)?;
                let mut bounds = [None; 3];
                for (bound, part) in bounds.iter_mut().zip(&parts.1) {
                    if let Some(part) = part {
                        *bound = whole_number("[ : ]", &*self.eval(part)?)?;
                    }
                }
                Cow::Owned(self.slice(&of, bounds)?)
            }
            Node::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let item = self.eval(item)?;
                    list.push(self.kept(&item)?);
                }
                Cow::Owned(Value::Json(Arc::new(Json::Array(list))))
            }
            Node::Map(entries) => {
                let mut object = serde_json::Map::new();
                for (key, value) in entries {
                    let key = self.eval(key)?.as_text().unwrap_or_default().to_owned();
                    let value = self.eval(value)?;
                    object.insert(key, self.kept(&value)?);
                }
                Cow::Owned(Value::Json(Arc::new(Json::Object(object))))
            }
            Node::Not(of) => Cow::Owned(Value::Bool(!truthy(&*self.eval(of)?))),
            Node::Neg(of) => {
                let value = self.eval(of)?;
                match &*value {
                    value if absent(value) => Cow::Owned(Value::Null),
                    value => Cow::Owned(arithmetic(BinaryOp::Sub, &number(0), value)?),
                }
            }
            Node::Compare(first, rest) => {
                let mut left = self.eval(first)?;
                for (op, right) in rest {
                    let right = self.eval(right)?;
                    if !self.compare(*op, &left, &right)? {
                        return Ok(Cow::Owned(Value::Bool(false)));
                    }
                    left = right;
                }
                Cow::Owned(Value::Bool(true))
            }
            Node::If(parts) => {
                if truthy(&*self.eval(&parts.0)?) {
                    self.eval(&parts.1)?
                } else {
                    match &parts.2 {
                        Some(otherwise) => self.eval(otherwise)?,
                        None => Cow::Owned(Value::Null),
                    }
                }
            }
            Node::Test(of, call) => {
                let value = self.eval(of)?;
                Cow::Owned(Value::Bool(self.test(call, &value)?))
            }
            Node::Each(parts) => {
                let value = self.eval(&parts.0)?;
                Cow::Owned(self.each(&value, &parts.1)?)
            }
            Node::Range(bounds) => Cow::Owned(self.range(bounds)?),
            Node::Template(statements) => {
                let before = std::mem::take(&mut self.printed);
                let mut text = String::with_capacity(USUAL_TEXT);
                self.block(statements, &mut text)?;
                let printed = std::mem::replace(&mut self.printed, before);
                if printed.nulls && !printed.values {
                    Cow::Owned(Value::Null)
                } else {
                    Cow::Owned(Value::text(text))
                }
            }
        })
    }

    fn binary(&mut self, op: BinaryOp, left: Cow<'a, Value>, right: &'a Node) -> Result<Cow<'a, Value>> {
        match op {
            BinaryOp::And if !truthy(&left) => return Ok(left),
            BinaryOp::Or if truthy(&left) => return Ok(left),
            _ => {}
        }
        let right = self.eval(right)?;
        Ok(match op {
            BinaryOp::And | BinaryOp::Or => right,
            BinaryOp::Compare(op) => Cow::Owned(Value::Bool(self.compare(op, &left, &right)?)),
            BinaryOp::Concat => Cow::Owned(self.concat(&left, &right)?),
            _ if absent(&left) || absent(&right) => Cow::Owned(Value::Null),
            BinaryOp::Add => match (&*left, &*right) {
                (Value::Json(a), Value::Json(b)) if a.is_array() && b.is_array() => {
                    Cow::Owned(self.join_lists(a, b)?)
                }
                _ => Cow::Owned(arithmetic(op, &left, &right)?),
            },
            _ => Cow::Owned(arithmetic(op, &left, &right)?),
        })
    }

    fn compare(&mut self, op: super::tree::CompareOp, left: &Value, right: &Value) -> Result<bool> {
        self.fuel.burn(
            weight(left)
                .min(weight(right))
                .max(if matches!(right, Value::Json(_)) {
                    weight(right)
                } else {
                    0
                }),
        )?;
        compare(op, left, right)
    }

    /// `~`: null swallows, an empty text of the expression does not.
    fn concat(&mut self, left: &Value, right: &Value) -> Result<Value> {
        if left.is_null() || right.is_null() {
            return Ok(Value::Null);
        }
        let (a, b) = (printable(left)?, printable(right)?);
        room(a.len() + b.len())?;
        self.fuel.burn((a.len() + b.len()) / 64)?;
        let mut text = compact_str::CompactString::with_capacity(a.len() + b.len());
        text.push_str(a);
        text.push_str(b);
        Ok(Value::Text(text))
    }

    fn join_lists(&mut self, a: &Json, b: &Json) -> Result<Value> {
        let (Json::Array(a), Json::Array(b)) = (a, b) else {
            return Ok(Value::Null);
        };
        if a.len() + b.len() > MAX_LIST {
            return Err(EvalError::ListTooLong(MAX_LIST));
        }
        let list: Vec<Json> = a.iter().chain(b).cloned().collect();
        self.fuel
            .burn(KEPT * list.iter().map(json_weight).sum::<usize>())?;
        Ok(Value::Json(Arc::new(Json::Array(list))))
    }

    /// The form inside a list; the `''` of an expression becomes null there.
    fn kept(&mut self, value: &Value) -> Result<Json> {
        if absent(value) {
            return Ok(Json::Null);
        }
        self.fuel.burn(KEPT * weight(value))?;
        Ok(value.to_json())
    }

    fn filter(&mut self, call: &'a FilterCall, input: &Value) -> Result<Cow<'a, Value>> {
        if absent(input) && !call.filter.sees_null {
            return Ok(Cow::Owned(Value::Null));
        }
        self.fuel.burn(weight(input))?;
        let mut args: [Option<Cow<'a, Value>>; filters::MAX_PARAMS] = [const { None }; filters::MAX_PARAMS];
        for (slot, arg) in args.iter_mut().zip(&call.args) {
            if let Some(arg) = arg {
                *slot = Some(self.eval(arg)?);
            }
        }
        let result = (call.filter.run)(&mut filters::Call {
            filter: call.filter,
            input,
            args: &args,
            fuel: &mut self.fuel,
        })?;
        Ok(Cow::Owned(result))
    }

    fn test(&mut self, call: &'a TestCall, value: &Value) -> Result<bool> {
        self.fuel.burn(1)?;
        let argument = match &call.argument {
            Some(argument) => Some(self.eval(argument)?),
            None => None,
        };
        test::holds(call.test, value, argument.as_deref())
    }

    fn each(&mut self, value: &Value, call: &'a EachCall) -> Result<Value> {
        if absent(value) {
            return Ok(Value::Null);
        }
        let Value::Json(list) = value else {
            return Err(not_a_list(value, "a filter of lists"));
        };
        let Json::Array(list) = &**list else {
            return Err(not_a_list(value, "a filter of lists"));
        };
        let mut result = Vec::new();
        for entry in list {
            self.fuel.burn(1 + json_weight(entry))?;
            let entry_value = Value::from_json(entry);
            match call {
                EachCall::Attribute(path, default) => {
                    let mut found = self.attribute_path(entry_value, path)?;
                    if let (true, Some(default)) = (absent(&found), default) {
                        found = self.eval(default)?.into_owned();
                    }
                    result.push(self.kept(&found)?);
                }
                EachCall::Filter(filter) => {
                    let changed = self.filter(filter, &entry_value)?;
                    result.push(self.kept(&changed)?);
                }
                EachCall::Select {
                    keep,
                    attribute,
                    test,
                } => {
                    let looked_at = match attribute {
                        Some(path) => self.attribute_path(entry_value, path)?,
                        None => entry_value,
                    };
                    let holds = match test {
                        Some(test) => self.test(test, &looked_at)?,
                        None => truthy(&looked_at),
                    };
                    if holds == *keep {
                        result.push(entry.clone());
                    }
                }
            }
        }
        Ok(Value::Json(Arc::new(Json::Array(result))))
    }
}

/// Whether a text of this length may be made.
pub(super) fn room(length: usize) -> Result<()> {
    if length > MAX_TEXT {
        Err(EvalError::TooLong(MAX_TEXT))
    } else {
        Ok(())
    }
}

/// The text form of a scalar that is not null.
pub(super) fn printable(value: &Value) -> Result<&str> {
    value.as_text().ok_or(EvalError::NoText(value.kind()))
}

/// How many steps going through a value takes.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Text(text) => 1 + text.len() / 64,
        Value::Json(json) => json_weight(json),
        _ => 1,
    }
}

pub(super) fn json_weight(json: &Json) -> usize {
    match json {
        Json::Array(list) => 1 + list.iter().map(json_weight).sum::<usize>(),
        Json::Object(object) => 1 + object.values().map(json_weight).sum::<usize>(),
        Json::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

fn number(n: usize) -> Value {
    Value::Number(Number::from(i64::try_from(n).unwrap_or(i64::MAX)))
}

fn not_a_list(value: &Value, what: &'static str) -> EvalError {
    EvalError::NotIndexable {
        what,
        wanted: "a list",
        found: value.kind(),
    }
}

fn run_field(ctx: &Context<'_>, field: RunField) -> Value {
    let run = ctx.run;
    Value::text(match field {
        RunField::Id => run.id.as_str(),
        RunField::Pipeline => &run.pipeline,
        RunField::Env => run.env.as_deref().unwrap_or_default(),
        RunField::StartedAt => &run.started_at,
        RunField::From => &run.from,
        RunField::To => &run.to,
    })
}

/// Whether a list holds a value.
pub(super) fn holds_entry(list: &[Value], value: &Value) -> bool {
    list.iter().any(|entry| equal(entry, value))
}
