//! Times that jaq's natives would calculate beyond the numbers of the machine: `1700000000000000000 | gmtime`, in nanoseconds,
//! was a date of another century.

use jaq_core::{
    Error,
    box_iter::box_once,
    native::{self, Fun},
};
use jaq_json::Val;
use jaq_std::ValT;

use super::{budget::Kind, looks::Look};

const TIME: &str = "!time";

pub(super) const DATES: [Look; 3] = [
    Look { name: "gmtime", native: "!gmtime", arguments: &[], look: TIME },
    Look { name: "mktime", native: "!mktime", arguments: &[], look: TIME },
    Look { name: "strftime", native: "!strftime", arguments: &["format"], look: TIME },
];

/// They count microseconds.
const UNITS_PER_SECOND: isize = 1_000_000;

pub(super) fn native() -> Fun<Kind> {
    native::run::<Kind>((TIME, native::v(0), |(_, value)| {
        box_once(match is_time(&value) {
            true => Ok(Val::from(true)),
            false => Err(Error::str(format_args!("cannot convert {value} to time")).into()),
        })
    }))
}

/// Returns true if the value is not beyond all dates; whether it is a date the native finds out.
fn is_time(value: &Val) -> bool {
    match value {
        // Year, month from 0 on, and so on.
        Val::Arr(parts) => parts.get(1).and_then(ValT::as_isize).is_none_or(|month| month <= 11),
        // A number of any length may be within the machine's.
        value => value.as_isize().is_none_or(|seconds| seconds.checked_mul(UNITS_PER_SECOND).is_some()),
    }
}
