//! Assertions: what they say, and that their signatures hold.

use super::*;

fn key(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/support/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn assertion(pem: &str, algorithm: SigningAlgorithm) -> (Received, String) {
    let server = api(60, |_| Reply::json(ROWS)).await;
    let client =
        TokenClient { client_id: None, client_secret: None, scope: Some("read".into()), ..token_client(&server) };
    let plan = JwtBearerPlan {
        client,
        issuer: "me".into(),
        subject: "you".into(),
        audience: "them".into(),
        key: SigningKey::new(pem, algorithm).unwrap(),
        key_id: Some("k1".into()),
        expires_in: Duration::from_secs(300),
    };
    Fixture::new(&server, AuthPlan::JwtBearer(plan)).fetch().await.unwrap();
    assert_eq!(server.targets(), ["/token", "/v1/rows"]);
    assert_eq!(bearer(&server.requests()[1]), "Bearer token-1");
    let asked = server.requests().remove(0);
    let assertion = asked.form().into_iter().find(|(name, _)| name == "assertion").unwrap().1;
    (asked, assertion)
}

fn part(assertion: &str, index: usize) -> Value {
    let part = assertion.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn the_assertion_says_who_for_whom_to_whom_and_until_when() {
    let pem = String::from_utf8(key("rsa.key")).unwrap();
    let (asked, assertion) = assertion(&pem, SigningAlgorithm::Rs256).await;
    let form = asked.form();
    assert_eq!(form[0], ("grant_type".into(), "urn:ietf:params:oauth:grant-type:jwt-bearer".into()));
    assert_eq!(form[2], ("scope".into(), "read".into()));
    assert_eq!(part(&assertion, 0), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    // The clock stands at 2026-01-01T00:00:00Z.
    let claims = json!({
        "iss": "me", "sub": "you", "aud": "them", "iat": 1_767_225_600, "exp": 1_767_225_900,
        "jti": "6955b900-8000000000000", "scope": "read",
    });
    assert_eq!(part(&assertion, 1), claims);
}

#[tokio::test]
async fn signatures_hold_against_the_public_key() {
    let cases: [(_, _, &str, &'static dyn VerificationAlgorithm); 2] = [
        ("rsa.key", SigningAlgorithm::Rs256, "rsa.public.der", &RSA_PKCS1_2048_8192_SHA256),
        ("ec.key", SigningAlgorithm::Es256, "ec.public.bin", &ECDSA_P256_SHA256_FIXED),
    ];
    for (private, algorithm, public, verification) in cases {
        let pem = String::from_utf8(key(private)).unwrap();
        let (_, assertion) = assertion(&pem, algorithm).await;
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(verification, key(public));
        assert!(public.verify(signed.as_bytes(), &signature).is_ok(), "{private}");
        assert!(public.verify(b"something else", &signature).is_err(), "{private}");
    }
}

#[tokio::test]
async fn a_shared_secret_signs_as_well() {
    let secret = "a secret of thirty-two bytes or more";
    let (_, assertion) = assertion(secret, SigningAlgorithm::Hs256).await;
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(aws_lc_rs::hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
}
