//! Three gateways on one PostgreSQL and one Redis, with an upstream that keeps books of its own: what one of them loses,
//! the others go on with, and nobody who asks can tell which one answers.

mod any;
mod faults;
mod partition;
mod rolling;
