//! What files mean once they have passed.

use std::path::PathBuf;

use orgferry::{
    pipeline::{
        Pipeline, apply_vars, load,
        model::{
            Api, Copy, Expectation, Fake, MapValue, Missing, Operation, RowId, Source, Step, StepRef,
            VarDefault, VarKind,
        },
    },
    record::{FieldPath, Value},
};

fn right(name: &str) -> Pipeline {
    let mut loaded = load(
        &[PathBuf::from(format!("tests/fixtures/right/{name}.yaml"))],
        None,
    );
    assert!(loaded.findings.is_empty(), "{:#?}", loaded.findings);
    loaded.pipelines.remove(0)
}

fn columns(step: &Step) -> Vec<&str> {
    step.columns.iter().map(|column| column.path.as_str()).collect()
}

fn value<'a>(step: &'a Step, field: &str) -> &'a MapValue {
    &step
        .map
        .iter()
        .find(|line| line.field == FieldPath::new(field))
        .expect(field)
        .value
}

#[test]
fn the_example_of_the_language_page() {
    let pipeline = right("customers-hq-to-emea");
    assert_eq!(pipeline.name, "customers-hq-to-emea");
    assert_eq!(
        (pipeline.from.as_deref(), pipeline.to.as_deref()),
        (Some("hq"), Some("emea"))
    );
    assert_eq!(pipeline.project, PathBuf::from("tests/fixtures"));
    let [accounts, contacts] = pipeline.steps.as_slice() else {
        panic!("two steps");
    };
    assert_eq!(
        columns(accounts),
        [
            "Id",
            "Name",
            "Sector__c",
            "AnnualRevenue",
            "Phone",
            "ParentId",
            "Owner.Email",
            "RecordType.DeveloperName"
        ]
    );
    let RowId::Expr(id) = &accounts.row_id else {
        panic!("an expression");
    };
    assert_eq!(id.as_column(), Some(0));
    let Copy::Fields(copied) = &accounts.copy else {
        panic!("a list");
    };
    assert_eq!(
        copied
            .iter()
            .map(|c| (c.field.as_str(), c.column))
            .collect::<Vec<_>>(),
        [("AnnualRevenue", 3), ("Phone", 4)]
    );
    let MapValue::Table { table, otherwise, .. } = value(accounts, "Industry") else {
        panic!("a table");
    };
    assert_eq!(
        (table.entries["Fin"].clone(), otherwise),
        (Value::from("Finance"), &Missing::Keep)
    );
    let MapValue::Ref { steps, missing, .. } = value(accounts, "ParentId") else {
        panic!("a ref");
    };
    assert_eq!(
        (steps.as_slice(), missing),
        (&[StepRef::Own(0)][..], &Missing::Park)
    );
    let MapValue::Lookup {
        lookup,
        of,
        otherwise,
    } = value(accounts, "OwnerId")
    else {
        panic!("a lookup");
    };
    assert_eq!(
        (lookup.object.as_str(), lookup.by.len(), of.len(), otherwise),
        ("User", 1, 1, &Missing::Null)
    );
    assert!(lookup.condition.is_some());
    assert!(matches!(value(accounts, "Source_Org__c"), MapValue::Literal(v) if *v == Value::from("HQ")));

    let test = &accounts.tests[0];
    assert_eq!(test.given[0], Value::from("001A"));
    assert_eq!(test.given[1], Value::from(" Acme "));
    assert_eq!(test.given[3], Value::Null);
    assert!(matches!(&test.expect, Expectation::Fields(fields) if fields.len() == 2));
    assert_eq!(
        accounts.tests[1].refs,
        [(StepRef::Own(0), "001X".to_owned(), Fake::One(Value::from("001T")))]
    );
    assert_eq!(accounts.tests[1].expect, Expectation::Parked);

    // An object source reads what its step uses, and `Id`.
    assert_eq!(
        columns(contacts),
        ["Id", "LastName", "Email", "HasOptedOutOfEmail", "AccountId"]
            .map(|name| *columns(contacts).iter().find(|c| **c == name).expect(name))
    );
    assert_eq!(columns(contacts).len(), 5);
    assert_eq!(contacts.target.operation, Operation::Upsert);
    assert!(matches!(value(contacts, "Email"), MapValue::When { .. }));
}

#[test]
fn text_stays_as_typed() {
    let pipeline = right("literals");
    let step = &pipeline.steps[0];
    for (field, expected) in [
        ("Since__c", Value::from("2026-01-31")),
        ("Zip__c", Value::from("01067")),
        ("Country__c", Value::from("NO")),
        ("Active__c", Value::Bool(true)),
        ("Site", Value::Null),
    ] {
        let MapValue::Literal(found) = value(step, field) else {
            panic!("{field} is no literal");
        };
        assert_eq!(*found, expected, "{field}");
    }
    assert!(matches!(value(step, "Count__c"), MapValue::Literal(Value::Number(n)) if n.as_str() == "12"));
}

#[test]
fn json_rows_hold_what_is_used() {
    let pipeline = right("http");
    let step = &pipeline.steps[0];
    let Source::Http(http) = &step.source else {
        panic!("a JSON API");
    };
    assert_eq!(
        (http.credential.as_str(), http.path.as_str()),
        ("hq", "/services/apexrest/customers")
    );
    assert_eq!(step.source_connection, "hq");
    assert_eq!(http.query.len(), 2);
    let whole = step.whole_row.expect("`row` is used");
    assert!(matches!(&step.tests[0].given[whole], Value::Json(row) if row["customerNumber"] == "C1"));
    let city = columns(step)
        .iter()
        .position(|c| *c == "address.city")
        .expect("a path");
    assert_eq!(step.tests[0].given[city], Value::from("Ulm"));
}

#[test]
fn policies_change_what_they_name() {
    let pipeline = right("policies");
    let policy = &pipeline.steps[0].policy;
    assert_eq!(
        (policy.stop_failed_percent, policy.stop_at_least, policy.attempts),
        (0.5, 20, 3)
    );
    assert_eq!(
        (policy.backoff_first.as_millis(), policy.backoff_cap.as_secs()),
        (500, 120)
    );
    assert_eq!(format!("{:?} {:?}", policy.nulls, policy.rows), "Keep Stop");
}

#[test]
fn targets_say_how_they_are_written() {
    let target = &right("copy_all").steps[0].target;
    assert_eq!((target.object.as_str(), target.api), ("Account", Api::Bulk));
    assert_eq!((target.batch_size, target.parallel), (Some(5000), Some(2)));
    assert_eq!(right("update_by_id").steps[1].needs, [0]);
}

#[test]
fn vars_are_read_as_their_default_is() {
    let pipeline = right("vars");
    let kinds: Vec<(&str, VarKind)> = pipeline
        .vars
        .iter()
        .map(|var| (var.name.as_str(), var.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("region", VarKind::Text),
            ("rank", VarKind::Number),
            ("all", VarKind::Bool),
            ("ids", VarKind::List),
            ("who", VarKind::Text),
            ("since", VarKind::Text)
        ]
    );
    assert_eq!(pipeline.vars[4].default, VarDefault::Env("WHO".into()));
    let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    };
    let environment = |name: &str| (name == "WHO").then(|| "me".to_owned());
    let vars = apply_vars(
        &pipeline,
        &given(&[
            ("region", "12"),
            ("rank", "2.50"),
            ("all", "false"),
            ("ids", "C, D"),
            ("since", "2026-01-01"),
        ]),
        &environment,
    )
    .expect("all are given");
    assert_eq!(vars["region"], Value::from("12"));
    assert_eq!(vars["rank"].as_text(), Some("2.50"));
    assert_eq!(vars["all"], Value::Bool(false));
    assert_eq!(vars["ids"].to_json(), serde_json::json!(["C", "D"]));
    assert_eq!(vars["who"], Value::from("me"));

    let errors =
        apply_vars(&pipeline, &given(&[("rank", "two"), ("regoin", "x")]), &|_| None).expect_err("faults");
    assert_eq!(
        errors,
        [
            "pipeline `vars` has no var `regoin`; did you mean `region`?",
            "var `rank` takes a number, and `two` is none",
            "var `who` takes its value from the environment variable `WHO`, which is not set",
            "var `since` has no value; give it one: --var since=...",
        ]
    );
}

#[test]
fn principals_are_tried_in_their_order() {
    let pipeline = right("loopback_secrets");
    let external = &pipeline.credentials.external["EC_One"];
    assert_eq!(
        external.principals.iter().map(|p| p.sequence).collect::<Vec<_>>(),
        [1, 2]
    );
    let principal = pipeline
        .credentials
        .principal_for(external, &pipeline.name, pipeline.run_as.as_deref());
    assert_eq!(principal.expect("allowed").name, "EC_Principal");
    let named = &pipeline.credentials.named["one"];
    assert_eq!(
        (named.url.as_str(), named.api_version.as_deref()),
        ("http://127.0.0.1:8801", Some("66.0"))
    );
    assert!(
        !format!("{:?}", pipeline.credentials).contains("\"secret\""),
        "no secret is printed"
    );
}
