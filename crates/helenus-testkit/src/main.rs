//! Command line of the test bed.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
