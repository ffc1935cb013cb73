#pragma once

#include "log.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace server {

/// What the command line of corogate-server says.
class options {
public:
    options() = default;

    std::string address = "127.0.0.1"; ///< an IP address
    bool insecure = false;             ///< listens beyond this machine without TLS or tokens
    std::uint16_t port = 8080;
    std::optional<std::uint16_t> monitor_port; ///< metrics on a listener of their own
    std::size_t threads = 0;                   ///< of the task pool; 0: one a core
    std::size_t io_threads = 1;
    std::size_t limit = 64;
    bool adaptive = false; ///< the limit finds itself, from `limit` on; so without --limit
    std::size_t queue_tasks = 4096;
    std::chrono::milliseconds queue_time{0};       ///< the longest wait in the queue; 0: no bound
    std::chrono::milliseconds save_time{10000};    ///< for a save, where the client says nothing
    std::chrono::milliseconds task_duration{2000}; ///< a simulated task waits this long
    std::chrono::milliseconds task_cpu{0};         ///< and computes this long first
    std::chrono::milliseconds drain_timeout{30000};
    std::filesystem::path data; ///< empty: the user's state folder
    std::vector<std::filesystem::path> studies;
    std::optional<std::filesystem::path> rules;
    std::vector<std::string> allowed_hosts;
    std::optional<std::filesystem::path> tokens; ///< of the environment where there is none
    std::optional<std::filesystem::path> tls_certificate;
    std::optional<std::filesystem::path> tls_key;
    log_level log_least = log_level::warning;
    log_format log_as = log_format::text;
    std::optional<std::filesystem::path> log_file; ///< standard error where there is none
};

/// The program ends here: with a text on standard output (status 0) or a sentence on standard
/// error.
struct leave {
    int status;
    std::string text;
};

/// Reads the arguments; every mistake is one sentence and status 2.
std::variant<options, leave> read_options(int argc, const char* const* argv);

/// Who may come in from where: nothing where that is safe; else a sentence, which is a warning with
/// `--insecure` and a mistake without.
class exposure {
public:
    std::string sentence; ///< without an end mark; empty: safe
    bool allowed = true;
};
exposure exposure_of(const options& from, bool has_tokens);

/// `250ms`, `2s`, `1m`, `1h`; nothing where it is none of these or longer than a week.
std::optional<std::chrono::milliseconds> read_duration(std::string_view text) noexcept;

} // namespace server
