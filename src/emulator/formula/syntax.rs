use rust_decimal::Decimal;

use super::FormulaError;

/// A piece of a formula, and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ast {
    pub(super) at: usize,
    pub(super) node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Number(Decimal),
    Text(String),
    Bool(bool),
    Null,
    /// `Account.Owner.Name`, `$User.Id`, `Owner:User.Name`.
    Path(Vec<String>),
    Negative(Box<Ast>),
    Not(Box<Ast>),
    Binary(Operator, Box<Ast>, Box<Ast>),
    Call(String, Vec<Ast>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Join,
    Multiply,
    Divide,
    Power,
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Operator::Or => "||",
            Operator::And => "&&",
            Operator::Equal => "=",
            Operator::Unequal => "<>",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Join => "&",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Power => "^",
        }
    }

    /// How tightly it binds.
    fn strength(self) -> u8 {
        match self {
            Operator::Or => 1,
            Operator::And => 2,
            Operator::Equal | Operator::Unequal => 3,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => 4,
            Operator::Add | Operator::Subtract | Operator::Join => 5,
            Operator::Multiply | Operator::Divide => 6,
            Operator::Power => 7,
        }
    }
}

/// Longer signs stand before their beginnings.
const OPERATORS: &[(&str, Operator)] = &[
    ("||", Operator::Or),
    ("&&", Operator::And),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<>", Operator::Unequal),
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("+", Operator::Add),
    ("-", Operator::Subtract),
    ("&", Operator::Join),
    ("*", Operator::Multiply),
    ("/", Operator::Divide),
    ("^", Operator::Power),
];

/// Reads a formula.
pub(super) fn parse(text: &str) -> Result<Ast, FormulaError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let ast = parser.expression(0)?;
    parser.space()?;
    if parser.at < text.len() {
        let rest: String = text[parser.at..].chars().take(12).collect();
        return Err(parser.error(format!("Syntax error. Extra `{rest}`")));
    }
    Ok(ast)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, message: impl Into<String>) -> FormulaError {
        FormulaError {
            at: self.at,
            message: message.into(),
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Passes blanks and comments.
    fn space(&mut self) -> Result<(), FormulaError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            if !self.rest().starts_with("/*") {
                return Ok(());
            }
            match self.rest().find("*/") {
                Some(end) => self.at += end + 2,
                None => return Err(self.error("Syntax error. A comment has no end")),
            }
        }
    }

    fn take(&mut self, sign: &str) -> Result<bool, FormulaError> {
        self.space()?;
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        Ok(found)
    }

    fn operator(&mut self) -> Result<Option<(Operator, usize)>, FormulaError> {
        self.space()?;
        let rest = self.rest();
        Ok(OPERATORS
            .iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .map(|(sign, operator)| (*operator, sign.len())))
    }

    fn expression(&mut self, weakest: u8) -> Result<Ast, FormulaError> {
        self.depth += 1;
        if self.depth > 100 {
            return Err(self.error("Formula is too deep"));
        }
        let mut left = self.operand()?;
        while let Some((operator, length)) = self.operator()? {
            if operator.strength() <= weakest {
                break;
            }
            let at = self.at;
            self.at += length;
            let right = self.expression(operator.strength())?;
            left = Ast {
                at,
                node: Node::Binary(operator, Box::new(left), Box::new(right)),
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Ast, FormulaError> {
        self.space()?;
        let at = self.at;
        let node = match self.rest().chars().next() {
            None => return Err(self.error("Syntax error. The formula ends too early")),
            Some('(') => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.close()?;
                return Ok(inner);
            }
            // A sign binds less tightly than a power, more tightly than a product.
            Some('-') => {
                self.at += 1;
                Node::Negative(Box::new(self.expression(6)?))
            }
            Some('+') => {
                self.at += 1;
                return self.expression(6);
            }
            Some('!') => {
                self.at += 1;
                Node::Not(Box::new(self.expression(6)?))
            }
            Some(quote @ ('"' | '\'')) => Node::Text(self.string(quote)?),
            Some(c) if c.is_ascii_digit() || c == '.' => Node::Number(self.number()?),
            Some(c) if c.is_alphabetic() || c == '_' || c == '$' => return self.name(at),
            Some(c) => return Err(self.error(format!("Syntax error. Found `{c}`"))),
        };
        Ok(Ast { at, node })
    }

    fn close(&mut self) -> Result<(), FormulaError> {
        if self.take(")")? {
            Ok(())
        } else {
            Err(self.error("Syntax error. Missing ')'"))
        }
    }

    fn string(&mut self, quote: char) -> Result<String, FormulaError> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += at + c.len_utf8();
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, c)) => out.push(c),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err(self.error("Syntax error. A text has no end"))
    }

    fn number(&mut self) -> Result<Decimal, FormulaError> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number = rest[..end].parse::<Decimal>().ok();
        match number {
            Some(number) => {
                self.at += end;
                Ok(number)
            }
            None => Err(self.error(format!("Syntax error. `{}` is no number", &rest[..end]))),
        }
    }

    fn name(&mut self, at: usize) -> Result<Ast, FormulaError> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '$' | ':'))
            .unwrap_or(rest.len());
        let word = rest[..end].to_owned();
        self.at += end;
        if !word.contains('.') && self.take("(")? {
            let mut arguments = Vec::new();
            if self.take(")")? {
                return Ok(Ast {
                    at,
                    node: Node::Call(word.to_ascii_uppercase(), arguments),
                });
            }
            loop {
                arguments.push(self.expression(0)?);
                if !self.take(",")? {
                    break;
                }
            }
            self.close()?;
            return Ok(Ast {
                at,
                node: Node::Call(word.to_ascii_uppercase(), arguments),
            });
        }
        let node = match word.to_ascii_uppercase().as_str() {
            "TRUE" => Node::Bool(true),
            "FALSE" => Node::Bool(false),
            "NULL" => Node::Null,
            _ => Node::Path(word.split('.').map(str::to_owned).collect()),
        };
        Ok(Ast { at, node })
    }
}
