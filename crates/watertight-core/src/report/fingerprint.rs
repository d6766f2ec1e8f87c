//! What identifies a finding across runs and edits: its rule, object, field and file, no line.

use crate::diag::Finding;
use crate::source::{Sources, without_revision};

/// 16 hexadecimal digits (FNV-1a, 64 bits): stable across platforms and versions.
#[must_use]
pub fn fingerprint(sources: &Sources, finding: &Finding) -> String {
    let mut hash = Fnv::new();
    hash.part(finding.rule.id);
    if let Some(subject) = &finding.subject {
        let namespace = subject.namespace.as_deref();
        let slash = namespace.map_or("", |_| "/");
        let namespace = namespace.unwrap_or_default();
        // As it is displayed.
        hash.parts(&[&subject.kind, " ", namespace, slash, &subject.name]);
    }
    hash.part(finding.field.as_deref().unwrap_or_default());
    if let Some(span) = finding.span() {
        hash.part(without_revision(sources.file(span.file).name()));
        // Two findings of a rule in one object differ by what they point at.
        let line = sources.text(span).lines().next().unwrap_or_default();
        hash.part(line.trim());
    } else {
        hash.part(&finding.message);
    }
    format!("{:016x}", hash.0)
}

struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn part(&mut self, text: &str) {
        self.parts(&[text]);
    }

    /// One part, in pieces.
    fn parts(&mut self, texts: &[&str]) {
        for byte in texts.iter().flat_map(|text| text.bytes()).chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
