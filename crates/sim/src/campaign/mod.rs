//! Many runs as one: what they came to together, whether they tested what they claim to have
//! tested, and how a run that failed is made smaller.
//!
//! Nothing here reads a clock or starts a thread: whoever runs the seeds does.

mod gaps;
mod items;
mod smaller;
mod totals;

pub use gaps::{Gap, SEEDS_JUDGED};
pub use items::{Items, NoItem};
pub use smaller::{Smaller, smaller};
pub use totals::Totals;
