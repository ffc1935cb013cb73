#include "simulation.hpp"

#include "limiters.hpp"
#include "machine.hpp"

#include <boost/random/uniform_int_distribution.hpp>
#include <corogate/detail/limit_control.hpp>
#include <corogate/histogram.hpp>
#include <deque>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace corogate::sim {
namespace {

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

/// Objects with numbers, used again.
template <typename T>
class numbered {
public:
    std::uint32_t make() {
        if (free_.empty()) {
            all_.emplace_back();
            return static_cast<std::uint32_t>(all_.size() - 1);
        }
        const std::uint32_t i = free_.back();
        free_.pop_back();
        return i;
    }
    void free(std::uint32_t i) { free_.push_back(i); }
    T& operator[](std::uint32_t i) { return all_[i]; }
    std::deque<T>& all() { return all_; }
    std::size_t in_use() const { return all_.size() - free_.size(); }

private:
    std::deque<T> all_;
    std::vector<std::uint32_t> free_;
};

struct event {
    enum class kind : std::uint8_t {
        arrival,   // a: source
        attempt,   // a: request
        next_task, // a: job: the next one comes, where they come one by one
        gone,      // a: job, b: generation: its client gives up
        cpu_done,  // a: task
        io_done,   // a: task
        changes,   // a: which
        tick,      // every 10 ms: the limiter looks
    } what;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
};

struct request {
    instant first_sent{};
    std::uint32_t source = 0;
    std::uint32_t tenant = 0;
    std::uint32_t tasks = 0;
    std::uint8_t attempts = 0;
};

struct task {
    enum class state : std::uint8_t { unused, first_half, io, lent, returning, second_half };

    state in = state::unused;
    std::uint32_t job = none;
    std::uint32_t parent = none;
    std::uint32_t depth = 0;
    std::uint32_t children = 0; // that have not ended
    instant began{};
    duration half{};
    duration io{};
};

class simulation final : discipline::host {
public:
    simulation(const profile& what, double capacity, const settings& how)
        : profile_(what)
        , settings_(how)
        , capacity_(capacity)
        , discipline_(make_discipline(how.discipline, *this, how.policy, how.seed))
        , arrivals_(how.seed)
        , work_(how.seed * 0x9E3779B97F4A7C15U + 1)
        , control_(make_limiter(how.limiter, what.machine.workers), how.limit)
        , limit_(control_.limit())
        , workers_(what.machine.workers)
        , worker_count_(what.machine.workers)
        , downstream_(downstream_of(what.machine.downstream)) {
        if (!discipline_)
            throw std::invalid_argument("there is no discipline " + how.discipline);
        out_.from = beginning + what.warm_up;
        out_.until = out_.from + what.measured;
        out_.limits.push_back({beginning, limit_});
    }

    record run() {
        look();
        for (std::uint32_t i = 0; i < profile_.changes.size(); ++i)
            calendar_.plan(beginning + profile_.changes[i].at, {event::kind::changes, i});
        for (std::uint32_t i = 0; i < profile_.sources.size(); ++i)
            plan_arrival(i);
        if (settings_.limiter != "fixed")
            calendar_.plan(beginning + every, {event::kind::tick});
        while (!calendar_.empty()) {
            happen(calendar_.next());
            dispatch();
            look();
            if (settings_.check_every != 0 && calendar_.happened() % settings_.check_every == 0)
                count_again();
        }
        count_again();
        check_end();
        out_.end = now();
        out_.events = calendar_.happened();
        return std::move(out_);
    }

private:
    static std::size_t downstream_of(double n) {
        return n == 0 ? std::numeric_limits<std::size_t>::max() : static_cast<std::size_t>(n);
    }

    instant now() const noexcept { return calendar_.now(); }

    void happen(const event& e) {
        switch (e.what) {
        case event::kind::arrival:
            arrive(e.a);
            break;
        case event::kind::attempt:
            attempt(e.a);
            break;
        case event::kind::next_task:
            offer_one(jobs_[e.a]);
            break;
        case event::kind::gone:
            if (jobs_[e.a].generation == e.b && !jobs_[e.a].answered)
                give_up(jobs_[e.a]);
            break;
        case event::kind::cpu_done:
            cpu_done(e.a);
            break;
        case event::kind::io_done:
            io_done(e.a);
            break;
        case event::kind::changes:
            apply(profile_.changes[e.a]);
            break;
        case event::kind::tick:
            tick();
            break;
        }
    }

    // ---- clients ----

    /// Poisson, with a rate that changes: what does not come before the next step is drawn anew
    /// from there, which is the same by the lack of memory.
    void plan_arrival(std::uint32_t s) {
        const source& from = profile_.sources[s];
        const double mean_tasks =
            static_cast<double>(std::accumulate(from.tasks.begin(), from.tasks.end(), 0U)) /
            static_cast<double>(from.tasks.size());
        instant t = now();
        for (;;) {
            double factor = 0;
            instant step = out_.until;
            for (const auto& r : from.rate) {
                if (beginning + r.from <= t)
                    factor = r.factor;
                else
                    step = std::min(step, beginning + r.from);
            }
            if (t >= out_.until)
                return;
            const double rate = from.load * factor * capacity_ / mean_tasks;
            if (rate > 0) {
                const instant at = t + exponential(arrivals_, scaled(1s, 1 / rate));
                if (at < step) {
                    calendar_.plan(at, {event::kind::arrival, s});
                    return;
                }
            }
            t = step;
        }
    }

    void arrive(std::uint32_t s) {
        const source& from = profile_.sources[s];
        const auto any_of = [&](std::size_t n) {
            using any = boost::random::uniform_int_distribution<std::uint32_t>;
            return any(0, static_cast<std::uint32_t>(n - 1))(arrivals_);
        };
        const std::uint32_t i = requests_.make();
        request& r = requests_[i];
        r.first_sent = now();
        r.source = s;
        r.tenant = from.first_tenant + any_of(from.tenants);
        r.tasks = from.tasks[any_of(from.tasks.size())];
        r.attempts = 0;
        ++sent_;
        attempt(i);
        plan_arrival(s);
    }

    void attempt(std::uint32_t i) {
        request& r = requests_[i];
        const source& from = profile_.sources[r.source];
        ++r.attempts;
        ++attempts_;
        const std::uint32_t number = jobs_.make();
        job& j = jobs_[number];
        j.tenant = r.tenant;
        j.weight = from.weight;
        j.tasks = r.tasks;
        j.priority = from.priority;
        j.sent = now();
        j.deadline = now() + from.deadline;
        j.index = number;
        ++j.generation;
        j.request = i;
        j.source = r.source;
        j.to_come = j.waiting = j.running = j.done = j.started = 0;
        j.spent = {};
        j.answered = j.spent_well = false;
        if (!discipline_->whole_jobs()) {
            calendar_.plan(j.deadline, {event::kind::gone, number, j.generation});
            j.to_come = j.tasks;
            offer_one(j);
            return;
        }
        j.waiting = j.tasks;
        const errc no = discipline_->offer(j, j.tasks, now());
        if (no == errc{}) {
            calendar_.plan(j.deadline, {event::kind::gone, number, j.generation});
            return;
        }
        j.waiting = 0;
        answer_with(j, no);
        forget_if_over(j);
    }

    void offer_one(job& j) {
        do {
            --j.to_come;
            ++j.waiting;
            const errc no = discipline_->offer(j, 1, now());
            if (no != errc{}) {
                --j.waiting;
                if (!j.answered)
                    answer_with(j, no);
            }
        } while (j.to_come > 0 && settings_.apart == duration::zero());
        if (j.to_come > 0)
            calendar_.plan(now() + settings_.apart, {event::kind::next_task, j.index});
        forget_if_over(j);
    }

    /// The client has no answer by its deadline.
    void give_up(job& j) {
        answer_with(j, j.started > 0 ? errc::timed_out : errc::expired);
        if (discipline_->knows_deadlines())
            j.waiting -= discipline_->withdraw(j);
        forget_if_over(j);
    }

    void dropped(job& whose, std::uint32_t units, errc why) override {
        whose.waiting -= units;
        if (!whose.answered)
            answer_with(whose, why);
        forget_if_over(whose);
    }

    void answer_with(job& j, errc how) {
        if (j.answered)
            violated("a job was answered twice");
        j.answered = true;
        ++answered_;
        request& r = requests_[j.request];
        out_.answers.push_back(
            {j.sent, now(), j.tenant, j.tasks, static_cast<std::uint8_t>(r.source), r.attempts, how}
        );
        digest(static_cast<std::uint64_t>((now() - j.sent).count()));
        digest(std::uint64_t{j.tenant} << 8 | static_cast<std::uint64_t>(how));
        const source& from = profile_.sources[r.source];
        if (how == errc{} || from.after == patience::gives_up || r.attempts > 3) {
            out_.requests.push_back(
                {r.first_sent, static_cast<std::uint8_t>(r.source), how == errc{}}
            );
            requests_.free(j.request);
            return;
        }
        calendar_.plan(now() + pause_after(j, how, from), {event::kind::attempt, j.request});
    }

    duration pause_after(const job& j, errc how, const source& from) {
        if (how == errc::timed_out || how == errc::expired)
            return {};
        if (from.after == patience::heeds_hints)
            return j.retry_after;
        using any = boost::random::uniform_int_distribution<std::int64_t>;
        return duration(any(duration(50ms).count(), duration(150ms).count())(arrivals_));
    }

    void forget_if_over(job& j) {
        if (!j.answered || j.waiting + j.running + j.to_come > 0)
            return;
        (j.spent_well ? out_.useful_cpu : out_.wasted_cpu) += j.spent;
        j.whose = {};
        jobs_.free(j.index);
    }

    // ---- permits ----

    /// Who has lent comes first, then children, then the queue.
    void dispatch() {
        while (used_ < limit_) {
            if (!returning_.empty()) {
                const std::uint32_t t = returning_.front();
                returning_.pop_front();
                take_permit();
                tasks_[t].in = task::state::second_half;
                want_cpu(t);
            } else if (!nested_.empty()) {
                const std::uint32_t t = nested_.front();
                nested_.pop_front();
                start(t);
            } else if (job* j = discipline_->next(now())) {
                --j->waiting;
                ++j->started;
                start(make_task(*j, none, 0));
            } else {
                return;
            }
        }
    }

    std::uint32_t make_task(job& j, std::uint32_t parent, std::uint32_t depth) {
        const std::uint32_t i = tasks_.make();
        task& t = tasks_[i];
        const demand d = draw(work_, profile_.task, profile_.sources[j.source].cost);
        t.job = j.index;
        t.parent = parent;
        t.depth = depth;
        t.children = 0;
        t.half = std::max(d.cpu / 2, duration(1));
        t.io = d.io;
        ++j.running;
        return i;
    }

    void take_permit() {
        if (used_ >= limit_)
            violated("more permits in use than there are");
        ++used_;
        most_used_ = std::max(most_used_, used_);
    }

    void start(std::uint32_t i) {
        take_permit();
        ++under_way_;
        task& t = tasks_[i];
        t.in = task::state::first_half;
        t.began = now();
        want_cpu(i);
    }

    // ---- the machine ----

    void want_cpu(std::uint32_t i) {
        if (workers_.take(i, now()))
            run_on_worker(i, {});
    }

    void run_on_worker(std::uint32_t i, duration delay) {
        scheduling_delay_.record(delay);
        task& t = tasks_[i];
        const duration takes =
            scaled(t.half, cpu_factor_ * slowed_by(profile_.machine, under_way_, worker_count_));
        jobs_[t.job].spent += takes;
        calendar_.plan(now() + takes, {event::kind::cpu_done, i});
    }

    void cpu_done(std::uint32_t i) {
        workers_.leave();
        task& t = tasks_[i];
        const job& j = jobs_[t.job];
        // One that was given up at its deadline is cancelled: it ends where it would suspend.
        const bool cancelled = j.answered && discipline_->knows_deadlines();
        if (t.in == task::state::second_half || cancelled)
            end(i);
        else if (t.depth < profile_.nested.depth)
            lend(i);
        else {
            t.in = task::state::io;
            if (downstream_.take(i, now()))
                serve_io(i);
        }
        free_workers();
    }

    void free_workers() {
        workers_.serve([this](const servers::turn& next) {
            run_on_worker(next.who, now() - next.since);
        });
    }

    void serve_io(std::uint32_t i) {
        calendar_.plan(now() + scaled(tasks_[i].io, io_factor_), {event::kind::io_done, i});
    }

    void io_done(std::uint32_t i) {
        downstream_.leave();
        tasks_[i].in = task::state::second_half;
        want_cpu(i);
        free_downstream();
    }

    void free_downstream() {
        downstream_.serve([this](const servers::turn& next) { serve_io(next.who); });
    }

    void lend(std::uint32_t i) {
        tasks_[i].in = task::state::lent;
        tasks_[i].children = profile_.nested.children;
        --used_;
        for (std::uint32_t k = 0; k < profile_.nested.children; ++k) {
            job& j = jobs_[tasks_[i].job];
            nested_.push_back(make_task(j, i, tasks_[i].depth + 1));
        }
    }

    void end(std::uint32_t i) {
        task& t = tasks_[i];
        job& j = jobs_[t.job];
        const duration ran = now() - t.began;
        ++out_.tasks;
        --used_;
        --under_way_;
        --j.running;
        if (j.answered && discipline_->knows_deadlines()) {
            ++timed_out_; // what was cut short says nothing else
        } else {
            ++completed_;
            service_time_.record(ran);
        }
        t.in = task::state::unused;
        if (t.parent != none) {
            if (--tasks_[t.parent].children == 0) {
                tasks_[t.parent].in = task::state::returning;
                returning_.push_back(t.parent);
            }
        } else {
            ++units_ended_;
            discipline_->ended(j, ran);
            if (++j.done == j.tasks && !j.answered) {
                j.spent_well = true;
                answer_with(j, errc{});
            }
        }
        tasks_.free(i);
        forget_if_over(j);
    }

    void apply(const change& c) {
        switch (c.what) {
        case change::of::workers:
            worker_count_ = static_cast<std::size_t>(c.value);
            workers_.resize(worker_count_);
            free_workers();
            break;
        case change::of::cpu_cost:
            cpu_factor_ = c.value;
            break;
        case change::of::io_cost:
            io_factor_ = c.value;
            break;
        case change::of::downstream:
            downstream_.resize(downstream_of(c.value));
            free_downstream();
            break;
        }
    }

    void look() {
        discipline_->look(now(), {limit_, units_ended_, &service_time_});
        out_.most_waiting = std::max(out_.most_waiting, discipline_->waiting());
    }

    // ---- the limiter ----

    void tick() {
        control_.in_use(used_);
        if (const duration waited = workers_.oldest(now()); waited > duration::zero())
            control_.brake(waited, now());
        if (control_.due(now()) &&
            control_.look(
                now(), {completed_, timed_out_}, most_used_, scheduling_delay_, service_time_
            ))
            most_used_ = used_;
        if (const std::size_t limit = control_.limit(); limit != limit_) {
            limit_ = limit;
            out_.limits.push_back({now(), limit});
        }
        if (now() < out_.until || jobs_.in_use() > 0)
            calendar_.plan(now() + every, {event::kind::tick});
    }

    // ---- books ----

    void violated(const char* what) {
        if (out_.violations.size() < 8)
            out_.violations.emplace_back(what);
    }

    /// From what there is, not from the counts that are kept.
    void count_again() {
        std::size_t under_way = 0;
        std::size_t without_permit = 0;
        for (const task& t : tasks_.all()) {
            if (t.in == task::state::unused)
                continue;
            ++under_way;
            if (t.in == task::state::lent || t.in == task::state::returning)
                ++without_permit;
        }
        if (under_way != under_way_ || under_way - without_permit != used_)
            violated("the permits in use are not those of the tasks under way");
        std::size_t waiting = 0;
        for (const job& j : jobs_.all())
            waiting += j.waiting;
        if (waiting != discipline_->waiting())
            violated("what waits is not what the jobs wait for");
        if (used_ < limit_ && (waiting > 0 || !nested_.empty() || !returning_.empty()))
            violated("work waits although permits are free");
        if (attempts_ - answered_ > jobs_.in_use())
            violated("a job is gone without an answer");
    }

    void check_end() {
        if (used_ != 0 || under_way_ != 0 || discipline_->waiting() != 0 || !workers_.idle() ||
            !downstream_.idle())
            violated("something is left at the end");
        if (jobs_.in_use() != 0 || requests_.in_use() != 0)
            violated("a job or a request is left at the end");
        if (answered_ != attempts_ || out_.answers.size() != attempts_)
            violated("not every attempt has one answer");
        if (out_.requests.size() != sent_)
            violated("not every request has one end");
    }

    void digest(std::uint64_t value) {
        out_.digest = (out_.digest ^ value) * 0x100000001B3U + 0x9E3779B97F4A7C15U;
    }

    const profile& profile_;
    const settings& settings_;
    const double capacity_;
    record out_;
    calendar<event> calendar_;
    std::unique_ptr<discipline> discipline_;
    engine arrivals_;
    engine work_;
    histogram scheduling_delay_;
    histogram service_time_;

    static constexpr duration every = 10ms;

    detail::limit_control control_;
    std::size_t limit_;
    std::size_t used_ = 0;
    std::size_t most_used_ = 0;     // in the limiter's window
    std::uint64_t units_ended_ = 0; // children not counted: they never waited in the queue
    std::uint64_t completed_ = 0;
    std::uint64_t timed_out_ = 0;
    std::size_t under_way_ = 0; // with permits or without
    servers workers_;
    std::size_t worker_count_;
    servers downstream_;
    double cpu_factor_ = 1;
    double io_factor_ = 1;
    std::deque<std::uint32_t> nested_;
    std::deque<std::uint32_t> returning_;

    numbered<request> requests_;
    numbered<job> jobs_;
    numbered<task> tasks_;
    std::uint64_t sent_ = 0;
    std::uint64_t attempts_ = 0;
    std::uint64_t answered_ = 0;
};

} // namespace

record run(const profile& what, double capacity, const settings& how) {
    return simulation(what, capacity, how).run();
}

} // namespace corogate::sim
