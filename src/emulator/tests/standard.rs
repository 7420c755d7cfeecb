use serde_json::json;

use super::*;

async fn get(org: &Org, object: &str, id: &str) -> Value {
    org.json("GET", &format!("/sobjects/{object}/{id}"), None).await.1
}

#[tokio::test]
async fn lines_make_an_opportunitys_amount() {
    let org = Org::start("").await;
    let (_, books) = org
        .query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")
        .await;
    let standard = books["records"][0]["Id"].clone();
    let product = org
        .create(
            "Product2",
            json!({"Name": "Anvil", "ProductCode": "A1", "IsActive": true}),
        )
        .await;
    let book = org
        .create("Pricebook2", json!({"Name": "Retail", "IsActive": true}))
        .await;
    let price = |book: &Value, amount: u32| json!({"Pricebook2Id": book, "Product2Id": product, "UnitPrice": amount, "IsActive": true});
    let refused = "/sobjects/PricebookEntry";
    org.refused(
        "POST",
        refused,
        price(&json!(book), 12),
        400,
        "STANDARD_PRICE_NOT_DEFINED",
        "",
    )
    .await;
    org.create("PricebookEntry", price(&standard, 10)).await;
    org.refused(
        "POST",
        refused,
        price(&standard, 11),
        400,
        "DUPLICATE_VALUE",
        "already exists",
    )
    .await;
    let entry = org.create("PricebookEntry", price(&json!(book), 12)).await;
    let opportunity = org
        .create(
            "Opportunity",
            json!({"Name": "Deal", "StageName": "Value Proposition", "CloseDate": "2026-05-31", "Amount": 1}),
        )
        .await;
    let line = |more: Value| {
        let mut body = json!({"OpportunityId": opportunity, "PricebookEntryId": entry, "Quantity": 3});
        for (key, value) in more.as_object().expect("a map") {
            body[key] = value.clone();
        }
        body
    };
    org.refused(
        "POST",
        "/sobjects/OpportunityLineItem",
        line(json!({"UnitPrice": 1, "TotalPrice": 3})),
        400,
        "FIELD_INTEGRITY_EXCEPTION",
        "both",
    )
    .await;
    let first = org
        .create("OpportunityLineItem", line(json!({"UnitPrice": 20})))
        .await;
    org.create("OpportunityLineItem", line(json!({"TotalPrice": 40.5})))
        .await;
    let row = get(&org, "Opportunity", &opportunity).await;
    for (field, expected) in [
        ("Amount", json!(100.5)),
        ("ExpectedRevenue", json!(50.25)),
        ("Probability", json!(50.0)),
        ("TotalOpportunityQuantity", json!(6.0)),
        ("HasOpportunityLineItem", json!(true)),
        ("Pricebook2Id", json!(book)),
        ("Fiscal", json!("2026 2")),
        ("ForecastCategory", json!("Pipeline")),
    ] {
        assert_eq!(row[field].to_string(), expected.to_string(), "{field}");
    }
    let path = format!("/sobjects/Opportunity/{opportunity}");
    org.json(
        "PATCH",
        &path,
        Some(json!({"Amount": 7, "StageName": "Closed Won"})),
    )
    .await;
    org.json("DELETE", &format!("/sobjects/OpportunityLineItem/{first}"), None)
        .await;
    let row = get(&org, "Opportunity", &opportunity).await;
    assert_eq!(row["Amount"].to_string(), "40.5");
    assert_eq!(
        (&row["IsWon"], row["Probability"].to_string().as_str()),
        (&json!(true), "100.0")
    );
}

#[tokio::test]
async fn members_tasks_events_and_cases_follow_their_own_rules() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    let contact = org
        .create(
            "Contact",
            json!({"LastName": "Lee", "AccountId": account, "Email": "lee@acme.example"}),
        )
        .await;
    let campaign = org.create("Campaign", json!({"Name": "Spring"})).await;
    let member = json!({"CampaignId": campaign, "ContactId": contact, "Status": "Unheard of"});
    let id = org.create("CampaignMember", member.clone()).await;
    let row = get(&org, "CampaignMember", &id).await;
    assert_eq!(
        (&row["Status"], &row["CompanyOrAccount"]),
        (&json!("Sent"), &json!("Acme"))
    );
    org.refused(
        "POST",
        "/sobjects/CampaignMember",
        member,
        400,
        "DUPLICATE_VALUE",
        "Already a campaign member",
    )
    .await;
    let task = org
        .create(
            "Task",
            json!({"Subject": "Call", "WhoId": contact, "Priority": "High", "Status": "Completed"}),
        )
        .await;
    let row = get(&org, "Task", &task).await;
    assert_eq!(row["AccountId"], json!(account));
    assert_eq!(
        (&row["IsClosed"], &row["IsHighPriority"]),
        (&json!(true), &json!(true))
    );
    org.refused(
        "POST",
        "/sobjects/Event",
        json!({"Subject": "x"}),
        400,
        "REQUIRED_FIELD_MISSING",
        "ActivityDateTime",
    )
    .await;
    let event = org
        .create(
            "Event",
            json!({"Subject": "x", "StartDateTime": "2026-03-01T10:00:00Z", "EndDateTime": "2026-03-01T11:30:00Z"}),
        )
        .await;
    let row = get(&org, "Event", &event).await;
    assert_eq!(
        (&row["DurationInMinutes"], &row["ActivityDate"]),
        (&json!(90), &json!("2026-03-01"))
    );
    let case = org
        .create("Case", json!({"Subject": "Broken", "ContactId": contact}))
        .await;
    let path = format!("/sobjects/Case/{case}");
    assert_eq!(get(&org, "Case", &case).await["AccountId"], json!(account));
    org.json("PATCH", &path, Some(json!({"Status": "Closed"}))).await;
    let row = get(&org, "Case", &case).await;
    assert_eq!(
        (&row["IsClosed"], &row["ContactEmail"]),
        (&json!(true), &json!("lee@acme.example"))
    );
    assert!(row["ClosedDate"].is_string());
}

#[tokio::test]
async fn a_person_account_brings_its_contact() {
    let org = Org::start("person_accounts: true\n").await;
    let id = org
        .create(
            "Account",
            json!({"LastName": "Lee", "FirstName": "Ann", "PersonEmail": "Ann@x.example"}),
        )
        .await;
    let row = get(&org, "Account", &id).await;
    assert_eq!(
        (&row["Name"], &row["IsPersonAccount"]),
        (&json!("Ann Lee"), &json!(true))
    );
    let contact = row["PersonContactId"].as_str().expect("a contact").to_owned();
    let path = format!("/sobjects/Account/{id}");
    org.json("PATCH", &path, Some(json!({"LastName": "Li", "Ext__pc": "E-1"})))
        .await;
    let mirror = get(&org, "Contact", &contact).await;
    assert_eq!(
        (&mirror["Name"], &mirror["Ext__c"]),
        (&json!("Ann Li"), &json!("E-1"))
    );
    assert_eq!(
        (&mirror["Email"], &mirror["AccountId"]),
        (&json!("ann@x.example"), &json!(id))
    );
    let code = "INVALID_FIELD_FOR_INSERT_UPDATE";
    org.refused(
        "PATCH",
        &path,
        json!({"Name": "No"}),
        400,
        code,
        "bad field names",
    )
    .await;
    let (status, _) = org
        .json("DELETE", &format!("/sobjects/Contact/{contact}"), None)
        .await;
    assert_eq!(status, 400);
    org.create("Account", json!({"Name": "Acme"})).await;
    org.refused(
        "POST",
        "/sobjects/Account",
        json!({"Phone": "1"}),
        400,
        "REQUIRED_FIELD_MISSING",
        "Name",
    )
    .await;
}

#[tokio::test]
async fn records_have_a_currency_where_an_org_has_several() {
    let org = Org::start("currencies: { corporate: EUR, active: { USD: 1.1 } }\n").await;
    let id = org.create("Account", json!({"Name": "Acme"})).await;
    assert_eq!(get(&org, "Account", &id).await["CurrencyIsoCode"], json!("EUR"));
    org.create("Account", json!({"Name": "B", "CurrencyIsoCode": "USD"}))
        .await;
    let body = json!({"Name": "C", "CurrencyIsoCode": "GBP"});
    let (status, _) = org.json("POST", "/sobjects/Account", Some(body)).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn values_of_picklists_have_records() {
    let more = "currencies: { corporate: EUR, active: { USD: 1.1 }, inactive: { JPY: 160 } }\n";
    let org = Org::start(more).await;
    for (query, expected) in [
        (
            "SELECT MasterLabel FROM OpportunityStage WHERE IsWon = true AND IsActive = true",
            "Closed Won",
        ),
        (
            "SELECT ApiName FROM OpportunityStage WHERE DefaultProbability = 75 AND ForecastCategory = 'Pipeline'",
            "Proposal/Price Quote",
        ),
        (
            "SELECT ApiName FROM LeadStatus WHERE IsConverted = true",
            "Closed - Converted",
        ),
        (
            "SELECT ApiName FROM LeadStatus WHERE IsDefault = true",
            "Open - Not Contacted",
        ),
        (
            "SELECT ApiName FROM CaseStatus WHERE IsClosed = true AND SortOrder = 4",
            "Closed",
        ),
        (
            "SELECT ApiName FROM ContractStatus WHERE StatusCode = 'InApproval'",
            "In Approval Process",
        ),
        (
            "SELECT ApiName FROM TaskStatus WHERE IsClosed = true",
            "Completed",
        ),
        (
            "SELECT ApiName FROM TaskPriority WHERE IsHighPriority = true",
            "High",
        ),
        (
            "SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true AND ConversionRate = 1",
            "EUR",
        ),
        (
            "SELECT IsoCode FROM CurrencyType WHERE IsActive = false AND DecimalPlaces = 0",
            "JPY",
        ),
        (
            "SELECT SobjectType FROM QueueSobject WHERE Queue.Name = 'Second Line' AND SobjectType = 'Lead'",
            "Lead",
        ),
    ] {
        let (status, body) = org.query(query).await;
        assert_eq!((status, &body["totalSize"]), (200, &json!(1)), "{query}: {body}");
        let field = query.split(' ').nth(1).expect("a field");
        assert_eq!(body["records"][0][field], expected, "{query}");
    }
    // Objects that share a prefix share no Id.
    let mut ids: Vec<Value> = Vec::new();
    for object in ["OpportunityStage", "LeadStatus", "TaskPriority"] {
        let (_, body) = org.query(&format!("SELECT Id FROM {object}")).await;
        ids.extend(
            body["records"]
                .as_array()
                .expect("records")
                .iter()
                .map(|r| r["Id"].clone()),
        );
        let (status, _) = org
            .json(
                "POST",
                &format!("/sobjects/{object}"),
                Some(json!({"MasterLabel": "x"})),
            )
            .await;
        assert_eq!(status, 400, "{object}");
    }
    let all: std::collections::HashSet<String> = ids.iter().map(Value::to_string).collect();
    assert_eq!(all.len(), ids.len());
}
