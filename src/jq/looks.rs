//! Natives whose input is checked first. Each gets another name, and a definition under its own name checks the input and calls
//! it:
//!
//! ```text
//! def gmtime: if !time then !gmtime else . end
//! def matches($re; $flags): if !regex($re; $flags) then !matches($re; $flags) else . end
//! ```

use jaq_core::{
    load::parse::{Def, Term},
    native::Fun,
};

use super::{budget::Kind, dates::DATES, growth::GROWING, regex::SEARCHES, ticks::behind};

/// A native, and the native that checks its input. No program can name what begins with `!`.
pub(super) struct Look {
    pub name: &'static str,
    /// The name of the native, which the definition calls.
    pub native: &'static str,
    /// Arguments that are values start with `$` and are passed to the look as well.
    pub arguments: &'static [&'static str],
    pub look: &'static str,
}

fn all() -> impl Iterator<Item = &'static Look> {
    GROWING.iter().chain(&DATES).chain(&SEARCHES)
}

/// Returns the definitions that replace the natives. They come before all others, and use none.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    all().map(|Look { name, native, arguments, look }| {
        let values = arguments.iter().filter(|argument| is_value(argument)).map(|argument| Term::Var(*argument));
        let look = Term::Call(*look, values.collect());
        let given = arguments.iter().map(|argument| match is_value(argument) {
            true => Term::Var(*argument),
            false => Term::Call(*argument, Vec::new()),
        });
        Def { name: *name, args: arguments.to_vec(), body: behind(look, Term::Call(*native, given.collect())) }
    })
}

fn is_value(argument: &str) -> bool {
    argument.starts_with('$')
}

/// Returns a native under the name by which its definition calls it.
pub(super) fn renamed((name, arguments, native): Fun<Kind>) -> Fun<Kind> {
    (all().find(|look| look.name == name).map_or(name, |look| look.native), arguments, native)
}
