//! The command line: one file a subcommand.
//!
//! The only room that prints, reads the environment or decides an exit code. Data goes to standard output, everything
//! else to standard error. [`main`] captures the outside world once into a [`Context`] and hands it down.

mod completions;
mod conduct;
mod demo;
mod emulate;
mod files;
mod fmt;
mod heaps;
mod interrupt;
mod locks;
mod logging;
mod problem;
mod progress;
mod project;
mod report;
mod resume;
mod retry;
mod run;
mod runs;
mod schema;
mod store;
mod terminal;
mod test;
mod validate;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};

use crate::auth::Environment;
use logging::{LogFormat, LogLevel};
use problem::Problem;
use terminal::{Colour, Terminal};

/// What the process was started with.
struct Context {
    terminal: Arc<Terminal>,
    environment: Environment,
    folder: PathBuf,
}

/// Carries data from one Salesforce org to another, declared in YAML.
#[derive(Parser)]
#[command(
    name = "orgferry",
    version,
    about,
    long_about = "Carries data from one Salesforce org to another, declared in YAML.\n\n\
        A pipeline file says what must be true of the target; orgferry works out the order, the passes and the APIs. \
        Every source row ends in exactly one outcome (created, updated, unchanged, deleted, filtered or parked), and \
        no row is lost silently.",
    after_help = "Start here:\n  \
        orgferry demo                      the whole thing between two orgs on this machine\n  \
        orgferry validate                  check every file of the project, without a network\n  \
        orgferry run pipelines/FILE.yaml   carry the rows\n\n\
        Exit codes: 0 done, 1 run-time failure, 2 invalid file or usage, 3 login or access refused,\n\
        4 done with parked rows, 5 stopped by a threshold or check, 7 API calls used up,\n\
        130 or 143 interrupted. `orgferry resume` goes on with a run that stopped.",
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// When to use colours. `auto` follows the terminal and NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
    /// How much to log to standard error [default: warn; info with --log-format json]
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Log lines as text, or as JSON: then a run's progress comes as JSON lines too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
    /// Say nothing on standard error but findings and errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Validate(validate::Args),
    Run(run::Args),
    Resume(resume::Args),
    Retry(retry::Args),
    Test(test::Args),
    Fmt(fmt::Args),
    Runs(runs::Args),
    Report(report::Args),
    Emulate(emulate::Args),
    Demo(demo::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Arc::new(Terminal::new(
        cli.global.color,
        cli.global.quiet,
        cli.global.log_format == LogFormat::Json,
    ));
    logging::start(cli.global.log_level, cli.global.log_format, &terminal);
    if matches!(
        cli.command,
        Command::Run(_) | Command::Resume(_) | Command::Retry(_)
    ) {
        heaps::few();
    }
    let ended = context(Arc::clone(&terminal)).and_then(|context| dispatch(&context, cli.command));
    ExitCode::from(match ended {
        Ok(code) => code,
        Err(problem) => {
            problem.tell(&terminal);
            problem.code()
        }
    })
}

fn context(terminal: Arc<Terminal>) -> Result<Context, Problem> {
    let folder = std::env::current_dir().map_err(|e| {
        Problem::new(format!("the working folder cannot be read: {e}")).help("change to another folder")
    })?;
    // A variable that is no Unicode cannot be named in a file, so nobody can miss it.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(Context {
        terminal,
        environment,
        folder,
    })
}

fn dispatch(context: &Context, command: Command) -> Result<u8, Problem> {
    match command {
        Command::Validate(args) => in_runtime(validate::execute(context, &args)),
        Command::Run(args) => in_runtime(run::execute(context, &args)),
        Command::Resume(args) => in_runtime(resume::execute(context, &args)),
        Command::Retry(args) => in_runtime(retry::execute(context, &args)),
        Command::Test(args) => in_runtime(test::execute(context, &args)),
        Command::Fmt(args) => fmt::execute(context, &args),
        Command::Runs(args) => runs::execute(context, &args),
        Command::Report(args) => report::execute(context, &args),
        Command::Emulate(args) => in_runtime(emulate::execute(context, &args)),
        Command::Demo(args) => in_runtime(demo::execute(context, &args)),
        Command::Schema(args) => in_runtime(schema::execute(context, &args)),
        Command::Completions(args) => completions::execute(context, &args),
    }
}

fn in_runtime(work: impl Future<Output = Result<u8, Problem>>) -> Result<u8, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Problem::new(format!("the system gives no threads: {e}")))?;
    let ended = runtime.block_on(work);
    // Connections that are still open have nothing more to say.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_help() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            assert!(command.get_after_help().is_some(), "{name} has no examples");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
        }
    }
}
