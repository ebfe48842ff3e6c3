//! `Link` headers (RFC 8288, section 3), as servers write them.
//!
//! ```text
//! <https://a/?p=2>; rel="next"; results="false", </?p=9>; rel='last'
//! └─── target ───┘  └──────── parameters ──────┘
//! ```

use reqwest::header::{HeaderMap, LINK};

/// Returns the target of the first link of this relation in any `Link` header.
pub(in crate::fetch) fn header_link(headers: &HeaderMap, relation: &str) -> Option<String> {
    listed_link(headers, LINK.as_str(), relation)
}

/// Returns the target of the first link of this relation in any header of this name, or `None` where that link leads to
/// nothing.
pub(super) fn listed_link(headers: &HeaderMap, header: &str, relation: &str) -> Option<String> {
    let values = headers.get_all(header).iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let link = values.flat_map(|value| links(&value)).find(|link| link.has_relation(relation))?;
    Some(link.target).filter(|_| !link.is_without_results)
}

#[derive(Debug, Default, PartialEq)]
struct WebLink {
    target: String,
    /// The value of the first `rel`; RFC 8288 ignores the others.
    relations: Option<String>,
    /// Sentry links to a next page from the last one too, with `results="false"`.
    is_without_results: bool,
}

impl WebLink {
    fn has_relation(&self, wanted: &str) -> bool {
        let mut relations = self.relations.iter().flat_map(|relations| relations.split_ascii_whitespace());
        relations.any(|relation| relation.eq_ignore_ascii_case(wanted))
    }

    fn add(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("rel") && self.relations.is_none() {
            self.relations = Some(value.to_owned());
        }
        self.is_without_results |= name.eq_ignore_ascii_case("results") && value.eq_ignore_ascii_case("false");
    }
}

/// Returns the links of one header value. Commas and semicolons inside of `<…>` and of quotes separate nothing.
fn links(value: &str) -> Vec<WebLink> {
    let mut links = Vec::new();
    let mut rest = value.trim_start_matches(is_separator);
    while !rest.is_empty() {
        let Some((target, mut parameters)) = target(rest) else { break };
        let mut link = WebLink { target: target.trim().to_owned(), ..WebLink::default() };
        while let Some(((name, value), after)) = parameter(parameters) {
            link.add(name, value);
            parameters = after;
        }
        links.push(link);
        rest = parameters.trim_start_matches(is_separator);
    }
    links
}

/// For fuzzing: targets and relations.
#[cfg(any(test, fuzzing))]
pub(in crate::fetch) fn links_with_relations(value: &str) -> Vec<(String, Option<String>)> {
    links(value).into_iter().map(|link| (link.target, link.relations)).collect()
}

fn is_separator(c: char) -> bool {
    c == ',' || c.is_ascii_whitespace()
}

/// Splits a target from what follows it. Some servers leave out the angle brackets.
fn target(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('<') {
        Some(text) => text.split_once('>'),
        None => Some(text.split_at(text.find([';', ',']).unwrap_or(text.len()))),
    }
}

/// Returns the first parameter and the text after it, or `None` at the end of the link.
fn parameter(text: &str) -> Option<((&str, &str), &str)> {
    let text = text.trim_start_matches(|c: char| c != ';' && c != ',').strip_prefix(';')?;
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (value, rest) = rest.strip_prefix('=').map_or(("", rest), |rest| parameter_value(rest.trim_start()));
    Some(((name.trim(), value.trim()), rest))
}

/// Splits a value from what follows it. Single quotes are not in the standard, and servers write them.
fn parameter_value(text: &str) -> (&str, &str) {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let mut is_escaped = false;
    let quoted = quote.and_then(|quote| {
        let inside = text.get(1..)?;
        let end = inside.char_indices().find(|(_, c)| {
            let is_end = *c == quote && !is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            is_end
        });
        let (end, _) = end?;
        Some((inside.get(..end)?, inside.get(end + 1..)?))
    });
    quoted.unwrap_or_else(|| text.split_at(text.find([';', ',']).unwrap_or(text.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(values: &[&str]) -> Option<String> {
        let headers = values.iter().map(|value| (LINK, value.parse().unwrap())).collect();
        header_link(&headers, "next")
    }

    #[test]
    fn the_link_of_a_relation_is_found_among_others_in_one_header_or_several() {
        for (values, found) in [
            (&[r#"<https://a/?p=2>; rel="next""#][..], Some("https://a/?p=2")),
            (&["<https://a/?p=2>; rel=next"], Some("https://a/?p=2")),
            (&["<https://a/?p=2>; rel='next'"], Some("https://a/?p=2")),
            (&["<https://a/?p=2>;rel = 'prev next' "], Some("https://a/?p=2")),
            (&["<https://a/?p=2>;  REL=NEXT; title=x"], Some("https://a/?p=2")),
            (&["\t< https://a/?p=2 >;\trel=\"next\""], Some("https://a/?p=2")),
            (&[r#"<https://a/?p=1>; rel="prev", <https://a/?p=3>; rel="next""#], Some("https://a/?p=3")),
            (&[r#"<https://a/?p=1>; rel="prev","#, r#", <https://a/?p=3>; rel="next""#], Some("https://a/?p=3")),
            (&[r#"<https://a/?p=1>; rel="prev""#, r#"<https://a/?p=3>; rel="next""#], Some("https://a/?p=3")),
            (&[r#"</x?ids=1,2;3>; title="a, b; rel=\"next\"" ; REL="last Next""#], Some("/x?ids=1,2;3")),
            (&["</a>; title=it's; rel=prev, </b>; title='a, <c>; rel=next'; rel=next"], Some("/b")),
            (&[r#"</a>; crossorigin; rel="next""#], Some("/a")),
            (&[r#"https://a/?p=2; rel="next""#], Some("https://a/?p=2")),
            (&[r#"https://a/?p=1; rel="prev", https://a/?p=3; rel="next""#], Some("https://a/?p=3")),
            (&[r#"<https://a/?p=1>; rel="prev"; rel="next""#], None),
            (&[r#"<https://a/?p=1>; rel="nextish""#], None),
            (&[r#"<https://a/?p=1"#], None),
            (&[r#"<https://a/?p=1>; rel="next"#], None),
            (&["<a>, <b>; rel=next"], Some("b")),
            (&["https://a/?p=2"], None),
            (&[""], None),
            (&[" , ,"], None),
            (&[], None),
        ] {
            assert_eq!(next(values).as_deref(), found, "{values:?}");
        }
    }

    #[test]
    fn a_link_to_a_page_without_results_is_the_end() {
        for (value, found) in [
            (r#"</?c=1>; rel="next"; results="true"; cursor="1""#, Some("/?c=1")),
            (r#"</?c=1>; rel="next"; results="false"; cursor="1""#, None),
            (r#"</?c=1>; results=false; rel=next"#, None),
            (r#"</?c=0>; rel="previous"; results="false", </?c=2>; rel="next"; results="true""#, Some("/?c=2")),
        ] {
            assert_eq!(next(&[value]).as_deref(), found, "{value}");
        }
    }
}
