//! Detection of CSV and of its delimiter from the first rows of a body.
//!
//! ```text
//! id;price;note      `,`  1 2 2 cells
//! 1;2,50;a           `;`  3 3 3 cells  ◄── the same number on all of them, and more than one
//! 2;3,75;b           tab  1 1 1 cells
//! ```

use std::collections::HashSet;

use csv::{ByteRecord, ReaderBuilder};

use crate::plan::CsvPlan;

/// In order of preference.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// Rows that are examined.
const ROWS: usize = 20;

/// Bytes that are examined.
const SAMPLE: usize = 64 << 10;

/// Maximal characters of a column name in text that no content type declares to be CSV.
const LONGEST_NAME: usize = 64;

/// The first rows, split by one delimiter.
struct Sample {
    delimiter: u8,
    rows: Vec<ByteRecord>,
}

/// Returns the delimiter that splits all of the first rows into the same number of cells. If one row differs, returns the
/// delimiter of the header: that row is then an error, and the table never becomes one wide column.
pub(super) fn delimiter(body: &[u8], plan: &CsvPlan) -> u8 {
    let samples = samples(body, plan);
    let agreed = samples.iter().find(|sample| sample.agrees(plan));
    let likely = || samples.iter().find(|sample| sample.is_likely(plan));
    agreed.or_else(likely).map_or(b',', |sample| sample.delimiter)
}

/// Returns `true` for several rows of the same number of cells, with column names in the first one.
pub(super) fn is_csv(body: &[u8], plan: &CsvPlan) -> bool {
    let has_names = plan.header && plan.columns.is_empty();
    let is_csv = |sample: &Sample| {
        sample.rows.len() > 1 && sample.agrees(plan) && (!has_names || sample.rows.first().is_some_and(are_names))
    };
    samples(body, plan).iter().any(is_csv)
}

fn samples(body: &[u8], plan: &CsvPlan) -> Vec<Sample> {
    let delimiters =
        DELIMITERS.into_iter().filter(|delimiter| plan.delimiter.is_none() && plan.quote != Some(*delimiter));
    delimiters.chain(plan.delimiter).map(|delimiter| Sample::of(body, delimiter, plan.quote)).collect()
}

impl Sample {
    fn of(body: &[u8], delimiter: u8, quote: Option<u8>) -> Self {
        let begin = body.get(..SAMPLE.min(body.len())).unwrap_or_default();
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quote(quote.unwrap_or_default())
            .quoting(quote.is_some())
            .has_headers(false)
            .flexible(true)
            .from_reader(begin);
        let mut rows: Vec<_> = reader.byte_records().map_while(Result::ok).take(ROWS + 1).collect();
        // The last row may be truncated by the size of the sample, or with the body.
        let is_cut = rows.len() > ROWS || !begin.ends_with(b"\n") || begin.len() < body.len();
        if is_cut && rows.len() > 2 {
            rows.pop();
        }
        Self { delimiter, rows }
    }

    /// The number of cells that each row has to have, if it is more than one.
    fn width(&self, plan: &CsvPlan) -> Option<usize> {
        let width = if plan.columns.is_empty() { self.rows.first()?.len() } else { plan.columns.len() };
        Some(width).filter(|width| *width > 1)
    }

    fn agrees(&self, plan: &CsvPlan) -> bool {
        self.width(plan).is_some_and(|width| self.rows.iter().all(|row| row.len() == width))
    }

    fn is_likely(&self, plan: &CsvPlan) -> bool {
        let like = |width| self.rows.iter().filter(|row| row.len() == width).count();
        self.width(plan).is_some_and(|width| like(width) * 2 >= self.rows.len())
    }
}

/// Returns `true` for plausible column names. The parts of a sentence with a comma begin with a space.
fn are_names(row: &ByteRecord) -> bool {
    let is_name = |cell: &[u8]| {
        let text = std::str::from_utf8(cell).unwrap_or_default();
        let length = text.chars().count();
        (1..=LONGEST_NAME).contains(&length)
            && !text.starts_with(char::is_whitespace)
            && !text.contains(char::is_control)
    };
    let mut seen = HashSet::new();
    row.iter().all(|cell| is_name(cell) && seen.insert(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> char {
        delimiter(text.as_bytes(), &CsvPlan::default()).into()
    }

    #[test]
    fn the_delimiter_is_what_all_of_the_first_rows_agree_on() {
        for (text, expected) in [
            ("a,b\n1,2\n", ','),
            ("a;b\n1,5;2,5\n3;4\n", ';'),
            ("a;b\r\n1,5;2,5\r\n", ';'),
            ("name;note\nx;a, b\ny;c\n", ';'),
            ("a\tb\n1,2\t3;4\n", '\t'),
            ("a|b\n1|2\n3|4", '|'),
            ("a,b;c\n1,2;3\n", ','),
            ("a;\"b\n,c\"\n1;\"x;\"\"\n\"\n", ';'),
            ("id;n\n", ';'),
            ("", ','),
            ("word\nhello\n", ','),
            ("word\nhello, you\n", ','),
        ] {
            assert_eq!(of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_that_is_cut_or_has_too_few_cells_does_not_make_one_column_of_a_table() {
        for text in ["a;b\n1;2\n3", "a;b\n3", "a;b\n1;2\n3\n4;5\n", "a;b;c\n1;2;3\n4;5;\"6"] {
            assert_eq!(of(text), ';', "{text:?}");
        }
        assert_eq!(of(&format!("a;b\n{}", "1;2,5\n".repeat(20_000))), ';');
    }

    #[test]
    fn given_columns_say_how_many_cells_there_are() {
        let columns = ["x", "y"].map(str::to_owned).to_vec();
        let plan = CsvPlan { header: false, columns, ..CsvPlan::default() };
        assert_eq!(delimiter(b"1,5;2,5\n3,5;4,5\n", &plan), b';');
        assert_eq!(delimiter(b"1,2;3\n", &plan), b',');
        let quoted = CsvPlan { quote: Some(b'|'), ..CsvPlan::default() };
        assert_eq!(delimiter(b"|a|;|b|\n|1|;|2|\n", &quoted), b';');
    }

    #[test]
    fn text_is_csv_if_several_lines_agree_below_names() {
        let is = |text: &str| is_csv(text.as_bytes(), &CsvPlan::default());
        for text in ["id,name\n1,a\n", "id;name\n1;a\n2;b", "\"id\"\t\"first name\"\n1\t2\n"] {
            assert!(is(text), "{text:?}");
        }
        for text in
            ["id,name\n", "one\ntwo\nthree\n", "Sorry, no\nagain, please\n", "a,b\n1\n2,3\n", "a,,\n1,2,3\n", ""]
        {
            assert!(!is(text), "{text:?}");
        }
        let semicolons = CsvPlan { delimiter: Some(b';'), ..CsvPlan::default() };
        assert!(is_csv(b"a;b\n1;2\n", &semicolons) && !is_csv(b"a,b\n1,2\n", &semicolons));
    }
}
