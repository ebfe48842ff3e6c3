//! The `restlake` program: its exit code, and a call into the library's terminal part.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    allocator::fix_threshold();
    restlake::cli::main(std::env::args_os()).into()
}

/// Keeps glibc from holding on to pages that were freed.
///
/// From a certain size on glibc maps blocks one by one and gives them back to the system as soon as they are freed. By default
/// it raises that size, up to 32 MB, whenever such a block is freed; pages then come from arenas, of which every thread may have
/// one, and which keep what is freed in their midst. Pages of 18 MB under a `memory_limit` of 64 MB peaked at 246 MB, and
/// with a fixed size at 158 MB, at the same speed. jemalloc (203 MB) and mimalloc (268 MB) move blocks where glibc remaps them:
/// a body or an index that grows is there twice.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator {
    use std::{env, os::unix::process::CommandExt, process::Command};

    /// glibc reads it before `main`; the call that sets the same, `mallopt`, would be the one line of unsafe code.
    const VARIABLE: &str = "MALLOC_MMAP_THRESHOLD_";

    /// 128 KiB, which glibc begins with, takes 30 % more time: the buffers of ordinary batches are of that size.
    const BYTES: &str = "1048576";

    /// Starts the program anew in this process with the variable set, unless it is. Without success, the program runs as it is.
    pub(super) fn fix_threshold() {
        let mut arguments = env::args_os();
        let (Ok(program), None) = (env::current_exe(), env::var_os(VARIABLE)) else { return };
        let mut command = Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        _ = command.args(arguments).env(VARIABLE, BYTES).exec();
    }
}
