//! A few rounds of `benches/faults.rs`, always the same ones: runs that are killed or meet a fault, and are resumed.
//!
//! The long run is that program; `docs/promises.md` has its figures.

#[path = "../../benches/ordeal/mod.rs"]
mod ordeal;

use ordeal::{
    round::{Baselines, Ordeal},
    shape::{Api, SHAPES, Shape},
    trouble::{FAULTS, Trouble},
};

/// Plays rounds one after the other, and complains of all at once. The number of kills.
fn play(rounds: impl IntoIterator<Item = (Shape, Trouble, u64)>) -> usize {
    let mut baselines = Baselines::default();
    let (mut complaints, mut kills) = (Vec::new(), 0);
    for (shape, trouble, seed) in rounds {
        let ordeal = Ordeal { shape, trouble, seed };
        let report = ordeal
            .run(&mut baselines)
            .unwrap_or_else(|e| panic!("{ordeal:?}: {e}"));
        kills += report.kills.len();
        let found = report.verdict.complaints();
        assert!(report.verdict.rows > 0, "{ordeal:?}: nothing was looked at");
        if !found.is_empty() {
            complaints.push(format!(
                "{}, {}, seed {seed}: killed {:?}, {} sittings, {} parked, {} empty jobs\n{found:#?}\n{}",
                shape.name(),
                trouble.name(),
                report.kills,
                report.sittings,
                report.verdict.parked,
                report.verdict.empty_jobs,
                report.told
            ));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    kills
}

/// The shapes of one road.
fn shapes(api: Api) -> impl Iterator<Item = Shape> {
    SHAPES.iter().copied().filter(move |shape| shape.api() == api)
}

#[test]
fn runs_that_are_killed_by_bulk_lose_nothing() {
    let rounds = shapes(Api::Bulk)
        .zip(101..)
        .map(|(shape, seed)| (shape, Trouble::Kill, seed));
    // Moments come with the machine's speed: some may find the run at its end.
    assert!(play(rounds) >= 5);
}

#[test]
fn runs_that_are_killed_by_rest_lose_nothing() {
    let rounds = shapes(Api::Rest)
        .zip(201..)
        .map(|(shape, seed)| (shape, Trouble::Kill, seed));
    assert!(play(rounds) >= 5);
}

#[test]
fn runs_that_meet_faults_lose_nothing() {
    let rounds = FAULTS.iter().copied().zip(301_usize..).map(|(trouble, seed)| {
        let suited: Vec<Shape> = SHAPES
            .iter()
            .copied()
            .filter(|shape| trouble.suits(*shape))
            .collect();
        (suited[seed % suited.len()], trouble, seed as u64)
    });
    // Rows of the job that stood still went without their parents, which are known when the run goes on.
    let hung = (Shape::Cycle(Api::Bulk), Trouble::HungJob, 4_000_107);
    play(rounds.chain([hung]));
}
