//! The steps of a pipeline.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use super::{
    Ctx,
    access::Access,
    checks, deletes,
    expressions::{self, Usage},
    fields, files, filled,
    foreign::Others,
    mapping::{Mapper, StepInfo, Tables, step_named},
    order, pii, policy,
    scope::{Columns, Rows},
    source, target, test_cases,
};
use crate::{
    diag::{Finding, Span},
    pipeline::{
        model::{Deletes, Each, Lookup, Operation, Policy, RowId, Source, Step, Var},
        soql,
    },
    spec::{Entry, Node},
};

/// What all steps of a pipeline share while they are compiled.
pub(super) struct Frame<'a, 'd> {
    pub(super) vars: &'a [Var],
    pub(super) access: &'a mut Access<'d>,
    pub(super) usage: Usage,
    /// The files that steps of this pipeline write, as far as that is known offline.
    pub(super) written: Vec<PathBuf>,
    root: &'a Node,
    missing_connections: HashSet<&'static str>,
}

impl Frame<'_, '_> {
    pub(super) fn var_names(&self) -> Vec<String> {
        self.vars.iter().map(|var| var.name.clone()).collect()
    }

    /// The source that a step reads: its own, or that of the step that it reads the same as.
    pub(super) fn source_of(&self, step: &Entry) -> Option<&Node> {
        let steps = self.root.get("steps").map(Node::entries).unwrap_or_default();
        // The step stands in the same list.
        let step = steps.iter().find(|other| other.key.text == step.key.text)?;
        source_of(step, steps).map(|entry| &entry.value)
    }

    /// The connections that were missed so far; a source that is read twice is complained about once.
    pub(super) fn missed(&self) -> HashSet<&'static str> {
        self.missing_connections.clone()
    }

    pub(super) fn set_missed(&mut self, missed: HashSet<&'static str>) {
        self.missing_connections = missed;
    }

    /// The pipeline's `from` or `to`, where it has one.
    pub(super) fn declared(&self, key: &str) -> Option<String> {
        self.root.get(key).and_then(Node::text).map(str::to_owned)
    }

    /// The named credential of a source or target: its own `connection`, else the pipeline's `from` or `to`.
    pub(super) fn connection(
        &mut self,
        entry: &Entry,
        key: &'static str,
        ctx: &mut Ctx<'_>,
    ) -> Option<String> {
        let node = &entry.value;
        if let Some(connection) = node.get("connection") {
            let name = connection.text()?;
            self.access.uses(name, &connection.span);
            return Some(name.to_owned());
        }
        if let Some(entry) = self.root.entry(key) {
            return entry.value.text().map(str::to_owned);
        }
        if self.missing_connections.insert(key) {
            let (verb, side) = if key == "from" {
                ("read", "source")
            } else {
                ("written", "target")
            };
            ctx.report(
                Finding::error(
                    "missing-key",
                    entry.key.span.clone(),
                    format!("the pipeline does not say which org is {verb}"),
                )
                .label(format!("this {side} has no `connection` of its own"))
                .help(format!("add `{key}: NAMED_CREDENTIAL` to the pipeline")),
            );
        }
        None
    }
}

/// Compiles the steps of one pipeline.
pub(super) struct Steps<'a, 'd> {
    frame: Frame<'a, 'd>,
    tables: &'a Tables,
    policy: Policy,
    /// `changes.deletes` of all steps that do not say it themselves.
    deletes: Option<&'a Node>,
    lookups: HashMap<String, HashMap<String, Arc<Lookup>>>,
    others: &'a mut Others<'d>,
    marks: &'a pii::Marks,
}

impl<'a, 'd> Steps<'a, 'd> {
    pub(super) fn new(
        root: &'a Node,
        vars: &'a [Var],
        tables: &'a Tables,
        access: &'a mut Access<'d>,
        others: &'a mut Others<'d>,
        marks: &'a pii::Marks,
        policy: (Policy, Option<&'a Node>),
    ) -> Self {
        let (policy, deletes) = policy;
        Steps {
            frame: Frame {
                vars,
                access,
                usage: Usage::default(),
                written: Vec::new(),
                root,
                missing_connections: HashSet::new(),
            },
            tables,
            policy,
            deletes,
            lookups: HashMap::new(),
            others,
            marks,
        }
    }

    pub(super) fn into_usage(self) -> Usage {
        self.frame.usage
    }

    /// All steps; `None` when one of them is faulty.
    pub(super) fn compile(&mut self, ctx: &mut Ctx<'_>) -> Option<Vec<Step>> {
        let entry = self.frame.root.entry("steps")?;
        let entries = entry.value.entries();
        if entries.is_empty() {
            if !entry.value.is_broken() {
                ctx.report(
                    Finding::error("missing-key", entry.key.span.clone(), "the pipeline has no step")
                        .label("nothing to do")
                        .help("add a step: `accounts: { source: { object: Account }, target: { key: Legacy_Id__c }, map: { ... } }`"),
                );
            }
            return None;
        }
        let infos: Vec<StepInfo> = entries.iter().map(|step| info(step, entries)).collect();
        self.frame.written = files::written(entries, ctx);
        let steps: Vec<Option<Step>> = entries
            .iter()
            .map(|step| self.step(step, entries, &infos, ctx))
            .collect();
        order::report_cycles(entries, &infos, ctx);
        steps.into_iter().collect()
    }

    fn step(&mut self, step: &Entry, steps: &[Entry], infos: &[StepInfo], ctx: &mut Ctx<'_>) -> Option<Step> {
        let node = &step.value;
        if node.is_broken() {
            return None;
        }
        let mut source = source::compile(step, steps, &mut self.frame, ctx);
        let read = source.source.as_ref().and_then(read_object);
        let target = target::compile(step, read, &mut self.frame, ctx);
        let mut columns = std::mem::replace(&mut source.columns, Columns::new(Rows::Unknown, Vec::new()));
        let usage = &mut self.frame.usage;
        let each = source::each(step, &mut columns, usage, ctx);
        let row_id = source::row_id(step, &source, &mut columns, usage, ctx);
        let read_from = source_of(step, steps).map(|entry| &entry.value);
        let cursor = source::cursor(read_from, &source, &mut columns, ctx);
        let when = match node.get("when") {
            Some(when) => expressions::when(when, &mut columns, usage, ctx).map(Some),
            None => Some(None),
        };
        let connection = target
            .target
            .as_ref()
            .map(|target| target.connection.clone())
            .unwrap_or_default();
        let mut mapper = self.mapper(&mut columns, &connection, infos);
        let to_file = node
            .get("target")
            .is_some_and(|target| files::named(target).is_some());
        let map = fields::fields(node, &mut mapper, to_file, ctx);
        let copy = fields::copy(node, &mut columns, to_file, &source, ctx);
        filled::only(node, target.key.as_ref(), ctx);
        let names = filled::mapped_twice(node, ctx);
        if to_file {
            filled::lookups_have_an_org(step, map.as_deref(), &connection, ctx);
        } else {
            filled::key(step, &target, &names, ctx);
            filled::target_fields(step, target.target.as_ref(), &names, ctx);
            filled::constant_key(target.key.as_ref(), map.as_deref(), ctx);
            filled::lookup_copies(step, &source, &connection, infos, ctx);
        }
        let needs: Option<Vec<usize>> = node.get("needs").map_or(Some(Vec::new()), |needs| {
            let found: Vec<Option<usize>> = needs
                .one_or_more()
                .iter()
                .map(|node| step_named(node, node.text()?, infos, ctx))
                .collect();
            found.into_iter().collect()
        });
        let mut policy = self.policy.clone();
        policy::overlay(&mut policy, node.get("policy"));
        if let Some(budget) = node.get("policy").and_then(|policy| policy.entry("budget")) {
            ctx.report(
                Finding::error(
                    "unused-key",
                    budget.key.span.clone(),
                    "`budget` cannot stand in a step",
                )
                .label("an org's calls are counted for the whole run")
                .help("move it to `policy` of the pipeline, of orgferry.yaml or of an environment"),
            );
        }
        let each = each.map(|each| {
            each.map(|expr| Each {
                expr,
                placed: !matches!(&row_id, Some(RowId::Expr(id)) if id.differs_by_item()),
            })
        });
        let looked = match (&source.source, &target.target, &row_id, &each, &cursor) {
            (Some(read), Some(target), Some(row_id), Some(each), Some(cursor)) => Some(deletes::Looked {
                source: read,
                include_deleted: source.include_deleted,
                columns: &columns,
                row_id,
                each: each.as_ref(),
                cursor: cursor.as_ref(),
                target,
            }),
            _ => None,
        };
        let deletes = self.deletes(step, looked, infos, ctx);
        // Within one org nothing is disclosed.
        let stays = source.connection.as_ref() == Some(&connection);
        let mut personal = Vec::new();
        if let (Some(map), Some(copy), false) = (&map, &copy, stays) {
            let looked = pii::Looked {
                source: source.source.as_ref(),
                object: target.target.as_ref().map(|target| target.object.as_str()),
                columns: &columns,
                each: each.as_ref().and_then(Option::as_ref),
                map,
                copy,
            };
            personal = pii::check(&looked, node, self.marks, policy.pii, ctx);
        }
        let checks = checks::compile(
            step,
            &checks::Filled {
                map: map.as_deref(),
                copy: copy.as_ref(),
                target: target.target.as_ref(),
                vars: self.frame.var_names(),
            },
            &mut self.frame.usage,
            ctx,
        );
        let tests = test_cases::compile(
            step,
            &columns,
            map.as_deref(),
            &copy,
            infos,
            &self.others.named,
            self.frame.vars,
            ctx,
        );
        Some(Step {
            name: step.key.text.clone(),
            span: step.key.span.clone(),
            source: source.source?,
            source_connection: source.connection?,
            source_api: source.api,
            each: each?,
            include_deleted: source.include_deleted,
            chunk: source.chunk,
            cursor: cursor?,
            row_id: row_id?,
            target: target.target?,
            whole_row: columns.whole_row,
            columns: columns.columns,
            copy: copy?,
            map: map?,
            when: when?,
            needs: needs?,
            filters: source.filters,
            semi_joins: source.semi_joins,
            personal,
            policy,
            checks: checks?,
            tests: tests?,
            deletes: deletes?,
            deletes_of: None,
        })
    }

    /// Compiles mapping values over `columns`; its lookups ask the org of `connection`.
    fn mapper<'m>(
        &'m mut self,
        columns: &'m mut Columns,
        connection: &str,
        infos: &'m [StepInfo],
    ) -> Mapper<'m, 'd> {
        Mapper {
            columns,
            usage: &mut self.frame.usage,
            steps: infos,
            tables: self.tables,
            vars: self.frame.vars,
            lookups: self.lookups.entry(connection.to_owned()).or_default(),
            others: self.others,
            access: self.frame.access,
        }
    }

    /// What the step does about deletions; the outer `None`: it, or what it builds on, was complained about.
    fn deletes(
        &mut self,
        step: &Entry,
        looked: Option<deletes::Looked<'_>>,
        infos: &[StepInfo],
        ctx: &mut Ctx<'_>,
    ) -> Option<Option<Deletes>> {
        let own = deletes::said(&step.value);
        let Some(said) = own.or(self.deletes) else {
            return Some(None);
        };
        let looked = looked?;
        let mut nowhere = deletes::nowhere(self.frame.var_names());
        let mut mapper = self.mapper(&mut nowhere, &looked.target.connection, infos);
        let deletes = deletes::compile(&step.key.text, said, own.is_some(), &looked, &mut mapper, ctx)?;
        self.frame.usage.deletes |= deletes.is_some();
        Some(deletes)
    }
}

fn read_object(source: &Source) -> Option<(String, Span)> {
    let span = match source {
        Source::Soql { span, .. } | Source::Object { span, .. } => span.clone(),
        Source::Http(_) | Source::File(_) => return None,
    };
    Some((source.object()?.to_owned(), span))
}

/// What other steps need to know of a step.
pub(super) fn info(step: &Entry, steps: &[Entry]) -> StepInfo {
    let source = source_of(step, steps).map(|entry| &entry.value);
    let target = step.value.get("target");
    let soql = source.and_then(|s| s.get("soql")).and_then(Node::text);
    let to_file = target.is_some_and(|t| files::named(t).is_some());
    let object = target
        .and_then(|t| t.get("object"))
        .or_else(|| source.and_then(|s| s.get("object")))
        .and_then(Node::text)
        .map(str::to_owned)
        .or_else(|| {
            soql.and_then(|soql| soql::parse_query(soql).ok())
                .map(|query| query.object)
        })
        .filter(|_| !to_file);
    let from_org = source.is_some_and(|s| s.get("soql").is_some() || s.get("object").is_some());
    let from_file = source.is_some_and(|s| files::named(s).is_some());
    let own_id = step.value.get("source").is_some_and(|s| s.get("id").is_some());
    StepInfo {
        name: step.key.text.clone(),
        object,
        has_row_id: from_org
            || from_file
            || to_file
            || own_id
            || source.is_none_or(Node::is_broken)
            || target.is_none_or(|t| t.is_broken() || t.get("key").is_some()),
        deletes: target
            .and_then(|t| t.get("operation"))
            .and_then(Node::text)
            .and_then(target::operation)
            .is_some_and(Operation::deletes),
        to_file,
    }
}

/// The source that a step reads: its own, or, by `same_as`, that of another one.
pub(super) fn source_of<'e>(step: &'e Entry, steps: &'e [Entry]) -> Option<&'e Entry> {
    let mut at = step;
    // A chain of more than a few is an accident, which must not take the square of its length.
    let mut index: HashMap<&str, &Entry> = HashMap::new();
    for hop in 0..=steps.len() {
        let source = at.value.entry("source")?;
        let Some(name) = source.value.get("same_as") else {
            return Some(source);
        };
        let name = name.text()?;
        if hop == 4 {
            index.extend(steps.iter().rev().map(|step| (step.key.text.as_str(), step)));
        }
        at = match hop {
            0..4 => steps.iter().find(|other| other.key.text == name)?,
            _ => index.get(name).copied()?,
        };
    }
    None
}
