//! What `auto` has detected, kept in the table's commits for later runs of the same endpoint.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    digest::sha256,
    plan::{Learned, ResourcePlan},
};

/// The state's entry.
#[derive(Serialize, Deserialize)]
struct Detected {
    /// Of the endpoint as the config has it: of another one, nothing is known.
    endpoint: String,
    #[serde(flatten)]
    learned: Learned,
}

/// Gives the resource what an earlier run has detected, unless its endpoint has changed since or it is to be detected anew.
pub(super) fn recall(resource: &mut ResourcePlan, stored: Option<&Value>) {
    let detected = stored.filter(|_| !resource.detects_anew).and_then(|stored| Detected::deserialize(stored).ok());
    resource.learned = detected.filter(|detected| detected.endpoint == endpoint(resource)).map(|known| known.learned);
}

/// What the commit's state says: what this run has detected, else what was known before of the same endpoint.
pub(super) fn state(resource: &ResourcePlan, learned: Option<&Learned>) -> Option<Value> {
    let known = resource.learned.as_ref();
    let selector = learned.and_then(|learned| learned.selector.clone());
    let paginator = learned.and_then(|learned| learned.paginator.clone());
    let learned = Learned {
        selector: selector.or_else(|| known?.selector.clone()),
        paginator: paginator.or_else(|| known?.paginator.clone()),
    };
    if learned.selector.is_none() && learned.paginator.is_none() {
        return None;
    }
    serde_json::to_value(Detected { endpoint: endpoint(resource), learned }).ok()
}

fn endpoint(resource: &ResourcePlan) -> String {
    let ResourcePlan { request, paginator, data_selector, parent, .. } = resource;
    sha256(&serde_json::to_vec(&(request, paginator, data_selector, parent)).unwrap_or_default())
}
