use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::watch;

use super::{Problem, terminal::Terminal};

/// The user's wish to stop: Ctrl-C, or a polite `kill`.
pub(super) struct Interrupt {
    cancel: watch::Receiver<bool>,
    code: Arc<AtomicU8>,
    last_words: Arc<Mutex<Option<String>>>,
}

impl Interrupt {
    /// Listens from now on. The first signal asks the run to stop, the second ends the process.
    pub(super) fn listen(terminal: &Arc<Terminal>, first: &'static str) -> Result<Self, Problem> {
        let (stop, cancel) = watch::channel(false);
        let code = Arc::new(AtomicU8::new(0));
        let last_words: Arc<Mutex<Option<String>>> = Arc::default();
        let mut signals = Signals::new()?;
        let (terminal, seen, words) = (Arc::clone(terminal), Arc::clone(&code), Arc::clone(&last_words));
        tokio::spawn(async move {
            let signal = signals.next().await;
            seen.store(signal, Ordering::SeqCst);
            terminal.say(first);
            let _ = stop.send(true);
            let signal = signals.next().await;
            let words = words.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(words) = words {
                terminal.say(&words);
            }
            leave(signal);
        });
        Ok(Interrupt {
            cancel,
            code,
            last_words,
        })
    }

    /// Listens for a run, which has a batch to finish.
    pub(super) fn of_run(terminal: &Arc<Terminal>) -> Result<Self, Problem> {
        Self::listen(
            terminal,
            "finishing the batch in flight; press again to leave at once\n",
        )
    }

    /// What is said when the second signal ends the process; `None`: nothing.
    pub(super) fn set_last_words(&self, words: Option<String>) {
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    /// Turns true with the first signal.
    pub(super) fn cancel(&self) -> watch::Receiver<bool> {
        self.cancel.clone()
    }

    /// Waits for the first signal.
    pub(super) async fn wait(&self) {
        let mut cancel = self.cancel.clone();
        // An error means that nobody can ask any more: then there is nothing to wait for either.
        let _ = cancel.wait_for(|stop| *stop).await;
    }

    /// 130 after SIGINT, 143 after SIGTERM.
    pub(super) fn code(&self) -> Option<u8> {
        Some(self.code.load(Ordering::SeqCst)).filter(|code| *code != 0)
    }
}

#[expect(clippy::exit, reason = "the user has asked twice: nothing is waited for")]
fn leave(code: u8) {
    std::process::exit(i32::from(code));
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self, Problem> {
        use tokio::signal::unix::{SignalKind, signal};
        let ask =
            |kind| signal(kind).map_err(|e| Problem::new(format!("signals cannot be listened to: {e}")));
        Ok(Signals {
            interrupt: ask(SignalKind::interrupt())?,
            terminate: ask(SignalKind::terminate())?,
        })
    }

    /// 128 and the signal's number, as shells count.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self, Problem> {
        Ok(Signals)
    }

    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }
}
