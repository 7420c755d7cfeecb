//! A report for people. Carries ANSI colours; whoever prints it takes them off where they are not wanted.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use tabled::{
    builder::Builder,
    settings::{
        Alignment, Padding, Style,
        object::{Columns, Object, Rows, Segment},
        style::HorizontalLine,
    },
};

use super::{
    quantity::{duration, grouped, plural, rate},
    run_report::{CallsLeft, ParkedGroup, RunReport, Side, StepReport, StepState, Tally},
};
use crate::{event::Road, state::RunStatus};

/// Where the report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the end of the run itself, which tells its error and its findings on its own.
    EndOfRun,
    /// Later, by itself.
    History,
}

/// The words for a status.
pub fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Died => "its process died",
        RunStatus::Done => "done",
        RunStatus::DoneWithParked => "done, with parked rows",
        RunStatus::Stopped => "stopped",
        RunStatus::Interrupted => "interrupted",
        RunStatus::BudgetUsed => "stopped, API calls used up",
        RunStatus::Failed => "failed",
    }
}

/// A status in its colour.
pub fn coloured_status(of: RunStatus) -> String {
    let words = status(of);
    match of {
        RunStatus::Done => words.green().to_string(),
        RunStatus::DoneWithParked | RunStatus::Interrupted | RunStatus::BudgetUsed => {
            words.yellow().to_string()
        }
        RunStatus::Stopped | RunStatus::Failed | RunStatus::Died => words.red().to_string(),
        RunStatus::Running => words.cyan().to_string(),
    }
}

/// The whole report. `project` is what commands need as `--project` to find the run from where the user is.
pub fn render(report: &RunReport, place: Place, project: Option<&str>) -> String {
    let mut out = String::new();
    head(&mut out, report);
    if !report.steps.is_empty() {
        out.push('\n');
        out.push_str(&table(report));
        remarks(&mut out, report);
    }
    notes(&mut out, report);
    checks(&mut out, report);
    parked(&mut out, report);
    alarms(&mut out, report);
    if place == Place::History {
        failure(&mut out, report);
    }
    next(&mut out, report, place, project);
    out
}

// Writing into a `String` cannot fail, which is why the results of `write!` are dropped here and below.
fn head(out: &mut String, report: &RunReport) {
    let time = match report.status {
        RunStatus::Running | RunStatus::Died => format!("begun {}", report.started_at),
        _ => format!("in {}", duration(report.seconds)),
    };
    let env = report
        .env
        .as_ref()
        .map(|env| format!(", environment {env}"))
        .unwrap_or_default();
    let _ = writeln!(
        out,
        "{}: {} {time}{env}  {}",
        report.pipeline.bold(),
        coloured_status(report.status),
        format!("run {}", report.run).dimmed()
    );
    if let Some(of) = &report.retry_of {
        let _ = writeln!(out, "  parked rows of run {of}, once more");
    }
    let width = report.from.credential.len().max(report.to.credential.len());
    for (word, side) in [("from", &report.from), ("to  ", &report.to)] {
        if !side.credential.is_empty() {
            let line = format!("  {word} {:width$}{}", side.credential, org(side));
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

fn org(side: &Side) -> String {
    let mut parts = Vec::new();
    match (&side.org_name, &side.org_id) {
        (Some(name), Some(id)) => parts.push(format!("{name} ({id})")),
        (Some(one), None) | (None, Some(one)) => parts.push(one.clone()),
        (None, None) => {}
    }
    if let Some(version) = &side.api_version {
        parts.push(format!("API {version}"));
    }
    parts.iter().map(|part| format!("  {part}")).collect()
}

/// A column's name and its number.
type Column = (&'static str, fn(&Tally) -> u64);

fn table(report: &RunReport) -> String {
    let total = &report.totals;
    // Columns of nothing but zeros only take room, and a terminal has little of it.
    let columns: Vec<Column> = [
        ("read", (|t| t.read) as fn(&Tally) -> u64, true),
        ("created", |t| t.created, true),
        ("updated", |t| t.updated, total.updated > 0),
        ("unchanged", |t| t.unchanged, total.unchanged > 0),
        ("deleted", |t| t.deleted, total.deleted > 0),
        ("filtered", |t| t.filtered, total.filtered > 0),
        ("parked", |t| t.parked, true),
        ("unfinished", |t| t.unfinished, total.unfinished > 0),
    ]
    .into_iter()
    .filter(|(_, _, shown)| *shown)
    .map(|(name, of, _)| (name, of))
    .collect();
    let line =
        |name: String, does: String, roads: String, tally: &Tally, seconds: f64, speed: Option<u64>| {
            let mut cells = vec![name, does, roads];
            cells.extend(columns.iter().map(|(_, of)| grouped(of(tally))));
            // Of a run whose process died nobody knows the time.
            cells.push(if seconds > 0.0 {
                duration(seconds)
            } else {
                String::new()
            });
            cells.push(speed.map(grouped).unwrap_or_default());
            cells
        };
    let mut builder = Builder::default();
    let names = columns.iter().map(|(name, _)| *name);
    builder.push_record(
        ["step", "does", "by"]
            .into_iter()
            .chain(names)
            .chain(["time", "rows/s"]),
    );
    for step in &report.steps {
        builder.push_record(match step.state {
            StepState::Waiting => {
                let mut cells = vec![step.name.clone(), does(step), "not begun".to_owned()];
                cells.resize(columns.len() + 5, String::new());
                cells
            }
            StepState::Running | StepState::Ended => line(
                step.name.clone(),
                does(step),
                roads(step),
                &step.rows(),
                step.seconds,
                step.rows_per_second,
            ),
        });
    }
    let many = report.steps.len() > 1;
    if many {
        builder.push_record(line(
            "all".to_owned(),
            String::new(),
            String::new(),
            total,
            report.seconds,
            rate(total.done(), report.seconds),
        ));
    }
    let last = builder.count_records() - 1;
    let mut table = builder.build();
    let rule = HorizontalLine::new('─');
    if many {
        table.with(Style::empty().horizontals([(1, rule), (last, rule)]));
    } else {
        table.with(Style::empty().horizontals([(1, rule)]));
    }
    table
        .modify(Segment::all(), Padding::new(1, 1, 0, 0))
        .modify(Columns::new(3..), Alignment::right())
        .modify(Rows::first().intersect(Columns::new(..3)), Alignment::left());
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn does(step: &StepReport) -> String {
    if step.source.eq_ignore_ascii_case(&step.object) || step.source.is_empty() || is_address(&step.source) {
        format!("{} {}", step.operation, step.object).trim().to_owned()
    } else {
        format!("{} {} from {}", step.operation, step.object, step.source)
    }
}

/// An address of any length has no place in a column.
fn is_address(source: &str) -> bool {
    source.contains('/')
}

fn roads(step: &StepReport) -> String {
    match (step.read_by, step.written_by) {
        (Some(read), Some(write)) if read == write => road(read).to_owned(),
        (Some(read), Some(write)) => format!("{}, {}", road(read), road(write)),
        (Some(one), None) | (None, Some(one)) => road(one).to_owned(),
        (None, None) => String::new(),
    }
}

fn road(road: Road) -> &'static str {
    match road {
        Road::Rest => "rest",
        Road::Bulk => "bulk",
        Road::Http => "http",
        Road::File => "file",
    }
}

/// What the table has no column for.
fn remarks(out: &mut String, report: &RunReport) {
    let mut lines = Vec::new();
    for step in &report.steps {
        if is_address(&step.source) {
            lines.push(format!("{}: read from {}", step.name, step.source));
        }
        if let Some(since) = &step.since {
            lines.push(format!(
                "{}: read only {since}, and what waits from earlier runs",
                step.name
            ));
        }
        if let Some(pass) = step.second_pass.as_ref().filter(|pass| pass.rows > 0) {
            lines.push(format!(
                "{}: {} taken through a second pass for {}",
                step.name,
                plural(pass.rows, "row"),
                pass.fields.join(", ")
            ));
        }
        for retry in &step.retries {
            lines.push(format!(
                "{}: {} sent again after {}",
                step.name,
                plural(retry.rows, "row"),
                retry.code
            ));
        }
        if step.cursor_restarts > 0 {
            lines.push(format!(
                "{}: {} had expired and was read on from its place",
                step.name,
                plural(step.cursor_restarts, "query cursor")
            ));
        }
    }
    if report.sittings > 1 {
        lines.push(format!(
            "{} sittings: times and API calls are those of the last one",
            report.sittings
        ));
    }
    if !report.api_calls.is_empty() {
        let calls: Vec<String> = report
            .api_calls
            .iter()
            .map(|(credential, calls)| format!("{credential} {}", grouped(*calls)))
            .collect();
        lines.push(format!("API calls: {}", calls.join(", ")));
    }
    if !report.api_budget.is_empty() {
        let budgets: Vec<String> = report.api_budget.iter().map(budget).collect();
        lines.push(format!("API budget: {}", budgets.join(", ")));
    }
    if !lines.is_empty() {
        out.push('\n');
        for line in lines {
            let _ = writeln!(out, "{}", line.dimmed());
        }
    }
}

/// `hq 11,998 (14,981 left of 15,000 a day)`
fn budget((credential, budget): (&String, &CallsLeft)) -> String {
    let left = match (budget.left, budget.daily) {
        (Some(left), Some(daily)) => format!(" ({} left of {} a day)", grouped(left), grouped(daily)),
        (Some(left), None) => format!(" ({} left)", grouped(left)),
        (None, _) => String::new(),
    };
    format!("{credential} {}{left}", grouped(budget.allowed))
}

fn notes(out: &mut String, report: &RunReport) {
    if !report.notes.is_empty() {
        out.push('\n');
    }
    for note in &report.notes {
        let _ = writeln!(out, "{} {note}", "note:".yellow());
    }
}

/// What checks came to. Where they stand is told with the rows that they park, and with the error that they end in.
fn checks(out: &mut String, report: &RunReport) {
    if report.steps.iter().all(|step| step.checks.is_empty()) {
        return;
    }
    out.push('\n');
    for step in &report.steps {
        for check in &step.checks {
            let line = format!("{}: {}: {}", step.name, check.check, check.found);
            let _ = match (check.passed, report.status) {
                (true, _) => writeln!(out, "{}  {}", "passed".green(), line.dimmed()),
                (false, RunStatus::Stopped) => writeln!(out, "{}  {line}", "failed".red()),
                (false, _) => writeln!(out, "{}  {line}", "failed".yellow()),
            };
        }
    }
}

fn parked(out: &mut String, report: &RunReport) {
    if report.totals.parked == 0 {
        return;
    }
    let verb = if report.totals.parked == 1 { "is" } else { "are" };
    let _ = writeln!(
        out,
        "\n{}",
        format!("{} {verb} parked:", plural(report.totals.parked, "row"))
            .yellow()
            .bold()
    );
    for step in &report.steps {
        if !step.parked_reasons.is_empty() {
            let _ = writeln!(out, "  {}", step.name.bold());
            for group in &step.parked_reasons {
                reason(out, group);
            }
        }
    }
    if !report.parked_files.is_empty() {
        let _ = writeln!(out, "\nWith all their values:");
        for file in &report.parked_files {
            let _ = writeln!(out, "  {}", file.path);
        }
    }
}

fn reason(out: &mut String, group: &ParkedGroup) {
    let field = group
        .field
        .as_ref()
        .map(|field| format!(" {field}"))
        .unwrap_or_default();
    let _ = writeln!(
        out,
        "  {}  {}{field}",
        format!("{:>7}", grouped(group.rows)).yellow(),
        group.code.bold()
    );
    let indent = " ".repeat(11);
    let shown = group.source_ids.len() as u64;
    let example = if group.rows > 1 { "the first: " } else { "" };
    let _ = writeln!(out, "{indent}{example}{}", group.message);
    let more = if group.rows > shown {
        format!(" and {} more", grouped(group.rows - shown))
    } else {
        String::new()
    };
    let _ = writeln!(
        out,
        "{indent}{}",
        format!("{}{more}", group.source_ids.join(", ")).dimmed()
    );
    if !group.help.is_empty() {
        let _ = writeln!(out, "{indent}{} {}", "help:".cyan(), group.help);
    }
}

fn alarms(out: &mut String, report: &RunReport) {
    if report.discrepancies.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{}",
        "THE NUMBERS DO NOT ADD UP. This is a mistake in orgferry; do not rely on this run:"
            .red()
            .bold()
    );
    for line in &report.discrepancies {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(
        out,
        "{} report it, with the JSON report of the run",
        "help:".cyan()
    );
}

fn failure(out: &mut String, report: &RunReport) {
    for finding in &report.findings {
        let _ = writeln!(
            out,
            "\n{}: {}\n  at {}",
            format!("{}[{}]", finding.severity, finding.code).red(),
            finding.message,
            finding.place
        );
        for help in &finding.help {
            let _ = writeln!(out, "  {} {help}", "help:".cyan());
        }
    }
    if let Some(error) = &report.error {
        let _ = writeln!(out, "\n{} {}", "error:".red().bold(), error.message);
        if let Some(help) = &error.help {
            let _ = writeln!(out, "{} {help}", "help:".cyan());
        }
    }
}

/// What to type now.
fn next(out: &mut String, report: &RunReport, place: Place, project: Option<&str>) {
    let run = match project {
        Some(folder) => format!("{} --project {folder}", report.run),
        None => report.run.clone(),
    };
    let mut lines = Vec::new();
    if report.resumable {
        lines.push(("go on with it", format!("orgferry resume {run}")));
    }
    if place == Place::EndOfRun {
        lines.push(("this report again", format!("orgferry report {run}")));
    }
    if let Some(step) = report.steps.iter().find(|step| step.parked > 0) {
        let name = &step.name;
        lines.push((
            "the parked rows",
            format!("orgferry report {run} --parked {name}"),
        ));
        if report.status == RunStatus::DoneWithParked {
            lines.push(("when they are mended", format!("orgferry retry {run}")));
        }
    }
    if place == Place::History {
        lines.push(("for programs", format!("orgferry report {run} --format json")));
    }
    let width = lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    out.push('\n');
    for (what, command) in lines {
        let _ = writeln!(out, "{}  {command}", format!("{what:width$}").dimmed());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::{CallsLeft, Failure, ParkedFile, ReportFinding, Retry, SecondPass};

    fn side(credential: &str, name: &str) -> Side {
        Side {
            credential: credential.into(),
            org_id: Some("00D000000000001AAA".into()),
            org_name: Some(name.into()),
            api_version: Some("66.0".into()),
        }
    }

    fn step(name: &str, object: &str, rows: Tally) -> StepReport {
        let mut step = StepReport {
            source: object.into(),
            object: object.into(),
            operation: "upsert".into(),
            read_by: Some(Road::Rest),
            written_by: Some(Road::Bulk),
            state: StepState::Ended,
            ..StepReport::named(name)
        };
        step.set_rows(rows);
        step.set_time(1.25, 0);
        step
    }

    fn done() -> RunReport {
        let accounts = StepReport {
            second_pass: Some(SecondPass {
                fields: vec!["ParentId".into()],
                rows: 1200,
            }),
            retries: vec![Retry {
                code: "UNABLE_TO_LOCK_ROW".into(),
                rows: 12,
            }],
            cursor_restarts: 1,
            parked_reasons: vec![
                ParkedGroup {
                    code: "STRING_TOO_LONG".into(),
                    field: Some("Name".into()),
                    message: "data value too large: Müller (max length=80)".into(),
                    source_ids: (1..=5).map(|n| format!("00100000000000{n}AAA")).collect(),
                    rows: 41,
                    help: "shorten the text in the source, or write `Name: Name | truncate(80)`".into(),
                },
                ParkedGroup {
                    code: "empty_key".into(),
                    field: None,
                    message: "the key `Legacy_Id__c` is null".into(),
                    source_ids: vec!["001000000000009AAA".into()],
                    rows: 1,
                    help: String::new(),
                },
            ],
            ..step(
                "accounts",
                "Account",
                Tally {
                    read: 2000,
                    created: 1900,
                    updated: 8,
                    unchanged: 20,
                    filtered: 30,
                    parked: 42,
                    ..Tally::default()
                },
            )
        };
        let contacts = step(
            "contacts",
            "Contact",
            Tally {
                read: 6000,
                created: 6000,
                ..Tally::default()
            },
        );
        let steps = vec![accounts, contacts];
        RunReport {
            version: RunReport::VERSION,
            run: "20261123-233000-k3f9".into(),
            pipeline: "customers".into(),
            file: "pipelines/customers.yaml".into(),
            env: Some("uat".into()),
            retry_of: None,
            from: side("hq", "Harbour HQ"),
            to: side("emea", "Harbour EMEA"),
            started_at: "2026-11-23T23:30:00Z".into(),
            ended_at: Some("2026-11-23T23:30:02Z".into()),
            seconds: 2.5,
            status: RunStatus::DoneWithParked,
            sittings: 1,
            resumable: false,
            exit_code: Some(4),
            totals: Tally::sum(steps.iter().map(StepReport::rows)),
            steps,
            api_calls: BTreeMap::from([("hq".into(), 9), ("emea".into(), 1042)]),
            api_budget: BTreeMap::from([
                (
                    "hq".into(),
                    CallsLeft {
                        allowed: 11_995,
                        left: Some(14_981),
                        daily: Some(15_000),
                    },
                ),
                (
                    "emea".into(),
                    CallsLeft {
                        allowed: 5_000,
                        left: None,
                        daily: None,
                    },
                ),
            ]),
            notes: vec!["`emea` does not tell how many API calls it has left".into()],
            parked_files: vec![ParkedFile {
                step: "accounts".into(),
                path: ".orgferry/runs/20261123-233000-k3f9/parked/accounts.csv".into(),
                rows: 42,
            }],
            error: None,
            findings: Vec::new(),
            discrepancies: Vec::new(),
        }
    }

    fn stopped() -> RunReport {
        let mut accounts = step(
            "guide",
            "Account",
            Tally {
                read: 10,
                created: 5,
                unfinished: 5,
                ..Tally::default()
            },
        );
        accounts.source = "callout:org1/services/data/v59.0/query/".into();
        accounts.read_by = Some(Road::Http);
        accounts.state = StepState::Running;
        let waiting = StepReport {
            state: StepState::Waiting,
            ..step("later", "Contact", Tally::default())
        };
        RunReport {
            status: RunStatus::Failed,
            sittings: 2,
            resumable: true,
            exit_code: Some(1),
            env: None,
            retry_of: None,
            to: Side::named("emea"),
            totals: accounts.rows(),
            steps: vec![accounts, waiting],
            error: Some(Failure {
                message: "org `emea` closed the connection".into(),
                help: Some("run it again".into()),
            }),
            findings: vec![ReportFinding {
                code: "unknown-field".into(),
                severity: "error".into(),
                message: "object `Account` has no field `Nmae`".into(),
                place: "pipelines/customers.yaml:9:7".into(),
                help: vec!["did you mean `Name`?".into()],
            }],
            discrepancies: vec!["step `guide`: 10 rows were read, and 11 have an outcome".into()],
            api_calls: BTreeMap::new(),
            api_budget: BTreeMap::new(),
            notes: Vec::new(),
            parked_files: Vec::new(),
            ..done()
        }
    }

    fn plain(report: &RunReport, place: Place) -> String {
        anstream::adapter::strip_str(&render(report, place, None)).to_string()
    }

    #[test]
    fn a_run_with_parked_rows() {
        insta::assert_snapshot!(plain(&done(), Place::EndOfRun));
    }

    #[test]
    fn a_run_that_failed_shown_later() {
        insta::assert_snapshot!(plain(&stopped(), Place::History));
    }

    #[test]
    fn at_its_end_a_run_tells_its_error_itself() {
        let text = plain(&stopped(), Place::EndOfRun);
        assert!(!text.contains("error:"), "{text}");
        assert!(text.contains("DO NOT ADD UP"), "{text}");
    }

    #[test]
    fn commands_find_a_run_of_another_folder() {
        let text = render(&done(), Place::EndOfRun, Some("orgferry-demo"));
        assert!(
            text.contains("orgferry report 20261123-233000-k3f9 --project orgferry-demo --parked accounts\n"),
            "{text}"
        );
    }

    #[test]
    fn colours_are_only_paint() {
        let text = render(&done(), Place::EndOfRun, None);
        assert!(text.contains("\u{1b}[33m"));
    }

    #[test]
    fn json_comes_back_as_it_was() {
        for report in [done(), stopped()] {
            let json = report.to_json();
            assert_eq!(serde_json::from_str::<RunReport>(&json).unwrap(), report);
        }
        insta::assert_snapshot!(done().to_json());
    }
}
