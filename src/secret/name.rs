//! Names under which secrets go, by convention.

/// Parts of names that mark a secret wherever they occur.
const PARTS: [&str; 13] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "accesskey",
    "customerkey",
    "credential",
    "authorization",
    "signature",
    "assertion",
];

/// Whole names of secrets. Within longer names these have no meaning.
const WHOLE: [&str; 15] = [
    "sig",
    "pwd",
    "pass",
    "userpass",
    "cookie",
    "sas",
    "otp",
    "totp",
    "jwt",
    "xjwt",
    "session",
    "sessionid",
    "xsession",
    "xsessionid",
    "appid",
];

/// Names of keys that identify or sort rows and are not credentials.
const KEYS_OF_DATA: [&str; 8] =
    ["primarykey", "mergekey", "rootkey", "parentkey", "rowkey", "partitionkey", "sortkey", "foreignkey"];

/// Returns true if a key, a header or a parameter of this name holds a secret by convention.
///
/// ```
/// use restlake::secret::is_secret_name;
/// assert!(is_secret_name("api_key") && is_secret_name("X-Auth-Token") && is_secret_name("AWS_SECRET_ACCESS_KEY"));
/// assert!(is_secret_name("account_key") && is_secret_name("Ocp-Apim-Subscription-Key"));
/// assert!(!is_secret_name("page") && !is_secret_name("primary_key"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    let name = letters(name);
    PARTS.iter().any(|part| name.contains(part))
        || WHOLE.contains(&name.as_str())
        || name.ends_with("auth")
        || name.ends_with("key") && !KEYS_OF_DATA.contains(&name.as_str())
}

/// Returns true if an environment variable of this name holds a secret wherever it is used. Narrower than [`is_secret_name`]: a
/// `PROJECT_KEY` is no key to anything.
pub fn is_secret_variable(name: &str) -> bool {
    let name = letters(name);
    PARTS.iter().any(|part| name.contains(part))
}

fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_under_which_the_clouds_and_their_gateways_take_keys_are_secret() {
        for name in [
            "account_key",
            "storage_account_key",
            "sas_key",
            "storage_sas_key",
            "AZURE_STORAGE_ENCRYPTION_KEY",
            "service_account_key",
            "sse_customer_key_base64",
            "Ocp-Apim-Subscription-Key",
            "subscription-key",
            "DD-APPLICATION-KEY",
            "x-functions-key",
            "app_key",
            "private_key",
            "pass",
            "passphrase",
            "client_assertion",
            "otp",
            "auth",
            "X-Auth",
            "X-JWT",
            "X-Session-Id",
            "Session",
            "appid",
            "key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn keys_of_data_and_words_with_a_key_in_them_are_no_secrets() {
        for name in [
            "primary_key",
            "merge_key",
            "root_key",
            "parent_key",
            "row_key",
            "partition-key",
            "sortKey",
            "foreign_key",
            "keyword",
            "keys",
            "sse_kms_key_id",
            "sse_bucket_key_enabled",
            "author",
            "bypass",
            "passenger",
            "sessions",
            "app_identifier",
            "design",
            "region",
            "endpoint",
            "account_name",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
