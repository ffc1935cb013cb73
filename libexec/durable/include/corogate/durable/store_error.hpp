#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace corogate::durable {

/// Why a store operation failed.
enum class store_errc : std::uint8_t {
    locked = 1,   ///< another process or connection holds the file
    full,         ///< no room on the disk; goes on when there is room again
    read_only,    ///< the file or its folder cannot be written
    cannot_open,  ///< no such folder, no permission, not a plain file
    corrupt,      ///< the file is damaged
    not_a_store,  ///< some other file: not SQLite, or not written by this program
    newer_schema, ///< written by a newer version of this program
    constraint,   ///< a key, reference or check of the schema forbids the write
    io,           ///< the device or the file system failed
    wrong_type,   ///< a column holds another type than the one asked for
    misuse,       ///< a defect of the calling program: bad statement, a write in a read
    stopped,      ///< the store thread stopped after a failed write; restart the process
};

/// The one exception of the store. `what()` is one sentence that a user can read: it names the file
/// and the cause, and never a stored value.
class store_error : public std::runtime_error {
public:
    /// `native` is SQLite's extended result code, 0 where SQLite was not the one to complain.
    store_error(store_errc code, const std::string& sentence, int native = 0)
        : std::runtime_error(sentence)
        , code_(code)
        , native_(native) {}

    [[nodiscard]] store_errc code() const noexcept { return code_; }
    [[nodiscard]] int native() const noexcept { return native_; }

    /// True where the same call can succeed later in this process without a change by the caller.
    [[nodiscard]] bool retryable() const noexcept {
        return code_ == store_errc::locked || code_ == store_errc::full;
    }

private:
    store_errc code_;
    int native_;
};

} // namespace corogate::durable
