//! Progress on stderr: [`Bars`](bars::Bars), [`Plain`](plain::Plain) lines, or retries and [`Waits`](waits::Waits) alone, all
//! fed by the run's events.

use std::{io::IsTerminal, sync::Arc};

use indicatif::ProgressDrawTarget;

use super::{
    args::{Global, ProgressKind},
    console::Console,
};
use crate::{
    environment::Clock,
    report::{Reporter, Silent},
};

mod bars;
mod plain;
mod screen;
mod tally;
mod waits;

/// The reporter that was asked for.
pub fn reporter(global: &Global, console: &Console, clock: &Arc<dyn Clock>) -> Arc<dyn Reporter> {
    let is_terminal = std::io::stderr().is_terminal();
    match resolve(global, is_terminal) {
        ProgressKind::Bar => {
            console.bars().set_draw_target(draw_target(console, is_terminal));
            Arc::new(bars::Bars::new(console.clone()))
        }
        ProgressKind::Plain => Arc::new(plain::Plain::new(console.clone(), Arc::clone(clock))),
        ProgressKind::Auto if !global.quiet => Arc::new(waits::Waits::new(console.clone(), Arc::clone(clock))),
        ProgressKind::Auto | ProgressKind::None => Arc::new(Silent),
    }
}

fn resolve(global: &Global, is_terminal: bool) -> ProgressKind {
    match global.progress {
        ProgressKind::Auto if is_terminal && !global.quiet => ProgressKind::Bar,
        chosen => chosen,
    }
}

fn draw_target(console: &Console, is_terminal: bool) -> ProgressDrawTarget {
    if is_terminal {
        return ProgressDrawTarget::stderr();
    }
    // indicatif draws nothing where there is no terminal; `--progress bar` asks for bars all the same.
    ProgressDrawTarget::term_like(Box::new(screen::Screen::new(console.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_a_bar_on_a_terminal_unless_it_is_to_be_quiet() {
        let kind =
            |progress, quiet, is_terminal| resolve(&Global { progress, quiet, ..Global::default() }, is_terminal);
        assert_eq!(kind(ProgressKind::Auto, false, true), ProgressKind::Bar);
        assert_eq!(kind(ProgressKind::Auto, false, false), ProgressKind::Auto);
        assert_eq!(kind(ProgressKind::Auto, true, true), ProgressKind::Auto);
    }

    #[test]
    fn what_was_asked_for_by_name_is_shown_wherever_stderr_goes() {
        for progress in [ProgressKind::Bar, ProgressKind::Plain, ProgressKind::None] {
            for (quiet, is_terminal) in [(false, false), (false, true), (true, false)] {
                assert_eq!(resolve(&Global { progress, quiet, ..Global::default() }, is_terminal), progress);
            }
        }
    }
}
