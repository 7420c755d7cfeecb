use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use owo_colors::OwoColorize;

use super::{Context, Problem, files};
use crate::spec::{Loader, Unformatted, format};

/// Put files into one layout, comments kept; what they mean is never changed
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry fmt                        every file of the project\n  \
    orgferry fmt pipelines/customers.yaml --diff\n  \
    orgferry fmt --check                for CI: exit code 1 when a file is not in the layout\n  \
    orgferry fmt - < old.yaml > new.yaml\n\n\
The text that comes out is read again and compared with the one that went in: a file that would mean something else, or \
lose a comment, is left as it is, and told.")]
pub(super) struct Args {
    /// Files, or folders of them; `-` reads standard input and writes standard output [default: those of the project]
    files: Vec<PathBuf>,
    /// Change nothing; exit code 1 when a file is not in the layout
    #[arg(long)]
    check: bool,
    /// Change nothing; show what would change
    #[arg(long)]
    diff: bool,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    if args.files.iter().any(|path| path.as_os_str() == "-") {
        return standard(context, args);
    }
    let given = match args.files.is_empty() {
        true => files::of_project(context)?,
        false => args.files.clone(),
    };
    let mut loader = Loader::default();
    let paths: Vec<PathBuf> = given.iter().flat_map(|path| loader.expand(path)).collect();
    files::tell(context, &loader.findings, &loader.files);
    let (mut broken, mut changed) = (!loader.findings.is_empty(), 0usize);
    for path in &paths {
        let text = fs::read_to_string(path)
            .map_err(|e| Problem::usage(format!("cannot read `{}`: {e}", path.display())))?;
        let Some(formatted) = formatted(context, path, &text) else {
            broken = true;
            continue;
        };
        if formatted == text {
            continue;
        }
        changed += 1;
        if args.diff {
            context.terminal.print(&diff(path, &text, &formatted))?;
        }
        if args.check && !args.diff {
            context.terminal.print(&format!("{}\n", path.display()))?;
        }
        if !args.check && !args.diff {
            replace(path, &formatted)
                .map_err(|e| Problem::new(format!("cannot write `{}`: {e}", path.display())))?;
            context
                .terminal
                .say(&format!("{} {}\n", "formatted".dimmed(), path.display()));
        }
    }
    let count = paths.len();
    let plural = |n: usize| if n == 1 { "file" } else { "files" };
    context.terminal.say(&match (args.check || args.diff, changed) {
        (_, 0) => format!("{count} {} in the layout\n", plural(count)),
        (true, n) => format!("{n} of {count} {} would change\n", plural(count)),
        (false, n) => format!("{n} of {count} {} changed\n", plural(count)),
    });
    Ok(match (broken, args.check && changed > 0) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    })
}

fn standard(context: &Context, args: &Args) -> Result<u8, Problem> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| Problem::usage(format!("cannot read standard input: {e}")))?;
    let name = Path::new("standard input");
    let Some(formatted) = formatted(context, name, &text) else {
        return Ok(2);
    };
    let differs = formatted != text;
    if args.diff {
        context.terminal.print(&diff(name, &text, &formatted))?;
    } else if !args.check {
        context.terminal.print(&formatted)?;
    }
    Ok(u8::from(args.check && differs))
}

/// The text in the layout; why there is none is told.
fn formatted(context: &Context, path: &Path, text: &str) -> Option<String> {
    match format(path, text) {
        Ok(formatted) => Some(formatted),
        Err(Unformatted::Broken(files, findings)) => {
            files::tell(context, &findings, &files);
            None
        }
        Err(Unformatted::Differs(why)) => {
            Problem::new(format!("`{}` is left as it is: {why}", path.display())).tell(&context.terminal);
            None
        }
    }
}

/// Writes beside the file and puts it in its place, so that a full disk leaves the old one.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    let written = fs::write(&part, text)
        .and_then(|()| fs::set_permissions(&part, fs::metadata(&path)?.permissions()))
        .and_then(|()| fs::rename(&part, &path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

/// Lines around a change that are shown with it.
const AROUND: usize = 3;

/// A unified diff of two texts.
pub(super) fn diff(path: &Path, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let lines = edits(&old, &new);
    let mut out = format!("--- {0}\n+++ {0}\n", path.display());
    let mut at = 0;
    while let Some(first) = (at..lines.len()).find(|i| lines[*i].0 != ' ') {
        let from = first.saturating_sub(AROUND).max(at);
        let mut to = first;
        while let Some(next) = (to..lines.len().min(to + 2 * AROUND + 1)).find(|i| lines[*i].0 != ' ') {
            to = next + 1;
        }
        let end = (to + AROUND).min(lines.len());
        let count = |range: &[(char, &str)], sign: char| range.iter().filter(|(s, _)| *s != sign).count();
        let (before, hunk) = (&lines[..from], &lines[from..end]);
        out.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            count(before, '+') + 1,
            count(hunk, '+'),
            count(before, '-') + 1,
            count(hunk, '-')
        ));
        for (sign, line) in hunk {
            out.push(*sign);
            out.push_str(line);
            out.push('\n');
        }
        at = end;
    }
    out
}

/// Every line with what becomes of it: ` ` kept, `-` taken away, `+` added. By the longest common subsequence.
fn edits<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(char, &'t str)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (a, b) = (
        &old_rest[..old_rest.len() - tail],
        &new_rest[..new_rest.len() - tail],
    );
    // common[i][j]: the longest common subsequence of a[i..] and b[j..].
    let mut common = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let mut out: Vec<(char, &str)> = old[..head].iter().map(|line| (' ', *line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i]));
            i += 1;
            j += 1;
        } else if j == b.len() || i < a.len() && common[i + 1][j] >= common[i][j + 1] {
            out.push(('-', a[i]));
            i += 1;
        } else {
            out.push(('+', b[j]));
            j += 1;
        }
    }
    out.extend(old_rest[old_rest.len() - tail..].iter().map(|line| (' ', *line)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_what_is_around_them() {
        let old: Vec<String> = (1..=12).map(|n| format!("l{n}")).collect();
        let mut new = old.clone();
        new[1] = "two".into();
        new.remove(10);
        let found = diff(Path::new("a.yaml"), &old.join("\n"), &new.join("\n"));
        assert_eq!(
            found,
            "--- a.yaml\n+++ a.yaml\n@@ -1,5 +1,5 @@\n l1\n-l2\n+two\n l3\n l4\n l5\n@@ -8,5 +8,4 @@\n l8\n l9\n l10\n-l11\n l12\n"
        );
        assert_eq!(
            diff(Path::new("a"), "x\n", "x\ny\n"),
            "--- a\n+++ a\n@@ -1,1 +1,2 @@\n x\n+y\n"
        );
    }
}
