//! `-o json`: the report as `watertight_core::report::reach` defines it, one line for each unit and
//! each connection, written while connections are found.

use std::io::{self, Write};
use std::sync::atomic::AtomicUsize;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::Rendering;

pub(super) fn render(rendering: &Rendering<'_, '_>, out: &mut dyn Write) -> io::Result<usize> {
    let pairs = AtomicUsize::new(0);
    let report = rendering
        .reporter
        .streamed(rendering.problems, rendering.complete, &pairs);
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Lines::default());
    report.serialize(&mut serializer)?;
    writeln!(out)?;
    Ok(pairs.into_inner())
}

/// A line for each field of the report, and for each item of its lists.
#[derive(Debug, Default)]
struct Lines {
    depth: usize,
}

impl Lines {
    fn line<W: ?Sized + Write>(&self, first: bool, writer: &mut W) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.depth <= 2 {
            writer.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl Formatter for Lines {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            writer.write_all(b"\n")?;
        }
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.depth == 1 {
            return self.line(first, writer);
        }
        writer.write_all(if first { b"" } else { b"," })
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.line(first, writer)
    }
}
