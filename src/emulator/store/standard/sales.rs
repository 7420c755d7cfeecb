//! Opportunities, prices and lines.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::{Draft, set_along};
use crate::emulator::store::{Call, Cell, RowError, State, Store, Undo};

/// Probability and forecast category of the stages that every org starts with; others follow from their names.
pub(super) fn stage(name: &str) -> (bool, bool, &'static str, &'static str) {
    match name {
        "Closed Won" => (true, true, "100", "Closed"),
        "Closed Lost" => (true, false, "0", "Omitted"),
        "Needs Analysis" => (false, false, "20", "Pipeline"),
        "Value Proposition" => (false, false, "50", "Pipeline"),
        "Id. Decision Makers" => (false, false, "60", "Pipeline"),
        "Perception Analysis" => (false, false, "70", "Pipeline"),
        "Proposal/Price Quote" => (false, false, "75", "Pipeline"),
        "Negotiation/Review" => (false, false, "90", "Pipeline"),
        _ if name.ends_with("Won") => (true, true, "100", "Closed"),
        _ if name.starts_with("Closed") || name.ends_with("Lost") => (true, false, "0", "Omitted"),
        _ => (false, false, "10", "Pipeline"),
    }
}

/// The forecast category behind its name.
pub(super) fn forecast(name: &str) -> &'static str {
    match name {
        "Best Case" => "BestCase",
        "Commit" => "Forecast",
        "Closed" => "Closed",
        "Omitted" => "Omitted",
        _ => "Pipeline",
    }
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap_or_default()
}

fn plain(number: Decimal) -> String {
    number.round_dp(2).normalize().to_string()
}

fn wrong(message: &str, field: &str) -> RowError {
    RowError::new("FIELD_INTEGRITY_EXCEPTION", message).on(field)
}

/// What the stage, the date and the lines of an opportunity make of it.
pub(super) fn opportunity(draft: &mut Draft<'_>) {
    if draft.touches("StageName") {
        let name = draft.get("StageName").to_owned();
        let (closed, won, probability, category) = stage(&name);
        draft.flag("IsClosed", closed);
        draft.flag("IsWon", won);
        let moved = draft
            .row
            .is_none_or(|row| draft.store.text(draft.object, row, "StageName") != name);
        if moved {
            if draft.given("Probability").is_none_or(str::is_empty) {
                draft.set("Probability", probability);
            }
            if draft.given("ForecastCategoryName").is_none_or(str::is_empty) {
                draft.set("ForecastCategoryName", category);
            }
            if draft.row.is_some() {
                let now = draft.call.now;
                draft.set("LastStageChangeDate", now);
            }
        }
    }
    let category = forecast(draft.get("ForecastCategoryName"));
    draft.set("ForecastCategory", category);
    // With lines the amount is theirs, and what the caller says of it is passed over.
    if !draft.call.loading && draft.get("HasOpportunityLineItem") == "true" && draft.given("Amount").is_some()
    {
        let kept = draft
            .row
            .map(|row| draft.store.text(draft.object, row, "Amount").to_owned())
            .unwrap_or_default();
        draft.set("Amount", kept);
    }
    if draft.touches("Amount") || draft.touches("Probability") {
        let (amount, probability) = (draft.get("Amount"), draft.get("Probability"));
        let expected = if amount.is_empty() || probability.is_empty() {
            String::new()
        } else {
            plain(decimal(amount) * decimal(probability) / Decimal::ONE_HUNDRED)
        };
        draft.set("ExpectedRevenue", expected);
    }
    if draft.touches("CloseDate") && draft.get("CloseDate").len() >= 7 {
        let date = draft.get("CloseDate").to_owned();
        let quarter = (date[5..7].parse::<u32>().unwrap_or(1) - 1) / 3 + 1;
        draft.set("FiscalYear", &date[..4]);
        draft.set("FiscalQuarter", quarter.to_string());
        draft.set("Fiscal", format!("{} {quarter}", &date[..4]));
    }
}

/// A price: in the standard price book first, and once for each product and currency.
pub(super) fn price(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if draft.row.is_some() {
        return Ok(());
    }
    let store = draft.store;
    let (book, product) = (
        draft.get("Pricebook2Id").to_owned(),
        draft.get("Product2Id").to_owned(),
    );
    let (Some(books), Some(products)) = (store.schema.object("Pricebook2"), store.schema.object("Product2"))
    else {
        return Ok(());
    };
    let (Some(book_row), Some(product_row)) =
        (store.live_row(books, &book), store.live_row(products, &product))
    else {
        return Ok(());
    };
    draft.set("Name", store.text(products, product_row, "Name"));
    draft.set("ProductCode", store.text(products, product_row, "ProductCode"));
    let currency = draft.get("CurrencyIsoCode").to_owned();
    let Some(by_product) = draft.spec.field("Product2Id") else {
        return Ok(());
    };
    let mut standard = None;
    for row in store.find(draft.object, by_product, &product) {
        if store.text(draft.object, row, "CurrencyIsoCode") != currency {
            continue;
        }
        let other = store.text(draft.object, row, "Pricebook2Id");
        if other == book {
            return Err(RowError::new(
                "DUPLICATE_VALUE",
                "This price definition already exists in this price book",
            ));
        }
        let is_standard = store
            .live_row(books, other)
            .is_some_and(|b| store.text(books, b, "IsStandard") == "true");
        if is_standard {
            standard = Some(store.text(draft.object, row, "UnitPrice"));
        }
    }
    if store.text(books, book_row, "IsStandard") == "true" {
        return Ok(());
    }
    let Some(standard) = standard else {
        if draft.call.loading {
            return Ok(());
        }
        return Err(RowError::new(
            "STANDARD_PRICE_NOT_DEFINED",
            "Before creating a custom price, create a standard price.",
        ));
    };
    if draft.get("UseStandardPrice") == "true" {
        let own = draft.get("UnitPrice");
        if !own.is_empty() && decimal(own) != decimal(standard) {
            return Err(wrong(
                "a price that uses the standard price cannot have a list price of its own",
                "UnitPrice",
            ));
        }
        draft.set("UnitPrice", standard);
    }
    Ok(())
}

/// A line of an opportunity.
pub(super) fn line(draft: &mut Draft<'_>) -> Result<(), RowError> {
    let store = draft.store;
    if draft.row.is_none() {
        let (Some(entries), Some(opportunities)) = (
            store.schema.object("PricebookEntry"),
            store.schema.object("Opportunity"),
        ) else {
            return Ok(());
        };
        let opportunity = store.live_row(opportunities, draft.get("OpportunityId"));
        let book = opportunity
            .map(|row| store.text(opportunities, row, "Pricebook2Id"))
            .unwrap_or_default();
        let mut entry = store.live_row(entries, draft.get("PricebookEntryId"));
        let product = draft.get("Product2Id");
        if entry.is_none() && !product.is_empty() {
            entry = store.schema.objects[entries]
                .field("Product2Id")
                .and_then(|field| {
                    let mut rows = store.find(entries, field, product).into_iter();
                    rows.find(|row| book.is_empty() || store.text(entries, *row, "Pricebook2Id") == book)
                });
        }
        let Some(entry) = entry else {
            return if draft.get("PricebookEntryId").is_empty() && !draft.call.loading {
                Err(wrong(
                    "field integrity exception: PricebookEntryId (pricebook entry has not been specified)",
                    "PricebookEntryId",
                ))
            } else {
                Ok(())
            };
        };
        let own = |name: &str| store.text(entries, entry, name).to_owned();
        if !draft.call.loading {
            if !book.is_empty() && book != own("Pricebook2Id") {
                return Err(wrong(
                    "field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than the one assigned to the opportunity)",
                    "PricebookEntryId",
                ));
            }
            if own("IsActive") != "true" {
                return Err(wrong(
                    "field integrity exception: PricebookEntryId (pricebook entry is inactive)",
                    "PricebookEntryId",
                ));
            }
        }
        draft.set("PricebookEntryId", own("Id"));
        draft.set("Product2Id", own("Product2Id"));
        draft.set("ProductCode", own("ProductCode"));
        draft.set("ListPrice", own("UnitPrice"));
        let name = opportunity
            .map(|row| store.text(opportunities, row, "Name"))
            .unwrap_or_default();
        draft.set("Name", format!("{name} {}", own("Name")).trim());
        let price = own("UnitPrice");
        let said = |draft: &Draft<'_>, field: &str| draft.given(field).is_some_and(|v| !v.is_empty());
        if !said(draft, "UnitPrice") && !said(draft, "TotalPrice") {
            draft.set("UnitPrice", price);
        }
    }
    let said = |field: &str| draft.given(field).is_some_and(|v| !v.is_empty());
    let (unit, total) = (said("UnitPrice"), said("TotalPrice"));
    if unit && total && !draft.call.loading {
        return Err(wrong(
            "cannot specify both unit price and total price",
            "TotalPrice",
        ));
    }
    let quantity = decimal(draft.get("Quantity"));
    if total && !quantity.is_zero() {
        let price = plain(decimal(draft.get("TotalPrice")) / quantity);
        draft.set("UnitPrice", price);
    } else if !draft.get("UnitPrice").is_empty() {
        let sum = plain(decimal(draft.get("UnitPrice")) * quantity);
        draft.set("TotalPrice", sum);
    }
    Ok(())
}

/// What a line adds to its opportunity: its price and its quantity.
type Share = (Decimal, Decimal);

/// What a line adds to its opportunity now; nothing when it is deleted.
fn share(store: &Store, object: usize, row: u32) -> Share {
    match store.tables[object].state(row) {
        State::Live => (
            decimal(store.text(object, row, "TotalPrice")),
            decimal(store.text(object, row, "Quantity")),
        ),
        State::Deleted | State::Gone => Share::default(),
    }
}

/// What a line added before an update replaced some of its cells.
pub(super) fn share_before(store: &Store, object: usize, row: u32, old: &[(usize, Cell)]) -> Share {
    let was = |name: &str| {
        let field = store.schema.objects[object].field(name);
        let old = old.iter().find(|(at, _)| Some(*at) == field);
        decimal(old.map_or_else(|| store.text(object, row, name), |(_, cell)| cell))
    };
    (was("TotalPrice"), was("Quantity"))
}

/// A line of an opportunity has changed: lines make its amount, and the first one its price book. Only the difference
/// is added, so that a line costs the same whatever number of lines there is.
pub(super) fn line_changed(
    store: &mut Store,
    object: usize,
    row: u32,
    was: Share,
    call: Call<'_>,
    undo: &mut Vec<Undo>,
) {
    let (Some(opportunities), Some(by)) = (
        store.schema.object("Opportunity"),
        store.schema.objects[object].field("OpportunityId"),
    ) else {
        return;
    };
    let id = store.text(object, row, "OpportunityId").to_owned();
    let Some(opportunity) = store.live_row(opportunities, &id) else {
        return;
    };
    let live = store.tables[object].state(row) == State::Live;
    let has_lines = live || !store.find(object, by, &id).is_empty();
    let is = share(store, object, row);
    // What was there before the first line is forgotten.
    let first = store.text(opportunities, opportunity, "HasOpportunityLineItem") != "true";
    let sum = |name: &str, is: Decimal, was: Decimal| match first {
        true => is,
        false => decimal(store.text(opportunities, opportunity, name)) + is - was,
    };
    let amount = sum("Amount", is.0, was.0);
    let quantity = sum("TotalOpportunityQuantity", is.1, was.1);
    let probability = decimal(store.text(opportunities, opportunity, "Probability"));
    let mut cells = vec![
        ("HasOpportunityLineItem", has_lines.to_string()),
        ("SystemModstamp", call.now.to_owned()),
    ];
    if has_lines {
        cells.push(("Amount", plain(amount)));
        cells.push(("TotalOpportunityQuantity", plain(quantity)));
        cells.push((
            "ExpectedRevenue",
            plain(amount * probability / Decimal::ONE_HUNDRED),
        ));
    }
    if live
        && store.text(opportunities, opportunity, "Pricebook2Id").is_empty()
        && let Some(entries) = store.schema.object("PricebookEntry")
        && let Some(entry) = store.live_row(entries, store.text(object, row, "PricebookEntryId"))
    {
        cells.push((
            "Pricebook2Id",
            store.text(entries, entry, "Pricebook2Id").to_owned(),
        ));
    }
    let cells: Vec<(&str, &str)> = cells.iter().map(|(n, v)| (*n, v.as_str())).collect();
    set_along(store, opportunities, opportunity, &cells, undo);
}

/// An opportunity has one primary contact at most.
pub(super) fn one_primary(store: &mut Store, object: usize, row: u32, undo: &mut Vec<Undo>) {
    if store.text(object, row, "IsPrimary") != "true" {
        return;
    }
    let Some(by) = store.schema.objects[object].field("OpportunityId") else {
        return;
    };
    let id = store.text(object, row, "OpportunityId").to_owned();
    for other in store.find(object, by, &id) {
        if other != row && store.text(object, other, "IsPrimary") == "true" {
            set_along(store, object, other, &[("IsPrimary", "false")], undo);
        }
    }
}
