//! The administrator's rules, and values that follow from values.

use super::*;

const RULES: &str = r#"
version: 1
name: rules
seed: 3
bulk: { delay: 5ms }
clock: { start: "2026-03-01T10:00:00Z", frozen: true }
access_tokens:
  - { token: "fixed!token", lifetime: 900h }
users:
  - { username: int@hq.example, name: Ann Lee }
sobjects:
  Account:
    fields:
      Region__c: { type: Text(20) }
      Active__c: { type: Checkbox, default: true }
      Full__c: { type: Formula (Text), formula: 'Name & " / " & BLANKVALUE(Region__c, "none")' }
      Age__c: { type: "Formula (Number(18, 0))", formula: "TODAY() - DATEVALUE(CreatedDate)" }
      Link__c: { type: Formula (Text), formula: 'HYPERLINK("/" & Id, Name)' }
      Orders__c: { type: Roll-Up Summary (COUNT), summary: { object: Order__c, operation: count } }
      Total__c: { type: Roll-Up Summary, summary: { object: Order__c, operation: sum, field: Amount__c } }
      Open__c:
        type: Roll-Up Summary
        summary: { object: Order__c, operation: sum, field: Amount__c, when: "NOT(Paid__c)" }
      First__c: { type: Roll-Up Summary, summary: { object: Order__c, operation: min, field: Due__c } }
      Largest__c: { type: Roll-Up Summary, summary: { object: Order__c, operation: max, field: Amount__c } }
      Double__c: { type: "Formula (Number(16, 2))", formula: "Total__c * 2" }
    validation_rules:
      - { name: Region, when: 'AND(ISPICKVAL(Rating, "Hot"), ISBLANK(Region__c))', field: Region__c, message: Hot needs a region }
      - { name: Phone, when: 'AND(ISPICKVAL(Rating, "Hot"), ISBLANK(Phone))', message: Hot needs a phone }
      - { name: Fixed, when: 'AND(NOT(ISNEW()), ISCHANGED(Site), PRIORVALUE(Site) = "fixed")', message: Site is fixed }
      - { name: Resting, active: false, when: "TRUE", message: never }
      - { name: Short, when: 'LEN(Full__c) > 60', message: Too long }
    triggers:
      - { name: AccountTrigger, on: [before_insert, before_update], when: 'BEGINS(Name, "  boom")', exception: "System.NullPointerException: x" }
      - { name: Boom, on: [before_insert], when: 'Name = "boom"', exception: "System.NullPointerException: Attempt to de-reference a null object" }
      - { name: Keep, on: [before_delete], when: 'Name = "keep"', error: Accounts are kept }
      - { name: Upper, on: [before_insert, before_update], when: "NOT(ISBLANK(Fax))", set: { Fax: 'SUBSTITUTE(Fax, " ", "-")' } }
    flows:
      - { name: Guard, on: [after_insert], when: 'Name = "flow"', error: "An error occurred." }
  Contact:
    fields:
      Region__c: { type: Formula (Text), formula: "UPPER(Account.Region__c)" }
      Mentor__c: { type: Lookup(Contact) }
      Boss__c: { type: Formula (Text), formula: 'Mentor__r.LastName & "@" & Mentor__r.Account.Name' }
      Strict__c: { type: Lookup(Account), lookup_filter: { when: "Strict__r.Active__c" } }
      Held__c: { type: Lookup(Account), on_delete: restrict, child_relationship: HeldContacts }
      Tax__c: { type: Text(20), unique: true, external_id: true }
    duplicate_rules:
      - name: Contact_Rule
        matching_rule: Contact_Match
        match: { Email: exact, LastName: fuzzy }
        on_insert: alert
        on_update: block
  Order__c:
    name_field: { auto_number: "O-{0000}" }
    fields:
      Account__c: { type: Master-Detail(Account), reparentable: true, child_relationship: Orders }
      Amount__c: { type: "Currency(16, 2)" }
      Paid__c: { type: Checkbox }
      Due__c: { type: Date }
      Buyer__c: { type: Formula (Text), formula: "Account__r.Full__c" }
  Line__c:
    fields:
      Order__c: { type: Master-Detail(Order__c), child_relationship: Lines }
"#;

async fn start() -> Org {
    Org::of(RULES).await
}

impl Org {
    async fn of(text: &str) -> Self {
        let file = OrgFile::parse(text, ".").expect("the org file");
        let emulator = Emulator::start(file, 0).await.expect("the org");
        let _ = rustls::crypto::ring::default_provider().install_default();
        Org {
            emulator,
            client: Client::builder().build().expect("a client"),
            token: "fixed!token".to_owned(),
        }
    }

    /// Some fields of one record.
    async fn get(&self, object: &str, id: &str, fields: &str) -> Value {
        let (status, body) = self
            .json("GET", &format!("/sobjects/{object}/{id}?fields={fields}"), None)
            .await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn change(&self, object: &str, id: &str, body: Value) -> (u16, Value) {
        self.json("PATCH", &format!("/sobjects/{object}/{id}"), Some(body))
            .await
    }

    async fn remove(&self, object: &str, id: &str) -> (u16, Value) {
        self.json("DELETE", &format!("/sobjects/{object}/{id}"), None)
            .await
    }
}

#[tokio::test]
async fn validation_rules_are_all_asked() {
    let org = start().await;
    let (status, body) = org
        .json(
            "POST",
            "/sobjects/Account",
            Some(json!({"Name": "A", "Rating": "Hot"})),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        body,
        json!([
            {"message": "Hot needs a region", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Region__c"]},
            {"message": "Hot needs a phone", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": []},
        ])
    );
    assert_eq!(org.emulator.count("Account"), 0);
    let records =
        json!({"records": [{"attributes": {"type": "Account"}, "Name": "A", "Rating": "Hot", "Phone": "1"}]});
    let (_, body) = org.json("POST", "/composite/sobjects", Some(records)).await;
    assert_eq!(
        body[0]["errors"][0]["statusCode"],
        "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    );
    let (_, _, failed, _) = org
        .load(
            json!({"object": "Account", "operation": "insert"}),
            "Name,Rating\nA,Hot\n",
        )
        .await;
    assert!(
        failed.contains(
            "FIELD_CUSTOM_VALIDATION_EXCEPTION:Hot needs a region:Region__c --FIELD_CUSTOM_VALIDATION_EXCEPTION:Hot needs a phone:--"
        ),
        "{failed}"
    );
    let id = org.create("Account", json!({"Name": "A", "Site": "fixed"})).await;
    let path = format!("/sobjects/Account/{id}");
    org.refused(
        "PATCH",
        &path,
        json!({"Site": "new"}),
        400,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Site is fixed",
    )
    .await;
    assert_eq!(
        org.change("Account", &id, json!({"Site": "fixed", "Phone": "2"}))
            .await
            .0,
        204
    );
    // A rule sees what a formula field would show.
    org.refused(
        "PATCH",
        &path,
        json!({"Region__c": "r".repeat(20), "Name": "n".repeat(50)}),
        400,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Too long",
    )
    .await;
    assert_eq!(org.get("Account", &id, "Full__c").await["Full__c"], "A / none");
}

#[tokio::test]
async fn triggers_and_flows_stand_in() {
    let org = start().await;
    org.refused(
        "POST",
        "/sobjects/Account",
        json!({"Name": "boom"}),
        400,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "Boom: execution of BeforeInsert\n\ncaused by: System.NullPointerException: Attempt to de-reference a null object\n\nTrigger.Boom: line 1",
    )
    .await;
    org.refused(
        "POST",
        "/sobjects/Account",
        json!({"Name": "flow"}),
        400,
        "CANNOT_EXECUTE_FLOW_TRIGGER",
        "the \u{201c}Guard\u{201d} process failed",
    )
    .await;
    assert_eq!(org.emulator.count("Account"), 0);
    let id = org
        .create("Account", json!({"Name": "keep", "Fax": "1 2 3"}))
        .await;
    assert_eq!(org.get("Account", &id, "Fax").await["Fax"], "1-2-3");
    let (status, body) = org.remove("Account", &id).await;
    assert_eq!((status, &body[0]["message"]), (400, &json!("Accounts are kept")));
    assert_eq!(org.emulator.count("Account"), 1);
}

#[tokio::test]
async fn formula_fields_follow_what_they_read() {
    let org = start().await;
    let top = org
        .create("Account", json!({"Name": "Top", "Region__c": "emea"}))
        .await;
    let boss = org
        .create("Contact", json!({"LastName": "Boss", "AccountId": top}))
        .await;
    let ann = org
        .create("Contact", json!({"LastName": "Ann", "Mentor__c": boss}))
        .await;
    let order = org
        .create("Order__c", json!({"Account__c": top, "Amount__c": 5}))
        .await;
    assert_eq!(org.get("Contact", &boss, "Region__c").await["Region__c"], "EMEA");
    assert_eq!(org.get("Contact", &ann, "Boss__c").await["Boss__c"], "Boss@Top");
    // A change two relationships up is seen, and so is a formula of a formula.
    org.change("Account", &top, json!({"Name": "Tip", "Region__c": "apac"}))
        .await;
    assert_eq!(org.get("Contact", &boss, "Region__c").await["Region__c"], "APAC");
    assert_eq!(org.get("Contact", &ann, "Boss__c").await["Boss__c"], "Boss@Tip");
    assert_eq!(
        org.get("Order__c", &order, "Buyer__c").await["Buyer__c"],
        "Tip / apac"
    );
    org.change("Contact", &boss, json!({"AccountId": null})).await;
    assert_eq!(org.get("Contact", &ann, "Boss__c").await["Boss__c"], "Boss@");
    let (_, found) = org
        .query("SELECT Id FROM Order__c WHERE Buyer__c = 'tip / APAC' ORDER BY Buyer__c")
        .await;
    assert_eq!(found["totalSize"], 1);
    org.refused(
        "PATCH",
        &format!("/sobjects/Account/{top}"),
        json!({"Full__c": "x"}),
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "Full__c",
    )
    .await;
    let (_, describe) = org.json("GET", "/sobjects/Account/describe", None).await;
    let field = |name: &str| {
        describe["fields"]
            .as_array()
            .and_then(|fields| fields.iter().find(|f| f["name"] == name))
            .cloned()
            .expect(name)
    };
    let full = field("Full__c");
    assert_eq!(
        full["calculatedFormula"],
        "Name & \" / \" & BLANKVALUE(Region__c, \"none\")"
    );
    assert_eq!(
        (&full["calculated"], &full["htmlFormatted"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(full["formulaTreatNullNumberAsZero"], true);
    assert_eq!(field("Link__c")["htmlFormatted"], true);
    let total = field("Total__c");
    assert_eq!(
        (&total["type"], &total["calculatedFormula"]),
        (&json!("currency"), &Value::Null)
    );
    assert_eq!(field("First__c")["type"], "date");
}

#[tokio::test]
async fn roll_ups_follow_their_children() {
    let org = start().await;
    let fields = "Orders__c,Total__c,Open__c,First__c,Largest__c,Double__c";
    let a = org.create("Account", json!({"Name": "A"})).await;
    let b = org.create("Account", json!({"Name": "B"})).await;
    let totals = async |id: &str| {
        let found = org.get("Account", id, fields).await;
        let list: Vec<String> = fields.split(',').map(|f| found[f].to_string()).collect();
        list.join(" ")
    };
    assert_eq!(totals(&a).await, "0.0 0.0 0.0 null null 0.0");
    let one = org
        .create(
            "Order__c",
            json!({"Account__c": a, "Amount__c": 10.5, "Due__c": "2026-05-01"}),
        )
        .await;
    let two = org
        .create(
            "Order__c",
            json!({"Account__c": a, "Amount__c": 4, "Due__c": "2026-04-01", "Paid__c": true}),
        )
        .await;
    org.create("Order__c", json!({"Account__c": a})).await;
    assert_eq!(totals(&a).await, "3.0 14.5 10.5 \"2026-04-01\" 10.5 29.0");
    org.change("Order__c", &one, json!({"Amount__c": 3, "Due__c": null}))
        .await;
    assert_eq!(totals(&a).await, "3.0 7.0 3.0 \"2026-04-01\" 4.0 14.0");
    org.change("Order__c", &two, json!({"Paid__c": false})).await;
    assert_eq!(totals(&a).await, "3.0 7.0 7.0 \"2026-04-01\" 4.0 14.0");
    assert_eq!(
        org.change("Order__c", &two, json!({"Account__c": b})).await.0,
        204
    );
    assert_eq!(totals(&a).await, "2.0 3.0 3.0 null 3.0 6.0");
    assert_eq!(totals(&b).await, "1.0 4.0 4.0 \"2026-04-01\" 4.0 8.0");
    org.remove("Order__c", &two).await;
    assert_eq!(totals(&b).await, "0.0 0.0 0.0 null null 0.0");
    org.emulator.undelete(&two).expect("back");
    assert_eq!(totals(&b).await, "1.0 4.0 4.0 \"2026-04-01\" 4.0 8.0");
    // All or nothing takes the totals back too.
    let records = json!({"allOrNone": true, "records": [
        {"attributes": {"type": "Order__c"}, "Account__c": b, "Amount__c": 100},
        {"attributes": {"type": "Order__c"}, "Amount__c": 100},
    ]});
    org.json("POST", "/composite/sobjects", Some(records)).await;
    assert_eq!(totals(&b).await, "1.0 4.0 4.0 \"2026-04-01\" 4.0 8.0");
    // The master goes and comes back with what it had.
    org.remove("Account", &b).await;
    assert_eq!(org.emulator.count("Order__c"), 2);
    org.emulator.undelete(&b).expect("back");
    assert_eq!(totals(&b).await, "1.0 4.0 4.0 \"2026-04-01\" 4.0 8.0");
    let (_, _, _, _) = org
        .load(
            json!({"object": "Order__c", "operation": "insert"}),
            &format!("Account__c,Amount__c\n{b},1\n{b},2\n{b},x\n"),
        )
        .await;
    assert_eq!(totals(&b).await, "3.0 7.0 7.0 \"2026-04-01\" 4.0 14.0");
}

#[tokio::test]
async fn the_clock_moves_formula_fields() {
    let org = start().await;
    let id = org.create("Account", json!({"Name": "A"})).await;
    assert_eq!(org.get("Account", &id, "Age__c").await["Age__c"], 0.0);
    org.emulator.advance_clock(Duration::from_secs(3 * 86_400));
    assert_eq!(org.get("Account", &id, "Age__c").await["Age__c"], 3.0);
    let (_, found) = org.query("SELECT Id FROM Account WHERE Age__c > 2").await;
    assert_eq!(found["totalSize"], 1);
}

#[tokio::test]
async fn duplicate_rules() {
    let org = start().await;
    let first = org
        .create("Contact", json!({"LastName": "Johnson", "Email": "a@x.example"}))
        .await;
    let twin = json!({"LastName": "Jonson", "Email": "A@x.example"});
    let (status, body) = org.json("POST", "/sobjects/Contact", Some(twin.clone())).await;
    assert_eq!(status, 400);
    let error = &body[0];
    assert_eq!(
        (&error["errorCode"], &error["message"]),
        (&json!("DUPLICATES_DETECTED"), &json!("Use one of these records?"))
    );
    let result = &error["duplicateResult"];
    assert_eq!(result["allowSave"], true);
    assert_eq!(result["duplicateRule"], "Contact_Rule");
    assert_eq!(result["matchResults"][0]["rule"], "Contact_Match");
    assert_eq!(result["matchResults"][0]["size"], 1);
    assert_eq!(
        result["matchResults"][0]["matchRecords"][0]["record"]["Id"],
        json!(first)
    );
    let records = json!({"records": [{"attributes": {"type": "Contact"}, "LastName": "Johnson", "Email": "a@x.example"}]});
    let (_, body) = org.json("POST", "/composite/sobjects", Some(records)).await;
    assert_eq!(
        body[0]["errors"][0]["duplicateResult"]["duplicateRuleEntityType"],
        "Contact"
    );
    let (_, _, failed, _) = org
        .load(
            json!({"object": "Contact", "operation": "insert"}),
            "LastName,Email\nJohnson,a@x.example\n",
        )
        .await;
    assert!(
        failed.contains("DUPLICATES_DETECTED:Use one of these records?:--"),
        "{failed}"
    );
    let saved = org
        .client
        .post(format!(
            "{}/services/data/v66.0/sobjects/Contact",
            org.emulator.url()
        ))
        .bearer_auth(&org.token)
        .header("Sforce-Duplicate-Rule-Header", "allowSave=true")
        .json(&twin)
        .send()
        .await
        .expect("an answer");
    assert_eq!(saved.status(), 201);
    // A rule that blocks cannot be talked round, and one without a value matches nothing.
    let (status, _) = org.change("Contact", &first, json!({"Phone": "1"})).await;
    assert_eq!(status, 400);
    org.create("Contact", json!({"LastName": "Johnson"})).await;
}

#[tokio::test]
async fn lookup_filters() {
    let org = start().await;
    let off = org
        .create("Account", json!({"Name": "Off", "Active__c": false}))
        .await;
    org.refused(
        "POST",
        "/sobjects/Contact",
        json!({"LastName": "A", "Strict__c": off}),
        400,
        "FIELD_FILTER_VALIDATION_EXCEPTION",
        "Value does not exist or does not match filter criteria.",
    )
    .await;
    let on = org.create("Account", json!({"Name": "On"})).await;
    org.create("Contact", json!({"LastName": "A", "Strict__c": on}))
        .await;
}

#[tokio::test]
async fn deleted_records_come_back_with_what_hung_on_them() {
    let org = start().await;
    let account = org.create("Account", json!({"Name": "A"})).await;
    let order = org.create("Order__c", json!({"Account__c": account})).await;
    let line = org.create("Line__c", json!({"Order__c": order})).await;
    let mentor = org
        .create(
            "Contact",
            json!({"LastName": "M", "AccountId": account, "Tax__c": "t"}),
        )
        .await;
    let pupil = org
        .create("Contact", json!({"LastName": "P", "Mentor__c": mentor}))
        .await;
    org.emulator.advance_clock(Duration::from_secs(60));
    assert_eq!(org.remove("Account", &account).await.0, 204);
    for (object, id) in [
        ("Account", &account),
        ("Order__c", &order),
        ("Line__c", &line),
        ("Contact", &mentor),
    ] {
        let (status, body) = org.remove(object, id).await;
        assert_eq!(
            (status, &body[0]["errorCode"]),
            (404, &json!("ENTITY_IS_DELETED")),
            "{object}"
        );
    }
    let pupil_now = org
        .get("Contact", &pupil, "Mentor__c,SystemModstamp,LastModifiedDate")
        .await;
    assert_eq!(pupil_now["Mentor__c"], Value::Null);
    assert_eq!(pupil_now["SystemModstamp"], "2026-03-01T10:01:00.000+0000");
    assert_eq!(pupil_now["LastModifiedDate"], "2026-03-01T10:00:00.000+0000");
    let q = "SELECT+Id,SystemModstamp,IsDeleted+FROM+Line__c+WHERE+IsDeleted+=+true";
    let (_, all) = org.json("GET", &format!("/queryAll?q={q}"), None).await;
    assert_eq!(
        all["records"][0]["SystemModstamp"],
        "2026-03-01T10:01:00.000+0000"
    );
    assert_eq!(org.emulator.recycle_bin(), [account.as_str()]);
    assert!(
        org.emulator
            .undelete(&order)
            .expect_err("a detail")
            .starts_with("UNDELETE_FAILED")
    );
    // A unique value that is taken in the meantime keeps the record in the bin.
    let other = org
        .create("Contact", json!({"LastName": "O", "Tax__c": "t"}))
        .await;
    assert!(
        org.emulator
            .undelete(&account)
            .expect_err("taken")
            .starts_with("DUPLICATE_VALUE")
    );
    assert_eq!(org.emulator.count("Order__c"), 0);
    org.remove("Contact", &other).await;
    org.emulator.undelete(&account).expect("back");
    for object in ["Account", "Order__c", "Line__c"] {
        assert_eq!(org.emulator.count(object), 1, "{object}");
    }
    assert_eq!(
        org.get("Contact", &pupil, "Mentor__c").await["Mentor__c"],
        json!(mentor)
    );
    assert_eq!(org.emulator.recycle_bin(), [other.as_str()]);
    org.emulator.empty_recycle_bin();
    assert!(org.emulator.recycle_bin().is_empty());
    assert!(org.emulator.undelete(&other).is_err());
    let (_, all) = org.json("GET", "/queryAll?q=SELECT+Id+FROM+Contact", None).await;
    assert_eq!(all["totalSize"], 2);
}

#[tokio::test]
async fn restricted_parents_stay() {
    let org = start().await;
    let account = org.create("Account", json!({"Name": "A"})).await;
    let contact = org
        .create("Contact", json!({"LastName": "C", "Held__c": account}))
        .await;
    let (status, body) = org.remove("Account", &account).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("DELETE_FAILED")));
    assert_eq!(
        body[0]["message"],
        "Your attempt to delete A could not be completed because it is associated with the following contacts.: C\n"
    );
    org.remove("Contact", &contact).await;
    assert_eq!(org.remove("Account", &account).await.0, 204);
    // What came back after its parent went has no parent.
    org.emulator.undelete(&contact).expect("back");
    assert_eq!(
        org.get("Contact", &contact, "Held__c").await["Held__c"],
        Value::Null
    );
}
