use std::borrow::Cow;

use super::{
    super::{Scope, UnknownField},
    *,
};
use crate::record::FieldPath;

/// Columns: 0 text of 40, 1 number(8,2), 2 a picklist, 3 a moment, 4 several values, 5 unknown, 6 a checkbox.
struct Six;

impl Scope for Six {
    fn field(&mut self, path: &FieldPath) -> Result<usize, UnknownField> {
        Ok(match path.as_str() {
            "Name" => 0,
            "Amount" => 1,
            "Stage" => 2,
            "At" => 3,
            "Skills" => 4,
            "Active" => 6,
            _ => 5,
        })
    }

    fn var_names(&self) -> Cow<'_, [String]> {
        ["x", "motto", "rate", "tags", "both"]
            .map(str::to_owned)
            .to_vec()
            .into()
    }

    fn has_item(&self) -> bool {
        true
    }
}

/// Vars: x of no value yet, motto a text, rate a number, tags a list; an item of a text of 40.
impl Known for Six {
    fn column(&self, column: usize) -> Type {
        match column {
            0 => Type::text(Some(40)),
            1 => Type::number(Some(6), Some(2)),
            2 => Type {
                read: Some(vec!["Open".into(), "Won".into()]),
                ..Type::text(Some(255))
            },
            3 => Type::of(TypeKind::DateTime),
            4 => Type {
                kind: TypeKind::Multi,
                read: Some(vec!["Java".into(), "SQL".into()]),
                ..Type::text(Some(4099))
            },
            6 => Type::of(TypeKind::Bool),
            _ => Type::default(),
        }
    }

    fn var(&self, name: &str) -> Type {
        let value = match name {
            "motto" => Value::text("ever on"),
            "rate" => Value::Number(crate::record::Number::exact("1.25").expect("a number")),
            "tags" => Value::from_json(&serde_json::json!(["Java", "Go"])),
            "both" => Value::text("Java;Go"),
            _ => return Type::default(),
        };
        Type::constant(&value).of_var(name)
    }

    fn item(&self) -> Type {
        Type::text(Some(40))
    }
}

fn compiled(source: &str) -> Expr {
    Expr::compile(source, &mut Six).unwrap_or_else(|e| panic!("{source}: {e:?}"))
}

fn infer(source: &str) -> Type {
    compiled(source).infer(&Six)
}

#[test]
fn lengths_flow_through_filters_and_templates() {
    for (source, length) in [
        ("Name", Some(40)),
        ("Name | trim | upper", Some(40)),
        ("Name | truncate(10)", Some(10)),
        ("Name | truncate(100)", Some(40)),
        ("Other | truncate(10)", Some(10)),
        ("Name[:12]", Some(12)),
        ("Name ~ ' ' ~ Name", Some(81)),
        ("{{ Name }}, {{ Name }}", Some(82)),
        ("{% if Name %}{{ Name }}{% else %}none{% endif %}!", Some(41)),
        (
            "{% set all %}{{ Name }}{{ Name }}{% endset %}{{ all | truncate(50) }}",
            Some(50),
        ),
        ("{% for x in Skills | split_multi %}{{ x }}{% endfor %}", None),
        ("{{ Other }}", None),
        ("Name | replace('a', 'bc')", None),
        ("Name | replace('ab', 'c')", Some(40)),
        ("Name | default('x')", Some(40)),
        ("Name | hash", Some(64)),
        ("At ~ ''", Some(24)),
    ] {
        assert_eq!(infer(source).longest(), length, "{source}");
    }
}

#[test]
fn digits_flow_through_arithmetic() {
    for (source, whole, scale) in [
        ("Amount", Some(6), Some(2)),
        ("Amount * 1.25", Some(7), Some(4)),
        ("Amount + 1", Some(7), Some(2)),
        ("-Amount", Some(6), Some(2)),
        ("Amount / 3", None, Some(28)),
        ("Amount | round", Some(7), Some(0)),
        ("Amount | decimal(1)", Some(7), Some(1)),
        ("Other * 2", None, None),
    ] {
        let found = infer(source);
        assert_eq!((found.whole, found.scale), (whole, scale), "{source}");
        assert_eq!(found.kind, TypeKind::Number, "{source}");
    }
}

#[test]
fn closed_lists_stay_closed() {
    let values = |source: &str| {
        let found = infer(source);
        let written: Vec<String> = found
            .written
            .iter()
            .filter_map(|v| v.as_text().map(str::to_owned))
            .collect();
        (written.join(","), found.read.map(|read| read.join(",")))
    };
    let closed = |written: &str, read: &str| (written.to_owned(), Some(read.to_owned()));
    assert_eq!(values("Stage"), closed("", "Open,Won"));
    assert_eq!(values("Stage | upper"), closed("", "OPEN,WON"));
    assert_eq!(values("Stage | default('New')"), closed("New", "Open,Won"));
    assert_eq!(values("'A' if Name else 'B'"), closed("A,B", ""));
    assert_eq!(values("Skills | split_multi | first"), closed("", "Java,SQL"));
    assert_eq!(
        values("'A' if Name else Name"),
        ("A".to_owned(), None),
        "what is read may be anything"
    );
    assert_eq!(values("Stage | truncate(1)"), (String::new(), None));
}

#[test]
fn kinds_are_told() {
    for (source, kind) in [
        ("At | date", TypeKind::Date),
        ("Name | datetime", TypeKind::DateTime),
        ("Name == 'x'", TypeKind::Bool),
        ("Skills | split_multi", TypeKind::List),
        ("Skills | split_multi | join_multi", TypeKind::Multi),
        ("Skills | split_multi | join(', ')", TypeKind::Text),
        ("At if Name else null", TypeKind::DateTime),
        ("At if Name else Amount", TypeKind::Any),
        ("Other", TypeKind::Any),
        ("vars.x", TypeKind::Any),
    ] {
        assert_eq!(infer(source).kind, kind, "{source}");
    }
    assert_eq!(
        infer("Skills | split_multi | join(', ')").joined.as_deref(),
        Some(", ")
    );
}

#[test]
fn vars_and_items_are_typed() {
    for (source, kind, longest) in [
        ("vars.x", TypeKind::Any, None),
        ("vars.motto", TypeKind::Text, Some(7)),
        ("vars.motto | upper", TypeKind::Text, Some(7)),
        ("{{ vars.motto }}: {{ Name }}", TypeKind::Text, Some(49)),
        ("vars.tags", TypeKind::List, Some(4)),
        ("vars.tags | join_multi", TypeKind::Multi, None),
        ("vars.tags[0]", TypeKind::Text, None),
        ("item", TypeKind::Text, Some(40)),
        ("item_number", TypeKind::Number, None),
        ("[Name, Amount] | first", TypeKind::Any, Some(40)),
        ("Name | split(',') | first", TypeKind::Text, Some(40)),
        ("Name | first", TypeKind::Text, Some(1)),
    ] {
        let found = infer(source);
        assert_eq!((found.kind, found.longest()), (kind, longest), "{source}");
    }
    let rate = infer("Amount * vars.rate");
    assert_eq!((rate.whole, rate.scale), (Some(7), Some(4)));
    let written = |source: &str| {
        let written = infer(source).written;
        let texts: Vec<String> = written
            .iter()
            .filter_map(|w| w.as_text().map(str::to_owned))
            .collect();
        assert!(written.iter().all(|w| w.var.is_some()), "{source}");
        texts.join(",")
    };
    assert_eq!(written("vars.tags | join_multi"), "Java,Go");
    assert_eq!(written("vars.both | split_multi"), "Java,Go");
    // Which of them it is is not known.
    assert_eq!(written("vars.tags | first"), "");
}

#[test]
fn operands_that_never_fit_are_found() {
    let clashes = |source: &str| {
        let found = compiled(source).clashes(&Six);
        found
            .iter()
            .map(|clash| format!("{} {:?}", clash.operator, clash.outcome))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (source, expected) in [
        ("Name * 2", "* Fails"),
        ("-Name", "- Fails"),
        ("Amount + At", "+ Fails"),
        ("Amount > '5'", "> Fails"),
        ("Name < 5", "< Fails"),
        ("Active > 1", "> Fails"),
        ("Active < Active", "< Fails"),
        ("Name == 5", "== Differs"),
        ("Active != 'true'", "!= Differs"),
        ("Name is eq(5)", "== Differs"),
        ("Amount in ['1', '2']", "in Differs"),
        ("Amount in 7", "in Fails"),
        ("Name | round(2)", "round Fails"),
        ("Name | join(', ')", "join Fails"),
        ("vars.tags | upper", "upper Fails"),
        ("vars.tags ~ Name", "~ Fails"),
        ("Name | map('upper')", "map Fails"),
        ("{% if Name > 5 %}x{% endif %}", "> Fails"),
        ("'x' if Name > 5 else 'y'", "> Fails"),
        ("Name * 2 if Name * 2 else 1", "* Fails"),
        // What may work.
        ("Amount * 2", ""),
        ("Other * 2", ""),
        ("Name | decimal * 2", ""),
        ("vars.x > 5", ""),
        ("At > '2020-01-01'", ""),
        ("Name == ''", ""),
        ("Name == null", ""),
        ("Amount in [1, 2]", ""),
        ("Name in 'abc'", ""),
        ("Name in ['a', 1]", ""),
        ("vars.tags + ['x']", ""),
        ("Skills | split_multi | join(', ')", ""),
        ("(Amount if Active else 'n/a') ~ ''", ""),
        ("(Amount if Active else '7') > '5'", ""),
        ("Name * 2 if Name is number else Name", ""),
        ("Name ~ 5", ""),
    ] {
        assert_eq!(clashes(source), expected, "{source}");
    }
}
