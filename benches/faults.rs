//! Kills and faults, round after round: `cargo bench --bench faults -- 200 7` kills the engine 200 times, with seed 7.
//!
//! Every round is a run between two emulated orgs that is killed with -9, or meets one of the faults of `ordeal`, and is
//! resumed until it has ended; then both orgs are asked what they hold. Rounds with kills go on until there are as many
//! kills as wanted; then every fault meets every shape that it suits. Rows that are lost, doubled or mislinked, and
//! anything else that should not be, end the program with 1 and the seed that repeats it: `-- --round N` plays the round
//! with that seed alone.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod ordeal;

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use ordeal::{
    round::{Baselines, Ordeal, Report},
    shape::SHAPES,
    trouble::{FAULTS, Trouble},
};

/// What all rounds of one trouble came to.
#[derive(Default)]
struct Sum {
    rounds: usize,
    kills: usize,
    sittings: usize,
    rows: usize,
    parked: usize,
    lost: usize,
    doubled: usize,
    mislinked: usize,
    wrong: usize,
    empty_jobs: usize,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.rounds += 1;
        self.kills += report.kills.len();
        self.sittings += report.sittings;
        self.rows += report.verdict.rows;
        self.parked += report.verdict.parked;
        self.lost += report.verdict.lost.len();
        self.doubled += report.verdict.doubled.len();
        self.mislinked += report.verdict.mislinked.len();
        self.wrong += report.verdict.wrong.len();
        self.empty_jobs += report.verdict.empty_jobs;
    }
}

/// Everything so far.
#[derive(Default)]
struct Book {
    baselines: Baselines,
    sums: BTreeMap<Trouble, Sum>,
    phases: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Book {
    /// Plays a round; the number of kills.
    fn play(&mut self, ordeal: Ordeal) -> usize {
        let round = format!(
            "round {}: {}, {}",
            ordeal.seed,
            ordeal.shape.name(),
            ordeal.trouble.name()
        );
        let begun = Instant::now();
        match ordeal.run(&mut self.baselines) {
            Ok(report) => {
                self.sums.entry(ordeal.trouble).or_default().add(&report);
                for phase in &report.kills {
                    *self.phases.entry(phase.clone()).or_default() += 1;
                }
                println!(
                    "{round}: {} rows, killed {:?}, {} sittings, {} parked, {:.1} s",
                    report.verdict.rows,
                    report.kills,
                    report.sittings,
                    report.verdict.parked,
                    begun.elapsed().as_secs_f64()
                );
                let complaints = report.verdict.complaints();
                if !complaints.is_empty() {
                    for complaint in complaints.iter().take(8) {
                        println!("    {complaint}");
                    }
                    println!("    ({} in all)\n{}", complaints.len(), indented(&report.told));
                    self.failed.push(round);
                }
                report.kills.len()
            }
            Err(error) => {
                println!("{round}: {error}");
                self.failed.push(round);
                0
            }
        }
    }

    fn told(&self) {
        println!(
            "\n{:<24}{:>8}{:>7}{:>10}{:>9}{:>8}{:>6}{:>9}{:>11}{:>7}{:>12}",
            "",
            "rounds",
            "kills",
            "sittings",
            "rows",
            "parked",
            "lost",
            "doubled",
            "mislinked",
            "wrong",
            "empty jobs"
        );
        for (trouble, sum) in &self.sums {
            println!(
                "{:<24}{:>8}{:>7}{:>10}{:>9}{:>8}{:>6}{:>9}{:>11}{:>7}{:>12}",
                trouble.name(),
                sum.rounds,
                sum.kills,
                sum.sittings,
                sum.rows,
                sum.parked,
                sum.lost,
                sum.doubled,
                sum.mislinked,
                sum.wrong,
                sum.empty_jobs
            );
        }
        println!("\nkilled after:");
        for (phase, count) in &self.phases {
            println!("{count:>6}  {phase}");
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    | {line}\n")).collect()
}

/// The round of a seed: seed and place in the list decide all of it.
fn round(seed: u64, trouble: Trouble) -> Ordeal {
    let shapes: Vec<_> = SHAPES.iter().copied().filter(|s| trouble.suits(*s)).collect();
    let at = usize::try_from(seed).unwrap_or_default() % shapes.len();
    Ordeal {
        shape: shapes[at],
        trouble,
        seed,
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let numbers: Vec<u64> = args.iter().filter_map(|a| a.parse().ok()).collect();
    let flag = |name: &str| args.iter().any(|a| a == name);
    let mut book = Book::default();
    let begun = Instant::now();
    if flag("--round") {
        let seed = numbers.first().copied().unwrap_or_default();
        let wanted = |t: &Trouble| args.iter().any(|a| a == t.name());
        let trouble = FAULTS.iter().copied().find(wanted).unwrap_or(Trouble::Kill);
        book.play(round(seed, trouble));
    } else {
        let kills = numbers.first().copied().unwrap_or(200);
        let mut seed = numbers.get(1).copied().unwrap_or(1) * 1_000_000;
        let mut done = 0;
        while done < kills {
            seed += 1;
            let killed = book.play(round(seed, Trouble::Kill));
            done += killed as u64;
            // Should nothing ever be killed, there is an end all the same.
            if book.failed.len() > 20 {
                break;
            }
        }
        if !flag("--kills-only") {
            for trouble in FAULTS {
                for _ in SHAPES.iter().filter(|s| trouble.suits(**s)) {
                    seed += 1;
                    book.play(round(seed, *trouble));
                }
            }
        }
    }
    book.told();
    println!("\n{:.0} s", begun.elapsed().as_secs_f64());
    if book.failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nnot as promised:");
    for round in &book.failed {
        println!("  {round}");
    }
    ExitCode::FAILURE
}
