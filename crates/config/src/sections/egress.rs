//! The section on URLs that others choose.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whom the gateway calls where a client or a provider chose the URL: results, inputs, callbacks. Without more, public
/// addresses only. The base URLs of accounts are not restricted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Addresses inside that may be called too, as blocks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["10.20.0.0/16", "fd00:20::/32"]]))]
    pub allow: Vec<String>,
    /// Names inside that may be called too, if they lead to addresses of allow: "n8n" is one name, ".svc.cluster.local" all
    /// names below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["n8n", ".svc.cluster.local"]]))]
    pub allow_names: Vec<String>,
    /// The name servers that are asked for names which others chose. Without it those of the system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["10.0.0.53:53", "[fd00::53]:53"]]))]
    pub nameservers: Vec<String>,
    /// The prefix by which this network reaches IPv4 addresses over IPv6, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["64:ff9b::/96"]))]
    pub nat64_prefix: Option<String>,
    /// An HTTP proxy that opens these connections (CONNECT). It is told the address that was vetted, never a name, and
    /// sees nothing of what is said. Calls to accounts do not go through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["http://egress.example.com:4750"]))]
    pub proxy: Option<String>,
    /// Certificate authorities, as PEM, that every call trusts besides the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/filmgate/ca.pem"]))]
    pub ca_file: Option<PathBuf>,
}
