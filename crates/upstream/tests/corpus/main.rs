//! URLs that others name, as attackers write them and as honest people do: what must not be called is not, by not one
//! packet, and what may be called is. Each group is a table with a verdict and a reason for each row.
//!
//! A group runs in a network of its own (`unshare`), in which every address there is leads to the same listeners. Where
//! none can be had, names lead into 127.77.0.0/16, which stands for the Internet then, the rest of 127.0.0.0/8 is a trap,
//! and what names an address outside is judged and not dialled.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod allowed;
mod apart;
mod certificates;
mod confusion;
mod dns;
mod embedded;
mod environment;
mod figures;
mod idn;
mod internet;
mod judge;
mod lengths;
mod names;
mod native;
mod oracle;
mod own;
mod property;
mod proxy;
mod rebinding;
mod redirects;
mod schemes;
mod spellings;
mod tls;
mod world;

use judge::Way::{Callback, Media};

/// One test for each group; the name of the test is the way to it in a process of its own.
macro_rules! groups {
    ($($test:ident: $group:literal, $run:expr;)*) => {
        $(#[test]
        fn $test() {
            apart::run(stringify!($test), $group, $run);
        })*
    };
}

groups! {
    s01_ipv4_addresses_in_every_spelling: "S1", async |world| {
        world.judge(&spellings::rows(), &[Callback, Media]).await
    };
    s02_ipv4_addresses_inside_of_ipv6: "S2", async |world| {
        world.judge(&embedded::rows(), &[Callback, Media]).await
    };
    s03_addresses_of_ipv6: "S3", async |world| world.judge(&native::rows(), &[Callback, Media]).await;
    s04_names_that_lead_inside: "S4", names::run;
    s05_names_that_change_their_mind: "S5", rebinding::run;
    s06_redirects_and_headers_that_lead_inside: "S6", redirects::run;
    s07_urls_that_parsers_disagree_about: "S7", async |world| {
        world.judge(&confusion::rows(), &[Callback, Media]).await
    };
    s08_international_names: "S8", async |world| world.judge(&idn::rows(), &[Callback, Media]).await;
    s09_schemes: "S9", async |world| world.judge(&schemes::rows(), &[Callback]).await;
    s10_lengths: "S10", async |world| world.judge(&lengths::rows(), &[Callback]).await;
    s11_receivers_that_fail_to_prove_who_they_are: "S11", tls::run;
    s12_proxies_of_the_environment: "S12", environment::run;
    s13_what_may_be_called: "S13", async |world| world.judge(&allowed::rows(), &[Callback, Media]).await;
    the_machine_does_not_call_itself: "own", own::run;
    the_operator_s_proxy_is_told_the_vetted_address: "proxy", proxy::run;
    whatever_is_dialled_satisfies_the_rule: "property", property::run;
}
