//! Suggestions for a mistyped name out of a closed list.
//!
//! A candidate that contains what was typed as a whole word comes first (`aks` suggests
//! `aks-calico`), then those within a small edit distance. The result is sorted, so that messages
//! are stable.

/// The candidates that were probably meant by `given`, likeliest first; empty if none comes near.
pub(crate) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
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
            let distance = edit_distance(&given, candidate);
            (distance <= tolerance).then_some((distance, candidate))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Insertions, deletions and substitutions that lead from `a` to `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = line + 1;
        next.push(left);
        for ((&diagonal, &above), &to) in row.iter().zip(row.iter().skip(1)).zip(&b) {
            let substituted = diagonal + usize::from(from != to);
            left = substituted.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{edit_distance, nearest};

    #[test]
    fn distances_of_textbook_pairs() {
        assert_eq!(edit_distance("", ""), 0);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("calico", "calico"), 0);
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
