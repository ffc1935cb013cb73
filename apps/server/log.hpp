#pragma once

#include <corogate/http/exchange.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace server {

enum class log_level : std::uint8_t { error, warning, info, debug };
enum class log_format : std::uint8_t { text, json };

std::optional<log_level> log_level_named(std::string_view word) noexcept;
std::optional<log_format> log_format_named(std::string_view word) noexcept;

/// The log cannot be written; `what()` is one sentence without an end mark.
class log_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Where the program writes what happens, a line each, as `key=value` or as JSON.
///
/// A line is formatted on the thread that writes it and put in a queue; a thread of the log's own
/// does the writing. The queue is bounded: where the disk is slower than the requests, the oldest
/// lines are dropped and counted, and no request waits. No line holds a query, a body, a subject or
/// a token. From any thread. The destructor writes what is queued.
class log {
public:
    /// To standard error where no file is given, else behind what the file holds. Throws
    /// `log_error`.
    log(log_level least, log_format as, const std::optional<std::filesystem::path>& file = {});
    ~log();
    log(const log&) = delete;
    log& operator=(const log&) = delete;

    bool writes(log_level of) const noexcept { return of <= least_; }

    /// Something that happened, in a sentence without an end mark.
    void event(log_level of, std::string_view sentence) noexcept;

    /// A request: a failure of ours as an error, `probe` (health, metrics) as debug, others as
    /// info.
    void request(const corogate::http::exchange& done, bool probe) noexcept;

    /// Lines that were dropped, so far.
    std::uint64_t dropped() const;

private:
    class queue;

    log_level least_;
    log_format format_;
    std::unique_ptr<queue> queue_;
};

/// The log of the program, for those who have no other way to it; null for none. Set it before and
/// unset it after everything that uses `tell`.
void use_log(log* one) noexcept;

/// An event for the log of the program, else a line on standard error.
void tell(log_level of, std::string_view sentence) noexcept;

} // namespace server
