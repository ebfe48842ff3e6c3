//! Regular expressions that search for all matches in a text. The natives of jaq build all matches at once, about a kilobyte each,
//! so the matches are counted first.

use jaq_core::{
    Bind,
    native::{self, Fun},
};
use jaq_json::Val;
use regex_bites::bytes::{Regex, RegexBuilder};

use super::{
    RunError,
    budget::{Budget, Kind},
    growth::{passes, text_of},
    looks::Look,
};

const REGEX: &str = "!regex";

const ARGUMENTS: &[&str] = &["$re", "$flags"];

pub(super) const SEARCHES: [Look; 3] = [
    Look { name: "matches", native: "!matches", arguments: ARGUMENTS, look: REGEX },
    Look { name: "split_matches", native: "!split_matches", arguments: ARGUMENTS, look: REGEX },
    Look { name: "split_", native: "!split_", arguments: ARGUMENTS, look: REGEX },
];

/// Bytes of a match, and of each group in it, an object with up to four fields.
const MATCH: u64 = 512;
const GROUP: u64 = 640;

pub(super) fn native() -> Fun<Kind> {
    let two: Box<[Bind]> = Box::new([Bind::Var(()), Bind::Var(())]);
    native::run::<Kind>((REGEX, two, |(mut context, text)| {
        let (flags, pattern) = (context.pop_var(), context.pop_var());
        let counted = text_of(&text).zip(regex(&pattern, &flags));
        passes(counted.map_or(Ok(()), |(text, regex)| count(context.data().budget(), text, &regex)))
    }))
}

fn count(budget: &Budget<'_>, text: &[u8], regex: &Regex) -> Result<(), RunError> {
    let mut size = 0;
    for groups in regex.captures_iter(text) {
        let bytes = MATCH + groups.iter().flatten().count() as u64 * GROUP;
        size += bytes;
        budget.step()?;
        budget.make(size, bytes)?;
    }
    Ok(())
}

/// Returns the expression if it searches for all matches. The native reports invalid expressions and flags.
fn regex(pattern: &Val, flags: &Val) -> Option<Regex> {
    let text = |value| std::str::from_utf8(text_of(value)?).ok();
    let (pattern, flags) = (text(pattern)?, text(flags)?);
    let has = |flag| flags.contains(flag);
    if !has('g') {
        return None;
    }
    RegexBuilder::new(pattern)
        .case_insensitive(has('i'))
        .multi_line(has('m') || has('p'))
        .dot_matches_new_line(has('s') || has('p'))
        .swap_greed(has('l'))
        .ignore_whitespace(has('x'))
        .build()
        .ok()
}
