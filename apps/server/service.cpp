#include "service.hpp"

#include "analysis/site_kri.hpp"
#include "api/job_json.hpp"
#include "edc/evaluate.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <corogate/http/problem.hpp>
#include <corogate/limiters/adaptive.hpp>
#include <fmt/format.h>
#include <functional>
#include <iostream>
#include <syncstream>
#include <utility>

namespace asio = boost::asio;
namespace json = boost::json;

namespace server {

namespace {

corogate::pool_options pool_options_of(const options& from) {
    corogate::pool_options to;
    if (from.threads)
        to.threads(from.threads);
    to.limit(from.limit)
        .queue_tasks(from.queue_tasks)
        .overflow(corogate::overflow_policy::displace);
    if (from.adaptive)
        to.limiter(corogate::limiters::adaptive(to.threads()).initial(from.limit));
    to.guard_memory();
    if (from.queue_time > std::chrono::milliseconds::zero())
        to.queue_time(from.queue_time);
    to.on_error([](std::exception_ptr error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            std::osyncstream(std::cerr) << "corogate-server: a task failed: " << e.what() << '\n';
        } catch (...) {
            std::osyncstream(std::cerr) << "corogate-server: a task failed\n";
        }
    });
    return to;
}

/// Numbers that go on from those of an earlier process: by the clock, which gives more than there
/// are events.
corogate::http::event_hub_options event_numbers() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return corogate::http::event_hub_options().first(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now).count()
    ));
}

finding_record record_of(edc::finding&& from) {
    finding_record to;
    to.rule = std::move(from.rule);
    json::object values;
    for (auto& [name, value] : from.values)
        values[name] = value ? json::value(*value) : json::value(nullptr);
    to.values = json::serialize(values);
    to.dataset = std::move(from.dataset);
    if (from.record)
        to.record = static_cast<std::int64_t>(*from.record);
    to.message = std::move(from.message);
    to.severity = std::move(from.severity);
    return to;
}

finding_record record_of(edc::skip from) {
    finding_record to;
    to.rule = std::move(from.rule);
    to.skipped = std::move(from.why);
    return to;
}

} // namespace

service::service(const options& from, edc::catalogue studies, const std::filesystem::path& data)
    : options_(from)
    , studies_(std::move(studies))
    , store_(data)
    , events_(event_numbers())
    , pool_(pool_options_of(from)) {}

const char* service::state() const noexcept {
    if (store_.failed())
        return "the store has failed";
    return draining_ ? "draining" : "ready";
}

asio::awaitable<service::admission>
service::async_admit(job_kind kind, std::size_t n, corogate::job_options who) {
    auto& counts = counts_[static_cast<std::size_t>(kind)];
    auto job = co_await pool_.async_admit(n, who, asio::use_awaitable);
    if (!job) {
        const auto why = static_cast<std::size_t>(job.error().reason());
        counts.refused[why].fetch_add(1, std::memory_order_relaxed);
        counts.refused_tasks[why].fetch_add(n, std::memory_order_relaxed);
        co_return corogate::http::from_refusal(job.error());
    }
    counts.accepted.fetch_add(1, std::memory_order_relaxed);
    co_return std::move(*job);
}

std::uint64_t service::jobs_accepted(job_kind kind) const noexcept {
    return counts_[static_cast<std::size_t>(kind)].accepted.load(std::memory_order_relaxed);
}

std::uint64_t service::jobs_refused(job_kind kind, corogate::errc why) const noexcept {
    return counts_[static_cast<std::size_t>(kind)].refused[static_cast<std::size_t>(why)].load(
        std::memory_order_relaxed
    );
}

std::uint64_t service::tasks_refused(corogate::errc why) const noexcept {
    std::uint64_t sum = 0;
    for (const auto& kind : counts_)
        sum += kind.refused_tasks[static_cast<std::size_t>(why)].load(std::memory_order_relaxed);
    return sum;
}

void service::drain() {
    const std::lock_guard lock(draining_mutex_);
    if (draining_.exchange(true))
        return;
    pool_.async_drain(std::chrono::nanoseconds::max(), asio::detached);
}

bool service::resume() {
    const std::lock_guard lock(draining_mutex_);
    if (ending_)
        return false;
    if (draining_) {
        if (!pool_.reopen())
            return false;
        draining_ = false;
    }
    pool_.resume();
    return true;
}

bool service::adapt() {
    if (!pool_.options().limiter())
        return false;
    pool_.adapt();
    return true;
}

std::vector<std::string> service::left_for_next_start(std::size_t most) {
    std::vector<std::string> lines;
    for (const auto& form : store_.async_unfinished_forms(0, most, asio::use_future).get())
        lines.push_back(fmt::format("the checks of form {} (the next start does them)", form.id));
    for (const auto& job : store_.async_unfinished_jobs(0, most, asio::use_future).get())
        lines.push_back(fmt::format("{} job {} (the next start runs it)", job.kind, job.id));
    return lines;
}

// ---- edit checks ----

asio::awaitable<std::vector<finding_record>> check_form(
    service& with, std::string form_id, const edc::study& study, std::string form,
    std::shared_ptr<const edc::study_case> records, corogate::job job
) {
    std::vector<std::function<asio::awaitable<edc::outcome>()>> checks;
    for (const edc::rule* rule : study.rules_of(form)) {
        checks.push_back([rule, records]() -> asio::awaitable<edc::outcome> {
            edc::outcome said;
            try {
                said = edc::evaluate(*rule, *records);
            } catch (const std::exception& e) {
                // One broken check must neither hide the others' findings nor pass for a pass.
                std::osyncstream(std::cerr)
                    << "corogate-server: rule " << rule->id << " failed: " << e.what() << '\n';
                said.skips.push_back({rule->id, "the check failed inside the server"});
            }
            co_return said;
        });
    }
    std::vector<edc::outcome> outcomes = co_await job.async_run(checks, asio::use_awaitable);

    std::vector<finding_record> found;
    for (auto& outcome : outcomes)
        for (auto& finding : outcome.findings)
            found.push_back(record_of(std::move(finding)));
    for (auto& outcome : outcomes)
        for (auto& skip : outcome.skips)
            found.push_back(record_of(std::move(skip)));
    for (const auto& skip : study.skips_of(form))
        found.push_back(record_of(skip));
    co_await with.store().async_record_findings(form_id, found, asio::use_awaitable);
    co_return found;
}

// ---- background jobs ----

asio::awaitable<void> run_job(service& with, std::string job_id) {
    auto& store = with.store();
    auto job = co_await store.async_find_job(job_id, asio::use_awaitable);
    const auto started = std::chrono::system_clock::now();
    if (!job || !co_await store.async_start_job(job_id, started, asio::use_awaitable))
        co_return;
    job->state = job_state::running;
    job->started_at = started;
    job->progress_done = 0;
    ++job->attempts;
    with.events().publish(job_event(*job));
    const progress_hook progress = [&](std::int64_t done, std::int64_t total) {
        job->progress_done = done;
        job->progress_total = total;
        with.events().publish(job_event(*job).newest_only());
    };
    job_outcome outcome;
    try {
        outcome.result = co_await site_kri(store, *job, progress);
    } catch (const boost::system::system_error& e) {
        if (e.code() == asio::error::operation_aborted)
            throw; // the process is ending: the next one takes the job up again
        outcome.state = job_state::failed;
        outcome.error = e.what();
    } catch (const std::exception& e) {
        outcome.state = job_state::failed;
        outcome.error = e.what();
    }
    const auto ended = std::chrono::system_clock::now();
    if (!co_await store.async_finish_job(job_id, outcome, ended, asio::use_awaitable))
        co_return; // it has another outcome, which somebody else has told
    job->state = outcome.state;
    job->result = std::move(outcome.result);
    job->error = std::move(outcome.error);
    job->finished_at = ended;
    with.events().publish(job_event(*job));
}

// ---- after a crash ----

namespace {

/// A sentence on standard error for what nobody waits for.
auto complain(std::string about) {
    return [about = std::move(about)](std::exception_ptr error) {
        if (!error)
            return;
        std::osyncstream to(std::cerr);
        to << "corogate-server: " << about;
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            to << ": " << e.what();
        } catch (...) { // nothing to add
        }
        to << '\n';
    };
}

bool service_ends(const boost::system::error_code& code) {
    using corogate::errc;
    return code == errc::draining || code == errc::stopped || code == errc::abandoned ||
           code == asio::error::operation_aborted;
}

} // namespace

/// The store's thread posts to the pool's: it must have nothing more to say when that goes.
service::~service() {
    pool_.async_stop(asio::use_future).get();
    for (int n = background_.load(); n != 0; n = background_.load())
        background_.wait(n);
    try {
        store_.async_find_job({}, asio::use_future).get();
    } catch (const std::exception&) { // a store that has failed has answered everybody
    }
}

void service::in_background(asio::awaitable<void> work, std::string complaint) {
    background_.fetch_add(1);
    asio::co_spawn(
        pool_.get_executor(), std::move(work),
        [this, tell = complain(std::move(complaint))](std::exception_ptr error) {
            tell(error);
            background_.fetch_sub(1);
            background_.notify_all();
        }
    );
}

void service::recover() {
    in_background(take_up_forms(), "cannot take up earlier work");
    in_background(take_up_jobs(), "cannot take up earlier work");
}

/// For work that must be done some time: asks until there is room. Throws a refusal that is for
/// good, or for this process.
asio::awaitable<corogate::job> service::async_admit_patiently(std::size_t n, std::string whose) {
    using corogate::errc;
    corogate::job_options who;
    who.tenant(std::move(whose)); // not background: that could not have all places
    for (;;) {
        auto job = co_await pool_.async_admit(n, who, asio::use_awaitable);
        if (job)
            co_return std::move(*job);
        const corogate::refusal no = job.error();
        if (!no.retryable() || no.reason() == errc::draining)
            throw boost::system::system_error(no.code());
        const auto wait = std::clamp<std::chrono::milliseconds>(
            no.retry_after(), std::chrono::milliseconds(100), std::chrono::seconds(2)
        );
        co_await pool_.async_sleep(wait, asio::use_awaitable);
    }
}

/// Runs the checks of a stored form, when there is room for them.
asio::awaitable<void> service::check_stored(const form_record& form) {
    using corogate::errc;
    const auto leave = [&form](std::string_view why) {
        std::osyncstream(std::cerr) << "corogate-server: form " << form.id << " of study "
                                    << form.study << " stays unchecked: " << why << '\n';
    };
    const edc::study* study = studies_.find(form.study);
    if (!study || !study->has_form(form.form)) {
        leave("this server does not have the study");
        co_return;
    }
    auto records = study->read_save(json::parse(form.datasets));
    if (!records) {
        leave(records.error().message());
        co_return;
    }
    const auto data = std::make_shared<const edc::study_case>(std::move(*records));
    const auto n = study->rules_of(form.form).size();
    for (;;) {
        bool displaced = false;
        try {
            auto job = co_await async_admit_patiently(n, form.site);
            co_await check_form(*this, form.id, *study, form.form, data, std::move(job));
        } catch (const boost::system::system_error& e) {
            if (e.code() == errc::job_too_large) {
                leave("limit and queue are too small for its rules");
                co_return;
            }
            if (e.code() != errc::displaced)
                throw;
            displaced = true;
        }
        if (!displaced)
            co_return;
    }
}

void service::check_later(std::string form_id) {
    const std::lock_guard lock(late_mutex_);
    late_forms_.push_back(std::move(form_id));
    if (late_forms_.size() == 1)
        in_background(check_late_ones(), "the checks of some forms are left to the next start");
}

asio::awaitable<void> service::check_late_ones() {
    const auto first = [this]() -> std::optional<std::string> {
        const std::lock_guard lock(late_mutex_);
        return late_forms_.empty() ? std::nullopt : std::optional(late_forms_.front());
    };
    while (const auto id = first()) {
        try {
            const auto stored = co_await store_.async_find_form(*id, asio::use_awaitable);
            if (stored)
                co_await check_stored(stored->form);
        } catch (const boost::system::system_error& e) {
            if (service_ends(e.code()))
                throw;
            complain("the checks of form " + *id + " are left to the next start")(
                std::current_exception()
            );
        }
        const std::lock_guard lock(late_mutex_);
        late_forms_.pop_front();
    }
}

asio::awaitable<void> service::take_up_forms() {
    constexpr std::size_t page = 64;
    std::int64_t after = 0;
    for (;;) {
        const auto forms = co_await store_.async_unfinished_forms(after, page, asio::use_awaitable);
        for (const auto& form : forms) {
            after = form.sequence;
            if (after > store_.last_earlier_form())
                co_return; // requests of this process look after themselves
            try {
                co_await check_stored(form);
            } catch (const boost::system::system_error& e) {
                if (service_ends(e.code()))
                    co_return; // the next process does it
                throw;
            }
        }
        if (forms.size() < page)
            co_return;
    }
}

asio::awaitable<void> service::take_up_jobs() {
    constexpr std::size_t page = 64;
    std::int64_t after = 0;
    for (;;) {
        const auto jobs = co_await store_.async_unfinished_jobs(after, page, asio::use_awaitable);
        for (const auto& job : jobs) {
            after = job.sequence;
            if (after > store_.last_earlier_job())
                co_return;
            std::optional<corogate::job> place;
            try {
                place = co_await async_admit_patiently(1, {});
            } catch (const boost::system::system_error& e) {
                if (service_ends(e.code()))
                    co_return;
                throw;
            }
            place->submit([this, id = job.id] { return run_job(*this, id); });
        }
        if (jobs.size() < page)
            co_return;
    }
}

} // namespace server
