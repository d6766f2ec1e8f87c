//! From a check to its report.

use super::{
    API_VERSION, Answer, Assumption, CheckReport, Counts, Edit, Engine, Evidence, Finding, Fix,
    Location, Namespace, NoFindings, Share, Subject, Summary, SuppressedFinding, Tool, fingerprint,
};
use crate::analysis::namespaces::{self, NamespaceRow};
use crate::analysis::policies::PolicyCounts;
use crate::check::Checked;
use crate::diag::{self, Severity};
use crate::engine::Profile;
use crate::rules::{count, parallel, some_of};
use crate::source::{Sources, Span};
use crate::world::World;

/// The report of a check.
#[must_use]
pub fn report(sources: &Sources, checked: &Checked) -> CheckReport {
    let rest = without_findings(sources, checked);
    CheckReport {
        findings: parallel::map(&checked.findings, |found| finding(sources, found)),
        api_version: rest.api_version,
        kind: rest.kind,
        tool: rest.tool,
        engine: rest.engine,
        summary: rest.summary,
        assumptions: rest.assumptions,
        suppressed: rest.suppressed,
        namespaces: rest.namespaces,
    }
}

/// The report of a check but for its findings, which [`finding`] makes one by one.
#[must_use]
pub fn without_findings(sources: &Sources, checked: &Checked) -> CheckReport<NoFindings> {
    let suppressed: Vec<_> = checked
        .suppressed
        .iter()
        .map(|suppressed| SuppressedFinding {
            reason: suppressed.reason.clone(),
            finding: finding(sources, &suppressed.finding),
        })
        .collect();
    CheckReport {
        api_version: API_VERSION.into(),
        kind: "CheckReport".into(),
        tool: tool(),
        engine: engine(&checked.profile),
        summary: summary(sources, checked),
        assumptions: assumptions(&checked.world),
        findings: NoFindings::default(),
        suppressed,
        namespaces: checked
            .namespaces
            .iter()
            .map(|row| namespace(&checked.world, row))
            .collect(),
    }
}

pub(super) fn tool() -> Tool {
    Tool {
        name: "watertight".into(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

pub(super) fn engine(profile: &Profile) -> Engine {
    let switches = profile.switches.describe().into_iter();
    Engine {
        name: profile.engine.name().into(),
        version: profile.version.map(|version| version.to_string()),
        enforcement: profile.enforcement().word().into(),
        switches: switches
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    }
}

fn summary(sources: &Sources, checked: &Checked) -> Summary {
    let world = &checked.world;
    let read = || world.endpoints.iter().filter(|endpoint| !endpoint.assumed);
    let single = read()
        .filter(|endpoint| endpoint.workload.is_none())
        .count();
    let owning = world
        .workloads
        .iter()
        .filter(|workload| !workload.endpoints.is_empty());
    let policies = PolicyCounts::of(world);
    let mut counts = Counts::default();
    for finding in &checked.findings {
        match finding.severity {
            Severity::Error => counts.error += 1,
            Severity::Warning => counts.warning += 1,
            Severity::Note => counts.note += 1,
        }
    }
    Summary {
        files: sources.len(),
        namespaces: world.namespaces.len(),
        workloads: owning.count() + single,
        pods: read().count(),
        policies: policies.total(),
        policies_by_kind: policies.by_kind,
        staged_policies: policies.staged,
        findings: counts,
        suppressed: checked.suppressed.len(),
        complete: checked.is_complete(),
        broken_documents: checked.broken,
        not_objects: checked.not_objects,
        not_evaluated: checked.not_evaluated.clone(),
        other_kinds: checked.other_kinds.clone(),
    }
}

pub(super) fn assumptions(world: &World) -> Vec<Assumption> {
    let assumed = &world.assumed;
    let mut found = Vec::new();
    let mut add = |id: &str, text: String| {
        found.push(Assumption {
            id: id.into(),
            text,
        });
    };
    if let Some(engine) = &assumed.engine {
        add(
            "M-5",
            format!("the network engine is taken to be {engine} (--engine)"),
        );
    }
    if assumed.without_address > 0 {
        let cidrs: Vec<_> = assumed.pod_cidrs.iter().map(ToString::to_string).collect();
        let verb = if assumed.without_address == 1 {
            "has"
        } else {
            "have"
        };
        add(
            "M-1",
            format!(
                "{} {verb} no address in the input: taken to lie in {} (--pod-cidr)",
                count(assumed.without_address, "workload"),
                some_of(&cidrs)
            ),
        );
    }
    if assumed.dns.is_some() {
        add(
            "M-2",
            "no cluster DNS in the input: taken to be pods labelled k8s-app=kube-dns in kube-system, \
             listening on 53 over UDP and TCP (--no-assumed-dns)"
                .into(),
        );
    }
    if !assumed.namespaces.is_empty() {
        let names: Vec<_> = assumed
            .namespaces
            .iter()
            .map(|id| world[*id].name.to_string())
            .collect();
        let what = if names.len() == 1 {
            "namespace is"
        } else {
            "namespaces are"
        };
        add(
            "M-3",
            format!(
                "{} {what} used without an object ({}): taken to have only the name label",
                names.len(),
                some_of(&names)
            ),
        );
    }
    if assumed.without_namespace > 0 {
        add(
            "V-1",
            format!(
                "{} no namespace: read as `{}` (--default-namespace)",
                match assumed.without_namespace {
                    1 => "1 object names".to_owned(),
                    more => format!("{more} objects name"),
                },
                assumed.default_namespace
            ),
        );
    }
    found
}

/// A finding as reports say it.
#[must_use]
pub fn finding(sources: &Sources, found: &diag::Finding) -> Finding {
    Finding {
        rule: found.rule.id.into(),
        name: found.rule.name.into(),
        severity: found.severity.word().into(),
        message: found.message.clone(),
        subject: found.subject.as_ref().map(|subject| Subject {
            kind: subject.kind.clone(),
            namespace: subject.namespace.clone(),
            name: subject.name.clone(),
        }),
        field: found.field.clone(),
        locations: found
            .labels
            .iter()
            .map(|label| location(sources, label.span, &label.text))
            .collect(),
        evidence: found
            .evidence
            .iter()
            .map(|found| evidence(sources, found))
            .collect(),
        notes: found.notes.clone(),
        why: found.why.iter().map(|id| (*id).into()).collect(),
        fix: found.fix.as_ref().map(|fix| Fix {
            message: fix.message.clone(),
            edits: fix
                .edits
                .iter()
                .map(|edit| Edit {
                    location: location(sources, edit.span, ""),
                    text: edit.text.clone(),
                })
                .collect(),
            manifest: fix.manifest.clone(),
            doubt: fix.doubt.map(str::to_owned),
        }),
        fingerprint: fingerprint(sources, found),
    }
}

pub(super) fn evidence(sources: &Sources, found: &diag::Evidence) -> Evidence {
    Evidence {
        from: found.from.clone(),
        to: found.to.clone(),
        address: found.address.map(|ip| ip.to_string()),
        protocol: found.protocol.into(),
        port: found.port,
        verdict: if found.allowed { "allow" } else { "deny" }.into(),
        because: found.because.clone(),
        by: found.by.map(|span| location(sources, span, "")),
    }
}

pub(super) fn location(sources: &Sources, span: Span, label: &str) -> Location {
    let (start, end) = (sources.start(span), sources.end(span));
    Location {
        path: sources.file(span.file).name().into(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        label: label.into(),
    }
}

fn namespace(world: &World, row: &NamespaceRow) -> Namespace {
    let share = |share: namespaces::Share| Share {
        of: share.of,
        total: share.total,
    };
    let answer = |word: &str, share: namespaces::Share| Answer {
        word: word.into(),
        of: share.of,
        total: share.total,
    };
    let enforcing = row.enforced_word() == "yes" || row.enforced_word() == "window";
    Namespace {
        name: world[row.namespace].name.to_string(),
        policies: row.policies,
        workloads: row.workloads,
        pods: row.both.total,
        host_network_pods: row.host_network,
        enforced: Answer {
            word: row.enforced_word().into(),
            of: if enforcing { row.policies } else { 0 },
            total: row.policies,
        },
        isolated: answer(row.isolated_word(), row.both),
        ingress: share(row.ingress),
        egress: share(row.egress),
        dns: answer(row.dns_word(), row.dns),
        closed: answer(row.closed_word(), row.metadata_closed),
        api_closed: row.api_closed.map(share),
    }
}
