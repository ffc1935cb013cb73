#include <algorithm>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <corogate/http/event_stream.hpp>
#include <corogate/http/problem.hpp>
#include <mutex>
#include <random>
#include <utility>

namespace corogate::http {

namespace asio = boost::asio;

struct event_hub::state {
    explicit state(const event_hub_options& from)
        : options(from)
        , log(from.events(), from.octets(), from.first()) {}

    /// Tells those who wait. A waker only posts.
    void wake_all() {
        for (event_stream* one : streams)
            if (auto wake = std::exchange(one->wake_, nullptr))
                wake();
    }

    const event_hub_options options;
    mutable std::mutex mutex;
    event_log log;
    std::vector<event_stream*> streams;
    std::uint64_t farewells = 0;
    bool closed = false;
    std::minstd_rand random{std::random_device()()};
};

namespace {

constexpr std::size_t piece = 64 * 1024; // written at a time, about

std::optional<std::uint64_t> read_number(std::optional<std::string_view> text) noexcept {
    std::uint64_t number = 0;
    if (!text)
        return std::nullopt;
    const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (ec != std::errc() || end != text->data() + text->size())
        return std::nullopt;
    return number;
}

std::string retry_line(std::chrono::milliseconds after) {
    return "retry: " + std::to_string(after.count()) + "\n";
}

} // namespace

// ---- the hub ----

event_hub::event_hub(const event_hub_options& options)
    : state_(std::make_shared<state>(options)) {}

event_hub::~event_hub() { close(); }

void event_hub::publish(event what) {
    const std::lock_guard lock(state_->mutex);
    state_->log.add(std::move(what));
    state_->wake_all();
}

std::shared_ptr<event_stream>
event_hub::open(std::string topic, opening fresh, std::optional<std::string_view> came_from) {
    auto made = std::make_shared<event_stream>(
        state_, std::move(topic), std::move(fresh), read_number(came_from)
    );
    const std::lock_guard lock(state_->mutex);
    if (state_->closed || state_->streams.size() >= state_->options.streams())
        return nullptr;
    state_->streams.push_back(made.get());
    made->farewells_ = state_->farewells;
    return made;
}

response event_hub::answer(const request& from, std::string topic, opening fresh, bool resumes) {
    const auto came_from = resumes ? from.header("Last-Event-ID") : std::nullopt;
    auto stream = open(std::move(topic), std::move(fresh), came_from);
    if (!stream) {
        problem no(
            503, "too-many-streams", "This server has as many event streams as it may have."
        );
        no.executed(false).retryable(true).retry_after(std::chrono::seconds(5));
        return no.to_response();
    }
    response made(200);
    made.set("Cache-Control", "no-store").set("X-Accel-Buffering", "no");
    return made.stream(
        [stream = std::move(stream)](body_writer& to) {
            return event_stream::serve(stream, [&to](std::string octets) {
                return to.write(std::move(octets));
            });
        },
        "text/event-stream"
    );
}

void event_hub::send_away() {
    const std::lock_guard lock(state_->mutex);
    ++state_->farewells;
    state_->wake_all();
}

void event_hub::close() {
    const std::lock_guard lock(state_->mutex);
    state_->closed = true;
    ++state_->farewells;
    state_->wake_all();
}

std::size_t event_hub::streams() const {
    const std::lock_guard lock(state_->mutex);
    return state_->streams.size();
}

std::size_t event_hub::watchers() const {
    const std::lock_guard lock(state_->mutex);
    return static_cast<std::size_t>(std::count_if(
        state_->streams.begin(), state_->streams.end(),
        [](const event_stream* one) { return one->topic_.empty(); }
    ));
}

std::uint64_t event_hub::newest() const {
    const std::lock_guard lock(state_->mutex);
    return state_->log.newest();
}

// ---- a stream ----

event_stream::event_stream(
    std::shared_ptr<event_hub::state> hub, std::string topic, opening fresh,
    std::optional<std::uint64_t> came_from
)
    : hub_(std::move(hub))
    , topic_(std::move(topic))
    , fresh_(std::move(fresh))
    , seen_(came_from) {}

event_stream::~event_stream() {
    const std::lock_guard lock(hub_->mutex);
    std::erase(hub_->streams, this);
}

/// What is to be written next, without waiting.
struct event_stream::batch {
    std::vector<event_log::pointer> events;
    std::uint64_t number = 0; // of the latest event when it was gathered
    bool afresh = false;
    bool ends = false;
    bool farewell = false;
};

event_stream::batch event_stream::gather() {
    batch found;
    const std::lock_guard lock(hub_->mutex);
    const event_log& log = hub_->log;
    found.number = log.newest();
    if (!seen_ || !log.reaches(*seen_)) {
        found.afresh = true;
        seen_ = found.number;
    }
    for (std::size_t octets = 0; octets < piece && !found.ends;) {
        auto one = log.after(*seen_, topic_);
        if (!one) {
            seen_ = found.number;
            break;
        }
        seen_ = one->number;
        octets += one->said.data().size();
        found.ends = !topic_.empty() && one->said.is_last();
        found.events.push_back(std::move(one));
    }
    if (!found.ends && farewells_ != hub_->farewells)
        found.ends = found.farewell = true;
    return found;
}

/// Until there is something to write, or for as long as a stream may be silent.
asio::awaitable<event_stream::why> event_stream::wait() {
    const auto here = co_await asio::this_coro::executor;
    const auto timer = std::make_shared<asio::steady_timer>(here, hub_->options.heartbeat());
    {
        const std::lock_guard lock(hub_->mutex);
        if (farewells_ != hub_->farewells || hub_->log.newest() != *seen_)
            co_return why::news;
        wake_ = [timer, here] { asio::post(here, [timer] { timer->cancel(); }); };
    }
    boost::system::error_code ec;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ec));
    const std::lock_guard lock(hub_->mutex);
    if (!std::exchange(wake_, nullptr))
        co_return why::news;
    co_return ec ? why::cancelled : why::silence;
}

std::string event_stream::farewell() {
    const std::lock_guard lock(hub_->mutex);
    const auto retry = hub_->options.retry().count();
    std::uniform_int_distribution<std::int64_t> around(retry / 2, retry * 5 / 2);
    return retry_line(std::chrono::milliseconds(around(hub_->random))) +
           "event: reconnect\ndata: {}\n\n";
}

asio::awaitable<void> event_stream::serve(std::shared_ptr<event_stream> self, stream_sink write) {
    std::string text = retry_line(self->hub_->options.retry()) + "\n";
    for (;;) {
        batch found = self->gather();
        if (found.afresh) {
            const std::vector<event> all = co_await self->fresh_();
            for (const event& one : all) {
                text += format(one, found.number);
                if (one.is_last()) {
                    found.ends = true;
                    found.farewell = false;
                }
            }
        }
        for (const auto& one : found.events)
            text += format(one->said, one->number);
        if (found.farewell)
            text += self->farewell();
        if (text.empty()) {
            const why woken = co_await self->wait();
            if (woken == why::news)
                continue;
            found.ends = woken == why::cancelled; // the server closes, or nobody reads this
            text = found.ends ? self->farewell() : ":\n\n";
        }
        const bool sent = co_await write(std::exchange(text, {}));
        if (!sent || found.ends)
            co_return;
    }
}

} // namespace corogate::http
