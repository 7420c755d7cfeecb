//! Results as JUnit XML, in the form that CI servers agree on: a suite for each pipeline, `PIPELINE.STEP` as the class,
//! a `failure` with the differences.
//! <https://github.com/testmoapp/junitxml> describes what they read.

use std::io;

use quick_xml::{Writer, events::BytesText};

use super::{Ran, text::missing_answers};
use crate::{cli::Problem, diag::Files, transform::Difference};

pub(super) fn render(ran: &[Ran<'_>], files: &Files) -> Result<String, Problem> {
    let broken = |e: io::Error| Problem::new(format!("the results cannot be written as XML: {e}"));
    let mut out = br#"<?xml version="1.0" encoding="UTF-8"?>"#.to_vec();
    out.push(b'\n');
    let mut writer = Writer::new_with_indent(&mut out, b' ', 2);
    suites(&mut writer, ran, files).map_err(broken)?;
    out.push(b'\n');
    String::from_utf8(out).map_err(|e| broken(io::Error::other(e)))
}

fn suites<W: io::Write>(writer: &mut Writer<W>, ran: &[Ran<'_>], files: &Files) -> io::Result<()> {
    writer
        .create_element("testsuites")
        .with_attribute(("name", "orgferry test"))
        .with_attributes(counts(ran).iter().map(|(k, v)| (*k, v.as_str())))
        .write_inner_content(|writer| {
            // Two files may give their pipelines one name: each has a suite of its own.
            for suite in ran.chunk_by(|a, b| std::ptr::eq(a.pipeline, b.pipeline)) {
                let Some(first) = suite.first() else { continue };
                let name = clean(&first.pipeline.name);
                let file = clean(&first.pipeline.file.display().to_string());
                writer
                    .create_element("testsuite")
                    .with_attribute(("name", name.as_str()))
                    .with_attribute(("file", file.as_str()))
                    .with_attributes(counts(suite).iter().map(|(k, v)| (*k, v.as_str())))
                    .write_inner_content(|writer| {
                        suite.iter().try_for_each(|test| case(writer, test, files))
                    })?;
            }
            Ok(())
        })?;
    Ok(())
}

fn counts(ran: &[Ran<'_>]) -> [(&'static str, String); 5] {
    let failed = ran.iter().filter(|test| !test.result.passed()).count();
    let seconds: f64 = ran.iter().map(|test| test.seconds).sum();
    [
        ("tests", ran.len().to_string()),
        ("failures", failed.to_string()),
        ("errors", "0".to_owned()),
        ("skipped", "0".to_owned()),
        ("time", format!("{seconds:.6}")),
    ]
}

fn case<W: io::Write>(writer: &mut Writer<W>, test: &Ran<'_>, files: &Files) -> io::Result<()> {
    let span = &test.test.span;
    let class = clean(&format!("{}.{}", test.pipeline.name, test.step.name));
    let name = clean(&test.test.name);
    let file = clean(&files.path(span.file).display().to_string());
    let line = files.place(span.file, span.range.start).line.to_string();
    let time = format!("{:.6}", test.seconds);
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("name", name.as_str()))
        .with_attribute(("file", file.as_str()))
        .with_attribute(("line", line.as_str()))
        .with_attribute(("time", time.as_str()));
    let Some(first) = test.result.differences.first() else {
        element.write_empty()?;
        return Ok(());
    };
    let kind = first.code.as_deref().unwrap_or("difference");
    let message = clean(&summary(first, test.result.differences.len() - 1));
    let text = clean(&details(test, files));
    element.write_inner_content(|writer| {
        writer
            .create_element("failure")
            .with_attribute(("type", kind))
            .with_attribute(("message", message.as_str()))
            .write_text_content(BytesText::new(&text))?;
        Ok(())
    })?;
    Ok(())
}

/// The first difference in one line.
fn summary(first: &Difference, more: usize) -> String {
    let what = match first.field.as_str() {
        "" => String::new(),
        field => format!("{field}: "),
    };
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{what}expected {}, found {}{more}", first.expected, first.found)
}

/// All of them, with their places, and what to do.
fn details(test: &Ran<'_>, files: &Files) -> String {
    let mut out = String::new();
    for difference in &test.result.differences {
        if !difference.field.is_empty() {
            out.push_str(&format!("{}\n", difference.field));
        }
        let expected_at = files.address(&difference.expected_at);
        out.push_str(&format!("  expected  {}   {expected_at}\n", difference.expected));
        out.push_str(&format!("  found     {}", difference.found));
        if let Some(made_at) = &difference.made_at {
            out.push_str(&format!("   {}", files.address(made_at)));
        }
        out.push('\n');
        for line in difference.note.iter().chain(&difference.help) {
            out.push_str(&format!("  {line}\n"));
        }
    }
    if let Some(missing) = missing_answers(test.pipeline, &test.result.unanswered) {
        out.push_str(&format!(
            "the mapping asks what the test does not answer; add to it:\n{missing}\n"
        ));
    }
    out
}

/// XML has no way to write most control characters (XML 1.0, section 2.2).
fn clean(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.chars()
        .map(|c| if allowed(c) { c } else { '\u{fffd}' })
        .collect()
}
