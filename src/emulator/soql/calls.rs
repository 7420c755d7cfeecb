//! Functions as a statement calls them, resolved, and what may stand in a filter.

use super::{
    SoqlError,
    ast::{Call, Expr, Literal},
    compile::{Compiler, is_distance, plain},
    functions::{DatePart, Distance, Function},
    plan::{Leaf, Operand, Value},
};
use crate::emulator::schema::Kind;

impl Compiler<'_> {
    /// A field or a function of one.
    pub(super) fn value(&self, expr: &Expr) -> Result<Value, SoqlError> {
        match expr {
            Expr::Path(path) => Ok(plain(self.path(path)?, &path.text())),
            Expr::Call(call) => self.call(call),
            Expr::Literal(_) => Err(SoqlError::malformed("a field is needed here")),
        }
    }

    fn call(&self, call: &Call) -> Result<Value, SoqlError> {
        if call.name == "DISTANCE" {
            return self.distance(call);
        }
        let [argument] = &call.args[..] else {
            return Err(self.unknown_function(call));
        };
        let part = DatePart::of(&call.name);
        if part.is_none()
            && !matches!(
                call.name.as_str(),
                "TOLABEL" | "FORMAT" | "CONVERTCURRENCY" | "CONVERTTIMEZONE" | "DAY_ONLY"
            )
        {
            return Err(self.unknown_function(call));
        }
        let mut value = self.value(argument)?;
        let field = value.path.spec(self.schema);
        let at = argument.at();
        let refuse = |what: &str| {
            SoqlError::at(
                "MALFORMED_QUERY",
                self.soql,
                at,
                &format!("field '{}' {what}", field.name),
            )
        };
        let function = match call.name.as_str() {
            "TOLABEL" => {
                let labelled = matches!(
                    value.kind,
                    Kind::Picklist | Kind::MultiPicklist | Kind::Combobox | Kind::Text
                );
                if !labelled {
                    return Err(refuse("does not support the function toLabel"));
                }
                let labels = field.picklist.iter().filter(|p| p.label != p.value);
                Function::Label(labels.map(|p| (p.value.clone(), p.label.clone())).collect())
            }
            "FORMAT" => Function::format(self.asker, value.kind, field),
            "CONVERTCURRENCY" => {
                if value.kind != Kind::Currency {
                    return Err(refuse("is not a currency field"));
                }
                Function::Currency
            }
            "CONVERTTIMEZONE" => {
                if value.kind != Kind::DateTime {
                    return Err(refuse("is not of type dateTime"));
                }
                Function::Local(self.asker.zone.clone())
            }
            "DAY_ONLY" => {
                if value.kind != Kind::DateTime {
                    return Err(refuse("is not of type dateTime"));
                }
                Function::DayOnly
            }
            _ => match part {
                Some(DatePart::Hour) if value.kind != Kind::DateTime => {
                    return Err(refuse("is not of type dateTime"));
                }
                Some(part) if matches!(value.kind, Kind::Date | Kind::DateTime) => Function::Date(part),
                _ => return Err(refuse("is not of type date or dateTime")),
            },
        };
        value.kind = function.kind(value.kind);
        value.calls.push(function);
        Ok(value)
    }

    fn distance(&self, call: &Call) -> Result<Value, SoqlError> {
        let malformed = || {
            SoqlError::at(
                "MALFORMED_QUERY",
                self.soql,
                call.at,
                "DISTANCE takes a location, a GEOLOCATION(latitude, longitude) and 'mi' or 'km'",
            )
        };
        let [
            Expr::Path(path),
            Expr::Call(place),
            Expr::Literal(Literal::Text(unit)),
        ] = &call.args[..]
        else {
            return Err(malformed());
        };
        let number = |expr: &Expr| match expr {
            Expr::Literal(Literal::Plain(text)) => text.parse::<f64>().ok(),
            _ => None,
        };
        let (true, [latitude, longitude]) = (place.name == "GEOLOCATION", &place.args[..]) else {
            return Err(malformed());
        };
        let (Some(latitude), Some(longitude)) = (number(latitude), number(longitude)) else {
            return Err(malformed());
        };
        let miles = match unit.to_ascii_lowercase().as_str() {
            "mi" => true,
            "km" => false,
            _ => return Err(malformed()),
        };
        let path_ref = self.path(path)?;
        if !path_ref.kind.is_compound() {
            return Err(malformed());
        }
        Ok(Value {
            path: path_ref,
            calls: vec![Function::Distance(Distance {
                latitude,
                longitude,
                miles,
            })],
            kind: Kind::Double,
            written: path.text(),
        })
    }

    fn unknown_function(&self, call: &Call) -> SoqlError {
        let end = call.at + call.name.len();
        SoqlError::unexpected(self.asker, self.soql, end, "(")
    }

    /// What a condition may be about.
    pub(super) fn filterable(&self, expr: &Expr) -> Result<Operand<Value>, SoqlError> {
        let value = self.value(expr)?;
        let distance = is_distance(&value);
        if !value.path.is_type() && !distance {
            let field = value.path.spec(self.schema);
            if field.kind.is_compound() {
                return Err(self.invalid(
                    expr.at(),
                    "Address fields can only be filtered using Distance expressions",
                ));
            }
            if !field.filterable() {
                return Err(self.invalid(
                    expr.at(),
                    &format!("field '{}' can not be filtered in a query call", field.name),
                ));
            }
        }
        Ok(Operand {
            kind: value.kind,
            // A case-sensitive field stays so; what a function makes of a field does not.
            folds: value.folds() || !value.calls.is_empty() && value.kind.is_text(),
            name: match &value.path.leaf {
                Leaf::TypeName => "Type".to_owned(),
                _ => value.path.spec(self.schema).name.clone(),
            },
            at: expr.at(),
            value,
        })
    }
}
