//! stub
pub(crate) struct Rendering<'a> {
    pub(crate) report: &'a watertight_core::report::CheckReport,
    pub(crate) checked: &'a watertight_core::check::Checked,
    pub(crate) sources: &'a watertight_core::source::Sources,
    pub(crate) color: bool,
    pub(crate) width: usize,
    pub(crate) show_suppressed: bool,
    pub(crate) quiet: bool,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Concise,
    Json,
    Sarif,
    Junit,
    Github,
}
impl Format {
    pub(crate) fn render(
        self,
        r: &Rendering<'_>,
        out: &mut dyn std::io::Write,
    ) -> std::io::Result<()> {
        if self == Format::Json {
            serde_json::to_writer_pretty(out, r.report)?;
            return Ok(());
        }
        for f in &r.report.findings {
            writeln!(
                out,
                "{} {}[{}] {}",
                f.locations
                    .first()
                    .map(|l| format!("{}:{}:{}", l.path, l.line, l.column))
                    .unwrap_or_default(),
                f.severity,
                f.rule,
                f.message
            )?;
        }
        Ok(())
    }
}
