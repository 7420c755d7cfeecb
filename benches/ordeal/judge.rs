//! What must be true of both orgs and of the report once a run has ended, asked of the orgs by plain queries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Fallible,
    command::Project,
    orgs::{Org, Row},
    shape::{Fate, Lane, Scene, Shape},
    trouble::Trouble,
};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Rows of the source.
    pub(crate) rows: usize,
    /// Rows that are parked, and not in the target, as a fault explains.
    pub(crate) parked: usize,
    /// Rows that are in neither, or differ.
    pub(crate) lost: Vec<String>,
    /// Rows that are in the target more than once, or have no business there.
    pub(crate) doubled: Vec<String>,
    /// References to the wrong record, or to none.
    pub(crate) mislinked: Vec<String>,
    /// What else is not as it should be.
    pub(crate) wrong: Vec<String>,
    /// Jobs that were made and never filled, because the answer that names them was lost. The org ends them in a day.
    pub(crate) empty_jobs: usize,
}

impl Verdict {
    /// Every complaint, in words.
    pub(crate) fn complaints(&self) -> Vec<String> {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("mislinked", &self.mislinked),
            ("wrong", &self.wrong),
        ]
        .into_iter()
        .flat_map(|(word, list)| list.iter().map(move |text| format!("{word}: {text}")))
        .collect()
    }
}

/// A lane's rows in both orgs.
struct Sides {
    src: Vec<Row>,
    dst: Vec<Row>,
}

/// Looks at everything.
pub(super) fn judge(
    shape: Shape,
    trouble: Trouble,
    scene: &Scene,
    project: &Project,
    src: &Org,
    dst: &Org,
) -> Fallible<Verdict> {
    let mut verdict = Verdict::default();
    let runs = project.runs()?;
    let Some((run, status)) = runs.first() else {
        return Err(format!("no run is known:\n{}", project.told()).into());
    };
    if !status.starts_with("done") {
        verdict
            .wrong
            .push(format!("the run has not ended: it is `{status}`"));
        return Ok(verdict);
    }
    let report = project.report(run)?;
    if report["discrepancies"]
        .as_array()
        .is_none_or(|list| !list.is_empty())
    {
        verdict
            .wrong
            .push(format!("the report's numbers: {}", report["discrepancies"]));
    }
    let mut sides = Vec::new();
    for lane in &scene.lanes {
        let mut fields = vec!["Id".to_owned(), "Marker__c".to_owned()];
        if lane.fate == Fate::Carried {
            fields.extend(lane.fields.iter().map(|f| (*f).to_owned()));
            fields.extend(lane.refs.iter().map(|(f, _)| (*f).to_owned()));
        }
        sides.push(Sides {
            src: src.rows(lane.object, &fields)?,
            dst: dst.rows(lane.object, &fields)?,
        });
    }
    // Which marker an Id stands for, in either org.
    let markers: BTreeMap<&str, &str> = sides
        .iter()
        .flat_map(|sides| sides.src.iter().chain(&sides.dst))
        .map(|row| (text(row, "Id"), text(row, "Marker__c")))
        .collect();
    let mut all_parked = BTreeMap::new();
    for lane in &scene.lanes {
        let step = step(&report, lane.step);
        let parked = match step["parked"].as_u64() {
            Some(0) => BTreeMap::new(),
            _ => project.parked(run, lane.step)?,
        };
        all_parked.extend(parked);
    }
    for (lane, sides) in scene.lanes.iter().zip(&sides) {
        verdict.rows += sides.src.len();
        count(lane, &report, scene.second_run, sides.src.len(), &mut verdict);
        match lane.fate {
            Fate::Carried => {
                let look = Look {
                    lane,
                    markers: &markers,
                    parked: &all_parked,
                    shape,
                    trouble,
                };
                look.at(sides, &mut verdict);
            }
            Fate::Removed { others } => {
                let kept: BTreeSet<&str> = sides
                    .src
                    .iter()
                    .filter(|row| {
                        let code = all_parked.get(text(row, "Id"));
                        code.is_some_and(|code| trouble.explains(code))
                    })
                    .map(|row| text(row, "Marker__c"))
                    .collect();
                removed(lane, sides, &kept, others, &mut verdict);
            }
        }
    }
    for step in report["steps"].as_array().into_iter().flatten() {
        let known = scene.lanes.iter().any(|lane| step["name"] == lane.step);
        if !known && step["parked"] != 0 {
            verdict.wrong.push(format!("rows of {} are parked", step["name"]));
        }
    }
    jobs(dst, &mut verdict)?;
    Ok(verdict)
}

/// Every row that was read has an outcome, and every row of the source was read.
fn count(lane: &Lane, report: &Value, second_run: bool, rows: usize, verdict: &mut Verdict) {
    let step = step(report, lane.step);
    let read = step["read"].as_u64().unwrap_or_default();
    let ended: u64 = ["created", "updated", "unchanged", "deleted", "filtered", "parked"]
        .iter()
        .map(|outcome| step[*outcome].as_u64().unwrap_or_default())
        .sum();
    if read != ended {
        verdict
            .wrong
            .push(format!("{}: {read} rows read, {ended} outcomes", lane.step));
    }
    // A second run reads what has changed.
    if !second_run && read != rows as u64 {
        verdict.wrong.push(format!(
            "{}: the report tells of {read} rows, the source has {rows}",
            lane.step
        ));
    }
}

/// The rows that a delete step names are gone, but for those that are parked; the others are there.
fn removed(lane: &Lane, sides: &Sides, kept: &BTreeSet<&str>, others: usize, verdict: &mut Verdict) {
    verdict.parked += kept.len();
    let named: BTreeSet<&str> = sides.src.iter().map(|row| text(row, "Marker__c")).collect();
    for row in &sides.dst {
        let marker = text(row, "Marker__c");
        if named.contains(marker) != kept.contains(marker) {
            verdict
                .lost
                .push(format!("{} {marker} is still there", lane.object));
        }
    }
    if sides.dst.len() != others + kept.len() {
        verdict.wrong.push(format!(
            "{}: {} records are left of {others}",
            lane.object,
            sides.dst.len()
        ));
    }
}

/// How rows that were carried are looked at.
struct Look<'a> {
    lane: &'a Lane,
    markers: &'a BTreeMap<&'a str, &'a str>,
    /// Parked rows of all steps, by source id.
    parked: &'a BTreeMap<String, String>,
    shape: Shape,
    trouble: Trouble,
}

impl Look<'_> {
    fn at(&self, sides: &Sides, verdict: &mut Verdict) {
        let mut there: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &sides.dst {
            there.entry(text(row, "Marker__c")).or_default().push(row);
        }
        for row in &sides.src {
            let marker = text(row, "Marker__c");
            let name = format!("{} {marker}", self.lane.object);
            let found = there.remove(marker).unwrap_or_default();
            let parked = self.parked.get(text(row, "Id")).map(String::as_str);
            match (&found[..], parked) {
                ([], None) => verdict.lost.push(format!("{name} is neither there nor parked")),
                ([], Some(code)) if self.explains(code) => verdict.parked += 1,
                ([], Some(code)) => verdict
                    .lost
                    .push(format!("{name} is parked as {code}, without a reason")),
                ([one], None) => self.compare(row, one, &name, verdict),
                // Nobody can know; or it is there, and its parent is not.
                ([_], Some("unknown_outcome")) if self.shape.may_not_know() => verdict.parked += 1,
                ([_], Some("waits_for_parent")) if self.explains("waits_for_parent") => verdict.parked += 1,
                ([_], Some(code)) if self.shape.meets_records() && self.explains(code) => verdict.parked += 1,
                ([_], Some(code)) => verdict
                    .wrong
                    .push(format!("{name} is there, and parked as {code}")),
                (several, _) => verdict
                    .doubled
                    .push(format!("{name} is there {} times", several.len())),
            }
        }
        for marker in there.keys() {
            verdict
                .doubled
                .push(format!("{} {marker} is in the target alone", self.lane.object));
        }
    }

    /// Whether something that happened explains that a row is parked.
    fn explains(&self, code: &str) -> bool {
        let unknown = self.shape.may_not_know() && matches!(code, "unknown_outcome" | "waits_for_parent");
        unknown || self.trouble.explains(code)
    }

    fn compare(&self, src: &Row, dst: &Row, name: &str, verdict: &mut Verdict) {
        for field in self.lane.fields {
            if src[*field] != dst[*field] {
                verdict.lost.push(format!(
                    "{name}: {field} is {} in the source and {} in the target",
                    src[*field], dst[*field]
                ));
            }
        }
        for (field, _) in self.lane.refs {
            let marker = |row: &Row| row[*field].as_str().map(|id| self.markers.get(id).copied());
            let (wanted, found) = (marker(src), marker(dst));
            if wanted != found || wanted == Some(None) {
                verdict.mislinked.push(format!(
                    "{name}: {field} leads to {wanted:?} in the source and to {found:?} in the target"
                ));
            }
        }
    }
}

/// No job is left that holds rows and has not ended.
fn jobs(dst: &Org, verdict: &mut Verdict) -> Fallible<()> {
    for job in dst.jobs()? {
        match job["state"].as_str() {
            Some("JobComplete" | "Failed" | "Aborted") => {}
            state => {
                let id = job["id"].as_str().unwrap_or_default();
                let info = dst.api("GET", &format!("/jobs/ingest/{id}"), &Value::Null)?;
                // Counts are told of jobs with an upload.
                if state == Some("Open") && info.get("numberRecordsProcessed").is_none() {
                    verdict.empty_jobs += 1;
                } else {
                    verdict
                        .wrong
                        .push(format!("job {id} is left as {}", job["state"]));
                }
            }
        }
    }
    Ok(())
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut steps = report["steps"].as_array().into_iter().flatten();
    steps.find(|step| step["name"] == name).unwrap_or(&Value::Null)
}

fn text<'a>(row: &'a Row, field: &str) -> &'a str {
    row.get(field).and_then(Value::as_str).unwrap_or_default()
}
