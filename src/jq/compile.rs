//! From a program's text to what jaq runs.

use std::sync::LazyLock;

use jaq_core::{
    Compiler, Native, compile,
    load::{
        Arena, File, Lexer, Loader, Parser,
        lex::Token,
        parse::{Def, Term},
        span,
    },
    native::Fun,
};

use super::{
    ProgramError,
    budget::{Kind, tick},
    dates, growth, limits, looks, on_own_stack, regex, ticks,
};

pub(super) type Filter = compile::Filter<Native<Kind>>;

/// Natives that reach beyond the record: environment, clock, time zone, log and process.
const OUTSIDE: [&str; 7] = ["env", "now", "localtime", "strflocaltime", "debug_empty", "stderr_empty", "halt"];

/// Definitions of jq that need one of these.
const OUTSIDE_DEFINITIONS: [&str; 4] = ["debug", "stderr", "halt", "halt_error"];

/// Natives that can run forever without a call that is counted. [`RANGE`] and one of [`growth::natives`] replace them.
const UNCOUNTED: [&str; 2] = ["range", "fromjson"];

/// A definition that is called for each number, so that ticks count it. It precedes all others and uses none of them.
const RANGE: &str = "def range($from; $to; $by):
    def up: if . < $to then ., (. + $by | up) else {}[] end;
    def down: if . > $to then ., (. + $by | down) else {}[] end;
    def same: if . != $to then ., same else {}[] end;
    $from | if $by > 0 then up elif $by < 0 then down else same end;";

/// The definition of `totype`, which implements `tonumber` and `toboolean`. That of jaq returns each value in a text, so `"12 USD"` would become 12 in an
/// update, and `""` would remove the whole record.
const TO_TYPE: &str =
    "def totype(p; e): if p then . else [fromjson] | if .[1:] == [] and (.[0] | p) then .[0] else e end end;";

/// The program's name as a definition of ours.
const MAIN: &str = "restlake_main";

/// On a stack of its own: every level of a program is several calls of parser, compiler and destructors.
pub(super) fn compile(text: &str) -> Result<Filter, ProgramError> {
    limits::check_nesting(text)?;
    on_own_stack(|| compiled(text)).unwrap_or_else(|| Err(broken("it cannot be compiled: no thread could be started")))
}

fn compiled(text: &str) -> Result<Filter, ProgramError> {
    let body = ticks::within(parse(text)?);
    let main = Def { name: MAIN, args: Vec::new(), body };
    let arena = Arena::default();
    let file = File { code: MAIN, path: () };
    let mut all: Vec<Def<&str>> = DEFINITIONS.clone();
    all.push(main);
    let modules = Loader::new(all).load(&arena, file).map_err(|_| broken("it cannot be loaded"))?;
    Compiler::default().with_funs(natives()).compile(modules).map_err(|errors| {
        let mut undefined = errors.into_iter().flat_map(|(_, errors)| errors);
        undefined.next().map_or_else(|| broken("it cannot be compiled"), |(name, what)| unknown(text, name, &what))
    })
}

/// All of jq's, parsed once: that takes as long as to compile a program.
static DEFINITIONS: LazyLock<Vec<Def<&'static str>>> =
    LazyLock::new(|| definitions().map(ticks::in_definition).collect());

fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let parsed = |text| jaq_core::load::parse(text, |parser| parser.defs()).unwrap_or_default();
    let first = looks::definitions().chain(parsed(RANGE)).chain(parsed(TO_TYPE));
    let of_json = jaq_json::defs().filter(|def| def.name != "totype");
    let all = first.chain(jaq_core::defs()).chain(jaq_std::defs()).chain(of_json);
    all.filter(|def| !OUTSIDE_DEFINITIONS.contains(&def.name))
}

fn natives() -> impl Iterator<Item = Fun<Kind>> {
    let all = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let all = all.filter(|(name, ..)| !OUTSIDE.contains(name) && !UNCOUNTED.contains(name)).map(looks::renamed);
    all.chain([tick(), dates::native(), regex::native()]).chain(growth::natives())
}

fn parse(text: &str) -> Result<Term<&str>, ProgramError> {
    let tokens = Lexer::new(text).lex().map_err(|errors| {
        let first = errors.first().map(|(expected, at)| (expected.as_str(), *at));
        expected(text, first)
    })?;
    limits::check_tokens(text, &tokens)?;
    Parser::new(&tokens).parse(Parser::term).map_err(|errors| {
        let first = errors.first().map(|(expected, found)| (expected.as_str(), Token::opt_as_str(*found, text)));
        expected(text, first)
    })
}

fn expected(text: &str, first: Option<(&str, &str)>) -> ProgramError {
    let Some((expected, found)) = first else { return broken("it cannot be read") };
    let shown: String = found.chars().take(20).collect();
    let message = match shown.is_empty() {
        true => format!("no jq program: {expected} expected at its end"),
        false => format!("no jq program: {expected} expected, found `{shown}`"),
    };
    ProgramError { message, offset: offset(text, found) }
}

fn unknown(text: &str, name: &str, what: &compile::Undefined) -> ProgramError {
    let bare = name.trim_start_matches('$');
    let message = match what {
        compile::Undefined::Filter(arity) if *arity > 0 => format!("jq knows no `{name}` of {arity} arguments"),
        _ if OUTSIDE.contains(&bare)
            || OUTSIDE_DEFINITIONS.contains(&bare)
            || ["ENV", "input", "inputs"].contains(&bare) =>
        {
            format!("`{name}` is not there: a program sees its record and nothing else")
        }
        what => format!("jq knows no {} `{name}`", what.as_str()),
    };
    ProgramError { message, offset: offset(text, name) }
}

/// Returns the offset of a part in its text, or 0 if it is not part of it.
pub(super) fn offset(text: &str, part: &str) -> usize {
    let all = text.as_bytes().as_ptr_range();
    if all.start <= part.as_ptr() && part.as_ptr() <= all.end { span(text, part).start } else { 0 }
}

fn broken(message: &str) -> ProgramError {
    ProgramError { message: message.to_owned(), offset: 0 }
}

#[cfg(test)]
mod tests {
    use super::{super::budget::TICK, *};

    #[test]
    fn the_tick_cannot_be_written_by_a_program() {
        assert!(parse(TICK).is_err());
    }
}
