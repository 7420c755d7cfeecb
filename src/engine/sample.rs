//! The first rows of a step's source as tests: read, disguised, mapped, and what the orgs answer kept. Nothing is
//! written to an org, and no run appears in the history.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};

use super::{
    EngineError, RunRequest, connect, disguise,
    disguise::Disguise,
    each::{self, Entries},
    first_pass::of_source,
    mapped::{answer, context, unanswered},
    project_masker,
    shared::{Shared, blocking},
    survey,
};
use crate::{
    diag::{Finding, Severity},
    extract::{self, ExtractError},
    pipeline::{
        expr::{Context, RunInfo},
        model::{Chunk, Only, Operation, StepRef},
        soql::parse_query,
    },
    plan::{self, PlanCheckKind, PlanStep, ReadFrom, Road, RowIdPlan},
    record::{Row, Value, id18},
    transform::{
        BareMapping, Cell, Holder, Known, Masker, RealRow, Recorded, RowEnd, TEST_KEY, Unrecordable, record,
    },
};

/// Which rows become tests.
pub struct SampleRequest {
    /// As for a run; nothing of it is recorded.
    pub run: RunRequest,
    /// The step, by its index in the pipeline.
    pub step: usize,
    /// How many rows at most.
    pub rows: usize,
    /// Source fields whose values stay as they are.
    pub keep: Vec<String>,
}

/// A row of the source.
pub struct Sample {
    /// Its row id; masked where it is no Id of an org.
    pub id: CompactString,
    /// One value a column of the step, disguised.
    pub row: Vec<Value>,
    /// The place of its entry, with `each`.
    pub item_number: Option<usize>,
    /// For which records it is: those that are created, or those that are updated.
    pub action: Only,
    /// The test that it makes.
    pub test: Result<Recorded, Unrecordable>,
}

/// Reads rows and makes tests of them. `findings` takes what the describes say of the file.
///
/// # Errors
/// When access is refused, the describes prove the file wrong, or a source or an org fails.
pub async fn sample(
    request: &SampleRequest,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Sample>, EngineError> {
    let run = &request.run;
    let masker = project_masker(run)?.unwrap_or_else(|| Arc::new(random_masker()));
    let mut signed = connect::Signed::default();
    let connections = connect::connect(run, false, &mut signed).await?;
    let pipeline = &run.pipeline;
    // As tests have it: what only a run knows is empty.
    let info = RunInfo {
        pipeline: pipeline.name.clone(),
        from: pipeline.from.clone().unwrap_or_default(),
        to: pipeline.to.clone().unwrap_or_default(),
        ..RunInfo::default()
    };
    let mut schemas = plan::gather(pipeline, &signed.orgs).await?;
    schemas.set_files(survey(run, &info).await?);
    let plan = match plan::build(pipeline, &schemas, &run.vars, &info) {
        Ok((plan, warnings)) => {
            findings.extend(warnings);
            plan
        }
        Err(all) => {
            findings.extend(all);
            return Err(EngineError::Findings);
        }
    };
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(EngineError::Findings);
    }
    let incremental = plan.steps.iter().map(|_| None).collect();
    let test_masker = Some(Arc::new(Masker::new(TEST_KEY)));
    let shared = Shared::new(
        run,
        plan,
        schemas,
        signed,
        connections,
        incremental,
        info,
        test_masker,
        Vec::new(),
        false,
        run.full,
    )
    .await?;
    let shared = Arc::new(shared);
    let at = shared.place(request.step);
    let rows = Arc::new(read(&shared, at, request.rows).await?);
    let planned = &shared.plan.steps[at];
    let step = &pipeline.steps[request.step];
    let action = match step.target.operation {
        Operation::Update => Only::Update,
        _ => Only::Create,
    };
    let bare = BareMapping::new(step, action);
    let mut known = Known::new(Arc::clone(&planned.record_types)).masking(shared.masker.clone());
    for mapping in [&planned.mapping, &bare.mapping] {
        known = answer(&shared, at, &Arc::new(mapping.clone()), &rows, known, true).await?;
    }
    let (pipeline, keep, index) = (Arc::clone(pipeline), request.keep.clone(), request.step);
    blocking(move || {
        let planned = &shared.plan.steps[at];
        let step = &pipeline.steps[index];
        let personal = &pipeline.personal;
        let disguise = Disguise::new(&masker, step, planned, &shared.schemas, personal, &keep);
        let hide = |holder: Holder<'_>, field: &crate::record::FieldPath, value: Value| {
            let (connection, object) = match holder {
                Holder::Object(object) => (&planned.write.connection, object),
                Holder::Step(StepRef::Foreign(other)) => (
                    &planned.write.connection,
                    shared.foreign_steps[other].object.as_str(),
                ),
                Holder::Step(StepRef::Own(own)) => {
                    let write = &shared.plan.steps[shared.place(own)].write;
                    (&write.connection, write.object.as_str())
                }
            };
            disguise::field(
                &masker,
                (connection, object),
                field,
                &shared.schemas,
                personal,
                value,
            )
        };
        let samples = rows.iter().zip(1..).map(|(row, nth)| {
            let end = end_in_run(&shared, planned, row, &known);
            let (_, item_number) = each::item(planned, row);
            let disguised = disguise.row(row);
            let real = RealRow {
                row,
                disguised: &disguised,
                item_number,
                end: &end,
                fields: &planned.mapping.fields,
            };
            let test = record(step, &bare, &real, (&shared.vars, &shared.run), &known, &hide);
            let id = row_id(&shared, planned, &disguised, item_number, nth);
            let mut row = disguised;
            row.truncate(step.columns.len());
            Sample {
                id,
                row,
                item_number: planned.each.as_ref().map(|_| item_number),
                action,
                test,
            }
        });
        Ok(samples.collect())
    })
    .await
}

/// Without a key of the project nothing shall lead back from what is written.
fn random_masker() -> Masker {
    let key: Vec<u8> = (0..32).map(|_| fastrand::u8(..)).collect();
    Masker::new(&key)
}

/// The first rows, entries of `each` taken apart.
async fn read(shared: &Arc<Shared>, at: usize, most: usize) -> Result<Vec<Row>, EngineError> {
    let plan = &shared.plan.steps[at];
    let mut read = plan.read.clone();
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    if let ReadFrom::Query {
        soql,
        ordered,
        chunk,
        road,
        ..
    } = &mut read.from
    {
        let limited = |text: &str| parse_query(text).ok().map(|query| query.with_limit(limit));
        // With `each` a row may make none: more of them are needed, and reading ends when there are enough.
        if plan.each.is_none() {
            *soql = limited(soql).unwrap_or_else(|| soql.clone());
            *ordered = ordered.as_deref().and_then(limited);
        }
        (*chunk, *road) = (Chunk::Auto, Road::Rest);
    }
    let from = shared.source(&read)?;
    let found = std::sync::Mutex::new(Vec::new());
    let mut take = |batch: crate::record::Batch| {
        let (found, shared) = (&found, Arc::clone(shared));
        async move {
            let mut entries = Entries::new(batch.rows);
            loop {
                let Ok((rest, rows)) = entries.next(&shared, at).await else {
                    return false;
                };
                entries = rest;
                let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if rows.is_empty() {
                    return found.len() < most;
                }
                found.extend(rows);
                if found.len() >= most {
                    return false;
                }
            }
        }
    };
    let end = extract::read(&read, from, &shared.vars, &|| false, &|| {}, &mut take).await;
    let mut rows = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match end {
        Err(ExtractError::Stopped) if rows.len() >= most => {}
        end => end.map_err(|error| of_source(plan, error))?,
    }
    rows.truncate(most);
    Ok(rows)
}

/// What a run would make of a row before it writes it.
fn end_in_run(shared: &Shared, plan: &PlanStep, row: &[Value], known: &Known) -> RowEnd {
    if let Some(reason) = each::failure(shared, plan, row) {
        return RowEnd::Parked(reason);
    }
    let end = plan.mapping.map(&context(shared, plan, row), known, true);
    let refused = match &end {
        RowEnd::Mapped(cells) => plan.checks.iter().find_map(|check| match &check.kind {
            PlanCheckKind::Row(check) => check.look(cells, &plan.mapping.fields, &shared.vars, &shared.run),
            _ => None,
        }),
        RowEnd::Pending => Some(unanswered()),
        _ => None,
    };
    match refused {
        Some(reason) => RowEnd::Parked(reason),
        None => end,
    }
}

/// What tells the disguised row apart.
fn row_id(shared: &Shared, plan: &PlanStep, row: &[Value], item_number: usize, nth: usize) -> CompactString {
    let context = Context {
        row,
        vars: &shared.vars,
        run: &shared.run,
        item: None,
        item_number,
    };
    // A key that asks an org names no row here: the real answer belongs to the real row.
    let no_answers = Known::new(Arc::default()).masking(shared.masker.clone());
    let part = |at: usize| match plan.mapping.one(at, &context, &no_answers)? {
        Cell::Value(value) => value.as_text().map(CompactString::from),
        _ => None,
    };
    let key = || {
        let parts: Option<Vec<CompactString>> = plan
            .write
            .key
            .as_ref()?
            .fields
            .iter()
            .map(|field| part(field.at))
            .collect();
        parts.map(|parts| CompactString::from(parts.join("/")))
    };
    let placed = |id: CompactString| match item_number {
        0 => id,
        n => format_compact!("{id}/{n}"),
    };
    let text = |value: &Value| value.as_text().map(id18);
    let id = match &plan.row_id {
        RowIdPlan::Expr(expr) => expr.eval(&context).ok().as_ref().and_then(text).map(placed),
        RowIdPlan::Key => key(),
        RowIdPlan::ColumnOrKey(column) => row.get(*column).and_then(text).map(placed).or_else(key),
    };
    id.unwrap_or_else(|| format_compact!("#{nth}"))
}
