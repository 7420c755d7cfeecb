use base64::{Engine, engine::general_purpose::STANDARD};
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
    let traits = &object.traits;
    let deletes = access.deletes(at, object);
    for (key, value) in [
        ("activateable", false),
        ("createable", access.creates(at, object)),
        ("custom", object.custom),
        ("customSetting", traits.custom_setting),
        ("deepCloneable", traits.deep_cloneable),
        ("deletable", deletes),
        ("deprecatedAndHidden", false),
        ("feedEnabled", traits.feed_enabled),
        ("hasSubtypes", false),
        ("isInterface", false),
        ("isSubtype", false),
        ("layoutable", traits.layoutable),
        ("mergeable", traits.mergeable),
        ("mruEnabled", traits.mru_enabled),
        ("queryable", true),
        ("replicateable", traits.replicateable),
        ("retrieveable", traits.retrieveable),
        ("searchable", traits.searchable),
        ("triggerable", traits.triggerable),
        ("undeletable", traits.undeletable && deletes && object.has_bin()),
        ("updateable", access.edits(at, object)),
    ] {
        entry.insert(key.to_owned(), json!(value));
    }
    if version >= 49 {
        entry.insert("associateEntityType".to_owned(), Value::Null);
        entry.insert("associateParentEntity".to_owned(), Value::Null);
    }
    let prefix = (!traits.hides_prefix).then_some(&object.prefix);
    entry.insert("keyPrefix".to_owned(), json!(prefix));
    entry.insert("label".to_owned(), json!(object.label));
    entry.insert("labelPlural".to_owned(), json!(object.plural));
    entry.insert("name".to_owned(), json!(object.name));
    entry.insert("urls".to_owned(), Value::Object(urls(object, &base, version)));
    entry.sort_keys();
    Value::Object(entry)
}

/// Minor objects have fewer resources. The order is the recorded one.
fn urls(object: &Object, base: &str, version: u32) -> Map<String, Value> {
    let traits = &object.traits;
    let mut urls = Map::new();
    let mut put = |key: &str, path: &str| {
        urls.insert(key.to_owned(), json!(format!("{base}{path}")));
    };
    if traits.compact_layoutable {
        put("compactLayouts", "/describe/compactLayouts");
    }
    put("rowTemplate", "/{ID}");
    if object.name == "User" {
        put("namedLayouts", "/describe/namedLayouts/{LayoutName}");
        put("passwordUtilities", "/{ID}/password");
    }
    if traits.listed {
        put("approvalLayouts", "/describe/approvalLayouts");
    }
    if object.name == "Case" {
        put("caseArticleSuggestions", "/suggestedArticles");
        put("caseRowArticleSuggestions", "/{ID}/suggestedArticles");
    }
    if object.name == "Event" {
        put("eventSeriesUpdates", "/{ID}/fromThisEventOnwards");
    }
    if traits.layoutable && version < 49 {
        put("defaultValues", "/defaultValues?recordTypeId&fields");
    }
    if traits.listed {
        put("listviews", "/listviews");
    }
    put("describe", "/describe");
    if traits.layoutable {
        if object.name != "CampaignMember" {
            put("quickActions", "/quickActions");
        }
        put("layouts", "/describe/layouts");
    }
    put("sobject", "");
    urls
}

/// The describe of an object, with every key that recordings show.
pub(crate) fn describe(schema: &Schema, access: &Access, at: usize, version: u32, host: &str) -> Value {
    let object = &schema.objects[at];
    let Value::Object(mut out) = describe_global_entry(schema, access, at, version) else {
        return Value::Null;
    };
    out.insert("actionOverrides".to_owned(), json!([]));
    out.insert("childRelationships".to_owned(), children(schema, access, at));
    out.insert(
        "compactLayoutable".to_owned(),
        json!(object.traits.compact_layoutable),
    );
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
    let searched = object.traits.searchable && object.traits.layoutable;
    out.insert("searchLayoutable".to_owned(), json!(searched));
    if version >= 49 {
        out.insert("sobjectDescribeOption".to_owned(), json!("FULL"));
    }
    out.insert("supportedScopes".to_owned(), scopes(object, version));
    if let Some(Value::Object(urls)) = out.get_mut("urls") {
        let mut put = |before: &[&str], key: &str, url: String| {
            let at = urls.keys().position(|k| before.contains(&k.as_str()));
            urls.shift_insert(at.unwrap_or(urls.len()), key.to_owned(), json!(url));
        };
        let lists = ["defaultValues", "listviews", "describe"];
        put(&lists, "uiDetailTemplate", format!("{host}/{{ID}}"));
        put(&lists, "uiEditTemplate", format!("{host}/{{ID}}/e"));
        let forms = ["quickActions", "layouts", "sobject"];
        put(&forms, "uiNewRecord", format!("{host}/{}/e", object.prefix));
    }
    out.sort_keys();
    Value::Object(out)
}

/// The words that may follow USING SCOPE.
fn scopes(object: &Object, version: u32) -> Value {
    let plural = object.plural.to_lowercase();
    let scope = |name: &str, label: String| json!({"label": label, "name": name});
    let mut list = Vec::new();
    if object.name == "Event" {
        list.push(scope("delegated", "My delegated events".to_owned()));
    }
    let owned = object.places.owner.is_some();
    if owned || !object.custom && object.traits.layoutable {
        list.push(scope("everything", format!("All {plural}")));
    }
    if owned {
        list.push(scope("mine", format!("My {plural}")));
    }
    if object.traits.team {
        if version >= 52 {
            list.push(scope("scopingRule", "Filter by scope".to_owned()));
        }
        list.push(scope("team", format!("My team's {plural}")));
    }
    Value::Array(list)
}

fn children(schema: &Schema, access: &Access, at: usize) -> Value {
    let mut list: Vec<Value> = Vec::new();
    for &(o, f) in schema.children(at) {
        if !access.rights(o).read || !access.sees(o, f) {
            continue;
        }
        let child = &schema.objects[o];
        let field = &child.fields[f];
        if field.name == "MasterRecordId" {
            continue;
        }
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
    if !object.traits.record_types {
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
        person: false,
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
    let byte_length = match f.kind {
        _ if f.single_byte || matches!(f.kind, Kind::Id | Kind::Reference) => f.length,
        _ if text => f.length * 3,
        _ => 0,
    };
    let picklist: Vec<Value> = f
        .picklist
        .iter()
        .map(|p| {
            let valid_for = p.valid_for.as_deref().map(bits);
            json!({"active": p.active, "defaultValue": p.default, "label": p.label, "validFor": valid_for, "value": p.value})
        })
        .collect();
    let picks = matches!(f.kind, Kind::Picklist | Kind::MultiPicklist | Kind::Combobox);
    let default_value = match (&f.default, f.kind) {
        (v, Kind::Boolean) => json!(v.as_deref() == Some("true")),
        (Some(v), _) if !f.custom && picks && f.restricted_picklist => json!(v),
        _ => Value::Null,
    };
    // The default of a custom field is a formula, be it a constant.
    let default_formula = match &f.default {
        Some(v) if f.custom && !picks && f.kind != Kind::Boolean => {
            json!(if f.kind.is_number() {
                v.clone()
            } else {
                format!("\"{v}\"")
            })
        }
        _ => Value::Null,
    };
    let (mask_type, mask) = match &f.mask {
        Some((kind, character)) => (Some(kind), Some(if *character == 'X' { "X" } else { "*" })),
        None => (None, None),
    };
    let precision = match f.kind {
        // How many lines the page shows.
        Kind::MultiPicklist => 4,
        _ => f.precision,
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
        (
            "aggregatable",
            json!(f.filterable() && f.aggregatable() || f.unfilterable && text),
        ),
        ("aiPredictionField", json!(false)),
        ("autoNumber", json!(f.auto_number.is_some())),
        ("byteLength", json!(byte_length)),
        ("calculated", json!(f.calculated)),
        ("calculatedFormula", json!(f.formula)),
        ("cascadeDelete", json!(f.master_detail)),
        ("caseSensitive", json!(f.case_sensitive)),
        ("compoundFieldName", json!(f.compound)),
        ("controllerName", json!(f.controller)),
        ("createable", json!(access.creates_field(at, object, place))),
        ("custom", json!(f.custom)),
        ("defaultValue", default_value),
        ("defaultValueFormula", default_formula),
        ("defaultedOnCreate", json!(f.defaulted_on_create)),
        ("dependentPicklist", json!(f.controller.is_some())),
        ("deprecatedAndHidden", json!(false)),
        ("digits", json!(if f.kind == Kind::Int { f.digits } else { 0 })),
        ("displayLocationInDecimal", json!(f.kind == Kind::Location)),
        ("encrypted", json!(f.kind == Kind::Encrypted)),
        ("externalId", json!(f.external_id)),
        ("extraTypeInfo", json!(f.extra_type_info)),
        ("filterable", json!(f.filterable())),
        ("filteredLookupInfo", json!(null)),
        ("formulaTreatNullNumberAsZero", json!(f.blank_is_zero)),
        ("groupable", json!(f.groupable())),
        ("highScaleNumber", json!(false)),
        ("htmlFormatted", json!(f.kind == Kind::RichText || f.html)),
        ("idLookup", json!(f.id_lookup || f.external_id)),
        ("inlineHelpText", json!(f.help)),
        ("label", json!(f.label)),
        ("length", json!(if text { f.length } else { 0 })),
        ("mask", json!(mask)),
        ("maskType", json!(mask_type)),
        ("name", json!(f.name)),
        ("nameField", json!(f.name_field)),
        ("namePointing", json!(f.polymorphic())),
        ("nillable", json!(f.nillable)),
        ("permissionable", json!(f.permissionable)),
        ("picklistValues", json!(picklist)),
        ("polymorphicForeignKey", json!(f.polymorphic())),
        ("precision", json!(precision)),
        ("queryByDistance", json!(f.kind.is_compound())),
        ("referenceTargetField", json!(null)),
        ("referenceTo", json!(f.reference_to)),
        ("relationshipName", json!(f.relationship_name)),
        ("relationshipOrder", json!(f.relationship_order)),
        ("restrictedDelete", json!(false)),
        ("restrictedPicklist", json!(f.restricted_picklist)),
        ("scale", json!(f.scale)),
        (
            "searchPrefilterable",
            json!(f.search_prefilterable && !matches!(f.name.as_str(), "CreatedById" | "LastModifiedById")),
        ),
        ("soapType", json!(soap_type)),
        ("sortable", json!(f.sortable())),
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

/// Which values of the controlling picklist go with a value: a bit for each, the first one highest, in base64 without
/// padding.
fn bits(places: &[usize]) -> String {
    let mut bytes = vec![0_u8; places.iter().max().map_or(0, |max| max / 8 + 1)];
    for place in places {
        bytes[place / 8] |= 0x80 >> (place % 8);
    }
    bytes.resize(bytes.len().next_multiple_of(3), 0);
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_values_are_bits() {
        for (places, expected) in [
            (&[0][..], "gAAA"),
            (&[1], "QAAA"),
            (&[0, 7, 8], "gYAA"),
            (&[23], "AAAB"),
            (&[24], "AAAAgAAA"),
            (&[], ""),
        ] {
            assert_eq!(bits(places), expected, "{places:?}");
        }
    }
}
