//! The demo's API on 127.0.0.1: `GET /v1/test_cases?offset=&limit=&api_key=`, a page of at most 1000 records.

use std::{convert::Infallible, io, net::SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use super::records;

/// What the API wants as `api_key`. No secret: it opens generated data on loopback.
pub const KEY: &str = "demo-key-for-loopback";

/// The most records of a page, whatever was asked for.
const PAGE_CAP: u64 = 1000;

/// The API while it lives.
pub struct Api {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Api {
    /// Serves so many test cases, on a port that the system chooses.
    pub async fn start(rows: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, server: tokio::spawn(serve(listener, rows)) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, rows: u64) {
    // A connection that cannot be accepted (too many open files) is the client's to try again.
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Small answers would wait for the kernel's timer otherwise; without it they are slow, not wrong.
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, rows)) });
            // An error here is a client that hung up.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(request: &Request<Incoming>, rows: u64) -> Response<Full<Bytes>> {
    let (status, body) = route(request.method(), request.uri().path(), request.uri().query().unwrap_or_default(), rows);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn route(method: &Method, path: &str, query: &str, rows: u64) -> (StatusCode, String) {
    if path != "/v1/test_cases" {
        return error(StatusCode::NOT_FOUND, "there is only /v1/test_cases");
    }
    if method != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED, "only GET");
    }
    if param(query, "api_key").as_deref() != Some(KEY) {
        return error(StatusCode::UNAUTHORIZED, "api_key is missing or wrong");
    }
    match (number(query, "offset", 0), number(query, "limit", 100)) {
        (Some(offset), Some(limit)) => (StatusCode::OK, page(offset, limit.min(PAGE_CAP), rows)),
        _ => error(StatusCode::BAD_REQUEST, "offset and limit are whole numbers"),
    }
}

fn error(status: StatusCode, message: &str) -> (StatusCode, String) {
    (status, serde_json::json!({ "error": message }).to_string())
}

fn param(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A parameter's number, or the default if it is not there; `None` for anything else.
fn number(query: &str, name: &str, default: u64) -> Option<u64> {
    param(query, name).map_or(Some(default), |text| text.parse().ok())
}

fn page(offset: u64, limit: u64, rows: u64) -> String {
    let mut body = String::from("{\"data\":[");
    for position in offset..offset.saturating_add(limit).min(rows) {
        if position > offset {
            body.push(',');
        }
        records::write(position + 1, &mut body);
    }
    body + &format!("],\"total\":{rows},\"offset\":{offset},\"limit\":{limit}}}")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn get(query: &str, rows: u64) -> (u16, serde_json::Value) {
        let (status, body) = route(&Method::GET, "/v1/test_cases", &format!("api_key={KEY}{query}"), rows);
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    fn ids(page: &serde_json::Value) -> Vec<u64> {
        page["data"].as_array().unwrap().iter().map(|record| record["id"].as_u64().unwrap()).collect()
    }

    #[test]
    fn pages_tile_the_list_and_tell_how_long_it_is() {
        let (status, first) = get("&offset=0&limit=3", 5);
        let (_, second) = get("&offset=3&limit=3", 5);
        assert_eq!((status, ids(&first), ids(&second)), (200, vec![1, 2, 3], vec![4, 5]));
        assert_eq!((&second["total"], &second["offset"], &second["limit"]), (&5.into(), &3.into(), &3.into()));
    }

    #[test]
    fn a_page_is_capped_and_beyond_the_end_it_is_empty() {
        assert_eq!(ids(&get("&limit=5000", 2000).1).len(), 1000);
        assert_eq!(get("&limit=5000", 2000).1["limit"], 1000);
        assert_eq!(ids(&get("", 2000).1).len(), 100);
        assert!(ids(&get(&format!("&offset={}&limit=10", u64::MAX), 5).1).is_empty());
        assert!(ids(&get("", 0).1).is_empty());
    }

    #[test]
    fn what_is_not_asked_for_properly_is_refused_with_a_reason() {
        let status = |method, path, query: &str| route(&method, path, query, 5).0.as_u16();
        let key = format!("api_key={KEY}");
        assert_eq!(status(Method::GET, "/v1/test_cases", "limit=1"), 401);
        assert_eq!(status(Method::GET, "/v1/test_cases", "api_key=wrong"), 401);
        assert_eq!(status(Method::GET, "/v1/suites", &key), 404);
        assert_eq!(status(Method::POST, "/v1/test_cases", &key), 405);
        assert_eq!(get("&offset=-1", 5).0, 400);
        assert_eq!(get("&limit=ten", 5).1["error"], "offset and limit are whole numbers");
    }

    #[tokio::test]
    async fn it_answers_over_a_socket_on_loopback_until_it_is_dropped() {
        let api = Api::start(2).await.unwrap();
        let address = api.address();
        assert!(address.ip().is_loopback());
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET /v1/test_cases?api_key={KEY} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/json") && answer.contains("\"total\":2"), "{answer}");
    }
}
