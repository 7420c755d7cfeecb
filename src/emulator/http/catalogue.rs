//! The org's own catalogue as records: EntityDefinition and FieldDefinition, which tools query to see what there is.
//!
//! It is made when somebody first asks, in a store of its own: describes, counts and dumps of the org know nothing of
//! it.

use std::sync::Arc;

use super::{
    Api, Reply, columns, json,
    query::{soql_error, wants_columns},
};
use crate::emulator::{
    access::Access,
    schema::{DataType, Field, Kind, Object, Schema},
    soql::{Asker, Output, compile, groups, run},
    store::{Call, DuplicateHeader, Incoming, Op, Raw, Store, Target},
};

static ALL: Access = Access::All;

const ENTITY: &str = "EntityDefinition";
const FIELD: &str = "FieldDefinition";

/// Name, data type; the labels are made of the names.
const ENTITY_FIELDS: &[(&str, &str)] = &[
    ("DurableId", "Text(255)"),
    ("LastModifiedDate", "Date/Time"),
    ("QualifiedApiName", "Text(255)"),
    ("NamespacePrefix", "Text(255)"),
    ("DeveloperName", "Text(255)"),
    ("MasterLabel", "Text(255)"),
    ("Label", "Text(255)"),
    ("PluralLabel", "Text(255)"),
    ("KeyPrefix", "Text(255)"),
    ("IsCustomSetting", "Checkbox"),
    ("IsDeprecatedAndHidden", "Checkbox"),
    ("IsReplicateable", "Checkbox"),
    ("IsRetrieveable", "Checkbox"),
    ("IsSearchLayoutable", "Checkbox"),
    ("IsSearchable", "Checkbox"),
    ("IsTriggerable", "Checkbox"),
    ("IsQueryable", "Checkbox"),
    ("IsLayoutable", "Checkbox"),
    ("IsCustomizable", "Checkbox"),
];

const FIELD_FIELDS: &[(&str, &str)] = &[
    ("DurableId", "Text(255)"),
    ("LastModifiedDate", "Date/Time"),
    ("QualifiedApiName", "Text(255)"),
    ("EntityDefinitionId", "Lookup(EntityDefinition)"),
    ("NamespacePrefix", "Text(255)"),
    ("DeveloperName", "Text(255)"),
    ("MasterLabel", "Text(255)"),
    ("Label", "Text(255)"),
    ("Length", "Int"),
    ("DataType", "Text(255)"),
    ("ValueTypeId", "Text(255)"),
    ("ExtraTypeInfo", "Text(255)"),
    ("IsCalculated", "Checkbox"),
    ("IsHighScaleNumber", "Checkbox"),
    ("IsHtmlFormatted", "Checkbox"),
    ("IsNameField", "Checkbox"),
    ("IsNillable", "Checkbox"),
    ("IsWorkflowFilterable", "Checkbox"),
    ("IsCompactLayoutable", "Checkbox"),
    ("Precision", "Int"),
    ("Scale", "Int"),
    ("IsFieldHistoryTracked", "Checkbox"),
    ("IsIndexed", "Checkbox"),
    ("IsApiFilterable", "Checkbox"),
    ("IsApiSortable", "Checkbox"),
    ("IsApiGroupable", "Checkbox"),
    ("IsListVisible", "Checkbox"),
    ("IsPolymorphicForeignKey", "Checkbox"),
    ("RelationshipName", "Text(255)"),
    ("SecurityClassification", "Text(255)"),
    ("ComplianceGroup", "Text(255)"),
];

/// The answer to a statement about the catalogue; `None` when it is about something else.
pub(super) fn ask(api: &Api<'_>, soql: &str) -> Option<Reply> {
    if !soql.to_ascii_lowercase().contains("definition") {
        return None;
    }
    let access = &api.session.access;
    let make = || {
        let org = api.read();
        build(&org.schema, access, &api.org.now())
    };
    // What others see is made for them each time, since nobody asks often.
    let own = if access.is_all() { None } else { Some(make()?) };
    let store = match &own {
        Some(store) => store,
        None => api.org.catalogue(make)?,
    };
    let asker = Asker::new(store, &ALL, &api.session.user, api.version, api.org.time());
    let plan = match compile(&store.schema, &asker, soql) {
        Ok(plan) => plan,
        Err(error) if error.code == "INVALID_TYPE" => return None,
        Err(error) => return Some(soql_error(&error)),
    };
    if wants_columns(api) {
        return Some(columns::describe(&ALL, store, &plan));
    }
    let object = &store.schema.objects[plan.object].name;
    let lower = soql.to_ascii_lowercase();
    if object == FIELD
        && !["entitydefinition", "durableid"]
            .iter()
            .any(|word| lower.contains(word))
    {
        return Some(Reply::error(
            400,
            "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
            "A filter on a reified column is required [EntityDefinitionId,DurableId]",
        ));
    }
    let mut records = String::new();
    let count = match &plan.output {
        Output::Count => run(store, &plan, false).len(),
        Output::Groups(grouped) => match groups(store, &plan, grouped, false) {
            Err(error) => return Some(soql_error(&error)),
            Ok(rows) => {
                for (n, row) in rows.iter().enumerate() {
                    if n > 0 {
                        records.push(',');
                    }
                    json::group(&mut records, &grouped.columns, row);
                }
                rows.len()
            }
        },
        Output::Rows => {
            let rows = run(store, &plan, false);
            for (n, row) in rows.iter().enumerate() {
                if n > 0 {
                    records.push(',');
                }
                json::record(&mut records, store, &plan.nodes, plan.object, *row, api.version);
            }
            rows.len()
        }
    };
    Some(Reply::text(
        200,
        format!(r#"{{"totalSize":{count},"done":true,"records":[{records}]}}"#),
    ))
}

fn build(org: &Schema, access: &Access, now: &str) -> Option<Store> {
    let mut schema = Schema::default();
    schema.objects = vec![
        object(ENTITY, "Entity Definition", "4ie", ENTITY_FIELDS)?,
        object(FIELD, "Field Definition", "4fe", FIELD_FIELDS)?,
    ];
    schema.seal();
    let mut store = Store::new(Arc::new(schema), "00000".to_owned());
    for (at, described) in org.objects.iter().enumerate() {
        if !access.rights(at).read {
            continue;
        }
        let Some(entity) = insert(&mut store, ENTITY, &entity(described, now), now) else {
            continue;
        };
        for (place, field) in described.fields.iter().enumerate() {
            if !access.sees(at, place) {
                continue;
            }
            let values = field_values(described, field, &entity, now);
            insert(&mut store, FIELD, &values, now);
        }
    }
    Some(store)
}

fn object(name: &str, label: &str, prefix: &str, fields: &[(&str, &str)]) -> Option<Object> {
    let mut object = Object::new(name, label, &format!("{label}s"), prefix);
    let mut id = Field::new("Id", &format!("{label} ID"), &DataType::parse("Text(18)").ok()?);
    id.kind = Kind::Id;
    object.put(id);
    for (name, data) in fields {
        let mut field = Field::new(name, name, &DataType::parse(data).ok()?);
        if field.kind == Kind::Reference {
            field.relationship_name = name.strip_suffix("Id").map(str::to_owned);
        }
        object.put(field);
    }
    Some(object)
}

type Values = Vec<(&'static str, String)>;

/// The name without its namespace and ending.
fn developer_name(name: &str) -> String {
    name.strip_suffix("__c").unwrap_or(name).to_owned()
}

fn entity(object: &Object, now: &str) -> Values {
    let traits = &object.traits;
    vec![
        ("DurableId", object.name.clone()),
        ("LastModifiedDate", now.to_owned()),
        ("QualifiedApiName", object.name.clone()),
        ("DeveloperName", developer_name(&object.name)),
        ("MasterLabel", object.label.clone()),
        ("Label", object.label.clone()),
        ("PluralLabel", object.plural.clone()),
        ("KeyPrefix", object.prefix.clone()),
        ("IsReplicateable", traits.replicateable.to_string()),
        ("IsRetrieveable", traits.retrieveable.to_string()),
        ("IsQueryable", "true".to_owned()),
        ("IsTriggerable", traits.triggerable.to_string()),
        ("IsSearchable", traits.searchable.to_string()),
        ("IsSearchLayoutable", traits.searchable.to_string()),
        ("IsLayoutable", traits.layoutable.to_string()),
        ("IsCustomSetting", traits.custom_setting.to_string()),
        ("IsCustomizable", traits.layoutable.to_string()),
    ]
}

fn field_values(object: &Object, field: &Field, entity: &str, now: &str) -> Values {
    let short = field.name.strip_suffix("__c").or_else(|| {
        // Lookups are named for what they look up.
        field
            .name
            .strip_suffix("Id")
            .filter(|_| field.kind == Kind::Reference)
    });
    let short = short.unwrap_or(&field.name).to_owned();
    let filterable = !matches!(field.kind, Kind::LongText | Kind::RichText | Kind::Base64);
    vec![
        ("DurableId", format!("{}.{short}", object.name)),
        ("LastModifiedDate", now.to_owned()),
        ("QualifiedApiName", field.name.clone()),
        ("EntityDefinitionId", entity.to_owned()),
        ("DeveloperName", short),
        ("MasterLabel", field.label.clone()),
        ("Label", field.label.clone()),
        ("Length", field.length.to_string()),
        ("DataType", data_type(field)),
        ("ValueTypeId", field.kind.api_name().to_owned()),
        (
            "ExtraTypeInfo",
            field.extra_type_info.unwrap_or_default().to_owned(),
        ),
        ("IsCalculated", field.calculated.to_string()),
        ("IsNameField", field.name_field.to_string()),
        ("IsNillable", field.nillable.to_string()),
        ("Precision", field.precision.to_string()),
        ("Scale", field.scale.to_string()),
        (
            "IsIndexed",
            (field.external_id || field.unique || field.kind == Kind::Id || field.kind == Kind::Reference)
                .to_string(),
        ),
        ("IsApiFilterable", filterable.to_string()),
        ("IsApiSortable", filterable.to_string()),
        (
            "IsPolymorphicForeignKey",
            (field.reference_to.len() > 1).to_string(),
        ),
        (
            "RelationshipName",
            field.relationship_name.clone().unwrap_or_default(),
        ),
        ("SecurityClassification", field.sensitivity.clone()),
        ("ComplianceGroup", field.compliance.clone()),
    ]
}

/// As Setup prints it.
fn data_type(field: &Field) -> String {
    let length = field.length;
    // Digits before the point, and after it.
    let digits = format!(
        "({}, {})",
        field.precision.saturating_sub(field.scale),
        field.scale
    );
    let plain = match field.kind {
        Kind::Id => return "Lookup()".to_owned(),
        _ if field.auto_number.is_some() => "Auto Number".to_owned(),
        Kind::Reference if field.master_detail => format!("Master-Detail({})", field.reference_to.join(",")),
        Kind::Reference => format!("Lookup({})", field.reference_to.join(",")),
        Kind::Text if field.external_id => {
            let unique = if field.unique {
                " (Unique Case Insensitive)"
            } else {
                ""
            };
            format!("Text({length}) (External ID){unique}")
        }
        Kind::Text | Kind::Combobox => format!("Text({length})"),
        Kind::TextArea => format!("Text Area({length})"),
        Kind::LongText => format!("Long Text Area({length})"),
        Kind::RichText => format!("Rich Text Area({length})"),
        Kind::Picklist => "Picklist".to_owned(),
        Kind::MultiPicklist => "Picklist (Multi-Select)".to_owned(),
        Kind::Boolean => "Checkbox".to_owned(),
        Kind::Int => format!("Number({}, 0)", field.precision.max(8)),
        Kind::Double => format!("Number{digits}"),
        Kind::Currency => format!("Currency{digits}"),
        Kind::Percent => format!("Percent{digits}"),
        Kind::Date => "Date".to_owned(),
        Kind::DateTime => "Date/Time".to_owned(),
        Kind::Time => "Time".to_owned(),
        Kind::Email => "Email".to_owned(),
        Kind::Phone => "Phone".to_owned(),
        Kind::Url => format!("URL({length})"),
        Kind::Address => "Address".to_owned(),
        Kind::Location => "Geolocation".to_owned(),
        Kind::Encrypted => format!("Text (Encrypted)({length})"),
        Kind::Base64 => "File".to_owned(),
    };
    if field.calculated {
        format!("Formula ({plain})")
    } else {
        plain
    }
}

fn insert(store: &mut Store, object: &str, values: &[(&'static str, String)], now: &str) -> Option<String> {
    let at = store.schema.object(object)?;
    let mut row: Vec<(Target, Raw<'_>)> = Vec::new();
    for (name, value) in values {
        row.push((
            Target::Field(store.schema.objects[at].field(name)?),
            Raw::Text(value),
        ));
    }
    let row: &Incoming<'_> = &row;
    let call = Call {
        user: "",
        access: &ALL,
        now,
        faults: None,
        duplicates: DuplicateHeader::default(),
        loading: true,
        lasting: false,
    };
    let done = store
        .write(at, Op::Insert, None, row, call, &mut Vec::new())
        .ok()?;
    Some(done.id.to_string())
}
