//! Findings of `verify`.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub table: String,
    /// Relative to the table's root; `None` if it is about the whole table.
    pub file: Option<String>,
    pub problem: Problem,
    pub found: String,
    pub expected: String,
    pub hint: String,
}

/// The kind of a finding. Scripts may rely on its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// A commit that is missing, cannot be read, or contradicts the others.
    Commit,
    /// A commit whose files are not all in place.
    UnpublishedCommit,
    /// Objects of a dead run in the staging directory.
    DeadAttempt,
    /// A file of the table is not there.
    MissingFile,
    /// A file lies where readers look and no commit names it.
    ForeignFile,
    Size,
    Checksum,
    /// No Parquet, or damaged.
    Unreadable,
    Rows,
    Schema,
    /// A file or row lies in another partition's directory.
    Partition,
    DuplicateKey,
}

impl Problem {
    /// As in the JSON document.
    pub fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::UnpublishedCommit => "unpublished_commit",
            Self::DeadAttempt => "dead_attempt",
            Self::MissingFile => "missing_file",
            Self::ForeignFile => "foreign_file",
            Self::Size => "size",
            Self::Checksum => "checksum",
            Self::Unreadable => "unreadable",
            Self::Rows => "rows",
            Self::Schema => "schema",
            Self::Partition => "partition",
            Self::DuplicateKey => "duplicate_key",
        }
    }

    /// Returns true if nothing is wrong with the table: no reader sees it, and the next run sees to it.
    pub fn is_note(self) -> bool {
        self == Self::DeadAttempt
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Commit => {
                "restore the commit object from a backup, or delete the table's directory and export it anew"
            }
            Self::UnpublishedCommit => {
                "a run is publishing it at this moment, or was cut off: the next `restlake run` or `restlake vacuum` \
                 finishes it"
            }
            Self::DeadAttempt => "no reader sees it: the next `restlake run` or `restlake vacuum` deletes it",
            Self::ForeignFile => "readers that glob take it for a part of the table: move it away",
            Self::MissingFile | Self::Size | Self::Checksum | Self::Unreadable => {
                "restore the file from a backup, or export the table anew with `restlake run --full-refresh`"
            }
            Self::Rows | Self::Schema | Self::Partition | Self::DuplicateKey => {
                "export the table anew with `restlake run --full-refresh`; if the file's checksum is right, it was written \
                 so: please report it"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Findings about one table.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) table: String,
    pub(super) list: Vec<Finding>,
}

impl Findings {
    pub(super) fn new(table: &str) -> Self {
        Self { table: table.to_owned(), list: Vec::new() }
    }

    pub(super) fn add(&mut self, problem: Problem, file: &str, found: impl Into<String>, expected: impl Into<String>) {
        self.list.push(Finding {
            table: self.table.clone(),
            file: (!file.is_empty()).then(|| file.to_owned()),
            problem,
            found: found.into(),
            expected: expected.into(),
            hint: problem.hint().to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_problem_is_the_one_of_the_document() {
        for problem in [
            Problem::Commit,
            Problem::UnpublishedCommit,
            Problem::DeadAttempt,
            Problem::MissingFile,
            Problem::ForeignFile,
            Problem::Size,
            Problem::Checksum,
            Problem::Unreadable,
            Problem::Rows,
            Problem::Schema,
            Problem::Partition,
            Problem::DuplicateKey,
        ] {
            assert_eq!(serde_json::to_value(problem).unwrap(), problem.word());
            assert!(!problem.hint().is_empty());
        }
    }

    #[test]
    fn a_finding_without_a_file_is_about_the_table() {
        let mut findings = Findings::new("cases");
        findings.add(Problem::Commit, "", "a", "b");
        assert_eq!((findings.list[0].table.as_str(), &findings.list[0].file), ("cases", &None));
    }
}
