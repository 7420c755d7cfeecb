//! Results for programs.

use serde_json::{Value as Json, json};

use super::{Ran, coverage::Coverage, text::missing_answers};
use crate::diag::Files;

pub(super) fn render(ran: &[Ran<'_>], coverage: Option<&Coverage>, files: &Files) -> String {
    let tests: Vec<Json> = ran
        .iter()
        .map(|test| {
            let differences: Vec<Json> = test
                .result
                .differences
                .iter()
                .map(|d| {
                    json!({
                        "field": d.field,
                        "expected": d.expected,
                        "found": d.found,
                        "note": d.note,
                        "code": d.code,
                        "help": d.help,
                        "expected_at": files.address(&d.expected_at),
                        "made_at": d.made_at.as_ref().map(|span| files.address(span)),
                    })
                })
                .collect();
            let passed = test.result.passed();
            let missing = match passed {
                true => None,
                false => missing_answers(test.pipeline, &test.result.unanswered),
            };
            json!({
                "pipeline": test.pipeline.name,
                "step": test.step.name,
                "name": test.test.name,
                "place": files.address(&test.test.span),
                "passed": passed,
                "differences": differences,
                "missing_answers": missing,
            })
        })
        .collect();
    let failed = ran.iter().filter(|test| !test.result.passed()).count();
    format!(
        "{:#}\n",
        json!({
            "version": 1,
            "passed": ran.len() - failed,
            "failed": failed,
            "tests": tests,
            "coverage": coverage.map(|coverage| coverage.json(files)),
        })
    )
}
