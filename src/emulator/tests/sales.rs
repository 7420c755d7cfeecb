//! What the platform keeps by itself around campaigns, contracts, orders and the accounts of contacts.

use super::*;

async fn get(org: &Org, object: &str, id: &str) -> Value {
    org.json("GET", &format!("/sobjects/{object}/{id}"), None).await.1
}

#[tokio::test]
async fn campaigns_count_their_members_and_deals() {
    let org = Org::start("").await;
    let campaign = org.create("Campaign", json!({"Name": "Spring"})).await;
    let other = org.create("Campaign", json!({"Name": "Fall"})).await;
    let mut members = Vec::new();
    for n in 0..3 {
        let contact = org.create("Contact", json!({"LastName": format!("C{n}")})).await;
        let status = if n == 0 { "Responded" } else { "Sent" };
        let member = json!({"CampaignId": campaign, "ContactId": contact, "Status": status});
        members.push(org.create("CampaignMember", member).await);
    }
    let lead = org.create("Lead", json!({"LastName": "L", "Company": "X"})).await;
    org.create("CampaignMember", json!({"CampaignId": campaign, "LeadId": lead}))
        .await;
    let deal = |stage: &str, amount: u32| json!({"Name": "D", "StageName": stage, "CloseDate": "2026-05-31", "Amount": amount, "CampaignId": campaign});
    let won = org.create("Opportunity", deal("Closed Won", 70)).await;
    let open = org.create("Opportunity", deal("Prospecting", 30)).await;
    let totals = |row: &Value| {
        [
            "NumberOfContacts",
            "NumberOfLeads",
            "NumberOfResponses",
            "NumberOfOpportunities",
            "NumberOfWonOpportunities",
            "AmountAllOpportunities",
            "AmountWonOpportunities",
        ]
        .map(|field| row[field].as_f64().expect(field))
    };
    assert_eq!(
        totals(&get(&org, "Campaign", &campaign).await),
        [3., 1., 1., 2., 1., 100., 70.]
    );
    org.json(
        "PATCH",
        &format!("/sobjects/CampaignMember/{}", members[1]),
        Some(json!({"Status": "Responded"})),
    )
    .await;
    org.json(
        "DELETE",
        &format!("/sobjects/CampaignMember/{}", members[2]),
        None,
    )
    .await;
    org.json(
        "PATCH",
        &format!("/sobjects/Opportunity/{open}"),
        Some(json!({"StageName": "Closed Won", "Amount": 40})),
    )
    .await;
    org.json(
        "PATCH",
        &format!("/sobjects/Opportunity/{won}"),
        Some(json!({"CampaignId": other})),
    )
    .await;
    assert_eq!(
        totals(&get(&org, "Campaign", &campaign).await),
        [2., 1., 2., 1., 1., 40., 40.]
    );
    assert_eq!(
        totals(&get(&org, "Campaign", &other).await),
        [0., 0., 0., 1., 1., 70., 70.]
    );
    // What is taken back leaves no trace in a total.
    let twice = json!({"allOrNone": true, "records": [
        {"attributes": {"type": "CampaignMember"}, "CampaignId": other, "LeadId": lead},
        {"attributes": {"type": "CampaignMember"}, "CampaignId": other, "LeadId": lead},
    ]});
    let (_, answer) = org.json("POST", "/composite/sobjects", Some(twice)).await;
    assert_eq!(
        answer[1]["errors"][0]["statusCode"], "DUPLICATE_VALUE",
        "{answer}"
    );
    assert_eq!(get(&org, "Campaign", &other).await["NumberOfLeads"], 0);
}

#[tokio::test]
async fn contracts_and_orders_are_activated_by_their_rules() {
    let org = Org::start("").await;
    let account = org.create("Account", json!({"Name": "Acme"})).await;
    let contract = |status: &str| json!({"AccountId": account, "Status": status, "StartDate": "2026-01-01", "ContractTerm": 12});
    org.refused(
        "POST",
        "/sobjects/Contract",
        contract("Activated"),
        400,
        "FAILED_ACTIVATION",
        "contract status",
    )
    .await;
    let id = org.create("Contract", contract("In Approval Process")).await;
    let row = get(&org, "Contract", &id).await;
    assert_eq!(
        (&row["StatusCode"], &row["EndDate"], &row["ActivatedDate"]),
        (&json!("InApproval"), &json!("2026-12-31"), &json!(null))
    );
    let path = format!("/sobjects/Contract/{id}");
    assert_eq!(
        org.ask("PATCH", &path, Some(json!({"Status": "Activated"})))
            .await
            .status(),
        204
    );
    let row = get(&org, "Contract", &id).await;
    assert_eq!(row["StatusCode"], "Activated");
    assert!(row["ActivatedDate"].is_string() && row["ActivatedById"].is_string());
    org.refused(
        "PATCH",
        &path,
        json!({"Status": "Draft"}),
        400,
        "FAILED_ACTIVATION",
        "contract status",
    )
    .await;

    let (_, books) = org
        .query("SELECT Id FROM Pricebook2 WHERE IsStandard = true")
        .await;
    let book = books["records"][0]["Id"].clone();
    let product = org
        .create("Product2", json!({"Name": "Anvil", "IsActive": true}))
        .await;
    let entry = org
        .create(
            "PricebookEntry",
            json!({"Pricebook2Id": book, "Product2Id": product, "UnitPrice": 10, "IsActive": true}),
        )
        .await;
    let order = |status: &str| json!({"AccountId": account, "EffectiveDate": "2026-02-01", "Status": status, "Pricebook2Id": book});
    org.refused(
        "POST",
        "/sobjects/Order",
        order("Activated"),
        400,
        "FAILED_ACTIVATION",
        "order status",
    )
    .await;
    let id = org.create("Order", order("Draft")).await;
    let path = format!("/sobjects/Order/{id}");
    let activate = json!({"Status": "Activated"});
    org.refused(
        "PATCH",
        &path,
        activate.clone(),
        400,
        "FAILED_ACTIVATION",
        "at least one product",
    )
    .await;
    for (quantity, price) in [(2, 10.0), (3, 1.5)] {
        let line =
            json!({"OrderId": id, "PricebookEntryId": entry, "Quantity": quantity, "UnitPrice": price});
        org.create("OrderItem", line).await;
    }
    assert_eq!(org.ask("PATCH", &path, Some(activate)).await.status(), 204);
    let row = get(&org, "Order", &id).await;
    assert_eq!(
        (&row["StatusCode"], row["TotalAmount"].as_f64()),
        (&json!("Activated"), Some(24.5))
    );
    assert!(row["ActivatedDate"].is_string());
}

#[tokio::test]
async fn a_contacts_account_makes_the_direct_relation() {
    let org = Org::start("contacts_to_multiple_accounts: true\n").await;
    let a = org.create("Account", json!({"Name": "A"})).await;
    let b = org.create("Account", json!({"Name": "B"})).await;
    let c = org
        .create("Contact", json!({"LastName": "C", "AccountId": a}))
        .await;
    let all = async || {
        let soql =
            "SELECT Account.Name, IsDirect, IsActive FROM AccountContactRelation ORDER BY Account.Name";
        let (_, body) = org.query(soql).await;
        body["records"]
            .as_array()
            .expect("records")
            .iter()
            .map(|r| {
                format!(
                    "{} {}",
                    r["Account"]["Name"].as_str().expect("a name"),
                    r["IsDirect"]
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(all().await, ["A true"]);
    let relate = |account: &str| json!({"AccountId": account, "ContactId": c});
    let path = "/sobjects/AccountContactRelation";
    org.refused(
        "POST",
        path,
        relate(&a),
        400,
        "DUPLICATE_VALUE",
        "already has a relationship",
    )
    .await;
    org.create("AccountContactRelation", relate(&b)).await;
    assert_eq!(all().await, ["A true", "B false"]);
    let contact = format!("/sobjects/Contact/{c}");
    org.json("PATCH", &contact, Some(json!({"AccountId": b}))).await;
    assert_eq!(all().await, ["B true"]);
    org.json("PATCH", &contact, Some(json!({"AccountId": a}))).await;
    assert_eq!(all().await, ["A true"]);
    let (_, body) = org.query("SELECT Id FROM AccountContactRelation").await;
    let direct = format!("{path}/{}", body["records"][0]["Id"].as_str().expect("an Id"));
    org.refused("DELETE", &direct, json!(null), 400, "DELETE_FAILED", "direct")
        .await;
    org.json("PATCH", &contact, Some(json!({"AccountId": null})))
        .await;
    assert_eq!(all().await, [""; 0]);
    org.json("DELETE", &contact, None).await;
    let plain = Org::start("").await;
    assert_eq!(
        plain.ask("GET", &format!("{path}/describe"), None).await.status(),
        404
    );
}

#[tokio::test]
async fn picklists_have_labels_of_their_own() {
    const MORE: &str = r#"
  Thing__c:
    fields:
      Size__c: { type: Picklist, values: [s, m, xl], labels: { s: Small, xl: Very large } }
      Tags__c: { type: Multi-Select Picklist, values: [a, b], labels: { a: Alpha } }
"#;
    let org = Org::start(MORE).await;
    let (_, described) = org.json("GET", "/sobjects/Thing__c/describe", None).await;
    let fields = described["fields"].as_array().expect("fields");
    let size = fields.iter().find(|f| f["name"] == "Size__c").expect("Size__c");
    let values: Vec<String> = size["picklistValues"]
        .as_array()
        .expect("values")
        .iter()
        .map(|v| {
            format!(
                "{} {}",
                v["value"].as_str().expect("a value"),
                v["label"].as_str().expect("a label")
            )
        })
        .collect();
    assert_eq!(values, ["s Small", "m m", "xl Very large"]);
    for (name, size) in [("1", "xl"), ("2", "s"), ("3", "m")] {
        org.create(
            "Thing__c",
            json!({"Name": name, "Size__c": size, "Tags__c": "a;b"}),
        )
        .await;
    }
    let (_, body) = org
        .query("SELECT toLabel(Size__c), toLabel(Tags__c) FROM Thing__c WHERE Name = '1'")
        .await;
    let record = &body["records"][0];
    assert_eq!(
        (&record["Size__c"], &record["Tags__c"]),
        (&json!("Very large"), &json!("Alpha;b"))
    );
    let (_, body) = org.query("SELECT Size__c FROM Thing__c WHERE Name = '1'").await;
    assert_eq!(body["records"][0]["Size__c"], "xl");
    assert_eq!(
        org.names("SELECT Name FROM Thing__c WHERE toLabel(Size__c) = 'very large'")
            .await,
        ["1"]
    );
    assert_eq!(
        org.names("SELECT Name FROM Thing__c WHERE toLabel(Size__c) LIKE 'Sm%'")
            .await,
        ["2"]
    );
    assert_eq!(
        org.names("SELECT Name FROM Thing__c WHERE Size__c = 'Small'")
            .await,
        [""; 0]
    );
    let file = OrgFile::parse(&format!("{ORG}{MORE}").replace("xl: Very", "xxl: Very"), ".").expect("a file");
    let error = Emulator::start(file, 0).await.expect_err("an error").to_string();
    assert!(error.contains("Size__c") && error.contains("`xxl`"), "{error}");
}

#[tokio::test]
async fn rules_speak_before_unique_fields_do() {
    const MORE: &str = r#"
  Thing__c:
    fields:
      Key__c: { type: Text(10), external_id: true, unique: true }
      Size__c: { type: "Number(4, 0)" }
    validation_rules:
      - { name: Small, when: Size__c > 10, field: Size__c, message: Too large }
    flows:
      - { name: Default, on: [before_insert], when: ISBLANK(Key__c), set: { Key__c: "'auto'" } }
"#;
    let org = Org::start(&MORE.replace("'auto'", "\\\"auto\\\"")).await;
    let path = "/sobjects/Thing__c";
    let first = org.create("Thing__c", json!({"Key__c": "k", "Size__c": 1})).await;
    let second = org.create("Thing__c", json!({"Size__c": 1})).await;
    let thing = |size: u32| json!({"Key__c": "k", "Size__c": size});
    org.refused(
        "POST",
        path,
        thing(11),
        400,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Too large",
    )
    .await;
    org.refused("POST", path, thing(9), 400, "DUPLICATE_VALUE", &first)
        .await;
    // What a flow sets is unique too.
    org.refused(
        "POST",
        path,
        json!({"Size__c": 2}),
        400,
        "DUPLICATE_VALUE",
        &second,
    )
    .await;
    let path = format!("{path}/{second}");
    org.refused(
        "PATCH",
        &path,
        thing(11),
        400,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "",
    )
    .await;
    org.refused("PATCH", &path, thing(9), 400, "DUPLICATE_VALUE", &first)
        .await;
    assert_eq!(
        org.ask("PATCH", &path, Some(json!({"Key__c": "auto", "Size__c": 3})))
            .await
            .status(),
        204
    );
    assert_eq!(org.emulator.count("Thing__c"), 2);
}

#[tokio::test]
async fn rows_come_in_any_order_when_nobody_asked_for_one() {
    const MORE: &str = r#"
records:
  - object: Account
    generate: { count: 50, fields: { Name: "A {n:02}" } }
faults:
  - { then: { shuffle_rows: { object: Account } } }
"#;
    let org = Org::start(MORE).await;
    let first = org.names("SELECT Name FROM Account").await;
    let second = org.names("SELECT Name FROM Account").await;
    let ordered = org.names("SELECT Name FROM Account ORDER BY Name").await;
    assert!(ordered.is_sorted() && !first.is_sorted() && first != second);
    let mut sorted = second.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ordered);
}
