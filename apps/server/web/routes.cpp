#include "web/routes.hpp"

#include "web/assets.hpp"

#include <boost/asio/awaitable.hpp>
#include <corogate/http/problem.hpp>
#include <stdexcept>
#include <string>

namespace asio = boost::asio;
namespace http = corogate::http;

namespace server::web {

namespace {

const asset_table& table() {
    static const asset_table all(embedded_files());
    return all;
}

} // namespace

void add_web_routes(http::router& to) {
    const asset* index = table().find("index.html");
    if (!index)
        throw std::logic_error("the dashboard is not compiled in");
    auto page = [index](http::request& from) -> asio::awaitable<http::response> {
        co_return index->answer(from);
    };
    auto file = [](http::request& from) -> asio::awaitable<http::response> {
        const asset* found = table().find(from.param("name"));
        if (!found || found->name() == "index.html") {
            http::problem no(404, "not-found", "there is no such file");
            co_return no.field("name").to_response();
        }
        co_return found->answer(from);
    };
    // The page asks for a token itself; it holds nothing that needs one.
    const auto for_all = http::route_options().needs(http::role::none);
    to.add("GET", "/", page, for_all);
    to.add("GET", "/assets/{name}", file, for_all);
}

} // namespace server::web
