//! Suggestions for a mistyped name out of a closed list.

/// The candidate that a misspelt name was probably meant to be, in any case of letters.
#[must_use]
pub fn misspelt<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A short name with a slip could be anything.
    let tolerance = match given.len() {
        0..=2 => return None,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&given, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The candidates that were probably meant, likeliest first: those that contain what was typed as a
/// whole word (`aks` suggests `aks-calico`) or begin with it, then near misspellings.
#[must_use]
pub fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let given = given.to_ascii_lowercase();
    if given.is_empty() {
        return Vec::new();
    }
    // One slip in three letters: enough for `calcio`, too little to turn one product into another.
    let tolerance = (given.chars().count() / 3).max(1);
    let mut ranked: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            if candidate.split('-').any(|part| part == given) || candidate.starts_with(&given) {
                return Some((0, candidate));
            }
            let distance = strsim::levenshtein(&given, candidate);
            (distance <= tolerance).then_some((distance, candidate))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::{misspelt, nearest};

    #[test]
    fn misspelt_fields() {
        let fields = ["podSelector", "policyTypes", "ingress", "egress"];
        let near = |name| misspelt(name, fields);
        assert_eq!(near("podSelecter"), Some("podSelector"));
        assert_eq!(near("policyType"), Some("policyTypes"));
        assert_eq!(near("egres"), Some("egress"));
        assert_eq!(near("Ingress"), Some("ingress"));
        assert_eq!(near("annotations"), None);
        assert_eq!(near("x"), None);
    }

    #[test]
    fn whole_words_come_before_misspellings() {
        let names = ["aws", "aks-calico", "azure-aks", "antrea"];
        assert_eq!(nearest("aks", names), ["aks-calico", "azure-aks", "aws"]);
        assert_eq!(nearest("AKS", names), ["aks-calico", "azure-aks", "aws"]);
    }

    #[test]
    fn nothing_is_suggested_for_a_strange_name() {
        assert!(nearest("windows", ["calico", "cilium"]).is_empty());
        assert!(nearest("", ["calico"]).is_empty());
    }
}
