//! `orgferry test --record N`: real rows, masked, as tests in the file.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use owo_colors::OwoColorize;
use serde_json::{Map, Value as Json, json};

use super::{Args, Context, Problem, Ran, files, run_info, text};
use crate::{
    cli::{conduct, fmt, store},
    diag::did_you_mean,
    engine::{self, Rows, RunRequest, Sample, SampleRequest},
    event::Events,
    pipeline::{
        self, Pipeline,
        expr::Vars,
        model::{Fake, MapValue, Only, Step, StepRef},
    },
    record::{FieldPath, Value},
    report::plural,
    spec,
    state::{Sqlite, Store},
    transform::{Recorded, RecordedEnd, run_test},
};

pub(super) async fn execute(context: &Context, args: &Args, rows: u32) -> Result<u8, Problem> {
    let path = one_file(&args.files)?;
    let loaded = match files::load_one(context, path, args.env.as_deref())? {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let pipeline = Arc::clone(&loaded.pipeline);
    let (at, step) = chosen(&pipeline, args.step.as_deref())?;
    for field in &args.keep {
        known_field(step, field)?;
    }
    let vars = files::vars(context, &loaded, &args.vars)?;
    let before = fs::read_to_string(path)
        .map_err(|e| Problem::usage(format!("cannot read `{}`: {e}", path.display())))?;
    let store: Arc<dyn Store> = match store::open_existing(context, &pipeline.state)? {
        Some(store) => store,
        // Nothing has run yet, and asking shall leave nothing behind.
        None => Arc::new(Sqlite::memory()?),
    };
    let (_never, cancel) = tokio::sync::watch::channel(false);
    let request = SampleRequest {
        run: RunRequest {
            id: engine::new_run_id(),
            started_at: conduct::now(),
            pipeline: Arc::clone(&pipeline),
            vars: vars.clone(),
            env: args.env.clone(),
            full: true,
            sitting: 1,
            rows: Rows::All,
            retry: None,
            abandoned: None,
            environment: context.environment.clone(),
            store,
            events: Events::channel().0,
            cancel,
            locked: None,
        },
        step: at,
        rows: rows as usize,
        keep: args.keep.clone(),
    };
    let mut findings = Vec::new();
    let sampled = engine::sample(&request, &mut findings).await;
    if sampled.is_err() {
        // What a run would warn of is no matter of tests.
        files::tell(context, &findings, &loaded.files);
    }
    let sampled = sampled?;
    let told = Told {
        pipeline: &pipeline,
        step,
        vars: &vars,
    };
    let (mut tests, mut names, mut there, mut lost) = (Vec::new(), Vec::new(), 0u64, 0u64);
    let mut unseen: Vec<&FieldPath> = Vec::new();
    for sample in &sampled {
        let name = format!("recorded {}", sample.id);
        if step.tests.iter().any(|test| test.name == name) || names.contains(&name) {
            there += 1;
            continue;
        }
        match &sample.test {
            Ok(recorded) => {
                tests.push(told.test(&name, sample, recorded));
                names.push(name);
                unseen.extend(
                    recorded
                        .unseen
                        .iter()
                        .filter(|field| !unseen.contains(field))
                        .collect::<Vec<_>>(),
                );
            }
            Err(why) => {
                lost += 1;
                context.terminal.say(&format!(
                    "{} row {}: {why}\n",
                    "not recorded:".yellow(),
                    sample.id
                ));
            }
        }
    }
    let terminal = &context.terminal;
    if lost > 0 {
        terminal
            .say("`--keep FIELD` leaves a field as it is, where a masked value is what stands in the way\n");
    }
    if !unseen.is_empty() {
        let names: Vec<&str> = unseen.iter().map(|field| field.as_str()).collect();
        terminal.say(&format!(
            "left out of `expect`, since only the orgs know what becomes of them: {}\n",
            names.join(", ")
        ));
    }
    if sampled.is_empty() {
        terminal.say(&format!("the source of step `{}` has no row\n", step.name));
    }
    if !tests.is_empty() {
        let after = spec::add_tests(path, &before, &step.name, &tests).map_err(|why| {
            Problem::new(format!("cannot add tests to `{}`: {why}", path.display())).help(
                "write the step with keys of its own, one a line, or begin its `tests` by hand: `tests: []`",
            )
        })?;
        prove(context, path, &after, args.env.as_deref(), &step.name, &names)?;
        match args.dry_run {
            true => terminal.print(&fmt::diff(path, &before, &after))?,
            false => write(path, &before, &after)?,
        }
    }
    let count = tests.len() as u64;
    let there = match there {
        0 => String::new(),
        n => format!(
            "; {} {} there already",
            plural(n, "row"),
            if n == 1 { "is" } else { "are" }
        ),
    };
    terminal.say(&match args.dry_run {
        true => format!(
            "{} would be added to `{}`{there}\n",
            plural(count, "test"),
            path.display()
        ),
        false => format!("{} added to `{}`{there}\n", plural(count, "test"), path.display()),
    });
    Ok(u8::from(count == 0 && lost > 0))
}

fn one_file(files: &[PathBuf]) -> Result<&Path, Problem> {
    match files {
        [file] if !file.is_dir() => Ok(file),
        _ => Err(Problem::usage("`--record` writes into one file")
            .help("name the pipeline: `orgferry test pipelines/customers.yaml --record 5`")),
    }
}

fn chosen<'p>(pipeline: &'p Pipeline, name: Option<&str>) -> Result<(usize, &'p Step), Problem> {
    let names = || pipeline.steps.iter().map(|step| step.name.as_str());
    let listed = || names().collect::<Vec<_>>().join(", ");
    match (name, pipeline.steps.as_slice()) {
        (None, [step]) => Ok((0, step)),
        (None, _) => Err(
            Problem::usage("the file has several steps, and `--record` reads the rows of one")
                .help(format!("choose it with `--step`; its steps: {}", listed())),
        ),
        (Some(name), steps) => steps
            .iter()
            .enumerate()
            .find(|(_, step)| step.name == name)
            .ok_or_else(|| {
                Problem::usage(format!("`{}` has no step `{name}`", pipeline.file.display())).help(
                    match did_you_mean(name, names()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its steps: {}", listed()),
                    },
                )
            }),
    }
}

/// A field that is to be kept has to be one that is read: a slip would mask it, or worse, pass for care.
fn known_field(step: &Step, field: &str) -> Result<(), Problem> {
    let names = || step.columns.iter().map(|column| column.path.as_str());
    let open = step.whole_row.is_some() || matches!(step.source, pipeline::model::Source::Http(_));
    if open || names().any(|name| name.eq_ignore_ascii_case(field)) {
        return Ok(());
    }
    Err(
        Problem::usage(format!("step `{}` reads no field `{field}`", step.name)).help(
            match did_you_mean(field, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it reads {}", names().collect::<Vec<_>>().join(", ")),
            },
        ),
    )
}

/// What tests of a step are written with.
struct Told<'a> {
    pipeline: &'a Pipeline,
    step: &'a Step,
    vars: &'a Vars,
}

impl Told<'_> {
    fn test(&self, name: &str, sample: &Sample, recorded: &Recorded) -> Json {
        let mut test = Map::new();
        test.insert("name".into(), json!(name));
        if sample.action == Only::Update {
            test.insert("action".into(), json!("update"));
        }
        test.insert("given".into(), Json::Object(self.given(sample)));
        let step_name = |step: StepRef| text::step_name(self.pipeline, step);
        let refs = recorded
            .refs
            .iter()
            .map(|(step, key, fake)| (step_name(*step), key, fake));
        let lookups = recorded
            .lookups
            .iter()
            .map(|(object, key, fake)| (object.clone(), key, fake));
        for (word, answers) in [("refs", answers(refs)), ("lookups", answers(lookups))] {
            if !answers.is_empty() {
                test.insert(word.into(), Json::Object(answers));
            }
        }
        let vars = self.vars();
        if !vars.is_empty() {
            test.insert("vars".into(), Json::Object(vars));
        }
        let expect = match &recorded.expect {
            RecordedEnd::Parked => json!("parked"),
            RecordedEnd::Filtered => json!("filtered"),
            RecordedEnd::Fields(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(field, value)| (field.to_string(), value.to_json()))
                    .collect(),
            ),
        };
        test.insert("expect".into(), expect);
        Json::Object(test)
    }

    /// The fields that have a value.
    fn given(&self, sample: &Sample) -> Map<String, Json> {
        let mut given = Map::new();
        let whole = self
            .step
            .whole_row
            .and_then(|at| sample.row.get(at))
            .map(Value::to_json);
        match whole {
            Some(Json::Object(row)) => given = row,
            _ => {
                for (column, value) in self.step.columns.iter().zip(&sample.row) {
                    if !value.is_null() {
                        given.insert(column.path.to_string(), value.to_json());
                    }
                }
            }
        }
        if let Some(number) = sample.item_number.filter(|number| *number > 1) {
            given.insert("item_number".into(), json!(number));
        }
        given
    }

    /// Vars that the mapping looks at and that have another value than the file gives them.
    fn vars(&self) -> Map<String, Json> {
        let declared = files::declared(self.pipeline);
        let mut sources: Vec<&str> = Vec::new();
        sources.extend(self.step.when.iter().map(|when| when.source()));
        sources.extend(self.step.each.iter().map(|each| each.expr.source()));
        for line in &self.step.map {
            expressions(&line.value, &mut sources);
        }
        let read = |name: &str| {
            let path = format!("vars.{name}");
            sources
                .iter()
                .any(|source| source.contains(&path) || source.contains("vars["))
        };
        self.vars
            .iter()
            .filter(|(name, value)| declared.get(*name) != Some(value) && read(name))
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect()
    }
}

fn expressions<'a>(value: &'a MapValue, sources: &mut Vec<&'a str>) {
    match value {
        MapValue::Expr(expr) => sources.push(expr.source()),
        MapValue::When { condition, .. } => sources.push(condition.source()),
        _ => {}
    }
    for part in value.parts() {
        expressions(part, sources);
    }
}

/// Answers by step or object, and by key.
fn answers<'a>(all: impl Iterator<Item = (String, &'a String, &'a Fake)>) -> Map<String, Json> {
    let mut out = Map::new();
    for (name, key, fake) in all {
        let answer = match fake {
            Fake::One(value) => value.to_json(),
            Fake::Record(fields) => fields
                .iter()
                .map(|(field, value)| (field.to_string(), value.to_json()))
                .collect(),
            // Which records they are means nothing to the test.
            Fake::Several(_) => json!(["one", "another"]),
            Fake::Nothing => Json::Null,
        };
        let answers = out.entry(name).or_insert_with(|| json!({}));
        if let Some(answers) = answers.as_object_mut() {
            answers.insert(key.clone(), answer);
        }
    }
    out
}

/// Runs the new tests on the new text, before anything is written.
fn prove(
    context: &Context,
    path: &Path,
    after: &str,
    env: Option<&str>,
    step: &str,
    names: &[String],
) -> Result<(), Problem> {
    let loaded = pipeline::load_instead(path, after.to_owned(), env);
    let broken = |words: &str| {
        Problem::new(format!("`{}` is left as it is: {words}", path.display()))
            .help("this is a defect of orgferry; please report it with the lines above")
    };
    let Some(pipeline) = loaded.pipelines.first() else {
        files::tell(context, &loaded.findings, &loaded.files);
        return Err(broken("with the new tests it would not be valid"));
    };
    let vars = files::declared(pipeline);
    let run = run_info(pipeline);
    let ran: Vec<Ran<'_>> = pipeline
        .steps
        .iter()
        .filter(|s| s.name == step)
        .flat_map(|step| step.tests.iter().map(move |test| (step, test)))
        .filter(|(_, test)| names.contains(&test.name))
        .map(|(step, test)| Ran {
            pipeline,
            step,
            test,
            result: run_test(step, test, &vars, &run),
            seconds: 0.0,
        })
        .filter(|ran| !ran.result.passed())
        .collect();
    if ran.is_empty() {
        return Ok(());
    }
    context.terminal.complain(&text::render(&ran, &loaded.files));
    Err(broken("a recorded test would fail"))
}

/// Puts the text in the place of the old one, unless somebody has changed that meanwhile.
fn write(path: &Path, before: &str, after: &str) -> Result<(), Problem> {
    let now = fs::read_to_string(path)
        .map_err(|e| Problem::new(format!("cannot read `{}`: {e}", path.display())))?;
    if now != before {
        return Err(
            Problem::new(format!("`{}` has changed while rows were read", path.display()))
                .help("nothing was written; record again"),
        );
    }
    fmt::replace(path, after).map_err(|e| {
        Problem::new(format!("cannot write `{}`: {e}", path.display()))
            .help("the file is as it was; make it and its folder writable")
    })
}
