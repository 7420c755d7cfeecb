//! What a file may look like. One description serves the check of files and their JSON Schema, so that the two
//! cannot drift apart.

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text of a certain kind. Numbers and `true` are taken as the text that was typed.
    Text(&'static TextKind),
    /// One of a few words.
    Words(&'static [Word]),
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A text, a number, `true`, `false` or null.
    Scalar,
    /// The same, where an expression stands: not an empty text.
    Expression,
    /// A text that must not stand in a file. The checker takes it, so that it can say what to write instead.
    Secret,
    /// Whatever YAML can say.
    Anything,
    /// A list.
    List(&'static Shape),
    /// A list, or one entry without its brackets.
    OneOrMore(&'static Shape),
    /// A map whose keys the user chooses.
    Map {
        /// What a key may be.
        keys: &'static TextKind,
        /// What stands behind it.
        values: &'static Shape,
        /// Whether `include: PATH` may stand among the keys.
        include: bool,
    },
    /// A map with keys of ours.
    Record(&'static Record),
    /// A map of one of several forms, told apart by one key.
    Forms(&'static Forms),
    /// It depends on whether it is a scalar, a list or a map.
    ByKind(&'static ByKind),
    /// Something, or a map that names the file which holds it. Loading has put what the file holds in its place before
    /// anything is checked.
    OrFile(&'static Shape, &'static Record),
}

/// A kind of text.
#[derive(Debug)]
pub(crate) struct TextKind {
    /// With its article: `a duration, such as 5s`.
    pub(crate) noun: &'static str,
    /// As a regular expression, for JSON Schema; empty: any text.
    pub(crate) pattern: &'static str,
    /// The same, for ourselves.
    pub(crate) allows: fn(&str) -> bool,
}

/// One of several words.
#[derive(Debug)]
pub(crate) struct Word {
    /// The word.
    pub(crate) text: &'static str,
    /// What it stands for.
    pub(crate) doc: &'static str,
    /// Whether this version knows it.
    pub(crate) built: bool,
}

/// A map with keys of ours.
#[derive(Debug)]
pub(crate) struct Record {
    /// For JSON Schema, `step`.
    pub(crate) name: &'static str,
    /// For messages, `a step`.
    pub(crate) noun: &'static str,
    /// What it is.
    pub(crate) doc: &'static str,
    /// Its keys, in the order in which they are best written.
    pub(crate) keys: &'static [Key],
    /// What other keys hold, where any may stand.
    pub(crate) rest: Option<&'static Shape>,
}

/// A key of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// The key.
    pub(crate) name: &'static str,
    /// What stands behind it.
    pub(crate) shape: &'static Shape,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Whether it has to be there.
    pub(crate) required: bool,
    /// As JSON.
    pub(crate) default: Option<&'static str>,
    /// As JSON.
    pub(crate) example: Option<&'static str>,
    /// This version does not know it yet: what to do instead.
    pub(crate) not_yet: Option<&'static str>,
}

/// A map of one of several forms.
#[derive(Debug)]
pub(crate) struct Forms {
    /// For JSON Schema, `source`.
    pub(crate) name: &'static str,
    /// For messages, `a source`.
    pub(crate) noun: &'static str,
    /// What it is.
    pub(crate) doc: &'static str,
    /// The forms.
    pub(crate) forms: &'static [Form],
    /// Keys that go with every form.
    pub(crate) common: &'static [Key],
}

/// One form of several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// The key that tells it apart.
    pub(crate) on: Key,
    /// Its other keys.
    pub(crate) keys: &'static [Key],
}

/// A value whose kind decides.
#[derive(Debug)]
pub(crate) struct ByKind {
    /// For messages: `all or a list of fields`.
    pub(crate) noun: &'static str,
    /// A scalar's shape.
    pub(crate) scalar: Option<&'static Shape>,
    /// A list's shape.
    pub(crate) list: Option<&'static Shape>,
    /// A map's shape.
    pub(crate) map: Option<&'static Shape>,
}

impl Key {
    /// A key that may be left out.
    pub(crate) const fn new(name: &'static str, shape: &'static Shape, doc: &'static str) -> Self {
        Key {
            name,
            shape,
            doc,
            required: false,
            default: None,
            example: None,
            not_yet: None,
        }
    }

    /// It has to be there.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Its value when it is left out, as JSON.
    pub(crate) const fn default(mut self, json: &'static str) -> Self {
        self.default = Some(json);
        self
    }

    /// A value to copy, as JSON.
    pub(crate) const fn example(mut self, json: &'static str) -> Self {
        self.example = Some(json);
        self
    }

    /// This version does not know it; what to do instead.
    pub(crate) const fn not_yet(mut self, instead: &'static str) -> Self {
        self.not_yet = Some(instead);
        self
    }
}

impl Record {
    fn walk(&'static self, seen: &mut Vec<&'static str>, visit: &mut dyn FnMut(&'static str, &'static Key)) {
        if seen.contains(&self.name) {
            return;
        }
        seen.push(self.name);
        for key in self.keys {
            visit(self.noun, key);
            key.shape.walk(seen, visit);
        }
    }
}

impl Word {
    /// A word of this version.
    pub(crate) const fn new(text: &'static str, doc: &'static str) -> Self {
        Word {
            text,
            doc,
            built: true,
        }
    }

    /// A word of a later version.
    pub(crate) const fn not_yet(text: &'static str, doc: &'static str) -> Self {
        Word {
            text,
            doc,
            built: false,
        }
    }
}

impl Shape {
    /// Calls `visit` with every key of ours in this shape, and the noun of what holds it.
    pub(crate) fn each_key(&'static self, visit: &mut dyn FnMut(&'static str, &'static Key)) {
        self.walk(&mut Vec::new(), visit);
    }

    fn walk(&'static self, seen: &mut Vec<&'static str>, visit: &mut dyn FnMut(&'static str, &'static Key)) {
        match self {
            Shape::List(inner) | Shape::OneOrMore(inner) | Shape::Map { values: inner, .. } => {
                inner.walk(seen, visit);
            }
            Shape::ByKind(kinds) => {
                for inner in [kinds.scalar, kinds.list, kinds.map].into_iter().flatten() {
                    inner.walk(seen, visit);
                }
            }
            Shape::Record(record) => record.walk(seen, visit),
            Shape::OrFile(inner, record) => {
                inner.walk(seen, visit);
                record.walk(seen, visit);
            }
            Shape::Forms(forms) if !seen.contains(&forms.name) => {
                seen.push(forms.name);
                let own = forms
                    .forms
                    .iter()
                    .flat_map(|form| std::iter::once(&form.on).chain(form.keys));
                for key in own.chain(forms.common) {
                    visit(forms.noun, key);
                    key.shape.walk(seen, visit);
                }
            }
            _ => {}
        }
    }
}
