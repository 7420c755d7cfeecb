//! The JSON Schemas judge files as `validate` does.

use std::{fs, path::Path};

use orgferry::spec::{FileKind, Loader, schemas};
use serde_json::Value;

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

/// The file's kind and content, as an editor reads it.
fn read(path: &Path) -> (FileKind, Value) {
    let options = serde_yaml::options! { strict_booleans: true };
    let text = fs::read_to_string(path).expect("a fixture");
    let value = serde_yaml::from_str_with_options(&text, options).expect("YAML");
    let document = Loader::default().document(path).expect("a document");
    (document.kind, value)
}

#[test]
fn right_files_fit_their_schema() {
    for folder in [
        "right",
        "right/shared",
        "project/mappings",
        "environments",
        "environments/access",
        ".",
    ] {
        for entry in fs::read_dir(Path::new("tests/fixtures").join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|ending| ending != "yaml")
                || path.ends_with("mappings/address.yaml")
            {
                continue;
            }
            let (kind, value) = read(&path);
            let validator = jsonschema::validator_for(&schema_of(kind)).expect("a schema");
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        }
    }
}

#[test]
fn files_of_a_wrong_shape_do_not_fit() {
    for name in [
        "unknown_key",
        "unknown_key_synonym",
        "unknown_key_of_another_level",
        "unknown_key_not_yet",
        "wrong_type_bool",
        "wrong_type_list",
        "wrong_type_map",
        "wrong_word",
        "wrong_number",
        "wrong_share",
        "wrong_name",
        "no_value",
        "missing_version",
        "missing_keys",
        "missing_of",
        "two_sources",
        "two_forms",
        "no_form",
        "credentials_flow",
        "credentials_reference",
        "mapping_file",
    ] {
        let (kind, value) = read(&Path::new("tests/fixtures/wrong").join(format!("{name}.yaml")));
        assert!(!jsonschema::is_valid(&schema_of(kind), &value), "{name}");
    }
}
