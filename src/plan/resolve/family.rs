//! Which resource is the parent of which.

use std::collections::{HashMap, HashSet};

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

/// Resources by name, with the way from each to its parent. A config may contain thousands of resources in one chain.
struct Family<'a> {
    plans: HashMap<&'a str, &'a ResourcePlan>,
}

impl<'a> Family<'a> {
    fn new(plans: &'a [Option<ResourcePlan>]) -> Self {
        Self { plans: plans.iter().flatten().map(|plan| (plan.name.as_str(), plan)).collect() }
    }

    fn parent(&self, name: &str) -> Option<&'a ResourcePlan> {
        let parent = self.plans.get(name)?.parent.as_ref()?;
        self.plans.get(parent.resource.as_str()).copied()
    }

    /// Returns the nearest ancestor of each resource that satisfies `is_meant`.
    fn nearest(&self, is_meant: impl Fn(&ResourcePlan) -> bool) -> HashMap<&'a str, &'a ResourcePlan> {
        let mut known: HashMap<&str, Option<&ResourcePlan>> = HashMap::new();
        for name in self.plans.keys() {
            let (mut passed, mut at) = (Vec::new(), *name);
            let found = loop {
                if let Some(found) = known.get(at) {
                    break *found;
                }
                // A walk that returns here is in a circle, which has no ancestors.
                known.insert(at, None);
                passed.push(at);
                match self.parent(at) {
                    Some(parent) if !is_meant(parent) => at = &parent.name,
                    found => break found,
                }
            };
            known.extend(passed.into_iter().map(|name| (name, found)));
        }
        known.into_iter().filter_map(|(name, found)| Some((name, found?))).collect()
    }

    /// Returns the names in a circle, from this resource back to itself, or `None` if it is not part of a circle. `passed` collects
    /// the resources that are in no circle or in a returned one.
    fn circle(&self, name: &str, passed: &mut HashSet<&'a str>) -> Option<Vec<&'a str>> {
        let mut line = vec![self.plans.get(name)?.name.as_str()];
        let mut places = HashMap::new();
        while let Some(&at) = line.last().filter(|at| !passed.contains(*at)) {
            match places.insert(at, line.len() - 1) {
                Some(0) => {
                    passed.extend(&line);
                    return Some(line);
                }
                Some(first) => {
                    // Resources that lead to a circle are not part of it.
                    passed.extend(line.into_iter().take(first));
                    return None;
                }
                None => {}
            }
            match self.parent(at) {
                Some(parent) => line.push(&parent.name),
                None => break,
            }
        }
        passed.extend(line);
        None
    }
}

/// Reports resources that wait for themselves.
pub fn check_cycles(sections: &[Section<'_>], plans: &[Option<ResourcePlan>], findings: &mut Findings) {
    let family = Family::new(plans);
    let mut passed = HashSet::new();
    for section in sections {
        let Some(name) = section.text("name").map(|name| name.value) else { continue };
        if passed.contains(name.as_str()) {
            continue;
        }
        if let Some(circle) = family.circle(&name, &mut passed) {
            let message = format!("the resource waits for records that need its own: `{}`", circle.join("` <- `"));
            findings.error(section.section("endpoint").place_of("path"), message, None);
        }
    }
}

/// Reports windows over lists of parents that are read by a cursor. Such a list is asked for when its parent is new; what comes
/// into it behind the end of the window, no later run would ask for.
pub fn check_windows(sections: &[Section<'_>], plans: &[Option<ResourcePlan>], findings: &mut Findings) {
    let family = Family::new(plans);
    let moving = family.nearest(ResourcePlan::goes_on);
    for section in sections {
        let Some(name) = section.text("name").map(|name| name.value) else { continue };
        let plan = family.plans.get(name.as_str()).and_then(|plan| plan.incremental.as_ref());
        if plan.is_none_or(|plan| plan.window.is_none()) {
            continue;
        }
        if let Some(parent) = moving.get(name.as_str()) {
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
    let repeats = |parent: &ResourcePlan| {
        let window = |plan: &IncrementalPlan| plan.window.as_ref().is_some_and(|window| window.lookback.is_some());
        parent.goes_on() && parent.incremental.as_ref().is_some_and(|plan| plan.lag.is_some() || window(plan))
    };
    let repeated = Family::new(plans).nearest(repeats);
    for resource in resources.iter_mut() {
        let appends = resource.write_disposition == WriteDisposition::Append && resource.incremental.is_none();
        if let Some(parent) = repeated.get(resource.name.as_str()).filter(|_| appends) {
            resource.warnings.push(format!(
                "`{}` is read again as far as its `lag` or `lookback` goes, and each time its records' lists are appended again: use \
                 `write_disposition: merge`",
                parent.name
            ));
        }
    }
}

/// The resources that are not exported, and whose records those need that are.
pub fn unexported(exported: &[ResourcePlan], plans: &[Option<ResourcePlan>]) -> Vec<ResourcePlan> {
    let family = Family::new(plans);
    let mut known: HashSet<&str> = exported.iter().map(|plan| plan.name.as_str()).collect();
    let mut parents: Vec<ResourcePlan> = Vec::new();
    let mut open: Vec<&str> = exported.iter().filter_map(parent_name).collect();
    while let Some(name) = open.pop() {
        let Some(plan) = family.plans.get(name).filter(|plan| known.insert(&plan.name)) else { continue };
        open.extend(parent_name(plan));
        parents.push((*plan).clone());
    }
    parents
}

fn parent_name(resource: &ResourcePlan) -> Option<&str> {
    resource.parent.as_ref().map(|parent| parent.resource.as_str())
}
