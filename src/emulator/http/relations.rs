//! Friendly URLs: `/sobjects/Contact/{id}/Account`, `/sobjects/Account/{id}/Contacts`.

use super::{Api, Reply, blobs, query, rest::by_id};
use crate::emulator::{schema::Kind, store::Store};

/// Where a path of relationships leads.
enum End {
    Record(usize, String),
    /// Children of a record: their object, the field that points up, and the record's Id.
    Children(usize, usize, String),
    Bytes(usize, String),
    Nowhere,
}

/// Whether a segment is the Id of a record of an object, and not the name of a key field.
pub(super) fn is_id(store: &Store, object: usize, segment: &str) -> bool {
    store.schema.objects[object].field(segment).is_none()
        && matches!(segment.len(), 15 | 18)
        && store.schema.by_id(segment) == Some(object)
}

/// What stands behind a record's relationships, or in one of its binary fields.
pub(super) fn answer(api: &Api<'_>, object: usize, id: &str, path: &[&str]) -> Reply {
    let method = api.method();
    match walk(api, object, id, path) {
        Ok(End::Record(object, id)) => by_id(api, object, &id, method, false),
        Ok(End::Children(child, field, id)) => api.only("GET", || children(api, child, field, &id)),
        Ok(End::Bytes(object, id)) => api.only("GET", || blobs::download(api, object, &id)),
        Ok(End::Nowhere) => Reply::missing(),
        Err(reply) => reply,
    }
}

fn walk(api: &Api<'_>, object: usize, id: &str, path: &[&str]) -> Result<End, Reply> {
    let store = api.read();
    let access = &api.session.access;
    let (mut object, mut id) = (object, id.to_owned());
    for (at, name) in path.iter().enumerate() {
        let last = at + 1 == path.len();
        let row = match store.named(object, &id) {
            Ok(row) => row,
            Err(error) if error.code == "ENTITY_IS_DELETED" && access.is_all() => {
                return Err(Reply::row_error(&error));
            }
            Err(_) => return Ok(End::Nowhere),
        };
        if !store.readable(access, object, row) {
            return Ok(End::Nowhere);
        }
        id = store.tables[object].get(row, 0).to_owned();
        let spec = &store.schema.objects[object];
        if let Some(field) = access.field(&store.schema, object, name)
            && last
            && spec.fields[field].kind == Kind::Base64
        {
            return Ok(End::Bytes(object, id));
        }
        if let Some(field) = access.relationship(&store.schema, object, name) {
            let parent = store.tables[object].get(row, field);
            let Some(target) = store.schema.by_id(parent) else {
                return Ok(End::Nowhere);
            };
            (object, id) = (target, parent.to_owned());
            continue;
        }
        let child = store.schema.children(object).iter().find(|(child, field)| {
            access.rights(*child).read
                && access.sees(*child, *field)
                && store.schema.objects[*child].fields[*field]
                    .child_relationship
                    .as_deref()
                    .is_some_and(|r| r.eq_ignore_ascii_case(name))
        });
        return Ok(match child {
            Some(&(child, field)) if last => End::Children(child, field, id),
            _ => End::Nowhere,
        });
    }
    Ok(match access.rights(object).read {
        true => End::Record(object, id),
        false => End::Nowhere,
    })
}

/// The children of a record, as a query answers them.
fn children(api: &Api<'_>, child: usize, field: usize, id: &str) -> Reply {
    let soql = {
        let store = api.read();
        let spec = &store.schema.objects[child];
        let fields = match api.call.param("fields") {
            Some(fields) => fields.to_owned(),
            None => (0..spec.fields.len())
                .filter(|f| api.session.access.sees(child, *f))
                .map(|f| spec.fields[f].name.as_str())
                .collect::<Vec<_>>()
                .join(","),
        };
        format!(
            "SELECT {fields} FROM {} WHERE {} = '{id}'",
            spec.name, spec.fields[field].name
        )
    };
    query::ask(api, &soql, false)
}
