#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <map>
#include <mutex>

namespace corogate::http::detail {

/// How many connections each client address has. An IPv6 client owns a /64, so that counts as one.
/// No larger than the number of connections. From any thread.
class address_counts {
public:
    /// Counts one more, unless there are `most` already.
    bool enter(const boost::asio::ip::address& from, std::size_t most) {
        const std::lock_guard lock(mutex_);
        std::size_t& count = counts_[key_of(from)];
        if (count >= most)
            return false;
        ++count;
        return true;
    }

    void leave(const boost::asio::ip::address& from) noexcept {
        const std::lock_guard lock(mutex_);
        const auto at = counts_.find(key_of(from));
        if (at != counts_.end() && --at->second == 0)
            counts_.erase(at);
    }

private:
    using key = std::array<unsigned char, 16>;

    static key key_of(const boost::asio::ip::address& from) noexcept {
        key made{};
        if (from.is_v4()) {
            const auto octets = from.to_v4().to_bytes();
            made[10] = made[11] = 0xff;
            std::copy(octets.begin(), octets.end(), made.begin() + 12);
            return made;
        }
        const auto octets = from.to_v6().to_bytes();
        const bool mapped = from.to_v6().is_v4_mapped();
        std::copy_n(octets.begin(), mapped ? 16 : 8, made.begin());
        return made;
    }

    std::mutex mutex_;
    std::map<key, std::size_t> counts_;
};

} // namespace corogate::http::detail
