//! What one durable write costs on this disk right now; no figure of a store means anything without it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// The median time of `count` appends of 512 bytes with a sync each, in a file below `folder`.
pub fn median_sync(folder: &Path, count: usize) -> io::Result<Duration> {
    let mut file = File::create(folder.join("fsync.bin"))?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&[7; 512])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[count / 2])
}
