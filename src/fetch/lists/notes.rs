//! Notes of the lists of a resource that has many, reported once for all of them.

use serde::{Deserialize, Serialize};

/// Different notes that are reported; of thousands of lists, each may have one with numbers of its own.
const MOST_NOTES: usize = 5;

/// The notes of all lists so far, e.g. `list 2 and 40 others: the last page was short, …`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fetch) struct ListNotes {
    /// In order of the lists that had them first.
    notes: Vec<ListNote>,
    has_further: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ListNote {
    text: String,
    /// The number of the first list that has it.
    list: u64,
    /// The number of lists that have it.
    count: u64,
}

impl ListNotes {
    /// Adds the notes of one list.
    pub(super) fn add(&mut self, list: u64, notes: Vec<String>) {
        for text in notes {
            let has_room = self.notes.len() < MOST_NOTES;
            match self.notes.iter_mut().find(|note| note.text == text) {
                Some(note) => note.count += 1,
                None if has_room => self.notes.push(ListNote { text, list, count: 1 }),
                None => self.has_further = true,
            }
        }
    }

    pub(in crate::fetch) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// The lines of the summary.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let lines = self.notes.iter().map(|ListNote { text, list, count }| match count {
            1 => format!("list {list}: {text}"),
            2 => format!("list {list} and 1 other: {text}"),
            count => format!("list {list} and {} others: {text}", count - 1),
        });
        let further = self.has_further.then(|| "further lists have notes like these".to_owned());
        lines.chain(further)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[(u64, &[&str])]) -> Vec<String> {
        let mut notes = ListNotes::default();
        of.iter().for_each(|(list, texts)| notes.add(*list, texts.iter().map(|&text| text.to_owned()).collect()));
        notes.lines().collect()
    }

    #[test]
    fn the_same_note_of_many_lists_is_one_line_with_their_number() {
        let of: [(u64, &[&str]); 4] = [(2, &["a"]), (3, &["b", "a"]), (7, &["a"]), (9, &["c"])];
        assert_eq!(lines(&of), ["list 2 and 2 others: a", "list 3: b", "list 9: c"]);
        assert_eq!(lines(&of[..2]), ["list 2 and 1 other: a", "list 3: b"]);
    }

    #[test]
    fn notes_beyond_the_first_few_are_summed_in_one_line() {
        let texts = ["a", "b", "c", "d", "e", "f", "g"];
        let lines = lines(&[(1, &texts), (2, &["a", "z"])]);
        assert_eq!((lines.len(), lines[0].as_str()), (6, "list 1 and 1 other: a"));
        assert_eq!(lines[5], "further lists have notes like these");
    }
}
