//! Profiles and permission sets of an org file, laid out by the places of the schema, and their sum for a user.

use std::{collections::BTreeMap, sync::Arc};

use super::{Access, FieldRight, Grants, Permission, Rights};
use crate::emulator::{
    file::{FieldPermission, ObjectPermission, OrgFile, OrgFileError, Sharing},
    schema::{Object, Schema},
};

/// The profile whose users may do everything, unless the file says otherwise.
const ADMINISTRATOR: &str = "System Administrator";

/// All profiles and permission sets of an org.
#[derive(Debug, Default)]
pub(crate) struct Book {
    profiles: BTreeMap<String, Share>,
    sets: BTreeMap<String, Share>,
    sharing: Vec<Sharing>,
}

/// What one profile or permission set gives.
#[derive(Clone, Debug, Default)]
struct Share {
    /// All there is, with no questions asked.
    everything: bool,
    permissions: Vec<Permission>,
    objects: Vec<Rights>,
    /// `(object, field)` and what is said of it.
    fields: Vec<(usize, usize, FieldRight)>,
    /// What holds for the fields of which nothing is said.
    others: FieldRight,
}

/// Which permission rules an object's records.
enum Guard {
    /// Its own.
    Own,
    /// That of a parent: reading needs the parent's reading, writing its editing.
    Parent(&'static str),
    /// None.
    Open,
    /// Everybody reads, who manages users writes.
    Setup,
}

fn guard(object: &Object) -> Guard {
    if object.name.ends_with("__mdt") {
        return Guard::Setup;
    }
    if object.custom {
        return Guard::Own;
    }
    match object.name.as_str() {
        "Account" | "Contact" | "Lead" | "Opportunity" | "Case" | "Campaign" | "Contract" | "Order"
        | "Product2" | "Pricebook2" | "Asset" | "Document" | "Quote" | "Idea" | "Solution" => Guard::Own,
        "OpportunityLineItem" | "OpportunityContactRole" => Guard::Parent("Opportunity"),
        "QuoteLineItem" => Guard::Parent("Quote"),
        "OrderItem" => Guard::Parent("Order"),
        "PricebookEntry" => Guard::Parent("Pricebook2"),
        "CampaignMember" | "CampaignMemberStatus" => Guard::Parent("Campaign"),
        "CaseComment" | "CaseContactRole" => Guard::Parent("Case"),
        "AccountContactRelation" | "AccountContactRole" => Guard::Parent("Account"),
        "ContractContactRole" => Guard::Parent("Contract"),
        "User"
        | "UserRole"
        | "Profile"
        | "PermissionSet"
        | "PermissionSetAssignment"
        | "Group"
        | "GroupMember"
        | "QueueSobject"
        | "RecordType"
        | "BusinessProcess"
        | "Organization"
        | "CurrencyType"
        | "DatedConversionRate"
        | "EntityDefinition"
        | "FieldDefinition"
        | "OpportunityStage"
        | "CaseStatus"
        | "LeadStatus"
        | "TaskStatus"
        | "TaskPriority"
        | "ContractStatus"
        | "OrderStatus"
        | "Folder"
        | "Period"
        | "FiscalYearSettings" => Guard::Setup,
        _ => Guard::Open,
    }
}

/// The reference to the record that decides who sees an object's records.
fn master(object: &Object) -> Option<usize> {
    if object.custom {
        return object.fields.iter().position(|field| field.master_detail);
    }
    match object.name.as_str() {
        "Attachment" | "Note" => object.field("ParentId"),
        // A file is seen by its document, and that by its links: the store knows these.
        "ContentVersion" => object.field("ContentDocumentId"),
        "ContentDocumentLink" => object.field("LinkedEntityId"),
        _ => match guard(object) {
            Guard::Parent(parent) => object
                .fields
                .iter()
                .position(|field| field.reference_to == [parent]),
            Guard::Own | Guard::Open | Guard::Setup => None,
        },
    }
}

/// What the standard profile `Standard User` may do with the objects that have permissions of their own.
fn standard_user(object: &str) -> Rights {
    let (create, delete) = match object {
        "Account" | "Contact" | "Opportunity" | "Lead" | "Asset" | "Order" | "Quote" | "Document" => {
            (true, true)
        }
        "Case" | "Contract" | "Solution" => (true, false),
        "Campaign" | "Product2" | "Pricebook2" => (false, false),
        _ => return Rights::default(),
    };
    Rights {
        read: true,
        create,
        edit: create,
        delete,
        ..Rights::default()
    }
}

const READ: Rights = Rights {
    read: true,
    create: false,
    edit: false,
    delete: false,
    view_all: false,
    modify_all: false,
};

impl Book {
    /// Reads the profiles and permission sets of a file; names that stand for nothing are errors.
    pub(crate) fn new(file: &OrgFile, schema: &Schema) -> Result<Self, OrgFileError> {
        let mut profiles = standard_profiles(schema);
        for profile in &file.profiles {
            let place = format!("profiles.{}", profile.name);
            let mut share = Share {
                everything: false,
                permissions: profile.user_permissions.clone(),
                objects: rights(file, schema, &place, &profile.object_permissions)?,
                fields: fields(file, schema, &place, &profile.field_permissions)?,
                others: right(profile.other_fields),
            };
            // An administrator's profile loses only what the file takes away.
            if profile.name == ADMINISTRATOR && profile.object_permissions.is_empty() {
                share.objects = vec![Rights::ALL; schema.objects.len()];
            }
            profiles.insert(profile.name.clone(), share);
        }
        let mut sets = BTreeMap::new();
        for set in &file.permission_sets {
            let place = format!("permission_sets.{}", set.name);
            let share = Share {
                everything: false,
                permissions: set.user_permissions.clone(),
                objects: rights(file, schema, &place, &set.object_permissions)?,
                fields: fields(file, schema, &place, &set.field_permissions)?,
                others: FieldRight::Hidden,
            };
            sets.insert(set.name.clone(), share);
        }
        for user in &file.users {
            let place = format!("users.{}", user.username);
            if !profiles.contains_key(&user.profile) {
                return Err(file.meaning(place, format!("there is no profile `{}`", user.profile)));
            }
            if let Some(lost) = user.permission_sets.iter().find(|set| !sets.contains_key(*set)) {
                return Err(file.meaning(place, format!("there is no permission set `{lost}`")));
            }
        }
        let sharing = schema
            .objects
            .iter()
            .map(|object| {
                let spec = file
                    .sobjects
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(&object.name));
                spec.map(|(_, spec)| spec.sharing).unwrap_or_default()
            })
            .collect();
        Ok(Book {
            profiles,
            sets,
            sharing,
        })
    }

    /// The names of all profiles.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// What a user of a profile with permission sets may see and do. An unknown profile gives nothing.
    pub(crate) fn access(&self, schema: &Schema, user: &str, profile: &str, sets: &[String]) -> Access {
        let shares: Vec<&Share> = self
            .profiles
            .get(profile)
            .into_iter()
            .chain(sets.iter().filter_map(|set| self.sets.get(set)))
            .collect();
        if shares.iter().any(|share| share.everything) {
            return Access::All;
        }
        let mut permissions: Vec<Permission> = shares
            .iter()
            .flat_map(|share| share.permissions.iter().copied())
            .collect();
        let has = |permission| permissions.contains(&permission);
        let (all, read_all) = (has(Permission::ModifyAllData), has(Permission::ViewAllData));
        let manages = all || has(Permission::ManageUsers);
        let own = |object: usize| {
            let mut sum = Rights::default();
            for share in &shares {
                sum = sum.with(share.objects.get(object).copied().unwrap_or_default());
            }
            if all {
                return Rights::ALL;
            }
            if read_all {
                sum.read = true;
                sum.view_all = true;
            }
            sum
        };
        let objects: Vec<Rights> = (0..schema.objects.len())
            .map(|at| match guard(&schema.objects[at]) {
                Guard::Own => own(at),
                Guard::Parent(parent) => {
                    let parent = schema.object(parent).map(own).unwrap_or_default();
                    Rights {
                        create: parent.edit,
                        delete: parent.edit,
                        ..parent
                    }
                }
                Guard::Open => Rights {
                    view_all: read_all || all,
                    modify_all: all,
                    ..Rights::ALL
                },
                Guard::Setup if manages => Rights::ALL,
                Guard::Setup => Rights {
                    view_all: true,
                    ..READ
                },
            })
            .collect();
        let fields = (0..schema.objects.len())
            .map(|at| field_rights(&schema.objects[at], at, &shares))
            .collect();
        let sharing = self
            .sharing
            .iter()
            .zip(&schema.objects)
            .map(|(sharing, object)| match object.places.owner {
                Some(_) => *sharing,
                None => Sharing::PublicReadWrite,
            })
            .collect();
        let masters = schema.objects.iter().map(master).collect();
        if all {
            permissions.push(Permission::ViewAllData);
        }
        Access::Granted(Arc::new(Grants {
            user: user.to_owned(),
            objects,
            fields,
            permissions,
            sharing,
            masters,
        }))
    }
}

/// The profiles that every org has.
fn standard_profiles(schema: &Schema) -> BTreeMap<String, Share> {
    let objects = |rights: fn(&str) -> Rights| schema.objects.iter().map(|o| rights(&o.name)).collect();
    let share = |permissions: &[Permission], objects: Vec<Rights>| Share {
        permissions: permissions.to_vec(),
        objects,
        others: FieldRight::Edit,
        ..Share::default()
    };
    let everything = Share {
        everything: true,
        ..Share::default()
    };
    let api = [Permission::ApiEnabled];
    [
        (ADMINISTRATOR, everything),
        ("Standard User", share(&api, objects(standard_user))),
        (
            "Read Only",
            share(
                &api,
                objects(|name| {
                    if standard_user(name).read {
                        READ
                    } else {
                        Rights::default()
                    }
                }),
            ),
        ),
        ("Minimum Access - Salesforce", share(&[], Vec::new())),
        ("Salesforce API Only System Integrations", share(&api, Vec::new())),
    ]
    .into_iter()
    .map(|(name, share)| (name.to_owned(), share))
    .collect()
}

fn rights(
    file: &OrgFile,
    schema: &Schema,
    place: &str,
    given: &BTreeMap<String, Vec<ObjectPermission>>,
) -> Result<Vec<Rights>, OrgFileError> {
    let mut out = vec![Rights::default(); schema.objects.len()];
    for (name, permissions) in given {
        let place = format!("{place}.object_permissions.{name}");
        let at = schema
            .object(name)
            .ok_or_else(|| file.meaning(&place, "there is no such object"))?;
        match guard(&schema.objects[at]) {
            Guard::Own => {}
            Guard::Parent(parent) => {
                return Err(file.meaning(place, format!("the permissions of `{parent}` hold for it")));
            }
            Guard::Open | Guard::Setup => {
                return Err(file.meaning(place, "there are no permissions for this object"));
            }
        }
        out[at] = permissions
            .iter()
            .fold(Rights::default(), |sum, permission| sum.with(needed(*permission)));
    }
    Ok(out)
}

/// A permission with the ones that it needs.
fn needed(permission: ObjectPermission) -> Rights {
    match permission {
        ObjectPermission::Read => READ,
        ObjectPermission::Create => Rights { create: true, ..READ },
        ObjectPermission::Edit => Rights { edit: true, ..READ },
        ObjectPermission::Delete => Rights {
            edit: true,
            delete: true,
            ..READ
        },
        ObjectPermission::ViewAllRecords => Rights {
            view_all: true,
            ..READ
        },
        ObjectPermission::ModifyAllRecords => Rights {
            create: false,
            ..Rights::ALL
        },
    }
}

fn fields(
    file: &OrgFile,
    schema: &Schema,
    place: &str,
    given: &BTreeMap<String, BTreeMap<String, FieldPermission>>,
) -> Result<Vec<(usize, usize, FieldRight)>, OrgFileError> {
    let mut out = Vec::new();
    for (name, fields) in given {
        let place = format!("{place}.field_permissions.{name}");
        let at = schema
            .object(name)
            .ok_or_else(|| file.meaning(&place, "there is no such object"))?;
        let spec = &schema.objects[at];
        for (field, permission) in fields {
            let f = spec
                .field(field)
                .ok_or_else(|| file.meaning(&place, format!("`{}` has no field `{field}`", spec.name)))?;
            if !spec.fields[f].permissionable {
                let message = format!("`{field}` is a required or system field, which everybody sees");
                return Err(file.meaning(place, message));
            }
            let whole = spec.fields[f]
                .compound
                .as_deref()
                .and_then(|name| spec.field(name));
            if let Some(whole) = whole.map(|whole| &spec.fields[whole])
                && whole.kind.is_compound()
            {
                let message = format!(
                    "`{field}` is a part of `{}`, whose permissions hold for it",
                    whole.name
                );
                return Err(file.meaning(place, message));
            }
            out.push((at, f, right(*permission)));
        }
    }
    Ok(out)
}

fn right(permission: FieldPermission) -> FieldRight {
    match permission {
        FieldPermission::Hidden => FieldRight::Hidden,
        FieldPermission::Read => FieldRight::Read,
        FieldPermission::Edit => FieldRight::Edit,
    }
}

/// The sum of what is said of an object's fields; empty when all can be edited.
fn field_rights(object: &Object, at: usize, shares: &[&Share]) -> Vec<FieldRight> {
    let sum: Vec<FieldRight> = object
        .fields
        .iter()
        .enumerate()
        .map(|(place, field)| {
            // What is said of a compound field is said of its parts.
            let whole = field.compound.as_deref().and_then(|name| object.field(name));
            let said = |share: &Share| {
                share
                    .fields
                    .iter()
                    .find(|(o, f, _)| *o == at && (*f == place || Some(*f) == whole))
                    .map_or(share.others, |(_, _, right)| *right)
            };
            if field.permissionable {
                shares.iter().map(|share| said(share)).max().unwrap_or_default()
            } else {
                FieldRight::Edit
            }
        })
        .collect();
    if sum.iter().all(|right| *right == FieldRight::Edit) {
        return Vec::new();
    }
    sum
}
