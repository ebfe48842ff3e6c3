//! The terminal: arguments in, results on stdout, everything else on stderr, an exit code. The only module that prints.
//!
//! ```text
//!  arguments ─► args ─► run │ check │ … ─► Answer ─► stdout (a text, or one JSON document)
//!                            │                    └───► exit code (exit)
//!                            └─► progress, logging, signals, diagnostics ─► console ─► stderr
//! ```
//!
//! A command returns an `Answer` and never writes to stdout itself; so stdout holds a result whole or not at all, and with
//! `--output json` exactly one document. Whatever goes to stderr goes through one `Console`, which keeps
//! progress bars and lines apart. Both write out what a terminal would obey (`visible`).

use std::ffi::OsString;

use clap::Parser;

mod args;
mod check;
mod compact;
mod console;
mod demo;
mod diagnostics;
mod dry_run;
mod exit;
mod failure;
mod faults;
mod files;
mod grid;
mod import;
mod infer;
mod load;
mod logging;
mod mask;
mod output;
mod progress;
mod run;
mod schema_files;
mod signals;
mod state;
mod status;
mod summary;
mod tables;
mod vacuum;
mod verify;
mod visible;

use args::{Cli, Command, OutputForm};
use console::Console;
pub use exit::Exit;
use failure::CliError;
use output::Answer;

/// Runs the program with these arguments, the first being its own name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => execute(cli),
        Err(error) => args::refuse(&error, &arguments),
    }
}

fn execute(cli: Cli) -> Exit {
    cli.global.color.write_global();
    let console = Console::stderr();
    logging::start(&cli.global, &console);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            return output::print(&failure::answer(&CliError::Runtime { source }.into(), &cli.global, &console));
        }
    };
    let mut answer = runtime.block_on(dispatch(cli, &console));
    let exit = output::print(&answer);
    if let Some(held) = answer.held.take() {
        runtime.block_on(held.release());
    }
    // Work that a stopped run left behind, such as a request that is still open, is not waited for.
    runtime.shutdown_background();
    exit
}

async fn dispatch(cli: Cli, console: &Console) -> Answer {
    let is_silent = cli.global.quiet && cli.global.output == OutputForm::Text && cli.command.confirms();
    let mut answer = answer(cli, console).await;
    if is_silent && answer.exit == Exit::Done {
        answer.result.clear();
    }
    answer
}

async fn answer(cli: Cli, console: &Console) -> Answer {
    let global = &cli.global;
    match cli.command {
        Command::Run(args) => run::execute(args, global, console).await,
        Command::Check(args) => check::execute(&args, global, console),
        Command::Infer(args) => infer::execute(&args, global, console).await,
        Command::Status(args) => status::execute(&args, global, console).await,
        Command::Verify(args) => verify::execute(&args, global, console).await,
        Command::Files(args) => files::execute(&args, global, console).await,
        Command::Compact(args) => compact::execute(&args, global, console).await,
        Command::Vacuum(args) => vacuum::execute(&args, global, console).await,
        Command::ExportState(args) => state::export(&args, global, console).await,
        Command::ImportState(args) => state::import(&args, global, console).await,
        Command::Import(args) => import::execute(&args, global, console),
        Command::Demo(args) => demo::execute(args, global, console).await,
    }
}
