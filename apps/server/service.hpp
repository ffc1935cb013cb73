#pragma once

#include "edc/catalogue.hpp"
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
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace server {

/// What a job is for; a label of the metrics.
enum class job_kind : std::uint8_t { tasks, form, analysis };

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
    const edc::catalogue& studies() const noexcept { return studies_; }
    server::store& store() noexcept { return store_; }
    const corogate::task_pool& pool() const noexcept { return pool_; }
    id_generator& ids() noexcept { return ids_; }
    /// What streams of events are told; whoever changes a job tells it here.
    corogate::http::event_hub& events() noexcept { return events_; }

    std::uint64_t jobs_accepted(job_kind kind) const noexcept;
    std::uint64_t jobs_refused(job_kind kind, corogate::errc why) const noexcept;
    /// Tasks of the refused jobs of all kinds.
    std::uint64_t tasks_refused(corogate::errc why) const noexcept;

private:
    /// Runs beside the tasks; the service does not end before it.
    void in_background(boost::asio::awaitable<void> work, std::string complaint);
    boost::asio::awaitable<corogate::job> async_admit_patiently(std::size_t n, std::string whose);
    boost::asio::awaitable<void> check_stored(const form_record& form);
    boost::asio::awaitable<void> check_late_ones();
    boost::asio::awaitable<void> take_up_forms();
    boost::asio::awaitable<void> take_up_jobs();

    struct job_counts {
        std::atomic<std::uint64_t> accepted{0};
        std::array<std::atomic<std::uint64_t>, corogate::detail::errc_count + 1> refused{};
        std::array<std::atomic<std::uint64_t>, corogate::detail::errc_count + 1> refused_tasks{};
    };

    const options options_;
    const edc::catalogue studies_;
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

/// Stores and checks the records of a form that is already saved; returns its findings and skips as
/// they are answered. The job has a place for each rule of the form.
boost::asio::awaitable<std::vector<finding_record>> check_form(
    service& with, std::string form_id, const edc::study& study, std::string form,
    std::shared_ptr<const edc::study_case> records, corogate::job job
);

/// Runs one stored job to its end and stores its outcome.
boost::asio::awaitable<void> run_job(service& with, std::string job_id);

} // namespace server
