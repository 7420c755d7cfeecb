//! How many slips of the keyboard `validate` finds, and whether it finds them where they are.
//!
//! Every right file is broken in one place in many ways ([`mutants`]). A break that changes nothing of what the file
//! says does not count. Of the others, a break is *found* when there is a finding at its line, or, of a name that is
//! used elsewhere ([`NAMED_ELSEWHERE`]), at the line of the use with that name in it; it is *told elsewhere* when all
//! findings stand at other lines, and *passed* when there is none. What passes is either one of [`EXCUSES`], with the
//! reason why nobody can tell, or a hole in the checker. The files of `tests/fixtures/locked` are judged with their
//! schema lock: there it is no excuse that only an org knows its fields.
//!
//! The suite tries a part of the breaks, chosen by a fixed seed; all of them with
//! `ORGFERRY_MUTATIONS=all cargo test --test it mutation -- --nocapture`.

#![expect(
    clippy::print_stdout,
    reason = "the table of breaks is what the test is read for"
)]

mod excuses;
mod mutants;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use orgferry::{
    diag::{Finding, Label},
    pipeline::{
        Loaded,
        expr::{RunInfo, Vars},
        load,
        model::VarDefault,
    },
    plan::{Lock, Schemas, check},
    record::Value,
    transform::run_test,
};

use excuses::{EXCUSES, excuse};
use mutants::{Mutant, all, meaning, tree};

/// Breaks of one kind in one file that the suite tries.
const A_FILE_AND_KIND: usize = 5;

/// The share of breaks that may be told at another line only.
const TOLD_ELSEWHERE: f64 = 0.005;

/// The share of breaks that may pass because nobody can know: of the part that the suite tries, and of all. Words are
/// what passes most, and all of them are more of all breaks than of a few of each kind.
const PASSED: [f64; 2] = [0.12, 0.155];

/// The same, of files with a schema lock.
const PASSED_LOCKED: [f64; 2] = [0.052, 0.06];

/// Kinds of things that are named in one place and used in others: a slip in the name is told where it is used, and
/// the finding has the name that was right. All else is told at the line of the slip.
const NAMED_ELSEWHERE: &[&str] = &[
    "vars.* (key)",
    "tables.* (key)",
    "steps.* (key)",
    "external_credentials.* (key)",
    "principals.* (key)",
    "named_credentials.* (key)",
    "permission_sets.* (key)",
    // A target field, which keys, checks, groups and tests name.
    "map.* (key)",
    "copy[]",
    // A column of a query, which the mapping names.
    "source.soql",
    // A field that is read because the mapping has it, which tests give.
    "map.*",
    "map.*.of",
    "map.*.of.of",
    "map.*.expr",
    // An object that is looked up, for which tests stand in.
    "map.*.lookup",
    // The only use of a table or var, which is told where that is declared.
    "map.*.table",
    // A text that is replaced, of a field whose picklist does not have it.
    "tables.*.* (key)",
    "target.csv",
    "target.csv.path",
];

/// Words of the YAML library, which no user should have to understand.
const RAW: &[&str] = &[
    "while parsing",
    "while scanning",
    "did not find expected",
    "simple key",
    "block mapping",
    "block collection",
    "block sequence",
    "block scalar",
    "block indentation",
    "flow mapping",
    "flow sequence",
    "scalar",
    "document start",
    "stream-start",
    "expected whitespace",
    "disallowed",
    "intercepting",
    "unclosed",
    "mismatched bracket",
    "misplaced bracket",
    "unexpected EOF",
    "unexpected eof",
    "budget breach",
    "deserialize",
    "invalid type",
    "expected string",
    "Option<",
    " at line ",
];

/// What became of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The file says what it said before.
    Same,
    /// Told at the line.
    Found,
    /// Told at another line, with a mark at the line.
    Marked,
    /// Told where the name is used.
    Named,
    /// Told where nobody would look.
    Elsewhere,
    /// Not told by `validate`, but a mapping test of the file fails.
    ByTest,
    /// Not told, and nobody could.
    Excused,
    /// Not told.
    Missed,
    /// The file says what it said, and is complained about.
    FalseAlarm,
}

const VERDICTS: [&str; 9] = [
    "same",
    "at line",
    "marked",
    "by name",
    "elsewhere",
    "by test",
    "excused",
    "missed",
    "false alarm",
];

/// A file that is broken, and what is loaded to hear about it.
struct Subject {
    /// The folder that is copied.
    root: &'static str,
    /// The file in it.
    file: PathBuf,
    /// What is loaded.
    load: PathBuf,
    /// Whether what is loaded is checked against the schema locks in the folder.
    locked: bool,
}

impl Subject {
    /// What `validate` says.
    fn load(&self, folder: &Path) -> Loaded {
        let mut loaded = load(&[folder.join(&self.load)], None);
        if self.locked {
            for pipeline in &loaded.pipelines {
                loaded.findings.extend(check(pipeline, locks()));
            }
        }
        loaded
    }
}

/// What the orgs of the locked project say.
fn locks() -> &'static Schemas {
    static LOCKS: OnceLock<Schemas> = OnceLock::new();
    LOCKS.get_or_init(|| {
        let mut schemas = Schemas::default();
        for org in ["hq", "emea"] {
            let path = format!("tests/fixtures/locked/schemas/orgs/{org}.lock.json");
            let text = fs::read_to_string(path).expect("the lock");
            schemas.add_lock(org, &Lock::parse(&text).expect("a lock"));
        }
        schemas
    })
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
                locked: root.ends_with("locked"),
            });
        }
    };
    folder("tests/fixtures", "right");
    folder("tests/fixtures/locked", "right");
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
            locked: false,
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
    locked: bool,
    /// The rule that excuses it.
    excuse: Option<usize>,
    /// The kind of name that is told where it is used.
    named: Option<&'static str>,
    /// A phrase of the YAML library in a finding.
    raw: Option<&'static str>,
    told: String,
}

fn judge(subject: &Subject, folder: &Path, before: &str, mutant: &Mutant) -> Judged {
    let path = folder.join(&subject.file);
    fs::write(&path, &mutant.text).expect("a file");
    let loaded = subject.load(folder);
    // Reading drops the second of equal keys: that a line is there twice is not in the tree.
    let twice = mutant.op == "a line doubled" && !loaded.findings.is_empty();
    let same = !twice && tree(&path, &mutant.text).is_some_and(|tree| meaning(&tree, &mutant.text) == before);
    let excuse = excuse(mutant, subject.locked);
    let named = named_elsewhere(&loaded, mutant);
    let verdict = match (same, loaded.findings.is_empty()) {
        (true, true) => Verdict::Same,
        // The tree holds nothing of what a path leads to: that it leads nowhere is only told.
        (true, false) if loaded.findings.iter().any(|f| f.code == "unreadable-file") => Verdict::Found,
        (true, false) => Verdict::FalseAlarm,
        (false, true) if excuse.is_none() => Verdict::Missed,
        (false, true) if !tests_pass(&loaded) => Verdict::ByTest,
        (false, true) => Verdict::Excused,
        (false, false) => match at_line(&loaded, &path, mutant) {
            Some(verdict) => verdict,
            None if named.is_some() => Verdict::Named,
            None => Verdict::Elsewhere,
        },
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
    let mut raw = None;
    for finding in &loaded.findings {
        let place = loaded
            .files
            .place(finding.primary.span.file, finding.primary.span.range.start);
        let _ = write!(
            told,
            "\n      {}:{} {}: {}",
            place.line, place.column, finding.code, finding.message
        );
        raw = raw.or_else(|| raw_phrase(finding));
    }
    Judged {
        op: mutant.op,
        role: mutant.role.clone(),
        verdict,
        locked: subject.locked,
        excuse,
        named,
        raw,
        told,
    }
}

fn labels(finding: &Finding) -> impl Iterator<Item = &Label> {
    std::iter::once(&finding.primary).chain(&finding.others)
}

/// Words of the YAML library in a finding.
fn raw_phrase(finding: &Finding) -> Option<&'static str> {
    let mut texts: Vec<&str> = vec![&finding.message];
    texts.extend(labels(finding).map(|label| label.text.as_str()));
    texts.extend(finding.help.iter().map(String::as_str));
    RAW.iter()
        .find(|phrase| texts.iter().any(|text| text.contains(**phrase)))
        .copied()
}

/// Whether a finding, or a mark of one, stands at the line of the break. A line that is there twice stands at two
/// lines; one that is gone is told at one of those between which it stood.
fn at_line(loaded: &Loaded, path: &Path, mutant: &Mutant) -> Option<Verdict> {
    let lines = match mutant.op {
        "a line doubled" => mutant.line..=mutant.line + 1,
        "a line dropped" => mutant.line - 1..=mutant.line,
        _ => mutant.line..=mutant.line,
    };
    let here = |label: &Label| {
        let line = loaded.files.place(label.span.file, label.span.range.start).line;
        loaded.files.path(label.span.file) == path && lines.contains(&line)
    };
    if loaded.findings.iter().any(|finding| here(&finding.primary)) {
        Some(Verdict::Found)
    } else if loaded.findings.iter().flat_map(labels).any(here) {
        Some(Verdict::Marked)
    } else {
        None
    }
}

/// Whether a finding stands where the broken name is used, and has it word for word.
fn named_elsewhere(loaded: &Loaded, mutant: &Mutant) -> Option<&'static str> {
    let dropped = mutant.op == "a line dropped";
    let kind = if dropped {
        "a line that is gone"
    } else {
        NAMED_ELSEWHERE
            .iter()
            .find(|role| mutant.role == **role || mutant.role.ends_with(&format!(".{role}")))?
    };
    let names: Vec<&str> = words(&mutant.was).collect();
    let told = loaded.findings.iter().any(|finding| {
        let span = &finding.primary.span;
        let text = loaded.files.text(span.file);
        let start = text[..span.range.start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        let mut quoted = quoted_words(&finding.message);
        // A key that is gone has no use: the finding says what to add.
        let missing = dropped && finding.code == "missing-key";
        if missing {
            quoted.extend(finding.help.iter().flat_map(|help| quoted_words(help)));
        }
        names
            .iter()
            .any(|name| quoted.contains(name) && (missing || words(line).any(|word| word == *name)))
    });
    told.then_some(kind)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| word.len() > 1)
}

/// The words between backticks.
fn quoted_words(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).flat_map(words).collect()
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
    let missed = of(Verdict::Missed);
    let elsewhere = of(Verdict::Elsewhere);
    let found = of(Verdict::Found) + of(Verdict::Marked) + of(Verdict::Named);
    let excused = of(Verdict::Excused) + of(Verdict::ByTest);
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
    let raw: Vec<&str> = judged
        .iter()
        .filter(|j| j.raw.is_some())
        .map(|j| j.told.as_str())
        .take(20)
        .collect();
    assert!(raw.is_empty(), "words of the YAML library:\n{}", raw.join("\n"));
    let share = |part: usize| part as f64 / (found + elsewhere + excused) as f64;
    assert!(
        share(elsewhere) < TOLD_ELSEWHERE,
        "{elsewhere} told elsewhere\n{}",
        bad(Verdict::Elsewhere)
    );
    assert!(
        share(excused) < PASSED[usize::from(whole)],
        "{excused} passed, {:.1}%\n{table}",
        share(excused) * 100.0
    );
    let locked = |verdicts: &[Verdict]| {
        judged
            .iter()
            .filter(|j| j.locked && verdicts.contains(&j.verdict))
            .count()
    };
    let (passed, all) = (
        locked(&[Verdict::Excused, Verdict::ByTest]),
        locked(&[
            Verdict::Excused,
            Verdict::ByTest,
            Verdict::Found,
            Verdict::Marked,
            Verdict::Named,
            Verdict::Elsewhere,
        ]),
    );
    assert!(
        (passed as f64) < PASSED_LOCKED[usize::from(whole)] * all as f64,
        "{passed} of {all} passed with a lock\n{table}"
    );
}

fn judge_file(subject: &Subject, whole: bool, judged: &mut Vec<Judged>) {
    let folder = tempfile::tempdir().expect("a folder");
    copy(Path::new(subject.root), folder.path());
    let path = folder.path().join(&subject.file);
    let text = fs::read_to_string(&path).expect("a file");
    let clean = subject.load(folder.path());
    assert!(clean.findings.is_empty(), "{}", subject.file.display());
    let before = meaning(&tree(&path, &text).expect("YAML"), &text);
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
    let mut kinds: BTreeMap<&str, [usize; VERDICTS.len()]> = BTreeMap::new();
    let mut excuses: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for one in judged {
        let with_lock = if one.locked {
            "~ with a lock"
        } else {
            "~ without a lock"
        };
        for kind in [one.op, with_lock, "~~ all"] {
            kinds.entry(kind).or_default()[one.verdict as usize] += 1;
        }
        if matches!(one.verdict, Verdict::Excused | Verdict::ByTest) {
            let why = one.excuse.map_or("", |at| EXCUSES[at].why);
            *excuses.entry((why, one.locked)).or_default() += 1;
        }
        if one.verdict == Verdict::Named {
            *named.entry(one.named.unwrap_or_default()).or_default() += 1;
        }
    }
    let mut out = format!("{:<26}", "break");
    for verdict in VERDICTS {
        let _ = write!(out, "{verdict:>12}");
    }
    out.push('\n');
    for (kind, numbers) in kinds {
        let _ = write!(out, "{kind:<26}");
        for number in numbers {
            let _ = write!(out, "{number:>12}");
        }
        out.push('\n');
    }
    out.push_str("\npassed, because\n");
    for ((why, locked), number) in excuses {
        let _ = writeln!(
            out,
            "{number:>6} {why}{}",
            if locked { " (with a lock)" } else { "" }
        );
    }
    out.push_str("\ntold where a name is used\n");
    for (kind, number) in named {
        let _ = writeln!(out, "{number:>6} {kind}");
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
