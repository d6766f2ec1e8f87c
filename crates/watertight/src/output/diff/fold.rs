//! Workloads that come or go, folded: each connects to many others, and a reviewer wants to see what
//! policies do first. JSON has every cause apart.

use std::collections::BTreeMap;

use watertight_core::report::diff::{DiffCause, DiffObject, DiffReport, DiffRow};

/// The causes with those about new workloads as one, and those about workloads that are gone as one,
/// behind all others.
pub(super) fn folded(report: &DiffReport) -> Vec<DiffCause> {
    let mut causes = Vec::new();
    let mut folds = [("added", Vec::new()), ("removed", Vec::new())];
    for cause in &report.causes {
        let fold = folds.iter_mut().find(|(change, _)| {
            !cause.objects.is_empty() && cause.objects.iter().all(|it| is_workload(it, change))
        });
        match fold {
            Some((_, folded)) => folded.push(cause),
            None => causes.push(cause.clone()),
        }
    }
    for (_, folded) in folds {
        match folded.as_slice() {
            [] => {}
            [one] => causes.push((*one).clone()),
            several => causes.push(one_of(several)),
        }
    }
    causes
}

fn is_workload(object: &DiffObject, change: &str) -> bool {
    object.change == change && !object.kind.contains("Policy") && object.kind != "Namespace"
}

fn one_of(causes: &[&DiffCause]) -> DiffCause {
    let mut objects: Vec<DiffObject> = Vec::new();
    let mut known = BTreeMap::new();
    let mut rows: Vec<DiffRow> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for cause in causes {
        for object in &cause.objects {
            let key = (&object.namespace, &object.kind, &object.name);
            known
                .entry(key)
                .or_insert_with(|| objects.push(object.clone()));
        }
        for row in &cause.rows {
            // Sources that reach the same become one row.
            let key = (&row.change, &row.to, &row.external, &row.before, &row.after);
            let key = format!("{key:?} {:?} {:?}", row.before_ipv6, row.after_ipv6);
            match places.get(&key).and_then(|at| rows.get_mut(*at)) {
                Some(kept) => {
                    kept.from.extend(row.from.iter().cloned());
                    kept.pairs += row.pairs;
                }
                None => {
                    places.insert(key, rows.len());
                    rows.push(row.clone());
                }
            }
        }
    }
    for row in &mut rows {
        row.from.sort();
    }
    objects.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    DiffCause { objects, rows }
}
