#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace corogate::http {

/// Something that streams tell their clients.
class event {
public:
    /// Throws `std::invalid_argument` for a name that is empty or holds control characters.
    event(std::string name, std::string data);

    /// What it is about; a stream may follow one subject only.
    event& topic(std::string of) { return topic_ = std::move(of), *this; }
    /// A newer event of the same name and topic takes its place: who reads slowly gets the newest.
    event& newest_only(bool on = true) noexcept { return newest_only_ = on, *this; }
    /// Nothing comes after it: streams of its topic end.
    event& last(bool on = true) noexcept { return last_ = on, *this; }

    const std::string& name() const noexcept { return name_; }
    const std::string& data() const noexcept { return data_; }
    const std::string& topic() const noexcept { return topic_; }
    bool is_newest_only() const noexcept { return newest_only_; }
    bool is_last() const noexcept { return last_; }

private:
    std::string name_;
    std::string data_;
    std::string topic_;
    bool newest_only_ = false;
    bool last_ = false;
};

/// An event as `text/event-stream` has it (WHATWG HTML, server-sent events): each line of the data
/// in a field of its own, whatever its line ends, then the blank line.
std::string format(const event& what, std::uint64_t number);

/// The latest events, numbered without gaps from one on, as many as fit.
///
/// Bounded in events and in octets (of names and data; the newest event is kept however large).
/// Numbers go on from `first`: with the time of the start in it, an id that a client got from an
/// earlier process is less than any of this one, and known to be lost. Not thread-safe.
class event_log {
public:
    class entry {
    public:
        entry(std::uint64_t n, event what)
            : number(n)
            , said(std::move(what)) {}
        const std::uint64_t number;
        const event said;
    };
    using pointer = std::shared_ptr<const entry>;

    event_log(std::size_t events, std::size_t octets, std::uint64_t first = 1) noexcept
        : most_events_(events)
        , most_octets_(octets)
        , next_(first)
        , lost_(first - 1) {}

    void add(event what);

    /// The number of the latest event; one before the first where there was none.
    std::uint64_t newest() const noexcept { return next_ - 1; }
    /// Whether everything after that number is still here (what a newer event has replaced is not
    /// missed), and the number is one of this log.
    bool reaches(std::uint64_t number) const noexcept {
        return number >= lost_ && number <= newest();
    }
    /// The next event after that number, of a topic or, where that is empty, of all; null where
    /// there is none. O(events).
    pointer after(std::uint64_t number, std::string_view topic) const noexcept;

    std::size_t size() const noexcept { return entries_.size(); }
    std::size_t octets() const noexcept { return octets_; }

private:
    static std::size_t weight(const event& of) noexcept {
        return of.name().size() + of.data().size() + of.topic().size();
    }

    const std::size_t most_events_;
    const std::size_t most_octets_;
    std::uint64_t next_;
    std::uint64_t lost_; // the latest that is no longer here, nor replaced
    std::size_t octets_ = 0;
    std::deque<pointer> entries_;
};

} // namespace corogate::http
