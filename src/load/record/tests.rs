use super::*;
use crate::{
    pipeline::model::Api,
    plan::{KeyField, ParentPath, Persons, Road, TargetKey},
    transform::{Shape, ShapeKind},
};

fn field(name: &str, null: NullRule) -> TargetField {
    TargetField {
        name: name.into(),
        parent: None,
        shape: Shape {
            kind: ShapeKind::Text,
            scale: 0,
        },
        createable: true,
        updateable: true,
        null,
        body: false,
    }
}

/// Key__c, Name (required), OwnerId (filled by the org), Phone, Account by its external id, Since (create only).
fn write(operation: Operation) -> Write {
    let mut account = field("AccountId", NullRule::Clears);
    account.parent = Some(ParentPath {
        relationship: "Account".into(),
        field: "Ext__c".into(),
        polymorphic: None,
    });
    let mut since = field("Since__c", NullRule::Clears);
    since.updateable = false;
    Write {
        file: None,
        connection: "dst".into(),
        object: "Contact".into(),
        operation,
        key: Some(key(&["Key__c"])),
        fields: vec![
            field("Key__c", NullRule::Clears),
            field("Name", NullRule::Parks),
            field("OwnerId", NullRule::LeftOut),
            field("Phone", NullRule::Clears),
            account,
            since,
        ],
        api: Api::Auto,
        road: Road::Rest,
        batch: None,
        parallel: None,
        look_first: false,
        compare: false,
        compare_sent: false,
        assignment_rule: Default::default(),
        allow_duplicates: false,
        group: None,
        prefix: Some("003".into()),
        persons: None,
    }
}

/// A key of the first fields.
fn key(names: &[&str]) -> TargetKey {
    let fields = names.iter().enumerate().map(|(at, name)| KeyField {
        field: (*name).into(),
        at,
        case_sensitive: false,
        createable: true,
        nillable: *name != "Name",
    });
    TargetKey {
        fields: fields.collect(),
        is_id: names == ["Id"],
        native: names.len() == 1,
        travels: names != ["Id"],
        distinct: false,
    }
}

fn text(text: &str) -> Cell {
    Cell::Value(Value::text(text))
}

fn ready(operation: Operation, cells: Vec<Cell>, nulls: Nulls) -> Result<WriteRow, String> {
    prepare("S1".into(), Row::default(), cells, &write(operation), nulls).map_err(|e| e.2.code.to_string())
}

#[test]
fn nulls_follow_the_policy_and_the_field() {
    let cells = |name: Cell| vec![text("K"), name, Cell::Null, Cell::Null, Cell::Null, Cell::Clear];
    let row = ready(Operation::Upsert, cells(text("A")), Nulls::Clear).expect("a row");
    assert_eq!(
        row.cells[2..],
        [Plain::Omit, Plain::Clear, Plain::Clear, Plain::Clear]
    );
    let row = ready(Operation::Upsert, cells(text("A")), Nulls::Keep).expect("a row");
    assert_eq!(
        row.cells[2..],
        [Plain::Omit, Plain::Omit, Plain::Omit, Plain::Clear]
    );
    let refused = ready(Operation::Upsert, cells(Cell::Null), Nulls::Clear);
    assert_eq!(refused.err().as_deref(), Some("required"));
    let kept = ready(Operation::Upsert, cells(Cell::Null), Nulls::Keep).expect("a row");
    assert_eq!(kept.cells[1], Plain::Omit);
}

#[test]
fn an_empty_key_parks() {
    let cells = vec![
        Cell::Null,
        text("A"),
        Cell::Omit,
        Cell::Omit,
        Cell::Omit,
        Cell::Omit,
    ];
    assert_eq!(
        ready(Operation::Upsert, cells, Nulls::Clear).err().as_deref(),
        Some("empty_key")
    );
}

#[test]
fn json_and_csv_say_the_same() {
    let cells = vec![
        text("K"),
        text("A"),
        Cell::Omit,
        Cell::Null,
        text("P-1"),
        text("2026"),
    ];
    let upsert = write(Operation::Upsert);
    let mut row = ready(Operation::Upsert, cells, Nulls::Clear).expect("a row");
    assert_eq!(
        serde_json::Value::Object(row.to_json(&upsert)),
        serde_json::json!({
            "attributes": { "type": "Contact" }, "Key__c": "K", "Name": "A", "Phone": null,
            "Account": { "Ext__c": "P-1" }, "Since__c": "2026"
        })
    );
    assert_eq!(
        header(&upsert, Action::Upsert),
        ["Key__c", "Name", "OwnerId", "Phone", "Account.Ext__c", "Since__c"]
    );
    // Once the record is known, what can be set only on create stays at home.
    row.action = Action::Update;
    row.record_id = Some("003000000000001AAA".into());
    row.cells[4] = Plain::Clear;
    assert_eq!(
        serde_json::Value::Object(row.to_json(&upsert)),
        serde_json::json!({
            "attributes": { "type": "Contact" }, "id": "003000000000001AAA", "Key__c": "K", "Name": "A",
            "Phone": null, "AccountId": null
        })
    );
    assert_eq!(
        header(&upsert, Action::Update),
        ["Id", "Key__c", "Name", "OwnerId", "Phone", "Account.Ext__c"]
    );
}

#[test]
fn a_key_of_several_parts_is_one_key() {
    let mut upsert = write(Operation::Upsert);
    upsert.key = Some(key(&["Key__c", "Name"]));
    let row = |first: Cell, second: Cell| {
        let cells = vec![first, second, Cell::Omit, Cell::Omit, Cell::Omit, Cell::Omit];
        prepare("S1".into(), Row::default(), cells, &upsert, Nulls::Clear)
    };
    let one = row(text("k1"), text("Ann")).expect("a row");
    assert_eq!(one.key_text(&upsert), "k1, Ann");
    assert_eq!(
        one.claim(&upsert),
        row(text("K1 "), text("ann")).expect("a row").claim(&upsert)
    );
    // Parts do not run into each other.
    assert_ne!(
        row(text("a"), text("bc")).expect("a row").claim(&upsert),
        row(text("ab"), text("c")).expect("a row").claim(&upsert)
    );
    // A null part is a part; where the target has none, it can never be found.
    let half = row(Cell::Null, text("Ann")).expect("a row");
    assert_eq!(half.key(&upsert), [None, Some("Ann".into())]);
    for (cells, words) in [
        ((text("k1"), Cell::Null), "`Name`, a part of the key, is empty"),
        ((Cell::Null, Cell::Null), "`Name`, a part of the key, is empty"),
    ] {
        let refused = row(cells.0, cells.1).expect_err("an empty key");
        assert_eq!(refused.2.code, "empty_key");
        assert!(refused.2.message.contains(words), "{}", refused.2.message);
    }
}

#[test]
fn an_id_is_one_of_the_steps_object() {
    let by_id = |operation: Operation, id: Cell| {
        let mut write = write(operation);
        write.key = Some(key(&["Id"]));
        let mut cells = vec![Cell::Omit; 6];
        cells[0] = id;
        prepare("S1".into(), Row::default(), cells, &write, Nulls::Clear)
            .map(|row| (row.action, row.record_id.is_some()))
            .map_err(|e| e.2.code.to_string())
    };
    let contact = || text("003000000000001AAA");
    assert_eq!(by_id(Operation::Upsert, contact()), Ok((Action::Update, true)));
    assert_eq!(by_id(Operation::Upsert, Cell::Null), Ok((Action::Insert, false)));
    assert_eq!(by_id(Operation::Update, contact()), Ok((Action::Update, true)));
    assert_eq!(by_id(Operation::Delete, contact()), Ok((Action::Delete, true)));
    assert_eq!(
        by_id(Operation::HardDelete, contact()),
        Ok((Action::HardDelete, true))
    );
    assert_eq!(by_id(Operation::Delete, Cell::Null), Err("empty_key".into()));
    assert_eq!(
        by_id(Operation::Delete, text("001000000000001AAA")),
        Err("wrong_object".into())
    );
    assert_eq!(by_id(Operation::Delete, text("K-1")), Err("type".into()));
}

#[test]
fn a_person_has_no_name_and_a_business_no_first_name() {
    let mut upsert = write(Operation::Upsert);
    // Phone stands for a field of persons, OwnerId for their last name.
    let persons = |column| Persons {
        column,
        last_name: Some(2),
        business: vec![1],
        personal: vec![2, 3],
    };
    let sent = |write: &Write, source: Row, last_name: Cell| {
        let cells = vec![
            text("K"),
            text("Acme"),
            last_name,
            text("1"),
            Cell::Omit,
            Cell::Omit,
        ];
        let row = prepare("S1".into(), source, cells, write, Nulls::Clear).expect("a row");
        let names: Vec<&str> = row.sent(write).map(|(field, _)| field.name.as_str()).collect();
        names.join(" ")
    };
    upsert.persons = Some(persons(None));
    assert_eq!(sent(&upsert, Row::default(), text("Lee")), "OwnerId Phone");
    assert_eq!(sent(&upsert, Row::default(), Cell::Null), "Name");
    upsert.persons = Some(persons(Some(0)));
    let row = |person: bool| -> Row { [Value::Bool(person)].into_iter().collect() };
    assert_eq!(sent(&upsert, row(false), text("Lee")), "Name");
    assert_eq!(sent(&upsert, row(true), text("Lee")), "OwnerId Phone");
    // Nothing tells: all is sent.
    upsert.persons = Some(Persons {
        last_name: None,
        ..persons(None)
    });
    assert_eq!(sent(&upsert, Row::default(), text("Lee")), "Name OwnerId Phone");
}

#[test]
fn line_breaks_choose_the_file() {
    for (texts, expected) in [
        (&["plain", "also"][..], Breaks::None),
        (&["a\nb", "c"][..], Breaks::Lf),
        (&["a\r\nb", "c"][..], Breaks::Crlf),
        (&["a\r\nb", "c\nd"][..], Breaks::Unsafe),
        (&["a\r\nb\nc", "x"][..], Breaks::Unsafe),
        (&["a\rb", "x"][..], Breaks::Unsafe),
        (&["#N/A", "x"][..], Breaks::Unsafe),
        (&["#N/A!", "x"][..], Breaks::None),
    ] {
        let cells = vec![
            text("K"),
            text(texts[0]),
            Cell::Omit,
            text(texts[1]),
            Cell::Omit,
            Cell::Omit,
        ];
        let row = ready(Operation::Upsert, cells, Nulls::Clear).expect("a row");
        assert_eq!(row.breaks(), expected, "{texts:?}");
    }
}

#[test]
fn keys_fold_as_the_org_compares() {
    assert_eq!(fold(" Ab ", false), "ab");
    assert_eq!(fold(" Ab ", true), "Ab");
}
