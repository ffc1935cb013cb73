#include <corogate/http/event_stream.hpp>

#include "http/sse.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
namespace http = corogate::http;
using namespace std::chrono_literals;
using http::event;
using http::event_hub;
using http::event_hub_options;
using http::event_log;
using sse::told;

BOOST_AUTO_TEST_SUITE(event_stream_tests)

// ---- on the wire ----

BOOST_AUTO_TEST_CASE(an_event_is_read_back_as_it_was_said) {
    for (const char* data :
         {"", "{}", "one line", "two\nlines", "\n", "a\n\nb", "ends with one\n", " leading space",
          "id: 7\nevent: other\n\ndata: x", ":", "\xc3\xa4", "retry: 1"}) {
        const auto text = http::format(event("state", data), 42);
        const auto read = sse::read(text);
        BOOST_TEST_CONTEXT("data " << data) {
            BOOST_REQUIRE_EQUAL(read.events.size(), 1u);
            BOOST_TEST(read.events[0].id == "42");
            BOOST_TEST(read.events[0].name == "state");
            BOOST_TEST(read.events[0].data == data);
            BOOST_TEST(read.retry == -1);
        }
    }
    BOOST_TEST(
        http::format(event("state", "{\"a\":1}"), 3) == "id: 3\nevent: state\ndata: {\"a\":1}\n\n"
    );
}

BOOST_AUTO_TEST_CASE(every_kind_of_line_end_is_one) {
    const auto text = http::format(event("x", "a\rb\r\nc\n\rd"), 1);
    BOOST_TEST(text.find('\r') == std::string::npos);
    BOOST_TEST(sse::read(text).events.at(0).data == "a\nb\nc\n\nd");
}

BOOST_AUTO_TEST_CASE(a_name_cannot_break_out_of_its_line) {
    for (const char* name : {"", "a\nb", "a\rb", "state\ndata: x", "\t", "\x7f", "a\xff"})
        BOOST_CHECK_THROW(event(name, "x"), std::invalid_argument);
    BOOST_CHECK_THROW(event(std::string("a\0b", 3), "x"), std::invalid_argument);
}

// ---- the log ----

static std::vector<std::string> all_after(const event_log& log, std::uint64_t n, const char* of) {
    std::vector<std::string> data;
    while (const auto one = log.after(n, of)) {
        data.push_back(one->said.data());
        n = one->number;
    }
    return data;
}

using strings = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(a_log_keeps_the_latest_and_knows_what_it_lost) {
    event_log log(3, 1000, 100);
    BOOST_TEST(log.newest() == 99u);
    BOOST_TEST(log.reaches(99));
    BOOST_TEST(!log.reaches(98));  // of an earlier process
    BOOST_TEST(!log.reaches(100)); // of none
    for (const char* data : {"a", "b", "c"})
        log.add(event("job", data));
    BOOST_TEST(log.reaches(99));
    BOOST_TEST(
        all_after(log, 99, "") == (strings{"a", "b", "c"}), boost::test_tools::per_element()
    );
    BOOST_TEST(all_after(log, 101, "") == (strings{"c"}), boost::test_tools::per_element());
    log.add(event("job", "d"));
    BOOST_TEST(!log.reaches(99));
    BOOST_TEST(log.reaches(100));
    BOOST_TEST(log.size() == 3u);
    BOOST_TEST(log.newest() == 103u);
    BOOST_TEST(all_after(log, 103, "").empty());
}

BOOST_AUTO_TEST_CASE(a_newer_state_takes_the_place_of_the_older_and_nothing_is_missed) {
    event_log log(10, 1000);
    log.add(event("state", "1").newest_only());
    log.add(event("job", "a").topic("a"));
    log.add(event("state", "2").newest_only());
    log.add(event("state", "of a topic").topic("a").newest_only());
    log.add(event("other", "3").newest_only());
    log.add(event("state", "4").newest_only());
    BOOST_TEST(
        all_after(log, 0, "") == (strings{"a", "of a topic", "3", "4"}),
        boost::test_tools::per_element()
    );
    BOOST_TEST(
        all_after(log, 0, "a") == (strings{"a", "of a topic"}), boost::test_tools::per_element()
    );
    BOOST_TEST(log.reaches(0));
    for (int i = 0; i < 1000; ++i)
        log.add(event("state", std::to_string(i)).newest_only());
    BOOST_TEST(log.size() == 4u);
    BOOST_TEST(log.reaches(0));
}

BOOST_AUTO_TEST_CASE(a_log_is_bounded_in_octets_but_keeps_the_newest) {
    event_log log(1000, 100);
    for (int i = 0; i < 50; ++i) {
        log.add(event("e", std::string(9, 'x')));
        BOOST_REQUIRE(log.octets() <= 100u);
    }
    BOOST_TEST(log.size() == 10u);
    log.add(event("e", std::string(5000, 'y')));
    BOOST_TEST(log.size() == 1u);
    log.add(event("e", "z"));
    BOOST_TEST(all_after(log, 50, "") == (strings{"z"}), boost::test_tools::per_element());
    BOOST_TEST(!log.reaches(50));
    BOOST_TEST(log.octets() == 2u);
}

// ---- streams ----

namespace {

/// A client that reads as fast as `reads` lets it.
struct client {
    explicit client(asio::io_context& on)
        : gate(on) {
        gate.expires_at(asio::steady_timer::time_point::max());
    }

    http::stream_sink sink() {
        return [this](std::string octets) { return take(std::move(octets)); };
    }
    asio::awaitable<bool> take(std::string octets) {
        while (!reads) {
            boost::system::error_code ec;
            co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        }
        most = std::max(most, octets.size());
        if (gone)
            co_return false;
        text += octets;
        co_return true;
    }
    void go_on() {
        reads = true;
        gate.cancel();
    }

    /// What came since the last call.
    sse::stream heard() { return sse::read(std::exchange(text, {})); }

    asio::steady_timer gate;
    bool reads = true;
    bool gone = false;
    bool ended = false;
    std::string text;
    std::size_t most = 0;
};

struct bench {
    explicit bench(const event_hub_options& options = {})
        : hub(options) {}

    /// Everything there is to know here is how often it was asked for.
    http::opening fresh() {
        return [this] { return say_all(); };
    }
    asio::awaitable<std::vector<event>> say_all() {
        std::vector<event> all;
        all.push_back(event("all", std::to_string(++openings)));
        co_return all;
    }

    bool connect(client& to, std::string topic = {}, std::optional<std::string> id = {}) {
        auto stream = hub.open(
            std::move(topic), fresh(), id ? std::optional<std::string_view>(*id) : std::nullopt
        );
        if (!stream)
            return false;
        asio::co_spawn(
            on, http::event_stream::serve(std::move(stream), to.sink()),
            [&to](std::exception_ptr e) {
                BOOST_TEST(!e);
                to.ended = true;
            }
        );
        poll();
        return true;
    }
    void poll() {
        on.restart();
        on.poll();
    }
    void publish(event what) {
        hub.publish(std::move(what));
        poll();
    }

    int openings = 0;
    event_hub hub;
    asio::io_context on;
};

std::vector<std::string> data_of(const sse::stream& of) {
    std::vector<std::string> data;
    for (const told& one : of.events)
        data.push_back(one.data);
    return data;
}

} // namespace

BOOST_AUTO_TEST_CASE(a_stream_opens_with_everything_and_goes_on_with_what_happens) {
    bench on;
    on.publish(event("job", "before"));
    client one(on.on);
    BOOST_REQUIRE(on.connect(one));
    auto heard = one.heard();
    BOOST_TEST(heard.retry == 2000);
    BOOST_REQUIRE_EQUAL(heard.events.size(), 1u);
    BOOST_TEST(heard.events[0].name == "all");
    BOOST_TEST(heard.events[0].id == "1"); // what came before is in it
    on.publish(event("job", "a"));
    on.publish(event("state", "b").newest_only());
    heard = one.heard();
    BOOST_TEST(data_of(heard) == (strings{"a", "b"}), boost::test_tools::per_element());
    BOOST_TEST(heard.events[1].id == "3");
    BOOST_TEST(on.hub.streams() == 1u);
    BOOST_TEST(on.hub.watchers() == 1u);
    one.gone = true;
    on.publish(event("job", "c"));
    BOOST_TEST(one.ended);
    BOOST_TEST(on.hub.streams() == 0u);
}

BOOST_AUTO_TEST_CASE(who_comes_back_hears_what_he_missed_or_everything) {
    bench on(event_hub_options().keep(3, 1000).first(1000));
    for (const char* data : {"a", "b", "c", "d"}) // 1000 to 1003
        on.publish(event("job", data));
    const auto hear = [&on](std::optional<std::string> id) {
        client one(on.on);
        BOOST_REQUIRE(on.connect(one, {}, id));
        const auto heard = data_of(one.heard());
        one.gone = true;
        on.hub.send_away();
        on.poll();
        BOOST_REQUIRE(one.ended);
        return heard;
    };
    BOOST_TEST(hear("1001") == (strings{"c", "d"}), boost::test_tools::per_element());
    BOOST_TEST(hear("1000") == (strings{"b", "c", "d"}), boost::test_tools::per_element());
    BOOST_TEST(hear("1003").empty());
    BOOST_TEST(on.openings == 0);
    int n = 0;
    for (const char* unknown :
         {"999", "7", "1004", "", "abc", "1001x", "-1", "99999999999999999999999"})
        BOOST_TEST(
            hear(unknown) == (strings{std::to_string(++n)}), boost::test_tools::per_element()
        );
    BOOST_TEST(
        hear(std::nullopt) == (strings{std::to_string(++n)}), boost::test_tools::per_element()
    );
}

BOOST_AUTO_TEST_CASE(a_slow_reader_gets_every_job_and_only_the_newest_state) {
    bench on;
    client slow(on.on);
    client fast(on.on);
    slow.reads = false;
    BOOST_REQUIRE(on.connect(slow));
    BOOST_REQUIRE(on.connect(fast));
    for (int i = 0; i < 100; ++i) {
        on.publish(event("state", "s" + std::to_string(i)).newest_only());
        if (i % 25 == 0)
            on.publish(event("job", "j" + std::to_string(i)));
    }
    BOOST_TEST(fast.heard().events.size() == 105u); // the opening, 100 states, 4 jobs
    slow.go_on();
    on.poll();
    BOOST_TEST(
        data_of(slow.heard()) == (strings{"1", "j0", "j25", "j50", "j75", "s99"}),
        boost::test_tools::per_element()
    );
}

BOOST_AUTO_TEST_CASE(who_reads_too_slowly_for_the_log_starts_afresh) {
    bench on(event_hub_options().keep(10, 100'000));
    client slow(on.on);
    BOOST_REQUIRE(on.connect(slow));
    slow.heard();
    slow.reads = false;
    for (int i = 0; i < 11; ++i) // the first is being written
        on.publish(event("job", std::to_string(i)));
    slow.go_on();
    on.poll();
    BOOST_TEST(on.openings == 1);
    BOOST_TEST(slow.heard().events.size() == 11u);
    slow.reads = false;
    for (int i = 0; i < 12; ++i)
        on.publish(event("job", std::to_string(i)));
    slow.go_on();
    on.poll();
    BOOST_TEST(on.openings == 2);
    const auto heard = slow.heard();
    BOOST_TEST(data_of(heard) == (strings{"0", "2"}), boost::test_tools::per_element());
    BOOST_TEST(heard.events.back().id == std::to_string(on.hub.newest()));
}

BOOST_AUTO_TEST_CASE(what_is_written_at_once_is_bounded) {
    bench on(event_hub_options().keep(1000, 10'000'000));
    client slow(on.on);
    BOOST_REQUIRE(on.connect(slow));
    slow.reads = false;
    for (int i = 0; i < 500; ++i)
        on.publish(event("job", std::string(10'000, 'x')));
    slow.go_on();
    on.poll();
    BOOST_TEST(slow.heard().events.size() == 501u);
    BOOST_TEST(slow.most <= 80'000u);
}

BOOST_AUTO_TEST_CASE(a_stream_of_one_topic_ends_with_its_last_event) {
    bench on;
    client one(on.on);
    client all(on.on);
    BOOST_REQUIRE(on.connect(one, "job-1"));
    BOOST_REQUIRE(on.connect(all));
    BOOST_TEST(on.hub.streams() == 2u);
    BOOST_TEST(on.hub.watchers() == 1u);
    on.publish(event("job", "other").topic("job-2").last());
    on.publish(event("state", "of the pool").newest_only());
    on.publish(event("job", "running").topic("job-1"));
    BOOST_TEST(!one.ended);
    on.publish(event("job", "done").topic("job-1").last());
    BOOST_TEST(one.ended);
    BOOST_TEST(!all.ended);
    BOOST_TEST(
        data_of(one.heard()) == (strings{"1", "running", "done"}), boost::test_tools::per_element()
    );
    BOOST_TEST(all.heard().events.size() == 5u);
    BOOST_TEST(on.hub.streams() == 1u);
}

BOOST_AUTO_TEST_CASE(an_opening_that_is_the_last_word_ends_the_stream) {
    event_hub hub;
    asio::io_context on;
    client one(on);
    auto done = []() -> asio::awaitable<std::vector<event>> {
        std::vector<event> all;
        all.push_back(event("job", "done").last());
        co_return all;
    };
    auto stream = hub.open("job-1", done);
    asio::co_spawn(
        on, http::event_stream::serve(std::move(stream), one.sink()),
        [&one](std::exception_ptr) { one.ended = true; }
    );
    on.poll();
    BOOST_TEST(one.ended);
    BOOST_TEST(data_of(one.heard()) == (strings{"done"}), boost::test_tools::per_element());
    BOOST_TEST(hub.streams() == 0u);
}

BOOST_AUTO_TEST_CASE(there_are_only_so_many_streams) {
    bench on(event_hub_options().streams(2));
    client a(on.on), b(on.on), c(on.on);
    BOOST_TEST(on.connect(a));
    BOOST_TEST(on.connect(b, "job-1"));
    BOOST_TEST(!on.connect(c));
    a.gone = true;
    on.publish(event("job", "x"));
    BOOST_TEST(a.ended);
    BOOST_TEST(on.connect(c));
}

BOOST_AUTO_TEST_CASE(a_farewell_comes_after_everything_else_and_not_for_all_at_once) {
    bench on(event_hub_options().retry(1000ms));
    std::vector<std::unique_ptr<client>> many;
    for (int i = 0; i < 30; ++i)
        BOOST_REQUIRE(on.connect(*many.emplace_back(std::make_unique<client>(on.on))));
    on.hub.publish(event("state", "draining").newest_only());
    on.hub.send_away();
    on.poll();
    std::set<long> retries;
    for (auto& one : many) {
        BOOST_TEST(one->ended);
        const auto heard = one->heard();
        BOOST_REQUIRE_EQUAL(heard.events.size(), 3u);
        BOOST_TEST(heard.events[1].data == "draining");
        BOOST_TEST(heard.events[2].name == "reconnect");
        BOOST_TEST(heard.retry >= 500);
        BOOST_TEST(heard.retry <= 2500);
        retries.insert(heard.retry);
    }
    BOOST_TEST(retries.size() > 10u);
    client later(on.on);
    BOOST_TEST(on.connect(later));
    BOOST_TEST(!later.ended);
    on.hub.close();
    on.poll();
    BOOST_TEST(later.ended);
    client too_late(on.on);
    BOOST_TEST(!on.connect(too_late));
}

BOOST_AUTO_TEST_CASE(a_comment_says_that_a_silent_stream_lives) {
    bench on(event_hub_options().heartbeat(1ms));
    client one(on.on);
    BOOST_REQUIRE(on.connect(one));
    one.text.clear();
    on.on.restart();
    while (one.text.size() < 9)
        BOOST_REQUIRE(on.on.run_one_for(10s) == 1u);
    BOOST_TEST(one.text.substr(0, 9) == ":\n\n:\n\n:\n\n");
    BOOST_TEST(one.heard().events.empty());
}

BOOST_AUTO_TEST_CASE(a_stream_may_outlive_its_hub) {
    asio::io_context on;
    client one(on);
    {
        event_hub hub;
        auto nothing = []() -> asio::awaitable<std::vector<event>> {
            co_return std::vector<event>();
        };
        asio::co_spawn(
            on, http::event_stream::serve(hub.open("", nothing), one.sink()),
            [&one](std::exception_ptr) { one.ended = true; }
        );
        on.poll();
    }
    BOOST_TEST(!one.ended);
    on.restart();
    on.poll();
    BOOST_TEST(one.ended);
    BOOST_TEST(one.heard().events.back().name == "reconnect");
}

BOOST_AUTO_TEST_CASE(threads_publish_while_streams_come_and_go) {
    constexpr int publishers = 2, each = 2000;
    // Their frames go before the contexts, and the hub after them.
    event_hub hub(event_hub_options().keep(1'000'000, 1'000'000'000));
    asio::io_context contexts[2];
    std::vector<std::unique_ptr<client>> clients;
    auto nothing = []() -> asio::awaitable<std::vector<event>> { co_return std::vector<event>(); };
    for (int i = 0; i < 8; ++i) {
        auto& on = contexts[i % 2];
        auto& one = *clients.emplace_back(std::make_unique<client>(on));
        asio::co_spawn(
            on, http::event_stream::serve(hub.open("", nothing), one.sink()),
            [&one](std::exception_ptr) { one.ended = true; }
        );
    }
    std::vector<std::thread> threads;
    for (auto& on : contexts)
        threads.emplace_back([&on] { on.run(); });
    std::vector<std::thread> saying;
    for (int p = 0; p < publishers; ++p)
        saying.emplace_back([&hub] {
            for (int i = 0; i < each; ++i)
                hub.publish(event("job", std::to_string(i)));
        });
    for (auto& one : saying)
        one.join();
    hub.close();
    for (auto& one : threads)
        one.join();
    for (auto& one : clients) {
        BOOST_TEST(one->ended);
        const auto heard = one->heard();
        // All of them, in order, and the farewell. One that came late may have heard less.
        BOOST_REQUIRE(!heard.events.empty());
        BOOST_TEST(heard.events.back().name == "reconnect");
        std::uint64_t before = 0;
        for (const told& of : heard.events)
            if (!of.id.empty() && of.name == "job") {
                const auto number = std::stoull(of.id);
                BOOST_REQUIRE((before == 0 || number == before + 1));
                before = number;
            }
        BOOST_TEST((before == 0 || before == publishers * each));
    }
    BOOST_TEST(hub.streams() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
