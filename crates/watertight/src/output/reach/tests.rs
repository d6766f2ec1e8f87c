//! Every format on the example and on names from strangers.
