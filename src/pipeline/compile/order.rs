use super::{Ctx, mapping::StepInfo};
use crate::{diag::Finding, spec::Entry, spec::Node};

/// Complains about each circle of `needs`, once.
pub(super) fn report_cycles(entries: &[Entry], infos: &[StepInfo], ctx: &mut Ctx<'_>) {
    let position = |name: &str| infos.iter().position(|info| info.name == name);
    let needs: Vec<Vec<(usize, &Node)>> = entries
        .iter()
        .map(|entry| {
            let nodes = entry
                .value
                .get("needs")
                .map(Node::one_or_more)
                .unwrap_or_default();
            nodes
                .iter()
                .filter_map(|node| Some((position(node.text()?)?, node)))
                .collect()
        })
        .collect();
    let mut done = vec![false; entries.len()];
    for start in 0..entries.len() {
        if done[start] {
            continue;
        }
        let Some(circle) = circle_through(start, &needs) else {
            continue;
        };
        for step in &circle {
            done[*step] = true;
        }
        let names: Vec<&str> = circle
            .iter()
            .chain([&start])
            .map(|step| infos[*step].name.as_str())
            .collect();
        let next = circle.get(1).copied().unwrap_or(start);
        let Some((_, node)) = needs[start].iter().find(|(step, _)| *step == next) else {
            continue;
        };
        let finding = if circle.len() == 1 {
            Finding::error(
                "cycle",
                node.span.clone(),
                format!("step `{}` needs itself", names[0]),
            )
            .label("would wait for its own end")
            .help("leave it out; a `ref` to the own step needs no `needs`")
        } else {
            Finding::error(
                "cycle",
                node.span.clone(),
                format!("steps need each other: {}", names.join(" -> ")),
            )
            .label("the circle is closed here")
            .help("leave one of these `needs` out; a `ref` orders steps by itself, circles of refs included")
        };
        ctx.report(finding);
    }
}

/// The shortest way from a step back to itself.
fn circle_through(start: usize, needs: &[Vec<(usize, &Node)>]) -> Option<Vec<usize>> {
    let mut from: Vec<Option<usize>> = vec![None; needs.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(step) = queue.pop_front() {
        for (next, _) in &needs[step] {
            if *next == start {
                let mut circle = vec![step];
                let mut at = step;
                while at != start {
                    at = from[at]?;
                    circle.push(at);
                }
                circle.reverse();
                return Some(circle);
            }
            if from[*next].is_none() {
                from[*next] = Some(step);
                queue.push_back(*next);
            }
        }
    }
    None
}
