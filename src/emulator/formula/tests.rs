use super::*;
use crate::emulator::{
    OrgFile,
    http::Org,
    schema::{self},
};

const ORG: &str = r#"
version: 1
name: hq
seed: 7
records_created: "2026-01-31T09:05:07Z"
users:
  - { username: ann@hq.example, name: Ann Lee }
sobjects:
  Account:
    fields:
      Score__c: { type: "Number(8, 2)" }
      Empty__c: { type: "Number(8, 2)" }
      Share__c: { type: "Percent(4, 2)" }
      Flag__c: { type: Checkbox }
      Since__c: { type: Date }
      Seen__c: { type: Date/Time }
      Opens__c: { type: Time }
      Skills__c: { type: Multi-Select Picklist, values: [a, b, c] }
    record_types:
      - { developer_name: Partner, default: true }
records:
  - object: Account
    rows:
      - { Name: Top, Phone: "1" }
      - { Name: Acme Ltd, Parent: { Name: Top }, Rating: Hot, Score__c: 7.5, Share__c: 25, Flag__c: true,
          Since__c: "2026-01-31", Seen__c: "2026-01-31T10:00:00Z", Opens__c: "09:30:00", Skills__c: a;c }
"#;

fn org() -> Org {
    let file = OrgFile::parse(ORG, ".").expect("the org file");
    Org::build(&file, "http://127.0.0.1:1".to_owned()).expect("the org")
}

/// The value of a formula on the second account, as a text.
fn work_out(org: &Org, text: &str, zero: bool) -> String {
    let store = org.read();
    let object = store.schema.object("Account").expect("Account");
    let formula = match compile(&store.schema, object, text, Purpose::Rule, zero) {
        Ok(formula) => formula,
        Err(error) => return error.in_text(text),
    };
    let user = store.tables[store.user].get(0, 0);
    let scope = Scope {
        store: &store,
        object,
        row: 1,
        prior: Some(&[(
            store.schema.objects[object].field("Rating").expect("Rating"),
            Cell::new("Cold"),
        )]),
        user,
        now: "2026-02-01T12:00:00.000Z",
    };
    match formula.value(&scope) {
        Ok(Value::Null) => "null".to_owned(),
        Ok(value) => value.shown(),
        Err(Broken) => "#Error!".to_owned(),
    }
}

#[test]
fn values() {
    let org = org();
    for (text, expected) in [
        // Numbers.
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ^ 2", "-4"),
        ("2 ^ -1", "0.5"),
        ("10 / 4 - 0.5", "2"),
        ("1 / 0", "#Error!"),
        ("Score__c * 2", "15"),
        ("Empty__c + 1", "null"),
        ("Share__c", "0.25"),
        ("ROUND(2.5, 0) + ROUND(-2.5, 0)", "0"),
        ("ROUND(1234.5, -2)", "1200"),
        (
            "FLOOR(2.7) & \"\"",
            "Incorrect parameter type for operator '&'. Expected Text, received Number (column 1 of the formula)",
        ),
        ("CEILING(2.1) - FLOOR(-2.7) + ABS(-1)", "6"),
        ("MOD(7, 3) + MAX(1, 5, 2) + MIN(4, 2)", "8"),
        ("SQRT(16) + LN(1) + LOG(100) + EXP(0)", "7"),
        ("VALUE(\"12.50\")", "12.5"),
        ("VALUE(\"x\")", "#Error!"),
        ("NULLVALUE(Empty__c, 3)", "3"),
        // Texts.
        ("Name & \" (\" & TEXT(Rating) & \")\"", "Acme Ltd (Hot)"),
        ("LEN(Name) + LEN(Site)", "8"),
        ("LEFT(Name, 4) + RIGHT(Name, 3)", "AcmeLtd"),
        ("MID(Name, 2, 3)", "cme"),
        ("UPPER(Name)", "ACME LTD"),
        ("LOWER(Name)", "acme ltd"),
        ("TRIM(\"  a \")", "a"),
        ("FIND(\"Ltd\", Name)", "6"),
        ("FIND(\"x\", Name)", "0"),
        ("FIND(\"m\", Name, 4)", "0"),
        ("SUBSTITUTE(Name, \" \", \"-\")", "Acme-Ltd"),
        ("CONTAINS(Name, \"Ltd\")", "true"),
        ("CONTAINS(Name, \"ltd\")", "false"),
        ("BEGINS(Name, \"Ac\")", "true"),
        ("REGEX(Name, \"[A-Z][a-z]+ Ltd\")", "true"),
        ("REGEX(Name, \"[A-Z][a-z]+\")", "false"),
        ("LPAD(\"7\", 3, \"0\") & RPAD(\"a\", 2)", "007a "),
        ("INITCAP(\"ann o'neil\")", "Ann O'Neil"),
        ("'it''s'", "Syntax error. Extra `'s'` (column 5 of the formula)"),
        ("\"say \\\"hi\\\"\"", "say \"hi\""),
        ("LEN(Id)", "15"),
        ("LEN(CASESAFEID(Id))", "18"),
        (
            "HYPERLINK(\"/\" & \"x\", Name)",
            "<a href=\"/x\" target=\"_blank\">Acme Ltd</a>",
        ),
        ("TEXT(Score__c) & TEXT(DATE(2026, 1, 2))", "7.52026-01-02"),
        ("TEXT(Seen__c)", "2026-01-31 10:00:00Z"),
        // Nulls.
        ("ISBLANK(Site) && ISBLANK(Empty__c) && NOT(ISBLANK(Name))", "true"),
        ("Site = \"\"", "true"),
        ("Site <> \"x\"", "true"),
        ("Site = Fax", "true"),
        ("Empty__c = 0", "null"),
        ("Empty__c > 1", "null"),
        ("IF(Empty__c > 1, \"yes\", \"no\")", "no"),
        ("OR(Empty__c > 1, TRUE)", "true"),
        ("AND(Empty__c > 1, FALSE)", "false"),
        ("NOT(Empty__c > 1)", "null"),
        ("BLANKVALUE(Site, \"none\")", "none"),
        // Choices.
        ("ISPICKVAL(Rating, \"Hot\")", "true"),
        ("ISPICKVAL(Industry, \"\")", "true"),
        ("CASE(Rating, \"Cold\", 1, \"Hot\", 3, 0)", "3"),
        ("CASE(1 + 1, 1, \"a\", 2, \"b\", \"c\")", "b"),
        ("INCLUDES(Skills__c, \"c\")", "true"),
        ("INCLUDES(Skills__c, \"b\")", "false"),
        ("IF(Flag__c, 1, 2)", "1"),
        // Dates.
        ("Since__c + 1", "2026-02-01"),
        ("TODAY() - Since__c", "1"),
        ("NOW() - Seen__c", "1.0833333333333333333333333333"),
        ("ADDMONTHS(Since__c, 1)", "2026-02-28"),
        ("DATE(2026, 2, 30)", "#Error!"),
        (
            "YEAR(Since__c) * 10000 + MONTH(Since__c) * 100 + DAY(Since__c)",
            "20260131",
        ),
        ("WEEKDAY(DATE(2026, 2, 1))", "1"),
        ("DATEVALUE(Seen__c)", "2026-01-31"),
        ("DATEVALUE(\"2026-03-04\")", "2026-03-04"),
        ("DATETIMEVALUE(\"2026-03-04 05:06:07\")", "2026-03-04 05:06:07Z"),
        ("HOUR(Opens__c) * 60 + MINUTE(Opens__c)", "570"),
        ("Since__c < TODAY()", "true"),
        // Paths and what surrounds the record.
        ("Parent.Name", "Top"),
        ("Parent.Parent.Name", "null"),
        ("Owner.LastName", "Lee"),
        ("$User.Username", "ann@hq.example"),
        ("$User.Id = OwnerId", "true"),
        ("$Profile.Name", "System Administrator"),
        ("$Organization.Name", "hq"),
        ("$RecordType.DeveloperName", "Partner"),
        ("RecordType.DeveloperName = \"Partner\"", "true"),
        ("NOT($Permission.Bypass)", "true"),
        // The change.
        ("ISNEW()", "false"),
        ("ISCHANGED(Rating)", "true"),
        ("ISCHANGED(Name)", "false"),
        ("TEXT(PRIORVALUE(Rating))", "Cold"),
        ("PRIORVALUE(Name)", "Acme Ltd"),
        ("/* a comment */ 1", "1"),
        ("TRUE || FALSE && FALSE", "true"),
        ("!Flag__c", "false"),
        ("1 == 1 && 1 != 2 && 2 >= 2", "true"),
    ] {
        assert_eq!(work_out(&org, text, false), expected, "{text}");
    }
    for (text, expected) in [
        ("Empty__c + 1", "1"),
        ("Empty__c = 0", "true"),
        ("ISBLANK(Empty__c)", "true"),
    ] {
        assert_eq!(work_out(&org, text, true), expected, "{text}");
    }
}

#[test]
fn complaints() {
    let org = org();
    for (text, words) in [
        (
            "Nope__c = 1",
            "Field Nope__c does not exist. Check spelling (column 1",
        ),
        ("1 +", "The formula ends too early"),
        ("LEFT(Name, 2", "Missing ')'"),
        (
            "LEFT(Name)",
            "Incorrect number of parameters for function 'LEFT()'. Expected 2, received 1",
        ),
        (
            "LEN(Score__c)",
            "Incorrect parameter type for function 'LEN()'. Expected Text, received Number",
        ),
        ("Rating = \"Hot\"", "Field Rating is a picklist field"),
        ("Name = 1", "Expected Text, received Number"),
        ("WHAT(1)", "Unknown function WHAT. Check spelling"),
        (
            "VLOOKUP(1)",
            "the formulas of the emulated org have no function VLOOKUP",
        ),
        ("\"open", "A text has no end"),
        ("REGEX(Name, \"(?=x)\")", "cannot read the pattern"),
        ("ISCHANGED(Parent.Name)", "takes a field of the record itself"),
        ("IF(TRUE, 1, \"a\")", "Expected Number, received Text"),
        (
            "CASE(1, 1, \"a\")",
            "Incorrect number of parameters for function 'CASE()'",
        ),
        ("BillingAddress", "compound field"),
        ("1\n+ Nope__c", "(line 2, column 3 of the formula)"),
    ] {
        let found = work_out(&org, text, false);
        assert!(found.contains(words), "{text}: {found}");
    }
    let store = org.read();
    let object = store.schema.object("Account").expect("Account");
    for text in ["ISNEW()", "$User.Id"] {
        assert!(
            compile(&store.schema, object, text, Purpose::Field, true).is_err(),
            "{text}"
        );
    }
    assert!(condition(&store.schema, object, "1 + 1", Purpose::Rule).is_err());
}

#[test]
fn rules_say_where_they_are_wrong() {
    for (yaml, place, words) in [
        (
            "validation_rules: [{ when: 'Nope', message: x }]",
            "sobjects.Account.validation_rules[0].when",
            "Nope",
        ),
        (
            "validation_rules: [{ message: x }]",
            "sobjects.Account.validation_rules[0]",
            "say `when`",
        ),
        (
            "fields: { A__c: { type: Formula (Number), formula: 'B__c' }, B__c: { type: Formula (Number), formula: 'A__c' } }",
            "sobjects.Account.fields.A__c.formula",
            "refers to itself",
        ),
        (
            "fields: { A__c: { type: Formula (Number), formula: 'Name' } }",
            "sobjects.Account.fields.A__c.formula",
            "incompatible with expected data type (Number)",
        ),
        (
            "fields: { A__c: { type: Roll-Up Summary, summary: { object: Product2, operation: count } } }",
            "sobjects.Account.fields.A__c.summary",
            "`by` has to name",
        ),
        (
            "triggers: [{ name: T, on: [after_insert], set: { Name: '\"x\"' } }]",
            "sobjects.Account.triggers[0]",
            "before a record",
        ),
        (
            "duplicate_rules: [{ name: D, match: {} }]",
            "sobjects.Account.duplicate_rules[0]",
            "names no field",
        ),
    ] {
        let text = format!("version: 1\nname: hq\nsobjects:\n  Account:\n    {yaml}\n");
        let file = OrgFile::parse(&text, ".").expect(yaml);
        let Err(error) = schema::build(&file) else {
            panic!("{yaml} is taken");
        };
        assert_eq!(error.place, place, "{}", error.message);
        assert!(error.message.contains(words), "{yaml}: {}", error.message);
    }
}
