//! Bytes of any encoding as UTF-8. What is no letter in the encoding is a fault with its line, never a question mark.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE};

use super::{Encoding, error::Fault};

const CHUNK: usize = 64 * 1024;

/// A reader of UTF-8 over a reader of anything.
pub(super) struct Decoded<R> {
    input: R,
    decoder: Decoder,
    name: &'static str,
    raw: Vec<u8>,
    raw_at: usize,
    text: Vec<u8>,
    text_at: usize,
    ended: bool,
    lines: u64,
    fault: Option<Fault>,
}

impl<R: Read> Decoded<R> {
    /// Looks at the first bytes: a byte order mark is taken away.
    pub(super) fn new(mut input: R, encoding: Encoding) -> io::Result<Self> {
        let mut raw = vec![0; 3];
        let mut have = 0;
        while have < raw.len() {
            match input.read(&mut raw[have..])? {
                0 => break,
                n => have += n,
            }
        }
        raw.truncate(have);
        let encoding = match (encoding, raw.as_slice()) {
            (Encoding::Utf8 | Encoding::Utf8Mark, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) => {
                return Err(Fault::new(
                    1,
                    "the file is UTF-16, and UTF-8 was expected",
                    "for a CSV file say so: `csv: { path: PATH, encoding: utf-16 }`",
                )
                .into());
            }
            (Encoding::Utf8 | Encoding::Utf8Mark, _) => UTF_8,
            (Encoding::Utf16, [0xFE, 0xFF, ..]) => UTF_16BE,
            (Encoding::Utf16, _) => UTF_16LE,
            (Encoding::Other(other), _) => other,
        };
        Ok(Decoded {
            input,
            decoder: encoding.new_decoder_with_bom_removal(),
            name: encoding.name(),
            raw,
            raw_at: 0,
            text: Vec::new(),
            text_at: 0,
            ended: false,
            lines: 0,
            fault: None,
        })
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.raw_at == self.raw.len() && !self.ended {
            self.raw.resize(CHUNK, 0);
            let n = self.input.read(&mut self.raw)?;
            self.raw.truncate(n);
            self.raw_at = 0;
            self.ended = n == 0;
        }
        let source = &self.raw[self.raw_at..];
        let room = self
            .decoder
            .max_utf8_buffer_length_without_replacement(source.len())
            .unwrap_or(CHUNK * 3);
        self.text.resize(room.max(16), 0);
        self.text_at = 0;
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(source, &mut self.text, self.ended);
        self.raw_at += read;
        self.text.truncate(written);
        self.lines += memchr::memchr_iter(b'\n', &self.text).count() as u64;
        if let DecoderResult::Malformed(..) = result {
            // The text before it is given out first, so that an earlier fault is told first.
            self.fault = Some(Fault::new(
                self.lines + 1,
                format!("a letter is not {}", self.name),
                "name the file's encoding: `csv: { path: PATH, encoding: windows-1252 }`, or save it as UTF-8",
            ));
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.text_at == self.text.len() {
            if let Some(fault) = self.fault.take() {
                return Err(fault.into());
            }
            if self.ended && self.raw_at == self.raw.len() {
                return Ok(0);
            }
            self.fill()?;
        }
        let n = buffer.len().min(self.text.len() - self.text_at);
        buffer[..n].copy_from_slice(&self.text[self.text_at..self.text_at + n]);
        self.text_at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::error::Stop;

    fn decoded(bytes: &[u8], encoding: &str) -> Result<String, Fault> {
        let mut text = String::new();
        // A reader that gives a byte at a time splits every letter.
        let slow = bytes
            .chunks(1)
            .map(io::Cursor::new)
            .fold(Box::new(io::empty()) as Box<dyn Read>, |all, one| {
                Box::new(all.chain(one))
            });
        let encoding = Encoding::named(encoding).expect(encoding);
        let read = Decoded::new(slow, encoding).and_then(|mut all| all.read_to_string(&mut text));
        match read.map_err(Stop::from) {
            Ok(_) => Ok(text),
            Err(Stop::Fault(fault)) => Err(fault),
            Err(Stop::Io(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn encodings_become_utf_8() {
        for (bytes, encoding, expected) in [
            (&b"a,b"[..], "utf-8", "a,b"),
            (b"\xEF\xBB\xBFa", "utf-8", "a"),
            (b"\xEF\xBB\xBF\xEF\xBB\xBFa", "utf-8", "\u{feff}a"),
            ("Grüße 😀".as_bytes(), "utf-8", "Grüße 😀"),
            (b"Gr\xFC\xDFe \x80", "windows-1252", "Grüße €"),
            (b"\xFF\xFEa\0\xFC\0", "utf-16", "aü"),
            (b"\xFE\xFF\0a\0\xFC", "utf-16", "aü"),
            (b"a\0\x3D\xD8\x00\xDE", "utf-16", "a😀"),
            (b"", "utf-8", ""),
            (b"\xEF", "windows-1252", "ï"),
        ] {
            assert_eq!(decoded(bytes, encoding).as_deref(), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_letter_has_a_line() {
        for (bytes, encoding, line, words) in [
            (&b"a\nb\nGr\xFC\xDFe\n"[..], "utf-8", 3, "a letter is not UTF-8"),
            (b"ab\xC3", "utf-8", 1, "a letter is not UTF-8"),
            (b"\xFF\xFEa\0", "utf-8", 1, "the file is UTF-16"),
            (b"a\0\x3D\xD8", "utf-16", 1, "a letter is not UTF-16LE"),
        ] {
            let fault = decoded(bytes, encoding).expect_err("a fault");
            assert_eq!(fault.line, line, "{bytes:?}");
            assert!(fault.message.starts_with(words), "{}", fault.message);
        }
    }
}
