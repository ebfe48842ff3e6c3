//! S3 in process: s3s-fs on a loopback port, behind a mutex, as it checks `If-None-Match` and writes in two steps.

use std::{
    io,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use restlake::{secret::Secret, store::Destination};
use s3s::{
    Body,
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
    trouble: Arc<Trouble>,
}

/// How often a server fails.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Of all requests.
    pub share: f64,
    pub seed: u64,
}

/// The failures of a server.
#[derive(Debug, Default)]
struct Trouble {
    planned: Option<(f64, StdMutex<fastrand::Rng>)>,
    is_over: AtomicBool,
    count: AtomicUsize,
}

/// One failure.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Status { code: u16, takes_effect: bool },
    Reset { takes_effect: bool },
    Slow,
}

const FAULTS: [Fault; 6] = [
    Fault::Status { code: 500, takes_effect: false },
    Fault::Status { code: 500, takes_effect: true },
    Fault::Status { code: 503, takes_effect: false },
    Fault::Reset { takes_effect: false },
    Fault::Reset { takes_effect: true },
    Fault::Slow,
];

impl Trouble {
    fn new(faults: Faults) -> Self {
        let dice = StdMutex::new(fastrand::Rng::with_seed(faults.seed));
        Self { planned: Some((faults.share, dice)), ..Self::default() }
    }

    fn next(&self) -> Option<Fault> {
        let (share, dice) = self.planned.as_ref().filter(|_| !self.is_over.load(Ordering::SeqCst))?;
        let mut dice = dice.lock().expect("no test panics under this lock");
        if dice.f64() >= *share {
            return None;
        }
        self.count.fetch_add(1, Ordering::SeqCst);
        dice.choice(FAULTS)
    }
}

impl S3 {
    pub async fn start() -> Self {
        Self::start_with(Trouble::default()).await
    }

    /// One that fails now and then, until it is healed.
    pub async fn start_faulty(faults: Faults) -> Self {
        Self::start_with(Trouble::new(faults)).await
    }

    /// How often it has failed.
    pub fn faults(&self) -> usize {
        self.trouble.count.load(Ordering::SeqCst)
    }

    pub fn heal(&self) {
        self.trouble.is_over.store(true, Ordering::SeqCst);
    }

    async fn start_with(trouble: Trouble) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(directory.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let trouble = Arc::new(trouble);
        let server = tokio::spawn(serve(listener, Arc::new(Mutex::new(service.build())), Arc::clone(&trouble)));
        Self { endpoint, server: Some((server, directory)), trouble }
    }

    /// A server that answers unsigned requests, such as moto's.
    pub async fn at(endpoint: String) -> Self {
        let created = reqwest::Client::new().put(format!("{endpoint}/{BUCKET}")).send().await.unwrap();
        // A second creation of the bucket may answer 409.
        assert!(created.status().is_success() || created.status() == 409, "{}", created.status());
        Self { endpoint, server: None, trouble: Arc::default() }
    }

    /// An address where nobody listens.
    pub fn nowhere(endpoint: String) -> Self {
        Self { endpoint, server: None, trouble: Arc::default() }
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

async fn serve(listener: TcpListener, service: Arc<Mutex<S3Service>>, trouble: Arc<Trouble>) {
    while let Ok((socket, _)) = listener.accept().await {
        // Without it every answer waits 40 ms for the client's acknowledgement.
        socket.set_nodelay(true).unwrap();
        let (service, trouble) = (Arc::clone(&service), Arc::clone(&trouble));
        let answers =
            service_fn(move |request: hyper::Request<Incoming>| answer(Arc::clone(&service), trouble.next(), request));
        tokio::spawn(async move {
            // A client that hangs up is no failure of the server.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answers).await;
        });
    }
}

/// The service's answer, unless it is another one, or none.
async fn answer(
    service: Arc<Mutex<S3Service>>,
    fault: Option<Fault>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let takes_effect = match fault {
        Some(Fault::Status { takes_effect, .. } | Fault::Reset { takes_effect }) => takes_effect,
        Some(Fault::Slow) => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            true
        }
        None => true,
    };
    let mut served = None;
    if takes_effect {
        let answer = hyper::service::Service::call(&*service.lock().await, request).await;
        served = Some(answer.map_err(|error| io::Error::other(format!("{error:?}")))?);
    }
    match (fault, served) {
        (None | Some(Fault::Slow), Some(answer)) => Ok(answer),
        (Some(Fault::Status { code, .. }), _) => {
            Ok(Response::builder().status(code).body(Body::empty()).expect("a status is a whole answer"))
        }
        // hyper closes the connection of a service that fails.
        _ => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    }
}
