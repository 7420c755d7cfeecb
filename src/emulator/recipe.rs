//! Fills an org with the records of its file: written out, from CSV files, or made up from a seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::Value;

use super::{
    file::{Generate, Generator, OrgFile, OrgFileError, Recipe, Records, TimeSpan},
    schema::Kind,
    store::{Call, Cell, Op, Raw, RowError, Store, Target},
    words,
};

/// Makes all records of the file.
pub(crate) fn load(store: &mut Store, file: &OrgFile, call: Call<'_>) -> Result<(), OrgFileError> {
    for (n, records) in file.records.iter().enumerate() {
        let mut loader = Loader {
            file,
            place: format!("records[{n}]"),
            call,
            object: store.schema.object(&records.object).ok_or_else(|| {
                file.meaning(
                    format!("records[{n}].object"),
                    format!("there is no object `{}`", records.object),
                )
            })?,
            late: Vec::new(),
            made: 0,
        };
        match (&records.csv, &records.generate, records.rows.is_empty()) {
            (None, None, _) => loader.rows(store, records)?,
            (Some(path), None, true) => loader.csv(store, path)?,
            (None, Some(recipe), true) => loader.generate(store, recipe, file.seed.wrapping_add(n as u64))?,
            _ => return Err(file.meaning(loader.place, "say one of `rows`, `csv` and `generate`")),
        }
        loader.late(store)?;
    }
    Ok(())
}

/// A reference to a record that comes later in the same list.
struct Late {
    row: u32,
    record: usize,
    field: usize,
    parent: usize,
    by: usize,
    value: String,
}

struct Loader<'a> {
    file: &'a OrgFile,
    place: String,
    call: Call<'a>,
    object: usize,
    late: Vec<Late>,
    made: usize,
}

impl Loader<'_> {
    fn refused(&self, store: &Store, record: usize, error: RowError) -> OrgFileError {
        OrgFileError::Record {
            path: self.file.path.clone(),
            place: format!(
                "{}: record {record} of `{}`",
                self.place, store.schema.objects[self.object].name
            ),
            code: error.code.into_owned(),
            message: error.message,
        }
    }

    fn field(&self, store: &Store, name: &str) -> Result<usize, OrgFileError> {
        let object = &store.schema.objects[self.object];
        object.field(name).ok_or_else(|| {
            self.file
                .meaning(&self.place, format!("`{}` has no field `{name}`", object.name))
        })
    }

    /// `Account` and `Legacy_Id__c`: the reference, the parent's object and its field.
    fn relation(&self, store: &Store, relation: &str, by: &str) -> Result<Target, OrgFileError> {
        let object = &store.schema.objects[self.object];
        let wrong = |what: String| self.file.meaning(&self.place, what);
        let field = object
            .relationship(relation)
            .ok_or_else(|| wrong(format!("`{}` has no relationship `{relation}`", object.name)))?;
        // Of several possible parents the first one that has such a field is meant.
        let found = object.fields[field].reference_to.iter().rev().find_map(|name| {
            let parent = store.schema.object(name)?;
            Some((parent, store.schema.objects[parent].field(by)?))
        });
        let (parent, by) =
            found.ok_or_else(|| wrong(format!("the parent of `{relation}` has no field `{by}`")))?;
        Ok(Target::Related {
            field,
            object: parent,
            by,
        })
    }

    fn insert(&mut self, store: &mut Store, values: &mut Vec<(Target, Raw<'_>)>) -> Result<(), OrgFileError> {
        self.made += 1;
        let record = self.made;
        // A parent in the same object may stand further down.
        let mut later: Vec<(usize, usize, usize, String)> = Vec::new();
        values.retain(|(target, raw)| match (*target, *raw) {
            (Target::Related { field, object, by }, Raw::Text(text) | Raw::Csv(text, _))
                if object == self.object =>
            {
                if !text.is_empty() {
                    later.push((field, object, by, text.to_owned()));
                }
                false
            }
            _ => true,
        });
        let mut undo = Vec::new();
        store
            .write(self.object, Op::Insert, None, values, self.call, &mut undo)
            .map_err(|e| self.refused(store, record, e))?;
        let row = store.tables[self.object].len() - 1;
        for (field, parent, by, value) in later {
            self.late.push(Late {
                row,
                record,
                field,
                parent,
                by,
                value,
            });
        }
        Ok(())
    }

    fn late(&mut self, store: &mut Store) -> Result<(), OrgFileError> {
        for late in std::mem::take(&mut self.late) {
            let target = Target::Related {
                field: late.field,
                object: late.parent,
                by: late.by,
            };
            let id = Cell::new(store.tables[self.object].get(late.row, 0));
            let values = [(target, Raw::Text(&late.value))];
            store
                .write(
                    self.object,
                    Op::Update,
                    Some(&id),
                    &values,
                    self.call,
                    &mut Vec::new(),
                )
                .map_err(|e| self.refused(store, late.record, e))?;
        }
        Ok(())
    }

    fn rows(&mut self, store: &mut Store, records: &Records) -> Result<(), OrgFileError> {
        for row in &records.rows {
            let numbers: Vec<String> = row
                .values()
                .map(|v| match v {
                    Value::Number(n) => n.to_string(),
                    Value::Object(map) => map.values().next().map(plain).unwrap_or_default(),
                    _ => String::new(),
                })
                .collect();
            let mut values: Vec<(Target, Raw<'_>)> = Vec::with_capacity(row.len());
            for ((name, value), text) in row.iter().zip(&numbers) {
                let target = match value {
                    Value::Object(map) => {
                        let by = map.keys().next().map(String::as_str).unwrap_or_default();
                        self.relation(store, name, by)?
                    }
                    _ => Target::Field(self.field(store, name)?),
                };
                let raw = match value {
                    Value::Null => Raw::Null,
                    Value::Bool(flag) => Raw::Bool(*flag),
                    Value::String(text) => Raw::Text(text),
                    Value::Number(_) => Raw::Number(text),
                    _ => Raw::Text(text),
                };
                values.push((target, raw));
            }
            self.insert(store, &mut values)?;
        }
        Ok(())
    }

    fn csv(&mut self, store: &mut Store, path: &std::path::Path) -> Result<(), OrgFileError> {
        let path = self.file.base_dir.join(path);
        let read = |source: std::io::Error| OrgFileError::Read {
            path: path.clone(),
            source,
        };
        let mut reader = csv::ReaderBuilder::new()
            .from_path(&path)
            .map_err(|e| read(std::io::Error::other(e)))?;
        let header = reader
            .headers()
            .map_err(|e| read(std::io::Error::other(e)))?
            .clone();
        let targets: Vec<Target> = header
            .iter()
            .map(|name| match name.split_once('.') {
                Some((relation, by)) => self.relation(store, relation, by),
                None => self.field(store, name).map(Target::Field),
            })
            .collect::<Result<_, _>>()?;
        let mut record = csv::StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|e| read(std::io::Error::other(e)))?
        {
            let mut values: Vec<(Target, Raw<'_>)> = targets
                .iter()
                .zip(record.iter())
                .enumerate()
                .filter(|(_, (_, text))| !text.is_empty())
                .map(|(at, (target, text))| (*target, Raw::Csv(text, at)))
                .collect();
            self.insert(store, &mut values)?;
        }
        Ok(())
    }

    fn generate(&mut self, store: &mut Store, recipe: &Generate, seed: u64) -> Result<(), OrgFileError> {
        let mut rng = Rng::with_seed(seed ^ 0x6f72_6766_6572_7279);
        let mut plan: Vec<(usize, Kind, &String, &Recipe)> = Vec::new();
        for (name, how) in &recipe.fields {
            let field = self.field(store, name)?;
            plan.push((
                field,
                store.schema.objects[self.object].fields[field].kind,
                name,
                how,
            ));
        }
        for name in recipe.nulls.keys().chain(recipe.dirty.keys()) {
            if !recipe.fields.contains_key(name) {
                return Err(self
                    .file
                    .meaning(&self.place, format!("the recipe does not fill `{name}`")));
            }
        }
        // An address is made of the names, so it comes after them.
        plan.sort_by_key(|(_, _, _, how)| matches!(how, Recipe::Generator(Generator::Email(_))));
        let first = store.tables[self.object].len();
        let mut levels: Vec<u8> = Vec::new();
        let mut made: BTreeMap<&str, String> = BTreeMap::new();
        for n in 1..=recipe.count {
            made.clear();
            levels.push(0);
            for (_, kind, name, how) in &plan {
                let mut text = match how {
                    Recipe::Pattern(pattern) => numbered(pattern, n),
                    Recipe::Generator(generator) => {
                        self.value(store, &mut rng, generator, n, &made, first, &mut levels)?
                    }
                };
                if recipe
                    .nulls
                    .get(*name)
                    .is_some_and(|share| rng.f64() < share.get())
                {
                    text.clear();
                    if let Recipe::Generator(Generator::Parent(_)) = how
                        && let Some(level) = levels.last_mut()
                    {
                        *level = 0;
                    }
                }
                if recipe
                    .dirty
                    .get(*name)
                    .is_some_and(|share| rng.f64() < share.get())
                {
                    text = words::dirty(&mut rng, &text, *kind);
                }
                made.insert(name, text);
            }
            let mut values: Vec<(Target, Raw<'_>)> = plan
                .iter()
                .filter_map(|(field, _, name, _)| {
                    let text = made.get(name.as_str())?;
                    (!text.is_empty()).then_some((Target::Field(*field), Raw::Text(text)))
                })
                .collect();
            self.insert(store, &mut values)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the state of one recipe")]
    fn value(
        &self,
        store: &Store,
        rng: &mut Rng,
        generator: &Generator,
        n: usize,
        made: &BTreeMap<&str, String>,
        first: u32,
        levels: &mut [u8],
    ) -> Result<String, OrgFileError> {
        let wrong = |what: String| self.file.meaning(&self.place, what);
        let get = |name: &str| made.get(name).map(String::as_str).unwrap_or_default();
        Ok(match generator {
            Generator::Company(()) => words::company(rng),
            Generator::FirstName(()) => words::pick(rng, words::FIRST_NAMES).to_owned(),
            Generator::LastName(()) => words::pick(rng, words::LAST_NAMES).to_owned(),
            Generator::Email(domain) => words::email(get("FirstName"), get("LastName"), n, domain),
            Generator::Phone(()) => format!("+44 20 {:04} {:04}", rng.u32(1_000..10_000), rng.u32(0..10_000)),
            Generator::Street(()) => format!("{} {}", rng.u32(1..250), words::pick(rng, words::STREETS)),
            Generator::City(()) => words::pick(rng, words::CITIES).0.to_owned(),
            Generator::PostalCode(()) => format!("{:05}", rng.u32(1_000..99_999)),
            Generator::Country(()) => made
                .iter()
                .filter(|(name, _)| name.ends_with("City"))
                .find_map(|(_, city)| words::CITIES.iter().copied().find(|(c, _)| c == city))
                .unwrap_or_else(|| words::pick(rng, words::CITIES))
                .1
                .to_owned(),
            Generator::Pick(values) => values.at(rng.f64()).to_owned(),
            Generator::PickSome(values) => {
                let chosen: Vec<&str> = values
                    .entries()
                    .iter()
                    .filter(|_| rng.bool())
                    .map(|(v, _)| v.as_str())
                    .collect();
                chosen.join(";")
            }
            Generator::Number(span) => {
                let (min, max) = (span.min as i64, span.max as i64);
                rng.i64(min..=max.max(min)).to_string()
            }
            Generator::Decimal(span) => {
                let unit = 10_f64.powi(span.scale.min(15) as i32);
                let (min, max) = ((span.min * unit) as i64, (span.max * unit) as i64);
                let n = rng.i64(min..=max.max(min));
                rust_decimal::Decimal::new(n, span.scale.min(15)).to_string()
            }
            Generator::Date(span) => {
                let (from, to) = self.days(span)?;
                let days = rng.i64(0..=(to - from).get_days().max(0).into());
                from.checked_add(jiff::SignedDuration::from_hours(24 * days))
                    .unwrap_or(from)
                    .to_string()
            }
            Generator::Datetime(span) => {
                let (from, to) = self.days(span)?;
                let seconds = rng.i64(0..i64::from((to - from).get_days().max(0) + 1) * 86_400);
                let from = from.to_datetime(jiff::civil::Time::midnight());
                let at = from
                    .checked_add(jiff::SignedDuration::from_secs(seconds))
                    .unwrap_or(from);
                at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
            }
            Generator::Bool(share) => (rng.f64() < share.get()).to_string(),
            Generator::Reference(name) | Generator::Each(name) => {
                let parent = store
                    .schema
                    .object(name)
                    .ok_or_else(|| wrong(format!("there is no object `{name}`")))?;
                let count = store.tables[parent].len();
                if count == 0 {
                    return Err(wrong(format!("there is no record of `{name}` yet to refer to")));
                }
                let row = match generator {
                    Generator::Each(_) => (n as u32 - 1) % count,
                    _ => rng.u32(0..count),
                };
                store.tables[parent].get(row, 0).to_owned()
            }
            Generator::Parent(hierarchy) => {
                if n == 1 || rng.f64() >= hierarchy.share.get() {
                    return Ok(String::new());
                }
                // A few tries find a parent that leaves room below.
                for _ in 0..8 {
                    let at = rng.usize(0..n - 1);
                    if levels[at] < hierarchy.depth {
                        levels[n - 1] = levels[at] + 1;
                        return Ok(store.tables[self.object].get(first + at as u32, 0).to_owned());
                    }
                }
                String::new()
            }
            Generator::Text(text) => words::text(rng, text),
            Generator::RecordType(values) => {
                let name = values.at(rng.f64());
                store.schema.objects[self.object]
                    .record_types
                    .iter()
                    .find(|r| r.developer_name == name)
                    .map(|r| r.id.clone())
                    .ok_or_else(|| wrong(format!("there is no record type `{name}`")))?
            }
            Generator::Owner(Some(values)) => {
                let name = values.at(rng.f64());
                let by = |object: usize, field: &str| {
                    let field = store.schema.objects[object].field(field)?;
                    store
                        .find(object, field, name)
                        .first()
                        .map(|row| store.tables[object].get(*row, 0).to_owned())
                };
                by(store.user, "Username")
                    .or_else(|| by(store.group, "Name"))
                    .ok_or_else(|| wrong(format!("there is no user or queue `{name}`")))?
            }
            Generator::Owner(None) => {
                let active: Vec<u32> = (0..store.tables[store.user].len())
                    .filter(|row| store.text(store.user, *row, "IsActive") == "true")
                    .collect();
                match active.len() {
                    0 => String::new(),
                    count => store.tables[store.user]
                        .get(active[rng.usize(0..count)], 0)
                        .to_owned(),
                }
            }
        })
    }

    fn days(&self, span: &TimeSpan) -> Result<(jiff::civil::Date, jiff::civil::Date), OrgFileError> {
        let day = |text: &str| {
            text.parse::<jiff::civil::Date>().map_err(|_| {
                self.file
                    .meaning(&self.place, format!("`{text}` is no date such as 2026-01-31"))
            })
        };
        Ok((day(&span.from)?, day(&span.to)?))
    }
}

/// The text of a scalar.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `A-{n:05}` and 7: `A-00007`.
fn numbered(pattern: &str, n: usize) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(at) = rest.find("{n") {
        out.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            break;
        };
        match inner[..end].strip_prefix(':') {
            Some(width) => {
                let width = width.parse().unwrap_or(0);
                out.push_str(&format!("{n:0width$}"));
            }
            None if end == 0 => out.push_str(&n.to_string()),
            None => out.push_str(&rest[at..at + 3 + end]),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_numbered() {
        for (pattern, expected) in [
            ("A-{n}", "A-7"),
            ("A-{n:05}", "A-00007"),
            ("{n}/{n:02}", "7/07"),
            ("plain", "plain"),
            ("{name}", "{name}"),
        ] {
            assert_eq!(numbered(pattern, 7), expected, "{pattern}");
        }
    }
}
