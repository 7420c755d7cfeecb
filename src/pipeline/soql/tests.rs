//! Tables of queries, with the faults shown under the text as a user sees them.

use proptest::prelude::*;

use super::*;
use crate::record::Value;

/// A fault's marks, message and help.
fn shown(text: &str, faults: &[SoqlFault]) -> Vec<String> {
    faults
        .iter()
        .map(|fault| {
            format!(
                "{}{} {}{}",
                " ".repeat(text[..fault.range.start].chars().count()),
                "^".repeat(text[fault.range.clone()].chars().count().max(1)),
                fault.message,
                fault
                    .help
                    .as_ref()
                    .map(|help| format!(" [{help}]"))
                    .unwrap_or_default()
            )
        })
        .collect()
}

#[track_caller]
fn query(text: &str) -> Query {
    match parse_query(text) {
        Ok(query) => query,
        Err(faults) => panic!("{text}\n{}", shown(text, &faults).join("\n")),
    }
}

#[track_caller]
fn refused(table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        let faults = parse_query(text).err().unwrap_or_default();
        assert_eq!(shown(text, &faults), *expected, "\n{text}");
    }
}

fn names(query: &Query) -> Vec<String> {
    query.select.iter().map(|item| item.name().to_string()).collect()
}

#[test]
fn a_query_is_taken_apart() {
    let text = "SELECT Id, Name, Owner.Email\nFROM Account a WHERE a.Region__c = :region AND CreatedDate > LAST_N_DAYS:5 ORDER BY Name DESC NULLS LAST, Id LIMIT 10 OFFSET 5 ";
    let query = query(text);
    assert_eq!(names(&query), ["Id", "Name", "Owner.Email"]);
    assert_eq!(&text[query.select_range.clone()], "Id, Name, Owner.Email");
    assert_eq!(query.object, "Account");
    assert_eq!(&text[query.object_range.clone()], "Account");
    assert_eq!(query.alias.as_deref(), Some("a"));
    assert_eq!(
        query.where_range.clone().map(|range| &text[range]),
        Some("a.Region__c = :region AND CreatedDate > LAST_N_DAYS:5")
    );
    assert_eq!(
        query.order_by.clone().map(|range| &text[range]),
        Some("ORDER BY Name DESC NULLS LAST, Id")
    );
    assert_eq!(query.limit.as_ref().and_then(|limit| limit.value), Some(10));
    assert_eq!(
        query.offset.as_ref().map(|offset| &text[offset.range.clone()]),
        Some("OFFSET 5")
    );
    let fields: Vec<_> = query
        .condition_fields
        .iter()
        .map(|(path, range)| (path.as_str(), &text[range.clone()]))
        .collect();
    assert_eq!(
        fields,
        [("Region__c", "a.Region__c"), ("CreatedDate", "CreatedDate")]
    );
    let [bind] = query.binds.as_slice() else {
        panic!("{:?}", query.binds)
    };
    assert_eq!(
        (bind.name.as_str(), &text[bind.range.clone()]),
        ("region", ":region")
    );
    assert_eq!(bind.field, Some("Region__c".into()));
    assert_eq!((bind.in_list, bind.operator), (false, BindOperator::Equal));
}

#[test]
fn what_salesforce_takes_is_taken() {
    for text in [
        "SELECT Id FROM Order",
        "select group.name, id from GroupMember where group.name = 'x'",
        "SELECT Account.Name FROM Account",
        "SELECT Id FROM Account WHERE (A = 1 OR B = 2) AND NOT C = 3 AND (NOT D = 4)",
        "SELECT Id FROM Account WHERE Name LIKE 'A\\'%\\\\' AND X__c INCLUDES ('a;b', 'c') AND Y__c EXCLUDES (:e)",
        "SELECT Id FROM Account WHERE A != null AND B <> NULL AND C <= -1.5 AND D >= 1e3 AND E = TRUE AND F = .5",
        "SELECT Id FROM Account WHERE D = 2026-01-31 AND T > 2026-01-31T00:00:00Z AND U < 2026-01-31T09:05:07.123+02:00 AND V = 09:00:00Z",
        "SELECT Id FROM Account WHERE Amount > USD100.50 AND Fee > EUR5",
        "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact c WHERE Email != null AND Region__c = :r) AND Id NOT IN ('001', '002')",
        "SELECT Id FROM Account WHERE CALENDAR_YEAR(CreatedDate) = 2026 AND DAY_ONLY(convertTimezone(CreatedDate)) = TODAY",
        "SELECT Id FROM Account WHERE DISTANCE(Loc__c, GEOLOCATION(37.5, -122.1), 'mi') < 20 ORDER BY DISTANCE(Loc__c, GEOLOCATION(37.5, -122.1), 'mi')",
        "SELECT Id FROM Account WHERE A = N_FISCAL_QUARTERS_AGO:3 AND B = this_fiscal_year",
        "SELECT Industry, COUNT(Id) n, MAX(AnnualRevenue) top FROM Account WHERE A = 1 GROUP BY Industry HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC",
        "SELECT Industry sector, COUNT_DISTINCT(OwnerId) n FROM Account GROUP BY Industry",
        "SELECT toLabel(Status), FORMAT(Amount), convertCurrency(Fee__c) FROM Case",
        "SELECT What.Type, Who.Name FROM Task WHERE What.Type IN ('Account', 'Opportunity') LIMIT :n",
        "SELECT Id\n  , Name\nFROM\n  Account\n",
        "SELECT Id FROM Account WHERE Name = 'Größe \\u00e9 ☃'",
        "SELECT Id FROM Account WHERE Name IN : names",
    ] {
        query(text);
    }
}

#[test]
fn paths_lose_the_objects_own_name() {
    assert_eq!(
        names(&query(
            "SELECT a.Name, A.Owner.Email, Account.Phone FROM Account a"
        )),
        ["Name", "Owner.Email", "Phone"]
    );
    assert_eq!(
        names(&query(
            "SELECT COUNT(Id) total, account.Name FROM Account GROUP BY Account.Name"
        )),
        ["total", "Name"]
    );
}

#[test]
fn binds_know_their_places() {
    let text = "SELECT Id FROM Account WHERE A__c IN :ids AND B__c IN (:one, 'x') AND C__c LIKE :pat AND Id IN (SELECT AccountId FROM Contact WHERE D__c != :d) AND CALENDAR_YEAR(E__c) = :year LIMIT :n";
    let places: Vec<_> = query(text)
        .binds
        .into_iter()
        .map(|bind| {
            (
                bind.name,
                bind.field.map(|field| field.to_string()).unwrap_or_default(),
                bind.object.unwrap_or_default(),
                bind.in_list,
                bind.operator,
            )
        })
        .collect();
    let expected = [
        ("ids", "A__c", "", true, BindOperator::In),
        ("one", "B__c", "", false, BindOperator::In),
        ("pat", "C__c", "", false, BindOperator::Like),
        ("d", "D__c", "Contact", false, BindOperator::NotEqual),
        ("year", "", "", false, BindOperator::Equal),
        ("n", "", "", false, BindOperator::Count),
    ]
    .map(|(name, field, object, list, op)| (name.to_owned(), field.to_owned(), object.to_owned(), list, op));
    assert_eq!(places, expected);
}

#[test]
fn faults_stand_under_what_is_wrong() {
    refused(&[
        (
            "SELECT Id Name FROM Account",
            &["         ^^^^^ a comma is missing here [put a comma between two fields]"],
        ),
        (
            "SELECT Id, Name, FROM Account",
            &["               ^ a comma before FROM [leave it out]"],
        ),
        (
            "SELECT Id,, Name FROM Account",
            &["          ^ two commas without a field between them [leave one out]"],
        ),
        (
            "SELECT Id, Name",
            &["               ^ the text ends too early [write `SELECT Id, Name FROM Account`]"],
        ),
        (
            "SELECT Id WHERE Name = 'x'",
            &["          ^^^^^ unexpected `WHERE`"],
        ),
        (
            "SELECT Id FORM Account",
            &["          ^^^^ unexpected `FORM` [did you mean FROM?]"],
        ),
        (
            "SELEKT Id FROM Account",
            &["^^^^^^ unexpected `SELEKT` [did you mean SELECT?]"],
        ),
        ("SELECT FROM Account", &["       ^^^^ nothing is selected"]),
        ("SELECT Id FROM", &["              ^ the text ends too early"]),
        (
            "SELECT Id FROM Account WERE Name = 'x'",
            &["                       ^^^^ unexpected `WERE` [did you mean WHERE?]"],
        ),
        (
            "SELECT Id FROM Account LIMIT 5 WHERE A = 1",
            &[
                "                               ^^^^^ WHERE stands too late [the order is WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3",
            &[
                "                                             ^^ OR after AND needs parentheses [write `(a OR b) AND c`, or `a OR (b AND c)`]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE Name = Acme",
            &[
                "                                    ^^^^ `Acme` is not a value [a text stands in quotes: 'Acme'; a var is written `:Acme`]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE Name = \"Acme\" AND B == ‘ü’",
            &[
                "                                    ^^^^^^ texts stand in single quotes [write 'Acme']",
                "                                                 ^^ SOQL has no `==` [compare with a single `=`]",
                "                                                    ^^^ these are not straight quotes [write 'ü']",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE Name = ':region'",
            &[
                "                                    ^^^^^^^^^ `':region'` is a text, not the var `region` [write `:region` without quotes; they are added where they are needed]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'Acme",
            &[
                "                                    ^^^^^ this text has no end [close it with '; a quote inside a text is written `\\'`]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'a\\q'",
            &[
                "                                      ^^ `\\q` means nothing in a text [a backslash itself is written `\\\\`]",
            ],
        ),
        (
            "SELECT Id FROM Account;",
            &["                      ^ a query does not end with `;` [leave it out]"],
        ),
        (
            "SELECT *, (SELECT Id FROM Contacts) FROM Account",
            &[
                "       ^ SOQL has no `*` [name the fields, or write `source: { object: ... }` and have them derived]",
                "          ^^^^^^^^^^^^^^^^^^^^^^^^^ a sub-query among the fields [read the children in a step of their own: `contacts: { source: { soql: \"SELECT Id, AccountId FROM Contact\" }, target: { key: KEY }, map: { KEY: Id, AccountId: { ref: STEP, of: AccountId } } }`]",
            ],
        ),
        (
            "SELECT FIELDS(ALL), TYPEOF What WHEN Account THEN Phone END, Id FROM Event",
            &[
                "       ^^^^^^^^^^^ FIELDS(...) is not supported [name the fields, or write `source: { object: ... }` and have them derived]",
                "                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ TYPEOF is not supported [select paths that all of its objects have: `Owner.Name`]",
            ],
        ),
        (
            "SELECT COUNT(Id), MAX(Amount) FROM Opportunity",
            &[
                "       ^^^^^^^^^ COUNT(...) needs an alias [give it one: `COUNT(Id) total`]",
                "                  ^^^^^^^^^^^ MAX(...) needs an alias [give it one: `MAX(Amount) result`]",
            ],
        ),
        (
            "SELECT COUNT() FROM Account",
            &["       ^^^^^^^ COUNT() gives a number and no rows [count a field: `COUNT(Id) total`]"],
        ),
        (
            "SELECT Id, Name, id FROM Account",
            &["                 ^^ `id` is selected twice [leave one out; Salesforce refuses both]"],
        ),
        (
            "SELECT Id FROM Account USING SCOPE mine WHERE A = 1 FOR VIEW ALL ROWS",
            &[
                "                       ^^^^^^^^^^^^^^^^ USING SCOPE MINE is not supported [say in WHERE which rows are meant]",
                "                                                    ^^^^^^^^ FOR VIEW is not supported [reading rows should leave no trace: leave it out]",
                "                                                             ^^^^^^^^ ALL ROWS is not supported [write `include_deleted: true` beside `soql`]",
            ],
        ),
        (
            "SELECT Id FROM Account WITH SECURITY_ENFORCED LIMIT 1",
            &[
                "                       ^^^^^^^^^^^^^^^^^^^^^^ WITH SECURITY_ENFORCED is not supported [a query by the API reads what its user may see: leave it out]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE Id IN ()",
            &["                                   ^^ the list is empty"],
        ),
        (
            "SELECT Id FROM Account WHERE Id IN 'a'",
            &[
                "                                   ^^^ unexpected `'a'` [write `IN ('a', 'b')`, or `IN :name` for a var that is a list]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE (A = 1",
            &["                             ^ this parenthesis is never closed"],
        ),
        (
            "SELECT Id FROM Account WHERE A = 1)",
            &["                                  ^ unexpected `)`"],
        ),
        (
            "SELECT Id FROM Account WHERE IsActive",
            &[
                "                                     ^ the text ends too early [a checkbox is compared too: `IsActive = true`]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE A IS NULL",
            &["                               ^^ SOQL has no IS [write `= null` or `!= null`]"],
        ),
        (
            "SELECT Id FROM Account WHERE Id = 0015g00000abcDE AND D = 31.01.2026",
            &[
                "                                  ^^^^^^^^^^^^^^^ `0015g00000abcDE` is neither a number nor a date [ids and other texts stand in single quotes: '0015g00000abcDE']",
                "                                                          ^^^^^^^^^^ `31.01.2026` is neither a number nor a date [ids and other texts stand in single quotes: '31.01.2026']",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE D > 2026-02-30",
            &[
                "                                 ^^^^^^^^^^ `2026-02-30` is neither a number nor a date [dates are written 2026-01-31, times 2026-01-31T09:05:00Z]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE A = :vars.region",
            &[
                "                                 ^^^^^^ a bind is a single name [write `:name` for `vars.name`]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE A = 1 -- all",
            &[
                "                                   ^^^^^^ SOQL has no comments [put it into a comment of the YAML file: `# ...`]",
            ],
        ),
        (
            "SELECT Id FROM Account WHERE A = 1 && B = 2",
            &[
                "                                   ^ unexpected `&` [write AND]",
                "                                    ^ unexpected `&` [write AND]",
            ],
        ),
        (
            "SELECT Id FROM Account LIMIT ten",
            &["                             ^^^ unexpected `ten`"],
        ),
        ("SELECT Id, Ümlaut FROM Account", &["           ^ unexpected `Ü`"]),
        ("", &["^ the text ends too early"]),
    ]);
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "(".repeat(9000),
        "NOT ".repeat(9000),
        "COUNT(".repeat(9000),
        "A IN (SELECT B FROM C WHERE ".repeat(90),
    ] {
        let faults = parse_condition(&text).err().unwrap_or_default();
        assert_eq!(faults.len(), 1, "{}", &text[..20]);
    }
}

#[test]
fn conditions_stand_alone() {
    let text = "Account.Region__c = :region AND IsActive = true";
    let condition = parse_condition(text).expect(text);
    assert_eq!(condition.binds[0].name, "region");
    assert_eq!(condition.binds[0].field, Some("Account.Region__c".into()));
    let fields: Vec<_> = condition.fields.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(fields, ["Account.Region__c", "IsActive"]);

    for (text, expected) in [
        (
            "WHERE A = 1",
            "^^^^^ `where` is said already [leave the word WHERE out]",
        ),
        ("A = 1 LIMIT 5", "      ^^^^^ LIMIT cannot stand in a condition"),
        ("A = 1 B = 2", "      ^ unexpected `B`"),
        (
            "'x' = A",
            "^^^ unexpected `'x'` [the field comes first: `Name = 'Acme'`]",
        ),
    ] {
        let faults = parse_condition(text).err().unwrap_or_default();
        assert_eq!(shown(text, &faults), [expected], "{text}");
    }
}

#[test]
fn values_cannot_become_syntax() {
    let text = "SELECT Id FROM Account WHERE A = :a AND B IN :b AND C IN (:b, 'z') LIMIT :n";
    let query = query(text);
    let bound = |a: Value, b: &str, n: &str| {
        bind::<BindError>(text, &query.binds, |bind| {
            let list: serde_json::Value = serde_json::from_str(b).expect(b);
            let value = match bind.name.as_str() {
                "a" => a.clone(),
                "b" => Value::from_json(&list),
                _ => Value::Number(crate::record::Number::exact(n).expect(n)),
            };
            Literal::for_field(&value, LiteralKind::Unknown)
        })
    };
    assert_eq!(
        bound("x' OR Name != '\\".into(), r#"["1", "ü"]"#, "5").as_deref(),
        Ok(
            "SELECT Id FROM Account WHERE A = 'x\\' OR Name != \\'\\\\' AND B IN ('1', 'ü') AND C IN ('1', 'ü', 'z') LIMIT 5"
        )
    );
    assert_eq!(
        bound(Value::Null, "[1, 2.50]", "5").map(|q| q.contains("A = null AND B IN (1, 2.5)")),
        Ok(true)
    );
    assert_eq!(
        bound(Value::Null, "[]", "5"),
        Err(BindError::EmptyList("b".into()))
    );
    assert_eq!(
        bound(Value::Null, "[null]", "5"),
        Err(BindError::NullHere("b".into()))
    );
    assert_eq!(
        bound(Value::Null, "null", "5"),
        Err(BindError::NullHere("b".into()))
    );
    assert_eq!(
        bound(Value::Null, "\"one\"", "5").map(|q| q.contains("B IN ('one')")),
        Ok(true)
    );
    assert_eq!(
        bound(Value::from_json(&serde_json::json!(["x"])), "[1]", "5"),
        Err(BindError::ListHere("a".into()))
    );
    assert_eq!(
        bound(Value::Null, "[1]", "5.5"),
        Err(BindError::NotACount("n".into()))
    );
    assert_eq!(
        bound(Value::Null, "[1]", "-1"),
        Err(BindError::NotACount("n".into()))
    );
}

#[test]
fn literals_are_written_as_the_field_wants() {
    for (value, kind, expected) in [
        ("007", LiteralKind::Text, Ok("'007'")),
        ("007", LiteralKind::Number, Ok("7")),
        ("1.50", LiteralKind::Number, Ok("1.5")),
        ("TRUE", LiteralKind::Bool, Ok("TRUE")),
        ("2026-01-31", LiteralKind::Date, Ok("2026-01-31")),
        (
            "2026-01-31",
            LiteralKind::DateTime,
            Ok("2026-01-31T00:00:00.000Z"),
        ),
        (
            "2026-01-31T09:05:07+02:00",
            LiteralKind::DateTime,
            Ok("2026-01-31T07:05:07.000Z"),
        ),
        ("1 OR 1=1", LiteralKind::Number, Err("`1 OR 1=1` is not a number")),
        ("TODAY", LiteralKind::Date, Err("`TODAY` is not a date")),
        ("maybe", LiteralKind::Bool, Err("`maybe` is not true or false")),
    ] {
        let written = Literal::for_field(&value.into(), kind).map(|literal| {
            let bind_at = query("SELECT Id FROM A WHERE B = :b").binds;
            bind::<BindError>("SELECT Id FROM A WHERE B = :b", &bind_at, |_| Ok(literal.clone()))
                .expect("fits")
        });
        let expected = expected.map(|e| format!("SELECT Id FROM A WHERE B = {e}"));
        assert_eq!(
            written.map_err(|e| e.to_string()),
            expected.map_err(str::to_owned),
            "{value} {kind:?}"
        );
    }
    assert_eq!(quote("O'Neil\\\n"), "'O\\'Neil\\\\\\n'");
    assert_eq!(quote_like("50%_a"), "'50\\%\\_a'");
}

#[test]
fn queries_are_derived_from_the_text() {
    let simple = query("SELECT Id, Name FROM Account");
    assert_eq!(
        simple.count_query().as_deref(),
        Some("SELECT COUNT() FROM Account")
    );
    assert_eq!(
        simple.with_extra_condition("Id > '1'"),
        "SELECT Id, Name FROM Account WHERE Id > '1'"
    );
    assert_eq!(
        simple.with_select(&["Id".into(), "Owner.Email".into()]),
        "SELECT Id, Owner.Email FROM Account"
    );
    assert_eq!(
        simple.ordered_by_id().as_deref(),
        Some("SELECT Id, Name FROM Account ORDER BY Id")
    );
    assert_eq!(simple.with_limit(5), "SELECT Id, Name FROM Account LIMIT 5");

    let full = query("SELECT Id\nFROM Account a WHERE a.B = 1 OR C = 'x'\nORDER BY Name\n");
    assert_eq!(
        full.count_query().as_deref(),
        Some("SELECT COUNT() FROM Account a WHERE a.B = 1 OR C = 'x'")
    );
    assert_eq!(
        full.with_extra_condition("Id > '1'"),
        "SELECT Id\nFROM Account a WHERE (a.B = 1 OR C = 'x') AND (Id > '1')\nORDER BY Name\n"
    );
    assert_eq!(
        full.ordered_by_id().as_deref(),
        Some("SELECT Id\nFROM Account a WHERE a.B = 1 OR C = 'x'\nORDER BY Id\n")
    );

    let limited = query("SELECT Id FROM Account ORDER BY Name LIMIT 10 OFFSET 2");
    assert_eq!(limited.count_query(), None);
    assert_eq!(limited.ordered_by_id(), None);
    assert_eq!(
        limited.with_limit(5),
        "SELECT Id FROM Account ORDER BY Name LIMIT 5 OFFSET 2"
    );
    assert_eq!(limited.with_limit(50), limited.text);
    assert_eq!(
        limited.with_extra_condition("A = 1"),
        "SELECT Id FROM Account WHERE A = 1 ORDER BY Name LIMIT 10 OFFSET 2"
    );

    let grouped = query("SELECT Name, COUNT(Id) n FROM Account GROUP BY Name");
    assert!(grouped.is_aggregated());
    assert_eq!((grouped.count_query(), grouped.ordered_by_id()), (None, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = parse_query(&text);
        let _ = parse_condition(&text);
    }

    #[test]
    fn faults_lie_within_the_text_and_derived_queries_parse(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "SELECT", "Id", "Name", "Owner.Email", ",", "FROM", "Account", "a", "WHERE", "=", "!=", ">", "'x'", "'ü'", "1",
                "2026-01-31", "TODAY", "LAST_N_DAYS:5", "null", "true", ":v", "IN", "NOT", "(", ")", "AND", "OR", "LIKE",
                "INCLUDES", "ORDER BY", "GROUP BY", "LIMIT 5", "OFFSET", "COUNT(Id) n", "MAX(", "FOR VIEW", "ALL ROWS", ";",
                "\"", "“", "'", ".", ":", "*", "TYPEOF", "END", "FIELDS(", "(SELECT Id FROM Contact)", "HAVING", "AS", "\n", "é",
            ]),
            0..16,
        ),
        start in proptest::bool::ANY,
    ) {
        let text = if start { format!("SELECT Id FROM Account {}", words.join(" ")) } else { words.join(" ") };
        match parse_query(&text) {
            Ok(query) => {
                for derived in [Some(query.with_extra_condition("Id > '0'")), query.ordered_by_id(), Some(query.with_limit(3))]
                    .into_iter()
                    .flatten()
                {
                    let again = parse_query(&derived);
                    prop_assert!(again.is_ok(), "{text}\n{derived}\n{again:?}");
                }
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert!(text.get(fault.range.clone()).is_some(), "{text}: {fault:?}");
                }
            }
        }
        let _ = parse_condition(&text);
    }

    #[test]
    fn quoted_texts_are_one_token(text in "\\PC{0,30}") {
        let condition = format!("A = {} AND B = 1", quote(&text));
        if !text.starts_with(':') {
            let parsed = parse_condition(&condition);
            prop_assert!(parsed.is_ok_and(|c| c.fields.len() == 2), "{condition}");
        }
    }
}
