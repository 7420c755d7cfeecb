//! What a statement's columns are, for clients that print tables: `/query?q=...&columns=true`.

use serde_json::{Map, Value as Json, json};

use super::Reply;
use crate::emulator::{
    access::Access,
    schema::{Field, Kind, Schema},
    soql::{Groups, Hop, Node, Output, Plan, Value},
    store::Store,
};

/// Describes the columns; no row is read.
pub(super) fn describe(access: &Access, store: &Store, plan: &Plan) -> Reply {
    let columns = Columns {
        access,
        schema: &store.schema,
    };
    let object = &store.schema.objects[plan.object];
    let (list, grouped) = match &plan.output {
        Output::Count => (Vec::new(), false),
        Output::Groups(groups) => (columns.groups(groups), groups.is_grouped()),
        Output::Rows => (columns.nodes(&plan.nodes), false),
    };
    let id_selected = list.iter().any(|column| column["columnName"] == "Id");
    Reply::json(
        200,
        &json!({
            "columnMetadata": list,
            "entityName": object.name,
            "groupBy": grouped,
            "idSelected": id_selected,
            "keyPrefix": object.prefix,
        }),
    )
}

struct Columns<'a> {
    access: &'a Access,
    schema: &'a Schema,
}

impl Columns<'_> {
    fn nodes(&self, nodes: &[Node]) -> Vec<Json> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn node(&self, node: &Node) -> Json {
        match node {
            Node::Leaf(key, value) => self.field(key, value),
            Node::Parent(key, hop, inner) => self.parent(key, hop, self.nodes(inner)),
            Node::TypeOf(key, hop, branches, otherwise) => {
                // What any branch selects, once.
                let mut inner: Vec<Json> = Vec::new();
                for node in branches.iter().flat_map(|(_, nodes)| nodes).chain(otherwise) {
                    let column = self.node(node);
                    if !inner.iter().any(|c| c["columnName"] == column["columnName"]) {
                        inner.push(column);
                    }
                }
                self.parent(key, hop, inner)
            }
            Node::Children(key, children) => Column {
                aggregate: true,
                joined: self.nodes(&children.plan.nodes),
                ..Column::named(key)
            }
            .json(),
        }
    }

    fn parent(&self, key: &str, hop: &Hop, inner: Vec<Json>) -> Json {
        Column {
            foreign_key: Some(&self.schema.objects[hop.from].fields[hop.field].name),
            joined: inner,
            ..Column::named(key)
        }
        .json()
    }

    fn field(&self, name: &str, value: &Value) -> Json {
        let (object, place) = value.path.field;
        let spec = &self.schema.objects[object];
        let field: &Field = &spec.fields[place];
        Column {
            apex_type: Some(apex_type(value.kind)),
            kind: Some(value.kind),
            custom: field.custom,
            insertable: self.access.creates_field(object, spec, place),
            updatable: self.access.edits_field(object, spec, place),
            ..Column::named(name)
        }
        .json()
    }

    fn groups(&self, groups: &Groups) -> Vec<Json> {
        groups
            .columns
            .iter()
            .map(|column| match groups.function(column) {
                None => match groups.key(column) {
                    Some(value) => self.field(&column.name, value),
                    None => Column::named(&column.name).json(),
                },
                Some((function, value)) => Column {
                    aggregate: true,
                    display_name: Some(format!("{function}({})", value.path.spec(self.schema).name)),
                    kind: Some(column.kind),
                    ..Column::named(&column.name)
                }
                .json(),
            })
            .collect()
    }
}

struct Column<'a> {
    name: &'a str,
    display_name: Option<String>,
    aggregate: bool,
    apex_type: Option<&'static str>,
    kind: Option<Kind>,
    custom: bool,
    foreign_key: Option<&'a str>,
    insertable: bool,
    updatable: bool,
    joined: Vec<Json>,
}

impl<'a> Column<'a> {
    fn named(name: &'a str) -> Self {
        Column {
            name,
            display_name: None,
            aggregate: false,
            apex_type: None,
            kind: None,
            custom: false,
            foreign_key: None,
            insertable: false,
            updatable: false,
            joined: Vec::new(),
        }
    }

    fn json(self) -> Json {
        let mut map = Map::new();
        let mut put = |key: &str, value: Json| map.insert(key.to_owned(), value);
        put("aggregate", self.aggregate.into());
        put("apexType", self.apex_type.into());
        put("booleanType", (self.kind == Some(Kind::Boolean)).into());
        put("columnName", self.name.into());
        put("custom", self.custom.into());
        put(
            "displayName",
            self.display_name.as_deref().unwrap_or(self.name).into(),
        );
        put("foreignKeyName", self.foreign_key.into());
        put("insertable", self.insertable.into());
        put("joinColumns", self.joined.into());
        put("numberType", self.kind.is_some_and(Kind::is_number).into());
        put(
            "textType",
            self.kind.is_some_and(|k| apex_type(k) == "String").into(),
        );
        put("updatable", self.updatable.into());
        Json::Object(map)
    }
}

/// The type of a variable that Apex code would keep the value in.
fn apex_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Reference => "Id",
        Kind::Boolean => "Boolean",
        Kind::Int => "Integer",
        Kind::Double | Kind::Currency | Kind::Percent => "Double",
        Kind::Date => "Date",
        Kind::DateTime => "Datetime",
        Kind::Time => "Time",
        Kind::Address => "Address",
        Kind::Location => "Location",
        Kind::Base64 => "Blob",
        Kind::Text
        | Kind::TextArea
        | Kind::LongText
        | Kind::RichText
        | Kind::Picklist
        | Kind::MultiPicklist
        | Kind::Combobox
        | Kind::Email
        | Kind::Phone
        | Kind::Url
        | Kind::Encrypted => "String",
    }
}
