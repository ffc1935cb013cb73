#pragma once

#include <corogate/pool_options.hpp>
#include <exception>
#include <iostream>
#include <mutex>
#include <set>
#include <string>
#include <syncstream>
#include <typeinfo>
#include <utility>

namespace corogate::detail {

/// Where the exceptions of detached tasks go. Never throws, never ends the process.
class error_reporter {
public:
    explicit error_reporter(error_handler handler)
        : handler_(std::move(handler)) {}

    void report(const std::exception_ptr& error) noexcept {
        try {
            if (handler_)
                handler_(error);
            else
                log_once(error);
        } catch (...) { // a handler that throws is contained
        }
    }

private:
    /// One line for each kind: a task that fails a million times must not fill the disk.
    void log_once(const std::exception_ptr& error) {
        std::string kind = "an exception that is not a std::exception";
        std::string what;
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            kind = typeid(e).name();
            what = e.what();
        } catch (...) {
            what = kind;
        }
        const std::lock_guard lock(mutex_);
        if (seen_.insert(kind).second)
            std::osyncstream(std::clog) << "corogate: a detached task failed: " << what
                                        << " (further failures of this kind are not logged; set "
                                           "pool_options::on_error to see them)\n";
    }

    const error_handler handler_;
    std::mutex mutex_;
    std::set<std::string> seen_;
};

} // namespace corogate::detail
