use std::path::{Path, PathBuf};

use super::Span;

/// The user's files that were read, as text. A [`Span`] indexes into this.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    text: String,
}

/// A place as an editor shows it, both counted from 1. Columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Files {
    /// Adds a file under the path that messages shall show; gives its number.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> usize {
        self.files.push(File {
            path: path.into(),
            text: text.into(),
        });
        self.files.len() - 1
    }

    /// The file's text; empty for a number that was never given out.
    pub fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |f| &f.text)
    }

    /// The file's path, as messages show it.
    pub fn path(&self, file: usize) -> &Path {
        self.files.get(file).map_or(Path::new(""), |f| &f.path)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Line and column of a byte of a file. A byte beyond the end counts as the end.
    pub fn place(&self, file: usize, byte: usize) -> Place {
        let text = self.text(file);
        let byte = floor_char_boundary(text, byte);
        let before = &text[..byte];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Shows these bytes as `*` from now on. Places stay what they were: the length does not change.
    pub fn hide(&mut self, spans: &[Span]) {
        let ranges: Vec<_> = spans.iter().map(|span| (span.file, self.clamp(span))).collect();
        for (number, file) in self.files.iter_mut().enumerate() {
            let mut own = ranges.iter().filter(|(file, _)| *file == number).peekable();
            if own.peek().is_none() {
                continue;
            }
            let mut bytes = std::mem::take(&mut file.text).into_bytes();
            for (_, range) in own {
                let shown = |byte: &&mut u8| !matches!(**byte, b'\n' | b'\r');
                bytes[range.clone()]
                    .iter_mut()
                    .filter(shown)
                    .for_each(|byte| *byte = b'*');
            }
            // The ranges end between characters: what is left is text.
            file.text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    /// `path:line:column` of a span's start.
    pub fn address(&self, span: &Span) -> String {
        let place = self.place(span.file, span.range.start);
        format!(
            "{}:{}:{}",
            self.path(span.file).display(),
            place.line,
            place.column
        )
    }

    /// The span's bytes, moved onto character borders and into the file.
    pub(crate) fn clamp(&self, span: &Span) -> std::ops::Range<usize> {
        let text = self.text(span.file);
        let start = floor_char_boundary(text, span.range.start);
        let end = floor_char_boundary(text, span.range.end).max(start);
        start..end
    }
}

fn floor_char_boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        let mut files = Files::default();
        let file = files.add("a.yaml", "name: Zoë\nkäse: 1\n");
        for (byte, line, column) in [
            (0, 1, 1),
            (6, 1, 7),
            (9, 1, 9), // inside a letter of two bytes: its start
            (10, 1, 10),
            (11, 2, 1),
            (14, 2, 3),
            (999, 3, 1),
        ] {
            assert_eq!(files.place(file, byte), Place { line, column }, "byte {byte}");
        }
    }

    #[test]
    fn what_is_hidden_is_gone_and_moves_nothing() {
        let mut files = Files::default();
        let file = files.add("a.yaml", "a: sécret\nb: 1\n");
        files.hide(&[Span::new(file, 3..10)]);
        assert_eq!(files.text(file), "a: *******\nb: 1\n");
        files.hide(&[Span::new(7, 0..99)]);
    }
}
