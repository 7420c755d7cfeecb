//! One round: orgs, a run, what happens to it, `resume` until it has ended, and the verdict.

use std::{
    collections::BTreeMap,
    process::Child,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    Fallible,
    command::{PIPELINE, Project},
    judge::{Verdict, judge},
    orgs::{Org, signal},
    shape::{Scene, Shape},
    trouble::Trouble,
};

/// A round, repeatable as far as time allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordeal {
    pub(crate) shape: Shape,
    pub(crate) trouble: Trouble,
    pub(crate) seed: u64,
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Report {
    /// What the engine was doing each time it was killed.
    pub(crate) kills: Vec<String>,
    /// Times that the command was begun.
    pub(crate) sittings: usize,
    pub(crate) verdict: Verdict,
    /// All that the commands said.
    pub(crate) told: String,
}

/// How a shape's run goes when nothing disturbs it.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    time: Duration,
    /// Requests that source and target get.
    requests: [usize; 2],
}

/// The undisturbed runs so far, by shape.
#[derive(Default)]
pub(crate) struct Baselines(BTreeMap<String, Baseline>);

/// No sitting may take longer: it hangs.
const LONGEST: Duration = Duration::from_secs(120);
/// Sittings of one round.
const SITTINGS: usize = 12;

/// When the engine is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// While an org (0 the source, 1 the target) has a request of it, and has not looked at it.
    Asked(usize, usize),
    /// While an org has done what it was asked, and has not answered.
    Done(usize, usize),
}

/// What a sitting ended with.
enum End {
    Killed(String),
    Exit(i32),
}

/// The orgs and the project of a round.
struct Stage {
    project: Project,
    orgs: [Org; 2],
    two_passes: bool,
}

impl Ordeal {
    /// Plays the round.
    pub(crate) fn run(self, baselines: &mut Baselines) -> Fallible<Report> {
        let name = self.shape.name();
        let baseline = match baselines.0.get(&name) {
            Some(known) => *known,
            None if self.trouble.kills() || self.trouble.restarts() => {
                let found = self.undisturbed()?;
                baselines.0.insert(name, found);
                found
            }
            None => Baseline {
                time: Duration::ZERO,
                requests: [0; 2],
            },
        };
        let dir = tempfile::tempdir()?;
        let mut rng = Rng::with_seed(self.seed);
        let (scene, mut stage) = self.open(dir.path(), &mut rng)?;
        let before = stage.project.runs()?;
        let [src, dst] = self.trouble.faults();
        for (org, faults) in stage.orgs.iter().zip([src, dst]) {
            for fault in faults {
                org.trouble(&fault)?;
            }
        }
        let (mut kills, mut sittings) = (Vec::new(), 0);
        let mut left = if self.trouble.kills() { 3 } else { 0 };
        let mut restart = self.trouble.restarts();
        loop {
            // What was killed before it wrote itself down has not begun.
            let runs = stage.project.runs()?;
            // Runs of one second stand in no order.
            let newest = runs
                .into_iter()
                .find(|(run, _)| before.iter().all(|(known, _)| known != run));
            let args: &[&str] = match &newest {
                None => &["run", PIPELINE, "--progress", "none"],
                Some((_, status)) if status.starts_with("done") => break,
                Some((run, _)) => &["resume", run, "--progress", "none"],
            };
            sittings += 1;
            if sittings > SITTINGS {
                break;
            }
            let kill = left > 0 && (sittings == 1 || rng.u8(0..100) < 40);
            let moment = kill.then(|| draw(&mut rng, baseline, sittings > 1));
            let pause = restart.then(|| {
                (
                    draw_time(&mut rng, baseline.time),
                    Duration::from_millis(rng.u64(0..1_200)),
                )
            });
            restart = false;
            match stage.sit(self.trouble, args, moment, pause)? {
                End::Killed(phase) => {
                    left -= 1;
                    kills.push(phase);
                }
                End::Exit(0 | 4) => break,
                End::Exit(_) => {}
            }
        }
        for org in &stage.orgs {
            org.calm()?;
        }
        let [src, dst] = &stage.orgs;
        let mut verdict = judge(self.shape, self.trouble, &scene, &stage.project, src, dst)?;
        if sittings > SITTINGS {
            verdict
                .wrong
                .push(format!("the run has not ended in {SITTINGS} sittings"));
        }
        Ok(Report {
            kills,
            sittings,
            verdict,
            told: stage.project.told(),
        })
    }

    /// Serves the orgs, and brings them to where the run of the test begins.
    fn open(self, dir: &std::path::Path, rng: &mut Rng) -> Fallible<(Scene, Stage)> {
        let scene = self.shape.scene(rng);
        let src = Org::start(dir, "src", &scene.src, false)?;
        let dst = Org::start(dir, "dst", &scene.dst, self.trouble.restarts())?;
        scene.furnish(&src)?;
        let project = Project::new(dir, &scene.pipeline, [&src, &dst])?;
        let mut stage = Stage {
            project,
            orgs: [src, dst],
            two_passes: matches!(self.shape, Shape::Cycle(_) | Shape::InsertCycle(_)),
        };
        if scene.second_run {
            let first = ["run", PIPELINE, "--progress", "none"];
            match stage.sit(Trouble::Kill, &first, None, None)? {
                End::Exit(0) => scene.change(&stage.orgs[0], rng)?,
                _ => {
                    return Err(format!("the first run does not end well:\n{}", stage.project.told()).into());
                }
            }
        }
        for org in &stage.orgs {
            org.side("DELETE", "requests", &Value::Null)?;
        }
        Ok((scene, stage))
    }

    /// A run of the shape that nothing disturbs: how long it takes, and what it asks. It must end well, too.
    fn undisturbed(self) -> Fallible<Baseline> {
        let dir = tempfile::tempdir()?;
        let (scene, mut stage) = self.open(dir.path(), &mut Rng::with_seed(self.seed))?;
        let begun = Instant::now();
        let end = stage.sit(
            Trouble::Kill,
            &["run", PIPELINE, "--progress", "none"],
            None,
            None,
        )?;
        let time = begun.elapsed();
        let [src, dst] = &stage.orgs;
        let verdict = judge(self.shape, Trouble::Kill, &scene, &stage.project, src, dst)?;
        let complaints = verdict.complaints();
        if !matches!(end, End::Exit(0)) || !complaints.is_empty() || verdict.parked > 0 {
            let told = stage.project.told();
            return Err(format!(
                "{}, seed {}, undisturbed: {complaints:#?}\n{told}",
                self.shape.name(),
                self.seed
            )
            .into());
        }
        Ok(Baseline {
            time,
            requests: [src.requests()?.len(), dst.requests()?.len()],
        })
    }
}

/// A moment of an undisturbed run; of one that goes on, which is shorter, one of its first two thirds.
fn draw(rng: &mut Rng, baseline: Baseline, resumed: bool) -> Moment {
    let part = |n: usize| if resumed { n * 2 / 3 } else { n }.max(1);
    let org = usize::from(rng.u8(0..4) > 0);
    let at = rng.usize(0..part(baseline.requests[org]));
    match rng.u8(0..4) {
        0 => Moment::Asked(org, at),
        1 => Moment::Done(org, at),
        _ => {
            let time = draw_time(rng, baseline.time);
            Moment::After(if resumed { time * 2 / 3 } else { time })
        }
    }
}

fn draw_time(rng: &mut Rng, time: Duration) -> Duration {
    time.mul_f64(rng.f64())
}

impl Stage {
    /// Runs a command to its end, or to its death at a moment. `restart` ends the target after a time, for a while.
    fn sit(
        &mut self,
        trouble: Trouble,
        args: &[&str],
        moment: Option<Moment>,
        mut restart: Option<(Duration, Duration)>,
    ) -> Fallible<End> {
        let hold = |what: &str, after: usize| json!({ "on": { "path": "/services" }, "after": after, "times": 1, "then": { what: "300s" } });
        let held = match moment {
            Some(Moment::Asked(org, after)) => Some((org, self.orgs[org].trouble(&hold("delay", after))?)),
            Some(Moment::Done(org, after)) => {
                Some((org, self.orgs[org].trouble(&hold("late_answer", after))?))
            }
            _ => None,
        };
        let hangs = match trouble {
            // A job that stands still is met once.
            Trouble::HangingJob | Trouble::HungJob if args[0] == "run" => {
                let hang = json!({ "times": 1, "then": { "hang_job": { "object": "Account" } } });
                Some(self.orgs[1].trouble(&hang)?)
            }
            _ => None,
        };
        let begun = Instant::now();
        let mut engine = Engine(self.project.begin(args)?);
        let mut hangs_since: Option<Instant> = None;
        let end = loop {
            if let Some(status) = engine.0.try_wait()? {
                break End::Exit(status.code().unwrap_or(-1));
            }
            let time = begun.elapsed();
            if time > LONGEST {
                return Err(format!(
                    "orgferry {} does not end:\n{}",
                    args.join(" "),
                    self.project.told()
                )
                .into());
            }
            let now = match (moment, held) {
                (Some(Moment::After(at)), _) => time >= at,
                (_, Some((org, fault))) => self.orgs[org].struck(fault)?,
                _ => false,
            };
            if now {
                engine.0.kill()?;
                engine.0.wait()?;
                break End::Killed(self.phase(moment)?);
            }
            if let Some((_, pause)) = restart.filter(|(at, _)| time >= *at) {
                self.orgs[1].restart(pause)?;
                restart = None;
            }
            if let Some(fault) = hangs
                && hangs_since.is_none()
                && self.orgs[1].struck(fault)?
            {
                hangs_since = Some(Instant::now());
            }
            match (trouble, hangs_since.map(|since| since.elapsed())) {
                (Trouble::HangingJob, Some(time)) if time > Duration::from_millis(1_500) => {
                    self.orgs[1].calm()?
                }
                // Once to end in good order, which the job keeps it from, and once to leave at once.
                (Trouble::HungJob, Some(time)) if time > Duration::from_millis(400) => {
                    signal("INT", engine.0.id())?;
                    std::thread::sleep(Duration::from_millis(400));
                    if engine.0.try_wait()?.is_none() {
                        signal("INT", engine.0.id())?;
                    }
                    let status = engine.0.wait()?;
                    self.orgs[1].calm()?;
                    break End::Exit(status.code().unwrap_or(-1));
                }
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(4));
        };
        if let Some((org, fault)) = held {
            // Gone already when everything was calmed.
            let _ = self.orgs[org].side("DELETE", &format!("faults/{fault}"), &Value::Null);
        }
        Ok(end)
    }

    /// What the engine was doing, by the last thing that an org did for it.
    fn phase(&self, moment: Option<Moment>) -> Fallible<String> {
        let mut newest: Option<(jiff::Timestamp, &str)> = None;
        for (at, org) in self.orgs.iter().enumerate() {
            let list = org.side("GET", "requests?limit=1", &Value::Null)?;
            let Some(request) = list.as_array().and_then(|list| list.first()) else {
                continue;
            };
            let text = |key: &str| request[key].as_str().unwrap_or_default();
            let when: jiff::Timestamp = text("at").parse()?;
            let word = activity(at == 1, text("method"), text("path"));
            if newest.is_none_or(|(newest, _)| newest < when) {
                newest = Some((when, word));
            }
        }
        // An org in trouble may not answer.
        let jobs = self.orgs[1].jobs().unwrap_or_default();
        let written = self.orgs[1].requests()?;
        let second = self.two_passes
            && (jobs.iter().any(|job| job["operation"] == "update")
                || written
                    .iter()
                    .any(|(method, path)| method == "PATCH" && path.ends_with("/composite/sobjects")));
        let word = newest.map_or("start", |(_, word)| word);
        let how = match moment {
            Some(Moment::Asked(..)) => ", next request on its way",
            Some(Moment::Done(..)) => ", answer on its way",
            _ => "",
        };
        Ok(format!(
            "{}{word}{how}",
            if second { "second pass: " } else { "" }
        ))
    }
}

/// A request in the words of a run.
fn activity(target: bool, method: &str, path: &str) -> &'static str {
    let ingest = path.contains("/jobs/ingest");
    match method {
        _ if path.starts_with("/services/oauth2") => "sign in",
        "POST" if ingest => "job made",
        "PUT" if ingest => "uploaded",
        "PATCH" if ingest => "job closed",
        "GET" if ingest && (path.ends_with("sults") || path.ends_with("records")) => "results",
        _ if ingest => "waiting",
        _ if path.contains("/jobs/query") => "reading",
        "POST" | "PATCH" | "DELETE" if path.contains("/composite") => "rows written",
        _ if path.contains("/query") && target => "looking",
        _ if path.contains("/query") => "reading",
        _ => "planning",
    }
}

/// The engine's process; none is left behind.
struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
