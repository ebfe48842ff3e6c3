//! The total of a page sequence while its pages come: which number it is, and whether it changes.

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use super::totals::{self, Total, TotalPlace};
use crate::json::Node;

/// Where totals are looked for.
#[derive(Clone, Debug, Default)]
pub(in crate::fetch) struct TotalsSource {
    /// The places that the config names, or that were detected.
    pub places: Vec<TotalPlace>,
    /// Numbers are totals by their names.
    pub by_name: bool,
}

/// A page, as far as its totals go.
#[derive(Clone, Copy, Debug)]
pub(in crate::fetch) struct TotalsView<'a> {
    pub root: Node<'a>,
    pub headers: &'a HeaderMap,
    /// The keys that lead to the records.
    pub records: &'a [String],
    /// Records of this page.
    pub count: u64,
    /// Records of the sequence so far, this page's included.
    pub received: u64,
    pub timing: Timing,
}

/// The place of an answer in time: pages that are requested ahead are not answered in page order.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::fetch) struct Timing {
    /// Answers that had arrived when it was requested.
    pub before: u64,
    /// Its number in the order of arrival, from 1.
    pub number: u64,
}

/// The total that counts, page by page. The place is chosen once: totals of two places differ for other reasons than records
/// that come or go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::fetch) struct TotalTracker {
    current: Option<Tracked>,
    /// Places of numbers that have turned out to be no totals.
    rejected: Vec<TotalPlace>,
    /// The largest estimate.
    weak: Option<u64>,
    /// The first total and the last one, where it grew.
    grown: Option<(u64, u64)>,
    /// Records have gone: a total below what came is one all the same.
    has_shrunk: bool,
    /// A total of records below what came.
    exceeded: Option<u64>,
    /// The arrival of the first answer that stated the current total. Before a run that resumes: its answers all come later.
    #[serde(skip)]
    arrival: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tracked {
    place: TotalPlace,
    records: u64,
    /// On every page so far it was the number of that page's own records.
    is_of_page: bool,
}

/// A total that is smaller than on the page before: records have gone from the result set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fetch) struct Shrunk {
    pub from: u64,
    pub to: u64,
}

impl TotalsSource {
    /// Whether a number of this answer states that no record is missing.
    pub(in crate::fetch) fn is_reached(&self, view: &TotalsView<'_>) -> bool {
        self.read(view).iter().any(|total| !total.is_weak && total.records <= view.received)
    }

    fn read(&self, view: &TotalsView<'_>) -> Vec<Total> {
        let named = self.places.iter().filter_map(|place| {
            let records = place.read(view.root, view.headers)?;
            Some(Total { records, place: place.clone(), is_weak: false })
        });
        let mut found: Vec<Total> = named.collect();
        if self.by_name {
            let by_name = totals::find(view.root, view.headers, view.records);
            found.extend(by_name.into_iter().filter(|total| !self.places.contains(&total.place)));
        }
        found
    }
}

impl TotalTracker {
    /// Records that exist, as far as that is stated.
    pub(in crate::fetch) fn records(&self) -> Option<u64> {
        self.current.as_ref().map(|tracked| tracked.records)
    }

    pub(in crate::fetch) fn place(&self) -> Option<&TotalPlace> {
        self.current.as_ref().map(|tracked| &tracked.place)
    }

    /// A total that was below what came: records came twice, or it counts something else.
    pub(in crate::fetch) fn exceeded(&self) -> Option<u64> {
        self.exceeded
    }

    /// A bound or an estimate of the number of records.
    pub(in crate::fetch) fn weak(&self) -> Option<u64> {
        self.weak
    }

    /// The first total and the last one, if it grew while pages were read.
    pub(in crate::fetch) fn grown(&self) -> Option<(u64, u64)> {
        self.grown
    }

    /// The number may be that of the page's records: it was so on every page.
    pub(in crate::fetch) fn is_of_page(&self) -> bool {
        self.current.as_ref().is_some_and(|tracked| tracked.is_of_page)
    }

    /// Takes in the next page.
    pub(in crate::fetch) fn observe(&mut self, source: &TotalsSource, view: &TotalsView<'_>) -> Option<Shrunk> {
        let mut found = source.read(view);
        found.retain(|total| !self.rejected.contains(&total.place));
        let weak = found.iter().filter(|total| total.is_weak).map(|total| total.records).max();
        self.weak = self.weak.max(weak);
        let shrunk = self.follow(&found, view);
        if self.current.is_none() {
            let chosen = totals::choose(&found, view.count, view.received).filter(|total| !total.is_weak);
            self.current = chosen.map(|total| Tracked {
                place: total.place.clone(),
                records: total.records,
                is_of_page: total.records == view.count,
            });
            self.arrival = view.timing.number;
        }
        shrunk
    }

    fn follow(&mut self, found: &[Total], view: &TotalsView<'_>) -> Option<Shrunk> {
        let tracked = self.current.as_mut()?;
        let now = found.iter().find(|total| total.place == tracked.place)?.records;
        // Of two answers that were under way at the same time, the smaller total may be the earlier one.
        let is_later = view.timing.before >= self.arrival;
        let (from, to) = (tracked.records, if is_later { now } else { now.max(tracked.records) });
        let shrunk = (to < from).then_some(Shrunk { from, to });
        let was_of_page = tracked.is_of_page;
        tracked.is_of_page &= now == view.count;
        self.has_shrunk |= shrunk.is_some();
        if now < view.received && (was_of_page || !self.has_shrunk) {
            // The number of records on each page, of pages, or of something else: more came, so that it ends nothing.
            let place = self.current.take().map(|tracked| tracked.place);
            let is_count = place.as_ref().is_some_and(|place| !place.is_bare_total());
            self.exceeded = Some(now).filter(|_| !was_of_page).or(self.exceeded);
            self.rejected.extend(place);
            return shrunk.filter(|_| !was_of_page && is_count);
        }
        if to > from {
            let first = self.grown.map_or(from, |(first, _)| first);
            self.grown = Some((first, to));
        }
        if to != from {
            self.arrival = view.timing.number;
        }
        tracked.records = to;
        shrunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    /// What is known after each of these pages, whose records are at `data`.
    fn tracked(source: &TotalsSource, pages: &[(&str, u64)]) -> Vec<(Option<u64>, Option<Shrunk>)> {
        let timing = |number| Timing { before: number - 1, number };
        let pages: Vec<_> = (1..).zip(pages).map(|(number, (text, count))| (*text, *count, timing(number))).collect();
        tracked_in_time(source, &pages)
    }

    fn tracked_in_time(source: &TotalsSource, pages: &[(&str, u64, Timing)]) -> Vec<(Option<u64>, Option<Shrunk>)> {
        let (mut tracker, mut received) = (TotalTracker::default(), 0);
        let (headers, records) = (HeaderMap::new(), ["data".to_owned()]);
        pages
            .iter()
            .map(|&(text, count, timing)| {
                received += count;
                let document = Document::parse(text.as_bytes().to_vec()).unwrap();
                let (root, headers, records) = (document.root(), &headers, &records);
                let view = TotalsView { root, headers, records, count, received, timing };
                let shrunk = tracker.observe(source, &view);
                (tracker.records(), shrunk)
            })
            .collect()
    }

    fn by_name() -> TotalsSource {
        TotalsSource { places: Vec::new(), by_name: true }
    }

    #[test]
    fn a_number_that_is_the_pages_own_is_no_total() {
        let page = r#"{"count": 10, "data": []}"#;
        assert_eq!(tracked(&by_name(), &[(page, 10), (page, 10)]), [(Some(10), None), (None, None)]);
        let last = r#"{"count": 3, "data": []}"#;
        assert_eq!(tracked(&by_name(), &[(page, 10), (last, 3)]), [(Some(10), None), (None, None)]);
    }

    #[test]
    fn a_total_that_shrinks_is_seen_and_one_that_grows_is_followed() {
        let page = |total: u64| format!(r#"{{"total": {total}, "data": []}}"#);
        let (first, second, third) = (page(30), page(25), page(31));
        let shrunk = Some(Shrunk { from: 30, to: 25 });
        assert_eq!(
            tracked(&by_name(), &[(&first, 10), (&second, 10), (&third, 10)]),
            [(Some(30), None), (Some(25), shrunk), (Some(31), None)]
        );
    }

    #[test]
    fn a_smaller_total_of_an_answer_that_was_under_way_at_the_same_time_is_no_shrink() {
        let (less, more) = (r#"{"total": 30, "data": []}"#, r#"{"total": 31, "data": []}"#);
        let timing = |before, number| Timing { before, number };
        // Pages 2 and 3 were requested together, page 4 after both had arrived.
        let both = [(less, 10, timing(0, 1)), (more, 10, timing(1, 3)), (less, 10, timing(1, 2))];
        assert_eq!(tracked_in_time(&by_name(), &both), [(Some(30), None), (Some(31), None), (Some(31), None)]);
        let later = [both[0], both[1], (less, 10, timing(3, 4))];
        let shrunk = Some(Shrunk { from: 31, to: 30 });
        assert_eq!(tracked_in_time(&by_name(), &later), [(Some(30), None), (Some(31), None), (Some(30), shrunk)]);
    }

    #[test]
    fn places_that_the_config_names_are_the_only_ones() {
        let places = vec![TotalPlace::Path("n".parse().unwrap())];
        let source = TotalsSource { places, by_name: false };
        assert_eq!(tracked(&source, &[(r#"{"total": 30, "n": 12, "data": []}"#, 10)]), [(Some(12), None)]);
        assert_eq!(tracked(&source, &[(r#"{"total": 30, "data": []}"#, 10)]), [(None, None)]);
    }
}
