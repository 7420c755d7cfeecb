//! The standard objects that every org has, as Salesforce describes them.

use super::{DataType, Field, Kind, Object, PicklistValue};

/// One object in a few lines: `Name|Label|Plural|Prefix|flags`, then a field a line:
/// `Name|Label|data type|flags`. Flags: `req`, `ro` (read-only), `create` (insert only), `key` (idLookup), `name` (the
/// name field), `unique`, `restricted`, `cascade`, `keepchild` (restricts the parent's delete), `default=V`, `rel=NAME`,
/// `child=NAME`, `of=COMPOUND`, `person` (part of a personal name), `values=A;B`, `auto=PATTERN`.
/// An object's flags: `owner` or `queueowner` (has OwnerId), `setup` (no soft delete), `readonly`, `keep` (no delete).
const STANDARD: &[&str] = &[
    "Account|Account|Accounts|001|owner
MasterRecordId|Master Record ID|Lookup(Account)|ro
Name|Account Name|Text(255)|req name of=Name
Type|Account Type|Picklist(40)|values=Prospect;Customer - Direct;Customer - Channel;Channel Partner / Reseller;Installation Partner;Technology Partner;Other
RecordTypeId|Record Type ID|Lookup(RecordType)|
ParentId|Parent Account ID|Lookup(Account)|child=ChildAccounts
@Billing
@Shipping
Phone|Account Phone|Phone|
Fax|Account Fax|Phone|
AccountNumber||Text(40)|
Website||URL|
PhotoUrl|Photo URL|URL|ro
Sic|SIC Code|Text(20)|
Industry||Picklist(40)|values=Agriculture;Apparel;Banking;Biotechnology;Chemicals;Communications;Construction;Consulting;Education;Electronics;Energy;Engineering;Entertainment;Environmental;Finance;Food & Beverage;Government;Healthcare;Hospitality;Insurance;Machinery;Manufacturing;Media;Not For Profit;Recreation;Retail;Shipping;Technology;Telecommunications;Transportation;Utilities;Other
AnnualRevenue||Currency(18, 0)|
NumberOfEmployees|Employees|Int|
Ownership||Picklist(40)|values=Public;Private;Subsidiary;Other
TickerSymbol||Text(20)|
Description|Account Description|Long Text Area(32000)|
Rating|Account Rating|Picklist(40)|values=Hot;Warm;Cold
Site|Account Site|Text(80)|
LastActivityDate|Last Activity|Date|ro
Jigsaw|Data.com Key|Text(20)|
AccountSource||Picklist(40)|values=Web;Phone Inquiry;Partner Referral;Purchased List;Other
SicDesc|SIC Description|Text(80)|",
    "Contact|Contact|Contacts|003|owner
MasterRecordId|Master Record ID|Lookup(Contact)|ro
AccountId|Account ID|Lookup(Account)|child=Contacts cascade
LastName||Text(80)|req of=Name person
FirstName||Text(40)|of=Name person
Salutation||Picklist(40)|of=Name person values=Mr.;Ms.;Mrs.;Dr.;Prof.
Name|Full Name|Text(121)|ro name person
RecordTypeId|Record Type ID|Lookup(RecordType)|
@Other
@Mailing
Phone|Business Phone|Phone|
Fax|Business Fax|Phone|
MobilePhone||Phone|
HomePhone||Phone|
OtherPhone||Phone|
AssistantPhone|Asst. Phone|Phone|
ReportsToId|Reports To ID|Lookup(Contact)|
Email||Email|key
Title||Text(128)|
Department||Text(80)|
AssistantName|Assistant's Name|Text(40)|
LeadSource||Picklist(255)|values=Web;Phone Inquiry;Partner Referral;Purchased List;Other
Birthdate||Date|
Description|Contact Description|Long Text Area(32000)|
HasOptedOutOfEmail|Email Opt Out|Checkbox|
HasOptedOutOfFax|Fax Opt Out|Checkbox|
DoNotCall|Do Not Call|Checkbox|
LastActivityDate|Last Activity|Date|ro
EmailBouncedReason||Text(255)|
EmailBouncedDate||Date/Time|
IsEmailBounced|Is Email Bounced|Checkbox|ro
PhotoUrl|Photo URL|URL|ro
Jigsaw|Data.com Key|Text(20)|",
    "Opportunity|Opportunity|Opportunities|006|owner
AccountId|Account ID|Lookup(Account)|child=Opportunities cascade
RecordTypeId|Record Type ID|Lookup(RecordType)|
IsPrivate|Private|Checkbox|
Name||Text(120)|req name key
Description||Long Text Area(32000)|
StageName|Stage|Picklist(255)|req values=Prospecting;Qualification;Needs Analysis;Value Proposition;Id. Decision Makers;Perception Analysis;Proposal/Price Quote;Negotiation/Review;Closed Won;Closed Lost
Amount||Currency(16, 2)|
Probability|Probability (%)|Percent(3, 0)|
ExpectedRevenue|Expected Amount|Currency(16, 2)|ro
TotalOpportunityQuantity|Quantity|Number(16, 2)|
CloseDate||Date|req
Type|Opportunity Type|Picklist(255)|values=Existing Customer - Upgrade;Existing Customer - Replacement;Existing Customer - Downgrade;New Customer
NextStep||Text(255)|
LeadSource||Picklist(255)|values=Web;Phone Inquiry;Partner Referral;Purchased List;Other
IsClosed|Closed|Checkbox|ro
IsWon|Won|Checkbox|ro
CampaignId|Campaign ID|Lookup(Campaign)|child=Opportunities
HasOpportunityLineItem|Has Line Item|Checkbox|ro
Pricebook2Id|Price Book ID|Lookup(Pricebook2)|child=Opportunities
LastActivityDate|Last Activity|Date|ro
ContactId|Contact ID|Lookup(Contact)|create rel=- child=Opportunities",
    "Lead|Lead|Leads|00Q|queueowner
MasterRecordId|Master Record ID|Lookup(Lead)|ro
LastName||Text(80)|req of=Name person
FirstName||Text(40)|of=Name person
Salutation||Picklist(40)|of=Name person values=Mr.;Ms.;Mrs.;Dr.;Prof.
Name|Full Name|Text(121)|ro name person
RecordTypeId|Record Type ID|Lookup(RecordType)|
Title||Text(128)|
Company||Text(255)|req
@
Phone||Phone|
MobilePhone||Phone|
Fax||Phone|
Email||Email|key
Website||URL|
Description||Long Text Area(32000)|
LeadSource||Picklist(255)|values=Web;Phone Inquiry;Partner Referral;Purchased List;Other
Status||Picklist(255)|defaulted values=Open - Not Contacted;Working - Contacted;Closed - Converted;Closed - Not Converted default=Open - Not Contacted
Industry||Picklist(255)|values=Agriculture;Banking;Construction;Education;Energy;Engineering;Finance;Healthcare;Insurance;Manufacturing;Media;Retail;Technology;Other
Rating||Picklist(255)|values=Hot;Warm;Cold
AnnualRevenue||Currency(18, 0)|
NumberOfEmployees|Employees|Int|
HasOptedOutOfEmail|Email Opt Out|Checkbox|
DoNotCall|Do Not Call|Checkbox|
IsConverted|Converted|Checkbox|ro
ConvertedDate||Date|ro
ConvertedAccountId|Converted Account ID|Lookup(Account)|ro rel=ConvertedAccount
ConvertedContactId|Converted Contact ID|Lookup(Contact)|ro rel=ConvertedContact
ConvertedOpportunityId|Converted Opportunity ID|Lookup(Opportunity)|ro rel=ConvertedOpportunity
IsUnreadByOwner|Unread By Owner|Checkbox|",
    "Case|Case|Cases|500|queueowner
MasterRecordId|Master Record ID|Lookup(Case)|ro
CaseNumber||Auto Number(30)|name key auto={00000000}
ContactId|Contact ID|Lookup(Contact)|child=Cases keepchild
AccountId|Account ID|Lookup(Account)|child=Cases keepchild
ParentId|Parent Case ID|Lookup(Case)|child=Cases
RecordTypeId|Record Type ID|Lookup(RecordType)|
SuppliedName|Name|Text(80)|
SuppliedEmail|Email Address|Email|
SuppliedPhone|Phone|Text(40)|
SuppliedCompany|Company|Text(80)|
Type|Case Type|Picklist(255)|values=Mechanical;Electrical;Electronic;Structural;Other
Status||Picklist(255)|defaulted values=New;Working;Escalated;Closed default=New
Reason|Case Reason|Picklist(255)|values=Installation;Equipment Complexity;Performance;Breakdown;Equipment Design;Feedback;Other
Origin|Case Origin|Picklist(255)|values=Phone;Email;Web
Subject||Text(255)|
Priority||Picklist(255)|defaulted values=High;Medium;Low default=Medium
Description||Long Text Area(32000)|
IsClosed|Closed|Checkbox|ro
ClosedDate|Closed Date|Date/Time|ro
IsEscalated|Escalated|Checkbox|
Comments|Internal Comments|Text Area|",
    "Task|Task|Tasks|00T|owner
RecordTypeId|Record Type ID|Lookup(RecordType)|
WhoId|Name ID|Lookup(Contact, Lead)|child=Tasks cascade
WhatId|Related To ID|Lookup(Account, Campaign, Case, Opportunity, Product2)|child=Tasks cascade
Subject||Combobox(255)|name values=Call;Email;Send Letter;Send Quote;Other
ActivityDate|Due Date Only|Date|
Status||Picklist(255)|defaulted values=Not Started;In Progress;Completed;Waiting on someone else;Deferred default=Not Started
Priority||Picklist(255)|defaulted values=High;Normal;Low default=Normal
IsHighPriority|High Priority|Checkbox|ro
Description||Long Text Area(32000)|
Type||Picklist(40)|values=Call;Email;Meeting;Other
AccountId|Account ID|Lookup(Account)|ro
IsClosed|Closed|Checkbox|ro
CallDurationInSeconds|Call Duration|Int|
CallType||Picklist(40)|values=Internal;Inbound;Outbound restricted
ReminderDateTime|Reminder Date/Time|Date/Time|
IsReminderSet|Reminder Set|Checkbox|",
    "User|User|Users|005|setup keep
Username||Text(80)|req key unique
LastName||Text(80)|req of=Name person
FirstName||Text(40)|of=Name person
Name|Full Name|Text(121)|ro name person
CompanyName||Text(80)|
Division||Text(80)|
Department||Text(80)|
Title||Text(80)|
@
Email||Email(128)|req
Phone||Phone|
MobilePhone|Cell|Phone|
Alias||Text(8)|req
CommunityNickname|Nickname|Text(40)|
IsActive|Active|Checkbox|default=true
TimeZoneSidKey|Time Zone|Picklist(40)|defaulted default=Europe/London
LocaleSidKey|Locale|Picklist(40)|defaulted default=en_GB
EmailEncodingKey|Email Encoding|Picklist(40)|defaulted default=UTF-8
LanguageLocaleKey|Language|Picklist(40)|defaulted default=en_US
ProfileId|Profile ID|Lookup(Profile)|
UserType||Picklist(40)|ro default=Standard
EmployeeNumber||Text(20)|
ManagerId|Manager ID|Lookup(User)|child=ManagedUsers
FederationIdentifier|SAML Federation ID|Text(512)|key
LastLoginDate|Last Login|Date/Time|ro",
    "Profile|Profile|Profile|00e|setup readonly
Name||Text(255)|req name
UserType||Picklist(40)|default=Standard
Description||Text(255)|",
    "Group|Group|Group|00G|setup
Name||Text(40)|req name
DeveloperName||Text(80)|
RelatedId|Related ID|Lookup(User)|ro
Type||Picklist(40)|create values=Regular;Queue default=Regular
Email||Email(255)|
DoesSendEmailToMembers|Send Email to Members|Checkbox|
DoesIncludeBosses|Include Bosses|Checkbox|default=true",
    "RecordType|Record Type|Record Types|012|setup keep
Name||Text(80)|req name
DeveloperName|Record Type Name|Text(80)|req
NamespacePrefix||Text(15)|ro
Description||Text(255)|
BusinessProcessId|Business Process ID|Text(18)|ro
SobjectType|SObject Type Name|Picklist(40)|req create
IsActive|Active|Checkbox|
IsPersonType|Is Person Type|Checkbox|ro",
    "Organization|Organization|Organization|00D|setup keep
Name||Text(80)|req name
Division||Text(80)|
@
Phone||Phone|
Fax||Phone|
PrimaryContact||Text(80)|
DefaultLocaleSidKey|Locale|Picklist(40)|default=en_GB
TimeZoneSidKey|Time Zone|Picklist(40)|default=Europe/London
LanguageLocaleKey|Language|Picklist(40)|default=en_US
NamespacePrefix||Text(15)|ro
OrganizationType|Edition|Picklist(40)|ro
InstanceName||Text(5)|ro
IsSandbox|Is Sandbox|Checkbox|ro
IsReadOnly|Is Read Only|Checkbox|ro
TrialExpirationDate||Date/Time|ro",
    "Product2|Product|Products|01t|
Name|Product Name|Text(255)|req name
ProductCode||Text(255)|
Description|Product Description|Text Area|
IsActive|Active|Checkbox|
RecordTypeId|Record Type ID|Lookup(RecordType)|
Family|Product Family|Picklist(255)|values=None
StockKeepingUnit|Product SKU|Text(180)|
DisplayUrl|Display URL|URL|
QuantityUnitOfMeasure||Picklist(255)|values=Each",
    "Pricebook2|Price Book|Price Books|01s|
Name|Price Book Name|Text(255)|req name
IsActive|Active|Checkbox|
IsStandard|Is Standard Price Book|Checkbox|ro
Description||Text(255)|",
    "PricebookEntry|Price Book Entry|Price Book Entries|01u|
Name|Product Name|Text(255)|ro name
Pricebook2Id|Price Book ID|Lookup(Pricebook2)|req create child=PricebookEntries cascade
Product2Id|Product ID|Lookup(Product2)|req create child=PricebookEntries cascade
UnitPrice|List Price|Currency(16, 2)|req
IsActive|Active|Checkbox|
UseStandardPrice|Use Standard Price|Checkbox|
ProductCode||Text(255)|ro",
    "OpportunityLineItem|Opportunity Product|Opportunity Product|00k|
OpportunityId|Opportunity ID|Lookup(Opportunity)|req create child=OpportunityLineItems cascade
SortOrder|Sort Order|Int|ro
PricebookEntryId|Price Book Entry ID|Lookup(PricebookEntry)|create child=OpportunityLineItems
Product2Id|Product ID|Lookup(Product2)|create
ProductCode||Text(255)|ro
Name|Opportunity Product Name|Text(376)|ro name
Quantity||Number(10, 2)|req
TotalPrice|Total Price|Currency(16, 2)|
UnitPrice|Sales Price|Currency(16, 2)|
ListPrice|List Price|Currency(16, 2)|ro
ServiceDate|Date|Date|
Description|Line Description|Text(255)|",
    "Campaign|Campaign|Campaigns|701|owner
Name||Text(80)|req name
ParentId|Parent Campaign ID|Lookup(Campaign)|child=ChildCampaigns
RecordTypeId|Record Type ID|Lookup(RecordType)|
Type||Picklist(40)|values=Conference;Webinar;Trade Show;Public Relations;Partners;Referral Program;Advertisement;Banner Ads;Direct Mail;Email;Telemarketing;Other
Status||Picklist(40)|values=Planned;In Progress;Completed;Aborted default=Planned
StartDate||Date|
EndDate||Date|
ExpectedRevenue||Currency(18, 0)|
BudgetedCost||Currency(18, 0)|
ActualCost||Currency(18, 0)|
ExpectedResponse|Expected Response (%)|Percent(8, 2)|
NumberSent|Num Sent|Number(18, 0)|
IsActive|Active|Checkbox|
Description||Long Text Area(32000)|",
    "CampaignMember|Campaign Member|Campaign Members|00v|
CampaignId|Campaign ID|Lookup(Campaign)|req create child=CampaignMembers cascade
LeadId|Lead ID|Lookup(Lead)|create child=CampaignMembers cascade
ContactId|Contact ID|Lookup(Contact)|create child=CampaignMembers cascade
Status||Picklist(40)|values=Sent;Responded default=Sent
HasResponded|Responded|Checkbox|ro
FirstRespondedDate||Date|ro
Name||Text(121)|ro name
Type||Text(40)|ro",
    "Attachment|Attachment|Attachments|00P|owner
ParentId|Parent ID|Lookup(Account, Campaign, Case, Contact, Lead, Opportunity, Product2, Task)|req create child=Attachments cascade
Name|File Name|Text(255)|req name
IsPrivate|Private|Checkbox|
ContentType||Text(120)|
BodyLength||Int|ro
Body||Base64|req
Description||Text Area(500)|",
    "ContentVersion|Content Version|Content Versions|068|owner keep
ContentDocumentId|ContentDocument ID|Lookup(ContentDocument)|create cascade child=ContentVersions
IsLatest|Is Latest|Checkbox|ro
ContentUrl|Content URL|URL|
VersionNumber||Text(20)|ro
Title||Text(255)|name
Description||Text Area(1000)|
ReasonForChange||Text Area(1000)|create
PathOnClient||Text(500)|create
ContentModifiedDate|Content Modified Date|Date/Time|ro
FileType||Text(20)|ro
PublishStatus||Picklist(40)|ro restricted values=U;P;R default=P
VersionData||Base64|
ContentSize|Size|Int|ro
FileExtension||Text(40)|ro
FirstPublishLocationId|First Publish Location ID|Lookup(Account, Campaign, Case, Contact, ContentWorkspace, Lead, Opportunity, Product2, Task, User)|create
Origin||Picklist(40)|create restricted values=C;H default=C
ContentLocation||Picklist(40)|create restricted values=S;E;L;K default=S
Checksum||Text(50)|ro
IsMajorVersion|Is Major Version|Checkbox|create default=true",
    "ContentDocument|Content Document|Content Documents|069|owner nocreate
Title||Text(255)|name
PublishStatus||Picklist(40)|ro values=U;P;R default=P
LatestPublishedVersionId|Latest Published Version ID|Lookup(ContentVersion)|ro
ParentId||Lookup(ContentWorkspace)|ro
IsArchived|Is Archived|Checkbox|
Description||Text Area(1000)|
ContentSize|Size|Int|ro
FileType||Text(20)|ro
FileExtension||Text(40)|ro
ContentModifiedDate|Content Modified Date|Date/Time|ro",
    "ContentDocumentLink|Content Document Link|Content Document Link|06A|
LinkedEntityId|Linked Entity ID|Lookup(Account, Campaign, Case, Contact, ContentWorkspace, Lead, Opportunity, Product2, Task, User)|req create cascade child=ContentDocumentLinks
ContentDocumentId|ContentDocument ID|Lookup(ContentDocument)|req create cascade child=ContentDocumentLinks
ShareType||Picklist(40)|restricted values=V;C;I default=V
Visibility||Picklist(40)|restricted values=AllUsers;InternalUsers;SharedUsers default=AllUsers",
    "ContentWorkspace|Library|Libraries|058|
Name||Text(255)|req name
DeveloperName||Text(80)|
Description||Text Area(1000)|",
];

/// All standard objects, with the fields that Salesforce keeps by itself.
pub(super) fn objects() -> Vec<Object> {
    STANDARD.iter().filter_map(|text| object(text)).collect()
}

fn object(text: &str) -> Option<Object> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next()?.split('|').collect();
    let [name, label, plural, prefix, flags] = head[..] else {
        return None;
    };
    let mut object = Object::new(name, label, plural, prefix);
    let has = |flag: &str| flags.split(' ').any(|f| f == flag);
    object.writable = !has("readonly");
    object.deletable = object.writable && !has("keep");
    object.bulk = !matches!(name, "Organization" | "RecordType" | "Profile");
    let id_label = format!("{label} ID");
    let mut id = system("Id", &id_label, "Text(18)")?;
    id.kind = Kind::Id;
    id.id_lookup = true;
    object.put(id);
    if !has("setup") {
        object.put(system("IsDeleted", "Deleted", "Checkbox")?);
    }
    for line in lines {
        if let Some(prefix) = line.strip_prefix('@') {
            for field in address(prefix)? {
                object.put(field);
            }
        } else {
            object.put(field(line)?);
        }
    }
    if has("owner") {
        object.put(owner(&["User"])?);
    }
    if has("queueowner") {
        object.put(owner(&["Group", "User"])?);
    }
    for field in audit_fields()? {
        object.put(field);
    }
    Some(object)
}

/// The fields that Salesforce fills itself on every record.
pub(super) fn audit_fields() -> Option<Vec<Field>> {
    let user = |name: &str, label: &str, relationship: &str| {
        let mut field = system(name, label, "Lookup(User)")?;
        field.relationship_name = Some(relationship.to_owned());
        Some(field)
    };
    Some(vec![
        system("CreatedDate", "Created Date", "Date/Time")?,
        user("CreatedById", "Created By ID", "CreatedBy")?,
        system("LastModifiedDate", "Last Modified Date", "Date/Time")?,
        user("LastModifiedById", "Last Modified By ID", "LastModifiedBy")?,
        system("SystemModstamp", "System Modstamp", "Date/Time")?,
    ])
}

/// A field that only the org writes.
pub(super) fn system(name: &str, label: &str, data: &str) -> Option<Field> {
    let mut field = Field::new(name, label, &DataType::parse(data).ok()?);
    field.createable = false;
    field.updateable = false;
    field.nillable = false;
    field.defaulted_on_create = true;
    field.permissionable = false;
    Some(field)
}

/// `OwnerId`: given to the running user when nothing is said.
pub(super) fn owner(targets: &[&str]) -> Option<Field> {
    let mut field = Field::new(
        "OwnerId",
        "Owner ID",
        &DataType::parse(&format!("Lookup({})", targets.join(","))).ok()?,
    );
    field.nillable = false;
    field.defaulted_on_create = true;
    field.permissionable = false;
    field.relationship_name = Some("Owner".to_owned());
    Some(field)
}

/// `BillingStreet` and its neighbours, and the compound that reads them all.
fn address(prefix: &str) -> Option<Vec<Field>> {
    let compound = format!("{prefix}Address");
    let mut out = Vec::new();
    for (part, label, data) in [
        ("Street", "Street", "Text Area(255)"),
        ("City", "City", "Text(40)"),
        ("State", "State/Province", "Text(80)"),
        ("PostalCode", "Zip/Postal Code", "Text(20)"),
        ("Country", "Country", "Text(80)"),
        ("Latitude", "Latitude", "Number(3, 15)"),
        ("Longitude", "Longitude", "Number(3, 15)"),
        ("GeocodeAccuracy", "Geocode Accuracy", "Picklist(40)"),
    ] {
        let label = format!("{prefix} {label}");
        let mut field = Field::new(
            &format!("{prefix}{part}"),
            label.trim(),
            &DataType::parse(data).ok()?,
        );
        field.compound = Some(compound.clone());
        if part == "GeocodeAccuracy" {
            field.restricted_picklist = true;
            field.picklist = values(
                "Address;NearAddress;Block;Street;ExtendedZip;Zip;Neighborhood;City;County;State;Unknown",
                None,
            );
        }
        out.push(field);
    }
    let label = format!("{prefix} Address");
    out.push(Field::new(
        &compound,
        label.trim(),
        &DataType::parse("Address").ok()?,
    ));
    Some(out)
}

fn field(line: &str) -> Option<Field> {
    let parts: Vec<&str> = line.split('|').collect();
    let [name, label, data, flags] = parts[..] else {
        return None;
    };
    let data = DataType::parse(data).ok()?;
    let label = if label.is_empty() {
        spaced(name)
    } else {
        label.to_owned()
    };
    let mut field = Field::new(name, &label, &data);
    let default = option(flags, "default=");
    if let Some(list) = option(flags, "values=") {
        field.picklist = values(list, default);
    }
    if let Some(default) = default {
        field.default = Some(default.to_owned());
        field.defaulted_on_create = true;
    }
    if data.kind == Kind::Reference {
        let relationship = name.strip_suffix("Id").unwrap_or(name);
        field.relationship_name = match option(flags, "rel=") {
            Some("-") => None,
            Some(name) => Some(name.to_owned()),
            None => Some(relationship.to_owned()),
        };
        field.child_relationship = option(flags, "child=").map(str::to_owned);
    }
    field.compound = option(flags, "of=").map(str::to_owned);
    if let Some(pattern) = option(flags, "auto=") {
        field.auto_number = Some(pattern.to_owned());
        field.createable = false;
        field.updateable = false;
        field.nillable = false;
        field.defaulted_on_create = true;
    }
    for flag in flags.split(' ') {
        match flag {
            "req" => {
                field.nillable = false;
                field.permissionable = false;
            }
            "defaulted" => {
                field.nillable = false;
                field.defaulted_on_create = true;
            }
            "ro" => {
                field.createable = false;
                field.updateable = false;
            }
            "create" => field.updateable = false,
            "key" => field.id_lookup = true,
            "unique" => field.unique = true,
            "name" => field.name_field = true,
            "restricted" => field.restricted_picklist = true,
            "cascade" => field.cascade = true,
            "keepchild" => field.restricted_delete = true,
            "person" => field.extra_type_info = Some("personname"),
            _ => {}
        }
    }
    if name == "Name" && field.compound.is_some() {
        field.extra_type_info = Some("switchablepersonname");
    }
    Some(field)
}

/// The text after `key` up to the next flag. Values may hold spaces, so a flag ends where another known one starts.
fn option<'a>(flags: &'a str, key: &str) -> Option<&'a str> {
    let start = flags.find(key)? + key.len();
    let rest = &flags[start..];
    let end = [
        " default=",
        " values=",
        " rel=",
        " child=",
        " of=",
        " auto=",
        " restricted",
        " person",
        " cascade",
        " keepchild",
    ]
    .iter()
    .filter_map(|stop| rest.find(stop))
    .min()
    .unwrap_or(rest.len());
    Some(&rest[..end])
}

fn values(list: &str, default: Option<&str>) -> Vec<PicklistValue> {
    list.split(';')
        .map(|value| PicklistValue {
            value: value.to_owned(),
            active: true,
            default: default == Some(value),
        })
        .collect()
}

/// `NextStep` as a label: `Next Step`.
pub(super) fn spaced(name: &str) -> String {
    let mut out = String::new();
    let mut previous_lower = false;
    for c in name.trim_end_matches("__c").chars() {
        if c == '_' {
            out.push(' ');
            previous_lower = false;
            continue;
        }
        if c.is_ascii_uppercase() && previous_lower {
            out.push(' ');
        }
        previous_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_catalogue_is_read() {
        let objects = objects();
        assert_eq!(objects.len(), STANDARD.len());
        for (object, text) in objects.iter().zip(STANDARD) {
            for line in text.lines().skip(1).filter(|l| !l.starts_with('@')) {
                let name = line.split('|').next().unwrap_or_default();
                assert!(object.field(name).is_some(), "{}.{name}", object.name);
            }
        }
    }

    #[test]
    fn recorded_traits_of_well_known_fields() {
        let objects = objects();
        let get = |object: &str, field: &str| {
            let o = objects.iter().find(|o| o.name == object).expect(object);
            o.fields[o.field(field).expect(field)].clone()
        };
        assert!(get("Account", "Name").required());
        assert!(get("Contact", "Email").id_lookup && !get("Contact", "Email").external_id);
        assert!(!get("Contact", "Name").createable);
        assert_eq!(
            get("Contact", "AccountId").child_relationship.as_deref(),
            Some("Contacts")
        );
        assert_eq!(get("Lead", "OwnerId").reference_to, ["Group", "User"]);
        assert_eq!(get("Account", "OwnerId").reference_to, ["User"]);
        assert_eq!(get("Opportunity", "StageName").picklist.len(), 10);
        assert_eq!(get("Case", "Status").default.as_deref(), Some("New"));
        assert_eq!(get("Account", "AnnualRevenue").precision, 18);
        assert_eq!(get("Opportunity", "NextStep").label, "Next Step");
    }
}
