//! Ctrl-C and SIGTERM: the first asks the run to stop cleanly, the second ends the process at once.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::{console::Console, exit::Exit};

/// Listens from now on, for the rest of the process's life.
///
/// On a thread and a runtime of its own: the second signal must work however busy the run's threads are.
pub fn watch(shutdown: CancellationToken, console: Console) {
    if let Err(error) = start(shutdown, console.clone()) {
        console.line(&format!("warning: Ctrl-C will not stop the run cleanly: {error}"));
    }
}

fn start(shutdown: CancellationToken, console: Console) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = Signals::register(&runtime)?;
    let listen = move || {
        runtime.block_on(stop(async || signals.next().await, &shutdown, &console));
        std::process::exit(Exit::Interrupted as u8 as i32);
    };
    thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
}

/// Returns when the process is to end at once.
async fn stop(mut next: impl AsyncFnMut(), shutdown: &CancellationToken, console: &Console) {
    next().await;
    console.line(
        "stopping cleanly: what is not committed is left to the next run if there is a checkpoint, and abandoned otherwise; \
         once more ends restlake at once",
    );
    shutdown.cancel();
    next().await;
    console.line("ended at once; the next run goes on with what this one left, or clears it away");
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn register(runtime: &Runtime) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = runtime.enter();
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn register(_: &Runtime) -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Semaphore, mpsc};

    use super::*;
    use crate::cli::console::tests::Written;

    #[tokio::test]
    async fn the_first_signal_asks_for_a_clean_stop_and_the_second_ends_the_process() {
        let (signals, shutdown, written) = (Semaphore::new(1), CancellationToken::new(), Written::default());
        let console = written.console();
        let (asked, mut answers) = mpsc::unbounded_channel();
        let next = async || {
            let _ = asked.send(shutdown.is_cancelled());
            if let Ok(signal) = signals.acquire().await {
                signal.forget();
            }
        };
        let user = async {
            assert_eq!(answers.recv().await, Some(false));
            assert_eq!(answers.recv().await, Some(true));
            assert!(written.text().contains("stopping cleanly") && !written.text().contains("ended at once"));
            signals.add_permits(1);
        };
        tokio::join!(stop(next, &shutdown, &console), user);
        assert!(written.text().contains("ended at once"));
    }
}
