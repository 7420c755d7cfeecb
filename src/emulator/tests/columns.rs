//! The columns of a statement.

use super::*;

impl Org {
    async fn columns(&self, soql: &str) -> Value {
        let query: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let (status, body) = self
            .json("GET", &format!("/query?q={query}&columns=true"), None)
            .await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

fn names(columns: &Value) -> Vec<String> {
    columns
        .as_array()
        .expect("columns")
        .iter()
        .map(|c| c["columnName"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test]
async fn columns_are_described_as_selected() {
    let org = Org::start("").await;
    let body = org
        .columns("SELECT id, name, NumberOfEmployees, Owner.Name, Owner.Email, (SELECT LastName FROM Contacts) FROM Account")
        .await;
    assert_eq!(
        [
            &body["entityName"],
            &body["groupBy"],
            &body["idSelected"],
            &body["keyPrefix"]
        ],
        [&json!("Account"), &json!(false), &json!(true), &json!("001")]
    );
    let columns = &body["columnMetadata"];
    assert_eq!(
        names(columns),
        ["Id", "Name", "NumberOfEmployees", "Owner", "Contacts"]
    );
    assert_eq!(
        columns[0],
        json!({
            "aggregate": false, "apexType": "Id", "booleanType": false, "columnName": "Id", "custom": false,
            "displayName": "Id", "foreignKeyName": null, "insertable": false, "joinColumns": [],
            "numberType": false, "textType": false, "updatable": false,
        })
    );
    let types: Vec<&Value> = (0..3).map(|n| &columns[n]["apexType"]).collect();
    assert_eq!(types, [&json!("Id"), &json!("String"), &json!("Integer")]);
    assert_eq!(columns[1]["textType"], true);
    assert_eq!(columns[2]["numberType"], true);
    assert_eq!(columns[3]["foreignKeyName"], "OwnerId");
    assert_eq!(columns[3]["aggregate"], false);
    assert_eq!(names(&columns[3]["joinColumns"]), ["Name", "Email"]);
    assert_eq!(columns[4]["aggregate"], true);
    assert_eq!(names(&columns[4]["joinColumns"]), ["LastName"]);
}

#[tokio::test]
async fn columns_of_groups_tell_their_functions() {
    let org = Org::start("").await;
    let body = org
        .columns("SELECT Industry, AVG(AnnualRevenue), COUNT(Id) n FROM Account GROUP BY Industry")
        .await;
    assert_eq!(body["groupBy"], true);
    let columns = &body["columnMetadata"];
    assert_eq!(names(columns), ["Industry", "expr0", "n"]);
    let shown: Vec<&Value> = (0..3).map(|n| &columns[n]["displayName"]).collect();
    assert_eq!(
        shown,
        [
            &json!("Industry"),
            &json!("avg(AnnualRevenue)"),
            &json!("count(Id)")
        ]
    );
    let aggregate: Vec<&Value> = (0..3).map(|n| &columns[n]["aggregate"]).collect();
    assert_eq!(aggregate, [&json!(false), &json!(true), &json!(true)]);
}

#[tokio::test]
async fn a_broken_statement_has_no_columns() {
    let org = Org::start("").await;
    let (status, body) = org
        .json("GET", "/query?q=SELECT+Nope+FROM+Account&columns=true", None)
        .await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_FIELD")));
}
