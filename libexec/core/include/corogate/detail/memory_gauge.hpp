#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace corogate::detail {

/// How much of the memory is used that the process may use, 0 to 1: the highest of its control
/// groups (cgroup v2, its own and those above it) and of the machine. 0 where nothing can be read.
///
/// Of a group: `memory.current` less `inactive_file` (page cache the kernel drops first), over the
/// lower of `memory.high` and `memory.max`. Of the machine: 1 - MemAvailable / MemTotal. A source
/// that is missing or absurd is left out.
///
/// Reads a few small files with a buffer of its own and allocates nothing then: it is asked when
/// memory is short. Not thread-safe.
class memory_gauge {
public:
    /// `root`: in front of /proc and /sys, for tests.
    explicit memory_gauge(const std::string& root = {})
        : meminfo_(root + "/proc/meminfo") {
        find_groups(root);
    }

    double read() noexcept {
        double most = machine();
        for (const group& one : groups_)
            most = std::max(most, pressure_of(one));
        return std::clamp(most, 0.0, 1.0);
    }

    /// Groups it watches; for tests.
    std::size_t groups() const noexcept { return groups_.size(); }

private:
    struct group {
        std::string current, stat, high, max;
    };

    /// The whole of a small file, the first 16 KB of a large one; empty where it cannot be read.
    std::string_view contents(const std::string& path) noexcept {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return {};
        std::size_t size = 0;
        while (size < buffer_.size()) {
            const auto got = ::read(file, buffer_.data() + size, buffer_.size() - size);
            if (got <= 0)
                break;
            size += static_cast<std::size_t>(got);
        }
        ::close(file);
        return {buffer_.data(), size};
    }

    /// The number at the front, behind blanks.
    static std::optional<std::uint64_t> number(std::string_view text) noexcept {
        while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
            text.remove_prefix(1);
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc() ? std::optional(value) : std::nullopt;
    }

    /// What stands behind a name at the start of a line.
    static std::optional<std::uint64_t>
    line(std::string_view text, std::string_view name) noexcept {
        while (!text.empty()) {
            if (text.starts_with(name))
                return number(text.substr(name.size()));
            const auto end = text.find('\n');
            if (end == std::string_view::npos)
                break;
            text.remove_prefix(end + 1);
        }
        return std::nullopt;
    }

    double machine() noexcept {
        const std::string_view text = contents(meminfo_);
        const auto total = line(text, "MemTotal:");
        const auto available = line(text, "MemAvailable:");
        if (!total || !available || *total == 0 || *available > *total)
            return 0;
        return 1 - static_cast<double>(*available) / static_cast<double>(*total);
    }

    double pressure_of(const group& of) noexcept {
        std::optional<std::uint64_t> bound;
        for (const auto* path : {&of.high, &of.max}) // "max": no bound
            if (const auto value = number(contents(*path)))
                bound = bound ? std::min(*bound, *value) : *value;
        const auto current = number(contents(of.current));
        if (!bound || *bound == 0 || !current)
            return 0;
        const auto cache = line(contents(of.stat), "inactive_file ").value_or(0);
        const auto used = *current - std::min(cache, *current);
        return static_cast<double>(used) / static_cast<double>(*bound);
    }

    /// `0::/path` is the line of version 2.
    void find_groups(const std::string& root) {
        std::string_view text = contents(root + "/proc/self/cgroup");
        std::string path;
        bool found = false;
        while (!text.empty() && !found) {
            const auto end = std::min(text.find('\n'), text.size());
            if (text.starts_with("0::/")) {
                path = text.substr(3, end - 3);
                found = true;
            }
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (!found || path.find("/..") != std::string::npos)
            return; // no version 2, or outside what is mounted here
        while (path.size() > 1 && path.back() == '/')
            path.pop_back();
        for (;;) {
            const std::string folder = root + "/sys/fs/cgroup" + (path == "/" ? "" : path) + '/';
            group one{
                folder + "memory.current", folder + "memory.stat", folder + "memory.high",
                folder + "memory.max"
            };
            if (!contents(one.current).empty())
                groups_.push_back(std::move(one));
            if (path.size() <= 1)
                return;
            path.erase(path.rfind('/'));
            if (path.empty())
                path = "/";
        }
    }

    std::array<char, 16384> buffer_{};
    std::string meminfo_;
    std::vector<group> groups_;
};

} // namespace corogate::detail
