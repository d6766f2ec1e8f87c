//! Pods without a shell: an ephemeral container tries their connections and ends by itself.
//!
//! Nobody can remove such a container: it stays in the pod's list, ended, until the pod goes. So there is none
//! unless somebody asks for it.
//! INVARIANT: it obeys the restricted profile, runs one image, and is made once a pod.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Seen;
use crate::verify::access::{Access, Error, POD};
use crate::verify::image::Image;
use crate::verify::objects::role;
use crate::verify::wait::HOPELESS;
use crate::verify::wire::{How, Target};

/// Connections that one container tries: a pod has only so many file descriptors.
const MOST: usize = 512;
/// How often a container is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What is put into pods.
#[derive(Clone, Debug)]
pub struct Ephemeral {
    /// The id of the run, in the name of the container.
    pub id: String,
    /// What it runs: `watertight probe`.
    pub image: Image,
    /// How long it may take to start.
    pub ready: Duration,
}

impl Ephemeral {
    fn name(&self) -> String {
        format!("watertight-verify-{}", self.id)
    }

    /// The container that tries these targets, once each, all at once.
    pub(super) fn container(&self, targets: &[Target], attempt: Duration) -> Value {
        json!({
            "command": self.image.tries(targets, attempt.as_millis()),
            "image": self.image.name,
            "imagePullPolicy": "IfNotPresent",
            "name": self.name(),
            "securityContext": self.image.security_context(),
        })
    }

    /// What it has seen, and whether the pod has got it.
    pub(super) async fn seen(
        &self,
        access: &Access,
        (namespace, pod): (&str, &str),
        addresses: &[SocketAddr],
        attempt: Duration,
    ) -> (Vec<Seen>, bool) {
        let targets: Vec<Target> = addresses
            .iter()
            .map(|address| Target::new(How::Connect, address.ip(), address.port()))
            .collect();
        let untried = |why: &str| {
            let one = |_: &Target| Seen::untried(why.to_owned());
            targets.iter().map(one).collect()
        };
        let (tried, _) = targets.split_at_checked(MOST).unwrap_or((&targets, &[]));
        let container = self.container(tried, attempt);
        let added = access.add_ephemeral((namespace, pod), &container).await;
        if let Err(error) = added {
            return (untried(&error.to_string()), false);
        }
        let limit = self.ready.saturating_add(attempt);
        let printed = match self.ended(access, (namespace, pod), limit).await {
            Ok(()) => access.logs(namespace, pod, &self.name()).await,
            Err(why) => return (untried(&why), true),
        };
        let seen = match printed {
            Ok(printed) => {
                let missing = "the ephemeral container printed nothing about it; it tries the first 512 at most";
                let samples = self.image.read(&targets, &printed, missing);
                let seen = samples.into_iter().map(|sample| Seen {
                    tool: "watertight".into(),
                    outcome: sample.outcome,
                    detail: sample.detail.unwrap_or_default(),
                });
                seen.collect()
            }
            Err(error) => untried(&error.to_string()),
        };
        (seen, true)
    }

    /// Waits until the container has ended.
    async fn ended(
        &self,
        access: &Access,
        (namespace, pod): (&str, &str),
        limit: Duration,
    ) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let found = access.get(POD, namespace, pod).await;
            let found = found.map_err(|error| error.to_string())?;
            let why = match state(&found, &self.name()) {
                State::Ended => return Ok(()),
                State::Hopeless(why) => return Err(cannot_start(&why)),
                State::Waits(why) => why,
            };
            if began.elapsed() > limit {
                return Err(cannot_start(&why));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn cannot_start(why: &str) -> String {
    format!("the ephemeral container did not end: {why}")
}

enum State {
    Ended,
    Waits(String),
    Hopeless(String),
}

fn state(pod: &Value, name: &str) -> State {
    let statuses = pod.pointer("/status/ephemeralContainerStatuses");
    let statuses = statuses.and_then(Value::as_array);
    let mut statuses = statuses.into_iter().flatten();
    let own = statuses.find(|one| one.get("name").and_then(Value::as_str) == Some(name));
    let Some(own) = own else {
        return State::Waits("it is not started yet".into());
    };
    if own.pointer("/state/terminated").is_some() {
        return State::Ended;
    }
    let word = |path: &str| own.pointer(path).and_then(Value::as_str);
    let Some(reason) = word("/state/waiting/reason") else {
        return State::Waits("it is running".into());
    };
    let message = word("/state/waiting/message");
    let why = message.map_or(reason.to_owned(), |message| format!("{reason}: {message}"));
    if HOPELESS.contains(&reason) {
        State::Hopeless(why)
    } else {
        State::Waits(why)
    }
}

/// The permissions that trying own pods needs, in one namespace or in all, beside reading the cluster.
pub(super) fn permissions(namespace: Option<&str>, has_ephemeral: bool) -> Value {
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": [""], "resources": [resource], "verbs": verbs});
    let mut rules = vec![
        rule("pods", &["get", "list"]),
        rule("pods/exec", &["create", "get"]),
    ];
    if has_ephemeral {
        rules.push(rule("pods/ephemeralcontainers", &["patch"]));
        rules.push(rule("pods/log", &["get"]));
    }
    role("watertight-verify-real", namespace, &rules)
}

impl Access {
    /// Adds an ephemeral container to a pod; nobody can take it out again.
    async fn add_ephemeral(
        &self,
        (namespace, pod): (&str, &str),
        container: &Value,
    ) -> Result<(), Error> {
        let asked = format!("add an ephemeral container to pod `{namespace}/{pod}`");
        let patch = json!({"spec": {"ephemeralContainers": [container]}});
        self.patch_part(asked, (namespace, pod), "ephemeralcontainers", &patch)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_waited_for_until_it_has_ended() {
        let pod = |state: Value| json!({"status": {"ephemeralContainerStatuses": [{"name": "w", "state": state}]}});
        let told = |pod: &Value| match state(pod, "w") {
            State::Ended => "ended".to_owned(),
            State::Waits(why) => why,
            State::Hopeless(why) => format!("never: {why}"),
        };
        assert_eq!(told(&pod(json!({"terminated": {"exitCode": 0}}))), "ended");
        assert_eq!(told(&pod(json!({"running": {}}))), "it is running");
        let pulling = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
        assert_eq!(told(&pod(pulling)), "ErrImagePull: no such image");
        let wrong = json!({"waiting": {"reason": "InvalidImageName"}});
        assert_eq!(told(&pod(wrong)), "never: InvalidImageName");
        assert_eq!(told(&json!({"status": {}})), "it is not started yet");
    }

    #[test]
    fn it_may_do_no_more_than_other_containers_of_ours() {
        let ephemeral = Ephemeral {
            id: "abc123".into(),
            image: Image::own(),
            ready: Duration::from_secs(1),
        };
        let target = "connect:10.0.0.1:80".parse().unwrap();
        let container = ephemeral.container(&[target], Duration::from_millis(1200));
        assert_eq!(container["name"], "watertight-verify-abc123");
        assert_eq!(container["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            container["securityContext"]["capabilities"]["drop"][0],
            "ALL"
        );
        // An ephemeral container has neither limits nor ports: the API refuses them.
        assert_eq!(container.get("resources"), None);
        assert_eq!(container["command"][5], "connect:10.0.0.1:80");
    }

    #[test]
    fn more_permissions_are_needed_only_where_containers_are_added() {
        let spelled = |has| permissions(None, has).to_string();
        assert_eq!(permissions(Some("shop"), false)["kind"], "Role");
        assert!(!spelled(false).contains("ephemeral"));
        assert!(spelled(true).contains(r#""pods/ephemeralcontainers"],"verbs":["patch"]"#));
    }
}
