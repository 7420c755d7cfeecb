use super::Object;

/// The standard objects whose rows the platform itself has a hand in.
///
/// Resolved once per object, so that a write never compares names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing beyond what all rows get.
    #[default]
    Plain,
    Account,
    Contact,
    Lead,
    User,
    Opportunity,
    OpportunityLineItem,
    OpportunityContactRole,
    PricebookEntry,
    Product2,
    Campaign,
    CampaignMember,
    Case,
    CaseComment,
    Task,
    Event,
    ContentVersion,
    ContentDocument,
    ContentDocumentLink,
    /// Attachment and Document: a body and its length.
    Attachment,
    AccountContactRelation,
    Contract,
    Order,
    OrderItem,
    Quote,
    QuoteLineItem,
    Group,
}

impl Behaviour {
    /// The behaviour of an object of this name.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "Account" => Behaviour::Account,
            "Contact" => Behaviour::Contact,
            "Lead" => Behaviour::Lead,
            "User" => Behaviour::User,
            "Opportunity" => Behaviour::Opportunity,
            "OpportunityLineItem" => Behaviour::OpportunityLineItem,
            "OpportunityContactRole" => Behaviour::OpportunityContactRole,
            "PricebookEntry" => Behaviour::PricebookEntry,
            "Product2" => Behaviour::Product2,
            "Campaign" => Behaviour::Campaign,
            "CampaignMember" => Behaviour::CampaignMember,
            "Case" => Behaviour::Case,
            "CaseComment" => Behaviour::CaseComment,
            "Task" => Behaviour::Task,
            "Event" => Behaviour::Event,
            "ContentVersion" => Behaviour::ContentVersion,
            "ContentDocument" => Behaviour::ContentDocument,
            "ContentDocumentLink" => Behaviour::ContentDocumentLink,
            "Attachment" | "Document" => Behaviour::Attachment,
            "AccountContactRelation" => Behaviour::AccountContactRelation,
            "Contract" => Behaviour::Contract,
            "Order" => Behaviour::Order,
            "OrderItem" => Behaviour::OrderItem,
            "Quote" => Behaviour::Quote,
            "QuoteLineItem" => Behaviour::QuoteLineItem,
            "Group" => Behaviour::Group,
            _ => Behaviour::Plain,
        }
    }
}

/// Places of the fields that every write looks at, worked out once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// `Name`, when the object has one; meaningless otherwise.
    pub(crate) name: usize,
    pub(crate) owner: Option<usize>,
    pub(crate) record_type: Option<usize>,
    /// CreatedDate, CreatedById, LastModifiedDate, LastModifiedById, SystemModstamp.
    pub(crate) audit: [Option<usize>; 5],
    /// Fields that may get a value when the caller brings none.
    pub(crate) filled: Vec<usize>,
    /// Fields that a new row must bring.
    pub(crate) required: Vec<usize>,
    pub(crate) auto_numbers: Vec<usize>,
}

impl Places {
    pub(super) fn of(object: &Object) -> Self {
        let (owner, record_type) = (object.field("OwnerId"), object.field("RecordTypeId"));
        let all = |test: &dyn Fn(usize) -> bool| (0..object.fields.len()).filter(|at| test(*at)).collect();
        Places {
            name: object.field("Name").unwrap_or_default(),
            owner,
            record_type,
            audit: [
                "CreatedDate",
                "CreatedById",
                "LastModifiedDate",
                "LastModifiedById",
                "SystemModstamp",
            ]
            .map(|name| object.field(name)),
            filled: all(&|at| {
                Some(at) == owner || Some(at) == record_type || object.fields[at].default.is_some()
            }),
            required: all(&|at| object.fields[at].required()),
            auto_numbers: all(&|at| object.fields[at].auto_number.is_some()),
        }
    }
}
