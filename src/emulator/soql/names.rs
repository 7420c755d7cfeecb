//! What the names of a statement stand for.

use super::{
    SoqlError,
    ast::Path,
    compile::Compiler,
    plan::{Hop, Leaf, PathRef},
};
use crate::emulator::schema::Kind;

/// Fields of the object `Name`, which stands for all that a polymorphic reference may point at.
const NAME_FIELDS: &[&str] = &[
    "Alias",
    "Email",
    "FirstName",
    "Id",
    "IsActive",
    "LastName",
    "LastReferencedDate",
    "LastViewedDate",
    "MiddleName",
    "Name",
    "NameOrAlias",
    "Phone",
    "ProfileId",
    "RecordTypeId",
    "Suffix",
    "Title",
    "Type",
    "UserRoleId",
    "Username",
];

/// Parents that `Name` has in turn.
const NAME_PARENTS: &[&str] = &["Profile", "UserRole", "RecordType"];

/// How far a path may climb.
const MAX_LEVELS: usize = 5;
/// How many different parents one statement may reach.
const MAX_PARENTS: usize = 55;

pub(super) const NAMES_HINT: &str =
    "Please reference your WSDL or the describe call for the appropriate names.";

impl Compiler<'_> {
    pub(super) fn invalid(&self, at: usize, message: &str) -> SoqlError {
        SoqlError::at("INVALID_FIELD", self.soql, at, message)
    }

    /// A field of the query's own object.
    pub(super) fn own(&self, field: usize) -> PathRef {
        let spec = &self.schema.objects[self.object].fields[field];
        PathRef {
            hops: Vec::new(),
            leaf: Leaf::Field(field),
            kind: spec.kind,
            folds: spec.folds_case(),
            field: (self.object, field),
        }
    }

    /// A path without the alias or object's name in front of it, its other aliases written out.
    fn without_alias(&self, parts: &[String]) -> Vec<String> {
        let [first, rest @ ..] = parts else {
            return Vec::new();
        };
        let own = &self.schema.objects[self.object];
        if rest.is_empty() {
            return parts.to_vec();
        }
        if let Some((_, path)) = self.aliases.iter().find(|(a, _)| a.eq_ignore_ascii_case(first)) {
            let mut whole = self.without_alias(path);
            whole.extend(rest.iter().cloned());
            return whole;
        }
        let named = self.alias.is_some_and(|a| a.eq_ignore_ascii_case(first))
            || own.name.eq_ignore_ascii_case(first) && own.relationship(first).is_none();
        if named { rest.to_vec() } else { parts.to_vec() }
    }

    /// The parents of a path: the object at its end, or the objects that it may be.
    pub(super) fn parents(&self, path: &Path, relations: &[String]) -> Result<(Vec<Hop>, Place), SoqlError> {
        if relations.len() > MAX_LEVELS {
            return Err(self.invalid(
                path.at,
                &format!(
                    "the path '{}' goes up more than {MAX_LEVELS} levels of relationships",
                    path.text()
                ),
            ));
        }
        let mut place = Place::Object(self.object);
        let mut hops: Vec<Hop> = Vec::new();
        for relation in relations {
            let from = match &place {
                Place::Object(object) => Some(*object),
                // Only users and groups have such parents.
                Place::Name(targets) => targets.iter().copied().find(|t| {
                    NAME_PARENTS.iter().any(|p| p.eq_ignore_ascii_case(relation))
                        && self.schema.objects[*t].relationship(relation).is_some()
                }),
            };
            let found = from.and_then(|o| self.relationship(o, relation).map(|f| (o, f)));
            let Some((from, field)) = found else {
                return Err(self.invalid(
                    path.at,
                    &format!(
                        "Didn't understand relationship '{relation}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. {NAMES_HINT}"
                    ),
                ));
            };
            let targets: Vec<usize> = self.schema.objects[from].fields[field]
                .reference_to
                .iter()
                .filter_map(|t| self.asker.access.object(self.schema, t))
                .collect();
            let several = self.schema.objects[from].fields[field].polymorphic();
            let to = if several { None } else { targets.first().copied() };
            hops.push(Hop {
                from,
                field,
                to,
                access: self.asker.access.clone(),
            });
            place = match to {
                Some(object) => Place::Object(object),
                None => Place::Name(targets),
            };
        }
        if !hops.is_empty() {
            let mut parents = self.parents.borrow_mut();
            for end in 1..=hops.len() {
                parents.insert(hops[..end].to_vec());
            }
            if parents.len() > MAX_PARENTS {
                return Err(SoqlError::malformed(format!(
                    "a query may reach up to {MAX_PARENTS} parents"
                )));
            }
        }
        Ok((hops, place))
    }

    /// A field by its path.
    pub(super) fn path(&self, path: &Path) -> Result<PathRef, SoqlError> {
        let parts = self.without_alias(&path.parts);
        let (last, relations) = parts
            .split_last()
            .ok_or_else(|| SoqlError::malformed("empty path"))?;
        let (hops, place) = self.parents(path, relations)?;
        let object = match place {
            Place::Object(object) => object,
            Place::Name(targets) => return self.of_name(path, hops, last, &targets),
        };
        let spec = &self.schema.objects[object];
        let Some(field) = self.field(object, last) else {
            return Err(self.no_column(path, last, &spec.name));
        };
        let f = &spec.fields[field];
        Ok(PathRef {
            hops,
            leaf: Leaf::Field(field),
            kind: f.kind,
            folds: f.folds_case(),
            field: (object, field),
        })
    }

    /// The relations of a path that names a parent itself, as TYPEOF does.
    pub(super) fn parent(&self, path: &Path) -> Result<(Vec<Hop>, Place), SoqlError> {
        let parts = self.without_alias(&path.parts);
        self.parents(path, &parts)
    }

    pub(super) fn no_column(&self, path: &Path, column: &str, entity: &str) -> SoqlError {
        self.invalid(
            path.at,
            &format!(
                "No such column '{column}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. {NAMES_HINT}"
            ),
        )
    }

    /// A field of `Name`.
    pub(super) fn of_name(
        &self,
        path: &Path,
        hops: Vec<Hop>,
        last: &str,
        targets: &[usize],
    ) -> Result<PathRef, SoqlError> {
        if !NAME_FIELDS.iter().any(|f| f.eq_ignore_ascii_case(last)) {
            return Err(self.no_column(path, last, "Name"));
        }
        if last.eq_ignore_ascii_case("Type") {
            return Ok(PathRef {
                hops,
                kind: Kind::Text,
                folds: true,
                field: (0, 0),
                leaf: Leaf::TypeName,
            });
        }
        let wanted = if last.eq_ignore_ascii_case("NameOrAlias") {
            "Name"
        } else {
            last
        };
        let fields: Vec<(usize, usize)> = targets
            .iter()
            .filter_map(|o| {
                let field = self.field(*o, wanted);
                // A case is named by its number.
                let named = wanted.eq_ignore_ascii_case("Name");
                field
                    .or_else(|| self.schema.objects[*o].name_field().filter(|_| named))
                    .map(|f| (*o, f))
            })
            .collect();
        // `Name` has the field even when nothing that it stands for has.
        let first = fields
            .iter()
            .copied()
            .find(|(o, f)| self.schema.objects[*o].fields[*f].name.eq_ignore_ascii_case(last))
            .or(fields.first().copied());
        let Some(first) = first else {
            return Err(self.no_column(path, last, "Name"));
        };
        let spec = &self.schema.objects[first.0].fields[first.1];
        Ok(PathRef {
            hops,
            kind: spec.kind,
            folds: spec.folds_case(),
            field: first,
            leaf: Leaf::OneOf(fields),
        })
    }

    /// A field that the asker may see.
    pub(super) fn field(&self, object: usize, name: &str) -> Option<usize> {
        self.asker.access.field(self.schema, object, name)
    }

    /// A reference that the asker may see.
    pub(super) fn relationship(&self, object: usize, name: &str) -> Option<usize> {
        self.asker.access.relationship(self.schema, object, name)
    }
}

/// Where a path of parents ends.
#[derive(Debug)]
pub(super) enum Place {
    Object(usize),
    /// One of several objects, of which only the fields of `Name` are known.
    Name(Vec<usize>),
}
