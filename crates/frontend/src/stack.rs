//! The layers in their order: what a request passes on its way in, and its answer on its way out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use limits::WrongKeys;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

use crate::body::{Answer, Discard, Wanted};
use crate::gateway::{Gateway, StartError};
use crate::handlers::{BaseUrl, EventBounds, Handlers, WaitBounds};
use crate::layers::access_log::AccessLogLayer;
use crate::layers::authenticate::AuthenticateLayer;
use crate::layers::body_cap::BodyCapLayer;
use crate::layers::client_limits::ClientLimitsLayer;
use crate::layers::cors;
use crate::layers::deadline::DeadlineLayer;
use crate::layers::discard::DiscardLayer;
use crate::layers::in_flight::InFlightLayer;
use crate::layers::limit_headers::LimitHeadersLayer;
use crate::layers::match_dialect::MatchLayer;
use crate::layers::measure::MeasureLayer;
use crate::layers::request_id::RequestIdLayer;
use crate::layers::rescue::RescueLayer;
use crate::layers::whole_body::{BodyBounds, WholeBodyLayer};
use crate::metrics::Metrics;
use crate::room::Room;
use crate::routes::Routes;
use crate::settings::{DISCARD_BYTES_MAX, DISCARD_TIMEOUT};

/// The whole way of a request. It has no errors left; clones share all limits.
pub(crate) type Stack<B> = BoxCloneSyncService<Request<B>, Answer, Infallible>;

/// Puts the layers together. The first is the outermost. Each file says why its layer exists; the notes here say why
/// it stands where it stands.
pub(crate) fn build<B>(
    gateway: &Gateway,
    metrics: &Arc<Metrics>,
    listen: SocketAddr,
) -> Result<Stack<B>, StartError>
where
    B: Wanted<Error: Into<BoxError>>,
{
    let settings = &gateway.settings;
    let routes = Arc::new(Routes::new(translation::DIALECTS)?);
    let base_url = BaseUrl::new(settings.public_url.as_deref(), settings.tls.is_some(), listen);
    let discard = Discard { bytes_max: DISCARD_BYTES_MAX, timeout: DISCARD_TIMEOUT };
    let bodies = BodyBounds {
        bytes_max: settings.body_bytes_max,
        buffered_bytes_max: settings.buffered_bytes_max,
        timeout: settings.body_timeout,
        bytes_per_second_min: settings.body_bytes_per_second_min,
    };
    let wrong_keys = WrongKeys::new(settings.wrong_keys_per_minute, settings.tracked_addresses_max);
    let service = ServiceBuilder::new()
        // These see every request and every answer, whatever becomes of it.
        .layer(RequestIdLayer)
        .layer(DiscardLayer::new(discard))
        .layer(cors::layer(&settings.cors_origins)?)
        .layer(AccessLogLayer)
        .layer(MeasureLayer::new(Arc::clone(metrics)))
        // From here on it is known in whose shape errors leave; inside of rescue, everything may fail.
        .layer(MatchLayer::new(routes))
        .layer(LimitHeadersLayer)
        .layer(RescueLayer)
        // Cheapest refusals first: no room, a head that says enough.
        .layer(InFlightLayer::new(settings.requests_in_flight_max))
        .layer(BodyCapLayer::new(settings.body_bytes_max))
        // Everything that waits for something of ours.
        .layer(DeadlineLayer::new(settings.request_timeout))
        .layer(AuthenticateLayer::new(gateway.keyring.clone(), wrong_keys))
        .layer(ClientLimitsLayer::new(Arc::clone(&gateway.limiter)))
        // Not before it is known who sends it: strangers cannot make us hold their bytes.
        .layer(WholeBodyLayer::new(bodies))
        .service(handlers(gateway, metrics, base_url));
    Ok(BoxCloneSyncService::new(service))
}

fn handlers(gateway: &Gateway, metrics: &Metrics, base_url: BaseUrl) -> Handlers {
    let settings = &gateway.settings;
    Handlers {
        tasks: gateway.tasks.clone(),
        base_url,
        draining: gateway.draining.clone(),
        waits: WaitBounds {
            room: Room::new(settings.waits_max, metrics.waiting()),
            timeout: settings.wait_timeout,
        },
        events: EventBounds {
            room: Room::new(settings.events_max, metrics.event_streams()),
            // A connection on which nothing moves would be ended.
            keep_alive: settings.events_keep_alive.min(settings.idle_timeout / 2),
            timeout: settings.events_timeout,
        },
    }
}
