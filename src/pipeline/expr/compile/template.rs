//! The statements of templates.

use minijinja::machinery::ast;

use super::{
    super::{
        FaultKind,
        parse::too_large,
        tree::{For, LOOP_PARTS, Stmt},
    },
    Compiler, Local, MAX_DEPTH,
};

impl<'s> Compiler<'s, '_> {
    pub(super) fn block(&mut self, statements: &[ast::Stmt<'s>]) -> Vec<Stmt> {
        self.depth += 1;
        let block = if self.depth > MAX_DEPTH {
            self.faults
                .push(too_large(0..self.source.len(), "nested too deeply".into()));
            Vec::new()
        } else {
            statements
                .iter()
                .filter_map(|stmt| self.statement(stmt))
                .collect()
        };
        self.depth -= 1;
        block
    }

    /// An end without a beginning is a slip: `{ Name }}` would be printed as it stands.
    fn strays(&mut self, raw: &str) {
        let start = self.place(raw).start;
        // What stands behind `{% raw %}` is meant as it stands.
        let before = self.source.get(..start).unwrap_or_default().trim_end();
        let statement = before
            .strip_suffix("%}")
            .map(|s| s.trim_end_matches(['-', '+', ' ']));
        if statement.is_some_and(|s| s.ends_with("raw") && !s.ends_with("endraw")) {
            return;
        }
        for (at, end) in raw.match_indices("}}").chain(raw.match_indices("%}")) {
            let begin = if end == "}}" { "{{" } else { "{%" };
            self.fault(
                FaultKind::Syntax,
                start + at..start + at + end.len(),
                format!("`{end}` ends what no `{begin}` has begun"),
                "would be printed as it stands",
                Some(format!(
                    "begin it with `{begin}`; to print it, write `{{{{ '{end}' }}}}`"
                )),
            );
        }
    }

    pub(super) fn statement(&mut self, statement: &ast::Stmt<'s>) -> Option<Stmt> {
        Some(match statement {
            ast::Stmt::EmitRaw(raw) => {
                self.strays(raw.raw);
                Stmt::Text(raw.raw.into())
            }
            ast::Stmt::EmitExpr(emit) => {
                let (node, reads_row) = self.watching(|c| c.expr(&emit.expr));
                Stmt::Print { node, reads_row }
            }
            ast::Stmt::IfCond(cond) => Stmt::If {
                test: self.expr(&cond.expr),
                then: self.block(&cond.true_body),
                otherwise: self.block(&cond.false_body),
            },
            ast::Stmt::Set(set) => {
                let (node, reads_row) = self.watching(|c| c.expr(&set.expr));
                let slot = self.assign(&set.target, reads_row)?;
                Stmt::Set(slot, node)
            }
            ast::Stmt::SetBlock(set) => {
                let (body, reads_row) = self.watching(|c| c.block(&set.body));
                let slot = self.assign(&set.target, reads_row)?;
                if let Some(filter) = &set.filter {
                    let range = self.range(filter);
                    self.fault(
                        FaultKind::Unsupported,
                        range,
                        "a filter on a `set` block is not supported",
                        "not supported",
                        Some("filter where the value is used: `{{ x | upper }}`".into()),
                    );
                }
                Stmt::Capture(slot, body)
            }
            ast::Stmt::ForLoop(stmt) => self.for_loop(stmt)?,
            other => {
                self.refuse(other);
                return None;
            }
        })
    }

    pub(super) fn new_slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    pub(super) fn declare(&mut self, name: &'s str, reads_row: bool) -> usize {
        let slot = self.new_slot();
        self.locals.push(Local {
            name,
            slot,
            reads_row,
        });
        slot
    }

    pub(super) fn assign(&mut self, target: &ast::Expr<'s>, reads_row: bool) -> Option<usize> {
        let ast::Expr::Var(var) = target else {
            let range = self.range(target);
            self.fault(
                FaultKind::Unsupported,
                range,
                "only one plain name can be set",
                "not a plain name",
                Some("write `{% set x = ... %}` for each".into()),
            );
            return None;
        };
        // A name that was set before in this loop body, or outside of any, is the same name; a loop has its own.
        let scope_start = self.loop_slot.unwrap_or(0);
        if let Some(local) = self
            .locals
            .iter_mut()
            .rev()
            .find(|local| local.name == var.id && local.slot >= scope_start)
        {
            local.reads_row |= reads_row;
            return Some(local.slot);
        }
        Some(self.declare(var.id, reads_row))
    }

    pub(super) fn for_loop(&mut self, stmt: &ast::Spanned<ast::ForLoop<'s>>) -> Option<Stmt> {
        if stmt.recursive {
            let range = self.range(&stmt.iter);
            self.fault(
                FaultKind::Unsupported,
                range,
                "loops cannot be recursive",
                "not supported",
                None,
            );
        }
        let (list, reads_row) = self.watching(|c| c.expr(&stmt.iter));
        let outer_names = self.locals.len();
        let loop_slot = self.slots;
        self.slots += LOOP_PARTS.len();
        let outer_loop = self.loop_slot.replace(loop_slot);
        let names: Vec<&ast::Expr<'s>> = match &stmt.target {
            ast::Expr::List(list) => list.items.iter().collect(),
            single => vec![single],
        };
        let mut targets = Vec::new();
        for name in names {
            match name {
                ast::Expr::Var(var) => targets.push(self.declare(var.id, reads_row)),
                other => {
                    let range = self.range(other);
                    self.fault(
                        FaultKind::Unsupported,
                        range,
                        "only plain names can stand here",
                        "not a plain name",
                        None,
                    );
                }
            }
        }
        let filter = stmt.filter_expr.as_ref().map(|e| self.expr(e));
        let body = self.block(&stmt.body);
        self.locals.truncate(outer_names);
        self.loop_slot = outer_loop;
        let otherwise = self.block(&stmt.else_body);
        Some(Stmt::For(Box::new(For {
            targets,
            loop_slot,
            list,
            filter,
            body,
            otherwise,
        })))
    }

    /// Statements of minijinja that the language does not have.
    pub(super) fn refuse(&mut self, statement: &ast::Stmt<'s>) {
        let (span, help) = match statement {
            ast::Stmt::WithBlock(s) => (s.span(), "use `{% set %}`"),
            ast::Stmt::AutoEscape(s) => (s.span(), "nothing is escaped here"),
            ast::Stmt::FilterBlock(s) => (
                s.span(),
                "put the text into a `{% set x %}` block and print `{{ x | upper }}`",
            ),
            ast::Stmt::Do(s) => (s.span(), "print values with `{{ }}`"),
            ast::Stmt::Macro(s) => (s.span(), "a template stands for itself alone"),
            ast::Stmt::CallBlock(s) => (s.span(), "a template stands for itself alone"),
            ast::Stmt::Block(s) => (s.span(), "a template stands for itself alone"),
            ast::Stmt::Import(s) => (s.span(), "a template cannot read other files"),
            ast::Stmt::FromImport(s) => (s.span(), "a template cannot read other files"),
            ast::Stmt::Extends(s) => (s.span(), "a template cannot read other files"),
            ast::Stmt::Include(s) => (s.span(), "a template cannot read other files"),
            _ => return,
        };
        let start = (span.start_offset as usize).min(self.source.len());
        let word = self
            .source
            .get(start..)
            .unwrap_or_default()
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
            .to_owned();
        self.fault(
            FaultKind::Unsupported,
            start..start + word.len(),
            format!("`{{% {word} %}}` is not supported"),
            "not supported",
            Some(format!("there are `if`, `for` and `set`; {help}")),
        );
    }
}
