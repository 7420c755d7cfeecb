//! The administrator's rules: validation rules, lookup filters, triggers and flows. They are asked once a row stands
//! as it would be written; whoever writes takes the row back when one of them refuses it.

use super::{Call, Cell, Raw, RowError, Store, Undo, convert::convert, fold};
use crate::emulator::{
    file::{Event, RuleTest},
    formula::Scope,
    schema::Test,
    soql::like,
};

/// The values that an update replaced; `None` for a new row.
pub(super) type Prior<'a> = Option<&'a [(usize, Cell)]>;

impl Store {
    fn scope<'s>(&'s self, object: usize, row: u32, prior: Prior<'s>, call: Call<'s>) -> Scope<'s> {
        Scope {
            store: self,
            object,
            row,
            prior,
            user: call.user,
            now: call.now,
        }
    }

    /// Asks all rules about a row that was just written.
    pub(super) fn judge(
        &mut self,
        object: usize,
        row: u32,
        prior: Prior<'_>,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<(), RowError> {
        let schema = self.schema.clone();
        let rules = &schema.rules[object];
        let new = prior.is_none();
        let before = if new {
            Event::BeforeInsert
        } else {
            Event::BeforeUpdate
        };
        self.automate(before, object, row, prior, call, undo)?;
        let mut errors: Vec<RowError> = Vec::new();
        for filter in &rules.filters {
            let value = self.tables[object].get(row, filter.field);
            let changed = prior.is_none_or(|old| {
                old.iter()
                    .any(|(field, cell)| *field == filter.field && cell != value)
            });
            if changed && !value.is_empty() && !filter.when.holds(&self.scope(object, row, prior, call)) {
                errors.push(
                    RowError::new("FIELD_FILTER_VALIDATION_EXCEPTION", filter.message.clone())
                        .on(&schema.objects[object].fields[filter.field].name),
                );
            }
        }
        for rule in &rules.validations {
            let wrong = match &rule.test {
                Test::When(formula) => formula.holds(&self.scope(object, row, prior, call)),
                Test::Must(field, test) => !passes(test, self.tables[object].get(row, *field)),
            };
            if wrong {
                let mut error = RowError::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message.clone());
                if let Some(field) = rule.field {
                    error = error.on(&schema.objects[object].fields[field].name);
                }
                errors.push(error);
            }
        }
        if let Some(error) = RowError::all(errors) {
            return Err(error);
        }
        self.duplicates(object, row, new, call)?;
        self.unique_values(object, row, call)?;
        let after = if new {
            Event::AfterInsert
        } else {
            Event::AfterUpdate
        };
        self.automate(after, object, row, prior, call, undo)
    }

    /// Runs the triggers and flows of a moment.
    pub(super) fn automate(
        &mut self,
        event: Event,
        object: usize,
        row: u32,
        prior: Prior<'_>,
        call: Call<'_>,
        undo: &mut Vec<Undo>,
    ) -> Result<(), RowError> {
        let schema = self.schema.clone();
        let all = &schema.rules[object].automations;
        if call.loading || all.is_empty() {
            return Ok(());
        }
        let before = matches!(
            event,
            Event::BeforeInsert | Event::BeforeUpdate | Event::BeforeDelete
        );
        // Flows come first before a record is written, and last afterwards.
        for flow in [before, !before] {
            for one in all
                .iter()
                .filter(|one| one.flow == flow && one.on.contains(&event))
            {
                let acts = one
                    .when
                    .as_ref()
                    .is_none_or(|when| when.holds(&self.scope(object, row, prior, call)));
                if !acts {
                    continue;
                }
                let mut cells = Vec::with_capacity(one.set.len());
                for (at, formula) in &one.set {
                    let field = &schema.objects[object].fields[*at];
                    let cell = formula.cell(&self.scope(object, row, prior, call), field.kind, field.scale);
                    let cell = if cell.is_empty() {
                        cell
                    } else {
                        convert(field, Raw::Text(&cell))?
                    };
                    cells.push((*at, cell));
                }
                if !cells.is_empty() {
                    let old = cells
                        .iter()
                        .map(|(at, _)| (*at, Cell::new(self.tables[object].get(row, *at))))
                        .collect();
                    undo.push(Undo::Cells(object, row, old));
                    for (at, cell) in cells {
                        self.put(object, row, at, cell);
                    }
                    self.work_out(object, row, call.now, undo);
                }
                let field = one
                    .field
                    .map(|at| schema.objects[object].fields[at].name.as_str());
                if let Some(error) = refusal(one, event, field) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// The error of a trigger or flow that refuses a row.
fn refusal(one: &crate::emulator::schema::Automation, event: Event, field: Option<&str>) -> Option<RowError> {
    let execution = match event {
        Event::BeforeInsert => "BeforeInsert",
        Event::BeforeUpdate => "BeforeUpdate",
        Event::BeforeDelete => "BeforeDelete",
        Event::AfterInsert => "AfterInsert",
        Event::AfterUpdate => "AfterUpdate",
        Event::AfterDelete => "AfterDelete",
        Event::AfterUndelete => "AfterUndelete",
    };
    let name = &one.name;
    let error = match (&one.exception, &one.error) {
        (Some(text), _) | (None, Some(text)) if one.flow => RowError::new(
            "CANNOT_EXECUTE_FLOW_TRIGGER",
            format!(
                "We can't save this record because the \u{201c}{name}\u{201d} process failed. Give your Salesforce admin these details. {text}"
            ),
        ),
        (Some(exception), _) => RowError::new(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            format!(
                "{name}: execution of {execution}\n\ncaused by: {exception}\n\nTrigger.{name}: line 1, column 1"
            ),
        ),
        (None, Some(text)) => RowError::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", text.clone()),
        (None, None) => return None,
    };
    Some(match field {
        Some(field) => error.on(field),
        None => error,
    })
}

fn passes(test: &RuleTest, value: &str) -> bool {
    if value.is_empty() {
        return !matches!(test, RuleTest::NotNull);
    }
    let number = || value.parse::<f64>().unwrap_or_default();
    match test {
        RuleTest::NotNull => true,
        RuleTest::OneOf(values) => values.iter().any(|v| v == value),
        RuleTest::NoneOf(values) => !values.iter().any(|v| v == value),
        RuleTest::Like(pattern) => like(&fold(pattern), &fold(value)),
        RuleTest::NotLike(pattern) => !like(&fold(pattern), &fold(value)),
        RuleTest::AtLeast(least) => number() >= *least,
        RuleTest::AtMost(most) => number() <= *most,
        RuleTest::MaxLength(most) => value.chars().count() <= *most,
    }
}
