//! What generated files have found, minimised.
