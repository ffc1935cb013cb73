// What browsers get of the dashboard, over a real connection.
#include "web/assets.hpp"

#include "http/raw_client.hpp"
#include "web/routes.hpp"

#include <boost/test/unit_test.hpp>
#include <corogate/http/server.hpp>
#include <string>

BOOST_AUTO_TEST_SUITE(assets)

namespace {

namespace http = corogate::http;
namespace web = server::web;

struct page_server {
    http::server front{http::server_options()};

    page_server() {
        http::router routes;
        web::add_web_routes(routes);
        front.start(std::move(routes));
    }
    ~page_server() { front.stop(); }

    raw_client::reply get(std::string_view target, std::string_view fields = {}) {
        return raw_client(front.port())
            .ask(
                "GET " + std::string(target) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
                std::string(fields) + "\r\n"
            );
    }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(the_page_is_asked_for_again_each_time, page_server) {
    const auto got = get("/");
    BOOST_TEST(got.status == 200);
    BOOST_TEST(got.header("Content-Type") == "text/html; charset=utf-8");
    BOOST_TEST(got.header("Cache-Control") == "no-cache");
    BOOST_TEST(got.body.starts_with("<!doctype html>"));
    BOOST_TEST(got.header("X-Content-Type-Options") == "nosniff");
    BOOST_TEST(got.header("Referrer-Policy") == "no-referrer");
    const auto policy = got.header("Content-Security-Policy");
    BOOST_TEST(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    BOOST_TEST(policy.find("unsafe") == std::string::npos);

    const auto tag = got.header("ETag");
    const auto again = get("/", "If-None-Match: " + tag + "\r\n");
    BOOST_TEST(again.status == 304);
    BOOST_TEST(again.body.empty());
    BOOST_TEST(again.header("ETag") == tag);
    BOOST_TEST(get("/", "If-None-Match: \"other\"\r\n").status == 200);
}

BOOST_FIXTURE_TEST_CASE(every_file_that_the_page_names_is_there, page_server) {
    const auto page = get("/").body;
    int named = 0;
    for (std::size_t at = 0; (at = page.find("\"/assets/", at)) != std::string::npos; ++named) {
        const auto end = page.find('"', ++at);
        BOOST_TEST(get(page.substr(at, end - at)).status == 200, page.substr(at, end - at));
        at = end;
    }
    BOOST_TEST(named >= 6);
}

BOOST_FIXTURE_TEST_CASE(only_a_file_with_a_version_in_its_name_is_kept_for_a_year, page_server) {
    const auto kept = get("/assets/uplot-1.6.32.js");
    BOOST_TEST(kept.status == 200);
    BOOST_TEST(kept.header("Content-Type") == "text/javascript; charset=utf-8");
    BOOST_TEST(kept.header("Cache-Control") == "public, max-age=31536000, immutable");
    BOOST_TEST(get("/assets/app.js").header("Cache-Control") == "no-cache");
    BOOST_TEST(get("/assets/sample-vs.json").header("Cache-Control") == "no-cache");
    BOOST_TEST(get("/assets/icon.svg").header("Content-Type") == "image/svg+xml");
}

BOOST_FIXTURE_TEST_CASE(other_names_are_not_found, page_server) {
    for (const char* target :
         {"/assets/index.html", "/assets/none.js", "/assets/..%2fapp.js", "/assets/"})
        BOOST_TEST(get(target).status >= 400, target);
    BOOST_TEST(get("/assets/none.js").status == 404);
}

BOOST_AUTO_TEST_CASE(what_is_compiled_in_has_a_hash_of_its_content) {
    BOOST_TEST(web::embedded_files().size() >= 12U);
    for (const auto& file : web::embedded_files()) {
        BOOST_TEST(!file.octets.empty(), file.name);
        BOOST_TEST(file.sha256.size() == 64U, file.name);
        BOOST_TEST(web::media_type_of(file.name) != "application/octet-stream", file.name);
    }
}

BOOST_AUTO_TEST_CASE(a_list_of_tags_fits_where_one_of_them_does) {
    BOOST_TEST(web::names_tag("\"a\"", "\"a\""));
    BOOST_TEST(web::names_tag("\"b\", \"a\"", "\"a\""));
    BOOST_TEST(web::names_tag("\"b\" ,W/\"a\"\t", "\"a\""));
    BOOST_TEST(web::names_tag(" * ", "\"a\""));
    BOOST_TEST(!web::names_tag("", "\"a\""));
    BOOST_TEST(!web::names_tag("\"b\",", "\"a\""));
    BOOST_TEST(!web::names_tag("a", "\"a\""));
    BOOST_TEST(!web::names_tag("\"*\"", "\"a\""));
}

BOOST_AUTO_TEST_SUITE_END()
