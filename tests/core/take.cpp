#include <corogate/take.hpp>

#include <boost/test/unit_test.hpp>
#include <memory>

namespace asio = boost::asio;

BOOST_AUTO_TEST_SUITE(take_tests)

BOOST_AUTO_TEST_CASE(the_callable_is_moved_from_when_it_is_asked_for_and_not_before) {
    auto closure = [held = std::make_unique<int>(7)] { return *held; };
    auto handed = corogate::take(closure);
    BOOST_TEST(closure() == 7);
    auto moved = corogate::detail::untaken<decltype(handed)>::get(handed);
    BOOST_TEST(moved() == 7);
    static_assert(std::is_trivially_destructible_v<decltype(handed)>);
}

BOOST_AUTO_TEST_CASE(the_guard_catches_capturing_temporaries_inside_co_await_and_nothing_else) {
    using corogate::detail::closure_hazard;
    constexpr bool old_gcc = corogate::detail::destroys_closures_twice;
    auto capturing = [held = std::make_shared<int>(7)] { return *held; };
    auto trivial = [number = 7] { return number; };
    using awaitable = asio::awaitable<int>;
    static_assert(closure_hazard<decltype(capturing), awaitable> == old_gcc);
    static_assert(!closure_hazard<decltype(capturing)&, awaitable>);
    static_assert(!closure_hazard<decltype(trivial), awaitable>);
    static_assert(!closure_hazard<corogate::taken<decltype(capturing)>, awaitable>);
    static_assert(!closure_hazard<awaitable, awaitable>);
    static_assert(!closure_hazard<decltype(capturing), void>);
    BOOST_TEST(capturing() == trivial());
}

BOOST_AUTO_TEST_SUITE_END()
