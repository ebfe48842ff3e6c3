//! Puts ticks into a program's terms: `body` becomes `if !tick then body else . end`, which does the same and is counted.
//!
//! Ticks are put where a program can run forever: in the body of each definition, after each pipe, around what is
//! collected or folded, and where outputs of several terms are combined. They are conditions, for these leave paths and tail calls as they are. What makes values larger than
//! those that it is given, sums, products and texts with others in them, becomes calls that look at the size first.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    ops::Math,
    path::{Part, Path},
};

use super::{
    budget::TICK,
    growth::{ADD, DIVIDE, MULTIPLY, WEIGH},
};

/// The variable for the right side of an update. No program can use its name.
const OPERAND: &str = "$!operand";

pub(super) fn in_definition(def: Def<&str>) -> Def<&str> {
    Def { name: def.name, args: def.args, body: counted(within(def.body)) }
}

fn counted(term: Term<&str>) -> Term<&str> {
    Term::IfThenElse(vec![(Term::Call(TICK, Vec::new()), term)], None)
}

/// The term with ticks in its parts.
pub(super) fn within(term: Term<&str>) -> Term<&str> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
        Term::Str(format, parts) => text(format, parts),
        // `[f]` collects `f | if !tick then . end`.
        Term::Arr(inner) => Term::Arr(inner.map(|inner| Box::new(each_counted(within(*inner))))),
        Term::Obj(fields) => {
            let field = |(key, value): (_, Option<_>)| (each(key), value.map(each));
            Term::Obj(fields.into_iter().map(field).collect())
        }
        Term::Neg(inner) => Term::Neg(boxed(*inner)),
        Term::BinOp(left, BinaryOp::Pipe(pattern), right) => {
            Term::BinOp(boxed(*left), BinaryOp::Pipe(pattern.map(in_pattern)), Box::new(counted(within(*right))))
        }
        Term::BinOp(left, BinaryOp::Math(Math::Add), right) => Term::Call(ADD, vec![each(*left), within(*right)]),
        Term::BinOp(left, BinaryOp::Math(Math::Mul), right) => Term::Call(MULTIPLY, vec![each(*left), within(*right)]),
        Term::BinOp(left, BinaryOp::Math(Math::Div), right) => Term::Call(DIVIDE, vec![each(*left), within(*right)]),
        Term::BinOp(left, BinaryOp::UpdateMath(op @ (Math::Add | Math::Mul | Math::Div)), right) => {
            within(updated(left, op, right))
        }
        Term::BinOp(
            left,
            op @ (BinaryOp::Math(_) | BinaryOp::Cmp(_) | BinaryOp::And | BinaryOp::Or | BinaryOp::Alt),
            right,
        ) => Term::BinOp(Box::new(each(*left)), op, boxed(*right)),
        Term::BinOp(left, op, right) => Term::BinOp(boxed(*left), op, boxed(*right)),
        Term::Label(name, inner) => Term::Label(name, boxed(*inner)),
        Term::Fold(name, source, pattern, parts) => {
            let source = Box::new(each_counted(within(*source)));
            Term::Fold(name, source, in_pattern(pattern), parts.into_iter().map(within).collect())
        }
        Term::TryCatch(inner, catch) => Term::TryCatch(boxed(*inner), catch.map(|term| boxed(*term))),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.into_iter().map(|(condition, then)| (each(condition), within(then)));
            Term::IfThenElse(branches.collect(), otherwise.map(|term| boxed(*term)))
        }
        Term::Def(defs, inner) => Term::Def(defs.into_iter().map(in_definition).collect(), boxed(*inner)),
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(each).collect()),
        Term::Path(head, Path(parts)) => {
            let parts = parts.into_iter().map(|(part, optional)| (in_path(part), optional));
            Term::Path(boxed(*head), Path(parts.collect()))
        }
    }
}

fn boxed(term: Term<&str>) -> Box<Term<&str>> {
    Box::new(within(term))
}

/// Returns the term with ticks in its parts, and with its outputs counted if there may be several: combined with those of other
/// terms, as in `(1, 2) - (1, 2) - (1, 2)`, their number grows exponentially, and all of them may be dropped.
fn each(term: Term<&str>) -> Term<&str> {
    let term = within(term);
    if has_one_output(&term) { term } else { each_counted(term) }
}

/// Returns true if the form of a term shows that it has one output or an error.
fn has_one_output(term: &Term<&str>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(_) => true,
        Term::Str(_, parts) => !parts.iter().any(|part| matches!(part, StrPart::Term(_))),
        Term::Neg(inner) => has_one_output(inner),
        Term::Path(head, Path(parts)) => {
            let is_one = |part: &Part<Term<&str>>| match part {
                Part::Index(index) => has_one_output(index),
                Part::Range(None, None) => false,
                Part::Range(from, to) => [from, to].into_iter().flatten().all(has_one_output),
            };
            has_one_output(head) && parts.iter().all(|(part, _)| is_one(part))
        }
        _ => false,
    }
}

fn each_counted(term: Term<&str>) -> Term<&str> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(counted(Term::Id)))
}

/// Rewrites `l += r` as `r as $x | l |= . + $x`.
fn updated<'a>(left: Box<Term<&'a str>>, op: Math, right: Box<Term<&'a str>>) -> Term<&'a str> {
    let result = Term::BinOp(Box::new(Term::Id), BinaryOp::Math(op), Box::new(Term::Var(OPERAND)));
    let update = Term::BinOp(left, BinaryOp::Update, Box::new(result));
    Term::BinOp(right, BinaryOp::Pipe(Some(Pattern::Var(OPERAND))), Box::new(update))
}

/// A text with values in it, as the sum that it is.
fn text<'a>(format: Option<&'a str>, parts: Vec<StrPart<&'a str, Term<&'a str>>>) -> Term<&'a str> {
    let mut parts = parts.into_iter().rev().map(|part| in_part(format, part));
    let Some(last) = parts.next() else { return Term::Str(format, Vec::new()) };
    parts.fold(last, |rest, part| Term::Call(ADD, vec![part, rest]))
}

fn in_part<'a>(format: Option<&'a str>, part: StrPart<&'a str, Term<&'a str>>) -> Term<&'a str> {
    match part {
        StrPart::Term(term) => {
            let written = Term::Str(format, vec![StrPart::Term(Term::Id)]);
            Term::BinOp(boxed(term), BinaryOp::Pipe(None), Box::new(weighed(written)))
        }
        letters => Term::Str(None, vec![letters]),
    }
}

/// The term, if the size of what it is given allows it.
fn weighed(term: Term<&str>) -> Term<&str> {
    behind(Term::Call(WEIGH, Vec::new()), term)
}

/// The term, if a look lets what it is given pass.
pub(super) fn behind<'a>(look: Term<&'a str>, term: Term<&'a str>) -> Term<&'a str> {
    Term::IfThenElse(vec![(look, term)], None)
}

fn in_path(part: Part<Term<&str>>) -> Part<Term<&str>> {
    match part {
        Part::Index(index) => Part::Index(each(index)),
        Part::Range(from, to) => Part::Range(from.map(each), to.map(each)),
    }
}

fn in_pattern(pattern: Pattern<&str>) -> Pattern<&str> {
    match pattern {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(in_pattern).collect()),
        Pattern::Obj(fields) => {
            Pattern::Obj(fields.into_iter().map(|(key, value)| (each(key), in_pattern(value))).collect())
        }
    }
}
