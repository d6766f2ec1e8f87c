//! What whoever waits for a lab may show.

use std::fmt;

/// A step of making a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Namespaces, with the links of pods.
    Namespaces,
    /// Links of nodes, routes between them.
    Routes,
    /// Waiting for the links to carry packets.
    Links,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Routes => "routes",
            Self::Links => "links",
        })
    }
}

/// Is told how far a step is: done, and of how many. Called from several threads.
pub type Progress<'p> = &'p (dyn Fn(Step, usize, usize) + Sync);
