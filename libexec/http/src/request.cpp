#include "text.hpp"

#include <corogate/http/request.hpp>
#include <stdexcept>

namespace corogate::http {

request::request(
    std::string_view method, std::string_view target, std::initializer_list<header_field> headers,
    std::string body
)
    : body_(std::move(body)) {
    std::size_t size = method.size() + target.size();
    for (const header_field& one : headers)
        size += one.name.size() + one.value.size();
    head_.reserve(size); // the views below must not move
    const auto keep = [this](std::string_view text) {
        const std::size_t at = head_.size();
        head_ += text;
        return std::string_view(head_).substr(at);
    };
    method_ = keep(method);
    raw_target_ = keep(target);
    for (const header_field& one : headers) {
        const std::string_view name = keep(one.name);
        const std::string_view value = keep(one.value);
        fields_.push_back({name, value});
    }
    if (const auto wrong = target_.assign(raw_target_); !wrong.empty())
        throw std::invalid_argument(std::string(wrong));
}

const identity& request::nobody() noexcept {
    static const identity one;
    return one;
}

const trace_context& request::trace() const {
    if (trace_)
        return *trace_;
    std::size_t given = 0;
    for (const header_field& one : fields_)
        if (detail::equals_ignoring_case(one.name, "traceparent") && given++ == 0)
            trace_ = trace_context::received(one.value);
    if (!trace_ || given > 1)
        trace_ = trace_context::fresh();
    return *trace_;
}

std::string_view request::param(std::string_view name) const {
    for (const auto& one : params_)
        if (one.name == name)
            return one.value;
    throw std::out_of_range("the pattern of this route has no such name");
}

std::optional<std::string_view> request::header(std::string_view name) const noexcept {
    for (const header_field& one : fields_)
        if (detail::equals_ignoring_case(one.name, name))
            return one.value;
    return std::nullopt;
}

} // namespace corogate::http
