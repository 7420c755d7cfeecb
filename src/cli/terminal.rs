use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressDrawTarget};

use super::Problem;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always, into files and pipes too
    Always,
    /// Never
    Never,
}

/// Standard output and standard error, which share a screen with progress bars.
pub(super) struct Terminal {
    choice: ColorChoice,
    quiet: bool,
    json: bool,
    bars: MultiProgress,
}

impl Terminal {
    pub(super) fn new(colour: Colour, quiet: bool, json: bool) -> Self {
        Terminal {
            choice: match colour {
                Colour::Auto => ColorChoice::Auto,
                Colour::Always => ColorChoice::AlwaysAnsi,
                Colour::Never => ColorChoice::Never,
            },
            quiet,
            json,
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        }
    }

    /// Data, on standard output. A reader that has gone away (`orgferry runs | head -1`) is no error.
    pub(super) fn print(&self, text: &str) -> Result<(), Problem> {
        let written = self.bars.suspend(|| {
            let mut out = AutoStream::new(io::stdout(), self.choice);
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        match written {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                Err(Problem::new(format!("cannot write to standard output: {e}")))
            }
            _ => Ok(()),
        }
    }

    /// What helps a person and is no data, on standard error; nothing with `--quiet` or when a program listens.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet && !self.json {
            self.complain(text);
        }
    }

    /// Findings and errors, on standard error.
    pub(super) fn complain(&self, text: &str) {
        // There is nowhere left to say that this failed.
        let _ = self.bars.suspend(|| {
            let mut err = AutoStream::new(io::stderr(), self.choice);
            err.write_all(text.as_bytes()).and_then(|()| err.flush())
        });
    }

    /// Where bars are drawn. Whoever writes to the screen beside them goes through it.
    pub(super) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether a program reads standard error.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person looks at standard error, on something that can move its cursor.
    pub(super) fn draws(&self) -> bool {
        io::stderr().is_terminal() && !ProgressDrawTarget::stderr().is_hidden()
    }

    pub(super) fn colours_stderr(&self) -> bool {
        AutoStream::new(io::stderr(), self.choice).current_choice() != ColorChoice::Never
    }
}
