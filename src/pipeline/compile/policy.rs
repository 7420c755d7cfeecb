use crate::{
    pipeline::model::{Budget, Compare, Nulls, OnDrift, Pii, Policy, RowErrors},
    spec::{Node, backoff, duration, percent},
};

/// Changes the keys that a `policy` names; the others stay.
pub(super) fn overlay(policy: &mut Policy, node: Option<&Node>) {
    let Some(node) = node else {
        return;
    };
    let text = |node: Option<&Node>| node.and_then(Node::text).map(str::to_owned);
    match node.get("nulls").and_then(Node::text) {
        Some("clear") => policy.nulls = Nulls::Clear,
        Some("keep") => policy.nulls = Nulls::Keep,
        _ => {}
    }
    match node.get("compare").and_then(Node::text) {
        Some("none") => policy.compare = Compare::None,
        Some("target") => policy.compare = Compare::Target,
        Some("sent") => policy.compare = Compare::Sent,
        _ => {}
    }
    match node.get("pii").and_then(Node::text) {
        Some("refuse") => policy.pii = Pii::Refuse,
        Some("report") => policy.pii = Pii::Report,
        Some("ignore") => policy.pii = Pii::Ignore,
        _ => {}
    }
    if let Some(errors) = node.get("errors") {
        match errors.get("rows").and_then(Node::text) {
            Some("park") => policy.rows = RowErrors::Park,
            Some("stop") => policy.rows = RowErrors::Stop,
            _ => {}
        }
        let stop = errors.get("stop_when");
        if let Some(share) = text(stop.and_then(|s| s.get("failed"))).and_then(|t| percent(&t)) {
            policy.stop_failed_percent = share;
        }
        if let Some(rows) = text(stop.and_then(|s| s.get("at_least"))).and_then(|t| t.parse().ok()) {
            policy.stop_at_least = rows;
        }
    }
    if let Some(drift) = node.get("drift") {
        for (key, word) in [
            ("removed_field", &mut policy.drift.removed_field),
            ("new_field", &mut policy.drift.new_field),
            ("picklist", &mut policy.drift.picklist),
        ] {
            match drift.get(key).and_then(Node::text) {
                Some("fail") => *word = OnDrift::Fail,
                Some("report") => *word = OnDrift::Report,
                Some("ignore") => *word = OnDrift::Ignore,
                _ => {}
            }
        }
    }
    if let Some(retry) = node.get("retry") {
        if let Some(attempts) = text(retry.get("attempts")).and_then(|t| t.parse().ok()) {
            policy.attempts = attempts;
        }
        if let Some((first, cap)) = text(retry.get("backoff")).and_then(|t| backoff(&t)) {
            policy.backoff_first = first;
            policy.backoff_cap = cap;
        }
    }
    if let Some(calls) = text(node.get("budget").and_then(|b| b.get("daily_calls"))) {
        if let Some(share) = percent(&calls) {
            policy.budget = Budget::Share(share);
        } else if let Ok(calls) = calls.parse() {
            policy.budget = Budget::Calls(calls);
        }
    }
    let changes = node.get("changes");
    if let Some(overlap) = text(changes.and_then(|c| c.get("overlap"))).and_then(|t| duration(&t)) {
        policy.overlap = overlap;
    }
    let stop = changes.and_then(|c| c.get("stop_when"));
    if let Some(share) = text(stop.and_then(|s| s.get("deleted"))).and_then(|t| percent(&t)) {
        policy.stop_deleted_percent = share;
    }
    if let Some(rows) = text(stop.and_then(|s| s.get("at_least"))).and_then(|t| t.parse().ok()) {
        policy.stop_deleted_at_least = rows;
    }
}
