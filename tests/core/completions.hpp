#pragma once

#include "pool_books.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <corogate/testing/environment.hpp>
#include <exception>
#include <utility>

namespace test {

/// What the exception of a completion says; `io_error` where it is not a system_error.
inline boost::system::error_code code_of(const std::exception_ptr& error) {
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        return e.code();
    } catch (...) {
        return make_error_code(boost::system::errc::io_error);
    }
}

/// How one operation completed, and how often. Outlives it.
class completion_of {
public:
    completion_of() = default;
    completion_of(const completion_of&) = delete;
    completion_of& operator=(const completion_of&) = delete;

    /// The handler.
    auto note() {
        return [this](std::exception_ptr e, auto&&...) {
            ++times_;
            error_ = std::move(e);
        };
    }
    int times() const { return times_; }
    bool done() const { return times_ != 0; }
    const std::exception_ptr& error() const { return error_; }
    boost::system::error_code code() const { return code_of(error_); }

private:
    int times_ = 0;
    std::exception_ptr error_;
};

/// Runs what is ready, then looks at the books of an idle pool.
inline corogate::pool_stats
settle(corogate::testing::environment& env, const corogate::task_pool& pool) {
    env.run();
    const auto s = pool.stats();
    check_books(s);
    BOOST_TEST(s.waiting == 0u);
    BOOST_TEST(s.running == 0u);
    BOOST_TEST(s.lent == 0u);
    BOOST_TEST(s.reserved == 0u);
    return s;
}

} // namespace test
