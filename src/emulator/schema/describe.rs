use serde_json::{Map, Value, json};

use super::{Field, Kind, Object, RecordType, Schema};
use crate::emulator::access::Access;

/// The Id of the record type that every object has.
pub(crate) const MASTER_RECORD_TYPE: &str = "012000000000000AAA";

/// One entry of describe global: the 28 keys that every object has there.
pub(crate) fn describe_global_entry(schema: &Schema, access: &Access, at: usize, version: u32) -> Value {
    let object = &schema.objects[at];
    let base = format!("/services/data/v{version}.0/sobjects/{}", object.name);
    let mut entry = Map::new();
    for (key, value) in [
        ("activateable", false),
        ("createable", access.creates(at, object)),
        ("custom", object.custom),
        ("customSetting", false),
        ("deepCloneable", false),
        ("deletable", access.deletes(at, object)),
        ("deprecatedAndHidden", false),
        ("feedEnabled", !object.custom),
        ("hasSubtypes", false),
        ("isInterface", false),
        ("isSubtype", false),
        ("layoutable", true),
        (
            "mergeable",
            matches!(object.name.as_str(), "Account" | "Contact" | "Lead"),
        ),
        ("mruEnabled", !object.custom),
        ("queryable", true),
        ("replicateable", true),
        ("retrieveable", true),
        ("searchable", true),
        ("triggerable", true),
        ("undeletable", access.deletes(at, object) && object.has_bin()),
        ("updateable", access.edits(at, object)),
    ] {
        entry.insert(key.to_owned(), json!(value));
    }
    if version >= 49 {
        entry.insert("associateEntityType".to_owned(), Value::Null);
        entry.insert("associateParentEntity".to_owned(), Value::Null);
    }
    entry.insert("keyPrefix".to_owned(), json!(object.prefix));
    entry.insert("label".to_owned(), json!(object.label));
    entry.insert("labelPlural".to_owned(), json!(object.plural));
    entry.insert("name".to_owned(), json!(object.name));
    entry.insert(
        "urls".to_owned(),
        json!({
            "compactLayouts": format!("{base}/describe/compactLayouts"),
            "rowTemplate": format!("{base}/{{ID}}"),
            "approvalLayouts": format!("{base}/describe/approvalLayouts"),
            "listviews": format!("{base}/listviews"),
            "describe": format!("{base}/describe"),
            "quickActions": format!("{base}/quickActions"),
            "layouts": format!("{base}/describe/layouts"),
            "sobject": base,
        }),
    );
    entry.sort_keys();
    Value::Object(entry)
}

/// The describe of an object, with every key that recordings show.
pub(crate) fn describe(schema: &Schema, access: &Access, at: usize, version: u32, host: &str) -> Value {
    let object = &schema.objects[at];
    let Value::Object(mut out) = describe_global_entry(schema, access, at, version) else {
        return Value::Null;
    };
    out.insert("actionOverrides".to_owned(), json!([]));
    out.insert("childRelationships".to_owned(), children(schema, access, at));
    out.insert("compactLayoutable".to_owned(), json!(true));
    for key in [
        "defaultImplementation",
        "extendedBy",
        "extendsInterfaces",
        "implementedBy",
        "implementsInterfaces",
        "listviewable",
        "lookupLayoutable",
        "networkScopeFieldName",
    ] {
        out.insert(key.to_owned(), Value::Null);
    }
    let fields: Vec<Value> = (0..object.fields.len())
        .filter(|f| access.sees(at, *f))
        .map(|f| field(object, access, at, f))
        .collect();
    out.insert("fields".to_owned(), Value::Array(fields));
    out.insert("namedLayoutInfos".to_owned(), json!([]));
    out.insert("recordTypeInfos".to_owned(), record_types(object, version));
    out.insert("searchLayoutable".to_owned(), json!(!object.custom));
    if version >= 49 {
        out.insert("sobjectDescribeOption".to_owned(), json!("FULL"));
    }
    let plural = object.plural.to_lowercase();
    out.insert(
        "supportedScopes".to_owned(),
        if object.field("OwnerId").is_some() {
            json!([
                {"label": format!("All {plural}"), "name": "everything"},
                {"label": format!("My {plural}"), "name": "mine"},
            ])
        } else {
            json!([])
        },
    );
    if let Some(Value::Object(urls)) = out.get_mut("urls") {
        urls.insert("uiDetailTemplate".to_owned(), json!(format!("{host}/{{ID}}")));
        urls.insert("uiEditTemplate".to_owned(), json!(format!("{host}/{{ID}}/e")));
        urls.insert(
            "uiNewRecord".to_owned(),
            json!(format!("{host}/{}/e", object.prefix)),
        );
    }
    out.sort_keys();
    Value::Object(out)
}

fn children(schema: &Schema, access: &Access, at: usize) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for &(o, f) in schema.children(at) {
        if !access.rights(o).read || !access.sees(o, f) {
            continue;
        }
        let child = &schema.objects[o];
        let field = &child.fields[f];
        list.push(json!({
            "cascadeDelete": field.cascade,
            "childSObject": child.name,
            "deprecatedAndHidden": false,
            "field": field.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": field.child_relationship,
            "restrictedDelete": field.restricted_delete,
        }));
    }
    list.sort_by_key(|c| c["childSObject"].as_str().unwrap_or_default().to_owned());
    Value::Array(list)
}

/// The record types, Master last; empty for objects that have none at all.
fn record_types(object: &Object, version: u32) -> Value {
    if object.field("RecordTypeId").is_none() && !object.custom {
        return json!([]);
    }
    let any_default = object.record_types.iter().any(|r| r.default && r.active);
    let master = RecordType {
        id: MASTER_RECORD_TYPE.to_owned(),
        developer_name: "Master".to_owned(),
        label: "Master".to_owned(),
        active: true,
        default: !any_default,
        description: None,
    };
    let list: Vec<Value> = object
        .record_types
        .iter()
        .chain([&master])
        .map(|r| {
            let mut info = json!({
                "active": r.active,
                "available": r.active,
                "defaultRecordTypeMapping": r.default,
                "developerName": r.developer_name,
                "master": r.id == MASTER_RECORD_TYPE,
                "name": r.label,
                "recordTypeId": r.id,
                "urls": {"layout": format!("/services/data/v{version}.0/sobjects/{}/describe/layouts/{}", object.name, r.id)},
            });
            if version < 43
                && let Some(map) = info.as_object_mut()
            {
                map.shift_remove("developerName");
            }
            info
        })
        .collect();
    Value::Array(list)
}

/// A field with all its keys, as recordings from v48 on show them.
fn field(object: &Object, access: &Access, at: usize, place: usize) -> Value {
    let f: &Field = &object.fields[place];
    let text = f.kind.is_text();
    let id_like = matches!(f.kind, Kind::Id | Kind::Reference);
    let byte_length = match f.kind {
        _ if id_like => f.length,
        Kind::MultiPicklist => f.length,
        _ if text => f.length * 3,
        _ => 0,
    };
    let aggregatable =
        f.filterable() && !matches!(f.kind, Kind::Boolean | Kind::MultiPicklist | Kind::Address);
    let groupable = f.filterable()
        && !f.kind.is_double()
        && !matches!(
            f.kind,
            Kind::DateTime | Kind::Time | Kind::MultiPicklist | Kind::Address | Kind::Combobox
        );
    let readable_only = f.kind.is_compound();
    let picklist: Vec<Value> = f
        .picklist
        .iter()
        .map(|p| {
            json!({"active": p.active, "defaultValue": p.default, "label": p.value, "validFor": null, "value": p.value})
        })
        .collect();
    let default_value = match (&f.default, f.kind) {
        (Some(v), Kind::Boolean) => json!(v == "true"),
        (Some(v), _) if f.custom => json!(v),
        _ => Value::Null,
    };
    let soap_type = match f.kind {
        Kind::Id | Kind::Reference => "tns:ID",
        Kind::Boolean => "xsd:boolean",
        Kind::Int => "xsd:int",
        Kind::Double | Kind::Currency | Kind::Percent => "xsd:double",
        Kind::Date => "xsd:date",
        Kind::DateTime => "xsd:dateTime",
        Kind::Time => "xsd:time",
        Kind::Address => "urn:address",
        Kind::Location => "urn:location",
        Kind::Base64 => "xsd:base64Binary",
        _ => "xsd:string",
    };
    let entries = [
        ("aggregatable", json!(aggregatable)),
        ("aiPredictionField", json!(false)),
        ("autoNumber", json!(f.auto_number.is_some())),
        ("byteLength", json!(byte_length)),
        ("calculated", json!(f.calculated)),
        ("calculatedFormula", json!(f.formula)),
        ("cascadeDelete", json!(f.master_detail)),
        ("caseSensitive", json!(f.case_sensitive)),
        ("compoundFieldName", json!(f.compound)),
        ("controllerName", json!(null)),
        ("createable", json!(access.creates_field(at, object, place))),
        ("custom", json!(f.custom)),
        ("defaultValue", json!(default_value)),
        ("defaultValueFormula", json!(null)),
        ("defaultedOnCreate", json!(f.defaulted_on_create)),
        ("dependentPicklist", json!(false)),
        ("deprecatedAndHidden", json!(false)),
        ("digits", json!(if f.kind == Kind::Int { 8 } else { 0 })),
        ("displayLocationInDecimal", json!(false)),
        ("encrypted", json!(false)),
        ("externalId", json!(f.external_id)),
        ("extraTypeInfo", json!(f.extra_type_info)),
        ("filterable", json!(f.filterable() && !readable_only)),
        ("filteredLookupInfo", json!(null)),
        ("formulaTreatNullNumberAsZero", json!(f.blank_is_zero)),
        ("groupable", json!(groupable)),
        ("highScaleNumber", json!(false)),
        ("htmlFormatted", json!(f.kind == Kind::RichText || f.html)),
        ("idLookup", json!(f.id_lookup || f.external_id)),
        ("inlineHelpText", json!(f.help)),
        ("label", json!(f.label)),
        ("length", json!(if text { f.length } else { 0 })),
        ("mask", json!(null)),
        ("maskType", json!(null)),
        ("name", json!(f.name)),
        ("nameField", json!(f.name_field)),
        ("namePointing", json!(f.polymorphic())),
        ("nillable", json!(f.nillable)),
        ("permissionable", json!(f.permissionable)),
        ("picklistValues", json!(picklist)),
        ("polymorphicForeignKey", json!(f.polymorphic())),
        ("precision", json!(f.precision)),
        ("queryByDistance", json!(false)),
        ("referenceTargetField", json!(null)),
        ("referenceTo", json!(f.reference_to)),
        ("relationshipName", json!(f.relationship_name)),
        (
            "relationshipOrder",
            if f.master_detail { json!(0) } else { Value::Null },
        ),
        ("restrictedDelete", json!(false)),
        ("restrictedPicklist", json!(f.restricted_picklist)),
        ("scale", json!(f.scale)),
        (
            "searchPrefilterable",
            json!(f.kind == Kind::Reference && f.nillable),
        ),
        ("soapType", json!(soap_type)),
        ("sortable", json!(f.sortable() && !readable_only)),
        ("type", json!(f.kind.api_name())),
        ("unique", json!(f.unique)),
        ("updateable", json!(access.edits_field(at, object, place))),
        ("writeRequiresMasterRead", json!(f.master_detail)),
    ];
    Value::Object(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}
