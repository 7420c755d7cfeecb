//! The whole plan, from the pipeline and both orgs' describes. Pure.

use std::collections::BTreeSet;

use super::{
    Plan, ReadFrom, Schemas,
    order::{Edge, Order, Strength, order},
    steps::{Built, build_step},
};
use crate::{
    diag::{Finding, Severity},
    file::Place,
    pipeline::{
        Pipeline,
        expr::{RunInfo, Vars},
        model::{MapValue, StepRef, VarDefault},
    },
    record::Value,
};

/// Decides everything but REST or Bulk, which needs row counts: see [`Plan::choose_roads`].
///
/// # Errors
/// Everything that the describes prove wrong. Warnings come with the plan.
pub fn build(
    pipeline: &Pipeline,
    schemas: &Schemas,
    vars: &Vars,
    run: &RunInfo,
) -> Result<(Plan, Vec<Finding>), Vec<Finding>> {
    let mut findings = Vec::new();
    let (mut built, order) = match decide(pipeline, schemas, vars, run, &mut findings) {
        Some(decided) => decided,
        None => return Err(findings),
    };
    // From here on steps are named by their place in the sequence.
    let place = |index: &usize| order.sequence.iter().position(|s| s == index).unwrap_or_default();
    let places = |set: &BTreeSet<usize>| set.iter().map(place).collect::<BTreeSet<usize>>();
    for (index, built) in built.iter_mut().enumerate() {
        built.step.after = places(&order.after[index]);
        for (field, waits_for) in &order.looping[index] {
            built.step.mapping.fields[*field].looping = true;
            built.step.second_pass_after.extend(places(waits_for));
        }
    }
    for built in &mut built {
        built.step.deletes_of = built.step.deletes_of.as_ref().map(place);
    }
    for (step, built) in pipeline.steps.iter().zip(&built) {
        super::checks::looping(step, &built.step, &mut findings);
    }
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return Err(findings);
    }
    let mut slots: Vec<Option<Built>> = built.into_iter().map(Some).collect();
    let steps = order
        .sequence
        .iter()
        .filter_map(|index| slots[*index].take())
        .map(|built| built.step)
        .collect();
    Ok((Plan { steps }, findings))
}

/// Whether a step waits for another one by `needs`, its own or those of a step in between.
pub(super) fn waits(pipeline: &Pipeline, step: usize, on: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![step];
    while let Some(step) = next.pop() {
        for needed in &pipeline.steps[step].needs {
            if *needed == on {
                return true;
            }
            if seen.insert(*needed) {
                next.push(*needed);
            }
        }
    }
    false
}

/// Everything that the describes prove wrong or doubtful, where nothing is about to be sent: vars that have no value yet
/// stand for any.
pub fn check(pipeline: &Pipeline, schemas: &Schemas) -> Vec<Finding> {
    let pipeline = pipeline.with_deletes();
    let pipeline = pipeline.as_ref();
    let mut findings = Vec::new();
    let mut vars = Vars::new();
    let mut open = BTreeSet::new();
    for var in &pipeline.vars {
        let value = match &var.default {
            VarDefault::Value(value) => value.clone(),
            VarDefault::Env(_) | VarDefault::Required => {
                open.insert(var.name.clone());
                Value::text("x")
            }
        };
        vars.insert(var.name.clone(), value);
    }
    let run = RunInfo {
        id: "check".to_owned(),
        pipeline: pipeline.name.clone(),
        ..RunInfo::default()
    };
    decide(pipeline, &schemas.without_vars(open), &vars, &run, &mut findings);
    findings
}

/// Every step, and their order; `None` when the findings say why not, or too little is known.
fn decide(
    pipeline: &Pipeline,
    schemas: &Schemas,
    vars: &Vars,
    run: &RunInfo,
    findings: &mut Vec<Finding>,
) -> Option<(Vec<Built>, Order)> {
    super::personal::unclassified(pipeline, schemas, findings);
    let built: Vec<Option<Built>> = (0..pipeline.steps.len())
        .map(|index| build_step(pipeline, index, schemas, vars, run, findings))
        .collect();
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return None;
    }
    let built: Vec<Built> = built.into_iter().collect::<Option<_>>()?;
    if let Some(finding) = written_twice(pipeline, &built) {
        findings.push(finding);
        return None;
    }
    match order(built.len(), &edges(pipeline, &built)) {
        Ok(order) => Some((built, order)),
        Err(way) => {
            findings.push(loop_finding(pipeline, &way));
            None
        }
    }
}

/// Two steps whose paths, with the vars of this run, are one.
fn written_twice(pipeline: &Pipeline, built: &[Built]) -> Option<Finding> {
    let place = |at: usize| match built[at].step.write.file.as_ref()?.place {
        Place::Standard => None,
        Place::Path(ref path) => Some(path),
    };
    let (first, second) = (1..built.len()).find_map(|second| {
        let path = place(second)?;
        Some(((0..second).find(|first| place(*first) == Some(path))?, second))
    })?;
    let span = |at: usize| pipeline.steps[at].target.span.clone();
    Some(
        Finding::error(
            "file-twice",
            span(second),
            format!(
                "step `{}` writes `{}` too",
                built[first].step.name, built[second].step.write.object
            ),
        )
        .label("one would replace the other")
        .also(span(first), "the first")
        .help("give each step a file of its own"),
    )
}

/// What waits for what: `needs`, refs, relationship paths, lookups.
fn edges(pipeline: &Pipeline, built: &[Built]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (from, this) in built.iter().enumerate() {
        let step = &pipeline.steps[from];
        edges.extend(step.needs.iter().map(|to| Edge {
            from,
            to: *to,
            strength: Strength::Hard,
        }));
        let write = &this.step.write;
        if let Some(of) = this.step.deletes_of {
            edges.extend(before_deletes(built, from, of));
        }
        if let ReadFrom::File { file, .. } = &this.step.read.from {
            // A file that is written here is read when it is there.
            let writers = (0..built.len()).filter(|to| {
                let written = built[*to].step.write.file.as_ref();
                *to != from && written.is_some_and(|written| written.place == file.place)
            });
            edges.extend(writers.map(|to| Edge {
                from,
                to,
                strength: Strength::Hard,
            }));
        }
        for (at, (mapped, target)) in this.step.mapping.fields.iter().zip(&write.fields).enumerate() {
            let key = write.key.as_ref().is_some_and(|k| k.has(at));
            let required = target.null == super::NullRule::Parks && write.operation.creates();
            let strength = if key || required || !target.updateable {
                Strength::Hard
            } else {
                Strength::Field(at)
            };
            let mut refs = BTreeSet::new();
            let mut lookups = BTreeSet::new();
            visit(&mapped.value, &mut refs, &mut lookups);
            // A file keeps the ids of its rows: nobody waits for it. And what goes into one is written once.
            refs.retain(|to: &usize| built[*to].step.write.file.is_none());
            let strength = match write.file {
                Some(_) => Strength::Hard,
                None => strength,
            };
            edges.extend(refs.into_iter().map(|to| Edge { from, to, strength }));
            // Deletes know no order but their `needs`; what is only matched is there already.
            if write.operation.deletes() {
                continue;
            }
            let writes = |object: &str, other: usize| {
                let theirs = &built[other].step.write;
                !theirs.operation.takes_key_only()
                    && built[other].step.deletes_of.is_none()
                    && theirs.connection == write.connection
                    && theirs.object.eq_ignore_ascii_case(object)
                    // A step that comes behind this one by its `needs` changes what others have brought.
                    && !waits(pipeline, other, from)
            };
            for object in &this.parents[at] {
                let to = (0..built.len()).filter(|to| writes(object, *to));
                edges.extend(to.map(|to| Edge { from, to, strength }));
            }
            for object in &lookups {
                let to = (0..built.len()).filter(|to| *to != from && writes(object, *to));
                edges.extend(to.map(|to| Edge {
                    from,
                    to,
                    strength: Strength::Lookup,
                }));
            }
        }
    }
    edges
}

/// What ends before the deletions of step `of` are followed: all that is written, for a record may leave its parent
/// before that is deleted; and the deletions of children, where they are no parents of their own.
fn before_deletes(built: &[Built], from: usize, of: usize) -> Vec<Edge> {
    let refers = |child: usize| {
        built[child].step.mapping.fields.iter().any(|field| {
            field.value.any(
                |value| matches!(value, MapValue::Ref { steps, .. } if steps.contains(&StepRef::Own(of))),
            )
        })
    };
    let edge = |to, strength| Edge { from, to, strength };
    let steps = built.iter().enumerate();
    steps
        .filter_map(|(to, other)| match other.step.deletes_of {
            None => Some(edge(to, Strength::Hard)),
            Some(child) if child != of && refers(child) => Some(edge(to, Strength::Lookup)),
            Some(_) => None,
        })
        .collect()
}

fn visit(value: &MapValue, refs: &mut BTreeSet<usize>, objects: &mut BTreeSet<String>) {
    value.each(&mut |value| match value {
        MapValue::Ref { steps, .. } => refs.extend(steps.iter().filter_map(|step| match step {
            StepRef::Own(index) => Some(index),
            // It has run, or will run, by itself.
            StepRef::Foreign(_) => None,
        })),
        MapValue::Lookup { lookup, .. } => {
            objects.insert(lookup.object.clone());
        }
        _ => {}
    });
}

fn loop_finding(pipeline: &Pipeline, way: &[usize]) -> Finding {
    let names: Vec<&str> = way.iter().map(|i| pipeline.steps[*i].name.as_str()).collect();
    let first = &pipeline.steps[way.first().copied().unwrap_or_default()];
    let mut finding = Finding::error(
        "reference-cycle",
        first.span.clone(),
        format!("steps wait for each other: {}", names.join(" -> ")),
    )
    .label("waits for itself in the end")
    .help("a field that is in a key, that the target requires, or that it takes only on create cannot wait for a second pass: leave one of them out, or take a `needs` away");
    for index in way.iter().skip(1).take(way.len().saturating_sub(2)) {
        let step = &pipeline.steps[*index];
        finding = finding.also(step.span.clone(), format!("`{}` is part of the loop", step.name));
    }
    finding
}
