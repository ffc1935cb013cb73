#pragma once

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>
#include <type_traits>
#include <utility>

namespace corogate::detail {

/// The executor under a control strand: runs work on the calling thread, unless that would block.
///
/// A strand over it executes on whoever finds the strand free, for the price of two lock pairs;
/// only what arrives while somebody is inside goes to `Inner`. So short decisions never queue
/// behind the tasks of a busy pool. Nothing that runs on such a strand may call user code or wait.
template <typename Inner>
class inline_when_free {
public:
    explicit inline_when_free(Inner inner) noexcept
        : inner_(std::move(inner)) {}

    boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept {
        return boost::asio::query(inner_, boost::asio::execution::context);
    }

    static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t
    ) noexcept {
        return boost::asio::execution::blocking.possibly;
    }

    inline_when_free require(boost::asio::execution::blocking_t::possibly_t) const noexcept {
        return *this;
    }

    /// What the strand asks for when it must not run inline.
    auto require(boost::asio::execution::blocking_t::never_t) const {
        return boost::asio::require(inner_, boost::asio::execution::blocking.never);
    }

    template <typename F>
    void execute(F&& f) const {
        std::decay_t<F>(std::forward<F>(f))();
    }

    friend bool operator==(const inline_when_free& a, const inline_when_free& b) noexcept {
        return a.inner_ == b.inner_;
    }
    friend bool operator!=(const inline_when_free& a, const inline_when_free& b) noexcept {
        return !(a == b);
    }

private:
    Inner inner_;
};

} // namespace corogate::detail
