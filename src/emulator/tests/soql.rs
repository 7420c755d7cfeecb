//! What the query language gives, and how the answers look.

use super::*;

const SALES: &str = r#"
records:
  - object: Account
    rows:
      - { Name: Acme, Ext__c: A-1, Industry: Banking, NumberOfEmployees: 10, BillingCity: Bath, BillingLatitude: 51.38, BillingLongitude: -2.36 }
      - { Name: Beta, Ext__c: A-2, Industry: Energy, NumberOfEmployees: 30, Parent: { Ext__c: A-1 } }
      - { Name: Gamma, Ext__c: A-3, Industry: Banking, NumberOfEmployees: 20 }
      - { Name: Delta, Ext__c: A-4 }
  - object: Contact
    rows:
      - { FirstName: Ann, LastName: Lee, Ext__c: C-1, Account: { Ext__c: A-1 }, Birthdate: 1990-05-17 }
      - { FirstName: Bob, LastName: Ray, Ext__c: C-2, Account: { Ext__c: A-1 }, Birthdate: 1991-05-18 }
      - { FirstName: Cay, LastName: Poe, Ext__c: C-3, Account: { Ext__c: A-2 } }
      - { LastName: Orphan, Ext__c: C-4 }
  - object: Opportunity
    rows:
      - { Name: One, StageName: Prospecting, CloseDate: 2026-01-31, Amount: 100.5, Account: { Ext__c: A-1 } }
      - { Name: Two, StageName: Closed Won, CloseDate: 2026-05-01, Amount: 200, Account: { Ext__c: A-1 } }
      - { Name: Three, StageName: Closed Won, CloseDate: 2026-05-20, Amount: 50, Account: { Ext__c: A-2 } }
      - { Name: Four, StageName: Prospecting, CloseDate: 2025-12-31 }
  - object: Invoice__c
    rows:
      - { Account__r: { Ext__c: A-1 }, Total__c: 5 }
"#;

impl Org {
    /// An org with sales and two tasks, one of which is about somebody.
    async fn sales() -> Self {
        let org = Org::start(SALES).await;
        let who = json!({"attributes": {"type": "Contact"}, "Ext__c": "C-1"});
        let what = json!({"attributes": {"type": "Account"}, "Ext__c": "A-1"});
        org.create("Task", json!({"Subject": "Call", "Who": who, "What": what}))
            .await;
        org.create("Task", json!({"Subject": "Mail"})).await;
        org
    }

    /// The records of an answer without their attributes.
    async fn found(&self, soql: &str) -> Value {
        let (status, mut body) = self.query(soql).await;
        assert_eq!(status, 200, "{soql}: {body}");
        bare(&mut body);
        body["records"].take()
    }

    async fn rejects(&self, soql: &str, code: &str, message: &str) {
        let (status, body) = self.query(soql).await;
        let text = body[0]["message"].as_str().unwrap_or_default();
        assert_eq!(
            (status, body[0]["errorCode"].as_str()),
            (400, Some(code)),
            "{soql} {body}"
        );
        assert!(text.contains(message), "{soql}: {text}");
    }
}

fn bare(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.shift_remove("attributes");
            map.values_mut().for_each(bare);
        }
        Value::Array(list) => list.iter_mut().for_each(bare),
        _ => {}
    }
}

#[tokio::test]
async fn children_stand_inside_their_parents() {
    let org = Org::sales().await;
    let (_, body) = org
        .query("SELECT Account.Name, (SELECT Contact.FirstName, Account.Name FROM Account.Contacts ORDER BY LastName DESC) FROM Account WHERE Name IN ('Acme', 'Delta') ORDER BY Name")
        .await;
    let acme = &body["records"][0];
    let keys: Vec<&String> = acme.as_object().expect("a record").keys().collect();
    assert_eq!(keys, ["attributes", "Name", "Contacts"]);
    let contacts = &acme["Contacts"];
    assert_eq!(
        (&contacts["totalSize"], &contacts["done"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(contacts["records"][0]["attributes"]["type"], "Contact");
    assert_eq!(contacts["records"][0]["FirstName"], "Bob");
    assert_eq!(contacts["records"][0]["Account"]["Name"], "Acme");
    assert_eq!(body["records"][1]["Contacts"], Value::Null);
    for (soql, expected) in [
        (
            "SELECT Name, (SELECT Name FROM Opportunities WHERE Amount > 60 ORDER BY Amount DESC LIMIT 1), (SELECT Total__c FROM Invoices__r) FROM Account WHERE Ext__c = 'a-1'",
            json!([{"Name": "Acme", "Opportunities": {"totalSize": 1, "done": true, "records": [{"Name": "Two"}]}, "Invoices__r": {"totalSize": 1, "done": true, "records": [{"Total__c": 5.0}]}}]),
        ),
        (
            "SELECT Name, (SELECT Name, (SELECT LastName FROM Contacts) FROM ChildAccounts) FROM Account WHERE Ext__c = 'A-1'",
            json!([{"Name": "Acme", "ChildAccounts": {"totalSize": 1, "done": true, "records": [{"Name": "Beta", "Contacts": {"totalSize": 1, "done": true, "records": [{"LastName": "Poe"}]}}]}}]),
        ),
        (
            "SELECT LastName, (SELECT Subject, What.Name FROM Tasks) FROM Contact WHERE Ext__c = 'C-1'",
            json!([{"LastName": "Lee", "Tasks": {"totalSize": 1, "done": true, "records": [{"Subject": "Call", "What": {"Name": "Acme"}}]}}]),
        ),
    ] {
        assert_eq!(org.found(soql).await, expected, "{soql}");
    }
    for (soql, code, message) in [
        (
            "SELECT Id, (SELECT Id FROM Contact) FROM Account",
            "INVALID_TYPE",
            "\nSELECT Id, (SELECT Id FROM Contact) FROM Account\n                           ^\nERROR at Row:1:Column:28\nDidn't understand relationship 'Contact' in FROM part of query call.",
        ),
        (
            "SELECT Id, (SELECT Id FROM Contacts LIMIT 5 OFFSET 1) FROM Account",
            "MALFORMED_QUERY",
            "OFFSET",
        ),
        (
            "SELECT Id, (SELECT COUNT(Id) FROM Contacts) FROM Account",
            "MALFORMED_QUERY",
            "only root queries support aggregate expressions",
        ),
    ] {
        org.rejects(soql, code, message).await;
    }
    let q = "/services/data/v57.0/query?q=SELECT+Id,(SELECT+Id,(SELECT+Id+FROM+Contacts)+FROM+ChildAccounts)+FROM+Account";
    let (status, body) = org.json("GET", q, None).await;
    assert_eq!(status, 400);
    assert!(
        body[0]["message"]
            .as_str()
            .is_some_and(|m| m.contains("more than 1 level away")),
        "{body}"
    );
}

#[tokio::test]
async fn large_sets_of_children_have_pages_of_their_own() {
    let org = Org::start(
        r#"
query_page_size: 200
records:
  - object: Account
    rows:
      - { Name: Big }
  - object: Contact
    generate:
      count: 450
      fields:
        LastName: "L{n}"
        AccountId: { reference: Account }
"#,
    )
    .await;
    org.create("Account", json!({"Name": "Small"})).await;
    let (_, body) = org
        .query("SELECT Name, (SELECT LastName FROM Contacts) FROM Account ORDER BY Name")
        .await;
    // One parent with its children fills a page.
    assert_eq!(
        (&body["totalSize"], &body["done"]),
        (&json!(2), &json!(false)),
        "{body}"
    );
    assert_eq!(body["records"].as_array().expect("records").len(), 1);
    let contacts = &body["records"][0]["Contacts"];
    assert_eq!(
        (&contacts["totalSize"], &contacts["done"]),
        (&json!(450), &json!(false))
    );
    let mut count = contacts["records"].as_array().expect("records").len();
    let mut next = contacts["nextRecordsUrl"].as_str().map(str::to_owned);
    while let Some(url) = next {
        let (status, page) = org.json("GET", &url, None).await;
        assert_eq!((status, &page["totalSize"]), (200, &json!(450)));
        count += page["records"].as_array().expect("records").len();
        next = page["nextRecordsUrl"].as_str().map(str::to_owned);
    }
    assert_eq!(count, 450);
    let rest = body["nextRecordsUrl"].as_str().expect("more");
    assert!(rest.ends_with("-1"), "{rest}");
    let (_, body) = org.json("GET", rest, None).await;
    assert_eq!(body["done"], true);
    assert_eq!(body["records"][0]["Name"], "Small");
    assert_eq!(body["records"][0]["Contacts"], Value::Null);
}

#[tokio::test]
async fn groups_are_summed_up() {
    let org = Org::sales().await;
    let (_, body) = org
        .query("SELECT Industry, COUNT(Id) n, SUM(NumberOfEmployees), MIN(Name) FROM Account GROUP BY Industry ORDER BY COUNT(Id) DESC, Industry")
        .await;
    let result = json!({"type": "AggregateResult"});
    assert_eq!(
        body,
        json!({"totalSize": 3, "done": true, "records": [
            {"attributes": result, "Industry": "Banking", "n": 2, "expr0": 30, "expr1": "Acme"},
            {"attributes": result, "Industry": null, "n": 1, "expr0": null, "expr1": "Delta"},
            {"attributes": result, "Industry": "Energy", "n": 1, "expr0": 30, "expr1": "Beta"},
        ]})
    );
    for (soql, expected) in [
        (
            "SELECT COUNT(Id), AVG(Amount), MAX(CloseDate) latest, COUNT_DISTINCT(StageName) FROM Opportunity",
            json!([{"expr0": 4, "expr1": 116.83333333333333, "latest": "2026-05-20", "expr2": 2}]),
        ),
        (
            "SELECT COUNT(Id), SUM(Amount) FROM Opportunity WHERE Name = 'Nine'",
            json!([{"expr0": 0, "expr1": null}]),
        ),
        (
            "SELECT Account.Name, SUM(Amount) total FROM Opportunity GROUP BY Account.Name HAVING SUM(Amount) > 60 ORDER BY SUM(Amount)",
            json!([{"Name": "Acme", "total": 300.5}]),
        ),
        (
            "SELECT CALENDAR_YEAR(CloseDate) y, CALENDAR_QUARTER(CloseDate), COUNT(Id) FROM Opportunity GROUP BY CALENDAR_YEAR(CloseDate), CALENDAR_QUARTER(CloseDate) ORDER BY CALENDAR_YEAR(CloseDate), CALENDAR_QUARTER(CloseDate) LIMIT 2",
            json!([{"y": 2025, "expr0": 4, "expr1": 1}, {"y": 2026, "expr0": 1, "expr1": 1}]),
        ),
        (
            "SELECT StageName, COUNT(Name) n, GROUPING(StageName) g FROM Opportunity GROUP BY ROLLUP(StageName)",
            json!([
                {"StageName": "Prospecting", "n": 2, "g": 0},
                {"StageName": "Closed Won", "n": 2, "g": 0},
                {"StageName": null, "n": 4, "g": 1},
            ]),
        ),
        (
            "SELECT Industry FROM Account WHERE Industry != null GROUP BY Industry HAVING COUNT(Id) = 2",
            json!([{"Industry": "Banking"}]),
        ),
    ] {
        assert_eq!(org.found(soql).await, expected, "{soql}");
    }
    let (_, body) = org.query("SELECT COUNT() FROM Account LIMIT 3").await;
    assert_eq!(body["totalSize"], 3);
    for (soql, message) in [
        (
            "SELECT Name, COUNT(Id) FROM Account",
            "Field must be grouped or aggregated: Name",
        ),
        (
            "SELECT COUNT(Id) FROM Account LIMIT 1",
            "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
        ),
        (
            "SELECT Description, COUNT(Id) FROM Account GROUP BY Description",
            "field 'Description' can not be grouped in a query call",
        ),
        (
            "SELECT COUNT(Description) FROM Account",
            "\nSELECT COUNT(Description) FROM Account\n             ^\nERROR at Row:1:Column:14\nfield Description does not support aggregate operator COUNT",
        ),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY Id",
            "Column:14\nGrouped field should not be aggregated: Id",
        ),
        (
            "SELECT Industry, COUNT(Id) Industry FROM Account GROUP BY Industry",
            "duplicate alias: Industry",
        ),
        (
            "SELECT Industry FROM Account GROUP BY Industry ORDER BY Name",
            "Ordered field must be grouped or aggregated: Name",
        ),
        (
            "SELECT Id Name FROM Account",
            "only aggregate expressions use field aliasing",
        ),
    ] {
        org.rejects(soql, "MALFORMED_QUERY", message).await;
    }
}

#[tokio::test]
async fn semi_joins_follow_ids() {
    let org = Org::sales().await;
    for (soql, expected) in [
        (
            "SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact) ORDER BY Name",
            "Acme Beta",
        ),
        (
            "SELECT Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact WHERE LastName = 'Lee') ORDER BY Name",
            "Beta Delta Gamma",
        ),
        (
            "SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Opportunity WHERE Amount < 60)",
            "Beta",
        ),
        (
            "SELECT Name FROM Opportunity WHERE AccountId IN (SELECT Id FROM Account WHERE Industry = 'Energy')",
            "Three",
        ),
    ] {
        assert_eq!(org.names(soql).await.join(" "), expected, "{soql}");
    }
    for (soql, message) in [
        (
            "SELECT Id FROM Account WHERE Name = 'x' OR Id IN (SELECT AccountId FROM Contact)",
            "Semi join sub-selects are not allowed with the 'OR' operator",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'x' AND (Name = 'y' OR Id IN (SELECT AccountId FROM Contact))",
            "only allowed at the top level WHERE expressions",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT WhoId FROM Task))",
            "Nesting of semi join sub-selects is not supported",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Account)",
            "The inner and outer selects should not be on the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Contact)",
            "\nSELECT Id FROM Account WHERE Id IN (SELECT Id FROM Contact)\n                             ^\nERROR at Row:1:Column:30\nThe selected field 'Id' in the subquery",
        ),
        (
            "SELECT Id FROM Contact WHERE Account.ParentId IN (SELECT Id FROM Account)",
            "cannot have more than one level of relationships",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Opportunity) AND Id IN (SELECT AccountId FROM Case)",
            "Maximum 2 semi join sub-selects are allowed",
        ),
    ] {
        org.rejects(soql, "MALFORMED_QUERY", message).await;
    }
}

#[tokio::test]
async fn polymorphic_parents_and_functions() {
    let org = Org::sales().await;
    for (soql, expected) in [
        (
            "SELECT Subject, What.Name, What.Type, Who.LastName FROM Task WHERE What.Type IN ('Account', 'Opportunity')",
            json!([{"Subject": "Call", "What": {"Name": "Acme", "Type": "Account"}, "Who": {"LastName": "Lee"}}]),
        ),
        (
            "SELECT TYPEOF What WHEN Account THEN Industry, Owner.Name WHEN Opportunity THEN Amount ELSE Name END FROM Task ORDER BY Subject",
            json!([{"What": {"Industry": "Banking", "Owner": {"Name": "Ann Lee"}}}, {"What": null}]),
        ),
        (
            "SELECT TYPEOF Who WHEN Lead THEN Company ELSE Name END FROM Task WHERE Subject = 'Call'",
            json!([{"Who": {"Name": "Ann Lee"}}]),
        ),
        (
            "SELECT toLabel(Industry), FORMAT(NumberOfEmployees) staff, NumberOfEmployees FROM Account WHERE Name = 'Acme'",
            json!([{"Industry": "Banking", "staff": "10", "NumberOfEmployees": 10}]),
        ),
        (
            "SELECT Name, convertCurrency(Amount) FROM Opportunity WHERE CALENDAR_MONTH(CloseDate) = 1",
            json!([{"Name": "One", "Amount": 100.5}]),
        ),
        (
            "SELECT BillingAddress FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(51.45, -2.59), 'km') < 20",
            json!([{"BillingAddress": {"city": "Bath", "country": null, "geocodeAccuracy": null, "latitude": 51.38, "longitude": -2.36, "postalCode": null, "state": null, "street": null}}]),
        ),
        // The last three characters of an Id do not count.
        (
            "SELECT Id FROM Account WHERE Id = 'a001a000001E1vFAKE'",
            json!([]),
        ),
        (
            "SELECT Name FROM Account USING SCOPE mine WHERE Name = 'Acme' FOR VIEW",
            json!([{"Name": "Acme"}]),
        ),
        (
            "SELECT LastName FROM Contact c, c.Account a WHERE a.Name = 'Beta'",
            json!([{"LastName": "Poe"}]),
        ),
        (
            "SELECT Name FROM Account WHERE Id = null OR Ext__c = 'A-2' OR Ext__c = 'A-3' ORDER BY Industry DESC",
            json!([{"Name": "Beta"}, {"Name": "Gamma"}]),
        ),
    ] {
        assert_eq!(org.found(soql).await, expected, "{soql}");
    }
    for (soql, code, message) in [
        (
            "SELECT What.Industry FROM Task",
            "INVALID_FIELD",
            "No such column 'Industry' on entity 'Name'.",
        ),
        (
            "SELECT Id FROM Account WHERE BillingAddress = 'x'",
            "INVALID_FIELD",
            "Address fields can only be filtered using Distance expressions",
        ),
        (
            "SELECT Id FROM Account ORDER BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call",
        ),
        (
            "SELECT Id FROM Account WHERE ParentId LIKE '001%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "Column:30\ninvalid operator on id field",
        ),
        (
            "SELECT FIELDS(ALL) FROM Account",
            "MALFORMED_QUERY",
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ),
        (
            "SELECT CALENDAR_YEAR(CreatedDate) FROM Account",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: CreatedDate",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate = SOMEDAY",
            "MALFORMED_QUERY",
            "Column:44\nunexpected token: 'SOMEDAY'",
        ),
        (
            "SELECT LOWER(Name) FROM Account",
            "MALFORMED_QUERY",
            "unexpected token: '('",
        ),
        (
            "SELECT Id, FIELDS(STANDARD) FROM Account",
            "INVALID_FIELD",
            "duplicate field selected: Id",
        ),
    ] {
        org.rejects(soql, code, message).await;
    }
    let (status, body) = org
        .query("SELECT Id FROM Account WITH DATA CATEGORY Geography__c ABOVE usa__c")
        .await;
    assert_eq!((status, &body[0]["errorCode"]), (501, &json!("NOT_EMULATED")));
}

#[tokio::test]
async fn date_literals_follow_the_users_clock() {
    let org = Org::start(
        r#"
clock: { start: 2026-07-01T02:00:00Z }
records:
  - object: Account
    rows:
      - { Name: Late, CreatedDate: 2026-06-30T20:00:00Z }
      - { Name: Early, CreatedDate: 2026-06-30T03:00:00Z }
"#,
    )
    .await;
    let user = org
        .found("SELECT Id FROM User WHERE Username = 'int@hq.example'")
        .await;
    let id = user[0]["Id"].as_str().expect("an id");
    for (zone, expected) in [
        ("America/Los_Angeles", "Late"),
        ("GMT", ""),
        ("Asia/Tokyo", "Late"),
    ] {
        let (status, body) = org
            .json(
                "PATCH",
                &format!("/sobjects/User/{id}"),
                Some(json!({"TimeZoneSidKey": zone})),
            )
            .await;
        assert_eq!(status, 204, "{body}");
        let names = org
            .names("SELECT Name FROM Account WHERE CreatedDate = TODAY")
            .await;
        assert_eq!(names.join(" "), expected, "{zone}");
    }
}

#[tokio::test]
async fn case_counts_where_a_field_says_so() {
    let org = Org::sales().await;
    org.create("Account", json!({"Name": "Coded", "Code__c": "aB"}))
        .await;
    for (soql, expected) in [
        ("SELECT Name FROM Account WHERE Code__c = 'aB'", "Coded"),
        ("SELECT Name FROM Account WHERE Code__c = 'AB'", ""),
        ("SELECT Name FROM Account WHERE Code__c IN ('aB', 'x')", "Coded"),
        ("SELECT Name FROM Account WHERE Name = 'CODED'", "Coded"),
        (
            "SELECT Name FROM Account WHERE toLabel(Industry) = 'energy'",
            "Beta",
        ),
    ] {
        assert_eq!(org.names(soql).await.join(" "), expected, "{soql}");
    }
}

#[tokio::test]
async fn plans_are_explained() {
    let org = Org::sales().await;
    let (status, body) = org
        .json(
            "GET",
            "/query?explain=SELECT+Id+FROM+Account+WHERE+Ext__c='A-1'",
            None,
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(body["plans"][0]["leadingOperationType"], "Index");
    assert_eq!(body["plans"][0]["fields"], json!(["Ext__c"]));
    assert_eq!(body["plans"][1]["leadingOperationType"], "TableScan");
    assert_eq!(body["plans"][1]["sobjectCardinality"], 4);
}

#[tokio::test]
async fn query_jobs_refuse_what_they_cannot_give() {
    let org = Org::sales().await;
    for (soql, message) in [
        (
            "SELECT COUNT(Id) FROM Account",
            "Aggregate Relationships not supported in Bulk Query",
        ),
        (
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "Aggregate Relationships not supported in Bulk Query",
        ),
        (
            "SELECT BillingAddress FROM Account",
            "Selecting compound data not supported in Bulk Query",
        ),
        (
            "SELECT FIELDS(ALL) FROM Account LIMIT 5",
            "unbounded set of fields",
        ),
        ("SELECT Id FROM Account OFFSET 1", "OFFSET"),
        (
            "SELECT TYPEOF What WHEN Account THEN Name END FROM Task",
            "TYPEOF",
        ),
    ] {
        let body = json!({"operation": "query", "query": soql});
        let (status, body) = org.json("POST", "/jobs/query", Some(body)).await;
        assert_eq!(
            (status, &body[0]["errorCode"]),
            (400, &json!("API_ERROR")),
            "{soql}"
        );
        assert!(
            body[0]["message"].as_str().is_some_and(|m| m.contains(message)),
            "{soql} {body}"
        );
    }
    for soql in [
        "SELECT FIELDS(STANDARD) FROM Account",
        "SELECT Id, What.Type, Who.Name FROM Task WHERE WhatId IN (SELECT Id FROM Account)",
    ] {
        let body = json!({"operation": "query", "query": soql});
        let (status, body) = org.json("POST", "/jobs/query", Some(body)).await;
        assert_eq!(status, 200, "{soql} {body}");
    }
}
