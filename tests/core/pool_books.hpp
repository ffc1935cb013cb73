#pragma once

#include <boost/test/unit_test.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/task_pool.hpp>

namespace test {

/// The identities that hold in every snapshot. For threads of a test, where BOOST_TEST is not safe.
inline bool books_balance(const corogate::pool_stats& s) {
    return s.submitted == s.refused + s.accepted &&
           s.accepted ==
               s.waiting + s.running + s.completed + s.failed + s.cancelled + s.abandoned &&
           s.running <= s.permits_used && s.permits_used <= s.limit && s.running_peak <= s.limit;
}

inline void check_books(const corogate::pool_stats& s) {
    BOOST_TEST(s.submitted == s.refused + s.accepted);
    BOOST_TEST(
        s.accepted == s.waiting + s.running + s.completed + s.failed + s.cancelled + s.abandoned
    );
    BOOST_TEST(s.running <= s.permits_used);
    BOOST_TEST(s.permits_used <= s.limit);
    BOOST_TEST(s.running_peak <= s.limit);
}

/// Blocks until a pool has nothing left to do, without closing it.
inline corogate::pool_stats quiet(const corogate::task_pool& pool) {
    for (;;) {
        const auto s = pool.stats();
        if (s.waiting == 0 && s.running == 0)
            return s;
        std::this_thread::yield();
    }
}

} // namespace test
