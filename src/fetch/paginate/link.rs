//! Each page leads to the next one by a URL, in its body or in its `Link` header.
//!
//! As in dlt, the link takes the place of the whole URL, parameters included; the method, the body and the headers of the
//! resource stay. A link may be relative to the page's URL, or to the root of its service. One that is missing, null, `false` or empty
//! ends the list.

mod header;
mod reference;

use reqwest::header::{HeaderMap, LINK};
use url::Url;

pub(in crate::fetch) use self::{
    header::header_link,
    reference::{leads_to_next, looks_like_link},
};
use self::{
    header::listed_link,
    reference::{Target, resolve, target, without_expressions},
};

use super::{Ahead, EndMarks, Extent, PageToken, PageView, PaginateError, Paginator, cursor::is_empty};
use crate::{
    fetch::{redirect::over_https, request::Request},
    json::{Kind, Node, Selector},
    plan::JsonLinkPlan,
};

#[derive(Clone, Debug)]
pub(super) struct JsonLink {
    next_url_path: Selector,
    end: EndMarks,
}

impl JsonLink {
    pub(super) fn new(plan: JsonLinkPlan) -> Self {
        let JsonLinkPlan { next_url_path, stop_after_empty_page, has_more_path, is_last_path } = plan;
        Self {
            next_url_path,
            end: EndMarks { has_more_path, is_last_path, stop_after_empty_page, ..EndMarks::default() },
        }
    }
}

impl Paginator for JsonLink {
    fn start(&self) -> PageToken {
        PageToken::First
    }

    fn apply(&self, token: &PageToken, request: &mut Request) {
        apply(token, request);
    }

    fn more(&self, page: &PageView<'_>) -> Option<bool> {
        self.end.has_more(page)
    }

    fn goes_on_at(&self, page: &PageView<'_>) -> Option<&Selector> {
        Some(&self.next_url_path).filter(|_| !self.end.is_last(page, page.count))
    }

    fn advance(&self, _: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        if self.end.is_last(page, page.count) {
            return Ok(None);
        }
        let Some(found) = self.next_url_path.find(page.root) else { return Ok(None) };
        let path = || self.next_url_path.to_string();
        let broken = |found| PaginateError::NoReference { path: path(), found, wanted: "a link" };
        let link = match target(found) {
            Target::Link(link) => link,
            Target::None => return Ok(None),
            Target::Other if is_empty(found) => return Ok(None),
            Target::Other if found.kind() == Kind::Object => return Err(broken("an object")),
            Target::Other => return Err(broken("an array")),
        };
        match link.kind() {
            Kind::Null | Kind::Bool(false) => Ok(None),
            Kind::String => {
                let text = link.string().map_err(|_| broken("broken text"))?;
                token(&text, page.url, context(page.root).as_deref())
            }
            _ => Err(broken("neither text nor null")),
        }
    }

    fn ahead(&self, _: &PageToken, _: &Extent) -> Ahead {
        Ahead::Unknown
    }
}

#[derive(Clone, Debug)]
pub(super) struct HeaderLink {
    pub links_next_key: String,
    pub header: String,
    pub stop_after_empty_page: bool,
}

impl Paginator for HeaderLink {
    fn start(&self) -> PageToken {
        PageToken::First
    }

    fn apply(&self, token: &PageToken, request: &mut Request) {
        apply(token, request);
    }

    fn advance(&self, _: &PageToken, page: &PageView<'_>) -> Result<Option<PageToken>, PaginateError> {
        match self.link(page.headers).filter(|_| page.count > 0 || !self.stop_after_empty_page) {
            Some(link) => token(&link, page.url, None),
            None => Ok(None),
        }
    }

    fn ahead(&self, _: &PageToken, _: &Extent) -> Ahead {
        Ahead::Unknown
    }
}

impl HeaderLink {
    /// `Link` holds links in angle brackets and nothing else; another header may be the URL alone, as Kinto's `Next-Page`.
    fn link(&self, headers: &HeaderMap) -> Option<String> {
        let listed = listed_link(headers, &self.header, &self.links_next_key);
        let bare = || {
            let value = String::from_utf8_lossy(headers.get(&self.header)?.as_bytes()).into_owned();
            (!value.contains('<') && !self.header.eq_ignore_ascii_case(LINK.as_str())).then_some(value)
        };
        listed.or_else(bare)
    }
}

fn apply(token: &PageToken, request: &mut Request) {
    if let PageToken::Link(url) = token {
        request.url = url.clone();
    }
}

/// Returns the URL that OData's relative links are relative to.
fn context(root: Node<'_>) -> Option<String> {
    let found = ["@odata.context", "odata.metadata"].iter().find_map(|key| root.get(key))?;
    if found.kind() == Kind::String { found.string().ok().map(Into::into) } else { None }
}

/// For fuzzing: the links of one header value, each with its relations.
#[cfg(any(test, fuzzing))]
pub(in crate::fetch) use self::header::links_with_relations as links;

/// For fuzzing: where a link leads.
#[cfg(any(test, fuzzing))]
pub(in crate::fetch) fn follow(link: &str, from: &Url) -> Result<Option<PageToken>, PaginateError> {
    token(link, from, None)
}

/// Where a link on the page at `from` leads. One from https to its own host in the clear is let through as it is: the driver
/// follows it over https, and says so.
fn token(link: &str, from: &Url, context: Option<&str>) -> Result<Option<PageToken>, PaginateError> {
    let link = without_expressions(link.trim());
    if link.is_empty() {
        return Ok(None);
    }
    let mut to = resolve(&link, from, context).map_err(|error| PaginateError::NoLink { cause: error.to_string() })?;
    match (from.scheme(), to.scheme()) {
        ("http", "http") | (_, "https") => {}
        ("https", "http") if over_https(from, &to).is_some() => {}
        ("https", scheme) => return Err(PaginateError::Downgrade { scheme: scheme.to_owned() }),
        (_, scheme) => return Err(PaginateError::NoLink { cause: format!("its scheme is `{scheme}`") }),
    }
    to.set_fragment(None);
    // Credentials in a link are the server's idea, and go nowhere. Both fail only for URLs that can have none.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    Ok(Some(PageToken::Link(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_header_holds_a_list_of_links_or_the_url_alone() {
        for (header, value, found) in [
            ("Next-Page", "http://a/?_limit=2&_token=x", Some("http://a/?_limit=2&_token=x")),
            ("next-page", "<http://a/?p=2>; rel=next", Some("http://a/?p=2")),
            ("Next-Page", "<http://a/?p=0>; rel=prev", None),
            ("Link", "http://a/?p=2", None),
        ] {
            let headers = [(header.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            let paginator = HeaderLink {
                links_next_key: "next".to_owned(),
                header: header.to_owned(),
                stop_after_empty_page: false,
            };
            assert_eq!(paginator.link(&headers).as_deref(), found, "{header}: {value}");
        }
    }

    fn follow(from: &str, link: &str) -> Result<Option<String>, PaginateError> {
        let found = token(link, &Url::parse(from).unwrap(), None)?;
        Ok(found.map(|found| match found {
            PageToken::Link(url) => url.into(),
            other => panic!("{other:?}"),
        }))
    }

    #[test]
    fn links_are_whole_or_relative_to_their_page_and_an_empty_one_ends_the_list() {
        for (link, to) in [
            ("https://b/x?y=1", Some("https://b/x?y=1")),
            ("/x?y=1#z", Some("https://a/x?y=1")),
            ("?page=2", Some("https://a/v1/rows?page=2")),
            ("rows?page=2", Some("https://a/v1/rows?page=2")),
            ("//b/x", Some("https://b/x")),
            ("rows/page/2", Some("https://a/v1/rows/page/2")),
            ("/x?y=1{&sort}", Some("https://a/x?y=1")),
            (" https://user:pw@a/x ", Some("https://a/x")),
            ("", None),
            ("  ", None),
        ] {
            assert_eq!(follow("https://a/v1/rows?page=1", link), Ok(to.map(str::to_owned)), "{link}");
        }
        assert_eq!(follow("http://a/", "https://a/x").unwrap().unwrap(), "https://a/x");
    }

    #[test]
    fn https_is_never_left_and_other_schemes_are_no_links() {
        for (from, link) in
            [("https://a/", "http://b/x"), ("https://a/", "http://a:8080/x"), ("https://a/", "ftp://a/x")]
        {
            assert!(matches!(follow(from, link), Err(PaginateError::Downgrade { .. })), "{link}");
        }
        for link in ["ftp://a/x", "mailto:x", "http://[", "file:///etc/passwd"] {
            assert!(matches!(follow("http://a/", link), Err(PaginateError::NoLink { .. })), "{link}");
        }
    }
}
