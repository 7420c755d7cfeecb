//! Where the columns of an upload go.

use super::Job;
use crate::emulator::{
    access::Access,
    store::{Op, Store, Target},
};

/// The columns of an upload.
pub(super) struct Columns {
    pub(super) targets: Vec<Target>,
    /// The column that holds the Id or the upsert's key.
    pub(super) key: Option<usize>,
    /// Whether a cell is printed as a double in the results.
    pub(super) doubles: Vec<bool>,
    /// The columns in the order of the results.
    pub(super) order: Vec<usize>,
}

/// Works out where each column goes; the first one that goes nowhere fails the job.
pub(super) fn columns(store: &Store, job: &Job, op: Op, header: &[String]) -> Result<Columns, String> {
    let spec = &store.schema.objects[job.object];
    let mut targets = Vec::with_capacity(header.len());
    let mut key = None;
    let mut doubles = Vec::with_capacity(header.len());
    for (at, name) in header.iter().enumerate() {
        let target = match name.split_once('.') {
            None => {
                let field = job
                    .access
                    .field(&store.schema, job.object, name)
                    .ok_or_else(|| format!("InvalidBatch : Field name not found : {name}"))?;
                let is_key = match op {
                    Op::Upsert(wanted) => wanted == field,
                    Op::Update | Op::Delete | Op::HardDelete => field == 0,
                    Op::Insert => false,
                };
                doubles.push(spec.fields[field].kind.is_double());
                if is_key {
                    key = Some(at);
                }
                if field == 0 && !matches!(op, Op::Insert) {
                    Target::Ignore
                } else {
                    Target::Field(field)
                }
            }
            Some((relation, by)) => {
                doubles.push(false);
                related(store, &job.access, job.object, relation, by)?
            }
        };
        targets.push(target);
    }
    if matches!(op, Op::Delete | Op::HardDelete) && (header.len() != 1 || key.is_none()) {
        return Err("InvalidBatch : Delete batch must only contain ids".to_owned());
    }
    let mut order: Vec<usize> = (0..header.len()).collect();
    if job.version < 50 {
        order.sort_by(|a, b| header[*a].cmp(&header[*b]));
    }
    Ok(Columns {
        targets,
        key,
        doubles,
        order,
    })
}

/// `Account.Ext__c`, or `Lead:Who.Email` where several objects may be meant.
fn related(
    store: &Store,
    access: &Access,
    object: usize,
    relation: &str,
    by: &str,
) -> Result<Target, String> {
    let (kind, relation) = match relation.split_once(':') {
        Some((kind, relation)) => (Some(kind), relation),
        None => (None, relation),
    };
    let lost = || format!("InvalidBatch : Unable to find relationship: {relation}");
    let spec = &store.schema.objects[object];
    let field = access
        .relationship(&store.schema, object, relation)
        .ok_or_else(lost)?;
    let targets = &spec.fields[field].reference_to;
    let target = match (kind, &targets[..]) {
        (Some(_), [_]) => {
            return Err(format!(
                "InvalidBatch : type is not needed for non polymorphic foreign key references: {relation}"
            ));
        }
        (Some(kind), several) => several
            .iter()
            .find(|t| t.eq_ignore_ascii_case(kind))
            .ok_or_else(lost)?,
        // Owner may be a queue, but is a user unless it is said.
        (None, several) => several
            .iter()
            .find(|t| t.as_str() == "User" || several.len() == 1)
            .ok_or_else(lost)?,
    };
    let parent = access.object(&store.schema, target).ok_or_else(lost)?;
    let parent_spec = &store.schema.objects[parent];
    let by_field = access
        .field(&store.schema, parent, by)
        .filter(|f| {
            parent_spec.fields[*f].is_key() || parent == store.record_type && by.eq_ignore_ascii_case("Name")
        })
        .ok_or_else(|| format!("InvalidBatch : Field name not found : {relation}.{by}"))?;
    Ok(Target::Related {
        field,
        object: parent,
        by: by_field,
    })
}
