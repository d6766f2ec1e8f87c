//! `-o FORMAT` and `-o FORMAT=FILE`, for every verb that writes reports.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

/// `FORMAT` or `FORMAT=FILE`; each verb has its own formats.
#[derive(Clone, Debug)]
pub(crate) struct OutputTarget<F> {
    pub(crate) format: F,
    pub(crate) file: Option<PathBuf>,
}

impl<F: ValueEnum> FromStr for OutputTarget<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the file after `=` is missing".into()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = F::from_str(format, true).map_err(|_| {
            let names: Vec<_> = F::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("`{format}` is no format; use one of {}", names.join(", "))
        })?;
        Ok(Self { format, file })
    }
}
