//! The standard objects that every org has, as Salesforce describes them.
//!
//! The catalogue is text: a paragraph an object, a line a field. `# Name|Label|Plural|Prefix|flags` starts an object (its
//! flags are those of [`Traits`]); a field is `Name|Label|data type|flags|values`, where an empty label is the name in
//! words and what is empty at the end may be left out. Values of a picklist stand between semicolons, the default with
//! `*`, inactive ones with `!`; `@zones` and the like name a list that several fields share. `@Billing` is an address of
//! eight fields and their compound, `-deleted` and `-audit` are the fields of every record.
//!
//! Flags of a field: `req` (must be given), `nn` (read-only, never null), `defaulted` and `dn` (filled when nothing is
//! given; never null, or maybe), `ro`, `create`, `update` (who may write it), `perm` and `np` (field-level security,
//! against the rule), `key` (idLookup), `name` (the name field), `unique`, `restricted`, `cascade`, `keepchild`
//! (restricts the parent's delete), `nofilter`, `noagg`, `sp` and `nosp` (searchPrefilterable, against the rule),
//! `single` (one byte a character), `person`, `switchable`, `image` (extraTypeInfo), `default=V`, `digits=N`, `rel=NAME`
//! (`-` for none), `child=NAME`, `of=COMPOUND`, `auto=PATTERN`.

mod lists;

use super::{DataType, Field, Kind, Object, PicklistValue, traits::Traits};

const CATALOGUE: &[&str] = &[
    include_str!("sales.txt"),
    include_str!("products.txt"),
    include_str!("service.txt"),
    include_str!("activities.txt"),
    include_str!("files.txt"),
    include_str!("setup.txt"),
];

/// Objects that only an org with several currencies has.
const CURRENCIES: &str = include_str!("currencies.txt");

/// All standard objects, with the fields that Salesforce keeps by itself.
pub(super) fn objects(currencies: bool) -> Vec<Object> {
    let more = if currencies { CURRENCIES } else { "" };
    CATALOGUE
        .iter()
        .copied()
        .chain([more])
        .flat_map(|area| area.split("\n# "))
        .filter_map(|text| object(text.strip_prefix("# ").unwrap_or(text)))
        .collect()
}

fn object(text: &str) -> Option<Object> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let head: Vec<&str> = lines.next()?.split('|').collect();
    let [name, label, plural, prefix, flags] = head[..] else {
        return None;
    };
    let mut object = Object::new(name, label, plural, prefix);
    object.traits = Traits::read(flags);
    // These three have labels of their own for their Ids.
    let id_label = match name {
        "Event" | "Task" => "Activity ID".to_owned(),
        "OpportunityContactRole" => "Contact Role ID".to_owned(),
        "PricebookEntry" | "OpportunityLineItem" => "Line Item ID".to_owned(),
        _ => format!("{label} ID"),
    };
    let mut id = system("Id", &id_label, "Text(18)")?;
    id.kind = Kind::Id;
    id.id_lookup = true;
    object.put(id);
    for line in lines {
        match line {
            "-deleted" => object.put(system("IsDeleted", "Deleted", "Checkbox")?),
            "-audit" => audit_fields()?.into_iter().for_each(|field| object.put(field)),
            _ => match line.strip_prefix('@') {
                Some(prefix) => address(prefix)?.into_iter().for_each(|field| object.put(field)),
                None => object.put(field(line)?),
            },
        }
    }
    Some(object)
}

/// A field in a line of the catalogue's own words.
pub(super) fn field(line: &str) -> Option<Field> {
    let mut parts = line.split('|');
    let (name, label, data) = (parts.next()?, parts.next()?, parts.next()?);
    let (flags, values) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let data = DataType::parse(data).ok()?;
    let label = if label.is_empty() {
        spaced(name)
    } else {
        label.to_owned()
    };
    let mut field = Field::new(name, &label, &data);
    let has = |flag: &str| flags.split(' ').any(|f| f == flag);
    let option = |key: &str| flags.split(' ').find_map(|f| f.strip_prefix(key));
    field.picklist = picklist(values);
    let default = option("default=").or_else(|| values.split(';').find_map(|v| v.strip_prefix('*')));
    if let Some(default) = default {
        field.default = Some(default.to_owned());
        for value in &mut field.picklist {
            value.default = value.value == default;
        }
    }
    field.createable = !has("ro") && !has("update");
    field.updateable = !has("ro") && !has("create");
    let boolean = data.kind == Kind::Boolean;
    field.nillable = !boolean && !has("req") && !has("nn") && !has("defaulted");
    field.defaulted_on_create = boolean || has("defaulted") || has("dn");
    let rule = field.createable && field.updateable && (field.nillable || boolean);
    field.permissionable = (rule || has("perm")) && !has("np");
    if has("nn") && data.kind.is_number() && default.is_none() {
        field.default = Some("0".to_owned());
    }
    if boolean && !field.createable && default.is_none() {
        // Takes no room until it is true.
        field.default = None;
    }
    field.search_prefilterable = data.kind == Kind::Reference
        && (field.nillable && field.createable && field.updateable || has("sp"))
        && !has("nosp");
    field.id_lookup = has("key");
    field.name_field = has("name");
    field.unique = has("unique");
    field.restricted_picklist = has("restricted");
    field.cascade = has("cascade");
    field.restricted_delete = has("keepchild");
    field.unfilterable = has("nofilter");
    field.unaggregatable = has("noagg");
    field.single_byte = has("single");
    if let Some(digits) = option("digits=") {
        field.digits = digits.parse().ok()?;
    }
    match option("rel=") {
        Some("-") => {}
        Some(relationship) => field.relationship_name = Some(relationship.to_owned()),
        None if data.kind == Kind::Reference => {
            field.relationship_name = Some(name.strip_suffix("Id").unwrap_or(name).to_owned());
        }
        None => {}
    }
    field.child_relationship = option("child=").map(str::to_owned);
    field.compound = option("of=").map(str::to_owned);
    if has("person") {
        field.extra_type_info = Some("personname");
    } else if has("switchable") {
        field.extra_type_info = Some("switchablepersonname");
    } else if has("image") {
        field.extra_type_info = Some("imageurl");
    }
    if let Some(pattern) = option("auto=") {
        field.auto_number = Some(pattern.to_owned());
        field.createable = false;
        field.updateable = false;
        field.nillable = false;
        field.defaulted_on_create = true;
        field.permissionable = false;
    }
    Some(field)
}

/// The values of a picklist, or the shared list of a name.
fn picklist(text: &str) -> Vec<PicklistValue> {
    let text = match text {
        "" => return Vec::new(),
        "@zones" => lists::TIME_ZONES,
        "@locales" => lists::LOCALES,
        "@languages" => lists::LANGUAGES,
        _ => text,
    };
    text.split(';')
        .map(|value| {
            let (value, default) = match value.strip_prefix('*') {
                Some(value) => (value, true),
                None => (value, false),
            };
            let (value, active) = match value.strip_prefix('!') {
                Some(value) => (value, false),
                None => (value, true),
            };
            PicklistValue::new(value, active, default)
        })
        .collect()
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
pub(super) fn address(prefix: &str) -> Option<Vec<Field>> {
    let compound = format!("{prefix}Address");
    let words = spaced(prefix);
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
        let label = format!("{words} {label}");
        let mut field = Field::new(
            &format!("{prefix}{part}"),
            label.trim(),
            &DataType::parse(data).ok()?,
        );
        field.compound = Some(compound.clone());
        if part == "GeocodeAccuracy" {
            field.restricted_picklist = true;
            field.picklist = picklist(
                "Address;NearAddress;Block;Street;ExtendedZip;Zip;Neighborhood;City;County;State;Unknown",
            );
        }
        out.push(field);
    }
    let label = format!("{words} Address");
    let mut whole = Field::new(&compound, label.trim(), &DataType::parse("Address").ok()?);
    whole.permissionable = true;
    out.push(whole);
    Some(out)
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
        let objects = objects(true);
        let mut count = 0;
        for text in CATALOGUE
            .iter()
            .chain([&CURRENCIES])
            .flat_map(|t| t.split("\n# "))
        {
            let text = text.strip_prefix("# ").unwrap_or(text);
            let name = text.split('|').next().unwrap_or_default();
            let object = objects.iter().find(|o| o.name == name).expect(name);
            count += 1;
            for line in text.lines().skip(1).filter(|l| !l.is_empty()) {
                let field = line.split('|').next().unwrap_or_default();
                let field = match field.strip_prefix('@') {
                    Some(prefix) => format!("{prefix}Address"),
                    None if field == "-deleted" => "IsDeleted".to_owned(),
                    None if field == "-audit" => "SystemModstamp".to_owned(),
                    None => field.to_owned(),
                };
                assert!(object.field(&field).is_some(), "{name}.{field}");
            }
        }
        assert_eq!(count, objects.len());
        assert!(count > 60, "{count}");
    }
}
