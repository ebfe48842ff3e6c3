//! Azure's blob storage as azurite serves it: its one account, whose key is public, and a container for the tests.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use restlake::{secret::Secret, store::Destination};

const ACCOUNT: &str = "devstoreaccount1";
/// Azurite's own, the same everywhere: <https://learn.microsoft.com/azure/storage/common/storage-use-azurite>.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const CONTAINER: &str = "lake";
const VERSION: &str = "2021-08-06";

/// A destination in the container, which is created if it is not there. `endpoint` is without the account:
/// `http://127.0.0.1:10000`.
pub async fn plan(endpoint: &str, prefix: &str) -> Destination {
    create_container(endpoint).await;
    let option = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
    let options = vec![
        option("endpoint", &format!("{endpoint}/{ACCOUNT}")),
        option("account_name", ACCOUNT),
        option("account_key", KEY),
        option("allow_http", "true"),
    ];
    Destination { url: format!("az://{CONTAINER}/{prefix}"), options }
}

/// [Create Container](https://learn.microsoft.com/rest/api/storageservices/create-container), signed with the shared key:
/// object_store makes no containers.
async fn create_container(endpoint: &str) {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let headers = format!("x-ms-date:{date}\nx-ms-version:{VERSION}\n");
    // The account stands in the path, too, where it is not the host.
    let resource = format!("/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container");
    let signed = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\n{headers}{resource}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    let request = reqwest::Client::new()
        .put(format!("{endpoint}/{ACCOUNT}/{CONTAINER}?restype=container"))
        .header("x-ms-date", date)
        .header("x-ms-version", VERSION)
        .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"))
        .header("content-length", "0");
    let created = request.send().await.unwrap();
    // 409: it is there already.
    assert!(created.status().is_success() || created.status() == 409, "{}", created.text().await.unwrap());
}
