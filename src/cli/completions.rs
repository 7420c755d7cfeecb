use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Context, Problem};

/// Write a completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    orgferry completions bash > ~/.local/share/bash-completion/completions/orgferry\n  \
    orgferry completions zsh > ~/.zfunc/_orgferry          # with ~/.zfunc in fpath\n  \
    orgferry completions fish > ~/.config/fish/completions/orgferry.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn execute(context: &Context, args: &Args) -> Result<u8, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "orgferry", &mut script);
    context.terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
