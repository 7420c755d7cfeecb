//! Breaks files at random and looks whether the checker survives them: `cargo bench --bench fuzz -- SECONDS [SEED]`.
//!
//! The files are the tests' fixtures and a small project; what is done to them, and what has to hold whatever comes of
//! it, stands in `tests/it/breaking.rs`. Nothing guides the choice: no coverage is measured, so that it runs on a stable
//! toolchain. The seed is printed; each input is made of the seed and its number alone. What does harm is written to
//! `target/fuzz/`, and the last line says how to see it again. Exit code 1 when something did.

#![expect(clippy::print_stdout, reason = "figures are what a fuzzer is for")]

#[path = "../tests/it/breaking.rs"]
mod breaking;

use std::{
    error::Error,
    fs,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use breaking::{Ground, Place, broken, corpus, keys};
use serde_json::Value;

/// An input that takes longer is a fault: fixtures are small.
const PATIENCE: Duration = Duration::from_secs(20);

/// Inputs between two looks at the clock.
const BATCH: u64 = 50;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(60);
    let seed = numbers.get(1).copied().unwrap_or_else(|| fastrand::u64(..));
    let only = numbers.get(2).copied();
    println!("seed {seed}, {seconds} s");
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tried = 0;
    let (mut faults, mut valid, mut slowest) = (0, 0, (Duration::ZERO, 0));
    let mut next = only.unwrap_or(0);
    while Instant::now() < end && only.is_none_or(|only| next == only) {
        let upto = if only.is_some() { next + 1 } else { next + BATCH };
        // A stack as threads have it that nobody asked for more; a new one after each fault.
        let (send, receive) = mpsc::channel();
        let worker = thread::Builder::new().stack_size(2 << 20).spawn(move || {
            let (corpus, keys, mut ground) = (corpus(), keys(), Ground::new());
            for number in next..upto {
                let (place, bytes) = input(seed, number, &corpus, &keys);
                let begun = Instant::now();
                // The receiver is gone when it has lost patience.
                if send.send(Event::Begins(number)).is_err() {
                    return;
                }
                let loaded = ground.survives(place, &bytes);
                disagreement(place, &bytes, &loaded);
                let done = Event::Done(!loaded.has_errors(), begun.elapsed());
                if send.send(done).is_err() {
                    return;
                }
            }
        })?;
        let mut at = next;
        let harm = loop {
            match receive.recv_timeout(PATIENCE) {
                Ok(Event::Begins(number)) => at = number,
                Ok(Event::Done(is_valid, took)) => {
                    tried += 1;
                    valid += u64::from(is_valid);
                    slowest = slowest.max((took, at));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => break Some("takes too long"),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    break worker.join().is_err().then_some("panics");
                }
            }
        };
        next = upto;
        if let Some(harm) = harm {
            faults += 1;
            tried += 1;
            next = at + 1;
            let (place, bytes) = input(seed, at, &corpus(), &keys());
            let path = format!("target/fuzz/{seed}-{at}");
            fs::create_dir_all("target/fuzz")?;
            fs::write(&path, bytes)?;
            println!(
                "input {at} ({place:?}) {harm}: {path}; again: cargo bench --bench fuzz -- 60 {seed} {at}"
            );
        }
    }
    println!(
        "{tried} inputs, {valid} of them without an error, {faults} faults; the slowest, input {}, took {:?}",
        slowest.1, slowest.0
    );
    Ok(ExitCode::from(u8::from(faults > 0)))
}

enum Event {
    Begins(u64),
    /// Whether there was no error, and how long it took.
    Done(bool, Duration),
}

/// The input of a number.
fn input(seed: u64, number: u64, corpus: &[(Place, String)], keys: &[String]) -> (Place, Vec<u8>) {
    let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
    broken(&mut rng, corpus, keys)
}

/// A pipeline without an error fits its JSON Schema.
fn disagreement(place: Place, bytes: &[u8], loaded: &orgferry::pipeline::Loaded) {
    if place != Place::Pipeline || loaded.has_errors() {
        return;
    }
    // Where the reader of editors sees something else than ours (`0x1F`, `.inf`), nothing can be compared.
    let options = serde_yaml::options! { strict_booleans: true };
    let Ok(value) = serde_yaml::from_slice_with_options::<Value>(bytes, options) else {
        return;
    };
    thread_local! {
        static SCHEMA: jsonschema::Validator = {
            let schemas = orgferry::spec::schemas();
            let schema = schemas.into_iter().find(|(name, _)| *name == "pipeline.schema.json");
            jsonschema::validator_for(&schema.expect("the schema").1).expect("a schema")
        };
    }
    SCHEMA.with(|schema| {
        if let Some(error) = schema.iter_errors(&value).next() {
            panic!(
                "valid, and its schema refuses it: {}: {error}",
                error.instance_path()
            );
        }
    });
}
