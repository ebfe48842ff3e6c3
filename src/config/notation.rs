//! Words with a number: `zstd(3)`, `bucket[16]`.

/// The number of `word(n)`, where it is within bounds, or the one that the bare word stands for.
struct Form {
    word: &'static str,
    min: u32,
    max: u32,
    /// Of the bare word; `None` where a number has to be there.
    default: Option<u32>,
}

const fn bare(word: &'static str) -> Form {
    Form { word, min: 0, max: 0, default: Some(0) }
}

const COMPRESSIONS: [Form; 5] = [
    bare("none"),
    bare("snappy"),
    bare("lz4"),
    Form { word: "gzip", min: 0, max: 9, default: Some(6) },
    Form { word: "zstd", min: 1, max: 22, default: Some(3) },
];

const TRANSFORMS: [Form; 7] = [
    bare("identity"),
    bare("year"),
    bare("month"),
    bare("day"),
    bare("hour"),
    Form { word: "bucket", min: 1, max: i32::MAX.cast_unsigned(), default: None },
    Form { word: "truncate", min: 1, max: i32::MAX.cast_unsigned(), default: None },
];

/// A Parquet compression and its level: `none`, `snappy`, `lz4` (level 0), `gzip(0…9)`, `zstd(1…22)`.
pub fn compression(text: &str) -> Option<(&'static str, u32)> {
    form(text, &COMPRESSIONS, ['(', ')'])
}

/// An Iceberg partition transform and its number: `identity`, `year`, `month`, `day`, `hour` (0), `bucket[n]`, `truncate[n]`.
pub fn transform(text: &str) -> Option<(&'static str, u32)> {
    form(text, &TRANSFORMS, ['[', ']'])
}

fn form(text: &str, forms: &'static [Form], [open, close]: [char; 2]) -> Option<(&'static str, u32)> {
    let Some((word, rest)) = text.split_once(open) else {
        let form = forms.iter().find(|form| form.word == text)?;
        return Some((form.word, form.default?));
    };
    let form = forms.iter().find(|form| form.word == word && form.max > 0)?;
    let digits = rest.strip_suffix(close).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = digits.parse().ok().filter(|number| (form.min..=form.max).contains(number))?;
    Some((form.word, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_have_a_level_within_their_bounds_or_none() {
        assert_eq!(compression("zstd(3)"), Some(("zstd", 3)));
        assert_eq!(compression("zstd"), Some(("zstd", 3)));
        assert_eq!(compression("gzip(0)"), Some(("gzip", 0)));
        assert_eq!(compression("none"), Some(("none", 0)));
        for wrong in
            ["zstd(0)", "zstd(23)", "gzip(10)", "snappy(1)", "zstd[3]", "zstd(3", "zstd(+3)", "brotli", "", "zstd()"]
        {
            assert_eq!(compression(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_bucket_and_truncate_have_a_number_and_must() {
        assert_eq!(transform("bucket[16]"), Some(("bucket", 16)));
        assert_eq!(transform("truncate[2147483647]"), Some(("truncate", 2_147_483_647)));
        assert_eq!(transform("month"), Some(("month", 0)));
        for wrong in ["bucket", "bucket[0]", "truncate[2147483648]", "month[1]", "bucket(16)", "week", "Month"] {
            assert_eq!(transform(wrong), None, "{wrong}");
        }
    }
}
