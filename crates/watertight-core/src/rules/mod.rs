//! The rules: everything that Watertight can find, one file each.
//!
//! A rule file holds the documentation (its module comment, which `watertight rule` prints), the
//! check and the tests. Ids are stable: a rule may be retired, its id is never used again.
//! WT0xx come from reading and from suppressions, WT1xx are about isolation, WT2xx about addresses,
//! WT3xx about DNS and the API server, WT4xx about selectors, ports and rules, WT5xx about the host
//! network, WT6xx about the network engine.

mod addresses;
mod api_server;
mod context;
mod egress;
mod engines;
mod groups;
mod isolation;
#[cfg(test)]
mod languages;
mod not_isolated;
mod proposal;
mod resolvers;
mod selection;
#[cfg(test)]
pub(crate) mod testing;
mod witness;
mod wording;
mod wt001_syntax_error;
mod wt002_input_limit;
mod wt003_invalid_object;
mod wt004_unknown_field;
mod wt005_repeated_field;
mod wt006_duplicate_object;
mod wt007_api_not_served;
mod wt008_policy_not_evaluated;
mod wt009_unreadable_file;
mod wt010_unused_suppression;
mod wt011_suppression_without_reason;
mod wt012_expired_suppression;
mod wt013_list_incomplete;
mod wt101_ingress_not_isolated;
mod wt102_egress_not_isolated;
mod wt103_ingress_only_default_deny;
mod wt104_defaulted_policy_types;
mod wt105_inert_section;
mod wt106_isolation_voided;
mod wt107_allow_voided;
mod wt108_pass_allows;
mod wt201_metadata_open;
mod wt202_except_undone;
mod wt203_deny_that_allows;
mod wt204_incomplete_except;
mod wt205_block_covers_private;
mod wt206_one_family_open;
mod wt207_metadata_deny_voided;
mod wt208_cidr_misses_cluster;
mod wt301_dns_broken;
mod wt302_dns_to_anyone;
mod wt303_dns_rule_misses_servers;
mod wt304_dns_on_host_network;
mod wt305_dns_wrong_port;
mod wt306_api_server_by_label;
mod wt307_api_server_by_service_address;
mod wt401_policy_selects_nothing;
mod wt402_peer_matches_nothing;
mod wt403_namespace_label_unset;
mod wt404_unknown_port_name;
mod wt405_split_peer;
mod wt406_empty_port_item;
mod wt407_half_open;
mod wt408_redundant_rule;
mod wt409_own_namespace_only;
mod wt410_tied_priorities;
mod wt501_host_network_pod;
mod wt502_host_network_admitted;
mod wt503_node_cut_off;
mod wt601_not_enforced;
mod wt602_feature_ignored;
mod wt603_engine_bug;
mod wt604_kind_not_read;
mod wt605_staged_policy;

use crate::analysis::felt::Felt;
use crate::diag::{Finding, Severity};
pub(crate) use crate::parallel;

pub use context::Context;
pub use groups::Group;
pub use wording::{count, some_of};
pub(crate) use wt408_redundant_rule::{
    Item as RedundantItem, Part as RedundantPart, Redundant, redundant,
};

/// Rules whose findings come from reading and from suppressions, by what they find.
pub mod reading {
    pub use super::wt001_syntax_error::SYNTAX;
    pub use super::wt002_input_limit::LIMIT;
    pub use super::wt003_invalid_object::INVALID;
    pub use super::wt004_unknown_field::UNKNOWN_FIELD;
    pub use super::wt005_repeated_field::REPEATED_FIELD;
    pub use super::wt006_duplicate_object::DUPLICATE_OBJECT;
    pub use super::wt007_api_not_served::NOT_SERVED;
    pub use super::wt008_policy_not_evaluated::NOT_EVALUATED;
    pub use super::wt009_unreadable_file::UNREADABLE;
    pub use super::wt010_unused_suppression::UNUSED;
    pub use super::wt011_suppression_without_reason::NO_REASON;
    pub use super::wt012_expired_suppression::EXPIRED;
    pub use super::wt013_list_incomplete::LIST_INCOMPLETE;
}

/// What finds the findings of a rule.
#[derive(Clone, Copy)]
pub enum Check {
    /// Reading the manifests.
    Reading,
    /// Applying suppressions.
    Suppression,
    /// This function, on the whole world.
    World(fn(&Context<'_>, &mut Vec<Finding>)),
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reading => "Reading",
            Self::Suppression => "Suppression",
            Self::World(_) => "World",
        })
    }
}

/// A rule.
pub struct Rule {
    /// The stable id.
    pub id: &'static str,
    /// The name, such that "allow metadata-open" reads as what a suppression does.
    pub name: &'static str,
    /// How bad its findings usually are.
    pub severity: Severity,
    /// What it finds, in one line.
    pub summary: &'static str,
    /// The source of its file, whose module comment is the documentation.
    pub source: &'static str,
    /// What runs it.
    pub check: Check,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

impl Rule {
    /// The documentation, as Markdown.
    #[must_use]
    pub fn documentation(&self) -> String {
        self.source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The rule of an id or name, in any case.
    #[must_use]
    pub fn find(text: &str) -> Option<&'static Self> {
        let wanted = |rule: &&&Self| {
            rule.id.eq_ignore_ascii_case(text) || rule.name.eq_ignore_ascii_case(text)
        };
        ALL.iter().find(wanted).copied()
    }
}

/// All rules, by id.
pub static ALL: &[&Rule] = &[
    &wt001_syntax_error::SYNTAX,
    &wt002_input_limit::LIMIT,
    &wt003_invalid_object::INVALID,
    &wt004_unknown_field::UNKNOWN_FIELD,
    &wt005_repeated_field::REPEATED_FIELD,
    &wt006_duplicate_object::DUPLICATE_OBJECT,
    &wt007_api_not_served::NOT_SERVED,
    &wt008_policy_not_evaluated::NOT_EVALUATED,
    &wt009_unreadable_file::UNREADABLE,
    &wt010_unused_suppression::UNUSED,
    &wt011_suppression_without_reason::NO_REASON,
    &wt012_expired_suppression::EXPIRED,
    &wt013_list_incomplete::LIST_INCOMPLETE,
    &wt101_ingress_not_isolated::RULE,
    &wt102_egress_not_isolated::RULE,
    &wt103_ingress_only_default_deny::RULE,
    &wt104_defaulted_policy_types::RULE,
    &wt105_inert_section::RULE,
    &wt106_isolation_voided::RULE,
    &wt107_allow_voided::RULE,
    &wt108_pass_allows::RULE,
    &wt201_metadata_open::RULE,
    &wt202_except_undone::RULE,
    &wt203_deny_that_allows::RULE,
    &wt204_incomplete_except::RULE,
    &wt205_block_covers_private::RULE,
    &wt206_one_family_open::RULE,
    &wt207_metadata_deny_voided::RULE,
    &wt208_cidr_misses_cluster::RULE,
    &wt301_dns_broken::RULE,
    &wt302_dns_to_anyone::RULE,
    &wt303_dns_rule_misses_servers::RULE,
    &wt304_dns_on_host_network::RULE,
    &wt305_dns_wrong_port::RULE,
    &wt306_api_server_by_label::RULE,
    &wt307_api_server_by_service_address::RULE,
    &wt401_policy_selects_nothing::RULE,
    &wt402_peer_matches_nothing::RULE,
    &wt403_namespace_label_unset::RULE,
    &wt404_unknown_port_name::RULE,
    &wt405_split_peer::RULE,
    &wt406_empty_port_item::RULE,
    &wt407_half_open::RULE,
    &wt408_redundant_rule::RULE,
    &wt409_own_namespace_only::RULE,
    &wt410_tied_priorities::RULE,
    &wt501_host_network_pod::RULE,
    &wt502_host_network_admitted::RULE,
    &wt503_node_cut_off::RULE,
    &wt601_not_enforced::RULE,
    &wt602_feature_ignored::RULE,
    &wt603_engine_bug::RULE,
    &wt604_kind_not_read::RULE,
    &wt605_staged_policy::RULE,
];

/// Runs the active rules that look at the world; findings come in the order of the rules.
pub fn run(context: &Context<'_>, active: impl Fn(&Rule) -> bool, findings: &mut Vec<Finding>) {
    let checks: Vec<_> = ALL
        .iter()
        .filter(|rule| active(rule))
        .filter_map(|rule| match rule.check {
            Check::World(check) => Some(check),
            Check::Reading | Check::Suppression => None,
        })
        .collect();
    context.prepare();
    for found in run_all(context, &checks) {
        findings.extend(found);
    }
}

/// Whether a change between two worlds that is felt in some namespaces is felt in findings about DNS servers
/// too: then these are asked for in both.
#[must_use]
pub fn is_dns_felt(contexts: [&Context<'_>; 2], felt: &Felt) -> bool {
    wt301_dns_broken::is_felt(contexts, felt)
}

type World = fn(&Context<'_>, &mut Vec<Finding>);

fn run_one(context: &Context<'_>, check: World) -> Vec<Finding> {
    let mut found = Vec::new();
    check(context, &mut found);
    found
}

#[cfg(feature = "parallel")]
fn run_all(context: &Context<'_>, checks: &[World]) -> Vec<Vec<Finding>> {
    use rayon::prelude::*;
    // Threads cost more than they save on a handful of policies.
    if context.world.policies.len() + context.world.objects.len() < 100 {
        return checks
            .iter()
            .map(|check| run_one(context, *check))
            .collect();
    }
    checks
        .par_iter()
        .with_max_len(1)
        .map(|check| run_one(context, *check))
        .collect()
}

#[cfg(not(feature = "parallel"))]
fn run_all(context: &Context<'_>, checks: &[World]) -> Vec<Vec<Finding>> {
    checks
        .iter()
        .map(|check| run_one(context, *check))
        .collect()
}
