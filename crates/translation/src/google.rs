//! What the two services of Google share that make videos: the body of a call that predicts, the operation that it starts,
//! and errors. Each has addresses of its own, a way of its own to prove who calls, and a place of its own for results.

pub(crate) mod draft;
pub(crate) mod errors;
pub(crate) mod names;
pub(crate) mod operation;
pub(crate) mod veo;
pub(crate) mod wire;
