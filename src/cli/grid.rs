//! Rows under headings, aligned: what every listing for people looks like.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::visible::foreign;

/// The listing, with its newline. Columns from `numbers` on are aligned to the right.
pub fn grid<const N: usize>(header: [&str; N], numbers: usize, rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows = rows.into_iter().map(|row| row.map(|cell| foreign(&cell).into_owned()).into());
    of(header.map(str::to_owned).into(), numbers, rows)
}

/// Lays out a table with a column for each heading. Cells with texts of a server have to be made visible before.
pub fn of(header: Vec<String>, numbers: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_on_the_left_and_numbers_on_the_right() {
        let rows = [["a".into(), "1".into()], ["bcd".into(), "1,000".into()]];
        insta::assert_snapshot!(grid(["table", "rows"], 1, rows), @r"
        ───────────────
         table    rows
        ═══════════════
         a           1
        ───────────────
         bcd     1,000
        ───────────────
        ");
    }
}
