//! Every word of `otherwise` and `missing` in every form, alone and inside others.

use std::borrow::Cow;

use super::*;
use crate::{
    pipeline::{
        expr::{Expr, RunInfo, Scope, UnknownField, UnknownReason, Vars},
        model::Mask,
    },
    transform::{Known, Masker},
};

/// `known` is found, `several` twice, `parked` waits, `filtered` was left out; nothing else is there.
struct World(Masker);

impl Answers for World {
    fn reference(&self, _: StepRef, id: &str) -> Option<RefAnswer> {
        Some(match id {
            "known" => RefAnswer::Linked("T1".into()),
            "lost" => RefAnswer::Linked("T9".into()),
            "parked" => RefAnswer::Parked,
            "filtered" => RefAnswer::Filtered,
            _ => RefAnswer::Unknown,
        })
    }

    fn given(&self, _: StepRef, field: &FieldPath, id: &str) -> Option<Option<Value>> {
        Some((id == "T1").then(|| Value::text(format!("{field} of {id}"))))
    }

    fn lookup(&self, _: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer> {
        let key: Vec<&str> = key.iter().map(|k| k.as_deref().unwrap_or("null")).collect();
        Some(match key.join(",").as_str() {
            "known" => LookupAnswer::Found("T1".into()),
            "known,null" => LookupAnswer::Found("T2".into()),
            "several" => LookupAnswer::Several(2),
            _ => LookupAnswer::None,
        })
    }

    fn masker(&self) -> Option<&Masker> {
        Some(&self.0)
    }

    fn record_type(&self, name: &str) -> Option<CompactString> {
        (name == "known").then(|| "T1".into())
    }
}

struct NoFields;

impl Scope for NoFields {
    fn field(&mut self, _: &FieldPath) -> Result<usize, UnknownField> {
        Err(UnknownField {
            reason: UnknownReason::NoRow,
            suggestion: None,
        })
    }

    fn var_names(&self) -> Cow<'_, [String]> {
        Cow::Owned(Vec::new())
    }
}

fn expr(source: &str) -> Expr {
    Expr::compile(source, &mut NoFields).expect(source)
}

/// A value as the source has it, where an empty one is no literal null.
fn text(text: &str) -> MapValue {
    match text {
        "" => MapValue::Expr(expr("null")),
        text => MapValue::Expr(expr(&format!("'{text}'"))),
    }
}

fn list(source: &str) -> MapValue {
    MapValue::Expr(expr(source))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Table,
    Ref,
    Lookup,
    RecordType,
}

const FORMS: [Form; 4] = [Form::Table, Form::Ref, Form::Lookup, Form::RecordType];

fn form(kind: Form, of: MapValue, missing: Missing) -> MapValue {
    let of_boxed = Box::new(of.clone());
    match kind {
        Form::Table => MapValue::Table {
            table: Arc::new(Table {
                name: "t".into(),
                entries: [("known", "T1"), ("X", "from X"), ("T1", "from T1"), ("gone2", "")]
                    .into_iter()
                    .map(|(from, to)| (from.to_owned(), Value::text(to)))
                    .collect(),
                ..Table::default()
            }),
            of: of_boxed,
            otherwise: missing,
        },
        Form::Ref => MapValue::Ref {
            steps: vec![StepRef::Own(0), StepRef::Foreign(0)],
            of: of_boxed,
            give: None,
            missing,
            span: Default::default(),
        },
        Form::Lookup => lookup(vec![of], missing),
        Form::RecordType => MapValue::RecordType {
            of: of_boxed,
            otherwise: missing,
        },
    }
}

fn lookup(of: Vec<MapValue>, otherwise: Missing) -> MapValue {
    MapValue::Lookup {
        lookup: Arc::new(Lookup {
            object: "User".into(),
            object_span: Default::default(),
            by: vec![(FieldPath::from("Email"), Default::default()); of.len()],
            condition: None,
            condition_span: Default::default(),
            filters: Vec::new(),
            semi_joins: Vec::new(),
            give: None,
        }),
        of,
        otherwise,
    }
}

/// What a value comes to without a row.
fn of_no_row<'m>(value: &'m MapValue, answers: &dyn Answers) -> Raw<'m> {
    let (vars, run) = (Vars::new(), RunInfo::default());
    let context = Context {
        row: &[],
        vars: &vars,
        run: &run,
        item: None,
        item_number: 0,
    };
    eval(value, &context, answers, "Field")
}

fn settled(value: &MapValue) -> String {
    let world = World(Masker::new(b"a key of a test"));
    match settle(of_no_row(value, &world)) {
        Settled::Value(Value::Null) => "null".into(),
        Settled::Value(value) => value
            .as_text()
            .map_or_else(|| value.to_json().to_string(), str::to_owned),
        Settled::Clear => "clear".into(),
        Settled::Omit => "omit".into(),
        Settled::Skip => "skip".into(),
        Settled::Park(reason) => format!("park {}", reason.code),
        Settled::Stop(reason) => format!("stop {}", reason.code),
        Settled::Unknown => "unknown".into(),
    }
}

fn code(kind: Form) -> &'static str {
    match kind {
        Form::Table => "not_in_table",
        Form::Ref => "missing_parent",
        Form::Lookup => "not_found",
        Form::RecordType => "no_record_type",
    }
}

fn words(kind: Form) -> Vec<(Missing, String)> {
    let mut words = vec![
        (Missing::Park, format!("park {}", code(kind))),
        (Missing::Skip, "skip".into()),
        (Missing::Null, "null".into()),
        (Missing::Omit, "omit".into()),
        (Missing::Stop, format!("stop {}", code(kind))),
        (Missing::Value("X".into()), "X".into()),
    ];
    if kind == Form::Table {
        words.push((Missing::Keep, "gone".into()));
    }
    words
}

#[test]
fn every_word_in_every_form() {
    for kind in FORMS {
        for (word, expected) in words(kind) {
            let of = |input: &str| settled(&form(kind, text(input), word.clone()));
            assert_eq!(of("gone"), expected, "{kind:?} {word:?}");
            assert_eq!(of("known"), "T1", "{kind:?} {word:?}");
            // An empty source value is not a missing one.
            assert_eq!(of(""), "null", "{kind:?} {word:?}");
        }
    }
}

#[test]
fn forms_in_forms() {
    for outer in FORMS {
        for inner in FORMS {
            let nested = |input: &str, word: Missing| {
                settled(&form(
                    outer,
                    form(inner, text(input), word),
                    Missing::Value("outer".into()),
                ))
            };
            // What the inner one finds is what the outer one looks for.
            let found = if outer == Form::Table { "from T1" } else { "outer" };
            assert_eq!(nested("known", Missing::Park), found, "{outer:?} of {inner:?}");
            assert_eq!(nested("", Missing::Park), "null", "{outer:?} of {inner:?}");
            // Null and a value go on; the other words end the field or the row.
            for (word, _) in words(inner) {
                let expected = match &word {
                    Missing::Park => format!("park {}", code(inner)),
                    Missing::Stop => format!("stop {}", code(inner)),
                    Missing::Skip => "skip".into(),
                    Missing::Omit => "omit".into(),
                    Missing::Null => "null".into(),
                    Missing::Value(_) if outer == Form::Table => "from X".into(),
                    Missing::Value(_) | Missing::Keep => "outer".into(),
                };
                assert_eq!(
                    nested("gone", word.clone()),
                    expected,
                    "{outer:?} of {inner:?}, {word:?}"
                );
            }
        }
    }
}

#[test]
fn first_takes_what_is_there() {
    let when = |holds: bool, then: MapValue| MapValue::When {
        condition: expr(if holds { "true" } else { "1 > 2" }),
        then: Box::new(then),
    };
    let first = |values: Vec<MapValue>| settled(&MapValue::First(values));
    for kind in FORMS {
        for (word, expected) in words(kind) {
            let gone = || form(kind, text("gone"), word.clone());
            // What is missing gives way, whatever its own word; the last one's word decides.
            assert_eq!(first(vec![gone(), text("b")]), "b", "{kind:?} {word:?}");
            assert_eq!(first(vec![text(""), gone()]), expected, "{kind:?} {word:?}");
            assert_eq!(first(vec![gone(), MapValue::First(vec![gone(), text("c")])]), "c");
        }
        assert_eq!(first(vec![form(kind, text(""), Missing::Park), text("b")]), "b");
        assert_eq!(
            first(vec![form(kind, text("known"), Missing::Park), text("b")]),
            "T1"
        );
        assert_eq!(
            first(vec![
                when(false, form(kind, text("known"), Missing::Park)),
                text("b")
            ]),
            "b"
        );
        assert_eq!(
            first(vec![
                when(true, form(kind, text("known"), Missing::Park)),
                text("b")
            ]),
            "T1"
        );
    }
    assert_eq!(first(vec![MapValue::Omit, text("b")]), "b");
    assert_eq!(first(vec![MapValue::Literal(Value::Null), text("b")]), "b");
    assert_eq!(first(vec![text(""), when(false, text("b"))]), "omit");
    assert_eq!(first(vec![text(""), text("")]), "null");
    assert_eq!(first(vec![text(""), MapValue::Literal(Value::Null)]), "clear");
    // What is ambiguous, or waits, is no matter of taste.
    let several = form(Form::Lookup, text("several"), Missing::Null);
    assert_eq!(first(vec![several.clone(), text("b")]), "park ambiguous");
    assert_eq!(settled(&several), "park ambiguous");
    let waits = form(Form::Ref, text("parked"), Missing::Null);
    assert_eq!(first(vec![waits, text("b")]), "park waits_for_parent");
    assert_eq!(settled(&form(Form::Ref, text("filtered"), Missing::Skip)), "skip");
}

#[test]
fn lists_are_mapped_entry_by_entry() {
    for (word, expected) in [
        (Missing::Park, "park not_in_table"),
        (Missing::Skip, "skip"),
        (Missing::Stop, "stop not_in_table"),
        (Missing::Null, r#"["T1"]"#),
        (Missing::Omit, r#"["T1"]"#),
        (Missing::Value("X".into()), r#"["T1","X"]"#),
        (Missing::Keep, r#"["T1","gone"]"#),
    ] {
        let value = form(Form::Table, list("['known', 'gone', null]"), word.clone());
        assert_eq!(settled(&value), expected, "{word:?}");
    }
    assert_eq!(
        settled(&form(Form::Table, list("['known', null]"), Missing::Park)),
        r#"["T1"]"#
    );
    assert_eq!(settled(&form(Form::Table, list("[]"), Missing::Park)), "[]");
    let masked = MapValue::Mask {
        kind: Mask::Text,
        of: Box::new(list("['known', null]")),
    };
    assert!(settled(&masked).ends_with(",null]") && !settled(&masked).contains("known"));
}

#[test]
fn several_parts_of_a_lookup() {
    let two = |a: &str, b: &str| settled(&lookup(vec![text(a), text(b)], Missing::Omit));
    assert_eq!(two("known", ""), "T2", "a null part is compared");
    assert_eq!(two("", ""), "null", "all parts are empty");
    assert_eq!(two("", "known"), "omit");
    let skipped = lookup(
        vec![text("known"), form(Form::Table, text("gone"), Missing::Omit)],
        Missing::Park,
    );
    assert_eq!(settled(&skipped), "omit");
}

#[test]
fn all_questions_of_a_lookup_are_asked_at_once() {
    let part = |id: &str| MapValue::Ref {
        steps: vec![StepRef::Own(0)],
        of: Box::new(text(id)),
        give: None,
        missing: Missing::Park,
        span: Default::default(),
    };
    let both = lookup(vec![part("a"), part("b")], Missing::Park);
    let mut known = Known::default();
    assert!(matches!(of_no_row(&both, &known), Raw::Unknown));
    assert_eq!(known.missed(), 2);
    assert_eq!(known.take_demands().len(), 2);
}

#[test]
fn what_a_ref_gives() {
    let give = |id: &str, missing: Missing| {
        settled(&MapValue::Ref {
            steps: vec![StepRef::Own(0)],
            of: Box::new(text(id)),
            give: Some((FieldPath::from("Name"), Default::default())),
            missing,
            span: Default::default(),
        })
    };
    assert_eq!(give("known", Missing::Park), "Name of T1");
    assert_eq!(give("gone", Missing::Null), "null");
    // The record was there once.
    assert_eq!(give("lost", Missing::Park), "park missing_parent");
    assert_eq!(give("lost", Missing::Value("none".into())), "none");
}
