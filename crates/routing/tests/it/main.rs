//! The choice under all circumstances: properties of plans and of an account's health, and simulations of many requests.

mod health;
mod plan;
mod successors;
mod world;
