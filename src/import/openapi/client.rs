//! The client: where the API is, and how it wants to know who asks.

use serde_json::{Value, json};

use super::{document::Document, lists::List, security::Security, servers::Servers};
use crate::import::Note;

/// What one list has of its own: `None` where it is the client's.
#[derive(Default)]
pub(super) struct Own {
    /// The URL before the path.
    pub(super) server: Option<String>,
    /// An auth, or null for none.
    pub(super) auth: Option<Value>,
}

/// The client for these lists, and what each of them has of its own. `api`: what the names of variables begin with.
pub(super) fn client(document: &Document, lists: &[List<'_>], api: &str, notes: &mut Vec<Note>) -> (Value, Vec<Own>) {
    let servers = Servers::new(document, api, notes);
    let mut client = json!({"base_url": servers.base_url()});
    let mut security = Security::new(document, api, servers.base_url());
    let auth = security.of_client(lists, notes);
    if let Some(auth) = &auth {
        client["auth"] = auth.clone();
    }
    let own = lists
        .iter()
        .map(|list| Own { server: servers.own(list, notes), auth: security.own(list, auth.as_ref(), notes) });
    let own = own.collect();
    (client, own)
}
