//! Config files as a whole: those of the repository, wrong ones, and what right ones come to.

mod bad;
mod files;
mod routing;
mod world;
