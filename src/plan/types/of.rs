//! What a mapping value gives, as far as the describes and the file tell.

use super::super::{
    LINE,
    schemas::{Resolved, Schemas},
};
use crate::{
    file::Format,
    pipeline::{
        Pipeline,
        expr::{Clash, Expr, Ids, Known, Outcome, Type, TypeKind, Vars},
        model::{MapValue, Mask, Missing, Source, Step, StepRef, Table, VarDefault, VarKind},
        soql::SelectKind,
    },
    record::{FieldPath, Value},
    salesforce::{Field, FieldType},
};

/// What the expressions of a step read: its rows, vars, the target's records.
#[derive(Clone, Copy)]
pub(in crate::plan) struct Reads<'a> {
    pub(in crate::plan) pipeline: &'a Pipeline,
    pub(in crate::plan) step: &'a Step,
    pub(in crate::plan) schemas: &'a Schemas,
    /// Those of the run; where nothing is sent, the defaults.
    pub(in crate::plan) vars: &'a Vars,
}

/// The names of an expression.
struct Names<'r> {
    reads: &'r Reads<'r>,
    columns: &'r [FieldPath],
}

impl Known for Names<'_> {
    fn column(&self, column: usize) -> Type {
        match self.reads.step.whole_row == Some(column) {
            true => Type::default(),
            false => self.reads.column_type(self.columns.get(column)),
        }
    }

    fn var(&self, name: &str) -> Type {
        self.reads.var_type(name)
    }

    fn item(&self) -> Type {
        match &self.reads.step.each {
            Some(each) => each.expr.infer(self).entries(),
            None => Type::default(),
        }
    }
}

impl Reads<'_> {
    /// What in an expression can never work.
    pub(super) fn clashes(&self, expr: &Expr, columns: &[FieldPath]) -> Vec<Clash> {
        expr.clashes(&Names { reads: self, columns })
    }

    /// Whether an expression fails for every row that has values.
    pub(super) fn fails(&self, expr: &Expr, columns: &[FieldPath]) -> bool {
        let clashes = self.clashes(expr, columns);
        clashes.iter().any(|clash| clash.outcome == Outcome::Fails)
    }

    /// What a var holds. Where nothing is sent, its default stands for it.
    fn var_type(&self, name: &str) -> Type {
        let Some(var) = self.pipeline.vars.iter().find(|var| var.name == name) else {
            return Type::default();
        };
        if !self.schemas.stands_for_any(name) {
            return match self.vars.get(name) {
                Some(value) => Type::constant(value).of_var(name),
                None => Type::default(),
            };
        }
        match (&var.default, var.kind) {
            (VarDefault::Required, VarKind::Text) => Type::default(),
            (_, VarKind::Text) => Type::text(None),
            (_, VarKind::Number) => Type::of(TypeKind::Number),
            (_, VarKind::Bool) => Type::of(TypeKind::Bool),
            (_, VarKind::List) => Type::of(TypeKind::List),
        }
    }

    /// What can come out of a mapping value.
    pub(in crate::plan) fn type_of(&self, value: &MapValue, columns: &[FieldPath]) -> Type {
        match value {
            MapValue::Expr(expr) => expr.infer(&Names { reads: self, columns }),
            MapValue::Literal(value) => Type::constant(value),
            MapValue::When { then, .. } => self.type_of(then, columns),
            MapValue::First(values) => values
                .iter()
                .map(|value| self.type_of(value, columns))
                .reduce(Type::or)
                .unwrap_or_default(),
            MapValue::Table {
                table, of, otherwise, ..
            } => from_table(table, self.type_of(of, columns), otherwise),
            MapValue::Ref {
                steps, missing, give, ..
            } => {
                let mut objects = Vec::new();
                for step in steps {
                    let object = match step {
                        StepRef::Own(index) => match &self.pipeline.steps[*index].target {
                            target if target.file.is_none() => target.object.as_str(),
                            _ => "",
                        },
                        StepRef::Foreign(index) => {
                            self.pipeline.foreign.get(*index).map_or("", |step| &step.object)
                        }
                    };
                    // A step that writes a file keeps the source's own ids.
                    if object.is_empty() {
                        return Type::default();
                    }
                    objects.push(object.to_owned());
                }
                match give {
                    Some((path, _)) => self.found(&objects, path),
                    None => ids(objects, false),
                }
                .or(instead(missing))
            }
            MapValue::Lookup {
                lookup, otherwise, ..
            } => match &lookup.give {
                Some((path, _)) => self.found(std::slice::from_ref(&lookup.object), path),
                None => ids(vec![lookup.object.clone()], false),
            }
            .or(instead(otherwise)),
            MapValue::Only { then, .. } => self.type_of(then, columns),
            MapValue::Omit => Type::constant(&Value::Null),
            MapValue::Mask { kind, of } => match kind {
                Mask::Email | Mask::Name => Type::text(None),
                Mask::Phone | Mask::Text | Mask::Digits => Type::text(self.type_of(of, columns).longest()),
            },
            MapValue::RecordType { otherwise, .. } => {
                ids(vec!["RecordType".to_owned()], false).or(instead(otherwise))
            }
            MapValue::JsonPath { .. } => Type::default(),
        }
    }

    /// What a field of the target's records holds, which a `ref` or `lookup` gives.
    fn found(&self, objects: &[String], path: &FieldPath) -> Type {
        objects
            .iter()
            .map(
                |object| match self.schemas.resolve(&self.step.target.connection, object, path) {
                    Resolved::Field(field) => {
                        let mut given = of_field(field);
                        if let Some(ids) = &mut given.ids {
                            ids.of_source = false;
                            if field.kind == FieldType::Id {
                                ids.objects = vec![object.clone()];
                            }
                        }
                        given
                    }
                    _ => Type::default(),
                },
            )
            .reduce(Type::or)
            .unwrap_or_default()
    }

    /// What a column of the step's rows holds. Cells of a CSV file are texts; of JSON nothing is known.
    fn column_type(&self, path: Option<&FieldPath>) -> Type {
        if let Source::File(file) = &self.step.source {
            let text =
                matches!(file.format, Format::Csv { .. }) || path.is_some_and(|path| path.as_str() == LINE);
            return match text {
                true => Type::text(None),
                false => Type::default(),
            };
        }
        match path.and_then(|path| self.column(path)) {
            Some(Column::Field(field)) => of_field(field),
            Some(Column::Number) => Type::of(TypeKind::Number),
            Some(Column::Text) => Type::text(None),
            None => Type::default(),
        }
    }

    /// The field that a column is, or what is made of it.
    pub(in crate::plan) fn column(&self, path: &FieldPath) -> Option<Column<'_>> {
        let object = self.step.source.object()?;
        let resolved = |path| match self.schemas.resolve(&self.step.source_connection, object, path) {
            Resolved::Field(field) => Some(Column::Field(field)),
            _ => None,
        };
        let Source::Soql { query, .. } = &self.step.source else {
            return resolved(path);
        };
        let Some(item) = query.select.iter().find(|item| item.name() == *path) else {
            return resolved(path);
        };
        match &item.kind {
            SelectKind::Field => resolved(&item.path),
            SelectKind::Aggregate(name) => match name.to_ascii_uppercase().as_str() {
                "MIN" | "MAX" => resolved(&item.path),
                _ => Some(Column::Number),
            },
            SelectKind::Function(name) => match name.to_ascii_lowercase().as_str() {
                "tolabel" | "format" => Some(Column::Text),
                "convertcurrency" => Some(Column::Number),
                _ => None,
            },
        }
    }
}

/// What a table makes of its input. A list is mapped entry by entry; of what may be one, nothing but the entries is
/// known.
fn from_table(table: &Table, of: Type, otherwise: &Missing) -> Type {
    let mut keys: Vec<(&String, &Value)> = table.entries.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| key.as_str());
    let mut values: Vec<&Value> = Vec::new();
    for (_, value) in keys {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let kind = of.kind;
    let mapped = values
        .into_iter()
        .map(Type::constant)
        .reduce(Type::or)
        .unwrap_or_else(|| Type::constant(&Value::Null));
    let shaped = |entries: Type| match kind {
        TypeKind::List => Type::list_of(std::iter::once(entries)),
        TypeKind::Any => Type {
            kind: TypeKind::Any,
            ..entries
        },
        _ => entries,
    };
    let otherwise = match otherwise {
        Missing::Keep => {
            let mut kept = match kind {
                TypeKind::List => of.entries(),
                _ => of,
            };
            let mapped_away = |text: &str| table.entries.contains_key(text);
            if let Some(read) = &mut kept.read {
                read.retain(|text| !mapped_away(text));
            }
            kept.written
                .retain(|written| !written.as_text().is_some_and(mapped_away));
            kept
        }
        other => instead(other),
    };
    shaped(mapped.or(otherwise))
}

/// What a column of rows is.
pub(in crate::plan) enum Column<'s> {
    Field(&'s Field),
    Number,
    Text,
}

fn instead(missing: &Missing) -> Type {
    match missing {
        Missing::Value(value) => Type::constant(value),
        Missing::Park | Missing::Skip | Missing::Null | Missing::Omit | Missing::Stop | Missing::Keep => {
            Type::constant(&Value::Null)
        }
    }
}

fn ids(objects: Vec<String>, of_source: bool) -> Type {
    Type {
        ids: Some(Ids { objects, of_source }),
        ..Type::of(TypeKind::Id)
    }
}

/// What a field of the source holds.
pub(super) fn of_field(field: &Field) -> Type {
    let length = (field.length > 0).then_some(field.length);
    let values = || -> Vec<String> {
        let active = field.picklist_values.iter().filter(|value| value.active);
        active.map(|value| value.value.to_string()).collect()
    };
    match field.kind {
        FieldType::Boolean => Type::of(TypeKind::Bool),
        FieldType::Int | FieldType::Long => Type::number((field.digits > 0).then_some(field.digits), Some(0)),
        FieldType::Double | FieldType::Currency | FieldType::Percent if field.precision > 0 => Type::number(
            Some(field.precision.saturating_sub(field.scale)),
            Some(field.scale),
        ),
        FieldType::Double | FieldType::Currency | FieldType::Percent => Type::of(TypeKind::Number),
        FieldType::Date => Type::of(TypeKind::Date),
        FieldType::DateTime => Type::of(TypeKind::DateTime),
        FieldType::Time => Type::of(TypeKind::Time),
        FieldType::Id => ids(Vec::new(), true),
        FieldType::Reference => ids(
            field
                .reference_to
                .iter()
                .map(|object| object.to_string())
                .collect(),
            true,
        ),
        FieldType::Picklist => {
            // The list is what is known of the values, whether the org holds to it or not.
            let values = values();
            let longest = values.iter().map(|value| value.chars().count()).max();
            Type {
                length: longest.and_then(|n| u32::try_from(n).ok()).or(length),
                read: (!values.is_empty()).then_some(values),
                ..Type::text(None)
            }
        }
        FieldType::MultiPicklist => {
            let values = values();
            Type {
                kind: TypeKind::Multi,
                read: (!values.is_empty()).then_some(values),
                ..Type::text(length)
            }
        }
        FieldType::Address | FieldType::Location | FieldType::ComplexValue | FieldType::Base64 => {
            Type::of(TypeKind::Compound)
        }
        FieldType::String
        | FieldType::TextArea
        | FieldType::Phone
        | FieldType::Url
        | FieldType::Email
        | FieldType::EncryptedString
        | FieldType::Combobox => Type::text(length),
        FieldType::DataCategoryGroupReference | FieldType::AnyType | FieldType::Json | FieldType::Other => {
            Type::default()
        }
    }
}
