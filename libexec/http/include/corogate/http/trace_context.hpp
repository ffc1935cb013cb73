#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace corogate::http {

/// Which trace a request belongs to (W3C Trace Context): the ids that tie the log lines of several
/// services together.
///
/// `received` goes on with the trace of a `traceparent` field, `fresh` begins one. Either way the
/// request is a span of its own, with a random id. `traceparent()` is what to send along to other
/// services. A value without allocations.
class trace_context {
public:
    /// Nothing where the text is no `traceparent`: upper-case digits, ids of zeros, version ff, a
    /// version 00 with more behind its four fields. Of later versions the four fields that are
    /// known count.
    static std::optional<trace_context> received(std::string_view traceparent);

    static trace_context fresh();

    /// 32 lower-case hexadecimal digits.
    std::string_view trace_id() const noexcept { return {text_.data() + 3, 32}; }
    /// Of this request: 16 digits.
    std::string_view span_id() const noexcept { return {text_.data() + 36, 16}; }
    /// Of the caller; empty where the trace begins here.
    std::string_view parent_id() const noexcept { return {parent_.data(), has_parent_ ? 16U : 0U}; }
    /// The caller records this trace.
    bool sampled() const noexcept { return sampled_; }

    std::string traceparent() const { return std::string(text_.data(), text_.size()); }

private:
    trace_context() = default;
    void draw(std::size_t at, std::size_t digits);

    std::array<char, 55> text_{}; // 00-<trace>-<span>-<flags>
    std::array<char, 16> parent_{};
    bool has_parent_ = false;
    bool sampled_ = false;
};

} // namespace corogate::http
