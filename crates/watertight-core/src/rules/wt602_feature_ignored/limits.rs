//! Features that an engine supports in part: whether that matters for a line, and how much.

use rustc_hash::{FxHashMap, FxHashSet};

use super::probe::{AddressOf, PortOf, Prober};
use super::uses::Use;
use super::wording::{by_policy, ids, listed, partly, place, words};
use super::{RULE, acting};
use crate::diag::{Evidence, Finding, Severity};
use crate::engine::{Component, Engine, Feature, Support};
use crate::eval::Decision;
use crate::manifest::{Direction, PeerKind, PortRef};
use crate::rules::{Context, count, engines};
use crate::sets::Protocol;
use crate::world::Symbol;

/// A direction that the engine enforces in part.
pub(super) fn direction(
    context: &Context<'_>,
    direction: Direction,
    support: Support,
) -> Option<Finding> {
    let policies = acting(context, direction);
    let first = policies.first()?;
    let message = format!(
        "{} enforces {} only in part ({})",
        engines::name(context.profile),
        direction.word(),
        count(policies.len(), "policy"),
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(Severity::Note)
        .at(context.world[*first].name_span, "the first of them");
    finding.notes.extend(support.note().map(str::to_owned));
    finding
        .why
        .extend(engines::deviation(context.profile.engine));
    Some(finding)
}

/// Lines with a feature that the engine supports in part, or if it is told to.
pub(super) fn lines(
    context: &Context<'_>,
    prober: &mut Prober,
    (feature, support): (Feature, Support),
    lines: Vec<Use>,
    findings: &mut Vec<Finding>,
) {
    if lines.is_empty() {
        return;
    }
    let limits = Limits::new(context);
    let mut noted = Vec::new();
    let mut warned = Vec::new();
    for line in lines {
        match limits.weigh(context, feature, &line) {
            None => {}
            Some(Severity::Note) => noted.push(line),
            Some(_) => warned.push(line),
        }
    }
    for (policy, lines) in by_policy(warned) {
        let message = format!(
            "{}, and {} {} on it",
            partly(context.profile, feature, support),
            listed(&lines),
            if lines.len() == 1 { "relies" } else { "rely" },
        );
        let mut finding = Finding::new(&RULE, message)
            .severity(Severity::Warning)
            .subject(context.policy_subject(policy));
        finding.notes.extend(support.note().map(str::to_owned));
        finding.why.extend(ids(feature, &lines));
        finding
            .why
            .extend(engines::deviation(context.profile.engine));
        for line in &lines {
            finding = place(finding, line);
        }
        let evidence = lines
            .iter()
            .find_map(|line| relying(context, prober, feature, line));
        finding.evidence.extend(evidence);
        findings.push(finding);
    }
    if let Some(first) = noted.first() {
        let mut policies: Vec<_> = noted.iter().map(|line| line.policy).collect();
        policies.dedup();
        let message = format!(
            "{} ({} it)",
            partly(context.profile, feature, support),
            match policies.len() {
                1 => "1 policy uses".to_owned(),
                more => format!("{more} policies use"),
            }
        );
        let mut finding = Finding::new(&RULE, message).severity(Severity::Note);
        finding.notes.extend(support.note().map(str::to_owned));
        finding
            .why
            .extend(ids(feature, std::slice::from_ref(first)));
        finding
            .why
            .extend(engines::deviation(context.profile.engine));
        for line in noted.iter().take(3) {
            finding = place(finding, line);
        }
        findings.push(finding);
    }
}

/// A connection that this line admits, so that it works only if the engine has the feature.
fn relying(
    context: &Context<'_>,
    prober: &mut Prober,
    feature: Feature,
    line: &Use,
) -> Option<Evidence> {
    // An exception is in force where the address it leaves out is denied.
    let (addresses, allowed) = match feature {
        Feature::Except => (AddressOf::Except, false),
        _ => (AddressOf::Block, true),
    };
    let at = context.policy_ref(line.policy, line.direction)?;
    let tried = prober.connections(context, line, PortOf::Last, addresses);
    tried.iter().find_map(|connection| {
        let verdict = context.eval.verdict(connection);
        let side = match line.direction {
            Direction::Ingress => verdict.ingress,
            Direction::Egress => verdict.egress,
        };
        let decides = match side {
            Decision::Rule { rule, .. } => rule.policy == at && rule.rule == line.rule,
            Decision::NoRule { .. } => true,
            Decision::NotSubject | Decision::NotIsolated => false,
        };
        if verdict.allowed != allowed || !decides {
            return None;
        }
        let evidence = context.word(connection, &verdict);
        Some(Evidence {
            because: format!(
                "{}, if the engine knows {}",
                evidence.because,
                words(feature)
            ),
            ..evidence
        })
    })
}

/// What has to be known about the world to weigh limits.
#[derive(Debug)]
struct Limits {
    windows: Windows,
    /// Port names that stand for more than one number.
    ambiguous: FxHashSet<(Symbol, Protocol)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Windows {
    Present,
    Absent,
    Unknown,
}

impl Limits {
    fn new(context: &Context<'_>) -> Self {
        let world = context.world;
        let systems: Vec<_> = world
            .nodes
            .iter()
            .filter_map(|node| world.symbols.value(&node.labels, "kubernetes.io/os"))
            .collect();
        let windows = match systems.as_slice() {
            [] => Windows::Unknown,
            known if known.contains(&"windows") => Windows::Present,
            _ => Windows::Absent,
        };
        let mut numbers: FxHashMap<(Symbol, Protocol), u16> = FxHashMap::default();
        let mut ambiguous = FxHashSet::default();
        for port in world.endpoints.iter().flat_map(|endpoint| &endpoint.ports) {
            let Some(name) = port.name else { continue };
            let key = (name, port.protocol);
            let first = *numbers.entry(key).or_insert(port.number);
            if first != port.number {
                ambiguous.insert(key);
            }
        }
        Self { windows, ambiguous }
    }

    /// How much the limit matters for this line; `None` if it does not concern it.
    fn weigh(&self, context: &Context<'_>, feature: Feature, line: &Use) -> Option<Severity> {
        let profile = context.profile;
        let full = Some(Severity::Warning);
        match (feature, profile.engine) {
            (Feature::NamedPort, _) if engines::runs(profile, Engine::Cilium) => {
                full.filter(|_| {
                    line.direction == Direction::Egress && self.is_ambiguous(context, line)
                })
            }
            (Feature::Except | Feature::NamedPort | Feature::Sctp, Engine::AzureNpm) => {
                match self.windows {
                    Windows::Present => full,
                    Windows::Absent => None,
                    Windows::Unknown => Some(Severity::Note),
                }
            }
            (Feature::Except, Engine::AwsVpcCni) => full.filter(|_| overwritten(context, line)),
            // The controller is updated by Amazon, and clusters have one family.
            (Feature::NamedPort | Feature::Ipv6, Engine::AwsVpcCni) => Some(Severity::Note),
            // Off or on is what matters; Services are beside it.
            (Feature::Sctp, _)
                if engines::runs(profile, Engine::Cilium)
                    && matches!(profile.feature(feature), Support::Partial(_)) =>
            {
                Some(Severity::Note)
            }
            // The limit is about the sources of incoming connections.
            (Feature::IpBlock, Engine::Weave) => {
                full.filter(|_| line.direction == Direction::Ingress)
            }
            (Feature::Except, Engine::KubeOvn) => {
                let peers = line.rule(context).map_or(0, |rule| rule.peers.len());
                full.filter(|_| peers > 1)
            }
            (Feature::NamedPort, Engine::KubeOvn) => Some(Severity::Note),
            _ => full,
        }
    }

    fn is_ambiguous(&self, context: &Context<'_>, line: &Use) -> bool {
        let Some(port) = line.port(context) else {
            return false;
        };
        let Some(PortRef::Name(name)) = &port.port else {
            return false;
        };
        let name = context.world.symbols.get(name);
        name.is_some_and(|name| self.ambiguous.contains(&(name, port.protocol)))
    }
}

/// Whether another block of the direction can take the place of an exception in the agent's map:
/// one that is equal, or in its first releases one that covers every address.
fn overwritten(context: &Context<'_>, line: &Use) -> bool {
    let Some(own) = line.block(context) else {
        return false;
    };
    let rules = &context.world[line.policy]
        .spec
        .section(line.direction)
        .rules;
    let peers = || rules.iter().flat_map(|rule| &rule.peers);
    let blocks = || {
        peers().filter_map(|peer| match &peer.kind {
            PeerKind::IpBlock(block) => Some(block),
            PeerKind::Selectors { .. } => None,
        })
    };
    let first_releases = Component::AwsAgent.before(1, 0, 4);
    let releases = context.profile.releases();
    if releases
        .iter()
        .any(|release| first_releases.contains(*release))
    {
        return rules.iter().any(|rule| rule.peers.is_empty())
            || blocks().any(|block| block.is_whole_family() && block.except.is_empty());
    }
    own.except.iter().any(|except| {
        let nets = blocks().flat_map(|block| {
            let excepts = block.except.iter().map(|except| except.net);
            excepts.chain([block.cidr.net])
        });
        nets.filter(|net| *net == except.net).count() > 1
    })
}
