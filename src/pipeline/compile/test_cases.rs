//! `tests` of a step.

use super::{
    Ctx,
    mapping::{StepInfo, action, step_named},
    scope::{Columns, Rows},
    unknown, vars as var_values,
};
use crate::{
    diag::{Finding, Span, all_of, did_you_mean},
    pipeline::model::{Copy, Expectation, Fake, FieldMap, ForeignStep, MapValue, MappingTest, StepRef, Var},
    record::{FieldPath, Value},
    spec::{Entry, Node, Plain},
};

/// All tests of a step; `None` when one is faulty.
#[expect(
    clippy::too_many_arguments,
    reason = "a test looks at all that a step is made of"
)]
pub(super) fn compile(
    step: &Entry,
    columns: &Columns,
    map: Option<&[FieldMap]>,
    copy: &Option<Copy>,
    infos: &[StepInfo],
    others: &[ForeignStep],
    vars: &[Var],
    ctx: &mut Ctx<'_>,
) -> Option<Vec<MappingTest>> {
    let nodes = step.value.get("tests").map(Node::items).unwrap_or_default();
    let target = step.value.get("target");
    let target_has = |key: &str| target.is_some_and(|target| target.get(key).is_some());
    let filled = match (target_has("jsonl"), target_has("csv")) {
        (true, _) => None,
        (_, true) => Some("a cell of a CSV file"),
        _ => Some("a field of an org"),
    };
    let step = StepFields {
        filled,
        columns,
        map,
        copy: copy.as_ref(),
        infos,
        others,
        vars,
    };
    let tests: Vec<Option<MappingTest>> = nodes.iter().map(|node| step.test(node, ctx)).collect();
    tests.into_iter().collect()
}

struct StepFields<'a> {
    /// What is filled, where it is one value; JSON lines may hold lists and maps.
    filled: Option<&'static str>,
    columns: &'a Columns,
    map: Option<&'a [FieldMap]>,
    copy: Option<&'a Copy>,
    infos: &'a [StepInfo],
    others: &'a [ForeignStep],
    vars: &'a [Var],
}

impl StepFields<'_> {
    fn test(&self, node: &Node, ctx: &mut Ctx<'_>) -> Option<MappingTest> {
        if node.is_broken() {
            return None;
        }
        let name = node.get("name");
        let given = self.given(node.get("given"), ctx);
        let refs = self.refs(node.get("refs"), ctx);
        let lookups = self.lookups(node.get("lookups"), ctx);
        let vars = self.vars(node.get("vars"), ctx);
        let expect = self.expect(node.get("expect")?, ctx);
        Some(MappingTest {
            name: name?.text()?.to_owned(),
            item: self
                .of_each(node, "item")
                .map(|item| Value::from_json(&item.to_json())),
            item_number: self
                .of_each(node, "item_number")
                .and_then(|number| number.text()?.parse().ok())
                .unwrap_or(1),
            action: node.get("action").and_then(action).unwrap_or_default(),
            span: name?.span.clone(),
            given_places: self.given_places(node.get("given")),
            given: given?,
            refs: refs?,
            files: (0..self.infos.len())
                .filter(|at| self.infos[*at].to_file)
                .collect(),
            lookups: lookups?,
            vars: vars?,
            expect: expect?,
            expect_span: node.get("expect")?.span.clone(),
        })
    }

    /// The entry of `each`, or its place, where a test gives it.
    fn of_each<'n>(&self, node: &'n Node, name: &str) -> Option<&'n Node> {
        node.get("given").filter(|_| self.columns.item)?.get(name)
    }

    /// One value a column.
    fn given(&self, node: Option<&Node>, ctx: &mut Ctx<'_>) -> Option<Vec<Value>> {
        let columns = &self.columns.columns;
        let mut row = vec![Value::Null; columns.len()];
        let Some(node) = node else {
            return Some(row);
        };
        let mut whole = !node.has_broken_part();
        let mut wanted = vec![false; node.entries().len()];
        for (at, column) in columns.iter().enumerate() {
            if self.columns.whole_row == Some(at) {
                row[at] = Value::from_json(&node.to_json());
                wanted.fill(true);
            } else if let Some((entry, value)) = find(node.entries(), column.path.as_str()) {
                whole &= self.can_be_read(column.path.as_str(), value, ctx);
                row[at] = match self.columns.rows() {
                    Rows::Cells => cell(value),
                    _ => Value::from_json(&value.to_json()),
                };
                wanted[entry] = true;
            }
        }
        // What `copy: all` reads of an object is known when the org has been asked.
        let open = self.columns.rows() == Rows::Unknown
            || self.map.is_none()
            || (matches!(self.columns.rows(), Rows::Derived | Rows::Json | Rows::Cells)
                && self.columns.header().is_none()
                && !matches!(self.copy, Some(Copy::Nothing | Copy::Fields(_))));
        for (entry, wanted) in node.entries().iter().zip(wanted) {
            let name = &entry.key.text;
            let in_header = |header: &[String]| header.iter().any(|known| known.eq_ignore_ascii_case(name));
            let of_each = self.columns.item && ["item", "item_number"].contains(&name.as_str());
            if of_each {
                whole &= match name.as_str() {
                    "item_number" => place_in_list(&entry.value, ctx),
                    _ => self.can_be_read(name, &entry.value, ctx),
                };
            }
            if !wanted && self.columns.header().is_some_and(in_header) {
                whole &= self.can_be_read(name, &entry.value, ctx);
                continue;
            }
            if wanted || open || of_each {
                continue;
            }
            let (message, label) = match self.columns.rows() {
                Rows::Cells if self.columns.header().is_some() => (
                    format!("the file has no column `{name}`"),
                    "not in the header line",
                ),
                Rows::Selected => (format!("the query does not select `{name}`"), "not selected"),
                _ => (
                    format!("the step does not read `{name}`"),
                    "nothing uses this field",
                ),
            };
            let finding = Finding::error("unknown-field", entry.key.span.clone(), message).label(label);
            let header = self.columns.header().unwrap_or_default();
            let names = columns.iter().map(|column| column.path.as_str());
            let names = names.chain(header.iter().map(String::as_str));
            ctx.report(match did_you_mean(name, names) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding,
            });
            whole = false;
        }
        whole.then_some(row)
    }

    /// Whether a source of this kind can read such a value: fields of an org and cells of a CSV file are no lists or
    /// maps.
    fn can_be_read(&self, name: &str, value: &Node, ctx: &mut Ctx<'_>) -> bool {
        let kind = match self.columns.rows() {
            Rows::Selected | Rows::Derived => "a field of an org",
            Rows::Cells => "a cell of a CSV file",
            Rows::Json | Rows::Filled | Rows::Nowhere | Rows::Unknown => return true,
        };
        one_value(name, value, kind, ctx)
    }

    /// Where the values stand that a test gives.
    fn given_places(&self, node: Option<&Node>) -> Vec<(usize, Span)> {
        let entries = node.map(Node::entries).unwrap_or_default();
        self.columns
            .columns
            .iter()
            .enumerate()
            .filter_map(|(at, column)| Some((at, find(entries, column.path.as_str())?.1.span.clone())))
            .collect()
    }

    fn refs(&self, node: Option<&Node>, ctx: &mut Ctx<'_>) -> Option<Vec<(StepRef, String, Fake)>> {
        let asked = self.map.map(referred);
        let mut refs = Some(Vec::new());
        for entry in node.map(Node::entries).unwrap_or_default() {
            let name = &entry.key.text;
            let key = Node {
                kind: entry.value.kind.clone(),
                span: entry.key.span.clone(),
            };
            let named = |other: &ForeignStep| {
                name.split_once('/') == Some((other.pipeline.as_str(), other.step.as_str()))
            };
            let foreign = self.others.iter().position(named).map(StepRef::Foreign);
            // Steps of other files are known by the refs that name them.
            let step = match foreign {
                None if name.contains('/') => {
                    if asked.is_some() {
                        ctx.report(self.unasked(&entry.key, asked.as_ref()));
                    }
                    continue;
                }
                None => step_named(&key, name, self.infos, ctx).map(StepRef::Own),
                found => found,
            };
            if let (Some(step), Some(asked)) = (step, &asked)
                && !asked.iter().any(|(known, _)| *known == step)
            {
                ctx.report(self.unasked(&entry.key, Some(asked)));
            }
            let gives_id = |step: StepRef| {
                let asked = asked.iter().flatten();
                asked.filter(|(known, _)| *known == step).any(|(_, give)| !give)
            };
            if let Some(list) = entry.value.entries().iter().find(|e| e.value.items().len() > 1) {
                ctx.report(
                    Finding::error(
                        "wrong-type",
                        list.value.span.clone(),
                        format!("`{}` cannot become several records", list.key.text),
                    )
                    .label("a row becomes one record, or none")
                    .help("give one Id, or null for none"),
                );
                refs = None;
                continue;
            }
            let faked = fakes(&entry.value, step.is_some_and(gives_id), ctx);
            match (step, faked, refs.as_mut()) {
                (Some(step), Some(faked), Some(refs)) => {
                    refs.extend(faked.into_iter().map(|(from, to)| (step, from, to)));
                }
                _ => refs = None,
            }
        }
        refs
    }

    /// A fake for a step that no `ref` of the map asks.
    fn unasked(&self, key: &crate::spec::Key, asked: Option<&Vec<(StepRef, bool)>>) -> Finding {
        let mut names: Vec<String> = Vec::new();
        for (step, _) in asked.into_iter().flatten() {
            let name = match step {
                StepRef::Own(at) => self.infos[*at].name.clone(),
                StepRef::Foreign(at) => format!("{}/{}", self.others[*at].pipeline, self.others[*at].step),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let finding = Finding::warning(
            "unused-fake",
            key.span.clone(),
            format!("no `ref` of this step asks `{}`", key.text),
        )
        .label("this answer is for nobody");
        match did_you_mean(&key.text, names.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => finding.help("leave it out: the step has no `ref`"),
            None => finding.help(format!(
                "leave it out; the step refers to {}",
                all_of(names.iter().map(String::as_str))
            )),
        }
    }

    fn lookups(&self, node: Option<&Node>, ctx: &mut Ctx<'_>) -> Option<Vec<(String, String, Fake)>> {
        let mut objects = Vec::new();
        for line in self.map.unwrap_or_default() {
            looked_up(&line.value, &mut objects);
        }
        let mut lookups = Some(Vec::new());
        for entry in node.map(Node::entries).unwrap_or_default() {
            let name = &entry.key.text;
            if self.map.is_some() && !objects.iter().any(|object| object.eq_ignore_ascii_case(name)) {
                let finding = Finding::error(
                    "unknown-object",
                    entry.key.span.clone(),
                    format!("the step looks up no `{name}`"),
                )
                .label(match name.eq_ignore_ascii_case(RECORD_TYPE) {
                    true => "neither `record_type` nor a `lookup` asks for it",
                    false => "no `lookup` asks for it",
                });
                ctx.report(match did_you_mean(name, objects.iter().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("leave it out"),
                });
                lookups = None;
            }
            match (fakes(&entry.value, false, ctx), lookups.as_mut()) {
                (Some(faked), Some(lookups)) => {
                    lookups.extend(faked.into_iter().map(|(from, to)| (name.clone(), from, to)));
                }
                _ => lookups = None,
            }
        }
        lookups
    }

    fn vars(&self, node: Option<&Node>, ctx: &mut Ctx<'_>) -> Option<Vec<(String, Value)>> {
        let mut vars = Some(Vec::new());
        for entry in node.map(Node::entries).unwrap_or_default() {
            let name = &entry.key.text;
            if !self.vars.iter().any(|var| var.name == *name) {
                let known: Vec<&str> = self.vars.iter().map(|var| var.name.as_str()).collect();
                ctx.report(unknown("unknown-var", "var", name, entry.key.span.clone(), known));
                vars = None;
            }
            let declared = self.vars.iter().find(|var| var.name == *name);
            if let Some(var) = declared
                && !var_values::is_of_kind(entry, var.kind, &var.span, ctx)
            {
                vars = None;
                continue;
            }
            match (var_values::typed(&entry.value, ctx), vars.as_mut()) {
                (Some(value), Some(vars)) => vars.push((name.clone(), value)),
                _ => vars = None,
            }
        }
        vars
    }

    fn expect(&self, node: &Node, ctx: &mut Ctx<'_>) -> Option<Expectation> {
        match node.text() {
            Some("parked") => return Some(Expectation::Parked),
            Some("filtered") => return Some(Expectation::Filtered),
            _ if node.has_broken_part() => return None,
            _ => {}
        }
        let filled: Option<Vec<&str>> = match (self.map, self.copy) {
            (Some(map), Some(Copy::Nothing)) => Some(map.iter().map(|line| line.field.as_str()).collect()),
            (Some(map), Some(Copy::Fields(copied))) => {
                let copied = copied.iter().map(|copied| copied.field.as_str());
                Some(map.iter().map(|line| line.field.as_str()).chain(copied).collect())
            }
            // All columns of a file whose header is known.
            (Some(map), Some(Copy::All { except, .. })) => self.columns.header().map(|header| {
                let left_out = |name: &str| except.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
                let copied = header.iter().map(String::as_str).filter(|name| !left_out(name));
                map.iter().map(|line| line.field.as_str()).chain(copied).collect()
            }),
            _ => None,
        };
        let mut fields: Vec<(FieldPath, Value, Span)> = Vec::new();
        let mut whole = true;
        for entry in node.entries() {
            let name = &entry.key.text;
            if let Some(filled) = &filled
                && !filled.iter().any(|field| field.eq_ignore_ascii_case(name))
            {
                let finding = Finding::error(
                    "unknown-field",
                    entry.key.span.clone(),
                    format!("the step does not fill `{name}`"),
                )
                .label("neither in `map` nor in `copy`");
                ctx.report(match did_you_mean(name, filled.iter().copied()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding,
                });
                whole = false;
            }
            if let Some(kind) = self.filled {
                whole &= one_value(name, &entry.value, kind, ctx);
            }
            let value = Value::from_json(&entry.value.to_json());
            fields.push((FieldPath::new(name.clone()), value, entry.value.span.clone()));
        }
        whole.then_some(Expectation::Fields(fields))
    }
}

/// Whether a value is the place of an entry in its list; otherwise it is complained about.
fn place_in_list(value: &Node, ctx: &mut Ctx<'_>) -> bool {
    let place = value.text().and_then(|text| text.parse::<u32>().ok());
    if place.is_some_and(|place| place > 0) || value.is_broken() {
        return true;
    }
    ctx.report(
        Finding::error(
            "wrong-type",
            ctx.head(value),
            "`item_number` is a place in a list",
        )
        .label("no whole number from 1")
        .help("for example `item_number: 1`"),
    );
    false
}

/// Whether a value has no parts; otherwise it is complained about.
fn one_value(name: &str, value: &Node, kind: &str, ctx: &mut Ctx<'_>) -> bool {
    let nothing = value
        .scalar()
        .is_some_and(|scalar| scalar.text.is_empty() && scalar.plain() == Plain::Null);
    if nothing {
        ctx.report(
            Finding::error("wrong-type", value.span.clone(), format!("`{name}` has no value"))
                .label("expected `: ` and a value")
                .help("for nothing, write `null`"),
        );
        return false;
    }
    if value.scalar().is_some() || value.is_broken() {
        return true;
    }
    ctx.report(
        Finding::error("wrong-type", ctx.head(value), format!("`{name}` has one value"))
            .label(format!("this is {}, and {kind} is none", value.what()))
            .help("write text, a number, `true` or `null`"),
    );
    false
}

/// In a CSV file everything is text.
fn cell(node: &Node) -> Value {
    match node.scalar().map(|scalar| (scalar.plain(), scalar)) {
        Some((Plain::Null, _)) => Value::Null,
        Some((_, scalar)) => Value::text(scalar.text.as_str()),
        None => Value::from_json(&node.to_json()),
    }
}

/// The value of a column in what a test gives: by its whole path, or through maps.
fn find<'a>(entries: &'a [Entry], path: &str) -> Option<(usize, &'a Node)> {
    let whole = entries
        .iter()
        .position(|entry| entry.key.text.eq_ignore_ascii_case(path));
    if let Some(at) = whole {
        return Some((at, &entries[at].value));
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let at = entries
            .iter()
            .position(|entry| entry.key.text.eq_ignore_ascii_case(&path[..dot]))?;
        let (_, value) = find(entries[at].value.entries(), &path[dot + 1..])?;
        Some((at, value))
    })
}

/// Where record types are faked: the object that an org keeps them in.
const RECORD_TYPE: &str = "RecordType";

/// What stands for the answers to some questions. `with_id`: an Id is asked for, so that a record needs one.
fn fakes(node: &Node, with_id: bool, ctx: &mut Ctx<'_>) -> Option<Vec<(String, Fake)>> {
    let mut all = Some(Vec::new());
    for entry in node.entries() {
        let value = &entry.value;
        let fake = match value.scalar() {
            _ if value.has_broken_part() => None,
            Some(scalar) => Some(match scalar.plain() {
                Plain::Null => Fake::Nothing,
                _ => match Value::from_json(&value.to_json()) {
                    Value::Null => Fake::Nothing,
                    found => Fake::One(found),
                },
            }),
            None if value.entries().is_empty() => Some(match value.items() {
                [] => Fake::Nothing,
                [one] => Fake::One(Value::from_json(&one.to_json())),
                several => Fake::Several(several.len()),
            }),
            None => {
                let fields: Vec<(FieldPath, Value)> = value
                    .entries()
                    .iter()
                    .map(|field| {
                        let value = Value::from_json(&field.value.to_json());
                        (FieldPath::new(field.key.text.clone()), value)
                    })
                    .collect();
                if with_id && !fields.iter().any(|(field, _)| *field == FieldPath::from("Id")) {
                    ctx.report(
                        Finding::error(
                            "missing-key",
                            value.span.clone(),
                            format!("the record of `{}` has no `Id`", entry.key.text),
                        )
                        .label("a `ref` of the step asks for it")
                        .help("add the Id that the record has in the target: `Id: 001T`"),
                    );
                    None
                } else {
                    Some(Fake::Record(fields))
                }
            }
        };
        match (fake, all.as_mut()) {
            (Some(fake), Some(all)) => all.push((entry.key.text.clone(), fake)),
            _ => all = None,
        }
    }
    all
}

/// The steps that refs of a map ask, and whether by `give`.
fn referred(map: &[FieldMap]) -> Vec<(StepRef, bool)> {
    let mut steps = Vec::new();
    for line in map {
        line.value.each(&mut |value| {
            if let MapValue::Ref {
                steps: named, give, ..
            } = value
            {
                steps.extend(named.iter().map(|step| (*step, give.is_some())));
            }
        });
    }
    steps
}

/// The objects of every lookup inside a mapping value; record types are looked up too.
fn looked_up(value: &MapValue, objects: &mut Vec<String>) {
    value.each(&mut |value| {
        let object = match value {
            MapValue::Lookup { lookup, .. } => lookup.object.as_str(),
            MapValue::RecordType { .. } => RECORD_TYPE,
            _ => return,
        };
        if !objects.iter().any(|known| known == object) {
            objects.push(object.to_owned());
        }
    });
}
