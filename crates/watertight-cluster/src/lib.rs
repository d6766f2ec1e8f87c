//! Live clusters, through their API.
