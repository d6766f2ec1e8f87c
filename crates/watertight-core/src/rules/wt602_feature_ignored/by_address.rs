//! Engines on which an ipBlock never matches pods or nodes (L-44, L-45; switches `ipblock_pods`
//! and `ipblock_nodes`).

use super::probe::{Residents, connections_with};
use super::uses::{Use, uses};
use super::wording::{by_policy, listed, place};
use super::{RULE, differs, with_eval};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::engine::{Engine, Feature, IpBlockPods, Profile, Switches};
use crate::eval::{Connection, Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::policy;
use crate::rules::{Context, count, engines};
use crate::sets::IpBlock;
use crate::world::PolicyId;

/// A line whose block covers somebody whom the engine does not let it match.
struct Miss {
    line: Use,
    evidence: Evidence,
    /// The one who is missed is a node, and not a pod.
    node: bool,
    /// His address is assumed (M-1).
    assumed: bool,
}

/// Lines with a block of a whole family that are tried: they are summed up in one note.
const WHOLE_FAMILY_TRIES: usize = 100;

pub(super) fn check(context: &Context<'_>, skip_egress: bool, findings: &mut Vec<Finding>) {
    let lines = uses(context, Feature::IpBlock);
    if lines.is_empty() {
        return;
    }
    let switches = Switches {
        ipblock_pods: IpBlockPods::Match,
        ipblock_nodes: true,
        ..context.eval.switches
    };
    let profile = Profile {
        switches,
        ..*context.profile
    };
    let ruleset = policy::lower(context.world, &profile);
    let eval = Evaluator::new(context.world, &ruleset, switches);
    let search = Search {
        context,
        paper: with_eval(context, &eval),
        pods: match context.eval.switches.ipblock_pods {
            IpBlockPods::Never => Residents::pods(context),
            IpBlockPods::Match => Residents::default(),
        },
        nodes: match context.eval.switches.ipblock_nodes {
            false => Residents::nodes(context),
            true => Residents::default(),
        },
    };
    let considered = lines
        .into_iter()
        .filter(|line| !(skip_egress && line.direction == Direction::Egress));
    let (whole, narrow): (Vec<_>, Vec<_>) = considered.partition(|line| {
        line.block(context)
            .is_some_and(|block| block.is_whole_family())
    });
    for (policy, lines) in by_policy(narrow) {
        let misses: Vec<_> = lines.iter().flat_map(|line| search.misses(line)).collect();
        findings.extend(narrow_finding(context, policy, misses));
    }
    findings.extend(whole_finding(context, &search, whole));
}

struct Search<'s> {
    context: &'s Context<'s>,
    paper: Context<'s>,
    pods: Residents,
    nodes: Residents,
}

impl Search<'_> {
    /// A node and a pod that the line admits on paper and not on this engine.
    fn misses(&self, line: &Use) -> Vec<Miss> {
        let Some(block) = line.block(self.context) else {
            return Vec::new();
        };
        let (nodes, pods) = (self.nodes.in_block(block), self.pods.in_block(block));
        [nodes, pods]
            .into_iter()
            .filter_map(|missed| self.first_miss(line, block, missed))
            .collect()
    }

    fn first_miss(&self, line: &Use, block: &IpBlock, missed: Vec<Party>) -> Option<Miss> {
        let world = self.context.world;
        missed.into_iter().find_map(|party| {
            let tried = connections_with(self.context, line, party);
            let family = Some(Family::of(block.cidr.net.addr()));
            let evidence = tried.into_iter().find_map(|connection| {
                let connection = Connection {
                    family,
                    ..connection
                };
                differs(&self.paper, self.context, &connection)
            })?;
            Some(Miss {
                line: line.clone(),
                evidence,
                node: matches!(party, Party::Node(_)),
                assumed: matches!(party, Party::Endpoint(id) if world[id].ips.is_empty()),
            })
        })
    }
}

fn narrow_finding(context: &Context<'_>, policy: PolicyId, misses: Vec<Miss>) -> Option<Finding> {
    let whats = listed(misses.iter().map(|miss| &miss.line));
    let (pods, nodes) = (
        misses.iter().any(|miss| !miss.node),
        misses.iter().any(|miss| miss.node),
    );
    let verb = if whats.contains(' ') {
        "admit"
    } else {
        "admits"
    };
    let message = format!(
        "{}, so {whats} {verb} none of them",
        blind(context, pods, nodes)
    );
    let certain = misses.iter().any(|miss| !miss.assumed);
    let mut finding = Finding::new(&RULE, message)
        .severity(if certain {
            Severity::Error
        } else {
            Severity::Warning
        })
        .subject(context.policy_subject(policy))
        .fix(Fix::advice(advice(context, pods, nodes)));
    finding.why.extend(why(context, pods, nodes));
    if misses.iter().any(|miss| miss.assumed) {
        finding = finding.note(
            "the addresses of these pods are not known and assumed to lie in the assumed pod range",
        );
        finding.why.push("M-1");
    }
    let mut misses = misses;
    misses.sort_by_key(|miss| miss.assumed);
    for miss in &misses {
        finding = place(finding, &miss.line);
    }
    let evidence = misses.into_iter().map(|miss| miss.evidence);
    finding.evidence.extend(evidence.take(2));
    (!finding.labels.is_empty()).then_some(finding)
}

/// Blocks of a whole family are mostly meant for the world outside: one note for all of them.
fn whole_finding(context: &Context<'_>, search: &Search<'_>, lines: Vec<Use>) -> Option<Finding> {
    let switches = context.eval.switches;
    let tried = lines.iter().take(WHOLE_FAMILY_TRIES);
    let miss = tried.flat_map(|line| search.misses(line)).next()?;
    let pods = switches.ipblock_pods == IpBlockPods::Never;
    let nodes = !switches.ipblock_nodes;
    let mut policies: Vec<_> = lines.iter().map(|line| line.policy).collect();
    policies.dedup();
    let message = format!(
        "{}, so {} admits none of them ({})",
        blind(context, pods, nodes),
        miss.line.what,
        count(policies.len(), "policy"),
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(Severity::Note)
        .evidence(miss.evidence)
        .note("for addresses outside of the cluster it does what it says");
    finding.why.extend(why(context, pods, nodes));
    finding = place(finding, &miss.line);
    for line in lines
        .iter()
        .filter(|line| line.span != miss.line.span)
        .take(2)
    {
        finding = place(finding, line);
    }
    Some(finding)
}

fn blind(context: &Context<'_>, pods: bool, nodes: bool) -> String {
    let whom = match (pods, nodes) {
        (true, true) => "matches neither pods nor nodes",
        (false, true) => "matches no nodes",
        _ => "matches no pods",
    };
    format!("{} {whom} by address", engines::name(context.profile))
}

fn advice(context: &Context<'_>, pods: bool, nodes: bool) -> String {
    let mut parts = Vec::new();
    if pods {
        parts.push("select pods by podSelector and namespaceSelector");
    }
    if nodes {
        let cilium = engines::runs(context.profile, Engine::Cilium);
        parts.push(match context.profile.engine {
            Engine::Cilium => {
                "admit nodes by a CiliumNetworkPolicy with entities (host, remote-node, \
                 kube-apiserver), or set policy-cidr-match-mode: nodes (1.15 or later)"
            }
            _ if cilium => {
                "admit nodes by a CiliumNetworkPolicy with entities (host, remote-node, \
                 kube-apiserver)"
            }
            _ => "admit nodes by the engine's own policy language",
        });
    }
    parts.join("; ")
}

fn why(context: &Context<'_>, pods: bool, nodes: bool) -> Vec<&'static str> {
    let mut ids = Vec::new();
    ids.extend(pods.then_some("K-65"));
    ids.extend(nodes.then_some("K-70"));
    ids.extend(engines::deviation(context.profile.engine));
    ids
}
