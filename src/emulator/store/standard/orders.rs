//! Contracts and orders: what their status stands for, and what activating them asks for.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::{Draft, values::contract_code};
use crate::emulator::store::RowError;

/// What an order's status stands for.
fn order_code(status: &str) -> &'static str {
    match status {
        "Activated" => "Activated",
        _ if status.starts_with("Cancel") => "Canceled",
        _ if status.starts_with("Expired") => "Expired",
        _ => "Draft",
    }
}

fn failed(message: impl Into<String>) -> RowError {
    RowError::new("FAILED_ACTIVATION", message)
}

fn no_status(what: &str) -> RowError {
    failed(format!(
        "Choose a valid {what} status and save your changes. Ask your Salesforce admin for details."
    ))
    .on("Status")
}

/// The code that the row had, and the one that it gets; none when its status is not touched.
fn codes(draft: &Draft<'_>, code: fn(&str) -> &'static str) -> Option<(Option<&'static str>, &'static str)> {
    if draft.row.is_some() && !draft.touches("Status") {
        return None;
    }
    let was = draft
        .row
        .map(|row| code(draft.store.text(draft.object, row, "Status")));
    Some((was, code(draft.get("Status"))))
}

/// Tells the code, and who activated the record when.
fn settle(draft: &mut Draft<'_>, was: Option<&str>, is: &str) {
    draft.set("StatusCode", is);
    if is == "Activated" && was != Some("Activated") {
        let (now, user) = (draft.call.now, draft.call.user);
        for (name, value) in [("ActivatedDate", now), ("ActivatedById", user)] {
            if draft.given(name).is_none_or(str::is_empty) {
                draft.set(name, value);
            }
        }
    }
    if was == Some("Activated") && is == "Draft" {
        draft.set("ActivatedDate", "");
        draft.set("ActivatedById", "");
    }
}

/// A contract starts as a draft, and does not become one again.
pub(super) fn contract(draft: &mut Draft<'_>) -> Result<(), RowError> {
    if let Some((was, is)) = codes(draft, contract_code) {
        let refused = match was {
            None => is == "Activated",
            Some(was) => was == "Activated" && is != "Activated",
        };
        if refused && !draft.call.loading {
            return Err(no_status("contract"));
        }
        settle(draft, was, is);
    }
    if draft.touches("StartDate") || draft.touches("ContractTerm") {
        let end = end(draft.get("StartDate"), draft.get("ContractTerm")).unwrap_or_default();
        draft.set("EndDate", end);
    }
    Ok(())
}

/// The last day of so many months.
fn end(start: &str, months: &str) -> Option<String> {
    use jiff::ToSpan;
    let start: jiff::civil::Date = start.parse().ok()?;
    let months: i32 = months.parse().ok()?;
    let end = start.checked_add(months.months()).ok()?.yesterday().ok()?;
    Some(end.to_string())
}

/// An order starts as a draft, and needs lines to become active.
pub(super) fn order(draft: &mut Draft<'_>) -> Result<(), RowError> {
    let Some((was, is)) = codes(draft, order_code) else {
        return Ok(());
    };
    if !draft.call.loading {
        if was.is_none() && is != "Draft" {
            return Err(no_status("order"));
        }
        if is == "Activated" && was != Some("Activated") && !has_lines(draft) {
            return Err(failed("An order must have at least one product.").on("Status"));
        }
    }
    settle(draft, was, is);
    Ok(())
}

fn has_lines(draft: &Draft<'_>) -> bool {
    let store = draft.store;
    let lines = store.schema.object("OrderItem");
    let by = lines.and_then(|lines| store.schema.objects[lines].field("OrderId"));
    match (lines, by, draft.row) {
        (Some(lines), Some(by), Some(row)) => {
            let id = store.tables[draft.object].get(row, 0);
            !store.find(lines, by, id).is_empty()
        }
        _ => false,
    }
}

/// A line of an order costs what its price and quantity make.
pub(super) fn line(draft: &mut Draft<'_>) {
    let store = draft.store;
    if draft.row.is_none()
        && let Some(entries) = store.schema.object("PricebookEntry")
        && let Some(entry) = store.live_row(entries, draft.get("PricebookEntryId"))
    {
        draft.set("Product2Id", store.text(entries, entry, "Product2Id"));
        draft.set("ListPrice", store.text(entries, entry, "UnitPrice"));
    }
    let number = |name: &str| Decimal::from_str(draft.get(name)).ok();
    if let (Some(price), Some(quantity)) = (number("UnitPrice"), number("Quantity")) {
        let total = (price * quantity).round_dp(2).normalize().to_string();
        draft.set("TotalPrice", total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_ends_the_day_before_its_months_are_over() {
        for (start, months, expected) in [
            ("2026-01-01", "12", Some("2026-12-31")),
            ("2026-01-31", "1", Some("2026-02-27")),
            ("", "12", None),
        ] {
            assert_eq!(end(start, months).as_deref(), expected, "{start} {months}");
        }
    }
}
