//! What the server holds: objects by kind, versions, and what happened lately.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::kinds::Kind;
use crate::status::Refusal;
use crate::writes;

/// All objects of a cluster.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    /// The newest resource version, for those who wait for more.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) version: u64,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) objects: BTreeMap<String, BTreeMap<Place, Value>>,
    pub(crate) events: Vec<Event>,
    /// Watches from before this version are gone.
    pub(crate) forgotten: u64,
}

/// Namespace and name.
pub(crate) type Place = (String, String);

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) key: String,
    pub(crate) what: &'static str,
    pub(crate) object: Value,
}

/// The fields that make an object out of a map.
pub(crate) fn meta<'o>(object: &'o Value, field: &str) -> &'o str {
    let metadata = object.get("metadata");
    let value = metadata.and_then(|metadata| metadata.get(field));
    value.and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn place(object: &Value) -> Place {
    (
        meta(object, "namespace").to_owned(),
        meta(object, "name").to_owned(),
    )
}

/// `metadata`, made if it is missing; none if the object is no map.
pub(crate) fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.as_object_mut()?.entry("metadata");
    metadata.or_insert_with(|| json!({})).as_object_mut()
}

impl Store {
    pub(crate) fn new(kinds: Vec<Kind>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                version: 1000,
                kinds,
                objects: BTreeMap::new(),
                events: Vec::new(),
                forgotten: 0,
            }),
            newest: watch::channel(1000).0,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn tell(&self, version: u64) {
        self.newest.send_replace(version);
    }

    /// Serves one more kind, as if its definition had been installed.
    pub fn add_kind(&self, kind: Kind) {
        let mut inner = self.lock();
        if !inner.kinds.contains(&kind) {
            inner.kinds.push(kind);
        }
    }

    /// Puts an object or a `List` of objects there as they are, as a recorded answer has them:
    /// nothing is defaulted or checked. Items of typed lists (`PodList`) may lack their own kind.
    ///
    /// Returns how many objects were put; those of kinds that are not served are left out.
    pub fn load(&self, object: &Value) -> usize {
        let text = |field: &str| object.get(field).and_then(Value::as_str);
        let Some(items) = object.get("items").and_then(Value::as_array) else {
            return usize::from(self.put(object.clone()).is_ok());
        };
        let of_list = text("kind").and_then(|kind| kind.strip_suffix("List"));
        let put = items.iter().filter(|item| {
            let mut item = (*item).clone();
            if let (Some(fields), Some(kind), Some(version)) =
                (item.as_object_mut(), of_list, text("apiVersion"))
                && !kind.is_empty()
            {
                fields.entry("kind").or_insert_with(|| json!(kind));
                fields.entry("apiVersion").or_insert_with(|| json!(version));
            }
            self.put(item).is_ok()
        });
        put.count()
    }

    /// Creates or replaces an object, as a writer of the API would.
    pub fn put(&self, object: Value) -> Result<Value, String> {
        let mut inner = self.lock();
        let kind = inner.kind_of(&object)?;
        let stored = inner.write(&kind, object);
        let version = inner.version;
        drop(inner);
        self.tell(version);
        Ok(stored)
    }

    /// An object, by `pods` or `networkpolicies.networking.k8s.io`, namespace and name.
    #[must_use]
    pub fn get(&self, key: &str, namespace: &str, name: &str) -> Option<Value> {
        let place = (namespace.to_owned(), name.to_owned());
        self.lock().objects.get(key)?.get(&place).cloned()
    }

    /// All objects of a kind, by namespace and name.
    #[must_use]
    pub fn all(&self, key: &str) -> Vec<Value> {
        let inner = self.lock();
        let objects = inner.objects.get(key);
        objects
            .into_iter()
            .flat_map(|all| all.values().cloned())
            .collect()
    }

    /// Takes an object away, if it is there.
    pub fn remove(&self, key: &str, namespace: &str, name: &str) -> Option<Value> {
        let mut inner = self.lock();
        let removed = inner.take(key, &(namespace.to_owned(), name.to_owned()))?;
        let version = inner.version;
        drop(inner);
        self.tell(version);
        Some(removed)
    }

    /// Changes an object in place; none if it is not there.
    pub fn change(
        &self,
        key: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let mut inner = self.lock();
        let place = (namespace.to_owned(), name.to_owned());
        let before = inner.objects.get(key)?.get(&place)?;
        let mut after = before.clone();
        change(&mut after);
        if after == *before {
            return Some(after);
        }
        let kind = inner.kinds.iter().find(|kind| kind.key() == key)?.clone();
        let stored = inner.write(&kind, after);
        let version = inner.version;
        drop(inner);
        self.tell(version);
        Some(stored)
    }

    /// Lets a request write.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut Inner) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut inner = self.lock();
        let written = write(&mut inner);
        let version = inner.version;
        drop(inner);
        self.tell(version);
        written
    }

    /// Forgets what happened until now: watches of older versions get 410.
    pub fn compact(&self) {
        let mut inner = self.lock();
        inner.forgotten = inner.version;
        inner.events.clear();
    }
}

impl Inner {
    pub(crate) fn kind_of(&self, object: &Value) -> Result<Kind, String> {
        let text = |field: &str| {
            object
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let kinds = self.kinds.iter();
        let mut found =
            kinds.filter(|known| known.kind == kind && known.api_version() == api_version);
        let found = found.next();
        found
            .cloned()
            .ok_or_else(|| format!("no kind `{kind}` of `{api_version}` is served"))
    }

    /// Stores an object under a new version.
    pub(crate) fn write(&mut self, kind: &Kind, mut object: Value) -> Value {
        self.version += 1;
        let key = kind.key();
        let place = place(&object);
        let known = self.objects.get(&key).and_then(|all| all.get(&place));
        let what = if known.is_some() { "MODIFIED" } else { "ADDED" };
        writes::stamp(&mut object, kind, known, self.version);
        let all = self.objects.entry(key.clone()).or_default();
        all.insert(place, object.clone());
        self.note(key, what, object.clone());
        object
    }

    pub(crate) fn take(&mut self, key: &str, place: &Place) -> Option<Value> {
        let mut object = self.objects.get_mut(key)?.remove(place)?;
        self.version += 1;
        if let Some(metadata) = metadata_mut(&mut object) {
            metadata.insert(
                "resourceVersion".to_owned(),
                json!(self.version.to_string()),
            );
        }
        self.note(key.to_owned(), "DELETED", object.clone());
        Some(object)
    }

    fn note(&mut self, key: String, what: &'static str, object: Value) {
        self.events.push(Event {
            version: self.version,
            key,
            what,
            object,
        });
    }

    pub(crate) fn find(&self, key: &str, place: &Place) -> Result<&Value, Refusal> {
        let found = self.objects.get(key).and_then(|all| all.get(place));
        found.ok_or_else(|| Refusal::not_found(key, &place.1))
    }
}
