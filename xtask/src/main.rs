//! Automation of this repository: `cargo xtask COMMAND`.

mod bench;
mod cases;
mod corpus;
mod docs;
mod image;
mod synth;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Automation of the Watertight repository
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Run semantic cases: policies, connections and the verdicts that they must get
    Cases(cases::CasesArgs),
    /// Write a synthetic cluster
    Synth(synth::SynthArgs),
    /// Measure the program beside the mere parse of the same bytes, and its parts from inside
    Bench(bench::BenchArgs),
    /// Run folders of manifests with the connectivity that other tools expect
    Corpus(corpus::CorpusArgs),
    /// Write the image of the program: one static binary, as an OCI archive
    Image(image::ImageArgs),
    /// Write the pages that are made from the code
    Docs,
    /// Check what no compiler checks
    Tidy,
    #[command(hide = true)]
    BenchParse(bench::ParseArgs),
    #[command(hide = true)]
    BenchPeak(bench::PeakArgs),
    #[command(hide = true)]
    BenchInside(bench::InsideArgs),
    #[command(hide = true)]
    BenchServe(bench::ServeArgs),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Cases(args) => cases::run(&args),
        Command::Synth(args) => synth::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Corpus(args) => corpus::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Docs => docs::run(),
        Command::Tidy => tidy::run(),
        Command::BenchParse(args) => bench::parse(&args),
        Command::BenchPeak(args) => bench::peak(args),
        Command::BenchInside(args) => bench::inside(&args),
        Command::BenchServe(args) => bench::serve(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
