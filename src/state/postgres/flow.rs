//! The statements behind checks of whole steps, cursors, and what was last sent.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use tokio_postgres::Error;

use super::{
    Postgres,
    session::Session,
    store::{ids18, last_of_each},
    text::{all, freed, kept, key, optional, text},
};
use crate::{
    record::id18,
    state::{
        ClaimedValue, CursorMove, CursorRecord, Expected, LinkSet, SentMark, StateError, StepRun, WaitingRow,
    },
};

pub(super) fn claim_values(
    store: &Postgres,
    step: StepRun,
    check: i64,
    values: &[ClaimedValue],
) -> Result<Vec<Option<CompactString>>, StateError> {
    let keys: Vec<_> = values.iter().map(|claimed| key(&claimed.value)).collect();
    let ids = all(values.iter().map(|claimed| claimed.source_id.as_str()));
    let rows = store.write(async |session| {
        // Of several rows with one value the first one gets it; rows are taken in the order of the arrays.
        session
            .execute(
                "INSERT INTO claimed_values (step_run, check_no, value, source_id) \
                 SELECT $1::bigint, $2::bigint, value, source_id \
                 FROM unnest($3::text[], $4::text[]) AS asked(value, source_id) ON CONFLICT DO NOTHING",
                &[&step.0, &check, &keys, &ids],
            )
            .await?;
        session
            .rows(
                "SELECT value, source_id FROM claimed_values \
                 WHERE step_run = $1 AND check_no = $2 AND value = ANY ($3)",
                &[&step.0, &check, &keys],
            )
            .await
    })?;
    let held: HashMap<&str, CompactString> = rows.iter().map(|row| (row.get(0), text(row, 1))).collect();
    // A row that a later sitting reads again, or that asks again because an answer was lost, has its value still.
    Ok(keys
        .iter()
        .zip(values)
        .map(|(key, claimed)| {
            held.get(&**key)
                .filter(|holder| **holder != claimed.source_id)
                .cloned()
        })
        .collect())
}

pub(super) async fn expect(session: &mut Session, step: StepRun, rows: &[Expected]) -> Result<(), Error> {
    let rows = last_of_each(rows, |row| {
        // The two ids with a sign between them that neither has.
        let (target, source) = (id18(&row.target_id), id18(&row.source_id));
        CompactString::new(format!("{target}\n{source}"))
    });
    let targets = ids18(
        &rows
            .iter()
            .map(|(_, row)| row.target_id.clone())
            .collect::<Vec<_>>(),
    );
    let sources = ids18(
        &rows
            .iter()
            .map(|(_, row)| row.source_id.clone())
            .collect::<Vec<_>>(),
    );
    let targets = all(targets.iter().map(CompactString::as_str));
    let sources = all(sources.iter().map(CompactString::as_str));
    let payloads = all(rows.iter().map(|(_, row)| row.payload.as_str()));
    session
        .execute(
            "INSERT INTO expected (step_run, target_id, source_id, payload) \
             SELECT $1::bigint, * FROM unnest($2::text[], $3::text[], $4::text[]) \
             ON CONFLICT (step_run, target_id, source_id) DO UPDATE SET payload = excluded.payload",
            &[&step.0, &targets, &sources, &payloads],
        )
        .await
        .map(drop)
}

pub(super) async fn expected(
    session: &mut Session,
    step: StepRun,
    after: Option<(&str, &str)>,
    limit: i64,
) -> Result<Vec<Expected>, Error> {
    let (target, source) = after.unwrap_or_default();
    let rows = session
        .rows(
            "SELECT target_id, source_id, payload FROM expected WHERE step_run = $1 \
             AND (target_id, source_id) > ($2, $3) ORDER BY target_id, source_id LIMIT $4",
            &[&step.0, &kept(target), &kept(source), &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Expected {
            target_id: text(row, 0),
            source_id: text(row, 1),
            payload: freed(row.get(2)).into_owned(),
        })
        .collect())
}

pub(super) async fn expected_of(
    session: &mut Session,
    step: StepRun,
    rows: &[(CompactString, CompactString)],
) -> Result<Vec<Option<String>>, Error> {
    let (targets, sources): (Vec<_>, Vec<_>) = rows
        .iter()
        .map(|(target, source)| (id18(target), id18(source)))
        .unzip();
    let targets = all(targets.iter().map(CompactString::as_str));
    let sources = all(sources.iter().map(CompactString::as_str));
    let rows = session
        .rows(
            "SELECT e.payload FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked(target, source, n) \
             LEFT JOIN expected e ON e.step_run = $1 AND e.target_id = asked.target AND e.source_id = asked.source \
             ORDER BY asked.n",
            &[&step.0, &targets, &sources],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.get::<_, Option<&str>>(0).map(|kept| freed(kept).into_owned()))
        .collect())
}

pub(super) async fn cursor(
    session: &mut Session,
    links: LinkSet,
    scope: &str,
) -> Result<Option<CursorRecord>, Error> {
    let row = session
        .row(
            "SELECT value, begun_at FROM cursors WHERE link_set = $1 AND scope = $2",
            &[&links.0, &key(scope)],
        )
        .await?;
    Ok(row.map(|row| CursorRecord {
        value: freed(row.get(0)).into_owned(),
        begun_at: row.get(1),
    }))
}

pub(super) async fn move_cursors(
    session: &mut Session,
    run: &str,
    moves: &[CursorMove],
) -> Result<(), Error> {
    session
        .together(async |session| {
            for step in moves {
                let scope = key(&step.scope);
                if let Some(to) = &step.to {
                    session
                        .execute(
                            "INSERT INTO cursors (link_set, scope, value, begun_at) VALUES ($1, $2, $3, $4) \
                             ON CONFLICT (link_set, scope) DO UPDATE SET value = excluded.value, \
                             begun_at = excluded.begun_at",
                            &[&step.links.0, &scope, &kept(&to.value), &to.begun_at],
                        )
                        .await?;
                }
                // What waited was read again, and is either parked once more by this run or out of the source's scope.
                session
                    .execute(
                        "DELETE FROM waiting WHERE link_set = $1 AND scope = $2 AND run <> $3",
                        &[&step.links.0, &scope, &run],
                    )
                    .await?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn waiting(
    session: &mut Session,
    links: LinkSet,
    scope: &str,
    limit: i64,
) -> Result<Vec<WaitingRow>, Error> {
    let rows = session
        .rows(
            "SELECT source_id, record_id, at FROM waiting WHERE link_set = $1 AND scope = $2 \
             ORDER BY source_id LIMIT $3",
            &[&links.0, &key(scope), &limit],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| WaitingRow {
            source_id: text(row, 0),
            record_id: text(row, 1),
            at: row.get::<_, Option<&str>>(2).map(|kept| freed(kept).into_owned()),
        })
        .collect())
}

pub(super) async fn wait(
    session: &mut Session,
    links: LinkSet,
    scope: &str,
    run: &str,
    parked: &[WaitingRow],
    ended: &[CompactString],
) -> Result<(), Error> {
    let scope = key(scope);
    let parked = last_of_each(parked, |row| id18(&row.source_id));
    let waits: HashSet<&str> = parked.iter().map(|(id, _)| id.as_str()).collect();
    let ended = ids18(ended);
    let ended = all(ended
        .iter()
        .map(CompactString::as_str)
        .filter(|id| !waits.contains(id)));
    let ids = all(parked.iter().map(|(id, _)| id.as_str()));
    let records = all(parked.iter().map(|(_, row)| row.record_id.as_str()));
    let at: Vec<_> = parked
        .iter()
        .map(|(_, row)| row.at.as_deref().map(kept))
        .collect();
    session
        .execute(
            "WITH gone AS (DELETE FROM waiting WHERE link_set = $1 AND scope = $2 AND source_id = ANY ($4::text[])) \
             INSERT INTO waiting (link_set, scope, source_id, record_id, at, run) \
             SELECT $1::bigint, $2::text, source_id, record_id, at, $3::text \
             FROM unnest($5::text[], $6::text[], $7::text[]) AS asked(source_id, record_id, at) \
             ON CONFLICT (link_set, scope, source_id) DO UPDATE SET record_id = excluded.record_id, \
             at = excluded.at, run = excluded.run",
            &[&links.0, &scope, &run, &ended, &ids, &records, &at],
        )
        .await
        .map(drop)
}

pub(super) async fn sent(
    session: &mut Session,
    links: LinkSet,
    ids: &[CompactString],
) -> Result<Vec<Option<(CompactString, SentMark)>>, Error> {
    let ids = ids18(ids);
    let ids = all(ids.iter().map(CompactString::as_str));
    let rows = session
        .rows(
            "SELECT l.target_id, l.sent FROM unnest($2::text[]) WITH ORDINALITY AS asked(id, n) \
             LEFT JOIN links l ON l.link_set = $1 AND l.source_id = asked.id ORDER BY asked.n",
            &[&links.0, &ids],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            let mark: [u8; 16] = row.get::<_, Option<&[u8]>>(1)?.try_into().ok()?;
            Some((optional(row, 0)?, SentMark(u128::from_be_bytes(mark))))
        })
        .collect())
}

pub(super) async fn mark_sent(
    session: &mut Session,
    links: LinkSet,
    marks: &[(CompactString, Option<SentMark>)],
) -> Result<(), Error> {
    let marks = last_of_each(marks, |(id, _)| id18(id));
    let ids = all(marks.iter().map(|(id, _)| id.as_str()));
    let sent: Vec<Option<Vec<u8>>> = marks
        .iter()
        .map(|(_, (_, mark))| mark.map(|mark| mark.0.to_be_bytes().to_vec()))
        .collect();
    session
        .execute(
            "UPDATE links l SET sent = asked.sent FROM unnest($2::text[], $3::bytea[]) AS asked(id, sent) \
             WHERE l.link_set = $1 AND l.source_id = asked.id",
            &[&links.0, &ids, &sent],
        )
        .await
        .map(drop)
}
