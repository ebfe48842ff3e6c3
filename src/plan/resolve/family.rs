//! Which resource is the parent of which.

use super::placeholders::Placeholders;
use crate::{
    config::{Findings, Section},
    json::Selector,
    plan::{IncludedField, ParentPlan, Reference, RequestPlan, ResourcePlan},
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
