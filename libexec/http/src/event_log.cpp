#include "text.hpp"

#include <algorithm>
#include <corogate/http/event_log.hpp>
#include <stdexcept>
#include <utility>

namespace corogate::http {

event::event(std::string name, std::string data)
    : name_(std::move(name))
    , data_(std::move(data)) {
    if (name_.empty() || !detail::is_plain_text(name_))
        throw std::invalid_argument("the name of an event is empty or holds control characters");
}

std::string format(const event& what, std::uint64_t number) {
    std::string text = "id: " + std::to_string(number) + "\nevent: " + what.name() + "\n";
    std::string_view left = what.data();
    text.reserve(text.size() + left.size() + 16);
    for (bool more = true; more;) {
        const auto end = left.find_first_of("\r\n");
        more = end != std::string_view::npos;
        text += "data: ";
        text += left.substr(0, end);
        text += '\n';
        if (more)
            left.remove_prefix(end + (left.substr(end, 2) == "\r\n" ? 2 : 1));
    }
    text += '\n';
    return text;
}

void event_log::add(event what) {
    if (what.is_newest_only()) {
        const auto same = [&what](const pointer& one) {
            return one->said.is_newest_only() && one->said.name() == what.name() &&
                   one->said.topic() == what.topic();
        };
        // It came last time it was said: near the end.
        const auto old = std::find_if(entries_.rbegin(), entries_.rend(), same);
        if (old != entries_.rend()) {
            octets_ -= weight((*old)->said);
            entries_.erase(std::next(old).base());
        }
    }
    octets_ += weight(what);
    entries_.push_back(std::make_shared<const entry>(next_, std::move(what)));
    ++next_;
    while (entries_.size() > 1 && (entries_.size() > most_events_ || octets_ > most_octets_)) {
        lost_ = entries_.front()->number;
        octets_ -= weight(entries_.front()->said);
        entries_.pop_front();
    }
}

event_log::pointer event_log::after(std::uint64_t number, std::string_view topic) const noexcept {
    auto at = std::upper_bound(
        entries_.begin(), entries_.end(), number,
        [](std::uint64_t n, const pointer& one) { return n < one->number; }
    );
    while (at != entries_.end() && !topic.empty() && (*at)->said.topic() != topic)
        ++at;
    return at == entries_.end() ? nullptr : *at;
}

} // namespace corogate::http
