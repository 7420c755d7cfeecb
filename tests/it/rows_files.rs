//! Files of rows on both sides of a step, through the real binary: what is written is read again, value by value.

use std::{collections::BTreeMap, fs, io::Write as _, process::Stdio};

use crate::support::{Org, Project, Ran, runtime};

const FIELDS: &str = r#"      Legacy_Id__c: { type: Text(18), external_id: true, unique: true, case_sensitive: true }
      Score__c: { type: "Number(12, 4)" }
      Share__c: { type: "Percent(5, 2)" }
      Active__c: { type: Checkbox }
      Founded__c: { type: Date }
      Seen__c: { type: Date/Time }
      Open__c: { type: Time }
      Tags__c: { type: Multi-Select Picklist, values: [a, b, c] }
      Notes__c: { type: Long Text Area(32000) }
      Mail__c: { type: Email }
      Web__c: { type: URL }
"#;

/// Every type, every odd text, and `more` generated accounts with a parent each.
fn source(more: usize) -> String {
    let texts = [
        "plain",
        "with \"quotes\", commas; and | pipes",
        "line\nfeed",
        "carriage\r\nreturn",
        "#N/A",
        "émoji 😀 漢字",
        "tab\tand back\\slash",
        "null",
        "-1.50",
    ];
    let rows: Vec<String> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| {
            serde_json::json!({
                "Name": format!("Odd {i}"), "Notes__c": text, "Score__c": 12345678.5 + i as f64, "Share__c": 12.25,
                "Active__c": i % 2 == 0, "Founded__c": "1984-02-29", "Seen__c": "2026-01-31T09:05:07Z",
                "Open__c": "09:05:07.000Z", "Tags__c": "a;c", "Mail__c": "x@example.com", "Web__c": "https://a.example/?b=1,2",
                "AnnualRevenue": 912260031.25, "NumberOfEmployees": 12
            })
            .to_string()
        })
        .chain([serde_json::json!({ "Name": "Nothing" }).to_string()])
        .collect();
    format!(
        "seed: 7\nsobjects:\n  Account:\n    fields:\n{FIELDS}records:\n  - object: Account\n    rows: [{}]\n  - object: Account\n    generate:\n      count: {more}\n      fields:\n        Name: {{ company: }}\n        ParentId: {{ parent: {{ share: 50%, depth: 4 }} }}\n        Notes__c: {{ text: {{ words: 8, newlines: 20%, quotes: 20%, emoji: 20% }} }}\n        Score__c: {{ decimal: {{ min: -50, max: 50, scale: 4 }} }}\n      nulls: {{ Notes__c: 20%, Score__c: 10% }}\n",
        rows.join(", ")
    )
}

fn target() -> String {
    format!("seed: 8\nsobjects:\n  Account:\n    fields:\n{FIELDS}")
}

const COPIED: [&str; 14] = [
    "Name",
    "Notes__c",
    "Score__c",
    "Share__c",
    "Active__c",
    "Founded__c",
    "Seen__c",
    "Open__c",
    "Tags__c",
    "Mail__c",
    "Web__c",
    "AnnualRevenue",
    "NumberOfEmployees",
    "Phone",
];

fn backup(file: &str) -> String {
    format!(
        "version: 1\nfrom: src\nsteps:\n  accounts:\n    source: {{ object: Account }}\n    target: {{ {file} }}\n    copy: all\n"
    )
}

fn restore(file: &str) -> String {
    format!(
        "version: 1\nto: dst\nsteps:\n  accounts:\n    source: {{ {file} }}\n    target: {{ object: Account, key: Legacy_Id__c }}\n    copy: [{}]\n    map:\n      Legacy_Id__c: Id\n      ParentId: {{ ref: accounts, of: ParentId }}\n",
        COPIED.join(", ")
    )
}

/// Every copied field of every account, and its parent.
fn compare(src: &Org, dst: &Org) {
    let (ours, theirs) = (src.dump("Account", "Id"), dst.dump("Account", "Legacy_Id__c"));
    assert_eq!(ours.len(), theirs.len());
    for (id, row) in &ours {
        for field in COPIED {
            assert_eq!(
                row.get(field),
                theirs[id].get(field),
                "{field} of {id} ({:?})",
                row["Name"]
            );
        }
        let parent = row.get("ParentId").cloned().flatten();
        let expected = parent.map(|parent| theirs[&parent]["Id"].clone().expect("an Id"));
        assert_eq!(
            expected,
            theirs[id].get("ParentId").cloned().flatten(),
            "parent of {id}"
        );
    }
}

/// Out of one org into a file, out of the file into an empty org.
fn round_trip(file: &str, path: &str, more: usize) {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", &source(more));
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write("pipelines/backup.yaml", &backup(file));
    project.write("pipelines/restore.yaml", &restore(file));
    let report = project.run_pipeline("pipelines/backup.yaml", &[], 0);
    report.adds_up();
    let count = more as u64 + 10;
    assert_eq!(report.count("accounts", "created"), count, "{file}");
    let folder = project.path("out");
    let there: Vec<String> = fs::read_dir(&folder)
        .expect("the folder was made")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(there, [path], "nothing but the file");
    let report = project.run_pipeline("pipelines/restore.yaml", &[], 0);
    report.adds_up();
    assert_eq!(report.count("accounts", "read"), count, "{file}");
    compare(&src, &dst);
    // Once more changes nothing: the rows are known by their Ids.
    let again = project.run_pipeline("pipelines/restore.yaml", &[], 0);
    assert_eq!(again.count("accounts", "updated"), count);
    assert_eq!(dst.emulator.rows("Account").len() as u64, count);
}

#[test]
fn csv_carries_every_type_there_and_back() {
    round_trip("csv: ../out/accounts.csv", "accounts.csv", 300);
}

#[test]
fn other_forms_of_csv_carry_the_same() {
    round_trip(
        "csv: { path: ../out/accounts.tsv.gz, delimiter: \"\\t\", encoding: utf-16 }",
        "accounts.tsv.gz",
        0,
    );
}

#[test]
fn json_lines_carry_every_type_there_and_back() {
    round_trip("jsonl: ../out/accounts.jsonl.gz", "accounts.jsonl.gz", 300);
}

#[test]
fn fifty_thousand_rows_go_through_a_file() {
    round_trip("jsonl: ../out/accounts.jsonl", "accounts.jsonl", 50_000);
}

/// A project without any org.
fn alone(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn orgferry(folder: &tempfile::TempDir, args: &[&str], input: &str) -> Ran {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // Whoever does not read it closes it, which is no matter here.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Ran::new(child.wait_with_output().expect("it ends"), args)
}

fn read(folder: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn files_become_files_without_an_org() {
    let folder = alone(&[
        (
            "clean.yaml",
            "version: 1\nvars: { region: EMEA }\ntables:\n  country: { csv: data/countries.csv, key: code, value: name }\nsteps:\n  people:\n    source: { csv: { path: data/people.csv, delimiter: \";\", encoding: windows-1252 }, id: \"row['Client No']\" }\n    target: { jsonl: \"out/{{ vars.region | lower }}/people.jsonl\" }\n    when: Country\n    map:\n      Client_No: row['Client No']\n      Name: \"{{ Name | trim }}\"\n      Country: { table: country, of: Country, otherwise: keep }\n      Parent: { ref: people, of: Parent }\n      Account.Kind: { record_type: Kind }\n      Whole: row\n",
        ),
        ("data/countries.csv", "code,name\nDE,Germany\nNO,Norway\n"),
    ]);
    fs::write(
        folder.path().join("data/people.csv"),
        b"Client No;Name;Country;Parent;Kind\n007; J\xFCrgen ;DE;;Person\n8;\"A;B\";NO;007;\n9;;;;\n10;X;ZZ;9;\n",
    )
    .expect("written");
    let ran = orgferry(
        &folder,
        &["run", "clean.yaml", "--report", "json=report.json"],
        "",
    );
    ran.exits(0);
    let written: Vec<serde_json::Value> = read(&folder, "out/emea/people.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let expected = serde_json::json!([
        { "Client_No": "007", "Name": "Jürgen", "Country": "Germany", "Parent": null, "Account": { "Kind": "Person" },
          "Whole": { "Client No": "007", "Name": " Jürgen ", "Country": "DE", "Parent": null, "Kind": "Person" } },
        { "Client_No": "8", "Name": "A;B", "Country": "Norway", "Parent": "007", "Account": { "Kind": null },
          "Whole": { "Client No": "8", "Name": "A;B", "Country": "NO", "Parent": "007", "Kind": null } },
        { "Client_No": "10", "Name": "X", "Country": "ZZ", "Parent": "9", "Account": { "Kind": null },
          "Whole": { "Client No": "10", "Name": "X", "Country": "ZZ", "Parent": "9", "Kind": null } },
    ]);
    assert_eq!(serde_json::Value::Array(written), expected);
    let report: serde_json::Value = serde_json::from_str(&read(&folder, "report.json")).expect("JSON");
    let step = &report["steps"][0];
    assert_eq!(
        (&step["created"], &step["filtered"]),
        (&3.into(), &1.into()),
        "{step}"
    );
}

#[test]
fn standard_input_and_output_are_a_pipe() {
    let folder = alone(&[(
        "pipe.yaml",
        "version: 1\nsteps:\n  rows:\n    source: { jsonl: \"-\" }\n    target: { csv: \"-\" }\n    map:\n      Name: name | upper\n      City: address.city\n      Tags: tags\n      Missing: nothing\n",
    )]);
    let input = "{\"name\":\"ann\",\"address\":{\"city\":\"Ulm\"},\"tags\":[\"a\",\"b\"]}\n\n{\"name\":\"ben, jr\",\"address\":null}\n";
    let ran = orgferry(&folder, &["run", "pipe.yaml"], input);
    ran.exits(0);
    assert_eq!(
        ran.stdout,
        "Name,City,Tags,Missing\nANN,Ulm,a;b,\n\"BEN, JR\",,,\n"
    );
    assert!(
        ran.stderr.contains("rows"),
        "the table is on standard error: {}",
        ran.stderr
    );
}

#[test]
fn one_step_reads_what_another_one_writes() {
    let folder = alone(&[
        (
            "chain.yaml",
            "version: 1\nsteps:\n  second:\n    source: { csv: out/between.csv }\n    target: { csv: out/end.csv }\n    copy: [Id, Name]\n  first:\n    source: { csv: in.csv }\n    target: { csv: out/between.csv }\n    copy: all\n    map: { Name: Name | upper }\n",
        ),
        ("in.csv", "Id,Name\n1,a\n2,b\n"),
    ]);
    orgferry(&folder, &["validate", "chain.yaml"], "").exits(0);
    orgferry(&folder, &["run", "chain.yaml"], "").exits(0);
    assert_eq!(read(&folder, "out/end.csv"), "Id,Name\n1,A\n2,B\n");
}

#[test]
fn a_broken_file_stops_the_run_before_anything_is_written() {
    let many = "1,x\n".repeat(5_000);
    for (text, expected) in [
        (
            format!("Id,Name\n{many}2\n"),
            "data.csv:5002: the row has 1 cell, and the header 2",
        ),
        (
            format!("Id,Name\n{many}2,\"x\n"),
            "data.csv:5002: a quote is opened here and never closed",
        ),
        (
            "Id,Name,name\n".to_owned(),
            "data.csv:1: the header has the column `name` twice",
        ),
        (String::new(), "data.csv:1: the file is empty"),
    ] {
        let folder = alone(&[
            (
                "copy.yaml",
                "version: 1\nvars: { file: data.csv }\nsteps:\n  rows:\n    source: { csv: \"{{ vars.file }}\" }\n    target: { jsonl: out/rows.jsonl }\n    copy: all\n",
            ),
            ("data.csv", &text),
            ("out/rows.jsonl", "old\n"),
        ]);
        let ran = orgferry(&folder, &["run", "copy.yaml"], "");
        ran.exits(1).says(expected).says("nothing was written");
        assert_eq!(read(&folder, "out/rows.jsonl"), "old\n");
    }
    // What cannot be known before leaves the file as it was, too.
    let folder = alone(&[
        (
            "copy.yaml",
            "version: 1\nsteps:\n  rows:\n    source: { csv: \"-\" }\n    target: { jsonl: out/rows.jsonl }\n    copy: [Id, Name]\n",
        ),
        ("out/rows.jsonl", "old\n"),
    ]);
    let input = format!("Id,Name\n{}2\n", "1,x\n".repeat(100));
    orgferry(&folder, &["run", "copy.yaml"], &input)
        .exits(1)
        .says("standard input:102: the row has 1 cell");
    assert_eq!(read(&folder, "out/rows.jsonl"), "old\n");
    assert_eq!(
        fs::read_dir(folder.path().join("out")).expect("a folder").count(),
        1
    );
}

#[test]
fn a_column_that_is_not_there_is_a_finding() {
    let yaml = "version: 1\nvars: { file: data.csv }\nsteps:\n  rows:\n    source: { csv: PATH }\n    target: { jsonl: out.jsonl }\n    map: { Name: Nmae, Other: \"row['Client No.']\" }\n";
    let folder = alone(&[
        ("data.csv", "Id,Name,Client No\n"),
        ("a.yaml", &yaml.replace("PATH", "data.csv")),
    ]);
    fs::write(
        folder.path().join("b.yaml"),
        yaml.replace("PATH", "\"{{ vars.file }}\""),
    )
    .expect("written");
    // Offline where the path is plain, before anything is written where it is not.
    orgferry(&folder, &["validate", "a.yaml"], "")
        .exits(2)
        .says("the file has no column `Nmae`")
        .says("did you mean `Name`?")
        .says("did you mean `row['Client No']`?");
    orgferry(&folder, &["validate", "b.yaml"], "").exits(0);
    orgferry(&folder, &["run", "b.yaml"], "")
        .exits(2)
        .says("has no column `Nmae`")
        .says("did you mean `Name`?");
    assert!(!folder.path().join("out.jsonl").exists());
}

#[test]
fn a_letter_that_the_encoding_lacks_parks_the_row() {
    let folder = alone(&[
        (
            "copy.yaml",
            "version: 1\nsteps:\n  rows:\n    source: { jsonl: in.jsonl }\n    target: { csv: { path: out.csv, encoding: windows-1252, delimiter: \";\" } }\n    copy: all\n",
        ),
        (
            "in.jsonl",
            "{\"Id\":1,\"Name\":\"ü\"}\n{\"Id\":2,\"Name\":\"😀\"}\n{\"Id\":3,\"Nick\":\"€\"}\n",
        ),
    ]);
    let ran = orgferry(&folder, &["run", "copy.yaml"], "");
    ran.exits(4).says("windows-1252 has no letter `😀`");
    let bytes = fs::read(folder.path().join("out.csv")).expect("a file");
    assert_eq!(bytes, b"Id;Name;Nick\n1;\xFC;\n3;;\x80\n");
}

#[test]
fn rows_without_an_id_are_told_by_their_lines() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", "seed: 1\n");
    let dst = Org::start(&runtime, "dst", &target());
    let project = Project::new(&src, &dst);
    project.write(
        "load.yaml",
        "version: 1\nto: dst\nsteps:\n  accounts:\n    source: { csv: in.csv }\n    target: { object: Account, operation: insert }\n    map: { Name: Name, NumberOfEmployees: Size }\n",
    );
    project.write("in.csv", "Name,Size\n\"A\nB\",1\nC,many\nD,3\n");
    let report = project.run_pipeline("load.yaml", &[], 4);
    report.adds_up();
    assert_eq!(report.count("accounts", "created"), 2);
    let path = report.0["parked_files"][0]["path"]
        .as_str()
        .expect("a file")
        .to_owned();
    let parked = project.read(&path);
    let mut lines = csv::Reader::from_reader(parked.as_bytes());
    let header = lines.headers().expect("a header").clone();
    let row = lines.records().next().expect("a row").expect("CSV");
    let all: BTreeMap<&str, &str> = header.iter().zip(row.iter()).collect();
    assert_eq!(
        (all["orgferry_line"], all["Size"], all["orgferry_code"]),
        ("4", "many", "type")
    );
}

#[test]
fn copy_all_of_a_seed_keeps_the_links_between_its_files() {
    let runtime = runtime();
    let src = Org::start(&runtime, "src", "seed: 1\n");
    let dst = Org::start(
        &runtime,
        "dst",
        "seed: 2\nsobjects:\n  Account:\n    fields:\n      Seed__c: { type: Text(20), external_id: true, unique: true }\n  Contact:\n    fields:\n      Seed__c: { type: Text(20), external_id: true, unique: true }\n",
    );
    let project = Project::new(&src, &dst);
    project.write(
        "seed.yaml",
        "version: 1\nto: dst\nsteps:\n  contacts:\n    source: { jsonl: contacts.jsonl }\n    target: { object: Contact, key: Seed__c }\n    copy: all\n    map: { Seed__c: Id }\n  accounts:\n    source: { csv: accounts.csv }\n    target: { object: Account, key: Seed__c }\n    copy: all\n    map: { Seed__c: Id }\n",
    );
    project.write(
        "accounts.csv",
        "\u{feff}Id,Name,Industry,Not_In_Org\nacme,Acme,Banking,x\nbeta,Beta,,y\n",
    );
    project.write(
        "contacts.jsonl",
        "{\"Id\":\"ann\",\"LastName\":\"Ann\",\"AccountId\":\"beta\"}\n{\"Id\":\"ben\",\"LastName\":\"Ben\",\"DoNotCall\":true}\n",
    );
    project.run_pipeline("seed.yaml", &[], 0).adds_up();
    let (accounts, contacts) = (dst.dump("Account", "Seed__c"), dst.dump("Contact", "Seed__c"));
    assert_eq!(accounts["acme"]["Industry"].as_deref(), Some("Banking"));
    assert_eq!(contacts["ann"]["AccountId"], accounts["beta"]["Id"]);
    assert_eq!(contacts["ben"]["DoNotCall"].as_deref(), Some("true"));
}

/// The key of a file's row is its name. A field that parks may come before the `ref` that the key is made of.
#[test]
fn a_parked_row_is_known_by_its_whole_key() {
    let runtime = runtime();
    let src = Org::start(
        &runtime,
        "src",
        "seed: 5\nrecords: [{ object: Account, rows: [{ Name: A }] }]\n",
    );
    let dst = Org::start(
        &runtime,
        "dst",
        "seed: 6\nsobjects: { Account: { fields: { Legacy_Id__c: { type: Text(18), external_id: true } } } }\n",
    );
    let project = Project::new(&src, &dst);
    let account = src.id("Account", "Name", "A");
    project.write(
        "people.csv",
        &format!("account,name,born\n{account},Smith,soon\n"),
    );
    project.write(
        "people.yaml",
        "version: 1\nfrom: src\nto: dst\nsteps:\n  accounts:\n    source: { object: Account }\n    target: { key: Legacy_Id__c }\n    copy: [Name]\n    map: { Legacy_Id__c: Id }\n  people:\n    source: { csv: people.csv }\n    target: { object: Contact, key: [AccountId, LastName] }\n    map:\n      Birthdate: born | date\n      AccountId: { ref: accounts, of: account }\n      LastName: name\n",
    );
    let report = project.run_pipeline("people.yaml", &[], 4);
    assert_eq!(report.count("people", "parked"), 1);
    let there = dst.id("Account", "Name", "A");
    project
        .run(&["report", "last", "--parked", "people"])
        .exits(0)
        .says(&format!("{there}/Smith"));
}
