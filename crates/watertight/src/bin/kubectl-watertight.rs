//! The same command as a kubectl plugin: `kubectl watertight`.

fn main() -> std::process::ExitCode {
    watertight_cli::main("kubectl watertight")
}
