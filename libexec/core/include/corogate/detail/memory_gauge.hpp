#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <corogate/memory_guard.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#if __has_include(<unistd.h>)
#include <fcntl.h>
#include <unistd.h>
#endif

namespace corogate::detail {

/// How short memory is: 0 (not at all) to 1, the greatest of what is known.
///
/// * The cgroups of this process, version 2, mounted at /sys/fs/cgroup: its own and each above it,
///   as far as it sees them. What counts as used is memory.current less inactive_file of
///   memory.stat, as in Kubernetes' working set; the limit is the smaller of memory.high (beyond
///   which the process is slowed down) and memory.max (beyond which it is killed).
/// * The machine: what of MemTotal is not MemAvailable, in /proc/meminfo.
///
/// What is not there, cannot be read or makes no sense is left out: a cgroup by itself, the machine
/// by itself. Where a file could not be read because descriptors or kernel memory have run out,
/// which happens when it is needed most, the pressure is at least the last one.
///
/// Reading allocates nothing and throws nothing; it costs about as many system calls as there are
/// files: three each, four files a cgroup with a limit, two without. The process's cgroup is looked
/// up every time: it may be moved. Not thread-safe.
class memory_gauge {
public:
    /// `root` stands before every path: for tests, or where another system's /proc is mounted.
    explicit memory_gauge(const memory_guard& options = {}, std::string_view root = {})
        : source_(options.source())
        , root_(root) {
        path_.reserve(longest_path);
    }

    memory_gauge(const memory_gauge&) = delete;
    memory_gauge& operator=(const memory_gauge&) = delete;

    double read() noexcept;

private:
    static constexpr std::size_t longest_path = 4096;
    /// As memory.max and memory.high say it: `max`.
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    double own() const noexcept;
    double of_machine() noexcept;
    double of_cgroups() noexcept;
    double of_cgroup() noexcept;

    bool start_path(std::string_view a, std::string_view b) noexcept;
    bool contents(std::string_view file) noexcept;
    std::optional<std::uint64_t> number_in(std::string_view file) noexcept;
    std::optional<std::uint64_t> field(std::string_view key) const noexcept;
    std::optional<std::string_view> line(std::string_view start) const noexcept;
    static std::optional<std::uint64_t> number(std::string_view text) noexcept;

    std::function<double()> source_;
    std::string root_;
    std::string path_;   // of the directory at hand; its capacity never changes
    bool short_ = false; // a file could not be read for want of descriptors or memory
    double last_ = 0;
    std::size_t size_ = 0;
    std::array<char, 8192> buffer_; // what a file begins with
};

// ------------------------------------------------------------------------------------------------

inline double memory_gauge::read() noexcept {
    if (source_)
        return own();
    short_ = false;
    const double now = std::max(of_machine(), of_cgroups());
    last_ = short_ ? std::max(now, last_) : now;
    return last_;
}

inline double memory_gauge::own() const noexcept {
    try {
        const double p = source_();
        return p > 0 ? std::min(p, 1.0) : 0; // NaN is neither
    } catch (...) {                          // the user's; nothing here may fail
        return 0;
    }
}

inline double memory_gauge::of_machine() noexcept {
    if (!start_path("/proc", "") || !contents("meminfo"))
        return 0;
    const auto total = field("MemTotal:");
    const auto available = field("MemAvailable:");
    if (!total || !available || *total == 0 || *available > *total)
        return 0;
    return 1 - static_cast<double>(*available) / static_cast<double>(*total);
}

inline double memory_gauge::of_cgroups() noexcept {
    if (!start_path("/proc/self", "") || !contents("cgroup"))
        return 0;
    // Version 2 is hierarchy 0, without a name. In a mixed system it is there, without memory
    // files.
    auto name = line("0::");
    // A name with `..` lies outside of what this process sees.
    if (!name || !name->starts_with('/') || name->find("/..") != std::string_view::npos)
        return 0;
    while (name->ends_with('/'))
        name->remove_suffix(1);
    if (!start_path("/sys/fs/cgroup", *name))
        return 0;
    const std::size_t top = path_.size() - name->size();
    double worst = of_cgroup();
    while (path_.size() > top) {
        path_.resize(path_.rfind('/')); // not below the top: the name starts with one
        worst = std::max(worst, of_cgroup());
    }
    return worst;
}

/// The one whose directory is `path_`.
inline double memory_gauge::of_cgroup() noexcept {
    const auto high = number_in("memory.high");
    const auto most = number_in("memory.max");
    if (!high || !most)
        return 0;
    const auto limit = std::min(*high, *most);
    if (limit == unlimited || limit == 0)
        return 0;
    const auto current = number_in("memory.current");
    if (!current || *current == unlimited || !contents("memory.stat"))
        return 0;
    const auto cache = field("inactive_file");
    if (!cache)
        return 0;
    const auto used = *current - std::min(*cache, *current); // two files, read one after the other
    return std::min(1.0, static_cast<double>(used) / static_cast<double>(limit));
}

inline bool memory_gauge::start_path(std::string_view a, std::string_view b) noexcept {
    constexpr std::size_t name = 32; // and the name of a file in it
    if (root_.size() + a.size() + b.size() + name > longest_path)
        return false;
    path_.assign(root_).append(a).append(b);
    return true;
}

/// Reads a file of the directory at hand, as much as fits.
inline bool memory_gauge::contents([[maybe_unused]] std::string_view file) noexcept {
    size_ = 0;
#if __has_include(<unistd.h>)
    const std::size_t directory = path_.size();
    path_.append("/").append(file);
    int fd = 0;
    do
        fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    path_.resize(directory);
    ssize_t n = fd;
    while (n >= 0 && size_ < buffer_.size()) {
        n = ::read(fd, buffer_.data() + size_, buffer_.size() - size_);
        if (n == 0)
            break;
        if (n > 0)
            size_ += static_cast<std::size_t>(n);
        else if (errno == EINTR)
            n = 0;
    }
    if (n < 0)
        short_ = short_ || errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    if (fd >= 0)
        ::close(fd);
    return n >= 0;
#else
    return false;
#endif
}

inline std::optional<std::uint64_t> memory_gauge::number_in(std::string_view file) noexcept {
    if (!contents(file))
        return std::nullopt;
    const auto text = line("");
    if (text == "max")
        return unlimited;
    return text ? number(*text) : std::nullopt;
}

/// The number behind a key that begins a line.
inline std::optional<std::uint64_t> memory_gauge::field(std::string_view key) const noexcept {
    auto rest = line(key);
    if (!rest || !rest->starts_with(' '))
        return std::nullopt;
    rest->remove_prefix(std::min(rest->find_first_not_of(' '), rest->size()));
    if (rest->ends_with(" kB"))
        rest->remove_suffix(3);
    return number(*rest);
}

/// What follows in the first line that starts so. The line is whole: one cut off by the end of the
/// buffer is no line.
inline std::optional<std::string_view> memory_gauge::line(std::string_view start) const noexcept {
    std::string_view left(buffer_.data(), size_);
    for (;;) {
        const auto end = left.find('\n');
        if (end == std::string_view::npos)
            return std::nullopt;
        if (left.substr(0, end).starts_with(start))
            return left.substr(start.size(), end - start.size());
        left.remove_prefix(end + 1);
    }
}

/// All of it is one number.
inline std::optional<std::uint64_t> memory_gauge::number(std::string_view text) noexcept {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace corogate::detail
