#pragma once

#include <corogate/http/router.hpp>
#include <string_view>

namespace server {

/// GET /openapi.json, the description of all routes (OpenAPI 3.1), and /docs, a page that shows it,
/// with its parts at /docs/{name}. For everybody; with entity tags; nothing is loaded from
/// elsewhere.
void add_openapi_routes(corogate::http::router& to);

/// The description as it is served.
std::string_view openapi_document() noexcept;

} // namespace server
