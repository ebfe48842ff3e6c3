//! Object stores. The URL and the options of a destination become one [`Store`], and every access uses its [`TableStore`]s.
//!
//! ```text
//! Destination ──open──► Store (ObjectStore + root) ──table──► TableStore: paths relative to the table, errors that
//!                                                                 name store and path, and never show a secret
//! ```
//!
//! Everything is done with `dyn ObjectStore` alone, so that local disk, memory and the clouds behave alike. Relative paths
//! are parsed, never encoded: `Path::from` would encode the `%` of a Hive name a second time. `memory://` is a new, empty
//! store at each [`open`]; who wants to look into it keeps the [`Store`].

mod address;
mod cloud;
mod error;
mod local;
mod table;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use object_store::{ObjectStore, memory::InMemory, path::Path};
use serde::Serialize;

use crate::secret::{Redactor, Secret, is_secret_name};

use self::address::Address;
pub use self::{
    error::{Cause, StoreError},
    table::{Created, TableStore},
};

/// URL schemes a destination may have, beside a plain path.
const SCHEMES: &str = "a local path, file://, s3://, gs://, az:// and memory://";

/// An opened destination. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Store {
    pub store: Arc<dyn ObjectStore>,
    /// Path of the destination in the store.
    pub root: Path,
    context: Arc<Context>,
    /// True once the put-if-absent of the store was proved.
    conditional: Arc<AtomicBool>,
}

/// Context of a store for its errors.
#[derive(Debug)]
struct Context {
    /// The destination as it may be shown: without secrets, without a trailing slash.
    shown: String,
    redactor: Redactor,
    kind: Kind,
    /// Hint for refusals without credentials.
    credentials_hint: Option<String>,
    /// True if credentials were found at open. A refusal without them is an error of the user.
    has_credentials: bool,
    /// True once an access succeeded, so that the credentials are valid, even those of the machine.
    answered: AtomicBool,
    /// On local disk, the directory that the store's paths begin in.
    disk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Local,
    Memory,
    Cloud,
}

impl Store {
    /// Wraps any object store, such as one in memory or a decorated one; `shown` is what messages call it.
    pub fn new(store: Arc<dyn ObjectStore>, root: Path, shown: impl Into<String>) -> Self {
        Self::with_context(store, root, Context::plain(shown.into(), Kind::Memory))
    }

    fn with_context(store: Arc<dyn ObjectStore>, root: Path, context: Context) -> Self {
        Self { store, root, context: Arc::new(context), conditional: Arc::default() }
    }

    /// Returns this destination with a decorator around its object store.
    #[must_use]
    pub fn decorate(&self, decorate: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        let (root, context) = (self.root.clone(), Arc::clone(&self.context));
        Self { store: decorate(Arc::clone(&self.store)), root, context, conditional: Arc::default() }
    }

    /// The table's part of the destination: `<destination>/<name>/`.
    ///
    /// # Errors
    /// A name that is no relative path of plain segments.
    pub fn table(&self, name: &str) -> Result<TableStore, StoreError> {
        TableStore::new(self, name)
    }

    /// The destination as it may be shown.
    pub fn shown(&self) -> &str {
        &self.context.shown
    }
}

impl Context {
    fn plain(shown: String, kind: Kind) -> Self {
        let shown = shown.trim_end_matches('/').to_owned();
        Self {
            shown,
            redactor: Redactor::default(),
            kind,
            credentials_hint: None,
            has_credentials: true,
            answered: AtomicBool::new(false),
            disk: None,
        }
    }

    fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    fn set_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }
}

/// A destination of tables, as written in the config.
#[derive(Clone, Debug, Serialize)]
pub struct Destination {
    /// A path, or `file://`, `s3://`, `gs://`, `az://`, `memory://`.
    pub url: String,
    /// The store's own option names.
    pub options: Vec<(String, Secret<String>)>,
}

impl Destination {
    /// With the URL's scheme in lower case, as readers know it.
    pub fn new(url: &str, options: Vec<(String, Secret<String>)>) -> Self {
        let url = match url.split_once("://") {
            Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
            None => url.to_owned(),
        };
        Self { url, options }
    }
}

/// Opens a destination: reads its URL, its options, and what the environment says of the provider. Sends and creates nothing.
///
/// `variables` looks up an environment variable; only variables with the prefix of the provider are read, and `HOME` to
/// check for AWS profiles, which the error mentions.
///
/// # Errors
/// A URL or an option that cannot be understood.
pub fn open(plan: &Destination, variables: &dyn Fn(&str) -> Option<String>) -> Result<Store, StoreError> {
    match Address::parse(plan)? {
        Address::Path(path) => local::open(&path, &plan.url),
        Address::Memory(url) => {
            let root = Path::from_url_path(url.path()).map_err(|error| StoreError::url(&plan.url, error))?;
            let store = Arc::new(InMemory::new());
            Ok(Store::with_context(store, root, Context::plain(plan.url.clone(), Kind::Memory)))
        }
        Address::Cloud(url) => cloud::open(plan, &url, variables),
    }
}

/// Returns true if an object store has an option of this name, with or without the store's prefix, e.g. `aws_region`.
pub fn is_option(name: &str) -> bool {
    cloud::is_option(name)
}

/// Returns true if a destination uses options. A local path and memory ignore them, so that a config for S3 can be tried with
/// another URL alone.
pub fn has_options(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| !matches!(scheme.to_ascii_lowercase().as_str(), "file" | "memory"))
}

/// Checks a destination without I/O: its URL and the names of its options.
///
/// # Errors
/// Those of [`open`], except for errors that depend on the environment or the store.
pub fn check(plan: &Destination) -> Result<(), StoreError> {
    match Address::parse(plan)? {
        Address::Cloud(url) => cloud::check(plan, &url),
        Address::Path(_) | Address::Memory(_) => Ok(()),
    }
}

/// The URL without what may be a secret in it.
fn hidden(plan: &Destination) -> String {
    let url = plan.url.split(['?', '#']).next().unwrap_or_default();
    match url.rsplit_once('@') {
        Some((_, rest)) => rest.to_owned(),
        None => url.to_owned(),
    }
}

/// Knows every secret value among these.
fn redactor<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Redactor {
    Redactor::new(values.filter(|(name, _)| is_secret_name(name)).flat_map(|(_, value)| parts(value)))
}

/// A value, and if it is a query string such as an Azure SAS, the values in it: a URL may hold those in another order.
fn parts(value: &str) -> Vec<String> {
    let pairs = value.split('&').filter_map(|pair| pair.split_once('='));
    let signatures = pairs.filter(|(name, _)| is_secret_name(name.trim_start_matches('?')));
    let mut parts: Vec<String> = signatures.map(|(_, signature)| signature.to_owned()).collect();
    parts.push(value.to_owned());
    parts
}

#[cfg(test)]
mod tests;
