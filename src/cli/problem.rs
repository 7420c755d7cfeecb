use owo_colors::OwoColorize;

use super::terminal::Terminal;
use crate::{
    engine::EngineError,
    report::parked::ParkedError,
    state::{ServerError, StateError},
};

/// Why a command ends without having done what it was asked.
#[derive(Debug)]
pub(super) struct Problem {
    message: String,
    help: Option<String>,
    code: u8,
}

impl Problem {
    /// A run-time failure: exit code 1.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Problem {
            message: message.into(),
            help: None,
            code: 1,
        }
    }

    /// A wrong use of the command line: exit code 2.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Problem {
            code: 2,
            ..Problem::new(message)
        }
    }

    /// What to do now.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn code(&self) -> u8 {
        self.code
    }

    /// Says it on standard error.
    pub(super) fn tell(&self, terminal: &Terminal) {
        tell(terminal, &self.message, self.help.as_deref(), self.code);
    }
}

/// Says an error on standard error; as a log line when a program listens.
pub(super) fn tell(terminal: &Terminal, message: &str, help: Option<&str>, code: u8) {
    if terminal.json() {
        tracing::error!(target: "orgferry::run", error = message, help, exit_code = code, "command failed");
        return;
    }
    let mut text = format!("{} {message}\n", "error:".red().bold());
    for line in help.iter().flat_map(|help| help.lines()) {
        text.push_str(&format!("{} {line}\n", "help:".cyan().bold()));
    }
    terminal.complain(&text);
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        Problem {
            message: error.to_string(),
            help: error.help(),
            code: error.exit_code(),
        }
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        let mut problem = match error {
            StateError::Ambiguous { .. } | StateError::Server(ServerError::Address { .. }) => {
                Problem::usage(error.to_string())
            }
            _ => Problem::new(error.to_string()),
        };
        problem.help = error.help();
        problem
    }
}

impl From<ParkedError> for Problem {
    fn from(error: ParkedError) -> Self {
        match error {
            ParkedError::State(error) => error.into(),
            ParkedError::Write { .. } => Problem::new(error.to_string())
                .help("the rows are in state: make room, then `orgferry report last --parked STEP`"),
        }
    }
}
