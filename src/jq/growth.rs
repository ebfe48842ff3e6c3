//! Operations whose result may be larger than their input. Their size is checked first, since an allocation that fails would abort
//! the process.

use std::rc::Rc;

use jaq_core::{
    Bind, Cv, Error, ValR, ValXs,
    box_iter::{box_once, flat_map_with, map_with},
    native::{self, Fun},
};
use jaq_json::{Num, Val, read};
use jaq_std::ValT;
use memchr::{memchr_iter, memmem};

use super::{
    RunError,
    budget::{Budget, Kind},
    looks::Look,
    value::{longest_number, weight_within},
};

/// Sum, product and quotient, and the looks at what a native is given; no program can name them so.
pub(super) const ADD: &str = "!add";
pub(super) const MULTIPLY: &str = "!multiply";
pub(super) const DIVIDE: &str = "!divide";
pub(super) const WEIGH: &str = "!weigh";
const LETTERS: &str = "!letters";
const PLACES: &str = "!places";
const DIGITS: &str = "!digits";
const FROM_JSON: &str = "!fromjson";

/// Natives that may write more than they read, over and over again, or read numbers of any length.
pub(super) const GROWING: [Look; 8] = [
    Look { name: "tojson", native: "!tojson", arguments: &[], look: WEIGH },
    Look { name: "encode_base64", native: "!encode_base64", arguments: &[], look: WEIGH },
    Look { name: "encode_uri", native: "!encode_uri", arguments: &[], look: WEIGH },
    Look { name: "escape_html", native: "!escape_html", arguments: &[], look: WEIGH },
    Look { name: "escape_sh", native: "!escape_sh", arguments: &[], look: WEIGH },
    Look { name: "explode", native: "!explode", arguments: &[], look: LETTERS },
    Look { name: "indices", native: "!indices", arguments: &["$part"], look: PLACES },
    Look { name: "fromjson", native: FROM_JSON, arguments: &[], look: DIGITS },
];

/// The cost of arithmetic with large numbers grows with the square of their length. It counts as size of values, so that a few
/// hundred thousand digits, about a second, exceed the budget.
const DIGITS_PER_ROOM: u64 = 64;
const BYTES_PER_ROOM: u64 = 8;

/// Bytes of an element of an array or an object, as jaq holds it.
const ELEMENT: u64 = 16;

/// Bytes of a slice of a text, and of the smallest parsed JSON value.
const PART: u64 = 64;

pub(super) fn natives() -> [Fun<Kind>; 8] {
    let two = || -> Box<[Bind]> { Box::new([Bind::Fun(()), Bind::Fun(())]) };
    [
        native::run::<Kind>((ADD, two(), |input| each_pair(input, add))),
        native::run::<Kind>((MULTIPLY, two(), |input| each_pair(input, multiply))),
        native::run::<Kind>((DIVIDE, two(), |input| each_pair(input, divide))),
        native::run::<Kind>((WEIGH, native::v(0), |(context, value)| {
            let budget = context.data().budget();
            let weight = weight_within(&value, budget.too_large());
            passes(budget.make(weight, weight))
        })),
        native::run::<Kind>((FROM_JSON, native::v(0), |(_, value)| values(&value))),
        native::run::<Kind>((DIGITS, native::v(0), |(context, value)| {
            let (digits, marks) = text_of(&value).map_or((0, 0), |text| (longest_number(text), marks(text)));
            let size = digits.max(marks.saturating_mul(PART));
            let cost = digits.saturating_mul(digits) / DIGITS_PER_ROOM;
            passes(context.data().budget().make(size, cost.saturating_add(size)))
        })),
        native::run::<Kind>((LETTERS, native::v(0), |(context, value)| {
            let size = text_of(&value).map_or(0, |text| elements(text.len()));
            passes(context.data().budget().make(size, size))
        })),
        native::run::<Kind>((PLACES, native::v(1), |(mut context, value)| {
            let part = context.pop_var();
            let first = text_of(&part).and_then(|part| part.first().copied());
            let places = text_of(&value).zip(first).map_or(0, |(text, first)| memchr_iter(first, text).count());
            passes(context.data().budget().make(elements(places), elements(places)))
        })),
    ]
}

pub(super) fn text_of(value: &Val) -> Option<&[u8]> {
    match value {
        Val::TStr(text) | Val::BStr(text) => Some(text),
        _ => None,
    }
}

/// Returns the number of `,`, `:`, `[` and `{` in a JSON text, which is at least the number of its values minus one.
fn marks(text: &[u8]) -> u64 {
    text.iter().filter(|byte| b",:[{".contains(byte)).count() as u64
}

/// Returns the values of a text, up to the first that cannot be read. jaq's native repeats that error forever.
fn values<'a>(text: &Val) -> ValXs<'a, Val> {
    let bytes = match text.try_as_utf8_bytes() {
        Ok(bytes) => bytes,
        Err(error) => return box_once(Err(error.into())),
    };
    let mut is_broken = false;
    let values = read::parse_many(bytes).take_while(|value| !std::mem::replace(&mut is_broken, value.is_err()));
    let failed = |error| Error::str(format_args!("cannot parse {text} as JSON: {error}")).into();
    let values: Vec<_> = values.map(|value| value.map_err(failed)).collect();
    Box::new(values.into_iter())
}

pub(super) fn passes<'a>(room: Result<(), RunError>) -> ValXs<'a, Val> {
    box_once(room.map(|()| Val::from(true)).map_err(|error| Error::str(error).into()))
}

type Operation = fn(&Budget<'_>, Val, Val) -> ValR<Val>;

/// In the order in which jaq has it: each output of the right side for each one of the left side.
fn each_pair<'a>((mut context, value): Cv<'a, Kind>, operation: Operation) -> ValXs<'a, Val> {
    let budget = context.data().budget();
    let (right, of_right) = context.pop_fun();
    let (left, of_left) = context.pop_fun();
    let lefts = left.run((of_left, value.clone()));
    flat_map_with(lefts, (of_right, value), move |left, input| match left {
        Ok(left) => map_with(right.run(input), left, move |right, left| Ok(operation(budget, left, right?)?)),
        // Without it, a right side of no output would hide the error.
        Err(error) => box_once(Err(error)),
    })
}

fn add(budget: &Budget<'_>, left: Val, right: Val) -> ValR<Val> {
    let (old, new, is_shared) = match (&left, &right) {
        (Val::TStr(left), Val::TStr(right)) | (Val::BStr(left), Val::BStr(right)) => {
            (left.len() as u64, right.len() as u64, !left.is_unique())
        }
        (Val::Arr(left), Val::Arr(right)) => (elements(left.len()), elements(right.len()), Rc::strong_count(left) > 1),
        (Val::Obj(left), Val::Obj(right)) => (elements(left.len()), elements(right.len()), Rc::strong_count(left) > 1),
        _ => (0, 0, false),
    };
    let anew = if is_shared { old.saturating_add(new) } else { new };
    allowed(budget.make(old.saturating_add(new), anew))?;
    left + right
}

fn multiply(budget: &Budget<'_>, left: Val, right: Val) -> ValR<Val> {
    let (size, cost) = match (&left, &right) {
        (Val::Num(left), Val::Num(right)) => {
            let (left, right) = (bytes(left), bytes(right));
            (left.saturating_add(right), left.saturating_mul(right) / BYTES_PER_ROOM)
        }
        (Val::TStr(text) | Val::BStr(text), Val::Num(times)) | (Val::Num(times), Val::TStr(text) | Val::BStr(text)) => {
            let size = (text.len() as u64).saturating_mul(repeats(times));
            (size, size)
        }
        _ => (0, 0),
    };
    allowed(budget.make(size, cost))?;
    left * right
}

/// Splits a text or divides a number.
fn divide(budget: &Budget<'_>, left: Val, right: Val) -> ValR<Val> {
    let parts = match (&left, &right) {
        (Val::TStr(text) | Val::BStr(text), Val::TStr(by) | Val::BStr(by)) if by.is_empty() => text.len(),
        (Val::TStr(text) | Val::BStr(text), Val::TStr(by) | Val::BStr(by)) => {
            memmem::find_iter(text, &by[..]).count() + 1
        }
        _ => 0,
    };
    let size = (parts as u64).saturating_mul(PART);
    allowed(budget.make(size, size))?;
    left / right
}

fn allowed(room: Result<(), RunError>) -> Result<(), Error<Val>> {
    room.map_err(Error::str)
}

fn elements(count: usize) -> u64 {
    (count as u64).saturating_mul(ELEMENT)
}

fn repeats(times: &Num) -> u64 {
    match times {
        Num::Int(times) => u64::try_from(*times).unwrap_or(0),
        Num::BigInt(times) if **times > Default::default() => u64::MAX,
        _ => 0,
    }
}

/// Returns the size of a whole number beyond 64 bits, and 0 for others.
fn bytes(number: &Num) -> u64 {
    match number {
        Num::BigInt(number) => number.bits() / 8,
        _ => 0,
    }
}
