use serde_json::Value;

use super::{
    DataType, Field, Kind, Object, PicklistValue, RecordType, Schema, features, rules,
    standard::{self, audit_fields, owner, spaced, system},
    traits::Traits,
};
use crate::emulator::{
    access::open_audit_fields,
    file::{Blanks, CustomSetting, FieldSpec, OnDelete, OrgFile, SObject},
};

/// What is wrong with the objects of a file, and where.
#[derive(Debug)]
pub(crate) struct SchemaError {
    pub(crate) place: String,
    pub(crate) message: String,
}

/// The org's objects: the standard ones, and what the file adds.
pub(crate) fn build(file: &OrgFile) -> Result<Schema, SchemaError> {
    let mut schema = Schema {
        objects: standard::objects(file.currencies.is_some()),
        ..Schema::default()
    };
    if !file.contacts_to_multiple_accounts {
        schema
            .objects
            .retain(|object| object.name != "AccountContactRelation");
    }
    let mut custom = 0;
    features::before(&mut schema.objects, file);
    for (name, spec) in &file.sobjects {
        let place = format!("sobjects.{name}");
        let at = match schema
            .objects
            .iter()
            .position(|o| o.name.eq_ignore_ascii_case(name))
        {
            Some(at) => at,
            None if name.ends_with("__c") || name.ends_with("__mdt") => {
                schema.objects.push(custom_object(name, spec, custom, &place)?);
                custom += 1;
                schema.objects.len() - 1
            }
            None => {
                return Err(SchemaError {
                    place,
                    message: format!(
                        "no standard object `{name}` here; the name of a custom object ends with `__c` (a custom metadata type's with `__mdt`)"
                    ),
                });
            }
        };
        extend(&mut schema.objects[at], spec, &place)?;
    }
    features::after(&mut schema.objects, file)?;
    // The prefixes must tell objects apart, and every lookup needs its object.
    for at in 0..schema.objects.len() {
        let object = &schema.objects[at];
        if let Some(other) = schema.objects[..at]
            .iter()
            .find(|o| o.prefix == object.prefix && !o.traits.hides_prefix)
        {
            return Err(SchemaError {
                place: format!("sobjects.{}.key_prefix", object.name),
                message: format!("`{}` has the prefix `{}` already", other.name, other.prefix),
            });
        }
    }
    let names: Vec<String> = schema.objects.iter().map(|o| o.name.clone()).collect();
    for object in &mut schema.objects {
        for field in &mut object.fields {
            for target in &mut field.reference_to {
                match names.iter().find(|n| n.eq_ignore_ascii_case(target)) {
                    Some(name) => target.clone_from(name),
                    None => {
                        return Err(SchemaError {
                            place: format!("sobjects.{}.fields.{}", object.name, field.name),
                            message: format!("there is no object `{target}` to look up"),
                        });
                    }
                }
            }
        }
    }
    if file.audit_fields {
        open_audit_fields(&mut schema);
    }
    rules::type_totals(&mut schema, file)?;
    schema.person_accounts = file.person_accounts;
    schema.contact_relations = file.contacts_to_multiple_accounts;
    if let Some(currencies) = &file.currencies {
        let rate = |(code, rate): (&String, &f64)| (code.clone(), rate.to_string());
        schema.currencies = vec![(currencies.corporate.clone(), "1".to_owned())];
        schema.currencies.extend(currencies.active.iter().map(rate));
    }
    schema.seal();
    rules::resolve(&mut schema, file)?;
    Ok(schema)
}

fn custom_object(name: &str, spec: &SObject, number: usize, place: &str) -> Result<Object, SchemaError> {
    let label = spec.label.clone().unwrap_or_else(|| spaced(name));
    let plural = spec.plural.clone().unwrap_or_else(|| format!("{label}s"));
    let prefix = match &spec.key_prefix {
        Some(prefix) if prefix.len() == 3 && prefix.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            prefix.clone()
        }
        Some(prefix) => {
            return Err(SchemaError {
                place: format!("{place}.key_prefix"),
                message: format!("`{prefix}` has not three letters and digits"),
            });
        }
        None if name.ends_with("__mdt") => format!("m{number:02X}"),
        None => format!("a{number:02X}"),
    };
    let mut object = Object::new(name, &label, &plural, &prefix);
    if name.ends_with("__mdt") {
        return features::metadata_type(object).ok_or_else(|| SchemaError {
            place: place.to_owned(),
            message: "the standard fields cannot be made".to_owned(),
        });
    }
    let detail = spec
        .fields
        .values()
        .any(|f| DataType::parse(&f.data_type).is_ok_and(|d| d.master_detail));
    let broken = || SchemaError {
        place: place.to_owned(),
        message: "the standard fields cannot be made".to_owned(),
    };
    let mut id = system("Id", "Record ID", "Text(18)").ok_or_else(broken)?;
    id.kind = Kind::Id;
    id.id_lookup = true;
    object.put(id);
    if let Some(kind) = spec.custom_setting {
        object.traits = Traits::read("setting nomru notrigger nolayout");
        if kind == CustomSetting::Hierarchy {
            let line = "SetupOwnerId|Location|Lookup(Organization, Profile, User)|create defaulted";
            object.put(standard::field(line).ok_or_else(broken)?);
        }
    } else if !detail {
        object.put(owner(&["Group", "User"]).ok_or_else(broken)?);
    }
    object.put(system("IsDeleted", "Deleted", "Checkbox").ok_or_else(broken)?);
    if spec.activities {
        object.traits.listed = true;
    }
    let name_spec = spec.name_field.clone().unwrap_or_default();
    let name_label = name_spec.label.unwrap_or_else(|| format!("{label} Name"));
    let mut name = Field::new(
        "Name",
        &name_label,
        &DataType::parse("Text(80)").map_err(|_| broken())?,
    );
    name.name_field = true;
    name.id_lookup = true;
    name.defaulted_on_create = true;
    name.permissionable = false;
    if let Some(pattern) = name_spec.auto_number {
        name.auto_number = Some(pattern);
        name.createable = false;
        name.updateable = false;
        name.nillable = false;
    }
    object.put(name);
    for field in audit_fields().ok_or_else(broken)? {
        object.put(field);
    }
    // Not a custom object's own field until it has record types.
    if !spec.record_types.is_empty() {
        object.put(record_type_field(broken)?);
    }
    Ok(object)
}

fn record_type_field(broken: impl Fn() -> SchemaError) -> Result<Field, SchemaError> {
    let mut field = Field::new(
        "RecordTypeId",
        "Record Type ID",
        &DataType::parse("Lookup(RecordType)").map_err(|_| broken())?,
    );
    field.relationship_name = Some("RecordType".to_owned());
    field.permissionable = false;
    Ok(field)
}

fn extend(object: &mut Object, spec: &SObject, place: &str) -> Result<(), SchemaError> {
    for (name, field) in &spec.fields {
        let place = format!("{place}.fields.{name}");
        let wrong = |message| SchemaError {
            place: place.clone(),
            message,
        };
        let mut built = custom_field(object, name, field).map_err(wrong)?;
        if built.kind == Kind::Location {
            for part in location_parts(&built, field).map_err(wrong)? {
                object.put(part);
            }
        }
        if built.master_detail {
            let masters = object
                .fields
                .iter()
                .filter(|f| f.master_detail && f.name != built.name);
            let order = masters.count();
            if order > 1 {
                return Err(wrong("an object has two masters at most".to_owned()));
            }
            built.relationship_order = u8::try_from(order).ok();
        }
        object.put(built);
    }
    // A picklist may be controlled by one that comes later in the alphabet.
    for (name, field) in &spec.fields {
        let place = format!("{place}.fields.{name}");
        depend(object, name, field).map_err(|message| SchemaError { place, message })?;
    }
    for hidden in &spec.hidden_fields {
        if object.field(hidden).is_none() {
            return Err(SchemaError {
                place: format!("{place}.hidden_fields"),
                message: format!("`{}` has no field `{hidden}`", object.name),
            });
        }
        object.remove(hidden);
    }
    for record_type in &spec.record_types {
        object.record_types.push(RecordType {
            person: record_type.person,
            id: String::new(),
            developer_name: record_type.developer_name.clone(),
            label: record_type
                .label
                .clone()
                .unwrap_or_else(|| spaced(&record_type.developer_name)),
            active: record_type.active,
            default: record_type.default,
            description: record_type.description.clone(),
        });
    }
    Ok(())
}

fn custom_field(object: &Object, name: &str, spec: &FieldSpec) -> Result<Field, String> {
    let standard = object.field(name).is_some();
    if !name.ends_with("__c") && !standard {
        return Err(format!(
            "`{}` has no standard field `{name}`; the name of a custom field ends with `__c`",
            object.name
        ));
    }
    if name.ends_with("__c") && spec.data_type.to_ascii_lowercase().starts_with("external lookup") {
        return Err("external objects are not emulated, and so nothing can look one up".to_owned());
    }
    let data = DataType::parse(&spec.data_type)?;
    let label = spec.label.clone().unwrap_or_else(|| spaced(name));
    let mut field = Field::new(name, &label, &data);
    field.custom = name.ends_with("__c");
    field.help.clone_from(&spec.help);
    field.compliance = spec.compliance_group.join(";");
    field.sensitivity = spec.security_classification.clone().unwrap_or_default();
    if let Some(old) = object.field(name).map(|at| &object.fields[at]) {
        // What a file says of a standard field does not take its nature away.
        field.name_field = old.name_field;
        field.compound.clone_from(&old.compound);
        field.id_lookup = old.id_lookup;
        field.nillable = old.nillable;
        field.defaulted_on_create = old.defaulted_on_create;
        field.default.clone_from(&old.default);
        field.permissionable = old.permissionable;
        field.createable = old.createable;
        field.updateable = old.updateable;
        field.relationship_name.clone_from(&old.relationship_name);
        field.child_relationship.clone_from(&old.child_relationship);
        field.cascade = old.cascade;
        field.restricted_delete = old.restricted_delete;
    }
    if data.kind == Kind::Encrypted {
        field.mask = Some((
            spec.mask_type.unwrap_or_default().api_name().to_owned(),
            spec.mask_character.unwrap_or('*'),
        ));
    }
    field.external_id = spec.external_id;
    field.unique = spec.unique;
    field.case_sensitive = spec.case_sensitive;
    field.restricted_picklist = spec.restricted;
    if spec.external_id && !matches!(data.kind, Kind::Text | Kind::Double | Kind::Email) {
        return Err("only Text, Number, Email and Auto Number fields can be external ids".to_owned());
    }
    let default = spec.default.as_ref().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    for (list, active) in [(&spec.values, true), (&spec.inactive_values, false)] {
        for value in list {
            let default = default.as_deref() == Some(value);
            field.picklist.push(PicklistValue::new(value, active, default));
        }
    }
    for (value, label) in &spec.labels {
        match field.picklist.iter_mut().find(|known| known.value == *value) {
            Some(known) => known.label.clone_from(label),
            None => return Err(format!("`labels` names `{value}`, which is none of its values")),
        }
    }
    let picklist = matches!(data.kind, Kind::Picklist | Kind::MultiPicklist | Kind::Combobox);
    if !picklist && !field.picklist.is_empty() {
        return Err("only picklists have values".to_owned());
    }
    if picklist && field.picklist.is_empty() && field.custom {
        return Err("a picklist needs `values`".to_owned());
    }
    if let Some(default) = default {
        field.default = Some(default);
        field.defaulted_on_create = true;
    }
    if spec.required && data.kind != Kind::Boolean {
        field.nillable = false;
        field.permissionable = false;
    }
    if data.auto_number {
        field.auto_number = Some(spec.pattern.clone().unwrap_or_else(|| "{0}".to_owned()));
        field.nillable = false;
        field.defaulted_on_create = true;
        field.createable = false;
        field.updateable = false;
    }
    if spec.summary.is_some() != data.summary {
        return Err("a `Roll-Up Summary` needs a `summary`, other fields have none".to_owned());
    }
    field.formula.clone_from(&spec.formula);
    field.blank_is_zero = spec.formula.is_some() && spec.blanks == Blanks::Zero;
    if spec.read_only {
        field.createable = false;
        field.updateable = false;
    }
    if data.kind == Kind::Reference && field.custom {
        field.search_prefilterable = !spec.required && !data.master_detail;
        field.relationship_name = Some(match name.strip_suffix("__c") {
            Some(stem) => format!("{stem}__r"),
            None => name.to_owned(),
        });
        field.child_relationship = spec.child_relationship.as_ref().map(|child| {
            if child.ends_with("__r") {
                child.clone()
            } else {
                format!("{child}__r")
            }
        });
        field.cascade = spec.on_delete == OnDelete::Cascade || data.master_detail;
        // A required lookup cannot be emptied, so it holds its parent.
        field.restricted_delete = spec.on_delete == OnDelete::Restrict
            || spec.required && spec.on_delete == OnDelete::Clear && !data.master_detail;
        if data.master_detail {
            field.master_detail = true;
            field.nillable = false;
            field.permissionable = false;
            field.updateable = spec.reparentable;
        }
    }
    Ok(field)
}

/// The two numbers of a geolocation, `Place__Latitude__s` and `Place__Longitude__s`.
fn location_parts(whole: &Field, spec: &FieldSpec) -> Result<Vec<Field>, String> {
    let stem = whole.name.strip_suffix("__c").unwrap_or(&whole.name);
    let scale = spec.decimal_places.unwrap_or(6);
    if scale > 15 {
        return Err("a geolocation has 15 decimals at most".to_owned());
    }
    ["Latitude", "Longitude"]
        .into_iter()
        .map(|part| {
            let data = DataType::parse(&format!("Number(3, {scale})"))?;
            let name = format!("{stem}__{part}__s");
            let mut field = Field::new(&name, &format!("{} ({part})", whole.label), &data);
            field.custom = true;
            field.compound = Some(whole.name.clone());
            field.nillable = !spec.required;
            field.permissionable = !spec.required;
            Ok(field)
        })
        .collect()
}

/// Ties a dependent picklist to the field that controls it.
fn depend(object: &mut Object, name: &str, spec: &FieldSpec) -> Result<(), String> {
    let Some(controller) = &spec.controlled_by else {
        return Ok(());
    };
    let control = object
        .field(controller)
        .map(|at| &object.fields[at])
        .filter(|f| matches!(f.kind, Kind::Picklist | Kind::Boolean))
        .ok_or_else(|| format!("`{controller}` is no picklist or checkbox of `{}`", object.name))?;
    let places: Vec<String> = match control.kind {
        Kind::Boolean => vec!["false".to_owned(), "true".to_owned()],
        _ => control.picklist.iter().map(|p| p.value.clone()).collect(),
    };
    let controller = control.name.clone();
    let Some(at) = object.field(name) else {
        return Ok(());
    };
    let field = &mut object.fields[at];
    field.controller = Some(controller);
    for value in &mut field.picklist {
        let with = spec
            .valid_for
            .get(&value.value)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let valid = with
            .iter()
            .map(|v| {
                places
                    .iter()
                    .position(|p| p == v)
                    .ok_or_else(|| format!("the controlling field has no value `{v}`"))
            })
            .collect::<Result<Vec<usize>, String>>()?;
        value.valid_for = Some(valid);
    }
    Ok(())
}
