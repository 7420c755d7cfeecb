//! What a caller may see and do: object permissions, field permissions and system permissions.
//!
//! An [`Access`] is worked out once, when a session starts, and travels with every request: queries, describes and
//! writes ask it, never the profiles. An administrator's is [`Access::All`], which answers without looking anything up.

mod book;

use std::sync::Arc;

use super::{
    file::Sharing,
    schema::{Field, Object, Schema},
};

pub(crate) use book::Book;

/// What the caller of a request may see and do.
#[derive(Clone, Debug, Default)]
pub(crate) enum Access {
    /// Everything that the org offers: an administrator, and whatever the org does by itself.
    #[default]
    All,
    /// What profile and permission sets add up to.
    Granted(Arc<Grants>),
}

/// The sum of a profile and permission sets, laid out by the places of objects and fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// The user's Id, for objects whose records are private to their owners.
    pub(crate) user: String,
    pub(crate) objects: Vec<Rights>,
    /// For each object, one entry a field; an empty list is "all fields, to read and edit".
    pub(crate) fields: Vec<Vec<FieldRight>>,
    pub(crate) permissions: Vec<Permission>,
    /// What others' records are to the user.
    pub(crate) sharing: Vec<Sharing>,
    /// The reference to the record that decides who sees a record, where that is not its owner.
    pub(crate) masters: Vec<Option<usize>>,
}

/// What may be done to an object's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) read: bool,
    pub(crate) create: bool,
    pub(crate) edit: bool,
    pub(crate) delete: bool,
    pub(crate) view_all: bool,
    pub(crate) modify_all: bool,
}

impl Rights {
    pub(crate) const ALL: Rights = Rights {
        read: true,
        create: true,
        edit: true,
        delete: true,
        view_all: true,
        modify_all: true,
    };

    /// What either gives.
    fn with(self, other: Rights) -> Rights {
        Rights {
            read: self.read || other.read,
            create: self.create || other.create,
            edit: self.edit || other.edit,
            delete: self.delete || other.delete,
            view_all: self.view_all || other.view_all,
            modify_all: self.modify_all || other.modify_all,
        }
    }
}

/// What may be done to a field; each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldRight {
    #[default]
    Hidden,
    Read,
    Edit,
}

/// A system permission, in the words of Setup; the API names are read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum Permission {
    /// Without it every call of the API is refused.
    #[serde(rename = "API Enabled", alias = "ApiEnabled")]
    ApiEnabled,
    /// Read all objects and all records.
    #[serde(rename = "View All Data", alias = "ViewAllData")]
    ViewAllData,
    /// Read and write all objects and all records.
    #[serde(rename = "Modify All Data", alias = "ModifyAllData")]
    ModifyAllData,
    /// Delete for good by Bulk jobs.
    #[serde(rename = "Bulk API Hard Delete", alias = "BulkApiHardDelete")]
    BulkApiHardDelete,
    /// Say who made a new record, and when. The org has to have `audit_fields` on.
    #[serde(rename = "Set Audit Fields upon Record Creation", alias = "CreateAuditFields")]
    SetAuditFields,
    /// Write records whose owner is inactive. The org has to have `audit_fields` on.
    #[serde(
        rename = "Update Records with Inactive Owners",
        alias = "UpdateWithInactiveOwner"
    )]
    UpdateRecordsWithInactiveOwners,
    /// See classic encrypted fields without the mask.
    #[serde(rename = "View Encrypted Data", alias = "ViewEncryptedData")]
    ViewEncryptedData,
    /// See the org's setup.
    #[serde(rename = "View Setup and Configuration", alias = "ViewSetup")]
    ViewSetup,
    /// See files that others own.
    #[serde(rename = "Query All Files", alias = "QueryAllFiles")]
    QueryAllFiles,
    /// Write users, groups and permission sets.
    #[serde(rename = "Manage Users", alias = "ManageUsers")]
    ManageUsers,
}

impl Access {
    /// Whether nothing is hidden and nothing is forbidden, so that no further question is needed.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Access::All)
    }

    /// Whether a system permission is given.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        match self {
            Access::All => true,
            Access::Granted(grants) => grants.permissions.contains(&permission),
        }
    }

    /// What may be done to an object's records.
    pub(crate) fn rights(&self, object: usize) -> Rights {
        match self {
            Access::All => Rights::ALL,
            Access::Granted(grants) => grants.objects.get(object).copied().unwrap_or_default(),
        }
    }

    fn right(&self, object: usize, field: usize) -> FieldRight {
        match self {
            Access::All => FieldRight::Edit,
            Access::Granted(grants) => match grants.fields.get(object) {
                Some(fields) if !fields.is_empty() => fields.get(field).copied().unwrap_or_default(),
                _ => FieldRight::Edit,
            },
        }
    }

    /// Whether the caller sees a field at all.
    pub(crate) fn sees(&self, object: usize, field: usize) -> bool {
        self.right(object, field) >= FieldRight::Read
    }

    /// An object by its name, in any case; one that may not be read is not there.
    pub(crate) fn object(&self, schema: &Schema, name: &str) -> Option<usize> {
        schema.object(name).filter(|o| self.rights(*o).read)
    }

    /// A field by its name, in any case; one that may not be read is not there.
    pub(crate) fn field(&self, schema: &Schema, object: usize, name: &str) -> Option<usize> {
        schema.objects[object]
            .field(name)
            .filter(|f| self.sees(object, *f))
    }

    /// A reference by the name of its relationship; hidden references, and those to nothing readable, are not there.
    pub(crate) fn relationship(&self, schema: &Schema, object: usize, name: &str) -> Option<usize> {
        let spec = &schema.objects[object];
        let field = spec.relationship(name)?;
        let seen = self.is_all()
            || self.sees(object, field)
                && spec.fields[field]
                    .reference_to
                    .iter()
                    .any(|target| self.object(schema, target).is_some());
        seen.then_some(field)
    }

    /// `createable` of an object, for this caller.
    pub(crate) fn creates(&self, object: usize, spec: &Object) -> bool {
        spec.traits.createable && self.rights(object).create
    }

    /// `updateable` of an object, for this caller.
    pub(crate) fn edits(&self, object: usize, spec: &Object) -> bool {
        spec.traits.updateable && self.rights(object).edit
    }

    /// `deletable` of an object, for this caller.
    pub(crate) fn deletes(&self, object: usize, spec: &Object) -> bool {
        spec.traits.deletable && self.rights(object).delete
    }

    /// `createable` of a field: audit fields too, for those who may set them.
    pub(crate) fn creates_field(&self, object: usize, spec: &Object, field: usize) -> bool {
        let f = &spec.fields[field];
        let open =
            f.createable || spec.sets_audit_fields && f.is_audit() && self.may(Permission::SetAuditFields);
        open && spec.traits.createable && self.right(object, field) == FieldRight::Edit
    }

    /// `updateable` of a field.
    pub(crate) fn edits_field(&self, object: usize, spec: &Object, field: usize) -> bool {
        spec.fields[field].updateable
            && spec.traits.updateable
            && self.right(object, field) == FieldRight::Edit
    }

    /// What others' records of an object are to the caller, and who the caller is.
    fn shared(&self, object: usize) -> Option<(Sharing, &str)> {
        match self {
            Access::All => None,
            Access::Granted(grants) => Some((
                grants.sharing.get(object).copied().unwrap_or_default(),
                grants.user.as_str(),
            )),
        }
    }

    /// The user whose own records are all that the caller sees of an object; `None` when all records are seen.
    pub(crate) fn own_records_of(&self, object: usize) -> Option<&str> {
        match self.shared(object)? {
            (Sharing::Private, user) if !self.rights(object).view_all => Some(user),
            _ => None,
        }
    }

    /// The reference to the record with which a record is seen or not; `None` when its owner decides, or nobody.
    pub(crate) fn master_of(&self, object: usize) -> Option<usize> {
        match self {
            Access::All => None,
            Access::Granted(grants) => grants.masters.get(object).copied().flatten(),
        }
    }

    /// The caller's Id, when not everything is open to the caller.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Access::All => None,
            Access::Granted(grants) => Some(&grants.user),
        }
    }

    /// The user whose own records are all that the caller may change; `None` when all may be changed.
    pub(crate) fn changes_only_of(&self, object: usize) -> Option<&str> {
        match self.shared(object)? {
            (Sharing::Private | Sharing::PublicReadOnly, user) if !self.rights(object).modify_all => {
                Some(user)
            }
            _ => None,
        }
    }
}

/// The fields that "Set Audit Fields upon Record Creation" opens.
const AUDIT: [&str; 4] = [
    "CreatedById",
    "CreatedDate",
    "LastModifiedById",
    "LastModifiedDate",
];

/// The standard objects on which they can be set; custom objects have them all.
const AUDITED: [&str; 16] = [
    "Account",
    "Attachment",
    "CampaignMember",
    "Case",
    "CaseComment",
    "Contact",
    "ContentVersion",
    "Contract",
    "Event",
    "Idea",
    "IdeaComment",
    "Lead",
    "Opportunity",
    "Question",
    "Task",
    "Vote",
];

impl Field {
    /// One of the fields that "Set Audit Fields upon Record Creation" opens.
    pub(crate) fn is_audit(&self) -> bool {
        AUDIT.contains(&self.name.as_str())
    }
}

/// Opens the audit fields of the objects that have them, as the org's setting does.
pub(crate) fn open_audit_fields(schema: &mut Schema) {
    schema.audit_fields = true;
    for object in &mut schema.objects {
        object.sets_audit_fields = object.custom || AUDITED.contains(&object.name.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::{OrgFile, schema};

    #[test]
    fn what_is_not_granted_is_not_there() {
        let file = OrgFile::parse("version: 1\nname: hq\naudit_fields: true\n", ".").expect("a file");
        let schema = schema::build(&file).expect("a schema");
        let account = schema.object("Account").expect("Account");
        let spec = &schema.objects[account];
        let (name, site) = (
            spec.field("Name").expect("Name"),
            spec.field("Site").expect("Site"),
        );
        let mut grants = Grants {
            objects: vec![Rights::default(); schema.objects.len()],
            fields: vec![Vec::new(); schema.objects.len()],
            ..Grants::default()
        };
        grants.objects[account] = Rights {
            read: true,
            edit: true,
            ..Rights::default()
        };
        grants.fields[account] = vec![FieldRight::Edit; spec.fields.len()];
        grants.fields[account][site] = FieldRight::Hidden;
        grants.fields[account][name] = FieldRight::Read;
        let some = Access::Granted(Arc::new(grants));
        assert_eq!(some.object(&schema, "account"), Some(account));
        assert_eq!(some.object(&schema, "Contact"), None);
        assert_eq!(some.field(&schema, account, "site"), None);
        assert!(some.sees(account, name) && !some.edits_field(account, spec, name));
        assert!(some.edits(account, spec) && !some.creates(account, spec) && !some.deletes(account, spec));
        // The owner is a user, and users are not readable here.
        assert_eq!(some.relationship(&schema, account, "Owner"), None);
        assert!(Access::All.relationship(&schema, account, "Owner").is_some());
        let created = spec.field("CreatedDate").expect("CreatedDate");
        assert!(Access::All.creates_field(account, spec, created));
        assert!(!some.creates_field(account, spec, created));
    }
}
