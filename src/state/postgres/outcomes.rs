//! What became of rows is written down.

use std::collections::HashMap;

use compact_str::CompactString;
use tokio_postgres::Error;

use super::{
    Postgres,
    session::Session,
    store::{as_limit, rounds},
    text::kept,
};
use crate::{
    record::{Outcome, RowResult, id18},
    state::{LinkSet, ParkedRow, StateError, StepRun, store::KEPT_NEWEST},
};

pub(super) fn record(
    store: &Postgres,
    step: StepRun,
    links: LinkSet,
    results: &[RowResult],
    parked: &[ParkedRow],
) -> Result<(), StateError> {
    let values: HashMap<CompactString, String> = parked
        .iter()
        .map(|row| Ok((id18(&row.source_id), to_json(store, row)?)))
        .collect::<Result<_, StateError>>()?;
    let rounds: Vec<Recorded> = rounds(results, |result| id18(&result.source_id))
        .into_iter()
        .map(|round| Recorded::of(&round, &values))
        .collect();
    store.write(async |session| match &rounds[..] {
        [] => Ok(()),
        [one] => one.write(session, step, links).await,
        several => {
            session
                .together(async |session| {
                    for round in several {
                        round.write(session, step, links).await?;
                    }
                    Ok(())
                })
                .await
        }
    })
}

fn to_json(store: &Postgres, row: &ParkedRow) -> Result<String, StateError> {
    serde_json::to_string(&row.values).map_err(|e| store.complaint(e.to_string()))
}

/// Outcomes of a batch in which no row comes twice, as the columns that one statement takes.
struct Recorded {
    ids: Vec<String>,
    outcomes: Vec<i16>,
    targets: Vec<Option<String>>,
    parked: Parked,
}

/// The parked ones among them.
#[derive(Default)]
struct Parked {
    ids: Vec<String>,
    codes: Vec<String>,
    messages: Vec<String>,
    fields: Vec<Option<String>>,
    helps: Vec<String>,
    rows: Vec<String>,
}

impl Recorded {
    fn of(round: &[(CompactString, &RowResult)], values: &HashMap<CompactString, String>) -> Self {
        let owned = |text: &str| kept(text).into_owned();
        let mut parked = Parked::default();
        for (id, result) in round
            .iter()
            .filter(|(_, result)| result.outcome == Outcome::Parked)
        {
            let reason = result.reason.as_ref();
            parked.ids.push(owned(id));
            parked
                .codes
                .push(owned(reason.map_or("unknown", |r| r.code.as_str())));
            parked
                .messages
                .push(owned(reason.map_or("", |r| r.message.as_str())));
            parked
                .fields
                .push(reason.and_then(|r| r.field.as_deref()).map(owned));
            parked.helps.push(owned(reason.map_or("", |r| r.help.as_str())));
            parked
                .rows
                .push(owned(values.get(id).map_or("[]", String::as_str)));
        }
        Recorded {
            ids: round.iter().map(|(id, _)| owned(id)).collect(),
            outcomes: round.iter().map(|(_, result)| result.outcome as i16).collect(),
            targets: round
                .iter()
                .map(|(_, result)| result.target_id.as_deref().map(owned))
                .collect(),
            parked,
        }
    }

    async fn write(&self, session: &mut Session, step: StepRun, links: LinkSet) -> Result<(), Error> {
        // One statement, so that all of it is there or nothing, and one round trip. Its parts touch each row of a table
        // once: what is linked anew, what stays linked, what is unlinked and what loses its mark are different rows.
        // (What was written is another than what was sent before, and a row that failed has to be sent again: their
        // marks go. Who keeps marks sets new ones.) Of the newest records so many are kept beside the id map, and those
        // of this call: the next call takes away what is older than these.
        session
            .execute(
                "WITH done AS ( \
                   SELECT * FROM unnest($3::text[], $4::smallint[], $5::text[]) AS done(source_id, outcome, target_id) \
                 ), oldest AS ( \
                   SELECT target_id FROM newest_links WHERE link_set = $2 \
                   ORDER BY target_id DESC, source_id DESC LIMIT 1 OFFSET $12::bigint - 1 \
                 ), put AS ( \
                   INSERT INTO outcomes (step_run, source_id, outcome, target_id) \
                   SELECT $1::bigint, source_id, outcome, target_id FROM done \
                   ON CONFLICT (step_run, source_id) DO UPDATE SET outcome = excluded.outcome, \
                   target_id = excluded.target_id \
                 ), relink AS ( \
                   INSERT INTO links (link_set, source_id, target_id) \
                   SELECT $2::bigint, source_id, target_id FROM done WHERE outcome IN (0, 1) AND target_id IS NOT NULL \
                   ON CONFLICT (link_set, source_id) DO UPDATE SET target_id = excluded.target_id, sent = NULL \
                 ), link AS ( \
                   INSERT INTO links (link_set, source_id, target_id) \
                   SELECT $2::bigint, source_id, target_id FROM done WHERE outcome = 2 AND target_id IS NOT NULL \
                   ON CONFLICT (link_set, source_id) DO UPDATE SET target_id = excluded.target_id \
                   WHERE links.target_id <> excluded.target_id \
                 ), unlink AS ( \
                   DELETE FROM links l USING done \
                   WHERE l.link_set = $2 AND l.source_id = done.source_id AND done.outcome = 3 \
                 ), unmark AS ( \
                   UPDATE links l SET sent = NULL FROM done \
                   WHERE l.link_set = $2 AND l.source_id = done.source_id AND done.outcome = 5 AND l.sent IS NOT NULL \
                 ), newest AS ( \
                   INSERT INTO newest_links (link_set, target_id, source_id) \
                   SELECT $2::bigint, target_id, source_id FROM done \
                   WHERE outcome IN (0, 1, 2) AND target_id COLLATE \"C\" > coalesce((SELECT target_id FROM oldest), '') \
                   ORDER BY target_id COLLATE \"C\" DESC LIMIT $12 ON CONFLICT DO NOTHING \
                 ), older AS ( \
                   DELETE FROM newest_links n USING oldest WHERE n.link_set = $2 AND n.target_id < oldest.target_id \
                 ), park AS ( \
                   INSERT INTO parked_rows (step_run, source_id, code, message, field, help, row) \
                   SELECT $1::bigint, * FROM unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]) \
                   ON CONFLICT (step_run, source_id) DO UPDATE SET code = excluded.code, message = excluded.message, \
                   field = excluded.field, help = excluded.help, row = excluded.row \
                 ) \
                 DELETE FROM parked_rows p USING done \
                 WHERE p.step_run = $1 AND p.source_id = done.source_id AND done.outcome <> 5",
                &[
                    &step.0,
                    &links.0,
                    &self.ids,
                    &self.outcomes,
                    &self.targets,
                    &self.parked.ids,
                    &self.parked.codes,
                    &self.parked.messages,
                    &self.parked.fields,
                    &self.parked.helps,
                    &self.parked.rows,
                    &as_limit(KEPT_NEWEST),
                ],
            )
            .await
            .map(drop)
    }
}
