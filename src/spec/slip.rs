//! Lines that start too far left or too far right.
//!
//! YAML knows by indentation alone what belongs to what, so a slip there is noticed late: the next line fits nowhere,
//! or a key turns up where nobody knows it. When moving one line near such a complaint leaves nothing to complain
//! about, that line is what slipped: it is complained about instead, and the file is read on as it was probably meant.

use std::{cmp::Ordering, collections::BTreeSet, ops::Range};

use crate::diag::{Finding, Span};

use super::{
    node::{Kind, Node},
    yaml_fault,
};

/// Complaints from which on nobody looks for a slip near them: the first ones tell.
const COMPLAINTS: usize = 3;

/// Bytes of a text above which trying takes too long.
const LONGEST: usize = 1 << 18;

/// How far a level is indented in most files.
const STEP: usize = 2;

/// A line that has to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slip {
    /// Its indentation, from the line's start to its first letter.
    indentation: Range<usize>,
    /// How many spaces were probably meant.
    spaces: usize,
}

/// What becomes of a text; lines count from 0.
pub(super) struct Judged {
    /// The lines at which it is complained about.
    pub(super) told: Vec<usize>,
    /// The lines at which keys and entries of lists stand.
    pub(super) entries: BTreeSet<usize>,
}

/// The slip that explains complaints at lines of a text. `judge` tells of a text what it comes to; `None`: it is no
/// YAML.
pub(super) fn find(text: &str, told: &[usize], judge: impl Fn(&str) -> Option<Judged>) -> Option<Slip> {
    if text.len() > LONGEST || told.is_empty() {
        return None;
    }
    let lines = Lines::of(text);
    let now = judge(text);
    let told = &told[..told.len().min(COMPLAINTS)];
    let mut best: Option<((usize, usize), Slip)> = None;
    for at in lines.near(told) {
        // A complaint at the line itself says what is wrong with it.
        if now.as_ref().is_some_and(|now| now.told.contains(&at)) || !lines.is_suspicious(at) {
            continue;
        }
        for spaces in lines.places(at) {
            let slip = Slip {
                indentation: lines.all[at].indentation(),
                spaces,
            };
            let Some(left) = judge(&slip.mended(text)) else {
                continue;
            };
            // A line that has become a part of a text is gone, not mended.
            let mends = left.entries.contains(&at)
                && !left.told.iter().any(|line| *line == at || told.contains(line))
                && now.as_ref().is_none_or(|now| left.told.len() < now.told.len());
            let far = spaces.abs_diff(lines.all[at].indent);
            let rank = (left.told.len(), far);
            if mends && best.as_ref().is_none_or(|(other, _)| rank < *other) {
                best = Some((rank, slip));
            }
        }
    }
    best.map(|(_, slip)| slip)
}

impl Slip {
    /// The text with the line where it was probably meant.
    pub(super) fn mended(&self, text: &str) -> String {
        let mut mended = text.to_owned();
        mended.replace_range(self.indentation.clone(), &" ".repeat(self.spaces));
        mended
    }

    /// Where a byte of the mended text stands in the text.
    fn original(&self, at: usize) -> usize {
        let start = self.indentation.start;
        match at.cmp(&(start + self.spaces)) {
            Ordering::Less => at.min(self.indentation.end),
            Ordering::Equal | Ordering::Greater => at - self.spaces + self.indentation.len(),
        }
    }

    fn original_span(&self, span: &mut Span, file: usize) {
        *span = Span::new(
            file,
            self.original(span.range.start)..self.original(span.range.end),
        );
    }

    /// Gives a tree of the mended text the places of the text.
    pub(super) fn restore(&self, node: &mut Node, file: usize) {
        self.original_span(&mut node.span, file);
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.restore(item, file)),
            Kind::Map(entries) => {
                for entry in entries {
                    self.original_span(&mut entry.key.span, file);
                    self.restore(&mut entry.value, file);
                }
            }
            Kind::Scalar(_) | Kind::Broken => {}
        }
    }

    /// The same for what was complained about.
    pub(super) fn restore_finding(&self, finding: &mut Finding, file: usize) {
        self.original_span(&mut finding.primary.span, file);
        for label in &mut finding.others {
            self.original_span(&mut label.span, file);
        }
    }

    /// The complaint.
    pub(super) fn finding(&self, text: &str, file: usize) -> Finding {
        let lines = Lines::of(text);
        let at = text[..self.indentation.start].matches('\n').count();
        let line = &lines.all[at];
        let spaces = |n: usize| format!("{n} space{}", if n == 1 { "" } else { "s" });
        if let Some(tab) = text[self.indentation.clone()].find('\t') {
            return yaml_fault::tab(self.indentation.start + tab, file).help(match self.spaces {
                0 => "this line probably belongs at the beginning of the line".to_owned(),
                _ => format!("this line probably starts with {}", spaces(self.spaces)),
            });
        }
        let name = match line.key() {
            Some(key) => format!("`{key}`"),
            None => "this entry of a list".to_owned(),
        };
        let side = if self.spaces > line.indent {
            "left"
        } else {
            "right"
        };
        let finding = Finding::error(
            "wrong-indentation",
            Span::new(file, line.content()),
            format!("{name} starts too far {side}"),
        )
        .label(match line.indent {
            0 => "not indented".to_owned(),
            indent => format!("indented by {}", spaces(indent)),
        });
        match lines.owner(at, self.spaces) {
            Some(owner) => {
                let owner = &lines.all[owner];
                let to = owner
                    .key()
                    .map_or_else(|| "the entry above".to_owned(), |key| format!("`{key}`"));
                finding
                    .also(
                        Span::new(file, owner.content()),
                        format!("{name} probably belongs to this"),
                    )
                    .help(format!(
                        "if it belongs to {to}, indent it by {}",
                        spaces(self.spaces)
                    ))
            }
            None => finding.help("if it belongs to the whole file, start it at the beginning of the line"),
        }
    }
}

struct Line<'t> {
    start: usize,
    /// White space in front, in bytes.
    indent: usize,
    /// Spaces in front, up to the first tab.
    spaces: usize,
    /// What stands on it, without white space around it.
    text: &'t str,
}

impl Line<'_> {
    fn indentation(&self) -> Range<usize> {
        self.start..self.start + self.indent
    }

    fn content(&self) -> Range<usize> {
        let start = self.start + self.indent;
        start..start + self.text.len()
    }

    /// Whether it is more than a comment.
    fn counts(&self) -> bool {
        !self.text.is_empty() && !self.text.starts_with('#')
    }

    fn is_item(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }

    fn key(&self) -> Option<&str> {
        key_of(self.text).filter(|_| !self.is_item())
    }
}

fn key_of(text: &str) -> Option<&str> {
    let key = match text.split_once(": ") {
        Some((key, _)) => key,
        None => text.strip_suffix(':')?,
    };
    (!key.starts_with(['{', '['])).then(|| key.trim_matches(['"', '\'']))
}

/// Whether more of a value has to follow below: a text of several lines, what an anchor names, an open bracket.
fn opens(text: &str) -> bool {
    let count = |signs: [char; 2]| text.matches(signs).count();
    let last = text.rsplit(' ').next().unwrap_or_default();
    last.starts_with(['&', '|', '>']) || count(['{', '[']) > count(['}', ']'])
}

struct Lines<'t> {
    all: Vec<Line<'t>>,
    /// Whether lists start below their key, `tests:` and `- name: x` at one level, as often as not.
    flat: bool,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let mut end = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let bare = line.trim_start_matches([' ', '\t']);
            let start = end;
            end += line.len();
            Line {
                start,
                indent: line.len() - bare.len(),
                spaces: line.len() - line.trim_start_matches(' ').len(),
                text: bare.trim_end(),
            }
        });
        let mut lines = Lines {
            all: lines.collect(),
            flat: true,
        };
        let mut flat = 0;
        let mut deeper = 0;
        for at in (0..lines.all.len()).filter(|at| lines.all[*at].is_item()) {
            let indent = lines.all[at].indent;
            // The first entry speaks for its list.
            if let Some(owner) = lines
                .owner(at, indent)
                .filter(|owner| lines.above(at) == Some(*owner))
            {
                *(if lines.all[owner].indent == indent {
                    &mut flat
                } else {
                    &mut deeper
                }) += 1;
            }
        }
        // One such list alone may be the slip.
        lines.flat = flat > 1 && flat >= deeper;
        lines
    }

    fn above(&self, at: usize) -> Option<usize> {
        (0..at.min(self.all.len()))
            .rev()
            .find(|at| self.all[*at].counts())
    }

    fn below(&self, at: usize) -> Option<usize> {
        (at + 1..self.all.len()).find(|at| self.all[*at].counts())
    }

    /// The lines of complaints and those around them, each once: two above, one below, and those that hold it.
    fn near(&self, told: &[usize]) -> Vec<usize> {
        let mut near = Vec::new();
        for told in told.iter().filter(|told| **told < self.all.len()) {
            near.push(*told);
            near.extend(self.below(*told));
            let mut held = usize::MAX;
            let mut above = self.above(*told);
            for nth in 0.. {
                let Some(at) = above.filter(|_| held > 0) else {
                    break;
                };
                if nth < 2 || self.all[at].indent < held {
                    near.push(at);
                }
                held = held.min(self.all[at].indent);
                above = self.above(at);
            }
        }
        let mut seen = BTreeSet::new();
        near.retain(|at| seen.insert(*at));
        near
    }

    /// Whether a line may have slipped: it holds a key or starts an entry of a list, and it or what follows it does
    /// not stand where it would in a tidy file. In a tidy file nothing has slipped, and nobody has to try.
    fn is_suspicious(&self, at: usize) -> bool {
        let line = &self.all[at];
        line.counts()
            && (line.is_item() || line.key().is_some())
            && (!self.is_tidy(at, line.indent)
                || self
                    .below(at)
                    .is_some_and(|below| !self.is_tidy(below, self.all[below].indent)))
    }

    /// Whether a line that starts with so many spaces is one step deeper than what holds it, and that can hold it.
    fn is_tidy(&self, at: usize, spaces: usize) -> bool {
        let Some(owner) = self.owner(at, spaces) else {
            return spaces == 0;
        };
        let owner = &self.all[owner];
        let deeper = spaces - owner.indent;
        let bare = owner.text.trim_start_matches(['-', ' ']);
        if owner.is_item() {
            // The keys of an entry stand behind its sign; what a key of the first line holds, deeper.
            let holds = bare.ends_with(':') || opens(bare);
            return (deeper == STEP && (holds || key_of(bare).is_some()) || deeper == 2 * STEP && holds)
                && (deeper == 2 * STEP || !self.all[at].is_item());
        }
        if bare.ends_with(':') {
            return deeper == STEP || (deeper == 0 && self.flat && self.all[at].is_item());
        }
        deeper == STEP && opens(bare)
    }

    /// Where else a line may start in a tidy file: below a line above, or beside it.
    fn places(&self, at: usize) -> Vec<usize> {
        let mut places = vec![0];
        let mut held = usize::MAX;
        let mut above = self.above(at);
        while let Some(line) = above.filter(|_| held > 0).map(|above| &self.all[above]) {
            if line.indent < held {
                held = line.indent;
                places.extend([held, held + STEP, held + 2 * STEP]);
            }
            above = above.and_then(|above| self.above(above));
        }
        places.sort_unstable();
        places.dedup();
        let line = &self.all[at];
        places.retain(|spaces| {
            let tab = line.indent != line.spaces;
            (*spaces != line.indent || tab) && self.is_tidy(at, *spaces)
        });
        places
    }

    /// The line to which one would belong that starts with so many spaces.
    fn owner(&self, at: usize, spaces: usize) -> Option<usize> {
        let item = self.all[at].is_item();
        (0..at).rev().find(|above| {
            let line = &self.all[*above];
            line.counts() && (line.indent < spaces || (item && line.indent == spaces && !line.is_item()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::spec::Loader;

    fn told(text: &str) -> Vec<(usize, String, String)> {
        let mut loader = Loader::default();
        loader.parse(Path::new("a.yaml"), text.to_owned(), None);
        let files = &loader.files;
        loader
            .findings
            .iter()
            .map(|f| {
                let place = files.place(f.primary.span.file, f.primary.span.range.start);
                (place.line, f.message.clone(), f.help.join("; "))
            })
            .collect()
    }

    const RIGHT: &str = "version: 1\nfrom: hq   # from there\nto: emea\nsteps:\n  accounts:\n    source:\n      soql: |\n        SELECT Id, Name\n        FROM Account\n    target: { object: Account, key: Id }\n    map:\n      Id: Id\n      Name: Name\n    tests:\n      - name: one\n        given: { Id: A }\n        expect: { Id: A }\n";

    #[test]
    fn a_slip_is_told_at_its_line() {
        assert_eq!(told(RIGHT), []);
        for (line, was, now, message, help) in [
            (
                1,
                "version",
                " version",
                "`version` starts too far right",
                "if it belongs to the whole file, start it at the beginning of the line",
            ),
            (
                3,
                "to: emea",
                "  to: emea",
                "`to` starts too far right",
                "if it belongs to the whole file, start it at the beginning of the line",
            ),
            (
                6,
                "    source",
                "  source",
                "`source` starts too far left",
                "if it belongs to `accounts`, indent it by 4 spaces",
            ),
            (
                7,
                "      soql",
                "        soql",
                "`soql` starts too far right",
                "if it belongs to `source`, indent it by 6 spaces",
            ),
            (
                11,
                "    map",
                "  map",
                "`map` starts too far left",
                "if it belongs to `accounts`, indent it by 4 spaces",
            ),
            (
                14,
                "    tests",
                "  tests",
                "`tests` starts too far left",
                "if it belongs to `accounts`, indent it by 4 spaces",
            ),
            (
                15,
                "      - name",
                "     - name",
                "this entry of a list starts too far left",
                "if it belongs to `tests`, indent it by 6 spaces",
            ),
            (
                3,
                "to: emea",
                "\tto: emea",
                "a tab is no indentation in YAML",
                "indent with spaces, two for each level; this line probably belongs at the beginning of the line",
            ),
        ] {
            assert!(RIGHT.contains(was), "{was}");
            let found = told(&RIGHT.replacen(was, now, 1));
            assert_eq!(found, [(line, message.to_owned(), help.to_owned())], "{now}");
        }
    }

    #[test]
    fn what_is_wrong_beside_a_slip_is_told_at_its_place() {
        let text = RIGHT
            .replace("    source", "  source")
            .replace("expect: {", "expct: {");
        let found = told(&text);
        let lines: Vec<usize> = found.iter().map(|(line, ..)| *line).collect();
        assert_eq!(lines, [6, 17], "{found:?}");
    }

    #[test]
    fn what_no_move_mends_is_left_to_others() {
        for text in [
            RIGHT.replace("    map:", "    map"),
            RIGHT.replace("    target: {", "    target: "),
            RIGHT.replace("key: Id }", "kye: Id }"),
        ] {
            let found = told(&text);
            assert!(!found.is_empty());
            assert!(
                found.iter().all(|(_, message, _)| !message.contains("too far")),
                "{found:?}"
            );
        }
    }
}
