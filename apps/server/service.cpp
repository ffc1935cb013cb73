#include "service.hpp"

#include "analysis/site_kri.hpp"
#include "api/form_json.hpp"
#include "api/job_json.hpp"
#include "edc/evaluate.hpp"
#include "log.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <corogate/http/problem.hpp>
#include <corogate/limiters/adaptive.hpp>
#include <fmt/format.h>
#include <functional>
#include <stdexcept>
#include <utility>
#include <variant>

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
        } catch (const boost::system::system_error& e) {
            if (e.code() != corogate::errc::cancelled) // somebody cancelled a job that waited
                server::tell(log_level::error, fmt::format("a task failed: {}", e.what()));
        } catch (const std::exception& e) {
            server::tell(log_level::error, fmt::format("a task failed: {}", e.what()));
        } catch (...) {
            server::tell(log_level::error, "a task failed");
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

/// A sentence in the log for what nobody waits for.
auto complain(std::string about) {
    return [about = std::move(about)](std::exception_ptr error) {
        if (!error)
            return;
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            server::tell(log_level::error, fmt::format("{}: {}", about, e.what()));
        } catch (...) { // nothing to add
            server::tell(log_level::error, about);
        }
    };
}

/// In a catch block: the store has it, and this process cannot do it.
void leave_to_next_start(const std::string& what) {
    complain("left to the next start: " + what)(std::current_exception());
}

/// The form with its records as tables; throws where they cannot be had.
form_to_check form_to_check_of(const form_record& from, const edc::catalogue& studies) {
    form_to_check to;
    to.id = from.id;
    to.form = from.form;
    to.site = from.site;
    to.study = studies.share(from.study);
    if (!to.study || !to.study->has_form(from.form))
        throw std::runtime_error("this server does not have the study");
    auto records = to.study->read_save(json::parse(from.datasets));
    if (!records)
        throw std::runtime_error(records.error().message());
    to.records = std::make_shared<const edc::study_case>(std::move(*records));
    return to;
}

/// The result of a job that checked a form, as JSON text.
std::string form_result(const std::string& form_id, const std::vector<finding_record>& found) {
    json::object to;
    to["form_id"] = form_id;
    add_findings(to, found);
    return json::serialize(to);
}

} // namespace

service::service(const options& from, edc::catalogue studies, const std::filesystem::path& data)
    : options_(from)
    , files_(std::move(studies))
    , studies_(std::make_shared<const edc::catalogue>(files_))
    , store_(data)
    , events_(event_numbers())
    , pool_(pool_options_of(from)) {
    std::map<std::string, rule_change> uploaded;
    for (auto& rule : store_.async_all_rules(asio::use_future).get())
        uploaded[rule.study].rules.push_back(std::move(rule));
    for (auto& [study, change] : uploaded)
        put_in_force(study, std::move(change));
}

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

asio::awaitable<std::vector<finding_record>>
evaluate_form(form_to_check form, corogate::job& place) {
    std::vector<std::function<asio::awaitable<edc::outcome>()>> checks;
    for (const edc::rule* rule : form.study->rules_of(form.form)) {
        // The study goes along: a check that was given up may still run when nobody waits.
        checks.push_back(
            [rule, study = form.study, records = form.records]() -> asio::awaitable<edc::outcome> {
                edc::outcome said;
                try {
                    said = edc::evaluate(*rule, *records);
                } catch (const std::exception& e) {
                    // One broken check must neither hide the others' findings nor pass for a pass.
                    server::tell(
                        log_level::error, fmt::format("rule {} failed: {}", rule->id, e.what())
                    );
                    said.skips.push_back({rule->id, "the check failed inside the server"});
                }
                co_return said;
            }
        );
    }
    std::vector<edc::outcome> outcomes = co_await place.async_run(checks, asio::use_awaitable);

    std::vector<finding_record> found;
    for (auto& outcome : outcomes)
        for (auto& finding : outcome.findings)
            found.push_back(record_of(std::move(finding)));
    for (auto& outcome : outcomes)
        for (auto& skip : outcome.skips)
            found.push_back(record_of(std::move(skip)));
    for (const auto& skip : form.study->skips_of(form.form))
        found.push_back(record_of(skip));
    co_return found;
}

// ---- rules ----

std::shared_ptr<const edc::catalogue> service::studies() const {
    const std::lock_guard lock(studies_mutex_);
    return studies_;
}

/// Changes of one study may be told out of order: the latest one holds the others.
void service::put_in_force(const std::string& study, rule_change change) {
    const auto* files = files_.find(study);
    if (!files) {
        server::tell(
            log_level::warning,
            fmt::format(
                "there are uploaded rules for the study {}, which this server does not have", study
            )
        );
        return;
    }
    std::vector<std::variant<edc::rule, edc::rejected_rule>> uploaded;
    for (const auto& rule : change.rules)
        uploaded.push_back(edc::parse_rule(json::parse(rule.text), rule.id));
    auto rules =
        std::make_shared<const edc::rule_set>(edc::overlay(files->rules(), std::move(uploaded)));
    auto made = files->with_rules(std::move(rules));
    const std::lock_guard lock(studies_mutex_);
    auto& revision = rule_revisions_[study];
    if (change.revision < revision)
        return;
    revision = change.revision;
    studies_ = std::make_shared<const edc::catalogue>(studies_->replacing(std::move(made)));
}

asio::awaitable<bool> service::async_put_rule(std::string study, std::string id, std::string text) {
    rule_record rule;
    rule.study = study;
    rule.id = std::move(id);
    rule.text = std::move(text);
    auto change = co_await store_.async_put_rule(std::move(rule), asio::use_awaitable);
    const bool replaced = change.done;
    put_in_force(study, std::move(change));
    co_return replaced;
}

asio::awaitable<bool> service::async_remove_rule(std::string study, std::string id) {
    auto change = co_await store_.async_remove_rule(study, std::move(id), asio::use_awaitable);
    const bool removed = change.done;
    put_in_force(study, std::move(change));
    co_return removed;
}

// ---- jobs ----

/// Null where the job runs already.
std::shared_ptr<job_run> service::begin_run(const std::string& id) {
    // The run takes itself off the list when the last of its coroutines and closures has gone.
    auto run = std::shared_ptr<job_run>(new job_run(id), [this](job_run* ended) {
        {
            const std::lock_guard lock(runs_mutex_);
            const auto at = runs_.find(ended->id());
            if (at != runs_.end() && at->second.expired())
                runs_.erase(at);
        }
        delete ended;
    });
    std::shared_ptr<job_run> other; // lives on until the list is unlocked
    const std::lock_guard lock(runs_mutex_);
    auto& place = runs_[id];
    other = place.lock();
    if (other && !other->called_off()->load())
        return nullptr;
    place = run;
    return run;
}

void service::start(const job_record& job, corogate::job place) {
    auto run = begin_run(job.id);
    if (!run)
        return;
    if (job.kind == form_checks_kind) {
        run->give(std::move(place));
        in_background(run_form_job(run, std::nullopt, {}), "job " + job.id + " has not ended");
        return;
    }
    run->give(std::move(place));
    try {
        run->place().submit([this, run] { return run_job(*this, run); });
    } catch (const boost::system::system_error&) {
        if (!run->called_off()->load()) // cancelled meanwhile: it is not to start
            throw;
    }
}

void service::start_form_checks(
    const job_record& job, form_to_check form, corogate::job place, findings_hook done
) {
    auto run = begin_run(job.id);
    if (!run)
        return;
    run->give(std::move(place));
    in_background(
        run_form_job(run, std::move(form), std::move(done)), "job " + job.id + " has not ended"
    );
}

void service::forget_run(const std::string& job_id) {
    const std::lock_guard lock(runs_mutex_);
    runs_.erase(job_id);
}

asio::awaitable<cancel_outcome> service::async_cancel(std::string job_id) {
    const auto listed = [this, &job_id]() -> std::shared_ptr<job_run> {
        const std::lock_guard lock(runs_mutex_);
        const auto at = runs_.find(job_id);
        return at == runs_.end() ? nullptr : at->second.lock();
    };
    // Looked up before: once a waiting job has ended, a retry may have listed a run of its own.
    auto run = listed();
    const auto now = std::chrono::system_clock::now();
    const auto met = co_await store_.async_cancel_job(job_id, now, asio::use_awaitable);
    if (met != cancel_outcome::cancelled && met != cancel_outcome::cancelling)
        co_return met;
    if (!run && met == cancel_outcome::cancelling)
        run = listed();
    if (run)
        run->call_off();
    else if (met == cancel_outcome::cancelling) // its run could not store how it ended
        co_await store_.async_end_cancelled(job_id, now, asio::use_awaitable);
    co_return met;
}

asio::awaitable<void> run_job(service& with, std::shared_ptr<job_run> run) {
    auto& store = with.store();
    std::optional<job_record> job;
    try {
        job = co_await store.async_find_job(run->id(), asio::use_awaitable);
        const auto started = std::chrono::system_clock::now();
        if (!job || !co_await store.async_start_job(
                        run->id(), started, run->called_off(), asio::use_awaitable
                    ))
            co_return;
        job->state = job_state::running;
        job->started_at = started;
        job->progress_done = 0;
        ++job->attempts;
        with.tell(*job);
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
                throw; // cancelled; or the process is ending: the next one takes the job up again
            outcome.state = job_state::failed;
            outcome.error = e.what();
        } catch (const std::exception& e) {
            outcome.state = job_state::failed;
            outcome.error = e.what();
        }
        const auto ended = std::chrono::system_clock::now();
        co_await store.async_finish_job(run->id(), outcome, ended, asio::use_awaitable);
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted || !run->called_off()->load())
            throw;
    }
    if (run->called_off()->load()) {
        // The cancellation has been obeyed: what follows is to be carried out.
        co_await asio::this_coro::throw_if_cancelled(false);
        const auto now = std::chrono::system_clock::now();
        co_await store.async_end_cancelled(run->id(), now, asio::use_awaitable);
    }
    if (job = co_await store.async_find_job(run->id(), asio::use_awaitable); job)
        with.tell(*job);
}

asio::awaitable<form_to_check> service::async_form_of(const job_record& job) {
    const auto request = json::parse(job.request);
    std::string id(std::string_view(request.at("form_id").as_string()));
    const auto stored = co_await store_.async_find_form(id, asio::use_awaitable);
    if (!stored)
        throw std::runtime_error("the form is not there any more");
    co_return form_to_check_of(stored->form, *studies());
}

/// Not a task: its checks are. It waits for places where it has none (after a start, and where
/// they were taken by somebody who holds less).
asio::awaitable<void> service::run_form_job(
    std::shared_ptr<job_run> run, std::optional<form_to_check> form, findings_hook done
) {
    using corogate::errc;
    std::optional<job_record> job = co_await store_.async_find_job(run->id(), asio::use_awaitable);
    if (!job)
        co_return;
    job_outcome outcome;
    std::vector<finding_record> found;
    bool started = false;
    try {
        if (!form)
            form = co_await async_form_of(*job);
        const auto n = form->study->rules_of(form->form).size();
        for (bool ended = false; !ended && !run->called_off()->load();) {
            if (run->place().remaining() < n)
                run->give(co_await async_admit_patiently(n, form->tenant));
            const auto now = std::chrono::system_clock::now();
            if (!started) {
                if (!co_await store_.async_start_job(
                        run->id(), now, run->called_off(), asio::use_awaitable
                    ))
                    co_return;
                started = true;
                job->state = job_state::running;
                job->started_at = now;
                job->progress_total = static_cast<std::int64_t>(n);
                ++job->attempts;
                tell(*job);
                co_await store_.async_update_progress(
                    run->id(), 0, job->progress_total, asio::use_awaitable
                );
            }
            try {
                found = co_await evaluate_form(*form, run->place());
                ended = true;
            } catch (const boost::system::system_error& e) {
                if (e.code() != errc::displaced)
                    throw;
            }
        }
        outcome.result = form_result(form->id, found);
    } catch (const boost::system::system_error& e) {
        if (!run->called_off()->load()) {
            if (ends_service(e.code()))
                co_return; // the next process does it
            outcome.state = job_state::failed;
            outcome.error = e.code() == errc::job_too_large
                                ? "limit and queue are too small for the rules of the form"
                                : e.what();
        }
    } catch (const std::exception& e) {
        outcome.state = job_state::failed;
        outcome.error = e.what();
    }
    const auto ended = std::chrono::system_clock::now();
    if (run->called_off()->load()) {
        co_await store_.async_end_cancelled(run->id(), ended, asio::use_awaitable);
    } else if (outcome.state == job_state::succeeded) {
        if (co_await store_.async_finish_form_job(
                run->id(), form->id, found, outcome, ended, asio::use_awaitable
            ) &&
            done)
            done(found);
    } else {
        co_await store_.async_finish_job(run->id(), outcome, ended, asio::use_awaitable);
    }
    if (job = co_await store_.async_find_job(run->id(), asio::use_awaitable); job)
        tell(*job);
}

// ---- after a crash ----

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
        [this, complain_of = complain(std::move(complaint))](std::exception_ptr error) {
            complain_of(error);
            background_.fetch_sub(1);
            background_.notify_all();
        }
    );
}

void service::recover() {
    in_background(take_up_forms(), "cannot take up earlier work");
    in_background(take_up_jobs(), "cannot take up earlier work");
}

/// What the next process has to do. A drain by hand is taken back in this one.
bool service::ends_service(const boost::system::error_code& code) const {
    using corogate::errc;
    return (code == errc::draining && ending_) || code == errc::stopped ||
           code == errc::abandoned || code == asio::error::operation_aborted;
}

/// For work that must be done some time: asks until there is room, and until a drain by hand is
/// taken back. Throws a refusal that is for good, or for this process.
asio::awaitable<corogate::job> service::async_admit_patiently(std::size_t n, std::string whose) {
    using corogate::errc;
    corogate::job_options who;
    who.tenant(std::move(whose)); // not background: that could not have all places
    for (;;) {
        auto job = co_await pool_.async_admit(n, who, asio::use_awaitable);
        if (job)
            co_return std::move(*job);
        const corogate::refusal no = job.error();
        if (no.reason() == errc::draining ? ending_.load() : !no.retryable())
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
        server::tell(
            log_level::warning,
            fmt::format("form {} of study {} stays unchecked: {}", form.id, form.study, why)
        );
    };
    form_to_check checks;
    try {
        checks = form_to_check_of(form, *studies());
    } catch (const std::exception& e) {
        leave(e.what());
        co_return;
    }
    const auto n = checks.study->rules_of(form.form).size();
    for (;;) {
        bool displaced = false;
        try {
            auto job = co_await async_admit_patiently(n, checks.tenant);
            auto found = co_await evaluate_form(checks, job);
            co_await store_.async_record_findings(form.id, std::move(found), asio::use_awaitable);
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
            if (ends_service(e.code()))
                throw;
            leave_to_next_start("the checks of form " + *id);
        } catch (const std::exception&) { // the store's are no system errors
            leave_to_next_start("the checks of form " + *id);
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
                if (ends_service(e.code()))
                    co_return; // the next process does it
                leave_to_next_start("the checks of form " + form.id);
            } catch (const std::exception&) {
                leave_to_next_start("the checks of form " + form.id);
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
                // A job that checks a form asks for its places itself, one such job at a time.
                if (job.kind == form_checks_kind) {
                    if (auto run = begin_run(job.id))
                        co_await run_form_job(std::move(run), std::nullopt, {});
                    continue;
                }
                place = co_await async_admit_patiently(1, {});
                start(job, std::move(*place));
            } catch (const boost::system::system_error& e) {
                if (ends_service(e.code()))
                    co_return;
                leave_to_next_start("job " + job.id);
            } catch (const std::exception&) {
                leave_to_next_start("job " + job.id);
            }
        }
        if (jobs.size() < page)
            co_return;
    }
}

} // namespace server
