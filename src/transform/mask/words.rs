//! The words that masked names are made of.

use super::draw::Draw;

/// First halves of names.
const HEADS: [&str; 64] = [
    "Al", "An", "Ar", "Bel", "Ber", "Bran", "Bren", "Cal", "Car", "Cor", "Dal", "Dar", "Del", "Dor", "Ed",
    "El", "Em", "Er", "Fal", "Fen", "Fin", "Gal", "Gar", "Gil", "Hal", "Har", "Hel", "Hol", "Il", "Is",
    "Jan", "Jor", "Kar", "Kel", "Kor", "Lan", "Lar", "Lor", "Mal", "Mar", "Mer", "Mir", "Nal", "Nor", "Ol",
    "Or", "Pel", "Per", "Quin", "Ral", "Ren", "Ros", "Sal", "Sel", "Sor", "Tal", "Ter", "Tor", "Ul", "Val",
    "Ver", "Wal", "Wen", "Yor",
];

/// Second halves.
const TAILS: [&str; 64] = [
    "a", "ana", "ard", "as", "bert", "by", "cott", "da", "dale", "den", "der", "dine", "dor", "en", "er",
    "ett", "ette", "fin", "ford", "gan", "gard", "ia", "ian", "ick", "in", "ina", "ine", "is", "kin", "la",
    "lan", "land", "lee", "ler", "let", "ley", "lin", "lock", "low", "man", "mer", "mond", "mont", "na",
    "ner", "nor", "on", "or", "ric", "rin", "ron", "sen", "set", "son", "stead", "ta", "ter", "tin", "ton",
    "vin", "wald", "well", "win", "wood",
];

/// Words in names that name nobody: titles, particles, legal forms. In lower case.
const KEPT: [&str; 44] = [
    "mr", "mrs", "ms", "miss", "dr", "prof", "sir", "herr", "frau", "jr", "sr", "ii", "iii", "iv", "von",
    "van", "der", "den", "de", "del", "della", "di", "da", "du", "la", "le", "el", "al", "bin", "and", "und",
    "inc", "ltd", "llc", "llp", "plc", "gmbh", "ag", "kg", "sa", "srl", "corp", "co", "bv",
];

/// Words beside phone numbers. In lower case.
const OF_PHONES: [&str; 14] = [
    "ext",
    "extn",
    "extension",
    "x",
    "tel",
    "fax",
    "mobile",
    "mob",
    "cell",
    "phone",
    "ph",
    "home",
    "work",
    "office",
];

/// A name of one word.
pub(super) fn name(draw: &mut Draw) -> String {
    format!("{}{}", draw.one(&HEADS), draw.one(&TAILS))
}

/// Whether a character goes on with a word: letters, and the marks that are set upon them.
pub(super) fn in_word(c: char) -> bool {
    c.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(&c)
}

/// Whether a word of a name, in lower case, tells nothing of anybody.
pub(super) fn is_kept(word: &str) -> bool {
    KEPT.contains(&word)
}

/// Whether a word, in lower case, belongs to phone numbers.
pub(super) fn is_of_phones(word: &str) -> bool {
    OF_PHONES.contains(&word)
}

/// `BREN` and `bren` as `Bren`.
pub(super) fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first
            .to_uppercase()
            .chain(chars.as_str().to_lowercase().chars())
            .collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_distinct() {
        for list in [&HEADS[..], &TAILS[..], &KEPT[..], &OF_PHONES[..]] {
            let set: HashSet<&&str> = list.iter().collect();
            assert_eq!(set.len(), list.len());
        }
    }
}
