//! How far a resource has come, from the events of a run.

use indicatif::{DecimalBytes, HumanCount};

use super::super::{summary::status_word, visible::foreign};
use crate::report::{Event, ResourceSummary, Status, counted};

/// Counters of one resource while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    pub pages: u64,
    pub bytes: u64,
    pub files: u64,
    pub total_rows: Option<u64>,
    pub total_pages: Option<u64>,
    /// What the resource waits for, such as `retry 2 in 4 s (503)`; gone with the next page.
    pub waiting: Option<String>,
    pub is_committing: bool,
}

impl Tally {
    pub fn count(&mut self, event: &Event<'_>) {
        match *event {
            Event::TotalKnown { rows, pages, .. } => (self.total_rows, self.total_pages) = (rows, pages),
            Event::PageFetched { rows, bytes, .. } => {
                self.rows += rows;
                self.bytes += bytes;
                self.pages += 1;
                self.waiting = None;
            }
            Event::RequestRetried { attempt, delay, reason, .. } => {
                let seconds = delay.as_secs_f64();
                self.waiting = Some(format!("attempt {attempt} failed, next in {seconds:.1} s ({reason})"));
            }
            Event::RequestDelayed { delay, reason, .. } => {
                self.waiting = Some(format!("waiting for {:.0} s ({reason})", delay.as_secs_f64()));
            }
            Event::FileStaged { .. } => self.files += 1,
            Event::Committing { .. } => self.is_committing = true,
            _ => {}
        }
    }

    /// `31/300 pages, 1.20 MB, 2 files`, and what the resource waits for.
    pub fn text(&self) -> String {
        let pages = match self.total_pages {
            Some(_) => format!("{} pages", out_of(self.pages, self.total_pages)),
            None => counted(self.pages, "page"),
        };
        let mut text = format!("{pages}, {}", DecimalBytes(self.bytes));
        if self.files > 0 {
            text += &format!(", {}", counted(self.files, "file"));
        }
        if self.is_committing {
            text += ", committing";
        }
        if let Some(waiting) = &self.waiting {
            text += &format!(", {waiting}");
        }
        text
    }
}

/// `31/300`, or `31` where the end is not known.
pub fn out_of(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{}/{}", HumanCount(done), HumanCount(total)),
        None => HumanCount(done).to_string(),
    }
}

/// The resource that an event is about.
pub fn resource<'a>(event: &'a Event<'_>) -> Option<&'a str> {
    match event {
        Event::ResourceStarted { resource }
        | Event::TotalKnown { resource, .. }
        | Event::PageFetched { resource, .. }
        | Event::RequestRetried { resource, .. }
        | Event::RequestDelayed { resource, .. }
        | Event::FileStaged { resource, .. }
        | Event::Committing { resource }
        | Event::Warning { resource, .. }
        | Event::Note { resource, .. } => Some(resource),
        Event::ResourceFinished { summary } => Some(&summary.name),
    }
}

/// What a finished resource came to, in one line: `3,000 rows in 2 files, version 1`.
pub fn finished(summary: &ResourceSummary) -> String {
    match (summary.status, &summary.error) {
        (Status::Ok, _) => format!(
            "{} in {}, version {}",
            counted(summary.rows_written, "row"),
            counted(summary.files.len() as u64, "file"),
            summary.table_version
        ),
        (status, Some(error)) => {
            // Who shows it has named the resource.
            let named = format!("{}: ", summary.name);
            format!(
                "{}: {}",
                status_word(status),
                foreign(error.message.strip_prefix(&named).unwrap_or(&error.message))
            )
        }
        (status, None) => status_word(status).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn page(rows: u64) -> Event<'static> {
        Event::PageFetched { resource: "a", page: 1, rows, bytes: 1500 }
    }

    #[test]
    fn pages_add_up_and_a_total_stands_beside_them() {
        let mut tally = Tally::default();
        for event in [page(100), page(50), Event::FileStaged { resource: "a", path: "p", rows: 150, bytes: 9 }] {
            tally.count(&event);
        }
        assert_eq!((tally.rows, tally.text().as_str()), (150, "2 pages, 3.00 kB, 1 file"));
        tally.count(&Event::TotalKnown { resource: "a", rows: Some(3000), pages: Some(1200) });
        assert!(tally.text().starts_with("2/1,200 pages"), "{}", tally.text());
        assert_eq!(tally.total_rows, Some(3000));
    }

    #[test]
    fn a_retry_shows_until_the_next_page_is_in() {
        let mut tally = Tally::default();
        let delay = Duration::from_millis(1500);
        tally.count(&Event::RequestRetried { resource: "a", url: "u", attempt: 2, delay, reason: "503" });
        assert!(tally.text().ends_with("attempt 2 failed, next in 1.5 s (503)"), "{}", tally.text());
        tally.count(&page(1));
        assert!(!tally.text().contains("503"));
        let delay = Duration::from_secs(8);
        tally.count(&Event::RequestDelayed { resource: "a", delay, reason: "`rate_limit`" });
        assert!(tally.text().ends_with("waiting for 8 s (`rate_limit`)"), "{}", tally.text());
        tally.count(&page(1));
        tally.count(&Event::Committing { resource: "a" });
        assert!(tally.text().ends_with("committing"));
    }
}
