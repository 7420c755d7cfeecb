use regex::Regex;

use super::{
    FormulaError, Pace, Purpose, Read,
    functions::{Function, Signature, UNKNOWN},
    syntax::{Ast, Node, Operator},
    value::{Type, Value},
};
use crate::emulator::schema::{Kind, Schema};

/// A formula whose names are resolved and whose types fit.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Value(Value),
    Field(Path),
    /// The value before the change.
    Prior(Path),
    Changed(Path),
    IsNew,
    Negative(Box<Expr>),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Operator, Box<Expr>, Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Join(Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// The value, the pairs, and what is left.
    Case(Box<Expr>, Vec<(Expr, Expr)>, Box<Expr>),
    IsBlank(Box<Expr>),
    /// The first of the two that is not blank.
    Else(Box<Expr>, Box<Expr>),
    Includes(Box<Expr>, Box<Expr>),
    Text(Box<Expr>),
    Regex(Box<Expr>, Box<Regex>),
    Call(Function, Vec<Expr>),
}

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Record,
    /// The running user.
    User,
    /// The only row of an object.
    Only(usize),
}

/// A field that a formula reads.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) root: Root,
    /// References on the way, each with the object that it leads to.
    pub(super) hops: Vec<(usize, usize)>,
    pub(super) field: usize,
    pub(super) kind: Kind,
    /// An empty number counts as 0.
    pub(super) zero: bool,
}

pub(super) struct Compiler<'s> {
    pub(super) schema: &'s Schema,
    pub(super) object: usize,
    pub(super) purpose: Purpose,
    pub(super) blank_is_zero: bool,
    pub(super) reads: Vec<Read>,
    pub(super) pace: Pace,
    pub(super) html: bool,
}

type Typed = (Expr, Type);

/// Whether a value of one type may stand where another is wanted.
fn fits(found: Type, wanted: Type) -> bool {
    found == wanted || found == Type::Null
}

impl Compiler<'_> {
    fn wrong_type(at: usize, place: &str, wanted: &[Type], found: Type) -> FormulaError {
        let wanted: Vec<String> = wanted.iter().map(Type::to_string).collect();
        FormulaError {
            at,
            message: format!(
                "Incorrect parameter type for {place}. Expected {}, received {found}",
                wanted.join(", ")
            ),
        }
    }

    pub(super) fn typed(&mut self, ast: &Ast) -> Result<Typed, FormulaError> {
        let at = ast.at;
        Ok(match &ast.node {
            Node::Number(n) => (Expr::Value(Value::Number(*n)), Type::Number),
            Node::Text(text) => (Expr::Value(Value::text(text)), Type::Text),
            Node::Bool(flag) => (Expr::Value(Value::Bool(*flag)), Type::Boolean),
            Node::Null => (Expr::Value(Value::Null), Type::Null),
            Node::Path(parts) => self.field(at, parts)?,
            Node::Negative(inner) => {
                let inner = self.wanted(inner, "operator '-'", &[Type::Number])?;
                (Expr::Negative(Box::new(inner.0)), Type::Number)
            }
            Node::Not(inner) => {
                let inner = self.wanted(inner, "operator '!'", &[Type::Boolean])?;
                (Expr::Not(Box::new(inner.0)), Type::Boolean)
            }
            Node::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Node::Call(name, arguments) => self.call(at, name, arguments)?,
        })
    }

    /// An operand whose type has to be one of some.
    fn wanted(&mut self, ast: &Ast, place: &str, types: &[Type]) -> Result<Typed, FormulaError> {
        let typed = self.typed(ast)?;
        if types.iter().any(|wanted| fits(typed.1, *wanted)) {
            return Ok(typed);
        }
        if matches!(typed.1, Type::Picklist | Type::MultiPicklist)
            && let Node::Path(parts) = &ast.node
        {
            return Err(FormulaError {
                at: ast.at,
                message: format!(
                    "Field {} is a {} field. {} fields are only supported in certain functions",
                    parts.join("."),
                    typed.1.to_string().to_lowercase(),
                    typed.1
                ),
            });
        }
        Err(Self::wrong_type(ast.at, place, types, typed.1))
    }

    fn binary(&mut self, operator: Operator, left: &Ast, right: &Ast) -> Result<Typed, FormulaError> {
        let place = format!("operator '{}'", operator.sign());
        const ORDERED: &[Type] = &[Type::Number, Type::Text, Type::Date, Type::DateTime, Type::Time];
        const EQUAL: &[Type] = &[
            Type::Number,
            Type::Text,
            Type::Date,
            Type::DateTime,
            Type::Time,
            Type::Boolean,
        ];
        match operator {
            Operator::And | Operator::Or => {
                let terms = vec![
                    self.wanted(left, &place, &[Type::Boolean])?.0,
                    self.wanted(right, &place, &[Type::Boolean])?.0,
                ];
                let both = operator == Operator::And;
                Ok((
                    if both { Expr::And(terms) } else { Expr::Or(terms) },
                    Type::Boolean,
                ))
            }
            Operator::Join => {
                let l = self.wanted(left, &place, &[Type::Text])?.0;
                let r = self.wanted(right, &place, &[Type::Text])?.0;
                Ok((Expr::Join(Box::new(l), Box::new(r)), Type::Text))
            }
            Operator::Equal
            | Operator::Unequal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                let allowed = if matches!(operator, Operator::Equal | Operator::Unequal) {
                    EQUAL
                } else {
                    ORDERED
                };
                let l = self.wanted(left, &place, allowed)?;
                let r = self.wanted(right, &place, allowed)?;
                if !fits(r.1, l.1) && l.1 != Type::Null {
                    return Err(Self::wrong_type(right.at, &place, &[l.1], r.1));
                }
                // Texts know no null: an empty one is compared as an empty text.
                let text = |typed: Typed, other: Type| {
                    if typed.1 == Type::Text || other == Type::Text {
                        Expr::Text(Box::new(typed.0))
                    } else {
                        typed.0
                    }
                };
                let (lt, rt) = (l.1, r.1);
                let (l, r) = (text(l, rt), text(r, lt));
                Ok((Expr::Compare(operator, Box::new(l), Box::new(r)), Type::Boolean))
            }
            Operator::Add | Operator::Subtract => {
                let l = self.wanted(left, &place, ORDERED)?;
                let r = self.wanted(right, &place, ORDERED)?;
                let adds = operator == Operator::Add;
                let result = match (l.1, r.1) {
                    (Type::Text, Type::Text) if adds => {
                        return Ok((Expr::Join(Box::new(l.0), Box::new(r.0)), Type::Text));
                    }
                    (Type::Number | Type::Null, Type::Number | Type::Null) => Type::Number,
                    (moment @ (Type::Date | Type::DateTime | Type::Time), Type::Number | Type::Null) => {
                        moment
                    }
                    (Type::Number, moment @ (Type::Date | Type::DateTime | Type::Time)) if adds => moment,
                    (a, b) if a == b && !adds && a != Type::Text => Type::Number,
                    (a, b) => return Err(Self::wrong_type(right.at, &place, &[a], b)),
                };
                Ok((Expr::Arithmetic(operator, Box::new(l.0), Box::new(r.0)), result))
            }
            Operator::Multiply | Operator::Divide | Operator::Power => {
                let l = self.wanted(left, &place, &[Type::Number])?.0;
                let r = self.wanted(right, &place, &[Type::Number])?.0;
                Ok((Expr::Arithmetic(operator, Box::new(l), Box::new(r)), Type::Number))
            }
        }
    }

    fn count(at: usize, name: &str, found: usize, least: usize, most: usize) -> Result<(), FormulaError> {
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let expected = if found < least { least } else { most };
        Err(FormulaError {
            at,
            message: format!(
                "Incorrect number of parameters for function '{name}()'. Expected {expected}, received {found}"
            ),
        })
    }

    fn call(&mut self, at: usize, name: &str, arguments: &[Ast]) -> Result<Typed, FormulaError> {
        let place = format!("function '{name}()'");
        let n = arguments.len();
        let boxed = |typed: Typed| Box::new(typed.0);
        Ok(match name {
            "AND" | "OR" => {
                Self::count(at, name, n, 1, usize::MAX)?;
                let mut terms = Vec::with_capacity(n);
                for argument in arguments {
                    terms.push(self.wanted(argument, &place, &[Type::Boolean])?.0);
                }
                (
                    if name == "AND" {
                        Expr::And(terms)
                    } else {
                        Expr::Or(terms)
                    },
                    Type::Boolean,
                )
            }
            "NOT" => {
                Self::count(at, name, n, 1, 1)?;
                let inner = self.wanted(&arguments[0], &place, &[Type::Boolean])?;
                (Expr::Not(boxed(inner)), Type::Boolean)
            }
            "IF" => {
                Self::count(at, name, n, 3, 3)?;
                let test = self.wanted(&arguments[0], &place, &[Type::Boolean])?;
                let yes = self.plain(&arguments[1], &place)?;
                let no = self.plain(&arguments[2], &place)?;
                let result = Self::common(arguments[2].at, &place, yes.1, no.1)?;
                (Expr::If(boxed(test), boxed(yes), boxed(no)), result)
            }
            "CASE" => {
                Self::count(at, name, n, 4, usize::MAX)?;
                if !n.is_multiple_of(2) {
                    Self::count(at, name, n, n + 1, n + 1)?;
                }
                let value = self.typed(&arguments[0])?;
                let key = match value.1 {
                    Type::Picklist => Type::Text,
                    Type::MultiPicklist => {
                        return Err(Self::wrong_type(
                            arguments[0].at,
                            &place,
                            &[Type::Text, Type::Number, Type::Date, Type::DateTime],
                            value.1,
                        ));
                    }
                    other => other,
                };
                let mut pairs = Vec::new();
                let mut result = Type::Null;
                for pair in arguments[1..n - 1].chunks(2) {
                    let when = self.wanted(&pair[0], &place, &[key])?;
                    let then = self.plain(&pair[1], &place)?;
                    result = Self::common(pair[1].at, &place, result, then.1)?;
                    pairs.push((when.0, then.0));
                }
                let rest = self.plain(&arguments[n - 1], &place)?;
                let result = Self::common(arguments[n - 1].at, &place, result, rest.1)?;
                (Expr::Case(boxed(value), pairs, boxed(rest)), result)
            }
            "ISBLANK" | "ISNULL" => {
                Self::count(at, name, n, 1, 1)?;
                // A number is blank here even where blanks count as zero.
                let zero = std::mem::replace(&mut self.blank_is_zero, false);
                let inner = self.typed(&arguments[0]);
                self.blank_is_zero = zero;
                (Expr::IsBlank(boxed(inner?)), Type::Boolean)
            }
            "BLANKVALUE" | "NULLVALUE" => {
                Self::count(at, name, n, 2, 2)?;
                let zero = std::mem::replace(&mut self.blank_is_zero, false);
                let first = self.typed(&arguments[0]);
                self.blank_is_zero = zero;
                let first = first?;
                let first_type = if first.1 == Type::Picklist {
                    Type::Text
                } else {
                    first.1
                };
                let second = self.plain(&arguments[1], &place)?;
                let result = Self::common(arguments[1].at, &place, first_type, second.1)?;
                (Expr::Else(boxed(first), boxed(second)), result)
            }
            "ISPICKVAL" => {
                Self::count(at, name, n, 2, 2)?;
                let field = self.wanted(&arguments[0], &place, &[Type::Picklist])?;
                let value = self.wanted(&arguments[1], &place, &[Type::Text])?;
                let text = |typed: Typed| Box::new(Expr::Text(Box::new(typed.0)));
                (
                    Expr::Compare(Operator::Equal, text(field), text(value)),
                    Type::Boolean,
                )
            }
            "INCLUDES" => {
                Self::count(at, name, n, 2, 2)?;
                let field = self.wanted(&arguments[0], &place, &[Type::MultiPicklist])?;
                let value = self.wanted(&arguments[1], &place, &[Type::Text])?;
                (Expr::Includes(boxed(field), boxed(value)), Type::Boolean)
            }
            "TEXT" => {
                Self::count(at, name, n, 1, 1)?;
                let types = [
                    Type::Number,
                    Type::Date,
                    Type::DateTime,
                    Type::Time,
                    Type::Picklist,
                ];
                let inner = self.wanted(&arguments[0], &place, &types)?;
                (Expr::Text(boxed(inner)), Type::Text)
            }
            "REGEX" => {
                Self::count(at, name, n, 2, 2)?;
                let text = self.wanted(&arguments[0], &place, &[Type::Text])?;
                let pattern = match &arguments[1].node {
                    Node::Text(pattern) => pattern,
                    _ => {
                        return Err(FormulaError {
                            at: arguments[1].at,
                            message: "the pattern of REGEX() has to be a text here".to_owned(),
                        });
                    }
                };
                let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| FormulaError {
                    at: arguments[1].at,
                    message: format!("the emulated org cannot read the pattern of REGEX(): {e}"),
                })?;
                (Expr::Regex(boxed(text), Box::new(regex)), Type::Boolean)
            }
            "ISNEW" | "ISCHANGED" | "PRIORVALUE" if self.purpose == Purpose::Field => {
                return Err(FormulaError {
                    at,
                    message: format!("Function {name} may not be used in this type of formula"),
                });
            }
            "ISNEW" => {
                Self::count(at, name, n, 0, 0)?;
                (Expr::IsNew, Type::Boolean)
            }
            "ISCHANGED" | "PRIORVALUE" => {
                Self::count(at, name, n, 1, 1)?;
                let (inner, kind) = self.typed(&arguments[0])?;
                match inner {
                    Expr::Field(path) if path.root == Root::Record && path.hops.is_empty() => {
                        if name == "ISCHANGED" {
                            (Expr::Changed(path), Type::Boolean)
                        } else {
                            (Expr::Prior(path), kind)
                        }
                    }
                    _ => {
                        return Err(FormulaError {
                            at: arguments[0].at,
                            message: format!("Function {name} takes a field of the record itself"),
                        });
                    }
                }
            }
            _ => {
                let Some(signature) = Signature::find(name) else {
                    return Err(FormulaError {
                        at,
                        message: if UNKNOWN.contains(&name) {
                            format!("the formulas of the emulated org have no function {name}")
                        } else {
                            format!("Unknown function {name}. Check spelling")
                        },
                    });
                };
                Self::count(at, name, n, signature.least, signature.most())?;
                let mut values = Vec::with_capacity(n);
                for (i, argument) in arguments.iter().enumerate() {
                    values.push(self.wanted(argument, &place, signature.argument(i))?.0);
                }
                self.pace = self.pace.max(match signature.function {
                    Function::Now | Function::TimeNow => Pace::Running,
                    Function::Today => Pace::Daily,
                    _ => Pace::Still,
                });
                self.html |= matches!(
                    signature.function,
                    Function::Hyperlink | Function::Image | Function::Br
                );
                (Expr::Call(signature.function, values), signature.result)
            }
        })
    }

    /// An operand that is not a selection from a list.
    fn plain(&mut self, ast: &Ast, place: &str) -> Result<Typed, FormulaError> {
        self.wanted(
            ast,
            place,
            &[
                Type::Text,
                Type::Number,
                Type::Boolean,
                Type::Date,
                Type::DateTime,
                Type::Time,
            ],
        )
    }

    fn common(at: usize, place: &str, first: Type, second: Type) -> Result<Type, FormulaError> {
        match (first, second) {
            (Type::Null, other) | (other, Type::Null) => Ok(other),
            (a, b) if a == b => Ok(a),
            (a, b) => Err(Self::wrong_type(at, place, &[a], b)),
        }
    }

    fn field(&mut self, at: usize, parts: &[String]) -> Result<Typed, FormulaError> {
        let written = parts.join(".");
        let unknown = |written: &str| FormulaError {
            at,
            message: format!("Field {written} does not exist. Check spelling"),
        };
        let mut object = self.object;
        let mut root = Root::Record;
        let mut rest = parts;
        if let Some(global) = parts[0].strip_prefix('$') {
            if self.purpose == Purpose::Field && !global.eq_ignore_ascii_case("RecordType") {
                return Err(FormulaError {
                    at,
                    message: format!(
                        "formula fields of the emulated org are worked out when a record changes, and so cannot read {}",
                        parts[0]
                    ),
                });
            }
            let place = |name: &str| self.schema.object(name).ok_or_else(|| unknown(&written));
            rest = &parts[1..];
            match global.to_ascii_lowercase().as_str() {
                // Nobody has a custom permission.
                "permission" => return Ok((Expr::Value(Value::Bool(false)), Type::Boolean)),
                "user" => (object, root) = (place("User")?, Root::User),
                "organization" => {
                    object = place("Organization")?;
                    root = Root::Only(object);
                }
                "profile" | "userrole" => {
                    let user = place("User")?;
                    let name = if global.eq_ignore_ascii_case("profile") {
                        ("ProfileId", "Profile")
                    } else {
                        ("UserRoleId", "UserRole")
                    };
                    let by = self.schema.objects[user]
                        .field(name.0)
                        .ok_or_else(|| unknown(&written))?;
                    let target = place(name.1)?;
                    return self.leaf(at, &written, Root::User, vec![(by, target)], target, rest);
                }
                "recordtype" => {
                    let by = self.schema.objects[object]
                        .field("RecordTypeId")
                        .ok_or_else(|| unknown(&written))?;
                    let target = place("RecordType")?;
                    return self.leaf(at, &written, Root::Record, vec![(by, target)], target, rest);
                }
                _ => {
                    return Err(FormulaError {
                        at,
                        message: format!("the formulas of the emulated org have no {}", parts[0]),
                    });
                }
            }
        }
        self.leaf(at, &written, root, Vec::new(), object, rest)
    }

    fn leaf(
        &mut self,
        at: usize,
        written: &str,
        root: Root,
        mut hops: Vec<(usize, usize)>,
        mut object: usize,
        parts: &[String],
    ) -> Result<Typed, FormulaError> {
        let unknown = || FormulaError {
            at,
            message: format!("Field {written} does not exist. Check spelling"),
        };
        let (last, relations) = parts.split_last().ok_or_else(unknown)?;
        for relation in relations {
            // `Owner:User` says which of several objects is meant.
            let (relation, kind) = match relation.split_once(':') {
                Some((relation, kind)) => (relation, Some(kind)),
                None => (relation.as_str(), None),
            };
            let spec = &self.schema.objects[object];
            let by = spec.relationship(relation).ok_or_else(unknown)?;
            let targets = &spec.fields[by].reference_to;
            let target = match kind {
                Some(kind) => targets.iter().find(|t| t.eq_ignore_ascii_case(kind)),
                None if targets.len() == 1 => targets.first(),
                None => {
                    return Err(FormulaError {
                        at,
                        message: format!(
                            "Field {written} may lead to several objects: write {relation}:{}",
                            targets.last().map(String::as_str).unwrap_or_default()
                        ),
                    });
                }
            };
            object = target.and_then(|t| self.schema.object(t)).ok_or_else(unknown)?;
            hops.push((by, object));
        }
        if hops.len() > 10 {
            return Err(FormulaError {
                at,
                message: "a formula reaches at most 10 relationships up".to_owned(),
            });
        }
        let spec = &self.schema.objects[object];
        let field = spec.field(last).ok_or_else(unknown)?;
        let f = &spec.fields[field];
        let kind = Type::of(f.kind).ok_or_else(|| FormulaError {
            at,
            message: format!("Field {written} is a compound field and cannot be used in a formula"),
        })?;
        if root == Root::Record {
            let from = self.object;
            for (n, (by, _)) in hops.iter().enumerate() {
                let at_object = n.checked_sub(1).map_or(from, |n| hops[n].1);
                self.reads.push(Read {
                    via: hops[..n].iter().map(|(by, _)| *by).collect(),
                    object: at_object,
                    field: *by,
                });
            }
            self.reads.push(Read {
                via: hops.iter().map(|(by, _)| *by).collect(),
                object,
                field,
            });
        }
        let path = Path {
            root,
            hops,
            field,
            kind: f.kind,
            zero: self.blank_is_zero && f.kind.is_number(),
        };
        Ok((Expr::Field(path), kind))
    }
}
