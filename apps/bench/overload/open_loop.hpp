#pragma once

// The generator: sends every save at its intended time, whatever became of the earlier ones.

#include "arrivals.hpp"
#include "contestants.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/random/uniform_real_distribution.hpp>
#include <deque>
#include <functional>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

namespace overload {

/// What the clients do.
struct clients {
    nanoseconds deadline = 1s;
    std::size_t retries = 0;    ///< after a refusal, or after `deadline` without an answer
    nanoseconds backoff = 50ms; ///< before the next try: half of it to three halves of it
    bool honour_hints = false;  ///< wait at least for as long as the refusal says
};

/// What became of a save.
struct record {
    nanoseconds intended{};   ///< from the start of the run
    nanoseconds took{};       ///< from the intended time of the try that was answered
    nanoseconds ended{};      ///< when that was, from the start of the run
    nanoseconds behind{};     ///< how late the generator sent the first try
    nanoseconds refused_in{}; ///< a refusal: from the call to its answer
    nanoseconds call_cpu{};   ///< of the generator's thread, in calls that were refused
    std::uint32_t tenant = 0;
    std::uint32_t tasks = 0;
    std::uint64_t draw = 0;
    outcome how = outcome::pending;
    corogate::errc why{};
    std::uint8_t tries = 0;
    bool listening = false;              ///< a try is under way and its client has not given up
    std::atomic<std::uint32_t> spent{0}; ///< microseconds of its tasks

    bool in_time() const noexcept { return how == outcome::done; }
};

/// Something that happens at a time of the run, on the generator's thread.
struct happening {
    nanoseconds at{};
    std::function<void()> what;
};

class open_loop {
public:
    /// The saves go to `who`, who answers on `loop`. A tenant is named after its number.
    open_loop(
        asio::io_context& loop, contestant& who, const shape& of, clients policy, std::uint64_t seed
    )
        : loop_(loop)
        , who_(who)
        , of_(of)
        , clients_(policy)
        , engine_(seed)
        , timer_(loop) {}

    void weights(std::vector<std::uint32_t> by_tenant) { weights_ = std::move(by_tenant); }

    /// Runs the whole schedule and waits for the answers, where they can be expected.
    void run(const std::vector<arrival>& schedule, std::vector<happening> happenings = {}) {
        for (const arrival& a : schedule) {
            record& r = records_.emplace_back();
            r.intended = a.at;
            r.tenant = a.tenant;
            r.tasks = a.tasks;
            r.draw = a.draw;
            while (names_.size() <= a.tenant)
                names_.push_back("site-" + std::to_string(names_.size()));
        }
        happenings_ = std::move(happenings);
        std::sort(
            happenings_.begin(), happenings_.end(),
            [](const happening& a, const happening& b) { return a.at < b.at; }
        );
        last_ = schedule.empty() ? nanoseconds() : schedule.back().at;
        for (const happening& h : happenings_)
            last_ = std::max(last_, h.at);
        open_ = records_.size();
        start_ = clock::now() + 20ms;
        advance();
        loop_.run();
    }

    const std::deque<record>& records() const noexcept { return records_; }
    /// Tries, and answers to them. Equal where each try was answered once.
    std::uint64_t tries() const noexcept { return tries_; }
    std::uint64_t answers() const noexcept { return answers_; }
    std::uint64_t answered_twice() const noexcept { return twice_; }

private:
    struct wake {
        nanoseconds at{};
        record* of = nullptr;
        std::uint8_t tries = 0; ///< as they were
        bool patience = false;  ///< the end of it, else the next try

        bool operator<(const wake& other) const noexcept { return at > other.at; }
    };

    nanoseconds now() const { return clock::now() - start_; }

    /// Does everything that is due, then sleeps until something is.
    void advance() {
        for (;;) {
            const nanoseconds time = now();
            nanoseconds next = nanoseconds::max();
            if (happened_ < happenings_.size()) {
                if (happenings_[happened_].at <= time) {
                    happenings_[happened_++].what();
                    continue;
                }
                next = std::min(next, happenings_[happened_].at);
            }
            if (sent_ < records_.size()) {
                record& r = records_[sent_];
                if (r.intended <= time) {
                    ++sent_;
                    r.behind = time - r.intended;
                    send(r, r.intended);
                    continue;
                }
                next = std::min(next, r.intended);
            }
            if (!wakes_.empty()) {
                const wake w = wakes_.top();
                if (w.at <= time) {
                    wakes_.pop();
                    woken(w);
                    continue;
                }
                next = std::min(next, w.at);
            }
            if (finished(time))
                return;
            if (next == nanoseconds::max())
                next = time + 20ms; // until the last answers are there
            timer_.expires_at(start_ + next);
            timer_.async_wait([this](boost::system::error_code ec) {
                if (!ec)
                    advance();
            });
            return;
        }
    }

    bool finished(nanoseconds time) {
        if (sent_ < records_.size() || happened_ < happenings_.size() || !wakes_.empty())
            return false;
        if (answers_ == tries_ && open_ == 0) {
            loop_.stop();
            return true;
        }
        if (time < last_ + clients_.deadline + 1s)
            return false;
        if (who_.answers_all() && time < last_ + 60s)
            return false;
        if (who_.answers_all())
            throw std::runtime_error("a save was never answered");
        for (record& r : records_)
            if (r.how == outcome::pending)
                r.how = outcome::late;
        loop_.stop();
        return true;
    }

    void send(record& r, nanoseconds intended) {
        const std::uint8_t attempt = ++r.tries;
        r.listening = true;
        ++tries_;
        order o;
        o.of = &of_;
        o.tasks = r.tasks;
        o.tenant = names_[r.tenant];
        o.weight = r.tenant < weights_.size() ? weights_[r.tenant] : 1;
        o.left = intended + clients_.deadline - now();
        o.draw = r.draw;
        o.spent = &r.spent;
        if (clients_.retries > 0)
            wakes_.push({intended + clients_.deadline, &r, attempt, true});
        auto asked = std::make_shared<try_of>(try_of{now(), intended, attempt});
        const nanoseconds before = thread_cpu();
        who_.save(o, [this, &r, asked](const answer& said) { hear(r, *asked, said); });
        asked->call_cpu = thread_cpu() - before;
    }

    struct try_of {
        nanoseconds sent{};
        nanoseconds intended{};
        std::uint8_t number = 0;
        nanoseconds call_cpu{};
        bool answered = false;
    };

    void hear(record& r, try_of& asked, const answer& said) {
        ++answers_;
        if (std::exchange(asked.answered, true))
            ++twice_;
        const nanoseconds time = now();
        const bool refused = said.how == outcome::refused || said.how == outcome::displaced ||
                             said.how == outcome::expired;
        if (said.how == outcome::refused)
            r.call_cpu += asked.call_cpu;
        if (!r.listening || r.tries != asked.number)
            return;
        r.listening = false;
        r.took = time - asked.intended;
        r.ended = time;
        r.why = said.why;
        if (said.how == outcome::refused)
            r.refused_in = time - asked.sent;
        if (refused && try_again(r, said.hint))
            return;
        if (said.how == outcome::done && r.took > clients_.deadline)
            end(r, outcome::late);
        else
            end(r, said.how);
    }

    void woken(const wake& w) {
        record& r = *w.of;
        if (r.how != outcome::pending || r.tries != w.tries)
            return;
        if (!w.patience)
            send(r, w.at);
        else if (std::exchange(r.listening, false) && !try_again(r, {}))
            end(r, outcome::late);
    }

    bool try_again(record& r, std::chrono::milliseconds hint) {
        if (r.tries > clients_.retries)
            return false;
        boost::random::uniform_real_distribution<double> spread(0.5, 1.5);
        auto pause = nanoseconds(static_cast<std::int64_t>(
            spread(engine_) * static_cast<double>(clients_.backoff.count())
        ));
        if (clients_.honour_hints)
            pause = std::max<nanoseconds>(pause, hint);
        wakes_.push({now() + pause, &r, r.tries, false});
        reschedule();
        return true;
    }

    void end(record& r, outcome how) {
        r.how = how;
        --open_;
    }

    /// The timer may be set for later than what has just been planned.
    void reschedule() {
        if (wakes_.empty() || start_ + wakes_.top().at >= timer_.expiry())
            return;
        timer_.cancel();
        asio::post(loop_, [this] { advance(); });
    }

    asio::io_context& loop_;
    contestant& who_;
    shape of_;
    clients clients_;
    boost::random::mt19937_64 engine_;
    asio::steady_timer timer_;
    std::vector<std::string> names_;
    std::vector<std::uint32_t> weights_;
    std::deque<record> records_;
    std::vector<happening> happenings_;
    std::priority_queue<wake> wakes_;
    clock::time_point start_;
    nanoseconds last_{};
    std::size_t sent_ = 0;
    std::size_t happened_ = 0;
    std::size_t open_ = 0;
    std::uint64_t tries_ = 0;
    std::uint64_t answers_ = 0;
    std::uint64_t twice_ = 0;
};

} // namespace overload
