//! `-o FORMAT` and `-o FORMAT=FILE`, for every verb that writes reports. Help and completion know the formats.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser, ValueParserFactory};

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

/// Reads an [`OutputTarget`], and tells which formats there are.
#[derive(Clone)]
pub(crate) struct OutputParser<F>(PhantomData<F>);

impl<F: ValueEnum + Send + Sync + 'static> ValueParserFactory for OutputTarget<F> {
    type Parser = OutputParser<F>;

    fn value_parser() -> Self::Parser {
        OutputParser(PhantomData)
    }
}

impl<F: ValueEnum + Send + Sync + 'static> TypedValueParser for OutputParser<F> {
    type Value = OutputTarget<F>;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        StringValueParser::new()
            .try_map(|text| text.parse::<OutputTarget<F>>())
            .parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let formats = F::value_variants().iter();
        Some(Box::new(formats.filter_map(ValueEnum::to_possible_value)))
    }
}
