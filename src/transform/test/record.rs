//! Rows of a source that become tests: what the orgs answer for a row is kept as the answers of its test, whose row is
//! disguised.
//!
//! The row is mapped twice. With its real values the orgs are asked; with the disguised ones the same questions come up
//! in the same order, and take the same answers. Where they do not, disguising has changed what the mapping does, and
//! there is no test to be made of the row.

use std::{cell::RefCell, sync::Arc};

use compact_str::CompactString;

use super::{
    super::{
        Masker,
        answers::{Answers, LookupAnswer, LookupKey},
        mapping::{Cell, MappedField, RowEnd},
    },
    BareMapping,
    difference::same,
    fakes::{RECORD_TYPE, key_text},
};
use crate::{
    pipeline::{
        expr::{RunInfo, Vars},
        model::{Fake, Lookup, Step, StepRef},
    },
    record::{FieldPath, RefAnswer, Value},
};

/// Whose field a `give` asks for.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// The records that a step writes.
    Step(StepRef),
    /// This sobject of the target.
    Object(&'a str),
}

/// A row of the source on its way to become a test.
pub struct RealRow<'a> {
    /// As it was read.
    pub row: &'a [Value],
    /// The same, disguised.
    pub disguised: &'a [Value],
    /// The place of its entry, with `each`.
    pub item_number: usize,
    /// What a run would make of it, with the target's types and the checks.
    pub end: &'a RowEnd,
    /// The fields of that.
    pub fields: &'a [MappedField],
}

/// What a test of a row says.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Answers for `ref`.
    pub refs: Vec<(StepRef, String, Fake)>,
    /// Answers for `lookup` and `record_type`.
    pub lookups: Vec<(String, String, Fake)>,
    /// What must come out.
    pub expect: RecordedEnd,
    /// Fields that a run gives otherwise than a test, which asks no org: they are left out.
    pub unseen: Vec<FieldPath>,
}

/// What becomes of a recorded row.
#[derive(Clone, Debug)]
pub enum RecordedEnd {
    /// It is mapped to these values.
    Fields(Vec<(FieldPath, Value)>),
    /// It is parked.
    Parked,
    /// It is filtered.
    Filtered,
}

/// Why no test can be made of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecordable {
    /// A type, or a copied link, that only the orgs know of.
    #[error("a run ends it as {run}, and a test, which asks no org, as {test}")]
    OnlyInRuns {
        /// What a run makes of it.
        run: String,
        /// What a test would.
        test: String,
    },
    /// The mapping looks into a masked value.
    #[error(
        "masked it ends as {masked}, and as it is as {real}: the mapping looks into a value that is masked"
    )]
    Masked {
        /// What becomes of it.
        real: String,
        /// What becomes of it when it is masked.
        masked: String,
    },
    /// The mapping asks something else of the masked row.
    #[error("masked it asks the orgs other questions: the mapping looks into a value that is masked")]
    OtherQuestions,
    /// Two answers for what a test writes in one way.
    #[error("{what} gives two answers for `{key}`, and a test can say only one")]
    TwoAnswers {
        /// What was asked.
        what: String,
        /// By what.
        key: String,
    },
}

/// Makes a test of a row. `known` answers what it asks; `hide` disguises a field of a record that was found.
///
/// # Errors
/// Why it cannot be made.
pub fn record(
    step: &Step,
    bare: &BareMapping,
    real: &RealRow<'_>,
    (vars, run): (&Vars, &RunInfo),
    known: &dyn Answers,
    hide: &dyn Fn(Holder<'_>, &FieldPath, Value) -> Value,
) -> Result<Recorded, Unrecordable> {
    let noting = Noting {
        known,
        calls: RefCell::default(),
    };
    let told = bare.run(step, real.row, None, real.item_number, (vars, run), &noting);
    if class(&told) != class(real.end) {
        return Err(Unrecordable::OnlyInRuns {
            run: class(real.end),
            test: class(&told),
        });
    }
    let replay = Replay {
        masker: known.masker(),
        calls: noting.calls.into_inner(),
        at: RefCell::default(),
        said: RefCell::default(),
        hide,
    };
    let masked = bare.run(step, real.disguised, None, real.item_number, (vars, run), &replay);
    if class(&masked) != class(&told) {
        return Err(Unrecordable::Masked {
            real: class(&told),
            masked: class(&masked),
        });
    }
    let (refs, lookups) = replay.answers()?;
    let mut unseen = Vec::new();
    let expect = match (&masked, &told) {
        (RowEnd::Mapped(masked), RowEnd::Mapped(told)) => {
            let fields = bare.mapping.fields.iter().zip(masked).zip(told).enumerate();
            let mut expected = Vec::new();
            for (at, ((field, masked), told)) in fields {
                if !as_in_run(field, told, real) {
                    unseen.push(field.name.clone());
                    continue;
                }
                let value = value_of(masked);
                // That a null is copied shows nothing.
                if !(value.is_null() && at < bare.copied) {
                    expected.push((field.name.clone(), value));
                }
            }
            RecordedEnd::Fields(expected)
        }
        (RowEnd::Filtered, _) => RecordedEnd::Filtered,
        _ => RecordedEnd::Parked,
    };
    Ok(Recorded {
        refs,
        lookups,
        expect,
        unseen,
    })
}

/// Whether a run gives a field the value that a test sees.
fn as_in_run(field: &MappedField, told: &Cell, real: &RealRow<'_>) -> bool {
    let RowEnd::Mapped(cells) = real.end else {
        return false;
    };
    let value = value_of(told);
    real.fields
        .iter()
        .zip(cells)
        .any(|(other, cell)| other.name == field.name && same(&value, cell))
}

fn value_of(cell: &Cell) -> Value {
    match cell {
        Cell::Value(value) => value.clone(),
        Cell::Null | Cell::Clear | Cell::Omit | Cell::Later | Cell::Held(_) => Value::Null,
    }
}

/// How a row ends, as two ends are compared.
fn class(end: &RowEnd) -> String {
    match end {
        RowEnd::Mapped(_) => "mapped".to_owned(),
        RowEnd::Filtered => "filtered".to_owned(),
        RowEnd::Parked(reason) | RowEnd::Stop(reason) => format!("parked (`{}`)", reason.code),
        RowEnd::Pending => "unanswered".to_owned(),
    }
}

/// A question and its answer.
enum Call {
    Ref(StepRef, RefAnswer),
    Give(StepRef, FieldPath, Option<Value>),
    Lookup(usize, LookupAnswer),
    RecordType(Option<CompactString>),
}

/// Passes questions on, and writes down what was answered.
struct Noting<'k> {
    known: &'k dyn Answers,
    calls: RefCell<Vec<Call>>,
}

fn identity(lookup: &Arc<Lookup>) -> usize {
    Arc::as_ptr(lookup) as usize
}

impl Answers for Noting<'_> {
    fn reference(&self, step: StepRef, id: &str) -> Option<RefAnswer> {
        let answer = self.known.reference(step, id)?;
        self.calls.borrow_mut().push(Call::Ref(step, answer.clone()));
        Some(answer)
    }

    fn given(&self, step: StepRef, field: &FieldPath, id: &str) -> Option<Option<Value>> {
        let answer = self.known.given(step, field, id)?;
        let call = Call::Give(step, field.clone(), answer.clone());
        self.calls.borrow_mut().push(call);
        Some(answer)
    }

    fn lookup(&self, lookup: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer> {
        let answer = self.known.lookup(lookup, key)?;
        let call = Call::Lookup(identity(lookup), answer.clone());
        self.calls.borrow_mut().push(call);
        Some(answer)
    }

    fn masker(&self) -> Option<&Masker> {
        self.known.masker()
    }

    fn record_type(&self, developer_name: &str) -> Option<CompactString> {
        let answer = self.known.record_type(developer_name);
        self.calls.borrow_mut().push(Call::RecordType(answer.clone()));
        answer
    }
}

/// What a test has to say, in the order in which it came up.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    /// `None`: a lookup.
    step: Option<StepRef>,
    /// Of a lookup.
    object: String,
    key: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Record(Vec<(FieldPath, Value)>),
    Several(usize),
    Nothing,
}

/// Answers the disguised row as the real one was answered.
struct Replay<'r> {
    masker: Option<&'r Masker>,
    calls: Vec<Call>,
    at: RefCell<usize>,
    said: RefCell<Vec<Result<Said, Unrecordable>>>,
    hide: &'r dyn Fn(Holder<'_>, &FieldPath, Value) -> Value,
}

/// Answers for refs and for lookups, as a test has them.
type Answered = (Vec<(StepRef, String, Fake)>, Vec<(String, String, Fake)>);

impl Replay<'_> {
    /// The answer to the next question, if the real row asked the same.
    fn next<T>(&self, fits: impl Fn(&Call) -> Option<T>) -> Option<T> {
        let mut at = self.at.borrow_mut();
        let found = self.calls.get(*at).and_then(fits);
        *at += 1;
        if found.is_none() {
            self.said.borrow_mut().push(Err(Unrecordable::OtherQuestions));
        }
        found
    }

    fn say(&self, step: Option<StepRef>, object: &str, key: &str, what: What) {
        let said = Said {
            step,
            object: object.to_owned(),
            key: key.to_owned(),
            what,
        };
        self.said.borrow_mut().push(Ok(said));
    }

    fn answers(self) -> Result<Answered, Unrecordable> {
        if self.at.into_inner() != self.calls.len() {
            return Err(Unrecordable::OtherQuestions);
        }
        let mut merged: Vec<Said> = Vec::new();
        for said in self.said.into_inner() {
            let said = said?;
            let known = merged.iter_mut().find(|known| {
                (known.step, &known.key) == (said.step, &said.key)
                    && known.object.eq_ignore_ascii_case(&said.object)
            });
            let Some(known) = known else {
                merged.push(said);
                continue;
            };
            let fits = match (&mut known.what, &said.what) {
                (What::Record(fields), What::Record(more)) => more.iter().all(|(field, value)| match fields
                    .iter()
                    .find(|(name, _)| name == field)
                {
                    Some((_, there)) => there == value,
                    None => {
                        fields.push((field.clone(), value.clone()));
                        true
                    }
                }),
                (known, said) => known == said,
            };
            if !fits {
                return Err(Unrecordable::TwoAnswers {
                    what: match said.step {
                        Some(_) => "a `ref`".to_owned(),
                        None => format!("the lookup of `{}`", said.object),
                    },
                    key: said.key,
                });
            }
        }
        let (mut refs, mut lookups) = (Vec::new(), Vec::new());
        for said in merged {
            let fake = match said.what {
                What::Record(fields) => match fields.as_slice() {
                    [(field, value)] if *field == FieldPath::from("Id") => Fake::One(value.clone()),
                    _ => Fake::Record(fields),
                },
                What::Several(count) => Fake::Several(count),
                What::Nothing => Fake::Nothing,
            };
            match said.step {
                Some(step) => refs.push((step, said.key, fake)),
                None => lookups.push((said.object, said.key, fake)),
            }
        }
        Ok((refs, lookups))
    }
}

fn id(value: impl Into<CompactString>) -> What {
    What::Record(vec![(FieldPath::from("Id"), Value::text(value))])
}

impl Answers for Replay<'_> {
    fn reference(&self, step: StepRef, key: &str) -> Option<RefAnswer> {
        let answer = self.next(|call| match call {
            Call::Ref(asked, answer) if *asked == step => Some(answer.clone()),
            _ => None,
        })?;
        let what = match &answer {
            RefAnswer::Linked(target) => id(target.clone()),
            RefAnswer::Parked | RefAnswer::Filtered | RefAnswer::Unknown => What::Nothing,
        };
        self.say(Some(step), "", key, what);
        Some(answer)
    }

    fn given(&self, step: StepRef, field: &FieldPath, _: &str) -> Option<Option<Value>> {
        let answer = self.next(|call| match call {
            Call::Give(asked, of, answer) if *asked == step && of == field => Some(answer.clone()),
            _ => None,
        })?;
        // It is a field of the record that was found just now.
        let found = self.said.borrow().iter().rev().find_map(|said| match said {
            Ok(said) if said.step == Some(step) => Some(said.key.clone()),
            _ => None,
        });
        let key = found.unwrap_or_default();
        match answer {
            Some(value) => {
                let value = (self.hide)(Holder::Step(step), field, value);
                let what = What::Record(vec![(field.clone(), value.clone())]);
                self.say(Some(step), "", &key, what);
                Some(Some(value))
            }
            None => {
                // The link is known and its record gone: a test cannot tell the one from the other.
                self.said.borrow_mut().push(Err(Unrecordable::TwoAnswers {
                    what: "a `ref`".to_owned(),
                    key,
                }));
                Some(None)
            }
        }
    }

    fn lookup(&self, lookup: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer> {
        let answer = self.next(|call| match call {
            Call::Lookup(asked, answer) if *asked == identity(lookup) => Some(answer.clone()),
            _ => None,
        })?;
        let answer = match (answer, &lookup.give) {
            (LookupAnswer::Found(value), Some((give, _))) => {
                LookupAnswer::Found((self.hide)(Holder::Object(&lookup.object), give, value))
            }
            (other, _) => other,
        };
        let what = match &answer {
            LookupAnswer::Found(value) => {
                let field = match &lookup.give {
                    Some((give, _)) => give.clone(),
                    None => FieldPath::from("Id"),
                };
                What::Record(vec![(field, value.clone())])
            }
            LookupAnswer::Several(count) => What::Several(*count),
            LookupAnswer::None => What::Nothing,
        };
        self.say(None, &lookup.object, &key_text(key), what);
        Some(answer)
    }

    fn masker(&self) -> Option<&Masker> {
        self.masker
    }

    fn record_type(&self, developer_name: &str) -> Option<CompactString> {
        let answer = self.next(|call| match call {
            Call::RecordType(answer) => Some(answer.clone()),
            _ => None,
        })?;
        let what = answer.clone().map_or(What::Nothing, id);
        self.say(None, RECORD_TYPE, developer_name, what);
        answer
    }
}
