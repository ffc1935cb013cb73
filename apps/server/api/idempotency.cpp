#include "api/idempotency.hpp"

#include "api/form_json.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <corogate/http/problem.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <stdexcept>
#include <utility>

namespace asio = boost::asio;
namespace http = corogate::http;
namespace json = boost::json;

namespace server {

input<std::optional<key_record>>
read_key(const http::request& from, std::string_view route, std::string_view tenant) {
    const auto key = from.header("Idempotency-Key");
    if (!key)
        return std::optional<key_record>();
    bool good = !key->empty() && key->size() <= 255;
    for (const char c : *key)
        good = good && c > ' ' && c <= '~';
    if (!good) {
        http::problem no(
            400, "invalid-header",
            "an Idempotency-Key has 1 to 255 visible ASCII characters without white space"
        );
        no.field("Idempotency-Key").executed(false);
        return no.to_response();
    }
    key_record to;
    to.scope = fmt::format("{}\n{}\n{}", route, from.who().name, tenant);
    to.key = *key;
    to.used_at = std::chrono::system_clock::now();
    return std::optional<key_record>(std::move(to));
}

std::string digest_of(const http::request& of) {
    std::string text = fmt::format("{}\n{}\n", of.method(), of.target());
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(
        EVP_MD_CTX_new(), EVP_MD_CTX_free
    );
    if (!state || EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr) != 1 ||
        EVP_DigestUpdate(state.get(), text.data(), text.size()) != 1 ||
        EVP_DigestUpdate(state.get(), of.body().data(), of.body().size()) != 1 ||
        EVP_DigestFinal_ex(state.get(), hash, &size) != 1)
        throw std::runtime_error("SHA-256 is not available");
    std::string hex;
    for (unsigned i = 0; i < size; ++i)
        hex += fmt::format("{:02x}", hash[i]);
    return hex;
}

http::response accepted(std::string_view job_id, std::string body, bool preferred) {
    http::response answer(202);
    answer.body(std::move(body), "application/json");
    answer.set("Location", fmt::format("/v1/jobs/{}", job_id));
    answer.set("Retry-After", "1");
    if (preferred)
        answer.set("Preference-Applied", "respond-async");
    return answer;
}

asio::awaitable<http::response> answer_again(service& with, key_record used, std::string digest) {
    if (used.digest != digest) {
        http::problem no(
            422, "idempotency-key-reused", "This Idempotency-Key was used for another request."
        );
        co_return no.field("Idempotency-Key").executed(false).to_response();
    }
    if (used.status == 202)
        co_return accepted(used.job, used.answer, !used.form.empty());
    const auto stored = co_await with.store().async_find_form(used.form, asio::use_awaitable);
    if (stored && stored->form.state == form_state::checked) {
        json::object answer = describe(stored->form);
        add_findings(answer, stored->findings);
        co_return http::response::json(200, answer);
    }
    http::problem no(
        409, "request-in-progress",
        "The first request with this Idempotency-Key is being worked on."
    );
    auto answer = no.executed(false).retry_after(std::chrono::seconds(1)).to_response();
    answer.set(
        "Location", used.job.empty() ? fmt::format("/v1/forms/{}", used.form)
                                     : fmt::format("/v1/jobs/{}", used.job)
    );
    co_return answer;
}

} // namespace server
