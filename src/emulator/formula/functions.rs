use super::value::Type;

/// A function that is worked out from the values of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    AddMonths,
    Ascii,
    Begins,
    Br,
    CaseSafeId,
    Ceiling,
    Chr,
    Contains,
    Date,
    DateTimeValue,
    DateValue,
    Day,
    DayOfYear,
    Exp,
    Find,
    Floor,
    FromUnixTime,
    Hour,
    Hyperlink,
    Image,
    InitCap,
    IsNumber,
    IsoWeek,
    IsoYear,
    Left,
    Len,
    Ln,
    Log,
    Lower,
    Lpad,
    Max,
    Mceiling,
    Mfloor,
    Mid,
    Millisecond,
    Min,
    Minute,
    Mod,
    Month,
    Now,
    Pi,
    Reverse,
    Right,
    Round,
    Rpad,
    Second,
    Sqrt,
    Substitute,
    TimeNow,
    TimeValue,
    Today,
    Trim,
    Trunc,
    UnixTimestamp,
    Upper,
    Value,
    Weekday,
    Year,
}

/// How a function is called: its name, the types that each argument may have, how many of them are needed, and what
/// comes out.
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    arguments: &'static [&'static [Type]],
    pub(super) least: usize,
    /// The last argument may be repeated.
    pub(super) open: bool,
    pub(super) result: Type,
}

const T: &[Type] = &[Type::Text];
const N: &[Type] = &[Type::Number];
const D: &[Type] = &[Type::Date];
const DT: &[Type] = &[Type::DateTime];
const TIME: &[Type] = &[Type::Time];
const DAY: &[Type] = &[Type::Date, Type::DateTime];
const MOMENT: &[Type] = &[Type::Text, Type::Date, Type::DateTime];
const CLOCK: &[Type] = &[Type::Text, Type::DateTime];

/// A function with its name and arguments; the number says how many arguments are needed when not all are.
macro_rules! signature {
    ($name:literal, $function:ident, [$($argument:expr),*], $result:ident) => {
        Signature { name: $name, function: Function::$function, arguments: &[$($argument),*], least: <[&[Type]]>::len(&[$($argument),*]), open: false, result: Type::$result }
    };
    ($name:literal, $function:ident, [$($argument:expr),*], $result:ident, $least:literal) => {
        Signature { name: $name, function: Function::$function, arguments: &[$($argument),*], least: $least, open: false, result: Type::$result }
    };
    ($name:literal, $function:ident, [$argument:expr] .., $result:ident) => {
        Signature { name: $name, function: Function::$function, arguments: &[$argument], least: 1, open: true, result: Type::$result }
    };
}

const SIGNATURES: &[Signature] = &[
    signature!("ABS", Abs, [N], Number),
    signature!("ADDMONTHS", AddMonths, [DAY, N], Date),
    signature!("ASCII", Ascii, [T], Number),
    signature!("BEGINS", Begins, [T, T], Boolean),
    signature!("BR", Br, [], Text),
    signature!("CASESAFEID", CaseSafeId, [T], Text),
    signature!("CEILING", Ceiling, [N], Number),
    signature!("CHR", Chr, [N], Text),
    signature!("CONTAINS", Contains, [T, T], Boolean),
    signature!("DATE", Date, [N, N, N], Date),
    signature!("DATETIMEVALUE", DateTimeValue, [MOMENT], DateTime),
    signature!("DATEVALUE", DateValue, [MOMENT], Date),
    signature!("DAY", Day, [D], Number),
    signature!("DAYOFYEAR", DayOfYear, [D], Number),
    signature!("EXP", Exp, [N], Number),
    signature!("FIND", Find, [T, T, N], Number, 2),
    signature!("FLOOR", Floor, [N], Number),
    signature!("FROMUNIXTIME", FromUnixTime, [N], DateTime),
    signature!("HOUR", Hour, [TIME], Number),
    signature!("HYPERLINK", Hyperlink, [T, T, T], Text, 2),
    signature!("IMAGE", Image, [T, T, N, N], Text, 2),
    signature!("INITCAP", InitCap, [T], Text),
    signature!("ISNUMBER", IsNumber, [T], Boolean),
    signature!("ISOWEEK", IsoWeek, [D], Number),
    signature!("ISOYEAR", IsoYear, [D], Number),
    signature!("LEFT", Left, [T, N], Text),
    signature!("LEN", Len, [T], Number),
    signature!("LN", Ln, [N], Number),
    signature!("LOG", Log, [N], Number),
    signature!("LOWER", Lower, [T, T], Text, 1),
    signature!("LPAD", Lpad, [T, N, T], Text, 2),
    signature!("MAX", Max, [N].., Number),
    signature!("MCEILING", Mceiling, [N], Number),
    signature!("MFLOOR", Mfloor, [N], Number),
    signature!("MID", Mid, [T, N, N], Text),
    signature!("MILLISECOND", Millisecond, [TIME], Number),
    signature!("MIN", Min, [N].., Number),
    signature!("MINUTE", Minute, [TIME], Number),
    signature!("MOD", Mod, [N, N], Number),
    signature!("MONTH", Month, [D], Number),
    signature!("NOW", Now, [], DateTime),
    signature!("PI", Pi, [], Number),
    signature!("REVERSE", Reverse, [T], Text),
    signature!("RIGHT", Right, [T, N], Text),
    signature!("ROUND", Round, [N, N], Number),
    signature!("RPAD", Rpad, [T, N, T], Text, 2),
    signature!("SECOND", Second, [TIME], Number),
    signature!("SQRT", Sqrt, [N], Number),
    signature!("SUBSTITUTE", Substitute, [T, T, T], Text),
    signature!("TIMENOW", TimeNow, [], Time),
    signature!("TIMEVALUE", TimeValue, [CLOCK], Time),
    signature!("TODAY", Today, [], Date),
    signature!("TRIM", Trim, [T], Text),
    signature!("TRUNC", Trunc, [N, N], Number, 1),
    signature!("UNIXTIMESTAMP", UnixTimestamp, [DT], Number),
    signature!("UPPER", Upper, [T, T], Text, 1),
    signature!("VALUE", Value, [T], Number),
    signature!("WEEKDAY", Weekday, [D], Number),
    signature!("YEAR", Year, [D], Number),
];

/// Functions of Salesforce that the emulated org does not know.
pub(super) const UNKNOWN: &[&str] = &[
    "ACOS",
    "ASIN",
    "ATAN",
    "ATAN2",
    "COS",
    "CURRENCYRATE",
    "DISTANCE",
    "FORMATDURATION",
    "GEOLOCATION",
    "GETRECORDIDS",
    "GETSESSIONID",
    "HTMLENCODE",
    "IMAGEPROXYURL",
    "INCLUDE",
    "ISCLONE",
    "JSENCODE",
    "JSINHTMLENCODE",
    "JUNCTIONIDLIST",
    "LINKTO",
    "PARENTGROUPVAL",
    "PICKLISTCOUNT",
    "PREDICT",
    "PREVGROUPVAL",
    "REQUIRESCRIPT",
    "SIN",
    "TAN",
    "URLENCODE",
    "URLFOR",
    "VLOOKUP",
];

impl Signature {
    pub(super) fn find(name: &str) -> Option<&'static Signature> {
        SIGNATURES
            .binary_search_by(|s| s.name.cmp(name))
            .ok()
            .map(|at| &SIGNATURES[at])
    }

    /// How many arguments there may be.
    pub(super) fn most(&self) -> usize {
        if self.open {
            usize::MAX
        } else {
            self.arguments.len()
        }
    }

    /// The types of an argument.
    pub(super) fn argument(&self, at: usize) -> &'static [Type] {
        self.arguments
            .get(at)
            .or(self.arguments.last())
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_name() {
        assert!(SIGNATURES.is_sorted_by_key(|s| s.name));
        for signature in SIGNATURES {
            let found = Signature::find(signature.name).expect(signature.name);
            assert_eq!(found.function, signature.function);
        }
        assert!(Signature::find("NOPE").is_none());
    }
}
