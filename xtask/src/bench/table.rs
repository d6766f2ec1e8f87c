//! The result as a table, for a terminal or for a Markdown page.

use std::time::Duration;

use super::measure::Timing;

const COLUMNS: usize = 8;
const HEADER: [&str; COLUMNS] = [
    "world",
    "format",
    "MB",
    "parse ms",
    "check ms",
    "check/parse",
    "check CPU s",
    "peak RSS MB",
];
/// The columns before this one hold text.
const FIRST_NUMBER: usize = 2;

/// What was measured of one world. A job that failed has fewer timings, maybe none.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) world: String,
    pub(super) format: &'static str,
    pub(super) bytes: u64,
    pub(super) parse: Vec<Timing>,
    pub(super) check: Vec<Timing>,
    pub(super) check_peak: Option<u64>,
}

pub(super) fn render(rows: &[Row], markdown: bool) -> String {
    let lines: Vec<[String; COLUMNS]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(rows.iter().map(Row::cells))
        .collect();
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        text += &layout(line, &widths, markdown);
        if markdown && number == 0 {
            let rule = std::array::from_fn(|column| {
                if column < FIRST_NUMBER { "---" } else { "--:" }.to_owned()
            });
            text += &layout(&rule, &widths, markdown);
        }
    }
    text
}

fn layout(cells: &[String; COLUMNS], widths: &[usize; COLUMNS], markdown: bool) -> String {
    let padded = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, &width))| {
            if column < FIRST_NUMBER {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
    let cells: Vec<String> = padded.collect();
    if markdown {
        format!("| {} |\n", cells.join(" | "))
    } else {
        format!("{}\n", cells.join("  "))
    }
}

impl Row {
    fn cells(&self) -> [String; COLUMNS] {
        let parse = median_ms(&self.parse);
        let check = median_ms(&self.check);
        let ratio = parse
            .zip(check)
            .filter(|&(parse, _)| parse > 0.0)
            .map(|(parse, check)| check / parse);
        [
            self.world.clone(),
            self.format.to_owned(),
            format!("{:.2}", self.bytes as f64 / 1e6),
            number(parse, 1),
            number(check, 1),
            number(ratio, 2),
            number(mean_cpu(&self.check), 3),
            number(self.check_peak.map(|bytes| bytes as f64 / 1e6), 1),
        ]
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn median_ms(timings: &[Timing]) -> Option<f64> {
    let mut walls: Vec<Duration> = timings.iter().map(|timing| timing.wall).collect();
    walls.sort_unstable();
    let high = walls.get(walls.len() / 2)?;
    let low = walls.get(walls.len().checked_sub(1)? / 2)?;
    Some((*low + *high).as_secs_f64() * 1000.0 / 2.0)
}

/// The mean and not the median: one run is shorter than the clock's tick, the sum of them is not.
fn mean_cpu(timings: &[Timing]) -> Option<f64> {
    let total = timings
        .iter()
        .map(|timing| timing.cpu)
        .sum::<Option<f64>>()?;
    (!timings.is_empty()).then(|| total / timings.len() as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Row, Timing, mean_cpu, median_ms, render};

    fn timings(of: &[(u64, f64)]) -> Vec<Timing> {
        of.iter()
            .map(|&(ms, cpu)| Timing {
                wall: Duration::from_millis(ms),
                cpu: Some(cpu),
            })
            .collect()
    }

    #[test]
    fn middle_and_mean() {
        assert_eq!(
            median_ms(&timings(&[(9, 0.0), (1, 0.0), (2, 0.0)])),
            Some(2.0)
        );
        assert_eq!(median_ms(&timings(&[(4, 0.0), (1, 0.0)])), Some(2.5));
        assert_eq!(median_ms(&[]), None);
        assert_eq!(mean_cpu(&timings(&[(1, 0.01), (1, 0.0)])), Some(0.005));
        assert_eq!(mean_cpu(&[]), None);
        assert_eq!(
            mean_cpu(&[Timing {
                wall: Duration::ZERO,
                cpu: None
            }]),
            None
        );
    }

    fn rows() -> [Row; 2] {
        let measured = Row {
            world: "S".to_owned(),
            format: "json",
            bytes: 94_778,
            parse: timings(&[(2, 0.0)]),
            check: timings(&[(5, 0.01)]),
            check_peak: Some(5_000_000),
        };
        [
            measured,
            Row {
                world: "some/dir".to_owned(),
                format: "yaml",
                bytes: 12_345_678,
                ..Row::default()
            },
        ]
    }

    #[test]
    fn on_a_terminal() {
        let expected = "\
world     format     MB  parse ms  check ms  check/parse  check CPU s  peak RSS MB
S         json     0.09       2.0       5.0         2.50        0.010          5.0
some/dir  yaml    12.35         -         -            -            -            -
";
        assert_eq!(render(&rows(), false), expected);
    }

    #[test]
    fn as_markdown() {
        let text = render(&rows(), true);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines.iter().all(|line| line.matches('|').count() == 9),
            "{text}"
        );
        assert!(
            lines[1].starts_with("| ---      | ---    |   --: |"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("| S        | json   |  0.09 |"),
            "{text}"
        );
    }
}
