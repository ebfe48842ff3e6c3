//! What an answer's headers say of the server's quota, in the forms that are in use.
//!
//! ```text
//! RateLimit: "default";r=50;t=30          and RateLimit-Policy: "default";q=100;w=60     (the IETF draft)
//! RateLimit: limit=100, remaining=50, reset=30                                           (the same, older)
//! RateLimit-Limit, -Remaining, -Reset     X-RateLimit-…     X-Rate-Limit-…
//! ```
//!
//! Several quotas may be told of at once, one an hour and one a second: all of them count.
//!
//! A reset is read by its size: delta seconds, epoch seconds, epoch milliseconds; or it is a date. What makes no sense is as if
//! it were not there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

/// Numbers from here on are seconds since 1970 (2001 and later): nobody resets a quota in thirty years' time.
const EPOCH_SECONDS: f64 = 1e9;

/// Numbers from here on are milliseconds since 1970 (1973 and later): as seconds, they would be the year 5138.
const EPOCH_MILLIS: f64 = 1e11;

const PREFIXES: [&str; 3] = ["ratelimit", "x-ratelimit", "x-rate-limit"];

/// The state of the quota that a request was counted against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Quota {
    /// What tells it from the others of its server: the name of its policy, or that of its header.
    pub name: String,
    /// Requests that are still let through before the reset.
    pub remaining: Option<u64>,
    /// From now; `None` also where it has passed.
    pub reset: Option<Duration>,
    /// Requests between two resets.
    pub limit: Option<u64>,
}

impl Quota {
    pub(super) fn is_used_up(&self) -> bool {
        self.remaining == Some(0)
    }

    fn tells_nothing(&self) -> bool {
        (self.remaining, self.reset, self.limit) == (None, None, None)
    }
}

/// The quotas that an answer tells of.
pub(super) fn read(headers: &HeaderMap, now: DateTime<Utc>) -> Vec<Quota> {
    let split = PREFIXES.iter().map(|name| split(headers, name, now)).filter(|quota| !quota.tells_nothing());
    structured(headers, now).into_iter().chain(split).collect()
}

/// When all of the quotas that are used up are reset; where none says that it is, when the first one is.
pub(super) fn reset(quotas: &[Quota]) -> Option<Duration> {
    let used_up = quotas.iter().filter(|quota| quota.is_used_up()).filter_map(|quota| quota.reset).max();
    used_up.or_else(|| quotas.iter().filter_map(|quota| quota.reset).min())
}

/// One header for each number.
fn split(headers: &HeaderMap, prefix: &str, now: DateTime<Utc>) -> Quota {
    let header = |part: &str| headers.get(format!("{prefix}-{part}"))?.to_str().ok();
    Quota {
        name: prefix.to_owned(),
        remaining: header("remaining").and_then(count),
        reset: header("reset").and_then(|text| until(text, now)),
        limit: header("limit").and_then(count),
    }
}

/// The one header of the draft, in its form of today (an item for each policy) and the older one (a number for each key).
fn structured(headers: &HeaderMap, now: DateTime<Utc>) -> Vec<Quota> {
    let members = members(headers, "ratelimit");
    if members.iter().any(|member| is_pair(member)) {
        return vec![dictionary(&members, now)];
    }
    let policies = self::members(headers, "ratelimit-policy");
    members.iter().map(|member| item(member, &policies, now)).filter(|quota| quota.remaining.is_some()).collect()
}

fn item(member: &str, policies: &[String], now: DateTime<Utc>) -> Quota {
    let policy = policies.iter().find(|policy| name(policy) == name(member));
    Quota {
        name: name(member).to_owned(),
        remaining: param(member, "r").and_then(count),
        reset: param(member, "t").and_then(|text| until(text, now)),
        limit: policy.and_then(|policy| param(policy, "q")).and_then(count),
    }
}

fn dictionary(members: &[String], now: DateTime<Utc>) -> Quota {
    let value = |key: &str| {
        let pairs = members.iter().filter_map(|member| member.split_once('='));
        pairs.map(|(name, value)| (name.trim(), value)).find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    Quota {
        name: String::new(),
        remaining: value("remaining").and_then(count),
        reset: value("reset").and_then(|text| until(text, now)),
        limit: value("limit").and_then(count),
    }
}

/// The members of a list, of all headers of this name; commas between quotes part nothing.
fn members(headers: &HeaderMap, name: &str) -> Vec<String> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let split = |text: &str| {
        let mut is_quoted = false;
        let parts = text.split(|letter: char| {
            is_quoted ^= letter == '"';
            letter == ',' && !is_quoted
        });
        parts.map(|part| part.trim().to_owned()).collect::<Vec<_>>()
    };
    texts.flat_map(split).filter(|member| !member.is_empty()).collect()
}

/// Whether it is `key=value` and no item with parameters.
fn is_pair(member: &str) -> bool {
    name(member).contains('=') && !member.starts_with('"')
}

/// What stands before the parameters.
fn name(member: &str) -> &str {
    member.split(';').next().unwrap_or_default().trim()
}

fn param<'a>(member: &'a str, key: &str) -> Option<&'a str> {
    let pairs = member.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value)).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The number at the beginning: some servers write `100, 100;w=60`.
fn count(text: &str) -> Option<u64> {
    let text = text.trim().split([',', ';']).next()?.trim();
    text.parse().ok()
}

fn until(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim().split(';').next()?.trim();
    let Ok(number) = text.parse::<f64>() else { return (date(text)? - now).to_std().ok() };
    let today = now.timestamp_micros() as f64 / 1e6;
    let seconds = match number {
        _ if number >= EPOCH_MILLIS => number / 1000.0 - today,
        _ if number >= EPOCH_SECONDS => number - today,
        _ => number,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    let http = httpdate::parse_http_date(text).ok().map(DateTime::<Utc>::from);
    http.or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|date| date.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn quotas(headers: &[(&str, &str)]) -> Vec<Quota> {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        read(&map, NOW.parse().unwrap())
    }

    /// The only one, whatever it is called.
    fn quota(headers: &[(&str, &str)]) -> Option<Quota> {
        let mut quotas = quotas(headers);
        assert!(quotas.len() < 2, "{quotas:?}");
        quotas.pop().map(|quota| Quota { name: String::new(), ..quota })
    }

    fn told(remaining: u64, reset: u64, limit: Option<u64>) -> Option<Quota> {
        let (remaining, reset) = (Some(remaining), Some(Duration::from_secs(reset)));
        Some(Quota { name: String::new(), remaining, reset, limit })
    }

    #[test]
    fn the_three_families_of_split_headers_are_read() {
        for prefix in ["RateLimit", "X-RateLimit", "X-Rate-Limit"] {
            let header = |part: &str| format!("{prefix}-{part}");
            let (limit, remaining, reset) = (header("Limit"), header("Remaining"), header("Reset"));
            let found = quota(&[(&limit, "100, 100;w=60"), (&remaining, "7"), (&reset, "30")]);
            assert_eq!(found, told(7, 30, Some(100)), "{prefix}");
        }
    }

    #[test]
    fn the_draft_is_read_in_its_form_of_today_and_in_the_older_one() {
        assert_eq!(quota(&[("RateLimit", r#""default";r=50;t=30"#)]), told(50, 30, None));
        let policy = ("RateLimit-Policy", r#""burst";q=9;w=1, "default";q=100;w=60"#);
        assert_eq!(quota(&[("RateLimit", r#""default"; r=50; t=30"#), policy]), told(50, 30, Some(100)));
        assert_eq!(quota(&[("RateLimit", "limit=100, remaining=50, reset=5")]), told(50, 5, Some(100)));
        assert_eq!(quota(&[("RateLimit", r#""a,b;c";r=1;t=2"#)]), told(1, 2, None));
    }

    #[test]
    fn all_quotas_of_an_answer_are_told_and_the_used_up_ones_tell_how_long_to_wait() {
        let found = quotas(&[
            ("RateLimit", r#""hour";r=1000;t=1800, "minute";r=0;t=40, "second";r=0;t=1"#),
            ("X-RateLimit-Remaining", "5"),
        ]);
        let names: Vec<_> = found.iter().map(|quota| (quota.name.as_str(), quota.remaining)).collect();
        let expected = [(r#""hour""#, Some(1000)), (r#""minute""#, Some(0)), (r#""second""#, Some(0))];
        assert_eq!(names[..3], expected);
        assert_eq!(names[3..], [("x-ratelimit", Some(5))]);
        assert_eq!(reset(&found), Some(Duration::from_secs(40)));
        assert_eq!(reset(&found[..1]), Some(Duration::from_secs(1800)));
        assert_eq!(reset(&[]), None);
    }

    #[test]
    fn resets_are_told_apart_by_their_size_or_are_dates() {
        // 2026-11-22T10:00:30Z is 1795341630.
        for (reset, seconds) in [
            ("30", 30.0),
            ("1.5", 1.5),
            ("1795341630", 30.0),
            ("1795341630.5", 30.5),
            ("1795341630000", 30.0),
            ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
            ("2026-11-22T11:00:30+01:00", 30.0),
        ] {
            let found = quota(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset)]).unwrap();
            let reset = found.reset.unwrap().as_secs_f64();
            assert!((reset - seconds).abs() < 1e-3, "{reset} {seconds}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_were_not_there() {
        for reset in ["-5", "soon", "", "NaN", "inf", "1e400", "1795341000", "Sun, 22 Nov 2026 09:00:00 GMT"] {
            let found = quota(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset)]).unwrap();
            assert_eq!(found.reset, None, "{reset}");
        }
        assert_eq!(quota(&[("X-RateLimit-Remaining", "many")]), None);
        assert_eq!(quota(&[("RateLimit", "?!;;==")]), None);
        assert_eq!(quota(&[]), None);
    }
}
