//! Totals of standard objects, which the platform keeps as if they were roll-ups.

use super::{
    Schema,
    rules::{Rules, Summary},
};
use crate::emulator::{
    file::SummaryOperation::{self, Count, Sum},
    formula::{self, Purpose},
};

/// The parent and its total; the child and its reference; what is done with which field of the rows that count.
type Total = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    SummaryOperation,
    Option<&'static str>,
    Option<&'static str>,
);

const TOTALS: &[Total] = &[
    (
        "Campaign",
        "NumberOfContacts",
        "CampaignMember",
        "CampaignId",
        Count,
        None,
        Some("NOT(ISBLANK(ContactId))"),
    ),
    (
        "Campaign",
        "NumberOfLeads",
        "CampaignMember",
        "CampaignId",
        Count,
        None,
        Some("ISBLANK(ContactId)"),
    ),
    (
        "Campaign",
        "NumberOfResponses",
        "CampaignMember",
        "CampaignId",
        Count,
        None,
        Some("HasResponded"),
    ),
    (
        "Campaign",
        "NumberOfOpportunities",
        "Opportunity",
        "CampaignId",
        Count,
        None,
        None,
    ),
    (
        "Campaign",
        "NumberOfWonOpportunities",
        "Opportunity",
        "CampaignId",
        Count,
        None,
        Some("IsWon"),
    ),
    (
        "Campaign",
        "AmountAllOpportunities",
        "Opportunity",
        "CampaignId",
        Sum,
        Some("Amount"),
        None,
    ),
    (
        "Campaign",
        "AmountWonOpportunities",
        "Opportunity",
        "CampaignId",
        Sum,
        Some("Amount"),
        Some("IsWon"),
    ),
    (
        "Order",
        "TotalAmount",
        "OrderItem",
        "OrderId",
        Sum,
        Some("TotalPrice"),
        None,
    ),
];

/// Puts the totals beside the roll-ups of the org file.
pub(super) fn standard(schema: &Schema, rules: &mut [Rules]) {
    for &(parent, total, child, by, operation, of, when) in TOTALS {
        let (Some(parent), Some(child)) = (schema.object(parent), schema.object(child)) else {
            continue;
        };
        let spec = &schema.objects[child];
        let (Some(total), Some(by)) = (schema.objects[parent].field(total), spec.field(by)) else {
            continue;
        };
        let when = when.and_then(|text| formula::condition(schema, child, text, Purpose::Field).ok());
        rules[parent].totals.push((child, rules[child].summaries.len()));
        rules[child].summaries.push(Summary {
            by,
            parent,
            total,
            operation,
            of: of.and_then(|name| spec.field(name)),
            when,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::{OrgFile, schema};

    #[test]
    fn every_total_is_understood() {
        let file = OrgFile::parse("version: 1\nname: hq\n", ".").expect("a file");
        let schema = schema::build(&file).expect("a schema");
        for (parent, total, child, by, _, of, when) in TOTALS {
            let parent = &schema.objects[schema.object(parent).expect("the parent")];
            let child = schema.object(child).expect("the child");
            let spec = &schema.objects[child];
            assert!(
                parent.field(total).is_some() && spec.field(by).is_some(),
                "{total}"
            );
            assert!(of.is_none_or(|of| spec.field(of).is_some()), "{total}");
            if let Some(when) = when {
                formula::condition(&schema, child, when, Purpose::Field).expect(when);
            }
        }
    }
}
