//! Facts about the world that no manifest states: where the clouds keep their credentials, and
//! which address ranges have a name.
//!
//! Every row names its source and how far it was checked. The tables are data; nothing here decides
//! what a policy does.
//!
//! INVARIANT: a row is a claim about somebody else's product, so it is never derived from another
//! row.

pub mod metadata;
pub mod ranges;
mod word;

pub(crate) use word::word_enum;

word_enum! {
    /// How far a fact was checked.
    pub enum Confidence {
        /// Read in the product's own code, documentation, commit or advisory.
        Confirmed => "confirmed",
        /// Read in an issue thread or in an excerpt of vendor documentation.
        Reported => "reported",
        /// Read only in text by third parties.
        Hearsay => "hearsay",
        /// General knowledge that was not looked up.
        Unchecked => "unchecked",
    }
}
