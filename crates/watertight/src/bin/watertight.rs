//! The `watertight` command.

fn main() -> std::process::ExitCode {
    watertight_cli::main("watertight")
}
