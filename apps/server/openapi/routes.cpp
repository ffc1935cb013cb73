#include "openapi/routes.hpp"

#include "web/assets.hpp"

#include <boost/asio/awaitable.hpp>
#include <corogate/http/problem.hpp>
#include <stdexcept>

namespace asio = boost::asio;
namespace http = corogate::http;

namespace server {

/// Made by embed.cmake: the document, and the files of the page.
namespace web {
std::span<const embedded_file> document_files() noexcept;
}

namespace {

constexpr std::string_view document_name = "openapi.json";
constexpr std::string_view page_name = "docs.html";

const web::asset_table& table() {
    static const web::asset_table all(web::document_files());
    return all;
}

/// A route for one file.
http::handler file(std::string_view name) {
    const web::asset* found = table().find(name);
    if (!found)
        throw std::logic_error("the document is not compiled in");
    return [found](http::request& from) -> asio::awaitable<http::response> {
        co_return found->answer(from);
    };
}

} // namespace

void add_openapi_routes(http::router& to) {
    auto part = [](http::request& from) -> asio::awaitable<http::response> {
        const web::asset* found = table().find(from.param("name"));
        if (!found || found->name() == page_name || found->name() == document_name) {
            http::problem no(404, "not-found", "there is no such file");
            co_return no.field("name").to_response();
        }
        co_return found->answer(from);
    };
    const auto for_all = http::route_options().needs(http::role::none);
    to.add("GET", "/openapi.json", file(document_name), for_all);
    to.add("GET", "/docs", file(page_name), for_all);
    to.add("GET", "/docs/{name}", part, for_all);
}

std::string_view openapi_document() noexcept { return table().find(document_name)->octets(); }

} // namespace server
