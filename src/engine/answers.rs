//! Answers for mappings: what state knows of a source row, and what the target has for a key.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use compact_str::CompactString;

use super::{
    EngineError,
    shared::{Shared, blocking},
};
use crate::{
    load::{WriteRow, fold},
    pipeline::{
        model::{Lookup, StepRef},
        soql::quote,
    },
    plan::{TargetKey, Write, bind_condition},
    record::{FieldPath, RefAnswer, Row, Value, id18},
    salesforce::{Client, ClientError, FieldType, row},
    state::StepRun,
    transform::{Demand, Known, LookupAnswer, LookupKey, Shape, ShapeKind, encode},
};

/// Bytes of a query in its URI. An org takes 16,384 in all, headers included.
const MOST_QUERY: usize = 14_000;

/// Bytes of a query's list of keys: shorter queries answer sooner, and several can be retried one by one.
const MOST_CONDITION: usize = 10_000;

/// How often a query whose cursor died is asked again from the start.
const MOST_RESTARTS: usize = 3;

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

/// What is searched.
pub(super) struct Search<'a> {
    pub(super) object: &'a str,
    /// Fields that are compared.
    pub(super) by: &'a [FieldPath],
    /// SOQL, all vars bound.
    pub(super) condition: Option<&'a str>,
    /// Further fields that are read.
    pub(super) select: &'a [(FieldPath, FieldType)],
}

/// A record that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: CompactString,
    /// The values of [`Search::select`].
    pub(super) values: Row,
}

/// Finds the records of each row by the key of its step.
pub(super) async fn by_key<'r>(
    shared: &Shared,
    write: &Write,
    key: &TargetKey,
    rows: impl Iterator<Item = &'r WriteRow>,
    select: &[(FieldPath, FieldType)],
) -> Result<Vec<Vec<Found>>, EngineError> {
    let by: Vec<FieldPath> = key.fields.iter().map(|f| f.field.as_str().into()).collect();
    let keys: Vec<LookupKey> = rows.map(|row| row.key(write)).collect();
    let search = Search {
        object: &write.object,
        by: &by,
        condition: None,
        select,
    };
    find(shared, &write.connection, &search, &keys).await
}

/// Finds the records of each key, in as few queries as the length of a URI allows.
pub(super) async fn find(
    shared: &Shared,
    connection: &str,
    search: &Search<'_>,
    keys: &[LookupKey],
) -> Result<Vec<Vec<Found>>, EngineError> {
    let client = shared.org(connection)?;
    let kinds: Vec<(FieldType, bool)> = search
        .by
        .iter()
        .map(|path| shared.schemas.field_type(connection, search.object, path))
        .collect();
    let mut columns = vec![FieldPath::from("Id")];
    let mut types = vec![FieldType::Id];
    for (path, kind) in search
        .by
        .iter()
        .cloned()
        .zip(kinds.iter().map(|k| k.0))
        .chain(search.select.iter().cloned())
    {
        if !columns.contains(&path) {
            columns.push(path);
            types.push(kind);
        }
    }
    let names: Vec<&str> = columns.iter().map(FieldPath::as_str).collect();
    let head = format!("SELECT {} FROM {} WHERE ", names.join(", "), search.object);
    let tail = search
        .condition
        .map(|c| format!(" AND ({c})"))
        .unwrap_or_default();
    // Equal keys are asked once.
    let mut wanted: HashMap<LookupKey, Vec<usize>> = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        wanted.entry(folded(key, &kinds)).or_default().push(at);
    }
    let mut found: Vec<Vec<Found>> = vec![Vec::new(); keys.len()];
    let distinct: Vec<&LookupKey> = wanted.keys().collect();
    let at = |path: &FieldPath| columns.iter().position(|c| c == path).unwrap_or_default();
    let by_at: Vec<usize> = search.by.iter().map(at).collect();
    let select_at: Vec<usize> = search.select.iter().map(|(path, _)| at(path)).collect();
    let room = MOST_QUERY
        .saturating_sub(encoded_len(&head) + encoded_len(&tail))
        .clamp(500, MOST_CONDITION);
    for condition in conditions(search.by, &kinds, &distinct, room, lists_only(search.object)) {
        let soql = format!("{head}{condition}{tail}");
        for row in read_all(client, &soql, &columns, &types)
            .await
            .map_err(|source| EngineError::Org {
                connection: connection.to_owned(),
                source,
            })?
        {
            let key: LookupKey = by_at
                .iter()
                .map(|i| row[*i].as_text().map(CompactString::from))
                .collect();
            let Some(places) = wanted.get(&folded(&key, &kinds)) else {
                continue;
            };
            let record = Found {
                id: row[0].as_text().unwrap_or_default().into(),
                values: select_at.iter().map(|i| row[*i].clone()).collect(),
            };
            for place in places {
                found[*place].push(record.clone());
            }
        }
    }
    Ok(found)
}

async fn read_all(
    client: &Client,
    soql: &str,
    columns: &[FieldPath],
    types: &[FieldType],
) -> Result<Vec<Row>, ClientError> {
    let mut page = client.query(soql, false, None).await?;
    let mut rows = Vec::with_capacity(page.records.len());
    let mut restarts = 0;
    loop {
        rows.extend(page.records.iter().map(|record| row(record, columns, types)));
        match page.next.take() {
            Some(next) => {
                page = match client.query_more(&next).await {
                    Err(ClientError::LocatorLost(_)) if restarts < MOST_RESTARTS => {
                        restarts += 1;
                        rows.clear();
                        client.query(soql, false, None).await?
                    }
                    other => other?,
                };
            }
            None => return Ok(rows),
        }
    }
}

/// Conditions that together match all keys, each short enough for a URI.
fn conditions(
    by: &[FieldPath],
    kinds: &[(FieldType, bool)],
    keys: &[&LookupKey],
    room: usize,
    lists_only: bool,
) -> Vec<String> {
    let mut out = Vec::new();
    if let ([path], [(kind, _)]) = (by, kinds) {
        let mut list = String::new();
        let mut weight = 0;
        for text in keys.iter().filter_map(|k| k[0].as_deref()) {
            let Some(literal) = literal(text, *kind) else {
                continue;
            };
            let cost = encoded_len(&literal) + 3;
            if weight + cost > room && !list.is_empty() {
                out.push(format!("{path} IN ({list})"));
                list.clear();
                weight = 0;
            }
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&literal);
            weight += cost;
        }
        if !list.is_empty() {
            out.push(format!("{path} IN ({list})"));
        }
        return out;
    }
    match lists_only {
        true => product(by, kinds, keys, room),
        false => composite(by, kinds, keys, room),
    }
}

/// Whether an org searches an object by lists of values only, and takes no OR.
fn lists_only(object: &str) -> bool {
    object.eq_ignore_ascii_case("ContentDocumentLink")
}

/// As [`composite`], with a list for each field: it may find records of other keys too, which nobody wants.
fn product(by: &[FieldPath], kinds: &[(FieldType, bool)], keys: &[&LookupKey], room: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut columns: Vec<BTreeSet<String>> = vec![BTreeSet::new(); by.len()];
    let mut weight = 0;
    let mut flush = |columns: &mut Vec<BTreeSet<String>>| {
        let parts: Vec<String> = by
            .iter()
            .zip(columns.iter_mut())
            .map(|(path, values)| {
                let values: Vec<String> = std::mem::take(values).into_iter().collect();
                format!("{path} IN ({})", values.join(","))
            })
            .collect();
        out.push(parts.join(" AND "));
    };
    for key in keys {
        let spelt: Option<Vec<String>> = key
            .iter()
            .zip(kinds)
            .map(|(text, (kind, _))| literal(text.as_deref()?, *kind))
            .collect();
        let Some(spelt) = spelt else { continue };
        let cost = |columns: &[BTreeSet<String>]| -> usize {
            spelt
                .iter()
                .zip(columns)
                .filter(|(value, values)| !values.contains(*value))
                .map(|(value, _)| encoded_len(value) + 3)
                .sum()
        };
        if weight > 0 && weight + cost(&columns) > room {
            flush(&mut columns);
            weight = 0;
        }
        weight += cost(&columns);
        for (values, value) in columns.iter_mut().zip(spelt) {
            values.insert(value);
        }
    }
    if weight > 0 {
        flush(&mut columns);
    }
    out
}

/// As [`conditions`] for keys of several fields: keys that differ in one field only share a list of its values.
fn composite(by: &[FieldPath], kinds: &[(FieldType, bool)], keys: &[&LookupKey], room: usize) -> Vec<String> {
    let spelt = |at: usize, text: &Option<CompactString>| match text {
        Some(text) => literal(text, kinds[at].0),
        None => Some("null".to_owned()),
    };
    // A key with a part that no record can have finds nothing.
    let keys: Vec<Vec<String>> = keys
        .iter()
        .filter_map(|key| key.iter().enumerate().map(|(at, text)| spelt(at, text)).collect())
        .collect();
    let distinct = |at: usize| {
        let values: std::collections::HashSet<&str> = keys.iter().map(|key| key[at].as_str()).collect();
        values.len()
    };
    // The field with the most values is listed, the others are compared.
    let listed = (0..by.len())
        .rev()
        .max_by_key(|at| distinct(*at))
        .unwrap_or_default();
    let mut groups: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for key in &keys {
        let others = (0..by.len())
            .filter(|at| *at != listed)
            .map(|at| key[at].as_str());
        let values = groups.entry(others.collect()).or_default();
        values.push(&key[listed]);
    }
    let mut out = Vec::new();
    let mut any = String::new();
    let mut flush = |any: &mut String, more: String| {
        if encoded_len(any) + encoded_len(&more) + 12 > room && !any.is_empty() {
            out.push(format!("({any})"));
            any.clear();
        }
        if !any.is_empty() {
            any.push_str(" OR ");
        }
        any.push_str(&more);
    };
    for (others, values) in groups {
        let mut others = others.into_iter();
        let head: Vec<String> = by
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != listed)
            .map(|(_, path)| format!("{path} = {}", others.next().unwrap_or("null")))
            .collect();
        let head = head.join(" AND ");
        let path = &by[listed];
        // IN does not find null.
        if values.contains(&"null") {
            flush(&mut any, format!("({head} AND {path} = null)"));
        }
        let values: Vec<&str> = values.into_iter().filter(|value| *value != "null").collect();
        let space = room
            .saturating_sub(encoded_len(&head) + encoded_len(path.as_str()) + 40)
            .max(200);
        for list in lists(&values, space) {
            let condition = match list.split_first() {
                Some((one, [])) => format!("({head} AND {path} = {one})"),
                _ => format!("({head} AND {path} IN ({}))", list.join(",")),
            };
            flush(&mut any, condition);
        }
    }
    if !any.is_empty() {
        out.push(format!("({any})"));
    }
    out
}

/// Cuts a list into such as take so many bytes in a URI.
fn lists<'v>(values: &[&'v str], room: usize) -> Vec<Vec<&'v str>> {
    let mut out: Vec<Vec<&str>> = Vec::new();
    let mut weight = 0;
    for value in values {
        let cost = encoded_len(value) + 3;
        if weight + cost > room || out.is_empty() {
            out.push(Vec::new());
            weight = 0;
        }
        weight += cost;
        if let Some(last) = out.last_mut() {
            last.push(value);
        }
    }
    out
}

/// A key as SOQL; `None` when no record can have it.
fn literal(text: &str, kind: FieldType) -> Option<String> {
    match kind {
        FieldType::Int | FieldType::Long | FieldType::Double | FieldType::Currency | FieldType::Percent => {
            crate::record::Number::canonical(text).ok().map(|n| n.to_string())
        }
        FieldType::Date | FieldType::DateTime | FieldType::Time | FieldType::Boolean => canonical(text, kind),
        // An org refuses a query that compares an Id with a text that is none.
        FieldType::Id | FieldType::Reference => text
            .parse::<crate::record::Id>()
            .ok()
            .map(|id| quote(id.as_str())),
        // An org keeps no space at either end of a text.
        _ => Some(quote(text.trim())),
    }
}

/// The one spelling of a date, time or checkbox; `None` when the text is none, so that no record can have it.
fn canonical(text: &str, kind: FieldType) -> Option<String> {
    let kind = match kind {
        FieldType::Date => ShapeKind::Date,
        FieldType::DateTime => ShapeKind::DateTime,
        FieldType::Time => ShapeKind::Time,
        _ => ShapeKind::Bool,
    };
    let value = encode(Value::text(text), &Shape { kind, scale: 0 }).ok()?;
    value.as_text().map(str::to_owned)
}

fn encoded_len(text: &str) -> usize {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
                1
            } else {
                3
            }
        })
        .sum()
}

fn folded(key: &LookupKey, kinds: &[(FieldType, bool)]) -> LookupKey {
    key.iter()
        .zip(kinds)
        .map(|(text, (kind, case_sensitive))| {
            text.as_ref().map(|text| match kind {
                FieldType::Id | FieldType::Reference => id18(text),
                FieldType::Date | FieldType::DateTime | FieldType::Time | FieldType::Boolean => {
                    canonical(text, *kind).map_or_else(|| text.clone(), CompactString::from)
                }
                FieldType::Int
                | FieldType::Long
                | FieldType::Double
                | FieldType::Currency
                | FieldType::Percent => crate::record::Number::canonical(text)
                    .map_or_else(|_| text.clone(), |n| CompactString::from(n.as_str())),
                _ => fold(text, *case_sensitive).into_owned().into(),
            })
        })
        .collect()
}

/// Whether two canonical values are one to the org: it trims texts and keeps e-mail addresses in lower case.
/// The values of a multi-select picklist come back in the order of the list, each once.
pub(super) fn same_value(kind: ShapeKind, ours: Option<&Value>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Some(Value::Text(a)), Value::Text(b)) if kind == ShapeKind::MultiPicklist => {
            let values = |text: &str| {
                let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
                parts.map(str::to_owned).collect::<BTreeSet<_>>()
            };
            values(a) == values(b)
        }
        (None | Some(Value::Null), theirs) => theirs.is_null(),
        (Some(Value::Text(a)), Value::Text(b)) => {
            let (a, b) = (a.trim(), b.trim());
            a == b
                || a.contains('@') && a.eq_ignore_ascii_case(b)
                || a.contains('\r') && a.replace("\r\n", "\n") == b.replace("\r\n", "\n")
        }
        (Some(a), b) => a == b || a.as_text().is_some() && a.as_text() == b.as_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_become_several_conditions() {
        let keys: Vec<LookupKey> = (0..1000).map(|i| vec![Some(format!("key {i}").into())]).collect();
        let by = [FieldPath::from("Legacy_Id__c")];
        let found = conditions(
            &by,
            &[(FieldType::String, false)],
            &keys.iter().collect::<Vec<_>>(),
            MOST_CONDITION,
            false,
        );
        assert!(found.len() > 1, "{}", found.len());
        assert!(found.iter().all(|c| encoded_len(c) < MOST_CONDITION + 200));
        let listed: usize = found.iter().map(|c| c.matches("'key ").count()).sum();
        assert_eq!(listed, 1000);
    }

    #[test]
    fn values_are_compared_as_the_org_keeps_them() {
        use ShapeKind::{MultiPicklist, Text};
        for (kind, ours, theirs, same) in [
            (Text, "a ", "a", true),
            (Text, "A@x.org", "a@x.org", true),
            (Text, "a\r\nb", "a\nb", true),
            (Text, "b;a", "a;b", false),
            (MultiPicklist, "b; a;a", "a;b", true),
            (MultiPicklist, "a", "a;b", false),
            (MultiPicklist, "a;b", "a;c", false),
            (MultiPicklist, "a;B", "a;b", false),
        ] {
            assert_eq!(
                same_value(kind, Some(&ours.into()), &theirs.into()),
                same,
                "{kind:?} {ours} {theirs}"
            );
        }
        assert!(!same_value(MultiPicklist, Some(&"a".into()), &Value::Null));
        assert!(same_value(MultiPicklist, None, &Value::Null));
    }

    #[test]
    fn composite_keys_and_nulls_are_spelt_out() {
        let keys: Vec<LookupKey> = vec![
            vec![Some("O'Hara".into()), None],
            vec![Some("b".into()), Some("5.0".into())],
        ];
        let by = [FieldPath::from("Name"), FieldPath::from("Size__c")];
        let kinds = [(FieldType::String, false), (FieldType::Double, false)];
        assert_eq!(
            conditions(
                &by,
                &kinds,
                &keys.iter().collect::<Vec<_>>(),
                MOST_CONDITION,
                false
            ),
            ["((Size__c = 5 AND Name = 'b') OR (Size__c = null AND Name = 'O\\'Hara'))"]
        );
    }

    #[test]
    fn keys_that_differ_in_one_field_share_a_list() {
        let keys: Vec<LookupKey> = (0..500)
            .map(|i| {
                vec![
                    Some(["EUR", "USD"][i % 2].into()),
                    Some(format!("P{i}").into()),
                    (i < 498).then(|| "x".into()),
                ]
            })
            .collect();
        let by = ["CurrencyIsoCode", "Code__c", "Kind__c"].map(FieldPath::from);
        let kinds = [(FieldType::String, false); 3];
        let found = conditions(
            &by,
            &kinds,
            &keys.iter().collect::<Vec<_>>(),
            MOST_CONDITION,
            false,
        );
        assert!(found.len() < 4, "{}", found.len());
        assert!(found.iter().all(|c| encoded_len(c) <= MOST_CONDITION + 20));
        let all = found.join(" ");
        for i in 0..500 {
            assert!(all.contains(&format!("'P{i}'")), "P{i}");
        }
        assert!(all.contains("(CurrencyIsoCode = 'EUR' AND Kind__c = null AND Code__c = 'P498')"));
    }

    #[test]
    fn some_objects_take_lists_only() {
        let key = |a: &str, b: &str| vec![Some(a.into()), Some(b.into())];
        let keys = [
            key("a", "x"),
            key("a", "y"),
            key("b", "x"),
            vec![None, Some("z".into())],
        ];
        let by = ["A", "B"].map(FieldPath::from);
        let kinds = [(FieldType::String, false); 2];
        let keys: Vec<&LookupKey> = keys.iter().collect();
        assert_eq!(
            conditions(&by, &kinds, &keys, MOST_CONDITION, true),
            ["A IN ('a','b') AND B IN ('x','y')"]
        );
        assert_eq!(
            conditions(&by, &kinds, &keys, 25, true),
            [
                "A IN ('a') AND B IN ('x')",
                "A IN ('a') AND B IN ('y')",
                "A IN ('b') AND B IN ('x')"
            ]
        );
    }

    #[test]
    fn a_text_that_is_no_id_is_not_asked_for() {
        let keys: Vec<LookupKey> = vec![vec![Some("nonsense".into())]];
        let by = [FieldPath::from("Id")];
        assert!(
            conditions(
                &by,
                &[(FieldType::Id, false)],
                &keys.iter().collect::<Vec<_>>(),
                MOST_CONDITION,
                false
            )
            .is_empty()
        );
    }
}
