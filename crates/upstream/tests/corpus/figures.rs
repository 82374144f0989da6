//! What the groups counted, for the documents: one line of JSON for each in `ssrf.jsonl` of the directory that
//! `FILMGATE_FIGURES` names.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::judge::Tally;

/// What precedes the numbers of one process.
const MARK: &str = "counted: ";

/// Blocked, allowed, trapped, failures.
type Numbers = [u64; 4];

#[expect(clippy::print_stdout, reason = "this is how a process tells its parent")]
pub(crate) fn print(tally: &Tally) {
    let Tally { blocked, allowed, trapped, failures } = tally;
    println!("\n{MARK}{blocked} {allowed} {trapped} {}", failures.len());
}

/// The numbers of a line that [`print`] has written.
pub(crate) fn read(line: &str) -> Option<Numbers> {
    let numbers: Vec<u64> =
        line.strip_prefix(MARK)?.split(' ').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().ok()
}

/// Prints the sum of what the processes of a group counted, and keeps it if somebody wants it.
#[expect(clippy::print_stdout, reason = "the report of the test")]
pub(crate) fn write(group: &str, lines: &[Numbers]) {
    let mut sum: Numbers = [0; 4];
    for line in lines {
        sum.iter_mut().zip(line).for_each(|(sum, number)| *sum += number);
    }
    let [blocked, allowed, trapped, failures] = sum;
    let line = format!(
        "{{\"suite\":\"ssrf\",\"group\":\"{group}\",\"blocked\":{blocked},\"allowed\":{allowed},\
         \"packets_at_traps\":{trapped},\"failures\":{failures}}}"
    );
    println!("{line}");
    if let Some(folder) = std::env::var_os("FILMGATE_FIGURES") {
        replace(Path::new(&folder), group, &line);
    }
}

/// Puts `line` in the place of the one that an earlier run has left; groups end at the same time.
fn replace(folder: &Path, group: &str, line: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let mut options = File::options();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(folder.join("ssrf.jsonl")).unwrap();
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let own = format!("\"group\":\"{group}\"");
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains(&own)).collect();
    lines.push(line);
    lines.sort_unstable();
    file.rewind().unwrap();
    file.set_len(0).unwrap();
    file.write_all(format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
}
