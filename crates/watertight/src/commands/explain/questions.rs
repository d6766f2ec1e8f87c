//! Connections that are asked about: arguments, and files with one a line.

use std::io::Read as _;

use anyhow::{Context as _, bail};

use crate::args::ExplainArgs;

/// One connection as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) text: String,
    /// The file and the line, unless it is an argument.
    from_file: Option<(String, usize)>,
}

impl Question {
    pub(super) fn line(&self) -> Option<usize> {
        self.from_file.as_ref().map(|(_, line)| *line)
    }

    /// `flows.txt:3:9`
    pub(super) fn place(&self, column: usize) -> Option<String> {
        let (file, line) = self.from_file.as_ref()?;
        Some(format!("{file}:{line}:{column}"))
    }
}

/// The arguments, then the lines of the file.
pub(super) fn read(args: &ExplainArgs) -> anyhow::Result<Vec<Question>> {
    let mut questions: Vec<_> = args
        .flow
        .iter()
        .map(|text| Question {
            text: text.clone(),
            from_file: None,
        })
        .collect();
    if let Some(path) = &args.flows {
        let (name, bytes) = if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .context("cannot read standard input")?;
            ("<stdin>".to_owned(), bytes)
        } else {
            let name = path.display().to_string();
            let bytes = std::fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
            (name, bytes)
        };
        let text = String::from_utf8(bytes).with_context(|| format!("`{name}` is no text"))?;
        let before = questions.len();
        questions.extend(lines(&name, &text));
        if questions.len() == before {
            bail!("no connections in `{name}`; write one a line, as FROM -> TO:PORT");
        }
    }
    Ok(questions)
}

/// The lines with a connection: no blank ones, and nothing behind a `#`.
fn lines<'t>(name: &'t str, text: &'t str) -> impl Iterator<Item = Question> + 't {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = (1..).zip(text.lines());
    numbered.filter_map(move |(number, line)| {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let empty = line.trim().is_empty();
        (!empty).then(|| Question {
            text: line.to_owned(),
            from_file: Some((name.to_owned(), number)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_questions() {
        let text = "\u{feff}# all\n\na -> b:80  # why\r\n  c -> d\n#\n";
        let found: Vec<_> = lines("f", text)
            .map(|question| (question.text.clone(), question.place(2)))
            .collect();
        let expected = [
            ("a -> b:80".to_owned(), Some("f:3:2".to_owned())),
            ("  c -> d".to_owned(), Some("f:4:2".to_owned())),
        ];
        assert_eq!(found, expected);
    }
}
