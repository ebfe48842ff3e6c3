//! `allowed_hosts`, `foreign_hosts` and `tls`: who may see our credentials, where requests may go, and whose certificates count.

use rustls::{CertificateError, crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    config::{Findings, Located, Section},
    plan::{AllowedHost, ForeignHosts, TlsPlan},
    secret::Secret,
};

pub fn foreign_hosts(client: &Section<'_>) -> Option<ForeignHosts> {
    match client.text("foreign_hosts")?.value.as_str() {
        "warn" => Some(ForeignHosts::Warn),
        "refuse" => Some(ForeignHosts::Refuse),
        _ => None,
    }
}

pub fn allowed_hosts(client: &Section<'_>, findings: &mut Findings) -> Vec<AllowedHost> {
    let mut hosts = Vec::new();
    for written in client.texts("allowed_hosts") {
        match written.value.parse() {
            Ok(host) => hosts.push(host),
            Err(reason) => {
                let help = "write `api.example.com`, `*.example.com` or `https://api.example.com:8443`".to_owned();
                findings.error(&written.place, format!("`{}`: {reason}", written.value), Some(help));
            }
        }
    }
    hosts
}

/// Certificates and keys are looked at as far as their form goes, and whether they belong together; what they are worth, the
/// handshake shows.
pub fn tls(client: &Section<'_>, findings: &mut Findings) -> Option<TlsPlan> {
    let tls = client.section("tls");
    if tls.is_broken() {
        return None;
    }
    let authorities = certificates(&tls, "ca_file", findings);
    let certificate = certificates(&tls, "cert_file", findings);
    let key = key(&tls, findings);
    for (there, missing) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if tls.is_written(there) && !tls.is_written(missing) {
            let help = "a certificate of our own is of use with its private key only".to_owned();
            findings.error(tls.place_of(there), format!("`{missing}` is missing"), Some(help));
        }
    }
    if let (Some(certificate), Some(key)) = (&certificate, &key) {
        check_identity(&tls, certificate, key, findings)?;
    }
    let identity = certificate.zip(key).map(|(certificate, key)| Secret::new(format!("{certificate}\n{key}")));
    Some(TlsPlan { authorities: authorities.map(Secret::new), identity })
}

/// As TLS will look at them: what it would refuse is told here; `None` if it would.
fn check_identity(tls: &Section<'_>, certificate: &str, key: &str, findings: &mut Findings) -> Option<()> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let made = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    let Err(error) = made else { return Some(()) };
    let (at, message, help) = match error {
        rustls::Error::InconsistentKeys(_) => (
            "key_file",
            "the key is not that of the certificate".to_owned(),
            "the first certificate of `cert_file` has to be the one that was issued for this key",
        ),
        rustls::Error::InvalidCertificate(problem) => (
            "cert_file",
            format!("TLS cannot use the first certificate of this file: {}", said(&problem)),
            "it has to be X.509 of version 3, which a certificate is that was issued with any extension, such as \
             `extendedKeyUsage = clientAuth`",
        ),
        other => {
            ("key_file", format!("TLS cannot use this key: {other}"), "keys of RSA, ECDSA and Ed25519 can be used")
        }
    };
    findings.error(tls.place_of(at), message, Some(help.to_owned()));
    None
}

fn said(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Other(other) => other.to_string(),
        problem => problem.to_string(),
    }
}

/// The PEM of certificates, and nothing else that the file may hold.
fn certificates(tls: &Section<'_>, key: &str, findings: &mut Findings) -> Option<String> {
    let text = tls.text(key)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.value.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Some(text.value),
        Ok(_) => refuse(&text, "there is no certificate in this file", findings),
        Err(error) => refuse(&text, &format!("the certificates in this file cannot be read: {error}"), findings),
    }
}

fn key(tls: &Section<'_>, findings: &mut Findings) -> Option<String> {
    let text = tls.text("key_file")?;
    match PrivateKeyDer::from_pem_slice(text.value.as_bytes()) {
        Ok(_) => Some(text.value),
        Err(_) => refuse(&text, "there is no private key in this file, or it has a passphrase", findings),
    }
}

fn refuse(text: &Located<String>, message: &str, findings: &mut Findings) -> Option<String> {
    let help = "the file has to be PEM: `-----BEGIN …-----`".to_owned();
    findings.error(&text.place, message, Some(help));
    None
}
