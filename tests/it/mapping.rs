//! Mapping values between two orgs: what is in the target afterwards, exactly.

use crate::support::{Org, Project, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

/// The fields of every record of an object, by `key`: `key: a, b, c`.
fn table(org: &Org, object: &str, key: &str, fields: &[&str]) -> Vec<String> {
    org.dump(object, key)
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, row)| {
            let value = |field: &&str| {
                row.get(*field)
                    .cloned()
                    .flatten()
                    .unwrap_or_else(|| "null".to_owned())
            };
            let values: Vec<String> = fields.iter().map(value).collect();
            format!("{name}: {}", values.join(", "))
        })
        .collect()
}

fn target(more: &str) -> String {
    format!(
        "seed: 4\nsobjects:\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n{more}"
    )
}

#[test]
fn refs_and_lookups_give_fields_and_reach_into_other_files() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "sobjects:\n  Account:\n    fields: { Key__c: { type: Text(10) } }\n  Contact:\n    fields: { Account_Key__c: { type: Text(10) } }\nrecords:\n  - object: Account\n    rows: [{ Name: Acme, Phone: '1', Key__c: K1 }, { Name: Bolt, Key__c: K2 }]\n  - object: Contact\n    rows: [{ LastName: A, Account_Key__c: K1 }, { LastName: B, Account_Key__c: K2 }, { LastName: C, Account_Key__c: K9 }, { LastName: D }]\n",
    );
    let dst = Org::start(&runtime, "dst", &target(""));
    let project = Project::new(&src, &dst);
    project.write(
        "pipelines/companies.yaml",
        "version: 1\nname: hq-companies\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: { object: Account, id: Key__c }\n    target: { object: Account, key: Legacy_Id__c }\n    copy: [Name, Phone]\n    map: { Legacy_Id__c: Id }\n",
    );
    project.write(
        "pipelines/people.yaml",
        "version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: { object: Contact }\n    target: { object: Contact, key: Legacy_Id__c }\n    copy: [LastName]\n    map:\n      Legacy_Id__c: LastName\n      AccountId: { ref: hq-companies/accounts, of: Account_Key__c, missing: omit }\n      Department: { ref: hq-companies/accounts, of: Account_Key__c, give: Name, missing: { value: none } }\n      MobilePhone: { ref: [hq-companies/accounts, contacts], of: Account_Key__c, give: Phone, missing: null }\n      Title: { lookup: User, by: Username, of: { value: ann@dst.example }, give: Name }\n",
    );
    // Nothing is known before the other file has run.
    let report = project.run_pipeline("pipelines/people.yaml", &[], 0);
    assert_eq!(report.count("contacts", "created"), 4);
    project.run_pipeline("pipelines/companies.yaml", &[], 0).adds_up();
    project.run_pipeline("pipelines/people.yaml", &[], 0).adds_up();
    assert_eq!(
        table(
            &dst,
            "Contact",
            "Legacy_Id__c",
            &["Department", "MobilePhone", "Title"]
        ),
        [
            "A: Acme, 1, Ann Lee",
            "B: Bolt, null, Ann Lee",
            "C: none, null, Ann Lee",
            "D: null, null, Ann Lee"
        ]
    );
    let accounts = dst.dump("Account", "Name");
    let contacts = dst.dump("Contact", "Legacy_Id__c");
    for (contact, account) in [("A", Some("Acme")), ("B", Some("Bolt")), ("C", None), ("D", None)] {
        let expected = account.map(|name| accounts[name]["Id"].clone().expect("an Id"));
        assert_eq!(
            contacts[contact].get("AccountId").cloned().flatten(),
            expected,
            "{contact}"
        );
    }
}

#[test]
fn only_sends_a_field_once_or_from_then_on() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            "records:\n  - object: Contact\n    rows: [{ LastName: New, Email: ann@dst.example }, { LastName: Old, Email: nobody@x.example }, { LastName: Lost, Email: nobody@x.example }, { LastName: Bare }]\n",
        );
        let there = "records:\n  - object: Contact\n    rows: [{ LastName: Old, Legacy_Id__c: Old, Title: kept, Department: d, Description: d }]\n";
        let dst = Org::start(&runtime, "dst", &target(there));
        let project = Project::new(&src, &dst);
        project.write(
            "people.yaml",
            &format!("version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: {{ object: Contact }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: {api} }}\n    map:\n      Legacy_Id__c: LastName\n      LastName: LastName\n      Title: {{ value: new, only: create }}\n      Department: {{ value: old, only: update }}\n      Description: {{ first: [{{ value: created, only: create }}, {{ value: updated }}] }}\n      OwnerId: {{ lookup: User, by: Username, of: Email, only: create }}\n"),
        );
        let report = project.run_pipeline("people.yaml", &[], 4);
        report.adds_up();
        // `Lost` would be created and has no owner; `Old` has none either, and needs none.
        assert_eq!(report.count("contacts", "parked"), 1, "{api}");
        assert_eq!(
            table(
                &dst,
                "Contact",
                "Legacy_Id__c",
                &["Title", "Department", "Description"]
            ),
            [
                "Bare: new, null, created",
                "New: new, null, created",
                "Old: kept, old, updated"
            ],
            "{api}"
        );
        let ann = dst.dump("User", "Username")["ann@dst.example"]["Id"].clone();
        assert_eq!(dst.dump("Contact", "Legacy_Id__c")["New"]["OwnerId"], ann);
        // Now all of them are there.
        project.run_pipeline("people.yaml", &[], 4);
        assert_eq!(
            table(
                &dst,
                "Contact",
                "Legacy_Id__c",
                &["Title", "Department", "Description"]
            ),
            [
                "Bare: new, old, updated",
                "New: new, old, updated",
                "Old: kept, old, updated"
            ],
            "{api}"
        );
    }
}

const MASKED: &str = "version: 1\nfrom: src\nto: dst\nmask_key: { env: MASK_KEY }\nsteps:\n  contacts:\n    source: { object: Contact }\n    target: { object: Contact, key: Legacy_Id__c }\n    map:\n      Legacy_Id__c: Id\n      LastName: { mask: name, of: LastName }\n      Email: { mask: email, of: Email }\n      Phone: { mask: phone, of: Phone }\n      Birthdate: { mask: digits, of: Birthdate }\n  accounts:\n    source: { object: Contact }\n    target: { object: Account, key: Legacy_Id__c }\n    map:\n      Legacy_Id__c: Id\n      Name: { mask: name, of: LastName }\n      Description: { mask: email, of: Email | upper }\n";

#[test]
fn masked_values_agree_across_objects_and_runs() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: Lovelace, Email: ada@people.example, Phone: '+44 20 7946 0018', Birthdate: 1984-02-29 }, { LastName: Hopper, Email: grace@people.example }, { LastName: Nobody }]\n",
    );
    let mut dumps = Vec::new();
    for key in [
        "a key that nobody knows 1",
        "a key that nobody knows 1",
        "a key that nobody knows 2",
    ] {
        let dst = Org::start(&runtime, "dst", &target(""));
        let project = Project::new(&src, &dst);
        project.write("masked.yaml", MASKED);
        // Without its key the run ends before anything is sent; a short one is refused; neither shows it.
        for (value, words) in [
            (None, "`MASK_KEY` is not set"),
            (Some("sh0rt-k3y"), "`mask_key` has 9 bytes"),
        ] {
            let mut command = project.command(&["run", "masked.yaml"]);
            if let Some(value) = value {
                command.env("MASK_KEY", value);
            }
            let ran = crate::support::Ran::new(command.output().expect("it runs"), &["run"]);
            ran.exits(2).says(words);
            assert!(!ran.stderr.contains("sh0rt-k3y") && !ran.stdout.contains("sh0rt-k3y"));
        }
        let mut command = project.command(&["run", "masked.yaml"]);
        command.env("MASK_KEY", key);
        let ran = crate::support::Ran::new(command.output().expect("it runs"), &["run"]);
        ran.exits(0);
        assert!(!ran.stderr.contains(key) && !ran.stdout.contains(key));
        let contacts = dst.dump("Contact", "Legacy_Id__c");
        let accounts = dst.dump("Account", "Legacy_Id__c");
        assert_eq!(contacts.len(), 3);
        let mut seen = std::collections::BTreeSet::new();
        for (id, contact) in &contacts {
            let get = |field: &str| contact.get(field).cloned().flatten();
            assert_eq!(get("LastName"), accounts[id].get("Name").cloned().flatten());
            assert_eq!(get("Email"), accounts[id].get("Description").cloned().flatten());
            for value in ["LastName", "Email", "Phone", "Birthdate"]
                .map(get)
                .into_iter()
                .flatten()
            {
                for secret in ["Lovelace", "Hopper", "people", "7946", "02-29"] {
                    assert!(!value.contains(secret), "{value}");
                }
            }
            if let Some(email) = get("Email") {
                assert!(email.ends_with("@example.invalid") && seen.insert(email));
            }
            if let Some(phone) = get("Phone") {
                let shape: String = phone
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '0' } else { c })
                    .collect();
                assert_eq!(shape, "+00 00 0000 0000");
            }
            if let Some(day) = get("Birthdate") {
                assert!(day.starts_with("1984-"));
            }
        }
        assert_eq!(seen.len(), 2, "null stays null");
        dumps.push(
            contacts
                .into_values()
                .map(|row| ["LastName", "Email", "Phone", "Birthdate"].map(|f| row.get(f).cloned().flatten()))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(dumps[0], dumps[1], "another run, another org");
    assert_ne!(dumps[0], dumps[2], "another key");
}

#[test]
fn every_entry_of_a_list_is_a_row() {
    for api in ["rest", "bulk"] {
        let runtime = runtime();
        let src = Org::start(
            &runtime,
            "src",
            "sobjects:\n  Contact:\n    fields: { Skills__c: { type: Text(80) } }\nrecords:\n  - object: Contact\n    rows: [{ LastName: A, Skills__c: 'Java;SQL', Phone: '1' }, { LastName: B, Skills__c: Rust }, { LastName: C }]\n",
        );
        let more = "  Skill__c:\n    label: Skill\n    fields:\n      Legacy_Id__c: LEGACY\n      Contact__c: { type: Lookup(Contact) }\n".replace("LEGACY", LEGACY);
        let dst = Org::start(&runtime, "dst", &target(&more));
        let project = Project::new(&src, &dst);
        project.write(
            "skills.yaml",
            &format!("version: 1\nfrom: src\nto: dst\nsteps:\n  skills:\n    source: {{ same_as: contacts, each: Skills__c | split_multi }}\n    target: {{ object: Skill__c, key: Legacy_Id__c, api: {api} }}\n    when: item != 'SQL'\n    map:\n      Legacy_Id__c: \"{{{{ LastName }}}}/{{{{ item_number }}}}\"\n      Name: {{ table: {{ Java: JAVA }}, of: item, otherwise: keep }}\n      Contact__c: {{ ref: contacts, of: Id }}\n  contacts:\n    source: {{ object: Contact, api: {api} }}\n    target: {{ object: Contact, key: Legacy_Id__c, api: {api} }}\n    copy: [LastName]\n    map: {{ Legacy_Id__c: Id }}\n  odd:\n    source: {{ same_as: contacts, each: \"LastName if LastName == 'A' else []\" }}\n    target: {{ object: Skill__c, key: Legacy_Id__c }}\n    map: {{ Legacy_Id__c: Id }}\n"),
        );
        let report = project.run_pipeline("skills.yaml", &[], 4);
        report.adds_up();
        assert_eq!(report.count("contacts", "read"), 3, "{api}");
        // Three entries of two lists; one is filtered, and no list is no row.
        assert_eq!(report.count("skills", "read"), 3, "{api}");
        assert_eq!(report.count("skills", "created"), 2, "{api}");
        assert_eq!(report.count("skills", "filtered"), 1, "{api}");
        // What is no list is not lost.
        assert_eq!(report.count("odd", "parked"), 1, "{api}");
        report.1.says("`each` gave a text, not a list");
        assert_eq!(
            table(&dst, "Skill__c", "Legacy_Id__c", &["Name"]),
            ["A/1: JAVA", "B/1: Rust"],
            "{api}"
        );
        let contacts = dst.dump("Contact", "LastName");
        let skills = dst.dump("Skill__c", "Legacy_Id__c");
        for (skill, contact) in [("A/1", "A"), ("B/1", "B")] {
            assert_eq!(skills[skill]["Contact__c"], contacts[contact]["Id"], "{api}");
        }
    }
}

#[test]
fn what_is_missing_ends_as_its_word_says() {
    for (word, exit, outcome, title) in [
        ("park", 4, "parked", "kept"),
        ("skip", 0, "filtered", "kept"),
        ("null", 0, "updated", "null"),
        ("omit", 0, "updated", "kept"),
        ("{ value: X }", 0, "updated", "X"),
        ("stop", 5, "parked", "kept"),
    ] {
        for form in [
            "table: { Boss: Manager }, of: Title, otherwise: WORD",
            "lookup: User, by: Username, of: Title, give: Name, otherwise: WORD",
            "ref: contacts, of: Title, missing: WORD",
        ] {
            let runtime = runtime();
            let rows = "records:\n  - object: Contact\n    rows: [{ LastName: A, Title: Nobody }]\n";
            let src = Org::start(&runtime, "src", rows);
            let there =
                "records:\n  - object: Contact\n    rows: [{ LastName: A, Legacy_Id__c: A, Title: kept }]\n";
            let dst = Org::start(&runtime, "dst", &target(there));
            let project = Project::new(&src, &dst);
            let form = form.replace("WORD", word);
            project.write(
                "words.yaml",
                &format!("version: 1\nfrom: src\nto: dst\nsteps:\n  contacts:\n    source: {{ object: Contact }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    copy: [LastName]\n    map:\n      Legacy_Id__c: LastName\n      Title: {{ {form} }}\n"),
            );
            let report = project.run_pipeline("words.yaml", &[], exit);
            // A self reference waits for the second pass: the record itself has been written by then.
            if !form.starts_with("ref") {
                assert_eq!(report.count("contacts", outcome), 1, "{form}");
            }
            assert_eq!(
                table(&dst, "Contact", "Legacy_Id__c", &["Title"]),
                [format!("A: {title}")],
                "{form}"
            );
        }
    }
}
