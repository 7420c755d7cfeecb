//! Names: fields and paths, `vars`, `run`, `loop`, `item` and `row`.

use std::ops::Range;

use minijinja::machinery::ast;

use super::{
    super::{
        FaultKind, UnknownReason,
        fault::closest,
        parse::too_large,
        tree::{LOOP_PARTS, Node, RunField},
    },
    Compiler, MAX_DEPTH, Step,
};
use crate::{
    diag::all_of,
    record::{FieldPath, Value},
};

impl<'s> Compiler<'s, '_> {
    /// A name, or a path that begins with one.
    pub(super) fn path(&mut self, expr: &ast::Expr<'s>) -> Node {
        let mut steps = Vec::new();
        let mut base = expr;
        loop {
            match base {
                ast::Expr::GetAttr(attr) => {
                    steps.push(Step::Name(attr.name));
                    base = &attr.expr;
                }
                ast::Expr::GetItem(item) => {
                    steps.push(Step::Index(&item.subscript_expr));
                    base = &item.expr;
                }
                _ => break,
            }
        }
        steps.reverse();
        let whole = self.range(expr);
        if steps.len() > MAX_DEPTH {
            self.faults
                .push(too_large(whole, "too many steps in one path".into()));
            return Node::Const(Value::Null);
        }
        let ast::Expr::Var(var) = base else {
            let node = self.expr(base);
            return self.steps(node, &steps);
        };
        let name = var.id;
        let here = self.place(name);
        if let Some(local) = self.locals.iter().rev().find(|local| local.name == name) {
            let (slot, reads_row) = (local.slot, local.reads_row);
            self.reads_row |= reads_row;
            return self.steps(Node::Local(slot), &steps);
        }
        match name {
            "vars" => self.var(here, &steps),
            "run" => self.run(here, &steps),
            "loop" if self.loop_slot.is_some() => self.loop_part(here, &steps),
            "row" => self.row(here, &steps),
            "item" | "item_number" => {
                if !self.scope.has_item() {
                    return self.fault(
                        FaultKind::UnknownName,
                        here,
                        format!("there is no `{name}`: the source has no `each`"),
                        "only with `each`",
                        Some(format!("a field of that name is written `row.{name}`")),
                    );
                }
                self.reads_row = true;
                self.item |= name == "item";
                self.place |= name != "item";
                let node = if name == "item" {
                    Node::Item
                } else {
                    Node::ItemNumber
                };
                self.steps(node, &steps)
            }
            _ if steps.is_empty() && literal_word(name).is_some() => {
                Node::Const(literal_word(name).unwrap_or(Value::Null))
            }
            _ => self.field(name, &steps, here, whole),
        }
    }

    /// A field of the source: as many names as follow each other are its path, what comes after them looks into its value.
    pub(super) fn field(
        &mut self,
        name: &'s str,
        steps: &[Step<'_, 's>],
        here: Range<usize>,
        whole: Range<usize>,
    ) -> Node {
        let mut path = name.to_owned();
        let mut end = here.end;
        let mut used = 0;
        for step in steps {
            let Step::Name(part) = step else { break };
            path.push('.');
            path.push_str(part);
            end = self.place(part).end;
            used += 1;
        }
        let range = here.start..end.min(whole.end).max(here.end);
        let node = self.column(&FieldPath::new(path), range);
        self.steps(node, &steps[used..])
    }

    pub(super) fn column(&mut self, path: &FieldPath, range: Range<usize>) -> Node {
        self.reads_row = true;
        match self.scope.field(path) {
            Ok(column) => {
                self.columns.push(column);
                Node::Column(column)
            }
            Err(unknown) => {
                let (message, label) = match unknown.reason {
                    UnknownReason::NoSuchField => (format!("there is no field `{path}`"), "unknown field"),
                    UnknownReason::NoSuchColumn => (
                        format!("the file has no column `{path}`"),
                        "not in the header line",
                    ),
                    UnknownReason::NotSelected => {
                        (format!("the query does not select `{path}`"), "not selected")
                    }
                    UnknownReason::NotFilled => (
                        format!("the step does not fill `{path}`"),
                        "neither in `map` nor in `copy`",
                    ),
                    UnknownReason::NoRow => (
                        format!("there is no field `{path}` here: no row is being read"),
                        "only `vars` and `run` here",
                    ),
                    UnknownReason::NoWholeRow => (
                        "`row` cannot stand alone here".to_owned(),
                        "name a field: `row.Name`",
                    ),
                };
                let help = match (unknown.suggestion, unknown.reason) {
                    (Some(close), UnknownReason::NoSuchColumn) if !is_path(&close) => Some(format!(
                        "did you mean `row['{close}']`? (inside braces, the whole expression in double quotes)"
                    )),
                    (Some(close), _) => Some(format!("did you mean `{close}`?")),
                    (None, UnknownReason::NotSelected) => Some(format!(
                        "add `{path}` to the fields after SELECT{}",
                        self.or_text(path)
                    )),
                    (None, UnknownReason::NotFilled) => Some(format!(
                        "a check looks at target fields: fill it in `map`, or let `when` look at the source's{}",
                        self.or_text(path)
                    )),
                    (None, UnknownReason::NoSuchField | UnknownReason::NoSuchColumn) => {
                        let text = self.or_text(path);
                        text.strip_prefix("; ").map(str::to_owned)
                    }
                    (None, _) => None,
                };
                self.fault(FaultKind::UnknownField, range, message, label, help)
            }
        }
    }

    /// Reminds that a bare word is never a text, in the form that would work where it stands.
    pub(super) fn or_text(&self, path: &FieldPath) -> String {
        if path.is_relationship() {
            String::new()
        } else if self.source.trim() == path.as_str() {
            format!("; a text is written `{{ value: {path} }}`")
        } else {
            format!("; a text stands in quotes: '{path}'")
        }
    }

    /// Steps into a value that is known at run time only.
    pub(super) fn steps(&mut self, mut node: Node, steps: &[Step<'_, 's>]) -> Node {
        for step in steps {
            node = match step {
                Step::Name(name) => Node::Attr(Box::new(node), (*name).into()),
                Step::Index(index) => match self.expr(index) {
                    Node::Const(Value::Text(name)) => Node::Attr(Box::new(node), name.as_str().into()),
                    index => Node::Index(Box::new((node, index))),
                },
            };
        }
        node
    }

    /// The name that a first step gives, `x` in `vars.x` and `vars['x']`.
    pub(super) fn named(&self, steps: &[Step<'_, 's>]) -> Option<(String, Range<usize>)> {
        match steps.first()? {
            Step::Name(name) => Some(((*name).to_owned(), self.place(name))),
            Step::Index(index @ ast::Expr::Const(constant)) => {
                Some((constant.value.as_str()?.to_owned(), self.range(index)))
            }
            Step::Index(_) => None,
        }
    }

    pub(super) fn var(&mut self, here: Range<usize>, steps: &[Step<'_, 's>]) -> Node {
        let Some((name, range)) = self.named(steps) else {
            return self.fault(
                FaultKind::Unsupported,
                here,
                "`vars` cannot stand alone",
                "name a var: `vars.name`",
                None,
            );
        };
        let unknown = {
            let names = self.scope.var_names();
            let known = || names.iter().map(String::as_str);
            (!names.contains(&name)).then(|| match closest(&name, known()) {
                Some(close) => format!("did you mean `vars.{close}`?"),
                None if names.is_empty() => format!("declare it: `vars: {{ {name}: ... }}`"),
                None => format!("declared are: {}", all_of(known())),
            })
        };
        if let Some(help) = unknown {
            return self.fault(
                FaultKind::UnknownVar,
                range,
                format!("there is no var `{name}`"),
                "not declared",
                Some(help),
            );
        }
        self.outside = true;
        self.steps(Node::Var(name.into()), &steps[1..])
    }

    pub(super) fn run(&mut self, here: Range<usize>, steps: &[Step<'_, 's>]) -> Node {
        let parts = RunField::ALL.map(|(part, _)| part);
        let Some((name, range)) = self.named(steps) else {
            return self.fault(
                FaultKind::Unsupported,
                here,
                "`run` cannot stand alone",
                "name a part: `run.id`",
                Some("a field of that name is written `row.run`".into()),
            );
        };
        match RunField::ALL.iter().find(|(part, _)| *part == name) {
            Some((_, field)) => {
                self.outside = true;
                self.steps(Node::Run(*field), &steps[1..])
            }
            None => {
                let help = match closest(&name, parts) {
                    Some(close) => format!("did you mean `run.{close}`?"),
                    None => format!("it has: {}", parts.join(", ")),
                };
                self.fault(
                    FaultKind::UnknownName,
                    range,
                    format!("`run` has no `{name}`"),
                    "unknown",
                    Some(help),
                )
            }
        }
    }

    pub(super) fn loop_part(&mut self, here: Range<usize>, steps: &[Step<'_, 's>]) -> Node {
        let part = self.named(steps);
        let known = part
            .as_ref()
            .and_then(|(name, _)| LOOP_PARTS.iter().position(|part| part == name));
        match (known, self.loop_slot) {
            (Some(at), Some(slot)) => self.steps(Node::Local(slot + at), &steps[1..]),
            _ => {
                let (message, range) = match part {
                    Some((name, range)) => (format!("`loop` has no `{name}`"), range),
                    None => ("`loop` cannot stand alone".to_owned(), here),
                };
                let help = format!("it has: {}", LOOP_PARTS.join(", "));
                self.fault(FaultKind::UnknownName, range, message, "unknown", Some(help))
            }
        }
    }

    /// `row.X`, `row['Client Name']`, and `row` itself.
    pub(super) fn row(&mut self, here: Range<usize>, steps: &[Step<'_, 's>]) -> Node {
        let Some((mut path, range)) = self.named(steps) else {
            self.reads_row = true;
            let node = match self.scope.whole_row() {
                Ok(column) => {
                    self.columns.push(column);
                    Node::Column(column)
                }
                Err(unknown) => {
                    let help = unknown.suggestion;
                    self.fault(
                        FaultKind::UnknownField,
                        here,
                        "`row` cannot stand alone here",
                        "name a field: `row.Name`",
                        help,
                    )
                }
            };
            return self.steps(node, steps);
        };
        let mut used = 1;
        let mut end = range.end;
        for step in &steps[1..] {
            let Step::Name(part) = step else { break };
            path.push('.');
            path.push_str(part);
            end = self.place(part).end;
            used += 1;
        }
        let node = self.column(&FieldPath::new(path), range.start..end.max(range.end));
        self.steps(node, &steps[used..])
    }
}

/// Whether a column's name can be written as it is.
fn is_path(name: &str) -> bool {
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// `null` in any case, and the words that YAML and SOQL also know for true and false.
fn literal_word(word: &str) -> Option<Value> {
    match word {
        _ if word.eq_ignore_ascii_case("null") => Some(Value::Null),
        _ if word.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        _ if word.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        _ => None,
    }
}
