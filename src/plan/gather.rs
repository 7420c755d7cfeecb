//! Asks the orgs what a plan has to know: describes, and how many rows there are.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::try_join_all;

use super::{Plan, ReadFrom, Schemas, schemas::Resolved};
use crate::{
    pipeline::{
        Pipeline,
        model::{MapValue, SemiJoin, Source, StepRef},
    },
    record::FieldPath,
    salesforce::{Client, ClientError},
};

/// Signed-in clients by named credential.
pub type Orgs = BTreeMap<String, Client>;

/// An org did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{connection}: {source}")]
pub struct GatherError {
    /// The named credential.
    pub connection: String,
    /// Why.
    pub source: ClientError,
}

/// Describes of every sobject that the pipeline reads, writes or passes through.
///
/// # Errors
/// When an org does not answer. An sobject that does not exist is no error here: `build` words it.
pub async fn gather(pipeline: &Pipeline, orgs: &Orgs) -> Result<Schemas, GatherError> {
    let mut schemas = Schemas::default();
    gather_into(pipeline, orgs, &mut schemas).await?;
    Ok(schemas)
}

/// As [`gather()`], for a further pipeline: what is known already is not asked again.
///
/// # Errors
/// When an org does not answer.
pub async fn gather_into(pipeline: &Pipeline, orgs: &Orgs, schemas: &mut Schemas) -> Result<(), GatherError> {
    loop {
        let mut missing = wants(pipeline, schemas);
        missing.retain(|(connection, object)| {
            orgs.contains_key(connection) && !schemas.knows(connection, object)
        });
        missing.sort();
        missing.dedup_by(|a, b| a.0 == b.0 && a.1.eq_ignore_ascii_case(&b.1));
        if missing.is_empty() {
            break;
        }
        let asked = missing.into_iter().map(|(connection, object)| async move {
            let client = &orgs[&connection];
            match client.describe(&object).await {
                Ok(describe) => Ok((connection, object, Some(Arc::new(describe)))),
                Err(error) if error.code() == Some("NOT_FOUND") => Ok((connection, object, None)),
                Err(source) => Err(GatherError { connection, source }),
            }
        });
        for (connection, object, describe) in try_join_all(asked).await? {
            schemas.insert(&connection, &object, describe);
        }
    }
    classify(pipeline, orgs, schemas).await?;
    for (connection, client) in orgs {
        if schemas.absent(connection) && !schemas.has_names(connection) {
            let global = client.describe_global().await.map_err(|source| GatherError {
                connection: connection.clone(),
                source,
            })?;
            schemas.set_names(
                connection,
                global.into_iter().map(|o| o.name.to_string()).collect(),
            );
        }
    }
    Ok(())
}

/// Asks how the fields are classified of which a step with `policy.pii` reads. An org that does not tell is remembered as
/// such, and asked no more.
async fn classify(pipeline: &Pipeline, orgs: &Orgs, schemas: &mut Schemas) -> Result<(), GatherError> {
    for step in &pipeline.steps {
        let connection = &step.source_connection;
        let (Some(object), Some(client)) = (step.source.object(), orgs.get(connection)) else {
            continue;
        };
        if !step.discloses() {
            continue;
        }
        let paths = step.columns.iter().map(|column| &column.path);
        let mut passed: Vec<String> = paths
            .flat_map(|path| schemas.objects_on(connection, object, path))
            .collect();
        passed.push(object.to_owned());
        for object in passed {
            let Some(describe) = schemas.get(connection, &object) else {
                continue;
            };
            if describe.classified || schemas.unclassified(connection).is_some() {
                continue;
            }
            let mut describe = describe.clone();
            match client.classification(&describe.name).await {
                Ok(found) => {
                    for (name, group) in found {
                        let fields = describe.fields.iter_mut();
                        for field in fields.filter(|field| field.name.eq_ignore_ascii_case(&name)) {
                            field.compliance_group = Some(group.as_str().into());
                        }
                    }
                    describe.classified = true;
                    schemas.insert(connection, &object, Some(Arc::new(describe)));
                }
                Err(error) if error.hides_classification() => {
                    schemas.set_unclassified(connection, error.to_string());
                }
                Err(source) => {
                    return Err(GatherError {
                        connection: connection.clone(),
                        source,
                    });
                }
            }
        }
    }
    Ok(())
}

/// How many rows each step's source has, where the query allows to ask. In the order of the plan's steps.
///
/// # Errors
/// When an org does not answer, or refuses the query.
pub async fn totals(plan: &Plan, orgs: &Orgs) -> Result<Vec<Option<u64>>, GatherError> {
    try_join_all(plan.steps.iter().map(|step| async move {
        let ReadFrom::Query {
            count: Some(count),
            most,
            all,
            ..
        } = &step.read.from
        else {
            // Of a file they have been counted.
            return Ok(step.read.total);
        };
        let Some(client) = orgs.get(&step.read.connection) else {
            return Ok(None);
        };
        let counted = client
            .query(count, *all, None)
            .await
            .map_err(|source| GatherError {
                connection: step.read.connection.clone(),
                source,
            })?;
        let rows = counted.total_size;
        Ok(Some(most.map_or(rows, |most| rows.min(most))))
    }))
    .await
}

/// Describes that are needed, as far as those at hand tell.
fn wants(pipeline: &Pipeline, schemas: &Schemas) -> Vec<(String, String)> {
    let mut wants = Vec::new();
    for step in &pipeline.steps {
        let mut follow = |connection: &str, object: &str, path: &FieldPath| {
            if let Resolved::Needs(object) = schemas.resolve(connection, object, path)
                && !schemas.knows(connection, &object)
            {
                wants.push((connection.to_owned(), object));
            }
        };
        let id = FieldPath::from("Id");
        if let Some(object) = step.source.object() {
            follow(&step.source_connection, object, &id);
            for column in &step.columns {
                follow(&step.source_connection, object, &column.path);
            }
            for filter in &step.filters {
                follow(&step.source_connection, object, &filter.path);
            }
            semi_joins(&step.semi_joins, &mut |object, path| {
                follow(&step.source_connection, object, path)
            });
            let condition = match &step.source {
                Source::Soql { query, .. } => query.binds.as_slice(),
                Source::Object {
                    condition: Some(condition),
                    ..
                } => condition.binds.as_slice(),
                _ => &[],
            };
            for bind in condition {
                if let Some(field) = &bind.field {
                    // Inside a semi-join the field is one of the inner object.
                    follow(
                        &step.source_connection,
                        bind.object.as_deref().unwrap_or(object),
                        field,
                    );
                }
            }
        }
        let to_org = step.target.file.is_none();
        if to_org {
            follow(&step.target.connection, &step.target.object, &id);
        }
        for map in &step.map {
            if to_org {
                follow(&step.target.connection, &step.target.object, &map.field);
            }
            lookups(pipeline, &map.value, &mut |object, paths| {
                for path in paths {
                    follow(&step.target.connection, object, path);
                }
            });
        }
        // A path through a lookup that may lead to several sobjects: which one has the field?
        for map in step.map.iter().filter(|m| to_org && m.field.is_relationship()) {
            let describe = schemas.get(&step.target.connection, &step.target.object);
            let parent = map.field.segments().next().unwrap_or_default();
            let field = describe.and_then(|d| d.by_relationship(parent));
            const MOST: usize = 6;
            if let Some(field) = field.filter(|f| (2..=MOST).contains(&f.reference_to.len())) {
                wants.extend(
                    field
                        .reference_to
                        .iter()
                        .map(|o| (step.target.connection.clone(), o.to_string())),
                );
            }
        }
    }
    wants
}

/// Visits the object of each semi-join with each of its fields.
fn semi_joins(joins: &[SemiJoin], visit: &mut dyn FnMut(&str, &FieldPath)) {
    for join in joins {
        for (path, _) in join.inner() {
            visit(&join.object.0, path);
        }
    }
}

/// Visits each `lookup` with the paths that it compares and gives, and each field that a `ref` gives.
fn lookups(pipeline: &Pipeline, value: &MapValue, visit: &mut dyn FnMut(&str, &[FieldPath])) {
    value.each(&mut |value| match value {
        MapValue::Lookup { lookup, .. } => {
            let mut paths: Vec<FieldPath> = lookup.by.iter().map(|(path, _)| path.clone()).collect();
            paths.extend(lookup.give.iter().map(|(path, _)| path.clone()));
            paths.extend(
                lookup
                    .condition
                    .iter()
                    .flat_map(|c| c.binds.iter().filter_map(|b| b.field.clone())),
            );
            paths.extend(lookup.filters.iter().map(|filter| filter.path.clone()));
            visit(&lookup.object, &paths);
            semi_joins(&lookup.semi_joins, &mut |object, path| {
                visit(object, std::slice::from_ref(path))
            });
        }
        MapValue::Ref { steps, give, .. } => {
            for step in steps {
                let given = give.iter().map(|(path, _)| path.clone());
                match step {
                    StepRef::Own(index) => {
                        if let Some(step) = pipeline.steps.get(*index) {
                            visit(&step.target.object, &given.collect::<Vec<_>>());
                        }
                    }
                    StepRef::Foreign(index) => {
                        if let Some(other) = pipeline.foreign.get(*index) {
                            let key = other.found_by.as_deref().map(FieldPath::from);
                            visit(&other.object, &given.chain(key).collect::<Vec<_>>());
                        }
                    }
                }
            }
        }
        _ => {}
    });
}
