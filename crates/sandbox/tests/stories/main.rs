//! Stories over real sockets: what a gateway, or a test of one, sees of the sandbox.

#[cfg(test)]
mod apimart;
#[cfg(test)]
mod apixo;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod client;
#[cfg(test)]
mod evolink;
#[cfg(test)]
mod fal;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gemini;
#[cfg(test)]
mod interactions;
#[cfg(test)]
mod kie;
#[cfg(test)]
mod kling;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod luma;
#[cfg(test)]
mod media;
#[cfg(test)]
mod minimax;
#[cfg(test)]
mod openai;
#[cfg(test)]
mod replicate;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod runway;
#[cfg(test)]
mod seedance;
#[cfg(test)]
mod v2;
#[cfg(test)]
mod vertex;
