//! `watertight man`

use anyhow::Context as _;
use clap_mangen::Man;

use crate::args::ManArgs;
use crate::exit::Exit;

pub(super) fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let command = crate::command().name("watertight");
    match &args.out {
        Some(directory) => {
            let shown = directory.display();
            std::fs::create_dir_all(directory)
                .and_then(|()| clap_mangen::generate_to(command, directory))
                .with_context(|| format!("cannot write to `{shown}`"))?;
            Ok(Exit::Clean)
        }
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            super::print(&String::from_utf8_lossy(&page))
        }
    }
}
