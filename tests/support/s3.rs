//! S3 in process: s3s-fs on a loopback port, behind a mutex, as it checks `If-None-Match` and writes in two steps.

use std::sync::Arc;

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use restlake::{secret::Secret, store::Destination};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};

pub const ACCESS_KEY: &str = "AKIATESTACCESSKEY";
pub const SECRET_KEY: &str = "test-secret-access-key";
pub const BUCKET: &str = "lake";

/// A running server, or one that was there already; with one bucket, [`BUCKET`].
pub struct S3 {
    pub endpoint: String,
    server: Option<(JoinHandle<()>, tempfile::TempDir)>,
}

impl S3 {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(directory.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, Arc::new(Mutex::new(service.build()))));
        Self { endpoint, server: Some((server, directory)) }
    }

    /// A server that answers unsigned requests, such as moto's.
    pub async fn at(endpoint: String) -> Self {
        let created = reqwest::Client::new().put(format!("{endpoint}/{BUCKET}")).send().await.unwrap();
        // A second creation of the bucket may answer 409.
        assert!(created.status().is_success() || created.status() == 409, "{}", created.status());
        Self { endpoint, server: None }
    }

    /// An address where nobody listens.
    pub fn nowhere(endpoint: String) -> Self {
        Self { endpoint, server: None }
    }

    /// A destination in the bucket.
    pub fn plan(&self, prefix: &str) -> Destination {
        self.plan_with(&format!("s3://{BUCKET}/{prefix}"), ACCESS_KEY, SECRET_KEY)
    }

    pub fn plan_with(&self, url: &str, access_key: &str, secret_key: &str) -> Destination {
        let option = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
        let options = vec![
            option("endpoint", &self.endpoint),
            option("access_key_id", access_key),
            option("secret_access_key", secret_key),
            option("region", "us-east-1"),
            option("allow_http", "true"),
        ];
        Destination { url: url.to_owned(), options }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some((server, _)) = &self.server {
            server.abort();
        }
    }
}

async fn serve(listener: TcpListener, service: Arc<Mutex<S3Service>>) {
    while let Ok((socket, _)) = listener.accept().await {
        // Without it every answer waits 40 ms for the client's acknowledgement.
        socket.set_nodelay(true).unwrap();
        let service = Arc::clone(&service);
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let service = Arc::clone(&service);
            async move { hyper::service::Service::call(&*service.lock().await, request).await }
        });
        tokio::spawn(async move {
            // A client that hangs up is no failure of the server.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
