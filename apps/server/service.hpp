#pragma once

#include "edc/catalogue.hpp"
#include "job_run.hpp"
#include "options.hpp"
#include "store/id_generator.hpp"
#include "store/store.hpp"

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>
#include <corogate/http/event_stream.hpp>
#include <corogate/http/response.hpp>
#include <corogate/job_options.hpp>
#include <corogate/task_pool.hpp>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace server {

/// What a job is for; a label of the metrics.
enum class job_kind : std::uint8_t { tasks, form, analysis };

/// The kind of a stored job that checks a form.
inline constexpr std::string_view form_checks_kind = "form-checks";

/// A stored form with what its checks need. Keeps its study, whatever becomes of the rules.
class form_to_check {
public:
    form_to_check() = default;

    std::string id;
    std::string form;
    std::string site;
    std::string tenant; ///< whose share it is; empty where that was not kept
    std::shared_ptr<const edc::study> study;
    std::shared_ptr<const edc::study_case> records;
};

/// Gets the findings of a form that a job has checked.
using findings_hook = std::function<void(const std::vector<finding_record>&)>;

/// What the routes work on: studies, store and task pool, and the counts of jobs.
///
/// The HTTP servers outlive it (handlers that wait for the pool or the store are theirs); it is
/// used from their threads and from the pool's. Everything here may be called from any thread.
class service {
public:
    /// Throws `corogate::durable::store_error` where the data file cannot be used.
    service(const options& from, edc::catalogue studies, const std::filesystem::path& data);
    ~service();
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    using admission = boost::system::result<corogate::job, corogate::http::response>;

    /// Reserves n places for a job, or says why not, as an answer. May displace work of who holds
    /// most.
    boost::asio::awaitable<admission>
    async_admit(job_kind kind, std::size_t n, corogate::job_options who);

    /// Checks a stored form after all, when there is room: its save was answered without.
    void check_later(std::string form_id);

    // ---- jobs ----

    /// Runs a stored job of any kind on `place` (for `form-checks`: a place for each rule). No
    /// effect where it runs already. Nobody but the store hears of its outcome, and `on_job`.
    void start(const job_record& job, corogate::job place);

    /// The same for the job that checks a form; `done` hears of its findings, on a thread of the
    /// pool, where there are any.
    void start_form_checks(
        const job_record& job, form_to_check form, corogate::job place, findings_hook done = {}
    );

    /// The stored job is queued again: what may be left of its earlier run is no run any more.
    /// Before `start`.
    void forget_run(const std::string& job_id);

    /// Cancels a stored job: one that waits never starts, one that runs is asked to end.
    boost::asio::awaitable<cancel_outcome> async_cancel(std::string job_id);

    /// Called after each change of a stored job's state, on any thread; not thread-safe: set it
    /// before the first request.
    void on_job(std::function<void(const job_record&)> hook) { job_hook_ = std::move(hook); }
    void tell(const job_record& job) const {
        if (job_hook_)
            job_hook_(job);
    }

    /// The form of a job that checks one. Throws `std::runtime_error` with a sentence where it
    /// cannot be checked (any more).
    boost::asio::awaitable<form_to_check> async_form_of(const job_record& job);

    // ---- rules ----

    /// Stores a rule that has been read without complaint, and puts it in force for what is
    /// admitted from then on. -> whether an uploaded rule of that id was replaced
    boost::asio::awaitable<bool>
    async_put_rule(std::string study, std::string id, std::string text);
    /// Takes an uploaded rule back; one of the files with its id is in force again. -> whether
    /// there was one
    boost::asio::awaitable<bool> async_remove_rule(std::string study, std::string id);
    /// The study as its files have it, or null.
    const edc::study* study_of_files(std::string_view id) const noexcept { return files_.find(id); }

    /// Takes up what an earlier process was stopped in: received forms are checked, jobs run.
    void recover();

    /// From now on new work is refused, for good; completes when what was admitted has ended, or in
    /// time.
    template <typename Token>
    auto async_drain(std::chrono::milliseconds timeout, Token&& token) {
        ending_ = true;
        draining_ = true;
        return pool_.async_drain(timeout, std::forward<Token>(token));
    }

    /// The same by hand, without end: what was admitted is finished, however long it takes, and the
    /// process goes on. While it drains: no effect.
    void drain();
    /// Admits and starts work again, after a pause or a drain by hand. False, and nothing has
    /// changed, where a drain is still under way or the process is ending.
    bool resume();
    void pause() { pool_.pause(); }
    /// Whether new work is refused until `resume`, or for good.
    bool draining() const noexcept { return draining_; }

    /// Throws `std::invalid_argument` for what `corogate::pool_options` would not take.
    void limit(std::size_t tasks) { pool_.resize(tasks); }
    /// Lets the limit find itself; false where it cannot.
    bool adapt();
    void queue_tasks(std::size_t places) { pool_.resize_queue(places); }

    /// A line for each stored form and job that the next start will take up, at most `most` of
    /// each. Blocks; not for threads of the pool or of a server.
    std::vector<std::string> left_for_next_start(std::size_t most);

    bool ready() const noexcept { return !draining_ && !store_.failed(); }
    const char* state() const noexcept;

    const options& settings() const noexcept { return options_; }
    /// The studies with the rules in force now; later changes make another one.
    std::shared_ptr<const edc::catalogue> studies() const;
    server::store& store() noexcept { return store_; }
    const corogate::task_pool& pool() const noexcept { return pool_; }
    id_generator& ids() noexcept { return ids_; }
    /// What streams of events are told; of jobs by `on_job`.
    corogate::http::event_hub& events() noexcept { return events_; }

    std::uint64_t jobs_accepted(job_kind kind) const noexcept;
    std::uint64_t jobs_refused(job_kind kind, corogate::errc why) const noexcept;
    /// Tasks of the refused jobs of all kinds.
    std::uint64_t tasks_refused(corogate::errc why) const noexcept;

private:
    /// Runs beside the tasks; the service does not end before it.
    void in_background(boost::asio::awaitable<void> work, std::string complaint);
    bool ends_service(const boost::system::error_code& code) const;
    boost::asio::awaitable<corogate::job> async_admit_patiently(std::size_t n, std::string whose);
    boost::asio::awaitable<void> check_stored(const form_record& form);
    boost::asio::awaitable<void> check_late_ones();
    boost::asio::awaitable<void> take_up_forms();
    boost::asio::awaitable<void> take_up_jobs();
    std::shared_ptr<job_run> begin_run(const std::string& id);
    boost::asio::awaitable<void> run_form_job(
        std::shared_ptr<job_run> run, std::optional<form_to_check> form, findings_hook done
    );
    void put_in_force(const std::string& study, rule_change change);

    struct job_counts {
        std::atomic<std::uint64_t> accepted{0};
        std::array<std::atomic<std::uint64_t>, corogate::detail::errc_count + 1> refused{};
        std::array<std::atomic<std::uint64_t>, corogate::detail::errc_count + 1> refused_tasks{};
    };

    const options options_;
    const edc::catalogue files_;
    mutable std::mutex studies_mutex_;
    std::shared_ptr<const edc::catalogue> studies_;      // guarded by studies_mutex_
    std::map<std::string, std::int64_t> rule_revisions_; // guarded by studies_mutex_; by study
    std::function<void(const job_record&)> job_hook_;
    std::mutex runs_mutex_;
    std::map<std::string, std::weak_ptr<job_run>, std::less<>> runs_; // guarded by runs_mutex_
    id_generator ids_;
    std::atomic<bool> draining_{false};
    std::atomic<bool> ending_{false};
    std::mutex draining_mutex_; // one drain or resume by hand at a time
    std::array<job_counts, 3> counts_{};
    std::atomic<int> background_{0}; // coroutines beside the tasks
    std::mutex late_mutex_;
    std::deque<std::string> late_forms_; // the first one is being checked
    server::store store_;
    corogate::http::event_hub events_;
    corogate::task_pool pool_; // last: its tasks use the others
};

/// Checks the records of a form; returns its findings and skips as they are answered and stored.
/// The job has a place for each rule of the form.
boost::asio::awaitable<std::vector<finding_record>>
evaluate_form(form_to_check form, corogate::job& place);

/// Runs one stored job that is no check of a form to its end and stores its outcome.
boost::asio::awaitable<void> run_job(service& with, std::shared_ptr<job_run> run);

} // namespace server
