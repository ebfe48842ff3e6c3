//! The key that signs assertions: shown to fit its algorithm when the plan is made, so that no run begins with one that does not.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::{Serialize, Serializer};

use crate::{digest::sha256, secret::REDACTED};

/// Of JSON Web Algorithms (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SigningAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "HS256")]
    Hs256,
}

/// A key and what it signs with. Neither `Debug` nor JSON shows it.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Pair>,
    /// Of what it was made from: a pair cannot be compared.
    digest: String,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    /// Much larger than the others.
    Hmac(Box<hmac::Key>),
}

/// Why a key cannot be used; nothing of the key is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("this is no private key in PEM: {0}")]
    Pem(String),
    #[error("the key does not fit {algorithm}: {cause}")]
    Unfit { algorithm: SigningAlgorithm, cause: String },
    #[error("the key cannot sign")]
    Sign,
}

/// RSA signatures by shorter keys are refused by RFC 7518, section 3.3.
const SHORTEST_RSA: usize = 256;

/// A key shorter than its hash is refused by RFC 7518, section 3.2.
const SHORTEST_HMAC: usize = 32;

impl SigningAlgorithm {
    /// The word of a config and of a JWT's header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl SigningKey {
    /// `text` is a private key in PEM (PKCS#8, PKCS#1 or SEC1); for HS256 the secret itself.
    ///
    /// # Errors
    /// [`KeyError`] if it is no key, or none for this algorithm.
    pub fn new(text: &str, algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let unfit = |cause: &dyn fmt::Display| KeyError::Unfit { algorithm, cause: cause.to_string() };
        let pair = match algorithm {
            SigningAlgorithm::Hs256 if text.len() < SHORTEST_HMAC => {
                return Err(unfit(&format!("it is shorter than {SHORTEST_HMAC} bytes")));
            }
            SigningAlgorithm::Hs256 => Pair::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))),
            SigningAlgorithm::Rs256 => {
                let pair =
                    rsa_pair(&private_key(text)?).ok_or_else(|| unfit(&"it is no RSA key of 2048 to 8192 bits"))?;
                Pair::Rsa(pair)
            }
            SigningAlgorithm::Es256 => {
                let pair = ecdsa_pair(&private_key(text)?).ok_or_else(|| unfit(&"it is no key on the curve P-256"))?;
                Pair::Ecdsa(pair)
            }
        };
        Ok(Self { pair: Arc::new(pair), digest: sha256(text.as_bytes()) })
    }

    pub fn algorithm(&self) -> SigningAlgorithm {
        match *self.pair {
            Pair::Rsa(_) => SigningAlgorithm::Rs256,
            Pair::Ecdsa(_) => SigningAlgorithm::Es256,
            Pair::Hmac(_) => SigningAlgorithm::Hs256,
        }
    }

    /// The signature as a JWS has it (RFC 7515).
    ///
    /// # Errors
    /// [`KeyError::Sign`] if the machine has no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| KeyError::Sign)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Sign)
            }
            Pair::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, KeyError> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Pem("it is encrypted by a passphrase; decrypt it with `openssl pkey`".to_owned()));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| KeyError::Pem(error.to_string()))
}

fn rsa_pair(key: &PrivateKeyDer<'_>) -> Option<RsaKeyPair> {
    let pair = match key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => rsa::KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return None,
    };
    pair.ok().filter(|pair| pair.public_modulus_len() >= SHORTEST_RSA)
}

fn ecdsa_pair(key: &PrivateKeyDer<'_>) -> Option<EcdsaKeyPair> {
    let pair = match key {
        PrivateKeyDer::Pkcs8(der) => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => {
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der())
        }
        _ => return None,
    };
    pair.ok()
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm(), &self.digest) == (other.algorithm(), &other.digest)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

impl Serialize for SigningKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{} {REDACTED}", self.algorithm()))
    }
}
