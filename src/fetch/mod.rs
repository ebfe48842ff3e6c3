//! Requests become pages, in page order.
//!
//! ```text
//! ResourcePlan ─► Pages ── asks ahead ─► Client ─► limit ─► auth ─► redirect ─► the API
//!                   ▲                      └──────── retry ◄─ broken, 429, 5xx ───┘
//!                   └── page order, positions: Paginator
//! ```
//!
//! [`Pages`] owns what is asked for and in which order it is handed on; a [`Paginator`] knows where the next page is and
//! does no I/O; [`Lists`] joins the lists of a resource that has many; [`Client`] owns how one request is sent until it is answered. The invariant: what [`Pages`] hands on depends
//! on the API's answers only, never on their timing.

mod auth;
mod body;
mod call;
mod client;
mod completeness;
mod cookies;
mod envelope;
mod error;
mod error_answer;
mod exchange;
mod foreign;
mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handshake;
mod include;
mod limit;
mod lists;
mod pace;
mod pages;
pub mod paginate;
mod quota;
mod records;
mod redirect;
mod request;
mod retry;
mod transport;

pub use auth::{AuthError, Authenticator, Generation};
pub use client::Client;
pub use completeness::{Findings, Suspicion, Verdict};
pub use error::{FetchError, RequestError, Trouble};
pub use lists::{Ends, Feed, ListRequest, Lists};
pub use pages::{FetchCounters, PageSource, Pages, PagesAhead, Position, PutBack};
pub use paginate::{Ahead, Extent, PageToken, PageView, Paginator};
pub use request::Request;
