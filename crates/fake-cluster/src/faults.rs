//! What goes wrong because a test wants it to.

use std::time::Duration;

/// How a request goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// 403, as RBAC says it.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 410: a continue token or resource version that is too old.
    Gone,
    /// 429, with the seconds to wait.
    TooManyRequests(u64),
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 404 in plain text, as for a group that is not served.
    NotServed,
    /// The answer comes later.
    Slow(Duration),
    /// The connection ends behind so many bytes of the answer.
    CutOff(usize),
    /// An answer that is no JSON.
    Garbage,
}

/// A fault: which requests, how often, and what happens to them.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `list`, `watch`, `get`, `create`, `patch`, `update`, `delete`, `deletecollection`; any if empty.
    pub verb: String,
    /// `pods`, `pods/exec`, `networkpolicies.networking.k8s.io`; any if empty.
    pub resource: String,
    /// Only for requests of this namespace; an empty one means requests of all namespaces.
    pub namespace: Option<String>,
    /// Only for pages behind the first.
    pub later_pages: bool,
    /// For how many requests; none for all.
    pub times: Option<usize>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A fault of all requests for a resource (empty: all of them), until it is taken away.
    #[must_use]
    pub fn new(verb: &str, resource: &str, effect: Effect) -> Self {
        Self {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: None,
            later_pages: false,
            times: None,
            effect,
        }
    }

    /// The same, for so many requests only.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// The same, for requests of one namespace only; an empty one means those of all namespaces.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The same, for pages behind the first only.
    #[must_use]
    pub fn on_later_pages(mut self) -> Self {
        self.later_pages = true;
        self
    }

    pub(crate) fn is_of(&self, asked: &Asked<'_>) -> bool {
        let any_or = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        any_or(&self.verb, asked.verb)
            && any_or(&self.resource, asked.resource)
            && (!self.later_pages || asked.is_later_page)
            && self
                .namespace
                .as_deref()
                .is_none_or(|namespace| namespace == asked.namespace)
            && self.times != Some(0)
    }
}

/// What a fault looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) verb: &'a str,
    /// With its subresource.
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) is_later_page: bool,
}
