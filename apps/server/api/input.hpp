#pragma once

#include <boost/json/object.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <corogate/http/problem.hpp>
#include <corogate/http/request.hpp>
#include <corogate/http/response.hpp>
#include <string>
#include <string_view>

namespace server {

/// Something of a request, or the answer that says what is wrong with it.
template <typename T>
using input = boost::system::result<T, corogate::http::response>;

/// A value of the query that must be there: 1 to 200 octets, else 400.
input<std::string> required_query(const corogate::http::request& from, std::string_view name);

/// How long the client gives the work: the first of `grpc-timeout`,
/// `x-envoy-expected-rq-timeout-ms` and `X-Request-Timeout-Ms` that makes sense, from 50 ms to 30
/// s; else `otherwise`.
std::chrono::nanoseconds
time_given(const corogate::http::request& from, std::chrono::nanoseconds otherwise);

/// The body as a JSON object, else 400; depth and size are bounded.
input<boost::json::object> json_body(const corogate::http::request& from);

/// A member that must be a text of 1 to 200 octets, else 422.
input<std::string> required_text(const boost::json::object& from, std::string_view name);

/// 422: the request is understood, this field of it is wrong.
corogate::http::problem wrong_field(std::string_view field, std::string_view detail);

/// 404 for something the request names.
corogate::http::problem unknown(std::string_view field, std::string_view detail);

} // namespace server
