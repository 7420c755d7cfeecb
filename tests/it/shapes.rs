//! Known shapes: persons and companies in one step, drafts that become active when their children are in, files.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::support::{Org, Project, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

type Record = BTreeMap<String, Option<String>>;

fn text<'r>(record: &'r Record, field: &str) -> &'r str {
    record.get(field).and_then(Option::as_deref).unwrap_or_default()
}

/// Two fields of each record, in the records' order.
fn pairs(org: &Org, object: &str, fields: [&str; 2]) -> Vec<(String, String)> {
    let rows = org.emulator.rows(object);
    let pair = |row: &Record| (text(row, fields[0]).to_owned(), text(row, fields[1]).to_owned());
    rows.iter().map(pair).collect()
}

fn pipeline(steps: &str) -> String {
    format!("version: 1\nfrom: src\nto: dst\nsteps:\n{steps}")
}

/// Three persons and two companies, with cases of persons, of a company's contact, and of nobody.
fn persons() -> String {
    "seed: 5\nperson_accounts: true\nrecords:\n  - object: Account\n    rows:\n      - { FirstName: Ann, LastName: Lee, PersonEmail: ann@x.example, Phone: \"1\" }\n      - { Name: Acme, Phone: \"2\" }\n      - { FirstName: Ben, LastName: Okafor, PersonEmail: ben@x.example }\n      - { Name: Bolt }\n  - object: Contact\n    rows: [{ LastName: Clerk, Account: { Name: Acme } }]\n  - object: Case\n    rows:\n      - { Subject: of Ann, Contact: { Email: ann@x.example } }\n      - { Subject: of Ben, Contact: { Email: ben@x.example } }\n      - { Subject: of the clerk, Contact: { Name: Clerk } }\n      - { Subject: of nobody }\n".to_owned()
}

#[test]
fn persons_and_companies_go_in_one_step_and_their_contacts_are_found() {
    for (api, source, account) in [
        (
            "rest",
            "object: Account",
            "copy: [Name, FirstName, LastName, PersonEmail, Phone]",
        ),
        (
            "bulk",
            "object: Account",
            "copy: all\n    except: [OwnerId, RecordTypeId]",
        ),
        // The last name alone tells here.
        (
            "rest",
            "soql: \"SELECT Name, FirstName, LastName, PersonEmail, Phone, IsPersonAccount FROM Account\"",
            "copy: [Name, FirstName, PersonEmail, Phone]",
        ),
    ] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &persons());
        let legacy = |object: &str| format!("  {object}:\n    fields:\n      Legacy_Id__c: {LEGACY}\n");
        let dst = Org::start(
            &runtime,
            "dst",
            &format!(
                "seed: 6\nperson_accounts: true\nsobjects:\n{}{}{}",
                legacy("Account"),
                legacy("Contact"),
                legacy("Case")
            ),
        );
        let project = Project::new(&src, &dst);
        let last = if account.contains("LastName") || account.contains("all") {
            ""
        } else {
            "\n      LastName: { expr: LastName, when: IsPersonAccount }"
        };
        project.write(
            "people.yaml",
            &pipeline(&format!("  accounts:\n    source: {{ {source} }}\n    target: {{ object: Account, key: Legacy_Id__c, api: {api} }}\n    {account}\n    map:\n      Legacy_Id__c: Id{last}\n  contacts:\n    source: {{ object: Contact, where: IsPersonAccount = false }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [LastName, AccountId]\n    map: {{ Legacy_Id__c: Id }}\n  cases:\n    source: {{ object: Case }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [Subject, ContactId]\n    map: {{ Legacy_Id__c: Id }}\n")),
        );
        for _ in 0..2 {
            let report = project.run_pipeline("people.yaml", &[], 0);
            report.adds_up();
            let mut accounts: Vec<String> = dst
                .emulator
                .rows("Account")
                .iter()
                .map(|row| {
                    ["Name", "FirstName", "PersonEmail", "Phone", "IsPersonAccount"]
                        .map(|field| text(row, field))
                        .join("|")
                })
                .collect();
            accounts.sort();
            assert_eq!(
                accounts,
                [
                    "Acme|||2|false",
                    "Ann Lee|Ann|ann@x.example|1|true",
                    "Ben Okafor|Ben|ben@x.example||true",
                    "Bolt||||false"
                ],
                "{api}"
            );
            assert_eq!(dst.emulator.count("Contact"), 3, "{api}");
            let names: BTreeMap<String, String> =
                pairs(&dst, "Contact", ["Id", "Name"]).into_iter().collect();
            let cases: BTreeSet<(String, String)> = pairs(&dst, "Case", ["Subject", "ContactId"])
                .into_iter()
                .map(|(subject, id)| (subject, names.get(&id).cloned().unwrap_or_default()))
                .collect();
            let expected = [
                ("of Ann", "Ann Lee"),
                ("of Ben", "Ben Okafor"),
                ("of the clerk", "Clerk"),
                ("of nobody", ""),
            ];
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(cases, expected.into(), "{api}");
        }
    }
}

#[test]
fn drafts_are_activated_when_their_children_are_in() {
    let fields = |rule: &str| {
        format!(
            "sobjects:\n  Purchase__c:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      Status__c: {{ type: Picklist, values: [Draft, Activated] }}\n  Line__c:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      Purchase__c: {{ type: Master-Detail(Purchase__c), child_relationship: Lines }}\n{rule}"
        )
    };
    // Lines cannot be added to what is activated.
    let rule = "    validation_rules:\n      - { name: Open, when: 'ISPICKVAL(Purchase__r.Status__c, \"Activated\")', message: it is activated }\n";
    let mut records = "records:\n  - object: Purchase__c\n    rows:\n".to_owned();
    for n in 0..30 {
        let status = if n % 3 == 0 { "Draft" } else { "Activated" };
        records += &format!("      - {{ Legacy_Id__c: B-{n}, Status__c: {status} }}\n");
    }
    records += "  - object: Line__c\n    rows:\n";
    for n in 0..90 {
        records += &format!(
            "      - {{ Legacy_Id__c: L-{n}, Purchase__r: {{ Legacy_Id__c: B-{} }} }}\n",
            n % 30
        );
    }
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &format!("seed: 5\n{}{records}", fields("")));
        let dst = Org::start(&runtime, "dst", &format!("seed: 6\n{}", fields(rule)));
        let project = Project::new(&src, &dst);
        project.write(
            "purchases.yaml",
            &pipeline(&format!("  purchases:\n    source: {{ object: Purchase__c }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [Legacy_Id__c]\n    map: {{ Status__c: {{ value: Draft }} }}\n  lines:\n    source: {{ object: Line__c }}\n    target: {{ key: Legacy_Id__c, api: {api} }}\n    copy: [Legacy_Id__c, Purchase__c]\n  activated:\n    source: {{ object: Purchase__c, where: \"Status__c = 'Activated'\" }}\n    target: {{ operation: update, key: Id, api: {api} }}\n    map:\n      Id: {{ ref: purchases, of: Id }}\n      Status__c: {{ value: Activated }}\n    needs: [lines]\n")),
        );
        let report = project.run_pipeline("purchases.yaml", &[], 0);
        report.adds_up();
        assert_eq!(
            (
                report.count("lines", "created"),
                report.count("activated", "updated")
            ),
            (90, 20),
            "{api}"
        );
        let ours: BTreeSet<_> = pairs(&src, "Purchase__c", ["Legacy_Id__c", "Status__c"])
            .into_iter()
            .collect();
        let theirs: BTreeSet<_> = pairs(&dst, "Purchase__c", ["Legacy_Id__c", "Status__c"])
            .into_iter()
            .collect();
        assert_eq!(ours, theirs, "{api}");
    }
}

/// Files of all kinds: empty lines and boundaries in them, and one of a third of a megabyte.
fn files() -> String {
    let mut large = Vec::with_capacity(300_000);
    let mut state = 1u32;
    while large.len() < 300_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        large.extend(state.to_be_bytes());
    }
    let bodies: [(&str, &[u8]); 4] = [
        ("hello.txt", b"hello\r\n\r\nworld\n"),
        (
            "form.txt",
            b"--orgferry\r\nContent-Disposition: form-data\r\n\r\n\r\n",
        ),
        ("zero.bin", &[0, 255, 13, 10, 0]),
        ("large.bin", &large),
    ];
    let mut yaml = "seed: 5\nrecords:\n  - object: ContentVersion\n    rows:\n".to_owned();
    for (name, bytes) in bodies {
        yaml += &format!(
            "      - {{ Title: {name}, PathOnClient: {name}, VersionData: {} }}\n",
            STANDARD.encode(bytes)
        );
    }
    yaml
}

/// Title, size and checksum of each version.
fn versions(org: &Org) -> BTreeSet<String> {
    let rows = org.emulator.rows("ContentVersion");
    rows.iter()
        .map(|row| {
            ["Title", "ContentSize", "Checksum"]
                .map(|f| text(row, f))
                .join(" ")
        })
        .collect()
}

#[test]
fn files_are_streamed_from_org_to_org() {
    let quick = "policy: { retry: { attempts: 4, backoff: 5ms..20ms } }\n";
    let target =
        format!("seed: 6\nsobjects:\n  ContentVersion:\n    fields:\n      Legacy_Id__c: {LEGACY}\n");
    for (theirs, ours) in [
        ("", ""),
        // A download that breaks off, and an org that is busy for a moment: both are tried again.
        (
            "faults:\n  - { on: { path: /VersionData }, after: 1, times: 2, then: truncate_body }\n",
            "faults:\n  - { on: { method: POST, path: /sobjects/ContentVersion }, times: 2, then: { refuse: server_unavailable } }\n  - { on: { method: POST, path: /sobjects/ContentVersion }, after: 3, times: 1, then: expire_token }\n",
        ),
    ] {
        let runtime = runtime();
        let src = Org::start(&runtime, "src", &format!("{theirs}{}", files()));
        let dst = Org::start(&runtime, "dst", &format!("{ours}{target}"));
        let project = Project::new(&src, &dst);
        let step = "  files:\n    source: { object: ContentVersion }\n    target: { key: Legacy_Id__c }\n    copy: [Title, PathOnClient, VersionData]\n    map: { Legacy_Id__c: Id }\n";
        project.write(
            "files.yaml",
            &pipeline(step).replace("steps:", &format!("{quick}steps:")),
        );
        let report = project.run_pipeline("files.yaml", &[], 0);
        report.adds_up();
        assert_eq!(report.count("files", "created"), 4);
        assert_eq!(versions(&dst).len(), 4);
        assert_eq!(versions(&dst), versions(&src));
        // Again: all are there, and no body is fetched or sent.
        let fetched = |org: &Org| {
            let log = org.emulator.request_log();
            log.iter().filter(|r| r.path.ends_with("/VersionData")).count()
        };
        let before = fetched(&src);
        assert!(before >= 4);
        let report = project.run_pipeline("files.yaml", &[], 0);
        assert_eq!(report.count("files", "updated"), 4);
        assert_eq!(fetched(&src), before);
        assert_eq!(versions(&dst), versions(&src));
    }
}

#[test]
fn a_file_whose_answer_is_lost_is_found_and_not_made_twice() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &files());
    let dst = Org::start(
        &runtime,
        "dst",
        &format!(
            "faults:\n  - {{ on: {{ method: POST, path: /sobjects/ContentVersion }}, times: 1, then: drop_answer }}\n  - then: {{ reject_rows: {{ object: ContentVersion, field: Title, like: zero%, message: \"no\" }} }}\nseed: 6\nsobjects:\n  ContentVersion:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"
        ),
    );
    let project = Project::new(&src, &dst);
    // One at a time, so that the lost answer is that of the first file, not of the one that is refused.
    project.write(
        "files.yaml",
        &pipeline("  files:\n    source: { soql: \"SELECT Title, PathOnClient, VersionData FROM ContentVersion\" }\n    target: { object: ContentVersion, key: Legacy_Id__c, parallel: 1 }\n    copy: [Title, PathOnClient, VersionData]\n    map: { Legacy_Id__c: Id }\n"),
    );
    let report = project.run_pipeline("files.yaml", &[], 4);
    report.adds_up();
    let reasons = report.step("files")["parked_reasons"].to_string();
    assert!(!reasons.contains("unknown_outcome"), "{reasons}");
    assert!(reasons.contains("FIELD_CUSTOM_VALIDATION_EXCEPTION"), "{reasons}");
    assert_eq!(
        (report.count("files", "parked"), report.count("files", "created")),
        (1, 3)
    );
    assert_eq!(dst.emulator.count("ContentVersion"), 3);
}

#[test]
fn a_body_is_copied_as_it_is_or_not_at_all() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &files());
    let dst = Org::start(&runtime, "dst", "seed: 6\n");
    let project = Project::new(&src, &dst);
    project.write(
        "files.yaml",
        &pipeline("  files:\n    source: { object: ContentVersion }\n    target: { operation: insert }\n    copy: [Title, PathOnClient]\n    map: { VersionData: { value: aGVsbG8= } }\n"),
    );
    let ran = project.run(&["run", "files.yaml"]);
    ran.exits(2)
        .says("unwritable-field")
        .says("VersionData: VersionData");
    assert_eq!(dst.emulator.count("ContentVersion"), 0);
}

/// Makes a record in an org.
fn post(runtime: &tokio::runtime::Runtime, org: &Org, object: &str, record: &serde_json::Value) {
    use orgferry::http::{Body, HeaderValue, Method, Request, Transport, TransportOptions};
    let url = format!("{}/services/data/v66.0/sobjects/{object}", org.emulator.url());
    let mut request = Request::new(Method::POST, url.parse().expect("a URL"));
    let token = format!("Bearer {}", org.emulator.access_token());
    let token = HeaderValue::try_from(token).expect("a header");
    request.headers.insert("authorization", token);
    request.body = Body::Bytes("application/json", record.to_string().into());
    let answer = runtime.block_on(async {
        let transport = Transport::new(TransportOptions::default()).expect("a transport");
        transport.send(&request).await.expect("an answer")
    });
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status.as_u16(), 201, "{body}");
}

#[test]
fn files_are_linked_to_what_they_belong_to() {
    let runtime = runtime();
    let companies = "  - object: Account\n    rows: [{ Name: Acme }, { Name: Bolt }, { Name: Cog }]\n";
    let src = Org::start(&runtime, "src", &format!("{}{companies}", files()));
    let legacy = |object: &str| format!("  {object}:\n    fields:\n      Legacy_Id__c: {LEGACY}\n");
    let dst = Org::start(
        &runtime,
        "dst",
        &format!(
            "seed: 6\nsobjects:\n{}{}",
            legacy("Account"),
            legacy("ContentVersion")
        ),
    );
    let named = |org: &Org, object: &str, name: &str| -> BTreeMap<String, String> {
        pairs(org, object, [name, "Id"]).into_iter().collect()
    };
    let (documents, accounts) = (
        named(&src, "ContentDocument", "Title"),
        named(&src, "Account", "Name"),
    );
    for (file, account) in [
        ("hello.txt", "Acme"),
        ("hello.txt", "Bolt"),
        ("large.bin", "Acme"),
        ("zero.bin", "Cog"),
    ] {
        let link = serde_json::json!({
            "ContentDocumentId": documents[file], "LinkedEntityId": accounts[account], "ShareType": "V"
        });
        post(&runtime, &src, "ContentDocumentLink", &link);
    }
    let project = Project::new(&src, &dst);
    project.write(
        "files.yaml",
        &pipeline("  accounts:\n    source: { object: Account }\n    target: { key: Legacy_Id__c }\n    copy: [Name]\n    map: { Legacy_Id__c: Id }\n  files:\n    source: { object: ContentVersion, where: IsLatest = true }\n    target: { key: Legacy_Id__c }\n    copy: [Title, PathOnClient, VersionData]\n    map: { Legacy_Id__c: Id }\n  links:\n    source: { object: ContentDocumentLink, where: LinkedEntityId IN (SELECT Id FROM Account) }\n    target: { key: [ContentDocumentId, LinkedEntityId] }\n    copy: [LinkedEntityId, ShareType]\n    map:\n      ContentDocumentId: { ref: files, of: ContentDocument.LatestPublishedVersionId, give: ContentDocumentId }\n"),
    );
    let linked = |org: &Org| -> BTreeSet<(String, String)> {
        let titles: BTreeMap<String, String> = pairs(org, "ContentDocument", ["Id", "Title"])
            .into_iter()
            .collect();
        let names: BTreeMap<String, String> = pairs(org, "Account", ["Id", "Name"]).into_iter().collect();
        pairs(
            org,
            "ContentDocumentLink",
            ["ContentDocumentId", "LinkedEntityId"],
        )
        .into_iter()
        .filter_map(|(document, entity)| Some((titles[&document].clone(), names.get(&entity)?.clone())))
        .collect()
    };
    for outcome in ["created", "updated"] {
        let report = project.run_pipeline("files.yaml", &[], 0);
        report.adds_up();
        assert_eq!(report.count("links", outcome), 4);
        assert_eq!(linked(&dst), linked(&src));
        assert_eq!(linked(&dst).len(), 4);
    }
}

#[test]
fn attachments_go_with_their_parents() {
    let runtime = runtime();
    let body = STANDARD.encode(b"a\r\nb");
    let src = Org::start(
        &runtime,
        "src",
        "seed: 5\nrecords:\n  - object: Account\n    rows: [{ Name: Acme }, { Name: Bolt }]\n",
    );
    let accounts: BTreeMap<String, String> = pairs(&src, "Account", ["Name", "Id"]).into_iter().collect();
    for (account, name) in [("Acme", "one.txt"), ("Bolt", "one.txt"), ("Bolt", "two.txt")] {
        let record = serde_json::json!({ "ParentId": accounts[account], "Name": name, "Body": body });
        post(&runtime, &src, "Attachment", &record);
    }
    let dst = Org::start(
        &runtime,
        "dst",
        &format!("seed: 6\nsobjects:\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "files.yaml",
        &pipeline("  accounts:\n    source: { object: Account }\n    target: { key: Legacy_Id__c }\n    copy: [Name]\n    map: { Legacy_Id__c: Id }\n  attachments:\n    source: { object: Attachment }\n    target: { key: [ParentId, Name], parallel: 1 }\n    copy: [Name, Body]\n    map: { ParentId: { ref: accounts, of: ParentId } }\n"),
    );
    for outcome in ["created", "unchanged"] {
        let report = project.run_pipeline("files.yaml", &[], 0);
        report.adds_up();
        let there = report.count("attachments", outcome) + report.count("attachments", "updated");
        assert_eq!(there, 3, "{}", report.step("attachments"));
        let names: BTreeMap<String, String> = pairs(&dst, "Account", ["Id", "Name"]).into_iter().collect();
        let found: BTreeSet<String> = dst
            .emulator
            .rows("Attachment")
            .iter()
            .map(|row| {
                format!(
                    "{} {} {}",
                    names[text(row, "ParentId")],
                    text(row, "Name"),
                    text(row, "BodyLength")
                )
            })
            .collect();
        let expected = ["Acme one.txt 4", "Bolt one.txt 4", "Bolt two.txt 4"].map(str::to_owned);
        assert_eq!(found, expected.into());
        assert_eq!(dst.emulator.count("Attachment"), 3);
    }
}
