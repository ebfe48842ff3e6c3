//! Which resource is the parent of which.

use super::placeholders::Placeholders;
use crate::{
    config::{Findings, Section},
    json::Selector,
    plan::{IncludedField, IncrementalPlan, ParentPlan, Reference, RequestPlan, ResourcePlan, WriteDisposition},
};

/// The parent of a resource, if its request names one. The outer `None`: what is wrong has been reported.
pub fn parent(
    resource: &Section<'_>,
    request: Option<&RequestPlan>,
    placeholders: &Placeholders<'_>,
    findings: &mut Findings,
) -> Option<Option<ParentPlan>> {
    let Some(first) = placeholders.parents.first() else {
        if let (Some(field), true) = (resource.texts("include_from_parent").first(), request.is_some()) {
            let help = "name it in the request: `{resources.NAME.FIELD}`".to_owned();
            findings.error(&field.place, "the resource has no parent to include fields of", Some(help));
            return None;
        }
        return Some(None);
    };
    if let Some(second) = placeholders.parents.iter().find(|named| named.value != first.value) {
        let message = format!("a resource has one parent, and this names `{}` beside `{}`", second.value, first.value);
        let help = format!(
            "fields of `{}` that `{}` gets by `include_from_parent` can be had from there",
            second.value, first.value
        );
        findings.error(&second.place, message, Some(help));
        return None;
    }
    let references = request?.references().into_iter();
    let fields = references.filter_map(|reference| match reference {
        Reference::Parent(field) => field.parse::<Selector>().ok(),
        Reference::Incremental(_) => None,
    });
    let fields = fields.collect();
    let mut include: Vec<IncludedField> = Vec::new();
    for field in resource.texts("include_from_parent") {
        if !include.iter().any(|known| known.field == field.value) {
            include.push(IncludedField::of(&first.value, field.value));
        }
    }
    Some(Some(ParentPlan { resource: first.value.clone(), fields, include }))
}

/// Reports resources that wait for themselves.
pub fn check_cycles(sections: &[Section<'_>], plans: &[Option<ResourcePlan>], findings: &mut Findings) {
    let plans: Vec<&ResourcePlan> = plans.iter().flatten().collect();
    let mut reported: Vec<String> = Vec::new();
    for section in sections {
        let Some(name) = section.text("name").map(|name| name.value) else { continue };
        let line = ancestors(&name, &plans);
        if line.last() != Some(&name) || reported.contains(&name) {
            continue;
        }
        let chain = [std::slice::from_ref(&name), &line].concat().join("` <- `");
        let message = format!("the resource waits for records that need its own: `{chain}`");
        findings.error(section.section("endpoint").place_of("path"), message, None);
        reported.extend(line);
    }
}

/// Reports windows over lists of parents that are read by a cursor. Such a list is asked for when its parent is new; what comes
/// into it behind the end of the window, no later run would ask for.
pub fn check_windows(sections: &[Section<'_>], plans: &[Option<ResourcePlan>], findings: &mut Findings) {
    let plans: Vec<&ResourcePlan> = plans.iter().flatten().collect();
    for section in sections {
        let Some(name) = section.text("name").map(|name| name.value) else { continue };
        let has_window = |plan: &&&ResourcePlan| {
            plan.name == name && plan.incremental.as_ref().is_some_and(|plan| plan.window.is_some())
        };
        if !plans.iter().any(|plan| has_window(&plan)) {
            continue;
        }
        if let Some(parent) = moving(&name, &plans).first() {
            let message = format!(
                "this `window` cannot be: `{}` is read by a cursor, and gives the lists of its new records alone",
                parent.name
            );
            let help = format!("leave `window` out, or read all of `{}` in each run", parent.name);
            findings.error(section.section("endpoint").section("incremental").place_of("window"), message, Some(help));
        }
    }
}

/// Tells of children that append what their parents are asked for again.
pub fn warn_of_repeats(resources: &mut [ResourcePlan], plans: &[Option<ResourcePlan>]) {
    let plans: Vec<&ResourcePlan> = plans.iter().flatten().collect();
    for resource in resources.iter_mut() {
        let appends = resource.write_disposition == WriteDisposition::Append && resource.incremental.is_none();
        let repeats = |parent: &&&ResourcePlan| {
            let window = |plan: &IncrementalPlan| plan.window.as_ref().is_some_and(|window| window.lookback.is_some());
            parent.incremental.as_ref().is_some_and(|plan| plan.lag.is_some() || window(plan))
        };
        if let Some(parent) = moving(&resource.name, &plans).iter().find(repeats).filter(|_| appends) {
            resource.warnings.push(format!(
                "`{}` is read again as far as its `lag` or `lookback` goes, and each time its records' lists are appended again: use \
                 `write_disposition: merge`",
                parent.name
            ));
        }
    }
}

/// Those above a resource that are read by a cursor, the nearest first.
fn moving<'a>(name: &str, plans: &[&'a ResourcePlan]) -> Vec<&'a ResourcePlan> {
    let line = ancestors(name, plans).into_iter();
    let plan = |name: String| plans.iter().find(|plan| plan.name == name).copied();
    line.filter_map(plan).filter(|plan| plan.goes_on()).collect()
}

/// The parent, its parent and so on, up to the first one that has none, or that is there already.
fn ancestors(name: &str, plans: &[&ResourcePlan]) -> Vec<String> {
    let parent_of = |name: &str| {
        let plan = plans.iter().find(|plan| plan.name == name)?;
        plan.parent.as_ref().map(|parent| parent.resource.clone())
    };
    let mut line: Vec<String> = Vec::new();
    let mut at = name.to_owned();
    while let Some(parent) = parent_of(&at) {
        let is_closed = parent == name || line.contains(&parent);
        line.push(parent.clone());
        if is_closed {
            break;
        }
        at = parent;
    }
    line
}

/// The resources that are not exported, and whose records those need that are.
pub fn unexported(exported: &[ResourcePlan], plans: &[Option<ResourcePlan>]) -> Vec<ResourcePlan> {
    let mut parents: Vec<ResourcePlan> = Vec::new();
    let mut open: Vec<String> = exported.iter().filter_map(parent_name).collect();
    while let Some(name) = open.pop() {
        if exported.iter().chain(&parents).any(|known| known.name == name) {
            continue;
        }
        let plan = plans.iter().flatten().find(|plan| plan.name == name);
        open.extend(plan.and_then(parent_name));
        parents.extend(plan.cloned());
    }
    parents
}

fn parent_name(resource: &ResourcePlan) -> Option<String> {
    resource.parent.as_ref().map(|parent| parent.resource.clone())
}
