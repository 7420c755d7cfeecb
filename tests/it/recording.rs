//! `orgferry test --record`: rows of an org become tests that pass, and that tell nobody who anybody is.

use crate::support::{Org, Project, Ran, runtime};

const LEGACY: &str = "{ type: Text(40), external_id: true, unique: true, case_sensitive: true }";

const PIPELINE: &str = "version: 1
from: src
to: dst
mask_key: { env: MASK_KEY }
vars: { region: EMEA }
steps:
  accounts:
    source: { object: Account, where: \"Name != 'Lost Ltd'\" }
    target: { object: Account, key: Legacy_Id__c }
    map: { Legacy_Id__c: Id, Name: Name }
  contacts:   # people
    source: { object: Contact, order_by: LastName }
    target: { object: Contact, key: Legacy_Id__c }
    when: not DoNotCall and LastName != 'Zuse'
    copy: [Phone, Birthdate]
    map:
      Legacy_Id__c: Id
      LastName: LastName
      FirstName: FirstName
      Email: Email | lower
      Level__c: Level__c
      AccountId: { ref: accounts, of: AccountId }
      AssistantName: { ref: accounts, of: AccountId, give: Name }
      OwnerId: { lookup: User, by: Email, of: Owner.Email, otherwise: null }
      Title: { lookup: User, by: Email, of: Owner.Email, give: Name, otherwise: null }
      Department: { table: { Sales: SAL, Legal: LEG }, of: Department, otherwise: null }
      Description: \"{{ FirstName }} of {{ vars.region }} <{{ Email }}>\"
      MailingCity: { mask: name, of: MailingCity }
      LeadSource: LeadSource
      HomePhone: HomePhone

    # the end of people
";

/// Nothing of these may be in a file.
const PERSONAL: &[&str] = &[
    "Ada", "Lovelace", "ada@", "7946", "Grace", "Hopper", "grace@", "London", "int@acme", "Int User", "Acme",
    "Turing", "555 0100", "Boole", "12-10",
];

fn orgs(runtime: &tokio::runtime::Runtime) -> (Org, Org) {
    let src = Org::start(
        runtime,
        "src",
        "sobjects:\n  Contact:\n    fields: { Level__c: { type: Text(10) } }\nrecords:\n  - object: Account\n    rows: [{ Name: Acme }, { Name: Lost Ltd }]\n  - object: Contact\n    rows:\n      - { LastName: Lovelace, FirstName: Ada, Email: Ada@Analytical.example, Phone: +44 20 7946 0001, HomePhone: 7946-02, Birthdate: 1985-12-10, Department: Sales, MailingCity: London, LeadSource: Web, Level__c: '7', Account: { Name: Acme } }\n      - { LastName: Hopper, FirstName: Grace, Email: grace@navy.example, Phone: 555 0100, Department: Unknown, Account: { Name: Acme } }\n      - { LastName: Turing, FirstName: Alan, DoNotCall: true }\n      - { LastName: Boole, FirstName: George, Account: { Name: Lost Ltd } }\n      - { LastName: Zuse, FirstName: Konrad, Department: Secret }\n",
    );
    let dst = Org::start(
        runtime,
        "dst",
        &format!(
            "seed: 9\nsobjects:\n  Account:\n    fields:\n      Legacy_Id__c: {LEGACY}\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n      Level__c: {{ type: 'Number(5,0)' }}\n"
        ),
    );
    (src, dst)
}

fn run(project: &Project, args: &[&str]) -> Ran {
    let mut command = project.command(args);
    command.env("MASK_KEY", "a key of a test project");
    Ran::new(command.output().expect("the binary runs"), args)
}

#[test]
fn rows_become_tests_that_tell_nobodys_name() {
    let runtime = runtime();
    let (src, dst) = orgs(&runtime);
    let project = Project::new(&src, &dst);
    project.write("people.yaml", PIPELINE);
    run(&project, &["run", "people.yaml"]).exits(4);
    let before = dst.dump("Contact", "Legacy_Id__c");
    let record = ["test", "people.yaml", "--step", "contacts", "--record", "5"];

    // Only looked at.
    let mut dry = record.to_vec();
    dry.push("--dry-run");
    let ran = run(&project, &dry);
    ran.exits(0).says("4 tests would be added to `people.yaml`");
    assert!(ran.stdout.contains("+    tests:\n"), "{}", ran.stdout);
    assert_eq!(project.read("people.yaml"), PIPELINE);

    let ran = run(&project, &record);
    ran.exits(0)
        .says("4 tests added to `people.yaml`")
        // Zuse is filtered for a name that is masked; `--keep` would help.
        .says("not recorded: row")
        .says("--keep FIELD");
    let text = project.read("people.yaml");
    for name in PERSONAL {
        let added: String = text.lines().filter(|line| !PIPELINE.contains(line)).collect();
        assert!(!added.contains(name), "{name}: {text}");
        assert!(!ran.stdout.contains(name) && !ran.stderr.contains(name), "{name}");
    }
    // What was there stands as it stood, comments and all.
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| PIPELINE.lines().any(|old| old == *line))
        .collect();
    let old: Vec<&str> = PIPELINE.lines().collect();
    assert!(old.iter().all(|line| kept.contains(line)), "{text}");
    // Ids, picklists, dates, numbers and what the mapping itself speaks of stay.
    let ada = src.id("Contact", "LastName", "Lovelace");
    let acme = dst.id("Account", "Name", "Acme");
    for words in [
        &format!("- name: recorded {ada}"),
        &format!("AccountId: {acme}"),
        "Birthdate: 1985-",
        "LeadSource: Web",
        "Department: Sales",
        "Department: SAL",
        "@example.invalid",
        "expect: filtered",
        "expect: parked",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let tested = run(&project, &["test"]);
    tested.exits(0).says("4 tests passed");

    // Again: nothing new, and nothing twice.
    run(&project, &record).exits(1).says("4 rows are there already");
    assert_eq!(project.read("people.yaml"), text);
    // With the field that decides: that row too.
    let mut keep = record.to_vec();
    keep.extend(["--keep", "LastName"]);
    run(&project, &keep).exits(0).says("1 test added");
    run(&project, &["test"]).exits(0).says("5 tests passed");

    // A mapping that changes makes them fail.
    let text = project.read("people.yaml");
    project.write(
        "people.yaml",
        &text.replace("Email: Email | lower", "Email: Email | upper"),
    );
    run(&project, &["test"]).exits(1).says("people.yaml:20:");
    // And nothing has been written to the orgs.
    assert_eq!(dst.dump("Contact", "Legacy_Id__c"), before);
    let runs = run(&project, &["runs", "--format", "json"]);
    let runs: serde_json::Value = serde_json::from_str(&runs.stdout).expect("JSON");
    assert_eq!(
        runs["runs"].as_array().map(Vec::len),
        Some(1),
        "recording is no run"
    );
}

#[test]
fn files_and_entries_of_lists_are_recorded_too() {
    let runtime = runtime();
    let (src, dst) = orgs(&runtime);
    let project = Project::new(&src, &dst);
    project.write(
        "people.csv",
        "key,Full Name,mail,phones,since,amount,kind\nK1,Ada Lovelace,ada@x.example,+44 20 7946;555 0100,2024-02-29,12.50,gold\nK2,Grace Hopper,grace@x.example,,,007,silver\n",
    );
    project.write(
        "phones.yaml",
        "version: 1\nto: dst\nvars: { who: { required: true } }\nsteps: { phones: { source: { csv: people.csv, id: key, each: \"phones | split_multi\" }, target: { object: Contact, key: Legacy_Id__c }, map: { Legacy_Id__c: \"{{ key }}-{{ item_number }}\", LastName: \"row['Full Name']\", Phone: item, Email: mail, Birthdate: since | date, Title: \"'Gold' if kind == 'gold' else vars.who\" } } }\n",
    );
    let ran = run(
        &project,
        &["test", "phones.yaml", "--record", "10", "--var", "who=nobody"],
    );
    ran.exits(0).says("2 tests added");
    let text = project.read("phones.yaml");
    for name in ["Ada", "Lovelace", "ada@", "7946", "0100", "K1"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    for words in [
        "item_number: 2",
        "2024-02-29",
        "kind: gold",
        "vars: { who: nobody }",
        "Title: Gold",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    run(&project, &["test", "phones.yaml"])
        .exits(0)
        .says("2 tests passed");
    assert!(
        !project.path(".orgferry").exists(),
        "asking leaves no state behind"
    );
}

#[test]
fn what_stands_in_the_way_is_told() {
    let runtime = runtime();
    let (src, dst) = orgs(&runtime);
    let project = Project::new(&src, &dst);
    project.write("people.yaml", PIPELINE);
    for (args, words) in [
        (&["test", "--record", "5"][..], "required"),
        (&["test", ".", "--record", "5"], "`--record` writes into one file"),
        (
            &["test", "people.yaml", "--record", "5"],
            "its steps: accounts, contacts",
        ),
        (
            &["test", "people.yaml", "--record", "5", "--step", "contact"],
            "did you mean `contacts`?",
        ),
        (
            &[
                "test",
                "people.yaml",
                "--record",
                "5",
                "--step",
                "contacts",
                "--keep",
                "Departmnt",
            ],
            "did you mean `Department`?",
        ),
        (
            &["test", "people.yaml", "--record", "0", "--step", "contacts"],
            "0",
        ),
        (&["test", "people.yaml", "--keep", "Department"], "--record"),
    ] {
        let ran = run(&project, args);
        ran.exits(2).says(words);
    }
    // The key of the project is needed where it is named.
    let args = ["test", "people.yaml", "--record", "5", "--step", "contacts"];
    project.run(&args).exits(2).says("MASK_KEY");
    assert_eq!(project.read("people.yaml"), PIPELINE);
}

/// Where nothing is written, a production org is no obstacle; and rows of a JSON API are told by the names of their parts.
#[test]
fn production_orgs_can_be_asked() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "records:\n  - object: Contact\n    rows: [{ LastName: Lovelace, Email: ada@x.example, Title: Countess }]\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        &format!(
            "is_sandbox: false\norganization_type: Enterprise Edition\nsobjects:\n  Contact:\n    fields:\n      Legacy_Id__c: {LEGACY}\n"
        ),
    );
    let project = Project::new(&src, &dst);
    project.write(
        "api.yaml",
        "version: 1
to: dst
steps:
  contacts:
    source:
      http: { get: \"callout:src/services/data/v60.0/query\", query: { q: \"SELECT Id, LastName, Email, Title FROM Contact\" }, records: \"$.records[*]\" }
    target: { object: Contact, key: Legacy_Id__c }
    map:
      Legacy_Id__c: Id
      LastName: LastName
      Email: Email
      Title: { jsonpath: \"$.Title\", of: row }
      Description: \"{{ Title }}\"
",
    );
    run(&project, &["run", "api.yaml"]).exits(3);
    let args = ["test", "api.yaml", "--record", "1", "--keep", "Title"];
    run(&project, &args).exits(0).says("1 test added");
    let text = project.read("api.yaml");
    for name in ["Lovelace", "ada@"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    assert_eq!(text.matches("Title: Countess").count(), 2, "{text}");
    run(&project, &["test", "api.yaml"])
        .exits(0)
        .says("1 test passed");
    assert!(dst.emulator.rows("Contact").is_empty());
}

#[test]
fn what_a_test_cannot_say_is_told() {
    let runtime = runtime();
    let (src, dst) = orgs(&runtime);
    let project = Project::new(&src, &dst);
    for (line, words) in [
        (
            "Title: { first: [{ lookup: User, by: Email, of: Owner.Email, where: Name = 'Nobody' }, { lookup: User, by: Email, of: Owner.Email, give: Name }] }",
            "the lookup of `User` gives two answers for `",
        ),
        (
            "Title: { lookup: User, by: Email, of: Owner.Email, give: Name, when: LastName == 'Lovelace' }",
            "masked it asks the orgs other questions",
        ),
        (
            "Level__c: Department",
            "a run ends it as parked (`type`), and a test, which asks no org, as mapped",
        ),
    ] {
        let file = format!(
            "version: 1\nfrom: src\nto: dst\nmask_key: {{ env: MASK_KEY }}\nsteps:\n  contacts:\n    source: {{ object: Contact, where: \"LastName = 'Lovelace'\" }}\n    target: {{ object: Contact, key: Legacy_Id__c }}\n    map:\n      Legacy_Id__c: Id\n      LastName: LastName\n      {line}\n"
        );
        project.write("people.yaml", &file);
        let ran = run(&project, &["test", "people.yaml", "--record", "1"]);
        ran.exits(1).says(words).says("0 tests added");
        assert_eq!(project.read("people.yaml"), file);
    }
}
