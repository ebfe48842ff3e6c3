//! The end of a list: whether all of it came, and whether it is read again.

use super::{Pages, shortfall, source::Fetched};
use crate::{
    fetch::{
        error::FetchError,
        paginate::{EndMark, Extent, Guard, PageToken, PageView},
        records,
    },
    json::{Kind, Selector},
};

impl Pages {
    /// No page is asked for beyond `max_pages`.
    pub(super) fn is_cut(&self) -> bool {
        self.max_pages.is_some_and(|max| self.number >= max)
    }

    /// Pages of this pass over the list.
    fn pages_of_pass(&self) -> u64 {
        self.number - self.before
    }

    /// The list is over: is there all of it? The position from which it is read again, if it is.
    pub(super) fn end(&mut self, promises_more: bool) -> Option<PageToken> {
        self.drift.settle(self.known.records == Some(self.received) && self.shortfall.is_none());
        if self.max_pages.is_none() && self.drift.begins_again() {
            (self.before, self.received, self.known.records, self.known.pages) = (self.number, 0, None, None);
            (self.guard, self.shortfall) = (Guard::default(), self.cut.clone());
            return Some(self.source.paginator.start());
        }
        self.check_total();
        // Who ends a list before its end knows that there is more.
        if promises_more && self.cut.is_none() {
            self.falls_short("the API tells of more pages, and its list ended".to_owned());
        }
        self.tell_drift();
        None
    }

    pub(super) fn tell_drift(&mut self) {
        self.drift.settle(false);
        match self.drift.unmended() {
            Some(text) => self.falls_short(text),
            None => self.drift.mended().into_iter().for_each(|text| self.warn(text)),
        }
    }

    /// Did as much come as was told?
    fn check_total(&mut self) {
        if let Some(records) = self.known.records.filter(|&records| records > self.received) {
            self.falls_short(format!("the API tells of {records} records, and its list ended after {}", self.received));
        }
        // Where the list moved, or the config cuts it, that says why.
        let is_plain = self.drift.is_still() && self.shortfall.is_none();
        if let Some(records) = self.known.records.filter(|&records| is_plain && records < self.received) {
            let came = self.received;
            self.falls_short(format!(
                "the API tells of {records} records, and {came} came: that number is wrong, and the list may go on behind it"
            ));
        }
        let number = self.pages_of_pass();
        // Many an API's `total` counts records where `page_number` expects pages.
        if let Some(pages) = self.known.pages.filter(|&pages| pages > number && pages != self.received) {
            self.falls_short(format!("the API tells of {pages} pages, and its list ended after {number}"));
        }
    }

    /// A warning, and a reason not to take what did not come for gone; the first one counts.
    pub(super) fn falls_short(&mut self, why: String) {
        self.shortfall.get_or_insert_with(|| why.clone());
        self.warn(why);
    }

    /// Totals that change say that rows came or went. A list that goes on by cursors does not mind, as a rule, and an overlap
    /// sees more than a total: there it is no news, though no proof either that nothing is lost.
    pub(super) fn watch_totals(&mut self, known: Extent, token: &PageToken) {
        let Some(change) = shortfall::by_change(&self.known, &known) else { return };
        if token.is_told() || self.source.paginator.lead(token) > 0 {
            self.shortfall.get_or_insert(change);
        } else {
            self.drift.moved(change);
        }
    }

    pub(super) fn check_drift(&self, page: u64) -> Result<(), FetchError> {
        match self.drift.failure(self.known.records.is_some()) {
            Some(what) => Err(FetchError::Drift { page, what: what.to_owned() }),
            None => Ok(()),
        }
    }

    /// The config names a place that does not tell where the list ends: the first empty page has to.
    pub(super) fn warn_of_silence(&mut self, told: &str) {
        if self.number == 1 {
            self.warn(format!("{told}: it is read to its first page without records"));
        }
    }

    /// What a page says, for people, that was to tell of the list's end.
    pub(super) fn silence(&self, mark: EndMark<'_>, fetched: &Fetched) -> String {
        let (place, found, help) = match mark {
            EndMark::Path(path) => (format!("`{path}`"), self.shown(path, fetched), "set `total_path`, or null"),
            EndMark::Header(name) => {
                let text = fetched.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
                let shown = text.map(|text| records::shortened(&self.surroundings.redactor.text(&text)));
                let help = "let `total_header` name one that counts records, or leave it out";
                (format!("the header `{name}`"), shown.map(|text| format!("`{text}`")), help)
            }
        };
        match found {
            None => format!("there is nothing at {place} that tells where the list ends ({help})"),
            Some(found) => format!("{place} is {found}, which does not tell where the list ends ({help})"),
        }
    }

    fn shown(&self, path: &Selector, fetched: &Fetched) -> Option<String> {
        let found = path.find(fetched.document.root()).filter(|found| found.kind() != Kind::Null)?;
        let text = self.surroundings.redactor.text(&String::from_utf8_lossy(found.raw()));
        Some(format!("`{}`", records::shortened(&text)))
    }

    /// A first page that looks full in a list that is to go on at a place which is not there: many an API leaves it out at
    /// the end, and many a config names a wrong one.
    pub(super) fn leads_nowhere(&self, page: &PageView<'_>) -> Option<String> {
        let path = self.source.paginator.goes_on_at(page).filter(|_| self.number == 1)?;
        let is_all = page.known.records.is_some_and(|records| records <= page.count);
        if path.find(page.root).is_some() || is_all || !looks_full(page) {
            return None;
        }
        let keys = self.surroundings.redactor.text(&records::quoted(&records::keys(page.root, |_| true)));
        Some(format!(
            "`{path}` finds nothing on the first page, which looks full, so it is taken for the only one: if the list goes on, \
             name the right place; the answer has the keys {keys}"
        ))
    }
}

/// Whether there are as many records as the request asks for, or as a page often holds.
fn looks_full(page: &PageView<'_>) -> bool {
    const USUAL: [u64; 9] = [10, 20, 25, 50, 100, 200, 250, 500, 1000];
    let count = page.count.to_string();
    page.count > 0 && (USUAL.contains(&page.count) || page.url.query_pairs().any(|(_, value)| *value == count))
}
