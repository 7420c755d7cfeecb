use std::{fmt, str::FromStr};

/// An 18-character Salesforce Id, its suffix checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 18]);

/// Why a text is no Id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Neither 15 nor 18 letters and digits.
    #[error("`{0}` is no Salesforce Id: an Id has 15 or 18 letters and digits")]
    Shape(String),
    /// The last three characters do not belong to the first fifteen: somebody changed the letters' case.
    #[error("`{0}` is no Salesforce Id: its last three characters do not fit the rest")]
    Suffix(String),
}

impl Id {
    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The Id of fifteen letters and digits.
    pub(super) fn of_fifteen(fifteen: &[u8; 15]) -> Id {
        let mut id = [0; 18];
        id[..15].copy_from_slice(fifteen);
        id[15..].copy_from_slice(&suffix(fifteen));
        Id(id)
    }

    /// The three characters that tell the object, `001` for Account.
    pub fn prefix(&self) -> &str {
        &self.as_str()[..3]
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 15 | 18) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(IdError::Shape(text.to_owned()));
        }
        let mut fifteen = [0; 15];
        fifteen.copy_from_slice(&bytes[..15]);
        let id = Id::of_fifteen(&fifteen);
        if bytes.len() == 18 && !bytes[15..].eq_ignore_ascii_case(&id.0[15..]) {
            return Err(IdError::Suffix(text.to_owned()));
        }
        Ok(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The 18-character form of an Id of either length; other texts stay as they are.
pub fn id18(text: &str) -> compact_str::CompactString {
    if text.len() == 15
        && let Ok(id) = Id::from_str(text)
    {
        return compact_str::CompactString::new(id.as_str());
    }
    compact_str::CompactString::new(text)
}

/// Whether two texts name one record, be they of 15 or 18 characters.
pub fn same_id(a: &str, b: &str) -> bool {
    id18(a) == id18(b)
}

/// Five letters a character: bit i says whether letter i is a capital.
pub(super) fn suffix(fifteen: &[u8; 15]) -> [u8; 3] {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut out = [0; 3];
    let (groups, _) = fifteen.as_chunks::<5>();
    for (slot, group) in out.iter_mut().zip(groups) {
        let mut bits = 0;
        for (i, c) in group.iter().enumerate() {
            bits |= usize::from(c.is_ascii_uppercase()) << i;
        }
        *slot = ALPHABET[bits];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_recorded_ids() {
        for (short, suffix) in [
            ("00523000002KbrQ", "AAS"),
            ("7506g00000DhRA2", "AAN"),
            ("001D000000K0fXO", "IAZ"),
            ("01gRO0000016PIA", "YA2"),
            ("003RO0000035WQg", "YAM"),
            ("001000000000000", "AAA"),
        ] {
            assert_eq!(
                short.parse::<Id>().expect(short).as_str(),
                format!("{short}{suffix}")
            );
        }
    }

    #[test]
    fn wrong_ids_say_why() {
        assert!(matches!("001".parse::<Id>(), Err(IdError::Shape(_))));
        assert!(matches!(
            "001d000000K0fXOIAZ".parse::<Id>(),
            Err(IdError::Suffix(_))
        ));
        assert!(matches!("001D000000K0f-O".parse::<Id>(), Err(IdError::Shape(_))));
    }

    #[test]
    fn both_lengths_are_one_record() {
        assert!(same_id("001D000000K0fXO", "001D000000K0fXOIAZ"));
        assert_eq!(id18("K-1"), "K-1");
    }
}
