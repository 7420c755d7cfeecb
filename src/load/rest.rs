//! sObject collections: up to 200 records a call, answers in the order of the records.

use super::{Action, WriteRow, unit::Answer};
use crate::{
    pipeline::model,
    plan::{TargetKey, Write},
    salesforce::{self, AssignmentRule, Client, ClientError, RowError, WriteOptions},
};

/// Sends rows of one action.
///
/// # Errors
/// When the call as a whole is refused.
pub(super) async fn send(
    client: &Client,
    write: &Write,
    action: Action,
    rows: &[WriteRow],
) -> Result<Vec<Answer>, ClientError> {
    let records: Vec<_> = rows.iter().map(|row| row.to_json(write)).collect();
    let key = write.key.as_ref().map(TargetKey::names).unwrap_or_default();
    let operation = match action {
        Action::Insert => salesforce::Write::Insert,
        Action::Update => salesforce::Write::Update,
        Action::Upsert => salesforce::Write::Upsert { key: &key },
        Action::Delete => salesforce::Write::Delete,
        // REST would leave the records in the recycle bin.
        Action::HardDelete => {
            return Err(ClientError::NotUnderstood {
                call: "sObject collections".into(),
                detail: "records can be deleted for good by Bulk jobs only".into(),
                request_id: None,
            });
        }
    };
    let answers = match client
        .write(operation, &write.object, &records, &options(write))
        .await
    {
        Ok(answers) => answers,
        Err(ClientError::OutcomeUnknown { .. }) => return Ok(rows.iter().map(|_| Answer::Lost).collect()),
        Err(error) => return Err(error),
    };
    if answers.len() != rows.len() {
        return Err(ClientError::NotUnderstood {
            call: "sObject collections".into(),
            detail: format!(
                "{} records were sent, and {} answers came back",
                rows.len(),
                answers.len()
            ),
            request_id: None,
        });
    }
    Ok(answers
        .into_iter()
        .map(|answer| match (answer.success, answer.id) {
            (true, Some(id)) => {
                let created = answer.created.unwrap_or(action == Action::Insert);
                Answer::Written(id, created)
            }
            (true, None) => Answer::Refused(
                None,
                row_error("NO_ID", "the org reports success, and gives no Id for the record"),
            ),
            (false, id) => {
                let error = answer.errors.into_iter().next();
                let error = error.unwrap_or_else(|| row_error("UNKNOWN", "the org gives no reason"));
                Answer::Refused(id, error)
            }
        })
        .collect())
}

/// How the step's records are written.
pub(super) fn options(write: &Write) -> WriteOptions {
    WriteOptions {
        all_or_none: false,
        assignment_rule: match &write.assignment_rule {
            model::AssignmentRule::None => AssignmentRule::None,
            model::AssignmentRule::Default => AssignmentRule::Default,
            model::AssignmentRule::Id(id) => AssignmentRule::Id(id.as_str().into()),
        },
        allow_duplicates: write.allow_duplicates,
    }
}

pub(super) fn row_error(code: &str, message: &str) -> RowError {
    RowError {
        code: code.into(),
        message: message.to_owned(),
        fields: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pipeline::model::{Api, Operation},
        plan::Road,
    };

    #[test]
    fn what_the_file_says_of_rules_is_what_the_org_is_told() {
        for (rule, allow_duplicates, told) in [
            (model::AssignmentRule::None, false, AssignmentRule::None),
            (model::AssignmentRule::Default, true, AssignmentRule::Default),
            (
                model::AssignmentRule::Id("01Q000000000001EAA".into()),
                false,
                AssignmentRule::Id("01Q000000000001EAA".into()),
            ),
        ] {
            let write = Write {
                file: None,
                connection: "dst".into(),
                object: "Case".into(),
                operation: Operation::Upsert,
                key: None,
                fields: Vec::new(),
                api: Api::Auto,
                road: Road::Rest,
                batch: None,
                parallel: None,
                look_first: false,
                compare: false,
                compare_sent: false,
                assignment_rule: rule,
                allow_duplicates,
                group: None,
                prefix: None,
                persons: None,
            };
            let options = options(&write);
            assert_eq!(options.assignment_rule, told);
            assert_eq!(options.allow_duplicates, allow_duplicates);
            assert!(!options.all_or_none);
        }
    }
}
