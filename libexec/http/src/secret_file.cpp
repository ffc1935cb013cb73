#include "secret_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace corogate::http::detail {

std::string read_secret_file(
    const std::filesystem::path& file, std::string_view what,
    void (*fail)(const std::string& sentence)
) {
    constexpr std::size_t most = 1024 * 1024;
    const std::string named = std::string(what) + " " + file.string();
    const auto cannot = [&] {
        fail(named + " cannot be read: " + std::generic_category().message(errno));
    };
    // One descriptor for the look and the reading: nobody can swap the file between them.
    const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        cannot();
    struct closer {
        int descriptor;
        ~closer() { ::close(descriptor); }
    } const closing{opened};
    struct stat about{};
    if (::fstat(opened, &about) != 0)
        cannot();
    if (S_ISDIR(about.st_mode))
        fail(named + " is a folder");
    if (S_ISREG(about.st_mode) && (about.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        fail(named + " is open to others; only its owner may have it (chmod 600)");
    std::string content;
    char block[4096];
    for (;;) {
        const auto got = ::read(opened, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            cannot();
        if (got == 0)
            return content;
        content.append(block, static_cast<std::size_t>(got));
        if (content.size() > most)
            fail(named + " is larger than 1 MiB");
    }
}

} // namespace corogate::http::detail
