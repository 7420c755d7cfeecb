//! The statements behind id maps: which record each row became.

use compact_str::CompactString;

use super::{
    Postgres,
    store::{as_limit, ids18},
    text::{all, kept, optional, pairs},
};
use crate::{
    record::{Outcome, RefAnswer},
    state::{LinkSet, StateError, StepRun},
};

pub(super) fn link_set(
    store: &Postgres,
    pipeline: &str,
    step: &str,
    source: &str,
    target: &str,
) -> Result<LinkSet, StateError> {
    let id = store.write(async |session| {
        let new = session
            .row(
                "INSERT INTO link_sets (pipeline, step, source, target) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING RETURNING id",
                &[&pipeline, &step, &source, &target],
            )
            .await?;
        match new {
            Some(row) => Ok(Some(row)),
            None => {
                session
                    .row(
                        "SELECT id FROM link_sets WHERE pipeline = $1 AND step = $2 AND source = $3 AND target = $4",
                        &[&pipeline, &step, &source, &target],
                    )
                    .await
            }
        }
    })?;
    store.id_of(id).map(LinkSet)
}

pub(super) fn refs(
    store: &Postgres,
    links: LinkSet,
    step: StepRun,
    ids: &[CompactString],
) -> Result<Vec<RefAnswer>, StateError> {
    let ids = ids18(ids);
    let ids = all(ids.iter().map(CompactString::as_str));
    let rows = store.read(async |session| {
        session
            .rows(
                "SELECT l.target_id, o.outcome FROM unnest($3::text[]) WITH ORDINALITY AS asked(id, n) \
                 LEFT JOIN links l ON l.link_set = $1 AND l.source_id = asked.id \
                 LEFT JOIN outcomes o ON l.target_id IS NULL AND o.step_run = $2 AND o.source_id = asked.id \
                 ORDER BY asked.n",
                &[&links.0, &step.0, &ids],
            )
            .await
    })?;
    rows.iter()
        .map(|row| {
            if let Some(target) = optional(row, 0) {
                return Ok(RefAnswer::Linked(target));
            }
            let ended: Option<i16> = row.get(1);
            Ok(match ended.map(|ended| store.outcome_of(ended)).transpose()? {
                Some(Outcome::Parked) => RefAnswer::Parked,
                Some(Outcome::Filtered) => RefAnswer::Filtered,
                _ => RefAnswer::Unknown,
            })
        })
        .collect()
}

pub(super) fn linked(store: &Postgres, links: LinkSet) -> Result<u64, StateError> {
    store.read(async |session| {
        let row = session
            .row("SELECT count(*) FROM links WHERE link_set = $1", &[&links.0])
            .await?;
        Ok(row.map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    })
}

pub(super) fn sources(
    store: &Postgres,
    links: LinkSet,
    targets: &[CompactString],
) -> Result<Vec<(CompactString, CompactString)>, StateError> {
    let targets = ids18(targets);
    let targets = all(targets.iter().map(CompactString::as_str));
    let rows = store.read(async |session| {
        session
            .rows(
                "SELECT target_id, source_id FROM links WHERE link_set = $1 AND target_id = ANY ($2)",
                &[&links.0, &targets],
            )
            .await
    })?;
    Ok(pairs(&rows))
}

pub(super) fn newest_links(
    store: &Postgres,
    links: LinkSet,
    before: Option<(&str, &str)>,
    limit: usize,
) -> Result<Vec<(CompactString, CompactString)>, StateError> {
    let most = as_limit(limit);
    if before.is_none() {
        // A row may have become another record since, or none.
        let newest = store.read(async |session| {
            session
                .rows(
                    "SELECT n.source_id, n.target_id FROM newest_links n JOIN links l ON l.link_set = n.link_set \
                     AND l.source_id = n.source_id AND l.target_id = n.target_id \
                     WHERE n.link_set = $1 ORDER BY n.target_id DESC, n.source_id DESC LIMIT $2",
                    &[&links.0, &most],
                )
                .await
        })?;
        if newest.len() * 2 >= limit {
            return Ok(pairs(&newest));
        }
    }
    let (row, record) = before.unzip();
    let row = row.map(kept);
    let rows = store.read(async |session| {
        session
            .rows(
                "SELECT source_id, target_id FROM links WHERE link_set = $1 \
                 AND ($2::text IS NULL OR (target_id COLLATE \"C\", source_id) < ($2, $3::text)) \
                 ORDER BY target_id COLLATE \"C\" DESC, source_id DESC LIMIT $4",
                &[&links.0, &record, &row, &most],
            )
            .await
    })?;
    Ok(pairs(&rows))
}

pub(super) fn links(
    store: &Postgres,
    links: LinkSet,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(CompactString, CompactString)>, StateError> {
    let (after, limit) = (after.unwrap_or(""), as_limit(limit));
    let rows = store.read(async |session| {
        session
            .rows(
                "SELECT source_id, target_id FROM links WHERE link_set = $1 AND source_id > $2 \
                 ORDER BY source_id LIMIT $3",
                &[&links.0, &after, &limit],
            )
            .await
    })?;
    Ok(pairs(&rows))
}

pub(super) fn unlink_all(store: &Postgres, links: LinkSet) -> Result<(), StateError> {
    store.write(async |session| {
        session
            .execute(
                "WITH newest AS (DELETE FROM newest_links WHERE link_set = $1) \
                 DELETE FROM links WHERE link_set = $1",
                &[&links.0],
            )
            .await
            .map(drop)
    })
}

pub(super) fn unlink(store: &Postgres, links: LinkSet, ids: &[CompactString]) -> Result<(), StateError> {
    store.delete_rows(
        "DELETE FROM links WHERE link_set = $1 AND source_id = ANY ($2)",
        links.0,
        ids,
    )
}
