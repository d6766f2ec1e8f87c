//! Tables for a terminal or for a Markdown page.

/// Rows below a header.
#[derive(Debug)]
pub(super) struct Table {
    /// The first columns hold text, all others numbers.
    pub(super) texts: usize,
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn render(&self, markdown: bool) -> String {
        let header: Vec<String> = self.header.iter().map(|&title| title.to_owned()).collect();
        let mut widths = vec![if markdown { 3 } else { 0 }; header.len()];
        for line in std::iter::once(&header).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = self.line(&header, &widths, markdown);
        if markdown {
            let rule = |(column, &width): (usize, &usize)| {
                let dashes = "-".repeat(width.saturating_sub(1));
                let end = if column < self.texts { '-' } else { ':' };
                format!("{dashes}{end}")
            };
            let rules: Vec<String> = widths.iter().enumerate().map(rule).collect();
            text += &self.line(&rules, &widths, markdown);
        }
        for row in &self.rows {
            text += &self.line(row, &widths, markdown);
        }
        text
    }

    fn line(&self, cells: &[String], widths: &[usize], markdown: bool) -> String {
        let padded = cells.iter().zip(widths).enumerate();
        let padded = padded.map(|(column, (cell, &width))| {
            if column < self.texts {
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
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn table() -> Table {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        Table {
            texts: 1,
            header: vec!["world", "MB", "parse ms"],
            rows: vec![row(["S", "0.09", "2.0"]), row(["some/dir", "12.35", "-"])],
        }
    }

    #[test]
    fn on_a_terminal() {
        let expected = "\
world        MB  parse ms
S          0.09       2.0
some/dir  12.35         -
";
        assert_eq!(table().render(false), expected);
    }

    #[test]
    fn as_markdown() {
        let expected = "\
| world    |    MB | parse ms |
| -------- | ----: | -------: |
| S        |  0.09 |      2.0 |
| some/dir | 12.35 |        - |
";
        assert_eq!(table().render(true), expected);
    }
}
