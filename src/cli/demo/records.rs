//! The demo's test cases: generated, each from its number alone, so that any page can be made at any time.

use std::fmt::Write;

const WORDS: [&str; 32] = [
    "verify",
    "login",
    "expired",
    "token",
    "returns",
    "error",
    "user",
    "checkout",
    "payment",
    "retry",
    "page",
    "loads",
    "within",
    "two",
    "seconds",
    "admin",
    "export",
    "report",
    "naïve",
    "résumé",
    "upload",
    "download",
    "search",
    "filter",
    "sorted",
    "order",
    "empty",
    "list",
    "null",
    "timeout",
    "“quoted”",
    "日本語",
];
const STATUSES: [&str; 4] = ["active", "draft", "deprecated", "in_review"];
const PRIORITIES: [&str; 4] = ["low", "medium", "high", "critical"];
const TYPES: [&str; 5] = ["functional", "regression", "smoke", "performance", "security"];
const ESTIMATES: [&str; 4] = ["null", "12.5", "3", "45.25"];
const TAGS: [&str; 5] = ["smoke", "auth", "ui", "api", "nightly"];

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and good enough from any seed, consecutive numbers included.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<const N: usize>(&mut self, of: &[&'static str; N]) -> &'static str {
        of.get(self.below(N as u64) as usize).copied().unwrap_or_default()
    }

    fn words(&mut self, count: u64) -> String {
        (0..count).map(|_| self.pick(&WORDS)).collect::<Vec<_>>().join(" ")
    }
}

/// Appends the record of this id as JSON. No word needs escaping.
pub fn write(id: u64, body: &mut String) {
    let mut random = SplitMix(id);
    for part in
        [head(id, &mut random), owner(&mut random), lists(&mut random), custom_fields(&mut random), times(&mut random)]
    {
        body.push_str(&part);
    }
}

fn head(id: u64, random: &mut SplitMix) -> String {
    let name = random.words(6);
    let length = 18 + random.below(20);
    let description = if random.below(10) > 0 { format!("\"{}\"", random.words(length)) } else { "null".to_owned() };
    format!(
        "{{\"id\":{id},\"name\":\"{name}\",\"description\":{description},\"suite_id\":{},\"status\":\"{}\",\
         \"priority\":\"{}\",\"type\":\"{}\",\"is_automated\":{},\"estimate_minutes\":{},\"pass_rate\":0.{:04}",
        random.below(5000),
        random.pick(&STATUSES),
        random.pick(&PRIORITIES),
        random.pick(&TYPES),
        random.below(2) == 0,
        random.pick(&ESTIMATES),
        random.below(10_000),
    )
}

fn owner(random: &mut SplitMix) -> String {
    let (id, name) = (random.below(900), random.words(2));
    format!(",\"owner\":{{\"id\":{id},\"email\":\"user{id}@example.com\",\"name\":\"User {name}\"}}")
}

fn lists(random: &mut SplitMix) -> String {
    let count = random.below(4);
    let tags: Vec<_> = (0..count).map(|_| format!("\"{}\"", random.pick(&TAGS))).collect();
    let count = 1 + random.below(4);
    let step = |position| {
        let (action, expected) = (random.words(7), random.words(5));
        format!("{{\"position\":{position},\"action\":\"{action}\",\"expected\":\"{expected}\"}}")
    };
    let steps: Vec<_> = (1..=count).map(step).collect();
    format!(",\"tags\":[{}],\"steps\":[{}]", tags.join(","), steps.join(","))
}

/// A map whose values are text, a number and null: what `map<string, string>` takes.
fn custom_fields(random: &mut SplitMix) -> String {
    format!(
        ",\"custom_fields\":{{\"component\":\"{}\",\"risk\":{},\"reviewed\":null}}",
        random.pick(&WORDS),
        random.below(6)
    )
}

/// Created in the first half of 2025, updated in the second; one in twenty is deleted.
fn times(random: &mut SplitMix) -> String {
    let created = moment(random, 1);
    let updated = moment(random, 7);
    let mut text = format!(",\"created_at\":\"{created}Z\",\"updated_at\":\"{updated}.{:03}Z\"", random.below(1000));
    match random.below(20) {
        0 => {
            let _ = write!(text, ",\"deleted_at\":\"{updated}Z\"}}");
        }
        _ => text.push_str(",\"deleted_at\":null}"),
    }
    text
}

/// A moment in the six months from `month` on.
fn moment(random: &mut SplitMix, month: u64) -> String {
    let (month, day) = (month + random.below(6), 1 + random.below(28));
    let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
    format!("2025-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn record(id: u64) -> Value {
        let mut text = String::new();
        write(id, &mut text);
        serde_json::from_str(&text).unwrap()
    }

    fn records() -> Vec<Value> {
        (1..=500).map(record).collect()
    }

    #[test]
    fn a_record_depends_on_its_id_alone_and_ids_give_different_records() {
        assert_eq!(record(7), record(7));
        assert_ne!(record(7)["name"], record(8)["name"]);
    }

    #[test]
    fn every_source_field_of_the_declared_schema_is_in_every_record() {
        let records = records();
        for field in [
            "id",
            "name",
            "description",
            "suite_id",
            "status",
            "priority",
            "type",
            "is_automated",
            "estimate_minutes",
            "pass_rate",
            "owner",
            "tags",
            "steps",
            "custom_fields",
            "created_at",
            "updated_at",
            "deleted_at",
        ] {
            assert!(records.iter().all(|record| record.get(field).is_some()), "{field}");
        }
        assert!(
            records.iter().all(|record| record["owner"]["email"].is_string() && record["steps"][0]["position"] == 1)
        );
    }

    #[test]
    fn the_data_has_nulls_unicode_all_statuses_and_several_months() {
        let records = records();
        let statuses: BTreeSet<_> = records.iter().map(|record| record["status"].as_str().unwrap()).collect();
        let months: BTreeSet<_> = records.iter().map(|record| &record["created_at"].as_str().unwrap()[..7]).collect();
        assert_eq!((statuses.len(), months.len()), (4, 6));
        for field in ["description", "estimate_minutes", "deleted_at"] {
            assert!(records.iter().any(|record| record[field].is_null()), "{field}");
            assert!(records.iter().any(|record| !record[field].is_null()), "{field}");
        }
        assert!(records.iter().any(|record| !record["name"].as_str().unwrap().is_ascii()));
        assert!(records.iter().any(|record| record["tags"].as_array().unwrap().is_empty()));
    }

    #[test]
    fn times_are_moments_in_order() {
        for record in records() {
            let at = |field: &str| chrono::DateTime::parse_from_rfc3339(record[field].as_str().unwrap()).unwrap();
            assert!(at("created_at") < at("updated_at"));
        }
    }
}
