#include "store/data_dir.hpp"

#include <corogate/durable/store_error.hpp>

#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace server {

namespace {

std::optional<std::filesystem::path> absolute(const char* value) {
    if (!value || *value != '/')
        return std::nullopt;
    return value;
}

[[noreturn]] void refuse(const std::filesystem::path& dir, const std::string& why) {
    throw corogate::durable::store_error(
        corogate::durable::store_errc::cannot_open,
        "the data folder " + dir.string() + " cannot be used: " + why
    );
}

/// std::filesystem creates with the mode that the umask leaves; these folders hold subjects' data.
void create(const std::filesystem::path& dir) {
    std::error_code error;
    if (std::filesystem::is_directory(dir, error))
        return;
    const auto parent = dir.parent_path();
    if (!parent.empty() && parent != dir)
        create(parent);
    if (::mkdir(dir.c_str(), 0700) != 0) {
        const int code = errno;
        // Made by another process meanwhile, or named twice ("a/./").
        if (!std::filesystem::is_directory(dir, error))
            throw std::system_error(code, std::generic_category());
    }
}

} // namespace

std::optional<std::filesystem::path>
default_data_dir(const char* xdg_state_home, const char* home) {
    if (const auto state = absolute(xdg_state_home))
        return *state / "corogate";
    if (const auto own = absolute(home))
        return *own / ".local" / "state" / "corogate";
    return std::nullopt;
}

void prepare_data_dir(const std::filesystem::path& dir) {
    if (dir.empty())
        refuse(dir, "its name is empty");
    try {
        create(dir.lexically_normal());
    } catch (const std::system_error& e) {
        refuse(dir, e.code().message());
    }
}

} // namespace server
