//! Both back ends: the suite, what random requests do to a local one, and what outages do to a shared one.

mod local;
mod outage;
mod replicas;
mod server;
mod shared;
