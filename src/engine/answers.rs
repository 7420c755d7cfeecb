//! Answers for mappings: what state knows of a source row, and what the target has for a key.

use std::{collections::HashMap, sync::Arc};

use compact_str::CompactString;

use super::{
    EngineError,
    find::{Search, find},
    linked,
    shared::{Shared, blocking},
};
use crate::{
    pipeline::model::{Lookup, StepRef},
    plan::bind_condition,
    record::{FieldPath, RefAnswer, Value},
    salesforce::FieldType,
    state::StepRun,
    transform::{Demand, Known, LookupAnswer, LookupKey},
};

/// Answers all demands of a batch. In the first pass (`last` false) the target is not asked for rows of a loop: they
/// are still on their way.
pub(super) async fn resolve(
    shared: &Arc<Shared>,
    step: usize,
    demands: Vec<Demand>,
    known: &mut Known,
    last: bool,
) -> Result<(), EngineError> {
    let mut refs: HashMap<StepRef, Vec<CompactString>> = HashMap::new();
    let mut gives: HashMap<(StepRef, FieldPath), Vec<CompactString>> = HashMap::new();
    let mut lookups: HashMap<usize, (Arc<Lookup>, Vec<LookupKey>)> = HashMap::new();
    for demand in demands {
        match demand {
            Demand::Ref { step, id } => refs.entry(step).or_default().push(id),
            Demand::Give { step, field, id } => gives.entry((step, field)).or_default().push(id),
            Demand::Lookup { lookup, key } => {
                let same = Arc::as_ptr(&lookup) as usize;
                lookups
                    .entry(same)
                    .or_insert_with(|| (lookup, Vec::new()))
                    .1
                    .push(key);
            }
        }
    }
    for (target, ids) in refs {
        let (answers, under_way) = match target {
            StepRef::Own(index) => {
                let place = shared.place(index);
                // While the other step is on its way only a link is an answer: all else may change until the second
                // pass.
                let under_way = !last && shared.plan.steps[step].second_pass_after.contains(&place);
                if !under_way && let Some(links) = linked::table(shared, place, ids.len()).await? {
                    known.learn_links(target, links);
                }
                (references(shared, step, place, &ids, last).await?, under_way)
            }
            StepRef::Foreign(index) => (foreign_references(shared, step, index, &ids).await?, false),
        };
        for (id, answer) in ids.iter().zip(answers) {
            if !under_way || matches!(answer, RefAnswer::Linked(_)) {
                known.learn_ref(target, id, answer);
            }
        }
    }
    for ((target, field), ids) in gives {
        give(shared, step, target, &field, ids, known).await?;
    }
    for (lookup, keys) in lookups.into_values() {
        look_up(shared, step, &lookup, keys, known).await?;
    }
    Ok(())
}

async fn references(
    shared: &Arc<Shared>,
    asking: usize,
    of: usize,
    ids: &[CompactString],
    last: bool,
) -> Result<Vec<RefAnswer>, EngineError> {
    if shared.plan.steps[of].write.file.is_some() {
        // In files rows keep their ids, so that their links hold.
        return Ok(ids.iter().map(|id| RefAnswer::Linked(id.clone())).collect());
    }
    let (store, links, book) = (
        Arc::clone(&shared.store),
        shared.books[of].links,
        shared.books[of].step,
    );
    let asked = ids.to_vec();
    let mut answers = blocking(move || store.refs(links, book, &asked)).await?;
    person_contacts(shared, asking, of, ids, last, &mut answers).await?;
    let plan = &shared.plan.steps[of];
    let under_way = !last && shared.plan.steps[asking].second_pass_after.contains(&of);
    let Some(key) = plan.found_by.as_ref().filter(|_| !under_way) else {
        return Ok(answers);
    };
    ask_target(
        shared,
        &plan.write.connection,
        &plan.write.object,
        key,
        ids,
        &mut answers,
    )
    .await?;
    Ok(answers)
}

/// What state, and then the target, knows of rows that another file's step wrote.
async fn foreign_references(
    shared: &Arc<Shared>,
    asking: usize,
    of: usize,
    ids: &[CompactString],
) -> Result<Vec<RefAnswer>, EngineError> {
    let connection = &shared.plan.steps[asking].write.connection;
    let mut answers = vec![RefAnswer::Unknown; ids.len()];
    if let Some(links) = shared.foreign.get(&(of, connection.clone())).copied() {
        let (store, asked) = (Arc::clone(&shared.store), ids.to_vec());
        // No step of this run has written them.
        answers = blocking(move || store.refs(links, StepRun(-1), &asked)).await?;
    }
    let other = &shared.foreign_steps[of];
    if let Some(key) = &other.found_by {
        ask_target(shared, connection, &other.object, key, ids, &mut answers).await?;
    }
    Ok(answers)
}

/// Asks the target by key for the rows that state does not know.
async fn ask_target(
    shared: &Shared,
    connection: &str,
    object: &str,
    key: &str,
    ids: &[CompactString],
    answers: &mut [RefAnswer],
) -> Result<(), EngineError> {
    let unknown: Vec<usize> = (0..ids.len())
        .filter(|i| answers[*i] == RefAnswer::Unknown)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let by = [FieldPath::from(key)];
    let keys: Vec<LookupKey> = unknown.iter().map(|i| vec![Some(ids[*i].clone())]).collect();
    let search = Search {
        object,
        by: &by,
        condition: None,
        select: &[],
    };
    let found = find(shared, connection, &search, &keys).await?;
    for (i, rows) in unknown.into_iter().zip(found) {
        if let [one] = rows.as_slice() {
            answers[i] = RefAnswer::Linked(one.id.clone());
        }
    }
    Ok(())
}

/// Asks the target for a field of records that refs have found.
async fn give(
    shared: &Arc<Shared>,
    asking: usize,
    of: StepRef,
    field: &FieldPath,
    ids: Vec<CompactString>,
    known: &mut Known,
) -> Result<(), EngineError> {
    let (connection, object) = match of {
        StepRef::Own(index) => {
            let write = &shared.plan.steps[shared.place(index)].write;
            (&write.connection, write.object.as_str())
        }
        StepRef::Foreign(index) => (
            &shared.plan.steps[asking].write.connection,
            shared.foreign_steps[index].object.as_str(),
        ),
    };
    let select = [(
        field.clone(),
        shared.schemas.field_type(connection, object, field).0,
    )];
    let by = [FieldPath::from("Id")];
    let search = Search {
        object,
        by: &by,
        condition: None,
        select: &select,
    };
    let keys: Vec<LookupKey> = ids.iter().map(|id| vec![Some(id.clone())]).collect();
    let found = find(shared, connection, &search, &keys).await?;
    for (id, rows) in ids.iter().zip(found) {
        let value = rows
            .into_iter()
            .next()
            .map(|found| found.values.into_iter().next().unwrap_or(Value::Null));
        known.learn_give(of, field, id, value);
    }
    Ok(())
}

/// The first characters of a contact's Id.
const CONTACT: &str = "003";

/// A person account's contact counts as written with it: whoever asks for the contact is led by the account. Asked only
/// when a contact is asked for, so that other accounts cost nothing.
async fn person_contacts(
    shared: &Arc<Shared>,
    asking: usize,
    of: usize,
    ids: &[CompactString],
    last: bool,
    answers: &mut [RefAnswer],
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[of];
    let both = [
        (plan.read.connection.as_str(), plan.read.source.as_str()),
        (plan.write.connection.as_str(), plan.write.object.as_str()),
    ];
    let have_persons = both.into_iter().all(|(connection, object)| {
        let describe = shared.schemas.get(connection, object);
        describe.is_some_and(|d| d.has_person_accounts())
    });
    let places: Vec<usize> = (0..ids.len())
        .filter(|at| answers[*at] == RefAnswer::Unknown && ids[*at].starts_with(CONTACT))
        .collect();
    if !have_persons || places.is_empty() {
        return Ok(());
    }
    let contact = FieldPath::from("PersonContactId");
    let theirs = Search {
        object: "Account",
        by: std::slice::from_ref(&contact),
        condition: None,
        select: &[],
    };
    let keys: Vec<LookupKey> = places.iter().map(|at| vec![Some(ids[*at].clone())]).collect();
    let found = find(shared, &plan.read.connection, &theirs, &keys).await?;
    let (places, accounts): (Vec<usize>, Vec<CompactString>) = places
        .into_iter()
        .zip(&found)
        .filter_map(|(at, rows)| Some((at, rows.first()?.id.clone())))
        .unzip();
    if accounts.is_empty() {
        return Ok(());
    }
    let written = Box::pin(references(shared, asking, of, &accounts, last)).await?;
    let keys: Vec<LookupKey> = written
        .iter()
        .map(|answer| match answer {
            RefAnswer::Linked(account) => vec![Some(account.clone())],
            RefAnswer::Parked | RefAnswer::Filtered | RefAnswer::Unknown => vec![None],
        })
        .collect();
    let by = [FieldPath::from("Id")];
    let select = [(contact, FieldType::Reference)];
    let ours = Search {
        object: "Account",
        by: &by,
        condition: None,
        select: &select,
    };
    let found = find(shared, &plan.write.connection, &ours, &keys).await?;
    for ((at, account), rows) in places.into_iter().zip(written).zip(found) {
        let person = rows.first().and_then(|row| row.values.first());
        answers[at] = match (account, person.and_then(Value::as_text)) {
            (RefAnswer::Linked(_), Some(contact)) => RefAnswer::Linked(contact.into()),
            // A business account there: it has no contact of its own.
            (RefAnswer::Linked(_), None) => RefAnswer::Unknown,
            (other, _) => other,
        };
    }
    Ok(())
}

async fn look_up(
    shared: &Arc<Shared>,
    step: usize,
    lookup: &Arc<Lookup>,
    keys: Vec<LookupKey>,
    known: &mut Known,
) -> Result<(), EngineError> {
    let connection = &shared.plan.steps[step].write.connection;
    let condition = match &lookup.condition {
        Some(condition) => Some(
            bind_condition(
                condition,
                connection,
                &lookup.object,
                &shared.schemas,
                &shared.vars,
            )
            .map_err(|message| EngineError::Source {
                step: shared.plan.steps[step].name.clone(),
                message: format!("the lookup of {}: {message}", lookup.object),
            })?,
        ),
        None => None,
    };
    let by: Vec<FieldPath> = lookup.by.iter().map(|(path, _)| path.clone()).collect();
    let select: Vec<(FieldPath, FieldType)> = lookup
        .give
        .iter()
        .map(|(path, _)| {
            let kind = shared.schemas.field_type(connection, &lookup.object, path).0;
            (path.clone(), kind)
        })
        .collect();
    let search = Search {
        object: &lookup.object,
        by: &by,
        condition: condition.as_deref(),
        select: &select,
    };
    let found = find(shared, connection, &search, &keys).await?;
    for (key, rows) in keys.into_iter().zip(found) {
        let answer = match rows.as_slice() {
            [] => LookupAnswer::None,
            [one] => LookupAnswer::Found(match one.values.first() {
                Some(given) => given.clone(),
                None => Value::Text(one.id.clone()),
            }),
            several => LookupAnswer::Several(several.len()),
        };
        known.learn_lookup(lookup, key, answer);
    }
    Ok(())
}
