#include <corogate/limiter.hpp>

#include <boost/test/unit_test.hpp>
#include <concepts>
#include <stdexcept>
#include <type_traits>
#include <utility>

using corogate::any_limiter;
using corogate::limiter_window;
using namespace std::chrono_literals;
using time_point = std::chrono::steady_clock::time_point;

BOOST_AUTO_TEST_SUITE(limiter_tests)

namespace {

/// One more with each window.
struct counting {
    std::size_t says = 1;
    std::size_t limit() const noexcept { return says; }
    corogate::window_rule windows() const noexcept { return {5ms, 50ms, 3, 2}; }
    void update(const limiter_window& w, time_point) noexcept { says += w.completed; }
};

/// One less with each brake.
struct braking : counting {
    void brake(std::chrono::nanoseconds waited, time_point) noexcept {
        says -= waited > 50ms ? 1 : 0;
    }
};

struct without_update {
    std::size_t limit() const noexcept { return 1; }
    corogate::window_rule windows() const noexcept { return {}; }
};
struct that_throws : without_update {
    void update(const limiter_window&, time_point) {}
};
struct that_cannot_be_copied : counting {
    that_cannot_be_copied() = default;
    that_cannot_be_copied(that_cannot_be_copied&&) = default;
    that_cannot_be_copied& operator=(that_cannot_be_copied&&) = default;
};

limiter_window of(std::uint64_t completed) {
    limiter_window w;
    w.completed = completed;
    return w;
}

} // namespace

static_assert(corogate::limiter<counting> && !corogate::braking_limiter<counting>);
static_assert(corogate::braking_limiter<braking>);
static_assert(corogate::limiter<any_limiter> && corogate::braking_limiter<any_limiter>);
static_assert(!corogate::limiter<without_update> && !corogate::limiter<int>);
static_assert(!corogate::limiter<that_throws> && !corogate::limiter<that_cannot_be_copied>);
static_assert(std::is_nothrow_move_constructible_v<any_limiter>);
static_assert(!std::constructible_from<any_limiter, without_update>);

BOOST_AUTO_TEST_CASE(an_empty_one_says_so) {
    BOOST_TEST(!any_limiter());
    BOOST_TEST(!any_limiter(any_limiter()));
    BOOST_TEST(!!any_limiter(counting{}));
    any_limiter given = counting{3};
    given = any_limiter();
    BOOST_TEST(!given);
}

BOOST_AUTO_TEST_CASE(it_passes_everything_on) {
    any_limiter model = counting{3};
    BOOST_TEST(model.limit() == 3u);
    BOOST_TEST((model.windows().shortest == 5ms && model.windows().longest == 50ms));
    BOOST_TEST((model.windows().enough == 3u && model.windows().few == 2u));
    model.update(of(4), {});
    BOOST_TEST(model.limit() == 7u);
}

BOOST_AUTO_TEST_CASE(a_brake_reaches_who_has_one) {
    any_limiter without = counting{3};
    without.brake(1s, {});
    BOOST_TEST(without.limit() == 3u);
    any_limiter with = braking{{3}};
    with.brake(1s, {});
    BOOST_TEST(with.limit() == 2u);
}

BOOST_AUTO_TEST_CASE(a_copy_goes_on_from_the_same_state_by_itself) {
    any_limiter first = counting{3};
    first.update(of(1), {});
    any_limiter second = first;
    BOOST_TEST(second.limit() == 4u);
    second.update(of(1), {});
    first.update(of(10), {});
    BOOST_TEST(second.limit() == 5u);
    BOOST_TEST(first.limit() == 14u);
    first = second;
    second.update(of(1), {});
    BOOST_TEST(first.limit() == 5u);
    any_limiter moved = std::move(second);
    BOOST_TEST(moved.limit() == 6u);
}

BOOST_AUTO_TEST_SUITE_END()
