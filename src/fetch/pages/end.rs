//! The end of a page sequence: how it came, what it proves, and whether the sequence is read again.

use super::{
    Pages,
    lost_way::{fields_instead, looks_full},
    size::Fullness,
    source::{Fetched, Found},
};
use crate::{
    fetch::{
        completeness::{
            Verdict,
            refusal::{self, Refusal},
            totals::TotalPlace,
            verdict::{End, Facts, Judgement, Walk, is_usual_size, judge},
        },
        error::{FetchError, Trouble},
        paginate::{self, Ahead, Candidate, Detected, EndMark, Extent, Guard, PageToken, PageView},
        records::{self, Located},
    },
    json::{Kind, Selector},
    report::{counted, grouped},
};

/// What to do about a total that is none.
const NO_TOTAL: &str = "if that number is no total of these records, set `total_path: null` on the paginator";

impl Pages {
    /// No page is requested beyond `max_pages`.
    pub(super) fn is_cut(&self) -> bool {
        self.max_pages.is_some_and(|max| self.number >= max)
    }

    /// Pages of this pass over the result set.
    pub(super) fn pages_of_pass(&self) -> u64 {
        self.number - self.before
    }

    /// How the sequence ends if no page follows this one.
    pub(super) fn end_of(&self, page: &PageView<'_>, found: &Found, led_nowhere: bool) -> End {
        let is_reached = self.evidence.stated.is_some_and(|total| self.received >= total)
            || page.known.pages.is_some_and(|pages| self.pages_of_pass() >= pages && self.source.walk == Walk::Number);
        let is_first = self.pages_of_pass() == 1;
        match self.source.walk {
            Walk::OnePage | Walk::ConfiguredPage if self.is_record(found) => End::Record,
            Walk::OnePage if self.found.states_end => End::Stated,
            Walk::OnePage if is_reached && self.found.is_short => End::Total,
            Walk::OnePage | Walk::ConfiguredPage => End::Single,
            _ if self.source.paginator.more(page) == Some(false) => End::Stated,
            _ if is_reached && !self.evidence.is_confirming => End::Total,
            Walk::Number if page.is_short && page.count > 0 => End::Short,
            Walk::Number => End::Empty,
            Walk::Chain if led_nowhere || is_first && self.is_bare_and_round(page) => End::Single,
            Walk::Chain => End::Stated,
        }
    }

    /// Whether the answer is one record, and no list.
    fn is_record(&self, found: &Found) -> bool {
        matches!(found.located, Ok(Located::Records { is_list: false, .. }))
    }

    /// A list of a usual page size, alone in its answer: nothing states that it is whole.
    fn is_bare_and_round(&self, page: &PageView<'_>) -> bool {
        page.root.kind() == Kind::Array && is_usual_size(page.count)
    }

    /// The sequence is over; returns the position from which it is read again, if it is.
    pub(super) fn end(&mut self, end: End, more: Option<String>) -> Option<PageToken> {
        // A total that grew may count a row that came in before the page instead of one that is alike.
        let is_whole = self.evidence.stated == Some(self.received) && self.evidence.totals.grown().is_none();
        self.drift.settle(is_whole && self.findings.shortfall.is_none());
        let judgement = self.judgement(end, more);
        if let Some(doubt) = judgement.doubt.as_deref().filter(|_| self.source.walk != Walk::ConfiguredPage) {
            self.drift.doubt(doubt);
        }
        if self.max_pages.is_none() && self.drift.begins_again() {
            return Some(self.begin_pass());
        }
        self.conclude(judgement);
        None
    }

    /// Reads the result set again from here on, for what follows.
    pub(super) fn begin_pass(&mut self) -> PageToken {
        (self.before, self.received, self.known.records, self.known.pages) = (self.number, 0, None, None);
        self.guard = Guard::default();
        self.evidence = super::Evidence::default();
        (self.findings.shortfall, self.findings.suspicion) = (self.cut.reason().cloned(), None);
        self.findings.verdict = Verdict::default();
        self.findings.total = None;
        self.source.paginator.start()
    }

    /// The config ends the sequence while the API goes on.
    pub(super) fn conclude_cut(&mut self) {
        self.tell_drift();
        self.cut.is_reached = true;
        self.report_cut();
    }

    fn report_cut(&mut self) {
        let Some(cut) = self.cut.reason().cloned() else { return };
        self.findings.shortfall.get_or_insert_with(|| cut.clone());
        self.note(cut);
    }

    /// A page showed, by the order that the config declares, that no later one holds a record of the range.
    pub(super) fn conclude_by_order(&mut self) {
        self.next = None;
        self.line.clear();
        self.tell_drift();
        self.note("by `row_order`, later pages hold no new record: they were not requested".to_owned());
        self.conclude_moves();
    }

    /// Judges what came in this pass.
    fn judgement(&self, end: End, more: Option<String>) -> Judgement {
        let more = more.or_else(|| self.pages_missing()).or_else(|| self.found.more.clone());
        // Under `page_number` it may have counted pages.
        let is_numbered = matches!(self.source.paginator.start(), PageToken::Page(_));
        let exceeded = self.evidence.totals.exceeded().filter(|_| !is_numbered);
        let facts = Facts {
            end,
            walk: self.source.walk,
            received: self.received,
            total: self.evidence.stated.or(exceeded),
            weak_total: self.evidence.totals.weak(),
            page_size: self.size.largest(),
            is_last_full: self.evidence.last != Fullness::Short,
            more: more.as_deref(),
            weak: self.found.weak.as_deref(),
            is_probed: self.found.is_probed,
            is_cut: self.cut.reason().is_some() || self.left_out.has_cut(),
        };
        judge(&facts)
    }

    fn conclude(&mut self, judgement: Judgement) {
        self.findings.passes_agree = self.drift.is_settled();
        self.findings.was_read_again = self.drift.passes() > 0;
        self.tell_drift();
        self.report_cut();
        self.findings.total = self.evidence.stated.map(|total| (total, self.received));
        self.findings.verdict = judgement.verdict;
        if let Verdict::Incomplete(incomplete) = &self.findings.verdict {
            self.findings.shortfall.get_or_insert_with(|| incomplete.reason.clone());
        }
        judgement.note.into_iter().for_each(|note| self.note(note));
        judgement.doubt.into_iter().for_each(|doubt| self.doubt(doubt));
        self.conclude_moves();
    }

    fn doubt(&mut self, doubt: String) {
        if self.source.walk == Walk::ConfiguredPage {
            self.findings.shortfall.get_or_insert_with(|| doubt.clone());
        } else {
            // Where rows have moved, the missing ones may belong on any page.
            let has_moved = self.drift.shifted() > 0 || self.evidence.totals.grown().is_some();
            self.findings.suspect(doubt.clone(), if has_moved { 0 } else { self.number });
        }
        self.warn(format!("{doubt}; {NO_TOTAL}"));
    }

    /// Rows that moved prove nothing lost where a total agrees with what came.
    fn conclude_moves(&mut self) {
        let is_agreed = self.evidence.stated == Some(self.received);
        if let Some((from, to)) = self.evidence.totals.grown().filter(|_| is_agreed) {
            self.note(format!("the total grew from {} to {} while pages were read", grouped(from), grouped(to)));
        }
        if self.drift.shifted() > 0 {
            let rows = counted(self.drift.shifted(), "row");
            self.note(format!("{rows} came at the end of a page and again on the next one: rows came in before them"));
            if !is_agreed && self.findings.verdict == Verdict::Complete {
                self.findings.verdict = Verdict::Unproven;
            }
        }
        if self.findings.suspicion.is_some() && self.findings.verdict == Verdict::Complete {
            self.findings.verdict = Verdict::Unproven;
        }
    }

    /// The API states more pages than came.
    fn pages_missing(&self) -> Option<String> {
        let number = self.pages_of_pass();
        // Many an API's `total` counts records where `page_number` expects pages.
        let pages = self.known.pages.filter(|&pages| pages > number && pages < self.received)?;
        (self.source.walk == Walk::Number)
            .then(|| format!("the API reports {}, and {number} came", counted(pages, "page")))
    }

    pub(super) fn tell_drift(&mut self) {
        self.drift.settle(false);
        match self.drift.unmended() {
            Some(text) => {
                let trusted = self.evidence.trusted_pages.unwrap_or_default();
                self.findings.suspect(text.clone(), trusted);
                self.warn(text);
            }
            None => self.drift.mended().into_iter().for_each(|text| self.note(text)),
        }
    }

    /// A total that shrank says that rows went. An overlap sees more than a total: there it is no news, though no proof either
    /// that nothing is lost.
    pub(super) fn watch_change(&mut self, change: String, token: &PageToken) {
        if self.source.paginator.lead(token) > 0 {
            self.findings.shortfall.get_or_insert(change);
        } else {
            self.drift.moved(change);
        }
    }

    /// Keeps which pages came before the first sign that rows moved.
    pub(super) fn mark_move(&mut self) {
        if self.drift.has_moved() {
            self.evidence.trusted_pages.get_or_insert(self.number.saturating_sub(1));
        }
    }

    pub(super) fn check_drift(&mut self, page: u64) -> Result<(), FetchError> {
        self.mark_move();
        match self.drift.failure(self.evidence.stated.is_some()) {
            Some(what) => Err(FetchError::Drift { page, what: what.to_owned() }),
            None => Ok(()),
        }
    }

    /// Whether only another page shows that a total is the total: it equals the records of a first page that is full, so that
    /// it may be the number of records of each page. Under `page_number`, `total` may be a number of pages.
    pub(super) fn must_confirm(&self, token: &PageToken, count: u64, fullness: Fullness) -> bool {
        let totals = &self.evidence.totals;
        let (Some(total), Some(place)) = (totals.records(), totals.place()) else { return false };
        if total != self.received || count == 0 || self.source.walk != Walk::Number {
            return false;
        }
        let may_be_pages = matches!(token, PageToken::Page(_)) && self.source.totals.by_name && place.is_bare_total();
        let is_first = self.pages_of_pass() == 1 && totals.is_of_page();
        match fullness {
            Fullness::Short => false,
            Fullness::Full => is_first || may_be_pages,
            Fullness::Unknown => is_first && (is_usual_size(count) || may_be_pages && total > 1 || is_count(place)),
        }
    }

    /// Whether this page is the one before it again, as APIs answer a number after the last one.
    pub(super) fn is_last_again(&self, token: &PageToken, fetched: &Fetched, found: &Found) -> bool {
        let is_number = matches!(token, PageToken::Offset(_) | PageToken::Page(_));
        let has_lead = self.source.paginator.lead(token) > 0;
        let is_over = self.evidence.stated.is_none_or(|total| self.received >= total);
        let is_one = found.count() == 1 && self.source.key.is_empty();
        let is_telling = !is_one && self.tells_records_apart(fetched, found);
        // A short page that comes again is all that there is: an API that ignores the position would fill a page, unless it
        // gives fewer records than were asked for, which is a usual number then.
        let is_all = self.evidence.last == Fullness::Short && !is_usual_size(found.count());
        let is_expected = self.evidence.is_confirming || self.guard.is_varied() || is_all;
        let is_same = self.guard.fingerprint() == Some(found.fingerprint());
        is_number && !has_lead && is_over && found.count() > 0 && is_telling && is_expected && is_same
    }

    /// Returns the position after a page that is the one before it again. A full one may be no end: rows that came in before it
    /// have shifted it, and then the next page is another one.
    pub(super) fn after_repeated(&mut self, token: &PageToken, found: &Found) -> Option<PageToken> {
        let known = Extent { page_size: Some(found.count()), ..self.known };
        match self.source.paginator.ahead(token, &known) {
            Ahead::Next(next) if self.evidence.last == Fullness::Full && !self.evidence.is_repeated => {
                self.evidence.is_repeated = true;
                self.line.clear();
                Some(next)
            }
            _ => self.end(End::Repeated, None),
        }
    }

    /// Takes in an error answer that is none: one that refuses a guess of `auto`, or a page after the last one.
    pub(super) fn is_end_or_refused_guess(&mut self, token: &PageToken, error: &FetchError) -> bool {
        let FetchError::Request(error) = error else { return false };
        if self.refuses_guess(&error.trouble) {
            return true;
        }
        let Trouble::Status { status, body, .. } = &error.trouble else { return false };
        let (status, body) = (status.as_u16(), body.clone());
        let is_number = matches!(token, PageToken::Offset(_) | PageToken::Page(_));
        if !is_number || self.pages_of_pass() == 0 {
            return false;
        }
        let page = self.number + 1;
        let more = match refusal::meaning(status, &body) {
            None => return false,
            Some(Refusal::Limit) => Some(format!("page {page} is answered {status} ({})", records::shortened(&body))),
            Some(Refusal::End) if self.line.has_records() => {
                Some(format!("page {page} is answered {status}, and a later page has records"))
            }
            Some(Refusal::End) => None,
        };
        let is_confirmed = self.evidence.last == Fullness::Short;
        self.next = self.end(End::Refused { status, is_confirmed }, more);
        self.line.keep_from(self.next.as_ref());
        true
    }

    /// Ends the sequence where the config names a place that does not state the end: the first empty page has to.
    pub(super) fn warn_of_silence(&mut self, told: &str) {
        if self.number == 1 {
            self.warn(format!("{told}: pages are requested up to the first one without records"));
        }
    }

    /// Describes a place that should state the end of the sequence, and what is there.
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
            None => format!("{place} is missing, which should state the end of the result set ({help})"),
            Some(found) => format!("{place} is {found}, which does not state the end of the result set ({help})"),
        }
    }

    fn shown(&self, path: &Selector, fetched: &Fetched) -> Option<String> {
        let found = path.find(fetched.document.root()).filter(|found| found.kind() != Kind::Null)?;
        let text = self.surroundings.redactor.text(&String::from_utf8_lossy(found.raw()));
        Some(format!("`{}`", records::shortened(&text)))
    }

    /// Returns the evidence of further pages, if this one has no next page.
    pub(super) fn more_after(&self, page: &PageView<'_>, found: &Found) -> Option<String> {
        match self.source.paginator.more(page) {
            Some(true) => Some("the last page says that another one follows".to_owned()),
            _ => self.overlooked(page, found),
        }
    }

    /// Returns the sign of `auto` by which the first page leads to a second one, if the paginator finds none and the page lacks the
    /// place that the paginator follows: many a config names a wrong one.
    fn overlooked(&self, page: &PageView<'_>, found: &Found) -> Option<String> {
        let is_first = self.source.walk == Walk::Chain && self.pages_of_pass() == 1 && page.count > 0;
        let place = self.source.paginator.goes_on_at(page);
        let states_end = self.source.paginator.more(page) == Some(false);
        if !is_first || states_end || place.is_some_and(|place| place.find(page.root).is_some()) {
            return None;
        }
        let keys = self.source.record_keys();
        let is_list = matches!(found.located, Ok(Located::Records { is_list: true, .. }));
        let Detected { candidates, .. } = paginate::detect(page, self.source.asked(Some(&*keys).filter(|_| is_list)));
        let leads_on = |candidate: &&Candidate| candidate.next.as_ref().is_some_and(PageToken::is_told);
        let sign = candidates.iter().find(leads_on)?.paginator.to_config();
        let missing = place
            .map_or_else(|| "the paginator finds no next page".to_owned(), |place| format!("`{place}` is missing"));
        Some(
            self.surroundings
                .redactor
                .text(&format!("{missing} on the first page, which leads on by `paginator: {sign}`")),
        )
    }

    /// A first page that lacks the place that should lead to the next one, and looks full or leads on by another field: many an
    /// API leaves the place out at the end, and many a config names a wrong one.
    pub(super) fn leads_nowhere(&self, page: &PageView<'_>) -> Option<String> {
        let path = self.source.paginator.goes_on_at(page).filter(|_| self.number == 1)?;
        let is_all = self.evidence.stated.is_some_and(|records| records <= page.count);
        if path.find(page.root).is_some() || is_all || page.count == 0 {
            return None;
        }
        let (fields, leading) = fields_instead(path, page.root);
        if leading.is_none() && !looks_full(page) {
            return None;
        }
        let redact = |text: String| self.surroundings.redactor.text(&text);
        let way = match leading {
            Some(field) => format!("if `{field}` leads to the next page, name it in its place", field = redact(field)),
            None => "the page looks full: if there are more, name the field that leads to them".to_owned(),
        };
        Some(format!(
            "`{path}` is missing on the first page, which is read as the only one; {way}; {fields}",
            fields = redact(fields)
        ))
    }
}

/// Whether many APIs have the number of a page's records under this name.
fn is_count(place: &TotalPlace) -> bool {
    place.may_count_page()
}
