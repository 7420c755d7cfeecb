//! Records that show the values of a picklist, with what the platform makes of each: stages, statuses, priorities.

use super::{sales, work};
use crate::emulator::schema::Schema;

/// What a contract's status stands for.
pub(super) fn contract_code(status: &str) -> &'static str {
    match status {
        "Activated" => "Activated",
        _ if status.starts_with("In Approval") => "InApproval",
        _ => "Draft",
    }
}

type Values = Vec<(&'static str, String)>;

/// The rows of OpportunityStage, LeadStatus and their like, in the order of the picklists.
pub(crate) fn value_records(schema: &Schema) -> Vec<(&'static str, Values)> {
    let mut out = Vec::new();
    for (records, object, field) in [
        ("OpportunityStage", "Opportunity", "StageName"),
        ("LeadStatus", "Lead", "Status"),
        ("CaseStatus", "Case", "Status"),
        ("ContractStatus", "Contract", "Status"),
        ("TaskStatus", "Task", "Status"),
        ("TaskPriority", "Task", "Priority"),
    ] {
        let Some(object) = schema.object(object).map(|at| &schema.objects[at]) else {
            continue;
        };
        let Some(field) = object.field(field).map(|at| &object.fields[at]) else {
            continue;
        };
        let mut order = 0;
        for value in &field.picklist {
            // Only stages have rows for values that are out of use.
            if !value.active && records != "OpportunityStage" {
                continue;
            }
            order += 1;
            let text = value.value.as_str();
            let mut row: Values = vec![
                ("MasterLabel", value.label.clone()),
                ("ApiName", text.to_owned()),
                ("SortOrder", order.to_string()),
            ];
            let mut flag = |name: &'static str, on: bool| row.push((name, on.to_string()));
            if records != "OpportunityStage" {
                let default = field.default.as_deref() == Some(text) || value.default;
                flag("IsDefault", default);
            }
            match records {
                "OpportunityStage" => {
                    let (closed, won, probability, category) = sales::stage(text);
                    flag("IsActive", value.active);
                    flag("IsClosed", closed);
                    flag("IsWon", won);
                    row.push(("DefaultProbability", probability.to_owned()));
                    row.push(("ForecastCategoryName", category.to_owned()));
                    row.push(("ForecastCategory", sales::forecast(category).to_owned()));
                }
                "LeadStatus" => flag(
                    "IsConverted",
                    text.contains("Converted") && !text.contains("Not Converted"),
                ),
                "CaseStatus" => flag("IsClosed", work::case_closed(text)),
                "TaskStatus" => flag("IsClosed", work::task_closed(text)),
                "TaskPriority" => flag("IsHighPriority", work::high_priority(text)),
                _ => row.push(("StatusCode", contract_code(text).to_owned())),
            }
            out.push((records, row));
        }
    }
    out
}
