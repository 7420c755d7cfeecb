//! Two orgs that are kept in step: a first load, changes in the source, and a run that reads only those.

use std::{error::Error, fs, path::Path};

use crate::{data::incremental, measure::Figures, org::Org, ours, start, told};

/// Of so many rows one changes between two runs.
const ONE_IN: usize = 100;

/// What becomes of the phone of a row that changes.
const CHANGED: &str = "+49 30 5550000";

/// Gives the figures of the second run. The source is changed by it.
pub(crate) fn run(dir: &Path, src: &str, rows: usize) -> Result<Figures, Box<dyn Error>> {
    let dst = start(dir, "dst", 0)?;
    let both = (src, dst.urls["dst"].as_str());
    let _ = fs::remove_dir_all(dir.join(".orgferry"));
    // An org is older than its last change: what was made in one second would all be read again.
    a_day_later(src)?;
    change(dir, src, rows, rows / 3)?;
    told(ours::run(
        dir,
        "first load, with a cursor",
        &incremental(),
        both,
        rows,
    )?);
    a_day_later(src)?;
    change(dir, src, rows, ONE_IN)?;
    let again = told(ours::run(
        dir,
        "again, a hundredth has changed",
        &incremental(),
        both,
        rows,
    )?);
    for object in ["Account", "Contact"] {
        let [there, here] =
            [Org::new("src", both.0), Org::new("dst", both.1)].map(|org| org.with_phone(object, CHANGED));
        let (there, here) = (there?, here?);
        if there != here {
            return Err(format!("of {there} changed {object} records {here} are in the target").into());
        }
    }
    Ok(again)
}

/// Changes one of so many rows.
fn change(dir: &Path, src: &str, rows: usize, one_in: usize) -> Result<(), Box<dyn Error>> {
    for (object, prefix, count) in [("Account", 'A', rows / 3), ("Contact", 'C', rows / 3 * 2)] {
        let lines: Vec<String> = (1..=count)
            .step_by(one_in.max(1))
            .map(|n| format!("{prefix}-{n:08},{CHANGED}\n"))
            .collect();
        Org::new("src", src).upsert(dir, object, &format!("Ext__c,Phone\n{}", lines.concat()))?;
    }
    Ok(())
}

fn a_day_later(src: &str) -> Result<(), Box<dyn Error>> {
    let clock = format!("{src}/emulator/clock");
    Org::new("src", src).ask(&clock, &["-d", r#"{"advance":"1d"}"#])?;
    Ok(())
}
