#pragma once

#include <atomic>
#include <corogate/job.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace server {

/// One run of a stored job in this process: its places in the pool, and whether it was called off.
///
/// `call_off` from any thread; the places are used by one coroutine at a time.
class job_run {
public:
    explicit job_run(std::string id)
        : id_(std::move(id)) {}

    const std::string& id() const noexcept { return id_; }

    /// True once somebody has cancelled the job. Shared with the store, which asks at the moment of
    /// starting it.
    const std::shared_ptr<std::atomic<bool>>& called_off() const noexcept { return called_off_; }

    void call_off() {
        const std::lock_guard lock(mutex_);
        called_off_->store(true);
        place_.cancel();
    }

    /// The places its tasks run on, in place of earlier ones.
    void give(corogate::job place) {
        const std::lock_guard lock(mutex_);
        place_ = std::move(place);
        if (called_off_->load())
            place_.cancel();
    }
    corogate::job& place() noexcept { return place_; }

private:
    const std::string id_;
    const std::shared_ptr<std::atomic<bool>> called_off_ =
        std::make_shared<std::atomic<bool>>(false);
    std::mutex mutex_;
    corogate::job place_;
};

} // namespace server
