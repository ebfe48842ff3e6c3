//! Natives that must not be given everything: what they get is looked at first. Each is called under another name, behind a
//! definition that has its own:
//!
//! ```text
//! def gmtime: if !time then !gmtime else . end
//! ```

use jaq_core::{
    load::parse::{Def, Term},
    native::Fun,
};

use super::{budget::Kind, dates::DATES, growth::GROWING, ticks::behind};

/// A native, and the look at what it is given. No program can name what begins with `!`.
pub(super) struct Look {
    pub name: &'static str,
    /// The native behind the definition.
    pub native: &'static str,
    pub arguments: &'static [&'static str],
    pub look: &'static str,
}

fn all() -> impl Iterator<Item = &'static Look> {
    GROWING.iter().chain(&DATES)
}

/// Definitions that stand in for the natives. They stand before all others, and use none.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    all().map(|Look { name, native, arguments, look }| {
        let given = arguments.iter().map(|argument| Term::Call(*argument, Vec::new())).collect();
        Def { name: *name, args: arguments.to_vec(), body: behind(look, Term::Call(*native, given)) }
    })
}

/// A native under its name behind the definition.
pub(super) fn renamed((name, arguments, native): Fun<Kind>) -> Fun<Kind> {
    (all().find(|look| look.name == name).map_or(name, |look| look.native), arguments, native)
}
