//! The statements of templates.

use serde_json::Value as Json;

use super::{
    super::{
        EvalError,
        ops::{absent, truthy},
        tree::{For, LOOP_PARTS, Stmt},
    },
    KEPT, Machine, Result, not_a_list, number, printable, room, weight,
};
use crate::record::Value;

impl<'a> Machine<'a> {
    pub(super) fn block(&mut self, statements: &'a [Stmt], out: &mut String) -> Result<()> {
        for statement in statements {
            self.fuel.burn(1)?;
            match statement {
                Stmt::Text(text) => push(out, text)?,
                Stmt::Print { node, reads_row } => {
                    let value = self.eval(node)?;
                    if *reads_row {
                        match value.is_null() {
                            true => self.printed.nulls = true,
                            false => self.printed.values = true,
                        }
                    }
                    if !value.is_null() {
                        push(out, printable(&value)?)?;
                    }
                }
                Stmt::If {
                    test,
                    then,
                    otherwise,
                } => {
                    if truthy(&*self.eval(test)?) {
                        self.block(then, out)?;
                    } else {
                        self.block(otherwise, out)?;
                    }
                }
                Stmt::Set(slot, node) => {
                    let value = self.eval(node)?.into_owned();
                    self.fuel.burn(KEPT * weight(&value))?;
                    self.set(*slot, value);
                }
                Stmt::Capture(slot, body) => {
                    let mut text = String::new();
                    // What is captured is not printed yet.
                    let before = self.printed;
                    self.block(body, &mut text)?;
                    self.printed = before;
                    let value = Value::text(text);
                    self.fuel.burn(KEPT * weight(&value))?;
                    self.set(*slot, value);
                }
                Stmt::For(stmt) => self.for_loop(stmt, out)?,
            }
        }
        Ok(())
    }

    pub(super) fn set(&mut self, slot: usize, value: Value) {
        if let Some(local) = self.locals.get_mut(slot) {
            *local = value;
        }
    }

    pub(super) fn for_loop(&mut self, stmt: &'a For, out: &mut String) -> Result<()> {
        let list = self.eval(&stmt.list)?;
        let mut entries = entries(&list)?;
        self.fuel.burn(weight(&list) + entries.len())?;
        if let Some(filter) = &stmt.filter {
            let mut kept = Vec::new();
            for entry in entries {
                self.fuel.burn(1)?;
                self.bind(stmt, &entry)?;
                if truthy(&*self.eval(filter)?) {
                    kept.push(entry);
                }
            }
            entries = kept;
        }
        if entries.is_empty() {
            return self.block(&stmt.otherwise, out);
        }
        let length = entries.len();
        for (at, entry) in entries.into_iter().enumerate() {
            self.fuel.burn(LOOP_PARTS.len())?;
            self.bind(stmt, &entry)?;
            let parts: [Value; LOOP_PARTS.len()] = [
                number(at + 1),
                number(at),
                Value::Bool(at == 0),
                Value::Bool(at + 1 == length),
                number(length),
                number(length - at),
                number(length - at - 1),
            ];
            for (offset, part) in parts.into_iter().enumerate() {
                self.set(stmt.loop_slot + offset, part);
            }
            self.block(&stmt.body, out)?;
        }
        Ok(())
    }

    pub(super) fn bind(&mut self, stmt: &For, entry: &Value) -> Result<()> {
        if let [target] = stmt.targets.as_slice() {
            self.set(*target, entry.clone());
            return Ok(());
        }
        match entry {
            Value::Json(json) => match &**json {
                Json::Array(parts) if parts.len() == stmt.targets.len() => {
                    for (target, part) in stmt.targets.iter().zip(parts) {
                        self.set(*target, Value::from_json(part));
                    }
                    Ok(())
                }
                _ => Err(unpack(stmt, entry)),
            },
            _ => Err(unpack(stmt, entry)),
        }
    }
}

fn unpack(stmt: &For, entry: &Value) -> EvalError {
    EvalError::Unpack {
        wanted: stmt.targets.len(),
        found: entry.kind(),
    }
}

/// What a `for` goes through: a list's entries, an object's keys; nothing for null.
fn entries(list: &Value) -> Result<Vec<Value>> {
    match list {
        value if absent(value) => Ok(Vec::new()),
        Value::Json(json) => match &**json {
            Json::Array(list) => Ok(list.iter().map(Value::from_json).collect()),
            Json::Object(object) => Ok(object.keys().map(|key| Value::text(key.as_str())).collect()),
            _ => Ok(Vec::new()),
        },
        other => Err(not_a_list(other, "`for`")),
    }
}

fn push(out: &mut String, text: &str) -> Result<()> {
    room(out.len() + text.len())?;
    out.push_str(text);
    Ok(())
}
