#pragma once

#include "api/input.hpp"
#include "service.hpp"

#include <boost/asio/awaitable.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace server {

/// The Idempotency-Key of a request, of the caller and the route: 1 to 255 visible ASCII
/// characters, else 400. Nothing where there is none. The digest is not there yet: in an admission
/// hook the body is not.
input<std::optional<key_record>>
read_key(const corogate::http::request& from, std::string_view route, std::string_view tenant);

/// SHA-256 of what the request asks for: target and body, octet by octet.
std::string digest_of(const corogate::http::request& of);

/// Answers a request whose key was used before: 422 where it was for something else; 409 with
/// `Location` while that is under way and nothing has been answered; else as it was answered.
boost::asio::awaitable<corogate::http::response>
answer_again(service& with, key_record used, std::string digest);

/// 202 for a job that is on disk.
corogate::http::response accepted(std::string_view job_id, std::string body, bool preferred);

} // namespace server
