//! Grouped statements: what their columns, their HAVING and their order stand for.

use std::cell::RefCell;

use super::{
    SoqlError,
    ast::{Call, Expr, Item, Path, Query, Subtotals},
    compile::{Compiler, must_be_grouped, picklist_order},
    functions::Function,
    plan::{Aggregate, AggregateFunction, GroupColumn, Groups, Operand, Part, PartOf, Sort, Value},
};
use crate::emulator::schema::{Field, Kind};

/// The keys and sums of a statement, as far as they are known.
struct Grouping<'c, 'a> {
    compiler: &'c Compiler<'a>,
    keys: Vec<Value>,
    sums: RefCell<Vec<Aggregate>>,
    /// Other names of columns.
    named: RefCell<Vec<(String, Operand<Part>)>>,
}

impl Compiler<'_> {
    pub(super) fn groups(&self, query: &Query) -> Result<Groups, SoqlError> {
        let mut keys = Vec::new();
        for expr in query.group.iter().flat_map(|g| &g.keys) {
            let value = self.value(expr)?;
            let groupable = match value.calls.is_empty() {
                true => value.path.is_type() || groupable(value.path.spec(self.schema)),
                false => !value.calls.iter().any(|c| matches!(c, Function::Distance(_))),
            };
            if !groupable {
                return Err(SoqlError::at(
                    "MALFORMED_QUERY",
                    self.soql,
                    expr.at(),
                    &format!(
                        "field '{}' can not be grouped in a query call",
                        value.path.spec(self.schema).name
                    ),
                ));
            }
            keys.push(value);
        }
        let whole = query.group.is_none();
        if whole && query.limit.is_some() {
            return Err(SoqlError::malformed(
                "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
            ));
        }
        let grouping = Grouping {
            compiler: self,
            keys,
            sums: RefCell::default(),
            named: RefCell::default(),
        };
        let columns = grouping.columns(query)?;
        let having = query
            .having
            .as_ref()
            .map(|cond| {
                self.condition(cond, &|expr| {
                    grouping.part(expr, "Having field must be grouped or aggregated")
                })
            })
            .transpose()?;
        let mut order = Vec::new();
        for sort in &query.order {
            let operand = grouping.part(&sort.expr, "Ordered field must be grouped or aggregated")?;
            let values = match operand.value.from {
                PartOf::Key(at) => picklist_order(self.schema, &grouping.keys[at]),
                _ => Vec::new(),
            };
            order.push(Sort {
                value: operand.value,
                kind: operand.kind,
                descending: sort.descending,
                nulls_last: sort.nulls_last,
                values,
            });
        }
        Ok(Groups {
            subtotals: query.group.as_ref().map_or(Subtotals::None, |g| g.subtotals),
            whole,
            sums: grouping.sums.into_inner(),
            keys: grouping.keys,
            columns,
            having,
            order,
        })
    }
}

/// Kinds that a describe calls groupable.
fn groupable(field: &Field) -> bool {
    field.filterable()
        && !field.kind.is_double()
        && !field.kind.is_compound()
        && !matches!(
            field.kind,
            Kind::DateTime | Kind::Time | Kind::MultiPicklist | Kind::Combobox
        )
}

impl Grouping<'_, '_> {
    fn columns(&self, query: &Query) -> Result<Vec<GroupColumn>, SoqlError> {
        let mut columns: Vec<GroupColumn> = Vec::new();
        let mut unnamed = 0;
        for item in &query.items {
            let (expr, alias) = match item {
                Item::Expr(expr, alias) => (expr, alias),
                Item::Fields(_) => {
                    let schema = self.compiler.schema;
                    let object = &schema.objects[self.compiler.object];
                    let first = object.fields.first().map(|f| f.name.as_str()).unwrap_or_default();
                    return Err(SoqlError::malformed(format!(
                        "Field must be grouped or aggregated: {first}"
                    )));
                }
                Item::Children(..) | Item::TypeOf(_) => {
                    return Err(SoqlError::malformed(
                        "grouped queries select fields and aggregates only",
                    ));
                }
            };
            let operand = self.part(expr, "Field must be grouped or aggregated")?;
            let name = match (alias, expr) {
                (Some(alias), _) => alias.clone(),
                (None, Expr::Path(_)) => operand.name.clone(),
                (None, _) => {
                    unnamed += 1;
                    format!("expr{}", unnamed - 1)
                }
            };
            if columns.iter().any(|c| c.name.eq_ignore_ascii_case(&name)) {
                return Err(SoqlError::malformed(format!("duplicate alias: {name}")));
            }
            columns.push(GroupColumn {
                name: name.clone(),
                kind: operand.kind,
                part: operand.value.clone(),
            });
            self.named.borrow_mut().push((name, operand));
        }
        Ok(columns)
    }

    /// What an expression stands for in a group; `missing` says what is wrong with a field that is neither.
    fn part(&self, expr: &Expr, missing: &str) -> Result<Operand<Part>, SoqlError> {
        let compiler = self.compiler;
        if let Expr::Call(call) = expr {
            if let Some(function) = aggregate(&call.name) {
                return self.sum(call, function);
            }
            if call.name == "GROUPING" {
                return self.grouping(call);
            }
            if let ("FORMAT" | "CONVERTCURRENCY", [argument]) = (call.name.as_str(), &call.args[..]) {
                let mut operand = self.part(argument, missing)?;
                let field = match operand.value.from {
                    PartOf::Key(at) => self.keys[at].path.field,
                    PartOf::Sum(at) => self.sums.borrow()[at].value.path.field,
                    PartOf::Grouping(_) => return Err(must_be_grouped(expr)),
                };
                let field = &compiler.schema.objects[field.0].fields[field.1];
                let function = match call.name.as_str() {
                    "FORMAT" => Function::format(compiler.asker, operand.kind, field),
                    _ => Function::Currency,
                };
                operand.kind = function.kind(operand.kind);
                operand.value.calls.push(function);
                return Ok(operand);
            }
        }
        if let Expr::Path(path) = expr
            && let [name] = &path.parts[..]
            && let Some((_, named)) = self
                .named
                .borrow()
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
        {
            return Ok(Operand {
                value: named.value.clone(),
                kind: named.kind,
                folds: named.folds,
                name: named.name.clone(),
                at: path.at,
            });
        }
        let value = compiler.value(expr)?;
        let Some(at) = self.keys.iter().position(|k| k.same(&value)) else {
            let name = expr.path().map(Path::text).unwrap_or_default();
            return Err(SoqlError::malformed(format!("{missing}: {name}")));
        };
        Ok(Operand {
            kind: value.kind,
            folds: value.folds(),
            name: if value.path.is_type() {
                "Type".to_owned()
            } else {
                value.path.spec(compiler.schema).name.clone()
            },
            at: expr.at(),
            value: Part {
                from: PartOf::Key(at),
                calls: Vec::new(),
            },
        })
    }

    fn grouping(&self, call: &Call) -> Result<Operand<Part>, SoqlError> {
        let [argument] = &call.args[..] else {
            return Err(SoqlError::malformed("GROUPING takes one field"));
        };
        let value = self.compiler.value(argument)?;
        let at = self
            .keys
            .iter()
            .position(|k| k.same(&value))
            .ok_or_else(|| must_be_grouped(argument))?;
        Ok(Operand {
            kind: Kind::Int,
            folds: false,
            name: value.written,
            at: call.at,
            value: Part {
                from: PartOf::Grouping(at),
                calls: Vec::new(),
            },
        })
    }

    fn sum(&self, call: &Call, function: AggregateFunction) -> Result<Operand<Part>, SoqlError> {
        let compiler = self.compiler;
        let [argument] = &call.args[..] else {
            let end = call.at + call.name.len() + 1;
            return Err(SoqlError::unexpected(compiler.asker, compiler.soql, end, ")"));
        };
        let value = compiler.value(argument)?;
        let field = value.path.spec(compiler.schema);
        let refuse =
            |message: String| SoqlError::at("MALFORMED_QUERY", compiler.soql, argument.at(), &message);
        let counts = field.filterable()
            && !field.kind.is_compound()
            && !matches!(field.kind, Kind::Boolean | Kind::MultiPicklist);
        let fits = match function {
            AggregateFunction::Sum | AggregateFunction::Avg => value.kind.is_number(),
            AggregateFunction::Count | AggregateFunction::CountDistinct => counts,
            AggregateFunction::Min | AggregateFunction::Max => counts && value.kind != Kind::Time,
        };
        if !fits && !value.path.is_type() {
            return Err(refuse(format!(
                "field {} does not support aggregate operator {}",
                field.name, call.name
            )));
        }
        if self.keys.iter().any(|k| k.same(&value)) {
            return Err(refuse(format!(
                "Grouped field should not be aggregated: {}",
                value.written
            )));
        }
        let kind = match function {
            AggregateFunction::Count | AggregateFunction::CountDistinct => Kind::Int,
            AggregateFunction::Avg => Kind::Double,
            _ => value.kind,
        };
        let folds = value.folds();
        let name = value.path.spec(compiler.schema).name.clone();
        let mut sums = self.sums.borrow_mut();
        let at = sums
            .iter()
            .position(|s| s.function == function && s.value.same(&value))
            .unwrap_or(sums.len());
        if at == sums.len() {
            sums.push(Aggregate { function, value });
        }
        Ok(Operand {
            kind,
            folds,
            name,
            at: call.at,
            value: Part {
                from: PartOf::Sum(at),
                calls: Vec::new(),
            },
        })
    }
}

fn aggregate(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "COUNT" => AggregateFunction::Count,
        "COUNT_DISTINCT" => AggregateFunction::CountDistinct,
        "SUM" => AggregateFunction::Sum,
        "AVG" => AggregateFunction::Avg,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        _ => return None,
    })
}
