//! What others may not see does not leak by any road: rows that are private to somebody else, objects without the
//! permission to read them, and hidden fields.

use super::*;

const GUARDED: &str = r#"
version: 1
name: hq
bulk: { delay: 5ms }
connected_apps:
  - { name: Web, client_id: web, client_secret: s3, callback_urls: ["http://localhost:9/cb"], scopes: [api, refresh_token], auto_approve: bob@hq.example }
access_tokens:
  - { token: "ann!token", user: ann@hq.example }
  - { token: "bob!token", user: bob@hq.example }
  - { token: "eve!token", user: eve@hq.example }
users:
  - { username: ann@hq.example, name: Ann Lee }
  - { username: bob@hq.example, name: Bob Ray, profile: Clerk }
  - { username: eve@hq.example, name: Eve Poe, profile: Auditor }
profiles:
  - name: Clerk
    user_permissions: [API Enabled]
    object_permissions:
      Account: [create, edit, delete]
      Contact: [create, edit]
      Opportunity: [create, edit, delete]
      Vault__c: [create, edit, delete]
      Drawer__c: [create, edit, delete]
    field_permissions: { Account: { Site: hidden }, Contact: { Pin__c: edit } }
    other_fields: edit
  - name: Auditor
    user_permissions: [API Enabled, View All Data]
    object_permissions: { Account: [read], Vault__c: [edit], Drawer__c: [edit] }
    other_fields: edit
sobjects:
  Account:
    sharing: private
    fields:
      Key__c: { type: Text(40), external_id: true, unique: true }
  Contact:
    fields:
      Pin__c: { type: EncryptedText(40) }
      Vault__c: { type: Lookup(Vault__c) }
  Opportunity:
    sharing: public_read_only
  Vault__c:
    sharing: private
    fields:
      Key__c: { type: Text(40), external_id: true }
  Drawer__c:
    fields:
      Vault__c: { type: Master-Detail(Vault__c), child_relationship: Drawers }
"#;

/// Ann's records, whose names all hold `SECRET`, and what Bob may know of them.
struct Guarded {
    org: Org,
    account: String,
    contact: String,
    vault: String,
    drawer: String,
    attachment: String,
    version: String,
    document: String,
    case: String,
}

async fn start() -> Guarded {
    let file = OrgFile::parse(GUARDED, ".").expect("the org file");
    let emulator = Emulator::start(file, 0).await.expect("the org");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let org = Org {
        emulator,
        client: Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client"),
        token: "ann!token".to_owned(),
    };
    let account = org
        .create(
            "Account",
            json!({"Name": "SECRET account", "Key__c": "SECRET-K", "Site": "SECRET site", "AnnualRevenue": 77}),
        )
        .await;
    let vault = org
        .create("Vault__c", json!({"Name": "SECRET vault", "Key__c": "SECRET-V"}))
        .await;
    let drawer = org
        .create("Drawer__c", json!({"Name": "SECRET drawer", "Vault__c": vault}))
        .await;
    // Everybody sees contacts, this one too; not what it hangs on.
    let contact = org
        .create(
            "Contact",
            json!({"LastName": "Open", "AccountId": account, "Vault__c": vault, "Pin__c": "SECRET-1234"}),
        )
        .await;
    let attachment = org
        .create(
            "Attachment",
            json!({"Name": "SECRET.txt", "ParentId": account, "Body": "U0VDUkVU"}),
        )
        .await;
    let version = org
        .create(
            "ContentVersion",
            json!({"Title": "SECRET file", "PathOnClient": "a.txt", "VersionData": "U0VDUkVU",
                "FirstPublishLocationId": account}),
        )
        .await;
    let (_, row) = org
        .json("GET", &format!("/sobjects/ContentVersion/{version}"), None)
        .await;
    let document = row["ContentDocumentId"].as_str().expect("an Id").to_owned();
    let case = org
        .create("Case", json!({"Subject": "SECRET case", "ContactId": contact}))
        .await;
    org.create(
        "Task",
        json!({"Subject": "Call", "WhatId": account, "WhoId": contact}),
    )
    .await;
    let gone = org.create("Account", json!({"Name": "SECRET gone"})).await;
    let status = org
        .ask("DELETE", &format!("/sobjects/Account/{gone}"), None)
        .await
        .status();
    assert_eq!(status, 204);
    Guarded {
        org,
        account,
        contact,
        vault,
        drawer,
        attachment,
        version,
        document,
        case,
    }
}

impl Guarded {
    /// Asks as Bob, and sees to it that the answer holds none of Ann's secrets.
    async fn bob(&mut self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.org.token = "bob!token".to_owned();
        let (status, answer) = self.org.json(method, path, body).await;
        self.org.token = "ann!token".to_owned();
        let text = answer.to_string();
        // The statement comes back with some answers.
        assert!(
            !text.replace("SECRET-K", "").contains("SECRET"),
            "{method} {path}: {text}"
        );
        (status, answer)
    }

    async fn bob_asks(&mut self, soql: &str, all: bool) -> Value {
        let q: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let word = if all { "queryAll" } else { "query" };
        let (status, answer) = self.bob("GET", &format!("/{word}?q={q}"), None).await;
        assert_eq!(status, 200, "{soql}: {answer}");
        answer
    }
}

#[tokio::test]
async fn no_statement_tells_of_hidden_rows() {
    let mut it = start().await;
    let (account, vault) = (it.account.clone(), it.vault.clone());
    for (soql, rows) in [
        ("SELECT Id, Name FROM Account".to_owned(), 0),
        ("SELECT Id, Name FROM Vault__c".to_owned(), 0),
        // Details are seen with their masters.
        ("SELECT Id, Name FROM Drawer__c".to_owned(), 0),
        ("SELECT Id, Name FROM Attachment".to_owned(), 0),
        ("SELECT Id, Title FROM ContentVersion".to_owned(), 0),
        ("SELECT Id, Title FROM ContentDocument".to_owned(), 0),
        (
            format!("SELECT Id FROM ContentDocumentLink WHERE LinkedEntityId = '{account}'"),
            0,
        ),
        (
            "SELECT Id FROM Account WHERE Name LIKE '%e%' OR Key__c = 'SECRET-K'".to_owned(),
            0,
        ),
        (format!("SELECT Id FROM Account WHERE Id = '{account}'"), 0),
        (
            "SELECT LastName FROM Contact WHERE Account.AnnualRevenue > 5".to_owned(),
            0,
        ),
        (
            "SELECT LastName FROM Contact WHERE Account.Name LIKE '%account'".to_owned(),
            0,
        ),
        (
            "SELECT LastName FROM Contact WHERE AccountId IN (SELECT Id FROM Account)".to_owned(),
            0,
        ),
        (
            "SELECT LastName FROM Contact WHERE AccountId NOT IN (SELECT Id FROM Account)".to_owned(),
            1,
        ),
        (
            "SELECT Name FROM Vault__c WHERE Id IN (SELECT Vault__c FROM Drawer__c)".to_owned(),
            0,
        ),
        (
            "SELECT Name, (SELECT Name FROM Drawers__r) FROM Vault__c".to_owned(),
            0,
        ),
        (
            format!("SELECT Name FROM Drawer__c WHERE Vault__c = '{vault}'"),
            0,
        ),
        (
            "SELECT Account.Name, Vault__r.Name, Pin__c FROM Contact ORDER BY Account.Name".to_owned(),
            1,
        ),
        ("SELECT What.Name, What.Type FROM Task".to_owned(), 1),
        (
            "SELECT TYPEOF What WHEN Account THEN Name, Phone ELSE Id END FROM Task".to_owned(),
            1,
        ),
        (
            "SELECT TYPEOF Who WHEN Contact THEN LastName, Pin__c END FROM Task".to_owned(),
            1,
        ),
    ] {
        for all in [false, true] {
            let answer = it.bob_asks(&soql, all).await;
            assert_eq!(answer["totalSize"], json!(rows), "{soql}: {answer}");
        }
    }
    // A parent that is not seen is as good as none.
    let answer = it
        .bob_asks(
            "SELECT Account.Name, AccountId, Vault__r.Name FROM Contact",
            false,
        )
        .await;
    let record = &answer["records"][0];
    assert_eq!(
        (&record["Account"], &record["Vault__r"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(record["AccountId"], json!(account));
    let answer = it.bob_asks("SELECT What.Name FROM Task", false).await;
    assert_eq!(answer["records"][0]["What"], json!(null));
    for (soql, expected) in [
        (
            "SELECT COUNT(Id) n, MAX(Name) m, SUM(AnnualRevenue) s FROM Account",
            json!(0),
        ),
        ("SELECT COUNT(Id) n FROM Drawer__c", json!(0)),
    ] {
        let answer = it.bob_asks(soql, false).await;
        assert_eq!(answer["records"][0]["n"], expected, "{soql}");
    }
    let answer = it
        .bob_asks(
            "SELECT Account.Name a, COUNT(Id) n FROM Contact GROUP BY Account.Name",
            false,
        )
        .await;
    assert_eq!(
        (&answer["records"][0]["a"], &answer["records"][0]["n"]),
        (&json!(null), &json!(1))
    );
    let answer = it.bob_asks("SELECT COUNT() FROM Account", false).await;
    assert_eq!(answer["totalSize"], 0);
    // What the owner sees, and who sees all records.
    for token in ["ann!token", "eve!token"] {
        it.org.token = token.to_owned();
        assert_eq!(it.org.names("SELECT Name FROM Account").await, ["SECRET account"]);
        assert_eq!(
            it.org.names("SELECT Name FROM Drawer__c").await,
            ["SECRET drawer"]
        );
        let (_, answer) = it.org.query("SELECT Vault__r.Name FROM Drawer__c").await;
        assert_eq!(answer["records"][0]["Vault__r"]["Name"], "SECRET vault");
    }
    // Seeing all is not changing all.
    let path = format!("/sobjects/Vault__c/{vault}");
    it.org
        .refused(
            "PATCH",
            &path,
            json!({"Name": "x"}),
            400,
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "",
        )
        .await;
    let path = format!("/sobjects/Drawer__c/{}", it.drawer);
    it.org
        .refused(
            "PATCH",
            &path,
            json!({"Name": "x"}),
            400,
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "",
        )
        .await;
}

#[tokio::test]
async fn no_resource_tells_of_hidden_rows() {
    let mut it = start().await;
    let Guarded {
        account,
        contact,
        vault,
        drawer,
        attachment,
        version,
        document,
        case,
        ..
    } = &it;
    let rows: Vec<(&str, String, u16)> = vec![
        ("GET", format!("/sobjects/Account/{account}"), 404),
        ("HEAD", format!("/sobjects/Account/{account}"), 404),
        ("GET", "/sobjects/Account/Key__c/SECRET-K".to_owned(), 404),
        ("DELETE", "/sobjects/Account/Key__c/SECRET-K".to_owned(), 404),
        ("GET", format!("/sobjects/Drawer__c/{drawer}"), 404),
        ("GET", format!("/sobjects/Account/{account}/Contacts"), 404),
        ("GET", format!("/sobjects/Vault__c/{vault}/Drawers__r"), 404),
        ("GET", format!("/sobjects/Contact/{contact}/Account"), 404),
        ("GET", format!("/sobjects/Contact/{contact}/Vault__r"), 404),
        ("GET", format!("/sobjects/Contact/{contact}/Vault__r/Drawers__r"), 404),
        // Cases may not be read at all.
        ("GET", format!("/sobjects/Contact/{contact}/Cases"), 404),
        ("GET", format!("/sobjects/Case/{case}"), 404),
        ("GET", "/sobjects/Case/describe".to_owned(), 404),
        ("GET", format!("/sobjects/Attachment/{attachment}"), 404),
        ("GET", format!("/sobjects/Attachment/{attachment}/Body"), 404),
        ("GET", format!("/sobjects/ContentVersion/{version}"), 404),
        ("GET", format!("/sobjects/ContentVersion/{version}/VersionData"), 404),
        ("GET", format!("/sobjects/ContentDocument/{document}/ContentVersions"), 404),
        ("GET", format!("/composite/sobjects/Account?ids={account}&fields=Name"), 200),
        ("GET", format!("/tooling/query?q=SELECT+Name+FROM+Account+WHERE+Id+=+'{account}'"), 200),
        ("GET", "/tooling/query?q=SELECT+QualifiedApiName+FROM+EntityDefinition+WHERE+QualifiedApiName='Case'".to_owned(), 200),
        ("GET", "/query?q=SELECT+QualifiedApiName+FROM+FieldDefinition+WHERE+EntityDefinition.QualifiedApiName='Account'+AND+QualifiedApiName='Site'".to_owned(), 200),
        ("GET", format!("/tooling/sobjects/Account/{account}"), 404),
        ("GET", "/query?explain=SELECT+Name+FROM+Account".to_owned(), 200),
        ("GET", "/query?columns=true&q=SELECT+Name+FROM+Account".to_owned(), 200),
    ];
    for (method, path, expected) in rows {
        let (status, answer) = it.bob(method, &path, None).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        if path.contains("tooling/query") || path.contains("FieldDefinition") {
            assert_eq!(answer["totalSize"], 0, "{path}: {answer}");
        }
    }
    let (_, answer) = it
        .bob(
            "GET",
            &format!(
                "/composite/sobjects/Account?ids={}&fields=Name",
                it.account.clone()
            ),
            None,
        )
        .await;
    assert_eq!(answer, json!([null]));
    let now = jiff::Timestamp::now();
    let time = |minutes: i64| {
        let time = now + jiff::SignedDuration::from_mins(minutes);
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let span = format!("start={}&end={}", time(-60), time(60));
    for (word, key) in [("updated", "ids"), ("deleted", "deletedRecords")] {
        let path = format!("/sobjects/Account/{word}?{span}");
        let (status, answer) = it.bob("GET", &path, None).await;
        assert_eq!((status, &answer[key]), (200, &json!([])), "{answer}");
        let (_, answer) = it.org.json("GET", &path, None).await;
        assert_eq!(answer[key].as_array().map(Vec::len), Some(1), "{answer}");
    }
}

#[tokio::test]
async fn nothing_hidden_is_written_or_pointed_at() {
    let mut it = start().await;
    let (account, vault) = (it.account.clone(), it.vault.clone());
    let out_of_reach = "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY";
    let one = |object: &str, id: &str| json!({"attributes": {"type": object}, "id": id, "Name": "x"});
    let rows = [
        (
            "PATCH",
            format!("/sobjects/Account/{account}"),
            json!({"Name": "x"}),
            400,
            out_of_reach,
        ),
        (
            "DELETE",
            format!("/sobjects/Account/{account}"),
            json!(null),
            400,
            out_of_reach,
        ),
        // An upsert does not find the record; its key is taken all the same, by nobody knows whom.
        (
            "PATCH",
            "/sobjects/Account/Key__c/SECRET-K".to_owned(),
            json!({"Name": "x"}),
            400,
            "DUPLICATE_VALUE",
        ),
        (
            "POST",
            "/sobjects/Contact".to_owned(),
            json!({"LastName": "x", "AccountId": account}),
            400,
            out_of_reach,
        ),
        (
            "POST",
            "/sobjects/Contact".to_owned(),
            json!({"LastName": "x", "Account": {"Key__c": "SECRET-K"}}),
            400,
            "INVALID_FIELD",
        ),
        (
            "POST",
            "/sobjects/Drawer__c".to_owned(),
            json!({"Name": "x", "Vault__c": vault}),
            400,
            out_of_reach,
        ),
        (
            "POST",
            "/sobjects/Attachment".to_owned(),
            json!({"Name": "x", "Body": "eA==", "ParentId": account}),
            400,
            out_of_reach,
        ),
    ];
    for (method, path, body, status, code) in rows {
        let (found, answer) = it.bob(method, &path, Some(body)).await;
        assert_eq!(
            (found, answer[0]["errorCode"].as_str()),
            (status, Some(code)),
            "{method} {path}: {answer}"
        );
    }
    let (_, answer) = it
        .bob(
            "PATCH",
            "/composite/sobjects",
            Some(json!({"records": [one("Account", &account), one("Vault__c", &vault)]})),
        )
        .await;
    for n in 0..2 {
        assert_eq!(answer[n]["errors"][0]["statusCode"], out_of_reach, "{answer}");
    }
    let (_, answer) = it
        .bob("DELETE", &format!("/composite/sobjects?ids={account}"), None)
        .await;
    assert_eq!(answer[0]["errors"][0]["statusCode"], out_of_reach, "{answer}");
    let tree = json!({"records": [{"attributes": {"type": "Contact", "referenceId": "a"}, "LastName": "x", "AccountId": account}]});
    let (status, answer) = it.bob("POST", "/composite/tree/Contact", Some(tree)).await;
    assert_eq!(
        (status, &answer["results"][0]["errors"][0]["statusCode"]),
        (400, &json!(out_of_reach)),
        "{answer}"
    );
    let step = |method: &str, url: &str, body: Value| {
        let mut step =
            json!({"method": method, "url": format!("/services/data/v66.0{url}"), "referenceId": "a"});
        if !body.is_null() {
            step["body"] = body;
        }
        step
    };
    let steps = vec![
        step("GET", &format!("/sobjects/Account/{account}"), json!(null)),
        step("GET", "/query?q=SELECT+Account.Name+FROM+Contact", json!(null)),
        step(
            "PATCH",
            &format!("/sobjects/Account/{account}"),
            json!({"Name": "x"}),
        ),
    ];
    for step in steps {
        let (_, answer) = it
            .bob(
                "POST",
                "/composite",
                Some(json!({"compositeRequest": [step.clone()]})),
            )
            .await;
        let code = answer["compositeResponse"][0]["httpStatusCode"]
            .as_u64()
            .expect("a status");
        assert_eq!(
            code == 200,
            step["url"].as_str().is_some_and(|u| u.contains("query")),
            "{answer}"
        );
        if !step["url"].as_str().is_some_and(|u| u.contains("query")) {
            let graph = json!({"graphs": [{"graphId": "1", "compositeRequest": [step]}]});
            let (_, answer) = it.bob("POST", "/composite/graph", Some(graph)).await;
            assert_eq!(answer["graphs"][0]["isSuccessful"], false, "{answer}");
        }
    }
    // Nobody was fooled.
    assert_eq!(it.org.names("SELECT Name FROM Account").await, ["SECRET account"]);
}

#[tokio::test]
async fn no_bulk_job_and_no_soap_call_tells_of_hidden_rows() {
    let mut it = start().await;
    it.org.token = "bob!token".to_owned();
    for (soql, expected) in [
        ("SELECT Id, Name FROM Account", "\"Id\",\"Name\"\n"),
        ("SELECT Name FROM Drawer__c", "\"Name\"\n"),
        (
            "SELECT Account.Name, Vault__r.Key__c, LastName FROM Contact",
            "\"Account.Name\",\"Vault__r.Key__c\",\"LastName\"\n\"\",\"\",\"Open\"\n",
        ),
    ] {
        let (_, made) = it
            .org
            .json(
                "POST",
                "/jobs/query",
                Some(json!({"operation": "queryAll", "query": soql})),
            )
            .await;
        let path = format!("/jobs/query/{}", made["id"].as_str().expect("an Id"));
        it.org.wait(&path).await;
        let csv = it
            .org
            .ask("GET", &format!("{path}/results"), None)
            .await
            .text()
            .await
            .expect("CSV");
        assert_eq!(csv, expected, "{soql}");
    }
    let (_, _, failed, _) = it
        .org
        .load(
            json!({"object": "Account", "operation": "upsert", "externalIdFieldName": "Key__c"}),
            "Key__c,Name\nSECRET-K,x\n",
        )
        .await;
    assert!(
        failed.contains("<unknown> duplicates value on record with id: <unknown>"),
        "{failed}"
    );
    let csv = format!("Id,Name\n{},x\n", it.account);
    let (_, _, failed, _) = it
        .org
        .load(json!({"object": "Account", "operation": "update"}), &csv)
        .await;
    assert!(
        failed.contains("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"),
        "{failed}"
    );
    // Others' jobs are not there.
    it.org.token = "ann!token".to_owned();
    let (_, made) = it
        .org
        .json(
            "POST",
            "/jobs/query",
            Some(json!({"operation": "query", "query": "SELECT Name FROM Account"})),
        )
        .await;
    let path = format!("/jobs/query/{}", made["id"].as_str().expect("an Id"));
    it.org.wait(&path).await;
    for end in ["", "/results", "/resultPages"] {
        let (status, _) = it.bob("GET", &format!("{path}{end}"), None).await;
        assert_eq!(status, 404, "{end}");
    }
    let (_, list) = it.bob("GET", "/jobs/query", None).await;
    let ids = list["records"].as_array().expect("a list");
    assert!(
        ids.len() == 3 && ids.iter().all(|job| job["id"] != made["id"]),
        "{list}"
    );
    let soap = |token: &str, call: &str| {
        format!(
            "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\"><env:Header><urn:SessionHeader><urn:sessionId>{token}</urn:sessionId></urn:SessionHeader></env:Header><env:Body>{call}</env:Body></env:Envelope>"
        )
    };
    let account = &it.account;
    let bin = it.org.emulator.recycle_bin();
    for (call, expected) in [
        (
            "<urn:query><urn:queryString>SELECT Account.Name FROM Contact</urn:queryString></urn:query>"
                .to_owned(),
            "<size>1</size>",
        ),
        (
            "<urn:queryAll><urn:queryString>SELECT Name FROM Account</urn:queryString></urn:queryAll>"
                .to_owned(),
            "<size>0</size>",
        ),
        (
            format!(
                "<urn:retrieve><urn:fieldList>Name</urn:fieldList><urn:sObjectType>Account</urn:sObjectType><urn:ids>{account}</urn:ids></urn:retrieve>"
            ),
            "xsi:nil",
        ),
        (
            format!("<urn:undelete><urn:ids>{}</urn:ids></urn:undelete>", bin[0]),
            "INSUFFICIENT_ACCESS",
        ),
        (
            format!(
                "<urn:emptyRecycleBin><urn:ids>{}</urn:ids></urn:emptyRecycleBin>",
                bin[0]
            ),
            "INSUFFICIENT_ACCESS",
        ),
    ] {
        let answer = it
            .org
            .client
            .post(format!("{}/services/Soap/u/60.0", it.org.emulator.url()))
            .header("Content-Type", "text/xml")
            .header("SOAPAction", "x")
            .body(soap("bob!token", &call))
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("XML");
        assert!(
            text.contains(expected) && !text.contains("SECRET"),
            "{call}: {text}"
        );
    }
    let job = it
        .org
        .client
        .post(format!("{}/services/async/60.0/job", it.org.emulator.url()))
        .header("X-SFDC-Session", "bob!token")
        .header("Content-Type", "application/json")
        .body(json!({"object": "Account", "operation": "query", "contentType": "CSV"}).to_string())
        .send()
        .await
        .expect("an answer");
    let made: Value = job.json().await.expect("JSON");
    let job = format!(
        "{}/services/async/60.0/job/{}",
        it.org.emulator.url(),
        made["id"].as_str().expect("an Id")
    );
    let send = |url: String, token: &'static str, body: Option<&'static str>| {
        let client = it.org.client.clone();
        async move {
            let request = match body {
                Some(body) => client.post(url).header("Content-Type", "text/csv").body(body),
                None => client.get(url),
            };
            let answer = request
                .header("X-SFDC-Session", token)
                .send()
                .await
                .expect("an answer");
            answer.text().await.expect("a text")
        }
    };
    send(
        format!("{job}/batch"),
        "bob!token",
        Some("SELECT Name FROM Account"),
    )
    .await;
    for _ in 0..200 {
        if send(format!("{job}/batch"), "bob!token", None)
            .await
            .contains("Completed")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let batches = send(format!("{job}/batch"), "bob!token", None).await;
    assert!(
        batches.contains("Completed") && batches.contains("<numberRecordsProcessed>0<"),
        "{batches}"
    );
    assert!(
        send(job, "eve!token", None)
            .await
            .contains(made["id"].as_str().expect("an Id"))
    );
}

#[tokio::test]
async fn a_deactivated_user_is_signed_out() {
    let it = start().await;
    let mut org = it.org;
    let url = format!(
        "{}/services/oauth2/authorize?response_type=code&client_id=web&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcb",
        org.emulator.url()
    );
    let answer = org.client.get(url).send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let code = url::Url::parse(&location)
        .expect("a URL")
        .query_pairs()
        .find(|(name, _)| name == "code")
        .expect("a code")
        .1
        .into_owned();
    let (_, tokens) = org
        .token(
            &[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", "http://localhost:9/cb"),
            ],
            Some(("web", "s3")),
        )
        .await;
    let access = tokens["access_token"].as_str().expect("a token").to_owned();
    let refresh = tokens["refresh_token"].as_str().expect("a token").to_owned();
    let again = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    assert_eq!(org.token(&again, Some(("web", "s3"))).await.0, 200);
    let bob = org.emulator.org.user("bob@hq.example").expect("Bob");
    let switch = |on: bool| json!({"IsActive": on});
    let path = format!("/sobjects/User/{bob}");
    assert_eq!(org.ask("PATCH", &path, Some(switch(false))).await.status(), 204);
    for token in ["bob!token", &access] {
        org.token = token.to_owned();
        org.refused(
            "GET",
            "/limits",
            json!(null),
            401,
            "INVALID_SESSION_ID",
            "expired or invalid",
        )
        .await;
    }
    let (status, answer) = org.token(&again, Some(("web", "s3"))).await;
    assert_eq!(
        (status, &answer["error"]),
        (400, &json!("invalid_grant")),
        "{answer}"
    );
    // Nothing comes back with him.
    org.token = "ann!token".to_owned();
    assert_eq!(org.ask("PATCH", &path, Some(switch(true))).await.status(), 204);
    org.token = access;
    assert_eq!(org.ask("GET", "/limits", None).await.status(), 401);
    assert_eq!(org.token(&again, Some(("web", "s3"))).await.0, 400);
}
