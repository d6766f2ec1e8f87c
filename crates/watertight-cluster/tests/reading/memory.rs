//! What a pod costs: its slim text, and a page at a time of the full ones.

use fake_cluster::Options;

use super::fixtures::{cluster, pod, reading, text};

/// A slim pod may have no more bytes than this.
const MOST_BYTES: usize = 540;

#[tokio::test]
async fn a_pod_costs_half_a_kilobyte() {
    let cluster = cluster(Options::default()).await;
    let mut full = 0;
    for number in 0..600 {
        let name = format!("payments-7d9c6bf5d8-{number:05}");
        let owner = Some(("ReplicaSet", "payments-7d9c6bf5d8"));
        let pod = pod("shop", &name, "payments", 200 + number, owner);
        full += pod.to_string().len();
        cluster.store().put(pod).unwrap();
    }
    let reading = reading(&cluster).await;
    let pods = text(&reading, "pods.ndjson").lines();
    let slim: usize = pods
        .filter(|line| line.contains("payments-7d"))
        .map(str::len)
        .sum();
    assert!(
        slim / 600 <= MOST_BYTES,
        "{} of {} bytes a pod",
        slim / 600,
        full / 600
    );
    assert!(slim * 4 < full, "{slim} of {full}");
}
