#include "log.hpp"

#include <atomic>
#include <chrono>
#include <ctime>
#include <fmt/format.h>
#include <iostream>
#include <iterator>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <syncstream>
#include <utility>

namespace server {

namespace {

constexpr std::size_t queued_lines = 8192;

constexpr std::pair<std::string_view, log_level> levels[] = {
    {"error", log_level::error},
    {"warning", log_level::warning},
    {"info", log_level::info},
    {"debug", log_level::debug},
};

std::string_view name_of(log_level of) noexcept {
    for (const auto& [name, level] : levels)
        if (level == of)
            return name;
    return "error";
}

std::string_view or_none(std::string_view text) noexcept { return text.empty() ? "-" : text; }

/// One line, a field at a time.
class line {
public:
    line(log_format as, log_level of)
        : json_(as == log_format::json) {
        if (json_)
            text_.push_back('{');
        const auto now = std::chrono::system_clock::now();
        const auto whole = std::chrono::floor<std::chrono::seconds>(now);
        const std::time_t seconds = std::chrono::system_clock::to_time_t(whole);
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        key("time");
        quote();
        fmt::format_to(
            out(), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
            parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
            std::chrono::floor<std::chrono::milliseconds>(now - whole).count()
        );
        quote();
        text("level", name_of(of));
    }

    void text(std::string_view name, std::string_view value) {
        key(name);
        const bool bare = !json_ && value.find_first_of(" \"=\\") == std::string_view::npos &&
                          !value.empty() && is_plain(value);
        if (bare) {
            text_.append(value.data(), value.data() + value.size());
            return;
        }
        text_.push_back('"');
        for (const char c : value) {
            if (c == '"' || c == '\\')
                text_.push_back('\\');
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                fmt::format_to(out(), "\\u{:04x}", static_cast<unsigned char>(c));
            else
                text_.push_back(c);
        }
        text_.push_back('"');
    }

    template <typename Number>
    void number(std::string_view name, Number value) {
        key(name);
        fmt::format_to(out(), "{}", value);
    }

    void milliseconds(std::string_view name, std::chrono::nanoseconds value) {
        key(name);
        fmt::format_to(out(), "{:.3f}", std::chrono::duration<double, std::milli>(value).count());
    }

    spdlog::string_view_t finish() {
        if (json_)
            text_.push_back('}');
        return {text_.data(), text_.size()};
    }

private:
    static bool is_plain(std::string_view value) noexcept {
        for (const char c : value)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                return false;
        return true;
    }

    std::back_insert_iterator<fmt::memory_buffer> out() { return std::back_inserter(text_); }

    void quote() {
        if (json_)
            text_.push_back('"');
    }

    void key(std::string_view name) {
        if (!first_)
            text_.push_back(json_ ? ',' : ' ');
        first_ = false;
        if (json_)
            fmt::format_to(out(), "\"{}\":", name);
        else
            fmt::format_to(out(), "{}=", name);
    }

    const bool json_;
    bool first_ = true;
    fmt::memory_buffer text_;
};

std::atomic<log*> current{nullptr};

} // namespace

std::optional<log_level> log_level_named(std::string_view word) noexcept {
    for (const auto& [name, level] : levels)
        if (name == word)
            return level;
    return std::nullopt;
}

std::optional<log_format> log_format_named(std::string_view word) noexcept {
    if (word == "text")
        return log_format::text;
    if (word == "json")
        return log_format::json;
    return std::nullopt;
}

/// spdlog's thread and queue, without its global registry.
class log::queue {
public:
    explicit queue(const std::optional<std::filesystem::path>& file)
        : thread_(std::make_shared<spdlog::details::thread_pool>(queued_lines, 1)) {
        spdlog::sink_ptr sink;
        if (file)
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file->string());
        else
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        logger_ = std::make_shared<spdlog::async_logger>(
            "corogate-server", std::move(sink), thread_,
            spdlog::async_overflow_policy::overrun_oldest
        );
        logger_->set_level(spdlog::level::trace); // chosen before a line is made
        logger_->set_pattern("%v");
        logger_->flush_on(spdlog::level::trace);
    }

    void put(spdlog::string_view_t text) { logger_->log(spdlog::level::info, text); }

    std::uint64_t dropped() const { return thread_->overrun_counter(); }

private:
    std::shared_ptr<spdlog::async_logger> logger_;
    std::shared_ptr<spdlog::details::thread_pool> thread_; // goes first: writes what is queued
};

log::log(log_level least, log_format as, const std::optional<std::filesystem::path>& file)
    : least_(least)
    , format_(as) {
    try {
        queue_ = std::make_unique<queue>(file);
    } catch (const spdlog::spdlog_ex&) {
        throw log_error(fmt::format("the log file {} cannot be written", file->string()));
    }
}

log::~log() = default;

void log::event(log_level of, std::string_view sentence) noexcept {
    if (!writes(of))
        return;
    try {
        line made(format_, of);
        made.text("event", "message");
        made.text("message", sentence);
        queue_->put(made.finish());
    } catch (...) { // NOLINT: out of memory; a log line is the least that matters now
    }
}

void log::request(const corogate::http::exchange& done, bool probe) noexcept {
    const auto level = done.status == 500 ? log_level::error
                       : probe            ? log_level::debug
                                          : log_level::info;
    if (!writes(level))
        return;
    try {
        line made(format_, level);
        made.text("event", "request");
        made.text("trace_id", done.trace.trace_id());
        made.text("method", or_none(done.method));
        made.text("route", or_none(done.route));
        made.number("status", done.status);
        made.number("octets_in", done.octets_in);
        made.number("octets_out", done.octets_out);
        made.milliseconds("ms", done.took);
        made.text("remote", done.remote.to_string());
        made.text("token", or_none(done.who.name));
        queue_->put(made.finish());
    } catch (...) { // NOLINT: as above
    }
}

std::uint64_t log::dropped() const { return queue_->dropped(); }

void use_log(log* one) noexcept { current = one; }

void tell(log_level of, std::string_view sentence) noexcept {
    if (log* const to = current) {
        to->event(of, sentence);
        return;
    }
    try {
        std::osyncstream(std::cerr) << "corogate-server: " << sentence << '\n';
    } catch (...) { // NOLINT: nobody is left to be told
    }
}

} // namespace server
