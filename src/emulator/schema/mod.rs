//! What the org's objects and fields are: the model that describes, rules and queries share.

mod behaviour;
mod build;
mod data_type;
mod describe;
mod features;
mod rules;
mod standard;
mod totals;
mod traits;

use std::collections::HashMap;

pub(crate) use behaviour::{Behaviour, Places};
pub(crate) use build::build;
pub(crate) use data_type::DataType;
pub(crate) use describe::{MASTER_RECORD_TYPE, describe, describe_global_entry};
pub(crate) use rules::{Automation, DuplicateRule, Rules, Summary, Test};
pub(crate) use traits::Traits;

/// The kind of a field, as `type` of a describe tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    TextArea,
    LongText,
    RichText,
    Picklist,
    MultiPicklist,
    Combobox,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Time,
    Email,
    Phone,
    Url,
    Reference,
    Address,
    /// The compound of a geolocation.
    Location,
    /// Text that only some users may read in the clear.
    Encrypted,
    /// Bytes, kept beside the records.
    Base64,
}

impl Kind {
    /// The word of the describe.
    pub(crate) fn api_name(self) -> &'static str {
        match self {
            Kind::Id => "id",
            Kind::Text => "string",
            Kind::TextArea | Kind::LongText | Kind::RichText => "textarea",
            Kind::Picklist => "picklist",
            Kind::MultiPicklist => "multipicklist",
            Kind::Combobox => "combobox",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Double => "double",
            Kind::Currency => "currency",
            Kind::Percent => "percent",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::Time => "time",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Url => "url",
            Kind::Reference => "reference",
            Kind::Address => "address",
            Kind::Location => "location",
            Kind::Encrypted => "encryptedstring",
            Kind::Base64 => "base64",
        }
    }

    /// Stored and compared as a number with decimals.
    pub(crate) fn is_double(self) -> bool {
        matches!(self, Kind::Double | Kind::Currency | Kind::Percent)
    }

    /// Read from other fields: never written, never filtered as a whole.
    pub(crate) fn is_compound(self) -> bool {
        matches!(self, Kind::Address | Kind::Location)
    }

    pub(crate) fn is_number(self) -> bool {
        self.is_double() || self == Kind::Int
    }

    /// Written in quotes in SOQL.
    pub(crate) fn is_text(self) -> bool {
        !self.is_number()
            && !matches!(
                self,
                Kind::Boolean
                    | Kind::Date
                    | Kind::DateTime
                    | Kind::Time
                    | Kind::Address
                    | Kind::Location
                    | Kind::Base64
            )
    }
}

/// One value of a picklist.
#[derive(Clone, Debug)]
pub(crate) struct PicklistValue {
    pub(crate) value: String,
    /// What people read.
    pub(crate) label: String,
    pub(crate) active: bool,
    pub(crate) default: bool,
    /// Places of the controlling picklist's values that it goes with; none for a picklist that depends on nothing.
    pub(crate) valid_for: Option<Vec<usize>>,
}

impl PicklistValue {
    pub(crate) fn new(value: &str, active: bool, default: bool) -> Self {
        PicklistValue {
            value: value.to_owned(),
            label: value.to_owned(),
            active,
            default,
            valid_for: None,
        }
    }
}

/// One field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    /// Characters, for kinds that are text.
    pub(crate) length: usize,
    /// Digits in all, for numbers with decimals.
    pub(crate) precision: u32,
    /// Decimals.
    pub(crate) scale: u32,
    pub(crate) custom: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) nillable: bool,
    pub(crate) defaulted_on_create: bool,
    pub(crate) external_id: bool,
    pub(crate) id_lookup: bool,
    pub(crate) unique: bool,
    pub(crate) case_sensitive: bool,
    pub(crate) calculated: bool,
    /// The text of a formula field.
    pub(crate) formula: Option<String>,
    /// Empty numbers count as zero in its formula.
    pub(crate) blank_is_zero: bool,
    /// Duplicate rules look rows up by it.
    pub(crate) looked_up: bool,
    /// Its formula makes HTML.
    pub(crate) html: bool,
    /// The pattern of an auto number, `INV-{0000}`.
    pub(crate) auto_number: Option<String>,
    pub(crate) name_field: bool,
    pub(crate) permissionable: bool,
    /// Objects that a reference may point at, in alphabetical order.
    pub(crate) reference_to: Vec<String>,
    pub(crate) relationship_name: Option<String>,
    /// The name of the relationship as the parent sees it.
    pub(crate) child_relationship: Option<String>,
    /// The child row goes when its parent goes.
    pub(crate) cascade: bool,
    /// The parent cannot go while a child points at it.
    pub(crate) restricted_delete: bool,
    /// The field itself is a master-detail.
    pub(crate) master_detail: bool,
    /// 0 for the first master, 1 for the second.
    pub(crate) relationship_order: Option<u8>,
    pub(crate) picklist: Vec<PicklistValue>,
    pub(crate) restricted_picklist: bool,
    /// What a new record gets when nothing was given.
    pub(crate) default: Option<String>,
    pub(crate) compound: Option<String>,
    pub(crate) extra_type_info: Option<&'static str>,
    pub(crate) help: Option<String>,
    /// Its compliance categories, `PII;GDPR`.
    pub(crate) compliance: String,
    /// Its data sensitivity level.
    pub(crate) sensitivity: String,
    /// Digits of a whole number.
    pub(crate) digits: u32,
    /// The picklist or checkbox that a dependent picklist depends on.
    pub(crate) controller: Option<String>,
    pub(crate) search_prefilterable: bool,
    /// Against the rule of its kind.
    pub(crate) unfilterable: bool,
    pub(crate) unaggregatable: bool,
    /// Characters of one byte each.
    pub(crate) single_byte: bool,
    /// How classic encryption shows a text: `all`, `lastFour`, ..., and the character.
    pub(crate) mask: Option<(String, char)>,
}

impl Field {
    /// A writable, optional field of a kind, with what Salesforce gives that kind.
    pub(crate) fn new(name: &str, label: &str, data: &DataType) -> Self {
        let boolean = data.kind == Kind::Boolean;
        let standard = !name.ends_with("__c") && !name.ends_with("__pc");
        Field {
            name: name.to_owned(),
            label: label.to_owned(),
            kind: data.kind,
            length: data.length,
            precision: data.precision,
            scale: data.scale,
            custom: !standard,
            createable: !data.calculated && !data.kind.is_compound(),
            updateable: !data.calculated && !data.kind.is_compound(),
            nillable: !boolean,
            defaulted_on_create: boolean,
            external_id: false,
            id_lookup: false,
            unique: false,
            case_sensitive: false,
            calculated: data.calculated,
            formula: None,
            blank_is_zero: false,
            looked_up: false,
            html: false,
            auto_number: None,
            name_field: false,
            permissionable: true,
            reference_to: data.reference_to.clone(),
            relationship_name: None,
            child_relationship: None,
            cascade: false,
            restricted_delete: false,
            master_detail: false,
            picklist: Vec::new(),
            restricted_picklist: false,
            default: boolean.then(|| "false".to_owned()),
            compound: None,
            extra_type_info: match data.kind {
                Kind::TextArea | Kind::LongText => Some("plaintextarea"),
                Kind::RichText => Some("richtextarea"),
                _ => None,
            },
            help: None,
            compliance: String::new(),
            sensitivity: String::new(),
            digits: if data.kind == Kind::Int { 8 } else { 0 },
            controller: None,
            relationship_order: None,
            search_prefilterable: data.kind == Kind::Reference,
            unfilterable: false,
            unaggregatable: false,
            single_byte: matches!(data.kind, Kind::Id | Kind::Reference | Kind::MultiPicklist),
            mask: None,
        }
    }

    /// Long text can be read, and nothing else.
    pub(crate) fn filterable(&self) -> bool {
        !self.unfilterable
            && !matches!(
                self.kind,
                Kind::LongText | Kind::RichText | Kind::Encrypted | Kind::Base64
            )
    }

    /// May stand in GROUP BY.
    pub(crate) fn groupable(&self) -> bool {
        !self.kind.is_double()
            && !self.kind.is_compound()
            && !self.calculated
            && !matches!(
                self.kind,
                Kind::LongText
                    | Kind::RichText
                    | Kind::Encrypted
                    | Kind::Base64
                    | Kind::DateTime
                    | Kind::Time
                    | Kind::MultiPicklist
                    | Kind::Combobox
            )
    }

    /// May stand in MIN, MAX and COUNT.
    pub(crate) fn aggregatable(&self) -> bool {
        !self.unaggregatable
            && !self.kind.is_compound()
            && !matches!(
                self.kind,
                Kind::LongText
                    | Kind::RichText
                    | Kind::Encrypted
                    | Kind::Base64
                    | Kind::Boolean
                    | Kind::MultiPicklist
            )
    }

    pub(crate) fn sortable(&self) -> bool {
        self.filterable() && self.kind != Kind::MultiPicklist && !self.kind.is_compound()
    }

    pub(crate) fn polymorphic(&self) -> bool {
        self.reference_to.len() > 1
    }

    /// Whether records may be matched by it: Id, external ids and the few standard lookups.
    pub(crate) fn is_key(&self) -> bool {
        self.external_id || self.id_lookup
    }

    /// Whether two values that differ in case only are one value.
    pub(crate) fn folds_case(&self) -> bool {
        !self.case_sensitive && !matches!(self.kind, Kind::Id | Kind::Reference)
    }

    /// Whether keys that differ in case only are one key: an external id has to be unique without regard to case for
    /// that, while an e-mail address is stored in lower case anyway.
    pub(crate) fn key_folds_case(&self) -> bool {
        self.kind == Kind::Email || self.unique && !self.case_sensitive
    }

    /// Required when a record is made.
    pub(crate) fn required(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create
    }
}

/// A record type of an object.
#[derive(Clone, Debug)]
pub(crate) struct RecordType {
    pub(crate) id: String,
    pub(crate) developer_name: String,
    pub(crate) label: String,
    pub(crate) active: bool,
    pub(crate) default: bool,
    pub(crate) description: Option<String>,
    /// Accounts of it are persons.
    pub(crate) person: bool,
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) plural: String,
    pub(crate) prefix: String,
    pub(crate) custom: bool,
    pub(crate) traits: Traits,
    /// Callers with the permission may say who made a record, and when.
    pub(crate) sets_audit_fields: bool,
    pub(crate) fields: Vec<Field>,
    /// By the name as it is written, and in lower case.
    by_name: ByName,
    pub(crate) record_types: Vec<RecordType>,
    /// What the platform does by itself when a row of this object is written.
    pub(crate) behaviour: Behaviour,
    /// A row without a name is named by its own Id.
    pub(crate) names_by_id: bool,
    /// Where the fields are that every write looks at.
    pub(crate) places: Places,
}

impl Object {
    pub(crate) fn new(name: &str, label: &str, plural: &str, prefix: &str) -> Self {
        Object {
            name: name.to_owned(),
            label: label.to_owned(),
            plural: plural.to_owned(),
            prefix: prefix.to_owned(),
            custom: name.ends_with("__c") || name.ends_with("__mdt"),
            traits: Traits::read("layouts record_types"),
            sets_audit_fields: false,
            fields: Vec::new(),
            by_name: ByName::default(),
            record_types: Vec::new(),
            behaviour: Behaviour::of(name),
            names_by_id: false,
            places: Places::default(),
        }
    }

    /// Adds a field, or replaces the one of the same name.
    pub(crate) fn put(&mut self, field: Field) {
        let lower = field.name.to_ascii_lowercase();
        let at = self.by_name.get(&lower).copied().unwrap_or(self.fields.len());
        // Nearly everybody writes a field as it is written here, and then one look is enough.
        self.by_name.insert(field.name.clone(), at);
        self.by_name.insert(lower, at);
        match self.fields.get_mut(at) {
            Some(slot) => *slot = field,
            None => self.fields.push(field),
        }
    }

    /// Takes a field away.
    fn remove(&mut self, name: &str) {
        let Some(at) = self.field(name) else {
            return;
        };
        let mut fields = std::mem::take(&mut self.fields);
        fields.remove(at);
        self.by_name.clear();
        for field in fields {
            self.put(field);
        }
    }

    /// A field by its name, in any case.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        if let Some(&at) = self.by_name.get(name) {
            return Some(at);
        }
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// A reference by the name of its relationship, in any case.
    pub(crate) fn relationship(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| {
            f.relationship_name
                .as_deref()
                .is_some_and(|r| r.eq_ignore_ascii_case(name))
        })
    }

    /// Whether deleted rows are kept for a while.
    pub(crate) fn keeps_deleted(&self) -> bool {
        self.field("IsDeleted").is_some()
    }

    /// Whether deleted rows lie in the recycle bin, from where they can be brought back.
    pub(crate) fn has_bin(&self) -> bool {
        const WITHOUT: &[&str] = &[
            "AccountContactRelation",
            "CampaignMember",
            "CampaignMemberStatus",
            "ContentDocumentLink",
            "OpportunityContactRole",
            "OpportunityLineItem",
            "PricebookEntry",
        ];
        self.traits.deletable && self.keeps_deleted() && !WITHOUT.contains(&self.name.as_str())
    }

    /// The field that names a record.
    pub(crate) fn name_field(&self) -> Option<usize> {
        self.fields.iter().position(|f| f.name_field)
    }
}

/// Places by names. Every write looks some up, and nobody attacks an emulated org: a fast hash will do.
type ByName = HashMap<String, usize, foldhash::fast::RandomState>;

/// All objects of an org.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    pub(crate) objects: Vec<Object>,
    /// What the administrator set up, object by object.
    pub(crate) rules: Vec<Rules>,
    /// How formula fields depend on the time.
    pub(crate) pace: super::formula::Pace,
    /// Whether audit fields can be set and inactive users can own records, given the permissions.
    pub(crate) audit_fields: bool,
    by_name: ByName,
    by_prefix: ByName,
    /// The corporate currency first, when the org has several.
    pub(crate) currencies: Vec<(String, String)>,
    pub(crate) person_accounts: bool,
    /// Contacts are related to several accounts.
    pub(crate) contact_relations: bool,
    /// For each object, who points at it: `(object, field)`.
    children: Vec<Vec<(usize, usize)>>,
}

impl Schema {
    /// An object by its name, in any case.
    pub(crate) fn object(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    /// The object that an Id belongs to, by its first three characters.
    pub(crate) fn by_id(&self, id: &str) -> Option<usize> {
        self.by_prefix.get(id.get(..3)?).copied()
    }

    /// The references that point at an object.
    pub(crate) fn children(&self, object: usize) -> &[(usize, usize)] {
        self.children.get(object).map(Vec::as_slice).unwrap_or_default()
    }

    /// Called once all objects are in.
    pub(crate) fn seal(&mut self) {
        self.by_name = names(&self.objects, |o| o.name.to_ascii_lowercase());
        self.by_prefix = ByName::default();
        for (at, object) in self.objects.iter().enumerate() {
            // Objects that share a prefix are looked up by the first of them.
            self.by_prefix.entry(object.prefix.clone()).or_insert(at);
        }
        for object in &mut self.objects {
            object.places = Places::of(object);
            object.names_by_id = object.custom
                && object
                    .field("Name")
                    .is_some_and(|name| object.fields[name].auto_number.is_none());
        }
        self.children = vec![Vec::new(); self.objects.len()];
        self.rules = vec![Rules::default(); self.objects.len()];
        for (o, object) in self.objects.iter().enumerate() {
            for (f, field) in object.fields.iter().enumerate() {
                for target in &field.reference_to {
                    if let Some(&t) = self.by_name.get(&target.to_ascii_lowercase()) {
                        self.children[t].push((o, f));
                    }
                }
            }
        }
    }
}

fn names(objects: &[Object], key: impl Fn(&Object) -> String) -> ByName {
    objects.iter().enumerate().map(|(i, o)| (key(o), i)).collect()
}
