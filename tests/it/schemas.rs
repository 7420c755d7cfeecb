//! The JSON Schemas judge files as `validate` does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use orgferry::{
    diag::Severity,
    pipeline::load,
    spec::{FileKind, Loader, schemas},
};
use serde_json::Value;
use serde_yaml::MergeKeyPolicy;

/// What a schema cannot know, and the findings in which it shows.
const BEYOND: &[(&str, &[&str])] = &[
    (
        "a name is declared in another place, or in another file",
        &[
            "access-refused",
            "unknown-credential",
            "unknown-object",
            "unknown-parameter",
            "unknown-permission-set",
            "unknown-pipeline",
            "unknown-principal",
            "unknown-step",
            "unknown-table",
            "unknown-var",
        ],
    ),
    (
        "it is inside a text that has a language of its own",
        &[
            "expression-syntax",
            "jsonpath-syntax",
            "soql-syntax",
            "template-syntax",
            "too-large",
            "unknown-field",
            "unknown-filter",
            "unknown-name",
            "unknown-test",
            "unsupported-syntax",
            "wrong-arguments",
            "wrong-glob",
        ],
    ),
    (
        "a value is compared with one that stands elsewhere",
        &[
            "bad-check",
            "cycle",
            "file-twice",
            "mapped-twice",
            "only-the-key",
            "ref-to-delete",
            "unfilled-group",
            "unfilled-key",
            "unmasked-pii",
            "wrong-step",
        ],
    ),
    (
        "it depends on other files being there, and on what they hold",
        &["bad-file", "unreadable-file"],
    ),
    (
        "text is allowed where the credential calls this machine",
        &["secret-in-file"],
    ),
    (
        "a schema sees what YAML made of it: `007` is 7",
        &["ambiguous-literal"],
    ),
    ("the encodings are a library's", &["unknown-encoding"]),
];

/// Files whose finding a schema can show elsewhere, and cannot here.
const FILES: &[(&str, &str)] = &[
    ("constant_of", "a bare number is a mapping value in other places"),
    (
        "cursor_of_http_empty",
        "nothing at all and `null` are one in JSON",
    ),
    (
        "state_url_without_scheme",
        "a reference and an address may stand in one place; the address is read by us",
    ),
    ("test_item_number", "what a test may give depends on the source"),
    (
        "test_value_is_a_list",
        "what a test may give depends on the source",
    ),
    ("constant_id", "whether an expression is constant is inside it"),
    ("each_of_one_value", "what an expression gives is inside it"),
    ("chunk_with_order", "ORDER BY is inside the query"),
    ("cursor_of_aggregate", "COUNT is inside the query"),
    ("cursor_with_limit", "LIMIT is inside the query"),
    (
        "policy_budget",
        "a pattern says nothing of numbers, nor how large a share is",
    ),
    (
        "policy_budget_of_a_step",
        "a policy has the same keys in every place",
    ),
    ("soql_aggregate", "COUNT is inside the query"),
    ("soql_list_behind_equals", "the bind is inside the query"),
    (
        "cursor_of_http_missing",
        "any parameter may take the cursor, at any depth of `body`",
    ),
    (
        "cursor_of_http_unused",
        "any parameter may take the cursor, at any depth of `body`",
    ),
    (
        "file_lookup_without_org",
        "a form at any depth of `map` decides what the pipeline needs",
    ),
    ("mask_without_key", "the key may stand in the project file"),
    ("missing_from", "each step may name its own `connection`"),
    ("row_id_missing", "another step refers to this one"),
    ("key_twice_the_same_field", "field names are the same in capitals"),
    ("table_empty_value", "nothing at all and `null` are one in JSON"),
    (
        "table_empty_value_inline",
        "nothing at all and `null` are one in JSON",
    ),
    ("test_answers_no_id", "a `ref` of the map asks for the Id"),
    (
        "test_answers_several",
        "lookups, which have the same form, may find several",
    ),
];

fn schema_of(kind: FileKind) -> Value {
    let name = match kind {
        FileKind::Project => "project.schema.json",
        FileKind::Credentials => "credentials.schema.json",
        FileKind::Pipeline => "pipeline.schema.json",
        FileKind::Mapping => "mapping.schema.json",
    };
    schemas()
        .into_iter()
        .find(|(file, _)| *file == name)
        .expect(name)
        .1
}

/// The file's kind and content, as an editor reads it; nothing when it is no YAML to anybody.
fn read(path: &Path) -> Option<(FileKind, Value)> {
    let options = serde_yaml::options! { strict_booleans: true, merge_keys: MergeKeyPolicy::AsOrdinary };
    let text = fs::read_to_string(path).expect("a fixture");
    let value = serde_yaml::from_str_with_options(&text, options).ok()?;
    let document = Loader::default().document(path).expect("a document");
    Some((document.kind, value))
}

/// The YAML files of a folder that are files of ours: org files are the emulator's.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .expect(folder)
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .filter(|path| !path.to_string_lossy().ends_with(".org.yaml"))
        .collect();
    found.sort();
    found
}

/// The errors that `validate` tells without a schema lock.
fn errors(path: &Path) -> Vec<&'static str> {
    let loaded = load(&[path.to_owned()], None);
    loaded
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.code)
        .collect()
}

/// What a file's schema says of it.
fn refusals(kind: FileKind, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(&schema_of(kind)).expect("a schema");
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn right_files_and_examples_fit_their_schema() {
    let mut judged = 0;
    for folder in [
        "tests/fixtures/right",
        "tests/fixtures/right/shared",
        "tests/fixtures/environments",
        "tests/fixtures/environments/access",
        "tests/fixtures/environments/pipelines",
        "tests/fixtures/lacking",
        "tests/fixtures/lacking/pipelines",
        "tests/fixtures/locked",
        "tests/fixtures/locked/right",
        "tests/fixtures",
        "pipelines",
        "examples",
    ] {
        for path in files(folder) {
            let (kind, value) = read(&path).expect("YAML");
            let refused = refusals(kind, &value);
            assert!(refused.is_empty(), "{}: {refused:#?}", path.display());
            judged += 1;
        }
    }
    assert!(judged >= 55, "{judged} files");
}

#[test]
fn wrong_files_are_refused_or_beyond_a_schema() {
    let mut reasons: BTreeMap<&str, usize> = BEYOND
        .iter()
        .flat_map(|(_, codes)| codes.iter().copied())
        .map(|code| (code, 0))
        .collect();
    assert_eq!(
        reasons.len(),
        BEYOND.iter().map(|(_, codes)| codes.len()).sum::<usize>(),
        "a code stands twice"
    );
    let mut left: BTreeSet<&str> = FILES.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    let (mut refused, mut accepted) = (0, 0);
    for folder in [
        "tests/fixtures/wrong",
        "tests/fixtures/locked/wrong",
        "tests/fixtures/project/mappings",
    ] {
        for path in files(folder) {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let errors = errors(&path);
            let Some((kind, value)) = read(&path) else {
                assert!(!errors.is_empty(), "{name} is no YAML and passes");
                continue;
            };
            let refusals = refusals(kind, &value);
            if errors.is_empty() {
                // A warning is for people to weigh, and what only an org knows is not in a schema.
                if !refusals.is_empty() {
                    wrong.push(format!(
                        "{name} is valid, and its schema refuses it: {refusals:#?}"
                    ));
                }
                continue;
            }
            if !refusals.is_empty() {
                refused += 1;
                continue;
            }
            accepted += 1;
            let known = errors.iter().all(|code| reasons.contains_key(code));
            for code in errors.iter().filter(|_| known) {
                *reasons.entry(code).or_default() += 1;
            }
            if !known && !left.remove(name.as_str()) {
                wrong.push(format!("{name} is not valid ({errors:?}), and fits its schema"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(left, BTreeSet::new(), "entries of FILES that no file needs");
    let unused: Vec<&str> = reasons
        .into_iter()
        .filter(|(_, files)| *files == 0)
        .map(|(code, _)| code)
        .collect();
    assert_eq!(unused, Vec::<&str>::new(), "codes of BEYOND that no file needs");
    assert!(
        refused >= 90 && accepted >= 70,
        "{refused} refused, {accepted} accepted"
    );
}
