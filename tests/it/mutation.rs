//! How many slips of the keyboard `validate` finds, and whether it finds them where they are.
//!
//! Every right file is broken in one place in many ways ([`mutants`]). A break that changes nothing of what the file
//! says does not count. Of the others, a break is *found* when there is a finding at its line, or one that names what
//! was broken (a var that is misspelt where it is declared is missed where it is used), *found elsewhere* when there
//! are only findings that say neither, and *passed* when there is none. What passes is either in [`UNKNOWABLE`], with
//! the reason why no file alone can tell, or a hole in the checker.
//!
//! The suite tries a part of the breaks, chosen by a fixed seed; all of them with
//! `ORGFERRY_MUTATIONS=all cargo test --test it mutation -- --nocapture`.

#![expect(
    clippy::print_stdout,
    reason = "the table of breaks is what the test is read for"
)]

mod mutants;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use orgferry::{
    pipeline::{
        Loaded,
        expr::{RunInfo, Vars},
        load,
        model::VarDefault,
    },
    record::Value,
    transform::run_test,
};

use mutants::{Mutant, all, meaning, tree};

/// Breaks of one kind in one file that the suite tries.
const A_FILE_AND_KIND: usize = 3;

/// What no check of the file alone can know: the kind of break (its start), what is broken (a part of its path), why.
const UNKNOWABLE: &[(&str, &str, &str)] = &[
    // Words for people, and values that are nobody's names.
    ("", "description", "a text for people"),
    ("", "label", "a text for people"),
    ("", "name", "a pipeline or test may be called anything"),
    ("", "headers", "a header may be called and hold anything"),
    ("", ".env", "the environment is read when it runs"),
    ("", "client_id", "the login server knows it"),
    ("", "client_secret", "the login server knows it"),
    ("", "username", "the login server knows it"),
    ("", "scope", "the login server knows it"),
    ("", ".url", "only a request shows which hosts there are"),
    (
        "",
        "identity_provider_url",
        "only a request shows which addresses there are",
    ),
    (
        "",
        "source.http.get",
        "only a request shows which addresses there are",
    ),
    (
        "",
        "source.http.post",
        "only a request shows which addresses there are",
    ),
    ("", "source.http.body", "the other system knows what it is asked"),
    ("", "source.http.query", "the other system knows its parameters"),
    ("", "source.http.records", "only an answer shows its members"),
    ("", "source.http.next", "only an answer shows its members"),
    ("", "jsonpath", "only a row shows its members"),
    ("", "state.sqlite", "a state file may be called anything"),
    (
        "",
        "tests[]",
        "a test says what it wants; `orgferry test` says whether it comes true",
    ),
    ("", "tables.*", "a table's texts are data"),
    ("", ".table", "a table's texts are data"),
    ("", ".value", "a literal is data"),
    ("", "vars.*", "a var's value is data"),
    ("a dot dropped", "failed", "another share is a share"),
    ("a letter doubled", "backoff", "another duration is a duration"),
    ("a letter dropped", "backoff", "another duration is a duration"),
    // What only an org knows, until its describes are locked.
    ("", "source.object", "the org knows its objects"),
    ("", "target.object", "the org knows its objects"),
    ("", ".lookup", "the org knows its objects"),
    ("", ".by", "the org knows its fields"),
    ("", "source.where", "the org knows its fields"),
    ("", "source.cursor", "the org knows its fields"),
    ("", "source.order_by", "the org knows its fields"),
    ("", "source.soql", "the org knows its fields"),
    ("", "target.key", "the org knows its fields"),
    ("", "copy[]", "the org knows its fields"),
    ("", "except[]", "the org knows its fields"),
    ("", ".where", "the org knows its fields"),
    ("", "map.* (key)", "the org knows its fields"),
    (
        "",
        "map.*",
        "of an object or a JSON source every word may be a field, and a literal is a value",
    ),
    (
        "",
        "when",
        "of an object or a JSON source every word may be a field",
    ),
    (
        "",
        "source.id",
        "of an object or a JSON source every word may be a field",
    ),
    // Other files that are as right as this one.
    (
        "a line dropped",
        "(key)",
        "what may be left out may have been left out",
    ),
    ("a line dropped", "", "a shorter list or text is a list or text"),
    ("a l", "environments.* (key)", "an environment may have any name"),
    ("", "environments.* (key)", "an environment may have any name"),
    (
        "",
        "steps.* (key)",
        "a step that nobody refers to may have any name",
    ),
    (
        "",
        "principals.* (key)",
        "a principal that nobody names may have any name",
    ),
    (
        "",
        "named_credentials.* (key)",
        "a credential that nobody names may have any name",
    ),
    (
        "",
        "permission_sets.* (key)",
        "a set that nobody names may have any name",
    ),
    ("", "pipelines[]", "a pipeline of this name may come"),
    ("no value", "principals[]", "a list may be shorter"),
    ("no value", "needs[]", "a step may wait for nothing"),
    (
        "",
        ".csv",
        "a file may be called anything, and another step may write it",
    ),
    (
        "",
        ".jsonl",
        "a file may be called anything, and another step may write it",
    ),
    ("", "mask_key.file", "the key's file is read when it runs"),
];

/// What became of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The file says what it said before.
    Same,
    /// Told at the line, or by name.
    Found,
    /// Told where nobody would look.
    Elsewhere,
    /// Not told by `validate`, but a mapping test of the file fails.
    ByTest,
    /// Not told, and nobody could.
    Unknowable,
    /// Not told.
    Missed,
    /// The file says what it said, and is complained about.
    FalseAlarm,
}

/// A file that is broken, and what is loaded to hear about it.
struct Subject {
    /// The folder that is copied.
    root: &'static str,
    /// The file in it.
    file: PathBuf,
    /// What is loaded.
    load: PathBuf,
}

fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    let mut folder = |root: &'static str, folder: &str| {
        let mut files: Vec<PathBuf> = fs::read_dir(Path::new(root).join(folder))
            .expect(folder)
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
            .map(|path| path.strip_prefix(root).expect("below").to_owned())
            .collect();
        files.sort();
        for file in files {
            subjects.push(Subject {
                root,
                load: file.clone(),
                file,
            });
        }
    };
    folder("tests/fixtures", "right");
    folder("pipelines", ".");
    for (file, load) in [
        ("right/shared/mapping.yaml", "right/include.yaml"),
        ("environments/orgferry.yaml", "environments/pipelines/orders.yaml"),
        (
            "environments/pipelines/orders.yaml",
            "environments/pipelines/orders.yaml",
        ),
        (
            "environments/access/hq.yaml",
            "environments/pipelines/orders.yaml",
        ),
    ] {
        subjects.push(Subject {
            root: "tests/fixtures",
            file: file.into(),
            load: load.into(),
        });
    }
    subjects
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            if !["wrong", "emulator", "project"]
                .iter()
                .any(|other| name == *other)
            {
                copy(&path, &to.join(name));
            }
        } else {
            fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}

/// A break, judged.
struct Judged {
    op: &'static str,
    role: String,
    verdict: Verdict,
    told: String,
}

fn judge(subject: &Subject, folder: &Path, before: &str, mutant: &Mutant) -> Judged {
    let path = folder.join(&subject.file);
    fs::write(&path, &mutant.text).expect("a file");
    let loaded = load(&[folder.join(&subject.load)], None);
    // Reading drops the second of equal keys: that a line is there twice is not in the tree.
    let twice = mutant.op == "a line doubled" && !loaded.findings.is_empty();
    let same = !twice && tree(&path, &mutant.text).is_some_and(|tree| meaning(&tree) == before);
    let verdict = match (same, loaded.findings.is_empty()) {
        (true, true) => Verdict::Same,
        // The tree holds what was included, or nothing where the path leads nowhere: only that is told.
        (true, false) if loaded.findings.iter().any(|f| f.code == "unreadable-file") => Verdict::Found,
        (true, false) => Verdict::FalseAlarm,
        (false, true) if !tests_pass(&loaded) => Verdict::ByTest,
        (false, true) if unknowable(mutant) => Verdict::Unknowable,
        (false, true) => Verdict::Missed,
        (false, false) if told(&loaded, &path, mutant) => Verdict::Found,
        (false, false) => Verdict::Elsewhere,
    };
    let mut told = format!(
        "{}:{} {} at {}: {:?} -> {:?}",
        subject.file.display(),
        mutant.line,
        mutant.op,
        mutant.role,
        shorten(&mutant.was),
        shorten(&mutant.now)
    );
    for finding in &loaded.findings {
        let place = loaded
            .files
            .place(finding.primary.span.file, finding.primary.span.range.start);
        let _ = write!(
            told,
            "\n      {}:{} {}: {}",
            place.line, place.column, finding.code, finding.message
        );
    }
    Judged {
        op: mutant.op,
        role: mutant.role.clone(),
        verdict,
        told,
    }
}

fn unknowable(mutant: &Mutant) -> bool {
    UNKNOWABLE
        .iter()
        .any(|(op, role, _)| mutant.op.starts_with(op) && mutant.role.contains(role))
}

/// Whether a finding stands at the line of the break, or names what was broken.
fn told(loaded: &Loaded, path: &Path, mutant: &Mutant) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| word.len() > 1)
            .map(str::to_owned)
            .collect()
    };
    let mut names = words(&mutant.was);
    names.extend(words(&mutant.now));
    // A line that is gone stands nowhere: what it said is named, or missed by one of its neighbours.
    let dropped = mutant.op == "a line dropped";
    if dropped {
        names.truncate(1);
    }
    loaded.findings.iter().any(|finding| {
        let here = std::iter::once(&finding.primary)
            .chain(&finding.others)
            .any(|label| {
                let line = loaded.files.place(label.span.file, label.span.range.start).line;
                loaded.files.path(label.span.file) == path
                    && (line == mutant.line || (dropped && line + 1 == mutant.line))
            });
        let named = || {
            let mut said = words(&finding.message);
            said.extend(finding.help.iter().flat_map(|help| words(help)));
            names.iter().any(|name| said.contains(name))
        };
        here || named()
    })
}

/// Whether every mapping test of the files passes.
fn tests_pass(loaded: &Loaded) -> bool {
    loaded.pipelines.iter().all(|pipeline| {
        let vars: Vars = pipeline
            .vars
            .iter()
            .map(|var| match &var.default {
                VarDefault::Value(value) => (var.name.clone(), value.clone()),
                VarDefault::Env(_) | VarDefault::Required => (var.name.clone(), Value::Null),
            })
            .collect();
        let run = RunInfo::default();
        pipeline.steps.iter().all(|step| {
            step.tests
                .iter()
                .all(|test| run_test(step, test, &vars, &run).passed())
        })
    })
}

fn shorten(text: &str) -> String {
    let text = text.replace('\n', "⏎");
    if text.chars().count() > 60 {
        text.chars().take(57).chain("...".chars()).collect()
    } else {
        text
    }
}

#[test]
fn slips_of_the_keyboard_are_found_where_they_are() {
    let whole = std::env::var("ORGFERRY_MUTATIONS").is_ok_and(|which| which == "all");
    let subjects = subjects();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let judged: Vec<Judged> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|nth| {
                let subjects = &subjects;
                scope.spawn(move || {
                    let mut judged = Vec::new();
                    for subject in subjects.iter().skip(nth).step_by(threads) {
                        judge_file(subject, whole, &mut judged);
                    }
                    judged
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    });
    let table = table(&judged);
    println!("{table}");
    if let Ok(wanted) = std::env::var("ORGFERRY_MUTATIONS_SHOW") {
        show(&judged, &wanted);
    }
    let of = |verdict: Verdict| judged.iter().filter(|j| j.verdict == verdict).count();
    let (found, elsewhere, missed) = (of(Verdict::Found), of(Verdict::Elsewhere), of(Verdict::Missed));
    assert!(found > 1_000, "{table}");
    let bad = |verdict: Verdict| {
        let all: Vec<&str> = judged
            .iter()
            .filter(|j| j.verdict == verdict)
            .map(|j| j.told.as_str())
            .take(20)
            .collect();
        all.join("\n")
    };
    assert_eq!(missed, 0, "{}", bad(Verdict::Missed));
    assert_eq!(of(Verdict::FalseAlarm), 0, "{}", bad(Verdict::FalseAlarm));
    let share = elsewhere as f64 / (found + elsewhere) as f64;
    assert!(
        share < 0.05,
        "{elsewhere} told elsewhere\n{}",
        bad(Verdict::Elsewhere)
    );
}

fn judge_file(subject: &Subject, whole: bool, judged: &mut Vec<Judged>) {
    let folder = tempfile::tempdir().expect("a folder");
    copy(Path::new(subject.root), folder.path());
    let path = folder.path().join(&subject.file);
    let text = fs::read_to_string(&path).expect("a file");
    let clean = load(&[folder.path().join(&subject.load)], None);
    assert!(clean.findings.is_empty(), "{}", subject.file.display());
    let before = meaning(&tree(&path, &text).expect("YAML"));
    let mutants = all(&path, &text);
    let mut by_kind: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in &mutants {
        by_kind.entry(mutant.op).or_default().push(mutant);
    }
    let mut random = fastrand::Rng::with_seed(text.len() as u64);
    for (_, mut kind) in by_kind {
        if !whole {
            random.shuffle(&mut kind);
            kind.truncate(A_FILE_AND_KIND);
        }
        for mutant in kind {
            judged.push(judge(subject, folder.path(), &before, mutant));
        }
    }
}

fn table(judged: &[Judged]) -> String {
    let mut kinds: BTreeMap<&str, [usize; 7]> = BTreeMap::new();
    for one in judged {
        kinds.entry(one.op).or_default()[one.verdict as usize] += 1;
        kinds.entry("~ all").or_default()[one.verdict as usize] += 1;
    }
    let mut out = format!(
        "{:<26}{:>8}{:>8}{:>11}{:>9}{:>12}{:>8}{:>13}\n",
        "break", "same", "found", "elsewhere", "by test", "unknowable", "missed", "false alarm"
    );
    for (kind, n) in kinds {
        let _ = writeln!(
            out,
            "{kind:<26}{:>8}{:>8}{:>11}{:>9}{:>12}{:>8}{:>13}",
            n[0], n[1], n[2], n[3], n[4], n[5], n[6]
        );
    }
    out
}

/// For whoever mends the checker: the breaks of one verdict, by what is broken.
fn show(judged: &[Judged], wanted: &str) {
    let mut groups: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for one in judged.iter().filter(|j| format!("{:?}", j.verdict) == wanted) {
        groups
            .entry((one.role.clone(), one.op))
            .or_default()
            .push(&one.told);
    }
    for ((role, op), all) in groups {
        println!("{role} · {op}: {}\n   {}", all.len(), all[0]);
    }
}
