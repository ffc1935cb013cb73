#pragma once

#include <boost/asio/ssl/context.hpp>
#include <corogate/http/tls.hpp>
#include <memory>

namespace corogate::http::detail {

/// Reads certificate and key. Throws `tls_error`.
std::shared_ptr<boost::asio::ssl::context> make_tls_context(const tls_options& from);

} // namespace corogate::http::detail
