//! `-o json`: the report as `watertight_core::report` defines it.

use std::io::{self, Write};

use super::Rendering;

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, rendering.report)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use watertight_core::report::check_schema;

    use super::super::Format;
    use super::super::testing::Sample;

    #[test]
    fn the_report_is_what_the_schema_says() {
        let schema = check_schema().to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for sample in [Sample::shop(), Sample::read(&[("broken.yaml", "a: [")])] {
            let text = sample.print(Format::Json);
            assert!(text.ends_with("}\n"));
            let report: Value = serde_json::from_str(&text).unwrap();
            let errors: Vec<_> = validator
                .iter_errors(&report)
                .map(|error| error.to_string())
                .collect();
            assert_eq!(errors, Vec::<String>::new());
            assert_eq!(report["apiVersion"], "watertight.dev/v1");
        }
    }
}
