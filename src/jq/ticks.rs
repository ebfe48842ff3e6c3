//! Puts ticks into a program's terms: `body` becomes `if !tick then body else . end`, which does the same and is counted.
//!
//! Ticks stand where a program can go on without end: in the body of each definition, behind each pipe, and around what is
//! collected or folded. They are conditions, for these leave paths and tail calls as they are.

use jaq_core::load::{
    lex::StrPart,
    parse::{BinaryOp, Def, Pattern, Term},
};
use jaq_core::path::{Part, Path};

use super::budget::TICK;

pub(super) fn in_definition<'a>(def: Def<&'a str>) -> Def<&'a str> {
    Def { name: def.name, args: def.args, body: counted(within(def.body)) }
}

fn counted<'a>(term: Term<&'a str>) -> Term<&'a str> {
    Term::IfThenElse(vec![(Term::Call(TICK, Vec::new()), term)], None)
}

/// The term with ticks in its parts.
pub(super) fn within<'a>(term: Term<&'a str>) -> Term<&'a str> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
        Term::Str(format, parts) => Term::Str(format, parts.into_iter().map(in_part).collect()),
        // `[f]` collects `f | if !tick then . end`.
        Term::Arr(inner) => Term::Arr(inner.map(|inner| Box::new(each_counted(within(*inner))))),
        Term::Obj(fields) => {
            let field = |(key, value): (_, Option<_>)| (within(key), value.map(within));
            Term::Obj(fields.into_iter().map(field).collect())
        }
        Term::Neg(inner) => Term::Neg(boxed(inner)),
        Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
            Term::BinOp(boxed(left), BinaryOp::Pipe(pattern.map(in_pattern)), Box::new(counted(within(*right))))
        }
        Term::BinOp(left, op, right) => Term::BinOp(boxed(left), op, boxed(right)),
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(name, source, pattern, parts) => {
            let source = Box::new(each_counted(within(*source)));
            Term::Fold(name, source, in_pattern(pattern), parts.into_iter().map(within).collect())
        }
        Term::TryCatch(inner, catch) => Term::TryCatch(boxed(inner), catch.map(boxed)),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.into_iter().map(|(condition, then)| (within(condition), within(then)));
            Term::IfThenElse(branches.collect(), otherwise.map(boxed))
        }
        Term::Def(defs, inner) => Term::Def(defs.into_iter().map(in_definition).collect(), boxed(inner)),
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(within).collect()),
        Term::Path(head, Path(parts)) => {
            let parts = parts.into_iter().map(|(part, optional)| (in_path(part), optional));
            Term::Path(boxed(head), Path(parts.collect()))
        }
    }
}

fn boxed<'a>(term: Box<Term<&'a str>>) -> Box<Term<&'a str>> {
    Box::new(within(*term))
}

fn each_counted<'a>(term: Term<&'a str>) -> Term<&'a str> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(counted(Term::Id)))
}

fn in_part<'a>(part: StrPart<&'a str, Term<&'a str>>) -> StrPart<&'a str, Term<&'a str>> {
    match part {
        StrPart::Term(term) => StrPart::Term(within(term)),
        other => other,
    }
}

fn in_path<'a>(part: Part<Term<&'a str>>) -> Part<Term<&'a str>> {
    match part {
        Part::Index(index) => Part::Index(within(index)),
        Part::Range(from, to) => Part::Range(from.map(within), to.map(within)),
    }
}

fn in_pattern<'a>(pattern: Pattern<&'a str>) -> Pattern<&'a str> {
    match pattern {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(in_pattern).collect()),
        Pattern::Obj(fields) => {
            Pattern::Obj(fields.into_iter().map(|(key, value)| (within(key), in_pattern(value))).collect())
        }
    }
}
