#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sse {

/// An event as a client has it.
struct told {
    std::string id; // as of this event: an id lasts until the next one
    std::string name;
    std::string data;
};

struct stream {
    std::vector<told> events;
    long retry = -1; // the latest one
};

/// Reads `text/event-stream` as WHATWG HTML says it. What is not ended by a blank line is left out.
inline stream read(std::string_view text) {
    stream to;
    told now;
    bool any_data = false;
    while (!text.empty()) {
        const auto end = text.find_first_of("\r\n");
        if (end == std::string_view::npos)
            break;
        const auto line = text.substr(0, end);
        text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
        if (line.empty()) {
            if (any_data) {
                now.data.pop_back(); // the last line end
                if (now.name.empty())
                    now.name = "message";
                to.events.push_back(now);
            }
            now.name.clear();
            now.data.clear();
            any_data = false;
            continue;
        }
        const auto colon = line.find(':');
        const auto field = line.substr(0, colon);
        auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
        if (!value.empty() && value.front() == ' ')
            value.remove_prefix(1);
        if (field == "data") {
            now.data.append(value).push_back('\n');
            any_data = true;
        } else if (field == "event") {
            now.name = value;
        } else if (field == "id") {
            now.id = value;
        } else if (field == "retry") {
            to.retry = std::strtol(std::string(value).c_str(), nullptr, 10);
        }
    }
    return to;
}

} // namespace sse
