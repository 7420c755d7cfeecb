//! The `orgferry` command.

fn main() -> std::process::ExitCode {
    orgferry::cli::main()
}
