//! Finds the places of a text that give a secret away.
//!
//! ```text
//! text ──decode──► layers ──one automaton over all spellings of all secrets──► ranges of the text
//! ```

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::{
    Kind, Known, SHORTEST, SHORTEST_UNSPACED,
    decoding::{Layer, layers},
    needles::{Needle, needles},
};

/// The shortest beginning of a secret that is hidden where a text was not marked as cut.
const SHORTEST_AT_END: usize = 8;

/// Marks of a cut that are looked at; a text of dots alone is no reason to compare it a million times.
const MOST_CUTS: usize = 64;

/// The longest escape that a cut can leave without its end.
const LONGEST_ESCAPE: usize = 10;

/// Everything that may not be seen of what is known.
#[derive(Default)]
pub(super) struct Matcher {
    needles: Vec<(Needle, Kind)>,
    /// `None` where there is nothing to look for, or too much.
    automaton: Option<AhoCorasick>,
    /// True if the secrets are too large to search for; every text is hidden then.
    is_blind: bool,
}

/// Largest total size of secrets to search for, in bytes. The automaton takes about a kilobyte per byte.
const MOST_BYTES: usize = 256_000;

impl Matcher {
    pub fn new(known: &[Known]) -> Self {
        if known.iter().map(|known| known.value.expose().len()).sum::<usize>() > MOST_BYTES {
            return Self { is_blind: true, ..Self::default() };
        }
        let spelled = |known: &Known| {
            let kind = known.kind;
            needles(known.value.expose(), kind.is_deep()).into_iter().map(move |needle| (needle, kind))
        };
        let needles: Vec<_> = known.iter().filter(|known| known.kind != Kind::Confined).flat_map(spelled).collect();
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
        let automaton = builder.build(needles.iter().map(|(needle, _)| &needle.bytes)).ok();
        let is_blind = automaton.is_none() && !needles.is_empty();
        Self { automaton: automaton.filter(|_| !needles.is_empty()), needles, is_blind }
    }

    /// The places of the secrets of these kinds, in order, no two of which touch.
    pub fn find(&self, text: &str, is_wanted: impl Fn(Kind) -> bool) -> Vec<Range<usize>> {
        let found = layers(text.as_bytes()).flat_map(|layer| self.find_spaced(&layer, &is_wanted)).collect();
        merged(found, text)
    }

    /// Finds the secrets, and the user information of every URL in the text.
    pub fn find_with_users(&self, text: &str, is_wanted: impl Fn(Kind) -> bool) -> Vec<Range<usize>> {
        let both = |layer: Layer<'_>| {
            let users = users(&layer.bytes).map(|place| layer.origin(place)).collect();
            [self.find_spaced(&layer, &is_wanted), users].concat()
        };
        merged(layers(text.as_bytes()).flat_map(both).collect(), text)
    }

    /// In a layer, and across its whitespace.
    fn find_spaced(&self, layer: &Layer<'_>, is_wanted: &impl Fn(Kind) -> bool) -> Vec<Range<usize>> {
        let mut found = self.find_in(layer, 0, is_wanted);
        if let Some(unspaced) = layer.unspaced() {
            found.extend(self.find_in(&unspaced, SHORTEST_UNSPACED, &|kind: Kind| kind.is_deep() && is_wanted(kind)));
        }
        found
    }

    /// The places of the needles that are not shorter than `shortest`.
    fn find_in(&self, layer: &Layer<'_>, shortest: usize, is_wanted: &impl Fn(Kind) -> bool) -> Vec<Range<usize>> {
        let text = &*layer.bytes;
        if self.is_blind {
            return std::iter::once(layer.origin(0..text.len())).collect();
        }
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let place = |hit: aho_corasick::Match| {
            let (needle, kind) = self.needles.get(hit.pattern().as_usize()).filter(|(_, kind)| is_wanted(*kind))?;
            if needle.bytes.len() < shortest {
                return None;
            }
            let place = widened(text, hit.range(), needle);
            (*kind != Kind::Private || !is_within_word(text, &place)).then(|| layer.origin(place))
        };
        let mut found = automaton.find_overlapping_iter(text).filter_map(place).collect();
        self.cut_short(layer, shortest, is_wanted, &mut found);
        found
    }

    /// Beginnings of secrets of which the rest was cut off: before an ellipsis, and at the end of the text.
    fn cut_short(
        &self,
        layer: &Layer<'_>,
        shortest: usize,
        is_wanted: &impl Fn(Kind) -> bool,
        found: &mut Vec<Range<usize>>,
    ) {
        let text = &*layer.bytes;
        // The third is what a lossy reading makes of a character that was cut in two.
        let marks = ["…", "...", "\u{FFFD}"].into_iter().flat_map(|mark| memchr::memmem::find_iter(text, mark));
        let ends = marks.take(MOST_CUTS).map(|end| (end, SHORTEST.max(shortest)));
        let ends = ends.chain([(text.len(), SHORTEST_AT_END)]);
        for (end, shortest) in ends {
            for from in ends_before_escape(text, end) {
                let before = text.get(..from).unwrap_or_default();
                let wanted = self.needles.iter().filter(|(_, kind)| *kind != Kind::Private && is_wanted(*kind));
                let longest = wanted.filter_map(|(needle, _)| overlap(before, &needle.bytes, shortest)).max();
                found.extend(longest.map(|length| layer.origin(from - length..end)));
            }
        }
    }
}

/// The user information of the URLs in a text: `u:p` of `https://u:p@example.com`.
fn users(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memchr::memmem::find_iter(text, "://").filter_map(|at| {
        let (start, rest) = (at + 3, text.get(at + 3..)?);
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"'<>`\\,;()[]{}|".contains(byte);
        let authority = rest.get(..rest.iter().position(ends).unwrap_or(rest.len()))?;
        let length = memchr::memrchr(b'@', authority)?;
        Some(start..start + length)
    })
}

/// Positions at which a secret may be cut if the text ends at `end`: there, or before an incomplete escape.
fn ends_before_escape(text: &[u8], end: usize) -> impl Iterator<Item = usize> {
    let start = end.saturating_sub(LONGEST_ESCAPE);
    let escapes = (start..end).filter(move |at| text.get(*at..end).is_some_and(is_partial_escape));
    escapes.chain([end])
}

/// `%2`, `\u00`, `&am`, `%25%`: what may be left of an escape, or of one within another.
fn is_partial_escape(rest: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"%\\&#{".contains(byte);
    rest.first().is_some_and(|first| b"%\\&".contains(first)) && rest.iter().all(is_part)
}

/// Returns the number of bytes at the end of `text` that are a proper prefix of a needle.
fn overlap(text: &[u8], needle: &[u8], shortest: usize) -> Option<usize> {
    let last = text.last()?.to_ascii_lowercase();
    let longest = needle.len().saturating_sub(1).min(text.len());
    (shortest..=longest).rev().find(|length| {
        // Needles are in lower case, and most lengths end in another letter.
        let tail = text.get(text.len() - length..).unwrap_or_default();
        needle.get(length - 1) == Some(&last)
            && needle.get(..*length).is_some_and(|start| start.eq_ignore_ascii_case(tail))
    })
}

/// A place with the letters at its edges that hold a part of the secret, and the padding.
fn widened(text: &[u8], place: Range<usize>, needle: &Needle) -> Range<usize> {
    let is_base64 = |at: usize| text.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte));
    let start = place.start - usize::from(needle.has_head && place.start > 0 && is_base64(place.start - 1));
    let mut end = place.end + usize::from(needle.has_tail && is_base64(place.end));
    if needle.has_tail {
        end += text.get(end..).unwrap_or_default().iter().take(2).take_while(|byte| **byte == b'=').count();
    }
    start..end
}

/// Returns true if a place holds letters alone, or digits alone, and has more of them beside it: there it means nothing.
fn is_within_word(text: &[u8], place: &Range<usize>) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let value = text.get(place.clone()).unwrap_or_default();
    let is_word =
        value.iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()) || value.iter().all(u8::is_ascii_digit);
    let before = place.start.checked_sub(1).and_then(|at| text.get(at));
    is_word && (before.is_some_and(is_letter) || text.get(place.end).is_some_and(is_letter))
}

/// Ranges in order, those that meet as one, each at whole characters.
fn merged(mut ranges: Vec<Range<usize>>, text: &str) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let range = text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end);
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
