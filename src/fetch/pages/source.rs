//! What every page of a resource is fetched with.

use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use reqwest::header::HeaderMap;

use crate::{
    fetch::{
        error::FetchError,
        paginate::{self, PageToken, Paginator},
        records::{self, Found, Located, Locator, RecordsError},
        request::Request,
        transport::{Ruled, Scope, Transport},
    },
    json::Document,
    plan::{PaginatorPlan, ResourcePlan},
};

pub(super) struct Source {
    pub transport: Arc<dyn Transport>,
    pub paginator: Box<dyn Paginator>,
    pub locator: Locator,
    pub scope: Scope,
    /// Before the paginator's part.
    request: Request,
    hasher: DefaultHashBuilder,
}

/// A page that waits for its turn.
pub(super) struct Fetched {
    pub document: Arc<Document>,
    /// The document that the records stand in, if it is another one.
    pub gathered: Option<Arc<Document>>,
    pub headers: HeaderMap,
    /// Redacted, without what authentication adds.
    pub url: String,
    /// Of the decoded body.
    pub bytes: u64,
    /// An error here counts only if the page's turn comes.
    pub located: Result<Located, RecordsError>,
    pub fingerprint: u64,
    /// What `response_actions` made of it, if it is no page.
    pub ruled: Option<Ruled>,
}

impl Source {
    pub(super) fn new(transport: Arc<dyn Transport>, resource: &ResourcePlan, mut request: Request) -> Self {
        if let Some(accept) = resource.answers.accept {
            request.accept(accept);
        }
        Self {
            transport,
            paginator: paginate::from_plan(&resource.paginator),
            locator: Locator::new(resource, !matches!(resource.paginator, PaginatorPlan::SinglePage)),
            scope: Scope {
                resource: resource.name.as_str().into(),
                counters: Arc::default(),
                answers: Arc::new(resource.answers.clone()),
            },
            request,
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub(super) async fn fetch(self: Arc<Self>, token: PageToken) -> Result<Fetched, FetchError> {
        let mut request = self.request.clone();
        self.paginator.apply(&token, &mut request);
        let url = self.transport.surroundings().redactor.url(&request.url);
        let response = self.transport.fetch(request, &self.scope).await?;
        let ruled = response.ruled;
        let Found { located, gathered } = self.locator.locate(&response.document);
        let found = located.as_ref().copied().unwrap_or(Located::Nothing);
        let fingerprint = records::fingerprint(gathered.as_ref().unwrap_or(&response.document), found, &self.hasher);
        let (document, gathered) = (Arc::new(response.document), gathered.map(Arc::new));
        let (headers, bytes) = (response.headers, response.bytes);
        Ok(Fetched { document, gathered, headers, url, bytes, located, fingerprint, ruled })
    }
}

impl Fetched {
    /// The document that the records stand in.
    pub(super) fn holder(&self) -> &Arc<Document> {
        self.gathered.as_ref().unwrap_or(&self.document)
    }

    pub(super) fn memory(&self) -> u64 {
        let documents = [Some(&self.document), self.gathered.as_ref()];
        documents.into_iter().flatten().map(|document| document.memory() as u64).sum()
    }
}
