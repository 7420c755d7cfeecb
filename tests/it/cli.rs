//! The command line as a user meets it: the real binary in an empty folder, without the environment of whoever tests.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use orgferry::{
    record::{Outcome, ParkReason, RowResult},
    report::{Collector, End, Start, parked},
    state::{ParkedRow, RunRecord, RunStatus, Sqlite, Store},
};
use tempfile::TempDir;

/// A folder, a command line, and all that must come of it. What is not said is empty, or exit code 0.
struct Cli {
    folder: TempDir,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    stdout: Expected,
    stderr: Expected,
    code: i32,
}

enum Expected {
    Exactly(String),
    Parts(Vec<String>),
}

impl Cli {
    fn new(args: &str) -> Self {
        Cli {
            folder: tempfile::tempdir().expect("a folder"),
            args: args.split_whitespace().map(str::to_owned).collect(),
            environment: Vec::new(),
            stdout: Expected::Exactly(String::new()),
            stderr: Expected::Exactly(String::new()),
            code: 0,
        }
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(path, text).expect("the file can be written");
        self
    }

    fn with(self, prepare: impl FnOnce(&Path)) -> Self {
        prepare(self.folder.path());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn stdout(mut self, text: &str) -> Self {
        self.stdout = Expected::Exactly(text.to_owned());
        self
    }

    fn stdout_has(mut self, parts: &[&str]) -> Self {
        self.stdout = Expected::Parts(parts.iter().map(|part| (*part).to_owned()).collect());
        self
    }

    fn stderr(mut self, text: &str) -> Self {
        self.stderr = Expected::Exactly(text.to_owned());
        self
    }

    fn stderr_has(mut self, parts: &[&str]) -> Self {
        self.stderr = Expected::Parts(parts.iter().map(|part| (*part).to_owned()).collect());
        self
    }

    fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    /// Runs it and holds it to all three. Gives standard output, and the folder as it is now.
    fn run(self) -> (String, TempDir) {
        let output = Command::new(env!("CARGO_BIN_EXE_orgferry"))
            .args(&self.args)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let own = self.folder.path().canonicalize().expect("the folder is there");
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .replace(&own.display().to_string(), "FOLDER")
                .replace(&self.folder.path().display().to_string(), "FOLDER")
        };
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let all = format!(
            "orgferry {}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
            self.args.join(" ")
        );
        assert_eq!(output.status.code(), Some(self.code), "{all}");
        for (found, expected) in [(&stdout, &self.stdout), (&stderr, &self.stderr)] {
            match expected {
                Expected::Exactly(text) => assert_eq!(found, text, "{all}"),
                Expected::Parts(parts) => {
                    for part in parts {
                        assert!(found.contains(part), "`{part}` is missing in\n{all}");
                    }
                }
            }
        }
        (stdout, self.folder)
    }
}

const CREDENTIALS: &str = "version: 1
external_credentials:
  EC: { protocol: none, principals: { P: { sequence: 1 } } }
named_credentials:
  hq: { url: https://hq.example, external_credential: EC }
  emea: { url: https://emea.example, external_credential: EC }
";

const PIPELINE: &str = "version: 1
from: hq
to: emea
tables:
  industry: { Agri: Agriculture }
steps:
  accounts:
    source: { soql: 'SELECT Id, Name, Sector__c FROM Account' }
    target: { object: Account, key: Legacy_Id__c }
    map:
      Legacy_Id__c: Id
      Name: Name | trim
      Industry: { table: industry, of: Sector__c }
    tests:
      - name: names are trimmed
        given: { Id: 001A, Name: ' Acme ' }
        expect: { Name: Acme }
";

#[test]
fn wrong_use_is_told_with_the_way_out() {
    for (args, parts) in [
        ("", &["Usage: orgferry", "orgferry demo"][..]),
        ("frobnicate", &["unrecognized subcommand 'frobnicate'"]),
        ("vaildate", &["a similar subcommand exists: 'validate'"]),
        ("run", &["<FILE>", "Usage: orgferry run"]),
        (
            "run x.yaml --var region",
            &["write NAME=VALUE, as in `--var region=APAC`"],
        ),
        (
            "run x.yaml --report junit=x",
            &["`junit` is no format of reports; there is `json`"],
        ),
        (
            "run x.yaml --progress often",
            &["[possible values: auto, bars, lines, none]"],
        ),
        ("report", &["<RUN>"]),
        ("report last --format json --parked x", &["cannot be used with"]),
        ("emulate", &["<FILE>..."]),
        (
            "completions tcsh",
            &["[possible values: bash, elvish, fish, powershell, zsh]"],
        ),
    ] {
        Cli::new(args).stderr_has(parts).code(2).run();
    }
}

#[test]
fn help_shows_examples() {
    for (command, example) in [
        ("", "orgferry run pipelines/FILE.yaml"),
        ("validate", "orgferry validate pipelines/customers.yaml"),
        (
            "run",
            "orgferry run pipelines/customers.yaml --env uat --var region=APAC",
        ),
        ("test", "orgferry test pipelines/customers.yaml"),
        ("runs", "orgferry runs --limit 100 --format json"),
        ("report", "orgferry report last --parked contacts > to-mend.csv"),
        ("emulate", "orgferry emulate hq.org.yaml emea.org.yaml"),
        ("demo", "orgferry demo --dir try-it --keep-serving"),
        ("schema", "orgferry schema --out schemas"),
        ("completions", "orgferry completions bash"),
    ] {
        Cli::new(&format!("{command} --help"))
            .stdout_has(&[example])
            .run();
    }
    Cli::new("--version")
        .stdout(concat!("orgferry ", env!("CARGO_PKG_VERSION"), "\n"))
        .run();
}

#[test]
fn a_good_project_is_valid_and_its_tests_pass() {
    let project = |args: &str| {
        Cli::new(args)
            .file("credentials.yaml", CREDENTIALS)
            .file("pipelines/customers.yaml", PIPELINE)
    };
    for args in [
        "validate",
        "validate pipelines",
        "validate pipelines/customers.yaml credentials.yaml",
    ] {
        project(args)
            .stderr("2 files checked, nothing to complain about\n`orgferry schema lock` would check 6 fields more against the orgs\n")
            .run();
    }
    project("validate --quiet").run();
    let (json, _) = project("validate --format json")
        .stdout_has(&["\"errors\": 0"])
        .run();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["findings"], serde_json::json!([]));
    project("test")
        .stdout("ok      customers accounts: names are trimmed\n")
        .stderr(
            "1 test passed\nfields mapped 3, expected by tests 1 (33.3%); `--coverage` lists the others\n",
        )
        .run();
    project("test --format json")
        .stdout_has(&["\"passed\": true", "\"step\": \"accounts\""])
        .run();
}

#[test]
fn findings_are_the_data_of_validate() {
    let project = |args: &str| {
        Cli::new(args).file("credentials.yaml", CREDENTIALS).file(
            "pipelines/customers.yaml",
            &PIPELINE.replace("Name | trim", "Nmae | trim"),
        )
    };
    project("validate")
        .stdout_has(&[
            "error[",
            "pipelines/customers.yaml:12:13",
            "Nmae",
            "did you mean `Name`?",
        ])
        .stderr("1 error in 2 files\n")
        .code(2)
        .run();
    let (json, _) = project("validate --format json")
        .stdout_has(&["\"errors\": 1"])
        .code(2)
        .run();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["findings"][0]["place"]["start"]["line"], 12);
    // A run and tests have other data: there the findings are for the person beside the screen.
    project("run pipelines/customers.yaml")
        .stderr_has(&["did you mean `Name`?", "1 error in 2 files; nothing was sent\n"])
        .code(2)
        .run();
    project("test")
        .stderr_has(&["did you mean `Name`?"])
        .code(2)
        .run();
    let (_, folder) = project("run pipelines/customers.yaml --progress none")
        .stderr_has(&[])
        .code(2)
        .run();
    assert!(
        !folder.path().join(".orgferry").exists(),
        "an invalid file leaves no state"
    );
}

#[test]
fn a_failed_test_shows_each_field() {
    Cli::new("test pipelines/customers.yaml")
        .file("credentials.yaml", CREDENTIALS)
        .file(
            "pipelines/customers.yaml",
            &PIPELINE.replace("expect: { Name: Acme }", "expect: { Name: Acne }"),
        )
        .stdout_has(&[
            "FAILED  customers accounts: names are trimmed\n",
            "at pipelines/customers.yaml:15:",
            "Name\n",
            "Acne",
            "Acme",
        ])
        .stderr("1 of 1 test failed\nfields mapped 3, expected by tests 1 (33.3%); `--coverage` lists the others\n")
        .code(1)
        .run();
}

#[test]
fn files_that_are_not_there_are_told() {
    Cli::new("validate")
        .stderr_has(&["there is no file to check in `.`"])
        .code(2)
        .run();
    Cli::new("run nix.yaml")
        .stderr_has(&["nix.yaml", "there is no such file"])
        .code(2)
        .run();
    Cli::new("emulate nix.org.yaml")
        .stderr_has(&["nix.org.yaml"])
        .code(2)
        .run();
}

#[test]
fn vars_are_asked_for_before_anything_is_sent() {
    let project = |args: &str| {
        Cli::new(args).file("credentials.yaml", CREDENTIALS).file(
            "p.yaml",
            &PIPELINE
                .replace("tables:", "vars: { region: { required: true } }\ntables:")
                .replace("FROM Account'", "FROM Account WHERE Region__c = :region'"),
        )
    };
    project("run p.yaml")
        .stderr_has(&["var `region` has no value", "--var region=", "help:"])
        .code(2)
        .run();
    project("run p.yaml --var reigon=EMEA")
        .stderr_has(&["`reigon`", "did you mean `region`?"])
        .code(2)
        .run();
}

#[test]
fn nothing_has_run_yet() {
    Cli::new("runs")
        .stderr("nothing has run yet in `FOLDER`; try: orgferry run pipelines/FILE.yaml\n")
        .run();
    let (json, folder) = Cli::new("runs --format json").stdout_has(&["\"runs\": []"]).run();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON")["version"],
        1
    );
    assert!(
        !folder.path().join(".orgferry").exists(),
        "a question makes no files"
    );
    Cli::new("report last")
        .stderr(
            "error: nothing has run yet in `FOLDER`\n\
             help: `orgferry runs` lists the runs of this project; `--project DIR` asks another\n",
        )
        .code(2)
        .run();
    Cli::new("runs --project nix")
        .stderr_has(&["there is no folder `nix`"])
        .code(2)
        .run();
    Cli::new("runs")
        .file(".orgferry/state.db", &"this is no database ".repeat(80))
        .stderr_has(&[
            "is no state of orgferry: it is not an SQLite database",
            "help: move the file away",
        ])
        .code(1)
        .run();
}

/// A history of two runs: one with two parked rows and its report, one whose process died.
fn history(project: &Path) {
    let store = Sqlite::open(&project.join(".orgferry/state.db")).expect("state");
    for (run, started_at) in [
        ("20260101-100000-aaaa", "2026-01-01T10:00:00Z"),
        ("20260102-100000-bbbb", "2026-01-02T10:00:00Z"),
    ] {
        let record = RunRecord {
            id: run.into(),
            pipeline: "customers".into(),
            file: "pipelines/customers.yaml".into(),
            env: None,
            from: "hq".into(),
            to: "emea".into(),
            started_at: started_at.into(),
            ended_at: None,
            status: RunStatus::Running,
            exit_code: None,
            report: None,
            started_with: None,
            sittings: 1,
            begun: false,
        };
        store.begin_run(&record).expect("a run");
        let step = store.begin_step(run, "accounts").expect("a step");
        let links = store.link_set("customers", "accounts", "a", "b").expect("links");
        let reason = |id: &str| ParkReason {
            code: "STRING_TOO_LONG".into(),
            message: format!("{id} is too long"),
            field: Some("Name".into()),
            help: "shorten it".into(),
        };
        let rows: Vec<RowResult> = ["1", "2", "3"]
            .iter()
            .map(|id| RowResult {
                source_id: (*id).into(),
                target_id: (*id == "1").then(|| "t1".into()),
                outcome: if *id == "1" {
                    Outcome::Created
                } else {
                    Outcome::Parked
                },
                reason: (*id != "1").then(|| reason(id)),
            })
            .collect();
        let values: Vec<ParkedRow> = ["2", "3"]
            .iter()
            .map(|id| ParkedRow {
                source_id: (*id).into(),
                values: vec![
                    ("Id".into(), Some((*id).into())),
                    ("Name".into(), Some("Zoë, \"Ltd\"".into())),
                ],
            })
            .collect();
        store.record(step, links, &rows, &values).expect("outcomes");
    }
    let run = "20260101-100000-aaaa";
    let mut collector = Collector::new(Start {
        run: run.into(),
        pipeline: "customers".into(),
        file: "pipelines/customers.yaml".into(),
        env: None,
        from: "hq".into(),
        to: "emea".into(),
        retry_of: None,
        started_at: "2026-01-01T10:00:00Z".into(),
        sittings: 1,
    });
    use orgferry::event::{Counts, Event, PlannedStep, Road};
    collector.apply(&Event::Planned {
        steps: vec![PlannedStep {
            name: "accounts".into(),
            source: "Account".into(),
            object: "Account".into(),
            operation: "upsert",
            total: Some(3),
            since: None,
            read: Road::Rest,
            write: Road::Rest,
            second_pass: Vec::new(),
            after: Vec::new(),
        }],
    });
    collector.apply(&Event::StepEnded {
        step: 0,
        counts: Counts {
            read: 3,
            ended: [1, 0, 0, 0, 0, 2],
        },
        elapsed: std::time::Duration::from_millis(500),
    });
    let report = collector.finish(End {
        status: RunStatus::DoneWithParked,
        exit_code: 4,
        ended_at: "2026-01-01T10:00:01Z".into(),
        seconds: 1.0,
        resumable: false,
        error: None,
        findings: Vec::new(),
        api_calls: Vec::new(),
        budgets: Vec::new(),
        recorded: store.counts(run).expect("counts"),
        parked: parked::survey(&store, run).expect("parked rows"),
        parked_files: Vec::new(),
    });
    store
        .end_run(run, RunStatus::DoneWithParked, 4, &report.to_json())
        .expect("the end");
}

#[test]
fn the_history_is_listed() {
    let (text, _) = Cli::new("runs").with(history).stdout_has(&[]).run();
    insta::assert_snapshot!(text);
    let (json, _) = Cli::new("runs --format json --limit 1")
        .with(history)
        .stdout_has(&[])
        .run();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["runs"][0]["run"], "20260102-100000-bbbb");
    assert_eq!(json["runs"][0]["status"], "died");
    // From a folder below, and from elsewhere by name.
    let (same, _) = Cli::new("runs --project .").with(history).stdout_has(&[]).run();
    assert_eq!(same, text);
}

#[test]
fn a_run_is_reported_again() {
    for run in ["20260101-100000-aaaa", "20260101"] {
        let (text, _) = Cli::new(&format!("report {run}"))
            .with(history)
            .stdout_has(&[])
            .run();
        insta::assert_snapshot!("report_of_an_ended_run", text);
    }
    let (json, _) = Cli::new("report 20260101 --format json")
        .with(history)
        .stdout_has(&[])
        .run();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&json["version"], &json["steps"][0]["parked"]),
        (&1.into(), &2.into())
    );
    let (text, _) = Cli::new("report last").with(history).stdout_has(&[]).run();
    insta::assert_snapshot!("report_of_a_run_that_died", text);
    Cli::new("report 2026")
        .with(history)
        .stderr("error: several runs begin with `2026`: 20260102-100000-bbbb, 20260101-100000-aaaa\nhelp: write more of the id\n")
        .code(2)
        .run();
    Cli::new("report 1999")
        .with(history)
        .stderr_has(&["there is no run `1999` in `FOLDER`", "`orgferry runs`"])
        .code(2)
        .run();
}

#[test]
fn parked_rows_are_data() {
    Cli::new("report last --parked accounts")
        .with(history)
        .stdout(
            "Id,Name,orgferry_code,orgferry_message,orgferry_field,orgferry_help,orgferry_source_id,orgferry_target_id\n\
             2,\"Zoë, \"\"Ltd\"\"\",STRING_TOO_LONG,2 is too long,Name,shorten it,2,\n\
             3,\"Zoë, \"\"Ltd\"\"\",STRING_TOO_LONG,3 is too long,Name,shorten it,3,\n",
        )
        .run();
    Cli::new("report last --parked acounts")
        .with(history)
        .stderr("error: run `20260102-100000-bbbb` has no step `acounts`\nhelp: its steps are accounts\n")
        .code(2)
        .run();
}

#[test]
fn colours_are_asked_for() {
    let escape = '\u{1b}';
    let (plain, _) = Cli::new("runs").with(history).stdout_has(&[]).run();
    assert!(!plain.contains(escape), "no terminal, no colour");
    let (always, _) = Cli::new("runs --color always")
        .with(history)
        .stdout_has(&[])
        .run();
    assert!(always.contains(escape));
    let (never, _) = Cli::new("runs --color never")
        .with(history)
        .env("CLICOLOR_FORCE", "1")
        .stdout_has(&[])
        .run();
    assert!(!never.contains(escape));
}

#[test]
fn errors_are_log_lines_for_programs() {
    let (_, folder) = Cli::new("report last --log-format json")
        .stderr_has(&["\"error\":\"nothing has run yet in"])
        .code(2)
        .run();
    drop(folder);
}

#[test]
fn schemas_are_printed_and_written() {
    let (json, _) = Cli::new("schema").stdout_has(&[]).run();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let names: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(
        names,
        [
            "project.schema.json",
            "credentials.schema.json",
            "pipeline.schema.json",
            "mapping.schema.json",
            "org.schema.json"
        ]
    );
    let (_, folder) = Cli::new("schema --out schemas")
        .stderr(
            "schemas/project.schema.json\nschemas/credentials.schema.json\nschemas/pipeline.schema.json\n\
             schemas/mapping.schema.json\nschemas/org.schema.json\n",
        )
        .run();
    for name in names {
        let text = fs::read_to_string(folder.path().join("schemas").join(name)).expect("a file");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON"),
            json[name]
        );
        let validator = jsonschema::validator_for(&json[name]);
        assert!(validator.is_ok(), "{name}: {:?}", validator.err());
    }
    Cli::new("schema --out file/schemas")
        .file("file", "")
        .stderr_has(&["cannot write `file/schemas`"])
        .code(1)
        .run();
}

#[test]
fn committed_schemas_are_fresh() {
    let (json, _) = Cli::new("schema").stdout_has(&[]).run();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for (name, schema) in json.as_object().expect("an object") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == format!("{schema:#}\n"),
            "schemas/{name} is stale; write it anew: cargo run -- schema --out schemas"
        );
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        Cli::new(&format!("completions {shell}"))
            .stdout_has(&["orgferry", "validate", "emulate", "parked"])
            .run();
    }
}

/// The repository's own org files, on any free port.
fn demo_orgs(folder: &Path) {
    for name in ["hq", "emea"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/demo/{name}.org.yaml"));
        let text = fs::read_to_string(path).expect("an org file");
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("port:")).collect();
        let orgs = folder.join("demo/orgs");
        fs::create_dir_all(&orgs).expect("the folder can be made");
        fs::write(orgs.join(format!("{name}.org.yaml")), text.join("\n")).expect("the file can be written");
    }
}

#[test]
fn the_demo_shows_the_whole_thing() {
    let (stdout, folder) = Cli::new("demo --dir demo")
        .with(demo_orgs)
        .stdout_has(&[
            "customers: done, with parked rows",
            "guide-account-names: done",
            "not_in_table Industry",
        ])
        .stderr_has(&[
            "── Customers cross ──",
            "accounts: reading 2,000 rows of Account by REST",
            "── The same again ──",
            "── The guide's own case ──",
            "── The same case, refused ──",
            "error[access-refused]",
            "orgferry run demo/pipelines/customers.yaml",
        ])
        .run();
    let demo = folder.path().join("demo");
    let runs: Vec<serde_json::Value> = fs::read_dir(demo.join(".orgferry/runs"))
        .expect("runs")
        .flatten()
        .map(|run| fs::read_to_string(run.path().join("report.json")).expect("a report"))
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .collect();
    assert_eq!(runs.len(), 3, "{stdout}");
    let number = |report: &serde_json::Value, what: &str| report["totals"][what].as_u64().unwrap_or_default();
    for report in &runs {
        assert_eq!(report["discrepancies"], serde_json::json!([]));
        assert!(number(report, "read") >= 2000);
    }
    let again = runs
        .iter()
        .find(|report| number(report, "unchanged") > 0)
        .expect("the second run of the customers");
    assert_eq!((number(again, "created"), number(again, "updated")), (0, 0));
    let parked = again["parked_files"][0]["path"]
        .as_str()
        .expect("a file of parked rows");
    assert!(
        folder.path().join(parked).is_file(),
        "{parked} is told as seen from the working folder"
    );
    // What the demo leaves behind is a project like any other.
    let listed = Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .args(["runs", "--format", "json", "--project", "demo"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .expect("the binary runs");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(3));
    let valid = Command::new(env!("CARGO_BIN_EXE_orgferry"))
        .arg("validate")
        .current_dir(&demo)
        .env_clear()
        .status()
        .expect("the binary runs");
    assert_eq!(valid.code(), Some(0));
}

/// An org that has accounts both to give and to take.
const ORG: &str = "version: 1
name: box
connected_apps:
  - { name: app, client_id: box-id, client_secret: box-secret, run_as: int@box.example }
users:
  - { username: int@box.example, name: Int User }
sobjects:
  Account:
    fields:
      Legacy_Id__c: { type: Text(40), external_id: true, unique: true }
records:
  - object: Account
    generate: { count: 30, fields: { Name: { company: } } }
";

const SAME_ORG: &str = "version: 1
name: copies
from: box
to: box
steps:
  accounts:
    source: { soql: 'SELECT Id, Name FROM Account WHERE Legacy_Id__c = null' }
    target: { object: Account, key: Legacy_Id__c }
    copy: [Name]
    map: { Legacy_Id__c: Id }
";

#[cfg(unix)]
#[test]
fn emulated_orgs_come_with_their_credentials() {
    use std::io::{BufRead, BufReader};

    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the file can be written");
    write("box.org.yaml", ORG);
    write("copies.yaml", SAME_ORG);
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orgferry"));
        command
            .args(args)
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    };
    let mut org = command(&["emulate", "box.org.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut credentials = String::new();
    for line in BufReader::new(org.stdout.take().expect("its output")).lines() {
        let line = line.expect("text");
        credentials.push_str(&line);
        credentials.push('\n');
        if line.starts_with("    external_credential:") {
            break;
        }
    }
    write("credentials.yaml", &credentials);
    let lines = command(&["run", "copies.yaml", "--report", "json=out/first.json"])
        .output()
        .expect("the binary runs");
    let json = command(&["run", "copies.yaml", "--log-format", "json"])
        .output()
        .expect("the binary runs");
    let quiet = command(&["run", "copies.yaml", "-q"])
        .output()
        .expect("the binary runs");
    let kill = Command::new("kill")
        .args(["-INT", &org.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(kill.success());
    assert_eq!(
        org.wait().expect("it ends").code(),
        Some(0),
        "Ctrl-C is how it ends well"
    );

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&lines.stderr);
    assert_eq!(lines.status.code(), Some(0), "{told}{}", text(&lines.stdout));
    assert!(
        told.contains("accounts: reading 30 rows of Account by REST, writing Account by REST\n"),
        "{told}"
    );
    assert!(
        told.contains("accounts: done, 30 rows in ") && told.contains(": 30 created\n"),
        "{told}"
    );
    let report = fs::read_to_string(folder.path().join("out/first.json")).expect("the report");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&report).expect("JSON")["totals"]["created"],
        30
    );
    assert_eq!(json.status.code(), Some(0));
    let events: Vec<serde_json::Value> = text(&json.stderr)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let ended = events
        .iter()
        .find(|event| event["message"] == "step ended")
        .expect("the end of the step");
    assert_eq!(
        (&ended["step"], &ended["read"]),
        (&"accounts".into(), &30.into()),
        "{ended}"
    );
    assert_eq!((quiet.status.code(), text(&quiet.stderr).as_str()), (Some(0), ""));
    assert!(
        text(&quiet.stdout).contains("copies: done"),
        "data comes all the same"
    );
    for output in [&lines, &json, &quiet] {
        assert!(!text(&output.stderr).contains("box-secret") && !text(&output.stdout).contains("box-secret"));
    }
}
