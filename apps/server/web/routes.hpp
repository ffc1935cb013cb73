#pragma once

#include <corogate/http/router.hpp>

namespace server::web {

/// `GET /`, the dashboard, and `GET /assets/{name}`, what it is made of; HEAD with them.
///
/// Both are for everybody: they hold no data. The page asks for its data as its reader, with the
/// token that the reader gave it.
void add_web_routes(corogate::http::router& to);

} // namespace server::web
