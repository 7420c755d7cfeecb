//! Faults that few people ever see, by a part of the YAML reader's message for each. None of its words reaches the
//! user: what is in no list here is told as "cannot be read".

/// A part of the reader's message; then what is wrong, what stands at the place, and the way out.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    (
        "simple key",
        "this line is no key and no value",
        "no `: ` makes a key of it",
        "give it a colon and a value, or indent it below the key whose text it is part of",
    ),
    (
        "<document start>",
        "this line belongs to nothing above it",
        "what stands above is a whole file already",
        "keys of one level start alike: look at the indentation of the first line",
    ),
    (
        "comments must be separated",
        "a comment needs a space in front of its `#`",
        "this `#` follows a value",
        "put a space before it, or the value in quotes",
    ),
    (
        "valid YAML whitespace",
        "a space is missing here",
        "`:` and `-` need one behind them",
        "put a space behind the sign, or the text in quotes",
    ),
    (
        "expected whitespace",
        "a space is missing here",
        "what stands before has ended",
        "put a space between the two, or the whole text in quotes",
    ),
    (
        "sequence entries are not allowed",
        "an entry of a list cannot start here",
        "`- ` starts an entry",
        "start the list on the line below its key, or put a text that begins with `- ` in quotes",
    ),
    (
        "only valid inside a block",
        "an entry of a list cannot start here",
        "inside of `[ ]` and `{ }` there is no `- `",
        "separate the entries by commas: [A, B]",
    ),
    (
        "cannot start with '-'",
        "a value cannot start with `-` and a bracket or comma",
        "YAML reads `-` as the start of an entry",
        "put the value in quotes",
    ),
    (
        "hexadecimal",
        "this escape is not complete",
        "`\\x`, `\\u` and `\\U` need 2, 4 and 8 digits, each 0-9 or a-f",
        "in '...' a `\\` is a letter like any other; in \"...\" write it twice",
    ),
    (
        "surrogate",
        "this escape stands for no letter",
        "only half of one",
        "write the letter itself",
    ),
    (
        "escape code",
        "this escape stands for no letter",
        "there is no such letter",
        "write the letter itself",
    ),
    (
        "document indicator",
        "a text in quotes does not end before this line",
        "`---` and `...` start and end a file",
        "close the text with its quote",
    ),
    (
        "directive",
        "a line that starts with `%` means something to YAML only",
        "not part of this language",
        "leave the line out, or put the text in quotes",
    ),
    (
        "tag",
        "a value that starts with `!` means something to YAML only",
        "not part of this language",
        "put the value in quotes",
    ),
    (
        "!!binary",
        "a value that starts with `!` means something to YAML only",
        "not part of this language",
        "put the value in quotes",
    ),
    (
        "handle wasn't declared",
        "a value that starts with `!` means something to YAML only",
        "not part of this language",
        "put the value in quotes",
    ),
    (
        "anchor or alias",
        "this sign needs a name behind it",
        "`&` names a value, `*` stands for a named one",
        "put the value in quotes if it is a text",
    ),
    (
        "recursive",
        "a value cannot hold itself",
        "stands for what it is a part of",
        "write the value out",
    ),
    (
        "mapping keys are not allowed",
        "a key cannot start here",
        "`? ` starts a key",
        "put a text that begins with `? ` in quotes",
    ),
    (
        "may not precede",
        "a space is missing behind this colon",
        "a key, a colon, a space, a value",
        "put a space behind the colon",
    ),
    (
        "placement of ':'",
        "a colon cannot stand here",
        "it follows no key",
        "put a text that begins with `:` in quotes",
    ),
    (
        "BOM",
        "a byte order mark stands inside of the file",
        "it cannot be seen",
        "remove it; two files may have been joined",
    ),
    (
        "document end",
        "more stands behind the end of the file",
        "`...` has ended it",
        "leave the line with `...` out",
    ),
    (
        "eof",
        "the file ends too early",
        "something is still open here",
        "close the quotes and brackets above",
    ),
    (
        "end of",
        "the file ends too early",
        "something is still open here",
        "close the quotes and brackets above",
    ),
    (
        "found a tab",
        "a tab cannot stand here",
        "a tab",
        "put spaces in its place, or the text in quotes",
    ),
    (
        "node content",
        "a value is missing here",
        "nothing that could be one",
        "write a value, `null` for nothing, or put a text in quotes",
    ),
];

/// What is wrong, what stands at the place, and the way out.
pub(super) fn words(raw: &str) -> (&'static str, &'static str, &'static str) {
    FAULTS.iter().find(|(part, ..)| raw.contains(part)).map_or(
        (
            "the file cannot be read from here on",
            "this is no valid YAML",
            "look at the indentation, quotes and brackets of this line and the one above",
        ),
        |(_, message, label, help)| (message, label, help),
    )
}
