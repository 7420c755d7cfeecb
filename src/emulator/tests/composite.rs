//! Several requests in one.

use super::*;

fn step(method: &str, path: &str, id: &str, body: Option<Value>) -> Value {
    let mut step = json!({
        "method": method,
        "url": format!("/services/data/v66.0{path}"),
        "referenceId": id,
    });
    if let (Some(map), Some(body)) = (step.as_object_mut(), body) {
        map.insert("body".to_owned(), body);
    }
    step
}

async fn composite(org: &Org, all_or_none: bool, steps: Vec<Value>) -> Vec<Value> {
    let (status, answer) = org
        .json(
            "POST",
            "/composite",
            Some(json!({"allOrNone": all_or_none, "compositeRequest": steps})),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    answer["compositeResponse"].as_array().expect("answers").clone()
}

#[tokio::test]
async fn later_steps_use_what_earlier_ones_answered() {
    let org = Org::start("").await;
    let before = org.emulator.counters().api_calls;
    let answers = composite(
        &org,
        false,
        vec![
            step(
                "POST",
                "/sobjects/Account",
                "acc",
                Some(json!({"Name": "Acme", "NumberOfEmployees": 7})),
            ),
            step(
                "GET",
                "/query/?q=select Id, Name, NumberOfEmployees from Account where Id = '@{acc.id}'",
                "q",
                None,
            ),
            step(
                "POST",
                "/sobjects/Contact",
                "con",
                Some(json!({"LastName": "@{q.records[0].Name} & Co", "AccountId": "@{acc.id}"})),
            ),
            step(
                "PATCH",
                "/sobjects/Contact/@{con.id}",
                "upd",
                Some(json!({"FirstName": "Ann"})),
            ),
            step("GET", "/sobjects/Contact/@{con.id}?fields=Name", "get", None),
            step(
                "POST",
                "/composite/sobjects",
                "many",
                Some(json!({"records": [
                {"attributes": {"type": "Contact"}, "LastName": "More", "AccountId": "@{acc.id}"}]})),
            ),
            step(
                "GET",
                "/sobjects/Contact/@{many[0].id}?fields=LastName",
                "more",
                None,
            ),
            step("GET", "/sobjects/Contact/@{nobody.id}", "lost", None),
            step("GET", "/query?q=select count() from Xyzzy", "bad", None),
            step("DELETE", "/sobjects/Contact/@{con.id}", "del", None),
        ],
    )
    .await;
    let statuses: Vec<u64> = answers
        .iter()
        .map(|a| a["httpStatusCode"].as_u64().expect("a status"))
        .collect();
    assert_eq!(
        statuses,
        [201, 200, 201, 204, 200, 200, 200, 400, 400, 204],
        "{answers:#?}"
    );
    let id = answers[0]["body"]["id"].as_str().expect("an id");
    assert_eq!(
        answers[0]["httpHeaders"],
        json!({"Location": format!("/services/data/v66.0/sobjects/Account/{id}")})
    );
    let keys: Vec<&String> = answers[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["body", "httpHeaders", "httpStatusCode", "referenceId"]);
    assert_eq!(
        (&answers[3]["body"], &answers[3]["httpHeaders"]),
        (&Value::Null, &json!({}))
    );
    assert_eq!(answers[4]["body"]["Name"], "Ann Acme & Co");
    assert_eq!(answers[6]["body"]["LastName"], "More");
    assert_eq!(answers[7]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(answers[8]["body"][0]["errorCode"], "INVALID_TYPE");
    assert_eq!(org.emulator.counters().api_calls - before, 1, "one call for all");
}

#[tokio::test]
async fn all_or_none_takes_everything_back() {
    let org = Org::start("").await;
    let kept = org.create("Account", json!({"Name": "Kept"})).await;
    let answers = composite(
        &org,
        true,
        vec![
            step("POST", "/sobjects/Account", "a", Some(json!({"Name": "Gone"}))),
            step(
                "PATCH",
                &format!("/sobjects/Account/{kept}"),
                "b",
                Some(json!({"Name": "Changed"})),
            ),
            step(
                "POST",
                "/composite/sobjects",
                "c",
                Some(json!({"records": [
                {"attributes": {"type": "Account"}, "Name": "Gone too"}]})),
            ),
            step("GET", "/sobjects/Account/describe", "d", None),
            step("GET", "/limits", "l", None),
            step(
                "POST",
                "/sobjects/Contact",
                "e",
                Some(json!({"AccountId": "@{a.id}"})),
            ),
            step(
                "POST",
                "/sobjects/Account",
                "f",
                Some(json!({"Name": "Never tried"})),
            ),
        ],
    )
    .await;
    let codes: Vec<&str> = answers
        .iter()
        .map(|a| a["body"][0]["errorCode"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes[5], "REQUIRED_FIELD_MISSING");
    for at in [0, 1, 2, 3, 4, 6] {
        assert_eq!(
            (codes[at], &answers[at]["httpStatusCode"]),
            ("PROCESSING_HALTED", &json!(400))
        );
        assert_eq!(answers[at]["httpHeaders"], json!({}));
    }
    assert_eq!(org.names("SELECT Name FROM Account").await, ["Kept"]);
    assert_eq!(org.emulator.counters().rows_written, 1);

    let answers = composite(
        &org,
        true,
        vec![
            step("POST", "/sobjects/Account", "a", Some(json!({"Name": "New"}))),
            step(
                "POST",
                "/sobjects/Contact",
                "c",
                Some(json!({"LastName": "Lee", "AccountId": "@{a.id}"})),
            ),
        ],
    )
    .await;
    assert_eq!(answers[1]["httpStatusCode"], 201, "{answers:?}");
    assert_eq!(
        org.names("SELECT Name FROM Account ORDER BY Name").await,
        ["Kept", "New"]
    );
}

#[tokio::test]
async fn a_composite_keeps_its_limits() {
    let org = Org::start("").await;
    let get = |id: usize| step("GET", "/limits", &format!("r{id}"), None);
    let query = |id: usize| step("GET", "/query?q=SELECT+Id+FROM+Account", &format!("r{id}"), None);
    for (steps, code) in [
        ((0..26).map(get).collect::<Vec<_>>(), "LIMIT_EXCEEDED"),
        ((0..6).map(query).collect(), "LIMIT_EXCEEDED"),
        (vec![get(1), get(1)], "INVALID_INPUT"),
        (vec![step("GET", "/limits", "not legal!", None)], "INVALID_INPUT"),
        (
            vec![json!({"method": "GET", "referenceId": "x"})],
            "INVALID_INPUT",
        ),
        (
            vec![
                json!({"method": "GET", "url": "/services/data/v66.0/limits", "referenceId": "x",
                "httpHeaders": {"Authorization": "Bearer y"}}),
            ],
            "INVALID_INPUT",
        ),
    ] {
        org.refused(
            "POST",
            "/composite",
            json!({"compositeRequest": steps}),
            400,
            code,
            "",
        )
        .await;
    }
    // Other versions, wrong ones, and a composite within a composite.
    let answers = composite(
        &org,
        false,
        vec![
            json!({"method": "GET", "url": "/services/data/v49.0/sobjects/Account", "referenceId": "a"}),
            json!({"method": "GET", "url": "/services/data/v99.0/limits", "referenceId": "b"}),
            step("POST", "/composite", "c", Some(json!({"compositeRequest": []}))),
            step("PUT", "/limits", "d", None),
        ],
    )
    .await;
    let statuses: Vec<u64> = answers
        .iter()
        .filter_map(|a| a["httpStatusCode"].as_u64())
        .collect();
    assert_eq!(statuses, [200, 404, 400, 405]);
}

#[tokio::test]
async fn a_batch_holds_independent_requests() {
    let org = Org::start("").await;
    let requests = json!([
        {"method": "POST", "url": "v66.0/sobjects/Account", "richInput": {"Name": "One"}},
        {"method": "GET", "url": "v66.0/query?q=SELECT+Nope+FROM+Account"},
        {"method": "GET", "url": "/services/data/v66.0/query?q=SELECT+Name+FROM+Account"},
    ]);
    let before = org.emulator.counters().api_calls;
    let (status, answer) = org
        .json(
            "POST",
            "/composite/batch",
            Some(json!({"batchRequests": requests})),
        )
        .await;
    assert_eq!((status, &answer["hasErrors"]), (200, &json!(true)));
    let statuses: Vec<u64> = (0..3)
        .filter_map(|n| answer["results"][n]["statusCode"].as_u64())
        .collect();
    assert_eq!(statuses, [201, 400, 200]);
    assert_eq!(answer["results"][2]["result"]["records"][0]["Name"], "One");
    assert_eq!(org.emulator.counters().api_calls - before, 3, "each is counted");
    let (_, answer) = org
        .json(
            "POST",
            "/composite/batch",
            Some(json!({"haltOnError": true, "batchRequests": requests})),
        )
        .await;
    assert_eq!(answer["results"][2]["statusCode"], 412);
    assert_eq!(
        answer["results"][2]["result"][0]["errorCode"],
        "BATCH_PROCESSING_HALTED"
    );
}

#[tokio::test]
async fn each_graph_is_a_transaction() {
    let org = Org::start("").await;
    let good = json!({"graphId": "g1", "compositeRequest": [
        step("POST", "/sobjects/Account", "acc", Some(json!({"Name": "Good"}))),
        step("POST", "/sobjects/Contact", "con", Some(json!({"LastName": "Lee", "AccountId": "@{acc.id}"}))),
        step("PATCH", "/sobjects/Account/Ext__c/K-1", "ups", Some(json!({"Name": "Keyed"}))),
    ]});
    let bad = json!({"graphId": "g2", "compositeRequest": [
        step("POST", "/sobjects/Account", "acc", Some(json!({"Name": "Bad"}))),
        step("POST", "/sobjects/Contact", "con", Some(json!({"AccountId": "@{acc.id}"}))),
    ]});
    let (status, answer) = org
        .json("POST", "/composite/graph", Some(json!({"graphs": [good, bad]})))
        .await;
    assert_eq!(status, 200, "{answer}");
    let graphs = answer["graphs"].as_array().expect("graphs");
    assert_eq!(
        (&graphs[0]["isSuccessful"], &graphs[1]["isSuccessful"]),
        (&json!(true), &json!(false))
    );
    let second = &graphs[1]["graphResponse"]["compositeResponse"];
    assert_eq!(second[0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(second[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(
        org.names("SELECT Name FROM Account ORDER BY Name").await,
        ["Good", "Keyed"]
    );
    for (graphs, what) in [
        (json!([{"graphId": ".x", "compositeRequest": []}]), "graphId"),
        (
            json!([{"graphId": "g", "compositeRequest": [step("GET", "/query?q=x", "q", None)]}]),
            "not allowed in a graph",
        ),
    ] {
        org.refused(
            "POST",
            "/composite/graph",
            json!({"graphs": graphs}),
            400,
            "INVALID_INPUT",
            what,
        )
        .await;
    }
}

#[tokio::test]
async fn a_tree_is_written_whole_or_not_at_all() {
    let org = Org::start("").await;
    let contact = |reference: &str, name: Option<&str>| json!({"attributes": {"type": "Contact", "referenceId": reference}, "LastName": name});
    let tree = |name: Option<&str>| {
        json!({"records": [
            {"attributes": {"type": "Account", "referenceId": "a1"}, "Name": "One",
                "Contacts": {"records": [contact("c1", Some("Lee")), contact("c2", name)]}},
            {"attributes": {"type": "Account", "referenceId": "a2"}, "Name": "Two"},
        ]})
    };
    let (status, answer) = org
        .json("POST", "/composite/tree/Account", Some(tree(None)))
        .await;
    assert_eq!((status, &answer["hasErrors"]), (400, &json!(true)));
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["results"][0]["referenceId"], "c2");
    assert_eq!(
        answer["results"][0]["errors"][0]["statusCode"],
        "REQUIRED_FIELD_MISSING"
    );
    assert_eq!(org.emulator.count("Account"), 0);
    let (status, answer) = org
        .json("POST", "/composite/tree/Account/", Some(tree(Some("Roe"))))
        .await;
    assert_eq!((status, &answer["hasErrors"]), (201, &json!(false)), "{answer}");
    let order: Vec<&str> = (0..4)
        .filter_map(|n| answer["results"][n]["referenceId"].as_str())
        .collect();
    assert_eq!(order, ["a1", "a2", "c1", "c2"], "a generation at a time");
    assert_eq!(
        org.names("SELECT Name FROM Contact WHERE Account.Name = 'One' ORDER BY Name")
            .await,
        ["Lee", "Roe"]
    );
    let twice = json!({"records": [
        {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "x"},
        {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "y"}]});
    let (status, answer) = org.json("POST", "/composite/tree/Account", Some(twice)).await;
    assert_eq!(
        (status, &answer["results"][0]["errors"][0]["statusCode"]),
        (400, &json!("INVALID_INPUT"))
    );
}
