use super::{Kind, Object, Schema, build::SchemaError, totals};
use crate::emulator::{
    file::{self, Blanks, DuplicateAction, Event, MatchMethod, OrgFile, RuleTest, SummaryOperation},
    formula::{self, Formula, FormulaError, Pace, Purpose},
};

/// What the administrator set up for an object, resolved: rules that its rows must keep, and values that follow from
/// other values. Objects without any of it pay nothing for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) validations: Vec<Validation>,
    pub(crate) automations: Vec<Automation>,
    pub(crate) duplicates: Vec<DuplicateRule>,
    pub(crate) filters: Vec<LookupFilter>,
    /// Formula fields; one that reads another one stands after it.
    pub(crate) formulas: Vec<FormulaField>,
    /// What the rows of this object add to their parents.
    pub(crate) summaries: Vec<Summary>,
    /// Roll-ups of this object: `(child object, place among its summaries)`.
    pub(crate) totals: Vec<(usize, usize)>,
    /// Formula fields that read fields of this object through references.
    pub(crate) readers: Vec<Reader>,
}

impl Rules {
    /// Whether rows may be refused for more than their values.
    pub(crate) fn check(&self) -> bool {
        !(self.validations.is_empty()
            && self.automations.is_empty()
            && self.duplicates.is_empty()
            && self.filters.is_empty())
    }

    /// The fields that may have changed when some were written.
    pub(crate) fn touched(&self, written: impl Iterator<Item = usize>) -> Vec<usize> {
        let set = self
            .automations
            .iter()
            .flat_map(|one| one.set.iter().map(|(at, _)| *at));
        written
            .chain(self.formulas.iter().map(|own| own.field))
            .chain(set)
            .collect()
    }

    /// Whether other values follow from the values of a row.
    pub(crate) fn spread(&self) -> bool {
        !(self.formulas.is_empty()
            && self.summaries.is_empty()
            && self.totals.is_empty()
            && self.readers.is_empty())
    }
}

/// A validation rule.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    pub(crate) test: Test,
    pub(crate) field: Option<usize>,
    pub(crate) message: String,
}

/// What a validation rule looks at.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// A formula that is true for a record with an error.
    When(Formula),
    /// A test that a field's value has to pass.
    Must(usize, RuleTest),
}

/// A trigger or a flow.
#[derive(Clone, Debug)]
pub(crate) struct Automation {
    pub(crate) name: String,
    pub(crate) flow: bool,
    pub(crate) on: Vec<Event>,
    pub(crate) when: Option<Formula>,
    pub(crate) error: Option<String>,
    pub(crate) field: Option<usize>,
    pub(crate) exception: Option<String>,
    pub(crate) set: Vec<(usize, Formula)>,
}

/// A duplicate rule.
#[derive(Clone, Debug)]
pub(crate) struct DuplicateRule {
    pub(crate) name: String,
    pub(crate) matching_rule: String,
    /// Exact ones first: they leave fewer rows to compare.
    pub(crate) fields: Vec<(usize, MatchMethod)>,
    pub(crate) when: Option<Formula>,
    pub(crate) on_insert: DuplicateAction,
    pub(crate) on_update: DuplicateAction,
    pub(crate) message: String,
}

/// A lookup filter.
#[derive(Clone, Debug)]
pub(crate) struct LookupFilter {
    pub(crate) field: usize,
    pub(crate) when: Formula,
    pub(crate) message: String,
}

/// A formula field.
#[derive(Clone, Debug)]
pub(crate) struct FormulaField {
    pub(crate) field: usize,
    pub(crate) formula: Formula,
}

/// A roll-up summary, as the child sees it.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// The child's field that points at the parent.
    pub(crate) by: usize,
    /// The parent and its roll-up field.
    pub(crate) parent: usize,
    pub(crate) total: usize,
    pub(crate) operation: SummaryOperation,
    /// The child's field that is summarized.
    pub(crate) of: Option<usize>,
    pub(crate) when: Option<Formula>,
}

/// A formula field that reads through references.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// The field of this object that is read.
    pub(crate) field: usize,
    /// The object that has the formula, and the references from there to here: `(object, field)`.
    pub(crate) via: Vec<(usize, usize)>,
}

/// Gives roll-up fields the types of what they summarize. Before this they count.
pub(super) fn type_totals(schema: &mut Schema, file: &OrgFile) -> Result<(), SchemaError> {
    // A total may be of a total: each round knows one level more.
    for _ in 0..4 {
        for (name, spec) in &file.sobjects {
            for (field_name, field) in &spec.fields {
                let Some(summary) = &field.summary else {
                    continue;
                };
                let place = format!("sobjects.{name}.fields.{field_name}.summary");
                let parent = at(schema, name);
                let wrong = |message: String| SchemaError {
                    place: place.clone(),
                    message,
                };
                let child = at(schema, &summary.object)
                    .ok_or_else(|| wrong(format!("there is no object `{}`", summary.object)))?;
                let (Some(parent), Some(of)) = (parent, &summary.field) else {
                    continue;
                };
                let child = &schema.objects[child];
                let of = child
                    .field(of)
                    .ok_or_else(|| wrong(format!("`{}` has no field `{of}`", child.name)))?;
                let source = child.fields[of].clone();
                let Some(total) = schema.objects[parent].field(field_name) else {
                    continue;
                };
                let target = &mut schema.objects[parent].fields[total];
                target.kind = source.kind;
                if source.kind.is_number() {
                    target.kind = if source.kind == Kind::Int {
                        Kind::Double
                    } else {
                        source.kind
                    };
                    target.precision = 18;
                    target.scale = source.scale;
                }
            }
        }
    }
    Ok(())
}

fn at(schema: &Schema, name: &str) -> Option<usize> {
    schema
        .objects
        .iter()
        .position(|o| o.name.eq_ignore_ascii_case(name))
}

/// Resolves all rules of the file. The schema is sealed by then.
pub(super) fn resolve(schema: &mut Schema, file: &OrgFile) -> Result<(), SchemaError> {
    let mut rules: Vec<Rules> = vec![Rules::default(); schema.objects.len()];
    for (name, spec) in &file.sobjects {
        let Some(object) = schema.object(name) else {
            continue;
        };
        let resolver = Resolver {
            schema,
            object,
            spec: &schema.objects[object],
            place: format!("sobjects.{name}"),
        };
        let own = &mut rules[object];
        for (n, rule) in spec.validation_rules.iter().enumerate().filter(|(_, r)| r.active) {
            let validation = resolver.validation(n, rule)?;
            own.validations.push(validation);
        }
        for (key, list, flow) in [("triggers", &spec.triggers, false), ("flows", &spec.flows, true)] {
            for (n, one) in list.iter().enumerate().filter(|(_, a)| a.active) {
                own.automations
                    .push(resolver.automation(&format!("{key}[{n}]"), one, flow)?);
            }
        }
        for (n, rule) in spec.duplicate_rules.iter().enumerate().filter(|(_, r)| r.active) {
            own.duplicates.push(resolver.duplicates(n, rule)?);
        }
        for (field_name, field) in &spec.fields {
            let Some(at) = resolver.spec.field(field_name) else {
                continue;
            };
            let key = format!("fields.{field_name}");
            if let Some(filter) = &field.lookup_filter {
                own.filters.push(LookupFilter {
                    field: at,
                    when: resolver.condition(
                        &format!("{key}.lookup_filter.when"),
                        &filter.when,
                        Purpose::Rule,
                    )?,
                    message: filter.message.clone(),
                });
            }
            if let Some(text) = &field.formula {
                own.formulas.push(resolver.formula(&key, at, text, field.blanks)?);
            }
        }
        for (field_name, field) in &spec.fields {
            if let (Some(summary), Some(total)) = (&field.summary, resolver.spec.field(field_name)) {
                let place = format!("fields.{field_name}.summary");
                let (child, summary) = resolver.summary(&place, total, summary)?;
                let nth = rules[child].summaries.len();
                rules[object].totals.push((child, nth));
                rules[child].summaries.push(summary);
            }
        }
    }
    totals::standard(schema, &mut rules);
    for object in 0..rules.len() {
        order(schema, object, &mut rules[object].formulas)?;
        let formulas = std::mem::take(&mut rules[object].formulas);
        for own in &formulas {
            let field = &mut schema.objects[object].fields[own.field];
            field.html |= own.formula.html;
            for read in own.formula.reads.iter().filter(|r| !r.via.is_empty()) {
                let mut via = Vec::with_capacity(read.via.len());
                let mut from = object;
                for by in &read.via {
                    via.push((from, *by));
                    from = target_of(schema, from, *by, read.object);
                }
                let reader = Reader {
                    field: read.field,
                    via,
                };
                rules[read.object].readers.push(reader);
            }
        }
        rules[object].formulas = formulas;
        for (field, method) in rules[object].duplicates.iter().flat_map(|rule| &rule.fields) {
            schema.objects[object].fields[*field].looked_up |= *method == MatchMethod::Exact;
        }
    }
    schema.pace = rules
        .iter()
        .flat_map(|r| &r.formulas)
        .map(|own| own.formula.pace)
        .max()
        .unwrap_or_default();
    schema.rules = rules;
    Ok(())
}

/// The object that a reference leads to; a reference to several leads to the wanted one.
fn target_of(schema: &Schema, object: usize, by: usize, wanted: usize) -> usize {
    let targets = &schema.objects[object].fields[by].reference_to;
    match &targets[..] {
        [only] => schema.object(only).unwrap_or(wanted),
        _ => wanted,
    }
}

/// Puts formulas behind those that they read; a circle is an error.
fn order(schema: &Schema, object: usize, formulas: &mut Vec<FormulaField>) -> Result<(), SchemaError> {
    let mut left = std::mem::take(formulas);
    while !left.is_empty() {
        let waits = |one: &FormulaField| {
            one.formula.reads.iter().any(|read| {
                read.via.is_empty()
                    && read.object == object
                    && left.iter().any(|other| other.field == read.field)
            })
        };
        let Some(next) = left.iter().position(|one| !waits(one)) else {
            let spec = &schema.objects[object];
            return Err(SchemaError {
                place: format!(
                    "sobjects.{}.fields.{}.formula",
                    spec.name, spec.fields[left[0].field].name
                ),
                message: "the formula refers to itself, directly or through other formulas".to_owned(),
            });
        };
        formulas.push(left.remove(next));
    }
    Ok(())
}

struct Resolver<'s> {
    schema: &'s Schema,
    object: usize,
    spec: &'s Object,
    place: String,
}

impl Resolver<'_> {
    fn wrong(&self, key: &str, message: impl Into<String>) -> SchemaError {
        SchemaError {
            place: format!("{}.{key}", self.place),
            message: message.into(),
        }
    }

    fn field(&self, key: &str, name: &str) -> Result<usize, SchemaError> {
        self.spec
            .field(name)
            .ok_or_else(|| self.wrong(key, format!("`{}` has no field `{name}`", self.spec.name)))
    }

    fn condition(&self, key: &str, text: &str, purpose: Purpose) -> Result<Formula, SchemaError> {
        formula::condition(self.schema, self.object, text, purpose)
            .map_err(|e: FormulaError| self.wrong(key, e.in_text(text)))
    }

    fn validation(&self, n: usize, rule: &file::Rule) -> Result<Validation, SchemaError> {
        let key = format!("validation_rules[{n}]");
        let field = rule
            .field
            .as_ref()
            .map(|name| self.field(&format!("{key}.field"), name))
            .transpose()?;
        let test = match (&rule.when, &rule.must, field) {
            (Some(text), None, _) => {
                Test::When(self.condition(&format!("{key}.when"), text, Purpose::Rule)?)
            }
            (None, Some(must), Some(field)) => Test::Must(field, must.clone()),
            _ => return Err(self.wrong(&key, "say `when`, or `field` and `must`")),
        };
        Ok(Validation {
            test,
            field,
            message: rule.message.clone(),
        })
    }

    fn automation(&self, key: &str, one: &file::Automation, flow: bool) -> Result<Automation, SchemaError> {
        let when = one
            .when
            .as_ref()
            .map(|text| self.condition(&format!("{key}.when"), text, Purpose::Rule))
            .transpose()?;
        let field = one
            .field
            .as_ref()
            .map(|name| self.field(&format!("{key}.field"), name))
            .transpose()?;
        if one.error.is_none() && one.exception.is_none() && one.set.is_empty() {
            return Err(self.wrong(key, "say `error`, `exception` or `set`"));
        }
        if !one.set.is_empty()
            && one
                .on
                .iter()
                .any(|on| !matches!(on, Event::BeforeInsert | Event::BeforeUpdate))
        {
            return Err(self.wrong(
                key,
                "fields can be set before a record is inserted or updated only",
            ));
        }
        let mut set = Vec::new();
        for (name, text) in &one.set {
            let key = format!("{key}.set.{name}");
            let at = self.field(&key, name)?;
            let f = &self.spec.fields[at];
            if f.calculated || at == 0 {
                return Err(self.wrong(&key, format!("`{name}` cannot be set")));
            }
            let formula = formula::compile(self.schema, self.object, text, Purpose::Rule, false)
                .and_then(|formula| formula.expect(&Formula::types_for(f.kind)).map(|()| formula))
                .map_err(|e| self.wrong(&key, e.in_text(text)))?;
            set.push((at, formula));
        }
        Ok(Automation {
            name: one.name.clone(),
            flow,
            on: one.on.clone(),
            when,
            error: one.error.clone(),
            field,
            exception: one.exception.clone(),
            set,
        })
    }

    fn duplicates(&self, n: usize, rule: &file::DuplicateRule) -> Result<DuplicateRule, SchemaError> {
        let key = format!("duplicate_rules[{n}]");
        let mut fields = Vec::new();
        for (name, method) in &rule.fields {
            fields.push((self.field(&format!("{key}.match"), name)?, *method));
        }
        if fields.is_empty() {
            return Err(self.wrong(&key, "`match` names no field"));
        }
        fields.sort_by_key(|(_, method)| *method != MatchMethod::Exact);
        Ok(DuplicateRule {
            name: rule.name.clone(),
            matching_rule: rule
                .matching_rule
                .clone()
                .unwrap_or_else(|| format!("{}_Match", rule.name)),
            fields,
            when: rule
                .when
                .as_ref()
                .map(|text| self.condition(&format!("{key}.when"), text, Purpose::Rule))
                .transpose()?,
            on_insert: rule.on_insert,
            on_update: rule.on_update,
            message: rule.message.clone(),
        })
    }

    fn formula(&self, key: &str, at: usize, text: &str, blanks: Blanks) -> Result<FormulaField, SchemaError> {
        let key = format!("{key}.formula");
        let field = &self.spec.fields[at];
        if !field.calculated {
            return Err(self.wrong(&key, "the field's type is no `Formula (...)`"));
        }
        let zero = blanks == Blanks::Zero;
        let formula = formula::compile(self.schema, self.object, text, Purpose::Field, zero)
            .and_then(|formula| formula.expect(&Formula::types_for(field.kind)).map(|()| formula))
            .map_err(|e| self.wrong(&key, e.in_text(text)))?;
        Ok(FormulaField { field: at, formula })
    }

    fn summary(
        &self,
        key: &str,
        total: usize,
        summary: &file::Summary,
    ) -> Result<(usize, Summary), SchemaError> {
        let child = self
            .schema
            .object(&summary.object)
            .ok_or_else(|| self.wrong(key, format!("there is no object `{}`", summary.object)))?;
        let spec = &self.schema.objects[child];
        if !self.spec.fields[total].calculated {
            return Err(self.wrong(key, "the field's type is no `Roll-Up Summary`"));
        }
        let by = match &summary.by {
            Some(name) => spec
                .field(name)
                .filter(|f| spec.fields[*f].reference_to.contains(&self.spec.name)),
            None => {
                let points = |(_, f): &(usize, &super::Field)| f.reference_to == [self.spec.name.as_str()];
                let all: Vec<usize> = spec
                    .fields
                    .iter()
                    .enumerate()
                    .filter(points)
                    .map(|(n, _)| n)
                    .collect();
                let details: Vec<usize> = all
                    .iter()
                    .copied()
                    .filter(|f| spec.fields[*f].master_detail)
                    .collect();
                match (&details[..], &all[..]) {
                    ([one], _) | ([], [one]) => Some(*one),
                    _ => None,
                }
            }
        };
        let by = by.ok_or_else(|| {
            self.wrong(
                key,
                format!(
                    "`by` has to name the field of `{}` that points at `{}`",
                    spec.name, self.spec.name
                ),
            )
        })?;
        let of = match &summary.field {
            Some(name) => Some(
                spec.field(name)
                    .ok_or_else(|| self.wrong(key, format!("`{}` has no field `{name}`", spec.name)))?,
            ),
            None if summary.operation == SummaryOperation::Count => None,
            None => return Err(self.wrong(key, "`field` is missing")),
        };
        if let Some(of) = of {
            let kind = spec.fields[of].kind;
            let fits = match summary.operation {
                SummaryOperation::Count => true,
                SummaryOperation::Sum => kind.is_number(),
                SummaryOperation::Min | SummaryOperation::Max => {
                    kind.is_number() || matches!(kind, Kind::Date | Kind::DateTime)
                }
            };
            if !fits {
                return Err(self.wrong(key, format!("`{}` cannot be summarized so", spec.fields[of].name)));
            }
        }
        let when = match &summary.when {
            None => None,
            Some(text) => {
                let formula = formula::condition(self.schema, child, text, Purpose::Field)
                    .map_err(|e| self.wrong(&format!("{key}.when"), e.in_text(text)))?;
                if formula.pace != Pace::Still || formula.reads.iter().any(|read| !read.via.is_empty()) {
                    return Err(self.wrong(
                        &format!("{key}.when"),
                        "the filter of a roll-up reads fields of the child only",
                    ));
                }
                Some(formula)
            }
        };
        Ok((
            child,
            Summary {
                by,
                parent: self.object,
                total,
                operation: summary.operation,
                of,
                when,
            },
        ))
    }
}
