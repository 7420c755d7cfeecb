//! Values without parts: texts, words, numbers.

use super::{Check, NodeKey};
use crate::{
    diag::{Finding, all_of, did_you_mean, one_of},
    spec::{
        node::{Kind, Node, Plain, Scalar},
        shape::{TextKind, Word},
    },
};

impl Check<'_> {
    pub(super) fn scalar(
        &mut self,
        node: &mut Node,
        owner: &NodeKey,
        expected: &str,
        fits: fn(Plain) -> bool,
    ) {
        match node.scalar().map(Scalar::plain) {
            Some(plain) if fits(plain) => {}
            Some(Plain::Text) if expected == "true or false" => {
                let said = node.text().unwrap_or_default().to_lowercase();
                let help = match said.as_str() {
                    "yes" | "on" | "y" | "true" => Some("write true".to_owned()),
                    "no" | "off" | "n" | "false" => Some("write false".to_owned()),
                    _ => None,
                };
                self.wrong_type(node, owner, expected, help);
            }
            _ => self.wrong_type(node, owner, expected, None),
        }
    }

    pub(super) fn text(&mut self, node: &mut Node, kind: &'static TextKind, owner: &NodeKey) {
        let Some(scalar) = node.scalar() else {
            self.wrong_type(node, owner, kind.noun, None);
            return;
        };
        if scalar.plain() == Plain::Null && scalar.text.is_empty() {
            self.no_value(node, owner, kind.noun);
        } else if scalar.plain() == Plain::Null {
            let written = scalar.text.clone();
            let message = match owner.text.as_str() {
                "" => format!("expected {}", kind.noun),
                key => format!("`{key}` takes {}", kind.noun),
            };
            self.findings.push(
                Finding::error("wrong-type", node.head(self.files), message)
                    .label(format!("`{written}` is nothing"))
                    .help(format!(
                        "write a value, or leave the key out; if that is the text, put it in quotes: \"{written}\""
                    )),
            );
            node.kind = Kind::Broken;
        } else if !kind.pattern.is_empty() && matches!(scalar.plain(), Plain::Bool(_)) {
            let help = format!("if that is its name, put it in quotes: \"{}\"", scalar.text);
            self.wrong_type(node, owner, kind.noun, Some(help));
        } else if !(kind.allows)(&scalar.text) {
            let message = match owner.text.as_str() {
                "" => format!("expected {}", kind.noun),
                key => format!("`{key}` takes {}", kind.noun),
            };
            let finding = Finding::error("wrong-type", node.head(self.files), message)
                .label(format!("{} is none", shorten(&scalar.text)));
            self.findings.push(match mended(&scalar.text, kind) {
                Some(mended) => finding.help(format!("write `{mended}`")),
                None => finding,
            });
            node.kind = Kind::Broken;
        }
    }

    pub(super) fn word(&mut self, node: &mut Node, words: &'static [Word], owner: &NodeKey) {
        let built = || words.iter().filter(|w| w.built).map(|w| w.text);
        let Some(scalar) = node.scalar() else {
            self.wrong_type(node, owner, &one_of(built()), None);
            return;
        };
        let text = scalar.text.clone();
        match words.iter().find(|word| word.text == text) {
            Some(word) if word.built => return,
            Some(word) => {
                let known = format!("this version knows {}", all_of(built()));
                self.not_yet(
                    &format!("`{}: {}`", owner.text, word.text),
                    node.head(self.files),
                    &known,
                );
            }
            None if text.is_empty() => {
                self.no_value(node, owner, &one_of(built()));
                return;
            }
            None => {
                let finding = Finding::error(
                    "unknown-word",
                    node.head(self.files),
                    format!("`{}` cannot be {}", owner.text, shorten(&text)),
                )
                .label(format!("expected {}", one_of(built())));
                self.findings
                    .push(match did_you_mean(&text, words.iter().map(|w| w.text)) {
                        Some(near) => finding.help(format!("did you mean `{near}`?")),
                        None if words.len() == 1 => {
                            finding.help(format!("a list needs brackets: `{}: [{text}]`", owner.text))
                        }
                        None => finding,
                    });
            }
        }
        node.kind = Kind::Broken;
    }

    pub(super) fn integer(&mut self, node: &mut Node, min: u64, max: u64, owner: &NodeKey) {
        let number = node
            .scalar()
            .filter(|s| s.plain() == Plain::Number)
            .map(|s| s.text.clone());
        let Some(text) = number else {
            self.wrong_type(node, owner, "a whole number", None);
            return;
        };
        match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => {}
            _ => {
                let range = if min == max {
                    format!("`{min}`")
                } else {
                    format!("a whole number from {min} to {max}")
                };
                self.findings.push(
                    Finding::error(
                        "wrong-type",
                        node.span.clone(),
                        format!("`{}` cannot be `{text}`", owner.text),
                    )
                    .label(format!("expected {range}")),
                );
                node.kind = Kind::Broken;
            }
        }
    }
}

/// What was probably meant: a share without its sign, an address without its beginning.
fn mended(text: &str, kind: &TextKind) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let bare = !text.contains(":/") && !text.starts_with("callout");
    let host = text.split('/').next().unwrap_or_default();
    let candidates = [
        Some(format!("{text}%")),
        (bare && host.contains('.')).then(|| format!("https://{text}")),
        (bare && !host.is_empty()).then(|| format!("callout:{text}")),
        Some(format!("$.{text}")),
    ];
    let fits = |candidate: &String| (kind.allows)(candidate);
    candidates.into_iter().flatten().find(fits)
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN && !text.contains('\n') {
        return format!("`{text}`");
    }
    let start: String = text.chars().take_while(|c| *c != '\n').take(SHOWN).collect();
    format!("`{start}...`")
}
