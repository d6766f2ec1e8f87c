//! The texts of a kind: one for all its objects, or one for each.

use super::File;
use crate::kinds::Form;
use crate::list::Resource;
use crate::objects::Item;

/// A text with lines is closed when it is longer, so that no text is too long to be read.
const LONGEST_TEXT: usize = 256 << 20;

/// The texts of a kind as they come to be.
pub(crate) struct Texts<'r> {
    resource: &'r Resource,
    files: Vec<File>,
    /// Where the list began that is read now: the number of texts, and the length of the last one.
    begun: (usize, usize),
}

impl<'r> Texts<'r> {
    pub(crate) fn new(resource: &'r Resource) -> Self {
        Self {
            resource,
            files: Vec::new(),
            begun: (0, 0),
        }
    }

    /// Another list begins; those before it stay if it has to begin again.
    pub(crate) fn begin(&mut self) {
        let last = self.files.last().map_or(0, |file| file.text.len());
        self.begun = (self.files.len(), last);
    }

    /// Takes the objects of a page; none if the list begins again.
    pub(crate) fn take(&mut self, items: Option<Vec<Item>>) {
        let Some(items) = items else {
            let (files, length) = self.begun;
            self.files.truncate(files);
            if let Some(last) = self.files.last_mut() {
                last.text.truncate(length);
            }
            return;
        };
        for item in items {
            self.put(item.namespace.as_deref(), &item.name, &item.text);
        }
    }

    /// Takes an object.
    pub(crate) fn put(&mut self, namespace: Option<&str>, name: &str, text: &str) {
        match self.resource.kind.form {
            Form::Files => {
                let name = self.file_name(namespace, name);
                self.files.push(File {
                    name,
                    text: text.to_owned(),
                });
            }
            _ => self.line(text),
        }
    }

    fn line(&mut self, text: &str) {
        let has_room = |file: &File| file.text.len() + text.len() <= LONGEST_TEXT;
        if !self.files.last().is_some_and(has_room) {
            let behind = match self.files.len() {
                0 => String::new(),
                number => format!("-{}", number + 1),
            };
            let name = format!("{}{behind}.ndjson", self.directory());
            self.files.push(File {
                name,
                text: String::new(),
            });
        }
        if let Some(file) = self.files.last_mut() {
            file.text.push_str(text);
        }
    }

    fn directory(&self) -> String {
        directory(&self.resource.name, self.resource.kind.group)
    }

    fn file_name(&self, namespace: Option<&str>, name: &str) -> String {
        let directory = self.directory();
        let name = safe(name);
        match namespace {
            Some(namespace) => format!("{directory}/{}/{name}.yaml", safe(namespace)),
            None => format!("{directory}/{name}.yaml"),
        }
    }

    pub(crate) fn done(mut self) -> Vec<File> {
        for file in &mut self.files {
            file.text.shrink_to_fit();
        }
        self.files
    }
}

/// How texts of a kind begin: `networkpolicies`, or `networkpolicies.projectcalico.org` for what is
/// not part of Kubernetes.
pub(crate) fn directory(resource: &str, group: &str) -> String {
    let is_built_in = matches!(
        group,
        "" | "apps" | "batch" | "discovery.k8s.io" | "networking.k8s.io"
    );
    if is_built_in {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}

/// A name as a part of a path: what a server says must not lead out of a directory.
pub(crate) fn safe(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let safe: String = name
        .chars()
        .map(|c| if kept(c) { c } else { '_' })
        .collect();
    if safe.chars().all(|c| c == '.') {
        "_".into()
    } else {
        safe
    }
}
