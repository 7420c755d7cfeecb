use std::io::{self, Write};

use clap::ValueEnum;
use indicatif::MultiProgress;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::terminal::Terminal;

/// `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// Nothing
    Off,
    /// What went wrong
    Error,
    /// What may go wrong
    Warn,
    /// What happens
    Info,
    /// Each request
    Debug,
    /// Each row; may show values of records
    Trace,
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

/// Sends log lines to standard error, past the bars.
pub(super) fn start(level: Option<LogLevel>, format: LogFormat, terminal: &Terminal) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(level, format))
        .with_writer(Stderr(terminal.bars().clone()))
        .with_ansi(terminal.colours_stderr() && format == LogFormat::Text);
    // Fails only when there is a subscriber already, which is then somebody's wish.
    let _ = match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
}

/// The libraries below us speak at `warn` at most: their lines would tell of addresses and headers.
fn filter(level: Option<LogLevel>, format: LogFormat) -> EnvFilter {
    let level = level.unwrap_or(match format {
        LogFormat::Text => LogLevel::Warn,
        LogFormat::Json => LogLevel::Info,
    });
    EnvFilter::new(match level {
        LogLevel::Off => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,orgferry=info",
        LogLevel::Debug => "warn,orgferry=debug",
        LogLevel::Trace => "warn,orgferry=trace",
    })
}

struct Stderr(MultiProgress);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a MultiProgress);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
