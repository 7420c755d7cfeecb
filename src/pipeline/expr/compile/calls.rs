//! Filters, tests and the one function.

use std::ops::Range;

use minijinja::machinery::ast::{self, CallArg};

use super::{
    super::{
        FaultKind,
        fault::closest,
        filters::{self, FilterCall},
        test,
        tree::{EachCall, Node},
    },
    Compiler,
};
use crate::record::Value;

impl<'s> Compiler<'s, '_> {
    pub(super) fn call(&mut self, call: &ast::Spanned<ast::Call<'s>>) -> Node {
        let (name, help) = match &call.expr {
            ast::Expr::Var(var) if var.id == "range" => return self.range_call(var.id, &call.args),
            ast::Expr::Var(var) => (
                var.id,
                filters::find(var.id).map(|_| format!("write `VALUE | {}`", var.id)),
            ),
            ast::Expr::GetAttr(attr) => (
                attr.name,
                filters::find(attr.name).map(|_| format!("write `VALUE | {}`", attr.name)),
            ),
            other => {
                let range = self.range(other);
                return self.fault(
                    FaultKind::Unsupported,
                    range,
                    "this cannot be called",
                    "not a function",
                    None,
                );
            }
        };
        let what = if matches!(call.expr, ast::Expr::Var(_)) {
            "function"
        } else {
            "method"
        };
        let help = help.or_else(|| Some("values are changed by filters: `Name | upper`".into()));
        let range = self.place(name);
        self.fault(
            FaultKind::Unsupported,
            range,
            format!("there is no {what} `{name}`"),
            format!("no such {what}"),
            help,
        )
    }

    pub(super) fn range_call(&mut self, name: &'s str, args: &[CallArg<'s>]) -> Node {
        let mut numbers = Vec::new();
        for arg in args {
            match arg {
                CallArg::Pos(arg) => numbers.push(self.expr(arg)),
                _ => numbers.clear(),
            }
        }
        if !(1..=3).contains(&numbers.len()) || numbers.len() != args.len() {
            let range = self.place(name);
            return self.fault(
                FaultKind::WrongArguments,
                range,
                "`range` takes one to three numbers",
                "wrong arguments",
                Some("`range(3)` is [0, 1, 2], `range(1, 4)` is [1, 2, 3]".into()),
            );
        }
        Node::Range(numbers)
    }

    pub(super) fn filter(&mut self, input: Node, name: &'s str, args: &[CallArg<'s>]) -> Node {
        match name {
            "map" | "select" | "reject" | "selectattr" | "rejectattr" => match self.each(name, args) {
                Some(call) => Node::Each(Box::new((input, call))),
                None => Node::Const(Value::Null),
            },
            _ => match self.filter_call(name, self.place(name), args) {
                Some(call) => Node::Filter(Box::new(input), Box::new(call)),
                None => Node::Const(Value::Null),
            },
        }
    }

    pub(super) fn filter_call(
        &mut self,
        name: &str,
        place: Range<usize>,
        args: &[CallArg<'s>],
    ) -> Option<FilterCall> {
        let Some(filter) = filters::find(name) else {
            let help = match closest(name, filters::names()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!(
                    "the filters are: {}",
                    filters::names().collect::<Vec<_>>().join(", ")
                ),
            };
            self.fault(
                FaultKind::UnknownFilter,
                place,
                format!("there is no filter `{name}`"),
                "unknown filter",
                Some(help),
            );
            // Their names may be wrong too.
            self.arguments(args);
            return None;
        };
        let mut bound: Vec<Option<Node>> = filter.params.iter().map(|_| None).collect();
        let mut right = true;
        for (at, arg) in args.iter().enumerate() {
            let (slot, expr, place) = match arg {
                CallArg::Pos(expr) => (Some(at).filter(|at| *at < bound.len()), expr, self.range(expr)),
                CallArg::Kwarg(keyword, expr) => (
                    filter.params.iter().position(|param| param.name == *keyword),
                    expr,
                    self.place(keyword),
                ),
                CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => (None, expr, self.range(expr)),
            };
            let node = self.expr(expr);
            let complaint = match slot {
                None => Some((
                    format!("the filter `{name}` does not take this argument"),
                    "not expected",
                )),
                Some(slot) if bound[slot].is_some() => Some((
                    format!("the argument `{}` is given twice", filter.params[slot].name),
                    "again",
                )),
                Some(slot) => match &node {
                    Node::Const(value) => {
                        filters::wrong_argument(filter, slot, value).map(|wrong| (wrong, "wrong argument"))
                    }
                    _ => None,
                },
            };
            match (complaint, slot) {
                (Some((message, label)), _) => {
                    let help = Some(format!("it is written `{}`", filters::usage(filter)));
                    self.fault(FaultKind::WrongArguments, place, message, label, help);
                    right = false;
                }
                (None, Some(slot)) => bound[slot] = Some(node),
                (None, None) => {}
            }
        }
        let missing = filter
            .params
            .iter()
            .zip(&bound)
            .find(|(param, given)| param.required && given.is_none());
        if let (Some((param, _)), true) = (missing, right) {
            self.fault(
                FaultKind::WrongArguments,
                place,
                format!("the filter `{name}` needs the argument `{}`", param.name),
                "argument missing",
                Some(format!("it is written `{}`", filters::usage(filter))),
            );
            right = false;
        }
        right.then_some(FilterCall { filter, args: bound })
    }

    /// Compiles arguments for their faults alone.
    pub(super) fn arguments(&mut self, args: &[CallArg<'s>]) {
        for arg in args {
            let (CallArg::Pos(expr)
            | CallArg::Kwarg(_, expr)
            | CallArg::PosSplat(expr)
            | CallArg::KwargSplat(expr)) = arg;
            self.expr(expr);
        }
    }

    /// `map`, `select` and their kin, whose arguments name filters, tests and fields.
    pub(super) fn each(&mut self, name: &'s str, args: &[CallArg<'s>]) -> Option<EachCall> {
        let place = self.place(name);
        let text = |arg: Option<&CallArg<'s>>| match arg {
            Some(CallArg::Pos(ast::Expr::Const(constant))) => constant.value.as_str().map(str::to_owned),
            _ => None,
        };
        let first = text(args.first());
        if name == "map" {
            if let Some(filter) = first {
                let place = match args.first() {
                    Some(CallArg::Pos(expr)) => self.range(expr),
                    _ => place,
                };
                return self.filter_call(&filter, place, &args[1..]).map(EachCall::Filter);
            }
            let (mut attribute, mut default, mut right) = (None, None, true);
            for arg in args {
                match arg {
                    CallArg::Kwarg("attribute", ast::Expr::Const(c)) if c.value.as_str().is_some() => {
                        attribute = c.value.as_str().map(attribute_path);
                    }
                    CallArg::Kwarg("default", expr) => default = Some(self.expr(expr)),
                    _ => right = false,
                }
            }
            if let (Some(attribute), true) = (attribute, right) {
                return Some(EachCall::Attribute(attribute, default));
            }
        } else {
            let by_attribute = name.ends_with("attr");
            let attribute = first.as_deref().filter(|_| by_attribute).map(attribute_path);
            if attribute.is_some() == by_attribute {
                let rest = args.get(usize::from(by_attribute)..).unwrap_or_default();
                let test = match text(rest.first()) {
                    Some(test) => Some(self.test_call_at(&test, place.clone(), &rest[1..])?),
                    None if rest.is_empty() => None,
                    None => {
                        self.each_misused(name, place);
                        return None;
                    }
                };
                return Some(EachCall::Select {
                    keep: name.starts_with("select"),
                    attribute,
                    test,
                });
            }
        }
        self.each_misused(name, place);
        None
    }

    pub(super) fn each_misused(&mut self, name: &str, place: Range<usize>) {
        let help = match name {
            "map" => "it is written `map('upper')` or `map(attribute='sku')`",
            "select" | "reject" => {
                "it is written `select('number')`: the name of a test, and what the test wants"
            }
            _ => {
                "it is written `selectattr('sku', 'eq', 'A1')`: a field, the name of a test, and what the test wants"
            }
        };
        self.fault(
            FaultKind::WrongArguments,
            place,
            format!("the filter `{name}` does not take these arguments"),
            "wrong arguments",
            Some(help.into()),
        );
    }

    pub(super) fn test_call(&mut self, name: &'s str, args: &[CallArg<'s>]) -> Option<test::TestCall> {
        self.test_call_at(name, self.place(name), args)
    }

    pub(super) fn test_call_at(
        &mut self,
        name: &str,
        place: Range<usize>,
        args: &[CallArg<'s>],
    ) -> Option<test::TestCall> {
        // `is null` is said as often as `is none`.
        let Some(test) = test::find(if name.eq_ignore_ascii_case("null") {
            "none"
        } else {
            name
        }) else {
            let help = match closest(name, test::names()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!(
                    "compare values with `==`; the tests are: {}",
                    test::names().collect::<Vec<_>>().join(", ")
                ),
            };
            self.fault(
                FaultKind::UnknownTest,
                place,
                format!("there is no test `{name}`"),
                "unknown test",
                Some(help),
            );
            self.arguments(args);
            return None;
        };
        let mut given = Vec::new();
        for arg in args {
            let (CallArg::Pos(expr)
            | CallArg::Kwarg(_, expr)
            | CallArg::PosSplat(expr)
            | CallArg::KwargSplat(expr)) = arg;
            given.push(self.expr(expr));
        }
        let plain = args.iter().all(|arg| matches!(arg, CallArg::Pos(_)));
        if given.len() != test.arguments() || !plain {
            let wants = if test.arguments() == 0 {
                "no argument"
            } else {
                "one argument"
            };
            self.fault(
                FaultKind::WrongArguments,
                place,
                format!("the test `{name}` takes {wants}"),
                "wrong arguments",
                None,
            );
            return None;
        }
        Some(test::TestCall {
            test,
            argument: given.pop().map(Box::new),
        })
    }
}

fn attribute_path(path: &str) -> Vec<Box<str>> {
    path.split('.').map(Box::from).collect()
}
