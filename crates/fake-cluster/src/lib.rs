//! An API server in memory, for tests of what talks to clusters.
