//! Whose path a request asks for: the table of all endpoints of all dialects, and the gateway's own files.

use std::fmt;

use domain::{Failure, FailureKind};
use http::{HeaderMap, HeaderValue, Method, Uri};
use matchit::InsertError;
use translation::{Dialect, Endpoint, PathParams};

use crate::percent;

/// Where stored media is read; [`domain::AssetId::url`] makes such paths.
const ASSET_PATH: &str = "/assets/{file}";
/// Where upstreams call; the task service makes such addresses.
const CALLBACK_PATH: &str = "/callbacks/{token}";
/// Stands in logs in place of a path that nobody knows, so that no client can write into them.
const UNKNOWN_PATH: &str = "unknown";

/// The table.
pub(crate) struct Routes {
    paths: matchit::Router<Path>,
    /// In whose shape an unknown path is refused: the first of the registry.
    fallback: &'static dyn Dialect,
}

enum Path {
    Asset,
    Callback,
    Endpoints(Claims),
}

/// The endpoints of one path: at least one. Several dialects may claim the same path and method.
type Claims = Vec<(&'static dyn Dialect, &'static Endpoint)>;

/// Whose path it is.
pub(crate) struct Matched {
    /// In whose shape errors leave.
    pub(crate) dialect: &'static dyn Dialect,
    /// The path as the dialect declares it, for logs.
    pub(crate) pattern: &'static str,
    /// What was asked for.
    pub(crate) target: Target,
    /// All who claim the path with this method.
    claims: Claims,
    /// Those of them who may be meant, if nothing in the head of the request says who is.
    open: Claims,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Target {
    /// An endpoint of the dialect.
    Endpoint {
        /// The endpoint.
        endpoint: &'static Endpoint,
        /// The values in the path.
        params: PathParams,
    },
    /// A stored file, by its name in the path.
    Asset(String),
    /// A callback of an upstream, by the token in its path.
    Callback(String),
    /// Nothing that we know.
    Unknown,
    /// A known path with another method.
    WrongMethod {
        /// The methods that are known.
        allow: HeaderValue,
    },
}

impl Routes {
    /// The table of `dialects`, of which there is at least one. Each path is also there behind the dialect's name
    /// (`/v2/v1/models`), where no other dialect can claim it; two that name a segment of the same path differently
    /// are an error.
    pub(crate) fn new(dialects: &[&'static dyn Dialect]) -> Result<Self, InsertError> {
        let mut claims: Vec<(String, Claims)> = Vec::new();
        for &dialect in dialects {
            for endpoint in dialect.endpoints() {
                let own = format!("/{}{}", dialect.name(), endpoint.path);
                for claimed in [endpoint.path.to_owned(), own] {
                    match claims.iter_mut().find(|(path, _)| *path == claimed) {
                        Some((_, others)) => others.push((dialect, endpoint)),
                        None => claims.push((claimed, vec![(dialect, endpoint)])),
                    }
                }
            }
        }
        let mut paths = matchit::Router::new();
        paths.insert(ASSET_PATH, Path::Asset)?;
        paths.insert(CALLBACK_PATH, Path::Callback)?;
        for (path, endpoints) in claims {
            paths.insert(path, Path::Endpoints(endpoints))?;
        }
        Ok(Self { paths, fallback: dialects[0] })
    }

    /// Whose path it is. Where several dialects claim it, of those that do not disclaim the query the one that recognises
    /// the headers, else the first of the registry.
    pub(crate) fn find(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Matched {
        let unknown = Matched {
            dialect: self.fallback,
            pattern: UNKNOWN_PATH,
            target: Target::Unknown,
            claims: Vec::new(),
            open: Vec::new(),
        };
        let Ok(found) = self.paths.at(uri.path()) else { return unknown };
        let Some(params) = decode_params(&found.params) else { return unknown };
        match found.value {
            Path::Asset => self.asset(method, &params),
            Path::Callback => self.callback(method, &params),
            Path::Endpoints(claims) => {
                choose(claims, method, (uri.query().unwrap_or_default(), headers), params)
            }
        }
    }

    fn callback(&self, method: &Method, params: &PathParams) -> Matched {
        let target = match *method {
            Method::POST => Target::Callback(params.get("token").to_owned()),
            _ => Target::WrongMethod { allow: allow([&Method::POST]) },
        };
        let dialect = self.fallback;
        Matched { dialect, pattern: CALLBACK_PATH, target, claims: Vec::new(), open: Vec::new() }
    }

    fn asset(&self, method: &Method, params: &PathParams) -> Matched {
        let target = match *method {
            Method::GET | Method::HEAD => Target::Asset(params.get("file").to_owned()),
            _ => Target::WrongMethod { allow: allow([&Method::GET]) },
        };
        Matched { dialect: self.fallback, pattern: ASSET_PATH, target, claims: Vec::new(), open: Vec::new() }
    }
}

impl Matched {
    /// Why the request goes no further, if it does not.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        match &self.target {
            Target::Unknown => Some(Failure::new(FailureKind::NotFound, "no such path")),
            Target::WrongMethod { allow } => {
                let allow = allow.to_str().unwrap_or_default();
                let text = format!("this path takes {allow}");
                Some(Failure::new(FailureKind::MethodNotAllowed, text))
            }
            Target::Endpoint { .. } | Target::Asset(_) | Target::Callback(_) => None,
        }
    }

    /// The same path as that of another dialect, if that claims it too.
    pub(crate) fn as_claimed_by(&self, name: &str) -> Option<Self> {
        let Target::Endpoint { params, .. } = &self.target else { return None };
        let (dialect, endpoint) = self.claims.iter().find(|(dialect, _)| dialect.name() == name)?;
        Some(Self {
            dialect: *dialect,
            pattern: endpoint.path,
            target: Target::Endpoint { endpoint, params: params.clone() },
            claims: Vec::new(),
            open: Vec::new(),
        })
    }

    /// Who recognises the body as one of its own, where the head does not say whose request it is.
    pub(crate) fn recognised_in(&self, body: &[u8]) -> Option<&'static str> {
        if self.open.len() < 2 {
            return None;
        }
        let found = self.open.iter().find(|(dialect, endpoint)| dialect.recognises_body(endpoint, body));
        found.map(|(dialect, _)| dialect.name())
    }

    /// The same path as that of the dialect that made a task, where the head does not say whose request it is.
    pub(crate) fn as_made_by(&self, name: &str) -> Option<Self> {
        let is_open = self.open.len() > 1 && self.open.iter().any(|(dialect, _)| dialect.name() == name);
        is_open.then(|| self.as_claimed_by(name)).flatten()
    }

    /// Whether anybody may ask, without a key.
    pub(crate) fn is_public(&self) -> bool {
        match &self.target {
            Target::Asset(_) | Target::Callback(_) => true,
            Target::Endpoint { endpoint, .. } => endpoint.public,
            Target::Unknown | Target::WrongMethod { .. } => false,
        }
    }

    /// The dialect's name and the action, for metrics: from registries, never from the client.
    pub(crate) fn labels(&self) -> (&'static str, &'static str) {
        match &self.target {
            Target::Endpoint { endpoint, .. } => (self.dialect.name(), endpoint.action.as_str()),
            Target::Asset(_) => ("none", "asset"),
            Target::Callback(_) => ("none", "callback"),
            Target::WrongMethod { .. } => (self.dialect.name(), "none"),
            Target::Unknown => ("none", "none"),
        }
    }
}

impl fmt::Debug for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.dialect.name(), self.pattern, self.target)
    }
}

fn choose(
    claims: &Claims,
    method: &Method,
    (query, headers): (&str, &HeaderMap),
    params: PathParams,
) -> Matched {
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    let of_method = || claims.iter().filter(|(_, endpoint)| endpoint.method == *wanted);
    let meant = || of_method().filter(|(dialect, endpoint)| !dialect.disclaims(endpoint, query));
    let recognised = meant().find(|(dialect, _)| dialect.recognises(headers));
    let chosen = recognised.or_else(|| meant().next()).or_else(|| of_method().next());
    match chosen {
        Some((dialect, endpoint)) => Matched {
            dialect: *dialect,
            pattern: endpoint.path,
            target: Target::Endpoint { endpoint, params },
            claims: of_method().copied().collect(),
            open: if recognised.is_some() { Vec::new() } else { meant().copied().collect() },
        },
        None => {
            let (dialect, first) = claims[0];
            let allow = allow(claims.iter().map(|(_, endpoint)| &endpoint.method));
            Matched {
                dialect,
                pattern: first.path,
                target: Target::WrongMethod { allow },
                claims: Vec::new(),
                open: Vec::new(),
            }
        }
    }
}

fn decode_params(params: &matchit::Params<'_, '_>) -> Option<PathParams> {
    let decode = |(name, value): (&str, &str)| Some((name.to_owned(), percent::decode(value)?));
    params.iter().map(decode).collect::<Option<_>>().map(PathParams)
}

/// A GET answers HEAD too, and OPTIONS is answered on every path.
fn allow<'a>(methods: impl IntoIterator<Item = &'a Method>) -> HeaderValue {
    let mut names: Vec<&str> = Vec::new();
    for method in methods {
        if names.contains(&method.as_str()) {
            continue;
        }
        names.push(method.as_str());
        if *method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    HeaderValue::from_str(&names.join(", ")).expect("method names can stand in a header")
}

#[cfg(test)]
mod tests {
    use translation::Action;

    use super::*;

    fn find(method: &Method, path: &str) -> Matched {
        routes().find(method, &path.parse().unwrap_or_default(), &HeaderMap::new())
    }

    fn routes() -> Routes {
        Routes::new(translation::DIALECTS).unwrap()
    }

    fn task_id(path: &str) -> Option<String> {
        match find(&Method::GET, path).target {
            Target::Endpoint { endpoint, params } if endpoint.action == Action::Get => {
                Some(params.get("task_id").to_owned())
            }
            _ => None,
        }
    }

    #[test]
    fn every_endpoint_of_every_dialect_is_found() {
        let routes = routes();
        for dialect in translation::DIALECTS {
            for endpoint in dialect.endpoints() {
                let path = endpoint.path.replace(['{', '}'], "");
                let found = routes.find(&endpoint.method, &path.parse().unwrap(), &HeaderMap::new());
                assert!(found.refusal().is_none(), "{} {path}", endpoint.method);
                let own = format!("/{}{path}", dialect.name());
                let found = routes.find(&endpoint.method, &own.parse().unwrap(), &HeaderMap::new());
                assert_eq!(found.dialect.name(), dialect.name(), "{} {own}", endpoint.method);
            }
        }
    }

    #[test]
    fn ids_may_hold_colons_and_be_percent_encoded() {
        assert_eq!(task_id("/v2/videos/generations/veo3:1756").as_deref(), Some("veo3:1756"));
        assert_eq!(task_id("/v2/videos/generations/veo3%3A1756").as_deref(), Some("veo3:1756"));
        assert_eq!(task_id("/v2/videos/generations/a%2Fb").as_deref(), Some("a/b"));
        assert_eq!(task_id("/v2/videos/generations/%ff"), None);
        assert_eq!(task_id("/v2/videos/generations/%zz"), None);
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for path in ["/", "", "*", "/v2/videos/generations/", "/v2//generations", "/assets/", "/assets/a/b"] {
            let matched = find(&Method::GET, path);
            assert_eq!(matched.refusal().unwrap().kind, FailureKind::NotFound, "{path}");
            assert_eq!(matched.pattern, UNKNOWN_PATH);
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let Target::WrongMethod { allow } = find(&Method::DELETE, "/v2/videos/generations").target else {
            panic!("no dialect deletes there")
        };
        assert_eq!(allow, "POST, OPTIONS");
        let Target::WrongMethod { allow } = find(&Method::POST, "/assets/a.png").target else {
            panic!("files are only read")
        };
        assert_eq!(allow, "GET, HEAD, OPTIONS");
    }

    #[test]
    fn head_is_answered_where_get_is() {
        assert!(find(&Method::HEAD, "/v2/videos/generations/x").refusal().is_none());
        assert!(find(&Method::HEAD, "/assets/x.png").refusal().is_none());
        assert!(find(&Method::HEAD, "/v2/videos/generations").refusal().is_some());
    }

    #[test]
    fn a_query_can_say_whose_a_shared_path_is() {
        let path = "/v1/images/generations";
        let name =
            |uri: &str| routes().find(&Method::POST, &uri.parse().unwrap(), &HeaderMap::new()).dialect.name();
        assert_eq!(name(&format!("{path}?async=true")), translation::DIALECTS[0].name());
        assert_ne!(name(path), translation::DIALECTS[0].name());
    }
}
