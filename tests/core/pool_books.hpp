#pragma once

#include <boost/test/unit_test.hpp>
#include <corogate/pool_stats.hpp>
#include <corogate/task_pool.hpp>
#include <thread>

namespace test {

/// The identities of pool_stats.hpp that hold in every snapshot, also after a lowered limit. For
/// threads of a test too, where BOOST_TEST is not safe.
inline bool identities_hold(const corogate::pool_stats& s) {
    return s.submitted == s.refused + s.accepted &&
           s.accepted == s.waiting + s.running + s.completed + s.failed + s.cancelled + s.expired +
                             s.displaced + s.abandoned + s.spilled &&
           s.lent <= s.running && s.permits_used == s.running - s.lent && s.waiting <= s.accepted &&
           s.running <= s.accepted; // nothing wrapped
}

/// The same, and the limit.
inline bool books_balance(const corogate::pool_stats& s) {
    return identities_hold(s) && s.permits_used <= s.limit && s.running_peak <= s.limit;
}

inline void check_books(const corogate::pool_stats& s) {
    BOOST_TEST(s.submitted == s.refused + s.accepted);
    BOOST_TEST(
        s.accepted == s.waiting + s.running + s.completed + s.failed + s.cancelled + s.expired +
                          s.displaced + s.abandoned + s.spilled
    );
    BOOST_TEST(s.lent <= s.running);
    BOOST_TEST(s.permits_used == s.running - s.lent);
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
