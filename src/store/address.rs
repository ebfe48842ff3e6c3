//! A destination as the user wrote it: a URL of a scheme that is known, or a local path. What is nearly a URL is an error, as
//! a directory named `s3:` would take the tables in silence.
//!
//! ```text
//! s3://bucket/prefix  S3://bucket   ─► URL (schemes in any case)
//! ./lake  /data/lake  lake:2026     ─► path
//! s3:/bucket  s3//bucket  gs:bucket ─► error: write `s3://bucket`
//! ```

use std::path::PathBuf;

use url::Url;

use super::{Destination, StoreError, hidden};

/// Schemes that are known and are not those of object stores.
const OTHERS: [&str; 8] = ["file", "memory", "http", "https", "gcs", "s3n", "dbfs", "hdfs"];

/// Schemes of object stores.
const CLOUDS: [&str; 8] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss"];

pub(super) enum Address {
    Path(PathBuf),
    Memory(Url),
    Cloud(Url),
}

impl Address {
    /// # Errors
    /// [`StoreError::NearUrl`] for what is neither a URL nor a plain path, [`StoreError::Url`] for a URL that is none.
    pub(super) fn parse(plan: &Destination) -> Result<Self, StoreError> {
        let text = plan.url.as_str();
        if text.trim() != text && text.contains("://") {
            return Err(near(plan, format!("write `{}`, without spaces around it", hidden(plan).trim())));
        }
        let Some((scheme, _)) = text.split_once("://") else { return path(plan) };
        let url = Url::parse(text).map_err(|error| StoreError::url(&hidden(plan), error))?;
        match scheme.to_ascii_lowercase().as_str() {
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Self::Path(path)),
                Err(()) => Err(near(plan, "write `file:///path`, with three slashes, or the path alone".to_owned())),
            },
            "memory" => Ok(Self::Memory(url)),
            scheme if CLOUDS.contains(&scheme) && url.host_str().is_none_or(str::is_empty) => {
                Err(near(plan, format!("name a bucket: `{scheme}://bucket/prefix`")))
            }
            "http" | "https" => Err(near(
                plan,
                "for an object store at this address, set `url: s3://bucket/prefix` and `options: {endpoint: …}`"
                    .to_owned(),
            )),
            _ => Ok(Self::Cloud(url)),
        }
    }
}

/// A text without `://`. A shell expands `~`, and nothing else does.
fn path(plan: &Destination) -> Result<Address, StoreError> {
    let below = plan.url.strip_prefix("~/").or_else(|| plan.url.strip_prefix("$HOME/"));
    if let Some(below) = below.or_else(|| (plan.url == "~").then_some("")) {
        return Err(near(plan, format!("write `${{HOME}}/{below}`, or `./{}` for a directory of that name", plan.url)));
    }
    if plan.url.starts_with('~') {
        let advice =
            format!("write the home directory of that user in full, or `./{}` for a directory of that name", plan.url);
        return Err(near(plan, advice));
    }
    match right_form(&plan.url) {
        Some(form) => Err(near(plan, format!("write {form}, or `./{}` for a directory of that name", hidden(plan)))),
        None => Ok(Address::Path(PathBuf::from(&plan.url))),
    }
}

/// Returns the URL that a text nearly is, `None` for a path.
fn right_form(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && !"+.-".contains(letter))?;
    let (scheme, rest) = text.split_at_checked(end)?;
    let scheme = scheme.trim_end_matches('.').to_ascii_lowercase();
    let is_known = CLOUDS.contains(&scheme.as_str()) || OTHERS.contains(&scheme.as_str());
    // A single letter is a drive of Windows.
    let is_scheme = scheme.len() > 1 && scheme.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let is_near = is_scheme && (rest.starts_with(":/") || rest.starts_with(";//"))
        || is_known && (rest.starts_with(':') || rest.starts_with("//"));
    let place = rest.trim_start_matches([':', ';', '/', ' ']).split(['?', '#']).next().unwrap_or_default();
    // `abfss://container@account…`; any other text before an `@` may be a credential.
    let place = match place.rsplit_once('@') {
        Some((container, _)) if scheme.starts_with("abfs") && !container.contains(':') => place,
        Some((_, place)) => place,
        None => place,
    };
    is_near.then(|| match scheme.as_str() {
        "memory" => "`memory://`".to_owned(),
        "file" => format!("`file:///{place}`"),
        scheme if OTHERS.contains(&scheme) => "a local path or a URL such as `s3://bucket/prefix`".to_owned(),
        scheme if is_known && !place.is_empty() => format!("`{scheme}://{place}`"),
        scheme if is_known => format!("`{scheme}://bucket/prefix`"),
        _ => "a local path or a URL such as `s3://bucket/prefix`".to_owned(),
    })
}

fn near(plan: &Destination, advice: String) -> StoreError {
    StoreError::NearUrl { url: hidden(plan), advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, String> {
        let plan = Destination { url: url.to_owned(), options: Vec::new() };
        Address::parse(&plan).map_err(|error| crate::error::Failure::hint(&error).unwrap_or_else(|| error.to_string()))
    }

    #[test]
    fn what_is_nearly_a_url_is_an_error_with_the_right_form() {
        for (url, form) in [
            ("s3:/bucket", "write `s3://bucket`,"),
            ("s3:bucket/a", "write `s3://bucket/a`,"),
            ("s3//b", "write `s3://b`,"),
            ("S3:/b", "write `s3://b`,"),
            ("s3:", "write `s3://bucket/prefix`,"),
            ("s3:///b", "name a bucket: `s3://bucket/prefix`"),
            ("s3://", "name a bucket"),
            ("gs:/x", "write `gs://x`,"),
            ("az//c/p", "write `az://c/p`,"),
            ("abfss:/c@a.dfs.core.windows.net/p", "write `abfss://c@a.dfs.core.windows.net/p`,"),
            ("file:/x", "write `file:///x`,"),
            ("file:x", "write `file:///x`,"),
            ("file://host/x", "write `file:///path`"),
            ("memory:", "write `memory://`,"),
            ("dbfs:/x", "a URL such as `s3://bucket/prefix`"),
            ("http:/x", "a URL such as"),
            ("http://minio:9000/b", "set `url: s3://bucket/prefix` and `options: {endpoint: …}`"),
            ("https://x", "endpoint"),
            ("~/lake", "write `${HOME}/lake`,"),
            ("~", "write `${HOME}/`,"),
            ("$HOME/lake", "write `${HOME}/lake`,"),
            ("s3: //b", "write `s3://b`,"),
            ("s3;//b", "write `s3://b`,"),
            ("s3.//b", "write `s3://b`,"),
            ("minio;//b", "a URL such as `s3://bucket/prefix`"),
            ("~user/lake", "write the home directory of that user"),
            ("gcs:b", "a URL such as `s3://bucket/prefix`"),
            ("dbfs//b", "a URL such as"),
            ("http//minio:9000/b", "a URL such as"),
            ("s3n:b", "a URL such as"),
            (" s3://b", "write `s3://b`, without spaces"),
        ] {
            let said = parse(url).err().unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(said.contains(form), "{url}: {said}");
        }
    }

    #[test]
    fn a_path_is_a_path_and_schemes_may_be_in_capitals() {
        for path in [
            "lake",
            "./s3:/b",
            "/data/lake",
            "C:/lake",
            "C:\\lake",
            "lake:2026",
            "s3",
            "s3/b",
            "a//b",
            "../x",
            "my lake",
        ] {
            assert!(matches!(parse(path), Ok(Address::Path(_))), "{path}");
        }
        assert!(matches!(parse("FILE:///tmp/x"), Ok(Address::Path(path)) if path.ends_with("tmp/x")));
        assert!(matches!(parse("S3://b"), Ok(Address::Cloud(_))));
        assert!(matches!(parse("Memory://x"), Ok(Address::Memory(_))));
    }

    #[test]
    fn what_may_be_a_credential_is_not_repeated() {
        for url in ["s3:/key:hunter2@bucket", "s3//bucket?secret=hunter2", "http://u:hunter2@host/x"] {
            let plan = Destination { url: url.to_owned(), options: Vec::new() };
            let error = Address::parse(&plan).err().unwrap();
            let said = format!("{error} {:?}", crate::error::Failure::hint(&error));
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
