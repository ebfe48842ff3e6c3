//! What every page of a resource is fetched with.

use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use reqwest::header::HeaderMap;

use crate::{
    fetch::{
        error::FetchError,
        paginate::{self, PageToken, Paginator},
        records::{self, Located, RecordsError},
        request::Request,
        transport::{Scope, Transport},
    },
    json::{Document, Selector},
    plan::{PaginatorPlan, ResourcePlan},
};

pub(super) struct Source {
    pub transport: Arc<dyn Transport>,
    pub paginator: Box<dyn Paginator>,
    pub selector: Selector,
    pub scope: Scope,
    /// Before the paginator's part.
    request: Request,
    is_paginated: bool,
    hasher: DefaultHashBuilder,
}

/// A page that waits for its turn.
pub(super) struct Fetched {
    pub document: Arc<Document>,
    pub headers: HeaderMap,
    /// Redacted, without what authentication adds.
    pub url: String,
    /// Of the decoded body.
    pub bytes: u64,
    /// An error here counts only if the page's turn comes.
    pub located: Result<Located, RecordsError>,
    pub fingerprint: u64,
}

impl Source {
    pub(super) fn new(transport: Arc<dyn Transport>, resource: &ResourcePlan, request: Request) -> Self {
        Self {
            transport,
            paginator: paginate::from_plan(&resource.paginator),
            selector: resource.data_selector.clone(),
            scope: Scope { resource: resource.name.as_str().into(), counters: Arc::default() },
            request,
            is_paginated: !matches!(resource.paginator, PaginatorPlan::SinglePage),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub(super) async fn fetch(self: Arc<Self>, token: PageToken) -> Result<Fetched, FetchError> {
        let mut request = self.request.clone();
        self.paginator.apply(&token, &mut request);
        let url = self.transport.surroundings().redactor.url(&request.url);
        let response = self.transport.fetch(request, &self.scope).await?;
        let located = records::locate(&response.document, &self.selector, self.is_paginated);
        let found = located.as_ref().copied().unwrap_or(Located::Nothing);
        let fingerprint = records::fingerprint(&response.document, found, &self.hasher);
        let (document, headers) = (Arc::new(response.document), response.headers);
        Ok(Fetched { document, headers, url, bytes: response.bytes, located, fingerprint })
    }
}
