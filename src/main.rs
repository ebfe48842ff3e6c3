//! The `restlake` program: its exit code, and a call into the library's terminal part.

use std::process::ExitCode;

fn main() -> ExitCode {
    restlake::cli::main(std::env::args_os()).into()
}
