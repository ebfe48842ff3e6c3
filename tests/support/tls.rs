//! A server that speaks TLS, with a certificate of the tests' own authority, and answers every request with the same JSON.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http_body_util::Full;
use hyper::{Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier},
};
use url::Url;

const AUTHORITY: &[u8] = include_bytes!("keys/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("keys/server.pem");
const KEY: &[u8] = include_bytes!("keys/server.key");

pub struct TlsServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl TlsServer {
    /// With `asks`, only who shows a certificate of the authority is answered.
    pub async fn start(body: &'static str, asks: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let acceptor = TlsAcceptor::from(Arc::new(config(asks)));
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let stream = match acceptor.accept(socket).into_fallible().await {
                        Ok(stream) => stream,
                        // That is what some tests are about: what the client was told must reach it before the end does.
                        Err((_, mut socket)) => {
                            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
                            return;
                        }
                    };
                    let answer = async move |_| {
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
                    };
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                });
            }
        });
        Self { address, accepting }
    }

    pub fn url(&self) -> Url {
        Url::parse(&format!("https://{}/", self.address)).expect("an address makes a URL")
    }
}

fn config(asks: bool) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider knows TLS");
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate")).expect("an authority");
    let builder = if asks {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build();
        builder.with_client_cert_verifier(verifier.expect("an authority"))
    } else {
        builder.with_no_client_auth()
    };
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a private key");
    builder.with_single_cert(chain, key).expect("a key of the certificate")
}
