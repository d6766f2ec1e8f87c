//! ICMP has no ports, and rows know nothing of it (K-61): which objects say something else about it than before,
//! so that a change of ICMP alone is never called safe.

use crate::analysis::diff::{Difference, Edit, Judged, ObjectChange, Written};
use crate::manifest::Direction;
use crate::policy::Rule;
use crate::sets::PortMatch;
use crate::source::Span;

/// The objects, in words: `CiliumNetworkPolicy shop/web`.
pub(super) fn about_icmp(difference: &Difference, judged: [&Judged<'_, '_>; 2]) -> Vec<String> {
    let of_sides = judged.map(|judged| {
        let tiers =
            [Direction::Ingress, Direction::Egress].map(|way| judged.eval.ruleset.tiers(way));
        let policies = tiers.into_iter().flatten().flat_map(|tier| &tier.policies);
        let world = judged.eval.world;
        let rules = policies.flat_map(|policy| {
            let name = policy.origin.name_span(world);
            let names_icmp = policy.rules.iter().any(is_about_icmp);
            // Of a policy that speaks of ICMP, a rule about all traffic may decide it as well.
            let may_decide = |rule: &&Rule| is_about_icmp(rule) || is_about_all(rule);
            let rules = policy.rules.iter().filter(may_decide);
            let rules = rules.filter(move |_| names_icmp);
            rules.filter_map(move |rule| Some((name?, rule.span)))
        });
        rules.collect::<Vec<_>>()
    });
    let objects = difference.objects.iter();
    let objects = objects.filter(|object| {
        let sides = [object.old, object.new].into_iter().zip(&of_sides);
        let rules = sides.map(|(name, rules)| {
            let own = rules.iter().filter(|(of, _)| Some(*of) == name);
            own.map(|(_, rule)| *rule).collect::<Vec<_>>()
        });
        concerns(object, &rules.collect::<Vec<_>>())
    });
    objects.map(spelled).collect()
}

fn is_about_icmp(rule: &Rule) -> bool {
    let mut traffic = rule.traffic.iter();
    traffic.any(|traffic| matches!(traffic, PortMatch::Icmp { .. }))
}

fn is_about_all(rule: &Rule) -> bool {
    let is_all = |traffic: &PortMatch| matches!(traffic, PortMatch::Any | PortMatch::Everything);
    rule.traffic.is_empty() || rule.traffic.iter().any(is_all)
}

/// Whether a change of an object concerns its rules about ICMP, those before and those after: the rules themselves,
/// or what is not written in rules, such as whom it selects.
fn concerns(object: &ObjectChange, rules: &[Vec<Span>]) -> bool {
    let touches = |written: Option<&Written>, rules: Option<&Vec<Span>>| {
        let span = written.map(|written| written.span);
        let rules = rules.into_iter().flatten();
        span.is_some_and(|span| rules.into_iter().any(|rule| overlap(span, *rule)))
    };
    let decides = |edit: &&Edit| {
        let path = &*edit.path;
        !path.starts_with("metadata.") && path != "apiVersion" && !path.ends_with(".description")
    };
    let is_of_rules = |edit: &Edit| {
        let mut parts = edit.path.split('.');
        parts.any(|part| part.starts_with("ingress") || part.starts_with("egress"))
    };
    rules.iter().any(|rules| !rules.is_empty())
        && (object.edits.is_empty()
            || object.edits.iter().filter(decides).any(|edit| {
                !is_of_rules(edit)
                    || touches(edit.old.as_ref(), rules.first())
                    || touches(edit.new.as_ref(), rules.get(1))
            }))
}

fn overlap(a: Span, b: Span) -> bool {
    a.file == b.file && a.start < b.end && b.start < a.end
}

fn spelled(object: &ObjectChange) -> String {
    let namespace = object.namespace.as_deref();
    let namespace = namespace.map_or(String::new(), |namespace| format!("{namespace}/"));
    format!("{} {namespace}{}", object.kind, object.name)
}
