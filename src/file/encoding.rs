/// How letters become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark when it is read; without one when it is written.
    Utf8,
    /// UTF-8 that is written with a byte order mark, as spreadsheets want it.
    Utf8Mark,
    /// UTF-16, by its byte order mark, else little-endian; written little-endian with a mark.
    Utf16,
    /// Any other that the web knows.
    Other(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// The encoding of a name, whatever its case: `utf-8`, `windows-1252`, `utf-16`, `shift_jis`.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => return Some(Encoding::Utf8),
            "utf-8-bom" | "utf-8-sig" => return Some(Encoding::Utf8Mark),
            "utf-16" | "utf-16le" => return Some(Encoding::Utf16),
            _ => {}
        }
        let found = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())?;
        Some(Encoding::Other(found))
    }

    /// The name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 | Encoding::Utf8Mark => "UTF-8",
            Encoding::Utf16 => "UTF-16",
            Encoding::Other(encoding) => encoding.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_have_names() {
        for (name, expected) in [
            ("UTF-8", Some("UTF-8")),
            ("utf8", Some("UTF-8")),
            ("utf-8-bom", Some("UTF-8")),
            ("UTF-16", Some("UTF-16")),
            ("utf-16be", Some("UTF-16BE")),
            ("Windows-1252", Some("windows-1252")),
            ("latin1", Some("windows-1252")),
            ("iso-8859-15", Some("ISO-8859-15")),
            ("shift_jis", Some("Shift_JIS")),
            ("ebcdic", None),
            ("", None),
        ] {
            assert_eq!(Encoding::named(name).map(Encoding::name), expected, "{name}");
        }
    }
}
