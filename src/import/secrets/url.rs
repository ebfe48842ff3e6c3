//! Where a credential may stand in a URL, a path or a form, read as texts: places that are filled in are no URLs yet.

/// The user and the password of a whole URL, if it has any.
pub(super) fn user(url: &str) -> Option<(String, String)> {
    let (start, end) = user_range(url)?;
    let written = url.get(start..end)?;
    let (user, password) = colon(written).and_then(|at| written.split_at_checked(at)).unwrap_or((written, ""));
    Some((user.to_owned(), password.strip_prefix(':').unwrap_or_default().to_owned()))
}

/// The first colon that is not within a reference.
fn colon(text: &str) -> Option<usize> {
    let mut is_within = false;
    text.char_indices().find_map(|(at, letter)| {
        is_within =
            (is_within || text.get(..at).is_some_and(|before| before.ends_with('$')) && letter == '{') && letter != '}';
        (letter == ':' && !is_within).then_some(at)
    })
}

pub(in crate::import) fn without_user(url: &str) -> String {
    match user_range(url) {
        Some((start, end)) => [url.get(..start), url.get(end + 1..)].into_iter().flatten().collect(),
        None => url.to_owned(),
    }
}

/// The bytes between `://` and the `@` before the host.
fn user_range(url: &str) -> Option<(usize, usize)> {
    let scheme = url.find("://").filter(|at| url.bytes().take(*at).all(|byte| byte.is_ascii_alphanumeric()))?;
    let start = scheme + 3;
    let authority = url.get(start..)?.split(['/', '?', '#']).next()?;
    authority.rfind('@').map(|at| (start, start + at))
}

/// The text with other values in its query; all of it is one if it `is_form`. `change` gives a parameter's new value.
pub(super) fn map_query(text: &str, is_form: bool, mut change: impl FnMut(&str, &str) -> Option<String>) -> String {
    let (before, query) = match text.split_once('?') {
        _ if is_form => ("", text),
        Some((before, query)) => (before, query),
        None => return text.to_owned(),
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", change(name, value).unwrap_or_else(|| value.to_owned())),
        None => pair.to_owned(),
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    if is_form { query } else { format!("{before}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_loses_its_user_and_keeps_the_rest() {
        assert_eq!(user("https://u:p:q@a.example/b@c"), Some(("u".to_owned(), "p:q".to_owned())));
        assert_eq!(without_user("https://u:p@a.example/b@c"), "https://a.example/b@c");
        for text in ["https://a.example/b@c", "b@c", "a/b?c=http://d@e", ""] {
            assert_eq!((user(text), without_user(text)), (None, text.to_owned()));
        }
    }

    #[test]
    fn parameters_of_a_query_or_a_form_are_changed_one_by_one() {
        let change = |name: &str, _: &str| (name == "b").then(|| "x".to_owned());
        assert_eq!(map_query("p?a=1&b=2&b&c=3", false, change), "p?a=1&b=x&b&c=3");
        assert_eq!(map_query("b=2&c", true, change), "b=x&c");
        assert_eq!(map_query("b=2", false, change), "b=2");
    }
}
