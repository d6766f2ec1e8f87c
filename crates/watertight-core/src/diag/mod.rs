//! What Watertight tells a user: findings.
//!
//! Reading and rules make the same [`Finding`], so that output, suppression and exit codes know
//! one thing only. A finding carries computed evidence: concrete connections with their verdicts.

mod order;
pub(crate) mod quote;
mod suppression;

use crate::rules::Rule;
use crate::source::Span;

pub use order::sort;
pub use quote::{brief, in_place_of, scalar};
pub use suppression::{ConfigEntry, Markers, Suppressed, apply};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is open or broken because of it.
    Note,
    /// A control that is weaker than it looks.
    Warning,
    /// A control that does not hold, or an object that a cluster would refuse.
    Error,
}

impl Severity {
    /// The severity as flags and reports spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place with a remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words; may be empty.
    pub text: String,
}

/// A connection that the evaluator judged, as proof of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who connects, in the spelling of the command line: `shop/web-0`, `ip:203.0.113.9`.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The destination address, where one is known.
    pub address: Option<std::net::IpAddr>,
    /// `tcp`, `udp`, `sctp` or `icmp`.
    pub protocol: &'static str,
    /// The destination port; none for protocols without ports.
    pub port: Option<u16>,
    /// Whether the connection is allowed.
    pub allowed: bool,
    /// Which policy line or which lack of one decides, in words.
    pub because: String,
    /// That line.
    pub by: Option<Span>,
}

/// A change of one place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// The new text.
    pub text: String,
}

/// A change that settles a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to do, in the imperative.
    pub message: String,
    /// The edits that do it; empty if only a person can choose.
    pub edits: Vec<Edit>,
    /// A complete manifest to add, if the fix is a new object.
    pub manifest: Option<String>,
    /// Why a person should look at it first; none if it is certain to be what is wanted.
    pub doubt: Option<&'static str>,
}

impl Fix {
    /// Advice without an edit.
    #[must_use]
    pub fn advice(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            edits: Vec::new(),
            manifest: None,
            doubt: None,
        }
    }

    /// Another name in the place of one; where the place is longer than the name, it has quotes.
    #[must_use]
    pub fn rename(span: Span, written: &str, name: &str) -> Self {
        let is_quoted = (span.end.saturating_sub(span.start)) as usize > written.len();
        let text = in_place_of(if is_quoted { "\"" } else { written }, name);
        Self::replace(format!("write `{name}`"), span, text)
    }

    /// A change of these places; advice if there are none.
    #[must_use]
    pub fn edits(message: impl Into<String>, edits: impl IntoIterator<Item = Edit>) -> Self {
        Self {
            edits: edits.into_iter().collect(),
            ..Self::advice(message)
        }
    }

    /// A new object.
    #[must_use]
    pub fn object(message: impl Into<String>, manifest: String) -> Self {
        Self {
            manifest: Some(manifest),
            ..Self::advice(message)
        }
    }

    /// Says why it is not certain.
    #[must_use]
    pub fn doubt(mut self, why: &'static str) -> Self {
        self.doubt = Some(why);
        self
    }

    /// Marks that it rests on what was probably meant.
    #[must_use]
    pub fn guess(self) -> Self {
        self.doubt("it is a guess at what is meant")
    }

    /// Whether it changes anything by itself.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !self.edits.is_empty() || self.manifest.is_some()
    }

    /// A replacement of one place.
    #[must_use]
    pub fn replace(message: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        Self {
            edits: vec![Edit {
                span,
                text: text.into(),
            }],
            ..Self::advice(message)
        }
    }
}

/// The object that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The kind, as in the manifest.
    pub kind: String,
    /// The namespace, if the object has one.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One thing that is wrong, with the proof.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong for this cluster: one sentence, no full stop.
    pub message: String,
    /// Where; the first place is the cause. Empty if nothing in the files causes it.
    pub labels: Vec<Label>,
    /// The field path inside the object (`spec.ingress[0].ports[1].port`).
    pub field: Option<String>,
    /// Connections that prove it.
    pub evidence: Vec<Evidence>,
    /// More to know.
    pub notes: Vec<String>,
    /// Ids of docs/semantics.md that decide it.
    pub why: Vec<&'static str>,
    /// How to settle it.
    pub fix: Option<Fix>,
    /// What it is about.
    pub subject: Option<Subject>,
    /// Whether something could not be analysed because of it.
    pub incomplete: bool,
}

impl Finding {
    /// A finding with the rule's own severity and nothing else yet.
    #[must_use]
    pub fn new(rule: &'static Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity,
            message: message.into(),
            labels: Vec::new(),
            field: None,
            evidence: Vec::new(),
            notes: Vec::new(),
            why: Vec::new(),
            fix: None,
            subject: None,
            incomplete: false,
        }
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a place; the first one is the cause.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds a judged connection.
    #[must_use]
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Cites semantics.
    #[must_use]
    pub fn why(mut self, ids: &[&'static str]) -> Self {
        self.why.extend(ids);
        self
    }

    /// Sets the way out.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Sets the object.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Marks that something could not be analysed.
    #[must_use]
    pub fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// Where the cause is.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }
}
