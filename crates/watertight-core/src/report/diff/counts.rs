//! How much of each change there is.

use super::{DiffCause, DiffCounts, FindingDelta, ObservedChange};
use crate::analysis::diff::{Difference, OutsideChange};

/// Counts the rows of all causes, and what goes with them.
pub(super) fn counts(
    difference: &Difference,
    causes: &[DiffCause],
    observed: &[ObservedChange],
    findings: Option<&FindingDelta>,
) -> DiffCounts {
    let mut counts = DiffCounts {
        objects: difference.objects.len() + difference.namespaces.len(),
        observed_cut: observed
            .iter()
            .filter(|change| change.change == "cut")
            .count(),
        findings_introduced: findings.map_or(0, |delta| delta.introduced.len()),
        findings_resolved: findings.map_or(0, |delta| delta.resolved.len()),
        ..DiffCounts::default()
    };
    for row in causes.iter().flat_map(|cause| &cause.rows) {
        let of = match (&*row.change, row.widens, row.narrows) {
            ("uncertain", ..) => &mut counts.uncertain,
            (_, true, false) => &mut counts.gained,
            (_, false, true) => &mut counts.lost,
            _ => &mut counts.mixed,
        };
        *of += row.pairs;
        if row.new_or_gone {
            counts.by_new_or_gone += row.pairs;
        }
        if let Some(external) = &row.external
            && row.widens
            && row.change != "uncertain"
        {
            counts.gained_external += row.pairs;
            if !external.metadata.is_empty() {
                counts.gained_metadata += row.pairs;
            }
        }
    }
    // Half of all IPv4 addresses is no office and no data centre.
    let most = |change: &OutsideChange| {
        let sizes = change
            .v4
            .iter()
            .map(|(first, last)| u64::from(last - first) + 1);
        sizes.sum::<u64>() >= 1 << 31
    };
    let outside = difference.outside.iter().map(|(change, _)| change);
    counts.gained_internet = outside
        .filter(|change| change.change.widens() && !change.change.is_uncertain() && most(change))
        .map(|change| change.units.len())
        .sum();
    counts
}
