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
    files,
    foreign::Others,
    mapping::{Mapper, StepInfo, Tables, literals, step_named},
    order, pii, policy,
    scope::{Columns, Rows},
    source::{self, CompiledSource},
    target, test_cases,
};
use crate::{
    diag::{Finding, Span},
    pipeline::{
        model::{
            CopiedField, Copy, Deletes, Each, FieldMap, FilePath, Key, Lookup, MapValue, Operation, Policy,
            RowId, Source, Step, Target, Var,
        },
        soql,
    },
    record::FieldPath,
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
        let map = fields(node, &mut mapper, to_file, ctx);
        let copy = copy(node, &mut columns, to_file, &source, ctx);
        check_only(node, target.key.as_ref(), ctx);
        let names = mapped_twice(node, ctx);
        if to_file {
            check_lookups_have_an_org(step, map.as_deref(), &connection, ctx);
        } else {
            check_key(step, &target, &names, ctx);
            check_target_fields(step, target.target.as_ref(), &names, ctx);
            check_constant_key(target.key.as_ref(), map.as_deref(), ctx);
            check_lookup_copies(step, &source, &connection, infos, ctx);
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

/// The lines of `map`.
fn fields(
    node: &Node,
    mapper: &mut Mapper<'_, '_>,
    to_file: bool,
    ctx: &mut Ctx<'_>,
) -> Option<Vec<FieldMap>> {
    let Some(map) = node.get("map") else {
        return Some(Vec::new());
    };
    let mut lines = Vec::new();
    let mut whole = !map.is_broken();
    for entry in map.entries() {
        let field = FieldPath::new(entry.key.text.clone());
        if field.segments().count() > 2 && !to_file {
            ctx.report(
                Finding::error(
                    "wrong-name",
                    entry.key.span.clone(),
                    format!("`{field}` is too long a path for a target"),
                )
                .label("a parent's external id is one step away")
                .help("write `PARENT.EXTERNAL_ID`, such as `Account.Legacy_Id__c`"),
            );
            whole = false;
        }
        match mapper.value(&entry.value, ctx) {
            Some(value) => lines.push(FieldMap {
                field,
                span: entry.key.span.clone(),
                value,
                value_span: ctx.head(&entry.value),
                literals: {
                    let mut found = Vec::new();
                    literals(&entry.value, &mut found);
                    found
                },
            }),
            None => whole = false,
        }
    }
    whole.then_some(lines)
}

fn copy(
    node: &Node,
    columns: &mut Columns,
    to_file: bool,
    source: &CompiledSource,
    ctx: &mut Ctx<'_>,
) -> Option<Copy> {
    let entry = node.entry("copy");
    let all = entry.is_some_and(|entry| entry.value.text() == Some("all"));
    if let Some(except) = node.entry("except")
        && !all
    {
        ctx.report(
            Finding::error(
                "unused-key",
                except.key.span.clone(),
                "`except` means nothing without `copy: all`",
            )
            .label("leaves out of nothing")
            .help("write `copy: all`, or leave `except` out"),
        );
    }
    let Some(entry) = entry else {
        if node.get("map").is_none() {
            let place = node
                .entry("target")
                .map_or_else(|| ctx.head(node), |target| target.key.span.clone());
            ctx.report(
                Finding::error("nothing-mapped", place, "the step fills no field")
                    .label("has neither `copy` nor `map`")
                    .help("add `map: { Name: Name }` or `copy: [Name]`"),
            );
            return None;
        }
        return Some(Copy::Nothing);
    };
    if entry.value.is_broken() {
        return None;
    }
    if all {
        let unknown = match &source.source {
            Some(Source::Http(_)) => Some("JSON rows may hold anything"),
            Some(Source::File(file)) if matches!(file.path, FilePath::Standard) => {
                Some("standard input is read once, row by row")
            }
            _ => None,
        };
        if let Some(label) = unknown {
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.value.span.clone(),
                    "`copy: all` needs a source with known fields",
                )
                .label(label)
                .help("name the fields: `copy: [Name, Phone]`"),
            );
            return None;
        }
        let except = node.get("except").map(Node::items).unwrap_or_default();
        return Some(Copy::All {
            except: except
                .iter()
                .filter_map(|n| Some((n.text()?.to_owned(), n.span.clone())))
                .collect(),
            span: entry.value.span.clone(),
        });
    }
    let mut copied = Vec::new();
    let mut whole = true;
    for item in entry.value.items() {
        let Some(name) = item.text() else {
            whole = false;
            continue;
        };
        if name.eq_ignore_ascii_case("Id") && !to_file {
            ctx.report(
                Finding::error("id-not-key", item.span.clone(), "`Id` cannot be copied to an org")
                    .label("the target gives its own Ids")
                    .help("keep it in an external id field: `map: { Legacy_Id__c: Id }`"),
            );
            whole = false;
            continue;
        }
        let path = FieldPath::new(name);
        match columns.column(&path, item.span.clone()) {
            Some(column) => copied.push(CopiedField {
                field: name.to_owned(),
                column,
                span: item.span.clone(),
            }),
            None if columns.header().is_some() => {
                let finding = Finding::error(
                    "unknown-field",
                    item.span.clone(),
                    format!("the file has no column `{name}`"),
                )
                .label("not in the header line");
                ctx.report(match columns.suggestion(&path) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding,
                });
                whole = false;
            }
            None => {
                let mut finding = Finding::error(
                    "unknown-field",
                    item.span.clone(),
                    format!("the query does not select `{name}`"),
                )
                .label("not selected");
                if let Some(list) = columns.select_list() {
                    finding = finding.also(list.clone(), "the last field that the query selects");
                }
                ctx.report(match columns.suggestion(&path) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("add `{name}` to the fields after SELECT")),
                });
                whole = false;
            }
        }
    }
    whole.then_some(Copy::Fields(copied))
}

/// Complains about target fields that are filled twice; gives the names of all that are filled.
fn mapped_twice(node: &Node, ctx: &mut Ctx<'_>) -> HashMap<String, Span> {
    let mut filled: HashMap<String, Span> = HashMap::new();
    let copied = node.get("copy").map(Node::items).unwrap_or_default();
    let copied = copied.iter().filter_map(|item| Some((item.text()?, &item.span)));
    let mapped = node.get("map").map(Node::entries).unwrap_or_default();
    let mapped = mapped
        .iter()
        .map(|entry| (entry.key.text.as_str(), &entry.key.span));
    let mut all: Vec<(&str, &Span)> = copied.chain(mapped).collect();
    all.sort_by_key(|(_, span)| (span.file, span.range.start));
    for (name, span) in all {
        match filled.get(&name.to_lowercase()) {
            Some(first) => ctx.report(
                Finding::error("mapped-twice", span.clone(), format!("`{name}` is filled twice"))
                    .label("again here")
                    .also(first.clone(), "first here")
                    .help("keep one of them; field names compare without case"),
            ),
            None => {
                filled.insert(name.to_lowercase(), span.clone());
            }
        }
    }
    filled
}

/// `only` where it makes no sense: a key is always needed, and an `insert` never updates.
fn check_only(node: &Node, key: Option<&Key>, ctx: &mut Ctx<'_>) {
    let operation = node.get("target").and_then(|target| target.get("operation"));
    let never = match operation.and_then(Node::text) {
        Some("insert") => Some(("update", "insert", "an `insert` only creates")),
        Some("update") => Some(("create", "update", "an `update` only updates")),
        _ => None,
    };
    for entry in node.get("map").map(Node::entries).unwrap_or_default() {
        let Some(only) = entry.value.get("only") else {
            continue;
        };
        let is_key = key.is_some_and(|key| key.has(&entry.key.text));
        if is_key {
            ctx.report(
                Finding::error(
                    "unfilled-key",
                    only.span.clone(),
                    format!("the key `{}` is needed for every row", entry.key.text),
                )
                .label("would leave it out")
                .help("leave `only` out: an upsert never changes the key of a record that it finds"),
            );
        } else if let Some((word, operation, why)) = never
            && only.text() == Some(word)
        {
            ctx.report(
                Finding::warning(
                    "never-sent",
                    only.span.clone(),
                    format!("`{}` is never sent", entry.key.text),
                )
                .label(why)
                .help(format!(
                    "leave `only` out, or take another operation than `{operation}`"
                )),
            );
        }
    }
}

/// The key has to be filled, and `Id` may be nothing but the key.
fn check_key(
    step: &Entry,
    target: &target::CompiledTarget,
    filled: &HashMap<String, Span>,
    ctx: &mut Ctx<'_>,
) {
    let node = &step.value;
    let key = target.key.as_ref();
    let is_id = key.is_some_and(Key::is_id);
    let broken = |name: &str| {
        let includes_broken = |node: &Node| node.get("include").is_some_and(Node::is_broken);
        node.get(name)
            .is_some_and(|node| node.is_broken() || includes_broken(node))
    };
    let copies_all = node.get("copy").and_then(Node::text) == Some("all");
    if let Some(key) = key
        && !broken("map")
        && !broken("copy")
        && (is_id || !copies_all)
        && (node.get("map").is_some() || node.get("copy").is_some())
    {
        for (field, span) in &key.fields {
            if filled.contains_key(&field.to_lowercase()) {
                continue;
            }
            ctx.report(
                Finding::error(
                    "unfilled-key",
                    span.clone(),
                    format!("nothing fills the key `{field}`"),
                )
                .label("neither in `map` nor in `copy`")
                .help(match key.fields.len() {
                    _ if is_id => "add it to `map`: `Id: { ref: STEP, of: Id }`".to_owned(),
                    1 => format!("add it to `map`: `{field}: Id`"),
                    _ => format!("add it to `copy` or to `map`: `{field}: {field}`"),
                }),
            );
        }
    }
    let mapped = node.get("map").map(Node::entries).unwrap_or_default();
    // Of a key that was complained about, `Id` may be a part.
    let settled = key.is_some() || target.target.is_some();
    if !is_id
        && settled
        && let Some(entry) = mapped.iter().find(|e| e.key.text.eq_ignore_ascii_case("Id"))
    {
        ctx.report(
            Finding::error("id-not-key", entry.key.span.clone(), "`Id` can only be filled as the key")
                .label("the target gives its own Ids")
                .help("write `key: Id` in the target, or keep the source's Id in a field of its own: `Legacy_Id__c: Id`"),
        );
    }
}

/// `delete` and `match` look at the key alone; a `group_by` field has to have a value.
fn check_target_fields(
    step: &Entry,
    target: Option<&Target>,
    filled: &HashMap<String, Span>,
    ctx: &mut Ctx<'_>,
) {
    let node = &step.value;
    let (Some(target), Some(key)) = (target, target.and_then(|t| t.key.as_ref())) else {
        return;
    };
    let copies_all = node.get("copy").filter(|copy| copy.text() == Some("all"));
    let word = target.operation.as_str();
    if target.operation.takes_key_only() {
        let names: Vec<&str> = key.fields.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        if let Some(copy) = copies_all {
            ctx.report(
                Finding::error(
                    "only-the-key",
                    copy.span.clone(),
                    format!("`{word}` takes the key only"),
                )
                .label("fills more than the key")
                .help(format!("write `copy: [{names}]`, or fill the key in `map`")),
            );
        }
        let mut extra: Vec<(&String, &Span)> = filled.iter().filter(|(name, _)| !key.has(name)).collect();
        extra.sort_by_key(|(_, span)| (span.file, span.range.start));
        for (_, span) in extra {
            let what = match target.operation {
                Operation::Match => "writes nothing, and finds records by their key",
                _ => "takes the key only",
            };
            ctx.report(
                Finding::error("only-the-key", span.clone(), format!("`{word}` {what}"))
                    .label("not a part of the key")
                    .also(key.span.clone(), "the key")
                    .help("leave this field out"),
            );
        }
    }
    if let Some((field, span)) = &target.group_by
        && copies_all.is_none()
        && !filled.contains_key(&field.to_lowercase())
        && !filled.keys().any(|name| leads_to(name, field))
    {
        ctx.report(
            Finding::error(
                "unfilled-group",
                span.clone(),
                format!("nothing fills `{field}`, by which rows are to be grouped"),
            )
            .label("neither in `map` nor in `copy`")
            .help("name a field that the step fills, such as the lookup to the parent"),
        );
    }
}

/// A key that is the same for every row makes one record of all of them.
fn check_constant_key(key: Option<&Key>, map: Option<&[FieldMap]>, ctx: &mut Ctx<'_>) {
    let (Some(key), Some(map)) = (key, map) else {
        return;
    };
    let constant = |line: &&FieldMap| match &line.value {
        MapValue::Literal(_) => true,
        MapValue::Expr(expr) => expr.as_constant().is_some(),
        _ => false,
    };
    // One part that differs is enough to tell rows apart.
    let line_of = |name: &str| {
        map.iter()
            .find(|line| line.field.as_str().eq_ignore_ascii_case(name))
    };
    let lines: Option<Vec<&FieldMap>> = key
        .fields
        .iter()
        .map(|(name, _)| line_of(name).filter(constant))
        .collect();
    let Some((name, line)) = lines.and_then(|lines| Some((&key.fields.first()?.0, *lines.first()?))) else {
        return;
    };
    ctx.report(
        Finding::warning(
            "constant-key",
            line.value_span.clone(),
            format!("the key `{name}` is the same for every row"),
        )
        .label("all rows but the first are parked as `duplicate_key`")
        .also(key.span.clone(), "the key")
        .help(format!("fill it with what tells the rows apart: `{name}: Id`")),
    );
}

/// Whether a relationship path fills a lookup: `Account.Ext__c` fills `AccountId`, `Parent__r.Ext__c` `Parent__c`.
fn leads_to(path: &str, lookup: &str) -> bool {
    let Some((relationship, _)) = path.split_once('.') else {
        return false;
    };
    let field = match relationship.strip_suffix("__r") {
        Some(custom) => format!("{custom}__c"),
        None => format!("{relationship}id"),
    };
    field.eq_ignore_ascii_case(lookup)
}

/// A `lookup` asks an org, and a file is none.
fn check_lookups_have_an_org(step: &Entry, map: Option<&[FieldMap]>, connection: &str, ctx: &mut Ctx<'_>) {
    let asks = map.unwrap_or_default().iter().find(|line| line.value.looks_up());
    let (Some(line), true) = (asks, connection.is_empty()) else {
        return;
    };
    let target = step
        .value
        .entry("target")
        .map_or_else(|| step.key.span.clone(), |entry| entry.key.span.clone());
    ctx.report(
        Finding::error(
            "missing-key",
            line.value_span.clone(),
            "the pipeline does not say which org is looked into",
        )
        .label("a `lookup` asks the target's org")
        .also(target, "this target is a file")
        .help("add `to: NAMED_CREDENTIAL` to the pipeline, or `connection: NAMED_CREDENTIAL` to the target"),
    );
}

/// `AccountId: AccountId` between two orgs writes an Id that the target does not know.
fn check_lookup_copies(
    step: &Entry,
    source: &CompiledSource,
    target_connection: &str,
    infos: &[StepInfo],
    ctx: &mut Ctx<'_>,
) {
    let from_org = source
        .source
        .as_ref()
        .is_some_and(|source| source.object().is_some());
    if !from_org || source.connection.as_deref() == Some(target_connection) {
        return;
    }
    for entry in step.value.get("map").map(Node::entries).unwrap_or_default() {
        let field = &entry.key.text;
        let Some(parent) = field
            .strip_suffix("Id")
            .filter(|parent| !parent.is_empty() && !parent.contains('.'))
        else {
            continue;
        };
        if !entry
            .value
            .text()
            .is_some_and(|text| text.trim().eq_ignore_ascii_case(field))
        {
            continue;
        }
        let known = infos
            .iter()
            .find(|info| {
                !info.deletes
                    && info
                        .object
                        .as_ref()
                        .is_some_and(|object| object.eq_ignore_ascii_case(parent))
            })
            .or_else(|| {
                (parent == "Parent")
                    .then(|| infos.iter().find(|i| i.name == step.key.text))
                    .flatten()
            });
        let instead = match (parent, known) {
            ("RecordType", _) => format!("{field}: {{ record_type: RecordType.DeveloperName }}"),
            (_, Some(info)) => format!("{field}: {{ ref: {}, of: {field} }}", info.name),
            ("Owner", None) => format!("{field}: {{ lookup: User, by: Username, of: Owner.Username }}"),
            (_, None) => format!("{field}: {{ lookup: {parent}, by: FIELD, of: {parent}.FIELD }}"),
        };
        ctx.report(
            Finding::warning(
                "copied-lookup",
                entry.value.span.clone(),
                format!("`{field}` gets the source org's Id, which the target org does not know"),
            )
            .label("an Id of the other org")
            .help(format!("write `{instead}`")),
        );
    }
}
