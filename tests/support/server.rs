//! A scripted API on loopback: replies from a queue or from a handler, and a log of what was asked.
//!
//! ```ignore
//! let gate = Gate::default();
//! let server = Server::scripted([Reply::json(r#"{"data":[]}"#).after(&gate), Reply::status(429).header("retry-after", "3")]).await;
//! // … requests to server.url() …
//! server.requested(1).await;          // the first request is there, and waits
//! gate.open();
//! assert_eq!(server.targets(), ["/v1/items?offset=0", "/v1/items?offset=100"]);
//! ```
//!
//! Nothing sleeps: a reply that must come late waits for a [`Gate`] that the test opens. The server ends with its handle.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use url::Url;

/// How long a test waits for a request before it fails: far more than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// 1 for the first request of the server.
    pub number: usize,
    pub method: String,
    pub path: String,
    /// As it stood in the request, without `?`.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// A query parameter, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        self.params(name).into_iter().next()
    }

    /// All values of a query parameter, decoded.
    pub fn params(&self, name: &str) -> Vec<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// A parameter that is a number.
    pub fn number_param(&self, name: &str) -> Option<u64> {
        self.param(name)?.parse().ok()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The fields of a body that is a form, decoded.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// Path and query.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// Holds replies back until it is opened; stays open then.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Gate {
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        // The sender lives as long as `self`: this cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    /// The connection breaks after half of the body.
    Truncated,
    /// Half of the body, then silence.
    Stalled,
}

/// What the server answers.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    gate: Option<Gate>,
    end: End,
    reset: bool,
    chunk: usize,
}

impl Reply {
    /// An empty answer of this status.
    pub fn status(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { status, headers, body, gate: None, end: End::Whole, reset: false, chunk: usize::MAX }
    }

    /// 200 with a JSON text.
    pub fn json(text: impl Into<String>) -> Self {
        Self::status(200).header("content-type", "application/json").body(text.into())
    }

    /// The connection closes without an answer.
    pub fn reset() -> Self {
        Self { reset: true, ..Self::status(200) }
    }

    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Changes a body that is JSON.
    pub fn with_json(mut self, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let mut value = serde_json::from_slice(&self.body).expect("a JSON body");
        change(&mut value);
        self.body = value.to_string().into_bytes();
        self
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    /// Adds a header. A `content-length` is sent as it is, right or wrong.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sent when the gate opens, and not before.
    pub fn after(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Announced whole, but the connection breaks after half of the body.
    pub fn truncated(mut self) -> Self {
        self.end = End::Truncated;
        self
    }

    /// Half of the body comes, and then nothing, on an open connection.
    pub fn stalled(mut self) -> Self {
        self.end = End::Stalled;
        self
    }

    /// Sent in pieces of so many bytes.
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.chunk = bytes;
        self
    }

    fn pieces(&self) -> Vec<Bytes> {
        let sent = if self.end == End::Whole { self.body.len() } else { self.body.len() / 2 };
        self.body[..sent].chunks(self.chunk.max(1)).map(Bytes::copy_from_slice).collect()
    }

    fn into_body(self) -> UnsyncBoxBody<Bytes, io::Error> {
        let pieces = stream::iter(self.pieces()).map(|piece| Ok(Frame::data(piece)));
        let end = match self.end {
            End::Whole => stream::empty().boxed(),
            End::Truncated => stream::iter([Err(io::Error::other("truncated by the test"))]).boxed(),
            End::Stalled => stream::pending().boxed(),
        };
        // A pause before the end lets what was written reach the socket before the connection breaks.
        let pause = stream::once(tokio::task::yield_now()).filter_map(|()| async { None });
        StreamBody::new(pieces.chain(pause).chain(end)).boxed_unsync()
    }

    async fn into_response(self) -> io::Result<Response<UnsyncBoxBody<Bytes, io::Error>>> {
        if let Some(gate) = &self.gate {
            gate.opened().await;
        }
        if self.reset {
            return Err(io::Error::other("reset by the test"));
        }
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        if !self.headers.iter().any(|(name, _)| name == "content-length") && self.status != 204 {
            response = response.header("content-length", self.body.len());
        }
        response.body(self.into_body()).map_err(io::Error::other)
    }
}

type Handler = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

/// The log, and who waits for it to grow.
struct Log {
    requests: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

impl Log {
    fn add(&self, request: &Request<Bytes>) -> Received {
        let mut requests = self.requests.lock().expect("no test panics under this lock");
        let received = Received {
            number: requests.len() + 1,
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
            body: request.body().clone(),
        };
        requests.push(received.clone());
        self.count.send_replace(requests.len());
        received
    }
}

/// A server on `127.0.0.1` and a port of its own.
pub struct Server {
    address: SocketAddr,
    log: Arc<Log>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Answers every request by `handler`.
    pub async fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let log = Arc::new(Log { requests: Mutex::default(), count: watch::Sender::new(0) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&log), Arc::new(Box::new(handler) as Handler)));
        Self { address, log, accepting }
    }

    /// Answers with these replies, in the order of the requests; then with 599, which no test expects.
    pub async fn scripted(replies: impl IntoIterator<Item = Reply>) -> Self {
        let queue = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_| {
            let next = queue.lock().expect("no test panics under this lock").pop_front();
            next.unwrap_or_else(|| Reply::status(599).body("the script is over"))
        })
        .await
    }

    /// `http://127.0.0.1:<port>/`
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).expect("an address makes a URL")
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.log.requests.lock().expect("no test panics under this lock").clone()
    }

    /// Path and query of all requests so far.
    pub fn targets(&self) -> Vec<String> {
        self.requests().iter().map(Received::target).collect()
    }

    /// Waits until so many requests have come in all; panics if they do not, so that a test fails where it would hang.
    pub async fn requested(&self, count: usize) {
        let mut seen = self.log.count.subscribe();
        let wait = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| *seen >= count));
        // The sender lives as long as `self`: only the time can run out.
        assert!(wait.await.is_ok(), "{count} requests were to come, and {} did", self.requests().len());
    }
}

/// One task per connection; all of them end with the set.
async fn accept(listener: TcpListener, log: Arc<Log>, handler: Arc<Handler>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(serve(socket, Arc::clone(&log), Arc::clone(&handler)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(socket: TcpStream, log: Arc<Log>, handler: Arc<Handler>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let received = log.add(&Request::from_parts(head, body));
            handler(&received).into_response().await
        }
    });
    // A connection that a reply breaks, or that the client gives up, is what some tests are about.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

/// Serves `rows` as `{"data": [...]}` by `offset` and `limit`, at most `cap` a page, with `"total"` if `tell_total`.
pub fn list_by_offset(
    rows: Vec<serde_json::Value>,
    cap: usize,
    tell_total: bool,
) -> impl Fn(&Received) -> Reply + use<> {
    move |request| {
        let offset = request.number_param("offset").unwrap_or(0) as usize;
        let limit = request.number_param("limit").map_or(cap, |limit| cap.min(limit as usize));
        let page: Vec<_> = rows.iter().skip(offset).take(limit).collect();
        let mut answer = serde_json::json!({ "data": page });
        if tell_total {
            answer["total"] = rows.len().into();
        }
        Reply::json(answer.to_string())
    }
}

/// `{"id": 1}` to `{"id": count}`.
pub fn numbered_rows(count: u64) -> Vec<serde_json::Value> {
    (1..=count).map(|id| serde_json::json!({ "id": id })).collect()
}
