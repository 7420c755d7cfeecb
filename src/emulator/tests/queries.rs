//! Queries: filters, order, errors, pages.

use super::*;

const PEOPLE: &str = r#"
records:
  - object: Account
    rows:
      - { Name: Acme, Ext__c: A-1, Score__c: 10.5, Skills__c: a;b, Industry: Banking }
      - { Name: beta, Ext__c: A-2, Score__c: 2, Parent: { Ext__c: A-3 } }
      - { Name: "O'Hara", Ext__c: A-3, Active__c: true, Skills__c: c }
  - object: Contact
    rows:
      - { LastName: Lee, Email: lee@x.example, Account: { Ext__c: A-1 }, Birthdate: 1990-05-01 }
      - { LastName: Poe }
  - object: Case
    rows:
      - { Subject: Broken, Owner: { Username: int@hq.example } }
"#;

#[tokio::test]
async fn soql_filters_and_sorts() {
    let org = Org::start(PEOPLE).await;
    for (soql, expected) in [
        ("SELECT Name FROM Account WHERE Name = 'ACME'", "Acme"),
        (
            "SELECT Name FROM Account WHERE Name LIKE '%A' ORDER BY Name",
            "beta O'Hara",
        ),
        ("SELECT Name FROM Account WHERE Name = 'O\\'Hara'", "O'Hara"),
        ("SELECT Name FROM Account ORDER BY Name DESC", "O'Hara beta Acme"),
        (
            "SELECT Name FROM Account ORDER BY Score__c NULLS LAST, Id",
            "beta Acme O'Hara",
        ),
        ("SELECT Name FROM Account ORDER BY Score__c", "O'Hara beta Acme"),
        (
            "SELECT Name FROM Account WHERE Score__c > 1.5e0 AND Score__c <= 10.5 ORDER BY Id",
            "Acme beta",
        ),
        (
            "SELECT Name FROM Account WHERE Score__c != 2 ORDER BY Id",
            "Acme O'Hara",
        ),
        ("SELECT Name FROM Account WHERE Score__c = 10.50", "Acme"),
        (
            "SELECT Name FROM Account WHERE Ext__c IN ('a-1','A-3') ORDER BY Id",
            "Acme O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE Industry NOT IN ('Banking') ORDER BY Id",
            "beta O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE Active__c = false ORDER BY Id",
            "Acme beta",
        ),
        (
            "SELECT Name FROM Account WHERE Skills__c INCLUDES ('a;b','c') ORDER BY Id",
            "Acme O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE NOT (Name = 'Acme' OR Name = 'Beta')",
            "O'Hara",
        ),
        (
            "SELECT a.Name FROM Account a WHERE a.Parent.Ext__c = 'A-3'",
            "beta",
        ),
        ("SELECT Name FROM Account WHERE Account.Name = 'acme'", "Acme"),
        (
            "SELECT Name FROM Account WHERE Parent.Name = null ORDER BY Id",
            "Acme O'Hara",
        ),
        (
            "SELECT Name FROM Account WHERE CreatedDate = 2026-01-05T08:00:00Z LIMIT 1 OFFSET 1",
            "beta",
        ),
        (
            "SELECT Name FROM Account WHERE CreatedDate < TODAY ORDER BY Id LIMIT 2",
            "Acme beta",
        ),
        (
            "SELECT Name FROM Account WHERE RecordType.DeveloperName = 'Partner' AND Owner.Username LIKE 'int@%' ORDER BY Id",
            "Acme beta O'Hara",
        ),
        ("SELECT Name FROM Contact WHERE Birthdate >= 1990-01-01", "Lee"),
        ("SELECT Name FROM Contact WHERE Account.Name != 'Acme'", "Poe"),
    ] {
        assert_eq!(org.names(soql).await.join(" "), expected, "{soql}");
    }
    let (_, count) = org
        .query("SELECT COUNT() FROM Account WHERE Score__c != null")
        .await;
    assert_eq!(count, json!({"totalSize": 2, "done": true, "records": []}));
    let (_, body) = org
        .query("SELECT id, account.name, Account.Owner.Name, AccountId FROM contact ORDER BY Id")
        .await;
    let lee = &body["records"][0];
    assert_eq!(lee["Account"]["Name"], "Acme");
    assert_eq!(lee["Account"]["attributes"]["type"], "Account");
    assert_eq!(lee["Account"]["Owner"]["Name"], "Ann Lee");
    assert_eq!(body["records"][1]["Account"], Value::Null);
    let keys: Vec<&String> = lee.as_object().expect("a record").keys().collect();
    assert_eq!(keys, ["attributes", "Id", "Account", "AccountId"]);
    let (_, body) = org
        .query("SELECT CaseNumber, Owner.Name, Owner.Type FROM Case WHERE Owner.Type = 'User'")
        .await;
    assert_eq!(body["records"][0]["CaseNumber"], "00000001");
    assert_eq!(body["records"][0]["Owner"]["Type"], "User");
    let (_, body) = org
        .query("SELECT Name, OrganizationType, IsSandbox FROM Organization")
        .await;
    assert_eq!(body["records"][0]["IsSandbox"], true);
}

#[tokio::test]
async fn soql_errors_point_at_the_place() {
    let org = Org::start(PEOPLE).await;
    for (soql, code, message) in [
        (
            "SELEKT Name FROM Account",
            "MALFORMED_QUERY",
            "unexpected token: 'SELEKT'",
        ),
        (
            "select count() from XYZZY",
            "INVALID_TYPE",
            "\nselect count() from XYZZY\n                    ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported.",
        ),
        (
            "SELECT Id, Foo FROM Account",
            "INVALID_FIELD",
            "\nSELECT Id, Foo FROM Account\n           ^\nERROR at Row:1:Column:12\nNo such column 'Foo' on entity 'Account'.",
        ),
        (
            "SELECT Id,Name,BillingCity,IsDeleted FROM Accout",
            "INVALID_TYPE",
            "\nName,BillingCity,IsDeleted FROM Accout\n                                ^\nERROR at Row:1:Column:43\n",
        ),
        (
            "SELECT Foo.Name FROM Account",
            "INVALID_FIELD",
            "Didn't understand relationship 'Foo' in field path.",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE Score__c = '1'",
            "INVALID_FIELD",
            "must be of type double and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
            "can not be filtered",
        ),
        (
            "SELECT Id FROM Account WHERE Id = 'abc'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: abc",
        ),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "offset",
        ),
        (
            "SELECT Id, Id FROM Account",
            "INVALID_FIELD",
            "duplicate field selected: Id",
        ),
    ] {
        let (status, body) = org.query(soql).await;
        assert_eq!(
            (status, &body[0]["errorCode"]),
            (400, &json!(code)),
            "{soql} {body}"
        );
        assert!(
            body[0]["message"].as_str().expect("text").contains(message),
            "{soql} {body:#}"
        );
    }
}

#[tokio::test]
async fn pages_follow_their_locator() {
    let org = Org::start(MANY).await;
    let (_, first) = org.query("SELECT Id, Name FROM Account ORDER BY Id").await;
    assert_eq!(
        (&first["totalSize"], &first["done"]),
        (&json!(4500), &json!(false))
    );
    let mut ids: Vec<String> = Vec::new();
    let mut page = first;
    loop {
        for record in page["records"].as_array().expect("records") {
            ids.push(record["Id"].as_str().expect("an id").to_owned());
        }
        let Some(next) = page["nextRecordsUrl"].as_str().map(str::to_owned) else {
            assert_eq!(page["done"], true);
            break;
        };
        assert!(next.starts_with("/services/data/v66.0/query/0r8"), "{next}");
        page = org.json("GET", &next, None).await.1;
    }
    assert_eq!(ids.len(), 4500);
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), 4500);
    let (_, body) = org.query("SELECT Id FROM Account").await;
    let next = body["nextRecordsUrl"].as_str().expect("more").to_owned();
    org.emulator.expire_query_locators();
    let (status, body) = org.json("GET", &next, None).await;
    assert_eq!(
        (status, body),
        (
            400,
            json!([{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}])
        )
    );
}
