//! `map`: what each target field gets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    Ctx,
    access::Access,
    expressions::{self, Usage},
    foreign::{Named, Others},
    scope::Columns,
    unknown, vars,
};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::expr::is_template,
    pipeline::model::{ForeignSource, Lookup, MapValue, Mask, Missing, Only, StepRef, Table, Var},
    record::{FieldPath, Value},
    spec::{Entry, Node, Plain, Scalar, Style},
};

/// The tables that a pipeline can name.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: BTreeMap<String, Option<Arc<Table>>>,
}

impl Tables {
    /// Of project, pipeline and environment; the later ones win.
    pub(super) fn new(levels: &[Option<&Node>]) -> Self {
        let mut tables = BTreeMap::new();
        for entry in levels
            .iter()
            .flatten()
            .filter_map(|level| level.get("tables"))
            .flat_map(Node::entries)
        {
            let broken = entry.value.has_broken_part();
            let made = (!broken).then(|| Arc::new(table(&entry.key.text, &entry.value)));
            tables.insert(entry.key.text.clone(), made);
        }
        Tables { tables }
    }
}

fn table(name: &str, node: &Node) -> Table {
    let entries = node
        .entries()
        .iter()
        .filter_map(|entry| Some((entry.key.text.clone(), literal(entry.value.scalar()?))));
    Table {
        name: name.to_owned(),
        entries: entries.collect(),
        places: node
            .entries()
            .iter()
            .map(|entry| (entry.key.text.clone(), entry.value.span.clone()))
            .collect(),
    }
}

/// A literal in a place for text: as typed, but for null.
fn literal(scalar: &Scalar) -> Value {
    match scalar.plain() {
        Plain::Null => Value::Null,
        _ => Value::text(scalar.text.as_str()),
    }
}

/// What is known of a step before any is compiled.
#[derive(Debug)]
pub(super) struct StepInfo {
    pub(super) name: String,
    pub(super) object: Option<String>,
    pub(super) has_row_id: bool,
    /// Whether its target records are removed: then nothing can refer to them.
    pub(super) deletes: bool,
    /// Its rows go to a file.
    pub(super) to_file: bool,
}

/// Compiles mapping values of one step.
pub(super) struct Mapper<'a, 'd> {
    pub(super) columns: &'a mut Columns,
    pub(super) usage: &'a mut Usage,
    pub(super) steps: &'a [StepInfo],
    pub(super) tables: &'a Tables,
    pub(super) vars: &'a [Var],
    /// Lookups made so far in this target org, by what they ask.
    pub(super) lookups: &'a mut HashMap<String, Arc<Lookup>>,
    pub(super) others: &'a mut Others<'d>,
    pub(super) access: &'a mut Access<'d>,
}

impl Mapper<'_, '_> {
    /// A mapping value. `None`: it was complained about.
    pub(super) fn value(&mut self, node: &Node, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        if node.is_broken() {
            return None;
        }
        if let Some(scalar) = node.scalar() {
            return self.scalar(node, scalar, ctx);
        }
        let mut value = self.form(node, ctx);
        if let Some(when) = node.get("when") {
            let condition = expressions::when(when, self.columns, self.usage, ctx);
            value = match (condition, value) {
                (Some(condition), Some(value)) => Some(MapValue::When {
                    condition,
                    then: Box::new(value),
                }),
                _ => None,
            };
        }
        match node.get("only") {
            None => value,
            Some(only) => Some(MapValue::Only {
                on: action(only)?,
                then: Box::new(value?),
            }),
        }
    }

    /// What a form looks at. A bare number or `true` would be the same for every row.
    fn subject(&mut self, node: &Node, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        let scalar = node
            .scalar()
            .filter(|scalar| matches!(scalar.plain(), Plain::Bool(_) | Plain::Number));
        if let Some(scalar) = scalar.filter(|scalar| !scalar.has_leading_zeros()) {
            ctx.report(
                Finding::error(
                    "constant-of",
                    node.span.clone(),
                    format!("`{}` is the same for every row", scalar.text),
                )
                .label("no field of the source")
                .help("name a field or write an expression of fields")
                .help(format!(
                    "if this one value is meant, write `{{ value: {} }}`",
                    scalar.text
                )),
            );
            return None;
        }
        self.value(node, ctx)
    }

    /// An expression, a template or a literal.
    fn scalar(&mut self, node: &Node, scalar: &Scalar, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        if scalar.has_leading_zeros() {
            ctx.report(vars::leading_zeros(
                node,
                scalar,
                &format!("{{ value: {} }}", scalar.text),
            ));
            return None;
        }
        if scalar.is_bare_date() {
            ctx.report(
                Finding::error(
                    "ambiguous-literal",
                    node.span.clone(),
                    format!("`{}` would be a subtraction", scalar.text),
                )
                .label("a bare date")
                .help(format!("write `{{ value: {} }}`", scalar.text)),
            );
            return None;
        }
        // In a template it would be printed.
        let unopened = ['"', '\'']
            .into_iter()
            .find(|quote| scalar.text.ends_with(*quote) && scalar.text.matches(*quote).count() == 1);
        if let Some(quote) = unopened.filter(|_| scalar.style == Style::Plain && is_template(&scalar.text)) {
            ctx.report(
                Finding::error(
                    "template-syntax",
                    Span::new(node.span.file, node.span.range.end - 1..node.span.range.end),
                    format!("this {quote} closes nothing"),
                )
                .label(format!("no {quote} opens the text"))
                .help(format!("write {quote}{}, or leave it out", scalar.text)),
            );
            return None;
        }
        match scalar.plain() {
            Plain::Bool(_) | Plain::Number => Some(MapValue::Literal(vars::scalar_value(scalar))),
            Plain::Null if !scalar.text.is_empty() => Some(MapValue::Literal(Value::Null)),
            Plain::Null => {
                ctx.report(
                    Finding::error("expression-syntax", node.span.clone(), "the field has no value")
                        .label("expected a field, a literal or an expression")
                        .help("write `null` to empty the field"),
                );
                None
            }
            Plain::Text => expressions::expression(node, self.columns, self.usage, ctx).map(MapValue::Expr),
        }
    }

    fn form(&mut self, node: &Node, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        for entry in node.entries() {
            let subject = &entry.value;
            return match entry.key.text.as_str() {
                "value" => Some(MapValue::Literal(literal(subject.scalar()?))),
                "expr" => self.scalar(subject, subject.scalar()?, ctx),
                "first" => self.first(entry, ctx),
                "table" => self.table(node, subject, ctx),
                "ref" => self.reference(node, entry, ctx),
                "lookup" => self.lookup(node, subject, ctx),
                "record_type" => {
                    let of = self.value(subject, ctx);
                    if let Some(MapValue::Literal(Value::Number(_) | Value::Bool(_))) = &of {
                        ctx.report(
                            Finding::error(
                                "wrong-type",
                                subject.span.clone(),
                                "a record type is found by its developer name, which is text",
                            )
                            .label("this is none")
                            .help("for example `{ record_type: RecordType.DeveloperName }` or `{ record_type: \"'Customer'\" }`"),
                        );
                        return None;
                    }
                    Some(MapValue::RecordType {
                        of: Box::new(of?),
                        otherwise: missing(node.get("otherwise"))?,
                    })
                }
                "jsonpath" => {
                    let path = expressions::jsonpath(subject, ctx);
                    let of = self.subject(node.get("of")?, ctx);
                    Some(MapValue::JsonPath {
                        path: path?,
                        of: Box::new(of?),
                    })
                }
                "mask" => {
                    self.usage.mask.get_or_insert_with(|| entry.key.span.clone());
                    let of = self.subject(node.get("of")?, ctx);
                    let word = subject.text()?;
                    Some(MapValue::Mask {
                        kind: Mask::ALL.into_iter().find(|kind| kind.as_str() == word)?,
                        of: Box::new(of?),
                    })
                }
                _ => continue,
            };
        }
        None
    }

    fn first(&mut self, entry: &Entry, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        let values: Vec<Option<MapValue>> = entry
            .value
            .items()
            .iter()
            .map(|item| self.value(item, ctx))
            .collect();
        if values.is_empty() && !entry.value.is_broken() {
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.value.span.clone(),
                    "`first` takes a list of mapping values",
                )
                .label("an empty list")
                .help("for example `{ first: [Phone, MobilePhone] }`"),
            );
            return None;
        }
        let items = entry.value.items();
        for (at, item) in items.iter().enumerate() {
            let Some(first) = items[..at].iter().find(|other| other.same(item)) else {
                continue;
            };
            ctx.report(
                Finding::warning(
                    "repeated-value",
                    ctx.head(item),
                    "this value stands twice in `first`",
                )
                .label("never asked: it has what the first one has")
                .also(ctx.head(first), "the first one")
                .help("leave one of them out"),
            );
        }
        // A value that has no match gives way to the next one, whatever its own `otherwise` says.
        let before = entry
            .value
            .items()
            .split_last()
            .map_or(&[][..], |(_, before)| before);
        for item in before {
            for key in ["otherwise", "missing"] {
                if let Some(useless) = item.entry(key) {
                    ctx.report(
                        Finding::warning(
                            "unused-key",
                            useless.key.span.clone(),
                            format!("`{key}` means nothing here"),
                        )
                        .label("not the last one of `first`: without a match the next one is tried")
                        .help("leave it out; the last one's decides"),
                    );
                }
            }
        }
        values
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(MapValue::First)
    }

    fn table(&mut self, node: &Node, subject: &Node, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        let found = match subject.text() {
            None if subject.has_broken_part() => None,
            None => Some(Arc::new(table("inline", subject))),
            Some(name) => {
                self.usage.tables.insert(name.to_owned());
                match self.tables.tables.get(name) {
                    Some(table) => table.clone(),
                    None => {
                        let known: Vec<&str> = self.tables.tables.keys().map(String::as_str).collect();
                        let finding = unknown(
                            "unknown-table",
                            "table",
                            name,
                            subject.span.clone(),
                            known.clone(),
                        );
                        ctx.report(if known.is_empty() {
                            finding.help(format!("declare it: `tables: {{ {name}: {{ FROM: TO }} }}`"))
                        } else {
                            finding
                        });
                        None
                    }
                }
            }
        };
        let of = self.subject(node.get("of")?, ctx);
        Some(MapValue::Table {
            table: found?,
            of: Box::new(of?),
            otherwise: missing(node.get("otherwise"))?,
        })
    }

    fn reference(&mut self, node: &Node, entry: &Entry, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        let mut steps = Some(Vec::new());
        for name in entry.value.one_or_more() {
            let found = self.step(name, ctx);
            match (steps.as_mut(), found) {
                (Some(steps), Some(step)) => steps.push(step),
                _ => steps = None,
            }
        }
        if steps.as_ref().is_some_and(Vec::is_empty) {
            ctx.report(
                Finding::error(
                    "wrong-type",
                    entry.value.span.clone(),
                    "`ref` takes a step or a list of steps",
                )
                .label("an empty list"),
            );
            steps = None;
        }
        let of = self.subject(node.get("of")?, ctx);
        let give = give(node);
        if let (Some((_, span)), Some(steps)) = (&give, &steps) {
            let to_file = steps.iter().find_map(|step| match step {
                StepRef::Own(index) => Some(&self.steps[*index]).filter(|step| step.to_file),
                StepRef::Foreign(_) => None,
            });
            if let Some(step) = to_file {
                ctx.report(
                    Finding::error(
                        "wrong-step",
                        span.clone(),
                        format!("`give` asks an org, and `{}` writes a file", step.name),
                    )
                    .label("there is no record to ask")
                    .help("leave `give` out: the row's own id is given"),
                );
                return None;
            }
        }
        Some(MapValue::Ref {
            steps: steps?,
            of: Box::new(of?),
            give,
            missing: missing(node.get("missing"))?,
            span: entry.value.span.clone(),
        })
    }

    fn step(&mut self, node: &Node, ctx: &mut Ctx<'_>) -> Option<StepRef> {
        let mut name = node.text()?;
        if name.contains('/') {
            match self.others.step(node, name, ctx)? {
                Named::Own(own) => name = own,
                Named::Foreign(at) => {
                    if let ForeignSource::Org(credential) | ForeignSource::Callout(credential) =
                        &self.others.named[at].source
                    {
                        self.access.uses(credential, &node.span);
                    }
                    return Some(StepRef::Foreign(at));
                }
            }
        }
        let found = step_named(node, name, self.steps, ctx)?;
        if self.steps[found].deletes {
            ctx.report(
                Finding::error(
                    "ref-to-delete",
                    node.span.clone(),
                    format!("`{name}` deletes its records, so that nothing can refer to them"),
                )
                .label("a step that deletes")
                .help("name a step that writes or matches the records; for the order alone, write `needs`"),
            );
            return None;
        }
        if !self.steps[found].has_row_id {
            ctx.report(
                Finding::error(
                    "missing-key",
                    node.span.clone(),
                    format!("rows of `{name}` cannot be referred to"),
                )
                .label("its source has neither `id` nor a key")
                .help(format!(
                    "add to the source of `{name}` what tells its rows apart: `id: FIELD`"
                )),
            );
            return None;
        }
        Some(StepRef::Own(found))
    }

    fn lookup(&mut self, node: &Node, subject: &Node, ctx: &mut Ctx<'_>) -> Option<MapValue> {
        let object = subject.text();
        let by_node = node.get("by")?;
        let of_node = node.get("of")?;
        let by: Vec<_> = by_node
            .one_or_more()
            .iter()
            .filter_map(|field| Some((FieldPath::new(field.text()?), field.span.clone())))
            .collect();
        let of: Option<Vec<MapValue>> = of_node
            .one_or_more()
            .iter()
            .map(|value| self.subject(value, ctx))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let counts = (by_node.one_or_more().len(), of_node.one_or_more().len());
        let even = counts.0 == counts.1 && counts.0 > 0;
        if !even && !of_node.is_broken() && !by_node.is_broken() {
            ctx.report(
                Finding::error(
                    "uneven-lists",
                    ctx.head(of_node),
                    "`by` and `of` differ in length",
                )
                .label(format!("{} here", count(counts.1, "value")))
                .also(ctx.head(by_node), count(counts.0, "field"))
                .help("each field of `by` is compared with the value at its place in `of`"),
            );
        }
        let condition_node = node.get("where");
        let condition =
            condition_node.and_then(|node| expressions::condition(node, self.vars, self.usage, ctx));
        let filters = expressions::filters(condition_node, condition.as_ref(), ctx);
        let joins = condition
            .as_ref()
            .map(|c| c.semi_joins.as_slice())
            .unwrap_or_default();
        let semi_joins = expressions::semi_joins(condition_node, joins, ctx);
        if !even || condition.is_some() != condition_node.is_some() || by.len() != counts.0 {
            return None;
        }
        let object = object?.to_owned();
        let give = give(node);
        let asked = format!(
            "{} {:?} {:?} {}",
            object.to_lowercase(),
            give.as_ref().map(|(path, _)| path.as_str().to_lowercase()),
            by.iter()
                .map(|(path, _)| path.as_str().to_lowercase())
                .collect::<Vec<_>>(),
            condition.as_ref().map(|c| c.text.as_str()).unwrap_or_default(),
        );
        let lookup = self.lookups.entry(asked).or_insert_with(|| {
            Arc::new(Lookup {
                object,
                object_span: subject.span.clone(),
                by,
                condition,
                condition_span: condition_node.map_or_else(|| subject.span.clone(), |node| ctx.head(node)),
                filters,
                semi_joins,
                give,
            })
        });
        Some(MapValue::Lookup {
            lookup: Arc::clone(lookup),
            of: of?,
            otherwise: missing(node.get("otherwise"))?,
        })
    }
}

/// Every literal text in a mapping value, with its place.
pub(super) fn literals(node: &Node, found: &mut Vec<(String, Span)>) {
    for entry in node.entries() {
        match entry.value.text() {
            Some(text) if entry.key.text == "value" => {
                found.push((text.to_owned(), entry.value.span.clone()));
            }
            _ => literals(&entry.value, found),
        }
    }
    for item in node.items() {
        literals(item, found);
    }
}

/// The step of a name, or a complaint.
pub(super) fn step_named(node: &Node, name: &str, steps: &[StepInfo], ctx: &mut Ctx<'_>) -> Option<usize> {
    let found = steps.iter().position(|step| step.name == name);
    if found.is_none() {
        let names = || steps.iter().map(|step| step.name.as_str());
        let finding = Finding::error(
            "unknown-step",
            node.span.clone(),
            format!("unknown step `{name}`"),
        )
        .label("no step of this file");
        ctx.report(match did_you_mean(name, names()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("this file's steps: {}", all_of(names()))),
        });
    }
    found
}

/// `only`, and what a test's row becomes.
pub(super) fn action(node: &Node) -> Option<Only> {
    match node.text()? {
        "create" => Some(Only::Create),
        "update" => Some(Only::Update),
        _ => None,
    }
}

/// `give`.
fn give(node: &Node) -> Option<(FieldPath, Span)> {
    let give = node.get("give")?;
    Some((FieldPath::new(give.text()?), give.span.clone()))
}

/// `otherwise` and `missing`.
fn missing(node: Option<&Node>) -> Option<Missing> {
    let Some(node) = node else {
        return Some(Missing::Park);
    };
    if let Some(value) = node.get("value") {
        return Some(Missing::Value(literal(value.scalar()?)));
    }
    Some(match node.text()? {
        "skip" => Missing::Skip,
        "null" => Missing::Null,
        "omit" => Missing::Omit,
        "stop" => Missing::Stop,
        "keep" => Missing::Keep,
        _ => Missing::Park,
    })
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
