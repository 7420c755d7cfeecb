//! What the platform does by itself when rows of standard objects are written: fields that it works out, rows that it
//! makes along, and rules that no describe shows.
//!
//! A write calls four hooks. `complete` sees the row before it is checked and may add cells or refuse it; `after_insert`
//! and `after_update` see it stored and may write other rows; `before_delete` and `after_delete` stand around a delete.
//! Which of them matter follows from the object's [`Behaviour`], so that rows of plain objects pay nothing.

mod campaigns;
mod draft;
mod files;
mod orders;
mod persons;
mod relations;
mod sales;
mod values;
mod work;

pub(super) use draft::Draft;
pub(crate) use values::value_records;

use super::{
    Cell, Raw, RowError, Store, Undo,
    write::{Call, Cells, Target},
};
use crate::emulator::schema::{Behaviour, Object, Schema};

/// Fills in what follows from other fields of the row, and refuses what the platform refuses.
pub(super) fn complete(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if !draft.store.schema.currencies.is_empty() {
        currency(draft)?;
    }
    match draft.spec.behaviour {
        Behaviour::Account => persons::account(draft)?,
        Behaviour::Contact => {
            persons::contact(draft)?;
            person_name(draft);
        }
        Behaviour::Lead => {
            work::lead(draft)?;
            person_name(draft);
        }
        Behaviour::User => {
            work::user(draft)?;
            person_name(draft);
        }
        Behaviour::Opportunity => sales::opportunity(draft),
        Behaviour::PricebookEntry => sales::price(draft)?,
        Behaviour::OpportunityLineItem => sales::line(draft)?,
        Behaviour::CampaignMember => campaigns::member(draft)?,
        Behaviour::AccountContactRelation => relations::relation(draft)?,
        Behaviour::Contract => orders::contract(draft)?,
        Behaviour::Order => orders::order(draft)?,
        Behaviour::OrderItem => orders::line(draft),
        Behaviour::Case => work::case(draft),
        Behaviour::Task => work::task(draft),
        Behaviour::Event => work::event(draft)?,
        Behaviour::Attachment => files::body(draft)?,
        Behaviour::ContentVersion => files::version(draft)?,
        Behaviour::ContentDocumentLink => files::document_link(draft)?,
        _ => {}
    }
    Ok(())
}

/// With several currencies every record has one: its own, its user's, or the corporate one.
fn currency(draft: &mut Draft<'_>) -> Result<(), RowError> {
    let currencies = &draft.store.schema.currencies;
    match draft.given("CurrencyIsoCode").map(str::to_owned) {
        Some(code) if currencies.iter().any(|(known, _)| *known == code) => {}
        Some(code) if !code.is_empty() => {
            return Err(RowError::new(
                "INVALID_CURRENCY_ISO",
                format!("Currency ISO Code: invalid currency ISO code: {code}"),
            )
            .on("CurrencyIsoCode"));
        }
        _ if draft.row.is_none() => {
            let code = match draft.spec.behaviour {
                Behaviour::OpportunityLineItem => of_parent(draft, "Opportunity", "OpportunityId"),
                Behaviour::QuoteLineItem => of_parent(draft, "Quote", "QuoteId"),
                Behaviour::OrderItem => of_parent(draft, "Order", "OrderId"),
                _ => None,
            };
            let code = code.unwrap_or_else(|| currencies[0].0.clone());
            draft.set("CurrencyIsoCode", code);
        }
        _ => {}
    }
    Ok(())
}

fn of_parent(draft: &Draft<'_>, parent: &str, field: &str) -> Option<String> {
    let object = draft.store.schema.object(parent)?;
    let row = draft.store.live_row(object, draft.get(field))?;
    let code = draft.store.text(object, row, "CurrencyIsoCode");
    (!code.is_empty()).then(|| code.to_owned())
}

/// First and last name make the name.
fn person_name(draft: &mut Draft<'_>) {
    if !draft.touches("LastName") && !draft.touches("FirstName") {
        return;
    }
    let name = {
        let (first, last) = (draft.get("FirstName"), draft.get("LastName"));
        if first.is_empty() {
            last.to_owned()
        } else {
            format!("{first} {last}")
        }
    };
    draft.set("Name", name);
}

/// A new row is stored.
pub(super) fn after_insert(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    match store.schema.objects[object].behaviour {
        Behaviour::Account => persons::account_stored(store, object, row, call, undo),
        Behaviour::Campaign => campaigns::statuses(store, object, row, call, undo),
        Behaviour::ContentVersion => files::version_stored(store, object, row, call, undo),
        Behaviour::Contact => relations::contact_stored(store, object, row, call, undo),
        Behaviour::CampaignMember => campaigns::once(store, object, row),
        Behaviour::OpportunityLineItem => {
            sales::line_changed(store, object, row, Default::default(), call, undo);
            Ok(())
        }
        Behaviour::OpportunityContactRole => {
            sales::one_primary(store, object, row, undo);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether [`after_update`] looks at rows of this object.
pub(super) fn wants_updates(schema: &Schema, spec: &Object) -> bool {
    match spec.behaviour {
        Behaviour::Account => schema.person_accounts,
        Behaviour::Contact => schema.contact_relations,
        Behaviour::ContentVersion
        | Behaviour::ContentDocument
        | Behaviour::OpportunityLineItem
        | Behaviour::OpportunityContactRole => true,
        _ => false,
    }
}

/// A changed row is stored; `old` is what it was.
pub(super) fn after_update(
    store: &mut Store,
    object: usize,
    row: u32,
    old: &[(usize, Cell)],
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    match store.schema.objects[object].behaviour {
        Behaviour::ContentVersion | Behaviour::ContentDocument => {
            files::retitled(store, object, row, undo);
            Ok(())
        }
        Behaviour::Account => persons::account_changed(store, object, row, undo),
        Behaviour::Contact => relations::contact_changed(store, object, row, call, undo),
        Behaviour::OpportunityLineItem => {
            let was = sales::share_before(store, object, row, old);
            sales::line_changed(store, object, row, was, call, undo);
            Ok(())
        }
        Behaviour::OpportunityContactRole => {
            sales::one_primary(store, object, row, undo);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a row may be deleted.
pub(super) fn before_delete(store: &Store, object: usize, row: u32) -> Result<(), RowError> {
    match store.schema.objects[object].behaviour {
        Behaviour::Contact => persons::keep_contact(store, object, row),
        Behaviour::AccountContactRelation => relations::keep_direct(store, object, row),
        _ => Ok(()),
    }
}

/// A row, and what hung on it, is deleted.
pub(super) fn after_delete(
    store: &mut Store,
    object: usize,
    row: u32,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<(), RowError> {
    if store.schema.objects[object].behaviour == Behaviour::OpportunityLineItem {
        let was = sales::share_before(store, object, row, &[]);
        sales::line_changed(store, object, row, was, call, undo);
    }
    Ok(())
}

/// Makes a row that follows from another one. The platform may fill every field.
pub(super) fn insert_along(
    store: &mut Store,
    object: &str,
    values: &[(&str, &str)],
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) -> Result<Cell, RowError> {
    let Some(at) = store.schema.object(object) else {
        return Ok(Cell::default());
    };
    let spec = &store.schema.objects[at];
    let values: Vec<(Target, Raw<'_>)> = values
        .iter()
        .filter_map(|(name, value)| Some((Target::Field(spec.field(name)?), Raw::Text(value))))
        .collect();
    let call = Call {
        faults: None,
        loading: true,
        ..call
    };
    store.insert(at, &values, call, undo).map(|done| done.id)
}

/// Changes fields of a row that follow from a write elsewhere.
pub(super) fn set_along(
    store: &mut Store,
    object: usize,
    row: u32,
    values: &[(&str, &str)],
    undo: &mut Vec<Undo>,
) {
    let spec = &store.schema.objects[object];
    let cells: Cells = values
        .iter()
        .filter_map(|(name, value)| Some((spec.field(name)?, Cell::new(value))))
        .collect();
    store.follow_up(object, row, cells, undo);
}
