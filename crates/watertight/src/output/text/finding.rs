//! One finding in the manner of rustc: title, excerpts, evidence, notes, help, patch.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Padding, Patch, Renderer, Snippet,
};
use anstyle::Style;
use watertight_core::diag;
use watertight_core::report::{Evidence, Finding, Fix};
use watertight_core::source::FileId;

use super::excerpt::{Excerpt, Place, excerpts};
use crate::output::{Rendering, because, connection, harmless, one_line, shortened, verdict, wrap};

/// Characters of a label, and of a line that stands for an excerpt.
const MAX_LABEL: usize = 200;
/// Characters of a message, a note or a proof: a manifest can have names of any length.
const MAX_TEXT: usize = 2000;
/// Lines of a manifest.
const MAX_MANIFEST: usize = 25;

/// Writes a finding; `finding` and `found` are the same one.
pub(super) fn render(
    rendering: &Rendering<'_>,
    renderer: &Renderer,
    finding: &Finding,
    found: &diag::Finding,
    out: &mut dyn Write,
) -> io::Result<()> {
    let level = match finding.severity.as_str() {
        "error" => Level::ERROR,
        "warning" => Level::WARNING,
        _ => Level::NOTE,
    };
    let title = level
        .primary_title(brief(&finding.message, MAX_TEXT))
        .id(finding.rule.as_str());
    let patches = found
        .fix
        .as_ref()
        .map(|fix| patches(rendering, fix))
        .unwrap_or_default();
    let text = Wrapped::new(rendering, finding);
    let mut group = Group::with_title(title).elements(places(rendering, finding, found));
    if let (true, Some(subject)) = (finding.locations.is_empty(), &found.subject) {
        group = group.element(text.message("about", &subject.to_string()));
    }
    for evidence in &finding.evidence {
        group = group.element(text.evidence(evidence, rendering.color));
    }
    for note in &finding.notes {
        group = group.element(text.message("note", note));
    }
    if !finding.why.is_empty() {
        let why = format!("{} (docs/semantics.md)", finding.why.join(", "));
        group = group.element(text.message("why", &why));
    }
    let mut groups = Vec::new();
    match &finding.fix {
        Some(fix) if patches.is_empty() => groups.push(group.element(text.help(fix))),
        Some(fix) => {
            let title = Level::HELP.secondary_title(brief(&fix.message, MAX_TEXT));
            groups.push(group);
            groups.push(Group::with_title(title).elements(patches));
        }
        None => groups.push(group),
    }
    writeln!(out, "{}", renderer.render(&groups))?;
    match finding.fix.as_ref().and_then(|fix| fix.manifest.as_deref()) {
        Some(text) => manifest(text, out),
        None => Ok(()),
    }
}

/// The places of a finding, the cause first; then what else is in its file, then other files.
fn places<'a>(
    rendering: &Rendering<'_>,
    finding: &Finding,
    found: &diag::Finding,
) -> Vec<Element<'a>> {
    let sources = rendering.sources;
    let mut files: Vec<(FileId, Vec<Place>)> = Vec::new();
    let mut elements = Vec::new();
    let mut undrawn = Vec::new();
    for (which, label) in found.labels.iter().enumerate() {
        let file = label.span.file;
        match Place::of_label(sources, which, label.span) {
            None => {
                // The cause leads, whether it can be drawn or not.
                let list = if which == 0 {
                    &mut elements
                } else {
                    &mut undrawn
                };
                list.extend(far(rendering, finding, found, which).into_iter().flatten());
            }
            Some(place) => match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, places)) => places.push(place),
                None => files.push((file, vec![place])),
            },
        }
    }
    for (file, places) in files {
        let mut excerpts = excerpts(sources, places);
        let holds_cause = |excerpt: &Excerpt| excerpt.marks.iter().any(|(which, _)| *which == 0);
        excerpts.sort_by_key(|excerpt| !holds_cause(excerpt));
        let path = one_line(sources.file(file).name());
        for excerpt in excerpts {
            let annotations: Vec<_> = excerpt
                .marks
                .iter()
                .map(|(which, mark)| annotation(finding, *which, mark.clone()))
                .collect();
            let snippet = Snippet::source(excerpt.text)
                .line_start(excerpt.line)
                .path(path.clone())
                .annotations(annotations);
            elements.push(snippet.into());
        }
    }
    elements.extend(undrawn);
    elements
}

/// A place whose line is too long to draw: where it is, what is there, what to see in it.
fn far<'a>(
    rendering: &Rendering<'_>,
    finding: &Finding,
    found: &diag::Finding,
    which: usize,
) -> Option<[Element<'a>; 3]> {
    let at = finding.locations.get(which)?;
    let origin = Origin::path(one_line(&at.path))
        .line(at.line as usize)
        .char_column(at.column as usize);
    let marked = rendering.sources.text(found.labels.get(which)?.span);
    let marked = brief(marked.trim(), MAX_LABEL);
    let text = format!("{marked}  {}", brief(&at.label, MAX_LABEL));
    let here = Level::NOTE
        .with_name("here")
        .message(text.trim().to_owned());
    Some([origin.into(), Padding.into(), here.into()])
}

/// One harmless line of at most `limit` characters.
fn brief(text: &str, limit: usize) -> String {
    one_line(&shortened(text, limit))
}

fn annotation<'a>(finding: &Finding, which: usize, mark: Range<usize>) -> Annotation<'a> {
    let kind = if which == 0 {
        AnnotationKind::Primary
    } else {
        AnnotationKind::Context
    };
    let label = finding
        .locations
        .get(which)
        .map(|at| brief(&at.label, MAX_LABEL));
    kind.span(mark)
        .label(label.filter(|label| !label.is_empty()))
}

/// The edits of a fix as patches; empty if there are none or if they cannot all be drawn.
fn patches<'a>(rendering: &Rendering<'_>, fix: &diag::Fix) -> Vec<Element<'a>> {
    let sources = rendering.sources;
    let mut files: Vec<(FileId, Vec<Place>)> = Vec::new();
    let mut texts = Vec::new();
    for (which, edit) in fix.edits.iter().enumerate() {
        let Some((place, text)) = Place::of_edit(sources, which, edit) else {
            return Vec::new();
        };
        texts.push(text);
        match files.iter_mut().find(|(file, _)| *file == edit.span.file) {
            Some((_, places)) => places.push(place),
            None => files.push((edit.span.file, vec![place])),
        }
    }
    let mut elements = Vec::new();
    for (file, mut places) in files {
        places.sort_by_key(|place| place.mark().start);
        let overlap = |pair: &[Place]| match pair {
            [one, two] => one.mark().end > two.mark().start,
            _ => false,
        };
        if places.windows(2).any(overlap) {
            return Vec::new();
        }
        let path = one_line(sources.file(file).name());
        for excerpt in excerpts(sources, places) {
            let patches = excerpt.marks.iter().filter_map(|(which, mark)| {
                let new = harmless(texts.get(*which)?).into_owned();
                Some(Patch::new(mark.clone(), new))
            });
            let snippet = Snippet::source(excerpt.text.clone())
                .line_start(excerpt.line)
                .path(path.clone())
                .patches(patches.collect::<Vec<_>>());
            elements.push(snippet.into());
        }
    }
    elements
}

/// Messages below the excerpts, wrapped so that they fit beside their name.
struct Wrapped {
    /// The columns behind `= `.
    room: usize,
}

impl Wrapped {
    fn new(rendering: &Rendering<'_>, finding: &Finding) -> Self {
        let edits = finding
            .fix
            .iter()
            .flat_map(|fix| &fix.edits)
            .map(|edit| &edit.location);
        let lines = finding.locations.iter().chain(edits).map(|at| at.line);
        let gutter = lines.max().unwrap_or_default().to_string().len();
        Self {
            room: rendering.width.saturating_sub(gutter + 3).max(40),
        }
    }

    fn message<'a>(&self, name: &'a str, text: &str) -> Element<'a> {
        let text = harmless(&shortened(text, MAX_TEXT)).replace('\r', "");
        let text = wrap(&text, self.room.saturating_sub(name.len() + 2));
        Level::NOTE.with_name(name).message(text).into()
    }

    fn evidence<'a>(&self, evidence: &Evidence, color: bool) -> Element<'a> {
        let name = "evidence";
        let room = self.room.saturating_sub(name.len() + 2);
        let connection = brief(&connection(evidence), MAX_TEXT);
        let because = brief(&because(evidence), MAX_TEXT);
        let verdict = verdict(evidence);
        let bold = if color {
            Style::new().bold()
        } else {
            Style::new()
        };
        let width = |text: &str| text.chars().count();
        let fits = width(&connection) + width(verdict) + width(&because) + 4 <= room;
        let text = if fits {
            format!("{connection}  {bold}{verdict}{bold:#}  {because}")
        } else {
            format!(
                "{connection}  {bold}{verdict}{bold:#}\n{}",
                wrap(&because, room)
            )
        };
        Level::NOTE.with_name(name).message(text).into()
    }

    /// Advice; says where the edits are if they are not drawn.
    fn help<'a>(&self, fix: &Fix) -> Element<'a> {
        match fix.edits.first() {
            None => self.message("help", &fix.message),
            Some(edit) => {
                let (path, line) = (&edit.location.path, edit.location.line);
                let text = format!("{} (at {path}:{line}; -o json has the edit)", fix.message);
                self.message("help", &text)
            }
        }
    }
}

/// A manifest to add, indented so that it stands apart and still can be copied.
fn manifest(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    for line in text.lines().take(MAX_MANIFEST) {
        writeln!(out, "    {}", harmless(line).trim_end())?;
    }
    match text.lines().count().checked_sub(MAX_MANIFEST) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(
            out,
            "    ... and {more} more lines (-o json has all of them)"
        ),
    }
}
