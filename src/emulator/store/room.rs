use super::Store;

/// Records of most objects count for so much, whatever they hold.
const RECORD: u64 = 2_048;

impl Store {
    /// The room that the records take, as an org reckons it: by their number, not by what they hold. The recycle bin
    /// takes none.
    pub(crate) fn bytes(&self) -> u64 {
        self.schema
            .objects
            .iter()
            .zip(&self.tables)
            .map(|(object, table)| record_bytes(&object.name) * table.live() as u64)
            .sum()
    }

    /// The room that files take; those in the recycle bin take it still.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.blobs.all().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Whether there is room for no other record.
    pub(super) fn is_full(&self) -> bool {
        self.most_mb
            .is_some_and(|most| self.bytes() + RECORD > most * 1_048_576)
    }
}

/// What a record of an object counts for.
fn record_bytes(object: &str) -> u64 {
    match object {
        "Campaign" => 8_192,
        "CampaignMember" => 1_024,
        // What an org is made of, and files, which have a room of their own.
        "User"
        | "Group"
        | "GroupMember"
        | "QueueSobject"
        | "Profile"
        | "UserRole"
        | "RecordType"
        | "Organization"
        | "PermissionSet"
        | "PermissionSetAssignment"
        | "ContentVersion"
        | "ContentDocument"
        | "ContentDocumentLink"
        | "Attachment"
        | "CurrencyType"
        | "DatedConversionRate"
        | "OpportunityStage"
        | "LeadStatus"
        | "CaseStatus"
        | "ContractStatus"
        | "TaskStatus"
        | "TaskPriority" => 0,
        _ => RECORD,
    }
}
